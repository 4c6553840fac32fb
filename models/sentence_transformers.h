/*
 * The files that sentence-transformers puts beside a transformer: modules.json and the folders it
 * names, sentence_bert_config.json or one of its other names, config_sentence_transformers.json.
 */
#ifndef BR_SENTENCE_TRANSFORMERS_H
#define BR_SENTENCE_TRANSFORMERS_H

#include "models/model_config.h"

/** The folders of the Dense modules, in order, relative to the directory. */
typedef struct br_dense_folders {
    char *paths[BR_MAX_DENSE];
} br_dense_folders;

void br_dense_folders_free(br_dense_folders *folders);

/**
 * The directory that config.json, the weights and the tokenizer are in: the folder of
 * modules.json's Transformer, or `directory` itself. br_free() it.
 */
bertrun_status br_transformer_directory(char **out, const char *directory, bertrun_error *error);

/**
 * Reads what there is in `directory`, whose transformer is in `transformer`, into config:
 * max_length, pooling, include_prompt, dense, normalize, prompts. config->hidden_size and
 * max_position_embeddings must be set. `folders` receives config->num_dense paths; free it whatever
 * the status.
 */
bertrun_status br_sentence_transformers_read(br_model_config *config, br_dense_folders *folders,
                                             const char *directory, const char *transformer,
                                             bertrun_error *error);

/**
 * Whether sentence-transformers makes texts lower-case before they are cut, whatever the tokenizer
 * says: "do_lower_case" of sentence_bert_config.json, in a directory with a modules.json.
 */
bertrun_status br_sentence_transformers_lowers(bool *out, const char *directory,
                                               const char *transformer, bertrun_error *error);

#endif
