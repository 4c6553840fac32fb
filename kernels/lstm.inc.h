/* The LSTM cell of ops.h over vec_*.h's vectors. Included once by each ops_*.c, after rows.inc.h.
 */

typedef struct cell_context {
    br_linear_row row;
    bool integers;
    const float *input;
    size_t hidden_size;
    float *cell, *hidden;
    v_range range;
} cell_context;

/* Group j of gate 0..3 (i, f, g, o) before its activation. */
BR_INLINE v4 gate(const cell_context *c, size_t index, size_t j, size_t count)
{
    j += index * c->hidden_size;
    return v4_add(row_linear(&c->row, c->integers, j, count), v4_load(c->input + j, count));
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

BR_INLINE br_range cell_row(const br_linear_row *row, bool integers, const float *input,
                            float *cell, float *hidden)
{
    cell_context c = {*row, integers, input, row->n / 4, cell, hidden, v_range_empty()};
    BR_EACH_GROUP(c.hidden_size, cell_step, &c);
    return v_range_fold(&c.range);
}

static br_range lstm_cell(const br_linear_row *row, const float *input, float *cell, float *hidden)
{
    return row->columns.scale ? cell_row(row, true, input, cell, hidden)
                              : cell_row(row, false, input, cell, hidden);
}
