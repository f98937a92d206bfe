/* record.c: recording an op on numbers; reading and writing nodes. */
#include "numbers/numbers.h"

/* Tell whether numbers have this op. */
static bool is_scalar_op(int op)
{
    return op >= 0 && op < MG_SCALAR_OP_COUNT;
}

/* ---- recording --------------------------------------------------------------------- */

mg_node mg_leaf(mg_arena *arena, double data)
{
    uint32_t made;
    MG_TRY(arena_enter(arena));
    int status = node_make(arena, MG_LEAF, 0, 0, data, &made);
    mg_node handle = status < 0 ? status : handle_retain(arena, made);
    arena_unlock(arena);
    return handle;
}

/* Record op(a, b) of living nodes; b 0 for one operand. */
static mg_node record(mg_arena *arena, int op, uint32_t a, uint32_t b)
{
    uint32_t made;
    int status = MG_OK;
    double data = op_value(op, node_at(arena, a)->data, node_at(arena, b)->data, &status);
    if (MG_UNLIKELY(status < 0) && !arena->ieee) return status;
    MG_TRY(node_make(arena, op, a, b, data, &made));
    return handle_retain(arena, made);
}

/* Return how many handles mg_record() takes for an op; 0: it does not have it. */
static int handle_count(int op)
{
    static const uint8_t counts[] = {
#define MG_OP(NAME, name, symbol, arity, types, traits, ...) \
    (traits) & MG_TAKES_NUMBER ? 0 : (arity),
#include "ops.def"
    };
    return is_scalar_op(op) ? counts[op] : 0;
}

static mg_node record_handles(mg_arena *arena, int op, mg_node a, mg_node b)
{
    uint32_t index_a, index_b = 0;
    MG_RETURN_IF(handle_count(op) != (b ? 2 : 1), MG_ERR_ARG);
    MG_TRY(node_find(arena, a, &index_a));
    if (b) MG_TRY(node_find(arena, b, &index_b));
    return record(arena, op, index_a, index_b);
}

mg_node mg_record(mg_arena *arena, int op, mg_node a, mg_node b)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = record_handles(arena, op, a, b);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

static mg_node record_number(mg_arena *arena, int op, mg_node a, double number)
{
    uint32_t index;
    builder build;
    MG_RETURN_IF(!is_scalar_op(op), MG_ERR_ARG);
    MG_RETURN_IF(op_takes[op].operands + op_takes[op].numbers != 2, MG_ERR_ARG);
    MG_TRY(node_find(arena, a, &index));
    builder_open(&build, arena);
    uint32_t made = build_op_number(&build, op, index, number);
    mg_node handle = made ? handle_retain(arena, made) : 0;
    int status = builder_close(&build);
    return status < 0 ? status : handle;
}

mg_node mg_record_number(mg_arena *arena, int op, mg_node a, double number)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = record_number(arena, op, a, number);
    mode_leave(mode);
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
    mg_node handle = made ? handle_retain(arena, made) : 0;
    int status = builder_close(&build);
    return status < 0 ? status : handle;
}

mg_node mg_subtract(mg_arena *arena, mg_node a, mg_node b)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = record_nested(arena, MG_ADD, a, MG_MUL, b, -1.0);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

mg_node mg_divide(mg_arena *arena, mg_node a, mg_node b)
{
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = record_nested(arena, MG_MUL, a, MG_POW_NUMBER, b, -1.0);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

/* Record the copy of a node, whose data are as they are. */
static mg_node record_copy(mg_arena *arena, int op, mg_node a, mg_node b, double exponent,
                           double data)
{
    uint32_t index_a, index_b = 0;
    builder build;
    bool is_power = op == MG_POW_NUMBER && b == 0;
    MG_RETURN_IF(arena->log, MG_ERR_RECORDED);
    MG_RETURN_IF(!is_power && handle_count(op) != (b ? 2 : 1), MG_ERR_ARG);
    MG_TRY(node_find(arena, a, &index_a));
    if (b) MG_TRY(node_find(arena, b, &index_b));
    builder_open(&build, arena);
    if (is_power) index_b = build_leaf(&build, exponent);
    uint32_t made = build_node(&build, op, index_a, index_b, data);
    mg_node handle = made ? handle_retain(arena, made) : 0;
    int status = builder_close(&build);
    return status < 0 ? status : handle;
}

mg_node mg_record_copy(mg_arena *arena, int op, mg_node a, mg_node b, double exponent,
                       double data)
{
    arena_lock(arena);
    mg_node made = record_copy(arena, op, a, b, exponent, data);
    arena_unlock(arena);
    return made;
}

/* ---- reading and writing nodes ----------------------------------------------------- */

static int node_exponent(mg_arena *arena, mg_node handle, double *exponent)
{
    uint32_t index;
    MG_TRY(node_find(arena, handle, &index));
    const node *n = node_at(arena, index);
    MG_RETURN_IF(shown_op(n) != MG_POW_NUMBER, MG_ERR_ARG);
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
    MG_TRY(arena_enter(arena));
    int status = nodes_find(arena, count, nodes);
    if (arena->log && status == MG_OK) status = arena->log->read(arena, count, nodes);
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        out[i] = node_at(arena, index_of(nodes[i]))->data;
    arena_unlock(arena);
    return status;
}

int mg_gradients(mg_arena *arena, int64_t count, const mg_node *nodes, double *out)
{
    MG_TRY(arena_enter(arena));
    int status = nodes_find(arena, count, nodes);
    if (arena->log && status == MG_OK) status = MG_ERR_RECORDED;
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        out[i] = node_at(arena, index_of(nodes[i]))->gradient;
    arena_unlock(arena);
    return status;
}

int mg_set_data(mg_arena *arena, int64_t count, const mg_node *nodes, const double *data)
{
    MG_TRY(arena_enter(arena));
    int status = nodes_find_idle(arena, count, nodes);
    if (arena->log && status == MG_OK)
        status = arena->log->set(arena, count, nodes, data, false);
    for (int64_t i = 0; status == MG_OK && i < count; i++) {
        node *n = node_at(arena, index_of(nodes[i]));
        n->data = data[i];
        n->bits &= ~(uint32_t)SHIFT;
    }
    arena_unlock(arena);
    return status;
}

int mg_set_gradients(mg_arena *arena, int64_t count, const mg_node *nodes,
                     const double *to)
{
    MG_TRY(arena_enter(arena));
    int status = nodes_find_idle(arena, count, nodes);
    if (arena->log && status == MG_OK)
        status = arena->log->set(arena, count, nodes, to, true);
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        node_at(arena, index_of(nodes[i]))->gradient = to ? to[i] : 0.0;
    arena_unlock(arena);
    return status;
}

int mg_zero_gradients(mg_arena *arena, int64_t count, const mg_node *nodes)
{
    return mg_set_gradients(arena, count, nodes, NULL);
}

int mg_set_ieee(mg_arena *arena, int on)
{
    arena_lock(arena);
    int before = arena->ieee;
    arena->ieee = on != 0;
    arena_unlock(arena);
    return before;
}
