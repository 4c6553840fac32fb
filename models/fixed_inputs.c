#include "models/fixed_inputs.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"

/* The parameters' names behind that of the layer. */
enum { SCALE, ZERO_POINT, LEAST, MOST, NUM_PARAMETERS };
static const char *const bin_names[] = {"input_scale", "input_zero_point", "input_quant_min",
                                        "input_quant_max"};
static const char *const fake_quant_names[] = {
    "input_fake_quant.scale", "input_fake_quant.zero_point", "input_fake_quant.quant_min",
    "input_fake_quant.quant_max"};

/* `text` ends in ".weight", which `name` replaces. */
static void rename_weight(char *text, const char *name)
{
    char *ending = strrchr(text, '.');
    snprintf(ending, BR_TENSOR_NAME_SIZE - (size_t)(ending - text), ".%s", name);
}

static br_tensor_need need_beside(const br_tensor_need *weight, size_t parameter)
{
    br_tensor_need need = *weight;
    rename_weight(need.name, bin_names[parameter]);
    rename_weight(need.source, fake_quant_names[parameter]);
    return need;
}

static bertrun_status fail_missing(const br_checkpoint *checkpoint, const br_tensor_need *need,
                                   bertrun_error *error)
{
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is missing",
                   checkpoint->files[0].path, checkpoint->is_bin ? need->name : need->source);
}

/* A tensor of one number, F32 or an integer, as PyTorch's fake quantization keeps them. */
static bertrun_status read_number(const br_found *found, double *out, bertrun_error *error)
{
    const br_tensor *tensor = found->tensor;
    float single;
    int32_t narrow;
    int64_t wide;
    if (br_tensor_count(tensor) != 1)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is not a single number",
                       found->path, tensor->name);
    switch (tensor->dtype) {
    case BR_DTYPE_F32:
        memcpy(&single, tensor->data, sizeof single);
        *out = (double)single;
        return BERTRUN_OK;
    case BR_DTYPE_I32:
        memcpy(&narrow, tensor->data, sizeof narrow);
        *out = narrow;
        return BERTRUN_OK;
    case BR_DTYPE_I64:
        memcpy(&wide, tensor->data, sizeof wide);
        *out = (double)wide;
        return BERTRUN_OK;
    default:
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: tensor \"%s\" has dtype %s",
                       found->path, tensor->name, br_dtype_name(tensor->dtype));
    }
}

/* An integer in least..most; *out stays where there is no tensor. */
static bertrun_status read_integer(const br_found *found, int32_t least, int32_t most, int32_t *out,
                                   bertrun_error *error)
{
    double value = 0;
    if (!found->tensor)
        return BERTRUN_OK;
    BR_TRY(read_number(found, &value, error));
    if (!(value >= least && value <= most) || value != floor(value))
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: tensor \"%s\": %g is not an integer in %d..%d", found->path,
                       found->tensor->name, value, (int)least, (int)most);
    *out = (int32_t)value;
    return BERTRUN_OK;
}

static bertrun_status read_scale(const br_found *found, float *out, bertrun_error *error)
{
    double value = 0;
    BR_TRY(read_number(found, &value, error));
    if (!(value >= (double)FLT_MIN && value <= (double)FLT_MAX))
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: tensor \"%s\": %g is no scale (a positive, finite number)", found->path,
                       found->tensor->name, value);
    *out = (float)value;
    return BERTRUN_OK;
}

/* Integers of -128..127 (PyTorch's qint8) are moved to 0..255. */
static bertrun_status read_affine(br_affine *affine, const br_found found[NUM_PARAMETERS],
                                  bertrun_error *error)
{
    *affine = (br_affine){0};
    BR_TRY(read_scale(&found[SCALE], &affine->scale, error));
    BR_TRY(read_integer(&found[LEAST], -128, 254, &affine->least, error));
    affine->most = affine->least < 0 ? 127 : 255;
    BR_TRY(read_integer(&found[MOST], affine->least + 1, affine->most, &affine->most, error));
    BR_TRY(
        read_integer(&found[ZERO_POINT], affine->least, affine->most, &affine->zero_point, error));
    int32_t shift = affine->least < 0 ? 128 : 0;
    affine->least += shift;
    affine->most += shift;
    affine->zero_point += shift;
    return BERTRUN_OK;
}

bertrun_status br_fixed_input_bind(br_checkpoint *checkpoint, const br_tensor_need *weight,
                                   br_find_fn find, bertrun_error *error)
{
    br_tensor_need needs[NUM_PARAMETERS];
    br_found found[NUM_PARAMETERS];
    bool any = false;
    for (size_t i = 0; i < NUM_PARAMETERS; i++) {
        needs[i] = need_beside(weight, i);
        found[i] = find(checkpoint, &needs[i]);
        any |= found[i].tensor != NULL;
    }
    for (size_t i = SCALE; any && i <= ZERO_POINT; i++)
        if (!found[i].tensor)
            return fail_missing(checkpoint, &needs[i], error);
    if (!any)
        return BERTRUN_OK;
    br_affine affine;
    BR_TRY(read_affine(&affine, found, error));
    *strrchr(needs[SCALE].name, '.') = '\0';
    return br_checkpoint_fix_input(checkpoint, needs[SCALE].name, &affine, error);
}

/* ---------------------------------------------------------------------------------- in memory */

static br_fixed_input *find_input(const br_checkpoint *checkpoint, const char *linear)
{
    for (size_t i = 0; i < checkpoint->num_fixed_inputs; i++)
        if (strcmp(checkpoint->fixed_inputs[i].name, linear) == 0)
            return &checkpoint->fixed_inputs[i];
    return NULL;
}

size_t br_checkpoint_fixed_inputs(const br_checkpoint *checkpoint, const br_fixed_input **inputs)
{
    *inputs = checkpoint->fixed_inputs;
    return checkpoint->num_fixed_inputs;
}

const br_affine *br_checkpoint_fixed_input(const br_checkpoint *checkpoint, const char *linear)
{
    const br_fixed_input *input = find_input(checkpoint, linear);
    return input ? &input->affine : NULL;
}

bertrun_status br_checkpoint_fix_input(br_checkpoint *checkpoint, const char *linear,
                                       const br_affine *affine, bertrun_error *error)
{
    br_fixed_input *input = find_input(checkpoint, linear);
    if (!input) {
        char *name = br_strndup(linear, strlen(linear));
        if (!name)
            return br_fail_nomem(error);
        input = &checkpoint->fixed_inputs[checkpoint->num_fixed_inputs++];
        input->name = name;
    }
    input->affine = *affine;
    return BERTRUN_OK;
}
