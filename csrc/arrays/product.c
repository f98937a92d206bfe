/* product.c: matrix products.
 *
 * Up to SPAN steps of k are added up by the kernels of gemm.inc.c, which take any
 * strides: a transposed operand is not copied. The sums of several spans are added as the
 * elements of any sum are (SPEC.md), so that errors do not grow with k. Threads share out
 * rows, columns, or spans. */
#include "arrays/arrays.h"
#include "arrays/walk.h"

enum {
    SPAN = 4096,           /* steps, a multiple of the kernels' blocks */
    SPANS_SIZE = 16 << 20, /* bytes of their sums, if that is a row or more */
    ROW_GRAIN = 24,        /* parts that suit the kernels: gemm.inc.c */
    COLUMN_GRAIN = 64
};

/* One product, cut into parts of rows, of columns, or of spans for threads. */
typedef struct product_job {
    const kernel_set *set; /* one for all, though another thread may choose another */
    const matrices *whole; /* its c: (spans, m, n) */
    int dtype;
    enum { BY_ROWS, BY_COLUMNS, BY_SPANS } by;
    int64_t size, part; /* rows, columns or spans, and how many of them make a part */
    char *workspace;
    size_t workspace_size; /* of a part */
} product_job;

/* The plain loop, for integers, which wrap. */
static void integer_product(const matrices *p)
{
    const uint64_t *a = (const uint64_t *)p->a, *b = (const uint64_t *)p->b;
    uint64_t *c = (uint64_t *)p->c;
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            uint64_t sum = 0;
            if (!work_continues(p->work)) return;
            for (int64_t k = 0; k < p->k; k++)
                sum +=
                    a[i * p->a_row + k * p->a_column] * b[k * p->b_row + j * p->b_column];
            c[i * p->c_row + j] = sum;
        }
    }
}

int64_t span_count(int dtype, int64_t k)
{
    return dtype == MG_INT64 || k <= SPAN ? 1 : (k - 1) / SPAN + 1;
}

/* Compute a part of one span. */
static void span_run(const product_job *job, matrices p, int64_t span, char *workspace)
{
    const matrices *whole = job->whole;
    int64_t size = dtype_sizes[job->dtype], first = span * SPAN;
    if (job->dtype == MG_INT64) {
        integer_product(&p);
        return;
    }
    if (p.k - first > SPAN)
        p.k = SPAN;
    else
        p.k -= first;
    p.a += first * p.a_column * size;
    p.b += first * p.b_row * size;
    p.c += span * whole->m * whole->c_row * size;
    job->set->gemm[wide_index(job->dtype)](&p, workspace);
}

static void part_run(const product_job *job, int64_t i)
{
    matrices p = *job->whole;
    int64_t first = i * job->part, size = dtype_sizes[job->dtype];
    int64_t count = job->size - first < job->part ? job->size - first : job->part;
    int64_t span = 0, end = span_count(job->dtype, p.k);
    if (job->by == BY_SPANS) {
        span = first;
        end = first + count;
    } else if (job->by == BY_ROWS) {
        p.m = count;
        p.a += first * p.a_row * size;
        p.c += first * p.c_row * size;
    } else {
        p.n = count;
        p.b += first * p.b_column * size;
        p.c += first * size;
        if (p.bias) p.bias += first * size;
    }
    char *workspace = job->workspace; /* NULL where no part needs any */
    if (workspace) workspace += (size_t)i * job->workspace_size;
    for (; span < end; span++) span_run(job, p, span, workspace);
}

static void parts_range(void *context, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) part_run(context, i);
}

/* Return the size of one of `count` parts, a multiple of grain. */
static int64_t part_of(int64_t size, int64_t count, int64_t grain)
{
    return ((size + count - 1) / count + grain - 1) / grain * grain;
}

/* Choose how a product is cut for so many threads. */
static void job_cut(product_job *job, int threads)
{
    const matrices *p = job->whole;
    int64_t spans = span_count(job->dtype, p->k), grain = 1;
    job->by = p->n < COLUMN_GRAIN * threads && p->m > p->n ? BY_ROWS : BY_COLUMNS;
    if (spans >= threads && p->m < ROW_GRAIN * threads && p->n < COLUMN_GRAIN * threads)
        job->by = BY_SPANS;
    job->size = job->by == BY_ROWS ? p->m : job->by == BY_COLUMNS ? p->n : spans;
    if (job->by == BY_ROWS) grain = ROW_GRAIN;
    if (job->by == BY_COLUMNS) grain = COLUMN_GRAIN;
    job->part = threads > 1 ? part_of(job->size, threads, grain) : job->size;
}

static double cost_of(const matrices *p)
{
    return (double)p->m * (double)p->n * (double)p->k / (double)PRODUCTS;
}

/* Run a product of one span as a whole. */
static int single_run(mg_arena *arena, int dtype, const matrices *p)
{
    const kernel_set *set = kernels();
    size_t size = set->gemm_workspace(p->m, p->n, p->k, dtype_sizes[dtype]);
    size = (size + BLOCK_ALIGNMENT - 1) & ~(size_t)63;
    char *workspace = size ? block_take(arena, size) : NULL;
    MG_RETURN_IF(size && !workspace, MG_ERR_NOMEM);
    set->gemm[wide_index(dtype)](p, workspace);
    if (size) block_give(arena, workspace, size);
    return MG_OK;
}

/* Run a product, shared out among threads when it is large. Of several spans c is
 * (spans, m, n). */
static int parts_run(mg_arena *arena, int dtype, const matrices *p)
{
    product_job job = {.set = kernels(), .whole = p, .dtype = dtype};
    double cost = cost_of(p);
    job_cut(&job, parallel_parts(cost));
    int64_t parts = (job.size + job.part - 1) / job.part;
    int64_t m = job.by == BY_ROWS ? job.part : p->m;
    int64_t n = job.by == BY_COLUMNS ? job.part : p->n, k = p->k < SPAN ? p->k : SPAN;
    if (dtype != MG_INT64)
        job.workspace_size = job.set->gemm_workspace(m, n, k, dtype_sizes[dtype]);
    job.workspace_size = (job.workspace_size + BLOCK_ALIGNMENT - 1) & ~(size_t)63;
    if (job.workspace_size) {
        job.workspace = block_take(arena, job.workspace_size * (size_t)parts);
        MG_RETURN_IF(!job.workspace, MG_ERR_NOMEM);
    }
    parallel_ranges(parts, cost / (double)parts, parts_range, &job);
    if (job.workspace_size)
        block_give(arena, job.workspace, job.workspace_size * (size_t)parts);
    return MG_OK;
}

/* Run a product of several spans, some rows at a time. */
static int spans_run(mg_arena *arena, int dtype, const matrices *p)
{
    int64_t size = dtype_sizes[dtype], spans = span_count(dtype, p->k), done = 0;
    int64_t rows = SPANS_SIZE / (spans * p->n * size);
    rows = rows < 1 ? 1 : rows > p->m ? p->m : rows;
    size_t bytes = (size_t)(spans * rows * p->n * size);
    char *sums = block_take(arena, bytes);
    MG_RETURN_IF(!sums, MG_ERR_NOMEM);
    int status = MG_OK;
    for (; done < p->m && status == MG_OK && work_goes_on(); done += rows) {
        matrices some = *p;
        some.m = p->m - done < rows ? p->m - done : rows;
        some.a += done * p->a_row * size;
        some.c = sums;
        status = parts_run(arena, dtype, &some);
        array a = {.dtype = (uint8_t)dtype, .data = sums};
        box b = {.a = &a, .outer = 1, .n = spans, .inner = some.m * p->n};
        box_reduce(&kernels()->reduce[REDUCE_SUM][wide_index(dtype)], &b,
                   p->c + done * p->n * size);
    }
    block_give(arena, sums, bytes);
    return status;
}

/* Run a product of one span, in blocks of rows and columns if it may be given up. Those
 * that take long ask themselves; here they get small enough where they do not. */
static int one_span_run(mg_arena *arena, int dtype, const matrices *p)
{
    enum { SIDE = 1 << 14 };
    int64_t size = dtype_sizes[dtype];
    if (!p->work) return parts_run(arena, dtype, p);
    for (int64_t i = 0; i < p->m; i += SIDE) {
        for (int64_t j = 0; j < p->n && work_continues(p->work); j += SIDE) {
            matrices part = *p;
            part.m = p->m - i < SIDE ? p->m - i : SIDE;
            part.n = p->n - j < SIDE ? p->n - j : SIDE;
            part.a += i * p->a_row * size;
            part.b += j * p->b_column * size;
            part.c += (i * p->c_row + j) * size;
            if (p->bias) part.bias += j * size;
            MG_TRY(parts_run(arena, dtype, &part));
        }
    }
    return MG_OK;
}

int product_run(mg_arena *arena, int dtype, const matrices *p)
{
    matrices whole = *p;
    whole.work = NULL;
    if (p->m == 0 || p->n == 0) return MG_OK;
    const double cost = cost_of(p);
    const bool is_small = cost <= (double)SHARED_COST && cost <= (double)ASKED_COST;
    if (is_small && dtype != MG_INT64 && p->k <= SPAN)
        return single_run(arena, dtype, &whole);
    whole.work = is_work_open() ? work_of_thread() : NULL;
    return span_count(dtype, p->k) > 1 ? spans_run(arena, dtype, &whole)
                                       : one_span_run(arena, dtype, &whole);
}

/* ---- matmul ------------------------------------------------------------------------ */

/* An operand with its batch axes, broadcast, before its two last. */
typedef struct batched {
    const array *a;
    int64_t rows, columns, row, column; /* sizes and strides of the last axes */
    int64_t strides[MG_MAX_RANK];       /* of the batch axes of the result */
} batched;

/* A vector is a row as first operand, and a column as second. */
static void batched_open(const array *a, bool first, batched *b)
{
    int last = a->rank - 1;
    b->a = a;
    b->rows = b->columns = 1;
    b->row = b->column = 1;
    if (a->rank > 1) {
        b->rows = a->shape[last - 1];
        b->row = a->strides[last - 1];
    }
    if (a->rank == 1 && !first) {
        b->rows = a->shape[0];
        b->row = a->strides[0];
    } else {
        b->columns = a->shape[last];
        b->column = a->strides[last];
    }
}

static int batch_rank(const array *a)
{
    return a->rank > 2 ? a->rank - 2 : 0;
}

/* Find the broadcast batch axes of two operands. */
static int batch_shape(batched *a, batched *b, int *rank, int64_t *shape)
{
    MG_TRY(shapes_broadcast(batch_rank(a->a), a->a->shape, batch_rank(b->a), b->a->shape,
                            rank, shape));
    batched *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        int own = batch_rank(both[i]->a);
        for (int d = 0; d < *rank; d++) {
            int at = d - (*rank - own);
            bool repeated = at < 0 || both[i]->a->shape[at] == 1;
            both[i]->strides[d] = repeated ? 0 : both[i]->a->strides[at];
        }
    }
    return MG_OK;
}

/* Multiply the matrices of all batch positions into out, which is contiguous. */
static int batch_run(mg_arena *arena, const batched *a, const batched *b, int rank,
                     const int64_t *shape, array *out)
{
    int64_t size = dtype_sizes[out->dtype];
    strided_walk w;
    matrices p = {.m = a->rows, .n = b->columns, .k = a->columns};
    p.c = out->data;
    p.a_row = a->row;
    p.a_column = a->column;
    p.b_row = b->row;
    p.b_column = b->column;
    p.c_row = p.n;
    walk_open(&w, rank, shape, a->strides, b->strides);
    for (bool more = out->count > 0; more; more = walk_next(&w)) {
        p.a = a->a->data + w.offset[0] * size;
        p.b = b->a->data + w.offset[1] * size;
        MG_TRY(product_run(arena, out->dtype, &p));
        p.c += p.m * p.n * size;
    }
    return MG_OK;
}

int product_dtypes(const array *a, const array *b, int *result, int *computed)
{
    *result = dtype_promote(a->dtype, b->dtype);
    MG_RETURN_IF(*result == MG_BOOL, MG_ERR_DTYPE);
    *computed = is_float(*result) ? compute_dtype(*result) : MG_INT64;
    return MG_OK;
}

int forward_matmul(call *c)
{
    int result, computed, rank, result_rank;
    int64_t shape[MG_MAX_RANK + 2];
    batched left, right;
    array *wide;
    const array *a = operand_of(c, 0), *b = operand_of(c, 1);
    MG_RETURN_IF(a->rank < 1 || b->rank < 1, MG_ERR_SHAPE);
    MG_TRY(product_dtypes(a, b, &result, &computed));
    MG_TRY(array_cast(c, a, computed, false, &a));
    MG_TRY(array_cast(c, b, computed, false, &b));
    batched_open(a, true, &left);
    batched_open(b, false, &right);
    MG_RETURN_IF(left.columns != right.rows, MG_ERR_SHAPE);
    MG_TRY(batch_shape(&left, &right, &rank, shape));
    result_rank = rank;
    if (a->rank > 1) shape[result_rank++] = left.rows;
    if (b->rank > 1) shape[result_rank++] = right.columns;
    MG_TRY(result_new(c, result, result_rank, shape));
    MG_TRY(result_wide(c, computed, &wide));
    MG_TRY(batch_run(c->arena, &left, &right, rank, shape, wide));
    return result_store(c, wide);
}

/* ---- linear ------------------------------------------------------------------------ */

int forward_linear(call *c)
{
    int result, computed;
    array *wide;
    const array *bias = NULL;
    const array *x = operand_of(c, 0), *weight = operand_of(c, 1);
    MG_RETURN_IF(x->rank < 1 || weight->rank != 2, MG_ERR_SHAPE);
    int last = x->rank - 1;
    MG_RETURN_IF(x->shape[last] != weight->shape[1], MG_ERR_SHAPE);
    MG_TRY(product_dtypes(x, weight, &result, &computed));
    if (c->operand_count == 3) {
        bias = operand_of(c, 2);
        MG_RETURN_IF(bias->rank != 1 || bias->shape[0] != weight->shape[0], MG_ERR_SHAPE);
        MG_RETURN_IF(dtype_promote(result, bias->dtype) != result, MG_ERR_DTYPE);
        MG_TRY(array_cast(c, bias, computed, true, &bias));
    }
    MG_TRY(array_cast(c, x, computed, x->rank != 2, &x));
    MG_TRY(array_cast(c, weight, computed, false, &weight));
    int64_t shape[MG_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[last] = weight->shape[0];
    MG_TRY(result_new(c, result, x->rank, shape));
    MG_TRY(result_wide(c, computed, &wide));
    matrices p = {.n = weight->shape[0], .k = weight->shape[1]};
    p.m = p.n ? wide->count / p.n : 0;
    p.a = x->data;
    p.b = weight->data;
    bool apart = computed == MG_INT64 || span_count(computed, p.k) > 1;
    p.bias = bias && !apart ? bias->data : NULL;
    p.c = wide->data;
    p.a_row = x->rank == 2 ? x->strides[0] : p.k;
    p.a_column = x->rank == 2 ? x->strides[1] : 1;
    p.b_row = weight->strides[1];
    p.b_column = weight->strides[0];
    p.c_row = p.n;
    MG_TRY(product_run(c->arena, computed, &p));
    if (bias && apart) map_apply(MG_ADD, computed, wide, bias, 0.0, wide);
    return result_store(c, wide);
}
