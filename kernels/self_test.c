#include "kernels/self_test.h"

#include <stdbool.h>
#include <string.h>

#include "common/memory.h"

/* A row has whole vectors and a tail; a product has whole tiles and a tail. */
enum {
    N = 203,
    N_ROWS = 3,
    N_STRIDE = 207,
    LENGTH = 21,
    HEAD_DIM = 32,
    ROWS = 7,
    DEPTH = 128,
    COLUMNS = 2 * BR_GEMM_PANEL,
    TILED_ROWS = 19, /* more than go in one tile, for any set */
    TILED_DEPTH = 64
};

_Static_assert((int)TILED_ROWS > (int)BR_GEMM_MAX_TILE, "several tiles");

/* Products of floats: bf16 weights, and the same bits as half as many f32 ones. */
enum { FLOAT_DEPTH = 14, FLOAT_COLUMNS = BR_GEMM_F32_PANEL };

/* Inputs and results of each kernel. Equal kernels leave equal results, unused bytes included. */
typedef struct trial {
    br_range linear_ranges[N_ROWS], linear_norm_ranges[N_ROWS], range;
    br_quantized quantized;
    float sum;
    uint8_t q[256];
    float linear[N_ROWS * N_STRIDE], linear_norm[N_ROWS * N_STRIDE], add_norm[N], softmax[N],
        attention[LENGTH * HEAD_DIM];
    float products[2][ROWS * FLOAT_COLUMNS];
} trial;

typedef struct inputs {
    int32_t acc[N_ROWS * N_STRIDE];
    float a[N], b[N], c[N], heads[3 * LENGTH * HEAD_DIM];
    _Alignas(64) uint16_t halves[2 * FLOAT_DEPTH * FLOAT_COLUMNS];
    _Alignas(64) uint8_t src[TILED_ROWS * TILED_DEPTH]; /* or [ROWS * DEPTH] */
    _Alignas(64) int8_t weights[COLUMNS * DEPTH];
    _Alignas(64) float scratch[8192];
} inputs;

/* Numerical Recipes' linear congruential generator; its upper bits. */
static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void fill_floats(float *x, size_t n, uint32_t *state)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)next(state) * 0x1p-22f - 2;
}

static void fill(inputs *in)
{
    uint32_t state = 1;
    fill_floats(in->a, N, &state);
    fill_floats(in->b, N, &state);
    fill_floats(in->c, N, &state);
    fill_floats(in->heads, sizeof in->heads / sizeof(float), &state);
    for (size_t i = 0; i < sizeof in->halves / sizeof in->halves[0]; i++)
        in->halves[i] = (uint16_t)((next(&state) & 0x807f) | 0x3f80); /* 1 to 2, either sign */
    for (size_t i = 0; i < sizeof in->acc / sizeof in->acc[0]; i++)
        in->acc[i] = (int32_t)next(&state) - (1 << 23);
    for (size_t i = 0; i < sizeof in->src; i++)
        in->src[i] = i % 3 ? (uint8_t)next(&state) : 255; /* sums that saturate in 16 bits */
    for (size_t i = 0; i < sizeof in->weights; i++)
        in->weights[i] = i % 3 ? (int8_t)next(&state) : -128;
}

static const br_quantized inputs_of_rows[N_ROWS] = {{0.0131f, -1.7f}, {0.01f, 0}, {0.017f, -2.1f}};

static void run_rows(const br_ops *ops, inputs *in, trial *t)
{
    const size_t heads = LENGTH * HEAD_DIM;
    const br_linear_rows rows = {in->acc,       N_ROWS, N, N_STRIDE, {in->a, in->b, in->c, in->b},
                                 inputs_of_rows};
    br_norm norm = {.gamma = in->b, .beta = in->c, .epsilon = 1e-12f};
    memset(t, 0, sizeof *t);
    for (size_t r = 0; r < N_ROWS; r++)
        t->linear_ranges[r] = br_range_empty();
    ops->linear(&rows, BR_ACTIVATION_GELU_COARSE, t->linear, N_STRIDE, t->linear_ranges);
    memcpy(t->linear_norm, t->linear, sizeof t->linear);
    ops->linear_norm(&rows, &norm, t->linear_norm, N_STRIDE, t->linear_norm_ranges);
    t->range = ops->add_norm(in->a, in->b, in->c, N, &norm, t->add_norm);
    t->quantized = ops->quantize(in->a, N, ops->range(in->a, N), t->q);
    t->sum = ops->sum_squares(in->a, N);
    ops->softmax(in->a, N, t->softmax);
    ops->attention(in->heads, in->heads + heads, in->heads + 2 * heads, HEAD_DIM, LENGTH, LENGTH,
                   HEAD_DIM, t->attention, HEAD_DIM, in->scratch);
    ops->gemm_f32(in->heads, ROWS, FLOAT_DEPTH, in->halves, 1, t->products[0], FLOAT_COLUMNS);
    ops->gemm_bf16(in->heads, ROWS, 2 * FLOAT_DEPTH, in->halves, 1, t->products[1], FLOAT_COLUMNS);
}

static bool same_rows(const br_ops *ops, inputs *in, trial *got, trial *expected)
{
    run_rows(br_ops_for(BR_ISA_SCALAR), in, expected);
    run_rows(ops, in, got);
    return memcmp(got, expected, sizeof *got) == 0;
}

typedef int32_t sums[TILED_ROWS * COLUMNS];

static void run_product(const br_gemm *gemm, const inputs *in, int32_t *out)
{
    gemm->run(in->src, ROWS, DEPTH, in->weights, COLUMNS / BR_GEMM_PANEL, false, out, COLUMNS);
}

static void run_tiles(const br_gemm *gemm, const inputs *in, int32_t *out)
{
    br_gemm_tile tile = {.all_rows = TILED_ROWS,
                         .k = TILED_DEPTH,
                         .packed = in->weights,
                         .panels = COLUMNS / BR_GEMM_PANEL,
                         .ahead = in->weights};
    for (size_t row = 0; row < TILED_ROWS; row += tile.rows) {
        tile.rows = gemm->tile_rows(TILED_ROWS, TILED_ROWS - row);
        tile.src = in->src + row * TILED_DEPTH;
        gemm->run_tile(&tile, out + row * COLUMNS, COLUMNS);
    }
}

typedef void (*product_fn)(const br_gemm *gemm, const inputs *in, int32_t *out);

static bool same_product(product_fn run, const br_gemm *gemm, const inputs *in, sums *got,
                         sums *expected)
{
    size_t count;
    const br_gemm *table = br_gemm_table(&count);
    memset(got, 0, sizeof *got);
    memset(expected, 0, sizeof *expected);
    run(&table[count - 1], in, *expected);
    run(gemm, in, *got);
    return memcmp(got, expected, sizeof *got) == 0;
}

/* Three heads of q, k and v leave a projection, and the first one attends. */
typedef struct heads_trial {
    int16_t heads[LENGTH][3 * HEAD_DIM];
    float scale[LENGTH][3], out[LENGTH * HEAD_DIM];
} heads_trial;

static void run_heads(const br_attention_s16 *attention, inputs *in, heads_trial *t)
{
    br_quantized quantized[LENGTH];
    for (size_t r = 0; r < LENGTH; r++)
        quantized[r] = inputs_of_rows[r % N_ROWS];
    br_linear_rows rows = {.acc = in->acc,
                           .rows = LENGTH,
                           .n = 3 * HEAD_DIM,
                           .stride = 1,
                           .columns = {in->a, in->b, in->c, NULL},
                           .input = quantized};
    attention->linear(&rows, HEAD_DIM, 2, t->heads[0], 3 * HEAD_DIM, t->scale[0], 3);
    attention->attend(&(br_head_s16){.q = t->heads[0],
                                     .k = t->heads[0] + HEAD_DIM,
                                     .v = t->heads[0] + 2 * HEAD_DIM,
                                     .q_scale = t->scale[0],
                                     .k_scale = t->scale[0] + 1,
                                     .v_scale = t->scale[0] + 2,
                                     .stride = 3 * HEAD_DIM,
                                     .scale_stride = 3,
                                     .rows = LENGTH,
                                     .length = LENGTH,
                                     .head_dim = HEAD_DIM,
                                     .out = t->out,
                                     .out_stride = HEAD_DIM},
                      in->scratch);
}

static bool same_heads(const br_attention_s16 *attention, inputs *in, heads_trial *got,
                       heads_trial *expected)
{
    size_t count;
    const br_attention_s16 *table = br_attention_s16_table(&count);
    run_heads(&table[count - 1], in, expected);
    run_heads(attention, in, got);
    return memcmp(got, expected, sizeof *got) == 0;
}

const char *br_self_test(const br_ops *ops, const br_gemm *gemm, const br_attention_s16 *attention)
{
    struct {
        inputs in;
        trial got, expected;
        heads_trial got_heads, expected_heads;
        _Alignas(64) sums got_sums, expected_sums;
    } test;
    _Static_assert(sizeof test < 128 << 10, "it lies on the caller's stack");
    fill(&test.in);
    if (!same_rows(ops, &test.in, &test.got, &test.expected))
        return ops->name;
    if (!same_product(run_product, gemm, &test.in, &test.got_sums, &test.expected_sums) ||
        !same_product(run_tiles, gemm, &test.in, &test.got_sums, &test.expected_sums))
        return gemm->name;
    if (!same_heads(attention, &test.in, &test.got_heads, &test.expected_heads))
        return attention->name;
    return NULL;
}
