#include "tokenizer/words.h"

#include <string.h>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

static void find_unknown(br_words *words)
{
    words->unknown = br_vocabulary_id(&words->vocabulary, "<unk>", strlen("<unk>"));
}

bertrun_status br_words_open_file(br_words *out, const char *path, bertrun_error *error)
{
    *out = (br_words){0};
    bertrun_status status = br_vocabulary_read(&out->vocabulary, path, error);
    if (status == BERTRUN_OK)
        status = br_vocabulary_build(&out->vocabulary, "", path, error);
    if (status == BERTRUN_OK)
        find_unknown(out);
    else
        br_words_free(out);
    return status;
}

bertrun_status br_words_open_sections(br_words *out, const void *text, size_t text_size,
                                      const void *table, size_t table_size, const char *name,
                                      bertrun_error *error)
{
    bool fresh = false;
    *out = (br_words){.vocabulary = {.text = text, .text_size = text_size}};
    bertrun_status status =
        br_vocabulary_load(&out->vocabulary, table, table_size, &fresh, name, error);
    if (status == BERTRUN_OK && !fresh)
        status = br_vocabulary_build(&out->vocabulary, "", name, error);
    if (status == BERTRUN_OK)
        find_unknown(out);
    else
        br_words_free(out);
    return status;
}

void br_words_free(br_words *words)
{
    br_vocabulary_free(&words->vocabulary);
}

int32_t br_words_id(const br_words *words, const char *word, size_t length)
{
    int32_t id = br_vocabulary_id(&words->vocabulary, word, length);
    return id >= 0 ? id : words->unknown;
}

/* White_Space and, as in Python, the separators U+001C to U+001F. */
static bool is_space(uint32_t cp)
{
    return (cp >= 0x1c && cp <= 0x1f) || br_char_flags(cp) & BR_CHAR_SPACE;
}

/* The offset at or behind `at` where white space begins, or ends; `length` where it does not. */
static size_t find_space(const char *text, size_t length, size_t at, bool begins)
{
    while (at < length) {
        uint32_t cp;
        unsigned bytes = br_utf8_decode((const uint8_t *)text + at, length - at, &cp);
        if (is_space(cp) == begins)
            break;
        at += bytes;
    }
    return at;
}

bool br_words_next(const char *text, size_t length, size_t *begin, size_t *size)
{
    *begin = find_space(text, length, *begin, false);
    *size = find_space(text, length, *begin, true) - *begin;
    return *size > 0;
}
