/* A checkpoint of quantization-aware training, computed as PyTorch's fake quantization does. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"

static void check_states(const golden_set *set, bertrun_session *session)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_hidden_states(session, set->inputs, set->count, NULL, &output, &error),
                   &error);
    golden_expect_cosine(set, "hidden_states", output.values,
                         output.num_states * output.total_tokens, output.width);
}

static void check_logits(const golden_set *set, bertrun_session *session)
{
    bertrun_output output;
    bertrun_error error;
    golden_require(bertrun_classify(session, set->inputs, set->count, &output, &error), &error);
    golden_expect_cosine(set, "logits", output.values, output.count, output.width);
}

Test(qat, a_directory_computes_what_was_trained)
{
    for (int threads = 1; threads <= 2; threads++) {
        golden_set set = golden_open("tiny/distilbert-qat");
        bertrun_model *model =
            fixture_model(set.folder, BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_AUTO);
        cr_expect(bertrun_model_get_info(model)->activations == BERTRUN_ACTIVATIONS_STATIC);
        bertrun_session *session = fixture_session(model, threads, 0);
        check_states(&set, session);
        check_logits(&set, session);
        bertrun_session_close(&session);
        bertrun_model_close(&model);
        golden_close(&set);
    }
}

/* Its word embeddings are int8, too, which training did not know and random ones feel. */
Test(qat, a_converted_file_is_close_to_it)
{
    static const char path[] = "qat.bin";
    bertrun_error error;
    golden_set set = golden_open("tiny/distilbert-qat");
    golden_require(bertrun_convert(set.folder, path, NULL, &error), &error);
    bertrun_model *directory =
        fixture_model(set.folder, BERTRUN_PRECISION_INT8, BERTRUN_ACTIVATIONS_AUTO);
    bertrun_model *file = fixture_model(path, BERTRUN_PRECISION_AUTO, BERTRUN_ACTIVATIONS_AUTO);
    bertrun_session *a = fixture_session(directory, 1, 0), *b = fixture_session(file, 1, 0);
    bertrun_output trained, converted;
    golden_require(bertrun_classify(a, set.inputs, set.count, &trained, &error), &error);
    golden_require(bertrun_classify(b, set.inputs, set.count, &converted, &error), &error);
    cr_expect(bertrun_model_get_info(file)->activations == BERTRUN_ACTIVATIONS_STATIC);
    double cosine = fixture_cosine(trained.values, converted.values, trained.count * trained.width);
    cr_expect(cosine > 0.99, "%g", cosine);
    bertrun_session_close(&a);
    bertrun_session_close(&b);
    bertrun_model_close(&directory);
    bertrun_model_close(&file);
    golden_close(&set);
    remove(path);
}
