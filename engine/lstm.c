#include "engine/lstm.h"

#include <string.h>

#include "engine/embeddings.h"

/* What a layer works on in one chunk. */
typedef struct layer_pass {
    const br_lstm_layer *layer;
    float *state, *cell; /* of this layer */
    float *out;          /* [chunk rows, stride] */
} layer_pass;

/* One time step of one layer, for a block of columns. */
typedef struct step_task {
    const bertrun_lm_session *session;
    const br_linear *input;
    br_linear_call call; /* the recurrent projection */
    size_t row;          /* of the chunk, the block's first */
    float *cell, *out;
} step_task;

/* A panel is the gates of so many units. */
enum { PANEL_UNITS = BR_GEMM_PANEL / 4 };

/* Panels that are multiplied and go through the cell at a time, so that sums stay near. */
enum { PART_PANELS = 8 };

static br_linear_row gates_row(const br_linear *linear, size_t first, size_t units)
{
    return (br_linear_row){.n = 4 * units, .columns = br_columns_from(&linear->columns, 4 * first)};
}

/* The recurrent sums of some panels are there, rows `stride` apart. */
static void run_cells(const step_task *task, size_t first_panel, size_t end_panel,
                      const int32_t *sums, size_t stride)
{
    const bertrun_lm_session *session = task->session;
    size_t hidden_size = session->lm->info.hidden_size, n = task->input->n;
    size_t first = first_panel * PANEL_UNITS, end = end_panel * PANEL_UNITS;
    size_t units = (end < hidden_size ? end : hidden_size) - first;
    br_linear_row input = gates_row(task->input, first, units);
    br_linear_row recurrent = gates_row(task->call.linear, first, units);
    recurrent.columns.bias = NULL;
    for (size_t r = 0; r < task->call.rows; r++) {
        input.acc = (const int32_t *)session->sums + (task->row + r) * n + 4 * first;
        input.input = session->inputs[task->row + r];
        recurrent.acc = sums + r * stride;
        recurrent.input = task->call.quantized[r];
        session->lm->base.ops->lstm_cell(&input, &recurrent, task->cell + r * hidden_size + first,
                                         task->out + r * session->stride + first);
    }
}

/* A thread's panels; sums go through the cell while the caches near it have them. */
static void run_panels(void *argument, size_t index, int worker)
{
    const step_task *task = argument;
    br_lane *lane = task->session->work.lanes[worker];
    size_t panels = task->call.linear->n / BR_GEMM_PANEL;
    size_t threads = (size_t)task->session->threads, end = panels * (index + 1) / threads;
    for (size_t panel = panels * index / threads, next; panel < end; panel = next) {
        next = end - panel < PART_PANELS ? end : panel + PART_PANELS;
        size_t stride = (next - panel) * BR_GEMM_PANEL;
        br_lane_multiply_panels(lane, &task->call, panel, next, lane->sums[0].data, stride);
        run_cells(task, panel, next, lane->sums[0].data, stride);
    }
}

/* The threads share the columns of the multiplication, for rows are few. */
static void run_step(const step_task *task)
{
    const bertrun_lm_session *session = task->session;
    const br_linear_call *call = &task->call;
    const br_linear *linear = call->linear;
    br_lane *lane = session->work.lanes[0];
    if (br_prefers_own_gemm(&session->lm->base, linear, call->rows)) {
        if (linear->type == BR_MATMUL_U8S8)
            br_lane_quantize(lane, call, 0, call->rows);
        br_pool_run(session->work.pool, (size_t)session->threads, run_panels, (void *)task);
    } else if (br_lane_multiply(lane, call)) {
        run_cells(task, 0, linear->n / BR_GEMM_PANEL, call->sums, linear->n);
    }
}

static void find_ranges(const bertrun_lm_session *session, const float *rows, size_t count,
                        br_range *ranges)
{
    for (size_t r = 0; r < count; r++)
        ranges[r] =
            session->lm->base.ops->range(rows + r * session->stride, session->lm->info.hidden_size);
}

/* Columns [first, first + rows) at time t; `last` is their output before. */
static void run_block(const bertrun_lm_session *session, const layer_pass *pass, size_t t,
                      const float *last, size_t first, size_t rows)
{
    size_t row = t * session->columns + first;
    br_lane *lane = session->work.lanes[0];
    step_task task = {
        .session = session,
        .input = &pass->layer->input,
        .call = {.linear = &pass->layer->hidden,
                 .phase = BR_PHASE_OUTPUT,
                 .rows = rows,
                 .warm = t > 0,
                 .src = last + first * session->stride,
                 .ranges = session->ranges + row,
                 .input = lane->input.data,
                 .quantized = lane->quantized,
                 .sums = lane->sums[0].data},
        .row = row,
        .cell = pass->cell + first * session->lm->info.hidden_size,
        .out = pass->out + row * session->stride,
    };
    run_step(&task);
    find_ranges(session, task.out, rows, session->ranges + session->columns + row);
}

static void run_steps(const bertrun_lm_session *session, const layer_pass *pass, size_t steps)
{
    size_t columns = session->columns, step_floats = columns * session->stride;
    const float *last = pass->state;
    find_ranges(session, last, columns, session->ranges);
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
        .layer = layer,
        .state = session->state + index * columns * session->stride,
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
