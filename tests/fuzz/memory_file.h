/* Bytes as a file, for code that takes a path. */
#ifndef MEMORY_FILE_H
#define MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

/** The path of a file in memory that holds the bytes; there is one, overwritten by the next call.
 */
const char *memory_file(const uint8_t *data, size_t size);

#endif
