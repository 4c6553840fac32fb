/* All rows of a labelled file in memory: one text or two, and what is said of them. */
#ifndef LABELLED_ROWS_H
#define LABELLED_ROWS_H

#include "cli/table_file.h"

typedef struct labelled_row {
    table_cell texts[2];
    const char *gold; /* the last column: a label, a score */
    uint64_t line;    /* of the file, from 1 */
} labelled_row;

typedef struct labelled_rows {
    const char *name;   /* of the file */
    size_t num_texts;   /* 1 or 2 a row */
    labelled_row *rows; /* [count]; texts[0].text is each row's memory */
    size_t count, capacity;
} labelled_rows;

/**
 * Reads the file: of the columns asked for the last is the gold one. CLI_OK, or having complained
 * CLI_FAILED or CLI_USAGE (not two columns or three). Zero-initialized rows can be freed.
 */
cli_exit labelled_rows_read(labelled_rows *rows, const char *path, const table_options *options);
void labelled_rows_free(labelled_rows *rows);

#endif
