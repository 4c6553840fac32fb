#include "models/tensor.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/half.h"
#include "common/memory.h"

static const struct {
    const char *name;
    size_t size;
    const char *word; /* NULL: of no type that weights have */
} dtypes[] = {
    [BR_DTYPE_F32] = {"F32", 4, "f32"},    [BR_DTYPE_F16] = {"F16", 2, "f16"},
    [BR_DTYPE_BF16] = {"BF16", 2, "bf16"}, [BR_DTYPE_S8] = {"I8", 1, "int8"},
    [BR_DTYPE_U8] = {"U8", 1, "u8"},       [BR_DTYPE_I32] = {"I32", 4, NULL},
    [BR_DTYPE_I64] = {"I64", 8, NULL},     [BR_DTYPE_F64] = {"F64", 8, NULL},
    [BR_DTYPE_I16] = {"I16", 2, NULL},     [BR_DTYPE_U16] = {"U16", 2, NULL},
    [BR_DTYPE_U32] = {"U32", 4, NULL},     [BR_DTYPE_U64] = {"U64", 8, NULL},
    [BR_DTYPE_BOOL] = {"BOOL", 1, NULL},   [BR_DTYPE_OTHER] = {"unknown", 0, NULL},
};

size_t br_dtype_size(br_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *br_dtype_name(br_dtype dtype)
{
    return dtypes[dtype].name;
}

const char *br_dtype_word(br_dtype dtype)
{
    return dtypes[dtype].word ? dtypes[dtype].word : "f32";
}

br_dtype br_dtype_from_name(const char *name)
{
    br_dtype dtype = BR_DTYPE_F32;
    while (dtype < BR_DTYPE_OTHER && strcmp(dtypes[dtype].name, name) != 0)
        dtype++;
    return dtype;
}

bool br_dtype_is_float(br_dtype dtype)
{
    return dtype == BR_DTYPE_F32 || dtype == BR_DTYPE_F16 || dtype == BR_DTYPE_BF16;
}

size_t br_tensor_count(const br_tensor *tensor)
{
    return tensor->dtype == BR_DTYPE_OTHER ? 0 : tensor->bytes / br_dtype_size(tensor->dtype);
}

static uint16_t load_u16(const uint8_t *bytes, size_t index)
{
    uint16_t value;
    memcpy(&value, bytes + 2 * index, sizeof value);
    return value;
}

static double load_f64(const uint8_t *bytes, size_t index)
{
    double value;
    memcpy(&value, bytes + sizeof value * index, sizeof value);
    return value;
}

void br_tensor_to_f32(const br_tensor *tensor, size_t begin, size_t count, float *out)
{
    assert(br_dtype_is_float(tensor->dtype) || tensor->dtype == BR_DTYPE_F64);
    assert(begin <= br_tensor_count(tensor) && count <= br_tensor_count(tensor) - begin);
    const uint8_t *bytes = (const uint8_t *)tensor->data + begin * br_dtype_size(tensor->dtype);
    if (tensor->dtype == BR_DTYPE_F32) {
        memcpy(out, bytes, count * sizeof *out);
    } else if (tensor->dtype == BR_DTYPE_F64) {
        for (size_t i = 0; i < count; i++)
            out[i] = (float)load_f64(bytes, i);
    } else if (tensor->dtype == BR_DTYPE_BF16) {
        for (size_t i = 0; i < count; i++)
            out[i] = br_bf16_to_f32(load_u16(bytes, i));
    } else {
        for (size_t i = 0; i < count; i++)
            out[i] = br_f16_to_f32(load_u16(bytes, i));
    }
}

float *br_tensor_widen(const br_tensor *tensor)
{
    size_t count = br_tensor_count(tensor);
    float *out = br_alloc(count, sizeof *out);
    if (out)
        br_tensor_to_f32(tensor, 0, count, out);
    return out;
}

float br_scale_of_row(const br_tensor *scale, size_t r)
{
    return ((const float *)scale->data)[scale->shape[0] == 1 ? 0 : r];
}

void br_tensor_row_to_f32(const br_tensor *tensor, const br_tensor *scale, size_t r, size_t columns,
                          float *out)
{
    if (tensor->dtype != BR_DTYPE_S8) {
        br_tensor_to_f32(tensor, r * columns, columns, out);
        return;
    }
    const int8_t *codes = (const int8_t *)tensor->data + r * columns;
    float factor = br_scale_of_row(scale, r);
    for (size_t c = 0; c < columns; c++)
        out[c] = (float)codes[c] * factor;
}

const char *br_tensor_shape_text(size_t rank, const size_t *shape, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < rank && i < BR_MAX_RANK && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i ? ", " : "", shape[i]);
    if (used < size)
        snprintf(text + used, size - used, rank > BR_MAX_RANK ? ", ...]" : "]");
    return text;
}
