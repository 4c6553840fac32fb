#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>

bertrun_status br_fail(bertrun_error *error, bertrun_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        error->input = SIZE_MAX;
    }
    return status;
}

bertrun_status br_fail_input(bertrun_error *error, bertrun_status status, size_t index,
                             const char *format, ...)
{
    if (error) {
        int used = snprintf(error->message, sizeof error->message, "input %zu: ", index);
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message + used, sizeof error->message - (size_t)used, format, arguments);
        va_end(arguments);
        error->input = index;
    }
    return status;
}

bertrun_status br_fail_nomem(bertrun_error *error)
{
    return br_fail(error, BERTRUN_ERR_NOMEM, "out of memory");
}

const char *bertrun_status_string(bertrun_status status)
{
    switch (status) {
    case BERTRUN_OK:
        return "success";
    case BERTRUN_ERR_ARGUMENT:
        return "invalid argument";
    case BERTRUN_ERR_NOMEM:
        return "out of memory";
    case BERTRUN_ERR_IO:
        return "input/output error";
    case BERTRUN_ERR_FORMAT:
        return "malformed file";
    case BERTRUN_ERR_UNSUPPORTED:
        return "not supported";
    case BERTRUN_ERR_INTERNAL:
        return "internal error";
    }
    return "unknown status";
}
