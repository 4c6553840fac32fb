/*
 * Bias correction (Nagel et al. 2019, arXiv:1906.04721, but measured): rounded weights, and the
 * layers before, move the mean of a layer's outputs; what the mean moves by goes into the bias.
 *
 *     bias[j] += mean over f32 rows of (W x)[j] - mean over int8 rows of (W_q x)[j]
 */
#ifndef BR_CORRECT_BIASES_H
#define BR_CORRECT_BIASES_H

#include "engine/calibration.h"

/** What linear layers put out on average, biases aside, in the order of the forward pass. */
typedef struct br_mean_outputs {
    float **means; /* [count] of [out] each; queries, keys and values apart */
    size_t count;
} br_mean_outputs;

/** Of the checkpoint before it is rounded, in f32. Errors: NOMEM. */
bertrun_status br_mean_outputs_measure(br_mean_outputs *out, const br_calibration *calibration,
                                       bertrun_error *error);
void br_mean_outputs_free(br_mean_outputs *outputs);

/** Makes biases so that the int8 model's means are `wanted`. Errors: NOMEM. */
bertrun_status br_correct_biases(const br_calibration *calibration, const br_mean_outputs *wanted,
                                 bertrun_error *error);

#endif
