/*
 * A byte trie in a double array (Aoe 1989): one 8-byte unit a node, one load a step. Maps strings
 * without NUL bytes to values. Its units are plain data that can be stored and mapped back; they
 * may hold anything then: lookups stay inside the array and say no more than what the units say.
 */
#ifndef BR_TRIE_H
#define BR_TRIE_H

#include <stdint.h>

#include "common/error.h"
#include "tokenizer/sort_lines.h"

/* The child of a node by byte b is unit base ^ b, if that unit's label is b + 1. */
typedef struct br_trie_unit {
    uint32_t base;       /* of the children */
    uint32_t label : 9;  /* byte that leads here, plus 1; 0: free */
    uint32_t value : 23; /* value of the string that ends here, plus 1; 0: none */
} br_trie_unit;

enum { BR_TRIE_ROOT = 0, BR_TRIE_MAX_VALUE = (1 << 23) - 2 };

typedef struct br_trie {
    const br_trie_unit *units;
    size_t num_units;
} br_trie;

/**
 * Builds the trie of the lines, each with its index for a value; empty ones are left out. Stores
 * memory of br_alloc() in *memory: `reserved` bytes for the caller, a multiple of 4, then the
 * units. *duplicate receives the index of a line that stands there a second time, with FORMAT
 * returned and *error untouched. Else NOMEM.
 */
bertrun_status br_trie_build(void **memory, size_t reserved, size_t *num_units,
                             const br_lines *lines, size_t *duplicate, bertrun_error *error);

/** Node reached from `node` by the bytes, or SIZE_MAX. */
size_t br_trie_walk(const br_trie *trie, size_t node, const char *text, size_t length);

/** Value of the string that ends at `node`, or -1. */
static inline int32_t br_trie_value(const br_trie *trie, size_t node)
{
    return node < trie->num_units ? (int32_t)trie->units[node].value - 1 : -1;
}

/** Value of a whole string, or -1. */
int32_t br_trie_find(const br_trie *trie, const char *text, size_t length);

/**
 * The longest string of at least one byte that leads from `node` along the beginning of text:
 * returns its bytes and stores its value, or returns 0.
 */
static inline size_t br_trie_longest(const br_trie *trie, size_t node, const uint8_t *text,
                                     size_t length, int32_t *value)
{
    const br_trie_unit *units = trie->units;
    size_t longest = 0;
    if (node >= trie->num_units)
        return 0;
    uint32_t base = units[node].base;
    for (size_t i = 0; i < length; i++) {
        size_t child = base ^ text[i];
        if (child >= trie->num_units || units[child].label != text[i] + 1u)
            break;
        base = units[child].base;
        if (units[child].value) {
            *value = (int32_t)units[child].value - 1;
            longest = i + 1;
        }
    }
    return longest;
}

#endif
