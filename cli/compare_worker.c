#include "cli/compare_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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
    const compare_engine *engine;
    void *state; /* the engine's */
    int commands, answers;
    size_t width;         /* values of an input */
    worker_input *inputs; /* of a block */
    float *values;        /* of a block */
} server;

static bool answer_run(server *self, const request *asked)
{
    double batch_seconds;
    size_t values = asked->count * self->width;
    self->inputs = cli_realloc(self->inputs, asked->count, sizeof *self->inputs);
    self->values = cli_realloc(self->values, values, sizeof *self->values);
    return self->inputs && self->values &&
           self->engine->run(self->state, asked->first, asked->count, self->inputs, self->values,
                             &batch_seconds) &&
           send_bytes(self->answers, &batch_seconds, sizeof batch_seconds) &&
           send_bytes(self->answers, self->inputs, asked->count * sizeof *self->inputs) &&
           send_bytes(self->answers, self->values, values * sizeof *self->values);
}

static bool answer_hidden(const server *self, const request *asked)
{
    worker_states states;
    return self->engine->hidden(self->state, asked->first, &states) &&
           send_bytes(self->answers, &states, sizeof states) &&
           send_bytes(self->answers, states.values,
                      states.states * states.tokens * states.width * sizeof *states.values);
}

static bool answer_peak(const server *self)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return false;
    uint64_t bytes = (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
    return send_bytes(self->answers, &bytes, sizeof bytes);
}

/* Answers until the parent closes the pipe. */
static bool answer_all(server *self)
{
    request asked;
    while (receive_bytes(self->commands, &asked, sizeof asked)) {
        bool good = asked.kind == REQUEST_RUN      ? answer_run(self, &asked)
                    : asked.kind == REQUEST_HIDDEN ? answer_hidden(self, &asked)
                                                   : answer_peak(self);
        if (!good)
            return false;
    }
    return true;
}

static cli_exit serve(server *self, const compare_job *job)
{
    worker_facts facts;
    double *gold = NULL;
    bool good = self->engine->open(&self->state, job, &facts, &gold) &&
                send_bytes(self->answers, &facts, sizeof facts) &&
                send_bytes(self->answers, gold, facts.rows * sizeof *gold);
    free(gold);
    self->width = good ? facts.width : 0;
    return good && answer_all(self) ? CLI_OK : CLI_FAILED;
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

/* Starts the process; this one keeps the other ends of its pipes. */
static void fork_server(compare_worker *worker, const compare_job *job, const int commands[2],
                        const int answers[2])
{
    bool lm = job->data->kind == BERTRUN_KIND_LM;
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0) {
        close(commands[1]);
        close(answers[0]);
        _exit((int)serve(&(server){.engine = lm ? &compare_lm : &compare_encoder,
                                   .commands = commands[0],
                                   .answers = answers[1]},
                         job));
    }
    close(commands[0]);
    close(answers[1]);
    worker->commands = commands[1];
    worker->answers = answers[0];
}

static bool receive_facts(compare_worker *worker, double **gold)
{
    if (!receive_bytes(worker->answers, &worker->facts, sizeof worker->facts))
        return fail_gone(worker);
    *gold = cli_realloc(NULL, worker->facts.rows, sizeof **gold);
    if (!*gold)
        return false;
    return receive_bytes(worker->answers, *gold, worker->facts.rows * sizeof **gold) ||
           fail_gone(worker);
}

bool compare_worker_start(compare_worker *worker, const compare_job *job, double **gold)
{
    int commands[2], answers[2];
    *worker = (compare_worker){.model = job->model};
    if (pipe(commands) != 0)
        return fail_errno(worker, "cannot make a pipe");
    if (pipe(answers) != 0) {
        close(commands[0]);
        close(commands[1]);
        return fail_errno(worker, "cannot make a pipe");
    }
    fork_server(worker, job, commands, answers);
    if (worker->pid < 0)
        return fail_errno(worker, "cannot start a process");
    return receive_facts(worker, gold);
}

void compare_worker_close(compare_worker *worker)
{
    if (worker->commands > 0)
        close(worker->commands);
    if (worker->answers > 0)
        close(worker->answers);
    if (worker->pid > 0)
        waitpid(worker->pid, NULL, 0);
    free(worker->hidden);
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
    if (!ask(worker, REQUEST_HIDDEN, index, 1))
        return false;
    if (!receive_bytes(worker->answers, out, sizeof *out))
        return fail_gone(worker);
    size_t count = out->states * out->tokens * out->width;
    if (count > worker->hidden_capacity) {
        float *grown = cli_realloc(worker->hidden, count, sizeof *grown);
        if (!grown)
            return false;
        worker->hidden = grown;
        worker->hidden_capacity = count;
    }
    out->values = worker->hidden;
    return receive_bytes(worker->answers, worker->hidden, count * sizeof *worker->hidden) ||
           fail_gone(worker);
}

bool compare_worker_peak(compare_worker *worker, uint64_t *bytes)
{
    if (!ask(worker, REQUEST_PEAK, 0, 0))
        return false;
    return receive_bytes(worker->answers, bytes, sizeof *bytes) || fail_gone(worker);
}
