#include "models/architecture.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"

static const br_family *const families[] = {
    &br_bert_family,
    &br_distilbert_family,
    &br_lstm_family,
};
enum { NUM_FAMILIES = sizeof families / sizeof *families };

const br_field_name br_hidden_activations[] = {
    {"gelu", BR_ACTIVATION_GELU},
    {"gelu_new", BR_ACTIVATION_GELU_TANH},
    {"gelu_pytorch_tanh", BR_ACTIVATION_GELU_TANH},
    {"relu", BR_ACTIVATION_RELU},
    {NULL, 0},
};

static void list_names(char *out, size_t size)
{
    size_t used = 0;
    for (size_t f = 0; f < NUM_FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
                                     families[f]->members[i].name);
}

bertrun_status br_architecture_find(const br_architecture **out, const char *name, const char *file,
                                    bertrun_error *error)
{
    char known[512];
    for (size_t f = 0; f < NUM_FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            if (strcmp(families[f]->members[i].name, name) == 0) {
                *out = &families[f]->members[i];
                return BERTRUN_OK;
            }
    list_names(known, sizeof known);
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                   "%s: architecture \"%.64s\" is not supported (%s are)", file, name, known);
}

const br_head_spec *br_architecture_labelled_head(const br_architecture *architecture)
{
    for (size_t i = 0; i < BR_MAX_HEADS; i++)
        if (architecture->heads[i] && architecture->heads[i]->has_labels)
            return architecture->heads[i];
    return NULL;
}

static size_t count_fixed_labels(const br_head_spec *head)
{
    size_t count = 0;
    while (head->labels[count])
        count++;
    return count;
}

bertrun_status br_architecture_check(const br_architecture *architecture,
                                     const br_model_config *config, const char *file,
                                     bertrun_error *error)
{
    const br_head_spec *head = br_architecture_labelled_head(architecture);
    size_t fixed = head ? count_fixed_labels(head) : 0;
    if (architecture->pooler != BR_POOLER_OPTIONAL &&
        config->has_pooler != (architecture->pooler == BR_POOLER_ALWAYS))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: %s %s a pooler", file, architecture->name,
                       config->has_pooler ? "does not have" : "needs");
    if ((head != NULL) != (config->num_labels != 0))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: %s %s labels", file, architecture->name,
                       config->num_labels ? "does not have" : "needs");
    if (fixed && config->num_labels != fixed)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: %s has %zu labels, not %zu", file,
                       architecture->name, fixed, config->num_labels);
    return BERTRUN_OK;
}

/* A list under construction: with `needs` NULL it only counts. */
typedef struct need_list {
    const char *prefix;
    br_tensor_need *needs;
    size_t count;
} need_list;

static void add_need(need_list *list, const br_tensor_need *module, const char *part, size_t rank,
                     bool quantizable)
{
    if (list->needs) {
        br_tensor_need *need = &list->needs[list->count];
        *need = *module;
        need->rank = rank;
        need->quantizable = quantizable;
        strncat(need->name, part, sizeof need->name - strlen(need->name) - 1);
        strncat(need->source, part, sizeof need->source - strlen(need->source) - 1);
        if (need->other[0])
            strncat(need->other, part, sizeof need->other - strlen(need->other) - 1);
    }
    list->count++;
}

static void add_optional(need_list *list, const br_tensor_need *module, const char *part)
{
    add_need(list, module, part, 1, false);
    if (list->needs)
        list->needs[list->count - 1].optional = true;
}

/* The tensors of one module, whose names and shape [rows, columns] stand in `module`. */
static void add_module(need_list *list, br_module_kind kind, bool bias,
                       const br_tensor_need *module)
{
    bool norm = kind == BR_MODULE_LAYER_NORM || kind == BR_MODULE_RESIDUAL_NORM;
    bool linear =
        kind == BR_MODULE_LINEAR || kind == BR_MODULE_SCALED_LINEAR || kind == BR_MODULE_DECODER;
    if (kind != BR_MODULE_DECODER_BIAS)
        add_need(list, module, ".weight", norm ? 1 : 2, linear || kind == BR_MODULE_WORD_EMBEDDING);
    if (list->needs && linear)
        list->needs[list->count - 1].linear = true;
    if (bias)
        add_need(list, module, ".bias", 1, false);
    if (kind == BR_MODULE_RESIDUAL_NORM)
        add_optional(list, module, ".residual_scale");
    if (kind == BR_MODULE_SCALED_LINEAR)
        add_optional(list, module, ".output_scale");
}

static bool has_bias(br_module_kind kind)
{
    return kind != BR_MODULE_WORD_EMBEDDING && kind != BR_MODULE_EMBEDDING &&
           kind != BR_MODULE_DECODER;
}

static bool is_absent(const br_module_spec *spec, const br_model_config *config)
{
    if (spec->kind == BR_MODULE_DECODER)
        return !config->own_decoder;
    return spec->only_if && !*(const bool *)((const char *)config + spec->only_if);
}

static size_t member(const br_model_config *config, size_t offset)
{
    return *(const size_t *)((const char *)config + offset);
}

/* Files of a decoder with its own weight may hold two biases, of which its own is the one that
 * counts; those of a tied decoder hold one, mostly under the source's name. */
static void name_decoder_bias(const br_module_spec *spec, const br_model_config *config,
                              br_tensor_need *module)
{
    if (!spec->source)
        return;
    snprintf(module->source, sizeof module->source, "%s",
             config->own_decoder ? spec->name : spec->source);
    snprintf(module->other, sizeof module->other, "%s",
             config->own_decoder ? spec->source : spec->name);
}

static void add_spec(need_list *list, const br_module_spec *spec, const br_model_config *config,
                     size_t layer)
{
    if (!spec->name)
        return;
    br_tensor_need module = {.prefix = list->prefix,
                             .shape = {member(config, spec->rows), member(config, spec->columns)}};
    if (module.shape[0] == 0 || is_absent(spec, config))
        return;
    snprintf(module.name, sizeof module.name, spec->name, layer);
    snprintf(module.source, sizeof module.source, spec->source ? spec->source : spec->name, layer);
    if (spec->kind == BR_MODULE_DECODER_BIAS)
        name_decoder_bias(spec, config, &module);
    add_module(list, spec->kind, has_bias(spec->kind), &module);
}

static bool is_layered(const br_module_spec *spec)
{
    return spec->name && strstr(spec->name, "%zu");
}

static void add_specs(need_list *list, const br_module_spec *specs, size_t count,
                      const br_model_config *config)
{
    size_t i = 0;
    while (i < count) {
        bool layered = is_layered(&specs[i]);
        size_t end = i + 1, times = layered ? config->num_hidden_layers : 1;
        while (layered && end < count && is_layered(&specs[end]))
            end++;
        for (size_t layer = 0; layer < times; layer++)
            for (size_t j = i; j < end; j++)
                add_spec(list, &specs[j], config, layer);
        i = end;
    }
}

static void add_dense(need_list *list, const br_model_config *config)
{
    for (size_t i = 0; i < config->num_dense; i++) {
        const br_dense_config *dense = &config->dense[i];
        br_tensor_need module = {.source = "linear",
                                 .prefix = "",
                                 .dense = true,
                                 .dense_index = i,
                                 .shape = {dense->out_features, dense->in_features}};
        snprintf(module.name, sizeof module.name, "dense.%zu.linear", i);
        add_module(list, BR_MODULE_LINEAR, dense->bias, &module);
    }
}

static void add_all(need_list *list, const br_architecture *architecture,
                    const br_model_config *config)
{
    const br_encoder_spec *encoder = architecture->encoder;
    list->count = encoder->list ? encoder->list(config, list->needs) : 0;
    add_specs(list, encoder->modules, encoder->num_modules, config);
    for (size_t i = 0; i < BR_MAX_HEADS; i++)
        if (architecture->heads[i])
            add_specs(list, architecture->heads[i]->modules, architecture->heads[i]->num_modules,
                      config);
    add_dense(list, config);
}

bertrun_status br_architecture_needs(const br_architecture *architecture,
                                     const br_model_config *config, br_tensor_need **out,
                                     size_t *count, bertrun_error *error)
{
    need_list list = {.prefix = architecture->encoder->prefix};
    add_all(&list, architecture, config);
    list.needs = br_alloc(list.count, sizeof *list.needs);
    if (!list.needs)
        return br_fail_nomem(error);
    add_all(&list, architecture, config);
    *out = list.needs;
    *count = list.count;
    return BERTRUN_OK;
}
