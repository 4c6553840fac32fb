/* bertrun convert: a Hugging Face directory becomes one file. */
#include <stdlib.h>

#include "bertrun/bertrun.h"
#include "cli/cli.h"
#include "cli/convert_options.h"

static const char help[] =
    "usage: bertrun convert DIRECTORY -o FILE [OPTION...]\n"
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
    "  --keep DTYPE LAYER...\n"
    "                      store these linear layers in bf16, f16 or f32 instead: names such as\n"
    "                      pre_classifier, or patterns such as 'encoder.layer.0.*'; bertrun info "
    "tells\n"
    "                      which layers they are. It goes behind DIRECTORY or before an option\n"
    "\n"
    "For int8 that is closer to f32, at no cost at run time:\n"
    "  --calibration TEXTS real texts of the kind that the model is for, one a line, 500 or more;\n"
    "                      '-' is standard input. Biases make up for mean errors\n" CONVERT_HELP
        CONVERT_TABLE_HELP "\n"
    "Examples:\n"
    "  bertrun convert all-MiniLM-L6-v2 -o minilm.bin\n"
    "  bertrun convert all-MiniLM-L6-v2 --calibration sentences.txt --equalize auto \\\n"
    "                  --rounding gptq -o minilm.bin\n"
    "  bertrun convert all-MiniLM-L6-v2 -o mixed.bin --keep bf16 '*.output.dense'\n"
    "\n"
    "Exit codes: 0 fine; 1 a file failed; 2 a wrong command line.\n";

enum { DTYPE = CONVERT_OWN, WEIGHTS, KEEP, CALIBRATION };

static const struct option long_options[] = {
    CONVERT_LONG_OPTIONS,
    {"dtype", required_argument, NULL, DTYPE},
    {"weights", required_argument, NULL, WEIGHTS},
    {"keep", required_argument, NULL, KEEP},
    {"calibration", required_argument, NULL, CALIBRATION},
    {NULL, 0, NULL, 0},
};

/* A command line; `options.settings.keep` is `keep`. */
typedef struct convert_command {
    convert_options options;
    bertrun_keep *keep; /* room for every argument */
} convert_command;

/* --keep DTYPE LAYER...: what follows up to the next option are layers. */
static bool take_keep(convert_command *command, int argc, char **argv)
{
    int dtype;
    size_t before = command->options.settings.num_keep;
    if (!cli_parse_choice("--keep", optarg, cli_dtypes, &dtype))
        return false;
    for (; optind < argc && argv[optind][0] != '-'; optind++)
        command->keep[command->options.settings.num_keep++] =
            (bertrun_keep){argv[optind], (bertrun_dtype)dtype};
    if (command->options.settings.num_keep == before)
        cli_usage("--keep: names no layer, see bertrun convert --help");
    return command->options.settings.num_keep > before;
}

/* Takes in one option; false, having complained, where its value is wrong. */
static bool take_option(convert_command *command, int option, int argc, char **argv)
{
    int value;
    switch (option) {
    case DTYPE:
        if (!cli_parse_choice("--dtype", optarg, cli_dtypes, &value))
            return false;
        command->options.settings.dtype = (bertrun_dtype)value;
        return true;
    case WEIGHTS:
        if (!cli_parse_choice("--weights", optarg, cli_weights, &value))
            return false;
        command->options.settings.weights = (bertrun_weights)value;
        return true;
    case KEEP:
        return take_keep(command, argc, argv);
    case CALIBRATION:
        command->options.texts = optarg;
        return true;
    default:
        return convert_options_take(&command->options, option) == CLI_OK;
    }
}

static cli_exit run(convert_command *command, int argc, char **argv)
{
    for (int option; (option = cli_next_option(argc, argv, ":ho:", long_options)) != -1;) {
        if (option == 'h')
            return cli_help(help);
        if (!take_option(command, option, argc, argv))
            return CLI_USAGE;
    }
    if (argc - optind != 1)
        return cli_usage("convert takes one DIRECTORY, see bertrun convert --help");
    return convert_options_run(&command->options, argv[optind]);
}

cli_exit cli_convert(int argc, char **argv)
{
    convert_command command = {.keep = cli_realloc(NULL, (size_t)argc, sizeof *command.keep)};
    if (!command.keep)
        return CLI_FAILED;
    convert_options_init(&command.options);
    command.options.settings.keep = command.keep;
    cli_exit code = run(&command, argc, argv);
    free(command.keep);
    return code;
}
