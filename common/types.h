/* Words that models/ and kernels/ share. */
#ifndef BR_TYPES_H
#define BR_TYPES_H

#include <stdint.h>

typedef enum br_activation_kind {
    BR_ACTIVATION_IDENTITY = 0,
    BR_ACTIVATION_GELU,      /* x * Phi(x), by erf */
    BR_ACTIVATION_GELU_TANH, /* gelu_new, gelu_pytorch_tanh */
    BR_ACTIVATION_RELU,
    BR_ACTIVATION_TANH,
    BR_ACTIVATION_GELU_COARSE, /* GELU within 5.5e-6, for what becomes 8 bits; in no file */
} br_activation_kind;

/**
 * Affine quantization to u8 with known parameters, PyTorch's quantize_per_tensor:
 * q = clamp(round_half_even(x * (1 / scale)) + zero_point, least, most), x ~ scale * (q -
 * zero_point), 0 <= least <= zero_point <= most <= 255.
 */
typedef struct br_affine {
    float scale; /* 0: every q is zero_point */
    int32_t zero_point, least, most;
} br_affine;

#endif
