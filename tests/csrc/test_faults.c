/* test_faults.c: no memory at every allocation of every call, once and from then on,
 * refused by the arena or by its allocator, and by the byte limit: MG_ERR_NOMEM, nothing
 * changed, and the same call works once there is memory, with the result it would have
 * had. */
#include "calls.h"

enum { BY_ARENA, BY_ALLOCATOR, BY_LIMIT, WAYS };

/* Arrange that memory is refused after `after` allocations, or bytes. */
static void refuse(fixture *f, int way, int persistent, int64_t after)
{
    mg_usage usage;
    mg_arena_usage(f->arena, &usage);
    if (way == BY_ARENA) mg_arena_fail(f->arena, after, persistent);
    if (way == BY_LIMIT) mg_arena_limit(f->arena, usage.bytes + (size_t)after);
    if (way != BY_ALLOCATOR) return;
    f->book.refuse_after = after;
    f->book.persistent = persistent;
}

static void refuse_no_more(fixture *f)
{
    mg_arena_fail(f->arena, -1, 0);
    mg_arena_limit(f->arena, 0);
    f->book.refuse_after = -1;
}

/* Tell whether the whole call had memory. */
static int was_refused(const fixture *f, int way, int64_t after)
{
    if (way == BY_ALLOCATOR) return f->book.refused > 0;
    if (way == BY_LIMIT) return after < 1 << 24;
    return f->arena->fail_after < 0 ||
           (f->arena->fail_persistent && f->arena->fail_after == 0);
}

/* Hash what a call that succeeded did: the data of its results, all gradients and leaf
 * data. */
static uint64_t outcome_of(const fixture *f, int64_t status)
{
    uint64_t hash = status > MG_OP_COUNT ? 1 : (uint64_t)status;
    for (int i = 0; i < f->made; i++)
        hash = mix(hash, bits_of(data_of(f->arena, f->out[i])));
    for (int i = 0; i < HANDLES; i++) {
        hash = mix(hash, bits_of(data_of(f->arena, f->h[i])));
        hash = mix(hash, bits_of(gradient_of(f->arena, f->h[i])));
    }
    for (int i = 0; i < OPTIMIZED; i++)
        hash = mix(mix(hash, bits_of(f->first[i])), bits_of(f->second[i]));
    return hash;
}

static uint64_t outcome_unrefused(const number_call *row, size_t chunks)
{
    fixture f;
    fixture_open(&f, chunks);
    uint64_t outcome = outcome_of(&f, row->run(&f));
    fixture_close(&f);
    return outcome;
}

/* After a failure gradients of interior nodes are 0.0, or as before where the walk had
 * not come. */
static void expect_cleared(const mg_arena *arena)
{
    for (uint32_t i = 1; i < arena->fresh; i++) {
        double gradient = node_at(arena, i)->gradient;
        EXPECT(is_free(arena, i) || gradient == 0.25 || gradient == 0.0);
    }
}

/* Run a call with memory refused; returns whether any was. */
static int run_refused(const number_call *row, size_t chunks, int way, int persistent,
                       int64_t after, uint64_t outcome)
{
    fixture f;
    fixture_open(&f, chunks);
    int64_t nodes = nodes_of(f.arena);
    uint64_t state = state_of(f.arena, row->clears);
    refuse(&f, way, persistent, after);
    int64_t status = row->run(&f);
    int refused = was_refused(&f, way, after);
    EXPECT(status >= 0 || (status == MG_ERR_NOMEM && refused));
    refuse_no_more(&f);
    expect_consistent(f.arena);
    if (status < 0) {
        EXPECT(state_of(f.arena, row->clears) == state);
        EXPECT(nodes_of(f.arena) == nodes);
        if (row->clears) expect_cleared(f.arena);
        status = row->run(&f);
    }
    EXPECT(status >= 0);
    EXPECT(outcome_of(&f, status) == outcome);
    release_made(&f);
    EXPECT(nodes_of(f.arena) == nodes);
    fixture_close(&f);
    return refused;
}

static void test_call(const number_call *row, size_t chunks)
{
    uint64_t outcome = outcome_unrefused(row, chunks);
    for (int way = 0; way < WAYS; way++) {
        for (int persistent = 0; persistent < (way == BY_LIMIT ? 1 : 2); persistent++) {
            int before = failures;
            int64_t after = 0;
            while (run_refused(row, chunks, way, persistent, after, outcome))
                after = way == BY_LIMIT ? 2 * after + 1000 : after + 1;
            explain(before, row->name, way * 10 + persistent);
        }
    }
}

/* These calls must not need memory at all: a program out of memory can still read, and
 * free. */
static void test_calls_without_memory(void)
{
    static int64_t (*const runs[])(fixture *) = {
        call_usage,           call_fork,         call_retain,        call_release,
        call_release_all,
        call_node_op,         call_node_operand, call_node_exponent, call_data,
        call_gradients,       call_set_data,     call_set_gradients, call_zero_gradients,
        call_backward_cancel,
    };
    fixture f;
    fixture_open(&f, 1);
    mg_arena_fail(f.arena, 0, 1);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        EXPECT(runs[i](&f) >= 0);
        release_made(&f);
    }
    EXPECT(mg_leaf(f.arena, 1.0) == MG_ERR_NOMEM);
    for (int i = 0; i < HANDLES; i++) EXPECT(mg_release(f.arena, f.h[i]) == MG_OK);
    EXPECT(mg_leaf(f.arena, 1.0) > 0);
    fixture_close(&f);
}

/* The first block is refused, too. */
static void test_no_arena(void)
{
    ledger book = {0};
    EXPECT(mg_arena_new(ledger_allocate, &book) == NULL);
    EXPECT(book.refused == 1 && book.blocks == 0);
}

/* A limit is never passed; one below what is held refuses growth and nothing else. */
static void test_limit(void)
{
    ledger book;
    mg_usage usage;
    mg_arena *arena = ledger_arena(&book);
    mg_node status, last = mg_leaf(arena, 1.0);
    mg_arena_limit(arena, 1 << 20);
    while ((status = mg_record(arena, MG_TANH, last, 0)) > 0) {
        mg_release(arena, last);
        last = status;
    }
    EXPECT(status == MG_ERR_NOMEM);
    mg_arena_usage(arena, &usage);
    EXPECT(usage.nodes > 20000);
    EXPECT(usage.bytes <= 1 << 20);
    EXPECT(usage.peak_bytes == usage.bytes);
    mg_arena_limit(arena, 1);
    EXPECT(mg_backward(arena, last, 1.0, 0) == MG_ERR_NOMEM);
    EXPECT(data_of(arena, last) > 0.0);
    mg_arena_limit(arena, 0);
    EXPECT(mg_backward(arena, last, 1.0, 0) == MG_OK);
    EXPECT(mg_release(arena, last) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
    ledger_arena_free(arena, &book);
}

int main(void)
{
    test_no_arena();
    test_limit();
    test_calls_without_memory();
    for (int i = 0; i < CALLS; i++) test_call(&calls[i], 1);
    test_call(&calls[5], 16); /* a leaf for which the table of chunks must grow, too */
    return finish();
}
