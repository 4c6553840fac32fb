/* A language model in a process of its own: it reads the text, a call after another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/compare_engine.h"
#include "cli/lm_text.h"

typedef struct reader {
    const char *name;
    bertrun_lm *lm;
    bertrun_lm_session *session;
    lm_columns columns;
} reader;

static bool open_session(reader *state, const compare_job *job)
{
    bertrun_lm_session_settings settings;
    bertrun_error error;
    bertrun_lm_session_settings_init(&settings);
    settings.threads = job->options->threads;
    settings.columns = state->columns.columns;
    if (bertrun_lm_open(&state->lm, job->model->path, &job->model->settings, &error) ==
            BERTRUN_OK &&
        bertrun_lm_session_open(&state->session, state->lm, &settings, &error) == BERTRUN_OK)
        return true;
    cli_fail("%s", error.message);
    return false;
}

static bool read_words(lm_words *words, const bertrun_lm *lm, const compare_data *data)
{
    text_line line = {.file = fmemopen(data->text, data->size, "rb"), .name = data->name};
    bool good = line.file && lm_words_add_lines(words, lm, &line);
    if (!line.file)
        cli_fail("out of memory");
    text_line_close(&line);
    return good;
}

static worker_facts describe(const reader *state, const lm_words *words)
{
    const bertrun_lm_info *info = bertrun_lm_get_info(state->lm);
    worker_facts facts = {
        .task = &task_foretell,
        .precision = info->precision,
        .activations = BERTRUN_ACTIVATIONS_TOKEN,
        .inputs = lm_columns_calls(&state->columns),
        .width = state->columns.bptt * state->columns.columns,
        .rows = words->count,
        .unknown = words->unknown,
        .file_bytes = info->file_bytes,
        .threads = bertrun_lm_session_threads(state->session),
    };
    snprintf(facts.architecture, sizeof facts.architecture, "%s", info->architecture);
    snprintf(facts.stored_dtype, sizeof facts.stored_dtype, "%s", info->stored_dtype);
    return facts;
}

/* A call's words, [count], and the log probabilities that the model gives them. */
static bool score(reader *state, size_t call, const float **log_probs, size_t *count)
{
    bertrun_error error;
    if (lm_columns_score(&state->columns, state->session, call, log_probs, count, &error) ==
        BERTRUN_OK)
        return true;
    cli_fail("%s: %s", state->name, error.message);
    return false;
}

/* The words that should come out are those of the text. */
static double *copy_words(const lm_words *words)
{
    double *gold = cli_realloc(NULL, words->count, sizeof *gold);
    for (size_t i = 0; gold && i < words->count; i++)
        gold[i] = words->ids[i];
    return gold;
}

/* The first call is made once before, so that scratch memory is there. */
static bool warm_up(reader *state)
{
    const float *log_probs;
    size_t count;
    bool good = score(state, 0, &log_probs, &count);
    bertrun_lm_session_reset(state->session);
    return good;
}

static bool open_reader(void **engine, const compare_job *job, worker_facts *facts, double **gold)
{
    reader *state = *engine = cli_realloc(NULL, 1, sizeof *state);
    lm_words words = {0};
    if (!state)
        return false;
    *state = (reader){.name = job->model->name,
                      .columns = {.columns = job->options->batch_size, .bptt = job->options->bptt}};
    bool good = open_session(state, job) && read_words(&words, state->lm, job->data) &&
                lm_columns_cut(&state->columns, &words, job->data->name) && warm_up(state);
    if (good) {
        *facts = describe(state, &words);
        *gold = copy_words(&words);
    }
    free(words.ids);
    return good && *gold;
}

/* A call of fewer words, the last one, leaves zeros behind them. */
static bool run_reader(void *engine, size_t first, size_t count, worker_input *inputs,
                       float *values, double *batch_seconds)
{
    reader *state = engine;
    size_t width = state->columns.bptt * state->columns.columns;
    memset(values, 0, count * width * sizeof *values);
    *batch_seconds = 0;
    for (size_t i = 0; i < count; i++) {
        const float *log_probs;
        double begin = clock_seconds();
        inputs[i] = (worker_input){0};
        if (!score(state, first + i, &log_probs, &inputs[i].tokens))
            return false;
        inputs[i].seconds = clock_seconds() - begin;
        *batch_seconds += inputs[i].seconds;
        memcpy(values + i * width, log_probs, inputs[i].tokens * sizeof *values);
    }
    return true;
}

const compare_engine compare_lm = {.open = open_reader, .run = run_reader};
