/*
 * A model in a process of its own, so that its memory is its own and can be told, and so that
 * models do not disturb each other. The parent asks, one process at a time, and waits for the
 * answer.
 */
#ifndef COMPARE_WORKER_H
#define COMPARE_WORKER_H

#include <sys/types.h>

#include "cli/compare_engine.h"

typedef struct compare_worker {
    pid_t pid;
    int commands, answers; /* pipes to the process and from it */
    const compare_model *model;
    worker_facts facts;
    float *hidden; /* memory of the last hidden states */
    size_t hidden_capacity;
} compare_worker;

/**
 * Starts a process that opens the model, and waits until it has. *gold [facts.rows] receives the
 * gold column as the model understands it; free() it. Call it before this process has threads. All
 * of these return false after a complaint. A zero-initialized worker can be closed; of several
 * close the last one first, because it holds the others' pipes, too.
 */
bool compare_worker_start(compare_worker *worker, const compare_job *job, double **gold);
void compare_worker_close(compare_worker *worker);

/** Computes inputs, as compare_engine's run(). */
bool compare_worker_run(compare_worker *worker, size_t first, size_t count, worker_input *inputs,
                        float *values, double *batch_seconds);

/** Hidden states of one input. */
bool compare_worker_hidden(compare_worker *worker, size_t index, worker_states *out);

/** Bytes of the process' largest resident set so far. */
bool compare_worker_peak(compare_worker *worker, uint64_t *bytes);

#endif
