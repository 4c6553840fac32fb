#include "common/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *br_alloc_aligned(size_t size, size_t alignment)
{
    if (size > PTRDIFF_MAX - alignment)
        return NULL;
    return aligned_alloc(alignment, br_round_up(size ? size : 1, alignment));
}

void *br_alloc_huge(size_t size)
{
    enum { HUGE_PAGE = 2 << 20 };
    void *memory = br_alloc_aligned(size, HUGE_PAGE);
    if (memory)
        madvise(memory, br_round_up(size, HUGE_PAGE), MADV_HUGEPAGE); /* a wish, may be refused */
    return memory;
}

void br_drop_pages(const void *memory, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = br_round_up((uintptr_t)memory, page);
    uintptr_t end = ((uintptr_t)memory + size) / page * page;
    if (begin >= end)
        return;
    /* Wishes, which may be refused. Without the second the system would in time fill huge pages
     * that are used in part. */
    madvise((void *)begin, end - begin, MADV_DONTNEED);
    madvise((void *)begin, end - begin, MADV_NOHUGEPAGE);
}

void *br_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return br_alloc_aligned(bytes, BR_ALIGNMENT);
}

void *br_calloc(size_t count, size_t size)
{
    void *memory = br_alloc(count, size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

char *br_strndup(const char *text, size_t length)
{
    char *copy = br_alloc(length + 1, 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

void br_free(void *memory)
{
    free(memory);
}

bool br_buffer_grow(br_buffer *buffer, size_t used, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return false;
    if (bytes <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity + buffer->capacity / 2;
    if (capacity < bytes)
        capacity = bytes;
    void *data = br_alloc(capacity, 1);
    if (!data && capacity > bytes) {
        capacity = bytes;
        data = br_alloc(capacity, 1);
    }
    if (!data)
        return false;
    if (used)
        memcpy(data, buffer->data, used);
    br_free(buffer->data);
    *buffer = (br_buffer){data, capacity};
    return true;
}

bool br_buffer_reserve(br_buffer *buffer, size_t count, size_t size)
{
    return br_buffer_grow(buffer, 0, count, size);
}
