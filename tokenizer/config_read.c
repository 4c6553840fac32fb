#include <math.h>
#include <string.h>

#include "common/json_size.h"
#include "tokenizer/config_private.h"

enum { MAX_PIECES = 4096 };
static const double ABSURD_LENGTH = 1e9; /* "no limit" is written as 1e30 */

static bertrun_status bad(const struct br_config_reader *r, const char *what)
{
    return br_fail(r->error, BERTRUN_ERR_FORMAT, "%s: %s", r->name, what);
}

/* A vocabulary as JSON takes up to 15 times its text: 140 MB for the 500,000 tokens of LaBSE. */
bool br_tokenizer_json_fits(const char *text, size_t size)
{
    enum { SMALL = 2 << 20, VOCABULARY_FACTOR = 16 };
    size_t more = size > SMALL ? VOCABULARY_FACTOR * (size - SMALL) : 0;
    return br_json_memory(text, size) <= BR_JSON_MEMORY + more;
}

bertrun_status br_tokenizer_parse_json(json_t **root, const char *text, size_t size,
                                       const char *name, bertrun_error *error)
{
    json_error_t problem;
    *root = NULL;
    if (!br_tokenizer_json_fits(text, size))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: too much JSON", name);
    *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &problem);
    if (*root)
        return BERTRUN_OK;
    if (json_error_code(&problem) == json_error_out_of_memory)
        return br_fail_nomem(error);
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: line %d: %s", name, problem.line, problem.text);
}

bool br_config_flag(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

/* Refuses the flags `keys`, of which the last is NULL, that are there and are none. */
static bertrun_status check_flags(const struct br_config_reader *r, const json_t *object,
                                  const char *const *keys)
{
    for (; *keys; keys++) {
        const json_t *value = json_object_get(object, *keys);
        if (value && !json_is_boolean(value) && !json_is_null(value))
            return br_fail(r->error, BERTRUN_ERR_FORMAT, "%s: \"%s\" is neither true nor false",
                           r->name, *keys);
    }
    return BERTRUN_OK;
}

/* Refuses what is there, not null, and not of the type that `good` says. */
static bertrun_status check_part(const struct br_config_reader *r, const json_t *value, bool good,
                                 const char *key, const char *wanted)
{
    if (good || !value || json_is_null(value))
        return BERTRUN_OK;
    return br_fail(r->error, BERTRUN_ERR_FORMAT, "%s: \"%s\" is not %s", r->name, key, wanted);
}

int64_t br_config_count(const json_t *value, double limit)
{
    double number = json_number_value(value);
    bool good = json_is_number(value) && number >= 0 && number <= limit && floor(number) == number;
    return good ? (int64_t)number : -1;
}

bertrun_status br_config_copy(const struct br_config_reader *r, const char *text, size_t length,
                              char **out)
{
    if (memchr(text, '\n', length) || memchr(text, '\0', length))
        return bad(r, "a token holds a line break or a NUL");
    *out = br_strndup(text, length);
    return *out ? BERTRUN_OK : br_fail_nomem(r->error);
}

bertrun_status br_config_token(const struct br_config_reader *r, const json_t *object,
                               const char *key, const char *fallback, char **out, size_t *length)
{
    const json_t *value = json_object_get(object, key);
    BR_TRY(check_part(r, value, json_is_string(value), key, "a string"));
    const char *text = json_is_string(value) ? json_string_value(value) : fallback;
    if (!text)
        return br_fail(r->error, BERTRUN_ERR_FORMAT, "%s: \"%s\" is missing", r->name, key);
    *length = json_is_string(value) ? json_string_length(value) : strlen(fallback);
    return br_config_copy(r, text, *length, out);
}

/* Refuses an object whose "type" is another one than BERT's. */
static bertrun_status require_type(const struct br_config_reader *r, const json_t *object,
                                   const char *part, const char *wanted)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    if (type && strcmp(type, wanted) == 0)
        return BERTRUN_OK;
    return br_fail(r->error, BERTRUN_ERR_UNSUPPORTED,
                   "%s: its %s is of type %s; only BERT's %s is supported", r->name, part,
                   type ? type : "none", wanted);
}

static bertrun_status read_model(const struct br_config_reader *r, const json_t *model,
                                 br_tokenizer_config *out)
{
    /* Early files have no "type"; the prefix tells them. */
    if (json_object_get(model, "type") || !json_object_get(model, "continuing_subword_prefix"))
        BR_TRY(require_type(r, model, "model", "WordPiece"));
    size_t length;
    BR_TRY(br_config_token(r, model, "unk_token", "[UNK]", &out->unk_token, &length));
    BR_TRY(br_config_token(r, model, "continuing_subword_prefix", "##", &out->prefix, &length));
    out->max_word_chars = BR_DEFAULT_WORD_CHARS;
    const json_t *chars = json_object_get(model, "max_input_chars_per_word");
    if (chars) {
        int64_t count = br_config_count(chars, ABSURD_LENGTH);
        if (count < 0)
            return bad(r, "max_input_chars_per_word is out of range");
        out->max_word_chars = (size_t)count;
    }
    return BERTRUN_OK;
}

static bertrun_status read_normalizer(const struct br_config_reader *r, const json_t *root,
                                      br_tokenizer_config *out)
{
    static const char *const keys[] = {"clean_text", "handle_chinese_chars", "lowercase",
                                       "strip_accents", NULL};
    const json_t *normalizer = json_object_get(root, "normalizer");
    BR_TRY(require_type(r, normalizer, "normalizer", "BertNormalizer"));
    BR_TRY(require_type(r, json_object_get(root, "pre_tokenizer"), "pre_tokenizer",
                        "BertPreTokenizer"));
    BR_TRY(check_flags(r, normalizer, keys));
    br_normalizer_flags *flags = &out->normalizer;
    flags->clean_text = br_config_flag(normalizer, "clean_text", true);
    flags->handle_chinese_chars = br_config_flag(normalizer, "handle_chinese_chars", true);
    flags->lowercase = br_config_flag(normalizer, "lowercase", true);
    flags->strip_accents = br_config_flag(normalizer, "strip_accents", flags->lowercase);
    return BERTRUN_OK;
}

bertrun_status br_config_added(const struct br_config_reader *r, const json_t *value, int64_t id,
                               br_added_token *out)
{
    static const char *const keys[] = {"special",     "lstrip",     "rstrip",
                                       "single_word", "normalized", NULL};
    BR_TRY(br_config_token(r, value, "content", NULL, &out->content, &out->length));
    BR_TRY(check_flags(r, value, keys));
    if (id < 0)
        return br_fail(r->error, BERTRUN_ERR_FORMAT, "%s: added token \"%s\" has no valid id",
                       r->name, out->content);
    out->id = (int32_t)id;
    out->special = br_config_flag(value, "special", false);
    out->lstrip = br_config_flag(value, "lstrip", false);
    out->rstrip = br_config_flag(value, "rstrip", false);
    out->single_word = br_config_flag(value, "single_word", false);
    out->normalized = br_config_flag(value, "normalized", !out->special);
    return BERTRUN_OK;
}

static bool allocate_added(br_tokenizer_config *out, size_t count)
{
    out->added = br_calloc(count ? count : 1, sizeof(*out->added));
    return out->added != NULL;
}

static bertrun_status read_added(const struct br_config_reader *r, const json_t *list,
                                 br_tokenizer_config *out)
{
    size_t index;
    json_t *value;
    BR_TRY(check_part(r, list, json_is_array(list), "added_tokens", "an array"));
    if (!allocate_added(out, json_array_size(list)))
        return br_fail_nomem(r->error);
    json_array_foreach(list, index, value)
    {
        BR_TRY(check_part(r, value, json_is_object(value), "added_tokens", "an array of objects"));
        int64_t id = br_config_count(json_object_get(value, "id"), INT32_MAX / 2);
        BR_TRY(br_config_added(r, value, id, &out->added[out->num_added++]));
    }
    return BERTRUN_OK;
}

static bertrun_status allocate_pieces(const struct br_config_reader *r, br_template *out,
                                      size_t count)
{
    if (count > MAX_PIECES)
        return bad(r, "its template is too long");
    out->pieces = br_calloc(count ? count : 1, sizeof(*out->pieces));
    return out->pieces ? BERTRUN_OK : br_fail_nomem(r->error);
}

static bertrun_status add_piece(const struct br_config_reader *r, br_template *out, int kind,
                                const char *token, int type_id)
{
    br_template_piece *piece = &out->pieces[out->count++];
    piece->kind = kind;
    piece->type_id = (uint8_t)type_id;
    if (token && !(piece->token = br_strndup(token, strlen(token))))
        return br_fail_nomem(r->error);
    return BERTRUN_OK;
}

bertrun_status br_config_bert_template(const struct br_config_reader *r, br_tokenizer_config *out,
                                       const char *cls, const char *sep)
{
    for (int pair = 0; pair <= 1; pair++) {
        br_template *template = pair ? &out->pair : &out->single;
        BR_TRY(allocate_pieces(r, template, 5));
        if (cls)
            BR_TRY(add_piece(r, template, BR_PIECE_TOKEN, cls, 0));
        BR_TRY(add_piece(r, template, BR_PIECE_FIRST, NULL, 0));
        if (sep)
            BR_TRY(add_piece(r, template, BR_PIECE_TOKEN, sep, 0));
        if (pair)
            BR_TRY(add_piece(r, template, BR_PIECE_SECOND, NULL, 1));
        if (pair && sep)
            BR_TRY(add_piece(r, template, BR_PIECE_TOKEN, sep, 1));
    }
    return BERTRUN_OK;
}

/* One piece of a TemplateProcessing: {"SpecialToken": {"id", "type_id"}} or {"Sequence": ...}. A
 * special token may stand for several tokens of the vocabulary. */
static bertrun_status read_piece(const struct br_config_reader *r, const json_t *value,
                                 const json_t *special_tokens, br_template *out)
{
    const json_t *sequence = json_object_get(value, "Sequence");
    const json_t *special = json_object_get(value, "SpecialToken");
    const json_t *body = sequence ? sequence : special;
    const char *id = json_string_value(json_object_get(body, "id"));
    int64_t type_id = br_config_count(json_object_get(body, "type_id"), UINT8_MAX);
    if (!id || type_id < 0)
        return bad(r, "a piece of its template is malformed");
    if (sequence)
        return add_piece(r, out, strcmp(id, "A") == 0 ? BR_PIECE_FIRST : BR_PIECE_SECOND, NULL,
                         (int)type_id);
    const json_t *tokens = json_object_get(json_object_get(special_tokens, id), "tokens");
    if (json_array_size(tokens) > 1)
        return br_fail(r->error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: its template's \"%s\" stands for several tokens", r->name, id);
    const char *token = json_string_value(json_array_get(tokens, 0));
    return add_piece(r, out, BR_PIECE_TOKEN, token ? token : id, (int)type_id);
}

static bertrun_status read_pieces(const struct br_config_reader *r, const json_t *list,
                                  const json_t *special_tokens, br_template *out, bool pair)
{
    size_t index, texts[2] = {0};
    json_t *value;
    BR_TRY(allocate_pieces(r, out, json_array_size(list)));
    json_array_foreach(list, index, value) BR_TRY(read_piece(r, value, special_tokens, out));
    for (size_t i = 0; i < out->count; i++)
        if (out->pieces[i].kind != BR_PIECE_TOKEN)
            texts[out->pieces[i].kind == BR_PIECE_SECOND]++;
    if (texts[0] != 1 || texts[1] != (pair ? 1 : 0))
        return bad(r, "its template does not hold each text once");
    return BERTRUN_OK;
}

static bertrun_status read_template(const struct br_config_reader *r, const json_t *processor,
                                    br_tokenizer_config *out)
{
    const char *type = json_string_value(json_object_get(processor, "type"));
    if (!processor || json_is_null(processor))
        return br_config_bert_template(r, out, NULL, NULL);
    if (type && strcmp(type, "BertProcessing") == 0) {
        const json_t *cls = json_array_get(json_object_get(processor, "cls"), 0);
        const json_t *sep = json_array_get(json_object_get(processor, "sep"), 0);
        if (!json_is_string(cls) || !json_is_string(sep))
            return bad(r, "its BertProcessing names no cls or sep");
        return br_config_bert_template(r, out, json_string_value(cls), json_string_value(sep));
    }
    BR_TRY(require_type(r, processor, "post_processor", "TemplateProcessing"));
    const json_t *tokens = json_object_get(processor, "special_tokens");
    BR_TRY(read_pieces(r, json_object_get(processor, "single"), tokens, &out->single, false));
    return read_pieces(r, json_object_get(processor, "pair"), tokens, &out->pair, true);
}

size_t br_config_length(const json_t *value)
{
    int64_t length = br_config_count(value, ABSURD_LENGTH);
    return length > 0 ? (size_t)length : 0;
}

static bertrun_status read_decoder(const struct br_config_reader *r, const json_t *decoder,
                                   br_tokenizer_config *out)
{
    static const char *const keys[] = {"cleanup", NULL};
    BR_TRY(check_part(r, decoder, json_is_object(decoder), "decoder", "an object"));
    BR_TRY(check_flags(r, decoder, keys));
    out->cleanup = br_config_flag(decoder, "cleanup", true);
    return BERTRUN_OK;
}

static bertrun_status read_truncation(const struct br_config_reader *r, const json_t *truncation,
                                      br_tokenizer_config *out)
{
    const json_t *length = json_object_get(truncation, "max_length");
    BR_TRY(check_part(r, truncation, json_is_object(truncation), "truncation", "an object"));
    BR_TRY(check_part(r, length, json_number_value(length) > 0, "max_length", "a positive number"));
    out->max_length = br_config_length(length);
    return BERTRUN_OK;
}

bertrun_status br_tokenizer_config_read(br_tokenizer_config *out, const json_t *root,
                                        const char *name, bertrun_error *error)
{
    struct br_config_reader r = {name, error};
    if (!json_is_object(root))
        return bad(&r, "not a JSON object");
    BR_TRY(read_model(&r, json_object_get(root, "model"), out));
    BR_TRY(read_normalizer(&r, root, out));
    BR_TRY(read_added(&r, json_object_get(root, "added_tokens"), out));
    BR_TRY(read_template(&r, json_object_get(root, "post_processor"), out));
    BR_TRY(read_decoder(&r, json_object_get(root, "decoder"), out));
    return read_truncation(&r, json_object_get(root, "truncation"), out);
}
