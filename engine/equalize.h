/*
 * Equalization (SmoothQuant, Xiao et al. 2022, arXiv:2211.10438): columns of a linear layer's input
 * are divided by factors f, and the columns of its weights multiplied, so that W x = (W f) (x / f)
 * stays what it was while fewer bits are lost to columns of large activations.
 *
 *     f[k] = rms(x[k])^alpha / rms(W[:, k])^(1 - alpha)
 *
 * The division costs nothing where what makes x can take it: LayerNorm (gamma / f, beta / f) before
 * Q/K/V and the intermediate layer, the value projection before the attention's output (each output
 * is a mean of values, column by column), and the intermediate layer before `output.dense`: its
 * weights where the activation is ReLU, else `output_scale` behind the activation. BERT adds LayerNorm's output to the next sum, too, which is why its
 * residual is multiplied by f again (`residual_scale`; docs/FORMAT.md has both).
 */
#ifndef BR_EQUALIZE_H
#define BR_EQUALIZE_H

#include "engine/calibration.h"

/** Equalizes the checkpoint. Errors: NOMEM, INTERNAL. */
bertrun_status br_equalize(const br_calibration *calibration, bertrun_error *error);

#endif
