#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/activations.h"

static br_quantized quantize(bertrun_activations mode, const float *x, size_t n, br_range range,
                             uint8_t q[64])
{
    return br_quantize_dynamic(br_ops_select(), mode, x, n, range, q);
}

Test(activations, symmetric_is_s8_around_128)
{
    const float x[] = {-1, 0, 0.5F, 2};
    uint8_t q[64];
    br_quantized row = quantize(BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC, x, 4, (br_range){-1, 2}, q);
    cr_assert(row.scale == 2.0F / 127 && row.lo == -(row.scale * 128));
    cr_assert_arr_eq(q, ((uint8_t[]){64, 128, 160, 255}), 4); /* -63.5 rounds to -64 */
    quantize(BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC, x, 4, (br_range){-254, 2}, q);
    cr_assert_arr_eq(q, ((uint8_t[]){128, 128, 128, 129}), 4); /* -0.5 and 0.25 round to 0 */
}

Test(activations, symmetric_zeros_are_exact)
{
    const float x[3] = {0};
    uint8_t q[64];
    br_quantized row = quantize(BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC, x, 3, (br_range){0, 0}, q);
    cr_assert(row.scale == 0 && row.lo == 0 && q[0] == 128);
}

Test(activations, a_range_that_is_not_finite_shows)
{
    static const bertrun_activations modes[] = {BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC,
                                                BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC,
                                                BERTRUN_ACTIVATIONS_PYTORCH};
    const float x[3] = {0};
    uint8_t q[64];
    for (size_t i = 0; i < 3; i++) {
        br_range ranges[] = {{0, INFINITY}, {-INFINITY, 0}, {INFINITY, -INFINITY}};
        for (size_t r = 0; r < 3; r++)
            cr_expect(isnan(quantize(modes[i], x, 3, ranges[r], q).lo));
    }
}

/* Scales and zero points as torch.ao's quantized::linear_dynamic chooses them (PyTorch 2.15). */
Test(activations, pytorch_parameters)
{
    static const struct {
        br_range range;
        float scale;
        int32_t zero_point;
    } cases[] = {
        {{-1, 1}, 2.0F / 127, 64},      /* 63.5 is nearest to even 64 */
        {{-1, 1.54F}, 2.54F / 127, 50}, /* an ordinary one */
        {{0.5F, 2}, 2.0F / 127, 0},     /* 0 is inside always */
        {{-3, -1}, 3.0F / 127, 127},    /* on this side, too */
        {{0, 0}, 0.1F, 0},              /* no range */
        {{-1e-3F, 1e-3F}, 6.1e-5F, 64}, /* steps are never smaller */
        {{-1e-40F, 1e-40F}, 0.1F, 0},   /* 1 / scale would overflow */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        br_affine affine = br_affine_pytorch(cases[i].range);
        cr_expect(fabsf(affine.scale / cases[i].scale - 1) < 1e-6F &&
                      affine.zero_point == cases[i].zero_point && affine.least == 0 &&
                      affine.most == 255,
                  "case %zu: %g %d", i, (double)affine.scale, (int)affine.zero_point);
    }
}

Test(activations, only_batches_share_a_range)
{
    cr_expect(!br_activations_share_range(BERTRUN_ACTIVATIONS_TOKEN));
    cr_expect(!br_activations_share_range(BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC));
    cr_expect(!br_activations_share_range(BERTRUN_ACTIVATIONS_STATIC));
    cr_expect(br_activations_share_range(BERTRUN_ACTIVATIONS_BATCH));
    cr_expect(br_activations_share_range(BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC));
    cr_expect(br_activations_share_range(BERTRUN_ACTIVATIONS_PYTORCH));
}
