#include "engine/answer_spans.h"

#include <math.h>
#include <string.h>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

/* ---------------------------------------------------------------------------------- candidates */

static bool is_context(const br_context_window *window, size_t token)
{
    return window->type_ids[token] == 1 && !window->special_mask[token];
}

/* Softmax of one column of the logits over the context and [CLS], the first token; 0 elsewhere. */
static void normalize(const br_context_window *window, size_t column, float *out)
{
    const float *logits = window->logits + column;
    size_t chosen = 0;
    for (size_t i = 0; i < window->count; i++)
        if (i == 0 || is_context(window, i))
            out[chosen++] = logits[2 * i];
    window->ops->softmax(out, chosen, out);
    for (size_t i = window->count; i-- > 0;) /* backwards: no place is read after it is written */
        out[i] = i == 0 || is_context(window, i) ? out[--chosen] : 0;
}

/* Keeps the `most` best, in order; returns how many there are now. */
static size_t insert(br_candidate *candidates, size_t count, size_t most, br_candidate candidate)
{
    if (count == most && candidates[count - 1].score >= candidate.score)
        return count;
    size_t at = count < most ? count++ : count - 1;
    for (; at > 0 && candidates[at - 1].score < candidate.score; at--)
        candidates[at] = candidates[at - 1];
    candidates[at] = candidate;
    return count;
}

size_t br_find_candidates(const br_context_window *window, size_t max_answer_tokens, size_t most,
                          br_candidate *candidates, float *no_answer)
{
    size_t found = 0;
    normalize(window, 0, window->start);
    normalize(window, 1, window->end);
    *no_answer = fminf(*no_answer, window->start[0] * window->end[0]);
    for (size_t i = 1; i < window->count; i++)
        for (size_t j = i; j < window->count && j - i < max_answer_tokens; j++) {
            float score = window->start[i] * window->end[j];
            if (is_context(window, i) && is_context(window, j) && score > 0)
                found = insert(candidates, found, most, (br_candidate){i, j, score});
        }
    return found;
}

br_span br_candidate_span(const br_context_window *window, const br_candidate *candidate)
{
    const int32_t *words = window->word_ids;
    size_t first = candidate->first, last = candidate->last;
    while (first > 0 && is_context(window, first - 1) && words[first - 1] == words[first])
        first--;
    while (last + 1 < window->count && is_context(window, last + 1) &&
           words[last + 1] == words[last])
        last++;
    const br_span *begin = &window->spans[first], *end = &window->spans[last];
    return (br_span){begin->byte_begin, end->byte_end, begin->char_begin, end->char_end};
}

/* ------------------------------------------------------------------------------------- answers */

/* A text's code points in lower case, one at a time. */
typedef struct lower_text {
    const uint8_t *at, *end;
    uint32_t pending[BR_MAX_LOWER];
    unsigned count, next;
} lower_text;

static lower_text lower_of(const char *context, const br_span *span)
{
    const uint8_t *bytes = (const uint8_t *)context;
    return (lower_text){.at = bytes + span->byte_begin, .end = bytes + span->byte_end};
}

static bool next_lower(lower_text *text, uint32_t *out)
{
    if (text->next == text->count) {
        uint32_t cp;
        if (text->at == text->end)
            return false;
        text->at += br_utf8_decode(text->at, (size_t)(text->end - text->at), &cp);
        text->count = br_char_lower(cp, text->pending);
        text->next = 0;
    }
    *out = text->pending[text->next++];
    return true;
}

static bool reads_the_same(const char *context, const br_span *a, const br_span *b)
{
    lower_text x = lower_of(context, a), y = lower_of(context, b);
    for (;;) {
        uint32_t p = 0, q = 0;
        bool more = next_lower(&x, &p);
        if (more != next_lower(&y, &q))
            return false;
        if (!more)
            return true;
        if (p != q)
            return false;
    }
}

/* FNV-1a, over code points. */
static size_t hash_of(const char *context, const br_span *span)
{
    lower_text text = lower_of(context, span);
    uint32_t hash = 2166136261U, cp;
    while (next_lower(&text, &cp))
        hash = (hash ^ cp) * 16777619U;
    return hash ^ hash >> 15;
}

/* The slot of the answer that reads the same, or the free one where it belongs. */
static size_t *find_slot(const br_answer_list *list, const br_span *span)
{
    const bertrun_answer *answers = list->answers;
    size_t *slots = list->slots, at = hash_of(list->context, span) & (list->num_slots - 1);
    while (slots[at] && !reads_the_same(list->context, &answers[slots[at] - 1].span, span))
        at = (at + 1) & (list->num_slots - 1);
    return &slots[at];
}

void br_answers_index(br_answer_list *list, size_t *slots, size_t num_slots)
{
    list->slots = slots;
    list->num_slots = num_slots;
    memset(slots, 0, num_slots * sizeof *slots);
    for (size_t i = 0; i < list->count; i++)
        *find_slot(list, &list->answers[i].span) = i + 1;
}

void br_answers_add(br_answer_list *list, const bertrun_answer *answer)
{
    size_t *slot = find_slot(list, &answer->span);
    if (*slot) {
        list->answers[*slot - 1].score += answer->score;
        return;
    }
    list->answers[list->count++] = *answer;
    *slot = list->count;
}

size_t br_keep_best(bertrun_answer *answers, size_t count, size_t most)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const bertrun_answer answer = answers[i];
        if (kept == most && answers[kept - 1].score >= answer.score)
            continue;
        size_t at = kept < most ? kept++ : kept - 1;
        for (; at > 0 && answers[at - 1].score < answer.score; at--)
            answers[at] = answers[at - 1];
        answers[at] = answer;
    }
    return kept;
}
