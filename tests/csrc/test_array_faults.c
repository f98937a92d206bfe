/* test_array_faults.c: no memory at every allocation, block and node of every call on
 * arrays, of every op and of its gradients of first and second order: MG_ERR_NOMEM,
 * nothing changed, and the same call works once there is memory, with the result that it
 * would have had. The byte limit makes the core give back what it only keeps for later. */
#include "array_calls.h"

/* BY_ARENA refuses blocks of memory, BY_NODES all memory for nodes. */
enum { ONCE, FROM_THEN_ON, BY_NODES, BY_ALLOCATOR, WAYS };

/* Leave `room` slots for nodes, and no memory for more. */
static void fill_nodes(arrays *f, int64_t room)
{
    mg_usage usage;
    mg_node filler = 0;
    mg_arena_usage(f->arena, &usage);
    for (int64_t i = usage.capacity - usage.nodes; i > room; i--) filler = mg_leaf(f->arena, 0);
    EXPECT(room > usage.capacity - usage.nodes || filler >= 0);
    f->filled = true;
}

/* Let the list of what is made on the way grow from nothing. */
static void temporaries_trim(mg_arena *arena)
{
    indices *list = &arena->temporaries;
    arena_allocate(arena, list->items, list->capacity * sizeof(uint32_t), 0);
    memset(list, 0, sizeof *list);
}

static void refuse(arrays *f, int way, int64_t after)
{
    temporaries_trim(f->arena);
    if (way == ONCE || way == FROM_THEN_ON)
        mg_arena_fail(f->arena, after, way == FROM_THEN_ON);
    else
        f->book.refuse_after = way == BY_NODES ? 0 : after;
    f->book.refuse_from = way == BY_NODES ? sizeof(chunk) : 0;
    f->book.persistent = 1;
    f->book.refused = 0;
}

static void refuse_no_more(arrays *f)
{
    mg_arena_fail(f->arena, -1, 0);
    f->book.refuse_after = -1;
}

static int was_refused(const arrays *f, int way)
{
    if (way == ONCE) return f->arena->fail_after < 0;
    if (way == FROM_THEN_ON) return f->arena->fail_after == 0;
    return f->book.refused > 0;
}

static uint64_t array_digest(uint64_t hash, arrays *f, mg_node handle)
{
    mg_array_info info;
    EXPECT(mg_array_describe(f->arena, handle, &info) == MG_OK);
    const array *a = array_at(f->arena, index_of(handle));
    array plain = *a; /* without counts of references */
    buffer none = {.data = NULL};
    plain.buffer = &none;
    plain.version = 0;
    plain.attached = NULL;
    return array_mixed(hash, &plain);
}

/* Hash values and gradients of the fixture and of what was made. */
static uint64_t outcome_of(arrays *f, int64_t status)
{
    uint64_t hash = status > MG_CALL ? 1 : (uint64_t)status;
    for (int i = 0; i < f->made; i++) hash = array_digest(hash, f, f->out[i]);
    for (int i = 0; i < SLOTS; i++) {
        mg_node gradient = i == NUMBER ? 0 : mg_gradient(f->arena, f->h[i]);
        if (i != NUMBER) hash = array_digest(hash, f, f->h[i]);
        if (!gradient) continue;
        hash = array_digest(hash, f, gradient);
        mg_release(f->arena, gradient);
    }
    return hash;
}

/* ---- ops and their gradients ------------------------------------------------------- */

enum { FORWARD, BACKWARD, AGAIN, SECOND, DEPTHS };

/* Take gradients of first order as nodes, and those of these. */
static int64_t second_order(arrays *f, const example *e, mg_node y)
{
    mg_array_info info;
    mg_node given[3] = {0}, inputs[3];
    int count = 0;
    for (int i = 0; i < e->operand_count; i++)
        if (e->operands[i] < REAL_SLOTS) inputs[count++] = f->h[e->operands[i]];
    int status = sweep_whole(f, y, count, inputs, MG_GIVE | MG_CREATE_GRAPH, given);
    for (int i = 0; i < count; i++) keeps(f, given[i]);
    for (int i = 0; i < count && status >= 0; i++) {
        if (!given[i]) continue;
        mg_array_describe(f->arena, given[i], &info);
        if (info.requires_grad)
            status = sweep_whole(f, given[i], 0, NULL, MG_ACCUMULATE, NULL);
    }
    return status;
}

/* Apply the op of an example and take gradients through it; the references are kept. */
static int64_t example_run(arrays *f, const example *e, int depth)
{
    mg_array_info info;
    int64_t status = keeps(f, example_apply(f, e, 1));
    if (status < 0) return status;
    mg_array_describe(f->arena, f->out[0], &info);
    if (!info.requires_grad || !info.operands || e->op == MG_FUNCTION) return status;
    if (depth == SECOND) return second_order(f, e, f->out[0]);
    for (int i = FORWARD; i < depth && status >= 0; i++)
        status = sweep_whole(f, f->out[0], 0, NULL, MG_ACCUMULATE, NULL);
    return status;
}

static void example_undo(arrays *f)
{
    release_kept(f);
    gradients_remove(f);
}

/* Run an example with memory refused; returns whether any was. */
static int example_refused(arrays *f, const example *e, int depth, int way, int64_t after,
                           uint64_t outcome)
{
    uint64_t state = digest_of(f->arena);
    size_t used = f->arena->used_block_bytes;
    if (way == BY_NODES) fill_nodes(f, after);
    refuse(f, way, after);
    int64_t status = example_run(f, e, depth);
    int refused = was_refused(f, way);
    EXPECT(status >= 0 || (status == MG_ERR_NOMEM && refused));
    refuse_no_more(f);
    if (status < 0) {
        example_undo(f);
        if (way != BY_NODES) EXPECT(digest_of(f->arena) == state);
        EXPECT(f->arena->used_block_bytes == used);
        EXPECT(f->arena->sweeps == NULL);
        status = example_run(f, e, depth);
    }
    EXPECT(outcome_of(f, status) == outcome);
    example_undo(f);
    return refused;
}

static void test_example(const example *e, int variant, int depth)
{
    arrays f;
    int before = failures;
    arrays_open(&f, variant);
    int64_t status = example_run(&f, e, depth);
    EXPECT(status >= 0 || variant == HALF);
    uint64_t outcome = outcome_of(&f, status);
    example_undo(&f);
    for (int way = ONCE; status >= 0 && way <= FROM_THEN_ON; way++)
        for (int64_t after = 0; example_refused(&f, e, depth, way, after, outcome);) after++;
    arrays_close(&f);
    for (int64_t room = 0, refused = status >= 0; refused; room++) {
        arrays_open(&f, variant);
        refused = example_refused(&f, e, depth, BY_NODES, room, outcome);
        arrays_close(&f);
    }
    explain(before, mg_op_name(e->op), variant * 100 + depth);
}

/* ---- other calls ------------------------------------------------------------------- */

static int call_refused(const array_call *row, int way, int64_t after, uint64_t outcome)
{
    arrays f;
    arrays_open(&f, PLAIN);
    gradients_give(&f);
    if (way == BY_NODES) fill_nodes(&f, after);
    int64_t nodes = nodes_of(f.arena);
    uint64_t state = digest_of(f.arena);
    size_t used = f.arena->used_block_bytes;
    refuse(&f, way, after);
    int64_t status = row->run(&f);
    int refused = was_refused(&f, way);
    EXPECT(status >= 0 || (status == MG_ERR_NOMEM && refused));
    refuse_no_more(&f);
    expect_consistent(f.arena);
    if (status < 0) {
        EXPECT(f.made == 0);
        EXPECT(digest_of(f.arena) == state);
        EXPECT(nodes_of(f.arena) == nodes);
        EXPECT(f.arena->used_block_bytes == used);
        EXPECT(f.arena->sweeps == NULL);
        EXPECT(mg_released(f.arena) == NULL);
        status = row->run(&f);
    }
    EXPECT(status >= 0);
    EXPECT(outcome_of(&f, status) == outcome);
    release_kept(&f);
    arrays_close(&f);
    return refused;
}

static void test_call(const array_call *row)
{
    arrays f;
    arrays_open(&f, PLAIN);
    gradients_give(&f);
    uint64_t outcome = outcome_of(&f, row->run(&f));
    release_kept(&f);
    arrays_close(&f);
    for (int way = 0; way < WAYS; way++) {
        int before = failures;
        for (int64_t after = 0; call_refused(row, way, after, outcome);) after++;
        explain(before, row->name, way);
    }
}

/* These need no memory: who has none left can still read, free, and give up a sweep. */
static void test_calls_without_memory(void)
{
    arrays f;
    mg_sweep *sweep;
    arrays_open(&f, PLAIN);
    gradients_give(&f);
    EXPECT(mg_watch_gradient(f.arena, f.h[S0], 1) == MG_OK);
    EXPECT(mg_sweep_open(f.arena, 1, &f.h[S0], NULL, 0, NULL, MG_ACCUMULATE, &sweep) == 0);
    EXPECT(mg_sweep_run(sweep, 0) == MG_HOOK);
    mg_arena_fail(f.arena, 0, 1);
    mg_node at = mg_sweep_node(sweep), gradient = mg_sweep_gradient(sweep, at);
    EXPECT(mg_sweep_replace(sweep, gradient) == MG_OK);
    EXPECT(mg_release(f.arena, at) == MG_OK && mg_release(f.arena, gradient) == MG_OK);
    mg_sweep_close(sweep);
    for (int i = 0; i < ARRAY_CALLS; i++) {
        int64_t (*run)(arrays *) = array_calls[i].run;
        if (run != array_call_owner && run != array_call_memory_handles &&
            run != array_call_describe && run != array_call_operand &&
            run != array_call_in_place && run != array_call_in_place_same &&
            run != array_call_in_place_unary && run != array_call_in_place_cast &&
            run != array_call_require && run != array_call_gradient &&
            run != array_call_retain_gradient && run != array_call_watch &&
            run != array_call_set_gradient)
            continue;
        EXPECT(run(&f) >= 0);
        release_kept(&f);
    }
    EXPECT(mg_array(f.arena, MG_FLOAT32, 0, NULL, NULL) == MG_ERR_NOMEM);
    for (int i = 0; i < SLOTS; i++) EXPECT(mg_release(f.arena, f.h[i]) == MG_OK);
    EXPECT(mg_released(f.arena) == &f.owners[0]);
    EXPECT(nodes_of(f.arena) == 0);
    mg_arena_fail(f.arena, -1, 0);
    arrays_close(&f);
}

/* ---- the byte limit ---------------------------------------------------------------- */

enum { MIB = 1 << 20 };

static mg_node bytes_make(mg_arena *arena, int64_t size)
{
    return mg_array(arena, MG_UINT8, 1, &size, NULL);
}

/* A block that is free is used again, and is given back when the limit asks for it. */
static void test_limit_gives_back(void)
{
    ledger book;
    mg_usage usage;
    mg_arena *arena = ledger_arena(&book);
    mg_node large = bytes_make(arena, 10 * MIB);
    mg_release(arena, large);
    mg_arena_usage(arena, &usage);
    size_t blocks = book.blocks;
    EXPECT(usage.bytes >= 10 * MIB); /* kept */
    large = bytes_make(arena, 10 * MIB - 100);
    EXPECT(book.blocks == blocks);
    mg_release(arena, large);
    mg_arena_limit(arena, 15 * MIB);
    mg_node other = bytes_make(arena, 14 * MIB); /* not beside the first */
    EXPECT(other > 0);
    mg_arena_usage(arena, &usage);
    EXPECT(usage.bytes <= 15 * MIB && usage.peak_bytes <= 15 * MIB);
    EXPECT(bytes_make(arena, 2 * MIB) == MG_ERR_NOMEM);
    mg_release(arena, other);
    mg_arena_limit(arena, 1);
    EXPECT(bytes_make(arena, MIB) == MG_ERR_NOMEM);
    mg_arena_usage(arena, &usage);
    EXPECT(usage.bytes < MIB);
    mg_arena_limit(arena, 0);
    mg_release(arena, bytes_make(arena, MIB));
    ledger_arena_free(arena, &book);
}

/* So it is when the allocator has no more. */
static void test_allocator_gives_back(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_release(arena, bytes_make(arena, 10 * MIB));
    size_t bytes = book.bytes;
    book.refuse_after = 0;
    mg_node other = bytes_make(arena, 5 * MIB);
    EXPECT(other > 0 && book.refused == 1 && book.bytes < bytes);
    mg_release(arena, other);
    book.refuse_after = 0;
    book.persistent = 1;
    EXPECT(bytes_make(arena, 8 * MIB) == MG_ERR_NOMEM);
    book.refuse_after = -1;
    ledger_arena_free(arena, &book);
}

/* Of blocks given back one after the other those are kept that are not more than 64 MiB and
 * what is still in use. */
static void test_little_waits(void)
{
    ledger book;
    mg_usage usage;
    mg_node held[20];
    mg_arena *arena = ledger_arena(&book);
    for (int i = 0; i < 20; i++) held[i] = bytes_make(arena, 10 * MIB);
    for (int i = 0; i < 20; i++) mg_release(arena, held[i]);
    mg_arena_usage(arena, &usage);
    EXPECT(usage.bytes >= 60 * MIB && usage.bytes <= (200 + 64) / 2 * MIB);
    ledger_arena_free(arena, &book);
}

/* A loop over more than may wait finds its blocks after some turns; when another program
 * follows they are given back. */
static void test_loops_keep_their_blocks(void)
{
    ledger book;
    mg_usage usage;
    mg_node held[20];
    size_t bytes = 0;
    mg_arena *arena = ledger_arena(&book);
    for (int turn = 0; turn < 12; turn++) {
        for (int i = 0; i < 20; i++) held[i] = bytes_make(arena, 10 * MIB);
        for (int i = 0; i < 20; i++) mg_release(arena, held[i]);
        if (turn == 6) bytes = book.bytes;
        EXPECT(turn < 6 || book.bytes == bytes);
    }
    EXPECT(bytes >= 200 * MIB && bytes < 204 * MIB);
    for (int i = 0; i < 70000; i++) mg_release(arena, bytes_make(arena, 8000));
    mg_arena_usage(arena, &usage);
    EXPECT(usage.bytes < MIB && usage.bytes == book.bytes);
    ledger_arena_free(arena, &book);
}

/* What waits is given back when a limit is set, or none. */
static void test_setting_a_limit_gives_back(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_release(arena, bytes_make(arena, 10 * MIB));
    EXPECT(book.bytes >= 10 * MIB);
    mg_arena_limit(arena, 0);
    EXPECT(book.bytes < MIB);
    ledger_arena_free(arena, &book);
}

/* Small blocks that are free serve other sizes when the limit asks for it, of all slabs of
 * which nothing is in use; `kept` of them are, and stay as they were. */
static void test_small_blocks_give_back(int kept)
{
    enum { MANY = 20000 };
    static mg_node held[MANY];
    ledger book;
    mg_usage usage;
    mg_arena *arena = ledger_arena(&book);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) held[i] = bytes_make(arena, 16 + i % 7 * 100);
        mg_arena_usage(arena, &usage);
        size_t full = usage.bytes;
        for (int i = 0; i < MANY; i++) { /* not in the order of addresses */
            int k = (int)((int64_t)i * 7919 % MANY);
            if (k >= kept) EXPECT(mg_release(arena, held[k]) == MG_OK);
        }
        uint64_t state = digest_of(arena);
        mg_arena_limit(arena, full);
        mg_node large = bytes_make(arena, 4 * MIB);
        EXPECT(large > 0);
        mg_release(arena, large);
        EXPECT(digest_of(arena) == state);
        EXPECT(bytes_make(arena, (int64_t)full) == MG_ERR_NOMEM);
        mg_arena_usage(arena, &usage);
        EXPECT(usage.bytes < 3 * MIB && usage.bytes == book.bytes);
        mg_arena_limit(arena, 0);
        for (int k = 0; k < kept; k++) EXPECT(mg_release(arena, held[k]) == MG_OK);
    }
    ledger_arena_free(arena, &book);
}

/* A limit while gradients are taken: each step says NOMEM, and none changes anything. */
static void test_limit_in_sweeps(void)
{
    arrays f;
    mg_usage usage;
    arrays_open(&f, PLAIN);
    mg_arena_usage(f.arena, &usage);
    const int64_t shape[] = {64, 1024};
    mg_node x = mg_array(f.arena, MG_FLOAT32, 2, shape, NULL), y = x;
    EXPECT(mg_require_gradient(f.arena, x, 1) == MG_OK);
    for (int i = 0; i < 5; i++) {
        mg_node next = mg_apply(f.arena, MG_EXP, 1, &y, 0, NULL, 0, NULL, 0, 1);
        if (i) mg_release(f.arena, y);
        y = next;
    }
    uint64_t state = digest_of(f.arena);
    mg_arena_usage(f.arena, &usage);
    int64_t failed = 0;
    for (size_t room = 0; room < 4 * MIB; room += 100000) {
        mg_arena_limit(f.arena, usage.bytes + room);
        int status = sweep_whole(&f, y, 0, NULL, MG_ACCUMULATE, NULL);
        EXPECT(status == MG_OK || status == MG_ERR_NOMEM);
        failed += status < 0;
        if (status < 0) EXPECT(digest_of(f.arena) == state);
        gradients_remove(&f);
    }
    EXPECT(failed >= 2 && failed <= 12);
    mg_release(f.arena, x);
    mg_release(f.arena, y);
    arrays_close(&f);
}

int main(int count, char **arguments)
{
    int variants = count > 1 ? atoi(arguments[1]) : VARIANTS;
    test_calls_without_memory();
    if (!SEPARATE_BLOCKS) { /* without, nothing is kept to be given back */
        test_limit_gives_back();
        test_allocator_gives_back();
        test_little_waits();
        test_loops_keep_their_blocks();
        test_setting_a_limit_gives_back();
    }
    test_small_blocks_give_back(0);
    test_small_blocks_give_back(15);
    test_limit_in_sweeps();
    for (int i = 0; i < ARRAY_CALLS; i++) test_call(&array_calls[i]);
    for (int variant = 0; variant < variants; variant++) {
        for (int i = 0; i < ALL_EXAMPLES; i++) {
            example e = example_at(i);
            for (int depth = 0; depth < DEPTHS; depth++) test_example(&e, variant, depth);
        }
    }
    return finish();
}
