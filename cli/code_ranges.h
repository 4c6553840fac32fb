/* The least and the greatest value of each dimension, out of a .npy file. */
#ifndef CODE_RANGES_H
#define CODE_RANGES_H

#include "cli/cli.h"

/**
 * Reads float32 [rows, width]. As ranges they are the two rows of the file, as calibration
 * embeddings it has any number of rows, whose least and greatest values they are.
 * @param[out] out [2, width]; free() it
 */
cli_exit code_ranges_read(const char *path, bool calibration, size_t width, float **out);

#endif
