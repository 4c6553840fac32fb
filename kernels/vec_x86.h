/* What vec_avx2.h and vec_avx512.h share: folding 8 lanes into one. */
#ifndef BR_VEC_X86_H
#define BR_VEC_X86_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BR_INLINE static inline __attribute__((always_inline, unused))

#define BR_FOLD8(name, op, op_ss)                                                                  \
    BR_INLINE float name(__m256 x)                                                                 \
    {                                                                                              \
        __m128 y = op(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));                     \
        y = op(y, _mm_movehl_ps(y, y));                                                            \
        return _mm_cvtss_f32(op_ss(y, _mm_movehdup_ps(y)));                                        \
    }

BR_FOLD8(br_sum8, _mm_add_ps, _mm_add_ss)
BR_FOLD8(br_smallest8, _mm_min_ps, _mm_min_ss)
BR_FOLD8(br_largest8, _mm_max_ps, _mm_max_ss)
#undef BR_FOLD8

BR_INLINE float br_largest_float8(__m256i x)
{
    __m128i y = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    y = _mm_max_epi32(y, _mm_shuffle_epi32(y, 0x4e));
    y = _mm_max_epi32(y, _mm_shuffle_epi32(y, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(y));
}

#endif
