#include "kernels/select.h"

#include <string.h>

static const struct {
    const char *name;
    br_isa rows;
    const char *gemm, *attention;
} SETS[] = {
    {"scalar", BR_ISA_SCALAR, "gemm:scalar", "attention:scalar"},
    {"avx2", BR_ISA_AVX2, "gemm:avx2", "attention:avx2"},
    {"avx2-vnni", BR_ISA_AVX2, "gemm:avx2_vnni", "attention:avx2"},
    {"avx512", BR_ISA_AVX512, "gemm:avx512", "attention:avx512"},
    {"avx512-vnni", BR_ISA_AVX512, "gemm:avx512_vnni", "attention:avx512_vnni"},
};

static const br_gemm *gemm_named(const char *name)
{
    size_t count;
    const br_gemm *table = br_gemm_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].supported() ? &table[i] : NULL;
    return NULL;
}

static const br_attention_s16 *attention_named(const char *name)
{
    size_t count;
    const br_attention_s16 *table = br_attention_s16_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].supported() ? &table[i] : NULL;
    return NULL;
}

bool br_select_kernels(const char *isa, const br_ops **ops, const br_gemm **gemm,
                       const br_attention_s16 **attention)
{
    *ops = br_ops_select();
    *gemm = br_gemm_select();
    *attention = br_attention_s16_select();
    if (!isa)
        return true;
    for (size_t i = 0; i < sizeof SETS / sizeof SETS[0]; i++)
        if (strcmp(SETS[i].name, isa) == 0) {
            *ops = SETS[i].rows <= br_isa_detect() ? br_ops_for(SETS[i].rows) : NULL;
            *gemm = gemm_named(SETS[i].gemm);
            *attention = attention_named(SETS[i].attention);
            return *ops && *gemm && *attention;
        }
    return false;
}
