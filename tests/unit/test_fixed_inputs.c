/* Fixed parameters of linear layers' inputs: what files may say, and what the engine does then. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/convert.h"
#include "model_fixture.h"

/* -------------------------------------------------------------------------------------- files */

#define QUERY "encoder.layer.0.attention.self.query"

static model_fixture f;

static void set_up(void)
{
    fixture_bert(&f, true);
    fixture_text(&f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
}

static void tear_down(void)
{
    fixture_close(&f);
}

TestSuite(fixed_inputs, .init = set_up, .fini = tear_down);

static fixture_tensor *add_number(const char *name, br_dtype dtype, double value)
{
    fixture_tensor *tensor = fixture_add(&f, name, 1, 0);
    fixture_retype(tensor, dtype);
    if (dtype == BR_DTYPE_F32)
        *(float *)tensor->data = (float)value;
    else if (dtype == BR_DTYPE_I64)
        *(int64_t *)tensor->data = (int64_t)value;
    else
        *(int32_t *)tensor->data = (int32_t)value;
    return tensor;
}

#define FAKE_QUANT(name) "bert." QUERY ".input_fake_quant." name

static void expect_error(bertrun_status wanted, const char *part)
{
    br_checkpoint *checkpoint;
    bertrun_error error = {.message = ""};
    fixture_save(&f);
    cr_expect_eq(br_checkpoint_open(&checkpoint, f.directory, false, &error), wanted, "%s: %s",
                 part, error.message);
    cr_expect_not_null(strstr(error.message, part), "\"%s\" is not in: %s", part, error.message);
    br_checkpoint_close(&checkpoint);
}

static br_affine read_back(const char *path, const char *linear)
{
    br_checkpoint *checkpoint;
    bertrun_error error;
    cr_assert_eq(br_checkpoint_open(&checkpoint, path, false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_affine *affine = br_checkpoint_fixed_input(checkpoint, linear);
    br_affine copy = affine ? *affine : (br_affine){0};
    br_checkpoint_close(&checkpoint);
    return copy;
}

static void expect_affine(br_affine got, br_affine wanted)
{
    cr_expect(memcmp(&got, &wanted, sizeof got) == 0, "%g %d %d..%d", (double)got.scale,
              (int)got.zero_point, (int)got.least, (int)got.most);
}

/* From fake quantization to a `.bin` and to another one. */
static void check_round_trip(br_affine wanted)
{
    bertrun_error error;
    char first[128], second[128];
    snprintf(first, sizeof first, "%s/first.bin", f.directory);
    snprintf(second, sizeof second, "%s/second.bin", f.directory);
    fixture_save(&f);
    expect_affine(read_back(f.directory, QUERY), wanted);
    expect_affine(read_back(f.directory, "classifier"), (br_affine){0});
    cr_assert_eq(bertrun_convert(f.directory, first, NULL, &error), BERTRUN_OK, "%s",
                 error.message);
    expect_affine(read_back(first, QUERY), wanted);
    cr_assert_eq(bertrun_convert(first, second, NULL, &error), BERTRUN_OK, "%s", error.message);
    expect_affine(read_back(second, QUERY), wanted);
}

Test(fixed_inputs, are_u8_by_default)
{
    add_number(FAKE_QUANT("scale"), BR_DTYPE_F32, 0.125);
    add_number(FAKE_QUANT("zero_point"), BR_DTYPE_I64, 100);
    check_round_trip((br_affine){0.125F, 100, 0, 255});
}

Test(fixed_inputs, may_have_less_range)
{
    add_number(FAKE_QUANT("scale"), BR_DTYPE_F32, 3);
    add_number(FAKE_QUANT("zero_point"), BR_DTYPE_I32, 127);
    add_number(FAKE_QUANT("quant_max"), BR_DTYPE_I32, 127);
    check_round_trip((br_affine){3, 127, 0, 127});
}

Test(fixed_inputs, of_s8_are_moved_to_u8)
{
    add_number(FAKE_QUANT("scale"), BR_DTYPE_F32, 1e-3);
    add_number(FAKE_QUANT("zero_point"), BR_DTYPE_I32, -5);
    add_number(FAKE_QUANT("quant_min"), BR_DTYPE_I32, -127);
    check_round_trip((br_affine){1e-3F, 123, 1, 255});
}

Test(fixed_inputs, need_both_parts)
{
    add_number(FAKE_QUANT("zero_point"), BR_DTYPE_I32, 0);
    expect_error(BERTRUN_ERR_FORMAT, "input_fake_quant.scale\" is missing");
    fixture_remove(&f, FAKE_QUANT("zero_point"));
    add_number(FAKE_QUANT("scale"), BR_DTYPE_F32, 1);
    expect_error(BERTRUN_ERR_FORMAT, "input_fake_quant.zero_point\" is missing");
}

Test(fixed_inputs, with_a_wrong_number_are_named)
{
    static const double wrong_scales[] = {0, -1, 1e-39, INFINITY, NAN};
    float *scale = add_number(FAKE_QUANT("scale"), BR_DTYPE_F32, 1)->data;
    int32_t *zero_point = add_number(FAKE_QUANT("zero_point"), BR_DTYPE_I32, 0)->data;
    for (size_t i = 0; i < sizeof wrong_scales / sizeof *wrong_scales; i++) {
        *scale = (float)wrong_scales[i];
        expect_error(BERTRUN_ERR_FORMAT, "input_fake_quant.scale\": ");
    }
    *scale = 1;
    *zero_point = 256;
    expect_error(BERTRUN_ERR_FORMAT, "zero_point\": 256 is not an integer in 0..255");
    *zero_point = -1;
    expect_error(BERTRUN_ERR_FORMAT, "zero_point\": -1 is not an integer in 0..255");
    *zero_point = 100;
    int32_t *most = add_number(FAKE_QUANT("quant_max"), BR_DTYPE_I32, 99)->data;
    expect_error(BERTRUN_ERR_FORMAT, "zero_point\": 100 is not an integer in 0..99");
    *most = 256;
    expect_error(BERTRUN_ERR_FORMAT, "quant_max\": 256 is not an integer in 1..255");
    *most = 200;
    add_number(FAKE_QUANT("quant_min"), BR_DTYPE_I32, -129);
    expect_error(BERTRUN_ERR_FORMAT, "quant_min\": -129 is not an integer");
}

Test(fixed_inputs, with_a_wrong_type_are_named)
{
    fixture_tensor *scale = add_number(FAKE_QUANT("scale"), BR_DTYPE_F32, 1);
    fixture_tensor *zero_point = add_number(FAKE_QUANT("zero_point"), BR_DTYPE_I32, 0);
    fixture_retype(zero_point, BR_DTYPE_F16);
    expect_error(BERTRUN_ERR_UNSUPPORTED, "zero_point\" has dtype F16");
    fixture_reshape(scale, 1, 2, 0);
    expect_error(BERTRUN_ERR_FORMAT, "scale\" is not a single number");
}

/* ------------------------------------------------------------------------------------ weights */

#define WEIGHT_QUANT(name) "bert." QUERY ".weight_fake_quant." name

static void check_weights(const int8_t *wanted, size_t num_scales)
{
    bertrun_error error;
    br_checkpoint *checkpoint;
    char path[128];
    snprintf(path, sizeof path, "%s/w.bin", f.directory);
    fixture_save(&f);
    cr_assert_eq(bertrun_convert(f.directory, path, NULL, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(br_checkpoint_open(&checkpoint, path, false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_tensor *scale = br_checkpoint_find(checkpoint, QUERY ".weight_scale");
    cr_expect_eq(scale->shape[0], num_scales);
    cr_expect_arr_eq(br_checkpoint_find(checkpoint, QUERY ".weight")->data, wanted, 16);
    br_checkpoint_close(&checkpoint);
}

/* The query's weights are 0, 1, 2, ... 15 here. */
static void add_weight_scales(size_t count)
{
    float *weights = fixture_find(&f, "bert." QUERY ".weight")->data;
    for (size_t i = 0; i < 16; i++)
        weights[i] = (float)i;
    float *scales = fixture_add(&f, WEIGHT_QUANT("scale"), count, 0)->data;
    for (size_t i = 0; i < count; i++)
        scales[i] = 0.5F * (float)(i + 1);
    fixture_retype(fixture_add(&f, WEIGHT_QUANT("zero_point"), count, 0), BR_DTYPE_I32);
}

Test(fixed_inputs, weights_have_a_scale_a_channel)
{
    add_weight_scales(
        4); /* 0.5, 1, 1.5, 2: the last row is 6, 6.5, 7, 7.5, and halves go to even */
    check_weights((int8_t[]){0, 2, 4, 6, 4, 5, 6, 7, 5, 6, 7, 7, 6, 6, 7, 8}, 4);
}

Test(fixed_inputs, weights_have_one_scale_and_saturate)
{
    add_weight_scales(1);
    add_number(WEIGHT_QUANT("quant_max"), BR_DTYPE_I32, 20);
    check_weights((int8_t[]){0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 20, 20, 20, 20, 20}, 1);
}

Test(fixed_inputs, weights_that_do_not_fit_are_named)
{
    add_weight_scales(3);
    expect_error(BERTRUN_ERR_FORMAT, "scale\" has 3 scales for 4 output channels");
    fixture_reshape(fixture_find(&f, WEIGHT_QUANT("scale")), 1, 4, 0);
    expect_error(BERTRUN_ERR_FORMAT, "weight_fake_quant.scale\": 0 is no scale");
    float *scales = fixture_find(&f, WEIGHT_QUANT("scale"))->data;
    scales[0] = scales[1] = scales[2] = scales[3] = 1;
    ((int32_t *)fixture_find(&f, WEIGHT_QUANT("zero_point"))->data)[1] = 3;
    expect_error(BERTRUN_ERR_UNSUPPORTED, "zero_point\": 3; weights have zero point 0 only");
    fixture_remove(&f, WEIGHT_QUANT("zero_point"));
    expect_error(BERTRUN_ERR_FORMAT, "weight_fake_quant.zero_point\" is missing");
}

/* --------------------------------------------------------------------------------- the engine */

static void expect_ok(bertrun_status status, const bertrun_error *error)
{
    cr_assert_eq(status, BERTRUN_OK, "%s", error->message);
}

static br_checkpoint *open_tiny(char path[256])
{
    br_checkpoint *checkpoint;
    bertrun_error error;
    const char *golden = getenv("BERTRUN_GOLDEN");
    snprintf(path, 256, "%s/tiny/bert", golden ? golden : "tests/golden/data");
    expect_ok(br_checkpoint_open(&checkpoint, path, false, &error), &error);
    return checkpoint;
}

/* tiny/bert as a `.bin` whose linear layers have this input, the query maybe another; its path. */
static const char *write_fixed(br_affine input, br_affine query)
{
    char path[256];
    bertrun_error error;
    br_checkpoint *checkpoint = open_tiny(path);
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(checkpoint, &tensors);
    for (size_t i = 0; i < count; i++) {
        const char *ending = strstr(tensors[i].name, ".weight");
        if (!ending || !tensors[i].quantizable || strstr(tensors[i].name, "embeddings"))
            continue;
        char linear[96] = "";
        strncat(linear, tensors[i].name, (size_t)(ending - tensors[i].name));
        const br_affine *affine = strstr(linear, "query") ? &query : &input;
        expect_ok(br_checkpoint_fix_input(checkpoint, linear, affine, &error), &error);
    }
    const char *file = fixture_path(&f, "fixed.bin");
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    expect_ok(br_convert_checkpoint(checkpoint, path, file, &settings, &error), &error);
    br_checkpoint_close(&checkpoint);
    return file;
}

enum { MAX_VALUES = 4096 };

/* All hidden states of a text; how many. */
static size_t run_states(const char *path, bertrun_activations activations, float *values)
{
    bertrun_model *model;
    bertrun_session *session;
    bertrun_error error;
    bertrun_output output;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.activations = activations;
    expect_ok(bertrun_model_open(&model, path, &settings, &error), &error);
    expect_ok(bertrun_session_open(&session, model, NULL, &error), &error);
    bertrun_input text = {.text = "the cat sat on the mat", .length = 22};
    expect_ok(bertrun_hidden_states(session, &text, 1, NULL, &output, &error), &error);
    size_t count = output.num_states * output.total_tokens * output.width;
    cr_assert_leq(count, MAX_VALUES);
    memcpy(values, output.values, count * sizeof *values);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return count;
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)(a[i] - b[i])));
    return most;
}

/* Wide enough for every value of the tiny model, steps of 1/25: close to what per token gives. */
static const br_affine wide = {0.04F, 128, 0, 255};

Test(fixed_inputs, are_what_the_engine_computes_with)
{
    float fixed[MAX_VALUES], token[MAX_VALUES], narrow[MAX_VALUES];
    const char *path = write_fixed(wide, wide);
    size_t count = run_states(path, BERTRUN_ACTIVATIONS_AUTO, fixed);
    cr_assert_eq(run_states(path, BERTRUN_ACTIVATIONS_TOKEN, token), count);
    double difference = largest_difference(fixed, token, count);
    cr_expect(difference > 0 && difference < 0.2, "%g", difference);
    br_affine saturating = {0.001F, 128, 0, 255};
    run_states(write_fixed(saturating, saturating), BERTRUN_ACTIVATIONS_STATIC, narrow);
    cr_expect_gt(largest_difference(narrow, token, count), 1);
}

/* Bounds that no value reaches change no bit, but part the query from key and value. */
Test(fixed_inputs, may_differ_between_query_key_and_value)
{
    float fused[MAX_VALUES], parted[MAX_VALUES];
    br_affine bounded = {wide.scale, wide.zero_point, 1, 254};
    size_t count = run_states(write_fixed(wide, wide), BERTRUN_ACTIVATIONS_AUTO, fused);
    run_states(write_fixed(wide, bounded), BERTRUN_ACTIVATIONS_AUTO, parted);
    cr_expect_arr_eq(fused, parted, count * sizeof *fused);
    br_affine other = {0.5F, 128, 0, 255};
    run_states(write_fixed(wide, other), BERTRUN_ACTIVATIONS_AUTO, parted);
    cr_expect_gt(largest_difference(fused, parted, count), 0);
}

static bertrun_activations reported(const char *path, bertrun_activations asked)
{
    bertrun_model *model;
    bertrun_error error;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.activations = asked;
    expect_ok(bertrun_model_open(&model, path, &settings, &error), &error);
    bertrun_activations activations = bertrun_model_get_info(model)->activations;
    bertrun_model_close(&model);
    return activations;
}

Test(fixed_inputs, are_reported)
{
    const char *path = write_fixed(wide, wide);
    cr_expect_eq(reported(path, BERTRUN_ACTIVATIONS_AUTO), BERTRUN_ACTIVATIONS_STATIC);
    cr_expect_eq(reported(path, BERTRUN_ACTIVATIONS_BATCH), BERTRUN_ACTIVATIONS_BATCH);
    char tiny[256];
    bertrun_model *model;
    bertrun_error error;
    br_checkpoint *checkpoint = open_tiny(tiny);
    br_checkpoint_close(&checkpoint);
    cr_expect_eq(reported(tiny, BERTRUN_ACTIVATIONS_AUTO), BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.activations = BERTRUN_ACTIVATIONS_STATIC;
    cr_expect_eq(bertrun_model_open(&model, tiny, &settings, &error), BERTRUN_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "no fixed scales"), "%s", error.message);
}
