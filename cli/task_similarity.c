/* How alike two texts are: the cosine of their embeddings beside what people said. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "cli/compare_task.h"
#include "cli/statistics.h"

static size_t get_width(const bertrun_model_info *info)
{
    return info->embedding_size;
}

static bertrun_status run(bertrun_session *session, const bertrun_input *inputs, size_t count,
                          bertrun_output *output, bertrun_error *error)
{
    return bertrun_embed(session, inputs, count, NULL, output, error);
}

static bool read_gold(const labelled_rows *rows, const bertrun_model_info *info, double *gold)
{
    (void)info;
    for (size_t i = 0; i < rows->count; i++) {
        const labelled_row *row = &rows->rows[i];
        char *end;
        gold[i] = strtod(row->gold, &end);
        if (end == row->gold || *end || !isfinite(gold[i])) {
            cli_fail("%s: line %" PRIu64 ": '%s' is not a score", rows->name, row->line, row->gold);
            return false;
        }
    }
    return true;
}

static bool score(const compare_scoring *scoring, double metrics[COMPARE_MAX_METRICS])
{
    size_t rows = scoring->rows, width = scoring->width;
    double *cosines = cli_realloc(NULL, rows, sizeof *cosines);
    if (!cosines)
        return false;
    for (size_t i = 0; i < rows; i++) {
        const float *first = scoring->values + 2 * i * width;
        cosines[i] = statistics_cosine(first, first + width, width);
    }
    metrics[1] = statistics_pearson(cosines, scoring->gold, rows);
    bool good = statistics_spearman(cosines, scoring->gold, rows, &metrics[0]);
    free(cosines);
    return good;
}

const compare_task task_similarity = {
    .name = "similarity",
    .input_name = "text alone",
    .gold_name = "scores",
    .num_metrics = 2,
    .metrics = {{"spearman", "Spearman", 4}, {"pearson", "Pearson", 4}},
    .score = score,
    .task = BERTRUN_TASK_EMBED,
    .columns = "two texts and a score",
    .min_texts = 2,
    .values = "embedding",
    .width_name = "embedding sizes",
    .width = get_width,
    .run = run,
    .read_gold = read_gold,
};
