#include "cli/text_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool text_source_open(text_source *source, const char *path, char *const *arguments,
                      size_t num_arguments, bool pairs)
{
    *source = (text_source){.pairs = pairs, .arguments = arguments, .num_arguments = num_arguments};
    if (num_arguments > 0) {
        source->name = "arguments";
        return true;
    }
    bool standard = !path || strcmp(path, "-") == 0;
    source->name = standard ? "standard input" : path;
    source->file = standard ? stdin : fopen(path, "rbe");
    if (!source->file) {
        cli_fail("%s: cannot open: %s", path, strerror(errno));
        return false;
    }
    struct stat status;
    if (fstat(fileno(source->file), &status) == 0 && S_ISREG(status.st_mode))
        source->size = (uint64_t)status.st_size;
    return true;
}

void text_source_close(text_source *source)
{
    if (source->file && source->file != stdin)
        fclose(source->file);
    free(source->line);
    free(source->arena);
    free(source->inputs);
    *source = (text_source){0};
}

bool text_source_is_terminal(const text_source *source)
{
    return source->file && isatty(fileno(source->file));
}

/* A line without its end ("\n" or "\r\n"). Returns false at the end or after an error. */
static bool read_line(text_source *source, const char **line, size_t *length)
{
    ssize_t got = getline(&source->line, &source->line_capacity, source->file);
    if (got < 0)
        return false;
    source->bytes += (uint64_t)got;
    *line = source->line;
    *length = cli_line_length(source->line, (size_t)got);
    return true;
}

static bool next_text(text_source *source, const char **text, size_t *length)
{
    if (source->file)
        return read_line(source, text, length);
    if (source->next_argument == source->num_arguments)
        return false;
    *text = source->arguments[source->next_argument++];
    *length = strlen(*text);
    return true;
}

/* Makes `input` of a text whose bytes were just appended to the arena. */
static bool fill_input(const text_source *source, bertrun_input *input, const char *text,
                       size_t length)
{
    *input = (bertrun_input){.text = text, .length = length};
    if (!source->pairs)
        return true;
    const char *tab = memchr(text, '\t', length);
    if (!tab) {
        cli_fail("%s: line %" PRIu64 ": no tab, --pair needs TEXT<tab>TEXT", source->name,
                 source->lines);
        return false;
    }
    input->length = (size_t)(tab - text);
    input->pair = tab + 1;
    input->pair_length = length - input->length - 1;
    return true;
}

/* The arena moved: takes the inputs' pointers along. */
static void move_inputs(bertrun_input *inputs, size_t count, const char *from, const char *to)
{
    for (size_t i = 0; i < count; i++) {
        inputs[i].text = to + (inputs[i].text - from);
        if (inputs[i].pair)
            inputs[i].pair = to + (inputs[i].pair - from);
    }
}

/* Appends a text to the arena, which keeps a byte more than it needs so that no text is NULL. */
static const char *store(text_source *source, const char *text, size_t length, size_t count)
{
    size_t needed = source->arena_used + length + 1;
    if (needed > source->arena_capacity) {
        size_t capacity = needed + needed / 2;
        char *arena = malloc(capacity);
        if (!arena) {
            cli_fail("%s: out of memory", source->name);
            return NULL;
        }
        if (source->arena_used)
            memcpy(arena, source->arena, source->arena_used);
        move_inputs(source->inputs, count, source->arena, arena);
        free(source->arena);
        source->arena = arena;
        source->arena_capacity = capacity;
    }
    char *stored = source->arena + source->arena_used;
    memcpy(stored, text, length);
    source->arena_used += length;
    return stored;
}

static bool append(text_source *source, const char *text, size_t length, size_t count)
{
    source->lines++;
    if (count == source->inputs_capacity) {
        size_t capacity = count ? 2 * count : 64;
        bertrun_input *inputs = cli_realloc(source->inputs, capacity, sizeof *inputs);
        if (!inputs)
            return false;
        source->inputs = inputs;
        source->inputs_capacity = capacity;
    }
    const char *stored = store(source, text, length, count);
    return stored && fill_input(source, &source->inputs[count], stored, length);
}

bool text_source_read(text_source *source, const batch_limits *limits, const bertrun_input **inputs,
                      size_t *count)
{
    const char *text;
    size_t length, texts = 0;
    source->arena_used = 0;
    while (texts < limits->max_texts && source->arena_used < limits->max_bytes &&
           next_text(source, &text, &length)) {
        if (!append(source, text, length, texts))
            return false;
        texts++;
    }
    if (source->file && ferror(source->file)) {
        cli_fail("%s: cannot read: %s", source->name, strerror(errno));
        return false;
    }
    *inputs = source->inputs;
    *count = texts;
    return true;
}
