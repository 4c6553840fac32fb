#include "cli/compare_plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plot.h"

enum { WIDTH = 760, LEFT = 84, RIGHT = 724, TOP = 16, BOTTOM = 350, BELOW = 50, TITLE = 64 };

static void begin(FILE *stream, double height, const char *label)
{
    fprintf(stream,
            "<svg viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" role=\"img\" "
            "aria-label=\"%s\">\n",
            WIDTH, height, WIDTH, height, label);
}

static double milliseconds(const compared *model, double percentile)
{
    return 1e3 * samples_percentile(&model->latency, percentile);
}

/* Least and greatest of a figure over the models. */
static void span(const double *values, size_t count, double *low, double *high)
{
    *low = *high = values[0];
    for (size_t i = 1; i < count; i++) {
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
}

/* ------------------------------------------------------------------------------------ trade-off */

typedef struct point {
    double x, y;
} point;

/* Where a point's badge goes: beside those already placed, as near above or below as there is room.
 */
static point place_badge(const point *placed, size_t count, point wanted)
{
    enum { STEPS = 40, GAP = 19 };
    for (int step = 0; step < STEPS; step++) {
        double shift = (step + 1) / 2 * GAP * (step % 2 ? -1.0 : 1.0);
        point at = {wanted.x, wanted.y + shift};
        bool free_here = at.y > TOP && at.y < BOTTOM;
        for (size_t i = 0; i < count; i++)
            free_here &= hypot(placed[i].x - at.x, placed[i].y - at.y) >= GAP - 0.5;
        if (free_here)
            return at;
    }
    return wanted;
}

static void write_discs(const comparison *c, FILE *stream, const point *points)
{
    uint64_t largest = 1;
    for (size_t i = 0; i < c->num_models; i++)
        if (c->models[i].facts.file_bytes > largest)
            largest = c->models[i].facts.file_bytes;
    for (size_t i = 0; i < c->num_models; i++) {
        double share = (double)c->models[i].facts.file_bytes / (double)largest;
        fprintf(stream,
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"0.18\" "
                "stroke=\"%s\"><title>",
                points[i].x, points[i].y, 34 * sqrt(share), plot_colour(i), plot_colour(i));
        plot_text(stream, c->models[i].model->name);
        fputs("</title></circle>\n", stream);
    }
}

static void write_badges(const comparison *c, FILE *stream, const point *points)
{
    point *placed = calloc(c->num_models, sizeof *placed);
    for (size_t i = 0; placed && i < c->num_models; i++) {
        placed[i] = place_badge(placed, i, points[i]);
        fprintf(stream, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>",
                points[i].x, points[i].y, placed[i].x, placed[i].y, plot_colour(i));
        plot_badge(stream, placed[i].x, placed[i].y, i);
    }
    free(placed);
}

static void write_tradeoff(const comparison *c, FILE *stream, const double *speed,
                           const double *quality, point *points)
{
    double low, high, slow, fast;
    span(speed, c->num_models, &fast, &slow);
    span(quality, c->num_models, &low, &high);
    double room = (high - low) * 0.15; /* for the discs */
    char title[TITLE];
    snprintf(title, sizeof title, "median latency of a %s, ms (log scale)", c->task->input_name);
    plot_axis x = plot_logarithmic(fast / 1.1, slow * 1.1, LEFT, RIGHT, title);
    plot_axis y = plot_linear(low - room, high + room, BOTTOM, TOP, c->task->metrics[0].title);
    for (size_t i = 0; i < c->num_models; i++)
        points[i] = (point){plot_place(&x, speed[i]), plot_place(&y, quality[i])};
    begin(stream, BOTTOM + BELOW, "quality against latency against size");
    plot_grid(stream, &x, &y);
    write_discs(c, stream, points);
    write_badges(c, stream, points);
    fputs("</svg>\n", stream);
}

void compare_plot_tradeoff(const comparison *c, FILE *stream)
{
    double *figures = calloc(2 * c->num_models, sizeof *figures);
    point *points = calloc(c->num_models, sizeof *points);
    for (size_t i = 0; figures && i < c->num_models; i++) {
        figures[i] = milliseconds(&c->models[i], 0.5);
        figures[c->num_models + i] = c->models[i].metrics[0];
    }
    if (figures && points)
        write_tradeoff(c, stream, figures, figures + c->num_models, points);
    free(points);
    free(figures);
}

/* --------------------------------------------------------------------------------------- layers */

static double largest_error(const comparison *c)
{
    double most = 0;
    for (size_t m = 0; m < c->num_models; m++)
        for (size_t s = 0; c->models[m].layer_errors && s < c->models[m].facts.num_states; s++)
            most = fmax(most, c->models[m].layer_errors[s]);
    return most > 0 ? most : 1;
}

static void write_line(FILE *stream, const plot_axis *x, const plot_axis *y, const compared *model,
                       size_t index)
{
    fprintf(stream, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
            plot_colour(index));
    for (size_t s = 0; s < model->facts.num_states; s++)
        fprintf(stream, "%.1f,%.1f ", plot_place(x, (double)s),
                plot_place(y, model->layer_errors[s]));
    fputs("\"/>\n", stream);
    for (size_t s = 0; s < model->facts.num_states; s++)
        fprintf(stream, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>",
                plot_place(x, (double)s), plot_place(y, model->layer_errors[s]),
                plot_colour(index));
}

/* Badges at the lines' ends, out of each other's way. */
static void write_line_badges(const comparison *c, FILE *stream, const plot_axis *x,
                              const plot_axis *y)
{
    point *placed = calloc(c->num_models, sizeof *placed);
    size_t count = 0;
    for (size_t m = 1; placed && m < c->num_models; m++) {
        const compared *model = &c->models[m];
        if (!model->layer_errors)
            continue;
        size_t last = model->facts.num_states - 1;
        point end = {plot_place(x, (double)last) + 20, plot_place(y, model->layer_errors[last])};
        placed[count] = place_badge(placed, count, end);
        plot_badge(stream, placed[count].x, placed[count].y, m);
        count++;
    }
    free(placed);
}

void compare_plot_layers(const comparison *c, FILE *stream)
{
    size_t states = c->models[0].facts.num_states;
    plot_axis x = {0, (double)(states - 1), false, LEFT, RIGHT - 40, "layer (0: embedding layer)"};
    plot_axis y = plot_linear(0, largest_error(c), BOTTOM, TOP, "relative error of hidden states");
    begin(stream, BOTTOM + BELOW, "error of hidden states by layer");
    plot_grid(stream, &x, &y);
    for (size_t m = 1; m < c->num_models; m++)
        if (c->models[m].layer_errors)
            write_line(stream, &x, &y, &c->models[m], m);
    write_line_badges(c, stream, &x, &y);
    fputs("</svg>\n", stream);
}

/* ------------------------------------------------------------------------------------ latencies */

enum { BINS = 90, STRIP = 46, STRIP_GAP = 10 };

static void fill_bins(const comparison *c, const compared *model, const plot_axis *x,
                      size_t bins[BINS])
{
    memset(bins, 0, BINS * sizeof *bins);
    for (size_t i = 0; i < c->inputs; i++) {
        double share =
            (plot_place(x, 1e3 * model->latency.seconds[i]) - x->from) / (x->to - x->from);
        if (share >= 0 && share < 1)
            bins[(size_t)(share * BINS)]++;
    }
}

static void write_mark(FILE *stream, double at, double top, double bottom, const char *dash)
{
    fprintf(stream,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#222\" "
            "stroke-width=\"1.2\"%s/>",
            at, top, at, bottom, dash);
}

static void write_strip(const comparison *c, FILE *stream, const plot_axis *x, size_t index,
                        double bottom)
{
    const compared *model = &c->models[index];
    size_t bins[BINS], most = 1;
    double width = (x->to - x->from) / BINS, p99 = milliseconds(model, 0.99);
    fill_bins(c, model, x, bins);
    for (size_t i = 0; i < BINS; i++)
        most = bins[i] > most ? bins[i] : most;
    for (size_t i = 0; i < BINS; i++) {
        double height = STRIP * (double)bins[i] / (double)most;
        if (bins[i])
            fprintf(stream,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
                    "fill-opacity=\"0.75\"/>",
                    x->from + (double)i * width, bottom - height, width - 0.6, height,
                    plot_colour(index));
    }
    fprintf(stream, "<line class=\"base\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            x->from, bottom, x->to, bottom);
    write_mark(stream, plot_place(x, milliseconds(model, 0.5)), bottom - STRIP, bottom, "");
    write_mark(stream, plot_place(x, p99), bottom - STRIP, bottom, " stroke-dasharray=\"3 2\"");
    plot_badge(stream, LEFT - 24, bottom - STRIP / 2.0, index);
}

void compare_plot_latencies(const comparison *c, FILE *stream)
{
    double low = milliseconds(&c->models[0], 0), high = low;
    for (size_t m = 0; m < c->num_models; m++) {
        low = fmin(low, milliseconds(&c->models[m], 0));
        high = fmax(high, milliseconds(&c->models[m], 0.995));
    }
    char title[TITLE];
    snprintf(title, sizeof title, "latency of a %s, ms (log scale)", c->task->input_name);
    plot_axis x = plot_logarithmic(low, high, LEFT, RIGHT, title);
    double bottom = TOP + (double)c->num_models * (STRIP + STRIP_GAP);
    begin(stream, bottom + BELOW, "histogram of latencies");
    plot_x_axis(stream, &x, bottom, TOP);
    for (size_t m = 0; m < c->num_models; m++)
        write_strip(c, stream, &x, m, TOP + (double)(m + 1) * (STRIP + STRIP_GAP));
    fputs("</svg>\n", stream);
}
