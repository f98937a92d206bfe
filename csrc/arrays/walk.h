/* walk.h: walking the elements of strided arrays in row-major order: which element is
 * next, and where it lies in one array or in two. */
#ifndef MG_WALK_H
#define MG_WALK_H

#include "base/core.h"

/* A walk along axes of sizes shape[]; the current element has coordinates index[], and
 * lies offset[i] elements behind the first of array i. */
typedef struct strided_walk {
    int rank, array_count;
    const int64_t *shape;
    const int64_t *strides[2];
    int64_t index[MG_MAX_RANK];
    int64_t offset[2];
} strided_walk;

/* Stand at element number i. */
MG_INLINE void walk_to(strided_walk *w, int64_t i)
{
    w->offset[0] = w->offset[1] = 0;
    for (int d = w->rank - 1; d >= 0; d--) {
        w->index[d] = i % w->shape[d];
        i /= w->shape[d];
        for (int k = 0; k < w->array_count; k++)
            w->offset[k] += w->index[d] * w->strides[k][d];
    }
}

/* Stand at the first element of arrays with strides a and b (NULL: there is one, or
 * none). */
MG_INLINE void walk_open(strided_walk *w, int rank, const int64_t *shape,
                         const int64_t *a, const int64_t *b)
{
    w->rank = rank;
    w->array_count = b ? 2 : a ? 1 : 0;
    w->shape = shape;
    w->strides[0] = a;
    w->strides[1] = b;
    w->offset[0] = w->offset[1] = 0;
    for (int d = 0; d < rank; d++) w->index[d] = 0;
}

/* Go on to the next element; after the last one, return false and stand at the first. */
MG_INLINE bool walk_next(strided_walk *w)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        if (++w->index[d] < w->shape[d]) {
            for (int k = 0; k < w->array_count; k++) w->offset[k] += w->strides[k][d];
            return true;
        }
        for (int k = 0; k < w->array_count; k++)
            w->offset[k] -= (w->shape[d] - 1) * w->strides[k][d];
        w->index[d] = 0;
    }
    return false;
}

#endif
