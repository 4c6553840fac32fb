/* Timed forward passes over random token ids. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include "bertrun/bertrun.h"
#include "cli/samples.h"

/** Texts in a batch, tokens in each. */
typedef struct shape {
    size_t batch, length;
} shape;

/** Inputs of a shape: the same random ids in every run. */
typedef struct bench_inputs {
    int32_t *ids;          /* [batch, length] */
    bertrun_input *inputs; /* [batch] */
} bench_inputs;

bool bench_inputs_make(bench_inputs *out, const shape *of, size_t vocab_size);
void bench_inputs_free(bench_inputs *inputs);

/**
 * Warms up for a tenth of the time, then times passes until `seconds` are over. Returns false,
 * having complained, where a pass fails.
 */
bool samples_take(samples *out, bertrun_session *session, const bench_inputs *inputs, size_t batch,
                  double seconds);

#endif
