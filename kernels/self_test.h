#ifndef BR_SELF_TEST_H
#define BR_SELF_TEST_H

#include "kernels/attention_s16.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"

/**
 * Whether the chosen kernels give scalar's bits on a few rows: a CPU (or an emulator) whose
 * instructions are wrong is found before it computes anything. About 0.3 ms.
 * @return NULL, or the name of the kernel that differs: a static string
 */
const char *br_self_test(const br_ops *ops, const br_gemm *gemm, const br_attention_s16 *attention);

#endif
