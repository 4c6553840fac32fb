#include "engine/embeddings.h"

#include <string.h>

void br_embed_word(const br_ops *ops, const br_tensor *table, const br_tensor *scale, int32_t id,
                   float *out)
{
    size_t columns = table->shape[1], begin = (size_t)id * columns;
    switch (table->dtype) {
    case BR_DTYPE_S8:
        ops->widen_s8((const int8_t *)table->data + begin, ((const float *)scale->data)[id],
                      columns, out);
        break;
    case BR_DTYPE_BF16:
        ops->widen_bf16((const uint16_t *)table->data + begin, columns, out);
        break;
    case BR_DTYPE_F16:
        ops->widen_f16((const uint16_t *)table->data + begin, columns, out);
        break;
    default:
        memcpy(out, (const float *)table->data + begin, columns * sizeof *out);
    }
}

/* The sequence that a token is of. */
static size_t sequence_of(const br_batch *batch, size_t token)
{
    size_t first = 0, end = batch->sequences;
    while (end - first > 1) {
        size_t middle = first + (end - first) / 2;
        if (batch->cu_seqlens[middle] <= token)
            first = middle;
        else
            end = middle;
    }
    return first;
}

void br_embed_rows(const br_workspace *work, const br_batch *batch, br_lane *lane, size_t first,
                   size_t rows, br_range *ranges)
{
    const bertrun_model *model = work->model;
    const br_embeddings *embeddings = &model->embeddings;
    size_t hidden = model->info.hidden_size, sequence = sequence_of(batch, first);
    double begin = br_profile_begin(&lane->profile);
    for (size_t r = 0; r < rows; r++) {
        size_t token = first + r;
        while (batch->cu_seqlens[sequence + 1] <= token)
            sequence++;
        const float *position =
            embeddings->position + (token - batch->cu_seqlens[sequence]) * hidden;
        const float *type = embeddings->token_type
                                ? embeddings->token_type + batch->type_ids[token] * hidden
                                : NULL;
        float *row = br_workspace_hidden(work, token);
        br_embed_word(model->ops, embeddings->word, embeddings->word_scale, batch->ids[token], row);
        ranges[r] =
            model->ops->add_norm(row, position, type, hidden, &embeddings->layer_norm.norm, row);
    }
    br_profile_end(&lane->profile, BR_PHASE_EMBED, begin, model->ops->name, 0);
}
