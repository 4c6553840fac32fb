/* Products of floats: every set gives the bits of one chain of fma over k, for any number of rows.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/kernel_inputs.h"

enum { SLACK = 5, SETS = 3 };

static const size_t ROWS[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 23, 24, 25, 64};
static const size_t SHAPES[][2] = {{32, 2}, {64, 64}, {96, 770}, {32, 3072}}; /* n, k */

typedef struct problem {
    kernel_case c; /* .n: the outputs */
    size_t m, n, k;
    float *src;      /* [m, k], unaligned, at the end of memory */
    void *plain;     /* [n, k] f32 or bf16 */
    float *expected; /* [m, n + SLACK] */
    bool bf16;
} problem;

static float weight_at(const problem *p, size_t i)
{
    float w;
    uint32_t bits;
    if (!p->bf16)
        return ((const float *)p->plain)[i];
    bits = (uint32_t)((const uint16_t *)p->plain)[i] << 16;
    memcpy(&w, &bits, sizeof w);
    return w;
}

static void expect(problem *p)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            float sum = 0;
            for (size_t l = 0; l < p->k; l++)
                sum = fmaf(p->src[i * p->k + l], weight_at(p, j * p->k + l), sum);
            p->expected[i * (p->n + SLACK) + j] = sum;
        }
}

/* Columns beyond n must stay as they are: -1. */
static float *blank(const problem *p)
{
    float *out = guarded(p->c.n * sizeof *out);
    for (size_t i = 0; i < p->c.n; i++)
        out[i] = -1;
    return out;
}

static problem make(size_t m, size_t n, size_t k, pattern kind, bool bf16)
{
    problem p = {.m = m, .n = n, .k = k, .bf16 = bf16};
    p.c = (kernel_case){.n = m * (n + SLACK), .pattern = kind, .seed = m + n + k};
    p.src = make_floats(&p.c, m * k, 1);
    float *weights = make_floats(&p.c, n * k, 2);
    p.plain = weights;
    if (bf16) {
        p.plain = guarded(n * k * sizeof(uint16_t));
        br_ops_for(BR_ISA_SCALAR)->narrow_bf16(weights, n * k, p.plain);
    }
    p.expected = blank(&p);
    expect(&p);
    return p;
}

/* The packed weights end where memory does: what is fetched beyond them is not read. */
static void check(const problem *p)
{
    size_t row_bytes = p->k * (p->bf16 ? sizeof(uint16_t) : sizeof(float));
    void *packed = guarded(p->n * row_bytes);
    br_gemm_f32_pack(p->plain, p->n, row_bytes, packed);
    const br_ops *sets[SETS] = {br_ops_for(BR_ISA_SCALAR)};
    size_t count = 1 + vector_sets(sets + 1);
    for (size_t s = 0; s < count; s++) {
        float *out = blank(p);
        (p->bf16 ? sets[s]->gemm_bf16 : sets[s]->gemm_f32)(
            p->src, p->m, p->k, packed, p->n / BR_GEMM_F32_PANEL, out, p->n + SLACK);
        expect_same(p->bf16 ? "gemm_bf16" : "gemm_f32", sets[s]->name, &p->c, p->expected, out,
                    p->c.n);
    }
}

static void check_all(bool bf16)
{
    static const pattern PATTERNS[] = {PATTERN_NORMAL, PATTERN_WIDE, PATTERN_SPECIAL};
    for (size_t s = 0; s < sizeof SHAPES / sizeof SHAPES[0]; s++)
        for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++)
            for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++) {
                problem p = make(ROWS[r], SHAPES[s][0], SHAPES[s][1], PATTERNS[i], bf16);
                check(&p);
                guarded_reset();
            }
}

Test(gemm_f32, f32_weights)
{
    check_all(false);
}

Test(gemm_f32, bf16_weights)
{
    check_all(true);
}
