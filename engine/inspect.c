/* Tensors as a file stores them: ranges, scales, and what quantization cost. */
#include <math.h>
#include <string.h>

#include "common/memory.h"
#include "models/checkpoint.h"

/* What one inspection works on. */
typedef struct inspection {
    const br_checkpoint *checkpoint;
    const br_checkpoint *original; /* NULL: not known */
    const char *path;
    float *row, *original_row; /* of the tensor's columns */
    br_buffer buffers[2];
} inspection;

/* Sums over a tensor, row by row. */
typedef struct sums {
    double signal, noise; /* squares of the values (the original's, where known), of their errors */
    uint64_t at_limit, clipped;
} sums;

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Scales belong to their tensor, and are told with it. */
static bool is_part_of_another(const char *name)
{
    return ends_with(name, ".weight_scale");
}

static void add_range(bertrun_tensor_info *info, const float *row, size_t columns)
{
    for (size_t c = 0; c < columns; c++) {
        info->min = row[c] < info->min ? row[c] : info->min;
        info->max = row[c] > info->max ? row[c] : info->max;
        info->num_not_finite += !isfinite(row[c]);
    }
}

/* Without the original, an error is taken as uniform within half a step: step^2 / 12. */
static void add_expected(sums *total, const float *row, size_t columns, float scale)
{
    for (size_t c = 0; c < columns; c++)
        total->signal += (double)row[c] * (double)row[c];
    total->noise += (double)scale * (double)scale / 12 * (double)columns;
}

static void add_measured(sums *total, const float *row, const float *original, size_t columns)
{
    for (size_t c = 0; c < columns; c++) {
        double error = (double)row[c] - (double)original[c];
        total->signal += (double)original[c] * (double)original[c];
        total->noise += error * error;
    }
}

/* int8: values on the range's edge, and those whose original lies half a step beyond it. */
static void add_limits(sums *total, const int8_t *codes, const float *original, size_t columns,
                       float scale)
{
    for (size_t c = 0; c < columns; c++) {
        if (codes[c] < 127 && codes[c] > -127)
            continue;
        total->at_limit++;
        if (original) /* a ten-thousandth of a step for what the scale itself was rounded by */
            total->clipped += fabsf(original[c]) > (fabsf((float)codes[c]) + 0.5001F) * scale;
    }
}

static void add_row(const inspection *state, const br_tensor *tensor, const br_tensor *scale,
                    const br_tensor *original, size_t r, size_t columns, sums *total,
                    bertrun_tensor_info *info)
{
    br_tensor_row_to_f32(tensor, scale, r, columns, state->row);
    add_range(info, state->row, columns);
    if (original) {
        br_tensor_row_to_f32(original, NULL, r, columns, state->original_row);
        add_measured(total, state->row, state->original_row, columns);
    } else if (scale) {
        add_expected(total, state->row, columns, br_scale_of_row(scale, r));
    }
    if (scale)
        add_limits(total, (const int8_t *)tensor->data + r * columns,
                   original ? state->original_row : NULL, columns, br_scale_of_row(scale, r));
}

static void describe_scales(bertrun_tensor_info *info, const br_tensor *scale)
{
    const float *scales = scale->data;
    info->num_scales = scale->shape[0];
    info->bytes += scale->bytes;
    info->min_scale = info->max_scale = scales[0];
    for (size_t i = 1; i < info->num_scales; i++) {
        info->min_scale = scales[i] < info->min_scale ? scales[i] : info->min_scale;
        info->max_scale = scales[i] > info->max_scale ? scales[i] : info->max_scale;
    }
}

/* The tensor of the same name in the original; a shape of its own is an error. */
static bertrun_status find_original(const inspection *state, const br_tensor *tensor,
                                    const br_tensor **out, bertrun_error *error)
{
    *out = state->original ? br_checkpoint_find(state->original, "%s", tensor->name) : NULL;
    if (state->original && !*out)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\" is not in the original",
                       state->path, tensor->name);
    if (*out && br_tensor_count(*out) != br_tensor_count(tensor))
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: tensor \"%s\" has another shape than the original's", state->path,
                       tensor->name);
    if (*out && !br_dtype_is_float((*out)->dtype))
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "the original's tensor \"%s\" is int8 itself; give one with float weights",
                       tensor->name);
    return BERTRUN_OK;
}

static bertrun_status measure(inspection *state, const br_tensor *tensor, const br_tensor *scale,
                              bertrun_tensor_info *info, bertrun_error *error)
{
    const br_tensor *original;
    size_t count = br_tensor_count(tensor), columns = tensor->shape[tensor->rank - 1];
    sums total = {0};
    BR_TRY(find_original(state, tensor, &original, error));
    for (size_t i = 0; i < 2; i++)
        if (!br_buffer_reserve(&state->buffers[i], columns, sizeof(float)))
            return br_fail_nomem(error);
    state->row = state->buffers[0].data;
    state->original_row = state->buffers[1].data;
    info->min = INFINITY;
    info->max = -INFINITY;
    for (size_t r = 0; r < count / columns; r++)
        add_row(state, tensor, scale, original, r, columns, &total, info);
    if (original || scale)
        info->sqnr_db = 10 * log10(total.signal / total.noise);
    info->measured = original;
    if (scale)
        info->clipped = (double)(original ? total.clipped : total.at_limit) / (double)count;
    return BERTRUN_OK;
}

static void describe_input(bertrun_tensor_info *info, const inspection *state, const char *name)
{
    char linear[256];
    size_t length = strlen(name) - strlen(".weight");
    if (!ends_with(name, ".weight") || length >= sizeof linear)
        return;
    memcpy(linear, name, length);
    linear[length] = '\0';
    const br_affine *input = br_checkpoint_fixed_input(state->checkpoint, linear);
    if (!input)
        return;
    info->input_scale = input->scale;
    info->input_zero_point = input->zero_point;
}

static bertrun_status describe(inspection *state, const br_tensor *tensor,
                               bertrun_tensor_info *info, bertrun_error *error)
{
    *info = (bertrun_tensor_info){
        .name = tensor->name,
        .dtype = br_dtype_word(tensor->dtype),
        .rank = tensor->rank,
        .bytes = tensor->bytes,
        .sqnr_db = NAN,
    };
    memcpy(info->shape, tensor->shape, tensor->rank * sizeof *tensor->shape);
    if (tensor->dtype == BR_DTYPE_U8)
        return BERTRUN_OK; /* the tokenizer's */
    const br_tensor *scale = tensor->dtype == BR_DTYPE_S8
                                 ? br_checkpoint_find(state->checkpoint, "%s_scale", tensor->name)
                                 : NULL;
    if (scale)
        describe_scales(info, scale);
    info->storage_ratio = (double)(br_tensor_count(tensor) * sizeof(float)) / (double)info->bytes;
    describe_input(info, state, tensor->name);
    return measure(state, tensor, scale, info, error);
}

/* Weights that were multiplied by factors have no original to be measured against. */
static bertrun_status refuse_equalized(const inspection *state, bertrun_error *error)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(state->checkpoint, &tensors);
    for (size_t i = 0; state->original && i < count; i++)
        if (ends_with(tensors[i].name, ".residual_scale"))
            return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                           "%s: equalized: its weights are the original's times factors, so their "
                           "errors cannot be told",
                           state->path);
    return BERTRUN_OK;
}

static bertrun_status inspect_all(inspection *state, bertrun_tensor_fn each, void *data,
                                  bertrun_error *error)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(state->checkpoint, &tensors);
    BR_TRY(refuse_equalized(state, error));
    for (size_t i = 0; i < count; i++) {
        bertrun_tensor_info info;
        if (is_part_of_another(tensors[i].name))
            continue;
        BR_TRY(describe(state, &tensors[i], &info, error));
        each(data, &info);
    }
    return BERTRUN_OK;
}

bertrun_status bertrun_inspect(const char *path, const char *original, bertrun_tensor_fn each,
                               void *data, bertrun_error *error)
{
    br_checkpoint *checkpoint = NULL, *other = NULL;
    if (!path || !each)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "no path or no function given");
    bertrun_status status = br_checkpoint_open(&checkpoint, path, false, error);
    if (status == BERTRUN_OK && original)
        status = br_checkpoint_open(&other, original, false, error);
    inspection state = {.checkpoint = checkpoint, .original = other, .path = path};
    if (status == BERTRUN_OK)
        status = inspect_all(&state, each, data, error);
    br_free(state.buffers[0].data);
    br_free(state.buffers[1].data);
    br_checkpoint_close(&other);
    br_checkpoint_close(&checkpoint);
    return status;
}
