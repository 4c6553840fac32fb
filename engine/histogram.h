/*
 * How the values that enter a layer are distributed, and which range of them to quantize: the
 * observers of static quantization.
 */
#ifndef BR_HISTOGRAM_H
#define BR_HISTOGRAM_H

#include <stdint.h>

#include "bertrun/bertrun.h"
#include "kernels/ops.h"

enum { BR_HISTOGRAM_BINS = 2048 };

typedef struct br_histogram {
    br_range range; /* of all values; bins divide it evenly */
    uint64_t total, bins[BR_HISTOGRAM_BINS];
} br_histogram;

/** Counts rows [count, n], `stride` floats apart. */
void br_histogram_fill(br_histogram *histogram, const br_ops *ops, const float *rows, size_t count,
                       size_t n, size_t stride);

/**
 * The range to quantize.
 *  MINMAX      all of it
 *  PERCENTILE  without the 0.01 % smallest and the 0.01 % largest values
 *  ENTROPY     cut at -t and t, where t makes the distribution of the cut and quantized values the
 *              one of least Kullback-Leibler divergence from the cut values' (Migacz, 8-bit
 *              Inference with TensorRT, 2017; there for symmetric ranges)
 */
br_range br_histogram_range(const br_histogram *histogram, bertrun_observer observer);

#endif
