/* Masked language modelling: the tokens that fit best in place of each [MASK]. */
#include <string.h>

#include "engine/run.h"

/* Masks of one br_head_run(): their logits are as wide as the vocabulary. */
enum { MASKS_AT_ONCE = 32 };

/* Finds the masks of every input: session->masks, found_offsets. */
static bertrun_status find_masks(bertrun_session *session, size_t count, int32_t mask_id,
                                 bertrun_error *error)
{
    const size_t *cu_seqlens = session->cu_seqlens.data;
    const int32_t *ids = session->ids.data;
    const br_span *spans = session->spans.data;
    size_t found = 0;
    if (!br_buffer_reserve(&session->found_offsets, count + 1, sizeof(size_t)) ||
        !br_buffer_reserve(&session->masks, cu_seqlens[count], sizeof(bertrun_mask)))
        return br_fail_nomem(error);
    size_t *offsets = session->found_offsets.data;
    bertrun_mask *masks = session->masks.data;
    for (size_t i = 0; i < count; i++) {
        const bertrun_text_info *info = &((const bertrun_text_info *)session->texts.data)[i];
        offsets[i] = found;
        for (size_t t = cu_seqlens[i]; t < cu_seqlens[i + 1]; t++)
            if (ids[t] == mask_id)
                masks[found++] = (bertrun_mask){.token = t - cu_seqlens[i], .span = spans[t]};
        if (found == offsets[i])
            return br_fail_input(error, BERTRUN_ERR_ARGUMENT, i, "has no [MASK]%s",
                                 info->truncated ? " in what max_length leaves of it" : "");
    }
    offsets[count] = found;
    return BERTRUN_OK;
}

/* The best `most` of the scores, in order; of equal ones the lower id first. */
static void choose(const br_tokenizer *tokenizer, const float *scores, size_t count, size_t most,
                   bertrun_fill *fills)
{
    size_t found = 0;
    for (size_t id = 0; id < count; id++) {
        if (found == most && !(scores[id] > fills[found - 1].score))
            continue;
        size_t at = found < most ? found++ : found - 1;
        for (; at > 0 && fills[at - 1].score < scores[id]; at--)
            fills[at] = fills[at - 1];
        fills[at] = (bertrun_fill){.id = (int32_t)id, .score = scores[id]};
    }
    for (size_t i = 0; i < found; i++)
        fills[i].token = br_tokenizer_token(tokenizer, fills[i].id, &fills[i].token_length);
}

/* What scores and chooses of some masks share. */
typedef struct choice {
    const bertrun_session *session;
    br_rows logits;      /* [masks, vocabulary] */
    bertrun_fill *fills; /* [masks, num_fills] */
    size_t num_fills;
} choice;

static void choose_fills(void *argument, size_t index, int worker)
{
    const choice *c = argument;
    const bertrun_model *model = c->session->model;
    float *row = c->logits.data + index * c->logits.stride;
    (void)worker;
    model->ops->softmax(row, model->info.vocab_size, row);
    choose(model->tokenizer, row, model->info.vocab_size, c->num_fills,
           c->fills + index * c->num_fills);
}

/* The rows of a pass that its masks are in, to session->candidates; returns how many. */
static bertrun_status list_rows(bertrun_session *session, const br_batch *batch, size_t first,
                                size_t *count, bertrun_error *error)
{
    const size_t *offsets = (const size_t *)session->found_offsets.data + first;
    const bertrun_mask *masks = session->masks.data;
    *count = offsets[batch->sequences] - offsets[0];
    if (!br_buffer_reserve(&session->candidates, *count, sizeof(size_t)))
        return br_fail_nomem(error);
    size_t *rows = session->candidates.data;
    for (size_t s = 0; s < batch->sequences; s++)
        for (size_t m = offsets[s]; m < offsets[s + 1]; m++)
            rows[m - offsets[0]] = batch->cu_seqlens[s] + masks[m].token;
    return BERTRUN_OK;
}

static bertrun_status finish_masks(bertrun_session *session, const br_run_plan *plan,
                                   const br_batch *batch, size_t first, bertrun_error *error)
{
    size_t count, first_mask = ((const size_t *)session->found_offsets.data)[first];
    BR_TRY(list_rows(session, batch, first, &count, error));
    for (size_t done = 0, now; done < count; done += now) {
        const size_t *rows = (const size_t *)session->candidates.data + done;
        choice c = {
            .session = session,
            .fills = (bertrun_fill *)session->found.data + (first_mask + done) * plan->width,
            .num_fills = plan->width,
        };
        now = count - done < MASKS_AT_ONCE ? count - done : MASKS_AT_ONCE;
        BR_TRY(br_head_gather(&session->work, &session->head, rows, now, &c.logits, error));
        BR_TRY(br_head_run(&session->work, &session->head, plan->head, now, &c.logits, error));
        br_pool_run(session->work.pool, now, choose_fills, &c);
    }
    return BERTRUN_OK;
}

bertrun_status bertrun_fill_masks(bertrun_session *session, const bertrun_input *inputs,
                                  size_t count, size_t top_k, bertrun_masks *output,
                                  bertrun_error *error)
{
    const bertrun_model *model = session->model;
    size_t vocabulary = model->info.vocab_size;
    br_run_plan plan = {.finish = finish_masks, .width = top_k < vocabulary ? top_k : vocabulary};
    bertrun_output tokens;
    int32_t mask_id = br_tokenizer_id(model->tokenizer, "[MASK]", 6);
    *output = (bertrun_masks){0};
    plan.head = br_model_head(model, BERTRUN_TASK_FILL_MASK, error);
    if (!plan.head)
        return BERTRUN_ERR_UNSUPPORTED;
    if (top_k == 0)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "top_k: must be at least 1");
    if (mask_id < 0)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "the vocabulary has no [MASK]");
    BR_TRY(
        br_pack_inputs(session, inputs, count, &(br_input_plan){.places = true}, &tokens, error));
    BR_TRY(find_masks(session, count, mask_id, error));
    const size_t *offsets = session->found_offsets.data;
    bertrun_mask *masks = session->masks.data;
    if (!br_buffer_reserve(&session->found, offsets[count], plan.width * sizeof(bertrun_fill)))
        return br_fail_nomem(error);
    for (size_t i = 0; i < offsets[count]; i++)
        masks[i].fills = (const bertrun_fill *)session->found.data + i * plan.width;
    *output = (bertrun_masks){.count = count,
                              .num_fills = plan.width,
                              .offsets = offsets,
                              .masks = masks,
                              .texts = tokens.texts};
    return br_run_passes(session, &plan, error);
}
