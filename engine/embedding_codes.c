#include "engine/embedding_codes.h"

#include <math.h>
#include <string.h>

#include "common/half.h"

size_t br_embedding_code_bytes(bertrun_embedding_dtype dtype, size_t width)
{
    switch (dtype) {
    case BERTRUN_EMBEDDING_F16:
        return width * sizeof(uint16_t);
    case BERTRUN_EMBEDDING_INT8:
    case BERTRUN_EMBEDDING_UINT8:
        return width;
    case BERTRUN_EMBEDDING_BINARY:
    case BERTRUN_EMBEDDING_UBINARY:
        return width / 8 + (width % 8 != 0);
    default:
        return 0;
    }
}

/* In f32, operation for operation as numpy computes it. */
static uint8_t bucket(float value, float lo, float hi)
{
    float step = (hi - lo) / 255;
    float code = floorf((value - lo) / (step == 0 ? 1 : step));
    if (!(code > 0)) /* NaN too */
        return 0;
    return code < 255 ? (uint8_t)code : 255;
}

static void pack_signs(const float *values, size_t width, uint8_t *out)
{
    memset(out, 0, br_embedding_code_bytes(BERTRUN_EMBEDDING_UBINARY, width));
    for (size_t i = 0; i < width; i++)
        if (values[i] > 0)
            out[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

void br_embedding_encode(bertrun_embedding_dtype dtype, const float *values, size_t width,
                         const float *ranges, void *out)
{
    uint8_t *bytes = out;
    uint16_t *halves = out;
    bool is_signed = dtype == BERTRUN_EMBEDDING_INT8 || dtype == BERTRUN_EMBEDDING_BINARY;
    if (dtype == BERTRUN_EMBEDDING_F16)
        for (size_t i = 0; i < width; i++)
            halves[i] = br_f32_to_f16(values[i]);
    else if (dtype == BERTRUN_EMBEDDING_INT8 || dtype == BERTRUN_EMBEDDING_UINT8)
        for (size_t i = 0; i < width; i++)
            bytes[i] = bucket(values[i], ranges[i], ranges[width + i]);
    else
        pack_signs(values, width, bytes);
    for (size_t i = 0; is_signed && i < br_embedding_code_bytes(dtype, width); i++)
        bytes[i] ^= 0x80; /* less 128, as int8 */
}
