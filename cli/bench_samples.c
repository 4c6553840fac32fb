#include "cli/bench_samples.h"

#include <stdlib.h>

#include "cli/cli.h"
#include "cli/clock.h"

enum { MIN_SAMPLES = 5, WARM_UP_PASSES = 3 };

/* xorshift32, Marsaglia 2003 */
static uint32_t next_random(uint32_t *state)
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
    uint32_t random = 2463534242;
    for (size_t i = 0; i < of->batch * of->length; i++)
        out->ids[i] = (int32_t)(next_random(&random) % vocab_size);
    for (size_t i = 0; i < of->batch; i++)
        out->inputs[i] = (bertrun_input){.ids = out->ids + i * of->length, .num_ids = of->length};
    return true;
}

void bench_inputs_free(bench_inputs *inputs)
{
    free(inputs->ids);
    free(inputs->inputs);
}

/* One timed pass; negative, having complained, where it fails. */
static double time_pass(bertrun_session *session, const bench_inputs *inputs, size_t batch)
{
    bertrun_output output;
    bertrun_error error;
    double start = clock_seconds();
    if (bertrun_embed(session, inputs->inputs, batch, NULL, &output, &error) != BERTRUN_OK) {
        cli_fail("%s", error.message);
        return -1;
    }
    return clock_seconds() - start;
}

bool samples_take(samples *out, bertrun_session *session, const bench_inputs *inputs, size_t batch,
                  double seconds)
{
    double start = clock_seconds();
    for (int i = 0; i < WARM_UP_PASSES || clock_seconds() - start < seconds / 10; i++)
        if (time_pass(session, inputs, batch) < 0)
            return false;
    start = clock_seconds();
    while (out->count < MIN_SAMPLES || clock_seconds() - start < seconds) {
        double pass = time_pass(session, inputs, batch);
        if (pass < 0 || !samples_add(out, pass))
            return false;
    }
    samples_sort(out);
    return true;
}
