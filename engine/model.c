#include "engine/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "engine/reserved.h"
#include "engine/scheme.h"
#include "engine/choose_kernels.h"
#include "engine/directory_tokenizer.h"
#include "engine/head_load.h"
#include "models/architecture.h"

/* ---------------------------------------------------------------------------------- settings */

void bertrun_model_settings_init(bertrun_model_settings *settings)
{
    *settings = (bertrun_model_settings){0};
}

static bertrun_status check_settings(const bertrun_model_settings *settings, bertrun_error *error)
{
    BR_TRY(BR_CHECK_RESERVED(settings, error));
    if ((unsigned)settings->precision > BERTRUN_PRECISION_F32)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown precision %d", settings->precision);
    if ((unsigned)settings->activations > BERTRUN_ACTIVATIONS_STATIC)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown activations %d",
                       settings->activations);
    if ((unsigned)settings->weights > BERTRUN_WEIGHTS_PER_TENSOR)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown weights %d", settings->weights);
    if ((unsigned)settings->kernels > BERTRUN_KERNELS_ONEDNN)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown kernels %d", settings->kernels);
    return BERTRUN_OK;
}

/* ----------------------------------------------------------------------------- small tensors */

static bertrun_status load_embeddings(bertrun_model *model, bertrun_error *error)
{
    br_embeddings *embeddings = &model->embeddings;
    const br_checkpoint *checkpoint = model->checkpoint;
    embeddings->word = br_checkpoint_find(checkpoint, "embeddings.word_embeddings.weight");
    embeddings->word_scale =
        br_checkpoint_find(checkpoint, "embeddings.word_embeddings.weight_scale");
    const br_tensor *position =
        br_checkpoint_find(checkpoint, "embeddings.position_embeddings.weight");
    const br_tensor *token_type =
        model->config->type_vocab_size > 0
            ? br_checkpoint_find(checkpoint, "embeddings.token_type_embeddings.weight")
            : NULL;
    embeddings->position = br_tensor_widen(position);
    embeddings->token_type = token_type ? br_tensor_widen(token_type) : NULL;
    if (!embeddings->position || (token_type && !embeddings->token_type))
        return br_fail_nomem(error);
    return br_layer_norm_load(&embeddings->layer_norm, model->checkpoint, "embeddings.LayerNorm",
                              error);
}

/* -------------------------------------------------------------------------------- projections */

enum { NAME_SIZE = 96 };

bertrun_status br_model_pack(br_linear *out, const br_packer *packer, const char *name,
                             bertrun_error *error)
{
    return br_linear_pack(out, packer, &(br_linear_part){name, 1}, 1, error);
}

static bertrun_status pack_qkv(br_layer *layer, const br_packer *packer, size_t index,
                               bertrun_error *error)
{
    static const char *const PARTS[] = {"query", "key", "value"};
    const br_model_config *config = br_checkpoint_config(packer->checkpoint);
    float head_dim = (float)(config->hidden_size / config->num_attention_heads);
    char names[3][NAME_SIZE];
    br_linear_part parts[3];
    for (size_t i = 0; i < 3; i++) {
        snprintf(names[i], NAME_SIZE, "encoder.layer.%zu.attention.self.%s", index, PARTS[i]);
        parts[i] = (br_linear_part){names[i], i == 0 ? 1 / sqrtf(head_dim) : 1};
    }
    bool fused = br_linear_parts_agree(packer, parts, 3);
    layer->num_qkv = fused ? 1 : 3;
    for (size_t i = 0; i < layer->num_qkv; i++)
        BR_TRY(br_linear_pack(&layer->qkv[i], packer, parts + i, fused ? 3 : 1, error));
    return BERTRUN_OK;
}

static bertrun_status load_layer(bertrun_model *model, const br_packer *packer, size_t index,
                                 bertrun_error *error)
{
    br_layer *layer = &model->layers[index];
    struct {
        const char *name;
        br_linear *linear;
        br_layer_norm *norm;
    } parts[] = {
        {"attention.output.dense", &layer->attention_output, NULL},
        {"attention.output.LayerNorm", NULL, &layer->attention_norm},
        {"intermediate.dense", &layer->intermediate, NULL},
        {"output.dense", &layer->output, NULL},
        {"output.LayerNorm", NULL, &layer->output_norm},
    };
    BR_TRY(pack_qkv(layer, packer, index, error));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "encoder.layer.%zu.%s", index, parts[i].name);
        if (parts[i].linear)
            BR_TRY(br_model_pack(parts[i].linear, packer, name, error));
        else
            BR_TRY(br_layer_norm_load(parts[i].norm, model->checkpoint, name, error));
    }
    return BERTRUN_OK;
}

static bertrun_status load_heads(bertrun_model *model, const br_packer *packer,
                                 bertrun_error *error)
{
    const br_model_config *config = model->config;
    if (config->has_pooler) {
        BR_TRY(br_model_pack(&model->pooler.linear, packer, "pooler.dense", error));
        model->pooler.activation = BR_ACTIVATION_TANH;
    }
    const br_architecture *architecture = br_checkpoint_architecture(model->checkpoint);
    for (size_t i = 0; i < BR_MAX_HEADS && architecture->heads[i]; i++)
        BR_TRY(
            br_head_load(&model->heads[model->num_heads++], architecture->heads[i], packer, error));
    for (size_t i = 0; i < config->num_dense; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "dense.%zu.linear", i);
        BR_TRY(br_model_pack(&model->dense[i].linear, packer, name, error));
        model->dense[i].activation = config->dense[i].activation;
        model->num_dense++;
    }
    return BERTRUN_OK;
}

static bertrun_status pack_weights(bertrun_model *model, const br_packer *packer,
                                   bertrun_error *error)
{
    model->layers = br_calloc(model->config->num_hidden_layers, sizeof *model->layers);
    if (!model->layers)
        return br_fail_nomem(error);
    for (size_t i = 0; i < model->config->num_hidden_layers; i++)
        BR_TRY(load_layer(model, packer, i, error));
    return load_heads(model, packer, error);
}

br_packer br_model_packer(bertrun_model *model, const br_tensor *resident, br_buffer *scratch)
{
    bool drops = !model->checkpoint_borrowed && !br_checkpoint_shares_memory(model->checkpoint);
    br_packer packer = {
        .checkpoint = model->checkpoint,
        .arena = &model->weights,
        .scratch = scratch,
        .onednn = model->onednn,
        .ops = model->ops,
        .precision = model->settings.precision,
        .bf16_products = model->bf16_products,
        .weights = br_wanted_weights(model),
        .fixed_inputs = model->info.activations == BERTRUN_ACTIVATIONS_STATIC,
        .resident = drops ? resident : NULL,
    };
    return packer;
}

static bertrun_status load_weights(bertrun_model *model, bertrun_error *error)
{
    br_buffer scratch = {0};
    BR_TRY(load_embeddings(model, error));
    br_packer packer = br_model_packer(model, model->embeddings.word, &scratch);
    bertrun_status status = pack_weights(model, &packer, error);
    br_free(scratch.data);
    return status;
}

bertrun_status br_model_repack(bertrun_model *model, br_linear *linear, bertrun_error *error)
{
    char names[BR_MAX_PARTS][BR_TENSOR_NAME_SIZE];
    br_linear_part parts[BR_MAX_PARTS];
    size_t num_parts = 0;
    for (; num_parts < BR_MAX_PARTS && linear->sources[num_parts].weight; num_parts++) {
        const br_linear_source *source = &linear->sources[num_parts];
        br_linear_source_name(source, names[num_parts]);
        parts[num_parts] = (br_linear_part){names[num_parts], source->factor};
    }
    br_buffer scratch = {0};
    br_packer packer = br_model_packer(model, NULL, &scratch);
    br_linear_free(linear);
    bertrun_status status = br_linear_pack(linear, &packer, parts, num_parts, error);
    br_free(scratch.data);
    return status;
}

/* --------------------------------------------------------------------------------- tokenizer */

static bertrun_status open_tokenizer(bertrun_model *model, const char *path, bertrun_error *error)
{
    const br_checkpoint *checkpoint = model->checkpoint;
    if (!br_checkpoint_is_bin(checkpoint))
        return br_open_directory_tokenizer(&model->tokenizer, path, error);
    const br_tensor *vocab = br_checkpoint_find(checkpoint, "tokenizer.vocab");
    const br_tensor *config = br_checkpoint_find(checkpoint, "tokenizer.config");
    const br_tensor *table = br_checkpoint_find(checkpoint, "tokenizer.table");
    if (!vocab || !config)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: holds no tokenizer", path);
    br_tokenizer_sections sections = {
        .vocab = vocab->data,
        .vocab_size = vocab->bytes,
        .config = config->data,
        .config_size = config->bytes,
        .table = table ? table->data : NULL,
        .table_size = table ? table->bytes : 0,
    };
    return br_tokenizer_open_sections(&model->tokenizer, &sections, path, error);
}

static bertrun_status load_tokenizer(bertrun_model *model, const char *path, bertrun_error *error)
{
    BR_TRY(open_tokenizer(model, path, error));
    size_t words = br_tokenizer_vocab_size(model->tokenizer), rows = model->config->vocab_size;
    if (words > rows)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: the vocabulary has %zu tokens, the word embeddings only %zu rows", path,
                       words, rows);
    return BERTRUN_OK;
}

/* -------------------------------------------------------------------------------------- facts */

const char *br_model_stored_dtype(const bertrun_model *model)
{
    return br_dtype_word(br_stored_dtype(model->checkpoint));
}

size_t br_count_parameters(const br_checkpoint *checkpoint)
{
    const br_tensor *tensors;
    size_t total = 0, count = br_checkpoint_tensors(checkpoint, &tensors);
    for (size_t i = 0; i < count; i++)
        if (tensors[i].dtype != BR_DTYPE_U8 && !strstr(tensors[i].name, "_scale"))
            total += br_tensor_count(&tensors[i]);
    return total;
}

static uint64_t count_weight_bytes(const bertrun_model *model)
{
    uint64_t bytes = model->embeddings.word->bytes + model->pooler.linear.packed_bytes;
    for (size_t i = 0; i < model->config->num_hidden_layers; i++) {
        const br_layer *layer = &model->layers[i];
        for (size_t p = 0; p < layer->num_qkv; p++)
            bytes += layer->qkv[p].packed_bytes;
        bytes += layer->attention_output.packed_bytes + layer->intermediate.packed_bytes +
                 layer->output.packed_bytes;
    }
    for (size_t i = 0; i < model->num_heads; i++)
        for (size_t j = 0; j < model->heads[i].num_layers; j++)
            bytes += model->heads[i].layers[j].linear.packed_bytes;
    for (size_t i = 0; i < model->num_dense; i++)
        bytes += model->dense[i].linear.packed_bytes;
    return bytes;
}

static size_t smallest_nonzero(size_t a, size_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void fill_info(bertrun_model *model)
{
    const br_model_config *config = model->config;
    size_t said =
        config->max_length ? config->max_length : br_tokenizer_max_length(model->tokenizer);
    model->info = (bertrun_model_info){
        .architecture = config->architecture,
        .stored_dtype = br_model_stored_dtype(model),
        .task = model->num_heads > 0 ? model->heads[0].spec->task : BERTRUN_TASK_EMBED,
        .precision = model->info.precision,
        .num_kept = model->info.num_kept,
        .kept = model->info.kept,
        .activations = model->info.activations,
        .weights = model->info.weights,
        .pooling = config->pooling ? config->pooling : BERTRUN_POOLING_MEAN,
        .normalize = config->normalize,
        .has_pooler = config->has_pooler,
        .scores = config->scores,
        .vocab_size = config->vocab_size,
        .hidden_size = config->hidden_size,
        .intermediate_size = config->intermediate_size,
        .num_hidden_layers = config->num_hidden_layers,
        .num_attention_heads = config->num_attention_heads,
        .max_position_embeddings = config->max_position_embeddings,
        .type_vocab_size = config->type_vocab_size,
        .max_length = smallest_nonzero(config->max_position_embeddings, said),
        .embedding_size = config->num_dense > 0 ? config->dense[config->num_dense - 1].out_features
                                                : config->hidden_size,
        .num_labels = config->num_labels,
        .labels = (const char *const *)config->labels,
        .num_prompts = config->num_prompts,
        .prompts = config->prompts,
        .default_prompt_name = config->default_prompt_name,
        .include_prompt = config->include_prompt,
        .num_parameters = br_count_parameters(model->checkpoint),
        .file_bytes = br_checkpoint_file_bytes(model->checkpoint),
        .weight_bytes = count_weight_bytes(model),
    };
}

const bertrun_model_info *bertrun_model_get_info(const bertrun_model *model)
{
    return &model->info;
}

/* ------------------------------------------------------------------------------ open and close */

static bertrun_status check_network(const br_model_config *config, br_network_kind network,
                                    const char *path, bertrun_error *error)
{
    if (config->network == network)
        return BERTRUN_OK;
    return br_fail(
        error, BERTRUN_ERR_UNSUPPORTED,
        network == BR_NETWORK_LSTM
            ? "%s: %s is no language model; bertrun_model_open() and `bertrun run` take it"
            : "%s: %s is a language model; bertrun_lm_open() and `bertrun lm` take it",
        path, config->architecture);
}

bertrun_status br_model_start(bertrun_model *model, const char *path, br_network_kind network,
                              bertrun_error *error)
{
    BR_TRY(check_settings(&model->settings, error));
    if (!model->checkpoint_borrowed)
        BR_TRY(br_checkpoint_open(&model->checkpoint, path, model->settings.mmap, error));
    model->config = br_checkpoint_config(model->checkpoint);
    BR_TRY(check_network(model->config, network, path, error));
    BR_TRY(br_onednn_open(&model->onednn, error));
    BR_TRY(br_choose_scheme(model, path, error));
    return br_choose_kernels(model, error);
}

void br_model_release(bertrun_model *model)
{
    br_free_scheme(model);
    br_arena_free(&model->weights);
    br_onednn_close(&model->onednn);
    if (!model->checkpoint_borrowed)
        br_checkpoint_close(&model->checkpoint);
}

static bertrun_status load(bertrun_model *model, const char *path, bertrun_error *error)
{
    BR_TRY(br_model_start(model, path, BR_NETWORK_ENCODER, error));
    BR_TRY(load_tokenizer(model, path, error));
    BR_TRY(load_weights(model, error));
    fill_info(model);
    return BERTRUN_OK;
}

bertrun_status br_model_open_on(bertrun_model **out, br_checkpoint *checkpoint, const char *path,
                                const bertrun_model_settings *settings, bertrun_error *error)
{
    *out = NULL;
    bertrun_model *model = br_calloc(1, sizeof *model);
    if (!model)
        return br_fail_nomem(error);
    model->checkpoint = checkpoint;
    model->checkpoint_borrowed = checkpoint != NULL;
    if (settings)
        model->settings = *settings;
    bertrun_status status = load(model, path, error);
    if (status != BERTRUN_OK)
        bertrun_model_close(&model);
    *out = model;
    return status;
}

bertrun_status bertrun_model_open(bertrun_model **out, const char *path,
                                  const bertrun_model_settings *settings, bertrun_error *error)
{
    return br_model_open_on(out, NULL, path, settings, error);
}

static void free_layer(br_layer *layer)
{
    for (size_t i = 0; i < 3; i++)
        br_linear_free(&layer->qkv[i]);
    br_linear_free(&layer->attention_output);
    br_linear_free(&layer->intermediate);
    br_linear_free(&layer->output);
    br_free(layer->attention_norm.memory);
    br_free(layer->output_norm.memory);
}

void bertrun_model_close(bertrun_model **pointer)
{
    bertrun_model *model = *pointer;
    *pointer = NULL;
    if (!model)
        return;
    for (size_t i = 0; model->layers && i < model->config->num_hidden_layers; i++)
        free_layer(&model->layers[i]);
    br_free(model->layers);
    br_linear_free(&model->pooler.linear);
    for (size_t i = 0; i < BR_MAX_HEADS; i++)
        br_head_free(&model->heads[i]);
    for (size_t i = 0; i < BR_MAX_DENSE; i++)
        br_linear_free(&model->dense[i].linear);
    br_free(model->embeddings.position);
    br_free(model->embeddings.token_type);
    br_free(model->embeddings.layer_norm.memory);
    br_tokenizer_close(&model->tokenizer);
    br_model_release(model);
    br_free(model);
}
