#include <string.h>

#include "engine/activations.h"
#include "engine/lane.h"
#include "engine/tiles.h"

static br_range range_of_row(const br_ops *ops, const br_linear_call *call, size_t r)
{
    if (call->ranges)
        return call->ranges[r];
    return call->range ? *call->range
                       : ops->range(call->src + r * call->linear->k, call->linear->in);
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
                               range_of_row(ops, call, r), q);
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
    br_profile_end(
        &lane->profile, call->phase, begin, name,
        br_linear_operations(linear, call->rows, (end_panel - first_panel) * BR_GEMM_PANEL));
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
                   br_linear_operations(linear, call->rows, linear->n));
    return BERTRUN_OK;
}

/* A part's rows, to where they go and as they go there. */
static void finish(const bertrun_model *model, const br_linear_call *call,
                   const br_linear_rows *rows, const br_part *part)
{
    size_t heads = model->info.num_attention_heads;
    size_t place = part->row * call->dst_stride + part->column;
    br_range *ranges = call->dst_ranges ? call->dst_ranges + part->row : NULL;
    if (call->dst_qkv.s16) {
        size_t head_dim = model->info.hidden_size / heads, head = part->column / head_dim;
        size_t first_value = call->dst_qkv.first_value;
        model->attention->linear(rows, head_dim, first_value > head ? first_value - head : 0,
                                 call->dst_qkv.s16 + place, call->dst_stride,
                                 call->dst_qkv.scale + part->row * 3 * heads + head, 3 * heads);
    } else if (call->norm) {
        model->ops->linear_norm(rows, call->norm, call->dst + place, call->dst_stride, ranges);
    } else {
        model->ops->linear(rows, call->activation, call->dst + place, call->dst_stride, ranges);
    }
}

/* Where dst is scratch, what stands beyond its columns may be anything, NaN too. */
static void clear_padding(const br_linear_call *call, const br_part *part)
{
    size_t out = call->linear->out, end = part->column + part->columns;
    if ((const void *)call->dst != call->sums || end <= out)
        return;
    for (size_t r = part->row; r < part->row + part->rows; r++)
        memset(call->dst + r * call->dst_stride + out, 0, (end - out) * sizeof *call->dst);
}

void br_lane_finish(br_lane *lane, const br_linear_call *call, const br_part *part)
{
    size_t left = call->linear->out - part->column;
    br_linear_rows rows = {.acc = part->sums,
                           .rows = part->rows,
                           .n = part->columns < left ? part->columns : left,
                           .stride = part->stride,
                           .columns = br_columns_from(&call->linear->columns, part->column),
                           .input = call->quantized + part->row};
    double begin = br_profile_begin(&lane->profile);
    if (call->dst_ranges && part->column == 0)
        for (size_t r = 0; r < part->rows; r++)
            call->dst_ranges[part->row + r] = br_range_empty();
    finish(lane->model, call, &rows, part);
    clear_padding(call, part);
    br_profile_end(&lane->profile, BR_PHASE_EPILOGUE, begin, lane->model->ops->name, 0);
}

void br_lane_finish_rows(br_lane *lane, const br_linear_call *call, size_t first, size_t end)
{
    size_t n = call->linear->n;
    int32_t *sums = (int32_t *)call->sums + first * n;
    br_lane_finish(lane, call, &(br_part){sums, n, first, end - first, 0, n});
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

void br_lane_linear(br_lane *lane, const br_linear_call *call)
{
    if (lane->status != BERTRUN_OK)
        return;
    if (call->linear->type == BR_MATMUL_U8S8 &&
        br_prefers_own_gemm(lane->model, call->linear, call->rows)) {
        br_linear_by_tiles(lane, call);
        return;
    }
    if (call->make_rows)
        call->make_rows(call->rows_context, lane, 0, call->rows);
    if (br_lane_multiply(lane, call))
        br_lane_finish_rows(lane, call, 0, call->rows);
}
