/* bertrun run: texts in, embeddings or classes out, batch by batch. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/code_ranges.h"
#include "cli/code_rows.h"
#include "cli/hidden_files.h"
#include "cli/progress.h"
#include "cli/result_file.h"
#include "cli/run_options.h"
#include "cli/similarity.h"
#include "cli/text_source.h"

enum { DEFAULT_FILLS = 5, MB = 1 << 20, HEAD_BYTES = 16 * MB };

typedef struct run {
    run_options options;
    bertrun_model *model;
    bertrun_session *session;
    text_source source;
    result_file file;
    result_writer writer;
    similarity gathered; /* with --similarity */
    float *ranges;       /* [2, dimensions], with --output-dtype int8 or uint8 */
    float *decoded;      /* [dimensions], with --similarity of codes */
    bertrun_entities entities;
    bertrun_answers answers;
    bertrun_masks masks;
    progress progress;
    size_t texts, cut_texts, cut_tokens, cut_length;
    size_t cut_lines;           /* of more than HEAD_BYTES */
    uint64_t unread;            /* bytes of those lines */
    size_t long_texts, windows; /* with --truncation stride */
} run;

static result_kind choose_kind(const run_options *options, const bertrun_model_info *info)
{
    static const result_kind kinds[] = {
        [RUN_EMBED] = RESULT_EMBEDDING, [RUN_CLASSIFY] = RESULT_CLASSES,
        [RUN_HIDDEN] = RESULT_HIDDEN,   [RUN_NER] = RESULT_ENTITIES,
        [RUN_ANSWER] = RESULT_ANSWERS,  [RUN_FILL_MASK] = RESULT_FILLS,
    };
    if (options->similarity)
        return RESULT_SIMILARITY;
    if (options->task != RUN_AUTO)
        return kinds[options->task];
    switch (info->task) {
    case BERTRUN_TASK_CLASSIFY:
        return RESULT_CLASSES;
    case BERTRUN_TASK_NER:
        return RESULT_ENTITIES;
    case BERTRUN_TASK_ANSWER:
        return RESULT_ANSWERS;
    case BERTRUN_TASK_FILL_MASK:
        return RESULT_FILLS;
    default:
        return RESULT_EMBEDDING;
    }
}

static size_t dimensions(const run_options *options, const bertrun_model_info *info)
{
    return options->embed_options.dimensions ? options->embed_options.dimensions
                                             : info->embedding_size;
}

static size_t embedding_width(const run_options *options, const bertrun_model_info *info)
{
    bertrun_embedding_dtype dtype = options->embed_options.dtype;
    bool bits = dtype == BERTRUN_EMBEDDING_BINARY || dtype == BERTRUN_EMBEDDING_UBINARY;
    size_t width = dimensions(options, info);
    return bits ? (width + 7) / 8 : width;
}

/* Columns of the rows where there are no rows to tell. */
static size_t default_width(result_kind kind, const run_options *options,
                            const bertrun_model_info *info)
{
    switch (kind) {
    case RESULT_EMBEDDING:
        return embedding_width(options, info);
    case RESULT_CLASSES:
        return info->num_labels;
    case RESULT_HIDDEN:
        return info->hidden_size;
    default:
        return 0;
    }
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

static bool asks_of_embeddings(const run_options *options)
{
    const bertrun_embed_options *embed = &options->embed_options;
    return embed->pooling || embed->normalize || embed->prompt || embed->prompt_name ||
           embed->dimensions || embed->dtype;
}

static cli_exit read_ranges(run *state, const bertrun_model_info *info)
{
    run_options *options = &state->options;
    const char *path = options->calibration ? options->calibration : options->ranges;
    if (!path)
        return CLI_OK;
    cli_exit code = code_ranges_read(path, options->calibration != NULL, dimensions(options, info),
                                     &state->ranges);
    options->embed_options.ranges = state->ranges;
    return code;
}

/* Windows are for tasks that can join what is found in each. */
static cli_exit check_long_texts(const run_options *options, result_kind kind)
{
    bertrun_long_text how = options->session_settings.long_text;
    bool joins = kind == RESULT_EMBEDDING || kind == RESULT_SIMILARITY || kind == RESULT_ENTITIES;
    if (kind == RESULT_ANSWERS && how != BERTRUN_LONG_TEXT_HEAD)
        return cli_usage("--truncation: not with --task answer, which runs long contexts in "
                         "windows");
    if (how == BERTRUN_LONG_TEXT_STRIDE && !joins)
        return cli_usage("--truncation stride: only with --task embed or ner");
    return CLI_OK;
}

/* Options of a task that is another one. */
static cli_exit check_task(const run_options *options, result_kind kind)
{
    const task_options *tasks = &options->tasks;
    bool found = kind == RESULT_ENTITIES || kind == RESULT_ANSWERS || kind == RESULT_FILLS;
    if (found && options->format == &out_npy)
        return cli_usage("--format npy: %s are no array", result_kind_name(kind));
    if ((tasks->query || tasks->no_answer || tasks->max_answer_tokens) && kind != RESULT_ANSWERS)
        return cli_usage("--question, --no-answer, --max-answer-tokens: only with --task answer");
    if (tasks->query && (options->fields.pairs || options->fields.pair))
        return cli_usage("--question: not together with --pair or --pair-field, where each text "
                         "has its own");
    if (options->aggregation_given && kind != RESULT_ENTITIES)
        return cli_usage("--aggregation: only with --task ner");
    if ((tasks->has_threshold || tasks->logits) && kind != RESULT_CLASSES)
        return cli_usage("--threshold, --logits: only with --task classify");
    if (tasks->top_k && kind != RESULT_CLASSES && kind != RESULT_ANSWERS && kind != RESULT_FILLS)
        return cli_usage("--top-k: only with --task classify, answer or fill-mask");
    if (options->format == &out_npy && (tasks->top_k || tasks->has_threshold || tasks->logits))
        return cli_usage("--format npy: not together with --top-k, --threshold or --logits: it "
                         "holds the logits of all labels");
    if (options->session_settings.stride && kind != RESULT_ANSWERS &&
        options->session_settings.long_text != BERTRUN_LONG_TEXT_STRIDE)
        return cli_usage("--stride: only with --truncation stride or --task answer");
    return check_long_texts(options, kind);
}

static cli_exit open_model(run *state)
{
    run_options *options = &state->options;
    bertrun_error error;
    if (bertrun_model_open(&state->model, options->model, &options->model_settings, &error))
        return cli_fail("%s", error.message);
    const bertrun_model_info *info = bertrun_model_get_info(state->model);
    result_kind kind = choose_kind(options, info);
    if (kind != RESULT_EMBEDDING && kind != RESULT_SIMILARITY && asks_of_embeddings(options))
        return cli_usage("--pooling, --normalize, --no-normalize, --prompt, --prompt-name, "
                         "--dimensions, --output-dtype: only with --task embed");
    cli_exit code = check_task(options, kind);
    if (code == CLI_OK)
        code = read_ranges(state, info);
    if (code != CLI_OK)
        return code;
    widen_batch_tokens(options, info);
    if (bertrun_session_open(&state->session, state->model, &options->session_settings, &error))
        return cli_fail("%s", error.message);
    state->writer = (result_writer){
        .format = options->format,
        .kind = kind,
        .model_path = options->model,
        .model = info,
        .tasks = &options->tasks,
        .dtype = kind == RESULT_EMBEDDING ? options->embed_options.dtype : BERTRUN_EMBEDDING_F32,
        .width = default_width(kind, options, info),
        .layers = options->layers,
    };
    return CLI_OK;
}

/* Hidden states as npy: a file a text. */
static bool writes_files(const run *state)
{
    return state->writer.kind == RESULT_HIDDEN && state->writer.format == &out_npy;
}

/* Whether of a line, however long, the first HEAD_BYTES are enough: they give more tokens than the
 * text is cut to. */
static bool needs_heads_only(const run *state)
{
    const text_fields *fields = &state->options.fields;
    return fields->format == TEXT_LINES && !fields->pairs && state->writer.kind != RESULT_ANSWERS &&
           state->options.session_settings.long_text == BERTRUN_LONG_TEXT_HEAD;
}

static cli_exit open_files(run *state)
{
    run_options *options = &state->options;
    if (needs_heads_only(state))
        options->fields.limit = HEAD_BYTES;
    cli_exit code = text_source_open(&state->source, options->input, options->texts,
                                     options->num_texts, &options->fields);
    state->source.question = options->tasks.query;
    if (code == CLI_OK && writes_files(state))
        code = hidden_files_begin(options->output);
    else if (code == CLI_OK && !result_file_open(&state->file, options->output))
        code = CLI_FAILED;
    if (code != CLI_OK)
        return code;
    if (text_source_is_terminal(&state->source))
        cli_note("reading texts from the terminal, a line each; Ctrl-D ends");
    state->writer.stream = state->file.stream;
    return CLI_OK;
}

static bertrun_status answer(run *state, const bertrun_input *inputs, size_t count,
                             bertrun_error *error)
{
    const run_options *options = &state->options;
    bertrun_answer_options chosen = {
        .top_k = options->tasks.top_k,
        .max_answer_tokens = options->tasks.max_answer_tokens,
        .stride = options->session_settings.stride,
        .no_answer = options->tasks.no_answer,
    };
    return bertrun_answer_questions(state->session, inputs, count, &chosen, &state->answers, error);
}

/* Tasks whose results are lists; of *output only the texts are filled. */
static bertrun_status find(run *state, const bertrun_input *inputs, size_t count,
                           bertrun_output *output, bertrun_error *error)
{
    bertrun_status status;
    const task_options *tasks = &state->options.tasks;
    if (state->writer.kind == RESULT_ENTITIES)
        status = bertrun_find_entities(state->session, inputs, count, tasks->aggregation,
                                       &state->entities, error);
    else if (state->writer.kind == RESULT_ANSWERS)
        status = answer(state, inputs, count, error);
    else
        status =
            bertrun_fill_masks(state->session, inputs, count,
                               tasks->top_k ? tasks->top_k : DEFAULT_FILLS, &state->masks, error);
    *output = (bertrun_output){
        .count = count,
        .texts = state->writer.kind == RESULT_ENTITIES  ? state->entities.texts
                 : state->writer.kind == RESULT_ANSWERS ? state->answers.texts
                                                        : state->masks.texts,
    };
    return status;
}

/* What was found in text i of a batch. */
static void attach_found(const run *state, size_t i, result_row *row)
{
    const size_t *offsets = state->writer.kind == RESULT_ENTITIES  ? state->entities.offsets
                            : state->writer.kind == RESULT_ANSWERS ? state->answers.offsets
                                                                   : state->masks.offsets;
    if (state->writer.kind == RESULT_ENTITIES)
        row->entities = state->entities.entities + offsets[i];
    else if (state->writer.kind == RESULT_ANSWERS)
        row->answers = state->answers.answers + offsets[i];
    else if (state->writer.kind == RESULT_FILLS)
        row->masks = state->masks.masks + offsets[i];
    else
        return;
    row->num_found = offsets[i + 1] - offsets[i];
    row->num_fills = state->masks.num_fills;
}

static bertrun_status compute(run *state, const bertrun_input *inputs, size_t count,
                              bertrun_output *output, bertrun_error *error)
{
    switch (state->writer.kind) {
    case RESULT_CLASSES:
        return bertrun_classify(state->session, inputs, count, output, error);
    case RESULT_HIDDEN:
        return bertrun_hidden_states(state->session, inputs, count, &state->options.hidden_options,
                                     output, error);
    case RESULT_ENTITIES:
    case RESULT_ANSWERS:
    case RESULT_FILLS:
        return find(state, inputs, count, output, error);
    default:
        return bertrun_embed(state->session, inputs, count, &state->options.embed_options, output,
                             error);
    }
}

static void count_cut(run *state, const bertrun_text_info *info, uint64_t unread)
{
    if (unread > 0) {
        state->cut_lines++;
        state->unread += unread;
    }
    if (info->windows > 1) {
        state->long_texts++;
        state->windows += info->windows;
    }
    if (info->truncated == 0)
        return;
    state->cut_texts++;
    state->cut_tokens += info->truncated;
    state->cut_length = info->tokens;
}

/* Cosines of codes are those of what the codes stand for. */
static bool gather(run *state, const result_row *row)
{
    result_row decoded = *row;
    if (row->codes) {
        const bertrun_embed_options *embed = &state->options.embed_options;
        float *values = cli_realloc(state->decoded, row->width, sizeof *values);
        if (!values)
            return false;
        state->decoded = values;
        code_row_values(embed->dtype, row->codes, embed->ranges, row->width, values);
        decoded.values = values;
    }
    return similarity_add(&state->gathered, &decoded);
}

static bool emit(run *state, result_row *row, size_t code_bytes)
{
    if (state->writer.kind == RESULT_SIMILARITY)
        return gather(state, row);
    if (writes_files(state))
        return hidden_files_write(state->options.output, &state->writer, row);
    if (row->codes)
        row->width = code_row_width(state->writer.dtype, code_bytes);
    state->writer.format->row(&state->writer, row);
    return !state->writer.failed;
}

/* The head of a line that was not read to its end must be more than was asked for. */
static bool check_head(const run *state, const text_origin *origin, const bertrun_text_info *info)
{
    if (origin->unread == 0 || info->truncated > 0)
        return true;
    cli_fail("%s: line %" PRIu64 ": no more than %d MB of a line are read, and they hold only %zu "
             "tokens",
             state->source.reader.name, origin->line, HEAD_BYTES / MB, info->tokens);
    return false;
}

static bool emit_all(run *state, const text_batch *batch, const bertrun_output *output)
{
    char title[TITLE_BYTES];
    const float *values = output->values;
    const uint8_t *codes = output->codes;
    if (!codes)
        state->writer.width = output->width;
    for (size_t i = 0; i < output->count; i++) {
        const bertrun_text_info *info = &output->texts[i];
        result_title(title, &batch->inputs[i], batch->origins[i].id);
        result_row row = {
            .index = state->texts++,
            .id = batch->origins[i].id,
            .title = title,
            .info = *info,
            .values = values,
            .scores = output->scores ? output->scores + i * output->width : NULL,
            .codes = codes ? codes + i * output->code_bytes : NULL,
            .width = output->width,
            .states = output->num_states,
            .state_stride = output->total_tokens * output->width,
            .input = &batch->inputs[i],
        };
        attach_found(state, i, &row);
        if (!check_head(state, &batch->origins[i], info) || !emit(state, &row, output->code_bytes))
            return false;
        count_cut(state, info, batch->origins[i].unread);
        if (values)
            values += output->width * (output->num_states ? info->tokens : 1);
    }
    return state->writer.kind == RESULT_SIMILARITY || writes_files(state) ||
           result_file_flush(&state->file);
}

/* Where one text is at fault, what came before it is not lost. */
static cli_exit fail_batch(run *state, const text_batch *batch, const bertrun_error *error)
{
    bertrun_output output;
    bertrun_error ignored;
    size_t before = error->input < batch->count ? error->input : 0;
    if (before > 0 && (compute(state, batch->inputs, before, &output, &ignored) != BERTRUN_OK ||
                       !emit_all(state, batch, &output)))
        return CLI_FAILED;
    return text_source_fail(&state->source, batch, error);
}

static cli_exit process(run *state)
{
    const batch_limits limits = choose_limits(state);
    for (;;) {
        text_batch batch;
        bertrun_output output;
        bertrun_error error;
        if (!text_source_read(&state->source, &limits, &batch))
            return CLI_FAILED;
        if (batch.count == 0)
            return CLI_OK;
        if (compute(state, batch.inputs, batch.count, &output, &error) != BERTRUN_OK)
            return fail_batch(state, &batch, &error);
        if (!emit_all(state, &batch, &output))
            return CLI_FAILED;
        progress_update(&state->progress, state->texts, state->source.reader.bytes,
                        state->source.size);
    }
}

/* What was cut, and what was not. */
static void report_long_texts(const run *state)
{
    if (state->cut_texts)
        cli_note("%zu of %zu texts were longer than %zu tokens: %zu tokens were cut off",
                 state->cut_texts, state->texts, state->cut_length, state->cut_tokens);
    if (state->cut_lines)
        cli_note("%zu of them were longer than %d MB: the %" PRIu64 " MB behind were cut off, too",
                 state->cut_lines, HEAD_BYTES / MB, (state->unread + MB - 1) / MB);
    if (state->long_texts)
        cli_note("%zu of %zu texts were too long for one window: run in %zu, nothing was cut off",
                 state->long_texts, state->texts, state->windows);
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
    report_long_texts(state);
    if (writes_files(state))
        return CLI_OK;
    writer->format->end(writer);
    return !writer->failed && result_file_commit(&state->file) ? CLI_OK : CLI_FAILED;
}

static cli_exit write_results(run *state)
{
    if (state->writer.kind != RESULT_SIMILARITY && !writes_files(state))
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
    cli_exit code = CLI_USAGE;
    if (run_options_parse(&state.options, argc, argv, NULL))
        code = state.options.help ? run_print_help() : open_model(&state);
    if (state.options.help) {
        run_options_free(&state.options);
        return code;
    }
    if (code == CLI_OK)
        code = open_files(&state);
    if (code == CLI_OK)
        code = write_results(&state);
    similarity_free(&state.gathered);
    free(state.ranges);
    free(state.decoded);
    run_options_free(&state.options);
    result_writer_close(&state.writer);
    result_file_discard(&state.file);
    text_source_close(&state.source);
    bertrun_session_close(&state.session);
    bertrun_model_close(&state.model);
    return code;
}
