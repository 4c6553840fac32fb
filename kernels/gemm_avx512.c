#include <immintrin.h>

#include "kernels/gemm_isa.h"

#define vec          __m512i
#define VEC_LANES    16
#define TILE_ROWS    4
#define TILE_VECS    4
#define GEMM(suffix) br_gemm_avx512##suffix

#define vec_zero()      _mm512_setzero_si512()
#define vec_load(p)     _mm512_load_si512(p)
#define vec_splat(p)    _mm512_set1_epi32(load_4_bytes(p))
#define vec_read(p)     _mm512_loadu_si512(p)
#define vec_store(p, v) _mm512_storeu_si512(p, v)

/*
 * Without VNNI: bytes 0, 2 and 1, 3 of each lane as 16-bit numbers, multiplied and added in 32
 * bits. (vpmaddubsw would do both at once, but saturates its 16-bit sums.)
 */
static inline __m512i vec_dot(__m512i sum, __m512i a, __m512i w)
{
    __m512i even = _mm512_madd_epi16(_mm512_and_si512(a, _mm512_set1_epi16(0xff)),
                                     _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8));
    __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(a, 8), _mm512_srai_epi16(w, 8));
    return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
}

#include "kernels/gemm_tile.inc.h"
