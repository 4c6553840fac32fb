#include "models/hf_labels.h"

#include <stdio.h>
#include <string.h>

#include "common/memory.h"

/* Labels without names are called what transformers calls them. */
static bertrun_status name_label(char **out, const json_t *id2label, size_t index, const char *file,
                                 bertrun_error *error)
{
    char key[32], fallback[48];
    snprintf(key, sizeof key, "%zu", index);
    snprintf(fallback, sizeof fallback, "LABEL_%zu", index);
    const json_t *value = json_object_get(id2label, key);
    const char *name = id2label ? json_string_value(value) : fallback;
    if (!name)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       value ? "%s: in \"id2label\" the name of label %zu is no string"
                             : "%s: \"id2label\" has no name for label %zu",
                       file, index);
    *out = br_strndup(name, strlen(name));
    return *out ? BERTRUN_OK : br_fail_nomem(error);
}

static bertrun_status read_names(br_model_config *config, const json_t *root, const char *file,
                                 bertrun_error *error)
{
    const json_t *id2label = json_object_get(root, "id2label");
    const json_t *num_labels = json_object_get(root, "num_labels");
    size_t count = 2; /* transformers' default */
    if (json_is_object(id2label))
        count = json_object_size(id2label);
    else if (json_is_integer(num_labels))
        count = (size_t)json_integer_value(num_labels);
    if (count < 1 || count > 1 << 20)
        return br_field_fail(file, "num_labels", "is out of range", error);
    BR_TRY(br_model_config_alloc_labels(config, count, error));
    for (size_t i = 0; i < count; i++)
        BR_TRY(name_label(&config->labels[i], json_is_object(id2label) ? id2label : NULL, i, file,
                          error));
    return BERTRUN_OK;
}

static bertrun_status copy_names(br_model_config *config, const char *const *names,
                                 bertrun_error *error)
{
    BR_TRY(br_model_config_alloc_labels(config, 2, error));
    for (size_t i = 0; i < 2; i++) {
        config->labels[i] = br_strndup(names[i], strlen(names[i]));
        if (!config->labels[i])
            return br_fail_nomem(error);
    }
    return BERTRUN_OK;
}

/* sentence-transformers' CrossEncoder names a class of PyTorch's, newer versions in an object of
 * their own, older ones at the top. */
static const char *find_activation(const json_t *root)
{
    const json_t *newer = json_object_get(root, "sentence_transformers");
    const char *name = json_string_value(json_object_get(newer, "activation_fn"));
    return name ? name
                : json_string_value(json_object_get(root, "sbert_ce_default_activation_function"));
}

static bertrun_status read_cross_encoder(br_model_config *config, const char *activation,
                                         const char *file, bertrun_error *error)
{
    static const struct {
        const char *name;
        bertrun_scores scores;
    } known[] = {
        {"torch.nn.modules.linear.Identity", BERTRUN_SCORES_IDENTITY},
        {"torch.nn.modules.activation.Sigmoid", BERTRUN_SCORES_SIGMOID},
        {"torch.nn.modules.activation.Softmax", BERTRUN_SCORES_SOFTMAX},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, activation) == 0) {
            config->scores = known[i].scores;
            return BERTRUN_OK;
        }
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: activation_fn \"%.64s\" is not supported",
                   file, activation);
}

/* As transformers' pipeline chooses; a cross-encoder's own word goes before. */
static bertrun_status read_scores(br_model_config *config, const json_t *root, const char *file,
                                  bertrun_error *error)
{
    const char *problem = json_string_value(json_object_get(root, "problem_type"));
    const char *activation = find_activation(root);
    if (activation)
        return read_cross_encoder(config, activation, file, error);
    if (problem && strcmp(problem, "regression") == 0)
        config->scores = BERTRUN_SCORES_IDENTITY;
    else if (config->num_labels == 1 ||
             (problem && strcmp(problem, "multi_label_classification") == 0))
        config->scores = BERTRUN_SCORES_SIGMOID;
    return BERTRUN_OK;
}

bertrun_status br_hf_labels_read(br_model_config *config, const br_architecture *architecture,
                                 const json_t *root, const char *file, bertrun_error *error)
{
    const br_head_spec *head = br_architecture_labelled_head(architecture);
    if (!head)
        return BERTRUN_OK;
    if (head->labels[0])
        return copy_names(config, head->labels, error);
    BR_TRY(read_names(config, root, file, error));
    return head->task == BERTRUN_TASK_CLASSIFY ? read_scores(config, root, file, error)
                                               : BERTRUN_OK;
}
