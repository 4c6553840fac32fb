/*
 * Attention of one head (Vaswani et al. 2017) over vec_*.h's vectors; what attention_f32.inc.h and
 * attention_s16.inc.h share.
 *
 * The 16 lanes are 16 QUERIES: the scores are held transposed, [length, queries], so that maximum,
 * exp and sum of the softmax go lane by lane, and keys are read where they are. Queries are taken
 * in blocks of up to 16 * BR_QUERY_VECTORS:
 *
 *   scores[j][i] = sum_k key[j][k] * query[k][i]      in tiles of tokens x vectors of queries
 *   p[j][i]      = exp(scores[j][i] - largest[i])
 *   out[i][c]    = sum_j p[j][i] * value[j][c] / sum_j p[j][i]     in tiles of queries x vectors
 *
 * The last two lines take BR_PIECE tokens at a time, so that between integer products no burst of
 * floating point is long enough to lower the clock (docs/SPEED.md); sums wait in `out`.
 *
 * Both products are one register tile, tile_multiply(), of G groups of BR_GROUP rows x C vectors.
 * Its shapes are BR_TILES, and BR_TILE_GROUPS(C) the largest G, which vec_*.h set by the number of
 * registers.
 *
 * A 32-bit lane of q, k, p and v holds one f32 or a pair of s16; then sums run over pairs of k and
 * of j, and `depth` and `steps` count pairs. The including file defines
 *
 *   br_sum               16 sums, br_sum_zero() none, br_dot(a, b, sum) the products of lanes added
 *   BR_PACK_LENGTH       up to this length v is read where it is
 *   head_context         what else it needs to know about a head
 *   BR_WHOLE_VECTORS     whether head_dim is always a multiple of 16
 *   BR_PIECE             tokens at a time, even; 0: all
 *   br_sum_of(lanes), br_lanes_of(sum)  sums as they wait in memory
 *   score_of(h, j, sum)  sums as scores of token j
 *   result_of(sum)       sums as floats that `inverse` makes outputs of
 *   pack_values()
 *   compute_exp(h)       p of the piece; the last one's, `inverse`
 */

#define BR_MAX_ROWS 16 /* of a tile */

typedef struct attention_head {
    const float *k, *v; /* lanes, rows `stride` lanes apart */
    size_t stride, length, head_dim;
    size_t depth, steps; /* lanes of head_dim, and of the tokens in p and v */
    size_t from, to;     /* the piece's tokens, and */
    size_t step, piece;  /* its first lane and how many */
    size_t columns;      /* head_dim rounded up to 16 */
    bool packed;         /* v is as pack_values() leaves it */
    float *queries;      /* [depth, width] */
    float *scores;       /* [length + BR_GROUP, width]; then p */
    float *out;          /* [count, head_dim] */
    size_t out_stride;
    size_t first, count; /* queries of the block, and */
    size_t width;        /* these rounded up to 16 */
    vf largest[BR_QUERY_VECTORS];
    vf sum[BR_QUERY_VECTORS];             /* of the softmax */
    float inverse[16 * BR_QUERY_VECTORS]; /* what sums of p times v are multiplied by */
    const head_context *context;
} attention_head;

BR_INLINE vf score_of(const attention_head *h, size_t token, br_sum sum);
BR_INLINE vf result_of(br_sum sum);
static void pack_values(attention_head *h, float *packed);
static void compute_exp(attention_head *h);

#define BR_EACH_ROW(r, n)    _Pragma("GCC unroll 16") for (size_t r = 0; r < (n); r++)
#define BR_EACH_COLUMN(c, n) _Pragma("GCC unroll 4") for (size_t c = 0; c < (n); c++)

/*
 * sum[r][c] += a(r)[k * a_step] * b[k * b_step + 16 c], for k < depth in order. a(r) is a[g] + i *
 * a_row for row i of group g.
 */
BR_INLINE void tile_multiply(const size_t G, const size_t C, const float *a[], size_t a_row,
                             size_t a_step, const float *b, size_t b_step, size_t depth,
                             br_sum sum[][BR_TILE_COLUMNS])
{
    for (size_t k = 0; k < depth; k++) {
        vf right[BR_TILE_COLUMNS];
        BR_EACH_COLUMN (c, C)
            right[c] = v_load(b + 16 * c);
        b += b_step;
        BR_EACH_COLUMN (g, G) {
            BR_EACH_ROW (i, BR_GROUP) {
                vf left = v_set_lane(a[g] + i * a_row);
                BR_EACH_COLUMN (c, C)
                    sum[g * BR_GROUP + i][c] = br_dot(left, right[c], sum[g * BR_GROUP + i][c]);
            }
            a[g] += a_step;
            /* Else the compiler keeps an address for each row, more than it has registers for. */
            __asm__("" : "+r"(a[g]));
        }
    }
}

/*
 * First token of a score tile's group g. A group that would pass the end begins earlier and
 * computes some scores once more; of fewer tokens than a group (row = 0), it is one token over and
 * over.
 */
BR_INLINE size_t group_token(const attention_head *h, size_t token, size_t g, size_t row)
{
    size_t first = token + g * BR_GROUP;
    return row == 0 || first + BR_GROUP <= h->length ? first : h->length - BR_GROUP;
}

/* Raises `largest` to the largest of R rows' column c; a tree, to be short. */
BR_INLINE vf tile_largest(const size_t R, const size_t c, vf score[][BR_TILE_COLUMNS], vf largest)
{
    vf best[BR_MAX_ROWS / 2];
    BR_EACH_ROW (r, R / 2)
        best[r] = v_max(score[2 * r][c], score[2 * r + 1][c]);
    BR_EACH_ROW (r, R / 4)
        best[r] = v_max(best[2 * r], best[2 * r + 1]);
    BR_EACH_ROW (r, R / 4)
        largest = v_max(best[r], largest);
    return R % 4 ? v_max(best[R / 2 - 1], largest) : largest;
}

/* Scores of G groups of tokens from `token` on, keys `row` lanes apart within a group. */
BR_INLINE void score_tile(const size_t G, const size_t C, attention_head *h, size_t token,
                          size_t row)
{
    const float *keys[BR_MAX_ROWS / BR_GROUP];
    br_sum sum[BR_MAX_ROWS][BR_TILE_COLUMNS];
    vf score[BR_MAX_ROWS][BR_TILE_COLUMNS];
    BR_EACH_COLUMN (g, G)
        keys[g] = h->k + group_token(h, token, g, row) * h->stride;
    BR_EACH_ROW (r, G * BR_GROUP) {
        BR_EACH_COLUMN (c, C)
            sum[r][c] = br_sum_zero();
    }
    tile_multiply(G, C, keys, row, 1, h->queries, 16 * C, h->depth, sum);
    BR_EACH_COLUMN (g, G) {
        size_t first = group_token(h, token, g, row);
        float *to = h->scores + first * 16 * C;
        BR_EACH_ROW (i, BR_GROUP) {
            BR_EACH_COLUMN (c, C) {
                vf value = score_of(h, row ? first + i : first, sum[g * BR_GROUP + i][c]);
                v_store(to + i * 16 * C + 16 * c, value);
                score[g * BR_GROUP + i][c] = value;
            }
        }
    }
    BR_EACH_COLUMN (c, C)
        h->largest[c] = tile_largest(G * BR_GROUP, c, score, h->largest[c]);
}

/* Floats of a tile's vector c that are within a row. */
BR_INLINE size_t tile_part(const size_t C, const attention_head *h, size_t column, size_t c)
{
    const size_t last = h->head_dim - column - 16 * (C - 1);
    return BR_WHOLE_VECTORS || c + 1 < C || last > 16 ? 16 : last;
}

/* Sums of a group, as the pieces before have left them; of queries past the end they do not matter.
 */
BR_INLINE void read_group(const size_t C, const attention_head *h, size_t query, size_t column,
                          br_sum sum[][BR_TILE_COLUMNS])
{
    BR_EACH_ROW (i, BR_GROUP) {
        if (query + i >= h->count)
            return;
        const float *out = h->out + (query + i) * h->out_stride + column;
        BR_EACH_COLUMN (c, C)
            sum[i][c] = br_sum_of(v_load_n(out + 16 * c, tile_part(C, h, column, c)));
    }
}

/* For the pieces to come; those past the end are left. */
BR_INLINE void write_group(const size_t C, const attention_head *h, size_t query, size_t column,
                           br_sum sum[][BR_TILE_COLUMNS])
{
    BR_EACH_ROW (i, BR_GROUP) {
        if (query + i >= h->count)
            return;
        float *out = h->out + (query + i) * h->out_stride + column;
        BR_EACH_COLUMN (c, C)
            v_store_n(out + 16 * c, br_lanes_of(sum[i][c]), tile_part(C, h, column, c));
    }
}

/* Of the last piece: the outputs, divided by their softmax's sum. */
BR_INLINE void finish_group(const size_t C, const attention_head *h, size_t query, size_t column,
                            br_sum sum[][BR_TILE_COLUMNS])
{
    BR_EACH_ROW (i, BR_GROUP) {
        if (query + i >= h->count)
            return;
        float *out = h->out + (query + i) * h->out_stride + column;
        vf inverse = v_set(h->inverse[query + i]);
        BR_EACH_COLUMN (c, C)
            v_store_n(out + 16 * c, v_mul(result_of(sum[i][c]), inverse),
                      tile_part(C, h, column, c));
    }
}

/*
 * Outputs of G groups of queries from `query` on. Rows past the width are computed from whatever
 * follows, and dropped.
 */
BR_INLINE void value_tile(const size_t G, const size_t C, const attention_head *h, size_t query,
                          size_t column)
{
    const float *p[BR_MAX_ROWS / BR_GROUP];
    const size_t v_step = h->packed ? 16 * C : h->stride;
    const float *v = h->v + (h->packed ? column * h->steps : column) + h->step * v_step;
    br_sum sum[BR_MAX_ROWS][BR_TILE_COLUMNS];
    BR_EACH_COLUMN (g, G)
        p[g] = h->scores + h->step * h->width + query + g * BR_GROUP;
    BR_EACH_ROW (r, G * BR_GROUP) {
        BR_EACH_COLUMN (c, C)
            sum[r][c] = br_sum_zero();
    }
    if (BR_PIECE && h->from > 0)
        BR_EACH_COLUMN (g, G)
            read_group(C, h, query + g * BR_GROUP, column, sum + g * BR_GROUP);
    tile_multiply(G, C, p, 1, h->width, v, v_step, h->piece, sum);
    if (BR_PIECE && h->to < h->length)
        BR_EACH_COLUMN (g, G)
            write_group(C, h, query + g * BR_GROUP, column, sum + g * BR_GROUP);
    else
        BR_EACH_COLUMN (g, G)
            finish_group(C, h, query + g * BR_GROUP, column, sum + g * BR_GROUP);
}

#define BR_TILE_SHAPE(G, C) ((G)*4 + (C))

/* Groups of the next tile, `left` rows being left. */
static size_t tile_groups(size_t C, size_t left)
{
    size_t groups = (left + BR_GROUP - 1) / BR_GROUP;
    return groups < BR_TILE_GROUPS(C) ? groups : BR_TILE_GROUPS(C);
}

/* Columns of the next tile, `left` being left; not 3 + 1, since the narrow tile loads the most. */
static size_t tile_columns(size_t left)
{
    if (left == BR_TILE_COLUMNS + 1)
        return (left + 1) / 2;
    return left < BR_TILE_COLUMNS ? left : BR_TILE_COLUMNS;
}

static void compute_scores(attention_head *h)
{
    const bool few = h->length < BR_GROUP;
    size_t C = h->width / 16, step;
    for (size_t c = 0; c < C; c++)
        h->largest[c] = v_set(-INFINITY);
    for (size_t token = 0; token < h->length; token += step) {
        size_t G = few ? 1 : tile_groups(C, h->length - token);
        step = few ? 1 : G * BR_GROUP;
        switch (BR_TILE_SHAPE(G, C)) {
#define BR_CASE(G, C)                                                                              \
    case BR_TILE_SHAPE(G, C):                                                                      \
        score_tile(G, C, h, token, few ? 0 : h->stride);                                           \
        break;
            BR_TILES(BR_CASE)
#undef BR_CASE
        }
    }
}

static void compute_outputs(const attention_head *h)
{
    size_t C, G;
    for (size_t column = 0; column < h->columns; column += 16 * C) {
        C = tile_columns((h->columns - column) / 16);
        for (size_t query = 0; query < h->count; query += G * BR_GROUP) {
            G = tile_groups(C, h->count - query);
            switch (BR_TILE_SHAPE(G, C)) {
#define BR_CASE(G, C)                                                                              \
    case BR_TILE_SHAPE(G, C):                                                                      \
        value_tile(G, C, h, query, column);                                                        \
        break;
                BR_TILES(BR_CASE)
#undef BR_CASE
            }
        }
    }
}

/*
 * q [rows, depth] -> queries [depth, width]. Queries past the end repeat the last one: they
 * cost nothing, and no lane holds a value that could be slow.
 */
static void pack_queries(attention_head *h, const float *q, size_t stride, size_t rows)
{
    const size_t whole = h->depth & ~(size_t)15;
    for (size_t i = 0; i < h->width; i += 16) {
        const float *row[16];
        for (size_t r = 0; r < 16; r++)
            row[r] = q + (i + r < rows ? i + r : rows - 1) * stride;
        for (size_t k = 0; k < whole; k += 16)
            v_transpose(row, k, h->queries + k * h->width + i, h->width);
        for (size_t k = whole; k < h->depth; k++)
            for (size_t r = 0; r < 16; r++)
                memcpy(h->queries + k * h->width + i + r, row[r] + k, sizeof(float));
    }
}

/* Queries in a block: no fewer than 17 remain for the last one where it can be avoided. */
static size_t block_queries(size_t left)
{
    const size_t most = 16 * BR_QUERY_VECTORS;
    if (left <= most)
        return left;
    return left <= most + 16 && most > 32 ? 32 : most;
}

static void compute_pieces(attention_head *h)
{
    const size_t lane = h->head_dim / h->depth; /* tokens in one */
    for (size_t c = 0; c < h->width / 16; c++)
        h->sum[c] = v_set(0);
    for (h->from = 0; h->from < h->length; h->from = h->to) {
        h->to = BR_PIECE && h->length - h->from > BR_PIECE ? h->from + BR_PIECE : h->length;
        h->step = h->from / lane;
        h->piece = (h->to - h->from + lane - 1) / lane;
        compute_exp(h);
        compute_outputs(h);
    }
}

/* Everything, but for what `h` already holds. */
static void attend(attention_head *h, const float *q, size_t rows, float *out, float *scratch)
{
    const size_t block = 16 * BR_QUERY_VECTORS;
    h->columns = br_round_up(h->head_dim, 16);
    h->queries = scratch;
    h->scores = h->queries + h->depth * block;
    if (h->length > BR_PACK_LENGTH || h->columns != h->head_dim)
        pack_values(h, h->scores + (h->length + BR_GROUP) * block);
    for (size_t i = 0; i < rows; i += h->count) {
        h->first = i;
        h->count = block_queries(rows - i);
        h->width = br_round_up(h->count, 16);
        h->out = out + i * h->out_stride;
        pack_queries(h, q + i * h->stride, h->stride, h->count);
        compute_scores(h);
        compute_pieces(h);
    }
}
