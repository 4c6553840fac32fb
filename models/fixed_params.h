/*
 * Quantization parameters of linear layers that a checkpoint fixes (docs/FORMAT.md): a `.bin`'s
 * static ones of inputs; a directory's, from quantization-aware training, of inputs and weights.
 */
#ifndef BR_FIXED_PARAMS_H
#define BR_FIXED_PARAMS_H

#include "models/checkpoint_private.h"

/**
 * Reads what stands beside the linear layer's weight, if anything, and adds it to the checkpoint.
 * Errors: FORMAT, UNSUPPORTED (a dtype, weights that are not symmetric), NOMEM.
 */
bertrun_status br_fixed_params_bind(br_checkpoint *checkpoint, const br_tensor_need *weight,
                                    br_find_fn find, bertrun_error *error);

#endif
