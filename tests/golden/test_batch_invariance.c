/* int8 with activations per token, or with fixed parameters: a text's embedding, or its logits, is
 * the same, bit for bit, whatever is in the batch with it, wherever it stands, and however many
 * threads there are. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

/* What is compared: bertrun_embed() by its defaults, or bertrun_classify(). */
typedef bertrun_status result_call(bertrun_session *session, const bertrun_input *inputs,
                                   size_t count, bertrun_output *output, bertrun_error *error);

/* A model, texts, and the texts' results [count, width] as each gets them alone. */
typedef struct trial {
    golden_set set;
    bertrun_model *model;
    result_call *call;
    size_t width;
    float *alone;
} trial;

static bertrun_status embed(bertrun_session *session, const bertrun_input *inputs, size_t count,
                            bertrun_output *output, bertrun_error *error)
{
    return bertrun_embed(session, inputs, count, NULL, output, error);
}

/* Runs texts[order[i]] for all i, `texts_a_call` at a time, and compares with `alone`. */
static bool same_bits(const trial *t, bertrun_session *session, const size_t *order,
                      size_t texts_a_call)
{
    bool same = true;
    bertrun_input *inputs = malloc(t->set.count * sizeof *inputs);
    for (size_t i = 0; i < t->set.count; i++)
        inputs[i] = t->set.texts[order[i]];
    for (size_t begin = 0; same && begin < t->set.count; begin += texts_a_call) {
        bertrun_output output;
        size_t left = t->set.count - begin, n = left < texts_a_call ? left : texts_a_call;
        same = t->call(session, inputs + begin, n, &output, NULL) == BERTRUN_OK;
        for (size_t i = 0; same && i < n; i++)
            same = memcmp(output.values + i * t->width, t->alone + order[begin + i] * t->width,
                          t->width * sizeof(float)) == 0;
    }
    free(inputs);
    return same;
}

/* Three orders of 0 .. count-1: as it is, backwards, and strided so that neighbours change. */
static void fill_order(size_t which, size_t *order, size_t count)
{
    size_t step =
        count % 7 ? 7 : 11; /* shares no factor with count, so that each text comes once */
    for (size_t i = 0; i < count; i++)
        order[i] = which == 0 ? i : which == 1 ? count - 1 - i : i * step % count;
}

enum { NUM_ORDERS = 3, MAX_TEXTS = 64 };

static trial trial_of(result_call *call, const char *path, const char *set,
                      bertrun_activations activations)
{
    trial t = {.set = golden_open(set), .call = call};
    t.model = fixture_model(path ? path : t.set.folder, BERTRUN_PRECISION_INT8, activations);
    const bertrun_model_info *info = bertrun_model_get_info(t.model);
    t.width = call == embed ? info->embedding_size : info->num_labels;
    t.alone = malloc(t.set.count * t.width * sizeof *t.alone);
    cr_assert(t.set.count <= MAX_TEXTS && t.alone);
    bertrun_session *session = fixture_session(t.model, 1, 0);
    for (size_t i = 0; i < t.set.count; i++) {
        bertrun_output output;
        bertrun_error error;
        golden_require(call(session, t.set.texts + i, 1, &output, &error), &error);
        memcpy(t.alone + i * t.width, output.values, t.width * sizeof *t.alone);
    }
    bertrun_session_close(&session);
    return t;
}

static trial trial_open(const char *path, const char *set, bertrun_activations activations)
{
    return trial_of(embed, path, set, activations);
}

static void trial_close(trial *t)
{
    bertrun_model_close(&t->model);
    golden_close(&t->set);
    free(t->alone);
}

/* All orders and several batch sizes; batch_tokens as given. */
static void check_session(const trial *t, int threads, size_t batch_tokens)
{
    static const size_t batch_sizes[] = {1, 3, 16, MAX_TEXTS};
    size_t order[MAX_TEXTS];
    bertrun_session *session = fixture_session(t->model, threads, batch_tokens);
    for (size_t which = 0; which < NUM_ORDERS; which++) {
        fill_order(which, order, t->set.count);
        for (size_t i = 0; i < sizeof batch_sizes / sizeof *batch_sizes; i++)
            cr_expect(same_bits(t, session, order, batch_sizes[i]),
                      "order %zu, %zu texts a call, %d threads, batch_tokens %zu", which,
                      batch_sizes[i], threads, batch_tokens);
    }
    bertrun_session_close(&session);
}

static void check_all(trial t)
{
    static const size_t batch_tokens[] = {0, 1, 50, 10000};
    for (size_t i = 0; i < sizeof batch_tokens / sizeof *batch_tokens; i++)
        for (int threads = 1; threads <= 2; threads++)
            check_session(&t, threads, batch_tokens[i]);
    trial_close(&t);
}

Test(batch_invariance, tiny_bert)
{
    check_all(trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(batch_invariance, tiny_distilbert)
{
    check_all(trial_open(NULL, "tiny/distilbert-sharded", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(batch_invariance, minilm)
{
    check_all(trial_open(fixture_minilm(), "minilm-varied", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(batch_invariance, symmetric_activations)
{
    check_all(trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC));
    check_all(trial_open(fixture_minilm(), "minilm-varied", BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC));
}

Test(batch_invariance, fixed_activations)
{
    check_all(trial_open(NULL, "tiny/distilbert-qat", BERTRUN_ACTIVATIONS_STATIC));
}

Test(batch_invariance, classifiers)
{
    static const char *const sets[] = {"tiny/bert-classifier-f16",
                                       "tiny/distilbert-classifier-bf16", "tiny/bert-cross-encoder",
                                       "tiny/bert-next-sentence"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        check_all(trial_of(bertrun_classify, NULL, sets[i], BERTRUN_ACTIVATIONS_TOKEN));
    check_all(trial_of(bertrun_classify, NULL, "tiny/distilbert-qat", BERTRUN_ACTIVATIONS_STATIC));
}

/* So many texts that threads take groups of them; first rows alone are computed at the end. */
static void check_groups(const trial *t, bertrun_pooling pooling, int threads)
{
    enum { TIMES = 40 };
    size_t count = t->set.count, bytes = t->width * sizeof(float);
    bertrun_input *inputs = malloc(TIMES * count * sizeof *inputs);
    for (size_t i = 0; i < TIMES * count; i++)
        inputs[i] = t->set.texts[i % count];
    bertrun_embed_options options;
    bertrun_embed_options_init(&options);
    options.pooling = pooling;
    bertrun_session *session = fixture_session(t->model, threads, 100000);
    bertrun_session *one = fixture_session(t->model, 1, 1);
    bertrun_output all, alone;
    bertrun_error error;
    golden_require(bertrun_embed(session, inputs, TIMES * count, &options, &all, &error), &error);
    cr_assert_gt(all.total_tokens, 2000);
    for (size_t i = 0; i < count; i++) {
        golden_require(bertrun_embed(one, inputs + i, 1, &options, &alone, &error), &error);
        for (size_t k = 0; k < TIMES; k++)
            cr_assert(memcmp(all.values + (k * count + i) * t->width, alone.values, bytes) == 0,
                      "text %zu, time %zu, %d threads", i, k, threads);
    }
    bertrun_session_close(&one);
    bertrun_session_close(&session);
    free(inputs);
}

Test(batch_invariance, groups_of_texts)
{
    trial t = trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN);
    for (int threads = 1; threads <= 3; threads++) {
        check_groups(&t, BERTRUN_POOLING_MEAN, threads);
        check_groups(&t, BERTRUN_POOLING_CLS, threads);
    }
    trial_close(&t);
}

/* A failed call in between leaves the session as good as it was. */
Test(batch_invariance, session_goes_on_after_a_failure)
{
    const int32_t unknown = 1 << 30;
    const bertrun_input wrong = {.ids = &unknown, .num_ids = 1};
    size_t order[MAX_TEXTS];
    bertrun_output output;
    bertrun_error error;
    trial t = trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(t.model, 2, 0);
    fill_order(0, order, t.set.count);
    for (int i = 0; i < 3; i++) {
        cr_expect(same_bits(&t, session, order, t.set.count));
        cr_expect(bertrun_embed(session, &wrong, 1, NULL, &output, &error) == BERTRUN_ERR_ARGUMENT);
    }
    bertrun_session_close(&session);
    trial_close(&t);
}

typedef struct caller {
    pthread_t thread;
    const trial *trial;
    bertrun_session *session;
    size_t which;
    bool same;
} caller;

static void *call_many_times(void *argument)
{
    caller *self = argument;
    size_t order[MAX_TEXTS];
    fill_order(self->which % NUM_ORDERS, order, self->trial->set.count);
    self->same = true;
    for (size_t i = 0; self->same && i < 5; i++)
        self->same = same_bits(self->trial, self->session, order, 5 + 3 * self->which);
    return NULL;
}

static void check_parallel_sessions(trial t)
{
    enum { CALLERS = 4 };
    caller callers[CALLERS];
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.trial = &t, .which = i};
        callers[i].session = fixture_session(t.model, 1 + (int)i % 2, 0);
        cr_assert(pthread_create(&callers[i].thread, NULL, call_many_times, &callers[i]) == 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        cr_expect(callers[i].same, "session %zu", i);
        bertrun_session_close(&callers[i].session);
    }
    trial_close(&t);
}

Test(batch_invariance, sessions_in_parallel_tiny)
{
    check_parallel_sessions(trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(batch_invariance, sessions_in_parallel_minilm)
{
    check_parallel_sessions(
        trial_open(fixture_minilm(), "minilm-varied", BERTRUN_ACTIVATIONS_TOKEN));
}
