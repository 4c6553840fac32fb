/* Failing with a sentence: fills the caller's bertrun_error and hands the status on. */
#ifndef BR_ERROR_H
#define BR_ERROR_H

#include "bertrun/bertrun.h"

/** Writes the formatted line into *error (where not NULL) and returns `status`. */
bertrun_status br_fail(bertrun_error *error, bertrun_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same about input `index` of a call: "input INDEX: " goes before the line. */
bertrun_status br_fail_input(bertrun_error *error, bertrun_status status, size_t index,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

/** br_fail() with BERTRUN_ERR_NOMEM and the sentence for it. */
bertrun_status br_fail_nomem(bertrun_error *error);

/** Returns from the calling function with the status, unless it is BERTRUN_OK. */
#define BR_TRY(expression)                                                                         \
    do {                                                                                           \
        bertrun_status br_try_status = (expression);                                               \
        if (br_try_status != BERTRUN_OK)                                                           \
            return br_try_status;                                                                  \
    } while (0)

#endif
