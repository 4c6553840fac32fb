/*
 * BERT's tokenizer: text in, WordPiece ids out, exactly as Hugging Face `tokenizers` gives them.
 *
 * A br_tokenizer is immutable and shared by threads; a br_encoding is a caller's result and
 * scratch, reused from call to call so that a warm call allocates nothing.
 */
#ifndef BR_TOKENIZER_H
#define BR_TOKENIZER_H

#include <stdint.h>

#include "common/error.h"
#include "common/memory.h"

typedef struct br_tokenizer br_tokenizer;

/** What a `.bin` file stores of a tokenizer; the bytes are borrowed from whoever filled it in. */
typedef struct br_tokenizer_sections {
    const void *vocab; /* text: one token a line, line number = id, "\n" after each */
    size_t vocab_size; /* bytes */
    const void
        *config; /* JSON text: normalizer flags, special and added tokens, template, limits */
    size_t config_size;
    const void *table; /* precompiled lookup tables, so that opening takes under 1 ms; untrusted:
                          validated or bounds-checked at use. Size 0: built anew from the vocab */
    size_t table_size;
} br_tokenizer_sections;

/**
 * Reads `tokenizer.json` or else `vocab.txt`, with `tokenizer_config.json`, `added_tokens.json` and
 * `special_tokens_map.json`, from a Hugging Face directory. Errors name the file (and the type,
 * where a tokenizer.json is not of BERT's kind).
 * @param lowercase texts are made lower-case, whatever the files say
 */
bertrun_status br_tokenizer_open_directory(br_tokenizer **out, const char *directory,
                                           bool lowercase, bertrun_error *error);

/** The same from one file, a tokenizer.json or (any other name) a vocab.txt, and the
 * other files beside it. */
bertrun_status br_tokenizer_open_file(br_tokenizer **out, const char *path, bertrun_error *error);

/**
 * Opens from the sections of a `.bin`. The sections' bytes are NOT copied where that can be
 * avoided: they must outlive the tokenizer. `name` stands in error messages.
 */
bertrun_status br_tokenizer_open_sections(br_tokenizer **out, const br_tokenizer_sections *sections,
                                          const char *name, bertrun_error *error);
void br_tokenizer_close(br_tokenizer **tokenizer);

/** The sections to store; valid as long as the tokenizer is open. */
bertrun_status br_tokenizer_get_sections(const br_tokenizer *tokenizer, br_tokenizer_sections *out,
                                         bertrun_error *error);

/** Whether br_tokenizer_open_sections() would take them: not with very many added tokens. */
bool br_tokenizer_sections_fit(const br_tokenizer_sections *sections);

size_t br_tokenizer_vocab_size(const br_tokenizer *tokenizer);

/** model_max_length of the tokenizer's own files; 0 where they name none (or an absurd one). */
size_t br_tokenizer_max_length(const br_tokenizer *tokenizer);

/** With truncate_middle, how many of the tokens that are kept of a longer text are its first. */
size_t br_tokenizer_head(size_t kept);

/** Number of special tokens around a single text / a pair: 2 and 3 for BERT's template. */
size_t br_tokenizer_num_special(const br_tokenizer *tokenizer, bool pair);

/** A token's text, NUL-terminated or not, by id; *length receives its bytes. NULL: no such id. */
const char *br_tokenizer_token(const br_tokenizer *tokenizer, int32_t id, size_t *length);

/** A token's id by its text, or -1. */
int32_t br_tokenizer_id(const br_tokenizer *tokenizer, const char *token, size_t length);

/** The id of words that the vocabulary cannot make. */
int32_t br_tokenizer_unknown_id(const br_tokenizer *tokenizer);

/* Options and results are the public ones. */
typedef bertrun_encode_options br_encode_options;
typedef bertrun_span br_span;

/**
 * Tokens of one text or pair. Zero-initialize once, reuse, release with br_encoding_free(). It
 * serves one tokenizer: what it remembers of the text's words is that tokenizer's.
 */
typedef struct br_encoding {
    size_t count;           /* tokens, all windows together */
    int32_t *ids;           /* [count] */
    uint8_t *type_ids;      /* [count] segment: 0, or 1 for the pair's second text */
    br_span *spans;         /* [count], with options.offsets: offsets in the text it comes from */
    int32_t *word_ids;      /* [count], -1 for special tokens */
    uint8_t *special_mask;  /* [count] */
    size_t num_windows;     /* 1 without options.overflow */
    size_t *window_offsets; /* [num_windows + 1] first token of each window */
    size_t truncated;       /* tokens of the text that are in no window */
    struct br_encoding_scratch *scratch;
} br_encoding;

/**
 * Encodes text (and pair, unless NULL), both UTF-8 of any bytes, invalid ones read as U+FFFD.
 * Errors: NOMEM; ARGUMENT where max_length leaves no room for the special tokens or stride is not
 * smaller than the room. A warm call allocates nothing. Thread-safe with one encoding per thread.
 */
bertrun_status br_tokenizer_encode(const br_tokenizer *tokenizer, const char *text, size_t length,
                                   const char *pair, size_t pair_length,
                                   const br_encode_options *options, br_encoding *encoding,
                                   bertrun_error *error);
void br_encoding_free(br_encoding *encoding);

/** Text under construction. Zero-initialize once, reuse, release with br_free(text.memory.data). */
typedef struct br_text {
    br_buffer memory; /* [length] and a NUL, after br_tokenizer_decode() */
    size_t length;
} br_text;

/** Turns ids back into text, replacing what *out held. NOMEM. */
bertrun_status br_tokenizer_decode(const br_tokenizer *tokenizer, const int32_t *ids,
                                   size_t num_ids, bool skip_special, br_text *out,
                                   bertrun_error *error);

#endif
