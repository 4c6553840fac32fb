/* A model's configuration: what config.json and the sentence-transformers files say. */
#ifndef BR_MODEL_CONFIG_H
#define BR_MODEL_CONFIG_H

#include <jansson.h>

#include "common/error.h"
#include "common/types.h"

/** Which forward pass the weights are for. */
typedef enum br_network_kind {
    BR_NETWORK_ENCODER = 0, /* BERT's family */
    BR_NETWORK_LSTM,        /* a word language model */
} br_network_kind;

enum { BR_MAX_DENSE = 4 };

/** A sentence-transformers Dense module after pooling. */
typedef struct br_dense_config {
    size_t in_features, out_features;
    bool bias;
    br_activation_kind activation;
} br_dense_config;

typedef struct br_model_config {
    char *architecture; /* as in config.json */
    br_network_kind network;
    bool has_pooler;
    size_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
    size_t embedding_size; /* LSTM: columns of the word embeddings */
    bool tie_weights;      /* LSTM: the decoder's weight is the word embeddings */
    size_t max_position_embeddings;
    size_t type_vocab_size; /* 0: no token type embeddings */
    float layer_norm_eps;
    br_activation_kind hidden_act;
    size_t num_labels;       /* 0 without a classifier */
    char **labels;           /* [num_labels] */
    bertrun_scores scores;   /* from problem_type, a cross-encoder's activation_fn */
    bool own_decoder;        /* of a masked language model: not that of the word embeddings */
    size_t max_length;       /* 0: not said by these files; else <= max_position_embeddings */
    bertrun_pooling pooling; /* AUTO: not said by these files */
    bool normalize;
    size_t num_dense;
    br_dense_config dense[BR_MAX_DENSE];
    size_t num_prompts;
    bertrun_prompt *prompts;   /* [num_prompts], owned */
    char *default_prompt_name; /* NULL: none */
    bool include_prompt;       /* whether a prompt's own tokens are pooled; true by default */
} br_model_config;

/** Frees what the configuration points to and zeroes it. */
void br_model_config_free(br_model_config *config);

/** Refuses sizes that are zero, absurd or do not fit each other; `file` stands in errors. */
bertrun_status br_model_config_check(const br_model_config *config, const char *file,
                                     bertrun_error *error);

/** Makes room for `count` labels, all NULL. */
bertrun_status br_model_config_alloc_labels(br_model_config *config, size_t count,
                                            bertrun_error *error);

/** Reads "prompts" and "default_prompt_name" of a JSON object, as sentence-transformers has them.
 */
bertrun_status br_model_config_read_prompts(br_model_config *config, const json_t *object,
                                            const char *file, bertrun_error *error);

/** The configuration as a `.bin` stores it (docs/FORMAT.md), JSON text; br_free() it. */
bertrun_status br_model_config_to_json(const br_model_config *config, char **out,
                                       bertrun_error *error);

/** Reads that text, which names its architecture. On failure *out is empty. */
bertrun_status br_model_config_from_json(br_model_config *out, const char *text, const char *file,
                                         bertrun_error *error);

#endif
