/*
 * How a tokenizer behaves, apart from its vocabulary: normalizer, added tokens, template, limits.
 * Read from Hugging Face's files; kept in a `.bin` as a tokenizer.json without the vocabulary.
 */
#ifndef BR_TOKENIZER_CONFIG_H
#define BR_TOKENIZER_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"
#include "common/memory.h"

/** BertNormalizer's switches. */
typedef struct br_normalizer_flags {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
} br_normalizer_flags;

/* Where the vocabulary has no such token: an added token without an id is dropped (DEFAULT: no file
 * names it, BERT does), or has the next id that is free. */
enum { BR_ID_NONE = -1, BR_ID_NEXT = -2, BR_ID_DEFAULT = -3 };

/** A token that is found in the text before, or around, WordPiece. */
typedef struct br_added_token {
    char *content; /* [length] and a NUL */
    size_t length;
    int32_t id;
    /* Listed beside the tokenizer's own file: its id must be the next one that is free; BARE: no
     * flags stand there, it is special where another file says so. */
    enum { BR_NOT_LISTED, BR_LISTED_WITH_FLAGS, BR_LISTED_BARE } listed;
    bool special, lstrip, rstrip, single_word;
    bool normalized; /* found in the normalized text, else in the original */
} br_added_token;

/** What stands in a single text or a pair: the texts and the special tokens around them. */
typedef struct br_template_piece {
    enum { BR_PIECE_TOKEN, BR_PIECE_FIRST, BR_PIECE_SECOND } kind;
    uint8_t type_id;
    char *token; /* with BR_PIECE_TOKEN */
    int32_t id;  /* its id, once the vocabulary is known */
} br_template_piece;

typedef struct br_template {
    br_template_piece *pieces; /* [count] */
    size_t count;
} br_template;

/** Zero-initialized it is empty and safe to free. */
typedef struct br_tokenizer_config {
    br_normalizer_flags normalizer;
    char *unk_token, *prefix; /* "[UNK]", "##" */
    size_t max_word_chars;    /* longer words become unk_token */
    bool cleanup;             /* decoding takes back the spaces before punctuation */
    br_added_token *added;    /* [num_added] */
    size_t num_added;
    br_template single, pair;
    size_t max_length; /* 0: none */
} br_tokenizer_config;

/** Whether JSON text takes no more memory than a tokenizer of its size may. */
bool br_tokenizer_json_fits(const char *text, size_t size);

/** Parses JSON text that fits into *root (release with json_decref). FORMAT, naming `name` and the
 * line. */
bertrun_status br_tokenizer_parse_json(json_t **root, const char *text, size_t size,
                                       const char *name, bertrun_error *error);

/** Reads a tokenizer.json (with or without its vocabulary). FORMAT, UNSUPPORTED, NOMEM. */
bertrun_status br_tokenizer_config_read(br_tokenizer_config *out, const json_t *root,
                                        const char *name, bertrun_error *error);

typedef struct br_settings_file {
    char *path;   /* for messages */
    json_t *root; /* NULL: not there */
} br_settings_file;

/**
 * tokenizer_config.json, added_tokens.json, special_tokens_map.json. The last two are not there
 * where the first one has an added_tokens_decoder: transformers does not read them then.
 */
typedef struct br_tokenizer_settings {
    br_settings_file config, added, special;
} br_tokenizer_settings;

/** What goes with a vocab.txt: BERT's defaults, and what the settings say. FORMAT, NOMEM. */
bertrun_status br_tokenizer_config_default(br_tokenizer_config *out,
                                           const br_tokenizer_settings *settings,
                                           bertrun_error *error);

/**
 * What tokenizer_config.json says explicitly wins over tokenizer.json, as in transformers'
 * BertTokenizer: do_lower_case, strip_accents, tokenize_chinese_chars, model_max_length,
 * added_tokens_decoder; and the settings' added tokens come behind its own. never_split is read by
 * no tokenizer of theirs that is built on `tokenizers`, nor here. FORMAT, NOMEM.
 */
bertrun_status br_tokenizer_config_override(br_tokenizer_config *config,
                                            const br_tokenizer_settings *settings,
                                            bertrun_error *error);

/** The config as JSON text, in memory of br_alloc(). */
bertrun_status br_tokenizer_config_write(const br_tokenizer_config *config, char **text,
                                         size_t *size, bertrun_error *error);

void br_tokenizer_config_free(br_tokenizer_config *config);

#endif
