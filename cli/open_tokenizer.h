/* Opening a model's tokenizer, for `tokenize` and `bench --tokenizer`. */
#ifndef OPEN_TOKENIZER_H
#define OPEN_TOKENIZER_H

#include <stdbool.h>

#include "bertrun/bertrun.h"

/** False, having complained, where the model has none. */
bool open_tokenizer(bertrun_tokenizer **out, const char *model);

#endif
