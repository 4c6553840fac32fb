#include "cli/bench_lm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/json_write.h"

typedef struct lm_bench {
    const lm_bench_options *options;
    const bertrun_lm *lm;
    json_t *results; /* --json */
} lm_bench;

/* What a pass reads. */
typedef struct reading {
    bertrun_lm_session *session;
    bench_inputs inputs;
    size_t steps;
} reading;

static bool read_words(void *argument)
{
    const reading *pass = argument;
    const float *logits;
    bertrun_error error;
    if (bertrun_lm_logits(pass->session, pass->inputs.ids, pass->steps, &logits, &error) ==
        BERTRUN_OK)
        return true;
    cli_fail("%s", error.message);
    return false;
}

static void report(const lm_bench *bench, const shape *of, const samples *sorted)
{
    bench_result result = bench_result_of(of, sorted);
    if (bench->options->json) {
        json_t *object = bench_result_json(&result, "words_per_s");
        json_object_set_new(object, "calls", json_integer((json_int_t)sorted->count));
        json_array_append_new(bench->results, object);
        return;
    }
    bench_result_print(&result);
    putchar('\n');
    fflush(stdout);
}

static bool open_session(const lm_bench *bench, const shape *of, bertrun_lm_session **session)
{
    bertrun_lm_session_settings settings;
    bertrun_error error;
    bertrun_lm_session_settings_init(&settings);
    settings.threads = bench->options->threads;
    settings.columns = of->batch;
    if (bertrun_lm_session_open(session, bench->lm, &settings, &error) == BERTRUN_OK)
        return true;
    cli_fail("%s", error.message);
    return false;
}

static bool bench_shape(const lm_bench *bench, const shape *of)
{
    reading pass = {.steps = of->length};
    samples taken = {0};
    bool good = bench_inputs_make(&pass.inputs, of, bertrun_lm_get_info(bench->lm)->vocab_size) &&
                open_session(bench, of, &pass.session) &&
                samples_take(&taken, read_words, &pass, bench->options->seconds);
    if (good)
        report(bench, of, &taken);
    bertrun_lm_session_close(&pass.session);
    free(taken.seconds);
    bench_inputs_free(&pass.inputs);
    return good;
}

static cli_exit print_json(const lm_bench *bench)
{
    json_t *object = json_pack("{ss ss sO}", "model", bench->options->model, "precision",
                               bertrun_precision_name(bertrun_lm_get_info(bench->lm)->precision),
                               "results", bench->results);
    return json_print(object, 6);
}

static cli_exit bench_all(const lm_bench *bench)
{
    const lm_bench_options *options = bench->options;
    if (!options->json)
        printf("%s, %s\n%-8s %9s %9s %9s %9s %10s\n", options->model,
               bertrun_precision_name(bertrun_lm_get_info(bench->lm)->precision), "shape", "min ms",
               "median", "p90", "p99", "words/s");
    for (size_t i = 0; i < options->num_shapes; i++)
        if (!bench_shape(bench, &options->shapes[i]))
            return CLI_FAILED;
    return options->json ? print_json(bench) : CLI_OK;
}

cli_exit bench_lm(const lm_bench_options *options)
{
    bertrun_lm *lm;
    bertrun_error error;
    if (bertrun_lm_open(&lm, options->model, options->settings, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    lm_bench bench = {options, lm, json_array()};
    cli_exit code = bench_all(&bench);
    json_decref(bench.results);
    bertrun_lm_close(&lm);
    return code;
}
