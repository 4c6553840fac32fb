#include "tokenizer/sort_lines.h"

#include <string.h>

/*
 * Lines are compared eight bytes at a time. Those that are equal so far stand together as a group
 * and wait to be sorted by their next eight; item i > 0 with PENDING in `shared` belongs to the
 * group of item i - 1, and the rest of `shared` is the depth the group has reached.
 */
enum { KEY_BYTES = 8, FEW = 64 };
static const uint32_t PENDING = UINT32_C(1) << 31;
static const uint32_t DROPPED = UINT32_MAX; /* line of an item that repeats the one before it */

/* A line's bytes from `depth` on as a number that sorts like them; zeros follow the line's end. */
static uint64_t key_at(const br_lines *lines, uint32_t line, uint32_t depth)
{
    size_t begin = lines->starts[line] + depth, left = lines->starts[line + 1] - 1 - begin;
    uint64_t key = 0;
    if (lines->starts[lines->count] - begin >= KEY_BYTES)
        memcpy(&key, lines->text + begin, KEY_BYTES);
    else
        memcpy(&key, lines->text + begin, left);
    key = __builtin_bswap64(key);
    return left < KEY_BYTES ? key & ~(~UINT64_C(0) >> 8 * left) : key;
}

static void sort_few(br_sorted_line *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        br_sorted_line moved = items[i];
        size_t j = i;
        for (; j > 0 && items[j - 1].key > moved.key; j--)
            items[j] = items[j - 1];
        items[j] = moved;
    }
}

/* By counting, one byte of the keys after another, the last one first. */
static void sort_many(br_sorted_line *items, br_sorted_line *spare, size_t count)
{
    uint32_t starts[KEY_BYTES][256] = {{0}};
    br_sorted_line *from = items, *to = spare;
    for (size_t i = 0; i < count; i++)
        for (int byte = 0; byte < KEY_BYTES; byte++)
            starts[byte][items[i].key >> 8 * byte & 0xff]++;
    for (int byte = 0; byte < KEY_BYTES; byte++) {
        uint32_t *start = starts[byte], sum = 0;
        if (start[items[0].key >> 8 * byte & 0xff] == count)
            continue;
        for (int value = 0; value < 256; value++) {
            uint32_t size = start[value];
            start[value] = sum;
            sum += size;
        }
        for (size_t i = 0; i < count; i++)
            to[start[from[i].key >> 8 * byte & 0xff]++] = from[i];
        br_sorted_line *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * sizeof(*items));
}

/* Sorts a group by its lines' bytes from `depth` on, and parts it into smaller groups. Equal lines
 * stay in their order. */
static size_t sort_group(const br_lines *lines, br_sorted_line *items, br_sorted_line *spare,
                         size_t count, uint32_t depth, bool drop_repeats)
{
    uint32_t shared = items[0].shared; /* of the whole group with the line before it */
    for (size_t i = 0; i < count; i++)
        items[i].key = key_at(lines, items[i].line, depth);
    if (count <= FEW)
        sort_few(items, count);
    else
        sort_many(items, spare, count);
    items[0].shared = shared;
    for (size_t i = 1; i < count; i++) {
        uint64_t difference = items[i].key ^ items[i - 1].key;
        if (difference)
            items[i].shared = depth + (uint32_t)__builtin_clzll(difference) / 8;
        else if (items[i].key & 0xff)
            items[i].shared = PENDING | (depth + KEY_BYTES);
        else if (!drop_repeats) /* both have ended */
            return items[i].line;
        else {
            items[i].line = DROPPED;
            items[i].shared = 0;
        }
    }
    return SIZE_MAX;
}

/* Names the lines that are not empty; returns their number. */
static size_t list_lines(const br_lines *lines, br_sorted_line *items)
{
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++)
        if (br_line_length(lines, i)) {
            items[count] = (br_sorted_line){.line = (uint32_t)i, .shared = count ? PENDING : 0};
            count++;
        }
    return count;
}

size_t br_sort_lines(const br_lines *lines, br_sorted_line *sorted, br_sorted_line *spare,
                     size_t *num_sorted, bool drop_repeats)
{
    size_t count = list_lines(lines, sorted), kept = 0;
    for (size_t begin = 0; begin < count;) {
        size_t end = begin + 1;
        while (end < count && sorted[end].shared & PENDING)
            end++;
        if (end - begin == 1) {
            begin++;
            continue;
        }
        size_t duplicate = sort_group(lines, sorted + begin, spare, end - begin,
                                      sorted[begin + 1].shared & ~PENDING, drop_repeats);
        if (duplicate != SIZE_MAX)
            return duplicate;
    }
    for (size_t i = 0; i < count; i++) {
        if (sorted[i].line == DROPPED)
            continue;
        sorted[kept] = sorted[i];
        sorted[kept].key = key_at(lines, sorted[i].line, sorted[i].shared);
        kept++;
    }
    *num_sorted = kept;
    return SIZE_MAX;
}
