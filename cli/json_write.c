#include "cli/json_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* jansson refuses what is not UTF-8: then the ASCII of it. */
static json_t *ascii_string(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return NULL;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    json_t *string = json_string(copy);
    free(copy);
    return string;
}

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
    json_t *string = json_string(text);
    if (!string)
        string = ascii_string(text);
    json_dumpf(string, stream, JSON_ENCODE_ANY);
    json_decref(string);
}

void json_write_text(FILE *stream, const char *text, size_t length)
{
    json_t *string = json_stringn(text, length);
    char *copy = string ? NULL : strndup(text, length);
    if (string)
        json_dumpf(string, stream, JSON_ENCODE_ANY);
    else
        json_write_string(stream, copy ? copy : "");
    json_decref(string);
    free(copy);
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
