#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/half.h"
#include "model_fixture.h"
#include "models/checkpoint.h"

static model_fixture f;
static char bin[96], second[96];

static void set_up(void)
{
    fixture_bert(&f, true);
    fixture_save(&f);
    fixture_text(&f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    snprintf(bin, sizeof bin, "%s/m.bin", f.directory);
    snprintf(second, sizeof second, "%s/n.bin", f.directory);
}

static void tear_down(void)
{
    fixture_close(&f);
}

TestSuite(convert, .init = set_up, .fini = tear_down);

static bertrun_status convert(const char *from, const char *to, bertrun_dtype dtype,
                              bertrun_error *error)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = dtype;
    return bertrun_convert(from, to, &settings, error);
}

static void expect_error(bertrun_dtype dtype, bertrun_status wanted, const char *part)
{
    bertrun_error error = {0};
    size_t files = fixture_count_files(&f);
    cr_expect_eq(convert(f.directory, bin, dtype, &error), wanted, "%s", error.message);
    cr_expect_not_null(strstr(error.message, part), "\"%s\" is not in: %s", part, error.message);
    cr_expect_eq(strncmp(error.message, f.directory, strlen(f.directory)), 0, "%s", error.message);
    cr_expect_eq(fixture_count_files(&f), files);
}

static br_checkpoint *converted(bertrun_dtype dtype)
{
    br_checkpoint *checkpoint;
    bertrun_error error;
    cr_assert_eq(convert(f.directory, bin, dtype, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(br_checkpoint_open(&checkpoint, bin, false, &error), BERTRUN_OK, "%s",
                 error.message);
    return checkpoint;
}

static void expect_same_files(const char *a, const char *b)
{
    br_file x, y;
    cr_assert_eq(br_file_open(&x, a, false, NULL), BERTRUN_OK);
    cr_assert_eq(br_file_open(&y, b, false, NULL), BERTRUN_OK);
    cr_assert_eq(x.size, y.size);
    cr_assert_eq(memcmp(x.data, y.data, x.size), 0);
    br_file_close(&x);
    br_file_close(&y);
}

Test(convert, stores_each_dtype)
{
    static const br_dtype matrices[] = {BR_DTYPE_S8, BR_DTYPE_F16, BR_DTYPE_BF16, BR_DTYPE_F32};
    for (bertrun_dtype dtype = BERTRUN_DTYPE_INT8; dtype <= BERTRUN_DTYPE_F32; dtype++) {
        br_checkpoint *checkpoint = converted(dtype);
        bool int8 = dtype == BERTRUN_DTYPE_INT8;
        const br_tensor *query =
            br_checkpoint_find(checkpoint, "encoder.layer.0.attention.self.query.weight");
        const br_tensor *positions =
            br_checkpoint_find(checkpoint, "embeddings.position_embeddings.weight");
        const br_tensor *bias = br_checkpoint_find(checkpoint, "classifier.bias");
        const br_tensor *scale =
            br_checkpoint_find(checkpoint, "embeddings.word_embeddings.weight_scale");
        cr_expect_eq(query->dtype, matrices[dtype]);
        cr_expect_eq(positions->dtype, int8 ? BR_DTYPE_F32 : matrices[dtype]);
        cr_expect_eq(bias->dtype, BR_DTYPE_F32);
        cr_expect_eq(scale != NULL, int8);
        cr_expect_arr_eq(bias->data, fixture_find(&f, "classifier.bias")->data, bias->bytes);
        br_checkpoint_close(&checkpoint);
    }
}

Test(convert, rounds_to_the_dtype)
{
    float *weights = fixture_find(&f, "classifier.weight")->data;
    memcpy(weights,
           (float[]){1 + 0x1p-11F, 1 + 0x1.8p-10F, 1 + 0x1p-8F, 1 + 0x1.8p-7F, -3, 0, 1, 3}, 32);
    fixture_save(&f);
    br_checkpoint *checkpoint = converted(BERTRUN_DTYPE_F16);
    float x[8];
    br_tensor_to_f32(br_checkpoint_find(checkpoint, "classifier.weight"), 0, 8, x);
    cr_expect(x[0] == 1 && x[1] == 1 + 0x1p-9F && x[4] == -3);
    br_checkpoint_close(&checkpoint);
    checkpoint = converted(BERTRUN_DTYPE_BF16);
    br_tensor_to_f32(br_checkpoint_find(checkpoint, "classifier.weight"), 0, 8, x);
    cr_expect(x[2] == 1 && x[3] == 1 + 0x1p-6F && x[4] == -3);
    br_checkpoint_close(&checkpoint);
    checkpoint = converted(BERTRUN_DTYPE_INT8);
    const int8_t *q = br_checkpoint_find(checkpoint, "classifier.weight")->data;
    const float *scale = br_checkpoint_find(checkpoint, "classifier.weight_scale")->data;
    cr_expect_eq(scale[1], 3.0F / 127);
    cr_expect_arr_eq(q + 4, ((int8_t[]){-127, 0, 42, 127}), 4);
    br_checkpoint_close(&checkpoint);
}

Test(convert, a_bin_converts_again)
{
    bertrun_error error;
    cr_assert_eq(convert(f.directory, bin, BERTRUN_DTYPE_F32, &error), BERTRUN_OK);
    cr_assert_eq(convert(bin, second, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(convert(f.directory, bin, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK);
    expect_same_files(bin, second);
    cr_assert_eq(convert(bin, second, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK);
    expect_same_files(bin, second);
    cr_assert_eq(convert(bin, second, BERTRUN_DTYPE_F16, &error), BERTRUN_ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(error.message, "m.bin: its weights are int8"), "%s", error.message);
}

Test(convert, names_weights_that_do_not_fit)
{
    fixture_tensor *weight = fixture_find(&f, "bert.encoder.layer.0.output.dense.weight");
    ((float *)weight->data)[13] = 65520;
    fixture_save(&f);
    expect_error(BERTRUN_DTYPE_F16, BERTRUN_ERR_FORMAT,
                 "tensor \"encoder.layer.0.output.dense.weight\" has a weight in row 2");
    ((float *)weight->data)[13] = NAN;
    fixture_save(&f);
    for (bertrun_dtype dtype = BERTRUN_DTYPE_INT8; dtype <= BERTRUN_DTYPE_F32; dtype++)
        expect_error(dtype, BERTRUN_ERR_FORMAT, "has a weight in row 2 that is not finite");
}

Test(convert, a_vocabulary_larger_than_the_embeddings_is_named)
{
    fixture_text(&f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n");
    expect_error(BERTRUN_DTYPE_INT8, BERTRUN_ERR_FORMAT,
                 "the tokenizer has 6 tokens, but the word embeddings only 5 rows");
}

Test(convert, leaves_no_file_behind_a_failure)
{
    bertrun_error error;
    cr_expect_eq(convert(f.directory, bin, BERTRUN_DTYPE_F32 + 1, &error), BERTRUN_ERR_ARGUMENT);
    cr_expect_eq(convert(f.directory, "/dev/full", BERTRUN_DTYPE_INT8, &error), BERTRUN_ERR_IO);
    cr_expect_eq(convert(f.directory, f.directory, BERTRUN_DTYPE_INT8, &error), BERTRUN_ERR_IO);
    cr_expect_eq(convert("/nowhere", bin, BERTRUN_DTYPE_INT8, &error), BERTRUN_ERR_IO);
    cr_expect_eq(bertrun_convert(NULL, bin, NULL, &error), BERTRUN_ERR_ARGUMENT);
    cr_expect_eq(bertrun_convert(f.directory, NULL, NULL, NULL), BERTRUN_ERR_ARGUMENT);
    cr_assert_eq(remove(fixture_path(&f, "vocab.txt")), 0);
    cr_expect_neq(convert(f.directory, bin, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK);
    cr_expect_eq(fixture_count_files(&f), 2);
}

static bertrun_status convert_with(bertrun_weights weights, const char *from, const char *to,
                                   bertrun_error *error)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.weights = weights;
    return bertrun_convert(from, to, &settings, error);
}

static bertrun_status convert_per_tensor(const char *from, const char *to, bertrun_error *error)
{
    return convert_with(BERTRUN_WEIGHTS_PER_TENSOR, from, to, error);
}

Test(convert, per_tensor_stores_one_scale_a_linear_layer)
{
    bertrun_error error;
    br_checkpoint *checkpoint;
    cr_assert_eq(convert_per_tensor(f.directory, bin, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(br_checkpoint_open(&checkpoint, bin, false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_tensor *q = br_checkpoint_find(checkpoint, "classifier.weight");
    const br_tensor *scale = br_checkpoint_find(checkpoint, "classifier.weight_scale");
    const br_tensor *words =
        br_checkpoint_find(checkpoint, "embeddings.word_embeddings.weight_scale");
    cr_assert(scale->rank == 1 && scale->shape[0] == 1 && words->shape[0] == 5);
    const float *weights = fixture_find(&f, "classifier.weight")->data;
    cr_expect_eq(*(const float *)scale->data, weights[11] / 127.5F); /* the largest is the last */
    cr_expect_eq(((const int8_t *)q->data)[11], 127);
    br_checkpoint_close(&checkpoint);
    cr_expect_eq(convert(bin, second, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK);
    expect_same_files(bin, second);
    cr_expect_eq(convert_with(BERTRUN_WEIGHTS_PER_CHANNEL, bin, second, &error),
                 BERTRUN_ERR_UNSUPPORTED);
    cr_expect_eq(convert(f.directory, bin, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK);
    cr_expect_eq(convert_per_tensor(bin, second, &error), BERTRUN_ERR_UNSUPPORTED);
    cr_expect_eq(convert_with(BERTRUN_WEIGHTS_PER_CHANNEL, bin, second, &error), BERTRUN_OK);
    expect_same_files(bin, second);
}

/* Bytes of a 768 x 768 weight in F32 for each byte of its tensors in int8: 3.99 at least. */
Test(convert, per_tensor_takes_a_quarter_of_f32)
{
    bertrun_error error;
    br_checkpoint *checkpoint;
    fixture_close(&f);
    fixture_distilbert(&f, true);
    json_object_set_new(f.config, "dim", json_integer(768));
    for (size_t i = 0; i < f.num_tensors; i++) {
        fixture_tensor *tensor = &f.tensors[i];
        size_t rows = tensor->shape[0] == 4 ? 768 : tensor->shape[0];
        fixture_reshape(tensor, tensor->rank, rows, tensor->shape[1] == 4 ? 768 : tensor->shape[1]);
    }
    fixture_save(&f);
    fixture_text(&f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    snprintf(bin, sizeof bin, "%s/m.bin", f.directory);
    cr_assert_eq(convert_per_tensor(f.directory, bin, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(br_checkpoint_open(&checkpoint, bin, false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_tensor *q = br_checkpoint_find(checkpoint, "pre_classifier.weight");
    const br_tensor *scale = br_checkpoint_find(checkpoint, "pre_classifier.weight_scale");
    cr_assert(q->shape[0] == 768 && q->shape[1] == 768);
    cr_expect_geq(768 * 768 * 4.0 / (double)(q->bytes + scale->bytes), 3.99);
    br_checkpoint_close(&checkpoint);
}

static void keep_line(void *data, const char *line)
{
    snprintf(data, 256, "%s", line);
}

Test(convert, says_what_it_wrote)
{
    char line[256] = "";
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.log = keep_line;
    settings.log_data = line;
    cr_assert_eq(bertrun_convert(f.directory, bin, &settings, NULL), BERTRUN_OK);
    cr_expect_not_null(strstr(line, "BertForSequenceClassification"), "%s", line);
}

Test(convert, minilm_loses_half_a_step_at_most)
{
    bertrun_error error;
    br_checkpoint *original, *small;
    const char *minilm = fixture_minilm();
    cr_assert_eq(convert(minilm, bin, BERTRUN_DTYPE_INT8, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(br_checkpoint_open(&original, minilm, true, &error), BERTRUN_OK);
    cr_assert_eq(br_checkpoint_open(&small, bin, true, &error), BERTRUN_OK, "%s", error.message);
    cr_expect_lt(br_checkpoint_file_bytes(small) * 3, br_checkpoint_file_bytes(original));
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(original, &tensors);
    for (size_t i = 0; i < count; i++) {
        const br_tensor *q = br_checkpoint_find(small, "%s", tensors[i].name);
        const br_tensor *scale = br_checkpoint_find(small, "%s_scale", tensors[i].name);
        cr_assert_not_null(q, "%s", tensors[i].name);
        cr_assert_eq(q->dtype == BR_DTYPE_S8, scale != NULL);
        size_t columns = tensors[i].shape[tensors[i].rank - 1];
        for (size_t j = 0; scale && j < br_tensor_count(q); j++) {
            float step = ((const float *)scale->data)[j / columns], x;
            br_tensor_to_f32(&tensors[i], j, 1, &x);
            cr_assert_leq(fabsf((float)((const int8_t *)q->data)[j] * step - x), step * 0.50001F);
        }
    }
    br_checkpoint_close(&original);
    br_checkpoint_close(&small);
}
