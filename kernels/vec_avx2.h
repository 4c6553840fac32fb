/* 16 floats in two 256-bit registers; see vec_scalar.h for what each function means. */
#ifndef BR_VEC_AVX2_H
#define BR_VEC_AVX2_H

#include "kernels/vec_x86.h"

typedef struct vf {
    __m256 a, b;
} vf;

typedef struct vi {
    __m256i a, b;
} vi;

BR_INLINE vf v_pair(__m256 a, __m256 b)
{
    return (vf){a, b};
}

BR_INLINE vi vi_pair(__m256i a, __m256i b)
{
    return (vi){a, b};
}

/* All ones in the lanes below n. */
BR_INLINE vi v_first(size_t n)
{
    static const int32_t ones_zeros[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                           -1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t *p = ones_zeros + 16 - n;
    return vi_pair(_mm256_loadu_si256((const void *)p), _mm256_loadu_si256((const void *)(p + 8)));
}

BR_INLINE vf v_set(float x)
{
    return v_pair(_mm256_set1_ps(x), _mm256_set1_ps(x));
}

BR_INLINE vf v_set_lane(const void *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return v_set(x);
}

BR_INLINE vi vi_set(int32_t x)
{
    return vi_pair(_mm256_set1_epi32(x), _mm256_set1_epi32(x));
}

BR_INLINE vf v_load(const float *p)
{
    return v_pair(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}

BR_INLINE vi vi_load(const void *p)
{
    const __m256i *q = p;
    return vi_pair(_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1));
}

BR_INLINE void v_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

BR_INLINE vf v_load_n(const float *p, size_t n)
{
    if (n == 16)
        return v_load(p);
    vi mask = v_first(n);
    return v_pair(_mm256_maskload_ps(p, mask.a), _mm256_maskload_ps(p + 8, mask.b));
}

BR_INLINE vi vi_load_n(const void *p, size_t n)
{
    if (n == 16)
        return vi_load(p);
    vi mask = v_first(n);
    return vi_pair(_mm256_maskload_epi32(p, mask.a),
                   _mm256_maskload_epi32((const int *)p + 8, mask.b));
}

BR_INLINE void v_store_n(float *p, vf x, size_t n)
{
    if (n == 16) {
        v_store(p, x);
        return;
    }
    vi mask = v_first(n);
    _mm256_maskstore_ps(p, mask.a, x.a);
    _mm256_maskstore_ps(p + 8, mask.b, x.b);
}

BR_INLINE vf v_head(vf x, size_t n, float fill)
{
    if (n == 16)
        return x;
    vi mask = v_first(n);
    vf other = v_set(fill);
    return v_pair(_mm256_blendv_ps(other.a, x.a, _mm256_castsi256_ps(mask.a)),
                  _mm256_blendv_ps(other.b, x.b, _mm256_castsi256_ps(mask.b)));
}

BR_INLINE vf v_add(vf x, vf y)
{
    return v_pair(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b));
}

BR_INLINE vf v_sub(vf x, vf y)
{
    return v_pair(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b));
}

BR_INLINE vf v_mul(vf x, vf y)
{
    return v_pair(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b));
}

BR_INLINE vf v_div(vf x, vf y)
{
    return v_pair(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b));
}

BR_INLINE vf v_fma(vf x, vf y, vf z)
{
    return v_pair(_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b));
}

BR_INLINE vf v_min(vf x, vf y)
{
    return v_pair(_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b));
}

BR_INLINE vf v_max(vf x, vf y)
{
    return v_pair(_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b));
}

BR_INLINE vf v_copysign(vf x, vf s)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return v_pair(_mm256_or_ps(_mm256_andnot_ps(sign, x.a), _mm256_and_ps(sign, s.a)),
                  _mm256_or_ps(_mm256_andnot_ps(sign, x.b), _mm256_and_ps(sign, s.b)));
}

BR_INLINE float v_sum(vf x)
{
    return br_sum8(_mm256_add_ps(x.a, x.b));
}

BR_INLINE float v_smallest(vf x)
{
    return br_smallest8(_mm256_min_ps(x.a, x.b));
}

BR_INLINE float v_largest(vf x)
{
    return br_largest8(_mm256_max_ps(x.a, x.b));
}

BR_INLINE vi vi_bits(vf x)
{
    return vi_pair(_mm256_castps_si256(x.a), _mm256_castps_si256(x.b));
}

BR_INLINE vf v_bits(vi x)
{
    return v_pair(_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b));
}

BR_INLINE vf v_from_int(vi x)
{
    return v_pair(_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b));
}

BR_INLINE vi v_round(vf x)
{
    return vi_pair(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
}

BR_INLINE __m256 v_lookup_8(vf table, __m256i index)
{
    __m256 low = _mm256_permutevar8x32_ps(table.a, index);
    __m256 high = _mm256_permutevar8x32_ps(table.b, index);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
}

BR_INLINE vf v_lookup(vf table, vi index)
{
    return v_pair(v_lookup_8(table, index.a), v_lookup_8(table, index.b));
}

BR_INLINE vi vi_add(vi x, vi y)
{
    return vi_pair(_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b));
}

BR_INLINE vi vi_and(vi x, vi y)
{
    return vi_pair(_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b));
}

BR_INLINE vi vi_or(vi x, vi y)
{
    return vi_pair(_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b));
}

BR_INLINE vf v_bounded_magnitude(vf x, float limit)
{
    return v_min(v_set(limit), v_bits(vi_and(vi_bits(x), vi_set(INT32_MAX))));
}

BR_INLINE vi vi_select(vi mask, vi x, vi y)
{
    return vi_pair(
        _mm256_or_si256(_mm256_and_si256(mask.a, x.a), _mm256_andnot_si256(mask.a, y.a)),
        _mm256_or_si256(_mm256_and_si256(mask.b, x.b), _mm256_andnot_si256(mask.b, y.b)));
}

BR_INLINE vi vi_max(vi x, vi y)
{
    return vi_pair(_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b));
}

BR_INLINE float vi_largest_float(vi x)
{
    return br_largest_float8(_mm256_max_epi32(x.a, x.b));
}

#define vi_shl(x, bits) vi_pair(_mm256_slli_epi32((x).a, bits), _mm256_slli_epi32((x).b, bits))
#define vi_shr(x, bits) vi_pair(_mm256_srli_epi32((x).a, bits), _mm256_srli_epi32((x).b, bits))

BR_INLINE __m256i vi_if_nan8(__m256 x, __m256i yes, __m256i no)
{
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}

BR_INLINE vi vi_if_nan(vf x, vi yes, vi no)
{
    return vi_pair(vi_if_nan8(x.a, yes.a, no.a), vi_if_nan8(x.b, yes.b, no.b));
}

BR_INLINE vi vi_load_s8(const int8_t *p)
{
    __m128i x = _mm_loadu_si128((const void *)p);
    return vi_pair(_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)));
}

BR_INLINE vi vi_load_u16(const uint16_t *p)
{
    return vi_pair(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)),
                   _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p + 8))));
}

BR_INLINE void vi_store_u16(uint16_t *p, vi x)
{
    __m256i words = _mm256_packus_epi32(x.a, x.b);
    _mm256_storeu_si256((void *)p, _mm256_permute4x64_epi64(words, 0xd8));
}

BR_INLINE void vi_store_s16(int16_t *p, vi a, vi b)
{
    vi_store_u16((uint16_t *)p, vi_and(a, vi_set(0xffff)));
    vi_store_u16((uint16_t *)p + 16, vi_and(b, vi_set(0xffff)));
}

BR_INLINE vi vi_dot_s16(vi x, vi y, vi sum)
{
    return vi_pair(_mm256_add_epi32(sum.a, _mm256_madd_epi16(x.a, y.a)),
                   _mm256_add_epi32(sum.b, _mm256_madd_epi16(x.b, y.b)));
}

BR_INLINE void vi_store_u8_32(uint8_t *p, vi x, vi y)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(x.a, x.b), _mm256_packs_epi32(y.a, y.b));
    _mm256_storeu_si256((void *)p, _mm256_permutevar8x32_epi32(bytes, order));
}

BR_INLINE void vi_store_u8(uint8_t *p, vi w, vi x, vi y, vi z)
{
    vi_store_u8_32(p, w, x);
    vi_store_u8_32(p + 32, y, z);
}

BR_INLINE vf v_load_f16(const uint16_t *p)
{
    return v_pair(_mm256_cvtph_ps(_mm_loadu_si128((const void *)p)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 8))));
}

/* Four columns at k of the rows r and r + 4. */
BR_INLINE __m256 v_load_quads(const float *const row[8], size_t r, size_t k)
{
    __m256 x = _mm256_castps128_ps256(_mm_loadu_ps(row[r] + k));
    return _mm256_insertf128_ps(x, _mm_loadu_ps(row[r + 4] + k), 1);
}

BR_INLINE void v_transpose_8x4(const float *const row[8], size_t k, float *to, size_t stride)
{
    __m256 a = v_load_quads(row, 0, k), b = v_load_quads(row, 1, k);
    __m256 c = v_load_quads(row, 2, k), d = v_load_quads(row, 3, k);
    __m256d ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
    __m256d cd = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
    __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    _mm256_storeu_ps(to, _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd)));
    _mm256_storeu_ps(to + stride, _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd)));
    _mm256_storeu_ps(to + 2 * stride, _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high)));
    _mm256_storeu_ps(to + 3 * stride, _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high)));
}

BR_INLINE void v_transpose(const float *const row[16], size_t k, float *to, size_t stride)
{
    for (size_t i = 0; i < 16; i += 4)
        for (size_t r = 0; r < 16; r += 8)
            v_transpose_8x4(row + r, k + i, to + i * stride + r, stride);
}

/* Vectors side by side in vec_math.inc.h. */
#define BR_CHAINS 2

/* Tiles of attention.inc.h: 6 x 1 takes 12 + 3 of the 16 registers. */
#define BR_QUERY_VECTORS  1
#define BR_GROUP          6
#define BR_TILES(X)       X(1, 1)
#define BR_TILE_GROUPS(C) ((void)(C), 1)
#define BR_TILE_COLUMNS   1

/* Tiles of gemm_f32.inc.h, likewise. */
#define BR_GEMM_ROWS       6
#define BR_GEMM_VECTORS    1
#define BR_GEMM_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6)

#endif
