/* For people: a line a text, shortened to fit a screen. The other formats have every value. */
#include <math.h>

#include "cli/code_rows.h"
#include "cli/found.h"
#include "cli/result_writer.h"

enum { SHOWN_VALUES = 4 };

/* "[ 0.0351 -0.0120  0.0442  0.0713 ... 384]" */
static void write_values(FILE *stream, const float *values, size_t count)
{
    size_t shown = count < SHOWN_VALUES ? count : SHOWN_VALUES;
    fputc('[', stream);
    for (size_t i = 0; i < shown; i++)
        fprintf(stream, "%s% .4f", i ? " " : "", (double)values[i]);
    if (shown < count)
        fprintf(stream, " ... %zu", count);
    fputc(']', stream);
}

/* "[  12  -87    3  127 ... 384]" */
static void write_codes(FILE *stream, const result_row *row, bertrun_embedding_dtype dtype)
{
    float shown[SHOWN_VALUES];
    size_t count = row->width < SHOWN_VALUES ? row->width : SHOWN_VALUES;
    for (size_t i = 0; i < count; i++)
        shown[i] = code_element(dtype, row->codes, i);
    fputc('[', stream);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, dtype == BERTRUN_EMBEDDING_F16 ? "%s% .4f" : "%s%4.0f", i ? " " : "",
                (double)shown[i]);
    if (count < row->width)
        fprintf(stream, " ... %zu", row->width);
    fputc(']', stream);
}

static double norm(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void write_embedding(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    fprintf(stream, "%4zu  ", row->index);
    if (row->codes) {
        write_codes(stream, row, writer->dtype);
    } else {
        write_values(stream, row->values, row->width);
        fprintf(stream, "  norm %.4f", norm(row->values, row->width));
    }
    fprintf(stream, "  %zu tokens  %s\n", row->info.tokens, row->title);
}

/* The first token's row of every state. */
static void write_hidden(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    fprintf(stream, "%4zu  %zu states x %zu tokens x %zu  %s\n", row->index, row->states,
            row->info.tokens, row->width, row->title);
    for (size_t i = 0; i < row->states; i++) {
        fprintf(stream, "      %2d  ", writer->layers ? writer->layers[i] : (int)i);
        write_values(stream, row->values + i * row->state_stride, row->width);
        fputc('\n', stream);
    }
}

static void write_similarity(FILE *stream, const result_row *row)
{
    fprintf(stream, "%4zu", row->index);
    for (size_t i = 0; i < row->width; i++)
        fprintf(stream, " %7.4f", (double)row->values[i]);
    fprintf(stream, "  %s\n", row->title);
}

static void begin(result_writer *writer)
{
    if (writer->kind != RESULT_SIMILARITY || writer->width == 0)
        return;
    fputs("    ", writer->stream);
    for (size_t i = 0; i < writer->width; i++)
        fprintf(writer->stream, " %7zu", i);
    fputc('\n', writer->stream);
}

static void row_out(result_writer *writer, const result_row *row)
{
    switch (writer->kind) {
    case RESULT_EMBEDDING:
        write_embedding(writer, row);
        break;
    case RESULT_CLASSES:
        out_classes_text(writer, row);
        break;
    case RESULT_HIDDEN:
        write_hidden(writer, row);
        break;
    case RESULT_SIMILARITY:
        write_similarity(writer->stream, row);
        break;
    case RESULT_ENTITIES:
        out_entities_text(writer, row);
        break;
    case RESULT_ANSWERS:
        out_answers_text(writer, row);
        break;
    case RESULT_FILLS:
        out_fills_text(writer, row);
        break;
    }
}

static void end(result_writer *writer)
{
    (void)writer;
}

const result_format out_text = {"text", begin, row_out, end};
