#include "common/arena.h"

#include <stdint.h>

#include "common/memory.h"

enum { PIECE = 64 << 20 }; /* what of it is never used is never touched */

struct br_arena_piece {
    br_arena_piece *next;
    char *memory;
    size_t used, size;
};

static br_arena_piece *new_piece(size_t bytes)
{
    br_arena_piece *piece = br_alloc(1, sizeof *piece);
    if (!piece)
        return NULL;
    size_t size = bytes < PIECE ? PIECE : bytes;
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
        piece = new_piece(bytes);
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
