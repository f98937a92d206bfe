/* test_values.c: what ops of whole arrays give, against plain loops over numbers that every
 * type holds exactly: elements by position, the largest of windows, convolutions, copies of
 * turned arrays; long products and convolutions of full numbers against their parts; and
 * operands that repeat against copies of them. Each with one thread and with several. */
#include "expect.h"

static mg_arena *arena;
static mg_rng rng;

static int64_t below(int64_t n)
{
    return (int64_t)(mg_rng_u32(&rng) % (uint32_t)n);
}

/* ---- arrays ------------------------------------------------------------------------- */

static mg_node apply(int op, int count, const mg_node *operands, int integer_count,
                     const int64_t *integers)
{
    return mg_apply(arena, op, count, operands, integer_count, integers, 0, NULL, 0, 0);
}

static mg_node cast(mg_node a, int64_t dtype)
{
    return apply(MG_CAST, 1, &a, 1, &dtype);
}

static mg_array_info info_of(mg_node a)
{
    mg_array_info info;
    memset(&info, 0, sizeof info);
    EXPECT(mg_array_describe(arena, a, &info) == MG_OK);
    return info;
}

/* Make an array of a type with numbers below a limit, and tell what it holds. */
static mg_node array_make(int dtype, int rank, const int64_t *shape, int64_t limit,
                          double *numbers)
{
    int64_t count = shape_count(rank, shape);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = (double)below(dtype == MG_BOOL ? 2 : limit);
    mg_node wide = mg_array(arena, MG_FLOAT64, rank, shape, numbers), made = cast(wide, dtype);
    EXPECT(made > 0 && mg_release(arena, wide) == MG_OK);
    return made;
}

/* Make an array of full numbers. */
static mg_node full_make(int dtype, int rank, const int64_t *shape)
{
    mg_node made = mg_array(arena, MG_FLOAT64, rank, shape, NULL);
    mg_array_info info = info_of(made);
    for (int64_t i = 0; i < info.count; i++)
        ((double *)info.data)[i] = full_number(&rng) * (below(2) ? 1.0 : -1.0);
    mg_node as = cast(made, dtype);
    mg_release(arena, made);
    return as;
}

/* Expect numbers, and that what was made is of a type; gives the handle back. */
static void expect_numbers(mg_node y, int dtype, int64_t count, const double *numbers)
{
    if (!EXPECT(y > 0)) return;
    mg_node wide = cast(y, MG_FLOAT64);
    mg_array_info of_y = info_of(y), info = info_of(wide);
    const double *found = info.data;
    int64_t unequal = 0;
    EXPECT(of_y.dtype == dtype && info.count == count && info.contiguous);
    for (int64_t i = 0; i < count && i < info.count; i++) unequal += found[i] != numbers[i];
    EXPECT(unequal == 0);
    mg_release(arena, wide);
    mg_release(arena, y);
}

/* Expect the same type, shape and bits, and give both back. */
static void expect_same(mg_node x, mg_node y)
{
    mg_array_info of_x = info_of(x), of_y = info_of(y);
    EXPECT(of_x.dtype == of_y.dtype && of_x.rank == of_y.rank && of_x.count == of_y.count);
    EXPECT(of_x.contiguous && of_y.contiguous);
    for (int d = 0; d < of_x.rank && d < of_y.rank; d++)
        EXPECT(of_x.shape[d] == of_y.shape[d]);
    size_t size = (size_t)of_x.count * dtype_sizes[of_x.dtype];
    EXPECT(of_x.count == of_y.count && memcmp(of_x.data, of_y.data, size) == 0);
    EXPECT(mg_release(arena, x) == MG_OK && mg_release(arena, y) == MG_OK);
}

/* ---- by position --------------------------------------------------------------------- */

enum { ROWS = 5, COLUMNS = 7, MOST = 200 };

/* Positions of a shape: each of its own, or, repeated, those of one row in all rows. */
static mg_node positions_make(bool repeated, const int64_t *shape, int64_t n, int64_t *p)
{
    int64_t given[MOST], count = shape[0] * shape[1], own = repeated ? shape[1] : count;
    const int64_t row[] = {1, shape[1]};
    for (int64_t i = 0; i < own; i++) given[i] = below(2 * n) - n;
    for (int64_t i = 0; i < count; i++) p[i] = given[i % own] + (given[i % own] < 0 ? n : 0);
    mg_node made = mg_array(arena, MG_INT64, 2, repeated ? row : shape, given);
    if (!repeated) return made;
    mg_node whole = apply(MG_EXPAND, 1, &made, 2, shape);
    mg_release(arena, made);
    return whole;
}

/* Element (i, j) of positions names this one of an array with so many columns. */
static int64_t named(int64_t axis, int64_t i, int64_t j, int64_t position)
{
    return axis ? i * COLUMNS + position : position * COLUMNS + j;
}

static void test_along(int dtype, int64_t axis, bool repeated)
{
    const int64_t all[] = {ROWS, COLUMNS}, shape[] = {axis ? ROWS : 9, axis ? 11 : COLUMNS};
    double a[MOST], b[MOST], read[MOST], sums[MOST];
    int64_t p[MOST], count = shape[0] * shape[1];
    mg_node index = positions_make(repeated, shape, all[axis], p);
    mg_node operands[] = {array_make(dtype, 2, all, 4, a), index,
                          array_make(dtype, 2, shape, 4, b)};
    memcpy(sums, a, sizeof sums);
    for (int64_t k = 0; k < count; k++) {
        int64_t at = named(axis, k / shape[1], k % shape[1], p[k]);
        read[k] = a[at];
        sums[at] = dtype == MG_BOOL ? fmax(sums[at], b[k]) : sums[at] + b[k];
    }
    expect_numbers(apply(MG_GATHER, 2, operands, 1, &axis), dtype, count, read);
    expect_numbers(apply(MG_SCATTER_ADD, 3, operands, 1, &axis), dtype, ROWS * COLUMNS, sums);
    for (int i = 0; i < 3; i++) mg_release(arena, operands[i]);
}

/* A position that is out of range, in all rows or in one. */
static void test_out_of_range(bool repeated, int64_t wrong)
{
    const int64_t all[] = {ROWS, COLUMNS}, axis = 1;
    double a[MOST];
    int64_t p[MOST];
    mg_node x = array_make(MG_FLOAT32, 2, all, 4, a), index = positions_make(repeated, all, 4, p);
    const mg_node operands[] = {x, index, x};
    mg_array_info info = info_of(index);
    ((int64_t *)info.data)[COLUMNS - 1] = wrong;
    EXPECT(apply(MG_GATHER, 2, operands, 1, &axis) == MG_ERR_INDEX);
    EXPECT(apply(MG_SCATTER_ADD, 3, operands, 1, &axis) == MG_ERR_INDEX);
    mg_release(arena, x);
    mg_release(arena, index);
}

/* Rows of one element and of several. */
static void test_of_rows(int dtype, int64_t width)
{
    enum { COUNT = 40 };
    const int64_t all[] = {ROWS, width}, some[] = {COUNT, width}, one = width == 1;
    double a[MOST], b[MOST], read[MOST], sums[MOST], put[MOST];
    int64_t p[MOST];
    const int64_t count = COUNT, shape[] = {COUNT, 1};
    mg_node square = positions_make(false, shape, ROWS, p);
    mg_node operands[] = {array_make(dtype, one ? 1 : 2, all, 4, a),
                          apply(MG_RESHAPE, 1, &square, 1, &count),
                          array_make(dtype, one ? 1 : 2, some, 4, b)};
    memcpy(sums, a, sizeof sums);
    memcpy(put, a, sizeof put);
    for (int64_t k = 0; k < COUNT * width; k++) {
        int64_t at = p[k / width] * width + k % width;
        read[k] = a[at];
        sums[at] = dtype == MG_BOOL ? fmax(sums[at], b[k]) : sums[at] + b[k];
        put[at] = b[k];
    }
    expect_numbers(apply(MG_TAKE, 2, operands, 0, NULL), dtype, COUNT * width, read);
    expect_numbers(apply(MG_ADD_AT, 3, operands, 0, NULL), dtype, ROWS * width, sums);
    expect_numbers(apply(MG_PUT_AT, 3, operands, 0, NULL), dtype, ROWS * width, put);
    for (int i = 0; i < 3; i++) mg_release(arena, operands[i]);
    mg_release(arena, square);
}

static void test_positions(int dtype)
{
    for (int way = 0; way < 4; way++) test_along(dtype, way % 2, way / 2);
    for (int64_t width = 1; width < 4; width++) test_of_rows(dtype, width);
}

/* ---- copies -------------------------------------------------------------------------- */

/* Turned round, the last axis first, in tiles and beside them. */
static void test_turned(int dtype, int64_t rows, int64_t columns)
{
    enum { PLANES = 3 };
    const int64_t shape[] = {PLANES, rows, columns};
    const int64_t turns[][3] = {{0, 2, 1}, {2, 0, 1}, {2, 1, 0}};
    int64_t count = PLANES * rows * columns, at[3], sizes[3];
    double *a = calloc((size_t)count, sizeof *a), *y = calloc((size_t)count, sizeof *y);
    if (!EXPECT(a && y)) exit(finish());
    mg_node x = array_make(dtype, 3, shape, 4, a);
    for (int turn = 0; turn < 3; turn++) {
        const int64_t *axes = turns[turn];
        mg_node turned = apply(MG_PERMUTE, 1, &x, 3, axes);
        for (int d = 0; d < 3; d++) sizes[d] = shape[axes[d]];
        for (int64_t i = 0; i < count; i++) {
            at[axes[0]] = i / (sizes[1] * sizes[2]);
            at[axes[1]] = i / sizes[2] % sizes[1];
            at[axes[2]] = i % sizes[2];
            y[i] = a[(at[0] * rows + at[1]) * columns + at[2]];
        }
        expect_numbers(apply(MG_CONTIGUOUS, 1, &turned, 0, NULL), dtype, count, y);
        mg_release(arena, turned);
    }
    mg_release(arena, x);
    free(a);
    free(y);
}

/* ---- windows ------------------------------------------------------------------------- */

/* Images (n, channels, height, width) and windows of them. */
typedef struct windows {
    int64_t n, channels, groups, filters; /* filters of a group */
    int64_t all[2], size[2], step[2], apart[2];
} windows;

static int64_t steps_of(const windows *w, int d)
{
    return (w->all[d] - 1 - (w->size[d] - 1) * w->apart[d]) / w->step[d] + 1;
}

/* Where in its plane element (k, l) of window (i, j) lies. */
static int64_t place_of(const windows *w, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return (i * w->step[0] + k * w->apart[0]) * w->all[1] + j * w->step[1] + l * w->apart[1];
}

static void windows_list(const windows *w, int64_t how[7])
{
    const int64_t list[] = {2,          w->size[0],  w->size[1], w->step[0],
                            w->step[1], w->apart[0], w->apart[1]};
    memcpy(how, list, sizeof list);
}

/* Of equals the first, and the first NaN, if there is one. */
static int64_t largest_of(const windows *w, const double *plane, int64_t i, int64_t j)
{
    int64_t best = place_of(w, i, j, 0, 0);
    for (int64_t k = 0; k < w->size[0] * w->size[1]; k++) {
        int64_t at = place_of(w, i, j, k / w->size[1], k % w->size[1]);
        bool more = plane[at] > plane[best] || plane[at] != plane[at];
        if (more && plane[best] == plane[best]) best = at;
    }
    return best;
}

static void test_largest(const windows *w, int dtype)
{
    const int64_t shape[] = {w->n, w->channels, w->all[0], w->all[1]};
    int64_t planes = w->n * w->channels, size = w->all[0] * w->all[1], how[7];
    int64_t rows = steps_of(w, 0), columns = steps_of(w, 1), count = planes * rows * columns;
    double *a = calloc((size_t)(planes * size), sizeof *a), *y = calloc((size_t)count, sizeof *y);
    if (!EXPECT(a && y)) exit(finish());
    mg_node x = array_make(dtype, 4, shape, 4, a);
    if (dtype == MG_FLOAT32 || dtype == MG_FLOAT64) {
        mg_array_info info = info_of(x);
        for (int64_t i = 0; i < planes * size; i += 1 + below(40)) {
            a[i] = (double)NAN;
            if (dtype == MG_FLOAT32) ((float *)info.data)[i] = (float)NAN;
            else ((double *)info.data)[i] = (double)NAN;
        }
    }
    for (int64_t i = 0; i < count; i++)
        y[i] = (double)largest_of(w, a + i / (rows * columns) * size, i / columns % rows,
                                  i % columns);
    windows_list(w, how);
    expect_numbers(apply(MG_ARGMAX_WINDOW, 1, &x, 7, how), MG_INT64, count, y);
    mg_release(arena, x);
    free(a);
    free(y);
}

/* ---- convolutions -------------------------------------------------------------------- */

/* Element (k, place) of the columns of image n's group g. */
static double column_of(const windows *w, const double *a, int64_t n, int64_t g, int64_t k,
                        int64_t place)
{
    int64_t in_window = w->size[0] * w->size[1], of_group = w->channels / w->groups;
    int64_t channel = g * of_group + k / in_window, columns = steps_of(w, 1);
    int64_t at = place_of(w, place / columns, place % columns, k % in_window / w->size[1],
                          k % w->size[1]);
    return a[(n * w->channels + channel) * w->all[0] * w->all[1] + at];
}

static double convolved(const windows *w, const double *kernels, const double *a, int64_t n,
                        int64_t filter, int64_t place)
{
    int64_t depth = w->channels / w->groups * w->size[0] * w->size[1];
    double sum = 0.0;
    for (int64_t k = 0; k < depth; k++)
        sum += kernels[filter * depth + k] *
               column_of(w, a, n, filter / w->filters, k, place);
    return sum;
}

/* Give the gradients of a convolution of leaves, for itself as the seed. */
static void convolution_back(const mg_node *pair, const int64_t *how, int flags, mg_node *out)
{
    mg_node y = mg_apply(arena, MG_CONVOLVE, 2, pair, 7, how, 0, NULL, 0, 1);
    mg_sweep *sweep;
    if (!EXPECT(mg_sweep_open(arena, 1, &y, &y, 2, pair, flags | MG_GIVE, &sweep) == MG_OK))
        exit(finish());
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK && mg_sweep_give(sweep, out) == MG_OK);
    mg_sweep_close(sweep);
    mg_release(arena, y);
}

/* Gradients that are recorded are made of ops, the others by kernels. */
static void test_ways_back(const mg_node *pair, const int64_t *how)
{
    mg_node by_kernels[2], by_ops[2];
    for (int i = 0; i < 2; i++) EXPECT(mg_require_gradient(arena, pair[i], 1) == MG_OK);
    convolution_back(pair, how, 0, by_kernels);
    convolution_back(pair, how, MG_CREATE_GRAPH, by_ops);
    for (int i = 0; i < 2; i++)
        expect_same(apply(MG_CONTIGUOUS, 1, &by_kernels[i], 0, NULL),
                    apply(MG_CONTIGUOUS, 1, &by_ops[i], 0, NULL));
    for (int i = 0; i < 2; i++) {
        mg_release(arena, by_kernels[i]);
        mg_release(arena, by_ops[i]);
        EXPECT(mg_require_gradient(arena, pair[i], 0) == MG_OK);
    }
}

static void test_convolution(const windows *w, int dtype, bool turned)
{
    const int64_t depth = w->channels / w->groups * w->size[0] * w->size[1];
    const int64_t of_images[] = {w->n, w->channels, w->all[0], w->all[1]};
    const int64_t of_kernels[] = {w->groups, w->filters, depth}, turn[] = {0, 1, 3, 2};
    int64_t places = steps_of(w, 0) * steps_of(w, 1), filters = w->groups * w->filters, how[7];
    int64_t count = w->n * filters * places, size = shape_count(4, of_images);
    double *a = calloc((size_t)size, sizeof *a), *y = calloc((size_t)count, sizeof *y);
    double *kernels = calloc((size_t)(filters * depth), sizeof *kernels);
    if (!EXPECT(a && y && kernels)) exit(finish());
    mg_node pair[] = {array_make(dtype, 3, of_kernels, 2, kernels),
                      array_make(dtype, 4, of_images, 4, a)};
    for (int i = 0; turned && i < 2; i++) { /* the same images, stored by columns */
        mg_node view = apply(MG_PERMUTE, 1, &pair[1], 4, turn);
        mg_release(arena, pair[1]);
        pair[1] = i ? view : apply(MG_CONTIGUOUS, 1, &view, 0, NULL);
        if (i == 0) mg_release(arena, view);
    }
    for (int64_t i = 0; i < count; i++)
        y[i] = convolved(w, kernels, a, i / (filters * places), i / places % filters,
                         i % places);
    windows_list(w, how);
    expect_numbers(apply(MG_CONVOLVE, 2, pair, 7, how), dtype, count, y);
    double bias[MOST];
    const mg_node three[] = {pair[0], pair[1], array_make(dtype, 1, &filters, 4, bias)};
    for (int64_t i = 0; i < count; i++) y[i] += bias[i / places % filters];
    expect_numbers(apply(MG_CONVOLVE, 3, three, 7, how), dtype, count, y);
    if (!turned && (dtype == MG_FLOAT32 || dtype == MG_FLOAT64)) test_ways_back(pair, how);
    mg_release(arena, three[2]);
    mg_release(arena, pair[0]);
    mg_release(arena, pair[1]);
    free(a);
    free(y);
    free(kernels);
}

static const windows shapes[] = {
    {2, 4, 2, 3, {7, 6}, {2, 3}, {1, 1}, {1, 1}}, {1, 3, 1, 2, {9, 8}, {3, 2}, {2, 3}, {1, 2}},
    {3, 2, 2, 1, {5, 5}, {1, 1}, {1, 2}, {3, 1}}, {1, 2, 1, 2, {4, 5}, {4, 5}, {1, 1}, {1, 1}},
    {2, 6, 3, 1, {6, 9}, {2, 2}, {3, 1}, {2, 3}},
};

static void test_windows(int dtype)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int before = failures;
        test_largest(&shapes[i], dtype);
        if (dtype != MG_BOOL)
            for (int turned = 0; turned < 2; turned++)
                test_convolution(&shapes[i], dtype, turned);
        explain(before, "windows", dtype * 10 + (int64_t)i);
    }
}

/* A convolution of one group is a product with the columns of each image. */
static void test_large_convolution(const windows *w, int dtype)
{
    const int64_t depth = w->channels * w->size[0] * w->size[1], s = 2;
    const int64_t of_images[] = {1, w->channels, w->all[0], w->all[1]};
    const int64_t of_kernels[] = {1, w->filters, depth}, axes[] = {0, 1, 4, 5, 2, 3};
    const int64_t rows = steps_of(w, 0), columns = steps_of(w, 1);
    const int64_t flat[] = {depth, rows * columns}, result[] = {1, w->filters, rows, columns};
    int64_t how[7];
    mg_node images = full_make(dtype, 4, of_images), kernels = full_make(dtype, 3, of_kernels);
    const mg_node pair[] = {kernels, images};
    windows_list(w, how);
    mg_node view = apply(MG_WINDOW, 1, &images, 7, how);
    mg_node turned = apply(MG_PERMUTE, 1, &view, 2 + 2 * (int)s, axes);
    mg_node listed = apply(MG_RESHAPE, 1, &turned, 2, flat);
    const mg_node factors[] = {kernels, listed};
    mg_node product = apply(MG_MATMUL, 2, factors, 0, NULL);
    mg_node shaped = apply(MG_RESHAPE, 1, &product, 4, result);
    expect_same(apply(MG_CONVOLVE, 2, pair, 7, how), shaped);
    const mg_node made[] = {images, kernels, view, turned, listed, product};
    for (int i = 0; i < 6; i++) mg_release(arena, made[i]);
}

static void test_large_convolutions(int dtype)
{
    static const windows large[] = {
        {1, 8, 1, 3, {40, 70}, {3, 3}, {1, 1}, {1, 1}}, /* columns of several blocks */
        {1, 1100, 1, 2, {3, 4}, {2, 2}, {1, 1}, {1, 1}}, /* several spans */
    };
    for (int i = 0; i < 2; i++) {
        int before = failures;
        test_large_convolution(&large[i], dtype);
        explain(before, "large convolution", i);
    }
}

/* ---- long products ------------------------------------------------------------------- */

/* A product of more than 4096 steps is the sum of the products of 4096 steps each. */
static void test_spans(int dtype, int64_t m, int64_t n, int64_t k)
{
    enum { STEPS = 4096, SPANS = 3 };
    const int64_t of_a[] = {m, k}, of_b[] = {k, n}, one[] = {1, m, n}, zero = 0, first[] = {1, 0};
    const mg_node pair[] = {full_make(dtype, 2, of_a), full_make(dtype, 2, of_b)};
    mg_node parts[SPANS];
    int count = 0;
    for (int64_t done = 0; done < k; done += STEPS) {
        int64_t steps = k - done < STEPS ? k - done : STEPS;
        const int64_t of_left[] = {0, done, 1, 1, m, steps};
        const int64_t of_right[] = {done, 0, 1, 1, steps, n};
        const mg_node sides[] = {apply(MG_SLICE, 1, &pair[0], 6, of_left),
                                 apply(MG_SLICE, 1, &pair[1], 6, of_right)};
        mg_node product = apply(MG_MATMUL, 2, sides, 0, NULL);
        parts[count++] = apply(MG_RESHAPE, 1, &product, 3, one);
        for (int i = 0; i < 2; i++) mg_release(arena, sides[i]);
        mg_release(arena, product);
    }
    mg_node all = apply(MG_CAT, count, parts, 1, &zero);
    expect_same(apply(MG_MATMUL, 2, pair, 0, NULL), apply(MG_SUM, 1, &all, 2, first));
    mg_release(arena, all);
    for (int i = 0; i < count; i++) mg_release(arena, parts[i]);
    for (int i = 0; i < 2; i++) mg_release(arena, pair[i]);
}

/* ---- operands that repeat ------------------------------------------------------------ */

/* An operand that is repeated along an axis gives what a copy of it gives. */
static void test_repeated(int op, int dtype, const int64_t *of_a, const int64_t *of_b)
{
    enum { LONG = 700 };
    const int64_t whole[] = {3, LONG};
    double numbers[3 * LONG];
    mg_node pair[] = {array_make(dtype, 2, of_a, 4, numbers),
                      array_make(dtype, 2, of_b, 4, numbers)};
    mg_node y = apply(op, 2, pair, 0, NULL), copies[2];
    for (int i = 0; y > 0 && i < 2; i++) {
        mg_node view = apply(MG_EXPAND, 1, &pair[i], 2, whole);
        copies[i] = apply(MG_CLONE, 1, &view, 0, NULL);
        mg_release(arena, view);
    }
    if (y > 0) {
        expect_same(y, apply(op, 2, copies, 0, NULL));
        for (int i = 0; i < 2; i++) mg_release(arena, copies[i]);
    } else /* not of this type, or 0 among what was divided by */
        EXPECT(y == MG_ERR_DTYPE || y == MG_ERR_ZERODIV || y == MG_ERR_DOMAIN);
    for (int i = 0; i < 2; i++) mg_release(arena, pair[i]);
}

static void test_repeats(int dtype)
{
    static const int64_t sides[][2][2] = {{{3, 700}, {3, 1}}, {{3, 1}, {3, 700}},
                                          {{3, 700}, {1, 1}}, {{1, 700}, {3, 1}}};
    for (int op = 1; op < MG_MAP_OP_COUNT; op++)
        for (int i = 0; mg_op_arity(op) == 2 && i < 4; i++) {
            int before = failures;
            test_repeated(op, dtype, sides[i][0], sides[i][1]);
            explain(before, mg_op_name(op), dtype * 10 + i);
        }
}

/* ---- channels ------------------------------------------------------------------------ */

/* An op of channels is what the ops give of which it is made. */
static void test_channels(int dtype)
{
    enum { N = 3, CHANNELS = 6, PLANE = 700, GROUPS = 2 };
    const int64_t shape[] = {N, CHANNELS, PLANE}, of_c[] = {CHANNELS}, beside[] = {CHANNELS, 1};
    const int64_t rows[] = {N * GROUPS, CHANNELS / GROUPS * PLANE}, one = 1, groups = GROUPS;
    const int64_t planes[] = {4, 0}, first[] = {1, 0};
    const double epsilon = 1e-5;
    mg_node a = full_make(dtype, 3, shape), g = full_make(dtype, 3, shape), n[4], c[4];
    for (int i = 0; i < 4; i++) {
        n[i] = full_make(dtype, 1, of_c);
        c[i] = apply(MG_RESHAPE, 1, &n[i], 2, beside);
    }
#define OP(op, x, y) apply((op), 2, (const mg_node[]){(x), (y)}, 0, NULL)
    mg_node moved = OP(MG_SUB, a, c[0]), scaled = OP(MG_MUL, moved, c[1]);
    expect_same(apply(MG_PLANE_SCALE, 3, (const mg_node[]){a, n[0], n[1]}, 0, NULL),
                apply(MG_CLONE, 1, &scaled, 0, NULL));
    expect_same(apply(MG_PLANE_SCALE, 4, (const mg_node[]){a, n[0], n[1], n[2]}, 0, NULL),
                OP(MG_ADD, scaled, c[2]));
    mg_node less = OP(MG_MUL, moved, c[2]), left = OP(MG_SUB, g, c[1]);
    mg_node both = OP(MG_SUB, left, less);
    const mg_node back[] = {a, g, n[0], n[1], n[2], n[3]};
    expect_same(apply(MG_PLANE_BACK, 6, back, 0, NULL), OP(MG_MUL, both, c[3]));
    mg_node terms[] = {OP(MG_MUL, moved, moved), OP(MG_MUL, moved, g)};
    for (int i = 0; i < 2; i++) {
        mg_node means = apply(MG_MEAN, 1, &terms[i], 2, planes);
        expect_same(apply(MG_PLANE_MEANS, 2 + i, (const mg_node[]){a, n[0], g}, 0, NULL),
                    apply(MG_MEAN, 1, &means, 2, first));
        mg_release(arena, means);
        mg_release(arena, terms[i]);
    }
    mg_node row = apply(MG_RESHAPE, 1, &a, 2, rows);
    mg_node normal = mg_apply(arena, MG_LAYER_NORM, 1, &row, 1, &one, 1, &epsilon, 0, 0);
    mg_node shaped = apply(MG_RESHAPE, 1, &normal, 3, shape);
    mg_node weighed = OP(MG_MUL, shaped, c[0]);
    expect_same(mg_apply(arena, MG_GROUP_NORM, 3, (const mg_node[]){a, n[0], n[1]}, 1,
                         &groups, 1, &epsilon, 0, 0),
                OP(MG_ADD, weighed, c[1]));
    const mg_node made[] = {a, g, moved, scaled, less, left, both, row, normal, shaped, weighed};
    for (int i = 0; i < 11; i++) mg_release(arena, made[i]);
    for (int i = 0; i < 4; i++) mg_release(arena, n[i]), mg_release(arena, c[i]);
#undef OP
}

/* ---- threads ------------------------------------------------------------------------- */

/* Columns of many rows, whose blocks go to several threads, are those of one thread. */
static void test_threads(int dtype, int64_t outer, int64_t rows, int64_t columns)
{
    static const int ops[] = {MG_SUM, MG_MEAN, MG_AMAX, MG_AMIN};
    const int64_t shape[] = {outer, rows, columns}, middle[] = {2, 0};
    mg_node x = full_make(dtype, 3, shape);
    for (int i = 0; i < 4; i++) {
        EXPECT(mg_set_num_threads(1) == MG_OK);
        mg_node alone = apply(ops[i], 1, &x, 2, middle);
        EXPECT(mg_set_num_threads(4) == MG_OK);
        expect_same(apply(ops[i], 1, &x, 2, middle), alone);
    }
    mg_release(arena, x);
}

int main(void)
{
    ledger book;
    arena = ledger_arena(&book);
    mg_rng_seed(&rng, 5);
    for (int threads = 1; threads <= 4; threads += 3) {
        EXPECT(mg_set_num_threads(threads) == MG_OK);
        for (int dtype = 0; dtype < MG_DTYPE_COUNT; dtype++) {
            test_positions(dtype);
            test_windows(dtype);
            test_turned(dtype, 40, 70);
            if (threads == 1) test_repeats(dtype);
        }
        for (int dtype = MG_FLOAT32; dtype <= MG_FLOAT64; dtype++) {
            test_large_convolutions(dtype);
            test_channels(dtype);
            test_spans(dtype, 3, 5, 9000);
            test_spans(dtype, 9, 6, 4097);
        }
    }
    for (int repeated = 0; repeated < 2; repeated++) {
        test_out_of_range(repeated, COLUMNS);
        test_out_of_range(repeated, -COLUMNS - 1);
    }
    test_threads(MG_FLOAT32, 1, 9000, 100);
    test_threads(MG_FLOAT64, 2, 20000, 30);
    EXPECT(mg_set_num_threads(0) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
    return finish();
}
