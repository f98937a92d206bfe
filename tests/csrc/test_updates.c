/* test_updates.c: one step of each optimizer, of numbers and of arrays, and products of
 * integers, against their formulas of micrograd.h written out once more, bit for bit. */
#include "expect.h"
#include "updates.h"

enum { COUNT = 5, STEPS = 3 };

/* What a rule is given. */
typedef struct settings {
    double lr, momentum, dampening, decay, beta1, beta2, epsilon;
    int nesterov, decoupled;
} settings;

static const settings rules[] = {
    {0.1, 0.0, 0.0, 0.0, 0.9, 0.99, 1e-8, 0, 0},
    {0.1, 0.0, 0.0, 0.3, 0.8, 0.95, 1e-3, 0, 0},
    {0.2, 0.9, 0.0, 0.0, 0.9, 0.99, 1e-8, 0, 1},
    {0.2, 0.9, 0.1, 0.3, 0.7, 0.90, 0.1, 0, 1},
    {0.2, 0.8, 0.0, 0.3, 0.9, 0.99, 1e-8, 1, 0},
};
enum { RULES = sizeof rules / sizeof *rules };

static mg_rng rng;

static double number(void)
{
    double x = full_number(&rng);
    return mg_rng_u32(&rng) & 1 ? x : -x;
}

/* ---- numbers ----------------------------------------------------------------------- */

static double sgd_expected(const settings *s, double p, double g, double *b, bool first)
{
    double d = s->decay != 0.0 ? g + s->decay * p : g;
    if (s->momentum == 0.0) return p - s->lr * d;
    *b = first ? d : s->momentum * *b + (1.0 - s->dampening) * d;
    return p - s->lr * (s->nesterov ? d + s->momentum * *b : *b);
}

static double adam_expected(const settings *s, double p, double g, double *m, double *v,
                            int step)
{
    if (!s->decoupled && s->decay != 0.0) g = g + s->decay * p;
    *m = s->beta1 * *m + (1.0 - s->beta1) * g;
    *v = s->beta2 * *v + (1.0 - s->beta2) * pow(g, 2.0);
    double m_hat = *m * pow(1.0 - pow(s->beta1, step), -1.0);
    double v_hat = *v * pow(1.0 - pow(s->beta2, step), -1.0);
    double change = m_hat * pow(pow(v_hat, 0.5) + s->epsilon, -1.0);
    if (s->decoupled) change = change + s->decay * p;
    return p - s->lr * change;
}

/* Near enough: whether a quotient is a product with the inverse is another test's. */
static bool is_near(double x, double y)
{
    return fabs(x - y) <= 4e-15 * fabs(y);
}

static void test_numbers(const settings *s, bool adam)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node p[COUNT];
    double g[COUNT], b[COUNT] = {0}, v[COUNT] = {0}, given[COUNT] = {0}, second[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) p[i] = mg_leaf(arena, number());
    for (int step = 1; step <= STEPS; step++) {
        double before[COUNT], after[COUNT];
        for (int i = 0; i < COUNT; i++) g[i] = number();
        mg_set_gradients(arena, COUNT, p, g);
        mg_data(arena, COUNT, p, before);
        int status =
            adam ? mg_adam_step(arena, COUNT, p, given, second, step, s->lr, s->beta1,
                                s->beta2, s->epsilon, s->decay, s->decoupled)
                 : mg_sgd_step(arena, COUNT, p, given, step == 1, s->lr, s->momentum,
                               s->dampening, s->decay, s->nesterov);
        EXPECT(status == MG_OK);
        mg_data(arena, COUNT, p, after);
        for (int i = 0; i < COUNT; i++) {
            double expected = adam ? adam_expected(s, before[i], g[i], &b[i], &v[i], step)
                                   : sgd_expected(s, before[i], g[i], &b[i], step == 1);
            EXPECT(adam ? is_near(after[i], expected) : same_bits(after[i], expected));
            EXPECT(same_bits(given[i], b[i]) && same_bits(second[i], v[i]));
        }
    }
    for (int i = 0; i < COUNT; i++) mg_release(arena, p[i]);
    ledger_arena_free(arena, &book);
}

/* ---- arrays ------------------------------------------------------------------------ */

static double *elements(mg_arena *arena, mg_node of)
{
    mg_array_info info;
    EXPECT(mg_array_describe(arena, of, &info) == MG_OK);
    return info.data;
}

static mg_node doubles_make(mg_arena *arena, const double *numbers)
{
    const int64_t count = COUNT;
    return mg_array(arena, MG_FLOAT64, 1, &count, numbers);
}

/* x to the power of n, by the core's own function. */
static double power(mg_arena *arena, double x, int n)
{
    double exponent = n;
    const mg_node pair[] = {mg_array(arena, MG_FLOAT64, 0, NULL, &x),
                            mg_array(arena, MG_FLOAT64, 0, NULL, &exponent)};
    mg_node y = mg_apply(arena, MG_POW, 2, pair, 0, NULL, 0, NULL, 0, 0);
    double result = *elements(arena, y);
    mg_release(arena, y);
    for (int i = 0; i < 2; i++) mg_release(arena, pair[i]);
    return result;
}

static double array_adam_expected(mg_arena *arena, const settings *s, double p, double g,
                                  double *m, double *v, int step)
{
    double size = s->lr / (1.0 - power(arena, s->beta1, step));
    double root = sqrt(1.0 - power(arena, s->beta2, step));
    double keep = s->decoupled ? 1.0 - s->lr * s->decay : 1.0;
    double d = !s->decoupled && s->decay != 0.0 ? g + s->decay * p : g;
    *m = s->beta1 * *m + (1.0 - s->beta1) * d;
    *v = s->beta2 * *v + (1.0 - s->beta2) * (d * d);
    return keep * p - size * (*m / (sqrt(*v) / root + s->epsilon));
}

static void test_arrays(const settings *s, bool adam)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    double start[COUNT], m[COUNT] = {0}, v[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) start[i] = number();
    mg_node p = doubles_make(arena, start), of_m = doubles_make(arena, m);
    mg_node of_v = doubles_make(arena, v);
    bool moves = s->momentum != 0.0;
    for (int step = 1; step <= STEPS; step++) {
        double g[COUNT], before[COUNT];
        for (int i = 0; i < COUNT; i++) g[i] = number();
        mg_node gradient = doubles_make(arena, g);
        EXPECT(mg_set_gradient(arena, p, gradient) == MG_OK);
        memcpy(before, elements(arena, p), sizeof before);
        int status = adam ? array_adam(arena, 1, &p, &of_m, &of_v, step, s->lr, s->beta1,
                                       s->beta2, s->epsilon, s->decay, s->decoupled)
                          : array_sgd(arena, 1, &p, moves ? &of_m : NULL, step == 1, s->lr,
                                      s->momentum, s->dampening, s->decay, s->nesterov);
        EXPECT(status == MG_OK);
        for (int i = 0; i < COUNT; i++) {
            double expected =
                adam ? array_adam_expected(arena, s, before[i], g[i], &m[i], &v[i], step)
                     : sgd_expected(s, before[i], g[i], &m[i], step == 1);
            EXPECT(same_bits(elements(arena, p)[i], expected));
            if (adam || moves) EXPECT(same_bits(elements(arena, of_m)[i], m[i]));
            if (adam) EXPECT(same_bits(elements(arena, of_v)[i], v[i]));
        }
        mg_release(arena, gradient);
    }
    EXPECT(mg_set_gradient(arena, p, 0) == MG_OK);
    mg_release(arena, p);
    mg_release(arena, of_m);
    mg_release(arena, of_v);
    ledger_arena_free(arena, &book);
}

/* ---- products of integers ---------------------------------------------------------- */

/* The element of a product of integers, modulo 2^64. */
static uint64_t product_expected(const int64_t *a, const int64_t *b, int i, int j, int n,
                                 int k)
{
    uint64_t sum = 0;
    for (int l = 0; l < k; l++) sum += (uint64_t)a[i * k + l] * (uint64_t)b[l * n + j];
    return sum;
}

static void test_integer_product(mg_arena *arena, int m, int n, int k)
{
    static int64_t a[20 * 70], b[70 * 70];
    const int64_t of_a[] = {m, k}, of_b[] = {k, n};
    for (int i = 0; i < m * k; i++) a[i] = (int64_t)mg_rng_u32(&rng) << (i % 30);
    for (int i = 0; i < k * n; i++) b[i] = (int64_t)mg_rng_u32(&rng) - INT32_MAX;
    mg_node pair[] = {mg_array(arena, MG_INT64, 2, of_a, a),
                      mg_array(arena, MG_INT64, 2, of_b, b)};
    mg_node y = mg_apply(arena, MG_MATMUL, 2, pair, 0, NULL, 0, NULL, 0, 0);
    mg_array_info info;
    EXPECT(mg_array_describe(arena, y, &info) == MG_OK);
    const uint64_t *c = info.data;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            EXPECT(c[i * n + j] == product_expected(a, b, i, j, n, k));
    /* This one's block has room for another row, which is as the allocator left it. */
    for (int j = 0; m == 20 && !SEPARATE_BLOCKS && j < n; j++)
        EXPECT(c[m * n + j] == 0xA5A5A5A5A5A5A5A5u);
    mg_release(arena, y);
    mg_release(arena, pair[0]);
    mg_release(arena, pair[1]);
}

int main(void)
{
    static const int sizes[][3] = {{20, 70, 70}, {1, 1, 1}, {3, 5, 7}, {2, 64, 3},
                                   {7, 1, 9}, {1, 33, 2}, {4, 4, 0},    {0, 3, 3}};
    ledger book;
    mg_rng_seed(&rng, 11);
    for (int i = 0; i < RULES; i++)
        for (int adam = 0; adam < 2; adam++) {
            int before = failures;
            test_numbers(&rules[i], adam);
            test_arrays(&rules[i], adam);
            explain(before, adam ? "adam" : "sgd", i);
        }
    mg_arena *arena = ledger_arena(&book);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        test_integer_product(arena, sizes[i][0], sizes[i][1], sizes[i][2]);
    ledger_arena_free(arena, &book);
    return finish();
}
