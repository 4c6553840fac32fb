/* Error-compensated rounding, and the ranges that static quantization's observers choose. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gptq.h"
#include "engine/histogram.h"
#include "engine/quantize_weights.h"

enum { IN = 96, ROWS = 700, OUT = 70 };

static float random_float(void)
{
    return (float)rand() / (float)RAND_MAX * 2 - 1;
}

/* Rows whose columns share a few common causes, so that one column can make up for another. */
static void make_correlated(float *rows)
{
    enum { CAUSES = 8 };
    float mix[CAUSES][IN];
    for (size_t c = 0; c < CAUSES; c++)
        for (size_t k = 0; k < IN; k++)
            mix[c][k] = random_float();
    for (size_t r = 0; r < ROWS; r++) {
        float *x = rows + r * IN;
        for (size_t k = 0; k < IN; k++)
            x[k] = 0.05F * random_float();
        for (size_t c = 0; c < CAUSES; c++) {
            float cause = random_float();
            for (size_t k = 0; k < IN; k++)
                x[k] += cause * mix[c][k];
        }
    }
}

/* Squared error of the layer's outputs. */
static double output_error(const float *rows, const float *weights, const int8_t *q,
                           const float *scales)
{
    double sum = 0;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < OUT; j++) {
            double difference = 0;
            for (size_t k = 0; k < IN; k++)
                difference += (double)rows[r * IN + k] *
                              (double)(weights[j * IN + k] - (float)q[j * IN + k] * scales[j]);
            sum += difference * difference;
        }
    return sum;
}

static br_hessian hessian_of(const float *rows)
{
    br_hessian hessian;
    cr_assert_eq(br_hessian_open(&hessian, IN, NULL), BERTRUN_OK);
    cr_assert_eq(br_hessian_add(&hessian, br_ops_select(), rows, IN, ROWS, NULL), BERTRUN_OK);
    return hessian;
}

Test(gptq, output_error_is_far_below_that_of_rounding_to_nearest)
{
    static float rows[ROWS * IN], weights[OUT * IN], scales[OUT], nearest_scales[OUT];
    static int8_t q[OUT * IN], nearest[OUT * IN];
    srand(5);
    make_correlated(rows);
    for (size_t i = 0; i < OUT * IN; i++)
        weights[i] = random_float();
    memset(weights + 3 * IN, 0, IN * sizeof *weights);
    br_hessian hessian = hessian_of(rows);
    cr_assert_eq(br_hessian_factor(&hessian, NULL), BERTRUN_OK);
    cr_assert_eq(br_gptq_round(&hessian, weights, OUT, q, scales, NULL), BERTRUN_OK);
    for (size_t j = 0; j < OUT; j++)
        cr_assert(br_quantize_row_s8(weights + j * IN, IN, nearest + j * IN, &nearest_scales[j]));
    cr_expect_arr_eq(scales, nearest_scales, sizeof scales);
    for (size_t i = 0; i < OUT * IN; i++)
        cr_expect(q[i] >= -127);
    double compensated = output_error(rows, weights, q, scales);
    double plain = output_error(rows, weights, nearest, nearest_scales);
    cr_expect(compensated < plain / 4, "error %g against %g", compensated, plain);
    br_hessian_free(&hessian);
}

Test(gptq, the_factor_gives_the_damped_products_back)
{
    static float rows[ROWS * IN];
    srand(6);
    make_correlated(rows);
    br_hessian h = hessian_of(rows), factored = hessian_of(rows);
    cr_assert_eq(br_hessian_factor(&factored, NULL), BERTRUN_OK);
    double mean = 0;
    for (size_t i = 0; i < IN; i++)
        mean += h.products[i * IN + i] / IN;
    for (size_t i = 0; i < IN; i++)
        for (size_t j = 0; j <= i; j++) {
            size_t a = factored.order[i], b = factored.order[j];
            double expected = a > b ? h.products[a * IN + b] : h.products[b * IN + a], sum = 0;
            for (size_t k = i; k < IN; k++) /* (L^T L)_ij */
                sum += factored.products[k * IN + i] * factored.products[k * IN + j];
            expected += i == j ? 0.01 * mean : 0;
            cr_assert_float_eq(sum, expected, 1e-9 * mean, "%zu, %zu", i, j);
        }
    br_hessian_free(&h);
    br_hessian_free(&factored);
}

Test(gptq, independent_columns_are_rounded_to_nearest)
{
    float rows[IN * IN] = {0}, weights[IN], scale, nearest_scale;
    int8_t q[IN], nearest[IN];
    br_hessian hessian;
    srand(7);
    for (size_t k = 0; k < IN; k++) {
        rows[k * IN + k] = 1 + random_float() / 2;
        weights[k] = random_float();
    }
    cr_assert_eq(br_hessian_open(&hessian, IN, NULL), BERTRUN_OK);
    cr_assert_eq(br_hessian_add(&hessian, br_ops_select(), rows, IN, IN, NULL), BERTRUN_OK);
    cr_assert_eq(br_hessian_factor(&hessian, NULL), BERTRUN_OK);
    cr_assert_eq(br_gptq_round(&hessian, weights, 1, q, &scale, NULL), BERTRUN_OK);
    cr_assert(br_quantize_row_s8(weights, IN, nearest, &nearest_scale));
    cr_expect_arr_eq(q, nearest, IN);
    br_hessian_free(&hessian);
}

/* ---------------------------------------------------------------------------------- histograms */

enum { VALUES = 100000 };

/* A bell between -1 and 1, but for `outliers` values of 10. */
static br_histogram bell(size_t outliers)
{
    static float x[VALUES];
    br_histogram histogram;
    srand(8);
    for (size_t i = 0; i < VALUES; i++)
        x[i] = (random_float() + random_float() + random_float() + random_float()) / 4;
    for (size_t i = 0; i < outliers; i++)
        x[i * 1000] = 10;
    br_histogram_fill(&histogram, br_ops_select(), x, VALUES / 100, 100, 100);
    return histogram;
}

Test(histogram, counts_every_value_once)
{
    br_histogram histogram = bell(3);
    uint64_t sum = 0;
    for (size_t i = 0; i < BR_HISTOGRAM_BINS; i++)
        sum += histogram.bins[i];
    cr_expect_eq(sum, VALUES);
    cr_expect_eq(histogram.bins[BR_HISTOGRAM_BINS - 1], 3);
    cr_expect_eq(histogram.range.hi, 10);
}

Test(histogram, observers_differ_in_what_they_cut)
{
    br_histogram histogram = bell(5); /* less than 0.01 % of the values */
    br_range all = br_histogram_range(&histogram, BERTRUN_OBSERVER_MINMAX);
    br_range most = br_histogram_range(&histogram, BERTRUN_OBSERVER_PERCENTILE);
    br_range dense = br_histogram_range(&histogram, BERTRUN_OBSERVER_ENTROPY);
    cr_expect(all.hi == 10 && all.lo < -0.8F, "%g..%g", (double)all.lo, (double)all.hi);
    cr_expect(most.hi < 1 && most.hi > 0.7F, "%g..%g", (double)most.lo, (double)most.hi);
    cr_expect(dense.hi < 5 && dense.hi > 0.5F, "%g..%g", (double)dense.lo, (double)dense.hi);
    cr_expect(most.lo < -0.7F && most.lo >= all.lo && dense.lo <= -0.5F);
}

Test(histogram, values_that_are_all_equal_have_a_range)
{
    const float x[] = {2, 2, 2};
    br_histogram histogram;
    br_histogram_fill(&histogram, br_ops_select(), x, 1, 3, 3);
    br_range range = br_histogram_range(&histogram, BERTRUN_OBSERVER_ENTROPY);
    cr_expect(range.lo == 2 && range.hi == 2);
}
