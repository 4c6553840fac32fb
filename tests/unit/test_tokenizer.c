/* The tokenizer on a vocabulary of a few words: cutting, offsets, templates, truncation, errors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tokenizer/tokenizer.h"

static const char VOCAB[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
    "un\n##aff\n##able\nthe\ncafe\n!\n,\n\xe4\xb8\xad\n\xe5\x9b\xbd\na\n##a\n";

enum { UNK = 1, CLS, SEP, MASK, UN, AFF, ABLE, THE, CAFE, BANG, COMMA, ZHONG, GUO, A, AA };

#define CONFIG(flags, added)                                                                       \
    "{\"normalizer\":{\"type\":\"BertNormalizer\"" flags "},"                                      \
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"type\":\"WordPiece\"},"        \
    "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],\"sep\":[\"[SEP]\",3]}" \
    ","                                                                                            \
    "\"added_tokens\":[" added "]}"
#define MASK_TOKEN "{\"id\":4,\"content\":\"[MASK]\",\"special\":true,\"normalized\":false"
#define UNCASED    CONFIG("", MASK_TOKEN "}")

static bertrun_error error;
static br_encoding encoding;

static bertrun_status open_with(br_tokenizer **out, const char *vocab, size_t size,
                                const char *config)
{
    br_tokenizer_sections sections = {
        .vocab = vocab, .vocab_size = size, .config = config, .config_size = strlen(config)};
    return br_tokenizer_open_sections(out, &sections, "test", &error);
}

static br_tokenizer *open_small(const char *config)
{
    br_tokenizer *tokenizer;
    cr_assert_eq(open_with(&tokenizer, VOCAB, strlen(VOCAB), config), BERTRUN_OK, "%s",
                 error.message);
    return tokenizer;
}

static void encode(const br_tokenizer *tokenizer, const char *text, const char *pair,
                   br_encode_options options)
{
    options.offsets = true;
    cr_assert_eq(br_tokenizer_encode(tokenizer, text, strlen(text), pair, pair ? strlen(pair) : 0,
                                     &options, &encoding, &error),
                 BERTRUN_OK, "%s", error.message);
}

static void expect_ids(const int32_t *ids, size_t count)
{
    cr_assert_eq(encoding.count, count, "%zu tokens, not %zu", encoding.count, count);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(encoding.ids[i], ids[i], "token %zu is %d, not %d", i, encoding.ids[i],
                     ids[i]);
}

#define EXPECT_IDS(...)                                                                            \
    expect_ids((const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void expect_span(size_t token, size_t byte_begin, size_t byte_end, size_t char_begin,
                        size_t char_end)
{
    const br_span *span = &encoding.spans[token];
    cr_expect(span->byte_begin == byte_begin && span->byte_end == byte_end &&
                  span->char_begin == char_begin && span->char_end == char_end,
              "token %zu spans %zu-%zu (%zu-%zu)", token, span->byte_begin, span->byte_end,
              span->char_begin, span->char_end);
}

Test(tokenizer, longest_pieces_accents_and_ideographs)
{
    br_tokenizer *t = open_small(UNCASED);
    encode(t, "The UNaffable caf\xc3\xa9!\xe4\xb8\xad\xe5\x9b\xbd x", NULL, (br_encode_options){0});
    EXPECT_IDS(CLS, THE, UN, AFF, ABLE, CAFE, BANG, ZHONG, GUO, UNK, SEP);
    expect_span(0, 0, 0, 0, 0);
    expect_span(3, 6, 9, 6, 9);
    expect_span(5, 14, 19, 14, 18);
    expect_span(6, 19, 20, 18, 19);
    expect_span(8, 23, 26, 20, 21);
    cr_expect_eq(encoding.word_ids[4], 1);
    cr_expect_eq(encoding.word_ids[0], -1);
    cr_expect_eq(encoding.special_mask[0], 1);
    cr_expect_eq(encoding.special_mask[1], 0);
    br_tokenizer_close(&t);
}

Test(tokenizer, ill_formed_bytes_vanish_but_count_in_offsets)
{
    br_tokenizer *t = open_small(UNCASED);
    encode(t,
           "th\xe2\x82"
           "e a",
           NULL, (br_encode_options){0});
    EXPECT_IDS(CLS, THE, A, SEP);
    expect_span(1, 0, 5, 0, 4);
    expect_span(2, 6, 7, 5, 6);
    br_tokenizer_close(&t);
}

Test(tokenizer, special_tokens_in_the_text)
{
    br_tokenizer *t = open_small(UNCASED);
    encode(t, "the[MASK]the [mask]", NULL, (br_encode_options){.no_special = true});
    EXPECT_IDS(THE, MASK, THE, UNK, UNK, UNK);
    br_tokenizer_close(&t);
    t = open_small(CONFIG("", MASK_TOKEN ",\"lstrip\":true,\"rstrip\":true}"));
    encode(t, "the  [MASK] the", NULL, (br_encode_options){.no_special = true});
    EXPECT_IDS(THE, MASK, THE);
    expect_span(1, 3, 12, 3, 12);
    br_tokenizer_close(&t);
    t = open_small(CONFIG("", MASK_TOKEN ",\"single_word\":true}"));
    encode(t, "the[MASK] [MASK]", NULL, (br_encode_options){.no_special = true});
    EXPECT_IDS(THE, UNK, UNK, UNK, MASK);
    br_tokenizer_close(&t);
}

Test(tokenizer, normalized_added_tokens_beyond_the_vocabulary)
{
    br_tokenizer *t = open_small(CONFIG("", "{\"id\":16,\"content\":\"New Caf\xc3\xa9\"}"));
    cr_expect_eq(br_tokenizer_vocab_size(t), 17);
    encode(t, "the nEW cafe,a", NULL, (br_encode_options){.no_special = true});
    EXPECT_IDS(THE, 16, COMMA, A);
    expect_span(1, 4, 12, 4, 12);
    size_t length;
    cr_expect_eq(memcmp(br_tokenizer_token(t, 16, &length), "New Caf\xc3\xa9", 9), 0);
    cr_expect_eq(br_tokenizer_id(t, "New Caf\xc3\xa9", 9), 16);
    br_tokenizer_close(&t);
}

Test(tokenizer, the_first_of_added_tokens_equal_once_normalized_is_found)
{
    br_tokenizer *t =
        open_small(CONFIG("", "{\"id\":16,\"content\":\"COVID\"},{\"id\":17,\"content\":\"flu\"},"
                              "{\"id\":18,\"content\":\"covid\"},"
                              "{\"id\":19,\"content\":\"Covids\"}"));
    cr_expect_eq(br_tokenizer_vocab_size(t), 20);
    encode(t, "covid COVID flu Covid covids", NULL, (br_encode_options){.no_special = true});
    EXPECT_IDS(16, 16, 17, 16, 19);
    cr_expect_eq(br_tokenizer_id(t, "covid", 5), 18);
    br_tokenizer_close(&t);
}

Test(tokenizer, words_beyond_the_limit_are_unknown)
{
    br_tokenizer *t = open_small(UNCASED);
    char word[102];
    memset(word, 'a', 101);
    word[100] = '\0';
    encode(t, word, NULL, (br_encode_options){0});
    cr_expect_eq(encoding.count, 102);
    word[100] = 'a';
    word[101] = '\0';
    encode(t, word, NULL, (br_encode_options){0});
    EXPECT_IDS(CLS, UNK, SEP);
    expect_span(1, 0, 101, 0, 101);
    br_tokenizer_close(&t);
}

Test(tokenizer, pairs_and_truncation)
{
    br_tokenizer *t = open_small(UNCASED);
    encode(t, "the, a", "unaffable", (br_encode_options){0});
    EXPECT_IDS(CLS, THE, COMMA, A, SEP, UN, AFF, ABLE, SEP);
    const uint8_t types[] = {0, 0, 0, 0, 0, 1, 1, 1, 1};
    cr_expect_arr_eq(encoding.type_ids, types, sizeof(types));
    encode(t, "the, a", "unaffable", (br_encode_options){.max_length = 6});
    EXPECT_IDS(CLS, THE, SEP, UN, AFF, SEP);
    cr_expect_eq(encoding.truncated, 3);
    encode(t, "the, a", "unaffable",
           (br_encode_options){.max_length = 7,
                               .truncation = BERTRUN_TRUNCATION_ONLY_SECOND,
                               .truncate_left = true});
    EXPECT_IDS(CLS, THE, COMMA, A, SEP, ABLE, SEP);
    br_encode_options impossible = {.max_length = 5, .truncation = BERTRUN_TRUNCATION_ONLY_FIRST};
    cr_expect_eq(br_tokenizer_encode(t, "a", 1, "unaffable", 9, &impossible, &encoding, &error),
                 BERTRUN_ERR_ARGUMENT);
    impossible = (br_encode_options){.max_length = 1};
    cr_expect_eq(br_tokenizer_encode(t, "a", 1, NULL, 0, &impossible, &encoding, &error),
                 BERTRUN_ERR_ARGUMENT);
    br_tokenizer_close(&t);
}

/* Without offsets nothing of the end is kept, and it is counted all the same. */
Test(tokenizer, a_long_end_is_counted)
{
    enum { PARTS = 1000 };
    static const char part[] = "the [MASK] aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa the "
                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "; /* 63 tokens */
    char *text = malloc(PARTS * sizeof(part));
    size_t length = 0;
    for (int i = 0; i < PARTS; i++, length += sizeof(part) - 1)
        memcpy(text + length, part, sizeof(part) - 1);
    br_tokenizer *t = open_small(UNCASED);
    for (int offsets = 0; offsets < 2; offsets++) {
        br_encode_options options = {.max_length = 7, .offsets = offsets};
        cr_assert_eq(br_tokenizer_encode(t, text, length, NULL, 0, &options, &encoding, &error),
                     BERTRUN_OK, "%s", error.message);
        EXPECT_IDS(CLS, THE, MASK, A, AA, AA, SEP);
        cr_expect_eq(encoding.truncated, 63 * PARTS - 5);
    }
    br_tokenizer_close(&t);
    free(text);
}

Test(tokenizer, windows_overlap_by_the_stride)
{
    br_tokenizer *t = open_small(UNCASED);
    br_encode_options options = {.max_length = 5, .overflow = true, .stride = 1};
    encode(t, "the , the ! a", NULL, options);
    EXPECT_IDS(CLS, THE, COMMA, THE, SEP, CLS, THE, BANG, A, SEP);
    cr_expect_eq(encoding.num_windows, 2);
    cr_expect_eq(encoding.window_offsets[1], 5);
    cr_expect_eq(encoding.window_offsets[2], 10);
    expect_span(6, 6, 9, 6, 9);
    options.stride = 3;
    cr_expect_eq(br_tokenizer_encode(t, "a a a a", 7, NULL, 0, &options, &encoding, &error),
                 BERTRUN_ERR_ARGUMENT);
    br_tokenizer_close(&t);
}

Test(tokenizer, stored_sections_give_the_same)
{
    br_tokenizer *t = open_small(CONFIG(",\"lowercase\":false", "{\"id\":16,\"content\":\"x y\"}"));
    br_tokenizer *again;
    br_tokenizer_sections sections;
    cr_assert_eq(br_tokenizer_get_sections(t, &sections, &error), BERTRUN_OK);
    cr_assert_eq(br_tokenizer_open_sections(&again, &sections, "test", &error), BERTRUN_OK, "%s",
                 error.message);
    encode(again, "x y the The", NULL, (br_encode_options){0});
    EXPECT_IDS(CLS, 16, THE, UNK, SEP);
    cr_expect_eq(br_tokenizer_num_special(again, false), 2);
    cr_expect_eq(br_tokenizer_num_special(again, true), 3);
    br_tokenizer_close(&again);
    br_tokenizer_close(&t);
}

static void expect_refused(const char *vocab, size_t size, const char *config,
                           bertrun_status status, const char *named)
{
    br_tokenizer *t;
    cr_expect_eq(open_with(&t, vocab, size, config), status);
    cr_expect_null(t);
    cr_expect_not_null(strstr(error.message, named), "\"%s\" does not name %s", error.message,
                       named);
}

Test(tokenizer, refuses_other_types_by_name)
{
    size_t size = strlen(VOCAB);
    expect_refused(VOCAB, size, "{\"model\":{\"type\":\"Unigram\"}}", BERTRUN_ERR_UNSUPPORTED,
                   "Unigram");
    expect_refused(VOCAB, size, "{\"model\":{\"type\":\"WordPiece\"}}", BERTRUN_ERR_UNSUPPORTED,
                   "normalizer");
    expect_refused(VOCAB, size, "[1", BERTRUN_ERR_FORMAT, "line 1");
}

Test(tokenizer, refuses_bad_vocabularies)
{
    static const char duplicate[] = "[UNK]\n[CLS]\n[SEP]\nab\na\nab\n";
    static const char nul[] = "[UNK]\n[CLS]\n[SEP]\na\0b\n";
    static const char unknown[] = "[CLS]\n[SEP]\n[MASK]\na\n";
    static const char open_end[] = "[UNK]\n[CLS]\n[SEP]";
    expect_refused(duplicate, strlen(duplicate), UNCASED, BERTRUN_ERR_FORMAT, "line 6");
    expect_refused(nul, sizeof(nul) - 1, UNCASED, BERTRUN_ERR_FORMAT, "NUL");
    expect_refused(unknown, strlen(unknown), UNCASED, BERTRUN_ERR_FORMAT, "[UNK]");
    expect_refused(open_end, strlen(open_end), UNCASED, BERTRUN_ERR_FORMAT, "last line");
    expect_refused("", 0, UNCASED, BERTRUN_ERR_FORMAT, "empty");
}

/* ------------------------------------------------------------------------------- directories */

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    fwrite(text, 1, strlen(text), file);
    fclose(file);
}

static char *make_directory(void)
{
    static char path[] = "/tmp/bertrun-tokenizer-XXXXXX";
    cr_assert_not_null(mkdtemp(path));
    return path;
}

/* Text NULL: there is to be no such file. */
static void write_or_remove(const char *directory, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    unlink(path);
    if (text)
        write_file(directory, name, text);
}

static void remove_directory(const char *directory)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "tokenizer_config.json",
                                        "added_tokens.json", "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_or_remove(directory, names[i], NULL);
    rmdir(directory);
}

static br_tokenizer *open_directory(const char *directory)
{
    br_tokenizer *t;
    cr_assert_eq(br_tokenizer_open_directory(&t, directory, false, &error), BERTRUN_OK, "%s",
                 error.message);
    return t;
}

Test(tokenizer, vocab_txt_with_its_settings)
{
    const char *directory = make_directory();
    write_file(directory, "vocab.txt", "<u>\r\n<c>\r\n<s>\r\nThe\r\nthe\r\nthe!");
    write_file(directory, "tokenizer_config.json",
               "{\"do_lower_case\":false,\"unk_token\":\"<u>\",\"cls_token\":{\"content\":\"<c>\"},"
               "\"sep_token\":\"<s>\",\"model_max_length\":1000000000000000019884624838656}");
    br_tokenizer *t = open_directory(directory);
    cr_expect_eq(br_tokenizer_vocab_size(t), 6);
    cr_expect_eq(br_tokenizer_max_length(t), 0);
    encode(t, "The the THE <s>", NULL, (br_encode_options){0});
    EXPECT_IDS(1, 3, 4, 0, 2, 2);
    br_tokenizer_close(&t);
    remove_directory(directory);
}

Test(tokenizer, explicit_settings_win_over_tokenizer_json)
{
    static const char json[] =
        "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},"
        "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
        "\"truncation\":{\"max_length\":7},\"padding\":{\"strategy\":{\"Fixed\":128}},"
        "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"The\":1,\"the\":3}}}";
    const char *directory = make_directory();
    write_file(directory, "tokenizer.json", json);
    br_tokenizer *t = open_directory(directory);
    cr_expect_eq(br_tokenizer_max_length(t), 7);
    cr_expect_eq(br_tokenizer_vocab_size(t), 4);
    size_t length;
    cr_expect_null(br_tokenizer_token(t, 2, &length));
    encode(t, "The the", NULL, (br_encode_options){0});
    EXPECT_IDS(3, 3);
    br_tokenizer_close(&t);
    write_file(directory, "tokenizer_config.json",
               "{\"do_lower_case\":false,\"model_max_length\":9}");
    t = open_directory(directory);
    cr_expect_eq(br_tokenizer_max_length(t), 9);
    encode(t, "The the", NULL, (br_encode_options){0});
    EXPECT_IDS(1, 3);
    br_tokenizer_close(&t);
    remove_directory(directory);
}

/* A vocabulary as vocab.txt and as tokenizer.json, and the ids that transformers 5.23 gives for
 * ADDED_TEXT with the files beside it. */
static const char ADDED_VOCAB[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\ncat\n##s\né\ne\nTHE\n";
static const char ADDED_JSON[] =
    "{\"added_tokens\":[{\"id\":0,\"content\":\"[PAD]\",\"special\":true,\"normalized\":false},{"
    "\"id\":1,\"content\":\"[UNK]\",\"special\":true,\"normalized\":false},{\"id\":2,\"content\":"
    "\"[CLS]\",\"special\":true,\"normalized\":false},{\"id\":3,\"content\":\"[SEP]\",\"special\":"
    "true,\"normalized\":false},{\"id\":4,\"content\":\"[MASK]\",\"special\":true,\"normalized\":"
    "false}],\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":"
    "\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],"
    "\"sep\":[\"[SEP]\",3]},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"max_input_"
    "chars_per_word\":100,\"continuing_subword_prefix\":\"##\",\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,"
    "\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"the\":5,\"The\":6,\"cat\":7,\"##s\":8,\"é\":9,\"e\":10,"
    "\"THE\":11}}}";
static const char ADDED_TEXT[] = "the covid COVID <e1> <e2> [mask] [MASK] catcovid";

static const struct {
    const char *what;
    bool json;
    const char *config, *added, *special;
    size_t count;
    int32_t ids[20];
} ADDED_CASES[] = {
    {"nothing is added",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\"}",
     NULL,
     NULL,
     16,
     {2, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 3}},
    {"added_tokens.json",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\"}",
     "{\"covid\":13,\"<e1>\":12}",
     NULL,
     15,
     {2, 5, 13, 13, 12, 1, 1, 1, 1, 1, 1, 4, 7, 13, 3}},
    {"added_tokens.json alone",
     false,
     NULL,
     "{\"covid\":12}",
     NULL,
     17,
     {2, 5, 12, 12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 7, 12, 3}},
    {"added_tokens.json beside tokenizer.json",
     true,
     "{\"tokenizer_class\":\"BertTokenizer\"}",
     "{\"covid\":12,\"<e1>\":13}",
     NULL,
     15,
     {2, 5, 12, 12, 13, 1, 1, 1, 1, 1, 1, 4, 7, 12, 3}},
    {"what it repeats of BERT's own",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\"}",
     "{\"[MASK]\":4}",
     NULL,
     14,
     {2, 5, 1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 1, 3}},
    {"a named special token in it",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\",\"mask_token\":\"<e1>\"}",
     "{\"<e1>\":12}",
     NULL,
     16,
     {2, 5, 1, 1, 12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3}},
    {"additional_special_tokens",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\",\"additional_special_tokens\":[\"<e1>\",\"<e2>\","
     "\"cat\"]}",
     NULL,
     NULL,
     13,
     {2, 5, 1, 1, 12, 13, 1, 1, 1, 4, 7, 1, 3}},
    {"with flags",
     true,
     "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"extra_special_tokens\":[\"<e1>\",{\"__"
     "type\":\"AddedToken\",\"content\":\"<e2>\",\"special\":true,\"normalized\":false,\"lstrip\":"
     "true}],\"additional_special_tokens\":[\"covid\"]}",
     NULL,
     NULL,
     12,
     {2, 5, 1, 1, 12, 13, 1, 1, 1, 4, 1, 3}},
    {"by names",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\",\"extra_special_tokens\":{\"foo\":\"<e1>\"},\"image_"
     "token\":\"<e2>\"}",
     NULL,
     NULL,
     12,
     {2, 5, 1, 1, 13, 12, 1, 1, 1, 4, 1, 3}},
    {"a renamed special token",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\",\"mask_token\":\"<e1>\",\"additional_special_tokens\":"
     "[\"<e2>\"]}",
     NULL,
     NULL,
     14,
     {2, 5, 1, 1, 12, 13, 1, 1, 1, 1, 1, 1, 1, 3}},
    {"special_tokens_map.json",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\"}",
     "{\"<e1>\":12,\"<e2>\":13}",
     "{\"sep_token\":\"the\",\"mask_token\":{\"content\":\"[MASK]\",\"normalized\":false,"
     "\"lstrip\":true},\"additional_special_tokens\":[\"<e1>\"]}",
     12,
     {2, 5, 1, 1, 12, 13, 1, 1, 1, 4, 1, 5}},
    {"added_tokens_decoder, the others unread",
     false,
     "{\"tokenizer_class\":\"BertTokenizer\",\"added_tokens_decoder\":{\"13\":{\"content\":\"<e1>"
     "\",\"special\":true,\"normalized\":false},\"12\":{\"content\":\"covid\",\"special\":false,"
     "\"normalized\":true}}}",
     "{\"<e2>\":14}",
     "{\"additional_special_tokens\":[\"<e2>\"]}",
     15,
     {2, 5, 12, 12, 13, 1, 1, 1, 1, 1, 1, 4, 7, 12, 3}},
    {"in place of tokenizer.json's",
     true,
     "{\"tokenizer_class\":\"BertTokenizer\",\"added_tokens_decoder\":{\"12\":{\"content\":\"e2\","
     "\"special\":false,\"normalized\":true}}}",
     NULL,
     NULL,
     16,
     {2, 5, 1, 1, 1, 1, 1, 1, 12, 1, 1, 1, 1, 4, 1, 3}},
    {"behind tokenizer.json's",
     true,
     "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"added_tokens_decoder\":{\"0\":{"
     "\"content\":\"[PAD]\",\"special\":true},\"12\":{\"content\":\"covid\",\"special\":false,"
     "\"normalized\":true}}}",
     NULL,
     NULL,
     17,
     {2, 5, 12, 12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 7, 12, 3}},
};

Test(tokenizer, tokens_added_by_the_files_beside)
{
    const char *directory = make_directory();
    for (size_t i = 0; i < sizeof ADDED_CASES / sizeof *ADDED_CASES; i++) {
        write_or_remove(directory, "vocab.txt", ADDED_CASES[i].json ? NULL : ADDED_VOCAB);
        write_or_remove(directory, "tokenizer.json", ADDED_CASES[i].json ? ADDED_JSON : NULL);
        write_or_remove(directory, "tokenizer_config.json", ADDED_CASES[i].config);
        write_or_remove(directory, "added_tokens.json", ADDED_CASES[i].added);
        write_or_remove(directory, "special_tokens_map.json", ADDED_CASES[i].special);
        br_tokenizer *t = open_directory(directory), *stored;
        br_tokenizer_sections sections;
        br_tokenizer_get_sections(t, &sections, &error);
        cr_assert_eq(br_tokenizer_open_sections(&stored, &sections, "test", &error), BERTRUN_OK,
                     "%s: %s", ADDED_CASES[i].what, error.message);
        encode(t, ADDED_TEXT, NULL, (br_encode_options){0});
        cr_expect_eq(encoding.count, ADDED_CASES[i].count, "%s", ADDED_CASES[i].what);
        cr_expect_arr_eq(encoding.ids, ADDED_CASES[i].ids, encoding.count * sizeof(int32_t), "%s",
                         ADDED_CASES[i].what);
        encode(stored, ADDED_TEXT, NULL, (br_encode_options){0});
        expect_ids(ADDED_CASES[i].ids, ADDED_CASES[i].count);
        cr_expect_eq(br_tokenizer_vocab_size(stored), br_tokenizer_vocab_size(t));
        br_tokenizer_close(&stored);
        br_tokenizer_close(&t);
    }
    remove_directory(directory);
}

/* Whether the sections of a tokenizer with so many added tokens say that they can be opened. */
static bool many_added_fit(const char *directory, size_t added)
{
    char *text = malloc(added * 24 + 3), *at = text + sprintf(text, "{");
    for (size_t i = 0; i < added; i++)
        at += sprintf(at, "%s\"t%zu\":%zu", i ? "," : "", i, 12 + i);
    sprintf(at, "}");
    write_or_remove(directory, "added_tokens.json", text);
    free(text);
    br_tokenizer *t = open_directory(directory), *stored;
    br_tokenizer_sections sections;
    br_tokenizer_get_sections(t, &sections, &error);
    bool fit = br_tokenizer_sections_fit(&sections);
    bertrun_status status = br_tokenizer_open_sections(&stored, &sections, "test", &error);
    cr_expect_eq(status, fit ? BERTRUN_OK : BERTRUN_ERR_FORMAT, "%s", error.message);
    br_tokenizer_close(&stored);
    br_tokenizer_close(&t);
    return fit;
}

Test(tokenizer, sections_of_very_many_added_tokens_do_not_fit)
{
    const char *directory = make_directory();
    write_or_remove(directory, "vocab.txt", ADDED_VOCAB);
    cr_expect(many_added_fit(directory, 25000));
    cr_expect_not(many_added_fit(directory, 150000));
    remove_directory(directory);
}

static void expect_added_refused(const char *directory, const char *name, const char *text,
                                 const char *part)
{
    br_tokenizer *t;
    write_file(directory, name, text);
    cr_expect_eq(br_tokenizer_open_directory(&t, directory, false, &error), BERTRUN_ERR_FORMAT);
    cr_expect_null(t);
    cr_expect_not_null(strstr(error.message, part), "%s", error.message);
    write_or_remove(directory, name, NULL);
}

Test(tokenizer, refuses_added_tokens_of_which_the_id_is_unsure)
{
    const char *directory = make_directory();
    write_file(directory, "vocab.txt", ADDED_VOCAB);
    expect_added_refused(directory, "added_tokens.json", "{\"covid\":20}",
                         "added token \"covid\" has id 20, but the next free one is 12");
    expect_added_refused(directory, "added_tokens.json", "{\"covid\":5}", "\"covid\" has id 5");
    expect_added_refused(directory, "added_tokens.json", "{\"covid\":\"12\"}",
                         "added_tokens.json: added token \"covid\" has no valid id");
    expect_added_refused(directory, "added_tokens.json", "[]", "added_tokens.json");
    expect_added_refused(directory, "tokenizer_config.json",
                         "{\"added_tokens_decoder\":{\"13\":{\"content\":\"covid\"}}}",
                         "\"covid\" has id 13");
    expect_added_refused(directory, "tokenizer_config.json", "{\"additional_special_tokens\":[7]}",
                         "tokenizer_config.json");
    expect_added_refused(directory, "special_tokens_map.json",
                         "{\"additional_special_tokens\":\"<e>\"}", "special_tokens_map.json");
    remove_directory(directory);
}

Test(tokenizer, decodes_as_it_was_written)
{
    static const char vocab[] = "[UNK]\n[CLS]\n[SEP]\nit\n'\ns\n've\nun\n##able\n!\n,\n";
    br_tokenizer *t;
    cr_assert_eq(open_with(&t, vocab, strlen(vocab),
                           CONFIG("", "{\"id\":1,\"content\":\"[CLS]\",\"special\":true}")),
                 BERTRUN_OK, "%s", error.message);
    const int32_t ids[] = {1, 3, 4, 5, 10, 7, 8, 9, 3, 6, 99, -1};
    br_text text = {{0}, 0};
    cr_assert_eq(br_tokenizer_decode(t, ids, 12, false, &text, &error), BERTRUN_OK);
    cr_expect_str_eq((char *)text.memory.data, "[CLS] it ' s, unable! it've");
    br_tokenizer_decode(t, ids, 12, true, &text, &error);
    cr_expect_str_eq((char *)text.memory.data, "it ' s, unable! it've");
    br_tokenizer_decode(t, ids, 0, true, &text, &error);
    cr_expect_str_eq((char *)text.memory.data, "");
    br_free(text.memory.data);
    br_tokenizer_close(&t);
}
