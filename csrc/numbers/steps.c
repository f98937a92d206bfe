/* steps.c: many ops recorded in one call.
 *
 * One call takes the lock and sets the mode once, and what only later steps use needs no
 * handle, to be looked up and given back. */
#include "numbers/numbers.h"

enum {
    FEW_STEPS = 128, /* whose indices fit on the stack */
    STEPS_ASKED = 1 << 14 /* between two questions whether to give up */
};

/* A batch that is being recorded. */
typedef struct step_batch {
    builder build;
    const mg_step *steps;
    uint32_t *made; /* indices of what the steps have made */
    int64_t unused; /* how many of these nothing refers to yet, and of number leaves */
} step_batch;

/* Tell whether a step's op is one of numbers and has as many operands as it takes. */
MG_INLINE bool is_step(const mg_step *step)
{
    static const uint8_t operands[] = {
#define MG_OP(NAME, name, symbol, arity, types, traits, ...) \
    (traits) & MG_TAKES_NUMBER ? 3 : (arity),
#include "ops.def"
    };
    if ((unsigned)step->op >= MG_SCALAR_OP_COUNT) return false;
    const int takes = operands[step->op], has = step->b ? 2 : step->a ? 1 : 0;
    return MG_UNLIKELY(takes == 3) ? step->b == MG_NUMBER : has == takes;
}

/* Return the index of an operand of step `at`. */
MG_INLINE uint32_t step_operand(step_batch *all, int64_t at, mg_node operand)
{
    uint32_t index = 0;
    const uint64_t step = (uint64_t)operand - MG_FIRST_RESULT;
    if (step < (uint64_t)at) return all->made[step];
    if (operand == MG_NUMBER) {
        all->unused++;
        return build_leaf(&all->build, all->steps[at].number);
    }
    if (all->build.status == MG_OK)
        all->build.status = node_find(all->build.arena, operand, &index);
    return index;
}

/* Record op(a, b), b 0 for one operand, which are no longer unused. */
MG_INLINE uint32_t build_used(step_batch *all, int op, uint32_t a, uint32_t b)
{
    mg_arena *arena = all->build.arena;
    if (MG_UNLIKELY(all->build.status < 0)) return 0;
    all->unused -= node_at(arena, a)->references == 0;
    if (b && b != a) all->unused -= node_at(arena, b)->references == 0;
    return build_op(&all->build, op, a, b);
}

static uint32_t build_step(step_batch *all, int64_t at)
{
    const mg_step *step = &all->steps[at];
    if (MG_UNLIKELY(!is_step(step))) {
        all->build.status = MG_ERR_ARG;
        return 0;
    }
    if (step->op == MG_LEAF) return build_leaf(&all->build, step->number);
    const uint32_t a = step_operand(all, at, step->a);
    return build_used(all, step->op, a, step->b ? step_operand(all, at, step->b) : 0);
}

/* Record the steps; returns how many. */
static int64_t steps_build(step_batch *all, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t index = all->made[i] = build_step(all, i);
        if (!work_steps(i + 1, STEPS_ASKED)) all->build.status = MG_ERR_INTERRUPTED;
        if (MG_UNLIKELY(all->build.status < 0)) return i;
        if (all->steps[i].result) node_retain(all->build.arena, index);
        else all->unused++;
    }
    return count;
}

/* Free what nothing refers to, last first: then what only it used is free, too. */
static void unused_free(const step_batch *all, int64_t count)
{
    for (int64_t i = count; i-- > 0;) node_drop(all->build.arena, all->made[i]);
}

/* Give out the results, which have been retained. */
static void step_results_give(const step_batch *all, int64_t count)
{
    mg_arena *arena = all->build.arena;
    for (int64_t i = 0; i < count; i++) {
        if (!all->steps[i].result) continue;
        *all->steps[i].result = handle_retain(arena, all->made[i]);
        node_at(arena, all->made[i])->references--;
    }
}

static int batch_record(step_batch *all, mg_arena *arena, int64_t count, int64_t *failed)
{
    builder_open(&all->build, arena);
    const int64_t done = steps_build(all, count);
    int status = builder_close(&all->build);
    if (status < 0) {
        *failed = done;
        return status;
    }
    step_results_give(all, count);
    if (all->unused) unused_free(all, count);
    return MG_OK;
}

/* Record steps with memory for their indices. */
static int record_steps(mg_arena *arena, int64_t count, const mg_step *steps,
                        int64_t *failed)
{
    uint32_t few[FEW_STEPS];
    step_batch all = {.steps = steps, .made = few};
    MG_RETURN_IF(count < 0 || count > MAX_NODES, MG_ERR_ARG);
    if (count <= FEW_STEPS) return batch_record(&all, arena, count, failed);
    lasting_work(arena, count);
    size_t size = (size_t)count * sizeof(uint32_t);
    all.made = arena_allocate(arena, NULL, 0, size);
    MG_RETURN_IF(!all.made, MG_ERR_NOMEM);
    int status = batch_record(&all, arena, count, failed);
    arena_allocate(arena, all.made, size, 0);
    return status;
}

int mg_record_steps(mg_arena *arena, int64_t count, const mg_step *steps,
                    int64_t *failed)
{
    int64_t at = -1;
    int status = arena_enter(arena);
    if (status == MG_OK) {
        const uint64_t mode = mode_enter();
        status = record_steps(arena, count, steps, &at);
        mode_leave(mode);
        arena_unlock(arena);
    }
    if (failed) *failed = at;
    return status;
}
