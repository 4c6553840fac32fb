/*
 * Every allocation of ours fails in turn, in opening a language model and a session and in reading
 * words: the answer is NOMEM, nothing leaks, and the next call works with the same result.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bertrun/bertrun.h"
#include "failing_memory.h"

static bertrun_error error;

typedef struct trial {
    const char *path;
    bertrun_model_settings model;
    bertrun_lm_session_settings session;
    double expected; /* sum of what is computed where nothing fails */
} trial;

static const char *tiny(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tiny/%s", getenv("BERTRUN_GOLDEN"), name);
    return path;
}

static bertrun_status open_both(const trial *t, bertrun_lm **lm, bertrun_lm_session **session)
{
    *session = NULL;
    bertrun_status status = bertrun_lm_open(lm, t->path, &t->model, &error);
    return status ? status : bertrun_lm_session_open(session, *lm, &t->session, &error);
}

/* The logits after some words from a zero state, and then the scores of some more. */
static bertrun_status use(bertrun_lm_session *session, size_t columns, double *sum)
{
    enum { STEPS = 5, WORDS = 17 };
    int32_t ids[2 * STEPS * 3];
    const float *logits, *log_probs;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        ids[i] = (int32_t)(i * 7 % WORDS);
    *sum = 0;
    bertrun_lm_session_reset(session);
    bertrun_status status = bertrun_lm_logits(session, ids, STEPS, &logits, &error);
    for (size_t i = 0; status == BERTRUN_OK && i < STEPS * columns * WORDS; i++)
        *sum += (double)(i % 5 + 1) * (double)logits[i];
    if (status == BERTRUN_OK)
        status = bertrun_lm_score(session, ids, ids + columns, STEPS, &log_probs, &error);
    for (size_t i = 0; status == BERTRUN_OK && i < STEPS * columns; i++)
        *sum += (double)(i % 5 + 1) * (double)log_probs[i];
    return status;
}

/*
 * Opens, runs and closes with allocation `fail_at` failing; false where there are not so many. It
 * may succeed all the same: memory that grows asks for less where it does not get all it would
 * like.
 */
static bool survive(const trial *t, long fail_at)
{
    bertrun_lm *lm;
    bertrun_lm_session *session;
    double sum = t->expected;
    long held = memory_held;
    error.message[0] = '\0';
    memory_fail_at = fail_at;
    bertrun_status status = open_both(t, &lm, &session);
    if (status == BERTRUN_OK)
        status = use(session, t->session.columns, &sum);
    bool failed = memory_fail_at <= 0;
    memory_fail_at = 0;
    if (status == BERTRUN_OK)
        cr_assert_eq(sum, t->expected, "%s, allocation %ld: another result", t->path, fail_at);
    else
        cr_assert(failed && status == BERTRUN_ERR_NOMEM && strstr(error.message, "memory"),
                  "%s, allocation %ld: %s (%s)", t->path, fail_at, bertrun_status_string(status),
                  error.message);
    if (session) { /* it works on after the failure */
        cr_assert_eq(use(session, t->session.columns, &sum), BERTRUN_OK, "%s", error.message);
        cr_assert_eq(sum, t->expected, "%s, after allocation %ld", t->path, fail_at);
    }
    bertrun_lm_session_close(&session);
    bertrun_lm_close(&lm);
    cr_assert_eq(memory_held, held, "%s, allocation %ld: %ld leak", t->path, fail_at,
                 memory_held - held);
    return failed;
}

static void try_each_allocation(const char *path, bertrun_precision precision, int threads,
                                size_t columns)
{
    bertrun_lm *lm;
    bertrun_lm_session *session;
    trial t = {.path = path, .model.precision = precision};
    bertrun_lm_session_settings_init(&t.session);
    t.session.threads = threads;
    t.session.columns = columns;
    cr_assert_eq(open_both(&t, &lm, &session), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(use(session, columns, &t.expected), BERTRUN_OK, "%s", error.message);
    bertrun_lm_session_close(&session);
    bertrun_lm_close(&lm);
    long fail_at = 1;
    while (survive(&t, fail_at))
        fail_at++;
    cr_expect_gt(fail_at, 50, "%s: only %ld allocations", path, fail_at);
}

Test(lm_memory, directory, .timeout = 100)
{
    try_each_allocation(tiny("lstm"), BERTRUN_PRECISION_INT8, 2, 3);
    try_each_allocation(tiny("lstm"), BERTRUN_PRECISION_F32, 1, 1);
    try_each_allocation(tiny("lstm-tied-f16"), BERTRUN_PRECISION_BF16, 1, 2);
}

Test(lm_memory, file, .timeout = 100)
{
    char file[] = "/tmp/bertrun-memory-XXXXXX.bin";
    int made = mkstemps(file, 4);
    cr_assert_geq(made, 0);
    close(made);
    cr_assert_eq(bertrun_convert(tiny("lstm"), file, NULL, &error), BERTRUN_OK, "%s",
                 error.message);
    try_each_allocation(file, BERTRUN_PRECISION_AUTO, 2, 2);
    unlink(file);
}

Test(lm_memory, identify)
{
    bool failed = true;
    for (long fail_at = 1; failed; fail_at++) {
        bertrun_kind kind = BERTRUN_KIND_ENCODER;
        long held = memory_held;
        memory_fail_at = fail_at;
        bertrun_status status = bertrun_identify(tiny("lstm"), &kind, &error);
        failed = memory_fail_at <= 0;
        memory_fail_at = 0;
        cr_assert_eq(status, failed ? BERTRUN_ERR_NOMEM : BERTRUN_OK, "allocation %ld: %s", fail_at,
                     error.message);
        cr_assert_eq(memory_held, held, "allocation %ld", fail_at);
        cr_assert(failed || kind == BERTRUN_KIND_LM);
    }
}
