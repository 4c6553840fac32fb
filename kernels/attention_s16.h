/*
 * Attention in 16-bit integers, for int8 models: twice the products an instruction of f32, half the
 * memory traffic, and exact sums, so that every instruction set and any order gives the same bits.
 *
 * Each head's part of a row of queries, keys and values has its own scale (symmetric):
 *
 *     x[c] ~ scale * y[c],  |y| <= 4095 (q, k) or 511 (v)
 *
 * For query i, exactly in s32 where it says "exact":
 *
 *     t[j]   = sum_c q[i][c] k[j][c] (exact) * k_scale[j]
 *     e[j]   = 2^((t[j] - max t) * (q_scale[i] * log2 e))           2^x to 1e-4
 *     p[j]   = round(e[j] * P * v_scale[j] / max v_scale)
 *     out[c] = sum_j p[j] v[j][c] (exact) * (max v_scale / P / sum_j e[j])
 *
 * with P = min(32000, 4190000 / length),
 * so that sums stay below 2^31: 128 * 4095^2, and length * P * 511.
 */
#ifndef BR_ATTENTION_S16_H
#define BR_ATTENTION_S16_H

#include <stdbool.h>

#include "kernels/ops.h"

enum {
    BR_S16_HEAD_UNIT = 32,    /* head_dim is a multiple of this, */
    BR_S16_MAX_HEAD = 128,    /* and no larger than this; */
    BR_S16_MAX_LENGTH = 2048, /* longer texts would leave p too few bits */
};

/** One head of one sequence. */
typedef struct br_head_s16 {
    const int16_t *q, *k, *v; /* rows `stride` apart, an even number; aligned to 4 */
    const float *q_scale, *k_scale, *v_scale; /* a row's, `scale_stride` apart */
    size_t stride, scale_stride;
    size_t rows, length, head_dim; /* the first `rows` of `length` tokens are queries */
    float *out;                    /* [rows, head_dim], rows out_stride floats apart */
    size_t out_stride;
} br_head_s16;

typedef struct br_attention_s16 {
    bool (*supported)(void);
    const char *name; /* "attention:avx512_vnni" ... */

    /**
     * Queries, keys and values of heads side by side, as they leave their projection: z as `linear`
     * of ops.h without activation, n = heads * head_dim; heads from first_value on are values. y[j]
     * = round(z[j] * (4095 or 511 / largest)), scale = largest / the same, largest being that of
     * |z| in the head's part of the row; 0: y = 0, scale = 0; not finite: y = 0, scale = NaN, so
     * that the fault shows.
     * @param y      [rows, n], rows y_stride apart
     * @param scale  [rows, heads], rows scale_stride apart
     */
    void (*linear)(const br_linear_rows *rows, size_t head_dim, size_t first_value, int16_t *y,
                   size_t y_stride, float *scale, size_t scale_stride);

    /** @param scratch br_attention_s16_scratch(length, head_dim) floats, 64-byte aligned */
    void (*attend)(const br_head_s16 *head, float *scratch);
} br_attention_s16;

/** All kernels, best first, the last one (scalar) supported everywhere. *count receives how many.
 */
const br_attention_s16 *br_attention_s16_table(size_t *count);

/** The best one that this CPU supports. */
const br_attention_s16 *br_attention_s16_select(void);

/** Floats of scratch that `attend` needs. */
size_t br_attention_s16_scratch(size_t length, size_t head_dim);

#endif
