/* Writing a checkpoint as a `.bin`: what bertrun_convert() does with the one it has opened. */
#ifndef BR_CONVERT_H
#define BR_CONVERT_H

#include "models/checkpoint.h"

/**
 * Writes `checkpoint`, its matrices as the settings (checked) say, to `file`; its fixed inputs go
 * along. `source` is the path it came from, for the tokenizer and in errors. Errors: as
 * bertrun_convert().
 */
bertrun_status br_convert_checkpoint(const br_checkpoint *checkpoint, const char *source,
                                     const char *file, const bertrun_convert_settings *settings,
                                     bertrun_error *error);

/** Whether a linear layer's weight is stored in a dtype of its own. */
bool br_convert_keeps(const bertrun_convert_settings *settings, const br_tensor *weight);

#endif
