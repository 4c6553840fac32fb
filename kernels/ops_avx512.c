#include "kernels/ops_sets.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/memory.h"
#include "kernels/vec_avx512.h"

#include "kernels/vec_math.inc.h"
#include "kernels/groups.inc.h"
#include "kernels/rows.inc.h"
#include "kernels/lstm.inc.h"
#include "kernels/attention_f32.inc.h"
#include "kernels/gemm_f32.inc.h"
#include "kernels/table.inc.h"

const br_ops br_ops_avx512 = BR_OPS_TABLE("avx512");
