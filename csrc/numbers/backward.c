/* backward.c: the depth-first order, backward.
 *
 * The order of additions is part of the result: reversed depth-first postorder, operands
 * in operand order, one addition at a time. Reverse creation order changes the last
 * digits of 79 of 110 lines of LLM101n's program. Nothing here recurses. */
#include "numbers/numbers.h"

/* ---- the depth-first order --------------------------------------------------------- */

/* Make room for `steps` more steps: each lengthens one of the lists by at most one
 * item. */
static int walk_reserve(mg_arena *arena, size_t steps)
{
    walk *w = &arena->walk;
    MG_TRY(indices_reserve(arena, &w->stack, steps + 1));
    MG_TRY(indices_reserve(arena, &w->order, steps));
    MG_TRY(indices_reserve(arena, &w->leaves, steps));
    if (w->saved_capacity >= w->leaves.capacity) return MG_OK;
    double *saved = arena_allocate(arena, w->saved, w->saved_capacity * sizeof(double),
                                   w->leaves.capacity * sizeof(double));
    MG_RETURN_IF(!saved, MG_ERR_NOMEM);
    w->saved = saved;
    w->saved_capacity = w->leaves.capacity;
    return MG_OK;
}

/* Walk on from the node on top of the stack, for at most `steps` steps. The node at hand
 * and the heights of the lists stay in registers; the stack holds the nodes above, each
 * with the number of its next operand. A leaf is marked, and the gradient it holds
 * saved. */
static void walk_steps(mg_arena *arena, size_t steps)
{
    walk *w = &arena->walk;
    uint32_t *stack = w->stack.items, *order = w->order.items;
    size_t height = w->stack.count, ordered = w->order.count;
    uint32_t entry = stack[--height];
    node *n = node_at(arena, entry >> 2);
    for (; steps > 0; steps--) {
        uint32_t which = entry & 3;
        if (which == arity_of(n)) {
            order[ordered++] = entry >> 2;
            if (w->clears) n->gradient = 0.0;
            if (height == 0) break;
            entry = stack[--height];
            n = node_at(arena, entry >> 2);
            continue;
        }
        uint32_t below = n->operand[which];
        node *operand = node_at(arena, below);
        entry++;
        if (operand->bits & UNDER_WAY) continue;
        operand->bits |= UNDER_WAY;
        if (arity_of(operand) == 0) {
            w->saved[w->leaves.count] = operand->gradient;
            w->leaves.items[w->leaves.count++] = below;
            continue;
        }
        stack[height++] = entry;
        entry = below << 2;
        n = operand;
    }
    if (steps == 0) stack[height++] = entry;
    w->stack.count = height;
    w->order.count = ordered;
}

/* Continue the walk for about *budget steps, which it counts down. */
static int walk_continue(mg_arena *arena, int64_t *budget)
{
    const int64_t steps = 512;
    while (arena->walk.stack.count) {
        MG_RETURN_IF(*budget <= 0, MG_MORE);
        MG_TRY(walk_reserve(arena, (size_t)steps));
        walk_steps(arena, (size_t)steps);
        *budget -= steps;
    }
    return MG_OK;
}

/* Start a walk from root, which it marks and holds on to. */
static int walk_start(mg_arena *arena, uint32_t root, bool clears)
{
    walk *w = &arena->walk;
    MG_RETURN_IF(w->root, MG_ERR_BUSY);
    w->ordered = false;
    w->clears = clears;
    w->order.count = w->stack.count = w->leaves.count = 0;
    MG_TRY(walk_reserve(arena, 1));
    node *n = node_at(arena, root);
    if (arity_of(n) == 0) {
        w->saved[w->leaves.count] = n->gradient;
        w->leaves.items[w->leaves.count++] = root;
    } else {
        w->stack.items[w->stack.count++] = root << 2;
    }
    n->bits |= UNDER_WAY;
    n->references++;
    w->root = root;
    return MG_OK;
}

int walk_whole(mg_arena *arena, uint32_t root)
{
    int64_t budget = INT64_MAX;
    MG_TRY(walk_start(arena, root, false));
    int status = walk_continue(arena, &budget);
    if (status < 0) walk_close(arena);
    return status;
}

static void unmark(mg_arena *arena, const uint32_t *items, size_t count, int shift)
{
    for (size_t i = 0; i < count; i++)
        node_at(arena, items[i] >> shift)->bits &= ~(uint32_t)UNDER_WAY;
}

void walk_close(mg_arena *arena)
{
    walk *w = &arena->walk;
    unmark(arena, w->order.items, w->ordered ? w->remaining : w->order.count, 0);
    unmark(arena, w->stack.items, w->stack.count, 2);
    unmark(arena, w->leaves.items, w->leaves.count, 0);
    uint32_t root = w->root;
    w->root = 0;
    node_release(arena, root);
    indices_trim(arena, &w->order);
    indices_trim(arena, &w->stack);
    indices_trim(arena, &w->leaves);
    if (w->saved_capacity <= w->leaves.capacity) return;
    arena_allocate(arena, w->saved, w->saved_capacity * sizeof(double), 0);
    w->saved = NULL;
    w->saved_capacity = 0;
}

/* ---- backward ---------------------------------------------------------------------- */

/* Let gradients flow from the last node of the order to the first, for at most *budget
 * nodes. A node that has passed its gradient on is no longer marked. */
static int gradients_flow(mg_arena *arena, int64_t *budget)
{
    walk *w = &arena->walk;
    size_t remaining = w->remaining;
    int status = MG_OK;
    while (remaining && --*budget >= 0) {
        node *n = node_at(arena, w->order.items[remaining - 1]);
        op_flow(n, node_at(arena, n->operand[0]), node_at(arena, n->operand[1]), &status);
        if (MG_UNLIKELY(status != MG_OK)) break;
        n->bits &= ~(uint32_t)UNDER_WAY;
        remaining--;
    }
    w->remaining = remaining;
    return status < 0 ? status : remaining ? MG_MORE : MG_OK;
}

static int backward_continue(mg_arena *arena, int64_t budget)
{
    walk *w = &arena->walk;
    if (budget <= 0) budget = INT64_MAX;
    if (!w->ordered) {
        int status = walk_continue(arena, &budget);
        if (status != MG_OK) return status;
        w->ordered = true;
        w->remaining = w->order.count;
        node_at(arena, w->root)->gradient = w->seed;
    }
    return gradients_flow(arena, &budget);
}

/* Undo a backward: the leaves get their gradients back, the nodes between are cleared. */
static void backward_undo(mg_arena *arena)
{
    walk *w = &arena->walk;
    for (size_t i = 0; i < w->order.count; i++)
        node_at(arena, w->order.items[i])->gradient = 0.0;
    for (size_t i = 0; i < w->stack.count; i++)
        node_at(arena, w->stack.items[i] >> 2)->gradient = 0.0;
    for (size_t i = 0; i < w->leaves.count; i++)
        node_at(arena, w->leaves.items[i])->gradient = w->saved[i];
}

/* Close a backward that is done or failed; one with work left stays open. */
static int backward_settle(mg_arena *arena, int status)
{
    if (status == MG_MORE) return status;
    if (status < 0) backward_undo(arena);
    walk_close(arena);
    return status;
}

static int backward(mg_arena *arena, mg_node root, double seed, int64_t budget)
{
    uint32_t index;
    MG_TRY(node_find(arena, root, &index));
    MG_TRY(walk_start(arena, index, true));
    arena->walk.seed = seed;
    return backward_settle(arena, backward_continue(arena, budget));
}

int mg_backward(mg_arena *arena, mg_node root, double seed, int64_t budget)
{
    arena_lock(arena);
    int status = backward(arena, root, seed, budget);
    arena_unlock(arena);
    return status;
}

int mg_backward_resume(mg_arena *arena, int64_t budget)
{
    arena_lock(arena);
    int status = arena->walk.root
                     ? backward_settle(arena, backward_continue(arena, budget))
                     : MG_ERR_ARG;
    arena_unlock(arena);
    return status;
}

int mg_backward_cancel(mg_arena *arena)
{
    arena_lock(arena);
    if (arena->walk.root) {
        backward_undo(arena);
        walk_close(arena);
    }
    arena_unlock(arena);
    return MG_OK;
}
