/* rows.c: what is computed along rows: variance, logsumexp, cumsum, softmax, norms, and
 * cross-entropy, seen as boxes like the arrays of reduce.c. */
#include "arrays/arrays.h"

static void variance_rows(const rows_job *job, int64_t rows, const char *a, char *y)
{
    int64_t n = job->box->n;
    kernels()->variance[wide_index(job->box->a->dtype)](rows, n, a, n, job->number,
                                                        job->root, y);
}

static int variance(call *c, bool root)
{
    const array *a = operand_of(c, 0);
    unsigned axes;
    bool keep;
    box b;
    array *wide;
    MG_RETURN_IF(!is_float(a->dtype), MG_ERR_DTYPE);
    MG_TRY(get_axes(c, &axes, &keep));
    MG_TRY(result_open(c, a, a->dtype, axes, keep));
    MG_TRY(result_wide(c, compute_dtype(a->dtype), &wide));
    MG_TRY(box_open(c, a, wide->dtype, axes, true, &b));
    rows_job job = {.compute = variance_rows, .number = c->numbers[0], .root = root};
    job.out = wide->data;
    job.out_row = dtype_sizes[wide->dtype];
    if (b.n == 0)
        array_fill(wide, (double)NAN);
    else
        rows_run(&job, &b, 2.0);
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
    MG_TRY(get_axes(c, &axes, &keep));
    MG_TRY(result_open(c, a, dtype, axes, keep));
    MG_TRY(result_wide(c, compute_dtype(dtype), &wide));
    MG_TRY(box_open(c, a, wide->dtype, axes, true, &b));
    if (b.n == 0)
        array_fill(wide, -(double)INFINITY);
    else
        rows_map(kernels()->logsumexp[wide_index(wide->dtype)], &b, wide->data,
                 dtype_sizes[wide->dtype], 8.0);
    return result_store(c, wide);
}

/* Get the axis of an op that has one. */
static int get_axis(const call *c, const array *a, int *axis)
{
    MG_RETURN_IF(c->integers[0] < 0 || c->integers[0] >= a->rank, MG_ERR_ARG);
    *axis = (int)c->integers[0];
    return MG_OK;
}

/* Add up along an axis with others behind it: each row is the sum of the one before and
 * one more. */
static void cumsum_columns(const columns_job *job, int64_t columns, const char *a,
                           char *y)
{
    int dtype = job->box->a->dtype;
    int64_t size = dtype_sizes[dtype], row = job->box->inner * size;
    map_kernel add = kernels()->value[MG_ADD][dtype];
    memcpy(y, a, (size_t)(columns * size));
    for (int64_t i = 1; i < job->box->n; i++)
        add(columns, y + (i - 1) * row, a + i * row, y + i * row, 0.0, 0);
}

/* A row longer than is done in one go: after the first part the sum so far stands before
 * the elements that it is added to. */
static void cumsum_long_rows(const box *b, char *y)
{
    const int64_t size = dtype_sizes[b->a->dtype], end = b->outer * b->n;
    rows_kernel cumsum = kernels()->cumsum[wide_index(b->a->dtype)];
    for (int64_t first = 0, n; first < end && work_goes_on(); first += n) {
        int64_t in_row = first % b->n, left = b->n - in_row, before = in_row > 0;
        n = left < ASKED_COST / 4 ? left : ASKED_COST / 4;
        memcpy(y + first * size, b->a->data + first * size, (size_t)(n * size));
        char *from = y + (first - before) * size;
        cumsum(1, n + before, from, 0, from);
    }
}

int forward_cumsum(call *c)
{
    const array *a = operand_of(c, 0);
    int dtype = reduced_dtype(a), axis;
    box b;
    array *wide;
    MG_TRY(get_axis(c, a, &axis));
    MG_TRY(result_new(c, is_float(a->dtype) ? a->dtype : MG_INT64, a->rank,
                     a->shape));
    if (a->count == 0) return MG_OK;
    MG_TRY(result_wide(c, dtype, &wide));
    MG_TRY(box_open(c, a, dtype, 1u << axis, false, &b));
    columns_job columns = {.compute = cumsum_columns, .out_rows = b.n};
    columns.out = wide->data;
    if (b.inner == 1 && b.n > ASKED_COST && is_work_open())
        cumsum_long_rows(&b, wide->data);
    else if (b.inner == 1)
        rows_map(kernels()->cumsum[wide_index(dtype)], &b, wide->data,
                 b.n * dtype_sizes[dtype], 4.0);
    else
        columns_run(&columns, &b);
    return result_store(c, wide);
}

/* Turn each row along an axis into another row. */
static int rows_to_rows(call *c, const rows_kernel *table)
{
    const array *a = operand_of(c, 0);
    int dtype = is_float(a->dtype) ? a->dtype : MG_FLOAT32, axis;
    box b;
    array *rows;
    MG_TRY(get_axis(c, a, &axis));
    MG_TRY(result_new(c, dtype, a->rank, a->shape));
    MG_TRY(box_open(c, a, compute_dtype(dtype), 1u << axis, true, &b));
    bool moved = a->shape[axis] != 1 && shape_product(a->shape, axis + 1, a->rank) != 1;
    if (moved)
        MG_TRY(scratch_new(c, b.a->dtype, b.a->rank, b.a->shape, &rows));
    else
        MG_TRY(result_wide(c, compute_dtype(dtype), &rows));
    rows_map(table[wide_index(rows->dtype)], &b, rows->data,
             b.n * dtype_sizes[rows->dtype], 8.0);
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

static void layer_norm_rows(const rows_job *job, int64_t rows, const char *a, char *y)
{
    kernels()->layer_norm[wide_index(job->box->a->dtype)](
        rows, job->box->n, a, job->weight, job->bias, 0, 1, job->number, y);
}

static void rms_norm_rows(const rows_job *job, int64_t rows, const char *a, char *y)
{
    kernels()->rms_norm[wide_index(job->box->a->dtype)](rows, job->box->n, a, job->weight,
                                                        job->number, y);
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
    MG_TRY(array_cast(c, p, compute_dtype(a->dtype), true, &p));
    *data = p->data;
    return MG_OK;
}

static int norm(call *c, bool centered)
{
    const array *a = operand_of(c, 0);
    rows_job job = {.compute = centered ? layer_norm_rows : rms_norm_rows};
    box b = {.inner = 1};
    array *wide;
    MG_RETURN_IF(!is_float(a->dtype), MG_ERR_DTYPE);
    int64_t axes = c->integers[0];
    MG_RETURN_IF(axes < 1 || axes > a->rank, MG_ERR_ARG);
    job.number = c->numbers[0];
    MG_TRY(norm_parameter(c, 1, a, (int)axes, &job.weight));
    MG_TRY(norm_parameter(c, 2, a, (int)axes, &job.bias));
    MG_TRY(result_new(c, a->dtype, a->rank, a->shape));
    MG_TRY(result_wide(c, compute_dtype(a->dtype), &wide));
    MG_TRY(array_cast(c, a, wide->dtype, true, &b.a));
    if (a->count == 0) return MG_OK;
    b.n = shape_product(a->shape, a->rank - (int)axes, a->rank);
    b.outer = a->count / b.n;
    job.out = wide->data;
    job.out_row = b.n * dtype_sizes[wide->dtype];
    rows_run(&job, &b, 2.0);
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

/* Write the loss of each row, given the two numbers of log_sums for each, and, where
 * smoothed, the sums of log_softmax. Returns how many targets are not ignored, or -1
 * where one is no class. */
#define LOSSES(T, name) \
    static int64_t name(const array *logits, const array *logs, const array *sums, \
                        const int64_t *targets, int64_t ignored, double smoothing, \
                        array *losses) \
    { \
        int64_t n = logits->shape[0], classes = logits->shape[1], counted = 0; \
        const T *a = (const T *)logits->data, *log = (const T *)logs->data; \
        const T *sum = (const T *)sums->data; \
        T *loss = (T *)losses->data, smooth = (T)smoothing, rest = (T)1 - smooth; \
        for (int64_t i = 0; i < n; i++) { \
            int64_t target = read_once(targets + i); \
            loss[i] = 0; \
            if (target == ignored) continue; \
            if (target < 0 || target >= classes) return -1; \
            counted++; \
            loss[i] = -((a[i * classes + target] - log[2 * i]) - log[2 * i + 1]); \
            if (smooth == 0) continue; \
            T even = -sum[i] / (T)classes; \
            loss[i] = rest * loss[i] + smooth * even; \
        } \
        return counted; \
    }
LOSSES(float, losses_float32)
LOSSES(double, losses_float64)
#undef LOSSES

/* Make the sums of log_softmax of rows, which smoothed losses need. */
static int sums_of_logs(call *c, const box *of_logits, array *sums)
{
    box b = *of_logits;
    array *all;
    MG_TRY(scratch_new(c, sums->dtype, 2, b.a->shape, &all));
    int64_t size = dtype_sizes[sums->dtype];
    const kernel_set *set = kernels();
    rows_map(set->log_softmax[wide_index(sums->dtype)], &b, all->data, b.n * size, 8.0);
    b.a = all;
    rows_map(set->reduce[REDUCE_SUM][wide_index(sums->dtype)].rows, &b, sums->data, size,
             1.0);
    return MG_OK;
}

size_t softmax_kept_size(const array *a)
{
    const bool fits = a->contiguous && a->dtype == compute_dtype(a->dtype);
    if (!fits || a->count == 0 || 8 * a->count > SHARED_COST) return 0;
    return (size_t)(a->count + a->shape[0]) * dtype_sizes[a->dtype];
}

/* Make the losses of rows of logits, (n) in the type that is computed in; *counted is the
 * number of targets that are not ignored. */
static int losses_of(call *c, const array *logits, const array *targets, array **losses,
                     int64_t *counted)
{
    int dtype = compute_dtype(logits->dtype);
    box b = {NULL, logits->shape[0], logits->shape[1], 1};
    const int64_t pairs[] = {logits->shape[0], 2};
    array *logs, *sums;
    MG_TRY(array_cast(c, logits, dtype, true, &b.a));
    MG_TRY(scratch_new(c, dtype, 2, pairs, &logs));
    MG_TRY(scratch_new(c, dtype, 1, logits->shape, &sums));
    MG_TRY(scratch_new(c, dtype, 1, logits->shape, losses));
    int which = wide_index(dtype);
    if (c->softmax)
        kernels()->log_sums_kept[which](
            b.outer, b.n, b.a->data, c->softmax,
            (char *)c->softmax + b.a->count * dtype_sizes[dtype], logs->data);
    else
        rows_map(kernels()->log_sums[which], &b, logs->data, 2 * dtype_sizes[dtype], 8.0);
    if (c->numbers[0] != 0.0) MG_TRY(sums_of_logs(c, &b, sums));
    *counted = (which == 0 ? losses_float32 : losses_float64)(
        b.a, logs, sums, (const int64_t *)targets->data, c->integers[1], c->numbers[0],
        *losses);
    return *counted < 0 ? MG_ERR_INDEX : MG_OK;
}

int forward_cross_entropy(call *c)
{
    int64_t counted;
    array *losses, *wide;
    double smoothing = c->numbers[0];
    const array *logits = operand_of(c, 0), *targets = operand_of(c, 1);
    int64_t reduction = c->integers[0];
    MG_RETURN_IF(reduction < MG_REDUCE_NONE || reduction > MG_REDUCE_MEAN, MG_ERR_ARG);
    MG_RETURN_IF(!(smoothing >= 0.0 && smoothing <= 1.0), MG_ERR_ARG);
    MG_RETURN_IF(!is_float(logits->dtype), MG_ERR_DTYPE);
    MG_RETURN_IF(is_float(targets->dtype) || targets->dtype == MG_BOOL, MG_ERR_DTYPE);
    MG_RETURN_IF(logits->rank != 2 || targets->rank != 1, MG_ERR_SHAPE);
    MG_RETURN_IF(logits->shape[0] != targets->shape[0], MG_ERR_SHAPE);
    MG_TRY(array_cast(c, targets, MG_INT64, true, &targets));
    bool each = reduction == MG_REDUCE_NONE;
    MG_TRY(result_new(c, logits->dtype, each ? 1 : 0, logits->shape));
    MG_TRY(losses_of(c, logits, targets, &losses, &counted));
    if (each) return result_store(c, losses);
    MG_TRY(result_wide(c, losses->dtype, &wide));
    MG_TRY(reduce_into(c, REDUCE_SUM, losses, losses->dtype, 1, wide));
    if (reduction == MG_REDUCE_MEAN) array_divide(wide, (double)counted);
    return result_store(c, wide);
}
