/*
 * Weights to int8, symmetric: w ~ q * scale, with a scale for each output channel (or row of an
 * embedding) or one for the whole tensor.
 */
#ifndef BR_QUANTIZE_WEIGHTS_H
#define BR_QUANTIZE_WEIGHTS_H

#include "models/tensor.h"

/**
 * *scale = max |row| / 127, q = round_half_even(row / *scale), so that row ~ q * *scale; a row of
 * zeros gives zeros and scale 0. row and q are [n]. Returns false where a weight is not finite.
 */
bool br_quantize_row_s8(const float *row, size_t n, int8_t *q, float *scale);

/** How the rows of a tensor are quantized. */
typedef struct br_weight_scheme {
    bool per_tensor;
    float scale; /* of all rows, with per_tensor */
} br_weight_scheme;

/**
 * Per channel, or per tensor as PyTorch's MinMaxObserver has it: scale = max |weight| / 127.5, at
 * least FLT_EPSILON. That reads the whole tensor, through `row`, which has room for one of its
 * rows.
 */
br_weight_scheme br_weight_scheme_choose(const br_tensor *weight, bool per_tensor, float *row);

/**
 * A row by its scheme: br_quantize_row_s8(), or q = round_half_even(row * (1 / scale)) in
 * -128..127. Returns false where a weight is not finite.
 */
bool br_quantize_row(const br_weight_scheme *scheme, const float *row, size_t n, int8_t *q,
                     float *scale);

#endif
