/*
 * safetensors files: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes.
 * https://github.com/huggingface/safetensors
 *
 * Nothing in a file is trusted: after a successful open every tensor lies inside the file, the
 * tensors cover the data section without overlap or hole, and each one's size is that of its shape.
 */
#ifndef BR_SAFETENSORS_H
#define BR_SAFETENSORS_H

#include <jansson.h>

#include "common/file.h"
#include "common/memory.h"
#include "models/tensor.h"

/** An open file (torch_file.h makes one, too). Zero-initialized it is empty and safe to close. */
typedef struct br_safetensors {
    char *path;
    br_file file;
    json_t *header;  /* owns the tensors' names; NULL: those are in `owned` */
    br_buffer owned; /* [num_owned] memory that tensors and their names point to */
    size_t num_owned;
    br_tensor *tensors; /* [num_tensors], sorted by name */
    size_t num_tensors;
} br_safetensors;

/** Reads `path` into private memory, or maps it. Errors name the file and the tensor. */
bertrun_status br_safetensors_open(br_safetensors *out, const char *path, bool map,
                                   bertrun_error *error);

/** Reads a file's bytes, borrowed until close; `path` stands in errors. */
bertrun_status br_safetensors_parse(br_safetensors *out, const uint8_t *bytes, size_t size,
                                    const char *path, bertrun_error *error);

void br_safetensors_close(br_safetensors *file);

/** A tensor by name, or NULL. */
const br_tensor *br_safetensors_find(const br_safetensors *file, const char *name);

/** A string of the header's "__metadata__", or NULL. */
const char *br_safetensors_metadata(const br_safetensors *file, const char *key);

/**
 * Writes a file whose tensors are all 64-byte aligned: the header is padded with spaces and a U8
 * tensor named "__pad__.N" fills the gap after a tensor. Atomic.
 * @param metadata an object of strings, or NULL; borrowed
 */
bertrun_status br_safetensors_write(const char *path, const json_t *metadata,
                                    const br_tensor *tensors, size_t num_tensors,
                                    bertrun_error *error);

#endif
