#include "cli/bench_samples.h"

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
