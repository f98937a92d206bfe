/* test_handles.c: a handle that names no living node of the arena is MG_ERR_STALE in
 * every place of every call that takes one, and the call changes nothing. Generations
 * end, slots retire. */
#include "calls.h"

/* Expect a call to refuse a handle in one place. */
static void expect_refused(fixture *f, const number_call *row, int place, mg_node bad)
{
    int before = failures;
    mg_node good = f->h[place];
    uint64_t state = digest_of(f->arena);
    f->h[place] = bad;
    int64_t status = row->run(f);
    f->h[place] = good;
    /* In these places a handle 0 means that there is none. */
    int none = bad == 0 && place == 1 && (row->run == call_record || row->run == call_copy);
    none |= bad == 0 && place == 1 &&
            (row->run == call_record_steps || row->run == call_record_many_steps);
    none |= bad == 0 && (row->run == call_mlp || row->run == call_dense) && place >= 2;
    EXPECT(status == (none ? MG_ERR_ARG : MG_ERR_STALE));
    EXPECT(digest_of(f->arena) == state);
    explain(before, row->name, bad);
}

static void test_bad_handles(void)
{
    fixture f;
    ledger other_book;
    fixture_open(&f, 1);
    mg_arena *other = ledger_arena(&other_book);
    mg_node freed = mg_leaf(f.arena, 1.0);
    mg_node foreign = 0, generation = (mg_node)1 << 32;
    for (int64_t i = 0; i <= (f.h[0] & 0xFFFFFFFF); i++) foreign = mg_leaf(other, 1.0);
    mg_release(f.arena, freed);
    mg_node bad[] = {
        0,
        -1,
        INT64_MIN,
        INT64_MAX,
        freed,
        foreign,
        f.h[0] + generation,
        f.h[0] - generation,
        f.h[0] | INT64_MIN,
        f.h[0] & 0xFFFFFFFF,
        f.h[0] & ~(mg_node)0xFFFFFFFF,
        f.h[0] | 0xFFFFFFFF,
        f.arena->fresh + (f.h[0] & ~(mg_node)0xFFFFFFFF),
        MG_ERR_NOMEM,
    };
    for (int i = 0; i < CALLS; i++) {
        for (int place = 0; place < calls[i].handles; place++) {
            for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
                expect_refused(&f, &calls[i], calls[i].first_handle + place, bad[k]);
        }
    }
    EXPECT(mg_release(f.arena, freed) == MG_ERR_STALE);
    EXPECT(mg_release(other, f.h[0]) == MG_ERR_STALE);
    ledger_arena_free(other, &other_book);
    fixture_close(&f);
}

/* With good handles every call of the table succeeds: the refusals above mean something.
 * */
static void test_good_handles(void)
{
    for (int i = 0; i < CALLS; i++) {
        int before = failures;
        fixture f;
        fixture_open(&f, 1);
        int64_t nodes = nodes_of(f.arena);
        EXPECT(calls[i].run(&f) >= 0);
        expect_consistent(f.arena);
        release_made(&f);
        EXPECT(nodes_of(f.arena) == nodes);
        fixture_close(&f);
        explain(before, calls[i].name, 0);
    }
}

/* Of a thousand arenas no two give out the same first handle. */
static void test_arenas_differ(void)
{
    enum { ARENAS = 1000 };
    static mg_node handles[ARENAS];
    for (int i = 0; i < ARENAS; i++) {
        mg_arena *arena = mg_arena_new(NULL, NULL);
        handles[i] = mg_leaf(arena, 1.0);
        mg_arena_free(arena);
        for (int k = 0; k < i; k++) EXPECT(handles[k] != handles[i]);
    }
}

/* A handle that has been given back as often as it was given out is refused, also while
 * other nodes, a backward or a view use what it names: their references stay. */
static void test_releases_beyond_the_last(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 3.0), y = mg_record(arena, MG_MUL, x, x);
    EXPECT(mg_retain(arena, x) == MG_OK);
    for (int i = 0; i < 5; i++)
        EXPECT(mg_release(arena, x) == (i < 2 ? MG_OK : MG_ERR_STALE));
    mg_node other = mg_leaf(arena, 100.0), back = mg_node_operand(arena, y, 0);
    EXPECT(other != back && data_of(arena, back) == 3.0);
    EXPECT(mg_release(arena, back) == MG_OK && mg_release(arena, back) == MG_ERR_STALE);
    /* A node at which a backward has stopped is shown without a reference. */
    EXPECT(mg_node_call(arena, y, 1) == MG_OK);
    EXPECT(mg_backward(arena, y, 1.0, 0) == MG_CALL);
    EXPECT(mg_release(arena, y) == MG_OK);
    EXPECT(mg_backward_node(arena) == y && mg_release(arena, y) == MG_ERR_STALE);
    expect_consistent(arena);
    EXPECT(mg_backward_cancel(arena) == MG_OK);
    EXPECT(mg_release(arena, other) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

/* A list of handles is given back as a whole or not at all, whether one is stale or
 * stands there too often; slots are taken again in the order of the list. */
static void test_releases_of_lists(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 3.0), y = mg_record(arena, MG_MUL, x, x);
    const mg_node often[] = {x, y, x}, both[] = {x, y};
    const mg_node stale[] = {x, y, y + ((mg_node)1 << 32)};
    uint64_t state = digest_of(arena);
    EXPECT(mg_release_all(arena, 3, often) == MG_ERR_STALE);
    EXPECT(mg_release_all(arena, 3, stale) == MG_ERR_STALE);
    EXPECT(mg_release_all(arena, -1, both) == MG_ERR_ARG);
    EXPECT(mg_release_all(arena, 0, NULL) == MG_OK);
    EXPECT(digest_of(arena) == state);
    EXPECT(mg_retain(arena, x) == MG_OK);
    EXPECT(mg_release_all(arena, 3, often) == MG_OK && nodes_of(arena) == 0);
    expect_consistent(arena);
    mg_node again = mg_leaf(arena, 1.0);
    EXPECT(index_of(again) == index_of(x) && again != x);
    EXPECT(mg_release_all(arena, 2, both) == MG_ERR_STALE);
    EXPECT(mg_release(arena, again) == MG_OK);
    ledger_arena_free(arena, &book);
}

/* What a backward beside one that has stopped has in common with it: what has passed its
 * gradient on does not count. */
static void test_backwards_that_meet(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 3.0), y = mg_record(arena, MG_MUL, x, x);
    mg_node z = mg_record(arena, MG_MUL, y, y), root = mg_record(arena, MG_MUL, z, z);
    mg_node other = mg_leaf(arena, 2.0), far = mg_record(arena, MG_MUL, other, other);
    mg_node beside = mg_record(arena, MG_MUL, x, other);
    EXPECT(mg_node_call(arena, z, 1) == MG_OK);
    EXPECT(mg_backward_meets(arena, root, z) == MG_ERR_ARG); /* none has stopped */
    EXPECT(mg_backward_select(arena, z) == MG_ERR_ARG);
    EXPECT(mg_backward(arena, root, 1.0, 0) == MG_CALL);
    EXPECT(mg_backward_meets(arena, far, z) == MG_OK);
    EXPECT(mg_backward_meets(arena, beside, z) == MG_MEETS_LEAVES);
    EXPECT(mg_backward_meets(arena, x, z) == MG_MEETS_LEAVES);
    EXPECT(mg_backward_meets(arena, y, z) == MG_MEETS_NODES);
    EXPECT(mg_backward_meets(arena, far, y) == MG_ERR_ARG);
    EXPECT(mg_backward_meets(arena, -1, z) < 0 && mg_backward_meets(arena, x, -1) < 0);
    EXPECT(mg_backward_resume(arena, 0) == MG_OK && gradient_of(arena, x) == 0.0);
    mg_node all[] = {x, y, z, root, other, far, beside};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        EXPECT(mg_release(arena, all[i]) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

/* Three backwards that have stopped end in another order than they began in, in each of
 * the six; the one in the middle fails. */
static void test_backwards_end_in_any_order(void)
{
    for (int order = 0; order < 6; order++) {
        ledger book;
        mg_node leaf[3], stop[3], root[3];
        mg_arena *arena = ledger_arena(&book);
        for (int i = 0; i < 3; i++) {
            leaf[i] = mg_leaf(arena, 2.0 + i);
            stop[i] = mg_record_number(arena, MG_MUL, leaf[i], 3.0);
            root[i] = mg_record(arena, MG_ADD, stop[i], leaf[i]);
            EXPECT(mg_node_call(arena, stop[i], 1) == MG_OK);
            EXPECT(mg_backward(arena, root[i], 1.0, 0) == MG_CALL);
        }
        int first = order / 2, second = (first + 1 + order % 2) % 3;
        int ends[] = {first, second, 3 - first - second};
        for (int i = 0; i < 3; i++) {
            int at = ends[i];
            EXPECT(mg_backward_select(arena, stop[at]) == MG_OK);
            EXPECT(mg_backward_node(arena) == stop[at]);
            if (i == 1) EXPECT(mg_backward_cancel(arena) == MG_OK);
            else EXPECT(mg_backward_resume(arena, 0) == MG_OK);
            EXPECT(gradient_of(arena, leaf[at]) == (i == 1 ? 0.0 : 1.0));
            EXPECT(mg_backward_select(arena, stop[at]) == MG_ERR_ARG);
        }
        EXPECT(mg_backward_resume(arena, 0) == MG_ERR_ARG);
        ledger_arena_free(arena, &book);
    }
}

/* The same of arrays: operands, views, gradients, what a sweep holds. */
static void test_releases_of_arrays(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    const int64_t three = 3;
    mg_node x = mg_array(arena, MG_FLOAT64, 1, &three, NULL);
    EXPECT(mg_require_gradient(arena, x, 1) == MG_OK);
    const int64_t part[] = {1, 1, 2};
    mg_node view = mg_apply(arena, MG_SLICE, 1, &x, 3, part, 0, NULL, 0, 1);
    const int64_t all[] = {1, 0};
    mg_node y = mg_apply(arena, MG_SUM, 1, &view, 2, all, 0, NULL, 0, 1);
    EXPECT(mg_release(arena, view) == MG_OK && mg_release(arena, view) == MG_ERR_STALE);
    mg_sweep *sweep;
    const mg_node ones = 0;
    EXPECT(mg_sweep_open(arena, 1, &y, &ones, 0, NULL, MG_ACCUMULATE, &sweep) == MG_OK);
    EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
    mg_node g = mg_gradient(arena, x);
    EXPECT(mg_release(arena, y) == MG_OK && mg_release(arena, y) == MG_ERR_STALE);
    mg_sweep_close(sweep);
    EXPECT(mg_release(arena, g) == MG_OK && mg_release(arena, g) == MG_ERR_STALE);
    mg_node again = mg_gradient(arena, x);
    EXPECT(again == g && mg_release(arena, again) == MG_OK);
    expect_consistent(arena);
    EXPECT(mg_set_gradient(arena, x, 0) == MG_OK);
    EXPECT(mg_release(arena, x) == MG_OK && mg_release(arena, x) == MG_ERR_STALE);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

/* A call that runs out of memory, after any number of nodes, leaves no handle behind of
 * what it had given out. */
static void test_handles_of_failed_calls(void)
{
    enum { ROOMS = 12, ALLOCATIONS = 20 };
    int refused = 0;
    for (uint32_t k = 0; k < ROOMS * ALLOCATIONS; k++) {
        uint32_t room = k % ROOMS;
        ledger book;
        mg_arena *arena = ledger_arena(&book);
        mg_node x = mg_leaf(arena, 2.0), y = mg_leaf(arena, 3.0), out[4];
        mg_node z = mg_record(arena, MG_MUL, x, x);
        const mg_node inputs[] = {x, y, y, y};
        while (arena->fresh < CHUNK_NODES - room) mg_leaf(arena, 0.0);
        uint64_t state = digest_of(arena);
        mg_arena_fail(arena, k / ROOMS, 1);
        int status = mg_grad(arena, z, 4, inputs, out);
        mg_arena_fail(arena, -1, 0);
        refused += status == MG_ERR_NOMEM;
        if (status < 0) EXPECT(digest_of(arena) == state);
        for (uint32_t i = arena->fresh; i < CHUNK_NODES; i++)
            EXPECT(slot_at(arena, i)->handles == 0);
        expect_consistent(arena);
        ledger_arena_free(arena, &book);
    }
    EXPECT(refused > ROOMS && refused < ROOMS * ALLOCATIONS);
}

/* A slot is reused with other handles until its generations end; then it is retired. */
static void test_generations_end(void)
{
    enum { LEFT = 5 };
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node kept[2 * LEFT];
    mg_node first = mg_leaf(arena, 1.0);
    uint32_t slot = index_of(first);
    mg_release(arena, first);
    slot_at(arena, slot)->generation = GENERATION_END - LEFT;
    int reused = 0;
    for (int i = 0; i < 2 * LEFT; i++) {
        kept[i] = mg_leaf(arena, (double)i);
        EXPECT(kept[i] > 0 && kept[i] < (mg_node)1 << 62);
        for (int k = 0; k < i; k++) EXPECT(kept[k] != kept[i]);
        reused += index_of(kept[i]) == slot;
        EXPECT(mg_release(arena, kept[i]) == MG_OK);
        EXPECT(mg_release(arena, kept[i]) == MG_ERR_STALE);
        expect_consistent(arena);
    }
    EXPECT(reused > 0 && reused <= LEFT);
    EXPECT(arena->retired == 1);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

/* Failed builders, too, use up generations: of results that they had already given out.
 * */
static void test_generations_end_in_failed_calls(void)
{
    enum { LEFT = 4, ROWS = 2 };
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node parameters[2] = {mg_leaf(arena, 1.0), mg_leaf(arena, 0.0)}, outputs[ROWS];
    const double numbers[ROWS] = {1.0, -1.0};
    for (uint32_t i = 3; i < CHUNK_NODES; i++)
        slot_at(arena, i)->generation = GENERATION_END - LEFT;
    for (int i = 0; i < 2 * LEFT; i++)
        EXPECT(mg_dense(arena, 1, 1, MG_LOG, parameters, ROWS, NULL, numbers, outputs) ==
               MG_ERR_DOMAIN);
    for (int k = 0; k < 2 * LEFT; k++) {
        mg_node made = mg_leaf(arena, 1.0);
        EXPECT(made > 0 && made < (mg_node)1 << 62);
        expect_consistent(arena);
    }
    EXPECT(nodes_of(arena) == 2 + 2 * LEFT);
    ledger_arena_free(arena, &book);
}

/* Free slots are put in order by parts, in arenas larger than one: each is there once. */
static void test_slots_in_order(void)
{
    enum { LARGE = (1 << 22) / MG_ASK_OFTEN + 30000, ROUNDS = 3 * 4 };
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 1.0), kept = mg_leaf(arena, 2.0);
    for (int round = 0; round < ROUNDS; round++) {
        int length = round % 3 == 2 ? LARGE / 9 : LARGE;
        mg_node last = mg_record(arena, MG_ADD, x, x);
        for (int i = 0; i < length; i++) {
            mg_node next = mg_record(arena, MG_ADD, last, x);
            if (i % (LARGE / 5) == round) {
                mg_release(arena, kept);
                kept = mg_record(arena, MG_MUL, next, x);
            }
            mg_release(arena, last);
            last = next;
        }
        EXPECT(mg_backward(arena, last, 1.0, 0) == MG_OK);
        mg_release(arena, last);
        EXPECT(nodes_of(arena) > 2); /* and so the last ones are freed */
        expect_consistent(arena);
    }
    mg_release(arena, x);
    mg_release(arena, kept);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

int main(void)
{
    test_good_handles();
    test_bad_handles();
    test_arenas_differ();
    test_releases_beyond_the_last();
    test_releases_of_lists();
    test_backwards_that_meet();
    test_backwards_end_in_any_order();
    test_releases_of_arrays();
    test_handles_of_failed_calls();
    test_generations_end();
    test_generations_end_in_failed_calls();
    test_slots_in_order();
    return finish();
}
