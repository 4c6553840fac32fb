/*
 * Lines of a file, one at a time: any bytes, up to LF or CRLF.
 */
#ifndef TEXT_LINE_H
#define TEXT_LINE_H

#include <stdint.h>
#include <stdio.h>

#include "cli/cli.h"

/** The line read last, and how far the file was read. */
typedef struct text_line {
    FILE *file;       /* NULL: not open */
    const char *name; /* of the file, for messages */
    char *text;       /* [length] and a NUL, without the line's end */
    size_t length, capacity;
    uint64_t unread;       /* bytes of the line behind those in `text` */
    uint64_t lines, bytes; /* read so far */
    bool end;              /* there is no line */
} text_line;

/** Opens a file, "-" being standard input. Where that fails, or zero-initialized, it can be closed.
 */
cli_exit text_line_open(text_line *line, const char *path);
void text_line_close(text_line *line);

/**
 * Reads the next line and keeps at most `limit` bytes of it. A byte order mark in front of the file
 * is no part of it. Returns false, having complained, where reading fails or memory runs out.
 */
bool text_line_read(text_line *line, size_t limit);

#endif
