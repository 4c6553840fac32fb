/* Rounding all linear layers with error compensation, layer by layer (gptq.h). */
#ifndef BR_ROUND_WEIGHTS_H
#define BR_ROUND_WEIGHTS_H

#include "engine/calibration.h"

/**
 * Makes the checkpoint's linear layers int8. Each is rounded for the rows that enter it when all
 * layers before it are int8 already, and for their u8 values, so that it sees what it will see.
 * Layers that are kept in a float dtype stay; those that the task does not compute are left for
 * rounding to nearest. Errors: NOMEM, INTERNAL.
 */
bertrun_status br_round_weights(const br_calibration *calibration, bertrun_error *error);

#endif
