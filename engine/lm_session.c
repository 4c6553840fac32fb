/* bertrun_lm_session: state, scratch, and the calls that read words. */
#include <math.h>
#include <string.h>

#include "common/memory.h"
#include "engine/lstm.h"
#include "engine/reserved.h"

/* Rows that pass through all layers together: enough that weights are read seldom, few enough that
 * the gates' sums stay in the second-level cache beside a layer's weights. */
enum { CHUNK_ROWS = 128, MAX_COLUMNS = 65536, MAX_THREADS = 1024 };

void bertrun_lm_session_settings_init(bertrun_lm_session_settings *settings)
{
    *settings = (bertrun_lm_session_settings){.threads = 1, .columns = 1};
}

/* ------------------------------------------------------------------------------ open and close */

static bertrun_status check_settings(const bertrun_lm_session_settings *settings,
                                     bertrun_error *error)
{
    BR_TRY(BR_CHECK_RESERVED(settings, error));
    if (settings->threads < 0 || settings->threads > MAX_THREADS)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "threads: %d is not in 0..%d",
                       settings->threads, MAX_THREADS);
    if (settings->columns < 1 || settings->columns > MAX_COLUMNS)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "columns: %zu is not in 1..%d",
                       settings->columns, MAX_COLUMNS);
    return BERTRUN_OK;
}

/* Rows of one layer's input, and the sums of one step's recurrent projection. */
static bool reserve_layer(br_lane *lane, const br_lstm_layer *layer, size_t columns)
{
    size_t rows = columns < BR_BLOCK_ROWS ? br_round_up(columns, BR_ROW_GROUP) : BR_BLOCK_ROWS;
    size_t k = layer->input.k > layer->hidden.k ? layer->input.k : layer->hidden.k;
    return br_buffer_reserve(&lane->input, BR_BLOCK_ROWS * k, sizeof(uint16_t)) &&
           br_buffer_reserve(&lane->sums[0], rows * layer->hidden.n, sizeof(int32_t));
}

static bool reserve_lane(br_lane *lane, const bertrun_lm_session *session)
{
    bool done = br_lane_reserve(lane, &session->lm->decoder);
    for (size_t i = 0; i < session->lm->info.num_layers; i++)
        done = done && reserve_layer(lane, &session->lm->layers[i], session->columns);
    return done;
}

static bertrun_status start_threads(bertrun_lm_session *session, bertrun_error *error)
{
    BR_TRY(br_workspace_open(&session->work, &session->lm->base, session->threads, false, error));
    for (int i = 0; i < session->threads; i++)
        if (!reserve_lane(session->work.lanes[i], session))
            return br_fail_nomem(error);
    return BERTRUN_OK;
}

static float *zeros(size_t rows, size_t columns)
{
    return br_calloc(rows, columns * sizeof(float));
}

static bertrun_status allocate(bertrun_lm_session *session, bertrun_error *error)
{
    const bertrun_lm *lm = session->lm;
    size_t columns = session->columns, hidden = lm->info.hidden_size, layers = lm->info.num_layers;
    size_t rows = session->chunk_steps * columns;
    session->stride = br_round_up(hidden, BR_MATMUL_PAD);
    session->state = zeros(layers * columns, session->stride);
    session->cell = zeros(layers * columns, hidden);
    session->embedded = zeros(rows, lm->layers[0].input.k);
    session->rows[0] = zeros(rows, session->stride);
    session->rows[1] = zeros(rows, session->stride);
    session->sums = zeros(br_round_up(rows, BR_ROW_GROUP), lm->layers[0].input.n);
    session->inputs = br_calloc(rows, sizeof *session->inputs);
    session->ranges = br_calloc(columns + rows, sizeof *session->ranges);
    bool done = session->state && session->cell && session->embedded && session->rows[0] &&
                session->rows[1] && session->sums && session->inputs && session->ranges;
    return done ? BERTRUN_OK : br_fail_nomem(error);
}

bertrun_status bertrun_lm_session_open(bertrun_lm_session **out, const bertrun_lm *lm,
                                       const bertrun_lm_session_settings *settings,
                                       bertrun_error *error)
{
    bertrun_lm_session_settings chosen;
    *out = NULL;
    bertrun_lm_session_settings_init(&chosen);
    if (settings)
        chosen = *settings;
    BR_TRY(check_settings(&chosen, error));
    bertrun_lm_session *session = br_calloc(1, sizeof *session);
    if (!session)
        return br_fail_nomem(error);
    session->lm = lm;
    session->columns = chosen.columns;
    session->chunk_steps = chosen.columns < CHUNK_ROWS ? CHUNK_ROWS / chosen.columns : 1;
    session->threads = chosen.threads ? chosen.threads : br_pool_available_threads();
    bertrun_status status = start_threads(session, error);
    if (status == BERTRUN_OK)
        status = allocate(session, error);
    if (status != BERTRUN_OK)
        bertrun_lm_session_close(&session);
    *out = session;
    return status;
}

void bertrun_lm_session_close(bertrun_lm_session **pointer)
{
    bertrun_lm_session *session = *pointer;
    *pointer = NULL;
    if (!session)
        return;
    br_workspace_close(&session->work);
    void *memory[] = {session->state,          session->cell,        session->embedded,
                      session->rows[0],        session->rows[1],     session->sums,
                      session->inputs,         session->ranges,      session->logits.data,
                      session->log_probs.data, session->chunk_logits};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        br_free(memory[i]);
    br_free(session);
}

int bertrun_lm_session_threads(const bertrun_lm_session *session)
{
    return session->threads;
}

void bertrun_lm_session_reset(bertrun_lm_session *session)
{
    size_t layers = session->lm->info.num_layers, columns = session->columns;
    memset(session->state, 0, layers * columns * session->stride * sizeof *session->state);
    memset(session->cell, 0,
           layers * columns * session->lm->info.hidden_size * sizeof *session->cell);
}

/* ------------------------------------------------------------------------------------- reading */

static bertrun_status check_ids(const bertrun_lm_session *session, const char *what,
                                const int32_t *ids, size_t steps, bertrun_error *error)
{
    size_t words = session->lm->info.vocab_size;
    for (size_t i = 0; i < steps * session->columns; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= words)
            return br_fail(error, BERTRUN_ERR_ARGUMENT,
                           "%s: %d at step %zu, column %zu is not in 0..%zu", what, (int)ids[i],
                           i / session->columns, i % session->columns, words - 1);
    return BERTRUN_OK;
}

/* A call that reads words, a chunk of steps at a time. */
typedef struct reading {
    const int32_t *ids;
    const int32_t *targets; /* NULL: the logits are wanted */
    float *logits;          /* [steps, C, vocab_size], or room for a chunk's with targets */
    float *log_probs;       /* [steps, C] with targets */
} reading;

/* Logits of the last chunk's rows. */
static bertrun_status decode(bertrun_lm_session *session, float *logits, size_t rows,
                             bertrun_error *error)
{
    const br_linear *decoder = &session->lm->decoder;
    br_dense_call call = {
        .linear = decoder,
        .phase = BR_PHASE_HEAD,
        .rows = rows,
        .src = session->rows[0],
        .ranges = session->ranges + session->columns,
        .dst = logits,
        .dst_stride = decoder->out,
    };
    return br_run_dense(&session->work, &call, error);
}

/* log softmax(x)[target]. x [n] is overwritten by softmax(x), whose largest value is 1 / the sum of
 * exp(x - largest). */
static float log_probability(const br_ops *ops, float *x, size_t n, int32_t target)
{
    float distance = x[target] - ops->range(x, n).hi;
    ops->softmax(x, n, x);
    return distance + (float)log((double)ops->range(x, n).hi);
}

typedef struct score_task {
    const bertrun_lm_session *session;
    const int32_t *targets;
    float *logits, *log_probs;
} score_task;

static void score_row(void *argument, size_t row, int worker)
{
    (void)worker;
    const score_task *task = argument;
    size_t words = task->session->lm->info.vocab_size;
    task->log_probs[row] = log_probability(task->session->lm->base.ops, task->logits + row * words,
                                           words, task->targets[row]);
}

static bertrun_status read_chunk(bertrun_lm_session *session, const reading *r, size_t first,
                                 size_t steps, bertrun_error *error)
{
    size_t row = first * session->columns, rows = steps * session->columns;
    float *logits = r->targets ? r->logits : r->logits + row * session->lm->info.vocab_size;
    BR_TRY(br_lstm_run(session, r->ids + row, steps, error));
    BR_TRY(decode(session, logits, rows, error));
    if (r->targets) {
        score_task task = {session, r->targets + row, logits, r->log_probs + row};
        br_pool_run(session->work.pool, rows, score_row, &task);
    }
    return BERTRUN_OK;
}

static bertrun_status read_words(bertrun_lm_session *session, const reading *r, size_t steps,
                                 bertrun_error *error)
{
    bertrun_status status = BERTRUN_OK;
    int previous = br_onednn_begin_single();
    for (size_t first = 0; first < steps && status == BERTRUN_OK; first += session->chunk_steps) {
        size_t left = steps - first;
        status = read_chunk(session, r, first,
                            left < session->chunk_steps ? left : session->chunk_steps, error);
    }
    br_onednn_end_single(previous);
    return status;
}

bertrun_status bertrun_lm_logits(bertrun_lm_session *session, const int32_t *ids, size_t steps,
                                 const float **logits, bertrun_error *error)
{
    size_t row_bytes = session->columns * session->lm->info.vocab_size * sizeof(float);
    BR_TRY(check_ids(session, "ids", ids, steps, error));
    if (!br_buffer_reserve(&session->logits, steps, row_bytes))
        return br_fail_nomem(error);
    reading r = {.ids = ids, .logits = session->logits.data};
    *logits = session->logits.data;
    return read_words(session, &r, steps, error);
}

bertrun_status bertrun_lm_score(bertrun_lm_session *session, const int32_t *ids,
                                const int32_t *targets, size_t steps, const float **log_probs,
                                bertrun_error *error)
{
    BR_TRY(check_ids(session, "ids", ids, steps, error));
    BR_TRY(check_ids(session, "targets", targets, steps, error));
    size_t rows = session->chunk_steps * session->columns;
    if (!session->chunk_logits)
        session->chunk_logits =
            br_alloc(rows, session->lm->info.vocab_size * sizeof *session->chunk_logits);
    if (!session->chunk_logits ||
        !br_buffer_reserve(&session->log_probs, steps, session->columns * sizeof(float)))
        return br_fail_nomem(error);
    reading r = {ids, targets, session->chunk_logits, session->log_probs.data};
    *log_probs = session->log_probs.data;
    return read_words(session, &r, steps, error);
}
