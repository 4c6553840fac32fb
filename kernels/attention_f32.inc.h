/* `attention` of ops.h: all in f32. Included once by each ops_*.c. */

typedef vf br_sum;
typedef struct head_context head_context; /* none */

BR_INLINE vf br_sum_zero(void)
{
    return v_set(0);
}

BR_INLINE vf br_dot(vf a, vf b, vf sum)
{
    return v_fma(a, b, sum);
}

BR_INLINE vf br_sum_of(vf lanes)
{
    return lanes;
}

BR_INLINE vf br_lanes_of(vf sum)
{
    return sum;
}

#define BR_WHOLE_VECTORS 0
#define BR_PIECE         0 /* the products are floating point themselves */

/* Up to this length v is small, and read too few times for a copy to pay. */
#define BR_PACK_LENGTH 32

#include "kernels/attention.inc.h"

BR_INLINE vf score_of(const attention_head *h, size_t token, vf sum)
{
    (void)h;
    (void)token;
    return sum;
}

BR_INLINE vf result_of(vf sum)
{
    return sum;
}

/* x -> exp(x - largest) for n vectors `step` floats apart; returns sum plus these, one by one. */
BR_INLINE vf v_add_exp(const int n, float *x, size_t step, vf largest, vf sum)
{
    vf e[4];
    BR_EACH_CHAIN (i, n)
        e[i] = v_sub(v_load(x + (size_t)i * step), largest);
    v_exp(n, e);
    BR_EACH_CHAIN (i, n) {
        v_store(x + (size_t)i * step, e[i]);
        sum = v_add(sum, e[i]);
    }
    return sum;
}

static void compute_exp(attention_head *h)
{
    for (size_t i = 0; i < h->width; i += 16) {
        vf largest = h->largest[i / 16], sum = h->sum[i / 16];
        float *p = h->scores + i;
        size_t j = h->from;
        for (; j + BR_CHAINS <= h->to; j += BR_CHAINS)
            sum = v_add_exp(BR_CHAINS, p + j * h->width, h->width, largest, sum);
        for (; j < h->to; j++)
            sum = v_add_exp(1, p + j * h->width, h->width, largest, sum);
        h->sum[i / 16] = sum;
        v_store(h->inverse + i, v_div(v_set(1), sum));
    }
}

/*
 * v [length, head_dim] -> for each tile's columns one after another, [length, 16 * C], zeros past
 * head_dim.
 */
static void pack_values(attention_head *h, float *packed)
{
    size_t C;
    for (size_t column = 0; column < h->columns; column += 16 * C) {
        C = tile_columns((h->columns - column) / 16);
        for (size_t j = 0; j < h->length; j++)
            for (size_t c = column; c < column + 16 * C; c += 16, packed += 16) {
                size_t left = h->head_dim - c;
                v_store(packed, v_load_n(h->v + j * h->stride + c, left < 16 ? left : 16));
            }
    }
    h->v = packed - h->length * h->columns;
    h->packed = true;
}

static void attention(const float *q, const float *k, const float *v, size_t stride, size_t rows,
                      size_t length, size_t head_dim, float *out, size_t out_stride, float *scratch)
{
    attention_head h = {.k = k,
                        .v = v,
                        .stride = stride,
                        .length = length,
                        .head_dim = head_dim,
                        .depth = head_dim,
                        .steps = length,
                        .out_stride = out_stride};
    attend(&h, q, rows, out, scratch);
}
