#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "model_fixture.h"
#include "models/checkpoint.h"
#include "models/safetensors.h"

enum { MAX_TENSORS = 2 * FIXTURE_MAX_TENSORS };

static model_fixture f;
static br_checkpoint *source;          /* the fixture, opened as a directory */
static br_tensor tensors[MAX_TENSORS]; /* of the file to write */
static size_t num_tensors;
static int8_t quantized[6 * 6];
static float scales[6] = {0.5F, 0.25F, 0, 1, 2, 3};

static void add(const char *name, br_dtype dtype, size_t size, const void *data)
{
    tensors[num_tensors++] = (br_tensor){.name = name,
                                         .dtype = dtype,
                                         .rank = 1,
                                         .shape = {size},
                                         .data = data,
                                         .bytes = size * br_dtype_size(dtype)};
}

static void set_up(void)
{
    bertrun_error error;
    fixture_bert(&f, true);
    fixture_save(&f);
    cr_assert_eq(br_checkpoint_open(&source, f.directory, false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_tensor *list;
    num_tensors = br_checkpoint_tensors(source, &list);
    for (size_t i = 0; i < num_tensors; i++)
        tensors[i] = list[i];
    add("tokenizer.vocab", BR_DTYPE_U8, 4, "a\nb\n");
    add("tokenizer.config", BR_DTYPE_U8, 2, "{}");
    add("tokenizer.table", BR_DTYPE_U8, 0, NULL);
    for (size_t i = 0; i < sizeof quantized; i++)
        quantized[i] = (int8_t)(i * 7);
}

static void tear_down(void)
{
    br_checkpoint_close(&source);
    fixture_close(&f);
}

TestSuite(bin_file, .init = set_up, .fini = tear_down);

static br_tensor *find(const char *name)
{
    for (size_t i = 0; i < num_tensors; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    cr_assert_fail("no tensor %s", name);
    return NULL;
}

static void quantize(const char *name, const char *scale_name)
{
    br_tensor *tensor = find(name);
    tensor->dtype = BR_DTYPE_S8;
    tensor->data = quantized;
    tensor->bytes /= 4;
    add(scale_name, BR_DTYPE_F32, tensor->shape[0], scales);
}

static const char *write_bin(void)
{
    bertrun_error error;
    const char *path = fixture_path(&f, "m.bin");
    cr_assert_eq(
        br_checkpoint_write(path, br_checkpoint_config(source), tensors, num_tensors, &error),
        BERTRUN_OK, "%s", error.message);
    return path;
}

static void expect_error(const char *path, bertrun_status wanted, const char *part)
{
    br_checkpoint *checkpoint;
    bertrun_error error = {0};
    cr_expect_eq(br_checkpoint_open(&checkpoint, path, false, &error), wanted, "%s: %s", part,
                 error.message);
    cr_expect_null(checkpoint);
    cr_expect_not_null(strstr(error.message, part), "\"%s\" is not in: %s", part, error.message);
    cr_expect_eq(strncmp(error.message, path, strlen(path)), 0, "%s", error.message);
    br_checkpoint_close(&checkpoint);
}

Test(bin_file, gives_back_what_was_written)
{
    const char *path = write_bin();
    for (int map = 0; map < 2; map++) {
        br_checkpoint *checkpoint;
        bertrun_error error;
        cr_assert_eq(br_checkpoint_open(&checkpoint, path, map, &error), BERTRUN_OK, "%s",
                     error.message);
        cr_expect(br_checkpoint_is_bin(checkpoint));
        const br_tensor *list;
        cr_assert_eq(br_checkpoint_tensors(checkpoint, &list), num_tensors);
        for (size_t i = 0; i < num_tensors; i++) {
            cr_expect_str_eq(list[i].name, tensors[i].name);
            cr_expect_eq(list[i].dtype, tensors[i].dtype);
            cr_expect_eq(list[i].rank, tensors[i].rank);
            cr_expect_eq((uintptr_t)list[i].data % 64, 0);
            cr_assert_eq(list[i].bytes, tensors[i].bytes);
            cr_expect(list[i].bytes == 0 ||
                      memcmp(list[i].data, tensors[i].data, list[i].bytes) == 0);
        }
        br_checkpoint_close(&checkpoint);
    }
}

Test(bin_file, keeps_the_configuration)
{
    char *labels[] = {"a", "\"b\"\n", "\xc3\xa9"};
    bertrun_prompt prompts[] = {{"query", "query: "}, {"none", ""}};
    float weight[12] = {0};
    br_model_config config = *br_checkpoint_config(source);
    config.labels = labels;
    config.scores = BERTRUN_SCORES_SIGMOID;
    config.own_decoder = true;
    config.max_length = 5;
    config.pooling = BERTRUN_POOLING_MAX;
    config.normalize = true;
    config.layer_norm_eps = 0x1.234568p-30F;
    config.hidden_act = BR_ACTIVATION_GELU_TANH;
    config.num_dense = 1;
    config.dense[0] = (br_dense_config){4, 3, false, BR_ACTIVATION_IDENTITY};
    config.num_prompts = 2;
    config.prompts = prompts;
    config.default_prompt_name = "query";
    tensors[num_tensors++] = (br_tensor){.name = "dense.0.linear.weight",
                                         .rank = 2,
                                         .shape = {3, 4},
                                         .data = weight,
                                         .bytes = sizeof weight};
    bertrun_error error;
    br_checkpoint *checkpoint;
    const char *path = fixture_path(&f, "m.bin");
    cr_assert_eq(br_checkpoint_write(path, &config, tensors, num_tensors, &error), BERTRUN_OK);
    cr_assert_eq(br_checkpoint_open(&checkpoint, path, false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_model_config *got = br_checkpoint_config(checkpoint);
    cr_expect_str_eq(got->architecture, "BertForSequenceClassification");
    cr_expect(got->has_pooler && got->own_decoder);
    cr_expect(got->vocab_size == 5 && got->hidden_size == 4 && got->intermediate_size == 6 &&
              got->num_hidden_layers == 1 && got->num_attention_heads == 2 &&
              got->max_position_embeddings == 7 && got->type_vocab_size == 2);
    cr_expect_eq(got->layer_norm_eps, config.layer_norm_eps);
    cr_expect(got->hidden_act == BR_ACTIVATION_GELU_TANH && got->scores == BERTRUN_SCORES_SIGMOID);
    cr_expect(got->max_length == 5 && got->pooling == BERTRUN_POOLING_MAX && got->normalize);
    cr_assert_eq(got->num_labels, 3);
    cr_expect(strcmp(got->labels[1], labels[1]) == 0 && strcmp(got->labels[2], labels[2]) == 0);
    cr_assert_eq(got->num_dense, 1);
    cr_expect(got->dense[0].in_features == 4 && got->dense[0].out_features == 3 &&
              !got->dense[0].bias && got->dense[0].activation == BR_ACTIVATION_IDENTITY);
    cr_assert_eq(got->num_prompts, 2);
    cr_expect_str_eq(got->prompts[0].text, "query: ");
    cr_expect_str_eq(got->default_prompt_name, "query");
    br_checkpoint_close(&checkpoint);
}

Test(bin_file, is_written_the_same_each_time)
{
    br_file first, second;
    cr_assert_eq(br_file_open(&first, write_bin(), false, NULL), BERTRUN_OK);
    cr_assert_eq(br_file_open(&second, write_bin(), false, NULL), BERTRUN_OK);
    cr_assert_eq(first.size, second.size);
    cr_assert_arr_eq(first.data, second.data, first.size);
    br_file_close(&first);
    br_file_close(&second);
}

Test(bin_file, reads_int8)
{
    bertrun_error error;
    br_checkpoint *checkpoint;
    quantize("encoder.layer.0.intermediate.dense.weight",
             "encoder.layer.0.intermediate.dense.weight_scale");
    quantize("embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight_scale");
    cr_assert_eq(br_checkpoint_open(&checkpoint, write_bin(), false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_tensor *scale =
        br_checkpoint_find(checkpoint, "encoder.layer.%d.intermediate.dense.weight_scale", 0);
    cr_assert_not_null(scale);
    cr_expect(scale->shape[0] == 6 && ((const float *)scale->data)[5] == 3);
    cr_expect_eq(br_checkpoint_find(checkpoint, "embeddings.word_embeddings.weight")->dtype,
                 BR_DTYPE_S8);
    br_checkpoint_close(&checkpoint);
}

/* A vector that a `.bin` may hold, as long as `size`: it is there, and refused where it is shorter.
 */
static void expect_optional_vector(const char *name, size_t size, const char *refusal)
{
    bertrun_error error;
    br_checkpoint *checkpoint;
    add(name, BR_DTYPE_F32, size, scales);
    cr_assert_eq(br_checkpoint_open(&checkpoint, write_bin(), false, &error), BERTRUN_OK, "%s",
                 error.message);
    const br_tensor *scale = br_checkpoint_find(checkpoint, "%s", name);
    cr_assert_not_null(scale);
    cr_expect_arr_eq(scale->data, scales, size * sizeof *scales);
    br_checkpoint_close(&checkpoint);
    find(name)->shape[0] = size - 1;
    find(name)->bytes = (size - 1) * sizeof *scales;
    expect_error(write_bin(), BERTRUN_ERR_FORMAT, refusal);
}

Test(bin_file, a_residual_scale_may_be_there)
{
    expect_optional_vector("encoder.layer.0.output.LayerNorm.residual_scale", 4,
                           "has shape [3], the configuration asks for [4]");
}

Test(bin_file, an_output_scale_may_be_there)
{
    expect_optional_vector("encoder.layer.0.intermediate.dense.output_scale", 6,
                           "has shape [5], the configuration asks for [6]");
}

/* --------------------------------------------------------------------------- broken tensors */

#define QUERY "encoder.layer.0.attention.self.query.weight"

Test(bin_file, int8_needs_its_scale)
{
    quantize(QUERY, "elsewhere");
    expect_error(write_bin(), BERTRUN_ERR_FORMAT, "tensor \"" QUERY "_scale\" is missing");
}

Test(bin_file, a_scale_has_one_number_a_row)
{
    quantize(QUERY, QUERY "_scale");
    find(QUERY "_scale")->shape[0] = 3;
    find(QUERY "_scale")->bytes = 12;
    expect_error(write_bin(), BERTRUN_ERR_FORMAT, "has shape [3], the configuration asks for [4]");
}

Test(bin_file, a_scale_is_finite)
{
    quantize(QUERY, QUERY "_scale");
    scales[1] = INFINITY;
    expect_error(write_bin(), BERTRUN_ERR_FORMAT, QUERY "_scale\" is not finite at 1");
}

Test(bin_file, its_tokenizer_opens_whatever_the_model_is)
{
    br_checkpoint *checkpoint;
    const br_tensor *all;
    bertrun_error error = {0};
    quantize(QUERY, QUERY "_scale");
    scales[1] = INFINITY;
    cr_assert_eq(br_checkpoint_open_tokenizer(&checkpoint, write_bin(), true, &error), BERTRUN_OK,
                 "%s", error.message);
    cr_expect_eq(br_checkpoint_tensors(checkpoint, &all), 3);
    cr_expect_not_null(br_checkpoint_find(checkpoint, "tokenizer.table"));
    br_checkpoint_close(&checkpoint);
}

Test(bin_file, positions_are_never_int8)
{
    quantize("embeddings.token_type_embeddings.weight",
             "embeddings.token_type_embeddings.weight_scale");
    expect_error(write_bin(), BERTRUN_ERR_UNSUPPORTED, "has dtype I8");
}

Test(bin_file, vectors_are_f32)
{
    br_tensor *bias = find("classifier.bias");
    bias->dtype = BR_DTYPE_F16;
    bias->bytes /= 2;
    expect_error(write_bin(), BERTRUN_ERR_UNSUPPORTED, "tensor \"classifier.bias\" has dtype F16");
}

Test(bin_file, each_tensor_is_needed)
{
    size_t count = num_tensors;
    for (size_t i = 0; i < count; i++) {
        br_tensor saved = tensors[i];
        char part[160];
        snprintf(part, sizeof part, "tensor \"%s\" is missing", saved.name);
        tensors[i].name = "other";
        expect_error(write_bin(), BERTRUN_ERR_FORMAT, part);
        tensors[i] = saved;
    }
}

Test(bin_file, tokenizer_tensors_are_bytes)
{
    find("tokenizer.vocab")->dtype = BR_DTYPE_S8;
    expect_error(write_bin(), BERTRUN_ERR_FORMAT, "tensor \"tokenizer.vocab\" is no vector of U8");
}

/* ---------------------------------------------------------------------------- broken metadata */

/* Writes the tensors with a metadata text changed; NULL removes it. */
static const char *write_metadata(const char *key, const char *value)
{
    bertrun_error error;
    br_safetensors file;
    cr_assert_eq(br_safetensors_open(&file, write_bin(), false, &error), BERTRUN_OK);
    json_t *metadata = json_deep_copy(json_object_get(file.header, "__metadata__"));
    br_safetensors_close(&file);
    if (value)
        json_object_set_new(metadata, key, json_string(value));
    else
        json_object_del(metadata, key);
    const char *path = fixture_path(&f, "m.bin");
    cr_assert_eq(br_safetensors_write(path, metadata, tensors, num_tensors, &error), BERTRUN_OK);
    json_decref(metadata);
    return path;
}

Test(bin_file, other_formats_and_versions_are_named)
{
    expect_error(write_metadata("format", "pt"), BERTRUN_ERR_FORMAT,
                 "a safetensors file (format \"pt\"), but not made by `bertrun convert`");
    expect_error(write_metadata("format", NULL), BERTRUN_ERR_FORMAT, "not made by");
    expect_error(write_metadata("bertrun.version", "2"), BERTRUN_ERR_UNSUPPORTED,
                 "version 2 of the format; this build reads version 1");
    expect_error(write_metadata("bertrun.version", NULL), BERTRUN_ERR_UNSUPPORTED, "version");
    expect_error(write_metadata("bertrun.config", NULL), BERTRUN_ERR_FORMAT,
                 "\"bertrun.config\" is missing");
    expect_error(write_metadata("bertrun.config", "{"), BERTRUN_ERR_FORMAT, "line 1");
    expect_error(write_metadata("bertrun.config", "[]"), BERTRUN_ERR_FORMAT, "not a JSON object");
    expect_error(fixture_path(&f, "model.safetensors"), BERTRUN_ERR_FORMAT, "not made by");
    expect_error(fixture_path(&f, "config.json"), BERTRUN_ERR_FORMAT, "not a safetensors file");
}

/* Writes the tensors with fields of the configuration changed. */
static const char *write_config(const char *change)
{
    bertrun_error error;
    br_safetensors file;
    cr_assert_eq(br_safetensors_open(&file, write_bin(), false, &error), BERTRUN_OK);
    json_t *config = json_loads(br_safetensors_metadata(&file, "bertrun.config"), 0, NULL);
    json_t *fields = json_loads(change, 0, NULL);
    cr_assert(config && fields, "%s", change);
    br_safetensors_close(&file);
    json_object_update(config, fields);
    char *text = json_dumps(config, 0);
    const char *path = write_metadata("bertrun.config", text);
    json_decref(config);
    json_decref(fields);
    free(text);
    return path;
}

Test(bin_file, names_the_field_that_is_wrong)
{
    static const struct {
        const char *change;
        const char *part;
    } cases[] = {
        {"{\"architecture\":7}", "\"architecture\" is not a string"},
        {"{\"architecture\":null}", "\"architecture\" is missing"},
        {"{\"vocab_size\":0}", "vocab_size is 0"},
        {"{\"vocab_size\":-1}", "\"vocab_size\" is not a non-negative integer"},
        {"{\"vocab_size\":2147483648}", "vocab_size is 2147483648"},
        {"{\"vocab_size\":6}", "has shape [5, 4], the configuration asks for [6, 4]"},
        {"{\"hidden_size\":9223372036854775807}", "hidden_size is"},
        {"{\"hidden_size\":8}", "has shape [5, 4], the configuration asks for [5, 8]"},
        {"{\"intermediate_size\":65537}", "intermediate_size is 65537"},
        {"{\"num_hidden_layers\":0}", "num_hidden_layers is 0"},
        {"{\"num_hidden_layers\":1024}",
         "encoder.layer.1.attention.self.query.weight\" is missing"},
        {"{\"num_attention_heads\":0}", "num_attention_heads is 0"},
        {"{\"num_attention_heads\":3}", "not a multiple"},
        {"{\"max_position_embeddings\":0}", "max_position_embeddings is 0"},
        {"{\"type_vocab_size\":1000}", "type_vocab_size is 1000"},
        {"{\"layer_norm_eps\":\"x\"}", "\"layer_norm_eps\" is not a finite number"},
        {"{\"layer_norm_eps\":1e39}", "\"layer_norm_eps\" is not a finite number"},
        {"{\"has_pooler\":false}", "BertForSequenceClassification needs a pooler"},
        {"{\"has_pooler\":0}", "\"has_pooler\" is neither true nor false"},
        {"{\"labels\":[]}", "BertForSequenceClassification needs labels"},
        {"{\"labels\":[\"a\"]}", "classifier.weight\" has shape [3, 4]"},
        {"{\"labels\":[\"a\",1,\"c\"]}", "\"labels\" does not hold strings"},
        {"{\"max_length\":8}", "max_length 8 exceeds the 7 positions"},
        {"{\"architecture\":\"BertModel\"}", "BertModel does not have labels"},
        {"{\"architecture\":\"DistilBertForSequenceClassification\"}", "does not have a pooler"},
        {"{\"dense\":[{\"in_features\":5}]}", "\"out_features\" is missing"},
        {"{\"dense\":[1]}", "not a JSON object"},
        {"{\"dense\":[{},{},{},{},{}]}", "\"dense\" has too many modules"},
        {"{\"prompts\":{\"a\":1}}", "\"prompts\" does not hold strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(write_config(cases[i].change), BERTRUN_ERR_FORMAT, cases[i].part);
    expect_error(write_config("{\"architecture\":\"T5Model\"}"), BERTRUN_ERR_UNSUPPORTED,
                 "architecture \"T5Model\" is not supported");
    expect_error(write_config("{\"hidden_act\":\"silu\"}"), BERTRUN_ERR_UNSUPPORTED, "\"silu\"");
    expect_error(write_config("{\"pooling\":\"sum\"}"), BERTRUN_ERR_UNSUPPORTED, "\"sum\"");
    expect_error(write_config("{\"scores\":null}"), BERTRUN_ERR_UNSUPPORTED,
                 "without \"scores\": convert the model again");
}

/* ------------------------------------------------------------------------------ broken bytes */

Test(bin_file, a_file_cut_anywhere_is_refused)
{
    br_file file;
    cr_assert_eq(br_file_open(&file, write_bin(), false, NULL), BERTRUN_OK);
    size_t header = 8 + file.data[0] + (size_t)file.data[1] * 256;
    size_t step = (file.size - header) / 200 + 1;
    for (size_t cut = 0; cut < file.size; cut += cut < header ? 1 : step) {
        br_checkpoint *checkpoint;
        bertrun_error error;
        fixture_write(&f, "cut.bin", file.data, cut);
        cr_expect_eq(br_checkpoint_open(&checkpoint, fixture_path(&f, "cut.bin"), false, &error),
                     BERTRUN_ERR_FORMAT, "cut at %zu", cut);
        cr_expect_not_null(strstr(error.message, "cut.bin: "), "%s", error.message);
    }
    br_file_close(&file);
}

Test(bin_file, tensors_must_be_aligned)
{
    br_file file;
    cr_assert_eq(br_file_open(&file, write_bin(), false, NULL), BERTRUN_OK);
    size_t header = 8 + file.data[0] + (size_t)file.data[1] * 256;
    uint8_t *bytes = malloc(file.size + 1);
    memcpy(bytes, file.data, header);
    bytes[header] = ' ';
    bytes[0]++; /* the padded length ends in 56 or so: no carry */
    cr_assert_neq(bytes[0], 0);
    memcpy(bytes + header + 1, file.data + header, file.size - header);
    fixture_write(&f, "odd.bin", bytes, file.size + 1);
    expect_error(fixture_path(&f, "odd.bin"), BERTRUN_ERR_FORMAT, "is not aligned to 64 bytes");
    free(bytes);
    br_file_close(&file);
}

Test(bin_file, changed_bytes_never_harm)
{
    br_file file;
    cr_assert_eq(br_file_open(&file, write_bin(), false, NULL), BERTRUN_OK);
    size_t header = 8 + file.data[0] + (size_t)file.data[1] * 256;
    uint8_t *bytes = malloc(file.size);
    memcpy(bytes, file.data, file.size);
    srand(1);
    for (int i = 0; i < 2000; i++) {
        size_t place = (size_t)rand() % header;
        br_checkpoint *checkpoint;
        bytes[place] = (uint8_t)rand();
        fixture_write(&f, "changed.bin", bytes, file.size);
        br_checkpoint_open(&checkpoint, fixture_path(&f, "changed.bin"), false, NULL);
        br_checkpoint_close(&checkpoint);
        bytes[place] = file.data[place];
    }
    free(bytes);
    br_file_close(&file);
}

Test(bin_file, a_failed_write_leaves_nothing)
{
    bertrun_error error;
    size_t before = fixture_count_files(&f);
    cr_expect_eq(br_checkpoint_write("/dev/full", br_checkpoint_config(source), tensors,
                                     num_tensors, &error),
                 BERTRUN_ERR_IO);
    cr_expect_eq(br_checkpoint_write(fixture_path(&f, "no/m.bin"), br_checkpoint_config(source),
                                     tensors, num_tensors, &error),
                 BERTRUN_ERR_IO);
    cr_expect_not_null(strstr(error.message, "no/m.bin: cannot create"), "%s", error.message);
    cr_expect_eq(fixture_count_files(&f), before);
}
