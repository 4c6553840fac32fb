/*
 * Fields of a settings struct that are kept for later versions: a program that sets one asks for
 * what this version does not know, or has not initialized the struct.
 */
#ifndef BR_RESERVED_H
#define BR_RESERVED_H

#include "common/error.h"

static inline bertrun_status br_check_zeros(const uint64_t *fields, size_t count,
                                            bertrun_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i] != 0)
            return br_fail(error, BERTRUN_ERR_ARGUMENT,
                           "reserved: field %zu of the settings is not 0", i);
    return BERTRUN_OK;
}

#define BR_CHECK_RESERVED(settings, error)                                                         \
    br_check_zeros((settings)->reserved,                                                           \
                   sizeof(settings)->reserved / sizeof(settings)->reserved[0], error)

#endif
