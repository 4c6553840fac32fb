/* The words of a word-level language model: one a line of vocab.txt, cut out of a text at white
 * space, as Python's str.split() cuts. */
#ifndef BR_WORDS_H
#define BR_WORDS_H

#include "tokenizer/vocabulary.h"

/** Zero-initialized it is empty and safe to free; then immutable, shared by threads. */
typedef struct br_words {
    br_vocabulary vocabulary;
    int32_t unknown; /* id of "<unk>", which stands for all other words; or -1 */
} br_words;

/** Reads a vocab.txt. Errors: IO, NOMEM, FORMAT (as br_vocabulary_build()). */
bertrun_status br_words_open_file(br_words *out, const char *path, bertrun_error *error);

/**
 * The same from what a `.bin` stores: the lines, and their table, which may be stale or of size 0.
 * The bytes are borrowed until br_words_free(); `name` stands in errors.
 */
bertrun_status br_words_open_sections(br_words *out, const void *text, size_t text_size,
                                      const void *table, size_t table_size, const char *name,
                                      bertrun_error *error);
void br_words_free(br_words *words);

/** A word's id; that of "<unk>" for a word that is not in the vocabulary; -1 without "<unk>". */
int32_t br_words_id(const br_words *words, const char *word, size_t length);

/**
 * Finds the word at or behind *begin in text [length]: its first byte goes to *begin, its bytes to
 * *size. Returns false where there is none. Text may be any bytes.
 */
bool br_words_next(const char *text, size_t length, size_t *begin, size_t *size);

#endif
