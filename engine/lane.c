#include "engine/lane.h"

#include "engine/activations.h"

/* Columns from which a head is run a few rows at a time, so that its sums take little memory; 35
 * rows, the usual call of a language model, at once. */
enum { WIDE_HEAD = 4096, WIDE_HEAD_ROWS = 40 };

size_t br_head_rows_of_call(const br_linear *linear)
{
    return linear->n < WIDE_HEAD ? SIZE_MAX : WIDE_HEAD_ROWS;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

bool br_lane_reserve(br_lane *lane, const br_linear *linear)
{
    return br_buffer_reserve(&lane->input, BR_BLOCK_ROWS * linear->k, sizeof(uint16_t)) &&
           br_buffer_reserve(&lane->sums[0], BR_BLOCK_ROWS * linear->n, sizeof(int32_t)) &&
           br_buffer_reserve(&lane->sums[1], BR_BLOCK_ROWS * linear->n, sizeof(int32_t));
}

static bool reserve_layer(br_lane *lane, const br_layer *layer)
{
    return br_lane_reserve(lane, &layer->qkv[0]) && br_lane_reserve(lane, &layer->intermediate) &&
           br_lane_reserve(lane, &layer->output);
}

/* What a head reads is in no chain of layers, and it may be as wide as the vocabulary. */
bool br_lane_reserve_head(br_lane *lane, const br_linear *linear)
{
    size_t rows = br_head_rows_of_call(linear);
    rows = rows < BR_BLOCK_ROWS ? rows : BR_BLOCK_ROWS;
    return br_buffer_reserve(&lane->input, rows * linear->k, sizeof(uint16_t)) &&
           br_buffer_reserve(&lane->sums[0], rows * linear->n, sizeof(int32_t));
}

static bool reserve_blocks(br_lane *lane)
{
    const bertrun_model *model = lane->model;
    if (!model->layers)
        return true; /* no encoder */
    bool done = true;
    for (size_t i = 0; i < model->info.num_hidden_layers; i++)
        done = done && reserve_layer(lane, &model->layers[i]);
    if (model->info.has_pooler)
        done = done && br_lane_reserve(lane, &model->pooler.linear);
    for (size_t i = 0; i < model->num_heads; i++)
        for (size_t j = 0; j < model->heads[i].num_layers; j++)
            done = done && br_lane_reserve_head(lane, &model->heads[i].layers[j].linear);
    for (size_t i = 0; i < model->num_dense; i++)
        done = done && br_lane_reserve(lane, &model->dense[i].linear);
    size_t length = larger(model->info.max_position_embeddings, 1);
    size_t head_dim = model->info.hidden_size / model->info.num_attention_heads;
    return done &&
           br_buffer_reserve(&lane->attention,
                             lane->model->attention ? br_attention_s16_scratch(length, head_dim)
                                                    : br_attention_scratch(length, head_dim),
                             sizeof(float));
}

bertrun_status br_lane_open(br_lane **out, const bertrun_model *model, bool profile,
                            bertrun_error *error)
{
    *out = NULL;
    br_lane *lane = br_calloc(1, sizeof *lane);
    if (!lane)
        return br_fail_nomem(error);
    lane->model = model;
    lane->profile.enabled = profile;
    bertrun_status status = br_onednn_lane_open(&lane->onednn, model->onednn, error);
    if (status == BERTRUN_OK && !reserve_blocks(lane))
        status = br_fail_nomem(error);
    if (status != BERTRUN_OK)
        br_lane_close(&lane);
    *out = lane;
    return status;
}

void br_lane_close(br_lane **pointer)
{
    br_lane *lane = *pointer;
    *pointer = NULL;
    if (!lane)
        return;
    br_onednn_lane_close(&lane->onednn);
    br_free(lane->attention.data);
    br_free(lane->sums[1].data);
    br_free(lane->sums[0].data);
    br_free(lane->input.data);
    br_free(lane);
}

static br_quantized quantize_row(const bertrun_model *model, const br_linear_call *call, size_t r)
{
    const br_linear *linear = call->linear;
    const br_ops *ops = model->ops;
    const float *x = call->src + r * linear->k;
    uint8_t *q = (uint8_t *)call->input + r * linear->k;
    if (!br_linear_needs_range(linear))
        return ops->quantize_affine(x, linear->in, &linear->input, q);
    return br_quantize_dynamic(ops, model->info.activations, x, linear->in,
                               call->ranges ? call->ranges[r] : call->range, q);
}

void br_lane_quantize(br_lane *lane, const br_linear_call *call, size_t first_row, size_t end_row)
{
    double begin = br_profile_begin(&lane->profile);
    for (size_t r = first_row; r < end_row; r++)
        call->quantized[r] = quantize_row(lane->model, call, r);
    br_profile_end(&lane->profile, BR_PHASE_QUANTIZE, begin, lane->model->ops->name, 0);
}

static void narrow_rows(br_lane *lane, const br_linear_call *call)
{
    double begin = br_profile_begin(&lane->profile);
    lane->model->ops->narrow_bf16(call->src, call->rows * call->linear->k, call->input);
    br_profile_end(&lane->profile, BR_PHASE_QUANTIZE, begin, lane->model->ops->name, 0);
}

/* The rows in the format that the multiplication reads. */
static const void *prepare_input(br_lane *lane, const br_linear_call *call)
{
    switch (call->linear->type) {
    case BR_MATMUL_U8S8:
        br_lane_quantize(lane, call, 0, call->rows);
        return call->input;
    case BR_MATMUL_BF16:
        narrow_rows(lane, call);
        return call->input;
    default:
        return call->src;
    }
}

bool br_prefers_own_gemm(const bertrun_model *model, const br_linear *linear, size_t rows)
{
    switch (linear->type) {
    case BR_MATMUL_U8S8:
        return rows <= model->gemm_max_rows;
    case BR_MATMUL_BF16:
        return false;
    default:
        return true;
    }
}

/* Multiplies `panels` of BR_GEMM_PANEL channels by our own kernel for the type; returns its name.
 */
static const char *run_own(br_lane *lane, const br_linear_call *call, const void *packed,
                           size_t panels, void *sums, size_t stride)
{
    const br_gemm *gemm = lane->model->gemm;
    const br_ops *ops = lane->model->ops;
    size_t k = call->linear->k, float_panels = panels * (BR_GEMM_PANEL / BR_GEMM_F32_PANEL);
    switch (call->linear->type) {
    case BR_MATMUL_U8S8:
        gemm->run(call->input, call->rows, k, packed, panels, call->warm, sums, stride);
        return gemm->name;
    case BR_MATMUL_F32:
        ops->gemm_f32(call->src, call->rows, k, packed, float_panels, sums, stride);
        return ops->name;
    default:
        ops->gemm_bf16(call->src, call->rows, k, packed, float_panels, sums, stride);
        return ops->name;
    }
}

/* Panels [first, end) to sums (int32_t, or floats of the same size), rows `stride` apart. */
void br_lane_multiply_panels(br_lane *lane, const br_linear_call *call, size_t first_panel,
                             size_t end_panel, int32_t *sums, size_t stride)
{
    const br_linear *linear = call->linear;
    size_t panel_bytes = linear->packed_bytes / linear->n * BR_GEMM_PANEL;
    double begin = br_profile_begin(&lane->profile);
    const char *name = run_own(lane, call, (const char *)linear->packed + first_panel * panel_bytes,
                               end_panel - first_panel, sums, stride);
    br_profile_end(&lane->profile, call->phase, begin, name,
                   br_linear_operations(linear, call->rows) * (double)(end_panel - first_panel) *
                       BR_GEMM_PANEL / (double)linear->n);
}

static bertrun_status multiply_by_onednn(br_lane *lane, const br_linear_call *call,
                                         const void *input)
{
    const br_linear *linear = call->linear;
    const br_onednn_primitive *primitive;
    double begin = br_profile_begin(&lane->profile);
    BR_TRY(br_onednn_get(lane->model->onednn, linear->type, br_round_up(call->rows, BR_ROW_GROUP),
                         linear->n, linear->k, &primitive, &lane->error));
    BR_TRY(br_onednn_lane_prepare(lane->onednn, primitive, &lane->error));
    const char *name = br_onednn_name(primitive);
    if (!br_onednn_run(lane->onednn, primitive, input, linear->packed, call->sums))
        return br_fail(&lane->error, BERTRUN_ERR_INTERNAL, "oneDNN failed in %s", name);
    br_profile_end(&lane->profile, call->phase, begin, name,
                   br_linear_operations(linear, call->rows));
    return BERTRUN_OK;
}

/* Some columns of rows from first_row on, to where they go and as they go there. */
static void finish_rows(const bertrun_model *model, const br_linear_call *call,
                        const br_linear_rows *rows, size_t first_row, size_t first_column)
{
    size_t heads = model->info.num_attention_heads;
    size_t place = first_row * call->dst_stride + first_column;
    br_range *ranges = call->dst_ranges ? call->dst_ranges + first_row : NULL;
    if (call->dst_qkv.s16)
        model->attention->linear(rows, model->info.hidden_size / heads, call->dst_qkv.first_value,
                                 call->dst_qkv.s16 + place, call->dst_stride,
                                 call->dst_qkv.scale + first_row * 3 * heads, 3 * heads);
    else if (call->norm)
        model->ops->linear_norm(rows, call->norm, call->dst + place, call->dst_stride, ranges);
    else
        model->ops->linear(rows, call->activation, call->dst + place, call->dst_stride, ranges);
}

/* Some columns of a call's result; their sums stand in rows `stride` apart. */
typedef struct columns {
    size_t first, count, stride;
} columns;

static void finish_columns(br_lane *lane, const br_linear_call *call, columns part,
                           size_t first_row, size_t end_row)
{
    br_linear_rows rows = {.acc = (const int32_t *)call->sums + first_row * part.stride,
                           .rows = end_row - first_row,
                           .n = part.count,
                           .stride = part.stride,
                           .columns = br_columns_from(&call->linear->columns, part.first),
                           .input = call->quantized + first_row};
    double begin = br_profile_begin(&lane->profile);
    for (size_t r = first_row; call->dst_ranges && r < end_row; r++)
        call->dst_ranges[r] = br_range_empty();
    finish_rows(lane->model, call, &rows, first_row, part.first);
    br_profile_end(&lane->profile, BR_PHASE_EPILOGUE, begin, lane->model->ops->name, 0);
}

void br_lane_finish(br_lane *lane, const br_linear_call *call, size_t first_row, size_t end_row)
{
    columns all = {.count = call->linear->out, .stride = call->linear->n};
    finish_columns(lane, call, all, first_row, end_row);
}

bool br_lane_multiply(br_lane *lane, const br_linear_call *call)
{
    if (lane->status != BERTRUN_OK)
        return false;
    const void *input = prepare_input(lane, call);
    if (br_prefers_own_gemm(lane->model, call->linear, call->rows))
        br_lane_multiply_panels(lane, call, 0, call->linear->n / BR_GEMM_PANEL, call->sums,
                                call->linear->n);
    else
        lane->status = multiply_by_onednn(lane, call, input);
    return lane->status == BERTRUN_OK;
}

/* ----------------------------------------------------------- a wide layer, some columns at a time
 */

/*
 * Nothing asks for whole rows of a wide layer's result: its columns are multiplied and finished
 * PART at a time, and the result is written between multiplications.
 */
enum { PART = BR_PART_PANELS * BR_GEMM_PANEL };

static bool goes_by_columns(const br_lane *lane, const br_linear_call *call)
{
    return call->linear->n > PART && !call->norm && !call->dst_ranges && !call->dst_qkv.s16 &&
           (const void *)call->dst != call->sums &&
           br_prefers_own_gemm(lane->model, call->linear, call->rows);
}

static void linear_by_columns(br_lane *lane, const br_linear_call *call)
{
    size_t panels = call->linear->n / BR_GEMM_PANEL, out = call->linear->out;
    prepare_input(lane, call);
    for (size_t panel = 0; panel < panels; panel += BR_PART_PANELS) {
        size_t end = panels - panel < BR_PART_PANELS ? panels : panel + BR_PART_PANELS;
        size_t first = panel * BR_GEMM_PANEL, left = out - first;
        br_lane_multiply_panels(lane, call, panel, end, call->sums, PART);
        finish_columns(lane, call, (columns){first, left < PART ? left : PART, PART}, 0,
                       call->rows);
    }
}

void br_lane_linear(br_lane *lane, const br_linear_call *call)
{
    if (lane->status == BERTRUN_OK && goes_by_columns(lane, call))
        linear_by_columns(lane, call);
    else if (br_lane_multiply(lane, call))
        br_lane_finish(lane, call, 0, call->rows);
}
