/* Characters of text that may hold any bytes. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Bytes of the character at `text`, of which there are `length`, at least 1. With *good false they
 * are no UTF-8, but what one U+FFFD stands for: a maximal subpart of an ill-formed sequence (The
 * Unicode Standard 15.0, section 3.9).
 */
size_t utf8_next(const char *text, size_t length, bool *good);

#endif
