/*
 * The matrix multiplication of kernels/gemm.h over one instruction set. The including file defines
 *
 *   vec                  a register of VEC_LANES 32-bit lanes
 *   vec_zero()           all lanes 0
 *   vec_load(p)          VEC_LANES * 4 bytes from p, aligned
 *   vec_splat(p)         the 4 bytes at p in every lane, unaligned
 *   vec_store(p, v)      to int32_t *p, unaligned
 *   vec_dot(sum, a, w)   sum + the dot product of the u8 a and the s8 w in each lane, exact
 *   TILE_ROWS, TILE_VECS the accumulators held in registers
 *   GEMM_NAME            the function, and GEMM_PEAK_NAME the loop that measures the ceiling
 */
#include <assert.h>

#include "kernels/gemm.h"

enum { PANEL_VECS = BR_GEMM_PANEL / VEC_LANES };

#define INLINE static inline __attribute__((always_inline))

/*
 * While one panel is multiplied, the next one is brought into the second-level cache, evenly, so
 * that these reads never hold up the others: in each step a tile fetches `lines` lines, `rate`
 * bytes further on than in the step before. A panel has 4 lines for each step. Rows so few that one
 * pass of a tile's width reads the panel (it fetches all 4) wait for weights, not for products:
 * they fetch their own, AHEAD bytes on, into the first-level cache, else every line would pass
 * through that cache's fill buffers twice.
 */
typedef struct fetch {
    const int8_t *first; /* in the next panel, or AHEAD in this one */
    size_t rate;
} fetch;

enum { STEP = BR_GEMM_PANEL * 4, LINE = 64, AHEAD = 4096 };

/*
 * Rows beyond whole tiles go together with the last whole one, if tiles are wide enough: up to
 * MAX_TALL rows in tiles half as wide, for as many sums in registers; more are halved.
 */
enum {
    TALL_VECS = TILE_VECS / 2,
    HAS_TALL = TILE_VECS > 2,
    MAX_ROWS = 2 * TILE_ROWS,
    MAX_TALL = TILE_ROWS == 6 ? 8 : MAX_ROWS - 1
};

/*
 * rows x (vecs * VEC_LANES) outputs; `rows`, `vecs` and `lines` are constants where this is
 * inlined. src [rows, k]; weights: a panel [k / 4][64][4] from its first used column on.
 */
INLINE void tile(const uint8_t *src, size_t k, const int8_t *weights, fetch ahead, int32_t *dst,
                 size_t dst_stride, const int rows, const int vecs, const int lines)
{
    vec sum[MAX_ROWS][TILE_VECS];
    size_t fetched = 0;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++)
            sum[r][v] = vec_zero();
    for (size_t j = 0; j < k; j += 4, weights += STEP, fetched += ahead.rate) {
        vec w[TILE_VECS];
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++)
            w[v] = vec_load(weights + v * VEC_LANES * 4);
#pragma GCC unroll 16
        for (int i = 0; i < lines; i++) {
            const int8_t *line = ahead.first + fetched / LINE * LINE + i * LINE;
            if (lines == 4) /* clang takes no hint that is not a literal */
                __builtin_prefetch(line, 0, 3);
            else
                __builtin_prefetch(line, 0, 2);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vec a = vec_splat(src + (size_t)r * k + j);
#pragma GCC unroll 16
            for (int v = 0; v < vecs; v++)
                sum[r][v] = vec_dot(sum[r][v], a, w[v]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++)
            vec_store(dst + (size_t)r * dst_stride + v * VEC_LANES, sum[r][v]);
}

/* All of a panel for `rows` rows, in tiles of `vecs` vectors. */
INLINE void panel_rows(const uint8_t *src, size_t k, const int8_t *panel, fetch *ahead,
                       int32_t *dst, size_t dst_stride, const int rows, const int vecs,
                       const int lines)
{
    for (int v = 0; v < PANEL_VECS; v += vecs, ahead->first += k / 4 * ahead->rate)
        tile(src, k, panel + v * VEC_LANES * 4, *ahead, dst + v * VEC_LANES, dst_stride, rows, vecs,
             lines);
}

/* The same where `rows` and `lines` are variables. */
static void some_rows(const uint8_t *src, size_t k, const int8_t *panel, fetch *ahead, int32_t *dst,
                      size_t dst_stride, size_t rows, size_t lines)
{
#define LINES(n, vecs, count)                                                                      \
    case count:                                                                                    \
        panel_rows(src, k, panel, ahead, dst, dst_stride, n, vecs, count);                         \
        break;
#define ROWS(n, vecs)                                                                              \
    case n:                                                                                        \
        switch (lines) {                                                                           \
            LINES(n, vecs, 1)                                                                      \
            LINES(n, vecs, 2)                                                                      \
            LINES(n, vecs, 4)                                                                      \
        }                                                                                          \
        break;
    switch (rows) {
        ROWS(1, TILE_VECS)
        ROWS(2, TILE_VECS)
        ROWS(3, TILE_VECS)
        ROWS(4, TILE_VECS)
#if TILE_ROWS == 6
        ROWS(5, TILE_VECS)
        ROWS(6, TILE_VECS)
        ROWS(7, TALL_VECS)
        ROWS(8, TALL_VECS)
#elif TILE_VECS > 2
        ROWS(5, TALL_VECS)
        ROWS(6, TALL_VECS)
        ROWS(7, TALL_VECS)
#endif
    }
#undef ROWS
#undef LINES
}

/* Rows of the next tiles, `left` being left. */
static size_t next_rows(size_t left)
{
    if (left < TILE_ROWS || (HAS_TALL && left > TILE_ROWS && left <= MAX_TALL))
        return left;
    return HAS_TALL && left > MAX_TALL && left < MAX_ROWS ? (left + 1) / 2 : TILE_ROWS;
}

/*
 * All rows of a panel. `next`: what to fetch meanwhile, the next panel; past the last one it is
 * mostly that of the projection which follows, and never read.
 */
static void multiply_panel(const uint8_t *src, size_t m, size_t k, const int8_t *panel,
                           const int8_t *next, int32_t *dst, size_t dst_stride)
{
    /* Over the panel's steps: one for each tile; a tall one makes two, as the tiles it stands for.
     */
    size_t passes = (m + TILE_ROWS - 1) / TILE_ROWS * (PANEL_VECS / TILE_VECS);
    size_t lines = passes >= 4 ? 1 : passes > 1 ? 2 : 4;
    fetch ahead = {passes > 1 ? next : panel + AHEAD, (STEP + passes - 1) / passes};
    for (size_t rows; m > 0; m -= rows, src += rows * k, dst += rows * dst_stride) {
        rows = next_rows(m);
        some_rows(src, k, panel, &ahead, dst, dst_stride, rows, lines);
    }
}

void GEMM_NAME(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
               int32_t *dst, size_t dst_stride)
{
    assert(k % BR_GEMM_PANEL == 0 && k <= BR_GEMM_MAX_DEPTH);
    for (size_t p = 0; p < panels; p++) {
        const int8_t *panel = packed + p * k * BR_GEMM_PANEL;
        multiply_panel(src, m, k, panel, panel + k * BR_GEMM_PANEL, dst + p * BR_GEMM_PANEL,
                       dst_stride);
    }
}

/* TILE_ROWS * TILE_VECS independent dot products an iteration, in registers; no memory is touched.
 */
double GEMM_PEAK_NAME(size_t iterations)
{
    vec sum[TILE_ROWS * TILE_VECS], a = vec_zero(), w = vec_zero();
#pragma GCC unroll 32
    for (int i = 0; i < TILE_ROWS * TILE_VECS; i++)
        sum[i] = vec_zero();
    for (size_t n = 0; n < iterations; n++) {
#pragma GCC unroll 32
        for (int i = 0; i < TILE_ROWS * TILE_VECS; i++) {
            sum[i] = vec_dot(sum[i], a, w);
            __asm__ volatile("" : "+v"(sum[i])); /* the compiler must not see that it is unused */
        }
    }
    return (double)iterations * TILE_ROWS * TILE_VECS * VEC_LANES * 4 * 2;
}
