#include "cli/info_lm.h"

#include <jansson.h>
#include <stdio.h>

#include "bertrun/bertrun.h"
#include "cli/json_write.h"

static void print_text(const bertrun_lm_info *info)
{
    printf("architecture     %s\n", info->architecture);
    printf("task             next word\n");
    printf("parameters       %.1f million\n", (double)info->num_parameters / 1e6);
    printf("stored as        %s, %.1f MB\n", info->stored_dtype, (double)info->file_bytes / 1e6);
    printf("runs in          %s, %.1f MB of weights in memory\n",
           bertrun_precision_name(info->precision), (double)info->weight_bytes / 1e6);
    printf("layers           %zu\n", info->num_layers);
    printf("hidden size      %zu\n", info->hidden_size);
    printf("embedding        %zu values%s\n", info->embedding_size,
           info->tied ? ", the decoder's too" : "");
    printf("vocabulary       %zu words\n", info->vocab_size);
}

static cli_exit print_json(const bertrun_lm_info *info)
{
    json_t *object = json_pack(
        "{ss ss sI sI ss sI ss sI sI sI sI sb}", "architecture", info->architecture, "task",
        "next-word", "num_parameters", (json_int_t)info->num_parameters, "file_bytes",
        (json_int_t)info->file_bytes, "stored_dtype", info->stored_dtype, "weight_bytes",
        (json_int_t)info->weight_bytes, "precision", bertrun_precision_name(info->precision),
        "num_layers", (json_int_t)info->num_layers, "hidden_size", (json_int_t)info->hidden_size,
        "embedding_size", (json_int_t)info->embedding_size, "vocab_size",
        (json_int_t)info->vocab_size, "tied", info->tied);
    return json_print(object, 6);
}

cli_exit info_lm(const char *path, bool json)
{
    bertrun_model_settings settings;
    bertrun_lm *lm;
    bertrun_error error;
    bertrun_model_settings_init(&settings);
    settings.log = cli_log;
    if (bertrun_lm_open(&lm, path, &settings, &error))
        return cli_fail("%s", error.message);
    cli_exit code = CLI_OK;
    if (json)
        code = print_json(bertrun_lm_get_info(lm));
    else
        print_text(bertrun_lm_get_info(lm));
    bertrun_lm_close(&lm);
    return code;
}
