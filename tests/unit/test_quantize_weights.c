#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "engine/quantize_weights.h"

enum { N = 384 };

Test(quantize_weights, rounds_half_to_even_at_every_step)
{
    float row[N] = {0};
    int8_t q[N];
    float scale;
    row[0] = 127; /* scale 1 */
    for (int i = 1; i < 255; i++)
        row[i] = (float)(i - 128) + (i % 2 ? 0.5F : 0.4375F);
    cr_assert(br_quantize_row_s8(row, N, q, &scale));
    cr_assert_eq(scale, 1);
    for (int i = 0; i < N; i++)
        cr_assert_eq(q[i], (int)nearbyintf(row[i]), "%g gave %d", (double)row[i], q[i]);
}

Test(quantize_weights, uses_the_whole_range)
{
    const float row[] = {-3, 1.5F, 3, 0, -0.0F, 0.011F};
    int8_t q[6];
    float scale;
    cr_assert(br_quantize_row_s8(row, 6, q, &scale));
    cr_assert_eq(scale, 3.0F / 127);
    cr_assert_arr_eq(q, ((int8_t[]){-127, 64, 127, 0, 0, 0}), 6); /* 63.5 is nearest to even 64 */
}

Test(quantize_weights, gives_back_each_weight_within_half_a_step)
{
    float row[N];
    int8_t q[N];
    float scale;
    srand(7);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < N; i++)
            row[i] = ldexpf((float)rand() / (float)RAND_MAX - 0.5F, rand() % 40 - 20);
        cr_assert(br_quantize_row_s8(row, N, q, &scale));
        int most = 0;
        for (int i = 0; i < N; i++) {
            most = abs(q[i]) > most ? abs(q[i]) : most;
            cr_assert_leq(fabsf((float)q[i] * scale - row[i]), scale * 0.50001F);
        }
        cr_assert_eq(most, 127);
    }
}

Test(quantize_weights, zeros_stay_zeros)
{
    const float row[3] = {0};
    int8_t q[3] = {1, 1, 1};
    float scale = 1;
    cr_assert(br_quantize_row_s8(row, 3, q, &scale));
    cr_assert_eq(scale, 0);
    cr_assert_arr_eq(q, ((int8_t[]){0, 0, 0}), 3);
}

Test(quantize_weights, extreme_rows_stay_in_range)
{
    static const float sizes[] = {0x1p-149F, 3e-45F, 1e-43F,         2.5e-43F,
                                  0x1p-126F, 1,      0x1.fffffep127F};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const float row[] = {sizes[i], -sizes[i], 0, sizes[i] / 2};
        int8_t q[4];
        float scale;
        cr_assert(br_quantize_row_s8(row, 4, q, &scale));
        cr_assert(isfinite(scale) && scale >= 0);
        cr_assert(q[0] == -q[1] && q[0] >= 0 && q[2] == 0, "%g", (double)sizes[i]);
    }
}

Test(quantize_weights, what_is_not_finite_is_refused)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        for (size_t place = 0; place < 5; place++) {
            float row[5] = {1, 2, 3, 4, 5}, scale;
            int8_t q[5];
            row[place] = values[i];
            cr_assert_not(br_quantize_row_s8(row, 5, q, &scale));
        }
    }
}

/* -------------------------------------------------------------------------------- per tensor */

static br_tensor matrix(const float *data, size_t rows, size_t columns)
{
    return (br_tensor){.name = "w",
                       .dtype = BR_DTYPE_F32,
                       .rank = 2,
                       .shape = {rows, columns},
                       .data = data,
                       .bytes = rows * columns * sizeof *data};
}

Test(quantize_weights, per_tensor_has_one_scale)
{
    const float weights[] = {0.5F, -1, 0.25F, 1.5F, 255, 0};
    float row[3], scale;
    int8_t q[3];
    br_tensor tensor = matrix(weights, 2, 3);
    br_weight_scheme scheme = br_weight_scheme_choose(NULL, &tensor, true, row);
    cr_assert(scheme.per_tensor && scheme.scale == 2);
    cr_assert(br_quantize_row(&scheme, 0, weights, 3, q, &scale));
    cr_assert_eq(scale, 2);
    cr_assert_arr_eq(q, ((int8_t[]){0, 0, 0}), 3); /* -0.5 rounds to even */
    cr_assert(br_quantize_row(&scheme, 0, weights + 3, 3, q, &scale));
    cr_assert_arr_eq(q, ((int8_t[]){1, 127, 0}), 3); /* 127.5 would be 128 */
    cr_assert(br_quantize_row(&scheme, 0, (float[]){-255, -256, 1}, 3, q, &scale));
    cr_assert_arr_eq(q, ((int8_t[]){-128, -128, 0}), 3);
}

Test(quantize_weights, per_tensor_scale_is_never_zero)
{
    const float weights[4] = {0};
    float row[2], scale;
    int8_t q[2] = {1, 1};
    br_tensor tensor = matrix(weights, 2, 2);
    br_weight_scheme scheme = br_weight_scheme_choose(NULL, &tensor, true, row);
    cr_assert_eq(scheme.scale, 0x1p-23F);
    cr_assert(br_quantize_row(&scheme, 0, weights, 2, q, &scale));
    cr_assert(q[0] == 0 && q[1] == 0);
}

Test(quantize_weights, per_tensor_refuses_what_is_not_finite)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        float weights[] = {1, 2, values[i], 4}, row[2], scale;
        int8_t q[2];
        br_tensor tensor = matrix(weights, 2, 2);
        br_weight_scheme scheme = br_weight_scheme_choose(NULL, &tensor, true, row);
        cr_assert_not(br_quantize_row(&scheme, 0, weights + 2, 2, q, &scale));
    }
}
