#include "engine/head_load.h"

bertrun_status br_layer_norm_load(br_layer_norm *out, const br_checkpoint *checkpoint,
                                  const char *name, bertrun_error *error)
{
    const br_tensor *weight = br_checkpoint_find(checkpoint, "%s.weight", name);
    const br_tensor *bias = br_checkpoint_find(checkpoint, "%s.bias", name);
    const br_tensor *scale = br_checkpoint_find(checkpoint, "%s.residual_scale", name);
    const br_model_config *config = br_checkpoint_config(checkpoint);
    size_t hidden = config->hidden_size;
    out->memory = br_alloc(3 * hidden, sizeof(float));
    if (!out->memory)
        return br_fail_nomem(error);
    out->norm = (br_norm){.gamma = out->memory,
                          .beta = out->memory + hidden,
                          .epsilon = config->layer_norm_eps,
                          .residual_scale = scale ? out->memory + 2 * hidden : NULL};
    br_tensor_to_f32(weight, 0, hidden, out->memory);
    br_tensor_to_f32(bias, 0, hidden, out->memory + hidden);
    if (scale)
        br_tensor_to_f32(scale, 0, hidden, out->memory + 2 * hidden);
    return BERTRUN_OK;
}

static bertrun_status add_linear(br_head *head, const char *name, const br_packer *packer,
                                 bertrun_error *error)
{
    br_dense *dense = &head->layers[head->num_layers++];
    return br_linear_pack(&dense->linear, packer, &(br_linear_part){name, 1}, 1, error);
}

/* A decoder without its own weights has those of the word embeddings, which have no bias. */
static bertrun_status add_decoder(br_head *head, const char *name, const br_packer *packer,
                                  bertrun_error *error)
{
    const br_checkpoint *checkpoint = packer->checkpoint;
    bool own = br_checkpoint_config(checkpoint)->own_decoder;
    BR_TRY(add_linear(head, own ? name : "embeddings.word_embeddings", packer, error));
    br_linear *linear = &head->layers[head->num_layers - 1].linear;
    br_tensor_to_f32(br_checkpoint_find(checkpoint, "%s.bias", name), 0, linear->out,
                     linear->channels + 2 * linear->n);
    return BERTRUN_OK;
}

static bertrun_status add_module(br_head *head, const br_module_spec *module,
                                 const br_packer *packer, bertrun_error *error)
{
    br_dense *last = head->num_layers ? &head->layers[head->num_layers - 1] : NULL;
    switch (module->kind) {
    case BR_MODULE_LINEAR:
        return add_linear(head, module->name, packer, error);
    case BR_MODULE_DECODER:
        return add_decoder(head, module->name, packer, error);
    case BR_MODULE_LAYER_NORM:
        return br_layer_norm_load(&last->layer_norm, packer->checkpoint, module->name, error);
    case BR_MODULE_RELU:
        last->activation = BR_ACTIVATION_RELU;
        return BERTRUN_OK;
    case BR_MODULE_HIDDEN_ACT:
        last->activation = br_checkpoint_config(packer->checkpoint)->hidden_act;
        return BERTRUN_OK;
    default:
        return BERTRUN_OK; /* the decoder's bias came with it */
    }
}

bertrun_status br_head_load(br_head *out, const br_head_spec *spec, const br_packer *packer,
                            bertrun_error *error)
{
    *out = (br_head){.spec = spec};
    for (size_t i = 0; i < spec->num_modules; i++)
        BR_TRY(add_module(out, &spec->modules[i], packer, error));
    return BERTRUN_OK;
}

void br_head_free(br_head *head)
{
    for (size_t i = 0; i < BR_MAX_HEAD_LAYERS; i++) {
        br_linear_free(&head->layers[i].linear);
        br_free(head->layers[i].layer_norm.memory);
    }
    *head = (br_head){0};
}

const br_head *br_model_head(const bertrun_model *model, bertrun_task task, bertrun_error *error)
{
    for (size_t i = 0; i < model->num_heads; i++)
        if (model->heads[i].spec->task == task)
            return &model->heads[i];
    br_fail(error, BERTRUN_ERR_UNSUPPORTED, "task %s: %s has no such head%s%s",
            bertrun_task_name(task), model->info.architecture,
            model->num_heads ? "; its own is for " : "",
            model->num_heads ? bertrun_task_name(model->info.task) : "");
    return NULL;
}
