/*
 * In int8 every projection is a oneDNN int8 matrix multiplication: oneDNN's own log of one forward
 * pass is counted, and the implementation that each execution names is read. Our multiplication,
 * which the default takes for small blocks, gives the same bits.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

/* Opens the model with oneDNN for every projection; skips the test where the CPU cannot. */
static bertrun_model *open_with_onednn(const char *path)
{
    bertrun_model *model;
    bertrun_error error;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = BERTRUN_PRECISION_INT8;
    settings.kernels = BERTRUN_KERNELS_ONEDNN;
    bertrun_status status = bertrun_model_open(&model, path, &settings, &error);
    if (status == BERTRUN_ERR_UNSUPPORTED)
        cr_skip_test("needs a CPU with VNNI: %s", error.message);
    golden_require(status, &error);
    return model;
}

static bertrun_output run_one(const bertrun_model *model, bertrun_session *session,
                              const bertrun_embed_options *options)
{
    static const bertrun_input input = {.text = "the cat sat on the mat", .length = 22};
    bertrun_output output;
    bertrun_error error;
    bool classify = bertrun_model_get_info(model)->task == BERTRUN_TASK_CLASSIFY;
    golden_require(classify ? bertrun_classify(session, &input, 1, &output, &error)
                            : bertrun_embed(session, &input, 1, options, &output, &error),
                   &error);
    return output;
}

/* What the process writes to standard output during run_one(): oneDNN's log. free() it. */
static char *log_of_one_pass(const bertrun_model *model, bertrun_session *session,
                             const bertrun_embed_options *options)
{
    static const char path[] = "onednn.log";
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    cr_assert(saved >= 0 && freopen(path, "w", stdout));
    run_one(model, session, options);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    char *log = fixture_read(path);
    remove(path);
    return log;
}

/* Executions of int8 multiplications by oneDNN's VNNI code. Any other matmul fails the test. */
static size_t count_executions(char *log)
{
    size_t count = 0;
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strstr(line, "exec,") || !strstr(line, ",matmul,"))
            continue;
        cr_expect(strstr(line, ",matmul,brg") && strstr(line, "src_u8") && strstr(line, "wei_s8") &&
                      strstr(line, "dst_s32"),
                  "%s", line);
        count++;
    }
    return count;
}

/* The library's own count of kernel executions in linear layers. */
static size_t count_profile(bertrun_session *session)
{
    const bertrun_profile_entry *entries;
    size_t length = bertrun_session_profile(session, &entries), count = 0;
    for (size_t i = 0; i < length; i++) {
        if (entries[i].operations <= 0)
            continue;
        cr_expect(strstr(entries[i].kernel, ":brg"), "%s is computed by %s", entries[i].phase,
                  entries[i].kernel);
        count += entries[i].calls;
    }
    return count;
}

/* Each layer has four: Q, K, V as one; attention output; the feed-forward's two. */
static void check_executions(const char *path, const bertrun_embed_options *options,
                             size_t head_executions)
{
    cr_assert(setenv("DNNL_VERBOSE", "1", 1) == 0 && setenv("ONEDNN_VERBOSE", "1", 1) == 0);
    bertrun_error error;
    bertrun_session *session;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.profile = true;
    bertrun_model *model = open_with_onednn(path);
    golden_require(bertrun_session_open(&session, model, &settings, &error), &error);
    char *log = log_of_one_pass(model, session, options);
    size_t expected = 4 * bertrun_model_get_info(model)->num_hidden_layers + head_executions;
    size_t executed = count_executions(log);
    cr_expect(executed == expected, "%s: %zu executions, expected %zu", path, executed, expected);
    cr_expect(count_profile(session) == expected);
    free(log);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
}

static void check_tiny(const char *name, bertrun_pooling pooling, size_t head_executions)
{
    golden_set set = golden_open(name);
    bertrun_embed_options options;
    bertrun_embed_options_init(&options);
    options.pooling = pooling;
    check_executions(set.folder, &options, head_executions);
    golden_close(&set);
}

Test(int8_executions, bert)
{
    check_tiny("tiny/bert", BERTRUN_POOLING_AUTO, 0);
}

Test(int8_executions, bert_pooler)
{
    check_tiny("tiny/bert", BERTRUN_POOLING_POOLER, 1);
}

Test(int8_executions, bert_dense)
{
    check_tiny("tiny/bert-sentence", BERTRUN_POOLING_AUTO, 1);
}

Test(int8_executions, bert_pooler_and_classifier)
{
    check_tiny("tiny/bert-classifier-f16", BERTRUN_POOLING_AUTO, 2);
}

Test(int8_executions, distilbert_pre_classifier_and_classifier)
{
    check_tiny("tiny/distilbert-classifier-bf16", BERTRUN_POOLING_AUTO, 2);
}

Test(int8_executions, minilm)
{
    check_executions(fixture_minilm(), NULL, 0);
}

/* Every state of all texts, [states, tokens, width], by the given model; free() it. */
static float *all_states(const bertrun_model *model, const golden_set *set, size_t *count)
{
    bertrun_output output;
    bertrun_error error;
    bertrun_session *session = fixture_session(model, 2, 0);
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    *count = output.num_states * output.total_tokens * output.width;
    float *values = malloc(*count * sizeof *values);
    cr_assert(values);
    memcpy(values, output.values, *count * sizeof *values);
    bertrun_session_close(&session);
    return values;
}

static void check_same_bits(const char *path, const char *name)
{
    size_t count, other_count;
    golden_set set = golden_open(name);
    if (!path)
        path = set.folder;
    bertrun_model *onednn = open_with_onednn(path);
    bertrun_model *mixed = fixture_model(path, BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_TOKEN);
    float *values = all_states(onednn, &set, &count);
    float *others = all_states(mixed, &set, &other_count);
    cr_expect(count == other_count && memcmp(values, others, count * sizeof *values) == 0);
    free(values);
    free(others);
    bertrun_model_close(&onednn);
    bertrun_model_close(&mixed);
    golden_close(&set);
}

Test(int8_executions, own_multiplication_gives_the_same_bits)
{
    check_same_bits(NULL, "tiny/bert");
    check_same_bits(NULL, "tiny/distilbert-sharded");
}

Test(int8_executions, own_multiplication_gives_the_same_bits_for_minilm)
{
    check_same_bits(fixture_minilm(), "minilm-varied");
}
