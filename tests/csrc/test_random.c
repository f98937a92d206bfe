/* test_random.c: random calls of all kinds on one arena, with backwards in slices,
 * failing allocations and stale handles between them, against a model that only knows
 * which handles are alive; counts, references and marks are checked all along. Arguments:
 * number of calls, seed. */
#include "expect.h"

enum { SLOTS = 200 };

typedef struct machine {
    ledger book;
    mg_arena *arena;
    mg_rng rng;
    mg_node alive
        [SLOTS]; /* one reference each; the same handle may stand here more than once */
    int count;
    mg_node dead;
    int under_way;
    int64_t refused, recorded;
} machine;

static uint32_t below(machine *m, int count)
{
    return mg_rng_u32(&m->rng) % (uint32_t)count;
}

static mg_node any(machine *m)
{
    return m->alive[below(m, m->count)];
}

static void release_at(machine *m, uint32_t place)
{
    mg_node handle = m->alive[place];
    m->alive[place] = m->alive[--m->count];
    EXPECT(mg_release(m->arena, handle) == MG_OK);
    int held = 0;
    for (int i = 0; i < m->count; i++) held |= m->alive[i] == handle;
    if (!held) m->dead = handle;
}

/* Make room for results by releasing nodes. */
static void make_room(machine *m, int count)
{
    while (m->count + count > SLOTS) release_at(m, below(m, m->count));
}

/* Keep results of a call, or see that it failed for a good reason. */
static void keep(machine *m, int64_t status, int count, const mg_node *made)
{
    if (status < 0) {
        int known = status == MG_ERR_NOMEM || status == MG_ERR_DOMAIN;
        known |= status == MG_ERR_OVERFLOW || status == MG_ERR_ZERODIV;
        EXPECT(known || (status == MG_ERR_BUSY && m->under_way));
        m->refused += status == MG_ERR_NOMEM;
        return;
    }
    for (int i = 0; i < count; i++) m->alive[m->count++] = made[i];
    m->recorded += count;
}

static void keep_one(machine *m, mg_node made)
{
    keep(m, made, 1, &made);
}

static void record_one(machine *m)
{
    int op = 1 + (int)below(m, MG_SCALAR_OP_COUNT - 1);
    make_room(m, 1);
    if (op == MG_POW_NUMBER)
        keep_one(m, mg_record_number(m->arena, op, any(m), 2.0));
    else
        keep_one(m, mg_record(m->arena, op, any(m), mg_op_arity(op) == 2 ? any(m) : 0));
}

static void record_composite(machine *m)
{
    make_room(m, 1);
    switch (below(m, 6)) {
    case 0: keep_one(m, mg_leaf(m->arena, full_number(&m->rng))); break;
    case 1: keep_one(m, mg_subtract(m->arena, any(m), any(m))); break;
    case 2: keep_one(m, mg_divide(m->arena, any(m), any(m))); break;
    case 3: keep_one(m, mg_record_number(m->arena, MG_MUL, any(m), 0.5)); break;
    case 4: keep_one(m, mg_sum(m->arena, 5, m->alive + below(m, m->count - 5))); break;
    default: keep_one(m, mg_dot(m->arena, 2, m->alive, m->alive + 3)); break;
    }
}

static void record_losses(machine *m, const mg_node *in, mg_node *out)
{
    const int64_t labels[] = {0, 1};
    int reduction = (int)below(m, 3);
    int64_t status = mg_cross_entropy(m->arena, 2, 2, in, labels, 1, reduction, out);
    keep(m, status, reduction == MG_REDUCE_NONE ? 2 : 1, out);
}

static void record_bulk(machine *m)
{
    enum { MOST = 6 };
    mg_node out[MOST], in[16];
    const int64_t sizes[] = {2, 2, 2};
    make_room(m, MOST);
    for (int i = 0; i < 16; i++) in[i] = any(m);
    mg_arena *arena = m->arena;
    switch (below(m, 5)) {
    case 0: keep(m, mg_softmax(arena, 4, in, out), 4, out); break;
    case 1: keep(m, mg_rmsnorm(arena, 3, in, 1e-5, out), 3, out); break;
    case 2: record_losses(m, in, out); break;
    case 3:
        keep(m, mg_mlp(arena, 2, sizes, MG_TANH, MG_EXP, in, 2, in + 12, NULL, out), 4,
             out);
        break;
    default: keep(m, mg_grad(arena, in[0], 4, in, out), 4, out); break;
    }
}

static void backward_step(machine *m)
{
    int64_t budget = 1 + below(m, 50);
    int status = m->under_way ? mg_backward_resume(m->arena, budget)
                              : mg_backward(m->arena, any(m), 1.0, budget);
    if (m->under_way && below(m, 10) == 0) {
        EXPECT(mg_backward_cancel(m->arena) == MG_OK);
        status = MG_OK;
    }
    m->under_way = status == MG_MORE;
    if (status < 0) keep(m, status, 0, NULL);
    EXPECT((m->arena->walk.root != 0) == m->under_way);
}

static void write_somewhere(machine *m)
{
    mg_node handle = any(m);
    double number = full_number(&m->rng);
    int status = MG_OK;
    switch (below(m, 4)) {
    case 0: status = mg_set_data(m->arena, 1, &handle, &number); break;
    case 1: status = mg_set_gradients(m->arena, 1, &handle, &number); break;
    case 2: status = mg_zero_gradients(m->arena, 1, &handle); break;
    default:
        status = mg_sgd_step(m->arena, 1, &handle, NULL, 1, 0.1, 0.0, 0.0, 0.0, 0);
        break;
    }
    keep(m, status, 0, NULL);
}

static void look_around(machine *m)
{
    make_room(m, 2);
    mg_node handle = any(m), operand = mg_node_operand(m->arena, handle, 0);
    if (operand > 0)
        m->alive[m->count++] = operand;
    else
        EXPECT(operand == MG_ERR_ARG);
    EXPECT(mg_retain(m->arena, handle) == MG_OK);
    m->alive[m->count++] = handle;
    if (m->dead) EXPECT(mg_node_op(m->arena, m->dead) != INT32_MIN);
    EXPECT(mg_retain(m->arena, handle + ((mg_node)1 << 32)) == MG_ERR_STALE);
}

static void step(machine *m)
{
    if (m->count < 10) {
        make_room(m, 1);
        keep_one(m, mg_leaf(m->arena, full_number(&m->rng)));
        return;
    }
    if (below(m, 20) == 0) mg_arena_fail(m->arena, below(m, 3), (int)below(m, 2));
    switch (below(m, 10)) {
    case 0:
    case 1:
    case 2: record_one(m); break;
    case 3: record_composite(m); break;
    case 4: record_bulk(m); break;
    case 5: backward_step(m); break;
    case 6: write_somewhere(m); break;
    case 7: look_around(m); break;
    default: release_at(m, below(m, m->count)); break;
    }
    if (below(m, 4) == 0) mg_arena_fail(m->arena, -1, 0);
}

/* Every reference is a handle, an operand of a node, or the root of a backward. */
static void expect_references_exact(const machine *m)
{
    const mg_arena *arena = m->arena;
    uint32_t *uses = calloc(arena->fresh, sizeof *uses);
    if (!EXPECT(uses != NULL)) return;
    for (uint32_t i = 1; i < arena->fresh; i++) {
        const node *n = node_at(arena, i);
        for (int which = 0; !is_free(arena, i) && which < 2; which++)
            uses[n->operand[which]]++;
    }
    for (int i = 0; i < m->count; i++) uses[index_of(m->alive[i])]++;
    uses[arena->walk.root]++;
    for (uint32_t i = 1; i < arena->fresh; i++)
        EXPECT(is_free(arena, i) || node_at(arena, i)->references == uses[i]);
    free(uses);
}

int main(int count, char **arguments)
{
    static machine m;
    int64_t steps = count > 1 ? strtoll(arguments[1], NULL, 10) : 20000;
    m.arena = ledger_arena(&m.book);
    mg_rng_seed(&m.rng, count > 2 ? strtoull(arguments[2], NULL, 10) : 1);
    for (int64_t i = 0; i < steps; i++) {
        int before = failures;
        step(&m);
        if (i % 100 == 0) expect_consistent(m.arena);
        if (i % 100 == 0) expect_references_exact(&m);
        explain(before, "step", i);
    }
    mg_arena_fail(m.arena, -1, 0);
    EXPECT(mg_backward_cancel(m.arena) == MG_OK);
    while (m.count) release_at(&m, 0);
    expect_consistent(m.arena);
    EXPECT(nodes_of(m.arena) == 0);
    EXPECT(m.recorded > steps / 4 && m.refused > 0);
    ledger_arena_free(m.arena, &m.book);
    return finish();
}
