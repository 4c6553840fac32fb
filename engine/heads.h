/* From hidden rows to results: pooling and dense layers here, what a task makes of a head's logits
 * in a file of its own: classify.c, ... */
#ifndef BR_HEADS_H
#define BR_HEADS_H

#include "engine/workspace.h"

/** Scratch of the heads: two sets of rows. */
typedef struct br_head_rows {
    br_buffer rows[2];
    br_buffer zeros; /* [hidden_size] */
} br_head_rows;

void br_head_rows_free(br_head_rows *rows);

/** How to make an embedding; nothing is AUTO. */
typedef struct br_embed_plan {
    bertrun_pooling pooling;
    bool normalize;
    size_t dimensions; /* columns that are kept */
} br_embed_plan;

/** Rows of a head: `stride` floats apart. */
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

/** Copies those rows of the last hidden state to scratch, where br_head_run() reads them. */
bertrun_status br_head_gather(const br_workspace *work, br_head_rows *scratch, const size_t *rows,
                              size_t count, br_rows *out, bertrun_error *error);

/**
 * Runs `count` rows of hidden_size through a head; *inout is rows of work->hidden, or of scratch,
 * and becomes [count, outputs of the head] in scratch.
 */
bertrun_status br_head_run(br_workspace *work, br_head_rows *scratch, const br_head *head,
                           size_t count, br_rows *inout, bertrun_error *error);

/** The last hidden state of the batch that was encoded last, as br_head_run() reads it. */
br_rows br_workspace_rows(const br_workspace *work);

#endif
