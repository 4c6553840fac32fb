/* 16 floats in one 512-bit register; see vec_scalar.h for what each function means. */
#ifndef BR_VEC_AVX512_H
#define BR_VEC_AVX512_H

#include "kernels/vec_x86.h"

typedef __m512 vf;
typedef __m512i vi;

BR_INLINE __mmask16 v_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

BR_INLINE vf v_set(float x)
{
    return _mm512_set1_ps(x);
}

BR_INLINE vf v_set_lane(const void *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return v_set(x);
}

BR_INLINE vi vi_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}

BR_INLINE vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

BR_INLINE vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

BR_INLINE void v_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}

BR_INLINE vf v_load_n(const float *p, size_t n)
{
    return n == 16 ? v_load(p) : _mm512_maskz_loadu_ps(v_first(n), p);
}

BR_INLINE vi vi_load_n(const void *p, size_t n)
{
    return n == 16 ? vi_load(p) : _mm512_maskz_loadu_epi32(v_first(n), p);
}

BR_INLINE void v_store_n(float *p, vf x, size_t n)
{
    if (n == 16)
        v_store(p, x);
    else
        _mm512_mask_storeu_ps(p, v_first(n), x);
}

BR_INLINE vf v_head(vf x, size_t n, float fill)
{
    return n == 16 ? x : _mm512_mask_mov_ps(v_set(fill), v_first(n), x);
}

BR_INLINE vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

BR_INLINE vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

BR_INLINE vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

BR_INLINE vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

BR_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

BR_INLINE vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

BR_INLINE vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

BR_INLINE vf v_bounded_magnitude(vf x, float limit)
{
    return _mm512_range_ps(x, v_set(limit), 0xa);
}

BR_INLINE vf v_copysign(vf x, vf s)
{
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
        _mm512_set1_epi32(INT32_MIN), _mm512_castps_si512(s), _mm512_castps_si512(x), 0xca));
}

#define BR_HALVES(op, x) op(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1))

BR_INLINE float v_sum(vf x)
{
    return br_sum8(BR_HALVES(_mm256_add_ps, x));
}

BR_INLINE float v_smallest(vf x)
{
    return br_smallest8(BR_HALVES(_mm256_min_ps, x));
}

BR_INLINE float v_largest(vf x)
{
    return br_largest8(BR_HALVES(_mm256_max_ps, x));
}

BR_INLINE vi vi_bits(vf x)
{
    return _mm512_castps_si512(x);
}

BR_INLINE vf v_bits(vi x)
{
    return _mm512_castsi512_ps(x);
}

BR_INLINE vf v_from_int(vi x)
{
    return _mm512_cvtepi32_ps(x);
}

BR_INLINE vi v_round(vf x)
{
    return _mm512_cvtps_epi32(x);
}

BR_INLINE vf v_lookup(vf table, vi index)
{
    return _mm512_permutexvar_ps(index, table);
}

BR_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

BR_INLINE vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}

BR_INLINE vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}

BR_INLINE vi vi_select(vi mask, vi a, vi b)
{
    return _mm512_ternarylogic_epi32(a, mask, b, 0xe2);
}

BR_INLINE vi vi_max(vi a, vi b)
{
    return _mm512_max_epi32(a, b);
}

BR_INLINE float vi_largest_float(vi x)
{
    return br_largest_float8(
        _mm256_max_epi32(_mm512_castsi512_si256(x), _mm512_extracti32x8_epi32(x, 1)));
}

#define vi_shl(x, bits) _mm512_slli_epi32(x, bits)
#define vi_shr(x, bits) _mm512_srli_epi32(x, bits)

BR_INLINE vi vi_if_nan(vf x, vi yes, vi no)
{
    return _mm512_mask_mov_epi32(no, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), yes);
}

BR_INLINE vi vi_load_s8(const int8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p));
}

BR_INLINE vi vi_load_u16(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
}

BR_INLINE void vi_store_u16(uint16_t *p, vi x)
{
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(x));
}

/* One shuffle, where two conversions to 16 bits are four. */
BR_INLINE void vi_store_s16(int16_t *p, vi a, vi b)
{
    const __m512i order =
        _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1, 30, 28, 26, 24,
                         22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    __m512i pairs = _mm512_mask_blend_epi16(0xaaaaaaaa, a, _mm512_slli_epi32(b, 16));
    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(order, pairs));
}

BR_INLINE vi vi_dot_s16(vi a, vi b, vi sum)
{
#ifdef __AVX512VNNI__
    /* By the intrinsic gcc 12 moves sums between registers and memory in each step. */
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
}

BR_INLINE void vi_store_u8(uint8_t *p, vi a, vi b, vi c, vi d)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
}

BR_INLINE vf v_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

/* Four columns at k of the rows r, r + 4, r + 8, r + 12. */
BR_INLINE __m512 v_load_quads(const float *const row[16], size_t r, size_t k)
{
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(row[r] + k));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(row[r + 4] + k), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(row[r + 8] + k), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(row[r + 12] + k), 3);
}

BR_INLINE void v_transpose(const float *const row[16], size_t k, float *to, size_t stride)
{
    for (size_t i = 0; i < 16; i += 4) { /* 4x4 within each 128-bit lane */
        __m512 a = v_load_quads(row, 0, k + i), b = v_load_quads(row, 1, k + i);
        __m512 c = v_load_quads(row, 2, k + i), d = v_load_quads(row, 3, k + i);
        __m512d ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
        __m512d cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
        __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
        __m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
        float *p = to + i * stride;
        v_store(p, _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)));
        v_store(p + stride, _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
        v_store(p + 2 * stride, _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high)));
        v_store(p + 3 * stride, _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high)));
    }
}

/* Vectors side by side in vec_math.inc.h. */
#define BR_CHAINS 4

/* Tiles of attention.inc.h: 12 x 2 and 8 x 3 take 24 + 4 of the 32 registers, 16 x 1 hides latency.
 */
#define BR_QUERY_VECTORS  3
#define BR_GROUP          4
#define BR_TILES(X)       X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 2) X(2, 2) X(3, 2) X(1, 3) X(2, 3)
#define BR_TILE_GROUPS(C) (5 - (C))
#define BR_TILE_COLUMNS   3

/* Tiles of gemm_f32.inc.h: 24 sums, and rows enough that weights are widened for many products. */
#define BR_GEMM_ROWS       12
#define BR_GEMM_VECTORS    2
#define BR_GEMM_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

#endif
