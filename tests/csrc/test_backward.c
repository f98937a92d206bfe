/* test_backward.c: a backward in slices gives the bits of one in a piece; cancelled in
 * any slice it leaves gradients as a failed one does; between slices others record, read
 * and release, but nobody writes what it uses. Nodes that the caller defines pass on what
 * it says. The argument is the number of nodes. */
#include "expect.h"

enum { LEAVES = 20, OPS = 10 };

typedef struct graph {
    ledger book;
    mg_arena *arena;
    mg_node leaves[LEAVES], root;
    int64_t size;
} graph;

/* Record a random op of two random ones of the last nodes, or of leaves; values stay
 * tame. */
static mg_node record_random(graph *g, mg_rng *rng, const mg_node *nodes, int64_t count)
{
    static const int ops[OPS] = {MG_ADD,     MG_MUL,     MG_MUL, MG_TANH, MG_SIN,
                                 MG_SIGMOID, MG_MAXIMUM, MG_ADD, MG_GELU, MG_SOFTPLUS};
    int op = ops[mg_rng_u32(rng) % OPS];
    int64_t near = count - 1 - (int64_t)(mg_rng_u32(rng) % 3);
    int64_t far = (int64_t)(mg_rng_u32(rng) % (uint32_t)count);
    mg_node made = mg_record(g->arena, op, nodes[near],
                             mg_op_arity(op) == 2 ? nodes[far] : 0);
    if (fabs(data_of(g->arena, made)) < 2.0) return made;
    mg_node tamed = mg_record(g->arena, MG_TANH, made, 0);
    mg_release(g->arena, made);
    return tamed;
}

/* Make a random graph of about `size` nodes, of which only leaves and root are referred
 * to. */
static void graph_make(graph *g, int64_t size)
{
    mg_rng rng;
    mg_node *nodes = malloc((size_t)(size + LEAVES) * sizeof *nodes);
    mg_rng_seed(&rng, 7);
    g->arena = ledger_arena(&g->book);
    for (int i = 0; i < LEAVES; i++)
        g->leaves[i] = nodes[i] = mg_leaf(g->arena, full_number(&rng));
    int64_t count = LEAVES;
    for (; count < size; count++) nodes[count] = record_random(g, &rng, nodes, count);
    g->root = mg_sum(g->arena, count / 2, nodes + count / 2);
    for (int64_t i = LEAVES; i < count; i++) mg_release(g->arena, nodes[i]);
    g->size = nodes_of(g->arena);
    free(nodes);
}

static void graph_free(graph *g)
{
    for (int i = 0; i < LEAVES; i++) EXPECT(mg_release(g->arena, g->leaves[i]) == MG_OK);
    EXPECT(mg_release(g->arena, g->root) == MG_OK);
    EXPECT(nodes_of(g->arena) == 0);
    ledger_arena_free(g->arena, &g->book);
}

/* Set the gradient of every living node, leaf or not. */
static void gradients_set(const graph *g, double leaf, double interior)
{
    for (uint32_t i = 1; i < g->arena->fresh; i++) {
        if (is_free(g->arena, i)) continue;
        node *n = node_at(g->arena, i);
        n->gradient = arity_of(n) ? interior : leaf;
    }
}

static int backward_sliced(const graph *g, int64_t budget, int64_t *slices)
{
    int status = mg_backward(g->arena, g->root, 0.7, budget);
    *slices = 1;
    while (status == MG_MORE) {
        status = mg_backward_resume(g->arena, budget);
        ++*slices;
    }
    return status;
}

static void test_slices(const graph *g)
{
    static const int64_t budgets[] = {1, 2, 3, 10, 511, 512, 513, 1000, INT64_MAX, 0};
    int64_t slices = 0;
    gradients_set(g, 0.1, 9.0);
    EXPECT(backward_sliced(g, 0, &slices) == MG_OK);
    EXPECT(slices == 1);
    uint64_t whole = digest_of(g->arena);
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        int before = failures;
        gradients_set(g, 0.1, -9.0);
        EXPECT(backward_sliced(g, budgets[i], &slices) == MG_OK);
        EXPECT(digest_of(g->arena) == whole);
        if (budgets[i] == 1) EXPECT(slices > g->size / 2);
        expect_consistent(g->arena);
        explain(before, "budget", budgets[i]);
    }
}

/* Cancel a backward. Leaves are as before; interior nodes hold 0.0, or what they held
 * where the walk had not come. */
static void cancel(const graph *g)
{
    int ordered = g->arena->walk.ordered;
    uint8_t *come = calloc(g->arena->fresh, sizeof *come);
    if (!EXPECT(come != NULL)) return;
    for (uint32_t i = 1; i < g->arena->fresh; i++)
        come[i] = ordered || node_at(g->arena, i)->bits & UNDER_WAY;
    EXPECT(mg_backward_cancel(g->arena) == MG_OK);
    for (uint32_t i = 1; i < g->arena->fresh; i++) {
        const node *n = node_at(g->arena, i);
        double expected = arity_of(n) == 0 ? 0.1 : come[i] ? 0.0 : 9.0;
        EXPECT(is_free(g->arena, i) || n->gradient == expected);
    }
    free(come);
}

static void test_cancel(const graph *g)
{
    for (int64_t stop = 1;; stop++) {
        int before = failures, status = MG_MORE;
        gradients_set(g, 0.1, 9.0);
        for (int64_t slice = 0; slice < stop && status == MG_MORE; slice++)
            status = slice ? mg_backward_resume(g->arena, 1)
                           : mg_backward(g->arena, g->root, 1.0, 1);
        if (!EXPECT(status >= 0) || status == MG_OK) break;
        cancel(g);
        EXPECT(mg_backward_resume(g->arena, 1) == MG_ERR_ARG);
        if (stop % 256 == 0) expect_consistent(g->arena);
        explain(before, "cancel after slices", stop);
    }
    expect_consistent(g->arena);
}

/* What is allowed and refused while a backward is under way, in every slice of it. */
static void expect_turns(graph *g, int ordered)
{
    double number = 0.25, held = data_of(g->arena, g->root);
    mg_node out[LEAVES];
    EXPECT(mg_backward(g->arena, g->root, 1.0, 1) == MG_ERR_BUSY);
    EXPECT(mg_backward(g->arena, g->leaves[0], 1.0, 0) == MG_ERR_BUSY);
    EXPECT(mg_grad(g->arena, g->root, 1, g->leaves, out) == MG_ERR_BUSY);
    if (ordered) {
        EXPECT(mg_set_data(g->arena, 1, g->leaves, &held) == MG_ERR_BUSY);
        EXPECT(mg_set_gradients(g->arena, 1, g->leaves + 1, &number) == MG_ERR_BUSY);
        EXPECT(mg_zero_gradients(g->arena, LEAVES, g->leaves) == MG_ERR_BUSY);
        EXPECT(mg_sgd_step(g->arena, LEAVES, g->leaves, NULL, 1, .1, 0., 0., 0., 0) ==
               MG_ERR_BUSY);
    }
    mg_node fresh = mg_record_number(g->arena, MG_MUL, g->leaves[0], 3.0);
    mg_node above = mg_record(g->arena, MG_ADD, g->root, fresh);
    EXPECT(mg_set_gradients(g->arena, 1, &above, &number) == MG_OK);
    EXPECT(mg_release(g->arena, fresh) == MG_OK);
    EXPECT(mg_release(g->arena, above) == MG_OK);
}

static void test_between_slices(graph *g)
{
    int64_t slices = 0;
    gradients_set(g, 0.1, 9.0);
    EXPECT(backward_sliced(g, 0, &slices) == MG_OK);
    uint64_t whole = digest_of(g->arena);
    gradients_set(g, 0.1, 9.0);
    int status = mg_backward(g->arena, g->root, 0.7, 1);
    while (status == MG_MORE) {
        expect_turns(g, g->arena->walk.ordered);
        status = mg_backward_resume(g->arena, 1);
    }
    EXPECT(status == MG_OK);
    EXPECT(digest_of(g->arena) == whole);
    double number = 0.5;
    EXPECT(mg_set_data(g->arena, 1, g->leaves, &number) == MG_OK);
}

/* A backward holds on to its root: releasing everything in between changes nothing else.
 * */
static void test_release_under_way(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 0.5), root = mg_record(arena, MG_TANH, x, 0);
    double slope = 1.0 - pow(tanh(0.5), 2.0);
    int status = mg_backward(arena, root, 1.0, 1);
    EXPECT(status == MG_MORE);
    EXPECT(mg_release(arena, root) == MG_OK);
    EXPECT(nodes_of(arena) == 2);
    while (status == MG_MORE) status = mg_backward_resume(arena, 1);
    EXPECT(status == MG_OK);
    EXPECT(gradient_of(arena, x) == slope);
    EXPECT(nodes_of(arena) == 1);
    EXPECT(mg_release(arena, x) == MG_OK);
    EXPECT(mg_backward(arena, x, 1.0, 0) == MG_ERR_STALE);
    ledger_arena_free(arena, &book);
}

/* A formula that raises: leaf gradients as before, the others 0.0; data changed by then
 * counts. */
static void test_formula_fails(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    double zero = 0.0, held = 0.75;
    mg_node x = mg_leaf(arena, 4.0), y = mg_leaf(arena, 2.0);
    mg_node root = mg_record_number(arena, MG_POW_NUMBER, x, 0.5);
    mg_node top = mg_record(arena, MG_MUL, root, y), nodes[2] = {x, y};
    for (int64_t budget = 0; budget < 4; budget++) {
        double four = 4.0;
        mg_set_data(arena, 1, &x, &four);
        EXPECT(mg_backward(arena, top, 1.0, 0) == MG_OK);
        mg_set_gradients(arena, 1, &x, &held);
        mg_set_gradients(arena, 1, &y, &held);
        mg_set_data(arena, 1, &x, &zero);
        int status = mg_backward(arena, top, 1.0, budget);
        while (status == MG_MORE) status = mg_backward_resume(arena, budget);
        EXPECT(status == MG_ERR_ZERODIV);
        for (int i = 0; i < 2; i++) EXPECT(gradient_of(arena, nodes[i]) == held);
        EXPECT(gradient_of(arena, root) == 0.0);
        EXPECT(gradient_of(arena, top) == 0.0);
        EXPECT(mg_grad(arena, top, 1, &x, nodes) == MG_ERR_ZERODIV);
        nodes[0] = x;
        expect_consistent(arena);
    }
    EXPECT(nodes_of(arena) == 5);
    mg_arena_free(arena);
}

/* The shortest graphs: a leaf as root, x * x, twice in a row. */
static void test_small(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 3.0), square = mg_record(arena, MG_MUL, x, x);
    EXPECT(mg_backward(arena, x, 2.5, 0) == MG_OK);
    EXPECT(gradient_of(arena, x) == 2.5);
    EXPECT(mg_zero_gradients(arena, 1, &x) == MG_OK);
    for (int i = 1; i <= 3; i++) {
        EXPECT(mg_backward(arena, square, 1.0, 0) == MG_OK);
        EXPECT(gradient_of(arena, x) == 6.0 * i);
    }
    EXPECT(mg_release(arena, square) == MG_OK);
    EXPECT(mg_release(arena, x) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

/* ---- nodes of the caller's ---------------------------------------------------------- */

enum { OPERANDS = 4 };

/* Expect a node to show its operands, and no more. */
static void expect_operands(mg_arena *arena, mg_node y, int64_t count, const mg_node *x)
{
    EXPECT(mg_node_operands(arena, y) == count);
    for (int64_t i = 0; i < count; i++) {
        mg_node operand = mg_node_operand(arena, y, i);
        EXPECT(operand == x[i] && mg_release(arena, operand) == MG_OK);
    }
    EXPECT(mg_node_operand(arena, y, count) == MG_ERR_ARG);
    EXPECT(mg_node_operand(arena, y, -1) == MG_ERR_ARG);
}

/* A node with factors passes on its gradient times each, one without factors nothing; the
 * last operand is the first one, too. */
static void test_given(int64_t count, bool bare)
{
    const double factors[OPERANDS] = {3.25, -0.5, 7.0, 0.125}, seed = 0.3, outer = 1.7;
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x[OPERANDS];
    double expected[OPERANDS] = {0.0}, found[OPERANDS];
    int failed = failures;
    for (int64_t i = 0; i < count; i++) x[i] = mg_leaf(arena, (double)i);
    if (count > 2) mg_release(arena, x[count - 1]), x[count - 1] = x[0];
    mg_node y = mg_given(arena, 4.5, count, x, bare ? NULL : factors);
    EXPECT(data_of(arena, y) == 4.5 && mg_node_op(arena, y) == MG_GIVEN);
    expect_operands(arena, y, count, x);
    EXPECT(mg_node_factors(arena, y, found) == (bare ? MG_ERR_ARG : MG_OK));
    for (int64_t i = 0; i < count && !bare; i++) {
        EXPECT(found[i] == factors[i]);
        expected[x[i] == x[0] ? 0 : i] += factors[i] * (outer * seed);
    }
    mg_node top = mg_record_number(arena, MG_MUL, y, outer);
    EXPECT(mg_backward(arena, top, seed, 0) == MG_OK);
    for (int64_t i = 0; i < count; i++)
        EXPECT(gradient_of(arena, x[i]) == expected[x[i] == x[0] ? 0 : i]);
    EXPECT(mg_zero_gradients(arena, count, x) == MG_OK);
    EXPECT(mg_node_flow(arena, y) == MG_OK); /* its step once more, alone */
    for (int64_t i = 0; i < count; i++)
        EXPECT(gradient_of(arena, x[i]) == expected[x[i] == x[0] ? 0 : i]);
    mg_release(arena, top);
    mg_release(arena, y);
    for (int64_t i = 0; i < count - (count > 2); i++) mg_release(arena, x[i]);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
    explain(failed, bare ? "bare" : "given", count);
}

/* While the caller does the step of a node, the node's own does nothing, and a step that
 * fails leaves the gradients as they were. */
static void test_steps_of_nodes(void)
{
    const double factors[] = {2.0, 5.0}, held = 0.75, zero = 0.0, three = 3.0;
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x[] = {mg_leaf(arena, 4.0), mg_leaf(arena, 2.0)};
    mg_node y = mg_given(arena, 1.0, 2, x, factors);
    EXPECT(mg_node_call(arena, y, 1) == MG_OK && mg_node_op(arena, y) == MG_GIVEN);
    EXPECT(mg_backward(arena, y, 1.0, 0) == MG_CALL && mg_backward_node(arena) == y);
    EXPECT(mg_backward_resume(arena, 0) == MG_OK);
    for (int i = 0; i < 2; i++) EXPECT(gradient_of(arena, x[i]) == 0.0);
    EXPECT(mg_node_call(arena, y, 0) == MG_OK);
    EXPECT(mg_backward(arena, y, 1.0, 0) == MG_OK);
    for (int i = 0; i < 2; i++) EXPECT(gradient_of(arena, x[i]) == factors[i]);
    mg_node root = mg_record_number(arena, MG_POW_NUMBER, x[0], 0.5);
    EXPECT(mg_set_gradients(arena, 1, &root, &three) == MG_OK);
    EXPECT(mg_set_gradients(arena, 1, &x[0], &held) == MG_OK);
    EXPECT(mg_node_flow(arena, root) == MG_OK);
    EXPECT(gradient_of(arena, x[0]) == held + 0.5 * pow(4.0, -0.5) * 3.0);
    EXPECT(mg_set_gradients(arena, 1, &x[0], &held) == MG_OK);
    EXPECT(mg_set_data(arena, 1, &x[0], &zero) == MG_OK);
    EXPECT(mg_node_flow(arena, root) == MG_ERR_ZERODIV);
    EXPECT(gradient_of(arena, x[0]) == held);
    mg_arena_free(arena);
}

/* A copy of a node has the data that it is given, and the gradients of its op. */
static void test_copies_of_nodes(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 3.0), y = mg_leaf(arena, 0.5);
    mg_node product = mg_record_copy(arena, MG_MUL, x, y, 0.0, 100.0);
    mg_node power = mg_record_copy(arena, MG_POW_NUMBER, x, 0, 2.0, 200.0);
    mg_node sine = mg_record_copy(arena, MG_SIN, x, 0, 0.0, 300.0);
    double exponent = 0.0;
    EXPECT(data_of(arena, product) == 100.0 && data_of(arena, power) == 200.0);
    EXPECT(data_of(arena, sine) == 300.0);
    EXPECT(mg_node_exponent(arena, power, &exponent) == MG_OK && exponent == 2.0);
    EXPECT(mg_backward(arena, product, 1.0, 0) == MG_OK && gradient_of(arena, x) == 0.5);
    EXPECT(mg_backward(arena, power, 1.0, 0) == MG_OK && gradient_of(arena, x) == 6.5);
    EXPECT(mg_backward(arena, sine, 1.0, 0) == MG_OK);
    EXPECT(gradient_of(arena, x) == 6.5 + cos(3.0));
    EXPECT(mg_record_copy(arena, MG_MUL, x, 0, 0.0, 1.0) == MG_ERR_ARG);
    EXPECT(mg_record_copy(arena, MG_SIN, x, y, 0.0, 1.0) == MG_ERR_ARG);
    EXPECT(mg_record_copy(arena, MG_LEAF, x, 0, 0.0, 1.0) == MG_ERR_ARG);
    mg_arena_free(arena);
}

int main(int count, char **arguments)
{
    static graph g;
    graph_make(&g, count > 1 ? strtol(arguments[1], NULL, 10) : 2000);
    test_slices(&g);
    test_cancel(&g);
    test_between_slices(&g);
    graph_free(&g);
    test_release_under_way();
    test_formula_fails();
    test_small();
    for (int64_t operands = 1; operands <= OPERANDS; operands++)
        for (int bare = 0; bare < 2; bare++) test_given(operands, bare);
    test_steps_of_nodes();
    test_copies_of_nodes();
    return finish();
}
