/* bertrun run: texts in, embeddings or classes out, batch by batch. */
#include <stdint.h>

#include "cli/progress.h"
#include "cli/result_file.h"
#include "cli/run_options.h"
#include "cli/similarity.h"
#include "cli/text_source.h"

typedef struct run {
    run_options options;
    bertrun_model *model;
    bertrun_session *session;
    text_source source;
    result_file file;
    result_writer writer;
    similarity gathered; /* with --similarity */
    progress progress;
    size_t texts, cut_texts, cut_tokens, cut_length;
} run;

static result_kind choose_kind(const run_options *options, const bertrun_model_info *info)
{
    if (options->similarity)
        return RESULT_SIMILARITY;
    if (options->task == RUN_HIDDEN)
        return RESULT_HIDDEN;
    if (options->task == RUN_CLASSIFY ||
        (options->task == RUN_AUTO && info->task == BERTRUN_TASK_CLASSIFY))
        return RESULT_CLASSES;
    return RESULT_EMBEDDING;
}

/* Columns of the rows where there are no rows to tell. */
static size_t default_width(result_kind kind, const bertrun_model_info *info)
{
    switch (kind) {
    case RESULT_EMBEDDING:
        return info->embedding_size;
    case RESULT_CLASSES:
        return info->num_labels;
    case RESULT_HIDDEN:
        return info->hidden_size;
    case RESULT_SIMILARITY:
        return 0;
    }
    return 0;
}

/*
 * Memory is bounded by the batch: hidden states of a text are large. Somebody who types wants an
 * answer to each line. With --batch-size a batch is one forward pass.
 */
static batch_limits choose_limits(const run *state)
{
    if (state->options.batch_size)
        return (batch_limits){state->options.batch_size, SIZE_MAX};
    if (text_source_is_terminal(&state->source))
        return (batch_limits){1, SIZE_MAX};
    if (state->writer.kind == RESULT_HIDDEN)
        return (batch_limits){8, SIZE_MAX};
    return (batch_limits){1024, 1 << 20};
}

static bool shares_scale(bertrun_activations activations)
{
    return activations == BERTRUN_ACTIVATIONS_BATCH ||
           activations == BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC ||
           activations == BERTRUN_ACTIVATIONS_PYTORCH;
}

/* One scale for a forward pass: the texts of --batch-size must then fit into one. */
static void widen_batch_tokens(run_options *options, const bertrun_model_info *info)
{
    bertrun_session_settings *settings = &options->session_settings;
    size_t length = settings->max_length ? settings->max_length : info->max_length;
    if (shares_scale(info->activations) && options->batch_size && !settings->batch_tokens &&
        options->batch_size <= SIZE_MAX / length)
        settings->batch_tokens = options->batch_size * length;
}

static cli_exit open_model(run *state)
{
    run_options *options = &state->options;
    bertrun_error error;
    if (bertrun_model_open(&state->model, options->model, &options->model_settings, &error))
        return cli_fail("%s", error.message);
    const bertrun_model_info *info = bertrun_model_get_info(state->model);
    result_kind kind = choose_kind(options, info);
    if ((kind == RESULT_CLASSES || kind == RESULT_HIDDEN) &&
        (options->embed_options.pooling || options->embed_options.normalize))
        return cli_usage("--pooling, --normalize and --no-normalize: only with --task embed");
    widen_batch_tokens(options, info);
    if (bertrun_session_open(&state->session, state->model, &options->session_settings, &error))
        return cli_fail("%s", error.message);
    state->writer = (result_writer){
        .format = options->format,
        .kind = kind,
        .model_path = options->model,
        .model = info,
        .width = default_width(kind, info),
    };
    return CLI_OK;
}

static cli_exit open_files(run *state)
{
    const run_options *options = &state->options;
    if (!text_source_open(&state->source, options->input, options->texts, options->num_texts,
                          options->pairs) ||
        !result_file_open(&state->file, options->output))
        return CLI_FAILED;
    if (text_source_is_terminal(&state->source))
        cli_note("reading texts from the terminal, a line each; Ctrl-D ends");
    state->writer.stream = state->file.stream;
    return CLI_OK;
}

static bertrun_status compute(run *state, const bertrun_input *inputs, size_t count,
                              bertrun_output *output, bertrun_error *error)
{
    switch (state->writer.kind) {
    case RESULT_CLASSES:
        return bertrun_classify(state->session, inputs, count, output, error);
    case RESULT_HIDDEN:
        return bertrun_hidden_states(state->session, inputs, count, NULL, output, error);
    default:
        return bertrun_embed(state->session, inputs, count, &state->options.embed_options, output,
                             error);
    }
}

static void count_cut(run *state, const bertrun_text_info *info)
{
    if (info->truncated == 0)
        return;
    state->cut_texts++;
    state->cut_tokens += info->truncated;
    state->cut_length = info->tokens;
}

static bool emit(run *state, const result_row *row)
{
    if (state->writer.kind == RESULT_SIMILARITY)
        return similarity_add(&state->gathered, row);
    state->writer.format->row(&state->writer, row);
    return !state->writer.failed;
}

static bool emit_all(run *state, const bertrun_input *inputs, const bertrun_output *output)
{
    char title[TITLE_BYTES];
    const float *values = output->values;
    state->writer.width = output->width;
    for (size_t i = 0; i < output->count; i++) {
        const bertrun_text_info *info = &output->texts[i];
        result_title(title, &inputs[i]);
        result_row row = {
            .index = state->texts++,
            .title = title,
            .info = *info,
            .values = values,
            .scores = output->scores ? output->scores + i * output->width : NULL,
            .width = output->width,
            .states = output->num_states,
            .state_stride = output->total_tokens * output->width,
        };
        if (!emit(state, &row))
            return false;
        count_cut(state, info);
        values += output->width * (output->num_states ? info->tokens : 1);
    }
    return state->writer.kind == RESULT_SIMILARITY || result_file_flush(&state->file);
}

static cli_exit process(run *state)
{
    const batch_limits limits = choose_limits(state);
    for (;;) {
        const bertrun_input *inputs;
        bertrun_output output;
        bertrun_error error;
        size_t count;
        if (!text_source_read(&state->source, &limits, &inputs, &count))
            return CLI_FAILED;
        if (count == 0)
            return CLI_OK;
        if (compute(state, inputs, count, &output, &error) != BERTRUN_OK)
            return cli_fail("%s", error.message);
        if (!emit_all(state, inputs, &output))
            return CLI_FAILED;
        progress_update(&state->progress, state->texts, state->source.bytes, state->source.size);
    }
}

/* The similarity matrix's width is known only now, so its header comes now, too. */
static cli_exit finish(run *state)
{
    result_writer *writer = &state->writer;
    if (writer->kind == RESULT_SIMILARITY) {
        writer->width = state->gathered.count;
        writer->format->begin(writer);
        if (writer->failed || !similarity_write(&state->gathered, writer))
            return CLI_FAILED;
    }
    writer->format->end(writer);
    if (writer->failed || !result_file_commit(&state->file))
        return CLI_FAILED;
    if (state->cut_texts)
        cli_note("%zu of %zu texts were longer than %zu tokens: %zu tokens were cut off",
                 state->cut_texts, state->texts, state->cut_length, state->cut_tokens);
    return CLI_OK;
}

static cli_exit write_results(run *state)
{
    if (state->writer.kind != RESULT_SIMILARITY)
        state->writer.format->begin(&state->writer);
    if (state->writer.failed)
        return CLI_FAILED;
    progress_start(&state->progress);
    cli_exit code = process(state);
    progress_end(&state->progress);
    return code == CLI_OK ? finish(state) : code;
}

cli_exit cli_run(int argc, char **argv)
{
    run state = {0};
    if (!run_options_parse(&state.options, argc, argv))
        return CLI_USAGE;
    if (state.options.help)
        return cli_help(run_help);
    cli_exit code = open_model(&state);
    if (code == CLI_OK)
        code = open_files(&state);
    if (code == CLI_OK)
        code = write_results(&state);
    similarity_free(&state.gathered);
    result_writer_close(&state.writer);
    result_file_discard(&state.file);
    text_source_close(&state.source);
    bertrun_session_close(&state.session);
    bertrun_model_close(&state.model);
    return code;
}
