#include "tokenizer/tokenizer_internal.h"

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Shares `room` tokens between two texts as Hugging Face's longest_first does: the longer one is
 * cut down to the shorter, then both to halves. */
static void share(size_t room, const size_t counts[2], size_t kept[2])
{
    size_t shorter = counts[1] < counts[0] ? 1 : 0, longer = 1 - shorter;
    kept[shorter] = counts[shorter];
    kept[longer] = kept[shorter] > room ? kept[shorter] : max(kept[shorter], room - kept[shorter]);
    if (kept[0] + kept[1] > room) {
        kept[shorter] = room / 2;
        kept[longer] = room / 2 + room % 2;
    }
    for (int i = 0; i < 2; i++)
        kept[i] = min(kept[i], counts[i]);
}

/* How many tokens of each text a window may hold. */
static bertrun_status choose(const br_encode_options *options, size_t room, bool pair,
                             const size_t counts[2], size_t kept[2], bertrun_error *error)
{
    size_t total = counts[0] + counts[1];
    kept[0] = counts[0];
    kept[1] = counts[1];
    if (total <= room)
        return BERTRUN_OK;
    if (options->truncation == BERTRUN_TRUNCATION_LONGEST_FIRST || room == 0) {
        if (pair)
            share(room, counts, kept);
        else
            kept[0] = room;
        return BERTRUN_OK;
    }
    int target = options->truncation == BERTRUN_TRUNCATION_ONLY_SECOND;
    if (target == 1 && !pair)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "truncation only_second needs a pair, and there is one text");
    if (counts[target] <= total - room)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "the %s text's %zu tokens leave no room for the other one in a maximum "
                       "of %zu, special tokens included",
                       target == 1 ? "first" : "second", counts[1 - target], options->max_length);
    kept[target] -= total - room;
    return BERTRUN_OK;
}

/* Ranges of at most `kept` of `count` tokens, each `stride` tokens into the one before. */
static bertrun_status cut(const br_encode_options *options, size_t kept, size_t count,
                          br_buffer *windows, size_t *num_windows, bertrun_error *error)
{
    bool all = options->overflow && kept < count;
    if (all && options->stride >= kept)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "a window holds %zu tokens of the text, which must be more than stride, %zu",
                       kept, options->stride);
    size_t step = all ? kept - options->stride : 1;
    size_t needed = all ? (count - kept + step - 1) / step + 1 : 1;
    if (!br_buffer_reserve(windows, needed, sizeof(br_range)))
        return br_fail_nomem(error);
    br_range *ranges = windows->data;
    for (size_t i = 0; i < needed; i++) {
        size_t near = i * step, far = min(near + kept, count);
        ranges[i] =
            options->truncate_left ? (br_range){count - far, count - near} : (br_range){near, far};
    }
    *num_windows = needed;
    return BERTRUN_OK;
}

bertrun_status br_truncate(const br_encode_options *options, size_t num_special, bool pair,
                           const size_t counts[2], br_buffer windows[2], size_t num_windows[2],
                           bertrun_error *error)
{
    size_t room = SIZE_MAX, kept[2];
    if (options->max_length && options->max_length < num_special)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "a maximum of %zu tokens leaves no room for %zu special tokens",
                       options->max_length, num_special);
    if (options->truncate_middle && (options->truncate_left || options->overflow))
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "truncate_middle goes neither with truncate_left nor with overflow");
    if (options->max_length)
        room = options->max_length - num_special;
    BR_TRY(choose(options, room, pair, counts, kept, error));
    for (int i = 0; i < 2; i++)
        BR_TRY(cut(options, kept[i], counts[i], &windows[i], &num_windows[i], error));
    return BERTRUN_OK;
}
