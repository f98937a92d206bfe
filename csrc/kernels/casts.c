/* casts.c: elements from every type to every other. Kernels exist from and to the types
 * that are computed in; what is stored only goes by way of one that holds all of its
 * numbers, so that a type more takes a few kernels, not two for every other type. */
#include "kernels/kernels.h"

enum { CAST_BLOCK = 64 }; /* elements on the way; calls lie in each other, two at most */

/* The type by way of which elements of a type go where no kernel leads. Of integers it
 * holds them all, or they go to a narrower type, and both steps keep the last bits. */
static const uint8_t ways[MG_DTYPE_COUNT] = {
    [MG_FLOAT16] = MG_FLOAT32, [MG_BFLOAT16] = MG_FLOAT32, [MG_INT64] = MG_INT32,
    [MG_INT32] = MG_INT64,     [MG_INT16] = MG_INT32,      [MG_INT8] = MG_INT32,
    [MG_UINT8] = MG_INT32,     [MG_BOOL] = MG_INT32};

void cast_elements(int from, int to, int64_t n, const void *a, void *y)
{
    int64_t between[CAST_BLOCK];
    cast_kernel kernel = kernels()->cast[from][to];
    if (kernel || from == to) {
        if (kernel) kernel(n, a, y);
        else memmove(y, a, (size_t)n * dtype_sizes[to]);
        return;
    }
    for (int64_t first = 0; first < n; first += CAST_BLOCK) {
        int64_t part = n - first < CAST_BLOCK ? n - first : CAST_BLOCK;
        cast_elements(from, ways[from], part, (const char *)a + first * dtype_sizes[from],
                      between);
        cast_elements(ways[from], to, part, between, (char *)y + first * dtype_sizes[to]);
    }
}
