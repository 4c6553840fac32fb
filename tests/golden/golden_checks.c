#include "tests/golden/golden_checks.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void golden_require(bertrun_status status, const bertrun_error *error)
{
    cr_assert(status == BERTRUN_OK, "%s: %s", bertrun_status_string(status), error->message);
}

static size_t count_values(const bertrun_output *output)
{
    return output->num_states ? output->num_states * output->total_tokens * output->width
                              : output->count * output->width;
}

/* A copy of the values, which end with the session's next call. free() it. */
static float *copy_values(const bertrun_output *output)
{
    size_t bytes = count_values(output) * sizeof(float);
    float *copy = malloc(bytes);
    cr_assert(copy);
    memcpy(copy, output->values, bytes);
    return copy;
}

static void expect_same_bits(const golden_set *set, const float *by_ids,
                             const bertrun_output *by_text)
{
    golden_expect_counts(set, by_text);
    cr_assert(memcmp(by_ids, by_text->values, count_values(by_text) * sizeof(float)) == 0,
              "%s: texts and their ids give different values", set->folder);
}

void golden_check_states(const golden_set *set, bertrun_session *session)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    golden_expect(set, "hidden_states", output.values, count_values(&output), GOLDEN_F32_BOUND);
    float *values = copy_values(&output);
    golden_require(bertrun_hidden_states(session, set->texts, set->count, NULL, &output, &error),
                   &error);
    expect_same_bits(set, values, &output);
    free(values);
}

void golden_check_embeddings(const golden_set *set, bertrun_session *session,
                             bertrun_pooling pooling, const char *what)
{
    bertrun_output output;
    bertrun_error error;
    bertrun_embed_options options;
    bertrun_embed_options_init(&options);
    options.pooling = pooling;
    golden_require(bertrun_embed(session, set->inputs, set->count, &options, &output, &error),
                   &error);
    golden_expect(set, what, output.values, count_values(&output), GOLDEN_F32_BOUND);
    float *values = copy_values(&output);
    golden_require(bertrun_embed(session, set->texts, set->count, &options, &output, &error),
                   &error);
    expect_same_bits(set, values, &output);
    free(values);
}

void golden_check_logits(const golden_set *set, bertrun_session *session)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_classify(session, set->inputs, set->count, &output, &error), &error);
    golden_expect(set, "logits", output.values, count_values(&output), GOLDEN_F32_BOUND);
    golden_expect(set, "scores", output.scores, count_values(&output), GOLDEN_F32_BOUND);
    float *values = copy_values(&output);
    golden_require(bertrun_classify(session, set->texts, set->count, &output, &error), &error);
    expect_same_bits(set, values, &output);
    free(values);
}
