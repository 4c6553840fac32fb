#include "engine/heads.h"

#include <string.h>

#include "engine/dense.h"

typedef struct pool_task {
    const br_workspace *work;
    const br_batch *batch;
    bertrun_pooling pooling;
    br_rows out;
} pool_task;

void br_head_rows_free(br_head_rows *head)
{
    br_free(head->rows[0].data);
    br_free(head->rows[1].data);
    br_free(head->zeros.data);
}

/* Makes room for one row a text of `width` columns, padded with zeros. */
static bertrun_status reserve_rows(br_head_rows *head, size_t which, size_t texts, size_t width,
                                   br_rows *out, bertrun_error *error)
{
    size_t stride = br_round_up(width, BR_MATMUL_PAD);
    br_buffer *buffer = &head->rows[which];
    if (!br_reserve_floats(buffer, texts * stride))
        return br_fail_nomem(error);
    *out = (br_rows){buffer->data, stride};
    for (size_t i = 0; i < texts && stride > width; i++)
        memset(out->data + i * stride + width, 0, (stride - width) * sizeof *out->data);
    return BERTRUN_OK;
}

/* ------------------------------------------------------------------------------------ pooling */

/* Takes a further row in; `position` counts from 0 in the sequence. */
static void pool_row(const br_ops *ops, bertrun_pooling pooling, const float *row, size_t position,
                     size_t hidden, float *out)
{
    if (pooling == BERTRUN_POOLING_MEAN)
        ops->add(row, hidden, out);
    else if (pooling == BERTRUN_POOLING_WEIGHTED_MEAN)
        ops->add_scaled(row, (float)(position + 1), hidden, out);
    else
        ops->max(row, hidden, out);
}

/* out = the rows from `from` to `length` of a sequence, of which row 0 is `first`, as one. */
static void pool_rows(const br_workspace *work, bertrun_pooling pooling, const float *first,
                      size_t from, size_t length, float *out)
{
    const br_ops *ops = work->model->ops;
    size_t hidden = work->model->info.hidden_size;
    bool many = pooling == BERTRUN_POOLING_MEAN || pooling == BERTRUN_POOLING_MAX ||
                pooling == BERTRUN_POOLING_WEIGHTED_MEAN;
    const float *row =
        first + (pooling == BERTRUN_POOLING_LAST_TOKEN ? length - 1 : from) * work->hidden_stride;
    memcpy(out, row, hidden * sizeof *out);
    if (pooling == BERTRUN_POOLING_WEIGHTED_MEAN)
        ops->scale((float)(from + 1), hidden, out);
    for (size_t i = from + 1; many && i < length; i++)
        pool_row(ops, pooling, row += work->hidden_stride, i, hidden, out);
    float count = (float)(length - from);
    if (pooling == BERTRUN_POOLING_MEAN)
        ops->scale(1.0f / count, hidden, out);
    else if (pooling == BERTRUN_POOLING_WEIGHTED_MEAN) /* from + 1 + ... + length */
        ops->scale(2 / (count * (float)(from + 1 + length)), hidden, out);
}

static void pool_text(void *argument, size_t index, int worker)
{
    const pool_task *task = argument;
    const br_batch *batch = task->batch;
    br_lane *lane = task->work->lanes[worker];
    size_t first = batch->cu_seqlens[index], length = batch->cu_seqlens[index + 1] - first;
    size_t from =
        batch->pool_from && task->pooling != BERTRUN_POOLING_POOLER ? batch->pool_from[index] : 0;
    const float *rows = br_workspace_hidden(task->work, batch->first_rows_only ? index : first);
    double begin = br_profile_begin(&lane->profile);
    pool_rows(task->work, task->pooling, rows, from, length,
              task->out.data + index * task->out.stride);
    br_profile_end(&lane->profile, BR_PHASE_POOL, begin, task->work->model->ops->name, 0);
}

static bertrun_status pool_texts(br_workspace *work, br_head_rows *head, const br_batch *batch,
                                 bertrun_pooling pooling, br_rows *out, bertrun_error *error)
{
    pool_task task = {work, batch, pooling, {0}};
    BR_TRY(
        reserve_rows(head, 0, batch->sequences, work->model->info.hidden_size, &task.out, error));
    br_pool_run(work->pool, batch->sequences, pool_text, &task);
    *out = task.out;
    return BERTRUN_OK;
}

/* --------------------------------------------------------------------------------------- dense */

/* in -> dense -> *out, which is the other one of head->rows; *which tells where the input stands.
 */
static bertrun_status apply_dense(br_workspace *work, br_head_rows *head, const br_dense *dense,
                                  size_t count, size_t *which, br_rows *inout, bertrun_error *error)
{
    br_rows out;
    *which = 1 - *which;
    BR_TRY(reserve_rows(head, *which, count, dense->linear.out, &out, error));
    br_dense_call call = {
        .linear = &dense->linear,
        .phase = BR_PHASE_HEAD,
        .rows = count,
        .src = inout->data,
        .dst = out.data,
        .dst_stride = out.stride,
        .activation = dense->activation,
    };
    BR_TRY(br_run_dense(work, &call, error));
    *inout = out;
    return BERTRUN_OK;
}

bertrun_status br_head_embed(br_workspace *work, br_head_rows *head, const br_batch *batch,
                             bertrun_pooling pooling, br_rows *out, bertrun_error *error)
{
    const bertrun_model *model = work->model;
    size_t which = 0;
    BR_TRY(pool_texts(work, head, batch, pooling, out, error));
    if (pooling == BERTRUN_POOLING_POOLER)
        BR_TRY(apply_dense(work, head, &model->pooler, batch->sequences, &which, out, error));
    for (size_t i = 0; i < model->num_dense; i++)
        BR_TRY(apply_dense(work, head, &model->dense[i], batch->sequences, &which, out, error));
    return BERTRUN_OK;
}

/* --------------------------------------------------------------------------------------- heads */

/* LayerNorm of every row; the kernel wants something to add. */
static bertrun_status normalize(const br_workspace *work, br_head_rows *head,
                                const br_layer_norm *layer_norm, size_t count, const br_rows *rows,
                                bertrun_error *error)
{
    size_t width = work->model->info.hidden_size;
    if (!br_reserve_floats(&head->zeros, width))
        return br_fail_nomem(error);
    for (size_t i = 0; i < count; i++) {
        float *row = rows->data + i * rows->stride;
        work->model->ops->add_norm(row, head->zeros.data, NULL, width, &layer_norm->norm, row);
    }
    return BERTRUN_OK;
}

br_rows br_workspace_rows(const br_workspace *work)
{
    return (br_rows){work->hidden.data, work->hidden_stride};
}

bertrun_status br_head_gather(const br_workspace *work, br_head_rows *scratch, const size_t *rows,
                              size_t count, br_rows *out, bertrun_error *error)
{
    size_t hidden = work->model->info.hidden_size;
    BR_TRY(reserve_rows(scratch, 0, count, hidden, out, error));
    for (size_t i = 0; i < count; i++)
        memcpy(out->data + i * out->stride, br_workspace_hidden(work, rows[i]),
               hidden * sizeof(float));
    return BERTRUN_OK;
}

bertrun_status br_head_run(br_workspace *work, br_head_rows *scratch, const br_head *head,
                           size_t count, br_rows *inout, bertrun_error *error)
{
    size_t which = inout->data == (float *)scratch->rows[0].data ? 0 : 1;
    if (head->spec->pooled)
        BR_TRY(apply_dense(work, scratch, &work->model->pooler, count, &which, inout, error));
    for (size_t i = 0; i < head->num_layers; i++) {
        const br_dense *layer = &head->layers[i];
        BR_TRY(apply_dense(work, scratch, layer, count, &which, inout, error));
        if (layer->layer_norm.memory)
            BR_TRY(normalize(work, scratch, &layer->layer_norm, count, inout, error));
    }
    return BERTRUN_OK;
}
