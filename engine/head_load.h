/* Heads in memory, made of an architecture's table. */
#ifndef BR_HEAD_LOAD_H
#define BR_HEAD_LOAD_H

#include "engine/model.h"

/** Packs what the table lists. On failure, too, *out is to be freed. */
bertrun_status br_head_load(br_head *out, const br_head_spec *spec, const br_packer *packer,
                            bertrun_error *error);
void br_head_free(br_head *head);

/** Widens `NAME.weight` and `NAME.bias`. */
bertrun_status br_layer_norm_load(br_layer_norm *out, const br_checkpoint *checkpoint,
                                  const char *name, bertrun_error *error);

#endif
