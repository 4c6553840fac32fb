/* The words that belong to an LSTM's checkpoint. */
#ifndef BR_LSTM_WORDS_H
#define BR_LSTM_WORDS_H

#include "models/checkpoint.h"
#include "tokenizer/words.h"

/**
 * Opens them: those of a `.bin` are borrowed from it, those of a directory read from its vocab.txt.
 * `path` is the checkpoint's. Errors: IO, NOMEM, FORMAT (not as many words as embeddings).
 */
bertrun_status br_lstm_words_open(br_words *out, const br_checkpoint *checkpoint, const char *path,
                                  bertrun_error *error);

#endif
