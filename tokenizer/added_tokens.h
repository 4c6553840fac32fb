/*
 * Added tokens: strings that are found in the text as wholes, the special tokens among them. What
 * stands between them is normalized and cut by itself.
 */
#ifndef BR_ADDED_TOKENS_H
#define BR_ADDED_TOKENS_H

#include "tokenizer/config.h"
#include "tokenizer/trie.h"

/** Index of one kind of added tokens: those found in the original or in the normalized text. */
typedef struct br_added_index {
    const br_added_token *tokens; /* the config's array */
    void *memory;                 /* the trie's */
    br_trie trie;
    bool starts[256]; /* bytes that begin some token */
    int only_start;   /* the one such byte, or -1 */
    size_t count;
} br_added_index;

/** A place in the text that an added token takes, its lstrip and rstrip done. */
typedef struct br_added_match {
    const br_added_token *token; /* NULL: nothing more is found */
    size_t begin, end;
} br_added_match;

/**
 * Indexes tokens[i] by strings, line i; an empty line: not a member. Of equal ones the first is
 * found. NOMEM.
 */
bertrun_status br_added_index_open(br_added_index *out, const br_added_token *tokens,
                                   const br_lines *strings, bertrun_error *error);

/** First match in text[0 .. size) at or after `from`; leftmost, then longest. */
br_added_match br_added_find(const br_added_index *index, const uint8_t *text, size_t size,
                             size_t from);

void br_added_index_free(br_added_index *index);

#endif
