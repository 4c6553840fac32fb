#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "model_fixture.h"
#include "models/safetensors.h"

/* A file's bytes from header text and data; free() them. */
static uint8_t *make_file(const char *header, size_t data_size, size_t *size)
{
    size_t length = strlen(header);
    *size = 8 + length + data_size;
    uint8_t *bytes = malloc(*size);
    cr_assert_not_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        bytes[8 + length + i] = (uint8_t)i;
    return bytes;
}

static bertrun_status parse(const char *header, size_t data_size, bertrun_error *error)
{
    size_t size;
    br_safetensors file;
    uint8_t *bytes = make_file(header, data_size, &size);
    bertrun_status status = br_safetensors_parse(&file, bytes, size, "F", error);
    if (status == BERTRUN_OK)
        br_safetensors_close(&file);
    else
        cr_expect(file.tensors == NULL && file.header == NULL && file.path == NULL);
    free(bytes);
    return status;
}

#define ENTRY(name, dtype, shape, offsets)                                                         \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const char good[] =
    "{\"__metadata__\":{\"k\":\"v\"}," ENTRY("a", "F32", "[2,1]", "[0,8]") "," ENTRY(
        "b", "I8", "[3]", "[8,11]") "," ENTRY("scalar", "F64", "[]", "[11,19]") "}  ";

Test(safetensors, reads_tensors_in_any_order)
{
    size_t size;
    br_safetensors file;
    uint8_t *bytes = make_file(
        "{" ENTRY("z", "BF16", "[1,2]", "[4,8]") "," ENTRY("b", "F32", "[1]", "[0,4]") "}", 8,
        &size);
    cr_assert_eq(br_safetensors_parse(&file, bytes, size, "F", NULL), BERTRUN_OK);
    const br_tensor *z = br_safetensors_find(&file, "z");
    cr_assert_not_null(z);
    cr_assert(z->dtype == BR_DTYPE_BF16 && z->rank == 2 && z->shape[1] == 2 && z->bytes == 4);
    cr_assert_eq(z->data, bytes + size - 4);
    cr_assert_null(br_safetensors_find(&file, "zz"));
    cr_assert_null(br_safetensors_metadata(&file, "k"));
    br_safetensors_close(&file);
    free(bytes);
}

Test(safetensors, reads_what_no_model_uses)
{
    cr_expect_eq(parse(good, 19, NULL), BERTRUN_OK);
    cr_expect_eq(parse("{}", 0, NULL), BERTRUN_OK);
    cr_expect_eq(parse("{" ENTRY("a", "F8_E4M3", "[5]", "[0,5]") "}", 5, NULL), BERTRUN_OK);
    cr_expect_eq(parse("{" ENTRY("a", "U8", "[1,1,1,1,1,2]", "[0,2]") "}", 2, NULL), BERTRUN_OK);
    cr_expect_eq(parse("{" ENTRY("a", "F32", "[0,7]", "[0,0]") "}", 0, NULL), BERTRUN_OK);
}

Test(safetensors, refuses_each_broken_field)
{
    static const struct {
        const char *header;
        size_t data_size;
        const char *message;
    } cases[] = {
        {"", 8, "F: line"},
        {"[]", 0, "not a JSON object"},
        {"{", 0, "F: line 1"},
        {"{\"a\":1}", 0, "tensor \"a\": no dtype"},
        {"{\"a\":{}}", 0, "tensor \"a\": no dtype"},
        {"{\"a\":{\"dtype\":7}}", 0, "no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets"},
        {"{" ENTRY("a", "F32", "[-1]", "[0,4]") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "[1.0]", "[0,4]") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "[\"1\"]", "[0,4]") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "1", "[0,4]") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "too large"},
        {"{" ENTRY("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0, "not that of its shape"},
        {"{" ENTRY("a", "F32", "[9223372036854775808]", "[0,0]") "}", 0, "F: line 1"},
        {"{" ENTRY("a", "F32", "[2]", "[0,4]") "}", 4, "not that of its shape"},
        {"{" ENTRY("a", "F16", "[1]", "[0,4]") "}", 4, "not that of its shape"},
        {"{" ENTRY("a", "U8", "[4]", "[0]") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "U8", "[4]", "[0,4,4]") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "U8", "[4]", "[4,0]") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "U8", "[4]", "[-4,0]") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "U8", "[4]", "[0,4.0]") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "U8", "[5]", "[0,5]") "}", 4, "beyond the end"},
        {"{" ENTRY("a", "U8", "[0]", "[9223372036854775807,9223372036854775807]") "}", 4,
         "beyond the end"},
        {"{" ENTRY("a", "U8", "[2]", "[0,2]") "," ENTRY("b", "U8", "[3]", "[1,4]") "}", 4,
         "tensor \"b\": overlaps"},
        {"{" ENTRY("a", "U8", "[4]", "[0,4]") "," ENTRY("b", "U8", "[4]", "[0,4]") "}", 4,
         "overlaps"},
        {"{" ENTRY("a", "U8", "[1]", "[0,1]") "," ENTRY("b", "U8", "[2]", "[2,4]") "}", 4,
         "tensor \"b\": there is a hole"},
        {"{" ENTRY("a", "U8", "[3]", "[1,4]") "}", 4, "hole"},
        {"{" ENTRY("a", "U8", "[3]", "[0,3]") "}", 4, "1 bytes after the last tensor"},
        {"{" ENTRY("a", "U8", "[2]", "[0,2]") "," ENTRY("a", "U8", "[2]", "[2,4]") "}", 4,
         "duplicate"},
        {"{" ENTRY("a\\u0000b", "U8", "[4]", "[0,4]") "}", 4, "F: line 1"},
        {"{" ENTRY("a\xff", "U8", "[4]", "[0,4]") "}", 4, "F: line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bertrun_error error = {0};
        cr_expect_eq(parse(cases[i].header, cases[i].data_size, &error), BERTRUN_ERR_FORMAT, "%s",
                     cases[i].header);
        cr_expect_not_null(strstr(error.message, cases[i].message), "%s: %s", cases[i].header,
                           error.message);
        cr_expect_eq(strncmp(error.message, "F: ", 3), 0, "%s", error.message);
    }
}

Test(safetensors, refuses_a_file_cut_anywhere)
{
    size_t size;
    br_safetensors file;
    uint8_t *bytes = make_file(good, 19, &size);
    cr_assert_eq(br_safetensors_parse(&file, bytes, size, "F", NULL), BERTRUN_OK);
    br_safetensors_close(&file);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *piece = malloc(cut + 1); /* its own block, so that a sanitizer sees its end */
        memcpy(piece, bytes, cut);
        piece = realloc(piece, cut ? cut : 1);
        cr_expect_eq(br_safetensors_parse(&file, piece, cut, "F", NULL), BERTRUN_ERR_FORMAT,
                     "cut at %zu", cut);
        free(piece);
    }
    free(bytes);
}

Test(safetensors, survives_any_changed_byte)
{
    size_t size;
    uint8_t *bytes = make_file(good, 19, &size);
    for (size_t i = 0; i < size - 19; i++) {
        uint8_t saved = bytes[i];
        for (unsigned value = 0; value < 256; value++) {
            br_safetensors file;
            bytes[i] = (uint8_t)value;
            if (br_safetensors_parse(&file, bytes, size, "F", NULL) == BERTRUN_OK)
                br_safetensors_close(&file);
        }
        bytes[i] = saved;
    }
    free(bytes);
}

Test(safetensors, refuses_header_lengths_that_lie)
{
    static const uint64_t lengths[] = {0,          1,          1000,          1u << 31,
                                       1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    size_t size;
    uint8_t *bytes = make_file(good, 19, &size);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        br_safetensors file;
        for (int j = 0; j < 8; j++)
            bytes[j] = (uint8_t)(lengths[i] >> 8 * j);
        cr_expect_eq(br_safetensors_parse(&file, bytes, size, "F", NULL), BERTRUN_ERR_FORMAT);
    }
    free(bytes);
}

Test(safetensors, refuses_deep_and_huge_headers)
{
    bertrun_error error;
    size_t depth = 100000, huge = 100000001;
    char *text = malloc(huge + 1);
    memset(text, '[', depth);
    text[depth] = '\0';
    cr_expect_eq(parse(text, 0, &error), BERTRUN_ERR_FORMAT);
    memset(text, ' ', huge);
    memcpy(text, "{}", 2);
    text[huge] = '\0';
    cr_expect_eq(parse(text, 0, &error), BERTRUN_ERR_FORMAT);
    cr_expect_not_null(strstr(error.message, "too large"), "%s", error.message);
    free(text);
}

Test(safetensors, writes_aligned_files_that_it_reads)
{
    static const uint8_t data[200] = {1, 2, 3};
    const br_tensor tensors[] = {
        {.name = "x", .dtype = BR_DTYPE_U8, .rank = 1, .shape = {3}, .data = data, .bytes = 3},
        {.name = "y", .dtype = BR_DTYPE_F16, .rank = 2, .shape = {8, 4}, .data = data, .bytes = 64},
        {.name = "none", .dtype = BR_DTYPE_U8, .rank = 1, .shape = {0}, .data = NULL, .bytes = 0},
        {.name = "z", .dtype = BR_DTYPE_S8, .rank = 1, .shape = {65}, .data = data, .bytes = 65},
    };
    model_fixture f;
    bertrun_error error;
    br_safetensors file;
    fixture_bert(&f, false);
    json_t *metadata = json_pack("{s:s}", "key", "value");
    cr_assert_eq(br_safetensors_write(fixture_path(&f, "t"), metadata, tensors, 4, &error),
                 BERTRUN_OK, "%s", error.message);
    json_decref(metadata);
    cr_assert_eq(br_safetensors_open(&file, fixture_path(&f, "t"), false, &error), BERTRUN_OK, "%s",
                 error.message);
    cr_assert_str_eq(br_safetensors_metadata(&file, "key"), "value");
    cr_assert_eq(file.num_tensors, 6); /* with the two that pad */
    for (size_t i = 0; i < 4; i++) {
        const br_tensor *tensor = br_safetensors_find(&file, tensors[i].name);
        cr_assert_not_null(tensor);
        cr_assert_eq((uintptr_t)tensor->data % 64, 0);
        cr_assert_eq(tensor->bytes, tensors[i].bytes);
        cr_assert_eq(tensor->bytes ? memcmp(tensor->data, data, tensor->bytes) : 0, 0);
    }
    cr_assert_eq(file.file.size % 64, 0);
    br_safetensors_close(&file);
    fixture_close(&f);
}

Test(safetensors, a_failed_write_leaves_nothing)
{
    static const uint8_t data[4];
    const br_tensor tensor = {
        .name = "x", .dtype = BR_DTYPE_U8, .rank = 1, .shape = {4}, .data = data, .bytes = 4};
    bertrun_error error;
    cr_expect_eq(br_safetensors_write("/nowhere/x.bin", NULL, &tensor, 1, &error), BERTRUN_ERR_IO);
    cr_expect_eq(br_safetensors_write("/dev/full", NULL, &tensor, 1, &error), BERTRUN_ERR_IO);
    cr_expect_not_null(strstr(error.message, "No space left"), "%s", error.message);
}
