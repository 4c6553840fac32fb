/* What config.json says about a head's outputs: their names, and how logits become scores. */
#ifndef BR_HF_LABELS_H
#define BR_HF_LABELS_H

#include "models/architecture.h"

/** Fills labels and scores, where a head of the architecture has labels. */
bertrun_status br_hf_labels_read(br_model_config *config, const br_architecture *architecture,
                                 const json_t *root, const char *file, bertrun_error *error);

#endif
