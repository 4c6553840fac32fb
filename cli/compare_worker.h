/*
 * A model in a process of its own, so that its memory is its own and can be told, and so that
 * models do not disturb each other. The parent asks, one process at a time, and waits for the
 * answer.
 */
#ifndef COMPARE_WORKER_H
#define COMPARE_WORKER_H

#include <sys/types.h>

#include "cli/compare_options.h"
#include "cli/compare_task.h"

/** What the parent knows of a model. */
typedef struct worker_facts {
    bertrun_task task;
    bertrun_precision precision;
    bertrun_activations activations;
    char architecture[64], stored_dtype[16];
    size_t width; /* values of an input */
    size_t hidden_size, num_states;
    uint64_t file_bytes;
    int threads;
} worker_facts;

typedef struct compare_worker {
    pid_t pid;
    int commands, answers; /* pipes to the process and from it */
    const compare_model *model;
    worker_facts facts;
} compare_worker;

/** What became of one input. */
typedef struct worker_input {
    double seconds; /* alone, tokenizing included */
    size_t tokens, truncated;
} worker_input;

/** Hidden states of one input. */
typedef struct worker_states {
    size_t states, tokens, width;
    float *values; /* [states, tokens, width]; grown as needed, free() it */
    size_t capacity;
} worker_states;

/**
 * Starts a process that opens the model, and waits until it has. *gold [rows] receives the gold
 * column as the model understands it. Call it before this process has threads. All of these return
 * false after a complaint. A zero-initialized worker can be closed; of several close the last one
 * first, because it holds the others' pipes, too.
 */
bool compare_worker_start(compare_worker *worker, const compare_model *model,
                          const compare_options *options, const labelled_rows *rows, double *gold);
void compare_worker_close(compare_worker *worker);

/**
 * Computes inputs [first, first + count): each alone, to `inputs` [count], then in batches, to
 * `values` [count, facts.width]; the batches took *batch_seconds.
 */
bool compare_worker_run(compare_worker *worker, size_t first, size_t count, worker_input *inputs,
                        float *values, double *batch_seconds);

/** Hidden states of one input. */
bool compare_worker_hidden(compare_worker *worker, size_t index, worker_states *out);

/** Bytes of the process' largest resident set so far. */
bool compare_worker_peak(compare_worker *worker, uint64_t *bytes);

#endif
