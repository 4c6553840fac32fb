/* bertrun_linear against the same product in double, and as an object. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "failing_memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A layer and its input, random but the same in every run. */
typedef struct problem {
    size_t in, out, rows;
    float *weights, *bias, *x, *y; /* [out, in], [out], [rows, in], [rows, out] */
} problem;

static float next_random(uint32_t *state) /* xorshift32, Marsaglia 2003; in -1..1 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (float)*state / 0x1p31F - 1;
}

static float *randoms(size_t count, float most, uint32_t seed)
{
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = most * next_random(&seed);
    return values;
}

static problem make_problem(size_t in, size_t out, size_t rows)
{
    problem p = {in, out, rows, .y = malloc(rows * out * sizeof(float))};
    p.weights = randoms(out * in, 1 / sqrtf((float)in), 1);
    p.bias = randoms(out, 1, 2);
    p.x = randoms(rows * in, 3, 3);
    return p;
}

static void free_problem(problem *p)
{
    free(p->weights);
    free(p->bias);
    free(p->x);
    free(p->y);
}

static bertrun_linear *open_linear(const problem *p, bertrun_linear_settings settings)
{
    bertrun_linear *linear;
    bertrun_error error;
    cr_assert_eq(
        bertrun_linear_open(&linear, p->weights, p->bias, p->in, p->out, &settings, &error),
        BERTRUN_OK, "%s", error.message);
    return linear;
}

static void run(bertrun_linear *linear, const problem *p)
{
    bertrun_error error;
    memset(p->y, 0xff, p->rows * p->out * sizeof *p->y); /* NaN */
    cr_assert_eq(bertrun_linear_run(linear, p->x, p->rows, p->y, &error), BERTRUN_OK, "%s",
                 error.message);
}

static double exact(const problem *p, size_t r, size_t j)
{
    double sum = p->bias ? (double)p->bias[j] : 0;
    for (size_t i = 0; i < p->in; i++)
        sum += (double)p->x[r * p->in + i] * (double)p->weights[j * p->in + i];
    return sum;
}

/* How far y[r, j] may be off. */
typedef double (*bound_fn)(const problem *p, size_t r, size_t j);

static void check_against_double(const problem *p, bound_fn bound, double rms_bound,
                                 const char *what)
{
    double errors = 0, values = 0;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = 0; j < p->out; j++) {
            double expected = exact(p, r, j), error = (double)p->y[r * p->out + j] - expected;
            double allowed = bound(p, r, j);
            cr_assert(fabs(error) <= allowed, "%s %zux%zu, %zu rows: [%zu, %zu] off by %g, not %g",
                      what, p->in, p->out, p->rows, r, j, error, allowed);
            errors += error * error;
            values += expected * expected;
        }
    cr_assert(sqrt(errors / values) <= rms_bound, "%s %zux%zu: off by %g of the values' RMS", what,
              p->in, p->out, sqrt(errors / values));
}

static const size_t SHAPES[][3] = {{768, 768, 1}, {768, 768, 33}, {100, 65, 7},  {64, 128, 8},
                                   {5, 3, 130},   {1, 1, 2},      {384, 200, 16}};

static void check_shapes(bertrun_linear_settings settings, bound_fn bound, double rms_bound,
                         const char *what)
{
    for (size_t i = 0; i < COUNT(SHAPES); i++) {
        problem p = make_problem(SHAPES[i][0], SHAPES[i][1], SHAPES[i][2]);
        bertrun_linear *linear = open_linear(&p, settings);
        run(linear, &p);
        check_against_double(&p, bound, rms_bound, what);
        bertrun_linear_close(&linear);
        free_problem(&p);
    }
}

/* sum of |x w| + |b|: what rounding errors are relative to. */
static double magnitude(const problem *p, size_t r, size_t j)
{
    double sum = p->bias ? fabs((double)p->bias[j]) : 0;
    for (size_t i = 0; i < p->in; i++)
        sum += fabs((double)p->x[r * p->in + i] * (double)p->weights[j * p->in + i]);
    return sum;
}

static double f32_bound(const problem *p, size_t r, size_t j)
{
    return 1e-5 * magnitude(p, r, j);
}

/* bf16 keeps 8 bits: each factor is off by 2^-9 of itself at most. */
static double bf16_bound(const problem *p, size_t r, size_t j)
{
    return (0x1p-8 + 0x1p-18 + 1e-5) * magnitude(p, r, j);
}

static double range_of(const float *x, size_t n)
{
    float lo = x[0], hi = x[0];
    for (size_t i = 1; i < n; i++) {
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    return (double)hi - (double)lo;
}

/* Each x is off by half a step of its row, each weight by half a step of its channel. */
static double int8_bound(const problem *p, size_t r, size_t j)
{
    const float *x = p->x + r * p->in, *w = p->weights + j * p->in;
    double x_step = range_of(x, p->in) / 255, most = 0, sum = 0;
    for (size_t i = 0; i < p->in; i++)
        most = fmax(most, fabs((double)w[i]));
    double w_step = most / 127;
    for (size_t i = 0; i < p->in; i++)
        sum +=
            fabs((double)x[i]) * w_step / 2 + fabs((double)w[i]) * x_step / 2 + x_step * w_step / 4;
    return sum + f32_bound(p, r, j);
}

/* Of kinds with wider steps: only the RMS is judged. */
static double no_bound(const problem *p, size_t r, size_t j)
{
    (void)p, (void)r, (void)j;
    return DBL_MAX;
}

Test(linear, f32_is_the_product)
{
    bertrun_linear_settings settings = {.precision = BERTRUN_PRECISION_F32, .threads = 1};
    check_shapes(settings, f32_bound, 1e-5, "f32");
    settings.threads = 2;
    check_shapes(settings, f32_bound, 1e-5, "f32, 2 threads");
    settings.precision = BERTRUN_PRECISION_AUTO;
    check_shapes(settings, f32_bound, 1e-5, "auto");
}

Test(linear, bf16_is_close)
{
    check_shapes((bertrun_linear_settings){.precision = BERTRUN_PRECISION_BF16, .threads = 2},
                 bf16_bound, 0.005, "bf16");
}

Test(linear, int8_is_off_by_its_steps_at_most)
{
    bertrun_linear_settings settings;
    bertrun_linear_settings_init(&settings);
    check_shapes(settings, int8_bound, 0.01, "int8");
    settings.threads = 2;
    check_shapes(settings, int8_bound, 0.01, "int8, 2 threads");
}

Test(linear, int8_of_other_kinds_is_close)
{
    static const bertrun_activations KINDS[] = {
        BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC, BERTRUN_ACTIVATIONS_BATCH,
        BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC, BERTRUN_ACTIVATIONS_PYTORCH};
    bertrun_linear_settings settings;
    bertrun_linear_settings_init(&settings);
    for (size_t i = 0; i < COUNT(KINDS); i++) {
        settings.activations = KINDS[i];
        check_shapes(settings, no_bound, 0.02, bertrun_activations_name(KINDS[i]));
    }
    settings.activations = BERTRUN_ACTIVATIONS_TOKEN;
    settings.weights = BERTRUN_WEIGHTS_PER_TENSOR;
    check_shapes(settings, no_bound, 0.01, "per-tensor");
}

Test(linear, needs_no_bias)
{
    problem p = make_problem(100, 65, 9);
    free(p.bias);
    p.bias = NULL;
    bertrun_linear *linear = open_linear(
        &p, (bertrun_linear_settings){.precision = BERTRUN_PRECISION_F32, .threads = 1});
    run(linear, &p);
    check_against_double(&p, f32_bound, 1e-5, "no bias");
    bertrun_linear_close(&linear);
    free_problem(&p);
}

/* Each row of a batch on two threads against the row alone on one. */
static void check_rows_alone(size_t in, size_t out, bertrun_activations activations)
{
    bertrun_linear_settings settings;
    bertrun_linear_settings_init(&settings);
    settings.activations = activations;
    problem p = make_problem(in, out, 150);
    p.x[3 * in] = INFINITY; /* a fault in one row is none of the others' */
    bertrun_linear *alone = open_linear(&p, settings);
    settings.threads = 2;
    bertrun_linear *together = open_linear(&p, settings);
    float *y = malloc(out * sizeof *y);
    run(together, &p);
    for (size_t r = 0; r < p.rows; r++) {
        cr_assert_eq(bertrun_linear_run(alone, p.x + r * in, 1, y, NULL), BERTRUN_OK);
        cr_assert(r == 3 || memcmp(y, p.y + r * out, out * sizeof *y) == 0, "row %zu differs", r);
    }
    cr_assert(isnan(p.y[3 * out]));
    free(y);
    bertrun_linear_close(&together);
    bertrun_linear_close(&alone);
    free_problem(&p);
}

Test(linear, int8_rows_have_the_same_bits_alone_and_in_a_batch)
{
    check_rows_alone(768, 768, BERTRUN_ACTIVATIONS_TOKEN);
    check_rows_alone(100, 65, BERTRUN_ACTIVATIONS_TOKEN);
    check_rows_alone(100, 65, BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC);
}

Test(linear, says_what_it_came_to)
{
    problem p = make_problem(768, 768, 1);
    bertrun_linear *linear =
        open_linear(&p, (bertrun_linear_settings){.precision = BERTRUN_PRECISION_INT8,
                                                  .activations = BERTRUN_ACTIVATIONS_PYTORCH});
    const bertrun_linear_info *info = bertrun_linear_get_info(linear);
    cr_expect_eq(info->in, 768);
    cr_expect_eq(info->out, 768);
    cr_expect_eq(info->precision, BERTRUN_PRECISION_INT8);
    cr_expect_eq(info->weights, BERTRUN_WEIGHTS_PER_TENSOR);
    cr_expect_eq(info->weight_bytes, 768 * 768);
    cr_expect_geq(info->threads, 1);
    cr_expect_eq(bertrun_linear_run(linear, NULL, 0, NULL, NULL), BERTRUN_OK);
    bertrun_linear_close(&linear);
    cr_expect_null(linear);
    bertrun_linear_close(&linear);
    free_problem(&p);
}

static void expect_refusal(const problem *p, bertrun_linear_settings settings,
                           bertrun_status expected, const char *what)
{
    bertrun_linear *linear = (bertrun_linear *)&settings;
    bertrun_error error;
    cr_expect_eq(
        bertrun_linear_open(&linear, p->weights, p->bias, p->in, p->out, &settings, &error),
        expected, "%s", what);
    cr_expect_null(linear);
    cr_expect_not_null(strstr(error.message, what), "%s", error.message);
}

Test(linear, refuses_bad_arguments)
{
    problem p = make_problem(5, 3, 2);
    bertrun_linear_settings good;
    bertrun_linear_settings_init(&good);
    const size_t bad_sizes[] = {0, SIZE_MAX, SIZE_MAX - 62};
    for (size_t i = 0; i < COUNT(bad_sizes); i++) {
        problem wrong = p;
        wrong.in = bad_sizes[i];
        expect_refusal(&wrong, good, BERTRUN_ERR_ARGUMENT, "num_in");
        wrong.in = p.in;
        wrong.out = bad_sizes[i];
        expect_refusal(&wrong, good, BERTRUN_ERR_ARGUMENT, "num_out");
    }
    bertrun_linear_settings bad = good;
    bad.threads = -1;
    expect_refusal(&p, bad, BERTRUN_ERR_ARGUMENT, "threads");
    bad = good;
    bad.precision = (bertrun_precision)99;
    expect_refusal(&p, bad, BERTRUN_ERR_ARGUMENT, "precision 99");
    bad = good;
    bad.activations = BERTRUN_ACTIVATIONS_STATIC;
    expect_refusal(&p, bad, BERTRUN_ERR_UNSUPPORTED, "static");
    p.bias[1] = NAN;
    expect_refusal(&p, good, BERTRUN_ERR_ARGUMENT, "bias: element 1");
    p.weights[7] = INFINITY;
    expect_refusal(&p, good, BERTRUN_ERR_ARGUMENT, "weights: element 7");
    p.bias[1] = p.weights[7] = 0;
    bertrun_linear *linear = open_linear(&p, good);
    cr_expect_eq(bertrun_linear_run(linear, p.x, SIZE_MAX, p.y, NULL), BERTRUN_ERR_ARGUMENT);
    run(linear, &p);
    bertrun_linear_close(&linear);
    free_problem(&p);
}

/* Opens and runs with allocation `fail_at` failing; false where there are not so many. */
static bool survive(const problem *p, bertrun_precision precision, long fail_at)
{
    bertrun_linear_settings settings = {.precision = precision, .threads = 2};
    bertrun_linear *linear;
    memory_fail_at = fail_at;
    bertrun_status status =
        bertrun_linear_open(&linear, p->weights, p->bias, p->in, p->out, &settings, NULL);
    if (status == BERTRUN_OK)
        status = bertrun_linear_run(linear, p->x, p->rows, p->y, NULL);
    bool failed = memory_fail_at <= 0;
    memory_fail_at = 0;
    /* it may succeed: memory that grows asks for less where it does not get all it would like */
    cr_assert(status == BERTRUN_OK || (failed && status == BERTRUN_ERR_NOMEM), "allocation %ld: %s",
              fail_at, bertrun_status_string(status));
    if (linear) /* it works on after the failure */
        run(linear, p);
    bertrun_linear_close(&linear);
    return failed;
}

Test(linear, says_so_when_memory_runs_out_anywhere, .timeout = 100)
{
    problem p = make_problem(100, 65, 33);
    for (int precision = BERTRUN_PRECISION_INT8; precision <= BERTRUN_PRECISION_F32; precision++) {
        long fail_at = 1;
        while (survive(&p, (bertrun_precision)precision, fail_at))
            fail_at++;
        cr_assert_gt(fail_at, 10, "only %ld allocations", fail_at);
    }
    free_problem(&p);
}

Test(linear, allocates_nothing_once_it_is_warm)
{
    problem p = make_problem(100, 65, 33);
    for (int precision = BERTRUN_PRECISION_INT8; precision <= BERTRUN_PRECISION_F32; precision++) {
        bertrun_linear *linear = open_linear(
            &p, (bertrun_linear_settings){.precision = (bertrun_precision)precision, .threads = 2});
        for (int call = 0; call < 3; call++) {
            long before = memory_allocations;
            run(linear, &p);
            cr_assert(call == 0 || memory_allocations == before, "precision %d, call %d", precision,
                      call);
        }
        bertrun_linear_close(&linear);
    }
    free_problem(&p);
}
