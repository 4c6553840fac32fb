#include "engine/scheme.h"

#include <string.h>

#include "common/memory.h"

br_dtype br_stored_dtype(const br_checkpoint *checkpoint)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(checkpoint, &tensors), first = count;
    for (size_t i = count; i-- > 0;) {
        if (tensors[i].linear && tensors[i].dtype == BR_DTYPE_S8)
            return BR_DTYPE_S8;
        if (tensors[i].linear)
            first = i;
    }
    return tensors[first].dtype;
}

static bertrun_precision choose_precision(const bertrun_model *model)
{
    if (model->settings.precision != BERTRUN_PRECISION_AUTO)
        return model->settings.precision;
    return br_precision_of_dtype(br_stored_dtype(model->checkpoint));
}

/* ----------------------------------------------------------------------------- layers set apart */

static bool is_kept(const bertrun_model *model, const br_tensor *tensor)
{
    return tensor->linear && br_precision_of_dtype(tensor->dtype) != model->info.precision;
}

static bertrun_status list_kept(bertrun_model *model, bertrun_error *error)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(model->checkpoint, &tensors);
    bertrun_kept_layer *kept = br_calloc(count, sizeof *kept);
    if (!kept)
        return br_fail_nomem(error);
    model->info.kept = kept;
    for (size_t i = 0; i < count; i++) {
        if (!is_kept(model, &tensors[i]))
            continue;
        bertrun_kept_layer *layer = &kept[model->info.num_kept];
        layer->name = br_strndup(tensors[i].name, strlen(tensors[i].name) - strlen(".weight"));
        layer->precision = br_precision_of_dtype(tensors[i].dtype);
        if (!layer->name)
            return br_fail_nomem(error);
        model->info.num_kept++;
    }
    return BERTRUN_OK;
}

void br_free_scheme(bertrun_model *model)
{
    for (size_t i = 0; i < model->info.num_kept; i++)
        br_free((char *)model->info.kept[i].name);
    br_free((bertrun_kept_layer *)model->info.kept);
}

/* ---------------------------------------------------------------------------------- int8 scales */

static bertrun_status choose_activations(bertrun_model *model, const char *path,
                                         bertrun_error *error)
{
    const br_fixed_input *inputs;
    bool any = br_checkpoint_fixed_inputs(model->checkpoint, &inputs) > 0;
    bertrun_activations asked = model->settings.activations;
    model->info.activations = asked;
    if (asked == BERTRUN_ACTIVATIONS_AUTO)
        model->info.activations = any ? BERTRUN_ACTIVATIONS_STATIC : BERTRUN_ACTIVATIONS_TOKEN;
    if (asked == BERTRUN_ACTIVATIONS_STATIC && !any)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: activations static: the file has no fixed scales", path);
    return BERTRUN_OK;
}

bertrun_weights br_wanted_weights(const bertrun_model *model)
{
    bool pytorch = model->info.activations == BERTRUN_ACTIVATIONS_PYTORCH;
    bertrun_weights asked = model->settings.weights;
    return asked == BERTRUN_WEIGHTS_AUTO && pytorch ? BERTRUN_WEIGHTS_PER_TENSOR : asked;
}

/* Those of the first layer. */
static bertrun_weights weights_in_use(const bertrun_model *model)
{
    static const char query[] = "encoder.layer.0.attention.self.query";
    const br_tensor *scale = br_checkpoint_find(model->checkpoint, "%s.weight_scale", query);
    const br_fixed_weight *fixed = br_checkpoint_fixed_weight(model->checkpoint, query);
    bool per_tensor = br_wanted_weights(model) == BERTRUN_WEIGHTS_PER_TENSOR;
    if (scale)
        per_tensor = scale->shape[0] == 1;
    else if (fixed)
        per_tensor = fixed->num_scales == 1;
    return per_tensor ? BERTRUN_WEIGHTS_PER_TENSOR : BERTRUN_WEIGHTS_PER_CHANNEL;
}

bertrun_status br_choose_scheme(bertrun_model *model, const char *path, bertrun_error *error)
{
    model->info.precision = choose_precision(model);
    BR_TRY(choose_activations(model, path, error));
    model->info.weights = weights_in_use(model);
    return model->settings.precision == BERTRUN_PRECISION_AUTO ? list_kept(model, error)
                                                               : BERTRUN_OK;
}
