/* The command line of `bertrun run`. */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include "bertrun/bertrun.h"
#include "cli/cli.h"
#include "cli/result_writer.h"
#include "cli/text_record.h"

typedef enum run_task {
    RUN_AUTO,
    RUN_EMBED,
    RUN_CLASSIFY,
    RUN_HIDDEN,
    RUN_NER,
    RUN_ANSWER,
    RUN_FILL_MASK,
} run_task;

typedef struct run_options {
    const char *model, *input, *output;
    run_task task;
    text_fields fields; /* of the input */
    task_options tasks;
    bool similarity, aggregation_given;
    bool help;
    const char *ranges, *calibration; /* .npy files, or NULL */
    int *layers;                      /* [hidden_options.num_layers], owned */
    bertrun_hidden_options hidden_options;
    size_t batch_size; /* texts in one forward pass, 0: as many as the library takes */
    const result_format *format;
    bertrun_model_settings model_settings;
    bertrun_session_settings session_settings;
    bertrun_embed_options embed_options;
    char **texts;
    size_t num_texts;
} run_options;

/** A command that takes some of the options of 'run'. */
typedef struct options_command {
    const char *name;
    const char *const *options; /* long names, NULL at the end */
} options_command;

/**
 * Fills `options`, of `command` (NULL: of 'run'); false, having complained, where the command line
 * is wrong.
 */
bool run_options_parse(run_options *options, int argc, char **argv, const options_command *command);
void run_options_free(run_options *options);

/** Prints the help text on standard output. */
cli_exit run_print_help(void);

#endif
