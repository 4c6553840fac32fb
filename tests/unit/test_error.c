#include <criterion/criterion.h>
#include <string.h>

#include "common/error.h"

Test(error, each_status_has_a_phrase_of_its_own)
{
    enum { FIRST = BERTRUN_ERR_INTERNAL - 1 }; /* which is none */
    for (int a = FIRST; a <= BERTRUN_OK; a++)
        for (int b = FIRST; b < a; b++)
            cr_assert_str_neq(bertrun_status_string((bertrun_status)a),
                              bertrun_status_string((bertrun_status)b));
    cr_assert_str_eq(bertrun_status_string(BERTRUN_ERR_NOMEM), "out of memory");
    cr_assert_str_eq(bertrun_status_string((bertrun_status)FIRST), "unknown status");
    cr_assert_str_eq(bertrun_status_string((bertrun_status)1), "unknown status");
}

Test(error, a_message_names_its_input)
{
    bertrun_error error;
    cr_assert_eq(br_fail_input(&error, BERTRUN_ERR_ARGUMENT, 7, "id %d", -3), BERTRUN_ERR_ARGUMENT);
    cr_assert_str_eq(error.message, "input 7: id -3");
    cr_assert_eq(error.input, 7);
    cr_assert_eq(br_fail(&error, BERTRUN_ERR_IO, "%s: gone", "x"), BERTRUN_ERR_IO);
    cr_assert_str_eq(error.message, "x: gone");
    cr_assert_eq(error.input, SIZE_MAX);
}

Test(error, a_long_message_is_cut)
{
    bertrun_error error;
    char name[2 * sizeof error.message];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    br_fail(&error, BERTRUN_ERR_IO, "%s", name);
    cr_assert_eq(strlen(error.message), sizeof error.message - 1);
    br_fail_input(&error, BERTRUN_ERR_IO, SIZE_MAX, "%s", name);
    cr_assert_eq(strlen(error.message), sizeof error.message - 1);
}

Test(error, nobody_needs_to_listen)
{
    cr_assert_eq(br_fail(NULL, BERTRUN_ERR_FORMAT, "x"), BERTRUN_ERR_FORMAT);
    cr_assert_eq(br_fail_input(NULL, BERTRUN_ERR_FORMAT, 1, "x"), BERTRUN_ERR_FORMAT);
    cr_assert_eq(br_fail_nomem(NULL), BERTRUN_ERR_NOMEM);
}
