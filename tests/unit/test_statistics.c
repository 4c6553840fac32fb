/* Expected figures are those of numpy 2, scipy 1.17 and scikit-learn 1.8. */
#include <criterion/criterion.h>
#include <math.h>

#include "cli/samples.h"
#include "cli/statistics.h"

static const double X[] = {1, 2, 2, 3, 5, 5, 5, 8}, Y[] = {2.5, 1, 3, 3, 4, 6, 6, 5};
enum { N = 8 };

#define CHECK_NEAR(value, expected)                                                                \
    cr_assert_float_eq(value, expected, 1e-12, "%.17g", (double)(value))

Test(statistics, pearson)
{
    CHECK_NEAR(statistics_pearson(X, Y, N), 0.7487997806218715);
    CHECK_NEAR(statistics_pearson(X, X, N), 1);
}

Test(statistics, spearman_shares_ranks_of_equal_values)
{
    double result;
    cr_assert(statistics_spearman(X, Y, N, &result));
    CHECK_NEAR(result, 0.8262304062195839);
    cr_assert(
        statistics_spearman((double[]){0.1, 0.4, 0.35, 0.8}, (double[]){1, 3, 2, 0}, 4, &result));
    CHECK_NEAR(result, -0.2);
}

Test(statistics, correlation_of_a_constant_is_not_defined)
{
    const double constant[N] = {3, 3, 3, 3, 3, 3, 3, 3};
    double result = 0;
    cr_assert(isnan(statistics_pearson(X, constant, N)));
    cr_assert(statistics_spearman(constant, Y, N, &result));
    cr_assert(isnan(result));
}

Test(statistics, macro_f1_counts_classes_that_are_only_predicted)
{
    const size_t gold[] = {0, 0, 1, 1, 1, 3, 3, 0}, predicted[] = {0, 1, 1, 1, 3, 3, 4, 0};
    double result;
    cr_assert(statistics_macro_f1(gold, predicted, N, 6, &result));
    CHECK_NEAR(result, 0.4916666666666667);
    cr_assert(statistics_macro_f1(gold, gold, N, 6, &result));
    CHECK_NEAR(result, 1);
}

Test(statistics, mean_and_deviation)
{
    const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    CHECK_NEAR(statistics_mean(x, N), 5);
    CHECK_NEAR(statistics_deviation(x, N), 2.138089935299395);
    CHECK_NEAR(statistics_deviation(x, 1), 0);
}

Test(statistics, cosine)
{
    const float a[] = {3, 4, 0}, b[] = {4, 3, 0}, zero[] = {0, 0, 0};
    CHECK_NEAR(statistics_cosine(a, b, 3), 24.0 / 25);
    CHECK_NEAR(statistics_cosine(zero, zero, 3), 1);
    CHECK_NEAR(statistics_cosine(a, zero, 3), 0);
}

Test(statistics, percentiles_are_the_nearest_ranks)
{
    double seconds[101];
    samples taken = {.seconds = seconds, .count = 101};
    for (size_t i = 0; i < 101; i++)
        seconds[i] = (double)(101 - i);
    samples_sort(&taken);
    CHECK_NEAR(samples_percentile(&taken, 0), 1);
    CHECK_NEAR(samples_percentile(&taken, 0.5), 51);
    CHECK_NEAR(samples_percentile(&taken, 0.99), 100);
    CHECK_NEAR(samples_percentile(&taken, 1), 101);
    taken.count = 10; /* 1 .. 10; nearest to rank 8.1 */
    CHECK_NEAR(samples_percentile(&taken, 0.9), 9);
}
