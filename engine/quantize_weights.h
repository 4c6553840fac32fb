/*
 * Weights to int8, symmetric: w ~ q * scale, with a scale for each output channel (or row of an
 * embedding) or one for the whole tensor.
 */
#ifndef BR_QUANTIZE_WEIGHTS_H
#define BR_QUANTIZE_WEIGHTS_H

#include "models/checkpoint.h"

/**
 * *scale = max |row| / 127, q = round_half_even(row / *scale), so that row ~ q * *scale; a row of
 * zeros gives zeros and scale 0. row and q are [n]. Returns false where a weight is not finite.
 */
bool br_quantize_row_s8(const float *row, size_t n, int8_t *q, float *scale);

/** How the rows of a tensor are quantized. */
typedef struct br_weight_scheme {
    bool per_tensor;     /* one scale for all rows */
    float scale;         /* with per_tensor */
    const float *scales; /* without: of each row, fixed by the checkpoint; NULL: the row's own */
    int32_t least, most; /* of q, where the scale is not the row's own */
} br_weight_scheme;

/**
 * What the checkpoint fixes for the layer (quantization-aware training); else per channel, or per
 * tensor as PyTorch's MinMaxObserver has it: scale = max |weight| / 127.5, at least FLT_EPSILON, q
 * in -128..127. That reads the whole tensor, through `row`, which has room for one of its rows.
 */
br_weight_scheme br_weight_scheme_choose(const br_checkpoint *checkpoint, const br_tensor *weight,
                                         bool per_tensor, float *row);

/**
 * Row r by its scheme: br_quantize_row_s8(), or q = clamp(round_half_even(row * (1 / scale)),
 * least, most). Returns false where a weight is not finite.
 */
bool br_quantize_row(const br_weight_scheme *scheme, size_t r, const float *row, size_t n,
                     int8_t *q, float *scale);

#endif
