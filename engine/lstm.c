#include "engine/lstm.h"

#include <string.h>

#include "engine/embeddings.h"

/* One time step of one layer, for a block of columns. */
typedef struct step_task {
    const bertrun_lm_session *session;
    br_linear_call call; /* the recurrent projection */
    size_t parts;        /* of its panels, a thread each */
} step_task;

static void multiply_part(void *argument, size_t index, int worker)
{
    const step_task *task = argument;
    size_t panels = task->call.linear->n / BR_GEMM_PANEL;
    br_lane_multiply_panels(task->session->work.lanes[worker], &task->call,
                            panels * index / task->parts, panels * (index + 1) / task->parts);
}

/* The sums of the recurrent projection; few rows, so that the threads share its columns. */
static void multiply(const step_task *task)
{
    const bertrun_lm_session *session = task->session;
    br_lane *lane = session->work.lanes[0];
    if (br_shares_columns(&session->work, task->call.linear, task->call.rows)) {
        br_lane_quantize(lane, &task->call, 0, task->call.rows);
        br_pool_run(session->work.pool, task->parts, multiply_part, (void *)task);
    } else {
        br_lane_multiply(lane, &task->call);
    }
}

/* What a layer works on in one chunk. */
typedef struct layer_pass {
    const br_linear *input, *hidden;
    float *state, *cell; /* of this layer */
    float *out;          /* [chunk rows, stride] */
} layer_pass;

static br_linear_row sums_row(const br_linear *linear, const void *sums, const br_quantized *inputs,
                              size_t row)
{
    return (br_linear_row){.acc = (const int32_t *)sums + row * linear->n,
                           .n = linear->out,
                           .columns = linear->columns,
                           .input = inputs[row]};
}

/* Columns [first, first + rows) at time t; `last` is their output before. */
static void run_block(const bertrun_lm_session *session, const layer_pass *pass, size_t t,
                      const float *last, size_t first, size_t rows)
{
    const br_ops *ops = session->lm->base.ops;
    size_t hidden_size = session->lm->info.hidden_size, row = t * session->columns + first;
    br_lane *lane = session->work.lanes[0];
    step_task task = {
        .session = session,
        .parts = (size_t)session->threads,
        .call = {.linear = pass->hidden,
                 .phase = BR_PHASE_OUTPUT,
                 .rows = rows,
                 .warm = t > 0,
                 .src = last + first * session->stride,
                 .ranges = session->ranges + row,
                 .input = lane->input.data,
                 .quantized = lane->quantized,
                 .sums = lane->sums[0].data},
    };
    multiply(&task);
    for (size_t r = 0; r < rows; r++) {
        br_linear_row input = sums_row(pass->input, session->sums, session->inputs, row + r);
        br_linear_row recurrent = sums_row(pass->hidden, lane->sums[0].data, lane->quantized, r);
        session->ranges[session->columns + row + r] =
            ops->lstm_cell(&input, &recurrent, pass->cell + (first + r) * hidden_size,
                           pass->out + (row + r) * session->stride);
    }
}

static void run_steps(const bertrun_lm_session *session, const layer_pass *pass, size_t steps)
{
    size_t columns = session->columns, step_floats = columns * session->stride;
    const float *last = pass->state;
    for (size_t c = 0; c < columns; c++)
        session->ranges[c] =
            session->lm->base.ops->range(last + c * session->stride, session->lm->info.hidden_size);
    for (size_t t = 0; t < steps; t++) {
        for (size_t first = 0; first < columns; first += BR_BLOCK_ROWS)
            run_block(session, pass, t, last, first,
                      columns - first < BR_BLOCK_ROWS ? columns - first : BR_BLOCK_ROWS);
        last = pass->out + t * step_floats;
    }
    memcpy(pass->state, last, step_floats * sizeof *last);
}

static bertrun_status run_layer(bertrun_lm_session *session, size_t index, const float *in,
                                float *out, size_t steps, bertrun_error *error)
{
    const br_lstm_layer *layer = &session->lm->layers[index];
    size_t columns = session->columns;
    layer_pass pass = {
        .input = &layer->input,
        .hidden = &layer->hidden,
        .state = session->state + index * (columns + BR_ROW_GROUP) * session->stride,
        .cell = session->cell + index * columns * session->lm->info.hidden_size,
        .out = out,
    };
    br_dense_call call = {
        .linear = &layer->input,
        .phase = BR_PHASE_INTERMEDIATE,
        .rows = steps * columns,
        .src = in,
        .ranges = index > 0 ? session->ranges + columns : NULL,
        .sums = session->sums,
        .quantized = session->inputs,
    };
    BR_TRY(br_run_dense(&session->work, &call, error));
    run_steps(session, &pass, steps);
    return br_workspace_collect(&session->work, error);
}

bertrun_status br_lstm_run(bertrun_lm_session *session, const int32_t *ids, size_t steps,
                           bertrun_error *error)
{
    const bertrun_lm *lm = session->lm;
    const float *in = session->embedded;
    for (size_t r = 0; r < steps * session->columns; r++)
        br_embed_word(lm->base.ops, lm->embedding, lm->embedding_scale, ids[r],
                      session->embedded + r * lm->layers[0].input.k);
    for (size_t i = 0; i < lm->info.num_layers; i++) {
        float *out = session->rows[(lm->info.num_layers - 1 - i) % 2];
        BR_TRY(run_layer(session, i, in, out, steps, error));
        in = out;
    }
    return BERTRUN_OK;
}
