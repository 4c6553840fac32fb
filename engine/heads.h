/* From hidden rows to one row a text: pooling, dense layers, classifiers. */
#ifndef BR_HEADS_H
#define BR_HEADS_H

#include "engine/workspace.h"

/** Scratch of the heads: two sets of rows, one text each. */
typedef struct br_head_rows {
    br_buffer rows[2];
} br_head_rows;

void br_head_rows_free(br_head_rows *rows);

/** How to make an embedding; nothing is AUTO. */
typedef struct br_embed_plan {
    bertrun_pooling pooling;
    bool normalize;
    size_t dimensions; /* columns that are kept */
} br_embed_plan;

/** Rows of a head: one a sequence, `stride` floats apart. */
typedef struct br_rows {
    float *data;
    size_t stride;
} br_rows;

/**
 * Embeddings [batch->sequences, embedding_size] of the batch that was encoded last, not normalized;
 * *out is scratch of `head` and may be written to.
 */
bertrun_status br_head_embed(br_workspace *work, br_head_rows *head, const br_batch *batch,
                             bertrun_pooling pooling, br_rows *out, bertrun_error *error);

/** Logits and scores, [batch->sequences, num_labels] each. */
bertrun_status br_head_classify(br_workspace *work, br_head_rows *rows, const br_batch *batch,
                                float *logits, float *scores, bertrun_error *error);

#endif
