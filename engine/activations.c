#include "engine/activations.h"

#include <math.h>

bool br_activations_share_range(bertrun_activations activations)
{
    return activations == BERTRUN_ACTIVATIONS_BATCH ||
           activations == BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC ||
           activations == BERTRUN_ACTIVATIONS_PYTORCH;
}

/* s8 -127..127 around 0, moved by 128 so that the kernels for u8 serve. */
static br_affine affine_symmetric(br_range range)
{
    float most = fmaxf(fabsf(range.lo), fabsf(range.hi));
    return (br_affine){.scale = most / 127, .zero_point = 128, .least = 1, .most = 255};
}

/* ChooseQuantizationParams in PyTorch's ATen/native/quantized/cpu/QuantUtils.h. */
br_affine br_affine_pytorch(br_range range)
{
    const int steps = 127;
    const float smallest = 6.1e-5F; /* about the least normal f16 */
    float lo = fminf(range.lo, 0), hi = fmaxf(range.hi, 0);
    if (!(range.lo <= range.hi && hi - lo < INFINITY))
        return (br_affine){.scale = NAN};
    double scale = ((double)hi - (double)lo) / steps;
    if ((float)scale <= 0 || isinf(1 / (float)scale))
        scale = 0.1;
    if (scale < (double)smallest) {
        lo *= smallest / (float)scale;
        scale = (double)smallest;
    }
    double zero_point = nearbyint((double)-lo / scale);
    return (br_affine){
        .scale = (float)scale, .zero_point = (int32_t)fmin(zero_point, steps), .most = 255};
}

br_quantized br_quantize_dynamic(const br_ops *ops, bertrun_activations activations, const float *x,
                                 size_t n, br_range range, uint8_t *q)
{
    br_affine affine;
    switch (activations) {
    case BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC:
    case BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC:
        affine = affine_symmetric(range);
        return ops->quantize_affine(x, n, &affine, q);
    case BERTRUN_ACTIVATIONS_PYTORCH:
        affine = br_affine_pytorch(range);
        return ops->quantize_affine(x, n, &affine, q);
    default:
        return ops->quantize(x, n, range, q);
    }
}
