/*
 * A Hugging Face directory: config.json; model.safetensors or pytorch_model.bin, or shards of
 * either with an index; and what sentence-transformers adds.
 */
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "models/checkpoint_private.h"
#include "models/hf_labels.h"
#include "models/path.h"
#include "models/sentence_transformers.h"
#include "models/torch_file.h"

/* ------------------------------------------------------------------------------- config.json */

/* PyTorch's word language models have no "architectures", but a number of tokens of that name. */
static bertrun_status find_architecture(const br_architecture **out, br_model_config *config,
                                        const json_t *root, const char *file, bertrun_error *error)
{
    const json_t *names = json_object_get(root, "architectures");
    const char *name = json_string_value(json_array_get(names, 0));
    if (!names && json_object_get(root, "ntoken"))
        name = br_lstm_family.members[0].name;
    if (!name)
        return br_field_fail(file, "architectures", "is missing", error);
    BR_TRY(br_architecture_find(out, name, file, error));
    config->architecture = br_strndup(name, strlen(name));
    if (!config->architecture)
        return br_fail_nomem(error);
    config->network = (*out)->encoder->network;
    return BERTRUN_OK;
}

/* A masked language model's decoder is that of the word embeddings, unless told otherwise. */
static bertrun_status read_tying(br_model_config *config, const json_t *root, const char *file,
                                 bertrun_error *error)
{
    bool tied = true;
    const br_field field = {"tie_word_embeddings", BR_FIELD_BOOL, false, 0, NULL};
    BR_TRY(br_fields_read(root, &field, 1, &tied, file, error));
    config->own_decoder = !tied;
    return BERTRUN_OK;
}

static bertrun_status read_config(const br_architecture **out, br_model_config *config,
                                  const char *file, const json_t *root, bertrun_error *error)
{
    BR_TRY(find_architecture(out, config, root, file, error));
    const br_encoder_spec *encoder = (*out)->encoder;
    config->layer_norm_eps = 1e-12F; /* transformers' default */
    config->include_prompt = true;
    BR_TRY(br_fields_read(root, encoder->config_fields, encoder->num_config_fields, config, file,
                          error));
    BR_TRY(br_hf_labels_read(config, *out, root, file, error));
    BR_TRY(read_tying(config, root, file, error));
    return br_model_config_check(config, file, error);
}

static bertrun_status read_config_file(const br_architecture **out, br_model_config *config,
                                       const char *directory, bertrun_error *error)
{
    char *file = br_path_join(directory, "", "config.json");
    if (!file)
        return br_fail_nomem(error);
    json_t *root;
    bertrun_status status = br_json_read(&root, file, error);
    if (status == BERTRUN_OK) {
        status = read_config(out, config, file, root, error);
        json_decref(root);
    }
    br_free(file);
    return status;
}

/* ------------------------------------------------------------------------------ weight files */

static bertrun_status open_file(br_checkpoint *checkpoint, const char *directory,
                                const char *folder, const char *name, bool map,
                                bertrun_error *error)
{
    char *path = br_path_join(directory, folder, name);
    if (!path)
        return br_fail_nomem(error);
    br_safetensors *file = &checkpoint->files[checkpoint->num_files];
    const char *ending = strrchr(name, '.');
    bertrun_status status = ending && strcmp(ending, ".bin") == 0
                                ? br_torch_open(file, path, map, error)
                                : br_safetensors_open(file, path, map, error);
    if (status == BERTRUN_OK)
        checkpoint->num_files++;
    br_free(path);
    return status;
}

/* The distinct file names of an index's "weight_map", as the keys of an object. */
static bertrun_status list_shards(json_t **out, const char *file, bertrun_error *error)
{
    json_t *index;
    BR_TRY(br_json_read(&index, file, error));
    json_t *shards = json_object(), *name;
    const char *tensor;
    bertrun_status status = shards ? BERTRUN_OK : br_fail_nomem(error);
    json_object_foreach(json_object_get(index, "weight_map"), tensor, name)
    {
        const char *text = json_string_value(name);
        if (status == BERTRUN_OK && (!text || strchr(text, '/')))
            status = br_field_fail(file, "weight_map", "holds a name that is no file here", error);
        if (status == BERTRUN_OK && json_object_set_new(shards, text, json_true()) != 0)
            status = br_fail_nomem(error);
    }
    json_decref(index);
    if (status == BERTRUN_OK && json_object_size(shards) == 0)
        status = br_field_fail(file, "weight_map", "is missing or empty", error);
    if (status == BERTRUN_OK)
        *out = shards;
    else
        json_decref(shards);
    return status;
}

static bertrun_status open_shards(br_checkpoint *checkpoint, const char *directory,
                                  const char *index, bool map, bertrun_error *error)
{
    json_t *shards, *unused;
    const char *name;
    BR_TRY(list_shards(&shards, index, error));
    bertrun_status status =
        br_checkpoint_alloc_files(checkpoint, json_object_size(shards) + BR_MAX_DENSE, error);
    json_object_foreach(shards, name, unused)
    {
        if (status == BERTRUN_OK)
            status = open_file(checkpoint, directory, "", name, map, error);
    }
    json_decref(shards);
    return status;
}

/* Opens a weight file of the directory, or the shards that an index names. */
static bertrun_status open_named(br_checkpoint *checkpoint, const char *directory, const char *name,
                                 const char *path, bool map, bertrun_error *error)
{
    if (strstr(name, ".index.json"))
        return open_shards(checkpoint, directory, path, map, error);
    BR_TRY(br_checkpoint_alloc_files(checkpoint, 1 + BR_MAX_DENSE, error));
    return open_file(checkpoint, directory, "", name, map, error);
}

/* The first that is there, safetensors before pickles. */
static bertrun_status open_weights(br_checkpoint *checkpoint, const char *directory, bool map,
                                   bertrun_error *error)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = br_path_join(directory, "", names[i]);
        if (!path)
            return br_fail_nomem(error);
        bool there = br_path_is_file(path);
        bertrun_status status =
            there ? open_named(checkpoint, directory, names[i], path, map, error) : BERTRUN_OK;
        br_free(path);
        if (there)
            return status;
    }
    return br_fail(error, BERTRUN_ERR_IO,
                   "%s: there is neither model.safetensors nor pytorch_model.bin, nor an index of "
                   "shards",
                   directory);
}

static bertrun_status open_dense_file(br_checkpoint *checkpoint, const char *directory,
                                      const char *folder, bool map, bertrun_error *error)
{
    char *path = br_path_join(directory, folder, "pytorch_model.bin");
    char *preferred = br_path_join(directory, folder, "model.safetensors");
    bertrun_status status = BERTRUN_OK;
    if (!path || !preferred)
        status = br_fail_nomem(error);
    bool pickled = status == BERTRUN_OK && !br_path_is_file(preferred) && br_path_is_file(path);
    br_free(path);
    br_free(preferred);
    BR_TRY(status);
    return open_file(checkpoint, directory, folder,
                     pickled ? "pytorch_model.bin" : "model.safetensors", map, error);
}

static bertrun_status open_dense(br_checkpoint *checkpoint, const char *directory,
                                 const br_dense_folders *folders, bool map, bertrun_error *error)
{
    for (size_t i = 0; i < checkpoint->config.num_dense; i++)
        BR_TRY(open_dense_file(checkpoint, directory, folders->paths[i], map, error));
    return BERTRUN_OK;
}

/* ----------------------------------------------------------------------------------- tensors */

/* A file of a model with a head names the encoder's tensors with a prefix, one saved from the
 * encoder alone does not; files made from TensorFlow checkpoints call LayerNorm's weight and bias
 * gamma and beta. */
static const br_tensor *find_spelled(const br_safetensors *file, const char *prefix,
                                     const char *name)
{
    static const char *const spellings[][2] = {{".weight", ".gamma"}, {".bias", ".beta"}};
    char spelled[2 * BR_TENSOR_NAME_SIZE];
    snprintf(spelled, sizeof spelled, "%s%s", prefix, name);
    const br_tensor *tensor = br_safetensors_find(file, spelled);
    if (tensor || !strstr(name, "LayerNorm"))
        return tensor;
    char *ending = strrchr(spelled, '.');
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(ending, spellings[i][0]) == 0) {
            strcpy(ending, spellings[i][1]); /* both are shorter */
            return br_safetensors_find(file, spelled);
        }
    }
    return NULL;
}

static br_found find_in_file(const br_safetensors *file, const char *prefix, const char *name)
{
    const br_tensor *tensor = find_spelled(file, "", name);
    return (br_found){tensor ? tensor : find_spelled(file, prefix, name), file->path};
}

/* The files are the shards and then one for each Dense module. */
static br_found find_tensor(const br_checkpoint *checkpoint, const br_tensor_need *need)
{
    size_t num_shards = checkpoint->num_files - checkpoint->config.num_dense;
    if (need->dense)
        return find_in_file(&checkpoint->files[num_shards + need->dense_index], "", need->source);
    br_found found = {0};
    for (size_t i = 0; i < num_shards && !found.tensor; i++)
        found = find_in_file(&checkpoint->files[i], need->prefix, need->source);
    for (size_t i = 0; need->other[0] && i < num_shards && !found.tensor; i++)
        found = find_in_file(&checkpoint->files[i], need->prefix, need->other);
    if (!found.tensor && num_shards > 1)
        found.path = NULL; /* it could have been in any */
    return found;
}

/* The files of the transformer are in `transformer`, the others in `directory`. */
static bertrun_status load(br_checkpoint *checkpoint, br_dense_folders *folders,
                           const char *directory, const char *transformer, bool map,
                           bertrun_error *error)
{
    br_model_config *config = &checkpoint->config;
    const br_architecture *architecture;
    BR_TRY(read_config_file(&architecture, config, transformer, error));
    checkpoint->architecture = architecture;
    BR_TRY(br_sentence_transformers_read(config, folders, directory, transformer, error));
    BR_TRY(br_model_config_check(config, directory, error));
    BR_TRY(open_weights(checkpoint, transformer, map, error));
    BR_TRY(open_dense(checkpoint, directory, folders, map, error));
    config->has_pooler = architecture->pooler == BR_POOLER_ALWAYS;
    if (architecture->pooler == BR_POOLER_OPTIONAL) {
        br_tensor_need pooler = {.source = "pooler.dense.weight",
                                 .prefix = architecture->encoder->prefix};
        config->has_pooler = find_tensor(checkpoint, &pooler).tensor;
    }
    return br_checkpoint_bind(checkpoint, architecture, find_tensor, directory, error);
}

bertrun_status br_hf_directory_load(br_checkpoint *checkpoint, const char *path, bool map,
                                    bertrun_error *error)
{
    br_dense_folders folders = {0};
    char *transformer;
    BR_TRY(br_transformer_directory(&transformer, path, error));
    bertrun_status status = load(checkpoint, &folders, path, transformer, map, error);
    br_free(transformer);
    br_dense_folders_free(&folders);
    return status;
}
