#include "tokenizer/vocabulary.h"

#include <string.h>

#include "common/file.h"

/*
 * The table: this header, then starts[count + 1], then the trie's units and tails. Stored in the
 * byte order and with the bit fields of the machine that built it; `layout` tells whether they are
 * this machine's.
 */
struct table_header {
    char magic[8];
    uint32_t count, num_units;
    br_trie_unit layout; /* LAYOUT */
    uint32_t tails_size;
};

static const char MAGIC[8] = "BRTOKEN2";
static const br_trie_unit LAYOUT = {.base = 0x01020304, .label = 0x15, .value = 0x123456};

static size_t units_begin(size_t count)
{
    return sizeof(struct table_header) + (count + 1) * sizeof(uint32_t);
}

static size_t table_size(const struct table_header *header)
{
    return units_begin(header->count) + header->num_units * sizeof(br_trie_unit) +
           header->tails_size;
}

static void point_into(br_vocabulary *v, const void *table)
{
    const struct table_header *header = table;
    v->table = table;
    v->table_size = table_size(header);
    v->count = header->count;
    v->starts = (const uint32_t *)(header + 1);
    v->trie.units = (const br_trie_unit *)(v->starts + v->count + 1);
    v->trie.num_units = header->num_units;
    v->trie.tails = (const char *)(v->trie.units + v->trie.num_units);
    v->trie.tails_size = header->tails_size;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* Fills starts[count + 1]. */
static bertrun_status find_lines(const br_vocabulary *v, uint32_t *starts, size_t count,
                                 const char *name, bertrun_error *error)
{
    const char *line = v->text, *end = v->text + v->text_size;
    for (size_t i = 0; i < count; i++) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (line_end - line > BR_MAX_TOKEN_BYTES)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: line %zu is longer than %d bytes", name,
                           i + 1, BR_MAX_TOKEN_BYTES);
        starts[i] = (uint32_t)(line - v->text);
        line = line_end + 1;
    }
    starts[count] = (uint32_t)v->text_size;
    return BERTRUN_OK;
}

static bertrun_status compile(br_vocabulary *v, const br_lines *lines, size_t walk_depth,
                              const char *name, bertrun_error *error)
{
    br_trie trie;
    void *table;
    size_t duplicate;
    bertrun_status status = br_trie_build(&trie, &table, units_begin(lines->count), lines,
                                          walk_depth, &duplicate, error);
    if (status == BERTRUN_ERR_FORMAT)
        return br_fail(error, status, "%s: line %zu repeats the token \"%.*s\"", name,
                       duplicate + 1, (int)br_line_length(lines, duplicate),
                       lines->text + lines->starts[duplicate]);
    BR_TRY(status);
    struct table_header *header = table;
    *header = (struct table_header){.count = (uint32_t)lines->count,
                                    .num_units = (uint32_t)trie.num_units,
                                    .layout = LAYOUT,
                                    .tails_size = (uint32_t)trie.tails_size};
    memcpy(header->magic, MAGIC, sizeof(MAGIC));
    memcpy(header + 1, lines->starts, (lines->count + 1) * sizeof(*lines->starts));
    v->owned_table = table;
    point_into(v, table);
    return BERTRUN_OK;
}

/* Copies text with its line ends made "\n"; returns the bytes written. */
static size_t copy_lines(char *out, const char *text, size_t size)
{
    char *at = out;
    for (const char *end = text + size, *next; text < end; text = next) {
        const char *mark = memchr(text, '\r', (size_t)(end - text));
        bool ends_line = mark && mark + 1 < end && mark[1] == '\n';
        next = mark ? mark + 1 : end;
        size_t part = (size_t)((ends_line ? mark : next) - text);
        memcpy(at, text, part);
        at += part;
    }
    return (size_t)(at - out);
}

bertrun_status br_vocabulary_read(br_vocabulary *out, const char *path, bertrun_error *error)
{
    br_file file;
    BR_TRY(br_file_open(&file, path, false, error));
    char *text = br_alloc(file.size + 1, 1);
    size_t size = text ? copy_lines(text, (const char *)file.data, file.size) : 0;
    br_file_close(&file);
    if (!text)
        return br_fail_nomem(error);
    if (size && text[size - 1] != '\n')
        text[size++] = '\n';
    out->text = out->owned_text = text;
    out->text_size = size;
    return BERTRUN_OK;
}

bertrun_status br_vocabulary_build(br_vocabulary *out, const char *prefix, const char *name,
                                   bertrun_error *error)
{
    if (out->text_size == 0)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the vocabulary is empty", name);
    if (out->text_size > UINT32_MAX)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the vocabulary is larger than 4 GB", name);
    if (out->text[out->text_size - 1] != '\n')
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the last line has no end", name);
    const char *nul = memchr(out->text, '\0', out->text_size);
    if (nul)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: NUL byte at offset %zu", name,
                       (size_t)(nul - out->text));
    size_t count = count_lines(out->text, out->text_size);
    if (count > BR_MAX_TOKENS)
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: %zu tokens, more than %d", name, count,
                       BR_MAX_TOKENS);
    uint32_t *starts = br_alloc(count + 1, sizeof(*starts));
    if (!starts)
        return br_fail_nomem(error);
    bertrun_status status = find_lines(out, starts, count, name, error);
    if (status == BERTRUN_OK)
        status = compile(out, &(br_lines){out->text, starts, count}, strlen(prefix), name, error);
    br_free(starts);
    return status;
}

bertrun_status br_vocabulary_load(br_vocabulary *out, const void *table, size_t size, bool *fresh,
                                  const char *name, bertrun_error *error)
{
    const struct table_header *header = table;
    *fresh = (uintptr_t)table % _Alignof(struct table_header) == 0 && size >= sizeof(*header) &&
             memcmp(header->magic, MAGIC, sizeof(MAGIC)) == 0 &&
             memcmp(&header->layout, &LAYOUT, sizeof(LAYOUT)) == 0;
    if (!*fresh)
        return BERTRUN_OK;
    if (header->count > BR_MAX_TOKENS || size != table_size(header))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the tokenizer's table has a wrong size",
                       name);
    point_into(out, table);
    return BERTRUN_OK;
}

void br_vocabulary_free(br_vocabulary *vocabulary)
{
    br_free(vocabulary->owned_text);
    br_free(vocabulary->owned_table);
    *vocabulary = (br_vocabulary){0};
}

const char *br_vocabulary_token(const br_vocabulary *v, int32_t id, size_t *length)
{
    if (id < 0 || (size_t)id >= v->count)
        return NULL;
    size_t begin = v->starts[id], end = v->starts[id + 1]; /* end: past the line break */
    if (begin + 1 >= end || end > v->text_size)
        return NULL;
    *length = end - begin - 1;
    return v->text + begin;
}

int32_t br_vocabulary_id(const br_vocabulary *vocabulary, const char *token, size_t length)
{
    int32_t id = br_trie_find(&vocabulary->trie, token, length);
    return (size_t)id < vocabulary->count ? id : -1;
}
