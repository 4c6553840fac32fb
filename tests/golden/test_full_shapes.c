/* DistilBERT-base and BERT-base in full size, with hashed weights, in f32 against transformers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"
#include "tests/golden/shape_model.h"

/* The model, whose directory is gone again when it is open. */
static bertrun_model *open_shape(const char *shape)
{
    char directory[] = "shape-model-XXXXXX";
    bertrun_error error;
    bertrun_model *model = NULL;
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.precision = BERTRUN_PRECISION_F32;
    cr_assert(mkdtemp(directory), "no directory can be made here");
    bool written = shape_model_write(shape, directory);
    bertrun_status status =
        written ? bertrun_model_open(&model, directory, &settings, &error) : BERTRUN_ERR_IO;
    shape_model_remove(directory);
    cr_assert(written, "%s: the model cannot be written", directory);
    golden_require(status, &error);
    return model;
}

/* Every state of the first text's rows, which stand apart in the output: [num_states, n, width]. */
static void check_first_states(const golden_set *set, const bertrun_output *output)
{
    size_t size = (size_t)set->lengths.i32[0] * output->width;
    float *first = malloc(output->num_states * size * sizeof *first);
    cr_assert(first);
    for (size_t i = 0; i < output->num_states; i++)
        for (size_t j = 0; j < size; j++)
            first[i * size + j] = output->values[i * output->total_tokens * output->width + j];
    golden_expect(set, "first_states", first, output->num_states * size, GOLDEN_F32_BOUND);
    free(first);
}

static void check_shape(const char *shape, const char *name)
{
    bertrun_output output;
    bertrun_error error;
    golden_set set = golden_open(name);
    bertrun_model *model = open_shape(shape);
    bertrun_session *session = fixture_session(model, 2, 0);
    golden_require(bertrun_hidden_states(session, set.inputs, set.count, NULL, &output, &error),
                   &error);
    check_first_states(&set, &output);
    size_t size = output.total_tokens * output.width;
    golden_expect(&set, "last_state", output.values + (output.num_states - 1) * size, size,
                  GOLDEN_F32_BOUND);
    if (bertrun_model_get_info(model)->has_pooler) {
        bertrun_embed_options options;
        bertrun_embed_options_init(&options);
        options.pooling = BERTRUN_POOLING_POOLER;
        golden_require(bertrun_embed(session, set.inputs, set.count, &options, &output, &error),
                       &error);
        golden_expect(&set, "pooler", output.values, output.count * output.width, GOLDEN_F32_BOUND);
    }
    bertrun_session_close(&session);
    bertrun_model_close(&model);
    golden_close(&set);
}

Test(full_shapes, distilbert_base)
{
    check_shape("distilbert", "distilbert-shape");
}

Test(full_shapes, bert_base)
{
    check_shape("bert", "bert-shape");
}
