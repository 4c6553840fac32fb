#include "models/checkpoint_private.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "models/fixed_params.h"

/* Something that fills an empty checkpoint from a path. */
typedef bertrun_status (*load_fn)(br_checkpoint *checkpoint, const char *path, bool map,
                                  bertrun_error *error);

static bertrun_status open_with(br_checkpoint **out, load_fn load, const char *path, bool map,
                                bertrun_error *error)
{
    *out = NULL;
    br_checkpoint *checkpoint = br_calloc(1, sizeof *checkpoint);
    if (!checkpoint)
        return br_fail_nomem(error);
    bertrun_status status = load(checkpoint, path, map, error);
    if (status == BERTRUN_OK)
        *out = checkpoint;
    else
        br_checkpoint_close(&checkpoint);
    return status;
}

bertrun_status br_checkpoint_open(br_checkpoint **out, const char *path, bool map,
                                  bertrun_error *error)
{
    load_fn load = br_path_is_directory(path) ? br_hf_directory_load : br_bin_file_load;
    return open_with(out, load, path, map, error);
}

bertrun_status br_checkpoint_open_tokenizer(br_checkpoint **out, const char *path, bool map,
                                            bertrun_error *error)
{
    return open_with(out, br_bin_file_load_tokenizer, path, map, error);
}

bertrun_status br_checkpoint_open_tensors(br_checkpoint **out, const br_tensor *tensors,
                                          size_t count, bertrun_error *error)
{
    *out = NULL;
    br_checkpoint *checkpoint = br_calloc(1, sizeof *checkpoint);
    if (!checkpoint)
        return br_fail_nomem(error);
    bertrun_status status = br_checkpoint_alloc_tensors(checkpoint, count, error);
    for (size_t i = 0; i < count && status == BERTRUN_OK; i++)
        status = br_checkpoint_take(checkpoint, &tensors[i], tensors[i].name, error);
    if (status != BERTRUN_OK)
        br_checkpoint_close(&checkpoint);
    *out = checkpoint;
    return status;
}

void br_checkpoint_close(br_checkpoint **checkpoint)
{
    br_checkpoint *c = *checkpoint;
    *checkpoint = NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->num_tensors; i++) {
        br_free((char *)c->tensors[i].name);
        br_free(c->owned[i]);
    }
    br_free(c->owned);
    for (size_t i = 0; i < c->num_files; i++)
        br_safetensors_close(&c->files[i]);
    for (size_t i = 0; i < c->num_fixed_inputs; i++)
        br_free(c->fixed_inputs[i].name);
    for (size_t i = 0; i < c->num_fixed_weights; i++) {
        br_free(c->fixed_weights[i].name);
        br_free(c->fixed_weights[i].scales);
    }
    br_model_config_free(&c->config);
    br_free(c->fixed_inputs);
    br_free(c->fixed_weights);
    br_free(c->tensors);
    br_free(c->files);
    br_free(c);
}

const br_model_config *br_checkpoint_config(const br_checkpoint *checkpoint)
{
    return &checkpoint->config;
}

const br_architecture *br_checkpoint_architecture(const br_checkpoint *checkpoint)
{
    return checkpoint->architecture;
}

const br_tensor *br_checkpoint_find(const br_checkpoint *checkpoint, const char *format, ...)
{
    char name[BR_TENSOR_NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < checkpoint->num_tensors; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0)
            return &checkpoint->tensors[i];
    return NULL;
}

size_t br_checkpoint_tensors(const br_checkpoint *checkpoint, const br_tensor **tensors)
{
    *tensors = checkpoint->tensors;
    return checkpoint->num_tensors;
}

uint64_t br_checkpoint_file_bytes(const br_checkpoint *checkpoint)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < checkpoint->num_files; i++)
        bytes += checkpoint->files[i].file.size;
    return bytes;
}

static bool overlap(const br_tensor *a, const br_tensor *b)
{
    const char *first = a->data, *second = b->data;
    return first < second + b->bytes && second < first + a->bytes;
}

bool br_checkpoint_shares_memory(const br_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->num_tensors; i++)
        for (size_t j = 0; j < i; j++)
            if (overlap(&checkpoint->tensors[i], &checkpoint->tensors[j]))
                return true;
    return false;
}

bool br_checkpoint_is_bin(const br_checkpoint *checkpoint)
{
    return checkpoint->is_bin;
}

bertrun_status br_checkpoint_alloc_files(br_checkpoint *checkpoint, size_t count,
                                         bertrun_error *error)
{
    checkpoint->files = br_calloc(count, sizeof *checkpoint->files);
    return checkpoint->files ? BERTRUN_OK : br_fail_nomem(error);
}

bertrun_status br_checkpoint_alloc_tensors(br_checkpoint *checkpoint, size_t count,
                                           bertrun_error *error)
{
    checkpoint->tensors = br_calloc(count, sizeof *checkpoint->tensors);
    checkpoint->owned = br_calloc(count, sizeof *checkpoint->owned);
    return checkpoint->tensors && checkpoint->owned ? BERTRUN_OK : br_fail_nomem(error);
}

bertrun_status br_checkpoint_take(br_checkpoint *checkpoint, const br_tensor *tensor,
                                  const char *name, bertrun_error *error)
{
    char *copy = br_strndup(name, strlen(name));
    if (!copy)
        return br_fail_nomem(error);
    br_tensor *taken = &checkpoint->tensors[checkpoint->num_tensors++];
    *taken = *tensor;
    taken->name = copy;
    return BERTRUN_OK;
}

bertrun_status br_checkpoint_put(br_checkpoint *checkpoint, const br_tensor *tensor,
                                 bertrun_error *error)
{
    const br_tensor *there = br_checkpoint_find(checkpoint, "%s", tensor->name);
    size_t index = there ? (size_t)(there - checkpoint->tensors) : checkpoint->num_tensors;
    if (!there) {
        bertrun_status status = br_checkpoint_take(checkpoint, tensor, tensor->name, error);
        if (status != BERTRUN_OK) {
            br_free((void *)tensor->data);
            return status;
        }
    }
    const char *name = checkpoint->tensors[index].name;
    br_free(checkpoint->owned[index]);
    checkpoint->owned[index] = (void *)tensor->data;
    checkpoint->tensors[index] = *tensor;
    checkpoint->tensors[index].name = name;
    return BERTRUN_OK;
}

static bertrun_status check_shape(const br_found *found, const br_tensor_need *need,
                                  bertrun_error *error)
{
    const br_tensor *tensor = found->tensor;
    if (tensor->rank == need->rank &&
        memcmp(tensor->shape, need->shape, need->rank * sizeof *need->shape) == 0)
        return BERTRUN_OK;
    char have[96], want[96];
    return br_fail(error, BERTRUN_ERR_FORMAT,
                   "%s: tensor \"%s\" has shape %s, the configuration asks for %s", found->path,
                   tensor->name,
                   br_tensor_shape_text(tensor->rank, tensor->shape, have, sizeof have),
                   br_tensor_shape_text(need->rank, need->shape, want, sizeof want));
}

/* A `.bin` has its vectors in F32 and may have its matrices in int8; a directory has floats only,
 * of any size. */
static bertrun_status check_dtype(const br_checkpoint *checkpoint, const br_found *found,
                                  const br_tensor_need *need, bertrun_error *error)
{
    br_dtype dtype = found->tensor->dtype;
    bool ok = br_dtype_is_float(dtype) || dtype == BR_DTYPE_F64;
    if (checkpoint->is_bin)
        ok = need->rank == 1
                 ? dtype == BR_DTYPE_F32
                 : br_dtype_is_float(dtype) || (need->quantizable && dtype == BR_DTYPE_S8);
    if (ok)
        return BERTRUN_OK;
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: tensor \"%s\" has dtype %s", found->path,
                   found->tensor->name, br_dtype_name(dtype));
}

/* Biases, scales and LayerNorm parameters are few, so that a look at each costs nothing. */
static bertrun_status check_finite(const br_found *found, bertrun_error *error)
{
    enum { BLOCK = 256 };
    float block[BLOCK];
    const br_tensor *tensor = found->tensor;
    size_t count = tensor->shape[0];
    for (size_t i = 0; i < count; i++) {
        if (i % BLOCK == 0)
            br_tensor_to_f32(tensor, i, count - i < BLOCK ? count - i : BLOCK, block);
        if (!isfinite(block[i % BLOCK]))
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is not finite at %zu",
                           found->path, tensor->name, i);
    }
    return BERTRUN_OK;
}

/* Nothing computes in F64: the tensor taken last becomes one of F32. */
static bertrun_status narrow(br_checkpoint *checkpoint, bertrun_error *error)
{
    br_tensor *tensor = &checkpoint->tensors[checkpoint->num_tensors - 1];
    float *values = br_tensor_widen(tensor);
    if (!values)
        return br_fail_nomem(error);
    checkpoint->owned[checkpoint->num_tensors - 1] = values;
    tensor->data = values;
    tensor->bytes = br_tensor_count(tensor) * sizeof *values;
    tensor->dtype = BR_DTYPE_F32;
    return BERTRUN_OK;
}

static bertrun_status fail_missing(const br_checkpoint *checkpoint, const br_tensor_need *need,
                                   const char *path, bertrun_error *error)
{
    if (checkpoint->is_bin || !need->other[0])
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is missing", path,
                       checkpoint->is_bin ? need->name : need->source);
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" (or \"%s\") is missing", path,
                   need->source, need->other);
}

static bertrun_status bind_tensor(br_checkpoint *checkpoint, const br_tensor_need *need,
                                  br_find_fn find, const char *path, bertrun_error *error)
{
    br_found found = find(checkpoint, need);
    if (!found.tensor)
        return fail_missing(checkpoint, need, found.path ? found.path : path, error);
    BR_TRY(check_shape(&found, need, error));
    BR_TRY(check_dtype(checkpoint, &found, need, error));
    if (need->rank == 1)
        BR_TRY(check_finite(&found, error));
    BR_TRY(br_checkpoint_take(checkpoint, found.tensor, need->name, error));
    if (found.tensor->dtype == BR_DTYPE_F64)
        BR_TRY(narrow(checkpoint, error));
    checkpoint->tensors[checkpoint->num_tensors - 1].quantizable = need->quantizable;
    checkpoint->tensors[checkpoint->num_tensors - 1].linear = need->linear;
    return BERTRUN_OK;
}

/* A tensor, and the scales of its rows where it is int8; or nothing where it need not be there. */
static bertrun_status bind_with_scale(br_checkpoint *checkpoint, const br_tensor_need *need,
                                      br_find_fn find, const char *path, bertrun_error *error)
{
    if (need->optional && !(checkpoint->is_bin && find(checkpoint, need).tensor))
        return BERTRUN_OK;
    BR_TRY(bind_tensor(checkpoint, need, find, path, error));
    if (checkpoint->tensors[checkpoint->num_tensors - 1].dtype != BR_DTYPE_S8)
        return BERTRUN_OK;
    br_tensor_need scale = *need;
    scale.rank = 1;
    scale.quantizable = scale.linear = false;
    strncat(scale.name, "_scale", sizeof scale.name - strlen(scale.name) - 1);
    br_found found = find(checkpoint, &scale);
    if (need->linear && found.tensor && found.tensor->rank == 1 && found.tensor->shape[0] == 1)
        scale.shape[0] = 1; /* one for the whole tensor */
    return bind_tensor(checkpoint, &scale, find, path, error);
}

static bertrun_status bind_all(br_checkpoint *checkpoint, const br_tensor_need *needs, size_t count,
                               br_find_fn find, const char *path, bertrun_error *error)
{
    size_t room = 2 * count + BR_NUM_TOKENIZER_TENSORS;
    BR_TRY(br_checkpoint_alloc_tensors(checkpoint, room, error));
    checkpoint->fixed_inputs = br_calloc(count, sizeof *checkpoint->fixed_inputs);
    checkpoint->fixed_weights = br_calloc(count, sizeof *checkpoint->fixed_weights);
    if (!checkpoint->fixed_inputs || !checkpoint->fixed_weights)
        return br_fail_nomem(error);
    for (size_t i = 0; i < count; i++) {
        BR_TRY(bind_with_scale(checkpoint, &needs[i], find, path, error));
        if (needs[i].linear)
            BR_TRY(br_fixed_params_bind(checkpoint, &needs[i], find, error));
    }
    return BERTRUN_OK;
}

bertrun_status br_checkpoint_bind(br_checkpoint *checkpoint, const br_architecture *architecture,
                                  br_find_fn find, const char *path, bertrun_error *error)
{
    br_tensor_need *needs;
    size_t count;
    BR_TRY(br_architecture_needs(architecture, &checkpoint->config, &needs, &count, error));
    bertrun_status status = bind_all(checkpoint, needs, count, find, path, error);
    br_free(needs);
    return status;
}
