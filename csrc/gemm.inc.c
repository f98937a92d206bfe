/* gemm.inc.c: the matrix product c = a @ b (+ bias), compiled once for each instruction
 * set; the includer says in MG_VECTOR_BYTES how wide vectors are (16, 32, 64). Gives
 * gemm_f32(), gemm_f64() and gemm_workspace(), and product_f32(), product_f64(): the
 * definition, which the others equal bit for bit.
 *
 * Each element of c is a sum in the order of k that starts at 0, every product and sum
 * rounded. So lanes of vectors are columns of c, never parts of one sum, and where k is
 * done in blocks a block goes on from what is in c. Neither the blocks, nor the tiles, nor
 * the rows or columns that a caller gives to other threads can be seen in a result.
 *
 * Without FMA a multiply and an add are two instructions: the bound is half of the
 * machine's peak where both use the same ports (Intel: 32 float32 operations a cycle with
 * 512 bits), and all of it where they do not (Zen 4). */
#ifndef GEMM_REAL

#if !defined(MG_VECTOR_BYTES)
#define MG_VECTOR_BYTES 16
#endif

enum {
#if MG_VECTOR_BYTES == 64 || defined(__aarch64__) /* 32 registers */
    GEMM_ROWS = 8, /* of a tile of c that is kept in registers */
#elif MG_VECTOR_BYTES == 32
    GEMM_ROWS = 6,
#else
    GEMM_ROWS = 4,
#endif
    GEMM_TILE = 2 * MG_VECTOR_BYTES, /* bytes of a row of a tile: two vectors */
#ifndef KCX
    GEMM_K = 256,                    /* steps of k in a block */
    GEMM_BLOCK = 1 << 19,            /* bytes of a packed block of b */
    GEMM_SMALL = 1 << 16,             /* bytes of b that are not worth packing */
#else
    GEMM_K = KCX,                    /* steps of k in a block */
    GEMM_BLOCK = BLX,            /* bytes of a packed block of b */
    GEMM_SMALL = SMX,             /* bytes of b that are not worth packing */
#endif
    GEMM_HALF = MG_VECTOR_BYTES > 16 ? MG_VECTOR_BYTES / 2 : MG_VECTOR_BYTES
};

#if defined(__clang__) || __GNUC__ >= 12
#define GEMM_SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define GEMM_SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (quad_mask){__VA_ARGS__})
#endif

typedef float quad_f32 __attribute__((vector_size(16), aligned(4), may_alias));
typedef double quad_f64 __attribute__((vector_size(16), aligned(8), may_alias));

MG_INLINE void transpose_f32(const float *from, int64_t stride, float *to, int64_t width)
{
    quad_f32 r0 = *(const quad_f32 *)from, r1 = *(const quad_f32 *)(from + stride);
    quad_f32 r2 = *(const quad_f32 *)(from + 2 * stride),
             r3 = *(const quad_f32 *)(from + 3 * stride);
    quad_f32 t0 = GEMM_SHUFFLE(r0, r1, 0, 4, 1, 5), t1 = GEMM_SHUFFLE(r0, r1, 2, 6, 3, 7);
    quad_f32 t2 = GEMM_SHUFFLE(r2, r3, 0, 4, 1, 5), t3 = GEMM_SHUFFLE(r2, r3, 2, 6, 3, 7);
    *(quad_f32 *)to = GEMM_SHUFFLE(t0, t2, 0, 1, 4, 5);
    *(quad_f32 *)(to + width) = GEMM_SHUFFLE(t0, t2, 2, 3, 6, 7);
    *(quad_f32 *)(to + 2 * width) = GEMM_SHUFFLE(t1, t3, 0, 1, 4, 5);
    *(quad_f32 *)(to + 3 * width) = GEMM_SHUFFLE(t1, t3, 2, 3, 6, 7);
}

MG_INLINE void transpose_f64(const double *from, int64_t stride, double *to, int64_t width)
{
    quad_f64 r0 = *(const quad_f64 *)from, r1 = *(const quad_f64 *)(from + stride);
    *(quad_f64 *)to = GEMM_SHUFFLE(r0, r1, 0, 2);
    *(quad_f64 *)(to + width) = GEMM_SHUFFLE(r0, r1, 1, 3);
}

enum { PAIR, WHOLE, HALF };

static int64_t gemm_least(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* Return x rounded up to a multiple of `unit`. */
static int64_t gemm_round(int64_t x, int64_t unit)
{
    return (x + unit - 1) / unit * unit;
}

/* Return the bytes of scratch memory that gemm_f32() (element 4) or gemm_f64() (8) needs:
 * a block of b, and a tile of c. */
static size_t gemm_workspace(int64_t m, int64_t n, int64_t k, size_t element)
{
    int64_t lanes = GEMM_TILE / (int64_t)element, block = gemm_least(k, GEMM_K);
    int64_t columns = gemm_round(n < lanes ? m > n ? m : n : n, lanes);
    int64_t size = gemm_least(columns * block * (int64_t)element, GEMM_BLOCK);
    return (size_t)(size + GEMM_ROWS * GEMM_TILE);
}

#define GEMM_REAL float
#define GEMM(name) name##_f32
#include "gemm.inc.c"
#undef GEMM_REAL
#undef GEMM
#define GEMM_REAL double
#define GEMM(name) name##_f64
#include "gemm.inc.c"
#undef GEMM_REAL
#undef GEMM

#else /* the code for one type, GEMM_REAL */

/* The definition. */
static void GEMM(product)(int64_t m, int64_t n, int64_t k, const GEMM_REAL *a,
                          int64_t a_row, int64_t a_column, const GEMM_REAL *b,
                          int64_t b_row, int64_t b_column, GEMM_REAL *c,
                          int64_t c_stride, const GEMM_REAL *bias)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            GEMM_REAL sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum = sum + a[i * a_row + l * a_column] * b[l * b_row + j * b_column];
            c[i * c_stride + j] = bias ? sum + bias[j] : sum;
        }
    }
}

enum {
    GEMM(LANES) = MG_VECTOR_BYTES / sizeof(GEMM_REAL),
    GEMM(HALF_LANES) = GEMM_HALF / sizeof(GEMM_REAL)
};

typedef GEMM_REAL GEMM(whole) __attribute__((vector_size(MG_VECTOR_BYTES)));
typedef GEMM_REAL GEMM(half) __attribute__((vector_size(GEMM_HALF)));

/* A part of c and what it is made from. */
typedef struct GEMM(part) {
    int64_t k;
    const GEMM_REAL *a;
    int64_t a_row, a_column;
    const GEMM_REAL *b;
    int64_t b_row;
    GEMM_REAL *c;
    int64_t c_row;
    const GEMM_REAL *bias; /* NULL: none */
    bool resume;           /* c holds the sums so far */
} GEMM(part);

#define GEMM_DEFINE_TILE(name, rows, vectors, vector) \
    static void GEMM(name)(const GEMM(part) *p) \
    { \
        typedef vector loose __attribute__((aligned(sizeof(GEMM_REAL)), may_alias)); \
        enum { LANES_ = sizeof(vector) / sizeof(GEMM_REAL) }; \
        const GEMM_REAL *a = p->a, *b = p->b; \
        int64_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row, c_row = p->c_row; \
        GEMM_REAL *c = p->c; \
        vector sum[rows][vectors], y[vectors]; \
        for (int i = 0; i < rows; i++) \
            for (int v = 0; v < vectors; v++) { \
                sum[i][v] = (vector){0}; \
                if (p->resume) sum[i][v] = *(const loose *)(c + i * c_row + v * LANES_); \
            } \
        for (int64_t l = p->k; l > 0; l--, a += a_column, b += b_row) { \
            for (int v = 0; v < vectors; v++) y[v] = *(const loose *)(b + v * LANES_); \
            for (int i = 0; i < rows; i++) \
                for (int v = 0; v < vectors; v++) \
                    sum[i][v] = sum[i][v] + a[i * a_row] * y[v]; \
        } \
        if (p->bias) \
            for (int v = 0; v < vectors; v++) { \
                y[v] = *(const loose *)(p->bias + v * LANES_); \
                for (int i = 0; i < rows; i++) sum[i][v] = sum[i][v] + y[v]; \
            } \
        for (int i = 0; i < rows; i++) \
            for (int v = 0; v < vectors; v++) \
                *(loose *)(c + i * c_row + v * LANES_) = sum[i][v]; \
    }

#if MG_VECTOR_BYTES == 64 || defined(__aarch64__)
GEMM_DEFINE_TILE(tile_rx2, 8, 2, GEMM(whole))
GEMM_DEFINE_TILE(tile_rx1, 8, 1, GEMM(whole))
GEMM_DEFINE_TILE(tile_rxh, 8, 1, GEMM(half))
#elif MG_VECTOR_BYTES == 32
GEMM_DEFINE_TILE(tile_rx2, 6, 2, GEMM(whole))
GEMM_DEFINE_TILE(tile_rx1, 6, 1, GEMM(whole))
GEMM_DEFINE_TILE(tile_rxh, 6, 1, GEMM(half))
#else
GEMM_DEFINE_TILE(tile_rx2, 4, 2, GEMM(whole))
GEMM_DEFINE_TILE(tile_rx1, 4, 1, GEMM(whole))
GEMM_DEFINE_TILE(tile_rxh, 4, 1, GEMM(half))
#endif
GEMM_DEFINE_TILE(tile_4x2, 4, 2, GEMM(whole))
GEMM_DEFINE_TILE(tile_4x1, 4, 1, GEMM(whole))
GEMM_DEFINE_TILE(tile_4xh, 4, 1, GEMM(half))
GEMM_DEFINE_TILE(tile_2x2, 2, 2, GEMM(whole))
GEMM_DEFINE_TILE(tile_2x1, 2, 1, GEMM(whole))
GEMM_DEFINE_TILE(tile_2xh, 2, 1, GEMM(half))
GEMM_DEFINE_TILE(tile_1x2, 1, 2, GEMM(whole))
GEMM_DEFINE_TILE(tile_1x1, 1, 1, GEMM(whole))
GEMM_DEFINE_TILE(tile_1xh, 1, 1, GEMM(half))
GEMM_DEFINE_TILE(tile_1x8, 1, 8, GEMM(whole))


/* Compute m rows of a panel. */
static void GEMM(rows)(GEMM(part) p, int64_t m, int kind)
{
    typedef void (*kernel)(const GEMM(part) * p);
    static const kernel kernels[3][4] = {
        {GEMM(tile_rx2), GEMM(tile_4x2), GEMM(tile_2x2), GEMM(tile_1x2)},
        {GEMM(tile_rx1), GEMM(tile_4x1), GEMM(tile_2x1), GEMM(tile_1x1)},
        {GEMM(tile_rxh), GEMM(tile_4xh), GEMM(tile_2xh), GEMM(tile_1xh)},
    };
    const kernel *f = kernels[kind];
    for (; m >= GEMM_ROWS; m -= GEMM_ROWS) {
        f[0](&p);
        p.a += GEMM_ROWS * p.a_row;
        p.c += GEMM_ROWS * p.c_row;
    }
    for (int i = 1, step = 4; i < 4; i++, step /= 2) {
        if (m < step) continue;
        m -= step;
        f[i](&p);
        p.a += step * p.a_row;
        p.c += step * p.c_row;
    }
}

MG_INLINE GEMM(part) GEMM(part_at)(GEMM(part) p, int64_t j)
{
    p.b += j;
    p.c += j;
    if (p.bias) p.bias += j;
    return p;
}

/* b as it is: its columns lie side by side; there are at least half a vector of them. */
static void GEMM(direct)(int64_t m, int64_t n, GEMM(part) p)
{
    enum { WIDE = GEMM(LANES), SMALL = GEMM(HALF_LANES) };
    int64_t j = 0;
    if (m == 1)
        for (; n - j >= 8 * WIDE; j += 8 * WIDE) {
            GEMM(part) q = GEMM(part_at)(p, j);
            GEMM(tile_1x8)(&q);
        }
    for (; n - j >= 2 * WIDE; j += 2 * WIDE) GEMM(rows)(GEMM(part_at)(p, j), m, PAIR);
    if (n - j >= WIDE) {
        GEMM(rows)(GEMM(part_at)(p, j), m, WHOLE);
        j += WIDE;
    }
    if (j == n) return;
    if (n - j <= SMALL)
        GEMM(rows)(GEMM(part_at)(p, n - SMALL), m, HALF);
    else if (n >= WIDE)
        GEMM(rows)(GEMM(part_at)(p, n - WIDE), m, WHOLE);
    else {
        GEMM(rows)(p, m, HALF);
        GEMM(rows)(GEMM(part_at)(p, n - SMALL), m, HALF);
    }
}

/* ---- blocks ------------------------------------------------------------------------ */

/* Copy `columns` columns of b, k steps long, into rows of `width` elements. */
static void GEMM(pack)(int64_t k, int64_t columns, const GEMM_REAL *b, int64_t b_row,
                       int64_t b_column, GEMM_REAL *to, int64_t width)
{
    typedef GEMM(half) loose __attribute__((aligned(sizeof(GEMM_REAL)), may_alias));
    enum { SMALL = GEMM(HALF_LANES), FOUR = 16 / sizeof(GEMM_REAL), LINE = 64 / sizeof(GEMM_REAL) };
    if (b_column == 1 && columns == width) {
        for (int64_t l = 0; l < k; l++, b += b_row, to += width)
            for (int64_t j = 0; j < width; j += SMALL)
                *(loose *)(to + j) = *(const loose *)(b + j);
        return;
    }
    int64_t l = 0, whole = b_row == 1 ? columns / FOUR * FOUR : 0;
    if (whole)
        for (; l + LINE <= k; l += LINE) {
            const GEMM_REAL *from = b + l;
            GEMM_REAL *at = to + l * width;
            int64_t j = 0;
            for (; j < whole; j += FOUR)
                for (int64_t t = 0; t < LINE; t += FOUR)
                    GEMM(transpose)(from + j * b_column + t, b_column, at + t * width + j, width);
            for (; j < columns; j++)
                for (int64_t t = 0; t < LINE; t++) at[t * width + j] = from[j * b_column + t];
            for (; j < width; j++)
                for (int64_t t = 0; t < LINE; t++) at[t * width + j] = 0;
        }
    for (; l < k; l++) {
        int64_t j = 0;
        for (; j < columns; j++) to[l * width + j] = b[l * b_row + j * b_column];
        for (; j < width; j++) to[l * width + j] = 0;
    }
}

/* The whole product with b packed, block by block. */
typedef struct GEMM(whole_product) {
    int64_t m, n, k;
    const GEMM_REAL *a;
    int64_t a_row, a_column;
    const GEMM_REAL *b;
    int64_t b_row, b_column;
    GEMM_REAL *c;
    int64_t c_row, c_column;
    const GEMM_REAL *bias;
    int64_t bias_row, bias_column;
    GEMM_REAL *tile, *block;
} GEMM(whole_product);

/* A panel through a tile. */
static void GEMM(edge)(const GEMM(whole_product) *w, GEMM(part) p, int64_t i, int64_t j, int64_t columns, int kind, bool last)
{
    GEMM_REAL *tile = w->tile;
    int64_t width = GEMM_TILE / sizeof(GEMM_REAL);
    p.c = tile;
    p.c_row = width;
    p.bias = NULL;
    for (; i < w->m; i += GEMM_ROWS) {
        int64_t rows = gemm_least(GEMM_ROWS, w->m - i);
        GEMM_REAL *c = w->c + i * w->c_row + j * w->c_column;
        if (p.resume)
            for (int64_t r = 0; r < rows; r++)
                for (int64_t s = 0; s < columns; s++)
                    tile[r * width + s] = c[r * w->c_row + s * w->c_column];
        p.a = w->a + i * w->a_row;
        GEMM(rows)(p, rows, kind);
        if (last && w->bias) {
            const GEMM_REAL *bias = w->bias + i * w->bias_row + j * w->bias_column;
            for (int64_t r = 0; r < rows; r++)
                for (int64_t s = 0; s < columns; s++)
                    c[r * w->c_row + s * w->c_column] = tile[r * width + s] + bias[r * w->bias_row + s * w->bias_column];
        } else
            for (int64_t r = 0; r < rows; r++)
                for (int64_t s = 0; s < columns; s++)
                    c[r * w->c_row + s * w->c_column] = tile[r * width + s];
    }
}

static void GEMM(panel)(const GEMM(whole_product) *w, int64_t j, int64_t columns, int64_t l, int64_t k, const GEMM_REAL *packed, int64_t width, int kind)
{
    GEMM(part) p = {.k = k, .a = w->a + l * w->a_column, .a_row = w->a_row, .a_column = w->a_column,
        .b = packed, .b_row = width, .c = w->c + j, .c_row = w->c_row, .bias = l + k == w->k && w->bias ? w->bias + j : NULL, .resume = l > 0};
    if (columns == width && w->c_column == 1 && (!w->bias || w->bias_column)) GEMM(rows)(p, w->m, kind);
    else {
        GEMM(whole_product) v = *w;
        v.a += l * w->a_column;
        GEMM(edge)(&v, p, 0, j, columns, kind, l + k == w->k);
    }
}

static void GEMM(blocked)(const GEMM(whole_product) *w)
{
    enum { WIDE = GEMM(LANES), SMALL = GEMM(HALF_LANES) };
    int64_t kb = gemm_least(w->k, GEMM_K);
    int64_t nb = GEMM_BLOCK / (int64_t)sizeof(GEMM_REAL) / (kb ? kb : 1) / (2 * WIDE) * (2 * WIDE);
    for (int64_t jj = 0; jj < w->n; jj += nb) {
        int64_t n = gemm_least(nb, w->n - jj);
        for (int64_t l = 0; l < w->k || l == 0; l += kb ? kb : 1) {
            int64_t k = gemm_least(kb, w->k - l);
            GEMM_REAL *packed = w->block;
            for (int64_t j = 0; j < n;) {
                int64_t rest = n - j;
                int kind = rest >= 2 * WIDE ? PAIR : rest > SMALL ? WHOLE : HALF;
                int64_t width = kind == PAIR ? 2 * WIDE : kind == WHOLE ? WIDE : SMALL;
                int64_t columns = gemm_least(rest, width);
                GEMM(pack)(k, columns, w->b + l * w->b_row + (jj + j) * w->b_column, w->b_row, w->b_column, packed, width);
                GEMM(panel)(w, jj + j, columns, l, k, packed, width, kind);
                packed += k * width;
                j += columns;
            }
        }
    }
}

static void GEMM(gemm)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                       int64_t a_column, const void *b, int64_t b_row, int64_t b_column,
                       void *c, int64_t c_stride, const void *bias, void *workspace)
{
    if (m <= 0 || n <= 0) return;
    if (m * n == 1) {
        GEMM(product)(m, n, k, a, a_row, a_column, b, b_row, b_column, c, c_stride, bias);
        return;
    }
    if (b_column == 1 && n >= GEMM(HALF_LANES) && (m <= 8 || n * k <= GEMM_SMALL / (int64_t)sizeof(GEMM_REAL))) {
        GEMM(part) p = {k, a, a_row, a_column, b, b_row, c, c_stride, bias, false};
        GEMM(direct)(m, n, p);
        return;
    }
    GEMM_REAL *tile = workspace;
    GEMM_REAL *block = tile + GEMM_ROWS * GEMM_TILE / sizeof(GEMM_REAL);
    if (n < GEMM(HALF_LANES) && m > n) {
        GEMM(whole_product) w = {n, m, k, b, b_column, b_row, a, a_column, a_row, c, 1, c_stride, bias, 1, 0, tile, block};
        GEMM(blocked)(&w);
        return;
    }
    GEMM(whole_product) w = {m, n, k, a, a_row, a_column, b, b_row, b_column, c, c_stride, 1, bias, 0, 1, tile, block};
    GEMM(blocked)(&w);
}

#endif
