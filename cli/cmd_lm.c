/* bertrun lm: perplexity of a text, or words that go on from a beginning. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lm_text.h"
#include "cli/options.h"

static const char help[] =
    "usage: bertrun lm --model MODEL --perplexity FILE [OPTION...]\n"
    "       bertrun lm --model MODEL --generate N [OPTION...] \"START WORDS\"\n"
    "\n"
    "Runs an LSTM word language model: a file made by 'bertrun convert', or its directory.\n"
    "\n"
    "  --model MODEL          the model\n"
    "  --perplexity FILE      how well it foretells the file's words, lines ended by <eos>;\n"
    "                         - is standard input\n"
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

typedef struct lm_options {
    const char *model, *file;
    size_t columns, bptt, words, seed;
    double temperature;
    int threads;
    bertrun_model_settings settings;
    bool help;
} lm_options;

static bool take_temperature(void *data, const char *text)
{
    lm_options *options = data;
    char *end;
    options->temperature = strtod(text, &end);
    if (end != text && !*end && isfinite(options->temperature) && options->temperature >= 0)
        return true;
    cli_usage("--temperature: '%s' is not a number of 0 or more", text);
    return false;
}

#define AT(member) .at = offsetof(lm_options, member)

static const cli_option all_options[] = {
    OPTION_HELP(lm_options),
    {"model", OPTION_TEXT, AT(model)},
    {"perplexity", OPTION_TEXT, AT(file)},
    {"batch-size", OPTION_SIZE, AT(columns), .least = 1},
    {"bptt", OPTION_SIZE, AT(bptt), .least = 1},
    {"generate", OPTION_SIZE, AT(words), .least = 1},
    {"temperature", OPTION_CALL, .take = take_temperature},
    {"seed", OPTION_SIZE, AT(seed)},
    {"threads", OPTION_THREADS, AT(threads)},
    {"precision", OPTION_CHOICE, AT(settings.precision), .choices = cli_precisions},
    {0},
};

/* --------------------------------------------------------------------------------- perplexity */

/* The file's words, and those in columns. */
static bool read_columns(lm_columns *columns, lm_words *words, const bertrun_lm *lm,
                         const char *path)
{
    text_line line;
    bool good = text_line_open(&line, path) == CLI_OK && lm_words_add_lines(words, lm, &line) &&
                lm_columns_cut(columns, words, line.name);
    text_line_close(&line);
    return good;
}

static cli_exit score(const lm_columns *columns, bertrun_lm_session *session)
{
    double sum = 0;
    for (size_t i = 0; i < lm_columns_calls(columns); i++) {
        const float *log_probs;
        size_t count;
        bertrun_error error;
        if (lm_columns_score(columns, session, i, &log_probs, &count, &error))
            return cli_fail("%s", error.message);
        for (size_t j = 0; j < count; j++)
            sum += (double)log_probs[j];
    }
    printf("perplexity  %.3f\n", lm_perplexity(sum, lm_columns_words(columns)));
    return CLI_OK;
}

static cli_exit run_perplexity(const bertrun_lm *lm, bertrun_lm_session *session,
                               const lm_options *options)
{
    lm_words words = {0};
    lm_columns columns = {.columns = options->columns, .bptt = options->bptt};
    cli_exit code = CLI_FAILED;
    if (read_columns(&columns, &words, lm, options->file))
        code = score(&columns, session);
    if (code == CLI_OK)
        printf("words       %zu, %zu of them not in the vocabulary\n", words.count, words.unknown);
    free(columns.ids);
    free(words.ids);
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

/* Of NaNs no word is the likeliest. */
static bool are_finite(const float *logits, size_t words)
{
    size_t i = 0;
    while (i < words && isfinite(logits[i]))
        i++;
    return i == words;
}

/* Reads words, and gives the logits of the one that comes next. A call holds the logits after each
 * of its words: memory does not grow with their number. */
static bertrun_status read_words(bertrun_lm_session *session, const int32_t *ids, size_t count,
                                 size_t vocab_size, const float **logits, bertrun_error *error)
{
    enum { CHUNK = 128 };
    for (size_t steps; count > 0; ids += steps, count -= steps) {
        const float *rows;
        steps = count < CHUNK ? count : CHUNK;
        bertrun_status status = bertrun_lm_logits(session, ids, steps, &rows, error);
        if (status != BERTRUN_OK)
            return status;
        *logits = rows + (steps - 1) * vocab_size;
    }
    return BERTRUN_OK;
}

static cli_exit generate(const bertrun_lm *lm, bertrun_lm_session *session,
                         const lm_options *options, const lm_words *start)
{
    size_t words = bertrun_lm_get_info(lm)->vocab_size, count = start->count;
    const int32_t *ids = start->ids;
    uint64_t state = options->seed;
    int32_t id;
    for (size_t i = 0; i < options->words; i++, ids = &id, count = 1) {
        const float *logits = NULL;
        bertrun_error error;
        if (read_words(session, ids, count, words, &logits, &error))
            return cli_fail("%s", error.message);
        if (!are_finite(logits, words))
            return cli_fail("%s: its weights give logits that are not finite", options->model);
        id = options->temperature > 0
                 ? draw(logits, words, options->temperature, next_uniform(&state))
                 : likeliest(logits, words);
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
    lm_words start = {0};
    cli_exit code = CLI_OK;
    for (size_t i = 0; i < count && code == CLI_OK; i++)
        if (!lm_words_add(&start, lm, texts[i], strlen(texts[i])))
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

static const lm_options defaults = {
    .columns = 10, .bptt = 35, .seed = 1, .temperature = 1, .threads = 1};

/* An option that is given and of the other use of a model; NULL: there is none. */
static const char *find_other_option(const lm_options *options)
{
    if (options->file)
        return options->temperature != defaults.temperature ? "--temperature"
               : options->seed != defaults.seed             ? "--seed"
                                                            : NULL;
    return options->columns != defaults.columns ? "--batch-size"
           : options->bptt != defaults.bptt     ? "--bptt"
                                                : NULL;
}

/* What single options cannot know; `word` is the first of the words to start with, or NULL. */
static bool check(const lm_options *options, const char *word)
{
    const char *other = find_other_option(options);
    if (!options->model)
        cli_usage("--model: missing, see bertrun lm --help");
    else if (!options->file == !options->words)
        cli_usage("lm takes either --perplexity or --generate, see bertrun lm --help");
    else if (options->file && word)
        cli_usage("%s: --perplexity takes no words", word);
    else if (other)
        cli_usage("%s: not together with --%s", other, options->file ? "perplexity" : "generate");
    else
        return true;
    return false;
}

cli_exit cli_lm(int argc, char **argv)
{
    lm_options options = defaults;
    bertrun_model_settings_init(&options.settings);
    options.settings.log = cli_log;
    if (!cli_take_options(all_options, &options, argc, argv))
        return CLI_USAGE;
    if (options.help)
        return cli_help(help);
    if (!check(&options, argv[optind]))
        return CLI_USAGE;
    bertrun_lm *lm;
    bertrun_error error;
    if (bertrun_lm_open(&lm, options.model, &options.settings, &error))
        return cli_fail("%s", error.message);
    cli_exit code = run_session(lm, &options, argv + optind, (size_t)(argc - optind));
    bertrun_lm_close(&lm);
    return code;
}
