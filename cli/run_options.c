#include "cli/run_options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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
    "                         code, too, where that is faster; int8 results are the same\n"
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

enum {
    MODEL = CLI_LONG,
    INPUT,
    PAIR,
    INPUT_FORMAT,
    TEXT_FIELD,
    PAIR_FIELD,
    ID_FIELD,
    PROMPT,
    PROMPT_NAME,
    DIMENSIONS,
    OUTPUT_DTYPE,
    CALIBRATION,
    RANGES,
    LAYERS,
    TRUNCATION,
    STRIDE,
    FORMAT,
    TASK,
    POOLING,
    NORMALIZE,
    NO_NORMALIZE,
    SIMILARITY,
    TOP_K,
    THRESHOLD,
    LOGITS,
    AGGREGATION,
    QUESTION,
    QUERY,
    NO_ANSWER,
    MAX_ANSWER_TOKENS,
    PRECISION,
    ACTIVATIONS,
    WEIGHTS,
    KERNELS,
    MAX_LENGTH,
    THREADS,
    BATCH_TOKENS,
    BATCH_SIZE,
    MMAP,
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"output", required_argument, NULL, 'o'},
    {"model", required_argument, NULL, MODEL},
    {"input", required_argument, NULL, INPUT},
    {"pair", no_argument, NULL, PAIR},
    {"input-format", required_argument, NULL, INPUT_FORMAT},
    {"text-field", required_argument, NULL, TEXT_FIELD},
    {"pair-field", required_argument, NULL, PAIR_FIELD},
    {"id-field", required_argument, NULL, ID_FIELD},
    {"prompt", required_argument, NULL, PROMPT},
    {"prompt-name", required_argument, NULL, PROMPT_NAME},
    {"dimensions", required_argument, NULL, DIMENSIONS},
    {"output-dtype", required_argument, NULL, OUTPUT_DTYPE},
    {"calibration", required_argument, NULL, CALIBRATION},
    {"ranges", required_argument, NULL, RANGES},
    {"layers", required_argument, NULL, LAYERS},
    {"truncation", required_argument, NULL, TRUNCATION},
    {"stride", required_argument, NULL, STRIDE},
    {"format", required_argument, NULL, FORMAT},
    {"task", required_argument, NULL, TASK},
    {"pooling", required_argument, NULL, POOLING},
    {"normalize", no_argument, NULL, NORMALIZE},
    {"no-normalize", no_argument, NULL, NO_NORMALIZE},
    {"similarity", no_argument, NULL, SIMILARITY},
    {"top-k", required_argument, NULL, TOP_K},
    {"threshold", required_argument, NULL, THRESHOLD},
    {"logits", no_argument, NULL, LOGITS},
    {"aggregation", required_argument, NULL, AGGREGATION},
    {"question", required_argument, NULL, QUESTION},
    {"query", required_argument, NULL, QUERY},
    {"no-answer", no_argument, NULL, NO_ANSWER},
    {"max-answer-tokens", required_argument, NULL, MAX_ANSWER_TOKENS},
    {"precision", required_argument, NULL, PRECISION},
    {"activations", required_argument, NULL, ACTIVATIONS},
    {"weights", required_argument, NULL, WEIGHTS},
    {"kernels", required_argument, NULL, KERNELS},
    {"max-length", required_argument, NULL, MAX_LENGTH},
    {"threads", required_argument, NULL, THREADS},
    {"batch-tokens", required_argument, NULL, BATCH_TOKENS},
    {"batch-size", required_argument, NULL, BATCH_SIZE},
    {"mmap", no_argument, NULL, MMAP},
    {NULL, 0, NULL, 0},
};

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
static bool parse_layers(run_options *options, const char *text)
{
    free(options->layers);
    options->layers = NULL;
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

static bool parse_format(const char *text, const result_format **format)
{
    *format = result_format_find(text);
    if (!*format)
        cli_usage("--format: '%s' is none of text, json, jsonl, npy", text);
    return *format;
}

/* A choice into `target`, an enum. */
#define PARSE_CHOICE(name, choices, target)                                                        \
    (cli_parse_choice(name, optarg, choices, &value) &&                                            \
     ((target) = (__typeof__(target))value, true))

/* Takes in one option; false, having complained, where its value is wrong. */
static bool take_option(run_options *options, int option)
{
    int value;
    switch (option) {
    case 'h':
        options->help = true;
        return true;
    case 'o':
        options->output = optarg;
        return true;
    case MODEL:
        options->model = optarg;
        return true;
    case INPUT:
        options->input = optarg;
        return true;
    case PAIR:
        options->fields.pairs = true;
        return true;
    case INPUT_FORMAT:
        return PARSE_CHOICE("--input-format", input_formats, options->fields.format);
    case TEXT_FIELD:
        options->fields.text = optarg;
        return true;
    case PAIR_FIELD:
        options->fields.pair = optarg;
        return true;
    case ID_FIELD:
        options->fields.id = optarg;
        return true;
    case PROMPT:
        options->embed_options.prompt = optarg;
        return true;
    case PROMPT_NAME:
        options->embed_options.prompt_name = optarg;
        return true;
    case DIMENSIONS:
        return cli_parse_size("--dimensions", optarg, 1, &options->embed_options.dimensions);
    case OUTPUT_DTYPE:
        return PARSE_CHOICE("--output-dtype", output_dtypes, options->embed_options.dtype);
    case CALIBRATION:
        options->calibration = optarg;
        return true;
    case RANGES:
        options->ranges = optarg;
        return true;
    case LAYERS:
        return parse_layers(options, optarg);
    case TRUNCATION:
        return PARSE_CHOICE("--truncation", truncations, options->session_settings.long_text);
    case STRIDE:
        return cli_parse_size("--stride", optarg, 0, &options->session_settings.stride);
    case FORMAT:
        return parse_format(optarg, &options->format);
    case TASK:
        return PARSE_CHOICE("--task", tasks, options->task);
    case POOLING:
        return PARSE_CHOICE("--pooling", cli_poolings, options->embed_options.pooling);
    case NORMALIZE:
        options->embed_options.normalize = BERTRUN_CHOICE_YES;
        return true;
    case NO_NORMALIZE:
        options->embed_options.normalize = BERTRUN_CHOICE_NO;
        return true;
    case SIMILARITY:
        options->similarity = true;
        return true;
    case TOP_K:
        return cli_parse_size("--top-k", optarg, 1, &options->tasks.top_k);
    case THRESHOLD:
        options->tasks.has_threshold = true;
        return cli_parse_float("--threshold", optarg, &options->tasks.threshold);
    case LOGITS:
        return (options->tasks.logits = true);
    case AGGREGATION:
        options->aggregation_given = true;
        return PARSE_CHOICE("--aggregation", aggregations, options->tasks.aggregation);
    case QUESTION:
    case QUERY:
        options->tasks.query = optarg;
        return true;
    case NO_ANSWER:
        return (options->tasks.no_answer = true);
    case MAX_ANSWER_TOKENS:
        return cli_parse_size("--max-answer-tokens", optarg, 1, &options->tasks.max_answer_tokens);
    case PRECISION:
        return PARSE_CHOICE("--precision", cli_precisions, options->model_settings.precision);
    case ACTIVATIONS:
        return PARSE_CHOICE("--activations", cli_activations, options->model_settings.activations);
    case WEIGHTS:
        return PARSE_CHOICE("--weights", cli_weights, options->model_settings.weights);
    case KERNELS:
        return PARSE_CHOICE("--kernels", cli_kernels, options->model_settings.kernels);
    case MAX_LENGTH:
        return cli_parse_size("--max-length", optarg, 1, &options->session_settings.max_length);
    case THREADS:
        return cli_parse_threads(optarg, &options->session_settings.threads);
    case BATCH_TOKENS:
        return cli_parse_size("--batch-tokens", optarg, 1, &options->session_settings.batch_tokens);
    case BATCH_SIZE:
        return cli_parse_size("--batch-size", optarg, 1, &options->batch_size);
    case MMAP:
        options->model_settings.mmap = true;
        return true;
    default:
        return false;
    }
}

static const char *name_of(int option)
{
    const struct option *known = long_options;
    while (known->name && known->val != option)
        known++;
    return known->name;
}

/* Whether the command takes the option; complains where it does not. */
static bool is_taken(const options_command *command, int option)
{
    const char *name = name_of(option);
    if (!name || (!command && option != QUERY))
        return true;
    for (size_t i = 0; command && command->options[i]; i++)
        if (strcmp(command->options[i], name) == 0)
            return true;
    if (command)
        cli_usage("--%s: not with bertrun %s", name, command->name);
    else
        cli_usage("--query: only with bertrun rerank");
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
    for (int option; (option = cli_next_option(argc, argv, ":ho:", long_options)) != -1;)
        if (!is_taken(command, option) || !take_option(options, option))
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
