/*
 * Counts the library's memory and makes one allocation fail. The program that includes this is
 * linked with -Wl,--wrap=aligned_alloc,--wrap=free: all memory of the library comes from the one
 * and goes to the other.
 */
#ifndef FAILING_MEMORY_H
#define FAILING_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>

static _Atomic long memory_allocations; /* since the program began */
static _Atomic long memory_held;        /* of them not freed; a test's own malloc() disturbs it */
static _Atomic long memory_fail_at;     /* the allocation that fails, counted from now; 0: none */

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&memory_allocations, 1);
    if (atomic_load(&memory_fail_at) > 0 && atomic_fetch_sub(&memory_fail_at, 1) == 1)
        return NULL;
    void *memory = __real_aligned_alloc(alignment, size);
    if (memory)
        atomic_fetch_add(&memory_held, 1);
    return memory;
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&memory_held, 1);
    __real_free(memory);
}

#endif
