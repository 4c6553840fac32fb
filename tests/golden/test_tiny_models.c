/* Small random models of every kind that is read: f32 and bf16 against transformers, int8 against
 * scripts/reference.py, and a `.bin` against the directory it was converted from. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static const char *const all_models[] = {
    "tiny/bert",
    "tiny/bert-old-names",
    "tiny/bert-classifier-f16",
    "tiny/bert-sentence",
    "tiny/distilbert-sharded",
    "tiny/distilbert-classifier-bf16",
    "tiny/distilbert-regression",
    "tiny/bert-cross-encoder",
    "tiny/bert-next-sentence",
};
enum { NUM_MODELS = sizeof all_models / sizeof *all_models };

/* ---------------------------------------------------------------------------------------- f32 */

typedef void (*check_fn)(const golden_set *set, bertrun_session *session);

static void with_f32_session(const char *name, check_fn check)
{
    golden_set set = golden_open(name);
    bertrun_model *model =
        fixture_model(set.folder, BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(model, 1, 0);
    golden_check_states(&set, session);
    check(&set, session);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    golden_close(&set);
}

static void check_poolings(const golden_set *set, bertrun_session *session)
{
    golden_check_embeddings(set, session, BERTRUN_POOLING_AUTO, "mean");
    golden_check_embeddings(set, session, BERTRUN_POOLING_MEAN, "mean");
    golden_check_embeddings(set, session, BERTRUN_POOLING_CLS, "cls");
    golden_check_embeddings(set, session, BERTRUN_POOLING_MAX, "max");
}

static void check_poolings_and_pooler(const golden_set *set, bertrun_session *session)
{
    check_poolings(set, session);
    golden_check_embeddings(set, session, BERTRUN_POOLING_POOLER, "pooler");
}

static void check_own_embeddings(const golden_set *set, bertrun_session *session)
{
    golden_check_embeddings(set, session, BERTRUN_POOLING_AUTO, "embeddings");
}

Test(tiny_f32, bert)
{
    with_f32_session("tiny/bert", check_poolings_and_pooler);
}

Test(tiny_f32, bert_old_names)
{
    with_f32_session("tiny/bert-old-names", check_poolings_and_pooler);
}

Test(tiny_f32, bert_classifier_f16)
{
    with_f32_session("tiny/bert-classifier-f16", golden_check_logits);
}

Test(tiny_f32, bert_sentence)
{
    with_f32_session("tiny/bert-sentence", check_own_embeddings);
}

Test(tiny_f32, distilbert_sharded)
{
    with_f32_session("tiny/distilbert-sharded", check_poolings);
}

Test(tiny_f32, distilbert_classifier_bf16)
{
    with_f32_session("tiny/distilbert-classifier-bf16", golden_check_logits);
}

Test(tiny_f32, bert_cross_encoder)
{
    with_f32_session("tiny/bert-cross-encoder", golden_check_logits);
}

Test(tiny_f32, bert_next_sentence)
{
    with_f32_session("tiny/bert-next-sentence", golden_check_logits);
}

Test(tiny_f32, distilbert_regression)
{
    with_f32_session("tiny/distilbert-regression", golden_check_logits);
}

/* --------------------------------------------------------------------------------------- int8 */

/* Logits or embeddings, whichever the model is for. */
static bertrun_output run_head(const bertrun_model *model, bertrun_session *session,
                               const golden_set *set)
{
    bertrun_output output;
    bertrun_error error;
    bool classify = bertrun_model_get_info(model)->task == BERTRUN_TASK_CLASSIFY;
    golden_require(classify
                       ? bertrun_classify(session, set->inputs, set->count, &output, &error)
                       : bertrun_embed(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    return output;
}

/* The last hidden state of a model against the set's array `what`. */
static void check_last_state(bertrun_session *session, const golden_set *set, const char *what)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    size_t size = output.total_tokens * output.width;
    golden_expect_cosine(set, what, output.values + (output.num_states - 1) * size,
                         output.total_tokens, output.width);
}

static void check_int8(const char *name, bertrun_activations activations, const char *head_file,
                       const char *state_file)
{
    golden_set set = golden_open(name);
    bertrun_model *model = fixture_model(set.folder, BERTRUN_PRECISION_INT8, activations);
    bertrun_session *session = fixture_session(model, 1, 4096);
    check_last_state(session, &set, state_file);
    bertrun_output output = run_head(model, session, &set);
    golden_expect_cosine(&set, head_file, output.values, output.count, output.width);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    golden_close(&set);
}

Test(tiny_int8, activations_per_token)
{
    for (size_t i = 0; i < NUM_MODELS; i++)
        check_int8(all_models[i], BERTRUN_ACTIVATIONS_TOKEN, "int8_token", "int8_token_state");
}

Test(tiny_int8, activations_per_batch)
{
    for (size_t i = 0; i < NUM_MODELS; i++)
        check_int8(all_models[i], BERTRUN_ACTIVATIONS_BATCH, "int8_batch", "int8_batch_state");
}

/* The other modes for two models. */
static void check_mode(bertrun_activations activations)
{
    static const char *const models[] = {"tiny/bert", "tiny/distilbert-classifier-bf16"};
    char head[64], state[80];
    snprintf(head, sizeof head, "int8_%s", bertrun_activations_name(activations));
    snprintf(state, sizeof state, "%s_state", head);
    for (size_t i = 0; i < 2; i++)
        check_int8(models[i], activations, head, state);
}

Test(tiny_int8, activations_per_token_symmetric)
{
    check_mode(BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC);
}

Test(tiny_int8, activations_per_batch_symmetric)
{
    check_mode(BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC);
}

Test(tiny_int8, activations_and_weights_as_pytorch)
{
    check_mode(BERTRUN_ACTIVATIONS_PYTORCH);
}

/* --------------------------------------------------------------------------------------- bf16 */

Test(tiny_bf16, every_hidden_state)
{
    for (size_t i = 0; i < NUM_MODELS; i++) {
        bertrun_output output;
        bertrun_error error;
        golden_set set = golden_open(all_models[i]);
        bertrun_model *model =
            fixture_model(set.folder, BERTRUN_PRECISION_BF16, BERTRUN_ACTIVATIONS_TOKEN);
        bertrun_session *session = fixture_session(model, 1, 0);
        golden_require(bertrun_hidden_states(session, set.inputs, set.count, NULL, &output, &error),
                       &error);
        golden_expect_cosine(&set, "hidden_states", output.values,
                             output.num_states * output.total_tokens, output.width);
        bertrun_session_close(&session);
        bertrun_model_close(&model);
        golden_close(&set);
    }
}

/* ---------------------------------------------------------------------------------- converted */

/* Converts the set's model to a file beside the test; remove() it. */
static void convert(const golden_set *set, bertrun_dtype dtype, const char *path)
{
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = dtype;
    golden_require(bertrun_convert(set->folder, path, &settings, &error), &error);
}

/* In f32, the file computes what the directory does, bit for bit. */
static void check_converted(const char *name, bertrun_dtype dtype)
{
    golden_set set = golden_open(name);
    convert(&set, dtype, "tiny.bin");
    const char *paths[] = {set.folder, "tiny.bin"};
    bertrun_model *models[2];
    bertrun_session *sessions[2];
    bertrun_output outputs[2];
    for (size_t i = 0; i < 2; i++) {
        models[i] = fixture_model(paths[i], BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
        sessions[i] = fixture_session(models[i], 1, 0);
        outputs[i] = run_head(models[i], sessions[i], &set);
    }
    cr_expect(memcmp(outputs[0].values, outputs[1].values,
                     outputs[0].count * outputs[0].width * sizeof(float)) == 0,
              "%s: the converted file computes something else", set.folder);
    for (size_t i = 0; i < 2; i++) {
        bertrun_session_close(&sessions[i]);
        bertrun_model_close(&models[i]);
    }
    remove("tiny.bin");
    golden_close(&set);
}

Test(tiny_converted, f32_keeps_every_bit)
{
    for (size_t i = 0; i < NUM_MODELS; i++)
        check_converted(all_models[i], BERTRUN_DTYPE_F32);
}

Test(tiny_converted, f16_and_bf16_keep_every_bit_of_their_own_kind)
{
    check_converted("tiny/bert-classifier-f16", BERTRUN_DTYPE_F16);
    check_converted("tiny/distilbert-classifier-bf16", BERTRUN_DTYPE_BF16);
}

Test(tiny_converted, int8_has_word_embeddings_in_int8_too)
{
    for (size_t i = 0; i < NUM_MODELS; i++) {
        golden_set set = golden_open(all_models[i]);
        convert(&set, BERTRUN_DTYPE_INT8, "tiny.bin");
        bertrun_model *model =
            fixture_model("tiny.bin", BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_TOKEN);
        bertrun_session *session = fixture_session(model, 1, 0);
        check_last_state(session, &set, "int8_stored_state");
        bertrun_session_close(&session);
        bertrun_model_close(&model);
        remove("tiny.bin");
        golden_close(&set);
    }
}

/* ----------------------------------------------------------------------------------- torch.save */

/* The same weights out of pickles, in shards, with old names: the same file, byte for byte. */
Test(tiny_torch, converts_to_the_same_file)
{
    golden_set set = golden_open("tiny/bert-old-names");
    golden_set pickled = {0};
    snprintf(pickled.folder, sizeof pickled.folder, "%s/tiny/bert-torch-sharded",
             fixture_environment("BERTRUN_GOLDEN"));
    convert(&set, BERTRUN_DTYPE_F32, "safetensors.bin");
    convert(&pickled, BERTRUN_DTYPE_F32, "torch.bin");
    cr_expect_eq(system("cmp safetensors.bin torch.bin"), 0);
    remove("safetensors.bin");
    remove("torch.bin");
    golden_close(&set);
}
