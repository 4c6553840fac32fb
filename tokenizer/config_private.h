/* What the readers of a tokenizer's JSON files share. */
#ifndef BR_TOKENIZER_CONFIG_PRIVATE_H
#define BR_TOKENIZER_CONFIG_PRIVATE_H

#include "tokenizer/config.h"

/** Where a reading function stands: the file's name for messages, and where they go. */
struct br_config_reader {
    const char *name;
    bertrun_error *error;
};

enum { BR_DEFAULT_WORD_CHARS = 100 };

bool br_config_flag(const json_t *object, const char *key, bool fallback);

/** A whole number in [0, limit], or -1. */
int64_t br_config_count(const json_t *value, double limit);

/** A length that is no absurdly large one, or 0. */
size_t br_config_length(const json_t *value);

/** A copy of a token. Tokens are lines of a file, so no line breaks. */
bertrun_status br_config_copy(const struct br_config_reader *r, const char *text, size_t length,
                              char **out);

/** A copy of the object's string, or of `fallback`. */
bertrun_status br_config_token(const struct br_config_reader *r, const json_t *object,
                               const char *key, const char *fallback, char **out, size_t *length);

/** An added token of id `id`; id -1 is refused. */
bertrun_status br_config_added(const struct br_config_reader *r, const json_t *value, int64_t id,
                               br_added_token *out);

/** "[CLS] $A [SEP]" and "[CLS] $A [SEP] $B:1 [SEP]:1", BERT's own; cls NULL: no special tokens. */
bertrun_status br_config_bert_template(const struct br_config_reader *r, br_tokenizer_config *out,
                                       const char *cls, const char *sep);

#endif
