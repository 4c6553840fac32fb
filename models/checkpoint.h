/*
 * What a model on disk is: a configuration and named tensors, whichever files they came from.
 *
 * A br_checkpoint comes from a Hugging Face directory or from a `.bin`. Either way its tensors bear
 * the canonical names of docs/FORMAT.md (those of transformers' BertModel), and opening has checked
 * that every tensor the architecture needs is there with the right shape and a usable dtype, and
 * that one-dimensional ones are finite, so that those who read it can trust it.
 */
#ifndef BR_CHECKPOINT_H
#define BR_CHECKPOINT_H

#include "common/types.h"
#include "models/architecture.h"
#include "models/model_config.h"
#include "models/tensor.h"

typedef struct br_checkpoint br_checkpoint;

/** Opens a `.bin` or a directory. Errors name the file, the tensor, the field. */
bertrun_status br_checkpoint_open(br_checkpoint **out, const char *path, bool map,
                                  bertrun_error *error);

/**
 * Opens a `.bin` for its tokenizer: there are the "tokenizer.*" tensors and no others. What belongs
 * to the model is neither checked nor there, the configuration included.
 */
bertrun_status br_checkpoint_open_tokenizer(br_checkpoint **out, const char *path, bool map,
                                            bertrun_error *error);

/**
 * A checkpoint of tensors in memory, without files or a configuration. Names are copied, data are
 * borrowed; what opening from files checks is not checked. Errors: NOMEM.
 */
bertrun_status br_checkpoint_open_tensors(br_checkpoint **out, const br_tensor *tensors,
                                          size_t count, bertrun_error *error);
void br_checkpoint_close(br_checkpoint **checkpoint);

const br_model_config *br_checkpoint_config(const br_checkpoint *checkpoint);

/** Its architecture; static. */
const br_architecture *br_checkpoint_architecture(const br_checkpoint *checkpoint);

/** A linear layer whose input's quantization is fixed. */
typedef struct br_fixed_input {
    char *name; /* canonical, e.g. "encoder.layer.0.output.dense" */
    br_affine affine;
} br_fixed_input;

/** All layers with fixed inputs: stores the array, returns its length. */
size_t br_checkpoint_fixed_inputs(const br_checkpoint *checkpoint, const br_fixed_input **inputs);

/** How the input of the layer `linear` is quantized, or NULL where that is not fixed. */
const br_affine *br_checkpoint_fixed_input(const br_checkpoint *checkpoint, const char *linear);

/** Fixes the input of the layer `linear`, which must be one of the checkpoint's. Errors: NOMEM. */
bertrun_status br_checkpoint_fix_input(br_checkpoint *checkpoint, const char *linear,
                                       const br_affine *affine, bertrun_error *error);

/** A linear layer whose weights' quantization is fixed: q = clamp(round_half_even(w * (1 /
 * scale))). */
typedef struct br_fixed_weight {
    char *name;
    float *scales; /* [num_scales]: one, or one for each output channel */
    size_t num_scales;
    int32_t least, most; /* of q, within -128..127 */
} br_fixed_weight;

/** How the layer's float weights become s8, or NULL where that is not fixed. */
const br_fixed_weight *br_checkpoint_fixed_weight(const br_checkpoint *checkpoint,
                                                  const char *linear);

/** A tensor by canonical name (printf-style), or NULL. */
const br_tensor *br_checkpoint_find(const br_checkpoint *checkpoint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** All tensors, canonical names, in a fixed order: stores the array, returns its length. */
size_t br_checkpoint_tensors(const br_checkpoint *checkpoint, const br_tensor **tensors);

/**
 * Puts a tensor in the place of the one of its name, or adds it where the format knows such a tensor
 * (scales, residual_scale). `tensor->data` must come from br_alloc() and belongs to the checkpoint
 * from here on, also after a failure. Errors: NOMEM.
 */
bertrun_status br_checkpoint_put(br_checkpoint *checkpoint, const br_tensor *tensor,
                                 bertrun_error *error);

/** Bytes of the weight files on disk. */
uint64_t br_checkpoint_file_bytes(const br_checkpoint *checkpoint);

/** Whether a tensor is, or is part of, another one: a pytorch_model.bin's may be. */
bool br_checkpoint_shares_memory(const br_checkpoint *checkpoint);

/** True where it came from a `.bin`; then the "tokenizer.*" U8 tensors are there. */
bool br_checkpoint_is_bin(const br_checkpoint *checkpoint);

/**
 * Writes a `.bin` (docs/FORMAT.md): `config` and `tensors` with canonical names, each aligned to 64
 * bytes. Atomic: the file appears whole or not at all.
 */
bertrun_status br_checkpoint_write(const char *path, const br_model_config *config,
                                   const br_tensor *tensors, size_t num_tensors,
                                   bertrun_error *error);

#endif
