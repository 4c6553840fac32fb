#include "cli/text_line.h"

#include <errno.h>
#include <string.h>

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
static bool read_bytes(text_line *line, FILE *file, size_t limit, int *last)
{
    while ((*last = getc_unlocked(file)) != EOF) {
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

bool text_line_read(text_line *line, FILE *file, const char *name, size_t limit)
{
    int last;
    uint64_t before = line->bytes;
    line->length = line->unread = 0;
    if (!reserve(line, 1) || !read_bytes(line, file, limit, &last))
        return false;
    if (last == EOF && ferror(file)) {
        cli_fail("%s: cannot read: %s", name, strerror(errno));
        return false;
    }
    if (last == '\n' && line->length && !line->unread && line->text[line->length - 1] == '\r')
        line->length--;
    line->text[line->length] = '\0';
    line->end = line->bytes == before;
    line->lines += !line->end;
    return true;
}
