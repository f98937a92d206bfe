/* move.c: ops that move elements: views, copies, choices; index.c has those at indices.
 *
 * Views share memory and cost the same for any size. Everything else copies rows as long
 * as they lie one after the other. */
#include "arrays/arrays.h"
#include "arrays/walk.h"

/* ---- views ------------------------------------------------------------------------- */

/* Find the stride from one element to the next along axes from .. end - 1 of a, which
 * must lie behind each other. */
static bool group_stride(const array *a, int from, int end, int64_t *stride)
{
    int64_t next = 0;
    bool found = false;
    *stride = 1;
    for (int d = end - 1; d >= from; d--) {
        if (a->shape[d] == 1) continue;
        if (found && a->strides[d] != next) return false;
        if (!found) *stride = a->strides[d];
        next = a->strides[d] * a->shape[d];
        found = true;
    }
    return true;
}

/* Find strides that show a's elements in another shape, in row-major order; false where
 * none do. Both shapes are cut into the smallest groups of axes with equal counts; within
 * a group a's axes must lie behind each other. */
static bool reshape_strides(const array *a, int rank, const int64_t *shape,
                            int64_t *strides)
{
    int from = 0, to = 0;
    while (to < rank || from < a->rank) {
        int from_end = from, to_end = to;
        int64_t of_a = 1, of_shape = 1;
        if (from_end < a->rank) of_a = a->shape[from_end++];
        if (to_end < rank) of_shape = shape[to_end++];
        while (of_a != of_shape) {
            if (of_a < of_shape)
                of_a *= a->shape[from_end++];
            else
                of_shape *= shape[to_end++];
        }
        while (from_end < a->rank && a->shape[from_end] == 1) from_end++;
        while (to_end < rank && shape[to_end] == 1) to_end++;
        int64_t stride;
        if (!group_stride(a, from, from_end, &stride)) return false;
        for (int d = to_end - 1; d >= to; d--) {
            strides[d] = stride;
            stride *= shape[d];
        }
        from = from_end;
        to = to_end;
    }
    return true;
}

/* Give the result the axes of a view. */
static int view_of(call *c, const array *a, int rank, const int64_t *shape,
                   const int64_t *strides)
{
    MG_TRY(array_view(c->arena, a, &c->result));
    return array_set_shape(c->result, rank, shape, strides);
}

/* Make the result a contiguous copy of a, in type `dtype`. */
static int copy_of(call *c, const array *a, int dtype)
{
    MG_TRY(result_new(c, dtype, a->rank, a->shape));
    map_copy(a, c->result);
    return MG_OK;
}

int forward_reshape(call *c)
{
    const array *a = operand_of(c, 0);
    int rank = c->integer_count;
    int64_t strides[MG_MAX_RANK];
    MG_RETURN_IF(rank > MG_MAX_RANK, MG_ERR_SHAPE);
    MG_RETURN_IF(shape_count(rank, c->integers) != a->count, MG_ERR_SHAPE);
    if (a->contiguous || a->count == 0) return view_of(c, a, rank, c->integers, NULL);
    if (reshape_strides(a, rank, c->integers, strides))
        return view_of(c, a, rank, c->integers, strides);
    MG_TRY(copy_of(c, a, a->dtype));
    return array_set_shape(c->result, rank, c->integers, NULL);
}

int forward_permute(call *c)
{
    const array *a = operand_of(c, 0);
    int64_t shape[MG_MAX_RANK], strides[MG_MAX_RANK];
    unsigned seen = 0;
    MG_RETURN_IF(c->integer_count != a->rank, MG_ERR_SHAPE);
    for (int d = 0; d < a->rank; d++) {
        int64_t axis = c->integers[d];
        MG_RETURN_IF(axis < 0 || axis >= a->rank || seen >> axis & 1, MG_ERR_ARG);
        seen |= 1u << axis;
        shape[d] = a->shape[axis];
        strides[d] = a->strides[axis];
    }
    return view_of(c, a, a->rank, shape, strides);
}

int forward_expand(call *c)
{
    const array *a = operand_of(c, 0);
    int64_t strides[MG_MAX_RANK];
    int rank = c->integer_count, missing = rank - a->rank;
    MG_RETURN_IF(rank > MG_MAX_RANK || missing < 0, MG_ERR_SHAPE);
    for (int d = 0; d < rank; d++) {
        int64_t size = d < missing ? 1 : a->shape[d - missing];
        MG_RETURN_IF(c->integers[d] < 0, MG_ERR_SHAPE);
        MG_RETURN_IF(size != c->integers[d] && size != 1, MG_ERR_SHAPE);
        strides[d] = size == 1 ? 0 : a->strides[d - missing];
        if (size == c->integers[d] && d >= missing) strides[d] = a->strides[d - missing];
    }
    return view_of(c, a, rank, c->integers, strides);
}

/* Turn a into its part start, step, count of each axis. */
int slice_of(array *a, const int64_t *start, const int64_t *step, const int64_t *count)
{
    int64_t strides[MG_MAX_RANK], offset = 0;
    for (int d = 0; d < a->rank; d++) {
        MG_RETURN_IF(count[d] < 0 || step[d] == 0, MG_ERR_ARG);
        if (count[d] > 0) {
            int64_t size = a->shape[d];
            MG_RETURN_IF(start[d] < 0 || start[d] >= size, MG_ERR_INDEX);
            int64_t most = step[d] > 0
                               ? (size - 1 - start[d]) / step[d]
                               : start[d] / (step[d] == INT64_MIN ? INT64_MAX : -step[d]);
            MG_RETURN_IF(count[d] - 1 > most, MG_ERR_INDEX);
            offset += start[d] * a->strides[d];
        }
        strides[d] = count[d] > 1 ? a->strides[d] * step[d] : a->strides[d];
    }
    int64_t shape[MG_MAX_RANK];
    memcpy(shape, count, a->rank * sizeof *count);
    MG_TRY(array_set_shape(a, a->rank, shape, strides));
    if (a->count) a->data += offset * dtype_sizes[a->dtype];
    return MG_OK;
}

int forward_slice(call *c)
{
    const array *a = operand_of(c, 0);
    MG_TRY(array_view(c->arena, a, &c->result));
    return slice_of(c->result, c->integers, c->integers + a->rank,
                    c->integers + 2 * a->rank);
}

/* Get how many axes windows lie along, and check their strides and dilations. */
static int spatial_axes(const call *c, int *s)
{
    *s = (int)c->integers[0];
    for (int i = 1 + *s; i < 1 + 3 * *s; i++)
        MG_RETURN_IF(c->integers[i] < 1, MG_ERR_ARG);
    return MG_OK;
}

/* Turn a into the view of its windows. */
int window_of(const call *c, array *a)
{
    int s;
    MG_TRY(spatial_axes(c, &s));
    const int64_t *size = c->integers + 1, *stride = size + s, *dilation = stride + s;
    int lead = a->rank - s;
    MG_RETURN_IF(lead < 0 || lead + 2 * s > MG_MAX_RANK, MG_ERR_SHAPE);
    int64_t shape[MG_MAX_RANK], strides[MG_MAX_RANK];
    memcpy(shape, a->shape, sizeof shape);
    memcpy(strides, a->strides, sizeof strides);
    for (int i = 0; i < s; i++) {
        const int64_t limit = INT32_MAX;
        MG_RETURN_IF(size[i] < 1, MG_ERR_ARG);
        MG_RETURN_IF(size[i] > limit || stride[i] > limit || dilation[i] > limit,
                     MG_ERR_ARG);
        int64_t reach = (size[i] - 1) * dilation[i] + 1;
        MG_RETURN_IF(a->shape[lead + i] < reach, MG_ERR_SHAPE);
        shape[lead + i] = (a->shape[lead + i] - reach) / stride[i] + 1;
        shape[a->rank + i] = size[i];
        int64_t step = shape[lead + i] > 1 ? stride[i] : 1; /* no product overflows */
        strides[lead + i] = a->strides[lead + i] * step;
        strides[a->rank + i] = a->strides[lead + i] * (size[i] > 1 ? dilation[i] : 1);
    }
    return array_set_shape(a, a->rank + s, shape, strides);
}

int forward_window(call *c)
{
    MG_TRY(array_view(c->arena, operand_of(c, 0), &c->result));
    return window_of(c, c->result);
}

int forward_detach(call *c)
{
    return array_view(c->arena, operand_of(c, 0), &c->result);
}

/* ---- copies ------------------------------------------------------------------------ */

int forward_contiguous(call *c)
{
    const array *a = operand_of(c, 0);
    if (a->contiguous) return array_view(c->arena, a, &c->result);
    return copy_of(c, a, a->dtype);
}

int forward_clone(call *c)
{
    const array *a = operand_of(c, 0);
    return copy_of(c, a, a->dtype);
}

int forward_cast(call *c)
{
    int64_t dtype = c->integers[0];
    MG_RETURN_IF(dtype < 0 || dtype >= MG_DTYPE_COUNT, MG_ERR_ARG);
    return copy_of(c, operand_of(c, 0), (int)dtype);
}

/* Copy b to the part of the result that start, step and count select. */
static int region_copy(const array *result, const array *b, const int64_t *start,
                       const int64_t *step, const int64_t *count)
{
    array region = *result;
    MG_TRY(slice_of(&region, start, step, count));
    map_copy(b, &region);
    return MG_OK;
}

const int64_t unit_steps[MG_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1,
                                         1, 1, 1, 1, 1, 1, 1, 1};

/* Fill what lies around the part of the result from start[] on, of shape[]: all, where
 * that is most of it. */
static int around_fill(array *result, const int64_t *start, const int64_t *shape,
                       double value)
{
    const int64_t none[MG_MAX_RANK] = {0};
    if (shape_count(result->rank, shape) < result->count / 2) {
        array_fill(result, value);
        return MG_OK;
    }
    for (int d = 0; d < result->rank; d++) {
        const int64_t end = start[d] + shape[d], behind = result->shape[d] - end;
        for (int last = 0; last < 2; last++) {
            array part = *result;
            int64_t from[MG_MAX_RANK], count[MG_MAX_RANK];
            memcpy(from, none, sizeof none);
            memcpy(count, result->shape, sizeof count);
            from[d] = last ? end : 0;
            count[d] = last ? behind : start[d];
            if (count[d] == 0) continue;
            MG_TRY(slice_of(&part, from, unit_steps, count));
            array_fill(&part, value);
        }
    }
    return MG_OK;
}

int forward_pad(call *c)
{
    const array *a = operand_of(c, 0);
    int64_t shape[MG_MAX_RANK];
    const int64_t *before = c->integers, *after = before + a->rank;
    for (int d = 0; d < a->rank; d++) {
        const int64_t limit = INT64_MAX / 4;
        MG_RETURN_IF(before[d] < 0 || after[d] < 0, MG_ERR_ARG);
        MG_RETURN_IF(before[d] > limit || after[d] > limit, MG_ERR_LIMIT);
        shape[d] = before[d] + a->shape[d] + after[d];
    }
    MG_TRY(result_new(c, a->dtype, a->rank, shape));
    MG_TRY(around_fill(c->result, before, a->shape, c->numbers[0]));
    if (a->count == 0) return MG_OK;
    return region_copy(c->result, a, before, unit_steps, a->shape);
}

int forward_spread(call *c)
{
    const array *a = operand_of(c, 0);
    int rank = a->rank;
    for (int d = 0; d < rank; d++) MG_RETURN_IF(c->integers[d] < 0, MG_ERR_SHAPE);
    MG_TRY(result_new(c, a->dtype, rank, c->integers));
    memset(c->result->data, 0, c->result->buffer->size);
    if (a->count == 0) return MG_OK;
    return region_copy(c->result, a, c->integers + rank, c->integers + 2 * rank,
                       a->shape);
}

/* Windows `from` that are added up in `to`, by items of the first axis: of each all places
 * of its windows, while it is in a cache. */
typedef struct fold_job {
    const int64_t *stride, *dilation;
    int lead; /* axes before those that windows lie along */
    array from, to;
} fold_job;

/* Find the elements of `to` at one place of all windows. */
static int fold_place(const fold_job *job, const strided_walk *place, array *to)
{
    int64_t start[MG_MAX_RANK], step[MG_MAX_RANK];
    for (int d = 0; d < to->rank; d++) {
        int axis = d - job->lead;
        start[d] = axis < 0 ? 0 : place->index[axis] * job->dilation[axis];
        step[d] = axis < 0 ? 1 : job->stride[axis];
    }
    return slice_of(to, start, step, job->from.shape);
}

static void fold_open_walk(const fold_job *job, strided_walk *place)
{
    int rank = job->to.rank;
    walk_open(place, rank - job->lead, job->from.shape + rank, job->from.strides + rank,
              NULL);
}

static int fold_check(const fold_job *job)
{
    strided_walk place;
    fold_open_walk(job, &place);
    do {
        array to = job->to;
        MG_TRY(fold_place(job, &place, &to));
    } while (walk_next(&place));
    return MG_OK;
}

/* Restrict an array to items [first, end) of its first axis. */
static void items_select(array *a, int64_t first, int64_t end)
{
    a->count = a->count / a->shape[0] * (end - first);
    a->data += first * a->strides[0] * dtype_sizes[a->dtype];
    a->shape[0] = end - first;
    a->contiguous = false;
}

/* Fold items [first, end), or all if there are no axes before the windows'. */
static void fold_items(const fold_job *job, int64_t first, int64_t end)
{
    fold_job part = *job;
    strided_walk place;
    if (job->lead) {
        items_select(&part.from, first, end);
        items_select(&part.to, first, end);
    }
    fold_open_walk(&part, &place);
    do {
        array from = part.from, to = part.to;
        fold_place(&part, &place, &to); /* which fits: fold_check() */
        from.data += place.offset[0] * dtype_sizes[from.dtype];
        from.rank = to.rank;
        from.count = to.count;
        from.contiguous = false;
        map_add(&from, &to);
    } while (walk_next(&place));
}

static void fold_range(void *context, int64_t first, int64_t end)
{
    enum { IN_CACHE = 1 << 14 };
    const fold_job *job = context;
    int64_t item = job->lead ? job->to.count / job->to.shape[0] : 1;
    int64_t items = item < IN_CACHE ? IN_CACHE / item : 1;
    for (; first < end; first += items)
        fold_items(job, first, end - first < items ? end : first + items);
}

int forward_fold(call *c)
{
    const array *a = operand_of(c, 0);
    int s;
    MG_TRY(spatial_axes(c, &s));
    MG_RETURN_IF(a->rank < 2 * s, MG_ERR_SHAPE);
    int rank = a->rank - s, lead = rank - s, dtype = compute_dtype(a->dtype);
    const int64_t *n = c->integers + 1, *dilation = n + 2 * s;
    int64_t shape[MG_MAX_RANK];
    memcpy(shape, a->shape, sizeof shape);
    for (int i = 0; i < s; i++) {
        MG_RETURN_IF(n[i] < 0, MG_ERR_ARG);
        MG_RETURN_IF(dilation[i] > INT32_MAX || a->shape[rank + i] > INT32_MAX,
                     MG_ERR_INDEX);
        shape[lead + i] = n[i];
    }
    array *sum;
    MG_TRY(result_new(c, a->dtype, rank, shape));
    MG_TRY(result_wide(c, dtype, &sum));
    memset(sum->data, 0, sum->buffer->size);
    MG_TRY(array_cast(c, a, dtype, false, &a));
    if (a->count) {
        fold_job job = {n + s, dilation, lead, *a, *sum};
        MG_TRY(fold_check(&job));
        int64_t items = lead ? a->shape[0] : 1;
        parallel_ranges(items, (double)(a->count / items), fold_range, &job);
    }
    return result_store(c, sum);
}

int forward_cat(call *c)
{
    const array *first = operand_of(c, 0);
    int64_t axis = c->integers[0], shape[MG_MAX_RANK], start[MG_MAX_RANK] = {0};
    MG_RETURN_IF(axis < 0 || axis >= first->rank, MG_ERR_ARG);
    memcpy(shape, first->shape, sizeof shape);
    shape[axis] = 0;
    int dtype = first->dtype;
    for (int i = 0; i < c->operand_count; i++) {
        const array *a = operand_of(c, i);
        MG_RETURN_IF(a->rank != first->rank, MG_ERR_SHAPE);
        for (int d = 0; d < a->rank; d++)
            MG_RETURN_IF(d != axis && a->shape[d] != shape[d], MG_ERR_SHAPE);
        MG_RETURN_IF(a->shape[axis] > INT64_MAX / 4 - shape[axis], MG_ERR_LIMIT);
        shape[axis] += a->shape[axis];
        dtype = dtype_promote(dtype, a->dtype);
    }
    MG_TRY(result_new(c, dtype, first->rank, shape));
    for (int i = 0; i < c->operand_count; i++) {
        const array *a = operand_of(c, i);
        if (a->count) MG_TRY(region_copy(c->result, a, start, unit_steps, a->shape));
        start[axis] += a->shape[axis];
    }
    return MG_OK;
}

/* Make the result a copy of operand 0, or, if it is to take over its memory, a second
 * array of it. */
int base_open(call *c)
{
    const array *a = operand_of(c, 0);
    if (!c->takes_memory) return copy_of(c, a, a->dtype);
    MG_RETURN_IF(array_overlaps(a), MG_ERR_VIEW);
    recorder *r = recorder_of(c->arena);
    if (MG_UNLIKELY(r != NULL) && !c->given) r->writes(r, a, false);
    bool is_view = a->is_view;
    MG_TRY(array_view(c->arena, a, &c->result));
    if (!is_view) {
        c->result->is_view = false;
        a->buffer->views--;
    }
    return MG_OK;
}

/* Count a write to the result's memory. */
void base_written(call *c)
{
    c->result->buffer->version++;
}

/* Make *b a copy if it shares the memory that is written to. */
int base_apart(call *c, const array **b)
{
    if (!c->takes_memory || (*b)->buffer != operand_of(c, 0)->buffer) return MG_OK;
    return array_copy(c, *b, (*b)->dtype, b);
}

int forward_assign(call *c)
{
    const array *a = operand_of(c, 0);
    int rank = a->rank, common_rank;
    int64_t shape[MG_MAX_RANK];
    const array *b = operand_of(c, 1);
    array region = *a;
    MG_TRY(slice_of(&region, c->integers, c->integers + rank, c->integers + 2 * rank));
    MG_TRY(shape_broadcast(&region, b, &common_rank, shape));
    bool fits = common_rank == rank && !memcmp(shape, region.shape, (size_t)rank * 8);
    MG_RETURN_IF(!fits, MG_ERR_SHAPE);
    MG_TRY(base_apart(c, &b));
    MG_TRY(base_open(c));
    if (region.count)
        MG_TRY(region_copy(c->result, b, c->integers, c->integers + rank,
                           c->integers + 2 * rank));
    base_written(c);
    return MG_OK;
}

/* ---- choices ----------------------------------------------------------------------- */

int forward_where(call *c)
{
    int rank;
    int64_t both[MG_MAX_RANK], shape[MG_MAX_RANK];
    const array *test = operand_of(c, 0), *a = operand_of(c, 1), *b = operand_of(c, 2);
    MG_RETURN_IF(test->dtype != MG_BOOL, MG_ERR_DTYPE);
    MG_TRY(shape_broadcast(a, b, &rank, both));
    MG_TRY(shapes_broadcast(rank, both, test->rank, test->shape, &rank, shape));
    MG_TRY(result_new(c, operands_dtype(c, 1), rank, shape));
    map_choose(test, a, b, c->result);
    return MG_OK;
}

/* ---- the caller's functions -------------------------------------------------------- */

/* An empty array, to which the outputs belong. */
int forward_function(call *c)
{
    int64_t none = 0;
    return result_new(c, MG_FLOAT32, 1, &none);
}

int forward_output(call *c)
{
    int op = op_of(node_at(c->arena, c->operands[0]));
    MG_RETURN_IF(op_gradients[op] != GRADIENT_CALL, MG_ERR_ARG);
    MG_TRY(array_view(c->arena, operand_of(c, 1), &c->result));
    c->result->is_view = false;
    c->result->buffer->views--;
    return MG_OK;
}
