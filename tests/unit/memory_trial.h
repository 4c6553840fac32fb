/*
 * Every allocation of the library fails in turn while something is opened, used and closed: the
 * answer is NOMEM, nothing leaks, and the next use works with the same result. Included by one file
 * of a program, see failing_memory.h.
 */
#ifndef MEMORY_TRIAL_H
#define MEMORY_TRIAL_H

#include <criterion/criterion.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "failing_memory.h"

typedef struct memory_trial {
    const char *path;     /* names it in messages */
    void *data;           /* what the calls get */
    bertrun_error *error; /* what they fill */
    bertrun_status (*open)(void *data);
    /* What is open is used again after a failure; *sum receives something of the result. */
    bertrun_status (*use)(void *data, double *sum);
    void (*close)(void *data);
    double expected; /* what `use` sums up where nothing fails */
} memory_trial;

/*
 * With allocation `fail_at` failing; false where there are not so many. It may succeed all the
 * same: memory that grows asks for less where it does not get all it would like.
 */
static bool memory_survive(const memory_trial *t, long fail_at)
{
    double sum = t->expected;
    long held = memory_held;
    t->error->message[0] = '\0';
    memory_fail_at = fail_at;
    bertrun_status status = t->open(t->data);
    bool opened = status == BERTRUN_OK;
    if (opened)
        status = t->use(t->data, &sum);
    bool failed = memory_fail_at <= 0;
    memory_fail_at = 0;
    if (status == BERTRUN_OK)
        cr_assert_eq(sum, t->expected, "%s, allocation %ld: another result", t->path, fail_at);
    else
        cr_assert(failed && status == BERTRUN_ERR_NOMEM && strstr(t->error->message, "memory"),
                  "%s, allocation %ld: %s (%s)", t->path, fail_at, bertrun_status_string(status),
                  t->error->message);
    if (opened) { /* it works on after the failure */
        cr_assert_eq(t->use(t->data, &sum), BERTRUN_OK, "%s", t->error->message);
        cr_assert_eq(sum, t->expected, "%s, after allocation %ld: another result", t->path,
                     fail_at);
    }
    t->close(t->data);
    cr_assert_eq(memory_held, held, "%s, allocation %ld: %ld leak", t->path, fail_at,
                 memory_held - held);
    return failed;
}

/* There must be more than `least` allocations. */
static void memory_try_each(memory_trial t, long least)
{
    cr_assert_eq(t.open(t.data), BERTRUN_OK, "%s", t.error->message);
    cr_assert_eq(t.use(t.data, &t.expected), BERTRUN_OK, "%s", t.error->message);
    cr_assert(t.expected != 0, "%s: nothing is found", t.path);
    t.close(t.data);
    long fail_at = 1;
    while (memory_survive(&t, fail_at))
        fail_at++;
    cr_expect_gt(fail_at, least, "%s: only %ld allocations", t.path, fail_at);
}

#endif
