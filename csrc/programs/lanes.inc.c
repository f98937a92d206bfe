/* lanes.inc.c: the loops of programs of numbers, compiled once for each instruction set:
 * lanes_*.c set the target, name the set, and include this file.
 *
 * Every operation is that of Python's floats, the C library's functions among them, so the
 * set changes no bit. pow is spared where the result is certain without it: see below. */
#include "programs/script.h"

/* ---- pow --------------------------------------------------------------------------- */

/* For a few exponents a result r and the rest that it differs from the true value by are
 * computed with fused products. The error of glibc's pow is at most 0.511 units of the
 * result's last place and 1.5 * 2^-15 |log of the result|: so its source since 2.28, hence
 * only there. That is below 0.516 units from 2^-128 to 2^128. Where |rest| is below 0.4835
 * units of r's last place, pow returns r, as its neighbours are 0.5165 away; one in thirty
 * is called. Below a power of two neighbours are nearer; one is certain if it is exact,
 * which are few cases, and test_scripts.c asks pow for all. x * x alone is another number
 * than pow(x, 2) in one of 1400. */
#if (defined(MG_HAS_FMA) || defined(__aarch64__)) && defined(__GNUC__) && \
    defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 28)
#define LANES_KNOW_POW 1

/* Tell whether pow returns r, by the rest in units of `scale`. */
MG_INLINE bool is_certain(double r, double rest, double scale)
{
    const uint64_t exponent = 0x7FF0000000000000u, one = 1;
    uint64_t bits;
    double power;
    memcpy(&bits, &r, sizeof bits);
    const double most = bits & ((one << 52) - 1) ? 0.4835 * 0x1p-52 : 0.0;
    bits &= exponent;
    memcpy(&power, &bits, sizeof power);
    return (fabs(rest) <= most * power * scale) & (fabs(r) > 0x1p-128) &
           (fabs(r) < 0x1p128);
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

/* Correct a first result by its rest. */
MG_INLINE bool sum_is_certain(double first, double rest, double *r)
{
    *r = first + rest;
    return is_certain(*r, rest - (*r - first), 1.0);
}

MG_INLINE bool cube_is_certain(double x, double *r)
{
    double high = x * x, low = __builtin_fma(x, x, -high), product = high * x;
    double rest = __builtin_fma(high, x, -product) + low * x;
    return sum_is_certain(product, rest, r);
}

MG_INLINE bool inverse_square_is_certain(double x, double *r)
{
    double high = x * x, low = __builtin_fma(x, x, -high), first = 1.0 / high;
    double rest = (__builtin_fma(-first, high, 1.0) - first * low) * first;
    return sum_is_certain(first, rest, r);
}

/* Given r, near 1 / sqrt(high + low): the true value is r + r e / 2, where e is
 * 1 - r r (high + low). */
MG_INLINE bool inverse_root_is_certain(double high, double low, double first, double *r)
{
    double square = first * first, less = __builtin_fma(first, first, -square);
    double product = square * high, rest = __builtin_fma(square, high, -product);
    double e = ((1.0 - product) - rest) - (square * low + less * high);
    return sum_is_certain(first, 0.5 * first * e, r);
}

MG_INLINE bool inverse_cube_root_is_certain(double x, double *r)
{
    double square = x * x, less = __builtin_fma(x, x, -square), high = square * x;
    double low = __builtin_fma(square, x, -high) + less * x;
    return inverse_root_is_certain(high, low, 1.0 / (x * sqrt(x)), r);
}

/* Tell whether pow(x, k) is known without a call, and what it is. */
MG_INLINE bool pow_is_certain(double x, double k, double *r)
{
    *r = x;
    return k == 2.0    ? square_is_certain(x, r)
           : k == -1.0 ? inverse_is_certain(x, r)
           : k == 1.0  ? true
           : k == -2.0 ? inverse_square_is_certain(x, r)
           : k == 3.0  ? cube_is_certain(x, r)
           : k == 0.5  ? root_is_certain(x, r)
           : k == -0.5 ? inverse_root_is_certain(x, 0.0, 1.0 / sqrt(x), r)
                       : k == -1.5 && inverse_cube_root_is_certain(x, r);
}

/* float_pow() */
MG_INLINE double lane_pow(double x, double k, int *status)
{
    double r;
    if (is_math_portable()) return float_pow(x, k, status);
    return pow_is_certain(x, k, &r) ? r : float_pow(x, k, status);
}

/* The same, but *doubt becomes 1 where it is not known, and / where it may raise: many of
 * them are computed at once, and again one by one where there was a doubt. */
MG_INLINE double pow_guess(double x, double k, int *doubt)
{
    double r;
    *doubt |= !pow_is_certain(x, k, &r);
    return r;
}

MG_INLINE double div_guess(double x, double y, int *doubt)
{
    *doubt |= y == 0.0;
    return x / y;
}
#else
#define lane_pow float_pow
#endif

/* ---- one operation ----------------------------------------------------------------- */

#define FLOAT_POW lane_pow
#include "numbers/formulas.inc.c"

/* float_tanh() without a call of its own: half of a step of small networks is tanh. */
MG_INLINE double lane_tanh(double x)
{
    return is_math_portable() ? float_tanh(x) : tanh(x);
}

#undef TANH
#define TANH(x) lane_tanh(x)

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

/* The result of the line before, which most lines need: from memory it would come 5 cycles
 * later. */
typedef struct last_result {
    uint32_t to;
    double number;
} last_result;

MG_INLINE double line_operand(uint32_t slot, const double *slots, last_result last)
{
    if (slot == last.to) return last.number;
    return slots[slot];
}

/* Compute one operation of a line: the same with one look at the code, and without reading
 * what is not used. */
MG_INLINE double line_compute(const line *l, const double *slots, last_result last,
                              int *status)
{
    const double a = line_operand(l->a, slots, last), b = line_operand(l->b, slots, last);
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
    case LINE_ADD_PRODUCT: return line_operand(l->y, slots, last) + a * b;
    case CODE_WHERE: return slots[l->y] == b ? a : slots[l->g];
    default: return b > a ? b : a; /* CODE_PICK */
    }
}

/* Compute what code_compute() does by guesses of powers. */
#if defined(LANES_KNOW_POW)
#undef FLOAT_POW
#define FLOAT_POW(x, k, status) pow_guess((x), (k), doubt)
MG_INLINE double code_guess(uint32_t code, double a, double b, double y, double g, int *doubt)
{
    int ignored = MG_OK, *status = &ignored;
    (void)b, (void)y, (void)g;
    switch (code) {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    case 3 * MG_##NAME: return (value); \
    case 3 * MG_##NAME + 1: return (gradient_a);
#include "ops.def"
    default: return 0.0;
    }
}
#endif

#include "base/ops_undef.inc.c"

/* ---- lines ------------------------------------------------------------------------- */

static int line_run(const line *lines, size_t count, double *slots)
{
    int status = MG_OK;
    last_result last = {0, 0.0};
    for (const line *l = lines; l < lines + count; l++) {
        last = (last_result){l->to, line_compute(l, slots, last, &status)};
        slots[l->to] = last.number;
    }
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

static int lanes_plain(const instruction *i, double *slots)
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

/* ---- lanes of powers --------------------------------------------------------------- */

#if defined(LANES_KNOW_POW)
enum { GUESSES = 16 };

/* Return where lanes of an operand lie: for its one slot, copies of it in all[]. */
MG_INLINE const double *operand_find(const double *from, bool is_single, double *all)
{
    for (int l = 0; is_single && l < GUESSES; l++) all[l] = *from;
    return is_single ? all : from;
}

/* Compute lanes of a formula with one power, of exponent k; returns how many. */
MG_INLINE uint32_t powers_of(uint32_t code, const instruction *i, double *slots, double k,
                             int *status)
{
    const bool one_a = i->modes & SINGLE_A, one_y = i->modes & SINGLE_Y,
               one_g = i->modes & SINGLE_G;
    double all[3][GUESSES], found[GUESSES];
    const double *a = operand_find(slots + i->a, one_a, all[0]),
                 *y = operand_find(slots + i->y, one_y, all[1]),
                 *g = operand_find(slots + i->g, one_g, all[2]);
    int64_t doubts[GUESSES];
    uint32_t done = 0;
    for (; done + GUESSES <= i->count; done += GUESSES) {
        int64_t any = 0;
        for (int l = 0; l < GUESSES; l++) {
            int doubt = 0;
            found[l] = code_guess(code, a[l], k, y[l], g[l], &doubt);
            doubts[l] = doubt;
            any |= doubts[l];
        }
        for (int l = 0; any && l < GUESSES; l++)
            if (MG_UNLIKELY(doubts[l]))
                found[l] = code_compute(code, a[l], k, y[l], g[l], status);
        memcpy(slots + i->to + done, found, sizeof found);
        a += one_a ? 0 : GUESSES, y += one_y ? 0 : GUESSES, g += one_g ? 0 : GUESSES;
    }
    return done;
}

/* Compute the first lanes of powers, many at once; returns how many. */
static uint32_t powers_run(const instruction *i, double *slots, int *status)
{
    enum { POWER = 3 * MG_POW_NUMBER };
    const double k = slots[i->b];
#define OF_EXPONENT(code_of, number) \
    if (i->code == (code_of) && k == (number)) \
        return powers_of((code_of), i, slots, (number), status);
    if (i->code == 3 * MG_TANH + 1)
        return powers_of(3 * MG_TANH + 1, i, slots, 0.0, status);
    OF_EXPONENT(POWER, 2.0)
    OF_EXPONENT(POWER, -1.0)
    OF_EXPONENT(POWER, 0.5)
    OF_EXPONENT(POWER, -0.5)
    OF_EXPONENT(POWER, 3.0)
    OF_EXPONENT(POWER, -2.0)
    OF_EXPONENT(POWER + 1, 2.0)
    OF_EXPONENT(POWER + 1, -1.0)
    OF_EXPONENT(POWER + 1, 0.5)
    OF_EXPONENT(POWER + 1, -0.5)
    OF_EXPONENT(POWER + 1, 3.0)
#undef OF_EXPONENT
    return 0;
}
#endif

static int lanes_run(const instruction *i, double *slots)
{
#if defined(LANES_KNOW_POW)
    const bool has_power = i->code / 3 == MG_POW_NUMBER || i->code == 3 * MG_TANH + 1;
    if (has_power && i->count >= GUESSES && !is_math_portable()) {
        int status = MG_OK;
        const uint32_t done = powers_run(i, slots, &status);
        const instruction rest = lanes_from(i, done, i->count - done);
        const int of_rest = lanes_plain(&rest, slots);
        return status == MG_OK ? of_rest : status;
    }
#endif
    return lanes_plain(i, slots);
}

/* ---- chains ------------------------------------------------------------------------ */

/* A sum of one lane. */
MG_INLINE double chain_of_one(const uint32_t *table, uint32_t terms, const double *slots)
{
    double sum = slots[*table++];
    for (uint32_t k = 0; k < terms; k++, table += 2)
        sum = sum + slots[table[0]] * slots[table[1]];
    return sum;
}

/* Sums of one lane each: four at a time, as each waits for its last addition. */
static void chains_of_one(const instruction *i, const uint32_t *table, double *slots)
{
    const size_t stride = 1 + 2 * (size_t)i->terms;
    double *to = slots + i->to;
    uint32_t block = 0;
    for (; block + 4 <= i->count; block += 4, table += 4 * stride) {
        double sum[4];
        for (uint32_t c = 0; c < 4; c++) sum[c] = slots[table[c * stride]];
        for (const uint32_t *at = table + 1; at < table + stride; at += 2)
            for (uint32_t c = 0; c < 4; c++)
                sum[c] = sum[c] + slots[at[c * stride]] * slots[at[c * stride + 1]];
        for (uint32_t c = 0; c < 4; c++) to[block + c] = sum[c];
    }
    for (; block < i->count; block++, table += stride)
        to[block] = chain_of_one(table, i->terms, slots);
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
            for (int v = 0; v < (width) / MANY; v++) \
                memcpy(to + v * MANY, &sum[v], sizeof sum[v]); \
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
        chains_of_one(i, table, slots);
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

/* What a step is of: arrays of parameters, and where its results go. */
typedef struct adam_job {
    adam set;
    double unbias[2];
    int64_t count;
    const double *data, *gradients, *m, *v;
    double *to;
} adam_job;

static void move_put(const adam_job *job, int64_t i, number_move moved)
{
    job->to[i] = moved.data;
    job->to[job->count + i] = moved.first;
    job->to[2 * job->count + i] = moved.second;
}

static void move_one(const adam_job *job, int64_t i, int *status)
{
    move_put(job, i, adam_move(&job->set, job->unbias, job->data[i], job->gradients[i],
                               job->m[i], job->v[i], lane_pow, float_div, status));
}

#if defined(LANES_KNOW_POW)
/* Move GUESSES parameters from i on; those with a doubt again. What the set says of decay
 * is repeated, for a compiler that makes a loop of each. */
MG_INLINE void moves_guess(const adam_job *job, int64_t i, bool decays, bool decoupled,
                           int *status)
{
    adam set = job->set;
    if (!decays) set.weight_decay = 0.0;
    set.decoupled = decoupled;
    const double unbias[] = {job->unbias[0], job->unbias[1]};
    const double *data = job->data + i, *gradients = job->gradients + i, *m = job->m + i,
                 *v = job->v + i;
    double found[3][GUESSES];
    int64_t doubts[GUESSES];
    for (int l = 0; l < GUESSES; l++) {
        int doubt = 0;
        const number_move moved = adam_move(&set, unbias, data[l], gradients[l], m[l], v[l],
                                            pow_guess, div_guess, &doubt);
        found[0][l] = moved.data;
        found[1][l] = moved.first;
        found[2][l] = moved.second;
        doubts[l] = doubt;
    }
    for (int which = 0; which < 3; which++)
        memcpy(job->to + which * job->count + i, found[which], sizeof found[which]);
    for (int l = 0; l < GUESSES; l++)
        if (MG_UNLIKELY(doubts[l])) move_one(job, i + l, status);
}

/* Move as many parameters as are whole groups; returns how many. */
static int64_t moves_guess_all(const adam_job *job, int *status)
{
    const bool decays = job->set.weight_decay != 0.0, decoupled = job->set.decoupled;
    int64_t i = 0;
    for (; i + GUESSES <= job->count; i += GUESSES) {
        if (!decays) moves_guess(job, i, false, false, status);
        else if (decoupled) moves_guess(job, i, true, true, status);
        else moves_guess(job, i, true, false, status);
    }
    return i;
}
#endif

/* Compute a step: to[0 .. count) gets the data, then the means follow. */
static int adam_lanes(const adam *set, int64_t count, const double *data,
                      const double *gradients, const double *m, const double *v,
                      double *to)
{
    adam_job job = {*set, {0.0, 0.0}, count, data, gradients, m, v, to};
    int status = MG_OK;
    int64_t i = 0;
    adam_unbias(set, job.unbias, &status);
#if defined(LANES_KNOW_POW)
    if (!is_math_portable()) i = moves_guess_all(&job, &status);
#endif
    for (; i < count; i++) move_one(&job, i, &status);
    return status;
}

const lane_set MG_LANE_SET = {MG_LANE_SET_NAME, line_run, lanes_run, chain_run,
                              adam_lanes};

#undef lane_pow
