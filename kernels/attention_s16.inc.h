/*
 * The kernels of attention_s16.h over vec_*.h's vectors. Included once by each attention_s16_*.c,
 * which names its functions LINEAR_S16 and ATTEND_S16.
 */

enum { LEVELS_QK = 4095, LEVELS_V = 511, MAX_P = 32000, MAX_SUM_P = 4190000 };

/* --------------------------------------------------------------------------------- projection */

#define BR_EACH_VECTOR_OF(v, n) _Pragma("GCC unroll 8") for (size_t v = 0; v < (n); v++)

/*
 * One head's part, from column j on: n vectors. A width of 0 or NaN makes products that are NaN,
 * and so zeros; the scale of one that is not finite is NaN.
 */
BR_INLINE float quantize_head(const br_linear_row *row, const bool integers, size_t j,
                              const size_t n, float levels, int16_t *y)
{
    vf z[BR_S16_MAX_HEAD / 16], largest = v_set(0);
    BR_EACH_VECTOR_OF(v, n)
    {
        z[v] = row_vector(row, integers, j + 16 * v, 16);
        vf magnitude = v_bits(vi_and(vi_bits(z[v]), vi_set(INT32_MAX)));
        largest = v == 0 ? magnitude : v_max(largest, magnitude);
    }
    float width = v_largest(largest);
    vf factor = v_set(levels / width);
    BR_EACH_VECTOR_OF(v, n / 2)
    vi_store_s16(y + j + 32 * v, v_round(v_mul(z[2 * v], factor)),
                 v_round(v_mul(z[2 * v + 1], factor)));
    return fmaf(width, 0, width) / levels;
}

BR_INLINE void quantize_heads(const br_linear_rows *rows, const bool integers,
                              const size_t head_dim, size_t first_value, int16_t *y,
                              size_t y_stride, float *scale, size_t scale_stride)
{
    for (size_t r = 0; r < rows->rows; r++) {
        br_linear_row row = row_of(rows, integers, r);
        for (size_t h = 0; h < rows->n / head_dim; h++)
            scale[r * scale_stride + h] =
                quantize_head(&row, integers, h * head_dim, head_dim / 16,
                              h < first_value ? LEVELS_QK : LEVELS_V, y + r * y_stride);
    }
}

void LINEAR_S16(const br_linear_rows *rows, size_t head_dim, size_t first_value, int16_t *y,
                size_t y_stride, float *scale, size_t scale_stride)
{
    assert(head_dim % BR_S16_HEAD_UNIT == 0 && head_dim <= BR_S16_MAX_HEAD);
    switch (head_dim) {
#define BR_HEAD(d)                                                                                 \
    case d:                                                                                        \
        if (rows->columns.scale)                                                                   \
            quantize_heads(rows, true, d, first_value, y, y_stride, scale, scale_stride);          \
        else                                                                                       \
            quantize_heads(rows, false, d, first_value, y, y_stride, scale, scale_stride);         \
        break;
        BR_HEAD(32)
        BR_HEAD(64)
        BR_HEAD(96)
        BR_HEAD(128)
#undef BR_HEAD
    }
}

/* ---------------------------------------------------------------------------------- attention */

#define BR_PACK_LENGTH 0 /* v is always packed: into pairs */

typedef vi br_sum;

/* Lanes are pairs of s16. */
BR_INLINE vi br_sum_zero(void)
{
    return vi_set(0);
}

BR_INLINE vi br_dot(vf a, vf b, vi sum)
{
    return vi_dot_s16(vi_bits(a), vi_bits(b), sum);
}

typedef struct head_context {
    const br_head_s16 *head;
    float *factor;       /* [length] what turns a token's e into its p */
    float result_factor; /* what turns sums of p times v into floats, times the sum of e */
} head_context;

#include "kernels/attention.inc.h"

BR_INLINE vf score_of(const attention_head *h, size_t token, vi sum)
{
    const br_head_s16 *head = h->context->head;
    return v_mul(v_from_int(sum), v_set(head->k_scale[token * head->scale_stride]));
}

BR_INLINE vf result_of(vi sum)
{
    return v_from_int(sum);
}

/* 2^x for x <= 0, its relative error 7.5e-5; below -64 it stays at 2^-64. */
BR_INLINE vf v_exp2(vf x)
{
    x = v_max(v_set(-64), x); /* NaN stays */
    vf r = v_remainder(x), p = v_set(0x1.c3f760p-5f);
    p = v_fma(p, r, v_set(0x1.f0de1ap-3f));
    p = v_fma(p, r, v_set(0x1.62f31ap-1f));
    p = v_fma(p, r, v_set(0x1.fff692p-1f));
    return v_scale(p, v_sub(x, r));
}

/* Rows j .. j + n of the scores, 16 columns -> p, pairs of rows becoming one; returns sum plus e.
 */
BR_INLINE vf exp_rows(const size_t n, const attention_head *h, size_t j, size_t column, vf largest,
                      vf query, vf sum)
{
    const float *scores = h->scores + j * h->width + column, *factor = h->context->factor + j;
    vi p[4];
    BR_EACH_ROW (i, n) {
        vf e = v_exp2(v_mul(v_sub(v_load(scores + i * h->width), largest), query));
        sum = v_add(sum, e);
        p[i] = v_round(v_mul(e, v_set(factor[i])));
    }
    if (n == 1)
        p[1] = vi_set(0);
    BR_EACH_ROW (i, (n + 1) / 2)
        v_store(h->scores + (j / 2 + i) * h->width + column,
                v_bits(vi_or(vi_and(p[2 * i], vi_set(0xffff)), vi_shl(p[2 * i + 1], 16))));
    return sum;
}

/* What differences of scores are multiplied by for the exponents of 2, by query. */
static void query_factors(const attention_head *h, float *factor)
{
    const br_head_s16 *head = h->context->head;
    const float log2_e = 0x1.715476p0f;
    for (size_t i = 0; i < h->width; i++) {
        size_t query = h->first + (i < h->count ? i : h->count - 1);
        factor[i] = head->q_scale[query * head->scale_stride] * log2_e;
    }
}

/* scores [length, width] -> p [steps, width], in place. */
static void compute_exp(attention_head *h)
{
    float factor[16 * BR_QUERY_VECTORS];
    query_factors(h, factor);
    for (size_t column = 0; column < h->width; column += 16) {
        vf largest = h->largest[column / 16], query = v_load(factor + column), sum = v_set(0);
        size_t j = 0;
        for (; j + 4 <= h->length; j += 4)
            sum = exp_rows(4, h, j, column, largest, query, sum);
        if (j + 2 <= h->length) {
            sum = exp_rows(2, h, j, column, largest, query, sum);
            j += 2;
        }
        if (j < h->length)
            sum = exp_rows(1, h, j, column, largest, query, sum);
        v_store(h->inverse + column, v_div(v_set(h->context->result_factor), sum));
    }
}

/* Sixteen columns of two rows side by side; `next` NULL: zeros. */
BR_INLINE vf v_pairs(const int16_t *row, const int16_t *next)
{
    vi pairs = vi_load_u16((const uint16_t *)row);
    return v_bits(next ? vi_or(pairs, vi_shl(vi_load_u16((const uint16_t *)next), 16)) : pairs);
}

/* v [length, head_dim] -> for each tile's columns one after another, pairs [steps, 16 * C]. */
static void pack_values(attention_head *h, float *packed)
{
    const br_head_s16 *head = h->context->head;
    size_t C;
    h->v = packed;
    h->packed = true;
    for (size_t column = 0; column < h->columns; column += 16 * C) {
        C = tile_columns((h->columns - column) / 16);
        for (size_t j = 0; j < h->length; j += 2) {
            const int16_t *row = head->v + j * head->stride;
            for (size_t c = column; c < column + 16 * C; c += 16, packed += 16)
                v_store(packed,
                        v_pairs(row + c, j + 1 < h->length ? row + head->stride + c : NULL));
        }
    }
}

/* Fills context->factor and result_factor. */
static void value_factors(head_context *context)
{
    const br_head_s16 *head = context->head;
    const size_t step = head->scale_stride;
    float largest = 0, most = (float)MAX_SUM_P / (float)head->length;
    if (most > MAX_P)
        most = MAX_P;
    for (size_t j = 0; j < head->length; j++) {
        float scale = head->v_scale[j * step];
        if (!(scale <= largest)) /* NaN stays */
            largest = isnan(largest) ? largest : scale;
    }
    float factor = largest > 0 ? most / largest : 0;
    for (size_t j = 0; j < head->length; j++)
        context->factor[j] = head->v_scale[j * step] * factor;
    context->result_factor = largest / most;
}

void ATTEND_S16(const br_head_s16 *head, float *scratch)
{
    head_context context = {.head = head, .factor = scratch};
    attention_head h = {.k = (const float *)(const void *)head->k,
                        .v = (const float *)(const void *)head->v,
                        .stride = head->stride / 2,
                        .length = head->length,
                        .head_dim = head->head_dim,
                        .depth = head->head_dim / 2,
                        .steps = (head->length + 1) / 2,
                        .out_stride = head->out_stride,
                        .context = &context};
    value_factors(&context);
    attend(&h, (const float *)(const void *)head->q, head->rows, head->out,
           scratch + br_round_up(head->length, 16));
}
