/* gemm.inc.c: the matrix product c = a @ b (+ bias), compiled once for each instruction
 * set; the includer says in MG_VECTOR_BYTES how wide its vectors are: 16, 32 or 64. Gives
 * gemm_f32(), gemm_f64() and gemm_workspace(), and gemm_product_f32() and _f64(): the
 * definition, which the others equal bit for bit. Allocates nothing, starts no threads.
 * The file includes itself, for each of the two types.
 *
 * Each element of c is a sum over k in blocks of GEMM_BLOCK steps: each block starts at 0
 * and goes sum = fma(a, b, sum), in order; the sums of the blocks are added in order. So
 * the lanes of a vector are columns of c, or rows, or blocks, but never parts of one
 * chain, and blocks in the caches, tiles and the part of c that a thread was given cannot
 * be seen in the result.
 *
 * A step is one instruction (for sets without it fma.h has the same bits), of which two
 * start in a cycle and each takes four: eight vectors of sums are the least, and a tile
 * has as many as fit in the registers. Its loop runs at that bound; the rest is about
 * bringing operands to it: b is packed into panels as wide as a tile
 * where that pays, a is read as it lies unless its rows are not contiguous or compete for
 * the same places of the cache.
 *
 * For threads: give each a range of columns of c, a multiple of 64 and 128 or more, so
 * that b is packed once in all; where there are too few, a range of rows, a multiple of
 * 24. */
#ifndef GEMM_REAL

#include "base/fma.h"

#if !defined(MG_VECTOR_BYTES)
#define MG_VECTOR_BYTES 16
#endif

/* Vectors are GNU C's: gcc and clang keep a tile of them in registers, which neither does
 * reliably with loops over plain numbers. Without them there is only the definition; also
 * where floats are evaluated as doubles (s390x in strict C11), which vectors refuse. */
#if defined(__GNUC__) && (!defined(__FLT_EVAL_METHOD__) || __FLT_EVAL_METHOD__ == 0)
#define GEMM_VECTORS 1
#else
#define GEMM_VECTORS 0
#endif

enum { GEMM_BLOCK = 128 }; /* steps of k that are added up from 0 */

#if GEMM_VECTORS

enum {
    GEMM_LINE = 64,                  /* bytes of a cache line */
    GEMM_PAGE = 4096,                /* bytes of a page */
    GEMM_TILE = 2 * MG_VECTOR_BYTES, /* bytes of a row of a tile */
    GEMM_HALF = MG_VECTOR_BYTES > 16 ? MG_VECTOR_BYTES / 2 : 16, /* of half a vector */
    GEMM_K = 384,            /* steps of k that are packed at a time, of float32, */
    GEMM_K_WIDE = 256,       /* and of float64 */
    GEMM_A_SIZE = 192 << 10, /* bytes of a block of a: it stays in the level 2 cache */
    GEMM_B_SIZE = 2 << 20,   /* bytes of a packed block of b */
    GEMM_FEW = 32,           /* most rows of a for which that are GEMM_K_FEW steps */
    GEMM_K_FEW = 128,        /* a panel of b then takes little of the level 1 cache */
    GEMM_MANY = 64,          /* rows of a from which on b is packed even if contiguous */
    GEMM_SMALL = 1 << 17,    /* most bytes of a contiguous b that is not packed */
    GEMM_RUN = 32,           /* rows of b that are gone through at a time */
    GEMM_UNITS = 4           /* groups of dot products that are worked on side by side */
};

/* Rows of a tile: with two vectors each, two for b and one for a they fit in the
 * registers. */
#if MG_VECTOR_BYTES == 64 || defined(__aarch64__)
#define GEMM_ROWS 12
#elif MG_VECTOR_BYTES == 32
#define GEMM_ROWS 6
#else
#define GEMM_ROWS 4
#endif

/* Widths of tiles, in vectors. FOUR and EIGHT have few rows, NARROW is half
 * a vector. */
enum { GEMM_NARROW, GEMM_ONE, GEMM_TWO, GEMM_FOUR, GEMM_EIGHT, GEMM_WIDTHS };

/* gcc puts an array into registers only if its loops are unrolled early. */
#if !defined(__clang__) && __GNUC__ >= 8
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#else
#define GEMM_UNROLL
#endif

/* Keeps what small products do not need out of their way. */
#define GEMM_APART __attribute__((noinline))

MG_INLINE int64_t gemm_least(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* Return x rounded up to a multiple of `unit`. */
MG_INLINE int64_t gemm_round(int64_t x, int64_t unit)
{
    return (x + unit - 1) / unit * unit;
}

/* ---- a step ------------------------------------------------------------------------ */

typedef float gemm_float_16 __attribute__((vector_size(16)));
typedef double gemm_double_16 __attribute__((vector_size(16)));

#if MG_FMA_IS_FAST && (defined(__x86_64__) || defined(__i386__))
#include <immintrin.h>
#define gemm_fuse_64_f32 _mm512_fmadd_ps
#define gemm_fuse_64_f64 _mm512_fmadd_pd
#define gemm_fuse_32_f32 _mm256_fmadd_ps
#define gemm_fuse_32_f64 _mm256_fmadd_pd
#define gemm_fuse_16_f32 _mm_fmadd_ps
#define gemm_fuse_16_f64 _mm_fmadd_pd
#elif defined(__aarch64__)
#include <arm_neon.h>
#define gemm_fuse_16_f32(x, y, z) vfmaq_f32(z, x, y)
#define gemm_fuse_16_f64(x, y, z) vfmaq_f64(z, x, y)
#else

#if MG_FMA_IS_FAST || (!defined(__clang__) && __GNUC__ < 9)
static gemm_float_16 gemm_fuse_16_f32(gemm_float_16 x, gemm_float_16 y, gemm_float_16 z)
{
    for (int i = 0; i < 4; i++) z[i] = fma_f32(x[i], y[i], z[i]);
    return z;
}
#else
typedef double gemm_double_32 __attribute__((vector_size(32)));
typedef int64_t gemm_long_32 __attribute__((vector_size(32)));

/* fma_f32_by_parts() of four numbers. */
static GEMM_APART gemm_float_16 gemm_fuse_16_f32(gemm_float_16 x, gemm_float_16 y,
                                                 gemm_float_16 z)
{
    gemm_double_32 product = __builtin_convertvector(x, gemm_double_32) *
                             __builtin_convertvector(y, gemm_double_32);
    gemm_double_32 wide = __builtin_convertvector(z, gemm_double_32);
    gemm_double_32 head = product + wide, of_wide = head - product;
    gemm_double_32 tail = (product - (head - of_wide)) + (wide - of_wide);
    gemm_long_32 bits = (gemm_long_32)head, up = tail > 0.0, down = tail < 0.0;
    gemm_long_32 outward = ((up ^ (bits < 0)) | 1) & (up | down); /* 1, -1, 0 */
    bits += outward & ((bits & 1) - 1);
    return __builtin_convertvector((gemm_double_32)bits, gemm_float_16);
}
#endif

/* Pairs where these do, else number for number. */
static GEMM_APART gemm_double_16 gemm_fuse_16_f64(gemm_double_16 x, gemm_double_16 y,
                                                  gemm_double_16 z)
{
    for (int i = 0; i < 2; i++) z[i] = fma_f64(x[i], y[i], z[i]);
    return z;
}
#endif

#if MG_VECTOR_BYTES == 64
#define GEMM_FUSE GEMM(fuse_64)
#define GEMM_FUSE_HALF GEMM(fuse_32)
#elif MG_VECTOR_BYTES == 32
#define GEMM_FUSE GEMM(fuse_32)
#define GEMM_FUSE_HALF GEMM(fuse_16)
#else
#define GEMM_FUSE GEMM(fuse_16)
#define GEMM_FUSE_HALF GEMM(fuse_16)
#endif

/* ---- transposing ------------------------------------------------------------------- */

/* A group of rows are the lanes of a vector of GEMM_GROUP bytes. Two loads make one such
 * vector of 32 bytes, for which only the general shuffle will do. */
#if MG_VECTOR_BYTES > 16 && (defined(__clang__) || __GNUC__ >= 12)
#define GEMM_GROUP 32
#else
#define GEMM_GROUP 16
#endif

/* Shuffles are of integers: Intel has more units for them than for those of floats. */
typedef int32_t gemm_words __attribute__((vector_size(GEMM_GROUP)));
typedef int64_t gemm_longs __attribute__((vector_size(GEMM_GROUP)));
typedef float gemm_group_f32 __attribute__((vector_size(GEMM_GROUP)));
typedef double gemm_group_f64 __attribute__((vector_size(GEMM_GROUP)));
typedef int32_t gemm_word_load __attribute__((vector_size(16), aligned(4), may_alias));

#if defined(__clang__) || __GNUC__ >= 12
#define GEMM_SHUFFLE(type, x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define GEMM_SHUFFLE(type, x, y, ...) __builtin_shuffle(x, y, (type){__VA_ARGS__})
#endif

/* In each 16 bytes: the low, or high, halves of x and y, one element of each in turn. */
#if GEMM_GROUP > 16
#define GEMM_LOW_WORDS(x, y) GEMM_SHUFFLE(gemm_words, x, y, 0, 8, 1, 9, 4, 12, 5, 13)
#define GEMM_HIGH_WORDS(x, y) GEMM_SHUFFLE(gemm_words, x, y, 2, 10, 3, 11, 6, 14, 7, 15)
#define GEMM_LOW_LONGS(x, y) GEMM_SHUFFLE(gemm_longs, x, y, 0, 4, 2, 6)
#define GEMM_HIGH_LONGS(x, y) GEMM_SHUFFLE(gemm_longs, x, y, 1, 5, 3, 7)
#else
#define GEMM_LOW_WORDS(x, y) GEMM_SHUFFLE(gemm_words, x, y, 0, 4, 1, 5)
#define GEMM_HIGH_WORDS(x, y) GEMM_SHUFFLE(gemm_words, x, y, 2, 6, 3, 7)
#define GEMM_LOW_LONGS(x, y) GEMM_SHUFFLE(gemm_longs, x, y, 0, 2)
#define GEMM_HIGH_LONGS(x, y) GEMM_SHUFFLE(gemm_longs, x, y, 1, 3)
#endif

/* Return the 16 bytes at x, and in groups of 32 bytes behind them the 16 at y. gcc takes
 * a shuffle for it, which competes with those below; the instruction loads. */
MG_INLINE gemm_words gemm_pair(const void *x, const void *y)
{
    gemm_word_load first = *(const gemm_word_load *)x;
#if GEMM_GROUP > 16 && MG_FMA_IS_FAST && (defined(__x86_64__) || defined(__i386__))
    return (gemm_words)_mm256_inserti128_si256(_mm256_castsi128_si256((__m128i)first),
                                               *(const __m128i_u *)y, 1);
#elif GEMM_GROUP > 16
    gemm_word_load second = *(const gemm_word_load *)y;
    return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    (void)y;
    return first;
#endif
}

/* Turn a group of rows, which lie `row` apart, 4 elements of each, into 4 vectors: lane r
 * of out[t] becomes x[r * row + t]. */
MG_INLINE void gemm_transpose_f32(const float *x, int64_t row, gemm_group_f32 *out)
{
    const float *far = GEMM_GROUP > 16 ? x + 4 * row : x;
    gemm_words r0 = gemm_pair(x, far), r1 = gemm_pair(x + row, far + row);
    gemm_words r2 = gemm_pair(x + 2 * row, far + 2 * row);
    gemm_words r3 = gemm_pair(x + 3 * row, far + 3 * row);
    gemm_longs low01 = (gemm_longs)GEMM_LOW_WORDS(r0, r1);
    gemm_longs low23 = (gemm_longs)GEMM_LOW_WORDS(r2, r3);
    gemm_longs high01 = (gemm_longs)GEMM_HIGH_WORDS(r0, r1);
    gemm_longs high23 = (gemm_longs)GEMM_HIGH_WORDS(r2, r3);
    out[0] = (gemm_group_f32)GEMM_LOW_LONGS(low01, low23);
    out[1] = (gemm_group_f32)GEMM_HIGH_LONGS(low01, low23);
    out[2] = (gemm_group_f32)GEMM_LOW_LONGS(high01, high23);
    out[3] = (gemm_group_f32)GEMM_HIGH_LONGS(high01, high23);
}

/* The same with 2 elements of each row. */
MG_INLINE void gemm_transpose_f64(const double *x, int64_t row, gemm_group_f64 *out)
{
    const double *far = GEMM_GROUP > 16 ? x + 2 * row : x;
    gemm_longs r0 = (gemm_longs)gemm_pair(x, far);
    gemm_longs r1 = (gemm_longs)gemm_pair(x + row, far + row);
    out[0] = (gemm_group_f64)GEMM_LOW_LONGS(r0, r1);
    out[1] = (gemm_group_f64)GEMM_HIGH_LONGS(r0, r1);
}

/* ---- scratch memory ---------------------------------------------------------------- */

/* How a product is cut into blocks, and where in the scratch memory these lie, behind a
 * tile of c and a piece of bias; all in elements. */
typedef struct gemm_plan {
    int64_t k, rows, columns;
    int64_t a, b, size;
} gemm_plan;

/* Return how far rows of a lie apart when they are packed: whole lines, an odd number. */
MG_INLINE int64_t gemm_a_row(int64_t k, int64_t element)
{
    int64_t line = GEMM_LINE / element;
    return ((k + line - 1) / line | 1) * line;
}

static gemm_plan gemm_plan_make(int64_t m, int64_t n, int64_t k, int64_t element)
{
    gemm_plan plan = {.k = element > 4 ? GEMM_K_WIDE : GEMM_K};
    int64_t row = GEMM_TILE / element, line = GEMM_LINE / element;
    if (m <= GEMM_FEW) plan.k = GEMM_K_FEW;
    if (plan.k > k) plan.k = k > 0 ? k : 1;
    plan.rows = GEMM_A_SIZE / element / plan.k / GEMM_ROWS * GEMM_ROWS;
    plan.rows = gemm_least(plan.rows, gemm_round(m, GEMM_ROWS));
    plan.columns = GEMM_B_SIZE / element / plan.k / row * row;
    plan.columns = gemm_least(plan.columns, gemm_round(n, row));
    if (m <= plan.rows && m < GEMM_MANY) plan.columns = row; /* used once */
    plan.a = gemm_round((GEMM_ROWS + 1) * row, line);
    plan.b = plan.a;
    if (plan.columns > row) plan.b += plan.rows * gemm_a_row(plan.k, element);
    plan.size = plan.b + plan.columns * plan.k;
    return plan;
}

/* Return how many elements pages_run() keeps of blocks that are cut. */
static int64_t gemm_part_size(int64_t m, int64_t n, int64_t k, int64_t element)
{
    int64_t rows = n == 1 ? 1 : m, columns = n == 1 ? m : n;
    bool cut = rows < GEMM_MANY && columns * element >= GEMM_PAGE && k > GEMM_BLOCK;
    return cut ? rows * columns : 0;
}

/* Tell whether c has at most a vector of columns, of one block of steps: then no scratch
 * memory is needed. */
MG_INLINE bool gemm_is_narrow(int64_t n, int64_t k, size_t element)
{
    return n * (int64_t)element <= MG_VECTOR_BYTES && k <= GEMM_BLOCK;
}

static size_t gemm_workspace(int64_t m, int64_t n, int64_t k, size_t element)
{
    if (gemm_is_narrow(n, k, element)) return 0;
    int64_t size = gemm_plan_make(m, n, k, (int64_t)element).size;
    int64_t part = gemm_part_size(m, n, k, (int64_t)element);
    return (size_t)(size > part ? size : part) * element;
}

#else

static size_t gemm_workspace(int64_t m, int64_t n, int64_t k, size_t element)
{
    (void)m, (void)n, (void)k, (void)element;
    return 0;
}

#endif

#define gemm_fma_f32 fma_f32
#define gemm_fma_f64 fma_f64

/* Shorter names of what each of the two types has. */
#define GEMM_JOB GEMM(job)
#define GEMM_PANEL GEMM(panel)
#define GEMM_ROWS_VECTOR GEMM(group)
#if GEMM_VECTORS && GEMM_GROUP > 16
#define GEMM_FUSE_ROWS GEMM(fuse_32)
#else
#define GEMM_FUSE_ROWS GEMM(fuse_16)
#endif

#define GEMM_REAL float
#define GEMM(name) gemm_##name##_f32
#define GEMM_ENTRY gemm_f32
#include "kernels/gemm.inc.c"
#undef GEMM_REAL
#undef GEMM
#undef GEMM_ENTRY

#define GEMM_REAL double
#define GEMM(name) gemm_##name##_f64
#define GEMM_ENTRY gemm_f64
#include "kernels/gemm.inc.c"
#undef GEMM_REAL
#undef GEMM
#undef GEMM_ENTRY

#else /* from here on: for the type GEMM_REAL */

/* A product; element (i, j) of a lies at a[i * a_row + j * a_column]. */
typedef struct GEMM(job) {
    int64_t m, n, k;
    const GEMM_REAL *a;
    int64_t a_row, a_column;
    const GEMM_REAL *b;
    int64_t b_row, b_column;
    GEMM_REAL *c;
    int64_t c_row;
    const GEMM_REAL *bias; /* (n), NULL: none */
    bool resume;           /* c holds the sum of the blocks so far */
    GEMM_REAL *scratch;
    thread_work *work;
} GEMM(job);

/* Return the sum of products of k pairs of numbers, at most GEMM_BLOCK. */
static GEMM_REAL GEMM(chain)(int64_t k, const GEMM_REAL *a, int64_t a_step,
                             const GEMM_REAL *b, int64_t b_step)
{
    GEMM_REAL sum = 0;
    for (; k > 0; k--, a += a_step, b += b_step) sum = GEMM(fma)(*a, *b, sum);
    return sum;
}

/* The definition. A sum is rounded by being stored: floats that are evaluated as doubles
 * give the same bits then, since 53 >= 2 * 24 + 2 (Figueroa 1995). */
static void GEMM(product)(const GEMM_JOB *p)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            const GEMM_REAL *a = p->a + i * p->a_row, *b = p->b + j * p->b_column;
            GEMM_REAL sum = p->resume ? p->c[i * p->c_row + j] : 0;
            for (int64_t l = 0; l < p->k; l += GEMM_BLOCK) {
                int64_t steps = p->k - l < GEMM_BLOCK ? p->k - l : GEMM_BLOCK;
                GEMM_REAL block = GEMM(chain)(steps, a + l * p->a_column, p->a_column,
                                              b + l * p->b_row, p->b_row);
                sum = l || p->resume ? sum + block : block;
            }
            p->c[i * p->c_row + j] = p->bias ? sum + p->bias[j] : sum;
        }
    }
}

#if GEMM_VECTORS

/* ---- tiles ------------------------------------------------------------------------- */

typedef GEMM_REAL GEMM(vector) __attribute__((vector_size(MG_VECTOR_BYTES)));
typedef GEMM_REAL GEMM(half_vector) __attribute__((vector_size(GEMM_HALF)));

enum {
    GEMM(LANES) = MG_VECTOR_BYTES / sizeof(GEMM_REAL),
    GEMM(HALF_LANES) = GEMM_HALF / sizeof(GEMM_REAL)
};

/* Some columns of c and what they are made from. */
typedef struct GEMM(panel) {
    int64_t k;
    const GEMM_REAL *a;
    int64_t a_row, a_column;
    int64_t a_tile;     /* from the first row of a tile to the next tile's */
    const GEMM_REAL *b; /* its rows are contiguous */
    int64_t b_row;
    GEMM_REAL *c;
    int64_t c_row;
    const GEMM_REAL *bias; /* NULL: none */
    bool resume;           /* c holds the sum of the blocks so far */
    GEMM_REAL *part;       /* where a block that is cut is kept, rows part_row apart; */
    int64_t part_row;
    bool begun, more; /* it was begun before, it goes on after these steps */
} GEMM(panel);

/* For each vector of a tile: number v of row i. */
#define GEMM_EACH(rows, count) \
    GEMM_UNROLL \
    for (int i = 0; i < rows; i++) GEMM_UNROLL \
        for (int v = 0; v < count; v++)

/* A function that computes `rows` rows of `count` vectors in registers. Rows of a are
 * addressed from every fourth one: processors add a multiple of a step, but no more. */
#define GEMM_DEFINE_TILE(name, rows, count, vector, fuse) \
    static void GEMM(name)(const GEMM_PANEL *p) \
    { \
        typedef vector loose __attribute__((aligned(sizeof(GEMM_REAL)), may_alias)); \
        enum { WIDTH = sizeof(vector) / sizeof(GEMM_REAL), FOURS = (rows + 3) / 4 }; \
        const GEMM_REAL *a[FOURS], *b = p->b; \
        const int64_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row; \
        GEMM_REAL *c = p->c; \
        bool resume = p->resume; \
        vector sum[rows][count], x, y[count]; \
        GEMM_UNROLL for (int i = 0; i < FOURS; i++) a[i] = p->a + 4 * i * a_row; \
        for (int64_t left = p->k;; resume = true) { \
            int64_t steps = gemm_least(left, GEMM_BLOCK); \
            GEMM_EACH(rows, count) sum[i][v] = (vector){0}; \
            if (p->begun) \
                GEMM_EACH(rows, count) \
                    sum[i][v] = *(const loose *)(p->part + i * p->part_row + v * WIDTH); \
            for (int64_t l = steps; l > 0; l--, b += b_row) { \
                GEMM_EACH(1, count) y[v] = *(const loose *)(b + v * WIDTH); \
                GEMM_UNROLL for (int i = 0; i < rows; i++) { \
                    x = a[i / 4][i % 4 * a_row] - (vector){0}; \
                    GEMM_UNROLL for (int v = 0; v < count; v++) \
                        sum[i][v] = fuse(x, y[v], sum[i][v]); \
                } \
                GEMM_UNROLL for (int i = 0; i < FOURS; i++) a[i] += a_column; \
            } \
            left -= steps; \
            if (p->more) { \
                GEMM_EACH(rows, count) \
                    *(loose *)(p->part + i * p->part_row + v * WIDTH) = sum[i][v]; \
                return; \
            } \
            if (resume) \
                GEMM_EACH(rows, count) \
                    sum[i][v] = *(loose *)(c + i * p->c_row + v * WIDTH) + sum[i][v]; \
            if (left == 0) break; \
            GEMM_EACH(rows, count) *(loose *)(c + i * p->c_row + v * WIDTH) = sum[i][v]; \
        } \
        if (p->bias) \
            GEMM_EACH(rows, count) \
                sum[i][v] = sum[i][v] + *(const loose *)(p->bias + v * WIDTH); \
        GEMM_EACH(rows, count) *(loose *)(c + i * p->c_row + v * WIDTH) = sum[i][v]; \
    }

#define GEMM_DEFINE_TILES(rows) \
    GEMM_DEFINE_TILE(tile_##rows##_half, rows, 1, GEMM(half_vector), GEMM_FUSE_HALF) \
    GEMM_DEFINE_TILE(tile_##rows##_one, rows, 1, GEMM(vector), GEMM_FUSE) \
    GEMM_DEFINE_TILE(tile_##rows##_two, rows, 2, GEMM(vector), GEMM_FUSE)

#if GEMM_ROWS == 12
GEMM_DEFINE_TILES(12)
GEMM_DEFINE_TILES(8)
#define GEMM_TALL(width) GEMM(tile_12_##width), GEMM(tile_8_##width)
#elif GEMM_ROWS == 6
GEMM_DEFINE_TILES(6)
#define GEMM_TALL(width) GEMM(tile_6_##width), NULL
#else
#define GEMM_TALL(width) GEMM(tile_4_##width), NULL
#endif
GEMM_DEFINE_TILES(4)
GEMM_DEFINE_TILES(3)
GEMM_DEFINE_TILES(2)
GEMM_DEFINE_TILES(1)
/* Few rows need more columns to keep the adders busy. */
GEMM_DEFINE_TILE(tile_2_four, 2, 4, GEMM(vector), GEMM_FUSE)
GEMM_DEFINE_TILE(tile_1_four, 1, 4, GEMM(vector), GEMM_FUSE)
GEMM_DEFINE_TILE(tile_1_eight, 1, 8, GEMM(vector), GEMM_FUSE)

/* Fetch a tile of c that will be added to. */
static void GEMM(tile_fetch)(const GEMM_REAL *c, int64_t c_row)
{
    for (int i = 0; i < GEMM_ROWS; i++)
        for (int j = 0; j < GEMM_TILE; j += GEMM_LINE)
            __builtin_prefetch((const char *)(c + i * c_row) + j, 1);
}

/* Go on by some rows. */
static void GEMM(panel_down)(GEMM_PANEL *p, int64_t rows, int64_t in_a)
{
    p->a += in_a;
    p->c += rows * p->c_row;
    if (p->part) p->part += rows * p->part_row;
}

/* Compute m rows of a panel in tiles of GEMM_ROWS, 8, 4, 3, 2, 1; p ends as it began. */
static void GEMM(panel_run)(GEMM_PANEL *p, int64_t m, int width)
{
    typedef void (*tile)(const GEMM_PANEL *);
    static const int64_t sizes[] = {GEMM_ROWS, 8, 4, 3, 2, 1};
    static const tile tiles[GEMM_WIDTHS][6] = {
        [GEMM_NARROW] = {GEMM_TALL(half), GEMM(tile_4_half), GEMM(tile_3_half),
                         GEMM(tile_2_half), GEMM(tile_1_half)},
        [GEMM_ONE] = {GEMM_TALL(one), GEMM(tile_4_one), GEMM(tile_3_one),
                      GEMM(tile_2_one), GEMM(tile_1_one)},
        [GEMM_TWO] = {GEMM_TALL(two), GEMM(tile_4_two), GEMM(tile_3_two),
                      GEMM(tile_2_two), GEMM(tile_1_two)},
        [GEMM_FOUR] = {NULL, NULL, NULL, NULL, GEMM(tile_2_four), GEMM(tile_1_four)},
        [GEMM_EIGHT] = {NULL, NULL, NULL, NULL, NULL, GEMM(tile_1_eight)},
    };
    const GEMM_PANEL start = *p;
    for (; m >= GEMM_ROWS; m -= GEMM_ROWS, GEMM(panel_down)(p, GEMM_ROWS, p->a_tile)) {
        if (p->resume && m >= 2 * GEMM_ROWS)
            GEMM(tile_fetch)(p->c + GEMM_ROWS * p->c_row, p->c_row);
        tiles[width][0](p);
    }
    for (int i = 1; m > 0; i++) {
        const int64_t rows = sizes[i];
        if (m < rows || !tiles[width][i]) continue;
        tiles[width][i](p);
        m -= rows;
        GEMM(panel_down)(p, rows, rows * p->a_row);
    }
    p->a = start.a;
    p->c = start.c;
    p->part = start.part;
}

/* ---- b as it lies ------------------------------------------------------------------ */

/* Compute m rows of n columns, HALF_LANES or more. The columns at the end that fill no
 * vector are computed together with some before them, which get the same bits again;
 * so they must not resume. Changes b, c, bias and part of p. */
static void GEMM(columns_run)(GEMM_PANEL *p, int64_t m, int64_t n)
{
    enum { WHOLE = GEMM(LANES), PART = GEMM(HALF_LANES) };
    const GEMM_REAL *b = p->b, *bias = p->bias;
    GEMM_REAL *c = p->c, *part = p->part;
    int width = m == 1 ? GEMM_EIGHT : m < 4 ? GEMM_FOUR : GEMM_TWO;
    for (int64_t j = 0, columns; j < n; j += columns) {
        int64_t rest = n - j;
        while (width > GEMM_ONE && rest < (int64_t)WHOLE << (width - GEMM_ONE)) width--;
        if (rest < WHOLE) width = rest > PART && n >= WHOLE ? GEMM_ONE : GEMM_NARROW;
        columns = width == GEMM_NARROW ? PART : (int64_t)WHOLE << (width - GEMM_ONE);
        if (rest < columns) j = n - columns;
        p->b = b + j;
        p->c = c + j;
        p->part = part ? part + j : NULL;
        p->bias = bias ? bias + j : NULL;
        GEMM(panel_run)(p, m, width);
    }
}

/* The same for rows of b that are pages apart: a few of them over all columns, then the
 * next few; so neither pages nor what the processor fetches ahead is lost again. At
 * (8, 2048) @ (2048, 2048) in float32 2.4 times as fast. */
static void GEMM_APART GEMM(pages_run)(const GEMM_PANEL *p, int64_t m, int64_t n)
{
    int64_t whole = n / GEMM(LANES) * GEMM(LANES), last = n - GEMM(LANES);
    for (int64_t l = 0; l < p->k; l += GEMM_RUN) {
        GEMM_PANEL q = *p;
        int64_t end = gemm_least(l + GEMM_RUN, p->k);
        q.k = end - l;
        q.a += l * q.a_column;
        q.b += l * q.b_row;
        q.resume = l >= GEMM_BLOCK;
        q.begun = l % GEMM_BLOCK != 0;
        q.more = end % GEMM_BLOCK != 0 && end < p->k;
        if (l < GEMM_BLOCK) { /* c is not needed yet */
            q.part = q.c;
            q.part_row = q.c_row;
        }
        if (end < p->k) q.bias = NULL;
        GEMM(columns_run)(&q, m, whole);
    }
    if (whole < n) {
        GEMM_PANEL q = *p;
        q.b += last;
        q.c += last;
        q.part = NULL;
        if (q.bias) q.bias += last;
        GEMM(columns_run)(&q, m, GEMM(LANES));
    }
}

/* ---- b packed, block by block ------------------------------------------------------ */

/* Copy k rows of up to 32 elements. */
static void GEMM(rows_copy)(int64_t k, int64_t columns, const GEMM_REAL *from,
                            int64_t from_row, GEMM_REAL *to, int64_t to_row)
{
#define GEMM_COPY(count, columns, x, y) \
    if (columns & count) { \
        memcpy(y, x, count * sizeof *y); \
        x += count; \
        y += count; \
    }
    for (; k > 0; k--, from += from_row, to += to_row) {
        const GEMM_REAL *x = from;
        GEMM_REAL *y = to;
        GEMM_COPY(32, columns, x, y)
        GEMM_COPY(16, columns, x, y)
        GEMM_COPY(8, columns, x, y)
        GEMM_COPY(4, columns, x, y)
        GEMM_COPY(2, columns, x, y)
        GEMM_COPY(1, columns, x, y)
    }
#undef GEMM_COPY
}

enum {
    GEMM(GROUP) = GEMM_GROUP / sizeof(GEMM_REAL), /* rows that are transposed at once */
    GEMM(STEPS) = 16 / sizeof(GEMM_REAL)          /* elements of each */
};

/* Pack columns of x that are contiguous: whole groups and steps of them; of a column two
 * cache lines at a time. */
static void GEMM(columns_pack)(int64_t k, int64_t columns, const GEMM_REAL *x,
                               int64_t x_column, GEMM_REAL *to, int64_t width)
{
    typedef GEMM_ROWS_VECTOR loose __attribute__((aligned(sizeof(GEMM_REAL)), may_alias));
    enum { RUN = 2 * GEMM_LINE / sizeof(GEMM_REAL) };
    for (int64_t l = 0; l < k; l += RUN) {
        int64_t end = gemm_least(l + RUN, k);
        for (int64_t j = 0; j < columns; j += GEMM(GROUP)) {
            for (int64_t t = l; t < end; t += GEMM(STEPS)) {
                GEMM_ROWS_VECTOR out[GEMM(STEPS)];
                GEMM(transpose)(x + j * x_column + t, x_column, out);
                GEMM_UNROLL
                for (int i = 0; i < GEMM(STEPS); i++)
                    *(loose *)(to + (t + i) * width + j) = out[i];
            }
        }
    }
}

/* Pack `columns` columns of x, k long, into rows of `width` elements, the last of which
 * become 0. */
static void GEMM(pack)(int64_t k, int64_t columns, const GEMM_REAL *x, int64_t x_row,
                       int64_t x_column, GEMM_REAL *to, int64_t width)
{
    int64_t steps = 0, done = 0; /* in the first steps so many columns are done */
    if (x_column == 1) {
        GEMM(rows_copy)(k, columns, x, x_row, to, width);
        if (columns == width) return;
        steps = k;
        done = columns;
    } else if (x_row == 1) {
        steps = k / GEMM(STEPS) * GEMM(STEPS);
        done = columns / GEMM(GROUP) * GEMM(GROUP);
        GEMM(columns_pack)(steps, done, x, x_column, to, width);
        if (done && done < columns) { /* a group again, of the last columns */
            const int64_t last = columns - GEMM(GROUP);
            GEMM(columns_pack)(steps, GEMM(GROUP), x + last * x_column, x_column,
                               to + last, width);
            done = columns;
        }
    }
    for (int64_t l = 0; l < k; l++) {
        int64_t j = l < steps ? done : 0;
        for (; j < columns; j++) to[l * width + j] = x[l * x_row + j * x_column];
        if (j < width) memset(to + l * width + j, 0, (size_t)(width - j) * sizeof *to);
    }
}

/* Return how wide the panel is that starts `rest` columns before the end. */
static int GEMM(panel_width)(int64_t rest)
{
    return rest >= 2 * GEMM(LANES)   ? GEMM_TWO
           : rest > GEMM(HALF_LANES) ? GEMM_ONE
                                     : GEMM_NARROW;
}

static int64_t GEMM(panel_columns)(int width)
{
    return width == GEMM_NARROW ? GEMM(HALF_LANES) : width * GEMM(LANES);
}

/* Pack the (k, n) block of b at x, whose rows are contiguous, panel after panel; a few
 * rows of all panels at a time, so that pages are done with before the next ones come. */
static void GEMM(b_pack)(const GEMM_JOB *p, const GEMM_REAL *x, int64_t k, int64_t n,
                         GEMM_REAL *packed)
{
    for (int64_t l = 0; l < k; l += GEMM_RUN) {
        GEMM_REAL *to = packed;
        int64_t steps = gemm_least(GEMM_RUN, k - l);
        for (int64_t j = 0, columns; j < n; j += columns) {
            columns = GEMM(panel_columns)(GEMM(panel_width)(n - j));
            GEMM(pack)(steps, gemm_least(columns, n - j), x + l * p->b_row + j, p->b_row,
                       1, to + l * columns, columns);
            to += k * columns;
        }
    }
}

/* Pack m rows of a, from where q then reads them: contiguous rows one behind the other,
 * a line apart so that they do not compete for places in the cache; others into panels of
 * GEMM_ROWS. */
static void GEMM(a_pack)(GEMM_PANEL *q, int64_t m, GEMM_REAL *to)
{
    const int64_t row = gemm_a_row(q->k, sizeof(GEMM_REAL));
    if (q->a_column == 1) {
        for (int64_t i = 0; i < m; i++)
            memcpy(to + i * row, q->a + i * q->a_row, (size_t)q->k * sizeof *to);
        q->a_row = row;
        q->a_tile = GEMM_ROWS * row;
    } else {
        for (int64_t i = 0; i < m; i += GEMM_ROWS)
            GEMM(pack)(q->k, gemm_least(m - i, GEMM_ROWS), q->a + i * q->a_row,
                       q->a_column, q->a_row, to + i * q->k, GEMM_ROWS);
        q->a_row = 1;
        q->a_column = GEMM_ROWS;
        q->a_tile = GEMM_ROWS * q->k;
    }
    q->a = to;
}

/* Compute m rows of the panel at the right edge of c, of which there are `columns`, in a
 * tile of scratch memory, so that nothing beside c is touched. */
static void GEMM(edge_run)(GEMM_PANEL q, int64_t m, int64_t columns, int width,
                           GEMM_REAL *tile)
{
    enum { ROW = GEMM_TILE / sizeof(GEMM_REAL) };
    GEMM_REAL *c = q.c, *bias = tile + GEMM_ROWS * ROW;
    int64_t c_row = q.c_row;
    if (q.bias) {
        GEMM(rows_copy)(1, columns, q.bias, 0, bias, 0);
        q.bias = bias;
    }
    q.c = tile;
    q.c_row = ROW;
    for (; m > 0; m -= GEMM_ROWS, q.a += q.a_tile, c += GEMM_ROWS * c_row) {
        int64_t rows = gemm_least(m, GEMM_ROWS);
        if (q.resume) GEMM(rows_copy)(rows, columns, c, c_row, tile, ROW);
        GEMM(panel_run)(&q, rows, width);
        GEMM(rows_copy)(rows, columns, tile, ROW, c, c_row);
    }
}

/* Compute m rows of n columns over a block of k from the packed b; or if x is not NULL
 * from b at x, whose panels are packed on the way: one after the other into the same
 * place if `once`, which leaves them in the nearest cache. */
static void GEMM(block_run)(const GEMM_JOB *p, const gemm_plan *plan, GEMM_PANEL q,
                            int64_t m, int64_t n, const GEMM_REAL *x, bool once)
{
    GEMM_REAL *c = q.c, *packed = p->scratch + plan->b;
    const GEMM_REAL *bias = q.bias;
    if (plan->b > plan->a) GEMM(a_pack)(&q, m, p->scratch + plan->a);
    for (int64_t j = 0, columns; j < n; j += columns) {
        int width = GEMM(panel_width)(n - j);
        columns = GEMM(panel_columns)(width);
        if (x)
            GEMM(pack)(q.k, gemm_least(columns, n - j), x + j * p->b_column, p->b_row,
                       p->b_column, packed, columns);
        q.b = packed;
        q.b_row = columns;
        q.c = c + j;
        q.bias = bias ? bias + j : NULL;
        if (n - j < columns)
            GEMM(edge_run)(q, m, n - j, width, p->scratch);
        else
            GEMM(panel_run)(&q, m, width);
        if (!once) packed += q.k * columns;
    }
}

/* Compute k steps from l on of the n columns from j on. */
static void GEMM(blocks_run)(const GEMM_JOB *p, const gemm_plan *plan, int64_t j,
                             int64_t n, int64_t l, int64_t k)
{
    const GEMM_REAL *b = p->b + l * p->b_row + j * p->b_column;
    GEMM_PANEL q = {.k = k,
                    .a_row = p->a_row,
                    .a_column = p->a_column,
                    .a_tile = GEMM_ROWS * p->a_row,
                    .c_row = p->c_row,
                    .resume = l > 0 || p->resume};
    if (p->bias && l + k == p->k) q.bias = p->bias + j;
    if (p->b_column == 1) {
        GEMM(b_pack)(p, b, k, n, p->scratch + plan->b);
        b = NULL;
    }
    for (int64_t i = 0; i < p->m && work_continues(p->work); i += plan->rows) {
        q.a = p->a + i * p->a_row + l * p->a_column;
        q.c = p->c + i * p->c_row + j;
        GEMM(block_run)(p, plan, q, gemm_least(plan->rows, p->m - i), n, b,
                        b && p->m <= plan->rows);
        b = NULL;
    }
}

static void GEMM_APART GEMM(blocked)(const GEMM_JOB *p)
{
    gemm_plan plan = gemm_plan_make(p->m, p->n, p->k, sizeof(GEMM_REAL));
    for (int64_t j = 0; j < p->n; j += plan.columns) {
        int64_t n = gemm_least(plan.columns, p->n - j), l = 0;
        do { /* once at least: without steps c becomes 0 */
            GEMM(blocks_run)(p, &plan, j, n, l, gemm_least(plan.k, p->k - l));
            l += plan.k;
        } while (l < p->k);
    }
}

/* ---- a few columns ----------------------------------------------------------------- */

/* Return how many rows of c, one behind the other, may be stored as whole vectors: what is
 * too much of one is where the next ones come. */
static int64_t GEMM(rows_over)(const GEMM_JOB *p, int64_t columns)
{
    if (p->n == columns) return p->m;
    if (p->resume || p->c_row != p->n) return 0;
    const int64_t rows = p->m - (columns - 1) / p->n;
    return rows > 0 ? rows / GEMM_ROWS * GEMM_ROWS : 0;
}

/* Compute all rows of few columns. b is read as it lies, or else packed; with the elements
 * behind a row that is no vector come sums that nobody wants. */
static void GEMM_APART GEMM(narrow)(const GEMM_JOB *p)
{
    enum { WHOLE = GEMM(LANES), ROW = GEMM_TILE / sizeof(GEMM_REAL) };
    GEMM_REAL packed[(GEMM_BLOCK + 1) * WHOLE], tile[(GEMM_ROWS + 1) * ROW];
    GEMM_REAL bias[WHOLE] = {0};
    const int width = GEMM(panel_width)(p->n);
    const int64_t columns = GEMM(panel_columns)(width);
    const int64_t over = GEMM(rows_over)(p, columns), size = p->k * p->n;
    GEMM_PANEL q = {.k = p->k, .a = p->a, .a_row = p->a_row, .a_column = p->a_column,
                    .a_tile = GEMM_ROWS * p->a_row, .b = packed, .b_row = columns,
                    .c = p->c, .c_row = p->c_row, .resume = p->resume};
    if (p->b_column == 1 && p->n == columns) {
        q.b = p->b, q.b_row = p->b_row;
    } else if (p->b_column == 1 && p->b_row == p->n) {
        memcpy(packed, p->b, (size_t)size * sizeof *packed);
        memset(packed + size, 0, WHOLE * sizeof *packed);
        q.b_row = p->n;
    } else {
        GEMM(pack)(p->k, p->n, p->b, p->b_row, p->b_column, packed, columns);
    }
    if (p->bias) {
        GEMM(rows_copy)(1, p->n, p->bias, 0, bias, 0);
        q.bias = bias;
    }
    GEMM(panel_run)(&q, over, width);
    q.a += over * p->a_row;
    q.c += over * p->c_row;
    GEMM(edge_run)(q, p->m - over, p->n, width, tile);
}

/* ---- a matrix and a vector --------------------------------------------------------- */

/* A sum waits for its last addition: so four groups of sums are worked on side by side,
 * of other rows or of other blocks. As rows that are a power of two apart compete for
 * places in the cache, blocks are preferred. */
enum { GEMM(MANY) = GEMM_UNITS * GEMM(GROUP) };

/* Chains of k steps, `units` groups of sums: of `groups` groups of rows, and of
 * units / groups blocks of each. */
MG_INLINE void GEMM(dots_chain)(int units, int groups, int64_t k, const GEMM_REAL *x,
                                int64_t x_row, const GEMM_REAL *v, int64_t v_step,
                                GEMM_REAL *sums)
{
    GEMM_ROWS_VECTOR sum[GEMM_UNITS] = {{0}}, out[GEMM(STEPS)];
    int64_t l = 0;
    for (; l + GEMM(STEPS) <= k; l += GEMM(STEPS)) {
        GEMM_UNROLL
        for (int u = 0; u < units; u++) {
            int64_t first = u / groups * GEMM_BLOCK + l;
            GEMM(transpose)(x + u % groups * GEMM(GROUP) * x_row + first, x_row, out);
            GEMM_UNROLL
            for (int t = 0; t < GEMM(STEPS); t++) {
                GEMM_REAL one = v[(first + t) * v_step];
                sum[u] = GEMM_FUSE_ROWS(out[t], one - (GEMM_ROWS_VECTOR){0}, sum[u]);
            }
        }
    }
    memcpy(sums, sum, (size_t)units * sizeof *sum);
    for (; l < k; l++)
        for (int i = 0; i < units * GEMM(GROUP); i++) {
            int u = i / GEMM(GROUP), r = u % groups * GEMM(GROUP) + i % GEMM(GROUP);
            int64_t first = u / groups * GEMM_BLOCK + l;
            sums[i] = GEMM(fma)(x[r * x_row + first], v[first * v_step], sums[i]);
        }
}

/* Add `blocks` rows of sums, the first of all standing for what was there. */
MG_INLINE void GEMM(dots_add)(bool first, int blocks, int count, const GEMM_REAL *sums,
                              GEMM_REAL *total)
{
    for (int i = 0; i < blocks; i++, sums += count, first = false)
        for (int r = 0; r < count; r++) total[r] = first ? sums[r] : total[r] + sums[r];
}

/* total[r] = row r of x, which is k long, times v, for `groups` groups of rows. */
MG_INLINE void GEMM(dots_rows)(int groups, int64_t k, const GEMM_REAL *x, int64_t x_row,
                               const GEMM_REAL *v, int64_t v_step, GEMM_REAL *total)
{
    enum { ALL = GEMM_UNITS };
    const int count = groups * GEMM(GROUP), many = ALL / groups;
    GEMM_REAL sums[GEMM(MANY)];
    int64_t l = 0, next = GEMM_BLOCK;
    for (; many > 1 && l + many * next <= k; l += many * next) {
        GEMM(dots_chain)(ALL, groups, next, x + l, x_row, v + l * v_step, v_step, sums);
        GEMM(dots_add)(l == 0, many, count, sums, total);
    }
    for (; many > 2 && l + 2 * next <= k; l += 2 * next) {
        GEMM(dots_chain)(2, groups, next, x + l, x_row, v + l * v_step, v_step, sums);
        GEMM(dots_add)(l == 0, 2, count, sums, total);
    }
    for (; l < k || l == 0; l += next) {
        GEMM(dots_chain)(groups, groups, gemm_least(next, k - l), x + l, x_row,
                         v + l * v_step, v_step, sums);
        GEMM(dots_add)(l == 0, 1, count, sums, total);
    }
}

/* Compute rows, whole groups up to MANY, and return how many. */
static int64_t GEMM(dots_some)(int64_t rows, int64_t k, const GEMM_REAL *x, int64_t x_row,
                               const GEMM_REAL *v, int64_t v_step, GEMM_REAL *total)
{
    enum { GROUP = GEMM(GROUP) };
    if (rows < 2 * GROUP || k >= 4 * GEMM_BLOCK) {
        GEMM(dots_rows)(1, k, x, x_row, v, v_step, total);
        return GROUP;
    }
    if (rows < 4 * GROUP || k >= 2 * GEMM_BLOCK) {
        GEMM(dots_rows)(2, k, x, x_row, v, v_step, total);
        return 2 * GROUP;
    }
    GEMM(dots_rows)(GEMM_UNITS, k, x, x_row, v, v_step, total);
    return GEMM(MANY);
}

/* y[r] = row r of x, which is contiguous, times v, plus bias: the rows, a group or more,
 * are the lanes. Those at the end that make no group are computed together with some
 * before them. */
static void GEMM_APART GEMM(dots)(int64_t rows, int64_t k, const GEMM_REAL *x,
                                  int64_t x_row, const GEMM_REAL *v, int64_t v_step,
                                  GEMM_REAL *y, int64_t y_step, const GEMM_REAL *bias,
                                  int64_t bias_step)
{
    for (int64_t i = 0, count; i < rows; i += count) {
        GEMM_REAL sums[GEMM(MANY)];
        i = gemm_least(i, rows - GEMM(GROUP));
        count = GEMM(dots_some)(rows - i, k, x + i * x_row, x_row, v, v_step, sums);
        for (int64_t r = 0; r < count; r++)
            y[(i + r) * y_step] = bias ? sums[r] + bias[(i + r) * bias_step] : sums[r];
    }
}

/* Chains of whole blocks of x times those of v, `units` groups of them. */
MG_INLINE void GEMM(blocks_chain)(int units, const GEMM_REAL *x, const GEMM_REAL *v,
                                  GEMM_REAL *sums)
{
    GEMM_ROWS_VECTOR sum[2] = {{0}}, of_x[GEMM(STEPS)], of_v[GEMM(STEPS)];
    for (int64_t l = 0; l < GEMM_BLOCK; l += GEMM(STEPS)) {
        GEMM_UNROLL
        for (int u = 0; u < units; u++) {
            int64_t first = u * GEMM(GROUP) * GEMM_BLOCK + l;
            GEMM(transpose)(x + first, GEMM_BLOCK, of_x);
            GEMM(transpose)(v + first, GEMM_BLOCK, of_v);
            GEMM_UNROLL
            for (int t = 0; t < GEMM(STEPS); t++)
                sum[u] = GEMM_FUSE_ROWS(of_x[t], of_v[t], sum[u]);
        }
    }
    memcpy(sums, sum, (size_t)units * sizeof *sum);
}

/* The same of four blocks, number by number. */
static void GEMM(four_chain)(const GEMM_REAL *x, const GEMM_REAL *v, GEMM_REAL *sums)
{
    GEMM_REAL sum[4] = {0};
    for (int64_t l = 0; l < GEMM_BLOCK; l++) {
        GEMM_UNROLL
        for (int i = 0; i < 4; i++) {
            int64_t at = i * GEMM_BLOCK + l;
            sum[i] = GEMM(fma)(x[at], v[at], sum[i]);
        }
    }
    memcpy(sums, sum, sizeof sum);
}

/* Compute some of `blocks` blocks, and return how many. */
static int64_t GEMM(blocks_some)(int64_t blocks, const GEMM_REAL *x, const GEMM_REAL *v,
                                 GEMM_REAL *sums)
{
    enum { GROUP = GEMM(GROUP) };
    if (blocks >= 2 * GROUP) {
        GEMM(blocks_chain)(2, x, v, sums);
        return 2 * GROUP;
    }
    if (blocks >= GROUP) {
        GEMM(blocks_chain)(1, x, v, sums);
        return GROUP;
    }
    if (blocks >= 4) {
        GEMM(four_chain)(x, v, sums);
        return 4;
    }
    sums[0] = GEMM(chain)(GEMM_BLOCK, x, 1, v, 1);
    return 1;
}

/* Return x times v, both contiguous: the blocks are the lanes. */
static GEMM_REAL GEMM(blocks_dot)(int64_t k, const GEMM_REAL *x, const GEMM_REAL *v)
{
    GEMM_REAL total = 0, sums[2 * GEMM(GROUP) + 4];
    const int64_t whole = k / GEMM_BLOCK * GEMM_BLOCK;
    for (int64_t l = 0, count; l < whole; l += count * GEMM_BLOCK) {
        count = GEMM(blocks_some)((whole - l) / GEMM_BLOCK, x + l, v + l, sums);
        for (int64_t r = 0; r < count; r++) total = l || r ? total + sums[r] : sums[r];
    }
    if (whole == k) return total;
    GEMM_REAL last = GEMM(chain)(k - whole, x + whole, 1, v + whole, 1);
    return whole ? total + last : last;
}

/* Compute each element by itself. */
static void GEMM_APART GEMM(elements_dot)(const GEMM_JOB *p)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            GEMM_REAL sum = GEMM(blocks_dot)(p->k, p->a + i * p->a_row,
                                             p->b + j * p->b_column);
            p->c[i * p->c_row + j] = p->bias ? sum + p->bias[j] : sum;
        }
    }
}

/* Compute one column of c, or two. */
static void GEMM(columns_dot)(const GEMM_JOB *p)
{
    for (int64_t j = 0; j < p->n; j++)
        GEMM(dots)(p->m, p->k, p->a, p->a_row, p->b + j * p->b_column, p->b_row, p->c + j,
                   p->c_row, p->bias ? p->bias + j : NULL, 0);
}

/* Compute the one row of c. */
static void GEMM(row_dot)(const GEMM_JOB *p)
{
    GEMM(dots)(p->n, p->k, p->b, p->b_column, p->a, p->a_column, p->c, 1, p->bias, 1);
}

/* ---- the choice -------------------------------------------------------------------- */

/* Few rows at a time: those of a stay in the nearest cache, those of c have pages of
 * their own. */
static void GEMM(direct)(const GEMM_PANEL *p, int64_t m, int64_t n)
{
    const bool wide = n * (int64_t)sizeof(GEMM_REAL) >= GEMM_PAGE;
    const int64_t few = wide ? GEMM_ROWS : 2 * GEMM_ROWS;
    if (wide && p->k > GEMM_RUN) {
        GEMM(pages_run)(p, m, n);
        return;
    }
    for (int64_t i = 0, rows; i < m; i += rows) {
        GEMM_PANEL q = *p;
        rows = gemm_least(m - i, few);
        q.a += i * q.a_row;
        q.c += i * q.c_row;
        q.part = NULL;
        GEMM(columns_run)(&q, rows, n);
    }
}

/* Tell whether b is read as it lies: not if many rows of a need it and its own compete
 * for places in the cache. Of less than a vector of columns a padded panel is made, if
 * there are rows enough. */
MG_INLINE bool GEMM(is_direct)(int64_t m, int64_t n, int64_t k, int64_t b_column)
{
    if (b_column != 1 || n < GEMM(HALF_LANES)) return false;
    if (m < GEMM_MANY) return true;
    if (n < GEMM(LANES) && n > GEMM(HALF_LANES)) return false;
    const int64_t row = n * (int64_t)sizeof(GEMM_REAL);
    if (m >= 2 * GEMM_MANY && k > GEMM_RUN && row >= GEMM_PAGE / 4) return false;
    return row * k <= GEMM_SMALL;
}

static void GEMM_APART GEMM(indirect)(const GEMM_JOB *p)
{
    enum { GROUP = GEMM(GROUP) };
    const bool rows = p->a_column == 1, columns = p->b_row == 1;
    if (p->n <= 2 && p->m >= GROUP && rows)
        GEMM(columns_dot)(p);
    else if (p->m == 1 && p->n >= GROUP && columns)
        GEMM(row_dot)(p);
    else if (p->m * p->n < GROUP && rows && columns)
        GEMM(elements_dot)(p);
    else if (p->m > 1 || p->n > 1)
        (gemm_is_narrow(p->n, p->k, sizeof *p->a) ? GEMM(narrow) : GEMM(blocked))(p);
    else
        GEMM(product)(p);
}

#endif

static void GEMM_ENTRY(const matrices *of, void *workspace)
{
    const void *a = of->a, *b = of->b, *bias = of->bias;
    void *c = of->c;
    GEMM_JOB p = {of->m,     of->n,        of->k, a,         of->a_row, of->a_column, b,
                  of->b_row, of->b_column, c,     of->c_row, bias,      of->resume,
                  workspace, of->work};
    if (p.m <= 0 || p.n <= 0) return;
#if GEMM_VECTORS
    const bool is_narrow = gemm_is_narrow(p.n, p.k, sizeof *p.a);
    const bool has_half = p.n >= GEMM(HALF_LANES) && p.b_column == 1;
    if (is_narrow && (p.resume || (has_half && p.m >= 8))) {
        GEMM(narrow)(&p);
    } else if (p.resume) {
        GEMM(blocked)(&p);
    } else if (GEMM(is_direct)(p.m, p.n, p.k, p.b_column)) {
        GEMM_PANEL all = {.k = p.k,
                          .a = p.a,
                          .a_row = p.a_row,
                          .a_column = p.a_column,
                          .a_tile = GEMM_ROWS * p.a_row,
                          .b = p.b,
                          .b_row = p.b_row,
                          .c = p.c,
                          .c_row = p.c_row,
                          .bias = p.bias,
                          .part = p.scratch,
                          .part_row = p.n};
        GEMM(direct)(&all, p.m, p.n);
    } else if (p.n == 1 && p.a_row == 1 && p.c_row == 1 && !bias &&
               p.m >= GEMM(HALF_LANES)) { /* c is a row as well as a column */
        GEMM_PANEL row = {.k = p.k,
                          .a = p.b,
                          .a_row = p.b_column,
                          .a_column = p.b_row,
                          .b = p.a,
                          .b_row = p.a_column,
                          .c = p.c,
                          .c_row = p.m,
                          .part = p.scratch,
                          .part_row = p.m};
        GEMM(direct)(&row, 1, p.m);
    } else {
        GEMM(indirect)(&p);
    }
#else
    GEMM(product)(&p);
#endif
}

#endif
