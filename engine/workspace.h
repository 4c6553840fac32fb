/* The rows of one batch on their way through the model, and the threads that move them. */
#ifndef BR_WORKSPACE_H
#define BR_WORKSPACE_H

#include "common/pool.h"
#include "engine/lane.h"
#include "engine/observer.h"

/** Sequences packed one after another, without padding. */
typedef struct br_batch {
    size_t sequences, tokens;
    const int32_t *ids;       /* [tokens] */
    const uint8_t *type_ids;  /* [tokens] */
    const size_t *cu_seqlens; /* [sequences + 1] first token of each sequence */
    const size_t *pool_from;  /* [sequences] rows that pooling leaves out; NULL: none */
    bool first_rows_only;     /* of the last hidden state, only each sequence's first row is read */
} br_batch;

/** Memory grows as needed and is kept between batches. Columns beyond the last one stay zero. */
typedef struct br_workspace {
    const bertrun_model *model;
    br_pool *pool;
    br_lane **lanes;             /* [threads] */
    const br_observer *observer; /* or NULL; not owned */
    size_t max_block_rows;       /* of a task: as many as keep its sums in the second-level cache */
    size_t hidden_stride, qkv_stride, intermediate_stride; /* columns rounded up */
    br_buffer hidden;                                      /* [tokens, hidden_stride] */
    br_buffer qkv;          /* [tokens, qkv_stride], f32, or s16 where model->attention is */
    br_buffer qkv_scale;    /* [tokens, 3 * heads] of s16, else nothing */
    br_buffer context;      /* [tokens, hidden_stride] attention's result */
    br_buffer groups;       /* each one's first sequence, then the number of sequences */
    br_buffer intermediate; /* [tokens, intermediate_stride], when run layer by layer */
} br_workspace;

/**
 * Starts threads, each with a lane, and an empty workspace on them. `work` is zeroed; close it also
 * after a failure.
 */
bertrun_status br_workspace_open(br_workspace *work, const bertrun_model *model, int threads,
                                 bool profile, bertrun_error *error);
void br_workspace_close(br_workspace *work);

/** Rows up to which several threads share one block by columns instead of taking rows each. */
enum { BR_SHARED_ROWS = 32 };

/** Makes room for `tokens` rows; a call that finds room allocates nothing. False: no memory. */
bool br_workspace_reserve(br_workspace *work, size_t tokens);

/** Row `token` of the hidden state. */
float *br_workspace_hidden(const br_workspace *work, size_t token);

/** Queries, keys and values from row `token` on. */
br_qkv br_workspace_qkv(const br_workspace *work, size_t token);

/** The same `columns` to the right, whole heads, or so many rows down. */
br_qkv br_qkv_right(const br_workspace *work, br_qkv qkv, size_t columns);
br_qkv br_qkv_down(const br_workspace *work, br_qkv qkv, size_t rows);

/** The first failure of the tasks that have run since the last call; clears it. */
bertrun_status br_workspace_collect(br_workspace *work, bertrun_error *error);

/** Whether int8 activations share one range a batch. */
bool br_shares_range(const bertrun_model *model);

/** Whether every batch goes layer by layer, however many rows it has. */
bool br_goes_by_layers(const br_workspace *work);

/** Room for count floats, new memory zeroed; contents are lost when it grows. */
bool br_reserve_floats(br_buffer *buffer, size_t count);

/**
 * Cuts a batch into groups of sequences, each for one thread to take through the whole model while
 * its rows stay in the second-level cache: work->groups. Returns how many; 0: too few for the
 * threads there are.
 */
size_t br_workspace_group(br_workspace *work, const br_batch *batch);

/** `rows` cut into tasks of equal length, as many for each thread, or for one. */
typedef struct br_blocks {
    size_t rows, block_rows, count;
} br_blocks;

br_blocks br_blocks_of(const br_workspace *work, size_t rows, bool all_threads);

/** Rows of block `index`, which begins at row index * block_rows. */
size_t br_block_length(const br_blocks *blocks, size_t index);

#endif
