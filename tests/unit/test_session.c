/* Models and sessions as an object: what runs, what a warm call allocates, what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "failing_memory.h"
#include "kernels/gemm.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *tiny(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tiny/%s", getenv("BERTRUN_GOLDEN"), name);
    return path;
}

static bertrun_model *open_model(const char *name, bertrun_model_settings settings)
{
    bertrun_model *model;
    bertrun_error error;
    cr_assert_eq(bertrun_model_open(&model, tiny(name), &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    return model;
}

static bertrun_session *open_session(const bertrun_model *model, bertrun_session_settings settings)
{
    bertrun_session *session;
    bertrun_error error;
    cr_assert_eq(bertrun_session_open(&session, model, &settings, &error), BERTRUN_OK, "%s",
                 error.message);
    return session;
}

static const bertrun_input TEXTS[] = {
    {.text = "a b c", .length = 5},
    {.text = "", .length = 0},
    {.text = "one more text, a little longer than the others", .length = 46},
};

static const bertrun_profile_entry *find_phase(bertrun_session *session, const char *phase)
{
    const bertrun_profile_entry *entries;
    size_t count = bertrun_session_profile(session, &entries);
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].phase, phase) == 0)
            return &entries[i];
    cr_assert_fail("no phase %s in the profile", phase);
    return NULL;
}

/* Every projection of one forward pass is one int8 multiplication by oneDNN's brgemm. */
static void check_projections(const char *name, uint64_t head_projections)
{
    static const char *const PHASES[] = {"attention.qkv", "attention.output", "intermediate",
                                         "output"};
    bertrun_output output;
    bertrun_model *model = open_model(name, (bertrun_model_settings){
                                                .precision = BERTRUN_PRECISION_INT8,
                                                .kernels = BERTRUN_KERNELS_ONEDNN,
                                            });
    bertrun_session *session =
        open_session(model, (bertrun_session_settings){.threads = 1, .profile = true});
    const bertrun_model_info *info = bertrun_model_get_info(model);
    bertrun_status status =
        info->task == BERTRUN_TASK_CLASSIFY
            ? bertrun_classify(session, TEXTS, COUNT(TEXTS), &output, NULL)
            : bertrun_embed(session, TEXTS, COUNT(TEXTS),
                            &(bertrun_embed_options){.pooling = BERTRUN_POOLING_POOLER}, &output,
                            NULL);
    cr_assert_eq(status, BERTRUN_OK);
    for (size_t i = 0; i < COUNT(PHASES); i++) {
        const bertrun_profile_entry *entry = find_phase(session, PHASES[i]);
        cr_expect_eq(entry->calls, info->num_hidden_layers, "%s: %s ran %lu times", name, PHASES[i],
                     (unsigned long)entry->calls);
        cr_expect_not_null(strstr(entry->kernel, "onednn:brg"), "%s: %s by %s", name, PHASES[i],
                           entry->kernel);
    }
    const bertrun_profile_entry *head = find_phase(session, "head");
    cr_expect_eq(head->calls, head_projections);
    cr_expect_not_null(strstr(head->kernel, "onednn:brg"), "%s: head by %s", name, head->kernel);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}

Test(session, every_projection_is_an_int8_matmul_of_onednn)
{
    if (!br_gemm_select()->vnni)
        cr_skip_test("needs a CPU with VNNI");
    check_projections("bert", 1);                       /* pooler */
    check_projections("bert-classifier-f16", 2);        /* pooler, classifier */
    check_projections("distilbert-classifier-bf16", 2); /* pre_classifier, classifier */
}

Test(session, kernels_agree_bit_for_bit)
{
    bertrun_output expected, actual;
    if (!br_gemm_select()->vnni)
        cr_skip_test("needs a CPU with VNNI");
    bertrun_model_settings settings = {.precision = BERTRUN_PRECISION_INT8};
    bertrun_model *ours = open_model("bert", settings);
    settings.kernels = BERTRUN_KERNELS_ONEDNN;
    bertrun_model *onednn = open_model("bert", settings);
    bertrun_session *a = open_session(ours, (bertrun_session_settings){.threads = 1});
    bertrun_session *b = open_session(onednn, (bertrun_session_settings){.threads = 2});
    cr_assert_eq(bertrun_embed(a, TEXTS, COUNT(TEXTS), NULL, &expected, NULL), BERTRUN_OK);
    cr_assert_eq(bertrun_embed(b, TEXTS, COUNT(TEXTS), NULL, &actual, NULL), BERTRUN_OK);
    cr_assert_arr_eq(actual.values, expected.values,
                     expected.count * expected.width * sizeof(float));
    bertrun_session_close(&a);
    bertrun_session_close(&b);
    bertrun_model_close(&ours);
    bertrun_model_close(&onednn);
}

/* The heads whose results are lists, each of its own model. */
static bertrun_status find(bertrun_session *session, bertrun_task task)
{
    static const bertrun_input text = {
        .text = "a [MASK] b, and so on",
        .length = 21,
    };
    static const bertrun_input pair = {.text = "a?", .length = 2, .pair = "b c", .pair_length = 3};
    bertrun_entities entities;
    bertrun_answers answers;
    bertrun_masks masks;
    if (task == BERTRUN_TASK_NER)
        return bertrun_find_entities(session, &text, 1, BERTRUN_AGGREGATION_AVERAGE, &entities,
                                     NULL);
    if (task == BERTRUN_TASK_ANSWER)
        return bertrun_answer_questions(session, &pair, 1, NULL, &answers, NULL);
    return bertrun_fill_masks(session, &text, 1, 5, &masks, NULL);
}

Test(session, heads_allocate_nothing_after_the_first_call)
{
    static const char *const NAMES[] = {"bert-ner", "distilbert-answer", "bert-mlm"};
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        bertrun_model *model =
            open_model(NAMES[i], (bertrun_model_settings){.precision = BERTRUN_PRECISION_INT8});
        bertrun_session *session = open_session(model, (bertrun_session_settings){.threads = 2});
        bertrun_task task = bertrun_model_get_info(model)->task;
        cr_assert_eq(find(session, task), BERTRUN_OK);
        long before = memory_allocations;
        cr_assert_eq(find(session, task), BERTRUN_OK);
        cr_expect_eq(memory_allocations, before, "%s allocates", NAMES[i]);
        bertrun_session_close(&session);
        bertrun_model_close(&model);
    }
}

static void check_second_call_allocates_nothing(bertrun_precision precision,
                                                bertrun_activations activations)
{
    bertrun_output output;
    bertrun_model *model =
        open_model("bert-classifier-f16",
                   (bertrun_model_settings){.precision = precision, .activations = activations});
    bertrun_session *session = open_session(model, (bertrun_session_settings){.threads = 2});
    for (int call = 0; call < 3; call++) {
        long before = memory_allocations;
        cr_assert_eq(bertrun_classify(session, TEXTS, COUNT(TEXTS), &output, NULL), BERTRUN_OK);
        cr_assert_eq(bertrun_embed(session, TEXTS, 1, NULL, &output, NULL), BERTRUN_OK);
        cr_assert_eq(bertrun_hidden_states(session, TEXTS, 1, NULL, &output, NULL), BERTRUN_OK);
        cr_assert(call == 0 || memory_allocations == before, "call %d allocated %ld times", call,
                  memory_allocations - before);
    }
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}

Test(session, allocates_nothing_once_it_is_warm)
{
    check_second_call_allocates_nothing(BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_TOKEN);
    check_second_call_allocates_nothing(BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_BATCH);
    check_second_call_allocates_nothing(BERTRUN_PRECISION_BF16, BERTRUN_ACTIVATIONS_TOKEN);
    check_second_call_allocates_nothing(BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
}

static void expect_refusal(const bertrun_model *model, bertrun_session_settings settings,
                           const char *what)
{
    bertrun_session *session = (bertrun_session *)&settings;
    bertrun_error error;
    cr_assert_eq(bertrun_session_open(&session, model, &settings, &error), BERTRUN_ERR_ARGUMENT);
    cr_assert_null(session);
    cr_assert_not_null(strstr(error.message, what), "%s", error.message);
}

Test(session, refuses_settings_out_of_range)
{
    bertrun_model *model = open_model("bert", (bertrun_model_settings){0});
    expect_refusal(model, (bertrun_session_settings){.threads = -1}, "threads");
    expect_refusal(model, (bertrun_session_settings){.threads = 1, .max_length = 100000},
                   "max_length");
    expect_refusal(model, (bertrun_session_settings){.threads = 1, .max_length = 2}, "max_length");
    bertrun_model_close(&model);
    bertrun_model_settings wrong = {.precision = (bertrun_precision)99};
    cr_assert_eq(bertrun_model_open(&model, tiny("bert"), &wrong, NULL), BERTRUN_ERR_ARGUMENT);
    cr_assert_null(model);
}

static void expect_bad_input(bertrun_session *session, bertrun_input input)
{
    bertrun_output output;
    bertrun_error error;
    cr_assert_eq(bertrun_embed(session, &input, 1, NULL, &output, &error), BERTRUN_ERR_ARGUMENT);
    cr_assert_not_null(strstr(error.message, "input 0"), "%s", error.message);
}

Test(session, refuses_ids_out_of_range_and_works_on)
{
    int32_t ids[600] = {0};
    uint8_t types[600] = {0};
    bertrun_output output;
    bertrun_model *model = open_model("bert", (bertrun_model_settings){0});
    bertrun_session *session = open_session(model, (bertrun_session_settings){.threads = 1});
    const bertrun_model_info *info = bertrun_model_get_info(model);
    bertrun_input input = {.ids = ids, .num_ids = 4, .type_ids = types};
    ids[3] = (int32_t)info->vocab_size;
    expect_bad_input(session, input);
    ids[3] = -1;
    expect_bad_input(session, input);
    ids[3] = 0;
    types[2] = (uint8_t)info->type_vocab_size;
    expect_bad_input(session, input);
    types[2] = 0;
    expect_bad_input(session, (bertrun_input){.ids = ids, .num_ids = 0});
    expect_bad_input(session,
                     (bertrun_input){.ids = ids, .num_ids = info->max_position_embeddings + 1});
    cr_assert_eq(bertrun_embed(session, &input, 1, NULL, &output, NULL), BERTRUN_OK);
    cr_assert_eq(output.texts[0].tokens, 4);
    cr_assert_eq(bertrun_classify(session, &input, 1, &output, NULL), BERTRUN_ERR_UNSUPPORTED);
    cr_assert_eq(bertrun_embed(session, NULL, 0, NULL, &output, NULL), BERTRUN_OK);
    cr_assert_eq(output.count, 0);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}

Test(session, refuses_a_pooler_that_is_not_there)
{
    bertrun_output output;
    bertrun_error error;
    bertrun_model *model = open_model("distilbert-sharded", (bertrun_model_settings){0});
    bertrun_session *session = open_session(model, (bertrun_session_settings){.threads = 1});
    bertrun_embed_options options = {.pooling = BERTRUN_POOLING_POOLER};
    cr_assert_eq(bertrun_embed(session, TEXTS, 1, &options, &output, &error),
                 BERTRUN_ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(error.message, "pooler"), "%s", error.message);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}
