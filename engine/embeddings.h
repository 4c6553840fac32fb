/* The first hidden state: word + position + token type, and LayerNorm. */
#ifndef BR_EMBEDDINGS_H
#define BR_EMBEDDINGS_H

#include "engine/workspace.h"

/** Computes rows [first, first + rows) of work->hidden and the range of each, ranges [rows]. */
void br_embed_rows(const br_workspace *work, const br_batch *batch, br_lane *lane, size_t first,
                   size_t rows, br_range *ranges);

/** Row `id` of table [rows, columns] to out [columns]; scale [rows] goes with an s8 table. */
void br_embed_word(const br_ops *ops, const br_tensor *table, const br_tensor *scale, int32_t id,
                   float *out);

#endif
