/* The command line of `bertrun compare`. */
#ifndef COMPARE_OPTIONS_H
#define COMPARE_OPTIONS_H

#include "bertrun/bertrun.h"
#include "cli/table_file.h"

/** A model and how it is run: PATH[:OPTION=VALUE,...]. */
typedef struct compare_model {
    const char *name; /* what the user wrote, without the directories; also for messages */
    char *path;
    bertrun_model_settings settings;
} compare_model;

typedef struct compare_options {
    const char *data, *report; /* report NULL: none */
    table_options table;
    bool json, help;
    int threads;
    size_t batch_size, bptt; /* 0: not given, until compare_data_read() */
    compare_model *models;   /* [num_models] */
    size_t num_models;
} compare_options;

/** Fills `options`; false, having complained, where the command line is wrong. Free them anyway. */
bool compare_options_parse(compare_options *options, int argc, char **argv);
void compare_options_free(compare_options *options);

extern const char compare_help[];

#endif
