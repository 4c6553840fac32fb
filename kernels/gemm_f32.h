/*
 * Our own f32 matrix multiplication, on f32 or bf16 weights; `gemm_f32` and `gemm_bf16` of br_ops.
 *
 *     dst[m, n] = src[m, k] * weights[n, k]^T      src and dst f32
 *
 * Weights are packed in panels of 32 output channels: f32 as [n / 32][k][32], bf16 as
 * [n / 32][k / 2][32][2]. n is a multiple of 32, k of 2. Each result is one chain of fma over k,
 * from 0, so it has the same bits whatever the instruction set and the number of rows.
 */
#ifndef BR_GEMM_F32_H
#define BR_GEMM_F32_H

#include <stddef.h>

enum { BR_GEMM_F32_PANEL = 32 };

/**
 * Computes `panels` panels.
 * @param src    [m, k] dense
 * @param packed first panel, 64-byte aligned
 * @param dst    first of [m, panels * 32]; rows `dst_stride` apart
 */
typedef void (*br_gemm_f32_fn)(const float *src, size_t m, size_t k, const void *packed,
                               size_t panels, float *dst, size_t dst_stride);

/** Packs plain weights: n rows of `row_bytes`, k times 4 or 2. packed: n * row_bytes. */
void br_gemm_f32_pack(const void *plain, size_t n, size_t row_bytes, void *packed);

#endif
