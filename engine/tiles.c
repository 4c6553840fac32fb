#include "engine/tiles.h"

/*
 * Sums are finished while they are in the first-level cache, and rows quantized just before they
 * are multiplied. So floating point also comes in short pieces: where it takes more than some 3
 * microseconds at a stretch, Intel's CPUs lower their clock for milliseconds (docs/SPEED.md).
 *
 * Each tile of rows goes through a part of the panels, which stays in the second-level cache.
 */
enum {
    PART_BYTES = 300 << 10,
    HEAD_PANELS = 6 /* so many hold whole attention heads, of up to 128 channels */
};

_Static_assert(HEAD_PANELS *BR_GEMM_PANEL % 96 == 0 && HEAD_PANELS * BR_GEMM_PANEL % 128 == 0,
               "whole heads");

static size_t panels_of_part(const br_linear_call *call)
{
    size_t fit = PART_BYTES / (call->linear->k * BR_GEMM_PANEL);
    if (fit < HEAD_PANELS && !call->dst_qkv.s16)
        return fit > 0 ? fit : 1;
    if (fit > BR_TILE_PANELS)
        fit = BR_TILE_PANELS;
    return fit < HEAD_PANELS ? HEAD_PANELS : fit / HEAD_PANELS * HEAD_PANELS;
}

static void make_input(br_lane *lane, const br_linear_call *call, size_t row, size_t rows)
{
    if (call->make_rows)
        call->make_rows(call->rows_context, lane, row, rows);
    br_lane_quantize(lane, call, row, row + rows);
}

static void multiply(br_lane *lane, const br_linear_call *call, br_gemm_tile *tile,
                     const br_part *part)
{
    const br_gemm *gemm = lane->model->gemm;
    double begin = br_profile_begin(&lane->profile);
    gemm->run_tile(tile, part->sums, part->stride);
    br_profile_end(&lane->profile, call->phase, begin, gemm->name,
                   br_linear_operations(call->linear, tile->rows, part->columns));
}

/* Where a tile's sums go: those of a LayerNorm, which needs whole rows, stay beside the others. */
static br_part part_of_tile(br_lane *lane, const br_linear_call *call, const br_gemm_tile *tile,
                            size_t row, size_t column)
{
    size_t columns = tile->panels * BR_GEMM_PANEL, n = call->linear->n;
    br_part part = {lane->tile, columns, row, tile->rows, column, columns};
    if (call->norm) {
        part.sums = (int32_t *)call->sums + row * n + column;
        part.stride = n;
    }
    return part;
}

static void finish_tile(br_lane *lane, const br_linear_call *call, const br_part *part)
{
    if (!call->norm)
        br_lane_finish(lane, call, part);
    else if (part->column + part->columns == call->linear->n)
        br_lane_finish_rows(lane, call, part->row, part->row + part->rows);
}

/* All rows times the panels from `first` on. */
static void run_panels(br_lane *lane, const br_linear_call *call, size_t first, size_t panels)
{
    const br_gemm *gemm = lane->model->gemm;
    size_t k = call->linear->k, panel_bytes = k * BR_GEMM_PANEL;
    const int8_t *packed = (const int8_t *)call->linear->packed + first * panel_bytes;
    br_gemm_tile tile = {.all_rows = call->rows,
                         .k = k,
                         .packed = packed,
                         .panels = panels,
                         .ahead = packed + panels * panel_bytes};
    for (size_t row = 0; row < call->rows; row += tile.rows) {
        tile.rows = gemm->tile_rows(call->rows, call->rows - row);
        tile.src = (const uint8_t *)call->input + row * k;
        br_part part = part_of_tile(lane, call, &tile, row, first * BR_GEMM_PANEL);
        if (first == 0)
            make_input(lane, call, row, tile.rows);
        multiply(lane, call, &tile, &part);
        finish_tile(lane, call, &part);
    }
}

void br_linear_by_tiles(br_lane *lane, const br_linear_call *call)
{
    size_t panels = call->linear->n / BR_GEMM_PANEL, most = panels_of_part(call);
    for (size_t first = 0, count; first < panels; first += count) {
        count = panels - first < most ? panels - first : most;
        run_panels(lane, call, first, count);
    }
}
