#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/json_size.h"
#include "tokenizer/tokenizer_internal.h"

/* "directory/file" in memory of br_alloc(). */
static char *join(const char *directory, const char *file)
{
    size_t size = strlen(directory) + strlen(file) + 2;
    char *path = br_alloc(size, 1);
    if (path)
        snprintf(path, size, "%s/%s", directory, file);
    return path;
}

/* A vocabulary as JSON takes up to 15 times its text: 140 MB for the 500,000 tokens of LaBSE. */
static size_t allowed_memory(size_t size)
{
    enum { SMALL = 2 << 20, VOCABULARY_FACTOR = 16 };
    return BR_JSON_MEMORY + (size > SMALL ? VOCABULARY_FACTOR * (size - SMALL) : 0);
}

static bertrun_status read_json(json_t **root, const char *path, bertrun_error *error)
{
    br_file file;
    BR_TRY(br_file_open(&file, path, false, error));
    bertrun_status status = br_tokenizer_parse_json(root, (const char *)file.data, file.size,
                                                    allowed_memory(file.size), path, error);
    br_file_close(&file);
    return status;
}

/* A token of a tokenizer.json; its text is jansson's. */
struct token {
    const char *text;
    size_t length;
};

/* Puts the tokens of a tokenizer.json in the order of their ids. */
static bertrun_status order_tokens(json_t *vocab, struct token *tokens, size_t count,
                                   const char *path, bertrun_error *error)
{
    const char *key;
    json_t *value;
    json_object_foreach(vocab, key, value)
    {
        double id = json_number_value(value);
        if (!json_is_number(value) || !(id >= 0 && id < (double)count) || id != (size_t)id)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: token \"%s\" has no valid id", path,
                           key);
        struct token *token = &tokens[(size_t)id];
        if (token->text)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: \"%s\" and \"%s\" have the same id %zu",
                           path, token->text, key, (size_t)id);
        *token = (struct token){key, strlen(key)};
        if (memchr(key, '\n', token->length))
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: token %zu holds a line break", path,
                           (size_t)id);
    }
    return BERTRUN_OK;
}

static bertrun_status join_lines(br_vocabulary *v, const struct token *tokens, size_t count,
                                 bertrun_error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += tokens[i].length + 1;
    char *text = br_alloc(size, 1), *at = text;
    if (!text)
        return br_fail_nomem(error);
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].length)
            memcpy(at, tokens[i].text, tokens[i].length);
        at += tokens[i].length;
        *at++ = '\n';
    }
    v->text = v->owned_text = text;
    v->text_size = size;
    return BERTRUN_OK;
}

/* The vocabulary's text from a tokenizer.json; ids left out become empty lines. */
static bertrun_status read_vocab_object(br_vocabulary *v, const json_t *root, const char *path,
                                        bertrun_error *error)
{
    enum { MAX_HOLES = 65536 };
    json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab"), *value;
    const char *key;
    double last = -1;
    json_object_foreach(vocab, key, value) if (json_number_value(value) > last) last =
        json_number_value(value);
    if (json_object_size(vocab) == 0)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: it has no vocabulary", path);
    if (last > (double)(json_object_size(vocab) + MAX_HOLES))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: token ids go up to %.0f for %zu tokens",
                       path, last, json_object_size(vocab));
    size_t count = (size_t)(last < 0 ? 0 : last) + 1;
    struct token *tokens = br_calloc(count, sizeof(*tokens));
    if (!tokens)
        return br_fail_nomem(error);
    bertrun_status status = order_tokens(vocab, tokens, count, path, error);
    if (status == BERTRUN_OK)
        status = join_lines(v, tokens, count, error);
    br_free(tokens);
    return status;
}

static bertrun_status read_tokenizer_json(br_tokenizer *t, const char *path, const json_t *settings,
                                          bertrun_error *error)
{
    json_t *root;
    BR_TRY(read_json(&root, path, error));
    bertrun_status status = br_tokenizer_config_read(&t->config, root, path, error);
    if (status == BERTRUN_OK)
        status = read_vocab_object(&t->vocabulary, root, path, error);
    json_decref(root);
    br_tokenizer_config_override(&t->config, settings);
    return status;
}

static bertrun_status read_vocab_txt(br_tokenizer *t, const char *path, const json_t *settings,
                                     const char *settings_path, bertrun_error *error)
{
    BR_TRY(br_tokenizer_config_default(&t->config, settings, settings_path, error));
    return br_vocabulary_read(&t->vocabulary, path, error);
}

/* Files of a tokenizer; `json` or `vocab` is NULL where the other one was asked for. */
struct paths {
    char *json, *vocab, *settings;
    bool lowercase;
};

static bertrun_status read_files(br_tokenizer *t, const struct paths *paths, bertrun_error *error)
{
    json_t *settings = NULL;
    bertrun_status status = BERTRUN_OK;
    if (br_path_is_file(paths->settings))
        BR_TRY(read_json(&settings, paths->settings, error));
    bool from_json = !paths->vocab || (paths->json && br_path_is_file(paths->json));
    if (from_json)
        status = read_tokenizer_json(t, paths->json, settings, error);
    else
        status = read_vocab_txt(t, paths->vocab, settings, paths->settings, error);
    json_decref(settings);
    BR_TRY(status);
    if (paths->lowercase)
        t->config.normalizer.lowercase = true;
    return br_vocabulary_build(&t->vocabulary, t->config.prefix,
                               from_json ? paths->json : paths->vocab, error);
}

/* Opens from the files and frees their names; `name` stands in messages about the whole. */
static bertrun_status open_files(br_tokenizer **out, struct paths *paths, const char *name,
                                 bertrun_error *error)
{
    *out = NULL;
    bertrun_status status = BERTRUN_OK;
    br_tokenizer *t = br_calloc(1, sizeof(*t));
    if (!t || !paths->settings || (!paths->json && !paths->vocab)) {
        br_free(t);
        status = br_fail_nomem(error);
    } else {
        status = read_files(t, paths, error);
        status = br_tokenizer_finish(out, t, status, name, error);
    }
    br_free(paths->json);
    br_free(paths->vocab);
    br_free(paths->settings);
    return status;
}

bertrun_status br_tokenizer_open_directory(br_tokenizer **out, const char *directory,
                                           bool lowercase, bertrun_error *error)
{
    struct paths paths = {join(directory, "tokenizer.json"), join(directory, "vocab.txt"),
                          join(directory, "tokenizer_config.json"), lowercase};
    if (!paths.json || !paths.vocab) {
        br_free(paths.json);
        br_free(paths.vocab);
        paths.json = paths.vocab = NULL;
    }
    return open_files(out, &paths, directory, error);
}

bertrun_status br_tokenizer_open_file(br_tokenizer **out, const char *path, bertrun_error *error)
{
    static const char suffix[] = ".json";
    size_t length = strlen(path);
    bool json = length >= strlen(suffix) && strcmp(path + length - strlen(suffix), suffix) == 0;
    const char *slash = strrchr(path, '/');
    char *directory = slash ? br_strndup(path, (size_t)(slash - path) + 1) : br_strndup("./", 2);
    char *copy = br_strndup(path, length);
    struct paths paths = {json ? copy : NULL, json ? NULL : copy,
                          directory ? join(directory, "tokenizer_config.json") : NULL, false};
    br_free(directory);
    return open_files(out, &paths, path, error);
}
