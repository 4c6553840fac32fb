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
    {BR_MODULE_SCALED_LINEAR, "encoder.layer.%zu.intermediate.dense", NULL, INTERMEDIATE, HIDDEN,
     0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.output.dense", NULL, HIDDEN, INTERMEDIATE, 0},
    {BR_MODULE_RESIDUAL_NORM, "encoder.layer.%zu.output.LayerNorm", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "pooler.dense", NULL, HIDDEN, HIDDEN, MEMBER(has_pooler)},
};

static const br_encoder_spec encoder = {
    .prefix = "bert.",
    .config_fields = fields,
    .num_config_fields = sizeof fields / sizeof *fields,
    .modules = encoder_modules,
    .num_modules = sizeof encoder_modules / sizeof *encoder_modules,
};

static const br_head_spec sequence_classification = {
    .task = BERTRUN_TASK_CLASSIFY,
    .pooled = true,
    .modules = &br_classifier_module,
    .num_modules = 1,
    .has_labels = true,
};

static const br_module_spec seq_relationship[] = {
    {BR_MODULE_LINEAR, "cls.seq_relationship", NULL, MEMBER(num_labels), HIDDEN, 0},
};

static const br_head_spec next_sentence = {
    .task = BERTRUN_TASK_CLASSIFY,
    .pooled = true,
    .modules = seq_relationship,
    .num_modules = 1,
    .has_labels = true,
    .labels = {"NEXT", "RANDOM"},
};

static const br_module_spec predictions[] = {
    {BR_MODULE_LINEAR, "cls.predictions.transform.dense", NULL, HIDDEN, HIDDEN, 0},
    {.kind = BR_MODULE_HIDDEN_ACT},
    {BR_MODULE_LAYER_NORM, "cls.predictions.transform.LayerNorm", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_DECODER, "cls.predictions.decoder", NULL, MEMBER(vocab_size), HIDDEN, 0},
    {BR_MODULE_DECODER_BIAS, "cls.predictions.decoder", "cls.predictions", MEMBER(vocab_size),
     HIDDEN, 0},
};

static const br_head_spec masked_lm = {
    .task = BERTRUN_TASK_FILL_MASK,
    .modules = predictions,
    .num_modules = sizeof predictions / sizeof *predictions,
};

static const br_architecture members[] = {
    {"BertModel", &encoder, BR_POOLER_OPTIONAL, {NULL}},
    {"BertForSequenceClassification", &encoder, BR_POOLER_ALWAYS, {&sequence_classification}},
    {"BertForTokenClassification", &encoder, BR_POOLER_NEVER, {&br_token_classification}},
    {"BertForQuestionAnswering", &encoder, BR_POOLER_NEVER, {&br_question_answering}},
    {"BertForMaskedLM", &encoder, BR_POOLER_NEVER, {&masked_lm}},
    {"BertForNextSentencePrediction", &encoder, BR_POOLER_ALWAYS, {&next_sentence}},
    {"BertForPreTraining", &encoder, BR_POOLER_ALWAYS, {&masked_lm, &next_sentence}},
};

const br_family br_bert_family = {members, sizeof members / sizeof *members};
