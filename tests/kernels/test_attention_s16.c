/* Integer attention: every instruction set gives scalar's bits, and scalar what the formula gives.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "kernels/attention_s16.h"
#include "tests/kernels/kernel_inputs.h"

enum { OUT_GAP = 3, STRIDE_GAP = 2, SCALE_GAP = 1, QK_LEVELS = 4095, V_LEVELS = 511 };

/* The kernels that this CPU has; the last one is scalar. */
static size_t supported_sets(const br_attention_s16 *sets[8])
{
    size_t all, count = 0;
    const br_attention_s16 *table = br_attention_s16_table(&all);
    for (size_t i = 0; i < all; i++)
        if (table[i].supported())
            sets[count++] = &table[i];
    return count;
}

/* -------------------------------------------------------------------------- the projection */

/* Rows with a gap that must stay as it is. */
typedef struct projected {
    int16_t *y;
    float *scale;
    size_t y_stride, scale_stride, y_count, scale_count;
} projected;

static projected project(const br_attention_s16 *set, const br_linear_rows *rows, size_t head_dim)
{
    size_t heads = rows->n / head_dim;
    projected p = {.y_stride = rows->n + OUT_GAP, .scale_stride = heads + SCALE_GAP};
    p.y_count = (rows->rows - 1) * p.y_stride + rows->n;
    p.scale_count = (rows->rows - 1) * p.scale_stride + heads;
    p.y = guarded(p.y_count * sizeof *p.y);
    p.scale = guarded(p.scale_count * sizeof *p.scale);
    memset(p.y, 42, p.y_count * sizeof *p.y);
    memset(p.scale, 42, p.scale_count * sizeof *p.scale);
    set->linear(rows, head_dim, heads / 3 * 2, p.y, p.y_stride, p.scale, p.scale_stride);
    return p;
}

/* Heads of q, k, then v: each element within half a step of z, the largest at its level. */
static void check_heads(const kernel_case *c, const float *z, size_t head_dim, const int16_t *y,
                        const float *scales)
{
    for (size_t j = 0; j < c->n; j++) {
        float scale = scales[j / head_dim];
        int level = j < c->n / 3 * 2 ? QK_LEVELS : V_LEVELS;
        cr_assert(abs(y[j]) <= level);
        cr_assert(fabsf(scale * (float)y[j] - z[j]) <= scale * 0.501f, "element %zu", j);
    }
}

static void check_reference_heads(const kernel_case *c, const br_linear_rows *rows, size_t head_dim,
                                  const projected *p)
{
    float *z = guarded(rows->rows * rows->n * sizeof *z);
    br_ops_for(BR_ISA_SCALAR)->linear(rows, BR_ACTIVATION_IDENTITY, z, rows->n, NULL);
    for (size_t r = 0; r < rows->rows; r++)
        check_heads(c, z + r * rows->n, head_dim, p->y + r * p->y_stride,
                    p->scale + r * p->scale_stride);
}

enum { MAX_ROWS = 9 };

/* Rows of integers, or of floats to which only a bias is added. */
static br_linear_rows make_rows(const kernel_case *c, size_t count, bool floats)
{
    static br_quantized inputs[MAX_ROWS];
    size_t n = c->n, stride = n + OUT_GAP, all = (count - 1) * stride + n;
    uint64_t seed = c->seed;
    int32_t *acc = guarded(all * sizeof *acc);
    for (size_t j = 0; j < all; j++)
        acc[j] = (int32_t)(random_next(&seed) % 200000) - 100000;
    for (size_t r = 0; r < count; r++)
        inputs[r] = (br_quantized){0.0001f * (float)(r + 1), -0.5f};
    br_linear_rows rows = {.acc = acc, .rows = count, .n = n, .stride = stride, .input = inputs};
    rows.columns.bias = make_normal(c, n, 3);
    if (floats) {
        rows.acc = make_floats(c, all, 1);
        return rows;
    }
    rows.columns.scale = make_floats(c, n, 1);
    rows.columns.offset = make_normal(c, n, 2);
    return rows;
}

static void check_projection(size_t count, size_t heads, size_t head_dim, pattern p, bool floats)
{
    const br_attention_s16 *sets[8];
    size_t set_count = supported_sets(sets), n = 3 * heads * head_dim;
    kernel_case c = {n, p, 0x9e3779b97f4a7c15u * (n + p + 1)};
    guarded_reset();
    br_linear_rows rows = make_rows(&c, count, floats);
    projected expected = project(sets[set_count - 1], &rows, head_dim);
    if (p < PATTERN_FINITE)
        check_reference_heads(&c, &rows, head_dim, &expected);
    for (size_t s = 0; s + 1 < set_count; s++) {
        projected actual = project(sets[s], &rows, head_dim);
        expect_bytes("linear_s16", sets[s]->name, &c, expected.y, actual.y,
                     expected.y_count * sizeof *actual.y);
        expect_same("linear_s16 scale", sets[s]->name, &c, expected.scale, actual.scale,
                    expected.scale_count);
    }
}

Test(attention_s16, projection)
{
    for (size_t rows = 1; rows <= MAX_ROWS; rows++)
        for (size_t heads = 1; heads <= 3; heads++)
            for (size_t head_dim = 32; head_dim <= BR_S16_MAX_HEAD; head_dim += 32)
                for (pattern p = 0; p < PATTERN_COUNT; p++)
                    for (int floats = 0; floats < 2; floats++)
                        check_projection(rows, heads, head_dim, p, floats);
}

static void check_fault(const br_attention_s16 *set, size_t head_dim, size_t place, float fault)
{
    kernel_case c = {3 * head_dim, PATTERN_NORMAL, head_dim};
    guarded_reset();
    br_linear_rows rows = make_rows(&c, 1, true);
    ((float *)rows.acc)[head_dim + place] = fault;
    projected p = project(set, &rows, head_dim);
    cr_assert(isfinite(p.scale[0]) && isfinite(p.scale[2]));
    cr_assert(isnan(p.scale[1]), "%s: %g at %zu of %zu", set->name, (double)fault, place, head_dim);
    for (size_t j = head_dim; j < 2 * head_dim; j++)
        cr_assert(p.y[j] == 0);
}

Test(attention_s16, one_value_that_is_not_finite_shows_in_its_heads_scale)
{
    static const float FAULTS[] = {NAN, -NAN, INFINITY, -INFINITY};
    const br_attention_s16 *sets[8];
    size_t set_count = supported_sets(sets);
    for (size_t s = 0; s < set_count; s++)
        for (size_t head_dim = 32; head_dim <= BR_S16_MAX_HEAD; head_dim += 32)
            for (size_t place = 0; place < head_dim; place++)
                for (size_t f = 0; f < sizeof FAULTS / sizeof *FAULTS; f++)
                    check_fault(sets[s], head_dim, place, FAULTS[f]);
}

/* ---------------------------------------------------------------------------- the attention */

typedef struct attention_case {
    kernel_case base;
    br_head_s16 head;
} attention_case;

typedef enum fill_kind { FILL_RANDOM, FILL_LARGEST, FILL_NO_SCALE, FILL_NAN, FILL_COUNT } fill_kind;

static int16_t level_of(uint64_t *seed, int level, fill_kind fill)
{
    if (fill == FILL_LARGEST)
        return (int16_t)level; /* the largest sums */
    return (int16_t)((int)(random_next(seed) % (2 * (uint64_t)level + 1)) - level);
}

/* Scores of about N(0, 2^2) when all is random. */
static float scale_of(uint64_t *seed, size_t part, size_t head_dim, fill_kind fill)
{
    float x = 0.5f + (float)(random_next(seed) % 1000) * 0.001f;
    if (fill == FILL_NO_SCALE)
        return 0;
    if (fill == FILL_NAN && random_next(seed) % 16 == 0)
        return NAN;
    return part == 2 ? x / V_LEVELS : x * 2.2f / (QK_LEVELS * sqrtf(sqrtf((float)head_dim)));
}

static attention_case make_case(size_t rows, size_t length, size_t head_dim, fill_kind fill)
{
    uint64_t seed = 0x9e3779b97f4a7c15u * (length * 512 + head_dim * 16 + fill + 1);
    size_t stride = 3 * head_dim + STRIDE_GAP, scale_stride = 3 + SCALE_GAP;
    size_t n = (length - 1) * stride + 3 * head_dim, scales = (length - 1) * scale_stride + 3;
    guarded_reset();
    int16_t *qkv = guarded(n * sizeof *qkv);
    float *scale = guarded(scales * sizeof *scale);
    for (size_t i = 0; i < n; i++)
        qkv[i] = level_of(&seed, i % stride < 2 * head_dim ? QK_LEVELS : V_LEVELS, fill);
    for (size_t i = 0; i < scales; i++)
        scale[i] = scale_of(&seed, i % scale_stride, head_dim, fill);
    return (attention_case){{length, PATTERN_NORMAL, seed},
                            {.q = qkv,
                             .k = qkv + head_dim,
                             .v = qkv + 2 * head_dim,
                             .q_scale = scale,
                             .k_scale = scale + 1,
                             .v_scale = scale + 2,
                             .stride = stride,
                             .scale_stride = scale_stride,
                             .rows = rows,
                             .length = length,
                             .head_dim = head_dim,
                             .out_stride = head_dim + OUT_GAP}};
}

/* [rows, head_dim] with a gap between rows that must stay as it is. */
static float *run(const br_attention_s16 *set, const attention_case *c)
{
    br_head_s16 head = c->head;
    size_t n = head.rows * head.out_stride;
    size_t floats = br_attention_s16_scratch(head.length, head.head_dim);
    float *out = guarded(n * sizeof *out);
    char *memory = guarded(floats * sizeof(float) + BR_ALIGNMENT);
    float *scratch = (float *)(memory + (BR_ALIGNMENT - (uintptr_t)memory % BR_ALIGNMENT));
    for (size_t i = 0; i < n; i++)
        out[i] = 42;
    memset(scratch, 0xff, floats * sizeof *scratch); /* NaN, should anything be read unwritten */
    head.out = out;
    set->attend(&head, scratch);
    for (size_t i = 0; i < n; i++)
        cr_assert(i % head.out_stride < head.head_dim || out[i] == 42, "%s wrote past a row",
                  set->name);
    return out;
}

/* softmax(q k^T) v in double; returns the sum of exp(score - largest). */
static double reference_row(const br_head_s16 *h, size_t i, double *p, double *out)
{
    double largest = -INFINITY, sum = 0;
    for (size_t j = 0; j < h->length; j++) {
        p[j] = 0;
        for (size_t x = 0; x < h->head_dim; x++)
            p[j] += (double)h->q[i * h->stride + x] * h->k[j * h->stride + x];
        p[j] *= (double)h->q_scale[i * h->scale_stride] * h->k_scale[j * h->scale_stride];
        largest = fmax(largest, p[j]);
    }
    for (size_t j = 0; j < h->length; j++)
        sum += p[j] = exp(p[j] - largest);
    for (size_t x = 0; x < h->head_dim; x++) {
        out[x] = 0;
        for (size_t j = 0; j < h->length; j++)
            out[x] += p[j] / sum * h->v[j * h->stride + x] * h->v_scale[j * h->scale_stride];
    }
    return sum;
}

/*
 * The values are at most 1.5: p is off by half a step of 1 / P for each token, exp by 7.5e-5 and,
 * as scores are off by 1e-6 of about 20, 2e-5 more; both above and below the fraction bar.
 */
static void check_reference(const attention_case *c, const float *out)
{
    const br_head_s16 *h = &c->head;
    double *p = guarded(h->length * sizeof *p), *expected = guarded(h->head_dim * sizeof *expected);
    double steps = fmin(32000, 4190000.0 / (double)h->length);
    for (size_t i = 0; i < h->rows; i++) {
        double sum = reference_row(h, i, p, expected);
        double bound = 1.5 * (2e-4 + 0.5 / steps * (double)h->length / sum);
        for (size_t x = 0; x < h->head_dim; x++)
            expect_near("attention_s16", "scalar", &c->base, expected[x],
                        out[i * h->out_stride + x], bound, i * h->head_dim + x);
    }
}

static void check(size_t rows, size_t length, size_t head_dim, fill_kind fill)
{
    attention_case c = make_case(rows, length, head_dim, fill);
    const br_attention_s16 *sets[8];
    size_t count = supported_sets(sets);
    float *expected = run(sets[count - 1], &c);
    if (fill == FILL_RANDOM || fill == FILL_NO_SCALE)
        check_reference(&c, expected);
    for (size_t s = 0; s + 1 < count; s++)
        expect_same("attention_s16", sets[s]->name, &c.base, expected, run(sets[s], &c),
                    rows * (head_dim + OUT_GAP));
}

Test(attention_s16, every_length)
{
    for (size_t length = 1; length <= 150; length++) {
        check(length, length, 32, FILL_RANDOM);
        check(length, length, 64, FILL_RANDOM);
    }
    for (size_t length = 253; length <= 260; length++) /* one piece, then two */
        check(length, length, 32, FILL_RANDOM);
    check(512, 512, 64, FILL_RANDOM);
    check(60, 771, 64, FILL_RANDOM);
    check(50, BR_S16_MAX_LENGTH, 128, FILL_RANDOM);
}

Test(attention_s16, extreme_values)
{
    for (fill_kind fill = 0; fill < FILL_COUNT; fill++)
        for (size_t head_dim = 32; head_dim <= BR_S16_MAX_HEAD; head_dim += 32)
            for (size_t length = 1; length <= 100; length += 11)
                check(length, length, head_dim, fill);
    check(17, BR_S16_MAX_LENGTH, BR_S16_MAX_HEAD, FILL_LARGEST);
}

/* A scale that is not a number shows: a query's in its row, a key's or value's in all. */
Test(attention_s16, faults_show)
{
    const br_attention_s16 *sets[8];
    size_t count = supported_sets(sets);
    for (size_t s = 0; s < count; s++)
        for (size_t part = 0; part < 3; part++)
            for (size_t length = 1; length <= 271; length += 30) {
                attention_case c = make_case(length, length, 32, FILL_RANDOM);
                size_t token = length / 2;
                ((float *)c.head.q_scale)[token * c.head.scale_stride + part] = NAN;
                const float *out = run(sets[s], &c);
                for (size_t i = 0; i < length; i++)
                    cr_assert_eq(isnan(out[i * c.head.out_stride]), part > 0 || i == token,
                                 "%s: part %zu, row %zu of %zu", sets[s]->name, part, i, length);
            }
}

/* The largest score takes all, however large. */
Test(attention_s16, huge_scores)
{
    attention_case c = make_case(33, 33, 64, FILL_RANDOM);
    const br_head_s16 *h = &c.head;
    for (size_t i = 0; i < h->length; i++)
        ((float *)h->q_scale)[i * h->scale_stride] = 1e15f;
    const float *out = run(br_attention_s16_select(), &c);
    double p[33], expected[64];
    for (size_t i = 0; i < h->rows; i++) {
        reference_row(h, i, p, expected);
        for (size_t x = 0; x < h->head_dim; x++)
            expect_near("attention_s16", "best", &c.base, expected[x], out[i * h->out_stride + x],
                        1e-3, i * h->head_dim + x);
    }
}

/* Equal values come out as they went in, however large the sums are. */
Test(attention_s16, largest_sums)
{
    attention_case c = make_case(3, BR_S16_MAX_LENGTH, BR_S16_MAX_HEAD, FILL_LARGEST);
    float *scale = (float *)c.head.v_scale;
    for (size_t j = 0; j < c.head.length; j++)
        scale[j * c.head.scale_stride] = 1.0f / V_LEVELS;
    const float *out = run(br_attention_s16_select(), &c);
    for (size_t i = 0; i < c.head.rows * c.head.out_stride; i++)
        cr_assert(i % c.head.out_stride >= c.head.head_dim || fabsf(out[i] - 1) < 0.3f, "%g",
                  out[i]);
}

/* Equal values come out as they went in on average: rounding down would take half a step a token.
 */
Test(attention_s16, probabilities_are_rounded_to_nearest)
{
    enum { LENGTH = 512, HEAD_DIM = 64 };
    attention_case c = make_case(LENGTH, LENGTH, HEAD_DIM, FILL_RANDOM);
    const br_head_s16 *h = &c.head;
    for (size_t j = 0; j < LENGTH; j++) {
        ((float *)h->v_scale)[j * h->scale_stride] = 1.0f / V_LEVELS;
        for (size_t x = 0; x < HEAD_DIM; x++)
            ((int16_t *)h->v)[j * h->stride + x] = V_LEVELS;
    }
    const float *out = run(br_attention_s16_select(), &c);
    double p[LENGTH], expected[HEAD_DIM], error = 0, half_steps = 0;
    for (size_t i = 0; i < LENGTH; i++) {
        half_steps += 0.5 * LENGTH / (4190000.0 / LENGTH) / reference_row(h, i, p, expected);
        error += (double)out[i * h->out_stride] - expected[0];
    }
    cr_expect_lt(fabs(error), 0.1 * half_steps, "off by %g, half a step each is %g", error,
                 half_steps);
}

/* A row comes out the same whether or not the others are asked for. */
Test(attention_s16, first_rows_only)
{
    for (size_t length = 1; length <= 130; length += 3) {
        attention_case c = make_case(length, length, 64, FILL_RANDOM);
        const br_attention_s16 *set = br_attention_s16_select();
        const float *all = run(set, &c);
        for (c.head.rows = 1; c.head.rows <= length; c.head.rows += 1 + length / 3)
            expect_same("attention_s16, first rows", set->name, &c.base, all, run(set, &c),
                        c.head.rows * c.head.out_stride);
    }
}
