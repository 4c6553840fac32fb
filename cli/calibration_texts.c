#include "cli/calibration_texts.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(calibration_texts *texts)
{
    if (texts->count < texts->capacity)
        return true;
    size_t capacity = texts->capacity ? 2 * texts->capacity : 1024;
    bertrun_input *inputs = cli_realloc(texts->inputs, capacity, sizeof *inputs);
    if (inputs)
        texts->inputs = inputs;
    char **cells = cli_realloc(texts->cells, capacity, sizeof *cells);
    if (cells)
        texts->cells = cells;
    if (!inputs || !cells)
        return false;
    texts->capacity = capacity;
    return true;
}

static bool add(calibration_texts *texts, const table_cell *cell)
{
    if (cell->length == 0)
        return true;
    char *copy = reserve(texts) ? cli_realloc(NULL, cell->length, 1) : NULL;
    if (!copy)
        return false;
    memcpy(copy, cell->text, cell->length);
    texts->cells[texts->count] = copy;
    texts->inputs[texts->count++] = (bertrun_input){.text = copy, .length = cell->length};
    return true;
}

static cli_exit read_table(calibration_texts *texts, table_file *table)
{
    const table_cell *cells;
    do {
        if (!table_file_read(table, &cells))
            return CLI_FAILED;
        for (size_t i = 0; cells && i < table->num_columns; i++)
            if (!add(texts, &cells[i]))
                return CLI_FAILED;
    } while (cells);
    return texts->count > 0 ? CLI_OK : cli_fail("%s: no texts", table->line.name);
}

cli_exit calibration_texts_read(calibration_texts *texts, const char *path,
                                const table_options *options)
{
    table_file table;
    *texts = (calibration_texts){0};
    cli_exit code = table_file_open(&table, path, options);
    if (code == CLI_OK)
        code = read_table(texts, &table);
    table_file_close(&table);
    return code;
}

void calibration_texts_free(calibration_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->cells[i]);
    free(texts->cells);
    free(texts->inputs);
    *texts = (calibration_texts){0};
}
