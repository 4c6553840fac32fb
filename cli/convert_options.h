/* The options that `convert` and `calibrate` share. */
#ifndef CONVERT_OPTIONS_H
#define CONVERT_OPTIONS_H

#include "bertrun/bertrun.h"
#include "cli/options.h"
#include "cli/table_file.h"

typedef struct convert_options {
    bertrun_convert_settings settings;
    const char *model, *output;
    const char *texts; /* the file of calibration texts, or NULL */
    table_options table;
    bool help;
} convert_options;

#define CONVERT_AT(member) .at = offsetof(convert_options, member)

/** Their entries in a table of options, of a convert_options, and what --help says of them. */
#define CONVERT_OPTIONS                                                                            \
    OPTION_HELP(convert_options), {"output", OPTION_TEXT, CONVERT_AT(output), .letter = 'o'},      \
        {"equalize", OPTION_CALL, .take = convert_take_equalize},                                  \
        {"rounding", OPTION_CHOICE, CONVERT_AT(settings.rounding), .choices = convert_roundings},  \
        {"columns", OPTION_TEXT, CONVERT_AT(table.columns)},                                       \
        {"where", OPTION_TEXT, CONVERT_AT(table.where)},                                           \
    {                                                                                              \
        "header", OPTION_FLAG, CONVERT_AT(table.header)                                            \
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

/** What the entries need. */
extern const cli_choice convert_roundings[];
bool convert_take_equalize(void *options, const char *alpha);

/** Reads the texts, if any, and converts. */
cli_exit convert_options_run(convert_options *options);

#endif
