/* dtype.c: the types of elements: their sizes, and the common type of two. */
#include "base/base.h"

/* is_float() compares, and kernels of float32, float64 lie at these numbers. */
_Static_assert(MG_FLOAT32 == 0 && MG_FLOAT64 == 1 && MG_FLOAT16 == 2 && MG_BOOL == 6,
               "floats come first, those that are computed in before float16");

const uint8_t dtype_sizes[MG_DTYPE_COUNT] = {4, 8, 2, 8, 4, 1, 1};

int mg_dtype_size(int dtype)
{
    return dtype < 0 || dtype >= MG_DTYPE_COUNT ? 0 : dtype_sizes[dtype];
}

/* Return PyTorch's common type: float64 over float32 over float16 over integers over
 * bool; the wider integer. */
int dtype_promote(int a, int b)
{
    static const uint8_t order[MG_DTYPE_COUNT] = {5, 6, 4, 3, 2, 1, 0};
    return order[a] >= order[b] ? a : b;
}
