/*
 * Row kernels: everything between two matrix multiplications.
 *
 * One table of functions for each instruction set; br_ops_select() picks the best that the CPU has.
 * All sets give the SAME BITS: every kernel is written once, over vectors of 16 floats
 * (kernels/vec_*.h), sums over a row run in 4 x 16 lanes that are folded in one fixed tree, and
 * a*b+c is one rounding (fma) exactly where the source says so. A row's result depends on that row
 * alone.
 *
 * Kernels assert, they do not validate. Rows need not be aligned and `n` may be any number >= 1.
 */
#ifndef BR_OPS_H
#define BR_OPS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "common/types.h"
#include "kernels/gemm_f32.h"

/** Smallest and largest value of a row. */
typedef struct br_range {
    float lo, hi;
} br_range;

/** The range of nothing, which any value widens. */
static inline br_range br_range_empty(void)
{
    return (br_range){INFINITY, -INFINITY};
}

/** The smallest range that holds both; neither has NaN. */
static inline br_range br_range_union(br_range a, br_range b)
{
    return (br_range){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

/**
 * A quantized row: x[j] ~ scale * q[j] + lo, with q in 0..255 (affine u8; lo is the value of q =
 * 0).
 */
typedef struct br_quantized {
    float scale, lo;
} br_quantized;

/** Per-output-channel constants of a linear layer, [n] each. */
typedef struct br_columns {
    const float *scale;  /* weight scale; NULL: the accumulators are floats and need no scale */
    const float *offset; /* weight scale * sum of the channel's s8 weights; NULL with scale NULL */
    const float *bias;   /* NULL: no bias */
    const float *factor; /* of `linear`'s result, after the activation; NULL: 1 */
} br_columns;

/** One row of a linear layer as it leaves the matrix multiplication. */
typedef struct br_linear_row {
    const void *acc; /* [n] int32_t, or float where columns.scale is NULL */
    size_t n;
    br_columns columns;
    br_quantized input; /* how the input row was quantized; unused for floats */
} br_linear_row;

/** Several of them, of the same columns. */
typedef struct br_linear_rows {
    const void *acc; /* [rows, n], rows `stride` elements apart, as br_linear_row's */
    size_t rows, n, stride;
    br_columns columns;
    const br_quantized *input; /* [rows]; unused for floats */
} br_linear_rows;

/** LayerNorm's parameters (Ba et al. 2016): gamma [n], beta [n]. */
typedef struct br_norm {
    const float *gamma, *beta;
    float epsilon;
    const float *residual_scale; /* [n] factors of linear_norm's residual, or NULL: 1 */
} br_norm;

/** Units of an LSTM whose gates stand together. */
enum { BR_CELL_UNITS = 16 };

typedef struct br_ops {
    const char *name; /* "scalar", "avx2", "avx512" */

    /**
     * y[j] = act(z[j]) * factor[j],  z[j] = fma(input.scale * acc[j], scale[j], fma(input.lo,
     * offset[j], bias[j])) (int32), or acc[j] + bias[j] (float).
     * @param y       [rows, n], rows y_stride apart; may be the accumulators' memory, row by row
     * @param ranges  NULL, or [rows]: each is widened to hold its row of y, NaN elements passed
     *                over, so that a row's columns can come in several calls
     */
    void (*linear)(const br_linear_rows *rows, br_activation_kind act, float *y, size_t y_stride,
                   br_range *ranges);

    /**
     * y = LayerNorm(z + y), or LayerNorm(fma(y, residual_scale, z)): y holds the residual.
     * @param y       [rows, n], rows y_stride apart
     * @param ranges  NULL, or [rows] receives the range of each row of y
     */
    void (*linear_norm)(const br_linear_rows *rows, const br_norm *norm, float *y, size_t y_stride,
                        br_range *ranges);

    /** y = LayerNorm(a + b + c), each [n]; c may be NULL. Returns the range of y. */
    br_range (*add_norm)(const float *a, const float *b, const float *c, size_t n,
                         const br_norm *norm, float *y);

    /** Range of a row; NaN elements are passed over (a row of NaN gives lo > hi). */
    br_range (*range)(const float *x, size_t n);

    /**
     * q[j] = clamp(round_half_even((x[j] - lo) * (255 / (hi - lo))), 0, 255); scale = (hi - lo) /
     * 255. hi == lo: q = 0, scale = 0. A range that is not finite, or hi < lo: q = 0, scale = 0, lo
     * = NaN, so that the fault shows in the result. A NaN element of a finite range: q = 0. q has
     * room for n rounded up to 64; the rest is zeroed.
     */
    br_quantized (*quantize)(const float *x, size_t n, br_range range, uint8_t *q);

    /**
     * The same with known parameters: the formula of br_affine, saturating; lo = -(scale *
     * zero_point). A NaN element: q = least. A scale that is not finite: q = 0, scale = 0, lo =
     * NaN. Elements behind n up to the next 64 are written, too; weights are zero there.
     */
    br_quantized (*quantize_affine)(const float *x, size_t n, const br_affine *affine, uint8_t *q);

    /** y[j] = q[j] * scale. */
    void (*widen_s8)(const int8_t *q, float scale, size_t n, float *y);
    /** y[j] = the f32 of a bfloat16 / a binary16. */
    void (*widen_bf16)(const uint16_t *x, size_t n, float *y);
    void (*widen_f16)(const uint16_t *x, size_t n, float *y);
    /** y[j] = bfloat16 of x[j], rounded half to even. */
    void (*narrow_bf16)(const float *x, size_t n, uint16_t *y);

    /**
     * Attention of one head over one sequence (Vaswani et al. 2017): for each of the first `rows`
     * tokens, out = softmax(q k^T) v. q is already multiplied by 1/sqrt(head_dim).
     * @param q,k,v      first token's first element of this head; rows `stride` floats apart,
     *                   q [rows, head_dim], k and v [length, head_dim]
     * @param out        [rows, head_dim], rows `out_stride` floats apart
     * @param scratch    br_attention_scratch(length, head_dim) floats, 64-byte aligned
     * Each score is one fma chain over head_dim, each output one fma chain over the tokens in
     * order, each sum of the softmax one chain of additions over them: a row's result depends
     * neither on `rows` nor on how the work is cut into tiles.
     */
    void (*attention)(const float *q, const float *k, const float *v, size_t stride, size_t rows,
                      size_t length, size_t head_dim, float *out, size_t out_stride,
                      float *scratch);

    /** kernels/gemm_f32.h, on f32 weights and on bf16 ones. */
    br_gemm_f32_fn gemm_f32, gemm_bf16;

    /** y += x; y = fma(factor, x, y); y = max(y, x), NaN if either is; y *= factor. */
    void (*add)(const float *x, size_t n, float *y);
    void (*add_scaled)(const float *x, float factor, size_t n, float *y);
    void (*max)(const float *x, size_t n, float *y);
    void (*scale)(float factor, size_t n, float *y);
    /**
     * y[j] = sum over rows r, in order, of fma(x[r, column], x[r, j], ...), j < n: a row of X^T X.
     * Rows are `stride` floats apart.
     */
    void (*products)(const float *x, size_t stride, size_t rows, size_t column, size_t n, float *y);
    /** Sum of x[j]^2. */
    float (*sum_squares)(const float *x, size_t n);
    /** y = softmax(x), y = 1 / (1 + exp(-x)); y may be x. */
    void (*softmax)(const float *x, size_t n, float *y);
    void (*sigmoid)(const float *x, size_t n, float *y);

    /**
     * One step of an LSTM (Hochreiter and Schmidhuber 1997) for one column, or for some of its
     * units. The two rows are those of the projections of the layer's input and of its own last
     * output as they leave the matrix multiplication. z, the sum of what `linear` makes of them
     * without an activation, has for each BR_CELL_UNITS units their gates i, f, g, o one after
     * another, so that n is four times the units; the last group is a whole one in memory, of which
     * what is beyond the units is not used. The recurrent row has no bias.
     *     cell = sigmoid(f) * cell + sigmoid(i) * tanh(g), hidden = sigmoid(o) * tanh(cell)
     * each within 1e-6 * max(1, |cell|), by two divisions.
     */
    void (*lstm_cell)(const br_linear_row *input, const br_linear_row *recurrent, float *cell,
                      float *hidden);
} br_ops;

/** Floats of scratch that `attention` needs. */
size_t br_attention_scratch(size_t length, size_t head_dim);

/** Instruction sets, each including those before it. */
typedef enum br_isa {
    BR_ISA_SCALAR = 0,
    BR_ISA_AVX2,   /* AVX2, FMA, F16C */
    BR_ISA_AVX512, /* F, BW, DQ, VL */
} br_isa;

/** The best that this CPU (and its operating system) has. */
br_isa br_isa_detect(void);

/** The kernels for an instruction set that the CPU must have; NULL where they were not built. */
const br_ops *br_ops_for(br_isa isa);

/** The best kernels for this CPU, never NULL. */
const br_ops *br_ops_select(void);

#endif
