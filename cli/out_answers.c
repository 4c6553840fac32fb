/* Answers, the best first: a line each to read, a list for programs. */
#include "cli/found.h"
#include "cli/json_write.h"

void out_answers_text(const result_writer *writer, const result_row *row)
{
    for (size_t i = 0; i < row->num_found; i++) {
        char part[TITLE_BYTES];
        const bertrun_answer *answer = &row->answers[i];
        found_span_text(part, row->input->pair, &answer->span);
        found_text_begin(writer->stream, row);
        fprintf(writer->stream, "%.4f  %zu-%zu  %s\n", (double)answer->score,
                answer->span.char_begin, answer->span.char_end, *part ? part : "(no answer)");
    }
}

void out_answers_json(const result_writer *writer, const result_row *row)
{
    FILE *stream = writer->stream;
    fputs(", \"answers\": [", stream);
    for (size_t i = 0; i < row->num_found; i++) {
        const bertrun_answer *answer = &row->answers[i];
        fputs(i ? ", {\"score\": " : "{\"score\": ", stream);
        json_write_float(stream, answer->score);
        fputs(", ", stream);
        found_span_json(stream, row->input->pair, &answer->span);
        fputc('}', stream);
    }
    fputc(']', stream);
}
