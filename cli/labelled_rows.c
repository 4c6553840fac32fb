#include "cli/labelled_rows.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(labelled_rows *rows)
{
    if (rows->count < rows->capacity)
        return true;
    size_t capacity = rows->capacity ? 2 * rows->capacity : 1024;
    labelled_row *grown = cli_realloc(rows->rows, capacity, sizeof *grown);
    if (!grown)
        return false;
    rows->rows = grown;
    rows->capacity = capacity;
    return true;
}

/* Copies the cells, each with its NUL, into one piece of memory. */
static bool append(labelled_rows *rows, const table_cell *cells, uint64_t line)
{
    size_t num_cells = rows->num_texts + 1, bytes = 0;
    for (size_t i = 0; i < num_cells; i++)
        bytes += cells[i].length + 1;
    char *at = reserve(rows) ? cli_realloc(NULL, bytes, 1) : NULL;
    if (!at)
        return false;
    labelled_row *row = &rows->rows[rows->count++];
    *row = (labelled_row){.line = line};
    for (size_t i = 0; i < num_cells; i++) {
        memcpy(at, cells[i].text, cells[i].length + 1);
        if (i < rows->num_texts)
            row->texts[i] = (table_cell){at, cells[i].length};
        else
            row->gold = at;
        at += cells[i].length + 1;
    }
    return true;
}

static cli_exit read_all(labelled_rows *rows, table_file *table)
{
    const table_cell *cells;
    for (;;) {
        if (!table_file_read(table, &cells))
            return CLI_FAILED;
        if (!cells)
            break;
        if (!append(rows, cells, table->line.lines))
            return CLI_FAILED;
    }
    return rows->count ? CLI_OK : cli_fail("%s: there are no such rows", rows->name);
}

cli_exit labelled_rows_read(labelled_rows *rows, const char *path, const table_options *options)
{
    table_file table;
    cli_exit code = table_file_open(&table, path, options);
    *rows = (labelled_rows){.name = table.line.name, .num_texts = table.num_columns - 1};
    if (code == CLI_OK && table.num_columns != 2 && table.num_columns != 3)
        code = cli_usage("--columns: %s: neither a text and its label nor two texts and their "
                         "label or score",
                         options->columns);
    if (code == CLI_OK)
        code = read_all(rows, &table);
    table_file_close(&table);
    return code;
}

void labelled_rows_free(labelled_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->rows[i].texts[0].text);
    free(rows->rows);
    *rows = (labelled_rows){0};
}
