#include "cli/json_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/utf8.h"

cli_exit json_print(json_t *value, int digits)
{
    if (!value)
        return cli_fail("out of memory");
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(digits));
    putchar('\n');
    json_decref(value);
    return CLI_OK;
}

void json_write_string(FILE *stream, const char *text)
{
    json_write_text(stream, text, strlen(text));
}

/* jansson takes nothing but UTF-8. */
static json_t *mended_string(const char *text, size_t length)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    char *copy = cli_realloc(NULL, length, sizeof replacement - 1);
    size_t used = 0;
    for (size_t at = 0, bytes; copy && at < length; at += bytes) {
        bool good;
        bytes = utf8_next(text + at, length - at, &good);
        size_t size = good ? bytes : sizeof replacement - 1;
        memcpy(copy + used, good ? text + at : replacement, size);
        used += size;
    }
    json_t *string = copy ? json_stringn(copy, used) : NULL;
    free(copy);
    return string;
}

void json_write_text(FILE *stream, const char *text, size_t length)
{
    json_t *string = json_stringn(text, length);
    if (!string)
        string = mended_string(text, length);
    json_dumpf(string, stream, JSON_ENCODE_ANY);
    json_decref(string);
}

void json_write_float(FILE *stream, float value)
{
    if (isfinite(value))
        fprintf(stream, "%.9g", (double)value);
    else
        fputs("null", stream);
}

void json_write_floats(FILE *stream, const float *values, size_t count)
{
    fputc('[', stream);
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputs(", ", stream);
        json_write_float(stream, values[i]);
    }
    fputc(']', stream);
}
