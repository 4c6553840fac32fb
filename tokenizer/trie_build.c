#include <string.h>

#include "tokenizer/trie.h"

/*
 * Nodes are given their children depth first, so that a word's nodes lie near each other. Units
 * come in blocks of 256, in which the children of a node have to lie. A node's place is looked for
 * in the last few blocks that are not full, the oldest first, in bit sets: 64 places at once.
 */
enum { BLOCK = 256, WORDS = BLOCK / 64, MAX_OPEN = 2 };
static const uint32_t MAX_UNITS = 0x7fffffff, NONE = UINT32_MAX;

/* A block that is not yet full. Bit i stands for unit first + i. */
struct block {
    uint32_t first;
    uint64_t free[WORDS];  /* no node */
    uint64_t based[WORDS]; /* some node's base */
};

/* Lines sorted[begin .. end) share their first `depth` bytes, which lead to `node`. */
struct task {
    uint32_t node, begin, end, depth;
};

struct builder {
    const br_lines *lines;
    size_t walk_depth;
    br_sorted_line *sorted;
    struct block open[MAX_OPEN];
    size_t num_open;
    size_t reserved; /* bytes before the units */
    br_buffer memory;
    br_trie_unit *units; /* in memory */
    uint32_t num_units;
    br_buffer tails;
    size_t tails_size;
    br_buffer tasks; /* stack */
    size_t num_tasks;
};

static size_t units_end(const struct builder *b)
{
    return b->reserved + b->num_units * sizeof(*b->units);
}

/* Makes room for `bytes` behind the units that are there. */
static bool grow(struct builder *b, size_t bytes)
{
    size_t used = b->num_units ? units_end(b) : 0;
    if (!br_buffer_grow(&b->memory, used, units_end(b) + bytes, 1))
        return false;
    b->units = (br_trie_unit *)((char *)b->memory.data + b->reserved);
    return true;
}

static void close_block(struct builder *b, size_t index)
{
    b->num_open--;
    memmove(&b->open[index], &b->open[index + 1], (b->num_open - index) * sizeof(b->open[0]));
}

static bool open_block(struct builder *b)
{
    if (b->num_units > MAX_UNITS - BLOCK || !grow(b, BLOCK * sizeof(*b->units)))
        return false;
    if (b->num_open == MAX_OPEN)
        close_block(b, 0);
    struct block *block = &b->open[b->num_open++];
    *block = (struct block){.first = b->num_units};
    memset(block->free, 0xff, sizeof(block->free));
    memset(b->units + b->num_units, 0, BLOCK * sizeof(*b->units));
    b->num_units += BLOCK;
    return true;
}

static bool get_bit(const uint64_t *bits, uint32_t bit)
{
    return bits[bit / 64] >> bit % 64 & 1;
}

static void set_bit(uint64_t *bits, uint32_t bit)
{
    bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void clear_bit(uint64_t *bits, uint32_t bit)
{
    bits[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

/* The 64 bits of the set in which bit i is its bit i ^ by. No branches: nobody could guess them. */
static uint64_t exchanged(const uint64_t bits[WORDS], unsigned word, unsigned by)
{
    static const uint64_t low[] = {0x5555555555555555, 0x3333333333333333, 0x0f0f0f0f0f0f0f0f,
                                   0x00ff00ff00ff00ff, 0x0000ffff0000ffff, 0x00000000ffffffff};
    uint64_t out = bits[word ^ by >> 6];
    for (unsigned i = 0; i < 6; i++) {
        uint64_t on = by >> i & 1, mask = low[i] | (on - 1);
        out = (out & mask) << (on << i) | (out >> (on << i) & mask);
    }
    return out;
}

/* The base, in the block, under which all labels fall on free units, the first one on the lowest
 * that there is; or NONE. */
static uint32_t find_in_block(const struct block *block, const uint8_t *labels, size_t count)
{
    for (uint32_t word = 0; word < WORDS; word++) {
        uint64_t places = block->free[word];
        for (size_t i = 1; i < count && places; i++)
            places &= exchanged(block->free, word, labels[0] ^ labels[i]);
        for (; places; places &= places - 1) {
            uint32_t base = (word * 64 + (uint32_t)__builtin_ctzll(places)) ^ labels[0];
            if (!get_bit(block->based, base))
                return base;
        }
    }
    return NONE;
}

/* A block with room for children by these labels, and their base. NULL: out of memory. */
static struct block *find_place(struct builder *b, const uint8_t *labels, size_t count,
                                uint32_t *base)
{
    for (size_t i = 0; i < b->num_open;) {
        if ((*base = find_in_block(&b->open[i], labels, count)) != NONE)
            return &b->open[i];
        if (count == 1)
            close_block(b, i); /* as good as full */
        else
            i++;
    }
    *base = 0;
    return open_block(b) ? &b->open[b->num_open - 1] : NULL;
}

/* Gives `node` children, one by each label, and stores their base. False: out of memory. */
static bool place_children(struct builder *b, uint32_t node, const uint8_t *labels, size_t count,
                           uint32_t *base)
{
    uint32_t low;
    struct block *block = find_place(b, labels, count, &low);
    if (!block)
        return false;
    set_bit(block->based, low);
    for (size_t i = 0; i < count; i++)
        clear_bit(block->free, low ^ labels[i]);
    *base = b->units[node].base = block->first + low;
    for (size_t i = 0; i < count; i++)
        b->units[*base ^ labels[i]] = (br_trie_unit){.label = (labels[i] + 1u) & 0x1ff};
    return true;
}

/* The byte at `depth`, not before `shared`, of a sorted line; 0: it has ended. */
static uint8_t byte_at(const struct builder *b, size_t place, size_t depth)
{
    const br_sorted_line *sorted = &b->sorted[place];
    size_t ahead = depth - sorted->shared;
    if (ahead < sizeof(sorted->key))
        return sorted->key >> (56 - 8 * ahead) & 0xff;
    bool ended = depth >= br_line_length(b->lines, sorted->line);
    return ended ? 0 : (uint8_t)b->lines->text[b->lines->starts[sorted->line] + depth];
}

static void set_value(struct builder *b, uint32_t node, size_t place)
{
    b->units[node].value = (b->sorted[place].line + 1u) & 0x7fffff;
}

/* Appends a line's rest to the tails, and a NUL; *at receives its place. */
static bool add_tail(struct builder *b, size_t place, size_t depth, uint32_t *at)
{
    uint32_t line = b->sorted[place].line;
    size_t size = br_line_length(b->lines, line) - depth, end = b->tails_size + size + 1;
    if (end > MAX_UNITS || !br_buffer_grow(&b->tails, b->tails_size, end, 1))
        return false;
    char *tail = (char *)b->tails.data + b->tails_size;
    memcpy(tail, b->lines->text + b->lines->starts[line] + depth, size);
    tail[size] = '\0';
    *at = (uint32_t)b->tails_size;
    b->tails_size = end;
    return true;
}

/* The rest of a line that shares no more bytes with others. Neither the root nor where a walk may
 * end is a node with a tail. */
static bool place_tail(struct builder *b, struct task task)
{
    uint32_t node = task.node, base;
    uint8_t label;
    while ((label = byte_at(b, task.begin, task.depth)) && task.depth <= b->walk_depth) {
        if (!place_children(b, node, &label, 1, &base))
            return false;
        node = base ^ label;
        task.depth++;
    }
    set_value(b, node, task.begin);
    if (label == 0)
        return true;
    if (!add_tail(b, task.begin, task.depth, &base))
        return false;
    b->units[node].base = BR_TRIE_TAIL | base;
    return true;
}

/* Leaves a node, to which lines sorted[begin .. end) lead, for later. */
static bool push(struct builder *b, struct task task)
{
    if (!br_buffer_grow(&b->tasks, b->num_tasks * sizeof(task), b->num_tasks + 1, sizeof(task)))
        return false;
    ((struct task *)b->tasks.data)[b->num_tasks++] = task;
    return true;
}

/* Gives the node its value and its children; those that more than one line leads to are left for
 * later. */
static bool settle(struct builder *b, struct task task)
{
    if (byte_at(b, task.begin, task.depth) == 0)
        set_value(b, task.node, task.begin++);
    uint8_t labels[256];
    uint32_t starts[257], base;
    size_t count = 0;
    for (uint32_t i = task.begin; i < task.end; i++) {
        if (i > task.begin && b->sorted[i].shared != task.depth)
            continue;
        labels[count] = byte_at(b, i, task.depth);
        starts[count++] = i;
    }
    starts[count] = task.end;
    if (!place_children(b, task.node, labels, count, &base))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct task child = {base ^ labels[i], starts[i], starts[i + 1], task.depth + 1};
        bool alone = child.end - child.begin == 1;
        if (!(alone ? place_tail(b, child) : push(b, child)))
            return false;
    }
    return true;
}

/* Nodes of the trie, but for those that walk_depth adds. */
static size_t count_nodes(const struct builder *b, size_t count)
{
    size_t nodes = 1;
    for (size_t i = 0; i < count; i++) {
        const br_sorted_line *line = &b->sorted[i];
        size_t after = i + 1 < count ? line[1].shared : 0,
               length = br_line_length(b->lines, line->line);
        size_t depth = (after > line->shared ? after : line->shared) + 1; /* a tail begins there */
        nodes += (depth < length ? depth : length) - line->shared;
    }
    return nodes;
}

static bool build(struct builder *b, size_t count)
{
    size_t nodes = count_nodes(b, count);
    if (!grow(b, (nodes + nodes / 4 + BLOCK) * sizeof(*b->units)) || !open_block(b))
        return false;
    clear_bit(b->open[0].free, BR_TRIE_ROOT);
    set_bit(b->open[0].based, 0); /* base 0 is the leaves', where no child answers */
    struct task task = {.node = BR_TRIE_ROOT, .end = (uint32_t)count};
    if (count && !(count == 1 ? place_tail(b, task) : push(b, task)))
        return false;
    while (b->num_tasks) {
        task = ((struct task *)b->tasks.data)[--b->num_tasks];
        if (!settle(b, task))
            return false;
    }
    return true;
}

/* Sorts and builds. False with *duplicate SIZE_MAX: out of memory. */
static bool sort_and_build(struct builder *b, bool drop_repeats, size_t *duplicate)
{
    size_t count = b->lines->count, num_sorted;
    b->sorted = br_alloc(count, sizeof(*b->sorted));
    br_sorted_line *spare = br_alloc(count, sizeof(*spare));
    bool sorted = b->sorted && spare;
    if (sorted)
        *duplicate = br_sort_lines(b->lines, b->sorted, spare, &num_sorted, drop_repeats);
    br_free(spare);
    return sorted && *duplicate == SIZE_MAX && build(b, num_sorted);
}

/* Puts the tails behind the units. */
static bool join(struct builder *b)
{
    if (!grow(b, b->tails_size))
        return false;
    if (b->tails_size)
        memcpy((char *)b->memory.data + units_end(b), b->tails.data, b->tails_size);
    return true;
}

bertrun_status br_trie_build(br_trie *out, void **memory, size_t reserved, const br_lines *lines,
                             size_t walk_depth, size_t *duplicate, bertrun_error *error)
{
    struct builder b = {.lines = lines, .reserved = reserved, .walk_depth = walk_depth};
    size_t repeated = SIZE_MAX;
    bool built = lines->count <= (size_t)BR_TRIE_MAX_VALUE + 1 &&
                 sort_and_build(&b, !duplicate, &repeated) && join(&b);
    if (duplicate)
        *duplicate = repeated;
    br_free(b.sorted);
    br_free(b.tasks.data);
    br_free(b.tails.data);
    if (!built) {
        br_free(b.memory.data);
        return repeated != SIZE_MAX ? BERTRUN_ERR_FORMAT : br_fail_nomem(error);
    }
    *memory = b.memory.data;
    *out = (br_trie){b.units, (char *)b.memory.data + units_end(&b), b.num_units, b.tails_size};
    return BERTRUN_OK;
}
