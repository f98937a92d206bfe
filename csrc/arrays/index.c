/* index.c: reading, writing and adding at indices.
 *
 * All work is in runs of positions, each of an element, or in rows, each at a position:
 * a kernel's call for an element would cost ten times the element. Additions at one place
 * go in order of position.
 *
 * A program may have borrowed the memory of indices, and write to it while they are used.
 * So each is checked where it is used. What writes over the caller's memory looks at all
 * of them before, so that a wrong one changes nothing; one that is wrong only when its
 * turn comes is left out, and the call fails when it is done with the others. */
#include "arrays/arrays.h"
#include "arrays/walk.h"

/* ---- runs of elements -------------------------------------------------------------- */

/* Positions among n: number i is at positions[i * next] and names the element
 * position * stride + i * step of an array. */
typedef struct run {
    const int64_t *positions;
    int64_t next, n, stride, step;
} run;

/* Do something with `count` elements of a row and those that a run names. Returns whether
 * all positions are in range. */
typedef bool (*run_loop)(const run *of, int64_t count, char *elements, char *row);

/* `there` is the element named, `own` that of the row. Most runs are along the last axis
 * of arrays whose elements lie side by side. */
#define RUN_LOOP(T, name, action) \
    MG_INLINE bool name##_of(run r, int64_t count, T *elements, T *row) \
    { \
        bool found = true; \
        for (int64_t i = 0; i < count; i++) { \
            int64_t position = read_position(r.positions + i * r.next, r.n); \
            if (MG_UNLIKELY(position < 0)) { \
                found = false; \
                continue; \
            } \
            T *there = elements + (position * r.stride + i * r.step); \
            T *own = row + i; \
            action; \
        } \
        return found; \
    } \
    static bool name(const run *of, int64_t count, char *elements, char *row) \
    { \
        if (of->next == 1 && of->stride == 1 && of->step == 0) \
            return name##_of((run){of->positions, 1, of->n, 1, 0}, count, (T *)elements, \
                             (T *)row); \
        return name##_of(*of, count, (T *)elements, (T *)row); \
    }
#define GET_LOOP(T) RUN_LOOP(T, get_##T, *own = *there)
#define PUT_LOOP(T) RUN_LOOP(T, put_##T, *there = *own)
#define ADD_LOOP(T) RUN_LOOP(T, add_##T, *there = (T)(*there + *own))
GET_LOOP(uint8_t)
GET_LOOP(uint16_t)
GET_LOOP(uint32_t)
GET_LOOP(uint64_t)
PUT_LOOP(uint8_t)
PUT_LOOP(uint16_t)
PUT_LOOP(uint32_t)
PUT_LOOP(uint64_t)
ADD_LOOP(float)
ADD_LOOP(double)
ADD_LOOP(uint8_t)
ADD_LOOP(uint32_t)
ADD_LOOP(uint64_t)
RUN_LOOP(uint8_t, add_bool, *there = (*there | *own) != 0)

static run_loop get_loop(int dtype)
{
    static const run_loop by_size[] = {
        [1] = get_uint8_t, [2] = get_uint16_t, [4] = get_uint32_t, [8] = get_uint64_t};
    return by_size[dtype_sizes[dtype]];
}

static run_loop put_loop(int dtype)
{
    static const run_loop by_size[] = {
        [1] = put_uint8_t, [2] = put_uint16_t, [4] = put_uint32_t, [8] = put_uint64_t};
    return by_size[dtype_sizes[dtype]];
}

/* Of a type that is computed in. */
static run_loop add_loop(int dtype)
{
    static const run_loop by_dtype[MG_DTYPE_COUNT] = {
        [MG_FLOAT32] = add_float,  [MG_FLOAT64] = add_double, [MG_INT64] = add_uint64_t,
        [MG_INT32] = add_uint32_t, [MG_UINT8] = add_uint8_t,  [MG_BOOL] = add_bool};
    return by_dtype[dtype];
}

/* The same at places, which are in range. */
typedef void (*places_loop)(const int64_t *places, int64_t count, char *elements,
                            char *row);
#define PLACES_LOOP(T, name, action) \
    static void name(const int64_t *places, int64_t count, char *elements, char *row) \
    { \
        for (int64_t i = 0; i < count; i++) { \
            T *there = (T *)elements + places[i]; \
            T *own = (T *)row + i; \
            action; \
        } \
    }
#define GET_PLACES(T) PLACES_LOOP(T, get_places_##T, *own = *there)
#define ADD_PLACES(T) PLACES_LOOP(T, add_places_##T, *there = (T)(*there + *own))
GET_PLACES(uint8_t)
GET_PLACES(uint16_t)
GET_PLACES(uint32_t)
GET_PLACES(uint64_t)
ADD_PLACES(float)
ADD_PLACES(double)

static places_loop get_places(int dtype)
{
    static const places_loop by_size[] = {[1] = get_places_uint8_t,
                                          [2] = get_places_uint16_t,
                                          [4] = get_places_uint32_t,
                                          [8] = get_places_uint64_t};
    return by_size[dtype_sizes[dtype]];
}

/* Return NULL for types that are rarely added. */
static places_loop add_places(int dtype)
{
    return dtype == MG_FLOAT32   ? add_places_float
           : dtype == MG_FLOAT64 ? add_places_double
                                 : NULL;
}

/* ---- positions --------------------------------------------------------------------- */

/* Get operand `which` as int64 positions. */
static int positions_of(call *c, int which, bool contiguous, const array **positions)
{
    const array *index = operand_of(c, which);
    MG_RETURN_IF(is_float(index->dtype) || index->dtype == MG_BOOL, MG_ERR_DTYPE);
    bool written = c->takes_memory && index->buffer == operand_of(c, 0)->buffer;
    if (written) return array_copy(c, index, MG_INT64, positions);
    return array_cast(c, index, MG_INT64, contiguous, positions);
}

/* Look at all positions before what others see is written to. */
static int positions_check(const call *c, const array *positions, int64_t n)
{
    strided_walk w;
    if (!c->takes_memory || c->spoils) return MG_OK;
    walk_open(&w, positions->rank, positions->shape, positions->strides, NULL);
    const int64_t *p = (const int64_t *)positions->data;
    for (int64_t i = 0; i < positions->count; i++) {
        int64_t at = positions->contiguous ? i : w.offset[0];
        MG_RETURN_IF(read_position(p + at, n) < 0, MG_ERR_INDEX);
        if (!positions->contiguous) walk_next(&w);
    }
    return MG_OK;
}

/* The rows of operand 0 that its first axis counts. */
static int64_t row_count(const array *a)
{
    int64_t count = 1;
    for (int d = 1; d < a->rank; d++) count *= a->shape[d];
    return count;
}

/* Elements at random places: some milliseconds. */
enum { PLACES_ASKED = (1 << 16) / MG_ASK_OFTEN };

/* Do something with all elements of a row and those at positions among n. Returns whether
 * all are in range. */
static bool run_all(run_loop act, const array *positions, int64_t n, int dtype,
                    char *elements, char *row)
{
    bool found = true;
    const int64_t *p = (const int64_t *)positions->data;
    for (int64_t i = 0; i < positions->count; i += PLACES_ASKED) {
        if (!work_steps(i, PLACES_ASKED)) break;
        const int64_t rest = positions->count - i;
        const run part = {p + i, 1, n, 1, 0};
        found &= act(&part, rest < PLACES_ASKED ? rest : PLACES_ASKED, elements,
                     row + (size_t)i * dtype_sizes[dtype]);
    }
    return found;
}

/* ---- rows -------------------------------------------------------------------------- */

int forward_take(call *c)
{
    const array *a = operand_of(c, 0), *positions;
    MG_RETURN_IF(a->rank < 1, MG_ERR_SHAPE);
    int64_t n = a->shape[0], shape[2 * MG_MAX_RANK];
    MG_TRY(positions_of(c, 1, true, &positions));
    MG_TRY(array_cast(c, a, a->dtype, true, &a));
    int rank = positions->rank + a->rank - 1;
    MG_RETURN_IF(rank > MG_MAX_RANK, MG_ERR_SHAPE);
    memcpy(shape, positions->shape, positions->rank * sizeof *shape);
    memcpy(shape + positions->rank, a->shape + 1, (size_t)(a->rank - 1) * sizeof *shape);
    MG_TRY(result_new(c, a->dtype, rank, shape));
    const int64_t *p = (const int64_t *)positions->data, row = row_count(a);
    if (row == 1) {
        bool found = run_all(get_loop(a->dtype), positions, n, a->dtype, a->data,
                             c->result->data);
        return found ? MG_OK : MG_ERR_INDEX;
    }
    size_t size = (size_t)row * dtype_sizes[a->dtype];
    const int64_t period = size < 1024 ? PLACES_ASKED : 64;
    for (int64_t i = 0; i < positions->count; i++) {
        int64_t at = read_position(p + i, n);
        MG_RETURN_IF(at < 0 || !work_steps(i, period), MG_ERR_INDEX);
        memcpy(c->result->data + (size_t)i * size, a->data + (size_t)at * size, size);
    }
    return MG_OK;
}

/* Add a row to another, or write it over it. */
static void row_write(bool adds, int dtype, int64_t n, char *to, const char *from)
{
    if (adds)
        kernels()->value[MG_ADD][dtype](n, to, from, to, 0.0, 0);
    else
        memcpy(to, from, (size_t)n * dtype_sizes[dtype]);
}

/* Write rows of n elements to their positions; returns whether all are in range. */
static bool rows_put(bool adds, const array *positions, int64_t n, const array *rows,
                     array *to)
{
    const int64_t *p = (const int64_t *)positions->data;
    const int64_t limit = to->shape[0];
    if (n == 1) {
        const run_loop write = adds ? add_loop(to->dtype) : put_loop(to->dtype);
        return run_all(write, positions, limit, to->dtype, to->data, rows->data);
    }
    const size_t size = (size_t)n * dtype_sizes[to->dtype];
    bool found = true;
    for (int64_t i = 0; size && i < positions->count; i++) {
        int64_t at = read_position(p + i, limit);
        if (!work_steps(i, PLACES_ASKED)) break;
        if (MG_UNLIKELY(at < 0)) found = false;
        else
            row_write(adds, to->dtype, n, to->data + (size_t)at * size,
                      rows->data + (size_t)i * size);
    }
    return found;
}

/* Add or write the rows of operand 2 at the positions of operand 1 of the base. */
static int rows_write(call *c, bool adds)
{
    const array *a = operand_of(c, 0), *b = operand_of(c, 2), *positions;
    MG_RETURN_IF(a->rank < 1, MG_ERR_SHAPE);
    MG_RETURN_IF(c->takes_memory && !a->contiguous, MG_ERR_ARG);
    MG_TRY(positions_of(c, 1, true, &positions));
    MG_TRY(positions_check(c, positions, a->shape[0]));
    MG_RETURN_IF(b->rank != positions->rank + a->rank - 1, MG_ERR_SHAPE);
    for (int d = 0; d < b->rank; d++) {
        int64_t size =
            d < positions->rank ? positions->shape[d] : a->shape[d - positions->rank + 1];
        MG_RETURN_IF(b->shape[d] != size, MG_ERR_SHAPE);
    }
    int dtype = adds ? compute_dtype(a->dtype) : a->dtype;
    MG_TRY(base_apart(c, &b));
    MG_TRY(adds ? array_widen(c, b, a->dtype, &b) : array_cast(c, b, dtype, true, &b));
    array *to;
    MG_TRY(base_open(c));
    MG_TRY(result_widen(c, dtype, &to));
    bool found = rows_put(adds, positions, row_count(a), b, to);
    MG_TRY(result_store(c, to));
    base_written(c);
    return found ? MG_OK : MG_ERR_INDEX;
}

int forward_add_at(call *c)
{
    return rows_write(c, true);
}

int forward_put_at(call *c)
{
    return rows_write(c, false);
}

/* ---- along an axis ----------------------------------------------------------------- */

/* The elements that gather reads and scatter_add writes: that of an array, contiguous,
 * for each position, in row-major order; cut into rows, or into columns where rows may
 * name the same elements. */
typedef struct along {
    const array *positions;
    int64_t n, stride, step; /* of a run of positions along the last axis */
    int64_t strides[MG_MAX_RANK]; /* of the array; 0 along the axis */
    int64_t rows, columns;
    bool by_rows;
    const int64_t *places; /* of all rows, where their positions are the same; or NULL */
    places_loop act_at;
    run_loop act;
    size_t size; /* of an element */
    char *elements, *row; /* of the array, and those of the positions */
    atomic_bool missed;
} along;

static int along_open(call *c, const array *a, along *path)
{
    int64_t axis = c->integers[0];
    int last = a->rank - 1;
    MG_RETURN_IF(axis < 0 || axis >= a->rank, MG_ERR_ARG);
    MG_TRY(positions_of(c, 1, false, &path->positions));
    const array *positions = path->positions;
    MG_TRY(positions_check(c, positions, a->shape[axis]));
    MG_RETURN_IF(positions->rank != a->rank, MG_ERR_SHAPE);
    path->n = a->shape[axis];
    int64_t stride = 1;
    for (int d = last; d >= 0; d--) {
        MG_RETURN_IF(d != axis && positions->shape[d] > a->shape[d], MG_ERR_SHAPE);
        path->strides[d] = d == axis ? 0 : stride;
        if (d == axis) path->stride = stride;
        stride *= a->shape[d];
    }
    path->step = path->strides[last];
    path->columns = positions->shape[last];
    path->rows = positions->count ? positions->count / path->columns : 0;
    path->by_rows = axis == last;
    path->places = NULL;
    atomic_init(&path->missed, false);
    return MG_OK;
}

/* Act on columns [first, end) of row number i, which the walk stands at. */
static bool along_row(const along *path, const strided_walk *w, int64_t i, int64_t first,
                      int64_t end)
{
    const int64_t next = path->positions->strides[path->positions->rank - 1];
    const int64_t *positions = (const int64_t *)path->positions->data + w->offset[1];
    const int64_t size = (int64_t)path->size;
    bool found = true;
    for (int64_t j = first; j < end; j += PLACES_ASKED) {
        if (j > first && !work_goes_on()) break;
        const int64_t rest = end - j, at = w->offset[0] + j * path->step;
        const int64_t count = rest < PLACES_ASKED ? rest : PLACES_ASKED;
        char *row = path->row + (i * path->columns + j) * size;
        if (path->places) {
            path->act_at(path->places + j, count, path->elements + at * size, row);
            continue;
        }
        const run r = {positions + j * next, next, path->n, path->stride, path->step};
        found &= path->act(&r, count, path->elements + at * size, row);
    }
    return found;
}

/* Act on rows [first, end), or on these columns of all rows. */
static void along_range(void *context, int64_t first, int64_t end)
{
    along *path = context;
    strided_walk w;
    bool found = true;
    int64_t row = path->by_rows ? first : 0, rows = path->by_rows ? end : path->rows;
    walk_open(&w, path->positions->rank - 1, path->positions->shape, path->strides,
              path->positions->strides);
    walk_to(&w, row);
    for (; row < rows; row++, walk_next(&w))
        found &= path->by_rows ? along_row(path, &w, row, 0, path->columns)
                               : along_row(path, &w, row, first, end);
    if (!found) atomic_store_explicit(&path->missed, true, memory_order_relaxed);
}

/* Act on all; returns whether all positions are in range. */
static bool along_run(along *path, run_loop act, int dtype, char *elements, char *row)
{
    int64_t items = path->by_rows ? path->rows : path->columns;
    int64_t others = path->by_rows ? path->columns : path->rows;
    path->act = act;
    path->size = dtype_sizes[dtype];
    path->elements = elements;
    path->row = row;
    if (others > 0) parallel_ranges(items, 4.0 * (double)others, along_range, path);
    return !atomic_load_explicit(&path->missed, memory_order_relaxed);
}

/* List the places of a row's positions along the last axis if all rows have the same, as
 * index_select has: they are checked once then. */
static int places_list(call *c, along *path, places_loop act)
{
    const array *positions = path->positions;
    const int last = positions->rank - 1;
    array *list;
    if (!act || path->step != 0 || path->rows < 2) return MG_OK;
    for (int d = 0; d < last; d++)
        if (positions->shape[d] > 1 && positions->strides[d]) return MG_OK;
    MG_TRY(scratch_new(c, MG_INT64, 1, &path->columns, &list));
    int64_t *places = (int64_t *)list->data;
    const int64_t *p = (const int64_t *)positions->data;
    for (int64_t j = 0; j < path->columns; j++) {
        places[j] = read_position(p + j * positions->strides[last], path->n);
        MG_RETURN_IF(places[j] < 0, MG_ERR_INDEX);
    }
    path->places = places;
    path->act_at = act;
    return MG_OK;
}

int forward_gather(call *c)
{
    along path;
    const array *a = operand_of(c, 0), *index = operand_of(c, 1);
    MG_TRY(array_cast(c, a, a->dtype, true, &a));
    MG_TRY(along_open(c, a, &path));
    MG_TRY(places_list(c, &path, get_places(a->dtype)));
    MG_TRY(result_new(c, a->dtype, index->rank, index->shape));
    if (path.rows > 1) path.by_rows = true; /* reading, they may name the same */
    bool found =
        along_run(&path, get_loop(a->dtype), a->dtype, a->data, c->result->data);
    return found ? MG_OK : MG_ERR_INDEX;
}

/* Return the part of b that has the shape of the positions. */
static int along_part(call *c, const along *path, const array **b)
{
    int64_t start[MG_MAX_RANK] = {0};
    array *part;
    const array *positions = path->positions;
    MG_RETURN_IF((*b)->rank != positions->rank, MG_ERR_SHAPE);
    for (int d = 0; d < positions->rank; d++)
        MG_RETURN_IF((*b)->shape[d] < positions->shape[d], MG_ERR_SHAPE);
    MG_TRY(array_view(c->arena, *b, &part));
    scratch_keep(c, part);
    MG_TRY(slice_of(part, start, unit_steps, positions->shape));
    *b = part;
    return MG_OK;
}

int forward_scatter_add(call *c)
{
    along path;
    const array *a = operand_of(c, 0), *b = operand_of(c, 2);
    array *to;
    int dtype = compute_dtype(a->dtype);
    MG_RETURN_IF(c->takes_memory && !a->contiguous, MG_ERR_ARG);
    MG_TRY(along_open(c, a, &path));
    MG_TRY(places_list(c, &path, add_places(dtype)));
    MG_TRY(along_part(c, &path, &b));
    MG_TRY(base_apart(c, &b));
    MG_TRY(array_widen(c, b, a->dtype, &b));
    MG_TRY(base_open(c));
    MG_TRY(result_widen(c, dtype, &to));
    bool found = along_run(&path, add_loop(dtype), dtype, to->data, b->data);
    MG_TRY(result_store(c, to));
    base_written(c);
    return found ? MG_OK : MG_ERR_INDEX;
}

int forward_nonzero(call *c)
{
    const array *a = operand_of(c, 0), *truths;
    MG_RETURN_IF(recorder_of(c->arena), MG_ERR_RECORDED); /* its shape would change */
    MG_TRY(array_copy(c, a, MG_BOOL, &truths)); /* they are counted, then looked for */
    const uint8_t *t = (const uint8_t *)truths->data;
    int64_t shape[2] = {0, a->rank};
    for (int64_t i = 0; i < a->count; i++) shape[0] += t[i] != 0;
    MG_TRY(result_new(c, MG_INT64, 2, shape));
    int64_t *out = (int64_t *)c->result->data;
    strided_walk w;
    walk_open(&w, a->rank, a->shape, NULL, NULL);
    for (int64_t i = 0; i < a->count && work_steps(i, PLACES_ASKED); i++) {
        if (!t[i]) continue;
        walk_to(&w, i);
        memcpy(out, w.index, a->rank * sizeof *out);
        out += a->rank;
    }
    return MG_OK;
}
