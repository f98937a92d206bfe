/* gemm.inc.c: the matrix product c = a @ b (+ bias), compiled once for each instruction
 * set; the includer says in MG_VECTOR_BYTES how wide its vectors are: 16, 32 or 64. Gives
 * gemm_f32(), gemm_f64() and gemm_workspace(), and gemm_product_f32() and _f64(): the
 * definition, which the others equal bit for bit. Allocates nothing, starts no threads.
 * The file includes itself, for each of the two types.
 *
 * Each element of c is a sum in the order of k that starts at 0, every product and every
 * sum rounded. So the lanes of a vector are columns of c, or rows, but never parts of one
 * sum, and a block of k goes on from what is in c. Blocks, tiles and the part of c that a
 * thread was given cannot be seen in the result.
 *
 * A multiply and an add that are not fused are two instructions. Zen 4 has units for
 * both, and nothing is lost; Intel's servers do 32 float32 operations a cycle instead of
 * 64 (24 with vectors of 32 bytes). The loop over a tile runs at that bound; the rest is
 * about bringing operands to it: b is packed into panels as wide as a tile where that
 * pays, a is read as it lies unless its rows are not contiguous. Of the bound are left,
 * with 64 bytes: 99 % at m = n = k = 128, 97 at 256, 95 at 512, 92 at 1024, 89 at 2048.
 *
 * For threads: give each a range of columns of c, a multiple of 64 and 128 or more, so
 * that b is packed once in all; where there are too few, a range of rows, a multiple of
 * 24. */
#ifndef GEMM_REAL

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

#if GEMM_VECTORS

enum {
    GEMM_LINE = 64,                  /* bytes of a cache line */
    GEMM_PAGE = 4096,                /* bytes of a page */
    GEMM_TILE = 2 * MG_VECTOR_BYTES, /* bytes of a row of a tile */
    GEMM_HALF = MG_VECTOR_BYTES > 16 ? MG_VECTOR_BYTES / 2 : 16, /* of half a vector */
    GEMM_K = 512,            /* steps of k in a block */
    GEMM_A_SIZE = 192 << 10, /* bytes of a block of a: it stays in the level 2 cache */
    GEMM_B_SIZE = 2 << 20,   /* bytes of a packed block of b */
    GEMM_FEW = 32,           /* most rows of a for which a block has GEMM_K_FEW steps */
    GEMM_K_FEW = 128,        /* steps for which a panel of b fits the level 1 cache */
    GEMM_MANY = 64,          /* rows of a from which on b is packed even if contiguous */
    GEMM_SMALL = 1 << 17,    /* most bytes of a contiguous b that is never packed */
    GEMM_RUN = 32            /* rows of b that are gone through at a time */
};

/* Rows of a tile: with two vectors each they take half of the registers. */
#if MG_VECTOR_BYTES == 64 || defined(__aarch64__)
#define GEMM_ROWS 8
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
typedef int64_t gemm_long_load __attribute__((vector_size(16), aligned(8), may_alias));

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

/* Return the 16 bytes at x, and in groups of 32 bytes behind them the 16 at y. */
MG_INLINE gemm_words gemm_pair_f32(const float *x, const float *y)
{
    gemm_word_load first = *(const gemm_word_load *)x;
#if GEMM_GROUP > 16
    gemm_word_load second = *(const gemm_word_load *)y;
    return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    (void)y;
    return first;
#endif
}

MG_INLINE gemm_longs gemm_pair_f64(const double *x, const double *y)
{
    gemm_long_load first = *(const gemm_long_load *)x;
#if GEMM_GROUP > 16
    gemm_long_load second = *(const gemm_long_load *)y;
    return __builtin_shufflevector(first, second, 0, 1, 2, 3);
#else
    (void)y;
    return first;
#endif
}

/* Turn a group of rows, 4 elements of each, into 4 vectors: lane r of out[t] becomes
 * x[rows[r] + t]. */
MG_INLINE void gemm_transpose_f32(const float *x, const int64_t *rows,
                                  gemm_group_f32 *out)
{
    enum { FAR = GEMM_GROUP > 16 ? 4 : 0 };
    gemm_words r0 = gemm_pair_f32(x + rows[0], x + rows[FAR]);
    gemm_words r1 = gemm_pair_f32(x + rows[1], x + rows[FAR + 1]);
    gemm_words r2 = gemm_pair_f32(x + rows[2], x + rows[FAR + 2]);
    gemm_words r3 = gemm_pair_f32(x + rows[3], x + rows[FAR + 3]);
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
MG_INLINE void gemm_transpose_f64(const double *x, const int64_t *rows,
                                  gemm_group_f64 *out)
{
    enum { FAR = GEMM_GROUP > 16 ? 2 : 0 };
    gemm_longs r0 = gemm_pair_f64(x + rows[0], x + rows[FAR]);
    gemm_longs r1 = gemm_pair_f64(x + rows[1], x + rows[FAR + 1]);
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

static gemm_plan gemm_plan_make(int64_t m, int64_t n, int64_t k, int64_t element)
{
    gemm_plan plan = {.k = m > GEMM_FEW ? GEMM_K : GEMM_K_FEW};
    int64_t row = GEMM_TILE / element, line = GEMM_LINE / element;
    if (plan.k > k) plan.k = k > 0 ? k : 1;
    plan.rows = GEMM_A_SIZE / element / plan.k / GEMM_ROWS * GEMM_ROWS;
    plan.rows = gemm_least(plan.rows, gemm_round(m, GEMM_ROWS));
    plan.columns = GEMM_B_SIZE / element / plan.k / row * row;
    plan.columns = gemm_least(plan.columns, gemm_round(n, row));
    if (m <= plan.rows && m < GEMM_MANY) plan.columns = row; /* used once */
    plan.a = gemm_round((GEMM_ROWS + 1) * row, line);
    plan.b = plan.a + (plan.columns > row ? gemm_round(plan.rows * plan.k, line) : 0);
    plan.size = plan.b + plan.columns * plan.k;
    return plan;
}

static size_t gemm_workspace(int64_t m, int64_t n, int64_t k, size_t element)
{
    return (size_t)gemm_plan_make(m, n, k, (int64_t)element).size * element;
}

#else

static size_t gemm_workspace(int64_t m, int64_t n, int64_t k, size_t element)
{
    (void)m, (void)n, (void)k, (void)element;
    return 0;
}

#endif

/* Shorter names of what each of the two types has. */
#define GEMM_JOB GEMM(job)
#define GEMM_PANEL GEMM(panel)
#define GEMM_ROWS_VECTOR GEMM(group)

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
    GEMM_REAL *scratch;
    thread_work *work;
} GEMM(job);

/* The definition. A product is rounded by being stored: floats that are evaluated as
 * doubles give the same bits then, since 53 >= 2 * 24 + 2 (Figueroa 1995). */
static void GEMM(product)(const GEMM_JOB *p)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            const GEMM_REAL *a = p->a + i * p->a_row, *b = p->b + j * p->b_column;
            GEMM_REAL sum = 0;
            for (int64_t l = 0; l < p->k; l++) {
                GEMM_REAL term = a[l * p->a_column] * b[l * p->b_row];
                sum = sum + term;
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
    bool resume;           /* c holds the sums so far */
} GEMM(panel);

/* For each vector of a tile: number v of row i. */
#define GEMM_EACH(rows, count) \
    GEMM_UNROLL \
    for (int i = 0; i < rows; i++) GEMM_UNROLL \
        for (int v = 0; v < count; v++)

/* A function that computes `rows` rows of `count` vectors in registers. */
#define GEMM_DEFINE_TILE(name, rows, count, vector) \
    static void GEMM(name)(const GEMM_PANEL *p) \
    { \
        typedef vector loose __attribute__((aligned(sizeof(GEMM_REAL)), may_alias)); \
        enum { WIDTH = sizeof(vector) / sizeof(GEMM_REAL) }; \
        const GEMM_REAL *a = p->a, *b = p->b; \
        int64_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row; \
        GEMM_REAL *c = p->c; \
        vector sum[rows][count], y[count]; \
        GEMM_EACH(rows, count) sum[i][v] = (vector){0}; \
        if (p->resume) \
            GEMM_EACH(rows, count) \
                sum[i][v] = *(const loose *)(c + i * p->c_row + v * WIDTH); \
        for (int64_t l = p->k; l > 0; l--, a += a_column, b += b_row) { \
            GEMM_EACH(1, count) y[v] = *(const loose *)(b + v * WIDTH); \
            GEMM_EACH(rows, count) sum[i][v] = sum[i][v] + a[i * a_row] * y[v]; \
        } \
        if (p->bias) \
            GEMM_EACH(rows, count) \
                sum[i][v] = sum[i][v] + *(const loose *)(p->bias + v * WIDTH); \
        GEMM_EACH(rows, count) *(loose *)(c + i * p->c_row + v * WIDTH) = sum[i][v]; \
    }

#define GEMM_DEFINE_TILES(rows) \
    GEMM_DEFINE_TILE(tile_##rows##_half, rows, 1, GEMM(half_vector)) \
    GEMM_DEFINE_TILE(tile_##rows##_one, rows, 1, GEMM(vector)) \
    GEMM_DEFINE_TILE(tile_##rows##_two, rows, 2, GEMM(vector))

#if GEMM_ROWS == 8
GEMM_DEFINE_TILES(8)
#define GEMM_TALL(width) GEMM(tile_8_##width)
#elif GEMM_ROWS == 6
GEMM_DEFINE_TILES(6)
#define GEMM_TALL(width) GEMM(tile_6_##width)
#else
#define GEMM_TALL(width) GEMM(tile_4_##width)
#endif
GEMM_DEFINE_TILES(4)
GEMM_DEFINE_TILES(2)
GEMM_DEFINE_TILES(1)
/* Few rows need more columns to keep the adders busy. */
GEMM_DEFINE_TILE(tile_2_four, 2, 4, GEMM(vector))
GEMM_DEFINE_TILE(tile_1_four, 1, 4, GEMM(vector))
GEMM_DEFINE_TILE(tile_1_eight, 1, 8, GEMM(vector))

/* Fetch a tile of c that will be added to. */
static void GEMM(tile_fetch)(const GEMM_REAL *c, int64_t c_row)
{
    for (int i = 0; i < GEMM_ROWS; i++)
        for (int j = 0; j < GEMM_TILE; j += GEMM_LINE)
            __builtin_prefetch((const char *)(c + i * c_row) + j, 1);
}

/* Compute m rows of a panel in tiles of GEMM_ROWS, 4, 2, 1 rows; p ends as it began. */
static void GEMM(panel_run)(GEMM_PANEL *p, int64_t m, int width)
{
    typedef void (*tile)(const GEMM_PANEL *);
    static const tile tiles[GEMM_WIDTHS][4] = {
        [GEMM_NARROW] = {GEMM_TALL(half), GEMM(tile_4_half), GEMM(tile_2_half),
                         GEMM(tile_1_half)},
        [GEMM_ONE] = {GEMM_TALL(one), GEMM(tile_4_one), GEMM(tile_2_one),
                      GEMM(tile_1_one)},
        [GEMM_TWO] = {GEMM_TALL(two), GEMM(tile_4_two), GEMM(tile_2_two),
                      GEMM(tile_1_two)},
        [GEMM_FOUR] = {NULL, NULL, GEMM(tile_2_four), GEMM(tile_1_four)},
        [GEMM_EIGHT] = {NULL, NULL, NULL, GEMM(tile_1_eight)},
    };
    const GEMM_REAL *a = p->a;
    GEMM_REAL *c = p->c;
    int64_t c_tile = GEMM_ROWS * p->c_row;
    for (; m >= GEMM_ROWS; m -= GEMM_ROWS, p->a += p->a_tile, p->c += c_tile) {
        if (p->resume && m >= 2 * GEMM_ROWS) GEMM(tile_fetch)(p->c + c_tile, p->c_row);
        tiles[width][0](p);
    }
    for (int i = 1, rows = 4; i < 4; i++, rows /= 2) {
        if (m < rows) continue;
        tiles[width][i](p);
        m -= rows;
        p->a += rows * p->a_row;
        p->c += rows * p->c_row;
    }
    p->a = a;
    p->c = c;
}

/* ---- b as it lies ------------------------------------------------------------------ */

/* Compute m rows of n columns, HALF_LANES or more. The columns at the end that fill no
 * vector are computed together with some before them, which get the same bits again;
 * so they must not resume. Changes b, c and bias of p. */
static void GEMM(columns_run)(GEMM_PANEL *p, int64_t m, int64_t n)
{
    enum { WHOLE = GEMM(LANES), PART = GEMM(HALF_LANES) };
    const GEMM_REAL *b = p->b, *bias = p->bias;
    GEMM_REAL *c = p->c;
    int width = m == 1 ? GEMM_EIGHT : m < 4 ? GEMM_FOUR : GEMM_TWO;
    for (int64_t j = 0, columns; j < n; j += columns) {
        int64_t rest = n - j;
        while (width > GEMM_ONE && rest < (int64_t)WHOLE << (width - GEMM_ONE)) width--;
        if (rest < WHOLE) width = rest > PART && n >= WHOLE ? GEMM_ONE : GEMM_NARROW;
        columns = width == GEMM_NARROW ? PART : (int64_t)WHOLE << (width - GEMM_ONE);
        if (rest < columns) j = n - columns;
        p->b = b + j;
        p->c = c + j;
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
        q.k = gemm_least(GEMM_RUN, p->k - l);
        q.a += l * q.a_column;
        q.b += l * q.b_row;
        q.resume = l > 0;
        if (l + q.k < p->k) q.bias = NULL;
        GEMM(columns_run)(&q, m, whole);
    }
    if (whole < n) {
        GEMM_PANEL q = *p;
        q.b += last;
        q.c += last;
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
            int64_t at[GEMM(GROUP)];
            GEMM_UNROLL
            for (int r = 0; r < GEMM(GROUP); r++) at[r] = (j + r) * x_column;
            for (int64_t t = l; t < end; t += GEMM(STEPS)) {
                GEMM_ROWS_VECTOR out[GEMM(STEPS)];
                GEMM(transpose)(x + t, at, out);
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
    }
    for (int64_t l = 0; l < k; l++) {
        int64_t j = l < steps ? done : 0;
        for (; j < columns; j++) to[l * width + j] = x[l * x_row + j * x_column];
        for (; j < width; j++) to[l * width + j] = 0;
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

/* Pack m rows of a into panels of GEMM_ROWS, from which q then reads them. */
static void GEMM(a_pack)(GEMM_PANEL *q, int64_t m, GEMM_REAL *to)
{
    for (int64_t i = 0; i < m; i += GEMM_ROWS)
        GEMM(pack)(q->k, gemm_least(m - i, GEMM_ROWS), q->a + i * q->a_row, q->a_column,
                   q->a_row, to + i * q->k, GEMM_ROWS);
    q->a = to;
    q->a_row = 1;
    q->a_column = GEMM_ROWS;
    q->a_tile = GEMM_ROWS * q->k;
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
    if (q.a_column != 1 && plan->b > plan->a) GEMM(a_pack)(&q, m, p->scratch + plan->a);
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
                    .resume = l > 0};
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

/* ---- a matrix and a vector --------------------------------------------------------- */

enum { GEMM(DOTS) = 2 * GEMM(GROUP) }; /* two groups: a sum waits for its last addition */

/* sums[r] = row r of x, which is k long, times v. The last of `rows` stands for all that
 * are missing. */
MG_INLINE void GEMM(dots_few)(int64_t rows, int64_t k, const GEMM_REAL *x, int64_t x_row,
                              const GEMM_REAL *v, int64_t v_step, GEMM_REAL *sums)
{
    GEMM_ROWS_VECTOR low = {0}, high = {0}, out[GEMM(STEPS)];
    int64_t at[GEMM(DOTS)], l = 0;
    GEMM_UNROLL
    for (int r = 0; r < GEMM(DOTS); r++) at[r] = gemm_least(r, rows - 1) * x_row;
    for (; l + GEMM(STEPS) <= k; l += GEMM(STEPS), x += GEMM(STEPS)) {
        GEMM(transpose)(x, at, out);
        GEMM_UNROLL
        for (int t = 0; t < GEMM(STEPS); t++) low = low + out[t] * v[t * v_step];
        GEMM(transpose)(x, at + GEMM(GROUP), out);
        GEMM_UNROLL
        for (int t = 0; t < GEMM(STEPS); t++) high = high + out[t] * v[t * v_step];
        v += GEMM(STEPS) * v_step;
    }
    memcpy(sums, &low, sizeof low);
    memcpy(sums + GEMM(GROUP), &high, sizeof high);
    for (; l < k; l++, x++, v += v_step)
        for (int r = 0; r < GEMM(DOTS); r++) sums[r] = sums[r] + x[at[r]] * v[0];
}

/* y[r] = row r of x, which is contiguous, times v, plus bias: the rows are the lanes. */
static void GEMM_APART GEMM(dots)(int64_t rows, int64_t k, const GEMM_REAL *x,
                                  int64_t x_row, const GEMM_REAL *v, int64_t v_step,
                                  GEMM_REAL *y, int64_t y_step, const GEMM_REAL *bias,
                                  int64_t bias_step)
{
    for (int64_t i = 0; i < rows; i += GEMM(DOTS)) {
        GEMM_REAL sums[GEMM(DOTS)];
        int64_t count = gemm_least(rows - i, GEMM(DOTS));
        if (count == GEMM(DOTS))
            GEMM(dots_few)(GEMM(DOTS), k, x + i * x_row, x_row, v, v_step, sums);
        else
            GEMM(dots_few)(count, k, x + i * x_row, x_row, v, v_step, sums);
        for (int64_t r = 0; r < count; r++)
            y[(i + r) * y_step] = bias ? sums[r] + bias[(i + r) * bias_step] : sums[r];
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

static void GEMM(direct)(GEMM_PANEL *p, int64_t m, int64_t n)
{
    if (p->k > GEMM_RUN && n * (int64_t)sizeof(GEMM_REAL) >= GEMM_PAGE)
        GEMM(pages_run)(p, m, n);
    else
        GEMM(columns_run)(p, m, n);
}

/* Tell whether b is read as it lies. Of less than a vector of columns a padded panel is
 * made, if there are rows enough. */
MG_INLINE bool GEMM(is_direct)(int64_t m, int64_t n, int64_t k, int64_t b_column)
{
    if (b_column != 1 || n < GEMM(HALF_LANES)) return false;
    if (m < GEMM_MANY) return true;
    if (n < GEMM(LANES) && n > GEMM(HALF_LANES)) return false;
    return n * k <= (int64_t)(GEMM_SMALL / sizeof(GEMM_REAL));
}

static void GEMM_APART GEMM(indirect)(const GEMM_JOB *p)
{
    if (p->n <= 2 && p->m > 2 && p->a_column == 1)
        GEMM(columns_dot)(p);
    else if (p->m == 1 && p->n > 1 && p->b_row == 1)
        GEMM(row_dot)(p);
    else if (p->m > 1 || p->n > 1)
        GEMM(blocked)(p);
    else
        GEMM(product)(p);
}

#endif

static void GEMM_ENTRY(const matrices *of, void *workspace)
{
    const void *a = of->a, *b = of->b, *bias = of->bias;
    void *c = of->c;
    GEMM_JOB p = {of->m,     of->n,        of->k, a,         of->a_row, of->a_column, b,
                  of->b_row, of->b_column, c,     of->c_row, bias,      workspace,
                  of->work};
    if (p.m <= 0 || p.n <= 0) return;
#if GEMM_VECTORS
    if (GEMM(is_direct)(p.m, p.n, p.k, p.b_column)) {
        GEMM_PANEL all = {p.k,   p.a, p.a_row, p.a_column, GEMM_ROWS * p.a_row, p.b,
                          p.b_row, p.c, p.c_row, p.bias, false};
        GEMM(direct)(&all, p.m, p.n);
    } else if (p.n == 1 && p.a_row == 1 && p.c_row == 1 && !bias &&
               p.m >= GEMM(HALF_LANES)) { /* c is a row as well as a column */
        GEMM_PANEL row = {p.k, p.b, p.b_column, p.b_row, 0, p.a, p.a_column,
                          p.c, p.m, NULL, false};
        GEMM(direct)(&row, 1, p.m);
    } else {
        GEMM(indirect)(&p);
    }
#else
    GEMM(product)(&p);
#endif
}

#endif
