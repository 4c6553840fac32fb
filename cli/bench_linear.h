/* bertrun bench --linear: one linear layer in f32, bf16 and int8. */
#ifndef BENCH_LINEAR_H
#define BENCH_LINEAR_H

#include "bertrun/bertrun.h"
#include "cli/cli.h"

enum { BENCH_MAX_BATCHES = 64 };

/** What --linear and --batch say. */
typedef struct bench_layer {
    size_t in, out;                                 /* features */
    size_t batches[BENCH_MAX_BATCHES], num_batches; /* input rows */
} bench_layer;

/** These parse "768x768" and "1,32,128", or complain and return false. */
bool bench_parse_layer(bench_layer *layer, const char *text);
bool bench_parse_batches(bench_layer *layer, const char *text);

/**
 * Runs a layer of random weights in each precision, `seconds` for each batch, and prints a table,
 * or JSON. `settings` says the rest; its precision is not read.
 */
cli_exit bench_linear(const bench_layer *layer, const bertrun_linear_settings *settings,
                      double seconds, bool json);

#endif
