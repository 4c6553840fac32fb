/*
 * Conversion with calibration text: real sentences run through the model, and what enters its
 * linear layers decides how the checkpoint's tensors are changed before they are written. In this
 * order: equalization (equalize.h), rounding (round_weights.h), fixed inputs (fix_inputs.h), biases
 * (correct_biases.h).
 */
#ifndef BR_CALIBRATION_H
#define BR_CALIBRATION_H

#include "engine/model.h"
#include "engine/observer.h"

/** A checkpoint under calibration. */
typedef struct br_calibration {
    br_checkpoint *checkpoint;
    const char *source; /* the path it came from */
    const bertrun_convert_settings *settings;
    bertrun_input *inputs; /* [count] those of settings->calibration that are used; owned */
    size_t count;
} br_calibration;

/** Does what the settings ask for. Errors: as bertrun_convert(). */
bertrun_status br_calibrate(br_checkpoint *checkpoint, const char *source,
                            const bertrun_convert_settings *settings, bertrun_error *error);

/** Opens a model on the checkpoint as it is now. */
bertrun_status br_calibration_open(const br_calibration *calibration, bertrun_precision precision,
                                   bertrun_activations activations, bertrun_model **out,
                                   bertrun_error *error);

/** Runs all texts through the model, in one forward pass, under the observer's eyes. */
bertrun_status br_calibration_run(const br_calibration *calibration, const bertrun_model *model,
                                  const br_observer *observer, bertrun_error *error);

/**
 * What a row is multiplied by before it is summed up with others, so that all rows count alike: 1 /
 * root mean square, 0 of a row of zeros. A few tokens ([SEP], mostly) have values some ten times
 * those of others; the LayerNorm behind makes their errors as small again.
 */
float br_calibration_row_factor(const br_ops *ops, const float *row, size_t n);

/** Logs a line. */
void br_calibration_log(const br_calibration *calibration, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
