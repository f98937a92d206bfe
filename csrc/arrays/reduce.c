/* reduce.c: sums, products, extrema and their positions, any and all.
 *
 * An array is seen as outer x n x inner elements, of which n are reduced: a copy is made
 * only where the reduced axes do not lie behind each other. The order of the additions,
 * 32 lanes by row-major position over the reduced axes (SPEC.md), does not depend on the
 * layout, on `inner`, or on the number of threads. */
#include "arrays/arrays.h"

enum { REDUCED_GRAIN = 64 };

/* ---- boxes ------------------------------------------------------------------------- */

int64_t shape_product(const int64_t *shape, int from, int end)
{
    int64_t count = 1;
    for (int d = from; d < end; d++) count *= shape[d];
    return count;
}

/* Make a contiguous copy with the reduced axes last. */
static int axes_to_end(call *c, const array *a, unsigned axes, const array **moved)
{
    array view = *a, *copy;
    int rank = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int d = 0; d < a->rank; d++) {
            if ((int)(axes >> d & 1) != pass) continue;
            view.shape[rank] = a->shape[d];
            view.strides[rank++] = a->strides[d];
        }
    }
    view.contiguous = false;
    MG_TRY(array_new(c->arena, a->dtype, rank, view.shape, &copy));
    map_copy(&view, copy);
    scratch_keep(c, copy);
    *moved = copy;
    return MG_OK;
}

/* Tell whether the reduced axes lie behind each other; axes of size 1 do not count. */
static bool axes_adjacent(const array *a, unsigned axes)
{
    bool seen = false, ended = false;
    for (int d = 0; d < a->rank; d++) {
        if (a->shape[d] == 1) continue;
        bool reduced = axes >> d & 1;
        if (reduced && ended) return false;
        if (reduced) seen = true;
        if (!reduced && seen) ended = true;
    }
    return true;
}

/* See an array, cast to dtype, as a box; `last`: its rows must be contiguous. */
int box_open(call *c, const array *a, int dtype, unsigned axes, bool last, box *b)
{
    int first = -1, end = 0;
    MG_RETURN_IF(axes >> a->rank, MG_ERR_ARG);
    MG_TRY(array_cast(c, a, dtype, false, &a));
    for (int d = 0; d < a->rank; d++) {
        if (!(axes >> d & 1) || a->shape[d] == 1) continue;
        if (first < 0) first = d;
        end = d + 1;
    }
    b->n = 1;
    for (int d = 0; d < a->rank; d++)
        if (axes >> d & 1) b->n *= a->shape[d];
    int64_t behind = shape_product(a->shape, end, a->rank);
    bool moves = !axes_adjacent(a, axes) || (last && first >= 0 && behind != 1);
    if (moves) {
        MG_TRY(axes_to_end(c, a, axes, &b->a));
        b->inner = 1;
    } else {
        MG_TRY(array_cast(c, a, dtype, true, &b->a));
        b->inner = first < 0 ? 1 : behind;
    }
    int64_t others = b->n * b->inner;
    if (b->n > 0 && b->inner > 0)
        b->outer = a->count / others;
    else
        b->outer = 0;
    return MG_OK;
}

/* Make the result: a's shape without the reduced axes, or with size 1 there. */
int result_open(call *c, const array *a, int dtype, unsigned axes, bool keep)
{
    int64_t shape[MG_MAX_RANK];
    int rank = 0;
    for (int d = 0; d < a->rank; d++) {
        bool reduced = axes >> d & 1;
        if (reduced && !keep) continue;
        shape[rank++] = reduced ? 1 : a->shape[d];
    }
    return array_new(c->arena, dtype, rank, shape, &c->result);
}

/* Return the type that an array is reduced in. */
int reduced_dtype(const array *a)
{
    return is_float(a->dtype) ? wide_of(a->dtype) : MG_INT64;
}

/* Get axes and keep of an op that takes so many numbers, too. Axes beyond the rank are an
 * error. */
int get_axes(const call *c, int numbers, unsigned *axes, bool *keep)
{
    const array *a = operand_of(c, 0);
    MG_RETURN_IF(!has_counts(c, 1, 2, numbers), MG_ERR_ARG);
    MG_RETURN_IF(c->integers[0] < 0 || c->integers[0] >> a->rank, MG_ERR_ARG);
    *axes = (unsigned)c->integers[0];
    *keep = c->integers[1] != 0;
    return MG_OK;
}

/* ---- reductions in lanes ----------------------------------------------------------- */

typedef struct reduce_job {
    const reduction_kernels *kernels;
    box box;
    const char *data;
    char *out;
    int64_t size, task; /* bytes of an element; rows or columns of a task */
    int64_t lanes[LANES];
} reduce_job;

static void rows_task(void *context, int64_t i)
{
    const reduce_job *job = context;
    int64_t first = i * job->task, n = job->box.n;
    int64_t rows =
        job->box.outer - first < job->task ? job->box.outer - first : job->task;
    job->kernels->rows(rows, n, job->data + first * n * job->size, n,
                       job->out + first * job->size);
}

static void columns_task(void *context, int64_t i)
{
    const reduce_job *job = context;
    int64_t inner = job->box.inner, parts = (inner + job->task - 1) / job->task;
    int64_t outer = i / parts, first = i % parts * job->task;
    int64_t columns = inner - first < job->task ? inner - first : job->task;
    const char *from = job->data + (outer * job->box.n * inner + first) * job->size;
    job->kernels->columns(job->box.n, columns, from, inner,
                          job->out + (outer * inner + first) * job->size);
}

static void lanes_task(void *context, int64_t i)
{
    reduce_job *job = context;
    int half = LANES / 2;
    job->kernels->lanes(job->box.n, job->data, (int)i * half, ((int)i + 1) * half,
                        job->lanes);
}

/* Reduce the box of a job, whose result has outer x inner elements. */
static void reduce_run(reduce_job *job)
{
    const box *b = &job->box;
    bool large = b->outer * b->n * b->inner > TASK_COST && thread_count() > 1;
    if (b->inner == 1 && b->outer == 1 && large) {
        job->kernels->rows(LANES, 0, job->data, 0,
                           job->lanes); /* of nothing: the start */
        parallel_for(2, lanes_task, job);
        job->kernels->join(job->lanes, job->out);
    } else if (b->inner == 1) {
        job->task = large ? TASK_COST / 4 / b->n + 1 : b->outer;
        parallel_for((b->outer + job->task - 1) / job->task, rows_task, job);
    } else {
        job->task = b->inner;
        if (large && b->outer < 2 * thread_count()) {
            job->task = (b->inner / (2 * thread_count()) + 1 + REDUCED_GRAIN - 1) /
                        REDUCED_GRAIN * REDUCED_GRAIN;
        }
        int64_t tasks = b->outer * ((b->inner + job->task - 1) / job->task);
        if (large)
            parallel_for(tasks, columns_task, job);
        else
            for (int64_t i = 0; i < tasks; i++) columns_task(job, i);
    }
}

/* Fill an array with the integer of an empty sum or product. */
static void fill_empty(array *out, int which)
{
    array_fill(out, which == REDUCE_PROD ? 1.0 : 0.0);
}

/* Reduce a over axes into `out`, of type `dtype` and contiguous. */
int reduce_into(call *c, int which, const array *a, int dtype, unsigned axes, array *out)
{
    reduce_job job;
    MG_TRY(box_open(c, a, dtype, axes, false, &job.box));
    if (out->count == 0) return MG_OK;
    if (job.box.n == 0) {
        MG_RETURN_IF(which >= REDUCE_MAX, MG_ERR_SHAPE);
        fill_empty(out, which);
        return MG_OK;
    }
    job.kernels = &kernels()->reduce[which][type_place(dtype)];
    job.data = job.box.a->data;
    job.out = out->data;
    job.size = dtype_sizes[dtype];
    reduce_run(&job);
    return MG_OK;
}

static int reduce(call *c, int which, int result_dtype)
{
    const array *a = operand_of(c, 0);
    int dtype = reduced_dtype(a);
    unsigned axes;
    bool keep;
    array *wide;
    MG_TRY(get_axes(c, 0, &axes, &keep));
    MG_TRY(result_open(c, a, result_dtype, axes, keep));
    MG_TRY(result_wide(c, dtype, &wide));
    MG_TRY(reduce_into(c, which, a, dtype, axes, wide));
    return result_store(c, wide);
}

/* Return the type of sums and products: integers are added as int64. */
static int sum_dtype(const call *c)
{
    int dtype = operand_of(c, 0)->dtype;
    return is_float(dtype) ? dtype : MG_INT64;
}

int forward_sum(call *c)
{
    return reduce(c, REDUCE_SUM, sum_dtype(c));
}

int forward_prod(call *c)
{
    return reduce(c, REDUCE_PROD, sum_dtype(c));
}

int forward_amax(call *c)
{
    return reduce(c, REDUCE_MAX, operand_of(c, 0)->dtype);
}

int forward_amin(call *c)
{
    return reduce(c, REDUCE_MIN, operand_of(c, 0)->dtype);
}

/* a = a / number, in place. */
void array_divide(array *a, double number)
{
    array divisor = {.dtype = MG_FLOAT64, .count = 1, .contiguous = true};
    divisor.data = (char *)&number;
    map_apply(MG_DIV, a->dtype, a, &divisor, 0.0, a);
}

int forward_mean(call *c)
{
    const array *a = operand_of(c, 0);
    unsigned axes;
    bool keep;
    array *wide;
    MG_RETURN_IF(!is_float(a->dtype), MG_ERR_DTYPE);
    MG_TRY(get_axes(c, 0, &axes, &keep));
    MG_TRY(result_open(c, a, a->dtype, axes, keep));
    MG_TRY(result_wide(c, wide_of(a->dtype), &wide));
    MG_TRY(reduce_into(c, REDUCE_SUM, a, wide->dtype, axes, wide));
    int64_t n = 1;
    for (int d = 0; d < a->rank; d++)
        if (axes >> d & 1) n *= a->shape[d];
    array_divide(wide, (double)n);
    return result_store(c, wide);
}

/* ---- positions and truths ---------------------------------------------------------- */

static int arg_extremum(call *c, bool largest)
{
    const array *a = operand_of(c, 0);
    box b;
    MG_RETURN_IF(!has_counts(c, 1, 2, 0), MG_ERR_ARG);
    int64_t axis = c->integers[0];
    MG_RETURN_IF(axis < -1 || axis >= a->rank, MG_ERR_ARG);
    unsigned axes = axis < 0 ? (1u << a->rank) - 1 : 1u << axis;
    int dtype = reduced_dtype(a);
    MG_TRY(result_open(c, a, MG_INT64, axes, c->integers[1] != 0));
    MG_TRY(box_open(c, a, dtype, axes, true, &b));
    if (c->result->count == 0) return MG_OK;
    MG_RETURN_IF(b.n == 0, MG_ERR_SHAPE);
    const rows_kernel *table = largest ? kernels()->argmax : kernels()->argmin;
    table[type_place(dtype)](b.outer, b.n, b.a->data, b.n, c->result->data);
    return MG_OK;
}

int forward_argmax(call *c)
{
    return arg_extremum(c, true);
}

int forward_argmin(call *c)
{
    return arg_extremum(c, false);
}

/* Tell of every row whether it contains `sought`: the answer is `answer` then. */
static int truths_reduce(call *c, uint8_t sought, bool answer)
{
    const array *a = operand_of(c, 0);
    unsigned axes;
    bool keep;
    box b;
    MG_TRY(get_axes(c, 0, &axes, &keep));
    MG_TRY(result_open(c, a, MG_BOOL, axes, keep));
    MG_TRY(box_open(c, a, MG_BOOL, axes, true, &b));
    if (c->result->count == 0) return MG_OK;
    memset(c->result->data, !answer, (size_t)c->result->count);
    for (int64_t row = 0; row < b.outer && b.n > 0; row++)
        if (memchr(b.a->data + row * b.n, sought, (size_t)b.n))
            c->result->data[row] = answer;
    return MG_OK;
}

int forward_any(call *c)
{
    return truths_reduce(c, 1, true);
}

int forward_all(call *c)
{
    return truths_reduce(c, 0, false);
}
