#include "cli/found.h"

#include <string.h>

#include "cli/json_write.h"

void found_span_json(FILE *stream, const char *text, const bertrun_span *span)
{
    fputs("\"text\": ", stream);
    json_write_text(stream, text + span->byte_begin, span->byte_end - span->byte_begin);
    fprintf(stream, ", \"start\": %zu, \"end\": %zu, \"byte_start\": %zu, \"byte_end\": %zu",
            span->char_begin, span->char_end, span->byte_begin, span->byte_end);
}

void found_text_begin(FILE *stream, const result_row *row)
{
    char id[TITLE_BYTES];
    fprintf(stream, "%4zu  ", row->index);
    if (!row->id)
        return;
    result_title(id, &(bertrun_input){.text = row->id, .length = strlen(row->id)}, NULL);
    fprintf(stream, "%s  ", id);
}

void found_span_text(char title[TITLE_BYTES], const char *text, const bertrun_span *span)
{
    result_title(title,
                 &(bertrun_input){.text = text + span->byte_begin,
                                  .length = span->byte_end - span->byte_begin},
                 NULL);
}
