/* What the heads' tasks can be asked: how many results, which of them, how they are made. */
#ifndef TASK_OPTIONS_H
#define TASK_OPTIONS_H

#include "bertrun/bertrun.h"

typedef struct task_options {
    const char *query; /* question or query that goes with every text; NULL: none */
    size_t top_k;      /* 0: the task's own number */
    float threshold;   /* classes of at least that score */
    bool has_threshold;
    bool logits; /* text: logits instead of scores */
    bertrun_aggregation aggregation;
    size_t stride;            /* of windows of a context */
    size_t max_answer_tokens; /* 0: the library's number */
    bool no_answer;
} task_options;

#endif
