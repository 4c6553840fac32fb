/* A real model for named entities: logits in f32, entity F1 in bf16 and int8 against f32. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"
#include "tests/golden/npy_file.h"

#define MODEL "models/bert-minilm-wnut17-ner"

enum {
    REFERENCE_SENTENCES = 20,
    MAX_WORDS = 256,
    MAX_SENTENCES = 2048,
    MAX_IDS = 512,
    SENTENCES_A_CALL = 64
};

static const double logits_bound = 1e-4;
static const double f1_bound = 0.01;

/* Words that were given one by one, encoded one by one; a word's label is its first token's. */
typedef struct sentence {
    size_t num_words, num_ids;
    const char *tags[MAX_WORDS];
    size_t first_token[MAX_WORDS];
    int32_t ids[MAX_IDS];
} sentence;

typedef struct corpus {
    size_t count;
    sentence *sentences;
    char *text;
    bertrun_tokenizer *tokenizer;
    bertrun_encoder *encoder;
} corpus;

static void add_word(corpus *c, sentence *s, char *line)
{
    bertrun_tokens tokens;
    bertrun_error error;
    bertrun_encode_options options = {.no_special = true};
    char *tab = strchr(line, '\t');
    cr_assert(tab && s->num_words < MAX_WORDS);
    bertrun_input word = {.text = line, .length = (size_t)(tab - line)};
    golden_require(bertrun_tokenizer_encode(c->encoder, &word, &options, &tokens, &error), &error);
    cr_assert(s->num_ids + tokens.count + 1 < MAX_IDS);
    s->tags[s->num_words] = tab + 1;
    tab[1 + strcspn(tab + 1, ",\t\r")] = '\0';
    s->first_token[s->num_words++] = tokens.count ? s->num_ids : 0;
    memcpy(s->ids + s->num_ids, tokens.ids, tokens.count * sizeof *tokens.ids);
    s->num_ids += tokens.count;
}

static int32_t special(const corpus *c, const char *token)
{
    return bertrun_tokenizer_id(c->tokenizer, token, strlen(token));
}

static void end_sentence(corpus *c)
{
    sentence *s = &c->sentences[c->count];
    if (s->num_words == 0)
        return;
    s->ids[s->num_ids++] = special(c, "[SEP]");
    c->count++;
}

static corpus open_corpus(void)
{
    corpus c = {.sentences = calloc(MAX_SENTENCES, sizeof(sentence))};
    bertrun_error error;
    c.text = fixture_read(fixture_shared("data/wnut17-test.conll"));
    golden_require(bertrun_tokenizer_open(&c.tokenizer, fixture_shared(MODEL), &error), &error);
    golden_require(bertrun_encoder_open(&c.encoder, c.tokenizer, &error), &error);
    for (char *line = c.text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        cr_assert(c.count < MAX_SENTENCES);
        sentence *s = &c.sentences[c.count];
        if (*line == '\0' || *line == '\r') {
            end_sentence(&c);
            continue;
        }
        if (s->num_ids == 0)
            s->ids[s->num_ids++] = special(&c, "[CLS]");
        add_word(&c, s, line);
    }
    end_sentence(&c);
    return c;
}

static void close_corpus(corpus *c)
{
    bertrun_encoder_close(&c->encoder);
    bertrun_tokenizer_close(&c->tokenizer);
    free(c->sentences);
    free(c->text);
}

static bertrun_input input_of(const sentence *s)
{
    return (bertrun_input){.ids = s->ids, .num_ids = s->num_ids};
}

Test(ner, wnut17_logits)
{
    npy_file expected = npy_open(fixture_shared(MODEL "/reference_logits.npy"));
    corpus c = open_corpus();
    bertrun_input inputs[REFERENCE_SENTENCES];
    for (size_t i = 0; i < REFERENCE_SENTENCES; i++)
        inputs[i] = input_of(&c.sentences[i]);
    bertrun_model *model =
        fixture_model(fixture_shared(MODEL), BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(model, 2, 0);
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_classify_tokens(session, inputs, REFERENCE_SENTENCES, &output, &error),
                   &error);
    cr_assert_eq(output.total_tokens * output.width, expected.count);
    double worst = 0;
    for (size_t i = 0; i < expected.count; i++)
        worst = fmax(worst, fabs((double)output.values[i] - (double)expected.f32[i]));
    cr_log_info("logits at most %.2e off", worst);
    cr_expect(worst <= logits_bound, "logits %g off", worst);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    close_corpus(&c);
    npy_close(&expected);
}

/* Whether a tag goes on with the entity of the tag before it: "I-" of the same kind. */
static bool goes_on(const char *before, const char *tag)
{
    return tag[0] == 'I' && before[0] != 'O' && strcmp(before + 1, tag + 1) == 0;
}

/* End of the entity that begins at `at`, or `at` where none does. */
static size_t entity_end(const char *const *tags, size_t count, size_t at)
{
    if (tags[at][0] == 'O' || (at > 0 && goes_on(tags[at - 1], tags[at])))
        return at;
    size_t end = at + 1;
    while (end < count && goes_on(tags[end - 1], tags[end]))
        end++;
    return end;
}

typedef struct figures {
    size_t found, wanted, right;
} figures;

static void count_entities(const sentence *s, const char *const *tags, figures *f)
{
    for (size_t i = 0; i < s->num_words; i++) {
        size_t got = entity_end(tags, s->num_words, i);
        size_t wanted = entity_end(s->tags, s->num_words, i);
        f->found += got > i;
        f->wanted += wanted > i;
        f->right += got > i && got == wanted && strcmp(tags[i] + 1, s->tags[i] + 1) == 0;
    }
}

/* Counts one sentence's entities; rows [tokens, labels] are its logits. */
static void count_sentence(const sentence *s, const float *rows, size_t num_labels,
                           const char *const *labels, figures *f)
{
    const char *tags[MAX_WORDS];
    for (size_t w = 0; w < s->num_words; w++) {
        const float *row = rows + s->first_token[w] * num_labels;
        size_t best = 0;
        for (size_t l = 1; l < num_labels; l++)
            if (row[l] > row[best])
                best = l;
        tags[w] = s->first_token[w] ? labels[best] : "O";
    }
    count_entities(s, tags, f);
}

static double f1_of(const corpus *c, bertrun_precision precision)
{
    figures f = {0};
    bertrun_model *model =
        fixture_model(fixture_shared(MODEL), precision, BERTRUN_ACTIVATIONS_TOKEN);
    bertrun_session *session = fixture_session(model, 2, 0);
    const char *const *labels = bertrun_model_get_info(model)->labels;
    for (size_t i = 0, count; i < c->count; i += count) {
        bertrun_input inputs[SENTENCES_A_CALL];
        bertrun_output output;
        bertrun_error error;
        size_t row = 0;
        count = c->count - i < SENTENCES_A_CALL ? c->count - i : SENTENCES_A_CALL;
        for (size_t s = 0; s < count; s++)
            inputs[s] = input_of(&c->sentences[i + s]);
        golden_require(bertrun_classify_tokens(session, inputs, count, &output, &error), &error);
        for (size_t s = 0; s < count; row += output.texts[s++].tokens)
            count_sentence(&c->sentences[i + s], output.values + row * output.width, output.width,
                           labels, &f);
    }
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    double precise = (double)f.right / (double)f.found, recall = (double)f.right / (double)f.wanted;
    return 2 * precise * recall / (precise + recall);
}

Test(ner, wnut17_entity_f1)
{
    corpus c = open_corpus();
    double f32 = f1_of(&c, BERTRUN_PRECISION_F32), bf16 = f1_of(&c, BERTRUN_PRECISION_BF16);
    double int8 = f1_of(&c, BERTRUN_PRECISION_INT8);
    cr_log_info("entity F1 %.4f in f32, %.4f in bf16, %.4f in int8", f32, bf16, int8);
    cr_expect(fabs(f32 - 0.4552) < 5e-4, "f32 %.4f", f32); /* as the model's README states it */
    cr_expect(fabs(bf16 - f32) <= f1_bound, "f32 %.4f, bf16 %.4f", f32, bf16);
    cr_expect(fabs(int8 - f32) <= f1_bound, "f32 %.4f, int8 %.4f", f32, int8);
    close_corpus(&c);
}
