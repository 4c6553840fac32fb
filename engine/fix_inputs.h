/* Static quantization: fixed activation parameters from what calibration text shows. */
#ifndef BR_FIX_INPUTS_H
#define BR_FIX_INPUTS_H

#include "engine/calibration.h"

/** Fixes the input of every linear layer that the task computes. Errors: NOMEM, INTERNAL. */
bertrun_status br_fix_inputs(const br_calibration *calibration, bertrun_error *error);

#endif
