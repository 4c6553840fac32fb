/* Language models: perplexity, and how far each word's log probability is from the first model's.
 */
#include <math.h>

#include "cli/compare_task.h"
#include "cli/lm_text.h"

static bool score(const compare_scoring *scoring, double metrics[COMPARE_MAX_METRICS])
{
    double sum = 0, first = 0, distance = 0, worst = 0;
    for (size_t i = 0; i < scoring->inputs * scoring->width; i++) {
        double value = (double)scoring->values[i], reference = (double)scoring->reference[i];
        double error = fabs(value - reference);
        sum += value;
        first += reference;
        distance += error;
        worst = error > worst ? error : worst;
    }
    metrics[0] = lm_perplexity(sum, scoring->tokens);
    metrics[1] = 100 * (metrics[0] / lm_perplexity(first, scoring->tokens) - 1);
    metrics[2] = distance / (double)scoring->tokens;
    metrics[3] = worst;
    return true;
}

const compare_task task_foretell = {
    .name = "language-model",
    .input_name = "call",
    .gold_name = "vocabularies",
    .lower_is_better = true,
    .num_metrics = 4,
    .metrics = {{"perplexity", "perplexity", 3},
                {"perplexity_change_percent", "change %", 2},
                {"log_prob_error_mean", "log p error", 5},
                {"log_prob_error_worst", "worst", 3}},
    .score = score,
};
