#include "common/arena.h"

#include <stdint.h>

#include "common/memory.h"

/* The first piece; each further one is twice as large as the one before, up to MAX_PIECE: the ends
 * of few stay empty, and a small model takes little address space. */
enum { PIECE = 8 << 20, MAX_PIECE = 64 << 20 };

struct br_arena_piece {
    br_arena_piece *next;
    char *memory;
    size_t used, size;
};

static br_arena_piece *new_piece(size_t bytes, const br_arena_piece *last)
{
    br_arena_piece *piece = br_alloc(1, sizeof *piece);
    if (!piece)
        return NULL;
    size_t size = !last ? PIECE : last->size < MAX_PIECE / 2 ? 2 * last->size : MAX_PIECE;
    if (size < bytes)
        size = bytes;
    *piece = (br_arena_piece){.memory = br_alloc_huge(size), .size = size};
    if (!piece->memory) {
        br_free(piece);
        return NULL;
    }
    return piece;
}

void *br_arena_alloc(br_arena *arena, size_t bytes)
{
    br_arena_piece *piece = arena->pieces;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = br_round_up(bytes, BR_ALIGNMENT);
    if (!piece || piece->size - piece->used < bytes) {
        piece = new_piece(bytes, piece);
        if (!piece)
            return NULL;
        piece->next = arena->pieces;
        arena->pieces = piece;
    }
    void *memory = piece->memory + piece->used;
    piece->used += bytes;
    return memory;
}

void br_arena_free(br_arena *arena)
{
    while (arena->pieces) {
        br_arena_piece *piece = arena->pieces;
        arena->pieces = piece->next;
        br_free(piece->memory);
        br_free(piece);
    }
}
