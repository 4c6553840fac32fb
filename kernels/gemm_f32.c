#include "kernels/gemm_f32.h"

#include <string.h>

void br_gemm_f32_pack(const void *plain, size_t n, size_t row_bytes, void *packed)
{
    const char *rows = plain;
    char *out = packed;
    for (size_t p = 0; p < n; p += BR_GEMM_F32_PANEL)
        for (size_t j = 0; j < row_bytes; j += 4)
            for (size_t c = 0; c < BR_GEMM_F32_PANEL; c++, out += 4)
                memcpy(out, rows + (p + c) * row_bytes + j, 4);
}
