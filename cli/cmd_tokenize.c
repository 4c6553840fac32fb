/* bertrun tokenize: texts in, token ids out, a line each; or back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "cli/open_tokenizer.h"
#include "cli/options.h"
#include "cli/text_source.h"

static const char help[] =
    "usage: bertrun tokenize --model MODEL [OPTION...] [TEXT...]\n"
    "\n"
    "Prints token ids, a line for each text. Texts come from the arguments, --input, or standard\n"
    "input, a line each; any amount of them is streamed.\n"
    "\n"
    "  --model MODEL          a file made by 'bertrun convert', a Hugging Face directory, or its\n"
    "                         vocab.txt or tokenizer.json alone\n"
    "  --input FILE           texts, a line each\n"
    "  --pair                 each line is two texts with a tab between\n"
    "  --tokens               the pieces instead of their ids\n"
    "  --offsets[=UNIT]       where each token stands in its text, BEGIN-END, instead of the ids\n"
    "                         (with --tokens: behind the piece); UNIT: chars (default) or bytes\n"
    "  --no-special           without the special tokens around the texts\n"
    "  --max-length N         cut texts to N tokens, special ones included\n"
    "  --truncation WHICH     text of a pair that is cut: longest_first (default), only_first,\n"
    "                         only_second\n"
    "  --truncation-side SIDE which end is cut: right (default) or left\n"
    "  --stride N             print what is cut, too, in further lines of --max-length tokens "
    "that\n"
    "                         overlap the line before by N\n"
    "  --decode               the other way: each line is ids, printed is their text\n"
    "  --skip-special         with --decode: leave out special tokens\n"
    "\n"
    "Examples:\n"
    "  bertrun tokenize --model minilm.bin --tokens \"Someone strums an instrument.\"\n"
    "  bertrun tokenize --model minilm.bin < corpus.txt > ids.txt\n"
    "\n"
    "Exit codes: 0 fine; 1 a file, the tokenizer or the output failed; 2 a wrong command line.\n";

enum { CHARS = 1, BYTES };
static const cli_choice units[] = {{"chars", CHARS}, {"bytes", BYTES}, {NULL, 0}};
static const cli_choice sides[] = {{"right", false}, {"left", true}, {NULL, 0}};
static const cli_choice truncations[] = {
    {"longest_first", BERTRUN_TRUNCATION_LONGEST_FIRST},
    {"only_first", BERTRUN_TRUNCATION_ONLY_FIRST},
    {"only_second", BERTRUN_TRUNCATION_ONLY_SECOND},
    {NULL, 0},
};

typedef struct tokenize_options {
    const char *model, *input;
    bool pair, pieces, decode, skip_special, help;
    int offsets; /* 0, CHARS or BYTES */
    bertrun_encode_options encode;
} tokenize_options;

typedef struct tokenize {
    tokenize_options options;
    bertrun_tokenizer *tokenizer;
    bertrun_encoder *encoder;
    text_source source;
    size_t texts, cut_texts, cut_tokens;
    int32_t *ids; /* with --decode: those of the line */
    size_t ids_capacity;
} tokenize;

static bool take_offsets(void *data, const char *unit)
{
    tokenize_options *options = data;
    options->encode.offsets = true;
    options->offsets = CHARS;
    return !unit || cli_parse_choice("--offsets", unit, units, &options->offsets);
}

static bool take_side(void *data, const char *side)
{
    tokenize_options *options = data;
    int left;
    if (!cli_parse_choice("--truncation-side", side, sides, &left))
        return false;
    options->encode.truncate_left = left;
    return true;
}

static bool take_stride(void *data, const char *text)
{
    tokenize_options *options = data;
    options->encode.overflow = true;
    return cli_parse_size("--stride", text, 0, &options->encode.stride);
}

#define AT(member) .at = offsetof(tokenize_options, member)

static const cli_option all_options[] = {
    OPTION_HELP(tokenize_options),
    {"model", OPTION_TEXT, AT(model)},
    {"input", OPTION_TEXT, AT(input)},
    {"pair", OPTION_FLAG, AT(pair)},
    {"tokens", OPTION_FLAG, AT(pieces)},
    {"offsets", OPTION_CALL, .take = take_offsets, .optional = true},
    {"no-special", OPTION_FLAG, AT(encode.no_special)},
    {"max-length", OPTION_SIZE, AT(encode.max_length), .least = 1},
    {"truncation", OPTION_CHOICE, AT(encode.truncation), .choices = truncations},
    {"truncation-side", OPTION_CALL, .take = take_side},
    {"stride", OPTION_CALL, .take = take_stride},
    {"decode", OPTION_FLAG, AT(decode)},
    {"skip-special", OPTION_FLAG, AT(skip_special)},
    {0},
};

/* A given option that says how texts are cut; NULL: there is none. */
static const char *find_cutting(const bertrun_encode_options *encode)
{
    return encode->overflow        ? "--stride"
           : encode->truncation    ? "--truncation"
           : encode->truncate_left ? "--truncation-side"
                                   : NULL;
}

/* A given option that is for texts only, not for ids. */
static const char *find_encoding(const tokenize_options *options)
{
    return options->pair                ? "--pair"
           : options->pieces            ? "--tokens"
           : options->offsets           ? "--offsets"
           : options->encode.no_special ? "--no-special"
           : options->encode.max_length ? "--max-length"
                                        : find_cutting(&options->encode);
}

/* What single options cannot know. */
static bool check(const tokenize_options *options, bool has_texts)
{
    const char *encoding = find_encoding(options);
    const char *cutting = find_cutting(&options->encode);
    if (!options->model)
        cli_usage("--model: missing, see bertrun tokenize --help");
    else if (options->input && has_texts)
        cli_usage("--input: not together with texts as arguments");
    else if (options->decode && encoding)
        cli_usage("--decode: not together with %s", encoding);
    else if (options->skip_special && !options->decode)
        cli_usage("--skip-special: only with --decode");
    else if (cutting && !options->encode.max_length)
        cli_usage("%s: needs --max-length", cutting);
    else
        return true;
    return false;
}

static bool parse(tokenize_options *options, int argc, char **argv)
{
    return cli_take_options(all_options, options, argc, argv) &&
           (options->help || check(options, optind < argc));
}

static cli_exit check_output(void)
{
    return ferror(stdout) ? cli_fail("standard output: cannot write: %s", strerror(errno)) : CLI_OK;
}

static void print_id(int32_t id)
{
    char digits[12], *at = digits + sizeof digits;
    for (*--at = (char)('0' + id % 10); id /= 10;)
        *--at = (char)('0' + id % 10);
    fwrite(at, 1, (size_t)(digits + sizeof digits - at), stdout);
}

static void print_token(const tokenize *state, const bertrun_tokens *tokens, size_t index)
{
    const tokenize_options *options = &state->options;
    if (options->pieces) {
        size_t length = 0;
        const char *piece = bertrun_tokenizer_token(state->tokenizer, tokens->ids[index], &length);
        fwrite(piece, 1, length, stdout);
    } else if (!options->offsets) {
        print_id(tokens->ids[index]);
    }
    if (options->offsets) {
        const bertrun_span *span = &tokens->spans[index];
        bool bytes = options->offsets == BYTES;
        printf("%s%zu-%zu", options->pieces ? ":" : "", bytes ? span->byte_begin : span->char_begin,
               bytes ? span->byte_end : span->char_end);
    }
}

static void print_windows(const tokenize *state, const bertrun_tokens *tokens)
{
    for (size_t window = 0; window < tokens->num_windows; window++) {
        size_t begin = tokens->window_offsets[window], end = tokens->window_offsets[window + 1];
        for (size_t i = begin; i < end; i++) {
            if (i > begin)
                putchar(' ');
            print_token(state, tokens, i);
        }
        putchar('\n');
    }
}

static cli_exit encode_text(tokenize *state, const bertrun_input *input)
{
    bertrun_tokens tokens;
    bertrun_error error;
    if (bertrun_tokenizer_encode(state->encoder, input, &state->options.encode, &tokens, &error))
        return cli_fail("text %zu: %s", state->texts + 1, error.message);
    print_windows(state, &tokens);
    state->cut_texts += tokens.truncated > 0;
    state->cut_tokens += tokens.truncated;
    return CLI_OK;
}

static bool add_id(tokenize *state, size_t count, int32_t id)
{
    if (count == state->ids_capacity) {
        size_t capacity = count ? 2 * count : 512;
        int32_t *ids = cli_realloc(state->ids, capacity, sizeof *ids);
        if (!ids)
            return false;
        state->ids = ids;
        state->ids_capacity = capacity;
    }
    state->ids[count] = id;
    return true;
}

/* Ids with blanks, tabs or commas between. `text` ends before a byte that is no digit. */
static cli_exit decode_text(tokenize *state, const bertrun_input *input)
{
    const bertrun_tokenizer_info *info = bertrun_tokenizer_get_info(state->tokenizer);
    size_t count = 0;
    for (size_t i = 0; i < input->length;) {
        size_t id = 0, begin = i;
        for (; i < input->length && input->text[i] >= '0' && input->text[i] <= '9'; i++)
            if (id < info->vocab_size)
                id = 10 * id + (size_t)(input->text[i] - '0');
        if (i == begin) {
            if (!input->text[i] || !strchr(" ,\t[]", input->text[i]))
                return cli_fail("text %zu: not a list of ids", state->texts + 1);
            i++;
            continue;
        }
        if (id >= info->vocab_size)
            return cli_fail("text %zu: there is no id %.*s", state->texts + 1, (int)(i - begin),
                            input->text + begin);
        if (!add_id(state, count++, (int32_t)id))
            return CLI_FAILED;
    }
    const char *text;
    size_t length;
    bertrun_error error;
    if (bertrun_tokenizer_decode(state->encoder, state->ids, count, state->options.skip_special,
                                 &text, &length, &error))
        return cli_fail("%s", error.message);
    fwrite(text, 1, length, stdout);
    putchar('\n');
    return CLI_OK;
}

static cli_exit process(tokenize *state)
{
    const batch_limits limits = {text_source_is_terminal(&state->source) ? 1 : 1024, 1 << 20};
    for (;;) {
        text_batch batch;
        if (!text_source_read(&state->source, &limits, &batch))
            return CLI_FAILED;
        if (batch.count == 0)
            return CLI_OK;
        for (size_t i = 0; i < batch.count; i++, state->texts++) {
            cli_exit code = state->options.decode ? decode_text(state, &batch.inputs[i])
                                                  : encode_text(state, &batch.inputs[i]);
            if (code != CLI_OK)
                return code;
        }
        if (limits.max_texts == 1)
            fflush(stdout);
        if (check_output() != CLI_OK)
            return CLI_FAILED;
    }
}

static cli_exit open_all(tokenize *state, char *const *texts, size_t num_texts)
{
    const tokenize_options *options = &state->options;
    bertrun_error error;
    if (!open_tokenizer(&state->tokenizer, options->model))
        return CLI_FAILED;
    if (bertrun_encoder_open(&state->encoder, state->tokenizer, &error))
        return cli_fail("%s", error.message);
    return text_source_open(&state->source, options->input, texts, num_texts,
                            &(text_fields){.pairs = options->pair});
}

cli_exit cli_tokenize(int argc, char **argv)
{
    tokenize state = {0};
    bertrun_encode_options_init(&state.options.encode);
    if (!parse(&state.options, argc, argv))
        return CLI_USAGE;
    if (state.options.help)
        return cli_help(help);
    cli_exit code = open_all(&state, argv + optind, (size_t)(argc - optind));
    if (code == CLI_OK)
        code = process(&state);
    if (state.cut_texts)
        cli_note("%zu of %zu texts were longer than %zu tokens: %zu tokens were cut off",
                 state.cut_texts, state.texts, state.options.encode.max_length, state.cut_tokens);
    text_source_close(&state.source);
    bertrun_encoder_close(&state.encoder);
    bertrun_tokenizer_close(&state.tokenizer);
    free(state.ids);
    return code;
}
