/*
 * How many threads a process may use, on a machine of 16 CPUs whose /sys and /proc are what a test
 * says: linked with -Wl,--wrap=fopen64,--wrap=sched_getaffinity.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "common/pool.h"

enum { CPUS = 16 };

typedef struct pretended_file {
    const char *path, *text;
} pretended_file;

static const pretended_file *files; /* up to one without a path */
static int affinity = CPUS;         /* CPUs; -1: it cannot be had */

FILE *__wrap_fopen64(const char *path, const char *mode);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    for (const pretended_file *file = files; file && file->path; file++)
        if (strcmp(file->path, path) == 0)
            return fmemopen((void *)file->text, strlen(file->text), mode);
    errno = ENOENT;
    return NULL;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    CPU_ZERO_S(size, set);
    for (int i = 0; i < affinity; i++)
        CPU_SET_S((size_t)i, size, set);
    return affinity < 0 ? -1 : 0;
}

static void check(int threads, const pretended_file *pretended)
{
    files = pretended;
    cr_expect_eq(br_pool_available_threads(), threads, "%d instead of %d",
                 br_pool_available_threads(), threads);
}

#define CHECK(threads, ...) check(threads, (pretended_file[]){__VA_ARGS__, {0}})

Test(cpus, without_quotas_it_is_the_affinity)
{
    check(CPUS, NULL);
    affinity = 3;
    check(3, NULL);
    affinity = -1;
    check(1, NULL);
}

Test(cpus, the_quota_of_cgroup_v2_is_rounded_up)
{
    CHECK(2, {"/sys/fs/cgroup/cpu.max", "150000 100000\n"});
    CHECK(1, {"/sys/fs/cgroup/cpu.max", "1000 100000\n"});
    CHECK(CPUS, {"/sys/fs/cgroup/cpu.max", "6400000 100000\n"});
}

Test(cpus, the_tightest_group_on_the_way_to_the_root_counts)
{
    static const pretended_file process = {"/proc/self/cgroup", "1:name=x:/y\n0::/a/b/c\n"};
    CHECK(3, process, {"/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n"},
          {"/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n"},
          {"/sys/fs/cgroup/a/cpu.max", "500000 100000\n"});
    CHECK(2, process, {"/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n"},
          {"/sys/fs/cgroup/a/cpu.max", "200000 100000\n"});
    CHECK(CPUS, {"/proc/self/cgroup", "0::/\n"});
}

Test(cpus, cgroup_v1_counts_too)
{
    static const pretended_file period = {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"};
    CHECK(4, period, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n"});
    CHECK(CPUS, period, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"});
    CHECK(2, period, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n"},
          {"/sys/fs/cgroup/cpu.max", "200000 100000\n"});
}

Test(cpus, what_is_no_quota_is_none)
{
    CHECK(CPUS, {"/sys/fs/cgroup/cpu.max", "garbage\n"});
    CHECK(CPUS, {"/sys/fs/cgroup/cpu.max", "100000 0\n"});
    CHECK(CPUS, {"/sys/fs/cgroup/cpu.max", "-5 100000\n"});
    CHECK(CPUS, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "many\n"});
    CHECK(CPUS, {"/sys/fs/cgroup/cpu.max", "9223372036854775807 100000\n"});
    CHECK(CPUS, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "9223372036854775807\n"},
          {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "1\n"});
}
