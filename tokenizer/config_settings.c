/*
 * The files beside a tokenizer.json or a vocab.txt, read in the order of transformers: tokens that
 * are listed with ids, then the named special tokens, then further ones.
 */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/config_private.h"

/* The general classes take tokenizer.json as it is; BERT's own set its normalizer anew. */
static bool is_general_class(const json_t *settings)
{
    const char *class = json_string_value(json_object_get(settings, "tokenizer_class"));
    return class && (strcmp(class, "PreTrainedTokenizerFast") == 0 ||
                     strcmp(class, "TokenizersBackend") == 0);
}

static void override(br_tokenizer_config *config, const json_t *settings)
{
    br_normalizer_flags *flags = &config->normalizer;
    size_t max_length = br_config_length(json_object_get(settings, "model_max_length"));
    if (max_length)
        config->max_length = max_length;
    if (is_general_class(settings))
        return;
    if (json_is_boolean(json_object_get(settings, "do_lower_case"))) {
        flags->lowercase = br_config_flag(settings, "do_lower_case", true);
        flags->strip_accents = flags->lowercase; /* unless said otherwise */
    }
    flags->strip_accents = br_config_flag(settings, "strip_accents", flags->strip_accents);
    flags->handle_chinese_chars =
        br_config_flag(settings, "tokenize_chinese_chars", flags->handle_chinese_chars);
}

static const struct {
    const char *key, *token; /* token: BERT's name of it, NULL: none */
} NAMED[] = {{"bos_token", NULL},     {"eos_token", NULL},    {"unk_token", "[UNK]"},
             {"sep_token", "[SEP]"},  {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"},
             {"mask_token", "[MASK]"}};
enum { NUM_NAMED = sizeof(NAMED) / sizeof(NAMED[0]) };

/* What the files say of a named special token, a string or {"content": ...}; NULL: nothing. */
static const json_t *named(const br_tokenizer_settings *settings, const char *key,
                           const br_settings_file **file)
{
    const br_settings_file *files[] = {&settings->special, &settings->config};
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(files[i]->root, key);
        *file = files[i];
        if (json_is_string(value) || json_is_object(value))
            return value;
    }
    return NULL;
}

static const char *name_of(const br_tokenizer_settings *settings, const char *key,
                           const char *fallback)
{
    const br_settings_file *file;
    const json_t *value = named(settings, key, &file);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) ? json_string_value(value) : fallback;
}

/* Appends a token that is a string, its flags those of a special one, or an object with flags. */
static bertrun_status add_special(br_tokenizer_config *out, const json_t *value, int32_t id,
                                  const br_settings_file *file, bertrun_error *error)
{
    struct br_config_reader r = {file->path, error};
    br_added_token *token = &out->added[out->num_added++];
    *token = (br_added_token){.special = true};
    if (json_is_object(value)) {
        BR_TRY(br_config_added(&r, value, 0, token));
    } else if (json_is_string(value)) {
        token->length = json_string_length(value);
        BR_TRY(br_config_copy(&r, json_string_value(value), token->length, &token->content));
    } else {
        out->num_added--;
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: an added token is no string", file->path);
    }
    token->id = id;
    return BERTRUN_OK;
}

/* The named special tokens; those that are called as BERT calls them are dropped where the
 * vocabulary lacks them, so that models without a [MASK] can be read. */
static bertrun_status add_named(br_tokenizer_config *out, const br_tokenizer_settings *settings,
                                bool defaults, bertrun_error *error)
{
    for (size_t i = 0; i < NUM_NAMED; i++) {
        const br_settings_file *file;
        const json_t *value = named(settings, NAMED[i].key, &file);
        if (value) {
            BR_TRY(add_special(out, value, BR_ID_NEXT, file, error));
            br_added_token *token = &out->added[out->num_added - 1];
            if (NAMED[i].token && strcmp(token->content, NAMED[i].token) == 0)
                token->id = BR_ID_NONE;
            token->special = true;
            token->normalized = token->normalized && json_object_get(value, "normalized");
        } else if (defaults && NAMED[i].token) {
            br_added_token *token = &out->added[out->num_added++];
            *token = (br_added_token){
                .length = strlen(NAMED[i].token), .id = BR_ID_DEFAULT, .special = true};
            token->content = br_strndup(NAMED[i].token, token->length);
            if (!token->content)
                return br_fail_nomem(error);
        }
    }
    return BERTRUN_OK;
}

static bool is_named(const char *key)
{
    for (size_t i = 0; i < NUM_NAMED; i++)
        if (strcmp(key, NAMED[i].key) == 0)
            return true;
    return false;
}

/* Special tokens of a model's own: "image_token": "<image>". */
static bertrun_status add_own(br_tokenizer_config *out, const br_settings_file *file,
                              bertrun_error *error)
{
    static const char suffix[] = "_token";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)file->root, key, value)
    {
        size_t length = strlen(key), end = strlen(suffix);
        if (length >= end && strcmp(key + length - end, suffix) == 0 && !is_named(key) &&
            json_is_string(value))
            BR_TRY(add_special(out, value, BR_ID_NEXT, file, error));
    }
    return BERTRUN_OK;
}

/* The further special tokens of a file, a list or an object of them. */
static const json_t *further(const br_settings_file *file)
{
    const json_t *extra = json_object_get(file->root, "extra_special_tokens");
    bool some = json_array_size(extra) || json_object_size(extra);
    return some ? extra : json_object_get(file->root, "additional_special_tokens");
}

static bertrun_status add_further(br_tokenizer_config *out, const br_settings_file *file,
                                  bertrun_error *error)
{
    const json_t *tokens = further(file);
    const char *key;
    json_t *value;
    size_t index;
    if (tokens && !json_is_array(tokens) && !json_is_object(tokens) && !json_is_null(tokens))
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: its special tokens are neither an array nor an object", file->path);
    json_array_foreach(tokens, index, value)
        BR_TRY(add_special(out, value, BR_ID_NEXT, file, error));
    json_object_foreach((json_t *)tokens, key, value)
        BR_TRY(add_special(out, value, BR_ID_NEXT, file, error));
    return BERTRUN_OK;
}

static int by_id(const void *a, const void *b)
{
    const br_added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* added_tokens_decoder: {"id": {"content": ..., flags}}. */
static bertrun_status add_decoder(br_tokenizer_config *out, const json_t *decoder, const char *path,
                                  bertrun_error *error)
{
    struct br_config_reader r = {path, error};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)decoder, key, value)
    {
        char *end;
        long id = strtol(key, &end, 10);
        bool good = *key && !*end && id >= 0 && id <= INT32_MAX / 2;
        br_added_token *token = &out->added[out->num_added++];
        BR_TRY(br_config_added(&r, value, good ? id : -1, token));
        token->listed = BR_LISTED_WITH_FLAGS;
    }
    return BERTRUN_OK;
}

/* added_tokens.json: {"content": id}. */
static bertrun_status add_listed(br_tokenizer_config *out, const br_settings_file *file,
                                 bertrun_error *error)
{
    struct br_config_reader r = {file->path, error};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)file->root, key, value)
    {
        int64_t id = br_config_count(value, INT32_MAX / 2);
        if (id < 0)
            return br_fail(error, BERTRUN_ERR_FORMAT, "%s: added token \"%s\" has no valid id",
                           file->path, key);
        br_added_token *token = &out->added[out->num_added++];
        *token = (br_added_token){
            .length = strlen(key), .id = (int32_t)id, .normalized = true, .listed = BR_LISTED_BARE};
        BR_TRY(br_config_copy(&r, key, token->length, &token->content));
    }
    return BERTRUN_OK;
}

/* Room for all that the files can add. */
static bool reserve(br_tokenizer_config *out, const br_tokenizer_settings *settings)
{
    const json_t *config = settings->config.root;
    const json_t *decoder = json_object_get(config, "added_tokens_decoder");
    size_t count = out->num_added + NUM_NAMED + json_object_size(decoder) +
                   json_object_size(config) + json_object_size(settings->added.root);
    const br_settings_file *files[] = {&settings->config, &settings->special};
    for (size_t i = 0; i < 2; i++)
        count += json_array_size(further(files[i])) + json_object_size(further(files[i]));
    br_added_token *added = br_calloc(count, sizeof(*added));
    if (!added)
        return false;
    if (out->num_added)
        memcpy(added, out->added, out->num_added * sizeof(*added));
    br_free(out->added);
    out->added = added;
    return true;
}

static void forget_added(br_tokenizer_config *config)
{
    for (size_t i = 0; i < config->num_added; i++)
        br_free(config->added[i].content);
    config->num_added = 0;
}

static bertrun_status add_tokens(br_tokenizer_config *out, const br_tokenizer_settings *settings,
                                 bool defaults, bertrun_error *error)
{
    const br_settings_file *config = &settings->config;
    const json_t *decoder = json_object_get(config->root, "added_tokens_decoder");
    if (!reserve(out, settings))
        return br_fail_nomem(error);
    if (json_object_size(decoder) && !is_general_class(config->root))
        forget_added(out);
    size_t first = out->num_added;
    BR_TRY(add_decoder(out, decoder, config->path, error));
    BR_TRY(add_listed(out, &settings->added, error));
    qsort(out->added + first, out->num_added - first, sizeof(*out->added), by_id);
    BR_TRY(add_named(out, settings, defaults, error));
    BR_TRY(add_own(out, config, error));
    BR_TRY(add_further(out, config, error));
    return add_further(out, &settings->special, error);
}

bertrun_status br_tokenizer_config_override(br_tokenizer_config *config,
                                            const br_tokenizer_settings *settings,
                                            bertrun_error *error)
{
    const json_t *root = settings->config.root;
    override(config, root);
    return add_tokens(config, settings, root && !is_general_class(root), error);
}

bertrun_status br_tokenizer_config_default(br_tokenizer_config *out,
                                           const br_tokenizer_settings *settings,
                                           bertrun_error *error)
{
    struct br_config_reader r = {settings->config.path, error};
    size_t length;
    out->normalizer = (br_normalizer_flags){true, true, true, true};
    override(out, settings->config.root);
    out->max_word_chars = BR_DEFAULT_WORD_CHARS;
    out->cleanup = true;
    BR_TRY(br_config_token(&r, NULL, "unk_token", name_of(settings, "unk_token", "[UNK]"),
                           &out->unk_token, &length));
    BR_TRY(br_config_token(&r, NULL, "continuing_subword_prefix", "##", &out->prefix, &length));
    BR_TRY(add_tokens(out, settings, true, error));
    return br_config_bert_template(&r, out, name_of(settings, "cls_token", "[CLS]"),
                                   name_of(settings, "sep_token", "[SEP]"));
}
