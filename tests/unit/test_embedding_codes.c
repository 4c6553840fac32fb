/* Codes of embeddings, bit for bit those of sentence-transformers' quantize_embeddings(). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/embedding_codes.h"
#include "tests/golden/npy_file.h"

static npy_file array(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/embedding-codes/%s.npy", getenv("BERTRUN_GOLDEN"), name);
    return npy_open(path);
}

static int element(bertrun_embedding_dtype dtype, const void *codes, size_t index)
{
    bool is_signed = dtype == BERTRUN_EMBEDDING_INT8 || dtype == BERTRUN_EMBEDDING_BINARY;
    if (dtype == BERTRUN_EMBEDDING_F16)
        return ((const uint16_t *)codes)[index];
    return is_signed ? ((const int8_t *)codes)[index] : ((const uint8_t *)codes)[index];
}

static void check(bertrun_embedding_dtype dtype, const char *name)
{
    npy_file values = array("values"), ranges = array("ranges"), expected = array(name);
    size_t width = values.shape[1], elements = expected.shape[1];
    uint16_t codes[64];
    cr_assert_eq(br_embedding_code_bytes(dtype, width),
                 elements * (dtype == BERTRUN_EMBEDDING_F16 ? 2 : 1), "%s", name);
    for (size_t i = 0; i < values.shape[0]; i++) {
        br_embedding_encode(dtype, values.f32 + i * width, width, ranges.f32, codes);
        for (size_t j = 0; j < elements; j++)
            cr_expect_eq(element(dtype, codes, j), expected.i32[i * elements + j],
                         "%s: row %zu, element %zu", name, i, j);
    }
    npy_close(&values);
    npy_close(&ranges);
    npy_close(&expected);
}

Test(embedding_codes, are_those_of_sentence_transformers)
{
    check(BERTRUN_EMBEDDING_F16, "f16");
    check(BERTRUN_EMBEDDING_INT8, "int8");
    check(BERTRUN_EMBEDDING_UINT8, "uint8");
    check(BERTRUN_EMBEDDING_BINARY, "binary");
    check(BERTRUN_EMBEDDING_UBINARY, "ubinary");
}

Test(embedding_codes, a_nan_has_the_lowest_code)
{
    float value = NAN, ranges[2] = {-1, 1};
    int8_t code;
    br_embedding_encode(BERTRUN_EMBEDDING_INT8, &value, 1, ranges, &code);
    cr_expect_eq(code, -128);
    br_embedding_encode(BERTRUN_EMBEDDING_BINARY, &value, 1, ranges, &code);
    cr_expect_eq(code, -128);
}
