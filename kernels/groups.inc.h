/*
 * What row kernels are made of: groups of 64 elements of a row, their range, and the linear layer
 * that comes out of a matrix multiplication. Over vec_*.h's vectors, after vec_math.inc.h.
 */

/*
 * step(context, j, count) for every group of 64 elements of a row of n: j is the first, count <= 64
 * how many there are. A group is four vectors, so that four chains of operations run side by side.
 */
#define BR_EACH_GROUP(n, step, context)                                                            \
    do {                                                                                           \
        size_t j = 0;                                                                              \
        for (; (n)-j >= 64; j += 64)                                                               \
            step(context, j, 64);                                                                  \
        if (j < (n))                                                                               \
            step(context, j, (n)-j);                                                               \
    } while (0)

#define BR_EACH_PART(i) _Pragma("GCC unroll 4") for (size_t i = 0; i < 4; i++)

/* How many elements of a group's `count` fall into its vector i. */
BR_INLINE size_t v_part(size_t count, size_t i)
{
    return count >= 16 * i + 16 ? 16 : count > 16 * i ? count - 16 * i : 0;
}

typedef struct v4 {
    vf part[4];
} v4;

BR_INLINE v4 v4_set(float x)
{
    return (v4){{v_set(x), v_set(x), v_set(x), v_set(x)}};
}

BR_INLINE v4 v4_load(const float *p, size_t count)
{
    v4 x;
    BR_EACH_PART (i)
        x.part[i] = v_load_n(p + 16 * i, v_part(count, i));
    return x;
}

BR_INLINE void v4_store(float *p, v4 x, size_t count)
{
    BR_EACH_PART (i)
        v_store_n(p + 16 * i, x.part[i], v_part(count, i));
}

BR_INLINE v4 v4_add(v4 a, v4 b)
{
    BR_EACH_PART (i)
        a.part[i] = v_add(a.part[i], b.part[i]);
    return a;
}

BR_INLINE v4 v4_mul(v4 a, v4 b)
{
    BR_EACH_PART (i)
        a.part[i] = v_mul(a.part[i], b.part[i]);
    return a;
}

BR_INLINE v4 v4_fma(v4 a, v4 b, v4 c)
{
    BR_EACH_PART (i)
        c.part[i] = v_fma(a.part[i], b.part[i], c.part[i]);
    return c;
}

/* The first `count` elements of x, zeros behind. */
BR_INLINE v4 v4_head(v4 x, size_t count)
{
    BR_EACH_PART (i)
        x.part[i] = v_head(x.part[i], v_part(count, i), 0);
    return x;
}

BR_INLINE float v4_sum(const v4 *x)
{
    return v_sum(v_add(v_add(x->part[0], x->part[1]), v_add(x->part[2], x->part[3])));
}

/* In place, so many vectors at a time. */
#define BR_APPLY_BY(chains, function, x)                                                           \
    do {                                                                                           \
        _Pragma("GCC unroll 4") for (int i = 0; i < 4; i += (chains))                              \
            function(chains, (x)->part + i);                                                       \
    } while (0)

#define BR_APPLY(function, x) BR_APPLY_BY(BR_CHAINS, function, x)

typedef struct v_range {
    v4 lo, hi;
} v_range;

BR_INLINE v_range v_range_empty(void)
{
    return (v_range){v4_set(INFINITY), v4_set(-INFINITY)};
}

/* NaN leaves the range as it is: v_min and v_max then give their second argument. */
BR_INLINE void v_range_add(v_range *range, const v4 *x, size_t count)
{
    BR_EACH_PART (i) {
        vf *lo = &range->lo.part[i], *hi = &range->hi.part[i];
        *lo = v_min(v_head(x->part[i], v_part(count, i), INFINITY), *lo);
        *hi = v_max(v_head(x->part[i], v_part(count, i), -INFINITY), *hi);
    }
}

BR_INLINE br_range v_range_fold(const v_range *range)
{
    const vf *lo = range->lo.part, *hi = range->hi.part;
    return (br_range){v_smallest(v_min(v_min(lo[0], lo[1]), v_min(lo[2], lo[3]))),
                      v_largest(v_max(v_max(hi[0], hi[1]), v_max(hi[2], hi[3])))};
}

/* ------------------------------------------------------------------------------ linear layers */

BR_INLINE br_linear_row row_of(const br_linear_rows *rows, bool integers, size_t r)
{
    br_linear_row row = {.n = rows->n, .columns = rows->columns};
    row.acc = (const int32_t *)rows->acc + r * rows->stride; /* or floats, of the same size */
    if (integers)
        row.input = rows->input[r];
    return row;
}

/* z[j] .. z[j + count] without its bias, count <= 16, added to `base`. */
BR_INLINE vf row_vector_on(const br_linear_row *row, bool integers, size_t j, size_t count, vf base)
{
    if (!integers)
        return v_add(v_load_n((const float *)row->acc + j, count), base);
    vf acc = v_from_int(vi_load_n((const int32_t *)row->acc + j, count));
    base = v_fma(v_set_lane(&row->input.lo), v_load_n(row->columns.offset + j, count), base);
    return v_fma(v_mul(v_set_lane(&row->input.scale), acc), v_load_n(row->columns.scale + j, count),
                 base);
}

/* z[j] .. z[j + count] */
BR_INLINE vf row_vector(const br_linear_row *row, bool integers, size_t j, size_t count)
{
    const float *bias = row->columns.bias;
    return row_vector_on(row, integers, j, count, bias ? v_load_n(bias + j, count) : v_set(0));
}

/* Group j of z. */
BR_INLINE v4 row_linear(const br_linear_row *row, bool integers, size_t j, size_t count)
{
    v4 z;
    BR_EACH_PART (i)
        z.part[i] = row_vector(row, integers, j + 16 * i, v_part(count, i));
    return z;
}
