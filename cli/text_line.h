/*
 * Lines of a file, one at a time: any bytes, up to LF or CRLF.
 */
#ifndef TEXT_LINE_H
#define TEXT_LINE_H

#include <stdint.h>
#include <stdio.h>

#include "cli/cli.h"

/** The line read last, and how far the file was read. Zero-initialize; release with free(text). */
typedef struct text_line {
    char *text; /* [length] and a NUL, without the line's end */
    size_t length, capacity;
    uint64_t unread;       /* bytes of the line behind those in `text` */
    uint64_t lines, bytes; /* read so far */
    bool end;              /* there is no line */
} text_line;

/**
 * Reads the next line and keeps at most `limit` bytes of it. Returns false, having complained,
 * where reading fails or memory runs out.
 */
bool text_line_read(text_line *line, FILE *file, const char *name, size_t limit);

#endif
