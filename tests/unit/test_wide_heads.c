/* Classifiers as wide as a vocabulary: a label's logit is what it is beside fewer others. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bertrun/bertrun.h>

#include "model_fixture.h"

enum { NARROW = 4000, WIDE = 4100, TEXTS = 100, TOKENS = 7 };

/* Numbers of both signs, the same ones however many follow. */
static void make(model_fixture *f, size_t labels)
{
    json_t *names = json_object();
    char key[16];
    fixture_bert(f, true);
    for (size_t i = 0; i < labels; i++) {
        snprintf(key, sizeof key, "%zu", i);
        json_object_set_new(names, key, json_string(key));
    }
    json_object_set_new(f->config, "id2label", names);
    fixture_reshape(fixture_find(f, "classifier.weight"), 2, labels, 4);
    fixture_reshape(fixture_find(f, "classifier.bias"), 1, labels, 0);
    for (fixture_tensor *t = f->tensors; t < f->tensors + f->num_tensors; t++) {
        srand((unsigned)(t - f->tensors));
        for (size_t i = 0; i < t->bytes / sizeof(float); i++)
            ((float *)t->data)[i] = (float)(rand() % 2001 - 1000) / 1000;
    }
    fixture_text(f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    fixture_save(f);
}

static const bertrun_input *texts(void)
{
    static int32_t ids[TEXTS][TOKENS];
    static bertrun_input inputs[TEXTS];
    srand(1);
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t j = 0; j < TOKENS; j++)
            ids[i][j] = rand() % 5;
        inputs[i] = (bertrun_input){.ids = ids[i], .num_ids = 2 + i % (TOKENS - 1)};
    }
    return inputs;
}

/* Equalized by the texts, rounded by them, its biases corrected by them. */
static const char *convert(const model_fixture *f)
{
    static char path[128];
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.calibration = texts();
    settings.num_calibration = TEXTS;
    settings.rounding = BERTRUN_ROUNDING_GPTQ;
    snprintf(path, sizeof path, "%s/calibrated.bin", f->directory);
    cr_assert_eq(bertrun_convert(f->directory, path, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    return path;
}

/* [TEXTS, labels]; free() them. */
static float *logits_of(const char *path, bertrun_activations activations, size_t labels)
{
    bertrun_error error;
    bertrun_output output;
    bertrun_model *model = NULL;
    bertrun_session *session = NULL;
    const bertrun_model_settings settings = {.precision = BERTRUN_PRECISION_INT8,
                                             .activations = activations};
    cr_assert_eq(bertrun_model_open(&model, path, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    cr_assert_eq(bertrun_session_open(&session, model, NULL, &error), BERTRUN_OK, "%s",
                 error.message);
    cr_assert_eq(bertrun_classify(session, texts(), TEXTS, &output, &error), BERTRUN_OK, "%s",
                 error.message);
    cr_assert_eq(output.width, labels);
    float *values = malloc(TEXTS * labels * sizeof *values);
    cr_assert(values);
    memcpy(values, output.values, TEXTS * labels * sizeof *values);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return values;
}

static void check(bertrun_activations activations, bool calibrated)
{
    model_fixture wide, narrow;
    make(&wide, WIDE);
    make(&narrow, NARROW);
    float *many = logits_of(calibrated ? convert(&wide) : wide.directory, activations, WIDE);
    float *fewer = logits_of(calibrated ? convert(&narrow) : narrow.directory, activations, NARROW);
    for (size_t i = 0; i < TEXTS; i++)
        cr_expect(memcmp(many + i * WIDE, fewer + i * NARROW, NARROW * sizeof *many) == 0,
                  "text %zu", i);
    free(many);
    free(fewer);
    fixture_close(&wide);
    fixture_close(&narrow);
}

Test(wide_heads, share_one_range_with_activations_of_a_batch)
{
    check(BERTRUN_ACTIVATIONS_TOKEN, false);
    check(BERTRUN_ACTIVATIONS_BATCH, false);
}

Test(wide_heads, are_calibrated_once)
{
    check(BERTRUN_ACTIVATIONS_TOKEN, true);
}

/* They stand in the header of the file. */
Test(wide_heads, have_labels_by_the_ten_thousand)
{
    enum { LABELS = 40000 };
    model_fixture f;
    bertrun_error error;
    bertrun_model *model = NULL;
    char path[128];
    make(&f, LABELS);
    snprintf(path, sizeof path, "%s/labels.bin", f.directory);
    cr_assert_eq(bertrun_convert(f.directory, path, NULL, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(bertrun_model_open(&model, path, NULL, &error), BERTRUN_OK, "%s", error.message);
    const bertrun_model_info *info = bertrun_model_get_info(model);
    cr_assert_eq(info->num_labels, LABELS);
    cr_expect_str_eq(info->labels[LABELS - 1], "39999");
    bertrun_model_close(&model);
    fixture_close(&f);
}

Test(wide_heads, of_more_labels_than_a_header_holds_are_not_converted)
{
    enum { LABELS = 500000 };
    model_fixture f;
    bertrun_error error;
    make(&f, NARROW);
    json_object_del(f.config, "id2label");
    json_object_set_new(f.config, "num_labels", json_integer(LABELS));
    fixture_reshape(fixture_find(&f, "classifier.weight"), 2, LABELS, 4);
    fixture_reshape(fixture_find(&f, "classifier.bias"), 1, LABELS, 0);
    fixture_save(&f);
    size_t files = fixture_count_files(&f);
    char path[128];
    snprintf(path, sizeof path, "%s/labels.bin", f.directory);
    cr_assert_eq(bertrun_convert(f.directory, path, NULL, &error), BERTRUN_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "500000 labels"), "%s", error.message);
    cr_expect_eq(fixture_count_files(&f), files);
    fixture_close(&f);
}
