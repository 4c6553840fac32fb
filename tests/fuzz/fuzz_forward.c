/*
 * A `.bin` that is opened is run: embeddings, and what its head is for. Results may be any numbers;
 * in int8 with scales per token those of a text must depend neither on its batch nor on the
 * instruction set, and offsets must lie in their texts.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory_file.h"
#include "bertrun/bertrun.h"

#define TEXT(words)                                                                                \
    {                                                                                              \
        .text = words, .length = sizeof(words) - 1                                                 \
    }
static const bertrun_input texts[] = {
    TEXT("The cat sat on a [MASK] mat."),
    TEXT("[MASK]"),
    TEXT("a a a a a a a a a a a a [MASK] a a a a a a a a a a a a a a a a a a"),
};
enum { NUM_TEXTS = sizeof texts / sizeof *texts };

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Embeddings that a mistake of a bit would show in; NULL where there are none. */
static float *embed(bertrun_session *session, const bertrun_input *inputs, size_t count,
                    size_t *size)
{
    bertrun_output out;
    if (bertrun_embed(session, inputs, count, NULL, &out, NULL) != BERTRUN_OK)
        return NULL;
    *size = out.count * out.width;
    float *values = malloc(*size * sizeof *values + 1);
    memcpy(values, out.values, *size * sizeof *values);
    return values;
}

static void require_same(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        require(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])));
}

/* The same by the scalar kernels, which the sanitizers watch. */
static void require_scalar_same(const char *path, const float *values, size_t size)
{
    bertrun_model *model;
    bertrun_session *session;
    setenv("BERTRUN_ISA", "scalar", 1);
    require(bertrun_model_open(&model, path, NULL, NULL) == BERTRUN_OK);
    require(bertrun_session_open(&session, model, NULL, NULL) == BERTRUN_OK);
    float *scalar = embed(session, texts, NUM_TEXTS, &size);
    require(scalar);
    require_same(values, scalar, size);
    free(scalar);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    unsetenv("BERTRUN_ISA");
}

static void run_embed(const char *path, bertrun_session *session, const bertrun_model_info *info)
{
    enum { SCALAR_EVERY = 8 }; /* it is slow; the first run, of a finding, is one */
    static size_t runs;
    size_t size, alone_size;
    float *values = embed(session, texts, NUM_TEXTS, &size);
    if (!values)
        return;
    float *alone = embed(session, &texts[NUM_TEXTS - 1], 1, &alone_size);
    require(alone);
    if (info->precision == BERTRUN_PRECISION_INT8 && info->num_kept == 0 &&
        (info->activations == BERTRUN_ACTIVATIONS_TOKEN ||
         info->activations == BERTRUN_ACTIVATIONS_STATIC)) {
        require_same(values + size - alone_size, alone, alone_size);
        if (runs++ % SCALAR_EVERY == 0)
            require_scalar_same(path, values, size);
    }
    free(alone);
    free(values);
}

static void run_entities(bertrun_session *session)
{
    bertrun_entities out;
    for (int aggregation = 0; aggregation <= BERTRUN_AGGREGATION_MAX; aggregation++) {
        if (bertrun_find_entities(session, texts, NUM_TEXTS, (bertrun_aggregation)aggregation, &out,
                                  NULL) != BERTRUN_OK)
            return;
        for (size_t i = 0; i < NUM_TEXTS; i++)
            for (size_t j = out.offsets[i]; j < out.offsets[i + 1]; j++)
                require(out.entities[j].span.byte_end <= texts[i].length &&
                        strlen(out.entities[j].label) < 1 << 20);
    }
}

static void run_answers(bertrun_session *session)
{
    static const bertrun_input question = {.text = "who?",
                                           .length = 4,
                                           .pair = "The cat sat on a mat. the dog ran to the cat.",
                                           .pair_length = 45};
    bertrun_answer_options options;
    bertrun_answers out;
    bertrun_answer_options_init(&options);
    options.top_k = 3;
    options.no_answer = true;
    if (bertrun_answer_questions(session, &question, 1, &options, &out, NULL) == BERTRUN_OK)
        for (size_t i = 0; i < out.offsets[1]; i++)
            require(out.answers[i].span.byte_end <= question.pair_length);
}

static void run_fills(bertrun_session *session, size_t vocab_size)
{
    bertrun_masks out;
    if (bertrun_fill_masks(session, texts, NUM_TEXTS, 3, &out, NULL) != BERTRUN_OK)
        return;
    for (size_t i = 0; i < out.offsets[NUM_TEXTS]; i++)
        for (size_t j = 0; j < out.num_fills; j++)
            require((size_t)out.masks[i].fills[j].id < vocab_size);
}

static void run_model(const char *path, const bertrun_model *model)
{
    const bertrun_model_info *info = bertrun_model_get_info(model);
    bertrun_session *session;
    bertrun_output out;
    if (bertrun_session_open(&session, model, NULL, NULL) != BERTRUN_OK)
        return;
    run_embed(path, session, info);
    bertrun_classify(session, texts, NUM_TEXTS, &out, NULL);
    run_entities(session);
    run_answers(session);
    run_fills(session, info->vocab_size);
    bertrun_session_close(&session);
}

static void run_lm(const bertrun_lm *lm)
{
    static const int32_t ids[] = {0, 1, 0}, targets[] = {1, 0, 2};
    bertrun_lm_session *session;
    const float *values;
    if (bertrun_lm_session_open(&session, lm, NULL, NULL) != BERTRUN_OK)
        return;
    bertrun_lm_logits(session, ids, 3, &values, NULL);
    bertrun_lm_score(session, ids, targets, 3, &values, NULL);
    bertrun_lm_session_close(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bertrun_model *model;
    bertrun_lm *lm;
    const char *path = memory_file(data, size);
    if (bertrun_model_open(&model, path, NULL, NULL) == BERTRUN_OK)
        run_model(path, model);
    else if (bertrun_lm_open(&lm, path, NULL, NULL) == BERTRUN_OK) {
        run_lm(lm);
        bertrun_lm_close(&lm);
    }
    bertrun_model_close(&model);
    return 0;
}
