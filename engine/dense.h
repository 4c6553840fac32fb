/* One projection over any number of rows and all threads: heads, and layers that share a range. */
#ifndef BR_DENSE_H
#define BR_DENSE_H

#include "engine/workspace.h"

typedef struct br_dense_call {
    const br_linear *linear;
    br_phase phase;
    size_t rows;
    const float *src;       /* [rows, linear->k] */
    const br_range *ranges; /* [rows] of src, where they are known already, or NULL */
    float *dst;             /* rows dst_stride apart */
    size_t dst_stride;
    br_qkv dst_qkv; /* .s16 NULL, or receives the result in place of dst */
    br_activation_kind activation;
    const br_norm *norm; /* NULL, or dst = LayerNorm(y + dst) */

    /* NULL, or receive, in place of dst, the sums themselves, [rows rounded up to BR_ROW_GROUP,
     * linear->n], and, in int8, how each row was quantized, [rows]. */
    void *sums;
    br_quantized *quantized;
} br_dense_call;

/** Runs it; int8 activations are quantized by row, or over all rows where the model says so. */
bertrun_status br_run_dense(br_workspace *work, const br_dense_call *call, bertrun_error *error);

/** Whether so many rows are run that way. */
bool br_shares_columns(const br_workspace *work, const br_linear *linear, size_t rows);

#endif
