#include "engine/inputs.h"

#include <string.h>

/* --------------------------------------------------------------------------------- sequences */

/* Appends a sequence of input `index`; its first `pool_from` rows will not be pooled. */
static bertrun_status append(bertrun_session *session, size_t index, const int32_t *ids,
                             const uint8_t *type_ids, size_t count, size_t pool_from,
                             bertrun_error *error)
{
    size_t at = session->num_sequences, size = sizeof(size_t);
    if (!br_buffer_grow(&session->cu_seqlens, (at + 1) * size, at + 2, size) ||
        !br_buffer_grow(&session->sequence_texts, at * size, at + 1, size) ||
        !br_buffer_grow(&session->pool_from, at * size, at + 1, size))
        return br_fail_nomem(error);
    size_t *cu_seqlens = session->cu_seqlens.data, used = cu_seqlens[at];
    if (!br_buffer_grow(&session->ids, used * sizeof *ids, used + count, sizeof *ids) ||
        !br_buffer_grow(&session->type_ids, used, used + count, 1))
        return br_fail_nomem(error);
    memcpy((int32_t *)session->ids.data + used, ids, count * sizeof *ids);
    if (type_ids)
        memcpy((uint8_t *)session->type_ids.data + used, type_ids, count);
    else
        memset((uint8_t *)session->type_ids.data + used, 0, count);
    cu_seqlens[at + 1] = used + count;
    ((size_t *)session->sequence_texts.data)[at] = index;
    ((size_t *)session->pool_from.data)[at] = pool_from < count ? pool_from : count - 1;
    session->num_sequences++;
    return BERTRUN_OK;
}

/* Tokens of the last sequence come from these places; from no text where `encoding` is NULL. */
static bertrun_status keep_places(bertrun_session *session, const br_encoding *encoding,
                                  size_t first, bertrun_error *error)
{
    const size_t *cu_seqlens = session->cu_seqlens.data;
    size_t used = cu_seqlens[session->num_sequences - 1];
    size_t end = cu_seqlens[session->num_sequences], count = end - used;
    if (!br_buffer_grow(&session->spans, used * sizeof(br_span), end, sizeof(br_span)) ||
        !br_buffer_grow(&session->word_ids, used * sizeof(int32_t), end, sizeof(int32_t)) ||
        !br_buffer_grow(&session->special_mask, used, end, 1))
        return br_fail_nomem(error);
    br_span *spans = (br_span *)session->spans.data + used;
    int32_t *word_ids = (int32_t *)session->word_ids.data + used;
    uint8_t *special_mask = (uint8_t *)session->special_mask.data + used;
    for (size_t i = 0; i < count; i++) {
        spans[i] = encoding ? encoding->spans[first + i] : (br_span){0};
        word_ids[i] = encoding ? encoding->word_ids[first + i] : -1;
        special_mask[i] = encoding ? encoding->special_mask[first + i] : 0;
    }
    return BERTRUN_OK;
}

/* --------------------------------------------------------------------------------------- ids */

static bertrun_status check_ids(const bertrun_session *session, const bertrun_input *input,
                                size_t index, bertrun_error *error)
{
    const bertrun_model_info *info = &session->model->info;
    if (input->num_ids == 0 || input->num_ids > info->max_position_embeddings)
        return br_fail_input(error, BERTRUN_ERR_ARGUMENT, index, "%zu ids are not in 1..%zu",
                             input->num_ids, info->max_position_embeddings);
    for (size_t i = 0; i < input->num_ids; i++)
        if (input->ids[i] < 0 || (size_t)input->ids[i] >= info->vocab_size)
            return br_fail_input(error, BERTRUN_ERR_ARGUMENT, index, "id %d is not in 0..%zu",
                                 (int)input->ids[i], info->vocab_size - 1);
    return BERTRUN_OK;
}

static bertrun_status check_type_ids(const bertrun_session *session, const uint8_t *type_ids,
                                     size_t count, size_t index, bertrun_error *error)
{
    size_t types = session->model->info.type_vocab_size;
    for (size_t i = 0; types > 0 && type_ids && i < count; i++)
        if (type_ids[i] >= types)
            return br_fail_input(error, BERTRUN_ERR_ARGUMENT, index,
                                 "segment %d, but the model has %zu", (int)type_ids[i], types);
    return BERTRUN_OK;
}

static bertrun_status pack_ids(bertrun_session *session, const bertrun_input *input, size_t index,
                               bool places, bertrun_text_info *info, bertrun_error *error)
{
    BR_TRY(check_ids(session, input, index, error));
    BR_TRY(check_type_ids(session, input->type_ids, input->num_ids, index, error));
    *info = (bertrun_text_info){.tokens = input->num_ids, .windows = 1};
    BR_TRY(append(session, index, input->ids, input->type_ids, input->num_ids, 0, error));
    return places ? keep_places(session, NULL, 0, error) : BERTRUN_OK;
}

/* -------------------------------------------------------------------------------------- text */

/* What all texts of a call share. */
typedef struct packing {
    const br_input_plan *plan;
    br_encode_options options;
    size_t prompt_length; /* bytes */
    size_t prompt_tokens; /* tokens that are not pooled */
} packing;

/* As sentence-transformers counts them: [CLS] is one of them, the closing [SEP] is not. */
static bertrun_status count_prompt_tokens(bertrun_session *session, packing *p,
                                          bertrun_error *error)
{
    const char *prompt = p->plan->prompt;
    br_encode_options options = {.max_length = session->max_length};
    BR_TRY(br_tokenizer_encode(session->model->tokenizer, prompt, p->prompt_length, NULL, 0,
                               &options, &session->encoding, error));
    p->prompt_tokens = session->encoding.count;
    if (p->prompt_tokens > 0 && br_tokenizer_num_special(session->model->tokenizer, false) > 1)
        p->prompt_tokens--;
    return BERTRUN_OK;
}

static bertrun_status begin(bertrun_session *session, packing *p, bertrun_error *error)
{
    p->options = (br_encode_options){
        .max_length = session->max_length,
        .truncate_left = session->long_text == BERTRUN_LONG_TEXT_TAIL,
        .truncate_middle = session->long_text == BERTRUN_LONG_TEXT_HEAD_TAIL,
        .overflow = session->long_text == BERTRUN_LONG_TEXT_STRIDE,
        .stride = session->stride,
        .offsets = p->plan->places,
    };
    if (p->plan->context) {
        p->options.truncation = BERTRUN_TRUNCATION_ONLY_SECOND;
        p->options.truncate_left = p->options.truncate_middle = false;
        p->options.overflow = true;
        p->options.stride = p->plan->stride;
    }
    session->num_sequences = 0;
    if (!br_buffer_reserve(&session->cu_seqlens, 1, sizeof(size_t)))
        return br_fail_nomem(error);
    *(size_t *)session->cu_seqlens.data = 0;
    p->prompt_length = p->plan->prompt ? strlen(p->plan->prompt) : 0;
    return p->plan->exclude_prompt && p->prompt_length ? count_prompt_tokens(session, p, error)
                                                       : BERTRUN_OK;
}

/* Puts the prompt in front of *text, in the session's memory. */
static bool prepend_prompt(bertrun_session *session, const packing *p, const char **text,
                           size_t *length)
{
    if (p->prompt_length == 0)
        return true;
    size_t total;
    if (__builtin_add_overflow(p->prompt_length, *length, &total) ||
        !br_buffer_reserve(&session->prompted, total, 1))
        return false;
    char *out = session->prompted.data;
    memcpy(out, p->plan->prompt, p->prompt_length);
    if (*length)
        memcpy(out + p->prompt_length, *text, *length);
    *text = out;
    *length = total;
    return true;
}

static bertrun_status check_long(const bertrun_session *session, const bertrun_input *input,
                                 const packing *p, size_t index, bertrun_error *error)
{
    const br_encoding *encoding = &session->encoding;
    if (encoding->truncated && session->long_text == BERTRUN_LONG_TEXT_ERROR)
        return br_fail_input(error, BERTRUN_ERR_ARGUMENT, index,
                             "%zu tokens are more than max_length, %zu",
                             encoding->count + encoding->truncated, session->max_length);
    if (encoding->num_windows > 1 && !p->plan->windows)
        return br_fail_input(error, BERTRUN_ERR_UNSUPPORTED, index,
                             "more than %zu tokens; this task cannot do with several windows",
                             session->max_length);
    return encoding->num_windows > 1 && input->pair && !p->plan->context
               ? br_fail_input(error, BERTRUN_ERR_UNSUPPORTED, index,
                               "more than %zu tokens; a pair cannot be cut into windows",
                               session->max_length)
               : BERTRUN_OK;
}

/* Of a prompt whose beginning was cut away, or what stands behind the head, less is left to leave
 * out: [CLS], and what is in the head or, beyond the cut, in the tail. */
static size_t prompt_tokens_left(const bertrun_session *session, const packing *p)
{
    const br_encoding *encoding = &session->encoding;
    size_t cut = encoding->truncated, all = p->prompt_tokens, in_head = 0;
    bool middle = session->long_text == BERTRUN_LONG_TEXT_HEAD_TAIL;
    if (cut == 0 || (!middle && session->long_text != BERTRUN_LONG_TEXT_TAIL))
        return all;
    if (middle) {
        size_t special = br_tokenizer_num_special(session->model->tokenizer, false);
        in_head = 1 + br_tokenizer_head(encoding->count - special);
        in_head = in_head < all ? in_head : all;
    }
    return all > cut + 1 && all - cut > in_head ? all - cut : in_head;
}

static bertrun_status append_windows(bertrun_session *session, const packing *p, size_t index,
                                     bertrun_error *error)
{
    const br_encoding *encoding = &session->encoding;
    for (size_t i = 0; i < encoding->num_windows; i++) {
        size_t first = encoding->window_offsets[i], end = encoding->window_offsets[i + 1];
        BR_TRY(append(session, index, encoding->ids + first, encoding->type_ids + first,
                      end - first, i == 0 ? prompt_tokens_left(session, p) : 0, error));
        if (p->plan->places)
            BR_TRY(keep_places(session, encoding, first, error));
    }
    return BERTRUN_OK;
}

static bertrun_status pack_text(bertrun_session *session, const bertrun_input *input,
                                const packing *p, size_t index, bertrun_text_info *info,
                                bertrun_error *error)
{
    const br_encoding *encoding = &session->encoding;
    const char *text = input->text;
    size_t length = input->length;
    if (!prepend_prompt(session, p, &text, &length))
        return br_fail_nomem(error);
    bertrun_error why;
    bertrun_status status =
        br_tokenizer_encode(session->model->tokenizer, text, length, input->pair,
                            input->pair_length, &p->options, &session->encoding, &why);
    if (status != BERTRUN_OK)
        return br_fail_input(error, status, index, "%s", why.message);
    if (encoding->count == 0)
        return br_fail_input(error, BERTRUN_ERR_ARGUMENT, index, "gives no tokens");
    BR_TRY(check_type_ids(session, encoding->type_ids, encoding->count, index, error));
    BR_TRY(check_long(session, input, p, index, error));
    *info = (bertrun_text_info){encoding->count, encoding->truncated, encoding->num_windows};
    return append_windows(session, p, index, error);
}

bertrun_status br_pack_inputs(bertrun_session *session, const bertrun_input *inputs, size_t count,
                              const br_input_plan *plan, bertrun_output *output,
                              bertrun_error *error)
{
    br_profile *profile = &session->work.lanes[0]->profile;
    double started = br_profile_begin(profile);
    packing p = {.plan = plan};
    BR_TRY(begin(session, &p, error));
    if (!br_buffer_reserve(&session->texts, count, sizeof(bertrun_text_info)))
        return br_fail_nomem(error);
    bertrun_text_info *texts = session->texts.data;
    *output = (bertrun_output){.count = count, .texts = texts};
    for (size_t i = 0; i < count; i++) {
        BR_TRY(inputs[i].ids ? pack_ids(session, &inputs[i], i, plan->places, &texts[i], error)
                             : pack_text(session, &inputs[i], &p, i, &texts[i], error));
        output->total_tokens += texts[i].tokens;
        output->total_truncated += texts[i].truncated;
    }
    br_profile_end(profile, BR_PHASE_TOKENIZE, started, "", 0);
    return BERTRUN_OK;
}
