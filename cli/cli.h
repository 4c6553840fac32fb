/*
 * What the commands of the program share: exit codes, messages on standard error, option parsing.
 *
 * The program uses nothing of the library but its public header. Results go to standard output,
 * everything else to standard error.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>

typedef enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* a file, the model, memory, the output */
    CLI_USAGE = 2,  /* the command line */
} cli_exit;

/* The commands: argv[0] is the command's own name. Each returns an exit code. */
cli_exit cli_run(int argc, char **argv);
cli_exit cli_rerank(int argc, char **argv);
cli_exit cli_convert(int argc, char **argv);
cli_exit cli_info(int argc, char **argv);
cli_exit cli_lm(int argc, char **argv);
cli_exit cli_bench(int argc, char **argv);
cli_exit cli_compare(int argc, char **argv);
cli_exit cli_calibrate(int argc, char **argv);
cli_exit cli_tokenize(int argc, char **argv);

/** Prints "bertrun: " and one line on standard error. Returns CLI_FAILED. */
cli_exit cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The same for a mistake on the command line. Returns CLI_USAGE. */
cli_exit cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Prints one line that is no failure. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** A bertrun_log_fn that prints the line. */
void cli_log(void *data, const char *message);

/** Prints a help text on standard output. */
cli_exit cli_help(const char *text);

/** Closes standard output; CLI_FAILED where something written to it got lost, else `code`. */
cli_exit cli_close_stdout(cli_exit code);

/** A word that an option takes. */
typedef struct cli_choice {
    const char *name; /* NULL ends an array */
    int value;
} cli_choice;

extern const cli_choice cli_precisions[], cli_activations[], cli_weights[], cli_kernels[],
    cli_poolings[], cli_dtypes[];

/** These parse an option's value, or complain and return false. */
bool cli_parse_choice(const char *option, const char *text, const cli_choice *choices, int *out);
bool cli_parse_size(const char *option, const char *text, size_t min, size_t *out);
bool cli_parse_threads(const char *text, int *out);
bool cli_parse_float(const char *option, const char *text, float *out);
bool cli_parse_seconds(const char *option, const char *text, double *out);

/** realloc() of count * size bytes; complains and returns NULL where it fails. */
void *cli_realloc(void *memory, size_t count, size_t size);

#endif
