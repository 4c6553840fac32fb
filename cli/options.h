/* A command line as a table: each option's name, and what becomes of its value. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <getopt.h>

#include "cli/cli.h"

typedef enum option_kind {
    OPTION_FLAG = 1, /* takes no value; sets a bool */
    OPTION_CONSTANT, /* takes no value; sets an enum to `constant` */
    OPTION_TEXT,     /* sets a const char * */
    OPTION_SIZE,     /* sets a size_t, of `least` or more */
    OPTION_THREADS,  /* sets an int */
    OPTION_SECONDS,  /* sets a double above 0 */
    OPTION_CHOICE,   /* sets an enum, to one of `choices` */
    OPTION_CALL,     /* `take` does it */
} option_kind;

typedef struct cli_option {
    const char *name; /* without dashes; NULL ends a table */
    option_kind kind;
    size_t at; /* offset of what it sets, in the command's struct of options */
    size_t least;
    int constant;
    const cli_choice *choices;
    /* Of OPTION_CALL; `value` is NULL where an optional one is not given. False: has complained. */
    bool (*take)(void *options, const char *value);
    bool optional; /* the value may be left out, and is given behind a '=' */
    char letter;   /* its short form, or 0 */
} cli_option;

#define OPTION_HELP(type)                                                                          \
    {                                                                                              \
        "help", OPTION_FLAG, .at = offsetof(type, help), .letter = 'h'                             \
    }

/**
 * The next option of the command line, its value in optarg; NULL at the end, where optind is the
 * first word that is no option, or, with *good false and having complained, where it is wrong.
 */
const cli_option *cli_next_option(const cli_option *table, int argc, char **argv, bool *good);

/** Sets what the option is for. False, having complained, where its value is wrong. */
bool cli_take_option(const cli_option *option, void *options);

/** Takes all of them. */
bool cli_take_options(const cli_option *table, void *options, int argc, char **argv);

#endif
