/* Named entities: a line each to read, a list for programs. */
#include "cli/found.h"
#include "cli/json_write.h"

void out_entities_text(const result_writer *writer, const result_row *row)
{
    int width = result_label_width(writer->model);
    for (size_t i = 0; i < row->num_found; i++) {
        char part[TITLE_BYTES];
        const bertrun_entity *entity = &row->entities[i];
        found_span_text(part, row->input->text, &entity->span);
        found_text_begin(writer->stream, row);
        fprintf(writer->stream, "%-*s  %.4f  %zu-%zu  %s\n", width, entity->label,
                (double)entity->score, entity->span.char_begin, entity->span.char_end, part);
    }
}

void out_entities_json(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    fputs(", \"entities\": [", stream);
    for (size_t i = 0; i < row->num_found; i++) {
        const bertrun_entity *entity = &row->entities[i];
        fputs(i ? ", {\"label\": " : "{\"label\": ", stream);
        json_write_string(stream, entity->label);
        fputs(", \"score\": ", stream);
        json_write_float(stream, entity->score);
        fputs(", ", stream);
        found_span_json(stream, row->input->text, &entity->span);
        fputc('}', stream);
    }
    fputc(']', stream);
}
