#include "engine/lane.h"

#include "engine/tiles.h"

/* Columns from which a layer goes a few rows at a time, so that its sums take little memory; 35
 * rows, the usual call of a language model, at once. */
enum { WIDE = 4096, WIDE_ROWS = 40 };

size_t br_dense_block_rows(const br_linear *linear)
{
    return linear->n < WIDE ? BR_BLOCK_ROWS : WIDE_ROWS;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Blocks of the encoder, whose layers follow each other. */
static bool reserve_chained(br_lane *lane, const br_linear *linear)
{
    return br_buffer_reserve(&lane->input, BR_BLOCK_ROWS * linear->k, sizeof(uint16_t)) &&
           br_buffer_reserve(&lane->sums[0], BR_BLOCK_ROWS * linear->n, sizeof(int32_t)) &&
           br_buffer_reserve(&lane->sums[1], BR_BLOCK_ROWS * linear->n, sizeof(int32_t));
}

static bool reserve_layer(br_lane *lane, const br_layer *layer)
{
    return reserve_chained(lane, &layer->qkv[0]) && reserve_chained(lane, &layer->intermediate) &&
           reserve_chained(lane, &layer->output);
}

bool br_lane_reserve(br_lane *lane, const br_linear *linear)
{
    size_t rows = br_dense_block_rows(linear);
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
            done = done && br_lane_reserve(lane, &model->heads[i].layers[j].linear);
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
    lane->tile = br_alloc(BR_TILE_SUMS, sizeof *lane->tile);
    if (status == BERTRUN_OK && (!lane->tile || !reserve_blocks(lane)))
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
    br_free(lane->tile);
    br_free(lane->attention.data);
    br_free(lane->sums[1].data);
    br_free(lane->sums[0].data);
    br_free(lane->input.data);
    br_free(lane);
}
