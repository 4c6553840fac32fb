#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model_fixture.h"
#include "models/checkpoint.h"

static model_fixture f;

static void tear_down(void)
{
    fixture_close(&f);
}

TestSuite(hf_directory, .fini = tear_down);

static br_checkpoint *expect_open(const char *path)
{
    br_checkpoint *checkpoint;
    bertrun_error error;
    cr_assert_eq(br_checkpoint_open(&checkpoint, path, false, &error), BERTRUN_OK, "%s",
                 error.message);
    return checkpoint;
}

/* Saves and opens the fixture. */
static br_checkpoint *saved(void)
{
    fixture_save(&f);
    return expect_open(f.directory);
}

static void expect_error_as_it_is(bertrun_status wanted, const char *part)
{
    br_checkpoint *checkpoint;
    bertrun_error error = {0};
    cr_expect_eq(br_checkpoint_open(&checkpoint, f.directory, false, &error), wanted, "%s",
                 error.message);
    cr_expect_null(checkpoint);
    cr_expect_not_null(strstr(error.message, part), "\"%s\" is not in: %s", part, error.message);
    cr_expect_eq(strncmp(error.message, f.directory, strlen(f.directory)), 0, "%s", error.message);
    cr_expect_null(strchr(error.message, '\n'), "%s", error.message);
    br_checkpoint_close(&checkpoint);
}

static void expect_error(bertrun_status wanted, const char *part)
{
    fixture_save(&f);
    expect_error_as_it_is(wanted, part);
}

/* The tensor `name` of the checkpoint holds what the fixture's `source` holds. */
static void expect_same(const br_checkpoint *checkpoint, const char *name, const char *source)
{
    const br_tensor *tensor = br_checkpoint_find(checkpoint, "%s", name);
    const fixture_tensor *wanted = fixture_find(&f, source);
    cr_assert_not_null(tensor, "%s", name);
    cr_assert_eq(tensor->bytes, wanted->bytes, "%s", name);
    cr_assert_arr_eq(tensor->data, wanted->data, wanted->bytes, "%s", name);
}

static const char *const bert_modules[] = {
    "embeddings.LayerNorm",
    "encoder.layer.0.attention.self.query",
    "encoder.layer.0.attention.self.key",
    "encoder.layer.0.attention.self.value",
    "encoder.layer.0.attention.output.dense",
    "encoder.layer.0.attention.output.LayerNorm",
    "encoder.layer.0.intermediate.dense",
    "encoder.layer.0.output.dense",
    "encoder.layer.0.output.LayerNorm",
};
enum { NUM_MODULES = sizeof bert_modules / sizeof *bert_modules };

static const char *const distilbert_modules[NUM_MODULES] = {
    "embeddings.LayerNorm",
    "transformer.layer.0.attention.q_lin",
    "transformer.layer.0.attention.k_lin",
    "transformer.layer.0.attention.v_lin",
    "transformer.layer.0.attention.out_lin",
    "transformer.layer.0.sa_layer_norm",
    "transformer.layer.0.ffn.lin1",
    "transformer.layer.0.ffn.lin2",
    "transformer.layer.0.output_layer_norm",
};

static void expect_modules(const br_checkpoint *checkpoint, const char *const *names,
                           const char *prefix)
{
    for (size_t i = 0; i < NUM_MODULES; i++) {
        for (int bias = 0; bias < 2; bias++) {
            char canonical[96], source[96];
            const char *part = bias ? "bias" : "weight";
            snprintf(canonical, sizeof canonical, "%s.%s", bert_modules[i], part);
            snprintf(source, sizeof source, "%s%s.%s", prefix, names[i], part);
            expect_same(checkpoint, canonical, source);
        }
    }
}

Test(hf_directory, reads_bert)
{
    fixture_bert(&f, false);
    br_checkpoint *checkpoint = saved();
    const br_model_config *config = br_checkpoint_config(checkpoint);
    cr_expect_str_eq(config->architecture, "BertModel");
    cr_expect(config->vocab_size == 5 && config->hidden_size == 4 &&
              config->intermediate_size == 6 && config->num_hidden_layers == 1 &&
              config->num_attention_heads == 2 && config->max_position_embeddings == 7 &&
              config->type_vocab_size == 2);
    cr_expect_eq(config->layer_norm_eps, 1e-5F);
    cr_expect_eq(config->hidden_act, BR_ACTIVATION_GELU);
    cr_expect(config->has_pooler && config->num_labels == 0);
    cr_expect(config->pooling == BERTRUN_POOLING_AUTO && !config->normalize);
    cr_expect(config->max_length == 0 && config->num_dense == 0 && config->num_prompts == 0);
    expect_modules(checkpoint, bert_modules, "bert.");
    expect_same(checkpoint, "embeddings.word_embeddings.weight",
                "bert.embeddings.word_embeddings.weight");
    expect_same(checkpoint, "embeddings.token_type_embeddings.weight",
                "bert.embeddings.token_type_embeddings.weight");
    expect_same(checkpoint, "pooler.dense.bias", "bert.pooler.dense.bias");
    const br_tensor *tensors;
    cr_expect_eq(br_checkpoint_tensors(checkpoint, &tensors), 23);
    cr_expect_str_eq(tensors[0].name, "embeddings.word_embeddings.weight");
    cr_expect_gt(br_checkpoint_file_bytes(checkpoint), 23 * 16);
    cr_expect_not(br_checkpoint_is_bin(checkpoint));
    br_checkpoint_close(&checkpoint);
    cr_expect_null(checkpoint);
}

Test(hf_directory, reads_distilbert)
{
    fixture_distilbert(&f, true);
    br_checkpoint *checkpoint = saved();
    const br_model_config *config = br_checkpoint_config(checkpoint);
    cr_expect_str_eq(config->architecture, "DistilBertForSequenceClassification");
    cr_expect(config->vocab_size == 5 && config->hidden_size == 4 &&
              config->intermediate_size == 6 && config->num_hidden_layers == 1 &&
              config->num_attention_heads == 2 && config->type_vocab_size == 0);
    cr_expect_eq(config->layer_norm_eps, 1e-12F);
    cr_expect_eq(config->hidden_act, BR_ACTIVATION_RELU);
    cr_expect(!config->has_pooler);
    cr_expect(config->num_labels == 3 && config->scores == BERTRUN_SCORES_SOFTMAX);
    cr_expect_str_eq(config->labels[1], "maybe");
    expect_modules(checkpoint, distilbert_modules, "distilbert.");
    expect_same(checkpoint, "pre_classifier.weight", "pre_classifier.weight");
    expect_same(checkpoint, "classifier.bias", "classifier.bias");
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, reads_names_without_prefix_and_old_layer_norms)
{
    fixture_bert(&f, true);
    for (size_t i = 0; i < f.num_tensors; i++) {
        char *name = f.tensors[i].name;
        if (strncmp(name, "bert.", 5) == 0 && i % 2)
            memmove(name, name + 5, strlen(name + 5) + 1);
        if (strstr(name, "LayerNorm"))
            strcpy(strrchr(name, '.'), strstr(name, ".weight") ? ".gamma" : ".beta");
    }
    br_checkpoint *checkpoint = saved();
    cr_expect_str_eq(br_checkpoint_architecture(checkpoint)->name, "BertForSequenceClassification");
    cr_expect_not_null(br_checkpoint_find(checkpoint, "encoder.layer.%d.output.LayerNorm.bias", 0));
    cr_expect_null(br_checkpoint_find(checkpoint, "encoder.layer.%d.output.LayerNorm.beta", 0));
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, reads_f16_and_bf16_beside_f32)
{
    fixture_bert(&f, false);
    fixture_tensor *half = fixture_find(&f, "bert.pooler.dense.weight");
    fixture_tensor *brain = fixture_find(&f, "bert.pooler.dense.bias");
    fixture_retype(half, BR_DTYPE_F16);
    fixture_retype(brain, BR_DTYPE_BF16);
    ((uint16_t *)half->data)[3] = 0x3e00;
    ((uint16_t *)brain->data)[2] = 0xbfc0;
    br_checkpoint *checkpoint = saved();
    float x[2];
    br_tensor_to_f32(br_checkpoint_find(checkpoint, "pooler.dense.weight"), 3, 2, x);
    cr_expect(x[0] == 1.5F && x[1] == 0);
    br_tensor_to_f32(br_checkpoint_find(checkpoint, "pooler.dense.bias"), 2, 2, x);
    cr_expect(x[0] == -1.5F && x[1] == 0);
    br_tensor_to_f32(br_checkpoint_find(checkpoint, "embeddings.LayerNorm.weight"), 1, 1, x);
    cr_expect_eq(x[0], ((float *)fixture_find(&f, "bert.embeddings.LayerNorm.weight")->data)[1]);
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, ignores_tensors_that_the_model_does_not_use)
{
    fixture_bert(&f, false);
    fixture_retype(fixture_add(&f, "bert.embeddings.position_ids", 1, 7), BR_DTYPE_I64);
    fixture_add(&f, "cls.predictions.bias", 5, 0);
    br_checkpoint *checkpoint = saved();
    const br_tensor *tensors;
    cr_expect_eq(br_checkpoint_tensors(checkpoint, &tensors), 23);
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, a_base_model_may_lack_the_pooler)
{
    fixture_bert(&f, false);
    fixture_remove(&f, "bert.pooler.dense.weight");
    fixture_remove(&f, "bert.pooler.dense.bias");
    br_checkpoint *checkpoint = saved();
    cr_expect_not(br_checkpoint_config(checkpoint)->has_pooler);
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, reads_shards)
{
    fixture_bert(&f, false);
    fixture_save(&f);
    cr_assert_eq(remove(fixture_path(&f, "model.safetensors")), 0);
    fixture_weights(&f, "one.safetensors", 0, 9);
    fixture_weights(&f, "two.safetensors", 9, f.num_tensors);
    fixture_text(&f, "model.safetensors.index.json",
                 "{\"weight_map\":{\"x\":\"one.safetensors\",\"y\":\"two.safetensors\","
                 "\"z\":\"one.safetensors\"}}");
    br_checkpoint *checkpoint = expect_open(f.directory);
    expect_modules(checkpoint, bert_modules, "bert.");
    br_checkpoint_close(&checkpoint);

    fixture_weights(&f, "one.safetensors", 0, 8);
    char part[160];
    snprintf(part, sizeof part, "%s: tensor \"encoder.layer.0.attention.self.key.bias\" is missing",
             f.directory);
    expect_error_as_it_is(BERTRUN_ERR_FORMAT, part);
    cr_assert_eq(remove(fixture_path(&f, "two.safetensors")), 0);
    expect_error_as_it_is(BERTRUN_ERR_IO, "two.safetensors: cannot open");
    static const char *const maps[] = {"{\"weight_map\":{\"x\":\"../one.safetensors\"}}",
                                       "{\"weight_map\":{\"x\":7}}",
                                       "{\"weight_map\":{\"x\":\"./one.safetensors\"}}",
                                       "{\"weight_map\":{}}",
                                       "{}",
                                       "[]"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        fixture_text(&f, "model.safetensors.index.json", maps[i]);
        expect_error_as_it_is(BERTRUN_ERR_FORMAT, "index.json: \"weight_map\"");
    }
}

Test(hf_directory, names_labels)
{
    static const struct {
        const char *id2label;
        const char *first; /* NULL: an error */
        bertrun_scores scores;
    } cases[] = {
        {"{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}", "a", BERTRUN_SCORES_SOFTMAX},
        {"{\"id2label\":{\"2\":\"a\",\"1\":\"b\",\"0\":\"c\"}}", "c", BERTRUN_SCORES_SOFTMAX},
        {"{\"num_labels\":3,\"id2label\":null}", "LABEL_0", BERTRUN_SCORES_SOFTMAX},
        {"{\"problem_type\":\"multi_label_classification\"}", "no", BERTRUN_SCORES_SIGMOID},
        {"{\"problem_type\":\"single_label_classification\"}", "no", BERTRUN_SCORES_SOFTMAX},
        {"{\"problem_type\":\"regression\"}", "no", BERTRUN_SCORES_IDENTITY},
        {"{\"sentence_transformers\":{\"activation_fn\":\"torch.nn.modules.linear.Identity\"}}",
         "no", BERTRUN_SCORES_IDENTITY},
        {"{\"sbert_ce_default_activation_function\":\"torch.nn.modules.activation.Sigmoid\"}", "no",
         BERTRUN_SCORES_SIGMOID},
        {"{\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}", NULL, BERTRUN_SCORES_SOFTMAX},
        {"{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"3\":\"c\"}}", NULL, BERTRUN_SCORES_SOFTMAX},
        {"{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":3}}", NULL, BERTRUN_SCORES_SOFTMAX},
        {"{\"id2label\":{}}", NULL, BERTRUN_SCORES_SOFTMAX},
        {"{\"id2label\":null}", NULL, BERTRUN_SCORES_SOFTMAX},
        {"{\"num_labels\":-1,\"id2label\":null}", NULL, BERTRUN_SCORES_SOFTMAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_bert(&f, true);
        json_t *change = json_loads(cases[i].id2label, 0, NULL);
        cr_assert_not_null(change);
        json_object_update(f.config, change);
        json_decref(change);
        if (cases[i].first) {
            br_checkpoint *checkpoint = saved();
            const br_model_config *config = br_checkpoint_config(checkpoint);
            cr_expect_str_eq(config->labels[0], cases[i].first);
            cr_expect_eq(config->scores, cases[i].scores);
            br_checkpoint_close(&checkpoint);
        } else {
            expect_error(BERTRUN_ERR_FORMAT, i == 8 || i == 12 ? "classifier.weight"
                                             : i == 9          ? "no name for label 2"
                                             : i == 10         ? "name of label 2 is no string"
                                                               : "label");
        }
        if (i + 1 < sizeof cases / sizeof *cases)
            fixture_close(&f);
    }
}

Test(hf_directory, a_single_label_is_scored_by_sigmoid)
{
    fixture_distilbert(&f, true);
    json_object_set_new(f.config, "id2label", json_pack("{s:s}", "0", "relevance"));
    fixture_reshape(fixture_find(&f, "classifier.weight"), 2, 1, 4);
    fixture_reshape(fixture_find(&f, "classifier.bias"), 1, 1, 0);
    br_checkpoint *checkpoint = saved();
    cr_expect_eq(br_checkpoint_config(checkpoint)->scores, BERTRUN_SCORES_SIGMOID);
    br_checkpoint_close(&checkpoint);
}

/* The values of a fixture's tensor in F64, each a bit off what F32 can hold. */
static void widen_fixture(const char *name)
{
    fixture_tensor *tensor = fixture_find(&f, name);
    size_t count = tensor->bytes / sizeof(float);
    float *values = tensor->data;
    tensor->data = NULL;
    fixture_retype(tensor, BR_DTYPE_F64);
    for (size_t i = 0; i < count; i++)
        ((double *)tensor->data)[i] = (double)values[i] * (1 + 1e-12);
    free(values);
}

Test(hf_directory, f64_becomes_f32)
{
    static const char *const names[] = {"bert.embeddings.word_embeddings.weight",
                                        "bert.encoder.layer.0.output.dense.bias"};
    fixture_bert(&f, true);
    float word = ((float *)fixture_find(&f, names[0])->data)[7];
    float bias = ((float *)fixture_find(&f, names[1])->data)[3];
    widen_fixture(names[0]);
    widen_fixture(names[1]);
    br_checkpoint *checkpoint = saved();
    const br_tensor *got = br_checkpoint_find(checkpoint, "%s", names[0] + strlen("bert."));
    cr_assert(got->dtype == BR_DTYPE_F32 && got->bytes == 5 * 4 * sizeof(float));
    cr_expect(((const float *)got->data)[7] == word);
    got = br_checkpoint_find(checkpoint, "%s", names[1] + strlen("bert."));
    cr_expect(got->dtype == BR_DTYPE_F32 && ((const float *)got->data)[3] == bias);
    br_checkpoint_close(&checkpoint);
    ((double *)fixture_find(&f, names[1])->data)[3] = 1e300;
    expect_error(BERTRUN_ERR_FORMAT, "output.dense.bias\" is not finite at 3");
}

/* ------------------------------------------------------------------------------------ errors */

static void expect_field_error(const char *change, bertrun_status wanted, const char *part)
{
    json_t *fields = json_loads(change, 0, NULL);
    cr_assert_not_null(fields, "%s", change);
    json_object_update(f.config, fields);
    json_decref(fields);
    expect_error(wanted, part);
    fixture_close(&f);
}

Test(hf_directory, names_the_field_that_is_wrong)
{
    static const struct {
        const char *change;
        const char *part;
    } cases[] = {
        {"{\"architectures\":null}", "config.json: \"architectures\" is missing"},
        {"{\"architectures\":[]}", "\"architectures\" is missing"},
        {"{\"architectures\":\"BertModel\"}", "\"architectures\" is missing"},
        {"{\"vocab_size\":null}", "config.json: \"vocab_size\" is missing"},
        {"{\"vocab_size\":0}", "vocab_size is 0"},
        {"{\"vocab_size\":-1}", "\"vocab_size\" is not a non-negative integer"},
        {"{\"vocab_size\":2147483648}", "vocab_size is 2147483648"},
        {"{\"vocab_size\":9223372036854775807}", "vocab_size is 9223372036854775807"},
        {"{\"vocab_size\":6}", "\"bert.embeddings.word_embeddings.weight\" has shape [5, 4], the "
                               "configuration asks for [6, 4]"},
        {"{\"hidden_size\":\"4\"}", "\"hidden_size\" is not"},
        {"{\"hidden_size\":4.5}", "\"hidden_size\" is not"},
        {"{\"hidden_size\":0}", "hidden_size is 0"},
        {"{\"hidden_size\":5}", "hidden_size 5 is not a multiple of num_attention_heads 2"},
        {"{\"hidden_size\":1048576}", "hidden_size is 1048576"},
        {"{\"hidden_size\":8}", "has shape [5, 4], the configuration asks for [5, 8]"},
        {"{\"intermediate_size\":0}", "intermediate_size is 0"},
        {"{\"intermediate_size\":7}", "intermediate.dense.weight\" has shape [6, 4]"},
        {"{\"num_attention_heads\":0}", "num_attention_heads is 0"},
        {"{\"num_attention_heads\":3}", "not a multiple"},
        {"{\"num_hidden_layers\":0}", "num_hidden_layers is 0"},
        {"{\"num_hidden_layers\":2}", "encoder.layer.1.attention.self.query.weight\" is missing"},
        {"{\"num_hidden_layers\":2147483648}", "num_hidden_layers is 2147483648"},
        {"{\"max_position_embeddings\":0}", "max_position_embeddings is 0"},
        {"{\"max_position_embeddings\":8}", "position_embeddings.weight\" has shape [7, 4]"},
        {"{\"type_vocab_size\":3}", "token_type_embeddings.weight\" has shape [2, 4]"},
        {"{\"type_vocab_size\":257}", "type_vocab_size is 257"},
        {"{\"layer_norm_eps\":0}", "layer_norm_eps is 0"},
        {"{\"layer_norm_eps\":-1e-12}", "layer_norm_eps is"},
        {"{\"layer_norm_eps\":1e300}", "\"layer_norm_eps\" is not a finite number"},
        {"{\"layer_norm_eps\":\"NaN\"}", "\"layer_norm_eps\" is not a finite number"},
        {"{\"hidden_act\":7}", "\"hidden_act\" is not a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_bert(&f, false);
        expect_field_error(cases[i].change, BERTRUN_ERR_FORMAT, cases[i].part);
    }
    fixture_bert(&f, false);
}

Test(hf_directory, names_what_is_not_supported)
{
    static const struct {
        const char *change;
        const char *part;
    } cases[] = {
        {"{\"architectures\":[\"RobertaModel\"]}",
         "config.json: architecture \"RobertaModel\" is not supported (BertModel, "
         "BertForSequenceClassification, BertForTokenClassification, BertForQuestionAnswering, "
         "BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining, DistilBertModel, "
         "DistilBertForSequenceClassification, DistilBertForTokenClassification, "
         "DistilBertForQuestionAnswering, DistilBertForMaskedLM, LSTMModel are)"},
        {"{\"hidden_act\":\"silu\"}", "\"hidden_act\": \"silu\" is not supported (gelu, "},
        {"{\"position_embedding_type\":\"relative_key\"}", "\"relative_key\" is not supported"},
        {"{\"is_decoder\":true}", "\"is_decoder\" is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_bert(&f, false);
        expect_field_error(cases[i].change, BERTRUN_ERR_UNSUPPORTED, cases[i].part);
    }
    fixture_bert(&f, false);
}

Test(hf_directory, names_each_tensor_that_is_missing)
{
    fixture_bert(&f, true);
    size_t count = f.num_tensors;
    fixture_close(&f);
    for (size_t i = 0; i < count; i++) {
        fixture_bert(&f, true);
        char name[96];
        strcpy(name, f.tensors[i].name);
        fixture_remove(&f, name);
        char part[160];
        snprintf(part, sizeof part, "model.safetensors: tensor \"%s\" is missing",
                 strncmp(name, "bert.", 5) == 0 ? name + 5 : name);
        expect_error(BERTRUN_ERR_FORMAT, part);
        fixture_close(&f);
    }
    fixture_bert(&f, true);
}

Test(hf_directory, names_each_tensor_of_a_wrong_shape_or_dtype)
{
    fixture_distilbert(&f, true);
    size_t count = f.num_tensors;
    fixture_close(&f);
    for (size_t i = 0; i < 3 * count; i++) {
        fixture_distilbert(&f, true);
        fixture_tensor *tensor = &f.tensors[i / 3];
        if (i % 3 == 0)
            fixture_reshape(tensor, tensor->rank, tensor->shape[0] + 1, tensor->shape[1]);
        else if (i % 3 == 1)
            fixture_reshape(tensor, tensor->rank == 1 ? 2 : 1, tensor->shape[0], 1);
        else
            fixture_retype(tensor, BR_DTYPE_I32);
        char part[160];
        snprintf(part, sizeof part, "model.safetensors: tensor \"%s\" has %s", tensor->name,
                 i % 3 == 2 ? "dtype I32" : "shape [");
        expect_error(i % 3 == 2 ? BERTRUN_ERR_UNSUPPORTED : BERTRUN_ERR_FORMAT, part);
        fixture_close(&f);
    }
    fixture_distilbert(&f, true);
}

Test(hf_directory, names_a_bias_that_is_not_finite)
{
    fixture_bert(&f, false);
    ((float *)fixture_find(&f, "bert.embeddings.LayerNorm.bias")->data)[2] = NAN;
    expect_error(BERTRUN_ERR_FORMAT, "\"bert.embeddings.LayerNorm.bias\" is not finite at 2");
}

Test(hf_directory, names_a_file_that_is_missing_or_broken)
{
    fixture_bert(&f, false);
    expect_error_as_it_is(BERTRUN_ERR_IO, "config.json: cannot open");
    fixture_save(&f);
    fixture_text(&f, "config.json", "{\"a\":");
    expect_error_as_it_is(BERTRUN_ERR_FORMAT, "config.json: line 1");
    fixture_text(&f, "config.json", "[]");
    expect_error_as_it_is(BERTRUN_ERR_FORMAT, "config.json: ");
    fixture_text(&f, "config.json", "{\"vocab_size\":1,\"vocab_size\":1}");
    expect_error_as_it_is(BERTRUN_ERR_FORMAT, "duplicate");
    fixture_save(&f);
    fixture_text(&f, "model.safetensors", "junk");
    expect_error_as_it_is(BERTRUN_ERR_FORMAT, "model.safetensors: not a safetensors file");
    cr_assert_eq(remove(fixture_path(&f, "model.safetensors")), 0);
    expect_error_as_it_is(BERTRUN_ERR_IO,
                          "there is neither model.safetensors nor pytorch_model.bin");
}

/* --------------------------------------------------------------------- sentence-transformers */

static const char modules_text[] = "[{\"idx\":0,\"name\":\"0\",\"path\":\"\","
                                   "\"type\":\"sentence_transformers.models.Transformer\"},"
                                   "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\","
                                   "\"type\":\"sentence_transformers.models.Pooling\"},"
                                   "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Dense\",\"type\":"
                                   "\"sentence_transformers.models.Dense\"},"
                                   "{\"idx\":3,\"name\":\"3\",\"path\":\"3_Normalize\","
                                   "\"type\":\"sentence_transformers.models.Normalize\"}]";

/* BERT with pooling, a Dense module 4 -> 3 and normalization. */
static void sentence_bert(void)
{
    fixture_bert(&f, false);
    fixture_save(&f);
    fixture_text(&f, "modules.json", modules_text);
    fixture_text(&f, "1_Pooling/config.json",
                 "{\"word_embedding_dimension\":4,\"pooling_mode_cls_token\":true,"
                 "\"pooling_mode_mean_tokens\":false}");
    fixture_text(&f, "2_Dense/config.json",
                 "{\"in_features\":4,\"out_features\":3,\"bias\":true,"
                 "\"activation_function\":\"torch.nn.modules.activation.Tanh\"}");
    fixture_add(&f, "linear.weight", 3, 4);
    fixture_add(&f, "linear.bias", 3, 0);
    fixture_weights(&f, "2_Dense/model.safetensors", f.num_tensors - 2, f.num_tensors);
}

Test(hf_directory, reads_sentence_transformers_files)
{
    sentence_bert();
    fixture_text(&f, "sentence_bert_config.json", "{\"max_seq_length\":6,\"do_lower_case\":false}");
    fixture_text(&f, "config_sentence_transformers.json",
                 "{\"prompts\":{\"query\":\"query: \",\"document\":\"\"},"
                 "\"default_prompt_name\":\"query\",\"similarity_fn_name\":\"cosine\"}");
    br_checkpoint *checkpoint = expect_open(f.directory);
    const br_model_config *config = br_checkpoint_config(checkpoint);
    cr_expect(config->pooling == BERTRUN_POOLING_CLS && config->normalize);
    cr_expect_eq(config->max_length, 6);
    cr_expect_eq(config->num_dense, 1);
    cr_expect(config->dense[0].in_features == 4 && config->dense[0].out_features == 3 &&
              config->dense[0].bias && config->dense[0].activation == BR_ACTIVATION_TANH);
    cr_expect_eq(config->num_prompts, 2);
    cr_expect_str_eq(config->prompts[0].name, "query");
    cr_expect_str_eq(config->prompts[0].text, "query: ");
    cr_expect_str_eq(config->default_prompt_name, "query");
    expect_same(checkpoint, "dense.0.linear.weight", "linear.weight");
    expect_same(checkpoint, "dense.0.linear.bias", "linear.bias");
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, a_maximum_length_is_capped_by_the_positions)
{
    fixture_bert(&f, false);
    fixture_text(&f, "sentence_bert_config.json", "{\"max_seq_length\":512}");
    br_checkpoint *checkpoint = saved();
    cr_expect_eq(br_checkpoint_config(checkpoint)->max_length, 7);
    br_checkpoint_close(&checkpoint);
    fixture_text(&f, "sentence_bert_config.json", "{\"max_seq_length\":null}");
    checkpoint = expect_open(f.directory);
    cr_expect_eq(br_checkpoint_config(checkpoint)->max_length, 0);
    br_checkpoint_close(&checkpoint);
}

/* The first of the names in sentence-transformers' order; what is empty says nothing. */
Test(hf_directory, reads_the_other_names_of_sentence_bert_config)
{
    static const char *const names[] = {
        "sentence_xlnet_config.json",      "sentence_xlm-roberta_config.json",
        "sentence_albert_config.json",     "sentence_camembert_config.json",
        "sentence_distilbert_config.json", "sentence_roberta_config.json",
        "sentence_bert_config.json",
    };
    fixture_bert(&f, false);
    fixture_save(&f);
    for (size_t length = 1; length <= 7; length++) {
        char text[32];
        snprintf(text, sizeof text, "{\"max_seq_length\":%zu}", length);
        fixture_text(&f, names[length - 1], text);
        br_checkpoint *checkpoint = expect_open(f.directory);
        cr_expect_eq(br_checkpoint_config(checkpoint)->max_length, length, "%s", names[length - 1]);
        br_checkpoint_close(&checkpoint);
    }
    fixture_text(&f, names[6], "{}");
    br_checkpoint *checkpoint = expect_open(f.directory);
    cr_expect_eq(br_checkpoint_config(checkpoint)->max_length, 6);
    br_checkpoint_close(&checkpoint);
}

Test(hf_directory, reads_pooling_modes)
{
    static const struct {
        const char *text;
        bertrun_pooling pooling;
        const char *error;
    } cases[] = {
        {"{}", BERTRUN_POOLING_MEAN, NULL},
        {"{\"pooling_mode_mean_tokens\":true,\"pooling_mode_max_tokens\":false}",
         BERTRUN_POOLING_MEAN, NULL},
        {"{\"pooling_mode_mean_tokens\":false,\"pooling_mode_max_tokens\":true}",
         BERTRUN_POOLING_MAX, NULL},
        {"{\"pooling_mode\":\"cls\"}", BERTRUN_POOLING_CLS, NULL},
        {"{\"pooling_mode\":\"lasttoken\"}", BERTRUN_POOLING_LAST_TOKEN, NULL},
        {"{\"pooling_mode\":\"weightedmean\",\"embedding_dimension\":4}",
         BERTRUN_POOLING_WEIGHTED_MEAN, NULL},
        {"{\"pooling_mode_mean_tokens\":false,\"pooling_mode_lasttoken\":true}",
         BERTRUN_POOLING_LAST_TOKEN, NULL},
        {"{\"pooling_mode_mean_tokens\":false,\"pooling_mode_weightedmean_tokens\":true}",
         BERTRUN_POOLING_WEIGHTED_MEAN, NULL},
        {"{\"pooling_mode\":\"median\"}", 0, "\"pooling_mode\": \"median\" is not supported"},
        {"{\"pooling_mode_cls_token\":true}", 0, "2 pooling modes"},
        {"{\"pooling_mode_mean_tokens\":false}", 0, "0 pooling modes"},
        {"{\"pooling_mode_mean_tokens\":false,\"pooling_mode_mean_sqrt_len_tokens\":true}", 0,
         "1_Pooling/config.json: the pooling mode mean_sqrt_len_tokens is not supported"},
        {"{\"word_embedding_dimension\":5}", 0, "word_embedding_dimension is 5, hidden_size 4"},
        {"{\"pooling_mode_cls_token\":1}", 0, "\"pooling_mode_cls_token\" is neither"},
    };
    sentence_bert();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_text(&f, "1_Pooling/config.json", cases[i].text);
        if (cases[i].error) {
            bool malformed =
                strstr(cases[i].error, "dimension") || strstr(cases[i].error, "neither");
            bertrun_status wanted = malformed ? BERTRUN_ERR_FORMAT : BERTRUN_ERR_UNSUPPORTED;
            expect_error_as_it_is(wanted, cases[i].error);
        } else {
            br_checkpoint *checkpoint = expect_open(f.directory);
            cr_expect_eq(br_checkpoint_config(checkpoint)->pooling, cases[i].pooling, "%s",
                         cases[i].text);
            br_checkpoint_close(&checkpoint);
        }
    }
}

Test(hf_directory, refuses_modules_that_it_cannot_compute)
{
#define MODULE(path, type) "{\"path\":\"" path "\",\"type\":\"a.b." type "\"}"
#define START              MODULE("", "Transformer")
    static const struct {
        const char *text;
        bertrun_status status;
        const char *part;
    } cases[] = {
        {"[]", BERTRUN_ERR_UNSUPPORTED, "no Pooling module"},
        {"{}", BERTRUN_ERR_UNSUPPORTED, "no Pooling module"},
        {"[7]", BERTRUN_ERR_FORMAT, "modules.json: not a JSON object"},
        {"[{\"path\":\"\"}]", BERTRUN_ERR_FORMAT, "\"type\" is missing"},
        {"[" START "]", BERTRUN_ERR_UNSUPPORTED, "no Pooling module"},
        {"[" MODULE("0_Transformer", "Transformer") "]", BERTRUN_ERR_IO,
         "0_Transformer/config.json: cannot open"},
        {"[" MODULE("../0_Transformer", "Transformer") "]", BERTRUN_ERR_FORMAT,
         "path \"../0_Transformer\" leaves the directory"},
        {"[" START "," MODULE("1_Pooling", "Pooling") "," MODULE("", "LayerNorm") "]",
         BERTRUN_ERR_UNSUPPORTED, "module 2, \"LayerNorm\""},
        {"[" START "," MODULE("2_Dense", "Dense") "]", BERTRUN_ERR_UNSUPPORTED, "module 1"},
        {"[" START "," MODULE("1_Pooling", "Pooling") "," MODULE("", "Normalize") "," MODULE(
             "2_Dense", "Dense") "]",
         BERTRUN_ERR_UNSUPPORTED, "module 3, \"Dense\""},
        {"[" START "," MODULE("../1_Pooling", "Pooling") "]", BERTRUN_ERR_FORMAT,
         "path \"../1_Pooling\" leaves the directory"},
        {"[" START "," MODULE("/etc", "Pooling") "]", BERTRUN_ERR_FORMAT, "leaves the directory"},
        {"[" START "," MODULE("nowhere", "Pooling") "]", BERTRUN_ERR_IO,
         "nowhere/config.json: cannot open"},
    };
    sentence_bert();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_text(&f, "modules.json", cases[i].text);
        expect_error_as_it_is(cases[i].status, cases[i].part);
    }
}

Test(hf_directory, refuses_dense_modules_that_do_not_fit)
{
    static const struct {
        const char *text;
        bertrun_status status;
        const char *part;
    } cases[] = {
        {"{\"in_features\":5,\"out_features\":3}", BERTRUN_ERR_FORMAT, "Dense module 0 is 5 x 3"},
        {"{\"in_features\":4,\"out_features\":0}", BERTRUN_ERR_FORMAT, "Dense module 0 is 4 x 0"},
        {"{\"in_features\":4}", BERTRUN_ERR_FORMAT, "\"out_features\" is missing"},
        {"{\"in_features\":4,\"out_features\":2}", BERTRUN_ERR_FORMAT,
         "2_Dense/model.safetensors: tensor \"linear.weight\" has shape [3, 4]"},
        {"{\"in_features\":4,\"out_features\":3,\"activation_function\":\"torch.nn.Mish\"}",
         BERTRUN_ERR_UNSUPPORTED, "\"torch.nn.Mish\" is not supported"},
    };
    sentence_bert();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_text(&f, "2_Dense/config.json", cases[i].text);
        expect_error_as_it_is(cases[i].status, cases[i].part);
    }
}

/* -------------------------------------------------------------------------------- real models */

Test(hf_directory, opens_the_real_models)
{
    static const struct {
        const char *path;
        const char *architecture;
        br_dtype dtype;
        size_t num_labels;
        const char *label;
    } models[] = {
        {"models/distilbert-minilm-clinc", "DistilBertForSequenceClassification", BR_DTYPE_F16, 151,
         "accept_reservations"},
        {"models/distilbert-minilm-sst2", "DistilBertForSequenceClassification", BR_DTYPE_BF16, 2,
         "NEGATIVE"},
    };
    fixture_bert(&f, false);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        br_checkpoint *checkpoint = expect_open(fixture_shared(models[i].path));
        const br_model_config *config = br_checkpoint_config(checkpoint);
        cr_expect_str_eq(config->architecture, models[i].architecture);
        cr_expect_eq(config->num_labels, models[i].num_labels);
        cr_expect_str_eq(config->labels[0], models[i].label);
        const br_tensor *tensor =
            br_checkpoint_find(checkpoint, "encoder.layer.5.intermediate.dense.weight");
        cr_assert_not_null(tensor);
        cr_expect(tensor->dtype == models[i].dtype && tensor->quantizable);
        cr_expect(tensor->shape[0] == 1536 && tensor->shape[1] == 384);
        br_checkpoint_close(&checkpoint);
    }
}

Test(hf_directory, opens_minilm)
{
    fixture_bert(&f, false);
    br_checkpoint *checkpoint = expect_open(fixture_minilm());
    const br_model_config *config = br_checkpoint_config(checkpoint);
    cr_expect_str_eq(config->architecture, "BertModel");
    cr_expect(config->hidden_size == 384 && config->num_hidden_layers == 6 && config->has_pooler);
    cr_expect(config->pooling == BERTRUN_POOLING_MEAN && config->normalize);
    cr_expect_eq(config->max_length, 256);
    br_checkpoint_close(&checkpoint);
}
