/* The words of a WordPiece model: id to text by line, text to id by trie. */
#ifndef BR_VOCABULARY_H
#define BR_VOCABULARY_H

#include "tokenizer/trie.h"

/**
 * Zero-initialized it is empty and safe to free. `text` and `table` are borrowed unless they are
 * the owned ones; the arrays below point into the table, which may come from a file and hold
 * anything.
 */
typedef struct br_vocabulary {
    const char
        *text; /* one token a line, each ended by "\n"; an empty line is an id without token */
    size_t text_size;
    const void *table; /* precompiled form, see vocabulary.c */
    size_t table_size;
    size_t count;
    const uint32_t *starts; /* [count + 1] where each line begins in text; untrusted */
    br_trie trie;           /* values are ids; untrusted */
    void *owned_text, *owned_table;
} br_vocabulary;

/** A million tokens are sorted in less than 64 MB, and fit the trie's values; a token is not longer
 * than this many bytes. */
enum { BR_MAX_TOKENS = 1 << 20, BR_MAX_TOKEN_BYTES = 4096 };

/** Sets out->text from a vocab.txt: line ends made "\n", the last one added where missing. IO,
 * NOMEM.
 */
bertrun_status br_vocabulary_read(br_vocabulary *out, const char *path, bertrun_error *error);

/**
 * Indexes the text of out->text, which has been set (with owned_text, if it is the vocabulary's).
 * The trie can be walked by `prefix`.
 * Errors: FORMAT (NULs, duplicates, line breaks missing at the end; names the line), NOMEM.
 */
bertrun_status br_vocabulary_build(br_vocabulary *out, const char *prefix, const char *name,
                                   bertrun_error *error);

/** Takes a stored table instead. FORMAT where its size cannot be right. *fresh tells whether it is
 * of this version and byte order; else nothing was done. */
bertrun_status br_vocabulary_load(br_vocabulary *out, const void *table, size_t size, bool *fresh,
                                  const char *name, bertrun_error *error);

void br_vocabulary_free(br_vocabulary *vocabulary);

/** Text of a token; NULL: no such id. */
const char *br_vocabulary_token(const br_vocabulary *vocabulary, int32_t id, size_t *length);

/** Id of a token, or -1. */
int32_t br_vocabulary_id(const br_vocabulary *vocabulary, const char *token, size_t length);

#endif
