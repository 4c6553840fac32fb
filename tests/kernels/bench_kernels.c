/*
 * Times the row kernels, data in cache: `bench_kernels [name]`, name being part of a kernel's name.
 * Those that follow a matrix multiplication have tiles of TILE_ROWS rows.
 * Prints the best of many runs in core cycles an element, for each instruction set; attention in
 * microseconds a head and GFLOPS (4 * length^2 * head_dim operations).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"
#include "kernels/attention_s16.h"
#include "kernels/ops.h"

enum { MAX_N = 3072, TILE_ROWS = 6, MAX_LENGTH = 512, MAX_HEAD_DIM = 64, ROUNDS = 100 };

typedef struct bench {
    const br_ops *ops;
    const br_attention_s16 *attention;
    size_t n, head_dim;
    int32_t *acc;
    float *scratch, *x, *y, *scale, *offset, *bias;
    uint16_t *half;
    uint8_t *q;
    int16_t *qkv;   /* of attention_s16.h, with */
    float *factors; /* their scales */
} bench;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static volatile float sink;

/* --------------------------------------------------------------------------------- the kernels */

static const br_quantized inputs[TILE_ROWS] = {{0.001f, -1}, {0.001f, -1}, {0.001f, -1},
                                               {0.001f, -1}, {0.001f, -1}, {0.001f, -1}};

static br_linear_rows tile_of(const bench *b)
{
    return (br_linear_rows){b->acc, TILE_ROWS, b->n, b->n, {b->scale, b->offset, b->bias, NULL},
                            inputs};
}

#define BENCH_LINEAR(name, act)                                                                    \
    static void name(const bench *b)                                                               \
    {                                                                                              \
        br_linear_rows tile = tile_of(b);                                                          \
        br_range ranges[TILE_ROWS] = {{0, 0}};                                                     \
        b->ops->linear(&tile, act, b->y, b->n, ranges);                                            \
        sink = ranges[0].lo;                                                                       \
    }

BENCH_LINEAR(linear, BR_ACTIVATION_IDENTITY)
BENCH_LINEAR(linear_gelu, BR_ACTIVATION_GELU)
BENCH_LINEAR(linear_gelu_coarse, BR_ACTIVATION_GELU_COARSE)
BENCH_LINEAR(linear_gelu_tanh, BR_ACTIVATION_GELU_TANH)
BENCH_LINEAR(linear_tanh, BR_ACTIVATION_TANH)

static void linear_norm(const bench *b)
{
    br_linear_rows tile = tile_of(b);
    br_norm norm = {b->scale, b->offset, 1e-12f, NULL};
    br_range ranges[TILE_ROWS];
    b->ops->linear_norm(&tile, &norm, b->y, b->n, ranges);
    sink = ranges[0].lo;
}

static void add_norm(const bench *b)
{
    br_norm norm = {b->scale, b->offset, 1e-12f, NULL};
    sink = b->ops->add_norm(b->x, b->bias, NULL, b->n, &norm, b->y).lo;
}

static void range(const bench *b)
{
    sink = b->ops->range(b->x, b->n).lo;
}

static void quantize(const bench *b)
{
    sink = b->ops->quantize(b->x, b->n, (br_range){-5, 5}, b->q).lo;
}

static void widen_s8(const bench *b)
{
    b->ops->widen_s8((const int8_t *)b->q, 0.01f, b->n, b->y);
}

static void narrow_bf16(const bench *b)
{
    b->ops->narrow_bf16(b->x, b->n, b->half);
}

static void softmax(const bench *b)
{
    b->ops->softmax(b->x, b->n, b->y);
}

/* n gate values: n / 4 cells */
static void lstm_cell(const bench *b)
{
    br_linear_row input = {b->acc, b->n, {b->scale, b->offset, b->bias, NULL}, inputs[0]};
    br_linear_row recurrent = input;
    recurrent.columns.bias = NULL;
    b->ops->lstm_cell(&input, &recurrent, b->scratch, b->y);
}

static const struct {
    const char *name;
    void (*run)(const bench *b);
    size_t rows; /* of a call */
} kernels[] = {
    {"linear", linear, TILE_ROWS},
    {"linear_gelu", linear_gelu, TILE_ROWS},
    {"linear_gelu_coarse", linear_gelu_coarse, TILE_ROWS},
    {"linear_gelu_tanh", linear_gelu_tanh, TILE_ROWS},
    {"linear_tanh", linear_tanh, TILE_ROWS},
    {"linear_norm", linear_norm, TILE_ROWS},
    {"add_norm", add_norm, 1},
    {"range", range, 1},
    {"quantize", quantize, 1},
    {"widen_s8", widen_s8, 1},
    {"narrow_bf16", narrow_bf16, 1},
    {"softmax", softmax, 1},
    {"lstm_cell", lstm_cell, 1},
};

/* ---------------------------------------------------------------------------------- the clock */

/* Seconds of a cycle, by a chain of multiplications, three cycles each; additions take none. */
static double measure_cycle(void)
{
    enum { TIMES = 1000 };
    double start = seconds();
    uint64_t x = 1;
    for (int i = 0; i < TIMES; i++) {
#pragma GCC unroll 32
        for (int j = 0; j < 32; j++) {
            __asm__ volatile("" : "+r"(x)); /* keeps the compiler from doing several as one */
            x *= 0x9e3779b97f4a7c15;
        }
    }
    sink = (float)x;
    return (seconds() - start) / (TIMES * 32.0 * 3);
}

/* Of one call; the best of many, and of the cycle as it was meanwhile (wide vectors slow the
 * clock). */
typedef struct timing {
    double seconds, cycle;
} timing;

static timing measure(void (*run)(const bench *b), const bench *b, size_t repeat)
{
    timing best = {INFINITY, INFINITY};
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();
        for (size_t i = 0; i < repeat; i++)
            run(b);
        best.seconds = fmin(best.seconds, (seconds() - start) / (double)repeat);
        best.cycle = fmin(best.cycle, measure_cycle());
    }
    return best;
}

/* ----------------------------------------------------------------------------------- printing */

static const size_t widths[] = {128, 384, 768, 3072};

static void bench_rows(bench *b, const char *filter)
{
    printf("cycles an element        n:");
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        printf("%8zu", widths[i]);
    printf("\n");
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        if (!strstr(kernels[k].name, filter))
            continue;
        for (br_isa isa = BR_ISA_AVX2; isa <= br_isa_detect(); isa++) {
            b->ops = br_ops_for(isa);
            printf("%-19s%-7s", kernels[k].name, b->ops->name);
            for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
                b->n = widths[i];
                size_t elements = kernels[k].rows * b->n;
                timing t = measure(kernels[k].run, b, 1 + 100000 / elements);
                printf("%8.3f", t.seconds / t.cycle / (double)elements);
            }
            printf("\n");
        }
    }
}

/* One head of a fused q, k, v projection of 12 heads; x is [n, 36 * head_dim]. */
static void attention(const bench *b)
{
    size_t hidden = 12 * b->head_dim;
    b->ops->attention(b->x, b->x + hidden, b->x + 2 * hidden, 3 * hidden, b->n, b->n, b->head_dim,
                      b->y, hidden, b->scratch);
}

static void bench_attention(bench *b)
{
    static const size_t lengths[] = {8, 16, 32, 64, 128, 256, 512};
    for (br_isa isa = BR_ISA_AVX2; isa <= br_isa_detect(); isa++)
        for (b->head_dim = 32; b->head_dim <= 64; b->head_dim *= 2)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                b->n = lengths[i];
                b->ops = br_ops_for(isa);
                timing t = measure(attention, b, 1 + 100000 / (b->n * b->n));
                double operations = 4.0 * (double)(b->n * b->n * b->head_dim);
                double peak = isa == BR_ISA_AVX512 ? 64 : 32; /* operations a cycle: two FMAs */
                printf(
                    "attention %-8shead_dim %zu length %3zu: %8.2f us, %5.1f GFLOPS, %4.1f %% of "
                    "the peak\n",
                    b->ops->name, b->head_dim, b->n, t.seconds * 1e6, operations / t.seconds * 1e-9,
                    100 * operations / (t.seconds / t.cycle * peak));
            }
}

static void linear_s16(const bench *b)
{
    br_linear_rows tile = tile_of(b);
    b->attention->linear(&tile, 64, 24, b->qkv, b->n, b->y, 36);
}

static void attend_s16(const bench *b)
{
    size_t hidden = 12 * b->head_dim;
    br_head_s16 head = {.q = b->qkv,
                        .k = b->qkv + hidden,
                        .v = b->qkv + 2 * hidden,
                        .q_scale = b->factors,
                        .k_scale = b->factors + 12,
                        .v_scale = b->factors + 24,
                        .stride = 3 * hidden,
                        .scale_stride = 36,
                        .rows = b->n,
                        .length = b->n,
                        .head_dim = b->head_dim,
                        .out = b->y,
                        .out_stride = hidden};
    b->attention->attend(&head, b->scratch);
}

static void bench_attention_s16(bench *b)
{
    static const size_t lengths[] = {8, 16, 32, 64, 128, 256, 512};
    size_t sets;
    const br_attention_s16 *table = br_attention_s16_table(&sets);
    for (size_t s = 0; s + 1 < sets; s++) {
        if (!table[s].supported())
            continue;
        b->attention = &table[s];
        b->n = 384;
        timing t = measure(linear_s16, b, 40);
        printf("%-22s linear_s16 n %zu: %.3f cycles an element\n", table[s].name, b->n,
               t.seconds / t.cycle / (double)(TILE_ROWS * b->n));
        for (b->head_dim = 32; b->head_dim <= 64; b->head_dim *= 2)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                b->n = lengths[i];
                t = measure(attend_s16, b, 1 + 100000 / (b->n * b->n));
                double operations = 4.0 * (double)(b->n * b->n * b->head_dim);
                printf("%-22s s16 head_dim %zu length %3zu: %8.2f us, %5.1f GOPS\n", table[s].name,
                       b->head_dim, b->n, t.seconds * 1e6, operations / t.seconds * 1e-9);
            }
    }
}

static float *normal_floats(size_t n)
{
    float *x = br_alloc(n, sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)(rand() + rand() - RAND_MAX) / (float)RAND_MAX * 3;
    return x;
}

int main(int argc, char **argv)
{
    const char *filter = argc > 1 ? argv[1] : "";
    const size_t qkv = (size_t)MAX_LENGTH * 36 * MAX_HEAD_DIM;
    bench b = {.acc = br_calloc(TILE_ROWS * MAX_N, sizeof *b.acc),
               .x = normal_floats(qkv),
               .y = normal_floats(qkv),
               .scale = normal_floats(MAX_N),
               .offset = normal_floats(MAX_N),
               .bias = normal_floats(MAX_N),
               .scratch = normal_floats(br_attention_scratch(MAX_LENGTH, MAX_HEAD_DIM)),
               .half = br_alloc(MAX_N, sizeof *b.half),
               .q = br_calloc(MAX_N, 1),
               .qkv = br_calloc(qkv, sizeof(int16_t)),
               .factors = br_alloc((size_t)MAX_LENGTH * 36, sizeof(float))};
    if (!b.acc || !b.x || !b.y || !b.scale || !b.offset || !b.bias || !b.scratch || !b.half ||
        !b.q || !b.qkv || !b.factors)
        return 1;
    for (size_t i = 0; i < qkv; i++)
        b.qkv[i] = (int16_t)(rand() % 1023 - 511);
    for (size_t i = 0; i < MAX_LENGTH * 36; i++)
        b.factors[i] = 0.001f;
    for (size_t j = 0; j < TILE_ROWS * MAX_N; j++)
        b.acc[j] = rand() % 2000 - 1000;
    bench_rows(&b, filter);
    if (strstr("attention", filter))
        bench_attention(&b);
    if (strstr("attention_s16", filter))
        bench_attention_s16(&b);
    return 0;
}
