#include "tokenizer/wordpiece.h"

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

struct word_char {
    size_t size; /* bytes of the word up to and with this character */
    size_t begin, end;
};

static bool grow_pieces(br_token_list *list, size_t wanted)
{
    br_buffer pieces = {list->pieces, list->piece_capacity * sizeof(*list->pieces)};
    bool grown = br_buffer_grow(&pieces, pieces.capacity, wanted, sizeof(*list->pieces));
    list->pieces = pieces.data;
    list->piece_capacity = pieces.capacity / sizeof(*list->pieces);
    return grown;
}

bool br_token_list_begin(br_token_list *list, bool places)
{
    list->count = list->first_piece = list->dropped = 0;
    list->num_words = 0;
    list->places = places;
    return !places || list->piece_capacity >= list->capacity || grow_pieces(list, list->capacity);
}

bool br_token_list_grow(br_token_list *list, size_t count)
{
    br_buffer ids = {list->ids, list->capacity * sizeof(*list->ids)};
    size_t wanted = list->count + count + list->capacity / 2;
    if (wanted < list->count ||
        !br_buffer_grow(&ids, list->count * sizeof(*list->ids), wanted, sizeof(*list->ids)))
        return false;
    list->ids = ids.data;
    list->capacity = wanted;
    return !list->places || list->piece_capacity >= wanted || grow_pieces(list, wanted);
}

bool br_token_list_add(br_token_list *list, int32_t id, size_t begin, size_t end)
{
    size_t at = list->count - list->first_piece;
    if (!br_token_list_reserve(list, 1) ||
        (at >= list->piece_capacity && !grow_pieces(list, at + 1 + at / 2)))
        return false;
    list->ids[list->count++] = id;
    list->pieces[at] = (br_piece){{.byte_begin = begin, .byte_end = end}, list->num_words};
    return true;
}

void br_token_list_free(br_token_list *list)
{
    br_free(list->ids);
    br_free(list->pieces);
    *list = (br_token_list){0};
}

static struct word_char *chars_of(br_word *w)
{
    return w->chars.data;
}

/* The word's pieces; false with *unknown set where there is a part without one. */
static bool add_pieces(br_word *w, bool *unknown)
{
    const br_wordpiece *wp = w->wordpiece;
    const uint8_t *bytes = w->bytes.data;
    size_t first = 0, last = 0; /* characters of the piece */
    for (size_t at = 0; at < w->size;) {
        int32_t id = -1;
        size_t node = at == 0 ? (size_t)BR_TRIE_ROOT : wp->continuing;
        size_t length = br_wordpiece_match(wp, node, bytes + at, w->size - at, &id);
        if (length == 0) {
            *unknown = true;
            return false;
        }
        at += length;
        while (last + 1 < w->count && chars_of(w)[last].size < at)
            last++;
        if (!br_token_list_add(w->tokens, id, chars_of(w)[first].begin, chars_of(w)[last].end))
            return false;
        first = last + 1 < w->count ? last + 1 : last;
    }
    return true;
}

bool br_word_end(br_word *w)
{
    if (w->count == 0 && !w->too_long)
        return true;
    size_t before = w->tokens->count;
    bool unknown = w->too_long;
    bool added = !unknown && add_pieces(w, &unknown);
    if (unknown) {
        w->tokens->count = before;
        added = br_token_list_add(w->tokens, w->wordpiece->unk_id, w->begin, w->end);
    }
    w->tokens->num_words++;
    w->size = w->count = 0;
    w->too_long = false;
    return added;
}

static bool make_longer(br_word *w)
{
    size_t capacity = w->capacity ? 2 * w->capacity : 128;
    if (!br_buffer_grow(&w->bytes, w->size, capacity, 4) ||
        !br_buffer_grow(&w->chars, w->count * sizeof(struct word_char), capacity,
                        sizeof(struct word_char)))
        return false;
    w->capacity = capacity;
    return true;
}

/* The word's next character; of those after max_word_chars only the end is kept. */
static bool lengthen(br_word *w, br_char c)
{
    if (w->count == 0 && !w->too_long)
        w->begin = c.begin;
    w->end = c.end;
    if (w->count >= w->wordpiece->max_word_chars) {
        w->too_long = true;
        return true;
    }
    if (w->count == w->capacity && !make_longer(w))
        return false;
    w->size += br_utf8_encode(c.cp, (uint8_t *)w->bytes.data + w->size);
    chars_of(w)[w->count++] = (struct word_char){w->size, c.begin, c.end};
    return true;
}

bool br_word_add(void *word, br_char character)
{
    if (character.flags & BR_CHAR_SPACE)
        return br_word_end(word);
    if (character.flags & BR_CHAR_PUNCT)
        return br_word_end(word) && lengthen(word, character) && br_word_end(word);
    return lengthen(word, character);
}

void br_word_free(br_word *word)
{
    br_free(word->bytes.data);
    br_free(word->chars.data);
    *word = (br_word){0};
}
