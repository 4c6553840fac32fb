/*
 * NumPy's array file, version 1.0 (numpy.lib.format), little-endian, C order: float32, or what
 * embeddings are stored as. Embeddings and similarities are [texts, width], logits [texts, labels],
 * hidden states of one text [states, tokens, width].
 *
 * The number of rows stands in the header, before the rows. So the header has a fixed size and is
 * written again at the end; where the output cannot seek, the rows wait in a temporary file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/code_rows.h"
#include "cli/result_writer.h"

enum { HEADER_BYTES = 128, PREFIX_BYTES = 10 };

static void write_header(const result_writer *writer)
{
    char header[HEADER_BYTES + 1];
    char shape[72];
    if (writer->kind == RESULT_HIDDEN)
        snprintf(shape, sizeof shape, "%zu, %zu, %zu", writer->states, writer->rows, writer->width);
    else
        snprintf(shape, sizeof shape, "%zu, %zu", writer->rows, writer->width);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = HEADER_BYTES - PREFIX_BYTES;
    header[9] = 0;
    int used = snprintf(header + PREFIX_BYTES, sizeof header - PREFIX_BYTES,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                        code_npy_type(writer->dtype), shape);
    memset(header + PREFIX_BYTES + used, ' ', (size_t)(HEADER_BYTES - PREFIX_BYTES - used));
    header[HEADER_BYTES - 1] = '\n';
    fwrite(header, 1, HEADER_BYTES, writer->stream);
}

static void fail_spool(result_writer *writer)
{
    writer->failed = true;
    cli_fail("temporary file for npy: %s", strerror(errno));
}

/* Appending descriptors write at the end wherever they are told to seek. */
static bool can_seek(FILE *stream)
{
    struct stat status;
    int fd = fileno(stream);
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && !(fcntl(fd, F_GETFL) & O_APPEND);
}

static void begin(result_writer *writer)
{
    if (can_seek(writer->stream)) {
        writer->start = ftello(writer->stream);
        write_header(writer);
    } else {
        writer->spool = tmpfile();
        if (!writer->spool)
            fail_spool(writer);
    }
}

static void write_tokens(FILE *stream, const result_row *row)
{
    for (size_t state = 0; state < row->states; state++)
        fwrite(row->values + state * row->state_stride, row->width * sizeof(float),
               row->info.tokens, stream);
}

static void row_out(result_writer *writer, const result_row *row)
{
    FILE *stream = writer->spool ? writer->spool : writer->stream;
    if (writer->kind == RESULT_HIDDEN) {
        write_tokens(stream, row);
        writer->rows += row->info.tokens;
    } else {
        size_t size = writer->dtype == BERTRUN_EMBEDDING_F32   ? sizeof(float)
                      : writer->dtype == BERTRUN_EMBEDDING_F16 ? sizeof(uint16_t)
                                                               : 1;
        fwrite(row->codes ? row->codes : row->values, size, row->width, stream);
        writer->rows++;
    }
    if (writer->spool && ferror(writer->spool) && !writer->failed)
        fail_spool(writer);
}

static void copy_spool(result_writer *writer)
{
    char buffer[65536];
    size_t got;
    if (fflush(writer->spool) != 0)
        fail_spool(writer);
    rewind(writer->spool);
    while ((got = fread(buffer, 1, sizeof buffer, writer->spool)) > 0)
        fwrite(buffer, 1, got, writer->stream);
    if (ferror(writer->spool) && !writer->failed)
        fail_spool(writer);
}

static void end(result_writer *writer)
{
    if (writer->spool) {
        write_header(writer);
        copy_spool(writer);
        return;
    }
    off_t last = ftello(writer->stream);
    fseeko(writer->stream, writer->start, SEEK_SET);
    write_header(writer);
    fseeko(writer->stream, last, SEEK_SET);
}

const result_format out_npy = {"npy", begin, row_out, end};
