/* The comparison for programs: one JSON object. */
#include <jansson.h>

#include "cli/comparison.h"

/* A figure that is not finite is null. */
static void set_figures(json_t *object, const compare_figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_real(figures[i].value); /* NULL where it is not finite */
        json_object_set_new(object, figures[i].metric.key, value ? value : json_null());
    }
}

static json_t *layers_json(const compared *model)
{
    if (!model->layer_errors)
        return json_null();
    json_t *array = json_array();
    for (size_t i = 0; i < model->facts.num_states; i++)
        json_array_append_new(array, json_real(model->layer_errors[i]));
    return array;
}

static json_t *model_json(const comparison *c, size_t index)
{
    const compared *model = &c->models[index];
    compare_figure figures[COMPARE_MAX_FIGURES];
    json_t *object = json_pack("{ss ss ss ss ss ss}", "name", model->model->name, "file",
                               model->model->path, "architecture", model->facts.architecture,
                               "stored_dtype", model->facts.stored_dtype, "precision",
                               bertrun_precision_name(model->facts.precision), "activations",
                               bertrun_activations_name(model->facts.activations));
    set_figures(object, figures, comparison_quality(c, index, figures));
    set_figures(object, figures, comparison_cost(c, index, figures));
    if (model->facts.num_states > 0)
        json_object_set_new(object, "layer_errors", layers_json(model));
    return object;
}

/* What all models were run over. */
static json_t *head_json(const comparison *c)
{
    const worker_facts *facts = &c->models[0].facts;
    const compare_options *options = c->options;
    if (c->data->kind == BERTRUN_KIND_LM)
        return json_pack("{ss ss sI sI si sI sI}", "task", c->task->name, "data", c->data->name,
                         "words", (json_int_t)c->rows, "unknown_words", (json_int_t)facts->unknown,
                         "threads", facts->threads, "batch_size", (json_int_t)options->batch_size,
                         "bptt", (json_int_t)options->bptt);
    return json_pack("{ss ss sI sI sI sI si sI}", "task", c->task->name, "data", c->data->name,
                     "rows", (json_int_t)c->rows, "texts", (json_int_t)c->inputs, "tokens",
                     (json_int_t)c->tokens, "truncated_texts", (json_int_t)c->truncated, "threads",
                     facts->threads, "batch_size", (json_int_t)options->batch_size);
}

bool compare_write_json(const comparison *c, FILE *stream)
{
    json_t *object = head_json(c), *models = json_array();
    for (size_t i = 0; i < c->num_models; i++)
        json_array_append_new(models, model_json(c, i));
    if (json_object_set_new(object, "models", models) != 0) {
        cli_fail("out of memory");
        json_decref(object);
        return false;
    }
    json_dumpf(object, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', stream);
    json_decref(object);
    return true;
}
