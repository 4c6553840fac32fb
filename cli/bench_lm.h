/* bertrun bench for language models: how long reading some words of some columns takes. */
#ifndef BENCH_LM_H
#define BENCH_LM_H

#include "cli/bench_samples.h"
#include "cli/cli.h"

typedef struct lm_bench_options {
    const char *model;
    const bertrun_model_settings *settings;
    const shape *shapes; /* [num_shapes], columns x steps */
    size_t num_shapes;
    int threads;
    double seconds; /* a shape */
    bool json;
} lm_bench_options;

/** Measures calls that give the logits after each word, the state carried from call to call. */
cli_exit bench_lm(const lm_bench_options *options);

#endif
