#include "engine/calibration.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/memory.h"
#include "engine/correct_biases.h"
#include "engine/equalize.h"
#include "engine/fix_inputs.h"
#include "engine/round_weights.h"
#include "engine/session.h"

/* Token rows of calibration text: more are left out, evenly. They bound memory and time (a base
 * model's rows take 0.5 GB), and no more was won by more. */
enum { MAX_TOKENS = 24576 };

void br_calibration_log(const br_calibration *calibration, const char *format, ...)
{
    char line[256];
    va_list arguments;
    if (!calibration->settings->log)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    calibration->settings->log(calibration->settings->log_data, line);
}

float br_calibration_row_factor(const br_ops *ops, const float *row, size_t n)
{
    float squares = ops->sum_squares(row, n);
    return squares > 0 ? sqrtf((float)n / squares) : 0;
}

/* --------------------------------------------------------------------------------- the texts */

static bertrun_status count_tokens(const bertrun_model *model, const bertrun_input *inputs,
                                   size_t count, size_t *tokens, bertrun_error *error)
{
    br_encoding encoding = {0};
    bertrun_encode_options options = {.max_length = model->info.max_length};
    bertrun_status status = BERTRUN_OK;
    *tokens = 0;
    for (size_t i = 0; i < count && status == BERTRUN_OK; i++) {
        const bertrun_input *input = &inputs[i];
        if (!input->ids)
            status = br_tokenizer_encode(model->tokenizer, input->text, input->length, input->pair,
                                         input->pair_length, &options, &encoding, error);
        *tokens += input->ids ? input->num_ids : encoding.count;
    }
    br_encoding_free(&encoding);
    return status;
}

/* Every k-th text, so that they have MAX_TOKENS tokens at most, or nearly so. */
static bertrun_status choose_inputs(br_calibration *c, bertrun_error *error)
{
    const bertrun_convert_settings *settings = c->settings;
    bertrun_model *model;
    size_t tokens;
    BR_TRY(br_calibration_open(c, BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN, &model, error));
    bertrun_status status =
        count_tokens(model, settings->calibration, settings->num_calibration, &tokens, error);
    bertrun_model_close(&model);
    BR_TRY(status);
    size_t step = tokens / MAX_TOKENS + 1;
    c->inputs = br_alloc(settings->num_calibration, sizeof *c->inputs);
    if (!c->inputs)
        return br_fail_nomem(error);
    for (size_t i = 0; i < settings->num_calibration; i += step)
        c->inputs[c->count++] = settings->calibration[i];
    br_calibration_log(c, "calibrating with %zu of %zu texts, about %zu tokens", c->count,
                       settings->num_calibration, tokens / step);
    return BERTRUN_OK;
}

/* --------------------------------------------------------------------------------- the model */

bertrun_status br_calibration_open(const br_calibration *calibration, bertrun_precision precision,
                                   bertrun_activations activations, bertrun_model **out,
                                   bertrun_error *error)
{
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = precision;
    settings.activations = activations;
    if (precision == BERTRUN_PRECISION_INT8)
        settings.weights = calibration->settings->weights;
    return br_model_open_on(out, calibration->checkpoint, calibration->source, &settings, error);
}

static bertrun_status run_session(bertrun_session *session, const br_calibration *calibration,
                                  bertrun_error *error)
{
    bertrun_output output;
    const bertrun_input *inputs = calibration->inputs;
    size_t count = calibration->count;
    switch (session->model->info.task) {
    case BERTRUN_TASK_CLASSIFY:
        return bertrun_classify(session, inputs, count, &output, error);
    case BERTRUN_TASK_EMBED:
        return bertrun_embed(session, inputs, count, NULL, &output, error);
    default: /* the encoder; heads stay as they are */
        return bertrun_hidden_states(session, inputs, count, NULL, &output, error);
    }
}

bertrun_status br_calibration_run(const br_calibration *calibration, const bertrun_model *model,
                                  const br_observer *observer, bertrun_error *error)
{
    bertrun_session *session;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.batch_tokens = SIZE_MAX;
    BR_TRY(bertrun_session_open(&session, model, &settings, error));
    session->work.observer = observer;
    bertrun_status status = run_session(session, calibration, error);
    bertrun_session_close(&session);
    return status;
}

/* ------------------------------------------------------------------------------------ all of it */

static bertrun_status check_checkpoint(const br_calibration *c, bertrun_error *error)
{
    const br_tensor *tensors;
    const br_fixed_input *inputs;
    size_t count = br_checkpoint_tensors(c->checkpoint, &tensors);
    if (br_checkpoint_fixed_inputs(c->checkpoint, &inputs) > 0)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: calibration: the input of %s is fixed already", c->source,
                       inputs[0].name);
    for (size_t i = 0; i < count; i++)
        if (tensors[i].dtype == BR_DTYPE_S8)
            return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                           "%s: calibration: its weights are int8 already; name the original",
                           c->source);
    return BERTRUN_OK;
}

/* Biases come last: they make up for all the rest, unless it is as much as entropy cuts off: there
 * means made right left MiniLM a cosine of 0.24 for 0.94. */
static bertrun_status calibrate_int8(br_calibration *c, bertrun_error *error)
{
    br_mean_outputs wanted;
    bertrun_status status = br_mean_outputs_measure(&wanted, c, error);
    if (status == BERTRUN_OK && c->settings->rounding == BERTRUN_ROUNDING_GPTQ)
        status = br_round_weights(c, error);
    if (status == BERTRUN_OK && c->settings->observer != BERTRUN_OBSERVER_NONE)
        status = br_fix_inputs(c, error);
    if (status == BERTRUN_OK && c->settings->observer != BERTRUN_OBSERVER_ENTROPY)
        status = br_correct_biases(c, &wanted, error);
    br_mean_outputs_free(&wanted);
    return status;
}

static bertrun_status calibrate(br_calibration *c, bertrun_error *error)
{
    BR_TRY(check_checkpoint(c, error));
    BR_TRY(choose_inputs(c, error));
    if (c->settings->equalize_alpha != 0)
        BR_TRY(br_equalize(c, error));
    if (c->settings->dtype == BERTRUN_DTYPE_INT8)
        BR_TRY(calibrate_int8(c, error));
    return BERTRUN_OK;
}

bertrun_status br_calibrate(br_checkpoint *checkpoint, const char *source,
                            const bertrun_convert_settings *settings, bertrun_error *error)
{
    br_calibration c = {.checkpoint = checkpoint, .source = source, .settings = settings};
    bertrun_status status = calibrate(&c, error);
    br_free(c.inputs);
    return status;
}
