/* How a row's range becomes quantization parameters, in the modes that choose at run time. */
#ifndef BR_ACTIVATIONS_H
#define BR_ACTIVATIONS_H

#include "bertrun/bertrun.h"
#include "kernels/ops.h"

/** Whether all rows of a forward pass share one range. */
bool br_activations_share_range(bertrun_activations activations);

/**
 * Quantizes a row x [n] of the given range (its own, or the shared one) as the mode says; q and the
 * result are those of br_ops.quantize().
 */
br_quantized br_quantize_dynamic(const br_ops *ops, bertrun_activations activations, const float *x,
                                 size_t n, br_range range, uint8_t *q);

/**
 * What PyTorch's quantized::linear_dynamic chooses on x86 for a tensor of this range: affine, 0
 * exactly representable, steps for 0..127 (reduce_range) though q may reach 255.
 */
br_affine br_affine_pytorch(br_range range);

#endif
