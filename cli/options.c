#include "cli/options.h"

#include <stdio.h>

enum { LONG = 256, MAX_OPTIONS = 64 }; /* values of long options start above letters */

static int argument_of(const cli_option *option)
{
    if (option->kind == OPTION_FLAG || option->kind == OPTION_CONSTANT)
        return no_argument;
    return option->optional ? optional_argument : required_argument;
}

/* The table as getopt_long() wants it; an option's value is LONG plus its place, or its letter. */
static void fill_tables(const cli_option *table, struct option *names, char *letters)
{
    *letters++ = ':';
    for (int i = 0; table[i].name; i++) {
        int argument = argument_of(&table[i]);
        *names++ = (struct option){table[i].name, argument, NULL, LONG + i};
        if (table[i].letter)
            *letters++ = table[i].letter;
        if (table[i].letter && argument == required_argument)
            *letters++ = ':';
    }
    *names = (struct option){0};
    *letters = '\0';
}

static void complain(int problem, const char *word, bool known)
{
    if (problem == ':')
        cli_usage("%s: needs a value", word);
    else if (known)
        cli_usage("%s: takes no value", word);
    else if (optopt)
        cli_usage("-%c: unknown option", optopt);
    else
        cli_usage("%s: unknown option", word);
}

const cli_option *cli_next_option(const cli_option *table, int argc, char **argv, bool *good)
{
    struct option names[MAX_OPTIONS];
    char letters[2 * MAX_OPTIONS];
    fill_tables(table, names, letters);
    opterr = 0;
    int found = getopt_long(argc, argv, letters, names, NULL);
    *good = found != ':' && found != '?';
    if (!*good)
        complain(found, argv[optind - 1], optopt >= LONG);
    if (!*good || found == -1)
        return NULL;
    if (found >= LONG)
        return &table[found - LONG];
    while (table->letter != found)
        table++;
    return table;
}

bool cli_take_option(const cli_option *option, void *options)
{
    void *place = (char *)options + option->at;
    char name[64];
    snprintf(name, sizeof name, "--%s", option->name);
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return true;
    case OPTION_CONSTANT:
        *(int *)place = option->constant;
        return true;
    case OPTION_TEXT:
        *(const char **)place = optarg;
        return true;
    case OPTION_SIZE:
        return cli_parse_size(name, optarg, option->least, place);
    case OPTION_THREADS:
        return cli_parse_threads(optarg, place);
    case OPTION_SECONDS:
        return cli_parse_seconds(name, optarg, place);
    case OPTION_CHOICE:
        return cli_parse_choice(name, optarg, option->choices, place);
    case OPTION_CALL:
        return option->take(options, optarg);
    }
    return false;
}

bool cli_take_options(const cli_option *table, void *options, int argc, char **argv)
{
    bool good;
    for (const cli_option *option; (option = cli_next_option(table, argc, argv, &good));)
        if (!cli_take_option(option, options))
            return false;
    return good;
}
