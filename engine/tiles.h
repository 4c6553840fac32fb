/* A projection in int8, a tile of rows and some channels at a time. */
#ifndef BR_TILES_H
#define BR_TILES_H

#include "engine/lane.h"

/** Sums of one tile. */
enum { BR_TILE_PANELS = 12, BR_TILE_SUMS = BR_GEMM_MAX_TILE * BR_TILE_PANELS * BR_GEMM_PANEL };

/** br_lane_linear() by tiles, for a call that `gemm` multiplies. */
void br_linear_by_tiles(br_lane *lane, const br_linear_call *call);

#endif
