#include "engine/dense.h"

typedef struct dense_task {
    br_workspace *work;
    const br_dense_call *call;
    br_blocks blocks;
    br_range range; /* of all rows, where it is shared */
    bool shared;
} dense_task;

static br_range range_of_rows(const br_ops *ops, const br_dense_call *call)
{
    size_t k = call->linear->k, in = call->linear->in;
    br_range range = ops->range(call->src, in);
    for (size_t r = 1; r < call->rows; r++) {
        br_range row = ops->range(call->src + r * k, in);
        if (!(row.lo <= row.hi))
            return row; /* nothing but NaN: the fault must show in the result */
        range = br_range_union(range, row);
    }
    return range;
}

/* Where a block's sums go, and how its rows are quantized. */
static void *sums_of_block(const br_dense_call *call, br_lane *lane, size_t first)
{
    return call->sums ? (int32_t *)call->sums + first * call->linear->n : lane->sums[0].data;
}

static br_quantized *quantized_of_block(const br_dense_call *call, br_lane *lane, size_t first)
{
    return call->sums ? call->quantized + first : lane->quantized;
}

/* Rows [first, first + rows), on a lane's memory. */
static br_linear_call call_of_rows(const dense_task *task, br_lane *lane, size_t first, size_t rows)
{
    const br_dense_call *call = task->call;
    return (br_linear_call){
        .linear = call->linear,
        .phase = call->phase,
        .rows = rows,
        .src = call->src + first * call->linear->k,
        .ranges = call->ranges && !task->shared ? call->ranges + first : NULL,
        .range = task->shared ? &task->range : NULL,
        .input = lane->input.data,
        .quantized = quantized_of_block(call, lane, first),
        .sums = sums_of_block(call, lane, first),
        .dst = call->dst ? call->dst + first * call->dst_stride : NULL,
        .dst_qkv = br_qkv_down(task->work, call->dst_qkv, first),
        .dst_stride = call->dst_stride,
        .activation = call->activation,
        .norm = call->norm,
    };
}

static void dense_block(void *argument, size_t index, int worker)
{
    const dense_task *task = argument;
    br_lane *lane = task->work->lanes[worker];
    br_linear_call block = call_of_rows(task, lane, index * task->blocks.block_rows,
                                        br_block_length(&task->blocks, index));
    if (task->call->sums)
        br_lane_multiply(lane, &block);
    else
        br_lane_linear(lane, &block);
}

/* Sums of a very wide layer must not take much memory. */
static br_blocks blocks_of(const br_workspace *work, const br_dense_call *call)
{
    br_blocks blocks = br_blocks_of(work, call->rows, true);
    size_t most = br_dense_block_rows(call->linear);
    if (!call->sums && blocks.block_rows > most)
        blocks = (br_blocks){call->rows, most, (call->rows + most - 1) / most};
    return blocks;
}

/* ------------------------------------------------------- few rows: threads share the columns */

/*
 * A block of few rows is bound by reading weights, so each thread reads its part of them. All work
 * on the first lane's memory.
 */
typedef struct shared_task {
    br_workspace *work;
    br_linear_call call;
    size_t parts;
} shared_task;

/* What thread `index` does of `count` things, half-open. */
typedef struct share {
    size_t first, end;
} share;

static share share_of(const shared_task *task, size_t count, size_t index)
{
    return (share){count * index / task->parts, count * (index + 1) / task->parts};
}

static void quantize_share(void *argument, size_t index, int worker)
{
    const shared_task *task = argument;
    share rows = share_of(task, task->call.rows, index);
    br_lane_quantize(task->work->lanes[worker], &task->call, rows.first, rows.end);
}

static void multiply_share(void *argument, size_t index, int worker)
{
    const shared_task *task = argument;
    share panels = share_of(task, task->call.linear->n / BR_GEMM_PANEL, index);
    br_lane_multiply_panels(task->work->lanes[worker], &task->call, panels.first, panels.end,
                            (int32_t *)task->call.sums + panels.first * BR_GEMM_PANEL,
                            task->call.linear->n);
}

static void finish_share(void *argument, size_t index, int worker)
{
    const shared_task *task = argument;
    share rows = share_of(task, task->call.rows, index);
    br_lane_finish_rows(task->work->lanes[worker], &task->call, rows.first, rows.end);
}

static void run_shared(br_workspace *work, const dense_task *dense)
{
    const br_dense_call *call = dense->call;
    shared_task task = {
        .work = work,
        .call = call_of_rows(dense, work->lanes[0], 0, call->rows),
        .parts = (size_t)br_pool_threads(work->pool),
    };
    if (call->linear->type == BR_MATMUL_U8S8)
        br_pool_run(work->pool, task.parts, quantize_share, &task);
    br_pool_run(work->pool, task.parts, multiply_share, &task);
    if (!call->sums)
        br_pool_run(work->pool, task.parts, finish_share, &task);
}

bool br_shares_columns(const br_workspace *work, const br_linear *linear, size_t rows)
{
    return br_pool_threads(work->pool) > 1 && rows <= BR_SHARED_ROWS &&
           br_prefers_own_gemm(work->model, linear, rows);
}

bertrun_status br_run_dense(br_workspace *work, const br_dense_call *call, bertrun_error *error)
{
    const br_observer *observer = work->observer;
    if (observer)
        BR_TRY(observer->see(observer->data, call->linear, call->src, call->rows, error));
    dense_task task = {
        .work = work,
        .call = call,
        .blocks = blocks_of(work, call),
        .shared = br_shares_range(work->model) && br_linear_needs_range(call->linear),
    };
    if (task.shared)
        task.range = range_of_rows(work->model->ops, call);
    if (br_shares_columns(work, call->linear, call->rows))
        run_shared(work, &task);
    else
        br_pool_run(work->pool, task.blocks.count, dense_block, &task);
    return br_workspace_collect(work, error);
}
