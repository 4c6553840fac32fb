/*
 * The word language model of PyTorch's examples (word_language_model): nn.Embedding, nn.LSTM,
 * nn.Linear. Its modules are called encoder, rnn, decoder there, and often embedding, lstm, fc.
 */
#include <stdio.h>

#include "models/architecture.h"

#define MEMBER(member) offsetof(br_model_config, member)

static const br_field_name lstm_only[] = {{"LSTM", 0}, {NULL, 0}};

static const br_field fields[] = {
    {"ntoken", BR_FIELD_SIZE, true, MEMBER(vocab_size), NULL},
    {"ninp", BR_FIELD_SIZE, true, MEMBER(embedding_size), NULL},
    {"nhid", BR_FIELD_SIZE, true, MEMBER(hidden_size), NULL},
    {"nlayers", BR_FIELD_SIZE, true, MEMBER(num_hidden_layers), NULL},
    {"tie_weights", BR_FIELD_BOOL, false, MEMBER(tie_weights), NULL},
    {"rnn_type", BR_FIELD_ONLY, false, 0, lstm_only},
    {"bidirectional", BR_FIELD_FALSE, false, 0, NULL},
};

/* nn.DataParallel's */
static const char prefix[] = "module.";

static br_tensor_need need(const char *name, const char *source, const char *other, size_t rows,
                           size_t columns)
{
    br_tensor_need out = {.prefix = prefix,
                          .rank = columns ? 2 : 1,
                          .shape = {rows, columns},
                          .quantizable = columns != 0};
    snprintf(out.name, sizeof out.name, "%s", name);
    snprintf(out.source, sizeof out.source, "%s", source);
    snprintf(out.other, sizeof out.other, "%s", other);
    return out;
}

/* A layer's gates of one kind of input, `name` in the canonical names, `which` in PyTorch's. */
static void list_gates(br_tensor_need out[2], size_t layer, const char *name, const char *which,
                       size_t gates, size_t inputs)
{
    static const char *const parts[] = {"weight", "bias"};
    for (size_t i = 0; i < 2; i++) {
        char canonical[BR_TENSOR_NAME_SIZE], source[BR_TENSOR_NAME_SIZE],
            other[BR_TENSOR_NAME_SIZE];
        snprintf(canonical, sizeof canonical, "lstm.layer.%zu.%s.%s", layer, name, parts[i]);
        snprintf(source, sizeof source, "rnn.%s_%s_l%zu", parts[i], which, layer);
        snprintf(other, sizeof other, "lstm.%s_%s_l%zu", parts[i], which, layer);
        out[i] = need(canonical, source, other, gates, i == 0 ? inputs : 0);
        out[i].linear = i == 0;
    }
}

/* A tied decoder's weight is the embedding's, so its bias is called the embedding's, too. */
static size_t list(const br_model_config *config, br_tensor_need *out)
{
    size_t layers = config->num_hidden_layers, hidden = config->hidden_size;
    size_t words = config->vocab_size, inputs = config->embedding_size;
    size_t count = 1 + 4 * layers + (config->tie_weights ? 1 : 2);
    if (!out)
        return count;
    *out++ = need("embedding.weight", "encoder.weight", "embedding.weight", words, inputs);
    for (size_t i = 0; i < layers; i++, out += 4) {
        list_gates(out, i, "input", "ih", 4 * hidden, i == 0 ? inputs : hidden);
        list_gates(out + 2, i, "hidden", "hh", 4 * hidden, hidden);
    }
    if (!config->tie_weights) {
        *out = need("decoder.weight", "decoder.weight", "fc.weight", words, hidden);
        out++->linear = true;
    }
    *out = need(config->tie_weights ? "embedding.bias" : "decoder.bias", "decoder.bias", "fc.bias",
                words, 0);
    return count;
}

static const br_encoder_spec spec = {
    .network = BR_NETWORK_LSTM,
    .prefix = prefix,
    .config_fields = fields,
    .num_config_fields = sizeof fields / sizeof *fields,
    .list = list,
};

static const br_architecture members[] = {
    {"LSTMModel", &spec, BR_POOLER_NEVER, {NULL}},
};

const br_family br_lstm_family = {members, sizeof members / sizeof *members};
