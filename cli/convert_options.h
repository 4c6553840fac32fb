/* The options that `convert` and `calibrate` share. */
#ifndef CONVERT_OPTIONS_H
#define CONVERT_OPTIONS_H

#include "bertrun/bertrun.h"
#include "cli/table_file.h"

typedef struct convert_options {
    bertrun_convert_settings settings;
    const char *output;
    const char *texts; /* the file of calibration texts, or NULL */
    table_options table;
} convert_options;

/** Their long options, for an array of struct option, and what --help says of them. */
enum {
    CONVERT_EQUALIZE = CLI_LONG,
    CONVERT_ROUNDING,
    CONVERT_COLUMNS,
    CONVERT_WHERE,
    CONVERT_HEADER,
    CONVERT_OWN, /* a command's own options start here */
};
#define CONVERT_LONG_OPTIONS                                                                       \
    {"help", no_argument, NULL, 'h'}, {"output", required_argument, NULL, 'o'},                    \
        {"equalize", required_argument, NULL, CONVERT_EQUALIZE},                                   \
        {"rounding", required_argument, NULL, CONVERT_ROUNDING},                                   \
        {"columns", required_argument, NULL, CONVERT_COLUMNS},                                     \
        {"where", required_argument, NULL, CONVERT_WHERE},                                         \
    {                                                                                              \
        "header", no_argument, NULL, CONVERT_HEADER                                                \
    }
#define CONVERT_HELP                                                                               \
    "  --equalize ALPHA    move large activations into weights: 0..1, or auto (docs/QUANTIZATION)" \
    "\n"                                                                                           \
    "  --rounding HOW      how weights become int8: nearest (default), or gptq, which makes up\n"  \
    "                      for errors; takes minutes on a base model\n"
#define CONVERT_TABLE_HELP                                                                         \
    "  --columns C1,C2     which columns of TEXTS, between tabs, are texts: by number from 1, "    \
    "or\n"                                                                                         \
    "                      by name; default 1\n"                                                   \
    "  --header            the first line of TEXTS names the columns\n"                            \
    "  --where COLUMN=V    only lines whose COLUMN is V\n"

void convert_options_init(convert_options *options);

/** Takes one of them with its value in optarg. CLI_USAGE, having complained, where it is wrong. */
cli_exit convert_options_take(convert_options *options, int option);

/** Reads the texts, if any, and converts. */
cli_exit convert_options_run(convert_options *options, const char *model);

#endif
