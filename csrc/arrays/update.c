/* update.c: steps of optimizers on arrays, in place: the walk over the parameters, which
 * is the same for all rows of updates.def. Kernels see contiguous float32 or float64;
 * parameters and gradients that are not are copied before, parameters back after. What
 * can fail comes first, so that a step is made on all parameters or on none. */
#include "arrays/arrays.h"

enum { MAX_VALUES = 16, MAX_ARRAYS = 3, ALL_ARRAYS = MAX_ARRAYS + 1 };

/* ---- the table --------------------------------------------------------------------- */

/* The number of names, up to ten. */
#define NAME_COUNT(...) NAME_COUNT_(__VA_ARGS__, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define NAME_COUNT_(a, b, c, d, e, f, g, h, i, j, count, ...) count

typedef struct update_counts {
    int numbers, scalars, factors, arrays; /* without those that are not always needed */
} update_counts;

#define NUMBERS(...) .numbers = NAME_COUNT(__VA_ARGS__),
#define SCALARS(...) .scalars = NAME_COUNT(__VA_ARGS__),
#define FACTORS(...) .factors = NAME_COUNT(__VA_ARGS__),
#define ARRAYS(...) .arrays = NAME_COUNT(__VA_ARGS__),
#define WHERE(name, number, array)
static const update_counts update_takes[] = {
#define MG_UPDATE(NAME, name, takes) {takes},
#include "updates.def"
};
#undef NUMBERS
#undef SCALARS
#undef FACTORS
#undef ARRAYS
#undef WHERE

/* Of the arrays that are not always needed: 1 + the number that says whether one is; 0
 * ends them. */
#define NUMBERS(...)
#define SCALARS(...)
#define FACTORS(...)
#define ARRAYS(...)
#define WHERE(name, number, array) 1 + offsetof(name##_update, number) / sizeof(double),
static const uint8_t update_conditions[][ALL_ARRAYS] = {
#define MG_UPDATE(NAME, name, takes) {takes 0},
#include "updates.def"
};
#undef NUMBERS
#undef SCALARS
#undef FACTORS
#undef ARRAYS
#undef WHERE

#define MG_UPDATE(NAME, name, takes) \
    _Static_assert(sizeof(name##_update) <= MAX_VALUES * sizeof(double), #name);
#include "updates.def"

static const char *const update_names[] = {
#define MG_UPDATE(NAME, name, takes) #name,
#include "updates.def"
};
static const char *const update_texts[] = {
#define MG_UPDATE(NAME, name, takes) #takes,
#include "updates.def"
};

static bool is_update(int update)
{
    return update >= 0 && update < MG_UPDATE_COUNT;
}

int mg_update_count(void)
{
    return MG_UPDATE_COUNT;
}

const char *mg_update_name(int update)
{
    return is_update(update) ? update_names[update] : NULL;
}

const char *mg_update_takes(int update)
{
    return is_update(update) ? update_texts[update] : NULL;
}

void update_sizes(int update, int *numbers, int *scalars, int *arrays)
{
    *numbers = update_takes[update].numbers;
    *scalars = update_takes[update].scalars;
    *arrays = update_takes[update].arrays;
    for (const uint8_t *optional = update_conditions[update]; *optional; optional++)
        ++*arrays;
}

/* Return the arrays that an update needs with these numbers: bit k for array k. */
static unsigned arrays_needed(int update, const double *numbers)
{
    const int always = update_takes[update].arrays;
    const uint8_t *conditions = update_conditions[update];
    unsigned needed = (1u << always) - 1;
    for (int k = 0; conditions[k]; k++)
        if (numbers[conditions[k] - 1] != 0.0) needed |= 1u << (always + k);
    return needed;
}

/* ---- parameters -------------------------------------------------------------------- */

/* A parameter with what belongs to it; NULL: there is none. */
typedef struct parameter_state {
    array *at, *arrays[ALL_ARRAYS];
    const array *gradient;
} parameter_state;

static int written_check(mg_arena *arena, mg_node handle, const array **found)
{
    uint32_t index;
    MG_TRY(array_find(arena, handle, &index));
    const array *a = *found = array_at(arena, index);
    MG_RETURN_IF(a->buffer->read_only, MG_ERR_READONLY);
    return !a->contiguous && array_overlaps(a) ? MG_ERR_VIEW : MG_OK;
}

/* Tell whether two arrays, of which b is contiguous, share memory, but not element by
 * element: then a loop would read what it has written. */
static bool meets_askew(const array *a, const array *b)
{
    const uintptr_t of_a = (uintptr_t)a->data, of_b = (uintptr_t)b->data;
    if (!a->contiguous) return a->buffer == b->buffer;
    return of_a != of_b && of_a < of_b + (size_t)b->count * dtype_sizes[b->dtype] &&
           of_b < of_a + (size_t)a->count * dtype_sizes[a->dtype];
}

/* Check an array that is remembered of a parameter. */
static int remembered_check(mg_arena *arena, mg_node handle, const array *of)
{
    const array *found;
    MG_TRY(written_check(arena, handle, &found));
    MG_RETURN_IF(!shape_equal(found, of), MG_ERR_SHAPE);
    MG_RETURN_IF(found->dtype != compute_dtype(of->dtype), MG_ERR_DTYPE);
    MG_RETURN_IF(!found->contiguous, MG_ERR_ARG);
    return meets_askew(of, found) ? MG_ERR_VIEW : MG_OK;
}

/* Check parameter i of a group and all that belongs to it. */
static int parameter_check(mg_arena *arena, const mg_update_group *group, int64_t i,
                           unsigned needed)
{
    const array *found;
    MG_TRY(written_check(arena, group->parameters[i], &found));
    MG_RETURN_IF(!is_float(found->dtype), MG_ERR_DTYPE);
    for (int k = 0; needed >> k; k++) {
        if (!(needed >> k & 1)) continue;
        mg_node handle = group->arrays ? group->arrays[k * group->count + i] : 0;
        MG_TRY(remembered_check(arena, handle, found));
    }
    return group->steps[i] < 0 ? MG_ERR_ARG : MG_OK;
}

/* A group of parameters, and their gradients; NULL: those that backward left. */
typedef struct stepped_group {
    const mg_update_group *group;
    const array *const *gradients;
    unsigned needed; /* arrays_needed() */
} stepped_group;

/* Return what was checked. */
static parameter_state parameter_get(const mg_arena *arena, const stepped_group *of,
                                     int64_t i)
{
    const mg_update_group *group = of->group;
    const unsigned needed = of->needed;
    const node *leaf = node_at(arena, index_of(group->parameters[i]));
    parameter_state found = {.at = leaf->array};
    for (int k = 0; needed >> k; k++)
        if (needed >> k & 1)
            found.arrays[k] =
                array_at(arena, index_of(group->arrays[k * group->count + i]));
    if (of->gradients) found.gradient = of->gradients[i];
    else if (leaf->gradient_node) found.gradient = array_at(arena, leaf->gradient_node);
    return found;
}

static bool is_plain(const array *a)
{
    return a->contiguous && a->dtype == compute_dtype(a->dtype);
}

/* Tell whether a loop cannot read a gradient while it writes to the rest. */
static bool needs_copy(const parameter_state *found)
{
    const array *g = found->gradient;
    if (!is_plain(g) || meets_askew(found->at, g)) return true;
    for (int k = 0; k < ALL_ARRAYS; k++)
        if (found->arrays[k] && meets_askew(g, found->arrays[k])) return true;
    return false;
}

/* ---- scratch memory ---------------------------------------------------------------- */

/* Bytes of a parameter's elements in the type that they are computed in, whole cache
 * lines. */
static size_t block_size(const array *at)
{
    size_t size = (size_t)at->count * dtype_sizes[compute_dtype(at->dtype)];
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* How many such blocks the step of a parameter takes. */
static int block_count(int update, const parameter_state *found)
{
    if (!found->gradient) return 0;
    return !is_plain(found->at) + needs_copy(found) + 2 * (update == MG_UPDATE_LAMB);
}

/* Take a block from scratch memory. */
static char *block_next(char **scratch, const array *at)
{
    char *block = *scratch;
    *scratch += block_size(at);
    return block;
}

/* See scratch memory as a contiguous array like another, in the type that this one is
 * computed in. */
static array scratch_array(char *data, const array *like)
{
    array copy = *like;
    copy.dtype = (uint8_t)compute_dtype(like->dtype);
    copy.data = data;
    array_set_shape(&copy, like->rank, like->shape, NULL);
    return copy;
}

/* ---- one parameter ----------------------------------------------------------------- */

typedef struct update_job {
    update_kernel kernel;
    int dtype;
    int64_t n;
    char *parameter, *arrays[ALL_ARRAYS];
    const char *gradient;
    const double *values;
} update_job;

static void update_range(void *context, int64_t first, int64_t end)
{
    const update_job *job = context;
    const int64_t offset = first * dtype_sizes[job->dtype];
    void *arrays[ALL_ARRAYS];
    for (int k = 0; k < ALL_ARRAYS; k++)
        arrays[k] = job->arrays[k] ? job->arrays[k] + offset : NULL;
    job->kernel(end - first, job->parameter + offset, job->gradient + offset, arrays,
                job->values);
}

/* Return the root of the sum of the squares of n elements. */
static double norm_of(int dtype, int64_t n, const char *a, char *squares)
{
    const kernel_set *set = kernels();
    const rows_kernel add_up = set->reduce[REDUCE_SUM][wide_index(dtype)].rows;
    union {
        float f32;
        double f64;
    } total;
    set->value[MG_MUL][dtype](n, a, a, squares, 0.0, 0);
    add_up(1, n, squares, n, &total);
    return dtype == MG_FLOAT32 ? (double)sqrtf(total.f32) : sqrt(total.f64);
}

/* Subtract LAMB's change, made as long as the parameter: that is SGD by another
 * gradient. */
static void lamb_move(update_job *job, char *squares)
{
    const lamb_update *u = (const lamb_update *)job->values;
    const char *change = job->arrays[2];
    double length = norm_of(job->dtype, job->n, job->parameter, squares);
    double width = norm_of(job->dtype, job->n, change, squares);
    double trust = length > 0.0 && width > 0.0 ? length / width : 1.0;
    const sgd_update move = {.lr = u->lr * trust};
    update_job moving = {.dtype = job->dtype, .n = job->n, .parameter = job->parameter};
    moving.kernel = kernels()->update[MG_UPDATE_SGD][wide_index(job->dtype)];
    moving.gradient = change;
    moving.values = (const double *)&move;
    parallel_ranges(job->n, 2.0, update_range, &moving);
}

/* Run the kernel on what is contiguous now. */
static void kernel_run(int update, update_job *job, const array *at, char *scratch)
{
    job->n = at->count;
    job->dtype = compute_dtype(at->dtype);
    job->kernel = kernels()->update[update][wide_index(job->dtype)];
    if (update == MG_UPDATE_LAMB) job->arrays[2] = block_next(&scratch, at);
    parallel_ranges(job->n, 2.0, update_range, job);
    if (update == MG_UPDATE_LAMB) lamb_move(job, block_next(&scratch, at));
}

/* Copy what belongs to a parameter to a block of scratch memory. */
static char *elements_copy(const array *from, const array *at, char **scratch)
{
    array copy = scratch_array(block_next(scratch, at), from);
    map_copy(from, &copy);
    return copy.data;
}

static void parameter_update(int update, const parameter_state *found,
                             const double *values, char *scratch)
{
    update_job job = {.values = values};
    const bool plain = is_plain(found->at);
    job.parameter = found->at->data;
    job.gradient = found->gradient->data;
    if (!plain) job.parameter = elements_copy(found->at, found->at, &scratch);
    if (needs_copy(found))
        job.gradient = elements_copy(found->gradient, found->at, &scratch);
    for (int k = 0; k < ALL_ARRAYS; k++)
        if (found->arrays[k]) {
            job.arrays[k] = found->arrays[k]->data;
            found->arrays[k]->buffer->version++;
        }
    kernel_run(update, &job, found->at, scratch);
    if (!plain) {
        const array computed = scratch_array(job.parameter, found->at);
        map_copy(&computed, found->at);
    }
    found->at->buffer->version++;
}

/* ---- all parameters ---------------------------------------------------------------- */

/* The values of a step, and what they were derived from: mostly they are those of the
 * parameter before. */
typedef struct derived {
    int64_t step; /* 0: of none */
    double scalars[MAX_VALUES], values[MAX_VALUES];
} derived;

/* Derive the values of the next step of parameter i; its scalars become those behind. */
static void values_derive(int update, const mg_update_group *group, int64_t i, derived *d)
{
    const update_counts *takes = &update_takes[update];
    const int numbers = takes->numbers, scalars = takes->scalars;
    double before[MAX_VALUES];
    bool same = d->step == group->steps[i] + 1;
    for (int k = 0; k < scalars; k++) {
        before[k] = group->scalars[k * group->count + i];
        if (!(before[k] == d->scalars[k])) same = false;
    }
    if (!same) {
        memcpy(d->values, group->numbers, (size_t)numbers * sizeof(double));
        memcpy(d->values + numbers, before, (size_t)scalars * sizeof(double));
        memcpy(d->scalars, before, (size_t)scalars * sizeof(double));
        d->step = group->steps[i] + 1;
        update_factors(update, d->values, (double)d->step);
    }
    for (int k = 0; k < scalars; k++)
        group->scalars[k * group->count + i] = d->values[numbers + k];
}

/* Check a group, and raise *size to the scratch memory that it needs. */
static int group_check(mg_arena *arena, int update, const stepped_group *of, size_t *size)
{
    const mg_update_group *group = of->group;
    MG_RETURN_IF(group->count < 0, MG_ERR_ARG);
    for (int64_t i = 0; i < group->count; i++) {
        MG_TRY(parameter_check(arena, group, i, of->needed));
        const parameter_state found = parameter_get(arena, of, i);
        lasting_work(arena, found.at->count);
        size_t blocks = (size_t)block_count(update, &found);
        if (blocks && blocks * block_size(found.at) > *size)
            *size = blocks * block_size(found.at);
    }
    return MG_OK;
}

static void group_update(mg_arena *arena, int update, const stepped_group *of,
                         char *scratch)
{
    derived values = {.step = 0};
    const mg_update_group *group = of->group;
    for (int64_t i = 0; i < group->count; i++) {
        const parameter_state found = parameter_get(arena, of, i);
        if (!found.gradient) continue;
        values_derive(update, group, i, &values);
        parameter_update(update, &found, values.values, scratch);
        group->steps[i]++;
    }
}

/* Return group number g; `gradients` are those of all groups, one behind the other. */
static stepped_group group_at(int update, const mg_update_group *groups, int64_t g,
                         const array *const *gradients)
{
    for (int64_t before = 0; gradients && before < g; before++)
        gradients += groups[before].count;
    const unsigned needed = arrays_needed(update, groups[g].numbers);
    return (stepped_group){&groups[g], gradients, needed};
}

int update_all(mg_arena *arena, int update, int64_t group_count,
               const mg_update_group *groups, const array *const *gradients)
{
    char *scratch = NULL;
    size_t size = 0;
    MG_RETURN_IF(!is_update(update) || group_count < 0, MG_ERR_ARG);
    for (int64_t g = 0; g < group_count; g++) {
        const stepped_group of = group_at(update, groups, g, gradients);
        MG_TRY(group_check(arena, update, &of, &size));
    }
    recorder *r = recorder_of(arena);
    if (MG_UNLIKELY(r != NULL)) r->updates(r, update, group_count, groups);
    if (size) scratch = block_take(arena, size);
    MG_RETURN_IF(size && !scratch, MG_ERR_NOMEM);
    const bool holds = work_hold();
    for (int64_t g = 0; g < group_count; g++) {
        const stepped_group of = group_at(update, groups, g, gradients);
        group_update(arena, update, &of, scratch);
    }
    if (holds) work_let_go();
    if (size) block_give(arena, scratch, size);
    return MG_OK;
}

int mg_array_update(mg_arena *arena, int update, int64_t group_count,
                    const mg_update_group *groups)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    int status = update_all(arena, update, group_count, groups, NULL);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}
