/*
 * The fast way through ordinary text: it is cut at ASCII white space and punctuation, which vectors
 * find, into runs; a run is looked up in the cache, else cut word by word.
 */
#include <string.h>

#include "tokenizer/run_cache.h"
#include "tokenizer/tokenizer_internal.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

/* Blocks that are scanned at once; bytes up to which a text is cut as one end. */
enum { CHUNK_BLOCKS = 64, SHORT_TEXT = 1024 };

/* Everything a run needs at hand. */
struct runs {
    const br_tokenizer *tokenizer;
    struct br_encoding_scratch *scratch;
    br_token_list *tokens;
    const uint8_t *text; /* [size] */
    size_t size, offset; /* of text[0] in the original */
    bool lowercase;
    unsigned changing,
        separating; /* flags of characters that normalization changes, that end words */
    size_t origin;  /* of the current run in the original */
};

/* Writes a known run's tokens. */
static void put_entry(const struct runs *r, const br_run_entry *entry, size_t begin)
{
    br_token_list *tokens = r->tokens;
    memcpy(tokens->ids + tokens->count, entry->ids, sizeof(entry->ids));
    if (tokens->places) {
        size_t at = r->offset + begin;
        for (size_t i = 0; i < entry->count; i++) {
            tokens->num_words += entry->new_words >> i & 1;
            size_t end = r->offset + begin + entry->ends[i];
            tokens->pieces[tokens->count + i] =
                (br_piece){{.byte_begin = at, .byte_end = end}, tokens->num_words - 1};
            at = end;
        }
    }
    tokens->count += entry->count;
}

/* Remembers tokens [first, count) of the list as what the run became, if an entry can say it. */
static void remember(const br_token_list *list, size_t first, size_t begin, size_t length,
                     const br_run_key *key, br_run_entry *out)
{
    size_t count = list->count - first, end = begin;
    if (count > BR_RUN_TOKENS)
        return;
    br_run_entry entry = {.key = *key, .length = (uint8_t)length, .count = (uint8_t)count};
    int32_t word = -1;
    for (size_t i = 0; i < count; i++) {
        const br_piece *piece = &list->pieces[first + i - list->first_piece];
        if (piece->span.byte_begin != end)
            return;
        end = piece->span.byte_end;
        entry.ids[i] = list->ids[first + i];
        entry.ends[i] = (uint8_t)(end - begin);
        if (piece->word != word)
            entry.new_words |= (uint8_t)(1 << i);
        word = piece->word;
    }
    *out = entry;
}

/* A word whose bytes stand in the original as they are here, but for ASCII capitals. */
static bool cut_word(const struct runs *r, const uint8_t *bytes, br_range word, size_t num_chars)
{
    const br_wordpiece *wp = &r->tokenizer->wordpiece;
    br_token_list *tokens = r->tokens;
    size_t first = tokens->count, node = BR_TRIE_ROOT;
    if (word.begin == word.end)
        return true;
    for (size_t at = word.begin, step; at < word.end; at += step, node = wp->continuing) {
        int32_t id = -1;
        step = br_wordpiece_match(wp, node, bytes + at, word.end - at, &id);
        if (step == 0 || num_chars > wp->max_word_chars) { /* the whole word is one token */
            tokens->count = first;
            id = wp->unk_id;
            at = word.begin;
            step = word.end - at;
        }
        if (!br_token_list_add(tokens, id, r->origin + at, r->origin + at + step))
            return false;
    }
    tokens->num_words++;
    return true;
}

static bool is_visible_ascii(uint8_t c)
{
    return c > ' ' && c < 0x7f;
}

/*
 * Cuts a run in which normalization changes no character, but for ASCII capitals, made small
 * already. Sets *plain to false where there is another character.
 */
static bool cut_plain(const struct runs *r, const uint8_t *bytes, size_t length, bool *plain)
{
    br_range word = {0, 0};
    size_t num_chars = 0;
    while (word.end < length) {
        uint32_t cp = bytes[word.end];
        unsigned step = 1, flags = 0;
        if (!is_visible_ascii((uint8_t)cp)) {
            step = br_utf8_decode(bytes + word.end, length - word.end, &cp);
            flags = br_char_flags(cp);
        }
        if (flags & r->changing) {
            *plain = false;
            return true;
        }
        if (!(flags & r->separating)) {
            num_chars++;
            word.end += step;
            continue;
        }
        br_range single = {word.end, word.end + step};
        if (!cut_word(r, bytes, word, num_chars) ||
            (!(flags & BR_CHAR_SPACE) && !cut_word(r, bytes, single, 1)))
            return false;
        word = (br_range){single.end, single.end};
        num_chars = 0;
    }
    return cut_word(r, bytes, word, num_chars);
}

/* A copy of the run with small letters for ASCII capitals, in scratch; NULL: out of memory. */
static const uint8_t *lower_ascii(const struct runs *r, size_t begin, size_t length)
{
    if (!br_buffer_reserve(&r->scratch->lowered, length, 1))
        return NULL;
    uint8_t *out = r->scratch->lowered.data;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = r->text[begin + i];
        out[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    }
    return out;
}

/* A run that is not in the cache. */
static bool cut_run(struct runs *r, size_t begin, size_t length)
{
    br_token_list *tokens = r->tokens;
    size_t count = tokens->count;
    int32_t num_words = tokens->num_words;
    bool plain = true;
    if (!tokens->places)
        tokens->first_piece = count;
    const uint8_t *bytes = r->lowercase ? lower_ascii(r, begin, length) : r->text + begin;
    r->origin = r->offset + begin;
    if (!bytes || !cut_plain(r, bytes, length, &plain))
        return false;
    if (plain)
        return true;
    tokens->count = count;
    tokens->num_words = num_words;
    struct br_encoding_scratch *s = r->scratch;
    return br_normalize(&s->normalizer, r->text + begin, length, r->origin) &&
           br_word_end(&s->word);
}

static bool put_run(struct runs *r, size_t begin, size_t length)
{
    if (length > BR_RUN_KEY_BYTES)
        return cut_run(r, begin, length);
    br_run_key key = br_run_key_of(r->text + begin, length, r->size - begin, r->lowercase);
    br_run_entry *entry = &r->scratch->cache[br_run_slot(&key, length)];
    if (br_run_equal(entry, &key, length)) {
        put_entry(r, entry, begin);
        return true;
    }
    size_t first = r->tokens->count;
    if (!cut_run(r, begin, length))
        return false;
    remember(r->tokens, first, r->offset + begin, length, &key, entry);
    return true;
}

static void put_punct(const struct runs *r, size_t at)
{
    br_token_list *tokens = r->tokens;
    tokens->ids[tokens->count] = r->tokenizer->punct_ids[r->text[at]];
    if (tokens->places)
        tokens->pieces[tokens->count] = (br_piece){
            {.byte_begin = r->offset + at, .byte_end = r->offset + at + 1}, tokens->num_words++};
    tokens->count++;
}

/* Handles the boundaries of one block at `base`; *run is where the open run begins. */
static bool cut_block(struct runs *r, br_scan_mask mask, size_t base, size_t *run)
{
    for (uint64_t bounds = mask.space | mask.punct; bounds; bounds &= bounds - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(bounds);
        size_t at = base + bit;
        if (!br_token_list_reserve(r->tokens, BR_RUN_TOKENS + 1))
            return false;
        if (at > *run && !put_run(r, *run, at - *run))
            return false;
        if (mask.punct >> bit & 1) {
            if (!br_token_list_reserve(r->tokens, 1))
                return false;
            put_punct(r, at);
        }
        *run = at + 1;
    }
    return true;
}

/* Cuts whole blocks; *run is where the open run begins. */
static bool cut_blocks(struct runs *r, size_t blocks, size_t *run)
{
    br_scan_mask masks[CHUNK_BLOCKS];
    for (size_t done = 0; done < blocks; done += CHUNK_BLOCKS) {
        size_t count = blocks - done < CHUNK_BLOCKS ? blocks - done : CHUNK_BLOCKS;
        r->tokenizer->scan(r->text + done * BR_SCAN_BLOCK, count, masks);
        for (size_t i = 0; i < count; i++)
            if (!cut_block(r, masks[i], (done + i) * BR_SCAN_BLOCK, run))
                return false;
        br_token_list_drop(r->tokens);
    }
    return true;
}

/* Cuts the end of a text, less than a block, of which text[run .. size) is not yet cut. It is
 * copied to where whole blocks and keys may be read. */
static bool cut_end(struct runs *r, size_t run)
{
    struct br_encoding_scratch *s = r->scratch;
    size_t size = r->size - run, padded = br_round_up(size, BR_SCAN_BLOCK) + BR_RUN_KEY_BYTES;
    if (size == 0)
        return true;
    if (!br_buffer_reserve(&s->end, padded, 1))
        return false;
    memset((uint8_t *)s->end.data + size, 0, padded - size);
    memcpy(s->end.data, r->text + run, size);
    r->text = s->end.data;
    r->offset += run;
    r->size = padded;
    run = 0;
    return cut_blocks(r, br_round_up(size, BR_SCAN_BLOCK) / BR_SCAN_BLOCK, &run) &&
           (run == size ||
            (br_token_list_reserve(r->tokens, BR_RUN_TOKENS) && put_run(r, run, size - run)));
}

bool br_cut_runs(const br_tokenizer *t, struct br_encoding_scratch *s, const uint8_t *text,
                 size_t size, size_t offset)
{
    const br_normalizer_flags *flags = &t->config.normalizer;
    struct runs r = {
        .tokenizer = t,
        .scratch = s,
        .tokens = s->word.tokens,
        .text = text,
        .size = size,
        .offset = offset,
        .lowercase = flags->lowercase,
        .changing = BR_CHAR_CONTROL | (flags->strip_accents ? BR_CHAR_MARK : 0u) |
                    (flags->strip_accents || flags->lowercase ? BR_CHAR_CHANGES : 0u),
        .separating =
            BR_CHAR_SPACE | BR_CHAR_PUNCT | (flags->handle_chinese_chars ? BR_CHAR_CJK : 0u),
    };
    size_t run = 0, blocks = size < SHORT_TEXT ? 0 : size / BR_SCAN_BLOCK;
    return cut_blocks(&r, blocks, &run) && cut_end(&r, run);
}
