/*
 * Where the texts come from, in batches, so that memory is bounded by a batch (and the longest
 * line), not by the input.
 */
#ifndef TEXT_SOURCE_H
#define TEXT_SOURCE_H

#include "bertrun/bertrun.h"
#include "cli/text_record.h"

/** What the input says of a text beside its words. */
typedef struct text_origin {
    uint64_t line;   /* from 1; of arguments the argument's number */
    uint64_t unread; /* bytes of a line that were passed over (text_fields.limit) */
    const char *id;  /* JSON text, or NULL */
} text_origin;

/** One batch; valid until the next is read. */
typedef struct text_batch {
    size_t count;
    const bertrun_input *inputs; /* [count] */
    const text_origin *origins;  /* [count] */
} text_batch;

typedef struct text_source {
    text_reader reader;
    uint64_t size; /* of the input, 0 where it is not known */
    const char
        *question; /* set after opening: each text becomes the second one of a pair with it */
    bool failed;   /* a line was wrong, and was complained about */
    char *arena;   /* the batch's texts and ids, one after another */
    size_t arena_used, arena_capacity;
    struct text_place *places; /* where in the arena */
    bertrun_input *inputs;
    text_origin *origins;
    size_t capacity; /* of these three */
} text_source;

/** Bounds of a batch: `max_texts`, and after `max_bytes` no further text is added. */
typedef struct batch_limits {
    size_t max_texts, max_bytes;
} batch_limits;

/** Opens it, as text_reader_open(). A zero-initialized source can be closed. */
cli_exit text_source_open(text_source *source, const char *path, char *const *arguments,
                          size_t num_arguments, const text_fields *fields);
void text_source_close(text_source *source);

/** Whether somebody is typing the texts. */
bool text_source_is_terminal(const text_source *source);

/**
 * Reads the next batch; its count is 0 at the end. A wrong line ends a batch, so that what came
 * before it is not lost; then the next call returns false, and the complaint was made already.
 */
bool text_source_read(text_source *source, const batch_limits *limits, text_batch *batch);

/** Complains of what a call made of the batch: where one text is at fault, by its line. */
cli_exit text_source_fail(const text_source *source, const text_batch *batch,
                          const bertrun_error *error);

#endif
