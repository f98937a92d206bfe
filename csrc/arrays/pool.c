/* pool.c: where in its windows the largest element of an array lies.
 *
 * Windows are not copied: their elements lie at the same distances from their first one,
 * which are listed once. The position is that in the array, so that gather() reads the
 * largest elements and the gradient adds to them, where they are. */
#include "arrays/arrays.h"
#include "arrays/walk.h"

/* Windows of which `columns` follow each other along the last axis, `next` elements
 * apart; element k of a window lies distances[k] behind the first. */
typedef struct pool_job {
    const array *a; /* contiguous, of a type that is computed in */
    array view;     /* the first elements of all windows */
    int64_t plane;  /* elements of the axes that windows lie along */
    int64_t columns, next, size;
    const int64_t *distances;
    int64_t *out;
} pool_job;

/* Do rows [first, end) of windows. */
static void windows_range(void *context, int64_t first, int64_t end)
{
    const pool_job *w = context;
    const int64_t size = dtype_sizes[w->a->dtype];
    strided_walk rows;
    walk_open(&rows, w->view.rank - 1, w->view.shape, w->view.strides, NULL);
    walk_to(&rows, first);
    for (; first < end; first++, walk_next(&rows)) {
        int64_t at = rows.offset[0] % w->plane;
        const char *plane = w->a->data + (rows.offset[0] - at) * size;
        int64_t *out = w->out + first * w->columns;
        kernels()->largest_places[wide_index(w->a->dtype)](
            w->columns, plane + at * size, w->next, w->size, w->distances, at, out);
    }
}

/* List the distances of the elements of a window, the last `s` axes of a view of all. */
static int distances_list(call *c, const array *view, int s, pool_job *w)
{
    array *list;
    strided_walk place;
    const int first = view->rank - s;
    w->size = shape_product(view->shape, first, view->rank);
    MG_TRY(scratch_new(c, MG_INT64, 1, &w->size, &list));
    int64_t *distances = (int64_t *)list->data;
    walk_open(&place, s, view->shape + first, view->strides + first, NULL);
    for (int64_t k = 0; k < w->size; k++, walk_next(&place))
        distances[k] = place.offset[0];
    w->distances = distances;
    return MG_OK;
}

int forward_argmax_window(call *c)
{
    pool_job w;
    int s = (int)c->integers[0];
    const array *a = operand_of(c, 0);
    MG_TRY(array_cast(c, a, reduced_dtype(a), true, &w.a));
    w.view = *w.a;
    MG_TRY(window_of(c, &w.view));
    MG_TRY(distances_list(c, &w.view, s, &w));
    int rank = w.view.rank - s;
    MG_TRY(result_new(c, MG_INT64, rank, w.view.shape));
    if (c->result->count == 0) return MG_OK;
    w.view.rank = (uint8_t)rank;
    w.columns = w.view.shape[rank - 1];
    w.next = w.view.strides[rank - 1];
    w.plane = shape_product(w.a->shape, rank - s, rank);
    w.out = (int64_t *)c->result->data;
    double cost = 2.0 * (double)w.size * (double)w.columns;
    parallel_ranges(c->result->count / w.columns, cost, windows_range, &w);
    return MG_OK;
}
