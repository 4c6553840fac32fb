/* bertrun calibrate: an int8 file whose activations have fixed scales, from real sentences. */
#include "bertrun/bertrun.h"
#include "cli/convert_options.h"

static const char help[] =
    "usage: bertrun calibrate --model MODEL --data TEXTS -o FILE [OPTION...]\n"
    "\n"
    "Static quantization: runs texts through a model with f32, f16 or bf16 weights, keeps a "
    "histogram\n"
    "of what enters each linear layer, and writes an int8 file with a fixed scale and zero point "
    "for\n"
    "each, so that nothing is measured at run time.\n"
    "\n"
    "  --model MODEL       a file made by `bertrun convert --dtype f32`, or a Hugging Face "
    "directory\n"
    "  --data TEXTS        real texts of the kind that the model is for, one a line, some "
    "hundreds;\n"
    "                      '-' is standard input\n"
    "  -o, --output FILE   the file to make\n"
    "  --observer HOW      which range of values to cover: minmax (default: all), percentile (all "
    "but\n"
    "                      the 0.01 % smallest and largest), entropy (least "
    "divergence)\n" CONVERT_HELP CONVERT_TABLE_HELP "\n"
    "Examples:\n"
    "  bertrun calibrate --model minilm-f32.bin --data sentences.txt -o minilm-static.bin\n"
    "  bertrun calibrate --model sst2 --data train.tsv --header --columns text --equalize auto \\\n"
    "                    --observer minmax -o sst2-static.bin\n"
    "\n"
    "Exit codes: 0 fine; 1 a file failed; 2 a wrong command line.\n";

static const cli_choice observers[] = {
    {"minmax", BERTRUN_OBSERVER_MINMAX},
    {"percentile", BERTRUN_OBSERVER_PERCENTILE},
    {"entropy", BERTRUN_OBSERVER_ENTROPY},
    {NULL, 0},
};

static const cli_option all_options[] = {
    CONVERT_OPTIONS,
    {"model", OPTION_TEXT, CONVERT_AT(model)},
    {"data", OPTION_TEXT, CONVERT_AT(texts)},
    {"observer", OPTION_CHOICE, CONVERT_AT(settings.observer), .choices = observers},
    {0},
};

cli_exit cli_calibrate(int argc, char **argv)
{
    convert_options options;
    convert_options_init(&options);
    options.settings.observer = BERTRUN_OBSERVER_MINMAX;
    if (!cli_take_options(all_options, &options, argc, argv))
        return CLI_USAGE;
    if (options.help)
        return cli_help(help);
    if (argc > optind)
        return cli_usage("%s: calibrate takes options only", argv[optind]);
    if (!options.model || !options.texts)
        return cli_usage("%s: missing, see bertrun calibrate --help",
                         options.model ? "--data" : "--model");
    return convert_options_run(&options);
}
