/* test_gemm.c: the matrix products of every instruction set of this machine against their
 * definition, the plain triple loop, bit for bit: sizes from 0 on, around the sizes of
 * tiles and blocks, operands with any strides, with numbers of full mantissas and with
 * special values; nothing is written beside the result or the scratch memory. Parts of a
 * product are the bits of the whole. The arguments are a number of random products and a
 * seed. */
#include "expect.h"
#include "kernels/gemm.inc.c"

enum { GUARD = 64 }; /* bytes around what may be written to */

/* One operand: a matrix somewhere in `memory`. */
typedef struct matrix {
    void *memory;
    size_t size, first; /* elements; where element (0, 0) lies */
    int64_t row, column;
} matrix;

typedef struct product {
    int64_t m, n, k;
    int wide; /* 0: float32, 1: float64 */
    matrix a, b;
    void *bias; /* or NULL */
    int64_t c_stride;
} product;

static mg_rng rng;

static int64_t below(int64_t n)
{
    return (int64_t)(mg_rng_u32(&rng) % (uint32_t)n);
}

static size_t element_of(const product *p)
{
    return p->wide ? sizeof(double) : sizeof(float);
}

/* ---- operands ---------------------------------------------------------------------- */

static double special_number(void)
{
    static const double numbers[] = {0.0,   -0.0,    INFINITY, -INFINITY, NAN,
                                     1e-40, -1e-310, 3e38,     1e308,     1.0};
    return numbers[below(sizeof numbers / sizeof *numbers)];
}

/* Fill elements; one of `rare` is a special value (0: none). */
static void fill(void *memory, size_t count, int wide, int64_t rare)
{
    for (size_t i = 0; i < count; i++) {
        double x = full_number(&rng) * (below(2) ? 1.0 : -1.0);
        if (rare && below(rare) == 0) x = special_number();
        if (wide)
            ((double *)memory)[i] = x;
        else
            ((float *)memory)[i] = (float)x;
    }
}

/* Make a matrix whose rows or columns are contiguous, or neither, perhaps reversed or
 * repeated. */
static matrix matrix_make(int64_t rows, int64_t columns, int wide, int64_t rare)
{
    matrix x = {0};
    int64_t gap = below(3) ? 0 : below(5), step = below(4) ? 1 : 1 + below(3);
    if (below(2)) {
        x.column = step;
        x.row = columns * step + gap;
    } else {
        x.row = step;
        x.column = rows * step + gap;
    }
    if (below(12) == 0) x.row = 0;
    if (below(12) == 0) x.column = 0;
    int64_t row_reach = rows > 0 ? (rows - 1) * x.row : 0;
    int64_t column_reach = columns > 0 ? (columns - 1) * x.column : 0;
    x.size = (size_t)(row_reach + column_reach + 1);
    if (below(6) == 0) {
        x.first += (size_t)row_reach;
        x.row = -x.row;
    }
    if (below(6) == 0) {
        x.first += (size_t)column_reach;
        x.column = -x.column;
    }
    x.memory = malloc(x.size * (wide ? sizeof(double) : sizeof(float)));
    if (!EXPECT(x.memory != NULL)) exit(finish());
    fill(x.memory, x.size, wide, rare);
    return x;
}

static const void *at(const matrix *x, int wide, int64_t row, int64_t column)
{
    int64_t i = (int64_t)x->first + row * x->row + column * x->column;
    return wide ? (const void *)((double *)x->memory + i)
                : (const void *)((float *)x->memory + i);
}

static product product_make(int64_t m, int64_t n, int64_t k, int wide)
{
    int64_t rare = below(8) == 0 ? 1 + k * 2 : 0;
    product p = {.m = m, .n = n, .k = k, .wide = wide};
    p.a = matrix_make(m, k, wide, rare);
    p.b = matrix_make(k, n, wide, rare);
    p.c_stride = n + (below(2) ? 0 : below(7));
    if (below(2)) {
        p.bias = malloc((size_t)n * element_of(&p) + 1);
        fill(p.bias, (size_t)n, wide, rare);
    }
    return p;
}

static void product_free(product *p)
{
    free(p->a.memory);
    free(p->b.memory);
    free(p->bias);
}

/* ---- running and comparing --------------------------------------------------------- */

/* Memory between guards, on a cache line. */
typedef struct guarded {
    unsigned char *memory, *data;
    size_t size;
} guarded;

static guarded guarded_make(size_t size)
{
    guarded g = {.size = size, .memory = malloc(size + 3 * GUARD)};
    if (!EXPECT(g.memory != NULL)) exit(finish());
    memset(g.memory, 0xA5, size + 3 * GUARD);
    size_t past = (uintptr_t)g.memory % GUARD;
    g.data = g.memory + GUARD + (past ? GUARD - past : 0);
    return g;
}

static int guarded_free(guarded *g)
{
    int whole = 1;
    for (size_t i = 1; i <= GUARD; i++)
        whole &= g->data[-(ptrdiff_t)i] == 0xA5 && g->data[g->size + i - 1] == 0xA5;
    free(g->memory);
    return whole;
}

static size_t result_size(const product *p)
{
    size_t rows = p->m > 0 ? (size_t)(p->m - 1) * (size_t)p->c_stride : 0;
    return (rows + (size_t)p->n) * element_of(p);
}

/* Compute rows i .. i + m and columns j .. j + n with a set. */
static void part_run(const kernel_set *set, const product *p, void *c, int64_t i,
                     int64_t m, int64_t j, int64_t n)
{
    size_t element = element_of(p);
    guarded scratch = guarded_make(set->gemm_workspace(m, n, p->k, element));
    const char *bias = p->bias;
    char *out = (char *)c + (size_t)(i * p->c_stride + j) * element;
    matrices part = {.m = m, .n = n, .k = p->k, .c = out, .c_row = p->c_stride};
    part.a = at(&p->a, p->wide, i, 0);
    part.a_row = p->a.row;
    part.a_column = p->a.column;
    part.b = at(&p->b, p->wide, 0, j);
    part.b_row = p->b.row;
    part.b_column = p->b.column;
    part.bias = bias ? bias + (size_t)j * element : NULL;
    if (p->k > GEMM_BLOCK && below(2)) { /* the first blocks by themselves */
        matrices blocks = part;
        blocks.bias = NULL;
        blocks.k = (p->k - 1) / GEMM_BLOCK * GEMM_BLOCK;
        set->gemm[p->wide](&blocks, scratch.data);
        part.a += blocks.k * part.a_column * (int64_t)element;
        part.b += blocks.k * part.b_row * (int64_t)element;
        part.k -= blocks.k;
        part.resume = true;
    }
    set->gemm[p->wide](&part, scratch.data);
    EXPECT(guarded_free(&scratch));
}

static void definition_run(const product *p, void *c)
{
    const void *a = at(&p->a, p->wide, 0, 0), *b = at(&p->b, p->wide, 0, 0);
    gemm_job_f32 narrow = {p->m,        p->n,    p->k,     a,           p->a.row,
                           p->a.column, b,       p->b.row, p->b.column, c,
                           p->c_stride, p->bias, false, NULL, NULL};
    gemm_job_f64 wide = {p->m,        p->n,    p->k,     a,           p->a.row,
                         p->a.column, b,       p->b.row, p->b.column, c,
                         p->c_stride, p->bias, false, NULL, NULL};
    if (p->wide)
        gemm_product_f64(&wide);
    else
        gemm_product_f32(&narrow);
}

/* Tell whether two memories hold the same bits; one NaN is as good as another. */
static int same(const guarded *x, const guarded *y, int wide)
{
    if (memcmp(x->data, y->data, x->size) == 0) return 1;
    for (size_t i = 0; i < x->size; i += wide ? 8 : 4) {
        double u, v;
        float narrow_u, narrow_v;
        memcpy(&narrow_u, x->data + i, sizeof narrow_u);
        memcpy(&narrow_v, y->data + i, sizeof narrow_v);
        u = narrow_u, v = narrow_v;
        if (wide) memcpy(&u, x->data + i, sizeof u), memcpy(&v, y->data + i, sizeof v);
        if (bits_of(u) != bits_of(v) && !(isnan(u) && isnan(v))) return 0;
    }
    return 1;
}

/* Compare a set's product, in one piece or in the four parts that a row and a column cut
 * it into, with what it should be. */
static int agrees(const kernel_set *set, const product *p, const guarded *wanted,
                  int64_t i, int64_t j)
{
    guarded c = guarded_make(wanted->size);
    part_run(set, p, c.data, 0, i, 0, j);
    part_run(set, p, c.data, i, p->m - i, 0, j);
    part_run(set, p, c.data, 0, i, j, p->n - j);
    part_run(set, p, c.data, i, p->m - i, j, p->n - j);
    int right = same(&c, wanted, p->wide);
    return guarded_free(&c) && right;
}

/* The kernels as this file was compiled with, and the library's. */
static const kernel_set own = {
    .name = "own", .gemm = {gemm_f32, gemm_f64}, .gemm_workspace = gemm_workspace};
static const char *const sets[] = {"own", "baseline", "avx2", "avx512"};

static void test_product(int64_t m, int64_t n, int64_t k, int wide)
{
    product p = product_make(m, n, k, wide);
    guarded wanted = guarded_make(result_size(&p));
    definition_run(&p, wanted.data);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (i > 0 && mg_set_isa(sets[i]) != MG_OK) continue;
        const kernel_set *set = i == 0 ? &own : kernels();
        int before = failures;
        EXPECT(agrees(set, &p, &wanted, m, n));
        EXPECT(agrees(set, &p, &wanted, m > 0, n)); /* the first row by itself */
        EXPECT(agrees(set, &p, &wanted, below(m + 1), below(n + 1)));
        if (failures > before)
            printf(
                "    %s, float%d, (%lld, %lld) @ (%lld, %lld), strides %lld %lld, %lld "
                "%lld\n",
                sets[i], wide ? 64 : 32, (long long)m, (long long)k, (long long)k,
                (long long)n, (long long)p.a.row, (long long)p.a.column,
                (long long)p.b.row, (long long)p.b.column);
    }
    EXPECT(guarded_free(&wanted));
    product_free(&p);
}

/* ---- sizes ------------------------------------------------------------------------- */

/* All small shapes. */
static void test_small(void)
{
    static const int64_t depths[] = {0, 1, 2, 7};
    for (int64_t m = 0; m < 10; m++)
        for (int64_t n = 0; n < 40; n++)
            for (int i = 0; i < 4; i++) test_product(m, n, depths[i], (int)below(2));
}

/* A size: often small, else near a multiple of a tile's or a block's. */
static int64_t size_make(void)
{
    static const int64_t units[] = {4, 8, 12, 16, 32, 64, 128, 256};
    int64_t near = units[below(8)] * (1 + below(2)) + below(5) - 2;
    switch (below(4)) {
    case 0: return below(10);
    case 1: return below(100);
    case 2: return near > 150 && below(3) ? below(70) : near;
    default: return 1 + below(4);
    }
}

static void test_random(int64_t rounds)
{
    while (rounds-- > 0) {
        int64_t m = size_make(), n = size_make(), k = size_make();
        test_product(m, n, k, (int)below(2));
    }
}

/* Several blocks of rows, of columns and of k; rows of b that are pages apart. */
static void test_large(void)
{
    static const int64_t shapes[][3] = {
        {70, 1041, 530}, {210, 40, 520}, {5, 1030, 100}, {1, 1100, 70},
        {40, 515, 65},   {1500, 2, 300}, {2, 900, 1030}, {65, 9, 1025},
        {5, 1030, 300},  {1, 1100, 390}, {1, 1, 5000},   {2, 2, 1300},
        {3, 1, 700},     {1, 45, 600},   {90, 1, 260},   {100, 1100, 20},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int wide = 0; wide < 2; wide++)
            test_product(shapes[i][0], shapes[i][1], shapes[i][2], wide);
}

int main(int count, char **arguments)
{
    int64_t rounds = count > 1 ? strtoll(arguments[1], NULL, 10) : 300;
    mg_rng_seed(&rng, count > 2 ? strtoull(arguments[2], NULL, 10) : 1);
    test_small();
    test_random(rounds);
    test_large();
    return finish();
}
