#include "models/sentence_transformers.h"

#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/memory.h"
#include "models/json_fields.h"
#include "models/path.h"

void br_dense_folders_free(br_dense_folders *folders)
{
    for (size_t i = 0; i < BR_MAX_DENSE; i++)
        br_free(folders->paths[i]);
    *folders = (br_dense_folders){0};
}

/* What is filled from which directory, and the module at hand. */
typedef struct reader {
    br_model_config *config;
    br_dense_folders *folders;
    const char *directory;
    char *path, *type;  /* of modules.json; type: the last part of the class's name */
    char **transformer; /* looking for the Transformer's folder */
    size_t max_seq_length;
    bool do_lower_case, settled; /* settled: a file said something about the two */
} reader;

/* Takes in one JSON file. */
typedef bertrun_status (*read_file_fn)(reader *r, const json_t *root, const char *file,
                                       bertrun_error *error);

static bertrun_status read_file(reader *r, const char *file, read_file_fn read,
                                bertrun_error *error)
{
    json_t *root;
    BR_TRY(br_json_read(&root, file, error));
    bertrun_status status = read(r, root, file, error);
    json_decref(root);
    return status;
}

/* ----------------------------------------------------------------------------------- Pooling */

typedef struct pooling_modes {
    size_t word_embedding_dimension;
    bertrun_pooling mode; /* of "pooling_mode", which wins */
    bool cls, mean, max, mean_sqrt_len, weighted_mean, last_token;
    bool include_prompt;
} pooling_modes;

static const br_field_name mode_names[] = {
    {"mean", BERTRUN_POOLING_MEAN},
    {"cls", BERTRUN_POOLING_CLS},
    {"max", BERTRUN_POOLING_MAX},
    {"weightedmean", BERTRUN_POOLING_WEIGHTED_MEAN},
    {"lasttoken", BERTRUN_POOLING_LAST_TOKEN},
    {NULL, 0},
};

#define MODE(member) offsetof(pooling_modes, member)

static const br_field pooling_fields[] = {
    {"word_embedding_dimension", BR_FIELD_SIZE, false, MODE(word_embedding_dimension), NULL},
    {"embedding_dimension", BR_FIELD_SIZE, false, MODE(word_embedding_dimension), NULL},
    {"pooling_mode", BR_FIELD_NAME, false, MODE(mode), mode_names},
    {"pooling_mode_cls_token", BR_FIELD_BOOL, false, MODE(cls), NULL},
    {"pooling_mode_mean_tokens", BR_FIELD_BOOL, false, MODE(mean), NULL},
    {"pooling_mode_max_tokens", BR_FIELD_BOOL, false, MODE(max), NULL},
    {"pooling_mode_mean_sqrt_len_tokens", BR_FIELD_BOOL, false, MODE(mean_sqrt_len), NULL},
    {"pooling_mode_weightedmean_tokens", BR_FIELD_BOOL, false, MODE(weighted_mean), NULL},
    {"pooling_mode_lasttoken", BR_FIELD_BOOL, false, MODE(last_token), NULL},
    {"include_prompt", BR_FIELD_BOOL, false, MODE(include_prompt), NULL},
};

static bertrun_status choose_pooling(const pooling_modes *modes, bertrun_pooling *out,
                                     const char *file, bertrun_error *error)
{
    *out = modes->mode;
    if (*out != BERTRUN_POOLING_AUTO)
        return BERTRUN_OK;
    int chosen = modes->cls + modes->mean + modes->max + modes->mean_sqrt_len +
                 modes->weighted_mean + modes->last_token;
    if (chosen != 1)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: %d pooling modes are chosen; exactly one is supported", file, chosen);
    if (modes->mean_sqrt_len)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: the pooling mode mean_sqrt_len_tokens is not supported", file);
    *out = modes->cls             ? BERTRUN_POOLING_CLS
           : modes->mean          ? BERTRUN_POOLING_MEAN
           : modes->max           ? BERTRUN_POOLING_MAX
           : modes->weighted_mean ? BERTRUN_POOLING_WEIGHTED_MEAN
                                  : BERTRUN_POOLING_LAST_TOKEN;
    return BERTRUN_OK;
}

static bertrun_status read_pooling(reader *r, const json_t *object, const char *file,
                                   bertrun_error *error)
{
    br_model_config *config = r->config;
    pooling_modes modes = {
        .word_embedding_dimension = config->hidden_size, .mean = true, .include_prompt = true};
    BR_TRY(br_fields_read(object, pooling_fields, sizeof pooling_fields / sizeof *pooling_fields,
                          &modes, file, error));
    if (modes.word_embedding_dimension != config->hidden_size)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: word_embedding_dimension is %zu, hidden_size %zu", file,
                       modes.word_embedding_dimension, config->hidden_size);
    config->include_prompt = modes.include_prompt;
    return choose_pooling(&modes, &config->pooling, file, error);
}

/* ------------------------------------------------------------------------------------- Dense */

static const br_field_name torch_activations[] = {
    {"torch.nn.modules.activation.Tanh", BR_ACTIVATION_TANH},
    {"torch.nn.modules.linear.Identity", BR_ACTIVATION_IDENTITY},
    {"torch.nn.modules.activation.ReLU", BR_ACTIVATION_RELU},
    {"torch.nn.modules.activation.GELU", BR_ACTIVATION_GELU},
    {NULL, 0},
};

static const br_field_name sentence_rows[] = {{"sentence_embedding", 0}, {NULL, 0}};

static const br_field dense_fields[] = {
    {"in_features", BR_FIELD_SIZE, true, offsetof(br_dense_config, in_features), NULL},
    {"out_features", BR_FIELD_SIZE, true, offsetof(br_dense_config, out_features), NULL},
    {"bias", BR_FIELD_BOOL, false, offsetof(br_dense_config, bias), NULL},
    {"activation_function", BR_FIELD_NAME, false, offsetof(br_dense_config, activation),
     torch_activations},
    {"module_input_name", BR_FIELD_ONLY, false, 0, sentence_rows},
    {"module_output_name", BR_FIELD_ONLY, false, 0, sentence_rows},
};

static bertrun_status read_dense(reader *r, const json_t *object, const char *file,
                                 bertrun_error *error)
{
    br_model_config *config = r->config;
    if (config->num_dense == BR_MAX_DENSE)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: more than %d Dense modules", file,
                       BR_MAX_DENSE);
    br_dense_config *dense = &config->dense[config->num_dense];
    *dense = (br_dense_config){.bias = true, .activation = BR_ACTIVATION_TANH};
    BR_TRY(br_fields_read(object, dense_fields, sizeof dense_fields / sizeof *dense_fields, dense,
                          file, error));
    r->folders->paths[config->num_dense++] = r->path;
    r->path = NULL;
    return BERTRUN_OK;
}

/* ------------------------------------------------------------------------------ modules.json */

static bertrun_status read_module_config(reader *r, read_file_fn read, bertrun_error *error)
{
    char *file = br_path_join(r->directory, r->path, "config.json");
    if (!file)
        return br_fail_nomem(error);
    bertrun_status status = read_file(r, file, read, error);
    br_free(file);
    return status;
}

/* The modules must stand in the order in which the engine computes them. */
static bertrun_status read_module(reader *r, size_t index, const char *file, bertrun_error *error)
{
    br_model_config *config = r->config;
    bool pooled = config->pooling != BERTRUN_POOLING_AUTO;
    if (!br_path_is_relative(r->path))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: path \"%s\" leaves the directory", file,
                       r->path);
    if (index == 0 && strcmp(r->type, "Transformer") == 0)
        return BERTRUN_OK;
    if (index == 1 && strcmp(r->type, "Pooling") == 0)
        return read_module_config(r, read_pooling, error);
    if (pooled && !config->normalize && strcmp(r->type, "Dense") == 0)
        return read_module_config(r, read_dense, error);
    if (pooled && strcmp(r->type, "Normalize") == 0) {
        config->normalize = true;
        return BERTRUN_OK;
    }
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                   "%s: module %zu, \"%s\" in \"%s\", is not supported there (Transformer, "
                   "Pooling, Dense, Normalize in this order are)",
                   file, index, r->type, r->path);
}

/* Only the Transformer's folder is asked for. */
static bertrun_status find_transformer(reader *r, size_t index, const char *file,
                                       bertrun_error *error)
{
    if (index > 0 || strcmp(r->type, "Transformer") != 0 || !*r->path)
        return BERTRUN_OK;
    if (!br_path_is_relative(r->path))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: path \"%s\" leaves the directory", file,
                       r->path);
    *r->transformer = br_path_join(r->directory, "", r->path);
    return *r->transformer ? BERTRUN_OK : br_fail_nomem(error);
}

static bertrun_status read_entry(reader *r, const json_t *object, size_t index, const char *file,
                                 bertrun_error *error)
{
    static const br_field fields[] = {
        {"path", BR_FIELD_STRING, true, offsetof(reader, path), NULL},
        {"type", BR_FIELD_STRING, true, offsetof(reader, type), NULL},
    };
    BR_TRY(br_fields_read(object, fields, 2, r, file, error));
    const char *dot = strrchr(r->type, '.');
    if (dot)
        memmove(r->type, dot + 1, strlen(dot));
    return r->transformer ? find_transformer(r, index, file, error)
                          : read_module(r, index, file, error);
}

static bertrun_status read_modules(reader *r, const json_t *modules, const char *file,
                                   bertrun_error *error)
{
    bertrun_status status = BERTRUN_OK;
    for (size_t i = 0; i < json_array_size(modules) && status == BERTRUN_OK; i++) {
        status = read_entry(r, json_array_get(modules, i), i, file, error);
        br_free(r->path);
        br_free(r->type);
        r->path = r->type = NULL;
    }
    if (status == BERTRUN_OK && !r->transformer && r->config->pooling == BERTRUN_POOLING_AUTO)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: there is no Pooling module", file);
    return status;
}

/* ------------------------------------------------------------------- the files of a directory */

static bertrun_status read_settings(reader *r, const json_t *root, const char *file,
                                    bertrun_error *error)
{
    static const br_field fields[] = {
        {"max_seq_length", BR_FIELD_SIZE, false, offsetof(reader, max_seq_length), NULL},
        {"do_lower_case", BR_FIELD_BOOL, false, offsetof(reader, do_lower_case), NULL},
    };
    r->settled = json_object_size(root) > 0;
    return br_fields_read(root, fields, 2, r, file, error);
}

static bertrun_status read_prompts(reader *r, const json_t *root, const char *file,
                                   bertrun_error *error)
{
    return br_model_config_read_prompts(r->config, root, file, error);
}

static bertrun_status read_if_there(reader *r, const char *directory, const char *name,
                                    read_file_fn read, bertrun_error *error)
{
    char *file = br_path_join(directory, "", name);
    if (!file)
        return br_fail_nomem(error);
    bertrun_status status = br_path_is_file(file) ? read_file(r, file, read, error) : BERTRUN_OK;
    br_free(file);
    return status;
}

/* The first file that is there and not empty counts, as in sentence-transformers. */
static bertrun_status find_settings(reader *r, const char *transformer, bertrun_error *error)
{
    static const char *const names[] = {
        "sentence_bert_config.json",       "sentence_roberta_config.json",
        "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names && !r->settled; i++)
        BR_TRY(read_if_there(r, transformer, names[i], read_settings, error));
    return BERTRUN_OK;
}

bertrun_status br_sentence_transformers_lowers(bool *out, const char *directory,
                                               const char *transformer, bertrun_error *error)
{
    reader r = {0};
    *out = false;
    char *modules = br_path_join(directory, "", "modules.json");
    if (!modules)
        return br_fail_nomem(error);
    bertrun_status status = BERTRUN_OK;
    if (br_path_is_file(modules))
        status = find_settings(&r, transformer, error);
    br_free(modules);
    *out = r.do_lower_case;
    return status;
}

bertrun_status br_sentence_transformers_read(br_model_config *config, br_dense_folders *folders,
                                             const char *directory, const char *transformer,
                                             bertrun_error *error)
{
    reader r = {.config = config,
                .folders = folders,
                .directory = directory,
                .max_seq_length = config->max_length};
    *folders = (br_dense_folders){0};
    BR_TRY(find_settings(&r, transformer, error));
    bool fits = r.max_seq_length <= config->max_position_embeddings;
    config->max_length = fits ? r.max_seq_length : config->max_position_embeddings;
    BR_TRY(read_if_there(&r, directory, "config_sentence_transformers.json", read_prompts, error));
    return read_if_there(&r, directory, "modules.json", read_modules, error);
}

bertrun_status br_transformer_directory(char **out, const char *directory, bertrun_error *error)
{
    reader r = {.directory = directory, .transformer = out};
    *out = NULL;
    bertrun_status status = read_if_there(&r, directory, "modules.json", read_modules, error);
    if (status == BERTRUN_OK && !*out)
        *out = br_strndup(directory, strlen(directory));
    if (status == BERTRUN_OK && !*out)
        status = br_fail_nomem(error);
    if (status != BERTRUN_OK) {
        br_free(*out);
        *out = NULL;
    }
    return status;
}
