#include "models/pickle.h"

#include <string.h>

#include "common/memory.h"

/* ------------------------------------------------------------------------------------- values */

typedef enum value_kind {
    VALUE_OTHER, /* None, a float, a list: nothing that a tensor needs */
    VALUE_MARK,
    VALUE_INT, /* booleans too */
    VALUE_TEXT,
    VALUE_GLOBAL,
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_STORAGE,
    VALUE_TENSOR,
} value_kind;

typedef enum global_kind {
    GLOBAL_ORDERED_DICT,
    GLOBAL_TENSOR,
    GLOBAL_PARAMETER,
    GLOBAL_STORAGE,
} global_kind;

static const struct global {
    const char *module, *name;
    global_kind kind;
    br_dtype dtype; /* of storages */
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, 0},
    {"torch", "FloatStorage", GLOBAL_STORAGE, BR_DTYPE_F32},
    {"torch", "HalfStorage", GLOBAL_STORAGE, BR_DTYPE_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE, BR_DTYPE_BF16},
    {"torch", "DoubleStorage", GLOBAL_STORAGE, BR_DTYPE_F64},
    {"torch", "LongStorage", GLOBAL_STORAGE, BR_DTYPE_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE, BR_DTYPE_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE, BR_DTYPE_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE, BR_DTYPE_S8},
    {"torch", "ByteStorage", GLOBAL_STORAGE, BR_DTYPE_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE, BR_DTYPE_BOOL},
};
enum { NUM_GLOBALS = sizeof globals / sizeof *globals };

#define NO_ITEM UINT32_MAX

/* Values never change but for a dictionary's items, so they are shared by their numbers. */
typedef struct value {
    value_kind kind;
    union {
        int64_t number;
        const struct global *global;
        struct {
            const char *bytes;
            size_t length;
        } text;
        struct {
            uint32_t first, count; /* of machine.items */
        } tuple;
        struct {
            uint32_t first, last; /* of machine.pairs */
        } dict;
        uint32_t tensor; /* of machine.tensors: of a storage, what is known of its tensors */
    };
} value;

/* An entry of a dictionary. */
typedef struct pair {
    uint32_t key, value, next;
} pair;

typedef struct machine {
    const uint8_t *bytes, *at, *end;
    const char *path;
    bertrun_error *error;
    br_buffer values, stack, memo, items, pairs, tensors;
    uint32_t num_values, depth, num_items, num_pairs, num_tensors;
    uint32_t memo_size; /* the largest number put there is below it; 0: not put, else number + 1 */
} machine;

static bertrun_status fail(machine *m, const char *what)
{
    br_fail(m->error, BERTRUN_ERR_FORMAT, "%s: the pickle is broken at byte %zu: %s", m->path,
            (size_t)(m->at - m->bytes), what);
    return BERTRUN_ERR_FORMAT; /* a constant, so that the compiler sees what is set after success */
}

/* Each opcode adds a few elements at most, so that the pickle's size bounds them all. */
static bertrun_status grow(machine *m, br_buffer *buffer, uint32_t count, size_t size)
{
    return br_buffer_grow(buffer, count * size, (size_t)count + 1, size) ? BERTRUN_OK
                                                                         : br_fail_nomem(m->error);
}

static value *value_at(const machine *m, uint32_t number)
{
    return (value *)m->values.data + number;
}

static uint32_t *stack_of(const machine *m)
{
    return m->stack.data;
}

static bertrun_status push_number(machine *m, uint32_t number)
{
    BR_TRY(grow(m, &m->stack, m->depth, sizeof(uint32_t)));
    stack_of(m)[m->depth++] = number;
    return BERTRUN_OK;
}

static bertrun_status push(machine *m, value v)
{
    BR_TRY(grow(m, &m->values, m->num_values, sizeof v));
    *value_at(m, m->num_values) = v;
    return push_number(m, m->num_values++);
}

static bertrun_status push_kind(machine *m, value_kind kind)
{
    return push(m, (value){.kind = kind});
}

/* The uppermost value, off the stack. A mark is no value. */
static bertrun_status pop(machine *m, uint32_t *number)
{
    if (m->depth == 0 || value_at(m, stack_of(m)[m->depth - 1])->kind == VALUE_MARK)
        return fail(m, "its stack is empty");
    *number = stack_of(m)[--m->depth];
    return BERTRUN_OK;
}

/* The depth just above the uppermost mark. */
static bertrun_status find_mark(machine *m, uint32_t *depth)
{
    for (*depth = m->depth; *depth > 0; (*depth)--)
        if (value_at(m, stack_of(m)[*depth - 1])->kind == VALUE_MARK)
            return BERTRUN_OK;
    return fail(m, "there is no mark on its stack");
}

/* ------------------------------------------------------------------------------------- reading */

static bertrun_status take(machine *m, size_t count, const uint8_t **bytes)
{
    if (count > (size_t)(m->end - m->at))
        return fail(m, "it ends too early");
    *bytes = m->at;
    m->at += count;
    return BERTRUN_OK;
}

/* A little-endian number of `count` bytes, up to 8. */
static bertrun_status take_number(machine *m, size_t count, uint64_t *number)
{
    const uint8_t *bytes;
    BR_TRY(take(m, count, &bytes));
    *number = 0;
    while (count-- > 0)
        *number = *number << 8 | bytes[count];
    return BERTRUN_OK;
}

static bertrun_status push_int(machine *m, int64_t number)
{
    return push(m, (value){.kind = VALUE_INT, .number = number});
}

/* An unsigned number of 1 or 2 bytes, or a signed one of 4. */
static bertrun_status do_int(machine *m, size_t count)
{
    uint64_t number;
    BR_TRY(take_number(m, count, &number));
    return push_int(m, count == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

/* A signed number of as many bytes as a byte before it says. */
static bertrun_status do_long(machine *m)
{
    uint64_t count, number;
    BR_TRY(take_number(m, 1, &count));
    if (count == 0 || count > 8)
        return count ? fail(m, "a number of more than 64 bits") : push_int(m, 0);
    BR_TRY(take_number(m, count, &number));
    if (count < 8 && number >> (8 * count - 1)) /* negative */
        number |= UINT64_MAX << (8 * count);
    return push_int(m, (int64_t)number);
}

static bertrun_status do_text(machine *m)
{
    uint64_t length;
    const uint8_t *bytes;
    BR_TRY(take_number(m, 4, &length));
    BR_TRY(take(m, length, &bytes));
    return push(m, (value){.kind = VALUE_TEXT, .text = {(const char *)bytes, length}});
}

static bertrun_status take_line(machine *m, const char **line, size_t *length)
{
    const uint8_t *end = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!end)
        return fail(m, "it ends too early");
    *line = (const char *)m->at;
    *length = (size_t)(end - m->at);
    m->at = end + 1;
    return BERTRUN_OK;
}

static bool is_text(const char *text, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(text, wanted, length) == 0;
}

/* Makes bytes of a file fit to print. */
static void copy_printable(char *out, size_t size, const char *text, size_t length)
{
    size_t i = 0;
    for (; i < length && i + 1 < size; i++)
        out[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    out[i] = '\0';
}

static bertrun_status do_global(machine *m)
{
    const char *module, *name;
    size_t module_length, name_length;
    BR_TRY(take_line(m, &module, &module_length));
    BR_TRY(take_line(m, &name, &name_length));
    for (size_t i = 0; i < NUM_GLOBALS; i++)
        if (is_text(module, module_length, globals[i].module) &&
            is_text(name, name_length, globals[i].name))
            return push(m, (value){.kind = VALUE_GLOBAL, .global = &globals[i]});
    char shown_module[96], shown_name[96];
    copy_printable(shown_module, sizeof shown_module, module, module_length);
    copy_printable(shown_name, sizeof shown_name, name, name_length);
    return br_fail(m->error, BERTRUN_ERR_UNSUPPORTED,
                   "%s: the pickle refers to %s.%s, which is no part of a dictionary of tensors; "
                   "nothing in it is executed",
                   m->path, shown_module, shown_name);
}

/* ---------------------------------------------------------------------------- tuples and dicts */

/* The values above `depth` become one. */
static bertrun_status make_tuple(machine *m, uint32_t depth)
{
    value v = {.kind = VALUE_TUPLE, .tuple = {m->num_items, m->depth - depth}};
    for (uint32_t i = depth; i < m->depth; i++) {
        BR_TRY(grow(m, &m->items, m->num_items, sizeof(uint32_t)));
        ((uint32_t *)m->items.data)[m->num_items++] = stack_of(m)[i];
    }
    m->depth = depth;
    return push(m, v);
}

/* Of the uppermost `count` values. */
static bertrun_status do_short_tuple(machine *m, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (m->depth <= i || value_at(m, stack_of(m)[m->depth - 1 - i])->kind == VALUE_MARK)
            return fail(m, "its stack is empty");
    return make_tuple(m, m->depth - count);
}

/* Of the values above the mark, which goes. */
static bertrun_status do_tuple(machine *m)
{
    uint32_t depth, tuple;
    BR_TRY(find_mark(m, &depth));
    BR_TRY(make_tuple(m, depth));
    BR_TRY(pop(m, &tuple));
    m->depth = depth - 1;
    return push_number(m, tuple);
}

static bertrun_status push_dict(machine *m)
{
    return push(m, (value){.kind = VALUE_DICT, .dict = {NO_ITEM, NO_ITEM}});
}

static bertrun_status add_pair(machine *m, value *dict, uint32_t key, uint32_t item)
{
    BR_TRY(grow(m, &m->pairs, m->num_pairs, sizeof(pair)));
    pair *pairs = m->pairs.data;
    pairs[m->num_pairs] = (pair){key, item, NO_ITEM};
    if (dict->dict.last == NO_ITEM)
        dict->dict.first = m->num_pairs;
    else
        pairs[dict->dict.last].next = m->num_pairs;
    dict->dict.last = m->num_pairs++;
    return BERTRUN_OK;
}

/* Puts the values above `depth`, key after key, into the dictionary below (and below a mark). */
static bertrun_status set_items(machine *m, uint32_t depth, bool marked)
{
    uint32_t below = depth - marked;
    value *dict = below > 0 ? value_at(m, stack_of(m)[below - 1]) : NULL;
    if (!dict || dict->kind != VALUE_DICT || (m->depth - depth) % 2 != 0)
        return fail(m, "items are put into what is no dictionary");
    for (uint32_t i = depth; i < m->depth; i += 2)
        BR_TRY(add_pair(m, dict, stack_of(m)[i], stack_of(m)[i + 1]));
    m->depth = below;
    return BERTRUN_OK;
}

static bertrun_status do_set_items(machine *m)
{
    uint32_t depth;
    BR_TRY(find_mark(m, &depth));
    return set_items(m, depth, true);
}

static bertrun_status do_set_item(machine *m)
{
    return m->depth < 3 ? fail(m, "its stack is empty") : set_items(m, m->depth - 2, false);
}

/* A list's elements are dropped: no tensor is described by one. */
static bertrun_status do_append(machine *m)
{
    uint32_t element;
    BR_TRY(pop(m, &element));
    return m->depth > 0 ? BERTRUN_OK : fail(m, "its stack is empty");
}

static bertrun_status do_appends(machine *m)
{
    uint32_t depth;
    BR_TRY(find_mark(m, &depth));
    m->depth = depth - 1;
    return m->depth > 0 ? BERTRUN_OK : fail(m, "its stack is empty");
}

/* ------------------------------------------------------------------------------------- memo */

static bertrun_status do_put(machine *m, size_t count)
{
    uint64_t index;
    BR_TRY(take_number(m, count, &index));
    if (index >= (size_t)(m->end - m->bytes) || m->depth == 0)
        return fail(m, "a memo that cannot be");
    if (index >= m->memo_size) {
        if (!br_buffer_grow(&m->memo, m->memo_size * sizeof(uint32_t), index + 1, sizeof(uint32_t)))
            return br_fail_nomem(m->error);
        memset((uint32_t *)m->memo.data + m->memo_size, 0,
               (index + 1 - m->memo_size) * sizeof(uint32_t));
        m->memo_size = (uint32_t)index + 1;
    }
    ((uint32_t *)m->memo.data)[index] = stack_of(m)[m->depth - 1] + 1;
    return BERTRUN_OK;
}

static bertrun_status do_get(machine *m, size_t count)
{
    uint64_t index;
    BR_TRY(take_number(m, count, &index));
    const uint32_t *memo = m->memo.data;
    if (index >= m->memo_size || memo[index] == 0)
        return fail(m, "a memo that was never made");
    return push_number(m, memo[index] - 1);
}

/* ------------------------------------------------------------------------------------- tensors */

/* Element `index` of a tuple, where it is of the kind. */
static const value *element(const machine *m, const value *tuple, uint32_t index, value_kind kind)
{
    if (tuple->kind != VALUE_TUPLE || index >= tuple->tuple.count)
        return NULL;
    const uint32_t *items = m->items.data;
    const value *v = value_at(m, items[tuple->tuple.first + index]);
    return v->kind == kind ? v : NULL;
}

static bertrun_status add_tensor(machine *m, const br_pickled_tensor *tensor, value_kind kind)
{
    BR_TRY(grow(m, &m->tensors, m->num_tensors, sizeof *tensor));
    ((br_pickled_tensor *)m->tensors.data)[m->num_tensors] = *tensor;
    return push(m, (value){.kind = kind, .tensor = m->num_tensors++});
}

/* ('storage', type, key, device, elements) */
static bertrun_status do_persistent(machine *m)
{
    uint32_t number;
    BR_TRY(pop(m, &number));
    const value *tuple = value_at(m, number);
    const value *tag = element(m, tuple, 0, VALUE_TEXT), *type = element(m, tuple, 1, VALUE_GLOBAL),
                *key = element(m, tuple, 2, VALUE_TEXT), *count = element(m, tuple, 4, VALUE_INT);
    if (!tag || !type || !key || !count || !is_text(tag->text.bytes, tag->text.length, "storage") ||
        type->global->kind != GLOBAL_STORAGE || count->number < 0)
        return fail(m, "it refers to something that is no storage");
    br_pickled_tensor storage = {.storage = key->text.bytes,
                                 .storage_length = key->text.length,
                                 .dtype = type->global->dtype,
                                 .storage_count = (uint64_t)count->number};
    return add_tensor(m, &storage, VALUE_STORAGE);
}

/* A tuple of sizes or strides. */
static bool read_sizes(const machine *m, const value *sizes, uint64_t *out)
{
    for (uint32_t i = 0; i < sizes->tuple.count; i++) {
        const value *v = element(m, sizes, i, VALUE_INT);
        if (!v || v->number < 0)
            return false;
        out[i] = (uint64_t)v->number;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, ...) */
static bertrun_status rebuild_tensor(machine *m, const value *arguments)
{
    const value *storage = element(m, arguments, 0, VALUE_STORAGE),
                *offset = element(m, arguments, 1, VALUE_INT),
                *shape = element(m, arguments, 2, VALUE_TUPLE),
                *stride = element(m, arguments, 3, VALUE_TUPLE);
    if (!storage || !offset || !shape || !stride || offset->number < 0 ||
        shape->tuple.count != stride->tuple.count)
        return fail(m, "a tensor is described by something else than a storage and sizes");
    if (shape->tuple.count > BR_PICKLE_MAX_RANK)
        return fail(m, "a tensor has more than 8 dimensions");
    br_pickled_tensor tensor = ((const br_pickled_tensor *)m->tensors.data)[storage->tensor];
    tensor.offset = (uint64_t)offset->number;
    tensor.rank = shape->tuple.count;
    if (!read_sizes(m, shape, tensor.shape) || !read_sizes(m, stride, tensor.stride))
        return fail(m, "a tensor has a negative size or stride");
    return add_tensor(m, &tensor, VALUE_TENSOR);
}

/* What the pickle calls, taken as a description. */
static bertrun_status do_reduce(machine *m)
{
    uint32_t arguments_number, callable_number;
    BR_TRY(pop(m, &arguments_number));
    BR_TRY(pop(m, &callable_number));
    const value *arguments = value_at(m, arguments_number);
    const value *callable = value_at(m, callable_number);
    if (callable->kind != VALUE_GLOBAL || arguments->kind != VALUE_TUPLE)
        return fail(m, "it calls what cannot be called");
    const uint32_t *items = m->items.data;
    switch (callable->global->kind) {
    case GLOBAL_ORDERED_DICT:
        return arguments->tuple.count == 0 ? push_dict(m)
                                           : fail(m, "a dictionary is made of something");
    case GLOBAL_TENSOR:
        return rebuild_tensor(m, arguments);
    case GLOBAL_PARAMETER: /* (tensor, requires_grad, hooks) */
        return element(m, arguments, 0, VALUE_TENSOR)
                   ? push_number(m, items[arguments->tuple.first])
                   : fail(m, "a parameter is made of something else than a tensor");
    case GLOBAL_STORAGE:
        break;
    }
    return fail(m, "it calls a storage");
}

/* Attributes of a dictionary, like a state_dict's _metadata, say nothing of its tensors. */
static bertrun_status do_build(machine *m)
{
    uint32_t state;
    BR_TRY(pop(m, &state));
    return m->depth > 0 && value_at(m, stack_of(m)[m->depth - 1])->kind == VALUE_DICT
               ? BERTRUN_OK
               : fail(m, "it builds what is no dictionary");
}

/* ------------------------------------------------------------------------------------- opcodes */

static const struct {
    uint8_t code;
    const char *name;
} refused[] = {
    {'0', "POP"},
    {'1', "POP_MARK"},
    {'2', "DUP"},
    {'F', "FLOAT"},
    {'I', "INT"},
    {'L', "LONG"},
    {'P', "PERSID"},
    {'S', "STRING"},
    {'T', "BINSTRING"},
    {'U', "SHORT_BINSTRING"},
    {'V', "UNICODE"},
    {'d', "DICT"},
    {'g', "GET"},
    {'i', "INST"},
    {'l', "LIST"},
    {'o', "OBJ"},
    {'p', "PUT"},
    {'B', "BINBYTES"},
    {'C', "SHORT_BINBYTES"},
    {0x81, "NEWOBJ"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x8b, "LONG4"},
    {0x8c, "SHORT_BINUNICODE"},
    {0x8d, "BINUNICODE8"},
    {0x8e, "BINBYTES8"},
    {0x8f, "EMPTY_SET"},
    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},
    {0x92, "NEWOBJ_EX"},
    {0x93, "STACK_GLOBAL"},
    {0x94, "MEMOIZE"},
    {0x95, "FRAME"},
    {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

static bertrun_status refuse(machine *m, uint8_t code)
{
    const char *name = "unknown";
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (refused[i].code == code)
            name = refused[i].name;
    return br_fail(m->error, BERTRUN_ERR_UNSUPPORTED,
                   "%s: the pickle has opcode %s (0x%02x), which no dictionary of tensors needs",
                   m->path, name, code);
}

static bertrun_status do_protocol(machine *m)
{
    uint64_t protocol;
    BR_TRY(take_number(m, 1, &protocol));
    if (protocol != 2)
        return br_fail(m->error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: pickle protocol %d, of which 2 is read, the one torch.save() writes "
                       "unless told otherwise: load it with torch.load() and torch.save() it again",
                       m->path, (int)protocol);
    return BERTRUN_OK;
}

static bertrun_status execute(machine *m, uint8_t code)
{
    const uint8_t *skipped;
    switch (code) {
    case 0x80: /* PROTO */
        return do_protocol(m);
    case '(': /* MARK */
        return push_kind(m, VALUE_MARK);
    case 'N': /* NONE */
    case ']': /* EMPTY_LIST */
        return push_kind(m, VALUE_OTHER);
    case 'G': /* BINFLOAT */
        BR_TRY(take(m, 8, &skipped));
        return push_kind(m, VALUE_OTHER);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_int(m, code == 0x88);
    case 'K': /* BININT1 */
        return do_int(m, 1);
    case 'M': /* BININT2 */
        return do_int(m, 2);
    case 'J': /* BININT */
        return do_int(m, 4);
    case 0x8a: /* LONG1 */
        return do_long(m);
    case 'X': /* BINUNICODE */
        return do_text(m);
    case 'c': /* GLOBAL */
        return do_global(m);
    case ')': /* EMPTY_TUPLE */
        return make_tuple(m, m->depth);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        return do_short_tuple(m, code - 0x84u);
    case 't': /* TUPLE */
        return do_tuple(m);
    case '}': /* EMPTY_DICT */
        return push_dict(m);
    case 's': /* SETITEM */
        return do_set_item(m);
    case 'u': /* SETITEMS */
        return do_set_items(m);
    case 'a': /* APPEND */
        return do_append(m);
    case 'e': /* APPENDS */
        return do_appends(m);
    case 'q': /* BINPUT */
        return do_put(m, 1);
    case 'r': /* LONG_BINPUT */
        return do_put(m, 4);
    case 'h': /* BINGET */
        return do_get(m, 1);
    case 'j': /* LONG_BINGET */
        return do_get(m, 4);
    case 'Q': /* BINPERSID */
        return do_persistent(m);
    case 'R': /* REDUCE */
        return do_reduce(m);
    case 'b': /* BUILD */
        return do_build(m);
    default:
        return refuse(m, code);
    }
}

/* Everything up to STOP, which must be the end and leave a dictionary. */
static bertrun_status run(machine *m)
{
    for (;;) {
        const uint8_t *code;
        BR_TRY(take(m, 1, &code));
        if (*code == '.')
            break;
        BR_TRY(execute(m, *code));
    }
    if (m->at != m->end)
        return fail(m, "bytes after its end");
    if (m->depth != 1 || value_at(m, stack_of(m)[0])->kind != VALUE_DICT)
        return br_fail(m->error, BERTRUN_ERR_UNSUPPORTED,
                       "%s: the pickle is no dictionary of tensors (a state_dict)", m->path);
    return BERTRUN_OK;
}

/* ------------------------------------------------------------------------------------- results */

static bertrun_status collect(machine *m, br_pickled_tensor **out, size_t *count)
{
    const pair *pairs = m->pairs.data;
    const br_pickled_tensor *tensors = m->tensors.data;
    *out = br_alloc(m->num_pairs, sizeof **out);
    if (!*out)
        return br_fail_nomem(m->error);
    for (uint32_t i = value_at(m, stack_of(m)[0])->dict.first; i != NO_ITEM; i = pairs[i].next) {
        const value *key = value_at(m, pairs[i].key), *item = value_at(m, pairs[i].value);
        if (key->kind != VALUE_TEXT || item->kind != VALUE_TENSOR)
            continue;
        br_pickled_tensor *tensor = &(*out)[(*count)++];
        *tensor = tensors[item->tensor];
        tensor->name = key->text.bytes;
        tensor->name_length = key->text.length;
    }
    return BERTRUN_OK;
}

bertrun_status br_pickle_read(br_pickled_tensor **out, size_t *count, const uint8_t *bytes,
                              size_t size, const char *path, bertrun_error *error)
{
    machine m = {.bytes = bytes, .at = bytes, .end = bytes + size, .path = path, .error = error};
    *out = NULL;
    *count = 0;
    bertrun_status status = run(&m);
    if (status == BERTRUN_OK)
        status = collect(&m, out, count);
    br_buffer *buffers[] = {&m.values, &m.stack, &m.memo, &m.items, &m.pairs, &m.tensors};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        br_free(buffers[i]->data);
    return status;
}
