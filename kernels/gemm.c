#include "kernels/gemm.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/gemm_isa.h"

void br_gemm_pack(const int8_t *plain, size_t n, size_t k, int8_t *packed)
{
    for (size_t p = 0; p < n; p += BR_GEMM_PANEL)
        for (size_t j = 0; j < k; j += 4)
            for (size_t c = 0; c < BR_GEMM_PANEL; c++, packed += 4)
                memcpy(packed, plain + (p + c) * k + j, 4);
}

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* CPUID leaf 7, sub-leaf 1, EAX bit 4 (compilers learnt the name "avxvnni" late). */
static bool has_avx2_vnni(void)
{
    unsigned eax, ebx, ecx, edx;
    return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1u << 4);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static bool has_avx512_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#endif

#define KERNELS(isa) isa, isa##_tile, isa##_tile_rows, isa##_peak

static const br_gemm TABLE[] = {
#if defined(__x86_64__)
    {"gemm:avx512_vnni", true, has_avx512_vnni, KERNELS(br_gemm_avx512_vnni)},
    {"gemm:avx2_vnni", true, has_avx2_vnni, KERNELS(br_gemm_avx2_vnni)},
    {"gemm:avx512", false, has_avx512, KERNELS(br_gemm_avx512)},
    {"gemm:avx2", false, has_avx2, KERNELS(br_gemm_avx2)},
#endif
    {"gemm:scalar", false, always, KERNELS(br_gemm_scalar)},
};

const br_gemm *br_gemm_table(size_t *count)
{
    *count = sizeof TABLE / sizeof TABLE[0];
    return TABLE;
}

const br_gemm *br_gemm_select(void)
{
    const br_gemm *gemm = TABLE;
    while (!gemm->supported())
        gemm++;
    return gemm;
}
