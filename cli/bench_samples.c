#include "cli/bench_samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/clock.h"

enum { MIN_SAMPLES = 5, WARM_UP_PASSES = 3 };

uint32_t bench_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

bool bench_inputs_make(bench_inputs *out, const shape *of, size_t vocab_size)
{
    out->ids = cli_realloc(NULL, of->batch * of->length, sizeof *out->ids);
    out->inputs = cli_realloc(NULL, of->batch, sizeof *out->inputs);
    if (!out->ids || !out->inputs)
        return false;
    uint32_t random = BENCH_SEED;
    for (size_t i = 0; i < of->batch * of->length; i++)
        out->ids[i] = (int32_t)(bench_random(&random) % vocab_size);
    for (size_t i = 0; i < of->batch; i++)
        out->inputs[i] = (bertrun_input){.ids = out->ids + i * of->length, .num_ids = of->length};
    return true;
}

void bench_inputs_free(bench_inputs *inputs)
{
    free(inputs->ids);
    free(inputs->inputs);
}

/* Negative, having complained, where the pass fails. */
static double time_pass(bench_pass pass, void *argument)
{
    double start = clock_seconds();
    return pass(argument) ? clock_seconds() - start : -1;
}

bool samples_take(samples *out, bench_pass pass, void *argument, double seconds)
{
    double start = clock_seconds();
    for (int i = 0; i < WARM_UP_PASSES || clock_seconds() - start < seconds / 10; i++)
        if (!pass(argument))
            return false;
    start = clock_seconds();
    while (out->count < MIN_SAMPLES || clock_seconds() - start < seconds) {
        double taken = time_pass(pass, argument);
        if (taken < 0 || !samples_add(out, taken))
            return false;
    }
    samples_sort(out);
    return true;
}

bench_result bench_result_of(const shape *of, const samples *sorted)
{
    bench_result result = {
        .min = sorted->seconds[0],
        .median = samples_percentile(sorted, 0.5),
        .p90 = samples_percentile(sorted, 0.9),
        .p99 = samples_percentile(sorted, 0.99),
    };
    snprintf(result.shape, sizeof result.shape, "%zux%zu", of->batch, of->length);
    result.tokens_per_s = (double)(of->batch * of->length) / result.median;
    return result;
}

void bench_result_print(const bench_result *result)
{
    printf("%-8s %9.3f %9.3f %9.3f %9.3f %10.0f", result->shape, result->min * 1e3,
           result->median * 1e3, result->p90 * 1e3, result->p99 * 1e3, result->tokens_per_s);
}

json_t *bench_result_json(const bench_result *result, const char *rate)
{
    return json_pack("{ss s{sf sf sf sf} sf}", "shape", result->shape, "ms", "min",
                     result->min * 1e3, "median", result->median * 1e3, "p90", result->p90 * 1e3,
                     "p99", result->p99 * 1e3, rate, result->tokens_per_s);
}
