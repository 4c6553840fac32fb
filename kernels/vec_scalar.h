/* 16 floats in plain C: the reference that the other vec_*.h must equal bit for bit. */
#ifndef BR_VEC_SCALAR_H
#define BR_VEC_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The compiler decides: forced in-lining of 16-lane loops takes it minutes. */
#define BR_INLINE static __attribute__((unused))

typedef struct vf {
    float lane[16];
} vf;

typedef struct vi {
    int32_t lane[16];
} vi;

#define BR_LANES(result, expression)                                                               \
    do {                                                                                           \
        for (int l = 0; l < 16; l++)                                                               \
            (result).lane[l] = (expression);                                                       \
        return (result);                                                                           \
    } while (0)

BR_INLINE vf v_set(float x)
{
    vf r;
    BR_LANES(r, x);
}

/* The 32-bit lane at p, whatever it holds. */
BR_INLINE vf v_set_lane(const void *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return v_set(x);
}

BR_INLINE vi vi_set(int32_t x)
{
    vi r;
    BR_LANES(r, x);
}

BR_INLINE vf v_load(const float *p)
{
    vf r;
    memcpy(&r, p, sizeof r);
    return r;
}

BR_INLINE vi vi_load(const void *p)
{
    vi r;
    memcpy(&r, p, sizeof r);
    return r;
}

BR_INLINE void v_store(float *p, vf x)
{
    memcpy(p, &x, sizeof x);
}

/* The first n <= 16 floats; the lanes behind them are zero. */
BR_INLINE vf v_load_n(const float *p, size_t n)
{
    vf r = {{0}};
    memcpy(&r, p, n * sizeof *p);
    return r;
}

BR_INLINE vi vi_load_n(const void *p, size_t n)
{
    vi r = {{0}};
    memcpy(&r, p, n * sizeof(int32_t));
    return r;
}

BR_INLINE void v_store_n(float *p, vf x, size_t n)
{
    memcpy(p, &x, n * sizeof *p);
}

/* The first n <= 16 lanes of x, `fill` in the others. */
BR_INLINE vf v_head(vf x, size_t n, float fill)
{
    BR_LANES(x, (size_t)l < n ? x.lane[l] : fill);
}

BR_INLINE vf v_add(vf a, vf b)
{
    BR_LANES(a, a.lane[l] + b.lane[l]);
}

BR_INLINE vf v_sub(vf a, vf b)
{
    BR_LANES(a, a.lane[l] - b.lane[l]);
}

BR_INLINE vf v_mul(vf a, vf b)
{
    BR_LANES(a, a.lane[l] * b.lane[l]);
}

BR_INLINE vf v_div(vf a, vf b)
{
    BR_LANES(a, a.lane[l] / b.lane[l]);
}

/* a * b + c, rounded once. */
BR_INLINE vf v_fma(vf a, vf b, vf c)
{
    BR_LANES(a, fmaf(a.lane[l], b.lane[l], c.lane[l]));
}

/* b where the two are equal or one is NaN, as in minps and maxps. */
BR_INLINE vf v_min(vf a, vf b)
{
    BR_LANES(a, a.lane[l] < b.lane[l] ? a.lane[l] : b.lane[l]);
}

BR_INLINE vf v_max(vf a, vf b)
{
    BR_LANES(a, a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l]);
}

/* x with the sign of s instead of its own. */
BR_INLINE vf v_copysign(vf x, vf s)
{
    BR_LANES(x, copysignf(x.lane[l], s.lane[l]));
}

/* One fixed tree: lanes 8 apart, then 4, 2, 1. */
#define BR_FOLD(op)                                                                                \
    do {                                                                                           \
        for (int half = 8; half; half /= 2)                                                        \
            for (int l = 0; l < half; l++) {                                                       \
                float a = x.lane[l], b = x.lane[l + half];                                         \
                x.lane[l] = op;                                                                    \
            }                                                                                      \
        return x.lane[0];                                                                          \
    } while (0)

BR_INLINE float v_sum(vf x)
{
    BR_FOLD(a + b);
}

BR_INLINE float v_smallest(vf x)
{
    BR_FOLD(a < b ? a : b);
}

BR_INLINE float v_largest(vf x)
{
    BR_FOLD(a > b ? a : b);
}

BR_INLINE vi vi_bits(vf x)
{
    vi r;
    memcpy(&r, &x, sizeof r);
    return r;
}

BR_INLINE vf v_bits(vi x)
{
    vf r;
    memcpy(&r, &x, sizeof r);
    return r;
}

BR_INLINE vf v_from_int(vi x)
{
    vf r;
    BR_LANES(r, (float)x.lane[l]);
}

/* Half to even; INT32_MIN for NaN and what does not fit, as cvtps2dq gives. */
BR_INLINE vi v_round(vf x)
{
    vi r;
    BR_LANES(r,
             x.lane[l] >= -0x1p31f && x.lane[l] < 0x1p31f ? (int32_t)rintf(x.lane[l]) : INT32_MIN);
}

/* For each lane the table's lane that the index's low 4 bits name. */
BR_INLINE vf v_lookup(vf table, vi index)
{
    vf r;
    BR_LANES(r, table.lane[index.lane[l] & 15]);
}

BR_INLINE vi vi_add(vi a, vi b)
{
    BR_LANES(a, (int32_t)((uint32_t)a.lane[l] + (uint32_t)b.lane[l]));
}

BR_INLINE vi vi_and(vi a, vi b)
{
    BR_LANES(a, a.lane[l] & b.lane[l]);
}

BR_INLINE vi vi_or(vi a, vi b)
{
    BR_LANES(a, a.lane[l] | b.lane[l]);
}

/* min(|x|, limit); for NaN either that or NaN. */
BR_INLINE vf v_bounded_magnitude(vf x, float limit)
{
    return v_min(v_set(limit), v_bits(vi_and(vi_bits(x), vi_set(INT32_MAX))));
}

/* Bits of a where the mask has ones, of b elsewhere. */
BR_INLINE vi vi_select(vi mask, vi a, vi b)
{
    BR_LANES(a, (mask.lane[l] & a.lane[l]) | (~mask.lane[l] & b.lane[l]));
}

BR_INLINE vi vi_max(vi a, vi b)
{
    BR_LANES(a, a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l]);
}

/* The float whose bits are the largest lane. */
BR_INLINE float vi_largest_float(vi x)
{
    float largest;
    for (int l = 1; l < 16; l++)
        x.lane[0] = x.lane[l] > x.lane[0] ? x.lane[l] : x.lane[0];
    memcpy(&largest, x.lane, sizeof largest);
    return largest;
}

#define vi_shl(x, bits) vi_shl_(x, bits)
#define vi_shr(x, bits) vi_shr_(x, bits)

BR_INLINE vi vi_shl_(vi x, int bits)
{
    BR_LANES(x, (int32_t)((uint32_t)x.lane[l] << bits));
}

BR_INLINE vi vi_shr_(vi x, int bits)
{
    BR_LANES(x, (int32_t)((uint32_t)x.lane[l] >> bits));
}

/* Lanes of `yes` where x is NaN, of `no` elsewhere. */
BR_INLINE vi vi_if_nan(vf x, vi yes, vi no)
{
    BR_LANES(yes, isnan(x.lane[l]) ? yes.lane[l] : no.lane[l]);
}

BR_INLINE vi vi_load_s8(const int8_t *p)
{
    vi r;
    BR_LANES(r, p[l]);
}

BR_INLINE vi vi_load_u16(const uint16_t *p)
{
    vi r;
    BR_LANES(r, p[l]);
}

/* Lanes must be in 0..65535. */
BR_INLINE void vi_store_u16(uint16_t *p, vi x)
{
    for (int l = 0; l < 16; l++)
        p[l] = (uint16_t)x.lane[l];
}

/* The low 16 bits of each lane. */
BR_INLINE void vi_store_s16(int16_t *p, vi a, vi b)
{
    for (int l = 0; l < 16; l++) {
        p[l] = (int16_t)a.lane[l];
        p[l + 16] = (int16_t)b.lane[l];
    }
}

/* sum + the products of the lanes' two s16, which do not overflow. */
BR_INLINE vi vi_dot_s16(vi a, vi b, vi sum)
{
    for (int l = 0; l < 16; l++) {
        int32_t low = (int16_t)a.lane[l] * (int16_t)b.lane[l];
        int32_t high = (int16_t)(a.lane[l] >> 16) * (int16_t)(b.lane[l] >> 16);
        sum.lane[l] = (int32_t)((uint32_t)sum.lane[l] + (uint32_t)low + (uint32_t)high);
    }
    return sum;
}

/* 64 bytes, each lane clamped to 0..255. */
BR_INLINE void vi_store_u8(uint8_t *p, vi a, vi b, vi c, vi d)
{
    const vi *x[4] = {&a, &b, &c, &d};
    for (int j = 0; j < 64; j++) {
        int32_t value = x[j / 16]->lane[j % 16];
        p[j] = value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
    }
}

/* IEEE 754 binary16; a signalling NaN becomes quiet, as vcvtph2ps does. */
BR_INLINE float v_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    uint32_t bits;
    float x;
    if (exponent == 31)
        bits = 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0);
    else if (exponent)
        bits = (exponent + 112) << 23 | mantissa << 13;
    else {
        x = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &x, sizeof bits);
    }
    bits |= sign;
    memcpy(&x, &bits, sizeof x);
    return x;
}

BR_INLINE vf v_load_f16(const uint16_t *p)
{
    vf r;
    BR_LANES(r, v_half(p[l]));
}

/* to[i][r] = row[r][k + i] for i, r < 16; rows of `to` are `stride` floats apart. */
BR_INLINE void v_transpose(const float *const row[16], size_t k, float *to, size_t stride)
{
    for (size_t i = 0; i < 16; i++)
        for (size_t r = 0; r < 16; r++)
            to[i * stride + r] = row[r][k + i];
}

/* Vectors side by side in vec_math.inc.h. */
#define BR_CHAINS 1

/* Tiles of attention.inc.h. */
#define BR_QUERY_VECTORS  1
#define BR_GROUP          4
#define BR_TILES(X)       X(1, 1)
#define BR_TILE_GROUPS(C) ((void)(C), 1)
#define BR_TILE_COLUMNS   1

/* Tiles of gemm_f32.inc.h. */
#define BR_GEMM_ROWS       1
#define BR_GEMM_VECTORS    1
#define BR_GEMM_HEIGHTS(X) X(1)

#endif
