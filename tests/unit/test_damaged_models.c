/*
 * Models whose files are damaged, opened as a user opens them: each is refused by a line that says
 * where and what, and takes less memory than 2 x its files + 64 MB, which is measured.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bertrun/bertrun.h"
#include "model_fixture.h"
#include "tests/process_memory.h"

static const char vocab[] = "[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
static const char tokenizer_json[] =
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":"
    "true,"
    "\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##"
    "\","
    "\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"[MASK]\":3,"
    "\"a\":4}},\"decoder\":{\"cleanup\":true},\"truncation\":{\"max_length\":7},\"post_processor\":"
    "{"
    "\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",1],\"sep\":[\"[SEP]\",2]},\"added_tokens\":[{"
    "\"id\":3,\"content\":\"[MASK]\",\"special\":true,\"lstrip\":true,\"rstrip\":false,\"single_"
    "word\":"
    "false,\"normalized\":false}]}";

/* What each field is set to; the last is no JSON, the one before too large for it. */
static const char *const literals[] = {"0", "-1", "2147483648", "9223372036854775808", "NaN"};
enum { NUM_LITERALS = sizeof literals / sizeof *literals, MB = 1 << 20 };

static model_fixture f;
static uint8_t *bytes; /* of the file to damage */
static size_t size, header_size;
static bertrun_error error;

static void set_up(void)
{
    fixture_bert(&f, true);
    fixture_save(&f);
    fixture_text(&f, "vocab.txt", vocab);
}

static void tear_down(void)
{
    free(bytes);
    fixture_close(&f);
}

TestSuite(damaged_models, .init = set_up, .fini = tear_down);

/* ------------------------------------------------------------------------------------ measuring */

/* Opens the directory or the file in it; the peak of memory must be that of `file_bytes`. */
static bertrun_status open_model(const char *name, size_t file_bytes)
{
    bertrun_model *model;
    error.message[0] = '\0';
    bool measured = process_memory_reset_peak();
    size_t before = process_memory("VmRSS");
    bertrun_status status = bertrun_model_open(&model, fixture_path(&f, name), NULL, &error);
    size_t after = process_memory("VmHWM");
    if (measured)
        cr_assert_lt(after, before + 2 * file_bytes + 64 * MB, "%s of %zu bytes took %zu: %s", name,
                     file_bytes, after - before, error.message);
    cr_assert_eq(model == NULL, status != BERTRUN_OK);
    bertrun_model_close(&model);
    return status;
}

/* Opening fails and says `part`, behind the path. */
static void expect_error(const char *name, size_t file_bytes, const char *part)
{
    bertrun_status status = open_model(name, file_bytes);
    cr_expect(status == BERTRUN_ERR_FORMAT || status == BERTRUN_ERR_UNSUPPORTED, "%s: %d", part,
              status);
    cr_expect_eq(strncmp(error.message, f.directory, strlen(f.directory)), 0, "%s", error.message);
    cr_expect_not_null(strstr(error.message, part), "\"%s\" is not in: %s", part, error.message);
}

/* ----------------------------------------------------------------------------------- every field
 */

/* A tree of JSON whose values are replaced one after another. */
typedef struct mutation {
    json_t *root;
    const char *keys[8]; /* on the way to the value */
    size_t depth;
    size_t index;        /* of the value in an array, or SIZE_MAX */
    const json_t *value; /* what stood in its place */
    void (*write)(const char *text);
    const char *open;        /* what is opened then */
    const char *const *fine; /* "key=literal", NULL-terminated: what harms nothing */
    size_t count;
} mutation;

static bool is_fine(const mutation *m, const char *literal)
{
    char name[128];
    if (json_is_integer(m->value) && json_integer_value(m->value) == 0 && strcmp(literal, "0") == 0)
        return true; /* it is what was there */
    const char *key = m->keys[m->depth - 1];
    if (m->index == SIZE_MAX)
        snprintf(name, sizeof name, "%s=%s", key, literal);
    else
        snprintf(name, sizeof name, "%s.%zu=%s", key, m->index, literal);
    for (const char *const *fine = m->fine; *fine; fine++)
        if (strcmp(*fine, name) == 0)
            return true;
    return false;
}

/* The message names the field, the tensor, or the place in the text. */
static bool names_fault(const mutation *m)
{
    static const char *const others[] = {"line 1", "tensor \"", "token ids go up to",
                                         "(format \"\"), but not made by"};
    for (size_t i = 0; i < m->depth; i++) {
        const char *part = strrchr(m->keys[i], '.');
        if (strstr(error.message, part ? part + 1 : m->keys[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(error.message, others[i]))
            return true;
    return false;
}

/* The value that was replaced by "@" becomes each literal. */
static void try_literals(mutation *m)
{
    char *text = json_dumps(m->root, JSON_COMPACT), *mark = strstr(text, "\"@\"");
    cr_assert_not_null(mark);
    char *changed = malloc(strlen(text) + 32);
    for (size_t i = 0; i < NUM_LITERALS; i++, m->count++) {
        sprintf(changed, "%.*s%s%s", (int)(mark - text), text, literals[i], mark + 3);
        m->write(changed);
        bertrun_status status = open_model(m->open, 1 << 16);
        const char *key = m->keys[m->depth - 1];
        if (is_fine(m, literals[i]))
            cr_expect_eq(status, BERTRUN_OK, "%s=%s: %s", key, literals[i], error.message);
        else
            cr_expect((status == BERTRUN_ERR_FORMAT || status == BERTRUN_ERR_UNSUPPORTED) &&
                          names_fault(m),
                      "%s=%s: %d %s", key, literals[i], status, error.message);
    }
    free(changed);
    free(text);
}

static void mutate_children(mutation *m, json_t *value);

/* Replaces the child that `key`, or without one `index`, leads to, then what is in it. */
static void mutate_child(mutation *m, json_t *parent, const char *key, size_t index)
{
    json_t *child = key ? json_object_get(parent, key) : json_array_get(parent, index);
    json_incref(child);
    if (key)
        m->keys[m->depth++] = key;
    if (key)
        json_object_set_new(parent, key, json_string("@"));
    else
        json_array_set_new(parent, index, json_string("@"));
    m->value = child;
    m->index = key ? SIZE_MAX : index;
    try_literals(m);
    if (key)
        json_object_set_new(parent, key, child);
    else
        json_array_set_new(parent, index, child);
    mutate_children(m, child);
    m->depth -= key != NULL;
}

static void mutate_children(mutation *m, json_t *value)
{
    const char *key;
    json_t *child;
    void *next;
    json_object_foreach_safe(value, next, key, child) mutate_child(m, value, key, 0);
    for (size_t i = 0; i < json_array_size(value); i++)
        mutate_child(m, value, NULL, i);
}

static void mutate(mutation *m, size_t least)
{
    mutate_children(m, m->root);
    cr_expect_gt(m->count, least);
    json_decref(m->root);
}

static void write_config(const char *text)
{
    fixture_text(&f, "config.json", text);
}

Test(damaged_models, each_field_of_config_json)
{
    static const char *const fine[] = {"model_type=0", "model_type=-1", "model_type=2147483648",
                                       "type_vocab_size=0", /* none are added */ NULL};
    mutation m = {
        .root = json_deep_copy(f.config), .write = write_config, .open = "", .fine = fine};
    mutate(&m, 12 * NUM_LITERALS);
}

static void write_tokenizer(const char *text)
{
    fixture_text(&f, "tokenizer.json", text);
}

Test(damaged_models, each_field_of_tokenizer_json)
{
    /* Numbers that are right, and ids that nobody reads: the tokens beside them count. */
    static const char *const fine[] = {"max_input_chars_per_word=0",
                                       "max_length=2147483648",
                                       "max_length=9223372036854775808",
                                       "id=0",
                                       "cls.1=0",
                                       "cls.1=-1",
                                       "cls.1=2147483648",
                                       "cls.1=9223372036854775808",
                                       "sep.1=0",
                                       "sep.1=-1",
                                       "sep.1=2147483648",
                                       "sep.1=9223372036854775808",
                                       NULL};
    mutation m = {.root = json_loads(tokenizer_json, 0, NULL),
                  .write = write_tokenizer,
                  .open = "",
                  .fine = fine};
    mutate(&m, 20 * NUM_LITERALS);
}

/* ---------------------------------------------------------------------------- safetensors, .bin */

/* Takes in a file of the directory. */
static void load(const char *name)
{
    FILE *file = fopen(fixture_path(&f, name), "rb");
    cr_assert_not_null(file);
    bytes = malloc(MB);
    size = fread(bytes, 1, MB, file);
    fclose(file);
    cr_assert(size > 8 && size < MB);
    uint64_t length;
    memcpy(&length, bytes, 8);
    header_size = (size_t)length;
}

/* Writes it with another header, aligned as the first. */
static void write_header(const char *name, const char *text)
{
    size_t length = (strlen(text) + 8 + 63) / 64 * 64 - 8, data = size - 8 - header_size;
    uint8_t *changed = malloc(8 + length + data);
    uint64_t written = length;
    memcpy(changed, &written, 8);
    memset(changed + 8, ' ', length);
    memcpy(changed + 8, text, strlen(text));
    memcpy(changed + 8 + length, bytes + 8 + header_size, data);
    fixture_write(&f, name, changed, 8 + length + data);
    free(changed);
}

static void write_safetensors(const char *text)
{
    write_header("model.safetensors", text);
}

static void write_bin(const char *text)
{
    write_header("m.bin", text);
}

static json_t *header(void)
{
    json_t *root = json_loadb((const char *)bytes + 8, header_size, 0, NULL);
    cr_assert_not_null(root);
    return root;
}

static void convert(void)
{
    bertrun_status status = bertrun_convert(f.directory, fixture_path(&f, "m.bin"), NULL, &error);
    cr_assert_eq(status, BERTRUN_OK, "%s", error.message);
    load("m.bin");
}

Test(damaged_models, each_field_of_a_safetensors_header)
{
    static const char *const fine[] = {NULL};
    load("model.safetensors");
    mutation m = {.root = header(), .write = write_safetensors, .open = "", .fine = fine};
    mutate(&m, 100 * NUM_LITERALS);
}

Test(damaged_models, each_field_of_a_bin_header)
{
    static const char *const fine[] = {NULL};
    convert();
    mutation m = {.root = header(), .write = write_bin, .open = "m.bin", .fine = fine};
    mutate(&m, 100 * NUM_LITERALS);
}

static void write_bin_config(const char *text)
{
    json_t *root = header();
    json_object_set_new(json_object_get(root, "__metadata__"), "bertrun.config", json_string(text));
    char *changed = json_dumps(root, JSON_COMPACT);
    write_bin(changed);
    free(changed);
    json_decref(root);
}

Test(damaged_models, each_field_of_a_bin_configuration)
{
    static const char *const fine[] = {"type_vocab_size=0", "max_length=0", NULL};
    convert();
    json_t *root = header();
    const char *text =
        json_string_value(json_object_get(json_object_get(root, "__metadata__"), "bertrun.config"));
    mutation m = {.root = json_loads(text, 0, NULL),
                  .write = write_bin_config,
                  .open = "m.bin",
                  .fine = fine};
    json_decref(root);
    mutate(&m, 15 * NUM_LITERALS);
}

/* --------------------------------------------------------------------------------- cut anywhere */

/* Cut at every `step` bytes. What opens is counted. */
static size_t cut(const char *name, const char *open, size_t step, const char *part)
{
    size_t opened = 0;
    load(name);
    for (size_t at = 0; at < size; at += step) {
        fixture_write(&f, name, bytes, at);
        if (open_model(open, size) == BERTRUN_OK)
            opened++;
        else
            cr_expect_not_null(strstr(error.message, part), "cut at %zu: %s", at, error.message);
    }
    return opened;
}

Test(damaged_models, files_cut_anywhere)
{
    cr_expect_eq(cut("config.json", "", 1, "config.json: "), 0);
}

Test(damaged_models, tokenizer_json_cut_anywhere)
{
    write_tokenizer(tokenizer_json);
    cr_expect_eq(cut("tokenizer.json", "", 1, "tokenizer.json: "), 0);
}

Test(damaged_models, a_vocabulary_cut_anywhere)
{
    /* Behind "[SEP]" there are fewer words, and that is all. */
    size_t last = (size_t)(strstr(vocab, "[SEP]") + 5 - vocab);
    cr_expect_eq(cut("vocab.txt", "", 1, "vocab"), strlen(vocab) - last);
}

Test(damaged_models, weights_cut_anywhere)
{
    cr_expect_eq(cut("model.safetensors", "", 17, "model.safetensors: "), 0);
}

Test(damaged_models, a_bin_cut_anywhere)
{
    convert();
    free(bytes);
    cr_expect_eq(cut("m.bin", "m.bin", 17, "m.bin: "), 0);
}

/* -------------------------------------------------------------------------------- deep and huge */

/* `count` times the unit between brackets, in a new block. */
static char *repeat(const char *begin, const char *unit, size_t count, const char *end)
{
    size_t length = strlen(unit), used = strlen(begin);
    char *text = malloc(used + count * length + strlen(end) + 1);
    cr_assert_not_null(text);
    memcpy(text, begin, used);
    for (size_t i = 0; i < count; i++, used += length)
        memcpy(text + used, unit, length);
    strcpy(text + used, end);
    return text;
}

Test(damaged_models, deep_json_is_refused_everywhere)
{
    char *deep = repeat("", "[", 100000, "");
    write_tokenizer(deep);
    expect_error("", strlen(deep), "tokenizer.json: line 1");
    write_config(deep);
    expect_error("", strlen(deep), "config.json: line 1");
    load("model.safetensors");
    write_bin(deep);
    expect_error("m.bin", strlen(deep), "m.bin: line 1");
    fixture_save(&f);
    remove(fixture_path(&f, "tokenizer.json"));
    free(bytes);
    convert();
    write_bin_config(deep);
    expect_error("m.bin", strlen(deep), "m.bin: line 1");
    free(deep);
}

Test(damaged_models, json_that_would_fill_the_memory_is_refused)
{
    static const char *const units[] = {"{},", "[],", "0,", "\"\",", "[[]],", "{\"\":{}},", ":"};
    static const size_t counts[] = {20000, 200000, 500000, 3000000};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
            char *text = repeat("{\"a\":[", units[i], counts[j], "0]}");
            size_t bytes_written = strlen(text);
            write_config(text);
            expect_error("", bytes_written, "config.json: ");
            fixture_save(&f);
            if (bytes_written < 2 * MB) { /* a vocabulary may take more */
                write_tokenizer(text);
                expect_error("", bytes_written, "tokenizer.json: ");
                remove(fixture_path(&f, "tokenizer.json"));
            }
            free(bytes);
            load("model.safetensors");
            write_bin(text);
            expect_error("m.bin", bytes_written, "m.bin: ");
            free(text);
        }
    }
}

/* ----------------------------------------------------------------------------------- vocabulary */

Test(damaged_models, vocabularies_that_are_wrong)
{
    static const struct {
        const char *text;
        size_t size;
        const char *part;
    } cases[] = {
        {"[UNK]\n[CLS]\n[SEP]\na\na\n", 0, "vocab.txt: line 5 repeats the token \"a\""},
        {"[UNK]\n[CLS]\n[SEP]\na\0b\n", 22, "vocab.txt: NUL byte at offset 19"},
        {"[CLS]\n[SEP]\n[MASK]\na\n", 0, "\"[UNK]\""},
        {"[UNK]\n[SEP]\n[MASK]\na\n", 0, "\"[CLS]\""},
        {"", 0, "vocab.txt: the vocabulary is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = cases[i].size ? cases[i].size : strlen(cases[i].text);
        fixture_write(&f, "vocab.txt", cases[i].text, length);
        expect_error("", 1 << 16, cases[i].part);
    }
}

Test(damaged_models, vocabularies_that_are_huge)
{
    char *lines = repeat("", "\n", 4 * MB, "");
    fixture_write(&f, "vocab.txt", lines, 4 * MB);
    expect_error("", 4 * MB, "vocab.txt: 4194304 tokens, more than 1048576");
    free(lines);
    char *numbers = malloc(8 * MB), *at = stpcpy(numbers, vocab);
    for (int i = 0; i < MB - 5; i++) /* as many, as short as they can be */
        at += sprintf(at, "%x\n", i + 16);
    fixture_write(&f, "vocab.txt", numbers, (size_t)(at - numbers));
    expect_error("", (size_t)(at - numbers),
                 "the vocabulary has 1048576 tokens, the word embeddings only 5 rows");
    free(numbers);
}

/* ------------------------------------------------------------------------- what is no number */

/* Writes the loaded file with the tensor's first value replaced. */
static void write_value(const char *name, const char *tensor, float value)
{
    json_t *root = header();
    const json_t *offsets = json_object_get(json_object_get(root, tensor), "data_offsets");
    cr_assert_eq(json_array_size(offsets), 2, "%s", tensor);
    size_t at = 8 + header_size + (size_t)json_integer_value(json_array_get(offsets, 0));
    float saved;
    memcpy(&saved, bytes + at, sizeof saved);
    memcpy(bytes + at, &value, sizeof value);
    fixture_write(&f, name, bytes, size);
    memcpy(bytes + at, &saved, sizeof saved);
    json_decref(root);
}

static void find_wrong(void *data, const bertrun_tensor_info *tensor)
{
    if (tensor->num_not_finite)
        snprintf(data, 128, "%s: %d", tensor->name, (int)tensor->num_not_finite);
}

/* Where a file is written, what is opened then, and what stands before the names in it. */
typedef struct place {
    const char *name, *open, *prefix;
} place;

/* `info --verify` and `convert` name a weight. */
static void try_weight(const place *p, const char *weight, float value)
{
    char tensor[128], found[128] = "", wanted[128], path[256];
    snprintf(tensor, sizeof tensor, "%s%s", p->prefix, weight);
    snprintf(wanted, sizeof wanted, "%s: 1", weight);
    snprintf(path, sizeof path, "%s", fixture_path(&f, p->open));
    write_value(p->name, tensor, value);
    cr_expect_eq(bertrun_inspect(path, NULL, find_wrong, found, &error), BERTRUN_OK);
    cr_expect_str_eq(found, wanted);
    cr_expect_eq(bertrun_convert(path, fixture_path(&f, "o.bin"), NULL, &error),
                 BERTRUN_ERR_FORMAT);
    cr_expect(strstr(error.message, weight) && strstr(error.message, "not finite"), "%s",
              error.message);
}

/* Opening names a bias or a part of a LayerNorm. */
static void try_vector(const place *p, const char *vector, float value)
{
    char tensor[128], wanted[128];
    snprintf(tensor, sizeof tensor, "%s%s", p->prefix, vector);
    snprintf(wanted, sizeof wanted, "%s\" is not finite at 0", vector);
    write_value(p->name, tensor, value);
    expect_error(p->open, size, wanted);
}

static void try_values(const place *p)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    load(p->name);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        try_weight(p, "encoder.layer.0.output.dense.weight", values[i]);
        try_weight(p, "embeddings.word_embeddings.weight", values[i]);
        try_vector(p, "encoder.layer.0.output.dense.bias", values[i]);
        try_vector(p, "embeddings.LayerNorm.weight", values[i]);
        try_vector(p, "encoder.layer.0.output.LayerNorm.bias", values[i]);
    }
}

Test(damaged_models, weights_of_a_directory_that_are_no_numbers)
{
    try_values(&(place){"model.safetensors", "", "bert."});
}

Test(damaged_models, weights_of_a_bin_that_are_no_numbers)
{
    bertrun_convert_settings settings;
    bertrun_convert_settings_init(&settings);
    settings.dtype = BERTRUN_DTYPE_F32;
    cr_assert_eq(bertrun_convert(f.directory, fixture_path(&f, "m.bin"), &settings, &error),
                 BERTRUN_OK);
    try_values(&(place){"m.bin", "m.bin", ""});
}

/* ------------------------------------------------------------------- changed while the model runs
 */

static void embed(bertrun_model *model, float values[4])
{
    bertrun_session *session;
    bertrun_output out;
    const bertrun_input text = {.text = "a a", .length = 3};
    cr_assert_eq(bertrun_session_open(&session, model, NULL, &error), BERTRUN_OK);
    cr_assert_eq(bertrun_embed(session, &text, 1, NULL, &out, &error), BERTRUN_OK);
    cr_assert_eq(out.width, 4);
    memcpy(values, out.values, 4 * sizeof *values);
    bertrun_session_close(&session);
}

Test(damaged_models, a_file_that_changes_under_a_model_changes_nothing)
{
    float before[4], now[4];
    bertrun_model *model;
    convert();
    const char *path = fixture_path(&f, "m.bin");
    cr_assert_eq(bertrun_model_open(&model, path, NULL, &error), BERTRUN_OK, "%s", error.message);
    embed(model, before);
    FILE *file = fopen(path, "r+b"); /* overwritten in place */
    for (size_t i = 0; i < size; i++)
        fputc(0xff, file);
    fclose(file);
    embed(model, now);
    cr_expect_arr_eq(now, before, sizeof before);
    cr_assert_eq(truncate(path, 100), 0); /* cut short */
    embed(model, now);
    cr_expect_arr_eq(now, before, sizeof before);
    fixture_text(&f, "m.bin", "another file"); /* replaced */
    embed(model, now);
    cr_expect_arr_eq(now, before, sizeof before);
    bertrun_model_close(&model);
}
