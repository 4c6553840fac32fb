/*
 * All memory of the library comes from here: 64-byte aligned (a cache line, an AVX-512 register),
 * sizes multiplied with a check. Memory is given back with br_free().
 */
#ifndef BR_MEMORY_H
#define BR_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define BR_ALIGNMENT 64

/** count * size bytes, uninitialized, or NULL (also where the product overflows or is huge). */
void *br_alloc(size_t count, size_t size);

/** `size` bytes aligned to `alignment`, a power of two of at least 64; or NULL. */
void *br_alloc_aligned(size_t size, size_t alignment);

/**
 * For large memory that is read or written as a whole: aligned to 2 MiB, on huge pages where the
 * system grants them, which saves most page faults. `size` is rounded up to 2 MiB.
 */
void *br_alloc_huge(size_t size);

/**
 * Gives the whole pages of this memory, allocated here or mapped from a file, back to the system:
 * what stood in them is lost, or the file's. The memory stays the caller's, without huge pages.
 */
void br_drop_pages(const void *memory, size_t size);

/** br_alloc() filled with zeros. */
void *br_calloc(size_t count, size_t size);

/** A NUL-terminated copy of `length` bytes, or NULL. */
char *br_strndup(const char *text, size_t length);

/** Frees memory of the functions above; accepts NULL. */
void br_free(void *memory);

/** Array memory that only grows; zero-initialize it, release with br_free(buffer.data). */
typedef struct br_buffer {
    void *data;
    size_t capacity; /* bytes */
} br_buffer;

/**
 * Makes room for count * size bytes; grows by half at least. The contents are LOST when it grows.
 * Returns false, with the buffer unchanged, where memory cannot be had.
 */
bool br_buffer_reserve(br_buffer *buffer, size_t count, size_t size);

/** The same, keeping the first `used` bytes. */
bool br_buffer_grow(br_buffer *buffer, size_t used, size_t count, size_t size);

/** a rounded up to a multiple of b. */
static inline size_t br_round_up(size_t a, size_t b)
{
    return (a + b - 1) / b * b;
}

#endif
