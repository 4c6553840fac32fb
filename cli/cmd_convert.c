/* bertrun convert: a Hugging Face directory becomes one file. */
#include "bertrun/bertrun.h"
#include "cli/cli.h"

static const char help[] =
    "usage: bertrun convert DIRECTORY -o FILE [--dtype DTYPE] [--weights SCALES]\n"
    "\n"
    "Makes one self-contained file (weights, configuration, vocabulary) of a Hugging Face "
    "directory.\n"
    "The file appears whole or not at all; it is a valid safetensors file.\n"
    "\n"
    "  -o, --output FILE   the file to make\n"
    "  --dtype DTYPE       how weights are stored: int8 (default), f16, bf16 or f32\n"
    "  --weights SCALES    int8: per-channel (default), or per-tensor: one scale a linear layer, "
    "as\n"
    "                      in PyTorch's quantize_dynamic; for bertrun --activations pytorch\n"
    "\n"
    "Example:\n"
    "  bertrun convert all-MiniLM-L6-v2 -o minilm.bin\n"
    "\n"
    "Exit codes: 0 fine; 1 a file failed; 2 a wrong command line.\n";

enum { DTYPE = CLI_LONG, WEIGHTS };

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"output", required_argument, NULL, 'o'},
    {"dtype", required_argument, NULL, DTYPE},
    {"weights", required_argument, NULL, WEIGHTS},
    {NULL, 0, NULL, 0},
};

/* Takes in one option; false, having complained, where its value is wrong. */
static bool take_option(bertrun_convert_settings *settings, const char **file, int option)
{
    int value;
    switch (option) {
    case 'o':
        *file = optarg;
        return true;
    case DTYPE:
        if (!cli_parse_choice("--dtype", optarg, cli_dtypes, &value))
            return false;
        settings->dtype = (bertrun_dtype)value;
        return true;
    case WEIGHTS:
        if (!cli_parse_choice("--weights", optarg, cli_weights, &value))
            return false;
        settings->weights = (bertrun_weights)value;
        return true;
    default:
        return false;
    }
}

cli_exit cli_convert(int argc, char **argv)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.log = cli_log;
    const char *file = NULL;
    for (int option; (option = cli_next_option(argc, argv, ":ho:", long_options)) != -1;) {
        if (option == 'h')
            return cli_help(help);
        if (!take_option(&settings, &file, option))
            return CLI_USAGE;
    }
    if (argc - optind != 1)
        return cli_usage("convert takes one DIRECTORY, see bertrun convert --help");
    if (!file)
        return cli_usage("--output: missing, see bertrun convert --help");
    bertrun_error error;
    if (bertrun_convert(argv[optind], file, &settings, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    return CLI_OK;
}
