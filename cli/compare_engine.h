/*
 * What a model's process does with its model. There are two, for the library's two kinds of models:
 * compare_encoder.c and compare_lm.c. They live until their process ends.
 */
#ifndef COMPARE_ENGINE_H
#define COMPARE_ENGINE_H

#include "cli/compare_data.h"
#include "cli/compare_task.h"

/** What such a process is started with. */
typedef struct compare_job {
    const compare_options *options;
    const compare_model *model;
    const compare_data *data;
} compare_job;

/** What the parent knows of a model. */
typedef struct worker_facts {
    const compare_task *task; /* a constant: the same address in all processes */
    bertrun_precision precision;
    bertrun_activations activations;
    char architecture[64], stored_dtype[16];
    size_t inputs;     /* that the data makes for it */
    size_t width;      /* values of an input */
    size_t rows;       /* of the data: lines, or words of a text */
    size_t unknown;    /* words that are not in the vocabulary */
    size_t num_states; /* hidden states that it shows; 0: none */
    uint64_t file_bytes;
    int threads;
} worker_facts;

/** What became of one input. */
typedef struct worker_input {
    double seconds; /* alone, tokenizing included */
    size_t tokens, truncated;
} worker_input;

/** Hidden states of one input. */
typedef struct worker_states {
    size_t states, tokens, width;
    const float *values; /* [states, tokens, width], valid until the next are asked for */
} worker_states;

/** All return false after a complaint. */
typedef struct compare_engine {
    /** Opens the model; *gold [facts->rows] is what the data says should come out. */
    bool (*open)(void **engine, const compare_job *job, worker_facts *facts, double **gold);
    /**
     * Computes inputs [first, first + count), after those before them: `inputs` [count], `values`
     * [count, facts.width]; in batches it took *batch_seconds.
     */
    bool (*run)(void *engine, size_t first, size_t count, worker_input *inputs, float *values,
                double *batch_seconds);
    /** Not where facts.num_states is 0. */
    bool (*hidden)(void *engine, size_t index, worker_states *states);
} compare_engine;

extern const compare_engine compare_encoder, compare_lm;

#endif
