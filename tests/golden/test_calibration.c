/*
 * Conversion with calibration text: equalized models compute what the original computes, fixed
 * ranges are those of the hidden states, and MiniLM and the classifiers lose as little as they
 * should.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/checkpoint.h"
#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static const char made[] = "calibrated.bin";

static bertrun_convert_settings settings_for(const golden_set *set, bertrun_dtype dtype)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = dtype;
    settings.calibration = set->inputs;
    settings.num_calibration = set->count;
    return settings;
}

static void convert(const char *from, const bertrun_convert_settings *settings)
{
    bertrun_error error;
    golden_require(bertrun_convert(from, made, settings, &error), &error);
}

/* ------------------------------------------------------------------------------- tiny models */

static const char *const tiny_models[] = {
    "tiny/bert",
    "tiny/bert-old-names", /* ReLU */
    "tiny/bert-classifier-f16",
    "tiny/bert-sentence",
    "tiny/distilbert-regression",
};
enum { NUM_TINY = sizeof tiny_models / sizeof *tiny_models };

Test(calibration, an_equalized_model_computes_the_same)
{
    for (size_t i = 0; i < NUM_TINY; i++) {
        golden_set set = golden_open(tiny_models[i]);
        bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_F32);
        settings.equalize_alpha = i % 2 ? 0.5F : BERTRUN_EQUALIZE_AUTO;
        convert(set.folder, &settings);
        bertrun_model *model =
            fixture_model(made, BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
        bertrun_session *session = fixture_session(model, 1, 0);
        golden_check_states(&set, session); /* against transformers, as the original is */
        bertrun_session_close(&session);
        bertrun_model_close(&model);
        golden_close(&set);
        remove(made);
    }
}

static const br_tensor *find(const br_checkpoint *checkpoint, const char *name)
{
    const br_tensor *tensor = br_checkpoint_find(checkpoint, "%s", name);
    cr_assert_not_null(tensor, "%s", name);
    return tensor;
}

Test(calibration, factors_are_in_the_file_and_columns_have_changed)
{
    bertrun_error error;
    br_checkpoint *original, *equalized;
    golden_set set = golden_open("tiny/bert");
    bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_F32);
    settings.equalize_alpha = 0.5F;
    convert(set.folder, &settings);
    golden_require(br_checkpoint_open(&original, set.folder, false, &error), &error);
    golden_require(br_checkpoint_open(&equalized, made, false, &error), &error);
    const float *scale = find(equalized, "encoder.layer.1.output.LayerNorm.residual_scale")->data;
    const char *name = "encoder.layer.1.intermediate.dense.weight";
    const float *after = find(equalized, name)->data;
    const br_tensor *before = find(original, name);
    size_t columns = before->shape[1];
    for (size_t k = 0; k < columns; k++) {
        float weight;
        br_tensor_to_f32(before, columns + k, 1, &weight);
        cr_expect_float_eq(after[columns + k], weight * scale[k], 1e-6F);
        cr_expect(scale[k] > 0 && scale[k] != 1);
    }
    br_checkpoint_close(&original);
    br_checkpoint_close(&equalized);
    golden_close(&set);
    remove(made);
}

/* What query's input is in layer `layer`: the range of a hidden state. */
static void range_of_state(const golden_set *set, size_t layer, float *lo, float *hi)
{
    bertrun_output output;
    bertrun_error error;
    bertrun_model *model =
        fixture_model(set->folder, BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(model, 1, 0);
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    size_t count = output.total_tokens * output.width;
    const float *state = output.values + layer * count;
    *lo = *hi = 0;
    for (size_t i = 0; i < count; i++) {
        *lo = fminf(*lo, state[i]);
        *hi = fmaxf(*hi, state[i]);
    }
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}

Test(calibration, minmax_is_the_range_of_the_hidden_states)
{
    bertrun_error error;
    br_checkpoint *checkpoint;
    golden_set set = golden_open("tiny/bert");
    bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_INT8);
    settings.observer = BERTRUN_OBSERVER_MINMAX;
    convert(set.folder, &settings);
    golden_require(br_checkpoint_open(&checkpoint, made, false, &error), &error);
    for (size_t layer = 0; layer < 2; layer++) {
        char name[96];
        float lo, hi;
        range_of_state(&set, layer, &lo, &hi);
        snprintf(name, sizeof name, "encoder.layer.%zu.attention.self.key", layer);
        const br_affine *affine = br_checkpoint_fixed_input(checkpoint, name);
        cr_assert_not_null(affine);
        cr_expect_float_eq(affine->scale, (hi - lo) / 255, 1e-6F);
        cr_expect_eq(affine->zero_point, (int32_t)rintf(-lo / affine->scale));
    }
    const br_affine *output = br_checkpoint_fixed_input(checkpoint, "encoder.layer.1.output.dense");
    cr_assert_not_null(output);
    cr_expect(output->scale > 0);
    br_checkpoint_close(&checkpoint);
    golden_close(&set);
    remove(made);
}

/* Mean of the second layer's hidden state over all tokens, [width]; free it. */
static double *mean_state(const char *path, const golden_set *set, size_t *width)
{
    bertrun_output output;
    bertrun_error error;
    bertrun_model *model = fixture_model(path, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_AUTO);
    bertrun_session *session = fixture_session(model, 1, 0);
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    const float *state = output.values + 2 * output.total_tokens * output.width;
    double *mean = calloc(output.width, sizeof *mean);
    cr_assert_not_null(mean);
    for (size_t i = 0; i < output.total_tokens * output.width; i++)
        mean[i % output.width] += (double)state[i] / (double)output.total_tokens;
    *width = output.width;
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return mean;
}

/* How far the mean of an int8 model is from the original's. */
static double drift(const golden_set *set, const bertrun_convert_settings *settings)
{
    size_t width;
    double sum = 0;
    convert(set->folder, settings);
    double *original = mean_state(set->folder, set, &width), *int8 = mean_state(made, set, &width);
    for (size_t i = 0; i < width; i++)
        sum += (original[i] - int8[i]) * (original[i] - int8[i]);
    free(original);
    free(int8);
    remove(made);
    return sqrt(sum);
}

Test(calibration, biases_make_up_for_the_means)
{
    golden_set set = golden_open("tiny/bert");
    bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_INT8);
    double corrected = drift(&set, &settings);
    settings.rounding = BERTRUN_ROUNDING_GPTQ;
    double rounded = drift(&set, &settings);
    settings.rounding = BERTRUN_ROUNDING_NEAREST;
    settings.weights = BERTRUN_WEIGHTS_PER_TENSOR;
    double per_tensor = drift(&set, &settings);
    settings.num_calibration = 0;
    double tensor_as_it_is = drift(&set, &settings);
    settings.weights = BERTRUN_WEIGHTS_AUTO;
    double as_it_is = drift(&set, &settings);
    cr_log_info("drift %g; corrected %g, with GPTQ %g; per tensor %g, corrected %g", as_it_is,
                corrected, rounded, tensor_as_it_is, per_tensor);
    cr_expect_lt(corrected, as_it_is / 2);
    cr_expect_lt(rounded, as_it_is / 2);
    cr_expect_lt(per_tensor, tensor_as_it_is / 2);
    golden_close(&set);
}

/* Queries are kept, keys and values get fixed ranges: one layer in f32, three in int8. */
Test(calibration, biases_of_a_mixed_attention_make_up_for_the_means)
{
    static const bertrun_keep query = {"*.attention.self.query", BERTRUN_DTYPE_F32};
    golden_set set = golden_open("tiny/bert");
    bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_INT8);
    settings.num_calibration = 0;
    double as_it_is = drift(&set, &settings);
    settings.num_calibration = set.count;
    settings.observer = BERTRUN_OBSERVER_MINMAX;
    settings.keep = &query;
    settings.num_keep = 1;
    cr_expect_lt(drift(&set, &settings), 0.6 * as_it_is);
    golden_close(&set);
}

static void count_line(void *data, const char *line)
{
    (void)line;
    ++*(int *)data;
}

Test(calibration, begins_when_all_layers_to_keep_are_found)
{
    static const bertrun_keep nothing = {"encoder.layer.9.*", BERTRUN_DTYPE_F32};
    int lines = 0;
    bertrun_error error;
    golden_set set = golden_open("tiny/bert");
    bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_INT8);
    settings.keep = &nothing;
    settings.num_keep = 1;
    settings.log = count_line;
    settings.log_data = &lines;
    cr_expect_eq(bertrun_convert(set.folder, made, &settings, &error), BERTRUN_ERR_ARGUMENT);
    cr_expect_eq(lines, 0);
    golden_close(&set);
}

Test(calibration, says_what_is_missing_or_wrong)
{
    bertrun_error error;
    golden_set set = golden_open("tiny/bert");
    bertrun_convert_settings settings = settings_for(&set, BERTRUN_DTYPE_INT8);
    settings.equalize_alpha = 1.5F;
    cr_expect_eq(bertrun_convert(set.folder, made, &settings, &error), BERTRUN_ERR_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "alpha 1.5"), "%s", error.message);
    settings.equalize_alpha = 0.5F;
    settings.num_calibration = 0;
    cr_expect_eq(bertrun_convert(set.folder, made, &settings, &error), BERTRUN_ERR_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "calibration texts"), "%s", error.message);
    settings = settings_for(&set, BERTRUN_DTYPE_F32);
    settings.rounding = BERTRUN_ROUNDING_GPTQ;
    cr_expect_eq(bertrun_convert(set.folder, made, &settings, &error), BERTRUN_ERR_ARGUMENT);
    settings = settings_for(&set, BERTRUN_DTYPE_INT8);
    convert(set.folder, &settings);
    settings.rounding = BERTRUN_ROUNDING_GPTQ;
    cr_expect_eq(bertrun_convert(made, "again.bin", &settings, &error), BERTRUN_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "int8 already"), "%s", error.message);
    golden_close(&set);
    remove(made);
}

/* ------------------------------------------------------------------------------ MiniLM, STS-B */

typedef struct texts {
    size_t count;
    bertrun_input *inputs;
    char *memory;
} texts;

/* Every `step`-th sentence of a split of STS-B, from the seventh and eighth column. */
static texts read_split(const char *split, size_t step)
{
    texts t = {.memory = fixture_read(fixture_shared("data/stsb.tsv"))};
    size_t lines = 0, seen = 0;
    for (const char *at = t.memory; *at; at++)
        lines += *at == '\n';
    t.inputs = calloc(2 * lines, sizeof *t.inputs);
    cr_assert_not_null(t.inputs);
    for (char *line = strtok(t.memory, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, split, strlen(split)) != 0)
            continue;
        char *cell = line;
        for (int column = 0; column < 8; column++) {
            size_t length = strcspn(cell, "\t\r");
            if (column >= 6 && seen++ % step == 0)
                t.inputs[t.count++] = (bertrun_input){.text = cell, .length = length};
            cell += length + 1;
        }
    }
    return t;
}

static void texts_free(texts *t)
{
    free(t->inputs);
    free(t->memory);
}

/* Embeddings of all texts, [count, width]; *width of a row. */
static float *embed(const char *path, bertrun_precision precision, const texts *t, size_t *width)
{
    bertrun_output output;
    bertrun_error error;
    bertrun_model *model = fixture_model(path, precision, BERTRUN_ACTIVATIONS_AUTO);
    bertrun_session *session = fixture_session(model, 2, 0);
    golden_require(bertrun_embed(session, t->inputs, t->count, NULL, &output, &error), &error);
    *width = output.width;
    float *rows = malloc(output.count * output.width * sizeof *rows);
    cr_assert_not_null(rows);
    memcpy(rows, output.values, output.count * output.width * sizeof *rows);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return rows;
}

/* Converts MiniLM, and compares the test split's embeddings with f32's. */
static void expect_minilm(const char *what, bertrun_convert_settings *settings, double mean,
                          double worst)
{
    const char *path = fixture_minilm();
    /* 1,438 texts: with half of them the worst cosine of GPTQ falls from 0.997 to 0.996. */
    texts train = read_split("train", 8), test = read_split("test", 1);
    settings->calibration = train.inputs;
    settings->num_calibration = train.count;
    convert(path, settings);
    size_t width;
    float *f32 = embed(path, BERTRUN_PRECISION_F32, &test, &width);
    float *int8 = embed(made, BERTRUN_PRECISION_AUTO, &test, &width);
    double sum = 0, least = 1;
    for (size_t i = 0; i < test.count; i++) {
        double cosine = fixture_cosine(f32 + i * width, int8 + i * width, width);
        sum += cosine;
        least = fmin(least, cosine);
    }
    double got = sum / (double)test.count;
    cr_log_info("%s: mean cosine %.5f, worst %.5f", what, got, least);
    cr_expect(got >= mean && least >= worst, "%s: mean cosine %.5f, worst %.5f", what, got, least);
    free(f32);
    free(int8);
    texts_free(&train);
    texts_free(&test);
    remove(made);
}

Test(calibration, minilm_equalized)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.equalize_alpha = BERTRUN_EQUALIZE_AUTO;
    expect_minilm("equalized", &settings, 0.9993, 0.9965);
}

Test(calibration, minilm_equalized_and_rounded)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.equalize_alpha = BERTRUN_EQUALIZE_AUTO;
    settings.rounding = BERTRUN_ROUNDING_GPTQ;
    expect_minilm("equalized, gptq", &settings, 0.9994, 0.9965);
}
