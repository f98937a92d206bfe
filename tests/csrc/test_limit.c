/* test_limit.c: an arena that is full, in a build of the core that allows 8191 nodes
 * (-DMG_MAX_NODES=8192): MG_ERR_LIMIT, nothing changed, and room again once nodes are
 * released. */
#include "calls.h"

enum { MOST = 8191 };

/* Every call of the table that records nodes fails; the others work. */
static void test_full(void)
{
    for (int i = 0; i < CALLS; i++) {
        fixture f;
        fixture_open(&f, 2);
        EXPECT(nodes_of(f.arena) == MOST);
        EXPECT(mg_leaf(f.arena, 1.0) == MG_ERR_LIMIT);
        int before = failures;
        uint64_t state = state_of(f.arena, 1);
        int64_t status = calls[i].run(&f);
        EXPECT(status >= 0 || status == MG_ERR_LIMIT);
        if (status == MG_ERR_LIMIT) EXPECT(state_of(f.arena, 1) == state);
        release_made(&f);
        EXPECT(nodes_of(f.arena) == MOST);
        expect_consistent(f.arena);
        explain(before, calls[i].name, status);
        fixture_close(&f);
    }
}

/* With a few slots left builders get as far as that, and undo it. */
static void test_nearly_full(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node leaves[MOST], out[4];
    for (int i = 0; i < MOST; i++) leaves[i] = mg_leaf(arena, 1.0);
    EXPECT(mg_leaf(arena, 1.0) == MG_ERR_LIMIT);
    for (int room = 1; room < 12; room++) {
        EXPECT(mg_release(arena, leaves[MOST - room]) == MG_OK);
        uint64_t state = digest_of(arena);
        EXPECT(mg_softmax(arena, 4, leaves, out) == MG_ERR_LIMIT);
        EXPECT(mg_rmsnorm(arena, 4, leaves, 1e-5, out) == MG_ERR_LIMIT);
        EXPECT(mg_dense(arena, 3, 1, MG_TANH, leaves, 2, leaves, NULL, out) ==
               MG_ERR_LIMIT);
        EXPECT(digest_of(arena) == state);
        EXPECT(nodes_of(arena) == MOST - room);
        expect_consistent(arena);
    }
    mg_node two = mg_subtract(arena, leaves[0], leaves[1]);
    EXPECT(two > 0);
    EXPECT(mg_backward(arena, two, 1.0, 0) == MG_OK);
    EXPECT(gradient_of(arena, leaves[1]) == -1.0);
    ledger_arena_free(arena, &book);
}

int main(void)
{
    test_full();
    test_nearly_full();
    return finish();
}
