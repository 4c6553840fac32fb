/*
 * Quantization parameters of linear layers' inputs that a checkpoint fixes (docs/FORMAT.md): from a
 * `.bin` with static parameters, or from a directory with quantization-aware training's.
 */
#ifndef BR_FIXED_INPUTS_H
#define BR_FIXED_INPUTS_H

#include "models/checkpoint_private.h"

/**
 * Reads what stands beside the linear layer's weight, if anything, and adds it to the checkpoint.
 * Errors: FORMAT, UNSUPPORTED (a dtype), NOMEM.
 */
bertrun_status br_fixed_input_bind(br_checkpoint *checkpoint, const br_tensor_need *weight,
                                   br_find_fn find, bertrun_error *error);

#endif
