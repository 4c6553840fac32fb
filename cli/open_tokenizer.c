#include "cli/open_tokenizer.h"

#include "cli/cli.h"

bool open_tokenizer(bertrun_tokenizer **out, const char *model)
{
    bertrun_error error, ignored;
    bertrun_kind kind;
    if (bertrun_tokenizer_open(out, model, &error) == BERTRUN_OK)
        return true;
    if (bertrun_identify(model, &kind, &ignored) == BERTRUN_OK && kind == BERTRUN_KIND_LM)
        cli_fail("%s: a language model has no tokenizer: its words are what white space separates",
                 model);
    else
        cli_fail("%s", error.message);
    return false;
}
