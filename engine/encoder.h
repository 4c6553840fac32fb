/*
 * The encoder: packed token rows in, hidden rows out. See docs/MODEL.md for the mathematics.
 *
 * With per-token activations (and in f32, bf16) a batch is cut into groups of sequences that one
 * thread each takes through the whole model, while their values are in the cache. Too few groups
 * for all threads: they share each layer, and everything between two attentions is done for one
 * block of rows at a time by one thread. With per-batch
 * activations every projection waits for the range of the whole batch, and a few rows on several
 * threads are shared by columns: then projections run one after another over all rows.
 */
#ifndef BR_ENCODER_H
#define BR_ENCODER_H

#include "engine/workspace.h"

/** Where hidden states are kept. */
typedef struct br_states {
    float *data;   /* [slots, stride, hidden_size]: a batch's rows from each slot's beginning */
    size_t stride; /* rows from slot to slot */
    const size_t *slots; /* [num_hidden_layers + 1] each state's slot; SIZE_MAX: it is not kept */
} br_states;

/**
 * Runs the batch; afterwards work->hidden holds the last hidden state: a row a token, or, with
 * batch->first_rows_only, a row a sequence.
 * @param states NULL (as it must be with first_rows_only), or where the states go
 * Errors: NOMEM, INTERNAL. A warm call of no larger size allocates nothing.
 */
bertrun_status br_encode(br_workspace *work, const br_batch *batch, const br_states *states,
                         bertrun_error *error);

#endif
