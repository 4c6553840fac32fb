#include <immintrin.h>

#include "kernels/gemm_isa.h"

#define vec          __m512i
#define VEC_LANES    16
#define TILE_ROWS    6
#define TILE_VECS    4
#define GEMM(suffix) br_gemm_avx512_vnni##suffix

#define vec_zero()         _mm512_setzero_si512()
#define vec_load(p)        _mm512_load_si512(p)
#define vec_splat(p)       _mm512_set1_epi32(load_4_bytes(p))
#define vec_read(p)        _mm512_loadu_si512(p)
#define vec_store(p, v)    _mm512_storeu_si512(p, v)
#define vec_dot(sum, a, w) _mm512_dpbusd_epi32(sum, a, w)

#include "kernels/gemm_tile.inc.h"
