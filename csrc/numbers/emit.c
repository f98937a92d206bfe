/* emit.c: gradients as nodes: the formulas of ops.def recorded instead of computed, so
 * that a gradient can be differentiated again, any number of times.
 *
 * The order of the additions is backward's, so the data of the recorded gradients are
 * backward's gradients to the last bit. The whole call holds the arena's lock. */
#include "numbers/numbers.h"

/* Record op(a, b); one call per operation of a formula keeps the expansions small. */
static uint32_t emit(builder *build, int op, uint32_t a, uint32_t b)
{
    return build_op(build, op, a, b);
}

/* x ** exponent; x**0 is a constant, for to differentiate it would ask for x**-1. */
static uint32_t emit_pow(builder *build, uint32_t x, double exponent)
{
    if (exponent == 0.0) return build_leaf(build, 1.0);
    return build_op_number(build, MG_POW_NUMBER, x, exponent);
}

static uint32_t emit_leaf(builder *build, double data)
{
    return build_leaf(build, data);
}

/* What a node holds; 0 for the missing node of a failed builder. */
static double data_of(const builder *build, uint32_t index)
{
    return node_at(build->arena, index)->data;
}

/* The generic operations of ops.def for nodes. They use the name `build` of their
 * includer. */
#define ADD(x, y) emit(build, MG_ADD, (x), (y))
#define SUB(x, y) emit(build, MG_SUB, (x), (y))
#define MUL(x, y) emit(build, MG_MUL, (x), (y))
#define DIV(x, y) emit(build, MG_DIV, (x), (y))
#define NEG(x) emit(build, MG_NEG, (x), 0)
#define POW(x, y) emit(build, MG_POW, (x), (y))
#define POWK(x, k) emit_pow(build, (x), (k))
#define EXP(x) emit(build, MG_EXP, (x), 0)
#define LOG(x) emit(build, MG_LOG, (x), 0)
#define LOG_OR_NAN(x) \
    (data_of(build, (x)) < 0.0 ? emit_leaf(build, NAN) : emit(build, MG_LOG, (x), 0))
#define SIN(x) emit(build, MG_SIN, (x), 0)
#define COS(x) emit(build, MG_COS, (x), 0)
#define TANH(x) emit(build, MG_TANH, (x), 0)
#define ERF(x) emit(build, MG_ERF, (x), 0)
#define SIGMOID(x) emit(build, MG_SIGMOID, (x), 0)
#define STEP(x) emit_leaf(build, data_of(build, (x)) > 0.0 ? 1.0 : 0.0)
#define SIGN(x) emit_leaf(build, sign(data_of(build, (x))))
#define SHARE(x, y) emit_leaf(build, share(data_of(build, (x)), data_of(build, (y))))
#define MASK(m, x) MUL(m, x)
#define IF_FLAT(x, y, then, otherwise) \
    (data_of(build, (x)) == 0.0 && data_of(build, (y)) > 0.0 ? (then) : (otherwise))
#define EITHER(number, element) (number)
#define CONST(c) emit_leaf(build, (c))
#define NONE 0
#define A a
#define B b
#define K data_of(build, b)
#define Y y
#define G g

static double sign(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0;
}

static double share(double x, double y)
{
    return x < y ? 0.0 : x == y ? 0.5 : 1.0;
}

/* Record what node y passes on to its operand `which`, given its gradient g. */
static uint32_t emit_gradient(builder *build, uint32_t y, int which, uint32_t g)
{
    const node *n = node_at(build->arena, y);
    uint32_t a = n->operand[0], b = n->operand[1];
    switch (op_of(n)) {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    case MG_##NAME: return which == 0 ? (gradient_a) : (gradient_b);
#include "ops.def"
    default: return 0;
    }
}

/* While gradients are emitted, gradient_node of a node of the walk names the node that
 * stands for its gradient so far, 0: none. */
static uint32_t gradient_of(const mg_arena *arena, uint32_t index)
{
    return node_at(arena, index)->gradient_node;
}

/* Add a contribution to the gradient of a node. The first one starts from 0.0, which only
 * shows in -0.0. */
static void gradient_emit(builder *build, uint32_t index, uint32_t contribution)
{
    uint32_t so_far = gradient_of(build->arena, index);
    double data = data_of(build, contribution);
    if (so_far)
        contribution = emit(build, MG_ADD, so_far, contribution);
    else if (data == 0.0 && signbit(data))
        contribution = build_op_number(build, MG_ADD, contribution, 0.0);
    node_at(build->arena, index)->gradient_node = contribution;
}

/* Tell whether a formula is known for each node of the walk. */
static bool has_formulas(const mg_arena *arena)
{
    const indices *order = &arena->walk.order;
    for (size_t i = 0; i < order->count; i++)
        if (op_of(node_at(arena, order->items[i])) >= MG_SCALAR_OP_COUNT) return false;
    return true;
}

static void gradients_emit(builder *build, uint32_t root)
{
    mg_arena *arena = build->arena;
    const indices *order = &arena->walk.order;
    node_at(arena, root)->gradient_node = emit_leaf(build, 1.0);
    for (size_t i = order->count; i-- > 0 && build->status == MG_OK;) {
        uint32_t y = order->items[i];
        uint32_t g = gradient_of(arena, y);
        if (!work_steps((int64_t)i, 1 << 14)) build->status = MG_ERR_INTERRUPTED;
        int arity = (int)arity_of(node_at(arena, y));
        for (int which = 0; which < arity && build->status == MG_OK; which++) {
            uint32_t contribution = emit_gradient(build, y, which, g);
            if (build->status == MG_OK)
                gradient_emit(build, node_at(arena, y)->operand[which], contribution);
        }
    }
}

/* Give out the gradients of the inputs, all or none. */
static void gradients_give(builder *build, int64_t count, const mg_node *inputs,
                           mg_node *out)
{
    mg_arena *arena = build->arena;
    int64_t i = 0;
    for (; i < count && build->status == MG_OK; i++) {
        uint32_t input = index_of(inputs[i]);
        bool reached = node_at(arena, input)->bits & UNDER_WAY;
        uint32_t gradient = reached ? gradient_of(arena, input) : emit_leaf(build, 0.0);
        if (build->status < 0) break;
        out[i] = handle_retain(arena, gradient);
    }
    while (build->status < 0 && i > 0) handle_undo(arena, out[--i]);
}

/* Free the gradients that no other one uses and nobody asked for. */
static void gradients_drop(mg_arena *arena)
{
    const indices *lists[] = {&arena->walk.order, &arena->walk.leaves};
    for (int list = 0; list < 2; list++) {
        for (size_t i = 0; i < lists[list]->count; i++)
            node_drop(arena, gradient_of(arena, lists[list]->items[i]));
    }
}

/* Emit with the graph walked and marked. */
static int grad_walked(mg_arena *arena, uint32_t root, int64_t count,
                       const mg_node *inputs, mg_node *out)
{
    size_t size = (arena->walk.order.count + arena->walk.leaves.count) * sizeof(double);
    double *held = arena_allocate(arena, NULL, 0, size);
    MG_RETURN_IF(!held, MG_ERR_NOMEM);
    memset(held, 0, size);
    builder build;
    builder_open(&build, arena);
    gradients_swap(arena, held);
    gradients_emit(&build, root);
    gradients_give(&build, count, inputs, out);
    int status = builder_close(&build);
    if (status == MG_OK) gradients_drop(arena);
    gradients_swap(arena, held);
    arena_allocate(arena, held, size, 0);
    return status;
}

static int grad(mg_arena *arena, mg_node root, int64_t count, const mg_node *inputs,
                mg_node *out)
{
    uint32_t index;
    MG_RETURN_IF(arena->log, MG_ERR_RECORDED);
    MG_TRY(node_find(arena, root, &index));
    MG_TRY(nodes_find(arena, count, inputs));
    MG_TRY(walk_whole(arena, index));
    int status = has_formulas(arena) ? grad_walked(arena, index, count, inputs, out)
                                     : MG_ERR_RULE;
    walk_close(arena);
    return status;
}

int mg_grad(mg_arena *arena, mg_node root, int64_t count, const mg_node *inputs,
            mg_node *out)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    int status = grad(arena, root, count, inputs, out);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

#include "base/ops_undef.inc.c"
