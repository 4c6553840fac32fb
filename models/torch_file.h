/*
 * The zip checkpoints of torch.save(), pytorch_model.bin: a pickle that describes tensors, and a
 * stored entry for each storage. Nothing in a file is trusted and nothing of it is executed.
 */
#ifndef BR_TORCH_FILE_H
#define BR_TORCH_FILE_H

#include "models/safetensors.h"

/**
 * Reads `path` into private memory, or maps it: its tensors as those of a safetensors file, in
 * place; views whose elements do not stand one after another are copied. Close with
 * br_safetensors_close(). Errors name the file and the tensor, the entry, the opcode or the global.
 */
bertrun_status br_torch_open(br_safetensors *out, const char *path, bool map, bertrun_error *error);

/** Reads a file's bytes, borrowed until close; `path` stands in errors. */
bertrun_status br_torch_parse(br_safetensors *out, const uint8_t *bytes, size_t size,
                              const char *path, bertrun_error *error);

#endif
