/* bertrun compare: models side by side over one labelled file, language models over a text. */
#include "cli/comparison.h"
#include "cli/result_file.h"

static cli_exit write_report(const comparison *c, const char *path)
{
    result_file file;
    if (!path)
        return CLI_OK;
    if (!result_file_open(&file, path))
        return CLI_FAILED;
    compare_write_html(c, file.stream);
    return result_file_commit(&file) ? CLI_OK : CLI_FAILED;
}

static cli_exit compare(const compare_options *options, const compare_data *data)
{
    comparison result;
    cli_exit code = comparison_run(&result, options, data) ? CLI_OK : CLI_FAILED;
    if (code == CLI_OK) {
        if (result.truncated)
            cli_note("%zu of %zu texts were longer than the model takes, and were cut",
                     result.truncated, result.inputs);
        if (!options->json)
            compare_write_text(&result, stdout);
        else if (!compare_write_json(&result, stdout))
            code = CLI_FAILED;
        if (code == CLI_OK)
            code = write_report(&result, options->report);
    }
    comparison_free(&result);
    return code;
}

cli_exit cli_compare(int argc, char **argv)
{
    compare_options options;
    compare_data data = {0};
    cli_exit code = CLI_USAGE;
    if (compare_options_parse(&options, argc, argv)) {
        code = options.help ? cli_help(compare_help) : compare_data_read(&data, &options);
        if (code == CLI_OK && !options.help)
            code = compare(&options, &data);
    }
    compare_data_free(&data);
    compare_options_free(&options);
    return code;
}
