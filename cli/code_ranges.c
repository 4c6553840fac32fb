#include "cli/code_ranges.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A .npy file at its data (numpy.lib.format, versions 1 to 3). */
typedef struct npy_reader {
    const char *path;
    FILE *file;
    size_t rows, columns;
} npy_reader;

static cli_exit fail(const npy_reader *npy, const char *what)
{
    return ferror(npy->file) ? cli_fail("%s: cannot read: %s", npy->path, strerror(errno))
                             : cli_fail("%s: %s", npy->path, what);
}

/* "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), }" */
static bool parse_header(npy_reader *npy, const char *header)
{
    const char *shape = strstr(header, "'shape': (");
    int end = 0; /* set where the ")" is there, too */
    return shape && strstr(header, "'descr': '<f4'") && strstr(header, "'fortran_order': False") &&
           sscanf(shape, "'shape': (%zu, %zu)%n", &npy->rows, &npy->columns, &end) == 2 && end > 0;
}

static cli_exit read_header(npy_reader *npy)
{
    unsigned char start[12] = {0};
    char header[65536];
    if (fread(start, 1, 10, npy->file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        return fail(npy, "not a .npy file");
    size_t length = start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) {
        if (fread(start + 10, 1, 2, npy->file) != 2)
            return fail(npy, "not a .npy file");
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (length >= sizeof header || fread(header, 1, length, npy->file) != length)
        return fail(npy, "the header is cut short");
    header[length] = '\0';
    return parse_header(npy, header) ? CLI_OK : fail(npy, "not a float32 array [rows, columns]");
}

/* Widens [2, width] by a row; the first sets both ends. */
static bool widen(float *ranges, const float *row, size_t width, bool first)
{
    for (size_t i = 0; i < width; i++) {
        if (!isfinite(row[i]))
            return false;
        if (first || row[i] < ranges[i])
            ranges[i] = row[i];
        if (first || row[i] > ranges[width + i])
            ranges[width + i] = row[i];
    }
    return true;
}

static cli_exit read_rows(const npy_reader *npy, bool calibration, float *ranges, float *row)
{
    size_t width = npy->columns;
    for (size_t i = 0; i < npy->rows; i++) {
        if (fread(row, sizeof *row, width, npy->file) != width)
            return fail(npy, "cut short");
        if (!calibration)
            memcpy(ranges + i * width, row, width * sizeof *row);
        else if (!widen(ranges, row, width, i == 0))
            return fail(npy, "holds a value that is not finite");
    }
    return CLI_OK;
}

static cli_exit read_file(npy_reader *npy, bool calibration, size_t width, float **out)
{
    cli_exit code = read_header(npy);
    if (code != CLI_OK)
        return code;
    if (npy->columns != width)
        return cli_fail("%s: rows of %zu values, the embeddings have %zu", npy->path, npy->columns,
                        width);
    if (npy->rows == 0 || (!calibration && npy->rows != 2))
        return cli_fail("%s: %zu rows, %s", npy->path, npy->rows,
                        calibration ? "no embeddings" : "ranges are two, of lows and of highs");
    *out = cli_realloc(NULL, 2 * width, sizeof **out);
    float *row = *out ? cli_realloc(NULL, width, sizeof *row) : NULL;
    if (row)
        code = read_rows(npy, calibration, *out, row);
    free(row);
    return row ? code : CLI_FAILED;
}

cli_exit code_ranges_read(const char *path, bool calibration, size_t width, float **out)
{
    npy_reader npy = {.path = path, .file = fopen(path, "rbe")};
    *out = NULL;
    if (!npy.file)
        return cli_fail("%s: cannot open: %s", path, strerror(errno));
    cli_exit code = read_file(&npy, calibration, width, out);
    fclose(npy.file);
    return code;
}
