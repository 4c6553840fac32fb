#include "engine/quantize_weights.h"

#include <float.h>
#include <math.h>

/* Adding 1.5 * 2^23 leaves no room for a fraction, so that the addition itself rounds, half to
 * even; holds for |x| < 2^22. */
static float round_half_even(float x)
{
    const float shift = 0x1.8p23f;
    return (x + shift) - shift;
}

bool br_quantize_row_s8(const float *row, size_t n, int8_t *q, float *scale)
{
    float most = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(row[i]);
        most = magnitude > most ? magnitude : most;
        finite &= magnitude <= FLT_MAX; /* false for NaN too */
    }
    *scale = most / 127;
    for (size_t i = 0; i < n && finite; i++) {
        float x = *scale > 0 ? round_half_even(row[i] / *scale) : 0;
        q[i] = (int8_t)(x > 127 ? 127 : x < -127 ? -127 : x); /* beyond only if scale is denormal */
    }
    return finite;
}

static bool is_finite(const float *row, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++)
        finite &= fabsf(row[i]) <= FLT_MAX;
    return finite;
}

br_weight_scheme br_weight_scheme_choose(const br_tensor *weight, bool per_tensor, float *row)
{
    size_t columns = weight->shape[weight->rank - 1], count = br_tensor_count(weight);
    float most = 0;
    for (size_t begin = 0; per_tensor && begin < count; begin += columns) {
        br_tensor_to_f32(weight, begin, columns, row);
        for (size_t i = 0; i < columns; i++)
            most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
    }
    return (br_weight_scheme){per_tensor, fmaxf(most / 127.5F, FLT_EPSILON)};
}

bool br_quantize_row(const br_weight_scheme *scheme, const float *row, size_t n, int8_t *q,
                     float *scale)
{
    if (!scheme->per_tensor)
        return br_quantize_row_s8(row, n, q, scale);
    if (!is_finite(row, n))
        return false;
    float inverse = 1 / scheme->scale;
    for (size_t i = 0; i < n; i++) {
        float x = round_half_even(row[i] * inverse);
        q[i] = (int8_t)(x > 127 ? 127 : x < -128 ? -128 : x);
    }
    *scale = scheme->scale;
    return true;
}
