/* test_kernels.c: every kernel of every set that this machine has, against plain loops,
 * bit for bit but for the signs and payloads of NaN: lengths 0 to 70 and some primes,
 * special values among random ones, operands that repeat, results over operands, memory
 * that is aligned to its elements only; and that nothing else is written. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernels.h"
#include "base/vmath.h"

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define OF(name) PASTE(name, TYPE)

enum { CUMSUM, SOFTMAX, LOG_SOFTMAX, LOGSUMEXP, VARIANCE, LAYER_NORM, RMS_NORM };

#define T float
#define TYPE f32
#define VM(name) vm_##name##_f32
#define C(name) name##f
#include "naive.h"
#undef T
#undef TYPE
#undef VM
#undef C
#define T double
#define TYPE f64
#define VM(name) vm_##name
#define C(name) name
#include "naive.h"
#undef T
#undef TYPE
#undef VM
#undef C

static long long checks, failures;

/* ---- arrays of any type ------------------------------------------------------------- */

enum { MOST = 2100, MARGIN = 64 };

static const size_t sizes[MG_DTYPE_COUNT] = {4, 8, 2, 2, 8, 4, 2, 1, 1, 1};

/* Room for elements with a margin on either side, which nobody may write to. */
typedef struct space {
    unsigned char *block, *at;
    size_t size;
} space;

static space space_make(size_t size)
{
    space s = {malloc(size + 4 * MARGIN), NULL, size};
    memset(s.block, 0xA5, size + 4 * MARGIN);
    s.at = s.block + MARGIN + 8; /* on 8 bytes, on no more */
    s.at += (64 - (uintptr_t)s.at % 64) % 64 + 8;
    return s;
}

static void space_free(space *s)
{
    for (unsigned char *p = s->block; p < s->at; p++) failures += *p != 0xA5;
    for (unsigned char *p = s->at + s->size; p < s->block + s->size + 4 * MARGIN; p++)
        failures += *p != 0xA5;
    checks++;
    free(s->block);
}

static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static double number(int dtype)
{
    static const double specials[] = {
        0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.0, 1.5, 2.5, -2.5, 0.1, 1e-3, 1e10,
        -1e10, 1e30, -1e-30, 1e300, 1e-300, 0x1p-149, -0x1p-140, 0x1p-126, 0x1.fffffep127,
        5e-324, 1.5e-310, 0x1p20, 0x1.00001p20, -1e6, 1048577.0, 4e7, 8388607.5, 8388608.5,
        4503599627370495.5, 65504.0, 65519.0, 65520.0, 6e-8, 2.9e-8, 3e-8, 0x1p31, -0x1p31,
        0x1p63, -0x1p63, 255.5, 256.0, -0.9, 0x1.fffffffffffffp1023};
    uint64_t bits = next();
    float x;
    double y;
    switch (next() % 8) {
    case 0: return specials[bits % (sizeof specials / sizeof *specials)];
    case 1: return bits & 1 ? (double)INFINITY : -(double)INFINITY;
    case 2: return (double)NAN;
    case 3:
        memcpy(&x, &bits, sizeof x);
        memcpy(&y, &bits, sizeof y);
        return dtype == MG_FLOAT64 ? y : (double)x;
    default: return ((double)(int64_t)bits * 0x1p-63) * (bits & 8 ? 3.7 : 40.0);
    }
}

/* What arrays hold: anything; no NaN and infinity, which would hide everything in sums;
 * mostly near 1, for products; 1/4 to 4, of one sign and of both, where quick forms are
 * hardly ever in doubt. */
enum { WILD, FINITE, NEAR_ONE, POSITIVE, ORDINARY, TAMES };

static double tame_number(int dtype, int tame)
{
    double size = 0.25 + 3.75 * ((double)(next() >> 11) * 0x1p-53), x = number(dtype);
    if (tame >= POSITIVE) return tame == ORDINARY && next() & 256 ? -size : size;
    while (tame && !(fabs(x) < 1e5)) x = number(dtype);
    return tame == NEAR_ONE && next() % 8 ? 1.0 + x * 1e-6 : x;
}

/* For a step of a test of elements, half of them without anything special. */
static int tame_of(int step)
{
    return step % 2 == 0 ? WILD : step % 4 == 1 ? POSITIVE : ORDINARY;
}

static int64_t integer(void)
{
    static const int64_t specials[] = {0,  1,   -1,  2,         -2,        3,         -3,
                                       10, 127, 255, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX,
                                       INT64_MIN + 1};
    uint64_t bits = next();
    if (bits & 1) return specials[(bits >> 8) % (sizeof specials / sizeof *specials)];
    return bits & 2 ? (int64_t)(bits >> 60) - 8 : (int64_t)next();
}

static void fill_freshly(int dtype, int64_t n, void *numbers, int tame)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = next();
        int64_t whole = integer();
        double x = tame_number(dtype, tame);
        float single = (float)x;
        switch (dtype) {
        case MG_FLOAT32: memcpy((float *)numbers + i, &single, 4); break;
        case MG_FLOAT64: memcpy((double *)numbers + i, &x, 8); break;
        case MG_FLOAT16:
        case MG_BFLOAT16: memcpy((uint16_t *)numbers + i, &bits, 2); break;
        case MG_INT64: ((int64_t *)numbers)[i] = whole; break;
        case MG_INT32: ((int32_t *)numbers)[i] = (int32_t)whole; break;
        case MG_INT16: ((int16_t *)numbers)[i] = (int16_t)whole; break;
        case MG_INT8: ((int8_t *)numbers)[i] = (int8_t)whole; break;
        case MG_UINT8: ((uint8_t *)numbers)[i] = (uint8_t)whole; break;
        default: ((uint8_t *)numbers)[i] = bits & 1; break;
        }
    }
}

/* Fill with fresh numbers, or, where there are many, with runs of ones that were made once:
 * to make them takes longer than all tests. */
static void fill(int dtype, int64_t n, void *numbers, int tame)
{
    enum { BANK = 1 << 13, RUN = 509, FRESH = 100 };
    static uint64_t banks[MG_DTYPE_COUNT][TAMES][BANK];
    static bool filled[MG_DTYPE_COUNT][TAMES];
    uint64_t *bank = banks[dtype][tame];
    int64_t size = (int64_t)sizes[dtype];
    if (!filled[dtype][tame]) fill_freshly(dtype, BANK, bank, tame);
    filled[dtype][tame] = true;
    int64_t i = n < FRESH ? n : FRESH;
    fill_freshly(dtype, i, numbers, tame);
    while (i < n) {
        int64_t run = n - i < RUN ? n - i : RUN;
        int64_t from = (int64_t)(next() % (uint64_t)(BANK - RUN));
        memcpy((char *)numbers + i * size, (char *)bank + from * size, (size_t)(run * size));
        i += run;
    }
}

static bool is_nan(int dtype, const void *x)
{
    uint16_t half;
    switch (dtype) {
    case MG_FLOAT32: return *(const float *)x != *(const float *)x;
    case MG_FLOAT64: return *(const double *)x != *(const double *)x;
    case MG_FLOAT16: memcpy(&half, x, 2); return (half & 0x7FFF) > 0x7C00;
    case MG_BFLOAT16: memcpy(&half, x, 2); return (half & 0x7FFF) > 0x7F80;
    default: return false;
    }
}

/* Compare n elements and tell about the first that differs. */
static void expect(const char *what, int dtype, int64_t n, const void *y, const void *right,
                   int64_t detail)
{
    size_t size = sizes[dtype];
    checks++;
    for (int64_t i = 0; i < n; i++) {
        const char *p = (const char *)y + (size_t)i * size;
        const char *q = (const char *)right + (size_t)i * size;
        uint64_t of_p = 0, of_q = 0;
        if (!memcmp(p, q, size) || (is_nan(dtype, p) && is_nan(dtype, q))) continue;
        memcpy(&of_p, p, size), memcpy(&of_q, q, size);
        if (++failures <= 20)
            printf("%s %s, type %d, n %lld, detail %lld: element %lld is %llx, not %llx\n",
                   mg_isa(), what, dtype, (long long)n, (long long)detail, (long long)i,
                   (unsigned long long)of_p, (unsigned long long)of_q);
        return;
    }
}

/* ---- elements ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    int arity;
    enum op_types types;
} rows[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, ...) {#name, arity, types},
#include "ops.def"
};

static bool compare(int op, bool less, bool equal, bool ordered)
{
    switch (op) {
    case MG_EQ: return equal;
    case MG_NE: return !equal;
    case MG_LT: return less;
    case MG_LE: return less || equal;
    case MG_GT: return ordered && !less && !equal;
    default: return ordered && !less;
    }
}

static int64_t int_power(int64_t x, int64_t k)
{
    uint64_t y = 1, power = (uint64_t)x;
    if (k < 0) return x == 1 || x == -1 ? int_power(x, k & 1) : 0;
    for (; k; k /= 2, power *= power)
        if (k % 2) y *= power;
    return (int64_t)y;
}

/* One bit at a time. */
static int64_t shifted(int64_t x, int64_t count, int bits, bool left)
{
    if (count < 0 || count > bits) count = bits;
    for (; count; count--) x = left ? (int64_t)((uint64_t)x * 2) : x / 2 - (x % 2 < 0);
    return x;
}

/* Modulo 2^64, of which a smaller type of so many bits takes the last ones. */
static int64_t int_value(int op, int64_t a, int64_t b, int bits)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    bool turn = a && b && b != -1 && a % b && (a < 0) != (b < 0);
    switch (op) {
    case MG_ADD: return (int64_t)(x + y);
    case MG_SUB: return (int64_t)(x - y);
    case MG_MUL: return (int64_t)(x * y);
    case MG_NEG: return (int64_t)(0 - x);
    case MG_SQUARE: return (int64_t)(x * x);
    case MG_ABS: return a < 0 ? (int64_t)(0 - x) : a;
    case MG_RELU: return a < 0 ? 0 : a;
    case MG_SIGN: return (a > 0) - (a < 0);
    case MG_BITWISE_AND: return a & b;
    case MG_BITWISE_OR: return a | b;
    case MG_BITWISE_XOR: return (a | b) - (a & b);
    case MG_BITWISE_NOT: return -1 - a;
    case MG_BITWISE_LEFT_SHIFT: return shifted(a, b, bits, true);
    case MG_BITWISE_RIGHT_SHIFT: return shifted(a, b, bits, false);
    case MG_MAXIMUM:
    case MG_CLAMP_MIN: return a > b ? a : b;
    case MG_MINIMUM:
    case MG_CLAMP_MAX: return a < b ? a : b;
    case MG_FLOOR_DIVIDE: return b == 0 ? 0 : b == -1 ? (int64_t)(0 - x) : a / b - turn;
    case MG_REMAINDER: return b == 0 || b == -1 ? 0 : a % b + (turn ? b : 0);
    default: return int_power(a, b);
    }
}

static uint8_t truth_value(int op, uint8_t a, uint8_t b)
{
    switch (op) {
    case MG_ADD:
    case MG_MAXIMUM:
    case MG_CLAMP_MIN:
    case MG_BITWISE_OR:
    case MG_LOGICAL_OR: return a || b;
    case MG_BITWISE_XOR:
    case MG_LOGICAL_XOR: return a != b;
    case MG_BITWISE_NOT:
    case MG_LOGICAL_NOT: return !a;
    case MG_SIGN: return a;
    default: return a && b;
    }
}

static int64_t int_at(int dtype, const void *numbers, int64_t i)
{
    return dtype == MG_INT64   ? ((const int64_t *)numbers)[i]
           : dtype == MG_INT32 ? ((const int32_t *)numbers)[i]
           : dtype == MG_INT16 ? ((const int16_t *)numbers)[i]
           : dtype == MG_INT8  ? ((const int8_t *)numbers)[i]
                               : ((const uint8_t *)numbers)[i];
}

static void naive_map(int op, int dtype, int64_t n, const void *a, const void *b, void *y,
                      double k, unsigned repeats)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t ia = repeats & 1 ? 0 : i, ib = repeats & 2 ? 0 : i;
        if (dtype <= MG_FLOAT64 && rows[op].types == COMPARES) {
            bool wide = dtype == MG_FLOAT64;
            double p = wide ? ((const double *)a)[ia] : (double)((const float *)a)[ia];
            double q = wide ? ((const double *)b)[ib] : (double)((const float *)b)[ib];
            ((uint8_t *)y)[i] = compare(op, p < q, p == q, p == p && q == q);
        } else if (dtype == MG_FLOAT32) {
            const float *as = a, *bs = b ? b : a;
            ((float *)y)[i] = naive_value_f32(op, as[ia], bs[b ? ib : ia], k);
        } else if (dtype == MG_FLOAT64) {
            const double *as = a, *bs = b ? b : a;
            ((double *)y)[i] = naive_value_f64(op, as[ia], bs[b ? ib : ia], k);
        } else {
            int64_t p = int_at(dtype, a, ia), q = b ? int_at(dtype, b, ib) : 0;
            int64_t result = rows[op].types == COMPARES ? compare(op, p < q, p == q, true)
                             : dtype == MG_BOOL
                                 ? truth_value(op, (uint8_t)p, (uint8_t)q)
                                 : int_value(op, p, q, 8 * (int)sizes[dtype]);
            if (dtype == MG_INT64 && rows[op].types != COMPARES)
                ((int64_t *)y)[i] = result;
            else if (dtype == MG_INT32 && rows[op].types != COMPARES)
                ((int32_t *)y)[i] = (int32_t)result;
            else
                ((uint8_t *)y)[i] = (uint8_t)result;
        }
    }
}

static int64_t length(int step)
{
    static const int64_t more[] = {97, 127, 131, 257, 509, 1031};
    return step <= 70 ? step : more[step - 71];
}
enum { LENGTHS = 77 };

static double exponent(int step)
{
    static const double usual[] = {2.0, 1.0, 0.0, -1.0, 0.5, -0.5, 3.0, 4.0, 1.5, -2.0, 0.1};
    return usual[step % 11];
}

static void test_map(int op, int dtype)
{
    map_kernel kernel = kernels()->value[op][dtype];
    bool has_b = rows[op].arity > 1;
    int result = rows[op].types == COMPARES ? MG_BOOL : dtype;
    for (int step = 0; step < LENGTHS; step++) {
        int64_t n = length(step);
        for (unsigned repeats = 0; repeats < (has_b ? 4u : 2u); repeats++) {
            size_t size = (size_t)n * sizes[dtype], one = sizes[dtype];
            space a = space_make(repeats & 1 ? one : size), right = space_make(8 * MOST);
            space b = space_make(repeats & 2 ? one : size);
            space y = space_make((size_t)n * sizes[result]);
            fill(dtype, repeats & 1 ? 1 : n, a.at, tame_of(step));
            fill(dtype, repeats & 2 ? 1 : n, b.at, tame_of(step / 2));
            const void *second = has_b ? b.at : NULL;
            double k = exponent(step);
            naive_map(op, dtype, n, a.at, second, right.at, k, repeats);
            kernel(n, a.at, second, y.at, k, repeats);
            expect(rows[op].name, result, n, y.at, right.at, repeats);
            if (result == dtype && !(repeats & 1)) {
                memcpy(y.at, a.at, size);
                kernel(n, y.at, second, y.at, k, repeats);
                expect(rows[op].name, result, n, y.at, right.at, 10 + repeats);
            }
            if (result == dtype && has_b && !(repeats & 2)) {
                memcpy(y.at, b.at, size);
                kernel(n, a.at, y.at, y.at, k, repeats);
                expect(rows[op].name, result, n, y.at, right.at, 20 + repeats);
            }
            space_free(&a), space_free(&b), space_free(&y), space_free(&right);
        }
    }
}

static void naive_gradient(int op, int which, int dtype, int64_t n, void *const in[4],
                           void *y, double k)
{
    for (int64_t i = 0; i < n; i++) {
        const float *s[4] = {in[0], in[1], in[2], in[3]};
        const double *d[4] = {in[0], in[1], in[2], in[3]};
        if (dtype == MG_FLOAT32)
            ((float *)y)[i] =
                naive_gradient_f32(op, which, s[0][i], s[1][i], s[2][i], s[3][i], k);
        else
            ((double *)y)[i] =
                naive_gradient_f64(op, which, d[0][i], d[1][i], d[2][i], d[3][i], k);
    }
}

static void test_gradient(int op, int which, int dtype)
{
    gradient_kernel kernel = kernels()->gradient[op][which][dtype];
    for (int step = 0; step < LENGTHS; step++) {
        int64_t n = length(step);
        size_t size = (size_t)n * sizes[dtype];
        space in[4], y = space_make(size), right = space_make(8 * MOST);
        void *at[4];
        for (int i = 0; i < 4; i++) {
            in[i] = space_make(size);
            at[i] = in[i].at;
            fill(dtype, n, at[i], tame_of(step));
        }
        double k = exponent(step);
        naive_gradient(op, which, dtype, n, at, right.at, k);
        kernel(n, at[0], at[1], at[2], at[3], y.at, k);
        expect(rows[op].name, dtype, n, y.at, right.at, 100 + which);
        for (int over = 0; over < 4; over++) {
            void *moved[4] = {at[0], at[1], at[2], at[3]};
            memcpy(y.at, at[over], size);
            moved[over] = y.at;
            kernel(n, moved[0], moved[1], moved[2], moved[3], y.at, k);
            expect(rows[op].name, dtype, n, y.at, right.at, 110 + over);
        }
        for (int i = 0; i < 4; i++) space_free(&in[i]);
        space_free(&y), space_free(&right);
    }
}

static bool has_kernel(int op, int dtype)
{
    if (dtypes_computed[dtype] != dtype) return false;
    switch (rows[op].types) {
    case FLOATS: return dtype <= MG_FLOAT64;
    case NUMBERS:
    case NUMBERS_ONLY: return dtype != MG_BOOL;
    case NUMBERS_AND_BOOLS:
    case COMPARES: return true;
    case INTEGRAL: return dtype > MG_BFLOAT16 && dtype != MG_BOOL;
    case INTEGRAL_AND_BOOLS: return dtype > MG_BFLOAT16;
    case TRUTHS: return dtype == MG_BOOL;
    default: return false;
    }
}

static bool has_gradient(int op, int which)
{
    return rows[op].types > NOWHERE && rows[op].types < INTEGRAL && which < rows[op].arity;
}

/* Count kernels that are not there: what is called without a look must exist. */
static void test_table(const char *what, const void *table, size_t size)
{
    static void (*const none)(void);
    for (size_t at = 0; at < size; at += sizeof none, checks++)
        if (!memcmp((const char *)table + at, &none, sizeof none)) {
            failures++;
            printf("%s lacks its kernel number %d\n", what, (int)(at / sizeof none));
        }
}

/* Of a set that need not run here: every kernel that a row says exists, and no other. */
static void test_entries(const kernel_set *set)
{
    for (int op = 0; op < MG_OP_COUNT; op++)
        for (int dtype = 0; dtype < MG_DTYPE_COUNT; dtype++, checks++) {
            bool has = is_element_op(op) && has_kernel(op, dtype);
            failures += (set->value[op][dtype] != NULL) != has;
            for (int which = 0; which < 2 && dtype < WIDE_COUNT; which++)
                failures += (set->gradient[op][which][dtype] != NULL) !=
                            (is_element_op(op) && has_gradient(op, which));
        }
    for (int from = 0; from < MG_DTYPE_COUNT; from++) /* test_cast() shows that they do */
        for (int to = 0; to < MG_DTYPE_COUNT; to++, checks++)
            failures += !set->cast[from][to] != !kernels_baseline.cast[from][to];
    test_table("reduce", set->reduce, sizeof set->reduce);
#define MG_KERNEL(type, name, kinds) test_table(#name, &set->name, sizeof set->name);
#include "kernels/kernels.def"
}

static void test_elements(void)
{
    for (int op = 0; op < MG_MAP_OP_COUNT; op++)
        for (int dtype = 0; dtype < MG_DTYPE_COUNT; dtype++) {
            if (has_kernel(op, dtype)) test_map(op, dtype);
            for (int which = 0; which < 2 && dtype < WIDE_COUNT; which++)
                if (has_gradient(op, which)) test_gradient(op, which, dtype);
        }
}

/* ---- casts and choices -------------------------------------------------------------- */

static uint16_t naive_half(double x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent_of;
    if (x != x) return 0x7E00;
    if (x == 0.0) return sign;
    if (fabs(x) >= 65520.0) return sign | 0x7C00;
    frexp(x, &exponent_of);
    if (exponent_of < -13) exponent_of = -13; /* subnormal */
    double whole = rint(ldexp(fabs(x), 11 - exponent_of)); /* up to 2^11 */
    return (uint16_t)(sign | (uint16_t)(whole + (exponent_of + 13) * 1024));
}

static double naive_of_half(uint16_t half)
{
    int exponent_of = half >> 10 & 31, mantissa = half & 1023;
    double x = exponent_of == 31 ? (mantissa ? (double)NAN : (double)INFINITY)
               : exponent_of     ? ldexp(1024 + mantissa, exponent_of - 25)
                                 : ldexp(mantissa, -24);
    return half & 0x8000 ? -x : x;
}

static uint16_t naive_brain(double x)
{
    int exponent_of;
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (x != x) return 0x7FC0;
    if (x == 0.0) return sign;
    if (fabs(x) >= 0x1.FFp127) return sign | 0x7F80;
    frexp(x, &exponent_of);
    if (exponent_of < -125) exponent_of = -125; /* subnormal */
    double whole = rint(ldexp(fabs(x), 8 - exponent_of)); /* up to 2^8 */
    return (uint16_t)(sign | (uint16_t)(whole + (exponent_of + 125) * 128));
}

static double naive_of_brain(uint16_t brain)
{
    uint32_t bits = (uint32_t)brain << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

/* An integer as a double with 53 bits of it, the last of which tells of all others. */
static double odd_of(int64_t x)
{
    const int64_t rest = x % 4096 < 0 ? -1 : x % 4096 > 0;
    return fabs((double)x) < 0x1p53 ? (double)x : ldexp((double)(x / 4096 * 2 + rest), 11);
}

static int64_t saturate(double x, double least, double end, int64_t first, int64_t last)
{
    return x != x ? 0 : x < least ? first : x >= end ? last : (int64_t)x;
}

static void naive_cast(int from, int to, int64_t n, const void *a, void *y)
{
    for (int64_t i = 0; i < n; i++) {
        bool is_float = from <= MG_BFLOAT16;
        double x = from == MG_FLOAT32    ? (double)((const float *)a)[i]
                   : from == MG_FLOAT64  ? ((const double *)a)[i]
                   : from == MG_FLOAT16  ? naive_of_half(((const uint16_t *)a)[i])
                   : from == MG_BFLOAT16 ? naive_of_brain(((const uint16_t *)a)[i])
                                         : (double)int_at(from, a, i);
        int64_t k = is_float ? 0 : int_at(from, a, i);
        switch (to) {
        case MG_FLOAT32: ((float *)y)[i] = is_float ? (float)x : (float)k; break;
        case MG_FLOAT64: ((double *)y)[i] = x; break;
        case MG_FLOAT16: ((uint16_t *)y)[i] = naive_half(x); break;
        case MG_BFLOAT16:
            ((uint16_t *)y)[i] = naive_brain(is_float ? x : odd_of(k));
            break;
        case MG_INT64:
            if (is_float) k = saturate(x, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX);
            ((int64_t *)y)[i] = k;
            break;
        case MG_INT32:
            if (is_float) k = saturate(x, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX);
            ((int32_t *)y)[i] = (int32_t)k;
            break;
        case MG_INT16:
            if (is_float) k = saturate(x, -0x1p15, 0x1p15, INT16_MIN, INT16_MAX);
            ((int16_t *)y)[i] = (int16_t)k;
            break;
        case MG_INT8:
            if (is_float) k = saturate(x, -128.0, 128.0, INT8_MIN, INT8_MAX);
            ((int8_t *)y)[i] = (int8_t)k;
            break;
        case MG_UINT8:
            if (is_float) k = saturate(x, 0.0, 256.0, 0, 255);
            ((uint8_t *)y)[i] = (uint8_t)k;
            break;
        default: ((uint8_t *)y)[i] = is_float ? x != 0.0 : k != 0; break;
        }
    }
}

static void test_cast(int from, int to)
{
    for (int step = 0; step < LENGTHS; step++) {
        int64_t n = length(step);
        space a = space_make((size_t)n * sizes[from]), y = space_make((size_t)n * sizes[to]);
        space right = space_make(8 * MOST);
        fill(from, n, a.at, 0);
        naive_cast(from, to, n, a.at, right.at);
        cast_elements(from, to, n, a.at, y.at);
        expect("cast", to, n, y.at, right.at, from);
        space_free(&a), space_free(&y), space_free(&right);
    }
}

/* What lies between a number of two bytes and the next, from floats and doubles. */
static void test_near(int dtype, unsigned bits, double middle)
{
    uint16_t (*naive)(double) = dtype == MG_FLOAT16 ? naive_half : naive_brain;
    float near[3] = {(float)middle};
    double nearer[3] = {middle, nextafter(middle, 1e300), nextafter(middle, -1e300)};
    uint16_t out[3], right[3];
    near[1] = nextafterf(near[0], INFINITY), near[2] = nextafterf(near[0], -INFINITY);
    cast_elements(MG_FLOAT32, dtype, 3, near, out);
    for (int i = 0; i < 3; i++) right[i] = naive((double)near[i]);
    expect("near", dtype, 3, out, right, bits);
    cast_elements(MG_FLOAT64, dtype, 3, nearer, out);
    for (int i = 0; i < 3; i++) right[i] = naive(nearer[i]);
    expect("nearer", dtype, 3, out, right, bits);
}

/* All float16 or bfloat16, there and back, and what lies between them. */
static void test_two_bytes(int dtype, double (*value)(uint16_t))
{
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        uint16_t in = (uint16_t)bits, out;
        float single;
        double wide, expected = value(in);
        cast_elements(dtype, MG_FLOAT32, 1, &in, &single);
        cast_elements(dtype, MG_FLOAT64, 1, &in, &wide);
        expect("two bytes to double", MG_FLOAT64, 1, &wide, &expected, bits);
        cast_elements(MG_FLOAT32, dtype, 1, &single, &out);
        expect("two bytes", dtype, 1, &out, &in, bits);
        double following = value((uint16_t)(bits + 1));
        if (bits < 0xFFFF) test_near(dtype, bits, (expected + following) / 2);
    }
}

static void test_choose(int place)
{
    static const int dtypes[] = {MG_UINT8, MG_FLOAT16, MG_INT32, MG_INT64};
    int dtype = dtypes[place];
    size_t size = sizes[dtype];
    for (int step = 0; step < LENGTHS; step++)
        for (unsigned repeats = 0; repeats < 4; repeats++) {
            int64_t n = length(step);
            space test = space_make((size_t)n), y = space_make((size_t)n * size);
            space a = space_make(repeats & 1 ? size : (size_t)n * size);
            space b = space_make(repeats & 2 ? size : (size_t)n * size);
            space right = space_make(8 * MOST);
            fill(MG_BOOL, n, test.at, 0);
            fill(dtype, repeats & 1 ? 1 : n, a.at, 0);
            fill(dtype, repeats & 2 ? 1 : n, b.at, 0);
            for (int64_t i = 0; i < n; i++) {
                const space *from = test.at[i] ? &a : &b;
                bool repeated = repeats & (test.at[i] ? 1 : 2);
                memcpy(right.at + (size_t)i * size,
                       from->at + (repeated ? 0 : (size_t)i * size), size);
            }
            kernels()->choose[place](n, test.at, a.at, b.at, y.at, repeats);
            expect("choose", dtype, n, y.at, right.at, repeats);
            space_free(&test), space_free(&y), space_free(&a), space_free(&b);
            space_free(&right);
        }
}

/* ---- reductions --------------------------------------------------------------------- */

static int64_t int_join(int which, int64_t x, int64_t y)
{
    static const int ops[] = {MG_ADD, MG_MUL, MG_MAXIMUM, MG_MINIMUM};
    return int_value(ops[which], x, y, 64);
}

static const int places[] = {MG_FLOAT32, MG_FLOAT64, MG_INT64};

/* y from n elements, `stride` apart. */
static void naive_reduce(int which, int place, int64_t n, const void *a, int64_t stride,
                         void *y)
{
    static const int64_t starts[] = {0, 1, INT64_MIN, INT64_MAX};
    if (place == 0) *(float *)y = naive_reduce_f32(which, n, a, stride);
    if (place == 1) *(double *)y = naive_reduce_f64(which, n, a, stride);
    if (place != 2) return;
    int64_t result = starts[which];
    for (int64_t i = 0; i < n; i++)
        result = int_join(which, result, ((const int64_t *)a)[i * stride]);
    *(int64_t *)y = result;
}

/* Rows of n, and columns of n, of a matrix with holes between its rows or without. */
static void test_matrix(int which, int place, int64_t lines, int64_t n, int64_t hole,
                        int tame)
{
    const reduction_kernels *set = &kernels()->reduce[which][place];
    int dtype = places[place];
    size_t size = sizes[dtype];
    int64_t stride = n + hole, down = lines + hole;
    space a = space_make((size_t)((lines + 1) * (n + 1) * (hole + 1)) * size);
    space y = space_make((size_t)lines * size), right = space_make((size_t)lines * size);
    fill(dtype, (int64_t)(a.size / size), a.at, tame);
    for (int64_t r = 0; r < lines; r++)
        naive_reduce(which, place, n, a.at + (size_t)(r * stride) * size, 1,
                     right.at + (size_t)r * size);
    set->rows(lines, n, a.at, stride, y.at);
    expect("rows", dtype, lines, y.at, right.at, n);
    for (int64_t r = 0; r < lines; r++)
        naive_reduce(which, place, n, a.at + (size_t)r * size, down,
                     right.at + (size_t)r * size);
    set->columns(n, lines, a.at, down, y.at);
    expect("columns", dtype, lines, y.at, right.at, n);
    space_free(&a), space_free(&y), space_free(&right);
}

static void test_reductions(void)
{
    static const int64_t lines[] = {0, 1, 2, 3, 5, 16, 63, 64, 65, 131, 257};
    for (int which = 0; which < REDUCTION_COUNT; which++)
        for (int place = 0; place <= WIDE_COUNT; place++) {
            for (int step = 0; step < LENGTHS; step++)
                for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
                    test_matrix(which, place, lines[i], length(step),
                                step % 2 ? 0 : (int64_t)i, step % 3 ? which == 1 ? 2 : 1 : 0);
            test_matrix(which, place, 600, 70, 0, 1);
            test_matrix(which, place, 1100, 33, 3, 1);
            for (int64_t n = REDUCE_BLOCK - 1; n <= REDUCE_BLOCK + 1; n++)
                test_matrix(which, place, 5, n, n % 3, 1);
            test_matrix(which, place, 3, 40 * REDUCE_BLOCK + 7, 0, which == 1 ? 2 : 1);
            test_matrix(which, place, 131, 2 * REDUCE_BLOCK + 33, 1, which == 1 ? 2 : 1);
        }
}

/* ---- rows --------------------------------------------------------------------------- */

static void test_search(int largest, int place, int64_t n, bool few)
{
    enum { ROWS = 5 };
    int dtype = places[place];
    size_t size = sizes[dtype];
    space a = space_make((size_t)(ROWS * (n + 3)) * size);
    int64_t y[ROWS], right[ROWS];
    fill(dtype, ROWS * (n + 3), a.at, few ? 1 : 0);
    for (int64_t r = 0; r < ROWS; r++) {
        const void *row = a.at + (size_t)(r * (n + 3)) * size;
        if (place == 0) right[r] = naive_search_f32(largest, n, row);
        if (place == 1) right[r] = naive_search_f64(largest, n, row);
        if (place != 2) continue;
        const int64_t *numbers = row;
        right[r] = 0;
        for (int64_t i = 1; i < n; i++)
            if (largest ? numbers[i] > numbers[right[r]] : numbers[i] < numbers[right[r]])
                right[r] = i;
    }
    (largest ? kernels()->argmax : kernels()->argmin)[place](ROWS, n, a.at, n + 3, y);
    expect(largest ? "argmax" : "argmin", MG_INT64, ROWS, y, right, n);
    space_free(&a);
}

static void call_rows(int kind, int place, int64_t lines, int64_t n, const void *a,
                      int64_t stride, const void *weight, const void *bias, double k,
                      void *y)
{
    const kernel_set *set = kernels();
    switch (kind) {
    case CUMSUM: set->cumsum[place](lines, n, a, stride, y); return;
    case SOFTMAX: set->softmax[place](lines, n, a, stride, y); return;
    case LOG_SOFTMAX: set->log_softmax[place](lines, n, a, stride, y); return;
    case LOGSUMEXP: set->logsumexp[place](lines, n, a, stride, y); return;
    case VARIANCE: set->variance[place](lines, n, a, stride, k, false, y); return;
    case LAYER_NORM: set->layer_norm[place](lines, n, a, weight, bias, 0, 1, k, y); return;
    default: set->rms_norm[place](lines, n, a, weight, k, y); return;
    }
}

static void test_rows(int kind, int place, int64_t lines, int64_t n, int variant)
{
    static const char *const names[] = {"cumsum",   "softmax",    "log_softmax", "logsumexp",
                                        "variance", "layer_norm", "rms_norm"};
    int dtype = places[place];
    size_t size = sizes[dtype];
    bool whole_rows = kind != LOGSUMEXP && kind != VARIANCE;
    int64_t stride = n + (kind < LAYER_NORM && variant & 1 ? 3 : 0);
    int64_t out = whole_rows ? n : 1, step = (int64_t)size;
    space a = space_make((size_t)(lines * stride) * size);
    space weight = space_make((size_t)n * size), bias = space_make((size_t)n * size);
    space y = space_make((size_t)(lines * out) * size);
    space right = space_make((size_t)(lines * out) * size);
    fill(dtype, lines * stride, a.at, variant & 2 ? 0 : 1);
    fill(dtype, n, weight.at, 1), fill(dtype, n, bias.at, 1);
    const void *w = variant & 4 ? weight.at : NULL;
    const void *b = variant & 8 && kind == LAYER_NORM ? bias.at : NULL;
    double k = kind == VARIANCE ? variant % 3 : 1e-5;
    for (int64_t r = 0; r < lines; r++) {
        unsigned char *row = a.at + r * stride * step, *to = right.at + r * out * step;
        if (place == 0)
            naive_row_f32(kind, n, (float *)row, w, b, k, (float *)to);
        else
            naive_row_f64(kind, n, (double *)row, w, b, k, (double *)to);
    }
    call_rows(kind, place, lines, n, a.at, stride, w, b, k, y.at);
    expect(names[kind], dtype, lines * out, y.at, right.at, n);
    if (whole_rows && stride == n) { /* in place */
        call_rows(kind, place, lines, n, a.at, stride, w, b, k, a.at);
        expect(names[kind], dtype, lines * out, a.at, right.at, -n);
    }
    space_free(&a), space_free(&weight), space_free(&bias), space_free(&y);
    space_free(&right);
}

/* ---- what rows pass on --------------------------------------------------------------- */

enum { SOFTMAX_BACK, LOG_SOFTMAX_BACK, CROSS_ENTROPY_BACK, LAYER_NORM_BACK, RMS_NORM_BACK, BACKS };

/* What a kernel is given: rows of a (or of the value) and of its gradient. */
typedef struct back_case {
    int kind, place;
    int64_t lines, n;
    const void *a, *g, *weight;
    const int64_t *targets; /* one of 7 is to be ignored, and -100 */
    const void *exps, *sums; /* what log_sums_kept() left, or NULL */
} back_case;

static const double SMOOTHING = 0.1, EPSILON = 1e-5;
#define IS_CENTERED(kind) ((kind) == LAYER_NORM_BACK)

static void call_back(const back_case *c, void *out)
{
    const kernel_set *set = kernels();
    const int p = c->place;
    switch (c->kind) {
    case SOFTMAX_BACK: set->softmax_back[p](c->lines, c->n, c->a, c->g, out); return;
    case LOG_SOFTMAX_BACK: set->log_softmax_back[p](c->lines, c->n, c->a, c->g, out); return;
    case CROSS_ENTROPY_BACK:
        set->cross_entropy_back[p](c->lines, c->n, c->a, c->exps, c->sums, c->targets, -100,
                                   SMOOTHING, c->g, out);
        return;
    default:
        set->norm_back[p](c->lines, c->n, c->a, c->g, c->weight, 0, 1, IS_CENTERED(c->kind),
                          EPSILON, out);
    }
}

#define NAIVE_BACK(T, TYPE) \
    static void naive_back_##TYPE(const back_case *c, int64_t r, T *out) \
    { \
        const T *a = (const T *)c->a + r * c->n, *g = (const T *)c->g + r * c->n; \
        if (c->kind < CROSS_ENTROPY_BACK) \
            naive_softmax_back_##TYPE(c->kind == LOG_SOFTMAX_BACK, c->n, a, g, out); \
        else if (c->kind > CROSS_ENTROPY_BACK) \
            naive_norm_back_##TYPE(IS_CENTERED(c->kind), c->n, a, g, c->weight, EPSILON, out); \
        else if (c->targets[r] == -100) \
            memset(out, 0, (size_t)c->n * sizeof(T)); \
        else \
            naive_cross_entropy_back_##TYPE(c->n, a, c->targets[r], SMOOTHING, \
                                            ((const T *)c->g)[r], out); \
    }
NAIVE_BACK(float, f32)
NAIVE_BACK(double, f64)

/* Compare a gradient that has a part of its work from the value, and what this made
 * meanwhile. */
static void test_kept(back_case c, space *y, const space *right)
{
    const int dtype = places[c.place];
    const size_t of_row = (size_t)c.lines * sizes[dtype];
    space exps = space_make((size_t)c.n * of_row), sums = space_make(of_row);
    space pairs = space_make(2 * of_row), right_pairs = space_make(2 * of_row);
    const kernel_set *set = kernels();
    set->log_sums[c.place](c.lines, c.n, c.a, c.n, right_pairs.at);
    set->log_sums_kept[c.place](c.lines, c.n, c.a, exps.at, sums.at, pairs.at);
    expect("log_sums_kept", dtype, 2 * c.lines, pairs.at, right_pairs.at, c.n);
    c.exps = exps.at, c.sums = sums.at;
    for (int again = 0; again < 2; again++) {
        memset(y->at, 0x5A, (size_t)c.n * of_row);
        call_back(&c, y->at);
        expect("cross_entropy back, kept", dtype, c.lines * c.n, y->at, right->at, c.n);
    }
    space_free(&exps), space_free(&sums), space_free(&pairs), space_free(&right_pairs);
}

static void test_back(int kind, int place, int64_t lines, int64_t n, int variant)
{
    static const char *const names[] = {"softmax back", "log_softmax back",
                                        "cross_entropy back", "layer_norm back",
                                        "rms_norm back"};
    const int dtype = places[place];
    const size_t size = sizes[dtype], all = (size_t)(lines * n) * size;
    space a = space_make(all + size), g = space_make(all + (size_t)lines * size);
    space weight = space_make((size_t)n * size), y = space_make(all), right = space_make(all);
    int64_t *targets = calloc((size_t)lines + 1, sizeof *targets);
    fill(dtype, lines * n, a.at, variant & 1 ? 0 : 1), fill(dtype, n, weight.at, 1);
    fill(dtype, lines * (n + 1), g.at, variant & 2 ? 0 : 1);
    for (int64_t r = 0; r < lines; r++)
        targets[r] = next() % 7 ? (int64_t)(next() % (uint64_t)n) : -100;
    back_case c = {kind,    place, lines, n, a.at, g.at, variant & 4 ? weight.at : NULL,
                   targets, NULL,  NULL};
    for (int64_t r = 0; r < lines; r++) {
        if (place == 0) naive_back_f32(&c, r, (float *)right.at + r * n);
        if (place == 1) naive_back_f64(&c, r, (double *)right.at + r * n);
    }
    call_back(&c, y.at);
    expect(names[kind], dtype, lines * n, y.at, right.at, n);
    if (kind == CROSS_ENTROPY_BACK) test_kept(c, &y, &right);
    space_free(&a), space_free(&g), space_free(&weight), space_free(&y), space_free(&right);
    free(targets);
}

#define NAIVE_NORM_WEIGHT(T, TYPE) \
    static void naive_norm_weight_##TYPE(int64_t lines, int64_t columns, const T *a, const T *g, \
                                         int64_t stride, const T *by, const T *mean, \
                                         const T *scale, T *y) \
    { \
        T *terms = calloc((size_t)lines + 1, sizeof(T)); \
        for (int64_t j = 0; j < columns; j++) { \
            for (int64_t i = 0; i < lines; i++) { \
                T x = (T)(a[i * stride + j] * by[i]) - mean[i]; \
                terms[i] = g[i * stride + j] * (T)(x * scale[i]); \
            } \
            y[j] = naive_reduce_##TYPE(REDUCE_SUM, lines, terms, 1); \
        } \
        free(terms); \
    }
NAIVE_NORM_WEIGHT(float, f32)
NAIVE_NORM_WEIGHT(double, f64)

static void test_norm_weight(int place, int64_t lines, int64_t columns, int64_t hole)
{
    const int dtype = places[place];
    const size_t size = sizes[dtype], of_row = (size_t)lines * size;
    const int64_t stride = columns + hole;
    space a = space_make((size_t)(lines * stride) * size), g = space_make(a.size);
    space by = space_make(of_row), mean = space_make(of_row), scale = space_make(of_row);
    space lanes = space_make((size_t)(NORM_LANES * columns) * size);
    space y = space_make((size_t)columns * size), right = space_make(y.size);
    fill(dtype, lines * stride, a.at, 1), fill(dtype, lines * stride, g.at, 1);
    fill(dtype, lines, by.at, 1), fill(dtype, lines, mean.at, 1), fill(dtype, lines, scale.at, 1);
    if (place == 0)
        naive_norm_weight_f32(lines, columns, (float *)a.at, (float *)g.at, stride,
                              (float *)by.at, (float *)mean.at, (float *)scale.at,
                              (float *)right.at);
    else
        naive_norm_weight_f64(lines, columns, (double *)a.at, (double *)g.at, stride,
                              (double *)by.at, (double *)mean.at, (double *)scale.at,
                              (double *)right.at);
    kernels()->norm_weight[place](lines, columns, a.at, g.at, stride, by.at, mean.at, scale.at,
                                  lanes.at, y.at);
    expect("norm weight", dtype, columns, y.at, right.at, lines);
    space_free(&a), space_free(&g), space_free(&by), space_free(&mean), space_free(&scale);
    space_free(&lanes), space_free(&y), space_free(&right);
}

static void test_all_backs(void)
{
    static const int64_t lines[] = {1, 3, 40}, long_rows[] = {600, 2053, 2 * REDUCE_BLOCK + 700};
    for (int place = 0; place < WIDE_COUNT; place++) {
        for (int step = 1; step < LENGTHS; step++)
            test_norm_weight(place, step, length(LENGTHS - step), step % 3);
        test_norm_weight(place, 3 * REDUCE_BLOCK + 5, 4, 1);
    }
    for (int kind = 0; kind < BACKS; kind++)
        for (int place = 0; place < WIDE_COUNT; place++) {
            for (int step = 1; step < LENGTHS; step++)
                for (int i = 0; i < 3; i++)
                    test_back(kind, place, lines[i], length(step), step + i);
            for (int i = 0; i < 3; i++)
                for (int variant = 0; variant < 8; variant += 4)
                    test_back(kind, place, 2, long_rows[i], variant);
        }
}

static void test_int_cumsum(int64_t lines, int64_t n)
{
    space a = space_make((size_t)(lines * (n + 1)) * 8), y = space_make((size_t)(lines * n) * 8);
    int64_t *as = (int64_t *)a.at, *ys = (int64_t *)y.at;
    fill(MG_INT64, lines * (n + 1), a.at, 0);
    kernels()->cumsum[2](lines, n, as, n + 1, ys);
    for (int64_t r = 0; r < lines; r++)
        for (int64_t i = 0, sum = 0; i < n; i++) {
            sum = int_value(MG_ADD, sum, as[r * (n + 1) + i], 64);
            expect("cumsum", MG_INT64, 1, ys + r * n + i, &sum, n);
        }
    space_free(&a), space_free(&y);
}

static void test_all_rows(void)
{
    static const int64_t lines[] = {0, 1, 2, 7, 64, 67, 131};
    for (int step = 1; step < LENGTHS; step++)
        for (int place = 0; place <= WIDE_COUNT; place++)
            for (int few = 0; few < 2; few++) {
                test_search(0, place, length(step), few);
                test_search(1, place, length(step), few);
            }
    for (int few = 0; few < 2; few++)
        for (int place = 0; place <= WIDE_COUNT; place++)
            test_search(few, place, 5003, true), test_search(few, place, 3001, false);
    for (int kind = CUMSUM; kind <= RMS_NORM; kind++)
        for (int place = 0; place < WIDE_COUNT; place++) {
            for (int step = 1; step < LENGTHS; step++)
                for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
                    test_rows(kind, place, step < 40 ? lines[i] : lines[i] % 5, length(step),
                              step + (int)i);
            for (int variant = 0; variant < 16; variant++)
                test_rows(kind, place, 2, 2053, variant);
            for (int variant = 0; variant < 2; variant++)
                test_rows(kind, place, 2, 2 * REDUCE_BLOCK + 700, variant);
        }
    for (int step = 0; step < LENGTHS; step++) test_int_cumsum(step % 10, length(step));
}

static void test_set(void)
{
    test_elements();
    for (int from = 0; from < MG_DTYPE_COUNT; from++)
        for (int to = 0; to < MG_DTYPE_COUNT; to++) test_cast(from, to);
    test_two_bytes(MG_FLOAT16, naive_of_half);
    test_two_bytes(MG_BFLOAT16, naive_of_brain);
    for (int place = 0; place < 4; place++) test_choose(place);
    test_reductions();
    test_all_rows();
    test_all_backs();
}

int main(void)
{
    static const char *const names[] = {"baseline", "avx2", "avx512"};
    const char *best = mg_isa();
    test_entries(&kernels_baseline);
#if defined(MG_HAS_X86_SETS)
    test_entries(&kernels_avx2);
    test_entries(&kernels_avx512);
#endif
    for (int i = 0; i < 3; i++) {
        if (mg_set_isa(names[i]) != MG_OK) {
            failures += strcmp(mg_isa(), names[i]) == 0;
            continue;
        }
        failures += strcmp(mg_isa(), names[i]) != 0;
        test_set();
        printf("%s: %lld checks, %lld failed\n", names[i], checks, failures);
    }
    failures += mg_set_isa("none such") != MG_ERR_ARG;
    failures += mg_set_isa(NULL) != MG_OK || strcmp(mg_isa(), best) != 0;
    return failures != 0;
}
