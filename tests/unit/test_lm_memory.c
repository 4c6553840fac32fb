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
#include "memory_trial.h"

static bertrun_error error;

typedef struct lm_trial {
    const char *path;
    bertrun_model_settings model_settings;
    bertrun_lm_session_settings settings;
    bertrun_lm *lm;
    bertrun_lm_session *session;
} lm_trial;

static const char *tiny(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tiny/%s", getenv("BERTRUN_GOLDEN"), name);
    return path;
}

static bertrun_status open_both(void *data)
{
    lm_trial *t = data;
    t->session = NULL;
    bertrun_status status = bertrun_lm_open(&t->lm, t->path, &t->model_settings, &error);
    if (status == BERTRUN_OK)
        status = bertrun_lm_session_open(&t->session, t->lm, &t->settings, &error);
    return status;
}

static void close_both(void *data)
{
    lm_trial *t = data;
    bertrun_lm_session_close(&t->session);
    bertrun_lm_close(&t->lm);
}

/* The logits after some words from a zero state, and then the scores of some more. */
static bertrun_status use(void *data, double *sum)
{
    enum { STEPS = 5, WORDS = 17 };
    const lm_trial *t = data;
    bertrun_lm_session *session = t->session;
    size_t columns = t->settings.columns;
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

static void try_each_allocation(const char *path, bertrun_precision precision, int threads,
                                size_t columns)
{
    lm_trial t = {.path = path, .model_settings.precision = precision};
    bertrun_lm_session_settings_init(&t.settings);
    t.settings.threads = threads;
    t.settings.columns = columns;
    memory_try_each((memory_trial){path, &t, &error, open_both, use, close_both, 0}, 50);
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
