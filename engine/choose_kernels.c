#include "engine/choose_kernels.h"

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
    return model->info.precision == BERTRUN_PRECISION_INT8 ? choose_int8(model, error) : BERTRUN_OK;
}
