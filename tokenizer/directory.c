#include <stdio.h>
#include <string.h>

#include "common/file.h"
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

static bertrun_status read_json(json_t **root, const char *path, bertrun_error *error)
{
    br_file file;
    BR_TRY(br_file_open(&file, path, false, error));
    bertrun_status status =
        br_tokenizer_parse_json(root, (const char *)file.data, file.size, path, error);
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

static bertrun_status read_tokenizer_json(br_tokenizer *t, const char *path,
                                          const br_tokenizer_settings *settings,
                                          bertrun_error *error)
{
    json_t *root;
    BR_TRY(read_json(&root, path, error));
    bertrun_status status = br_tokenizer_config_read(&t->config, root, path, error);
    if (status == BERTRUN_OK)
        status = read_vocab_object(&t->vocabulary, root, path, error);
    json_decref(root);
    BR_TRY(status);
    return br_tokenizer_config_override(&t->config, settings, error);
}

static bertrun_status read_vocab_txt(br_tokenizer *t, const char *path,
                                     const br_tokenizer_settings *settings, bertrun_error *error)
{
    BR_TRY(br_tokenizer_config_default(&t->config, settings, error));
    return br_vocabulary_read(&t->vocabulary, path, error);
}

static bertrun_status read_settings_file(br_settings_file *file, bertrun_error *error)
{
    return br_path_is_file(file->path) ? read_json(&file->root, file->path, error) : BERTRUN_OK;
}

static bertrun_status read_settings(br_tokenizer_settings *settings, bertrun_error *error)
{
    BR_TRY(read_settings_file(&settings->config, error));
    if (json_object_get(settings->config.root, "added_tokens_decoder"))
        return BERTRUN_OK;
    BR_TRY(read_settings_file(&settings->special, error));
    BR_TRY(read_settings_file(&settings->added, error));
    if (settings->added.root && !json_is_object(settings->added.root))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: not a JSON object", settings->added.path);
    return BERTRUN_OK;
}

/* Files of a tokenizer; `json` or `vocab` is NULL where the other one was asked for. */
struct files {
    char *json, *vocab;
    br_tokenizer_settings settings;
    bool lowercase;
};

static bertrun_status read_files(br_tokenizer *t, struct files *files, bertrun_error *error)
{
    BR_TRY(read_settings(&files->settings, error));
    bool from_json = !files->vocab || (files->json && br_path_is_file(files->json));
    if (from_json)
        BR_TRY(read_tokenizer_json(t, files->json, &files->settings, error));
    else
        BR_TRY(read_vocab_txt(t, files->vocab, &files->settings, error));
    if (files->lowercase)
        t->config.normalizer.lowercase = true;
    return br_vocabulary_build(&t->vocabulary, t->config.prefix,
                               from_json ? files->json : files->vocab, error);
}

static void close_settings_file(br_settings_file *file)
{
    json_decref(file->root);
    br_free(file->path);
}

/* Opens from the files, the settings in `directory`, and frees all of them; `name` stands in
 * messages about the whole. */
static bertrun_status open_files(br_tokenizer **out, struct files *files, const char *directory,
                                 const char *name, bertrun_error *error)
{
    *out = NULL;
    bertrun_status status = BERTRUN_OK;
    br_tokenizer_settings *settings = &files->settings;
    br_tokenizer *t = br_calloc(1, sizeof(*t));
    settings->config.path = join(directory, "tokenizer_config.json");
    settings->added.path = join(directory, "added_tokens.json");
    settings->special.path = join(directory, "special_tokens_map.json");
    if (!t || !settings->config.path || !settings->added.path || !settings->special.path ||
        (!files->json && !files->vocab)) {
        br_free(t);
        status = br_fail_nomem(error);
    } else {
        status = read_files(t, files, error);
        status = br_tokenizer_finish(out, t, status, name, error);
    }
    close_settings_file(&settings->config);
    close_settings_file(&settings->added);
    close_settings_file(&settings->special);
    br_free(files->json);
    br_free(files->vocab);
    return status;
}

bertrun_status br_tokenizer_open_directory(br_tokenizer **out, const char *directory,
                                           bool lowercase, bertrun_error *error)
{
    struct files files = {.json = join(directory, "tokenizer.json"),
                          .vocab = join(directory, "vocab.txt"),
                          .lowercase = lowercase};
    if (!files.json || !files.vocab) {
        br_free(files.json);
        br_free(files.vocab);
        files.json = files.vocab = NULL;
    }
    return open_files(out, &files, directory, directory, error);
}

bertrun_status br_tokenizer_open_file(br_tokenizer **out, const char *path, bertrun_error *error)
{
    static const char suffix[] = ".json";
    size_t length = strlen(path);
    bool json = length >= strlen(suffix) && strcmp(path + length - strlen(suffix), suffix) == 0;
    const char *slash = strrchr(path, '/');
    char *directory = slash ? br_strndup(path, (size_t)(slash - path) + 1) : br_strndup("./", 2);
    char *copy = directory ? br_strndup(path, length) : NULL;
    struct files files = {.json = json ? copy : NULL, .vocab = json ? NULL : copy};
    bertrun_status status = open_files(out, &files, directory ? directory : "", path, error);
    br_free(directory);
    return status;
}
