#include "engine/correct_biases.h"

#include "engine/convert.h"
#include "engine/quantize_weights.h"
#include "models/architecture.h"

typedef struct corrector {
    const br_calibration *calibration;
    bertrun_model *model;
    br_mean_outputs *outputs;
    size_t seen; /* parts so far */
} corrector;

/* What part_output() needs beside the tensors. */
typedef struct mean_scratch {
    double *mean; /* [in] */
    float *row;   /* [in] */
    int8_t *q;    /* [in] */
} mean_scratch;

/* By the squares of their factors, as an error is the less, the larger its row. */
static void mean_of_rows(const br_ops *ops, const br_linear *linear, const float *rows,
                         size_t count, double *mean)
{
    double sum = 0;
    for (size_t k = 0; k < linear->in; k++)
        mean[k] = 0;
    for (size_t r = 0; r < count; r++) {
        const float *x = rows + r * linear->k;
        double factor = (double)br_calibration_row_factor(ops, x, linear->in);
        for (size_t k = 0; k < linear->in; k++)
            mean[k] += factor * factor * (double)x[k];
        sum += factor * factor;
    }
    for (size_t k = 0; k < linear->in && sum > 0; k++)
        mean[k] /= sum;
}

/* scratch->row as int8 would have it. */
static void round_row(const corrector *c, const br_weight_scheme *scheme, size_t r, size_t columns,
                      const mean_scratch *scratch)
{
    float scale;
    br_quantize_row(scheme, r, scratch->row, columns, scratch->q, &scale);
    c->model->ops->widen_s8(scratch->q, scale, columns, scratch->row);
}

/* out = W mean for one part's rows, W as the model computes with it. */
static void part_output(const corrector *c, const br_tensor *weight, bool int8,
                        const mean_scratch *scratch, float *out)
{
    const br_calibration *calibration = c->calibration;
    bool per_tensor = calibration->settings->weights == BERTRUN_WEIGHTS_PER_TENSOR;
    bool stored = weight->dtype == BR_DTYPE_S8, rounded = int8 && !stored;
    size_t columns = weight->shape[1];
    br_weight_scheme scheme = {0};
    const br_tensor *scale =
        stored ? br_checkpoint_find(calibration->checkpoint, "%s_scale", weight->name) : NULL;
    if (rounded)
        scheme = br_weight_scheme_choose(calibration->checkpoint, weight, per_tensor, scratch->row);
    for (size_t r = 0; r < weight->shape[0]; r++) {
        double sum = 0;
        br_tensor_row_to_f32(weight, scale, r, columns, scratch->row);
        if (rounded)
            round_row(c, &scheme, r, columns, scratch);
        for (size_t k = 0; k < columns; k++)
            sum += (double)scratch->row[k] * scratch->mean[k];
        out[r] = (float)sum;
    }
}

/* Takes W mean(x) of one part, [its rows], which is then its own. */
typedef bertrun_status (*take_fn)(corrector *c, const br_linear_source *source, float *mean,
                                  bertrun_error *error);

static bertrun_status take_part(corrector *c, const br_linear *linear, size_t part,
                                const mean_scratch *scratch, take_fn take, bertrun_error *error)
{
    const br_linear_source *source = &linear->sources[part];
    const br_tensor *weight = br_checkpoint_find(c->calibration->checkpoint, "%s", source->weight);
    float *mean = br_alloc(weight->shape[0], sizeof *mean);
    if (!mean)
        return br_fail_nomem(error);
    part_output(c, weight, linear->type == BR_MATMUL_U8S8, scratch, mean);
    return take(c, source, mean, error);
}

/* Each part by itself: queries, keys and values may be one layer in f32 and three in int8. */
static bertrun_status take_parts(corrector *c, const br_linear *linear, const float *rows,
                                 size_t count, take_fn take, bertrun_error *error)
{
    bertrun_status status = BERTRUN_OK;
    mean_scratch scratch = {
        .mean = br_alloc(linear->in, sizeof *scratch.mean),
        .row = br_alloc(linear->in, sizeof *scratch.row),
        .q = br_alloc(linear->in, 1),
    };
    if (!scratch.mean || !scratch.row || !scratch.q)
        status = br_fail_nomem(error);
    else
        mean_of_rows(c->model->ops, linear, rows, count, scratch.mean);
    for (size_t p = 0; !status && p < BR_MAX_PARTS && linear->sources[p].weight; p++)
        status = take_part(c, linear, p, &scratch, take, error);
    br_free(scratch.mean);
    br_free(scratch.row);
    br_free(scratch.q);
    return status;
}

static bertrun_status keep_part(corrector *c, const br_linear_source *source, float *mean,
                                bertrun_error *error)
{
    (void)source, (void)error;
    c->outputs->means[c->outputs->count++] = mean;
    return BERTRUN_OK;
}

static bertrun_status keep_mean(void *data, const br_linear *linear, const float *rows,
                                size_t count, bertrun_error *error)
{
    return take_parts(data, linear, rows, count, keep_part, error);
}

static bertrun_status add_to_bias(const br_calibration *c, const br_linear_source *source,
                                  const float *more, bertrun_error *error)
{
    char name[BR_TENSOR_NAME_SIZE];
    br_linear_source_name(source, name);
    const br_tensor *bias = br_checkpoint_find(c->checkpoint, "%s.bias", name);
    if (!bias)
        return BERTRUN_OK;
    float *values = br_tensor_widen(bias);
    if (!values)
        return br_fail_nomem(error);
    for (size_t j = 0; j < bias->shape[0]; j++)
        values[j] += more[j];
    br_tensor changed = *bias;
    changed.dtype = BR_DTYPE_F32;
    changed.data = values;
    changed.bytes = bias->shape[0] * sizeof *values;
    return br_checkpoint_put(c->checkpoint, &changed, error);
}

/* More becomes what the output is short of. */
static bertrun_status correct_part(corrector *c, const br_linear_source *source, float *got,
                                   bertrun_error *error)
{
    const br_calibration *calibration = c->calibration;
    const br_tensor *weight = br_checkpoint_find(calibration->checkpoint, "%s", source->weight);
    float *more = c->outputs->means[c->seen++];
    for (size_t j = 0; j < weight->shape[0]; j++)
        more[j] -= got[j];
    br_free(got);
    return br_convert_keeps(calibration->settings, weight)
               ? BERTRUN_OK
               : add_to_bias(calibration, source, more, error);
}

static bertrun_status correct(void *data, const br_linear *linear, const float *rows, size_t count,
                              bertrun_error *error)
{
    corrector *c = data;
    BR_TRY(take_parts(c, linear, rows, count, correct_part, error));
    return br_model_repack(c->model, (br_linear *)linear, error); /* the model is ours */
}

static bertrun_status run(corrector *c, bertrun_precision precision,
                          bertrun_status (*see)(void *, const br_linear *, const float *, size_t,
                                                bertrun_error *),
                          bertrun_error *error)
{
    br_observer observer = {.see = see, .data = c};
    BR_TRY(
        br_calibration_open(c->calibration, precision, BERTRUN_ACTIVATIONS_AUTO, &c->model, error));
    bertrun_status status = br_calibration_run(c->calibration, c->model, &observer, error);
    bertrun_model_close(&c->model);
    return status;
}

bertrun_status br_mean_outputs_measure(br_mean_outputs *out, const br_calibration *calibration,
                                       bertrun_error *error)
{
    const br_tensor *tensors;
    size_t most = br_checkpoint_tensors(calibration->checkpoint, &tensors);
    *out = (br_mean_outputs){.means = br_alloc(most, sizeof *out->means)};
    if (!out->means)
        return br_fail_nomem(error);
    corrector c = {.calibration = calibration, .outputs = out};
    return run(&c, BERTRUN_PRECISION_F32, keep_mean, error);
}

void br_mean_outputs_free(br_mean_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        br_free(outputs->means[i]);
    br_free(outputs->means);
}

bertrun_status br_correct_biases(const br_calibration *calibration, const br_mean_outputs *wanted,
                                 bertrun_error *error)
{
    corrector c = {.calibration = calibration, .outputs = (br_mean_outputs *)wanted};
    return run(&c, BERTRUN_PRECISION_INT8, correct, error);
}
