#include "kernels/attention_s16.h"

#include "common/memory.h"
#include "kernels/attention_s16_isa.h"

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return br_isa_detect() >= BR_ISA_AVX2;
}

static bool has_avx512(void)
{
    return br_isa_detect() >= BR_ISA_AVX512;
}

static bool has_avx512_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#endif

#define SET(set) "attention:" #set, br_linear_s16_##set, br_attend_s16_##set

static const br_attention_s16 TABLE[] = {
#if defined(__x86_64__)
    {has_avx512_vnni, SET(avx512_vnni)},
    {has_avx512, SET(avx512)},
    {has_avx2, SET(avx2)},
#endif
    {always, SET(scalar)},
};

const br_attention_s16 *br_attention_s16_table(size_t *count)
{
    *count = sizeof TABLE / sizeof TABLE[0];
    return TABLE;
}

const br_attention_s16 *br_attention_s16_select(void)
{
    const br_attention_s16 *attention = TABLE;
    while (!attention->supported())
        attention++;
    return attention;
}

/* Scales, and what attention.inc.h holds for 48 queries: these, scores, packed values. */
size_t br_attention_s16_scratch(size_t length, size_t head_dim)
{
    return 3 * br_round_up(length, 16) + 48 * head_dim / 2 + 48 * (length + 6) +
           (length + 1) / 2 * head_dim;
}
