#include <string.h>

#include "tokenizer/tokenizer_internal.h"
#include "tokenizer/utf8.h"

/* Makes room for `count` tokens in the result. */
static bool reserve(br_encoding *e, size_t count, size_t num_windows, bool offsets)
{
    struct br_encoding_scratch *s = e->scratch;
    if (!br_buffer_reserve(&s->ids, count, sizeof(*e->ids)) ||
        !br_buffer_reserve(&s->type_ids, count, sizeof(*e->type_ids)) ||
        !br_buffer_reserve(&s->window_offsets, num_windows + 1, sizeof(*e->window_offsets)) ||
        (offsets && (!br_buffer_reserve(&s->spans, count, sizeof(*e->spans)) ||
                     !br_buffer_reserve(&s->word_ids, count, sizeof(*e->word_ids)) ||
                     !br_buffer_reserve(&s->special_mask, count, sizeof(*e->special_mask)))))
        return false;
    e->ids = s->ids.data;
    e->type_ids = s->type_ids.data;
    e->window_offsets = s->window_offsets.data;
    e->spans = offsets ? s->spans.data : NULL;
    e->word_ids = offsets ? s->word_ids.data : NULL;
    e->special_mask = offsets ? s->special_mask.data : NULL;
    e->count = e->num_windows = e->truncated = 0;
    return true;
}

/* Appends tokens of a text. */
static void put_range(br_encoding *e, const br_token_list *tokens, br_range range, uint8_t type_id)
{
    size_t count = range.end - range.begin, at = e->count;
    if (count == 0)
        return;
    memcpy(e->ids + at, tokens->ids + range.begin, count * sizeof(*e->ids));
    memset(e->type_ids + at, type_id, count);
    e->count += count;
    if (!e->spans)
        return;
    memset(e->special_mask + at, 0, count);
    for (size_t i = 0; i < count; i++) {
        const br_piece *piece = &tokens->pieces[range.begin + i];
        e->spans[at + i] = piece->span;
        e->word_ids[at + i] = piece->word;
    }
}

size_t br_tokenizer_head(size_t kept)
{
    return (kept + 2) / 4;
}

/* The tokens of a window: a range, or with `middle` as many, a quarter of them from the beginning.
 */
static void put_text(br_encoding *e, const br_token_list *tokens, br_range range, bool middle,
                     uint8_t type_id)
{
    size_t kept = range.end - range.begin, head = br_tokenizer_head(kept);
    if (!middle || kept == tokens->count) {
        put_range(e, tokens, range, type_id);
        return;
    }
    put_range(e, tokens, (br_range){0, head}, type_id);
    put_range(e, tokens, (br_range){tokens->count - (kept - head), tokens->count}, type_id);
}

static void put_special(br_encoding *e, int32_t id, uint8_t type_id)
{
    size_t at = e->count++;
    e->ids[at] = id;
    e->type_ids[at] = type_id;
    if (!e->spans)
        return;
    e->spans[at] = (br_span){0};
    e->word_ids[at] = -1;
    e->special_mask[at] = 1;
}

/* Code points of text[0 .. size). */
static size_t count_chars(const uint8_t *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; count++) {
        uint32_t cp;
        i += br_utf8_decode(text + i, size - i, &cp);
    }
    return count;
}

/* Fills in the code-point offsets of the pieces; those begin in ascending order. */
static void count_piece_chars(br_token_list *tokens, const uint8_t *text)
{
    size_t byte = 0, chars = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        br_span *span = &tokens->pieces[i].span;
        if (span->byte_begin < byte)
            byte = chars = 0;
        chars += count_chars(text + byte, span->byte_begin - byte);
        byte = span->byte_begin;
        span->char_begin = chars;
        span->char_end = chars + count_chars(text + byte, span->byte_end - byte);
    }
}

struct input {
    const br_tokenizer *tokenizer;
    const br_encode_options *options;
    const char *texts[2];
    size_t lengths[2];
    bool pair;
};

/* One window: the template with this range of each text. */
static void put_window(const struct input *in, br_encoding *e, const br_range ranges[2])
{
    const br_tokenizer_config *config = &in->tokenizer->config;
    const br_template *template = in->pair ? &config->pair : &config->single;
    e->window_offsets[e->num_windows++] = e->count;
    for (size_t i = 0; i < template->count; i++) {
        const br_template_piece *piece = &template->pieces[i];
        if (piece->kind == BR_PIECE_TOKEN) {
            if (!in->options->no_special)
                put_special(e, piece->id, piece->type_id);
            continue;
        }
        int which = piece->kind == BR_PIECE_SECOND;
        put_text(e, &e->scratch->tokens[which], ranges[which], in->options->truncate_middle,
                 piece->type_id);
    }
    e->window_offsets[e->num_windows] = e->count;
}

/* All windows, in the order in which Hugging Face lists them: the first of both texts; each further
 * one of the text with each of the pair; the text's first with each further one of the pair. */
static void put_windows(const struct input *in, br_encoding *e, const size_t num_windows[2])
{
    const br_range *first = e->scratch->windows[0].data, *second = e->scratch->windows[1].data;
    put_window(in, e, (br_range[2]){first[0], second[0]});
    for (size_t i = 1; i < num_windows[0]; i++)
        for (size_t j = 0; j < num_windows[1]; j++)
            put_window(in, e, (br_range[2]){first[i], second[j]});
    for (size_t j = 1; j < num_windows[1]; j++)
        put_window(in, e, (br_range[2]){first[0], second[j]});
}

/* Tokens in all windows together, or SIZE_MAX where that is beyond counting. */
static size_t count_tokens(const br_encoding *e, const size_t num_windows[2], size_t num_special)
{
    size_t total;
    if (__builtin_mul_overflow(num_windows[0], num_windows[1], &total))
        return SIZE_MAX;
    const br_range *ranges[2] = {e->scratch->windows[0].data, e->scratch->windows[1].data};
    size_t widest = num_special;
    for (int i = 0; i < 2; i++)
        widest += ranges[i][0].end - ranges[i][0].begin;
    return __builtin_mul_overflow(total, widest, &total) ? SIZE_MAX : total;
}

static bool prepare(br_encoding *e, const br_tokenizer *tokenizer)
{
    e->count = e->num_windows = e->truncated = 0;
    if (!e->scratch && !(e->scratch = br_calloc(1, sizeof(*e->scratch))))
        return false;
    if (e->scratch->tokenizer && e->scratch->tokenizer != tokenizer)
        memset(e->scratch->cache, 0, sizeof(e->scratch->cache));
    e->scratch->tokenizer = tokenizer;
    return true;
}

/* How many tokens of each text are looked at: of one whose end is cut off no more than stay. */
static size_t wanted_tokens(const struct input *in)
{
    const br_encode_options *o = in->options;
    bool head = o->max_length && !in->pair && !o->overflow && !o->truncate_left &&
                !o->truncate_middle && !o->offsets;
    return head ? o->max_length : SIZE_MAX;
}

bertrun_status br_tokenizer_encode(const br_tokenizer *tokenizer, const char *text, size_t length,
                                   const char *pair, size_t pair_length,
                                   const br_encode_options *options, br_encoding *e,
                                   bertrun_error *error)
{
    const struct input in = {tokenizer,
                             options,
                             {text ? text : "", pair ? pair : ""},
                             {length, pair ? pair_length : 0},
                             pair != NULL};
    if (!prepare(e, tokenizer))
        return br_fail_nomem(error);
    size_t counts[2], num_windows[2];
    for (int i = 0; i < 2; i++) {
        br_token_list *tokens = &e->scratch->tokens[i];
        tokens->keep = wanted_tokens(&in);
        if (!br_cut_text(tokenizer, e->scratch, (const uint8_t *)in.texts[i], in.lengths[i],
                         options->offsets, tokens))
            return br_fail_nomem(error);
        if (options->offsets)
            count_piece_chars(tokens, (const uint8_t *)in.texts[i]);
        counts[i] = tokens->count + tokens->dropped;
    }
    size_t num_special = options->no_special ? 0 : br_tokenizer_num_special(tokenizer, in.pair);
    BR_TRY(br_truncate(options, num_special, in.pair, counts, e->scratch->windows, num_windows,
                       error));
    if (!reserve(e, count_tokens(e, num_windows, num_special), num_windows[0] * num_windows[1],
                 options->offsets))
        return br_fail_nomem(error);
    put_windows(&in, e, num_windows);
    if (!options->overflow)
        e->truncated = counts[0] + counts[1] + num_special - e->count;
    return BERTRUN_OK;
}

static void free_scratch(struct br_encoding_scratch *s)
{
    for (int i = 0; i < 2; i++) {
        br_token_list_free(&s->tokens[i]);
        br_free(s->windows[i].data);
    }
    br_normalizer_free(&s->normalizer);
    br_word_free(&s->word);
    br_buffer *const buffers[] = {&s->kept.bytes,   &s->kept.chars,    &s->end,   &s->lowered,
                                  &s->ids,          &s->type_ids,      &s->spans, &s->word_ids,
                                  &s->special_mask, &s->window_offsets};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
        br_free(buffers[i]->data);
}

void br_encoding_free(br_encoding *encoding)
{
    if (encoding->scratch)
        free_scratch(encoding->scratch);
    br_free(encoding->scratch);
    *encoding = (br_encoding){0};
}
