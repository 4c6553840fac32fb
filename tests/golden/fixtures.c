#include "tests/golden/fixtures.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------- files */

const char *fixture_environment(const char *variable)
{
    const char *value = getenv(variable);
    cr_assert(value, "%s is not set: run through `meson test`", variable);
    return value;
}

const char *fixture_shared(const char *relative)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", fixture_environment("BERTRUN_SHARED"), relative);
    if (access(path, R_OK) != 0)
        cr_skip_test("needs ../shared/%s", relative);
    return path;
}

const char *fixture_minilm(void)
{
    const char *path = fixture_environment("BERTRUN_MINILM");
    char config[4096];
    snprintf(config, sizeof config, "%s/config.json", path);
    if (access(config, R_OK) != 0)
        cr_skip_test("needs all-MiniLM-L6-v2 in %s (scripts/quickstart puts it there)", path);
    return path;
}

char *fixture_read(const char *path)
{
    FILE *stream = fopen(path, "rb");
    cr_assert(stream, "%s: cannot be opened", path);
    fseek(stream, 0, SEEK_END);
    size_t size = (size_t)ftell(stream);
    rewind(stream);
    char *text = malloc(size + 1);
    cr_assert(text && fread(text, 1, size, stream) == size, "%s: cannot be read", path);
    fclose(stream);
    text[size] = '\0';
    return text;
}

labelled_texts fixture_labelled(const char *relative)
{
    labelled_texts table = {.memory = fixture_read(fixture_shared(relative))};
    size_t lines = 0;
    for (const char *at = table.memory; *at; at++)
        lines += *at == '\n';
    table.inputs = calloc(lines + 1, sizeof *table.inputs);
    table.labels = calloc(lines + 1, sizeof *table.labels);
    strtok(table.memory, "\n");
    for (char *line; (line = strtok(NULL, "\n")) != NULL; table.count++) {
        char *tab = strchr(line, '\t');
        cr_assert(tab, "%s: no tab in row %zu", relative, table.count + 1);
        *tab = '\0';
        table.inputs[table.count] = (bertrun_input){.text = line, .length = (size_t)(tab - line)};
        table.labels[table.count] = tab + 1;
    }
    return table;
}

void labelled_texts_free(labelled_texts *texts)
{
    free(texts->inputs);
    free(texts->labels);
    free(texts->memory);
    *texts = (labelled_texts){0};
}

/* ------------------------------------------------------------------------------------- models */

bertrun_model *fixture_model(const char *path, bertrun_precision precision,
                             bertrun_activations activations)
{
    bertrun_model *model;
    bertrun_error error;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = precision;
    settings.activations = activations;
    cr_assert(bertrun_model_open(&model, path, &settings, &error) == BERTRUN_OK, "%s",
              error.message);
    return model;
}

bertrun_session *fixture_session(const bertrun_model *model, int threads, size_t batch_tokens)
{
    bertrun_session *session;
    bertrun_error error;
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.threads = threads;
    settings.batch_tokens = batch_tokens;
    cr_assert(bertrun_session_open(&session, model, &settings, &error) == BERTRUN_OK, "%s",
              error.message);
    return session;
}

/* ------------------------------------------------------------------------------------ figures */

double fixture_cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}
