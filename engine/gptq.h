/*
 * Error-compensated rounding of a weight matrix to s8 (GPTQ, Frantar et al. 2022,
 * arXiv:2210.17323).
 *
 * Let X [n, in] be rows that enter the layer in calibration and H = X^T X + damping. An output
 * channel's rounding error e = w - s q [in] costs |X e|^2 = e H e^T at the output. With H = L^T L,
 * L lower triangular, that is |L e^T|^2, whose j-th term holds only e_0 .. e_j: so rounding the
 * columns in order, each to the value nearest to w_j + (sum over i < j of L_ji e_i) / L_jj, lets
 * every column make up for the errors before it. (GPTQ's own updates by rows of the inverse's
 * Cholesky factor are the same numbers; Chen et al. 2025, arXiv:2507.18553.) Columns are taken from
 * the largest diagonal element of H to the smallest (act order).
 */
#ifndef BR_GPTQ_H
#define BR_GPTQ_H

#include "common/error.h"
#include "kernels/ops.h"

/** What calibration tells about the inputs of a layer. */
typedef struct br_hessian {
    size_t in;
    double *products; /* [in, in] sum of x^T x, lower triangle; after br_hessian_factor(): L */
    size_t *order;    /* [in] column of the weights that stands at each place of L */
} br_hessian;

/** Prepares for `in` inputs. Errors: NOMEM. */
bertrun_status br_hessian_open(br_hessian *hessian, size_t in, bertrun_error *error);
void br_hessian_free(br_hessian *hessian);

/** Adds rows [count, in], `stride` floats apart. Errors: NOMEM. */
bertrun_status br_hessian_add(br_hessian *hessian, const br_ops *ops, const float *rows,
                              size_t stride, size_t count, bertrun_error *error);

/** Damps, sorts and factors the products. Errors: NOMEM. */
bertrun_status br_hessian_factor(br_hessian *hessian, bertrun_error *error);

/**
 * Rounds weights [rows, in] to q [rows, in] in -127..127 with scales [rows] = max |row| / 127.
 * Errors: NOMEM.
 */
bertrun_status br_gptq_round(const br_hessian *factored, const float *weights, size_t rows,
                             int8_t *q, float *scales, bertrun_error *error);

#endif
