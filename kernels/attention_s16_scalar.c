#include "kernels/attention_s16_isa.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/memory.h"
#include "kernels/vec_scalar.h"

#include "kernels/vec_math.inc.h"
#include "kernels/groups.inc.h"
#define LINEAR_S16 br_linear_s16_scalar
#define ATTEND_S16 br_attend_s16_scalar
#include "kernels/attention_s16.inc.h"
