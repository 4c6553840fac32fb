/* bertrun calibrate: an int8 file whose activations have fixed scales, from real sentences. */
#include "bertrun/bertrun.h"
#include "cli/cli.h"
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

enum { MODEL = CONVERT_OWN, DATA, OBSERVER };

static const struct option long_options[] = {
    CONVERT_LONG_OPTIONS,
    {"model", required_argument, NULL, MODEL},
    {"data", required_argument, NULL, DATA},
    {"observer", required_argument, NULL, OBSERVER},
    {NULL, 0, NULL, 0},
};

static const cli_choice observers[] = {
    {"minmax", BERTRUN_OBSERVER_MINMAX},
    {"percentile", BERTRUN_OBSERVER_PERCENTILE},
    {"entropy", BERTRUN_OBSERVER_ENTROPY},
    {NULL, 0},
};

cli_exit cli_calibrate(int argc, char **argv)
{
    convert_options options;
    convert_options_init(&options);
    const char *model = NULL;
    int observer = BERTRUN_OBSERVER_MINMAX;
    for (int option; (option = cli_next_option(argc, argv, ":ho:", long_options)) != -1;) {
        if (option == 'h')
            return cli_help(help);
        if (option == MODEL)
            model = optarg;
        else if (option == DATA)
            options.texts = optarg;
        else if (option == OBSERVER ? !cli_parse_choice("--observer", optarg, observers, &observer)
                                    : convert_options_take(&options, option) != CLI_OK)
            return CLI_USAGE;
    }
    options.settings.observer = (bertrun_observer)observer;
    if (argc > optind)
        return cli_usage("%s: calibrate takes options only", argv[optind]);
    if (!model || !options.texts)
        return cli_usage("%s: missing, see bertrun calibrate --help", model ? "--data" : "--model");
    return convert_options_run(&options, model);
}
