#include "engine/directory_tokenizer.h"

#include "models/sentence_transformers.h"

bertrun_status br_open_directory_tokenizer(br_tokenizer **out, const char *directory,
                                           bertrun_error *error)
{
    char *transformer;
    *out = NULL;
    BR_TRY(br_transformer_directory(&transformer, directory, error));
    bool lowercase;
    bertrun_status status =
        br_sentence_transformers_lowers(&lowercase, directory, transformer, error);
    if (status == BERTRUN_OK)
        status = br_tokenizer_open_directory(out, transformer, lowercase, error);
    br_free(transformer);
    return status;
}
