#include "engine/gptq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* ------------------------------------------------------------------------------- X^T X = L^T L */

enum {
    FACTOR_BLOCK = 64, /* rows of L that are subtracted together while a row of H is in the cache */
    ROW_BLOCK = 256,   /* rows of X whose products are summed in f32 before they go to double */
};

/* Of the mean of the diagonal, what is added to each element of it (the paper's 1 %). */
static const double DAMPING = 0.01;

bertrun_status br_hessian_open(br_hessian *hessian, size_t in, bertrun_error *error)
{
    *hessian = (br_hessian){
        .in = in,
        .products = br_calloc(in, in * sizeof(double)),
        .order = br_alloc(in, sizeof(size_t)),
    };
    if (hessian->products && hessian->order)
        return BERTRUN_OK;
    br_hessian_free(hessian);
    return br_fail_nomem(error);
}

void br_hessian_free(br_hessian *hessian)
{
    br_free(hessian->products);
    br_free(hessian->order);
    *hessian = (br_hessian){0};
}

bertrun_status br_hessian_add(br_hessian *hessian, const br_ops *ops, const float *rows,
                              size_t stride, size_t count, bertrun_error *error)
{
    size_t in = hessian->in;
    float *sums = br_alloc(in, sizeof *sums);
    if (!sums)
        return br_fail_nomem(error);
    for (size_t begin = 0; begin < count; begin += ROW_BLOCK) {
        size_t block = count - begin < ROW_BLOCK ? count - begin : ROW_BLOCK;
        for (size_t i = 0; i < in; i++) {
            ops->products(rows + begin * stride, stride, block, i, i + 1, sums);
            for (size_t j = 0; j <= i; j++)
                hessian->products[i * in + j] += (double)sums[j];
        }
    }
    br_free(sums);
    return BERTRUN_OK;
}

typedef struct diagonal {
    double size;
    size_t index;
} diagonal;

/* Largest first; equal ones as they stand. */
static int compare_columns(const void *a, const void *b)
{
    const diagonal *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void choose_order(br_hessian *hessian, diagonal *columns)
{
    for (size_t i = 0; i < hessian->in; i++)
        columns[i] = (diagonal){hessian->products[i * hessian->in + i], i};
    qsort(columns, hessian->in, sizeof *columns, compare_columns);
    for (size_t i = 0; i < hessian->in; i++)
        hessian->order[i] = columns[i].index;
}

/* out = products with rows and columns in the chosen order, lower triangle. */
static void permute(const br_hessian *hessian, double *out)
{
    size_t in = hessian->in;
    for (size_t i = 0; i < in; i++)
        for (size_t j = 0; j <= i; j++) {
            size_t a = hessian->order[i], b = hessian->order[j];
            out[i * in + j] = hessian->products[a > b ? a * in + b : b * in + a];
        }
}

static void damp(double *h, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += h[i * n + i] / (double)n;
    for (size_t i = 0; i < n; i++)
        h[i * n + i] += mean > 0 ? DAMPING * mean : 1;
}

/* Takes what row j of L explains off row k of H. */
static void subtract(const double *l, double *h, size_t n, size_t j, size_t k)
{
    const double *from = l + j * n;
    double *row = h + k * n, factor = from[k];
    for (size_t i = 0; i <= k; i++)
        row[i] -= factor * from[i];
}

/* H = L^T L in place, lower triangles, from the last row to the first. */
static void factor(double *h, size_t n)
{
    for (size_t end = n, begin; end > 0; end = begin) {
        begin = end > FACTOR_BLOCK ? end - FACTOR_BLOCK : 0;
        for (size_t j = end; j-- > begin;) {
            double root = sqrt(h[j * n + j]);
            for (size_t i = 0; i <= j; i++)
                h[j * n + i] /= root;
            for (size_t k = begin; k < j; k++)
                subtract(h, h, n, j, k);
        }
        for (size_t k = 0; k < begin; k++)
            for (size_t j = begin; j < end; j++)
                subtract(h, h, n, j, k);
    }
}

bertrun_status br_hessian_factor(br_hessian *hessian, bertrun_error *error)
{
    size_t in = hessian->in;
    double *permuted = br_alloc(in, in * sizeof *permuted);
    diagonal *columns = br_alloc(in, sizeof *columns);
    if (permuted && columns) {
        choose_order(hessian, columns);
        permute(hessian, permuted);
        damp(permuted, in);
        factor(permuted, in);
        br_free(hessian->products);
        hessian->products = permuted;
    } else {
        br_free(permuted);
    }
    br_free(columns);
    return permuted && columns ? BERTRUN_OK : br_fail_nomem(error);
}

/* ------------------------------------------------------------------------------------ rounding */

/* Output channels that are rounded side by side. */
enum { CHANNELS = 32 };

/* Some channels of a matrix on their way: columns in the Hessian's order. */
typedef struct rounding {
    const br_hessian *hessian;
    const float *weights; /* of the first channel */
    int8_t *q;            /* likewise */
    size_t channels;
    double scale[CHANNELS];
    float (*errors)[CHANNELS]; /* [in] w - s q so far */
} rounding;

static void round_column(const rounding *r, size_t j)
{
    size_t in = r->hessian->in, column = r->hessian->order[j];
    const double *l = r->hessian->products + j * in;
    float sum[CHANNELS] = {0};
    for (size_t i = 0; i < j; i++) {
        float factor = (float)l[i];
        for (size_t c = 0; c < CHANNELS; c++)
            sum[c] += factor * r->errors[i][c];
    }
    for (size_t c = 0; c < r->channels; c++) {
        double weight = (double)r->weights[c * in + column];
        double wanted = r->scale[c] > 0 ? (weight + (double)sum[c] / l[j]) / r->scale[c] : 0;
        double q = rint(wanted < -127 ? -127 : wanted > 127 ? 127 : wanted);
        r->q[c * in + column] = (int8_t)q;
        r->errors[j][c] = (float)(weight - q * r->scale[c]);
    }
}

static void choose_scales(rounding *r, float *scales)
{
    size_t in = r->hessian->in;
    for (size_t c = 0; c < r->channels; c++) {
        float most = 0;
        for (size_t i = 0; i < in; i++)
            most = fmaxf(most, fabsf(r->weights[c * in + i]));
        scales[c] = most / 127;
        r->scale[c] = (double)scales[c];
    }
}

bertrun_status br_gptq_round(const br_hessian *factored, const float *weights, size_t rows,
                             int8_t *q, float *scales, bertrun_error *error)
{
    size_t in = factored->in;
    rounding r = {.hessian = factored, .errors = br_calloc(in, sizeof *r.errors)};
    if (!r.errors)
        return br_fail_nomem(error);
    for (size_t first = 0; first < rows; first += CHANNELS) {
        r.weights = weights + first * in;
        r.q = q + first * in;
        r.channels = rows - first < CHANNELS ? rows - first : CHANNELS;
        choose_scales(&r, scales + first);
        for (size_t j = 0; j < in; j++)
            round_column(&r, j);
    }
    br_free(r.errors);
    return BERTRUN_OK;
}
