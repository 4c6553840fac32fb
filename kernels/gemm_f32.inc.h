/*
 * `gemm_f32` and `gemm_bf16` of ops.h. Included once by each ops_*.c.
 *
 * A tile of rows x columns of sums stays in registers over all of k. A step through a panel has 128
 * bytes: one k of f32 weights, two of bf16. While a panel is multiplied the next one is brought
 * into the second-level cache, evenly, as in gemm_tile.inc.h; rows so few that one pass reads the
 * panel bring what lies ahead in it into the first-level cache. Of more rows PART inputs go through
 * all panels before the next, so that what is read again stays in the second-level cache.
 */
enum {
    STEP = BR_GEMM_F32_PANEL * 4,
    COLUMNS = BR_GEMM_VECTORS * 16, /* of a tile */
    LINE = 64,
    AHEAD = 4096,
    PART = 768
};

/* `inputs` of the k of a row. */
typedef struct span {
    size_t k, inputs;
    bool first; /* else the sums go on from what dst holds */
} span;

/* All f32 weights of one k of a step that has `depth` of them; bf16 ones stand in pairs. */
BR_INLINE vf weights_of(vi step, const int half, const int depth)
{
    if (depth == 1)
        return v_bits(step);
    return v_bits(half == 0 ? vi_shl(step, 16) : vi_and(step, vi_set(-0x10000)));
}

/* What a tile fetches meanwhile: in each step a line, `rate` bytes further on. */
typedef struct fetch {
    const char *first;
    size_t rate;
} fetch;

/* rows x COLUMNS outputs; `rows`, `depth` and `lines` are constants where this is in-lined. */
BR_INLINE void tile(const float *src, span part, const char *weights, fetch ahead, float *dst,
                    size_t dst_stride, const int rows, const int depth, const int lines)
{
    vf sum[BR_GEMM_ROWS][BR_GEMM_VECTORS];
    const float *fourth[BR_GEMM_ROWS]; /* rows 0, 4, 8: so few registers address them all */
    size_t fetched = 0;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        fourth[r / 4] = src + (size_t)(r / 4 * 4) * part.k;
#pragma GCC unroll 4
        for (int v = 0; v < BR_GEMM_VECTORS; v++)
            sum[r][v] = part.first ? v_set(0) : v_load(dst + (size_t)r * dst_stride + v * 16);
    }
    for (size_t j = 0; j < part.inputs;
         j += (size_t)depth, weights += STEP, fetched += ahead.rate) {
        vi step[BR_GEMM_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < BR_GEMM_VECTORS; v++)
            step[v] = vi_load(weights + v * LINE);
        const char *line = ahead.first + fetched / LINE * LINE;
        if (lines == 1) {
            __builtin_prefetch(line, 0, 2);
        } else {
            __builtin_prefetch(line, 0, 3);
            __builtin_prefetch(line + LINE, 0, 3);
        }
#pragma GCC unroll 2
        for (int half = 0; half < depth; half++) {
            vf w[BR_GEMM_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < BR_GEMM_VECTORS; v++)
                w[v] = weights_of(step[v], half, depth);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                vf x = v_set(fourth[r / 4][(size_t)(r % 4) * part.k + j + (size_t)half]);
#pragma GCC unroll 4
                for (int v = 0; v < BR_GEMM_VECTORS; v++)
                    sum[r][v] = v_fma(x, w[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < BR_GEMM_VECTORS; v++)
            v_store(dst + (size_t)r * dst_stride + v * 16, sum[r][v]);
}

/* The same for any number of rows up to a tile's. */
BR_INLINE void rows_of_tile(const float *src, size_t rows, span part, const char *weights,
                            fetch ahead, float *dst, size_t dst_stride, const int depth,
                            const int lines)
{
#define HEIGHT(n)                                                                                  \
    case n:                                                                                        \
        tile(src, part, weights, ahead, dst, dst_stride, n, depth, lines);                         \
        break;
    switch (rows) {
        BR_GEMM_HEIGHTS(HEIGHT)
    }
#undef HEIGHT
}

/* All rows of a panel, or of a part of it, in tiles of nearly equal height. */
BR_INLINE void panel_rows(const float *src, size_t m, span part, const char *panel, float *dst,
                          size_t dst_stride, const int depth)
{
    size_t tiles = (m + BR_GEMM_ROWS - 1) / BR_GEMM_ROWS, steps = part.inputs / (size_t)depth;
    size_t passes = tiles * (BR_GEMM_F32_PANEL / COLUMNS);
    size_t next = passes > 1 ? part.k / (size_t)depth * STEP : AHEAD;
    fetch ahead = {panel + next, (STEP + passes - 1) / passes};
    for (size_t rows; tiles > 0;
         tiles--, m -= rows, src += rows * part.k, dst += rows * dst_stride) {
        rows = (m + tiles - 1) / tiles;
        for (size_t c = 0; c < BR_GEMM_F32_PANEL; c += COLUMNS) {
            if (passes > 1)
                rows_of_tile(src, rows, part, panel + 4 * c, ahead, dst + c, dst_stride, depth, 1);
            else
                rows_of_tile(src, rows, part, panel + 4 * c, ahead, dst + c, dst_stride, depth, 2);
            ahead.first += steps * ahead.rate;
        }
    }
}

/* Some inputs of all panels. */
BR_INLINE void all_panels(const float *src, size_t m, span part, const char *panel, size_t panels,
                          float *dst, size_t dst_stride, const int depth)
{
    size_t panel_bytes = part.k / (size_t)depth * STEP;
    for (size_t p = 0; p < panels; p++, panel += panel_bytes, dst += BR_GEMM_F32_PANEL)
        panel_rows(src, m, part, panel, dst, dst_stride, depth);
}

#define GEMM_OF_DEPTH(name, depth)                                                                 \
    static void name(const float *src, size_t m, size_t k, const void *packed, size_t panels,      \
                     float *dst, size_t dst_stride)                                                \
    {                                                                                              \
        const char *panel = packed;                                                                \
        size_t most = m > BR_GEMM_ROWS ? PART : k;                                                 \
        for (size_t j = 0; j < k; j += most)                                                       \
            all_panels(src + j, m, (span){k, k - j < most ? k - j : most, j == 0},                 \
                       panel + j / (depth)*STEP, panels, dst, dst_stride, depth);                  \
    }

GEMM_OF_DEPTH(gemm_f32, 1)
GEMM_OF_DEPTH(gemm_bf16, 2)
