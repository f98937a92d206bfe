/* reduce.c: sums, extrema, and what is computed along rows: softmax, norms, losses.
 *
 * An array is seen as outer x n x inner elements, of which n are reduced: a copy is made
 * only where the reduced axes do not lie behind each other. The order of the additions,
 * 32 lanes by row-major position over the reduced axes (SPEC.md), does not depend on the
 * layout, on `inner`, or on the number of threads. */
#include "base/core.h"

enum {
    TASK_WORK = 1 << 19, /* elements that are worth a thread */
    COLUMN_GRAIN = 64
};

/* An array as a box of rows. */
typedef struct box {
    const array *a; /* contiguous */
    int64_t outer, n, inner;
} box;

/* ---- boxes ------------------------------------------------------------------------- */

static int64_t product(const int64_t *shape, int from, int end)
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
static int box_open(call *c, const array *a, int dtype, unsigned axes, bool last, box *b)
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
    int64_t behind = product(a->shape, end, a->rank);
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
static int result_open(call *c, const array *a, int dtype, unsigned axes, bool keep)
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

/* The place of a type in the tables of reductions: float32, float64, int64. */
static int type_place(int dtype)
{
    return dtype == MG_FLOAT32 ? 0 : dtype == MG_FLOAT64 ? 1 : 2;
}

/* Return the type that an array is reduced in. */
static int reduced_in(const array *a)
{
    return is_float(a->dtype) ? wide_of(a->dtype) : MG_INT64;
}

/* Get axes and keep of an op that takes so many numbers, too. Axes beyond the rank are an
 * error. */
static int get_axes(const call *c, int numbers, unsigned *axes, bool *keep)
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
    bool large = b->outer * b->n * b->inner > TASK_WORK && thread_count() > 1;
    if (b->inner == 1 && b->outer == 1 && large) {
        job->kernels->rows(LANES, 0, job->data, 0,
                           job->lanes); /* of nothing: the start */
        parallel_for(2, lanes_task, job);
        job->kernels->join(job->lanes, job->out);
    } else if (b->inner == 1) {
        job->task = large ? TASK_WORK / 4 / b->n + 1 : b->outer;
        parallel_for((b->outer + job->task - 1) / job->task, rows_task, job);
    } else {
        job->task = b->inner;
        if (large && b->outer < 2 * thread_count()) {
            job->task = (b->inner / (2 * thread_count()) + 1 + COLUMN_GRAIN - 1) /
                        COLUMN_GRAIN * COLUMN_GRAIN;
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
static int reduce_into(call *c, int which, const array *a, int dtype, unsigned axes,
                       array *out)
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

/* Make `wide`, an array like the result in the type that it is computed in: the result
 * itself if it has that type. */
static int result_wide(call *c, int dtype, array **wide)
{
    *wide = c->result;
    if (c->result->dtype == dtype) return MG_OK;
    MG_TRY(array_new(c->arena, dtype, c->result->rank, c->result->shape, wide));
    scratch_keep(c, *wide);
    return MG_OK;
}

/* Store what was computed, when it has another type. */
static int result_store(call *c, const array *wide)
{
    if (wide != c->result) map_copy(wide, c->result);
    return MG_OK;
}

static int reduce(call *c, int which, int result_dtype)
{
    const array *a = operand_of(c, 0);
    int dtype = reduced_in(a);
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
static void divide_by(array *a, double number)
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
    divide_by(wide, (double)n);
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
    int dtype = reduced_in(a);
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

/* ---- along rows -------------------------------------------------------------------- */

/* Rows of a box, from which a kernel makes a number or a row. */
typedef struct rows_job {
    rows_kernel kernel;
    const char *data;
    char *out;
    int64_t rows, n, size, out_row; /* out_row: bytes of what a row becomes */
    int64_t task;
} rows_job;

static void rows_job_task(void *context, int64_t i)
{
    const rows_job *job = context;
    int64_t first = i * job->task;
    int64_t rows = job->rows - first < job->task ? job->rows - first : job->task;
    job->kernel(rows, job->n, job->data + first * job->n * job->size, job->n,
                job->out + first * job->out_row);
}

/* Call a kernel for the rows of a box; cost: of an element, in additions. */
static void rows_run(rows_kernel kernel, const box *b, char *out, int64_t out_row,
                     int cost)
{
    rows_job job = {kernel, b->a->data, out, b->outer, b->n, 0, out_row, b->outer};
    job.size = dtype_sizes[b->a->dtype];
    if (b->outer == 0 || b->n == 0) return;
    if (b->outer > 1 && b->outer * b->n > TASK_WORK / cost && thread_count() > 1)
        job.task = TASK_WORK / cost / 4 / b->n + 1;
    parallel_for((job.rows + job.task - 1) / job.task, rows_job_task, &job);
}

static int variance(call *c, bool root)
{
    const array *a = operand_of(c, 0);
    unsigned axes;
    bool keep;
    box b;
    array *wide;
    MG_RETURN_IF(!is_float(a->dtype), MG_ERR_DTYPE);
    MG_TRY(get_axes(c, 1, &axes, &keep));
    double correction = c->numbers[0];
    MG_TRY(result_open(c, a, a->dtype, axes, keep));
    MG_TRY(result_wide(c, wide_of(a->dtype), &wide));
    MG_TRY(box_open(c, a, wide->dtype, axes, true, &b));
    if (b.n == 0)
        array_fill(wide, (double)NAN);
    else
        kernels()->variance[type_place(wide->dtype)](b.outer, b.n, b.a->data, b.n,
                                                     correction, wide->data);
    if (root) map_apply(MG_SQRT, wide->dtype, wide, NULL, 0.0, wide);
    return result_store(c, wide);
}

int forward_var(call *c)
{
    return variance(c, false);
}

int forward_std(call *c)
{
    return variance(c, true);
}

int forward_logsumexp(call *c)
{
    const array *a = operand_of(c, 0);
    int dtype = is_float(a->dtype) ? a->dtype : MG_FLOAT32;
    unsigned axes;
    bool keep;
    box b;
    array *wide;
    MG_TRY(get_axes(c, 0, &axes, &keep));
    MG_TRY(result_open(c, a, dtype, axes, keep));
    MG_TRY(result_wide(c, wide_of(dtype), &wide));
    MG_TRY(box_open(c, a, wide->dtype, axes, true, &b));
    if (b.n == 0)
        array_fill(wide, -(double)INFINITY);
    else
        rows_run(kernels()->logsumexp[type_place(wide->dtype)], &b, wide->data,
                 dtype_sizes[wide->dtype], 8);
    return result_store(c, wide);
}

/* Get the axis of an op that has one. */
static int get_axis(const call *c, const array *a, int *axis)
{
    MG_RETURN_IF(!has_counts(c, 1, 1, 0), MG_ERR_ARG);
    MG_RETURN_IF(c->integers[0] < 0 || c->integers[0] >= a->rank, MG_ERR_ARG);
    *axis = (int)c->integers[0];
    return MG_OK;
}

/* Add up along an axis with others behind it: rows of `inner` sums. */
static void cumsum_columns(const box *b, char *out, int dtype)
{
    int64_t row = b->inner * dtype_sizes[dtype];
    const char *from = b->a->data;
    for (int64_t outer = 0; outer < b->outer; outer++) {
        memcpy(out, from, (size_t)row);
        for (int64_t i = 1; i < b->n; i++)
            kernels()->value[MG_ADD][dtype](b->inner, out + (i - 1) * row, from + i * row,
                                            out + i * row, 0.0, 0);
        out += b->n * row;
        from += b->n * row;
    }
}

int forward_cumsum(call *c)
{
    const array *a = operand_of(c, 0);
    int dtype = reduced_in(a), axis;
    box b;
    array *wide;
    MG_TRY(get_axis(c, a, &axis));
    MG_TRY(array_new(c->arena, is_float(a->dtype) ? a->dtype : MG_INT64, a->rank,
                     a->shape, &c->result));
    if (a->count == 0) return MG_OK;
    MG_TRY(result_wide(c, dtype, &wide));
    MG_TRY(box_open(c, a, dtype, 1u << axis, false, &b));
    if (b.inner == 1)
        rows_run(kernels()->cumsum[type_place(dtype)], &b, wide->data,
                 b.n * dtype_sizes[dtype], 4);
    else
        cumsum_columns(&b, wide->data, dtype);
    return result_store(c, wide);
}

/* Make a scratch array like another. */
static int rows_like(call *c, const array *a, array **made)
{
    MG_TRY(array_new(c->arena, a->dtype, a->rank, a->shape, made));
    scratch_keep(c, *made);
    return MG_OK;
}

/* Turn each row along an axis into another row. */
static int rows_to_rows(call *c, const rows_kernel *table)
{
    const array *a = operand_of(c, 0);
    int dtype = is_float(a->dtype) ? a->dtype : MG_FLOAT32, axis;
    box b;
    array *rows;
    MG_TRY(get_axis(c, a, &axis));
    MG_TRY(array_new(c->arena, dtype, a->rank, a->shape, &c->result));
    MG_TRY(box_open(c, a, wide_of(dtype), 1u << axis, true, &b));
    bool moved = a->shape[axis] != 1 && product(a->shape, axis + 1, a->rank) != 1;
    if (moved)
        MG_TRY(rows_like(c, b.a, &rows));
    else
        MG_TRY(result_wide(c, wide_of(dtype), &rows));
    rows_run(table[type_place(rows->dtype)], &b, rows->data,
             b.n * dtype_sizes[rows->dtype], 8);
    if (!moved) return result_store(c, rows);
    array back = *rows; /* with the axis where it was */
    for (int d = 0, from = 0; d < a->rank; d++) {
        int source = d == axis ? a->rank - 1 : from++;
        back.shape[d] = rows->shape[source];
        back.strides[d] = rows->strides[source];
    }
    back.contiguous = false;
    map_copy(&back, c->result);
    return MG_OK;
}

int forward_softmax(call *c)
{
    return rows_to_rows(c, kernels()->softmax);
}

int forward_log_softmax(call *c)
{
    return rows_to_rows(c, kernels()->log_softmax);
}

/* ---- norms ------------------------------------------------------------------------- */

typedef struct norm_job {
    bool centered;
    int place;
    int64_t rows, n, size, task;
    const char *data, *weight, *bias;
    char *out;
    double epsilon;
} norm_job;

static void norm_task(void *context, int64_t i)
{
    const norm_job *job = context;
    int64_t first = i * job->task, offset = first * job->n * job->size;
    int64_t rows = job->rows - first < job->task ? job->rows - first : job->task;
    if (job->centered)
        kernels()->layer_norm[job->place](rows, job->n, job->data + offset, job->weight,
                                          job->bias, job->epsilon, job->out + offset);
    else
        kernels()->rms_norm[job->place](rows, job->n, job->data + offset, job->weight,
                                        job->epsilon, job->out + offset);
}

/* Get a parameter of a norm, which has the shape of a's last axes. */
static int norm_parameter(call *c, int which, const array *a, int axes, const char **data)
{
    *data = NULL;
    if (which >= c->operand_count) return MG_OK;
    const array *p = operand_of(c, which);
    MG_RETURN_IF(p->rank != axes, MG_ERR_SHAPE);
    for (int d = 0; d < axes; d++)
        MG_RETURN_IF(p->shape[d] != a->shape[a->rank - axes + d], MG_ERR_SHAPE);
    MG_TRY(array_cast(c, p, wide_of(a->dtype), true, &p));
    *data = p->data;
    return MG_OK;
}

static int norm(call *c, bool centered)
{
    const array *a = operand_of(c, 0);
    norm_job job = {.centered = centered};
    array *wide;
    MG_RETURN_IF(!is_float(a->dtype), MG_ERR_DTYPE);
    int parameters = c->operand_count > 1 ? centered ? 2 : 1 : 0; /* all or none */
    MG_RETURN_IF(!has_counts(c, 1 + parameters, 1, 1), MG_ERR_ARG);
    int64_t axes = c->integers[0];
    MG_RETURN_IF(axes < 1 || axes > a->rank, MG_ERR_ARG);
    job.epsilon = c->numbers[0];
    MG_TRY(norm_parameter(c, 1, a, (int)axes, &job.weight));
    MG_TRY(norm_parameter(c, 2, a, (int)axes, &job.bias));
    MG_TRY(array_new(c->arena, a->dtype, a->rank, a->shape, &c->result));
    MG_TRY(result_wide(c, wide_of(a->dtype), &wide));
    MG_TRY(array_cast(c, a, wide->dtype, true, &a));
    if (a->count == 0) return MG_OK;
    job.n = product(a->shape, a->rank - (int)axes, a->rank);
    job.rows = job.task = a->count / job.n;
    job.place = type_place(wide->dtype);
    job.size = dtype_sizes[wide->dtype];
    job.data = a->data;
    job.out = wide->data;
    if (a->count > TASK_WORK / 2 && thread_count() > 1)
        job.task = TASK_WORK / 8 / job.n + 1;
    parallel_for((job.rows + job.task - 1) / job.task, norm_task, &job);
    return result_store(c, wide);
}

int forward_layer_norm(call *c)
{
    return norm(c, true);
}

int forward_rms_norm(call *c)
{
    return norm(c, false);
}

/* ---- cross-entropy ----------------------------------------------------------------- */

/* Check the targets; *counted is the number of those that are not ignored. */
static int targets_check(const array *targets, int64_t classes, int64_t ignored,
                         int64_t *counted)
{
    const int64_t *t = (const int64_t *)targets->data;
    *counted = 0;
    for (int64_t i = 0; i < targets->count; i++) {
        if (t[i] == ignored) continue;
        MG_RETURN_IF(t[i] < 0 || t[i] >= classes, MG_ERR_INDEX);
        ++*counted;
    }
    return MG_OK;
}

/* Write the loss of each row, given log_softmax and the sums of its rows. */
#define LOSSES(T, name) \
    static void name(const array *logs, const array *sums, const int64_t *targets, \
                     int64_t ignored, double smoothing, array *losses) \
    { \
        int64_t n = logs->shape[0], classes = logs->shape[1]; \
        const T *log = (const T *)logs->data, *sum = (const T *)sums->data; \
        T *loss = (T *)losses->data, smooth = (T)smoothing, rest = (T)1 - smooth; \
        for (int64_t i = 0; i < n; i++) { \
            loss[i] = 0; \
            if (targets[i] == ignored) continue; \
            loss[i] = -log[i * classes + targets[i]]; \
            if (smooth == 0) continue; \
            T even = -sum[i] / (T)classes; \
            loss[i] = rest * loss[i] + smooth * even; \
        } \
    }
LOSSES(float, losses_float32)
LOSSES(double, losses_float64)
#undef LOSSES

/* Make the losses of rows of logits, (n) in the type that is computed in. */
static int losses_of(call *c, const array *logits, const array *targets, array **losses)
{
    int dtype = wide_of(logits->dtype);
    box b = {NULL, logits->shape[0], logits->shape[1], 1};
    array *logs, *sums;
    MG_TRY(array_cast(c, logits, dtype, true, &b.a));
    MG_TRY(array_new(c->arena, dtype, 2, logits->shape, &logs));
    scratch_keep(c, logs);
    MG_TRY(array_new(c->arena, dtype, 1, logits->shape, &sums));
    scratch_keep(c, sums);
    MG_TRY(array_new(c->arena, dtype, 1, logits->shape, losses));
    scratch_keep(c, *losses);
    const kernel_set *set = kernels();
    int place = type_place(dtype);
    rows_run(set->log_softmax[place], &b, logs->data, b.n * dtype_sizes[dtype], 8);
    b.a = logs;
    if (c->numbers[0] != 0.0)
        rows_run(set->reduce[REDUCE_SUM][place].rows, &b, sums->data, dtype_sizes[dtype],
                 1);
    (place == 0 ? losses_float32
                : losses_float64)(logs, sums, (const int64_t *)targets->data,
                                  c->integers[1], c->numbers[0], *losses);
    return MG_OK;
}

int forward_cross_entropy(call *c)
{
    int64_t counted;
    array *losses, *wide;
    MG_RETURN_IF(!has_counts(c, 2, 2, 1), MG_ERR_ARG);
    double smoothing = c->numbers[0];
    const array *logits = operand_of(c, 0), *targets = operand_of(c, 1);
    int64_t reduction = c->integers[0];
    MG_RETURN_IF(reduction < MG_REDUCE_NONE || reduction > MG_REDUCE_MEAN, MG_ERR_ARG);
    MG_RETURN_IF(!(smoothing >= 0.0 && smoothing <= 1.0), MG_ERR_ARG);
    MG_RETURN_IF(!is_float(logits->dtype), MG_ERR_DTYPE);
    MG_RETURN_IF(is_float(targets->dtype) || targets->dtype == MG_BOOL, MG_ERR_DTYPE);
    MG_RETURN_IF(logits->rank != 2 || targets->rank != 1, MG_ERR_SHAPE);
    MG_RETURN_IF(logits->shape[0] != targets->shape[0], MG_ERR_SHAPE);
    if (targets->buffer->owner) /* who may write to it between the check and the use */
        MG_TRY(array_copy(c, targets, MG_INT64, &targets));
    else
        MG_TRY(array_cast(c, targets, MG_INT64, true, &targets));
    MG_TRY(targets_check(targets, logits->shape[1], c->integers[1], &counted));
    bool each = reduction == MG_REDUCE_NONE;
    MG_TRY(array_new(c->arena, logits->dtype, each ? 1 : 0, logits->shape, &c->result));
    MG_TRY(losses_of(c, logits, targets, &losses));
    if (each) {
        map_copy(losses, c->result);
        return MG_OK;
    }
    MG_TRY(result_wide(c, losses->dtype, &wide));
    MG_TRY(reduce_into(c, REDUCE_SUM, losses, losses->dtype, 1, wide));
    if (reduction == MG_REDUCE_MEAN) divide_by(wide, (double)counted);
    return result_store(c, wide);
}
