#include "cli/table_file.h"

#include <inttypes.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- cells */

/* Cell `index` of the line, still with the tab behind it; false where there are too few. */
static bool find_cell(const text_line *line, size_t index, table_cell *cell)
{
    char *at = line->text, *end = line->text + line->length, *tab;
    for (; index > 0; index--) {
        if (!(tab = memchr(at, '\t', (size_t)(end - at))))
            return false;
        at = tab + 1;
    }
    tab = memchr(at, '\t', (size_t)(end - at));
    *cell = (table_cell){at, (size_t)((tab ? tab : end) - at)};
    return true;
}

static size_t count_cells(const text_line *line)
{
    size_t count = 1;
    for (size_t i = 0; i < line->length; i++)
        count += line->text[i] == '\t';
    return count;
}

/* -------------------------------------------------------------------------------------- columns */

static bool is_text(const table_cell *cell, const char *text, size_t length)
{
    return cell->length == length && memcmp(cell->text, text, length) == 0;
}

/* The column that the header calls by that name. */
static bool find_name(const text_line *header, const char *name, size_t length, size_t *index)
{
    table_cell cell;
    for (size_t i = 0; find_cell(header, i, &cell); i++) {
        if (is_text(&cell, name, length)) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool parse_number(const char *text, size_t length, size_t *index)
{
    enum { MAX_DIGITS = 6 };
    size_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || i == MAX_DIGITS)
            return false;
        value = 10 * value + (size_t)(text[i] - '0');
    }
    *index = value - 1;
    return value > 0;
}

/* A name in the header, which was read if there is one, or else a number from 1. */
static cli_exit find_column(const table_file *table, const char *option, const char *text,
                            size_t length, size_t *index)
{
    bool named = table->line.lines > 0;
    if ((named && find_name(&table->line, text, length, index)) ||
        parse_number(text, length, index))
        return CLI_OK;
    if (named)
        return cli_fail("%s: line 1: no column is named '%.*s', there are %zu: %.400s",
                        table->line.name, (int)length, text, count_cells(&table->line),
                        table->line.text);
    return cli_usage("%s: '%.*s' is no number from 1; names need a first line with them, and "
                     "--header",
                     option, (int)length, text);
}

cli_exit table_file_add_column(table_file *table, const char *option, const char *text,
                               size_t length)
{
    if (table->num_columns == TABLE_MAX_COLUMNS)
        return cli_usage("%s: more than %d", option, TABLE_MAX_COLUMNS);
    return find_column(table, option, text, length, &table->columns[table->num_columns++]);
}

static cli_exit find_columns(table_file *table, const char *columns)
{
    cli_exit code = CLI_OK;
    for (const char *at = columns; at && code == CLI_OK;) {
        size_t length = strcspn(at, ",");
        code = table_file_add_column(table, "--columns", at, length);
        at = at[length] ? at + length + 1 : NULL;
    }
    return code;
}

static cli_exit find_where(table_file *table, const table_options *options)
{
    if (!options->where)
        return CLI_OK;
    const char *equals = strchr(options->where, '=');
    if (!equals)
        return cli_usage("--where: '%s' is not COLUMN=VALUE", options->where);
    table->where_value = equals + 1;
    table->where_length = strlen(equals + 1);
    return find_column(table, "--where", options->where, (size_t)(equals - options->where),
                       &table->where_column);
}

cli_exit table_file_open(table_file *table, const char *path, const table_options *options)
{
    *table = (table_file){0};
    if (text_line_open(&table->line, path) != CLI_OK ||
        (options->header && !text_line_read(&table->line, SIZE_MAX)))
        return CLI_FAILED;
    if (table->line.end)
        return cli_fail("%s: empty, there is no header", table->line.name);
    cli_exit code = find_columns(table, options->columns);
    return code == CLI_OK ? find_where(table, options) : code;
}

void table_file_close(table_file *table)
{
    text_line_close(&table->line);
    *table = (table_file){0};
}

/* ----------------------------------------------------------------------------------------- rows */

static bool take_cell(const table_file *table, size_t column, table_cell *cell)
{
    if (find_cell(&table->line, column, cell))
        return true;
    cli_fail("%s: line %" PRIu64 ": has %zu columns, but column %zu is asked for", table->line.name,
             table->line.lines, count_cells(&table->line), column + 1);
    return false;
}

bool table_file_read(table_file *table, const table_cell **cells)
{
    table_cell where;
    *cells = NULL;
    do {
        if (!text_line_read(&table->line, SIZE_MAX))
            return false;
        if (table->line.end)
            return true;
        if (table->where_value && !take_cell(table, table->where_column, &where))
            return false;
    } while (table->where_value && !is_text(&where, table->where_value, table->where_length));
    for (size_t i = 0; i < table->num_columns; i++)
        if (!take_cell(table, table->columns[i], &table->cells[i]))
            return false;
    for (size_t i = 0; i < table->num_columns; i++)
        table->cells[i].text[table->cells[i].length] = '\0';
    *cells = table->cells;
    return true;
}
