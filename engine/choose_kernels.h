#ifndef BR_CHOOSE_KERNELS_H
#define BR_CHOOSE_KERNELS_H

#include "engine/model.h"

/**
 * Sets the model's kernels: the best that the CPU has, or those of the instruction set that the
 * environment's BERTRUN_ISA names. Its precision and oneDNN are set.
 * Errors: ARGUMENT (BERTRUN_ISA is no set of this CPU), UNSUPPORTED (oneDNN's int8 is asked for and
 * not exact here), INTERNAL (the kernels fail their self-test).
 */
bertrun_status br_choose_kernels(bertrun_model *model, bertrun_error *error);

#endif
