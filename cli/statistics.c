#include "cli/statistics.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "cli/cli.h"

double statistics_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

double statistics_deviation(const double *x, size_t n)
{
    double mean = statistics_mean(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

double statistics_pearson(const double *x, const double *y, size_t n)
{
    double mean_x = statistics_mean(x, n), mean_y = statistics_mean(y, n);
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        double dx = x[i] - mean_x, dy = y[i] - mean_y;
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x > y) - (x < y);
}

/* Ranks from 0; `sorted` is scratch. */
static void rank(const double *x, size_t n, ranked *sorted, double *ranks)
{
    for (size_t i = 0; i < n; i++)
        sorted[i] = (ranked){x[i], i};
    qsort(sorted, n, sizeof *sorted, compare_ranked);
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && sorted[end].value <= sorted[first].value;)
            end++;
        for (size_t i = first; i < end; i++)
            ranks[sorted[i].index] = (double)(first + end - 1) / 2;
    }
}

bool statistics_spearman(const double *x, const double *y, size_t n, double *result)
{
    ranked *sorted = cli_realloc(NULL, n, sizeof *sorted);
    double *ranks = cli_realloc(NULL, n, 2 * sizeof *ranks);
    bool good = sorted && ranks;
    if (good) {
        rank(x, n, sorted, ranks);
        rank(y, n, sorted, ranks + n);
        *result = statistics_pearson(ranks, ranks + n, n);
    }
    free(ranks);
    free(sorted);
    return good;
}

bool statistics_macro_f1(const size_t *gold, const size_t *predicted, size_t n, size_t num_classes,
                         double *result)
{
    struct {
        size_t right, gold, predicted;
    } *counts = calloc(num_classes, sizeof *counts);
    if (!counts) {
        cli_fail("out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        counts[gold[i]].gold++;
        counts[predicted[i]].predicted++;
        counts[gold[i]].right += gold[i] == predicted[i];
    }
    double sum = 0;
    size_t classes = 0;
    for (size_t c = 0; c < num_classes; c++) {
        size_t seen = counts[c].gold + counts[c].predicted;
        if (seen == 0)
            continue;
        sum += 2 * (double)counts[c].right / (double)seen;
        classes++;
    }
    *result = sum / (double)classes;
    free(counts);
    return true;
}

double statistics_cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    if (aa > 0 && bb > 0)
        return ab / sqrt(aa * bb);
    return aa > 0 || bb > 0 ? 0 : 1;
}
