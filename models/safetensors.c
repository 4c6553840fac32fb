#include "models/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "models/json_fields.h"

/* The limit is that of the safetensors library; what a header takes when parsed has its own. */
enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000 };

static bertrun_status header_length(size_t *out, const uint8_t *bytes, size_t size,
                                    const char *path, bertrun_error *error)
{
    if (size < LENGTH_BYTES)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: not a safetensors file: only %zu bytes",
                       path, size);
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > size - LENGTH_BYTES)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: not a safetensors file, or cut short: a header of %llu bytes in a "
                       "file of %zu",
                       path, (unsigned long long)length, size);
    if (length > MAX_HEADER)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the header is too large (%llu bytes)", path,
                       (unsigned long long)length);
    *out = (size_t)length;
    return BERTRUN_OK;
}

static bertrun_status fail_tensor(const char *path, const br_tensor *tensor, const char *what,
                                  bertrun_error *error)
{
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: tensor \"%s\": %s", path, tensor->name, what);
}

/* A JSON number as a size; integers beyond 63 bits do not pass jansson. */
static bool get_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

/* Fills rank and shape; *count receives the number of elements. */
static bool read_shape(br_tensor *tensor, const json_t *shape, size_t *count)
{
    if (!json_is_array(shape))
        return false;
    tensor->rank = json_array_size(shape);
    *count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        size_t dimension;
        if (!get_size(json_array_get(shape, i), &dimension) ||
            __builtin_mul_overflow(*count, dimension, count))
            return false;
        if (i < BR_MAX_RANK)
            tensor->shape[i] = dimension;
    }
    return true;
}

/* One entry of the header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}. */
static bertrun_status read_tensor(br_tensor *tensor, const json_t *entry, const uint8_t *data,
                                  size_t size, const char *path, bertrun_error *error)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin, end, count, bytes;
    if (!dtype)
        return fail_tensor(path, tensor, "no dtype", error);
    tensor->dtype = br_dtype_from_name(dtype);
    if (!read_shape(tensor, json_object_get(entry, "shape"), &count))
        return fail_tensor(path, tensor, "the shape is not an array of sizes, or too large", error);
    if (json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &begin) ||
        !get_size(json_array_get(offsets, 1), &end) || begin > end)
        return fail_tensor(path, tensor, "data_offsets is not a pair of offsets", error);
    if (end > size)
        return fail_tensor(path, tensor, "ends beyond the end of the file", error);
    tensor->data = data + begin;
    tensor->bytes = end - begin;
    if (tensor->dtype != BR_DTYPE_OTHER &&
        (__builtin_mul_overflow(count, br_dtype_size(tensor->dtype), &bytes) ||
         bytes != tensor->bytes))
        return fail_tensor(path, tensor, "the size of its data is not that of its shape", error);
    return BERTRUN_OK;
}

static int compare_place(const void *a, const void *b)
{
    const br_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (uintptr_t)x->data < (uintptr_t)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int compare_name(const void *a, const void *b)
{
    return strcmp(((const br_tensor *)a)->name, ((const br_tensor *)b)->name);
}

/* The format wants the tensors to cover the data section exactly. */
static bertrun_status check_cover(br_safetensors *file, const uint8_t *data, size_t size,
                                  bertrun_error *error)
{
    qsort(file->tensors, file->num_tensors, sizeof *file->tensors, compare_place);
    const uint8_t *end = data;
    for (size_t i = 0; i < file->num_tensors; i++) {
        const br_tensor *tensor = &file->tensors[i];
        if ((const uint8_t *)tensor->data < end)
            return fail_tensor(file->path, tensor, "overlaps another tensor", error);
        if ((const uint8_t *)tensor->data > end)
            return fail_tensor(file->path, tensor, "there is a hole before it", error);
        end += tensor->bytes;
    }
    if (end != data + size)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: %zu bytes after the last tensor", file->path,
                       size - (size_t)(end - data));
    return BERTRUN_OK;
}

static bertrun_status read_tensors(br_safetensors *file, const uint8_t *data, size_t size,
                                   bertrun_error *error)
{
    if (!json_is_object(file->header))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the header is not a JSON object",
                       file->path);
    file->tensors = br_calloc(json_object_size(file->header), sizeof *file->tensors);
    if (!file->tensors)
        return br_fail_nomem(error);
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        br_tensor *tensor = &file->tensors[file->num_tensors++];
        tensor->name = name;
        BR_TRY(read_tensor(tensor, entry, data, size, file->path, error));
    }
    BR_TRY(check_cover(file, data, size, error));
    qsort(file->tensors, file->num_tensors, sizeof *file->tensors, compare_name);
    return BERTRUN_OK;
}

static bertrun_status read_file(br_safetensors *file, const uint8_t *bytes, size_t size,
                                bertrun_error *error)
{
    size_t length = 0;
    BR_TRY(header_length(&length, bytes, size, file->path, error));
    BR_TRY(br_json_parse(&file->header, bytes + LENGTH_BYTES, length, file->path, error));
    return read_tensors(file, bytes + LENGTH_BYTES + length, size - LENGTH_BYTES - length, error);
}

bertrun_status br_safetensors_parse(br_safetensors *out, const uint8_t *bytes, size_t size,
                                    const char *path, bertrun_error *error)
{
    *out = (br_safetensors){.path = br_strndup(path, strlen(path))};
    bertrun_status status = out->path ? read_file(out, bytes, size, error) : br_fail_nomem(error);
    if (status != BERTRUN_OK)
        br_safetensors_close(out);
    return status;
}

bertrun_status br_safetensors_open(br_safetensors *out, const char *path, bool map,
                                   bertrun_error *error)
{
    *out = (br_safetensors){0};
    br_file file;
    BR_TRY(br_file_open(&file, path, map, error));
    bertrun_status status = br_safetensors_parse(out, file.data, file.size, path, error);
    if (status == BERTRUN_OK)
        out->file = file;
    else
        br_file_close(&file);
    return status;
}

void br_safetensors_close(br_safetensors *file)
{
    for (size_t i = 0; i < file->num_owned; i++)
        br_free(((void **)file->owned.data)[i]);
    br_free(file->owned.data);
    br_free(file->tensors);
    json_decref(file->header);
    br_file_close(&file->file);
    br_free(file->path);
    *file = (br_safetensors){0};
}

const br_tensor *br_safetensors_find(const br_safetensors *file, const char *name)
{
    br_tensor key = {.name = name};
    if (file->num_tensors == 0)
        return NULL;
    return bsearch(&key, file->tensors, file->num_tensors, sizeof *file->tensors, compare_name);
}

const char *br_safetensors_metadata(const br_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}
