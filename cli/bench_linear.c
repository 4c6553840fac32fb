#include "cli/bench_linear.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_samples.h"
#include "cli/json_write.h"

bool bench_parse_layer(bench_layer *layer, const char *text)
{
    int used = 0;
    /* sscanf would take a sign */
    if (text[strspn(text, "0123456789x")] == '\0' &&
        sscanf(text, "%8zux%8zu%n", &layer->in, &layer->out, &used) == 2 && !text[used] &&
        layer->in > 0 && layer->out > 0)
        return true;
    cli_usage("--linear: '%s' is no INxOUT, like 768x3072", text);
    return false;
}

bool bench_parse_batches(bench_layer *layer, const char *text)
{
    const bool clean = text[strspn(text, "0123456789,")] == '\0';
    const char *at = text;
    for (layer->num_batches = 0; clean && layer->num_batches < BENCH_MAX_BATCHES; at++) {
        int used = 0;
        size_t *batch = &layer->batches[layer->num_batches++];
        if (sscanf(at, "%5zu%n", batch, &used) != 1 || *batch == 0)
            break;
        at += used;
        if (!*at)
            return true;
        if (*at != ',')
            break;
    }
    cli_usage("--batch: '%s' is no list of at most %d numbers of rows, like 1,32,128", text,
              BENCH_MAX_BATCHES);
    return false;
}

static const bertrun_precision precisions[] = {BERTRUN_PRECISION_F32, BERTRUN_PRECISION_BF16,
                                               BERTRUN_PRECISION_INT8};
enum { PRECISIONS = sizeof precisions / sizeof precisions[0] };

typedef struct linear_bench {
    const bench_layer *layer;
    bertrun_linear *linears[PRECISIONS];
    float *x, *y; /* [largest batch, in], [largest batch, out] */
    double seconds;
    json_t *results; /* --json; else NULL */
} linear_bench;

/* One run of one layer. */
typedef struct linear_pass {
    const linear_bench *bench;
    bertrun_linear *linear;
    size_t rows;
} linear_pass;

static bool run_linear(void *argument)
{
    const linear_pass *pass = argument;
    bertrun_error error;
    if (bertrun_linear_run(pass->linear, pass->bench->x, pass->rows, pass->bench->y, &error) ==
        BERTRUN_OK)
        return true;
    cli_fail("%s", error.message);
    return false;
}

/* ------------------------------------------------------------------------------------- report */

static void report(const linear_bench *bench, const linear_pass *pass, const samples *taken,
                   double f32_median)
{
    const bertrun_linear_info *info = bertrun_linear_get_info(pass->linear);
    const char *precision = bertrun_precision_name(info->precision);
    double min = taken->seconds[0], median = samples_percentile(taken, 0.5);
    double gops = 2e-9 * (double)pass->rows * (double)info->in * (double)info->out / median;
    if (!bench->results) {
        printf("%-6zu %-9s %10.4f %10.4f %9.1f %8.2f x %11llu\n", pass->rows, precision,
               median * 1e3, min * 1e3, gops, f32_median / median,
               (unsigned long long)info->weight_bytes);
        fflush(stdout);
        return;
    }
    json_array_append_new(bench->results,
                          json_pack("{sI ss s{sf sf} sf sf sI}", "batch", (json_int_t)pass->rows,
                                    "precision", precision, "ms", "median", median * 1e3, "min",
                                    min * 1e3, "gops", gops, "speedup", f32_median / median,
                                    "weight_bytes", (json_int_t)info->weight_bytes));
}

static void print_head(const linear_bench *bench)
{
    const bertrun_linear_info *info = bertrun_linear_get_info(bench->linears[PRECISIONS - 1]);
    printf("linear %zux%zu, %d thread%s, activations %s\n", info->in, info->out, info->threads,
           info->threads == 1 ? "" : "s", bertrun_activations_name(info->activations));
    printf("%-6s %-9s %10s %10s %9s %10s %11s\n", "batch", "precision", "median ms", "min ms",
           "GOPS", "speed-up", "weights, B");
}

static cli_exit print_json(const linear_bench *bench)
{
    const bertrun_linear_info *info = bertrun_linear_get_info(bench->linears[PRECISIONS - 1]);
    json_t *object =
        json_pack("{sI sI si ss sO}", "in", (json_int_t)info->in, "out", (json_int_t)info->out,
                  "threads", info->threads, "activations",
                  bertrun_activations_name(info->activations), "results", bench->results);
    return json_print(object, 6);
}

/* ------------------------------------------------------------------------------------ measure */

/* All precisions, f32 first, which the others are compared with. */
static bool bench_batch(const linear_bench *bench, size_t rows)
{
    double f32_median = 0;
    for (size_t i = 0; i < PRECISIONS; i++) {
        linear_pass pass = {bench, bench->linears[i], rows};
        samples taken = {0};
        bool good = samples_take(&taken, run_linear, &pass, bench->seconds);
        if (good && i == 0)
            f32_median = samples_percentile(&taken, 0.5);
        if (good)
            report(bench, &pass, &taken, f32_median);
        free(taken.seconds);
        if (!good)
            return false;
    }
    return true;
}

/* Uniform in -most..most. */
static float *make_randoms(size_t rows, size_t columns, float most)
{
    float *values = cli_realloc(NULL, rows, columns * sizeof *values);
    uint32_t random = BENCH_SEED;
    for (size_t i = 0; values && i < rows * columns; i++)
        values[i] = most * ((float)bench_random(&random) / 0x1p31F - 1);
    return values;
}

/* Weights and bias as PyTorch initializes an nn.Linear. */
static bool open_linears(linear_bench *bench, bertrun_linear_settings settings)
{
    const bench_layer *layer = bench->layer;
    float most = 1 / sqrtf((float)layer->in);
    float *weights = make_randoms(layer->out, layer->in, most);
    float *bias = make_randoms(layer->out, 1, most);
    bool good = weights && bias;
    for (size_t i = 0; i < PRECISIONS && good; i++) {
        bertrun_error error;
        settings.precision = precisions[i];
        good = bertrun_linear_open(&bench->linears[i], weights, bias, layer->in, layer->out,
                                   &settings, &error) == BERTRUN_OK;
        if (!good)
            cli_fail("%s", error.message);
    }
    free(bias);
    free(weights);
    return good;
}

static bool make_rows(linear_bench *bench)
{
    const bench_layer *layer = bench->layer;
    size_t rows = 0;
    for (size_t i = 0; i < layer->num_batches; i++)
        rows = layer->batches[i] > rows ? layer->batches[i] : rows;
    bench->x = make_randoms(rows, layer->in, 1);
    bench->y = cli_realloc(NULL, rows, layer->out * sizeof *bench->y);
    return bench->x && bench->y;
}

static cli_exit bench_batches(const linear_bench *bench)
{
    if (!bench->results)
        print_head(bench);
    for (size_t i = 0; i < bench->layer->num_batches; i++)
        if (!bench_batch(bench, bench->layer->batches[i]))
            return CLI_FAILED;
    return bench->results ? print_json(bench) : CLI_OK;
}

cli_exit bench_linear(const bench_layer *layer, const bertrun_linear_settings *settings,
                      double seconds, bool json)
{
    linear_bench bench = {
        .layer = layer, .seconds = seconds, .results = json ? json_array() : NULL};
    cli_exit code = CLI_FAILED;
    if (open_linears(&bench, *settings) && make_rows(&bench))
        code = bench_batches(&bench);
    for (size_t i = 0; i < PRECISIONS; i++)
        bertrun_linear_close(&bench.linears[i]);
    free(bench.x);
    free(bench.y);
    json_decref(bench.results);
    return code;
}
