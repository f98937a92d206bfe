/* fill.c: elements that no op computes: ramps, numbers of a generator, linear indices. */
#include "arrays/arrays.h"

/* Elements: some milliseconds, page faults included. */
enum { ASKED_EVERY = (1 << 18) / MG_ASK_OFTEN };

/* ---- ramps ------------------------------------------------------------------------- */

static int ramp_new(mg_arena *arena, int dtype, int64_t count, array **made)
{
    MG_RETURN_IF(!is_shape(dtype, 1, &count), MG_ERR_ARG);
    return array_new(arena, dtype, 1, &count, made);
}

static mg_node leaf_retain(mg_arena *arena, array *a)
{
    uint32_t made;
    MG_TRY(array_finish(arena, a, MG_OK, &made));
    constant_remember(arena, made);
    return handle_retain(arena, made);
}

static MG_NOINLINE mg_node ramp(mg_arena *arena, int64_t count, double start, double step)
{
    array *a;
    MG_TRY(ramp_new(arena, MG_FLOAT64, count, &a));
    double *out = (double *)(void *)a->data;
    for (int64_t first = 0, end; first < count && work_goes_on(); first = end) {
        end = count - first < ASKED_EVERY ? count : first + ASKED_EVERY;
        for (int64_t i = first; i < end; i++) out[i] = start + (double)i * step;
    }
    return leaf_retain(arena, a);
}

mg_node mg_array_ramp(mg_arena *arena, int64_t count, double start, double step)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = ramp(arena, count, start, step);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

static mg_node ramp_integers(mg_arena *arena, int64_t count, int64_t start, int64_t step)
{
    array *a;
    MG_TRY(ramp_new(arena, MG_INT64, count, &a));
    uint64_t *out = (uint64_t *)(void *)a->data;
    for (int64_t first = 0, end; first < count && work_goes_on(); first = end) {
        end = count - first < ASKED_EVERY ? count : first + ASKED_EVERY;
        for (int64_t i = first; i < end; i++)
            out[i] = (uint64_t)start + (uint64_t)i * (uint64_t)step;
    }
    return leaf_retain(arena, a);
}

mg_node mg_array_ramp_integers(mg_arena *arena, int64_t count, int64_t start,
                               int64_t step)
{
    MG_TRY(arena_enter(arena));
    mg_node made = ramp_integers(arena, count, start, step);
    arena_unlock(arena);
    return made;
}

/* ---- numbers of a generator -------------------------------------------------------- */

/* Draw numbers of a known type. */
static MG_NOINLINE void draw(mg_rng *rng, int distribution, int dtype, double a, double b,
                             int64_t count, void *out)
{
    for (int64_t i = 0; i < count; i++) {
        double number = distribution == MG_UNIFORM ? rng_uniform(rng, a, b)
                                                   : rng_normal(rng, a, b);
        if (dtype == MG_FLOAT64) ((double *)out)[i] = number;
        else ((float *)out)[i] = (float)number;
    }
}

int mg_rng_fill(mg_rng *rng, int distribution, int dtype, double a, double b,
                int64_t count, void *out)
{
    MG_RETURN_IF(distribution != MG_UNIFORM && distribution != MG_NORMAL, MG_ERR_ARG);
    MG_RETURN_IF(dtype != MG_FLOAT32 && dtype != MG_FLOAT64, MG_ERR_DTYPE);
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    const uint64_t mode = mode_enter();
    draw(rng, distribution, dtype, a, b, count, out);
    mode_leave(mode);
    return MG_OK;
}

int mg_rng_fill_integers(mg_rng *rng, int64_t low, int64_t high, int64_t count,
                         int64_t *out)
{
    uint64_t span = (uint64_t)high - (uint64_t)low;
    MG_RETURN_IF(low >= high || count < 0, MG_ERR_ARG);
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = mg_rng_u32(rng);
        if (span > (uint64_t)1 << 32) bits = bits << 32 | mg_rng_u32(rng);
        out[i] = (int64_t)((uint64_t)low + bits % span);
    }
    return MG_OK;
}

/* ---- linear indices ---------------------------------------------------------------- */

/* Add index * the number of elements behind its axis to each of `linear`. */
static int add_indices(const array *index, int64_t size, int64_t behind, int64_t *linear,
                       int64_t *wrong)
{
    const int64_t *given = (const int64_t *)(const void *)index->data;
    for (int64_t i = 0; i < index->count; i++) {
        if (!work_steps(i + 1, ASKED_EVERY)) return MG_OK;
        int64_t position = *wrong = read_once(given + i);
        MG_RETURN_IF(position < -size || position >= size, MG_ERR_INDEX);
        linear[i] += (position < 0 ? position + size : position) * behind;
    }
    return MG_OK;
}

/* Add the indices of an axis, as an act. */
static int indices_run(mg_arena *arena, const deed *a)
{
    int64_t wrong;
    (void)arena;
    return add_indices(a->arrays[0], a->integers[0], a->integers[1],
                       (int64_t *)(void *)a->arrays[1]->data, &wrong);
}

int zeros_run(mg_arena *arena, const deed *a)
{
    const array *zeros = a->arrays[0];
    (void)arena;
    memset(zeros->data, 0, (size_t)zeros->count * dtype_sizes[zeros->dtype]);
    return MG_OK;
}

static int check_index(const array *index, const array *first)
{
    MG_RETURN_IF(index->dtype != MG_INT64, MG_ERR_DTYPE);
    MG_RETURN_IF(!index->contiguous || index->rank != first->rank, MG_ERR_SHAPE);
    for (int axis = 0; axis < first->rank; axis++)
        MG_RETURN_IF(index->shape[axis] != first->shape[axis], MG_ERR_SHAPE);
    return MG_OK;
}

static mg_node linear_index(mg_arena *arena, int axes, const mg_node *nodes,
                            const int64_t *sizes, int64_t wrong[2])
{
    uint32_t at[MG_MAX_RANK];
    array *made;
    MG_RETURN_IF(axes < 1 || axes > MG_MAX_RANK, MG_ERR_ARG);
    for (int axis = 0; axis < axes; axis++) {
        MG_TRY(array_find(arena, nodes[axis], &at[axis]));
        MG_TRY(check_index(array_at(arena, at[axis]), array_at(arena, at[0])));
    }
    const array *first = array_at(arena, at[0]);
    MG_TRY(array_new(arena, MG_INT64, first->rank, first->shape, &made));
    perform(arena, &(deed){DEED(zeros_run), .arrays = {made}, .writes = 1, .fills = 1});
    int64_t behind = 1;
    recorder *r = recorder_of(arena);
    for (int axis = axes - 1; axis >= 0; behind *= sizes[axis--]) {
        const array *index = array_at(arena, at[axis]);
        int status = add_indices(index, sizes[axis], behind,
                                 (int64_t *)(void *)made->data, &wrong[1]);
        if (status < 0) {
            wrong[0] = axis;
            array_free(arena, made);
            return status;
        }
        if (MG_UNLIKELY(r != NULL)) r->sees(r, at[axis]);
        deed add = {DEED(indices_run), .arrays = {index, made}, .writes = 2};
        add.integers[0] = sizes[axis], add.integers[1] = behind;
        deed_remember(arena, &add);
    }
    uint32_t leaf;
    MG_TRY(array_finish(arena, made, MG_OK, &leaf));
    return handle_retain(arena, leaf);
}

mg_node mg_linear_index(mg_arena *arena, int axes, const mg_node *nodes,
                        const int64_t *sizes, int64_t wrong[2])
{
    MG_TRY(arena_enter(arena));
    mg_node made = linear_index(arena, axes, nodes, sizes, wrong);
    arena_unlock(arena);
    return made;
}
