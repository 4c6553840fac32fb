/* From start and end logits to answers, as transformers 4's QuestionAnsweringPipeline goes. */
#ifndef BR_ANSWER_SPANS_H
#define BR_ANSWER_SPANS_H

#include "engine/model.h"

/** One window of a question and its context. */
typedef struct br_context_window {
    const br_ops *ops;
    size_t count;
    const uint8_t *type_ids;     /* [count] */
    const uint8_t *special_mask; /* [count] */
    const br_span *spans;        /* [count] */
    const int32_t *word_ids;     /* [count] */
    const float *logits;         /* [count, 2]: start and end */
    float *start, *end;          /* scratch, [count] each: probabilities */
} br_context_window;

/** A first and a last token. */
typedef struct br_candidate {
    size_t first, last;
    float score;
} br_candidate;

/**
 * The `most` best candidates of a window, the best first; returns how many there are. *no_answer
 * becomes the probability of [CLS] where that is less.
 */
size_t br_find_candidates(const br_context_window *window, size_t max_answer_tokens, size_t most,
                          br_candidate *candidates, float *no_answer);

/** The whole words from the candidate's first to its last token. */
br_span br_candidate_span(const br_context_window *window, const br_candidate *candidate);

/** The answers of one question, no two of which read the same but for case. */
typedef struct br_answer_list {
    const char *context;
    bertrun_answer *answers; /* [count], and room for those that are added */
    size_t count;
    size_t *slots; /* [num_slots] hash table: the number of an answer from 1, 0: free */
    size_t num_slots;
} br_answer_list;

/** Gives the list a hash table, a power of two of slots, more than there will be answers. */
void br_answers_index(br_answer_list *list, size_t *slots, size_t num_slots);

/** Adds an answer, or its score to the one that reads the same. */
void br_answers_add(br_answer_list *list, const bertrun_answer *answer);

/** Leaves the `most` best, the best first, equal ones in their order; returns how many. */
size_t br_keep_best(bertrun_answer *answers, size_t count, size_t most);

#endif
