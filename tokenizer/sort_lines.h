/* Lines of a text sorted by their bytes, with what each shares with the one before it. */
#ifndef BR_SORT_LINES_H
#define BR_SORT_LINES_H

#include <stdint.h>

#include "common/memory.h"

/** Line i is text[starts[i] .. starts[i + 1] - 1); one byte, whichever, stands behind each. */
typedef struct br_lines {
    const char *text;
    const uint32_t *starts; /* [count + 1] */
    size_t count;
} br_lines;

static inline size_t br_line_length(const br_lines *lines, size_t line)
{
    return lines->starts[line + 1] - lines->starts[line] - 1;
}

typedef struct br_sorted_line {
    uint64_t key;    /* its bytes from `shared` on, the first one highest; zeros follow its end */
    uint32_t line;   /* index */
    uint32_t shared; /* leading bytes that it shares with the line before it; 0 without one */
} br_sorted_line;

/**
 * Sorts the lines that are not empty, which hold no NUL, into sorted[lines->count] and stores their
 * number. `spare` [lines->count] is room to work in. Time is linear in the bytes. Of equal lines
 * the first one is kept where `drop_repeats` is set; else the index of a line that stands there a
 * second time is returned. Returns SIZE_MAX otherwise.
 */
size_t br_sort_lines(const br_lines *lines, br_sorted_line *sorted, br_sorted_line *spare,
                     size_t *num_sorted, bool drop_repeats);

#endif
