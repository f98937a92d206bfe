/* fuzz_sweeps.c: several sweeps at a time over the same graph, each a step here and
 * there: one opened while others have stopped, their nodes written to, released and given other
 * gradients in between, sweeps closed in any order. See fuzz.h. */
#include "fuzz.h"

enum { SWEEPS = 4, INPUTS = 3 };

typedef struct walker {
    mg_sweep *sweep;
    int inputs;
} walker;

static walker walkers[SWEEPS];

/* Record ops with gradients, and the one that the caller differentiates. */
static void record(void)
{
    static const int ops[] = {MG_ADD,     MG_MUL,      MG_TANH,   MG_SUM,   MG_MATMUL,
                              MG_RESHAPE, MG_FUNCTION, MG_OUTPUT, MG_SLICE, MG_CAT,
                              MG_EXPAND,  MG_MEAN,     MG_EXP,    MG_CLONE, MG_SOFTMAX};
    keep(applied(ops[below((int)(sizeof ops / sizeof *ops))], 0));
}

static void sweep_open(walker *w)
{
    mg_node roots[2], seeds[2] = {0}, inputs[INPUTS];
    int count = 1 + below(2);
    if (w->sweep) return;
    w->inputs = below(INPUTS + 1);
    for (int i = 0; i < 2; i++) roots[i] = handle();
    for (int i = 0; i < INPUTS; i++) inputs[i] = handle();
    for (int i = 0, seeded = below(3); seeded && i < count; i++)
        seeds[i] = mg_apply(arena, MG_DETACH, 1, &roots[i], 0, NULL, 0, NULL, 0, 0);
    for (int i = 0; i < count; i++) seeds[i] = seeds[i] < 0 ? 0 : seeds[i];
    int status = mg_sweep_open(arena, count, roots, seeds, w->inputs, inputs, below(8),
                               &w->sweep);
    if (known(status) < 0) w->sweep = NULL;
    for (int i = 0; i < count; i++)
        if (seeds[i]) EXPECT(mg_release(arena, seeds[i]) == MG_OK);
}

static void sweep_close(walker *w)
{
    mg_sweep_close(w->sweep);
    w->sweep = NULL;
}

/* Pass on a gradient of the right shape, mostly: that of the operand itself. */
static void contribute(walker *w)
{
    mg_node hub = mg_sweep_node(w->sweep);
    if (known(hub) <= 0) return;
    mg_node operand = mg_array_operand(arena, hub, below(3));
    if (known(operand) > 0) {
        known(mg_sweep_contribute(w->sweep, below(4) - 1, below(4) ? operand : handle()));
        EXPECT(mg_release(arena, operand) == MG_OK);
    }
    EXPECT(mg_release(arena, hub) == MG_OK);
}

static void replace(walker *w)
{
    mg_node at = mg_sweep_node(w->sweep);
    mg_node g = mg_sweep_gradient(w->sweep, below(4) ? at : handle());
    if (known(g) > 0) {
        mg_node copy = mg_apply(arena, MG_CLONE, 1, &g, 0, NULL, 0, NULL, 0, below(2));
        known(mg_sweep_replace(w->sweep, below(4) && copy > 0 ? copy : handle()));
        if (copy > 0) EXPECT(mg_release(arena, copy) == MG_OK);
        keep(g);
    }
    if (known(at) > 0) EXPECT(mg_release(arena, at) == MG_OK);
}

static void give(const walker *w)
{
    mg_node given[INPUTS];
    if (known(mg_sweep_give(w->sweep, given)) != MG_OK) return;
    for (int i = 0; i < w->inputs; i++) keep(given[i]);
}

static void sweep_step(walker *w)
{
    if (!w->sweep) {
        sweep_open(w);
        return;
    }
    switch (below(8)) {
    case 0: sweep_close(w); break;
    case 1: contribute(w); break;
    case 2: replace(w); break;
    case 3: give(w); break;
    default: known(mg_sweep_run(w->sweep, below(4) ? 0 : below(64))); break;
    }
}

static void begin(void)
{
}

static void step(void)
{
    switch (below(16)) {
    case 0: keep(array_made(below(2), below(3))); break;
    case 1: drop(below(SLOTS)); break;
    case 2: known(mg_require_gradient(arena, handle(), below(4) > 0)); break;
    case 3: known(mg_watch_gradient(arena, handle(), below(4) > 0)); break;
    case 4: known(mg_retain_gradient(arena, handle())); break;
    case 5: keep(mg_gradient(arena, handle())); break;
    case 6: known(mg_set_gradient(arena, handle(), below(2) ? handle() : 0)); break;
    case 7: known(mg_apply_in_place(arena, MG_ADD, handle(), handle(), 0)); break;
    case 8: keep(applied(MG_ASSIGN, 1)); break;
    case 9:
    case 10:
    case 11: record(); break;
    default: sweep_step(&walkers[below(SWEEPS)]); break;
    }
}

static void end(void)
{
    for (int i = 0; i < SWEEPS; i++)
        if (walkers[i].sweep) sweep_close(&walkers[i]);
}
