/* Embeddings as the codes of a bertrun_embedding_dtype: their elements as numbers. */
#ifndef CODE_ROWS_H
#define CODE_ROWS_H

#include "bertrun/bertrun.h"

/** Elements of a row of code_bytes. */
size_t code_row_width(bertrun_embedding_dtype dtype, size_t code_bytes);

/** NumPy's name of an element's type: "<f4", "<f2", "|i1", "|u1". */
const char *code_npy_type(bertrun_embedding_dtype dtype);

/** Element `index` as stored: a float for F16, else an integer. */
float code_element(bertrun_embedding_dtype dtype, const void *codes, size_t index);

/**
 * What a row of codes stands for, out [width]: the lower end of an INT8 or UINT8 bucket, and 1 or
 * -1 for a bit.
 * @param ranges [2, width], of INT8 and UINT8
 */
void code_row_values(bertrun_embedding_dtype dtype, const void *codes, const float *ranges,
                     size_t width, float *out);

#endif
