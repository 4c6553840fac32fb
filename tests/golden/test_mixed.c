/* Files that keep some linear layers out of int8. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

/* Every hidden state of the set, from the model in int8 with these layers kept; free() it. */
static float *states_with(const golden_set *set, const bertrun_keep *keep, size_t num_kept,
                          int threads, size_t *count)
{
    static const char path[] = "mixed.bin";
    bertrun_error error;
    bertrun_output output;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.keep = keep;
    settings.num_keep = 1;
    golden_require(bertrun_convert(set->folder, path, &settings, &error), &error);
    bertrun_model *model = fixture_model(path, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_AUTO);
    const bertrun_model_info *info = bertrun_model_get_info(model);
    cr_assert(info->num_kept == num_kept, "%zu layers are kept", info->num_kept);
    cr_assert(info->precision == BERTRUN_PRECISION_INT8 && strcmp(info->stored_dtype, "int8") == 0);
    bertrun_session *session = fixture_session(model, threads, 0);
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    *count = output.num_states * output.total_tokens * output.width;
    float *copy = malloc(*count * sizeof *copy);
    cr_assert(copy);
    memcpy(copy, output.values, *count * sizeof *copy);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    remove(path);
    return copy;
}

/* tiny/bert has 2 layers of 6 linear ones, and a pooler. */
static const bertrun_keep encoder_f32 = {"encoder.*", BERTRUN_DTYPE_F32};
static const bertrun_keep query_bf16 = {"*.self.query", BERTRUN_DTYPE_BF16};
static const bertrun_keep second_layer_f16 = {"encoder.layer.1.*", BERTRUN_DTYPE_F16};
static const bertrun_keep pooler = {"pooler.dense", BERTRUN_DTYPE_F32};

Test(mixed, kept_layers_compute_in_their_precision)
{
    size_t count, hidden;
    golden_set set = golden_open("tiny/bert");
    float *int8 = states_with(&set, &pooler, 1, 1, &count);
    float *f32 = states_with(&set, &encoder_f32, 12, 1, &count);
    float *query = states_with(&set, &query_bf16, 2, 1, &count);
    float *second = states_with(&set, &second_layer_f16, 6, 1, &count);
    hidden = count / 3; /* a state's values */
    cr_expect(memcmp(second, int8, 2 * hidden * sizeof *int8) == 0, "layer 0 is int8's");
    cr_expect(memcmp(second + 2 * hidden, int8 + 2 * hidden, hidden * sizeof *int8) != 0);
    cr_expect(memcmp(query + hidden, int8 + hidden, hidden * sizeof *int8) != 0);
    double plain = fixture_cosine(int8, f32, count);
    cr_expect(fixture_cosine(query, f32, count) > 0.999 && plain > 0.999 && plain < 0.9999999);
    cr_expect(fixture_cosine(second + 2 * hidden, f32 + 2 * hidden, hidden) >
              fixture_cosine(int8 + 2 * hidden, f32 + 2 * hidden, hidden));
    free(second);
    free(query);
    free(f32);
    free(int8);
    golden_close(&set);
}

Test(mixed, threads_change_nothing)
{
    size_t count;
    golden_set set = golden_open("tiny/bert");
    float *one = states_with(&set, &query_bf16, 2, 1, &count);
    float *two = states_with(&set, &query_bf16, 2, 2, &count);
    cr_expect(memcmp(one, two, count * sizeof *one) == 0);
    free(two);
    free(one);
    golden_close(&set);
}

/* The best word for the text's one mask, and its score. */
static float best_fill(const char *path, int32_t *id)
{
    static const bertrun_input text = {.text = "a [MASK] b", .length = 10};
    bertrun_error error;
    bertrun_masks masks;
    bertrun_model *model = fixture_model(path, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_AUTO);
    bertrun_session *session = fixture_session(model, 1, 0);
    golden_require(bertrun_fill_masks(session, &text, 1, 1, &masks, &error), &error);
    cr_assert_eq(masks.offsets[1], 1);
    const bertrun_fill fill = masks.masks[0].fills[0];
    *id = fill.id;
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return fill.score;
}

/*
 * The decoder multiplies the embeddings' int8 weights, though every linear layer is kept; without
 * VNNI oneDNN has another layout for them, and saturates.
 */
Test(mixed, a_decoder_of_int8_embeddings_is_exact_without_vnni)
{
    static const bertrun_keep all = {"*", BERTRUN_DTYPE_F32};
    static const char path[] = "kept.bin";
    int32_t id, kept_id;
    bertrun_error error;
    bertrun_convert_settings settings;
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/tiny/bert-mlm", getenv("BERTRUN_GOLDEN"));
    bertrun_convert_settings_init(&settings);
    settings.keep = &all;
    settings.num_keep = 1;
    cr_assert_eq(setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1), 0);
    golden_require(bertrun_convert(folder, path, &settings, &error), &error);
    float score = best_fill(folder, &id), kept_score = best_fill(path, &kept_id);
    cr_expect_eq(kept_id, id);
    cr_expect_float_eq(kept_score, score, 0.01f);
    remove(path);
}
