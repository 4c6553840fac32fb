#include "cli/lm_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool append(lm_words *words, int32_t id)
{
    if (words->count == words->capacity) {
        size_t capacity = words->capacity ? 2 * words->capacity : 1024;
        int32_t *grown = cli_realloc(words->ids, capacity, sizeof *grown);
        if (!grown)
            return false;
        words->ids = grown;
        words->capacity = capacity;
    }
    words->ids[words->count++] = id;
    return true;
}

bool lm_words_add(lm_words *words, const bertrun_lm *lm, const char *text, size_t length)
{
    static const char unknown[] = "<unk>";
    int32_t unknown_id = bertrun_lm_get_info(lm)->unknown_id;
    for (size_t at = 0, size; bertrun_lm_next_word(text, length, &at, &size); at += size) {
        int32_t id = bertrun_lm_id(lm, text + at, size);
        if (id < 0) {
            cli_fail("'%.*s' is not in the vocabulary, which has no <unk>", (int)size, text + at);
            return false;
        }
        bool said = size == strlen(unknown) && memcmp(text + at, unknown, size) == 0;
        words->unknown += id == unknown_id && !said;
        if (!append(words, id))
            return false;
    }
    return true;
}

bool lm_words_add_lines(lm_words *words, const bertrun_lm *lm, text_line *line)
{
    int32_t eos = bertrun_lm_get_info(lm)->eos_id;
    bool good;
    while ((good = text_line_read(line, SIZE_MAX)) && !line->end)
        if (!lm_words_add(words, lm, line->text, line->length) || (eos >= 0 && !append(words, eos)))
            break;
    return good && line->end;
}

bool lm_columns_cut(lm_columns *out, const lm_words *words, const char *name)
{
    size_t columns = out->columns, steps = words->count / columns;
    out->steps = steps;
    if (steps < 2) {
        cli_fail("%s: %zu words are too few for %zu columns", name, words->count, columns);
        return false;
    }
    out->bptt = out->bptt < steps - 1 ? out->bptt : steps - 1;
    out->ids = cli_realloc(NULL, steps * columns, sizeof *out->ids);
    for (size_t i = 0; out->ids && i < steps * columns; i++)
        out->ids[i] = words->ids[i % columns * steps + i / columns];
    return out->ids;
}

size_t lm_columns_words(const lm_columns *columns)
{
    return (columns->steps - 1) * columns->columns;
}

size_t lm_columns_calls(const lm_columns *columns)
{
    return (columns->steps - 2) / columns->bptt + 1;
}

bertrun_status lm_columns_score(const lm_columns *columns, bertrun_lm_session *session,
                                size_t index, const float **log_probs, size_t *words,
                                bertrun_error *error)
{
    size_t first = index * columns->bptt, left = columns->steps - 1 - first;
    size_t steps = left < columns->bptt ? left : columns->bptt;
    const int32_t *ids = columns->ids + first * columns->columns;
    *words = steps * columns->columns;
    return bertrun_lm_score(session, ids, ids + columns->columns, steps, log_probs, error);
}

double lm_perplexity(double sum, size_t words)
{
    return exp(-sum / (double)words);
}
