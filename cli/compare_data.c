#include "cli/compare_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text_line.h"

static cli_exit identify(const compare_options *options, bertrun_kind *kind)
{
    const compare_model *first = &options->models[0];
    for (size_t i = 0; i < options->num_models; i++) {
        const compare_model *model = &options->models[i];
        bertrun_error error;
        bertrun_kind found;
        if (bertrun_identify(model->path, &found, &error) != BERTRUN_OK)
            return cli_fail("%s", error.message);
        if (i > 0 && found != *kind)
            return cli_fail("%s and %s cannot be compared: only one of them is a language model",
                            first->name, model->name);
        *kind = found;
    }
    return CLI_OK;
}

/* Options that the other kind of models has. */
static cli_exit check_options(const compare_options *options, bertrun_kind kind)
{
    const table_options *table = &options->table;
    const char *foreign = table->columns  ? "--columns"
                          : table->where  ? "--where"
                          : table->header ? "--header"
                                          : NULL;
    if (kind == BERTRUN_KIND_LM && foreign)
        return cli_usage("%s: language models are compared on a text, not on a table", foreign);
    if (kind == BERTRUN_KIND_ENCODER && options->bptt)
        return cli_usage("--bptt: only language models have it");
    if (kind == BERTRUN_KIND_ENCODER && !table->columns)
        return cli_usage("--columns: missing, see bertrun compare --help");
    return CLI_OK;
}

static bool read_all(compare_data *data, FILE *stream)
{
    for (size_t capacity = 0, got = 1; got; data->size += got) {
        if (data->size == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *grown = cli_realloc(data->text, capacity, 1);
            if (!grown)
                return false;
            data->text = grown;
        }
        got = fread(data->text + data->size, 1, capacity - data->size, stream);
    }
    if (ferror(stream))
        cli_fail("%s: cannot read: %s", data->name, strerror(errno));
    return !ferror(stream);
}

static cli_exit read_text(compare_data *data, const char *path)
{
    text_line input;
    if (text_line_open(&input, path) != CLI_OK)
        return CLI_FAILED;
    data->name = input.name;
    bool good = read_all(data, input.file);
    text_line_close(&input);
    return good ? CLI_OK : CLI_FAILED;
}

static void set_defaults(compare_options *options, bertrun_kind kind)
{
    if (!options->batch_size)
        options->batch_size = kind == BERTRUN_KIND_LM ? 10 : 32;
    if (!options->bptt)
        options->bptt = 35;
}

cli_exit compare_data_read(compare_data *data, compare_options *options)
{
    cli_exit code = identify(options, &data->kind);
    if (code == CLI_OK)
        code = check_options(options, data->kind);
    if (code != CLI_OK)
        return code;
    set_defaults(options, data->kind);
    if (data->kind == BERTRUN_KIND_LM)
        return read_text(data, options->data);
    code = labelled_rows_read(&data->rows, options->data, &options->table);
    data->name = data->rows.name;
    return code;
}

void compare_data_free(compare_data *data)
{
    labelled_rows_free(&data->rows);
    free(data->text);
    *data = (compare_data){0};
}
