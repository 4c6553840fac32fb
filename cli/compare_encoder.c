/* An encoder in a process of its own: texts alone and in batches, and hidden states. */
#include <stdio.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/compare_engine.h"

typedef struct encoder {
    compare_job job;
    const compare_task *task;
    bertrun_model *model;
    bertrun_session *session;
    bertrun_input *batch; /* [batch_size] */
} encoder;

static bool open_model(encoder *state, bertrun_error *error)
{
    const compare_options *options = state->job.options;
    const compare_model *model = state->job.model;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    if (bertrun_model_open(&state->model, model->path, &model->settings, error) != BERTRUN_OK)
        return false;
    settings.threads = options->threads;
    settings.batch_tokens = options->batch_size * bertrun_model_get_info(state->model)->max_length;
    return bertrun_session_open(&state->session, state->model, &settings, error) == BERTRUN_OK;
}

static bool choose_task(encoder *state, const bertrun_model_info *info)
{
    const compare_job *job = &state->job;
    state->task = compare_task_for(info->task);
    if (!state->task)
        cli_fail("%s: compare does not know how to judge %s", job->model->name, info->architecture);
    else if (job->data->rows.num_texts < state->task->min_texts)
        cli_fail("--columns: %s: %s needs %s", job->options->table.columns, job->model->name,
                 state->task->columns);
    else
        return true;
    return false;
}

static worker_facts describe(const encoder *state, const bertrun_model_info *info)
{
    const labelled_rows *rows = &state->job.data->rows;
    worker_facts facts = {
        .task = state->task,
        .precision = info->precision,
        .activations = info->activations,
        .inputs = rows->count * compare_inputs_per_row(state->task, rows),
        .width = state->task->width(info),
        .rows = rows->count,
        .num_states = info->num_hidden_layers + 1,
        .file_bytes = info->file_bytes,
        .threads = bertrun_session_threads(state->session),
    };
    snprintf(facts.architecture, sizeof facts.architecture, "%s", info->architecture);
    snprintf(facts.stored_dtype, sizeof facts.stored_dtype, "%s", info->stored_dtype);
    return facts;
}

static bool open_encoder(void **engine, const compare_job *job, worker_facts *facts, double **gold)
{
    bertrun_error error;
    encoder *state = *engine = cli_realloc(NULL, 1, sizeof *state);
    if (!state)
        return false;
    *state = (encoder){.job = *job};
    if (!open_model(state, &error)) {
        cli_fail("%s", error.message);
        return false;
    }
    const bertrun_model_info *info = bertrun_model_get_info(state->model);
    if (!choose_task(state, info))
        return false;
    *facts = describe(state, info);
    state->batch = cli_realloc(NULL, job->options->batch_size, sizeof *state->batch);
    *gold = cli_realloc(NULL, facts->rows, sizeof **gold);
    return state->batch && *gold && state->task->read_gold(&job->data->rows, info, *gold);
}

/* Runs inputs [first, first + count); the output is the session's. */
static bool run_inputs(encoder *state, size_t first, size_t count, bertrun_output *output,
                       double *seconds)
{
    bertrun_error error;
    for (size_t i = 0; i < count; i++)
        state->batch[i] = compare_input(state->task, &state->job.data->rows, first + i);
    double begin = clock_seconds();
    if (state->task->run(state->session, state->batch, count, output, &error) != BERTRUN_OK) {
        cli_fail("%s: %s", state->job.model->name, error.message);
        return false;
    }
    *seconds = clock_seconds() - begin;
    return true;
}

/* Each input alone. The first is run once before, because another process had the cache. */
static bool run_alone(encoder *state, size_t first, size_t count, worker_input *inputs)
{
    bertrun_output output;
    double seconds;
    if (!run_inputs(state, first, 1, &output, &seconds))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!run_inputs(state, first + i, 1, &output, &seconds))
            return false;
        inputs[i] = (worker_input){seconds, output.texts[0].tokens, output.texts[0].truncated};
    }
    return true;
}

static bool run_batches(encoder *state, size_t first, size_t count, float *values, double *total)
{
    const size_t size = state->job.options->batch_size;
    bertrun_output output;
    double seconds;
    *total = 0;
    for (size_t done = 0, some; done < count; done += some) {
        some = count - done < size ? count - done : size;
        if (!run_inputs(state, first + done, some, &output, &seconds))
            return false;
        memcpy(values + done * output.width, output.values,
               some * output.width * sizeof *output.values);
        *total += seconds;
    }
    return true;
}

static bool run_encoder(void *engine, size_t first, size_t count, worker_input *inputs,
                        float *values, double *batch_seconds)
{
    return run_alone(engine, first, count, inputs) &&
           run_batches(engine, first, count, values, batch_seconds);
}

static bool show_hidden(void *engine, size_t index, worker_states *states)
{
    encoder *state = engine;
    bertrun_input input = compare_input(state->task, &state->job.data->rows, index);
    bertrun_output output;
    bertrun_error error;
    if (bertrun_hidden_states(state->session, &input, 1, NULL, &output, &error) != BERTRUN_OK) {
        cli_fail("%s: %s", state->job.model->name, error.message);
        return false;
    }
    *states = (worker_states){output.num_states, output.total_tokens, output.width, output.values};
    return true;
}

const compare_engine compare_encoder = {open_encoder, run_encoder, show_hidden};
