#include "cli/plot.h"

#include <math.h>

/* A step of 1, 2 or 5 times a power of ten that cuts `range` into about five parts. */
static double round_step(double range)
{
    double step = pow(10, floor(log10(range / 5))), parts = range / step;
    return parts > 20 ? 5 * step : parts > 8 ? 2 * step : step;
}

plot_axis plot_linear(double low, double high, double from, double to, const char *title)
{
    if (!(high > low)) { /* a single value: some room around it */
        double room = fabs(low) > 0 ? fabs(low) * 0.01 : 1;
        low -= room;
        high += room;
    }
    double step = round_step(high - low);
    return (plot_axis){floor(low / step) * step, ceil(high / step) * step, false, from, to, title};
}

plot_axis plot_logarithmic(double low, double high, double from, double to, const char *title)
{
    return (plot_axis){low / 1.25, high * 1.25, true, from, to, title};
}

double plot_place(const plot_axis *axis, double value)
{
    double share = axis->logarithmic ? log(value / axis->low) / log(axis->high / axis->low)
                                     : (value - axis->low) / (axis->high - axis->low);
    return axis->from + share * (axis->to - axis->from);
}

/* 1, 2, 5, 10, ... */
static size_t logarithmic_ticks(const plot_axis *axis, double ticks[PLOT_MAX_TICKS])
{
    static const double STEPS[] = {1, 2, 5};
    size_t count = 0;
    for (double power = pow(10, floor(log10(axis->low))); power <= axis->high; power *= 10)
        for (size_t i = 0; i < 3 && count < PLOT_MAX_TICKS; i++)
            if (power * STEPS[i] >= axis->low && power * STEPS[i] <= axis->high)
                ticks[count++] = power * STEPS[i];
    return count;
}

size_t plot_ticks(const plot_axis *axis, double ticks[PLOT_MAX_TICKS])
{
    if (axis->logarithmic)
        return logarithmic_ticks(axis, ticks);
    double step = round_step(axis->high - axis->low);
    size_t count = (size_t)((axis->high - axis->low) / step + 1.5);
    if (count > PLOT_MAX_TICKS)
        count = PLOT_MAX_TICKS;
    for (size_t i = 0; i < count; i++)
        ticks[i] = axis->low + (double)i * step;
    return count;
}

/* A tick's value with as many decimals as tell it from its neighbours. */
static void write_value(FILE *stream, const plot_axis *axis, double value)
{
    if (axis->logarithmic) {
        fprintf(stream, "%g", value);
        return;
    }
    double decimals = -floor(log10(round_step(axis->high - axis->low)) + 1e-9);
    fprintf(stream, "%.*f", decimals > 0 ? (int)decimals : 0, value);
}

void plot_x_axis(FILE *stream, const plot_axis *x, double y, double top)
{
    double ticks[PLOT_MAX_TICKS];
    size_t count = plot_ticks(x, ticks);
    for (size_t i = 0; i < count; i++) {
        double at = plot_place(x, ticks[i]);
        fprintf(stream,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                at, top, at, y, at, y + 18);
        write_value(stream, x, ticks[i]);
        fputs("</text>\n", stream);
    }
    fprintf(stream, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
            (x->from + x->to) / 2, y + 40, x->title);
}

static void write_y_axis(FILE *stream, const plot_axis *y, double left, double right)
{
    double ticks[PLOT_MAX_TICKS];
    size_t count = plot_ticks(y, ticks);
    for (size_t i = 0; i < count; i++) {
        double at = plot_place(y, ticks[i]);
        fprintf(stream,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                left, at, right, at, left - 8, at + 4);
        write_value(stream, y, ticks[i]);
        fputs("</text>\n", stream);
    }
    double middle = (y->from + y->to) / 2;
    fprintf(stream,
            "<text class=\"axis\" transform=\"translate(%.1f %.1f) rotate(-90)\" "
            "text-anchor=\"middle\">%s</text>\n",
            left - 58, middle, y->title);
}

void plot_grid(FILE *stream, const plot_axis *x, const plot_axis *y)
{
    plot_x_axis(stream, x, y->from, y->to);
    write_y_axis(stream, y, x->from, x->to);
}

/* Okabe and Ito's colours, which colour-blind readers can tell apart; the first series is grey. */
const char *plot_colour(size_t index)
{
    static const char *const COLOURS[] = {"#4d4d4d", "#0072b2", "#d55e00", "#009e73",
                                          "#cc79a7", "#b8860b", "#56b4e9", "#7b3294"};
    return COLOURS[index % (sizeof COLOURS / sizeof COLOURS[0])];
}

void plot_badge(FILE *stream, double x, double y, size_t index)
{
    fprintf(stream,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"8.5\" fill=\"%s\"/>"
            "<text class=\"badge\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>\n",
            x, y, plot_colour(index), x, y + 3.8, index + 1);
}

void plot_text(FILE *stream, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        default:
            fputc(*text, stream);
        }
    }
}
