#include "engine/round_weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/convert.h"
#include "engine/gptq.h"
#include "models/architecture.h"

typedef struct rounder {
    const br_calibration *calibration;
    bertrun_model *model;
} rounder;

enum { BLOCK_ROWS = 256 };

/* Memory for some rows as the multiplication sees them. */
typedef struct seen_rows {
    uint8_t *q; /* [linear->k] */
    float *x;   /* [BLOCK_ROWS, linear->in] s q + lo */
} seen_rows;

static void see_rows(const br_ops *ops, const br_linear *linear, const float *rows, size_t count,
                     const seen_rows *seen)
{
    for (size_t r = 0; r < count; r++) {
        const float *x = rows + r * linear->k;
        br_quantized row = ops->quantize(x, linear->in, ops->range(x, linear->in), seen->q);
        float factor = br_calibration_row_factor(ops, x, linear->in);
        for (size_t i = 0; i < linear->in; i++)
            seen->x[r * linear->in + i] = factor * (row.scale * (float)seen->q[i] + row.lo);
    }
}

static bertrun_status add_rows(const br_ops *ops, const br_linear *linear, const float *rows,
                               size_t count, const seen_rows *seen, br_hessian *hessian,
                               bertrun_error *error)
{
    for (size_t first = 0; first < count; first += BLOCK_ROWS) {
        size_t block = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        see_rows(ops, linear, rows + first * linear->k, block, seen);
        BR_TRY(br_hessian_add(hessian, ops, seen->x, linear->in, block, error));
    }
    return BERTRUN_OK;
}

static bertrun_status make_hessian(const br_ops *ops, const br_linear *linear, const float *rows,
                                   size_t count, br_hessian *hessian, bertrun_error *error)
{
    seen_rows seen = {
        .q = br_alloc(linear->k, 1),
        .x = br_alloc(BLOCK_ROWS * linear->in, sizeof *seen.x),
    };
    bertrun_status status = seen.q && seen.x ? BERTRUN_OK : br_fail_nomem(error);
    if (status == BERTRUN_OK)
        status = add_rows(ops, linear, rows, count, &seen, hessian, error);
    br_free(seen.q);
    br_free(seen.x);
    return status == BERTRUN_OK ? br_hessian_factor(hessian, error) : status;
}

static bertrun_status put_scales(br_checkpoint *checkpoint, const br_tensor *weight, float *scales,
                                 bertrun_error *error)
{
    char name[BR_TENSOR_NAME_SIZE];
    size_t rows = weight->shape[0];
    snprintf(name, sizeof name, "%s_scale", weight->name);
    return br_checkpoint_put(checkpoint,
                             &(br_tensor){.name = name,
                                          .dtype = BR_DTYPE_F32,
                                          .rank = 1,
                                          .shape = {rows},
                                          .data = scales,
                                          .bytes = rows * sizeof *scales},
                             error);
}

/* The tensor becomes int8. */
static bertrun_status round_tensor(const rounder *r, const br_hessian *hessian,
                                   const br_tensor *weight, bertrun_error *error)
{
    size_t rows = weight->shape[0], in = weight->shape[1];
    br_checkpoint *checkpoint = r->calibration->checkpoint;
    if (br_convert_keeps(r->calibration->settings, weight))
        return BERTRUN_OK;
    float *wide = br_tensor_widen(weight), *scales = br_alloc(rows, sizeof *scales);
    int8_t *q = br_alloc(rows * in, 1);
    bertrun_status status = wide && scales && q ? BERTRUN_OK : br_fail_nomem(error);
    if (status == BERTRUN_OK)
        status = br_gptq_round(hessian, wide, rows, q, scales, error);
    br_free(wide);
    if (status != BERTRUN_OK) {
        br_free(scales);
        br_free(q);
        return status;
    }
    br_tensor rounded = *weight;
    rounded.dtype = BR_DTYPE_S8;
    rounded.data = q;
    rounded.bytes = rows * in;
    status = put_scales(checkpoint, weight, scales, error);
    if (status == BERTRUN_OK)
        return br_checkpoint_put(checkpoint, &rounded, error);
    br_free(q);
    return status;
}

static bertrun_status round_linear(void *data, const br_linear *linear, const float *rows,
                                   size_t count, bertrun_error *error)
{
    const rounder *r = data;
    br_hessian hessian;
    BR_TRY(br_hessian_open(&hessian, linear->in, error));
    br_calibration_log(r->calibration, "rounding %s", linear->sources[0].weight);
    bertrun_status status = make_hessian(r->model->ops, linear, rows, count, &hessian, error);
    for (size_t i = 0; i < BR_MAX_PARTS && linear->sources[i].weight && status == BERTRUN_OK; i++)
        status = round_tensor(
            r, &hessian,
            br_checkpoint_find(r->calibration->checkpoint, "%s", linear->sources[i].weight), error);
    br_hessian_free(&hessian);
    BR_TRY(status);
    return br_model_repack(r->model, (br_linear *)linear, error); /* the model is ours */
}

bertrun_status br_round_weights(const br_calibration *calibration, bertrun_error *error)
{
    rounder r = {.calibration = calibration};
    br_observer observer = {.see = round_linear, .data = &r};
    BR_TRY(br_calibration_open(calibration, BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_TOKEN,
                               &r.model, error));
    bertrun_status status = br_calibration_run(calibration, r.model, &observer, error);
    bertrun_model_close(&r.model);
    return status;
}
