#include "tokenizer/added_tokens.h"

#include <string.h>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

bertrun_status br_added_index_open(br_added_index *out, const br_added_token *tokens,
                                   const br_lines *strings, bertrun_error *error)
{
    *out = (br_added_index){.tokens = tokens, .only_start = -1};
    BR_TRY(br_trie_build(&out->trie, &out->memory, 0, strings, 0, NULL, error));
    for (size_t i = 0; i < strings->count; i++) {
        if (br_line_length(strings, i) == 0)
            continue;
        out->count++;
        out->starts[(uint8_t)strings->text[strings->starts[i]]] = true;
    }
    int starts = 0;
    for (int byte = 0; byte < 256; byte++)
        if (out->starts[byte])
            out->only_start = starts++ == 0 ? byte : -1;
    return BERTRUN_OK;
}

void br_added_index_free(br_added_index *index)
{
    br_free(index->memory);
    *index = (br_added_index){0};
}

/* The code point that ends text[0 .. size), size > 0; *begin receives where it begins. */
static uint32_t last_char(const uint8_t *text, size_t size, size_t *begin)
{
    uint32_t cp = BR_REPLACEMENT;
    size_t low = size > 4 ? size - 4 : 0;
    for (size_t i = low; i < size; i++) {
        if (i + br_utf8_decode(text + i, size - i, &cp) == size) {
            *begin = i;
            return cp;
        }
    }
    *begin = size - 1;
    return cp;
}

static bool ends_with_word(const uint8_t *text, size_t size)
{
    size_t begin;
    return size > 0 && br_char_is_word(last_char(text, size, &begin));
}

static bool starts_with_word(const uint8_t *text, size_t size)
{
    uint32_t cp;
    if (size == 0)
        return false;
    br_utf8_decode(text, size, &cp);
    return br_char_is_word(cp);
}

/* Where the white space that ends text[low .. size) begins. */
static size_t spaces_before(const uint8_t *text, size_t low, size_t size)
{
    while (size > low) {
        size_t begin;
        if (!(br_char_flags(last_char(text, size, &begin)) & BR_CHAR_SPACE))
            break;
        size = begin;
    }
    return size > low ? size : low;
}

/* Where the white space that begins at `from` ends. */
static size_t spaces_after(const uint8_t *text, size_t size, size_t from)
{
    while (from < size) {
        uint32_t cp;
        unsigned length = br_utf8_decode(text + from, size - from, &cp);
        if (!(br_char_flags(cp) & BR_CHAR_SPACE))
            break;
        from += length;
    }
    return from;
}

/* Next place at or after `from` where a token may begin; `size` where there is none. */
static size_t next_start(const br_added_index *index, const uint8_t *text, size_t size, size_t from)
{
    if (index->only_start >= 0) {
        const uint8_t *found = memchr(text + from, index->only_start, size - from);
        return found ? (size_t)(found - text) : size;
    }
    while (from < size && !index->starts[text[from]])
        from++;
    return from;
}

br_added_match br_added_find(const br_added_index *index, const uint8_t *text, size_t size,
                             size_t from)
{
    size_t at = from;
    while (index->count && at < size && (at = next_start(index, text, size, at)) < size) {
        int32_t value;
        size_t length = br_trie_longest(&index->trie, BR_TRIE_ROOT, text + at, size - at, &value);
        if (length == 0) {
            at++;
            continue;
        }
        const br_added_token *token = &index->tokens[value];
        br_added_match match = {token, at, at + length};
        at = match.end;
        if (token->single_word && (ends_with_word(text, match.begin) ||
                                   starts_with_word(text + match.end, size - match.end)))
            continue;
        if (token->lstrip)
            match.begin = spaces_before(text, from, match.begin);
        if (token->rstrip)
            match.end = spaces_after(text, size, match.end);
        return match;
    }
    return (br_added_match){0};
}
