/* Classification: a row of logits and scores for each text or pair. */
#include <string.h>

#include "engine/run.h"

static void score(const bertrun_model *model, const float *logits, size_t count, float *scores)
{
    switch (model->info.scores) {
    case BERTRUN_SCORES_SOFTMAX:
        model->ops->softmax(logits, count, scores);
        break;
    case BERTRUN_SCORES_SIGMOID:
        model->ops->sigmoid(logits, count, scores);
        break;
    case BERTRUN_SCORES_IDENTITY:
        memcpy(scores, logits, count * sizeof *scores);
        break;
    }
}

static bertrun_status finish_classify(bertrun_session *session, const br_run_plan *plan,
                                      const br_batch *batch, size_t first, bertrun_error *error)
{
    br_rows rows = br_workspace_rows(&session->work);
    size_t labels = plan->width;
    float *logits = (float *)session->values.data + first * labels;
    float *scores = (float *)session->scores.data + first * labels;
    BR_TRY(br_head_run(&session->work, &session->head, plan->head, batch->sequences, &rows, error));
    for (size_t i = 0; i < batch->sequences; i++) {
        memcpy(logits + i * labels, rows.data + i * rows.stride, labels * sizeof *logits);
        score(session->model, logits + i * labels, labels, scores + i * labels);
    }
    return BERTRUN_OK;
}

bertrun_status bertrun_classify(bertrun_session *session, const bertrun_input *inputs, size_t count,
                                bertrun_output *output, bertrun_error *error)
{
    br_run_plan plan = {
        .finish = finish_classify,
        .width = session->model->info.num_labels,
        .first_rows_only = true,
    };
    *output = (bertrun_output){0};
    plan.head = br_model_head(session->model, BERTRUN_TASK_CLASSIFY, error);
    if (!plan.head)
        return BERTRUN_ERR_UNSUPPORTED;
    BR_TRY(br_pack_inputs(session, inputs, count, &(br_input_plan){0}, output, error));
    if (!br_buffer_reserve(&session->values, count * plan.width, sizeof(float)) ||
        !br_buffer_reserve(&session->scores, count * plan.width, sizeof(float)))
        return br_fail_nomem(error);
    output->width = plan.width;
    output->values = session->values.data;
    output->scores = session->scores.data;
    return br_run_passes(session, &plan, error);
}
