/* The instruction-set variants of kernels/gemm.h; chosen in gemm.c. */
#ifndef BR_GEMM_ISA_H
#define BR_GEMM_ISA_H

#include <string.h>

#include "kernels/gemm.h"

void br_gemm_scalar(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
                    bool warm, int32_t *dst, size_t dst_stride);
void br_gemm_avx2(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
                  bool warm, int32_t *dst, size_t dst_stride);
void br_gemm_avx2_vnni(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
                       bool warm, int32_t *dst, size_t dst_stride);
void br_gemm_avx512(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
                    bool warm, int32_t *dst, size_t dst_stride);
void br_gemm_avx512_vnni(const uint8_t *src, size_t m, size_t k, const int8_t *packed,
                         size_t panels, bool warm, int32_t *dst, size_t dst_stride);

double br_gemm_scalar_peak(size_t iterations);
double br_gemm_avx2_peak(size_t iterations);
double br_gemm_avx2_vnni_peak(size_t iterations);
double br_gemm_avx512_peak(size_t iterations);
double br_gemm_avx512_vnni_peak(size_t iterations);

/* Four activations as one lane of a register. */
static inline int32_t load_4_bytes(const uint8_t *bytes)
{
    int32_t lane;
    memcpy(&lane, bytes, 4);
    return lane;
}

#endif
