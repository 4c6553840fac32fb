/* The self-test passes for every set of this CPU and names a kernel that is broken. */
#include <criterion/criterion.h>

#include "kernels/select.h"
#include "kernels/self_test.h"

static const char *const NAMES[] = {"scalar", "avx2", "avx2-vnni", "avx512", "avx512-vnni"};

Test(self_test, every_set_of_this_cpu_passes)
{
    size_t tried = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const br_ops *ops;
        const br_gemm *gemm;
        const br_attention_s16 *attention;
        if (!br_select_kernels(NAMES[i], &ops, &gemm, &attention))
            continue;
        tried++;
        const char *wrong = br_self_test(ops, gemm, attention);
        cr_expect(wrong == NULL, "%s: %s", NAMES[i], wrong);
    }
    cr_expect(tried >= 1, "scalar is everywhere");
}

Test(self_test, without_a_name_the_best_and_an_unknown_name_is_refused)
{
    const br_ops *ops;
    const br_gemm *gemm;
    const br_attention_s16 *attention;
    cr_assert(br_select_kernels(NULL, &ops, &gemm, &attention));
    cr_assert(ops == br_ops_select() && gemm == br_gemm_select() &&
              attention == br_attention_s16_select());
    cr_assert_not(br_select_kernels("avx9000", &ops, &gemm, &attention));
    cr_assert_not(br_select_kernels("", &ops, &gemm, &attention));
}

/* ------------------------------------------------------------------------- broken on purpose */

static const br_ops *good;

static br_quantized quantize_truncating(const float *x, size_t n, br_range range, uint8_t *q)
{
    br_quantized quantized = good->quantize(x, n, range, q);
    q[n / 2] ^= 1;
    return quantized;
}

static void linear_without_tail(const br_linear_rows *rows, br_activation_kind act, float *y,
                                size_t y_stride, br_range *ranges)
{
    good->linear(rows, act, y, y_stride, ranges);
    y[rows->n - 1] = 0;
}

static void saturating(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
                       bool warm, int32_t *dst, size_t dst_stride)
{
    br_gemm_select()->run(src, m, k, packed, panels, warm, dst, dst_stride);
    for (size_t i = 0; i < m * dst_stride; i++)
        dst[i] = dst[i] < -100000 ? -100000 : dst[i];
}

static void saturating_tile(br_gemm_tile *tile, int32_t *dst, size_t dst_stride)
{
    br_gemm_select()->run_tile(tile, dst, dst_stride);
    for (size_t i = 0; i < tile->rows * dst_stride; i++)
        dst[i] = dst[i] < -100000 ? -100000 : dst[i];
}

static void attend_wrongly(const br_head_s16 *head, float *scratch)
{
    br_attention_s16_select()->attend(head, scratch);
    head->out[head->head_dim - 1] *= 1.001f;
}

static void expect_named(const br_ops *ops, const br_gemm *gemm, const br_attention_s16 *attention,
                         const char *name)
{
    const char *wrong = br_self_test(ops, gemm, attention);
    cr_assert(wrong != NULL);
    cr_assert_str_eq(wrong, name);
}

static void multiply_wrongly(const float *src, size_t m, size_t k, const void *packed,
                             size_t panels, float *dst, size_t dst_stride)
{
    good->gemm_bf16(src, m, k, packed, panels, dst, dst_stride);
    dst[(m - 1) * dst_stride] *= 1.001f;
}

Test(self_test, names_the_kernel_that_is_broken)
{
    good = br_ops_select();
    br_ops ops = *good;
    br_gemm gemm = *br_gemm_select();
    br_attention_s16 attention = *br_attention_s16_select();
    ops.quantize = quantize_truncating;
    expect_named(&ops, &gemm, &attention, good->name);
    ops = *good;
    ops.linear = linear_without_tail;
    expect_named(&ops, &gemm, &attention, good->name);
    ops = *good;
    ops.gemm_bf16 = multiply_wrongly;
    expect_named(&ops, &gemm, &attention, good->name);
    gemm.run = saturating;
    expect_named(good, &gemm, &attention, gemm.name);
    gemm = *br_gemm_select();
    gemm.run_tile = saturating_tile;
    expect_named(good, &gemm, &attention, gemm.name);
    gemm = *br_gemm_select();
    attention.attend = attend_wrongly;
    expect_named(good, &gemm, &attention, attention.name);
}
