/* Embeddings gathered to be compared: every text with every other. */
#ifndef SIMILARITY_H
#define SIMILARITY_H

#include "cli/result_writer.h"

typedef struct similar_text {
    bertrun_text_info info;
    char *title, *id; /* id: or NULL */
} similar_text;

typedef struct similarity {
    float *rows; /* [count, width], each of length 1 */
    size_t count, capacity, width;
    similar_text *texts; /* [count] */
} similarity;

/** Takes a copy of an embedding, its title, id and info. Zero-initialize before the first. */
bool similarity_add(similarity *gathered, const result_row *row);

/** Writes the matrix of cosines [count, count], row by row. */
bool similarity_write(const similarity *gathered, result_writer *writer);

void similarity_free(similarity *gathered);

#endif
