/* Calibration texts, all of a file at once, for `convert` and `calibrate`. */
#ifndef CALIBRATION_TEXTS_H
#define CALIBRATION_TEXTS_H

#include "bertrun/bertrun.h"
#include "cli/table_file.h"

typedef struct calibration_texts {
    bertrun_input *inputs; /* [count] */
    size_t count, capacity;
    char **cells; /* [count] the inputs' texts */
} calibration_texts;

/**
 * Reads a text of each of the columns asked for, from each line. Empty ones are left out. Returns
 * CLI_OK, or having complained another code. To be freed in either case.
 */
cli_exit calibration_texts_read(calibration_texts *texts, const char *path,
                                const table_options *options);
void calibration_texts_free(calibration_texts *texts);

#endif
