/* Tensors as safetensors files describe them: a dtype, a shape and borrowed bytes. */
#ifndef BR_TENSOR_H
#define BR_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/** The dtypes of the safetensors format; models use the first five, files may hold any. */
typedef enum br_dtype {
    BR_DTYPE_F32,
    BR_DTYPE_F16,
    BR_DTYPE_BF16,
    BR_DTYPE_S8,
    BR_DTYPE_U8,
    BR_DTYPE_I32,
    BR_DTYPE_I64,
    BR_DTYPE_F64,
    BR_DTYPE_I16,
    BR_DTYPE_U16,
    BR_DTYPE_U32,
    BR_DTYPE_U64,
    BR_DTYPE_BOOL,
    BR_DTYPE_OTHER, /* one that this build does not know; its size is 0 */
} br_dtype;

size_t br_dtype_size(br_dtype dtype);
const char *br_dtype_name(br_dtype dtype); /* as safetensors spells it: "F32", "I8" */
const char *br_dtype_word(br_dtype dtype); /* as users know it: "int8", "bf16"; "f32" of others */
br_dtype br_dtype_from_name(const char *name);

/** Whether it is F32, F16 or BF16: what weights are used in. */
bool br_dtype_is_float(br_dtype dtype);

enum { BR_MAX_RANK = 4 };

/**
 * A tensor whose bytes are borrowed from an open file, little-endian. Those of a `.bin` are 64-byte
 * aligned; those of other files may not even be aligned to their elements.
 */
typedef struct br_tensor {
    const char *name;
    br_dtype dtype;
    size_t rank; /* may exceed BR_MAX_RANK in a foreign file; shape is not kept then */
    size_t shape[BR_MAX_RANK];
    const void *data;
    size_t bytes;
    bool quantizable; /* of a checkpoint: a matrix that may be int8, with a scale a row */
    bool linear;      /* of a checkpoint: the weight of a linear layer, which may have one scale */
} br_tensor;

/** Elements of a tensor. */
size_t br_tensor_count(const br_tensor *tensor);

/** Widens F32, F16 or BF16 elements [begin, begin + count) to f32, or rounds F64 ones. */
void br_tensor_to_f32(const br_tensor *tensor, size_t begin, size_t count, float *out);

/** A whole tensor as f32, or NULL where memory cannot be had; br_free() it. */
float *br_tensor_widen(const br_tensor *tensor);

/**
 * Row r of a matrix of so many columns as f32; S8 elements are multiplied by their row's scale
 * (`scale` is unused for other types).
 */
void br_tensor_row_to_f32(const br_tensor *tensor, const br_tensor *scale, size_t r, size_t columns,
                          float *out);

/** The scale of an S8 matrix's row r, or the only one there is. scale: F32. */
float br_scale_of_row(const br_tensor *scale, size_t r);

/** Writes the shape as "[2, 384]"; cut where it does not fit. Returns `text`. */
const char *br_tensor_shape_text(size_t rank, const size_t *shape, char *text, size_t size);

#endif
