/* reduce.c: sums, products, extrema and their positions, any and all.
 *
 * An array is seen as outer x n x inner elements, of which n are reduced: a copy is made
 * only where the reduced axes do not lie behind each other. The order of the additions,
 * blocks of 32 lanes by row-major position over the reduced axes (SPEC.md), does not
 * depend on the layout, on `inner`, or on the number of threads. */
#include "arrays/arrays.h"

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
    MG_TRY(scratch_new(c, a->dtype, rank, view.shape, &copy));
    map_copy(&view, copy);
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

/* See a whole array, cast to dtype, as one row. */
static int box_open_whole(call *c, const array *a, int dtype, box *b)
{
    MG_TRY(array_cast(c, a, dtype, true, &b->a));
    b->n = a->count;
    b->inner = 1;
    b->outer = a->count > 0;
    return MG_OK;
}

/* See an array, cast to dtype, as a box; `last`: its rows must be contiguous. */
int box_open(call *c, const array *a, int dtype, unsigned axes, bool last, box *b)
{
    int first = -1, end = 0;
    MG_RETURN_IF(axes >> a->rank, MG_ERR_ARG);
    if (axes == (1u << a->rank) - 1) return box_open_whole(c, a, dtype, b);
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
    return result_new(c, dtype, rank, shape);
}

/* Return the type that an array is reduced in. */
int reduced_dtype(const array *a)
{
    return is_float(a->dtype) ? compute_dtype(a->dtype) : MG_INT64;
}

/* Get axes and keep. Axes beyond the rank are an error. */
int get_axes(const call *c, unsigned *axes, bool *keep)
{
    const array *a = operand_of(c, 0);
    MG_RETURN_IF(c->integers[0] < 0 || c->integers[0] >> a->rank, MG_ERR_ARG);
    *axes = (unsigned)c->integers[0];
    *keep = c->integers[1] != 0;
    return MG_OK;
}

/* ---- boxes shared out -------------------------------------------------------------- */

static void rows_range(void *context, int64_t first, int64_t end)
{
    const rows_job *job = context;
    const box *b = job->box;
    job->compute(job, end - first,
                 b->a->data + first * b->n * dtype_sizes[b->a->dtype],
                 job->out + first * job->out_row);
}

/* Tell whether more threads can work on the blocks of rows, at a cost of a row, than on
 * whole ones; or whether a row takes so long that its work may be given up between two
 * blocks. */
static bool shares_blocks(const box *b, double cost)
{
    if (b->n <= REDUCE_BLOCK) return false;
    if (MG_UNLIKELY(cost > (double)ASKED_COST) && is_work_open()) return true;
    int threads = parallel_parts((double)b->outer * cost);
    return threads > 1 && b->outer < 2 * threads;
}

void rows_share(const box *b, double cost, range_task task, void *context)
{
    cost *= (double)b->n;
    if (!shares_blocks(b, cost))
        parallel_ranges(b->outer, cost, task, context);
    else /* kernels share out the blocks of a row */
        for (int64_t r = 0; r < b->outer && work_goes_on(); r++) task(context, r, r + 1);
}

void rows_run(rows_job *job, const box *b, double cost)
{
    job->box = b;
    if (b->n > 0) rows_share(b, cost, rows_range, job);
}

static void rows_kernel_run(const rows_job *job, int64_t rows, const char *a, char *y)
{
    job->kernel(rows, job->box->n, a, job->box->n, y);
}

void rows_map(rows_kernel kernel, const box *b, char *out, int64_t out_row, double cost)
{
    rows_job job = {
        .compute = rows_kernel_run, .kernel = kernel, .out = out, .out_row = out_row};
    rows_run(&job, b, cost);
}

static void columns_range(void *context, int64_t first, int64_t end)
{
    const columns_job *job = context;
    const box *b = job->box;
    int64_t parts = (b->inner + job->part - 1) / job->part;
    for (int64_t i = first; i < end; i++) {
        int64_t outer = i / parts, column = i % parts * job->part;
        int64_t left = b->inner - column, size = dtype_sizes[b->a->dtype];
        job->compute(job, left < job->part ? left : job->part,
                     b->a->data + (outer * b->n * b->inner + column) * size,
                     job->out + (outer * job->out_rows * b->inner + column) * size);
    }
}

void columns_run(columns_job *job, const box *b)
{
    enum { GRAIN = 64 }; /* columns: whole cache lines */
    int threads = parallel_parts((double)b->outer * (double)b->n * (double)b->inner);
    job->box = b;
    job->part = b->inner;
    if (threads > 1 && b->outer < 2 * threads)
        job->part = (b->inner / (2 * threads) + GRAIN) / GRAIN * GRAIN;
    int64_t parts = b->outer * ((b->inner + job->part - 1) / job->part);
    parallel_ranges(parts, (double)b->n * (double)job->part, columns_range, job);
}

/* ---- reductions in blocks ---------------------------------------------------------- */

static void reduce_columns(const columns_job *job, int64_t columns, const char *a,
                           char *y)
{
    const reduction_kernels *reduce = job->kernels;
    reduce->columns(job->box->n, columns, a, job->box->inner, y);
}

/* Reduce a box, whose result has outer x inner elements. */
void box_reduce(const reduction_kernels *reduce, const box *b, char *out)
{
    if (b->inner != 1) {
        columns_job job = {
            .compute = reduce_columns, .kernels = reduce, .out = out, .out_rows = 1};
        columns_run(&job, b);
    } else {
        rows_map(reduce->rows, b, out, dtype_sizes[b->a->dtype], 1.0);
    }
}

/* Columns whose blocks are shared out: of each of outer parts, `count` blocks of rows. */
typedef struct blocks_job {
    const reduction_kernels *kernels;
    const box *box;
    int64_t count;
    char *out; /* [outer, count, inner] */
} blocks_job;

static void blocks_range(void *context, int64_t first, int64_t end)
{
    const blocks_job *job = context;
    const box *b = job->box;
    const int64_t size = dtype_sizes[b->a->dtype], row = b->inner * size;
    for (int64_t i = first; i < end; i++) {
        int64_t begin = i % job->count * REDUCE_BLOCK, left = b->n - begin;
        int64_t n = left < REDUCE_BLOCK ? left : REDUCE_BLOCK;
        const char *a = b->a->data + (i / job->count * b->n + begin) * row;
        job->kernels->columns(n, b->inner, a, b->inner, job->out + i * row);
    }
}

/* Tell the same of columns, many of which are shared out as they are. */
static bool shares_column_blocks(const box *b)
{
    enum { FEW = 64 }; /* columns that are not worth sharing out */
    double cost = (double)b->n * (double)b->inner;
    bool asks = MG_UNLIKELY(cost > (double)ASKED_COST) && is_work_open();
    return b->inner > 1 && shares_blocks(b, cost) &&
           (asks || b->inner < FEW * thread_count());
}

/* Reduce the blocks of a box, then the box of their results. */
static int reduce_blocks(call *c, const reduction_kernels *reduce, const box *b, char *out)
{
    array *results;
    blocks_job job = {.kernels = reduce, .box = b};
    job.count = (b->n - 1) / REDUCE_BLOCK + 1;
    const int64_t shape[] = {b->outer, job.count, b->inner};
    MG_TRY(scratch_new(c, b->a->dtype, 3, shape, &results));
    job.out = results->data;
    parallel_ranges(b->outer * job.count, (double)REDUCE_BLOCK * (double)b->inner,
                    blocks_range, &job);
    box of_results = {.a = results, .outer = b->outer, .n = job.count, .inner = b->inner};
    box_reduce(reduce, &of_results, out);
    return MG_OK;
}

/* Reduce a over axes into `out`, of type `dtype` and contiguous. */
int reduce_into(call *c, int which, const array *a, int dtype, unsigned axes, array *out)
{
    static const double empty[] = {
#define MG_REDUCTION(NAME, name, result_dtype, empty) empty,
#include "kernels/kernels.def"
    };
    box b;
    MG_TRY(box_open(c, a, dtype, axes, false, &b));
    if (out->count == 0) return MG_OK;
    if (b.n == 0) {
        MG_RETURN_IF(empty[which] != empty[which], MG_ERR_SHAPE);
        array_fill(out, empty[which]);
        return MG_OK;
    }
    const reduction_kernels *kernel = &kernels()->reduce[which][wide_index(dtype)];
    if (shares_column_blocks(&b)) return reduce_blocks(c, kernel, &b, out->data);
    box_reduce(kernel, &b, out->data);
    return MG_OK;
}

static int reduce(call *c, int which, int result_dtype)
{
    const array *a = operand_of(c, 0);
    int dtype = reduced_dtype(a);
    unsigned axes;
    bool keep;
    array *wide;
    MG_TRY(get_axes(c, &axes, &keep));
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

static int own_dtype(const call *c)
{
    return operand_of(c, 0)->dtype;
}

#define MG_REDUCTION(NAME, name, result_dtype, empty) \
    int forward_##name(call *c) \
    { \
        return reduce(c, REDUCE_##NAME, result_dtype(c)); \
    }
#include "kernels/kernels.def"

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
    MG_TRY(get_axes(c, &axes, &keep));
    MG_TRY(result_open(c, a, a->dtype, axes, keep));
    MG_TRY(result_wide(c, compute_dtype(a->dtype), &wide));
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
    int64_t axis = c->integers[0];
    MG_RETURN_IF(axis < -1 || axis >= a->rank, MG_ERR_ARG);
    unsigned axes = axis < 0 ? (1u << a->rank) - 1 : 1u << axis;
    int dtype = reduced_dtype(a);
    MG_TRY(result_open(c, a, MG_INT64, axes, c->integers[1] != 0));
    MG_TRY(box_open(c, a, dtype, axes, true, &b));
    if (c->result->count == 0) return MG_OK;
    MG_RETURN_IF(b.n == 0, MG_ERR_SHAPE);
    const rows_kernel *table = largest ? kernels()->argmax : kernels()->argmin;
    rows_map(table[wide_index(dtype)], &b, c->result->data, sizeof(int64_t), 1.0);
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

/* Tell of every row of bools whether it contains `sought`: y[r] is that then. */
static void truths_rows(const rows_job *job, int64_t rows, const char *a, char *y)
{
    const size_t n = (size_t)job->box->n;
    for (int64_t r = 0; r < rows; r++, a += n)
        y[r] = (char)(memchr(a, job->sought, n) ? job->sought : !job->sought);
}

static int truths_reduce(call *c, bool sought)
{
    const array *a = operand_of(c, 0);
    unsigned axes;
    bool keep;
    box b;
    MG_TRY(get_axes(c, &axes, &keep));
    int kind = a->dtype == MG_UINT8 ? MG_UINT8 : MG_BOOL; /* as in PyTorch */
    MG_TRY(result_open(c, a, kind, axes, keep));
    MG_TRY(box_open(c, a, MG_BOOL, axes, true, &b));
    if (c->result->count == 0) return MG_OK;
    rows_job job = {
        .compute = truths_rows, .sought = sought, .out = c->result->data, .out_row = 1};
    memset(c->result->data, !sought, (size_t)c->result->count); /* of empty rows */
    rows_run(&job, &b, 1.0 / 8.0);
    return MG_OK;
}

int forward_any(call *c)
{
    return truths_reduce(c, true);
}

int forward_all(call *c)
{
    return truths_reduce(c, false);
}
