/* A model in memory: configuration, tokenizer, embeddings, packed projections. Immutable. */
#ifndef BR_MODEL_H
#define BR_MODEL_H

#include "engine/linear.h"
#include "kernels/attention_s16.h"
#include "kernels/gemm.h"
#include "tokenizer/tokenizer.h"

/** LayerNorm parameters, and the factors of its residual if any, as f32 [hidden_size] each. */
typedef struct br_layer_norm {
    float *memory; /* owned */
    br_norm norm;
} br_layer_norm;

/** One encoder layer; the order of the fields is the order of the work. */
typedef struct br_layer {
    br_linear qkv[3];           /* [hidden] -> [3 * hidden], queries scaled by 1/sqrt(head_dim): */
    size_t num_qkv;             /* 1, or 3 of [hidden], where their inputs are quantized unlike */
    br_linear attention_output; /* [hidden] -> [hidden] */
    br_layer_norm attention_norm;
    br_linear intermediate; /* [hidden] -> [intermediate] */
    br_linear output;       /* [intermediate] -> [hidden] */
    br_layer_norm output_norm;
} br_layer;

/** A dense layer of a head and what follows it. */
typedef struct br_dense {
    br_linear linear;
    br_activation_kind activation;
    br_layer_norm layer_norm; /* after the activation; memory NULL: none */
} br_dense;

enum { BR_MAX_HEAD_LAYERS = 2 };

/** From rows of the last hidden state to logits. */
typedef struct br_head {
    const br_head_spec *spec;
    size_t num_layers;
    br_dense layers[BR_MAX_HEAD_LAYERS];
} br_head;

/** The sum of these and LayerNorm make the first hidden state. */
typedef struct br_embeddings {
    const br_tensor *word;       /* [vocab, hidden], read from the checkpoint in place */
    const br_tensor *word_scale; /* [vocab] for s8, else NULL */
    float *position;             /* [positions, hidden]; owned */
    float *token_type;           /* [types, hidden] or NULL; owned */
    br_layer_norm layer_norm;
} br_embeddings;

struct bertrun_model {
    bertrun_model_settings settings;
    bertrun_model_info info;
    br_checkpoint *checkpoint; /* owns the files' memory */
    bool checkpoint_borrowed;  /* br_model_open_on() */
    const br_model_config *config;
    br_tokenizer *tokenizer;
    br_arena weights; /* packed projections */
    br_onednn *onednn;
    const br_ops *ops;
    const br_attention_s16 *attention; /* NULL: it is f32, by `ops` */
    const br_gemm *gemm;
    size_t gemm_max_rows; /* int8: blocks of up to so many rows go to `gemm`, others to oneDNN */
    bool bf16_products;   /* bf16: oneDNN multiplies bf16 by bf16; else `ops` f32 by bf16 */

    br_embeddings embeddings;
    br_layer *layers; /* [num_hidden_layers] */
    br_dense pooler;  /* info.has_pooler: dense, tanh */
    size_t num_heads;
    br_head heads[BR_MAX_HEADS]; /* the first is what the model is for */
    size_t num_dense;            /* sentence-transformers' Dense modules */
    br_dense dense[BR_MAX_DENSE];
};

/** The model's head for a task; NULL, with UNSUPPORTED in *error, where it has none. */
const br_head *br_model_head(const bertrun_model *model, bertrun_task task, bertrun_error *error);

/**
 * bertrun_model_open() on a checkpoint that is open already, came from `path` and outlives the
 * model; NULL: opens `path`.
 */
bertrun_status br_model_open_on(bertrun_model **out, br_checkpoint *checkpoint, const char *path,
                                const bertrun_model_settings *settings, bertrun_error *error);

/** Packs a projection of the model again, from what its tensors have become. */
bertrun_status br_model_repack(bertrun_model *model, br_linear *linear, bertrun_error *error);

/**
 * The part of opening that does not depend on the network: files, precision, kernels. `model` is
 * zeroed, with its settings; release it with br_model_release(), also after a failure. UNSUPPORTED
 * where `path` holds a model for another network.
 */
bertrun_status br_model_start(bertrun_model *model, const char *path, br_network_kind network,
                              bertrun_error *error);
void br_model_release(bertrun_model *model);

/**
 * What packs the model's weights; `scratch` is zeroed, and freed by the caller. `resident`: the
 * tensor that is read later, too, or NULL where all are.
 */
br_packer br_model_packer(bertrun_model *model, const br_tensor *resident, br_buffer *scratch);

/** Packs one projection, `NAME.weight` and `NAME.bias`. */
bertrun_status br_model_pack(br_linear *out, const br_packer *packer, const char *name,
                             bertrun_error *error);

/** How the file holds the matrices, as bertrun_model_info.stored_dtype says it. */
const char *br_model_stored_dtype(const bertrun_model *model);

/** Parameters of a checkpoint, scales of int8 rows not counted. */
size_t br_count_parameters(const br_checkpoint *checkpoint);

#endif
