/* Widths that are no whole panels: what stands beyond them must not count. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <bertrun/bertrun.h>

#include "model_fixture.h"

enum { HIDDEN = 64, INTERMEDIATE = 100, TOKENS = 7 };

/* The fixture's sizes 4 and 6 become these, its numbers small ones of both signs. */
static void widen(model_fixture *f)
{
    json_object_set_new(f->config, "hidden_size", json_integer(HIDDEN));
    json_object_set_new(f->config, "intermediate_size", json_integer(INTERMEDIATE));
    for (fixture_tensor *t = f->tensors; t < f->tensors + f->num_tensors; t++) {
        size_t shape[2] = {t->shape[0], t->shape[1]};
        for (size_t i = 0; i < 2; i++)
            shape[i] = shape[i] == 4 ? HIDDEN : shape[i] == 6 ? INTERMEDIATE : shape[i];
        fixture_reshape(t, t->rank, shape[0], shape[1]);
        for (size_t i = 0; i < t->bytes / sizeof(float); i++)
            ((float *)t->data)[i] = (float)(rand() % 2001 - 1000) / 1000;
    }
}

static bertrun_model *convert_and_open(const model_fixture *f, const bertrun_keep *keep)
{
    char path[128];
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.keep = keep;
    settings.num_keep = 1;
    snprintf(path, sizeof path, "%s/padded.bin", f->directory);
    cr_assert_eq(bertrun_convert(f->directory, path, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    bertrun_model *model = NULL;
    cr_assert_eq(bertrun_model_open(&model, path, NULL, &error), BERTRUN_OK, "%s", error.message);
    return model;
}

static void expect_finite(const bertrun_model *model, int threads)
{
    static const int32_t ids[TOKENS] = {2, 4, 1, 4, 4, 1, 3};
    bertrun_error error;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.threads = threads;
    bertrun_session *session = NULL;
    cr_assert_eq(bertrun_session_open(&session, model, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    bertrun_input input = {.ids = ids, .num_ids = TOKENS};
    bertrun_output output;
    for (int call = 0; call < 2; call++) { /* the second finds what the first has left */
        cr_assert_eq(bertrun_embed(session, &input, 1, NULL, &output, &error), BERTRUN_OK, "%s",
                     error.message);
        for (size_t i = 0; i < HIDDEN; i++)
            cr_expect(isfinite(output.values[i]), "%d threads, call %d: [%zu] is %g", threads, call,
                      i, (double)output.values[i]);
    }
    bertrun_session_close(&session);
}

/* An int8 layer leaves sums, which as floats may be NaN, where the next one reads zeros times 0. */
Test(padding, of_an_int8_layer_before_a_float_one_is_zero)
{
    static const bertrun_keep kept[] = {{"*.0.output.dense", BERTRUN_DTYPE_F32},
                                        {"*.0.output.dense", BERTRUN_DTYPE_BF16}};
    model_fixture f;
    fixture_bert(&f, false);
    widen(&f);
    fixture_text(&f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    fixture_save(&f);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        bertrun_model *model = convert_and_open(&f, &kept[i]);
        expect_finite(model, 1);
        expect_finite(model, 2);
        bertrun_model_close(&model);
    }
    fixture_close(&f);
}
