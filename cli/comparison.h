/* Models run over one labelled file or one text, and what came of it. */
#ifndef COMPARISON_H
#define COMPARISON_H

#include "cli/compare_worker.h"
#include "cli/samples.h"

/** One model's part. */
typedef struct compared {
    const compare_model *model;
    worker_facts facts;
    double metrics[COMPARE_MAX_METRICS]; /* as task->metrics says */
    double cosine_mean, cosine_worst;    /* to the first model's values */
    double *layer_errors;                /* [facts.num_states]; NULL: not comparable */
    samples latency;                     /* of the inputs, ascending */
    double tokens_per_second;            /* in batches */
    uint64_t peak_bytes;
    worker_input *inputs; /* [inputs] */
    float *values;        /* [inputs, facts.width] */
    double *gold;         /* [facts.rows] */
    double batch_seconds;
} compared;

typedef struct comparison {
    const compare_options *options;
    const compare_data *data;
    const compare_task *task;
    size_t rows, inputs, tokens, truncated; /* computed by each model; as the first counts them */
    compared *models;                       /* [num_models] */
    size_t num_models;
} comparison;

/** Runs it all; false, having complained, where something fails. Free it anyway. */
bool comparison_run(comparison *out, const compare_options *options, const compare_data *data);
void comparison_free(comparison *comparison);

/** A figure as tables show it; the value is NaN where there is none. */
typedef struct compare_figure {
    compare_metric metric;
    double value;
} compare_figure;

/** Writes the value, right-aligned, or "none": rows of one score correlate with nothing. */
void compare_figure_write(FILE *stream, const compare_figure *figure, int width);

enum { COMPARE_MAX_FIGURES = 12 };

/** A model's quality: the task's metrics, and an encoder's cosines. Returns how many there are. */
size_t comparison_quality(const comparison *comparison, size_t model,
                          compare_figure figures[COMPARE_MAX_FIGURES]);

/** A model's cost: latency, tokens a second, memory, disk. */
size_t comparison_cost(const comparison *comparison, size_t model,
                       compare_figure figures[COMPARE_MAX_FIGURES]);

/* The report's forms; each leaves errors of writing in its stream. */
void compare_write_text(const comparison *comparison, FILE *stream);
bool compare_write_json(const comparison *comparison, FILE *stream); /* false: no memory */
void compare_write_html(const comparison *comparison, FILE *stream);

#endif
