#include "engine/workspace.h"

#include <string.h>

#include "engine/activations.h"

/* What a block's widest rows, floats or sums, may take: three quarters of a second-level cache of
 * 1 MiB. */
enum { SUMS_BYTES = 3 << 18 };

/* A group's rows: what a layer reads and writes of them fits such a cache, too. */
enum { GROUP_ROWS = 128 };

static size_t choose_block_rows(size_t widest_row)
{
    size_t rows = SUMS_BYTES / (widest_row * sizeof(int32_t)) / BR_ROW_GROUP * BR_ROW_GROUP;
    if (rows > BR_BLOCK_ROWS)
        return BR_BLOCK_ROWS;
    return rows > BR_ROW_GROUP ? rows : BR_ROW_GROUP;
}

static void prepare_worker(void)
{
    br_onednn_begin_single();
}

bertrun_status br_workspace_open(br_workspace *work, const bertrun_model *model, int threads,
                                 bool profile, bertrun_error *error)
{
    work->model = model;
    work->hidden_stride = br_round_up(model->info.hidden_size, BR_MATMUL_PAD);
    work->qkv_stride = br_round_up(3 * model->info.hidden_size, BR_MATMUL_PAD);
    work->intermediate_stride = br_round_up(model->info.intermediate_size, BR_MATMUL_PAD);
    work->max_block_rows =
        choose_block_rows(work->intermediate_stride > work->qkv_stride ? work->intermediate_stride
                                                                       : work->qkv_stride);
    BR_TRY(br_pool_open(&work->pool, threads, prepare_worker, error));
    work->lanes = br_calloc((size_t)threads, sizeof *work->lanes);
    if (!work->lanes)
        return br_fail_nomem(error);
    for (int i = 0; i < threads; i++)
        BR_TRY(br_lane_open(&work->lanes[i], model, profile, error));
    return BERTRUN_OK;
}

void br_workspace_close(br_workspace *work)
{
    int threads = work->lanes ? br_pool_threads(work->pool) : 0;
    br_pool_close(&work->pool);
    for (int i = 0; i < threads; i++)
        br_lane_close(&work->lanes[i]);
    br_free(work->lanes);
    br_free(work->hidden.data);
    br_free(work->qkv.data);
    br_free(work->qkv_scale.data);
    br_free(work->context.data);
    br_free(work->intermediate.data);
    br_free(work->groups.data);
}

bool br_reserve_floats(br_buffer *buffer, size_t count)
{
    size_t before = buffer->capacity;
    if (!br_buffer_reserve(buffer, count, sizeof(float)))
        return false;
    if (buffer->capacity != before)
        memset(buffer->data, 0, buffer->capacity);
    return true;
}

bool br_workspace_reserve(br_workspace *work, size_t tokens)
{
    size_t rows = br_round_up(tokens, BR_ROW_GROUP);
    /* Few rows on several threads are run layer by layer, too. */
    size_t by_layers = br_goes_by_layers(work) || tokens < BR_SHARED_ROWS ? rows : BR_SHARED_ROWS;
    size_t scales = work->model->attention ? 3 * rows * work->model->info.num_attention_heads : 0;
    return br_reserve_floats(&work->hidden, rows * work->hidden_stride) &&
           br_reserve_floats(&work->qkv, rows * work->qkv_stride / (scales ? 2 : 1)) &&
           br_reserve_floats(&work->qkv_scale, scales) &&
           br_reserve_floats(&work->context, rows * work->hidden_stride) &&
           br_buffer_reserve(&work->groups, tokens / GROUP_ROWS + 2, sizeof(size_t)) &&
           br_reserve_floats(&work->intermediate, by_layers * work->intermediate_stride);
}

float *br_workspace_hidden(const br_workspace *work, size_t token)
{
    return (float *)work->hidden.data + token * work->hidden_stride;
}

br_qkv br_workspace_qkv(const br_workspace *work, size_t token)
{
    bool integers = work->model->attention;
    br_qkv all = {
        .f32 = integers ? NULL : work->qkv.data,
        .s16 = integers ? work->qkv.data : NULL,
        .scale = work->qkv_scale.data,
        .first_value = 2 * work->model->info.num_attention_heads,
    };
    return br_qkv_down(work, all, token);
}

br_qkv br_qkv_right(const br_workspace *work, br_qkv qkv, size_t columns)
{
    const bertrun_model_info *info = &work->model->info;
    if (!qkv.s16)
        return (br_qkv){.f32 = qkv.f32 + columns};
    size_t heads = columns / (info->hidden_size / info->num_attention_heads);
    return (br_qkv){.s16 = qkv.s16 + columns,
                    .scale = qkv.scale + heads,
                    .first_value = qkv.first_value > heads ? qkv.first_value - heads : 0};
}

br_qkv br_qkv_down(const br_workspace *work, br_qkv qkv, size_t rows)
{
    if (!qkv.s16)
        return (br_qkv){.f32 = qkv.f32 ? qkv.f32 + rows * work->qkv_stride : NULL};
    return (br_qkv){.s16 = qkv.s16 + rows * work->qkv_stride,
                    .scale = qkv.scale + rows * 3 * work->model->info.num_attention_heads,
                    .first_value = qkv.first_value};
}

bertrun_status br_workspace_collect(br_workspace *work, bertrun_error *error)
{
    bertrun_status status = BERTRUN_OK;
    for (int i = 0; i < br_pool_threads(work->pool); i++) {
        br_lane *lane = work->lanes[i];
        if (lane->status != BERTRUN_OK && status == BERTRUN_OK)
            status = br_fail(error, lane->status, "%s", lane->error.message);
        lane->status = BERTRUN_OK;
    }
    return status;
}

bool br_shares_range(const bertrun_model *model)
{
    return model->info.precision == BERTRUN_PRECISION_INT8 &&
           br_activations_share_range(model->info.activations);
}

bool br_goes_by_layers(const br_workspace *work)
{
    return work->observer || br_shares_range(work->model);
}

/* From that many groups on, no thread waits long for the last one. */
static size_t least_groups(const br_workspace *work)
{
    size_t threads = (size_t)br_pool_threads(work->pool);
    return threads > 1 ? 4 * threads : 1;
}

size_t br_workspace_group(br_workspace *work, const br_batch *batch)
{
    const size_t *cu_seqlens = batch->cu_seqlens;
    size_t *starts = work->groups.data, count = 0;
    starts[0] = 0;
    for (size_t s = 1; s <= batch->sequences; s++)
        if (s == batch->sequences || cu_seqlens[s] - cu_seqlens[starts[count]] >= GROUP_ROWS)
            starts[++count] = s;
    return count < least_groups(work) ? 0 : count;
}

br_blocks br_blocks_of(const br_workspace *work, size_t rows, bool all_threads)
{
    size_t threads = all_threads ? (size_t)br_pool_threads(work->pool) : 1;
    size_t tasks = br_round_up((rows + work->max_block_rows - 1) / work->max_block_rows, threads);
    size_t block_rows = br_round_up((rows + tasks - 1) / (tasks ? tasks : 1), BR_ROW_GROUP);
    return (br_blocks){rows, block_rows, block_rows ? (rows + block_rows - 1) / block_rows : 0};
}

size_t br_block_length(const br_blocks *blocks, size_t index)
{
    size_t left = blocks->rows - index * blocks->block_rows;
    return left < blocks->block_rows ? left : blocks->block_rows;
}
