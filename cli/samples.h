/* Measured times and their distribution. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

/** Zero-initialize it, free(samples.seconds). */
typedef struct samples {
    double *seconds; /* [count] */
    size_t count, capacity;
} samples;

/** Appends a sample; false, having complained, where memory is out. */
bool samples_add(samples *taken, double seconds);
void samples_sort(samples *taken);

/** Nearest-rank percentile of sorted samples, `fraction` in 0..1. */
double samples_percentile(const samples *taken, double fraction);

#endif
