/* vjp_rows.c: gradients of what is computed along rows: softmax, cross-entropy, norms.
 *
 * Recorded, they are made of ops; else, of float32 and float64, one kernel goes through
 * the rows and computes the same bits. */
#include "arrays/rule.h"

/* ---- softmax ----------------------------------------------------------------------- */

static void back_rows(const rows_job *job, int64_t rows, const char *y, char *out)
{
    job->back(rows, job->box->n, y, job->g + (y - job->box->a->data), out);
}

/* Run a kernel over the rows of a result: that of softmax, or of log_softmax. */
static int rows_back_run(mg_arena *arena, const deed *of)
{
    const array *y = of->arrays[0], *g = of->arrays[1], *out = of->arrays[2];
    const kernel_set *set = kernels();
    const back_kernel *table =
        of->integers[0] ? set->log_softmax_back : set->softmax_back;
    box b = {.a = y, .n = y->shape[y->rank - 1], .inner = 1};
    (void)arena;
    b.outer = y->count / b.n;
    rows_job job = {.compute = back_rows, .back = table[wide_index(y->dtype)]};
    job.out = out->data, job.g = g->data;
    job.out_row = b.n * dtype_sizes[y->dtype];
    rows_run(&job, &b, 8.0);
    return MG_OK;
}

static uint32_t rows_back(const rule *r, bool is_log)
{
    scope *s = r->s;
    uint32_t of_y = contiguous(s, rule_result(r)), of_g = contiguous(s, r->g), made;
    if (s->status < 0) return 0;
    const array *y = array_in(s, of_y);
    array *out = array_made(s, y->dtype, y->rank, y->shape, &made);
    if (!out) return 0;
    deed of = {DEED(rows_back_run), .arrays = {y, array_in(s, of_g), out}};
    of.writes = of.fills = 1 << 2;
    of.integers[0] = is_log;
    perform(s->arena, &of);
    return made;
}

/* Tell whether the axis is the last: rows are contiguous. */
static bool is_along_rows(const rule *r)
{
    return integers(r)[0] == operand_array(r, 0)->rank - 1;
}

/* y * (g - sum of g * y) */
uint32_t vjp_softmax(const rule *r)
{
    scope *s = r->s;
    if (has_kernel(r) && is_along_rows(r))
        return rule_fit(r, rows_back(r, false));
    uint32_t y = rule_result(r);
    uint32_t sum =
        scope_reduce(s, MG_SUM, apply2(s, MG_MUL, r->g, y), 1u << integers(r)[0], true);
    return rule_fit(r, apply2(s, MG_MUL, y, apply2(s, MG_SUB, r->g, sum)));
}

/* g - exp(y) * sum of g */
uint32_t vjp_log_softmax(const rule *r)
{
    scope *s = r->s;
    if (has_kernel(r) && is_along_rows(r))
        return rule_fit(r, rows_back(r, true));
    uint32_t sum = scope_reduce(s, MG_SUM, r->g, 1u << integers(r)[0], true);
    uint32_t share = apply1(s, MG_EXP, rule_result(r));
    return rule_fit(r, apply2(s, MG_SUB, r->g, apply2(s, MG_MUL, share, sum)));
}

/* ---- cross-entropy ----------------------------------------------------------------- */

/* Fill what softmax should be, unless that is NULL, and the weight of each row. */
#define EXPECTED(T, name) \
    static void name(int64_t n, int64_t classes, const int64_t *targets, \
                     int64_t ignored, double smoothing, double weight, void *expected, \
                     void *weights) \
    { \
        T *t = expected, *w = weights, even = (T)smoothing / (T)classes; \
        for (int64_t i = 0; i < n; i++) { \
            bool counts = targets[i] != ignored; \
            w[i] = counts ? (T)weight : (T)0; \
            if (!t) continue; \
            for (int64_t j = 0; j < classes; j++) t[i * classes + j] = even; \
            if (counts) t[i * classes + targets[i]] += (T)1 - (T)smoothing; \
        } \
    }
EXPECTED(float, expected_float32)
EXPECTED(double, expected_float64)
#undef EXPECTED

/* Count the targets that are not ignored, and tell which ones. The memory may be shared
 * with the caller: they are looked at again. -1: one is no class. */
static int64_t targets_count(const array *targets, int64_t classes, int64_t ignored,
                             uint8_t *counts)
{
    const int64_t *t = (const int64_t *)targets->data;
    int64_t counted = 0, wrong = 0;
    for (int64_t i = 0; i < targets->count; i++) {
        counts[i] = t[i] != ignored;
        if (counts[i] && (t[i] < 0 || t[i] >= classes)) wrong = 1;
        counted += counts[i];
    }
    return wrong ? -1 : counted;
}

/* Fill which targets count, the weights of rows, and what is expected, if it is wanted. */
static int targets_run(mg_arena *arena, const deed *of)
{
    const array *t = of->arrays[0], *weights = of->arrays[1], *counts = of->arrays[2];
    const array *expected = of->arrays[3];
    const int64_t is_mean = of->integers[0], ignored = of->integers[1];
    const int64_t classes = of->integers[2];
    (void)arena;
    int64_t counted = targets_count(t, classes, ignored, (uint8_t *)counts->data);
    MG_RETURN_IF(counted < 0, MG_ERR_CHANGED);
    double weight = is_mean ? 1.0 / (double)counted : 1.0;
    (weights->dtype == MG_FLOAT32 ? expected_float32 : expected_float64)(
        t->count, classes, (const int64_t *)t->data, ignored, of->numbers[0], weight,
        expected ? expected->data : NULL, weights->data);
    return MG_OK;
}

static void cross_entropy_rows(const rows_job *job, int64_t rows, const char *a,
                               char *out)
{
    int64_t first = (out - job->out) / job->out_row;
    int dtype = job->box->a->dtype;
    kernels()->cross_entropy_back[wide_index(dtype)](
        rows, job->box->n, a, NULL, NULL, job->targets + first, job->ignored, job->number,
        job->weight + first * dtype_sizes[dtype], out);
}

int cross_entropy_run(mg_arena *arena, const deed *of)
{
    const array *a = of->arrays[0], *out = of->arrays[3];
    box b = {.a = a, .outer = a->shape[0], .n = a->shape[1], .inner = 1};
    rows_job job = {.compute = cross_entropy_rows};
    (void)arena;
    job.targets = (const int64_t *)of->arrays[2]->data;
    job.ignored = of->integers[0], job.number = of->numbers[0];
    job.weight = of->arrays[1]->data;
    job.out = out->data, job.out_row = b.n * dtype_sizes[a->dtype];
    const char *exps = of->softmax;
    if (exps)
        kernels()->cross_entropy_back[wide_index(a->dtype)](
            b.outer, b.n, a->data, exps, exps + a->count * dtype_sizes[a->dtype],
            job.targets, job.ignored, job.number, job.weight, out->data);
    else
        rows_run(&job, &b, 8.0);
    return MG_OK;
}

/* Compute the gradient of contiguous logits; weights (n, 1) are those of the rows, times
 * g. */
static uint32_t cross_entropy_computed(const rule *r, uint32_t logits, uint32_t targets,
                                       uint32_t weights)
{
    scope *s = r->s;
    uint32_t made;
    logits = contiguous(s, logits), weights = contiguous(s, weights);
    if (s->status < 0) return 0;
    const array *a = array_in(s, logits);
    array *out = array_made(s, a->dtype, 2, a->shape, &made);
    if (!out) return 0;
    deed of = {DEED(cross_entropy_run), .writes = 1 << 3, .fills = 1 << 3};
    of.arrays[0] = a, of.arrays[1] = array_in(s, weights);
    of.arrays[2] = array_in(s, targets), of.arrays[3] = out;
    of.integers[0] = integers(r)[1], of.numbers[0] = number_of(r);
    perform(s->arena, &of);
    return made;
}

/* (softmax(logits) - expected) * weights, 0 in rows that are ignored, recorded. */
static uint32_t cross_entropy_recorded(const rule *r, uint32_t logits,
                                       uint32_t of_expected, uint32_t weights,
                                       uint32_t counts)
{
    scope *s = r->s;
    const int64_t last = 1;
    if (s->status < 0) return 0;
    uint32_t zero = scope_constant(s, array_in(s, logits)->dtype, 0.0);
    if (counts) logits = choose(s, counts, logits, zero);
    uint32_t softmax = with_integers(s, MG_SOFTMAX, logits, 1, &last);
    uint32_t made =
        apply2(s, MG_MUL, apply2(s, MG_SUB, softmax, of_expected), weights);
    return counts ? choose(s, counts, made, zero) : made;
}

uint32_t vjp_cross_entropy(const rule *r)
{
    scope *s = r->s;
    if (r->which != 0) return 0;
    uint32_t logits = rule_value(r, 0),
             targets = scope_cast(s, rule_value(r, 1), MG_INT64);
    targets = apply1(s, MG_CLONE, targets);
    if (s->status < 0) return 0;
    const array *a = array_in(s, logits), *t = array_in(s, targets);
    int dtype = compute_dtype(a->dtype);
    int64_t column[] = {a->shape[0], 1};
    uint32_t of_expected = 0, of_weights, of_counts;
    array *weights = array_made(s, dtype, 2, column, &of_weights);
    array *counts = array_made(s, MG_BOOL, 2, column, &of_counts);
    array *expected = NULL;
    if (s->record) expected = array_made(s, dtype, 2, a->shape, &of_expected);
    if (s->status < 0) return 0;
    deed of = {DEED(targets_run), .arrays = {t, weights, counts, expected}};
    of.writes = of.fills = expected ? 14 : 6;
    of.integers[0] = integers(r)[0] == MG_REDUCE_MEAN, of.integers[1] = integers(r)[1];
    of.integers[2] = a->shape[1];
    of.numbers[0] = number_of(r);
    s->status = perform(s->arena, &of);
    if (s->status < 0) return 0;
    bool ignores = memchr(counts->data, 0, (size_t)t->count) || recorder_of(s->arena);
    uint32_t g = scope_cast(s, r->g, dtype);
    if (integers(r)[0] == MG_REDUCE_NONE) g = reshape(s, g, 2, column);
    of_weights = apply2(s, MG_MUL, of_weights, g);
    logits = scope_cast(s, logits, dtype);
    uint32_t made =
        s->record ? cross_entropy_recorded(r, logits, of_expected, of_weights,
                                           ignores ? of_counts : 0)
                  : cross_entropy_computed(r, logits, targets, of_weights);
    return rule_fit(r, made);
}

/* ---- norms ------------------------------------------------------------------------- */

/* A norm's operand and gradient, in the type that is computed in, as rows. */
typedef struct norm_rows_of {
    box b;
    uint32_t a, g;
} norm_rows_of;

static norm_rows_of norm_rows_open(const rule *r)
{
    scope *s = r->s;
    norm_rows_of p = {.b = {.inner = 1}};
    int dtype = compute_dtype(operand_array(r, 0)->dtype);
    p.a = contiguous(s, scope_cast(s, rule_value(r, 0), dtype));
    p.g = contiguous(s, scope_cast(s, r->g, dtype));
    if (s->status < 0) return p;
    const array *a = array_in(s, p.a);
    p.b.a = a;
    p.b.n = shape_product(a->shape, a->rank - (int)integers(r)[0], a->rank);
    p.b.outer = p.b.n ? a->count / p.b.n : 0;
    return p;
}

/* What norms know of each row: by, mean, scale; and the sums of g * normal over rows. */
typedef struct norm_job {
    const box *b;
    const char *g;
    char *by, *mean, *scale, *lanes, *out;
    bool centered;
    double epsilon;
} norm_job;

/* See an array as rows of n elements. */
static box rows_of(const array *a, int64_t n)
{
    return (box){.a = a, .outer = a->count / n, .n = n, .inner = 1};
}

/* Find by, mean and scale in an array of all three. */
static norm_job norm_job_of(const box *b, const array *scales)
{
    norm_job job = {.b = b, .by = scales->data};
    job.mean = job.by + b->outer * dtype_sizes[scales->dtype];
    job.scale = job.mean + b->outer * dtype_sizes[scales->dtype];
    return job;
}

static void norm_scales_range(void *context, int64_t first, int64_t end)
{
    const norm_job *job = context;
    int64_t size = dtype_sizes[job->b->a->dtype], n = job->b->n;
    kernels()->norm_scales[wide_index(job->b->a->dtype)](
        end - first, n, job->b->a->data + first * n * size, job->centered, job->epsilon,
        job->by + first * size, job->mean + first * size, job->scale + first * size);
}

static int norm_scales_run(mg_arena *arena, const deed *of)
{
    box b = rows_of(of->arrays[0], of->integers[0]);
    norm_job job = norm_job_of(&b, of->arrays[1]);
    (void)arena;
    job.centered = of->integers[1] != 0, job.epsilon = of->numbers[0];
    rows_share(&b, 2.0, norm_scales_range, &job);
    return MG_OK;
}

/* Compute by, mean and scale of all rows. */
static const array *norm_scales(const rule *r, const box *b, bool centered)
{
    scope *s = r->s;
    uint32_t made;
    const int64_t three[] = {3, b->outer};
    array *scales = array_made(s, b->a->dtype, 2, three, &made);
    if (!scales) return NULL;
    deed of = {DEED(norm_scales_run), .arrays = {b->a, scales}, .writes = 2, .fills = 2};
    of.integers[0] = b->n, of.integers[1] = centered;
    of.numbers[0] = number_of(r);
    perform(s->arena, &of);
    return scales;
}

/* Copy by from what is known of each row. */
static int norm_powers_run(mg_arena *arena, const deed *of)
{
    const array *scales = of->arrays[0], *by = of->arrays[1];
    (void)arena;
    memcpy(by->data, scales->data, (size_t)(by->count * dtype_sizes[by->dtype]));
    return MG_OK;
}

/* ---- recorded ---------------------------------------------------------------------- */

/* What the gradients of both norms are made of, in the type that is computed in. */
typedef struct norm_parts {
    unsigned axes; /* those that are normalized */
    uint32_t a, g, scale, normal;
    uint32_t by; /* 0: no row is multiplied by a power of two */
} norm_parts;

static bool is_all_one(const array *a, const char *numbers, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (a->dtype == MG_FLOAT32 ? ((const float *)(const void *)numbers)[i] != 1.0f
                                   : ((const double *)(const void *)numbers)[i] != 1.0)
            return false;
    return true;
}

/* Check that a program has powers as it had when it was recorded: its sums of gradients
 * of gradients depend on that. */
static int norm_powers_check(mg_arena *arena, const deed *of)
{
    const array *scales = of->arrays[0];
    (void)arena;
    const bool is_one = is_all_one(scales, scales->data, of->integers[0]);
    return is_one == (of->integers[1] != 0) ? MG_OK : MG_ERR_RECORDED;
}

/* Return the powers of two by which rows are multiplied, with axes of size 1, or 0. */
static uint32_t norm_powers(const rule *r, bool centered)
{
    scope *s = r->s;
    uint32_t made;
    int64_t shape[MG_MAX_RANK];
    norm_rows_of p = norm_rows_open(r);
    if (s->status < 0 || p.b.n == 0) return 0;
    const array *a = p.b.a;
    const array *scales = norm_scales(r, &p.b, centered);
    if (!scales) return 0;
    deed same = {DEED(norm_powers_check), .arrays = {scales}};
    same.integers[0] = p.b.outer;
    same.integers[1] = is_all_one(a, scales->data, p.b.outer);
    deed_remember(s->arena, &same);
    if (same.integers[1]) return 0;
    for (int d = 0; d < a->rank; d++)
        shape[d] = d < a->rank - (int)integers(r)[0] ? a->shape[d] : 1;
    array *by = array_made(s, a->dtype, a->rank, shape, &made);
    deed of = {DEED(norm_powers_run), .arrays = {scales, by}, .writes = 2, .fills = 2};
    if (by) perform(s->arena, &of);
    return made;
}

static norm_parts norm_open(const rule *r, bool centered)
{
    scope *s = r->s;
    norm_parts p = {0};
    const array *a = operand_array(r, 0);
    int dtype = compute_dtype(a->dtype);
    for (int64_t i = 0; i < integers(r)[0]; i++) p.axes |= 1u << (a->rank - 1 - i);
    p.by = norm_powers(r, centered);
    p.g = scope_cast(s, r->g, dtype);
    p.a = scope_cast(s, rule_value(r, 0), dtype);
    uint32_t epsilon = scope_constant(s, dtype, number_of(r));
    if (p.by) {
        p.a = apply2(s, MG_MUL, p.a, p.by);
        epsilon = apply2(s, MG_MUL, apply2(s, MG_MUL, epsilon, p.by), p.by);
    }
    if (centered)
        p.a = apply2(s, MG_SUB, p.a, scope_reduce(s, MG_MEAN, p.a, p.axes, true));
    uint32_t squares = apply2(s, MG_MUL, p.a, p.a);
    uint32_t mean = scope_reduce(s, MG_MEAN, squares, p.axes, true);
    p.scale = apply1(s, MG_RSQRT, apply2(s, MG_ADD, mean, epsilon));
    p.normal = apply2(s, MG_MUL, p.a, p.scale);
    return p;
}

/* (scale * by) * (h - mean h - normal * mean of h * normal), h = g * weight; without mean
 * h for the norm that does not subtract the mean. */
static uint32_t norm_recorded(const rule *r, bool centered)
{
    scope *s = r->s;
    norm_parts p = norm_open(r, centered);
    if (r->which == 1)
        return scope_sum_to(s, apply2(s, MG_MUL, p.g, p.normal), operand_array(r, 1));
    uint32_t h = p.g;
    if (s->status < 0) return 0;
    if (array_in(s, r->y)->operand_count > 1)
        h = apply2(s, MG_MUL, h, scope_cast(s, rule_value(r, 1), array_in(s, h)->dtype));
    uint32_t shared =
        scope_reduce(s, MG_MEAN, apply2(s, MG_MUL, h, p.normal), p.axes, true);
    uint32_t less = h;
    if (centered) less = apply2(s, MG_SUB, h, scope_reduce(s, MG_MEAN, h, p.axes, true));
    less = apply2(s, MG_SUB, less, apply2(s, MG_MUL, p.normal, shared));
    uint32_t slope = p.by ? apply2(s, MG_MUL, p.scale, p.by) : p.scale;
    return apply2(s, MG_MUL, slope, less);
}

/* ---- computed ---------------------------------------------------------------------- */

static void norm_rows(const rows_job *job, int64_t rows, const char *a, char *out)
{
    kernels()->norm_back[wide_index(job->box->a->dtype)](
        rows, job->box->n, a, job->g + (a - job->box->a->data), job->weight, 0, 1,
        job->centered, job->number, out);
}

static int norm_run(mg_arena *arena, const deed *of)
{
    const array *g = of->arrays[1], *weight = of->arrays[2], *out = of->arrays[3];
    box b = rows_of(of->arrays[0], of->integers[0]);
    rows_job job = {.compute = norm_rows, .centered = of->integers[1] != 0};
    (void)arena;
    job.number = of->numbers[0];
    job.weight = weight ? weight->data : NULL;
    job.g = g->data;
    job.out = out->data, job.out_row = b.n * dtype_sizes[out->dtype];
    rows_run(&job, &b, 4.0);
    return MG_OK;
}

/* What the norm passes on to its operand, in one pass over the rows. */
static uint32_t norm_computed(const rule *r, bool centered)
{
    scope *s = r->s;
    uint32_t made, weight = 0;
    norm_rows_of p = norm_rows_open(r);
    if (s->status < 0) return 0;
    const array *a = p.b.a;
    if (array_in(s, r->y)->operand_count > 1)
        weight = contiguous(s, scope_cast(s, rule_value(r, 1), a->dtype));
    array *out = array_made(s, a->dtype, a->rank, a->shape, &made);
    if (!out) return 0;
    deed of = {DEED(norm_run), .arrays = {a, array_in(s, p.g), NULL, out}};
    of.arrays[2] = weight ? array_in(s, weight) : NULL;
    of.writes = of.fills = 1 << 3;
    of.integers[0] = p.b.n, of.integers[1] = centered;
    of.numbers[0] = number_of(r);
    perform(s->arena, &of);
    return made;
}

enum { STRIP = 1024 }; /* columns whose lanes fit in the second cache */

static void norm_weight_range(void *context, int64_t first, int64_t end)
{
    const norm_job *job = context;
    int64_t size = dtype_sizes[job->b->a->dtype];
    for (int64_t width; first < end; first += width) {
        width = end - first < STRIP ? end - first : STRIP;
        kernels()->norm_weight[wide_index(job->b->a->dtype)](
            job->b->outer, width, job->b->a->data + first * size, job->g + first * size,
            job->b->n, job->by, job->mean, job->scale,
            job->lanes + first * NORM_LANES * size, job->out + first * size);
    }
}

static int norm_weight_run(mg_arena *arena, const deed *of)
{
    box b = rows_of(of->arrays[0], of->integers[0]);
    norm_job job = norm_job_of(&b, of->arrays[2]);
    (void)arena;
    job.g = of->arrays[1]->data;
    job.lanes = of->arrays[3]->data, job.out = of->arrays[4]->data;
    parallel_ranges(b.n, (double)b.outer, norm_weight_range, &job);
    return MG_OK;
}

/* Tell whether there is a sum over rows, which makes -0 to 0, and lanes take no more
 * memory than the rows or little. */
static bool has_rows(const rule *r)
{
    const array *y = array_in(r->s, r->y), *weight = operand_array(r, 1);
    bool fits = weight->count <= STRIP || y->count / weight->count >= NORM_LANES;
    return !shape_equal(y, weight) && fits;
}

static uint32_t norm_weight_computed(const rule *r, bool centered)
{
    scope *s = r->s;
    uint32_t made, of_lanes;
    norm_rows_of p = norm_rows_open(r);
    if (s->status < 0) return 0;
    const array *weight = operand_array(r, 1);
    const int64_t room[] = {NORM_LANES, p.b.n};
    const array *scales = norm_scales(r, &p.b, centered);
    array *lanes = array_made(s, p.b.a->dtype, 2, room, &of_lanes);
    array *out = array_made(s, p.b.a->dtype, weight->rank, weight->shape, &made);
    if (!out) return 0;
    deed of = {DEED(norm_weight_run), .writes = 24, .fills = 24};
    of.arrays[0] = p.b.a, of.arrays[1] = array_in(s, p.g), of.arrays[2] = scales;
    of.arrays[3] = lanes, of.arrays[4] = out;
    of.integers[0] = p.b.n;
    perform(s->arena, &of);
    return made;
}

/* ---- computed for all operands at once --------------------------------------------- */

/* Tell whether a sweep asks for what goes to weight and bias, too. */
static bool others_ask(const rule *r)
{
    const scope *s = r->s;
    if (!s->ahead || array_in(s, r->y)->operand_count != 3) return false;
    return node_at(s->arena, operand(r, 1))->bits & REQUIRES &&
           node_at(s->arena, operand(r, 2))->bits & REQUIRES;
}

/* Tell whether what goes to weight and bias comes ahead: they ask for it, rows are not
 * shared among threads, nor many for work that may be given up, and lanes of both stay in
 * a cache. */
static bool goes_ahead(const rule *r)
{
    if (!others_ask(r) || !has_rows(r)) return false;
    const array *a = operand_array(r, 0), *weight = operand_array(r, 1);
    bool same = a->dtype == weight->dtype && a->dtype == operand_array(r, 2)->dtype;
    const double cost = 4.0 * (double)a->count;
    const bool asks = is_work_open() && cost > 4.0 * (double)ASKED_COST;
    return same && weight->count <= 2 * STRIP && !asks && parallel_parts(cost) == 1;
}

static int norm_all_run(mg_arena *arena, const deed *of)
{
    const array *a = of->arrays[0];
    const box b = rows_of(a, of->integers[0]);
    (void)arena;
    kernels()->norm_all_back[wide_index(a->dtype)](
        b.outer, b.n, a->data, of->arrays[1]->data, of->arrays[2]->data,
        of->integers[1] != 0, of->numbers[0], of->arrays[3]->data, of->arrays[4]->data,
        of->arrays[5]->data, of->arrays[6]->data);
    return MG_OK;
}

/* What the norm passes on to all operands, while rows are in a cache. */
static uint32_t norm_all_computed(const rule *r, bool centered)
{
    scope *s = r->s;
    uint32_t made, of_lanes, others[2];
    norm_rows_of p = norm_rows_open(r);
    uint32_t of_weight = contiguous(s, rule_value(r, 1));
    if (s->status < 0) return 0;
    const array *a = p.b.a, *weight = array_in(s, of_weight);
    const int64_t room[] = {2 * NORM_LANES, p.b.n};
    deed of = {DEED(norm_all_run), .arrays = {a, array_in(s, p.g), weight}};
    of.arrays[3] = array_made(s, a->dtype, 2, room, &of_lanes);
    of.arrays[4] = array_made(s, a->dtype, a->rank, a->shape, &made);
    for (int i = 0; i < 2; i++)
        of.arrays[5 + i] =
            array_made(s, a->dtype, weight->rank, weight->shape, &others[i]);
    if (s->status < 0) return 0;
    of.writes = of.fills = 0x78; /* 3 to 6 */
    of.integers[0] = p.b.n, of.integers[1] = centered;
    of.numbers[0] = number_of(r);
    perform(s->arena, &of);
    for (int i = 0; i < 2; i++) ahead_put(r, 1 + i, others[i]);
    return made;
}

static uint32_t vjp_norm(const rule *r, bool centered)
{
    scope *s = r->s;
    uint32_t found = ahead_take(r);
    if (found) return rule_fit(r, found);
    if (r->which == 0 && has_kernel(r) && goes_ahead(r))
        return rule_fit(r, norm_all_computed(r, centered));
    if (r->which == 2) { /* a bias, whose sum needs no more than g */
        uint32_t g = scope_cast(s, r->g, compute_dtype(operand_array(r, 0)->dtype));
        return rule_fit(r, scope_sum_to(s, g, operand_array(r, 2)));
    }
    if (r->which == 0 && has_kernel(r)) return rule_fit(r, norm_computed(r, centered));
    if (r->which == 1 && has_kernel(r) && has_rows(r))
        return rule_fit(r, norm_weight_computed(r, centered));
    return rule_fit(r, norm_recorded(r, centered));
}

uint32_t vjp_layer_norm(const rule *r)
{
    return vjp_norm(r, true);
}

uint32_t vjp_rms_norm(const rule *r)
{
    return vjp_norm(r, false);
}
