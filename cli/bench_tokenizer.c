#include "cli/bench_tokenizer.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bertrun/bertrun.h"
#include "cli/bench_samples.h"
#include "cli/clock.h"
#include "cli/json_write.h"
#include "cli/open_tokenizer.h"
#include "cli/text_source.h"

typedef struct tokenizer_bench {
    const char *model, *file;
    bertrun_tokenizer *tokenizer;
    const bertrun_input *inputs; /* [lines] */
    size_t lines, bytes, tokens; /* of a pass; bytes without line ends */
    double open_seconds;
    samples taken;
} tokenizer_bench;

/* Encodes every line with an encoder that has seen none of them; *tokens receives their number. */
static bool encode_all(const tokenizer_bench *bench, size_t *tokens)
{
    bertrun_encoder *encoder;
    bertrun_error error;
    bertrun_status status = bertrun_encoder_open(&encoder, bench->tokenizer, &error);
    *tokens = 0;
    for (size_t i = 0; i < bench->lines && status == BERTRUN_OK; i++) {
        bertrun_tokens out;
        status = bertrun_tokenizer_encode(encoder, &bench->inputs[i], NULL, &out, &error);
        *tokens += status == BERTRUN_OK ? out.count : 0;
    }
    if (status != BERTRUN_OK)
        cli_fail("%s", error.message);
    bertrun_encoder_close(&encoder);
    return status == BERTRUN_OK;
}

static bool take_samples(tokenizer_bench *bench, double seconds)
{
    enum { MIN_PASSES = 5 };
    double start = clock_seconds();
    while (bench->taken.count < MIN_PASSES || clock_seconds() - start < seconds) {
        double begin = clock_seconds();
        if (!encode_all(bench, &bench->tokens) ||
            !samples_add(&bench->taken, clock_seconds() - begin))
            return false;
    }
    samples_sort(&bench->taken);
    return true;
}

static cli_exit report(const tokenizer_bench *bench, bool json)
{
    double min = bench->taken.seconds[0], median = samples_percentile(&bench->taken, 0.5);
    double speed = (double)bench->bytes / min * 1e-6;
    if (!json) {
        printf("%s: %zu bytes, %zu lines, %zu tokens; opened in %.2f ms\n", bench->file,
               bench->bytes, bench->lines, bench->tokens, bench->open_seconds * 1e3);
        printf("%.1f MB/s (median %.1f), %.1f million tokens/s, 1 thread\n", speed,
               (double)bench->bytes / median * 1e-6, (double)bench->tokens / min * 1e-6);
        return CLI_OK;
    }
    json_t *object = json_pack(
        "{ss ss si sI sI sI sf s{sf sf} sf sf sf}", "model", bench->model, "file", bench->file,
        "threads", 1, "bytes", (json_int_t)bench->bytes, "lines", (json_int_t)bench->lines,
        "tokens", (json_int_t)bench->tokens, "open_ms", bench->open_seconds * 1e3, "ms", "min",
        min * 1e3, "median", median * 1e3, "mb_per_s", speed, "mb_per_s_median",
        (double)bench->bytes / median * 1e-6, "tokens_per_s", (double)bench->tokens / min);
    return json_print(object, 6);
}

/* The best of a few openings: the file is to be found in the system's cache. */
static bool open_quickly(tokenizer_bench *bench)
{
    enum { OPENINGS = 5 };
    for (int i = 0; i < OPENINGS; i++) {
        bertrun_tokenizer_close(&bench->tokenizer);
        double begin = clock_seconds();
        if (!open_tokenizer(&bench->tokenizer, bench->model))
            return false;
        double seconds = clock_seconds() - begin;
        if (i == 0 || seconds < bench->open_seconds)
            bench->open_seconds = seconds;
    }
    return true;
}

cli_exit bench_tokenizer(const char *model, const char *file, double seconds, bool json)
{
    static const batch_limits everything = {SIZE_MAX, SIZE_MAX};
    tokenizer_bench bench = {.model = model, .file = file};
    text_source source = {0};
    text_batch batch;
    cli_exit code = CLI_FAILED;
    if (open_quickly(&bench) &&
        text_source_open(&source, file, NULL, 0, &(text_fields){0}) == CLI_OK &&
        text_source_read(&source, &everything, &batch)) {
        bench.inputs = batch.inputs;
        bench.lines = batch.count;
        for (size_t i = 0; i < bench.lines; i++)
            bench.bytes += bench.inputs[i].length;
        if (bench.bytes == 0)
            code = cli_fail("%s: no text", file);
        else if (take_samples(&bench, seconds))
            code = report(&bench, json);
    }
    free(bench.taken.seconds);
    text_source_close(&source);
    bertrun_tokenizer_close(&bench.tokenizer);
    return code;
}
