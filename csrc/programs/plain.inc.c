/* plain.inc.c: what programs of arrays written as C compute with: the sums, rows and
 * products of SPEC.md in their plain form, one element after the other, for T. The library
 * itself has loops that are sooner, and does not include this file: a program's text has
 * excerpts of it, with float or double for T. OF(fused) is the program's. */

/* ---- sums and extrema -------------------------------------------------------------- */

enum plain_kind { PLAIN_SUM, PLAIN_PROD, PLAIN_AMAX, PLAIN_AMIN };

/* A reduction under way, fed element by element: 32 lanes of a block of 4096, and the
 * results of blocks in lanes of their own. */
typedef struct OF(reduction) {
    int kind;
    int64_t count, blocks;
    T lanes[32], of_blocks[32];
} OF(reduction);

MG_INLINE T OF(join)(int kind, T x, T y)
{
    switch (kind) {
    case PLAIN_SUM: return x + y;
    case PLAIN_PROD: return x * y;
    case PLAIN_AMAX: return OF(larger)(x, y);
    default: return OF(smaller)(x, y);
    }
}

MG_INLINE OF(reduction) OF(reduction_of)(int kind)
{
    OF(reduction) r = {.kind = kind};
    T start = kind == PLAIN_SUM ? 0 : 1;
    if (kind == PLAIN_AMAX) start = -(T)INFINITY;
    if (kind == PLAIN_AMIN) start = (T)INFINITY;
    for (int l = 0; l < 32; l++) r.lanes[l] = r.of_blocks[l] = start;
    return r;
}

MG_INLINE T OF(join_lanes)(int kind, const T *from)
{
    T lanes[32];
    memcpy(lanes, from, sizeof lanes);
    for (int s = 16; s > 0; s /= 2)
        for (int l = 0; l < s; l++) lanes[l] = OF(join)(kind, lanes[l], lanes[l + s]);
    return lanes[0];
}

/* End a block. */
static void OF(block_end)(OF(reduction) *r)
{
    const OF(reduction) empty = OF(reduction_of)(r->kind);
    T *lane = &r->of_blocks[r->blocks++ % 32];
    *lane = OF(join)(r->kind, *lane, OF(join_lanes)(r->kind, r->lanes));
    memcpy(r->lanes, empty.lanes, sizeof r->lanes);
    r->count = 0;
}

MG_INLINE void OF(reduce)(OF(reduction) *r, T x)
{
    if (r->count == 4096) OF(block_end)(r);
    T *lane = &r->lanes[r->count++ % 32];
    *lane = OF(join)(r->kind, *lane, x);
}

/* Return the result; there are no more than 4096 blocks. */
MG_INLINE T OF(reduced)(OF(reduction) *r)
{
    if (r->blocks == 0) return OF(join_lanes)(r->kind, r->lanes);
    if (r->count) OF(block_end)(r);
    return OF(join_lanes)(r->kind, r->of_blocks);
}

/* Reduce n elements that lie `step` apart. */
MG_INLINE T OF(reduce_row)(int kind, int64_t n, const T *a, int64_t step)
{
    OF(reduction) r = OF(reduction_of)(kind);
    for (int64_t i = 0; i < n; i++) OF(reduce)(&r, a[i * step]);
    return OF(reduced)(&r);
}

/* ---- casts ------------------------------------------------------------------------- */

/* Cut the fraction off, and what is beyond the ends of a type; NaN is 0. */
MG_INLINE int64_t OF(cut)(T x, int64_t least, int64_t most)
{
    if (!(x < (T)most)) return x == x ? most : 0;
    return x > (T)least ? (int64_t)x : least;
}

/* ---- // and % ---------------------------------------------------------------------- */

/* What the library finds with exact or near rests, of which fmod's is one: it is exact. */
MG_INLINE T OF(plain_floor_divide)(T x, T y)
{
    return OF(quotient_of)(x, y, C(fmod)(x, y));
}

MG_INLINE T OF(plain_remainder)(T x, T y)
{
    return OF(remainder_of)(y, C(fmod)(x, y));
}

/* ---- LAMB -------------------------------------------------------------------------- */

static T OF(length_of)(int64_t n, const T *a)
{
    OF(reduction) sum = OF(reduction_of)(PLAIN_SUM);
    for (int64_t i = 0; i < n; i++) OF(reduce)(&sum, a[i] * a[i]);
    return C(sqrt)(OF(reduced)(&sum));
}

/* Subtract a change of a parameter, made as long as that is. */
static void OF(lamb_move)(int64_t n, T *p, const T *change, double lr)
{
    const double length = OF(length_of)(n, p), width = OF(length_of)(n, change);
    const double trust = length > 0.0 && width > 0.0 ? length / width : 1.0;
    const T by = (T)(lr * trust);
    for (int64_t i = 0; i < n; i++) p[i] = p[i] - by * change[i];
}

/* ---- products ---------------------------------------------------------------------- */

/* The sum of a[i] b[i] for at most 4096 steps: 128 fused steps at a time. */
static T OF(span)(int64_t n, const T *a, int64_t of_a, const T *b, int64_t of_b)
{
    T sum = 0;
    for (int64_t first = 0; first < n; first += 128) {
        T s = 0;
        for (int64_t i = first; i < n && i < first + 128; i++)
            s = OF(fused)(a[i * of_a], b[i * of_b], s);
        sum = first ? sum + s : s;
    }
    return sum;
}

/* The sum of a[i] b[i], an element of a product. */
static T OF(dot)(int64_t n, const T *a, int64_t of_a, const T *b, int64_t of_b)
{
    if (n <= 4096) return OF(span)(n, a, of_a, b, of_b);
    OF(reduction) r = OF(reduction_of)(PLAIN_SUM);
    for (int64_t i = 0; i < n; i += 4096)
        OF(reduce)(&r, OF(span)(n - i < 4096 ? n - i : 4096, a + i * of_a, of_a,
                                b + i * of_b, of_b));
    return OF(reduced)(&r);
}

/* ---- softmax ----------------------------------------------------------------------- */

/* Rows of n elements that lie `step` apart, in a and in y. */
static void OF(softmax_row)(int64_t n, const T *a, T *y, int64_t step)
{
    const T most = OF(reduce_row)(PLAIN_AMAX, n, a, step);
    for (int64_t i = 0; i < n; i++) y[i * step] = VM(exp)(a[i * step] - most);
    const T sum = OF(reduce_row)(PLAIN_SUM, n, y, step);
    for (int64_t i = 0; i < n; i++) y[i * step] = y[i * step] / sum;
}

/* The logarithm of the sum of exp(a[i] - most). */
static T OF(log_of_sum)(int64_t n, const T *a, int64_t step, T most)
{
    OF(reduction) sum = OF(reduction_of)(PLAIN_SUM);
    for (int64_t i = 0; i < n; i++) OF(reduce)(&sum, VM(exp)(a[i * step] - most));
    return VM(log)(OF(reduced)(&sum));
}

static void OF(log_softmax_row)(int64_t n, const T *a, T *y, int64_t step)
{
    const T most = OF(reduce_row)(PLAIN_AMAX, n, a, step);
    const T less = OF(log_of_sum)(n, a, step, most);
    for (int64_t i = 0; i < n; i++) y[i * step] = (a[i * step] - most) - less;
}

static T OF(log_sum_exp)(int64_t n, const T *a)
{
    const T most = OF(reduce_row)(PLAIN_AMAX, n, a, 1);
    if (!(most - most == 0)) return most; /* infinite, NaN */
    return most + OF(log_of_sum)(n, a, 1, most);
}

/* y (g - sum of g y) */
static void OF(softmax_row_back)(int64_t n, const T *y, const T *g, T *out)
{
    OF(reduction) sum = OF(reduction_of)(PLAIN_SUM);
    for (int64_t i = 0; i < n; i++) OF(reduce)(&sum, g[i] * y[i]);
    const T total = OF(reduced)(&sum);
    for (int64_t i = 0; i < n; i++) out[i] = y[i] * (g[i] - total);
}

/* g - exp(y) sum of g */
static void OF(log_softmax_row_back)(int64_t n, const T *y, const T *g, T *out)
{
    const T total = OF(reduce_row)(PLAIN_SUM, n, g, 1);
    for (int64_t i = 0; i < n; i++) out[i] = g[i] - VM(exp)(y[i]) * total;
}

/* ---- cross-entropy ----------------------------------------------------------------- */

/* The loss of a row of logits. */
static T OF(loss_of_row)(int64_t n, const T *a, int64_t target, double smoothing)
{
    const T most = OF(reduce_row)(PLAIN_AMAX, n, a, 1);
    const T less = OF(log_of_sum)(n, a, 1, most), smooth = (T)smoothing;
    const T loss = -((a[target] - most) - less);
    if (smooth == 0) return loss;
    OF(reduction) sum = OF(reduction_of)(PLAIN_SUM);
    for (int64_t i = 0; i < n; i++) OF(reduce)(&sum, (a[i] - most) - less);
    const T even = -OF(reduced)(&sum) / (T)n;
    return ((T)1 - smooth) * loss + smooth * even;
}

/* (softmax(a) - expected) weight */
static void OF(loss_row_back)(int64_t n, const T *a, int64_t target, double smoothing,
                              T weight, T *out)
{
    const T even = (T)smoothing / (T)n;
    const T here = even + ((T)1 - (T)smoothing);
    OF(softmax_row)(n, a, out, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] = (out[i] - (i == target ? here : even)) * weight;
}

/* ---- norms ------------------------------------------------------------------------- */

/* What a norm knows of a row: by, 1 or the power of two that it is multiplied by, the mean
 * of that, 0 unless centered, and 1 / sqrt(mean of squares + epsilon). */
typedef struct OF(norm) {
    T by, mean, scale;
} OF(norm);

/* Return the sum of squares of a row times `by`, less its mean. */
static T OF(sum_of_squares)(int64_t n, const T *a, int centered, T by, T *mean)
{
    OF(reduction) sum = OF(reduction_of)(PLAIN_SUM), squares = sum;
    for (int64_t i = 0; i < n; i++) OF(reduce)(&sum, a[i] * by);
    *mean = centered ? OF(reduced)(&sum) / (T)n : 0;
    for (int64_t i = 0; i < n; i++) {
        const T d = a[i] * by - *mean;
        OF(reduce)(&squares, d * d);
    }
    return OF(reduced)(&squares);
}

/* Return the power of two that a row is multiplied by where its squares leave the range. */
static T OF(scale_of_row)(int64_t n, const T *a, T least, T square)
{
    if (square >= LEAST_SQUARES && square < (T)INFINITY) return 1;
    T most = OF(larger)(OF(reduce_row)(PLAIN_AMAX, n, a, 1),
                        -OF(reduce_row)(PLAIN_AMIN, n, a, 1));
    most = OF(larger)(most, least);
    return most > 0 && most < (T)INFINITY ? OF(inverse_power)(most) : 1;
}

static OF(norm) OF(norm_of)(int64_t n, const T *a, int centered, double epsilon_of)
{
    OF(norm) x;
    const T epsilon = (T)epsilon_of;
    T square = OF(sum_of_squares)(n, a, centered, 1, &x.mean) / (T)n + epsilon;
    x.by = OF(scale_of_row)(n, a, C(sqrt)(epsilon), square);
    if (x.by != 1)
        square = OF(sum_of_squares)(n, a, centered, x.by, &x.mean) / (T)n +
                 epsilon * x.by * x.by;
    x.scale = 1 / C(sqrt)(square);
    return x;
}

/* The variance of a row, or its root. */
static T OF(variance)(int64_t n, const T *a, double correction, int root)
{
    const T freedom = (T)n - (T)correction, divisor = freedom > 0 ? freedom : 0;
    T mean, squares = OF(sum_of_squares)(n, a, 1, 1, &mean);
    const T by = OF(scale_of_row)(n, a, 0, squares);
    if (by != 1) squares = OF(sum_of_squares)(n, a, 1, by, &mean);
    const T y = squares / divisor;
    return root ? C(sqrt)(y) / by : y / by / by;
}

/* weight and bias may be NULL. */
static void OF(norm_row)(int64_t n, const T *a, const T *weight, const T *bias,
                         int centered, double epsilon, T *y)
{
    const OF(norm) x = OF(norm_of)(n, a, centered, epsilon);
    for (int64_t i = 0; i < n; i++) {
        y[i] = (a[i] * x.by - x.mean) * x.scale;
        if (weight) y[i] = y[i] * weight[i];
        if (bias) y[i] = y[i] + bias[i];
    }
}

/* What a norm passes on to a row; weight may be NULL. */
static void OF(norm_row_back)(int64_t n, const T *a, const T *g, const T *weight,
                              int centered, double epsilon, T *out)
{
    const OF(norm) x = OF(norm_of)(n, a, centered, epsilon);
    OF(reduction) of_h = OF(reduction_of)(PLAIN_SUM), of_p = of_h;
    for (int64_t i = 0; i < n; i++) {
        const T h = weight ? g[i] * weight[i] : g[i];
        OF(reduce)(&of_h, h);
        OF(reduce)(&of_p, h * ((a[i] * x.by - x.mean) * x.scale));
    }
    const T mean_h = centered ? OF(reduced)(&of_h) / (T)n : 0;
    const T mean_p = OF(reduced)(&of_p) / (T)n, slope = x.scale * x.by;
    for (int64_t i = 0; i < n; i++) {
        const T h = weight ? g[i] * weight[i] : g[i];
        out[i] = slope * ((h - mean_h) - ((a[i] * x.by - x.mean) * x.scale) * mean_p);
    }
}

/* ---- optimizers -------------------------------------------------------------------- */

/* Where the library divides by way of multiplications, which round as a division does, the
 * plain form divides. */
MG_INLINE bool OF(inverts)(T c, T eps)
{
    (void)c;
    (void)eps;
    return false;
}

MG_INLINE T OF(root_quotient)(T x, T c, T inverse)
{
    (void)inverse;
    return x / c;
}
