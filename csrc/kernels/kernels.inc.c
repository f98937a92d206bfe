/* kernels.inc.c: every loop over the elements of arrays, as plain C, compiled once for
 * each instruction set: kernels_*.c set the target, name the set, and include this file.
 * The parts, each included once for each type of element:
 *
 *   floats.inc.c, integers.inc.c   the arithmetic that the formulas of ops.def ask for
 *   elements.inc.c                 a kernel for each row of ops.def, and its gradients
 *   reduce.inc.c                   sums, products, extrema in lanes; argmax; cumsum
 *   rows.inc.c                     softmax and its family, variance, norms
 *   gemm.inc.c                     the matrix product
 *   update.inc.c                   updates of parameters
 *
 * Bits do not depend on the set: every operation is one IEEE operation or integer
 * arithmetic that wraps, none is fused but in matrix products, where all are, and sums go
 * in lanes. Nothing here calls the C library but for memory; nothing allocates, fails or
 * keeps anything. Rows of many blocks (SPEC.md) are shared among threads, and are anything
 * when their work is given up. */
#include "kernels/kernels.h"
#include "base/vmath.h"
#include "kernels/vmath_quick.h"
#if MG_VECTOR_BYTES == 64
#include "kernels/vmath_wide.h"
#endif

/* Copies of functions for constant arguments cost a third of the time to compile and gain
 * nothing. A loop of a few instructions takes up to twice the time where it crosses a line
 * of the cache of decoded instructions, of 32 bytes. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-ipa-cp", "align-loops=32")
#endif

#include "kernels/gemm.inc.c"

/* EACH, in front of a loop: its iterations do not touch each other's elements. Without it
 * compilers ask whether out overlaps a, and take a slow loop where out is a. */
#if defined(__clang__)
#define EACH _Pragma("clang loop vectorize(assume_safety)")
#pragma clang diagnostic ignored "-Wpass-failed" /* integer division stays scalar */
#elif defined(__GNUC__)
#define EACH _Pragma("GCC ivdep")
#else
#define EACH
#endif

#if defined(__GNUC__)
#define NEVER_INLINE __attribute__((noinline))
#define FETCH(address) __builtin_prefetch(address)
#else
#define NEVER_INLINE
#define FETCH(address) ((void)(address))
#endif

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define OF(name) PASTE(name, TYPE) /* larger_f32 */

/* The largest multiple of `block`, a power of two, that is not above n. */
#define WHOLE_BLOCKS(n, block) ((n) & ~((int64_t)(block) - 1))

/* ---- what is left of an array when blocks are done --------------------------------- */

/* Loops run over whole blocks, so that they end in vectors. The elements behind are
 * copied to a block of their own, which repeats the last of them, and go through the same
 * loop: a kernel calls one of these with itself. */

enum { REST_BYTES = 8 * 64 }; /* the largest block: 64 elements of 8 bytes */

/* Copy n elements and fill `block` with the last. */
static void rest_copy(int64_t n, int64_t block, size_t size, const void *from, void *to)
{
    memcpy(to, from, (size_t)n * size);
    if (size == 8) {
        uint64_t *numbers = to;
        for (int64_t i = n; i < block; i++) numbers[i] = numbers[n - 1];
    } else if (size == 4) {
        uint32_t *numbers = to;
        for (int64_t i = n; i < block; i++) numbers[i] = numbers[n - 1];
    } else {
        memset((uint8_t *)to + n, ((uint8_t *)to)[n - 1], (size_t)(block - n));
    }
}

static const void *element_at(const void *elements, int64_t i, size_t size)
{
    return (const unsigned char *)elements + (size_t)i * size;
}

/* Map the last `rest` of n elements; sizes of an operand's and a result's element. */
static NEVER_INLINE void map_rest(map_kernel kernel, int64_t n, int64_t rest,
                                  int64_t block, size_t size, size_t result,
                                  const void *a, const void *b, void *out, double number,
                                  unsigned repeats)
{
    _Alignas(CACHE_LINE) unsigned char as[REST_BYTES], bs[REST_BYTES], ys[REST_BYTES];
    if (!(repeats & 1)) {
        rest_copy(rest, block, size, element_at(a, n - rest, size), as);
        a = as;
    }
    if (b && !(repeats & 2)) {
        rest_copy(rest, block, size, element_at(b, n - rest, size), bs);
        b = bs;
    }
    kernel(block, a, b, ys, number, repeats);
    memcpy((unsigned char *)out + (size_t)(n - rest) * result, ys, (size_t)rest * result);
}

/* The same for a gradient; b, y may be NULL where the formula does not use them. */
static NEVER_INLINE void gradient_rest(gradient_kernel kernel, int64_t n, int64_t rest,
                                       int64_t block, size_t size,
                                       const void *const in[4], void *out, double number)
{
    _Alignas(CACHE_LINE) unsigned char copies[4][REST_BYTES], ys[REST_BYTES];
    const void *rests[4] = {0};
    for (int i = 0; i < 4; i++) {
        if (!in[i]) continue;
        rest_copy(rest, block, size, element_at(in[i], n - rest, size), copies[i]);
        rests[i] = copies[i];
    }
    kernel(block, rests[0], rests[1], rests[2], rests[3], ys, number);
    memcpy((unsigned char *)out + (size_t)(n - rest) * size, ys, (size_t)rest * size);
}

/* Set n elements to the first of them. */
static NEVER_INLINE void fill_with_first(int64_t n, size_t size, void *out)
{
    if (size == 8) {
        uint64_t *numbers = out, first = n > 0 ? *numbers : 0;
        for (int64_t i = 0; i < n; i++) numbers[i] = first;
    } else if (size == 4) {
        uint32_t *numbers = out, first = n > 0 ? *numbers : 0;
        for (int64_t i = 0; i < n; i++) numbers[i] = first;
    } else if (n > 0) {
        memset(out, *(uint8_t *)out, (size_t)n);
    }
}

/* ---- the generic operations of ops.def --------------------------------------------- */

/* OF() names the type's own arithmetic, VM() the functions of vmath.h. elements.inc.c
 * says what FUNCTION, FUNCTION_2 (of two operands), ANGLE and DIVISION are: of what has a
 * quick form too, which leaves `doubt` where only the exact one does. */
#define ADD(x, y) OF(add)((x), (y))
#define SUB(x, y) OF(sub)((x), (y))
#define MUL(x, y) OF(mul)((x), (y))
#define DIV(x, y) ((T)((x) / (y)))
#define NEG(x) OF(neg)(x)
#define POW(x, y) FUNCTION_2(pow, (x), (y))
#define EXP(x) FUNCTION(exp, x)
#define EXPM1(x) FUNCTION(expm1, x)
#define LOG(x) FUNCTION(log, x)
#define LOG1P(x) FUNCTION(log1p, x)
#define TANH(x) FUNCTION(tanh, x)
#define ERF(x) FUNCTION(erf, x)
#define SIGMOID(x) FUNCTION(sigmoid, x)
#define SOFTPLUS(x) FUNCTION(softplus, x)
#define GELU(x) BRIEF_FUNCTION(gelu, x)
#define GELU_SLOPE(x) BRIEF_FUNCTION(gelu_slope, x)
#define GELU_TANH(x) FUNCTION(gelu_tanh, x)
#define SILU(x) FUNCTION(silu, x)
/* of angles that are not far, which vectorises */
#define NEAR_ANGLE(name, x) \
    (doubt.wide |= (uint64_t)vm_trig_is_far((double)(x)) << 63, VM(name##_near)(x))
#define SIN(x) ANGLE(sin, x)
#define COS(x) ANGLE(cos, x)
#define FLOOR_DIVIDE(x, y) DIVISION(floor_divide, (x), (y))
#define REMAINDER(x, y) DIVISION(remainder, (x), (y))
#define SINH(x) FUNCTION(sinh, x)
#define COSH(x) FUNCTION(cosh, x)
#define EXACT_FUNCTION(name, x) VM(name)(x)
#define ARITHMETIC(name, ...) OF(name)(__VA_ARGS__)
#define SQRT(x) C(sqrt)(x)
#define ABS(x) OF(magnitude)(x)
#define RELU(x) OF(relu)(x)
#define LARGER(x, y) OF(larger)((x), (y))
#define SMALLER(x, y) OF(smaller)((x), (y))
#define STEP(x) ((x) <= (T)0 ? (T)0 : (T)1)
#define SIGN(x) OF(sign)(x)
#define SHARE(x, y) ((x) < (y) ? (T)0 : (x) == (y) ? (T)0.5 : (T)1)
#define AT_LEAST(x, y) ((x) >= (y) ? (T)1 : (T)0)
#define BELOW(x, y) ((x) < (y) ? (T)1 : (T)0)
#define MASK(m, x) OF(masked)((m), (x))
#define BOUND(x, c) SMALLER(LARGER((x), (T)-(c)), (T)(c))
/* both are computed: a loop calls functions for all of its elements */
#define IF_FLAT(x, y, then, otherwise) \
    OF(choice)(((x) == (T)0) & ((y) >= (T)0), (then), (otherwise))
#define IF_ZERO(x, then, otherwise) OF(choice)((x) == (T)0, (then), (otherwise))
#define EITHER(number, element) element
#define CONST(c) ((T)(c))
#define A a
#define B b
#define K number
#define Y y
#define G g

/* DIVISION of a KIND: that of integers has one form. */
#define DIVISION_FLOAT(name, x, y) OF(name)(x, y, exact, &doubt)
#define DIVISION_INTEGER(name, x, y) ((void)exact, OF(name)(x, y))

/* ---- what a truncated division leaves ---------------------------------------------- */

MG_INLINE bool quotient_is_far(double x, double y)
{
    return !((fabs(x / y) < 0x1p24) & (fabs(x) < 0x1p1000) & (fabs(y) < 0x1p1000));
}

/* Return x - y trunc(x / y), exactly, with the sign of x; not of a far quotient. With the
 * quotient to the nearest integer, of 24 bits, the rest is at most y / 2, and both of
 * y's halves give exact products and differences. */
MG_INLINE double near_rest(double x, double y)
{
    double quotient = (x / y + VM_ROUNDER) - VM_ROUNDER, high = cut(y);
    double rest = (x - quotient * high) - quotient * (y - high);
    double back = rest + copysign(y, x);
    return copysign(rest != 0.0 && (rest < 0.0) != (x < 0.0) ? back : rest, x);
}

/* The same of all numbers, by long division of the mantissas, 11 bits at a time. */
static NEVER_INLINE double exact_rest(double x, double y)
{
    const uint64_t one = (uint64_t)1 << 52;
    uint64_t of_x = bits_of(fabs(x)), of_y = bits_of(fabs(y));
    if (!(fabs(x) < (double)INFINITY) || y == 0.0 || y != y) return (double)NAN;
    if (of_x < of_y) return x;
    int64_t exponent = (int64_t)(of_x >> 52), last = (int64_t)(of_y >> 52);
    uint64_t rest = exponent ? (of_x & (one - 1)) | one : of_x;
    uint64_t divisor = last ? (of_y & (one - 1)) | one : of_y;
    if (exponent == 0) exponent = 1; /* a subnormal number has the smallest exponent */
    if (last == 0) last = 1;
    rest %= divisor;
    while (exponent > last && rest) {
        int64_t step = exponent - last < 11 ? exponent - last : 11;
        rest = (rest << step) % divisor;
        exponent -= step;
    }
    double unit =
        of_bits(last > 52 ? (uint64_t)(last - 52) << 52 : (uint64_t)1 << (last - 1));
    return copysign((double)rest * unit, x); /* unit is 2^(last - 1075) */
}

/* ---- types ------------------------------------------------------------------------- */

enum {
    SHORT_ROW = 8,       /* longest row that is turned to a column to be reduced */
    SHORT_SEARCH = 32,   /* longest row that is turned to a column to be searched */
    ROWS_AT_ONCE = 64,   /* rows that are turned at a time */
    LANE_ROWS = 16,      /* longer rows, whose lanes are joined at a time */
    SHARED_BLOCKS = 512, /* blocks of a row that are shared among threads at a time */
    COLUMN_BYTES = 512,  /* bytes of a row whose columns are reduced at a time */
    FAR_BYTES = 1 << 20, /* columns of larger arrays are fetched ahead of time */
    FAR_ROWS = 8,        /* rows by which they are */
    SEARCH_STEP = 64,    /* elements of a block that are compared at a time */
    SHORT_SPREAD = 32,   /* longest row that is divided in one loop */
    SHORT_SOFTMAX = 16,  /* longest row that is turned to a column for softmax */
    TURNED_f32 = 1024,   /* elements of such rows at a time */
    TURNED_f64 = 512,
    PIECE_f32 = 512,     /* elements of the block for rows */
    PIECE_f64 = 512
};
typedef uint32_t bits_f32;
typedef uint64_t bits_f64;
typedef int32_t index_f32; /* as large as T: loops over both have vectors of one length */
typedef int64_t index_f64, index_i64;

#define READ(x) (x) /* an element as operand */
#define IS_NAN(x) ((x) != (x))
#define KIND FLOAT
#define IS_FLOAT 1
#define LEAST (-(T)INFINITY)
#define GREATEST ((T)INFINITY)

#define T float
#define TYPE f32
#define VM(name) vm_##name##_f32
#define QUICK(name, ...) quick_##name(__VA_ARGS__, &doubt)
#define BRIEF(name, x) brief_##name(x, &doubt)
#define QUICK_ANGLE QUICK
#if MG_VECTOR_BYTES == 64
#define WIDE_DOUBTS(name, n, a, y) wide_##name##_loop(n, a, y)
WIDE_LOOP(exp)
#else
#define WIDE_DOUBTS(...) true
#endif
#define C(name) name##f
#define EPSILON FLT_EPSILON
#define MOST_EXPONENT (FLT_MAX_EXP - 2)
#define LEAST_SQUARES 0x1p-80f
#define LEAST_DIVIDEND 0x1p-90f
#define BITS bits_of_float
#include "kernels/floats.inc.c"
#include "kernels/elements.inc.c"
#include "kernels/reduce.inc.c"
#include "kernels/rows.inc.c"
#include "kernels/update.inc.c"
#undef T
#undef TYPE
#undef VM
#undef QUICK
#undef BRIEF
#undef QUICK_ANGLE
#undef WIDE_DOUBTS
#undef C
#undef EPSILON
#undef MOST_EXPONENT
#undef LEAST_SQUARES
#undef LEAST_DIVIDEND
#undef BITS

#define T double
#define TYPE f64
#define VM(name) vm_##name
#define QUICK(name, ...) vm_##name(__VA_ARGS__)
#define BRIEF(name, x) vm_##name(x)
#define QUICK_ANGLE NEAR_ANGLE
#define WIDE_DOUBTS(...) true
#define C(name) name
#define EPSILON DBL_EPSILON
#define MOST_EXPONENT (DBL_MAX_EXP - 2)
#define LEAST_SQUARES 0x1p-960
#define LEAST_DIVIDEND 0x1p-900
#define BITS bits_of
#include "kernels/floats.inc.c"
#include "kernels/elements.inc.c"
#include "kernels/reduce.inc.c"
#include "kernels/rows.inc.c"
#include "kernels/update.inc.c"
#undef T
#undef TYPE
#undef VM
#undef QUICK
#undef BRIEF
#undef QUICK_ANGLE
#undef WIDE_DOUBTS
#undef C
#undef EPSILON
#undef MOST_EXPONENT
#undef LEAST_SQUARES
#undef LEAST_DIVIDEND
#undef BITS
#undef KIND
#undef IS_FLOAT
#undef LEAST
#undef GREATEST

#define KIND INTEGER
#define IS_FLOAT 0
#define IS_NEGATIVE(x) ((x) < 0)
#define IS_MINUS_ONE(x) ((x) == -1)
#define VM(name) OF(name)
#define QUICK(name, ...) OF(name)(__VA_ARGS__)

#define T int64_t
#define TYPE i64
#define WIDE uint64_t
#define LEAST INT64_MIN
#define GREATEST INT64_MAX
#include "kernels/integers.inc.c"
#include "kernels/elements.inc.c"
#include "kernels/reduce.inc.c"
#undef T
#undef TYPE
#undef WIDE
#undef LEAST
#undef GREATEST

#define T int32_t
#define TYPE i32
#define WIDE uint32_t
#include "kernels/integers.inc.c"
#include "kernels/elements.inc.c"
#undef T
#undef TYPE
#undef IS_NEGATIVE
#undef IS_MINUS_ONE

#define T uint8_t
#define TYPE u8
#define IS_NEGATIVE(x) false
#define IS_MINUS_ONE(x) false
#include "kernels/integers.inc.c"
#include "kernels/elements.inc.c"
#undef TYPE
#undef KIND
#undef IS_NEGATIVE
#undef IS_MINUS_ONE
#undef WIDE
#undef VM
#undef QUICK

/* A bool is a byte, 0 or 1; but where memory is shared others may write any byte, and each
 * but 0 is true. */
#define KIND TRUTH
#define TYPE b8
#undef READ
#define READ(x) ((uint8_t)((x) != 0))
MG_INLINE uint8_t add_b8(uint8_t x, uint8_t y)
{
    return x | y;
}
MG_INLINE uint8_t mul_b8(uint8_t x, uint8_t y)
{
    return x & y;
}
MG_INLINE uint8_t invert_b8(uint8_t x)
{
    return x ^ 1;
}
#define sign_b8(x) (x)
#define larger_b8 add_b8
#define smaller_b8 mul_b8
#include "kernels/elements.inc.c"
#undef T
#undef TYPE
#undef KIND
#undef IS_FLOAT
#undef READ

#include "kernels/casts.inc.c"

/* ---- choices ----------------------------------------------------------------------- */

#define CHOOSE(name, type) \
    static void name(int64_t n, const uint8_t *test, const void *of_a, const void *of_b, \
                     void *out, unsigned repeats) \
    { \
        const type *a = of_a, *b = of_b; \
        type *y = out; \
        const type first = n > 0 ? *a : 0, second = n > 0 ? *b : 0; \
        if ((repeats & 3) == 3) { \
            EACH for (int64_t i = 0; i < n; i++) y[i] = test[i] ? first : second; \
        } else if (repeats & 1) { \
            EACH for (int64_t i = 0; i < n; i++) y[i] = test[i] ? first : b[i]; \
        } else if (repeats & 2) { \
            EACH for (int64_t i = 0; i < n; i++) y[i] = test[i] ? a[i] : second; \
        } else { \
            EACH for (int64_t i = 0; i < n; i++) y[i] = test[i] ? a[i] : b[i]; \
        } \
    }
CHOOSE(choose_1, uint8_t)
CHOOSE(choose_2, uint16_t)
CHOOSE(choose_4, uint32_t)
CHOOSE(choose_8, uint64_t)

/* ---- the set ----------------------------------------------------------------------- */

/* The values of a row, by its KINDS of elements.inc.c. */
#define MAP_OF_NOTHING(name) NULL
#define MAP_OF_VALUE(name) map_##name
#define MAP_OF_COMPARE(name) map_##name
#define MAPS(name, floats, integers, bools) \
    {[MG_FLOAT32] = MAP_OF_##floats(name##_f32), \
     [MG_FLOAT64] = MAP_OF_##floats(name##_f64), \
     [MG_INT64] = MAP_OF_##integers(name##_i64), \
     [MG_INT32] = MAP_OF_##integers(name##_i32), \
     [MG_UINT8] = MAP_OF_##integers(name##_u8), \
     [MG_BOOL] = MAP_OF_##bools(name##_b8)}

#define GRADIENT_TABLE_NOTHING(name, arity) {{NULL}}
#define GRADIENT_TABLE_COMPARE(name, arity) {{NULL}}
#define GRADIENT_TABLE_VALUE(name, arity) GRADIENT_TABLE_##arity(name)
#define GRADIENT_TABLE_1(name) {{gradient_##name##_a_f32, gradient_##name##_a_f64}}
#define GRADIENT_TABLE_2(name) \
    {{gradient_##name##_a_f32, gradient_##name##_a_f64}, \
     {gradient_##name##_b_f32, gradient_##name##_b_f64}}

#define KERNELS_FLOATS(name) {name##_f32, name##_f64}
#define KERNELS_WIDE(name) {name##_f32, name##_f64, name##_i64}
#define KERNELS_SIZES(name) {name##_1, name##_2, name##_4, name##_8}
#define KERNELS_ONE(name) name

const kernel_set MG_KERNEL_SET = {
    .name = MG_KERNEL_SET_NAME,
    .value = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, ...) \
        [MG_##NAME] = PICK(MAPS, name, KINDS_##types),
#include "ops.def"
    },
    .gradient = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, ...) \
        [MG_##NAME] = PASTE(GRADIENT_TABLE, ROW(FLOAT, types))(name, arity),
#include "ops.def"
    },
    .cast = CASTS_TABLE,
    .reduce = {
#define MG_REDUCTION(NAME, name, ...) \
        [REDUCE_##NAME] = {REDUCTION_TABLE(name, f32), REDUCTION_TABLE(name, f64), \
                           REDUCTION_TABLE(name, i64)},
#include "kernels/kernels.def"
    },
    .update = {
#define MG_UPDATE(NAME, name, takes) [MG_UPDATE_##NAME] = KERNELS_FLOATS(name),
#include "updates.def"
    },
#define MG_KERNEL(type, name, kinds) .name = KERNELS_##kinds(name),
#include "kernels/kernels.def"
};

#include "base/ops_undef.inc.c"
