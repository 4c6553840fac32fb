#include "cli/convert_options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/calibration_texts.h"

static const cli_choice roundings[] = {
    {"nearest", BERTRUN_ROUNDING_NEAREST},
    {"gptq", BERTRUN_ROUNDING_GPTQ},
    {NULL, 0},
};

void convert_options_init(convert_options *options)
{
    *options = (convert_options){.table = {.columns = "1"}};
    bertrun_convert_settings_init(&options->settings);
    options->settings.log = cli_log;
}

static cli_exit take_alpha(bertrun_convert_settings *settings)
{
    char *end;
    settings->equalize_alpha =
        strcmp(optarg, "auto") == 0 ? BERTRUN_EQUALIZE_AUTO : strtof(optarg, &end);
    if (settings->equalize_alpha == BERTRUN_EQUALIZE_AUTO && strcmp(optarg, "auto") == 0)
        return CLI_OK;
    bool number = end != optarg && !*end;
    if (number && settings->equalize_alpha > 0 && settings->equalize_alpha <= 1)
        return CLI_OK;
    return cli_usage("--equalize: '%s' is neither auto nor a number above 0, up to 1", optarg);
}

static cli_exit take_rounding(bertrun_convert_settings *settings)
{
    int value;
    if (!cli_parse_choice("--rounding", optarg, roundings, &value))
        return CLI_USAGE;
    settings->rounding = (bertrun_rounding)value;
    return CLI_OK;
}

cli_exit convert_options_take(convert_options *options, int option)
{
    switch (option) {
    case 'o':
        options->output = optarg;
        return CLI_OK;
    case CONVERT_EQUALIZE:
        return take_alpha(&options->settings);
    case CONVERT_ROUNDING:
        return take_rounding(&options->settings);
    case CONVERT_COLUMNS:
        options->table.columns = optarg;
        return CLI_OK;
    case CONVERT_WHERE:
        options->table.where = optarg;
        return CLI_OK;
    case CONVERT_HEADER:
        options->table.header = true;
        return CLI_OK;
    default:
        return CLI_USAGE; /* complained about already */
    }
}

cli_exit convert_options_run(convert_options *options, const char *model)
{
    calibration_texts texts = {0};
    cli_exit code = CLI_OK;
    if (!options->output)
        return cli_usage("--output: missing, see --help");
    if (options->texts)
        code = calibration_texts_read(&texts, options->texts, &options->table);
    options->settings.calibration = texts.inputs;
    options->settings.num_calibration = texts.count;
    bertrun_error error;
    if (code == CLI_OK &&
        bertrun_convert(model, options->output, &options->settings, &error) != BERTRUN_OK)
        code = cli_fail("%s", error.message);
    calibration_texts_free(&texts);
    return code;
}
