/* lanes.inc.c: the loops of programs of numbers, compiled once for each instruction set:
 * lanes_*.c set the target, name the set, and include this file.
 *
 * Every operation is that of Python's floats, the C library's functions among them, so the
 * set changes no bit. pow is spared where the result is certain without it: see below. */
#include "programs/script.h"

/* ---- pow --------------------------------------------------------------------------- */

/* For a few exponents a result r and the rest that it differs from the true value by are
 * computed with fused products. Where |rest| is below 0.45 units of r's last place, every
 * pow with an error below 0.54 units returns r, as its neighbours are 0.55 away. 0.54 is
 * the bound stated in the source of glibc's, since 2.28: hence only there. One in ten is
 * called. Below a power of two neighbours are nearer; one is certain if it is exact, which
 * are few cases, and test_scripts.c asks pow for all. x * x alone is another number than
 * pow(x, 2) in one of 1400. */
#if (defined(MG_HAS_FMA) || defined(__aarch64__)) && defined(__GNUC__) && \
    defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 28)
#define LANES_KNOW_POW 1

/* Tell whether pow returns r, which is not near the ends: the rest of a root below 1e-146
 * is no double. `scale` is what the rest is given in units of. */
MG_INLINE bool is_certain(double r, double rest, double scale)
{
    const uint64_t exponent = 0x7FF0000000000000u, one = 1;
    uint64_t bits;
    double power;
    memcpy(&bits, &r, sizeof bits);
    const double most = bits & ((one << 52) - 1) ? 0.4499 * 0x1p-52 : 0.0;
    bits &= exponent;
    memcpy(&power, &bits, sizeof power);
    return fabs(rest) <= most * power * scale && fabs(r) > 1e-140 && fabs(r) < 1e140;
}

MG_INLINE bool square_is_certain(double x, double *r)
{
    *r = x * x;
    return is_certain(*r, __builtin_fma(x, x, -*r), 1.0);
}

/* The true value is r + rest / x, and 1 / x is r but for a little. */
MG_INLINE bool inverse_is_certain(double x, double *r)
{
    *r = 1.0 / x;
    return is_certain(*r, __builtin_fma(-*r, x, 1.0) * *r, 1.0);
}

/* The true value is r + rest / 2r. */
MG_INLINE bool root_is_certain(double x, double *r)
{
    *r = sqrt(x);
    return is_certain(*r, __builtin_fma(-*r, *r, x), 1.9999 * *r);
}

MG_INLINE bool cube_is_certain(double x, double *r)
{
    double high = x * x, low = __builtin_fma(x, x, -high), product = high * x;
    double rest = __builtin_fma(high, x, -product) + low * x;
    *r = product + rest;
    return is_certain(*r, rest - (*r - product), 1.0);
}

MG_INLINE bool inverse_square_is_certain(double x, double *r)
{
    double high = x * x, low = __builtin_fma(x, x, -high), first = 1.0 / high;
    double rest = (__builtin_fma(-first, high, 1.0) - first * low) * first;
    *r = first + rest;
    return is_certain(*r, rest - (*r - first), 1.0);
}

/* Tell whether pow(x, k) is known without a call, and what it is. */
MG_INLINE bool pow_is_certain(double x, double k, double *r)
{
    return k == 2.0    ? square_is_certain(x, r)
           : k == -1.0 ? inverse_is_certain(x, r)
           : k == 0.5  ? root_is_certain(x, r)
           : k == -2.0 ? inverse_square_is_certain(x, r)
                       : k == 3.0 && cube_is_certain(x, r);
}

/* float_pow() */
MG_INLINE double lane_pow(double x, double k, int *status)
{
    double r;
    if (mg_math() == MG_MATH_PORTABLE) return float_pow(x, k, status);
    return pow_is_certain(x, k, &r) ? r : float_pow(x, k, status);
}
#else
#define lane_pow float_pow
#endif

/* ---- one operation ----------------------------------------------------------------- */

#define FLOAT_POW lane_pow
#include "numbers/formulas.inc.c"

/* Return what an operation computes; with a constant code only one case is left. */
MG_INLINE double code_compute(uint32_t code, double a, double b, double y, double g,
                              int *status)
{
    (void)b, (void)y, (void)g;
    switch (code) {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    case 3 * MG_##NAME: return (value); \
    case 3 * MG_##NAME + 1: return (gradient_a); \
    case 3 * MG_##NAME + 2: return (gradient_b);
#include "ops.def"
    case CODE_PICK: return b > a ? b : a;
    case CODE_WHERE: return y == b ? a : g;
    default: return 0.0;
    }
}

/* Compute one operation of a line: the same with one look at the code, and without reading
 * what is not used. */
MG_INLINE double line_compute(const line *l, const double *slots, int *status)
{
    const double a = slots[l->a], b = slots[l->b];
    switch (l->code) {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    case 3 * MG_##NAME: return (value); \
    case 3 * MG_##NAME + 1: { \
        const double y = slots[l->y], g = slots[l->g]; \
        (void)y, (void)g; \
        return (gradient_a); \
    } \
    case 3 * MG_##NAME + 2: { \
        const double y = slots[l->y], g = slots[l->g]; \
        (void)y, (void)g; \
        return (gradient_b); \
    }
#include "ops.def"
    case LINE_ADD_PRODUCT: return slots[l->y] + a * b;
    case CODE_WHERE: return slots[l->y] == b ? a : slots[l->g];
    default: return b > a ? b : a; /* CODE_PICK */
    }
}

#include "base/ops_undef.inc.c"

/* ---- lines ------------------------------------------------------------------------- */

static int line_run(const line *lines, size_t count, double *slots)
{
    int status = MG_OK;
    for (const line *l = lines; l < lines + count; l++)
        slots[l->to] = line_compute(l, slots, &status);
    return status;
}

/* ---- lanes ------------------------------------------------------------------------- */

/* Compute all lanes; the last four are 0 for an operand that is one slot, else 1. */
MG_INLINE int lanes_of(uint32_t code, const instruction *i, double *slots, size_t of_a,
                       size_t of_b, size_t of_y, size_t of_g)
{
    const double *a = slots + i->a, *b = slots + i->b, *y = slots + i->y,
                 *g = slots + i->g;
    double *to = slots + i->to;
    int status = MG_OK;
    for (size_t k = 0; k < i->count; k++)
        to[k] = code_compute(code, a[k * of_a], b[k * of_b], y[k * of_y], g[k * of_g],
                             &status);
    return status;
}

/* The usual modes get a loop of their own: operands of a value consecutive, b or none of
 * them one slot; of a gradient all consecutive, b one slot. */
MG_INLINE int lanes_by_mode(uint32_t code, const instruction *i, double *slots)
{
    const unsigned m = i->modes;
    if ((m & SINGLE_A) == 0 && m & SINGLE_B && !(m & (SINGLE_Y | SINGLE_G)))
        return lanes_of(code, i, slots, 1, 0, 1, 1);
    return lanes_of(code, i, slots, !(m & SINGLE_A), !(m & SINGLE_B), !(m & SINGLE_Y),
                    !(m & SINGLE_G));
}

static int lanes_run(const instruction *i, double *slots)
{
    switch (i->code) {
#define MG_OP(NAME, ...) \
    case 3 * MG_##NAME: return lanes_by_mode(3 * MG_##NAME, i, slots); \
    case 3 * MG_##NAME + 1: return lanes_by_mode(3 * MG_##NAME + 1, i, slots); \
    case 3 * MG_##NAME + 2: return lanes_by_mode(3 * MG_##NAME + 2, i, slots);
#include "ops.def"
    case CODE_WHERE:
        if (i->modes == SINGLE_Y) return lanes_of(CODE_WHERE, i, slots, 1, 1, 0, 1);
        if (i->modes == (SINGLE_Y | SINGLE_G))
            return lanes_of(CODE_WHERE, i, slots, 1, 1, 0, 0);
        return lanes_by_mode(CODE_WHERE, i, slots);
    default: return lanes_by_mode(CODE_PICK, i, slots);
    }
}

/* ---- chains ------------------------------------------------------------------------ */

/* Sums of one lane each. */
static void chain_of_one(const instruction *i, const uint32_t *table, double *slots)
{
    for (uint32_t block = 0; block < i->count; block++) {
        double sum = slots[*table++];
        for (uint32_t k = 0; k < i->terms; k++, table += 2)
            sum = sum + slots[table[0]] * slots[table[1]];
        slots[i->to + block] = sum;
    }
}

#if defined(__GNUC__)
/* The vectors of the set, of 2, 4 or 8 doubles; one of 8 where there are 4 would live in
 * memory. MG_LANES is how many. */
#if MG_LANES == 8
typedef double lanes_of_4 __attribute__((vector_size(32)));
typedef double lanes_of_8 __attribute__((vector_size(64)));
#elif MG_LANES == 4
typedef double lanes_of_4 __attribute__((vector_size(32)));
typedef lanes_of_4 lanes_of_8;
#else
typedef double lanes_of_4 __attribute__((vector_size(16)));
typedef lanes_of_4 lanes_of_8;
#endif

/* Load a vector from slots, or one slot into all of its lanes. */
#define LANES_LOAD(to, from, single) \
    do { \
        if (single) { \
            double number_ = *(from); \
            (to) = number_ - (__typeof__(to)){0.0}; \
        } else { \
            memcpy(&(to), (from), sizeof(to)); \
        } \
    } while (0)

/* Sums of `width` lanes, in some vectors. */
#define CHAIN_OF(width) \
    MG_INLINE void chain_of_##width(const instruction *i, const uint32_t *table, \
                                    double *slots, bool one_start, bool one_a, \
                                    bool one_b) \
    { \
        enum { MANY = sizeof(lanes_of_##width) / sizeof(double) }; \
        double *to = slots + i->to; \
        for (uint32_t block = 0; block < i->count; block++, to += (width)) { \
            lanes_of_##width sum[(width) / MANY], a, b; \
            for (int v = 0; v < (width) / MANY; v++) \
                LANES_LOAD(sum[v], slots + *table + v * MANY * !one_start, one_start); \
            table++; \
            for (uint32_t k = 0; k < i->terms; k++, table += 2) { \
                for (int v = 0; v < (width) / MANY; v++) { \
                    LANES_LOAD(a, slots + table[0] + v * MANY * !one_a, one_a); \
                    LANES_LOAD(b, slots + table[1] + v * MANY * !one_b, one_b); \
                    sum[v] = sum[v] + a * b; \
                } \
            } \
            memcpy(to, sum, sizeof sum); \
        } \
    }
CHAIN_OF(4)
CHAIN_OF(8)

#define CHAIN_CASES(width) \
    switch (i->modes) { \
    case 0: chain_of_##width(i, table, slots, 0, 0, 0); break; \
    case 1: chain_of_##width(i, table, slots, 0, 1, 0); break; \
    case 2: chain_of_##width(i, table, slots, 0, 0, 1); break; \
    case 3: chain_of_##width(i, table, slots, 0, 1, 1); break; \
    case 4: chain_of_##width(i, table, slots, 1, 0, 0); break; \
    case 5: chain_of_##width(i, table, slots, 1, 1, 0); break; \
    case 6: chain_of_##width(i, table, slots, 1, 0, 1); break; \
    default: chain_of_##width(i, table, slots, 1, 1, 1); break; \
    }
#else
/* The same in plain C. */
static void chain_of_many(const instruction *i, const uint32_t *table, double *slots)
{
    const uint32_t start = !(i->modes & SINGLE_START), of_a = !(i->modes & SINGLE_A),
                   of_b = !(i->modes & SINGLE_B), width = i->width;
    for (uint32_t block = 0; block < i->count; block++) {
        double sum[8];
        for (uint32_t l = 0; l < width; l++) sum[l] = slots[*table + l * start];
        table++;
        for (uint32_t k = 0; k < i->terms; k++, table += 2)
            for (uint32_t l = 0; l < width; l++)
                sum[l] = sum[l] + slots[table[0] + l * of_a] * slots[table[1] + l * of_b];
        memcpy(slots + i->to + block * width, sum, width * sizeof(double));
    }
}
#endif

static void chain_run(const instruction *i, const uint32_t *table, double *slots)
{
    if (i->width == 1) {
        chain_of_one(i, table, slots);
        return;
    }
#if defined(__GNUC__)
    if (i->width == 4) CHAIN_CASES(4)
    else CHAIN_CASES(8)
#else
    chain_of_many(i, table, slots);
#endif
}

/* ---- Adam -------------------------------------------------------------------------- */

/* Compute a step: to[0 .. count) gets the data, then the means follow. */
static int adam_lanes(const adam *set, int64_t count, const double *data,
                      const double *gradients, const double *m, const double *v,
                      double *to)
{
    int status = MG_OK;
    double unbias[2];
    adam_unbias(set, unbias, &status);
    for (int64_t i = 0; i < count; i++) {
        number_move moved = adam_move(set, unbias, data[i], gradients[i], m[i], v[i],
                                      lane_pow, &status);
        to[i] = moved.data;
        to[count + i] = moved.first;
        to[2 * count + i] = moved.second;
    }
    return status;
}

const lane_set MG_LANE_SET = {MG_LANE_SET_NAME, line_run, lanes_run, chain_run,
                              adam_lanes};

#undef lane_pow
