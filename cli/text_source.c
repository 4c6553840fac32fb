#include "cli/text_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets in the arena, which moves while it grows; SIZE_MAX: not there. */
struct text_place {
    size_t text, length, pair, pair_length, id;
    uint64_t line, unread;
};

cli_exit text_source_open(text_source *source, const char *path, char *const *arguments,
                          size_t num_arguments, const text_fields *fields)
{
    struct stat status;
    *source = (text_source){0};
    cli_exit code = text_reader_open(&source->reader, path, arguments, num_arguments, fields);
    FILE *file = text_reader_stream(&source->reader);
    if (code == CLI_OK && file && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode))
        source->size = (uint64_t)status.st_size;
    return code;
}

void text_source_close(text_source *source)
{
    text_reader_close(&source->reader);
    free(source->arena);
    free(source->places);
    free(source->inputs);
    free(source->origins);
    *source = (text_source){0};
}

bool text_source_is_terminal(const text_source *source)
{
    FILE *file = text_reader_stream(&source->reader);
    return file && isatty(fileno(file));
}

/* Appends bytes and a NUL to the arena; *place is where. */
static bool store(text_source *source, const char *bytes, size_t length, size_t *place)
{
    size_t needed = source->arena_used + length + 1;
    if (needed > source->arena_capacity) {
        char *arena = cli_realloc(source->arena, needed + needed / 2, 1);
        if (!arena)
            return false;
        source->arena = arena;
        source->arena_capacity = needed + needed / 2;
    }
    *place = source->arena_used;
    memcpy(source->arena + *place, bytes, length);
    source->arena[*place + length] = '\0';
    source->arena_used = needed;
    return true;
}

/* Makes room for one more text. */
static bool reserve(text_source *source, size_t count)
{
    if (count < source->capacity)
        return true;
    size_t capacity = count ? 2 * count : 64;
    void *places = cli_realloc(source->places, capacity, sizeof *source->places);
    if (places)
        source->places = places;
    void *inputs = places ? cli_realloc(source->inputs, capacity, sizeof *source->inputs) : NULL;
    if (inputs)
        source->inputs = inputs;
    void *origins = inputs ? cli_realloc(source->origins, capacity, sizeof *source->origins) : NULL;
    if (!origins)
        return false;
    source->origins = origins;
    source->capacity = capacity;
    return true;
}

static bool append(text_source *source, const text_record *record, size_t index)
{
    if (!reserve(source, index))
        return false;
    struct text_place *place = &source->places[index];
    *place = (struct text_place){.length = record->length,
                                 .pair = SIZE_MAX,
                                 .pair_length = record->pair_length,
                                 .id = SIZE_MAX,
                                 .line = record->line,
                                 .unread = record->unread};
    return store(source, record->text, record->length, &place->text) &&
           (!record->pair || store(source, record->pair, record->pair_length, &place->pair)) &&
           (!record->id || store(source, record->id, strlen(record->id), &place->id));
}

/* The question and the text. */
static void ask(const char *question, bertrun_input *input)
{
    input->pair = input->text;
    input->pair_length = input->length;
    input->text = question;
    input->length = strlen(question);
}

/* The arena moves no more: fills in the pointers. */
static void fill_batch(const text_source *source, size_t count, text_batch *batch)
{
    for (size_t i = 0; i < count; i++) {
        const struct text_place *place = &source->places[i];
        source->inputs[i] = (bertrun_input){
            .text = source->arena + place->text,
            .length = place->length,
            .pair = place->pair == SIZE_MAX ? NULL : source->arena + place->pair,
            .pair_length = place->pair_length,
        };
        if (source->question)
            ask(source->question, &source->inputs[i]);
        source->origins[i] = (text_origin){
            .line = place->line,
            .unread = place->unread,
            .id = place->id == SIZE_MAX ? NULL : source->arena + place->id,
        };
    }
    *batch = (text_batch){count, source->inputs, source->origins};
}

bool text_source_read(text_source *source, const batch_limits *limits, text_batch *batch)
{
    const text_record *record;
    size_t count = 0;
    source->arena_used = 0;
    while (!source->failed && count < limits->max_texts && source->arena_used < limits->max_bytes) {
        source->failed = !text_reader_next(&source->reader, &record);
        if (source->failed || !record)
            break;
        if (append(source, record, count))
            count++;
        else
            source->failed = true;
    }
    fill_batch(source, count, batch);
    return count > 0 || !source->failed;
}

cli_exit text_source_fail(const text_source *source, const text_batch *batch,
                          const bertrun_error *error)
{
    const char *detail = strstr(error->message, ": "); /* after "input N" */
    if (error->input >= batch->count)
        return cli_fail("%s", error->message);
    return cli_fail("%s: line %" PRIu64 "%s", source->reader.name,
                    batch->origins[error->input].line, detail ? detail : "");
}
