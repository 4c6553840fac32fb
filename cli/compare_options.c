#include "cli/compare_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"

const char compare_help[] =
    "usage: bertrun compare MODEL[:OPTION=VALUE,...] MODEL... --data FILE --columns COLUMNS\n"
    "                       [OPTION...]\n"
    "       bertrun compare LM[:precision=...] LM... --data TEXT [OPTION...]\n"
    "\n"
    "Runs models over one labelled file, or language models over a text, and puts them side by\n"
    "side: how good they are, how far they are from the first one, how long they take and what\n"
    "memory and disk they need.\n"
    "\n"
    "A MODEL is a file made by 'bertrun convert', or a Hugging Face directory. Behind a colon\n"
    "stand run-time options, so that one file can be compared with itself:\n"
    "  int8.bin:activations=batch     precision=, activations=, weights=, kernels=, as in\n"
    "                                 'bertrun run'\n"
    "\n"
    "  --data FILE         lines of cells with tabs between, no quoting (- is standard input)\n"
    "  --columns COLUMNS   TEXT,LABEL or TEXT,TEXT,LABEL for classifiers, TEXT,TEXT,SCORE for\n"
    "                      embeddings: names of the header or numbers from 1. A label is a name\n"
    "                      that the model knows, or its number from 0\n"
    "  --header            the first line names the columns\n"
    "  --where COLUMN=VALUE  only lines whose cell says so\n"
    "  --report FILE       also writes an HTML page with plots, which opens offline\n"
    "  --format FORMAT     text or json, default text\n"
    "  --threads N         default 1; 0: as many as this process may use\n"
    "  --batch-size N      texts in one forward pass of the second run, default 32; columns that\n"
    "                      language models read side by side, default 10\n"
    "  --bptt N            language models: words of each column in one call, default 35\n"
    "\n"
    "Each model lives in a process of its own. The file is walked in blocks; in each block one\n"
    "model after another runs, first a text at a time, which gives latency (tokenizing included),\n"
    "then --batch-size texts at a time as they come, which gives tokens a second and the results\n"
    "that are judged. A pass of activations=batch quantizes all its texts together.\n"
    "Language models read the text once, a call after another, as 'bertrun lm --perplexity' does.\n"
    "\n"
    "  accuracy, correct, macro F1   against the labels\n"
    "  flips                         rows with another label than the first model's\n"
    "  Spearman, Pearson             of the two embeddings' cosine and the score\n"
    "  cosine mean, worst            of the embedding or logits and the first model's\n"
    "  perplexity, change %          of the text, and against the first model's\n"
    "  log p error, worst            |log p - log p1| of each word, mean and worst\n"
    "  mean, std, p50, p99 ms        of a text alone, or of a language model's call\n"
    "  peak MB, disk MB              the process' largest resident set; the weight files\n"
    "  error by layer                |h - h1| / |h1| of the hidden states over all tokens of up "
    "to\n"
    "                                256 texts, evenly spread; h1: the first model's; 0 is the\n"
    "                                embedding layer\n"
    "\n"
    "Examples:\n"
    "  bertrun compare f32.bin int8.bin int8.bin:activations=batch --data stsb.tsv --header \\\n"
    "    --columns sentence1,sentence2,score --where split=test --report stsb.html\n"
    "  bertrun compare f32.bin int8.bin --data intents.tsv --columns 1,2 --format json\n"
    "  bertrun compare lm-f32.bin lm-int8.bin --data wikitext2-test.txt\n"
    "\n"
    "Exit codes: 0 fine; 1 a file, a model or the output failed; 2 a wrong command line.\n";

static bool take_format(void *data, const char *text)
{
    static const cli_choice formats[] = {{"text", false}, {"json", true}, {NULL, 0}};
    compare_options *options = data;
    int json;
    if (!cli_parse_choice("--format", text, formats, &json))
        return false;
    options->json = json;
    return true;
}

#define AT(member) .at = offsetof(compare_options, member)

static const cli_option all_options[] = {
    OPTION_HELP(compare_options),
    {"data", OPTION_TEXT, AT(data)},
    {"columns", OPTION_TEXT, AT(table.columns)},
    {"header", OPTION_FLAG, AT(table.header)},
    {"where", OPTION_TEXT, AT(table.where)},
    {"report", OPTION_TEXT, AT(report)},
    {"format", OPTION_CALL, .take = take_format},
    {"threads", OPTION_THREADS, AT(threads)},
    {"batch-size", OPTION_SIZE, AT(batch_size), .least = 1},
    {"bptt", OPTION_SIZE, AT(bptt), .least = 1},
    {0},
};

/* --------------------------------------------------------------------------------------- models */

/* Where a model's option goes. */
typedef struct setting {
    const char *name;
    const cli_choice *choices;
    size_t offset; /* of an enum in bertrun_model_settings */
} setting;

/* One "option=value" of a model. */
static bool take_setting(compare_model *model, char *text)
{
    static const setting SETTINGS[] = {
        {"precision", cli_precisions, offsetof(bertrun_model_settings, precision)},
        {"activations", cli_activations, offsetof(bertrun_model_settings, activations)},
        {"weights", cli_weights, offsetof(bertrun_model_settings, weights)},
        {"kernels", cli_kernels, offsetof(bertrun_model_settings, kernels)},
    };
    char *equals = strchr(text, '=');
    if (equals)
        *equals = '\0';
    for (size_t i = 0; i < sizeof SETTINGS / sizeof SETTINGS[0]; i++) {
        int value;
        if (strcmp(text, SETTINGS[i].name) != 0)
            continue;
        if (!cli_parse_choice(model->name, equals ? equals + 1 : "", SETTINGS[i].choices, &value))
            return false;
        memcpy((char *)&model->settings + SETTINGS[i].offset, &value, sizeof value);
        return true;
    }
    cli_usage("%s: '%s' is none of precision, activations, weights, kernels", model->name, text);
    return false;
}

/* The colon before the options, or NULL; a path may have colons of its own. */
static char *find_settings(char *path)
{
    char *colon = strrchr(path, ':');
    return colon && strchr(colon, '=') && access(path, F_OK) != 0 ? colon : NULL;
}

static bool parse_model(compare_model *model, const char *text)
{
    const char *slash = strrchr(text, '/');
    model->name = slash && slash[1] ? slash + 1 : text;
    bertrun_model_settings_init(&model->settings);
    model->settings.log = cli_log;
    model->path = strdup(text);
    if (!model->path) {
        cli_fail("out of memory");
        return false;
    }
    char *next = find_settings(model->path);
    if (next)
        *next++ = '\0';
    for (char *word; (word = strsep(&next, ","));)
        if (!take_setting(model, word))
            return false;
    return true;
}

static bool parse_models(compare_options *options, char **texts, size_t count)
{
    options->models = calloc(count, sizeof *options->models);
    if (!options->models) {
        cli_fail("out of memory");
        return false;
    }
    options->num_models = count;
    for (size_t i = 0; i < count; i++)
        if (!parse_model(&options->models[i], texts[i]))
            return false;
    return true;
}

static bool check(const compare_options *options, int num_models)
{
    if (num_models < 2)
        cli_usage("compare takes two models or more, see bertrun compare --help");
    else if (!options->data)
        cli_usage("--data: missing, see bertrun compare --help");
    else
        return true;
    return false;
}

bool compare_options_parse(compare_options *options, int argc, char **argv)
{
    *options = (compare_options){.threads = 1};
    if (!cli_take_options(all_options, options, argc, argv))
        return false;
    if (options->help)
        return true;
    return check(options, argc - optind) &&
           parse_models(options, argv + optind, (size_t)(argc - optind));
}

void compare_options_free(compare_options *options)
{
    for (size_t i = 0; i < options->num_models; i++)
        free(options->models[i].path);
    free(options->models);
}
