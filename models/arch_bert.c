/* BERT (Devlin et al. 2018) as transformers' modeling_bert.py names and shapes it. */
#include "models/architecture.h"

#define MEMBER(member) offsetof(br_model_config, member)
#define HIDDEN         MEMBER(hidden_size)
#define INTERMEDIATE   MEMBER(intermediate_size)

static const br_field_name absolute_positions[] = {{"absolute", 0}, {NULL, 0}};

static const br_field fields[] = {
    {"vocab_size", BR_FIELD_SIZE, true, MEMBER(vocab_size), NULL},
    {"hidden_size", BR_FIELD_SIZE, true, HIDDEN, NULL},
    {"intermediate_size", BR_FIELD_SIZE, true, INTERMEDIATE, NULL},
    {"num_hidden_layers", BR_FIELD_SIZE, true, MEMBER(num_hidden_layers), NULL},
    {"num_attention_heads", BR_FIELD_SIZE, true, MEMBER(num_attention_heads), NULL},
    {"max_position_embeddings", BR_FIELD_SIZE, true, MEMBER(max_position_embeddings), NULL},
    {"type_vocab_size", BR_FIELD_SIZE, true, MEMBER(type_vocab_size), NULL},
    {"layer_norm_eps", BR_FIELD_FLOAT, false, MEMBER(layer_norm_eps), NULL},
    {"hidden_act", BR_FIELD_NAME, true, MEMBER(hidden_act), br_hidden_activations},
    {"position_embedding_type", BR_FIELD_ONLY, false, 0, absolute_positions},
    {"is_decoder", BR_FIELD_FALSE, false, 0, NULL},
};

static const br_module_spec encoder_modules[] = {
    {BR_MODULE_WORD_EMBEDDING, "embeddings.word_embeddings", NULL, MEMBER(vocab_size), HIDDEN, 0},
    {BR_MODULE_EMBEDDING, "embeddings.position_embeddings", NULL, MEMBER(max_position_embeddings),
     HIDDEN, 0},
    {BR_MODULE_EMBEDDING, "embeddings.token_type_embeddings", NULL, MEMBER(type_vocab_size), HIDDEN,
     0},
    {BR_MODULE_LAYER_NORM, "embeddings.LayerNorm", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.self.query", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.self.key", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.self.value", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.output.dense", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_RESIDUAL_NORM, "encoder.layer.%zu.attention.output.LayerNorm", NULL, HIDDEN, HIDDEN,
     0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.intermediate.dense", NULL, INTERMEDIATE, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.output.dense", NULL, HIDDEN, INTERMEDIATE, 0},
    {BR_MODULE_RESIDUAL_NORM, "encoder.layer.%zu.output.LayerNorm", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "pooler.dense", NULL, HIDDEN, HIDDEN, MEMBER(has_pooler)},
};

static const br_module_spec classifier[] = {
    {BR_MODULE_LINEAR, "classifier", NULL, MEMBER(num_labels), HIDDEN, 0},
};

static const br_encoder_spec encoder = {
    .prefix = "bert.",
    .config_fields = fields,
    .num_config_fields = sizeof fields / sizeof *fields,
    .modules = encoder_modules,
    .num_modules = sizeof encoder_modules / sizeof *encoder_modules,
};

const br_architecture br_arch_bert_model = {
    .name = "BertModel",
    .encoder = &encoder,
    .pooler = BR_POOLER_OPTIONAL,
};

const br_architecture br_arch_bert_sequence_classification = {
    .name = "BertForSequenceClassification",
    .encoder = &encoder,
    .pooler = BR_POOLER_ALWAYS,
    .head = BR_HEAD_POOLER_CLASSIFIER,
    .head_modules = classifier,
    .num_head_modules = sizeof classifier / sizeof *classifier,
};
