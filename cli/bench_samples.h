/* Timed passes, and the random inputs they are given. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <jansson.h>

#include "bertrun/bertrun.h"
#include "cli/samples.h"

/** The next random number: xorshift32, Marsaglia 2003. It starts with BENCH_SEED. */
uint32_t bench_random(uint32_t *state);
#define BENCH_SEED UINT32_C(2463534242)

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

/** Does once what is measured; false, having complained, where it fails. */
typedef bool (*bench_pass)(void *argument);

/**
 * Warms up for a tenth of the time, then times passes until `seconds` are over. Returns false,
 * having complained, where a pass fails.
 */
bool samples_take(samples *out, bench_pass pass, void *argument, double seconds);

/** What is told of sorted samples of a shape; seconds. */
typedef struct bench_result {
    char shape[32]; /* "10x35" */
    double min, median, p90, p99;
    double tokens_per_s; /* at the median */
} bench_result;

bench_result bench_result_of(const shape *of, const samples *sorted);

/** As a line of text without its end, and as JSON with `rate` the name of tokens a second. */
void bench_result_print(const bench_result *result);
json_t *bench_result_json(const bench_result *result, const char *rate);

#endif
