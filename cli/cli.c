#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"

static void print_line(const char *format, va_list arguments)
{
    fputs("bertrun: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

cli_exit cli_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    return CLI_FAILED;
}

cli_exit cli_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    return CLI_USAGE;
}

void cli_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
}

void cli_log(void *data, const char *message)
{
    (void)data;
    cli_note("%s", message);
}

cli_exit cli_help(const char *text)
{
    fputs(text, stdout);
    return CLI_OK;
}

cli_exit cli_close_stdout(cli_exit code)
{
    bool lost = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) != 0)
        lost = true;
    if (lost && code == CLI_OK)
        return cli_fail("standard output: cannot write%s%s", errno ? ": " : "",
                        errno ? strerror(errno) : "");
    return code;
}

const cli_choice cli_precisions[] = {
    {"auto", BERTRUN_PRECISION_AUTO},
    {"int8", BERTRUN_PRECISION_INT8},
    {"bf16", BERTRUN_PRECISION_BF16},
    {"f32", BERTRUN_PRECISION_F32},
    {NULL, 0},
};

const cli_choice cli_activations[] = {
    {"auto", BERTRUN_ACTIVATIONS_AUTO},
    {"token", BERTRUN_ACTIVATIONS_TOKEN},
    {"token-symmetric", BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC},
    {"batch", BERTRUN_ACTIVATIONS_BATCH},
    {"batch-symmetric", BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC},
    {"pytorch", BERTRUN_ACTIVATIONS_PYTORCH},
    {"static", BERTRUN_ACTIVATIONS_STATIC},
    {NULL, 0},
};

const cli_choice cli_weights[] = {
    {"auto", BERTRUN_WEIGHTS_AUTO},
    {"per-channel", BERTRUN_WEIGHTS_PER_CHANNEL},
    {"per-tensor", BERTRUN_WEIGHTS_PER_TENSOR},
    {NULL, 0},
};

const cli_choice cli_kernels[] = {
    {"auto", BERTRUN_KERNELS_AUTO},
    {"onednn", BERTRUN_KERNELS_ONEDNN},
    {NULL, 0},
};

const cli_choice cli_poolings[] = {
    {"auto", BERTRUN_POOLING_AUTO},
    {"mean", BERTRUN_POOLING_MEAN},
    {"cls", BERTRUN_POOLING_CLS},
    {"max", BERTRUN_POOLING_MAX},
    {"pooler", BERTRUN_POOLING_POOLER},
    {"weighted-mean", BERTRUN_POOLING_WEIGHTED_MEAN},
    {"last-token", BERTRUN_POOLING_LAST_TOKEN},
    {NULL, 0},
};

const cli_choice cli_dtypes[] = {
    {"int8", BERTRUN_DTYPE_INT8},
    {"f16", BERTRUN_DTYPE_F16},
    {"bf16", BERTRUN_DTYPE_BF16},
    {"f32", BERTRUN_DTYPE_F32},
    {NULL, 0},
};

bool cli_parse_choice(const char *option, const char *text, const cli_choice *choices, int *out)
{
    char known[128] = "";
    for (const cli_choice *choice = choices; choice->name; choice++) {
        if (strcmp(choice->name, text) == 0) {
            *out = choice->value;
            return true;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", choice->name);
    }
    cli_usage("%s: '%s' is none of %s", option, text, known);
    return false;
}

bool cli_parse_size(const char *option, const char *text, size_t min, size_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end)
        cli_usage("%s: '%s' is not a whole number", option, text);
    else if (errno || value < (long long)min || (unsigned long long)value > SIZE_MAX)
        cli_usage("%s: %s is out of range, it must be %zu or more", option, text, min);
    else {
        *out = (size_t)value;
        return true;
    }
    return false;
}

bool cli_parse_threads(const char *text, int *out)
{
    size_t value;
    if (!cli_parse_size("--threads", text, 0, &value))
        return false;
    if (value > INT_MAX) {
        cli_usage("--threads: %s is out of range", text);
        return false;
    }
    *out = (int)value;
    return true;
}

bool cli_parse_float(const char *option, const char *text, float *out)
{
    char *end;
    *out = strtof(text, &end);
    if (end != text && !*end && isfinite(*out))
        return true;
    cli_usage("%s: '%s' is not a number", option, text);
    return false;
}

bool cli_parse_seconds(const char *option, const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value <= 0) {
        cli_usage("%s: '%s' is not a number above 0", option, text);
        return false;
    }
    *out = value;
    return true;
}

void *cli_realloc(void *memory, size_t count, size_t size)
{
    void *result = reallocarray(memory, count ? count : 1, size);
    if (!result)
        cli_fail("out of memory");
    return result;
}
