#include "engine/histogram.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { BINS = BR_HISTOGRAM_BINS, LEVELS = 256 };

static float bin_width(const br_histogram *h)
{
    return (h->range.hi - h->range.lo) / BINS;
}

void br_histogram_fill(br_histogram *histogram, const br_ops *ops, const float *rows, size_t count,
                       size_t n, size_t stride)
{
    *histogram = (br_histogram){.range = {INFINITY, -INFINITY}, .total = count * n};
    for (size_t r = 0; r < count; r++) {
        br_range row = ops->range(rows + r * stride, n);
        histogram->range.lo = fminf(histogram->range.lo, row.lo);
        histogram->range.hi = fmaxf(histogram->range.hi, row.hi);
    }
    float width = bin_width(histogram);
    if (!(width > 0))
        return;
    for (size_t r = 0; r < count; r++)
        for (size_t j = 0; j < n; j++) {
            float place = (rows[r * stride + j] - histogram->range.lo) / width;
            size_t bin = place < BINS ? (size_t)place : BINS - 1;
            histogram->bins[bin]++;
        }
}

/* Where a cut of bins [first, end) begins and ends. */
static br_range range_of_bins(const br_histogram *h, size_t first, size_t end)
{
    float width = bin_width(h);
    return (br_range){first == 0 ? h->range.lo : h->range.lo + (float)first * width,
                      end == BINS ? h->range.hi : h->range.lo + (float)end * width};
}

static br_range percentile(const br_histogram *h)
{
    const double share = 1e-4;
    double left = share * (double)h->total, right = left;
    size_t first = 0, end = BINS;
    while (first < BINS - 1 && left >= (double)h->bins[first])
        left -= (double)h->bins[first++];
    while (end > first + 1 && right >= (double)h->bins[end - 1])
        right -= (double)h->bins[--end];
    return range_of_bins(h, first, end);
}

/*
 * Kullback-Leibler divergence of bins [first, end) merged into LEVELS levels, and spread again over
 * the bins that hold anything, from the bins themselves with what is cut off added to the outer
 * ones.
 */
static double divergence(const br_histogram *h, size_t first, size_t end)
{
    double p[BINS], merged[LEVELS] = {0}, filled[LEVELS] = {0}, inside = 0, sum = 0;
    for (size_t i = first; i < end; i++) {
        size_t level = (i - first) * LEVELS / (end - first);
        p[i] = (double)h->bins[i];
        merged[level] += p[i];
        inside += p[i];
    }
    for (size_t i = 0; i < first; i++)
        p[first] += (double)h->bins[i];
    for (size_t i = end; i < BINS; i++)
        p[end - 1] += (double)h->bins[i];
    for (size_t i = first; i < end; i++)
        filled[(i - first) * LEVELS / (end - first)] += p[i] > 0;
    for (size_t i = first; i < end; i++) {
        size_t level = (i - first) * LEVELS / (end - first);
        if (p[i] == 0)
            continue;
        double q = fmax(merged[level], 1e-3) / filled[level] / inside;
        double share = p[i] / (double)h->total;
        sum += share * log(share / q);
    }
    return sum;
}

static size_t clamp_bin(double bin)
{
    return bin < 0 ? 0 : bin > BINS ? BINS : (size_t)bin;
}

static br_range entropy(const br_histogram *h)
{
    enum { STEPS = 128 };
    float most = fmaxf(fabsf(h->range.lo), fabsf(h->range.hi)), width = bin_width(h);
    br_range best = h->range;
    double least = DBL_MAX;
    for (int step = STEPS; step > STEPS / 16; step--) {
        float t = most * (float)step / STEPS;
        size_t first = clamp_bin(floor((double)((-t - h->range.lo) / width)));
        size_t end = clamp_bin(ceil((double)((t - h->range.lo) / width)));
        if (end < first + LEVELS)
            break;
        double d = divergence(h, first, end);
        if (d < least) {
            least = d;
            best = range_of_bins(h, first, end);
        }
    }
    return best;
}

br_range br_histogram_range(const br_histogram *histogram, bertrun_observer observer)
{
    if (!(bin_width(histogram) > 0) || observer == BERTRUN_OBSERVER_MINMAX)
        return histogram->range;
    return observer == BERTRUN_OBSERVER_PERCENTILE ? percentile(histogram) : entropy(histogram);
}
