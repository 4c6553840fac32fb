/* The LSTM cell of ops.h over vec_*.h's vectors. Included once by each ops_*.c, after groups.inc.h.
 */

typedef struct cell_context {
    br_linear_row input, recurrent;
    bool input_integers, recurrent_integers;
    float *cell, *hidden;
} cell_context;

/* x to exp(-times x). */
BR_INLINE void exp_minus(v4 *x, const float *times)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i += BR_CHAINS)
        v_exp_minus(BR_CHAINS, x->part + i, times + i);
}

/*
 * `units` <= 16 units from unit j on: the new cell, and in *output what its output's gate divides
 * by. With e(x) = exp(-x), sigmoid(x) is 1 / (1 + e(x)) and tanh(x) is (1 - e(2x)) / (1 + e(2x)),
 * so that the cell is one division, and its output is another.
 */
BR_INLINE vf new_cell(const cell_context *c, size_t j, size_t units, vf *output)
{
    static const float times[] = {1, 1, 2, 1};
    const vf one = v_set(1);
    v4 e = row_linear(&c->input, c->input_integers, 4 * j, 4 * BR_CELL_UNITS);
    BR_EACH_PART (i)
        e.part[i] =
            row_vector_on(&c->recurrent, c->recurrent_integers, 4 * j + 16 * i, 16, e.part[i]);
    exp_minus(&e, times);
    vf input = v_add(one, e.part[0]), forget = v_add(one, e.part[1]);
    vf both = v_mul(input, v_add(one, e.part[2])), added = v_mul(v_sub(one, e.part[2]), forget);
    *output = v_add(one, e.part[3]);
    return v_div(v_fma(v_load_n(c->cell + j, units), both, added), v_mul(both, forget));
}

/* Units j .. j + count */
BR_INLINE void cell_step(const cell_context *c, size_t j, size_t count)
{
    static const float times[] = {2, 2, 2, 2};
    const vf one = v_set(1);
    v4 output = v4_set(1), e = v4_set(0);
    BR_EACH_PART (i) {
        size_t units = v_part(count, i);
        if (units == 0)
            break;
        e.part[i] = new_cell(c, j + 16 * i, units, &output.part[i]);
        v_store_n(c->cell + j + 16 * i, e.part[i], units);
    }
    exp_minus(&e, times);
    BR_EACH_PART (i)
        e.part[i] = v_div(v_sub(one, e.part[i]), v_mul(v_add(one, e.part[i]), output.part[i]));
    v4_store(c->hidden + j, e, count);
}

/* The two flags are constants at every call. */
BR_INLINE void cell_row(const br_linear_row *input, bool input_integers,
                        const br_linear_row *recurrent, bool recurrent_integers, float *cell,
                        float *hidden)
{
    cell_context c = {*input, *recurrent, input_integers, recurrent_integers, cell, hidden};
    BR_EACH_GROUP(input->n / 4, cell_step, &c);
}

static void lstm_cell(const br_linear_row *input, const br_linear_row *recurrent, float *cell,
                      float *hidden)
{
    bool integers = recurrent->columns.scale;
    if (input->columns.scale)
        integers ? cell_row(input, true, recurrent, true, cell, hidden)
                 : cell_row(input, true, recurrent, false, cell, hidden);
    else
        integers ? cell_row(input, false, recurrent, true, cell, hidden)
                 : cell_row(input, false, recurrent, false, cell, hidden);
}
