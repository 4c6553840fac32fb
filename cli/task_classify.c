/* One of several labels a text: accuracy, macro F1, and labels that differ from the first model's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/compare_task.h"
#include "cli/statistics.h"

/* A label's index by its name, or by its number from 0. */
static bool find_label(const bertrun_model_info *info, const char *text, double *index)
{
    for (size_t i = 0; i < info->num_labels; i++) {
        if (strcmp(info->labels[i], text) == 0) {
            *index = (double)i;
            return true;
        }
    }
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    *index = (double)number;
    return text[0] >= '0' && text[0] <= '9' && !*end && number < info->num_labels;
}

static size_t get_width(const bertrun_model_info *info)
{
    return info->num_labels;
}

static bool read_gold(const labelled_rows *rows, const bertrun_model_info *info, double *gold)
{
    if (info->scores != BERTRUN_SCORES_SOFTMAX || info->num_labels < 2) {
        cli_fail("%s does not choose one of several labels; compare measures only models that do",
                 info->architecture);
        return false;
    }
    for (size_t i = 0; i < rows->count; i++) {
        const labelled_row *row = &rows->rows[i];
        if (!find_label(info, row->gold, &gold[i])) {
            cli_fail("%s: line %" PRIu64 ": '%s' is none of the model's %zu labels, see bertrun "
                     "info",
                     rows->name, row->line, row->gold, info->num_labels);
            return false;
        }
    }
    return true;
}

static size_t best_of(const float *logits, size_t width)
{
    size_t best = 0;
    for (size_t i = 1; i < width; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static bool score(const compare_scoring *scoring, double metrics[COMPARE_MAX_METRICS])
{
    size_t rows = scoring->rows, width = scoring->width, correct = 0, flips = 0;
    size_t *labels = cli_realloc(NULL, rows, 2 * sizeof *labels);
    if (!labels)
        return false;
    for (size_t i = 0; i < rows; i++) {
        size_t gold = (size_t)scoring->gold[i];
        size_t predicted = best_of(scoring->values + i * width, width);
        labels[i] = gold;
        labels[rows + i] = predicted;
        correct += predicted == gold;
        flips += predicted != best_of(scoring->reference + i * width, width);
    }
    metrics[0] = (double)correct / (double)rows;
    metrics[1] = (double)correct;
    metrics[3] = (double)flips;
    bool good = statistics_macro_f1(labels, labels + rows, rows, width, &metrics[2]);
    free(labels);
    return good;
}

const compare_task task_classify = {
    .name = "classify",
    .input_name = "text alone",
    .gold_name = "orders of labels",
    .num_metrics = 4,
    .metrics = {{"accuracy", "accuracy", 4},
                {"correct", "correct", 0},
                {"macro_f1", "macro F1", 4},
                {"flips", "flips", 0}},
    .score = score,
    .task = BERTRUN_TASK_CLASSIFY,
    .columns = "a text (or two) and a label",
    .min_texts = 1,
    .pairs = true,
    .values = "logits",
    .width_name = "numbers of labels",
    .width = get_width,
    .run = bertrun_classify,
    .read_gold = read_gold,
};
