/* A linear layer as --activations pytorch computes it, on PyTorch's own input and weights, against
 * what PyTorch's quantize_dynamic gave (scripts/make_pytorch_golden.py). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/activations.h"
#include "engine/quantize_weights.h"
#include "tests/golden/npy_file.h"

static npy_file open_case(int index, const char *name)
{
    char path[512];
    const char *golden = getenv("BERTRUN_GOLDEN");
    snprintf(path, sizeof path, "%s/pytorch-int8/linear-%d/%s.npy",
             golden ? golden : "tests/golden/data", index, name);
    return npy_open(path);
}

typedef struct linear {
    size_t in, out;
    int8_t *q; /* [out, in] */
    float *scale, *offset;
} linear;

/* Quantizes the weights; they must be PyTorch's, each one. */
static linear quantize_weights(const npy_file *weight, const npy_file *expected)
{
    size_t out = weight->shape[0], in = weight->shape[1];
    linear layer = {in, out, malloc(out * in), calloc(out, 4), calloc(out, 4)};
    float *row = malloc(in * sizeof *row);
    br_tensor tensor = {.name = "x.weight",
                        .dtype = BR_DTYPE_F32,
                        .rank = 2,
                        .shape = {out, in},
                        .data = weight->f32,
                        .bytes = weight->count * sizeof(float)};
    br_weight_scheme scheme = br_weight_scheme_choose(NULL, &tensor, true, row);
    for (size_t r = 0; r < out; r++) {
        int8_t *q = layer.q + r * in;
        int32_t sum = 0;
        cr_assert(br_quantize_row(&scheme, r, weight->f32 + r * in, in, q, &layer.scale[r]));
        for (size_t k = 0; k < in; k++) {
            cr_assert_eq(q[k], expected->i32[r * in + k]);
            sum += q[k];
        }
        layer.offset[r] = layer.scale[r] * (float)sum;
    }
    free(row);
    return layer;
}

static br_range range_of_all(const br_ops *ops, const npy_file *input)
{
    br_range range = ops->range(input->f32, input->shape[1]);
    for (size_t r = 1; r < input->shape[0]; r++) {
        br_range row = ops->range(input->f32 + r * input->shape[1], input->shape[1]);
        range = (br_range){fminf(range.lo, row.lo), fmaxf(range.hi, row.hi)};
    }
    return range;
}

static void run_row(const br_ops *ops, const linear *layer, const float *x, br_range range,
                    const float *bias, float *y)
{
    uint8_t q[256];
    int32_t acc[256];
    br_quantized input =
        br_quantize_dynamic(ops, BERTRUN_ACTIVATIONS_PYTORCH, x, layer->in, range, q);
    br_linear_rows row = {.acc = acc,
                          .rows = 1,
                          .n = layer->out,
                          .columns = {layer->scale, layer->offset, bias, NULL},
                          .input = &input};
    for (size_t j = 0; j < layer->out; j++) {
        acc[j] = 0;
        for (size_t k = 0; k < layer->in; k++)
            acc[j] += q[k] * layer->q[j * layer->in + k];
    }
    ops->linear(&row, BR_ACTIVATION_IDENTITY, y, 0, NULL);
}

static void check_case(int index)
{
    npy_file input = open_case(index, "input"), weight = open_case(index, "weight");
    npy_file bias = open_case(index, "bias"), output = open_case(index, "output");
    npy_file weight_q = open_case(index, "weight_q");
    const br_ops *ops = br_ops_select();
    linear layer = quantize_weights(&weight, &weight_q);
    br_range range = range_of_all(ops, &input);
    float y[256], largest = 0, worst = 0;
    for (size_t i = 0; i < output.count; i++)
        largest = fmaxf(largest, fabsf(output.f32[i]));
    for (size_t r = 0; r < input.shape[0]; r++) {
        run_row(ops, &layer, input.f32 + r * layer.in, range, bias.f32, y);
        for (size_t j = 0; j < layer.out; j++)
            worst = fmaxf(worst, fabsf(y[j] - output.f32[r * layer.out + j]));
    }
    cr_log_info("case %d: off by %.1e of the largest value", index, (double)(worst / largest));
    cr_expect(worst <= 1e-4F * largest, "case %d: off by %g of %g", index, (double)worst,
              (double)largest);
    free(layer.q);
    free(layer.scale);
    free(layer.offset);
    npy_close(&input);
    npy_close(&weight);
    npy_close(&bias);
    npy_close(&output);
    npy_close(&weight_q);
}

Test(pytorch_linear, computes_what_pytorch_does)
{
    for (int i = 0; i < 4; i++)
        check_case(i);
}
