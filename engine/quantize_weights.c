#include "engine/quantize_weights.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "models/architecture.h"

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

static float scale_of_tensor(const br_tensor *weight, float *row)
{
    size_t columns = weight->shape[weight->rank - 1], count = br_tensor_count(weight);
    float most = 0;
    for (size_t begin = 0; begin < count; begin += columns) {
        br_tensor_to_f32(weight, begin, columns, row);
        for (size_t i = 0; i < columns; i++)
            most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
    }
    return fmaxf(most / 127.5F, FLT_EPSILON);
}

static const br_fixed_weight *find_fixed(const br_checkpoint *checkpoint, const br_tensor *weight)
{
    char linear[BR_TENSOR_NAME_SIZE];
    if (!weight->linear)
        return NULL;
    snprintf(linear, sizeof linear, "%s", weight->name);
    *strrchr(linear, '.') = '\0'; /* less ".weight" */
    return br_checkpoint_fixed_weight(checkpoint, linear);
}

br_weight_scheme br_weight_scheme_choose(const br_checkpoint *checkpoint, const br_tensor *weight,
                                         bool per_tensor, float *row)
{
    const br_fixed_weight *fixed = find_fixed(checkpoint, weight);
    if (fixed)
        return (br_weight_scheme){
            .per_tensor = fixed->num_scales == 1 && weight->shape[0] != 1,
            .scale = fixed->scales[0],
            .scales = fixed->scales,
            .least = fixed->least,
            .most = fixed->most,
        };
    br_weight_scheme scheme = {.per_tensor = per_tensor, .least = -128, .most = 127};
    if (per_tensor)
        scheme.scale = scale_of_tensor(weight, row);
    return scheme;
}

bool br_quantize_row(const br_weight_scheme *scheme, size_t r, const float *row, size_t n,
                     int8_t *q, float *scale)
{
    if (!scheme->per_tensor && !scheme->scales)
        return br_quantize_row_s8(row, n, q, scale);
    if (!is_finite(row, n))
        return false;
    *scale = scheme->per_tensor ? scheme->scale : scheme->scales[r];
    float inverse = 1 / *scale, least = (float)scheme->least, most = (float)scheme->most;
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)round_half_even(fminf(fmaxf(row[i] * inverse, least), most));
    return true;
}
