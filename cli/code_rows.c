#include "cli/code_rows.h"

#include <math.h>

size_t code_row_width(bertrun_embedding_dtype dtype, size_t code_bytes)
{
    return dtype == BERTRUN_EMBEDDING_F16 ? code_bytes / 2 : code_bytes;
}

const char *code_npy_type(bertrun_embedding_dtype dtype)
{
    switch (dtype) {
    case BERTRUN_EMBEDDING_F16:
        return "<f2";
    case BERTRUN_EMBEDDING_INT8:
    case BERTRUN_EMBEDDING_BINARY:
        return "|i1";
    case BERTRUN_EMBEDDING_UINT8:
    case BERTRUN_EMBEDDING_UBINARY:
        return "|u1";
    default:
        return "<f4";
    }
}

/* IEEE 754 binary16. */
static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 0x3ff;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexpf((float)(fraction | 0x400), exponent - 25);
    return half & 0x8000 ? -value : value;
}

float code_element(bertrun_embedding_dtype dtype, const void *codes, size_t index)
{
    if (dtype == BERTRUN_EMBEDDING_F16)
        return half_to_float(((const uint16_t *)codes)[index]);
    bool is_signed = dtype == BERTRUN_EMBEDDING_INT8 || dtype == BERTRUN_EMBEDDING_BINARY;
    return is_signed ? ((const int8_t *)codes)[index] : ((const uint8_t *)codes)[index];
}

static float bucket_start(int bucket, float lo, float hi)
{
    return lo + (float)bucket * ((hi - lo) / 255);
}

void code_row_values(bertrun_embedding_dtype dtype, const void *codes, const float *ranges,
                     size_t width, float *out)
{
    const uint8_t *bytes = codes;
    unsigned flip = dtype == BERTRUN_EMBEDDING_INT8 || dtype == BERTRUN_EMBEDDING_BINARY ? 0x80 : 0;
    bool bits = dtype == BERTRUN_EMBEDDING_BINARY || dtype == BERTRUN_EMBEDDING_UBINARY;
    for (size_t i = 0; i < width; i++) {
        if (dtype == BERTRUN_EMBEDDING_F16)
            out[i] = code_element(dtype, codes, i);
        else if (bits)
            out[i] = (bytes[i / 8] ^ flip) >> (7 - i % 8) & 1 ? 1 : -1;
        else
            out[i] = bucket_start((int)(bytes[i] ^ flip), ranges[i], ranges[width + i]);
    }
}
