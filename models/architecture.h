/*
 * Architectures as data: which fields config.json has, which tensors a checkpoint must hold, and
 * which heads they make.
 *
 * To add one: add it to its family's file models/arch_*.c; a new family is such a file and a line
 * in the table of architecture.c. Names and shapes in the tables are in terms of br_model_config.
 */
#ifndef BR_ARCHITECTURE_H
#define BR_ARCHITECTURE_H

#include <stddef.h>

#include "models/json_fields.h"
#include "models/model_config.h"

typedef enum br_module_kind {
    BR_MODULE_WORD_EMBEDDING, /* weight [rows, columns], int8 by row */
    BR_MODULE_EMBEDDING,      /* weight [rows, columns], never int8 */
    BR_MODULE_LINEAR,         /* weight [rows, columns], int8 by row; bias [rows] */
    BR_MODULE_SCALED_LINEAR,  /* the same; a `.bin` may have output_scale [rows] */
    BR_MODULE_LAYER_NORM,     /* weight [rows], bias [rows] */
    BR_MODULE_RESIDUAL_NORM,  /* the same; a `.bin` may have residual_scale [rows] */
    BR_MODULE_DECODER,        /* weight [rows, columns], int8 by row; absent where it is that of the
                                 word embeddings */
    BR_MODULE_DECODER_BIAS,   /* bias [rows]; a decoder's own goes before the source's */
    BR_MODULE_RELU,           /* no tensors, as the next */
    BR_MODULE_HIDDEN_ACT,     /* the configuration's hidden_act */
} br_module_kind;

/** A module of the network, in the manner of PyTorch. One with rows == 0 in a config is absent. */
typedef struct br_module_spec {
    br_module_kind kind;
    const char *name;     /* canonical; "%zu" stands for the layer's number */
    const char *source;   /* in Hugging Face files, less the prefix; NULL: the canonical name */
    size_t rows, columns; /* offsets of size_t members of br_model_config */
    size_t only_if;       /* offset of a bool member of br_model_config; 0: always */
} br_module_spec;

typedef struct br_tensor_need br_tensor_need;

/** An encoder, or another network, that several architectures share. */
typedef struct br_encoder_spec {
    br_network_kind network;
    const char *prefix;            /* that tensors of models with a head bear, e.g. "bert." */
    const br_field *config_fields; /* of config.json, into br_model_config */
    size_t num_config_fields;
    const br_module_spec *modules;
    size_t num_modules;
    /* Lists what br_architecture_needs() gives, where no table can; with `out` NULL it counts. */
    size_t (*list)(const br_model_config *config, br_tensor_need *out);
} br_encoder_spec;

typedef enum br_pooler_presence {
    BR_POOLER_NEVER,
    BR_POOLER_OPTIONAL,
    BR_POOLER_ALWAYS,
} br_pooler_presence;

/** What turns rows of the last hidden state into logits. */
typedef struct br_head_spec {
    bertrun_task task;
    bool pooled;                   /* it reads the pooler's row, not the encoder's */
    const br_module_spec *modules; /* each reads what the one before gives */
    size_t num_modules;
    bool has_labels;           /* the configuration names its outputs */
    const char *labels[2 + 1]; /* names that are always the same; ends with NULL */
} br_head_spec;

enum { BR_MAX_HEADS = 2 };

typedef struct br_architecture {
    const char *name; /* as in config.json's "architectures" */
    const br_encoder_spec *encoder;
    br_pooler_presence pooler;
    const br_head_spec *heads[BR_MAX_HEADS]; /* NULL: none; the first is what the model is for */
} br_architecture;

/** Architectures that share an encoder. */
typedef struct br_family {
    const br_architecture *members;
    size_t count;
} br_family;

extern const br_family br_bert_family;
extern const br_family br_distilbert_family;
extern const br_family br_lstm_family;

/** Heads that families share, common_heads.c. */
extern const br_head_spec br_token_classification;
extern const br_head_spec br_question_answering;
extern const br_module_spec br_classifier_module; /* a row of num_labels of a row of hidden_size */

/** The head whose outputs have labels, or NULL. */
const br_head_spec *br_architecture_labelled_head(const br_architecture *architecture);

/** Finds an architecture by name; else fails with UNSUPPORTED and the list of those there are. */
bertrun_status br_architecture_find(const br_architecture **out, const char *name, const char *file,
                                    bertrun_error *error);

/**
 * Refuses a configuration whose pooler or labels do not go with the architecture; `file` stands in
 * errors.
 */
bertrun_status br_architecture_check(const br_architecture *architecture,
                                     const br_model_config *config, const char *file,
                                     bertrun_error *error);

/** The names in hidden_act and activation that br_field tables use. */
extern const br_field_name br_hidden_activations[];

enum { BR_TENSOR_NAME_SIZE = 96 };

/** A tensor that a checkpoint must hold. */
struct br_tensor_need {
    char name[BR_TENSOR_NAME_SIZE];   /* canonical */
    char source[BR_TENSOR_NAME_SIZE]; /* in Hugging Face files, less the prefix */
    char other[BR_TENSOR_NAME_SIZE];  /* another such name, tried where `source` is not; "": none */
    const char *prefix;               /* that source may bear there; static */
    bool dense;                       /* of config->dense[dense_index], which has its own file */
    size_t dense_index;
    size_t rank, shape[2];
    bool quantizable; /* may be I8 with a scale a row */
    bool optional;    /* of a `.bin` only, and may be missing there */
    bool linear;      /* the weight of a linear layer */
};

/** Lists, in a fixed order, the tensors of a checked configuration. br_free() the list. */
bertrun_status br_architecture_needs(const br_architecture *architecture,
                                     const br_model_config *config, br_tensor_need **out,
                                     size_t *count, bertrun_error *error);

#endif
