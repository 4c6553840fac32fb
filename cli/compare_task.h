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
    size_t rows, width;
    const double *gold;     /* [rows], as read_gold() made them */
    const float *values;    /* [rows * inputs a row, width] embeddings or logits */
    const float *reference; /* the first model's; for the first itself `values` */
} compare_scoring;

typedef struct compare_task {
    const char *name;
    bertrun_task task;      /* of the models that it is for */
    const char *columns;    /* what --columns must name */
    size_t min_texts;       /* a row has at least so many */
    bool pairs;             /* two texts of a row are one input; else they are two */
    const char *values;     /* what the model gives: "embedding", "logits" */
    const char *width_name; /* what their number is called: "numbers of labels" */
    size_t num_metrics;
    compare_metric metrics[COMPARE_MAX_METRICS]; /* the first is the one that plots show */

    /** Values that an input gives. */
    size_t (*width)(const bertrun_model_info *info);
    /** Computes `count` inputs. */
    bertrun_status (*run)(bertrun_session *session, const bertrun_input *inputs, size_t count,
                          bertrun_output *output, bertrun_error *error);
    /** Understands the rows' gold column for a model; false, having complained. */
    bool (*read_gold)(const labelled_rows *rows, const bertrun_model_info *info, double *gold);
    /** Fills the metrics; false, having complained, where memory is out. */
    bool (*score)(const compare_scoring *scoring, double metrics[COMPARE_MAX_METRICS]);
} compare_task;

extern const compare_task task_classify, task_similarity;

/** The task for a model, or NULL. */
const compare_task *compare_task_for(bertrun_task task);

/** Inputs that a row makes, 1 or 2. */
size_t compare_inputs_per_row(const compare_task *task, const labelled_rows *rows);

/** Input `index` of all that the rows make. */
bertrun_input compare_input(const compare_task *task, const labelled_rows *rows, size_t index);

#endif
