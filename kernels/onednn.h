/*
 * oneDNN's matrix multiplication, versions 2.6 to 3.x; onednn.c is the one file that includes
 * dnnl.h.
 *
 * dst[m, n] = src[m, k] * weights[n, k]^T, dense rows, raw sums without attributes:
 *   U8S8  src u8,   weights s8,   dst s32 (exact)
 *   BF16  src bf16, weights bf16, dst f32
 *
 * n and k are multiples of BR_MATMUL_PAD and the caller's rows are padded with zeros, so that one
 * packed layout serves every m. Primitives are created once for each (type, m, n, k), kept in the
 * br_onednn and shared by threads; what a thread needs to run them is its br_onednn_lane.
 */
#ifndef BR_ONEDNN_H
#define BR_ONEDNN_H

#include "common/error.h"

enum { BR_MATMUL_PAD = 64 };

typedef enum br_matmul_type {
    BR_MATMUL_U8S8,
    BR_MATMUL_BF16,
    /* kernels/gemm_f32.h alone has these: */
    BR_MATMUL_F32,      /* all f32 */
    BR_MATMUL_F32_BF16, /* src and dst f32, weights bf16 */
} br_matmul_type;

typedef struct br_onednn br_onednn;
typedef struct br_onednn_primitive br_onednn_primitive;
typedef struct br_onednn_lane br_onednn_lane;

/** Opens the CPU engine. Thread-safe: sessions share one. */
bertrun_status br_onednn_open(br_onednn **out, bertrun_error *error);
void br_onednn_close(br_onednn **onednn);

/**
 * The primitive for this shape, created on first use. It runs on the calling thread alone.
 * Errors: NOMEM, INTERNAL. Thread-safe.
 */
bertrun_status br_onednn_get(br_onednn *onednn, br_matmul_type type, size_t m, size_t n, size_t k,
                             const br_onednn_primitive **out, bertrun_error *error);

/** "onednn:" and the implementation's name, as in "onednn:brg:avx512_core_vnni". */
const char *br_onednn_name(const br_onednn_primitive *primitive);

/**
 * Bytes of weights packed for this type, and the packing of plain [n, k] weights (the bits of
 * bfloat16 for BF16, s8 for U8S8). `packed` is 64-byte aligned memory of the caller.
 */
bertrun_status br_onednn_packed_bytes(br_onednn *onednn, br_matmul_type type, size_t n, size_t k,
                                      size_t *bytes, bertrun_error *error);
bertrun_status br_onednn_pack(br_onednn *onednn, br_matmul_type type, size_t n, size_t k,
                              const void *plain, void *packed, bertrun_error *error);

/** What its U8S8 multiplication is like on this CPU. */
typedef struct br_onednn_int8 {
    bool shares_gemm_layout; /* packed weights are those of kernels/gemm.h: one copy serves both */
    bool amx;                /* it uses AMX tiles */
} br_onednn_int8;

/** Errors: NOMEM. An oneDNN without such a multiplication has neither property. */
bertrun_status br_onednn_look_at_int8(br_onednn *onednn, br_onednn_int8 *out, bertrun_error *error);

/** Whether its BF16 multiplication uses AMX tiles on this CPU. */
bool br_onednn_has_amx_bf16(br_onednn *onednn);

/** A thread's stream, memory objects and scratchpad. */
bertrun_status br_onednn_lane_open(br_onednn_lane **out, br_onednn *onednn, bertrun_error *error);
void br_onednn_lane_close(br_onednn_lane **lane);

/** Makes the lane ready to run the primitive; must have succeeded before br_onednn_run(). */
bertrun_status br_onednn_lane_prepare(br_onednn_lane *lane, const br_onednn_primitive *primitive,
                                      bertrun_error *error);

/** Computes dst. Returns false where oneDNN fails, which leaves dst undefined. */
bool br_onednn_run(br_onednn_lane *lane, const br_onednn_primitive *primitive, const void *src,
                   const void *weights, void *dst);

/**
 * oneDNN runs on OpenMP threads; we bring our own. Makes the calling thread run its primitives
 * alone and returns what br_onednn_end_single() restores.
 */
int br_onednn_begin_single(void);
void br_onednn_end_single(int previous);

#endif
