/* bertrun_convert(): reads a model, brings its tensors to a dtype, writes a `.bin`. */
#include "engine/convert.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/half.h"
#include "common/memory.h"
#include "engine/directory_tokenizer.h"
#include "engine/calibration.h"
#include "engine/lstm_words.h"
#include "engine/quantize_weights.h"
#include "engine/reserved.h"
#include "models/architecture.h"
#include "tokenizer/tokenizer.h"

void bertrun_convert_settings_init(bertrun_convert_settings *settings)
{
    *settings = (bertrun_convert_settings){0};
}

/* The tensors to write. */
typedef struct conversion {
    const char *source;
    br_dtype dtype;           /* of the matrices */
    const bertrun_keep *keep; /* [num_keep] exceptions */
    size_t num_keep;
    bool per_tensor;  /* int8: linear layers have one scale each */
    bool per_channel; /* int8: they must not */
    const br_checkpoint *checkpoint;
    float *row; /* one row of a tensor, widened */
    br_tensor *tensors;
    void **owned; /* [num_owned] data and names made here */
    size_t num_tensors, num_owned;
} conversion;

enum {
    NUM_TOKENIZER_TENSORS = 3,
    OWNED_PER_TENSOR = 3,  /* an int8 matrix: its data, its scales and their name */
    NUM_INPUT_TENSORS = 4, /* of a fixed input; each owns its name and its number */
};

static bertrun_status conversion_init(conversion *c, bertrun_error *error)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(c->checkpoint, &tensors), longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t columns = tensors[i].shape[tensors[i].rank - 1];
        if (br_dtype_is_float(tensors[i].dtype) && columns > longest)
            longest = columns;
    }
    const br_fixed_input *inputs;
    size_t more = NUM_INPUT_TENSORS * br_checkpoint_fixed_inputs(c->checkpoint, &inputs);
    c->row = br_alloc(longest, sizeof *c->row);
    c->tensors = br_alloc(2 * count + more + NUM_TOKENIZER_TENSORS, sizeof *c->tensors);
    c->owned = br_alloc(OWNED_PER_TENSOR * count + 2 * more, sizeof *c->owned);
    return c->row && c->tensors && c->owned ? BERTRUN_OK : br_fail_nomem(error);
}

static void conversion_free(conversion *c)
{
    for (size_t i = 0; i < c->num_owned; i++)
        br_free(c->owned[i]);
    br_free(c->owned);
    br_free(c->tensors);
    br_free(c->row);
}

/* Memory that lives as long as the conversion, or NULL. */
static void *own(conversion *c, size_t count, size_t size)
{
    void *memory = br_alloc(count, size);
    if (memory)
        c->owned[c->num_owned++] = memory;
    return memory;
}

/* One row to a float dtype. Returns false where a weight is not finite, before or after. */
static bool convert_row(const float *row, size_t n, br_dtype dtype, void *out)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        float stored = row[i];
        if (dtype == BR_DTYPE_F16)
            stored = br_f16_to_f32(((uint16_t *)out)[i] = br_f32_to_f16(row[i]));
        else if (dtype == BR_DTYPE_BF16)
            stored = br_bf16_to_f32(((uint16_t *)out)[i] = br_f32_to_bf16(row[i]));
        else
            ((float *)out)[i] = row[i];
        finite &= isfinite(stored) != 0;
    }
    return finite;
}

/* int8: `scale` receives the scheme's scales, one a row or a single one. */
static bertrun_status convert_rows(conversion *c, const br_tensor *in, br_dtype dtype, void *out,
                                   const br_weight_scheme *scheme, float *scale,
                                   bertrun_error *error)
{
    size_t columns = in->shape[in->rank - 1], rows = br_tensor_count(in) / columns;
    for (size_t r = 0; r < rows; r++) {
        void *out_row = (char *)out + r * columns * br_dtype_size(dtype);
        br_tensor_to_f32(in, r * columns, columns, c->row);
        if (dtype == BR_DTYPE_S8 ? !br_quantize_row(scheme, r, c->row, columns, out_row,
                                                    scale + (scheme->per_tensor ? 0 : r))
                                 : !convert_row(c->row, columns, dtype, out_row))
            return br_fail(error, BERTRUN_ERR_FORMAT,
                           "%s: tensor \"%s\" has a weight in row %zu that is not finite, or too "
                           "large for %s",
                           c->source, in->name, r, br_dtype_name(dtype));
    }
    return BERTRUN_OK;
}

/* A vector named `base` and `ending`, for the caller to fill; NULL: no memory. */
static void *add_vector(conversion *c, const char *base, const char *ending, br_dtype dtype,
                        size_t count)
{
    size_t name_size = strlen(base) + strlen(ending) + 1, bytes = count * br_dtype_size(dtype);
    char *name = own(c, name_size, 1);
    void *data = own(c, count, br_dtype_size(dtype));
    if (!name || !data)
        return NULL;
    snprintf(name, name_size, "%s%s", base, ending);
    c->tensors[c->num_tensors++] = (br_tensor){
        .name = name, .dtype = dtype, .rank = 1, .shape = {count}, .data = data, .bytes = bytes};
    return data;
}

static bertrun_status add_converted(conversion *c, const br_tensor *in, br_dtype dtype,
                                    bertrun_error *error)
{
    br_tensor *out = &c->tensors[c->num_tensors++];
    float *scale = NULL;
    void *data = own(c, br_tensor_count(in), br_dtype_size(dtype));
    if (!data)
        return br_fail_nomem(error);
    *out = *in;
    out->dtype = dtype;
    out->data = data;
    out->bytes = br_tensor_count(in) * br_dtype_size(dtype);
    br_weight_scheme scheme = {0};
    if (dtype == BR_DTYPE_S8) {
        scheme = br_weight_scheme_choose(c->checkpoint, in, in->linear && c->per_tensor, c->row);
        scale =
            add_vector(c, in->name, "_scale", BR_DTYPE_F32, scheme.per_tensor ? 1 : in->shape[0]);
        if (!scale)
            return br_fail_nomem(error);
    }
    return convert_rows(c, in, dtype, data, &scheme, scale, error);
}

static const br_dtype dtypes[] = {
    [BERTRUN_DTYPE_INT8] = BR_DTYPE_S8,
    [BERTRUN_DTYPE_F16] = BR_DTYPE_F16,
    [BERTRUN_DTYPE_BF16] = BR_DTYPE_BF16,
    [BERTRUN_DTYPE_F32] = BR_DTYPE_F32,
};

static bool keeps(const bertrun_keep *keep, const br_tensor *tensor)
{
    char name[BR_TENSOR_NAME_SIZE];
    snprintf(name, sizeof name, "%s", tensor->name);
    if (!tensor->linear)
        return false;
    *strrchr(name, '.') = '\0'; /* less ".weight" */
    return fnmatch(keep->layers, name, 0) == 0;
}

bool br_convert_keeps(const bertrun_convert_settings *settings, const br_tensor *weight)
{
    for (size_t k = 0; k < settings->num_keep; k++)
        if (keeps(&settings->keep[k], weight))
            return true;
    return false;
}

/* Each exception must be one of some layer. */
static bertrun_status check_keep(const br_checkpoint *checkpoint, const char *source,
                                 const bertrun_convert_settings *settings, bertrun_error *error)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(checkpoint, &tensors);
    for (size_t k = 0; k < settings->num_keep; k++) {
        bool any = false;
        for (size_t i = 0; i < count; i++)
            any |= keeps(&settings->keep[k], &tensors[i]);
        if (!any)
            return br_fail(error, BERTRUN_ERR_ARGUMENT,
                           "%s: keep: no linear layer's name matches \"%s\" (docs/FORMAT.md names "
                           "them)",
                           source, settings->keep[k].layers);
    }
    return BERTRUN_OK;
}

/* Vectors are F32 always; of the matrices, int8 leaves out those that are only added up. */
static br_dtype choose_dtype(const conversion *c, const br_tensor *tensor)
{
    if (tensor->rank == 1 || (c->dtype == BR_DTYPE_S8 && !tensor->quantizable))
        return BR_DTYPE_F32;
    for (size_t k = c->num_keep; k-- > 0;)
        if (keeps(&c->keep[k], tensor))
            return dtypes[c->keep[k].dtype];
    return c->dtype;
}

/* Whether an int8 tensor is stored as it is wanted. */
static bool fits(const conversion *c, const br_tensor *tensor)
{
    const br_tensor *scale = br_checkpoint_find(c->checkpoint, "%s_scale", tensor->name);
    bool one_scale = tensor->linear && scale && scale->shape[0] < tensor->shape[0];
    return choose_dtype(c, tensor) == BR_DTYPE_S8 && !c->per_tensor &&
           !(c->per_channel && one_scale);
}

static bertrun_status add_tensor(conversion *c, const br_tensor *tensor, bertrun_error *error)
{
    if (br_dtype_is_float(tensor->dtype))
        return add_converted(c, tensor, choose_dtype(c, tensor), error);
    if (tensor->dtype == BR_DTYPE_S8 && !fits(c, tensor))
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: its weights are int8 already; convert the original instead", c->source);
    c->tensors[c->num_tensors++] = *tensor;
    return BERTRUN_OK;
}

static bertrun_status add_tensors(conversion *c, bertrun_error *error)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(c->checkpoint, &tensors);
    for (size_t i = 0; i < count; i++)
        BR_TRY(add_tensor(c, &tensors[i], error));
    return BERTRUN_OK;
}

static bool add_integer(conversion *c, const char *base, const char *ending, int32_t value)
{
    int32_t *out = add_vector(c, base, ending, BR_DTYPE_I32, 1);
    if (out)
        *out = value;
    return out;
}

/* The bounds are written only where they are not those of u8. */
static bool add_fixed_input(conversion *c, const br_fixed_input *input)
{
    const br_affine *affine = &input->affine;
    float *scale = add_vector(c, input->name, ".input_scale", BR_DTYPE_F32, 1);
    if (!scale)
        return false;
    *scale = affine->scale;
    if (!add_integer(c, input->name, ".input_zero_point", affine->zero_point))
        return false;
    if (affine->least == 0 && affine->most == 255)
        return true;
    return add_integer(c, input->name, ".input_quant_min", affine->least) &&
           add_integer(c, input->name, ".input_quant_max", affine->most);
}

static bertrun_status add_fixed_inputs(conversion *c, bertrun_error *error)
{
    const br_fixed_input *inputs;
    size_t count = br_checkpoint_fixed_inputs(c->checkpoint, &inputs);
    for (size_t i = 0; i < count; i++)
        if (!add_fixed_input(c, &inputs[i]))
            return br_fail_nomem(error);
    return BERTRUN_OK;
}

static void add_section(conversion *c, const char *name, const void *data, size_t size)
{
    c->tensors[c->num_tensors++] = (br_tensor){.name = name,
                                               .dtype = BR_DTYPE_U8,
                                               .rank = 1,
                                               .shape = {size},
                                               .data = data,
                                               .bytes = size};
}

static bertrun_status add_tokenizer(conversion *c, const br_tokenizer *tokenizer,
                                    bertrun_error *error)
{
    br_tokenizer_sections sections;
    size_t tokens = br_tokenizer_vocab_size(tokenizer);
    size_t rows = br_checkpoint_config(c->checkpoint)->vocab_size;
    if (tokens > rows)
        return br_fail(error, BERTRUN_ERR_FORMAT,
                       "%s: the tokenizer has %zu tokens, but the word embeddings only %zu rows",
                       c->source, tokens, rows);
    BR_TRY(br_tokenizer_get_sections(tokenizer, &sections, error));
    if (!br_tokenizer_sections_fit(&sections))
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: the tokenizer has more added tokens than a file can hold", c->source);
    add_section(c, "tokenizer.vocab", sections.vocab, sections.vocab_size);
    add_section(c, "tokenizer.config", sections.config, sections.config_size);
    add_section(c, "tokenizer.table", sections.table, sections.table_size);
    return BERTRUN_OK;
}

static void add_words(conversion *c, const br_words *words)
{
    const br_vocabulary *vocabulary = &words->vocabulary;
    add_section(c, "tokenizer.vocab", vocabulary->text, vocabulary->text_size);
    add_section(c, "tokenizer.table", vocabulary->table, vocabulary->table_size);
}

/* What turns a source's text into ids. Empty where the source is a `.bin`, whose tensors include
 * it. */
typedef struct text_reader {
    br_tokenizer *tokenizer; /* an encoder's */
    br_words words;          /* an LSTM's */
} text_reader;

static bertrun_status open_reader(text_reader *out, const br_checkpoint *checkpoint,
                                  const char *source, bertrun_error *error)
{
    *out = (text_reader){0};
    if (br_checkpoint_config(checkpoint)->network == BR_NETWORK_LSTM)
        return br_lstm_words_open(&out->words, checkpoint, source, error);
    if (br_checkpoint_is_bin(checkpoint))
        return BERTRUN_OK;
    return br_open_directory_tokenizer(&out->tokenizer, source, error);
}

static bertrun_status convert(conversion *c, const text_reader *reader, const char *file,
                              bertrun_error *error)
{
    BR_TRY(conversion_init(c, error));
    BR_TRY(add_tensors(c, error));
    BR_TRY(add_fixed_inputs(c, error));
    if (reader->tokenizer)
        BR_TRY(add_tokenizer(c, reader->tokenizer, error));
    else if (!br_checkpoint_is_bin(c->checkpoint))
        add_words(c, &reader->words);
    return br_checkpoint_write(file, br_checkpoint_config(c->checkpoint), c->tensors,
                               c->num_tensors, error);
}

bertrun_status br_convert_checkpoint(const br_checkpoint *checkpoint, const char *source,
                                     const char *file, const bertrun_convert_settings *settings,
                                     bertrun_error *error)
{
    text_reader reader;
    BR_TRY(open_reader(&reader, checkpoint, source, error));
    conversion c = {.source = source,
                    .dtype = dtypes[settings->dtype],
                    .keep = settings->keep,
                    .num_keep = settings->num_keep,
                    .per_tensor = settings->weights == BERTRUN_WEIGHTS_PER_TENSOR,
                    .per_channel = settings->weights == BERTRUN_WEIGHTS_PER_CHANNEL,
                    .checkpoint = checkpoint};
    bertrun_status status = convert(&c, &reader, file, error);
    conversion_free(&c);
    br_tokenizer_close(&reader.tokenizer);
    br_words_free(&reader.words);
    return status;
}

static void log_result(const bertrun_convert_settings *settings, const br_checkpoint *checkpoint,
                       const char *file)
{
    char line[256];
    const br_model_config *config = br_checkpoint_config(checkpoint);
    snprintf(line, sizeof line, "wrote %.128s: %.64s, %zu layers of %zu", file,
             config->architecture, config->num_hidden_layers, config->hidden_size);
    if (settings->log)
        settings->log(settings->log_data, line);
}

static bool needs_calibration(const bertrun_convert_settings *settings)
{
    return settings->equalize_alpha != 0 || settings->rounding != BERTRUN_ROUNDING_NEAREST ||
           settings->observer != BERTRUN_OBSERVER_NONE;
}

static bertrun_status check_settings(const bertrun_convert_settings *settings, bertrun_error *error)
{
    float alpha = settings->equalize_alpha;
    bool int8 = settings->rounding == BERTRUN_ROUNDING_GPTQ || settings->observer;
    BR_TRY(BR_CHECK_RESERVED(settings, error));
    if ((unsigned)settings->dtype > BERTRUN_DTYPE_F32)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown dtype %d", (int)settings->dtype);
    if ((unsigned)settings->weights > BERTRUN_WEIGHTS_PER_TENSOR)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown weights %d", (int)settings->weights);
    for (size_t i = 0; i < settings->num_keep; i++)
        if ((unsigned)settings->keep[i].dtype > BERTRUN_DTYPE_F32 ||
            settings->keep[i].dtype == BERTRUN_DTYPE_INT8)
            return br_fail(error, BERTRUN_ERR_ARGUMENT, "keep %s: dtype %d is no float",
                           settings->keep[i].layers, (int)settings->keep[i].dtype);
    if ((unsigned)settings->rounding > BERTRUN_ROUNDING_GPTQ)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown rounding %d", (int)settings->rounding);
    if ((unsigned)settings->observer > BERTRUN_OBSERVER_ENTROPY)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "unknown observer %d", (int)settings->observer);
    if (!(alpha >= 0 && alpha <= 1) && alpha != BERTRUN_EQUALIZE_AUTO)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "equalize: alpha %g is not in 0..1",
                       (double)alpha);
    if (int8 && settings->dtype != BERTRUN_DTYPE_INT8)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "rounding gptq and observers are for dtype int8 only");
    if (settings->rounding == BERTRUN_ROUNDING_GPTQ &&
        settings->weights == BERTRUN_WEIGHTS_PER_TENSOR)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "rounding gptq gives weights a scale per channel, not per tensor");
    if (needs_calibration(settings) && settings->num_calibration == 0)
        return br_fail(error, BERTRUN_ERR_ARGUMENT,
                       "equalize, rounding gptq and observers need calibration texts");
    return BERTRUN_OK;
}

bertrun_status bertrun_convert(const char *directory, const char *file,
                               const bertrun_convert_settings *settings, bertrun_error *error)
{
    static const bertrun_convert_settings defaults = {0};
    settings = settings ? settings : &defaults;
    if (!directory || !file)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "no path given");
    BR_TRY(check_settings(settings, error));
    br_checkpoint *checkpoint;
    BR_TRY(br_checkpoint_open(&checkpoint, directory, false, error));
    bertrun_status status = check_keep(checkpoint, directory, settings, error);
    if (status == BERTRUN_OK && settings->num_calibration > 0)
        status = br_calibrate(checkpoint, directory, settings, error);
    if (status == BERTRUN_OK)
        status = br_convert_checkpoint(checkpoint, directory, file, settings, error);
    if (status == BERTRUN_OK)
        log_result(settings, checkpoint, file);
    br_checkpoint_close(&checkpoint);
    return status;
}
