/*
 * Whatever instruction set BERTRUN_ISA chooses, an int8 model gives the same bits: sums of integers
 * are exact, and every set adds floats in the same order. (bf16 arithmetic, where a set has it,
 * rounds otherwise: only sets without it are compared.)
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static const char *const SETS[] = {"scalar", "avx2", "avx2-vnni", "avx512", "avx512-vnni"};

/* Embeddings of the set's inputs, [count, *width], free() them; NULL: the CPU lacks the set. */
static float *embeddings(const char *isa, const char *path, const golden_set *set, size_t *width)
{
    bertrun_model *model;
    bertrun_error error;
    bertrun_output output;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = BERTRUN_PRECISION_INT8;
    cr_assert(setenv("BERTRUN_ISA", isa, 1) == 0);
    bertrun_status status = bertrun_model_open(&model, path, &settings, &error);
    if (status == BERTRUN_ERR_ARGUMENT && strstr(error.message, isa))
        return NULL;
    golden_require(status, &error);
    bertrun_session *session = fixture_session(model, 2, 0);
    golden_require(bertrun_embed(session, set->inputs, set->count, NULL, &output, &error), &error);
    float *values = malloc(set->count * output.width * sizeof *values);
    cr_assert(values);
    memcpy(values, output.values, set->count * output.width * sizeof *values);
    *width = output.width;
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return values;
}

static void check_sets(const char *path, const char *name)
{
    golden_set set = golden_open(name);
    size_t width;
    path = path ? path : set.folder;
    float *expected = embeddings(SETS[0], path, &set, &width);
    cr_assert(expected);
    for (size_t i = 1; i < sizeof SETS / sizeof SETS[0]; i++) {
        float *values = embeddings(SETS[i], path, &set, &width);
        if (values)
            cr_expect(memcmp(values, expected, set.count * width * sizeof *values) == 0,
                      "%s: %s has other bits than scalar", path, SETS[i]);
        free(values);
    }
    free(expected);
    golden_close(&set);
}

Test(isa_bits, tiny_bert)
{
    check_sets(NULL, "tiny/bert");
}

Test(isa_bits, tiny_distilbert)
{
    check_sets(NULL, "tiny/distilbert-sharded");
}

Test(isa_bits, minilm)
{
    check_sets(fixture_minilm(), "minilm-varied");
}

Test(isa_bits, a_set_that_does_not_exist_is_refused_by_name)
{
    golden_set set = golden_open("tiny/bert");
    bertrun_model *model;
    bertrun_error error;
    cr_assert(setenv("BERTRUN_ISA", "avx9000", 1) == 0);
    cr_assert_eq(bertrun_model_open(&model, set.folder, NULL, &error), BERTRUN_ERR_ARGUMENT);
    cr_assert(strstr(error.message, "avx9000"), "%s", error.message);
    cr_assert_null(model);
    golden_close(&set);
}
