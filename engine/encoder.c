#include "engine/encoder.h"

#include <string.h>

#include "engine/dense.h"
#include "engine/embeddings.h"

/* Sequences on their way through the model, and what the tasks they make share. */
typedef struct forward {
    br_workspace *work;
    const br_batch *batch;
    const br_states *states; /* NULL: none is kept */
    size_t first, end;       /* of the batch's sequences */
    int worker;              /* the thread that does it all, or ALL_THREADS */
    size_t row;              /* the first sequence's first row */
    br_blocks blocks;        /* of the rows that are computed after the attention */
    size_t layer;            /* the layer whose attention runs, or has just run */
    bool first_rows; /* this layer computes each sequence's first row only, one after another */
} forward;

enum { ALL_THREADS = -1 };

static forward forward_of(br_workspace *work, const br_batch *batch, const br_states *states,
                          size_t first, size_t end, int worker)
{
    size_t row = batch->cu_seqlens[first], rows = batch->cu_seqlens[end] - row;
    return (forward){
        .work = work,
        .batch = batch,
        .states = states,
        .first = first,
        .end = end,
        .worker = worker,
        .row = row,
        .blocks = br_blocks_of(work, rows, worker == ALL_THREADS),
    };
}

static void run_tasks(forward *f, size_t count, br_task_fn task)
{
    if (f->worker == ALL_THREADS)
        br_pool_run(f->work->pool, count, task, f);
    else
        for (size_t i = 0; i < count; i++)
            task(f, i, f->worker);
}

/* Of an equalized model the rows hold hidden states divided by the next residual's factors. */
static void store_state(const float *row, const float *residual_scale, size_t hidden, float *out)
{
    memcpy(out, row, hidden * sizeof *out);
    for (size_t j = 0; residual_scale && j < hidden; j++)
        out[j] *= residual_scale[j];
}

static void store_states(const forward *f, size_t state, size_t first, size_t rows)
{
    const bertrun_model *model = f->work->model;
    size_t hidden = model->info.hidden_size;
    if (!f->states || f->states->slots[state] == SIZE_MAX)
        return;
    bool last = state == model->info.num_hidden_layers;
    const float *scale = last ? NULL : model->layers[state].attention_norm.norm.residual_scale;
    float *out = f->states->data + (f->states->slots[state] * f->states->stride + first) * hidden;
    for (size_t r = 0; r < rows; r++)
        store_state(br_workspace_hidden(f->work, first + r), scale, hidden, out + r * hidden);
}

/* --------------------------------------------------------------------------------- attention */

/* One head of one sequence: qkv -> context. */
static void attend(void *argument, size_t index, int worker)
{
    const forward *f = argument;
    br_workspace *work = f->work;
    const bertrun_model *model = work->model;
    br_lane *lane = work->lanes[worker];
    size_t heads = model->info.num_attention_heads, hidden = model->info.hidden_size;
    size_t head_dim = hidden / heads, column = index % heads * head_dim;
    size_t sequence = f->first + index / heads;
    size_t first = f->batch->cu_seqlens[sequence];
    size_t length = f->batch->cu_seqlens[sequence + 1] - first;
    size_t out_row = f->first_rows ? f->row + index / heads : first;
    size_t rows = f->first_rows ? 1 : length;
    float *out = (float *)work->context.data + out_row * work->hidden_stride + column;
    double begin = br_profile_begin(&lane->profile);
    br_qkv qkv = br_workspace_qkv(work, first);
    if (qkv.s16) {
        const int16_t *query = qkv.s16 + column;
        const float *scale = qkv.scale + index % heads;
        model->attention->attend(&(br_head_s16){.q = query,
                                                .k = query + hidden,
                                                .v = query + 2 * hidden,
                                                .q_scale = scale,
                                                .k_scale = scale + heads,
                                                .v_scale = scale + 2 * heads,
                                                .stride = work->qkv_stride,
                                                .scale_stride = 3 * heads,
                                                .rows = rows,
                                                .length = length,
                                                .head_dim = head_dim,
                                                .out = out,
                                                .out_stride = work->hidden_stride},
                                 lane->attention.data);
    } else {
        const float *query = qkv.f32 + column;
        model->ops->attention(query, query + hidden, query + 2 * hidden, work->qkv_stride, rows,
                              length, head_dim, out, work->hidden_stride, lane->attention.data);
    }
    br_profile_end(&lane->profile, BR_PHASE_ATTENTION, begin,
                   model->attention ? model->attention->name : model->ops->name, 0);
}

static void run_attention(forward *f)
{
    run_tasks(f, (f->end - f->first) * f->work->model->info.num_attention_heads, attend);
}

/* ------------------------------------------------------------- a layer, one block at a time */

/* Rows of the hidden state from `first` on. */
typedef struct block {
    const forward *f;
    size_t first;
} block;

static void project_qkv(const forward *f, br_lane *lane, const br_layer *layer, size_t first,
                        size_t rows, br_make_rows_fn make_rows)
{
    br_workspace *work = f->work;
    br_qkv dst = br_workspace_qkv(work, first);
    block all = {f, first};
    for (size_t i = 0; i < layer->num_qkv; dst = br_qkv_right(work, dst, layer->qkv[i].out), i++)
        br_lane_linear(lane, &(br_linear_call){
                                 .linear = &layer->qkv[i],
                                 .phase = BR_PHASE_QKV,
                                 .rows = rows,
                                 .src = br_workspace_hidden(work, first),
                                 .make_rows = i == 0 ? make_rows : NULL,
                                 .rows_context = &all,
                                 .ranges = lane->ranges,
                                 .input = lane->input.data,
                                 .quantized = lane->quantized,
                                 .sums = lane->sums[0].data,
                                 .dst = dst.f32,
                                 .dst_qkv = dst,
                                 .dst_stride = work->qkv_stride,
                             });
}

static void embed_rows(const void *context, br_lane *lane, size_t row, size_t rows)
{
    const block *b = context;
    br_embed_rows(b->f->work, b->f->batch, lane, b->first + row, rows, lane->ranges + row);
    store_states(b->f, 0, b->first + row, rows);
}

static void embed_block(void *argument, size_t index, int worker)
{
    const forward *f = argument;
    size_t first = f->row + index * f->blocks.block_rows;
    project_qkv(f, f->work->lanes[worker], &f->work->model->layers[0], first,
                br_block_length(&f->blocks, index), embed_rows);
}

/* Where ranges of the rows go that these projections read; NULL: they have fixed parameters. */
static br_range *ranges_for(br_lane *lane, const br_linear *linears, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (br_linear_needs_range(&linears[i]))
            return lane->ranges;
    return NULL;
}

static void project_attention_output(const forward *f, br_lane *lane, const br_layer *layer,
                                     size_t first, size_t rows)
{
    br_workspace *work = f->work;
    br_lane_linear(lane, &(br_linear_call){
                             .linear = &layer->attention_output,
                             .phase = BR_PHASE_ATTENTION_OUTPUT,
                             .rows = rows,
                             .src = (float *)work->context.data + first * work->hidden_stride,
                             .input = lane->input.data,
                             .quantized = lane->quantized,
                             .sums = lane->sums[0].data,
                             .dst = br_workspace_hidden(work, first),
                             .dst_stride = work->hidden_stride,
                             .norm = &layer->attention_norm.norm,
                             .dst_ranges = ranges_for(lane, &layer->intermediate, 1),
                         });
}

/* The intermediate's activation, coarse where 8 bits of it are kept, unless all is as in PyTorch.
 */
static br_activation_kind activation_of(const bertrun_model *model, const br_layer *layer)
{
    br_activation_kind act = model->config->hidden_act;
    bool coarse = act == BR_ACTIVATION_GELU && layer->output.type == BR_MATMUL_U8S8 &&
                  model->info.activations != BERTRUN_ACTIVATIONS_PYTORCH;
    return coarse ? BR_ACTIVATION_GELU_COARSE : act;
}

static void feed_forward(const forward *f, br_lane *lane, const br_layer *layer, size_t first,
                         size_t rows)
{
    br_workspace *work = f->work;
    bool last = f->layer + 1 == work->model->info.num_hidden_layers;
    const br_layer *next = layer + 1; /* unless last */
    br_lane_linear(lane, &(br_linear_call){
                             .linear = &layer->intermediate,
                             .phase = BR_PHASE_INTERMEDIATE,
                             .rows = rows,
                             .src = br_workspace_hidden(work, first),
                             .ranges = lane->ranges,
                             .input = lane->input.data,
                             .quantized = lane->quantized,
                             .sums = lane->sums[0].data,
                             .dst = lane->sums[0].data,
                             .dst_stride = layer->intermediate.n,
                             .activation = activation_of(work->model, layer),
                             .dst_ranges = ranges_for(lane, &layer->output, 1),
                         });
    br_lane_linear(lane, &(br_linear_call){
                             .linear = &layer->output,
                             .phase = BR_PHASE_OUTPUT,
                             .rows = rows,
                             .src = lane->sums[0].data,
                             .ranges = lane->ranges,
                             .input = lane->input.data,
                             .quantized = lane->quantized,
                             .sums = lane->sums[1].data,
                             .dst = br_workspace_hidden(work, first),
                             .dst_stride = work->hidden_stride,
                             .norm = &layer->output_norm.norm,
                             .dst_ranges = last ? NULL : ranges_for(lane, next->qkv, next->num_qkv),
                         });
}

/* The layer after its attention, and the next layer's queries, keys and values. */
static void encode_block(void *argument, size_t index, int worker)
{
    const forward *f = argument;
    const bertrun_model *model = f->work->model;
    br_lane *lane = f->work->lanes[worker];
    const br_layer *layer = &model->layers[f->layer];
    size_t first = f->row + index * f->blocks.block_rows;
    size_t rows = br_block_length(&f->blocks, index); /* of the last state, maybe one a sequence */
    project_attention_output(f, lane, layer, first, rows);
    feed_forward(f, lane, layer, first, rows);
    store_states(f, f->layer + 1, first, rows);
    if (f->layer + 1 < model->info.num_hidden_layers)
        project_qkv(f, lane, layer + 1, first, rows, NULL);
}

/* Whether this is the last layer of a batch of which only first rows are read. */
static bool is_last_for_first_rows(const forward *f)
{
    return f->batch->first_rows_only && f->layer + 1 == f->work->model->info.num_hidden_layers;
}

/*
 * What the head does not read is not computed: from here on there is one row a sequence. Their
 * residuals move to the front; a sequence never starts before its number.
 */
static void keep_first_rows(forward *f)
{
    br_workspace *work = f->work;
    f->first_rows = true;
    f->blocks = br_blocks_of(work, f->end - f->first, f->worker == ALL_THREADS);
    for (size_t s = f->first; s < f->end; s++)
        memmove(br_workspace_hidden(work, f->row + s - f->first),
                br_workspace_hidden(work, f->batch->cu_seqlens[s]),
                work->hidden_stride * sizeof(float));
}

static void encode_by_blocks(forward *f)
{
    run_tasks(f, f->blocks.count, embed_block);
    for (f->layer = 0; f->layer < f->work->model->info.num_hidden_layers; f->layer++) {
        if (is_last_for_first_rows(f))
            keep_first_rows(f);
        run_attention(f);
        run_tasks(f, f->blocks.count, encode_block);
    }
}

/* ------------------------------------------- sequences by groups, each on a thread of its own */

typedef struct groups {
    br_workspace *work;
    const br_batch *batch;
    const br_states *states;
} groups;

static void encode_group(void *argument, size_t index, int worker)
{
    const groups *g = argument;
    const size_t *starts = g->work->groups.data;
    forward f = forward_of(g->work, g->batch, g->states, starts[index], starts[index + 1], worker);
    encode_by_blocks(&f);
}

/* The first rows that each group left at its front, one after another. */
static void gather_first_rows(br_workspace *work, const br_batch *batch, size_t count)
{
    const size_t *starts = work->groups.data;
    for (size_t g = 1; g < count; g++)
        memmove(br_workspace_hidden(work, starts[g]),
                br_workspace_hidden(work, batch->cu_seqlens[starts[g]]),
                (starts[g + 1] - starts[g]) * work->hidden_stride * sizeof(float));
}

static void encode_by_groups(br_workspace *work, const br_batch *batch, const br_states *states,
                             size_t count)
{
    groups g = {work, batch, states};
    br_pool_run(work->pool, count, encode_group, &g);
    if (batch->first_rows_only)
        gather_first_rows(work, batch, count);
}

/* ------------------------------------------------- all rows through one projection at a time */

static void embed_only(void *argument, size_t index, int worker)
{
    const forward *f = argument;
    block all = {f, f->row + index * f->blocks.block_rows};
    embed_rows(&all, f->work->lanes[worker], 0, br_block_length(&f->blocks, index));
}

static bertrun_status project_qkv_by_layer(const forward *f, const br_layer *layer,
                                           bertrun_error *error)
{
    br_workspace *work = f->work;
    br_qkv dst = br_workspace_qkv(work, 0);
    for (size_t i = 0; i < layer->num_qkv; dst = br_qkv_right(work, dst, layer->qkv[i].out), i++)
        BR_TRY(br_run_dense(work,
                            &(br_dense_call){.linear = &layer->qkv[i],
                                             .phase = BR_PHASE_QKV,
                                             .rows = f->batch->tokens,
                                             .src = work->hidden.data,
                                             .dst = dst.f32,
                                             .dst_qkv = dst,
                                             .dst_stride = work->qkv_stride},
                            error));
    return BERTRUN_OK;
}

/* What follows the attention, each projection over all rows. */
static bertrun_status finish_layer(const forward *f, const br_layer *layer, bertrun_error *error)
{
    br_workspace *work = f->work;
    size_t rows = f->blocks.rows;
    br_dense_call steps[] = {
        {.linear = &layer->attention_output,
         .phase = BR_PHASE_ATTENTION_OUTPUT,
         .rows = rows,
         .src = work->context.data,
         .dst = work->hidden.data,
         .dst_stride = work->hidden_stride,
         .norm = &layer->attention_norm.norm},
        {.linear = &layer->intermediate,
         .phase = BR_PHASE_INTERMEDIATE,
         .rows = rows,
         .src = work->hidden.data,
         .dst = work->intermediate.data,
         .dst_stride = work->intermediate_stride,
         .activation = activation_of(work->model, layer)},
        {.linear = &layer->output,
         .phase = BR_PHASE_OUTPUT,
         .rows = rows,
         .src = work->intermediate.data,
         .dst = work->hidden.data,
         .dst_stride = work->hidden_stride,
         .norm = &layer->output_norm.norm},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        BR_TRY(br_run_dense(work, &steps[i], error));
    store_states(f, f->layer + 1, 0, rows);
    return BERTRUN_OK;
}

/* Where all rows share a range, it is that of all rows: the others are computed, then dropped. */
static bertrun_status encode_by_layers(forward *f, bertrun_error *error)
{
    br_workspace *work = f->work;
    bool shared = br_shares_range(work->model);
    run_tasks(f, f->blocks.count, embed_only);
    for (f->layer = 0; f->layer < work->model->info.num_hidden_layers; f->layer++) {
        const br_layer *layer = &work->model->layers[f->layer];
        BR_TRY(project_qkv_by_layer(f, layer, error));
        if (is_last_for_first_rows(f) && !shared)
            keep_first_rows(f);
        run_attention(f);
        BR_TRY(finish_layer(f, layer, error));
    }
    if (f->batch->first_rows_only && shared)
        keep_first_rows(f);
    return BERTRUN_OK;
}

bertrun_status br_encode(br_workspace *work, const br_batch *batch, const br_states *states,
                         bertrun_error *error)
{
    if (!br_workspace_reserve(work, batch->tokens))
        return br_fail_nomem(error);
    forward f = forward_of(work, batch, states, 0, batch->sequences, ALL_THREADS);
    if (br_goes_by_layers(work) ||
        br_shares_columns(work, &work->model->layers[0].qkv[0], batch->tokens))
        return encode_by_layers(&f, error);
    size_t count = br_workspace_group(work, batch);
    if (count > 0)
        encode_by_groups(work, batch, states, count);
    else
        encode_by_blocks(&f);
    return br_workspace_collect(work, error);
}
