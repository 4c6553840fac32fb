/*
 * From normalized characters to tokens: BertPreTokenizer cuts words at white space and around
 * punctuation, WordPiece cuts words into the vocabulary's pieces, longest match first.
 */
#ifndef BR_WORDPIECE_H
#define BR_WORDPIECE_H

#include "tokenizer/normalizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

/** What WordPiece needs of a tokenizer. */
typedef struct br_wordpiece {
    const br_vocabulary *vocabulary;
    size_t continuing; /* the trie's node after the prefix "##"; SIZE_MAX: none */
    int32_t unk_id;
    size_t max_word_chars;
} br_wordpiece;

/**
 * The longest piece that begins the text, `node` being the trie's root or wp->continuing: returns
 * its bytes and stores its id, or returns 0.
 */
static inline size_t br_wordpiece_match(const br_wordpiece *wp, size_t node, const uint8_t *text,
                                        size_t length, int32_t *id)
{
    size_t matched = br_trie_longest(&wp->vocabulary->trie, node, text, length, id);
    return matched && (size_t)*id < wp->vocabulary->count ? matched : 0;
}

/** A token's place: bytes of the original text (code points come later), and the word it is of. */
typedef struct br_piece {
    br_span span;
    int32_t word;
} br_piece;

/**
 * Tokens of one text, before special tokens. Zero-initialize, release with br_token_list_free().
 * Without `places` only the pieces of the tokens from first_piece on are kept.
 */
typedef struct br_token_list {
    int32_t *ids; /* [count] */
    size_t count, capacity;
    br_piece *pieces; /* of token i at [i - first_piece] */
    size_t first_piece, piece_capacity;
    bool places;
    int32_t num_words;
    size_t keep;    /* ids that are wanted, SIZE_MAX: all; of a long text more may be there */
    size_t dropped; /* how many more there were behind those in the list */
} br_token_list;

/** Empties the list. False: out of memory. */
bool br_token_list_begin(br_token_list *list, bool places);

/** Makes room for `count` more ids and, with `places`, pieces. False: out of memory. */
bool br_token_list_grow(br_token_list *list, size_t count);

/** Counts and forgets what nobody wants, so that memory does not grow with the text. */
static inline void br_token_list_drop(br_token_list *list)
{
    if (list->count > list->keep) {
        list->dropped += list->count - list->keep;
        list->count = list->first_piece = list->keep;
    }
}

static inline bool br_token_list_reserve(br_token_list *list, size_t count)
{
    return list->capacity - list->count >= count || br_token_list_grow(list, count);
}

/** Adds a token of the current word, from bytes [begin, end). */
bool br_token_list_add(br_token_list *list, int32_t id, size_t begin, size_t end);
void br_token_list_free(br_token_list *list);

/** The word under construction. */
typedef struct br_word {
    const br_wordpiece *wordpiece;
    br_token_list *tokens; /* where its pieces go */
    br_buffer bytes;       /* uint8_t, UTF-8 */
    br_buffer chars;       /* struct of each character: where it ends in bytes, and its origin */
    size_t size, count;    /* bytes; characters, at most max_word_chars */
    size_t capacity;       /* characters that fit the buffers */
    bool too_long;         /* more characters than max_word_chars came */
    size_t begin, end;     /* origin of the whole word */
} br_word;

/** A br_char_sink on a br_word: takes the next normalized character. */
bool br_word_add(void *word, br_char character);

/** Ends the word, if there is one. */
bool br_word_end(br_word *word);

void br_word_free(br_word *word);

#endif
