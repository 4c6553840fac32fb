/* bertrun lm: perplexity of a text, or words that go on from a beginning. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "cli/cli.h"

static const char help[] =
    "usage: bertrun lm --model MODEL --perplexity FILE [OPTION...]\n"
    "       bertrun lm --model MODEL --generate N [OPTION...] \"START WORDS\"\n"
    "\n"
    "Runs an LSTM word language model: a file made by 'bertrun convert', or its directory.\n"
    "\n"
    "  --model MODEL          the model\n"
    "  --perplexity FILE      how well it foretells the file's words, lines ended by <eos>\n"
    "  --batch-size N         the text is cut into N columns read side by side, default 10; words\n"
    "                         beyond N equal columns are left out\n"
    "  --bptt N               words of each column in one call, default 35; state is carried, so\n"
    "                         that it changes nothing but memory\n"
    "  --generate N           appends N words, each drawn from what the model expects\n"
    "  --temperature T        default 1; below 1 likely words become likelier; 0: the likeliest\n"
    "  --seed N               default 1; the same seed and int8 model give the same words\n"
    "                         everywhere\n"
    "  --threads N            default 1; 0: as many as this process may use\n"
    "  --precision PRECISION  int8, bf16, f32, or auto: after the weights\n"
    "\n"
    "Words are what white space separates; one that is not in the vocabulary is <unk>.\n"
    "\n"
    "Examples:\n"
    "  bertrun lm --model lstm.bin --perplexity wikitext2-test.txt\n"
    "  bertrun lm --model lstm.bin --generate 20 --temperature 0.8 \"The president of\"\n"
    "\n"
    "Exit codes: 0 fine; 1 a file or the model failed; 2 a wrong command line.\n";

enum {
    MODEL = CLI_LONG,
    PERPLEXITY,
    BATCH_SIZE,
    BPTT,
    GENERATE,
    TEMPERATURE,
    SEED,
    THREADS,
    PRECISION
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"model", required_argument, NULL, MODEL},
    {"perplexity", required_argument, NULL, PERPLEXITY},
    {"batch-size", required_argument, NULL, BATCH_SIZE},
    {"bptt", required_argument, NULL, BPTT},
    {"generate", required_argument, NULL, GENERATE},
    {"temperature", required_argument, NULL, TEMPERATURE},
    {"seed", required_argument, NULL, SEED},
    {"threads", required_argument, NULL, THREADS},
    {"precision", required_argument, NULL, PRECISION},
    {NULL, 0, NULL, 0},
};

typedef struct lm_options {
    const char *model, *file;
    size_t columns, bptt, words, seed;
    double temperature;
    int threads;
    bertrun_model_settings settings;
    bool help;
} lm_options;

static bool parse_temperature(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && !*end && isfinite(*out) && *out >= 0)
        return true;
    cli_usage("--temperature: '%s' is not a number of 0 or more", text);
    return false;
}

static bool take_option(lm_options *options, int option)
{
    int value;
    switch (option) {
    case 'h':
        options->help = true;
        return true;
    case MODEL:
        options->model = optarg;
        return true;
    case PERPLEXITY:
        options->file = optarg;
        return true;
    case BATCH_SIZE:
        return cli_parse_size("--batch-size", optarg, 1, &options->columns);
    case BPTT:
        return cli_parse_size("--bptt", optarg, 1, &options->bptt);
    case GENERATE:
        return cli_parse_size("--generate", optarg, 1, &options->words);
    case TEMPERATURE:
        return parse_temperature(optarg, &options->temperature);
    case SEED:
        return cli_parse_size("--seed", optarg, 0, &options->seed);
    case THREADS:
        return cli_parse_threads(optarg, &options->threads);
    case PRECISION:
        if (!cli_parse_choice("--precision", optarg, cli_precisions, &value))
            return false;
        options->settings.precision = (bertrun_precision)value;
        return true;
    default:
        return false;
    }
}

/* -------------------------------------------------------------------------------------- words */

typedef struct word_list {
    int32_t *ids;
    size_t count, capacity;
    size_t unknown; /* how many are not in the vocabulary */
} word_list;

static bool append(word_list *list, int32_t id)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 1024;
        int32_t *grown = cli_realloc(list->ids, capacity, sizeof *grown);
        if (!grown)
            return false;
        list->ids = grown;
        list->capacity = capacity;
    }
    list->ids[list->count++] = id;
    return true;
}

static bool append_text(word_list *list, const bertrun_lm *lm, const char *text, size_t length)
{
    static const char unknown[] = "<unk>";
    int32_t unknown_id = bertrun_lm_get_info(lm)->unknown_id;
    for (size_t at = 0, size; bertrun_lm_next_word(text, length, &at, &size); at += size) {
        int32_t id = bertrun_lm_id(lm, text + at, size);
        if (id < 0) {
            cli_fail("'%.*s' is not in the vocabulary, which has no <unk>", (int)size, text + at);
            return false;
        }
        bool said = size == strlen(unknown) && memcmp(text + at, unknown, size) == 0;
        list->unknown += id == unknown_id && !said;
        if (!append(list, id))
            return false;
    }
    return true;
}

static bool append_lines(word_list *list, const bertrun_lm *lm, FILE *stream)
{
    char *line = NULL;
    size_t capacity = 0;
    int32_t eos = bertrun_lm_get_info(lm)->eos_id;
    bool ok = true;
    for (ssize_t length; ok && (length = getline(&line, &capacity, stream)) >= 0;) {
        ok = append_text(list, lm, line, (size_t)length);
        if (ok && eos >= 0)
            ok = append(list, eos);
    }
    free(line);
    return ok;
}

static bool read_file(word_list *list, const bertrun_lm *lm, const char *path)
{
    FILE *stream = fopen(path, "r");
    if (!stream) {
        cli_fail("%s: cannot be opened", path);
        return false;
    }
    bool ok = append_lines(list, lm, stream);
    if (ok && ferror(stream)) {
        cli_fail("%s: cannot be read", path);
        ok = false;
    }
    fclose(stream);
    return ok;
}

/* --------------------------------------------------------------------------------- perplexity */

/* The words column by column as ids [steps, columns]. */
static int32_t *cut_columns(const word_list *list, size_t columns, size_t steps)
{
    int32_t *ids = cli_realloc(NULL, steps * columns, sizeof *ids);
    for (size_t i = 0; ids && i < steps * columns; i++)
        ids[i] = list->ids[i % columns * steps + i / columns];
    return ids;
}

static cli_exit score(bertrun_lm_session *session, const int32_t *ids, size_t steps,
                      const lm_options *options, const word_list *list)
{
    size_t columns = options->columns;
    double sum = 0;
    for (size_t first = 0; first + 1 < steps; first += options->bptt) {
        size_t left = steps - 1 - first, count = left < options->bptt ? left : options->bptt;
        const int32_t *part = ids + first * columns;
        const float *log_probs;
        bertrun_error error;
        if (bertrun_lm_score(session, part, part + columns, count, &log_probs, &error))
            return cli_fail("%s", error.message);
        for (size_t i = 0; i < count * columns; i++)
            sum += (double)log_probs[i];
    }
    printf("perplexity  %.3f\n", exp(-sum / (double)((steps - 1) * columns)));
    printf("words       %zu, %zu of them not in the vocabulary\n", list->count, list->unknown);
    return CLI_OK;
}

static cli_exit run_perplexity(const bertrun_lm *lm, bertrun_lm_session *session,
                               const lm_options *options)
{
    word_list list = {0};
    int32_t *ids = NULL;
    cli_exit code = CLI_FAILED;
    if (read_file(&list, lm, options->file)) {
        size_t steps = list.count / options->columns;
        if (steps < 2)
            code = cli_fail("%s: %zu words are too few for %zu columns", options->file, list.count,
                            options->columns);
        else if ((ids = cut_columns(&list, options->columns, steps)))
            code = score(session, ids, steps, options, &list);
    }
    free(ids);
    free(list.ids);
    return code;
}

/* --------------------------------------------------------------------------------- generation */

/* splitmix64 (Steele et al. 2014): a number in [0, 1) */
static double next_uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static int32_t likeliest(const float *logits, size_t words)
{
    size_t best = 0;
    for (size_t i = 1; i < words; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

/* Draws from softmax(logits / temperature). */
static int32_t draw(const float *logits, size_t words, double temperature, double uniform)
{
    double most = (double)logits[likeliest(logits, words)], total = 0, sum = 0;
    for (size_t i = 0; i < words; i++)
        total += exp(((double)logits[i] - most) / temperature);
    for (size_t i = 0; i < words; i++) {
        sum += exp(((double)logits[i] - most) / temperature);
        if (sum > uniform * total)
            return (int32_t)i;
    }
    return likeliest(logits, words);
}

static cli_exit generate(const bertrun_lm *lm, bertrun_lm_session *session,
                         const lm_options *options, const word_list *start)
{
    size_t words = bertrun_lm_get_info(lm)->vocab_size, steps = start->count;
    const int32_t *ids = start->ids;
    uint64_t state = options->seed;
    int32_t id;
    for (size_t i = 0; i < options->words; i++, ids = &id, steps = 1) {
        const float *logits;
        bertrun_error error;
        if (bertrun_lm_logits(session, ids, steps, &logits, &error))
            return cli_fail("%s", error.message);
        const float *last = logits + (steps - 1) * words;
        id = options->temperature > 0
                 ? draw(last, words, options->temperature, next_uniform(&state))
                 : likeliest(last, words);
        size_t length;
        const char *word = bertrun_lm_word(lm, id, &length);
        printf("%s%.*s", i ? " " : "", word ? (int)length : 0, word ? word : "");
        if (fflush(stdout) != 0)
            return CLI_OK; /* main() complains, and fails */
    }
    putchar('\n');
    return CLI_OK;
}

static cli_exit run_generate(const bertrun_lm *lm, bertrun_lm_session *session,
                             const lm_options *options, char *const *texts, size_t count)
{
    word_list start = {0};
    cli_exit code = CLI_OK;
    for (size_t i = 0; i < count && code == CLI_OK; i++)
        if (!append_text(&start, lm, texts[i], strlen(texts[i])))
            code = CLI_FAILED;
    if (code == CLI_OK && start.count == 0)
        code = cli_usage("--generate: give the words to start with");
    if (code == CLI_OK)
        code = generate(lm, session, options, &start);
    free(start.ids);
    return code;
}

/* ---------------------------------------------------------------------------------- the command */

static cli_exit run_session(const bertrun_lm *lm, const lm_options *options, char *const *texts,
                            size_t count)
{
    bertrun_lm_session_settings settings;
    bertrun_lm_session *session;
    bertrun_error error;
    bertrun_lm_session_settings_init(&settings);
    settings.threads = options->threads;
    settings.columns = options->file ? options->columns : 1;
    if (bertrun_lm_session_open(&session, lm, &settings, &error))
        return cli_fail("%s", error.message);
    cli_exit code = options->file ? run_perplexity(lm, session, options)
                                  : run_generate(lm, session, options, texts, count);
    bertrun_lm_session_close(&session);
    return code;
}

cli_exit cli_lm(int argc, char **argv)
{
    lm_options options = {.columns = 10, .bptt = 35, .seed = 1, .temperature = 1, .threads = 1};
    bertrun_model_settings_init(&options.settings);
    options.settings.log = cli_log;
    for (int option; (option = cli_next_option(argc, argv, ":h", long_options)) != -1;)
        if (!take_option(&options, option))
            return CLI_USAGE;
    if (options.help)
        return cli_help(help);
    if (!options.model)
        return cli_usage("--model: missing, see bertrun lm --help");
    if (!options.file == !options.words)
        return cli_usage("lm takes either --perplexity or --generate, see bertrun lm --help");
    if (options.file && optind < argc)
        return cli_usage("%s: --perplexity takes no words", argv[optind]);
    bertrun_lm *lm;
    bertrun_error error;
    if (bertrun_lm_open(&lm, options.model, &options.settings, &error))
        return cli_fail("%s", error.message);
    cli_exit code = run_session(lm, &options, argv + optind, (size_t)(argc - optind));
    bertrun_lm_close(&lm);
    return code;
}
