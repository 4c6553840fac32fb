/* What the files of tokenizer/ share of a br_tokenizer and of a br_encoding's scratch. */
#ifndef BR_TOKENIZER_INTERNAL_H
#define BR_TOKENIZER_INTERNAL_H

#include "tokenizer/added_tokens.h"
#include "tokenizer/run_cache.h"
#include "tokenizer/scan.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/wordpiece.h"

/** Half-open: of tokens or of bytes. */
typedef struct br_range {
    size_t begin, end;
} br_range;

struct br_tokenizer {
    br_tokenizer_config config;
    br_vocabulary vocabulary;
    br_wordpiece wordpiece;
    br_scan_fn scan;
    bool plain;                /* br_cut_runs() may be used */
    int32_t punct_ids[128];    /* of ASCII punctuation */
    size_t vocab_size;         /* ids of the vocabulary and of added tokens beyond it */
    br_added_index original;   /* added tokens found in the text as it is */
    br_added_index normalized; /* those found in the normalized text */
    char *config_text;         /* the config as a `.bin` stores it */
    size_t config_size;
};

/**
 * Ends an opening: where `status` is OK, joins vocabulary and config; publishes the tokenizer, or
 * closes it on failure.
 */
bertrun_status br_tokenizer_finish(br_tokenizer **out, br_tokenizer *tokenizer,
                                   bertrun_status status, const char *name, bertrun_error *error);

/** Normalized text that is kept, to look for added tokens in it. */
typedef struct br_kept_text {
    br_buffer bytes; /* [size], UTF-8 */
    br_buffer chars; /* struct of each character */
    size_t size, count;
} br_kept_text;

struct br_encoding_scratch {
    br_run_entry cache[BR_RUN_SLOTS];
    const br_tokenizer *tokenizer; /* whose runs the cache knows */
    br_token_list tokens[2];       /* of the text and of the pair */
    br_normalizer normalizer;
    br_word word;
    br_kept_text kept;
    br_buffer end;        /* a text's last bytes, with room to read beyond them */
    br_buffer lowered;    /* a run with its ASCII capitals made small */
    br_buffer windows[2]; /* ranges of tokens */
    br_buffer ids, type_ids, spans, word_ids, special_mask, window_offsets;
};

/** Cuts a text into tokens; `places`: pieces are filled too. False: out of memory. */
bool br_cut_text(const br_tokenizer *tokenizer, struct br_encoding_scratch *scratch,
                 const uint8_t *text, size_t size, bool places, br_token_list *tokens);

/** The fast way for text without added tokens, `offset` bytes into the original; appends to
 * scratch->word.tokens. The tokenizer must be `plain`. False: out of memory. */
bool br_cut_runs(const br_tokenizer *tokenizer, struct br_encoding_scratch *scratch,
                 const uint8_t *text, size_t size, size_t offset);

/** Normalizes a text by the tokenizer's rules into memory of br_alloc(); NULL: out of memory. */
char *br_normalized_copy(const br_normalizer_flags *flags, const char *text, size_t length,
                         size_t *size);

/**
 * Cuts lists of counts[0] and, with `pair`, counts[1] tokens to what options allow. windows[i]
 * receives num_windows[i] ranges, the first being what is kept without overflow.
 */
bertrun_status br_truncate(const br_encode_options *options, size_t num_special, bool pair,
                           const size_t counts[2], br_buffer windows[2], size_t num_windows[2],
                           bertrun_error *error);

#endif
