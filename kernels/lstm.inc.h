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

BR_INLINE void cell_step(cell_context *c, size_t j, size_t count)
{
    v4 add = gate(c, 0, j, count), candidate = gate(c, 2, j, count);
    BR_APPLY(v_sigmoid, &add);
    BR_APPLY(v_tanh, &candidate);
    v4 keep = gate(c, 1, j, count), cell = v4_load(c->cell + j, count);
    BR_APPLY(v_sigmoid, &keep);
    BR_EACH_PART (p)
        cell.part[p] = v_fma(keep.part[p], cell.part[p], v_mul(add.part[p], candidate.part[p]));
    v4_store(c->cell + j, cell, count);
    v4 show = gate(c, 3, j, count);
    BR_APPLY(v_tanh, &cell);
    BR_APPLY(v_sigmoid, &show);
    BR_EACH_PART (p)
        show.part[p] = v_mul(show.part[p], cell.part[p]);
    v4_store(c->hidden + j, show, count);
    v_range_add(&c->range, &show, count);
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
