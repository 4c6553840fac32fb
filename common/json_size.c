#include "common/json_size.h"

/*
 * Bytes that jansson 2.14 on glibc, 64 bits, takes at most for what a character begins: values,
 * pairs, the tables that hold them, doubled when they are full. A number or a key belongs to the
 * character before it; strings are counted by both of their quotes.
 */
enum { OBJECT = 240, ARRAY = 160, PAIR = 144, ELEMENT = 56, QUOTE = 40 };

size_t br_json_memory(const void *text, size_t size)
{
    static const unsigned char costs[256] = {
        ['{'] = OBJECT, ['['] = ARRAY, [':'] = PAIR, [','] = ELEMENT, ['"'] = QUOTE};
    const unsigned char *bytes = text;
    size_t sum = size;
    for (size_t i = 0; i < size; i++)
        sum += costs[bytes[i]];
    return sum;
}
