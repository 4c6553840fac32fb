/* Hidden states as .npy files, one a text, in a directory. */
#ifndef HIDDEN_FILES_H
#define HIDDEN_FILES_H

#include "cli/cli.h"
#include "cli/result_writer.h"

/** Makes the directory unless it is there. */
cli_exit hidden_files_begin(const char *directory);

/** Writes DIRECTORY/INDEX.npy, six digits at least, [states, tokens, width]. */
bool hidden_files_write(const char *directory, const result_writer *writer, const result_row *row);

#endif
