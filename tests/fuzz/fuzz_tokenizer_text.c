/*
 * Any text under any options: the fast way and the careful way must agree, offsets must lie in the
 * text. Input: a byte that chooses a tokenizer, five of options, then the texts, a pair cut at the
 * first 0xff.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_internal.h"

static const char VOCAB[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
    "a\nb\nc\ne\ni\nn\ng\nthe\ning\n##a\n##b\n##e\n##ing\n##n\n##g\n.\n,\n'\n"
    "\xc3\xa9\n\xd0\xb8\n##\xd0\xb8\n\xe4\xb8\xad\n\xe1\x84\x80\n##\xe1\x85\xa1\n";

#define CONFIG(flags, added)                                                                       \
    "{\"normalizer\":{\"type\":\"BertNormalizer\"" flags "},"                                      \
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"type\":\"WordPiece\"},"        \
    "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],\"sep\":[\"[SEP]\",3]}" \
    ","                                                                                            \
    "\"added_tokens\":[{\"id\":4,\"content\":\"[MASK]\",\"special\":true}" added "]}"

static const char *const CONFIGS[] = {
    CONFIG("", ""),
    CONFIG(",\"lowercase\":false", ""),
    CONFIG(",\"strip_accents\":false", ""),
    CONFIG(",\"clean_text\":false", ""),
    CONFIG(",\"handle_chinese_chars\":false,\"lowercase\":false,\"strip_accents\":true", ""),
    CONFIG("", ",{\"id\":29,\"content\":\"a b\",\"lstrip\":true,\"rstrip\":true}"
               ",{\"id\":30,\"content\":\"gen\",\"single_word\":true,\"normalized\":false}"),
};
enum { NUM_CONFIGS = sizeof(CONFIGS) / sizeof(CONFIGS[0]) };

static br_tokenizer *tokenizers[NUM_CONFIGS];
static br_encoding encodings[NUM_CONFIGS], careful;

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < NUM_CONFIGS; i++) {
        br_tokenizer_sections sections = {.vocab = VOCAB,
                                          .vocab_size = strlen(VOCAB),
                                          .config = CONFIGS[i],
                                          .config_size = strlen(CONFIGS[i])};
        require(br_tokenizer_open_sections(&tokenizers[i], &sections, "fuzz", NULL) == BERTRUN_OK);
    }
    return 0;
}

static void check_spans(const br_encoding *e, size_t length)
{
    for (size_t i = 0; i < e->count; i++) {
        const br_span *span = &e->spans[i];
        require(span->byte_begin <= span->byte_end && span->byte_end <= length);
        require(span->char_begin <= span->char_end && span->char_end <= span->byte_end);
    }
}

static void check_same(const br_encoding *a, const br_encoding *b, bool offsets)
{
    require(a->count == b->count && a->num_windows == b->num_windows);
    require(a->truncated == b->truncated);
    for (size_t i = 0; i < a->count; i++) {
        require(a->ids[i] == b->ids[i] && a->type_ids[i] == b->type_ids[i]);
        if (offsets)
            require(memcmp(&a->spans[i], &b->spans[i], sizeof(br_span)) == 0 &&
                    a->word_ids[i] == b->word_ids[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEADER = 6 };
    if (size < HEADER)
        return 0;
    size_t which = data[0] % NUM_CONFIGS;
    br_tokenizer *t = tokenizers[which];
    br_encode_options options = {.max_length = data[1],
                                 .truncation = (bertrun_truncation)(data[2] % 3),
                                 .truncate_left = data[3] & 1,
                                 .overflow = data[3] & 2,
                                 .no_special = data[3] & 4,
                                 .truncate_middle = data[3] & 8,
                                 .stride = data[4] % 8,
                                 .offsets = data[5] & 1};
    const char *text = (const char *)data + HEADER, *end = (const char *)data + size;
    const char *cut = memchr(text, 0xff, (size_t)(end - text));
    size_t length = (size_t)((cut ? cut : end) - text);
    const char *pair = cut ? cut + 1 : NULL;
    size_t pair_length = cut ? (size_t)(end - cut) - 1 : 0;
    br_encoding *e = &encodings[which];
    bertrun_status status =
        br_tokenizer_encode(t, text, length, pair, pair_length, &options, e, NULL);
    bool plain = t->plain;
    t->plain = false;
    require(br_tokenizer_encode(t, text, length, pair, pair_length, &options, &careful, NULL) ==
            status);
    t->plain = plain;
    if (status != BERTRUN_OK)
        return 0;
    check_same(e, &careful, options.offsets);
    if (options.offsets)
        check_spans(e, length > pair_length ? length : pair_length);
    return 0;
}
