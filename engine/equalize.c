#include "engine/equalize.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "models/architecture.h"

enum { SAMPLE_ROWS = 256 };

/* What enters a linear layer. */
typedef struct site {
    const br_linear *linear;
    double *squares; /* [in] mean of x^2 */
    float *sample;   /* [rows, in] some rows, evenly */
    size_t rows;
} site;

typedef struct equalizer {
    const br_calibration *calibration;
    const br_ops *ops;
    site *sites; /* [num_sites] in the order in which they were seen */
    size_t num_sites, capacity;
} equalizer;

static void free_site(site *s)
{
    br_free(s->squares);
    br_free(s->sample);
}

static void close_equalizer(equalizer *e)
{
    for (size_t i = 0; i < e->num_sites; i++)
        free_site(&e->sites[i]);
    br_free(e->sites);
}

/* -------------------------------------------------------------------------------- looking */

static void measure(site *s, const br_ops *ops, const float *rows, size_t count)
{
    size_t in = s->linear->in, step = (count + SAMPLE_ROWS - 1) / SAMPLE_ROWS;
    for (size_t r = 0; r < count; r++) {
        const float *x = rows + r * s->linear->k;
        float factor = br_calibration_row_factor(ops, x, in);
        for (size_t k = 0; k < in; k++)
            s->squares[k] += (double)(factor * x[k]) * (double)(factor * x[k]) / (double)count;
        if (r % step == 0) {
            memcpy(s->sample + s->rows * in, x, in * sizeof *x);
            ops->scale(factor, in, s->sample + s->rows++ * in);
        }
    }
}

static bertrun_status see(void *data, const br_linear *linear, const float *rows, size_t count,
                          bertrun_error *error)
{
    equalizer *e = data;
    if (e->num_sites == e->capacity)
        return BERTRUN_OK; /* heads come after all layers */
    site *s = &e->sites[e->num_sites++];
    *s = (site){
        .linear = linear,
        .squares = br_calloc(linear->in, sizeof *s->squares),
        .sample = br_alloc(SAMPLE_ROWS * linear->in, sizeof *s->sample),
    };
    if (!s->squares || !s->sample)
        return br_fail_nomem(error);
    measure(s, e->ops, rows, count);
    return BERTRUN_OK;
}

/* --------------------------------------------------------------------------- choosing factors */

/* The weights of all parts of a layer, one after another, [out, in]; NULL: no memory. */
static float *gather_weights(const br_calibration *c, const br_linear *linear)
{
    float *weights = br_alloc(linear->out * linear->in, sizeof *weights), *at = weights;
    for (size_t p = 0; weights && p < BR_MAX_PARTS && linear->sources[p].weight; p++) {
        const br_tensor *part = br_checkpoint_find(c->checkpoint, "%s", linear->sources[p].weight);
        br_tensor_to_f32(part, 0, br_tensor_count(part), at);
        at += br_tensor_count(part);
    }
    return weights;
}

/* squares[k] = mean over j of weights[j, k]^2 */
static void square_columns(const float *weights, size_t out, size_t in, double *squares)
{
    memset(squares, 0, in * sizeof *squares);
    for (size_t j = 0; j < out; j++)
        for (size_t k = 0; k < in; k++)
            squares[k] += (double)weights[j * in + k] * (double)weights[j * in + k] / (double)out;
}

/* From the weights' squares; columns of zeros keep factors that are finite and not 0. */
static void choose_factors(const site *s, const double *squares, double alpha, float *factors)
{
    const double least = 1e-10;
    for (size_t k = 0; k < s->linear->in; k++)
        factors[k] = (float)(pow(fmax(s->squares[k], least), alpha / 2) /
                             pow(fmax(squares[k], least), (1 - alpha) / 2));
}

/* Mean of the squared rounding error of an element of x / f, with a scale a row. */
static double activation_noise(const site *s, const float *factors)
{
    size_t in = s->linear->in;
    double sum = 0;
    for (size_t r = 0; r < s->rows; r++) {
        float lo = INFINITY, hi = -INFINITY;
        for (size_t k = 0; k < in; k++) {
            float x = s->sample[r * in + k] / factors[k];
            lo = fminf(lo, x);
            hi = fmaxf(hi, x);
        }
        double step = (double)(hi - lo) / 255;
        sum += step * step / 12;
    }
    return sum / (double)s->rows;
}

/*
 * The squared error of the layer's output that rounding may be expected to make: activations' noise
 * through the weights, and weights' noise through the activations.
 */
static double predict_error(const site *s, const float *weights, const float *factors)
{
    size_t in = s->linear->in, out = s->linear->out;
    double energy = 0, weight_noise = 0, power = 0;
    for (size_t j = 0; j < out; j++) {
        float most = 0;
        for (size_t k = 0; k < in; k++) {
            float w = weights[j * in + k] * factors[k];
            most = fmaxf(most, fabsf(w));
            energy += (double)(w * w);
        }
        weight_noise += (double)(most / 127) * (double)(most / 127) / 12;
    }
    for (size_t k = 0; k < in; k++)
        power += s->squares[k] / ((double)factors[k] * (double)factors[k]);
    return activation_noise(s, factors) * energy + weight_noise * power;
}

/* The alpha, in steps of 0.05, that promises the smallest error. */
static double search_alpha(const site *s, const float *weights, const double *squares,
                           float *factors)
{
    double best = 0.5, least = DBL_MAX;
    for (int step = 6; step <= 19; step++) {
        double alpha = (double)step / 20;
        choose_factors(s, squares, alpha, factors);
        double predicted = predict_error(s, weights, factors);
        if (predicted < least) {
            least = predicted;
            best = alpha;
        }
    }
    return best;
}

/* `squares` [in] is memory to work in. */
static void find_factors(const equalizer *e, const site *s, const float *weights, double *squares,
                         float *factors)
{
    double alpha = (double)e->calibration->settings->equalize_alpha;
    square_columns(weights, s->linear->out, s->linear->in, squares);
    if (alpha == (double)BERTRUN_EQUALIZE_AUTO) {
        alpha = search_alpha(s, weights, squares, factors);
        br_calibration_log(e->calibration, "equalizing %s: alpha %.2f",
                           s->linear->sources[0].weight, alpha);
    }
    choose_factors(s, squares, alpha, factors);
}

/* ---------------------------------------------------------------------------- changing tensors */

static bertrun_status put_floats(const br_calibration *c, const br_tensor *like, float *values,
                                 bertrun_error *error)
{
    br_tensor tensor = *like;
    tensor.dtype = BR_DTYPE_F32;
    tensor.data = values;
    tensor.bytes = br_tensor_count(like) * sizeof *values;
    return br_checkpoint_put(c->checkpoint, &tensor, error);
}

/* Divides rows of a matrix, or elements of a vector. */
static bertrun_status divide_rows(const br_calibration *c, const char *module, const char *part,
                                  const float *factors, bertrun_error *error)
{
    const br_tensor *tensor = br_checkpoint_find(c->checkpoint, "%s.%s", module, part);
    float *values = br_tensor_widen(tensor);
    if (!values)
        return br_fail_nomem(error);
    size_t rows = tensor->shape[0], columns = br_tensor_count(tensor) / rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
            values[r * columns + k] /= factors[r];
    return put_floats(c, tensor, values, error);
}

static bertrun_status multiply_columns(const br_calibration *c, const char *weight,
                                       const float *factors, bertrun_error *error)
{
    const br_tensor *tensor = br_checkpoint_find(c->checkpoint, "%s", weight);
    float *values = br_tensor_widen(tensor);
    if (!values)
        return br_fail_nomem(error);
    size_t rows = tensor->shape[0], columns = tensor->shape[1];
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
            values[r * columns + k] *= factors[k];
    return put_floats(c, tensor, values, error);
}

/* The vector MODULE.PART becomes what it was, or 1, times or divided by the factors. */
static bertrun_status scale_vector(const br_calibration *c, const char *module, const char *part,
                                   bool divide, const float *factors, size_t count,
                                   bertrun_error *error)
{
    char name[BR_TENSOR_NAME_SIZE];
    snprintf(name, sizeof name, "%s.%s", module, part);
    const br_tensor *before = br_checkpoint_find(c->checkpoint, "%s", name);
    float *values = before ? br_tensor_widen(before) : br_alloc(count, sizeof *values);
    if (!values)
        return br_fail_nomem(error);
    for (size_t k = 0; k < count; k++)
        values[k] = (before ? values[k] : 1) * (divide ? 1 / factors[k] : factors[k]);
    br_tensor scale = {.name = name, .rank = 1, .shape = {count}, .bytes = count * sizeof *values};
    return put_floats(c, &scale, values, error);
}

/* What makes a layer's input, and how it comes to make it divided by the factors. */
typedef struct producer {
    const char *module;
    const char *residual; /* the LayerNorm that adds the input to its own, or NULL */
    bool scaled;          /* the module's result is multiplied, not its tensors */
} producer;

static bertrun_status change_tensors(const br_calibration *c, const br_linear *linear,
                                     const producer *from, const float *factors,
                                     bertrun_error *error)
{
    for (size_t p = 0; p < BR_MAX_PARTS && linear->sources[p].weight; p++)
        BR_TRY(multiply_columns(c, linear->sources[p].weight, factors, error));
    if (from->scaled)
        return scale_vector(c, from->module, "output_scale", true, factors, linear->in, error);
    BR_TRY(divide_rows(c, from->module, "weight", factors, error));
    BR_TRY(divide_rows(c, from->module, "bias", factors, error));
    return from->residual ? scale_vector(c, from->residual, "residual_scale", false, factors,
                                         linear->in, error)
                          : BERTRUN_OK;
}

static bertrun_status equalize_site(const equalizer *e, const site *s, const producer *from,
                                    bertrun_error *error)
{
    const br_calibration *c = e->calibration;
    size_t in = s->linear->in;
    float *weights = gather_weights(c, s->linear), *factors = br_alloc(in, sizeof *factors);
    double *squares = br_alloc(in, sizeof *squares);
    bertrun_status status = weights && factors && squares ? BERTRUN_OK : br_fail_nomem(error);
    if (status == BERTRUN_OK) {
        find_factors(e, s, weights, squares, factors);
        status = change_tensors(c, s->linear, from, factors, error);
    }
    br_free(squares);
    br_free(factors);
    br_free(weights);
    return status;
}

/* ------------------------------------------------------------------------------------- layers */

enum { SITES_A_LAYER = 4 }; /* Q/K/V, attention output, intermediate, output */

static bertrun_status equalize_layer(const equalizer *e, size_t layer, bertrun_error *error)
{
    const site *s = e->sites + layer * SITES_A_LAYER;
    char before[BR_TENSOR_NAME_SIZE], attention[BR_TENSOR_NAME_SIZE], after[BR_TENSOR_NAME_SIZE];
    char value[BR_TENSOR_NAME_SIZE], intermediate[BR_TENSOR_NAME_SIZE];
    snprintf(before, sizeof before, "encoder.layer.%zu.output.LayerNorm", layer - 1);
    snprintf(attention, sizeof attention, "encoder.layer.%zu.attention.output.LayerNorm", layer);
    snprintf(after, sizeof after, "encoder.layer.%zu.output.LayerNorm", layer);
    snprintf(value, sizeof value, "encoder.layer.%zu.attention.self.value", layer);
    snprintf(intermediate, sizeof intermediate, "encoder.layer.%zu.intermediate.dense", layer);
    bool relu = br_checkpoint_config(e->calibration->checkpoint)->hidden_act == BR_ACTIVATION_RELU;
    const producer producers[SITES_A_LAYER] = {
        {.module = layer == 0 ? "embeddings.LayerNorm" : before, .residual = attention},
        {.module = value},
        {.module = attention, .residual = after},
        {.module = intermediate, .scaled = !relu},
    };
    for (size_t i = 0; i < SITES_A_LAYER; i++)
        BR_TRY(equalize_site(e, &s[i], &producers[i], error));
    return BERTRUN_OK;
}

static bertrun_status equalize(equalizer *e, const bertrun_model *model, bertrun_error *error)
{
    size_t layers = model->info.num_hidden_layers;
    br_observer observer = {.see = see, .data = e};
    e->ops = model->ops;
    e->capacity = layers * SITES_A_LAYER;
    e->sites = br_calloc(e->capacity, sizeof *e->sites);
    if (!e->sites)
        return br_fail_nomem(error);
    BR_TRY(br_calibration_run(e->calibration, model, &observer, error));
    for (size_t layer = 0; layer < layers; layer++)
        BR_TRY(equalize_layer(e, layer, error));
    return BERTRUN_OK;
}

bertrun_status br_equalize(const br_calibration *calibration, bertrun_error *error)
{
    equalizer e = {.calibration = calibration};
    bertrun_model *model;
    BR_TRY(br_calibration_open(calibration, BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN,
                               &model, error));
    bertrun_status status = equalize(&e, model, error);
    close_equalizer(&e);
    bertrun_model_close(&model);
    return status;
}
