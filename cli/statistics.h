/* Figures of merit. What is not defined (a correlation of constants) is NaN. */
#ifndef STATISTICS_H
#define STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

/** Mean and sample standard deviation (divided by n - 1; 0 for n = 1). */
double statistics_mean(const double *x, size_t n);
double statistics_deviation(const double *x, size_t n);

/** Product-moment correlation of two series of n (Pearson 1895). */
double statistics_pearson(const double *x, const double *y, size_t n);

/**
 * Rank correlation (Spearman 1904): Pearson's of the ranks, where equal values share the mean of
 * theirs. Returns false, having complained, where memory is out.
 */
bool statistics_spearman(const double *x, const double *y, size_t n, double *result);

/**
 * Macro F1: the unweighted mean of 2 tp / (2 tp + fp + fn) over the classes that occur among `gold`
 * or `predicted`, [n] each, < num_classes. Returns false, having complained, where memory is out.
 */
bool statistics_macro_f1(const size_t *gold, const size_t *predicted, size_t n, size_t num_classes,
                         double *result);

/** Cosine of two vectors; 1 for two zero vectors, 0 for one. */
double statistics_cosine(const float *a, const float *b, size_t n);

#endif
