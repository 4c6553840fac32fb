/* Pieces of JSON (RFC 8259) on a stream. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/cli.h"

/** Prints `value` as a document, reals with so many digits, and frees it; NULL is out of memory. */
cli_exit json_print(json_t *value, int digits);

/** A quoted, escaped string; what is no UTF-8 becomes U+FFFD, as when the model reads it. */
void json_write_string(FILE *stream, const char *text);

/** The same of `length` bytes, of any values. */
void json_write_text(FILE *stream, const char *text, size_t length);

/** The digits that give the same float back; null for NaN and infinities. */
void json_write_float(FILE *stream, float value);

/** [1, 2.5, ...] */
void json_write_floats(FILE *stream, const float *values, size_t count);

#endif
