/*
 * The pickle of a PyTorch state_dict, read without executing anything: of pickle's machine
 * (CPython's pickletools.py) only what builds dictionaries, tuples, texts and numbers is there, and
 * of the things a pickle may call only those that describe tensors, which are taken as
 * descriptions. Any other opcode or global is refused by name.
 */
#ifndef BR_PICKLE_H
#define BR_PICKLE_H

#include "models/tensor.h"

enum { BR_PICKLE_MAX_RANK = 8 };

/** A view of a storage. Texts are in the pickle's bytes, without a NUL. */
typedef struct br_pickled_tensor {
    const char *name;
    size_t name_length;
    const char *storage; /* its key: the name of the file with its elements */
    size_t storage_length;
    br_dtype dtype;
    uint64_t storage_count; /* elements of the storage */
    uint64_t offset;        /* of the first element */
    size_t rank;
    uint64_t shape[BR_PICKLE_MAX_RANK], stride[BR_PICKLE_MAX_RANK]; /* in elements */
} br_pickled_tensor;

/**
 * The tensors of the dictionary that the pickle [size] is, in order; what else is in the dictionary
 * is left out. br_free() *out. `path` stands in errors: NOMEM, FORMAT, UNSUPPORTED.
 */
bertrun_status br_pickle_read(br_pickled_tensor **out, size_t *count, const uint8_t *bytes,
                              size_t size, const char *path, bertrun_error *error);

#endif
