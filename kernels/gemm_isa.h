/* The instruction-set variants of kernels/gemm.h; chosen in gemm.c. */
#ifndef BR_GEMM_ISA_H
#define BR_GEMM_ISA_H

#include <string.h>

#include "kernels/gemm.h"

#define BR_GEMM_ISA(name)                                                                          \
    void name(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,         \
              bool warm, int32_t *dst, size_t dst_stride);                                         \
    void name##_tile(br_gemm_tile *tile, int32_t *dst, size_t dst_stride);                         \
    size_t name##_tile_rows(size_t all, size_t left);                                              \
    double name##_peak(size_t iterations);

BR_GEMM_ISA(br_gemm_scalar)
BR_GEMM_ISA(br_gemm_avx2)
BR_GEMM_ISA(br_gemm_avx2_vnni)
BR_GEMM_ISA(br_gemm_avx512)
BR_GEMM_ISA(br_gemm_avx512_vnni)

/* Four activations as one lane of a register. */
static inline int32_t load_4_bytes(const uint8_t *bytes)
{
    int32_t lane;
    memcpy(&lane, bytes, 4);
    return lane;
}

#endif
