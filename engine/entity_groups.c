#include "engine/entity_groups.h"

#include <string.h>

static size_t best(const float *scores, size_t count)
{
    size_t at = 0;
    for (size_t i = 1; i < count; i++)
        if (scores[i] > scores[at])
            at = i;
    return at;
}

static const float *scores_of(const br_tagged_tokens *tokens, size_t token)
{
    return tokens->scores + token * tokens->model->info.num_labels;
}

/* --------------------------------------------------------------------------------------- words */

/* Code points of a token's text. */
static size_t count_chars(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* The pipeline's test: a piece "##ing" is longer than the "ing" of the text that it stands for; an
 * unknown word begins a word. */
static bool continues_word(const br_tagged_tokens *tokens, size_t token)
{
    const br_tokenizer *tokenizer = tokens->model->tokenizer;
    const br_span *span = &tokens->spans[token];
    size_t length;
    const char *text = br_tokenizer_token(tokenizer, tokens->ids[token], &length);
    return text && tokens->ids[token] != br_tokenizer_unknown_id(tokenizer) &&
           count_chars(text, length) != span->char_end - span->char_begin;
}

static void add_scores(const br_tagged_tokens *tokens, size_t first, size_t end)
{
    size_t labels = tokens->model->info.num_labels;
    const br_ops *ops = tokens->model->ops;
    memcpy(tokens->mean, scores_of(tokens, first), labels * sizeof *tokens->mean);
    for (size_t i = first + 1; i < end; i++)
        ops->add(scores_of(tokens, i), labels, tokens->mean);
    ops->scale(1.0f / (float)(end - first), labels, tokens->mean);
}

/* The scores that speak for tokens [first, end) of a word. */
static const float *scores_of_word(const br_tagged_tokens *tokens, bertrun_aggregation aggregation,
                                   size_t first, size_t end)
{
    size_t labels = tokens->model->info.num_labels, chosen = first;
    if (aggregation == BERTRUN_AGGREGATION_AVERAGE) {
        add_scores(tokens, first, end);
        return tokens->mean;
    }
    for (size_t i = first + 1; aggregation == BERTRUN_AGGREGATION_MAX && i < end; i++) {
        const float *now = scores_of(tokens, i), *before = scores_of(tokens, chosen);
        if (now[best(now, labels)] > before[best(before, labels)])
            chosen = i;
    }
    return scores_of(tokens, chosen);
}

static br_span join(const br_span *first, const br_span *last)
{
    return (br_span){first->byte_begin, last->byte_end, first->char_begin, last->char_end};
}

/* A label for each token, or for each word. A special token ends no word: the pipeline leaves them
 * out first, and they stand at the ends. */
static size_t tag(const br_tagged_tokens *tokens, bertrun_aggregation aggregation, br_tagged *out)
{
    bool words =
        aggregation != BERTRUN_AGGREGATION_NONE && aggregation != BERTRUN_AGGREGATION_SIMPLE;
    size_t count = 0, end;
    for (size_t i = 0; i < tokens->count; i = end) {
        end = i + 1;
        if (tokens->special_mask[i])
            continue;
        while (words && end < tokens->count && !tokens->special_mask[end] &&
               continues_word(tokens, end))
            end++;
        const float *scores = scores_of_word(tokens, aggregation, i, end);
        size_t label = best(scores, tokens->model->info.num_labels);
        out[count++] =
            (br_tagged){label, scores[label], join(&tokens->spans[i], &tokens->spans[end - 1])};
    }
    return count;
}

/* ------------------------------------------------------------------------------------ entities */

/* The label without "B-" or "I-"; *begins tells whether it has "B-". */
static const char *tag_of(const char *label, bool *begins)
{
    *begins = strncmp(label, "B-", 2) == 0;
    return *begins || strncmp(label, "I-", 2) == 0 ? label + 2 : label;
}

/* Whether `next` goes on where `previous` ends. */
static bool goes_on(const char *previous, const char *next)
{
    bool begins, ignored;
    const char *tag = tag_of(next, &begins);
    return !begins && strcmp(tag, tag_of(previous, &ignored)) == 0;
}

/* The pipeline names a group by what comes after the first dash, whatever stands before it. */
static const char *group_name(const char *label)
{
    const char *dash = strchr(label, '-');
    return dash ? dash + 1 : label;
}

size_t br_group_entities(const br_tagged_tokens *tokens, bertrun_aggregation aggregation,
                         br_tagged *tagged, bertrun_entity *entities)
{
    const char *const *labels = tokens->model->info.labels;
    size_t count = tag(tokens, aggregation, tagged), found = 0, end;
    bool groups = aggregation != BERTRUN_AGGREGATION_NONE;
    for (size_t i = 0; i < count; i = end) {
        double sum = (double)tagged[i].score;
        for (end = i + 1; groups && end < count &&
                          goes_on(labels[tagged[end - 1].label], labels[tagged[end].label]);
             end++)
            sum += (double)tagged[end].score;
        const char *label = labels[tagged[i].label];
        label = groups ? group_name(label) : label;
        if (strcmp(label, "O") != 0)
            entities[found++] = (bertrun_entity){label, (float)(sum / (double)(end - i)),
                                                 join(&tagged[i].span, &tagged[end - 1].span)};
    }
    return found;
}

/* ------------------------------------------------------------------------------------- windows */

/* Each window's entities are in order already, so that few of them move far. */
static void sort_by_begin(bertrun_entity *entities, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        bertrun_entity entity = entities[i];
        size_t at = i;
        for (; at > 0 && entities[at - 1].span.byte_begin > entity.span.byte_begin; at--)
            entities[at] = entities[at - 1];
        entities[at] = entity;
    }
}

static bool is_better(const bertrun_entity *a, const bertrun_entity *b)
{
    size_t length_a = a->span.char_end - a->span.char_begin;
    size_t length_b = b->span.char_end - b->span.char_begin;
    return length_a > length_b || (length_a == length_b && a->score > b->score);
}

size_t br_merge_overlapping(bertrun_entity *entities, size_t count)
{
    size_t kept = 0;
    sort_by_begin(entities, count);
    for (size_t i = 1; i < count; i++) {
        if (entities[i].span.byte_begin >= entities[kept].span.byte_end)
            entities[++kept] = entities[i];
        else if (is_better(&entities[i], &entities[kept]))
            entities[kept] = entities[i];
    }
    return count ? kept + 1 : 0;
}
