/* The inside of a br_checkpoint, for the two that fill it: hf_directory.c and bin_file.c. */
#ifndef BR_CHECKPOINT_PRIVATE_H
#define BR_CHECKPOINT_PRIVATE_H

#include "models/architecture.h"
#include "models/checkpoint.h"
#include "models/safetensors.h"

struct br_checkpoint {
    br_model_config config;
    const br_architecture *architecture; /* static */
    bool is_bin;
    br_safetensors *files; /* [num_files] */
    size_t num_files;
    br_tensor *tensors; /* [num_tensors], canonical names, which are owned */
    size_t num_tensors;
    void **owned; /* [num_tensors] data that br_checkpoint_put() received, or NULL */
    br_fixed_input *fixed_inputs; /* [num_fixed_inputs], room for every linear layer */
    size_t num_fixed_inputs;
    br_fixed_weight *fixed_weights; /* [num_fixed_weights], as much room */
    size_t num_fixed_weights;
};

/** A tensor found in a file. */
typedef struct br_found {
    const br_tensor *tensor; /* NULL: none */
    const char *path;        /* of the file it is in or should be in; NULL: not in a certain one */
} br_found;

/** Where a loader looks for a tensor of the list. */
typedef br_found (*br_find_fn)(const br_checkpoint *checkpoint, const br_tensor_need *need);

/**
 * Finds and checks every tensor of `architecture`, and takes it into the checkpoint. The config
 * must have been checked.
 */
bertrun_status br_checkpoint_bind(br_checkpoint *checkpoint, const br_architecture *architecture,
                                  br_find_fn find, const char *path, bertrun_error *error);

/** Takes one tensor in under another name. There must be room. */
bertrun_status br_checkpoint_take(br_checkpoint *checkpoint, const br_tensor *tensor,
                                  const char *name, bertrun_error *error);

/** How many tensors of a `.bin` are the tokenizer's. */
enum { BR_NUM_TOKENIZER_TENSORS = 3 };

/** Makes room for `count` tensors. */
bertrun_status br_checkpoint_alloc_tensors(br_checkpoint *checkpoint, size_t count,
                                           bertrun_error *error);

/** Makes room for `count` weight files. */
bertrun_status br_checkpoint_alloc_files(br_checkpoint *checkpoint, size_t count,
                                         bertrun_error *error);

/** Fills an empty checkpoint from a Hugging Face directory. */
bertrun_status br_hf_directory_load(br_checkpoint *checkpoint, const char *path, bool map,
                                    bertrun_error *error);

/** Fills an empty checkpoint from a `.bin`. */
bertrun_status br_bin_file_load(br_checkpoint *checkpoint, const char *path, bool map,
                                bertrun_error *error);

/** The same with the tokenizer's tensors alone. */
bertrun_status br_bin_file_load_tokenizer(br_checkpoint *checkpoint, const char *path, bool map,
                                          bertrun_error *error);

#endif
