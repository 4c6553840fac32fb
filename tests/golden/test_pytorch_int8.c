/* --activations pytorch, a whole model: CLINC150's classifier, each text alone, against PyTorch's
 * quantize_dynamic (scripts/make_pytorch_golden.py). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"
#include "tests/golden/npy_file.h"

enum { EVERY = 11, ROWS = 500, LABELS = 151, COLUMN_STEP = 10, COLUMNS = 16 };

static npy_file open_array(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/pytorch-int8/clinc/%s.npy",
             fixture_environment("BERTRUN_GOLDEN"), name);
    return npy_open(path);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int32_t best_label(const float *logits)
{
    size_t best = 0;
    for (size_t i = 1; i < LABELS; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

Test(pytorch_int8, clinc150)
{
    static float differences[ROWS * COLUMNS];
    char directory[4096];
    bertrun_error error;
    bertrun_output output;
    labelled_texts texts = fixture_labelled("data/clinc150-test.tsv");
    snprintf(directory, sizeof directory, "%s", fixture_shared("models/distilbert-minilm-clinc"));
    npy_file labels = open_array("labels"), logits = open_array("logits");
    npy_file range = open_array("range");
    cr_assert(labels.count == ROWS && logits.count == ROWS * COLUMNS && texts.count > 499 * EVERY);
    bertrun_model *model =
        fixture_model(directory, BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_PYTORCH);
    bertrun_session *session = fixture_session(model, 1, 0);
    size_t same = 0;
    for (size_t i = 0; i < ROWS; i++) {
        golden_require(bertrun_classify(session, &texts.inputs[i * EVERY], 1, &output, &error),
                       &error);
        same += best_label(output.values) == labels.i32[i];
        for (size_t c = 0; c < COLUMNS; c++)
            differences[i * COLUMNS + c] =
                fabsf(output.values[c * COLUMN_STEP] - logits.f32[i * COLUMNS + c]);
    }
    qsort(differences, ROWS * COLUMNS, sizeof *differences, by_size);
    float median = differences[ROWS * COLUMNS / 2] / (range.f32[1] - range.f32[0]);
    cr_log_info("the same label in %zu of %d rows, median difference %.3f %% of the range", same,
                ROWS, 100 * (double)median);
    cr_expect(same >= ROWS * 99 / 100, "the same label in %zu rows", same);
    cr_expect(median <= 0.01F, "median difference %g of the range", (double)median);
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    npy_close(&labels);
    npy_close(&logits);
    npy_close(&range);
    labelled_texts_free(&texts);
}
