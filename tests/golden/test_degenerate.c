/* Input at the edge of what there can be: rows of zeros, one huge value, one token, 512, no text.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"

enum { IN = 96, OUT = 40, ROWS = 5 };

static float weights[OUT][IN], bias[OUT], x[ROWS][IN], y[ROWS][OUT], alone[OUT];

static float next_random(void) /* -1..1, the same in every run */
{
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (float)(int32_t)state / 0x1p31F;
}

static void fill(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = next_random();
}

static bertrun_linear *open_linear(bertrun_precision precision)
{
    bertrun_linear *linear;
    bertrun_error error;
    bertrun_linear_settings settings;
    bertrun_linear_settings_init(&settings);
    settings.precision = precision;
    cr_assert_eq(bertrun_linear_open(&linear, weights[0], bias, IN, OUT, &settings, &error),
                 BERTRUN_OK, "%s", error.message);
    return linear;
}

static void run(bertrun_linear *linear, const float *rows, size_t count, float *out)
{
    cr_assert_eq(bertrun_linear_run(linear, rows, count, out, NULL), BERTRUN_OK);
}

static void set_up(void)
{
    fill(weights[0], OUT * IN);
    fill(bias, OUT);
    fill(x[0], ROWS * IN);
}

TestSuite(degenerate, .init = set_up);

Test(degenerate, rows_of_zeros_give_the_bias)
{
    static const bertrun_precision precisions[] = {BERTRUN_PRECISION_INT8, BERTRUN_PRECISION_BF16,
                                                   BERTRUN_PRECISION_F32};
    memset(weights[7], 0, sizeof weights[7]);
    memset(x[2], 0, sizeof x[2]);
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++) {
        bertrun_linear *linear = open_linear(precisions[i]);
        run(linear, x[0], ROWS, y[0]);
        cr_expect_arr_eq(y[2], bias, sizeof bias, "%s", bertrun_precision_name(precisions[i]));
        for (size_t row = 0; row < ROWS; row++)
            cr_expect_eq(y[row][7], bias[7]);
        bertrun_linear_close(&linear);
    }
}

/* Rounding to 255 steps of a range of 1e30 leaves of the others nothing. */
Test(degenerate, a_huge_value_harms_its_own_row_alone)
{
    x[3][11] = 1e30F;
    bertrun_linear *linear = open_linear(BERTRUN_PRECISION_INT8);
    run(linear, x[0], ROWS, y[0]);
    for (size_t j = 0; j < OUT; j++)
        cr_expect_float_eq(y[3][j] / 1e30F, weights[j][11], 1.0F / 127, "%zu: %g", j, y[3][j]);
    x[3][11] = 0;
    for (size_t row = 0; row < ROWS; row++) {
        run(linear, x[row], 1, alone);
        cr_expect(row == 3 || memcmp(alone, y[row], sizeof alone) == 0, "row %zu", row);
    }
    bertrun_linear_close(&linear);
}

Test(degenerate, a_huge_weight_harms_its_own_channel_alone)
{
    float before[ROWS][OUT];
    bertrun_linear *linear = open_linear(BERTRUN_PRECISION_INT8);
    run(linear, x[0], ROWS, before[0]);
    bertrun_linear_close(&linear);
    weights[5][11] = -1e30F;
    linear = open_linear(BERTRUN_PRECISION_INT8);
    run(linear, x[0], ROWS, y[0]);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t j = 0; j < OUT; j++)
            if (j == 5)
                cr_expect_float_eq(y[row][j] / -1e30F, x[row][11], 2.0F / 255);
            else
                cr_expect_eq(y[row][j], before[row][j]);
    bertrun_linear_close(&linear);
}

static void embed(bertrun_session *session, const bertrun_input *inputs, size_t count,
                  bertrun_output *output)
{
    bertrun_error error;
    cr_assert_eq(bertrun_embed(session, inputs, count, NULL, output, &error), BERTRUN_OK, "%s",
                 error.message);
}

Test(degenerate, one_token_and_512)
{
    int32_t ids[512] = {101};
    for (size_t i = 1; i < 512; i++)
        ids[i] = (int32_t)(1996 + 37 * i);
    const bertrun_input inputs[] = {
        {.ids = ids, .num_ids = 1}, {.ids = ids, .num_ids = 2}, {.ids = ids, .num_ids = 512}};
    bertrun_model *models[] = {
        fixture_model(fixture_minilm(), BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_TOKEN),
        fixture_model(fixture_minilm(), BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_AUTO)};
    bertrun_session *sessions[2];
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.max_length = 512;
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(bertrun_session_open(&sessions[i], models[i], &settings, NULL), BERTRUN_OK);
    for (size_t i = 0; i < 3; i++) {
        bertrun_output int8, f32;
        embed(sessions[0], &inputs[i], 1, &int8);
        embed(sessions[1], &inputs[i], 1, &f32);
        cr_expect_eq(int8.total_tokens, inputs[i].num_ids);
        cr_expect_gt(fixture_cosine(int8.values, f32.values, f32.width), 0.99);
    }
    for (size_t i = 0; i < 2; i++) {
        bertrun_session_close(&sessions[i]);
        bertrun_model_close(&models[i]);
    }
}

Test(degenerate, ten_thousand_empty_texts)
{
    enum { COUNT = 10000 };
    bertrun_output output;
    bertrun_model *model =
        fixture_model(fixture_minilm(), BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(model, 2, 0);
    bertrun_input *inputs = calloc(COUNT, sizeof *inputs);
    embed(session, inputs, 1, &output);
    size_t bytes = output.width * sizeof(float);
    float *first = malloc(bytes);
    memcpy(first, output.values, bytes);
    embed(session, inputs, COUNT, &output);
    cr_assert_eq(output.count, COUNT);
    cr_expect_eq(output.total_tokens, 2 * COUNT);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_arr_eq(output.values + i * output.width, first, bytes, "text %zu", i);
    free(first);
    free(inputs);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}
