#include "soak_inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHORTEST = 3, MOST_PICKED = 256 };

static void require(bertrun_status status, const bertrun_error *error)
{
    if (status == BERTRUN_OK)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

uint64_t soak_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

uint64_t soak_hash(const float *row, size_t width)
{
    const unsigned char *bytes = (const unsigned char *)row;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < width * sizeof *row; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

soak_inputs soak_inputs_make(const bertrun_model *model, size_t count, size_t max_length)
{
    const bertrun_model_info *info = bertrun_model_get_info(model);
    if (max_length > info->max_position_embeddings)
        max_length = info->max_position_embeddings;
    soak_inputs made = {
        .count = count,
        .inputs = allocate(count, sizeof *made.inputs),
        .ids = allocate(count * max_length, sizeof *made.ids),
        .hashes = allocate(count, sizeof *made.hashes),
    };
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < count * max_length; i++)
        made.ids[i] = (int32_t)(soak_random(&state) % info->vocab_size);
    bertrun_session *session = soak_session(model, 1);
    for (size_t i = 0; i < count; i++) {
        size_t most = SHORTEST + soak_random(&state) % (max_length - SHORTEST + 1);
        made.inputs[i] =
            (bertrun_input){.ids = made.ids + i * max_length,
                            .num_ids = SHORTEST + soak_random(&state) % (most - SHORTEST + 1)};
        bertrun_output output;
        bertrun_error error;
        require(bertrun_embed(session, &made.inputs[i], 1, NULL, &output, &error), &error);
        made.hashes[i] = soak_hash(output.values, output.width);
    }
    bertrun_session_close(&session);
    return made;
}

void soak_inputs_free(soak_inputs *inputs)
{
    free(inputs->inputs);
    free(inputs->ids);
    free(inputs->hashes);
}

size_t soak_check(const soak_inputs *inputs, bertrun_session *session, const size_t *picked,
                  size_t n)
{
    bertrun_input batch[MOST_PICKED] = {0};
    bertrun_output output;
    bertrun_error error;
    size_t wrong = 0;
    for (size_t i = 0; i < n && i < MOST_PICKED; i++)
        batch[i] = inputs->inputs[picked[i]];
    require(bertrun_embed(session, batch, n, NULL, &output, &error), &error);
    for (size_t i = 0; i < n; i++)
        wrong +=
            soak_hash(output.values + i * output.width, output.width) != inputs->hashes[picked[i]];
    return wrong;
}

bertrun_model *soak_model(const char *path)
{
    bertrun_model *model;
    bertrun_error error;
    require(bertrun_model_open(&model, path, NULL, &error), &error);
    return model;
}

bertrun_session *soak_session(const bertrun_model *model, int threads)
{
    bertrun_session *session;
    bertrun_session_settings settings;
    bertrun_error error;
    bertrun_session_settings_init(&settings);
    settings.threads = threads;
    require(bertrun_session_open(&session, model, &settings, &error), &error);
    return session;
}

size_t soak_resident(void)
{
    size_t resident = 0, shared = 0; /* pages */
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*u %zu %zu", &resident, &shared) != 2)
            resident = shared = 0;
        fclose(file);
    }
    return (resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

size_t soak_number(int argc, char **argv, int index, const char *usage)
{
    char *end = NULL;
    unsigned long number = index < argc ? strtoul(argv[index], &end, 10) : 0;
    if (number == 0 || *end) {
        fprintf(stderr, "usage: %s\n", usage);
        exit(2);
    }
    return number;
}
