/* The real all-MiniLM-L6-v2, f32 and bf16, against transformers. */
#include <criterion/criterion.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static void with_minilm(const char *name, bertrun_precision precision,
                        void (*check)(const golden_set *, bertrun_session *))
{
    bertrun_model *model = fixture_model(fixture_minilm(), precision, BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(model, 1, 0);
    golden_set set = golden_open(name);
    check(&set, session);
    golden_close(&set);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}

static void check_every_state(const golden_set *set, bertrun_session *session)
{
    golden_check_states(set, session);
    golden_check_embeddings(set, session, BERTRUN_POOLING_AUTO, "embeddings");
}

static void check_last_state(const golden_set *set, bertrun_session *session)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_hidden_states(session, set->texts, set->count, NULL, &output, &error),
                   &error);
    golden_expect_counts(set, &output);
    size_t size = output.total_tokens * output.width;
    golden_expect(set, "last_state", output.values + (output.num_states - 1) * size, size,
                  GOLDEN_F32_BOUND);
    golden_check_embeddings(set, session, BERTRUN_POOLING_AUTO, "embeddings");
}

static void check_angles(const golden_set *set, bertrun_session *session)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_embed(session, set->texts, set->count, NULL, &output, &error), &error);
    golden_expect_cosine(set, "embeddings", output.values, output.count, output.width);
}

Test(minilm, every_hidden_state_of_5_texts)
{
    with_minilm("minilm-states", BERTRUN_PRECISION_F32, check_every_state);
}

Test(minilm, last_state_and_embedding_of_50_varied_texts)
{
    with_minilm("minilm-varied", BERTRUN_PRECISION_F32, check_last_state);
}

Test(minilm, bf16_embeddings_of_50_varied_texts)
{
    with_minilm("minilm-varied", BERTRUN_PRECISION_BF16, check_angles);
}
