#include <immintrin.h>

#include "kernels/gemm_isa.h"

#define vec          __m256i
#define VEC_LANES    8
#define TILE_ROWS    4
#define TILE_VECS    2
#define GEMM(suffix) br_gemm_avx2_vnni##suffix

#define vec_zero()         _mm256_setzero_si256()
#define vec_load(p)        _mm256_load_si256((const __m256i *)(p))
#define vec_splat(p)       _mm256_set1_epi32(load_4_bytes(p))
#define vec_read(p)        _mm256_loadu_si256((const __m256i *)(p))
#define vec_store(p, v)    _mm256_storeu_si256((__m256i *)(p), v)
#define vec_dot(sum, a, w) _mm256_dpbusd_avx_epi32(sum, a, w)

#include "kernels/gemm_tile.inc.h"
