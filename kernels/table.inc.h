/* The table of one instruction set. Included last by each ops_*.c. */
#define BR_OPS_TABLE(set_name)                                                                     \
    {                                                                                              \
        .name = set_name, .linear = linear, .linear_norm = linear_norm, .add_norm = add_norm,      \
        .range = range, .quantize = quantize, .quantize_affine = quantize_affine,                  \
        .widen_s8 = widen_s8, .widen_bf16 = widen_bf16, .widen_f16 = widen_f16,                    \
        .narrow_bf16 = narrow_bf16, .attention = attention, .gemm_f32 = gemm_f32,                  \
        .gemm_bf16 = gemm_bf16, .add = add, .add_scaled = add_scaled, .max = maximum,              \
        .scale = scale,                                                                            \
        .products = products, .sum_squares = sum_squares, .softmax = softmax, .sigmoid = sigmoid,  \
        .lstm_cell = lstm_cell,                                                                    \
    }
