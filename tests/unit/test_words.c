/* The words of a language model: vocab.txt, what a `.bin` stores of it, and how text is cut. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tokenizer/words.h"

static const char VOCAB[] = "<unk>\n<eos>\nthe\ncaf\xc3\xa9\n\xff\n";

static bertrun_error error;

static bertrun_status open_text(br_words *words, const char *text, size_t size)
{
    char path[] = "/tmp/bertrun-words-XXXXXX";
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, text, size), (ssize_t)size);
    close(file);
    bertrun_status status = br_words_open_file(words, path, &error);
    unlink(path);
    return status;
}

static int32_t id(const br_words *words, const char *word)
{
    return br_words_id(words, word, strlen(word));
}

static void expect_words(const br_words *words)
{
    size_t length;
    cr_expect_eq(words->vocabulary.count, 5);
    cr_expect_eq(words->unknown, 0);
    cr_expect_eq(id(words, "<unk>"), 0);
    cr_expect_eq(id(words, "<eos>"), 1);
    cr_expect_eq(id(words, "the"), 2);
    cr_expect_eq(id(words, "caf\xc3\xa9"), 3);
    cr_expect_eq(id(words, "\xff"), 4);
    cr_expect_eq(id(words, "The"), 0, "words are taken as they are");
    cr_expect_eq(id(words, "th"), 0, "the beginning of a word is another word");
    cr_expect_eq(id(words, "them"), 0);
    cr_expect_eq(id(words, ""), 0);
    cr_expect_eq(memcmp(br_vocabulary_token(&words->vocabulary, 3, &length), "caf\xc3\xa9", 5), 0);
    cr_expect_eq(length, 5);
    cr_expect_null(br_vocabulary_token(&words->vocabulary, 5, &length));
    cr_expect_null(br_vocabulary_token(&words->vocabulary, -1, &length));
}

Test(words, file)
{
    br_words words;
    cr_assert_eq(open_text(&words, VOCAB, strlen(VOCAB)), BERTRUN_OK, "%s", error.message);
    expect_words(&words);
    br_words_free(&words);
}

Test(words, line_ends_may_be_crlf_or_missing_at_the_end)
{
    static const char text[] = "<unk>\r\n<eos>\r\nthe\r\ncaf\xc3\xa9\r\n\xff";
    br_words words;
    cr_assert_eq(open_text(&words, text, strlen(text)), BERTRUN_OK, "%s", error.message);
    expect_words(&words);
    br_words_free(&words);
}

Test(words, without_unk_unknown_words_have_no_id)
{
    br_words words;
    cr_assert_eq(open_text(&words, "<eos>\nthe\n", 10), BERTRUN_OK, "%s", error.message);
    cr_expect_eq(words.unknown, -1);
    cr_expect_eq(id(&words, "the"), 1);
    cr_expect_eq(id(&words, "man"), -1);
    br_words_free(&words);
}

Test(words, damaged_files_are_refused)
{
    static const struct {
        const char *text;
        size_t size;
        const char *message;
    } cases[] = {
        {"", 0, "the vocabulary is empty"},
        {"<unk>\nthe\nman\nthe\n", 18, "line 4 repeats the token \"the\""},
        {"<unk>\nt\0e\n", 10, "NUL byte at offset 7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        br_words words;
        cr_expect_eq(open_text(&words, cases[i].text, cases[i].size), BERTRUN_ERR_FORMAT);
        cr_expect(strstr(error.message, cases[i].message), "\"%s\" for \"%s\"", error.message,
                  cases[i].message);
        cr_expect_eq(words.vocabulary.count, 0);
        cr_expect_null(words.vocabulary.owned_text);
    }
    br_words words;
    cr_expect_eq(br_words_open_file(&words, "/nowhere/vocab.txt", &error), BERTRUN_ERR_IO);
    cr_expect(strstr(error.message, "/nowhere/vocab.txt"), "%s", error.message);
}

Test(words, sections_of_a_file)
{
    br_words built, words;
    cr_assert_eq(open_text(&built, VOCAB, strlen(VOCAB)), BERTRUN_OK);
    const br_vocabulary *v = &built.vocabulary;
    cr_assert_eq(br_words_open_sections(&words, v->text, v->text_size, v->table, v->table_size,
                                        "lstm.bin", &error),
                 BERTRUN_OK, "%s", error.message);
    cr_expect_null(words.vocabulary.owned_table, "a table that fits is not built again");
    expect_words(&words);
    br_words_free(&words);
    cr_assert_eq(
        br_words_open_sections(&words, v->text, v->text_size, "stale", 5, "lstm.bin", &error),
        BERTRUN_OK, "%s", error.message);
    cr_expect_not_null(words.vocabulary.owned_table);
    expect_words(&words);
    br_words_free(&words);
    cr_expect_eq(br_words_open_sections(&words, v->text, v->text_size, v->table, v->table_size - 1,
                                        "lstm.bin", &error),
                 BERTRUN_ERR_FORMAT);
    cr_expect(strstr(error.message, "lstm.bin: the tokenizer's table has a wrong size"), "%s",
              error.message);
    cr_expect_eq(br_words_open_sections(&words, "a\na\n", 4, NULL, 0, "lstm.bin", &error),
                 BERTRUN_ERR_FORMAT);
    br_words_free(&built);
}

Test(words, cut_at_white_space_as_str_split)
{
    /* no-break space, ideographic space, U+001C and U+0085 are white space; U+200B is not */
    static const char text[] =
        " \t the\n\xc2\xa0man\xe3\x80\x80sat\x1con\xc2\x85it\xe2\x80\x8bs \xff ";
    static const char *const expected[] = {"the", "man", "sat", "on", "it\xe2\x80\x8bs", "\xff"};
    size_t begin = 0, size = 0;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++, begin += size) {
        cr_assert(br_words_next(text, strlen(text), &begin, &size), "word %zu", i);
        cr_expect(size == strlen(expected[i]) && memcmp(text + begin, expected[i], size) == 0,
                  "word %zu: \"%.*s\"", i, (int)size, text + begin);
    }
    cr_expect_not(br_words_next(text, strlen(text), &begin, &size));
    begin = 0;
    cr_expect_not(br_words_next("", 0, &begin, &size));
}
