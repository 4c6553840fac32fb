#include "models/zip_entries.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* Sizes of records without their variable parts, and their signatures. */
enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    MAX_COMMENT = 65535,
};
#define END_SIGNATURE     0x06054b50
#define END64_SIGNATURE   0x06064b50
#define LOCATOR_SIGNATURE 0x07064b50
#define ENTRY_SIGNATURE   0x02014b50
#define LOCAL_SIGNATURE   0x04034b50
#define IS_IN_ZIP64       0xffffffff /* a size or offset whose value is in the zip64 field */

enum { FLAG_ENCRYPTED = 1, ZIP64_FIELD = 1 };

typedef struct archive {
    const uint8_t *bytes;
    size_t size;
    const char *path;
    size_t count;                    /* entries */
    size_t directory, directory_end; /* offsets */
} archive;

/* A little-endian number of `count` bytes. */
static uint64_t get(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static bertrun_status fail(const archive *a, const char *what, bertrun_error *error)
{
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: not a zip archive, or cut short: %s", a->path,
                   what);
}

/* -------------------------------------------------------------------------------- the end of it */

/* Whether `length` bytes at `offset` are in the archive, before `end`. */
static bool is_inside(size_t end, uint64_t offset, uint64_t length)
{
    return offset <= end && length <= end - offset;
}

/* The last record, which only a comment may follow. */
static bool find_end(const archive *a, size_t *end)
{
    for (size_t comment = 0; comment <= MAX_COMMENT && comment + END_SIZE <= a->size; comment++) {
        *end = a->size - END_SIZE - comment;
        const uint8_t *record = a->bytes + *end;
        if (get(record, 4) == END_SIGNATURE && get(record + 20, 2) == comment)
            return true;
    }
    return false;
}

/* Number of entries, and where the directory is, from the end's record or its 64-bit form. */
static bertrun_status read_end(archive *a, bertrun_error *error)
{
    size_t end;
    if (!find_end(a, &end))
        return fail(a, "there is no directory at its end", error);
    const uint8_t *record = a->bytes + end;
    uint64_t count = get(record + 10, 2), size = get(record + 12, 4), offset = get(record + 16, 4);
    if (end >= LOCATOR_SIZE && get(record - LOCATOR_SIZE, 4) == LOCATOR_SIGNATURE) {
        uint64_t end64 = get(record - LOCATOR_SIZE + 8, 8);
        if (!is_inside(end - LOCATOR_SIZE, end64, END64_SIZE) ||
            get(a->bytes + end64, 4) != END64_SIGNATURE)
            return fail(a, "the zip64 record is not where it should be", error);
        record = a->bytes + end64;
        count = get(record + 32, 8);
        size = get(record + 40, 8);
        offset = get(record + 48, 8);
        end = end64;
    }
    if (!is_inside(end, offset, size) || count > size / ENTRY_SIZE)
        return fail(a, "the directory is not inside it", error);
    a->count = (size_t)count;
    a->directory = (size_t)offset;
    a->directory_end = (size_t)(offset + size);
    return BERTRUN_OK;
}

/* ------------------------------------------------------------------------------------- entries */

static bertrun_status fail_entry(const archive *a, const br_zip_entry *entry, bertrun_status status,
                                 const char *what, bertrun_error *error)
{
    int length = entry->name_length < 128 ? (int)entry->name_length : 128;
    return br_fail(error, status, "%s: entry \"%.*s\" %s", a->path, length, entry->name, what);
}

typedef struct place {
    uint64_t size, stored_size, offset;
} place;

/* Takes what does not fit into 32 bits from the zip64 field, in the order the format fixes. */
static bool read_zip64(const uint8_t *extra, size_t length, place *p)
{
    uint64_t *values[] = {&p->size, &p->stored_size, &p->offset};
    while (length >= 4 && get(extra, 2) != ZIP64_FIELD) {
        size_t skip = 4 + (size_t)get(extra + 2, 2);
        if (skip > length)
            return false;
        extra += skip;
        length -= skip;
    }
    size_t left = length >= 4 ? (size_t)get(extra + 2, 2) : 0;
    if (length >= 4 && left > length - 4)
        return false;
    for (size_t i = 0, at = 4; i < 3; i++) {
        if (*values[i] != IS_IN_ZIP64)
            continue;
        if (left < 8)
            return false;
        *values[i] = get(extra + at, 8);
        at += 8;
        left -= 8;
    }
    return true;
}

/* The data, which stands behind a header that repeats the name. */
static bertrun_status find_data(const archive *a, const place *p, br_zip_entry *entry,
                                bertrun_error *error)
{
    if (!is_inside(a->directory, p->offset, LOCAL_SIZE) ||
        get(a->bytes + p->offset, 4) != LOCAL_SIGNATURE)
        return fail_entry(a, entry, BERTRUN_ERR_FORMAT, "is not where the directory says", error);
    const uint8_t *local = a->bytes + p->offset;
    uint64_t name = get(local + 26, 2), before = LOCAL_SIZE + name + get(local + 28, 2);
    if (!is_inside(a->directory, p->offset, before) || name != entry->name_length ||
        memcmp(local + LOCAL_SIZE, entry->name, entry->name_length) != 0)
        return fail_entry(a, entry, BERTRUN_ERR_FORMAT, "has another name at its data", error);
    if (!is_inside(a->directory, p->offset + before, p->size))
        return fail_entry(a, entry, BERTRUN_ERR_FORMAT, "ends beyond the file", error);
    entry->data = local + before;
    entry->size = (size_t)p->size;
    return BERTRUN_OK;
}

/* One record of the directory at *at, which moves on. */
static bertrun_status read_entry(const archive *a, size_t *at, br_zip_entry *entry,
                                 bertrun_error *error)
{
    const uint8_t *record = a->bytes + *at;
    if (!is_inside(a->directory_end, *at, ENTRY_SIZE) || get(record, 4) != ENTRY_SIGNATURE)
        return fail(a, "its directory is broken", error);
    size_t name = (size_t)get(record + 28, 2), extra = (size_t)get(record + 30, 2);
    size_t length = ENTRY_SIZE + name + extra + (size_t)get(record + 32, 2);
    if (!is_inside(a->directory_end, *at, length))
        return fail(a, "its directory is broken", error);
    *entry = (br_zip_entry){.name = (const char *)record + ENTRY_SIZE, .name_length = name};
    place p = {get(record + 24, 4), get(record + 20, 4), get(record + 42, 4)};
    if (get(record + 8, 2) & FLAG_ENCRYPTED)
        return fail_entry(a, entry, BERTRUN_ERR_UNSUPPORTED, "is encrypted", error);
    if (get(record + 10, 2) != 0)
        return fail_entry(a, entry, BERTRUN_ERR_UNSUPPORTED,
                          "is compressed, torch.save() does not do that", error);
    if (!read_zip64(record + ENTRY_SIZE + name, extra, &p) || p.size != p.stored_size)
        return fail_entry(a, entry, BERTRUN_ERR_FORMAT, "has no usable size", error);
    *at += length;
    return find_data(a, &p, entry, error);
}

static int compare(const void *a, const void *b)
{
    const br_zip_entry *x = a, *y = b;
    size_t common = x->name_length < y->name_length ? x->name_length : y->name_length;
    int order = memcmp(x->name, y->name, common);
    return order ? order : (x->name_length > y->name_length) - (x->name_length < y->name_length);
}

static bertrun_status read_entries(br_zip *zip, const archive *a, bertrun_error *error)
{
    size_t at = a->directory;
    for (; zip->count < a->count; zip->count++)
        BR_TRY(read_entry(a, &at, &zip->entries[zip->count], error));
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare);
    for (size_t i = 1; i < zip->count; i++)
        if (compare(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return fail_entry(a, &zip->entries[i], BERTRUN_ERR_FORMAT, "is there twice", error);
    return BERTRUN_OK;
}

bertrun_status br_zip_read(br_zip *out, const uint8_t *bytes, size_t size, const char *path,
                           bertrun_error *error)
{
    archive a = {.bytes = bytes, .size = size, .path = path};
    *out = (br_zip){0};
    BR_TRY(read_end(&a, error));
    out->entries = br_alloc(a.count, sizeof *out->entries);
    if (!out->entries)
        return br_fail_nomem(error);
    bertrun_status status = read_entries(out, &a, error);
    if (status != BERTRUN_OK) {
        br_free(out->entries);
        *out = (br_zip){0};
    }
    return status;
}

const br_zip_entry *br_zip_find(const br_zip *zip, const char *name, size_t length)
{
    br_zip_entry key = {.name = name, .name_length = length};
    if (zip->count == 0)
        return NULL;
    return bsearch(&key, zip->entries, zip->count, sizeof key, compare);
}
