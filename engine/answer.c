/* Question answering: start and end logits for each token, and the best spans of each context. */
#include <string.h>

#include "engine/answer_spans.h"
#include "engine/reserved.h"
#include "engine/run.h"

enum { DEFAULT_ANSWER_TOKENS = 15, DEFAULT_STRIDE = 128 };

void bertrun_answer_options_init(bertrun_answer_options *options)
{
    *options = (bertrun_answer_options){0};
}

static bertrun_status finish_spans(bertrun_session *session, const br_run_plan *plan,
                                   const br_batch *batch, size_t first, bertrun_error *error)
{
    br_rows rows = br_workspace_rows(&session->work);
    size_t begin = ((const size_t *)session->cu_seqlens.data)[first];
    float *logits = (float *)session->values.data + 2 * begin;
    BR_TRY(br_head_run(&session->work, &session->head, plan->head, batch->tokens, &rows, error));
    for (size_t i = 0; i < batch->tokens; i++)
        memcpy(logits + 2 * i, rows.data + i * rows.stride, 2 * sizeof *logits);
    return BERTRUN_OK;
}

static bertrun_answer_options fill_in(const bertrun_session *session,
                                      const bertrun_answer_options *options)
{
    bertrun_answer_options chosen = options ? *options : (bertrun_answer_options){0};
    size_t half = session->max_length / 2;
    if (chosen.top_k == 0)
        chosen.top_k = 1;
    if (chosen.max_answer_tokens == 0)
        chosen.max_answer_tokens = DEFAULT_ANSWER_TOKENS;
    if (chosen.stride == 0)
        chosen.stride = half < DEFAULT_STRIDE ? half : DEFAULT_STRIDE;
    return chosen;
}

/* Candidates of a window: more than the answers asked for, since several may be of the same words.
 */
static size_t candidates_of(const bertrun_answer_options *options)
{
    return 2 * options->top_k + 10;
}

static bertrun_status check(const bertrun_input *inputs, size_t count,
                            const bertrun_answer_options *options, bertrun_error *error)
{
    BR_TRY(BR_CHECK_RESERVED(options, error));
    if (options->top_k > 1 << 20)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "top_k: %zu is not in 1..%d", options->top_k,
                       1 << 20);
    for (size_t i = 0; i < count; i++)
        if (inputs[i].ids || !inputs[i].pair)
            return br_fail_input(error, BERTRUN_ERR_ARGUMENT, i,
                                 "a question and its context are a pair of texts");
    return BERTRUN_OK;
}

static br_context_window window_of(const bertrun_session *session, size_t sequence)
{
    const size_t *cu_seqlens = session->cu_seqlens.data;
    size_t begin = cu_seqlens[sequence], count = cu_seqlens[sequence + 1] - begin;
    return (br_context_window){
        .ops = session->model->ops,
        .count = count,
        .type_ids = (const uint8_t *)session->type_ids.data + begin,
        .special_mask = (const uint8_t *)session->special_mask.data + begin,
        .spans = (const br_span *)session->spans.data + begin,
        .word_ids = (const int32_t *)session->word_ids.data + begin,
        .logits = (const float *)session->values.data + 2 * begin,
        .start = session->scores.data,
        .end = (float *)session->scores.data + count,
    };
}

/* Room for `more` answers, and one that there is none, behind the `from` of earlier questions. */
static bool reserve_answers(bertrun_session *session, br_answer_list *list, size_t from,
                            size_t more)
{
    size_t count = list->count + more + 1, num_slots = 64, size = sizeof(bertrun_answer);
    if (!br_buffer_grow(&session->found, (from + list->count) * size, from + count, size))
        return false;
    list->answers = (bertrun_answer *)session->found.data + from;
    if (2 * count <= list->num_slots)
        return true;
    while (num_slots < 4 * count)
        num_slots *= 2;
    if (!br_buffer_reserve(&session->answer_slots, num_slots, sizeof(size_t)))
        return false;
    br_answers_index(list, session->answer_slots.data, num_slots);
    return true;
}

/* Adds what one window finds to the answers, which stand behind the `from` of earlier questions. */
static bertrun_status collect_window(bertrun_session *session, size_t sequence,
                                     const bertrun_answer_options *options, size_t from,
                                     br_answer_list *list, float *no_answer, bertrun_error *error)
{
    size_t most = candidates_of(options);
    if (!reserve_answers(session, list, from, most) ||
        !br_buffer_reserve(&session->candidates, most, sizeof(br_candidate)))
        return br_fail_nomem(error);
    br_context_window window = window_of(session, sequence);
    br_candidate *candidates = session->candidates.data;
    size_t found =
        br_find_candidates(&window, options->max_answer_tokens, most, candidates, no_answer);
    for (size_t i = 0; i < found; i++) {
        bertrun_answer answer = {candidates[i].score, br_candidate_span(&window, &candidates[i])};
        br_answers_add(list, &answer);
    }
    return BERTRUN_OK;
}

/* The answers of one input, whose windows are sequences [first, end). */
static bertrun_status collect(bertrun_session *session, size_t first, size_t end,
                              const char *context, const bertrun_answer_options *options,
                              size_t *used, bertrun_error *error)
{
    br_answer_list list = {.context = context};
    float no_answer = 1e6F;
    for (size_t s = first; s < end; s++)
        BR_TRY(collect_window(session, s, options, *used, &list, &no_answer, error));
    if (options->no_answer)
        list.answers[list.count++] = (bertrun_answer){.score = no_answer};
    *used += br_keep_best(list.answers, list.count, options->top_k);
    return BERTRUN_OK;
}

static bertrun_status collect_all(bertrun_session *session, const bertrun_input *inputs,
                                  size_t count, const bertrun_answer_options *options,
                                  bertrun_answers *output, bertrun_error *error)
{
    size_t used = 0, sequence = 0;
    const bertrun_text_info *texts = session->texts.data;
    if (!br_buffer_reserve(&session->found_offsets, count + 1, sizeof(size_t)) ||
        !br_buffer_reserve(&session->scores, 2 * session->max_length, sizeof(float)))
        return br_fail_nomem(error);
    size_t *offsets = session->found_offsets.data;
    for (size_t i = 0; i < count; i++) {
        offsets[i] = used;
        BR_TRY(collect(session, sequence, sequence + texts[i].windows, inputs[i].pair, options,
                       &used, error));
        sequence += texts[i].windows;
    }
    offsets[count] = used;
    *output = (bertrun_answers){
        .count = count, .offsets = offsets, .answers = session->found.data, .texts = texts};
    return BERTRUN_OK;
}

bertrun_status bertrun_answer_questions(bertrun_session *session, const bertrun_input *inputs,
                                        size_t count, const bertrun_answer_options *options,
                                        bertrun_answers *output, bertrun_error *error)
{
    bertrun_output tokens;
    br_run_plan plan = {.finish = finish_spans};
    bertrun_answer_options chosen = fill_in(session, options);
    *output = (bertrun_answers){0};
    plan.head = br_model_head(session->model, BERTRUN_TASK_ANSWER, error);
    if (!plan.head)
        return BERTRUN_ERR_UNSUPPORTED;
    BR_TRY(check(inputs, count, &chosen, error));
    br_input_plan input_plan = {
        .windows = true, .places = true, .context = true, .stride = chosen.stride};
    BR_TRY(br_pack_inputs(session, inputs, count, &input_plan, &tokens, error));
    if (!br_buffer_reserve(&session->values, tokens.total_tokens, 2 * sizeof(float)))
        return br_fail_nomem(error);
    BR_TRY(br_run_passes(session, &plan, error));
    return collect_all(session, inputs, count, &chosen, output, error);
}
