#include "engine/linear.h"

#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "engine/quantize_weights.h"
#include "models/architecture.h"
#include "kernels/gemm.h"
#include "kernels/gemm_f32.h"

/* The state of one packing: `plain` receives [n, k] weights in the type's own format. */
typedef struct packing {
    const br_packer *packer;
    br_linear *linear;
    void *plain;
    float *row; /* [k] one row widened to f32 */
} packing;

/* A part's tensors. */
typedef struct part_tensors {
    const br_tensor *weight, *weight_scale, *bias, *output_scale;
} part_tensors;

static part_tensors find_part(const br_checkpoint *checkpoint, const char *name)
{
    return (part_tensors){
        .weight = br_checkpoint_find(checkpoint, "%s.weight", name),
        .weight_scale = br_checkpoint_find(checkpoint, "%s.weight_scale", name),
        .bias = br_checkpoint_find(checkpoint, "%s.bias", name),
        .output_scale = br_checkpoint_find(checkpoint, "%s.output_scale", name),
    };
}

bertrun_precision br_precision_of_dtype(br_dtype dtype)
{
    if (dtype == BR_DTYPE_S8)
        return BERTRUN_PRECISION_INT8;
    return dtype == BR_DTYPE_BF16 ? BERTRUN_PRECISION_BF16 : BERTRUN_PRECISION_F32;
}

static bertrun_precision precision_of_part(const br_packer *packer, const br_linear_part *part)
{
    if (packer->precision != BERTRUN_PRECISION_AUTO)
        return packer->precision;
    return br_precision_of_dtype(find_part(packer->checkpoint, part->name).weight->dtype);
}

static br_matmul_type type_of_part(const br_packer *packer, const br_linear_part *part)
{
    switch (precision_of_part(packer, part)) {
    case BERTRUN_PRECISION_INT8:
        return BR_MATMUL_U8S8;
    case BERTRUN_PRECISION_BF16:
        return packer->bf16_products ? BR_MATMUL_BF16 : BR_MATMUL_F32_BF16;
    default:
        return BR_MATMUL_F32;
    }
}

/* Row r of the weights as f32 times `factor`, to packing->row. */
static void widen_row(packing *pack, const part_tensors *part, size_t r, float factor)
{
    size_t in = part->weight->shape[1];
    br_tensor_row_to_f32(part->weight, part->weight_scale, r, in, pack->row);
    if (factor != 1)
        pack->packer->ops->scale(factor, in, pack->row);
}

/* Row r to output channel `channel` of the float types. */
static void store_float_row(packing *pack, const part_tensors *part, size_t r, float factor,
                            size_t channel)
{
    size_t in = part->weight->shape[1], first = channel * pack->linear->k;
    widen_row(pack, part, r, factor);
    if (pack->linear->type == BR_MATMUL_F32)
        memcpy((float *)pack->plain + first, pack->row, in * sizeof(float));
    else
        pack->packer->ops->narrow_bf16(pack->row, in, (uint16_t *)pack->plain + first);
}

/* Row r, quantized here where it is not already, with its channel's scale and offset. */
static bertrun_status store_s8_row(packing *pack, const part_tensors *part,
                                   const br_weight_scheme *scheme, size_t r, float factor,
                                   size_t channel, bertrun_error *error)
{
    size_t in = part->weight->shape[1], n = pack->linear->n;
    int8_t *out = (int8_t *)pack->plain + channel * pack->linear->k;
    float *scale = pack->linear->channels + channel, *offset = scale + n;
    if (part->weight->dtype == BR_DTYPE_S8) {
        memcpy(out, (const int8_t *)part->weight->data + r * in, in);
        *scale = br_scale_of_row(part->weight_scale, r);
    } else {
        widen_row(pack, part, r, 1);
        if (!br_quantize_row(scheme, r, pack->row, in, out, scale))
            return br_fail(error, BERTRUN_ERR_FORMAT, "tensor %s: row %zu is not finite",
                           part->weight->name, r);
    }
    int32_t sum = 0;
    for (size_t i = 0; i < in; i++)
        sum += out[i];
    *scale *= factor;
    *offset = *scale * (float)sum;
    return BERTRUN_OK;
}

static void store_bias(packing *pack, const part_tensors *part, size_t r, float factor,
                       size_t channel)
{
    float *bias = pack->linear->channels + 2 * pack->linear->n + channel;
    if (part->bias)
        br_tensor_to_f32(part->bias, r, 1, bias);
    *bias *= factor;
}

/* Of what is one projection by itself. */
static void store_output_scale(packing *pack, const part_tensors *part)
{
    float *factor = pack->linear->channels + 3 * pack->linear->n;
    if (!part->output_scale)
        return;
    br_tensor_to_f32(part->output_scale, 0, pack->linear->out, factor);
    pack->linear->columns.factor = factor;
}

/* How a part that is not s8 already is quantized; s8 weights must be as they are asked for. */
static bertrun_status choose_scheme(br_weight_scheme *out, const packing *pack,
                                    const part_tensors *part, bertrun_error *error)
{
    bertrun_weights wanted = pack->packer->weights;
    if (pack->linear->type != BR_MATMUL_U8S8)
        return BERTRUN_OK;
    if (part->weight->dtype == BR_DTYPE_S8)
        out->per_tensor = part->weight_scale->shape[0] != part->weight->shape[0];
    else
        *out = br_weight_scheme_choose(pack->packer->checkpoint, part->weight,
                                       wanted == BERTRUN_WEIGHTS_PER_TENSOR, pack->row);
    bertrun_weights weights =
        out->per_tensor ? BERTRUN_WEIGHTS_PER_TENSOR : BERTRUN_WEIGHTS_PER_CHANNEL;
    if (wanted == BERTRUN_WEIGHTS_AUTO || weights == wanted || part->weight->shape[0] == 1)
        return BERTRUN_OK;
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                   "tensor %s: its int8 weights are %s, not %s: convert the original again",
                   part->weight->name, bertrun_weights_name(weights), bertrun_weights_name(wanted));
}

/* The output channel of row r of `rows` that are gates: BR_CELL_UNITS units' i, f, g and o. */
static size_t channel_of_gate(size_t r, size_t rows)
{
    size_t gate = r / (rows / 4), unit = r % (rows / 4);
    return (unit / BR_CELL_UNITS * 4 + gate) * BR_CELL_UNITS + unit % BR_CELL_UNITS;
}

static bertrun_status store_parts(packing *pack, const br_linear_part *parts, size_t num_parts,
                                  bertrun_error *error)
{
    size_t first = 0;
    for (size_t p = 0; p < num_parts; p++) {
        part_tensors part = find_part(pack->packer->checkpoint, parts[p].name);
        size_t rows = part.weight->shape[0];
        br_weight_scheme scheme = {0};
        BR_TRY(choose_scheme(&scheme, pack, &part, error));
        store_output_scale(pack, &part);
        for (size_t r = 0; r < rows; r++) {
            size_t channel = first + (pack->packer->gates ? channel_of_gate(r, rows) : r);
            store_bias(pack, &part, r, parts[p].factor, channel);
            if (pack->linear->type == BR_MATMUL_U8S8)
                BR_TRY(store_s8_row(pack, &part, &scheme, r, parts[p].factor, channel, error));
            else
                store_float_row(pack, &part, r, parts[p].factor, channel);
        }
        first += rows;
    }
    return BERTRUN_OK;
}

static size_t element_size(br_matmul_type type)
{
    return type == BR_MATMUL_U8S8 ? 1 : type == BR_MATMUL_F32 ? 4 : 2;
}

static bertrun_status pack_plain(packing *pack, bertrun_error *error)
{
    br_linear *linear = pack->linear;
    if (linear->type == BR_MATMUL_BF16)
        return br_onednn_pack(pack->packer->onednn, linear->type, linear->n, linear->k, pack->plain,
                              linear->packed, error);
    if (linear->type == BR_MATMUL_U8S8)
        br_gemm_pack(pack->plain, linear->n, linear->k, linear->packed);
    else
        br_gemm_f32_pack(pack->plain, linear->n, linear->k * element_size(linear->type),
                         linear->packed);
    return BERTRUN_OK;
}

/* Memory that stays: packed weights; channels = scale, offset, bias, factor, [n] each. */
static bertrun_status allocate(br_linear *linear, const br_packer *packer, bertrun_error *error)
{
    bool s8 = linear->type == BR_MATMUL_U8S8;
    linear->packed_bytes = linear->n * linear->k * element_size(linear->type);
    if (linear->type == BR_MATMUL_BF16)
        BR_TRY(br_onednn_packed_bytes(packer->onednn, linear->type, linear->n, linear->k,
                                      &linear->packed_bytes, error));
    linear->packed = br_arena_alloc(packer->arena, linear->packed_bytes);
    linear->channels = br_calloc(linear->n, 4 * sizeof(float));
    if (!linear->packed || !linear->channels)
        return br_fail_nomem(error);
    linear->columns = (br_columns){
        .scale = s8 ? linear->channels : NULL,
        .offset = s8 ? linear->channels + linear->n : NULL,
        .bias = linear->channels + 2 * linear->n,
    };
    return BERTRUN_OK;
}

static void drop_parts(const br_packer *packer, const br_linear_part *parts, size_t num_parts)
{
    for (size_t p = 0; packer->resident && p < num_parts; p++) {
        const br_tensor *weight = find_part(packer->checkpoint, parts[p].name).weight;
        if (weight != packer->resident)
            br_drop_pages(weight->data, weight->bytes);
    }
}

static bertrun_status pack_parts(br_linear *linear, const br_packer *packer,
                                 const br_linear_part *parts, size_t num_parts,
                                 bertrun_error *error)
{
    BR_TRY(allocate(linear, packer, error));
    size_t plain_bytes = linear->n * linear->k * element_size(linear->type);
    if (!br_buffer_reserve(packer->scratch, plain_bytes, 1))
        return br_fail_nomem(error);
    packing pack = {
        .packer = packer,
        .linear = linear,
        .plain = packer->scratch->data,
        .row = br_alloc(linear->k, sizeof *pack.row),
    };
    bertrun_status status = BERTRUN_OK;
    if (!pack.row)
        status = br_fail_nomem(error);
    if (packer->gates || linear->n != linear->out || linear->k != linear->in)
        memset(pack.plain, 0, plain_bytes); /* the padding */
    if (status == BERTRUN_OK)
        status = store_parts(&pack, parts, num_parts, error);
    if (status == BERTRUN_OK)
        status = pack_plain(&pack, error);
    if (status == BERTRUN_OK)
        drop_parts(packer, parts, num_parts);
    br_free(pack.row);
    return status;
}

/* Of the layer `name`; with scale 0 where there is none. */
static br_affine fixed_input(const br_packer *packer, const char *name)
{
    const br_affine *input = NULL;
    if (packer->fixed_inputs)
        input = br_checkpoint_fixed_input(packer->checkpoint, name);
    return input ? *input : (br_affine){0};
}

bool br_linear_parts_agree(const br_packer *packer, const br_linear_part *parts, size_t num_parts)
{
    bertrun_precision precision = precision_of_part(packer, &parts[0]);
    br_affine first = fixed_input(packer, parts[0].name);
    for (size_t p = 1; p < num_parts; p++) {
        br_affine other = fixed_input(packer, parts[p].name);
        if (memcmp(&other, &first, sizeof first) != 0 ||
            precision_of_part(packer, &parts[p]) != precision)
            return false;
    }
    return true;
}

br_columns br_columns_from(const br_columns *all, size_t first)
{
    return (br_columns){.scale = all->scale ? all->scale + first : NULL,
                        .offset = all->offset ? all->offset + first : NULL,
                        .bias = all->bias ? all->bias + first : NULL,
                        .factor = all->factor ? all->factor + first : NULL};
}

bool br_linear_needs_range(const br_linear *linear)
{
    return linear->type == BR_MATMUL_U8S8 && !(linear->input.scale > 0);
}

bertrun_status br_linear_pack(br_linear *out, const br_packer *packer, const br_linear_part *parts,
                              size_t num_parts, bertrun_error *error)
{
    *out = (br_linear){.type = type_of_part(packer, &parts[0]),
                       .input = fixed_input(packer, parts[0].name)};
    for (size_t p = 0; p < num_parts; p++) {
        part_tensors part = find_part(packer->checkpoint, parts[p].name);
        out->in = part.weight->shape[1];
        out->out += part.weight->shape[0];
        out->sources[p] = (br_linear_source){part.weight->name, parts[p].factor};
    }
    if (packer->gates)
        out->out = 4 * br_round_up(out->out / 4, BR_CELL_UNITS);
    out->k = br_round_up(out->in, BR_MATMUL_PAD);
    out->n = br_round_up(out->out, BR_MATMUL_PAD);
    bertrun_status status = BERTRUN_OK;
    if (out->k > BR_GEMM_MAX_DEPTH)
        status = br_fail(error, BERTRUN_ERR_UNSUPPORTED,
                         "tensor %s.weight: %zu inputs are too many", parts[0].name, out->in);
    else
        status = pack_parts(out, packer, parts, num_parts, error);
    if (status != BERTRUN_OK)
        br_linear_free(out);
    return status;
}

void br_linear_source_name(const br_linear_source *source, char *name)
{
    size_t length = strlen(source->weight) - (sizeof ".weight" - 1);
    snprintf(name, BR_TENSOR_NAME_SIZE, "%.*s", (int)length, source->weight);
}

void br_linear_free(br_linear *linear)
{
    br_free(linear->channels);
    *linear = (br_linear){0};
}

double br_linear_operations(const br_linear *linear, size_t rows, size_t columns)
{
    double part = (double)columns / (double)linear->n;
    return 2.0 * (double)rows * (double)linear->in * (double)linear->out * part;
}
