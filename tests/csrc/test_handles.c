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
    int none = bad == 0 && row->run == call_record && place == 1;
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
    *generation_at(arena, slot) = GENERATION_END - LEFT;
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
        *generation_at(arena, i) = GENERATION_END - LEFT;
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

int main(void)
{
    test_good_handles();
    test_bad_handles();
    test_arenas_differ();
    test_generations_end();
    test_generations_end_in_failed_calls();
    return finish();
}
