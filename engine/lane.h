/* A lane is what one thread of a session works with: scratch memory, oneDNN's handles, a profile.
 */
#ifndef BR_LANE_H
#define BR_LANE_H

#include "common/memory.h"
#include "engine/model.h"
#include "engine/profile.h"

/** Token rows in one task at most: weights are read once for each block. */
enum { BR_BLOCK_ROWS = 128 };

/** oneDNN computes whole groups of rows, so that a few primitives serve every length. */
enum { BR_ROW_GROUP = 8 };

typedef struct br_lane {
    const bertrun_model *model;
    br_onednn_lane *onednn;
    br_buffer input;   /* one block as the multiplication reads it: u8 or bf16 */
    br_buffer sums[2]; /* one block as it leaves it: s32 or f32; two, for chains of layers */
    br_buffer attention;
    int32_t *tile; /* [BR_TILE_SUMS] of engine/tiles.h */
    br_quantized quantized[BR_BLOCK_ROWS];
    br_range ranges[BR_BLOCK_ROWS];
    br_profile profile;
    bertrun_status status; /* of the first task that failed, since br_workspace_collect() */
    bertrun_error error;
} br_lane;

bertrun_status br_lane_open(br_lane **out, const bertrun_model *model, bool profile,
                            bertrun_error *error);
void br_lane_close(br_lane **lane);

/** Rows of br_run_dense()'s blocks at most: few, where the layer is as wide as a vocabulary. */
size_t br_dense_block_rows(const br_linear *linear);

/** Makes room for such blocks; those of a model's encoder and heads have it. */
bool br_lane_reserve(br_lane *lane, const br_linear *linear);

/** Rows of queries, keys and values: f32 or, with scales (kernels/attention_s16.h), s16. */
typedef struct br_qkv {
    float *f32; /* the unused one is NULL */
    int16_t *s16;
    float *scale;       /* [3 * heads] a row */
    size_t first_value; /* of s16's heads: those before it are queries or keys */
} br_qkv;

/** Makes rows [first, first + rows) of a call's src. */
typedef void (*br_make_rows_fn)(const void *context, br_lane *lane, size_t first, size_t rows);

/** One block of rows through one projection, and what follows it. */
typedef struct br_linear_call {
    const br_linear *linear;
    br_phase phase;
    size_t rows;      /* 1 .. BR_BLOCK_ROWS */
    const float *src; /* [rows, linear->k] */
    /* NULL, or makes rows of src, and their ranges, when they are needed. */
    br_make_rows_fn make_rows;
    const void *rows_context;
    /* Where linear needs ranges: [rows] of each row of src; or the one that all rows share; both
     * NULL: each row's is found. */
    const br_range *ranges, *range;
    bool warm;               /* weights were read just before, too; an LSTM's, else unused */
    void *input;             /* scratch: lane->input.data of the lane whose block it is */
    br_quantized *quantized; /* scratch: lane->quantized of that lane */
    void *sums;              /* scratch: lane->sums[..].data; [rows rounded up to a group, n];
                              * by tiles only a LayerNorm's are there */
    float *dst;              /* rows dst_stride apart; may be `sums` with dst_stride = linear->n,
                              * then columns beyond linear->out become 0 */
    size_t dst_stride;
    br_qkv dst_qkv;                /* .s16 NULL, or receives the result in place of dst */
    br_activation_kind activation; /* where norm is NULL */
    const br_norm *norm;           /* dst = LayerNorm(y + dst): dst holds the residual */
    br_range *dst_ranges;          /* NULL, or [rows] receives the range of each row of dst */
} br_linear_call;

/** Computes it; a failure goes to lane->status. */
void br_lane_linear(br_lane *lane, const br_linear_call *call);

/** Computes its sums only. False: failed, as lane->status says now or said before. */
bool br_lane_multiply(br_lane *lane, const br_linear_call *call);

/** Some of a call's sums. */
typedef struct br_part {
    int32_t *sums; /* the first, or floats; rows `stride` apart */
    size_t stride;
    size_t row, rows; /* of the call */
    size_t column, columns;
} br_part;

/*
 * The same in parts: rows are quantized (in int8), then panels of BR_GEMM_PANEL output channels
 * multiplied by our own kernels to sums [rows, stride], then finished: what is in the sums, or
 * whole rows of call->sums. Ranges are half-open; `lane` is the running thread's. A row's columns
 * are finished from the first on.
 */
void br_lane_quantize(br_lane *lane, const br_linear_call *call, size_t first_row, size_t end_row);
void br_lane_multiply_panels(br_lane *lane, const br_linear_call *call, size_t first_panel,
                             size_t end_panel, int32_t *sums, size_t stride);
void br_lane_finish(br_lane *lane, const br_linear_call *call, const br_part *part);
void br_lane_finish_rows(br_lane *lane, const br_linear_call *call, size_t first, size_t end);

/** Whether a block of so many rows is multiplied by one of our own kernels. */
bool br_prefers_own_gemm(const bertrun_model *model, const br_linear *linear, size_t rows);

#endif
