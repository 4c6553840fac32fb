/*
 * What `bertrun compare` measures a model's quality by. A task is one file, task_*.c, with one
 * constant of this type; the list is in compare_task.c.
 */
#ifndef COMPARE_TASK_H
#define COMPARE_TASK_H

#include "bertrun/bertrun.h"
#include "cli/labelled_rows.h"

/** A figure of a model. */
typedef struct compare_metric {
    const char *key;   /* in JSON */
    const char *title; /* in tables */
    int decimals;
} compare_metric;

enum { COMPARE_MAX_METRICS = 4 };

/** What one model gave for all rows. */
typedef struct compare_scoring {
    size_t rows, inputs, tokens, width;
    const double *gold;     /* [rows], as read_gold() made them */
    const float *values;    /* [inputs, width] embeddings, logits or log probabilities */
    const float *reference; /* the first model's; for the first itself `values` */
} compare_scoring;

typedef struct compare_task {
    const char *name;
    const char *input_name; /* what latency is of: "text alone" */
    const char *gold_name;  /* what differs where the gold column is understood otherwise */
    bool lower_is_better;   /* of the first metric */
    size_t num_metrics;
    compare_metric metrics[COMPARE_MAX_METRICS]; /* the first is the one that plots show */

    /** Fills the metrics; false, having complained, where memory is out. */
    bool (*score)(const compare_scoring *scoring, double metrics[COMPARE_MAX_METRICS]);

    /* What follows is of encoders only: of a language model's task it is zero. */

    bertrun_task task;      /* of the models that it is for */
    const char *columns;    /* what --columns must name */
    size_t min_texts;       /* a row has at least so many */
    bool pairs;             /* two texts of a row are one input; else they are two */
    const char *values;     /* what the model gives: "embedding", "logits" */
    const char *width_name; /* what their number is called: "numbers of labels" */

    /** Values that an input gives. */
    size_t (*width)(const bertrun_model_info *info);
    /** Computes `count` inputs. */
    bertrun_status (*run)(bertrun_session *session, const bertrun_input *inputs, size_t count,
                          bertrun_output *output, bertrun_error *error);
    /** Understands the rows' gold column for a model; false, having complained. */
    bool (*read_gold)(const labelled_rows *rows, const bertrun_model_info *info, double *gold);
} compare_task;

extern const compare_task task_classify, task_similarity, task_foretell;

/** The task for an encoder, or NULL. */
const compare_task *compare_task_for(bertrun_task task);

/** Inputs that a row makes, 1 or 2. */
size_t compare_inputs_per_row(const compare_task *task, const labelled_rows *rows);

/** Input `index` of all that the rows make. */
bertrun_input compare_input(const compare_task *task, const labelled_rows *rows, size_t index);

#endif
