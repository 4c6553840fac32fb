#define _GNU_SOURCE
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "common/pool.h"

/* CPUs' worth of time, rounded up, or 0 where that is no limit. */
static int whole_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = (quota - 1) / period + 1;
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

/* What the cgroup grants. */
static int quota_v2(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    long long quota, period;
    int fields = fscanf(file, "%lld %lld", &quota, &period); /* "max 100000" reads as 0 fields */
    fclose(file);
    return fields == 2 ? whole_cpus(quota, period) : 0;
}

static long long read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    long long value;
    if (fscanf(file, "%lld", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

static int quota_v1(void)
{
    long long quota = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    long long period = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    return whole_cpus(quota, period);
}

static int smaller_limit(int a, int b)
{
    return b > 0 && (a == 0 || b < a) ? b : a;
}

/* The tightest limit on the way from this process's cgroup v2 up to the root. */
static int quota_of_process(void)
{
    char line[1024], path[1200];
    int limit = smaller_limit(quota_v1(), quota_v2("/sys/fs/cgroup/cpu.max"));
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return limit;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        for (char *slash; (slash = strrchr(line + 3, '/')) && slash[1]; *slash = '\0') {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
            limit = smaller_limit(limit, quota_v2(path));
        }
    }
    fclose(file);
    return limit;
}

int br_pool_available_threads(void)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = quota_of_process();
    return quota > 0 && quota < cpus ? quota : cpus;
}
