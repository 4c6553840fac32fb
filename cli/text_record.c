#include "cli/text_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool fail_line(const text_reader *reader, const char *detail)
{
    cli_fail("%s: line %" PRIu64 ": %s", reader->name, reader->lines, detail);
    return false;
}

/* An id as JSON text, in memory of the record; false where memory ran out. */
static bool keep_id(text_record *record, const json_t *id)
{
    record->id = id ? json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (!record->id)
        cli_fail("out of memory");
    return record->id;
}

/* ------------------------------------------------------------------------------ open and close */

static cli_exit add_column(text_reader *reader, const char *option, const char *name)
{
    return name ? table_file_add_column(&reader->table, option, name, strlen(name)) : CLI_OK;
}

static cli_exit open_table(text_reader *reader, const char *path)
{
    const text_fields *fields = &reader->fields;
    cli_exit code = table_file_open(&reader->table, path, &(table_options){.header = true});
    reader->name = reader->table.line.name;
    if (code == CLI_OK)
        code = add_column(reader, "--text-field", fields->text);
    if (code == CLI_OK)
        code = add_column(reader, "--pair-field", fields->pair);
    return code == CLI_OK ? add_column(reader, "--id-field", fields->id) : code;
}

static cli_exit open_file(text_reader *reader, const char *path)
{
    if (reader->fields.format == TEXT_TSV)
        return open_table(reader, path);
    cli_exit code = text_line_open(&reader->line, path);
    reader->name = reader->line.name;
    return code;
}

cli_exit text_reader_open(text_reader *reader, const char *path, char *const *arguments,
                          size_t num_arguments, const text_fields *fields)
{
    *reader = (text_reader){.fields = *fields, .name = "arguments"};
    if (!reader->fields.text)
        reader->fields.text = "text";
    if (num_arguments == 0)
        return open_file(reader, path ? path : "-");
    reader->arguments = arguments;
    reader->num_arguments = num_arguments;
    return CLI_OK;
}

static void drop_record(text_reader *reader)
{
    free(reader->record.id);
    json_decref(reader->object);
    reader->object = NULL;
    reader->record = (text_record){0};
}

void text_reader_close(text_reader *reader)
{
    drop_record(reader);
    text_line_close(&reader->line);
    table_file_close(&reader->table);
    *reader = (text_reader){0};
}

FILE *text_reader_stream(const text_reader *reader)
{
    return reader->line.file ? reader->line.file : reader->table.line.file;
}

/* -------------------------------------------------------------------------------------- lines */

/* A line in record->text; *end: there is none. */
static bool read_line(text_reader *reader, bool *end)
{
    text_line *line = &reader->line;
    size_t limit = reader->fields.limit ? reader->fields.limit : SIZE_MAX;
    if (!text_line_read(line, limit))
        return false;
    *end = line->end;
    reader->lines = line->lines;
    reader->bytes = line->bytes;
    reader->record.text = line->text;
    reader->record.length = line->length;
    reader->record.unread = line->unread;
    return true;
}

static void take_argument(text_reader *reader, bool *end)
{
    *end = reader->next_argument == reader->num_arguments;
    if (*end)
        return;
    reader->record.text = reader->arguments[reader->next_argument++];
    reader->record.length = strlen(reader->record.text);
    reader->lines++;
}

static bool split_pair(text_reader *reader)
{
    text_record *record = &reader->record;
    const char *tab = memchr(record->text, '\t', record->length);
    if (!tab)
        return fail_line(reader, "no tab, --pair needs TEXT<tab>TEXT");
    size_t first = (size_t)(tab - record->text);
    record->pair = tab + 1;
    record->pair_length = record->length - first - 1;
    record->length = first;
    return true;
}

/* --------------------------------------------------------------------------------- JSON lines */

static bool fail_field(const text_reader *reader, const char *name, const char *detail)
{
    cli_fail("%s: line %" PRIu64 ": field \"%s\" %s", reader->name, reader->lines, name, detail);
    return false;
}

static bool take_string(const text_reader *reader, const char *name, const char **text,
                        size_t *length)
{
    const json_t *value = json_object_get(reader->object, name);
    if (!json_is_string(value))
        return fail_field(reader, name, value ? "is no string" : "is missing");
    *text = json_string_value(value);
    *length = json_string_length(value);
    return true;
}

static bool parse_object(text_reader *reader)
{
    json_error_t error;
    text_record *record = &reader->record;
    reader->object = json_loadb(record->text, record->length, JSON_ALLOW_NUL, &error);
    if (json_is_object(reader->object))
        return true;
    cli_fail("%s: line %" PRIu64 ": not a JSON object%s%s", reader->name, reader->lines,
             reader->object ? "" : ": ", reader->object ? "" : error.text);
    return false;
}

static bool take_object(text_reader *reader)
{
    text_record *record = &reader->record;
    const text_fields *fields = &reader->fields;
    if (!parse_object(reader) || !take_string(reader, fields->text, &record->text, &record->length))
        return false;
    if (fields->pair && !take_string(reader, fields->pair, &record->pair, &record->pair_length))
        return false;
    const json_t *id = fields->id ? json_object_get(reader->object, fields->id) : NULL;
    if (fields->id && !json_is_string(id) && !json_is_integer(id))
        return fail_field(reader, fields->id, id ? "is neither string nor integer" : "is missing");
    return !id || keep_id(record, id);
}

/* -------------------------------------------------------------------------------------- table */

static bool take_row(text_reader *reader, bool *end)
{
    const table_cell *cells;
    text_record *record = &reader->record;
    if (!table_file_read(&reader->table, &cells))
        return false;
    reader->lines = reader->table.line.lines;
    reader->bytes = reader->table.line.bytes;
    *end = !cells;
    if (*end)
        return true;
    record->text = cells->text;
    record->length = cells->length;
    if (reader->fields.pair) {
        cells++;
        record->pair = cells->text;
        record->pair_length = cells->length;
    }
    if (!reader->fields.id)
        return true;
    cells++;
    json_t *id = json_stringn(cells->text, cells->length);
    if (!id)
        return fail_line(reader, "the id is not UTF-8");
    bool good = keep_id(record, id);
    json_decref(id);
    return good;
}

static bool is_blank(const text_record *record)
{
    size_t i = 0;
    while (i < record->length && strchr(" \t\r", record->text[i]))
        i++;
    return i == record->length;
}

/* Empty lines between objects are nothing. */
static bool next_object(text_reader *reader, bool *end)
{
    do {
        if (!read_line(reader, end))
            return false;
    } while (!*end && is_blank(&reader->record));
    return *end || take_object(reader);
}

bool text_reader_next(text_reader *reader, const text_record **record)
{
    bool end = false, good = true;
    drop_record(reader);
    if (reader->num_arguments)
        take_argument(reader, &end);
    else if (reader->fields.format == TEXT_LINES)
        good = read_line(reader, &end);
    else
        good = reader->table.line.file ? take_row(reader, &end) : next_object(reader, &end);
    if (good && !end && reader->fields.pairs)
        good = split_pair(reader);
    reader->record.line = reader->lines;
    *record = end ? NULL : &reader->record;
    return good;
}
