#include "cli/result_writer.h"

#include <string.h>

#include "cli/utf8.h"

static const result_format *const formats[] = {&out_text, &out_json, &out_jsonl, &out_npy};

const result_format *result_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

void result_writer_close(result_writer *writer)
{
    if (writer->spool)
        fclose(writer->spool);
    *writer = (result_writer){0};
}

const char *result_kind_name(result_kind kind)
{
    const char *const names[] = {
        [RESULT_EMBEDDING] = "embedding",
        [RESULT_CLASSES] = "logits",
        [RESULT_HIDDEN] = "hidden_states",
        [RESULT_SIMILARITY] = "similarity",
        [RESULT_ENTITIES] = "entities",
        [RESULT_ANSWERS] = "answers",
        [RESULT_FILLS] = "masks",
    };
    return names[kind];
}

int result_label_width(const bertrun_model_info *model)
{
    size_t longest = 0;
    for (size_t i = 0; i < model->num_labels; i++)
        if (strlen(model->labels[i]) > longest)
            longest = strlen(model->labels[i]);
    return (int)longest;
}

size_t result_best_label(const result_row *row)
{
    size_t best = 0;
    for (size_t i = 1; i < row->width; i++)
        if (row->scores[i] > row->scores[best])
            best = i;
    return best;
}

enum { TITLE_CHARACTERS = 48 };

/* Bytes of the printable character at `text`, or 0 where there is none. */
static size_t printable(const char *text, size_t length)
{
    bool good;
    size_t bytes = utf8_next(text, length, &good);
    unsigned char lead = (unsigned char)text[0];
    if (bytes == 1)
        return good && lead >= 0x20 && lead != 0x7f;
    bool control = lead == 0xc2 && (unsigned char)text[1] < 0xa0; /* C1: move terminals, too */
    return good && !control ? bytes : 0;
}

/* Appends at most TITLE_CHARACTERS characters of `text` and returns the new end. */
static char *append_excerpt(char *out, const char *text, size_t length)
{
    size_t at = 0;
    for (size_t i = 0; i < TITLE_CHARACTERS && at < length; i++) {
        size_t bytes = printable(text + at, length - at);
        if (bytes)
            memcpy(out, text + at, bytes);
        else
            *out = ' ';
        out += bytes ? bytes : 1;
        at += bytes ? bytes : 1;
    }
    return at < length ? stpcpy(out, "...") : out;
}

_Static_assert(3 * (4 * TITLE_CHARACTERS + 6) < TITLE_BYTES, "a title holds three excerpts");

void result_title(char title[TITLE_BYTES], const bertrun_input *input, const char *id)
{
    char *end = title;
    if (id)
        end = stpcpy(append_excerpt(end, id, strlen(id)), "  ");
    end = append_excerpt(end, input->text, input->length);
    if (input->pair)
        end = append_excerpt(stpcpy(end, " | "), input->pair, input->pair_length);
    *end = '\0';
}
