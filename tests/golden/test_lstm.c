/* LSTM language models: f32 against PyTorch, int8 against scripts/reference_lstm.py, a `.bin`
 * against its directory, and a real one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/npy_file.h"

static bertrun_lm *open_lm(const char *path, bertrun_precision precision)
{
    bertrun_lm *lm;
    bertrun_error error;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = precision;
    cr_assert_eq(bertrun_lm_open(&lm, path, &settings, &error), BERTRUN_OK, "%s", error.message);
    return lm;
}

static bertrun_lm_session *open_session(const bertrun_lm *lm, int threads, size_t columns)
{
    bertrun_lm_session *session;
    bertrun_error error;
    bertrun_lm_session_settings settings = {.threads = threads, .columns = columns};
    cr_assert_eq(bertrun_lm_session_open(&session, lm, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    return session;
}

static const float *logits_of(bertrun_lm_session *session, const int32_t *ids, size_t steps)
{
    const float *logits;
    bertrun_error error;
    cr_assert_eq(bertrun_lm_logits(session, ids, steps, &logits, &error), BERTRUN_OK, "%s",
                 error.message);
    return logits;
}

static void expect_near(const char *what, const float *values, const float *expected, size_t count,
                        float bound)
{
    for (size_t i = 0; i < count; i++)
        cr_assert(fabsf(values[i] - expected[i]) <= bound, "%s: %g at %zu, expected %g", what,
                  (double)values[i], i, (double)expected[i]);
}

static void convert(const char *directory, bertrun_dtype dtype, const char *path)
{
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = dtype;
    cr_assert_eq(bertrun_convert(directory, path, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
}

/* ------------------------------------------------------------------------------- tiny models */

static const char *const tiny_models[] = {"lstm", "lstm-tied-f16"};
enum { NUM_TINY = sizeof tiny_models / sizeof *tiny_models };

typedef struct tiny_set {
    char folder[1024];
    npy_file ids, logits, int8, int8_stored;
} tiny_set;

static npy_file open_array(const tiny_set *set, const char *name)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/%s.npy", set->folder, name);
    return npy_open(path);
}

static tiny_set open_tiny(const char *name)
{
    tiny_set set;
    snprintf(set.folder, sizeof set.folder, "%s/tiny/%s", fixture_environment("BERTRUN_GOLDEN"),
             name);
    set.ids = open_array(&set, "input_ids");
    set.logits = open_array(&set, "logits");
    set.int8 = open_array(&set, "int8");
    set.int8_stored = open_array(&set, "int8_stored");
    return set;
}

static void close_tiny(tiny_set *set)
{
    npy_close(&set->ids);
    npy_close(&set->logits);
    npy_close(&set->int8);
    npy_close(&set->int8_stored);
}

/* All columns at once, as the set has them. */
static void check_tiny(const char *path, const tiny_set *set, bertrun_precision precision,
                       const npy_file *expected, float bound)
{
    bertrun_lm *lm = open_lm(path, precision);
    bertrun_lm_session *session = open_session(lm, 1, set->ids.shape[1]);
    expect_near(path, logits_of(session, set->ids.i32, set->ids.shape[0]), expected->f32,
                expected->count, bound);
    bertrun_lm_session_close(&session);
    bertrun_lm_close(&lm);
}

Test(tiny_lstm, f32_is_pytorch)
{
    for (size_t i = 0; i < NUM_TINY; i++) {
        tiny_set set = open_tiny(tiny_models[i]);
        check_tiny(set.folder, &set, BERTRUN_PRECISION_F32, &set.logits, 2e-6f);
        check_tiny(set.folder, &set, BERTRUN_PRECISION_BF16, &set.logits, 0.05f);
        close_tiny(&set);
    }
}

/* One activation on the other side of a rounding's edge moves a logit by about 0.002. */
Test(tiny_lstm, int8_is_the_reference)
{
    for (size_t i = 0; i < NUM_TINY; i++) {
        tiny_set set = open_tiny(tiny_models[i]);
        check_tiny(set.folder, &set, BERTRUN_PRECISION_INT8, &set.int8, 0.005f);
        convert(set.folder, BERTRUN_DTYPE_INT8, "lstm.bin");
        check_tiny("lstm.bin", &set, BERTRUN_PRECISION_AUTO, &set.int8_stored, 0.005f);
        remove("lstm.bin");
        close_tiny(&set);
    }
}

/* A column alone, cut into calls of any length, on two threads: the same bits. */
static void check_cuts(const tiny_set *set, const bertrun_lm *lm)
{
    size_t steps = set->ids.shape[0], columns = set->ids.shape[1], words = set->logits.shape[2];
    bertrun_lm_session *together = open_session(lm, 1, columns);
    const float *all = logits_of(together, set->ids.i32, steps);
    bertrun_lm_session *alone = open_session(lm, 2, 1);
    for (size_t c = 0; c < columns; c++) {
        bertrun_lm_session_reset(alone);
        for (size_t t = 0, cut = 1; t < steps; t += cut, cut++) {
            int32_t ids[16];
            cut = cut < steps - t ? cut : steps - t;
            for (size_t i = 0; i < cut; i++)
                ids[i] = set->ids.i32[(t + i) * columns + c];
            const float *rows = logits_of(alone, ids, cut);
            for (size_t i = 0; i < cut; i++)
                cr_assert_arr_eq(rows + i * words, all + ((t + i) * columns + c) * words,
                                 words * sizeof *rows, "column %zu, step %zu", c, t + i);
        }
    }
    bertrun_lm_session_close(&alone);
    bertrun_lm_session_close(&together);
}

Test(tiny_lstm, int8_columns_do_not_depend_on_each_other)
{
    for (size_t i = 0; i < NUM_TINY; i++) {
        tiny_set set = open_tiny(tiny_models[i]);
        bertrun_lm *lm = open_lm(set.folder, BERTRUN_PRECISION_INT8);
        check_cuts(&set, lm);
        bertrun_lm_close(&lm);
        close_tiny(&set);
    }
}

/* Opens `path` with the kernels of a set; NULL: this CPU does not have it. */
static bertrun_lm *open_with(const char *isa, const char *path)
{
    bertrun_lm *lm;
    bertrun_error error;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = BERTRUN_PRECISION_INT8;
    cr_assert(setenv("BERTRUN_ISA", isa, 1) == 0);
    bertrun_status status = bertrun_lm_open(&lm, path, &settings, &error);
    cr_assert(status == BERTRUN_OK || strstr(error.message, isa), "%s", error.message);
    return lm;
}

Test(tiny_lstm, int8_bits_are_those_of_every_instruction_set)
{
    static const char *const others[] = {"avx2", "avx2-vnni", "avx512", "avx512-vnni"};
    for (size_t i = 0; i < NUM_TINY; i++) {
        tiny_set set = open_tiny(tiny_models[i]);
        bertrun_lm *scalar = open_with("scalar", set.folder);
        cr_assert(scalar);
        bertrun_lm_session *reference = open_session(scalar, 1, set.ids.shape[1]);
        const float *expected = logits_of(reference, set.ids.i32, set.ids.shape[0]);
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            bertrun_lm *lm = open_with(others[k], set.folder);
            if (!lm)
                continue;
            bertrun_lm_session *session = open_session(lm, 2, set.ids.shape[1]);
            cr_expect_arr_eq(logits_of(session, set.ids.i32, set.ids.shape[0]), expected,
                             set.logits.count * sizeof *expected, "%s", others[k]);
            bertrun_lm_session_close(&session);
            bertrun_lm_close(&lm);
        }
        bertrun_lm_session_close(&reference);
        bertrun_lm_close(&scalar);
        close_tiny(&set);
    }
}

Test(tiny_lstm, scores_are_the_softmax_of_logits)
{
    tiny_set set = open_tiny("lstm");
    size_t steps = set.ids.shape[0] - 1, columns = set.ids.shape[1], words = set.logits.shape[2];
    bertrun_lm *lm = open_lm(set.folder, BERTRUN_PRECISION_F32);
    bertrun_lm_session *session = open_session(lm, 1, columns);
    const float *log_probs;
    const int32_t *targets = set.ids.i32 + columns;
    cr_assert_eq(bertrun_lm_score(session, set.ids.i32, targets, steps, &log_probs, NULL),
                 BERTRUN_OK);
    for (size_t r = 0; r < steps * columns; r++) {
        double sum = 0;
        for (size_t w = 0; w < words; w++)
            sum += exp((double)set.logits.f32[r * words + w]);
        double expected = (double)set.logits.f32[r * words + (size_t)targets[r]] - log(sum);
        cr_expect(fabs((double)log_probs[r] - expected) < 1e-5, "%g, expected %g",
                  (double)log_probs[r], expected);
    }
    bertrun_lm_session_close(&session);
    bertrun_lm_close(&lm);
    close_tiny(&set);
}

Test(tiny_lstm, converted_f32_keeps_every_bit)
{
    for (size_t i = 0; i < NUM_TINY; i++) {
        tiny_set set = open_tiny(tiny_models[i]);
        bertrun_lm *lm = open_lm(set.folder, BERTRUN_PRECISION_F32);
        bertrun_lm_session *session = open_session(lm, 1, set.ids.shape[1]);
        npy_file same = set.logits;
        same.f32 = logits_of(session, set.ids.i32, set.ids.shape[0]);
        convert(set.folder, BERTRUN_DTYPE_F32, "lstm.bin");
        check_tiny("lstm.bin", &set, BERTRUN_PRECISION_F32, &same, 0);
        remove("lstm.bin");
        bertrun_lm_session_close(&session);
        bertrun_lm_close(&lm);
        close_tiny(&set);
    }
}

/* ----------------------------------------------------------------- WikiText-2, 5,000 words */

static const char wikitext[] = "models/lstm-wikitext2";

/* The first `count` words of the test text. */
static int32_t *read_words(const bertrun_lm *lm, size_t count)
{
    int32_t *ids = malloc(count * sizeof *ids);
    char *text = fixture_read(fixture_shared("data/wikitext2-test.txt"));
    size_t n = 0;
    for (char *line = text, *end; n < count && (end = strchr(line, '\n')); line = end + 1) {
        size_t length = (size_t)(end - line);
        for (size_t at = 0, size; n < count && bertrun_lm_next_word(line, length, &at, &size);
             at += size)
            ids[n++] = bertrun_lm_id(lm, line + at, size);
        if (n < count)
            ids[n++] = bertrun_lm_get_info(lm)->eos_id;
    }
    cr_assert_eq(n, count);
    free(text);
    return ids;
}

Test(wikitext, f32_logits_are_pytorch)
{
    char folder[4096], file[4200];
    snprintf(folder, sizeof folder, "%s", fixture_shared(wikitext));
    snprintf(file, sizeof file, "%s/reference_logits.npy", folder);
    npy_file reference = npy_open(file);
    bertrun_lm *lm = open_lm(folder, BERTRUN_PRECISION_AUTO);
    bertrun_lm_session *session = open_session(lm, 1, 1);
    int32_t *ids = read_words(lm, reference.shape[0]);
    expect_near("wikitext", logits_of(session, ids, reference.shape[0]), reference.f32,
                reference.count, 1e-4f);
    free(ids);
    bertrun_lm_session_close(&session);
    bertrun_lm_close(&lm);
    npy_close(&reference);
}

/* Of the first 12,000 words in 10 columns, state carried. */
static double perplexity(const char *path, bertrun_precision precision)
{
    enum { COLUMNS = 10, STEPS = 1200 };
    bertrun_lm *lm = open_lm(path, precision);
    bertrun_lm_session *session = open_session(lm, 2, COLUMNS);
    int32_t *words = read_words(lm, COLUMNS * STEPS), *ids = malloc(COLUMNS * STEPS * sizeof *ids);
    for (size_t i = 0; i < COLUMNS * STEPS; i++)
        ids[i] = words[i % COLUMNS * STEPS + i / COLUMNS];
    const float *log_probs;
    double sum = 0;
    cr_assert_eq(bertrun_lm_score(session, ids, ids + COLUMNS, STEPS - 1, &log_probs, NULL),
                 BERTRUN_OK);
    for (size_t i = 0; i < COLUMNS * (STEPS - 1); i++)
        sum += (double)log_probs[i];
    free(ids);
    free(words);
    bertrun_lm_session_close(&session);
    bertrun_lm_close(&lm);
    return exp(-sum / (COLUMNS * (STEPS - 1)));
}

Test(wikitext, perplexity)
{
    const double pytorch = 65.3293; /* PyTorch 2.15, f32, of the same words */
    char folder[4096];
    fixture_shared("data/wikitext2-test.txt");
    snprintf(folder, sizeof folder, "%s", fixture_shared(wikitext));
    double f32 = perplexity(folder, BERTRUN_PRECISION_F32);
    cr_expect(fabs(f32 - pytorch) < 0.005, "f32: %.4f, PyTorch %.4f", f32, pytorch);
    convert(folder, BERTRUN_DTYPE_INT8, "wikitext.bin");
    double int8 = perplexity("wikitext.bin", BERTRUN_PRECISION_AUTO);
    cr_expect(int8 < f32 * 1.003, "int8: %.4f, f32 %.4f", int8, f32);
    remove("wikitext.bin");
}
