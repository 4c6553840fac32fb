/* Widths that are no whole panels: what stands beyond them must not count. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bertrun/bertrun.h>

#include "model_fixture.h"

enum { TOKENS = 7, TEXTS = 20 };

static const int32_t ids[TOKENS] = {2, 4, 1, 4, 4, 1, 3};

typedef struct widths {
    size_t hidden, intermediate, heads;
} widths;

/* The fixture's sizes 4 and 6 become these, its numbers small ones of both signs. */
static void widen(model_fixture *f, widths w)
{
    json_object_set_new(f->config, "hidden_size", json_integer((json_int_t)w.hidden));
    json_object_set_new(f->config, "intermediate_size", json_integer((json_int_t)w.intermediate));
    json_object_set_new(f->config, "num_attention_heads", json_integer((json_int_t)w.heads));
    for (fixture_tensor *t = f->tensors; t < f->tensors + f->num_tensors; t++) {
        size_t shape[2] = {t->shape[0], t->shape[1]};
        for (size_t i = 0; i < 2; i++)
            shape[i] = shape[i] == 4 ? w.hidden : shape[i] == 6 ? w.intermediate : shape[i];
        fixture_reshape(t, t->rank, shape[0], shape[1]);
        for (size_t i = 0; i < t->bytes / sizeof(float); i++)
            ((float *)t->data)[i] = (float)(rand() % 2001 - 1000) / 1000;
    }
}

static void make(model_fixture *f, widths w)
{
    fixture_bert(f, false);
    widen(f, w);
    fixture_text(f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    fixture_save(f);
}

/* In int8, but for what `keep` names, if anything. */
static const char *convert(const model_fixture *f, const bertrun_keep *keep)
{
    static char path[128];
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.keep = keep;
    settings.num_keep = keep ? 1 : 0;
    snprintf(path, sizeof path, "%s/padded.bin", f->directory);
    cr_assert_eq(bertrun_convert(f->directory, path, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    return path;
}

static bertrun_model *open_model(const char *path)
{
    bertrun_error error;
    bertrun_model *model = NULL;
    cr_assert_eq(bertrun_model_open(&model, path, NULL, &error), BERTRUN_OK, "%s", error.message);
    return model;
}

static bertrun_session *open_session(const bertrun_model *model, int threads)
{
    bertrun_error error;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.threads = threads;
    bertrun_session *session = NULL;
    cr_assert_eq(bertrun_session_open(&session, model, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    return session;
}

/* The embeddings of so many texts, all alike; the session's. */
static const float *embed(bertrun_session *session, size_t texts)
{
    bertrun_input inputs[TEXTS];
    bertrun_error error;
    bertrun_output output;
    for (size_t i = 0; i < texts; i++)
        inputs[i] = (bertrun_input){.ids = ids, .num_ids = TOKENS};
    cr_assert_eq(bertrun_embed(session, inputs, texts, NULL, &output, &error), BERTRUN_OK, "%s",
                 error.message);
    return output.values;
}

static void expect_finite(const bertrun_model *model, size_t hidden, int threads)
{
    bertrun_session *session = open_session(model, threads);
    for (int call = 0; call < 2; call++) { /* the second finds what the first has left */
        const float *values = embed(session, 1);
        for (size_t i = 0; i < hidden; i++)
            cr_expect(isfinite(values[i]), "%d threads, call %d: [%zu] is %g", threads, call, i,
                      (double)values[i]);
    }
    bertrun_session_close(&session);
}

/* An int8 layer leaves sums, which as floats may be NaN, where the next one reads zeros times 0. */
Test(padding, of_an_int8_layer_before_a_float_one_is_zero)
{
    static const bertrun_keep kept[] = {{"*.0.output.dense", BERTRUN_DTYPE_F32},
                                        {"*.0.output.dense", BERTRUN_DTYPE_BF16}};
    const widths w = {64, 100, 2};
    model_fixture f;
    make(&f, w);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        bertrun_model *model = open_model(convert(&f, &kept[i]));
        expect_finite(model, w.hidden, 1);
        expect_finite(model, w.hidden, 2);
        bertrun_model_close(&model);
    }
    fixture_close(&f);
}

/*
 * By tiles each projection here goes in several parts, the last of them no whole panels; of one
 * text two threads share the columns instead, and there are no tiles.
 */
Test(padding, tiles_of_several_parts_give_the_bits_of_whole_projections)
{
    const widths w = {288, 2500, 9};
    model_fixture f;
    make(&f, w);
    bertrun_model *model = open_model(convert(&f, NULL));
    bertrun_session *one = open_session(model, 1), *two = open_session(model, 2);
    const float *whole = embed(two, 1);
    for (size_t texts = 1; texts <= TEXTS; texts++) {
        const float *values = embed(one, texts);
        for (size_t i = 0; i < texts; i++)
            cr_expect(memcmp(values + i * w.hidden, whole, w.hidden * sizeof *whole) == 0,
                      "text %zu of %zu", i, texts);
    }
    bertrun_session_close(&one);
    bertrun_session_close(&two);
    bertrun_model_close(&model);
    fixture_close(&f);
}
