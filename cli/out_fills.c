/* The tokens for each [MASK], the best first: a line each to read, lists for programs. */
#include "cli/found.h"
#include "cli/json_write.h"

void out_fills_text(const result_writer *writer, const result_row *row)
{
    for (size_t i = 0; i < row->num_found; i++)
        for (size_t k = 0; k < row->num_fills; k++) {
            const bertrun_fill *fill = &row->masks[i].fills[k];
            found_text_begin(writer->stream, row);
            fprintf(writer->stream, "%zu-%zu  %.4f  %.*s\n", row->masks[i].span.char_begin,
                    row->masks[i].span.char_end, (double)fill->score, (int)fill->token_length,
                    fill->token ? fill->token : "");
        }
}

void out_fills_json(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    fputs(", \"masks\": [", stream);
    for (size_t i = 0; i < row->num_found; i++) {
        const bertrun_mask *mask = &row->masks[i];
        fprintf(stream,
                "%s{\"token\": %zu, \"start\": %zu, \"end\": %zu, \"byte_start\": %zu, "
                "\"byte_end\": %zu, \"fills\": [",
                i ? ", " : "", mask->token, mask->span.char_begin, mask->span.char_end,
                mask->span.byte_begin, mask->span.byte_end);
        for (size_t k = 0; k < row->num_fills; k++) {
            const bertrun_fill *fill = &mask->fills[k];
            fprintf(stream, "%s{\"id\": %d, \"token\": ", k ? ", " : "", (int)fill->id);
            json_write_text(stream, fill->token ? fill->token : "", fill->token_length);
            fputs(", \"score\": ", stream);
            json_write_float(stream, fill->score);
            fputc('}', stream);
        }
        fputs("]}", stream);
    }
    fputc(']', stream);
}
