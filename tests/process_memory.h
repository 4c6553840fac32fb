/* What the kernel says of this process's memory (proc(5)). */
#ifndef BR_TESTS_PROCESS_MEMORY_H
#define BR_TESTS_PROCESS_MEMORY_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of /proc/self/status, in bytes. */
static size_t process_memory(const char *name)
{
    char line[256];
    size_t kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    cr_assert_not_null(status);
    while (fgets(line, sizeof line, status))
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), ": %zu", &kilobytes);
    fclose(status);
    return kilobytes * 1024;
}

/* Defined by the sanitizers' libraries, which need memory of their own, as Valgrind does. */
void __asan_init(void) __attribute__((weak));
void __tsan_init(void) __attribute__((weak));

/* Makes VmHWM what VmRSS is; false where that tells nothing. */
static bool process_memory_reset_peak(void)
{
    const char *preload = getenv("LD_PRELOAD");
    FILE *file = fopen("/proc/self/clear_refs", "w");
    bool done = file && fputs("5", file) >= 0;
    done = file && fclose(file) == 0 && done;
    return done && !__asan_init && !__tsan_init && !(preload && strstr(preload, "vgpreload"));
}

#endif
