#include "cli/run_options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

static const char help[] =
    "usage: bertrun [run] --model MODEL [OPTION...] [TEXT...]\n"
    "\n"
    "Embeds or classifies texts: the arguments, or else the lines of a file or of standard input.\n"
    "Results go to standard output, everything else to standard error.\n"
    "\n"
    "  --model MODEL          a file made by 'bertrun convert', or a Hugging Face directory\n"
    "  --input FILE           texts, a line each (- is standard input)\n"
    "  --input-format FORMAT  lines, jsonl (an object a line) or tsv (a header line, then rows of\n"
    "                         cells with tabs between); default lines\n"
    "  --text-field NAME      the field or column that holds the text; default text\n"
    "  --pair-field NAME      the one that holds the second text of a pair\n"
    "  --id-field NAME        the one that is put into the results as \"id\"\n"
    "  --pair                 each line is a pair with a tab between\n"
    "  -o, --output FILE      write there, whole or not at all, instead of standard output\n"
    "  --format FORMAT        text (to read, shortened), json, jsonl or npy; default text\n"
    "\n"
    "  --task TASK            embed, classify, ner (named entities), answer (a question about a\n"
    "                         text), fill-mask, hidden (hidden states), or auto: what the model's\n"
    "                         head is for, embed without one\n"
    "  --pooling POOLING      mean, cls, max, weighted-mean, last-token, pooler, or auto: what "
    "the\n"
    "                         model's files say\n"
    "  --prompt-name NAME     put the model's prompt of that name before each text; default: the\n"
    "                         model's default prompt, if it has one\n"
    "  --prompt TEXT          put TEXT before each text; '' for none\n"
    "  --dimensions N         keep the first N columns (matryoshka), then normalize\n"
    "  --output-dtype DTYPE   f32, f16, int8, uint8, binary or ubinary embeddings; default f32\n"
    "  --calibration FILE     for int8 and uint8: embeddings (.npy) whose least and greatest "
    "values\n"
    "                         become the ends of the range of codes\n"
    "  --ranges FILE          the same ends given: .npy of two rows, lows and highs\n"
    "  --normalize            scale embeddings to length 1; default: what the model's files say\n"
    "  --no-normalize         leave them as they are\n"
    "  --layers LIST          hidden states of these only: 0 is the embedding layer, -1 the last;\n"
    "                         default all\n"
    "  --top-k N              classify: the N best labels; answer, fill-mask: the N best (1, 5)\n"
    "  --threshold X          classify: the labels of at least that score\n"
    "  --logits               classify: show logits, not scores\n"
    "  --aggregation HOW      ner: simple (default), first, average, max, or none: single tokens\n"
    "  --question TEXT        answer: about each text; without it, texts are pairs (--pair) of a\n"
    "                         question and its context\n"
    "  --no-answer            answer: that there is none counts as an answer\n"
    "  --max-answer-tokens N  answer: default 15\n"
    "  --similarity           print the matrix of cosine similarities of the texts' embeddings\n";

static const char help_compute[] =
    "\n"
    "  --precision PRECISION  int8, bf16, f32, or auto: after the weights\n"
    "  --activations KIND     where int8 scales of activations come from: token (each its own), "
    "batch\n"
    "                         (one a forward pass), token-symmetric, batch-symmetric (no zero "
    "point),\n"
    "                         pytorch (as its quantize_dynamic), static (fixed ones of the file), "
    "or\n"
    "                         auto: static where the file has them, else token\n"
    "  --weights SCALES       of float weights run in int8: per-channel, per-tensor, or auto\n"
    "  --kernels WHOSE        int8 and bf16 products by oneDNN alone: onednn, or auto: by our "
    "own\n"
    "                         code, too, where that is faster; layers in int8 give the same bits\n"
    "  --max-length N         tokens a text, special ones included\n"
    "  --truncation HOW       of longer texts keep the head (default), the tail, or head-tail, a\n"
    "                         quarter and the rest; or error: fail; or stride (embed, ner): cut\n"
    "                         nothing, run in windows, average their embeddings. What is cut is\n"
    "                         counted\n"
    "  --stride N             tokens that neighbouring windows share; default 0, answer: 128\n"
    "  --threads N            default 0: as many as this process may use\n"
    "  --batch-tokens N       tokens in one forward pass; bounds the memory\n"
    "  --batch-size N         texts in one forward pass; default: as many as --batch-tokens "
    "allows\n"
    "  --mmap                 map the model file instead of reading it; it must not change "
    "meanwhile\n";

static const char help_formats[] =
    "\n"
    "Formats. text: a line a text, values shortened. jsonl: an object a line with index, tokens,\n"
    "truncated, and embedding, or label, score, scores and logits (labels with --top-k or\n"
    "--threshold), or entities, answers, masks, or hidden_states\n"
    "[layers][tokens][width], or similarity; id and windows where there are any. json: one object\n"
    "with those in \"results\". npy: [texts, width], [texts, labels]; for hidden --output is a\n"
    "directory, with a file 000000.npy, [layers, tokens, width], for each text.\n"
    "\n"
    "Examples:\n"
    "  bertrun --model minilm.bin --similarity \"A man plays guitar.\" \"Someone makes music.\"\n"
    "  bertrun --model minilm.bin --input sentences.txt --format npy -o embeddings.npy\n"
    "  bertrun --model sst2.bin --format jsonl < reviews.txt\n"
    "  bertrun --model ner.bin --format jsonl \"Empire State Building, New York\"\n"
    "  bertrun --model squad.bin --question \"Who wrote it?\" --input chapters.txt --top-k 3\n"
    "  bertrun --model bert-base.bin \"The capital of France is [MASK].\"\n"
    "  bertrun --model minilm.bin --input docs.jsonl --input-format jsonl --text-field body \\\n"
    "          --id-field url --truncation stride --format jsonl\n"
    "\n"
    "Exit codes: 0 fine; 1 a file, the model or the output failed; 2 a wrong command line.\n";

cli_exit run_print_help(void)
{
    cli_help(help);
    cli_help(help_compute);
    return cli_help(help_formats);
}

static const cli_choice tasks[] = {
    {"auto", RUN_AUTO},
    {"embed", RUN_EMBED},
    {"classify", RUN_CLASSIFY},
    {"hidden", RUN_HIDDEN},
    {"ner", RUN_NER},
    {"answer", RUN_ANSWER},
    {"fill-mask", RUN_FILL_MASK},
    {NULL, 0},
};

static const cli_choice aggregations[] = {
    {"none", BERTRUN_AGGREGATION_NONE},   {"simple", BERTRUN_AGGREGATION_SIMPLE},
    {"first", BERTRUN_AGGREGATION_FIRST}, {"average", BERTRUN_AGGREGATION_AVERAGE},
    {"max", BERTRUN_AGGREGATION_MAX},     {NULL, 0},
};

static const cli_choice input_formats[] = {
    {"lines", TEXT_LINES},
    {"jsonl", TEXT_JSONL},
    {"tsv", TEXT_TSV},
    {NULL, 0},
};

static const cli_choice truncations[] = {
    {"head", BERTRUN_LONG_TEXT_HEAD},           {"tail", BERTRUN_LONG_TEXT_TAIL},
    {"head-tail", BERTRUN_LONG_TEXT_HEAD_TAIL}, {"error", BERTRUN_LONG_TEXT_ERROR},
    {"stride", BERTRUN_LONG_TEXT_STRIDE},       {NULL, 0},
};

static const cli_choice output_dtypes[] = {
    {"f32", BERTRUN_EMBEDDING_F32},
    {"f16", BERTRUN_EMBEDDING_F16},
    {"int8", BERTRUN_EMBEDDING_INT8},
    {"uint8", BERTRUN_EMBEDDING_UINT8},
    {"binary", BERTRUN_EMBEDDING_BINARY},
    {"ubinary", BERTRUN_EMBEDDING_UBINARY},
    {NULL, 0},
};

/* "all", or "0,3,-1". */
static bool take_layers(void *data, const char *text)
{
    run_options *options = data;
    free(options->layers);
    options->layers = NULL;
    options->hidden_options.layers = NULL;
    options->hidden_options.num_layers = 0;
    size_t count = 0;
    if (strcmp(text, "all") == 0)
        return true;
    options->layers = cli_realloc(NULL, strlen(text) + 1, sizeof *options->layers);
    for (const char *at = text; options->layers; at++) {
        char *end;
        errno = 0;
        long layer = strtol(at, &end, 10);
        if (end == at || errno || layer < INT_MIN || layer > INT_MAX || (*end && *end != ',')) {
            cli_usage("--layers: '%s' is neither 'all' nor numbers with commas between", text);
            return false;
        }
        options->layers[count++] = (int)layer;
        if (!*(at = end))
            break;
    }
    options->hidden_options.layers = options->layers;
    options->hidden_options.num_layers = count;
    return options->layers;
}

static bool take_format(void *data, const char *text)
{
    run_options *options = data;
    options->format = result_format_find(text);
    if (!options->format)
        cli_usage("--format: '%s' is none of text, json, jsonl, npy", text);
    return options->format;
}

static bool take_threshold(void *data, const char *text)
{
    run_options *options = data;
    options->tasks.has_threshold = true;
    return cli_parse_float("--threshold", text, &options->tasks.threshold);
}

static bool take_aggregation(void *data, const char *text)
{
    run_options *options = data;
    int value;
    options->aggregation_given = true;
    if (!cli_parse_choice("--aggregation", text, aggregations, &value))
        return false;
    options->tasks.aggregation = (bertrun_aggregation)value;
    return true;
}

#define AT(member) .at = offsetof(run_options, member)

static const cli_option all_options[] = {
    OPTION_HELP(run_options),
    {"output", OPTION_TEXT, AT(output), .letter = 'o'},
    {"model", OPTION_TEXT, AT(model)},
    {"input", OPTION_TEXT, AT(input)},
    {"pair", OPTION_FLAG, AT(fields.pairs)},
    {"input-format", OPTION_CHOICE, AT(fields.format), .choices = input_formats},
    {"text-field", OPTION_TEXT, AT(fields.text)},
    {"pair-field", OPTION_TEXT, AT(fields.pair)},
    {"id-field", OPTION_TEXT, AT(fields.id)},
    {"prompt", OPTION_TEXT, AT(embed_options.prompt)},
    {"prompt-name", OPTION_TEXT, AT(embed_options.prompt_name)},
    {"dimensions", OPTION_SIZE, AT(embed_options.dimensions), .least = 1},
    {"output-dtype", OPTION_CHOICE, AT(embed_options.dtype), .choices = output_dtypes},
    {"calibration", OPTION_TEXT, AT(calibration)},
    {"ranges", OPTION_TEXT, AT(ranges)},
    {"layers", OPTION_CALL, .take = take_layers},
    {"truncation", OPTION_CHOICE, AT(session_settings.long_text), .choices = truncations},
    {"stride", OPTION_SIZE, AT(session_settings.stride)},
    {"format", OPTION_CALL, .take = take_format},
    {"task", OPTION_CHOICE, AT(task), .choices = tasks},
    {"pooling", OPTION_CHOICE, AT(embed_options.pooling), .choices = cli_poolings},
    {"normalize", OPTION_CONSTANT, AT(embed_options.normalize), .constant = BERTRUN_CHOICE_YES},
    {"no-normalize", OPTION_CONSTANT, AT(embed_options.normalize), .constant = BERTRUN_CHOICE_NO},
    {"similarity", OPTION_FLAG, AT(similarity)},
    {"top-k", OPTION_SIZE, AT(tasks.top_k), .least = 1},
    {"threshold", OPTION_CALL, .take = take_threshold},
    {"logits", OPTION_FLAG, AT(tasks.logits)},
    {"aggregation", OPTION_CALL, .take = take_aggregation},
    {"question", OPTION_TEXT, AT(tasks.query)},
    {"query", OPTION_TEXT, AT(tasks.query)},
    {"no-answer", OPTION_FLAG, AT(tasks.no_answer)},
    {"max-answer-tokens", OPTION_SIZE, AT(tasks.max_answer_tokens), .least = 1},
    {"precision", OPTION_CHOICE, AT(model_settings.precision), .choices = cli_precisions},
    {"activations", OPTION_CHOICE, AT(model_settings.activations), .choices = cli_activations},
    {"weights", OPTION_CHOICE, AT(model_settings.weights), .choices = cli_weights},
    {"kernels", OPTION_CHOICE, AT(model_settings.kernels), .choices = cli_kernels},
    {"max-length", OPTION_SIZE, AT(session_settings.max_length), .least = 1},
    {"threads", OPTION_THREADS, AT(session_settings.threads)},
    {"batch-tokens", OPTION_SIZE, AT(session_settings.batch_tokens), .least = 1},
    {"batch-size", OPTION_SIZE, AT(batch_size), .least = 1},
    {"mmap", OPTION_FLAG, AT(model_settings.mmap)},
    {0},
};

/* Whether the command takes the option; complains where it does not. */
static bool is_taken(const options_command *command, const char *name)
{
    bool other = strcmp(name, "query") == 0;
    if (!command && other)
        cli_usage("--query: only with bertrun rerank");
    if (!command)
        return !other;
    for (size_t i = 0; command->options[i]; i++)
        if (strcmp(command->options[i], name) == 0)
            return true;
    cli_usage("--%s: not with bertrun %s", name, command->name);
    return false;
}

static bool check_input(const run_options *options)
{
    const text_fields *fields = &options->fields;
    bool named = fields->text || fields->pair || fields->id;
    if (fields->format == TEXT_LINES && named)
        cli_usage("--text-field, --pair-field, --id-field: only with --input-format jsonl or tsv");
    else if (fields->format != TEXT_LINES && fields->pairs)
        cli_usage("--pair: is for lines; --pair-field names the second text");
    else if (fields->format != TEXT_LINES && options->num_texts)
        cli_usage("--input-format: not together with texts as arguments");
    else if (fields->id && options->format == &out_npy)
        cli_usage("--id-field: npy has no place for ids; rows stand in the order of the input");
    else
        return true;
    return false;
}

static bool check_codes(const run_options *options)
{
    bertrun_embedding_dtype dtype = options->embed_options.dtype;
    bool integers = dtype == BERTRUN_EMBEDDING_INT8 || dtype == BERTRUN_EMBEDDING_UINT8;
    if (options->calibration && options->ranges)
        cli_usage("--calibration: not together with --ranges");
    else if (integers && !options->calibration && !options->ranges)
        cli_usage("--output-dtype: int8 and uint8 need --calibration or --ranges");
    else if (!integers && (options->calibration || options->ranges))
        cli_usage("--calibration, --ranges: only with --output-dtype int8 or uint8");
    else
        return true;
    return false;
}

/* What single options cannot know. */
static bool check(const run_options *options, const options_command *command)
{
    if (!options->model)
        cli_usage("--model: missing, see bertrun %s --help", command ? command->name : "run");
    else if (options->input && options->num_texts)
        cli_usage("--input: not together with texts as arguments");
    else if (options->similarity && options->task != RUN_AUTO && options->task != RUN_EMBED)
        cli_usage("--similarity: only with --task embed");
    else if (options->layers && options->task != RUN_HIDDEN)
        cli_usage("--layers: only with --task hidden");
    else if (options->task == RUN_HIDDEN && options->format == &out_npy &&
             (!options->output || strcmp(options->output, "-") == 0))
        cli_usage(
            "--format npy: hidden states are a file for each text, --output names a directory");
    else if (options->embed_options.prompt && options->embed_options.prompt_name)
        cli_usage("--prompt: not together with --prompt-name");
    else
        return check_input(options) && check_codes(options);
    return false;
}

bool run_options_parse(run_options *options, int argc, char **argv, const options_command *command)
{
    *options = (run_options){.format = &out_text};
    bertrun_model_settings_init(&options->model_settings);
    bertrun_session_settings_init(&options->session_settings);
    bertrun_embed_options_init(&options->embed_options);
    bertrun_hidden_options_init(&options->hidden_options);
    options->model_settings.log = cli_log;
    options->session_settings.threads = 0;
    bool good;
    for (const cli_option *option; (option = cli_next_option(all_options, argc, argv, &good));)
        if (!is_taken(command, option->name) || !cli_take_option(option, options))
            return false;
    if (!good)
        return false;
    options->texts = argv + optind;
    options->num_texts = (size_t)(argc - optind);
    return options->help || check(options, command);
}

void run_options_free(run_options *options)
{
    free(options->layers);
    *options = (run_options){0};
}
