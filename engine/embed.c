/* bertrun_embed(): a text's windows, pooled, become one embedding, cut, normalized and encoded. */
#include <math.h>
#include <string.h>

#include "engine/embedding_codes.h"
#include "engine/reserved.h"
#include "engine/run.h"

void bertrun_embed_options_init(bertrun_embed_options *options)
{
    *options = (bertrun_embed_options){0};
}

/* ------------------------------------------------------------------------------------ options */

static bertrun_status check_enums(const bertrun_embed_options *options, bertrun_error *error)
{
    if ((unsigned)options->pooling > BERTRUN_POOLING_LAST_TOKEN)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown pooling %d", options->pooling);
    if ((unsigned)options->normalize > BERTRUN_CHOICE_YES)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown choice %d for normalize",
                       options->normalize);
    if ((unsigned)options->dtype > BERTRUN_EMBEDDING_UBINARY)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown embedding dtype %d", options->dtype);
    return BERTRUN_OK;
}

static bertrun_status check_ranges(const bertrun_embed_options *options, size_t dimensions,
                                   bertrun_error *error)
{
    bool needed =
        options->dtype == BERTRUN_EMBEDDING_INT8 || options->dtype == BERTRUN_EMBEDDING_UINT8;
    if (needed && !options->ranges)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "ranges: int8 and uint8 embeddings need them");
    for (size_t i = 0; needed && i < dimensions; i++)
        if (!(options->ranges[i] <= options->ranges[dimensions + i]) ||
            !isfinite(options->ranges[i]) || !isfinite(options->ranges[dimensions + i]))
            return br_fail(error, BERTRUN_ERR_ARGUMENT,
                           "ranges: dimension %zu is from %g to %g, which is no range", i,
                           (double)options->ranges[i], (double)options->ranges[dimensions + i]);
    return BERTRUN_OK;
}

static bertrun_status plan_embed(br_embed_plan *plan, const bertrun_model_info *info,
                                 const bertrun_embed_options *options, bertrun_error *error)
{
    BR_TRY(check_enums(options, error));
    plan->pooling = options->pooling ? options->pooling : info->pooling;
    plan->normalize = options->normalize == BERTRUN_CHOICE_AUTO
                          ? info->normalize
                          : options->normalize == BERTRUN_CHOICE_YES;
    plan->dimensions = options->dimensions ? options->dimensions : info->embedding_size;
    if (plan->pooling == BERTRUN_POOLING_POOLER && !info->has_pooler)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "pooling: %s has no pooler",
                       info->architecture);
    if (plan->dimensions > info->embedding_size)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "dimensions: %zu is more than the embeddings' %zu", plan->dimensions,
                       info->embedding_size);
    return check_ranges(options, plan->dimensions, error);
}

/* A prompt, or else the one that is named, or else the default one, as sentence-transformers. */
static bertrun_status choose_prompt(const char **out, const bertrun_model_info *info,
                                    const bertrun_embed_options *options, bertrun_error *error)
{
    const char *name = options->prompt_name ? options->prompt_name : info->default_prompt_name;
    *out = options->prompt;
    if (options->prompt || !name)
        return BERTRUN_OK;
    for (size_t i = 0; i < info->num_prompts; i++)
        if (strcmp(info->prompts[i].name, name) == 0)
            *out = info->prompts[i].text;
    if (*out)
        return BERTRUN_OK;
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < info->num_prompts && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 info->prompts[i].name);
    return br_fail(error, BERTRUN_ERR_ARGUMENT,
                   "prompt_name: the model has no prompt \"%.64s\" (%s)", name,
                   *known ? known : "it has none at all");
}

/* -------------------------------------------------------------------------------------- rows */

/* Adds the pooled row of a window to its text's; `tokens` are the window's. The row is lost. */
static void add_window(const br_ops *ops, float *row, size_t tokens, bool is_first, size_t width,
                       float *out)
{
    ops->scale((float)tokens, width, row);
    if (is_first)
        memcpy(out, row, width * sizeof *out);
    else
        ops->add(row, width, out);
}

/* Takes a sequence's pooled row in, and finishes the text where it is the last of it. */
static void take_row(bertrun_session *session, const br_embed_plan *plan, size_t sequence,
                     size_t tokens, float *row)
{
    const br_ops *ops = session->model->ops;
    const size_t *texts = session->sequence_texts.data;
    size_t text = texts[sequence], width = plan->dimensions;
    const bertrun_text_info *info = (const bertrun_text_info *)session->texts.data + text;
    float *out = (float *)session->values.data + text * width;
    if (info->windows == 1)
        memcpy(out, row, width * sizeof *out);
    else
        add_window(ops, row, tokens, sequence == 0 || texts[sequence - 1] != text, width, out);
    if (sequence + 1 < session->num_sequences && texts[sequence + 1] == text)
        return;
    if (info->windows > 1)
        ops->scale(1 / (float)info->tokens, width, out);
    if (plan->normalize)
        ops->scale(1 / fmaxf(sqrtf(ops->sum_squares(out, width)), 1e-12f), width, out);
}

static bertrun_status finish_embed(bertrun_session *session, const br_run_plan *plan,
                                   const br_batch *batch, size_t first, bertrun_error *error)
{
    br_rows pooled;
    BR_TRY(
        br_head_embed(&session->work, &session->head, batch, plan->embed->pooling, &pooled, error));
    for (size_t i = 0; i < batch->sequences; i++)
        take_row(session, plan->embed, first + i, batch->cu_seqlens[i + 1] - batch->cu_seqlens[i],
                 pooled.data + i * pooled.stride);
    return BERTRUN_OK;
}

static bertrun_status encode_rows(bertrun_session *session, const bertrun_embed_options *options,
                                  bertrun_output *output, bertrun_error *error)
{
    size_t bytes = br_embedding_code_bytes(options->dtype, output->width);
    if (bytes == 0)
        return BERTRUN_OK;
    if (!br_buffer_reserve(&session->codes, output->count, bytes))
        return br_fail_nomem(error);
    for (size_t i = 0; i < output->count; i++)
        br_embedding_encode(options->dtype, output->values + i * output->width, output->width,
                            options->ranges, (uint8_t *)session->codes.data + i * bytes);
    output->codes = session->codes.data;
    output->code_bytes = bytes;
    return BERTRUN_OK;
}

bertrun_status bertrun_embed(bertrun_session *session, const bertrun_input *inputs, size_t count,
                             const bertrun_embed_options *options, bertrun_output *output,
                             bertrun_error *error)
{
    static const bertrun_embed_options defaults = {0};
    const bertrun_model_info *info = &session->model->info;
    br_input_plan input_plan = {.exclude_prompt = !info->include_prompt, .windows = true};
    br_embed_plan embed;
    options = options ? options : &defaults;
    *output = (bertrun_output){0};
    BR_TRY(BR_CHECK_RESERVED(options, error));
    BR_TRY(plan_embed(&embed, info, options, error));
    BR_TRY(choose_prompt(&input_plan.prompt, info, options, error));
    BR_TRY(br_pack_inputs(session, inputs, count, &input_plan, output, error));
    if (!br_buffer_reserve(&session->values, count, embed.dimensions * sizeof(float)))
        return br_fail_nomem(error);
    bool skips = input_plan.exclude_prompt && input_plan.prompt;
    br_run_plan plan = {
        .finish = finish_embed,
        .embed = &embed,
        .first_rows_only = embed.pooling == BERTRUN_POOLING_POOLER ||
                           (embed.pooling == BERTRUN_POOLING_CLS && !skips),
        .skips_rows = skips,
    };
    output->width = embed.dimensions;
    output->values = session->values.data;
    BR_TRY(br_run_passes(session, &plan, error));
    return encode_rows(session, options, output, error);
}
