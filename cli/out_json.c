/*
 * For programs: `jsonl` is an object a text, a line each; `json` is one object
 * {"model": PATH, "labels": [...], "results": [...]} with the same objects in it (labels, in the
 * order of the logits, only with classes).
 */
#include "cli/code_rows.h"
#include "cli/found.h"
#include "cli/json_write.h"
#include "cli/result_writer.h"

/* [states][tokens][width] */
static void write_hidden(FILE *stream, const result_row *row)
{
    for (size_t state = 0; state < row->states; state++) {
        fputs(state ? ", [" : "[[", stream);
        for (size_t token = 0; token < row->info.tokens; token++) {
            if (token)
                fputs(", ", stream);
            const float *values = row->values + state * row->state_stride + token * row->width;
            json_write_floats(stream, values, row->width);
        }
        fputc(']', stream);
    }
    fputc(']', stream);
}

static void write_embedding(const result_writer *writer, const result_row *row)
{
    if (!row->codes) {
        json_write_floats(writer->stream, row->values, row->width);
        return;
    }
    fputc('[', writer->stream);
    for (size_t i = 0; i < row->width; i++) {
        fputs(i ? ", " : "", writer->stream);
        json_write_float(writer->stream, code_element(writer->dtype, row->codes, i));
    }
    fputc(']', writer->stream);
}

static void write_result(const result_writer *writer, const result_row *row)
{
    switch (writer->kind) {
    case RESULT_CLASSES:
        out_classes_json(writer, row);
        return;
    case RESULT_ENTITIES:
        out_entities_json(writer, row);
        return;
    case RESULT_ANSWERS:
        out_answers_json(writer, row);
        return;
    case RESULT_FILLS:
        out_fills_json(writer, row);
        return;
    default:
        fprintf(writer->stream, ", \"%s\": ", result_kind_name(writer->kind));
        if (writer->kind == RESULT_HIDDEN)
            write_hidden(writer->stream, row);
        else
            write_embedding(writer, row);
    }
}

static void write_object(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    fprintf(stream, "{\"index\": %zu", row->index);
    if (row->id)
        fprintf(stream, ", \"id\": %s", row->id);
    fprintf(stream, ", \"tokens\": %zu, \"truncated\": %zu", row->info.tokens, row->info.truncated);
    if (row->info.windows > 1)
        fprintf(stream, ", \"windows\": %zu", row->info.windows);
    write_result(writer, row);
    fputc('}', stream);
}

static void jsonl_begin(result_writer *writer)
{
    (void)writer;
}

static void jsonl_row(result_writer *writer, const result_row *row)
{
    write_object(writer, row);
    fputc('\n', writer->stream);
}

static void jsonl_end(result_writer *writer)
{
    (void)writer;
}

static void json_begin(result_writer *writer)
{
    FILE *stream = writer->stream;
    fputs("{\"model\": ", stream);
    json_write_string(stream, writer->model_path);
    if (writer->kind == RESULT_CLASSES) {
        fputs(", \"labels\": [", stream);
        for (size_t i = 0; i < writer->model->num_labels; i++) {
            fputs(i ? ", " : "", stream);
            json_write_string(stream, writer->model->labels[i]);
        }
        fputc(']', stream);
    }
    fputs(", \"results\": [", stream);
}

static void json_row(result_writer *writer, const result_row *row)
{
    fputs(row->index ? ",\n  " : "\n  ", writer->stream);
    write_object(writer, row);
}

static void json_end(result_writer *writer)
{
    fputs("\n]}\n", writer->stream);
}

const result_format out_jsonl = {"jsonl", jsonl_begin, jsonl_row, jsonl_end};
const result_format out_json = {"json", json_begin, json_row, json_end};
