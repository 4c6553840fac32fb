/* Checkpoints that torch.save() wrote (scripts/make_torch_golden.py), and what is made of damaged
 * ones: an error, never more. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/half.h"
#include "common/memory.h"
#include "models/torch_file.h"

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/torch/%s.bin", getenv("BERTRUN_GOLDEN"), name);
    return path;
}

static br_safetensors expect_open(const char *name)
{
    br_safetensors file;
    bertrun_error error;
    cr_assert_eq(br_torch_open(&file, path_of(name), true, &error), BERTRUN_OK, "%s",
                 error.message);
    return file;
}

static void expect_tensor(const br_safetensors *file, const char *name, size_t rank,
                          const size_t *shape, const float *values)
{
    const br_tensor *tensor = br_safetensors_find(file, name);
    cr_assert_not_null(tensor, "%s", name);
    cr_assert_eq(tensor->rank, rank, "%s", name);
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        cr_expect_eq(tensor->shape[i], shape[i], "%s", name);
        count *= shape[i];
    }
    cr_assert_eq(br_tensor_count(tensor), count, "%s", name);
    for (size_t i = 0; i < count; i++) {
        float value;
        br_tensor_to_f32(tensor, i, 1, &value);
        cr_expect_eq(value, values[i], "%s[%zu]: %g", name, i, (double)value);
    }
}

#define EXPECT(name, rank, shape, ...)                                                             \
    expect_tensor(&file, name, rank, (const size_t[])shape, (const float[]){__VA_ARGS__})
#define SHAPE(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

Test(torch_file, reads_views_of_every_kind)
{
    br_safetensors file = expect_open("good");
    EXPECT("weight", 1, SHAPE(2), 1, 1);
    EXPECT("bias", 1, SHAPE(2), 0, 0);
    EXPECT("table", 2, SHAPE(3, 4), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    EXPECT("row", 1, SHAPE(4), 4, 5, 6, 7);
    EXPECT("transposed", 2, SHAPE(4, 3), 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11);
    EXPECT("columns", 2, SHAPE(3, 2), 1, 2, 5, 6, 9, 10);
    EXPECT("cube", 3, SHAPE(2, 2, 2), 0, 2, 4, 6, 1, 3, 5, 7);
    EXPECT("half", 1, SHAPE(2), 0.5f, -2);
    EXPECT("bfloat", 1, SHAPE(2), 1.5f, -4);
    EXPECT("parameter", 1, SHAPE(1), 7);
    EXPECT("scalar", 0, SHAPE(0), 3);
    const br_tensor *table = br_safetensors_find(&file, "table");
    const br_tensor *row = br_safetensors_find(&file, "row");
    cr_expect_eq((const float *)row->data, (const float *)table->data + 4, "a copy was made");
    cr_expect_eq(br_safetensors_find(&file, "double")->dtype, BR_DTYPE_F64);
    cr_expect_eq(br_safetensors_find(&file, "position_ids")->dtype, BR_DTYPE_I64);
    cr_expect_eq(br_safetensors_find(&file, "empty")->bytes, 0);
    cr_expect_null(br_safetensors_find(&file, "epoch"));
    cr_expect_null(br_safetensors_find(&file, "loss"));
    br_safetensors_close(&file);
}

Test(torch_file, refuses_by_name)
{
    static const struct {
        const char *name;
        bertrun_status status;
        const char *part;
    } cases[] = {
        {"system", BERTRUN_ERR_UNSUPPORTED, "the pickle refers to posix.system"},
        {"eval", BERTRUN_ERR_UNSUPPORTED, "the pickle refers to __builtin__.eval"},
        {"obj", BERTRUN_ERR_UNSUPPORTED, "opcode OBJ (0x6f)"},
        {"protocol", BERTRUN_ERR_UNSUPPORTED, "pickle protocol 4"},
        {"legacy", BERTRUN_ERR_UNSUPPORTED, "of before version 1.6"},
        {"list", BERTRUN_ERR_UNSUPPORTED, "no dictionary of tensors"},
        {"nested", BERTRUN_ERR_UNSUPPORTED, "a dictionary without tensors"},
        {"expanded", BERTRUN_ERR_UNSUPPORTED, "tensor \"w\": an expanded view"},
        {"compressed", BERTRUN_ERR_UNSUPPORTED, "\" is compressed"},
        {"big-endian", BERTRUN_ERR_UNSUPPORTED, "byte order"},
        {"no-storage", BERTRUN_ERR_FORMAT, "tensor \"w\": its storage is not in the archive"},
        {"short-storage", BERTRUN_ERR_FORMAT, "tensor \"w\": its storage is shorter than it says"},
        {"no-pickle", BERTRUN_ERR_FORMAT, "without data.pkl"},
        {"after", BERTRUN_ERR_FORMAT, "bytes after its end"},
        {"long", BERTRUN_ERR_FORMAT, "a number of more than 64 bits"},
        {"nowhere", BERTRUN_ERR_IO, "nowhere.bin: cannot open"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        br_safetensors file;
        bertrun_error error = {0};
        const char *path = path_of(cases[i].name);
        cr_expect_eq(br_torch_open(&file, path, false, &error), cases[i].status, "%s: %s",
                     cases[i].name, error.message);
        cr_expect_not_null(strstr(error.message, cases[i].part), "%s", error.message);
        cr_expect_eq(strncmp(error.message, path, strlen(path)), 0, "%s", error.message);
        cr_expect_null(strchr(error.message, '\n'), "%s", error.message);
        br_safetensors_close(&file);
    }
    cr_expect_neq(access("executed", F_OK), 0, "a pickle was executed");
}

/* ------------------------------------------------------------------------------------- damage */

/* Bytes at the end of memory of their own, so that a sanitizer sees what is read beyond them. */
static uint8_t *copy_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

/* Parses; what opens is read through. */
static bertrun_status try_bytes(const uint8_t *bytes, size_t size)
{
    br_safetensors file;
    bertrun_error error = {0};
    bertrun_status status = br_torch_parse(&file, bytes, size, "damaged", &error);
    if (status != BERTRUN_OK)
        cr_expect_eq(strncmp(error.message, "damaged: ", 9), 0, "%s", error.message);
    unsigned sum = 0;
    for (size_t i = 0; i < file.num_tensors; i++)
        for (size_t j = 0; j < file.tensors[i].bytes; j++)
            sum += ((const uint8_t *)file.tensors[i].data)[j];
    cr_expect(sum < UINT32_MAX);
    br_safetensors_close(&file);
    return status;
}

Test(torch_file, cut_at_every_byte_is_an_error)
{
    br_file whole;
    cr_assert_eq(br_file_open(&whole, path_of("good"), false, NULL), BERTRUN_OK);
    for (size_t size = 0; size < whole.size; size++) {
        uint8_t *cut = copy_bytes(whole.data, size);
        cr_expect_neq(try_bytes(cut, size), BERTRUN_OK, "cut to %zu bytes", size);
        free(cut);
    }
    br_file_close(&whole);
}

/* Each byte turned into each of a few others: an error, or other numbers, but never a crash. */
Test(torch_file, survives_any_changed_byte)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x10};
    br_file whole;
    cr_assert_eq(br_file_open(&whole, path_of("good"), false, NULL), BERTRUN_OK);
    size_t errors = 0;
    for (size_t i = 0; i < whole.size; i++)
        for (size_t j = 0; j < sizeof changes; j++) {
            uint8_t *changed = copy_bytes(whole.data, whole.size);
            changed[i] ^= changes[j];
            errors += try_bytes(changed, whole.size) != BERTRUN_OK;
            free(changed);
        }
    cr_expect_gt(errors, whole.size / 4);
    br_file_close(&whole);
}
