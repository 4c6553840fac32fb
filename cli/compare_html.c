/* The comparison as one HTML page that needs nothing else: no scripts, no fonts, no network. */
#include <math.h>

#include "cli/compare_plots.h"
#include "cli/plot.h"

static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>bertrun compare</title>\n<style>\n"
    "body { font: 15px/1.5 system-ui, 'DejaVu Sans', sans-serif; color: #222; background: #fff;\n"
    "  max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem }\n"
    "h1 { font-size: 1.55rem; margin: 0 0 .2rem } h2 { font-size: 1.1rem; margin: 2.4rem 0 .5rem "
    "}\n"
    "p { margin: .3rem 0; color: #555 }\n"
    ".scroll { overflow-x: auto }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }\n"
    "th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap }\n"
    "th { font-weight: 600; border-bottom: 1.5px solid #222 } td { border-bottom: 1px solid "
    "#e4e4e4 }\n"
    "th:first-child, td:first-child { text-align: left; padding-left: 0 }\n"
    ".best { font-weight: 700 }\n"
    ".key { display: inline-block; width: 1.25rem; height: 1.25rem; border-radius: 50%;\n"
    "  color: #fff; font-size: .72rem; font-weight: 700; line-height: 1.25rem; text-align: "
    "center;\n"
    "  margin-right: .5rem }\n"
    "svg { width: 100%; height: auto; display: block }\n"
    "svg text { font-size: 12px; fill: #444 } svg text.axis { font-size: 13px; fill: #222 }\n"
    "svg text.badge { font-size: 10.5px; font-weight: 700; fill: #fff }\n"
    ".grid { stroke: #e8e8e8 } .base { stroke: #999 }\n"
    "@media print { body { margin: 0; max-width: none } h2 { break-after: avoid }\n"
    "  svg { break-inside: avoid } }\n"
    "</style>\n</head>\n<body>\n";

static void write_key(FILE *stream, const comparison *c, size_t model)
{
    fprintf(stream, "<span class=\"key\" style=\"background:%s\">%zu</span>", plot_colour(model),
            model + 1);
    plot_text(stream, c->models[model].model->name);
}

static void write_row_begin(FILE *stream, const comparison *c, size_t model)
{
    fputs("<tr><td>", stream);
    write_key(stream, c, model);
    fputs("</td>", stream);
}

static void write_table(const comparison *c, FILE *stream,
                        size_t (*get)(const comparison *, size_t, compare_figure *))
{
    compare_figure figures[COMPARE_MAX_FIGURES];
    size_t count = get(c, 0, figures);
    fputs("<div class=\"scroll\"><table>\n<tr><th>model</th>", stream);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "<th>%s</th>", figures[i].metric.title);
    fputs("</tr>\n", stream);
    for (size_t m = 0; m < c->num_models; m++) {
        get(c, m, figures);
        write_row_begin(stream, c, m);
        for (size_t i = 0; i < count; i++) {
            fputs("<td>", stream);
            compare_figure_write(stream, &figures[i], 0);
            fputs("</td>", stream);
        }
        fputs("</tr>\n", stream);
    }
    fputs("</table></div>\n", stream);
}

/* How each model was stored and run. */
static void write_models(const comparison *c, FILE *stream)
{
    fputs("<div class=\"scroll\"><table>\n<tr><th>model</th><th>architecture</th><th>stored as</th>"
          "<th>runs in</th><th>activations</th></tr>\n",
          stream);
    for (size_t m = 0; m < c->num_models; m++) {
        const worker_facts *facts = &c->models[m].facts;
        bool int8 = facts->precision == BERTRUN_PRECISION_INT8;
        write_row_begin(stream, c, m);
        fprintf(stream, "<td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n", facts->architecture,
                facts->stored_dtype, bertrun_precision_name(facts->precision),
                int8 ? bertrun_activations_name(facts->activations) : "");
    }
    fputs("</table></div>\n", stream);
}

static void write_layers(const comparison *c, FILE *stream)
{
    size_t states = c->models[0].facts.num_states;
    fputs("<div class=\"scroll\"><table>\n<tr><th>layer</th>", stream);
    for (size_t s = 0; s < states; s++)
        fprintf(stream, "<th>%zu</th>", s);
    fputs("</tr>\n", stream);
    for (size_t m = 1; m < c->num_models; m++) {
        write_row_begin(stream, c, m);
        for (size_t s = 0; c->models[m].layer_errors && s < states; s++)
            fprintf(stream, "<td>%.4f</td>", c->models[m].layer_errors[s]);
        if (!c->models[m].layer_errors)
            fprintf(stream,
                    "<td colspan=\"%zu\">other layers or tokens than the first model's</td>",
                    states);
        fputs("</tr>\n", stream);
    }
    fputs("</table></div>\n", stream);
}

static void write_intro(const comparison *c, FILE *stream)
{
    const worker_facts *facts = &c->models[0].facts;
    fputs("<h1>", stream);
    plot_text(stream, c->data->name);
    if (c->data->kind == BERTRUN_KIND_LM)
        fprintf(stream, "</h1>\n<p>%zu words, %zu of them not in the vocabulary.", c->rows,
                facts->unknown);
    else
        fprintf(stream, "</h1>\n<p>%zu rows, %zu texts, %zu tokens.", c->rows, c->inputs,
                c->tokens);
    fprintf(stream,
            " bertrun %s, %d thread%s. Each model ran in a process of its own, the models in turn, "
            "block by block. The first one is what the others are compared with.</p>\n",
            bertrun_version(), facts->threads, facts->threads == 1 ? "" : "s");
}

static void write_quality(const comparison *c, FILE *stream)
{
    fputs("<h2>Quality</h2>\n", stream);
    write_table(c, stream, comparison_quality);
    if (c->data->kind == BERTRUN_KIND_LM)
        fputs("<p>Perplexity, and its change against the first model's; |log p &minus; log "
              "p<sub>1</sub>| of each word, mean and worst.</p>\n",
              stream);
    else
        fprintf(stream,
                "<p>Computed in batches of %zu texts. Cosine: of the %s and the first "
                "model's.%s</p>\n",
                c->options->batch_size, c->task->values,
                c->task->pairs ? " Flips: rows with another label than the first model's." : "");
}

static void write_cost(const comparison *c, FILE *stream)
{
    const compare_options *options = c->options;
    fputs("<h2>Cost</h2>\n", stream);
    write_table(c, stream, comparison_cost);
    if (c->data->kind == BERTRUN_KIND_LM)
        fprintf(stream, "<p>Latency of a call, which reads %zu words of each of %zu columns",
                options->bptt, options->batch_size);
    else
        fprintf(stream,
                "<p>Latency of a text alone, tokenizing included; tokens a second in batches of "
                "%zu texts",
                options->batch_size);
    fputs("; the process' largest resident set; the weight files.</p>\n", stream);
}

/* Nothing where a model has no figure for its quality. */
static void write_tradeoff(const comparison *c, FILE *stream)
{
    for (size_t m = 0; m < c->num_models; m++)
        if (!isfinite(c->models[m].metrics[0]))
            return;
    fputs("<h2>Quality, latency and size</h2>\n", stream);
    compare_plot_tradeoff(c, stream);
    fprintf(stream,
            "<p>A disc's area is the size on disk. Better is further %s and further left.</p>\n",
            c->task->lower_is_better ? "down" : "up");
}

static void write_layer_errors(const comparison *c, FILE *stream)
{
    fputs("<h2>Error of hidden states by layer</h2>\n", stream);
    compare_plot_layers(c, stream);
    fputs(
        "<p>|h &minus; h<sub>1</sub>| / |h<sub>1</sub>| over all tokens of up to 256 texts, evenly "
        "spread; h<sub>1</sub> is the first model's.</p>\n",
        stream);
    write_layers(c, stream);
}

void compare_write_html(const comparison *c, FILE *stream)
{
    fputs(HEAD, stream);
    write_intro(c, stream);
    write_quality(c, stream);
    write_cost(c, stream);
    write_tradeoff(c, stream);
    if (c->models[0].facts.num_states > 0)
        write_layer_errors(c, stream);
    fputs("<h2>Latency</h2>\n", stream);
    compare_plot_latencies(c, stream);
    fprintf(
        stream,
        "<p>Share of the %ss at each latency, each strip scaled to its own largest. Solid line: "
        "median; dashed: 99th percentile.</p>\n<h2>Models</h2>\n",
        c->data->kind == BERTRUN_KIND_LM ? "call" : "text");
    write_models(c, stream);
    fputs("</body>\n</html>\n", stream);
}
