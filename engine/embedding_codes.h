/* Embeddings in fewer bits, as sentence-transformers' quantize_embeddings() makes them. */
#ifndef BR_EMBEDDING_CODES_H
#define BR_EMBEDDING_CODES_H

#include "bertrun/bertrun.h"

/** Bytes of a row of `width` values; 0 for F32, which has no codes. */
size_t br_embedding_code_bytes(bertrun_embedding_dtype dtype, size_t width);

/**
 * Encodes one row, values [width].
 * @param ranges [2, width], for INT8 and UINT8
 * @param out    br_embedding_code_bytes(), aligned to an element
 */
void br_embedding_encode(bertrun_embedding_dtype dtype, const float *values, size_t width,
                         const float *ranges, void *out);

#endif
