/* convolve.c: products of kernels with the windows of images, and of what these pass on.
 *
 * Windows become columns of a matrix, of one group of one image at a time, and of so many
 * of its windows that they stay in a cache. Where images are fewer than threads, or a sum
 * has several spans, product.c shares the products out. */
#include "arrays/arrays.h"
#include "arrays/walk.h"

enum {
    COLUMNS_SIZE = 512 << 10, /* bytes of columns, half of a cache's or less */
    COLUMNS_GRAIN = 128       /* windows: steps that a product adds up from 0 */
};

/* Items of work, of each of which the windows of some positions become columns. */
typedef struct convolve_job convolve_job;
struct convolve_job {
    void (*compute)(const convolve_job *job, int64_t item, char *room);
    const kernel_set *set;
    int dtype;
    int64_t groups, m, k;  /* of the kernels (groups, m, k) */
    int64_t windows;       /* of an image */
    int64_t positions;     /* of a block of windows */
    int64_t blocks;        /* of an image's windows */
    int64_t items, part;   /* in all, and of a thread */
    const char *weights;   /* contiguous: (groups, m, k), or (groups, k, m) */
    const char *bias;      /* (groups * m), NULL: none */
    const char *g;         /* contiguous: (n, groups, m, windows) */
    char *out;
    array view;           /* of windows of a group: (channels, size x s, steps x s) */
    int axes;             /* s */
    int64_t image, group; /* elements of the view from one to the next */
    thread_work *work;
    char *rooms;          /* for the columns of an item, and the kernel */
    size_t room, columns; /* bytes of a part, and those of columns in front */
};

/* ---- columns ----------------------------------------------------------------------- */

/* Go along a row of columns: number `first` and so on of the windows at one place. They
 * lie in lines along the last axis, and `planes` of lines along the last but one. */
typedef struct run_walk {
    strided_walk lines;
    int64_t start, line, stride;
    int64_t plane, next; /* lines of a plane, and elements from one to the next */
} run_walk;

/* Windows in whole lines, or in a part of one. */
typedef struct run_of {
    int64_t at, lines, n; /* the first element; of each line n windows */
} run_of;

static void runs_open(const convolve_job *job, int64_t first, run_walk *w)
{
    const array *view = &job->view;
    const int steps = 1 + job->axes, lines = job->axes ? job->axes - 1 : 0;
    w->line = job->axes ? view->shape[view->rank - 1] : 1;
    w->stride = job->axes ? view->strides[view->rank - 1] : 1;
    w->start = first % w->line;
    w->plane = lines ? view->shape[view->rank - 2] : 1;
    w->next = lines ? view->strides[view->rank - 2] : 0;
    walk_open(&w->lines, lines, view->shape + steps, view->strides + steps, NULL);
    walk_to(&w->lines, first / w->line);
}

/* Find the next run of `count` windows; returns how many are in it. */
static int64_t runs_next(run_walk *w, int64_t count, run_of *part)
{
    const int64_t left = w->line - w->start, last = w->lines.rank - 1;
    *part = (run_of){w->lines.offset[0] + w->start * w->stride, 1, left};
    if (count < left) part->n = count;
    if (w->start == 0 && count >= w->line && last >= 0) {
        const int64_t lines = count / w->line, rest = w->plane - w->lines.index[last];
        part->lines = lines < rest ? lines : rest;
        w->lines.index[last] += part->lines - 1;
        w->lines.offset[0] += (part->lines - 1) * w->next;
    }
    w->start = 0;
    walk_next(&w->lines);
    return part->lines * part->n;
}

/* Walk along the rows of columns: channels and places in a window. */
static void rows_open(const convolve_job *job, strided_walk *rows)
{
    walk_open(rows, 1 + job->axes, job->view.shape, job->view.strides, NULL);
}

/* Return where the windows of a group of an image begin. */
static char *windows_at(const convolve_job *job, int64_t item)
{
    const int64_t image = item / job->groups, group = item % job->groups;
    return job->view.data +
           (image * job->image + group * job->group) * dtype_sizes[job->dtype];
}

/* Make columns, rows of which lie to_row apart, of windows [first, first + count). */
static void columns_copy(const convolve_job *job, const char *from, int64_t first,
                         int64_t count, char *to, int64_t to_row)
{
    const int64_t size = dtype_sizes[job->dtype];
    const lines_copy_kernel copy = job->set->lines_copy[size == 8];
    strided_walk rows;
    run_walk all, runs;
    run_of part;
    if (job->k == 0) return;
    runs_open(job, first, &all);
    rows_open(job, &rows);
    do {
        runs = all;
        for (int64_t done = 0, n; done < count; done += n) {
            n = runs_next(&runs, count - done, &part);
            const char *source = from + (rows.offset[0] + part.at) * size;
            char *target = to + done * size;
            if (runs.stride == 1) {
                copy(part.lines, part.n, source, runs.next, target);
                continue;
            }
            for (int64_t i = 0; i < part.lines; i++, target += part.n * size)
                copy_row(part.n, (size_t)size, source + i * runs.next * size, runs.stride,
                         target, 1);
        }
        to += to_row * size;
    } while (walk_next(&rows));
}

/* Add n elements to some that lie `stride` apart. */
#define ADD_RUN(T) \
    for (int64_t i = 0; i < n; i++) ((T *)to)[i * stride] += ((const T *)from)[i]
static void add_apart(int dtype, int64_t n, const char *from, char *to, int64_t stride)
{
    if (dtype == MG_FLOAT32)
        ADD_RUN(float);
    else
        ADD_RUN(double);
}
#undef ADD_RUN

/* Add columns, rows of which lie from_row apart, where their windows lie. An element gets
 * what the places in windows give it in their order, if of blocks the last comes first:
 * what is later in a window is earlier among windows. */
static void columns_add(const convolve_job *job, const char *from, int64_t from_row,
                        int64_t first, int64_t count, char *to)
{
    const int64_t size = dtype_sizes[job->dtype];
    const lines_add_kernel add = job->set->lines_add[wide_index(job->dtype)];
    strided_walk rows;
    run_walk all, runs;
    run_of part;
    runs_open(job, first, &all);
    rows_open(job, &rows);
    do {
        runs = all;
        for (int64_t done = 0, n; done < count; done += n) {
            n = runs_next(&runs, count - done, &part);
            const char *source = from + done * size;
            char *target = to + (rows.offset[0] + part.at) * size;
            if (runs.stride == 1) {
                add(part.lines, part.n, source, target, runs.next);
                continue;
            }
            for (int64_t i = 0; i < part.lines; i++, source += part.n * size)
                add_apart(job->dtype, part.n, source, target + i * runs.next * size,
                        runs.stride);
        }
        from += from_row * size;
    } while (walk_next(&rows));
}

/* ---- jobs -------------------------------------------------------------------------- */

/* Find the windows of images (n, channels, d..). */
static int windows_open(convolve_job *job, const array *images, const int64_t *how)
{
    int64_t shape[MG_MAX_RANK], strides[MG_MAX_RANK];
    const int s = (int)how[0];
    const call c = {.integers = how};
    array all = *images;
    MG_RETURN_IF(images->rank != 2 + s, MG_ERR_SHAPE);
    MG_RETURN_IF(job->groups < 1 || images->shape[1] % job->groups, MG_ERR_SHAPE);
    MG_TRY(window_of(&c, &all));
    job->axes = s;
    job->windows = shape_product(all.shape, 2, 2 + s);
    shape[0] = all.shape[1] / job->groups;
    strides[0] = all.strides[1];
    for (int d = 0; d < 2 * s; d++) {
        int axis = 2 + (d + s) % (2 * s);
        shape[1 + d] = all.shape[axis];
        strides[1 + d] = all.strides[axis];
    }
    job->image = all.strides[0];
    job->group = shape[0] * strides[0];
    job->view = all;
    MG_RETURN_IF(shape_product(shape, 0, 1 + s) != job->k, MG_ERR_SHAPE);
    return array_set_shape(&job->view, 1 + 2 * s, shape, strides);
}

/* Cut the windows of an image into blocks whose columns stay in a cache. */
static void windows_cut(convolve_job *job)
{
    const int64_t size = dtype_sizes[job->dtype], row = job->k ? job->k * size : size;
    const int64_t most = COLUMNS_SIZE / row / COLUMNS_GRAIN * COLUMNS_GRAIN;
    job->positions = most < COLUMNS_GRAIN ? COLUMNS_GRAIN : most;
    if (job->positions > job->windows) job->positions = job->windows;
    job->blocks = (job->windows + job->positions - 1) / job->positions;
}

/* Return how far rows of columns lie apart: an odd number of cache lines, which do not
 * compete for the same places of the cache. */
static int64_t columns_row(const convolve_job *job, int64_t count)
{
    const int64_t line = CACHE_LINE / (int64_t)dtype_sizes[job->dtype];
    return ((count + line - 1) / line | 1) * line;
}

/* Return the cost of all items. */
static double items_cost(const convolve_job *job, int64_t images)
{
    const double of_group = (double)job->m * (double)job->k * (double)job->windows;
    return of_group * (double)(images * job->groups) / (double)PRODUCTS;
}

/* Do the items of parts [first, end). */
static void items_range(void *context, int64_t first, int64_t end)
{
    const convolve_job *job = context;
    for (int64_t part = first; part < end; part++) {
        char *room = job->rooms + (size_t)part * job->room;
        int64_t i = part * job->part, last = i + job->part;
        for (; i < last && i < job->items && work_continues(job->work); i++)
            job->compute(job, i, room);
    }
}

/* Share the items out among threads; `workspace` is what a product needs. */
static int items_run(mg_arena *arena, convolve_job *job, double cost, size_t workspace)
{
    int64_t parts = parallel_parts(cost);
    job->work = is_work_open() ? work_of_thread() : NULL;
    job->part = (job->items + parts - 1) / parts;
    parts = (job->items + job->part - 1) / job->part;
    job->columns = (size_t)(job->k * columns_row(job, job->positions));
    job->columns *= dtype_sizes[job->dtype];
    job->room = (job->columns + workspace) / CACHE_LINE * CACHE_LINE + CACHE_LINE;
    job->rooms = block_take(arena, job->room * (size_t)parts);
    MG_RETURN_IF(!job->rooms, MG_ERR_NOMEM);
    parallel_ranges(parts, cost / (double)parts, items_range, job);
    block_give(arena, job->rooms, job->room * (size_t)parts);
    return MG_OK;
}

static size_t workspace_of(const convolve_job *job, int64_t m, int64_t n, int64_t k)
{
    return job->set->gemm_workspace(m, n, k, dtype_sizes[job->dtype]);
}

/* ---- forward ----------------------------------------------------------------------- */

/* Add the bias to what was made of one group of one image. */
static void bias_add(const convolve_job *job, int64_t item, const matrices *p)
{
    const map_kernel add = job->set->value[MG_ADD][job->dtype];
    const int64_t size = dtype_sizes[job->dtype];
    const char *bias = job->bias + item % job->groups * p->m * size;
    char *c = p->c;
    for (int64_t i = 0; i < p->m; i++, bias += size, c += p->c_row * size)
        add(p->n, c, bias, c, 0.0, 2);
}

/* kernels @ columns of one block. */
static void convolve_item(const convolve_job *job, int64_t item, char *room)
{
    const int64_t first = item % job->blocks * job->positions;
    const int64_t size = dtype_sizes[job->dtype];
    const int64_t left = job->windows - first, of_image = item / job->blocks;
    matrices p = {.m = job->m, .k = job->k, .a_column = 1, .b_column = 1, .b = room};
    p.n = left < job->positions ? left : job->positions;
    p.a = job->weights + of_image % job->groups * p.m * p.k * size;
    p.c = job->out + (of_image * p.m * job->windows + first) * size;
    p.a_row = p.k;
    p.b_row = columns_row(job, p.n);
    p.c_row = job->windows;
    p.work = job->work;
    columns_copy(job, windows_at(job, of_image), first, p.n, room, p.b_row);
    job->set->gemm[wide_index(job->dtype)](&p, room + job->columns);
    if (job->bias) bias_add(job, of_image, &p);
}

/* Do one product after the other, each by all threads. */
static int convolve_each(mg_arena *arena, const convolve_job *job)
{
    const int64_t size = dtype_sizes[job->dtype], n = job->windows;
    const size_t bytes = (size_t)(job->k * n * size) + CACHE_LINE;
    char *columns = block_take(arena, bytes);
    int status = columns ? MG_OK : MG_ERR_NOMEM;
    for (int64_t i = 0; i < job->items && status == MG_OK && work_goes_on(); i++) {
        matrices p = {.m = job->m, .n = n, .k = job->k, .a_column = 1, .b_column = 1};
        p.a = job->weights + i % job->groups * p.m * p.k * size;
        p.b = columns;
        p.c = job->out + i * p.m * n * size;
        p.a_row = p.k;
        p.b_row = p.c_row = n;
        columns_copy(job, windows_at(job, i), 0, n, columns, n);
        status = product_run(arena, job->dtype, &p);
        if (job->bias) bias_add(job, i, &p);
    }
    if (columns) block_give(arena, columns, bytes);
    return status;
}

static int convolve_run(mg_arena *arena, convolve_job *job, int64_t images)
{
    job->items = images * job->groups;
    if (job->dtype == MG_INT64 || span_count(job->dtype, job->k) > 1)
        return convolve_each(arena, job);
    windows_cut(job);
    job->items *= job->blocks;
    job->compute = convolve_item;
    return items_run(arena, job, items_cost(job, images),
                     workspace_of(job, job->m, job->positions, job->k));
}

/* Get the bias, of a type that the result has room for. */
static int get_bias(call *c, int result, convolve_job *job)
{
    if (c->operand_count < 3) return MG_OK;
    const array *bias = operand_of(c, 2);
    MG_RETURN_IF(bias->rank != 1 || bias->shape[0] != job->groups * job->m, MG_ERR_SHAPE);
    MG_RETURN_IF(dtype_promote(result, bias->dtype) != result, MG_ERR_DTYPE);
    MG_TRY(array_cast(c, bias, job->dtype, true, &bias));
    job->bias = bias->data;
    return MG_OK;
}

int forward_convolve(call *c)
{
    int result;
    int64_t shape[MG_MAX_RANK];
    const array *weights = operand_of(c, 0), *a = operand_of(c, 1);
    const int s = (int)c->integers[0];
    convolve_job job = {.set = kernels()};
    array *wide;
    MG_RETURN_IF(weights->rank != 3, MG_ERR_SHAPE);
    job.groups = weights->shape[0], job.m = weights->shape[1], job.k = weights->shape[2];
    MG_RETURN_IF(a->rank != 2 + s || job.groups < 1, MG_ERR_SHAPE);
    MG_TRY(product_dtypes(weights, a, &result, &job.dtype));
    MG_TRY(windows_open(&job, a, c->integers)); /* before anything is copied */
    MG_TRY(array_cast(c, a, job.dtype, false, &a));
    MG_TRY(windows_open(&job, a, c->integers));
    memcpy(shape, a->shape, sizeof shape);
    memcpy(shape + 2, job.view.shape + 1 + s, (size_t)s * sizeof *shape);
    MG_RETURN_IF(job.m > INT64_MAX / 4 / job.groups, MG_ERR_LIMIT);
    shape[1] = job.groups * job.m;
    MG_TRY(get_bias(c, result, &job));
    MG_TRY(array_cast(c, weights, job.dtype, true, &weights));
    MG_TRY(result_new(c, result, 2 + s, shape));
    MG_TRY(result_wide(c, job.dtype, &wide));
    if (wide->count == 0) return MG_OK;
    job.weights = weights->data;
    job.out = wide->data;
    MG_TRY(convolve_run(c->arena, &job, a->shape[0]));
    return result_store(c, wide);
}

/* ---- what it passes on ------------------------------------------------------------- */

/* columns @ g^T of one group of one image, block by block: the sums go on. */
static void kernels_back_item(const convolve_job *job, int64_t item, char *room)
{
    const int64_t size = dtype_sizes[job->dtype];
    matrices p = {.m = job->k, .n = job->m, .a = room, .a_column = 1, .b_row = 1};
    p.b = job->g + item * job->m * job->windows * size;
    p.b_column = job->windows;
    p.c = job->out + item * job->k * job->m * size;
    p.c_row = job->m;
    p.work = job->work;
    for (int64_t first = 0; first < job->windows; first += p.k) {
        const int64_t left = job->windows - first;
        p.k = left < job->positions ? left : job->positions;
        p.a_row = columns_row(job, p.k);
        p.resume = first > 0;
        columns_copy(job, windows_at(job, item), first, p.k, room, p.a_row);
        job->set->gemm[wide_index(job->dtype)](&p, room + job->columns);
        p.b += p.k * size;
    }
}

/* kernels^T @ g of one group of one image, block by block, folded. */
static void images_back_item(const convolve_job *job, int64_t item, char *room)
{
    const int64_t size = dtype_sizes[job->dtype];
    matrices p = {.m = job->k, .k = job->m, .c = room, .a_column = 1, .b_column = 1};
    p.a = job->weights + item % job->groups * job->k * job->m * size;
    p.a_row = job->m;
    p.b_row = job->windows;
    p.work = job->work;
    for (int64_t block = job->blocks - 1; block >= 0; block--) {
        const int64_t first = block * job->positions, left = job->windows - first;
        p.n = left < job->positions ? left : job->positions;
        p.b = job->g + (item * job->m * job->windows + first) * size;
        p.c_row = columns_row(job, p.n);
        job->set->gemm[wide_index(job->dtype)](&p, room + job->columns);
        columns_add(job, room, p.c_row, first, p.n, windows_at(job, item));
    }
}

static int back_open(convolve_job *job, const int64_t *how, const array *weights,
                     const array *images)
{
    job->set = kernels();
    job->dtype = images->dtype;
    job->groups = weights->shape[0];
    job->m = weights->shape[1], job->k = weights->shape[2];
    MG_TRY(windows_open(job, images, how));
    job->items = images->shape[0] * job->groups;
    return MG_OK;
}

bool convolve_goes_back(const int64_t *how, const array *weights, const array *images)
{
    convolve_job job = {.set = NULL};
    if (back_open(&job, how, weights, images) < 0) return false;
    return job.items >= parallel_parts(items_cost(&job, images->shape[0])) &&
           span_count(job.dtype, job.windows) == 1 && span_count(job.dtype, job.m) == 1 &&
           job.k > 0 && job.m > 0;
}

int convolve_kernels_back(mg_arena *arena, const deed *of)
{
    const array *images = of->arrays[1], *g = of->arrays[2];
    convolve_job job = {.compute = kernels_back_item};
    MG_TRY(back_open(&job, of->integers, of->arrays[0], images));
    if (job.items == 0) return MG_OK;
    windows_cut(&job);
    job.g = g->data, job.out = deed_output(of, 3)->data;
    return items_run(arena, &job, items_cost(&job, images->shape[0]),
                     workspace_of(&job, job.k, job.m, job.positions));
}

int convolve_images_back(mg_arena *arena, const deed *of)
{
    const array *turned = of->arrays[1], *g = of->arrays[2];
    array *out = deed_output(of, 3);
    convolve_job job = {.compute = images_back_item};
    MG_TRY(back_open(&job, of->integers, of->arrays[0], out));
    memset(out->data, 0, (size_t)out->count * dtype_sizes[out->dtype]);
    if (job.items == 0) return MG_OK;
    windows_cut(&job);
    job.g = g->data, job.weights = turned->data;
    return items_run(arena, &job, items_cost(&job, out->shape[0]),
                     workspace_of(&job, job.k, job.positions, job.m));
}
