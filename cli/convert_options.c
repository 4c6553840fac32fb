#include "cli/convert_options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/calibration_texts.h"

const cli_choice convert_roundings[] = {
    {"nearest", BERTRUN_ROUNDING_NEAREST},
    {"gptq", BERTRUN_ROUNDING_GPTQ},
    {NULL, 0},
};

void convert_options_init(convert_options *options)
{
    *options = (convert_options){0};
    bertrun_convert_settings_init(&options->settings);
    options->settings.log = cli_log;
}

bool convert_take_equalize(void *data, const char *text)
{
    convert_options *options = data;
    char *end;
    bool chosen = strcmp(text, "auto") == 0;
    float alpha = chosen ? BERTRUN_EQUALIZE_AUTO : strtof(text, &end);
    options->settings.equalize_alpha = alpha;
    if (chosen || (end != text && !*end && alpha > 0 && alpha <= 1))
        return true;
    cli_usage("--equalize: '%s' is neither auto nor a number above 0, up to 1", text);
    return false;
}

cli_exit convert_options_run(convert_options *options)
{
    calibration_texts texts = {0};
    cli_exit code = CLI_OK;
    if (!options->output || !*options->output)
        return cli_usage("--output: missing, see --help");
    if (!options->table.columns)
        options->table.columns = "1";
    if (options->texts)
        code = calibration_texts_read(&texts, options->texts, &options->table);
    options->settings.calibration = texts.inputs;
    options->settings.num_calibration = texts.count;
    bertrun_error error;
    if (code == CLI_OK &&
        bertrun_convert(options->model, options->output, &options->settings, &error) != BERTRUN_OK)
        code = cli_fail("%s", error.message);
    calibration_texts_free(&texts);
    return code;
}
