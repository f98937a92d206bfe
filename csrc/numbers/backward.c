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
 * saved; it is in the order, too, if the caller is called at it. */
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
            if (MG_UNLIKELY(op_of(operand) == CALLED)) order[ordered++] = below;
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
        lasting_work(arena, (int64_t)arena->walk.order.count);
        MG_TRY(walk_reserve(arena, (size_t)steps));
        walk_steps(arena, (size_t)steps);
        *budget -= steps;
    }
    return MG_OK;
}

static void unmark(mg_arena *arena, const uint32_t *items, size_t count, int shift)
{
    for (size_t i = 0; i < count; i++)
        node_at(arena, items[i] >> shift)->bits &= ~(uint32_t)UNDER_WAY;
}

static void mark(mg_arena *arena, const uint32_t *items, size_t count)
{
    for (size_t i = 0; i < count; i++) node_at(arena, items[i])->bits |= UNDER_WAY;
}

/* Put aside a walk that has stopped for its caller, who begins another one. */
static int walk_suspend(mg_arena *arena)
{
    walk *w = &arena->walk;
    walk *outer = arena_allocate(arena, NULL, 0, sizeof *outer);
    MG_RETURN_IF(!outer, MG_ERR_NOMEM);
    unmark(arena, w->order.items, w->remaining, 0);
    unmark(arena, w->leaves.items, w->leaves.count, 0);
    *outer = *w;
    memset(w, 0, sizeof *w);
    w->outer = outer;
    return MG_OK;
}

static void doubles_free(mg_arena *arena, double **numbers, size_t count)
{
    if (*numbers) arena_allocate(arena, *numbers, count * sizeof(double), 0);
    *numbers = NULL;
}

/* Go back to the walk that was put aside. */
static void walk_return(mg_arena *arena)
{
    walk *w = &arena->walk, *outer = w->outer;
    indices *lists[] = {&w->order, &w->stack, &w->leaves};
    for (int i = 0; i < 3; i++) {
        size_t size = lists[i]->capacity * sizeof(uint32_t);
        if (size) arena_allocate(arena, lists[i]->items, size, 0);
    }
    doubles_free(arena, &w->saved, w->saved_capacity);
    *w = *outer;
    arena_allocate(arena, outer, sizeof *outer, 0);
    mark(arena, w->order.items, w->remaining);
    mark(arena, w->leaves.items, w->leaves.count);
}

/* Find the walk that has stopped at a node, from w outwards; NULL: none has. */
static walk *walk_stopped_at(walk *w, uint32_t index)
{
    while (w && !(w->stopped && w->order.items[w->remaining - 1] == index)) w = w->outer;
    return w;
}

/* Change places with the walk that the caller goes on with: w, which was put aside. What
 * lay between them stays, in its order. */
static void walk_select(mg_arena *arena, walk *w)
{
    walk *top = &arena->walk, chosen = *w;
    walk **link = &top->outer;
    unmark(arena, top->order.items, top->remaining, 0);
    unmark(arena, top->leaves.items, top->leaves.count, 0);
    while (*link != w) link = &(*link)->outer;
    *link = w->outer;
    *w = *top;
    *top = chosen;
    top->outer = w;
    mark(arena, top->order.items, top->remaining);
    mark(arena, top->leaves.items, top->leaves.count);
}

/* Make room for a first step; when there is none, no walk has begun. */
static int walk_begin(mg_arena *arena)
{
    walk *w = &arena->walk;
    MG_RETURN_IF(w->root && !w->stopped, MG_ERR_BUSY);
    if (w->root) MG_TRY(walk_suspend(arena));
    w->order.count = w->stack.count = w->leaves.count = 0;
    int status = walk_reserve(arena, 1);
    if (status < 0 && w->outer) walk_return(arena);
    return status;
}

/* Start a walk from root, which it marks and holds on to. */
static int walk_start(mg_arena *arena, uint32_t root, bool clears)
{
    walk *w = &arena->walk;
    MG_TRY(walk_begin(arena));
    w->ordered = w->stopped = w->keeps = false;
    w->clears = clears;
    w->ieee = arena->ieee;
    node *n = node_at(arena, root);
    if (arity_of(n) == 0) {
        w->saved[w->leaves.count] = n->gradient;
        w->leaves.items[w->leaves.count++] = root;
        if (op_of(n) == CALLED) w->order.items[w->order.count++] = root;
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
    int status;
    MG_TRY(walk_start(arena, root, false));
    do {
        int64_t budget = (1 << 17) / MG_ASK_OFTEN;
        status = work_goes_on() ? walk_continue(arena, &budget) : MG_ERR_INTERRUPTED;
    } while (status == MG_MORE);
    if (status < 0) walk_close(arena);
    return status;
}

void walk_close(mg_arena *arena)
{
    walk *w = &arena->walk;
    unmark(arena, w->order.items, w->ordered ? w->remaining : w->order.count, 0);
    unmark(arena, w->stack.items, w->stack.count, 2);
    unmark(arena, w->leaves.items, w->leaves.count, 0);
    uint32_t root = w->root;
    w->root = 0;
    w->stopped = false;
    doubles_free(arena, &w->held, w->order.count + w->leaves.count);
    node_release(arena, root);
    if (w->outer) {
        walk_return(arena);
        return;
    }
    indices_trim(arena, &w->order);
    indices_trim(arena, &w->stack);
    indices_trim(arena, &w->leaves);
    if (w->saved_capacity <= w->leaves.capacity) return;
    doubles_free(arena, &w->saved, w->saved_capacity);
    w->saved_capacity = 0;
}

void gradients_swap(mg_arena *arena, double *held)
{
    const indices *lists[] = {&arena->walk.order, &arena->walk.leaves};
    for (int list = 0; list < 2; list++) {
        for (size_t i = 0; i < lists[list]->count; i++) {
            node *n = node_at(arena, lists[list]->items[i]);
            double gradient = n->gradient;
            if (list == 0 && arity_of(n) == 0) continue; /* it is among the leaves, too */
            n->gradient = *held;
            *held++ = gradient;
        }
    }
}

/* ---- backward ---------------------------------------------------------------------- */

/* Let gradients flow from the last node of the order to the first, for at most *budget
 * nodes. A node that has passed its gradient on is no longer marked. */
static int gradients_flow(mg_arena *arena, int64_t *budget)
{
    walk *w = &arena->walk;
    size_t remaining = w->remaining;
    int status = MG_OK;
    lasting_work(arena, (int64_t)remaining);
    while (remaining && --*budget >= 0) {
        node *n = node_at(arena, w->order.items[remaining - 1]);
        op_flow(n, node_at(arena, n->operand[0]), node_at(arena, n->operand[1]), &status);
        if (MG_UNLIKELY(status != MG_OK)) {
            if (status > 0 || !w->ieee) break;
            status = MG_OK;
        }
        n->bits &= ~(uint32_t)UNDER_WAY;
        remaining--;
    }
    w->remaining = remaining;
    w->stopped = status == MG_CALL;
    return status != MG_OK ? status : remaining ? MG_MORE : MG_OK;
}

/* Set the gradients of all nodes of the walk to 0 and keep what they were. */
static int gradients_hold(mg_arena *arena)
{
    walk *w = &arena->walk;
    size_t size = (w->order.count + w->leaves.count) * sizeof(double);
    w->held = arena_allocate(arena, NULL, 0, size);
    MG_RETURN_IF(!w->held, MG_ERR_NOMEM);
    memset(w->held, 0, size);
    gradients_swap(arena, w->held);
    return MG_OK;
}

static int backward_continue(mg_arena *arena, int64_t budget)
{
    walk *w = &arena->walk;
    if (budget <= 0) budget = INT64_MAX;
    if (!w->ordered) {
        int status = walk_continue(arena, &budget);
        if (status != MG_OK) return status;
        if (w->keeps) MG_TRY(gradients_hold(arena));
        w->ordered = true;
        w->remaining = w->order.count;
        slots_turn_over(arena, w->order.count);
        node_at(arena, w->root)->gradient = w->seed;
    }
    if (w->stopped) {
        node_at(arena, w->order.items[--w->remaining])->bits &= ~(uint32_t)UNDER_WAY;
        w->stopped = false;
    }
    return gradients_flow(arena, &budget);
}

/* Undo a backward: the leaves get their gradients back, the nodes between are cleared or,
 * where it keeps them, get back theirs, too. */
static void backward_undo(mg_arena *arena)
{
    walk *w = &arena->walk;
    if (w->held) gradients_swap(arena, w->held);
    if (w->keeps) return;
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
    if (status > 0 || (status == MG_OK && arena->walk.keeps)) return status;
    if (status < 0) backward_undo(arena);
    walk_close(arena);
    /* A recording has it as done: like a step of which nobody told, it ends that. */
    if (status < 0 && arena->log) arena->log->step(arena, INT64_MIN, NULL);
    return status;
}

static int backward(mg_arena *arena, mg_node root, double seed, int64_t budget,
                    bool keeps)
{
    uint32_t index;
    MG_RETURN_IF(budget < 0, MG_ERR_ARG);
    MG_TRY(node_find(arena, root, &index));
    MG_RETURN_IF(arena->log && keeps, MG_ERR_RECORDED);
    if (arena->log) MG_TRY(arena->log->backward(arena, index, seed));
    MG_TRY(walk_start(arena, index, !keeps));
    arena->walk.keeps = keeps;
    arena->walk.seed = seed;
    return backward_settle(arena, backward_continue(arena, budget));
}

int mg_backward(mg_arena *arena, mg_node root, double seed, int64_t budget)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = backward(arena, root, seed, budget, false);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

int mg_derive(mg_arena *arena, mg_node root, int64_t budget)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = backward(arena, root, 1.0, budget, true);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

/* Read derivatives from the gradients of a walk that keeps the ones before. */
static int derivatives(mg_arena *arena, int64_t count, const mg_node *inputs, double *out)
{
    walk *w = &arena->walk;
    MG_RETURN_IF(!w->root || !w->held || w->remaining, MG_ERR_ARG);
    MG_TRY(nodes_find(arena, count, inputs));
    mark(arena, w->order.items, w->order.count);
    for (int64_t i = 0; i < count; i++) {
        const node *n = node_at(arena, index_of(inputs[i]));
        out[i] = n->bits & UNDER_WAY ? n->gradient : 0.0;
    }
    unmark(arena, w->order.items, w->order.count, 0);
    backward_undo(arena);
    walk_close(arena);
    return MG_OK;
}

int mg_derivatives(mg_arena *arena, int64_t count, const mg_node *inputs, double *out)
{
    arena_lock(arena);
    int status = derivatives(arena, count, inputs, out);
    arena_unlock(arena);
    return status;
}

mg_node mg_backward_node(mg_arena *arena)
{
    arena_lock(arena);
    walk *w = &arena->walk;
    uint32_t index = w->stopped ? w->order.items[w->remaining - 1] : 0;
    if (index) node_at(arena, index)->bits |= EXPOSED;
    uint64_t generation = index ? slot_at(arena, index)->generation : 0;
    arena_unlock(arena);
    return index ? (mg_node)(generation << 32 | index) : MG_ERR_ARG;
}

static int backward_select(mg_arena *arena, mg_node at)
{
    uint32_t index;
    MG_TRY(node_find(arena, at, &index));
    MG_RETURN_IF(arena->walk.root && !arena->walk.stopped, MG_ERR_BUSY);
    walk *w = walk_stopped_at(&arena->walk, index);
    MG_RETURN_IF(!w, MG_ERR_ARG);
    if (w != &arena->walk) walk_select(arena, w);
    return MG_OK;
}

int mg_backward_select(mg_arena *arena, mg_node at)
{
    arena_lock(arena);
    int status = backward_select(arena, at);
    arena_unlock(arena);
    return status;
}

static bool is_any_marked(const mg_arena *arena, const uint32_t *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (node_at(arena, items[i])->bits & UNDER_WAY) return true;
    return false;
}

static int backward_meets(mg_arena *arena, mg_node root, mg_node at)
{
    uint32_t index, stop;
    MG_TRY(node_find(arena, root, &index));
    MG_TRY(node_find(arena, at, &stop));
    MG_TRY(walk_whole(arena, index));
    const walk *w = walk_stopped_at(arena->walk.outer, stop);
    int status = !w ? MG_ERR_ARG
                 : is_any_marked(arena, w->order.items, w->remaining)      ? MG_MEETS_NODES
                 : is_any_marked(arena, w->leaves.items, w->leaves.count) ? MG_MEETS_LEAVES
                                                                          : MG_OK;
    walk_close(arena);
    return status;
}

int mg_backward_meets(mg_arena *arena, mg_node root, mg_node at)
{
    arena_lock(arena);
    int status = backward_meets(arena, root, at);
    arena_unlock(arena);
    return status;
}

int mg_backward_resume(mg_arena *arena, int64_t budget)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = arena->walk.root && budget >= 0
                     ? backward_settle(arena, backward_continue(arena, budget))
                     : MG_ERR_ARG;
    mode_leave(mode);
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
