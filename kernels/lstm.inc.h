/* The LSTM cell of ops.h over vec_*.h's vectors. Included once by each ops_*.c, after rows.inc.h.
 */

typedef struct cell_context {
    br_linear_row input, recurrent;
    bool input_integers, recurrent_integers;
    size_t hidden_size;
    float *cell, *hidden;
    v_range range;
} cell_context;

/* Group j of gate 0..3 (i, f, g, o) before its activation. */
BR_INLINE v4 gate(const cell_context *c, size_t index, size_t j, size_t count)
{
    j += index * c->hidden_size;
    return v4_add(row_linear(&c->recurrent, c->recurrent_integers, j, count),
                  row_linear(&c->input, c->input_integers, j, count));
}

/* sigmoid(gate) * tanh(x) */
BR_INLINE v4 gated_tanh(v4 gate, v4 x)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i += BR_CHAINS)
        v_gated_tanh(BR_CHAINS, gate.part + i, x.part + i);
    return x;
}

BR_INLINE void cell_step(cell_context *c, size_t j, size_t count)
{
    v4 add = gated_tanh(gate(c, 0, j, count), gate(c, 2, j, count));
    v4 keep = gate(c, 1, j, count);
    BR_APPLY(v_sigmoid, &keep);
    v4 cell = v4_fma(keep, v4_load(c->cell + j, count), add);
    v4_store(c->cell + j, cell, count);
    v4 hidden = gated_tanh(gate(c, 3, j, count), cell);
    v4_store(c->hidden + j, hidden, count);
    v_range_add(&c->range, &hidden, count);
}

/* The two flags are constants at every call. */
BR_INLINE br_range cell_row(const br_linear_row *input, bool input_integers,
                            const br_linear_row *recurrent, bool recurrent_integers, float *cell,
                            float *hidden)
{
    cell_context c = {*input,       *recurrent, input_integers, recurrent_integers,
                      input->n / 4, cell,       hidden,         v_range_empty()};
    BR_EACH_GROUP(c.hidden_size, cell_step, &c);
    return v_range_fold(&c.range);
}

static br_range lstm_cell(const br_linear_row *input, const br_linear_row *recurrent, float *cell,
                          float *hidden)
{
    bool integers = recurrent->columns.scale;
    if (input->columns.scale)
        return integers ? cell_row(input, true, recurrent, true, cell, hidden)
                        : cell_row(input, true, recurrent, false, cell, hidden);
    return integers ? cell_row(input, false, recurrent, true, cell, hidden)
                    : cell_row(input, false, recurrent, false, cell, hidden);
}
