#include "models/model_config.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/memory.h"
#include "models/architecture.h"

void br_model_config_free(br_model_config *config)
{
    for (size_t i = 0; config->labels && i < config->num_labels; i++)
        br_free(config->labels[i]);
    for (size_t i = 0; i < config->num_prompts; i++) {
        br_free((char *)config->prompts[i].name);
        br_free((char *)config->prompts[i].text);
    }
    br_free(config->labels);
    br_free(config->prompts);
    br_free(config->default_prompt_name);
    br_free(config->architecture);
    *config = (br_model_config){0};
}

bertrun_status br_model_config_alloc_labels(br_model_config *config, size_t count,
                                            bertrun_error *error)
{
    config->labels = br_calloc(count, sizeof *config->labels);
    if (!config->labels)
        return br_fail_nomem(error);
    config->num_labels = count;
    return BERTRUN_OK;
}

/* Largest sizes believed. A row of more than 66,311 products of u8 and s8 could overflow an int32
 * sum, so hidden and intermediate rows end below that; ids are int32 and type ids uint8. */
typedef struct limit {
    const char *name;
    size_t offset, least, most;
} limit;

static const limit encoder_limits[] = {
    {"vocab_size", offsetof(br_model_config, vocab_size), 1, INT32_MAX},
    {"hidden_size", offsetof(br_model_config, hidden_size), 1, 65536},
    {"intermediate_size", offsetof(br_model_config, intermediate_size), 1, 65536},
    {"num_hidden_layers", offsetof(br_model_config, num_hidden_layers), 1, 1024},
    {"num_attention_heads", offsetof(br_model_config, num_attention_heads), 1, 65536},
    {"max_position_embeddings", offsetof(br_model_config, max_position_embeddings), 1, 1 << 20},
    {"type_vocab_size", offsetof(br_model_config, type_vocab_size), 0, 256},
    {"num_labels", offsetof(br_model_config, num_labels), 0, 1 << 20},
};

static const limit lstm_limits[] = {
    {"ntoken", offsetof(br_model_config, vocab_size), 1, INT32_MAX},
    {"ninp", offsetof(br_model_config, embedding_size), 1, 65536},
    {"nhid", offsetof(br_model_config, hidden_size), 1, 65536},
    {"nlayers", offsetof(br_model_config, num_hidden_layers), 1, 1024},
};

static bertrun_status check_limits(const br_model_config *config, const limit *limits, size_t count,
                                   const char *file, bertrun_error *error)
{
    for (size_t i = 0; i < count; i++) {
        size_t value = *(const size_t *)((const char *)config + limits[i].offset);
        if (value < limits[i].least || value > limits[i].most)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: %s is %zu, must be %zu to %zu", file,
                           limits[i].name, value, limits[i].least, limits[i].most);
    }
    return BERTRUN_OK;
}

static bertrun_status check_dense(const br_model_config *config, const char *file,
                                  bertrun_error *error)
{
    size_t width = config->hidden_size;
    for (size_t i = 0; i < config->num_dense; i++) {
        const br_dense_config *dense = &config->dense[i];
        if (dense->in_features != width || dense->out_features < 1 || dense->out_features > 65536)
            return br_fail(error, BERTRUN_ERR_FORMAT,
                           "%s: Dense module %zu is %zu x %zu after rows of %zu", file, i,
                           dense->in_features, dense->out_features, width);
        width = dense->out_features;
    }
    return BERTRUN_OK;
}

static bertrun_status check_lstm(const br_model_config *config, const char *file,
                                 bertrun_error *error)
{
    BR_TRY(
        check_limits(config, lstm_limits, sizeof lstm_limits / sizeof *lstm_limits, file, error));
    if (config->tie_weights && config->embedding_size != config->hidden_size)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: tie_weights needs nhid equal to ninp, they are %zu and %zu", file,
                       config->hidden_size, config->embedding_size);
    return BERTRUN_OK;
}

static bertrun_status check_encoder(const br_model_config *config, const char *file,
                                    bertrun_error *error)
{
    BR_TRY(check_limits(config, encoder_limits, sizeof encoder_limits / sizeof *encoder_limits,
                        file, error));
    if (config->hidden_size % config->num_attention_heads != 0)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: hidden_size %zu is not a multiple of num_attention_heads %zu", file,
                       config->hidden_size, config->num_attention_heads);
    if (!(config->layer_norm_eps > 0 && config->layer_norm_eps < 1))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: layer_norm_eps is %g, must be in (0, 1)",
                       file, (double)config->layer_norm_eps);
    if (config->max_length > config->max_position_embeddings)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: max_length %zu exceeds the %zu positions",
                       file, config->max_length, config->max_position_embeddings);
    return check_dense(config, file, error);
}

bertrun_status br_model_config_check(const br_model_config *config, const char *file,
                                     bertrun_error *error)
{
    return config->network == BR_NETWORK_LSTM ? check_lstm(config, file, error)
                                              : check_encoder(config, file, error);
}

static bertrun_status copy_string(const char **out, const json_t *value, const char *file,
                                  const char *key, bertrun_error *error)
{
    if (!json_is_string(value))
        return br_field_fail(file, key, "does not hold strings", error);
    *out = br_strndup(json_string_value(value), json_string_length(value));
    return *out ? BERTRUN_OK : br_fail_nomem(error);
}

bertrun_status br_model_config_read_prompts(br_model_config *config, const json_t *object,
                                            const char *file, bertrun_error *error)
{
    static const br_field fields[] = {
        {"default_prompt_name", BR_FIELD_STRING, false,
         offsetof(br_model_config, default_prompt_name), NULL},
    };
    BR_TRY(br_fields_read(object, fields, 1, config, file, error));
    json_t *prompts = json_object_get(object, "prompts");
    if (prompts && !json_is_object(prompts) && !json_is_null(prompts))
        return br_field_fail(file, "prompts", "is not an object", error);
    config->prompts = br_calloc(json_object_size(prompts), sizeof *config->prompts);
    if (!config->prompts)
        return br_fail_nomem(error);
    const char *name;
    json_t *text;
    json_object_foreach(prompts, name, text)
    {
        bertrun_prompt *prompt = &config->prompts[config->num_prompts++];
        prompt->name = br_strndup(name, strlen(name));
        if (!prompt->name)
            return br_fail_nomem(error);
        BR_TRY(copy_string(&prompt->text, text, file, "prompts", error));
    }
    return BERTRUN_OK;
}

/* ------------------------------------------------------------------- as a `.bin` stores it */

static const br_field_name activations[] = {
    {"identity", BR_ACTIVATION_IDENTITY},  {"gelu", BR_ACTIVATION_GELU},
    {"gelu_new", BR_ACTIVATION_GELU_TANH}, {"relu", BR_ACTIVATION_RELU},
    {"tanh", BR_ACTIVATION_TANH},          {NULL, 0},
};

static const br_field_name poolings[] = {
    {"auto", BERTRUN_POOLING_AUTO},
    {"mean", BERTRUN_POOLING_MEAN},
    {"cls", BERTRUN_POOLING_CLS},
    {"max", BERTRUN_POOLING_MAX},
    {"pooler", BERTRUN_POOLING_POOLER},
    {"weighted-mean", BERTRUN_POOLING_WEIGHTED_MEAN},
    {"last-token", BERTRUN_POOLING_LAST_TOKEN},
    {NULL, 0},
};

static const br_field_name scores[] = {
    {"softmax", BERTRUN_SCORES_SOFTMAX},
    {"sigmoid", BERTRUN_SCORES_SIGMOID},
    {"identity", BERTRUN_SCORES_IDENTITY},
    {NULL, 0},
};

#define MEMBER(member) offsetof(br_model_config, member)

static const br_field architecture_field = {"architecture", BR_FIELD_STRING, true,
                                            MEMBER(architecture), NULL};

static const br_field encoder_fields[] = {
    {"vocab_size", BR_FIELD_SIZE, true, MEMBER(vocab_size), NULL},
    {"hidden_size", BR_FIELD_SIZE, true, MEMBER(hidden_size), NULL},
    {"intermediate_size", BR_FIELD_SIZE, true, MEMBER(intermediate_size), NULL},
    {"num_hidden_layers", BR_FIELD_SIZE, true, MEMBER(num_hidden_layers), NULL},
    {"num_attention_heads", BR_FIELD_SIZE, true, MEMBER(num_attention_heads), NULL},
    {"max_position_embeddings", BR_FIELD_SIZE, true, MEMBER(max_position_embeddings), NULL},
    {"type_vocab_size", BR_FIELD_SIZE, true, MEMBER(type_vocab_size), NULL},
    {"layer_norm_eps", BR_FIELD_FLOAT, true, MEMBER(layer_norm_eps), NULL},
    {"hidden_act", BR_FIELD_NAME, true, MEMBER(hidden_act), activations},
    {"has_pooler", BR_FIELD_BOOL, true, MEMBER(has_pooler), NULL},
    {"scores", BR_FIELD_NAME, false, MEMBER(scores), scores},
    {"own_decoder", BR_FIELD_BOOL, false, MEMBER(own_decoder), NULL},
    {"max_length", BR_FIELD_SIZE, true, MEMBER(max_length), NULL},
    {"pooling", BR_FIELD_NAME, true, MEMBER(pooling), poolings},
    {"normalize", BR_FIELD_BOOL, true, MEMBER(normalize), NULL},
    {"default_prompt_name", BR_FIELD_STRING, false, MEMBER(default_prompt_name), NULL},
    {"include_prompt", BR_FIELD_BOOL, false, MEMBER(include_prompt), NULL},
};
enum { NUM_ENCODER_FIELDS = sizeof encoder_fields / sizeof *encoder_fields };

static const br_field lstm_fields[] = {
    {"vocab_size", BR_FIELD_SIZE, true, MEMBER(vocab_size), NULL},
    {"embedding_size", BR_FIELD_SIZE, true, MEMBER(embedding_size), NULL},
    {"hidden_size", BR_FIELD_SIZE, true, MEMBER(hidden_size), NULL},
    {"num_hidden_layers", BR_FIELD_SIZE, true, MEMBER(num_hidden_layers), NULL},
    {"tie_weights", BR_FIELD_BOOL, true, MEMBER(tie_weights), NULL},
};
enum { NUM_LSTM_FIELDS = sizeof lstm_fields / sizeof *lstm_fields };

static const br_field dense_fields[] = {
    {"in_features", BR_FIELD_SIZE, true, offsetof(br_dense_config, in_features), NULL},
    {"out_features", BR_FIELD_SIZE, true, offsetof(br_dense_config, out_features), NULL},
    {"bias", BR_FIELD_BOOL, true, offsetof(br_dense_config, bias), NULL},
    {"activation", BR_FIELD_NAME, true, offsetof(br_dense_config, activation), activations},
};
enum { NUM_DENSE_FIELDS = sizeof dense_fields / sizeof *dense_fields };

static bool write_lists(const br_model_config *config, json_t *labels, json_t *dense,
                        json_t *prompts)
{
    bool ok = true;
    for (size_t i = 0; i < config->num_labels; i++)
        ok = ok && json_array_append_new(labels, json_string(config->labels[i])) == 0;
    for (size_t i = 0; i < config->num_dense; i++) {
        json_t *entry = json_object();
        ok = ok && br_fields_write(entry, dense_fields, NUM_DENSE_FIELDS, &config->dense[i]);
        ok = json_array_append_new(dense, entry) == 0 && ok;
    }
    for (size_t i = 0; i < config->num_prompts; i++)
        ok = ok && json_object_set_new(prompts, config->prompts[i].name,
                                       json_string(config->prompts[i].text)) == 0;
    return ok;
}

/* Adding a NULL value fails, so one check does. */
static bool write_encoder(const br_model_config *config, json_t *object)
{
    json_t *labels = json_array(), *dense = json_array(), *prompts = json_object();
    bool ok = br_fields_write(object, encoder_fields, NUM_ENCODER_FIELDS, config) &&
              write_lists(config, labels, dense, prompts);
    ok = json_object_set_new(object, "labels", labels) == 0 && ok;
    ok = json_object_set_new(object, "dense", dense) == 0 && ok;
    return json_object_set_new(object, "prompts", prompts) == 0 && ok;
}

/* The whole object, or NULL where memory ran out. */
static json_t *to_object(const br_model_config *config)
{
    json_t *object = json_object();
    bool ok = br_fields_write(object, &architecture_field, 1, config);
    if (config->network == BR_NETWORK_LSTM)
        ok = ok && br_fields_write(object, lstm_fields, NUM_LSTM_FIELDS, config);
    else
        ok = write_encoder(config, object) && ok;
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}

bertrun_status br_model_config_to_json(const br_model_config *config, char **out,
                                       bertrun_error *error)
{
    json_t *object = to_object(config);
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(9); /* nine digits give a float back */
    size_t size = object ? json_dumpb(object, NULL, 0, flags) : 0;
    char *text = size ? br_alloc(size + 1, 1) : NULL;
    if (text) {
        json_dumpb(object, text, size, flags);
        text[size] = '\0';
    }
    json_decref(object);
    *out = text;
    return text ? BERTRUN_OK : br_fail_nomem(error);
}

static bertrun_status read_labels(br_model_config *config, const json_t *labels, const char *file,
                                  bertrun_error *error)
{
    BR_TRY(br_model_config_alloc_labels(config, json_array_size(labels), error));
    for (size_t i = 0; i < config->num_labels; i++)
        BR_TRY(copy_string((const char **)&config->labels[i], json_array_get(labels, i), file,
                           "labels", error));
    return BERTRUN_OK;
}

/* Before the field was there, every classifier's scores were a softmax, whatever it was for. */
static bertrun_status check_scores(const br_model_config *config, const json_t *object,
                                   const char *file, bertrun_error *error)
{
    if (config->num_labels == 0 || json_is_string(json_object_get(object, "scores")))
        return BERTRUN_OK;
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                   "%s: an earlier bertrun wrote it, without \"scores\": convert the model again",
                   file);
}

static bertrun_status read_dense(br_model_config *config, const json_t *dense, const char *file,
                                 bertrun_error *error)
{
    if (dense && !json_is_array(dense))
        return br_field_fail(file, "dense", "is not an array", error);
    config->num_dense = json_array_size(dense);
    if (config->num_dense > BR_MAX_DENSE)
        return br_field_fail(file, "dense", "has too many modules", error);
    for (size_t i = 0; i < config->num_dense; i++)
        BR_TRY(br_fields_read(json_array_get(dense, i), dense_fields, NUM_DENSE_FIELDS,
                              &config->dense[i], file, error));
    return BERTRUN_OK;
}

static bertrun_status from_object(br_model_config *config, const json_t *object, const char *file,
                                  bertrun_error *error)
{
    const br_architecture *architecture;
    BR_TRY(br_fields_read(object, &architecture_field, 1, config, file, error));
    BR_TRY(br_architecture_find(&architecture, config->architecture, file, error));
    config->network = architecture->encoder->network;
    if (config->network == BR_NETWORK_LSTM)
        return br_fields_read(object, lstm_fields, NUM_LSTM_FIELDS, config, file, error);
    BR_TRY(br_fields_read(object, encoder_fields, NUM_ENCODER_FIELDS, config, file, error));
    BR_TRY(read_labels(config, json_object_get(object, "labels"), file, error));
    BR_TRY(check_scores(config, object, file, error));
    BR_TRY(read_dense(config, json_object_get(object, "dense"), file, error));
    return br_model_config_read_prompts(config, object, file, error);
}

bertrun_status br_model_config_from_json(br_model_config *out, const char *text, const char *file,
                                         bertrun_error *error)
{
    json_t *object;
    *out = (br_model_config){.include_prompt = true};
    BR_TRY(br_json_parse(&object, text, strlen(text), file, error));
    bertrun_status status = from_object(out, object, file, error);
    json_decref(object);
    if (status != BERTRUN_OK)
        br_model_config_free(out);
    return status;
}
