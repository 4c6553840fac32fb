/* Every u8 x s8 multiplication this CPU can run against plain loops over unpacked weights. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "kernel_inputs.h"
#include "kernels/gemm.h"
#include "kernels/onednn.h"

typedef enum fill_kind {
    FILL_RANDOM,
    FILL_LARGEST,  /* 255 * 127: what saturates in 16 bits, and the largest sum */
    FILL_SMALLEST, /* 255 * -128 */
    FILL_ZERO,
    FILL_COUNT,
} fill_kind;

typedef struct problem {
    size_t m, n, k;
    fill_kind filling;
    uint8_t *src;
    int8_t *plain, *packed;
    int32_t *expected, *actual; /* [m, n + SLACK] */
} problem;

enum { SLACK = 5, CANARY = 0x5a5a5a5a };

static const size_t ROWS[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                              11, 12, 13, 14, 16, 18, 19, 25, 31, 64};
static const size_t SHAPES[][2] = {{64, 64}, {128, 64}, {64, 128}, {192, 384}, {64, 3072}};

static void fill(problem *p)
{
    uint64_t seed = p->m * 31 + p->n * 7 + p->k + (uint64_t)p->filling;
    for (size_t i = 0; i < p->m * p->k; i++)
        p->src[i] = p->filling == FILL_RANDOM ? (uint8_t)random_next(&seed)
                    : p->filling == FILL_ZERO ? 0
                                              : 255;
    for (size_t i = 0; i < p->n * p->k; i++)
        p->plain[i] = p->filling == FILL_LARGEST    ? 127
                      : p->filling == FILL_SMALLEST ? -128
                                                    : (int8_t)random_next(&seed);
    br_gemm_pack(p->plain, p->n, p->k, p->packed);
}

static void compute_expected(problem *p)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            int32_t sum = 0;
            for (size_t l = 0; l < p->k; l++)
                sum += p->src[i * p->k + l] * p->plain[j * p->k + l];
            p->expected[i * (p->n + SLACK) + j] = sum;
        }
}

static problem make_problem(size_t m, size_t n, size_t k, fill_kind kind)
{
    size_t outputs = m * (n + SLACK);
    problem p = {m,
                 n,
                 k,
                 kind,
                 br_alloc(m * k, 1),
                 br_alloc(n * k, 1),
                 br_alloc(n * k, 1),
                 br_alloc(outputs, sizeof(int32_t)),
                 br_alloc(outputs, sizeof(int32_t))};
    for (size_t i = 0; i < outputs; i++)
        p.expected[i] = CANARY;
    fill(&p);
    compute_expected(&p);
    return p;
}

static void free_problem(problem *p)
{
    br_free(p->src);
    br_free(p->plain);
    br_free(p->packed);
    br_free(p->expected);
    br_free(p->actual);
}

typedef void (*multiply_fn)(problem *p, const br_gemm *gemm);

static void multiply_cold(problem *p, const br_gemm *gemm)
{
    gemm->run(p->src, p->m, p->k, p->packed, p->n / BR_GEMM_PANEL, false, p->actual, p->n + SLACK);
}

static void multiply_warm(problem *p, const br_gemm *gemm)
{
    gemm->run(p->src, p->m, p->k, p->packed, p->n / BR_GEMM_PANEL, true, p->actual, p->n + SLACK);
}

static void multiply_by_tiles(problem *p, const br_gemm *gemm)
{
    br_gemm_tile tile = {.all_rows = p->m,
                         .k = p->k,
                         .packed = p->packed,
                         .panels = p->n / BR_GEMM_PANEL,
                         .ahead = p->packed};
    for (size_t row = 0; row < p->m; row += tile.rows) {
        tile.rows = gemm->tile_rows(p->m, p->m - row);
        cr_assert(tile.rows > 0 && tile.rows <= BR_GEMM_MAX_TILE && tile.rows <= p->m - row);
        tile.src = p->src + row * p->k;
        gemm->run_tile(&tile, p->actual + row * (p->n + SLACK), p->n + SLACK);
    }
}

static void check_kernel(problem *p, const br_gemm *gemm, multiply_fn multiply)
{
    size_t outputs = p->m * (p->n + SLACK);
    for (size_t i = 0; i < outputs; i++)
        p->actual[i] = CANARY; /* columns beyond n must stay as they are */
    multiply(p, gemm);
    for (size_t i = 0; i < outputs; i++)
        cr_assert_eq(p->actual[i], p->expected[i],
                     "%s m=%zu n=%zu k=%zu filling=%d at [%zu, %zu]: %d != %d", gemm->name, p->m,
                     p->n, p->k, p->filling, i / (p->n + SLACK), i % (p->n + SLACK), p->actual[i],
                     p->expected[i]);
}

static void check_all_kernels(problem *p)
{
    size_t count;
    const br_gemm *table = br_gemm_table(&count);
    for (size_t i = 0; i < count; i++)
        if (table[i].supported()) {
            check_kernel(p, &table[i], multiply_cold);
            check_kernel(p, &table[i], multiply_warm);
            check_kernel(p, &table[i], multiply_by_tiles);
        }
}

Test(gemm, exact_on_random_and_extreme_input)
{
    for (size_t s = 0; s < sizeof SHAPES / sizeof SHAPES[0]; s++)
        for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++)
            for (fill_kind f = 0; f < FILL_COUNT; f++) {
                problem p = make_problem(ROWS[r], SHAPES[s][0], SHAPES[s][1], f);
                check_all_kernels(&p);
                free_problem(&p);
            }
}

Test(gemm, table_ends_with_scalar_and_selects_the_first_supported)
{
    size_t count;
    const br_gemm *table = br_gemm_table(&count);
    cr_assert_str_eq(table[count - 1].name, "gemm:scalar");
    cr_assert(table[count - 1].supported());
    const br_gemm *chosen = br_gemm_select();
    for (const br_gemm *better = table; better < chosen; better++)
        cr_assert_not(better->supported());
}

static void check_onednn(br_onednn *onednn, br_onednn_lane *lane, problem *p)
{
    const br_onednn_primitive *primitive;
    bertrun_error error;
    cr_assert_eq(br_onednn_get(onednn, BR_MATMUL_U8S8, p->m, p->n, p->k, &primitive, &error),
                 BERTRUN_OK, "%s", error.message);
    cr_assert_eq(br_onednn_lane_prepare(lane, primitive, &error), BERTRUN_OK, "%s", error.message);
    cr_assert(strstr(br_onednn_name(primitive), ":brg"), "m=%zu n=%zu k=%zu lands on %s", p->m,
              p->n, p->k, br_onednn_name(primitive));
    cr_assert(br_onednn_run(lane, primitive, p->src, p->packed, p->actual));
    for (size_t i = 0; i < p->m; i++)
        cr_assert_arr_eq(p->actual + i * p->n, p->expected + i * (p->n + SLACK),
                         p->n * sizeof(int32_t), "m=%zu n=%zu k=%zu filling=%d row %zu", p->m, p->n,
                         p->k, p->filling, i);
}

Test(onednn, lands_on_brgemm_and_agrees_bit_for_bit_on_a_vnni_machine)
{
    br_onednn *onednn;
    br_onednn_lane *lane;
    if (!br_gemm_select()->vnni)
        cr_skip_test("needs a CPU with VNNI");
    int previous = br_onednn_begin_single();
    cr_assert_eq(br_onednn_open(&onednn, NULL), BERTRUN_OK);
    cr_assert_eq(br_onednn_lane_open(&lane, onednn, NULL), BERTRUN_OK);
    br_onednn_int8 properties;
    cr_assert_eq(br_onednn_look_at_int8(onednn, &properties, NULL), BERTRUN_OK);
    cr_assert(properties.shares_gemm_layout);
    for (size_t s = 0; s < sizeof SHAPES / sizeof SHAPES[0]; s++)
        for (size_t m = 8; m <= 64; m += 8)
            for (fill_kind f = 0; f < FILL_COUNT; f++) {
                problem p = make_problem(m, SHAPES[s][0], SHAPES[s][1], f);
                check_onednn(onednn, lane, &p);
                free_problem(&p);
            }
    br_onednn_lane_close(&lane);
    br_onednn_close(&onednn);
    br_onednn_end_single(previous);
}

/* Integers so small that they are bf16, and that every order of additions gives the same sum. */
Test(onednn, multiplies_packed_bf16_weights)
{
    enum { M = 8, N = 128, K = 192 };
    static float x[M * K], w[N * K], dst[M * N];
    static uint16_t src[M * K], plain[N * K];
    const br_ops *ops = br_ops_select();
    br_onednn *onednn;
    br_onednn_lane *lane;
    const br_onednn_primitive *primitive;
    size_t bytes;
    uint64_t seed = 1;
    for (size_t i = 0; i < M * K; i++)
        x[i] = (float)(random_next(&seed) % 17) - 8;
    for (size_t i = 0; i < N * K; i++)
        w[i] = (float)(random_next(&seed) % 17) - 8;
    ops->narrow_bf16(x, M * K, src);
    ops->narrow_bf16(w, N * K, plain);
    int previous = br_onednn_begin_single();
    cr_assert_eq(br_onednn_open(&onednn, NULL), BERTRUN_OK);
    cr_assert_eq(br_onednn_lane_open(&lane, onednn, NULL), BERTRUN_OK);
    cr_assert_eq(br_onednn_packed_bytes(onednn, BR_MATMUL_BF16, N, K, &bytes, NULL), BERTRUN_OK);
    void *packed = br_alloc(bytes, 1);
    cr_assert_eq(br_onednn_pack(onednn, BR_MATMUL_BF16, N, K, plain, packed, NULL), BERTRUN_OK);
    cr_assert_eq(br_onednn_get(onednn, BR_MATMUL_BF16, M, N, K, &primitive, NULL), BERTRUN_OK);
    cr_assert_eq(br_onednn_lane_prepare(lane, primitive, NULL), BERTRUN_OK);
    cr_assert(br_onednn_run(lane, primitive, src, packed, dst));
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            float sum = 0;
            for (size_t k = 0; k < K; k++)
                sum += x[i * K + k] * w[j * K + k];
            cr_assert_eq(dst[i * N + j], sum, "[%zu, %zu]: %g != %g", i, j, (double)dst[i * N + j],
                         (double)sum);
        }
    br_free(packed);
    br_onednn_lane_close(&lane);
    br_onednn_close(&onednn);
    br_onednn_end_single(previous);
}
