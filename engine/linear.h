/*
 * A linear projection y = x W^T + b, packed for this CPU: what the forward pass multiplies with.
 *
 * int8 (weights s8, one scale an output channel; input row x ~ s * q + lo, q in 0..255):
 *     y[j] = s * scale[j] * acc[j] + lo * offset[j] + bias[j],   acc = q W_q^T exact in s32,
 *     offset[j] = scale[j] * sum over k of W_q[j, k]
 * so that neither x nor W needs a zero-point correction of the sums. See docs/MODEL.md. Where the
 * checkpoint fixes the input's parameters, s and lo are the same for every row.
 */
#ifndef BR_LINEAR_H
#define BR_LINEAR_H

#include "common/arena.h"
#include "common/memory.h"
#include "kernels/onednn.h"
#include "kernels/ops.h"
#include "models/checkpoint.h"

/** Projections that can be packed as one: queries, keys, values. */
enum { BR_MAX_PARTS = 3 };

/** Which tensor of the checkpoint a projection's channels, or some of them, were packed from. */
typedef struct br_linear_source {
    const char *weight; /* the tensor's name, which is the checkpoint's; NULL: none */
    float factor;       /* of br_linear_part */
} br_linear_source;

typedef struct br_linear {
    size_t in, out; /* features, as in the model */
    size_t k, n;    /* the same rounded up to BR_MATMUL_PAD: row lengths of input and sums */
    br_matmul_type type;
    void *packed; /* weights, in the packer's arena */
    size_t packed_bytes;
    float *channels; /* memory behind columns; owned */
    br_columns columns;
    br_linear_source sources[BR_MAX_PARTS];
    br_affine input; /* int8: fixed parameters of the input; scale 0: chosen at run time */
} br_linear;

/** Where a projection's output channels come from: `NAME.weight`, `NAME.bias` (optional). */
typedef struct br_linear_part {
    const char *name;
    float factor; /* weight and bias are multiplied by it: 1, or 1/sqrt(head_dim) for queries */
} br_linear_part;

/** "X" of the source's "X.weight", to name [BR_TENSOR_NAME_SIZE]. */
void br_linear_source_name(const br_linear_source *source, char *name);

/** What packing needs. */
typedef struct br_packer {
    const br_checkpoint *checkpoint;
    br_arena *arena;    /* receives the packed weights */
    br_buffer *scratch; /* reused from one projection to the next */
    br_onednn *onednn;
    const br_ops *ops;
    bertrun_precision precision; /* of all layers; AUTO: each as it is stored */
    bool bf16_products;          /* by oneDNN; else bf16 weights are multiplied in f32 */
    bertrun_weights weights;     /* in int8: what s8 weights must be, float ones become */
    bool fixed_inputs;           /* in int8: the checkpoint's fixed input parameters count */
    const br_tensor *resident;   /* this one is read later, too; the memory of all others is given
                                  * back to the system once they are packed. NULL: none is */
    bool gates; /* channels are an LSTM's gates i, f, g, o, packed as br_ops.lstm_cell wants them,
                 * out being padded to whole groups of units */
} br_packer;

/**
 * Packs the parts, one after another along the output channels (Q, K, V are one projection). All
 * parts have the same input, quantized alike. Errors: NOMEM, FORMAT (not finite weights), INTERNAL.
 */
bertrun_status br_linear_pack(br_linear *out, const br_packer *packer, const br_linear_part *parts,
                              size_t num_parts, bertrun_error *error);
void br_linear_free(br_linear *linear);

/** What a layer computes in whose weights are stored so, where nothing else is asked for. */
bertrun_precision br_precision_of_dtype(br_dtype dtype);

/** Whether all parts compute alike, their input quantized alike, so that they can be one
 * projection. */
bool br_linear_parts_agree(const br_packer *packer, const br_linear_part *parts, size_t num_parts);

/** The constants from column `first` on. */
br_columns br_columns_from(const br_columns *all, size_t first);

/** Whether its input's range must be known. */
bool br_linear_needs_range(const br_linear *linear);

/** Multiplications and additions for `rows` rows and `columns` of n. */
double br_linear_operations(const br_linear *linear, size_t rows, size_t columns);

#endif
