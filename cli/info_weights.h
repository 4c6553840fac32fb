/* bertrun info --weights and --verify: the tensors of a file. */
#ifndef INFO_WEIGHTS_H
#define INFO_WEIGHTS_H

#include "cli/cli.h"

/** `original` may be NULL: then errors of quantization are those to be expected. */
cli_exit info_weights(const char *model, const char *original, bool json);

/** Names the tensors that have values which are not finite; those and a model that does not open
 * fail. */
cli_exit info_verify(const char *path);

#endif
