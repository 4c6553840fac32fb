/*
 * bertrun bench: how long a forward pass takes, in the manner of zstd's -b: warm up, then run for a
 * set time and report the distribution.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "cli/bench_linear.h"
#include "cli/bench_lm.h"
#include "cli/bench_samples.h"
#include "cli/bench_tokenizer.h"
#include "cli/json_write.h"
#include "cli/options.h"

static const char help[] =
    "usage: bertrun bench --model MODEL [OPTION...]\n"
    "       bertrun bench --model MODEL --tokenizer FILE [--seconds S] [--json]\n"
    "       bertrun bench --linear INxOUT [--batch ROWS,...] [OPTION...]\n"
    "\n"
    "Measures forward passes (random token ids in, embeddings out) of batch x sequence shapes.\n"
    "\n"
    "  --model MODEL          a file made by 'bertrun convert', or a Hugging Face directory; of a\n"
    "                         language model the shapes are columns x words, read with their\n"
    "                         logits, the state carried from pass to pass\n"
    "  --shapes SHAPES        default 1x8,1x128,8x128\n"
    "  --threads N            default 1; 0: as many as this process may use\n"
    "  --precision PRECISION  int8, bf16, f32, or auto: after the weights\n"
    "  --activations KIND     int8 scales for each token (default) or each forward pass: batch\n"
    "  --kernels WHOSE        int8 and bf16 products by oneDNN alone: onednn, or auto: by our "
    "own\n"
    "                         code, too\n"
    "  --seconds S            time for each shape, default 1\n"
    "  --profile              where the time goes, phase by phase (costs a little of it)\n"
    "  --json                 one JSON object\n"
    "  --tokenizer FILE       measures the tokenizer instead: the file's lines to ids, on one\n"
    "                         thread, nothing remembered between passes\n"
    "  --linear INxOUT        measures one linear layer of random weights instead, in f32, bf16 "
    "and\n"
    "                         int8; takes --threads, --activations, --kernels, --seconds and "
    "--json\n"
    "  --batch ROWS,...       of --linear: input rows, default 1,32,128\n"
    "\n"
    "Columns: milliseconds of one pass, the fastest, the median, the 90th and 99th percentile;\n"
    "tokens a second at the median; the operations of the linear layers alone (attention and\n"
    "norms left out), at the fastest pass, as a share of what the CPU's int8 dot product\n"
    "instructions were just measured to do at most.\n"
    "\n"
    "Columns of --linear: milliseconds of one run, quantizing its input and dequantizing its "
    "result\n"
    "included, the median and the fastest; 10^9 operations a second (GFLOPS in f32 and bf16) and "
    "how\n"
    "many times as fast as f32, both at the median; the packed weights.\n"
    "\n"
    "Examples:\n"
    "  bertrun bench --model minilm.bin --shapes 1x8,32x128 --threads 2\n"
    "  bertrun bench --model lstm.bin --shapes 1x35,10x35\n"
    "  bertrun bench --linear 768x768 --batch 1,32,128\n"
    "\n"
    "Exit codes: 0 fine; 1 the model failed; 2 a wrong command line.\n";

enum { MAX_SHAPES = 64 };

typedef struct bench_options {
    const char *model;
    const char *tokenizer; /* a file of texts; NULL: forward passes are measured */
    bench_layer layer;     /* of --linear and --batch; zeros: not given */
    shape shapes[MAX_SHAPES];
    size_t num_shapes; /* 0: not given */
    int threads;
    double seconds;
    bool profile, json, help;
    bertrun_model_settings model_settings;
} bench_options;

/* "1x8,1x128" */
static bool take_shapes(void *data, const char *text)
{
    bench_options *options = data;
    const char *at = text;
    const bool clean = text[strspn(text, "0123456789x,")] == '\0'; /* sscanf would take a sign */
    options->num_shapes = 0;
    for (;;) {
        shape parsed;
        int used = 0;
        if (!clean || options->num_shapes == MAX_SHAPES ||
            sscanf(at, "%5zux%5zu%n", &parsed.batch, &parsed.length, &used) != 2 ||
            parsed.batch == 0 || parsed.length == 0 || (at[used] && at[used] != ',')) {
            cli_usage("--shapes: '%s' is no list of at most %d BATCHxSEQUENCE, like 1x8,1x128",
                      text, MAX_SHAPES);
            return false;
        }
        options->shapes[options->num_shapes++] = parsed;
        if (!at[used])
            return true;
        at += used + 1;
    }
}

static bool take_layer(void *data, const char *text)
{
    return bench_parse_layer(&((bench_options *)data)->layer, text);
}

static bool take_batches(void *data, const char *text)
{
    return bench_parse_batches(&((bench_options *)data)->layer, text);
}

#define AT(member) .at = offsetof(bench_options, member)

static const cli_option all_options[] = {
    OPTION_HELP(bench_options),
    {"model", OPTION_TEXT, AT(model)},
    {"shapes", OPTION_CALL, .take = take_shapes},
    {"threads", OPTION_THREADS, AT(threads)},
    {"precision", OPTION_CHOICE, AT(model_settings.precision), .choices = cli_precisions},
    {"activations", OPTION_CHOICE, AT(model_settings.activations), .choices = cli_activations},
    {"kernels", OPTION_CHOICE, AT(model_settings.kernels), .choices = cli_kernels},
    {"seconds", OPTION_SECONDS, AT(seconds)},
    {"profile", OPTION_FLAG, AT(profile)},
    {"json", OPTION_FLAG, AT(json)},
    {"tokenizer", OPTION_TEXT, AT(tokenizer)},
    {"linear", OPTION_CALL, .take = take_layer},
    {"batch", OPTION_CALL, .take = take_batches},
    {0},
};

static bool check_linear(const bench_options *options)
{
    const char *other = options->model                      ? "--model"
                        : options->num_shapes               ? "--shapes"
                        : options->model_settings.precision ? "--precision"
                        : options->profile                  ? "--profile"
                        : options->tokenizer                ? "--tokenizer"
                                                            : NULL;
    if (other)
        cli_usage("--linear: not together with %s", other);
    return !other;
}

static bool check_tokenizer(const bench_options *options)
{
    const bertrun_model_settings *settings = &options->model_settings;
    const char *other = options->num_shapes     ? "--shapes"
                        : options->profile      ? "--profile"
                        : options->threads != 1 ? "--threads"
                        : settings->precision   ? "--precision"
                        : settings->activations ? "--activations"
                        : settings->kernels     ? "--kernels"
                                                : NULL;
    if (other)
        cli_usage("--tokenizer: not together with %s", other);
    return !other;
}

static bool check(const bench_options *options)
{
    if (options->layer.in)
        return check_linear(options);
    if (options->layer.num_batches)
        cli_usage("--batch: only with --linear");
    else if (!options->model)
        cli_usage("--model: missing, see bertrun bench --help");
    else
        return !options->tokenizer || check_tokenizer(options);
    return false;
}

static void set_defaults(bench_options *options)
{
    static const shape shapes[] = {{1, 8}, {1, 128}, {8, 128}};
    static const size_t batches[] = {1, 32, 128};
    if (!options->num_shapes) {
        memcpy(options->shapes, shapes, sizeof shapes);
        options->num_shapes = sizeof shapes / sizeof shapes[0];
    }
    if (!options->layer.num_batches) {
        memcpy(options->layer.batches, batches, sizeof batches);
        options->layer.num_batches = sizeof batches / sizeof batches[0];
    }
}

static bool parse(bench_options *options, int argc, char **argv)
{
    *options = (bench_options){.threads = 1, .seconds = 1};
    bertrun_model_settings_init(&options->model_settings);
    options->model_settings.log = cli_log;
    if (!cli_take_options(all_options, options, argc, argv))
        return false;
    if (options->help)
        return true;
    if (optind < argc) {
        cli_usage("%s: bench takes no texts", argv[optind]);
        return false;
    }
    bool good = check(options);
    set_defaults(options);
    return good;
}

/* Multiplications and additions of the encoder's linear layers: Q, K, V, output, and the two of the
 * FFN. */
static double linear_operations(const bertrun_model_info *info, const shape *of)
{
    double hidden = (double)info->hidden_size, inner = (double)info->intermediate_size;
    return (double)of->batch * (double)of->length * (double)info->num_hidden_layers * 2 *
           (4 * hidden * hidden + 2 * hidden * inner);
}

typedef struct bench {
    const bench_options *options;
    const bertrun_model *model;
    const bertrun_model_info *info;
    int threads; /* really used */
    double ceiling_gops;
    json_t *results; /* --json */
} bench;

static json_t *profile_json(bertrun_session *session)
{
    const bertrun_profile_entry *entries;
    size_t count = bertrun_session_profile(session, &entries);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            array, json_pack("{ss ss sI sf sf}", "phase", entries[i].phase, "kernel",
                             entries[i].kernel, "calls", (json_int_t)entries[i].calls, "seconds",
                             entries[i].seconds, "operations", entries[i].operations));
    return array;
}

static void print_profile(bertrun_session *session)
{
    const bertrun_profile_entry *entries;
    size_t count = bertrun_session_profile(session, &entries);
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += entries[i].seconds;
    printf("    %-22s %7s %9s %9s  %s\n", "phase", "share", "calls", "GOPS", "kernel");
    for (size_t i = 0; i < count; i++) {
        const bertrun_profile_entry *entry = &entries[i];
        printf("    %-22s %5.1f %% %9llu ", entry->phase, 100 * entry->seconds / total,
               (unsigned long long)entry->calls);
        if (entry->operations > 0)
            printf("%9.0f", entry->operations / entry->seconds * 1e-9);
        else
            printf("%9s", "-");
        printf("  %s\n", entry->kernel);
    }
}

static void report(const bench *state, const shape *of, const samples *sorted,
                   bertrun_session *session)
{
    bench_result result = bench_result_of(of, sorted);
    double share = linear_operations(state->info, of) / result.min * 1e-9 / state->ceiling_gops;
    if (!state->options->json) {
        bench_result_print(&result);
        printf(" %8.1f %%\n", share * 100);
        if (state->options->profile)
            print_profile(session);
        fflush(stdout);
        return;
    }
    json_t *object = bench_result_json(&result, "tokens_per_s");
    json_object_set_new(object, "ceiling_share", json_real(share));
    if (state->options->profile)
        json_object_set_new(object, "profile", profile_json(session));
    json_array_append_new(state->results, object);
}

static bool open_session(const bench *state, bertrun_session **session)
{
    bertrun_session_settings settings;
    bertrun_error error;
    bertrun_session_settings_init(&settings);
    settings.threads = state->options->threads;
    settings.profile = state->options->profile;
    if (bertrun_session_open(session, state->model, &settings, &error) == BERTRUN_OK)
        return true;
    cli_fail("%s", error.message);
    return false;
}

/* What a pass embeds. */
typedef struct forward {
    bertrun_session *session;
    bench_inputs inputs;
    size_t batch;
} forward;

static bool run_forward(void *argument)
{
    const forward *pass = argument;
    bertrun_output output;
    bertrun_error error;
    if (bertrun_embed(pass->session, pass->inputs.inputs, pass->batch, NULL, &output, &error) ==
        BERTRUN_OK)
        return true;
    cli_fail("%s", error.message);
    return false;
}

/* Each shape has a session of its own, and so a profile of its own. */
static bool bench_shape(const bench *state, const shape *of)
{
    forward pass = {.batch = of->batch};
    samples taken = {0};
    bool good = bench_inputs_make(&pass.inputs, of, state->info->vocab_size) &&
                open_session(state, &pass.session) &&
                samples_take(&taken, run_forward, &pass, state->options->seconds);
    if (good)
        report(state, of, &taken, pass.session);
    bertrun_session_close(&pass.session);
    free(taken.seconds);
    bench_inputs_free(&pass.inputs);
    return good;
}

static bool measure_ceiling(bench *state)
{
    bertrun_session *session;
    if (!open_session(state, &session))
        return false;
    state->threads = bertrun_session_threads(session);
    bertrun_session_close(&session);
    state->ceiling_gops = bertrun_measure_ceiling_gops(state->threads);
    return true;
}

static cli_exit print_json(const bench *state)
{
    json_t *object =
        json_pack("{ss si ss sf sO}", "model", state->options->model, "threads", state->threads,
                  "precision", bertrun_precision_name(state->info->precision), "ceiling_gops",
                  state->ceiling_gops, "results", state->results);
    return json_print(object, 6);
}

static cli_exit bench_all(bench *state)
{
    const bench_options *options = state->options;
    if (!measure_ceiling(state))
        return CLI_FAILED;
    if (!options->json)
        printf("%s, %s, %d thread%s, ceiling %.0f GOPS\n%-8s %9s %9s %9s %9s %10s %10s\n",
               options->model, bertrun_precision_name(state->info->precision), state->threads,
               state->threads == 1 ? "" : "s", state->ceiling_gops, "shape", "min ms", "median",
               "p90", "p99", "tokens/s", "ceiling");
    for (size_t i = 0; i < options->num_shapes; i++)
        if (!bench_shape(state, &options->shapes[i]))
            return CLI_FAILED;
    return options->json ? print_json(state) : CLI_OK;
}

static cli_exit bench_words(const bench_options *options)
{
    if (options->profile)
        return cli_usage("--profile: a language model has none");
    return bench_lm(&(lm_bench_options){options->model, &options->model_settings, options->shapes,
                                        options->num_shapes, options->threads, options->seconds,
                                        options->json});
}

cli_exit cli_bench(int argc, char **argv)
{
    bench_options options;
    if (!parse(&options, argc, argv))
        return CLI_USAGE;
    if (options.help)
        return cli_help(help);
    if (options.layer.in) {
        bertrun_linear_settings settings;
        bertrun_linear_settings_init(&settings);
        settings.activations = options.model_settings.activations;
        settings.kernels = options.model_settings.kernels;
        settings.threads = options.threads;
        return bench_linear(&options.layer, &settings, options.seconds, options.json);
    }
    if (options.tokenizer)
        return bench_tokenizer(options.model, options.tokenizer, options.seconds, options.json);
    bertrun_kind kind;
    bertrun_model *model;
    bertrun_error error;
    if (bertrun_identify(options.model, &kind, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    if (kind == BERTRUN_KIND_LM)
        return bench_words(&options);
    if (bertrun_model_open(&model, options.model, &options.model_settings, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    bench state = {.options = &options,
                   .model = model,
                   .info = bertrun_model_get_info(model),
                   .results = json_array()};
    cli_exit code = bench_all(&state);
    json_decref(state.results);
    bertrun_model_close(&model);
    return code;
}
