#include <immintrin.h>

#include "kernels/gemm_isa.h"

#define vec          __m256i
#define VEC_LANES    8
#define TILE_ROWS    4
#define TILE_VECS    2
#define GEMM(suffix) br_gemm_avx2##suffix

#define vec_zero()      _mm256_setzero_si256()
#define vec_load(p)     _mm256_load_si256((const __m256i *)(p))
#define vec_splat(p)    _mm256_set1_epi32(load_4_bytes(p))
#define vec_read(p)     _mm256_loadu_si256((const __m256i *)(p))
#define vec_store(p, v) _mm256_storeu_si256((__m256i *)(p), v)

/* As in gemm_avx512.c: exact 16-bit products instead of vpmaddubsw's saturating sums. */
static inline __m256i vec_dot(__m256i sum, __m256i a, __m256i w)
{
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                                     _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(w, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

#include "kernels/gemm_tile.inc.h"
