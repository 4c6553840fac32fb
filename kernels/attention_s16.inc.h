/*
 * The kernels of attention_s16.h over vec_*.h's vectors. Included once by each attention_s16_*.c,
 * which names its functions LINEAR_S16 and ATTEND_S16.
 */

enum { LEVELS_QK = 4095, LEVELS_V = 511, MAX_P = 32000, MAX_SUM_P = 4190000 };

/* --------------------------------------------------------------------------------- projection */

#define BR_EACH_VECTOR_OF(v, n) _Pragma("GCC unroll 8") for (size_t v = 0; v < (n); v++)

/*
 * One head's part, from column j on: n vectors. Magnitudes are compared as integers, where NaN is
 * the largest. A width of 0 or NaN makes products that are NaN, and so zeros; the scale of one that
 * is not finite is NaN.
 */
BR_INLINE float quantize_head(const br_linear_row *row, const bool integers, size_t j,
                              const size_t n, float levels, int16_t *y)
{
    vf z[BR_S16_MAX_HEAD / 16];
    vi largest = vi_set(0);
    BR_EACH_VECTOR_OF(v, n)
    {
        z[v] = row_vector(row, integers, j + 16 * v, 16);
        vi magnitude = vi_and(vi_bits(z[v]), vi_set(INT32_MAX));
        largest = v == 0 ? magnitude : vi_max(largest, magnitude);
    }
    float width = vi_largest_float(largest);
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

BR_INLINE vi br_sum_of(vf lanes)
{
    return vi_bits(lanes);
}

BR_INLINE vf br_lanes_of(vi sum)
{
    return v_bits(sum);
}

#define BR_WHOLE_VECTORS 1
#define BR_PIECE         256 /* exponentials of 48 queries in 2 us */

typedef struct head_context {
    const br_head_s16 *head;
    float *q_scale, *k_scale; /* [length], zeros to a multiple of 16 */
    float *factor;            /* the same of v; then what turns a token's e into its p */
    float result_factor;      /* what turns sums of p times v into floats, times the sum of e */
} head_context;

#include "kernels/attention.inc.h"

BR_INLINE vf score_of(const attention_head *h, size_t token, vi sum)
{
    return v_mul(v_from_int(sum), v_set(h->context->k_scale[token]));
}

BR_INLINE vf result_of(vi sum)
{
    return v_from_int(sum);
}

/*
 * 192 + x -> 2^x for x <= 0, its relative error 8e-5; below -64 it stays at 2^-64. The last bit of
 * 192 + x is 2^-16, so its bits shifted left by 7 are 64 in the place of an exponent, with a sign,
 * plus x: its floor in that place, the rest r as a mantissa. The polynomial is -2^-64 * 2^r, of
 * 1 + r; then adding exponents is all that remains. Five of eight operations are on integers,
 * for the sake of the clock.
 */
BR_INLINE vf v_exp2(vf x)
{
    const vi mantissa = vi_set(0x7fffff), one = vi_set(0x3f800000), exponent = vi_set(-0x800000);
    vi bits = vi_shl(vi_max(vi_bits(x), vi_set(0x43000000 /* 128.0f */)), 7);
    vf r = v_bits(vi_select(mantissa, bits, one)), p = v_set(-0x1.3f96a4p-68f);
    p = v_fma(p, r, v_set(0x1.065aa8p-71f));
    p = v_fma(p, r, v_set(-0x1.e93d46p-66f));
    p = v_fma(p, r, v_set(-0x1.cefc4cp-66f));
    return v_bits(vi_add(vi_bits(p), vi_and(bits, exponent)));
}

/*
 * Rows j .. j + n of the scores, n <= 2, -> a row of p. `exponent` is what turns differences of
 * scores into exponents of 2, by query.
 */
BR_INLINE void exp_rows(const size_t n, const size_t C, const attention_head *h, size_t j,
                        const vf *exponent, vf *sum)
{
    const float *scores = h->scores + j * h->width, *factor = h->context->factor + j;
    float *to = h->scores + j / 2 * h->width;
    BR_EACH_COLUMN (c, C) {
        vf e[2];
        vi p[2] = {vi_set(0), vi_set(0)};
        BR_EACH_ROW (i, n) {
            vf difference = v_sub(v_load(scores + (i * C + c) * 16), h->largest[c]);
            e[i] = v_exp2(v_fma(difference, exponent[c], v_set(192)));
            /* The low bits are the nearest whole number. */
            p[i] = vi_bits(v_fma(e[i], v_set(factor[i]), v_set(0x1.8p23f)));
        }
        sum[c] = v_add(sum[c], n == 2 ? v_add(e[0], e[1]) : e[0]);
        v_store(to + 16 * c, v_bits(vi_select(vi_set(0xffff), p[0], vi_shl(p[1], 16))));
    }
}

BR_INLINE void exp_columns(const size_t C, attention_head *h)
{
    vf exponent[BR_QUERY_VECTORS], sum[BR_QUERY_VECTORS];
    size_t j = h->from;
    BR_EACH_COLUMN (c, C) {
        vf q_scale = v_load(h->context->q_scale + h->first + 16 * c);
        exponent[c] = v_mul(q_scale, v_set(0x1.715476p0f /* log2 e */));
        sum[c] = h->sum[c];
    }
    for (; j + 2 <= h->to; j += 2)
        exp_rows(2, C, h, j, exponent, sum);
    if (j < h->to)
        exp_rows(1, C, h, j, exponent, sum);
    BR_EACH_COLUMN (c, C) {
        /* 0 * x is NaN where a score or a query's scale is not finite. */
        vf factor =
            v_fma(v_mul(h->largest[c], exponent[c]), v_set(0), v_set(h->context->result_factor));
        v_store(h->inverse + 16 * c, v_div(factor, sum[c]));
        h->sum[c] = sum[c];
    }
}

/* Values' scales -> factors, and result_factor; a NaN among the scales makes this NaN. */
static void set_factors(const br_head_s16 *head, head_context *context)
{
    const float most = fminf(MAX_P, (float)MAX_SUM_P / (float)head->length);
    vf largest = v_set(0), sum = v_set(0);
    for (size_t j = 0; j < head->length; j += 16) {
        vf v_scale = v_load(context->factor + j);
        largest = v_max(largest, v_scale);
        sum = v_add(sum, v_add(v_scale, v_load(context->k_scale + j)));
    }
    const float max_scale = v_largest(largest);
    const vf factor = v_set(max_scale > 0 ? most / max_scale : 0);
    for (size_t j = 0; j < head->length; j += 16)
        v_store(context->factor + j, v_mul(v_load(context->factor + j), factor));
    context->result_factor = max_scale / most + 0 * v_sum(sum);
}

/* scores [to, width] from `from` on -> p [steps, width], in place. */
static void compute_exp(attention_head *h)
{
    switch (h->width / 16) {
    case 1:
        exp_columns(1, h);
        break;
#if BR_QUERY_VECTORS == 3
    case 2:
        exp_columns(2, h);
        break;
    case 3:
        exp_columns(3, h);
        break;
#endif
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

/* n scales `stride` apart -> side by side, and zeros to a multiple of 16. */
static void gather_scales(const float *scale, size_t stride, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = scale[i * stride];
    for (size_t i = n; i % 16; i++)
        to[i] = 0;
}

void ATTEND_S16(const br_head_s16 *head, float *scratch)
{
    const size_t tokens = br_round_up(head->length, 16);
    head_context context = {.head = head,
                            .q_scale = scratch,
                            .k_scale = scratch + tokens,
                            .factor = scratch + 2 * tokens};
    attention_head h = {.k = (const float *)(const void *)head->k,
                        .v = (const float *)(const void *)head->v,
                        .stride = head->stride / 2,
                        .length = head->length,
                        .head_dim = head->head_dim,
                        .depth = head->head_dim / 2,
                        .steps = (head->length + 1) / 2,
                        .out_stride = head->out_stride,
                        .context = &context};
    gather_scales(head->q_scale, head->scale_stride, head->rows, context.q_scale);
    gather_scales(head->k_scale, head->scale_stride, head->length, context.k_scale);
    gather_scales(head->v_scale, head->scale_stride, head->length, context.factor);
    set_factors(head, &context);
    attend(&h, (const float *)(const void *)head->q, head->rows, head->out, scratch + 3 * tokens);
}
