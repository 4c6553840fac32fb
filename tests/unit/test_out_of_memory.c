/*
 * Every allocation of ours fails in turn, in opening a model and a session and in a run, for each
 * task: the answer is NOMEM, nothing leaks, and the next call works with the same result.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bertrun/bertrun.h"
#include "kernels/gemm.h"
#include "memory_trial.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define TEXT(literal) .text = literal, .length = sizeof(literal) - 1
#define PAIR(literal) .pair = literal, .pair_length = sizeof(literal) - 1

static bertrun_error error;

static const char *tiny(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tiny/%s", getenv("BERTRUN_GOLDEN"), name);
    return path;
}

/* --------------------------------------------------------------------------- the task's calls */

/* A call on a session; *sum receives something of its result. */
typedef bertrun_status task_call(bertrun_session *session, double *sum);

static double add(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)(i % 7 + 1) * (double)values[i];
    return sum;
}

static const bertrun_input TEXTS[] = {
    {TEXT("a b c")},
    {TEXT("")},
    {TEXT("The cat sat on the mat, and one more text, a little longer than the others; "
          "Playing un-able Runners and a man.")},
};

static const bertrun_input PAIRS[] = {
    {TEXT("Who sat on the mat?"), PAIR("The cat sat on the mat. Runners and a man, playing.")},
    {TEXT("a?"), PAIR("b c")},
};

static bertrun_status embed(bertrun_session *session, double *sum)
{
    bertrun_output output;
    bertrun_status status = bertrun_embed(session, TEXTS, COUNT(TEXTS), NULL, &output, &error);
    *sum = status ? 0 : add(output.values, output.count * output.width);
    return status;
}

static bertrun_status embed_as_codes(bertrun_session *session, double *sum)
{
    float ranges[] = {-1, -1, -1, -1, 1, 1, 1, 1};
    bertrun_embed_options options = {
        .prompt = "query: ", .dimensions = 4, .dtype = BERTRUN_EMBEDDING_INT8, .ranges = ranges};
    bertrun_output output;
    bertrun_status status = bertrun_embed(session, TEXTS, COUNT(TEXTS), &options, &output, &error);
    cr_assert(status || output.texts[2].windows > 1);
    *sum = 0;
    for (size_t i = 0; status == BERTRUN_OK && i < output.count * output.code_bytes; i++)
        *sum += (double)(i + 1) * ((const int8_t *)output.codes)[i];
    return status;
}

static bertrun_status hidden_states(bertrun_session *session, double *sum)
{
    bertrun_output output;
    bertrun_status status =
        bertrun_hidden_states(session, TEXTS, COUNT(TEXTS), NULL, &output, &error);
    *sum = status ? 0 : add(output.values, output.num_states * output.total_tokens * output.width);
    return status;
}

static bertrun_status classify(bertrun_session *session, double *sum)
{
    bertrun_output output;
    bertrun_status status = bertrun_classify(session, PAIRS, COUNT(PAIRS), &output, &error);
    *sum = status ? 0 : add(output.scores, output.count * output.width);
    return status;
}

static bertrun_status find_entities(bertrun_session *session, double *sum)
{
    bertrun_entities found;
    bertrun_status status = bertrun_find_entities(session, TEXTS, COUNT(TEXTS),
                                                  BERTRUN_AGGREGATION_AVERAGE, &found, &error);
    cr_assert(status || found.texts[2].windows > 1);
    *sum = 0;
    for (size_t i = 0; status == BERTRUN_OK && i < found.offsets[found.count]; i++)
        *sum += (double)(i + 1) * (double)found.entities[i].score;
    return status;
}

static bertrun_status answer(bertrun_session *session, double *sum)
{
    bertrun_answers found;
    bertrun_answer_options options = {.top_k = 3, .stride = 2, .no_answer = true};
    bertrun_status status =
        bertrun_answer_questions(session, PAIRS, COUNT(PAIRS), &options, &found, &error);
    cr_assert(status || found.texts[0].windows > 1);
    *sum = 0;
    for (size_t i = 0; status == BERTRUN_OK && i < found.offsets[found.count]; i++)
        *sum += (double)(i + 1) * (double)found.answers[i].score;
    return status;
}

static bertrun_status fill_masks(bertrun_session *session, double *sum)
{
    static const bertrun_input inputs[] = {{TEXT("The [MASK] sat on the mat.")},
                                           {TEXT("[MASK] [MASK]")}};
    bertrun_masks found;
    bertrun_status status = bertrun_fill_masks(session, inputs, 2, 5, &found, &error);
    *sum = 0;
    for (size_t i = 0; status == BERTRUN_OK && i < found.offsets[found.count]; i++)
        *sum += (double)(i + 1) * (double)found.masks[i].fills[0].score;
    return status;
}

/* --------------------------------------------------------------------------------- the trials */

typedef struct trial {
    const char *path;
    bertrun_model_settings model;
    bertrun_session_settings session;
    task_call *call;
} trial;

typedef struct opened {
    trial trial;
    bertrun_model *model;
    bertrun_session *session;
} opened;

static bertrun_status open_both(void *data)
{
    opened *o = data;
    const trial *t = &o->trial;
    o->session = NULL;
    bertrun_status status = bertrun_model_open(&o->model, t->path, &t->model, &error);
    return status ? status : bertrun_session_open(&o->session, o->model, &t->session, &error);
}

static bertrun_status call(void *data, double *sum)
{
    const opened *o = data;
    return o->trial.call(o->session, sum);
}

static void close_both(void *data)
{
    opened *o = data;
    bertrun_session_close(&o->session);
    bertrun_model_close(&o->model);
}

static void try_each_allocation(trial t)
{
    opened o = {.trial = t};
    memory_try_each((memory_trial){t.path, &o, &error, open_both, call, close_both, 0}, 100);
}

static const bertrun_model_settings INT8 = {.precision = BERTRUN_PRECISION_INT8};

Test(out_of_memory, embed, .timeout = 100)
{
    try_each_allocation((trial){tiny("bert-sentence"), INT8, {.threads = 2}, embed});
}

Test(out_of_memory, embed_windows_behind_a_prompt_as_codes, .timeout = 100)
{
    bertrun_session_settings windows = {
        .threads = 1, .max_length = 12, .long_text = BERTRUN_LONG_TEXT_STRIDE, .stride = 2};
    try_each_allocation((trial){tiny("bert-prompts"), INT8, windows, embed_as_codes});
}

Test(out_of_memory, embed_with_fixed_inputs, .timeout = 100)
{
    bertrun_model_settings settings = INT8;
    settings.activations = BERTRUN_ACTIVATIONS_STATIC;
    try_each_allocation((trial){tiny("distilbert-qat"), settings, {.threads = 2}, embed});
}

Test(out_of_memory, embed_by_onednn, .timeout = 100)
{
    bertrun_model_settings settings = INT8;
    if (!br_gemm_select()->vnni)
        cr_skip_test("needs a CPU with VNNI");
    settings.kernels = BERTRUN_KERNELS_ONEDNN;
    try_each_allocation((trial){tiny("bert"), settings, {.threads = 2}, embed});
}

Test(out_of_memory, embed_of_pytorch_files_in_f32, .timeout = 100)
{
    bertrun_model_settings settings = {.precision = BERTRUN_PRECISION_F32};
    try_each_allocation((trial){tiny("bert-torch-sharded"), settings, {.threads = 2}, embed});
}

Test(out_of_memory, hidden_states_with_a_scale_for_the_batch, .timeout = 100)
{
    bertrun_model_settings settings = INT8;
    settings.activations = BERTRUN_ACTIVATIONS_BATCH;
    try_each_allocation(
        (trial){tiny("distilbert-sharded"), settings, {.threads = 2}, hidden_states});
}

Test(out_of_memory, classify, .timeout = 100)
{
    bertrun_model_settings settings = {.precision = BERTRUN_PRECISION_BF16};
    try_each_allocation((trial){tiny("bert-classifier-f16"), settings, {.threads = 1}, classify});
    try_each_allocation((trial){tiny("bert-next-sentence"), INT8, {.threads = 1}, classify});
}

Test(out_of_memory, rerank, .timeout = 100)
{
    try_each_allocation((trial){tiny("bert-cross-encoder"), INT8, {.threads = 1}, classify});
}

Test(out_of_memory, find_entities, .timeout = 100)
{
    bertrun_session_settings windows = {
        .threads = 1, .max_length = 12, .long_text = BERTRUN_LONG_TEXT_STRIDE, .stride = 2};
    try_each_allocation((trial){tiny("bert-ner"), INT8, windows, find_entities});
}

Test(out_of_memory, answer, .timeout = 100)
{
    bertrun_session_settings short_windows = {.threads = 1, .max_length = 16};
    try_each_allocation((trial){tiny("distilbert-answer"), INT8, short_windows, answer});
}

Test(out_of_memory, fill_masks, .timeout = 100)
{
    try_each_allocation((trial){tiny("bert-mlm"), INT8, {.threads = 1}, fill_masks});
}

/* -------------------------------------------------------------------- files and the tokenizer */

/* Converts with allocation `fail_at` failing; false where there are not so many. */
static bool survive_converting(const char *directory, const char *file, long fail_at)
{
    long held = memory_held;
    memory_fail_at = fail_at;
    bertrun_status status = bertrun_convert(directory, file, NULL, &error);
    bool failed = memory_fail_at <= 0;
    memory_fail_at = 0;
    cr_assert(status == BERTRUN_OK || (failed && status == BERTRUN_ERR_NOMEM),
              "allocation %ld: %s (%s)", fail_at, bertrun_status_string(status), error.message);
    cr_assert_eq(access(file, F_OK), status == BERTRUN_OK ? 0 : -1, "allocation %ld", fail_at);
    cr_assert_eq(memory_held, held, "allocation %ld: %ld leak", fail_at, memory_held - held);
    if (failed)
        unlink(file);
    return failed;
}

typedef struct tokenizer_trial {
    const char *path;
    bertrun_tokenizer *tokenizer;
    bertrun_encoder *encoder;
} tokenizer_trial;

static bertrun_status open_tokenizer(void *data)
{
    tokenizer_trial *t = data;
    t->encoder = NULL;
    bertrun_status status = bertrun_tokenizer_open(&t->tokenizer, t->path, &error);
    if (status == BERTRUN_OK)
        status = bertrun_encoder_open(&t->encoder, t->tokenizer, &error);
    return status;
}

static bertrun_status tokenize(void *data, double *sum)
{
    const tokenizer_trial *t = data;
    bertrun_tokens tokens;
    const char *text;
    size_t length = 0;
    bertrun_encode_options options = {.max_length = 8, .overflow = true, .offsets = true};
    bertrun_status status =
        bertrun_tokenizer_encode(t->encoder, &TEXTS[2], &options, &tokens, &error);
    if (status == BERTRUN_OK)
        status = bertrun_tokenizer_decode(t->encoder, tokens.ids, tokens.count, false, &text,
                                          &length, &error);
    *sum = (double)length;
    return status;
}

static void close_tokenizer(void *data)
{
    tokenizer_trial *t = data;
    bertrun_encoder_close(&t->encoder);
    bertrun_tokenizer_close(&t->tokenizer);
}

static void try_each_of_tokenizing(const char *path)
{
    tokenizer_trial t = {.path = path};
    memory_try_each((memory_trial){path, &t, &error, open_tokenizer, tokenize, close_tokenizer, 0},
                    15);
}

Test(out_of_memory, tokenizer_of_a_directory_and_of_a_file, .timeout = 100)
{
    try_each_of_tokenizing(tiny("bert"));
    try_each_of_tokenizing(tiny("bert/vocab.txt"));
}

Test(out_of_memory, convert_and_a_bin_file, .timeout = 100)
{
    char file[] = "/tmp/bertrun-memory-XXXXXX.bin";
    int made = mkstemps(file, 4);
    cr_assert_geq(made, 0);
    close(made);
    unlink(file);
    long fail_at = 1;
    while (survive_converting(tiny("bert"), file, fail_at))
        fail_at++;
    cr_expect_gt(fail_at, 50, "only %ld allocations", fail_at);
    try_each_allocation((trial){file, INT8, {.threads = 1}, embed});
    bertrun_model_settings mapped = INT8;
    mapped.mmap = true;
    try_each_allocation((trial){file, mapped, {.threads = 1}, embed});
    try_each_of_tokenizing(file);
    unlink(file);
}
