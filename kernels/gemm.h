/*
 * Our own exact u8 x s8 matrix multiplication, for every instruction set.
 *
 *     dst[m, n] = src[m, k] * weights[n, k]^T      src u8, weights s8, dst s32, exact
 *
 * Weights are packed in panels of 64 output channels, [n / 64][k / 4][64][4]: the 4 bytes that one
 * 32-bit lane of a dot-product instruction takes stand together. This is oneDNN's BA16a64b4a. n and
 * k are multiples of 64. Sums are exact, hence the same whatever the instruction set and blocking:
 * |sum| <= k * 255 * 128 < 2^31 for k <= 65,536.
 */
#ifndef BR_GEMM_H
#define BR_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BR_GEMM_MAX_TILE = 18, /* rows of a tile */
    BR_GEMM_PANEL = 64,    /* output channels of a panel; k is a multiple of it too */
    BR_GEMM_MAX_DEPTH = 65536,
};

/**
 * Computes `panels` panels.
 * @param src    [m, k] dense
 * @param packed first panel
 * @param warm   the weights were just read and may be in this core's caches; else they are fetched
 *               from further away. The result is the same
 * @param dst    first of [m, panels * 64]; rows `dst_stride` apart
 */
typedef void (*br_gemm_fn)(const uint8_t *src, size_t m, size_t k, const int8_t *packed,
                           size_t panels, bool warm, int32_t *dst, size_t dst_stride);

/** A few of many rows, times some panels. Every tile of the rows goes through the same panels. */
typedef struct br_gemm_tile {
    const uint8_t *src; /* [rows, k] dense */
    size_t rows;        /* what tile_rows() says */
    size_t all_rows;    /* of all tiles */
    size_t k;
    const int8_t *packed; /* first panel */
    size_t panels;
    const int8_t *ahead; /* weights needed after these: each tile fetches its share, and moves on */
} br_gemm_tile;

typedef struct br_gemm {
    const char *name; /* "gemm:scalar", "gemm:avx512_vnni" ... */
    bool vnni;        /* has a dot-product instruction; without it oneDNN's u8 x s8 saturates */
    bool (*supported)(void);
    br_gemm_fn run;
    /**
     * The same by tiles, for who wants to do something else between them. dst: first of [rows,
     * panels * 64], rows `dst_stride` apart.
     */
    void (*run_tile)(br_gemm_tile *tile, int32_t *dst, size_t dst_stride);
    /** Rows of the next tile, `left` of `all` being left; few rows are one tile. */
    size_t (*tile_rows)(size_t all, size_t left);
    /* Nothing but this set's dot products, in registers; returns how many operations that was. */
    double (*peak)(size_t iterations);
} br_gemm;

/** All kernels, best first, the last one (scalar) supported everywhere. *count receives how many.
 */
const br_gemm *br_gemm_table(size_t *count);

/** The best one that this CPU supports. */
const br_gemm *br_gemm_select(void);

/** Packs plain weights [n, k] (dense rows). packed: n * k bytes. */
void br_gemm_pack(const int8_t *plain, size_t n, size_t k, int8_t *packed);

#endif
