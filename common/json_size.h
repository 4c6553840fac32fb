/* How much memory parsed JSON takes, known before it is parsed. */
#ifndef BR_JSON_SIZE_H
#define BR_JSON_SIZE_H

#include <stddef.h>

/** What a file of settings may take, so that a model takes less than 2 x its files + 64 MB. */
enum { BR_JSON_MEMORY = 48 << 20 };

/** Bytes that jansson takes at most for the text: up to a hundred times its size. */
size_t br_json_memory(const void *text, size_t size);

#endif
