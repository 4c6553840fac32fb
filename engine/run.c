/* Packed inputs are cut into forward passes; hidden states are what the encoder leaves. */
#include "engine/run.h"

#include <string.h>

#include "engine/reserved.h"

/* Sequences from `first` on that fit one pass, at least one. */
static size_t sequences_of_pass(const bertrun_session *session, size_t first)
{
    const size_t *cu_seqlens = session->cu_seqlens.data;
    size_t end = first + 1;
    while (end < session->num_sequences &&
           cu_seqlens[end + 1] - cu_seqlens[first] <= session->batch_tokens)
        end++;
    return end - first;
}

static bertrun_status run_pass(bertrun_session *session, const br_run_plan *plan, size_t first,
                               size_t sequences, bertrun_error *error)
{
    const size_t *cu_seqlens = (const size_t *)session->cu_seqlens.data + first;
    size_t *batch_seqlens = session->batch_seqlens.data;
    for (size_t i = 0; i <= sequences; i++)
        batch_seqlens[i] = cu_seqlens[i] - cu_seqlens[0];
    br_batch batch = {
        .sequences = sequences,
        .tokens = batch_seqlens[sequences],
        .ids = (const int32_t *)session->ids.data + cu_seqlens[0],
        .type_ids = (const uint8_t *)session->type_ids.data + cu_seqlens[0],
        .cu_seqlens = batch_seqlens,
        .pool_from = plan->skips_rows ? (const size_t *)session->pool_from.data + first : NULL,
        .first_rows_only = plan->first_rows_only,
    };
    br_states states;
    if (plan->states) {
        states = *plan->states;
        states.data += cu_seqlens[0] * session->model->info.hidden_size;
    }
    BR_TRY(br_encode(&session->work, &batch, plan->states ? &states : NULL, error));
    return plan->finish ? plan->finish(session, plan, &batch, first, error) : BERTRUN_OK;
}

/* Room for the largest pass that so many tokens can make, however they are cut. */
static bool reserve_passes(bertrun_session *session)
{
    const size_t *cu_seqlens = session->cu_seqlens.data;
    size_t count = session->num_sequences, largest = session->batch_tokens;
    for (size_t i = 0; i < count; i++)
        if (cu_seqlens[i + 1] - cu_seqlens[i] > largest)
            largest = cu_seqlens[i + 1] - cu_seqlens[i];
    return br_buffer_reserve(&session->batch_seqlens, count + 1, sizeof(size_t)) &&
           br_workspace_reserve(&session->work,
                                cu_seqlens[count] < largest ? cu_seqlens[count] : largest);
}

bertrun_status br_run_passes(bertrun_session *session, const br_run_plan *plan,
                             bertrun_error *error)
{
    if (!reserve_passes(session))
        return br_fail_nomem(error);
    bertrun_status status = BERTRUN_OK;
    int previous = br_onednn_begin_single();
    size_t first = 0, sequences;
    for (; first < session->num_sequences && status == BERTRUN_OK; first += sequences) {
        sequences = sequences_of_pass(session, first);
        status = run_pass(session, plan, first, sequences, error);
    }
    br_onednn_end_single(previous);
    return status;
}

/* ------------------------------------------------------------------------------- public calls */

void bertrun_hidden_options_init(bertrun_hidden_options *options)
{
    *options = (bertrun_hidden_options){0};
}

/* Each state's slot in the output: by default its own number. */
static bertrun_status choose_slots(const bertrun_hidden_options *options, size_t num_states,
                                   size_t *slots, size_t *chosen, bertrun_error *error)
{
    bool all = !options || !options->layers;
    *chosen = all ? num_states : options->num_layers;
    for (size_t i = 0; i < num_states; i++)
        slots[i] = all ? i : SIZE_MAX;
    if (*chosen == 0)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "layers: none is named");
    for (size_t i = 0; !all && i < *chosen; i++) {
        int layer = options->layers[i];
        size_t state = layer < 0 ? num_states + (size_t)layer : (size_t)layer;
        if (state >= num_states)
            return br_fail(error, BERTRUN_ERR_ARGUMENT, "layers: %d is not in -%zu..%zu", layer,
                           num_states, num_states - 1);
        if (slots[state] != SIZE_MAX)
            return br_fail(error, BERTRUN_ERR_ARGUMENT, "layers: %zu is named twice", state);
        slots[state] = i;
    }
    return BERTRUN_OK;
}

bertrun_status bertrun_hidden_states(bertrun_session *session, const bertrun_input *inputs,
                                     size_t count, const bertrun_hidden_options *options,
                                     bertrun_output *output, bertrun_error *error)
{
    const bertrun_model_info *info = &session->model->info;
    size_t all = info->num_hidden_layers + 1, chosen, rows;
    *output = (bertrun_output){0};
    if (options)
        BR_TRY(BR_CHECK_RESERVED(options, error));
    if (!br_buffer_reserve(&session->state_slots, all, sizeof(size_t)))
        return br_fail_nomem(error);
    BR_TRY(choose_slots(options, all, session->state_slots.data, &chosen, error));
    BR_TRY(br_pack_inputs(session, inputs, count, &(br_input_plan){0}, output, error));
    if (__builtin_mul_overflow(chosen, output->total_tokens, &rows) ||
        !br_buffer_reserve(&session->values, rows, info->hidden_size * sizeof(float)))
        return br_fail_nomem(error);
    output->width = info->hidden_size;
    output->num_states = chosen;
    output->values = session->values.data;
    br_states states = {session->values.data, output->total_tokens, session->state_slots.data};
    return br_run_passes(session, &(br_run_plan){.states = &states}, error);
}
