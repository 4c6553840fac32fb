/* What models are compared on: the rows of a labelled file, or for language models a text. */
#ifndef COMPARE_DATA_H
#define COMPARE_DATA_H

#include "cli/compare_options.h"
#include "cli/labelled_rows.h"

typedef struct compare_data {
    bertrun_kind kind; /* of all models */
    const char *name;  /* of the file */
    labelled_rows rows;
    char *text; /* of language models, [size], as it is */
    size_t size;
} compare_data;

/**
 * Finds out of what kind the models are, gives options their defaults, and reads the file. CLI_OK,
 * or having complained CLI_FAILED or CLI_USAGE. Zero-initialized data can be freed.
 */
cli_exit compare_data_read(compare_data *data, compare_options *options);
void compare_data_free(compare_data *data);

#endif
