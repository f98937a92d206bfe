/* dtype.c: the types of elements: their sizes, what they are computed in, and the common
 * type of two. */
#include "base/base.h"

/* is_float() compares, and kernels of float32, float64 lie at these numbers. */
_Static_assert(MG_FLOAT32 == 0 && MG_FLOAT64 == 1 && MG_BFLOAT16 == 3 && MG_BOOL == 9,
               "floats come first, those that are computed in before the others");

const uint8_t dtype_sizes[MG_DTYPE_COUNT] = {4, 8, 2, 2, 8, 4, 2, 1, 1, 1};
const uint8_t dtypes_computed[MG_DTYPE_COUNT] = {
    MG_FLOAT32, MG_FLOAT64, MG_FLOAT32, MG_FLOAT32, MG_INT64,
    MG_INT32,   MG_INT32,   MG_INT32,   MG_UINT8,   MG_BOOL};

int mg_dtype_size(int dtype)
{
    return dtype < 0 || dtype >= MG_DTYPE_COUNT ? 0 : dtype_sizes[dtype];
}

/* Return PyTorch's common type: the one that stands higher, floats over integers over
 * bool; of two that stand side by side, neither of which holds the other, the next. */
int dtype_promote(int a, int b)
{
    static const uint8_t order[MG_DTYPE_COUNT] = {6, 7, 5, 5, 4, 3, 2, 1, 1, 0};
    if (a == b || order[a] > order[b]) return a;
    return order[a] < order[b] ? b : is_float(a) ? MG_FLOAT32 : MG_INT16;
}
