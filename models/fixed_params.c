#include "models/fixed_params.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"

/* The parameters' names behind that of the layer. */
enum { SCALE, ZERO_POINT, LEAST, MOST, NUM_PARAMETERS };
static const char *const bin_inputs[] = {"input_scale", "input_zero_point", "input_quant_min",
                                         "input_quant_max"};
static const char *const fake_quant_inputs[] = {
    "input_fake_quant.scale", "input_fake_quant.zero_point", "input_fake_quant.quant_min",
    "input_fake_quant.quant_max"};
static const char *const fake_quant_weights[] = {
    "weight_fake_quant.scale", "weight_fake_quant.zero_point", "weight_fake_quant.quant_min",
    "weight_fake_quant.quant_max"};

/* `text` ends in ".weight", which `name` replaces. */
static void rename_weight(char *text, const char *name)
{
    char *ending = strrchr(text, '.');
    snprintf(ending, BR_TENSOR_NAME_SIZE - (size_t)(ending - text), ".%s", name);
}

/* Finds the parameters of these names; *any: whether one of them is there. Then the first two are.
 */
static bertrun_status find_parameters(const br_checkpoint *checkpoint, const br_tensor_need *weight,
                                      br_find_fn find, const char *const names[],
                                      br_found found[NUM_PARAMETERS], bool *any,
                                      bertrun_error *error)
{
    *any = false;
    for (size_t i = 0; i < NUM_PARAMETERS; i++) {
        br_tensor_need need = *weight;
        need.other[0] = '\0'; /* that is the weight's */
        rename_weight(need.name, names[i]);
        rename_weight(need.source, names[i]);
        found[i] = find(checkpoint, &need);
        *any |= found[i].tensor != NULL;
    }
    for (size_t i = SCALE; *any && i <= ZERO_POINT; i++)
        if (!found[i].tensor) {
            br_tensor_need need = *weight;
            rename_weight(checkpoint->is_bin ? need.name : need.source, names[i]);
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is missing",
                           checkpoint->files[0].path, checkpoint->is_bin ? need.name : need.source);
        }
    return BERTRUN_OK;
}

/* Number `index` of a tensor, F32 or integers, as PyTorch's fake quantization keeps them. */
static bertrun_status read_number(const br_found *found, size_t index, double *out,
                                  bertrun_error *error)
{
    const br_tensor *tensor = found->tensor;
    const char *at = (const char *)tensor->data + index * br_dtype_size(tensor->dtype);
    float single;
    int32_t narrow;
    int64_t wide;
    switch (tensor->dtype) {
    case BR_DTYPE_F32:
        memcpy(&single, at, sizeof single);
        *out = (double)single;
        return BERTRUN_OK;
    case BR_DTYPE_I32:
        memcpy(&narrow, at, sizeof narrow);
        *out = narrow;
        return BERTRUN_OK;
    case BR_DTYPE_I64:
        memcpy(&wide, at, sizeof wide);
        *out = (double)wide;
        return BERTRUN_OK;
    default:
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: tensor \"%s\" has dtype %s",
                       found->path, tensor->name, br_dtype_name(tensor->dtype));
    }
}

static bertrun_status require_one(const br_found *found, bertrun_error *error)
{
    if (br_tensor_count(found->tensor) == 1)
        return BERTRUN_OK;
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is not a single number",
                   found->path, found->tensor->name);
}

/* An integer in least..most; *out stays where there is no tensor. */
static bertrun_status read_integer(const br_found *found, int32_t least, int32_t most, int32_t *out,
                                   bertrun_error *error)
{
    double value = 0;
    if (!found->tensor)
        return BERTRUN_OK;
    BR_TRY(require_one(found, error));
    BR_TRY(read_number(found, 0, &value, error));
    if (!(value >= least && value <= most) || value != floor(value))
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: tensor \"%s\": %g is not an integer in %d..%d", found->path,
                       found->tensor->name, value, (int)least, (int)most);
    *out = (int32_t)value;
    return BERTRUN_OK;
}

static bertrun_status read_scale(const br_found *found, size_t index, float *out,
                                 bertrun_error *error)
{
    double value = 0;
    BR_TRY(read_number(found, index, &value, error));
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
    BR_TRY(require_one(&found[SCALE], error));
    BR_TRY(read_scale(&found[SCALE], 0, &affine->scale, error));
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

static bertrun_status bind_input(br_checkpoint *checkpoint, const br_tensor_need *weight,
                                 br_find_fn find, const char *linear, bertrun_error *error)
{
    br_found found[NUM_PARAMETERS];
    bool any;
    br_affine affine;
    BR_TRY(find_parameters(checkpoint, weight, find,
                           checkpoint->is_bin ? bin_inputs : fake_quant_inputs, found, &any,
                           error));
    if (!any)
        return BERTRUN_OK;
    BR_TRY(read_affine(&affine, found, error));
    return br_checkpoint_fix_input(checkpoint, linear, &affine, error);
}

/* One scale or one a row, zero points that are all 0. */
static bertrun_status read_weight(br_fixed_weight *fixed, const br_found found[NUM_PARAMETERS],
                                  bertrun_error *error)
{
    double zero_point;
    for (size_t i = 0; i < fixed->num_scales; i++)
        BR_TRY(read_scale(&found[SCALE], i, &fixed->scales[i], error));
    for (size_t i = 0; i < br_tensor_count(found[ZERO_POINT].tensor); i++) {
        BR_TRY(read_number(&found[ZERO_POINT], i, &zero_point, error));
        if (zero_point < 0 || zero_point > 0)
            return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                           "%s: tensor \"%s\": %g; weights have zero point 0 only",
                           found[ZERO_POINT].path, found[ZERO_POINT].tensor->name, zero_point);
    }
    fixed->least = -128;
    fixed->most = 127;
    BR_TRY(read_integer(&found[LEAST], -128, -1, &fixed->least, error));
    return read_integer(&found[MOST], 1, 127, &fixed->most, error);
}

static bertrun_status bind_weight(br_checkpoint *checkpoint, const br_tensor_need *weight,
                                  br_find_fn find, const char *linear, bertrun_error *error)
{
    br_found found[NUM_PARAMETERS];
    bool any;
    BR_TRY(find_parameters(checkpoint, weight, find, fake_quant_weights, found, &any, error));
    if (!any)
        return BERTRUN_OK;
    size_t count = br_tensor_count(found[SCALE].tensor);
    if (count != 1 && count != weight->shape[0])
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: tensor \"%s\" has %zu scales for %zu output channels",
                       found[SCALE].path, found[SCALE].tensor->name, count, weight->shape[0]);
    br_fixed_weight *fixed = &checkpoint->fixed_weights[checkpoint->num_fixed_weights++];
    fixed->name = br_strndup(linear, strlen(linear));
    fixed->scales = br_alloc(count, sizeof *fixed->scales);
    fixed->num_scales = count;
    if (!fixed->name || !fixed->scales)
        return br_fail_nomem(error);
    return read_weight(fixed, found, error);
}

bertrun_status br_fixed_params_bind(br_checkpoint *checkpoint, const br_tensor_need *weight,
                                    br_find_fn find, bertrun_error *error)
{
    char linear[BR_TENSOR_NAME_SIZE];
    snprintf(linear, sizeof linear, "%s", weight->name);
    *strrchr(linear, '.') = '\0';
    BR_TRY(bind_input(checkpoint, weight, find, linear, error));
    return checkpoint->is_bin ? BERTRUN_OK : bind_weight(checkpoint, weight, find, linear, error);
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

const br_fixed_weight *br_checkpoint_fixed_weight(const br_checkpoint *checkpoint,
                                                  const char *linear)
{
    for (size_t i = 0; i < checkpoint->num_fixed_weights; i++)
        if (strcmp(checkpoint->fixed_weights[i].name, linear) == 0)
            return &checkpoint->fixed_weights[i];
    return NULL;
}
