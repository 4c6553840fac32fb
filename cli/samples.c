#include "cli/samples.h"

#include <stdlib.h>

#include "cli/cli.h"

bool samples_add(samples *taken, double seconds)
{
    if (taken->count == taken->capacity) {
        size_t capacity = taken->capacity ? 2 * taken->capacity : 1024;
        double *grown = cli_realloc(taken->seconds, capacity, sizeof *grown);
        if (!grown)
            return false;
        taken->seconds = grown;
        taken->capacity = capacity;
    }
    taken->seconds[taken->count++] = seconds;
    return true;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void samples_sort(samples *taken)
{
    qsort(taken->seconds, taken->count, sizeof *taken->seconds, compare_doubles);
}

double samples_percentile(const samples *taken, double fraction)
{
    size_t rank = (size_t)(fraction * (double)(taken->count - 1) + 0.5);
    return taken->seconds[rank];
}
