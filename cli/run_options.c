#include "cli/run_options.h"

#include <string.h>

const char run_help[] =
    "usage: bertrun [run] --model MODEL [OPTION...] [TEXT...]\n"
    "\n"
    "Embeds or classifies texts: the arguments, or else the lines of a file or of standard input.\n"
    "Results go to standard output, everything else to standard error.\n"
    "\n"
    "  --model MODEL          a file made by 'bertrun convert', or a Hugging Face directory\n"
    "  --input FILE           texts, a line each (- is standard input)\n"
    "  --pair                 each text is a pair with a tab between\n"
    "  -o, --output FILE      write there, whole or not at all, instead of standard output\n"
    "  --format FORMAT        text (to read, shortened), json, jsonl or npy; default text\n"
    "\n"
    "  --task TASK            embed, classify, hidden (all hidden states), or auto: classify "
    "where\n"
    "                         the model has a classifier, else embed\n"
    "  --pooling POOLING      mean, cls, max, pooler, or auto: what the model's files say\n"
    "  --normalize            scale embeddings to length 1; default: what the model's files say\n"
    "  --no-normalize         leave them as they are\n"
    "  --similarity           print the matrix of cosine similarities of the texts' embeddings\n"
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
    "  --kernels WHOSE        matrix products by oneDNN alone: onednn, or auto: by our own code, "
    "too,\n"
    "                         where that is faster; the results are the same, bit for bit\n"
    "  --max-length N         tokens a text, special ones included; the rest is cut and counted\n"
    "  --threads N            default 0: as many as this process may use\n"
    "  --batch-tokens N       tokens in one forward pass; bounds the memory\n"
    "  --batch-size N         texts in one forward pass; default: as many as --batch-tokens "
    "allows\n"
    "  --mmap                 map the model file instead of reading it; it must not change "
    "meanwhile\n"
    "\n"
    "Formats. text: a line a text, values shortened. jsonl: an object a line with index, tokens,\n"
    "truncated, and embedding, or label, score, scores and logits, or hidden_states\n"
    "[states][tokens][width], or similarity. json: one object with those in \"results\". npy: "
    "float32\n"
    "[texts, width], [texts, labels], or for hidden [tokens of all texts, states, width].\n"
    "\n"
    "Examples:\n"
    "  bertrun --model minilm.bin --similarity \"A man plays guitar.\" \"Someone makes music.\"\n"
    "  bertrun --model minilm.bin --input sentences.txt --format npy -o embeddings.npy\n"
    "  bertrun --model sst2.bin --format jsonl < reviews.txt\n"
    "\n"
    "Exit codes: 0 fine; 1 a file, the model or the output failed; 2 a wrong command line.\n";

enum {
    MODEL = CLI_LONG,
    INPUT,
    PAIR,
    FORMAT,
    TASK,
    POOLING,
    NORMALIZE,
    NO_NORMALIZE,
    SIMILARITY,
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
    {"format", required_argument, NULL, FORMAT},
    {"task", required_argument, NULL, TASK},
    {"pooling", required_argument, NULL, POOLING},
    {"normalize", no_argument, NULL, NORMALIZE},
    {"no-normalize", no_argument, NULL, NO_NORMALIZE},
    {"similarity", no_argument, NULL, SIMILARITY},
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
    {"auto", RUN_AUTO}, {"embed", RUN_EMBED}, {"classify", RUN_CLASSIFY}, {"hidden", RUN_HIDDEN},
    {NULL, 0},
};

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
        options->pairs = true;
        return true;
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

/* What single options cannot know. */
static bool check(const run_options *options)
{
    if (!options->model)
        cli_usage("--model: missing, see bertrun run --help");
    else if (options->input && options->num_texts)
        cli_usage("--input: not together with texts as arguments");
    else if (options->similarity && options->task != RUN_AUTO && options->task != RUN_EMBED)
        cli_usage("--similarity: only with --task embed");
    else
        return true;
    return false;
}

bool run_options_parse(run_options *options, int argc, char **argv)
{
    *options = (run_options){.format = &out_text};
    bertrun_model_settings_init(&options->model_settings);
    bertrun_session_settings_init(&options->session_settings);
    bertrun_embed_options_init(&options->embed_options);
    options->model_settings.log = cli_log;
    options->session_settings.threads = 0;
    for (int option; (option = cli_next_option(argc, argv, ":ho:", long_options)) != -1;)
        if (!take_option(options, option))
            return false;
    options->texts = argv + optind;
    options->num_texts = (size_t)(argc - optind);
    return options->help || check(options);
}
