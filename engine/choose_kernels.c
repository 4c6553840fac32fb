#include "engine/choose_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdlib.h>

#include "kernels/select.h"
#include "kernels/self_test.h"

/* Rows from which oneDNN wins where it has AMX tiles; without them it never does (docs/SPEED.md).
 */
enum { AMX_ROWS = 16 };

static bertrun_status choose_int8(bertrun_model *model, bertrun_error *error)
{
    br_onednn_int8 onednn;
    BR_TRY(br_onednn_look_at_int8(model->onednn, &onednn, error));
    bool exact = model->gemm->vnni && onednn.shares_gemm_layout;
    if (model->settings.kernels == BERTRUN_KERNELS_ONEDNN && !exact)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "oneDNN's int8 multiplication is not exact on this CPU (no AVX-512 VNNI)");
    if (model->settings.kernels == BERTRUN_KERNELS_ONEDNN)
        model->gemm_max_rows = 0;
    else if (exact && onednn.amx)
        model->gemm_max_rows = AMX_ROWS - 1;
    else
        model->gemm_max_rows = SIZE_MAX;
    return BERTRUN_OK;
}

/* Of a file whose linear layers are all kept, a decoder that shares the embeddings' int8 weights.
 */
static bool computes_in_int8(const bertrun_model *model)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(model->checkpoint, &tensors);
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= tensors[i].dtype == BR_DTYPE_S8;
    return model->info.precision == BERTRUN_PRECISION_INT8 ||
           (model->settings.precision == BERTRUN_PRECISION_AUTO && any);
}

/*
 * Integers where activations are int8 anyway; f32 for shapes that the kernel does not take, and
 * where PyTorch's results are asked for, whose attention is f32.
 */
static bool takes_s16_attention(const bertrun_model *model)
{
    const br_model_config *config = model->config;
    if (config->num_attention_heads == 0)
        return false; /* no encoder */
    size_t head_dim = config->hidden_size / config->num_attention_heads;
    return model->info.precision == BERTRUN_PRECISION_INT8 &&
           model->info.activations != BERTRUN_ACTIVATIONS_PYTORCH &&
           head_dim % BR_S16_HEAD_UNIT == 0 && head_dim <= BR_S16_MAX_HEAD &&
           config->max_position_embeddings <= BR_S16_MAX_LENGTH;
}

/*
 * Intel's VDPBF16PS does half as many products a second as its f32 FMA (docs/SPEED.md): there only
 * AMX counts. Others are taken to be faster than that.
 */
static bool has_fast_bf16(bertrun_model *model)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx != signature_INTEL_ebx)
        return true;
#endif
    return br_onednn_has_amx_bf16(model->onednn);
}

static bool has_bf16(void)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx; /* CPUID leaf 7, sub-leaf 1, EAX bit 5: AVX512_BF16 */
    return br_isa_detect() == BR_ISA_AVX512 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) &&
           (eax & 1u << 5);
#else
    return false;
#endif
}

static bool computes_in_bf16(const bertrun_model *model)
{
    bool any = model->info.precision == BERTRUN_PRECISION_BF16;
    for (size_t i = 0; i < model->info.num_kept; i++)
        any |= model->info.kept[i].precision == BERTRUN_PRECISION_BF16;
    return any;
}

static void choose_bf16(bertrun_model *model)
{
    bool any = has_bf16();
    model->bf16_products =
        any && (model->settings.kernels == BERTRUN_KERNELS_ONEDNN || has_fast_bf16(model));
    if (!any && model->settings.log)
        model->settings.log(model->settings.log_data,
                            "this CPU has no bf16 arithmetic: bf16 weights compute in f32");
}

bertrun_status br_choose_kernels(bertrun_model *model, bertrun_error *error)
{
    const char *isa = getenv("BERTRUN_ISA");
    if (!br_select_kernels(isa, &model->ops, &model->gemm, &model->attention))
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "BERTRUN_ISA=%s: not scalar, avx2, avx2-vnni, avx512 or avx512-vnni, or not "
                       "an instruction set of this CPU",
                       isa);
    const char *wrong = br_self_test(model->ops, model->gemm, model->attention);
    if (wrong)
        return br_fail(
            error, BERTRUN_ERR_INTERNAL,
            "kernels \"%s\" compute wrong results on this CPU; BERTRUN_ISA=scalar avoids "
            "them",
            wrong);
    if (!takes_s16_attention(model))
        model->attention = NULL;
    if (computes_in_bf16(model))
        choose_bf16(model);
    return computes_in_int8(model) ? choose_int8(model, error) : BERTRUN_OK;
}
