/* map.c: elementwise loops over arrays of any shapes, strides and types, by way of
 * kernels that see contiguous elements of one type.
 *
 * Axes that lie behind each other in every operand become one first, so that most work is
 * one run over all elements. Else pieces are copied to blocks on the stack, where they
 * fit the first cache: strides, broadcasting and conversions are no concern of the
 * kernels. The result of an element does not depend on the piece it is in. */
#include "arrays/arrays.h"
#include "arrays/walk.h"

enum {
    BLOCK = 256,     /* elements of a piece that is copied */
    SHORT_RUN = 128, /* below this, pieces are copied across rows, */
    LEAST_RUN = 32,  /* also where nothing needs a copy in a run */
    TILE = 32,       /* rows and columns of a part of a transposed copy */
    MAX_INPUTS = 4,
    OUTPUT = MAX_INPUTS, /* the output's side */
    STREAM = 1 << 18,    /* arrays of as many elements are in no cache: */
    AHEAD = 256          /* elements that such arrays are fetched ahead */
};

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* One operand or the output, seen along the axes of the job. */
typedef struct side {
    char *data;
    int64_t strides[MG_MAX_RANK];
    int dtype;  /* of the elements in memory */
    int wanted; /* the kernel's */
    size_t size;
    bool flat;    /* element i lies at i: no axis has a gap or another order */
    bool single;  /* there is one element for all */
    bool repeats; /* the kernel can take a single element */
} side;

typedef union map_piece {
    int64_t aligned;
    char bytes[BLOCK * 8];
} map_piece;

typedef struct map_job {
    int input_count, rank;
    int64_t count, shape[MG_MAX_RANK];
    side sides[MAX_INPUTS + 1];
    bool direct; /* no side needs a copy */
    double cost; /* of an element */
    double number;
    map_kernel value; /* one of these three; or none, to copy */
    gradient_kernel gradient;
    choose_kernel choose;
} map_job;

/* ---- axes -------------------------------------------------------------------------- */

static void side_open(map_job *job, int which, const array *a, int wanted)
{
    side *s = &job->sides[which];
    s->data = a->data;
    s->dtype = a->dtype;
    s->wanted = wanted;
    s->size = dtype_sizes[a->dtype];
    s->repeats = false;
    int missing = job->rank - a->rank;
    for (int d = 0; d < job->rank; d++) {
        bool repeated = d < missing || a->shape[d - missing] == 1;
        s->strides[d] = repeated ? 0 : a->strides[d - missing];
    }
}

/* Tell whether axes d and d + 1 are one for every side. */
static bool axes_merge(const map_job *job, int d)
{
    for (int which = 0; which <= OUTPUT; which++) {
        const side *s = &job->sides[which];
        if (which >= job->input_count && which != OUTPUT) continue;
        if (s->strides[d] != s->strides[d + 1] * job->shape[d + 1]) return false;
    }
    return true;
}

static void axis_remove(map_job *job, int d)
{
    for (int axis = d; axis + 1 < job->rank; axis++) {
        job->shape[axis] = job->shape[axis + 1];
        for (int which = 0; which <= OUTPUT; which++)
            job->sides[which].strides[axis] = job->sides[which].strides[axis + 1];
    }
    job->rank--;
}

static bool is_flat(const map_job *job, const side *s)
{
    int64_t stride = 1;
    for (int d = job->rank - 1; d >= 0; d--) {
        if (s->strides[d] != stride) return false;
        stride *= job->shape[d];
    }
    return true;
}

/* Drop axes of size 1 and merge those that lie behind each other. */
static void axes_simplify(map_job *job)
{
    for (int d = job->rank - 1; d >= 0; d--)
        if (job->shape[d] == 1) axis_remove(job, d);
    for (int d = job->rank - 2; d >= 0; d--) {
        if (!axes_merge(job, d)) continue;
        job->shape[d + 1] *= job->shape[d];
        axis_remove(job, d);
    }
    job->direct = true;
    for (int which = 0; which <= OUTPUT; which++) {
        side *s = &job->sides[which];
        if (which >= job->input_count && which != OUTPUT) continue;
        s->flat = is_flat(job, s);
        s->single = job->rank == 0 || (job->rank == 1 && s->strides[0] == 0);
        bool usable = s->flat || (s->single && s->repeats);
        if (!usable || s->dtype != s->wanted) job->direct = false;
    }
}

/* Open a job over the elements of out. */
static void job_open(map_job *job, const array *out, int kernel_dtype)
{
    job->input_count = 0;
    job->rank = out->rank;
    job->count = out->count;
    memcpy(job->shape, out->shape, out->rank * sizeof *out->shape);
    job->value = NULL;
    job->gradient = NULL;
    job->choose = NULL;
    job->number = 0.0;
    job->cost = 1.0;
    side_open(job, OUTPUT, out, kernel_dtype);
}

static void job_input(map_job *job, const array *a, int wanted, bool repeats)
{
    side_open(job, job->input_count, a, wanted);
    job->sides[job->input_count].repeats = repeats;
    job->input_count++;
}

/* ---- pieces ------------------------------------------------------------------------ */

void copy_row(int64_t n, size_t size, const char *from, int64_t from_stride, char *to,
              int64_t to_stride)
{
    if (from_stride == 1 && to_stride == 1) {
        copy_bytes((size_t)n * size, from, to);
        return;
    }
    switch (size) {
#define COPY_ROW(type) \
    if (from_stride == 0 && to_stride == 1) \
        for (int64_t i = 0; i < n; i++) ((type *)to)[i] = *(const type *)from; \
    else \
        for (int64_t i = 0; i < n; i++) \
            ((type *)to)[i * to_stride] = ((const type *)from)[i * from_stride]; \
    break
    case 1: COPY_ROW(uint8_t);
    case 2: COPY_ROW(uint16_t);
    case 4: COPY_ROW(uint32_t);
    default: COPY_ROW(uint64_t);
#undef COPY_ROW
    }
}

/* Copy elements [first, first + n) of a side to a block, or the other way. */
static void side_copy(const map_job *job, const side *s, int64_t first, int64_t n,
                      char *block, bool out)
{
    strided_walk rows;
    int last = job->rank - 1;
    int64_t row = job->shape[last], stride = s->strides[last], start = first % row;
    walk_open(&rows, last, job->shape, s->strides, NULL);
    walk_to(&rows, first / row);
    for (; n > 0; start = 0, walk_next(&rows)) {
        int64_t run = row - start < n ? row - start : n;
        char *at = s->data + (rows.offset[0] + start * stride) * (int64_t)s->size;
        if (out)
            copy_row(run, s->size, block, 1, at, stride);
        else
            copy_row(run, s->size, at, stride, block, 1);
        block += (size_t)run * s->size;
        n -= run;
    }
}

/* Return where element number i of a side lies. */
static char *side_at(const map_job *job, const side *s, int64_t i)
{
    strided_walk w;
    walk_open(&w, job->rank, job->shape, s->strides, NULL);
    walk_to(&w, i);
    return s->data + w.offset[0] * (int64_t)s->size;
}

/* Return where elements first .. of a side lie one after the other, or NULL. */
static char *side_place(const map_job *job, const side *s, int64_t first, bool in_run,
                        bool *single)
{
    *single = s->single;
    if (s->flat) return s->data + first * (int64_t)s->size;
    if (s->single) return s->repeats ? s->data : NULL;
    int last = job->rank - 1;
    *single = s->strides[last] == 0;
    if (!in_run || s->strides[last] != (*single ? 0 : 1)) return NULL;
    if (*single && !s->repeats) return NULL;
    return side_at(job, s, first);
}

static void job_call(const map_job *job, int64_t n, const void *const *in,
                     unsigned repeats, void *out)
{
    if (job->value)
        job->value(n, in[0], in[1], out, job->number, repeats);
    else if (job->gradient)
        job->gradient(n, in[0], in[1], in[2], in[3], out, job->number);
    else if (job->choose)
        job->choose(n, in[0], in[1], in[2], out, repeats >> 1);
    else if (in[0] != out)
        memcpy(out, in[0], (size_t)n * dtype_sizes[job->sides[OUTPUT].wanted]);
}

/* Compute elements [first, first + n), which lie in one run or are at most BLOCK. */
static void job_piece(const map_job *job, int64_t first, int64_t n, bool in_run)
{
    map_piece packed[MAX_INPUTS + 1], converted[MAX_INPUTS + 1];
    const void *in[MAX_INPUTS] = {NULL, NULL, NULL, NULL};
    unsigned repeats = 0;
    bool single;
    for (int which = 0; which < job->input_count; which++) {
        const side *s = &job->sides[which];
        char *place = side_place(job, s, first, in_run, &single);
        if (place && single) repeats |= 1u << which;
        int64_t elements = place && single ? 1 : n;
        if (!place) {
            place = packed[which].bytes;
            side_copy(job, s, first, n, place, false);
        }
        if (s->dtype != s->wanted) {
            cast_elements(s->dtype, s->wanted, elements, place, converted[which].bytes);
            place = converted[which].bytes;
        }
        in[which] = place;
    }
    const side *s = &job->sides[OUTPUT];
    char *place = side_place(job, s, first, in_run, &single);
    char *computed = s->dtype == s->wanted && place ? place : converted[OUTPUT].bytes;
    job_call(job, n, in, repeats, computed);
    if (computed == place) return;
    if (s->dtype != s->wanted) {
        char *stored = place ? place : packed[OUTPUT].bytes;
        cast_elements(s->wanted, s->dtype, n, computed, stored);
        computed = stored;
    }
    if (computed != place) side_copy(job, s, first, n, computed, true);
}

/* Compute elements [first, end), when no side needs a copy. */
static void job_direct(const map_job *job, int64_t first, int64_t end)
{
    const void *in[MAX_INPUTS] = {NULL, NULL, NULL, NULL};
    unsigned repeats = 0;
    for (int which = 0; which < job->input_count; which++) {
        const side *s = &job->sides[which];
        in[which] = s->flat ? s->data + first * (int64_t)s->size : s->data;
        if (!s->flat) repeats |= 1u << which;
    }
    const side *out = &job->sides[OUTPUT];
    job_call(job, end - first, in, repeats, out->data + first * (int64_t)out->size);
}

/* Ask for the cache lines of elements [first, first + n) of a side. */
static void side_fetch(const side *s, int64_t first, int64_t n)
{
    const char *from = s->data + first * (int64_t)s->size;
    for (int64_t i = 0; s->flat && i < n * (int64_t)s->size; i += 64) PREFETCH(from + i);
}

/* job_direct of large arrays. A processor guesses what is read next, but not far enough
 * where a line takes long to compute. */
static void job_stream(const map_job *job, int64_t first, int64_t end)
{
    for (; end - first > 2 * AHEAD; first += AHEAD) {
        for (int which = 0; which < job->input_count; which++)
            side_fetch(&job->sides[which], first + AHEAD, AHEAD);
        side_fetch(&job->sides[OUTPUT], first + AHEAD, AHEAD);
        job_direct(job, first, first + AHEAD);
    }
    job_direct(job, first, end);
}

/* Tell whether a side lies, in each run, one after the other or is one element. */
static bool side_has_runs(const map_job *job, const side *s)
{
    int64_t stride = s->strides[job->rank - 1];
    return s->dtype == s->wanted && (stride == 1 || stride == 0);
}

/* Tell whether runs are long enough and no side needs a copy but of one for all. */
static bool has_runs(const map_job *job)
{
    if (job->rank < 1 || job->shape[job->rank - 1] < LEAST_RUN) return false;
    const side *out = &job->sides[OUTPUT];
    if (!side_has_runs(job, out) || out->strides[job->rank - 1] == 0) return false;
    for (int which = 0; which < job->input_count; which++)
        if (!side_has_runs(job, &job->sides[which])) return false;
    return true;
}

/* Go on by n elements from where the inputs are; those for all stay. */
static void inputs_advance(const map_job *job, const void **in, int64_t n)
{
    for (int which = 0; which < job->input_count; which++) {
        const side *s = &job->sides[which];
        if (s->strides[job->rank - 1] == 1)
            in[which] = (const char *)in[which] + n * (int64_t)s->size;
    }
}

/* Tell whether the output lies apart from all inputs, of n elements. */
static bool is_apart(const map_job *job, char *const *at, int64_t n)
{
    const char *out = at[OUTPUT], *end = out + n * (int64_t)job->sides[OUTPUT].size;
    for (int which = 0; which < job->input_count; which++)
        if (at[which] < end && out < at[which] + n * (int64_t)job->sides[which].size)
            return false;
    return true;
}

/* Compute n elements of a run. What a kernel copies, an end that fills no cache line, is
 * computed with a whole line in front of it, some elements a second time. */
static void run_call(const map_job *job, char *const *at, const void **in, int64_t n,
                     unsigned repeats)
{
    const side *out = &job->sides[OUTPUT];
    const int64_t line = 64 / (int64_t)job->sides[0].size; /* a power of two */
    const int64_t rest = n & (line - 1);
    if (rest == 0 || n < line || !is_apart(job, at, n)) {
        job_call(job, n, in, repeats, at[OUTPUT]);
        return;
    }
    job_call(job, n - rest, in, repeats, at[OUTPUT]);
    inputs_advance(job, in, n - line);
    job_call(job, line, in, repeats, at[OUTPUT] + (n - line) * (int64_t)out->size);
}

/* Compute n elements of a run, given where its sides are; a single element that a kernel
 * does not repeat is spread over a block. */
static void run_piece(const map_job *job, char *const *at, int64_t n)
{
    map_piece spread[MAX_INPUTS];
    const void *in[MAX_INPUTS] = {NULL, NULL, NULL, NULL};
    unsigned repeats = 0;
    bool spreads = false;
    for (int which = 0; which < job->input_count; which++) {
        const side *s = &job->sides[which];
        bool single = s->strides[job->rank - 1] == 0;
        in[which] = at[which];
        if (single && s->repeats) repeats |= 1u << which;
        if (!single || s->repeats) continue;
        copy_row(n < BLOCK ? n : BLOCK, s->size, at[which], 0, spread[which].bytes, 1);
        in[which] = spread[which].bytes;
        spreads = true;
    }
    if (!spreads) {
        run_call(job, at, in, n, repeats);
        return;
    }
    char *out = at[OUTPUT];
    for (int64_t left = n, piece; left > 0; left -= piece) {
        piece = left < BLOCK ? left : BLOCK;
        job_call(job, piece, in, repeats, out);
        inputs_advance(job, in, piece);
        out += piece * (int64_t)job->sides[OUTPUT].size;
    }
}

/* Compute elements [first, end) run by run; runs of a plane lie steps[] bytes apart. */
static void job_runs(const map_job *job, int64_t first, int64_t end)
{
    char *at[MAX_INPUTS + 1] = {NULL};
    int64_t steps[MAX_INPUTS + 1] = {0};
    const int last = job->rank - 1;
    const int64_t run = job->shape[last], rows = last > 0 ? job->shape[last - 1] : 1;
    for (int which = 0; last > 0 && which <= OUTPUT; which++)
        if (which < job->input_count || which == OUTPUT)
            steps[which] = job->sides[which].strides[last - 1] *
                           (int64_t)job->sides[which].size;
    while (first < end) {
        const int64_t start = first % run, row = first / run % rows;
        const int64_t left = end - first, some = run - start < left ? run - start : left;
        int64_t count = start || left < run ? 1 : left / run;
        if (count > rows - row) count = rows - row;
        for (int which = 0; which <= OUTPUT; which++)
            if (which < job->input_count || which == OUTPUT)
                at[which] = side_at(job, &job->sides[which], first);
        for (int64_t r = 0; r < count; r++) {
            run_piece(job, at, some);
            for (int which = 0; which <= OUTPUT; which++)
                if (steps[which]) at[which] += steps[which];
        }
        first += count * some;
    }
}

/* Tell whether a side needs a copy in a long run. */
static bool run_needs_copy(const map_job *job, const side *s)
{
    int64_t stride = s->strides[job->rank - 1];
    return s->dtype != s->wanted || !(stride == 1 || (stride == 0 && s->repeats));
}

/* Compute elements [first, end) of a job. */
static void job_range(void *context, int64_t first, int64_t end)
{
    const map_job *job = context;
    if (job->direct) {
        bool computes = job->value || job->gradient || job->choose;
        if (job->count < STREAM || !computes)
            job_direct(job, first, end);
        else
            job_stream(job, first, end);
        return;
    }
    if (has_runs(job)) {
        job_runs(job, first, end);
        return;
    }
    int64_t run = job->rank ? job->shape[job->rank - 1] : 1, piece = run;
    bool in_run = run >= SHORT_RUN;
    for (int which = 0; which < job->input_count; which++)
        if (in_run && run_needs_copy(job, &job->sides[which])) piece = BLOCK;
    if (in_run && run_needs_copy(job, &job->sides[OUTPUT])) piece = BLOCK;
    if (!in_run) piece = BLOCK;
    while (first < end) {
        int64_t n = end - first < piece ? end - first : piece;
        if (in_run && n > run - first % run) n = run - first % run;
        job_piece(job, first, n, in_run);
        first += n;
    }
}

static void job_run(map_job *job)
{
    if (job->count == 0) return;
    axes_simplify(job);
    parallel_ranges(job->count, job->cost, job_range, job);
}

/* ---- ops --------------------------------------------------------------------------- */

/* out = op(a, b) elementwise; computed in `dtype`. */
void map_apply(int op, int dtype, const array *a, const array *b, double number,
               array *out)
{
    map_job job;
    bool is_bool = op_types[op] >= COMPARES;
    job_open(&job, out, is_bool ? MG_BOOL : dtype);
    job_input(&job, a, dtype, b != NULL);
    if (b) job_input(&job, b, dtype, true);
    job.value = kernels()->value[op][dtype];
    job.number = number;
    job.cost = op_cost(op);
    job_run(&job);
}

/* out = gradient of operand `which` of op(a, b) = y, given y's gradient g. */
void map_gradient(int op, int which, int dtype, const array *a, const array *b,
                  const array *y, const array *g, double number, array *out)
{
    map_job job;
    job_open(&job, out, dtype);
    job_input(&job, a, dtype, false);
    job_input(&job, b ? b : a, dtype, false);
    job_input(&job, y, dtype, false);
    job_input(&job, g, dtype, false);
    job.gradient = kernels()->gradient[op][which][wide_index(dtype)];
    job.number = number;
    job.cost = 2.0 * op_cost(op);
    job_run(&job);
}

/* ---- planes: the last two axes of an array and of another, without blocks ---------- */

/* Do something with rows of n elements, given the strides of rows and of elements. */
typedef void (*plane_loop)(int64_t rows, int64_t n, const char *from,
                           const int64_t *from_strides, char *to,
                           const int64_t *to_strides);

/* `a` is an element of `from`, `y` one of `to`. */
#define PLANE_LOOP(T, name, action) \
    static void name(int64_t rows, int64_t n, const char *from, \
                     const int64_t *from_strides, char *to, const int64_t *to_strides) \
    { \
        const int64_t next_a = from_strides[1], next_y = to_strides[1]; \
        for (int64_t r = 0; r < rows; r++) { \
            const T *as = (const T *)from + r * from_strides[0]; \
            T *ys = (T *)to + r * to_strides[0]; \
            if (next_y == 1 && next_a == 1) { \
                action##_ALL(T, n, ys, as); \
            } else if (next_y == 1 && next_a == 0) { \
                const T a = *as; \
                for (int64_t i = 0; i < n; i++) action(ys[i], a); \
            } else { \
                for (int64_t i = 0; i < n; i++) action(ys[i * next_y], as[i * next_a]); \
            } \
        } \
    }
#define COPY(y, a) y = a
#define COPY_ALL(T, n, y, a) \
    copy_bytes((size_t)n * sizeof(T), (const char *)a, (char *)y)
#define ADD(y, a) y = y + a
#define ADD_ALL(T, n, y, a) \
    for (int64_t i = 0; i < n; i++) y[i] = y[i] + a[i]
PLANE_LOOP(uint8_t, plane_copy_1, COPY)
PLANE_LOOP(uint16_t, plane_copy_2, COPY)
PLANE_LOOP(uint32_t, plane_copy_4, COPY)
PLANE_LOOP(uint64_t, plane_copy_8, COPY)
PLANE_LOOP(float, plane_add_float32, ADD)
PLANE_LOOP(double, plane_add_float64, ADD)
#undef COPY
#undef COPY_ALL
#undef ADD
#undef ADD_ALL

/* All planes of a job, the last rows of whose axes are cut into ranges. */
typedef struct planes_job {
    const map_job *job;
    plane_loop act;
    int64_t rows, n;
    int64_t from[2], to[2]; /* strides of rows and elements */
} planes_job;

/* Act on rows [first, end), counted over all planes. */
static void planes_range(void *context, int64_t first, int64_t end)
{
    const planes_job *p = context;
    const side *in = &p->job->sides[0], *out = &p->job->sides[OUTPUT];
    const int64_t size = (int64_t)in->size;
    strided_walk plane;
    walk_open(&plane, p->job->rank - 2, p->job->shape, in->strides, out->strides);
    walk_to(&plane, first / p->rows);
    for (int64_t row = first % p->rows; first < end; row = 0, walk_next(&plane)) {
        int64_t rows = p->rows - row < end - first ? p->rows - row : end - first;
        p->act(rows, p->n, in->data + (plane.offset[0] + row * p->from[0]) * size,
               p->from, out->data + (plane.offset[1] + row * p->to[0]) * size, p->to);
        first += rows;
    }
}

/* Act on elements [first, end) of the only axis. */
static void plane_range(void *context, int64_t first, int64_t end)
{
    const planes_job *p = context;
    const side *in = &p->job->sides[0], *out = &p->job->sides[OUTPUT];
    const int64_t size = (int64_t)in->size;
    p->act(1, end - first, in->data + first * p->from[1] * size, p->from,
           out->data + first * p->to[1] * size, p->to);
}

/* Act on all elements of a job, whose sides have one type. */
static void planes_run(const map_job *job, plane_loop act)
{
    const side *in = &job->sides[0], *out = &job->sides[OUTPUT];
    int rank = job->rank;
    planes_job p = {.job = job, .act = act, .rows = 1};
    p.n = rank ? job->shape[rank - 1] : 1;
    for (int i = 0; i < 2 && i < rank; i++) {
        p.from[1 - i] = in->strides[rank - 1 - i];
        p.to[1 - i] = out->strides[rank - 1 - i];
    }
    if (rank < 2) {
        parallel_ranges(p.n, 1.0, plane_range, &p);
        return;
    }
    p.rows = job->shape[rank - 2];
    parallel_ranges(job->count / p.n, (double)p.n, planes_range, &p);
}

static void copy_planes(const map_job *job)
{
    static const plane_loop by_size[] = {
        [1] = plane_copy_1, [2] = plane_copy_2, [4] = plane_copy_4, [8] = plane_copy_8};
    planes_run(job, by_size[job->sides[0].size]);
}

/* to += from, of one shape and of one type that is computed in. */
void map_add(const array *from, array *to)
{
    map_job job;
    if (!is_float(to->dtype)) {
        map_apply(MG_ADD, to->dtype, to, from, 0.0, to);
        return;
    }
    job_open(&job, to, to->dtype);
    job_input(&job, from, to->dtype, false);
    if (job.count == 0) return;
    axes_simplify(&job);
    planes_run(&job, to->dtype == MG_FLOAT32 ? plane_add_float32 : plane_add_float64);
}

/* ---- copies ------------------------------------------------------------------------ */

/* A copy that turns axes round: along `rows` the source is contiguous, along the last
 * axis the target. */
typedef struct turned_copy {
    const map_job *job;
    int rows;
    strided_walk planes; /* the first of those along all other axes */
    int64_t shape[MG_MAX_RANK], from[MG_MAX_RANK], to[MG_MAX_RANK]; /* of these axes */
} turned_copy;

/* Copy a tile of rows x columns elements through the first cache. */
#define COPY_TILE(T) \
    static void copy_tile_##T(int64_t rows, int64_t columns, const char *from, \
                              int64_t from_column, char *to, int64_t to_row) \
    { \
        T tile[TILE][TILE]; \
        const T *a = (const T *)from; \
        T *y = (T *)to; \
        for (int64_t j = 0; j < columns; j++) \
            for (int64_t i = 0; i < rows; i++) tile[i][j] = a[j * from_column + i]; \
        for (int64_t i = 0; i < rows; i++) \
            for (int64_t j = 0; j < columns; j++) y[i * to_row + j] = tile[i][j]; \
    }
COPY_TILE(uint8_t)
COPY_TILE(uint16_t)
COPY_TILE(uint32_t)
COPY_TILE(uint64_t)
#undef COPY_TILE

static void copy_tile(size_t size, int64_t rows, int64_t columns, const char *from,
                      int64_t from_column, char *to, int64_t to_row)
{
    switch (size) {
    case 1: copy_tile_uint8_t(rows, columns, from, from_column, to, to_row); break;
    case 2: copy_tile_uint16_t(rows, columns, from, from_column, to, to_row); break;
    case 4: copy_tile_uint32_t(rows, columns, from, from_column, to, to_row); break;
    default: copy_tile_uint64_t(rows, columns, from, from_column, to, to_row);
    }
}

/* Copy tile row number i: of the planes of all other axes, TILE rows. */
static void turned_strip(const turned_copy *copy, int64_t i)
{
    const map_job *job = copy->job;
    const side *in = &job->sides[0], *out = &job->sides[OUTPUT];
    int last = job->rank - 1, size = (int)in->size;
    int64_t all_rows = job->shape[copy->rows], columns = job->shape[last];
    int64_t strips = (all_rows + TILE - 1) / TILE, first = i % strips * TILE;
    strided_walk plane = copy->planes;
    walk_to(&plane, i / strips);
    const char *from = in->data + (plane.offset[0] + first) * size;
    char *to = out->data + (plane.offset[1] + first * out->strides[copy->rows]) * size;
    int64_t rows = all_rows - first < TILE ? all_rows - first : TILE;
    for (int64_t j = 0; j < columns; j += TILE) {
        int64_t n = columns - j < TILE ? columns - j : TILE;
        copy_tile(in->size, rows, n, from + j * in->strides[last] * size,
                  in->strides[last], to + j * size, out->strides[copy->rows]);
    }
}

static void turned_range(void *context, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) turned_strip(context, i);
}

/* Copy in tiles when the source is contiguous along another axis than the target; returns
 * false when it is not. */
static bool copy_turned(map_job *job)
{
    turned_copy copy = {.job = job, .rows = -1};
    const side *in = &job->sides[0], *out = &job->sides[OUTPUT];
    int last = job->rank - 1;
    if (job->rank < 2 || in->dtype != out->dtype || out->strides[last] != 1) return false;
    if (in->strides[last] == 1 || in->strides[last] == 0) return false;
    for (int d = 0; d < last; d++)
        if (in->strides[d] == 1 && job->shape[d] >= TILE / 2) copy.rows = d;
    if (copy.rows < 0 || job->shape[last] < TILE / 2) return false;
    int64_t strips = (job->shape[copy.rows] + TILE - 1) / TILE;
    int rank = 0;
    for (int d = 0; d < last; d++) {
        if (d == copy.rows) continue;
        copy.shape[rank] = job->shape[d];
        copy.from[rank] = in->strides[d];
        copy.to[rank++] = out->strides[d];
        strips *= job->shape[d];
    }
    walk_open(&copy.planes, rank, copy.shape, copy.from, copy.to);
    parallel_ranges(strips, (double)(TILE * job->shape[last]), turned_range, &copy);
    return true;
}

/* Copy n elements, as another type perhaps. */
void copy_elements(int from, int to, int64_t n, const void *source, void *target)
{
    if (from == to && to != MG_BOOL) /* whose copy is 0 or 1 */
        memmove(target, source, (size_t)n * dtype_sizes[to]);
    else
        cast_elements(from, to, n, source, target);
}

/* Return the kernel of map_choose() for a type. */
choose_kernel choose_of(int dtype)
{
    const size_t size = dtype_sizes[dtype];
    return kernels()->choose[size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3];
}

/* Two contiguous arrays of one shape. */
typedef struct contiguous_copy {
    const array *from, *to;
} contiguous_copy;

static void contiguous_range(void *context, int64_t first, int64_t end)
{
    const array *from = ((contiguous_copy *)context)->from;
    const array *to = ((contiguous_copy *)context)->to;
    const char *source = from->data + first * dtype_sizes[from->dtype];
    char *target = to->data + first * dtype_sizes[to->dtype];
    copy_elements(from->dtype, to->dtype, end - first, source, target);
}

/* to = from, broadcast and cast. */
void map_copy(const array *from, array *to)
{
    map_job job;
    if (from->contiguous && to->contiguous && shape_equal(from, to)) {
        contiguous_copy copy = {from, to};
        parallel_ranges(to->count, 1.0, contiguous_range, &copy);
        return;
    }
    job_open(&job, to, to->dtype);
    job_input(&job, from, to->dtype, false);
    if (job.count == 0) return;
    axes_simplify(&job);
    if (copy_turned(&job)) return;
    if (from->dtype == to->dtype)
        copy_planes(&job);
    else
        job_run(&job);
}

/* out = test ? a : b; all but test of one type. */
void map_choose(const array *test, const array *a, const array *b, array *out)
{
    map_job job;
    job_open(&job, out, out->dtype);
    job_input(&job, test, MG_BOOL, false);
    job_input(&job, a, out->dtype, true);
    job_input(&job, b, out->dtype, true);
    job.choose = choose_of(out->dtype);
    job_run(&job);
}

void array_fill(array *a, double value)
{
    int64_t element; /* the value as a's type */
    array from = {.dtype = a->dtype, .count = 1, .contiguous = true};
    from.data = (char *)&element;
    cast_elements(MG_FLOAT64, a->dtype, 1, &value, &element);
    map_copy(&from, a);
}

/* Tell whether one of the integers of an array is 0; those that are repeated along an
 * axis are looked at once. */
bool map_has_zero(const array *a)
{
    int64_t wide[BLOCK];
    map_job job;
    array once = *a;
    for (int d = 0; d < a->rank; d++)
        if (a->strides[d] == 0 && a->shape[d] > 1) once.shape[d] = 1;
    once.count = shape_count(a->rank, once.shape);
    job_open(&job, &once, a->dtype);
    axes_simplify(&job);
    for (int64_t first = 0; first < job.count; first += BLOCK) {
        map_piece block;
        int64_t n = job.count - first < BLOCK ? job.count - first : BLOCK;
        if (job.rank)
            side_copy(&job, &job.sides[OUTPUT], first, n, block.bytes, false);
        else
            memcpy(block.bytes, a->data, dtype_sizes[a->dtype]);
        cast_elements(a->dtype, MG_INT64, n, block.bytes, wide);
        if (!work_steps(first, (int64_t)BLOCK << 10)) return true;
        for (int64_t i = 0; i < n; i++)
            if (wide[i] == 0) return true;
    }
    return false;
}
