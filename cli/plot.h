/* Axes and marks of a plot as SVG, written to a stream. Places are in pixels of the drawing. */
#ifndef PLOT_H
#define PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** Values low..high lie between pixels from..to. */
typedef struct plot_axis {
    double low, high;
    bool logarithmic;
    double from, to;
    const char *title;
} plot_axis;

/** An axis whose ends are round and that holds low..high; `high` may equal `low`. */
plot_axis plot_linear(double low, double high, double from, double to, const char *title);
plot_axis plot_logarithmic(double low, double high, double from, double to, const char *title);

double plot_place(const plot_axis *axis, double value);

/** Round values on the axis, ascending; returns how many. */
enum { PLOT_MAX_TICKS = 32 };
size_t plot_ticks(const plot_axis *axis, double ticks[PLOT_MAX_TICKS]);

/** Writes grid lines, ticks' labels and titles of the axes. */
void plot_grid(FILE *stream, const plot_axis *x, const plot_axis *y);

/** Writes ticks' labels and the title of a horizontal axis at height `y`, grid lines up to `top`.
 */
void plot_x_axis(FILE *stream, const plot_axis *x, double y, double top);

/** Colour of series `index`, "#rrggbb". */
const char *plot_colour(size_t index);

/** A small disc with the number index + 1 in it. */
void plot_badge(FILE *stream, double x, double y, size_t index);

/** Text with &, <, > and " escaped, for HTML and SVG. */
void plot_text(FILE *stream, const char *text);

#endif
