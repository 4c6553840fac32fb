/*
 * A labelled file: lines of cells with tabs between, as they are. There is no quoting: a quote is a
 * character, and a cell cannot hold a tab or a line end. Lines end with LF or CRLF.
 */
#ifndef TABLE_FILE_H
#define TABLE_FILE_H

#include "cli/text_line.h"

enum { TABLE_MAX_COLUMNS = 16 };

/** Which cells of which lines. */
typedef struct table_options {
    const char *columns; /* "text,label" or "7,8,6": by name where there is a header, or by number
                            from 1; NULL: those of table_file_add_column() */
    const char *where;   /* "split=test": only lines whose cell says so; NULL: all */
    bool header;         /* the first line names the columns */
} table_options;

/** [length] bytes and a NUL, valid until the next line is read. May hold any bytes. */
typedef struct table_cell {
    char *text;
    size_t length;
} table_cell;

typedef struct table_file {
    text_line line; /* the header counts */
    size_t num_columns;
    size_t columns[TABLE_MAX_COLUMNS]; /* from 0, as they were asked for */
    size_t where_column, where_length;
    const char *where_value; /* NULL: all lines */
    table_cell cells[TABLE_MAX_COLUMNS];
} table_file;

/**
 * Opens the file ("-" is standard input) and finds the columns; the options' strings are borrowed
 * until it is closed. Returns CLI_OK, or CLI_FAILED or CLI_USAGE having complained; it can be
 * closed then, too.
 */
cli_exit table_file_open(table_file *table, const char *path, const table_options *options);
void table_file_close(table_file *table);

/** One more column, by a name that may hold a comma, or by number; `option` is for messages. */
cli_exit table_file_add_column(table_file *table, const char *option, const char *text,
                               size_t length);

/**
 * Reads on to the next line that is asked for; *cells are its [num_columns] cells, NULL at the end.
 * Returns false, having complained, where reading fails or a line has too few columns.
 */
bool table_file_read(table_file *table, const table_cell **cells);

#endif
