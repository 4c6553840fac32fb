/* The tokenizer against what Hugging Face's made of the same texts
 * (scripts/make_tokenizer_corpus.py). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

static bertrun_error error;

static const char *in_corpus(const char *file)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s", getenv("BERTRUN_TOKENIZER_CORPUS"), file);
    return path;
}

static json_t *load(const char *file)
{
    json_error_t problem;
    json_t *root = json_load_file(in_corpus(file), 0, &problem);
    cr_assert_not_null(root, "%s: %s", file, problem.text);
    return root;
}

/* A tokenizer with the corpus' vocabulary, which `vocab` keeps, and one of its configs. */
static br_tokenizer *open_config(br_file *vocab, size_t index)
{
    json_t *configs = load("configs.json");
    char *config = json_dumps(json_array_get(configs, index), 0);
    br_tokenizer *tokenizer;
    cr_assert_eq(br_file_open(vocab, in_corpus("vocab.txt"), false, &error), BERTRUN_OK);
    br_tokenizer_sections sections = {.vocab = vocab->data,
                                      .vocab_size = vocab->size,
                                      .config = config,
                                      .config_size = strlen(config)};
    cr_assert_eq(br_tokenizer_open_sections(&tokenizer, &sections, "corpus", &error), BERTRUN_OK,
                 "%s", error.message);
    free(config);
    json_decref(configs);
    return tokenizer;
}

/* CRC-32 as zlib has it. */
static uint32_t crc32_of(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* ------------------------------------------------------------------------------------- cases */

static size_t unhex(const char *hex, char *out)
{
    size_t length = hex ? strlen(hex) / 2 : 0;
    for (size_t i = 0; i < length; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        out[i] = (char)byte;
    }
    return length;
}

static br_encode_options options_of(const json_t *array)
{
    json_int_t values[6];
    for (size_t i = 0; i < 6; i++)
        values[i] = json_integer_value(json_array_get(array, i));
    return (br_encode_options){.max_length = (size_t)values[0],
                               .truncation = (bertrun_truncation)values[1],
                               .truncate_left = values[2],
                               .overflow = values[3],
                               .stride = (size_t)values[4],
                               .no_special = values[5],
                               .offsets = true};
}

enum { FIELDS = 7 };

static bool same_token(const br_encoding *e, size_t token, const json_t *window, size_t index)
{
    const br_span *span = &e->spans[token];
    const json_int_t ours[FIELDS] = {
        e->ids[token],
        e->type_ids[token],
        (json_int_t)span->char_begin,
        (json_int_t)span->char_end,
        (json_int_t)span->byte_begin,
        (json_int_t)span->byte_end,
        e->word_ids[token],
    };
    for (size_t i = 0; i < FIELDS; i++)
        if (ours[i] != json_integer_value(json_array_get(window, index * FIELDS + i)))
            return false;
    return e->special_mask[token] == (e->word_ids[token] < 0);
}

static void check_windows(const br_encoding *e, const json_t *windows, size_t line)
{
    cr_assert_eq(e->num_windows, json_array_size(windows), "line %zu: %zu windows", line,
                 e->num_windows);
    for (size_t w = 0; w < e->num_windows; w++) {
        const json_t *window = json_array_get(windows, w);
        size_t begin = e->window_offsets[w], count = e->window_offsets[w + 1] - begin;
        cr_expect_eq(count * FIELDS, json_array_size(window), "line %zu, window %zu: %zu tokens",
                     line, w, count);
        for (size_t i = 0; i < count; i++)
            cr_expect(same_token(e, begin + i, window, i), "line %zu, window %zu, token %zu", line,
                      w, i);
    }
}

static void check_case(br_tokenizer *const *tokenizers, br_encoding *encodings, const json_t *entry,
                       size_t line)
{
    static char text[65536], pair[65536];
    size_t config = (size_t)json_integer_value(json_object_get(entry, "c"));
    const char *pair_hex = json_string_value(json_object_get(entry, "p"));
    size_t length = unhex(json_string_value(json_object_get(entry, "t")), text);
    size_t pair_length = unhex(pair_hex, pair);
    br_encode_options options = options_of(json_object_get(entry, "o"));
    br_encoding *e = &encodings[config];
    cr_assert_eq(br_tokenizer_encode(tokenizers[config], text, length, pair_hex ? pair : NULL,
                                     pair_length, &options, e, &error),
                 BERTRUN_OK, "line %zu: %s", line, error.message);
    check_windows(e, json_object_get(entry, "w"), line);
    if (options.max_length)
        return;
    int32_t *ids = malloc(e->count * sizeof(*ids));
    size_t count = e->count;
    memcpy(ids, e->ids, count * sizeof(*ids));
    options.offsets = false;
    br_tokenizer_encode(tokenizers[config], text, length, NULL, 0, &options, e, &error);
    cr_expect(e->count == count && memcmp(ids, e->ids, count * sizeof(*ids)) == 0,
              "line %zu: without offsets the ids are others", line);
    free(ids);
}

Test(tokenizer_corpus, cases)
{
    enum { CONFIGS = 8 };
    br_file vocabs[CONFIGS];
    br_tokenizer *tokenizers[CONFIGS];
    br_encoding encodings[CONFIGS] = {{0}};
    for (size_t i = 0; i < CONFIGS; i++)
        tokenizers[i] = open_config(&vocabs[i], i);
    FILE *cases = fopen(in_corpus("cases.jsonl"), "rb");
    cr_assert_not_null(cases);
    char *line = NULL;
    size_t capacity = 0, number = 0;
    for (ssize_t size; (size = getline(&line, &capacity, cases)) > 0;) {
        json_t *entry = json_loadb(line, (size_t)size, 0, NULL);
        cr_assert_not_null(entry);
        check_case(tokenizers, encodings, entry, ++number);
        json_decref(entry);
    }
    cr_assert_geq(number, 2000);
    free(line);
    fclose(cases);
    for (size_t i = 0; i < CONFIGS; i++) {
        br_encoding_free(&encodings[i]);
        br_tokenizer_close(&tokenizers[i]);
        br_file_close(&vocabs[i]);
    }
}

/* ------------------------------------------------------------------------------- code points */

static uint32_t checksum_of_points(const br_tokenizer *tokenizer, bool offsets)
{
    br_encoding e = {0};
    br_encode_options options = {.offsets = offsets};
    uint32_t crc = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        uint8_t text[6] = {'a'};
        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        size_t length = 1 + br_utf8_encode(cp, text + 1);
        text[length++] = 'b';
        br_tokenizer_encode(tokenizer, (const char *)text, length, NULL, 0, &options, &e, &error);
        crc = crc32_of(crc, e.ids, e.count * sizeof(*e.ids));
    }
    br_encoding_free(&e);
    return crc;
}

Test(tokenizer_corpus, every_code_point)
{
    json_t *checksums = load("checksums.json"), *points = json_object_get(checksums, "points");
    for (size_t i = 0; i < json_array_size(points); i++) {
        br_file vocab;
        br_tokenizer *tokenizer = open_config(&vocab, i);
        cr_expect_eq(checksum_of_points(tokenizer, i > 0),
                     (uint32_t)json_integer_value(json_array_get(points, i)), "config %zu", i);
        br_tokenizer_close(&tokenizer);
        br_file_close(&vocab);
    }
    json_decref(checksums);
}

/* -------------------------------------------------------------------------------- real texts */

static const char *in_shared(const char *folder, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s/%s", getenv("BERTRUN_SHARED"), folder, name);
    return path;
}

static uint32_t checksum_of_lines(const br_tokenizer *tokenizer, const br_file *text)
{
    br_encoding e = {0};
    br_encode_options options = {0};
    uint32_t crc = 0;
    const char *at = (const char *)text->data, *end = at + text->size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline + 1 - at) : (size_t)(end - at);
        br_tokenizer_encode(tokenizer, at, length, NULL, 0, &options, &e, &error);
        crc = crc32_of(crc, e.ids, e.count * sizeof(*e.ids));
        at += length;
    }
    br_encoding_free(&e);
    return crc;
}

static void check_texts(const br_tokenizer *tokenizer, const char *vocabulary, json_t *files)
{
    const char *name;
    json_t *checksum;
    json_object_foreach(files, name, checksum)
    {
        br_file text;
        cr_assert_eq(br_file_open(&text, in_shared("data", name), true, &error), BERTRUN_OK);
        cr_expect_eq(checksum_of_lines(tokenizer, &text), (uint32_t)json_integer_value(checksum),
                     "%s on %s", vocabulary, name);
        br_file_close(&text);
    }
}

Test(tokenizer_corpus, real_texts)
{
    if (!br_path_is_directory(in_shared("vocab", "")) ||
        !br_path_is_directory(in_shared("data", "")))
        cr_skip_test("needs ../shared/vocab and ../shared/data");
    json_t *checksums = load("checksums.json"), *texts = json_object_get(checksums, "texts"),
           *files;
    const char *vocabulary;
    json_object_foreach(texts, vocabulary, files)
    {
        br_tokenizer *tokenizer;
        cr_assert_eq(
            br_tokenizer_open_directory(&tokenizer, in_shared("vocab", vocabulary), false, &error),
            BERTRUN_OK, "%s", error.message);
        check_texts(tokenizer, vocabulary, files);
        br_tokenizer_close(&tokenizer);
    }
    json_decref(checksums);
}

/* The same ids from vocab.txt and tokenizer_config.json as from tokenizer.json. */
Test(tokenizer_corpus, vocab_txt_gives_the_same)
{
    if (!br_path_is_directory(in_shared("vocab", "")) ||
        !br_path_is_directory(in_shared("data", "")))
        cr_skip_test("needs ../shared/vocab and ../shared/data");
    json_t *checksums = load("checksums.json"), *texts = json_object_get(checksums, "texts"),
           *files;
    const char *vocabulary;
    json_object_foreach(texts, vocabulary, files)
    {
        char path[4200];
        snprintf(path, sizeof(path), "%s/vocab.txt", in_shared("vocab", vocabulary));
        br_tokenizer *tokenizer;
        cr_assert_eq(br_tokenizer_open_file(&tokenizer, path, &error), BERTRUN_OK, "%s",
                     error.message);
        check_texts(tokenizer, vocabulary, files);
        cr_expect_eq(br_tokenizer_max_length(tokenizer), 512);
        br_tokenizer_close(&tokenizer);
    }
    json_decref(checksums);
}
