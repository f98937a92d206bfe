/* test_deep.c: a chain forward, backward, twice differentiated and freed, in as little
 * stack as the process has been given (`ulimit -s 64`), and its bytes a node. The
 * argument is its length. */
#include "expect.h"

/* Expect at most 48 bytes a node at rest and 64 at the peak, beside the first pages. */
static void expect_bytes(mg_arena *arena, int64_t nodes)
{
    mg_usage usage;
    const size_t pages = 1 << 20;
    mg_arena_usage(arena, &usage);
    EXPECT(usage.nodes == nodes);
    EXPECT(usage.bytes <= 48 * (size_t)nodes + pages);
    EXPECT(usage.peak_bytes <= 64 * (size_t)nodes + pages);
    printf("%lld nodes: %.1f bytes a node at rest, %.1f at the peak\n", (long long)nodes,
           (double)usage.bytes / (double)nodes, (double)usage.peak_bytes / (double)nodes);
}

/* Make x + x + x ... of `length` additions. */
static mg_node chain_make(mg_arena *arena, mg_node x, int64_t length)
{
    mg_node last = mg_record(arena, MG_ADD, x, x);
    for (int64_t i = 1; i < length; i++) {
        mg_node next = mg_record(arena, MG_ADD, last, x);
        mg_release(arena, last);
        last = next;
    }
    return last;
}

static void test_chain(mg_arena *arena, int64_t length)
{
    mg_node x = mg_leaf(arena, 1.0);
    mg_node last = chain_make(arena, x, length);
    EXPECT(data_of(arena, last) == (double)(length + 1));
    EXPECT(mg_backward(arena, last, 1.0, 0) == MG_OK);
    EXPECT(gradient_of(arena, x) == (double)(length + 1));
    expect_bytes(arena, length + 1);
    EXPECT(mg_release(arena, last) == MG_OK);
    EXPECT(nodes_of(arena) == 1);
    EXPECT(mg_release(arena, x) == MG_OK);
}

/* The gradient of x * x * x ... recorded, and that of the gradient's: another deep graph
 * each. */
static void test_gradients(mg_arena *arena, int64_t length)
{
    mg_node x = mg_leaf(arena, 1.0), last = x, first, second;
    for (int64_t i = 0; i < length; i++) {
        mg_node next = mg_record(arena, MG_MUL, last, x);
        if (i) mg_release(arena, last);
        last = next;
    }
    double n = (double)(length + 1);
    EXPECT(mg_grad(arena, last, 1, &x, &first) == MG_OK);
    EXPECT(data_of(arena, first) == n);
    EXPECT(mg_grad(arena, first, 1, &x, &second) == MG_OK);
    EXPECT(data_of(arena, second) == n * (n - 1.0));
    EXPECT(mg_release(arena, last) == MG_OK);
    EXPECT(mg_release(arena, second) == MG_OK);
    EXPECT(mg_release(arena, first) == MG_OK);
    EXPECT(nodes_of(arena) == 1);
    EXPECT(mg_release(arena, x) == MG_OK);
}

/* A sum of many leaves is as wide as the chain is deep. */
static void test_wide(mg_arena *arena, int64_t width)
{
    mg_node *leaves = malloc((size_t)width * sizeof *leaves);
    if (!EXPECT(leaves != NULL)) return;
    for (int64_t i = 0; i < width; i++) leaves[i] = mg_leaf(arena, 0.5);
    mg_node total = mg_mean(arena, width, leaves);
    EXPECT(mg_backward(arena, total, (double)width, 0) == MG_OK);
    EXPECT(fabs(gradient_of(arena, leaves[0]) - 1.0) < 1e-12);
    for (int64_t i = 0; i < width; i++) mg_release(arena, leaves[i]);
    EXPECT(nodes_of(arena) == 2 * width + 3);
    EXPECT(mg_release(arena, total) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
    free(leaves);
}

int main(int count, char **arguments)
{
    int64_t length = count > 1 ? strtoll(arguments[1], NULL, 10) : 100000;
    mg_arena *arena = mg_arena_new(NULL, NULL);
    test_chain(arena, length);
    EXPECT(nodes_of(arena) == 0);
    test_gradients(arena, length / 100);
    test_wide(arena, length / 10);
    mg_arena_free(arena);
    return finish();
}
