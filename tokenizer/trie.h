/*
 * A byte trie in a double array (Aoe 1989): one 8-byte unit a node, one load a step. Where only one
 * string goes on, its rest is kept as text. Maps strings without NUL bytes to values. Its arrays
 * are plain data that can be stored and mapped back; they may hold anything then: lookups stay
 * inside them and say no more than what they say.
 */
#ifndef BR_TRIE_H
#define BR_TRIE_H

#include <stdint.h>

#include "common/error.h"
#include "tokenizer/sort_lines.h"

/*
 * The child of a node by byte b is unit base ^ b, if that unit's label is b + 1. A node whose base
 * has BR_TRIE_TAIL set has no children; the rest of base tells where in `tails` the rest of its
 * string begins.
 */
typedef struct br_trie_unit {
    uint32_t base;       /* of the children */
    uint32_t label : 9;  /* byte that leads here, plus 1; 0: free */
    uint32_t value : 23; /* value of the string that ends here or in its tail, plus 1; 0: none */
} br_trie_unit;

#define BR_TRIE_TAIL (UINT32_C(1) << 31)
enum { BR_TRIE_ROOT = 0, BR_TRIE_MAX_VALUE = (1 << 23) - 2 };

typedef struct br_trie {
    const br_trie_unit *units;
    const char *tails; /* [tails_size] texts, each ended by a NUL; they stand behind the units */
    size_t num_units, tails_size;
} br_trie;

/**
 * Builds the trie of the lines, each with its index for a value; empty ones are left out. Stores
 * memory of br_alloc() in *memory: `reserved` bytes for the caller, a multiple of 4, then what *out
 * points to. *duplicate receives the index of a line that stands there a second time, with FORMAT
 * returned and *error untouched; where it is NULL, the first of equal lines gives the value. Else
 * NOMEM.
 * @param walk_depth br_trie_walk() can be asked for strings of up to so many bytes
 */
bertrun_status br_trie_build(br_trie *out, void **memory, size_t reserved, const br_lines *lines,
                             size_t walk_depth, size_t *duplicate, bertrun_error *error);

/** The node that a string leads to, from which br_trie_longest() goes on; or SIZE_MAX. */
size_t br_trie_walk(const br_trie *trie, const char *text, size_t length);

/** Value of a whole string, or -1. */
int32_t br_trie_find(const br_trie *trie, const char *text, size_t length);

/** Bytes of the tail at `at`, if the text begins with it; else SIZE_MAX. */
static inline size_t br_trie_match_tail(const br_trie *trie, size_t at, const uint8_t *text,
                                        size_t length)
{
    for (size_t i = 0; at + i < trie->tails_size; i++) {
        uint8_t byte = (uint8_t)trie->tails[at + i];
        if (byte == 0)
            return i;
        if (i == length || byte != text[i])
            break;
    }
    return SIZE_MAX;
}

/**
 * The longest string of at least one byte that leads from `node` along the beginning of text:
 * returns its bytes and stores its value, or returns 0.
 */
static inline size_t br_trie_longest(const br_trie *trie, size_t node, const uint8_t *text,
                                     size_t length, int32_t *value)
{
    const br_trie_unit *units = trie->units;
    size_t longest = 0, i = 0;
    uint32_t last = 0, best = 0; /* values plus 1: of the last node, of the longest string */
    if (node >= trie->num_units)
        return 0;
    uint32_t base = units[node].base;
    for (; i < length; i++) {
        size_t child = base ^ text[i]; /* beyond the units, where base is a tail's */
        if (child >= trie->num_units || units[child].label != text[i] + 1u)
            break;
        base = units[child].base;
        last = units[child].value;
        bool ends = (last != 0) & !(base & BR_TRIE_TAIL);
        longest = ends ? i + 1 : longest;
        best = ends ? last : best;
    }
    if (base & BR_TRIE_TAIL && last) {
        size_t tail = br_trie_match_tail(trie, base ^ BR_TRIE_TAIL, text + i, length - i);
        longest = tail != SIZE_MAX ? i + tail : longest;
        best = tail != SIZE_MAX ? last : best;
    }
    *value = (int32_t)best - 1;
    return longest;
}

#endif
