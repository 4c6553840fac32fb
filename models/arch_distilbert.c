/* DistilBERT (Sanh et al. 2019) as transformers' modeling_distilbert.py names and shapes it: BERT
 * without token types and pooler. Its LayerNorm epsilon is fixed at 1e-12, the default. */
#include "models/architecture.h"

#define MEMBER(member) offsetof(br_model_config, member)
#define HIDDEN         MEMBER(hidden_size)
#define INTERMEDIATE   MEMBER(intermediate_size)

static const br_field fields[] = {
    {"vocab_size", BR_FIELD_SIZE, true, MEMBER(vocab_size), NULL},
    {"dim", BR_FIELD_SIZE, true, HIDDEN, NULL},
    {"hidden_dim", BR_FIELD_SIZE, true, INTERMEDIATE, NULL},
    {"n_layers", BR_FIELD_SIZE, true, MEMBER(num_hidden_layers), NULL},
    {"n_heads", BR_FIELD_SIZE, true, MEMBER(num_attention_heads), NULL},
    {"max_position_embeddings", BR_FIELD_SIZE, true, MEMBER(max_position_embeddings), NULL},
    {"activation", BR_FIELD_NAME, true, MEMBER(hidden_act), br_hidden_activations},
};

static const br_module_spec encoder_modules[] = {
    {BR_MODULE_WORD_EMBEDDING, "embeddings.word_embeddings", NULL, MEMBER(vocab_size), HIDDEN, 0},
    {BR_MODULE_EMBEDDING, "embeddings.position_embeddings", NULL, MEMBER(max_position_embeddings),
     HIDDEN, 0},
    {BR_MODULE_LAYER_NORM, "embeddings.LayerNorm", NULL, HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.self.query",
     "transformer.layer.%zu.attention.q_lin", HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.self.key",
     "transformer.layer.%zu.attention.k_lin", HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.self.value",
     "transformer.layer.%zu.attention.v_lin", HIDDEN, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.attention.output.dense",
     "transformer.layer.%zu.attention.out_lin", HIDDEN, HIDDEN, 0},
    {BR_MODULE_RESIDUAL_NORM, "encoder.layer.%zu.attention.output.LayerNorm",
     "transformer.layer.%zu.sa_layer_norm", HIDDEN, HIDDEN, 0},
    {BR_MODULE_SCALED_LINEAR, "encoder.layer.%zu.intermediate.dense",
     "transformer.layer.%zu.ffn.lin1", INTERMEDIATE, HIDDEN, 0},
    {BR_MODULE_LINEAR, "encoder.layer.%zu.output.dense", "transformer.layer.%zu.ffn.lin2", HIDDEN,
     INTERMEDIATE, 0},
    {BR_MODULE_RESIDUAL_NORM, "encoder.layer.%zu.output.LayerNorm",
     "transformer.layer.%zu.output_layer_norm", HIDDEN, HIDDEN, 0},
};

static const br_encoder_spec encoder = {
    .prefix = "distilbert.",
    .config_fields = fields,
    .num_config_fields = sizeof fields / sizeof *fields,
    .modules = encoder_modules,
    .num_modules = sizeof encoder_modules / sizeof *encoder_modules,
};

static const br_module_spec two_layer_classifier[] = {
    {BR_MODULE_LINEAR, "pre_classifier", NULL, HIDDEN, HIDDEN, 0},
    {.kind = BR_MODULE_RELU},
    {BR_MODULE_LINEAR, "classifier", NULL, MEMBER(num_labels), HIDDEN, 0},
};

static const br_head_spec sequence_classification = {
    .task = BERTRUN_TASK_CLASSIFY,
    .modules = two_layer_classifier,
    .num_modules = sizeof two_layer_classifier / sizeof *two_layer_classifier,
    .has_labels = true,
};

static const br_module_spec predictions[] = {
    {BR_MODULE_LINEAR, "cls.predictions.transform.dense", "vocab_transform", HIDDEN, HIDDEN, 0},
    {.kind = BR_MODULE_HIDDEN_ACT},
    {BR_MODULE_LAYER_NORM, "cls.predictions.transform.LayerNorm", "vocab_layer_norm", HIDDEN,
     HIDDEN, 0},
    {BR_MODULE_DECODER, "cls.predictions.decoder", "vocab_projector", MEMBER(vocab_size), HIDDEN,
     0},
    {BR_MODULE_DECODER_BIAS, "cls.predictions.decoder", "vocab_projector", MEMBER(vocab_size),
     HIDDEN, 0},
};

static const br_head_spec masked_lm = {
    .task = BERTRUN_TASK_FILL_MASK,
    .modules = predictions,
    .num_modules = sizeof predictions / sizeof *predictions,
};

static const br_architecture members[] = {
    {"DistilBertModel", &encoder, BR_POOLER_NEVER, {NULL}},
    {"DistilBertForSequenceClassification", &encoder, BR_POOLER_NEVER, {&sequence_classification}},
    {"DistilBertForTokenClassification", &encoder, BR_POOLER_NEVER, {&br_token_classification}},
    {"DistilBertForQuestionAnswering", &encoder, BR_POOLER_NEVER, {&br_question_answering}},
    {"DistilBertForMaskedLM", &encoder, BR_POOLER_NEVER, {&masked_lm}},
};

const br_family br_distilbert_family = {members, sizeof members / sizeof *members};
