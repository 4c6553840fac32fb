/* A tokenizer where memory runs out and where its files are damaged: refused, or works; no more. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing_memory.h"
#include "tokenizer/tokenizer.h"

static const char VOCAB[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\nthe\ncafe\n";
static const char CONFIG[] =
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":"
    "true,"
    "\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##"
    "\","
    "\"max_input_chars_per_word\":100},\"decoder\":{\"type\":\"WordPiece\",\"cleanup\":true},"
    "\"truncation\":{\"max_length\":128},\"post_processor\":{\"type\":\"TemplateProcessing\","
    "\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
    "\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":"
    "\"B\",\"type_id\":1}}],\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],"
    "\"tokens\":[\"[CLS]\"]}}},\"added_tokens\":[{\"id\":4,\"content\":\"[MASK]\",\"special\":true,"
    "\"lstrip\":true,\"rstrip\":false,\"single_word\":false,\"normalized\":false},{\"id\":9,"
    "\"content\":\"Caf\\u00e9\",\"normalized\":true}]}";
static const char TEXT[] = "unaff the [MASK] caf\xc3\xa9, unaffthe";

static bertrun_error error;

static bertrun_status open_with(br_tokenizer **out, const char *config)
{
    br_tokenizer_sections sections = {.vocab = VOCAB,
                                      .vocab_size = strlen(VOCAB),
                                      .config = config,
                                      .config_size = strlen(config)};
    error.message[0] = '\0';
    return br_tokenizer_open_sections(out, &sections, "file.json", &error);
}

/* Encodes and decodes. */
static bertrun_status use(const br_tokenizer *tokenizer)
{
    br_encoding encoding = {0};
    br_text decoded = {{0}, 0};
    br_encode_options options = {.offsets = true, .overflow = true, .max_length = 6, .stride = 1};
    bertrun_status status =
        br_tokenizer_encode(tokenizer, TEXT, strlen(TEXT), NULL, 0, &options, &encoding, &error);
    if (status == BERTRUN_OK)
        status =
            br_tokenizer_decode(tokenizer, encoding.ids, encoding.count, true, &decoded, &error);
    br_free(decoded.memory.data);
    br_encoding_free(&encoding);
    return status;
}

/* Opens and uses a tokenizer, of CONFIG or of a directory, with the given allocation failing; true:
 * there are not so many. It may succeed all the same, with less memory. */
static bool survive(const char *directory, long fail_at)
{
    br_tokenizer *tokenizer;
    memory_fail_at = fail_at;
    bertrun_status status = directory
                                ? br_tokenizer_open_directory(&tokenizer, directory, false, &error)
                                : open_with(&tokenizer, CONFIG);
    if (status == BERTRUN_OK)
        status = use(tokenizer);
    bool all_done = memory_fail_at > 0;
    memory_fail_at = 0;
    cr_assert(status == BERTRUN_OK || status == BERTRUN_ERR_NOMEM, "allocation %ld: %s (%s)",
              fail_at, bertrun_status_string(status), error.message);
    if (tokenizer) /* it works on after the failure */
        cr_assert_eq(use(tokenizer), BERTRUN_OK);
    br_tokenizer_close(&tokenizer);
    return all_done;
}

Test(tokenizer_damage, says_so_when_memory_runs_out_anywhere)
{
    long fail_at = 1;
    while (!survive(NULL, fail_at))
        fail_at++;
    cr_expect_gt(fail_at, 40);
}

Test(tokenizer_damage, says_so_when_memory_runs_out_over_its_files)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"vocab.txt", VOCAB},
        {"added_tokens.json", "{\"New\":10,\"old\":9,\"the\":7}"},
        {"special_tokens_map.json", "{\"mask_token\":{\"content\":\"[MASK]\"}}"},
        {"tokenizer_config.json", "{\"additional_special_tokens\":[\"<e>\",\"new\"]}"},
    };
    enum { NUM_FILES = sizeof files / sizeof *files };
    char directory[] = "/tmp/bertrun-damage-XXXXXX", paths[NUM_FILES][64];
    cr_assert_not_null(mkdtemp(directory));
    for (size_t i = 0; i < NUM_FILES; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", directory, files[i].name);
        FILE *file = fopen(paths[i], "wb");
        cr_assert_not_null(file);
        fputs(files[i].text, file);
        fclose(file);
    }
    long fail_at = 1;
    while (!survive(directory, fail_at))
        fail_at++;
    cr_expect_gt(fail_at, 60);
    for (size_t i = 0; i < NUM_FILES; i++)
        unlink(paths[i]);
    rmdir(directory);
}

/* Opens, and uses what opens; what does not must name the file and say what is wrong. */
static void try(const char *config)
{
    br_tokenizer *tokenizer;
    bertrun_status status = open_with(&tokenizer, config);
    if (status == BERTRUN_OK)
        cr_expect_eq(use(tokenizer), BERTRUN_OK, "%s", config);
    else
        cr_expect(strncmp(error.message, "file.json: ", 11) == 0 && error.message[11],
                  "\"%s\" for %s", error.message, config);
    br_tokenizer_close(&tokenizer);
}

static void try_json(const json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT);
    try(text);
    free(text);
}

static void damage_each(json_t *root, json_t *value);

/* Puts every kind of value in the place of `value`, which `put` fills, and damages what it holds.
 */
static void damage(json_t *root, json_t *value, json_t *object, const char *key, size_t index)
{
    json_t *const wrong[] = {
        json_null(),  json_true(),   json_integer(-1), json_integer(1L << 62), json_real(1.5),
        json_array(), json_object(), json_string(""),  json_string("[X]")};
    json_incref(value);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (key)
            json_object_set_new(object, key, wrong[i]);
        else
            json_array_set_new(object, index, wrong[i]);
        try_json(root);
    }
    if (key)
        json_object_set_new(object, key, value);
    else
        json_array_set_new(object, index, value);
    damage_each(root, value);
}

static void damage_each(json_t *root, json_t *value)
{
    const char *key;
    json_t *child;
    void *next;
    size_t index;
    json_object_foreach_safe(value, next, key, child) damage(root, child, value, key, 0);
    json_array_foreach(value, index, child) damage(root, child, value, NULL, index);
}

Test(tokenizer_damage, wrong_types_of_every_field)
{
    json_t *root = json_loads(CONFIG, 0, NULL);
    cr_assert_not_null(root);
    damage_each(root, root);
    br_tokenizer *tokenizer;
    cr_assert_eq(open_with(&tokenizer, CONFIG), BERTRUN_OK, "%s", error.message);
    br_tokenizer_close(&tokenizer);
    json_decref(root);
}

Test(tokenizer_damage, deep_json_is_refused)
{
    enum { DEPTH = 100000 };
    char *text = calloc(2 * DEPTH + 1, 1);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    br_tokenizer *tokenizer;
    cr_expect_eq(open_with(&tokenizer, text), BERTRUN_ERR_FORMAT);
    cr_expect_not_null(strstr(error.message, "file.json: line 1"), "%s", error.message);
    free(text);
}

/* Ids of the text by a tokenizer with a table. */
static void encode_with(const void *table, size_t size, int32_t ids[32], size_t *count)
{
    br_tokenizer *tokenizer;
    br_tokenizer_sections sections = {VOCAB, strlen(VOCAB), CONFIG, strlen(CONFIG), table, size};
    br_encoding encoding = {0};
    cr_assert_eq(br_tokenizer_open_sections(&tokenizer, &sections, "file.json", &error), BERTRUN_OK,
                 "%s", error.message);
    cr_assert_eq(br_tokenizer_encode(tokenizer, TEXT, strlen(TEXT), NULL, 0,
                                     &(br_encode_options){0}, &encoding, &error),
                 BERTRUN_OK);
    *count = encoding.count;
    cr_assert_leq(*count, 32);
    memcpy(ids, encoding.ids, *count * sizeof(*ids));
    br_encoding_free(&encoding);
    br_tokenizer_close(&tokenizer);
}

Test(tokenizer_damage, a_table_of_another_version_is_built_anew)
{
    br_tokenizer *tokenizer;
    br_tokenizer_sections sections;
    cr_assert_eq(open_with(&tokenizer, CONFIG), BERTRUN_OK);
    cr_assert_eq(br_tokenizer_get_sections(tokenizer, &sections, &error), BERTRUN_OK);
    char *table = br_alloc(sections.table_size, 1);
    memcpy(table, sections.table, sections.table_size);
    int32_t ids[2][32];
    size_t counts[2];
    encode_with(table, sections.table_size, ids[0], &counts[0]);
    table[7]--; /* "BRTOKEN1" */
    encode_with(table, sections.table_size, ids[1], &counts[1]);
    cr_expect_eq(counts[0], counts[1]);
    cr_expect_arr_eq(ids[0], ids[1], counts[0] * sizeof(int32_t));
    cr_expect_eq(ids[0][1], 5); /* un */
    cr_expect_eq(ids[0][2], 6); /* the only piece that continues */
    br_free(table);
    br_tokenizer_close(&tokenizer);
}
