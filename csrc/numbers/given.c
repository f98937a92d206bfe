/* given.c: nodes that the caller defines, by their data, operands and factors; nodes whose
 * step in a backward is the caller's; one step of any node.
 *
 * A node has room for two operands, and one of the caller's may have more. It is a chain,
 * in which each part has one operand and the next part:
 *
 *     GIVEN(FACTOR(a, FACTOR(b, FACTOR(c))))     data of a FACTOR: the operand's factor
 *     BARE(a, LINK(b, c))                  BARE(a, b), BARE(a)
 *
 * The depth-first order comes to the operands in their order, then to the parts, last to
 * the node, so that backward does the node's and its parts' steps in one go: the order of
 * additions is that of a loop over operands. Nobody has a handle of a part. */
#include "numbers/numbers.h"

/* ---- recording --------------------------------------------------------------------- */

/* Record a node of a kind, with one operand or two. */
static uint32_t build_kind(builder *build, int kind, uint32_t a, uint32_t b, double data)
{
    uint32_t made = build_node(build, MG_LEAF, a, b, data);
    if (made)
        node_at(build->arena, made)->bits = (uint32_t)kind | (b ? 2u : 1u) << ARITY_SHIFT;
    return made;
}

static uint32_t build_given(builder *build, double data, int64_t count,
                            const mg_node *operands, const double *factors)
{
    uint32_t next = 0;
    for (int64_t i = count; i-- > 0 && build->status == MG_OK;)
        next = build_kind(build, FACTOR, index_of(operands[i]), next, factors[i]);
    return build_kind(build, GIVEN, next, 0, data);
}

static uint32_t build_bare(builder *build, double data, int64_t count,
                           const mg_node *operands)
{
    uint32_t next = count > 1 ? index_of(operands[count - 1]) : 0;
    for (int64_t i = count - 1; i-- > 1 && build->status == MG_OK;)
        next = build_kind(build, LINK, index_of(operands[i]), next, 0.0);
    return build_kind(build, BARE, index_of(operands[0]), next, data);
}

mg_node mg_given(mg_arena *arena, double data, int64_t count, const mg_node *operands,
                 const double *factors)
{
    builder build;
    mg_node handle = 0;
    arena_lock(arena);
    int status = count < 1 ? MG_ERR_ARG : nodes_find(arena, count, operands);
    if (arena->log && status == MG_OK) status = MG_ERR_RECORDED;
    if (status == MG_OK) {
        builder_open(&build, arena);
        uint32_t made = factors ? build_given(&build, data, count, operands, factors)
                                : build_bare(&build, data, count, operands);
        if (build.status == MG_OK) handle = handle_retain(arena, made);
        status = builder_close(&build);
    }
    arena_unlock(arena);
    return status < 0 ? status : handle;
}

/* ---- operands ---------------------------------------------------------------------- */

static bool is_link(const mg_arena *arena, uint32_t index)
{
    return op_of(node_at(arena, index)) == LINK;
}

/* Return a node's operand number `which`, 0: it has no such. */
static uint32_t operand_at(const mg_arena *arena, const node *n, int64_t which)
{
    int kind = shown_op(n);
    if (which < 0) return 0;
    if (kind != GIVEN && kind != BARE)
        return which < (int64_t)arity_of(n) ? n->operand[which] : 0;
    if (kind == GIVEN) n = node_at(arena, n->operand[0]);
    for (; which > 0 && n->operand[1]; which--) {
        if (kind == BARE && !is_link(arena, n->operand[1]))
            return which == 1 ? n->operand[1] : 0;
        n = node_at(arena, n->operand[1]);
    }
    return which == 0 ? n->operand[0] : 0;
}

static int64_t operand_count(const mg_arena *arena, const node *n)
{
    int kind = shown_op(n);
    if (kind != GIVEN && kind != BARE) return arity_of(n);
    int64_t count = kind == GIVEN ? 0 : 1;
    uint32_t next = n->operand[kind == GIVEN ? 0 : 1];
    for (; next; next = node_at(arena, next)->operand[1]) {
        count++;
        if (kind == BARE && !is_link(arena, next)) break;
    }
    return count;
}

int mg_node_op(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int status = node_find(arena, handle, &index);
    if (status == MG_OK) status = shown_op(node_at(arena, index));
    arena_unlock(arena);
    return status >= MG_SCALAR_OP_COUNT ? MG_GIVEN : status;
}

int64_t mg_node_operands(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int64_t count = node_find(arena, handle, &index);
    if (count == MG_OK) count = operand_count(arena, node_at(arena, index));
    arena_unlock(arena);
    return count;
}

static mg_node node_operand(mg_arena *arena, mg_node handle, int64_t which)
{
    uint32_t index;
    MG_TRY(node_find(arena, handle, &index));
    uint32_t operand = operand_at(arena, node_at(arena, index), which);
    return operand ? handle_share(arena, operand) : MG_ERR_ARG;
}

mg_node mg_node_operand(mg_arena *arena, mg_node handle, int64_t which)
{
    arena_lock(arena);
    mg_node operand = node_operand(arena, handle, which);
    arena_unlock(arena);
    return operand;
}

/* Compute what a node passes on of a gradient of 1, by the formula of its op. */
static int formula_factors(const mg_arena *arena, const node *n, double *out)
{
    int status = MG_OK;
    node plain = *n, first = *node_at(arena, n->operand[0]),
         second = *node_at(arena, n->operand[1]);
    plain.bits = (plain.bits & ~(uint32_t)0xFF) | (uint32_t)shown_op(n);
    plain.gradient = 1.0;
    first.gradient = second.gradient = 0.0;
    op_flow(&plain, &first, &second, &status);
    MG_RETURN_IF(status < 0 && !arena->ieee, status);
    if (arity_of(n) > 0) out[0] = first.gradient;
    if (arity_of(n) > 1) out[1] = second.gradient;
    return MG_OK;
}

static int node_factors(mg_arena *arena, mg_node handle, double *out)
{
    uint32_t index;
    MG_TRY(node_find(arena, handle, &index));
    MG_RETURN_IF(arena->log, MG_ERR_RECORDED);
    const node *n = node_at(arena, index);
    MG_RETURN_IF(shown_op(n) == BARE, MG_ERR_ARG);
    if (shown_op(n) != GIVEN) return formula_factors(arena, n, out);
    for (uint32_t part = n->operand[0]; part; part = node_at(arena, part)->operand[1])
        *out++ = node_at(arena, part)->data;
    return MG_OK;
}

int mg_node_factors(mg_arena *arena, mg_node handle, double *out)
{
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = node_factors(arena, handle, out);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

/* ---- the caller's rules ------------------------------------------------------------ */

/* Let the parts of a GIVEN node do something, or nothing. */
static void parts_set(const mg_arena *arena, const node *n, int kind)
{
    for (uint32_t part = n->operand[0]; part; part = node_at(arena, part)->operand[1]) {
        node *at = node_at(arena, part);
        at->bits = (at->bits & ~(uint32_t)0xFF) | (uint32_t)kind;
    }
}

static int node_call(mg_arena *arena, mg_node handle, bool called)
{
    uint32_t index;
    MG_TRY(node_find(arena, handle, &index));
    MG_RETURN_IF(arena->log, MG_ERR_RECORDED);
    node *n = node_at(arena, index);
    uint32_t kind = (uint32_t)shown_op(n);
    uint32_t rest = n->bits & ~(uint32_t)0xFF & (((uint32_t)1 << HIDDEN_SHIFT) - 1);
    n->bits = called ? rest | CALLED | kind << HIDDEN_SHIFT : rest | kind;
    if (kind == GIVEN) parts_set(arena, n, called ? LINK : FACTOR);
    return MG_OK;
}

int mg_node_call(mg_arena *arena, mg_node handle, int called)
{
    arena_lock(arena);
    int status = node_call(arena, handle, called);
    arena_unlock(arena);
    return status;
}

/* ---- one step ---------------------------------------------------------------------- */

/* Do the steps of a GIVEN node's parts; it has none that fails. */
static int parts_flow(const mg_arena *arena, const node *n, double gradient)
{
    for (uint32_t part = n->operand[0]; part; part = node_at(arena, part)->operand[1]) {
        const node *at = node_at(arena, part);
        node_at(arena, at->operand[0])->gradient += at->data * gradient;
    }
    return MG_OK;
}

static int node_flow(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    int status = MG_OK;
    MG_TRY(nodes_find_idle(arena, 1, &handle));
    MG_RETURN_IF(arena->log, MG_ERR_RECORDED);
    MG_TRY(node_find(arena, handle, &index));
    const node *n = node_at(arena, index);
    for (uint32_t i = 0; i < arity_of(n); i++)
        MG_RETURN_IF(is_under_way(arena, n->operand[i]), MG_ERR_BUSY);
    if (shown_op(n) == GIVEN) return parts_flow(arena, n, n->gradient);
    node plain = *n;
    plain.bits = (plain.bits & ~(uint32_t)0xFF) | (uint32_t)shown_op(n);
    node *a = node_at(arena, n->operand[0]), *b = node_at(arena, n->operand[1]);
    double before[2] = {a->gradient, b->gradient};
    op_flow(&plain, a, b, &status);
    if (status >= 0 || arena->ieee) return MG_OK;
    b->gradient = before[1];
    a->gradient = before[0];
    return status;
}

int mg_node_flow(mg_arena *arena, mg_node handle)
{
    arena_lock(arena);
    int status = node_flow(arena, handle);
    arena_unlock(arena);
    return status;
}
