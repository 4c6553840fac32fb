#include "engine/lstm_words.h"

#include "common/memory.h"
#include "models/path.h"

static bertrun_status check_count(const br_words *words, const br_checkpoint *checkpoint,
                                  const char *path, bertrun_error *error)
{
    size_t count = words->vocabulary.count, rows = br_checkpoint_config(checkpoint)->vocab_size;
    if (count == rows)
        return BERTRUN_OK;
    return br_fail(error, BERTRUN_ERR_FORMAT,
                   "%s: the vocabulary has %zu words, but the model (ntoken) %zu", path, count,
                   rows);
}

static bertrun_status open_stored(br_words *out, const br_checkpoint *checkpoint, const char *path,
                                  bertrun_error *error)
{
    const br_tensor *text = br_checkpoint_find(checkpoint, "tokenizer.vocab");
    const br_tensor *table = br_checkpoint_find(checkpoint, "tokenizer.table");
    BR_TRY(br_words_open_sections(out, text->data, text->bytes, table->data, table->bytes, path,
                                  error));
    return check_count(out, checkpoint, path, error);
}

static bertrun_status open_file(br_words *out, const br_checkpoint *checkpoint, const char *path,
                                bertrun_error *error)
{
    BR_TRY(br_words_open_file(out, path, error));
    return check_count(out, checkpoint, path, error);
}

static bertrun_status open_in_directory(br_words *out, const br_checkpoint *checkpoint,
                                        const char *directory, bertrun_error *error)
{
    char *path = br_path_join(directory, "", "vocab.txt");
    bertrun_status status = path ? open_file(out, checkpoint, path, error) : br_fail_nomem(error);
    br_free(path);
    return status;
}

bertrun_status br_lstm_words_open(br_words *out, const br_checkpoint *checkpoint, const char *path,
                                  bertrun_error *error)
{
    *out = (br_words){0};
    bertrun_status status = br_checkpoint_is_bin(checkpoint)
                                ? open_stored(out, checkpoint, path, error)
                                : open_in_directory(out, checkpoint, path, error);
    if (status != BERTRUN_OK)
        br_words_free(out);
    return status;
}
