/* What can be asked of embeddings, against sentence-transformers
 * (scripts/make_embedding_golden.py): prompts, poolings, dimensions, codes; and what becomes of
 * long texts, against the same by ids. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

enum { NUM_TEXTS = 4, MAX_LENGTH = 20 };

static const bertrun_embed_options defaults;

typedef struct prompts {
    golden_set set; /* its folder only */
    char *memory;
    bertrun_input texts[NUM_TEXTS];
    bertrun_model *model;
    bertrun_session *session;
} prompts;

static prompts open_prompts(bertrun_precision precision, bertrun_session_settings settings)
{
    prompts p = {0};
    bertrun_error error;
    char path[GOLDEN_MAX_PATH + 16];
    snprintf(p.set.folder, sizeof p.set.folder, "%s/tiny/bert-prompts",
             fixture_environment("BERTRUN_GOLDEN"));
    snprintf(path, sizeof path, "%s/texts.tsv", p.set.folder);
    p.memory = fixture_read(path);
    char *at = p.memory;
    for (size_t i = 0; i < NUM_TEXTS; i++) {
        size_t length = strcspn(at, "\n");
        p.texts[i] = (bertrun_input){.text = at, .length = length};
        at += length + 1;
    }
    p.model = fixture_model(p.set.folder, precision, BERTRUN_ACTIVATIONS_TOKEN);
    golden_require(bertrun_session_open(&p.session, p.model, &settings, &error), &error);
    return p;
}

static void close_prompts(prompts *p)
{
    bertrun_session_close(&p->session);
    bertrun_model_close(&p->model);
    free(p->memory);
}

static bertrun_output embed(const prompts *p, const bertrun_input *inputs, size_t count,
                            bertrun_embed_options options)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_embed(p->session, inputs, count, &options, &output, &error), &error);
    return output;
}

/* ------------------------------------------------------------------------- what is asked for */

static void check(const prompts *p, const char *name, bertrun_embed_options options)
{
    bertrun_output output = embed(p, p->texts, NUM_TEXTS, options);
    if (bertrun_model_get_info(p->model)->precision == BERTRUN_PRECISION_F32)
        golden_expect(&p->set, name, output.values, output.count * output.width, GOLDEN_F32_BOUND);
    for (size_t i = 0; i < NUM_TEXTS; i++)
        cr_expect(fabs(1 - fixture_cosine(output.values + i * output.width,
                                          output.values + i * output.width, output.width)) < 1e-6);
}

static void check_all(bertrun_precision precision)
{
    prompts p = open_prompts(precision, (bertrun_session_settings){.threads = 2});
    check(&p, "default", defaults);
    check(&p, "query", (bertrun_embed_options){.prompt_name = "query"});
    check(&p, "passage", (bertrun_embed_options){.prompt_name = "passage"});
    check(&p, "own", (bertrun_embed_options){.prompt = "so. ", .prompt_name = "passage"});
    check(&p, "no-prompt", (bertrun_embed_options){.prompt = ""});
    check(&p, "no-prompt", (bertrun_embed_options){.prompt_name = "none"});
    check(&p, "cut", (bertrun_embed_options){.dimensions = 10});
    check(&p, "pool-mean", (bertrun_embed_options){.pooling = BERTRUN_POOLING_MEAN});
    check(&p, "pool-cls", (bertrun_embed_options){.pooling = BERTRUN_POOLING_CLS});
    check(&p, "pool-max", (bertrun_embed_options){.pooling = BERTRUN_POOLING_MAX});
    check(&p, "pool-weighted-mean",
          (bertrun_embed_options){.pooling = BERTRUN_POOLING_WEIGHTED_MEAN});
    check(&p, "pool-last-token", (bertrun_embed_options){.pooling = BERTRUN_POOLING_LAST_TOKEN});
    close_prompts(&p);
}

Test(embeddings, are_those_of_sentence_transformers)
{
    check_all(BERTRUN_PRECISION_F32);
}

/* Close to f32 in every precision, from the directory and from a file. */
static void check_close(const char *path, bertrun_precision precision, double least)
{
    prompts p = open_prompts(BERTRUN_PRECISION_F32, (bertrun_session_settings){.threads = 1});
    bertrun_embed_options options = {.prompt_name = "passage"};
    bertrun_output expected = embed(&p, p.texts, NUM_TEXTS, options);
    bertrun_model *model = fixture_model(path ? path : p.set.folder, precision, 0);
    bertrun_session *session = fixture_session(model, 1, 0);
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_embed(session, p.texts, NUM_TEXTS, &options, &output, &error), &error);
    for (size_t i = 0; i < NUM_TEXTS; i++) {
        double cosine = fixture_cosine(expected.values + i * expected.width,
                                       output.values + i * output.width, output.width);
        cr_expect_gt(cosine, least, "text %zu: %f", i, cosine);
    }
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    close_prompts(&p);
}

Test(embeddings, are_close_in_bf16_and_int8_and_from_a_file)
{
    bertrun_error error;
    char folder[GOLDEN_MAX_PATH];
    snprintf(folder, sizeof folder, "%s/tiny/bert-prompts", fixture_environment("BERTRUN_GOLDEN"));
    check_close(NULL, BERTRUN_PRECISION_BF16, 0.999);
    check_close(NULL, BERTRUN_PRECISION_INT8, 0.99);
    golden_require(bertrun_convert(folder, "prompts.bin", NULL, &error), &error);
    check_close("prompts.bin", BERTRUN_PRECISION_AUTO, 0.99);
    bertrun_model *model = fixture_model("prompts.bin", 0, 0);
    const bertrun_model_info *info = bertrun_model_get_info(model);
    cr_expect_eq(info->num_prompts, 3);
    cr_expect_str_eq(info->prompts[1].text, "man ");
    cr_expect_str_eq(info->default_prompt_name, "query");
    cr_expect_eq(info->pooling, BERTRUN_POOLING_WEIGHTED_MEAN);
    cr_expect_not(info->include_prompt);
    bertrun_model_close(&model);
    remove("prompts.bin");
}

/* Ids are taken as they are. */
Test(embeddings, a_prompt_is_not_put_before_ids)
{
    prompts p = open_prompts(BERTRUN_PRECISION_F32, (bertrun_session_settings){.threads = 1});
    static const int32_t ids[] = {2, 38, 3};
    bertrun_input input = {.ids = ids, .num_ids = 3};
    bertrun_output output = embed(&p, &input, 1, (bertrun_embed_options){.prompt = ""});
    float first[24];
    memcpy(first, output.values, sizeof first);
    output = embed(&p, &input, 1, defaults);
    cr_expect_eq(output.total_tokens, 3);
    cr_expect_arr_eq(output.values, first, sizeof first);
    close_prompts(&p);
}

Test(embeddings, codes_are_made_of_the_values)
{
    prompts p = open_prompts(BERTRUN_PRECISION_F32, (bertrun_session_settings){.threads = 1});
    float ranges[2][12];
    for (size_t i = 0; i < 12; i++) {
        ranges[0][i] = -0.5f;
        ranges[1][i] = 0.5f;
    }
    bertrun_embed_options options = {.dimensions = 12, .ranges = ranges[0]};
    options.dtype = BERTRUN_EMBEDDING_UINT8;
    bertrun_output output = embed(&p, p.texts, NUM_TEXTS, options);
    cr_assert_eq(output.code_bytes, 12);
    const uint8_t *codes = output.codes;
    for (size_t i = 0; i < NUM_TEXTS * 12; i++) {
        float code = floorf((output.values[i] + 0.5f) / (1.0f / 255));
        cr_expect_eq(codes[i], (int)fminf(fmaxf(code, 0), 255), "%zu", i);
    }
    options.dtype = BERTRUN_EMBEDDING_UBINARY;
    output = embed(&p, p.texts, NUM_TEXTS, options);
    cr_assert_eq(output.code_bytes, 2);
    codes = output.codes;
    for (size_t i = 0; i < NUM_TEXTS * 12; i++)
        cr_expect_eq(codes[i / 12 * 2 + i % 12 / 8] >> (7 - i % 12 % 8) & 1, output.values[i] > 0);
    options.dtype = BERTRUN_EMBEDDING_F32;
    cr_expect_null(embed(&p, p.texts, NUM_TEXTS, options).codes);
    close_prompts(&p);
}

Test(embeddings, refuses_what_cannot_be)
{
    static const float backwards[2] = {1, -1}, endless[2] = {-INFINITY, 1};
    static const struct {
        bertrun_embed_options options;
        const char *part;
    } cases[] = {
        {{.dimensions = 25}, "dimensions: 25 is more than the embeddings' 24"},
        {{.prompt_name = "no"}, "no prompt \"no\" (query, passage, none)"},
        {{.dtype = BERTRUN_EMBEDDING_INT8}, "ranges: int8 and uint8 embeddings need them"},
        {{.dtype = BERTRUN_EMBEDDING_INT8, .dimensions = 1, .ranges = backwards},
         "dimension 0 is from 1 to -1"},
        {{.dtype = BERTRUN_EMBEDDING_UINT8, .dimensions = 1, .ranges = endless}, "no range"},
        {{.dtype = 9}, "unknown embedding dtype 9"},
        {{.pooling = 9}, "unknown pooling 9"},
    };
    prompts p = open_prompts(BERTRUN_PRECISION_F32, (bertrun_session_settings){.threads = 1});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bertrun_output output;
        bertrun_error error = {0};
        cr_expect_eq(bertrun_embed(p.session, p.texts, 1, &cases[i].options, &output, &error),
                     BERTRUN_ERR_ARGUMENT);
        cr_expect_not_null(strstr(error.message, cases[i].part), "%s", error.message);
        cr_expect_eq(error.input, SIZE_MAX);
    }
    close_prompts(&p);
}

/* --------------------------------------------------------------------------------- long texts */

static const char LONG[] = "the cat sat on the mat and so on not is it a man playing the mat cat "
                           "and the man sat on it so the cat is not on the mat";

static const bertrun_input long_text = {.text = LONG, .length = sizeof LONG - 1};

/* All ids of the text, special ones included; the tokenizer closes with the caller's encoder. */
static bertrun_tokens all_tokens(const prompts *p, bertrun_tokenizer **tokenizer,
                                 bertrun_encoder **encoder)
{
    bertrun_tokens tokens;
    bertrun_error error;
    golden_require(bertrun_tokenizer_open(tokenizer, p->set.folder, &error), &error);
    golden_require(bertrun_encoder_open(encoder, *tokenizer, &error), &error);
    golden_require(bertrun_tokenizer_encode(*encoder, &long_text, NULL, &tokens, &error), &error);
    return tokens;
}

/* The text, cut as `long_text` says, gives the bits of `count` ids of it: the first `head`, the
 * last others. */
static void check_cut(bertrun_long_text how, size_t head)
{
    prompts p = open_prompts(BERTRUN_PRECISION_INT8,
                             (bertrun_session_settings){.threads = 1, .long_text = how});
    bertrun_tokenizer *tokenizer;
    bertrun_encoder *encoder;
    bertrun_tokens all = all_tokens(&p, &tokenizer, &encoder);
    int32_t ids[MAX_LENGTH];
    memcpy(ids, all.ids, head * sizeof *ids);
    memcpy(ids + head, all.ids + all.count - (MAX_LENGTH - head),
           (MAX_LENGTH - head) * sizeof *ids);
    bertrun_input inputs[] = {{.ids = ids, .num_ids = MAX_LENGTH}, long_text};
    bertrun_output output = embed(&p, inputs, 2, (bertrun_embed_options){.prompt = ""});
    cr_expect_arr_eq(output.values, output.values + output.width, output.width * sizeof(float));
    cr_expect_eq(output.texts[1].tokens, MAX_LENGTH);
    cr_expect_eq(output.texts[1].truncated, all.count - MAX_LENGTH);
    cr_expect_eq(output.total_truncated, all.count - MAX_LENGTH);
    bertrun_encoder_close(&encoder);
    bertrun_tokenizer_close(&tokenizer);
    close_prompts(&p);
}

Test(long_texts, keep_head_or_tail_or_both)
{
    check_cut(BERTRUN_LONG_TEXT_HEAD, MAX_LENGTH - 1);
    check_cut(BERTRUN_LONG_TEXT_TAIL, 1);
    check_cut(BERTRUN_LONG_TEXT_HEAD_TAIL, 1 + 5); /* [CLS], and of 18 a quarter */
}

/* The prompt leaves out what is left of it: here the head, 5 tokens, and what it may say besides.
 */
Test(long_texts, of_a_prompt_that_is_cut_in_the_middle_the_head_is_left_out)
{
    static const char *const PROMPTS[] = {"man man man ", "man man man man man ",
                                          "man man man man man man man man man man "};
    static const char words[] =
        "man man man man man man man man man man so so so so so so so so so "
        "so so so so so so so so so so so";
    float values[3][24];
    prompts p = open_prompts(
        BERTRUN_PRECISION_INT8,
        (bertrun_session_settings){.threads = 1, .long_text = BERTRUN_LONG_TEXT_HEAD_TAIL});
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(PROMPTS[i]);
        bertrun_input input = {.text = words + length, .length = strlen(words) - length};
        bertrun_output output = embed(&p, &input, 1, (bertrun_embed_options){.prompt = PROMPTS[i]});
        cr_assert_eq(output.texts[0].tokens, MAX_LENGTH);
        cr_assert_leq(output.width, 24);
        memcpy(values[i], output.values, output.width * sizeof(float));
    }
    cr_expect_arr_eq(values[2], values[1], 12 * sizeof(float));
    cr_expect_arr_neq(values[0], values[1], 12 * sizeof(float));
    close_prompts(&p);
}

Test(long_texts, may_be_an_error_that_names_the_input)
{
    bertrun_session_settings settings = {.threads = 1, .long_text = BERTRUN_LONG_TEXT_ERROR};
    prompts p = open_prompts(BERTRUN_PRECISION_F32, settings);
    bertrun_input inputs[] = {p.texts[0], long_text};
    bertrun_output output;
    bertrun_error error = {0};
    cr_expect_eq(bertrun_embed(p.session, inputs, 2, &(bertrun_embed_options){.prompt = ""},
                               &output, &error),
                 BERTRUN_ERR_ARGUMENT);
    cr_expect_eq(error.input, 1);
    cr_expect_str_eq(error.message, "input 1: 35 tokens are more than max_length, 20");
    embed(&p, inputs, 1, (bertrun_embed_options){.prompt = ""});
    close_prompts(&p);
}

/* The average of windows by tokens, from each window's own embedding. */
static void average_windows(const prompts *p, const bertrun_tokens *tokens, float *average,
                            size_t width)
{
    bertrun_embed_options plain = {.prompt = "", .normalize = BERTRUN_CHOICE_NO};
    double sums[24] = {0}, norm = 0;
    for (size_t i = 0; i < tokens->num_windows; i++) {
        size_t first = tokens->window_offsets[i], count = tokens->window_offsets[i + 1] - first;
        bertrun_input window = {.ids = tokens->ids + first, .num_ids = count};
        bertrun_output output = embed(p, &window, 1, plain);
        for (size_t j = 0; j < width; j++)
            sums[j] += (double)count * (double)output.values[j];
    }
    for (size_t j = 0; j < width; j++)
        norm += sums[j] * sums[j];
    for (size_t j = 0; j < width; j++)
        average[j] = (float)(sums[j] / sqrt(norm));
}

/* A batch of texts around the long one, so that passes are cut in the middle of its windows. */
static void check_windows(size_t stride, size_t batch_tokens, int threads)
{
    bertrun_session_settings settings = {.threads = threads,
                                         .batch_tokens = batch_tokens,
                                         .long_text = BERTRUN_LONG_TEXT_STRIDE,
                                         .stride = stride};
    prompts p = open_prompts(BERTRUN_PRECISION_F32, settings);
    bertrun_tokenizer *tokenizer;
    bertrun_encoder *encoder;
    bertrun_tokens tokens;
    bertrun_error error;
    bertrun_encode_options encode = {.max_length = MAX_LENGTH, .overflow = true, .stride = stride};
    all_tokens(&p, &tokenizer, &encoder);
    golden_require(bertrun_tokenizer_encode(encoder, &long_text, &encode, &tokens, &error), &error);
    cr_assert_gt(tokens.num_windows, 1);
    float expected[24];
    average_windows(&p, &tokens, expected, 24);
    bertrun_input inputs[] = {p.texts[0], long_text, p.texts[1], long_text};
    bertrun_output output = embed(&p, inputs, 4, (bertrun_embed_options){.prompt = ""});
    cr_expect_eq(output.texts[1].windows, tokens.num_windows);
    cr_expect_eq(output.texts[1].tokens, tokens.count);
    cr_expect_eq(output.texts[0].windows, 1);
    cr_expect_eq(output.total_truncated, 0);
    for (size_t j = 0; j < 24; j++)
        cr_expect_float_eq(output.values[24 + j], expected[j], 1e-6);
    cr_expect_arr_eq(output.values + 24, output.values + 3 * 24, 24 * sizeof(float));
    bertrun_encoder_close(&encoder);
    bertrun_tokenizer_close(&tokenizer);
    close_prompts(&p);
}

Test(long_texts, are_averaged_over_their_windows)
{
    check_windows(0, 0, 1);
    check_windows(5, 0, 2);
    check_windows(17, 0, 1);
    check_windows(5, 21, 1);
    check_windows(5, 65, 2);
}

Test(long_texts, windows_are_for_embeddings_of_single_texts)
{
    bertrun_session_settings settings = {.threads = 1, .long_text = BERTRUN_LONG_TEXT_STRIDE};
    prompts p = open_prompts(BERTRUN_PRECISION_F32, settings);
    bertrun_input pair = long_text;
    bertrun_output output;
    bertrun_error error = {0};
    pair.pair = "a";
    pair.pair_length = 1;
    cr_expect_eq(bertrun_embed(p.session, &pair, 1, NULL, &output, &error),
                 BERTRUN_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "pair"), "%s", error.message);
    cr_expect_eq(bertrun_hidden_states(p.session, &long_text, 1, NULL, &output, &error),
                 BERTRUN_ERR_UNSUPPORTED);
    cr_expect_eq(bertrun_hidden_states(p.session, p.texts, 1, NULL, &output, &error), BERTRUN_OK);
    close_prompts(&p);
}

Test(long_texts, a_stride_leaves_room)
{
    bertrun_session *session;
    bertrun_error error;
    bertrun_session_settings settings = {
        .threads = 1, .long_text = BERTRUN_LONG_TEXT_STRIDE, .stride = 18};
    prompts p = open_prompts(BERTRUN_PRECISION_F32, (bertrun_session_settings){.threads = 1});
    cr_expect_eq(bertrun_session_open(&session, p.model, &settings, &error), BERTRUN_ERR_ARGUMENT);
    cr_expect_not_null(strstr(error.message, "stride: 18"), "%s", error.message);
    settings.stride = SIZE_MAX;
    cr_expect_eq(bertrun_session_open(&session, p.model, &settings, &error), BERTRUN_ERR_ARGUMENT);
    close_prompts(&p);
}

/* ------------------------------------------------------------------------------ hidden states */

Test(hidden_states, of_chosen_layers_in_the_order_asked_for)
{
    prompts p = open_prompts(BERTRUN_PRECISION_F32, (bertrun_session_settings){.threads = 1});
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_hidden_states(p.session, p.texts, 2, NULL, &output, &error), &error);
    cr_assert_eq(output.num_states, 3);
    size_t size = output.total_tokens * output.width, bytes = size * sizeof(float);
    float *all = malloc(3 * bytes);
    memcpy(all, output.values, 3 * bytes);
    bertrun_hidden_options options = {.layers = (const int[]){-1, 0}, .num_layers = 2};
    golden_require(bertrun_hidden_states(p.session, p.texts, 2, &options, &output, &error), &error);
    cr_expect_eq(output.num_states, 2);
    cr_expect_arr_eq(output.values, all + 2 * size, bytes);
    cr_expect_arr_eq(output.values + size, all, bytes);
    free(all);
    static const struct {
        int layers[2];
        const char *part;
    } cases[] = {
        {{0, 3}, "layers: 3 is not in -3..2"},
        {{-4, 0}, "layers: -4 is not in"},
        {{2, -1}, "layers: 2 is named twice"},
    };
    for (size_t i = 0; i < 3; i++) {
        options.layers = cases[i].layers;
        cr_expect_eq(bertrun_hidden_states(p.session, p.texts, 2, &options, &output, &error),
                     BERTRUN_ERR_ARGUMENT);
        cr_expect_not_null(strstr(error.message, cases[i].part), "%s", error.message);
    }
    close_prompts(&p);
}
