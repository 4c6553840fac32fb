#ifndef BR_SELECT_H
#define BR_SELECT_H

#include <stdbool.h>

#include "kernels/attention_s16.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"

/**
 * The kernels of one instruction set: "scalar", "avx2", "avx2-vnni", "avx512" or "avx512-vnni".
 * NULL: the best that this CPU has.
 * @return false: no such name, or the CPU lacks it
 */
bool br_select_kernels(const char *isa, const br_ops **ops, const br_gemm **gemm,
                       const br_attention_s16 **attention);

#endif
