/* The instruction-set variants of kernels/attention_s16.h; chosen in attention_s16.c. */
#ifndef BR_ATTENTION_S16_ISA_H
#define BR_ATTENTION_S16_ISA_H

#include "kernels/attention_s16.h"

#define BR_ATTENTION_S16_SET(set)                                                                  \
    void br_linear_s16_##set(const br_linear_rows *rows, size_t head_dim, size_t first_value,      \
                             int16_t *y, size_t y_stride, float *scale, size_t scale_stride);      \
    void br_attend_s16_##set(const br_head_s16 *head, float *scratch)

BR_ATTENTION_S16_SET(scalar);
BR_ATTENTION_S16_SET(avx2);
BR_ATTENTION_S16_SET(avx512);
BR_ATTENTION_S16_SET(avx512_vnni);

#undef BR_ATTENTION_S16_SET

#endif
