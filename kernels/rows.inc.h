/* The row kernels of ops.h over vec_*.h's vectors, after groups.inc.h. Included once by each
 * ops_*.c. */

/* ------------------------------------------------------------------------------ linear layers */

BR_INLINE void activate(br_activation_kind act, v4 *x)
{
    switch (act) {
    case BR_ACTIVATION_GELU:
        BR_APPLY(v_gelu, x);
        break;
    case BR_ACTIVATION_GELU_COARSE:
        BR_APPLY_BY(BR_CHAINS < 2 ? 1 : 2, v_gelu_coarse, x); /* 4 side by side take 3 % longer */
        break;
    case BR_ACTIVATION_GELU_TANH:
        BR_APPLY(v_gelu_tanh, x);
        break;
    case BR_ACTIVATION_TANH:
        BR_APPLY(v_tanh, x);
        break;
    case BR_ACTIVATION_RELU:
        BR_EACH_PART (i)
            x->part[i] = v_max(v_set(0), x->part[i]); /* NaN stays */
        break;
    case BR_ACTIVATION_IDENTITY:
        break;
    }
}

typedef struct linear_context {
    br_linear_row row;
    bool integers;
    br_activation_kind act;
    bool with_range;
    float *y;
    const float *next; /* the next row's, which may be in no near cache: it is fetched ahead */
    v_range range;
} linear_context;

BR_INLINE void linear_step(linear_context *c, size_t j, size_t count)
{
    BR_EACH_PART (i)
        __builtin_prefetch(c->next + j + 16 * i, 1);
    v4 y = row_linear(&c->row, c->integers, j, count);
    activate(c->act, &y);
    if (c->row.columns.factor)
        y = v4_mul(y, v4_load(c->row.columns.factor + j, count));
    v4_store(c->y + j, y, count);
    if (c->with_range)
        v_range_add(&c->range, &y, count);
}

/* `integers` and `act` are constants at every call. */
BR_INLINE void linear_rows(const br_linear_rows *rows, bool integers, br_activation_kind act,
                           float *y, size_t y_stride, br_range *ranges)
{
    for (size_t r = 0; r < rows->rows; r++, y += y_stride) {
        const float *next = r + 1 < rows->rows ? y + y_stride : y;
        linear_context c = {
            row_of(rows, integers, r), integers, act, ranges != NULL, y, next, v_range_empty()};
        BR_EACH_GROUP(rows->n, linear_step, &c);
        if (ranges)
            ranges[r] = br_range_union(ranges[r], v_range_fold(&c.range));
    }
}

#define BR_LINEAR(act)                                                                             \
    case act:                                                                                      \
        if (rows->columns.scale)                                                                   \
            linear_rows(rows, true, act, y, y_stride, ranges);                                     \
        else                                                                                       \
            linear_rows(rows, false, act, y, y_stride, ranges);                                    \
        break

static void linear(const br_linear_rows *rows, br_activation_kind act, float *y, size_t y_stride,
                   br_range *ranges)
{
    switch (act) {
        BR_LINEAR(BR_ACTIVATION_GELU);
        BR_LINEAR(BR_ACTIVATION_GELU_COARSE);
        BR_LINEAR(BR_ACTIVATION_GELU_TANH);
        BR_LINEAR(BR_ACTIVATION_RELU);
        BR_LINEAR(BR_ACTIVATION_TANH);
    default:
        BR_LINEAR(BR_ACTIVATION_IDENTITY);
    }
}

/* ---------------------------------------------------------------------------------- LayerNorm */

/* Rows that go through each pass before the next one: horizontal sums, square roots and divisions
 * of one hide behind the work on others. */
enum { NORM_ROWS = 8 };

BR_INLINE void add_squares(v4 *sum, v4 x)
{
    BR_EACH_PART (i)
        sum->part[i] = v_fma(x.part[i], x.part[i], sum->part[i]);
}

typedef struct deviation_context {
    float *y;
    vf mean;
    v4 sum;
} deviation_context;

BR_INLINE void deviation_step(deviation_context *c, size_t j, size_t count)
{
    v4 y = v4_load(c->y + j, count);
    BR_EACH_PART (i)
        y.part[i] = v_sub(y.part[i], c->mean);
    v4_store(c->y + j, y, count);
    add_squares(&c->sum, v4_head(y, count));
}

/* y becomes what it is off its mean, of which this returns the sum of squares. */
BR_INLINE float deviation_row(float mean, size_t n, float *y)
{
    deviation_context c = {y, v_set(mean), v4_set(0)};
    BR_EACH_GROUP(n, deviation_step, &c);
    return v4_sum(&c.sum);
}

typedef struct normalize_context {
    const br_norm *norm;
    float *y;
    vf factor;
    bool with_range;
    v_range range;
} normalize_context;

BR_INLINE void normalize_step(normalize_context *c, size_t j, size_t count)
{
    v4 y = v4_load(c->y + j, count);
    v4 gamma = v4_load(c->norm->gamma + j, count), beta = v4_load(c->norm->beta + j, count);
    BR_EACH_PART (i)
        y.part[i] = v_fma(v_mul(y.part[i], c->factor), gamma.part[i], beta.part[i]);
    v4_store(c->y + j, y, count);
    if (c->with_range)
        v_range_add(&c->range, &y, count);
}

BR_INLINE br_range normalize_row(const br_norm *norm, float factor, bool with_range, size_t n,
                                 float *y)
{
    normalize_context c = {norm, y, v_set(factor), with_range, v_range_empty()};
    BR_EACH_GROUP(n, normalize_step, &c);
    return v_range_fold(&c.range);
}

/* LayerNorm in place of y [rows <= NORM_ROWS, n], the rows' sums being known. */
BR_INLINE void norm_rows(const br_norm *norm, const float *sums, size_t rows, size_t n, float *y,
                         size_t y_stride, br_range *ranges)
{
    float factors[NORM_ROWS];
    for (size_t r = 0; r < rows; r++)
        factors[r] = deviation_row(sums[r] / (float)n, n, y + r * y_stride);
    for (size_t r = 0; r < rows; r++)
        factors[r] = 1 / sqrtf(factors[r] / (float)n + norm->epsilon);
    for (size_t r = 0; r < rows; r++) {
        br_range range = normalize_row(norm, factors[r], ranges, n, y + r * y_stride);
        if (ranges)
            ranges[r] = range;
    }
}

typedef struct residual_context {
    br_linear_row row;
    bool integers;
    const float *residual_scale;
    float *y;
    v4 sum;
} residual_context;

BR_INLINE void residual_step(residual_context *c, size_t j, size_t count)
{
    v4 residual = v4_load(c->y + j, count);
    v4 z = row_linear(&c->row, c->integers, j, count);
    if (c->residual_scale)
        z = v4_fma(residual, v4_load(c->residual_scale + j, count), z);
    else
        z = v4_add(z, residual);
    v4_store(c->y + j, z, count);
    c->sum = v4_add(c->sum, z);
}

BR_INLINE float residual_row(const br_linear_rows *rows, size_t r, bool integers,
                             const float *residual_scale, float *y)
{
    residual_context c = {row_of(rows, integers, r), integers, residual_scale, y, v4_set(0)};
    BR_EACH_GROUP(rows->n, residual_step, &c);
    return v4_sum(&c.sum);
}

/* At most NORM_ROWS rows, from row `first` on. */
BR_INLINE void linear_norm_rows(const br_linear_rows *rows, size_t first, size_t count,
                                const br_norm *norm, float *y, size_t y_stride, br_range *ranges)
{
    const float *scale = norm->residual_scale;
    float sums[NORM_ROWS];
    for (size_t r = 0; r < count; r++)
        sums[r] = rows->columns.scale
                      ? residual_row(rows, first + r, true, scale, y + r * y_stride)
                      : residual_row(rows, first + r, false, scale, y + r * y_stride);
    norm_rows(norm, sums, count, rows->n, y, y_stride, ranges);
}

static void linear_norm(const br_linear_rows *rows, const br_norm *norm, float *y, size_t y_stride,
                        br_range *ranges)
{
    for (size_t r = 0; r < rows->rows; r += NORM_ROWS) {
        size_t left = rows->rows - r, count = left < NORM_ROWS ? left : NORM_ROWS;
        linear_norm_rows(rows, r, count, norm, y + r * y_stride, y_stride,
                         ranges ? ranges + r : NULL);
    }
}

typedef struct add_context {
    const float *a, *b, *c;
    float *y;
    v4 sum;
} add_context;

BR_INLINE void add_step(add_context *c, size_t j, size_t count)
{
    v4 z = v4_add(v4_load(c->a + j, count), v4_load(c->b + j, count));
    if (c->c)
        z = v4_add(z, v4_load(c->c + j, count));
    v4_store(c->y + j, z, count);
    c->sum = v4_add(c->sum, z);
}

static br_range add_norm(const float *a, const float *b, const float *c, size_t n,
                         const br_norm *norm, float *y)
{
    add_context context = {a, b, c, y, v4_set(0)};
    BR_EACH_GROUP(n, add_step, &context);
    float sum = v4_sum(&context.sum);
    br_range range;
    norm_rows(norm, &sum, 1, n, y, n, &range);
    return range;
}

/* ------------------------------------------------------------------------------- quantization */

typedef struct range_context {
    const float *x;
    v_range range;
} range_context;

BR_INLINE void range_step(range_context *c, size_t j, size_t count)
{
    v4 x = v4_load(c->x + j, count);
    v_range_add(&c->range, &x, count);
}

static br_range range(const float *x, size_t n)
{
    range_context c = {x, v_range_empty()};
    BR_EACH_GROUP(n, range_step, &c);
    return v_range_fold(&c.range);
}

typedef struct quantize_context {
    const float *x;
    uint8_t *q;
    br_range range;
    vf lo, factor;
} quantize_context;

/* What is NaN or below lo ends as INT32_MIN or negative, so as 0; so do elements past `count`. */
BR_INLINE void quantize_step(quantize_context *c, size_t j, size_t count)
{
    v4 x = v4_load(c->x + j, count);
    vi q[4];
    BR_EACH_PART (i) {
        vf t = v_sub(v_head(x.part[i], v_part(count, i), c->range.lo), c->lo);
        q[i] = v_round(v_min(v_set(255), v_mul(t, c->factor)));
    }
    vi_store_u8(c->q + j, q[0], q[1], q[2], q[3]);
}

static br_quantized quantize(const float *x, size_t n, br_range range, uint8_t *q)
{
    float width = range.hi - range.lo;
    if (!(width > 0 && width < INFINITY)) {
        memset(q, 0, br_round_up(n, 64));
        return (br_quantized){0, width == 0 ? range.lo : NAN};
    }
    quantize_context c = {x, q, range, v_set(range.lo), v_set(255 / width)};
    BR_EACH_GROUP(n, quantize_step, &c);
    return (br_quantized){width / 255, range.lo};
}

typedef struct affine_context {
    const float *x;
    uint8_t *q;
    vf inverse, least, most;
    vi zero_point;
} affine_context;

/* Clamped before it is rounded, which comes to the same, so that no float is beyond the integers.
 */
BR_INLINE void affine_step(affine_context *c, size_t j, size_t count)
{
    v4 x = v4_load(c->x + j, count);
    vi q[4];
    BR_EACH_PART (i) {
        vf t = v_min(v_max(v_mul(x.part[i], c->inverse), c->least), c->most);
        q[i] = vi_add(v_round(t), c->zero_point);
    }
    vi_store_u8(c->q + j, q[0], q[1], q[2], q[3]);
}

static br_quantized quantize_affine(const float *x, size_t n, const br_affine *affine, uint8_t *q)
{
    float scale = affine->scale;
    int32_t zero_point = affine->zero_point;
    if (!(scale < INFINITY)) {
        memset(q, 0, br_round_up(n, 64));
        return (br_quantized){0, NAN};
    }
    affine_context c = {x,
                        q,
                        v_set(scale > 0 ? 1 / scale : 0),
                        v_set((float)(affine->least - zero_point)),
                        v_set((float)(affine->most - zero_point)),
                        vi_set(zero_point)};
    BR_EACH_GROUP(n, affine_step, &c);
    return (br_quantized){scale, -(scale * (float)zero_point)};
}

/* --------------------------------------------------------------------------------- conversions */

/*
 * A row of 8- or 16-bit elements, the last count < 16 of them through a buffer: there are no masks
 * for these in AVX2. convert(to, from) does 16.
 */
#define BR_CONVERT_ROW(from_type, to_type, from, to, n, convert)                                   \
    do {                                                                                           \
        size_t j = 0;                                                                              \
        for (; j + 16 <= (n); j += 16)                                                             \
            convert((to) + j, (from) + j);                                                         \
        if (j < (n)) {                                                                             \
            from_type in[16] = {0};                                                                \
            to_type out[16];                                                                       \
            memcpy(in, (from) + j, ((n)-j) * sizeof *in);                                          \
            convert(out, in);                                                                      \
            memcpy((to) + j, out, ((n)-j) * sizeof *out);                                          \
        }                                                                                          \
    } while (0)

static void widen_s8(const int8_t *q, float scale, size_t n, float *y)
{
#define BR_CONVERT(to, from) v_store(to, v_mul(v_from_int(vi_load_s8(from)), v_set(scale)))
    BR_CONVERT_ROW(int8_t, float, q, y, n, BR_CONVERT);
#undef BR_CONVERT
}

static void widen_bf16(const uint16_t *x, size_t n, float *y)
{
#define BR_CONVERT(to, from) v_store(to, v_bits(vi_shl(vi_load_u16(from), 16)))
    BR_CONVERT_ROW(uint16_t, float, x, y, n, BR_CONVERT);
#undef BR_CONVERT
}

static void widen_f16(const uint16_t *x, size_t n, float *y)
{
#define BR_CONVERT(to, from) v_store(to, v_load_f16(from))
    BR_CONVERT_ROW(uint16_t, float, x, y, n, BR_CONVERT);
#undef BR_CONVERT
}

/* Rounds half to even by adding just under half, plus the bit that stays last; NaN becomes quiet.
 */
BR_INLINE vi bf16_bits(vf x)
{
    vi bits = vi_bits(x), high = vi_shr(bits, 16);
    vi rounded = vi_add(bits, vi_add(vi_set(0x7fff), vi_and(high, vi_set(1))));
    return vi_if_nan(x, vi_or(high, vi_set(0x40)), vi_shr(rounded, 16));
}

static void narrow_bf16(const float *x, size_t n, uint16_t *y)
{
#define BR_CONVERT(to, from) vi_store_u16(to, bf16_bits(v_load(from)))
    BR_CONVERT_ROW(float, uint16_t, x, y, n, BR_CONVERT);
#undef BR_CONVERT
}

/* ------------------------------------------------------------------------- pooling and scores */

#define BR_EACH_VECTOR(n, j, count)                                                                \
    for (size_t j = 0, count; j < (n) && (count = (n)-j < 16 ? (n)-j : 16); j += 16)

static void add(const float *x, size_t n, float *y)
{
    BR_EACH_VECTOR (n, j, count)
        v_store_n(y + j, v_add(v_load_n(y + j, count), v_load_n(x + j, count)), count);
}

static void add_scaled(const float *x, float factor, size_t n, float *y)
{
    BR_EACH_VECTOR (n, j, count)
        v_store_n(y + j, v_fma(v_set(factor), v_load_n(x + j, count), v_load_n(y + j, count)),
                  count);
}

static void maximum(const float *x, size_t n, float *y)
{
    BR_EACH_VECTOR (n, j, count) {
        vf a = v_load_n(y + j, count), b = v_load_n(x + j, count);
        vi greater = vi_bits(v_max(a, b)); /* b where a is NaN */
        v_store_n(y + j, v_bits(vi_if_nan(a, vi_bits(a), greater)), count);
    }
}

static void scale(float factor, size_t n, float *y)
{
    BR_EACH_VECTOR (n, j, count)
        v_store_n(y + j, v_mul(v_load_n(y + j, count), v_set(factor)), count);
}

typedef struct products_context {
    const float *x, *factors;
    size_t stride, rows;
    float *y;
} products_context;

BR_INLINE void products_step(products_context *c, size_t j, size_t count)
{
    v4 y = v4_set(0);
    for (size_t r = 0; r < c->rows; r++)
        y = v4_fma(v4_set(c->factors[r * c->stride]), v4_load(c->x + r * c->stride + j, count), y);
    v4_store(c->y + j, y, count);
}

static void products(const float *x, size_t stride, size_t rows, size_t column, size_t n, float *y)
{
    products_context c = {x, x + column, stride, rows, y};
    BR_EACH_GROUP(n, products_step, &c);
}

typedef struct squares_context {
    const float *x;
    v4 sum;
} squares_context;

BR_INLINE void squares_step(squares_context *c, size_t j, size_t count)
{
    add_squares(&c->sum, v4_load(c->x + j, count));
}

static float sum_squares(const float *x, size_t n)
{
    squares_context c = {x, v4_set(0)};
    BR_EACH_GROUP(n, squares_step, &c);
    return v4_sum(&c.sum);
}

typedef struct softmax_context {
    const float *x;
    float *y;
    vf largest;
    v4 sum;
} softmax_context;

BR_INLINE void softmax_step(softmax_context *c, size_t j, size_t count)
{
    v4 y = v4_load(c->x + j, count);
    BR_EACH_PART (i)
        y.part[i] = v_sub(y.part[i], c->largest);
    BR_APPLY(v_exp, &y);
    v4_store(c->y + j, y, count);
    c->sum = v4_add(c->sum, v4_head(y, count));
}

static void softmax(const float *x, size_t n, float *y)
{
    softmax_context c = {x, y, v_set(range(x, n).hi), v4_set(0)};
    BR_EACH_GROUP(n, softmax_step, &c);
    scale(1 / v4_sum(&c.sum), n, y);
}

static void sigmoid(const float *x, size_t n, float *y)
{
    BR_EACH_VECTOR (n, j, count) {
        vf s = v_load_n(x + j, count);
        v_sigmoid(1, &s);
        v_store_n(y + j, s, count);
    }
}
