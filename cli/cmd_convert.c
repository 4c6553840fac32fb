/* bertrun convert: a Hugging Face directory becomes one file. */
#include <stdlib.h>

#include "bertrun/bertrun.h"
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

/* A command line; `options.settings.keep` is `keep`. */
typedef struct convert_command {
    convert_options options; /* the first member: the table of options begins with its */
    bertrun_keep *keep;      /* room for every argument */
    int argc;
    char **argv;
} convert_command;

/* --keep DTYPE LAYER...: what follows up to the next option are layers. */
static bool take_keep(void *data, const char *text)
{
    convert_command *command = data;
    int dtype;
    size_t before = command->options.settings.num_keep;
    if (!cli_parse_choice("--keep", text, cli_dtypes, &dtype))
        return false;
    for (; optind < command->argc && command->argv[optind][0] != '-'; optind++)
        command->keep[command->options.settings.num_keep++] =
            (bertrun_keep){command->argv[optind], (bertrun_dtype)dtype};
    if (command->options.settings.num_keep == before)
        cli_usage("--keep: names no layer, see bertrun convert --help");
    return command->options.settings.num_keep > before;
}

static const cli_option all_options[] = {
    CONVERT_OPTIONS,
    {"dtype", OPTION_CHOICE, CONVERT_AT(settings.dtype), .choices = cli_dtypes},
    {"weights", OPTION_CHOICE, CONVERT_AT(settings.weights), .choices = cli_weights},
    {"keep", OPTION_CALL, .take = take_keep},
    {"calibration", OPTION_TEXT, CONVERT_AT(texts)},
    {0},
};

/* What single options cannot know. */
static bool check(const convert_options *options)
{
    const table_options *table = &options->table;
    const char *of_texts = table->columns  ? "--columns"
                           : table->where  ? "--where"
                           : table->header ? "--header"
                                           : NULL;
    bool int8 = options->settings.dtype == BERTRUN_DTYPE_INT8;
    if (of_texts && !options->texts)
        cli_usage("%s: only with --calibration", of_texts);
    else if (options->texts && !int8 && options->settings.equalize_alpha == 0)
        cli_usage("--calibration: with another --dtype than int8 only together with --equalize");
    else if (options->settings.weights && !int8)
        cli_usage("--weights: only with --dtype int8");
    else
        return true;
    return false;
}

static cli_exit run(convert_command *command)
{
    convert_options *options = &command->options;
    if (!cli_take_options(all_options, command, command->argc, command->argv))
        return CLI_USAGE;
    if (options->help)
        return cli_help(help);
    if (command->argc - optind != 1)
        return cli_usage("convert takes one DIRECTORY, see bertrun convert --help");
    if (!check(options))
        return CLI_USAGE;
    options->model = command->argv[optind];
    return convert_options_run(options);
}

cli_exit cli_convert(int argc, char **argv)
{
    convert_command command = {.argc = argc, .argv = argv};
    command.keep = cli_realloc(NULL, (size_t)argc, sizeof *command.keep);
    if (!command.keep)
        return CLI_FAILED;
    convert_options_init(&command.options);
    command.options.settings.keep = command.keep;
    cli_exit code = run(&command);
    free(command.keep);
    return code;
}
