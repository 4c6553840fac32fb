/*
 * From tokens' scores to entities, as transformers' TokenClassificationPipeline goes: tokens are
 * joined to words, where the aggregation asks for it, and neighbours of one tag to entities.
 */
#ifndef BR_ENTITY_GROUPS_H
#define BR_ENTITY_GROUPS_H

#include "engine/model.h"

/** The tokens of one window. */
typedef struct br_tagged_tokens {
    const bertrun_model *model;
    size_t count;
    const int32_t *ids;          /* [count] */
    const br_span *spans;        /* [count] */
    const uint8_t *special_mask; /* [count] */
    const float *scores;         /* [count, num_labels] */
    float *mean;                 /* scratch, [num_labels] */
} br_tagged_tokens;

/** A token or a word with its label. */
typedef struct br_tagged {
    size_t label;
    float score;
    br_span span;
} br_tagged;

/** Fills entities, [count] at most; returns their number. `tagged` is scratch, [count]. */
size_t br_group_entities(const br_tagged_tokens *tokens, bertrun_aggregation aggregation,
                         br_tagged *tagged, bertrun_entity *entities);

/** Sorts the entities of all windows of a text, drops those that a better one overlaps; returns how
 * many are left. */
size_t br_merge_overlapping(bertrun_entity *entities, size_t count);

#endif
