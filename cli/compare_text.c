/* The comparison as tables to read. */
#include <math.h>
#include <string.h>

#include "cli/comparison.h"

enum { MIN_CELL = 8 };

static int name_width(const comparison *c)
{
    size_t width = strlen("error by layer");
    for (size_t i = 0; i < c->num_models; i++)
        if (strlen(c->models[i].model->name) > width)
            width = strlen(c->models[i].model->name);
    return (int)width;
}

static int cell_width(const compare_figure *figure)
{
    int length = (int)strlen(figure->metric.title);
    return length > MIN_CELL ? length : MIN_CELL;
}

static void write_table(const comparison *c, FILE *stream, const char *title,
                        size_t (*get)(const comparison *, size_t, compare_figure *))
{
    compare_figure figures[COMPARE_MAX_FIGURES];
    size_t count = get(c, 0, figures);
    int width = name_width(c);
    fprintf(stream, "\n%-*s", width, title);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, " %*s", cell_width(&figures[i]), figures[i].metric.title);
    for (size_t m = 0; m < c->num_models; m++) {
        get(c, m, figures);
        fprintf(stream, "\n%-*s", width, c->models[m].model->name);
        for (size_t i = 0; i < count; i++) {
            fputc(' ', stream);
            compare_figure_write(stream, &figures[i], cell_width(&figures[i]));
        }
    }
    fputc('\n', stream);
}

static void write_layers(const comparison *c, FILE *stream)
{
    int width = name_width(c);
    fprintf(stream, "\n%-*s", width, "error by layer");
    for (size_t s = 0; s < c->models[0].facts.num_states; s++)
        fprintf(stream, " %*zu", MIN_CELL, s);
    for (size_t m = 0; m < c->num_models; m++) {
        const compared *model = &c->models[m];
        fprintf(stream, "\n%-*s", width, model->model->name);
        for (size_t s = 0; model->layer_errors && s < model->facts.num_states; s++)
            fprintf(stream, " %*.5f", MIN_CELL, model->layer_errors[s]);
        if (!model->layer_errors)
            fputs(" other layers or tokens than the first model's", stream);
    }
    fputc('\n', stream);
}

static void write_head(const comparison *c, FILE *stream)
{
    const worker_facts *facts = &c->models[0].facts;
    const char *ending = facts->threads == 1 ? "" : "s";
    if (c->data->kind == BERTRUN_KIND_LM)
        fprintf(stream,
                "%s: %zu words, %zu of them not in the vocabulary; %d thread%s, %zu columns, %zu "
                "words of each in a call\n",
                c->data->name, c->rows, facts->unknown, facts->threads, ending,
                c->options->batch_size, c->options->bptt);
    else
        fprintf(stream, "%s: %zu rows, %zu texts, %zu tokens; %d thread%s, batches of %zu\n",
                c->data->name, c->rows, c->inputs, c->tokens, facts->threads, ending,
                c->options->batch_size);
}

void compare_write_text(const comparison *c, FILE *stream)
{
    write_head(c, stream);
    write_table(c, stream, "quality", comparison_quality);
    write_table(c, stream, "cost", comparison_cost);
    if (c->models[0].facts.num_states > 0)
        write_layers(c, stream);
}
