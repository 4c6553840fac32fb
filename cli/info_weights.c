#include "cli/info_weights.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bertrun/bertrun.h"
#include "cli/json_write.h"

enum { CELL = 40 };

static const char *shape_text(const bertrun_tensor_info *tensor, char text[CELL])
{
    int used = snprintf(text, CELL, "[");
    for (size_t i = 0; i < tensor->rank && used < CELL - 1; i++)
        used += snprintf(text + used, (size_t)(CELL - used), i ? ", %zu" : "%zu", tensor->shape[i]);
    if (used < CELL - 1)
        snprintf(text + used, (size_t)(CELL - used), "]");
    return text;
}

static const char *scale_text(const bertrun_tensor_info *tensor, char text[CELL])
{
    if (tensor->num_scales > 1)
        snprintf(text, CELL, "%.3g..%.3g", (double)tensor->min_scale, (double)tensor->max_scale);
    else
        snprintf(text, CELL, "%.5g", (double)tensor->min_scale);
    return tensor->num_scales ? text : "-";
}

/* "~" marks what is expected, not measured. */
static const char *sqnr_text(const bertrun_tensor_info *tensor, char text[CELL])
{
    if (isnan(tensor->sqnr_db))
        return "-";
    if (isinf(tensor->sqnr_db))
        return "exact";
    snprintf(text, CELL, "%s%.1f", tensor->measured ? "" : "~", tensor->sqnr_db);
    return text;
}

static const char *clipped_text(const bertrun_tensor_info *tensor, char text[CELL])
{
    snprintf(text, CELL, "%s%.3f %%", tensor->measured ? "" : "<=", 100 * tensor->clipped);
    return tensor->num_scales ? text : "-";
}

static void print_line(void *data, const bertrun_tensor_info *tensor)
{
    char shape[CELL], scale[CELL], sqnr[CELL], clipped[CELL];
    (void)data;
    if (strcmp(tensor->dtype, "u8") == 0) {
        printf("%-52s %-5s %-13s\n", tensor->name, tensor->dtype, shape_text(tensor, shape));
        return;
    }
    printf("%-52s %-5s %-13s %8.4f %8.4f %18s %4s %8s %10s %6.3f", tensor->name, tensor->dtype,
           shape_text(tensor, shape), (double)tensor->min, (double)tensor->max,
           scale_text(tensor, scale), tensor->num_scales ? "0" : "-", sqnr_text(tensor, sqnr),
           clipped_text(tensor, clipped), tensor->storage_ratio);
    if (tensor->input_scale > 0)
        printf("  input: scale %.5g, zero point %d", (double)tensor->input_scale,
               (int)tensor->input_zero_point);
    putchar('\n');
}

static void set_quantization(json_t *object, const bertrun_tensor_info *tensor)
{
    if (tensor->num_scales) {
        json_object_set_new(object, "num_scales", json_integer((json_int_t)tensor->num_scales));
        json_object_set_new(object, "min_scale", json_real((double)tensor->min_scale));
        json_object_set_new(object, "max_scale", json_real((double)tensor->max_scale));
        json_object_set_new(object, "zero_point", json_integer(tensor->zero_point));
        json_object_set_new(object, tensor->measured ? "clipped" : "clipped_at_most",
                            json_real(tensor->clipped));
    }
    if (isfinite(tensor->sqnr_db))
        json_object_set_new(object, tensor->measured ? "sqnr_db" : "expected_sqnr_db",
                            json_real(tensor->sqnr_db));
    if (tensor->input_scale > 0) {
        json_object_set_new(object, "input_scale", json_real((double)tensor->input_scale));
        json_object_set_new(object, "input_zero_point", json_integer(tensor->input_zero_point));
    }
}

static void append_json(void *data, const bertrun_tensor_info *tensor)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    json_t *object = json_pack("{ss ss so sI}", "name", tensor->name, "dtype", tensor->dtype,
                               "shape", shape, "bytes", (json_int_t)tensor->bytes);
    if (strcmp(tensor->dtype, "u8") != 0) {
        json_object_set_new(object, "storage_ratio", json_real(tensor->storage_ratio));
        json_object_set_new(object, "min", json_real((double)tensor->min));
        json_object_set_new(object, "max", json_real((double)tensor->max));
        set_quantization(object, tensor);
    }
    json_array_append_new(data, object);
}

static cli_exit print_json(const char *model, const char *original)
{
    bertrun_error error;
    json_t *tensors = json_array();
    if (bertrun_inspect(model, original, append_json, tensors, &error) != BERTRUN_OK) {
        json_decref(tensors);
        return cli_fail("%s", error.message);
    }
    return json_print(tensors, 9);
}

cli_exit info_weights(const char *model, const char *original, bool json)
{
    bertrun_error error;
    if (json)
        return print_json(model, original);
    printf("%-52s %-5s %-13s %8s %8s %18s %4s %8s %10s %6s\n", "tensor", "dtype", "shape", "min",
           "max", "scale", "zero", "SQNR dB", "clipped", "ratio");
    if (bertrun_inspect(model, original, print_line, NULL, &error) != BERTRUN_OK)
        return cli_fail("%s", error.message);
    return CLI_OK;
}

/* What --verify has seen. */
typedef struct verdict {
    size_t tensors, broken;
} verdict;

static void verify_tensor(void *data, const bertrun_tensor_info *tensor)
{
    verdict *seen = data;
    seen->tensors++;
    if (tensor->num_not_finite == 0)
        return;
    seen->broken++;
    printf("%s: values that are NaN or infinite: %" PRIu64 "\n", tensor->name,
           tensor->num_not_finite);
}

/* Opening a model, of either kind, checks what the library computes with. */
static bertrun_status open_once(const char *path, bertrun_error *error)
{
    bertrun_kind kind;
    bertrun_model *model = NULL;
    bertrun_lm *lm = NULL;
    bertrun_status status = bertrun_identify(path, &kind, error);
    if (status == BERTRUN_OK && kind == BERTRUN_KIND_LM)
        status = bertrun_lm_open(&lm, path, NULL, error);
    else if (status == BERTRUN_OK)
        status = bertrun_model_open(&model, path, NULL, error);
    bertrun_lm_close(&lm);
    bertrun_model_close(&model);
    return status;
}

/* The walk sees each value as it is stored. */
cli_exit info_verify(const char *path)
{
    verdict seen = {0};
    bertrun_error error;
    bertrun_status status = bertrun_inspect(path, NULL, verify_tensor, &seen, &error);
    if (status == BERTRUN_OK && seen.broken == 0)
        status = open_once(path, &error);
    if (status != BERTRUN_OK)
        return cli_fail("%s", error.message);
    if (seen.broken > 0)
        return cli_fail("%s: %zu of %zu tensors have values that are not finite", path, seen.broken,
                        seen.tensors);
    printf("fine: %zu tensors, every value finite\n", seen.tensors);
    return CLI_OK;
}
