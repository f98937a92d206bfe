/* naive.h: what test_kernels.c expects of kernels, for one type of floats: T, named TYPE,
 * with VM() for the functions of vmath.h and C() for the C library's. Formulas are those
 * of csrc/ops.def, in plain scalar arithmetic with the C library's floor, fmod ... */

#define ADD(x, y) ((T)((x) + (y)))
#define SUB(x, y) ((T)((x) - (y)))
#define MUL(x, y) ((T)((x) * (y)))
#define DIV(x, y) ((T)((x) / (y)))
#define NEG(x) ((T)(-(x)))
#define POW(x, y) VM(pow)((x), (y))
#define POWK(x, k) OF(naive_power)((x), (k))
#define EXP(x) VM(exp)(x)
#define EXPM1(x) VM(expm1)(x)
#define LOG(x) VM(log)(x)
#define LOG1P(x) VM(log1p)(x)
#define SIN(x) VM(sin)(x)
#define COS(x) VM(cos)(x)
#define SINH(x) VM(sinh)(x)
#define COSH(x) VM(cosh)(x)
#define FUNCTION(name, x) VM(name)(x)
#define ANGLE(name, x) VM(name)(x)
#define EXACT_FUNCTION(name, x) VM(name)(x)
#define ARITHMETIC(name, ...) OF(naive_##name)(__VA_ARGS__)
#define TANH(x) VM(tanh)(x)
#define ERF(x) VM(erf)(x)
#define SIGMOID(x) VM(sigmoid)(x)
#define SOFTPLUS(x) VM(softplus)(x)
#define GELU(x) VM(gelu)(x)
#define GELU_SLOPE(x) VM(gelu_slope)(x)
#define GELU_TANH(x) VM(gelu_tanh)(x)
#define SILU(x) VM(silu)(x)
#define SQRT(x) C(sqrt)(x)
#define ABS(x) C(fabs)(x)
#define RELU(x) ((x) < 0 ? (T)0 : (x))
#define LARGER(x, y) ((x) > (y) ? (x) : (y) > (x) ? (y) : (x) == (y) ? (x) : (T)((x) + (y)))
#define SMALLER(x, y) ((x) < (y) ? (x) : (y) < (x) ? (y) : (x) == (y) ? (x) : (T)((x) + (y)))
#define STEP(x) ((x) <= 0 ? (T)0 : (T)1)
#define SIGN(x) ((x) > 0 ? (T)1 : (x) < 0 ? (T)-1 : (T)0)
#define SHARE(x, y) ((x) < (y) ? (T)0 : (x) == (y) ? (T)0.5 : (T)1)
#define AT_LEAST(x, y) ((x) >= (y) ? (T)1 : (T)0)
#define BELOW(x, y) ((x) < (y) ? (T)1 : (T)0)
#define MASK(m, x) ((m) == 0 ? (T)0 : (m) * (x))
#define BOUND(x, c) ((x) > (c) ? (T)(c) : (x) < -(c) ? (T)-(c) : (x))
#define FLOOR_DIVIDE(x, y) OF(naive_floor_divide)((x), (y))
#define REMAINDER(x, y) OF(naive_remainder)((x), (y))
#define IF_FLAT(x, y, then, otherwise) ((x) == 0 && (y) >= 0 ? (then) : (otherwise))
#define IF_ZERO(x, then, otherwise) ((x) == 0 ? (then) : (otherwise))
#define CONST(c) ((T)(c))
#define NONE ((T)0)
#define EITHER(number, element) element
#define A a
#define B b
#define K number
#define Y y
#define G g

static T OF(naive_power)(T x, double k)
{
    if (k == 2.0) return x * x;
    if (k == 1.0) return x;
    if (k == 0.0) return 1;
    if (k == -1.0) return 1 / x;
    if (k == 0.5) return C(sqrt)(x);
    if (k == -0.5) return 1 / C(sqrt)(x);
    if (k == 3.0) return (T)(x * x) * x;
    return VM(pow)(x, (T)k);
}

static T OF(naive_floor)(T x)
{
    return C(floor)(x);
}

static T OF(naive_ceil)(T x)
{
    return C(ceil)(x);
}

static T OF(naive_round)(T x)
{
    return C(rint)(x);
}

static T OF(naive_trunc)(T x)
{
    return C(trunc)(x);
}

/* CPython's float_divmod(). */
static T OF(naive_floor_divide)(T x, T y)
{
    T rest = C(fmod)(x, y), quotient;
    if (y == 0) return x / y;
    quotient = (x - rest) / y;
    if (rest != 0 && (y < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return C(copysign)(0, x / y);
    T down = C(floor)(quotient);
    return quotient - down > (T)0.5 ? down + 1 : down;
}

static T OF(naive_remainder)(T x, T y)
{
    T rest = C(fmod)(x, y);
    if (rest == 0) return C(copysign)(0, y);
    return (y < 0) != (rest < 0) ? rest + y : rest;
}

/* The value of a row of floats or numbers. */
static T OF(naive_value)(int op, T a, T b, double number)
{
    switch (op) {
#define CASE_FLOATS(NAME, value) case MG_##NAME: return (value);
#define CASE_NUMBERS(NAME, value) case MG_##NAME: return (value);
#define CASE_NUMBERS_ONLY CASE_NUMBERS
#define CASE_NUMBERS_AND_BOOLS CASE_NUMBERS
#define CASE_INTEGRAL(NAME, value)
#define CASE_INTEGRAL_AND_BOOLS(NAME, value)
#define CASE_COMPARES(NAME, value)
#define CASE_TRUTHS(NAME, value)
#define CASE_NOWHERE(NAME, value)
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    CASE_##types(NAME, value)
#include "ops.def"
    default: return 0;
    }
}

static T OF(naive_gradient)(int op, int which, T a, T b, T y, T g, double number)
{
    switch (op) {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    case MG_##NAME: return which ? (gradient_b) : (gradient_a);
#include "ops.def"
    default: return 0;
    }
}


/* ---- reductions ---------------------------------------------------------------------- */

static T OF(naive_join)(int which, T x, T y)
{
    if (which == REDUCE_SUM) return x + y;
    if (which == REDUCE_PROD) return x * y;
    return which == REDUCE_AMAX ? LARGER(x, y) : SMALLER(x, y);
}

static T OF(naive_start)(int which)
{
    return which == REDUCE_SUM    ? 0
           : which == REDUCE_PROD ? 1
           : which == REDUCE_AMAX  ? -(T)INFINITY
                                  : (T)INFINITY;
}

/* n elements, `stride` apart: the results of n / REDUCE_BLOCK blocks and a rest are
 * reduced again. */
static T OF(naive_reduce)(int which, int64_t n, const T *a, int64_t stride)
{
    T lanes[LANES];
    if (n > REDUCE_BLOCK) {
        int64_t count = 0;
        T *blocks = malloc((size_t)(n / REDUCE_BLOCK + 1) * sizeof(T)), result;
        for (int64_t i = 0; i < n; i += REDUCE_BLOCK)
            blocks[count++] = OF(naive_reduce)(
                which, n - i < REDUCE_BLOCK ? n - i : REDUCE_BLOCK, a + i * stride, stride);
        result = OF(naive_reduce)(which, count, blocks, 1);
        free(blocks);
        return result;
    }
    for (int l = 0; l < LANES; l++) lanes[l] = OF(naive_start)(which);
    for (int64_t i = 0; i < n; i++)
        lanes[i % LANES] = OF(naive_join)(which, lanes[i % LANES], a[i * stride]);
    for (int s = LANES / 2; s > 0; s /= 2)
        for (int l = 0; l < s; l++) lanes[l] = OF(naive_join)(which, lanes[l], lanes[l + s]);
    return lanes[0];
}

static int64_t OF(naive_search)(int largest, int64_t n, const T *a)
{
    int64_t at = 0;
    for (int64_t i = 1; i < n && a[at] == a[at]; i++)
        if ((largest ? a[i] > a[at] : a[i] < a[at]) || a[i] != a[i]) at = i;
    return at;
}

/* ---- rows ---------------------------------------------------------------------------- */

/* Return 2^-k by which a row is multiplied whose sum of squares is out of range, or 1. */
static T OF(naive_scale)(int64_t n, const T *a, T sum, T least)
{
    T most = least;
    if (sum >= (sizeof(T) == 4 ? (T)0x1p-80 : (T)0x1p-960) && sum < (T)INFINITY) return 1;
    for (int64_t i = 0; i < n; i++) most = LARGER(most, C(fabs)(a[i]));
    if (!(most > 0 && most < (T)INFINITY)) return 1;
    int k = ilogb((double)most), limit = sizeof(T) == 4 ? 126 : 1022;
    return C(ldexp)(1, -(k < -limit ? -limit : k > limit ? limit : k));
}

/* What a kernel of rows writes for one row: 1 or n numbers. `number` is epsilon or the
 * correction. */
static void OF(naive_row)(int kind, int64_t n, const T *a, const T *weight, const T *bias,
                          double number, T *y)
{
    T *moved = calloc((size_t)n + 1, sizeof(T));
    bool centered = kind == VARIANCE || kind == LAYER_NORM;
    T m = kind == RMS_NORM ? 0 : OF(naive_reduce)(centered ? REDUCE_SUM : REDUCE_AMAX, n, a, 1);
    if (centered) m = m / (T)n;
    for (int64_t i = 0; i < n; i++) {
        T x = a[i] - m;
        moved[i] = kind <= LOGSUMEXP ? VM(exp)(x) : (T)(x * x);
    }
    T sum = OF(naive_reduce)(REDUCE_SUM, n, moved, 1), d = (T)n - (T)number;
    T square = (T)(sum / (T)n) + (T)number, scale = 1 / C(sqrt)(square), power = 1;
    if (kind == LAYER_NORM || kind == RMS_NORM)
        power = OF(naive_scale)(n, a, square, C(sqrt)((T)number));
    if (kind == LOGSUMEXP) y[0] = isinf(m) ? m : m + VM(log)(sum);
    if (kind == VARIANCE) {
        T by = OF(naive_scale)(n, a, sum, 0);
        y[0] = sum / (d > 0 ? d : 0);
        for (int64_t i = 0; i < n; i++) moved[i] = a[i] * by;
        if (by != 1) OF(naive_row)(kind, n, moved, NULL, NULL, number, y);
        y[0] = y[0] / by / by;
    }
    for (int64_t i = 0; i < n; i++) {
        if (kind == SOFTMAX) y[i] = moved[i] / sum;
        if (kind == LOG_SOFTMAX) y[i] = (T)(a[i] - m) - VM(log)(sum);
        if (kind == CUMSUM) y[i] = i ? y[i - 1] + a[i] : a[i];
        if ((kind != LAYER_NORM && kind != RMS_NORM) || power != 1) continue;
        y[i] = (T)(a[i] - m) * scale;
        if (weight) y[i] = y[i] * weight[i];
        if (bias) y[i] = y[i] + bias[i];
    }
    for (int64_t i = 0; i < n; i++) moved[i] = a[i] * power;
    if (power != 1)
        OF(naive_row)(kind, n, moved, weight, bias, (double)((T)((T)number * power) * power), y);
    free(moved);
}

/* ---- what rows pass on --------------------------------------------------------------- */

/* Of softmax, or log_softmax, from its value y and the gradient g of that. */
static void OF(naive_softmax_back)(bool log, int64_t n, const T *y, const T *g, T *out)
{
    T *terms = calloc((size_t)n + 1, sizeof(T));
    for (int64_t i = 0; i < n; i++) terms[i] = log ? g[i] : (T)(g[i] * y[i]);
    T sum = OF(naive_reduce)(REDUCE_SUM, n, terms, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] = log ? g[i] - (T)(VM(exp)(y[i]) * sum) : (T)(y[i] * (T)(g[i] - sum));
    free(terms);
}

static void OF(naive_cross_entropy_back)(int64_t n, const T *a, int64_t target,
                                         double smoothing, T weight, T *out)
{
    T even = (T)smoothing / (T)n, here = even + (T)((T)1 - (T)smoothing);
    OF(naive_row)(SOFTMAX, n, a, NULL, NULL, 0.0, out);
    for (int64_t i = 0; i < n; i++)
        out[i] = (T)(out[i] - (i == target ? here : even)) * weight;
}

/* What a row is multiplied by, the mean of that, and 1 / sqrt(mean of squares + epsilon). */
static void OF(naive_norm)(bool centered, int64_t n, const T *a, T epsilon, T found[3])
{
    T *terms = calloc((size_t)n + 1, sizeof(T)), by = 1, mean = 0, square = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < n; i++) terms[i] = a[i] * by;
        if (centered) mean = OF(naive_reduce)(REDUCE_SUM, n, terms, 1) / (T)n;
        for (int64_t i = 0; i < n; i++)
            terms[i] = (T)((a[i] * by) - mean) * (T)((a[i] * by) - mean);
        square = OF(naive_reduce)(REDUCE_SUM, n, terms, 1) / (T)n;
        square = square + (T)((T)(epsilon * by) * by);
        if (pass == 0) by = OF(naive_scale)(n, a, square, C(sqrt)(epsilon));
        if (by == 1) break;
    }
    found[0] = by, found[1] = mean, found[2] = 1 / C(sqrt)(square);
    free(terms);
}

static void OF(naive_norm_back)(bool centered, int64_t n, const T *a, const T *g,
                                const T *weight, double epsilon, T *out)
{
    T *h = calloc((size_t)n + 1, sizeof(T)), *x = calloc((size_t)n + 1, sizeof(T));
    T *p = calloc((size_t)n + 1, sizeof(T)), found[3];
    OF(naive_norm)(centered, n, a, (T)epsilon, found);
    for (int64_t i = 0; i < n; i++) {
        h[i] = weight ? g[i] * weight[i] : g[i];
        x[i] = (T)((a[i] * found[0]) - found[1]) * found[2];
        p[i] = h[i] * x[i];
    }
    T of_h = centered ? OF(naive_reduce)(REDUCE_SUM, n, h, 1) / (T)n : 0;
    T of_p = OF(naive_reduce)(REDUCE_SUM, n, p, 1) / (T)n;
    for (int64_t i = 0; i < n; i++)
        out[i] = (T)(found[2] * found[0]) * (T)((T)(h[i] - of_h) - (T)(x[i] * of_p));
    free(h), free(x), free(p);
}

#include "base/ops_undef.inc.c"
#undef FUNCTION
#undef ANGLE
#undef CASE_FLOATS
#undef CASE_NUMBERS
#undef CASE_NUMBERS_ONLY
#undef CASE_NUMBERS_AND_BOOLS
#undef CASE_INTEGRAL
#undef CASE_INTEGRAL_AND_BOOLS
#undef CASE_COMPARES
#undef CASE_TRUTHS
#undef CASE_NOWHERE
