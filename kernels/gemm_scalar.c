#include "kernels/gemm_isa.h"

/* One output: row [k] times column `column` of a panel [k / 4][64][4]. */
static int32_t dot(const uint8_t *row, size_t k, const int8_t *panel, size_t column)
{
    int32_t sum = 0;
    for (size_t j = 0; j < k; j++)
        sum += row[j] * panel[j / 4 * BR_GEMM_PANEL * 4 + column * 4 + j % 4];
    return sum;
}

void br_gemm_scalar(const uint8_t *src, size_t m, size_t k, const int8_t *packed, size_t panels,
                    bool warm, int32_t *dst, size_t dst_stride)
{
    (void)warm;
    for (size_t p = 0; p < panels; p++)
        for (size_t r = 0; r < m; r++)
            for (size_t c = 0; c < BR_GEMM_PANEL; c++)
                dst[r * dst_stride + p * BR_GEMM_PANEL + c] =
                    dot(src + r * k, k, packed + p * k * BR_GEMM_PANEL, c);
}

void br_gemm_scalar_tile(br_gemm_tile *tile, int32_t *dst, size_t dst_stride)
{
    br_gemm_scalar(tile->src, tile->rows, tile->k, tile->packed, tile->panels, false, dst,
                   dst_stride);
}

size_t br_gemm_scalar_tile_rows(size_t all, size_t left)
{
    (void)all;
    return left < 4 ? left : 4;
}

double br_gemm_scalar_peak(size_t iterations)
{
    int32_t sum[4] = {0};
    for (size_t n = 0; n < iterations; n++)
        for (int i = 0; i < 4; i++) {
            sum[i] += (int32_t)n * i;
            __asm__ volatile("" : "+r"(sum[i])); /* the compiler must not see that it is unused */
        }
    return (double)iterations * 4 * 2;
}
