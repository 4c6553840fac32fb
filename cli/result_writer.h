/*
 * Rows of results, written in one of the formats. A format writes to a stream and leaves errors to
 * be found there (ferror); each lives in its own out_*.c.
 *
 * Zero-initialize a writer, fill in what comes before `rows`, then: begin, row by row, end.
 */
#ifndef RESULT_WRITER_H
#define RESULT_WRITER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "bertrun/bertrun.h"
#include "cli/task_options.h"

typedef enum result_kind {
    RESULT_EMBEDDING,
    RESULT_CLASSES,
    RESULT_HIDDEN,
    RESULT_SIMILARITY,
    RESULT_ENTITIES,
    RESULT_ANSWERS,
    RESULT_FILLS,
} result_kind;

/** What one text came to. */
typedef struct result_row {
    size_t index;      /* of the text */
    const char *id;    /* of the input, JSON text; NULL: it has none */
    const char *title; /* the text as a short printable line, NUL-terminated */
    bertrun_text_info info;
    const float *values; /* [width]: embedding, logits or similarities;
                            hidden states: [states] of [tokens, width], state_stride apart */
    const float *scores; /* [width], of classes */
    const void *codes;   /* of embeddings not in f32: written instead of the values; else NULL */
    size_t width;        /* elements of values or codes */
    size_t states, state_stride; /* of hidden states */
    const bertrun_input *input;  /* the text */
    size_t num_found;            /* of the next three the one that the kind is of */
    const bertrun_entity *entities;
    const bertrun_answer *answers;
    const bertrun_mask *masks;
    size_t num_fills; /* of each mask */
} result_row;

typedef struct result_format result_format;

typedef struct result_writer {
    const result_format *format;
    FILE *stream;
    result_kind kind;
    const char *model_path;
    const bertrun_model_info *model;
    const task_options *tasks;
    bertrun_embedding_dtype dtype; /* of embeddings */
    size_t width;                  /* columns of the rows; for an empty result too */
    size_t states;                 /* npy: hidden states of the text */
    const int *layers;             /* that hidden states are of; NULL: all, in order */
    size_t rows;                   /* npy: written so far */
    FILE *spool; /* npy: where rows wait until they are counted; NULL: they go to `stream` */
    off_t start; /* npy: where in `stream` the header is */
    bool failed; /* something else than `stream` failed, and was complained about */
} result_writer;

struct result_format {
    const char *name;
    void (*begin)(result_writer *writer);
    void (*row)(result_writer *writer, const result_row *row);
    void (*end)(result_writer *writer); /* of a whole result; not called after a failure */
};

extern const result_format out_text, out_json, out_jsonl, out_npy;

/** Releases what the format holds. */
void result_writer_close(result_writer *writer);

/** A format by name, or NULL. */
const result_format *result_format_find(const char *name);

/** The name of a kind's values: "embedding", "logits", "hidden_states", "similarity". */
const char *result_kind_name(result_kind kind);

/** Bytes of the model's longest label. */
int result_label_width(const bertrun_model_info *model);

/** Index of the largest score. */
size_t result_best_label(const result_row *row);

enum { TITLE_BYTES = 640 };

/** Makes a short printable line of an id (or NULL), a text and its pair: no control characters, no
 * invalid UTF-8. */
void result_title(char title[TITLE_BYTES], const bertrun_input *input, const char *id);

#endif
