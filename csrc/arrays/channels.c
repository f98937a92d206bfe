/* channels.c: norms of the channels of images (n, channels, d..), and what they pass on:
 * parts of batch_norm and group_norm, whose gradients callers put together. All is of one
 * type that is computed in. A plane is what one n has of a channel. */
#include "arrays/arrays.h"

/* ---- checks ------------------------------------------------------------------------ */

static int check_planes(const array *a)
{
    MG_RETURN_IF(!is_float(a->dtype) || a->dtype != compute_dtype(a->dtype), MG_ERR_DTYPE);
    MG_RETURN_IF(a->rank < 2, MG_ERR_SHAPE);
    return MG_OK;
}

/* Check that an operand is numbers of channels, of a's type. */
static int check_channels(const array *a, const array *numbers)
{
    MG_RETURN_IF(numbers->dtype != a->dtype, MG_ERR_DTYPE);
    MG_RETURN_IF(numbers->rank != 1 || numbers->shape[0] != a->shape[1], MG_ERR_SHAPE);
    return MG_OK;
}

/* Get g, which is like a, contiguous. */
static int get_gradient(call *c, const array *a, const array *g, const array **made)
{
    MG_RETURN_IF(g->dtype != a->dtype, MG_ERR_DTYPE);
    MG_RETURN_IF(!shape_equal(a, g), MG_ERR_SHAPE);
    return array_cast(c, g, a->dtype, true, made);
}

/* ---- groups of channels, as rows --------------------------------------------------- */

/* Rows: the groups of each n, in turn; weight and bias are spread over a group's
 * elements. */
typedef struct groups_job {
    box b;
    int64_t groups, per, plane; /* planes of a row, and elements of a plane */
    double epsilon;
    const char *weight, *bias, *g;
    char *out;
} groups_job;

static int groups_open(call *c, groups_job *job)
{
    const array *a = operand_of(c, 0);
    MG_TRY(check_planes(a));
    job->groups = c->integers[0];
    job->epsilon = c->numbers[0];
    MG_RETURN_IF(job->groups < 1 || a->shape[1] % job->groups, MG_ERR_SHAPE);
    job->plane = shape_product(a->shape, 2, a->rank);
    job->per = a->shape[1] / job->groups;
    MG_TRY(array_cast(c, a, a->dtype, true, &a));
    job->b = (box){a, a->shape[0] * job->groups, job->per * job->plane, 1};
    return MG_OK;
}

/* Spread numbers of channels over the elements of a plane. */
static int spread_new(call *c, const groups_job *job, const array *numbers,
                      const char **data)
{
    const array *a = job->b.a;
    const int64_t shape[] = {a->shape[1], job->plane};
    array from = *numbers, *spread;
    MG_TRY(check_channels(a, numbers));
    MG_TRY(scratch_new(c, a->dtype, 2, shape, &spread));
    from.rank = 2;
    from.shape[1] = 1;
    from.strides[1] = 0;
    from.contiguous = false;
    map_copy(&from, spread);
    *data = spread->data;
    return MG_OK;
}

/* Compute a result like a from rows, by a task. */
static int groups_run(call *c, groups_job *job, double cost, range_task task)
{
    const array *a = job->b.a;
    MG_TRY(result_new(c, a->dtype, a->rank, a->shape));
    job->out = c->result->data;
    if (a->count) rows_share(&job->b, cost, task, job);
    return MG_OK;
}

/* Return where row r begins in an array like a. */
static int64_t row_at(const groups_job *job, int64_t r)
{
    return r * job->b.n * dtype_sizes[job->b.a->dtype];
}

static void group_norm_range(void *context, int64_t first, int64_t end)
{
    const groups_job *job = context;
    const array *a = job->b.a;
    kernels()->layer_norm[wide_index(a->dtype)](
        end - first, job->b.n, a->data + row_at(job, first), job->weight, job->bias, first,
        job->groups, job->epsilon, job->out + row_at(job, first));
}

int forward_group_norm(call *c)
{
    groups_job job = {.weight = NULL};
    MG_TRY(groups_open(c, &job));
    MG_TRY(spread_new(c, &job, operand_of(c, 1), &job.weight));
    MG_TRY(spread_new(c, &job, operand_of(c, 2), &job.bias));
    return groups_run(c, &job, 2.0, group_norm_range);
}

static void group_back_range(void *context, int64_t first, int64_t end)
{
    const groups_job *job = context;
    const array *a = job->b.a;
    const int64_t at = row_at(job, first);
    kernels()->norm_back[wide_index(a->dtype)](end - first, job->b.n, a->data + at,
                                               job->g + at, job->weight, first,
                                               job->groups, true, job->epsilon,
                                               job->out + at);
}

int forward_group_back(call *c)
{
    groups_job job = {.weight = NULL};
    const array *g;
    MG_TRY(groups_open(c, &job));
    MG_TRY(get_gradient(c, job.b.a, operand_of(c, 1), &g));
    MG_TRY(spread_new(c, &job, operand_of(c, 2), &job.weight));
    job.g = g->data;
    return groups_run(c, &job, 4.0, group_back_range);
}

/* One row after the other, while it is in a cache. */
static void group_sums_range(void *context, int64_t first, int64_t end)
{
    const groups_job *job = context;
    const kernel_set *set = kernels();
    const array *a = job->b.a;
    const int which = wide_index(a->dtype);
    const int64_t size = dtype_sizes[a->dtype], half = a->shape[0] * a->shape[1] * size;
    for (int64_t r = first; r < end; r++) {
        _Alignas(double) char by[sizeof(double)], mean[sizeof(double)];
        _Alignas(double) char scale[sizeof(double)]; /* of this row */
        const char *of_a = a->data + row_at(job, r), *g = job->g + row_at(job, r);
        char *out = job->out + r * job->per * size;
        set->norm_scales[which](1, job->b.n, of_a, true, job->epsilon, by, mean, scale);
        set->norm_products[which](job->per, job->plane, of_a, g, job->per, by, mean, scale,
                                  out);
        set->reduce[REDUCE_SUM][which].rows(job->per, job->plane, g, job->plane,
                                            out + half);
    }
}

int forward_group_sums(call *c)
{
    groups_job job = {.weight = NULL};
    const array *g;
    MG_TRY(groups_open(c, &job));
    MG_TRY(get_gradient(c, job.b.a, operand_of(c, 1), &g));
    const array *a = job.b.a;
    const int64_t shape[] = {2, a->shape[0], a->shape[1]};
    MG_TRY(result_new(c, a->dtype, 3, shape));
    array_fill(c->result, 0.0); /* of planes without elements */
    job.g = g->data;
    job.out = c->result->data;
    if (a->count) rows_share(&job.b, 3.0, group_sums_range, &job);
    return MG_OK;
}

/* ---- planes ------------------------------------------------------------------------ */

/* Planes of the channels of images, and what an op takes besides. */
typedef struct channels_job {
    const array *a, *g;
    const char *numbers[4]; /* (channels), NULL: none */
    int64_t n, channels;
    char *out;
    int64_t out_row;
} channels_job;

/* Open a job: a, from operand `first` on numbers of channels. */
static int channels_open(call *c, int first, channels_job *job)
{
    const array *a = operand_of(c, 0), *numbers;
    MG_TRY(check_planes(a));
    job->n = shape_product(a->shape, 2, a->rank);
    job->channels = a->shape[1];
    MG_TRY(array_cast(c, a, a->dtype, true, &job->a));
    for (int i = first; i < c->operand_count; i++) {
        MG_TRY(check_channels(a, operand_of(c, i)));
        MG_TRY(array_cast(c, operand_of(c, i), a->dtype, true, &numbers));
        job->numbers[i - first] = numbers->data;
    }
    return MG_OK;
}

/* Do planes [first, end), of which `channels` are of one image: so many at a time. */
static void channels_run(channels_job *job, range_task task)
{
    const int64_t planes = job->n ? job->a->count / job->n : 0;
    const int64_t images = job->channels ? planes / job->channels : 0;
    parallel_ranges(images, 2.0 * (double)(job->channels * job->n), task, job);
}

/* Return where a job's image number i begins in an array of its shape. */
static const char *image_of(const channels_job *job, const array *of, int64_t i)
{
    return of ? of->data + i * job->channels * job->n * dtype_sizes[of->dtype] : NULL;
}

static void plane_sums_range(void *context, int64_t first, int64_t end)
{
    const channels_job *job = context;
    kernels()->plane_sums[wide_index(job->a->dtype)](
        (end - first) * job->channels, job->n, image_of(job, job->a, first),
        image_of(job, job->g, first), job->numbers[0], job->channels,
        job->out + first * job->out_row);
}

int forward_plane_means(call *c)
{
    channels_job job = {0};
    array *sums;
    const int count = c->operand_count;
    const array *a = operand_of(c, 0), *g = count > 2 ? operand_of(c, 2) : NULL;
    c->operand_count = 2;
    int status = channels_open(c, 1, &job);
    c->operand_count = count;
    MG_TRY(status);
    if (g) MG_TRY(get_gradient(c, a, g, &job.g));
    MG_TRY(result_new(c, a->dtype, 1, a->shape + 1));
    MG_TRY(scratch_new(c, a->dtype, 2, a->shape, &sums));
    job.out = sums->data;
    job.out_row = job.channels * dtype_sizes[a->dtype];
    if (a->count == 0) {
        array_fill(c->result, (double)NAN);
        return MG_OK;
    }
    channels_run(&job, plane_sums_range);
    array_divide(sums, (double)job.n);
    MG_TRY(reduce_into(c, REDUCE_SUM, sums, a->dtype, 1, c->result));
    array_divide(c->result, (double)a->shape[0]);
    return MG_OK;
}

static void plane_scale_range(void *context, int64_t first, int64_t end)
{
    const channels_job *job = context;
    kernels()->plane_scale[wide_index(job->a->dtype)](
        (end - first) * job->channels, job->n, image_of(job, job->a, first),
        job->numbers[0], job->numbers[1], job->numbers[2], job->channels,
        job->out + first * job->out_row);
}

/* Compute a result like a from planes. */
static int channels_map(call *c, channels_job *job, range_task task)
{
    const array *a = job->a;
    MG_TRY(result_new(c, a->dtype, a->rank, a->shape));
    job->out = c->result->data;
    job->out_row = job->channels * job->n * dtype_sizes[a->dtype];
    channels_run(job, task);
    return MG_OK;
}

int forward_plane_scale(call *c)
{
    channels_job job = {0};
    MG_TRY(channels_open(c, 1, &job));
    return channels_map(c, &job, plane_scale_range);
}

static void plane_back_range(void *context, int64_t first, int64_t end)
{
    const channels_job *job = context;
    kernels()->plane_back[wide_index(job->a->dtype)](
        (end - first) * job->channels, job->n, image_of(job, job->a, first),
        image_of(job, job->g, first), job->numbers[0], job->numbers[1], job->numbers[2],
        job->numbers[3], job->channels, job->out + first * job->out_row);
}

int forward_plane_back(call *c)
{
    channels_job job = {0};
    MG_TRY(channels_open(c, 2, &job));
    MG_TRY(get_gradient(c, job.a, operand_of(c, 1), &job.g));
    return channels_map(c, &job, plane_back_range);
}
