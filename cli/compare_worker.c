#include "cli/compare_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/clock.h"

typedef enum request_kind { REQUEST_RUN, REQUEST_HIDDEN, REQUEST_PEAK } request_kind;

typedef struct request {
    request_kind kind;
    size_t first, count;
} request;

/* ---------------------------------------------------------------------------------------- pipes */

static bool send_bytes(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = write(fd, at, size);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_bytes(int fd, void *data, size_t size)
{
    for (char *at = data; size > 0;) {
        ssize_t got = read(fd, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* -------------------------------------------------------------------------- the model's process */

typedef struct server {
    const compare_options *options;
    const compare_model *compared;
    const labelled_rows *rows;
    const compare_task *task;
    int commands, answers;
    size_t width; /* values of an input */
    bertrun_model *model;
    bertrun_session *session;
    bertrun_input *batch; /* [batch_size] */
    worker_input *inputs; /* of a block */
    float *values;        /* of a block */
} server;

static bool open_model(server *state, bertrun_error *error)
{
    const compare_options *options = state->options;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    if (bertrun_model_open(&state->model, state->compared->path, &state->compared->settings,
                           error) != BERTRUN_OK)
        return false;
    settings.threads = options->threads;
    settings.batch_tokens = options->batch_size * bertrun_model_get_info(state->model)->max_length;
    return bertrun_session_open(&state->session, state->model, &settings, error) == BERTRUN_OK;
}

static bool choose_task(server *state, const bertrun_model_info *info)
{
    state->task = compare_task_for(info->task);
    if (!state->task)
        cli_fail("%s: compare does not know how to judge %s", state->compared->name,
                 info->architecture);
    else if (state->rows->num_texts < state->task->min_texts)
        cli_fail("--columns: %s: %s needs %s", state->options->table.columns, state->compared->name,
                 state->task->columns);
    else
        return true;
    return false;
}

static bool send_facts(server *state, const bertrun_model_info *info)
{
    worker_facts facts = {
        .task = info->task,
        .precision = info->precision,
        .activations = info->activations,
        .width = state->width,
        .hidden_size = info->hidden_size,
        .num_states = info->num_hidden_layers + 1,
        .file_bytes = info->file_bytes,
        .threads = bertrun_session_threads(state->session),
    };
    snprintf(facts.architecture, sizeof facts.architecture, "%s", info->architecture);
    snprintf(facts.stored_dtype, sizeof facts.stored_dtype, "%s", info->stored_dtype);
    size_t count = state->rows->count;
    double *gold = cli_realloc(NULL, count, sizeof *gold);
    bool good = gold && state->task->read_gold(state->rows, info, gold) &&
                send_bytes(state->answers, &facts, sizeof facts) &&
                send_bytes(state->answers, gold, count * sizeof *gold);
    free(gold);
    return good;
}

/* Runs inputs [first, first + count); the output is the session's. */
static bool run_inputs(server *state, size_t first, size_t count, bertrun_output *output,
                       double *seconds)
{
    bertrun_error error;
    for (size_t i = 0; i < count; i++)
        state->batch[i] = compare_input(state->task, state->rows, first + i);
    double begin = clock_seconds();
    if (state->task->run(state->session, state->batch, count, output, &error) != BERTRUN_OK) {
        cli_fail("%s: %s", state->compared->name, error.message);
        return false;
    }
    *seconds = clock_seconds() - begin;
    return true;
}

/* Each input alone. The first is run once before, because another process had the cache. */
static bool run_alone(server *state, const request *asked)
{
    bertrun_output output;
    double seconds;
    if (!run_inputs(state, asked->first, 1, &output, &seconds))
        return false;
    for (size_t i = 0; i < asked->count; i++) {
        if (!run_inputs(state, asked->first + i, 1, &output, &seconds))
            return false;
        state->inputs[i] =
            (worker_input){seconds, output.texts[0].tokens, output.texts[0].truncated};
    }
    return true;
}

static bool run_batches(server *state, const request *asked, double *total)
{
    const size_t size = state->options->batch_size;
    bertrun_output output;
    double seconds;
    *total = 0;
    for (size_t done = 0, count; done < asked->count; done += count) {
        count = asked->count - done < size ? asked->count - done : size;
        if (!run_inputs(state, asked->first + done, count, &output, &seconds))
            return false;
        memcpy(state->values + done * output.width, output.values,
               count * output.width * sizeof *output.values);
        *total += seconds;
    }
    return true;
}

static bool answer_run(server *state, const request *asked)
{
    double batch_seconds;
    size_t values = asked->count * state->width;
    state->inputs = cli_realloc(state->inputs, asked->count, sizeof *state->inputs);
    state->values = cli_realloc(state->values, values, sizeof *state->values);
    return state->inputs && state->values && run_alone(state, asked) &&
           run_batches(state, asked, &batch_seconds) &&
           send_bytes(state->answers, &batch_seconds, sizeof batch_seconds) &&
           send_bytes(state->answers, state->inputs, asked->count * sizeof *state->inputs) &&
           send_bytes(state->answers, state->values, values * sizeof *state->values);
}

static bool answer_hidden(server *state, const request *asked)
{
    bertrun_input input = compare_input(state->task, state->rows, asked->first);
    bertrun_output output;
    bertrun_error error;
    if (bertrun_hidden_states(state->session, &input, 1, NULL, &output, &error) != BERTRUN_OK) {
        cli_fail("%s: %s", state->compared->name, error.message);
        return false;
    }
    size_t sizes[] = {output.num_states, output.total_tokens, output.width};
    return send_bytes(state->answers, sizes, sizeof sizes) &&
           send_bytes(state->answers, output.values,
                      sizes[0] * sizes[1] * sizes[2] * sizeof *output.values);
}

static bool answer_peak(const server *state)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return false;
    uint64_t bytes = (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
    return send_bytes(state->answers, &bytes, sizeof bytes);
}

/* Answers until the parent closes the pipe. */
static bool answer_all(server *state)
{
    request asked;
    while (receive_bytes(state->commands, &asked, sizeof asked)) {
        bool good = asked.kind == REQUEST_RUN      ? answer_run(state, &asked)
                    : asked.kind == REQUEST_HIDDEN ? answer_hidden(state, &asked)
                                                   : answer_peak(state);
        if (!good)
            return false;
    }
    return true;
}

static cli_exit serve(server *state)
{
    bertrun_error error;
    if (!open_model(state, &error))
        return cli_fail("%s", error.message);
    const bertrun_model_info *info = bertrun_model_get_info(state->model);
    if (!choose_task(state, info))
        return CLI_FAILED;
    state->width = state->task->width(info);
    state->batch = cli_realloc(NULL, state->options->batch_size, sizeof *state->batch);
    bool good = state->batch && send_facts(state, info) && answer_all(state);
    return good ? CLI_OK : CLI_FAILED;
}

/* ----------------------------------------------------------------------------------- the parent */

static bool fail_errno(const compare_worker *worker, const char *what)
{
    cli_fail("%s: %s: %s", worker->model->name, what, strerror(errno));
    return false;
}

/* The process is gone: if it has not said why, this does. */
static bool fail_gone(compare_worker *worker)
{
    int status = 0;
    pid_t pid = worker->pid;
    worker->pid = 0;
    if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        cli_fail("%s: its process was ended by signal %d (%s)", worker->model->name,
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    return false;
}

bool compare_worker_start(compare_worker *worker, const compare_model *model,
                          const compare_options *options, const labelled_rows *rows, double *gold)
{
    int commands[2], answers[2];
    *worker = (compare_worker){.model = model};
    if (pipe(commands) != 0)
        return fail_errno(worker, "cannot make a pipe");
    if (pipe(answers) != 0) {
        close(commands[0]);
        close(commands[1]);
        return fail_errno(worker, "cannot make a pipe");
    }
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0) {
        close(commands[1]);
        close(answers[0]);
        _exit((int)serve(&(server){.options = options,
                                   .compared = model,
                                   .rows = rows,
                                   .commands = commands[0],
                                   .answers = answers[1]}));
    }
    close(commands[0]);
    close(answers[1]);
    worker->commands = commands[1];
    worker->answers = answers[0];
    if (worker->pid < 0)
        return fail_errno(worker, "cannot start a process");
    if (receive_bytes(worker->answers, &worker->facts, sizeof worker->facts) &&
        receive_bytes(worker->answers, gold, rows->count * sizeof *gold))
        return true;
    return fail_gone(worker);
}

void compare_worker_close(compare_worker *worker)
{
    if (worker->commands > 0)
        close(worker->commands);
    if (worker->answers > 0)
        close(worker->answers);
    if (worker->pid > 0)
        waitpid(worker->pid, NULL, 0);
    *worker = (compare_worker){0};
}

static bool ask(compare_worker *worker, request_kind kind, size_t first, size_t count)
{
    request asked = {kind, first, count};
    return send_bytes(worker->commands, &asked, sizeof asked) || fail_gone(worker);
}

bool compare_worker_run(compare_worker *worker, size_t first, size_t count, worker_input *inputs,
                        float *values, double *batch_seconds)
{
    if (!ask(worker, REQUEST_RUN, first, count))
        return false;
    return (receive_bytes(worker->answers, batch_seconds, sizeof *batch_seconds) &&
            receive_bytes(worker->answers, inputs, count * sizeof *inputs) &&
            receive_bytes(worker->answers, values, count * worker->facts.width * sizeof *values)) ||
           fail_gone(worker);
}

bool compare_worker_hidden(compare_worker *worker, size_t index, worker_states *out)
{
    size_t sizes[3];
    if (!ask(worker, REQUEST_HIDDEN, index, 1))
        return false;
    if (!receive_bytes(worker->answers, sizes, sizeof sizes))
        return fail_gone(worker);
    out->states = sizes[0];
    out->tokens = sizes[1];
    out->width = sizes[2];
    size_t count = sizes[0] * sizes[1] * sizes[2];
    if (count > out->capacity) {
        float *grown = cli_realloc(out->values, count, sizeof *grown);
        if (!grown)
            return false;
        out->values = grown;
        out->capacity = count;
    }
    return receive_bytes(worker->answers, out->values, count * sizeof *out->values) ||
           fail_gone(worker);
}

bool compare_worker_peak(compare_worker *worker, uint64_t *bytes)
{
    if (!ask(worker, REQUEST_PEAK, 0, 0))
        return false;
    return receive_bytes(worker->answers, bytes, sizeof *bytes) || fail_gone(worker);
}
