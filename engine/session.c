#include "engine/session.h"

#include "engine/reserved.h"

void bertrun_session_settings_init(bertrun_session_settings *settings)
{
    *settings = (bertrun_session_settings){.threads = 1};
}

/* Rows of a pass where the caller does not say: enough for full blocks on several threads, few
 * enough that a base model's rows stay in the last-level cache. */
enum { DEFAULT_BATCH_TOKENS = 1024, MAX_THREADS = 1024 };

static bertrun_status check_settings(const bertrun_session_settings *settings,
                                     const bertrun_model *model, bertrun_error *error)
{
    size_t positions = model->info.max_position_embeddings;
    size_t special = br_tokenizer_num_special(model->tokenizer, false);
    BR_TRY(BR_CHECK_RESERVED(settings, error));
    if (settings->threads < 0 || settings->threads > MAX_THREADS)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "threads: %d is not in 0..%d",
                       settings->threads, MAX_THREADS);
    if (settings->max_length > positions)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "max_length: %zu is more than the model's %zu positions",
                       settings->max_length, positions);
    if (settings->max_length > 0 && settings->max_length <= special)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "max_length: %zu leaves no room beside the %zu special tokens",
                       settings->max_length, special);
    if ((unsigned)settings->long_text > BERTRUN_LONG_TEXT_STRIDE)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown long_text %d", settings->long_text);
    size_t max_length = settings->max_length ? settings->max_length : model->info.max_length;
    size_t room = max_length > special ? max_length - special : 0;
    if (settings->stride > 0 && settings->stride >= room)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "stride: %zu is not smaller than the %zu tokens that a window holds beside "
                       "the special ones",
                       settings->stride, room);
    return BERTRUN_OK;
}

bertrun_status bertrun_session_open(bertrun_session **out, const bertrun_model *model,
                                    const bertrun_session_settings *settings, bertrun_error *error)
{
    bertrun_session_settings chosen;
    *out = NULL;
    bertrun_session_settings_init(&chosen);
    if (settings)
        chosen = *settings;
    BR_TRY(check_settings(&chosen, model, error));
    bertrun_session *session = br_calloc(1, sizeof *session);
    if (!session)
        return br_fail_nomem(error);
    session->model = model;
    session->max_length = chosen.max_length ? chosen.max_length : model->info.max_length;
    session->batch_tokens = chosen.batch_tokens ? chosen.batch_tokens : DEFAULT_BATCH_TOKENS;
    session->long_text = chosen.long_text;
    session->stride = chosen.stride;
    session->threads = chosen.threads ? chosen.threads : br_pool_available_threads();
    bertrun_status status =
        br_workspace_open(&session->work, model, session->threads, chosen.profile, error);
    if (status != BERTRUN_OK)
        bertrun_session_close(&session);
    *out = session;
    return status;
}

void bertrun_session_close(bertrun_session **pointer)
{
    bertrun_session *session = *pointer;
    *pointer = NULL;
    if (!session)
        return;
    br_workspace_close(&session->work);
    br_head_rows_free(&session->head);
    br_encoding_free(&session->encoding);
    br_buffer *buffers[] = {
        &session->ids,
        &session->type_ids,
        &session->cu_seqlens,
        &session->batch_seqlens,
        &session->texts,
        &session->values,
        &session->sequence_texts,
        &session->pool_from,
        &session->prompted,
        &session->scores,
        &session->codes,
        &session->state_slots,
        &session->spans,
        &session->word_ids,
        &session->special_mask,
        &session->found,
        &session->found_offsets,
        &session->candidates,
        &session->answer_slots,
        &session->masks,
        &session->label_scores,
    };
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        br_free(buffers[i]->data);
    br_free(session);
}

int bertrun_session_threads(const bertrun_session *session)
{
    return session->threads;
}

static bertrun_profile_entry sum_phase(const bertrun_session *session, br_phase phase)
{
    bertrun_profile_entry entry = {.phase = br_phase_name(phase)};
    for (int i = 0; i < session->threads; i++) {
        const br_phase_sum *sum = &session->work.lanes[i]->profile.phases[phase];
        entry.calls += sum->calls;
        entry.seconds += sum->seconds;
        entry.operations += sum->operations;
        if (sum->kernel)
            entry.kernel = sum->kernel;
    }
    return entry;
}

size_t bertrun_session_profile(bertrun_session *session, const bertrun_profile_entry **entries)
{
    size_t count = 0;
    for (int phase = 0; phase < BR_NUM_PHASES; phase++) {
        bertrun_profile_entry entry = sum_phase(session, (br_phase)phase);
        if (entry.calls > 0)
            session->profile[count++] = entry;
    }
    *entries = session->profile;
    return count;
}
