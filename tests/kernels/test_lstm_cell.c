/* The LSTM cell: every instruction set gives scalar's bits; scalar gives what double precision
 * does.
 */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "common/memory.h"
#include "kernels/ops.h"
#include "tests/kernels/kernel_inputs.h"

/* How the rows of a case are made. */
typedef struct kinds {
    bool input_integers, recurrent_integers;
    float spread; /* of integer sums: with 500 few gates are saturated, with 20,000 most are */
} kinds;

/* Where unit j has its gate 0..3 (i, f, g, o). */
static size_t place(size_t gate, size_t j)
{
    return (j / BR_CELL_UNITS * 4 + gate) * BR_CELL_UNITS + j % BR_CELL_UNITS;
}

/* A projection's row: floats by the case's pattern, or integers. */
static br_linear_row make_row(const kernel_case *c, bool integers, float spread, unsigned salt)
{
    const size_t n = 4 * br_round_up(c->n, BR_CELL_UNITS);
    br_linear_row row = {.n = 4 * c->n, .input = {0.0131f, -0.7f + 0.1f * (float)salt}};
    uint64_t seed = c->seed + salt;
    row.acc = make_floats(c, n, salt + 2);
    if (!integers)
        return row;
    int32_t *acc = guarded(n * sizeof *acc);
    for (size_t j = 0; j < n; j++)
        acc[j] = (int32_t)(random_normal(&seed) * spread);
    row.acc = acc;
    row.columns.scale = make_normal(c, n, salt + 3);
    row.columns.offset = make_normal(c, n, salt + 4);
    return row;
}

/* z at j; adds its terms' magnitudes, which rounding errors follow, to *size. */
static double reference_value(const br_linear_row *row, size_t j, double *size)
{
    double terms[] = {0, 0, row->columns.bias ? row->columns.bias[j] : 0};
    if (row->columns.scale) {
        terms[0] =
            (double)row->input.scale * ((const int32_t *)row->acc)[j] * row->columns.scale[j];
        terms[1] = (double)row->input.lo * row->columns.offset[j];
    } else {
        terms[0] = ((const float *)row->acc)[j];
    }
    *size += fabs(terms[0]) + fabs(terms[1]) + fabs(terms[2]);
    return terms[0] + terms[1] + terms[2];
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static void check_reference(const kernel_case *c, const br_linear_row rows[2], const float *before,
                            const float *cell, const float *hidden)
{
    for (size_t j = 0; j < c->n; j++) {
        double gate[4], size = 0;
        for (size_t g = 0; g < 4; g++)
            gate[g] = reference_value(&rows[0], place(g, j), &size) +
                      reference_value(&rows[1], place(g, j), &size);
        double expected = logistic(gate[1]) * before[j] + logistic(gate[0]) * tanh(gate[2]);
        double bound = (1e-6 + 2e-7 * size) * (1 + fabs((double)before[j]));
        expect_near("lstm_cell: cell", "scalar", c, expected, cell[j], bound, j);
        expect_near("lstm_cell: hidden", "scalar", c, logistic(gate[3]) * tanh(expected), hidden[j],
                    bound, j);
    }
}

static void check_kinds(const kernel_case *c, const kinds *k)
{
    const br_ops *sets[2], *scalar = br_ops_for(BR_ISA_SCALAR);
    size_t bytes = c->n * sizeof(float), count = vector_sets(sets);
    guarded_reset();
    br_linear_row rows[] = {make_row(c, k->input_integers, k->spread, 10),
                            make_row(c, k->recurrent_integers, k->spread, 0)};
    rows[0].columns.bias = make_normal(c, 4 * br_round_up(c->n, BR_CELL_UNITS), 1);
    float *before = make_floats(c, c->n, 6);
    float *cell = make_copy(before, bytes), *hidden = guarded(bytes);
    scalar->lstm_cell(&rows[0], &rows[1], cell, hidden);
    if (c->pattern == PATTERN_NORMAL || c->pattern == PATTERN_ZERO)
        check_reference(c, rows, before, cell, hidden);
    for (size_t s = 0; s < count; s++) {
        float *own_cell = make_copy(before, bytes), *own_hidden = guarded(bytes);
        sets[s]->lstm_cell(&rows[0], &rows[1], own_cell, own_hidden);
        expect_same("lstm_cell: cell", sets[s]->name, c, cell, own_cell, c->n);
        expect_same("lstm_cell: hidden", sets[s]->name, c, hidden, own_hidden, c->n);
    }
}

static void check(const kernel_case *c)
{
    static const kinds all[] = {{false, false, 0},  {true, false, 500},   {false, true, 500},
                                {true, true, 500},  {true, false, 20000}, {false, true, 20000},
                                {true, true, 20000}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_kinds(c, &all[i]);
}

Test(lstm_cell, every_set_and_double_precision)
{
    each_case(check);
}

/* One unit, its gates and its cell before: the new cell and its output. */
static void run_unit(const float gates[4], float *cell, float *hidden)
{
    float acc[4 * BR_CELL_UNITS] = {0}, nothing[4 * BR_CELL_UNITS] = {0};
    for (size_t g = 0; g < 4; g++)
        acc[place(g, 0)] = gates[g];
    br_linear_row input = {.acc = acc, .n = 4}, recurrent = {.acc = nothing, .n = 4};
    br_ops_select()->lstm_cell(&input, &recurrent, cell, hidden);
}

/* How far cell and output are off where a gate is x and the others are wide open or, where they
 * would hide it, shut. */
static double error_of_gate(size_t gate, float x)
{
    static const float others[4][4] = {{0, -INFINITY, INFINITY, INFINITY},
                                       {-INFINITY, 0, INFINITY, INFINITY},
                                       {INFINITY, -INFINITY, 0, INFINITY},
                                       {INFINITY, INFINITY, INFINITY, 0}};
    float gates[4], cell = 1, hidden;
    memcpy(gates, others[gate], sizeof gates);
    gates[gate] = x;
    run_unit(gates, &cell, &hidden);
    double open = logistic((double)x), after = gate == 3 ? 2 : gate == 2 ? tanh((double)x) : open;
    double out = (gate == 3 ? open : 1) * tanh(after);
    double error = fabs(cell - after) + fabs(hidden - out);
    return isnan(error) ? INFINITY : error;
}

Test(lstm_cell, gates_of_any_size)
{
    static const float ends[] = {0, -0.0f, FLT_MIN, 87, 88.8f, 1e4f, 1e30f, FLT_MAX, INFINITY};
    for (size_t gate = 0; gate < 4; gate++) {
        double worst = 0;
        for (int i = -40000; i <= 40000; i++)
            worst = fmax(worst, error_of_gate(gate, (float)i * 1e-3f));
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            worst = fmax(worst, fmax(error_of_gate(gate, ends[i]), error_of_gate(gate, -ends[i])));
        cr_expect(worst <= 1e-6, "gate %zu: off by %g", gate, worst);
    }
}

Test(lstm_cell, nan_stays)
{
    for (size_t gate = 0; gate < 4; gate++) {
        float gates[4] = {0.5f, 0.5f, 0.5f, 0.5f}, cell = 1, hidden;
        gates[gate] = NAN;
        run_unit(gates, &cell, &hidden);
        cr_expect(isnan(hidden) && isnan(cell) == (gate < 3), "gate %zu: %g, %g", gate,
                  (double)cell, (double)hidden);
    }
}
