/*
 * Looks into a forward pass: sees the rows that enter each linear layer. A session with an observer
 * runs layer by layer, all rows of a pass through one projection at a time.
 */
#ifndef BR_OBSERVER_H
#define BR_OBSERVER_H

#include "engine/linear.h"

typedef struct br_observer {
    /**
     * Called before `linear` is computed for all rows of a pass, on the caller's thread. It may
     * pack that very linear anew (br_model_repack()): what follows is computed with the new
     * weights.
     * @param rows [count, linear->in] before they are quantized, linear->k floats apart
     */
    bertrun_status (*see)(void *data, const br_linear *linear, const float *rows, size_t count,
                          bertrun_error *error);
    void *data;
} br_observer;

#endif
