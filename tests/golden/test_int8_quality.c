/* What quantization costs: MiniLM on the STS benchmark's test split, an int8 file against f32. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/statistics.h"
#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

enum { WIDTH = 384, TEXTS_A_CALL = 32, WHOLE_CALL = TEXTS_A_CALL * 256 };

/* The pairs' first texts, then their second ones: inputs [2 * pairs], similarities [pairs]. */
typedef struct sts_pairs {
    size_t pairs;
    bertrun_input *inputs;
    double *similarities;
    char *memory;
} sts_pairs;

/* Columns: split, genre, dataset, year, id, score, sentence1, sentence2; lines end with CRLF. */
enum { SPLIT, SCORE = 5, SENTENCE1, SENTENCE2, COLUMNS };

static void split_columns(char *line, char *columns[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        columns[i] = line;
        line += strcspn(line, i + 1 < COLUMNS ? "\t\r" : "\r");
        if (*line)
            *line++ = '\0';
    }
}

static sts_pairs read_pairs(void)
{
    sts_pairs sts = {.memory = fixture_read(fixture_shared("data/stsb.tsv"))};
    char *columns[COLUMNS];
    size_t lines = 0;
    for (const char *at = sts.memory; *at; at++)
        lines += *at == '\n';
    bertrun_input *second = calloc(lines, sizeof *second);
    sts.inputs = calloc(2 * lines, sizeof *sts.inputs);
    sts.similarities = calloc(lines, sizeof *sts.similarities);
    for (char *line = strtok(sts.memory, "\n"); line; line = strtok(NULL, "\n")) {
        split_columns(line, columns);
        if (strcmp(columns[SPLIT], "test") != 0)
            continue;
        size_t i = sts.pairs++;
        sts.similarities[i] = strtod(columns[SCORE], NULL);
        sts.inputs[i] =
            (bertrun_input){.text = columns[SENTENCE1], .length = strlen(columns[SENTENCE1])};
        second[i] =
            (bertrun_input){.text = columns[SENTENCE2], .length = strlen(columns[SENTENCE2])};
    }
    memcpy(sts.inputs + sts.pairs, second, sts.pairs * sizeof *second);
    free(second);
    cr_assert(sts.pairs == 1379, "%zu pairs in the test split", sts.pairs);
    return sts;
}

static void sts_free(sts_pairs *sts)
{
    free(sts->inputs);
    free(sts->similarities);
    free(sts->memory);
}

/* Embeddings of all texts, 32 a call and a forward pass, as they come: [2 * pairs, WIDTH]. */
static float *embed(const char *path, const sts_pairs *sts, bertrun_precision precision,
                    bertrun_activations activations)
{
    size_t count = 2 * sts->pairs;
    float *rows = malloc(count * WIDTH * sizeof *rows);
    bertrun_model *model = fixture_model(path, precision, activations);
    bertrun_session *session = fixture_session(model, 2, WHOLE_CALL);
    for (size_t begin = 0; begin < count; begin += TEXTS_A_CALL) {
        bertrun_output output;
        bertrun_error error;
        size_t n = count - begin < TEXTS_A_CALL ? count - begin : TEXTS_A_CALL;
        golden_require(bertrun_embed(session, sts->inputs + begin, n, NULL, &output, &error),
                       &error);
        cr_assert(output.width == WIDTH);
        memcpy(rows + begin * WIDTH, output.values, n * WIDTH * sizeof *rows);
    }
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return rows;
}

static double spearman(const sts_pairs *sts, const float *rows)
{
    double *cosines = malloc(sts->pairs * sizeof *cosines);
    for (size_t i = 0; i < sts->pairs; i++)
        cosines[i] = fixture_cosine(rows + i * WIDTH, rows + (sts->pairs + i) * WIDTH, WIDTH);
    double correlation;
    cr_assert(statistics_spearman(cosines, sts->similarities, sts->pairs, &correlation));
    free(cosines);
    return correlation;
}

static double mean_cosine(const sts_pairs *sts, const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < 2 * sts->pairs; i++)
        sum += fixture_cosine(a + i * WIDTH, b + i * WIDTH, WIDTH);
    return sum / (double)(2 * sts->pairs);
}

static const char int8_file[] = "minilm-int8.bin";

static void convert_to_int8(const char *directory)
{
    bertrun_error error;
    golden_require(bertrun_convert(directory, int8_file, NULL, &error), &error);
}

Test(int8_quality, sts_benchmark)
{
    const char *path = fixture_minilm();
    sts_pairs sts = read_pairs();
    convert_to_int8(path);
    float *f32 = embed(path, &sts, BERTRUN_PRECISION_F32, BERTRUN_ACTIVATIONS_TOKEN);
    float *token = embed(int8_file, &sts, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_TOKEN);
    float *batch = embed(int8_file, &sts, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_BATCH);
    remove(int8_file);
    double f32_rank = spearman(&sts, f32);
    double token_rank = spearman(&sts, token), batch_rank = spearman(&sts, batch);
    double token_cosine = mean_cosine(&sts, f32, token);
    double batch_cosine = mean_cosine(&sts, f32, batch);
    cr_log_info("f32: Spearman %.5f", f32_rank);
    cr_log_info("int8, per token: Spearman %.5f, mean cosine %.5f", token_rank, token_cosine);
    cr_log_info("int8, per batch: Spearman %.5f, mean cosine %.5f", batch_rank, batch_cosine);
    cr_expect(f32_rank >= 0.8203 && f32_rank <= 0.8204, "f32: Spearman %.5f", f32_rank);
    cr_expect(token_rank >= 0.8175, "per token: Spearman %.5f", token_rank);
    cr_expect(token_cosine >= 0.998, "per token: mean cosine %.5f", token_cosine);
    cr_expect(batch_cosine >= 0.990, "per batch: mean cosine %.5f", batch_cosine);
    free(f32);
    free(token);
    free(batch);
    sts_free(&sts);
}
