/* What a language model is, for bertrun info. */
#ifndef INFO_LM_H
#define INFO_LM_H

#include "cli/cli.h"

/** Prints the facts of the language model at `path`, as text or JSON. */
cli_exit info_lm(const char *path, bool json);

#endif
