/*
 * Whatever instruction set BERTRUN_ISA chooses, a model gives the same bits: sums of integers are
 * exact, and every set adds floats in the same order. (Not in bf16 where oneDNN multiplies it.)
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static const char *const SETS[] = {"scalar", "avx2", "avx2-vnni", "avx512", "avx512-vnni"};

/* What is run: a set's inputs by a model, which embeds or, where it can, classifies. */
typedef struct trial {
    golden_set set;
    const char *path;
    bertrun_model_settings settings;
} trial;

static trial trial_open(const char *path, const char *name, bertrun_activations activations)
{
    trial t = {.set = golden_open(name)};
    bertrun_model_settings_init(&t.settings);
    t.settings.precision = BERTRUN_PRECISION_INT8;
    t.settings.activations = activations;
    t.path = path;
    return t;
}

static const char *trial_path(const trial *t)
{
    return t->path ? t->path : t->set.folder;
}

static bertrun_status run(bertrun_session *session, const bertrun_model *model, const trial *t,
                          bertrun_output *output, bertrun_error *error)
{
    return bertrun_model_get_info(model)->task == BERTRUN_TASK_CLASSIFY
               ? bertrun_classify(session, t->set.inputs, t->set.count, output, error)
               : bertrun_embed(session, t->set.inputs, t->set.count, NULL, output, error);
}

/* The results, [count, *width], free() them; NULL: this CPU, or oneDNN here, cannot do it. */
static float *results(const trial *t, const char *isa, bertrun_kernels kernels, size_t *width)
{
    bertrun_model *model;
    bertrun_error error;
    bertrun_output output;
    bertrun_model_settings settings = t->settings;
    settings.kernels = kernels;
    cr_assert((isa ? setenv("BERTRUN_ISA", isa, 1) : unsetenv("BERTRUN_ISA")) == 0);
    bertrun_status status = bertrun_model_open(&model, trial_path(t), &settings, &error);
    if ((isa && status == BERTRUN_ERR_ARGUMENT && strstr(error.message, isa)) ||
        (kernels == BERTRUN_KERNELS_ONEDNN && status == BERTRUN_ERR_UNSUPPORTED))
        return NULL;
    golden_require(status, &error);
    bertrun_session *session = fixture_session(model, 2, 0);
    golden_require(run(session, model, t, &output, &error), &error);
    float *values = malloc(t->set.count * output.width * sizeof *values);
    cr_assert(values);
    memcpy(values, output.values, t->set.count * output.width * sizeof *values);
    *width = output.width;
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    return values;
}

static void check_sets(trial t)
{
    size_t width;
    float *expected = results(&t, SETS[0], BERTRUN_KERNELS_AUTO, &width);
    cr_assert(expected);
    for (size_t i = 1; i < sizeof SETS / sizeof SETS[0]; i++) {
        float *values = results(&t, SETS[i], BERTRUN_KERNELS_AUTO, &width);
        if (values)
            cr_expect(memcmp(values, expected, t.set.count * width * sizeof *values) == 0,
                      "%s: %s has other bits than scalar", trial_path(&t), SETS[i]);
        free(values);
    }
    free(expected);
    golden_close(&t.set);
}

Test(isa_bits, tiny_bert)
{
    check_sets(trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(isa_bits, tiny_distilbert)
{
    check_sets(trial_open(NULL, "tiny/distilbert-sharded", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(isa_bits, fixed_activations)
{
    check_sets(trial_open(NULL, "tiny/distilbert-qat", BERTRUN_ACTIVATIONS_STATIC));
}

Test(isa_bits, classifiers)
{
    check_sets(trial_open(NULL, "tiny/bert-classifier-f16", BERTRUN_ACTIVATIONS_TOKEN));
    check_sets(trial_open(NULL, "tiny/distilbert-classifier-bf16", BERTRUN_ACTIVATIONS_TOKEN));
    check_sets(trial_open(NULL, "tiny/bert-next-sentence", BERTRUN_ACTIVATIONS_TOKEN));
}

Test(isa_bits, tiny_bert_in_f32)
{
    trial t = trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_AUTO);
    t.settings.precision = BERTRUN_PRECISION_F32;
    check_sets(t);
}

Test(isa_bits, minilm)
{
    check_sets(trial_open(fixture_minilm(), "minilm-varied", BERTRUN_ACTIVATIONS_TOKEN));
}

/*
 * oneDNN has a limit of its own, which it reads once in a process: a test each. Below VNNI its
 * multiplication saturates, so that KERNELS_ONEDNN is refused there; whatever opens is exact.
 */
static void check_onednn(const char *max_isa)
{
    size_t width;
    trial t = trial_open(NULL, "tiny/bert", BERTRUN_ACTIVATIONS_TOKEN);
    cr_assert(setenv("ONEDNN_MAX_CPU_ISA", max_isa, 1) == 0);
    float *expected = results(&t, "scalar", BERTRUN_KERNELS_AUTO, &width);
    float *mixed = results(&t, NULL, BERTRUN_KERNELS_AUTO, &width);
    float *onednn = results(&t, NULL, BERTRUN_KERNELS_ONEDNN, &width);
    size_t bytes = t.set.count * width * sizeof *expected;
    cr_assert(expected && mixed);
    cr_expect(memcmp(mixed, expected, bytes) == 0, "%s", max_isa);
    cr_expect(!onednn || memcmp(onednn, expected, bytes) == 0, "%s, oneDNN alone", max_isa);
    free(onednn);
    free(mixed);
    free(expected);
    golden_close(&t.set);
}

Test(isa_bits, onednn_limited_to_avx2)
{
    check_onednn("AVX2");
}

Test(isa_bits, onednn_limited_to_avx512)
{
    check_onednn("AVX512_CORE");
}

Test(isa_bits, onednn_limited_to_avx512_vnni)
{
    check_onednn("AVX512_CORE_VNNI");
}

Test(isa_bits, onednn_with_amx_where_there_is_any)
{
    check_onednn("AVX512_CORE_AMX");
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
