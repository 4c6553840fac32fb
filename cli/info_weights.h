/* bertrun info --weights: the tensors of a file, a line each. */
#ifndef INFO_WEIGHTS_H
#define INFO_WEIGHTS_H

#include "cli/cli.h"

/** `original` may be NULL: then errors of quantization are those to be expected. */
cli_exit info_weights(const char *model, const char *original, bool json);

#endif
