/*
 * Texts one at a time, out of arguments, lines, JSON lines (https://jsonlines.org) or a
 * tab-separated table with a header.
 */
#ifndef TEXT_RECORD_H
#define TEXT_RECORD_H

#include <stdint.h>
#include <stdio.h>

#include "cli/table_file.h"

typedef enum text_format {
    TEXT_LINES,
    TEXT_JSONL,
    TEXT_TSV,
} text_format;

/** Where in a line the texts are. */
typedef struct text_fields {
    text_format format;
    const char *text, *pair, *id; /* names of fields or columns; NULL: "text", none, none */
    bool pairs;                   /* of lines: each is two texts with a tab between */
    size_t limit; /* of lines: bytes of one that are read, the rest is passed over; 0: all */
} text_fields;

/** What was read last; valid until the next. */
typedef struct text_record {
    const char *text, *pair; /* pair: NULL without */
    size_t length, pair_length;
    char *id;              /* JSON text, or NULL; owned */
    uint64_t line, unread; /* unread: bytes of the line beyond fields.limit */
} text_record;

typedef struct text_reader {
    text_fields fields;
    const char *name; /* for messages */
    char *const *arguments;
    size_t num_arguments, next_argument;
    text_line line; /* of lines and JSON lines */
    table_file table;
    uint64_t lines, bytes; /* read so far */
    struct json_t *object; /* the record's texts are in it */
    text_record record;
} text_reader;

/**
 * Opens it: the arguments, if any; else the file `path`; without one ("-" or NULL) standard input.
 * A zero-initialized reader can be closed.
 */
cli_exit text_reader_open(text_reader *reader, const char *path, char *const *arguments,
                          size_t num_arguments, const text_fields *fields);
void text_reader_close(text_reader *reader);

/** The stream it reads, or NULL. */
FILE *text_reader_stream(const text_reader *reader);

/** *record is the next text, NULL at the end. False, having complained, where a line is wrong. */
bool text_reader_next(text_reader *reader, const text_record **record);

#endif
