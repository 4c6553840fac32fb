#include "cli/comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/samples.h"
#include "cli/statistics.h"

/* ------------------------------------------------------------------------------------- starting */

static bool allocate(compared *model, size_t inputs)
{
    model->inputs = cli_realloc(NULL, inputs, sizeof *model->inputs);
    model->values = cli_realloc(NULL, inputs * model->facts.width, sizeof *model->values);
    model->latency.seconds = cli_realloc(NULL, inputs, sizeof *model->latency.seconds);
    model->latency.count = inputs;
    return model->inputs && model->values && model->latency.seconds;
}

/* Whether a model can be measured beside the first one. */
static bool is_alike(const comparison *c, const compared *model)
{
    const compared *first = &c->models[0];
    const char *difference = NULL;
    if (model->facts.task != first->facts.task)
        difference = "tasks";
    else if (model->facts.width != first->facts.width)
        difference = c->task->width_name;
    else if (model->facts.rows != c->rows ||
             memcmp(model->gold, first->gold, c->rows * sizeof *model->gold) != 0)
        difference = c->task->gold_name;
    if (difference)
        cli_fail("%s and %s cannot be compared: they have different %s", first->model->name,
                 model->model->name, difference);
    return !difference;
}

static bool start(comparison *c, compare_worker *worker, size_t index)
{
    compared *model = &c->models[index];
    model->model = &c->options->models[index];
    compare_job job = {c->options, model->model, c->data};
    if (!compare_worker_start(worker, &job, &model->gold))
        return false;
    model->facts = worker->facts;
    if (index == 0) {
        c->task = model->facts.task;
        c->rows = model->facts.rows;
        c->inputs = model->facts.inputs;
    }
    return is_alike(c, model) && allocate(model, c->inputs);
}

/* -------------------------------------------------------------------------------------- running */

/*
 * In each block one model after another runs, in turn another one first, so that a machine that
 * slows down or warms up does so for all. A block is long enough for caches to warm up.
 */
static bool run_block(comparison *c, compare_worker *workers, size_t first, size_t count,
                      size_t turn)
{
    for (size_t i = 0; i < c->num_models; i++) {
        size_t index = (i + turn) % c->num_models;
        compared *model = &c->models[index];
        double seconds;
        if (!compare_worker_run(&workers[index], first, count, model->inputs + first,
                                model->values + first * model->facts.width, &seconds))
            return false;
        model->batch_seconds += seconds;
    }
    return true;
}

static bool run_blocks(comparison *c, compare_worker *workers)
{
    enum { MIN_BLOCK = 128 };
    const size_t batch = c->options->batch_size;
    const size_t block = (MIN_BLOCK + batch - 1) / batch * batch;
    bool good = true;
    progress shown;
    progress_start(&shown);
    for (size_t first = 0, turn = 0; good && first < c->inputs; first += block, turn++) {
        size_t count = c->inputs - first < block ? c->inputs - first : block;
        good = run_block(c, workers, first, count, turn);
        progress_update(&shown, (first + count) * c->num_models, first + count, c->inputs);
    }
    progress_end(&shown);
    return good;
}

static bool ask_peaks(comparison *c, compare_worker *workers)
{
    for (size_t i = 0; i < c->num_models; i++)
        if (!compare_worker_peak(&workers[i], &c->models[i].peak_bytes))
            return false;
    return true;
}

/* -------------------------------------------------------------------------------- hidden states */

/* Sums of squares for each hidden state, over the inputs seen so far. */
typedef struct layer_sums {
    double *difference, *reference; /* [num_states] */
} layer_sums;

static void add_squares(layer_sums *sums, const worker_states *first, const worker_states *other)
{
    size_t count = first->tokens * first->width;
    for (size_t state = 0; state < first->states; state++) {
        const float *a = first->values + state * count, *b = other->values + state * count;
        for (size_t i = 0; i < count; i++) {
            double difference = (double)b[i] - (double)a[i];
            sums->difference[state] += difference * difference;
            sums->reference[state] += (double)a[i] * (double)a[i];
        }
    }
}

/* One model's hidden states of one input; those that cannot be compared lose their errors. */
static bool add_input(compared *model, compare_worker *worker, size_t input, layer_sums *sums,
                      const worker_states *first, worker_states *states)
{
    if (!model->layer_errors)
        return true;
    if (!compare_worker_hidden(worker, input, states))
        return false;
    if (states->states == first->states && states->tokens == first->tokens &&
        states->width == first->width) {
        add_squares(sums, first, states);
        return true;
    }
    free(model->layer_errors);
    model->layer_errors = NULL;
    return true;
}

/* `sums` [num_models] */
static bool add_hidden(comparison *c, compare_worker *workers, layer_sums *sums)
{
    enum { MAX_INPUTS = 256 };
    worker_states first, other;
    size_t count = c->inputs < MAX_INPUTS ? c->inputs : MAX_INPUTS;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        size_t input = i * c->inputs / count;
        good = compare_worker_hidden(&workers[0], input, &first);
        for (size_t m = 1; m < c->num_models && good; m++)
            good = add_input(&c->models[m], &workers[m], input, &sums[m], &first, &other);
    }
    return good;
}

static void finish_errors(compared *model, const layer_sums *sums)
{
    for (size_t s = 0; model->layer_errors && s < model->facts.num_states; s++)
        model->layer_errors[s] =
            sums->reference[s] > 0 ? sqrt(sums->difference[s] / sums->reference[s]) : 0;
}

static bool measure_layers(comparison *c, compare_worker *workers)
{
    if (c->models[0].facts.num_states == 0)
        return true;
    layer_sums *sums = calloc(c->num_models, sizeof *sums);
    bool good = sums;
    for (size_t i = 0; i < c->num_models && good; i++) {
        size_t states = c->models[i].facts.num_states;
        c->models[i].layer_errors = calloc(states, sizeof(double));
        sums[i] = (layer_sums){calloc(states, sizeof(double)), calloc(states, sizeof(double))};
        good = c->models[i].layer_errors && sums[i].difference && sums[i].reference;
    }
    if (!good)
        cli_fail("out of memory");
    good = good && add_hidden(c, workers, sums);
    for (size_t i = 0; i < c->num_models && sums; i++) {
        if (good)
            finish_errors(&c->models[i], &sums[i]);
        free(sums[i].difference);
        free(sums[i].reference);
    }
    free(sums);
    return good;
}

/* -------------------------------------------------------------------------------------- scoring */

static void compare_values(comparison *c, compared *model)
{
    size_t width = model->facts.width;
    double sum = 0, worst = 1;
    for (size_t i = 0; i < c->inputs; i++) {
        double cosine =
            statistics_cosine(model->values + i * width, c->models[0].values + i * width, width);
        sum += cosine;
        worst = cosine < worst ? cosine : worst;
    }
    model->cosine_mean = sum / (double)c->inputs;
    model->cosine_worst = worst;
}

/* Tokens of all inputs. */
static size_t time_inputs(comparison *c, compared *model)
{
    size_t tokens = 0;
    for (size_t i = 0; i < c->inputs; i++) {
        model->latency.seconds[i] = model->inputs[i].seconds;
        tokens += model->inputs[i].tokens;
    }
    samples_sort(&model->latency);
    model->tokens_per_second = (double)tokens / model->batch_seconds;
    return tokens;
}

static bool score(comparison *c, compared *model)
{
    if (c->data->kind == BERTRUN_KIND_ENCODER)
        compare_values(c, model);
    return c->task->score(&(compare_scoring){.rows = c->rows,
                                             .inputs = c->inputs,
                                             .tokens = time_inputs(c, model),
                                             .width = model->facts.width,
                                             .gold = model->gold,
                                             .values = model->values,
                                             .reference = c->models[0].values},
                          model->metrics);
}

static bool score_all(comparison *c)
{
    for (size_t i = 0; i < c->inputs; i++) {
        c->tokens += c->models[0].inputs[i].tokens;
        c->truncated += c->models[0].inputs[i].truncated > 0;
    }
    for (size_t i = 0; i < c->num_models; i++)
        if (!score(c, &c->models[i]))
            return false;
    return true;
}

static bool run_all(comparison *c, compare_worker *workers)
{
    for (size_t i = 0; i < c->num_models; i++)
        if (!start(c, &workers[i], i))
            return false;
    return run_blocks(c, workers) && ask_peaks(c, workers) && measure_layers(c, workers) &&
           score_all(c);
}

bool comparison_run(comparison *out, const compare_options *options, const compare_data *data)
{
    size_t count = options->num_models;
    compare_worker *workers = calloc(count, sizeof *workers);
    *out = (comparison){.options = options, .data = data, .num_models = count};
    out->models = calloc(count, sizeof *out->models);
    bool good = workers && out->models;
    if (!good)
        cli_fail("out of memory");
    good = good && run_all(out, workers);
    for (size_t i = count; workers && i > 0; i--)
        compare_worker_close(&workers[i - 1]);
    free(workers);
    return good;
}

void comparison_free(comparison *c)
{
    for (size_t i = 0; c->models && i < c->num_models; i++) {
        free(c->models[i].layer_errors);
        free(c->models[i].latency.seconds);
        free(c->models[i].inputs);
        free(c->models[i].values);
        free(c->models[i].gold);
    }
    free(c->models);
    *c = (comparison){0};
}

/* -------------------------------------------------------------------------------------- figures */

void compare_figure_write(FILE *stream, const compare_figure *figure, int width)
{
    if (isnan(figure->value))
        fprintf(stream, "%*s", width, "none");
    else
        fprintf(stream, "%*.*f", width, figure->metric.decimals, figure->value);
}

size_t comparison_quality(const comparison *c, size_t model,
                          compare_figure figures[COMPARE_MAX_FIGURES])
{
    const compared *of = &c->models[model];
    size_t count = 0;
    for (; count < c->task->num_metrics; count++)
        figures[count] = (compare_figure){c->task->metrics[count], of->metrics[count]};
    if (c->data->kind == BERTRUN_KIND_LM)
        return count;
    figures[count++] = (compare_figure){{"cosine_mean", "cosine mean", 5}, of->cosine_mean};
    figures[count++] = (compare_figure){{"cosine_worst", "worst", 5}, of->cosine_worst};
    return count;
}

size_t comparison_cost(const comparison *c, size_t model,
                       compare_figure figures[COMPARE_MAX_FIGURES])
{
    const compared *of = &c->models[model];
    const double *seconds = of->latency.seconds;
    const compare_figure cost[] = {
        {{"latency_mean_ms", "mean ms", 3}, 1e3 * statistics_mean(seconds, c->inputs)},
        {{"latency_std_ms", "std", 3}, 1e3 * statistics_deviation(seconds, c->inputs)},
        {{"latency_p50_ms", "p50", 3}, 1e3 * samples_percentile(&of->latency, 0.5)},
        {{"latency_p99_ms", "p99", 3}, 1e3 * samples_percentile(&of->latency, 0.99)},
        {{"tokens_per_s", "tokens/s", 0}, of->tokens_per_second},
        {{"peak_rss_mb", "peak MB", 1}, (double)of->peak_bytes / 1e6},
        {{"file_mb", "disk MB", 1}, (double)of->facts.file_bytes / 1e6},
    };
    memcpy(figures, cost, sizeof cost);
    return sizeof cost / sizeof *cost;
}
