/* bertrun_linear: one linear layer from the caller's memory, without a model around it. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/dense.h"
#include "engine/reserved.h"

enum { MAX_THREADS = 1024, MAX_OUT = 1 << 24 };

struct bertrun_linear {
    bertrun_model base; /* precision, kernels, packed weights; it has no encoder */
    br_linear packed;
    bertrun_linear_info info;
    br_workspace work;
    br_buffer input; /* rows that the caller's array has without the padding they need */
};

void bertrun_linear_settings_init(bertrun_linear_settings *settings)
{
    *settings = (bertrun_linear_settings){.precision = BERTRUN_PRECISION_INT8, .threads = 1};
}

const bertrun_linear_info *bertrun_linear_get_info(const bertrun_linear *linear)
{
    return &linear->info;
}

/* ------------------------------------------------------------------------------ open and close */

/* What the caller gave. */
typedef struct layer {
    const float *weights, *bias; /* [out, in], [out] or NULL */
    size_t in, out;
} layer;

static bertrun_status check_finite(const char *name, const float *values, size_t count,
                                   bertrun_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return br_fail(error, BERTRUN_ERR_ARGUMENT, "%s: element %zu is not finite", name, i);
    return BERTRUN_OK;
}

static bertrun_status check(const layer *given, const bertrun_linear_settings *settings,
                            bertrun_error *error)
{
    BR_TRY(BR_CHECK_RESERVED(settings, error));
    if (given->in < 1 || given->in > BR_GEMM_MAX_DEPTH)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "num_in: %zu is not in 1..%d", given->in,
                       BR_GEMM_MAX_DEPTH);
    if (given->out < 1 || given->out > MAX_OUT)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "num_out: %zu is not in 1..%d", given->out,
                       MAX_OUT);
    if (settings->threads < 0 || settings->threads > MAX_THREADS)
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "threads: %d is not in 0..%d",
                       settings->threads, MAX_THREADS);
    BR_TRY(check_finite("weights", given->weights, given->out * given->in, error));
    return given->bias ? check_finite("bias", given->bias, given->out, error) : BERTRUN_OK;
}

/* The layer as a checkpoint, which borrows it. */
static bertrun_status open_checkpoint(br_checkpoint **out, const layer *given, bertrun_error *error)
{
    br_tensor tensors[] = {
        {.name = "linear.weight",
         .dtype = BR_DTYPE_F32,
         .rank = 2,
         .shape = {given->out, given->in},
         .data = given->weights,
         .bytes = given->out * given->in * sizeof(float),
         .linear = true},
        {.name = "linear.bias",
         .dtype = BR_DTYPE_F32,
         .rank = 1,
         .shape = {given->out},
         .data = given->bias,
         .bytes = given->out * sizeof(float)},
    };
    return br_checkpoint_open_tensors(out, tensors, given->bias ? 2 : 1, error);
}

/* With base.checkpoint open. */
static bertrun_status pack(bertrun_linear *linear, bertrun_error *error)
{
    bertrun_model *base = &linear->base;
    br_buffer scratch = {0};
    BR_TRY(br_model_start(base, "bertrun_linear_open", BR_NETWORK_ENCODER, error));
    br_packer packer = br_model_packer(base, NULL, &scratch);
    bertrun_status status = br_model_pack(&linear->packed, &packer, "linear", error);
    br_free(scratch.data);
    return status;
}

static bertrun_status load(bertrun_linear *linear, const layer *given, bertrun_error *error)
{
    bertrun_model *base = &linear->base;
    BR_TRY(open_checkpoint(&base->checkpoint, given, error));
    base->checkpoint_borrowed = true;
    bertrun_status status = pack(linear, error);
    br_checkpoint_close(&base->checkpoint); /* the caller's memory is left alone from here on */
    base->config = NULL;
    linear->packed.sources[0] = (br_linear_source){0};
    base->info.intermediate_size = given->out; /* the widest rows */
    return status;
}

static bertrun_status start_threads(bertrun_linear *linear, bertrun_error *error)
{
    int threads = linear->info.threads;
    BR_TRY(br_workspace_open(&linear->work, &linear->base, threads, false, error));
    for (int i = 0; i < threads; i++)
        if (!br_lane_reserve(linear->work.lanes[i], &linear->packed))
            return br_fail_nomem(error);
    return BERTRUN_OK;
}

static bertrun_status prepare(bertrun_linear *linear, const layer *given,
                              const bertrun_linear_settings *settings, bertrun_error *error)
{
    linear->base.settings = (bertrun_model_settings){
        .precision = settings->precision,
        .activations = settings->activations,
        .weights = settings->weights,
        .kernels = settings->kernels,
    };
    BR_TRY(load(linear, given, error));
    linear->info = (bertrun_linear_info){
        .in = given->in,
        .out = given->out,
        .precision = linear->base.info.precision,
        .activations = linear->base.info.activations,
        .weights = linear->base.info.weights,
        .threads = settings->threads ? settings->threads : br_pool_available_threads(),
        .weight_bytes = linear->packed.packed_bytes,
    };
    return start_threads(linear, error);
}

bertrun_status bertrun_linear_open(bertrun_linear **out, const float *weights, const float *bias,
                                   size_t num_in, size_t num_out,
                                   const bertrun_linear_settings *settings, bertrun_error *error)
{
    bertrun_linear_settings chosen;
    layer given = {.weights = weights, .bias = bias, .in = num_in, .out = num_out};
    *out = NULL;
    bertrun_linear_settings_init(&chosen);
    if (settings)
        chosen = *settings;
    BR_TRY(check(&given, &chosen, error));
    bertrun_linear *linear = br_calloc(1, sizeof *linear);
    if (!linear)
        return br_fail_nomem(error);
    bertrun_status status = prepare(linear, &given, &chosen, error);
    if (status != BERTRUN_OK)
        bertrun_linear_close(&linear);
    *out = linear;
    return status;
}

void bertrun_linear_close(bertrun_linear **pointer)
{
    bertrun_linear *linear = *pointer;
    *pointer = NULL;
    if (!linear)
        return;
    br_workspace_close(&linear->work);
    br_free(linear->input.data);
    br_linear_free(&linear->packed);
    br_model_release(&linear->base);
    br_free(linear);
}

/* ----------------------------------------------------------------------------------------- run */

/* x with zeros beyond its columns, [rows, k]: itself or a copy; NULL where memory cannot be had. */
static const float *pad_rows(bertrun_linear *linear, const float *x, size_t rows)
{
    size_t in = linear->packed.in, k = linear->packed.k;
    if (in == k)
        return x;
    if (!br_buffer_reserve(&linear->input, rows, k * sizeof *x))
        return NULL;
    float *copy = linear->input.data;
    for (size_t r = 0; r < rows; r++) {
        memcpy(copy + r * k, x + r * in, in * sizeof *x);
        memset(copy + r * k + in, 0, (k - in) * sizeof *x);
    }
    return copy;
}

bertrun_status bertrun_linear_run(bertrun_linear *linear, const float *x, size_t rows, float *y,
                                  bertrun_error *error)
{
    const br_linear *packed = &linear->packed;
    if (rows == 0)
        return BERTRUN_OK;
    if (rows > PTRDIFF_MAX / sizeof(float) / (packed->k + packed->n))
        return br_fail(error, BERTRUN_ERR_ARGUMENT, "rows: %zu are too many", rows);
    br_dense_call call = {
        .linear = packed,
        .phase = BR_PHASE_HEAD,
        .rows = rows,
        .src = pad_rows(linear, x, rows),
        .dst = y,
        .dst_stride = packed->out,
    };
    if (!call.src)
        return br_fail_nomem(error);
    int previous = br_onednn_begin_single();
    bertrun_status status = br_run_dense(&linear->work, &call, error);
    br_onednn_end_single(previous);
    return status;
}
