/* fuzz_handles.c: calls on numbers, and on arrays between them, with handles that are
 * stale, another arena's, forged, or given back before: refused, a call changes nothing.
 * Backwards in slices, that stop for the caller and that are given up, run beside. See
 * fuzz.h. */
#include "fuzz.h"

enum { MANY = 6 };

static mg_node chosen[2 * MANY];
static double numbers[4 * MANY];

static void begin(void)
{
}

static void choose(void)
{
    for (int i = 0; i < 2 * MANY; i++) chosen[i] = handle();
    for (int i = 0; i < 4; i++) numbers[below(4 * MANY)] = number();
}

static void many_kept(int status, int64_t count, const mg_node *made)
{
    for (int64_t i = 0; known(status) == MG_OK && i < count; i++) keep(made[i]);
}

/* Bulk builders: of several nodes, all or none. */
static void build(void)
{
    mg_node made[2 * MANY];
    const int64_t sizes[] = {1 + below(2), 1 + below(2), 1};
    const int64_t targets[] = {below(4) - 1, below(3), below(3)};
    int count = 1 + below(MANY), rows = below(3), kind = below(3);
    switch (below(6)) {
    case 0: many_kept(mg_softmax(arena, count, chosen, made), count, made); break;
    case 1: many_kept(mg_rmsnorm(arena, count, chosen, 1e-5, made), count, made); break;
    case 2: keep(mg_dot(arena, count, chosen, chosen + MANY)); break;
    case 3: keep((below(2) ? mg_sum : mg_mean)(arena, count, chosen)); break;
    case 4:
        many_kept(mg_cross_entropy(arena, rows, 2, chosen, targets, below(2), kind, made),
                  kind ? 1 : rows, made);
        break;
    default:
        many_kept(mg_mlp(arena, 1 + below(2), sizes, below(MG_SCALAR_OP_COUNT + 2) - 1,
                         MG_TANH, chosen, 1, below(2) ? chosen : NULL,
                         below(4) ? numbers : NULL, made),
                  1, made);
        break;
    }
}

static void record(void)
{
    int op = below(MG_SCALAR_OP_COUNT + 1), count = 1 + below(MANY);
    switch (below(5)) {
    case 0: keep(mg_record_number(arena, op, chosen[0], numbers[0])); break;
    case 1: keep(mg_subtract(arena, chosen[0], chosen[1])); break;
    case 2: keep(mg_divide(arena, chosen[0], chosen[1])); break;
    case 3: keep(mg_given(arena, 1.5, count, chosen, below(2) ? numbers : NULL)); break;
    default: keep(mg_record(arena, op, chosen[0], below(3) ? chosen[1] : 0)); break;
    }
}

static void look(void)
{
    double out[64];
    switch (below(6)) {
    case 0: keep(mg_node_operand(arena, chosen[0], below(4) - 1)); break;
    case 1: known(mg_data(arena, 1 + below(MANY), chosen, out)); break;
    case 2: known(mg_gradients(arena, 1 + below(MANY), chosen, out)); break;
    case 3: known(mg_node_op(arena, chosen[0])); break;
    case 4:
        if (known(mg_node_operands(arena, chosen[0])) < 64)
            known(mg_node_factors(arena, chosen[0], out));
        break;
    default: known(mg_node_exponent(arena, chosen[0], out)); break;
    }
}

static void write(void)
{
    int count = below(3);
    switch (below(5)) {
    case 0: known(mg_set_data(arena, count, chosen, numbers)); break;
    case 1: known(mg_set_gradients(arena, count, chosen, numbers)); break;
    case 2:
        known(mg_sgd_step(arena, count, chosen, numbers, below(2), 0.1, numbers[7], 0.0,
                          numbers[8], below(2)));
        break;
    case 3:
        known(mg_adam_step(arena, count, chosen, numbers, numbers + 4, below(4), 0.1,
                           numbers[8], 0.99, numbers[9], 0.0, below(4)));
        break;
    default: known(mg_zero_gradients(arena, count, chosen)); break;
    }
}

/* Give back what is not ours to give, and once more what is. */
static void give_back(void)
{
    mg_node bad = below(2) ? gone : handle();
    int owned = 0, slot = below(SLOTS);
    for (int i = 0; i < SLOTS; i++) owned += handles[i] && handles[i] == bad;
    if (!owned) {
        EXPECT(mg_release(arena, bad) == MG_ERR_STALE);
        EXPECT(bad == foreign || mg_release(other, bad) == MG_ERR_STALE);
    } else if (mg_retain(arena, bad) == MG_OK) {
        put(slot, bad);
    }
}

static void backward(void)
{
    double out[MANY];
    mg_node made[MANY];
    int count = below(MANY), status;
    switch (below(8)) {
    case 0: known(mg_backward_resume(arena, below(4))); break;
    case 1: known(mg_backward_cancel(arena)); break;
    case 2: known(mg_derive(arena, chosen[0], below(4))); break;
    case 3: known(mg_derivatives(arena, count, chosen, out)); break;
    case 4:
        status = mg_grad(arena, chosen[0], count, chosen + 1, made);
        many_kept(status, count, made);
        break;
    case 5: known(mg_node_call(arena, chosen[0], below(2))); break;
    case 6:
        known(mg_node_flow(arena, below(2) ? chosen[0] : mg_backward_node(arena)));
        break;
    default: known(mg_backward(arena, chosen[0], numbers[0], below(4))); break;
    }
}

/* Do one of the calls that change nothing when they are refused. */
static void refusable(int kind)
{
    switch (kind) {
    case 0:
    case 1: keep(mg_leaf(arena, numbers[0])); break;
    case 2: build(); break;
    case 3:
    case 4: record(); break;
    case 5: look(); break;
    case 6: write(); break;
    default: keep(applied(1 + below(MG_OP_COUNT - 1), 0)); break;
    }
}

static void step(void)
{
    int kind = below(14);
    choose();
    uint64_t state = digest_of(arena);
    last_status = MG_OK;
    if (kind < 8) {
        refusable(kind);
        if (last_status < 0) EXPECT(digest_of(arena) == state);
    } else if (kind < 10) {
        drop(below(SLOTS));
    } else if (kind < 11) {
        give_back();
    } else {
        backward();
    }
    known(mg_set_ieee(arena, below(16) == 0));
}

static void end(void)
{
    known(mg_backward_cancel(arena));
    while (mg_backward_cancel(arena) == MG_OK && arena->walk.root) continue;
}
