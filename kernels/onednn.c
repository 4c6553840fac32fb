#include "kernels/onednn.h"

#include <dnnl.h>
#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"

/* ------------------------------------------------- what differs between oneDNN 2.6 and 3.x */

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout; /* owned */
typedef const_dnnl_memory_desc_t layout_view;

static bool layout_make(layout *out, dnnl_dim_t rows, dnnl_dim_t columns, dnnl_data_type_t type,
                        dnnl_format_tag_t tag)
{
    *out = NULL;
    return dnnl_memory_desc_create_with_tag(out, 2, (dnnl_dims_t){rows, columns}, type, tag) ==
           dnnl_success;
}

static void layout_free(layout *view)
{
    if (*view)
        dnnl_memory_desc_destroy(*view);
    *view = NULL;
}

static layout_view layout_see(const layout *view)
{
    return *view;
}

static bool matmul_describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_view src,
                            layout_view weights, layout_view dst, dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(out, engine, src, weights, NULL, dst, attributes) ==
           dnnl_success;
}
#else
typedef dnnl_memory_desc_t layout;
typedef const dnnl_memory_desc_t *layout_view;

static bool layout_make(layout *out, dnnl_dim_t rows, dnnl_dim_t columns, dnnl_data_type_t type,
                        dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(out, 2, (dnnl_dims_t){rows, columns}, type, tag) ==
           dnnl_success;
}

static void layout_free(layout *view)
{
    (void)view;
}

static layout_view layout_see(const layout *view)
{
    return view;
}

static bool matmul_describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_view src,
                            layout_view weights, layout_view dst, dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t matmul;
    return dnnl_matmul_desc_init(&matmul, src, weights, NULL, dst) == dnnl_success &&
           dnnl_primitive_desc_create(out, &matmul, attributes, engine, NULL) == dnnl_success;
}
#endif

/* --------------------------------------------------------------------------------- primitives */

enum { MAX_PRIMITIVES = 512 };

/* Weights are laid out for this m; every other m must want the same. */
enum { PACKING_ROWS = 8 };

struct br_onednn_primitive {
    br_matmul_type type;
    size_t m, n, k;
    size_t index; /* in the table, and in each lane's */
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    size_t scratchpad_bytes;
    char name[64];
};

struct br_onednn {
    dnnl_engine_t engine;
    pthread_mutex_t mutex; /* guards the table; entries do not change once they are in */
    size_t count;
    br_onednn_primitive *table[MAX_PRIMITIVES];
};

typedef struct type_traits {
    dnnl_data_type_t src, weights, dst;
} type_traits;

static const type_traits TRAITS[] = {
    [BR_MATMUL_U8S8] = {dnnl_u8, dnnl_s8, dnnl_s32},
    [BR_MATMUL_BF16] = {dnnl_bf16, dnnl_bf16, dnnl_f32},
};

static bertrun_status fail_shape(bertrun_error *error, const char *what, size_t m, size_t n,
                                 size_t k)
{
    return br_fail(error, BERTRUN_ERR_INTERNAL, "oneDNN %s for a matmul of %zux%zux%zu failed",
                   what, m, n, k);
}

static void primitive_free(br_onednn_primitive *primitive)
{
    if (!primitive)
        return;
    if (primitive->primitive)
        dnnl_primitive_destroy(primitive->primitive);
    if (primitive->description)
        dnnl_primitive_desc_destroy(primitive->description);
    br_free(primitive);
}

/* Describes a matmul with the weights in whatever layout oneDNN likes best. */
static bool describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine, br_matmul_type type,
                     size_t m, size_t n, size_t k)
{
    type_traits traits = TRAITS[type];
    dnnl_dim_t rows = (dnnl_dim_t)m, columns = (dnnl_dim_t)n, depth = (dnnl_dim_t)k;
    layout src = {0}, weights = {0}, dst = {0};
    dnnl_primitive_attr_t attributes = NULL;
    bool done = layout_make(&src, rows, depth, traits.src, dnnl_ab) &&
                layout_make(&weights, depth, columns, traits.weights, dnnl_format_tag_any) &&
                layout_make(&dst, rows, columns, traits.dst, dnnl_ab) &&
                dnnl_primitive_attr_create(&attributes) == dnnl_success &&
                dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) ==
                    dnnl_success &&
                matmul_describe(out, engine, layout_see(&src), layout_see(&weights),
                                layout_see(&dst), attributes);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    layout_free(&dst);
    layout_free(&weights);
    layout_free(&src);
    return done;
}

static layout_view query(const br_onednn_primitive *primitive, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(primitive->description, what, 0);
}

static bertrun_status primitive_create(br_onednn_primitive **out, dnnl_engine_t engine,
                                       br_matmul_type type, size_t m, size_t n, size_t k,
                                       bertrun_error *error)
{
    br_onednn_primitive *primitive = br_calloc(1, sizeof *primitive);
    if (!primitive)
        return br_fail_nomem(error);
    *primitive = (br_onednn_primitive){.type = type, .m = m, .n = n, .k = k};
    const char *name = "";
    int previous = br_onednn_begin_single(); /* the number of threads is fixed at creation */
    bool done =
        describe(&primitive->description, engine, type, m, n, k) &&
        dnnl_primitive_create(&primitive->primitive, primitive->description) == dnnl_success &&
        dnnl_primitive_desc_query(primitive->description, dnnl_query_impl_info_str, 0,
                                  (void *)&name) == dnnl_success;
    br_onednn_end_single(previous);
    if (!done) {
        primitive_free(primitive);
        return fail_shape(error, "creation", m, n, k);
    }
    snprintf(primitive->name, sizeof primitive->name, "onednn:%s", name);
    layout_view scratchpad = query(primitive, dnnl_query_scratchpad_md);
    primitive->scratchpad_bytes = scratchpad ? dnnl_memory_desc_get_size(scratchpad) : 0;
    *out = primitive;
    return BERTRUN_OK;
}

bertrun_status br_onednn_open(br_onednn **out, bertrun_error *error)
{
    *out = NULL;
    br_onednn *onednn = br_calloc(1, sizeof *onednn);
    if (!onednn)
        return br_fail_nomem(error);
    if (dnnl_engine_create(&onednn->engine, dnnl_cpu, 0) != dnnl_success) {
        br_free(onednn);
        return br_fail(error, BERTRUN_ERR_INTERNAL, "oneDNN cannot create its CPU engine");
    }
    pthread_mutex_init(&onednn->mutex, NULL);
    *out = onednn;
    return BERTRUN_OK;
}

void br_onednn_close(br_onednn **pointer)
{
    br_onednn *onednn = *pointer;
    *pointer = NULL;
    if (!onednn)
        return;
    for (size_t i = 0; i < onednn->count; i++)
        primitive_free(onednn->table[i]);
    pthread_mutex_destroy(&onednn->mutex);
    dnnl_engine_destroy(onednn->engine);
    br_free(onednn);
}

static br_onednn_primitive *find(const br_onednn *onednn, br_matmul_type type, size_t m, size_t n,
                                 size_t k)
{
    for (size_t i = 0; i < onednn->count; i++) {
        br_onednn_primitive *primitive = onednn->table[i];
        if (primitive->type == type && primitive->m == m && primitive->n == n && primitive->k == k)
            return primitive;
    }
    return NULL;
}

static bertrun_status find_or_create(br_onednn *onednn, br_matmul_type type, size_t m, size_t n,
                                     size_t k, const br_onednn_primitive **out,
                                     bertrun_error *error)
{
    br_onednn_primitive *primitive = find(onednn, type, m, n, k);
    if (!primitive) {
        if (onednn->count == MAX_PRIMITIVES)
            return fail_shape(error, "table is full: creation", m, n, k);
        BR_TRY(primitive_create(&primitive, onednn->engine, type, m, n, k, error));
        const br_onednn_primitive *packing = find(onednn, type, PACKING_ROWS, n, k);
        if (packing && !dnnl_memory_desc_equal(query(packing, dnnl_query_weights_md),
                                               query(primitive, dnnl_query_weights_md))) {
            primitive_free(primitive);
            return fail_shape(error, "wants other weights than packed:", m, n, k);
        }
        primitive->index = onednn->count;
        onednn->table[onednn->count++] = primitive;
    }
    *out = primitive;
    return BERTRUN_OK;
}

bertrun_status br_onednn_get(br_onednn *onednn, br_matmul_type type, size_t m, size_t n, size_t k,
                             const br_onednn_primitive **out, bertrun_error *error)
{
    pthread_mutex_lock(&onednn->mutex);
    bertrun_status status = find_or_create(onednn, type, m, n, k, out, error);
    pthread_mutex_unlock(&onednn->mutex);
    return status;
}

const char *br_onednn_name(const br_onednn_primitive *primitive)
{
    return primitive->name;
}

/* ------------------------------------------------------------------------------------ packing */

bertrun_status br_onednn_packed_bytes(br_onednn *onednn, br_matmul_type type, size_t n, size_t k,
                                      size_t *bytes, bertrun_error *error)
{
    const br_onednn_primitive *primitive;
    BR_TRY(br_onednn_get(onednn, type, PACKING_ROWS, n, k, &primitive, error));
    *bytes = dnnl_memory_desc_get_size(query(primitive, dnnl_query_weights_md));
    return BERTRUN_OK;
}

static bool reorder(dnnl_engine_t engine, layout_view from, const void *source, layout_view to,
                    void *destination)
{
    dnnl_stream_t stream = NULL;
    dnnl_memory_t source_memory = NULL, destination_memory = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    bool done = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success &&
                dnnl_memory_create(&source_memory, from, engine, (void *)source) == dnnl_success &&
                dnnl_memory_create(&destination_memory, to, engine, destination) == dnnl_success &&
                dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, NULL) ==
                    dnnl_success &&
                dnnl_primitive_create(&primitive, description) == dnnl_success;
    if (done) {
        dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source_memory},
                                       {DNNL_ARG_TO, destination_memory}};
        done = dnnl_primitive_execute(primitive, stream, 2, arguments) == dnnl_success &&
               dnnl_stream_wait(stream) == dnnl_success;
    }
    if (primitive)
        dnnl_primitive_destroy(primitive);
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (destination_memory)
        dnnl_memory_destroy(destination_memory);
    if (source_memory)
        dnnl_memory_destroy(source_memory);
    if (stream)
        dnnl_stream_destroy(stream);
    return done;
}

bertrun_status br_onednn_pack(br_onednn *onednn, br_matmul_type type, size_t n, size_t k,
                              const void *plain, void *packed, bertrun_error *error)
{
    const br_onednn_primitive *primitive;
    BR_TRY(br_onednn_get(onednn, type, PACKING_ROWS, n, k, &primitive, error));
    layout from = {0};
    int previous = br_onednn_begin_single();
    bool done = layout_make(&from, (dnnl_dim_t)k, (dnnl_dim_t)n, TRAITS[type].weights, dnnl_ba) &&
                reorder(onednn->engine, layout_see(&from), plain,
                        query(primitive, dnnl_query_weights_md), packed);
    br_onednn_end_single(previous);
    layout_free(&from);
    return done ? BERTRUN_OK : fail_shape(error, "reorder", PACKING_ROWS, n, k);
}

bertrun_status br_onednn_look_at_int8(br_onednn *onednn, br_onednn_int8 *out, bertrun_error *error)
{
    /* the smallest shape that tells the weights' block order apart */
    const dnnl_dim_t size = 2 * BR_MATMUL_PAD;
    const br_onednn_primitive *primitive;
    layout ours = {0};
    *out = (br_onednn_int8){0};
    bertrun_status status = br_onednn_get(onednn, BR_MATMUL_U8S8, PACKING_ROWS, 2 * BR_MATMUL_PAD,
                                          2 * BR_MATMUL_PAD, &primitive, error);
    if (status != BERTRUN_OK)
        return status == BERTRUN_ERR_NOMEM ? status : BERTRUN_OK;
    out->shares_gemm_layout =
        layout_make(&ours, size, size, dnnl_s8, dnnl_BA16a64b4a) &&
        dnnl_memory_desc_equal(layout_see(&ours), query(primitive, dnnl_query_weights_md));
    out->amx = strstr(primitive->name, "amx");
    layout_free(&ours);
    return BERTRUN_OK;
}

bool br_onednn_has_amx_bf16(br_onednn *onednn)
{
    const br_onednn_primitive *primitive;
    return br_onednn_get(onednn, BR_MATMUL_BF16, PACKING_ROWS, BR_MATMUL_PAD, BR_MATMUL_PAD,
                         &primitive, NULL) == BERTRUN_OK &&
           strstr(primitive->name, "amx");
}

/* -------------------------------------------------------------------------------------- lanes */

typedef struct bound_primitive {
    dnnl_memory_t src, weights, dst, scratchpad;
} bound_primitive;

struct br_onednn_lane {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    br_buffer scratchpad;
    bound_primitive bound[MAX_PRIMITIVES]; /* by primitive index */
};

/* More than any matmul here has asked for, so that running one allocates nothing. */
enum { SCRATCHPAD_BYTES = 64 << 10 };

bertrun_status br_onednn_lane_open(br_onednn_lane **out, br_onednn *onednn, bertrun_error *error)
{
    *out = NULL;
    br_onednn_lane *lane = br_calloc(1, sizeof *lane);
    if (!lane)
        return br_fail_nomem(error);
    lane->engine = onednn->engine;
    bertrun_status status = BERTRUN_OK;
    if (!br_buffer_reserve(&lane->scratchpad, SCRATCHPAD_BYTES, 1))
        status = br_fail_nomem(error);
    else if (dnnl_stream_create(&lane->stream, lane->engine, dnnl_stream_default_flags) !=
             dnnl_success)
        status = br_fail(error, BERTRUN_ERR_INTERNAL, "oneDNN cannot create a stream");
    if (status != BERTRUN_OK)
        br_onednn_lane_close(&lane);
    *out = lane;
    return status;
}

static void unbind(bound_primitive *bound)
{
    dnnl_memory_t memories[] = {bound->src, bound->weights, bound->dst, bound->scratchpad};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    *bound = (bound_primitive){0};
}

void br_onednn_lane_close(br_onednn_lane **pointer)
{
    br_onednn_lane *lane = *pointer;
    *pointer = NULL;
    if (!lane)
        return;
    for (size_t i = 0; i < MAX_PRIMITIVES; i++)
        unbind(&lane->bound[i]);
    if (lane->stream)
        dnnl_stream_destroy(lane->stream);
    br_free(lane->scratchpad.data);
    br_free(lane);
}

static bool bind(br_onednn_lane *lane, const br_onednn_primitive *primitive, bound_primitive *bound)
{
    return dnnl_memory_create(&bound->src, query(primitive, dnnl_query_src_md), lane->engine,
                              DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&bound->weights, query(primitive, dnnl_query_weights_md),
                              lane->engine, DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&bound->dst, query(primitive, dnnl_query_dst_md), lane->engine,
                              DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&bound->scratchpad, query(primitive, dnnl_query_scratchpad_md),
                              lane->engine, DNNL_MEMORY_NONE) == dnnl_success;
}

bertrun_status br_onednn_lane_prepare(br_onednn_lane *lane, const br_onednn_primitive *primitive,
                                      bertrun_error *error)
{
    bound_primitive *bound = &lane->bound[primitive->index];
    if (!br_buffer_reserve(&lane->scratchpad, primitive->scratchpad_bytes, 1))
        return br_fail_nomem(error);
    if (bound->src || bind(lane, primitive, bound))
        return BERTRUN_OK;
    unbind(bound);
    return fail_shape(error, "memory", primitive->m, primitive->n, primitive->k);
}

bool br_onednn_run(br_onednn_lane *lane, const br_onednn_primitive *primitive, const void *src,
                   const void *weights, void *dst)
{
    bound_primitive *bound = &lane->bound[primitive->index];
    dnnl_memory_set_data_handle(bound->src, (void *)src);
    dnnl_memory_set_data_handle(bound->weights, (void *)weights);
    dnnl_memory_set_data_handle(bound->dst, dst);
    dnnl_memory_set_data_handle(bound->scratchpad, lane->scratchpad.data);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, bound->src},
                                   {DNNL_ARG_WEIGHTS, bound->weights},
                                   {DNNL_ARG_DST, bound->dst},
                                   {DNNL_ARG_SCRATCHPAD, bound->scratchpad}};
    return dnnl_primitive_execute(primitive->primitive, lane->stream, 4, arguments) == dnnl_success;
}

int br_onednn_begin_single(void)
{
    int previous = omp_get_max_threads();
    omp_set_num_threads(1);
    return previous;
}

void br_onednn_end_single(int previous)
{
    omp_set_num_threads(previous);
}
