/* The `.bin`: a safetensors file whose metadata holds the configuration (docs/FORMAT.md). */
#include <stdlib.h>
#include <string.h>

#include "common/json_size.h"
#include "common/memory.h"
#include "models/checkpoint_private.h"

#define FORMAT_NAME    "bertrun"
#define FORMAT_VERSION "1"

static const char *const tokenizer_tensors[BR_NUM_TOKENIZER_TENSORS] = {
    "tokenizer.vocab", "tokenizer.config", "tokenizer.table"};

enum { TOKENIZER_CONFIG = 1 };

static br_found find_tensor(const br_checkpoint *checkpoint, const br_tensor_need *need)
{
    const br_safetensors *file = &checkpoint->files[0];
    return (br_found){br_safetensors_find(file, need->name), file->path};
}

static bertrun_status check_format(const br_safetensors *file, bertrun_error *error)
{
    const char *format = br_safetensors_metadata(file, "format");
    const char *version = br_safetensors_metadata(file, "bertrun.version");
    if (!format || strcmp(format, FORMAT_NAME) != 0)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: a safetensors file (format \"%.32s\"), but not made by `bertrun "
                       "convert`: name the directory it is in, or convert that",
                       file->path, format ? format : "");
    if (!version || strcmp(version, FORMAT_VERSION) != 0)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: version %.32s of the format; this build reads version " FORMAT_VERSION,
                       file->path, version ? version : "(none)");
    return BERTRUN_OK;
}

static bertrun_status read_config(br_checkpoint *checkpoint, const br_architecture **architecture,
                                  bertrun_error *error)
{
    const br_safetensors *file = &checkpoint->files[0];
    br_model_config *config = &checkpoint->config;
    const char *text = br_safetensors_metadata(file, "bertrun.config");
    if (!text)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: \"bertrun.config\" is missing", file->path);
    BR_TRY(br_model_config_from_json(config, text, file->path, error));
    BR_TRY(br_architecture_find(architecture, config->architecture, file->path, error));
    BR_TRY(br_architecture_check(*architecture, config, file->path, error));
    return br_model_config_check(config, file->path, error);
}

static bertrun_status take_tokenizer(br_checkpoint *checkpoint, bertrun_error *error)
{
    const br_safetensors *file = &checkpoint->files[0];
    for (size_t i = 0; i < BR_NUM_TOKENIZER_TENSORS; i++) {
        if (i == TOKENIZER_CONFIG && checkpoint->config.network == BR_NETWORK_LSTM)
            continue; /* words need none */
        const br_tensor *tensor = br_safetensors_find(file, tokenizer_tensors[i]);
        if (!tensor)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is missing", file->path,
                           tokenizer_tensors[i]);
        if (tensor->dtype != BR_DTYPE_U8 || tensor->rank != 1)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is no vector of U8",
                           file->path, tensor->name);
        BR_TRY(br_checkpoint_take(checkpoint, tensor, tensor->name, error));
    }
    return BERTRUN_OK;
}

static bertrun_status check_alignment(const br_checkpoint *checkpoint, bertrun_error *error)
{
    const br_safetensors *file = &checkpoint->files[0];
    for (size_t i = 0; i < checkpoint->num_tensors; i++) {
        const br_tensor *tensor = &checkpoint->tensors[i];
        if (((const uint8_t *)tensor->data - file->file.data) % BR_ALIGNMENT != 0)
            return br_fail(error, BERTRUN_ERR_FORMAT,
                           "%s: tensor \"%s\" is not aligned to %d bytes", file->path, tensor->name,
                           BR_ALIGNMENT);
    }
    return BERTRUN_OK;
}

static bertrun_status open_file(br_checkpoint *checkpoint, const char *path, bool map,
                                bertrun_error *error)
{
    checkpoint->is_bin = true;
    BR_TRY(br_checkpoint_alloc_files(checkpoint, 1, error));
    BR_TRY(br_safetensors_open(&checkpoint->files[0], path, map, error));
    checkpoint->num_files = 1;
    return check_format(&checkpoint->files[0], error);
}

bertrun_status br_bin_file_load(br_checkpoint *checkpoint, const char *path, bool map,
                                bertrun_error *error)
{
    const br_architecture *architecture;
    BR_TRY(open_file(checkpoint, path, map, error));
    BR_TRY(read_config(checkpoint, &architecture, error));
    checkpoint->architecture = architecture;
    BR_TRY(br_checkpoint_bind(checkpoint, architecture, find_tensor, path, error));
    BR_TRY(take_tokenizer(checkpoint, error));
    return check_alignment(checkpoint, error);
}

bertrun_status br_bin_file_load_tokenizer(br_checkpoint *checkpoint, const char *path, bool map,
                                          bertrun_error *error)
{
    BR_TRY(open_file(checkpoint, path, map, error));
    BR_TRY(br_checkpoint_alloc_tensors(checkpoint, BR_NUM_TOKENIZER_TENSORS, error));
    BR_TRY(take_tokenizer(checkpoint, error));
    return check_alignment(checkpoint, error);
}

bertrun_status br_checkpoint_write(const char *path, const br_model_config *config,
                                   const br_tensor *tensors, size_t num_tensors,
                                   bertrun_error *error)
{
    char *text;
    BR_TRY(br_model_config_to_json(config, &text, error));
    if (br_json_memory(text, strlen(text)) > BR_JSON_MEMORY) {
        br_free(text);
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: %zu labels are too many for its header",
                       path, config->num_labels);
    }
    json_t *metadata = json_pack("{s:s, s:s, s:s}", "format", FORMAT_NAME, "bertrun.version",
                                 FORMAT_VERSION, "bertrun.config", text);
    br_free(text);
    if (!metadata)
        return br_fail_nomem(error);
    bertrun_status status = br_safetensors_write(path, metadata, tensors, num_tensors, error);
    json_decref(metadata);
    return status;
}
