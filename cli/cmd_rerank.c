/* bertrun rerank: documents sorted by what a cross-encoder makes of each with a query. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_write.h"
#include "cli/result_file.h"
#include "cli/run_options.h"
#include "cli/text_source.h"

static const char help[] =
    "usage: bertrun rerank --model MODEL --query QUERY [OPTION...] [DOCUMENT...]\n"
    "\n"
    "Sorts documents by how well they fit a query: a cross-encoder (a classifier of one label) "
    "reads\n"
    "both together. Documents are the arguments, or else the lines of a file or of standard "
    "input.\n"
    "A score is a sigmoid, or the logit where the model's config says so.\n"
    "\n"
    "  --model MODEL          a file made by 'bertrun convert', or a Hugging Face directory\n"
    "  --query QUERY          what the documents are compared with\n"
    "  --input FILE           documents, a line each (- is standard input)\n"
    "  --input-format FORMAT  lines, jsonl or tsv; with --text-field and --id-field as in 'run'\n"
    "  --top-k N              the N best only\n"
    "  --threshold X          those of at least that score\n"
    "  --logits               text: logits in place of scores\n"
    "  --truncation HOW       of pairs that are too long keep the head (default), the tail or\n"
    "                         head-tail; or error: fail\n"
    "  --format FORMAT        text, json or jsonl; default text\n"
    "  -o, --output FILE      write there, whole or not at all\n"
    "\n"
    "--precision, --activations, --weights, --kernels, --max-length, --threads, --batch-tokens "
    "and\n"
    "--mmap are as in 'bertrun run'. No documents give an empty result.\n"
    "\n"
    "Example:\n"
    "  bertrun rerank --model reranker.bin --query \"how do cats purr\" --input passages.txt "
    "--top-k 5\n"
    "\n"
    "Exit codes: 0 fine; 1 a file, the model or the output failed; 2 a wrong command line.\n";

typedef struct document {
    size_t index, length;
    char *text, *id; /* owned; text [length]; id NULL: none */
    float score, logit;
} document;

typedef struct rerank {
    run_options options;
    bertrun_model *model;
    bertrun_session *session;
    text_source source;
    result_file file;
    document *documents;
    size_t count, capacity, cut_texts, cut_tokens;
} rerank;

static const char *const taken[] = {
    "help",      "output",       "model",   "input",   "input-format", "text-field",
    "id-field",  "format",       "query",   "top-k",   "threshold",    "logits",
    "precision", "activations",  "weights", "kernels", "max-length",   "truncation",
    "threads",   "batch-tokens", "mmap",    NULL,
};
static const options_command command = {"rerank", taken};

static cli_exit check(const run_options *options)
{
    if (!options->tasks.query)
        return cli_usage("--query: missing, see bertrun rerank --help");
    if (options->format == &out_npy)
        return cli_usage("--format npy: not with bertrun rerank");
    if (options->session_settings.long_text == BERTRUN_LONG_TEXT_STRIDE)
        return cli_usage("--truncation stride: not with bertrun rerank");
    return CLI_OK;
}

static cli_exit open_all(rerank *state)
{
    run_options *options = &state->options;
    bertrun_error error;
    cli_exit code = check(options);
    if (code != CLI_OK)
        return code;
    if (bertrun_model_open(&state->model, options->model, &options->model_settings, &error))
        return cli_fail("%s", error.message);
    const bertrun_model_info *info = bertrun_model_get_info(state->model);
    if (info->task != BERTRUN_TASK_CLASSIFY || info->num_labels != 1)
        return cli_fail("%s: rerank needs a classifier of one label; %s has %zu", options->model,
                        info->architecture, info->num_labels);
    if (bertrun_session_open(&state->session, state->model, &options->session_settings, &error))
        return cli_fail("%s", error.message);
    code = text_source_open(&state->source, options->input, options->texts, options->num_texts,
                            &options->fields);
    state->source.question = options->tasks.query;
    return code == CLI_OK && !result_file_open(&state->file, options->output) ? CLI_FAILED : code;
}

static char *copy(const char *text, size_t length)
{
    char *out = cli_realloc(NULL, length, 1);
    return out ? memcpy(out, text, length) : NULL;
}

static bool keep(rerank *state, const text_batch *batch, size_t i, const bertrun_output *output)
{
    if (state->count == state->capacity) {
        size_t capacity = state->capacity ? 2 * state->capacity : 64;
        document *grown = cli_realloc(state->documents, capacity, sizeof *grown);
        if (!grown)
            return false;
        state->documents = grown;
        state->capacity = capacity;
    }
    const char *id = batch->origins[i].id;
    const bertrun_input *input = &batch->inputs[i];
    document *d = &state->documents[state->count];
    *d = (document){.index = state->count,
                    .length = input->pair_length,
                    .text = copy(input->pair, input->pair_length),
                    .id = id ? copy(id, strlen(id) + 1) : NULL,
                    .score = output->scores[i],
                    .logit = output->values[i]};
    state->count++;
    if (output->texts[i].truncated) {
        state->cut_texts++;
        state->cut_tokens += output->texts[i].truncated;
    }
    return d->text && (d->id || !id);
}

/* Of inputs that are the query and a document. */
static cli_exit score(rerank *state, const text_batch *batch)
{
    bertrun_output output;
    bertrun_error error;
    if (bertrun_classify(state->session, batch->inputs, batch->count, &output, &error))
        return text_source_fail(&state->source, batch, &error);
    for (size_t i = 0; i < batch->count; i++)
        if (!keep(state, batch, i, &output))
            return CLI_FAILED;
    return CLI_OK;
}

static cli_exit score_all(rerank *state)
{
    static const batch_limits limits = {256, 1 << 20};
    for (;;) {
        text_batch batch;
        if (!text_source_read(&state->source, &limits, &batch))
            return CLI_FAILED;
        if (batch.count == 0)
            return CLI_OK;
        cli_exit code = score(state, &batch);
        if (code != CLI_OK)
            return code;
    }
}

/* By logit, since scores of different logits may round to the same; equal ones keep their order. */
static int by_logit(const void *a, const void *b)
{
    const document *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static void write_json(const document *d, FILE *stream)
{
    fprintf(stream, "{\"index\": %zu", d->index);
    if (d->id)
        fprintf(stream, ", \"id\": %s", d->id);
    fputs(", \"score\": ", stream);
    json_write_float(stream, d->score);
    fputs(", \"logit\": ", stream);
    json_write_float(stream, d->logit);
    fputs(", \"text\": ", stream);
    json_write_text(stream, d->text, d->length);
    fputc('}', stream);
}

static void write_text(const rerank *state, const document *d, FILE *stream)
{
    char title[TITLE_BYTES];
    result_title(title, &(bertrun_input){.text = d->text, .length = d->length}, d->id);
    fprintf(stream, "%4zu  %7.4f  %s\n", d->index,
            (double)(state->options.tasks.logits ? d->logit : d->score), title);
}

static cli_exit write_all(rerank *state)
{
    const task_options *tasks = &state->options.tasks;
    FILE *stream = state->file.stream;
    bool json = state->options.format == &out_json;
    size_t most = tasks->top_k ? tasks->top_k : state->count;
    if (state->count)
        qsort(state->documents, state->count, sizeof *state->documents, by_logit);
    if (json) {
        fputs("{\"query\": ", stream);
        json_write_string(stream, tasks->query);
        fputs(", \"results\": [", stream);
    }
    for (size_t i = 0; i < state->count && i < most; i++) {
        const document *d = &state->documents[i];
        if (tasks->has_threshold && d->score < tasks->threshold)
            break;
        if (state->options.format == &out_text) {
            write_text(state, d, stream);
            continue;
        }
        fputs(!json ? "" : i ? ",\n  " : "\n  ", stream);
        write_json(d, stream);
        fputs(json ? "" : "\n", stream);
    }
    if (json)
        fputs("\n]}\n", stream);
    if (!result_file_flush(&state->file) || !result_file_commit(&state->file))
        return CLI_FAILED;
    if (state->cut_texts)
        cli_note("%zu of %zu documents were too long: %zu tokens were cut off", state->cut_texts,
                 state->count, state->cut_tokens);
    return CLI_OK;
}

static void close_all(rerank *state)
{
    for (size_t i = 0; i < state->count; i++) {
        free(state->documents[i].text);
        free(state->documents[i].id);
    }
    free(state->documents);
    run_options_free(&state->options);
    result_file_discard(&state->file);
    text_source_close(&state->source);
    bertrun_session_close(&state->session);
    bertrun_model_close(&state->model);
}

cli_exit cli_rerank(int argc, char **argv)
{
    rerank state = {0};
    cli_exit code = CLI_USAGE;
    if (run_options_parse(&state.options, argc, argv, &command))
        code = state.options.help ? cli_help(help) : open_all(&state);
    bool help_only = state.options.help;
    if (code == CLI_OK && !help_only)
        code = score_all(&state);
    if (code == CLI_OK && !help_only)
        code = write_all(&state);
    close_all(&state);
    return code;
}
