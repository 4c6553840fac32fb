/* Token classification: a row of logits and scores for each token, and the entities they make. */
#include <string.h>

#include "engine/entity_groups.h"
#include "engine/run.h"

static bertrun_status finish_tokens(bertrun_session *session, const br_run_plan *plan,
                                    const br_batch *batch, size_t first, bertrun_error *error)
{
    br_rows rows = br_workspace_rows(&session->work);
    size_t labels = plan->width;
    size_t begin = ((const size_t *)session->cu_seqlens.data)[first];
    float *logits = (float *)session->values.data + begin * labels;
    float *scores = (float *)session->scores.data + begin * labels;
    BR_TRY(br_head_run(&session->work, &session->head, plan->head, batch->tokens, &rows, error));
    for (size_t i = 0; i < batch->tokens; i++) {
        memcpy(logits + i * labels, rows.data + i * rows.stride, labels * sizeof *logits);
        session->model->ops->softmax(logits + i * labels, labels, scores + i * labels);
    }
    return BERTRUN_OK;
}

static bertrun_status classify_tokens(bertrun_session *session, const bertrun_input *inputs,
                                      size_t count, const br_input_plan *input_plan,
                                      bertrun_output *output, bertrun_error *error)
{
    br_run_plan plan = {.finish = finish_tokens, .width = session->model->info.num_labels};
    size_t row_bytes = plan.width * sizeof(float);
    *output = (bertrun_output){0};
    plan.head = br_model_head(session->model, BERTRUN_TASK_NER, error);
    if (!plan.head)
        return BERTRUN_ERR_UNSUPPORTED;
    BR_TRY(br_pack_inputs(session, inputs, count, input_plan, output, error));
    if (!br_buffer_reserve(&session->values, output->total_tokens, row_bytes) ||
        !br_buffer_reserve(&session->scores, output->total_tokens, row_bytes))
        return br_fail_nomem(error);
    output->width = plan.width;
    output->values = session->values.data;
    output->scores = session->scores.data;
    return br_run_passes(session, &plan, error);
}

bertrun_status bertrun_classify_tokens(bertrun_session *session, const bertrun_input *inputs,
                                       size_t count, bertrun_output *output, bertrun_error *error)
{
    return classify_tokens(session, inputs, count, &(br_input_plan){.windows = true}, output,
                           error);
}

static bertrun_status check_inputs(const bertrun_input *inputs, size_t count, bertrun_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (inputs[i].ids || inputs[i].pair)
            return br_fail_input(error, BERTRUN_ERR_UNSUPPORTED, i,
                                 "entities are found in a single text, not in %s",
                                 inputs[i].ids ? "ids" : "a pair");
    return BERTRUN_OK;
}

/* Entities of sequences [first, end), the windows of one text, after the `used` ones there are. */
static bertrun_status collect(bertrun_session *session, size_t first, size_t end,
                              bertrun_aggregation aggregation, size_t *used, bertrun_error *error)
{
    const size_t *cu_seqlens = session->cu_seqlens.data;
    size_t from = *used, labels = session->model->info.num_labels;
    for (size_t s = first; s < end; s++) {
        size_t begin = cu_seqlens[s], count = cu_seqlens[s + 1] - begin;
        if (!br_buffer_grow(&session->found, *used * sizeof(bertrun_entity), *used + count,
                            sizeof(bertrun_entity)) ||
            !br_buffer_reserve(&session->candidates, count, sizeof(br_tagged)) ||
            !br_buffer_reserve(&session->label_scores, labels, sizeof(float)))
            return br_fail_nomem(error);
        br_tagged_tokens tokens = {
            .model = session->model,
            .count = count,
            .ids = (const int32_t *)session->ids.data + begin,
            .spans = (const br_span *)session->spans.data + begin,
            .special_mask = (const uint8_t *)session->special_mask.data + begin,
            .scores = (const float *)session->scores.data + begin * labels,
            .mean = session->label_scores.data,
        };
        *used += br_group_entities(&tokens, aggregation, session->candidates.data,
                                   (bertrun_entity *)session->found.data + *used);
    }
    if (end - first > 1)
        *used =
            from + br_merge_overlapping((bertrun_entity *)session->found.data + from, *used - from);
    return BERTRUN_OK;
}

bertrun_status bertrun_find_entities(bertrun_session *session, const bertrun_input *inputs,
                                     size_t count, bertrun_aggregation aggregation,
                                     bertrun_entities *output, bertrun_error *error)
{
    bertrun_output tokens;
    size_t used = 0, sequence = 0;
    *output = (bertrun_entities){0};
    if ((unsigned)aggregation > BERTRUN_AGGREGATION_MAX)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown aggregation %d", aggregation);
    BR_TRY(check_inputs(inputs, count, error));
    BR_TRY(classify_tokens(session, inputs, count,
                           &(br_input_plan){.windows = true, .places = true}, &tokens, error));
    if (!br_buffer_reserve(&session->found_offsets, count + 1, sizeof(size_t)))
        return br_fail_nomem(error);
    size_t *offsets = session->found_offsets.data;
    for (size_t i = 0; i < count; i++) {
        offsets[i] = used;
        BR_TRY(collect(session, sequence, sequence + tokens.texts[i].windows, aggregation, &used,
                       error));
        sequence += tokens.texts[i].windows;
    }
    offsets[count] = used;
    *output = (bertrun_entities){
        .count = count, .offsets = offsets, .entities = session->found.data, .texts = tokens.texts};
    return BERTRUN_OK;
}
