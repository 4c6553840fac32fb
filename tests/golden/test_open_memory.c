/* What an open model takes: its file's memory is given back, projection by projection. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>

#include "tests/golden/fixtures.h"
#include "tests/golden/golden_checks.h"
#include "tests/process_memory.h"

enum { MB = 1 << 20 };

/* The word embeddings, 47 of 91 MB, stay where they were read, and are still there. */
static void check_opening(const char *path)
{
    mallopt(M_PERTURB, 0); /* Meson has memory filled where it is allocated */
    bool measured = process_memory_reset_peak();
    size_t before = process_memory("VmRSS");
    bertrun_model *model = fixture_model(path, 0, 0);
    size_t after = process_memory("VmHWM"), file = bertrun_model_get_info(model)->file_bytes;
    cr_expect_gt(file, 80 * MB);
    if (measured)
        cr_expect_lt(after, before + file + file / 5, "%zu MB for a file of %zu MB",
                     (after - before) / MB, file / MB);
    bertrun_model_close(&model);
}

Test(open_memory, of_a_file_is_little_more_than_the_file)
{
    bertrun_error error;
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = BERTRUN_DTYPE_F32;
    golden_require(bertrun_convert(fixture_minilm(), "whole.bin", &settings, &error), &error);
    check_opening("whole.bin");
    remove("whole.bin");
}

Test(open_memory, of_a_directory_is_little_more_than_its_weights)
{
    check_opening(fixture_minilm());
}
