/* bertrun_tokenizer and bertrun_encoder: the tokenizer on its own. */
#include <string.h>

#include "common/file.h"
#include "engine/directory_tokenizer.h"
#include "engine/reserved.h"
#include "models/checkpoint.h"
#include "tokenizer/tokenizer.h"

struct bertrun_tokenizer {
    br_tokenizer *tokenizer;
    bertrun_tokenizer_info info;
    void *memory; /* a `.bin`'s sections, which the tokenizer refers to */
};

struct bertrun_encoder {
    const br_tokenizer *tokenizer;
    br_encoding encoding;
    br_text text;
};

/* Copies a tensor's bytes to *memory and moves it on. */
static const void *take_section(uint8_t **memory, const br_tensor *tensor)
{
    uint8_t *copy = *memory;
    if (tensor->bytes)
        memcpy(copy, tensor->data, tensor->bytes);
    *memory += br_round_up(tensor->bytes, BR_ALIGNMENT);
    return copy;
}

/* Copies the sections, so that the rest of the file need not stay. */
static bertrun_status open_checkpoint(bertrun_tokenizer *t, const br_checkpoint *checkpoint,
                                      const char *path, bertrun_error *error)
{
    const br_tensor *vocab = br_checkpoint_find(checkpoint, "tokenizer.vocab");
    const br_tensor *config = br_checkpoint_find(checkpoint, "tokenizer.config");
    const br_tensor *table = br_checkpoint_find(checkpoint, "tokenizer.table");
    size_t total = vocab->bytes + config->bytes + table->bytes;
    uint8_t *at = t->memory = br_alloc(total + 3 * BR_ALIGNMENT, 1);
    if (!at)
        return br_fail_nomem(error);
    br_tokenizer_sections sections = {
        .vocab = take_section(&at, vocab),
        .vocab_size = vocab->bytes,
        .config = take_section(&at, config),
        .config_size = config->bytes,
        .table = take_section(&at, table),
        .table_size = table->bytes,
    };
    return br_tokenizer_open_sections(&t->tokenizer, &sections, path, error);
}

/* Whether the name is that of a tokenizer's own file, vocab.txt or tokenizer.json. */
static bool is_tokenizer_file(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".txt") == 0 || strcmp(dot, ".json") == 0);
}

static bertrun_status open_bin(bertrun_tokenizer *t, const char *path, bertrun_error *error)
{
    br_checkpoint *checkpoint;
    BR_TRY(br_checkpoint_open_tokenizer(&checkpoint, path, true, error));
    bertrun_status status = open_checkpoint(t, checkpoint, path, error);
    br_checkpoint_close(&checkpoint);
    return status;
}

static bertrun_status open_path(bertrun_tokenizer *t, const char *path, bertrun_error *error)
{
    if (br_path_is_directory(path))
        return br_open_directory_tokenizer(&t->tokenizer, path, error);
    return is_tokenizer_file(path) ? br_tokenizer_open_file(&t->tokenizer, path, error)
                                   : open_bin(t, path, error);
}

bertrun_status bertrun_tokenizer_open(bertrun_tokenizer **out, const char *path,
                                      bertrun_error *error)
{
    *out = NULL;
    bertrun_tokenizer *t = br_calloc(1, sizeof(*t));
    if (!t)
        return br_fail_nomem(error);
    bertrun_status status = open_path(t, path, error);
    if (status != BERTRUN_OK) {
        bertrun_tokenizer_close(&t);
        return status;
    }
    t->info = (bertrun_tokenizer_info){
        .vocab_size = br_tokenizer_vocab_size(t->tokenizer),
        .max_length = br_tokenizer_max_length(t->tokenizer),
        .num_special_single = br_tokenizer_num_special(t->tokenizer, false),
        .num_special_pair = br_tokenizer_num_special(t->tokenizer, true),
    };
    *out = t;
    return BERTRUN_OK;
}

void bertrun_tokenizer_close(bertrun_tokenizer **tokenizer)
{
    bertrun_tokenizer *t = *tokenizer;
    *tokenizer = NULL;
    if (!t)
        return;
    br_tokenizer_close(&t->tokenizer);
    br_free(t->memory);
    br_free(t);
}

const bertrun_tokenizer_info *bertrun_tokenizer_get_info(const bertrun_tokenizer *tokenizer)
{
    return &tokenizer->info;
}

const char *bertrun_tokenizer_token(const bertrun_tokenizer *tokenizer, int32_t id, size_t *length)
{
    return br_tokenizer_token(tokenizer->tokenizer, id, length);
}

int32_t bertrun_tokenizer_id(const bertrun_tokenizer *tokenizer, const char *token, size_t length)
{
    return br_tokenizer_id(tokenizer->tokenizer, token, length);
}

void bertrun_encode_options_init(bertrun_encode_options *options)
{
    *options = (bertrun_encode_options){0};
}

bertrun_status bertrun_encoder_open(bertrun_encoder **out, const bertrun_tokenizer *tokenizer,
                                    bertrun_error *error)
{
    *out = br_calloc(1, sizeof(**out));
    if (!*out)
        return br_fail_nomem(error);
    (*out)->tokenizer = tokenizer->tokenizer;
    return BERTRUN_OK;
}

void bertrun_encoder_close(bertrun_encoder **encoder)
{
    bertrun_encoder *e = *encoder;
    *encoder = NULL;
    if (!e)
        return;
    br_encoding_free(&e->encoding);
    br_free(e->text.memory.data);
    br_free(e);
}

bertrun_status bertrun_tokenizer_encode(bertrun_encoder *encoder, const bertrun_input *input,
                                        const bertrun_encode_options *options,
                                        bertrun_tokens *tokens, bertrun_error *error)
{
    static const bertrun_encode_options defaults = {0};
    const br_encoding *e = &encoder->encoding;
    options = options ? options : &defaults;
    BR_TRY(BR_CHECK_RESERVED(options, error));
    if ((unsigned)options->truncation > BERTRUN_TRUNCATION_ONLY_SECOND)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "there is no truncation %d",
                       (int)options->truncation);
    BR_TRY(br_tokenizer_encode(encoder->tokenizer, input->text, input->length, input->pair,
                               input->pair_length, options, &encoder->encoding, error));
    *tokens = (bertrun_tokens){
        .count = e->count,
        .ids = e->ids,
        .type_ids = e->type_ids,
        .spans = e->spans,
        .word_ids = e->word_ids,
        .special_mask = e->special_mask,
        .num_windows = e->num_windows,
        .window_offsets = e->window_offsets,
        .truncated = e->truncated,
    };
    return BERTRUN_OK;
}

bertrun_status bertrun_tokenizer_decode(bertrun_encoder *encoder, const int32_t *ids,
                                        size_t num_ids, bool skip_special, const char **text,
                                        size_t *length, bertrun_error *error)
{
    BR_TRY(
        br_tokenizer_decode(encoder->tokenizer, ids, num_ids, skip_special, &encoder->text, error));
    *text = encoder->text.memory.data;
    *length = encoder->text.length;
    return BERTRUN_OK;
}
