/* What a model computes in: settings and stored weights put together. */
#ifndef BR_SCHEME_H
#define BR_SCHEME_H

#include "engine/model.h"

/** How the file holds most linear layers: int8 where any is int8, else as the first one. */
br_dtype br_stored_dtype(const br_checkpoint *checkpoint);

/**
 * Fills info.precision, kept, activations and weights; the checkpoint must be open. Errors: NOMEM,
 * UNSUPPORTED (static activations asked of a file without).
 */
bertrun_status br_choose_scheme(bertrun_model *model, const char *path, bertrun_error *error);
void br_free_scheme(bertrun_model *model);

/** What s8 weights must be, and float ones become. */
bertrun_weights br_wanted_weights(const bertrun_model *model);

#endif
