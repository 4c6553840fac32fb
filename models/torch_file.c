#include "models/torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "models/pickle.h"
#include "models/zip_entries.h"

/* Each byte of a pickle can take some fifty of memory. */
static size_t pickle_limit(size_t file_size)
{
    size_t limit = ((size_t)512 << 10) + file_size / 100, most = (size_t)64 << 20;
    return limit < most ? limit : most;
}

typedef struct torch_reader {
    br_safetensors *file;
    const char *path;
    size_t size; /* of the file */
    br_zip zip;
    const char *folder; /* [folder_length] of all entries, "archive" in "archive/data.pkl" */
    size_t folder_length;
    size_t copied; /* bytes of tensors that were not contiguous */
    bertrun_error *error;
} torch_reader;

/* ------------------------------------------------------------------------------------- entries */

/* The entry "FOLDER/NAME". */
static const br_zip_entry *find_entry(const torch_reader *r, const char *name, size_t length)
{
    char path[512];
    if (r->folder_length + 1 + length > sizeof path)
        return NULL;
    memcpy(path, r->folder, r->folder_length);
    path[r->folder_length] = '/';
    memcpy(path + r->folder_length + 1, name, length);
    return br_zip_find(&r->zip, path, r->folder_length + 1 + length);
}

static const br_zip_entry *find_storage(const torch_reader *r, const br_pickled_tensor *tensor)
{
    char name[256];
    int length =
        snprintf(name, sizeof name, "data/%.*s", (int)tensor->storage_length, tensor->storage);
    return length < (int)sizeof name ? find_entry(r, name, (size_t)length) : NULL;
}

/* Which folder the archive's files are in: where there is a data.pkl. */
static bertrun_status find_folder(torch_reader *r)
{
    static const char NAME[] = "/data.pkl";
    const size_t length = sizeof NAME - 1;
    for (size_t i = 0; i < r->zip.count && !r->folder; i++) {
        const br_zip_entry *entry = &r->zip.entries[i];
        if (entry->name_length < length)
            continue;
        size_t folder = entry->name_length - length;
        if (memcmp(entry->name + folder, NAME, length) == 0 && !memchr(entry->name, '/', folder)) {
            r->folder = entry->name;
            r->folder_length = folder;
        }
    }
    if (!r->folder)
        return br_fail(r->error, BERTRUN_ERR_FORMAT,
                       "%s: a zip archive without data.pkl: torch.save() did not write it",
                       r->path);
    const br_zip_entry *order = find_entry(r, "byteorder", strlen("byteorder"));
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return br_fail(r->error, BERTRUN_ERR_UNSUPPORTED, "%s: its byte order is not little-endian",
                       r->path);
    return BERTRUN_OK;
}

/* ------------------------------------------------------------------------------------- tensors */

static bertrun_status fail_tensor(const torch_reader *r, const br_tensor *tensor,
                                  bertrun_status status, const char *what)
{
    return br_fail(r->error, status, "%s: tensor \"%s\": %s", r->path, tensor->name, what);
}

/* Memory that lives as long as the file. */
static void *own(torch_reader *r, size_t size)
{
    br_safetensors *file = r->file;
    void *memory = NULL;
    if (br_buffer_grow(&file->owned, file->num_owned * sizeof memory, file->num_owned + 1,
                       sizeof memory))
        memory = br_alloc(size, 1);
    if (memory)
        ((void **)file->owned.data)[file->num_owned++] = memory;
    return memory;
}

/* Where a view lies in its storage. */
typedef struct extent {
    size_t count;    /* elements */
    uint64_t end;    /* 1 + the largest index */
    bool contiguous; /* row-major, without gaps */
} extent;

/* False where sizes are too large to be. */
static bool measure(const br_pickled_tensor *tensor, extent *e)
{
    *e = (extent){.count = 1, .end = tensor->offset, .contiguous = true};
    for (size_t i = tensor->rank; i-- > 0;) {
        uint64_t size = tensor->shape[i], reach;
        if (size > 1) {
            e->contiguous &= tensor->stride[i] == e->count;
            if (__builtin_mul_overflow(size - 1, tensor->stride[i], &reach) ||
                __builtin_add_overflow(e->end, reach, &e->end))
                return false;
        }
        if (__builtin_mul_overflow(e->count, size, &e->count))
            return false;
    }
    return !__builtin_add_overflow(e->end, 1, &e->end);
}

/* Copies a view row by row of its last dimension, indices counting up like a clock's hands. */
static void gather(const br_pickled_tensor *tensor, const uint8_t *storage, size_t element,
                   size_t count, uint8_t *out)
{
    uint64_t index[BR_PICKLE_MAX_RANK] = {0}, at = tensor->offset;
    for (size_t n = 0; n < count; n++) {
        memcpy(out + n * element, storage + at * element, element);
        for (size_t i = tensor->rank; i-- > 0;) {
            at += tensor->stride[i];
            if (++index[i] < tensor->shape[i])
                break;
            at -= index[i] * tensor->stride[i];
            index[i] = 0;
        }
    }
}

/* A view that repeats elements would let a small file ask for any amount of memory. */
static bertrun_status copy_view(torch_reader *r, const br_pickled_tensor *pickled,
                                const uint8_t *storage, size_t count, br_tensor *tensor)
{
    size_t element = br_dtype_size(tensor->dtype), bytes = count * element;
    if (count > pickled->storage_count || bytes > r->size - r->copied)
        return fail_tensor(r, tensor, BERTRUN_ERR_UNSUPPORTED,
                           "an expanded view, larger than what is stored; save it contiguous");
    uint8_t *copy = own(r, bytes);
    if (!copy)
        return br_fail_nomem(r->error);
    r->copied += bytes;
    gather(pickled, storage, element, count, copy);
    tensor->data = copy;
    return BERTRUN_OK;
}

static bertrun_status read_tensor(torch_reader *r, const br_pickled_tensor *pickled,
                                  br_tensor *tensor)
{
    size_t element = br_dtype_size(pickled->dtype);
    extent e;
    tensor->dtype = pickled->dtype;
    tensor->rank = pickled->rank;
    for (size_t i = 0; i < pickled->rank && i < BR_MAX_RANK; i++)
        tensor->shape[i] = pickled->shape[i];
    const br_zip_entry *storage = find_storage(r, pickled);
    if (!storage)
        return fail_tensor(r, tensor, BERTRUN_ERR_FORMAT, "its storage is not in the archive");
    if (pickled->storage_count > storage->size / element)
        return fail_tensor(r, tensor, BERTRUN_ERR_FORMAT, "its storage is shorter than it says");
    if (!measure(pickled, &e) || (e.count > 0 && e.end > pickled->storage_count))
        return fail_tensor(r, tensor, BERTRUN_ERR_FORMAT, "reaches beyond its storage");
    tensor->data = storage->data;
    tensor->bytes = e.count * element;
    if (e.count == 0)
        return BERTRUN_OK;
    if (!e.contiguous)
        return copy_view(r, pickled, storage->data, e.count, tensor);
    tensor->data = storage->data + pickled->offset * element;
    return BERTRUN_OK;
}

static int compare_name(const void *a, const void *b)
{
    return strcmp(((const br_tensor *)a)->name, ((const br_tensor *)b)->name);
}

/* Names become NUL-terminated; one with a NUL inside is no name of a model's tensor. */
static bertrun_status name_tensors(torch_reader *r, const br_pickled_tensor *pickled, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pickled[i].name_length + 1;
    char *names = own(r, size);
    if (!names)
        return br_fail_nomem(r->error);
    for (size_t i = 0; i < count; i++) {
        size_t length = pickled[i].name_length;
        memcpy(names, pickled[i].name, length);
        names[length] = '\0';
        if (strlen(names) != length)
            return br_fail(r->error, BERTRUN_ERR_FORMAT,
                           "%s: tensor %zu of the pickle has a name with a NUL in it", r->path, i);
        r->file->tensors[i].name = names;
        names += length + 1;
    }
    return BERTRUN_OK;
}

static bertrun_status read_tensors(torch_reader *r, const br_pickled_tensor *pickled, size_t count)
{
    br_safetensors *file = r->file;
    if (count == 0)
        return br_fail(r->error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: the pickle is a dictionary without tensors; a state_dict is needed",
                       r->path);
    file->tensors = br_calloc(count, sizeof *file->tensors);
    if (!file->tensors)
        return br_fail_nomem(r->error);
    file->num_tensors = count;
    BR_TRY(name_tensors(r, pickled, count));
    for (size_t i = 0; i < count; i++)
        BR_TRY(read_tensor(r, &pickled[i], &file->tensors[i]));
    qsort(file->tensors, count, sizeof *file->tensors, compare_name);
    for (size_t i = 1; i < count; i++)
        if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
            return fail_tensor(r, &file->tensors[i], BERTRUN_ERR_FORMAT, "is there twice");
    return BERTRUN_OK;
}

/* ----------------------------------------------------------------------------------- the file */

static bertrun_status read_archive(torch_reader *r)
{
    br_pickled_tensor *pickled;
    size_t count;
    BR_TRY(find_folder(r));
    const br_zip_entry *pickle = find_entry(r, "data.pkl", strlen("data.pkl"));
    if (!pickle || pickle->size > pickle_limit(r->size))
        return br_fail(r->error, BERTRUN_ERR_FORMAT, "%s: data.pkl is too large", r->path);
    bertrun_status status =
        br_pickle_read(&pickled, &count, pickle->data, pickle->size, r->path, r->error);
    if (status == BERTRUN_OK)
        status = read_tensors(r, pickled, count);
    br_free(pickled);
    return status;
}

static bertrun_status read_file(br_safetensors *file, const uint8_t *bytes, size_t size,
                                bertrun_error *error)
{
    torch_reader r = {.file = file, .path = file->path, .size = size, .error = error};
    if (size >= 2 && bytes[0] == 0x80 && bytes[1] <= 5)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: in PyTorch's format of before version 1.6, which is not read: load it "
                       "with torch.load() and torch.save() it again",
                       r.path);
    BR_TRY(br_zip_read(&r.zip, bytes, size, r.path, error));
    bertrun_status status = read_archive(&r);
    br_free(r.zip.entries);
    return status;
}

bertrun_status br_torch_parse(br_safetensors *out, const uint8_t *bytes, size_t size,
                              const char *path, bertrun_error *error)
{
    *out = (br_safetensors){.path = br_strndup(path, strlen(path))};
    bertrun_status status = out->path ? read_file(out, bytes, size, error) : br_fail_nomem(error);
    if (status != BERTRUN_OK)
        br_safetensors_close(out);
    return status;
}

bertrun_status br_torch_open(br_safetensors *out, const char *path, bool map, bertrun_error *error)
{
    *out = (br_safetensors){0};
    br_file file;
    BR_TRY(br_file_open(&file, path, map, error));
    bertrun_status status = br_torch_parse(out, file.data, file.size, path, error);
    if (status == BERTRUN_OK)
        out->file = file;
    else
        br_file_close(&file);
    return status;
}
