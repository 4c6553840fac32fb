/* The tokenizer of a model directory, which may lie in sentence-transformers' folder. */
#ifndef BR_DIRECTORY_TOKENIZER_H
#define BR_DIRECTORY_TOKENIZER_H

#include "tokenizer/tokenizer.h"

/** br_tokenizer_open_directory() of the directory that the transformer's files are in, with what
 * sentence-transformers' files say of lower case. */
bertrun_status br_open_directory_tokenizer(br_tokenizer **out, const char *directory,
                                           bertrun_error *error);

#endif
