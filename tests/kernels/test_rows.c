/*
 * Row kernels: every instruction set gives scalar's bits, on every row; scalar gives what a naive
 * double-precision computation gives, within a bound, on rows of ordinary numbers.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kernels/ops.h"
#include "tests/kernels/kernel_inputs.h"

static const br_ops *scalar;
static const br_ops *vector[2];
static size_t vectors;

static void setup(void)
{
    scalar = br_ops_for(BR_ISA_SCALAR);
    vectors = vector_sets(vector);
}

TestSuite(rows, .init = setup);

static bool finite_pattern(const kernel_case *c)
{
    return c->pattern < PATTERN_FINITE;
}

/* ------------------------------------------------------------------------------ references */

static double reference_act(br_activation_kind act, double x)
{
    switch (act) {
    case BR_ACTIVATION_GELU:
    case BR_ACTIVATION_GELU_COARSE:
        return 0.5 * x * erfc(-x / sqrt(2));
    case BR_ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case BR_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case BR_ACTIVATION_TANH:
        return tanh(x);
    default:
        return x;
    }
}

static void reference_norm(const double *x, size_t n, const br_norm *norm, double *y)
{
    double mean = 0, variance = 0;
    for (size_t j = 0; j < n; j++)
        mean += x[j] / (double)n;
    for (size_t j = 0; j < n; j++)
        variance += (x[j] - mean) * (x[j] - mean) / (double)n;
    for (size_t j = 0; j < n; j++)
        y[j] = (x[j] - mean) / sqrt(variance + norm->epsilon) * norm->gamma[j] + norm->beta[j];
}

static void check_range(const char *kernel, const char *set, const kernel_case *c, const float *y,
                        br_range range)
{
    float lo = INFINITY, hi = -INFINITY;
    for (size_t j = 0; j < c->n; j++) {
        lo = fminf(lo, y[j]);
        hi = fmaxf(hi, y[j]);
    }
    cr_assert(lo == range.lo && hi == range.hi, "%s/%s n=%zu: range %g..%g, expected %g..%g",
              kernel, set, c->n, range.lo, range.hi, lo, hi);
}

/* ----------------------------------------------------------------------------- linear layers */

/* Rows with something between them that must stay as it is: 42. */
enum { MAX_ROWS = 9, GAP = 3 };

/* So many elements from the first to the last one of the rows. */
static size_t span_of(const br_linear_rows *rows)
{
    return (rows->rows - 1) * rows->stride + rows->n;
}

static size_t row_count(const kernel_case *c, int kind)
{
    return 1 + (c->n + 4 * c->pattern + (size_t)kind) % MAX_ROWS;
}

static float *make_gapped(const br_linear_rows *rows)
{
    size_t n = span_of(rows);
    float *x = guarded(n * sizeof *x);
    for (size_t j = 0; j < n; j++)
        x[j] = 42;
    return x;
}

/* Every row has the case's pattern. */
static float *make_row_floats(const kernel_case *c, const br_linear_rows *rows, unsigned salt)
{
    float *x = make_gapped(rows);
    for (size_t r = 0; r < rows->rows; r++)
        memcpy(x + r * rows->stride, make_floats(c, c->n, salt + 16 * (unsigned)r),
               c->n * sizeof *x);
    return x;
}

static void make_integers(const kernel_case *c, br_linear_rows *rows)
{
    uint64_t seed = c->seed;
    float *acc = make_gapped(rows);
    float *scale = guarded(c->n * sizeof *scale), *offset = guarded(c->n * sizeof *offset);
    for (size_t j = 0; j < c->n; j++) {
        for (size_t r = 0; r < rows->rows; r++) {
            int32_t x = j % 37 == 5 ? INT32_MIN : (int32_t)(random_normal(&seed) * 20000);
            memcpy(&acc[r * rows->stride + j], &x, sizeof x);
        }
        scale[j] = 0.002f + 0.001f * fabsf(random_normal(&seed));
        offset[j] = random_normal(&seed);
    }
    rows->acc = acc;
    rows->columns.scale = scale;
    rows->columns.offset = offset;
}

/* Rows of the case; the float accumulators take the pattern, as do the integers' bias. */
static br_linear_rows make_rows(const kernel_case *c, size_t count, bool integers, bool bias)
{
    static const br_quantized inputs[MAX_ROWS] = {
        {0.0131f, -1.7f}, {0.011f, -1.9f}, {0.02f, -2.5f},   {0.0071f, 0},     {0.013f, -1.1f},
        {0.017f, -2.1f},  {0.009f, -0.7f}, {0.0101f, -1.3f}, {0.0142f, -1.8f},
    };
    br_linear_rows rows = {.rows = count, .n = c->n, .stride = c->n + GAP, .input = inputs};
    if (bias)
        rows.columns.bias = make_floats(c, c->n, 1);
    if (integers)
        make_integers(c, &rows);
    else
        rows.acc = make_row_floats(c, &rows, 2);
    return rows;
}

/* Row r of them, and of its columns those from `first` on, `count` of them. */
static br_linear_rows part_of(const br_linear_rows *rows, size_t r, size_t first, size_t count)
{
    const br_columns *all = &rows->columns;
    return (br_linear_rows){.acc = (const int32_t *)rows->acc + r * rows->stride + first,
                            .rows = 1,
                            .n = count,
                            .columns = {all->scale ? all->scale + first : NULL,
                                        all->offset ? all->offset + first : NULL,
                                        all->bias ? all->bias + first : NULL,
                                        all->factor ? all->factor + first : NULL},
                            .input = rows->input + r};
}

/* z[r, j], and in *size the sum of its terms' magnitudes, which its rounding errors follow. */
static double reference_linear(const br_linear_rows *rows, size_t r, size_t j, double *size)
{
    const br_columns *columns = &rows->columns;
    double bias = columns->bias ? columns->bias[j] : 0;
    double x, correction = 0;
    size_t place = r * rows->stride + j;
    if (columns->scale) {
        x = (double)rows->input[r].scale * ((const int32_t *)rows->acc)[place] * columns->scale[j];
        correction = (double)rows->input[r].lo * columns->offset[j];
    } else {
        x = ((const float *)rows->acc)[place];
    }
    *size = fabs(x) + fabs(correction) + fabs(bias);
    return x + correction + bias;
}

static void check_linear_row(const kernel_case *c, const br_linear_rows *rows, size_t r,
                             br_activation_kind act, const float *y)
{
    for (size_t j = 0; finite_pattern(c) && j < c->n; j++) {
        double size, z = reference_linear(rows, r, j, &size);
        double error = act == BR_ACTIVATION_GELU_COARSE ? 5.5e-6 : 3e-7;
        double expected = reference_act(act, z), room = error * fmax(1, fabs(z)) + 1e-7 * size;
        if (rows->columns.factor) { /* and the product's own rounding */
            double factor = rows->columns.factor[j];
            expected *= factor;
            room = room * fabs(factor) + 1e-7 * fabs(expected);
        }
        expect_near("linear", "scalar", c, expected, y[j], room, j);
    }
}

static void empty_ranges(br_range ranges[MAX_ROWS])
{
    for (size_t r = 0; r < MAX_ROWS; r++)
        ranges[r] = br_range_empty();
}

static void check_linear_kind(const kernel_case *c, const br_linear_rows *rows,
                              br_activation_kind act)
{
    float *expected = make_gapped(rows);
    br_range ranges[MAX_ROWS], own[MAX_ROWS];
    empty_ranges(ranges);
    scalar->linear(rows, act, expected, rows->stride, ranges);
    for (size_t r = 0; r < rows->rows; r++) {
        check_range("linear", "scalar", c, expected + r * rows->stride, ranges[r]);
        check_linear_row(c, rows, r, act, expected + r * rows->stride);
    }
    for (size_t s = 0; s < vectors; s++) {
        float *y = make_copy(rows->acc, span_of(rows) * sizeof *y); /* in place */
        br_linear_rows in_place = *rows;
        in_place.acc = y;
        empty_ranges(own);
        vector[s]->linear(&in_place, act, y, rows->stride, own);
        expect_same("linear", vector[s]->name, c, expected, y, span_of(rows));
        expect_same("linear range", vector[s]->name, c, &ranges[0].lo, &own[0].lo, 2 * MAX_ROWS);
    }
}

static void check_linear(const kernel_case *c)
{
    for (int kind = 0; kind < 8; kind++) {
        guarded_reset();
        br_linear_rows rows = make_rows(c, row_count(c, kind), kind & 1, kind & 2);
        rows.columns.factor = kind & 4 ? make_normal(c, c->n, 9) : NULL;
        for (br_activation_kind act = 0; act <= BR_ACTIVATION_GELU_COARSE; act++)
            check_linear_kind(c, &rows, act);
    }
}

Test(rows, linear)
{
    each_case(check_linear);
}

/* Row by row, its columns in two calls: the same values, and a range that grows to the same. */
static void check_linear_parts(const kernel_case *c)
{
    br_linear_rows rows = make_rows(c, row_count(c, 0), c->n % 2, true);
    size_t cut = c->seed % c->n, stride = rows.stride;
    for (size_t s = 0; s <= vectors; s++) {
        const br_ops *ops = s < vectors ? vector[s] : scalar;
        float *whole = make_gapped(&rows), *parts = make_gapped(&rows);
        br_range ranges[MAX_ROWS], own[MAX_ROWS];
        empty_ranges(ranges);
        empty_ranges(own);
        ops->linear(&rows, BR_ACTIVATION_GELU_COARSE, whole, stride, ranges);
        for (size_t r = 0; r < rows.rows; r++) {
            br_linear_rows head = part_of(&rows, r, 0, cut),
                           tail = part_of(&rows, r, cut, c->n - cut);
            float *y = parts + r * stride;
            if (cut > 0)
                ops->linear(&head, BR_ACTIVATION_GELU_COARSE, y, 0, &own[r]);
            ops->linear(&tail, BR_ACTIVATION_GELU_COARSE, y + cut, 0, &own[r]);
            cr_assert(own[r].lo == ranges[r].lo && own[r].hi == ranges[r].hi);
        }
        expect_same("linear by parts", ops->name, c, whole, parts, span_of(&rows));
        ops->linear(&rows, BR_ACTIVATION_GELU_COARSE, parts, stride, NULL);
        expect_same("linear without ranges", ops->name, c, whole, parts, span_of(&rows));
    }
}

Test(rows, linear_by_parts)
{
    each_case(check_linear_parts);
}

/* -------------------------------------------------------------------------------- LayerNorm */

static void check_norm(const char *kernel, const kernel_case *c, const double *sum,
                       const br_norm *norm, const float *y, br_range range)
{
    double *expected = guarded(c->n * sizeof *expected);
    check_range(kernel, "scalar", c, y, range);
    reference_norm(sum, c->n, norm, expected);
    for (size_t j = 0; finite_pattern(c) && j < c->n; j++)
        expect_near(kernel, "scalar", c, expected[j], y[j], c->n < 4 ? 1e-3 : 1e-5, j);
}

static void check_norm_row(const kernel_case *c, const br_linear_rows *rows, size_t r,
                           const br_norm *norm, const float *residual, const float *y,
                           br_range range)
{
    double size, *sum = guarded(c->n * sizeof *sum);
    for (size_t j = 0; j < c->n; j++)
        sum[j] =
            reference_linear(rows, r, j, &size) +
            (norm->residual_scale ? (double)residual[j] * norm->residual_scale[j] : residual[j]);
    if (c->pattern != PATTERN_ZERO && c->pattern != PATTERN_CONSTANT)
        check_norm("linear_norm", c, sum, norm, y, range);
}

/* Together, then each row alone, without a range. */
static void expect_same_norm(const br_ops *ops, const kernel_case *c, const br_linear_rows *rows,
                             const br_norm *norm, const float *residual, const float *expected,
                             const br_range *ranges)
{
    size_t bytes = span_of(rows) * sizeof(float);
    float *y = make_copy(residual, bytes);
    br_range own[MAX_ROWS];
    ops->linear_norm(rows, norm, y, rows->stride, own);
    expect_same("linear_norm", ops->name, c, expected, y, span_of(rows));
    expect_same("linear_norm range", ops->name, c, &ranges[0].lo, &own[0].lo, 2 * rows->rows);
    memcpy(y, residual, bytes);
    for (size_t r = 0; r < rows->rows; r++) {
        br_linear_rows alone = part_of(rows, r, 0, c->n);
        ops->linear_norm(&alone, norm, y + r * rows->stride, 0, NULL);
    }
    expect_same("linear_norm alone", ops->name, c, expected, y, span_of(rows));
}

static void check_linear_norm(const kernel_case *c)
{
    float *factors = make_normal(c, c->n, 8);
    br_norm norm = {make_normal(c, c->n, 5), make_normal(c, c->n, 6), 1e-12f, NULL};
    for (int kind = 0; kind < 4; kind++) {
        br_linear_rows rows = make_rows(c, row_count(c, kind), kind & 1, true);
        norm.residual_scale = kind & 2 ? factors : NULL;
        float *residual = make_row_floats(c, &rows, 7);
        float *expected = make_copy(residual, span_of(&rows) * sizeof *expected);
        br_range ranges[MAX_ROWS];
        scalar->linear_norm(&rows, &norm, expected, rows.stride, ranges);
        for (size_t r = 0, at = 0; r < rows.rows; r++, at += rows.stride)
            check_norm_row(c, &rows, r, &norm, residual + at, expected + at, ranges[r]);
        expect_same_norm(scalar, c, &rows, &norm, residual, expected, ranges);
        for (size_t s = 0; s < vectors; s++)
            expect_same_norm(vector[s], c, &rows, &norm, residual, expected, ranges);
    }
}

Test(rows, linear_norm)
{
    each_case(check_linear_norm);
}

static void check_add_norm(const kernel_case *c)
{
    size_t bytes = c->n * sizeof(float);
    br_norm norm = {make_normal(c, c->n, 5), make_normal(c, c->n, 6), 1e-5f, NULL};
    const float *terms[3] = {make_floats(c, c->n, 1), make_normal(c, c->n, 2), NULL};
    for (int three = 0; three < 2; three++) {
        if (three)
            terms[2] = make_floats(c, c->n, 3);
        float *expected = guarded(bytes);
        br_range range = scalar->add_norm(terms[0], terms[1], terms[2], c->n, &norm, expected);
        double *sum = guarded(c->n * sizeof *sum);
        for (size_t j = 0; j < c->n; j++)
            sum[j] = (double)terms[0][j] + terms[1][j] + (three ? terms[2][j] : 0);
        check_norm("add_norm", c, sum, &norm, expected, range);
        for (size_t s = 0; s < vectors; s++) {
            float *y = guarded(bytes);
            br_range r = vector[s]->add_norm(terms[0], terms[1], terms[2], c->n, &norm, y);
            expect_same("add_norm", vector[s]->name, c, expected, y, c->n);
            expect_same("add_norm range", vector[s]->name, c, &range.lo, &r.lo, 2);
        }
    }
}

Test(rows, add_norm)
{
    each_case(check_add_norm);
}

/* ------------------------------------------------------------------------------ quantization */

static void check_range_kernel(const kernel_case *c)
{
    float *x = make_floats(c, c->n, 1);
    br_range expected = scalar->range(x, c->n);
    check_range("range", "scalar", c, x, expected);
    for (size_t s = 0; s < vectors; s++) {
        br_range r = vector[s]->range(x, c->n);
        expect_same("range", vector[s]->name, c, &expected.lo, &r.lo, 2);
    }
}

Test(rows, range)
{
    each_case(check_range_kernel);
}

static void reference_quantize(const float *x, size_t n, br_range range, uint8_t *q)
{
    float factor = 255 / (range.hi - range.lo);
    for (size_t j = 0; j < n; j++) {
        float t = rintf((x[j] - range.lo) * factor);
        q[j] = t > 0 ? (uint8_t)fminf(t, 255) : 0; /* NaN is not > 0 */
    }
}

static void check_quantize_range(const kernel_case *c, const float *x, br_range range)
{
    size_t bytes = (c->n + 63) / 64 * 64;
    uint8_t *expected = guarded(bytes), *reference = guarded(bytes);
    memset(reference, 0, bytes);
    br_quantized quantized = scalar->quantize(x, c->n, range, expected);
    if (range.hi - range.lo > 0 && range.hi - range.lo < INFINITY) {
        reference_quantize(x, c->n, range, reference);
        cr_assert(quantized.lo == range.lo && quantized.scale == (range.hi - range.lo) / 255);
    } else {
        cr_assert(quantized.scale == 0);
        cr_assert(range.hi - range.lo == 0 ? quantized.lo == range.lo : isnan(quantized.lo));
    }
    expect_bytes("quantize", "scalar", c, reference, expected, bytes);
    for (size_t s = 0; s < vectors; s++) {
        uint8_t *q = guarded(bytes);
        memset(q, 0xa5, bytes);
        br_quantized result = vector[s]->quantize(x, c->n, range, q);
        expect_bytes("quantize", vector[s]->name, c, expected, q, bytes);
        expect_same("quantize scale", vector[s]->name, c, &quantized.scale, &result.scale, 2);
    }
}

static void check_quantize(const kernel_case *c)
{
    float *x = make_floats(c, c->n, 1);
    check_quantize_range(c, x, scalar->range(x, c->n));
    check_quantize_range(c, x, (br_range){-0.5f, 0.75f}); /* elements outside are clamped */
    check_quantize_range(c, x, (br_range){-INFINITY, 1});
    check_quantize_range(c, x, (br_range){NAN, NAN});
    check_quantize_range(c, x, (br_range){0, 1e-44f});
}

Test(rows, quantize)
{
    each_case(check_quantize);
}

static void reference_affine(const float *x, size_t n, const br_affine *affine, uint8_t *q)
{
    float inverse = affine->scale > 0 ? 1 / affine->scale : 0;
    for (size_t j = 0; j < n; j++) {
        double t = rint((double)(x[j] * inverse)) + affine->zero_point;
        if (!(t > affine->least)) /* NaN, too */
            q[j] = (uint8_t)affine->least;
        else
            q[j] = (uint8_t)(t < affine->most ? t : affine->most);
    }
}

static void check_affine_parameters(const kernel_case *c, const float *x, br_affine affine)
{
    size_t bytes = (c->n + 63) / 64 * 64;
    uint8_t *expected = guarded(bytes), *reference = guarded(c->n);
    br_quantized quantized = scalar->quantize_affine(x, c->n, &affine, expected);
    if (affine.scale < INFINITY) {
        reference_affine(x, c->n, &affine, reference);
        cr_assert(quantized.scale == affine.scale &&
                  quantized.lo == -(affine.scale * (float)affine.zero_point));
    } else {
        memset(reference, 0, c->n);
        cr_assert(quantized.scale == 0 && isnan(quantized.lo));
    }
    expect_bytes("quantize_affine", "scalar", c, reference, expected, c->n);
    for (size_t s = 0; s < vectors; s++) {
        uint8_t *q = guarded(bytes);
        br_quantized result = vector[s]->quantize_affine(x, c->n, &affine, q);
        expect_bytes("quantize_affine", vector[s]->name, c, expected, q, bytes);
        expect_same("quantize_affine", vector[s]->name, c, &quantized.scale, &result.scale, 2);
    }
}

static void check_quantize_affine(const kernel_case *c)
{
    float *x = make_floats(c, c->n, 1);
    check_affine_parameters(c, x, (br_affine){0.05f, 77, 0, 255});
    check_affine_parameters(c, x, (br_affine){0.25f, 128, 1, 255}); /* ties */
    check_affine_parameters(c, x, (br_affine){1e-3f, 0, 0, 127});
    check_affine_parameters(c, x, (br_affine){1e-38f, 255, 3, 255}); /* x / scale overflows */
    check_affine_parameters(c, x, (br_affine){0, 128, 1, 255});
    check_affine_parameters(c, x, (br_affine){INFINITY, 128, 1, 255});
    check_affine_parameters(c, x, (br_affine){NAN, 128, 1, 255});
}

Test(rows, quantize_affine)
{
    each_case(check_quantize_affine);
}

/* ------------------------------------------------------------------------------- conversions */

static float reference_half(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    float sign = h & 0x8000 ? -1 : 1;
    if (exponent == 31)
        return mantissa ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexpf((float)(1024 + mantissa), exponent - 25)
                            : ldexpf((float)mantissa, -24));
}

/* All 65,536 patterns, in rows of 1 to 300. */
Test(rows, widen_16_bits)
{
    for (size_t first = 0, n = 1; first + n <= 65536; first += n, n = n % 300 + 1) {
        guarded_reset();
        kernel_case c = {n, PATTERN_NORMAL, first};
        uint16_t *x = guarded(n * sizeof *x);
        float *bf16 = guarded(n * sizeof *bf16), *f16 = guarded(n * sizeof *f16);
        for (size_t j = 0; j < n; j++)
            x[j] = (uint16_t)(first + j);
        scalar->widen_bf16(x, n, bf16);
        scalar->widen_f16(x, n, f16);
        for (size_t j = 0; j < n; j++) {
            uint32_t bits = (uint32_t)x[j] << 16;
            cr_assert(memcmp(&bits, &bf16[j], 4) == 0);
            cr_assert(same_float(reference_half(x[j]), f16[j]), "f16 %#x", x[j]);
        }
        for (size_t s = 0; s < vectors; s++) {
            float *y = guarded(n * sizeof *y);
            vector[s]->widen_bf16(x, n, y);
            expect_bytes("widen_bf16", vector[s]->name, &c, bf16, y, n * sizeof *y);
            vector[s]->widen_f16(x, n, y);
            expect_bytes("widen_f16", vector[s]->name, &c, f16, y, n * sizeof *y);
        }
    }
}

static void check_widen_s8(const kernel_case *c)
{
    uint64_t seed = c->seed;
    int8_t *q = guarded(c->n);
    float *expected = guarded(c->n * sizeof *expected), scale = make_floats(c, 1, 1)[0];
    for (size_t j = 0; j < c->n; j++)
        q[j] = (int8_t)random_next(&seed);
    scalar->widen_s8(q, scale, c->n, expected);
    for (size_t j = 0; j < c->n; j++)
        cr_assert(same_float(expected[j], (float)q[j] * scale));
    for (size_t s = 0; s < vectors; s++) {
        float *y = guarded(c->n * sizeof *y);
        vector[s]->widen_s8(q, scale, c->n, y);
        expect_same("widen_s8", vector[s]->name, c, expected, y, c->n);
    }
}

Test(rows, widen_s8)
{
    each_case(check_widen_s8);
}

/* Nearest of the two neighbours, the even one when halfway. */
static bool nearest_bf16(float x, uint16_t y)
{
    uint32_t down, up;
    memcpy(&down, &x, sizeof down);
    if (isnan(x))
        return y == (down >> 16 | 0x40);
    uint32_t low = down & 0xffff;
    up = (down >> 16) + 1;
    down >>= 16;
    if (low == 0x8000)
        return y == (down % 2 ? up : down);
    return y == (low > 0x8000 ? up : down);
}

static void check_narrow_bf16(const kernel_case *c)
{
    float *x = make_floats(c, c->n, 1);
    uint16_t *expected = guarded(c->n * sizeof *expected);
    for (size_t j = 0; j < c->n; j += 3) { /* ties */
        uint32_t bits;
        memcpy(&bits, &x[j], sizeof bits);
        bits = (bits & 0xffff0000) | 0x8000;
        memcpy(&x[j], &bits, sizeof bits);
    }
    scalar->narrow_bf16(x, c->n, expected);
    for (size_t j = 0; j < c->n; j++)
        cr_assert(nearest_bf16(x[j], expected[j]), "%a gave %#x", x[j], expected[j]);
    for (size_t s = 0; s < vectors; s++) {
        uint16_t *y = guarded(c->n * sizeof *y);
        vector[s]->narrow_bf16(x, c->n, y);
        expect_bytes("narrow_bf16", vector[s]->name, c, expected, y, c->n * sizeof *y);
    }
}

Test(rows, narrow_bf16)
{
    each_case(check_narrow_bf16);
}

/* ------------------------------------------------------------------------ pooling and scores */

static void check_pooling(const kernel_case *c)
{
    size_t bytes = c->n * sizeof(float);
    float *x = make_floats(c, c->n, 1), *start = make_floats(c, c->n, 2);
    float *sum = make_copy(start, bytes), *larger = make_copy(start, bytes);
    float *scaled = make_copy(start, bytes), *fused = make_copy(start, bytes);
    scalar->add(x, c->n, sum);
    scalar->add_scaled(x, 0.37f, c->n, fused);
    scalar->max(x, c->n, larger);
    scalar->scale(0.37f, c->n, scaled);
    for (size_t j = 0; j < c->n; j++) {
        float greater = isnan(x[j]) || isnan(start[j]) ? NAN : fmaxf(x[j], start[j]);
        cr_assert(same_float(sum[j], start[j] + x[j]));
        cr_assert(same_float(fused[j], fmaf(0.37f, x[j], start[j])));
        cr_assert(greater == larger[j] || (isnan(greater) && isnan(larger[j])));
        cr_assert(same_float(scaled[j], start[j] * 0.37f));
    }
    for (size_t s = 0; s < vectors; s++) {
        float *y = make_copy(start, bytes);
        vector[s]->add(x, c->n, y);
        expect_same("add", vector[s]->name, c, sum, y, c->n);
        memcpy(y, start, bytes);
        vector[s]->add_scaled(x, 0.37f, c->n, y);
        expect_same("add_scaled", vector[s]->name, c, fused, y, c->n);
        memcpy(y, start, bytes);
        vector[s]->max(x, c->n, y);
        expect_same("max", vector[s]->name, c, larger, y, c->n);
        memcpy(y, start, bytes);
        vector[s]->scale(0.37f, c->n, y);
        expect_same("scale", vector[s]->name, c, scaled, y, c->n);
    }
}

Test(rows, pooling)
{
    each_case(check_pooling);
}

static void check_sum_squares(const kernel_case *c)
{
    float *x = make_floats(c, c->n, 1), expected = scalar->sum_squares(x, c->n);
    double sum = 0;
    for (size_t j = 0; j < c->n; j++)
        sum += (double)x[j] * x[j];
    if (finite_pattern(c))
        expect_near("sum_squares", "scalar", c, sum, expected, 1e-6, 0);
    for (size_t s = 0; s < vectors; s++) {
        float actual = vector[s]->sum_squares(x, c->n);
        expect_same("sum_squares", vector[s]->name, c, &expected, &actual, 1);
    }
}

Test(rows, sum_squares)
{
    each_case(check_sum_squares);
}

static void check_products(const kernel_case *c)
{
    enum { ROWS = 3 };
    float *x = make_normal(c, ROWS * c->n, 1), *expected = guarded(c->n * sizeof *expected);
    size_t column = c->n / 2;
    scalar->products(x, c->n, ROWS, column, c->n, expected);
    for (size_t j = 0; j < c->n; j++) {
        double sum = 0;
        for (size_t r = 0; r < ROWS; r++)
            sum += (double)x[r * c->n + column] * x[r * c->n + j];
        expect_near("products", "scalar", c, sum, expected[j], 1e-5, j);
    }
    for (size_t s = 0; s < vectors; s++) {
        float *y = guarded(c->n * sizeof *y);
        vector[s]->products(x, c->n, ROWS, column, c->n, y);
        expect_same("products", vector[s]->name, c, expected, y, c->n);
    }
}

Test(rows, products)
{
    each_case(check_products);
}

static void check_scores(const kernel_case *c)
{
    size_t bytes = c->n * sizeof(float);
    float *x = make_floats(c, c->n, 1), *soft = make_copy(x, bytes), *sigmoid = guarded(bytes);
    scalar->softmax(soft, c->n, soft);
    scalar->sigmoid(x, c->n, sigmoid);
    double largest = -INFINITY, sum = 0;
    for (size_t j = 0; j < c->n; j++)
        largest = fmax(largest, x[j]);
    for (size_t j = 0; j < c->n; j++)
        sum += exp(x[j] - largest);
    for (size_t j = 0; finite_pattern(c) && j < c->n; j++) {
        expect_near("softmax", "scalar", c, exp(x[j] - largest) / sum, soft[j], 3e-7, j);
        expect_near("sigmoid", "scalar", c, 1 / (1 + exp(-(double)x[j])), sigmoid[j], 2e-7, j);
    }
    for (size_t s = 0; s < vectors; s++) {
        float *y = guarded(bytes);
        vector[s]->softmax(x, c->n, y);
        expect_same("softmax", vector[s]->name, c, soft, y, c->n);
        vector[s]->sigmoid(x, c->n, y);
        expect_same("sigmoid", vector[s]->name, c, sigmoid, y, c->n);
    }
}

Test(rows, scores)
{
    each_case(check_scores);
}

/* -------------------------------------------------------------------------------- functions */

static double worst_error(br_activation_kind act, double lo, double hi, bool relative)
{
    enum { N = 4096 };
    static float x[N], y[N];
    double worst = 0;
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < N; j++)
            x[j] = (float)(lo + (hi - lo) * (i * N + j) / (200 * N));
        br_linear_rows row = {.acc = x, .rows = 1, .n = N};
        br_ops_select()->linear(&row, act, y, 0, NULL);
        for (int j = 0; j < N; j++) {
            double expected = reference_act(act, x[j]);
            double unit = relative ? fabs(expected) : fmax(1, fabs(x[j]));
            worst = fmax(worst, unit > 0 ? fabs(y[j] - expected) / unit : fabs(y[j]));
        }
    }
    return worst;
}

Test(rows, activations_are_accurate)
{
    cr_assert_lt(worst_error(BR_ACTIVATION_GELU, -12, 12, false), 3e-7);
    cr_assert_lt(worst_error(BR_ACTIVATION_GELU, -1e4, 1e4, false), 3e-7);
    cr_assert_lt(worst_error(BR_ACTIVATION_GELU_COARSE, -12, 12, false), 5.5e-6);
    cr_assert_lt(worst_error(BR_ACTIVATION_GELU_COARSE, -1e4, 1e4, false), 5.5e-6);
    cr_assert_lt(worst_error(BR_ACTIVATION_GELU_TANH, -12, 12, false), 3e-7);
    cr_assert_lt(worst_error(BR_ACTIVATION_TANH, -12, 12, true), 3e-7);
    cr_assert_lt(worst_error(BR_ACTIVATION_TANH, -1e-3, 1e-3, true), 3e-7);
}
