#include <string.h>

#include "common/json_size.h"
#include "tokenizer/tokenizer_internal.h"

/* Gives a special token its id: by its name in the vocabulary, else among the added tokens. */
static bertrun_status resolve(const br_tokenizer *t, const char *token, int32_t *id,
                              const char *name, bertrun_error *error)
{
    *id = br_tokenizer_id(t, token, strlen(token));
    if (*id >= 0)
        return BERTRUN_OK;
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: the vocabulary has no token \"%s\"", name,
                   token);
}

static bertrun_status resolve_template(br_tokenizer *t, br_template *template, const char *name,
                                       bertrun_error *error)
{
    for (size_t i = 0; i < template->count; i++)
        if (template->pieces[i].kind == BR_PIECE_TOKEN)
            BR_TRY(resolve(t, template->pieces[i].token, &template->pieces[i].id, name, error));
    return BERTRUN_OK;
}

/* Appends a string and its end. False: out of memory. */
static bool append(br_buffer *text, size_t *used, const char *string, size_t size)
{
    if (size >= UINT32_MAX - *used || !br_buffer_grow(text, *used, *used + size + 1, 1))
        return false;
    char *at = (char *)text->data + *used;
    if (size)
        memcpy(at, string, size);
    at[size] = '\0';
    *used += size + 1;
    return true;
}

/* The vocabulary's id wins over the one an added token is listed with. `next` is the first id that
 * is free behind all others. */
static bertrun_status choose_id(const br_tokenizer *t, br_added_token *token, size_t next,
                                const char *name, bertrun_error *error)
{
    size_t length;
    int32_t id = br_vocabulary_id(&t->vocabulary, token->content, token->length);
    if (id >= 0)
        token->id = id;
    else if (token->id == BR_ID_NEXT)
        token->id = (int32_t)next;
    else if (token->listed && (size_t)token->id != next &&
             ((size_t)token->id >= t->vocabulary.count ||
              br_vocabulary_token(&t->vocabulary, token->id, &length)))
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: added token \"%s\" has id %d, but the next free one is %zu", name,
                       token->content, (int)token->id, next);
    return BERTRUN_OK;
}

/* Frees a token that an equal one stands before; of that one the flags may be missing. */
static void drop_repeated(br_added_token *first, br_added_token *token)
{
    if (first->listed == BR_LISTED_BARE && token->special) {
        first->special = true;
        first->normalized = token->id == BR_ID_DEFAULT;
    }
    br_free(token->content);
    token->content = NULL;
}

/* Leaves out added tokens that an equal one stands before. */
static bertrun_status drop_repeats(br_tokenizer *t, bertrun_error *error)
{
    br_tokenizer_config *config = &t->config;
    size_t kept = 0, used = 0;
    br_buffer text = {0};
    uint32_t *starts = br_calloc(config->num_added + 1, sizeof(*starts));
    bool room = starts != NULL;
    for (size_t i = 0; i < config->num_added && room; i++) {
        room = append(&text, &used, config->added[i].content, config->added[i].length);
        starts[i + 1] = (uint32_t)used;
    }
    br_trie trie;
    void *memory = NULL;
    const br_lines contents = {text.data, starts, config->num_added};
    bertrun_status status =
        room ? br_trie_build(&trie, &memory, 0, &contents, 0, NULL, error) : br_fail_nomem(error);
    for (size_t i = 0; i < config->num_added && status == BERTRUN_OK; i++) {
        br_added_token *token = &config->added[i];
        int32_t first = br_trie_find(&trie, token->content, token->length);
        if (token->length && first >= 0 && (size_t)first != i)
            drop_repeated(&config->added[first], token);
    }
    for (size_t i = 0; i < config->num_added && status == BERTRUN_OK; i++)
        if (config->added[i].content)
            config->added[kept++] = config->added[i];
    if (status == BERTRUN_OK)
        config->num_added = kept;
    br_free(memory);
    br_free(text.data);
    br_free(starts);
    return status;
}

/* Ids beyond the vocabulary must follow on it. Tokens without any id are dropped: they are special
 * tokens this vocabulary lacks. transformers gives them ids, so that those are not free. */
static bertrun_status place_added(br_tokenizer *t, const char *name, bertrun_error *error)
{
    br_tokenizer_config *config = &t->config;
    size_t kept = 0, dropped = 0;
    t->vocab_size = t->vocabulary.count;
    for (size_t i = 0; i < config->num_added; i++) {
        br_added_token *token = &config->added[i];
        BR_TRY(choose_id(t, token, t->vocab_size + dropped, name, error));
        if (token->id < 0 || token->length == 0) {
            dropped += token->length > 0;
            br_free(token->content);
            token->content = NULL;
            continue;
        }
        if ((size_t)token->id >= t->vocabulary.count + config->num_added)
            return br_fail(error, BERTRUN_ERR_FORMAT,
                           "%s: added token \"%s\" has id %d, but the vocabulary ends at %zu", name,
                           token->content, (int)token->id, t->vocabulary.count);
        if ((size_t)token->id >= t->vocab_size)
            t->vocab_size = (size_t)token->id + 1;
        br_added_token placed = *token;
        token->content = NULL;
        config->added[kept++] = placed;
    }
    config->num_added = kept;
    return BERTRUN_OK;
}

/* Appends what is to be found of a token; in normalized text its content, too, is normalized. */
static bool append_added(const br_tokenizer *t, const br_added_token *token, bool normalized,
                         br_buffer *text, size_t *used)
{
    if (token->normalized != normalized)
        return append(text, used, NULL, 0);
    if (!normalized)
        return append(text, used, token->content, token->length);
    size_t size;
    char *copy = br_normalized_copy(&t->config.normalizer, token->content, token->length, &size);
    bool appended = copy && append(text, used, copy, size);
    br_free(copy);
    return appended;
}

/* Indexes the added tokens that are found in the normalized, or in the original, text. */
static bertrun_status index_added(const br_tokenizer *t, bool normalized, br_added_index *out,
                                  bertrun_error *error)
{
    const br_tokenizer_config *config = &t->config;
    size_t count = config->num_added, used = 0;
    br_buffer text = {0};
    uint32_t *starts = br_calloc(count + 1, sizeof(*starts));
    bool room = starts != NULL;
    for (size_t i = 0; i < count && room; i++) {
        room = append_added(t, &config->added[i], normalized, &text, &used);
        starts[i + 1] = (uint32_t)used;
    }
    const br_lines strings = {text.data, starts, count};
    bertrun_status status =
        room ? br_added_index_open(out, config->added, &strings, error) : br_fail_nomem(error);
    br_free(text.data);
    br_free(starts);
    return status;
}

static void find_punct(br_tokenizer *t)
{
    for (int c = 0; c < 128; c++) {
        int32_t id = br_vocabulary_id(&t->vocabulary, &(char){(char)c}, 1);
        t->punct_ids[c] = id >= 0 ? id : t->wordpiece.unk_id;
    }
}

/* Joins vocabulary and config. */
static bertrun_status connect(br_tokenizer *t, const char *name, bertrun_error *error)
{
    br_tokenizer_config *config = &t->config;
    t->wordpiece = (br_wordpiece){
        .vocabulary = &t->vocabulary,
        .continuing = br_trie_walk(&t->vocabulary.trie, config->prefix, strlen(config->prefix)),
        .max_word_chars = config->max_word_chars,
    };
    BR_TRY(drop_repeats(t, error));
    BR_TRY(place_added(t, name, error));
    BR_TRY(resolve(t, config->unk_token, &t->wordpiece.unk_id, name, error));
    BR_TRY(resolve_template(t, &config->single, name, error));
    BR_TRY(resolve_template(t, &config->pair, name, error));
    BR_TRY(index_added(t, false, &t->original, error));
    BR_TRY(index_added(t, true, &t->normalized, error));
    find_punct(t);
    br_scan scans[BR_MAX_SCANS];
    br_scan_list(scans);
    t->scan = scans[0].scan;
    t->plain =
        config->normalizer.clean_text && config->max_word_chars > 0 && t->normalized.count == 0;
    return br_tokenizer_config_write(config, &t->config_text, &t->config_size, error);
}

bertrun_status br_tokenizer_finish(br_tokenizer **out, br_tokenizer *tokenizer,
                                   bertrun_status status, const char *name, bertrun_error *error)
{
    if (status == BERTRUN_OK)
        status = connect(tokenizer, name, error);
    if (status != BERTRUN_OK)
        br_tokenizer_close(&tokenizer);
    *out = tokenizer;
    return status;
}

static bertrun_status read_sections(br_tokenizer *t, const br_tokenizer_sections *sections,
                                    const char *name, bertrun_error *error)
{
    json_t *root;
    BR_TRY(br_tokenizer_parse_json(&root, sections->config, sections->config_size, name, error));
    bertrun_status status = br_tokenizer_config_read(&t->config, root, name, error);
    json_decref(root);
    BR_TRY(status);
    t->vocabulary.text = sections->vocab;
    t->vocabulary.text_size = sections->vocab_size;
    bool fresh = false;
    if (sections->table_size)
        BR_TRY(br_vocabulary_load(&t->vocabulary, sections->table, sections->table_size, &fresh,
                                  name, error));
    return fresh ? BERTRUN_OK : br_vocabulary_build(&t->vocabulary, t->config.prefix, name, error);
}

bertrun_status br_tokenizer_open_sections(br_tokenizer **out, const br_tokenizer_sections *sections,
                                          const char *name, bertrun_error *error)
{
    *out = NULL;
    br_tokenizer *t = br_calloc(1, sizeof(*t));
    if (!t)
        return br_fail_nomem(error);
    return br_tokenizer_finish(out, t, read_sections(t, sections, name, error), name, error);
}

void br_tokenizer_close(br_tokenizer **tokenizer)
{
    br_tokenizer *t = *tokenizer;
    *tokenizer = NULL;
    if (!t)
        return;
    br_added_index_free(&t->original);
    br_added_index_free(&t->normalized);
    br_vocabulary_free(&t->vocabulary);
    br_tokenizer_config_free(&t->config);
    br_free(t->config_text);
    br_free(t);
}

bertrun_status br_tokenizer_get_sections(const br_tokenizer *tokenizer, br_tokenizer_sections *out,
                                         bertrun_error *error)
{
    (void)error;
    *out = (br_tokenizer_sections){
        .vocab = tokenizer->vocabulary.text,
        .vocab_size = tokenizer->vocabulary.text_size,
        .config = tokenizer->config_text,
        .config_size = tokenizer->config_size,
        .table = tokenizer->vocabulary.table,
        .table_size = tokenizer->vocabulary.table_size,
    };
    return BERTRUN_OK;
}

bool br_tokenizer_sections_fit(const br_tokenizer_sections *sections)
{
    return br_tokenizer_json_fits(sections->config, sections->config_size);
}

size_t br_tokenizer_vocab_size(const br_tokenizer *tokenizer)
{
    return tokenizer->vocab_size;
}

size_t br_tokenizer_max_length(const br_tokenizer *tokenizer)
{
    return tokenizer->config.max_length;
}

size_t br_tokenizer_num_special(const br_tokenizer *tokenizer, bool pair)
{
    const br_template *template = pair ? &tokenizer->config.pair : &tokenizer->config.single;
    return template->count - (pair ? 2 : 1);
}

const char *br_tokenizer_token(const br_tokenizer *tokenizer, int32_t id, size_t *length)
{
    const br_tokenizer_config *config = &tokenizer->config;
    const char *token = br_vocabulary_token(&tokenizer->vocabulary, id, length);
    for (size_t i = 0; i < config->num_added && !token; i++) {
        if (config->added[i].id != id)
            continue;
        token = config->added[i].content;
        *length = config->added[i].length;
    }
    return token;
}

int32_t br_tokenizer_id(const br_tokenizer *tokenizer, const char *token, size_t length)
{
    const br_tokenizer_config *config = &tokenizer->config;
    int32_t id = br_vocabulary_id(&tokenizer->vocabulary, token, length);
    for (size_t i = 0; i < config->num_added && id < 0; i++)
        if (config->added[i].length == length &&
            memcmp(config->added[i].content, token, length) == 0)
            id = config->added[i].id;
    return id;
}

int32_t br_tokenizer_unknown_id(const br_tokenizer *tokenizer)
{
    return tokenizer->wordpiece.unk_id;
}
