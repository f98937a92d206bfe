/* graph.c: recording an op, the depth-first order, backward.
 *
 * The order of additions is part of the result: reversed depth-first postorder, operands
 * in operand order, one addition at a time. Reverse creation order changes the last
 * digits of 79 of 110 lines of LLM101n's program. Nothing here recurses. */
#include "base/core.h"

static const char *const op_names[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) #name,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) #name,
#include "ops.def"
#define MG_ARRAY(NAME, name, symbol, gradient) #name,
#include "ops.def"
};
static const char *const op_symbols[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) symbol,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) symbol,
#include "ops.def"
#define MG_ARRAY(NAME, name, symbol, gradient) symbol,
#include "ops.def"
};

static bool is_op(int op)
{
    return op >= 0 && op < MG_OP_COUNT;
}

/* Tell whether numbers have this op. */
static bool is_scalar_op(int op)
{
    return op >= 0 && op < MG_SCALAR_OP_COUNT;
}

int mg_op_count(void)
{
    return MG_OP_COUNT;
}

int mg_scalar_op_count(void)
{
    return MG_SCALAR_OP_COUNT;
}

const char *mg_op_name(int op)
{
    return is_op(op) ? op_names[op] : NULL;
}

const char *mg_op_symbol(int op)
{
    return is_op(op) ? op_symbols[op] : NULL;
}

int mg_op_arity(int op)
{
    static const int8_t arities[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
#define MG_ARRAY(NAME, name, symbol, gradient) -1,
#include "ops.def"
    };
    return is_op(op) ? arities[op] : MG_ERR_ARG;
}

/* ---- recording --------------------------------------------------------------------- */

mg_node mg_leaf(mg_arena *arena, double data)
{
    uint32_t made;
    arena_lock(arena);
    int status = node_make(arena, MG_LEAF, 0, 0, data, &made);
    mg_node handle = status < 0 ? status : handle_give(arena, made);
    arena_unlock(arena);
    return handle;
}

/* Record op(a, b) of living nodes; b 0 for one operand. */
static mg_node record(mg_arena *arena, int op, uint32_t a, uint32_t b)
{
    uint32_t made;
    int status = MG_OK;
    double data = op_value(op, node_at(arena, a)->data, node_at(arena, b)->data, &status);
    MG_TRY(status);
    MG_TRY(node_make(arena, op, a, b, data, &made));
    return handle_give(arena, made);
}

static mg_node record_handles(mg_arena *arena, int op, mg_node a, mg_node b)
{
    uint32_t index_a, index_b = 0;
    MG_RETURN_IF(!is_scalar_op(op) || op == MG_LEAF || op == MG_POW_NUMBER, MG_ERR_ARG);
    MG_RETURN_IF((op_arity(op) == 2) != (b != 0), MG_ERR_ARG);
    MG_TRY(node_find(arena, a, &index_a));
    if (b) MG_TRY(node_find(arena, b, &index_b));
    return record(arena, op, index_a, index_b);
}

mg_node mg_record(mg_arena *arena, int op, mg_node a, mg_node b)
{
    arena_lock(arena);
    mg_node made = record_handles(arena, op, a, b);
    arena_unlock(arena);
    return made;
}

static mg_node record_number(mg_arena *arena, int op, mg_node a, double number)
{
    uint32_t index;
    builder build;
    MG_RETURN_IF(!is_scalar_op(op), MG_ERR_ARG);
    MG_RETURN_IF(op_arity(op) != 2 && op != MG_POW_NUMBER, MG_ERR_ARG);
    MG_TRY(node_find(arena, a, &index));
    builder_open(&build, arena);
    uint32_t made = build_op_number(&build, op, index, number);
    mg_node handle = made ? handle_give(arena, made) : 0;
    int status = builder_close(&build);
    return status < 0 ? status : handle;
}

mg_node mg_record_number(mg_arena *arena, int op, mg_node a, double number)
{
    arena_lock(arena);
    mg_node made = record_number(arena, op, a, number);
    arena_unlock(arena);
    return made;
}

/* Record outer(a, inner(b, leaf(number))), the shape of micrograd's a - b and a / b. */
static mg_node record_nested(mg_arena *arena, int outer, mg_node a, int inner, mg_node b,
                             double number)
{
    uint32_t index_a, index_b;
    builder build;
    MG_TRY(node_find(arena, a, &index_a));
    MG_TRY(node_find(arena, b, &index_b));
    builder_open(&build, arena);
    uint32_t nested = build_op_number(&build, inner, index_b, number);
    uint32_t made = build_op(&build, outer, index_a, nested);
    mg_node handle = made ? handle_give(arena, made) : 0;
    int status = builder_close(&build);
    return status < 0 ? status : handle;
}

mg_node mg_subtract(mg_arena *arena, mg_node a, mg_node b)
{
    arena_lock(arena);
    mg_node made = record_nested(arena, MG_ADD, a, MG_MUL, b, -1.0);
    arena_unlock(arena);
    return made;
}

mg_node mg_divide(mg_arena *arena, mg_node a, mg_node b)
{
    arena_lock(arena);
    mg_node made = record_nested(arena, MG_MUL, a, MG_POW_NUMBER, b, -1.0);
    arena_unlock(arena);
    return made;
}

/* ---- reading and writing nodes ----------------------------------------------------- */

int mg_node_op(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int status = node_find(arena, handle, &index);
    if (status == MG_OK) status = op_of(node_at(arena, index));
    arena_unlock(arena);
    return status;
}

static mg_node node_operand(mg_arena *arena, mg_node handle, int which)
{
    uint32_t index;
    MG_TRY(node_find(arena, handle, &index));
    const node *n = node_at(arena, index);
    MG_RETURN_IF(which < 0 || which >= (int)arity_of(n), MG_ERR_ARG);
    return handle_give(arena, n->operand[which]);
}

mg_node mg_node_operand(mg_arena *arena, mg_node handle, int which)
{
    arena_lock(arena);
    mg_node operand = node_operand(arena, handle, which);
    arena_unlock(arena);
    return operand;
}

static int node_exponent(mg_arena *arena, mg_node handle, double *exponent)
{
    uint32_t index;
    MG_TRY(node_find(arena, handle, &index));
    const node *n = node_at(arena, index);
    MG_RETURN_IF(op_of(n) != MG_POW_NUMBER, MG_ERR_ARG);
    *exponent = node_at(arena, n->operand[1])->data;
    return MG_OK;
}

int mg_node_exponent(mg_arena *arena, mg_node handle, double *exponent)
{
    arena_lock(arena);
    int status = node_exponent(arena, handle, exponent);
    arena_unlock(arena);
    return status;
}

int mg_data(mg_arena *arena, int64_t count, const mg_node *nodes, double *out)
{
    arena_lock(arena);
    int status = nodes_find(arena, count, nodes);
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        out[i] = node_at(arena, index_of(nodes[i]))->data;
    arena_unlock(arena);
    return status;
}

int mg_gradients(mg_arena *arena, int64_t count, const mg_node *nodes, double *out)
{
    arena_lock(arena);
    int status = nodes_find(arena, count, nodes);
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        out[i] = node_at(arena, index_of(nodes[i]))->gradient;
    arena_unlock(arena);
    return status;
}

int mg_set_data(mg_arena *arena, int64_t count, const mg_node *nodes, const double *data)
{
    arena_lock(arena);
    int status = nodes_find_idle(arena, count, nodes);
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        node_at(arena, index_of(nodes[i]))->data = data[i];
    arena_unlock(arena);
    return status;
}

int mg_set_gradients(mg_arena *arena, int64_t count, const mg_node *nodes,
                     const double *to)
{
    arena_lock(arena);
    int status = nodes_find_idle(arena, count, nodes);
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        node_at(arena, index_of(nodes[i]))->gradient = to ? to[i] : 0.0;
    arena_unlock(arena);
    return status;
}

int mg_zero_gradients(mg_arena *arena, int64_t count, const mg_node *nodes)
{
    return mg_set_gradients(arena, count, nodes, NULL);
}

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
        if (operand->kind & UNDER_WAY) continue;
        operand->kind |= UNDER_WAY;
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
static int walk_open(mg_arena *arena, uint32_t root, bool clears)
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
    n->kind |= UNDER_WAY;
    n->references++;
    w->root = root;
    return MG_OK;
}

int walk_whole(mg_arena *arena, uint32_t root)
{
    int64_t budget = INT64_MAX;
    MG_TRY(walk_open(arena, root, false));
    int status = walk_continue(arena, &budget);
    if (status < 0) walk_close(arena);
    return status;
}

static void unmark(mg_arena *arena, const uint32_t *items, size_t count, int shift)
{
    for (size_t i = 0; i < count; i++)
        node_at(arena, items[i] >> shift)->kind &= ~(uint32_t)UNDER_WAY;
}

void walk_close(mg_arena *arena)
{
    walk *w = &arena->walk;
    unmark(arena, w->order.items, w->ordered ? w->remaining : w->order.count, 0);
    unmark(arena, w->stack.items, w->stack.count, 2);
    unmark(arena, w->leaves.items, w->leaves.count, 0);
    uint32_t root = w->root;
    w->root = 0;
    node_unuse(arena, root);
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
        n->kind &= ~(uint32_t)UNDER_WAY;
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
    MG_TRY(walk_open(arena, index, true));
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
