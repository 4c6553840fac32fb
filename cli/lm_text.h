/* Text for a language model: its words as ids, and what the model makes of them. */
#ifndef LM_TEXT_H
#define LM_TEXT_H

#include "bertrun/bertrun.h"
#include "cli/text_line.h"

/** Ids of words, one after another. Zero-initialize it, free(words.ids). */
typedef struct lm_words {
    int32_t *ids; /* [count] */
    size_t count, capacity;
    size_t unknown; /* how many are not in the vocabulary */
} lm_words;

/** These append a text's words; a line's end is <eos>. They return false after a complaint. */
bool lm_words_add(lm_words *words, const bertrun_lm *lm, const char *text, size_t length);
bool lm_words_add_lines(lm_words *words, const bertrun_lm *lm, text_line *line);

/**
 * Words read in columns side by side, as PyTorch's word_language_model does: column c has the c-th
 * part of the text. Words behind equal columns are left out. The last row is only foretold.
 */
typedef struct lm_columns {
    int32_t *ids; /* [steps, columns]; free() it */
    size_t columns, steps;
    size_t bptt; /* rows that one call reads, at most all */
} lm_columns;

/** Cuts the words; out->columns and out->bptt are given. False after a complaint: too few words. */
bool lm_columns_cut(lm_columns *out, const lm_words *words, const char *name);

/** Words that are foretold, and calls that it takes. */
size_t lm_columns_words(const lm_columns *columns);
size_t lm_columns_calls(const lm_columns *columns);

/**
 * Makes call `index`, each after the one before it: *log_probs are of its *words words, the
 * session's.
 */
bertrun_status lm_columns_score(const lm_columns *columns, bertrun_lm_session *session,
                                size_t index, const float **log_probs, size_t *words,
                                bertrun_error *error);

/** exp of the mean -log probability (Jelinek et al. 1977); `sum` is that of log probabilities. */
double lm_perplexity(double sum, size_t words);

#endif
