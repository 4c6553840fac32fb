/* bertrun info: what a model is. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "bertrun/bertrun.h"
#include "cli/info_lm.h"
#include "cli/info_weights.h"
#include "cli/json_write.h"
#include "cli/options.h"

static const char help[] =
    "usage: bertrun info MODEL [--json]\n"
    "       bertrun info MODEL --weights [--against ORIGINAL] [--json]\n"
    "       bertrun info MODEL --verify\n"
    "\n"
    "Prints what a model is: a file made by 'bertrun convert', or a Hugging Face directory.\n"
    "\n"
    "  --weights           its tensors instead, a line each: least and greatest value, scale (or\n"
    "                      the range of the rows' scales), zero point, signal to quantization\n"
    "                      noise, share of clipped values, and how much smaller than F32 it is,\n"
    "                      scales counted; of static models the scale of the layer's input, too\n"
    "  --against ORIGINAL  the model with float weights that the file was made of: noise and\n"
    "                      clipped values are then measured. Without it ~ is the noise to be\n"
    "                      expected, step^2 / 12 a value, and <= the share on the range's edge\n"
    "  --verify            reads all of it: every check of opening, and that no value is NaN or\n"
    "                      infinite; names each tensor that has one, and then fails\n"
    "  --json              as JSON\n"
    "\n"
    "Example:\n"
    "  bertrun info minilm.bin --weights --against all-MiniLM-L6-v2\n"
    "\n"
    "Exit codes: 0 fine; 1 the model failed; 2 a wrong command line.\n";

typedef struct info_options {
    bool json, weights, verify, help;
    const char *original;
} info_options;

#define AT(member) .at = offsetof(info_options, member)

static const cli_option all_options[] = {
    OPTION_HELP(info_options),
    {"json", OPTION_FLAG, AT(json)},
    {"weights", OPTION_FLAG, AT(weights)},
    {"against", OPTION_TEXT, AT(original)},
    {"verify", OPTION_FLAG, AT(verify)},
    {0},
};

static double megabytes(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static const char *scores_text(bertrun_scores scores)
{
    switch (scores) {
    case BERTRUN_SCORES_SIGMOID:
        return "each for itself (sigmoid)";
    case BERTRUN_SCORES_IDENTITY:
        return "the logits themselves";
    default:
        return "one of them (softmax)";
    }
}

static void print_labels(const bertrun_model_info *info)
{
    printf("labels           %zu, %s:", info->num_labels, scores_text(info->scores));
    for (size_t i = 0; i < info->num_labels; i++)
        printf("%s %s", i ? "," : "", info->labels[i]);
    putchar('\n');
}

static void print_kept(const bertrun_model_info *info)
{
    for (size_t i = 0; i < info->num_kept; i++)
        printf("%s%s: %s\n", i ? "                 " : "kept layers      ",
               bertrun_precision_name(info->kept[i].precision), info->kept[i].name);
}

static void print_text(const bertrun_model_info *info)
{
    printf("architecture     %s\n", info->architecture);
    printf("task             %s\n", bertrun_task_name(info->task));
    printf("parameters       %.1f million\n", (double)info->num_parameters / 1e6);
    printf("stored as        %s, %.1f MB\n", info->stored_dtype, megabytes(info->file_bytes));
    printf("runs in          %s, %.1f MB of weights in memory\n",
           bertrun_precision_name(info->precision), megabytes(info->weight_bytes));
    if (info->precision == BERTRUN_PRECISION_INT8)
        printf("int8 scales      weights %s, activations %s\n", bertrun_weights_name(info->weights),
               bertrun_activations_name(info->activations));
    print_kept(info);
    printf("layers           %zu, %zu heads\n", info->num_hidden_layers, info->num_attention_heads);
    printf("hidden size      %zu, intermediate %zu\n", info->hidden_size, info->intermediate_size);
    printf("vocabulary       %zu\n", info->vocab_size);
    printf("positions        %zu, texts are cut to %zu tokens\n", info->max_position_embeddings,
           info->max_length);
    printf("token types      %zu\n", info->type_vocab_size);
    printf("embedding        %zu values, pooling %s, %snormalized\n", info->embedding_size,
           bertrun_pooling_name(info->pooling), info->normalize ? "" : "not ");
    printf("pooler           %s\n", info->has_pooler ? "yes" : "no");
    if (info->num_labels)
        print_labels(info);
}

static json_t *labels_json(const bertrun_model_info *info)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < info->num_labels; i++)
        json_array_append_new(labels, json_string(info->labels[i]));
    return labels;
}

static json_t *kept_json(const bertrun_model_info *info)
{
    json_t *kept = json_object();
    for (size_t i = 0; i < info->num_kept; i++)
        json_object_set_new(kept, info->kept[i].name,
                            json_string(bertrun_precision_name(info->kept[i].precision)));
    return kept;
}

static cli_exit print_json(const bertrun_model_info *info)
{
    /* jansson's "I" is json_int_t, 64 bits */
    json_t *object = json_pack(
        "{ss ss sI sI ss sI ss so ss ss sI sI sI sI sI sI sI sI sI ss sb sb ss so}", "architecture",
        info->architecture, "task", bertrun_task_name(info->task), "num_parameters",
        (json_int_t)info->num_parameters, "file_bytes", (json_int_t)info->file_bytes,
        "stored_dtype", info->stored_dtype, "weight_bytes", (json_int_t)info->weight_bytes,
        "precision", bertrun_precision_name(info->precision), "kept", kept_json(info),
        "activations", bertrun_activations_name(info->activations), "weights",
        bertrun_weights_name(info->weights), "num_hidden_layers",
        (json_int_t)info->num_hidden_layers, "num_attention_heads",
        (json_int_t)info->num_attention_heads, "hidden_size", (json_int_t)info->hidden_size,
        "intermediate_size", (json_int_t)info->intermediate_size, "vocab_size",
        (json_int_t)info->vocab_size, "max_position_embeddings",
        (json_int_t)info->max_position_embeddings, "type_vocab_size",
        (json_int_t)info->type_vocab_size, "max_length", (json_int_t)info->max_length,
        "embedding_size", (json_int_t)info->embedding_size, "pooling",
        bertrun_pooling_name(info->pooling), "normalize", info->normalize, "has_pooler",
        info->has_pooler, "scores", bertrun_scores_name(info->scores), "labels", labels_json(info));
    return json_print(object, 6);
}

static cli_exit info_model(const char *path, bool json)
{
    bertrun_model_settings settings;
    bertrun_model_settings_init(&settings);
    settings.log = cli_log;
    bertrun_model *model;
    bertrun_kind kind;
    bertrun_error error;
    if (bertrun_identify(path, &kind, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    if (kind == BERTRUN_KIND_LM)
        return info_lm(path, json);
    if (bertrun_model_open(&model, path, &settings, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    const bertrun_model_info *info = bertrun_model_get_info(model);
    cli_exit code = CLI_OK;
    if (json)
        code = print_json(info);
    else
        print_text(info);
    bertrun_model_close(&model);
    return code;
}

cli_exit cli_info(int argc, char **argv)
{
    info_options options = {0};
    if (!cli_take_options(all_options, &options, argc, argv))
        return CLI_USAGE;
    if (options.help)
        return cli_help(help);
    if (argc - optind != 1)
        return cli_usage("info takes one MODEL, see bertrun info --help");
    if (options.original && !options.weights)
        return cli_usage("--against: only with --weights");
    if (options.verify && (options.weights || options.json))
        return cli_usage("--verify: not with --weights or --json");
    if (options.verify)
        return info_verify(argv[optind]);
    return options.weights ? info_weights(argv[optind], options.original, options.json)
                           : info_model(argv[optind], options.json);
}
