/*
 * Any bytes as texts to run: lines, pairs, JSON lines, tables; and as a labelled file of `compare`.
 * Input: a byte that chooses the form, then the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/labelled_rows.h"
#include "cli/text_source.h"
#include "memory_file.h"

static const text_fields fields[] = {
    {.format = TEXT_LINES},
    {.format = TEXT_LINES, .pairs = true},
    {.format = TEXT_JSONL},
    {.format = TEXT_JSONL, .text = "a", .pair = "b", .id = "id"},
    {.format = TEXT_TSV, .text = "a", .pair = "b", .id = "id"},
    {.format = TEXT_TSV, .text = "1"},
};
enum { NUM_FIELDS = sizeof fields / sizeof *fields };

/* Every byte of the batch is there, and a NUL behind each text. */
static void check_batch(const text_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const bertrun_input *input = &batch->inputs[i];
        volatile size_t bytes = 0;
        for (size_t j = 0; j < input->length; j++)
            bytes = bytes + (input->text[j] != 0);
        for (size_t j = 0; input->pair && j < input->pair_length; j++)
            bytes = bytes + (input->pair[j] != 0);
        if (input->text[input->length] || (input->pair && input->pair[input->pair_length]) ||
            (batch->origins[i].id && strlen(batch->origins[i].id) == 0))
            abort();
    }
}

static void read_texts(const char *path, const text_fields *form)
{
    static const batch_limits limits = {7, 64};
    text_source source;
    text_batch batch = {0};
    if (text_source_open(&source, path, NULL, 0, form) == CLI_OK)
        while (text_source_read(&source, &limits, &batch) && batch.count > 0)
            check_batch(&batch);
    text_source_close(&source);
}

static void read_labelled(const char *path, bool header)
{
    labelled_rows rows = {0};
    const table_options options = {.columns = header ? "a,b,gold" : "1,2",
                                   .header = header,
                                   .where = header ? "split=test" : NULL};
    if (labelled_rows_read(&rows, path, &options) == CLI_OK)
        for (size_t i = 0; i < rows.count; i++)
            if (rows.rows[i].gold < rows.rows[i].texts[0].text)
                abort();
    labelled_rows_free(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t form = data[0] % (NUM_FIELDS + 2);
    const char *path = memory_file(data + 1, size - 1);
    if (form < NUM_FIELDS)
        read_texts(path, &fields[form]);
    else
        read_labelled(path, form == NUM_FIELDS);
    return 0;
}
