/* The plots of a comparison's report, each an inline SVG. */
#ifndef COMPARE_PLOTS_H
#define COMPARE_PLOTS_H

#include "cli/comparison.h"

/** The task's first metric against the median latency; a disc's area is the size on disk. */
void compare_plot_tradeoff(const comparison *comparison, FILE *stream);

/** The hidden states' error, layer by layer. */
void compare_plot_layers(const comparison *comparison, FILE *stream);

/** How latencies are distributed, a strip a model. */
void compare_plot_latencies(const comparison *comparison, FILE *stream);

#endif
