/* choose.c: backward of a graph in which indices that are inputs choose operands.
 *
 * Which node is chosen changes the order of a depth-first walk, and so the order in which
 * gradients are added up: what only the chosen node leads to comes first, what the others
 * lead to where something else leads there, or never. Here all orders are found in one
 * list, in which a node has a guard, "index is number", at the first of these places, and
 * "index is not number" at the second. For any indices, the entries whose guards hold are
 * the order in which the walk of that graph would meet its nodes.
 *
 * So every contribution to a gradient is added at each place where it may come, and is -0.0
 * where it does not: x + -0.0 is x, to the last bit, whatever x is.
 *
 * The list is found by seeing the nodes of a choice side by side, operand by operand, until
 * all lead to the same one: scores are the same sums of other weights. Where they are not
 * alike, or some have been seen and others not, there is no list: MG_ERR_RULE. */
#include "programs/script.h"

enum { UNSEEN, SEEN_WHERE, SEEN };

/* What is known of a node of the recording, or of an outer node. */
typedef struct seen_node {
    guard of;              /* of SEEN_WHERE, and of the first walk_entry */
    uint32_t seen;         /* UNSEEN, SEEN_WHERE or SEEN */
    uint32_t first, second; /* its entries, counted from 1; 0: there is none */
    uint32_t items;        /* the last contribution to it, counted from 1 */
} seen_node;

typedef struct walk_entry {
    uint32_t node;
    guard of;
} walk_entry;

/* A contribution. */
typedef struct item {
    uint64_t key; /* when it comes: backward goes from the last entry to the first, and
                     from a node to its first operand, then to the second */
    uint32_t value, before; /* before: the next one in the list of its node */
    guard of;
} item;

typedef struct chooser {
    trace *t;
    mg_arena *arena;
    seen_node *places; /* of nodes from t->first on, then of outer nodes */
    size_t node_count, place_count;
    indices stack, found; /* frames; nodes */
    list entries, items, order; /* walk_entry, item, unit */
} chooser;

static const guard no_guard = {0, 0, false}; /* it always holds */

static bool guards_equal(guard a, guard b)
{
    return a.index == b.index && a.number == b.number && a.is_other == b.is_other;
}

static guard other_than(guard of)
{
    of.is_other = !of.is_other;
    return of;
}

static node *at_node(const chooser *c, uint32_t index)
{
    return node_at(c->arena, index);
}

/* Return the place of a node with operands, or NULL. */
static seen_node *seen_of(const chooser *c, uint32_t index)
{
    if (index < c->t->first || !arity_of(at_node(c, index))) return NULL;
    return &c->places[index - c->t->first];
}

static const uint32_t *chosen_nodes(const chooser *c, const choice *of)
{
    return (const uint32_t *)c->t->chosen.items + of->first;
}

/* Return the choice that operand `which` of a node is, if it is one of several. */
static const choice *several(const chooser *c, uint32_t index, uint32_t which)
{
    const choice *of = choice_of(c->t, index, which);
    return of && of->count > 1 ? of : NULL;
}

/* Tell whether a node is a leaf, or seen wherever a guard holds. */
static bool is_seen_where(const chooser *c, uint32_t index, guard of)
{
    const seen_node *p = seen_of(c, index);
    return !p || p->seen == SEEN || (p->seen == SEEN_WHERE && guards_equal(p->of, of));
}

/* Tell whether nothing is left to be seen of a choice. */
static bool is_all_seen(const chooser *c, const choice *of)
{
    for (uint32_t j = 0; j < of->count; j++)
        if (!is_seen_where(c, chosen_nodes(c, of)[j], (guard){of->index, j, false}))
            return false;
    return true;
}

static int entry_add(chooser *c, uint32_t index, guard of)
{
    seen_node *p = seen_of(c, index);
    MG_TRY(list_reserve(c->arena, &c->entries, 1, sizeof(walk_entry)));
    ((walk_entry *)c->entries.items)[c->entries.count++] = (walk_entry){index, of};
    *(p->first ? &p->second : &p->first) = (uint32_t)c->entries.count;
    return MG_OK;
}

/* ---- the walk ---------------------------------------------------------------------- */

/* A frame of the stack: nodes, alone or one for each number of an index; then the index,
 * how many nodes, and the next operand. */
enum { FRAME_WORDS = 3 };

static int frame_push(chooser *c, uint32_t count, const uint32_t *nodes, uint32_t index)
{
    indices *stack = &c->stack;
    MG_TRY(indices_reserve(c->arena, stack, count + FRAME_WORDS));
    memcpy(stack->items + stack->count, nodes, count * sizeof(uint32_t));
    stack->count += count;
    stack->items[stack->count++] = index;
    stack->items[stack->count++] = count;
    stack->items[stack->count++] = 0;
    return MG_OK;
}

static int see(chooser *c, uint32_t index)
{
    seen_node *p = seen_of(c, index);
    if (!p || p->seen == SEEN) return MG_OK;
    p->seen = SEEN;
    return frame_push(c, 1, &index, 0);
}

/* See one of some nodes, by an index: all side by side, if they are alike. */
static int some_see(chooser *c, uint32_t index, uint32_t count, const uint32_t *nodes)
{
    const node *first = at_node(c, nodes[0]);
    uint32_t seen = 0, equal = 0;
    for (uint32_t j = 0; j < count; j++) {
        seen += is_seen_where(c, nodes[j], (guard){index, j, false});
        equal += nodes[j] == nodes[0];
    }
    if (seen == count) return MG_OK;
    if (equal == count) return see(c, nodes[0]);
    for (uint32_t j = 0; j < count; j++) {
        const node *n = at_node(c, nodes[j]);
        seen_node *p = seen_of(c, nodes[j]);
        MG_RETURN_IF(!p || p->seen != UNSEEN, MG_ERR_RULE);
        MG_RETURN_IF(op_of(n) != op_of(first) || arity_of(n) != arity_of(first),
                     MG_ERR_RULE);
        p->seen = SEEN_WHERE;
        p->of = (guard){index, j, false};
    }
    return frame_push(c, count, nodes, index);
}

/* See an operand of nodes that are seen side by side. */
static int operands_see(chooser *c, uint32_t index, uint32_t count, const uint32_t *nodes,
                        uint32_t which)
{
    const choice *of = several(c, nodes[0], which);
    c->found.count = 0;
    MG_TRY(indices_reserve(c->arena, &c->found, count));
    for (uint32_t j = 0; j < count; j++) {
        MG_RETURN_IF(several(c, nodes[j], which) != of, MG_ERR_RULE);
        c->found.items[j] = at_node(c, nodes[j])->operand[which];
    }
    if (of) return some_see(c, of->index, of->count, chosen_nodes(c, of));
    return some_see(c, index, count, c->found.items);
}

static int operand_see(chooser *c, uint32_t index, uint32_t which)
{
    const choice *of = several(c, index, which);
    const bool again = seen_of(c, index)->first; /* it has been seen where a guard holds */
    if (!of) return see(c, at_node(c, index)->operand[which]);
    if (again) /* what it had left to see would have two guards */
        return is_all_seen(c, of) ? MG_OK : MG_ERR_RULE;
    return some_see(c, of->index, of->count, chosen_nodes(c, of));
}

/* Enter the nodes of a frame, all of whose operands have been. */
static int frame_enter(chooser *c, uint32_t index, uint32_t count, const uint32_t *nodes)
{
    const seen_node *p = seen_of(c, nodes[0]);
    if (count == 1) return entry_add(c, nodes[0], p->first ? other_than(p->of) : no_guard);
    for (uint32_t j = 0; j < count; j++)
        MG_TRY(entry_add(c, nodes[j], (guard){index, j, false}));
    return MG_OK;
}

/* Find all entries. */
static int entries_find(chooser *c, uint32_t root)
{
    MG_TRY(see(c, root));
    while (c->stack.count) {
        uint32_t *end = c->stack.items + c->stack.count;
        const uint32_t which = end[-1]++, count = end[-2], index = end[-3];
        const uint32_t *nodes = end - FRAME_WORDS - count;
        if (which == arity_of(at_node(c, nodes[0]))) {
            MG_TRY(frame_enter(c, index, count, nodes));
            c->stack.count -= count + FRAME_WORDS;
        } else if (count == 1) {
            MG_TRY(operand_see(c, nodes[0], which));
        } else {
            MG_TRY(operands_see(c, index, count, nodes, which));
        }
        if (!work_steps((int64_t)c->entries.count, 1 << 14)) return MG_ERR_INTERRUPTED;
    }
    return MG_OK;
}

/* ---- gradients --------------------------------------------------------------------- */

/* Return where contributions to a node are listed, or NULL: nobody asks for them. */
static seen_node *target_of(const chooser *c, uint32_t index)
{
    seen_node *p = seen_of(c, index);
    const outer_node *outer = p ? NULL : outer_of(c->t, index);
    if (!outer) return p;
    return &c->places[c->node_count +
                      (size_t)(outer - (const outer_node *)c->t->nodes.items)];
}

static int item_add(chooser *c, uint32_t to, uint64_t key, uint32_t value, guard of)
{
    seen_node *p = target_of(c, to);
    if (!p) return MG_OK;
    MG_TRY(list_reserve(c->arena, &c->items, 1, sizeof(item)));
    ((item *)c->items.items)[c->items.count++] = (item){key, value, p->items, of};
    p->items = (uint32_t)c->items.count;
    return MG_OK;
}

/* Return a contribution, or -0.0 where its guard does not hold. A product becomes 1.0 * -0.0
 * instead, for as a product it can be a term of a chain (roll.c). */
static uint32_t guarded(trace *t, uint32_t value, guard of)
{
    const uint32_t nothing = constant(t, -0.0);
    if (!of.index || t->status < 0) return value;
    const operation o = *operation_at(t, value);
    if (o.code != 3 * MG_MUL) return value_where(t, of, value, nothing);
    const uint32_t a = value_where(t, of, o.a, constant(t, 1.0)),
                   b = value_where(t, of, o.b, nothing);
    return value_of(t, 3 * MG_MUL, a, b);
}

/* Pass a contribution on to all that a choice may be. What is listed has one guard, that it
 * is the chosen one; a guard by another index is made part of the value. */
static int choice_pass(chooser *c, const choice *to, uint64_t key, uint32_t value,
                       guard of)
{
    if (of.index != to->index) {
        value = guarded(c->t, value, of);
        of = no_guard;
    }
    for (uint32_t j = 0; j < to->count; j++) {
        const bool never = of.index && (of.number == j) == of.is_other;
        if (never) continue;
        MG_TRY(item_add(c, chosen_nodes(c, to)[j], key, value,
                        (guard){to->index, j, false}));
    }
    return MG_OK;
}

/* Pass on what a node contributes, from one of its entries. */
static int entry_pass(chooser *c, uint32_t at, uint32_t which, uint32_t value)
{
    const walk_entry *e = (const walk_entry *)c->entries.items + at - 1;
    const choice *to = several(c, e->node, which);
    const uint64_t key = (uint64_t)(UINT32_MAX - at) << 1 | which;
    if (to) return choice_pass(c, to, key, value, e->of);
    return item_add(c, at_node(c, e->node)->operand[which], key, value, e->of);
}

/* Put the contributions to a node in order; returns how many, or a status. */
static int64_t items_sort(chooser *c, const seen_node *p)
{
    const item *items = c->items.items;
    size_t count = 0;
    for (uint32_t i = p->items; i; i = items[i - 1].before) count++;
    c->order.count = 0;
    MG_TRY(list_reserve(c->arena, &c->order, 2 * count, sizeof(unit)));
    unit *order = c->order.items;
    for (uint32_t i = p->items; i; i = items[i - 1].before)
        order[c->order.count++] = (unit){items[i - 1].key, 0, i - 1};
    units_sort(order, order + count, count);
    MG_TRY(work_status(MG_OK));
    return (int64_t)count;
}

static const item *item_at(const chooser *c, size_t i)
{
    return (const item *)c->items.items + ((const unit *)c->order.items)[i].number;
}

/* Return how many contributions from number i on come again, in the same order, where the
 * guard of these does not hold: one of the two comes, with nothing in between. */
static size_t twins_count(const chooser *c, size_t i, size_t count)
{
    const guard of = item_at(c, i)->of, other = other_than(of);
    size_t n = 0;
    if (!of.index) return 0;
    while (i + n < count && guards_equal(item_at(c, i + n)->of, of)) n++;
    if (i + 2 * n > count) return 0;
    for (size_t k = i; k < i + n; k++)
        if (item_at(c, k)->value != item_at(c, k + n)->value ||
            !guards_equal(item_at(c, k + n)->of, other))
            return 0;
    return n;
}

/* Add up what is contributed to a node. */
static int items_add(chooser *c, const seen_node *p, uint32_t so_far, uint32_t *sum)
{
    trace *t = c->t;
    const int64_t found = items_sort(c, p);
    MG_TRY((int)(found < 0 ? found : 0));
    const size_t count = (size_t)found;
    for (size_t i = 0; i < count; i++) {
        const size_t twins = twins_count(c, i, count);
        for (size_t k = i; k < i + twins; k++)
            so_far = value_of(t, 3 * MG_ADD, so_far, item_at(c, k)->value);
        if (twins) {
            i += 2 * twins - 1;
            continue;
        }
        const item *added = item_at(c, i);
        so_far = value_of(t, 3 * MG_ADD, so_far, guarded(t, added->value, added->of));
    }
    *sum = so_far;
    return t->status;
}

/* Add up the gradient of a node, and pass it on. */
static int node_pass(chooser *c, uint32_t index, uint32_t seed)
{
    trace *t = c->t;
    const seen_node *p = seen_of(c, index);
    const guard of =
        p->second ? no_guard : ((const walk_entry *)c->entries.items)[p->first - 1].of;
    uint32_t g = seed;
    if (!seed) MG_TRY(items_add(c, p, constant(t, 0.0), &g));
    *gradient_number(t, index) = g;
    for (uint32_t which = 0; which < arity_of(at_node(c, index)); which++) {
        const uint32_t value = contribution(t, index, which, g, of);
        MG_TRY(t->status);
        if (p->second) MG_TRY(entry_pass(c, p->second, which, value));
        MG_TRY(entry_pass(c, p->first, which, value));
    }
    return MG_OK;
}

/* Note the gradients of leaves. */
static int leaves_write(chooser *c)
{
    trace *t = c->t;
    for (size_t i = 0; i < t->nodes.count; i++) {
        const seen_node *p = &c->places[c->node_count + i];
        if (!p->items) continue;
        outer_node *o = (outer_node *)t->nodes.items + i;
        const uint32_t index = index_of(o->handle);
        MG_TRY(items_add(c, p, gradient_before(t, index), &o->gradient));
        *gradient_number(t, index) = o->gradient;
        MG_TRY(write_add(t, o, true, o->gradient));
    }
    return t->status;
}

static int gradients_trace(chooser *c, uint32_t root, double seed)
{
    const uint32_t first = constant(c->t, seed);
    MG_TRY(entries_find(c, root));
    for (size_t i = c->entries.count; i-- > 0;) {
        const uint32_t index = ((const walk_entry *)c->entries.items)[i].node;
        if (seen_of(c, index)->first != i + 1) continue;
        MG_TRY(node_pass(c, index, index == root ? first : 0));
        if (!work_steps((int64_t)i, 1 << 14)) return MG_ERR_INTERRUPTED;
    }
    return leaves_write(c);
}

static void indices_drop(mg_arena *arena, indices *l)
{
    if (l->capacity) arena_allocate(arena, l->items, l->capacity * sizeof(uint32_t), 0);
}

static void chooser_free(chooser *c)
{
    mg_arena *arena = c->arena;
    arena_allocate(arena, c->places, c->place_count * sizeof(seen_node), 0);
    indices_drop(arena, &c->stack);
    indices_drop(arena, &c->found);
    list_drop(arena, &c->entries, sizeof(walk_entry));
    list_drop(arena, &c->items, sizeof(item));
    list_drop(arena, &c->order, sizeof(unit));
}

/* Trace a backward from a node of a recording with choices. */
int choices_trace(trace *t, uint32_t root, double seed)
{
    chooser c = {.t = t, .arena = t->arena};
    c.node_count = t->arena->fresh - t->first;
    c.place_count = c.node_count + t->nodes.count;
    c.places = arena_allocate(t->arena, NULL, 0, c.place_count * sizeof(seen_node));
    MG_RETURN_IF(!c.places, MG_ERR_NOMEM);
    memset(c.places, 0, c.place_count * sizeof(seen_node));
    int status = gradients_trace(&c, root, seed);
    chooser_free(&c);
    return status;
}
