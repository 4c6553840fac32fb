/*
 * The matrix multiplication of kernels/gemm.h over one instruction set. The including file defines
 *
 *   vec                  a register of VEC_LANES 32-bit lanes
 *   vec_zero()           all lanes 0
 *   vec_load(p)          VEC_LANES * 4 bytes from p, aligned
 *   vec_splat(p)         the 4 bytes at p in every lane, unaligned
 *   vec_read(p)          from int32_t *p, unaligned
 *   vec_store(p, v)      to int32_t *p, unaligned
 *   vec_dot(sum, a, w)   sum + the dot product of the u8 a and the s8 w in each lane, exact
 *   TILE_ROWS, TILE_VECS the accumulators held in registers
 *   GEMM(suffix)         the functions' name
 */
#include <assert.h>

#include "kernels/gemm.h"

enum { PANEL_VECS = BR_GEMM_PANEL / VEC_LANES };

#define INLINE static inline __attribute__((always_inline))

/*
 * While weights are multiplied, later ones are fetched, evenly, so that these reads never hold up
 * the others: in each step a tile fetches `lines` lines, `rate` bytes further on than in the step
 * before. Weights have 4 lines for each step.
 *
 * Many rows wait for products: the next panel is brought into the second-level cache meanwhile.
 * Few rows wait for weights, unless these are warm, and a line fetched into that cache first would
 * pass through the first one's fill buffers twice. So they fetch straight into the first one what
 * comes AHEAD bytes later, or, where 2 to FEW_PASSES tiles read a panel, sum it in parts of PART
 * inputs, and fetch the next part during this one.
 */
typedef struct fetch {
    const int8_t *first;
    size_t rate;
} fetch;

enum { STEP = BR_GEMM_PANEL * 4, LINE = 64, AHEAD = 4096, PART = 192, FEW_PASSES = 3 };

/* `depth` of the k inputs of a row. */
typedef struct span {
    size_t k, depth;
    bool first; /* else the sums go on from what dst holds */
} span;

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

_Static_assert(FEW_PASSES *TILE_ROWS <= BR_GEMM_MAX_TILE, "tiles are larger than their memory");

/*
 * rows x (vecs * VEC_LANES) outputs; `rows`, `vecs` and `lines` are constants where this is
 * inlined. src: the part's first input of [rows, k]; weights: a panel [depth / 4][64][4] from its
 * first used column on.
 */
INLINE void tile(const uint8_t *src, span part, const int8_t *weights, fetch ahead, int32_t *dst,
                 size_t dst_stride, const int rows, const int vecs, const int lines)
{
    vec sum[MAX_ROWS][TILE_VECS];
    size_t fetched = 0;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++)
            sum[r][v] =
                part.first ? vec_zero() : vec_read(dst + (size_t)r * dst_stride + v * VEC_LANES);
    for (size_t j = 0; j < part.depth; j += 4, weights += STEP, fetched += ahead.rate) {
        vec w[TILE_VECS];
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++)
            w[v] = vec_load(weights + v * VEC_LANES * 4);
#pragma GCC unroll 16
        for (int i = 0; i < lines; i++) {
            const int8_t *line = ahead.first + fetched / LINE * LINE + i * LINE;
            if (lines > 1) /* clang takes no hint that is not a literal */
                __builtin_prefetch(line, 0, 3);
            else
                __builtin_prefetch(line, 0, 2);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vec a = vec_splat(src + (size_t)r * part.k + j);
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
INLINE void panel_rows(const uint8_t *src, span part, const int8_t *panel, fetch *ahead,
                       int32_t *dst, size_t dst_stride, const int rows, const int vecs,
                       const int lines)
{
    for (int v = 0; v < PANEL_VECS; v += vecs, ahead->first += part.depth / 4 * ahead->rate)
        tile(src, part, panel + v * VEC_LANES * 4, *ahead, dst + v * VEC_LANES, dst_stride, rows,
             vecs, lines);
}

/* The same where `rows` and `lines` are variables. */
static void some_rows(const uint8_t *src, span part, const int8_t *panel, fetch *ahead,
                      int32_t *dst, size_t dst_stride, size_t rows, size_t lines)
{
#define LINES(n, vecs, count)                                                                      \
    case count:                                                                                    \
        panel_rows(src, part, panel, ahead, dst, dst_stride, n, vecs, count);                      \
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

/* All rows of a panel, or of a part of it, while `lines` lines a step are fetched. */
static void multiply_part(const uint8_t *src, size_t m, span part, const int8_t *panel, fetch ahead,
                          size_t lines, int32_t *dst, size_t dst_stride)
{
    for (size_t rows; m > 0; m -= rows, src += rows * part.k, dst += rows * dst_stride) {
        rows = next_rows(m);
        some_rows(src, part, panel, &ahead, dst, dst_stride, rows, lines);
    }
}

/* Tiles of m rows that read a panel; a tall one makes two, as the tiles it stands for. */
static size_t passes_of(size_t m)
{
    return (m + TILE_ROWS - 1) / TILE_ROWS * (PANEL_VECS / TILE_VECS);
}

/* Fetching over a panel's steps, one for each pass. */
static size_t rate_of(size_t passes)
{
    return (STEP + passes - 1) / passes;
}

/*
 * All rows of a panel. What is fetched past the last one is mostly the projection which follows,
 * and never read.
 */
static void multiply_panel(const uint8_t *src, size_t m, size_t k, const int8_t *panel, bool warm,
                           int32_t *dst, size_t dst_stride)
{
    size_t passes = passes_of(m), rate = rate_of(passes);
    if (passes == 1 || passes > FEW_PASSES || warm) {
        const int8_t *first = panel + (passes == 1 ? AHEAD : k * BR_GEMM_PANEL);
        multiply_part(src, m, (span){k, k, true}, panel, (fetch){first, rate}, passes == 1 ? 4 : 1,
                      dst, dst_stride);
        return;
    }
    for (size_t j = 0; j < k; j += PART, panel += PART * BR_GEMM_PANEL)
        multiply_part(src + j, m, (span){k, k - j < PART ? k - j : PART, j == 0}, panel,
                      (fetch){panel + PART * BR_GEMM_PANEL, rate}, 2, dst, dst_stride);
}

void GEMM()(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels, bool warm,
            int32_t *dst, size_t dst_stride)
{
    assert(k % BR_GEMM_PANEL == 0 && k <= BR_GEMM_MAX_DEPTH);
    for (size_t p = 0; p < panels; p++)
        multiply_panel(src, m, k, packed + p * k * BR_GEMM_PANEL, warm, dst + p * BR_GEMM_PANEL,
                       dst_stride);
}

size_t GEMM(_tile_rows)(size_t all, size_t left)
{
    return passes_of(all) <= FEW_PASSES ? left : next_rows(left);
}

void GEMM(_tile)(br_gemm_tile *tile, int32_t *dst, size_t dst_stride)
{
    size_t k = tile->k, passes = passes_of(tile->all_rows);
    if (passes <= FEW_PASSES) {
        GEMM()(tile->src, tile->rows, k, tile->packed, tile->panels, false, dst, dst_stride);
        return;
    }
    fetch ahead = {tile->ahead, rate_of(passes)};
    for (size_t p = 0; p < tile->panels; p++)
        some_rows(tile->src, (span){k, k, true}, tile->packed + p * k * BR_GEMM_PANEL, &ahead,
                  dst + p * BR_GEMM_PANEL, dst_stride, tile->rows, 1);
    tile->ahead = ahead.first;
}

/* TILE_ROWS * TILE_VECS independent dot products an iteration, in registers; no memory is touched.
 */
double GEMM(_peak)(size_t iterations)
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
