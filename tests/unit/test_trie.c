/* The double array: built from strings, asked for them; whatever its units hold. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/trie.h"

/* Lines of a text that ends with a line's end. */
static br_lines split(const char *text, uint32_t *starts)
{
    size_t count = 0;
    starts[0] = 0;
    for (size_t i = 0; text[i]; i++)
        if (text[i] == '\n')
            starts[++count] = (uint32_t)i + 1;
    return (br_lines){text, starts, count};
}

enum { WALK_DEPTH = 2 };

static br_trie build(const br_lines *lines)
{
    br_trie trie;
    void *memory;
    size_t duplicate;
    cr_assert_eq(br_trie_build(&trie, &memory, 0, lines, WALK_DEPTH, &duplicate, NULL), BERTRUN_OK);
    cr_assert_eq((const void *)trie.units, memory);
    return trie;
}

/* Every line is found, and the trie has as many strings as there are lines. */
static void expect_lines(const br_trie *trie, const br_lines *lines)
{
    size_t values = 0, filled = 0;
    for (size_t i = 0; i < lines->count; i++) {
        size_t length = br_line_length(lines, i);
        cr_assert_eq(br_trie_find(trie, lines->text + lines->starts[i], length),
                     length ? (int32_t)i : -1);
        filled += length > 0;
    }
    for (size_t i = 0; i < trie->num_units; i++)
        values += trie->units[i].value > 0;
    cr_expect_eq(values, filled);
}

static int32_t longest_from(const br_trie *trie, size_t node, const char *text, size_t *length)
{
    int32_t value = -1;
    *length = br_trie_longest(trie, node, (const uint8_t *)text, strlen(text), &value);
    return value;
}

static int32_t longest(const br_trie *trie, const char *text, size_t *length)
{
    return longest_from(trie, BR_TRIE_ROOT, text, length);
}

Test(trie, finds_what_was_put_in_and_nothing_else)
{
    uint32_t starts[8];
    br_lines lines = split("a\nab\n\nabcd\nb\xff\nxyz\n", starts);
    br_trie trie = build(&lines);
    size_t length;
    expect_lines(&trie, &lines);
    cr_expect_eq(br_trie_find(&trie, "abc", 3), -1);
    cr_expect_eq(br_trie_find(&trie, "b", 1), -1);
    cr_expect_eq(longest(&trie, "abce", &length), 1);
    cr_expect_eq(length, 2);
    longest(&trie, "xy", &length);
    cr_expect_eq(length, 0);
    br_free((void *)trie.units);
}

/* Whether one string or several go on behind it, a walk ends at a node that leads to them. */
Test(trie, walks_up_to_its_depth)
{
    static const char *const texts[] = {"##abc\n", "##\n##abc\n", "##abc\n##abd\n#\n",
                                        "a\n##abc\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint32_t starts[8];
        br_lines lines = split(texts[i], starts);
        br_trie trie = build(&lines);
        size_t length, node = br_trie_walk(&trie, "##", WALK_DEPTH);
        cr_assert_lt(node, trie.num_units);
        longest_from(&trie, node, "abcd", &length);
        cr_expect_eq(length, 3);
        longest_from(&trie, node, "ab", &length);
        cr_expect_eq(length, 0);
        cr_expect_eq(br_trie_walk(&trie, "#a", 2), SIZE_MAX);
        br_free((void *)trie.units);
    }
}

Test(trie, every_pair_of_bytes)
{
    enum { COUNT = 255 * 255 };
    static char text[3 * COUNT];
    static uint32_t starts[COUNT + 1];
    for (uint32_t i = 0; i < COUNT; i++) {
        text[3 * i] = (char)(1 + i / 255);
        text[3 * i + 1] = (char)(1 + i % 255);
        starts[i + 1] = 3 * (i + 1);
    }
    br_lines lines = {text, starts, COUNT};
    br_trie trie = build(&lines);
    expect_lines(&trie, &lines);
    br_free((void *)trie.units);
}

/* Long lines that share most of their bytes, in groups of every size, some with a common end. */
Test(trie, many_that_share_long_beginnings)
{
    enum { COUNT = 3000, ROOM = 64 };
    static char text[COUNT * ROOM + 1];
    static uint32_t starts[COUNT + 1];
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) {
        int shared = i * 7 % 41, group = i % 5;
        size += (size_t)sprintf(text + size, "%d%.*s-%x\n", group, shared,
                                "##abcdefghijklmnopqrstuvwxyzabcdefghijklmnop", i);
    }
    br_lines lines = split(text, starts);
    cr_assert_eq(lines.count, COUNT);
    br_trie trie = build(&lines);
    expect_lines(&trie, &lines);
    br_free((void *)trie.units);
}

Test(trie, names_the_duplicate)
{
    static const struct {
        const char *text;
        size_t duplicate;
    } cases[] = {{"one\ntwo\none\n", 2},
                 {"exactly8\nexactly8\n", 1},
                 {"a\nmore than eight\nmore than eight\n", 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t starts[8];
        br_lines lines = split(cases[i].text, starts);
        br_trie trie;
        void *memory;
        size_t duplicate;
        cr_expect_eq(br_trie_build(&trie, &memory, 0, &lines, WALK_DEPTH, &duplicate, NULL),
                     BERTRUN_ERR_FORMAT);
        cr_expect_eq(duplicate, cases[i].duplicate);
    }
}

/* Few and many of them: there are two ways of sorting. */
Test(trie, of_repeated_lines_the_first_one_counts)
{
    static const char *const words[] = {"one", "exactly8", "more than eight", "one and more",
                                        "exactly8 and more"};
    enum { WORDS = sizeof words / sizeof *words, MANY = 200 };
    for (size_t count = WORDS; count <= MANY; count += MANY - WORDS) {
        char text[(MANY + 1) * 20];
        uint32_t starts[MANY + 2];
        size_t size = 0;
        for (size_t i = 0; i < count; i++) {
            starts[i] = (uint32_t)size;
            size += (size_t)sprintf(text + size, "%s\n", words[i * 3 % WORDS]);
        }
        starts[count] = (uint32_t)size;
        size += (size_t)sprintf(text + size, "%s\n", "one");
        starts[count + 1] = (uint32_t)size;
        br_lines lines = {text, starts, count + 1};
        br_trie trie;
        void *memory;
        cr_assert_eq(br_trie_build(&trie, &memory, 0, &lines, WALK_DEPTH, NULL, NULL), BERTRUN_OK);
        for (size_t i = 0; i < WORDS; i++) {
            const char *word = words[i * 3 % WORDS];
            cr_expect_eq(br_trie_find(&trie, word, strlen(word)), (int32_t)i, "%s", word);
        }
        br_free(memory);
    }
}

Test(trie, foreign_units_lead_nowhere_outside)
{
    enum { COUNT = 64 };
    br_trie_unit *units = br_alloc(COUNT, sizeof(*units)); /* the end of what may be read */
    uint32_t random = 2463534242;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < COUNT * sizeof(*units); i++) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            ((uint8_t *)units)[i] = (uint8_t)(random >> 16);
        }
        br_trie trie = {units, (const char *)(units + COUNT / 2), COUNT / 2,
                        COUNT / 2 * sizeof(*units)};
        size_t length;
        longest(&trie, "\x01\x02\x03\x04\x05\x06\x07", &length);
        cr_assert_leq(length, 7);
        br_trie_find(&trie, "abcdefgh", 8);
        br_trie_walk(&trie, "ab", 2);
        longest_from(&trie, (size_t)round, "\x01\x02\x03", &length);
    }
    br_free(units);
}
