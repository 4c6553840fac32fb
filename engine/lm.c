/* bertrun_lm: opening a language model, and its words. */
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "engine/lstm.h"
#include "engine/lstm_words.h"

bertrun_status bertrun_identify(const char *path, bertrun_kind *kind, bertrun_error *error)
{
    br_checkpoint *checkpoint;
    BR_TRY(br_checkpoint_open(&checkpoint, path, true, error));
    bool lstm = br_checkpoint_config(checkpoint)->network == BR_NETWORK_LSTM;
    *kind = lstm ? BERTRUN_KIND_LM : BERTRUN_KIND_ENCODER;
    br_checkpoint_close(&checkpoint);
    return BERTRUN_OK;
}

static bertrun_status load_layer(bertrun_lm *lm, const br_packer *packer, size_t index,
                                 bertrun_error *error)
{
    br_lstm_layer *layer = &lm->layers[index];
    br_packer gates = *packer;
    char name[64];
    gates.gates = true;
    snprintf(name, sizeof name, "lstm.layer.%zu.input", index);
    BR_TRY(br_model_pack(&layer->input, &gates, name, error));
    snprintf(name, sizeof name, "lstm.layer.%zu.hidden", index);
    BR_TRY(br_model_pack(&layer->hidden, &gates, name, error));
    size_t n = layer->input.n;
    lm->base.ops->add(layer->hidden.columns.bias, n, layer->input.channels + 2 * n);
    return BERTRUN_OK;
}

static bertrun_status pack_weights(bertrun_lm *lm, const br_packer *packer, bertrun_error *error)
{
    const br_model_config *config = lm->base.config;
    for (size_t i = 0; i < config->num_hidden_layers; i++)
        BR_TRY(load_layer(lm, packer, i, error));
    return br_model_pack(&lm->decoder, packer, config->tie_weights ? "embedding" : "decoder",
                         error);
}

static bertrun_status load_weights(bertrun_lm *lm, bertrun_error *error)
{
    const br_checkpoint *checkpoint = lm->base.checkpoint;
    lm->embedding = br_checkpoint_find(checkpoint, "embedding.weight");
    lm->embedding_scale = br_checkpoint_find(checkpoint, "embedding.weight_scale");
    lm->layers = br_calloc(lm->base.config->num_hidden_layers, sizeof *lm->layers);
    if (!lm->layers)
        return br_fail_nomem(error);
    br_buffer scratch = {0};
    br_packer packer = br_model_packer(&lm->base, lm->embedding, &scratch);
    bertrun_status status = pack_weights(lm, &packer, error);
    br_free(scratch.data);
    return status;
}

static uint64_t count_weight_bytes(const bertrun_lm *lm)
{
    uint64_t bytes = lm->embedding->bytes + lm->decoder.packed_bytes;
    for (size_t i = 0; i < lm->base.config->num_hidden_layers; i++)
        bytes += lm->layers[i].input.packed_bytes + lm->layers[i].hidden.packed_bytes;
    return bytes;
}

static void fill_info(bertrun_lm *lm)
{
    const br_model_config *config = lm->base.config;
    lm->info = (bertrun_lm_info){
        .architecture = config->architecture,
        .stored_dtype = br_model_stored_dtype(&lm->base),
        .precision = lm->base.info.precision,
        .vocab_size = config->vocab_size,
        .embedding_size = config->embedding_size,
        .hidden_size = config->hidden_size,
        .num_layers = config->num_hidden_layers,
        .tied = config->tie_weights,
        .unknown_id = lm->words.unknown,
        .eos_id = br_vocabulary_id(&lm->words.vocabulary, "<eos>", strlen("<eos>")),
        .num_parameters = br_count_parameters(lm->base.checkpoint),
        .file_bytes = br_checkpoint_file_bytes(lm->base.checkpoint),
        .weight_bytes = count_weight_bytes(lm),
    };
    lm->base.info.hidden_size = config->hidden_size;
    lm->base.info.intermediate_size = 4 * config->hidden_size; /* the widest rows but logits */
}

static bertrun_status load(bertrun_lm *lm, const char *path, bertrun_error *error)
{
    BR_TRY(br_model_start(&lm->base, path, BR_NETWORK_LSTM, error));
    if (lm->base.info.activations != BERTRUN_ACTIVATIONS_TOKEN)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "activations: a language model quantizes those of each word by themselves");
    BR_TRY(br_lstm_words_open(&lm->words, lm->base.checkpoint, path, error));
    BR_TRY(load_weights(lm, error));
    fill_info(lm);
    return BERTRUN_OK;
}

bertrun_status bertrun_lm_open(bertrun_lm **out, const char *path,
                               const bertrun_model_settings *settings, bertrun_error *error)
{
    *out = NULL;
    bertrun_lm *lm = br_calloc(1, sizeof *lm);
    if (!lm)
        return br_fail_nomem(error);
    if (settings)
        lm->base.settings = *settings;
    bertrun_status status = load(lm, path, error);
    if (status != BERTRUN_OK)
        bertrun_lm_close(&lm);
    *out = lm;
    return status;
}

void bertrun_lm_close(bertrun_lm **pointer)
{
    bertrun_lm *lm = *pointer;
    *pointer = NULL;
    if (!lm)
        return;
    for (size_t i = 0; lm->layers && i < lm->base.config->num_hidden_layers; i++) {
        br_linear_free(&lm->layers[i].input);
        br_linear_free(&lm->layers[i].hidden);
    }
    br_free(lm->layers);
    br_linear_free(&lm->decoder);
    br_words_free(&lm->words);
    br_model_release(&lm->base);
    br_free(lm);
}

const bertrun_lm_info *bertrun_lm_get_info(const bertrun_lm *lm)
{
    return &lm->info;
}

const char *bertrun_lm_word(const bertrun_lm *lm, int32_t id, size_t *length)
{
    return br_vocabulary_token(&lm->words.vocabulary, id, length);
}

int32_t bertrun_lm_id(const bertrun_lm *lm, const char *word, size_t length)
{
    return br_words_id(&lm->words, word, length);
}

bool bertrun_lm_next_word(const char *text, size_t length, size_t *begin, size_t *size)
{
    return br_words_next(text, length, begin, size);
}
