/* dtype.c: the types of elements: their sizes, and the common type of two. */
#include "base/base.h"

const uint8_t dtype_sizes[MG_DTYPE_COUNT] = {4, 8, 2, 8, 4, 1, 1};

/* Return PyTorch's common type: float64 over float32 over float16 over integers over
 * bool; the wider integer. */
int dtype_promote(int a, int b)
{
    static const uint8_t order[MG_DTYPE_COUNT] = {5, 6, 4, 3, 2, 1, 0};
    return order[a] >= order[b] ? a : b;
}
