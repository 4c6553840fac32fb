/* Classes: the best label, or, with --top-k or --threshold, the best ones, and no others. */
#include <stdint.h>

#include "cli/found.h"
#include "cli/json_write.h"

static bool chooses(const result_writer *writer)
{
    return writer->tasks->top_k || writer->tasks->has_threshold;
}

/* The label that comes after `previous` by score; SIZE_MAX: the first; width at the end. */
static size_t next_label(const result_row *row, size_t previous)
{
    size_t next = row->width;
    for (size_t i = 0; i < row->width; i++) {
        bool later = previous == SIZE_MAX || row->scores[i] < row->scores[previous] ||
                     (row->scores[i] == row->scores[previous] && i > previous);
        if (later && (next == row->width || row->scores[i] > row->scores[next]))
            next = i;
    }
    return next;
}

/* The same among those that were asked for, of which `given` are out already. */
static size_t next_chosen(const result_writer *writer, const result_row *row, size_t previous,
                          size_t given)
{
    const task_options *tasks = writer->tasks;
    size_t next = next_label(row, previous);
    bool enough = given >= (chooses(writer) ? (tasks->top_k ? tasks->top_k : row->width) : 1);
    bool low = next < row->width && tasks->has_threshold && row->scores[next] < tasks->threshold;
    return enough || low ? row->width : next;
}

void out_classes_text(const result_writer *writer, const result_row *row)
{
    int width = result_label_width(writer->model);
    const float *shown = writer->tasks->logits ? row->values : row->scores;
    size_t given = 0, label = SIZE_MAX;
    while ((label = next_chosen(writer, row, label, given++)) < row->width)
        fprintf(writer->stream, "%-*s  %.4f  ", width, writer->model->labels[label],
                (double)shown[label]);
    fprintf(writer->stream, "%s\n", row->title);
}

static void write_label(const result_writer *writer, const result_row *row, size_t label)
{
    fputs("\"label\": ", writer->stream);
    json_write_string(writer->stream, writer->model->labels[label]);
    fputs(", \"score\": ", writer->stream);
    json_write_float(writer->stream, row->scores[label]);
}

static void write_chosen(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    size_t given = 0, label = SIZE_MAX;
    fputs(", \"labels\": [", stream);
    while ((label = next_chosen(writer, row, label, given)) < row->width) {
        fputs(given++ ? ", {" : "{", stream);
        write_label(writer, row, label);
        fputs(", \"logit\": ", stream);
        json_write_float(stream, row->values[label]);
        fputc('}', stream);
    }
    fputc(']', stream);
}

void out_classes_json(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    if (chooses(writer)) {
        write_chosen(writer, row);
        return;
    }
    fputs(", ", stream);
    write_label(writer, row, result_best_label(row));
    fputs(", \"scores\": ", stream);
    json_write_floats(stream, row->scores, row->width);
    fputs(", \"logits\": ", stream);
    json_write_floats(stream, row->values, row->width);
}
