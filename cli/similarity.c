#include "cli/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static bool reserve(similarity *gathered)
{
    if (gathered->count < gathered->capacity)
        return true;
    size_t capacity = gathered->capacity ? 2 * gathered->capacity : 64;
    float *rows = cli_realloc(gathered->rows, capacity, gathered->width * sizeof *rows);
    if (!rows)
        return false;
    gathered->rows = rows;
    similar_text *texts = cli_realloc(gathered->texts, capacity, sizeof *texts);
    if (!texts)
        return false;
    gathered->texts = texts;
    gathered->capacity = capacity;
    return true;
}

/* A row of zeros stays one: it is like nothing. */
static void copy_normalized(float *out, const float *values, size_t width)
{
    double sum = 0;
    for (size_t i = 0; i < width; i++)
        sum += (double)values[i] * (double)values[i];
    double factor = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < width; i++)
        out[i] = (float)(values[i] * factor);
}

bool similarity_add(similarity *gathered, const result_row *row)
{
    gathered->width = row->width;
    if (!reserve(gathered))
        return false;
    size_t at = gathered->count++;
    similar_text *text = &gathered->texts[at];
    *text = (similar_text){row->info, strdup(row->title), row->id ? strdup(row->id) : NULL};
    if (!text->title || (row->id && !text->id)) {
        cli_fail("out of memory");
        return false;
    }
    copy_normalized(gathered->rows + at * row->width, row->values, row->width);
    return true;
}

static float dot(const float *a, const float *b, size_t width)
{
    double sum = 0;
    for (size_t i = 0; i < width; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

bool similarity_write(const similarity *gathered, result_writer *writer)
{
    size_t width = gathered->width;
    float *cosines = cli_realloc(NULL, gathered->count, sizeof *cosines);
    if (!cosines)
        return false;
    for (size_t i = 0; i < gathered->count && !ferror(writer->stream); i++) {
        for (size_t j = 0; j < gathered->count; j++)
            cosines[j] = dot(gathered->rows + i * width, gathered->rows + j * width, width);
        result_row row = {
            .index = i,
            .id = gathered->texts[i].id,
            .title = gathered->texts[i].title,
            .info = gathered->texts[i].info,
            .values = cosines,
            .width = gathered->count,
        };
        writer->format->row(writer, &row);
    }
    free(cosines);
    return true;
}

void similarity_free(similarity *gathered)
{
    for (size_t i = 0; i < gathered->count; i++) {
        free(gathered->texts[i].title);
        free(gathered->texts[i].id);
    }
    free(gathered->texts);
    free(gathered->rows);
    *gathered = (similarity){0};
}
