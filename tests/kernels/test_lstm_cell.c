/* The LSTM cell: every instruction set gives scalar's bits; scalar gives what double precision
 * does.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kernels/ops.h"
#include "tests/kernels/kernel_inputs.h"

/* The row of a projection, [4 * hidden]: floats by the case's pattern, or integers. */
static br_linear_row make_row(const kernel_case *wide, bool integers, unsigned salt)
{
    br_linear_row row = {.n = wide->n, .input = {0.0131f, -0.7f + 0.1f * (float)salt}};
    uint64_t seed = wide->seed + salt;
    row.columns.bias = make_normal(wide, wide->n, salt + 1);
    row.acc = make_floats(wide, wide->n, salt + 2);
    if (!integers)
        return row;
    int32_t *acc = guarded(wide->n * sizeof *acc);
    for (size_t j = 0; j < wide->n; j++)
        acc[j] = (int32_t)(random_normal(&seed) * 500); /* gates that are not all saturated */
    row.acc = acc;
    row.columns.scale = make_normal(wide, wide->n, salt + 3);
    row.columns.offset = make_normal(wide, wide->n, salt + 4);
    return row;
}

static double reference_value(const br_linear_row *row, size_t j)
{
    double z = row->columns.scale ? (double)row->input.scale * ((const int32_t *)row->acc)[j] *
                                            row->columns.scale[j] +
                                        (double)row->input.lo * row->columns.offset[j]
                                  : (double)((const float *)row->acc)[j];
    return z + row->columns.bias[j];
}

/* The gate before its activation. */
static double reference_gate(const br_linear_row rows[2], size_t j)
{
    return reference_value(&rows[0], j) + reference_value(&rows[1], j);
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static void check_reference(const kernel_case *c, const br_linear_row rows[2], const float *before,
                            const float *cell, const float *hidden)
{
    for (size_t j = 0; j < c->n; j++) {
        double i = logistic(reference_gate(rows, j));
        double f = logistic(reference_gate(rows, c->n + j));
        double g = tanh(reference_gate(rows, 2 * c->n + j));
        double o = logistic(reference_gate(rows, 3 * c->n + j));
        double expected = f * before[j] + i * g;
        double bound = 1e-5 * (1 + fabs((double)before[j]));
        expect_near("lstm_cell: cell", "scalar", c, expected, cell[j], bound, j);
        expect_near("lstm_cell: hidden", "scalar", c, o * tanh(expected), hidden[j], bound, j);
    }
}

static void check_kinds(const kernel_case *c, bool input_integers, bool recurrent_integers)
{
    const kernel_case wide = {4 * c->n, c->pattern, c->seed};
    const br_ops *sets[2], *scalar = br_ops_for(BR_ISA_SCALAR);
    size_t bytes = c->n * sizeof(float), count = vector_sets(sets);
    guarded_reset();
    br_linear_row rows[] = {make_row(&wide, input_integers, 10),
                            make_row(&wide, recurrent_integers, 0)};
    float *before = make_floats(c, c->n, 6);
    float *cell = make_copy(before, bytes), *hidden = guarded(bytes);
    br_range range = scalar->lstm_cell(&rows[0], &rows[1], cell, hidden);
    if (c->pattern == PATTERN_NORMAL || c->pattern == PATTERN_ZERO)
        check_reference(c, rows, before, cell, hidden);
    br_range seen = scalar->range(hidden, c->n);
    expect_same("lstm_cell range", "scalar", c, &seen.lo, &range.lo, 2);
    for (size_t s = 0; s < count; s++) {
        float *own_cell = make_copy(before, bytes), *own_hidden = guarded(bytes);
        br_range own = sets[s]->lstm_cell(&rows[0], &rows[1], own_cell, own_hidden);
        expect_same("lstm_cell: cell", sets[s]->name, c, cell, own_cell, c->n);
        expect_same("lstm_cell: hidden", sets[s]->name, c, hidden, own_hidden, c->n);
        expect_same("lstm_cell range", sets[s]->name, c, &range.lo, &own.lo, 2);
    }
}

static void check(const kernel_case *c)
{
    for (int kinds = 0; kinds < 4; kinds++)
        check_kinds(c, kinds & 1, kinds & 2);
}

Test(lstm_cell, every_set_and_double_precision)
{
    each_case(check);
}
