#include "engine/fix_inputs.h"

#include <math.h>
#include <stdint.h>

#include "engine/convert.h"
#include "engine/histogram.h"
#include "models/architecture.h"

typedef struct fixer {
    const br_calibration *calibration;
    const br_ops *ops;
} fixer;

/* Every q is a value of x, and so is 0: lo <= 0 <= hi. */
static br_affine affine_of(br_range range)
{
    float lo = fminf(range.lo, 0), hi = fmaxf(range.hi, 0);
    float scale = fmaxf((hi - lo) / 255, 1e-30F);
    return (br_affine){.scale = scale, .zero_point = (int32_t)rintf(-lo / scale), .most = 255};
}

static bertrun_status fix(void *data, const br_linear *linear, const float *rows, size_t count,
                          bertrun_error *error)
{
    const fixer *f = data;
    const br_calibration *c = f->calibration;
    br_histogram histogram;
    char name[BR_TENSOR_NAME_SIZE];
    br_histogram_fill(&histogram, f->ops, rows, count, linear->in, linear->k);
    br_affine affine = affine_of(br_histogram_range(&histogram, c->settings->observer));
    for (size_t p = 0; p < BR_MAX_PARTS && linear->sources[p].weight; p++) {
        const char *weight = linear->sources[p].weight;
        if (br_convert_keeps(c->settings, br_checkpoint_find(c->checkpoint, "%s", weight)))
            continue;
        br_linear_source_name(&linear->sources[p], name);
        BR_TRY(br_checkpoint_fix_input(c->checkpoint, name, &affine, error));
    }
    return BERTRUN_OK;
}

bertrun_status br_fix_inputs(const br_calibration *calibration, bertrun_error *error)
{
    bertrun_model *model;
    BR_TRY(br_calibration_open(calibration, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_TOKEN,
                               &model, error));
    fixer f = {calibration, model->ops};
    br_observer observer = {.see = fix, .data = &f};
    bertrun_status status = br_calibration_run(calibration, model, &observer, error);
    bertrun_model_close(&model);
    return status;
}
