/* Entities, answers and fills of small models against transformers; results of every head in bf16
 * and int8, which stay themselves in any batch. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static const double bound = 2e-5;
static const double logits_bound = 2e-5;

enum { MAX_TEXTS = 8 };

/* A tiny model and its texts. */
typedef struct head_set {
    char folder[GOLDEN_MAX_PATH];
    char *text;
    size_t count;
    bertrun_input inputs[MAX_TEXTS];
    bertrun_model *model;
} head_set;

static const char *path_of(const head_set *set, const char *name)
{
    static char path[GOLDEN_MAX_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", set->folder, name);
    return path;
}

static void cut_line(head_set *set, char *line)
{
    bertrun_input *input = &set->inputs[set->count++];
    char *tab = strchr(line, '\t');
    *input = (bertrun_input){.text = line, .length = strlen(line)};
    if (!tab)
        return;
    *tab = '\0';
    input->length = (size_t)(tab - line);
    input->pair = tab + 1;
    input->pair_length = strlen(tab + 1);
}

static head_set open_set(const char *name, bertrun_precision precision)
{
    head_set set = {0};
    snprintf(set.folder, sizeof set.folder, "%s/tiny/%s", fixture_environment("BERTRUN_GOLDEN"),
             name);
    set.text = fixture_read(path_of(&set, "texts.tsv"));
    for (char *line = set.text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        cr_assert(set.count < MAX_TEXTS);
        cut_line(&set, line);
    }
    set.model = fixture_model(set.folder, precision, BERTRUN_ACTIVATIONS_TOKEN);
    return set;
}

static void close_set(head_set *set)
{
    bertrun_model_close(&set->model);
    free(set->text);
}

static bertrun_session *open_session(const head_set *set, bertrun_session_settings settings)
{
    bertrun_session *session;
    bertrun_error error;
    golden_require(bertrun_session_open(&session, set->model, &settings, &error), &error);
    return session;
}

/* ------------------------------------------------------------------------------------ entities */

static const char *const strategies[] = {"simple", "none", "first", "average", "max"};

/* Compares with the lines of entities.tsv for one strategy and one length of windows. */
static void expect_entities(const head_set *set, bertrun_aggregation aggregation, int max_length,
                            const bertrun_entities *found)
{
    char *lines = fixture_read(path_of(set, "entities.tsv")), strategy[16], label[16];
    size_t seen = 0;
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
        int length;
        size_t text, begin, end;
        double score;
        cr_assert_eq(sscanf(line, "%15s %d %zu %15s %zu %zu %lf", strategy, &length, &text, label,
                            &begin, &end, &score),
                     7);
        if (strcmp(strategy, strategies[aggregation]) != 0 || length != max_length)
            continue;
        cr_assert(seen < found->offsets[found->count], "%s: too few", line);
        const bertrun_entity *entity = &found->entities[seen];
        cr_expect(seen >= found->offsets[text] && seen < found->offsets[text + 1], "%s", line);
        cr_expect(entity->span.char_begin == begin && entity->span.char_end == end, "%s: %zu..%zu",
                  line, entity->span.char_begin, entity->span.char_end);
        cr_expect_str_eq(entity->label, label);
        cr_expect(fabs((double)entity->score - score) < bound, "%s: %g", line,
                  (double)entity->score);
        seen++;
    }
    cr_expect(seen > 0 || max_length == 12, "%s: nothing expected", strategies[aggregation]);
    cr_expect_eq(seen, found->offsets[found->count], "%s: %zu entities, not %zu",
                 strategies[aggregation], found->offsets[found->count], seen);
    free(lines);
}

static void check_entities(const char *name)
{
    head_set set = open_set(name, BERTRUN_PRECISION_F32);
    for (int windows = 0; windows < 2; windows++) {
        bertrun_session_settings settings = {.threads = 1};
        if (windows)
            settings = (bertrun_session_settings){
                .threads = 2, .max_length = 12, .long_text = BERTRUN_LONG_TEXT_STRIDE, .stride = 4};
        bertrun_session *session = open_session(&set, settings);
        for (int a = 0; a <= BERTRUN_AGGREGATION_MAX; a++) {
            bertrun_entities found;
            bertrun_error error;
            if (windows && a == BERTRUN_AGGREGATION_NONE)
                continue; /* the pipeline refuses that */
            golden_require(bertrun_find_entities(session, set.inputs, set.count,
                                                 (bertrun_aggregation)a, &found, &error),
                           &error);
            expect_entities(&set, (bertrun_aggregation)a, windows ? 12 : 33, &found);
        }
        bertrun_session_close(&session);
    }
    close_set(&set);
}

Test(heads, bert_entities)
{
    check_entities("bert-ner");
}

Test(heads, distilbert_entities)
{
    check_entities("distilbert-ner");
}

static void check_token_logits(const char *name)
{
    static const struct {
        bertrun_precision precision;
        const char *file;
    } cases[] = {{BERTRUN_PRECISION_F32, "token_logits.npy"},
                 {BERTRUN_PRECISION_BF16, "token_logits.npy"},
                 {BERTRUN_PRECISION_INT8, "int8_token.npy"}};
    for (size_t c = 0; c < 3; c++) {
        head_set set = open_set(name, cases[c].precision);
        bertrun_session *session = open_session(&set, (bertrun_session_settings){.threads = 1});
        bertrun_output output;
        bertrun_error error;
        npy_file expected = npy_open(path_of(&set, cases[c].file));
        golden_require(bertrun_classify_tokens(session, set.inputs, set.count, &output, &error),
                       &error);
        size_t count = output.total_tokens * output.width;
        cr_assert_eq(expected.count, count);
        double worst = 0;
        for (size_t i = 0; i < count; i++)
            worst = fmax(worst, fabs((double)output.values[i] - (double)expected.f32[i]));
        double cosine = fixture_cosine(output.values, expected.f32, count);
        cr_expect(c > 0 || worst < logits_bound, "%s: logits %g off", name, worst);
        cr_expect(cosine > 0.999, "%s: cosine %g", name, cosine);
        npy_close(&expected);
        bertrun_session_close(&session);
        close_set(&set);
    }
}

Test(heads, token_logits)
{
    check_token_logits("bert-ner");
    check_token_logits("distilbert-ner");
}

/* ------------------------------------------------------------------------------------- answers */

static void expect_answers(const head_set *set, int max_length, bool no_answer,
                           const bertrun_answers *found)
{
    char *lines = fixture_read(path_of(set, "answers.tsv"));
    size_t seen = 0;
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
        int length, with_none;
        size_t question, begin, end;
        double score;
        cr_assert_eq(sscanf(line, "%d %d %zu %zu %zu %lf", &length, &with_none, &question, &begin,
                            &end, &score),
                     6);
        if (length != max_length || with_none != no_answer)
            continue;
        cr_assert(seen < found->offsets[found->count], "%s: too few", line);
        const bertrun_answer *answer = &found->answers[seen];
        cr_expect(seen >= found->offsets[question] && seen < found->offsets[question + 1], "%s",
                  line);
        cr_expect(answer->span.char_begin == begin && answer->span.char_end == end,
                  "%s: %zu..%zu %g", line, answer->span.char_begin, answer->span.char_end,
                  (double)answer->score);
        cr_expect(fabs((double)answer->score - score) < bound, "%s: %g", line,
                  (double)answer->score);
        seen++;
    }
    cr_expect(seen > 0);
    cr_expect_eq(seen, found->offsets[found->count]);
    free(lines);
}

static void check_answers(const char *name)
{
    head_set set = open_set(name, BERTRUN_PRECISION_F32);
    for (size_t max_length = 20; max_length <= 33; max_length += 13) {
        bertrun_session *session =
            open_session(&set, (bertrun_session_settings){.threads = 1, .max_length = max_length});
        for (int no_answer = 0; no_answer < 2; no_answer++) {
            bertrun_answer_options options = {.top_k = 3, .stride = 6, .no_answer = no_answer};
            bertrun_answers found;
            bertrun_error error;
            golden_require(
                bertrun_answer_questions(session, set.inputs, set.count, &options, &found, &error),
                &error);
            expect_answers(&set, (int)max_length, no_answer, &found);
        }
        bertrun_session_close(&session);
    }
    close_set(&set);
}

Test(heads, bert_answers)
{
    check_answers("bert-answer");
}

Test(heads, distilbert_answers)
{
    check_answers("distilbert-answer");
}

/* --------------------------------------------------------------------------------------- fills */

static void check_fills(const char *name)
{
    head_set set = open_set(name, BERTRUN_PRECISION_F32);
    bertrun_session *session = open_session(&set, (bertrun_session_settings){.threads = 2});
    char *lines = fixture_read(path_of(&set, "fills.tsv"));
    bertrun_masks found;
    bertrun_error error;
    size_t seen = 0;
    golden_require(bertrun_fill_masks(session, set.inputs, set.count, 3, &found, &error), &error);
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"), seen++) {
        size_t text, token;
        int id;
        double score;
        cr_assert_eq(sscanf(line, "%zu %zu %d %lf", &text, &token, &id, &score), 4);
        size_t mask = seen / 3;
        cr_assert(mask < found.offsets[found.count]);
        const bertrun_fill *fill = &found.masks[mask].fills[seen % 3];
        cr_expect(mask >= found.offsets[text] && mask < found.offsets[text + 1], "%s", line);
        cr_expect(found.masks[mask].token == token && fill->id == id, "%s: %d", line, fill->id);
        cr_expect(fabs((double)fill->score - score) < bound, "%s: %g", line, (double)fill->score);
    }
    cr_expect(seen > 0 && seen == 3 * found.offsets[found.count]);
    cr_expect_eq(memcmp(set.inputs[0].text + found.masks[0].span.byte_begin, "[MASK]", 6), 0);
    free(lines);
    bertrun_session_close(&session);
    close_set(&set);
}

Test(heads, fills)
{
    check_fills("bert-mlm");
    check_fills("bert-mlm-untied");
    check_fills("distilbert-mlm");
    check_fills("bert-pretraining");
}

Test(heads, the_second_head_of_pretraining)
{
    head_set set = open_set("bert-pretraining", BERTRUN_PRECISION_F32);
    bertrun_session *session = open_session(&set, (bertrun_session_settings){.threads = 1});
    npy_file expected = npy_open(path_of(&set, "relation_logits.npy"));
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_classify(session, set.inputs, set.count, &output, &error), &error);
    cr_assert_eq(output.count * output.width, expected.count);
    for (size_t i = 0; i < expected.count; i++)
        cr_expect(fabs((double)output.values[i] - (double)expected.f32[i]) < logits_bound, "%zu",
                  i);
    npy_close(&expected);
    bertrun_session_close(&session);
    close_set(&set);
}

/* ------------------------------------------------------------- int8: alone, together, converted */

/* The floats of a call's results for some of the inputs; returns how many. */
static size_t scores_of(bertrun_session *session, bertrun_task task, const bertrun_input *inputs,
                        size_t count, float *out)
{
    size_t found = 0;
    bertrun_error error;
    if (task == BERTRUN_TASK_NER) {
        bertrun_output output;
        golden_require(bertrun_classify_tokens(session, inputs, count, &output, &error), &error);
        found = output.total_tokens * output.width;
        memcpy(out, output.values, found * sizeof *out);
    } else if (task == BERTRUN_TASK_ANSWER) {
        bertrun_answers output;
        golden_require(bertrun_answer_questions(session, inputs, count, NULL, &output, &error),
                       &error);
        for (; found < output.offsets[count]; found++)
            out[found] = output.answers[found].score;
    } else if (task == BERTRUN_TASK_CLASSIFY) {
        bertrun_output output;
        golden_require(bertrun_classify(session, inputs, count, &output, &error), &error);
        found = count * output.width;
        memcpy(out, output.values, found * sizeof *out);
    } else {
        bertrun_masks output;
        golden_require(bertrun_fill_masks(session, inputs, count, 4, &output, &error), &error);
        for (; found < 4 * output.offsets[count]; found++)
            out[found] = output.masks[found / 4].fills[found % 4].score;
    }
    return found;
}

enum { MAX_SCORES = 4096 };

/* A model, and which of its heads. */
typedef struct head {
    const char *name;
    bertrun_task task;
} head;

static const head every_head[] = {
    {"bert-ner", BERTRUN_TASK_NER},
    {"distilbert-ner", BERTRUN_TASK_NER},
    {"bert-answer", BERTRUN_TASK_ANSWER},
    {"distilbert-answer", BERTRUN_TASK_ANSWER},
    {"bert-mlm", BERTRUN_TASK_FILL_MASK},
    {"bert-mlm-untied", BERTRUN_TASK_FILL_MASK},
    {"distilbert-mlm", BERTRUN_TASK_FILL_MASK},
    {"bert-pretraining", BERTRUN_TASK_FILL_MASK},
    {"bert-pretraining", BERTRUN_TASK_CLASSIFY},
    {"bert-next-sentence", BERTRUN_TASK_CLASSIFY},
    {"bert-classifier-f16", BERTRUN_TASK_CLASSIFY},
    {"bert-cross-encoder", BERTRUN_TASK_CLASSIFY},
    {"distilbert-classifier-bf16", BERTRUN_TASK_CLASSIFY},
    {"distilbert-regression", BERTRUN_TASK_CLASSIFY},
};
enum { NUM_HEADS = sizeof every_head / sizeof *every_head };

/* One text a pass on one thread, against all texts in passes of some tokens on some threads. */
static void check_invariance(const head *h, int threads, size_t batch_tokens)
{
    static float together[MAX_SCORES], alone[MAX_SCORES];
    head_set set = open_set(h->name, BERTRUN_PRECISION_INT8);
    bertrun_session *all = open_session(
        &set, (bertrun_session_settings){.threads = threads, .batch_tokens = batch_tokens});
    bertrun_session *one =
        open_session(&set, (bertrun_session_settings){.threads = 1, .batch_tokens = 1});
    size_t count = scores_of(all, h->task, set.inputs, set.count, together), at = 0;
    for (size_t i = 0; i < set.count; i++)
        at += scores_of(one, h->task, set.inputs + i, 1, alone + at);
    cr_expect(count > 0);
    cr_expect_eq(at, count);
    cr_expect(memcmp(alone, together, count * sizeof *alone) == 0,
              "%s: other bits alone than with %d threads", h->name, threads);
    bertrun_session_close(&all);
    bertrun_session_close(&one);
    close_set(&set);
}

Test(heads, int8_gives_the_same_bits_alone_and_together)
{
    for (size_t i = 0; i < NUM_HEADS; i++)
        for (int threads = 1; threads <= 2; threads++) {
            check_invariance(&every_head[i], threads, 0);
            check_invariance(&every_head[i], threads, 40);
        }
}

/* A file in f32 computes what the directory does; one in bf16 or int8 comes close. */
static void check_converted(const head *h, bertrun_dtype dtype)
{
    static float scores[2][MAX_SCORES];
    size_t counts[2];
    const char *name = h->name;
    head_set set = open_set(name, BERTRUN_PRECISION_F32);
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = dtype;
    golden_require(bertrun_convert(set.folder, "head.bin", &settings, &error), &error);
    for (size_t i = 0; i < 2; i++) {
        if (i == 1) {
            bertrun_model_close(&set.model);
            set.model =
                fixture_model("head.bin", BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_TOKEN);
        }
        bertrun_session *session = open_session(&set, (bertrun_session_settings){.threads = 1});
        counts[i] = scores_of(session, h->task, set.inputs, set.count, scores[i]);
        bertrun_session_close(&session);
    }
    cr_expect_eq(counts[0], counts[1]);
    double cosine = fixture_cosine(scores[0], scores[1], counts[0]);
    if (dtype == BERTRUN_DTYPE_F32)
        cr_expect(memcmp(scores[0], scores[1], counts[0] * sizeof(float)) == 0, "%s", name);
    else
        cr_expect(cosine > (dtype == BERTRUN_DTYPE_BF16 ? 0.9999 : 0.99), "%s: cosine %g", name,
                  cosine);
    remove("head.bin");
    close_set(&set);
}

Test(heads, converted_files_hold_the_head)
{
    for (size_t i = 0; i < NUM_HEADS; i++) {
        check_converted(&every_head[i], BERTRUN_DTYPE_F32);
        check_converted(&every_head[i], BERTRUN_DTYPE_BF16);
        check_converted(&every_head[i], BERTRUN_DTYPE_INT8);
    }
}

/* -------------------------------------------------------------------------------------- errors */

static void expect_failure(bertrun_status got, bertrun_status wanted, const bertrun_error *error,
                           const char *part)
{
    cr_expect_eq(got, wanted);
    cr_expect(strstr(error->message, part), "\"%s\" is not in: %s", part, error->message);
}

Test(heads, errors_name_the_task_and_the_input)
{
    bertrun_error error;
    bertrun_entities entities;
    bertrun_answers answers;
    bertrun_masks masks;
    bertrun_input pair = {.text = "a", .length = 1, .pair = "b", .pair_length = 1};
    bertrun_input texts[] = {{.text = "a [MASK]", .length = 8}, {.text = "a cat", .length = 5}};
    head_set ner = open_set("bert-ner", BERTRUN_PRECISION_F32);
    head_set answer = open_set("bert-answer", BERTRUN_PRECISION_F32);
    head_set mlm = open_set("distilbert-mlm", BERTRUN_PRECISION_F32);
    bertrun_session *a = open_session(&ner, (bertrun_session_settings){.threads = 1});
    bertrun_session *b = open_session(&answer, (bertrun_session_settings){.threads = 1});
    bertrun_session *c = open_session(&mlm, (bertrun_session_settings){.threads = 1});
    expect_failure(bertrun_fill_masks(a, texts, 2, 5, &masks, &error), BERTRUN_ERR_UNSUPPORTED,
                   &error, "task fill-mask: BertForTokenClassification has no such head");
    expect_failure(bertrun_find_entities(c, texts, 2, 0, &entities, &error),
                   BERTRUN_ERR_UNSUPPORTED, &error, "task ner: DistilBertForMaskedLM");
    expect_failure(bertrun_find_entities(a, &pair, 1, 0, &entities, &error),
                   BERTRUN_ERR_UNSUPPORTED, &error, "input 0: ");
    expect_failure(bertrun_find_entities(a, texts, 2, 5, &entities, &error), BERTRUN_ERR_ARGUMENT,
                   &error, "aggregation 5");
    expect_failure(bertrun_answer_questions(b, texts, 2, NULL, &answers, &error),
                   BERTRUN_ERR_ARGUMENT, &error, "input 0: a question and its context");
    expect_failure(bertrun_fill_masks(c, texts, 2, 5, &masks, &error), BERTRUN_ERR_ARGUMENT, &error,
                   "input 1: has no [MASK]");
    expect_failure(bertrun_fill_masks(c, texts, 1, 0, &masks, &error), BERTRUN_ERR_ARGUMENT, &error,
                   "top_k");
    golden_require(bertrun_fill_masks(c, texts, 1, 1000, &masks, &error), &error);
    cr_expect_eq(masks.num_fills, bertrun_model_get_info(mlm.model)->vocab_size);
    golden_require(bertrun_fill_masks(c, texts, 0, 1, &masks, &error), &error);
    golden_require(bertrun_find_entities(a, texts, 0, 0, &entities, &error), &error);
    golden_require(bertrun_answer_questions(b, &pair, 0, NULL, &answers, &error), &error);
    bertrun_session_close(&a);
    bertrun_session_close(&b);
    bertrun_session_close(&c);
    close_set(&ner);
    close_set(&answer);
    close_set(&mlm);
}
