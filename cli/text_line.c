#include "cli/text_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

cli_exit text_line_open(text_line *line, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    *line = (text_line){.name = standard ? "standard input" : path};
    line->file = standard ? stdin : fopen(path, "rbe");
    return line->file ? CLI_OK : cli_fail("%s: cannot open: %s", path, strerror(errno));
}

void text_line_close(text_line *line)
{
    if (line->file && line->file != stdin)
        fclose(line->file);
    free(line->text);
    *line = (text_line){0};
}

/* Room for `needed` bytes. */
static bool reserve(text_line *line, size_t needed)
{
    if (needed <= line->capacity)
        return true;
    size_t capacity = needed + needed / 2 + 128;
    char *text = cli_realloc(line->text, capacity, 1);
    if (!text)
        return false;
    line->text = text;
    line->capacity = capacity;
    return true;
}

/* Reads up to LF or the end; *last is the byte that it ended with. */
static bool read_bytes(text_line *line, size_t limit, int *last)
{
    while ((*last = getc_unlocked(line->file)) != EOF) {
        line->bytes++;
        if (*last == '\n')
            break;
        if (line->length == limit)
            line->unread++;
        else if (reserve(line, line->length + 2))
            line->text[line->length++] = (char)*last;
        else
            return false;
    }
    return true;
}

/* Takes UTF-8's byte order mark off the first line; returns its length. */
static size_t drop_mark(text_line *line)
{
    static const char mark[] = {'\xEF', '\xBB', '\xBF'};
    if (line->lines > 0 || line->length < sizeof mark || memcmp(line->text, mark, sizeof mark) != 0)
        return 0;
    line->length -= sizeof mark;
    memmove(line->text, line->text + sizeof mark, line->length);
    return sizeof mark;
}

bool text_line_read(text_line *line, size_t limit)
{
    int last;
    uint64_t before = line->bytes;
    line->length = line->unread = 0;
    if (!reserve(line, 1) || !read_bytes(line, limit, &last))
        return false;
    if (last == EOF && ferror(line->file)) {
        cli_fail("%s: cannot read: %s", line->name, strerror(errno));
        return false;
    }
    if (last == '\n' && line->length && !line->unread && line->text[line->length - 1] == '\r')
        line->length--;
    line->end = line->bytes == before + drop_mark(line);
    line->text[line->length] = '\0';
    line->lines += !line->end;
    return true;
}
