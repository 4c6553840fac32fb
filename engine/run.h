/* Forward passes over a session's packed inputs, cut so that memory is bounded. */
#ifndef BR_RUN_H
#define BR_RUN_H

#include "engine/encoder.h"
#include "engine/inputs.h"

/** What a call does with each forward pass. */
typedef struct br_run_plan {
    /* after a pass: `first` is the index of the batch's first sequence. NULL: nothing to do */
    bertrun_status (*finish)(bertrun_session *session, const struct br_run_plan *plan,
                             const br_batch *batch, size_t first, bertrun_error *error);
    const br_embed_plan *embed; /* of embeddings */
    const br_head *head;        /* of logits */
    size_t width;               /* columns of a result row */
    bool first_rows_only;       /* the head reads each sequence's first row only */
    bool skips_rows;            /* pooling leaves rows out: session->pool_from */
    const br_states *states;    /* NULL, or where hidden states of all sequences go */
} br_run_plan;

/** Runs all sequences that br_pack_inputs() has packed. */
bertrun_status br_run_passes(bertrun_session *session, const br_run_plan *plan,
                             bertrun_error *error);

#endif
