/* A struct of settings with a reserved field that is not 0 is refused, whatever takes it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"

static bertrun_error error;
static const bertrun_input PAIR = {.text = "a", .length = 1, .pair = "b", .pair_length = 1};

static const char *tiny(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tiny/%s", getenv("BERTRUN_GOLDEN"), name);
    return path;
}

static void expect_refused(bertrun_status status)
{
    cr_expect_eq(status, BERTRUN_ERR_ARGUMENT);
    cr_expect(strstr(error.message, "reserved: field 0"), "%s", error.message);
    error.message[0] = '\0';
}

Test(reserved, of_models_and_what_is_made_of_them)
{
    bertrun_model *model;
    bertrun_lm *lm;
    bertrun_linear *linear;
    const float weight = 1;
    expect_refused(bertrun_model_open(&model, tiny("bert"),
                                      &(bertrun_model_settings){.reserved = {1}}, &error));
    expect_refused(
        bertrun_lm_open(&lm, tiny("lstm"), &(bertrun_model_settings){.reserved = {1}}, &error));
    expect_refused(bertrun_convert(tiny("bert"), "/dev/null",
                                   &(bertrun_convert_settings){.reserved = {1}}, &error));
    expect_refused(bertrun_linear_open(&linear, &weight, NULL, 1, 1,
                                       &(bertrun_linear_settings){.reserved = {1}}, &error));
    cr_assert(!model && !lm && !linear);
}

Test(reserved, of_sessions)
{
    bertrun_model *model;
    bertrun_session *session;
    bertrun_lm *lm;
    bertrun_lm_session *lm_session;
    cr_assert_eq(bertrun_model_open(&model, tiny("bert"), NULL, &error), BERTRUN_OK);
    cr_assert_eq(bertrun_lm_open(&lm, tiny("lstm"), NULL, &error), BERTRUN_OK);
    expect_refused(bertrun_session_open(&session, model,
                                        &(bertrun_session_settings){.reserved = {1}}, &error));
    expect_refused(bertrun_lm_session_open(
        &lm_session, lm, &(bertrun_lm_session_settings){.reserved = {1}}, &error));
    bertrun_model_close(&model);
    bertrun_lm_close(&lm);
}

Test(reserved, of_calls)
{
    bertrun_model *model;
    bertrun_session *session;
    bertrun_tokenizer *tokenizer;
    bertrun_encoder *encoder;
    bertrun_output output;
    bertrun_answers answers;
    bertrun_tokens tokens;
    cr_assert_eq(bertrun_model_open(&model, tiny("bert-answer"), NULL, &error), BERTRUN_OK);
    cr_assert_eq(bertrun_session_open(&session, model, NULL, &error), BERTRUN_OK);
    expect_refused(bertrun_embed(session, &PAIR, 1, &(bertrun_embed_options){.reserved = {1}},
                                 &output, &error));
    expect_refused(bertrun_hidden_states(
        session, &PAIR, 1, &(bertrun_hidden_options){.reserved = {1}}, &output, &error));
    expect_refused(bertrun_answer_questions(
        session, &PAIR, 1, &(bertrun_answer_options){.reserved = {1}}, &answers, &error));
    cr_assert_eq(bertrun_tokenizer_open(&tokenizer, tiny("bert-answer"), &error), BERTRUN_OK);
    cr_assert_eq(bertrun_encoder_open(&encoder, tokenizer, &error), BERTRUN_OK);
    expect_refused(bertrun_tokenizer_encode(
        encoder, &PAIR, &(bertrun_encode_options){.reserved = {1}}, &tokens, &error));
    bertrun_encoder_close(&encoder);
    bertrun_tokenizer_close(&tokenizer);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}
