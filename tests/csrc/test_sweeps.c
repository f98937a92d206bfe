/* test_sweeps.c: sweeps over arrays. Gradients of first and second order against
 * numerical ones; the same bits whatever the slices, by hooks that replace nothing, for
 * each thread count and set of kernels; sweeps given up, nested, closed in any order;
 * values written to in between; seeds, inputs and gradients of wrong kinds; graphs as
 * deep as the argument says, in whatever stack there is. */
#include "array_calls.h"

/* ---- numerical gradients ----------------------------------------------------------- */

static int64_t floats_of(const arrays *f, mg_node handle, double **data)
{
    mg_array_info info;
    EXPECT(mg_array_describe(f->arena, handle, &info) == MG_OK);
    EXPECT(info.dtype == MG_FLOAT64 && info.contiguous);
    *data = info.data;
    return info.count;
}

enum { MOST = 600 };

/* Copy the elements of an array of doubles in row-major order. */
static int64_t values_of(arrays *f, mg_node handle, double values[MOST])
{
    double *data;
    mg_node whole = mg_apply(f->arena, MG_CONTIGUOUS, 1, &handle, 0, NULL, 0, NULL, 0, 0);
    int64_t count = floats_of(f, whole, &data);
    EXPECT(count <= MOST);
    memcpy(values, data, (size_t)count * sizeof *data);
    mg_release(f->arena, whole);
    return count;
}

/* Fixed weights of the sum that makes one number of a result. */
static double weight(int64_t i)
{
    return 1.0 + (double)(i * 7 % 11) / 8.0;
}

/* Return the weighted sum of the result of an example. */
static double loss_of(arrays *f, const example *e)
{
    double sum = 0.0, y[MOST];
    mg_node made = example_apply(f, e, 0);
    int64_t count = values_of(f, made, y);
    for (int64_t i = 0; i < count; i++) sum += weight(i) * y[i];
    mg_release(f->arena, made);
    return sum;
}

/* Make the seed that fits a result. */
static mg_node weights_make(arrays *f, mg_node y)
{
    mg_array_info info;
    double weights[MOST];
    EXPECT(mg_array_describe(f->arena, y, &info) == MG_OK);
    for (int64_t i = 0; i < info.count && i < MOST; i++) weights[i] = weight(i);
    return mg_array(f->arena, MG_FLOAT64, info.rank, info.shape, weights);
}

/* Take gradients of the weighted result by its inputs; 0 where there is none. */
static int gradients_take(arrays *f, const example *e, int count, const mg_node *inputs,
                          int flags, mg_node *given)
{
    mg_sweep *sweep;
    mg_node y = example_apply(f, e, 1), seed = weights_make(f, y);
    int status =
        mg_sweep_open(f->arena, 1, &y, &seed, count, inputs, flags | MG_GIVE, &sweep);
    mg_release(f->arena, seed);
    mg_release(f->arena, y);
    if (status < 0) return status;
    status = sweep_to_end(f, sweep);
    if (status == MG_OK) status = mg_sweep_give(sweep, given);
    mg_sweep_close(sweep);
    return status;
}

static int inputs_of(const arrays *f, const example *e, mg_node *inputs)
{
    int count = 0;
    for (int i = 0; i < e->operand_count; i++) {
        int seen = e->operands[i] >= REAL_SLOTS;
        for (int k = 0; k < count; k++) seen |= inputs[k] == f->h[e->operands[i]];
        if (!seen) inputs[count++] = f->h[e->operands[i]];
    }
    return count;
}

/* Ops whose gradient is that of no numerical difference: not smooth, or not in float64.
 */
static bool is_smooth(const example *e)
{
    switch (e->op) {
    case MG_CAST:
    case MG_DETACH:
    case MG_FUNCTION:
    case MG_OUTPUT:
    case MG_FLOOR_DIVIDE:
    case MG_REMAINDER:
    case MG_MASK: return false; /* of which no gradient goes to the mask */
    case MG_ACOSH:
    case MG_ASIN:
    case MG_ACOS:
    case MG_ATANH: return false; /* numbers from 0.5 to 1.5 are not all in their domain */
    default: return true;
    }
}

static void test_first_order(arrays *f, const example *e)
{
    mg_node inputs[4], given[4] = {0};
    const double h = 0x1p-20;
    int count = inputs_of(f, e, inputs), failed = failures;
    EXPECT(gradients_take(f, e, count, inputs, 0, given) == MG_OK);
    for (int k = 0; k < count; k++) {
        double *x, g[MOST] = {0.0};
        int64_t n = floats_of(f, inputs[k], &x);
        if (given[k]) EXPECT(values_of(f, given[k], g) == n);
        for (int64_t i = 0; i < n && i < 12; i++) {
            double at = x[i];
            x[i] = at + h;
            double above = loss_of(f, e);
            x[i] = at - h;
            double difference = (above - loss_of(f, e)) / (2.0 * h);
            x[i] = at;
            EXPECT(fabs(g[i] - difference) <= 1e-7 * (1.0 + fabs(difference)));
        }
        if (given[k]) mg_release(f->arena, given[k]);
    }
    explain(failed, mg_op_name(e->op), 1);
}

/* Return the sum of all first gradients with weights, and take its gradient by the first
 * input into g, if that is not NULL. */
static double gradient_loss(arrays *f, const example *e, int count, const mg_node *inputs,
                            mg_node *g)
{
    mg_node given[4] = {0};
    double sum = 0.0, values[MOST];
    mg_node roots[4], seeds[4];
    int root_count = 0;
    EXPECT(gradients_take(f, e, count, inputs, MG_CREATE_GRAPH, given) == MG_OK);
    for (int k = 0; k < count; k++) {
        mg_array_info info;
        if (!given[k]) continue;
        int64_t n = values_of(f, given[k], values);
        for (int64_t i = 0; i < n; i++) sum += weight(i) * values[i];
        mg_array_describe(f->arena, given[k], &info);
        if (!info.requires_grad) continue;
        roots[root_count] = given[k];
        seeds[root_count++] = weights_make(f, given[k]);
    }
    if (g && root_count) {
        mg_sweep *sweep;
        EXPECT(mg_sweep_open(f->arena, root_count, roots, seeds, 1, inputs, MG_GIVE,
                             &sweep) == MG_OK);
        EXPECT(sweep_to_end(f, sweep) == MG_OK);
        EXPECT(mg_sweep_give(sweep, g) == MG_OK);
        mg_sweep_close(sweep);
    }
    for (int k = 0; k < root_count; k++) mg_release(f->arena, seeds[k]);
    for (int k = 0; k < count; k++)
        if (given[k]) mg_release(f->arena, given[k]);
    return sum;
}

static void test_second_order(arrays *f, const example *e)
{
    mg_node inputs[4], second = 0;
    const double h = 0x1p-17;
    double *x, g[MOST] = {0.0};
    int count = inputs_of(f, e, inputs), failed = failures;
    if (!count) return;
    gradient_loss(f, e, count, inputs, &second);
    int64_t n = floats_of(f, inputs[0], &x);
    if (second) EXPECT(values_of(f, second, g) == n);
    for (int64_t i = 0; i < n && i < 12; i++) {
        double at = x[i];
        x[i] = at + h;
        double above = gradient_loss(f, e, count, inputs, NULL);
        x[i] = at - h;
        double difference =
            (above - gradient_loss(f, e, count, inputs, NULL)) / (2.0 * h);
        x[i] = at;
        EXPECT(fabs(g[i] - difference) <= 2e-6 * (1.0 + fabs(difference)));
    }
    if (second) mg_release(f->arena, second);
    explain(failed, mg_op_name(e->op), 2);
}

static void test_numerical_gradients(void)
{
    arrays f;
    arrays_open(&f, DOUBLE);
    for (int i = 0; i < ALL_EXAMPLES; i++) {
        example e = example_at(i);
        mg_array_info info;
        mg_node y = example_apply(&f, &e, 1);
        EXPECT(mg_array_describe(f.arena, y, &info) == MG_OK);
        mg_release(f.arena, y);
        if (!info.requires_grad || !is_smooth(&e)) continue;
        if (e.op == MG_PROD && e.operands[0] == L300) continue; /* 0 or too large */
        test_first_order(&f, &e);
        test_second_order(&f, &e);
    }
    expect_consistent(f.arena);
    arrays_close(&f);
}

/* ---- a graph to sweep over --------------------------------------------------------- */

/* Return element `i`, in row-major order, of floats. */
static double element(const arrays *f, mg_node handle, int64_t i)
{
    mg_array_info info;
    int64_t at = 0;
    EXPECT(mg_array_describe(f->arena, handle, &info) == MG_OK);
    for (int d = info.rank - 1; d >= 0; d--) {
        at += i % info.shape[d] * info.strides[d];
        i /= info.shape[d];
    }
    return info.dtype == MG_FLOAT64 ? ((const double *)info.data)[at]
                                    : (double)((const float *)info.data)[at];
}

enum { ENDS = 4 };

/* tanh(x @ z) @ w + r, twice used; nodes[0] is the loss. */
static void graph_make(arrays *f, mg_node nodes[ENDS])
{
    const int64_t all[] = {3, 0};
    mg_node xz[] = {f->h[X34], f->h[Z45]};
    mg_node product = mg_apply(f->arena, MG_MATMUL, 2, xz, 0, NULL, 0, NULL, 0, 1);
    nodes[3] = mg_apply(f->arena, MG_TANH, 1, &product, 0, NULL, 0, NULL, 0, 1);
    mg_node hw[] = {nodes[3], f->h[W54]};
    nodes[2] = mg_apply(f->arena, MG_MATMUL, 2, hw, 0, NULL, 0, NULL, 0, 1);
    mg_node with_r[] = {nodes[2], f->h[R4]};
    mg_node sum = mg_apply(f->arena, MG_ADD, 2, with_r, 0, NULL, 0, NULL, 0, 1);
    mg_node twice[] = {sum, sum};
    nodes[1] = mg_apply(f->arena, MG_MUL, 2, twice, 0, NULL, 0, NULL, 0, 1);
    nodes[0] = mg_apply(f->arena, MG_SUM, 1, &nodes[1], 2, all, 0, NULL, 0, 1);
    EXPECT(nodes[0] > 0);
    mg_release(f->arena, product);
    mg_release(f->arena, sum);
}

static void graph_free(arrays *f, const mg_node nodes[ENDS])
{
    for (int i = 0; i < ENDS; i++) EXPECT(mg_release(f->arena, nodes[i]) == MG_OK);
}

/* Hash the gradients of all leaves. */
static uint64_t gradients_hash(arrays *f)
{
    uint64_t hash = 1;
    for (int i = 0; i < REAL_SLOTS; i++) {
        mg_array_info info;
        mg_node g = mg_gradient(f->arena, f->h[i]);
        hash = mix(hash, g != 0);
        if (!g) continue;
        EXPECT(mg_array_describe(f->arena, g, &info) == MG_OK);
        for (int64_t k = 0; k < info.count; k++)
            hash = mix(hash, bits_of(element(f, g, k)));
        mg_release(f->arena, g);
    }
    return hash;
}

static void leaf_gradients_remove(arrays *f)
{
    for (int i = 0; i < REAL_SLOTS; i++)
        EXPECT(mg_set_gradient(f->arena, f->h[i], 0) == MG_OK);
}

static int sweep_all(arrays *f, mg_node root, int64_t budget, int64_t *slices)
{
    mg_sweep *sweep;
    int status = mg_sweep_open(f->arena, 1, &root, NULL, 0, NULL, MG_ACCUMULATE, &sweep);
    if (status < 0) return status;
    do {
        status = mg_sweep_run(sweep, budget);
        if (slices) (*slices)++;
    } while (status == MG_MORE || status == MG_HOOK);
    mg_sweep_close(sweep);
    return status;
}

/* Slices, hooks that change nothing, sets of kernels and threads: the same bits. */
static void test_same_bits(void)
{
    static const char *const sets[] = {"baseline", "avx2", "avx512"};
    arrays f;
    mg_node nodes[ENDS];
    int64_t slices = 0, more = 0;
    arrays_open(&f, PLAIN);
    graph_make(&f, nodes);
    EXPECT(sweep_all(&f, nodes[0], 0, &slices) == MG_OK && slices == 1);
    uint64_t once = gradients_hash(&f);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    uint64_t twice = gradients_hash(&f);
    EXPECT(twice != once);
    for (int64_t budget = 1; budget < 2000; budget *= 3) {
        leaf_gradients_remove(&f);
        slices = 0;
        EXPECT(sweep_all(&f, nodes[0], budget, &slices) == MG_OK);
        EXPECT(gradients_hash(&f) == once);
        EXPECT(budget > 1 || slices >= ENDS);
        more += slices;
    }
    EXPECT(more > 10);
    EXPECT(mg_watch_gradient(f.arena, nodes[2], 1) == MG_OK);
    EXPECT(mg_watch_gradient(f.arena, f.h[X34], 1) == MG_OK);
    for (int i = 0; i < 3; i++) {
        leaf_gradients_remove(&f);
        if (mg_set_isa(sets[i]) != MG_OK) continue;
        EXPECT(mg_set_num_threads(1 + i) == MG_OK);
        EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
        EXPECT(gradients_hash(&f) == once);
    }
    mg_set_isa(NULL);
    mg_set_num_threads(0);
    graph_free(&f, nodes);
    arrays_close(&f);
}

/* A sweep that is given up after any number of slices leaves no trace. */
static void test_giving_up(void)
{
    arrays f;
    mg_node nodes[ENDS];
    arrays_open(&f, PLAIN);
    graph_make(&f, nodes);
    gradients_give(&f);
    uint64_t state = digest_of(f.arena);
    size_t bytes = f.book.bytes;
    for (int slices = 0; slices < 20; slices++) {
        mg_sweep *sweep;
        int status = MG_MORE;
        EXPECT(mg_sweep_open(f.arena, 1, nodes, NULL, 0, NULL, MG_ACCUMULATE, &sweep) ==
               MG_OK);
        for (int i = 0; i < slices && status == MG_MORE; i++)
            status = mg_sweep_run(sweep, 1);
        mg_sweep_close(sweep);
        if (status == MG_OK) break;
        EXPECT(slices < 19);
        EXPECT(digest_of(f.arena) == state);
        expect_consistent(f.arena);
    }
    EXPECT(f.book.bytes <= bytes + (1 << 17));
    mg_sweep_close(NULL);
    graph_free(&f, nodes);
    arrays_close(&f);
}

/* ---- hooks, inputs, several at once ------------------------------------------------ */

/* A hook sees the whole gradient of its node, once, and what it puts there flows on. */
static void test_hooks(void)
{
    arrays f;
    mg_node nodes[ENDS];
    mg_sweep *sweep;
    arrays_open(&f, DOUBLE);
    graph_make(&f, nodes);
    EXPECT(mg_watch_gradient(f.arena, nodes[2], 1) == MG_OK);
    EXPECT(mg_retain_gradient(f.arena, nodes[2]) == MG_OK);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    mg_node before = mg_gradient(f.arena, f.h[X34]),
            kept = mg_gradient(f.arena, nodes[2]);
    EXPECT(before > 0 && kept > 0 && mg_gradient(f.arena, nodes[3]) == 0);
    EXPECT(mg_set_gradient(f.arena, nodes[2], 0) == MG_OK);
    leaf_gradients_remove(&f);
    EXPECT(mg_sweep_open(f.arena, 1, nodes, NULL, 0, NULL, MG_ACCUMULATE, &sweep) ==
           MG_OK);
    EXPECT(mg_sweep_node(sweep) == MG_ERR_ARG);
    EXPECT(mg_sweep_replace(sweep, kept) == MG_ERR_ARG);
    EXPECT(mg_sweep_contribute(sweep, 0, kept) == MG_ERR_ARG);
    mg_node none[1] = {77};
    EXPECT(mg_sweep_give(sweep, none) == MG_ERR_ARG && none[0] == 77);
    EXPECT(mg_sweep_run(sweep, 0) == MG_HOOK);
    mg_node at = mg_sweep_node(sweep), gradient = mg_sweep_gradient(sweep, at);
    EXPECT(at == nodes[2]);
    EXPECT(element(&f, gradient, 5) == element(&f, kept, 5));
    EXPECT(mg_sweep_replace(sweep, f.h[R4]) == MG_ERR_SHAPE);
    EXPECT(mg_sweep_replace(sweep, f.h[N34]) == MG_ERR_DTYPE);
    EXPECT(mg_sweep_replace(sweep, f.h[NUMBER]) == MG_ERR_DTYPE);
    EXPECT(mg_sweep_replace(sweep, 0) == MG_ERR_STALE);
    EXPECT(mg_sweep_contribute(sweep, 0, gradient) == MG_ERR_ARG);
    mg_node doubled = mg_apply_number(f.arena, MG_MUL, gradient, 1, 2, 0, 2.0, 0);
    EXPECT(mg_sweep_replace(sweep, doubled) == MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_ERR_ARG && mg_sweep_node(sweep) == MG_ERR_ARG);
    mg_sweep_close(sweep);
    mg_node after = mg_gradient(f.arena, f.h[X34]),
            kept_now = mg_gradient(f.arena, nodes[2]);
    for (int64_t i = 0; i < 12; i++) {
        EXPECT(element(&f, after, i) == 2.0 * element(&f, before, i));
        EXPECT(element(&f, kept_now, i) == 2.0 * element(&f, kept, i));
    }
    mg_node made[] = {before, kept, at, gradient, doubled, after, kept_now};
    for (int i = 0; i < 7; i++) mg_release(f.arena, made[i]);
    graph_free(&f, nodes);
    arrays_close(&f);
}

/* With inputs only what leads to them is visited, and no leaf gets a gradient unasked. */
static void test_inputs(void)
{
    arrays f;
    mg_node nodes[ENDS], given[4];
    arrays_open(&f, DOUBLE);
    graph_make(&f, nodes);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    mg_node whole = mg_gradient(f.arena, f.h[X34]);
    leaf_gradients_remove(&f);
    uint64_t none = gradients_hash(&f);
    const mg_node inputs[] = {f.h[X34], nodes[3], f.h[Q4],
                              f.h[X34]}; /* one not reached */
    mg_sweep *sweep;
    EXPECT(mg_watch_gradient(f.arena, f.h[W54], 1) == MG_OK); /* nor is this */
    EXPECT(mg_sweep_open(f.arena, 1, nodes, NULL, 4, inputs, MG_GIVE, &sweep) == MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    EXPECT(mg_sweep_give(sweep, given) == MG_OK);
    mg_sweep_close(sweep);
    EXPECT(given[0] > 0 && given[1] > 0 && given[2] == 0 && given[3] == given[0]);
    for (int64_t i = 0; i < 12; i++)
        EXPECT(element(&f, given[0], i) == element(&f, whole, i));
    EXPECT(gradients_hash(&f) == none);
    EXPECT(sweep_whole(&f, nodes[0], 2, inputs, MG_ACCUMULATE, NULL) == MG_OK);
    mg_node z = mg_gradient(f.arena, f.h[Z45]), h = mg_gradient(f.arena, nodes[3]);
    EXPECT(z == 0 && h > 0);
    const mg_node made[] = {whole, given[0], given[1], given[3], h};
    for (int i = 0; i < 5; i++) EXPECT(mg_release(f.arena, made[i]) == MG_OK);
    graph_free(&f, nodes);
    arrays_close(&f);
}

/* Open a sweep from the first node, and run it to a hook. */
static mg_sweep *sweep_to_hook(arrays *f, const mg_node *nodes)
{
    mg_sweep *sweep = NULL;
    EXPECT(mg_sweep_open(f->arena, 1, nodes, NULL, 0, NULL, MG_ACCUMULATE, &sweep) ==
           MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_HOOK);
    return sweep;
}

/* Run two sweeps in turns, a node at a time, to their ends. */
static void sweeps_alternate(mg_sweep *a, mg_sweep *b)
{
    int of_a = MG_MORE, of_b = MG_MORE;
    while (of_a != MG_OK || of_b != MG_OK) {
        if (of_a != MG_OK) of_a = mg_sweep_run(a, 1);
        if (of_b != MG_OK) of_b = mg_sweep_run(b, 1);
        EXPECT(of_a >= 0 && of_b >= 0);
        if (of_a < 0 || of_b < 0) return;
    }
}

/* Two sweeps over one graph: one inside the other, at its hook; by turns; closed in any
 * order. */
static void test_nested(void)
{
    arrays f;
    mg_node nodes[ENDS];
    mg_sweep *outer, *inner;
    arrays_open(&f, PLAIN);
    graph_make(&f, nodes);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    uint64_t twice = gradients_hash(&f);
    leaf_gradients_remove(&f);
    EXPECT(mg_watch_gradient(f.arena, nodes[2], 1) == MG_OK);
    outer = sweep_to_hook(&f, nodes);
    inner = sweep_to_hook(&f, nodes);
    EXPECT(mg_sweep_run(inner, 0) == MG_OK);
    mg_sweep_close(inner);
    EXPECT(mg_sweep_run(outer, 0) == MG_OK);
    mg_sweep_close(outer);
    EXPECT(gradients_hash(&f) == twice);
    leaf_gradients_remove(&f);
    outer = sweep_to_hook(&f, nodes);
    inner = sweep_to_hook(&f, nodes);
    sweeps_alternate(outer, inner);
    mg_sweep_close(outer);
    mg_sweep_close(inner);
    EXPECT(gradients_hash(&f) == twice);
    leaf_gradients_remove(&f);
    outer = sweep_to_hook(&f, nodes);
    inner = sweep_to_hook(&f, nodes);
    mg_sweep_close(outer);
    EXPECT(mg_sweep_run(inner, 0) == MG_OK);
    mg_sweep_close(inner);
    EXPECT(f.arena->sweeps == NULL && f.arena->marks == NULL);
    expect_consistent(f.arena);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    EXPECT(gradients_hash(&f) == twice);
    /* an arena may be freed with sweeps open */
    EXPECT(mg_sweep_open(f.arena, 1, nodes, NULL, 0, NULL, 0, &outer) == MG_OK);
    EXPECT(mg_sweep_run(outer, 0) == MG_HOOK);
    EXPECT(mg_sweep_open(f.arena, 1, nodes, NULL, 0, NULL, 0, &inner) == MG_OK);
    ledger_arena_free(f.arena, &f.book);
}

/* Several roots, among them one twice, and a leaf: the sum of what each gives. */
static void test_roots(void)
{
    arrays f;
    mg_node nodes[ENDS];
    arrays_open(&f, DOUBLE);
    graph_make(&f, nodes);
    mg_node seed = weights_make(&f, f.h[R4]);
    const mg_node roots[] = {nodes[0], f.h[R4], nodes[0]}, seeds[] = {0, seed, 0};
    mg_sweep *sweep;
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    mg_node once = mg_gradient(f.arena, f.h[R4]);
    leaf_gradients_remove(&f);
    EXPECT(mg_sweep_open(f.arena, 3, roots, seeds, 0, NULL, MG_ACCUMULATE, &sweep) ==
           MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    mg_sweep_close(sweep);
    mg_node all = mg_gradient(f.arena, f.h[R4]);
    for (int64_t i = 0; i < 4; i++)
        EXPECT(fabs(element(&f, all, i) - (2.0 * element(&f, once, i) + weight(i))) <
               1e-12);
    mg_release(f.arena, seed);
    mg_release(f.arena, once);
    mg_release(f.arena, all);
    graph_free(&f, nodes);
    arrays_close(&f);
}

/* ---- what is refused --------------------------------------------------------------- */

static void test_refusals(void)
{
    arrays f;
    mg_node nodes[ENDS], seed, stale;
    mg_sweep *sweep = NULL;
    arrays_open(&f, PLAIN);
    graph_make(&f, nodes);
    mg_node y = nodes[1], n = f.h[N34], r = f.h[R4], scalar = f.h[NUMBER];
    stale = mg_array(f.arena, MG_FLOAT32, 0, NULL, NULL);
    mg_release(f.arena, stale);
    uint64_t state = digest_of(f.arena);
#define OPENS(roots, seeds, count, inputs, flags) \
    mg_sweep_open(f.arena, 1, roots, seeds, count, inputs, flags, &sweep)
    EXPECT(OPENS(&y, NULL, 0, NULL, 0) == MG_ERR_ARG); /* not one element */
    EXPECT(OPENS(&n, NULL, 0, NULL, 0) == MG_ERR_GRADIENT);
    EXPECT(OPENS(&scalar, NULL, 0, NULL, 0) == MG_ERR_DTYPE);
    EXPECT(OPENS(&stale, NULL, 0, NULL, 0) == MG_ERR_STALE);
    EXPECT(OPENS(nodes, NULL, 0, NULL, 8) == MG_ERR_ARG);
    EXPECT(OPENS(nodes, NULL, 0, NULL, -1) == MG_ERR_ARG);
    EXPECT(OPENS(nodes, NULL, -1, &r, 0) == MG_ERR_ARG);
    EXPECT(OPENS(nodes, NULL, 1, &n, 0) == MG_ERR_GRADIENT);
    EXPECT(OPENS(nodes, NULL, 1, &stale, 0) == MG_ERR_STALE);
    EXPECT(OPENS(nodes, NULL, 1, &scalar, 0) == MG_ERR_DTYPE);
    EXPECT(OPENS(&y, &r, 0, NULL, 0) == MG_ERR_SHAPE);
    EXPECT(OPENS(&y, &stale, 0, NULL, 0) == MG_ERR_STALE);
    EXPECT(OPENS(&y, &scalar, 0, NULL, 0) == MG_ERR_DTYPE);
    EXPECT(mg_sweep_open(f.arena, 0, nodes, NULL, 0, NULL, 0, &sweep) == MG_ERR_ARG);
    EXPECT(mg_sweep_open(f.arena, -1, nodes, NULL, 0, NULL, 0, &sweep) == MG_ERR_ARG);
    EXPECT(sweep == NULL && f.arena->sweeps == NULL);
    EXPECT(digest_of(f.arena) == state);
    /* a seed of another type is cast to the root's */
    const int64_t to = MG_INT64;
    seed = mg_apply(f.arena, MG_CAST, 1, &y, 1, &to, 0, NULL, 0, 0);
    EXPECT(OPENS(&y, &seed, 0, NULL, MG_ACCUMULATE) == MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    EXPECT(mg_sweep_gradient(sweep, stale) == MG_ERR_STALE);
    EXPECT(mg_sweep_gradient(sweep, scalar) == MG_ERR_DTYPE);
    EXPECT(mg_sweep_gradient(sweep, n) == 0);
    mg_sweep_close(sweep);
    mg_release(f.arena, seed);
    graph_free(&f, nodes);
    arrays_close(&f);
}

static bool has_operand(arrays *f, mg_node of, mg_node operand)
{
    bool found = false;
    for (int i = 0; !found; i++) {
        mg_node at = mg_array_operand(f->arena, of, i);
        if (at < 0) break;
        found = at == operand;
        mg_release(f->arena, at);
    }
    return found;
}

/* A value that a gradient needs, written to since, is a refusal wherever it is written:
 * before the sweep, or between two slices; what no gradient needs may change. */
static void test_changed_values(void)
{
    arrays f;
    mg_node nodes[ENDS];
    arrays_open(&f, PLAIN);
    const int needed[] = {X34, Z45, W54}, not_needed = R4;
    for (int i = 0; i < 4; i++) {
        int slot = i < 3 ? needed[i] : not_needed;
        for (int later = 0; later < 2; later++) {
            mg_sweep *sweep;
            graph_make(&f, nodes);
            uint64_t before = gradients_hash(&f);
            EXPECT(mg_sweep_open(f.arena, 1, nodes, NULL, 0, NULL, MG_ACCUMULATE,
                                 &sweep) == MG_OK);
            if (later) EXPECT(mg_sweep_run(sweep, 1) == MG_MORE);
            EXPECT(mg_apply_in_place(f.arena, MG_NEG, f.h[slot], 0, 0) == MG_OK);
            int status = mg_sweep_run(sweep, 0);
            EXPECT(status == (i < 3 ? MG_ERR_CHANGED : MG_OK));
            if (status < 0) EXPECT(gradients_hash(&f) == before);
            if (status < 0) EXPECT(mg_sweep_run(sweep, 0) == MG_ERR_ARG);
            mg_node at = mg_sweep_node(sweep);
            EXPECT(status < 0 ? has_operand(&f, at, f.h[slot]) : at == MG_ERR_ARG);
            if (at > 0) mg_release(f.arena, at);
            mg_sweep_close(sweep);
            expect_consistent(f.arena);
            graph_free(&f, nodes);
            leaf_gradients_remove(&f);
        }
    }
    /* through a view of it, too; and so does a step of an optimizer */
    graph_make(&f, nodes);
    mg_node view = mg_apply(f.arena, MG_DETACH, 1, &f.h[Z45], 0, NULL, 0, NULL, 0, 0);
    EXPECT(mg_apply_in_place(f.arena, MG_NEG, view, 0, 0) == MG_OK);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_ERR_CHANGED);
    mg_release(f.arena, view);
    graph_free(&f, nodes);
    graph_make(&f, nodes);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_OK);
    EXPECT(array_sgd(f.arena, 1, &f.h[Z45], NULL, 1, 0.1, 0, 0, 0, 0) == MG_OK);
    EXPECT(sweep_all(&f, nodes[0], 0, NULL) == MG_ERR_CHANGED);
    graph_free(&f, nodes);
    arrays_close(&f);
}

/* ---- the caller's functions -------------------------------------------------------- */

static void test_functions(void)
{
    arrays f;
    mg_sweep *sweep;
    const int64_t number[] = {0}, all[] = {3, 0};
    arrays_open(&f, DOUBLE);
    mg_node pair[] = {f.h[HUB], f.h[Y34]};
    mg_node plain = mg_apply(f.arena, MG_DETACH, 1, &f.h[Y34], 0, NULL, 0, NULL, 0, 0);
    pair[1] = plain;
    mg_node y = mg_apply(f.arena, MG_OUTPUT, 2, pair, 1, number, 0, NULL, 0, 1);
    mg_node loss = mg_apply(f.arena, MG_SUM, 1, &y, 2, all, 0, NULL, 0, 1);
    EXPECT(mg_sweep_open(f.arena, 1, &loss, NULL, 0, NULL, MG_ACCUMULATE, &sweep) ==
           MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_CALL);
    mg_node at = mg_sweep_node(sweep), of_y = mg_sweep_gradient(sweep, y);
    EXPECT(at == f.h[HUB] && element(&f, of_y, 3) == 1.0);
    EXPECT(mg_sweep_contribute(sweep, 2, of_y) == MG_ERR_ARG);
    EXPECT(mg_sweep_contribute(sweep, -1, of_y) == MG_ERR_ARG);
    EXPECT(mg_sweep_contribute(sweep, 1, of_y) == MG_ERR_SHAPE);
    EXPECT(mg_sweep_contribute(sweep, 0, f.h[N34]) == MG_ERR_DTYPE);
    EXPECT(mg_sweep_contribute(sweep, 0, 0) == MG_ERR_STALE);
    EXPECT(mg_sweep_contribute(sweep, 0, f.h[Y34]) == MG_OK);
    EXPECT(mg_sweep_contribute(sweep, 0, of_y) == MG_OK); /* they add up */
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    mg_sweep_close(sweep);
    mg_node g = mg_gradient(f.arena, f.h[X34]), none = mg_gradient(f.arena, f.h[R4]);
    EXPECT(none == 0);
    for (int64_t i = 0; i < 12; i++)
        EXPECT(element(&f, g, i) == element(&f, f.h[Y34], i) + 1.0);
    const mg_node made[] = {plain, y, loss, at, of_y, g};
    for (int i = 0; i < 6; i++) EXPECT(mg_release(f.arena, made[i]) == MG_OK);
    arrays_close(&f);
}

/* ---- depth ------------------------------------------------------------------------- */

/* A chain of x = x + x * 2^-k; d y / d x is the product of all factors, which is
 * 2^halves. */
static void test_depth(int64_t depth)
{
    ledger book;
    mg_sweep *sweep;
    const double one = 1.0;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_array(arena, MG_FLOAT64, 0, NULL, &one), y = x;
    EXPECT(mg_require_gradient(arena, x, 1) == MG_OK);
    for (int64_t i = 0; i < depth; i++) {
        mg_node next =
            mg_apply_number(arena, i % 2 ? MG_MUL : MG_DIV, y, 1, 2, 0, 2.0, 1);
        if (y != x) mg_release(arena, y);
        y = next;
    }
    EXPECT(y > 0);
    EXPECT(mg_sweep_open(arena, 1, &y, NULL, 0, NULL, MG_ACCUMULATE, &sweep) == MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    mg_sweep_close(sweep);
    mg_array_info info;
    mg_node g = mg_gradient(arena, x);
    EXPECT(mg_array_describe(arena, g, &info) == MG_OK);
    EXPECT(*(const double *)info.data == (depth % 2 ? 0.5 : 1.0));
    EXPECT(mg_release(arena, g) == MG_OK && mg_release(arena, x) == MG_OK);
    EXPECT(mg_release(arena, y) == MG_OK);
    EXPECT(nodes_of(arena) == 0 && arena->used_block_bytes == 0);
    ledger_arena_free(arena, &book);
}

int main(int count, char **arguments)
{
    int64_t depth = count > 1 ? strtoll(arguments[1], NULL, 10) : 1000;
    if (count < 3) { /* a third argument: the depth alone */
        test_numerical_gradients();
        test_same_bits();
        test_giving_up();
        test_hooks();
        test_inputs();
        test_nested();
        test_roots();
        test_refusals();
        test_changed_values();
        test_functions();
    }
    test_depth(depth);
    return finish();
}
