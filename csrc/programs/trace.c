/* trace.c: from a graph of numbers to a list of operations.
 *
 * The graph is walked as backward does. Forward operations come in the order of that walk,
 * each after its operands; then, for each node in the reversed order, what it passes on to
 * its operands, added up one by one: the additions that backward makes, and the digits.
 * On the way equal operations become one, + - * / of constants are computed, and what does
 * not change a number, down to the sign of a zero, is left out. The C library's functions
 * are not computed here, so that a program has no digits of one machine. */
#include "programs/script.h"

/* ---- lists ------------------------------------------------------------------------- */

int list_reserve(mg_arena *arena, list *l, size_t more, size_t size)
{
    if (l->capacity - l->count >= more) return MG_OK;
    size_t capacity = l->capacity + l->capacity / 2 + more + 8;
    void *items = arena_allocate(arena, l->items, l->capacity * size, capacity * size);
    MG_RETURN_IF(!items, MG_ERR_NOMEM);
    l->items = items;
    l->capacity = capacity;
    return MG_OK;
}

void list_drop(mg_arena *arena, list *l, size_t size)
{
    if (l->capacity) arena_allocate(arena, l->items, l->capacity * size, 0);
    *l = (list){NULL, 0, 0};
}

/* ---- which operations may raise ---------------------------------------------------- */

/* A formula becomes 1 if something in it may raise. */
#define POW(x, y) 1
#define POWK(x, k) 1
#define DIV(x, y) 1
#define EXP(x) 1
#define EXPM1(x) 1
#define LOG(x) 1
#define LOG_OR_NAN(x) 1
#define LOG1P(x) 1
#define SIN(x) 1
#define COS(x) 1
#define ADD(x, y) ((x) | (y))
#define SUB(x, y) ((x) | (y))
#define MUL(x, y) ((x) | (y))
#define LARGER(x, y) ((x) | (y))
#define SHARE(x, y) ((x) | (y))
#define MASK(m, x) ((m) | (x))
#define IF_FLAT(x, y, then, otherwise) ((then) | (otherwise))
#define NEG(x) (x)
#define TANH(x) (x)
#define ERF(x) (x)
#define SIGMOID(x) (x)
#define ABS(x) (x)
#define RELU(x) (x)
#define POSITIVE(x) (x)
#define STEP(x) (x)
#define SIGN(x) (x)
#define EITHER(number, element) (number)
#define CONST(c) 0
#define NONE 0
#define A 0
#define B 0
#define K 0
#define Y 0
#define G 0

static const uint8_t code_raises[CODE_NONE + 1] = {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    (value), (gradient_a), (gradient_b),
#include "ops.def"
};

#include "base/ops_undef.inc.c"

bool code_may_raise(uint32_t code)
{
    return code_raises[code];
}

/* Return how many numbers what is computed is of: of a gradient also the value and its
 * gradient; of pow_number the exponent, too. */
uint32_t code_operands(uint32_t code)
{
    if (code == CODE_PICK) return 2;
    if (code == CODE_WHERE) return 4;
    const uint32_t op = code / 3;
    const uint32_t of_value = (uint32_t)op_arity((int)op) +
                              ((op_traits[op] & MG_TAKES_NUMBER) != 0);
    return code % 3 ? of_value + 2 : of_value;
}

/* ---- the list of operations -------------------------------------------------------- */

static uint64_t bits_of_operation(const operation *o)
{
    uint64_t bits;
    memcpy(&bits, &o->number, sizeof bits);
    return bits;
}

static bool operations_equal(const operation *o, const operation *p)
{
    return o->code == p->code && o->a == p->a && o->b == p->b &&
           bits_of_operation(o) == bits_of_operation(p);
}

static size_t operation_hash(const operation *o)
{
    uint64_t h = (uint64_t)o->a << 32 | o->b;
    h = (h ^ bits_of_operation(o) * 0x9E3779B97F4A7C15u) * 0xD1B54A32D192ED03u;
    h = (h ^ h >> 29 ^ (uint64_t)o->code << 40) * 0x94D049BB133111EBu;
    return (size_t)(h ^ h >> 32);
}

/* Find the place of an operation in the table: its own or a free one. */
static uint32_t *table_find(const trace *t, const operation *o)
{
    size_t mask = t->table_size - 1, i = operation_hash(o) & mask;
    while (t->table[i] && !operations_equal(operation_at(t, t->table[i]), o))
        i = (i + 1) & mask;
    return &t->table[i];
}

static int table_grow(trace *t)
{
    size_t size = t->table_size ? t->table_size * 2 : 1024;
    uint32_t *table = arena_allocate(t->arena, NULL, 0, size * sizeof(uint32_t));
    MG_RETURN_IF(!table, MG_ERR_NOMEM);
    memset(table, 0, size * sizeof(uint32_t));
    arena_allocate(t->arena, t->table, t->table_size * sizeof(uint32_t), 0);
    t->table = table;
    t->table_size = size;
    for (uint32_t i = 1; i < t->operations.count; i++) {
        *table_find(t, operation_at(t, i)) = i;
        if (!work_steps(i, ASK_AFTER)) return MG_ERR_INTERRUPTED;
    }
    return MG_OK;
}

/* Make room for one more operation. */
static int operations_reserve(trace *t)
{
    MG_RETURN_IF(t->operations.count >= UINT32_MAX / 2, MG_ERR_LIMIT);
    MG_TRY(list_reserve(t->arena, &t->operations, 1, sizeof(operation)));
    return t->operations.count * 2 >= t->table_size ? table_grow(t) : MG_OK;
}

/* Return the number of an operation, a new one or that of its equal; 0 after a failure. */
uint32_t operation_add(trace *t, operation o)
{
    if (t->status < 0) return 0;
    t->status = operations_reserve(t);
    if (t->status < 0) return 0;
    uint32_t *place = table_find(t, &o);
    if (*place) return *place;
    *place = (uint32_t)t->operations.count++;
    *operation_at(t, *place) = o;
    return *place;
}

static bool is_minus_zero(double x)
{
    return x == 0.0 && signbit(x);
}

uint32_t constant(trace *t, double number)
{
    operation o = {CODE_CONSTANT, 0, 0, is_minus_zero(number) ? 0 : NEVER_MINUS_ZERO,
                   {.number = number}};
    return operation_add(t, o);
}

static bool is_constant(const trace *t, uint32_t number)
{
    return operation_at(t, number)->code == CODE_CONSTANT;
}

static bool is_number(const trace *t, uint32_t number, double x)
{
    const operation *o = operation_at(t, number);
    return o->code == CODE_CONSTANT && o->number == x &&
           signbit(o->number) == signbit(x);
}

static bool never_minus_zero(const trace *t, uint32_t number)
{
    return operation_at(t, number)->traits & NEVER_MINUS_ZERO;
}

uint32_t node_input(trace *t, size_t place, bool is_gradient)
{
    operation o = {CODE_INPUT, (uint32_t)place, is_gradient, 0, {.number = 0.0}};
    return operation_add(t, o);
}

/* Tell whether an operation on constants is computed here; *result gets what it is. */
static bool folds(const trace *t, uint32_t code, uint32_t a, uint32_t b, double *result)
{
    if (!is_constant(t, a) || (code != 3 * MG_NEG && !is_constant(t, b))) return false;
    double x = operation_at(t, a)->number, y = operation_at(t, b)->number;
    switch (code) {
    case 3 * MG_ADD: *result = x + y; return true;
    case 3 * MG_SUB: *result = x - y; return true;
    case 3 * MG_MUL: *result = x * y; return true;
    case 3 * MG_NEG: *result = -x; return true;
    case 3 * MG_DIV: *result = x / y; return y != 0.0;
    default: return false;
    }
}

/* Return the operand that an operation always equals, or 0. */
static uint32_t same_as(const trace *t, uint32_t code, uint32_t a, uint32_t b)
{
    if (code == 3 * MG_MUL) {
        if (is_number(t, b, 1.0)) return a;
        if (is_number(t, a, 1.0)) return b;
    } else if (code == 3 * MG_ADD) {
        if (is_number(t, b, -0.0)) return a;
        if (is_number(t, a, -0.0)) return b;
        if (is_number(t, b, 0.0) && never_minus_zero(t, a)) return a;
        if (is_number(t, a, 0.0) && never_minus_zero(t, b)) return b;
    }
    return 0;
}

/* Tell whether a value is known not to be -0.0. */
static uint32_t traits_of(const trace *t, uint32_t code, uint32_t a, uint32_t b)
{
    bool never = code == 3 * MG_EXP || code == 3 * MG_SIGMOID;
    if (code == 3 * MG_ADD) never = never_minus_zero(t, a) || never_minus_zero(t, b);
    if (code == 3 * MG_MUL) never = a == b;
    if (code == 3 * MG_POW_NUMBER) never = fmod(operation_at(t, b)->number, 2.0) == 0.0;
    return never ? NEVER_MINUS_ZERO : 0;
}

/* Return the number of the value op(a, b). */
uint32_t value_of(trace *t, uint32_t code, uint32_t a, uint32_t b)
{
    double number;
    if (t->status < 0) return 0;
    if (folds(t, code, a, b, &number)) return constant(t, number);
    uint32_t same = same_as(t, code, a, b);
    if (same) return same;
    operation o = {code, a, b, traits_of(t, code, a, b), {.number = 0.0}};
    return operation_add(t, o);
}

/* Return the number of: value, where input number `index` is `number`, else another one. */
uint32_t value_where(trace *t, guard of, uint32_t value, uint32_t otherwise)
{
    const uint32_t number = constant(t, of.number), a = of.is_other ? otherwise : value,
                   g = of.is_other ? value : otherwise;
    if (t->status < 0 || a == g) return a;
    const uint32_t traits = operation_at(t, a)->traits & operation_at(t, g)->traits;
    operation o = {CODE_WHERE, a, number, traits, {{of.index, g}}};
    return operation_add(t, o);
}

/* ---- choices ----------------------------------------------------------------------- */

/* Find what was chosen to be an operand of a node, or NULL: nothing was. The edges are in
 * the order of their nodes. */
const choice *choice_of(const trace *t, uint32_t index, uint32_t which)
{
    const choice_edge *edges = t->edges.items;
    const uint64_t key = (uint64_t)index << 1 | which;
    size_t low = 0, high = t->edges.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (edges[middle].key < key) low = middle + 1;
        else high = middle;
    }
    if (low == t->edges.count || edges[low].key != key) return NULL;
    return (const choice *)t->choices.items + edges[low].choice;
}

/* ---- forward ----------------------------------------------------------------------- */

static node *at_index(const trace *t, uint32_t index)
{
    return node_at(t->arena, index);
}

/* Find a leaf that was there before the recording, or the free place for it. */
static old_node *old_find(const trace *t, uint32_t index)
{
    size_t mask = t->old_size - 1, i = index * 2654435761u & mask;
    while (t->old[i].index && t->old[i].index != index) i = (i + 1) & mask;
    return &t->old[i];
}

/* Return where the numbers of a node are. While a graph is traced the gradient fields of
 * its nodes are free for them; of a recording they lie in lists. */
static node_numbers *numbers_of(const trace *t, uint32_t index)
{
    if (index >= t->first) return (node_numbers *)t->made.items + (index - t->first);
    return &old_find(t, index)->numbers;
}

uint32_t *data_number(const trace *t, uint32_t index)
{
    return t->is_logged ? &numbers_of(t, index)->data : &at_index(t, index)->slot;
}

uint32_t *gradient_number(const trace *t, uint32_t index)
{
    return t->is_logged ? &numbers_of(t, index)->gradient
                        : &at_index(t, index)->gradient_node;
}

static uint32_t data_at(const trace *t, uint32_t index)
{
    return *data_number(t, index);
}

/* Return the number of an operand of a node. */
static uint32_t operand_data(const trace *t, uint32_t index, uint32_t which)
{
    const choice *found = choice_of(t, index, which);
    return data_at(t, found ? found->leaf : at_index(t, index)->operand[which]);
}

/* Return the outer node that a leaf is, or NULL. */
outer_node *outer_of(const trace *t, uint32_t index)
{
    outer_node *nodes = t->nodes.items;
    if (t->is_logged) {
        if (index >= t->first) return NULL;
        const old_node *old = old_find(t, index);
        return old->place == UINT32_MAX ? NULL : nodes + old->place;
    }
    const operation *data = operation_at(t, data_at(t, index));
    return data->code == CODE_INPUT ? nodes + data->a : NULL;
}

int write_add(trace *t, const outer_node *o, bool is_gradient, uint32_t value)
{
    const uint32_t place = (uint32_t)(o - (const outer_node *)t->nodes.items);
    MG_TRY(list_reserve(t->arena, &t->writes, 1, sizeof(write_back)));
    write_back *w = (write_back *)t->writes.items + t->writes.count++;
    *w = (write_back){(uint32_t)t->operations.count, place, is_gradient, value};
    return MG_OK;
}

/* Add a node to those that the program reads; it has been held. */
int outer_add(trace *t, mg_node handle, bool is_held)
{
    MG_TRY(list_reserve(t->arena, &t->nodes, 1, sizeof(outer_node)));
    size_t place = t->nodes.count++;
    outer_node *o = (outer_node *)t->nodes.items + place;
    *o = (outer_node){handle, is_held, 0, 0};
    if (!is_held) return MG_OK;
    node_retain(t->arena, index_of(handle));
    o->data = node_input(t, place, false);
    return t->status;
}

static mg_node handle_of(const trace *t, uint32_t index)
{
    return (mg_node)((uint64_t)slot_at(t->arena, index)->generation << 32 | index);
}

/* Say what a leaf's data is. */
int leaf_trace(trace *t, uint32_t index)
{
    const node *n = at_index(t, index);
    if (data_at(t, index)) return MG_OK; /* a parameter */
    if (n->bits & SHIFT) {
        if (n->operand[1]) *gradient_number(t, n->operand[1]) = index;
        return MG_OK;
    }
    if (!t->is_logged && slot_at(t->arena, index)->handles) {
        MG_TRY(outer_add(t, handle_of(t, index), true));
        *data_number(t, index) = ((outer_node *)t->nodes.items)[t->nodes.count - 1].data;
    } else {
        *data_number(t, index) = constant(t, n->data);
    }
    return t->status;
}

static int old_grow(trace *t)
{
    const size_t before = t->old_size, size = before ? before * 2 : 64;
    old_node *old = t->old;
    old_node *all = arena_allocate(t->arena, NULL, 0, size * sizeof(old_node));
    MG_RETURN_IF(!all, MG_ERR_NOMEM);
    memset(all, 0, size * sizeof(old_node));
    t->old = all;
    t->old_size = size;
    for (size_t i = 0; i < before; i++)
        if (old[i].index) *old_find(t, old[i].index) = old[i];
    if (before) arena_allocate(t->arena, old, before * sizeof(old_node), 0);
    return MG_OK;
}

/* Take in a node that was there before the recording, a leaf. */
int old_add(trace *t, uint32_t index, bool is_input)
{
    if (t->old_count * 2 >= t->old_size) MG_TRY(old_grow(t));
    if (old_find(t, index)->index) return MG_OK;
    const node *n = at_index(t, index);
    MG_RETURN_IF(arity_of(n) || op_of(n) != MG_LEAF, MG_ERR_RECORDED);
    old_node made = {index, UINT32_MAX, {0, 0}};
    if (is_input) {
        operation o = {CODE_ARGUMENT, t->arguments++, 0, 0, {.number = 0.0}};
        made.numbers.data = operation_add(t, o);
    } else {
        made.place = (uint32_t)t->nodes.count;
        MG_TRY(outer_add(t, handle_of(t, index), true));
        made.numbers.data = ((outer_node *)t->nodes.items)[made.place].data;
    }
    MG_TRY(t->status);
    *old_find(t, index) = made;
    t->old_count++;
    return MG_OK;
}

/* Return the first leaf that belongs to the same softmax as one of build_shift(). */
static uint32_t first_shift(const trace *t, uint32_t index)
{
    while (at_index(t, index)->operand[1]) index = at_index(t, index)->operand[1];
    return index;
}

/* Find the data of the leaves that belong to the same softmax as one of build_shift():
 * minus the largest of its logits, as Python's max() finds it. Returns a logit that has to
 * be computed before, or 0; those that were are not looked at again when that is done. */
static uint32_t shift_trace(trace *t, uint32_t index)
{
    if (t->shift != index) t->shift_at = first_shift(t, index);
    t->shift = index;
    for (uint32_t i = t->shift_at; i; i = *gradient_number(t, i)) {
        t->shift_at = i;
        if (!data_at(t, at_index(t, i)->operand[0])) return at_index(t, i)->operand[0];
    }
    const uint32_t first = first_shift(t, index);
    uint32_t most = 0;
    for (uint32_t i = first; i; i = *gradient_number(t, i)) {
        uint32_t logit = data_at(t, at_index(t, i)->operand[0]);
        most = most && most != logit ? value_of(t, CODE_PICK, most, logit) : logit;
    }
    most = value_of(t, 3 * MG_NEG, most, 0);
    for (uint32_t i = first; i; i = *gradient_number(t, i)) *data_number(t, i) = most;
    return 0;
}

/* Return a node that has to be computed before another one, or 0. */
static uint32_t missing_of(trace *t, uint32_t of)
{
    const node *n = at_index(t, of);
    for (uint32_t which = 0; which < arity_of(n); which++) {
        const uint32_t index = n->operand[which];
        if (choice_of(t, of, which)) continue;
        if (t->is_logged && index < t->first) t->status = old_add(t, index, false);
        if (t->status < 0) return 0;
        if (data_at(t, index)) continue;
        if (arity_of(at_index(t, index))) return index;
        uint32_t logit = shift_trace(t, index);
        if (logit) return logit;
    }
    return 0;
}

/* Return the number of operand b of a node, or of its exponent, or 0. */
static uint32_t second_of(trace *t, uint32_t index)
{
    const node *n = at_index(t, index);
    if (op_of(n) == MG_POW_NUMBER) return constant(t, at_index(t, n->operand[1])->data);
    return arity_of(n) > 1 ? operand_data(t, index, 1) : 0;
}

/* Trace a node whose operands have been. */
static void node_trace(trace *t, uint32_t index)
{
    const node *n = at_index(t, index);
    const uint32_t a = operand_data(t, index, 0), b = second_of(t, index);
    uint32_t made = value_of(t, 3 * (uint32_t)op_of(n), a, b);
    *data_number(t, index) = made;
}

/* Trace a node, and before it what it needs: that is there already but for the logits of
 * a softmax, of which the first exponential needs all. */
int node_trace_all(trace *t, indices *stack, uint32_t index)
{
    MG_TRY(indices_reserve(t->arena, stack, 1));
    stack->items[stack->count++] = index;
    while (stack->count) {
        const uint32_t top = stack->items[stack->count - 1];
        uint32_t missing = data_at(t, top) ? 0 : missing_of(t, top);
        MG_TRY(t->status);
        if (missing) {
            MG_TRY(indices_reserve(t->arena, stack, 1));
            stack->items[stack->count++] = missing;
            continue;
        }
        if (!data_at(t, top)) node_trace(t, top);
        stack->count--;
    }
    return t->status;
}

static int forward_trace(trace *t)
{
    const walk *w = &t->arena->walk;
    indices stack = {NULL, 0, 0};
    int status = MG_OK;
    for (size_t i = 0; status >= 0 && i < w->leaves.count; i++) {
        status = leaf_trace(t, w->leaves.items[i]);
        if (!work_steps((int64_t)i, ASK_AFTER)) status = MG_ERR_INTERRUPTED;
    }
    for (size_t i = 0; status >= 0 && i < w->order.count; i++) {
        status = node_trace_all(t, &stack, w->order.items[i]);
        if (!work_steps((int64_t)i, ASK_AFTER)) status = MG_ERR_INTERRUPTED;
    }
    if (stack.capacity)
        arena_allocate(t->arena, stack.items, stack.capacity * sizeof(uint32_t), 0);
    return status;
}

/* ---- backward ---------------------------------------------------------------------- */

/* Return the number of a value that does not raise where a guard does not hold. */
static uint32_t made_safe(trace *t, guard of, uint32_t value)
{
    return value && of.index ? value_where(t, of, value, constant(t, 1.0)) : value;
}

/* Return what a node passes on to its operand `which` of gradient g. What may raise is 1.0
 * where a guard does not hold: then nobody asks. */
uint32_t contribution(trace *t, uint32_t index, uint32_t which, uint32_t g, guard of)
{
    const uint32_t op = (uint32_t)op_of(at_index(t, index)),
                   code = 3 * op + 1 + which, a = operand_data(t, index, 0),
                   b = second_of(t, index), y = data_at(t, index);
    switch (op) {
    case MG_ADD: return g;
    case MG_MUL: return value_of(t, 3 * MG_MUL, which ? a : b, g);
    case MG_SUB: return which ? value_of(t, 3 * MG_NEG, g, 0) : g;
    case MG_NEG: return value_of(t, 3 * MG_NEG, g, 0);
    default: break;
    }
    if (!code_raises[code]) of.index = 0;
    operation o = {code, made_safe(t, of, a), b, 0, {{made_safe(t, of, y), g}}};
    if (op != MG_POW_NUMBER) o.b = made_safe(t, of, b);
    return operation_add(t, o);
}

/* Return the gradient of a node before the first contribution: 0 of a node between, and
 * of a parameter; what it holds of another leaf; no number where nobody reads it. */
uint32_t gradient_before(trace *t, uint32_t index)
{
    if (arity_of(at_index(t, index))) return constant(t, 0.0);
    const outer_node *outer = outer_of(t, index);
    if (!outer) return 0;
    const size_t place = (size_t)(outer - (const outer_node *)t->nodes.items);
    return outer->gradient ? outer->gradient : node_input(t, place, true);
}

static void contribution_add(trace *t, uint32_t index, uint32_t contributed)
{
    if (at_index(t, index)->bits & SHIFT) return;
    uint32_t so_far = *gradient_number(t, index);
    if (!so_far) so_far = gradient_before(t, index);
    if (!so_far) return;
    so_far = value_of(t, 3 * MG_ADD, so_far, contributed);
    *gradient_number(t, index) = so_far;
}

/* Trace the backward of the walk under way. */
int backward_trace(trace *t, uint32_t root, double seed)
{
    const indices *order = &t->arena->walk.order;
    uint32_t first = constant(t, seed);
    *gradient_number(t, root) = first;
    for (size_t i = order->count; i-- > 0;) {
        const uint32_t index = order->items[i], g = *gradient_number(t, index);
        const node *n = at_index(t, index);
        for (uint32_t which = 0; which < arity_of(n); which++)
            contribution_add(t, n->operand[which],
                             contribution(t, index, which, g, (guard){0, 0, false}));
        MG_TRY(t->status);
        if (!work_steps((int64_t)i, ASK_AFTER)) return MG_ERR_INTERRUPTED;
    }
    return MG_OK;
}

/* Note the gradients of the walk's leaves as backward leaves them. */
int gradients_write(trace *t)
{
    for (size_t i = 0; i < t->nodes.count; i++) {
        outer_node *o = (outer_node *)t->nodes.items + i;
        const uint32_t index = index_of(o->handle);
        if (!o->is_held || !(at_index(t, index)->bits & UNDER_WAY)) continue;
        if (!*gradient_number(t, index)) continue;
        o->gradient = *gradient_number(t, index);
        MG_TRY(write_add(t, o, true, o->gradient));
    }
    return MG_OK;
}

/* ---- a whole step ------------------------------------------------------------------ */

/* Take in the parameters of the updates of a graph. */
static int parameters_trace(trace *t, int64_t count, mg_number_update *const *given)
{
    for (int64_t u = 0; u < count; u++) {
        const mg_number_update *of = given[u];
        MG_TRY(nodes_find_idle(t->arena, of->count, of->parameters));
        for (int64_t i = 0; i < of->count; i++) {
            const node *n = at_index(t, index_of(of->parameters[i]));
            MG_RETURN_IF(arity_of(n), MG_ERR_ARG);
            MG_TRY(outer_add(t, of->parameters[i], true));
        }
    }
    return MG_OK;
}

/* Set the gradients of parameters to 0. */
static int parameters_clear(trace *t)
{
    for (size_t i = 0; i < t->nodes.count; i++) {
        outer_node *o = (outer_node *)t->nodes.items + i;
        o->gradient = constant(t, 0.0);
    }
    return t->status;
}

/* Tell the walk's nodes which of them are parameters. */
static int parameters_mark(trace *t)
{
    for (size_t i = 0; i < t->nodes.count; i++) {
        const outer_node *o = (outer_node *)t->nodes.items + i;
        node *n = at_index(t, index_of(o->handle));
        if (!(n->bits & UNDER_WAY)) continue;
        MG_RETURN_IF(n->slot, MG_ERR_ARG);
        n->slot = o->data;
        n->bits &= ~(uint32_t)SHIFT;
    }
    return MG_OK;
}

/* Note that the gradients of all parameters are 0. */
static int parameters_write(trace *t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const outer_node *o = (const outer_node *)t->nodes.items + i;
        MG_TRY(write_add(t, o, true, o->gradient));
    }
    return MG_OK;
}

/* Return the number of a parameter's data now. */
static uint32_t parameter_data(const trace *t, const outer_node *o)
{
    return t->is_logged ? data_at(t, index_of(o->handle)) : o->data;
}

/* Trace an update whose parameters are outer nodes, numbers in nodes[]. */
static int update_fill(trace *t, update_at *of)
{
    uint32_t *data = of->nodes + of->count, *gradients = data + of->count;
    for (uint32_t i = 0; i < of->count; i++) {
        const outer_node *o = (const outer_node *)t->nodes.items + of->nodes[i];
        data[i] = parameter_data(t, o);
        gradients[i] = o->gradient ? o->gradient : node_input(t, of->nodes[i], true);
    }
    of->at = (uint32_t)t->operations.count;
    const size_t number = (size_t)(of - (update_at *)t->updates.items);
    for (uint32_t i = 0; i < of->count; i++) {
        const outer_node *o = (const outer_node *)t->nodes.items + of->nodes[i];
        operation moved = {CODE_UPDATED, (uint32_t)number, i, 0, {.number = 0.0}};
        const uint32_t made = operation_add(t, moved);
        MG_TRY(t->status);
        if (t->is_logged) *data_number(t, index_of(o->handle)) = made;
        MG_TRY(write_add(t, o, false, made));
    }
    return t->status;
}

/* Begin an update; its parameters' places are to be written. */
static int update_begin(trace *t, mg_number_update *given, update_at **made)
{
    MG_TRY(list_reserve(t->arena, &t->updates, 1, sizeof(update_at)));
    MG_TRY(list_reserve(t->arena, &t->given, 1, sizeof(mg_number_update *)));
    const uint32_t count = (uint32_t)given->count;
    const size_t size = 3 * (size_t)count * sizeof(uint32_t);
    uint32_t *nodes = arena_allocate(t->arena, NULL, 0, size);
    MG_RETURN_IF(!nodes && size, MG_ERR_NOMEM);
    *made = (update_at *)t->updates.items + t->updates.count++;
    **made = (update_at){0, count, nodes};
    ((mg_number_update **)t->given.items)[t->given.count++] = given;
    return MG_OK;
}

/* Trace an update of a recording. */
int update_trace(trace *t, mg_number_update *given)
{
    update_at *of;
    MG_TRY(nodes_find_idle(t->arena, given->count, given->parameters));
    MG_TRY(update_begin(t, given, &of));
    for (uint32_t i = 0; i < of->count; i++) {
        const uint32_t index = index_of(given->parameters[i]);
        MG_RETURN_IF(index >= t->first, MG_ERR_RECORDED);
        MG_TRY(old_add(t, index, false));
        MG_RETURN_IF(old_find(t, index)->place == UINT32_MAX, MG_ERR_RECORDED);
        of->nodes[i] = old_find(t, index)->place;
    }
    return update_fill(t, of);
}

/* Make the updates at the end of a graph's step. */
static int updates_trace(trace *t, int64_t count, mg_number_update *const *given)
{
    uint32_t place = 0;
    for (int64_t u = 0; u < count; u++) {
        update_at *of;
        MG_TRY(update_begin(t, given[u], &of));
        for (uint32_t i = 0; i < of->count; i++) of->nodes[i] = place++;
        MG_TRY(update_fill(t, of));
    }
    return MG_OK;
}

static bool has_formulas_only(const mg_arena *arena)
{
    const indices *order = &arena->walk.order;
    for (size_t i = 0; i < order->count; i++)
        if (op_of(node_at(arena, order->items[i])) >= MG_SCALAR_OP_COUNT) return false;
    return true;
}

/* Trace with the graph walked and marked, its gradients put aside. */
static int step_trace(trace *t, uint32_t root, int64_t count,
                      mg_number_update *const *given)
{
    const size_t parameters = t->nodes.count;
    MG_TRY(parameters_mark(t));
    MG_TRY(parameters_clear(t));
    MG_TRY(forward_trace(t));
    t->loss = data_at(t, root);
    const size_t place = t->nodes.count;
    const bool is_leaf = !arity_of(at_index(t, root));
    MG_TRY(outer_add(t, handle_of(t, root), false));
    if (!is_leaf) MG_TRY(write_add(t, (outer_node *)t->nodes.items + place, false, t->loss));
    MG_TRY(parameters_write(t, parameters));
    MG_TRY(backward_trace(t, root, 1.0));
    MG_TRY(gradients_write(t));
    const uint32_t one = constant(t, 1.0);
    if (!is_leaf) MG_TRY(write_add(t, (outer_node *)t->nodes.items + place, true, one));
    MG_TRY(updates_trace(t, count, given));
    return t->status;
}

/* Trace with the graph walked and marked. */
static int walk_trace(trace *t, uint32_t root, int64_t count,
                      mg_number_update *const *given)
{
    mg_arena *arena = t->arena;
    MG_RETURN_IF(!has_formulas_only(arena), MG_ERR_RULE);
    size_t size = (arena->walk.order.count + arena->walk.leaves.count) * sizeof(double);
    double *held = arena_allocate(arena, NULL, 0, size);
    MG_RETURN_IF(!held, MG_ERR_NOMEM);
    memset(held, 0, size);
    gradients_swap(arena, held);
    int status = step_trace(t, root, count, given);
    gradients_swap(arena, held);
    arena_allocate(arena, held, size, 0);
    return status;
}

/* Begin a list: operation 0 is nothing. */
int trace_begin(trace *t, mg_arena *arena)
{
    *t = (trace){.arena = arena};
    operation nothing = {CODE_NONE, 0, 0, 0, {.number = 0.0}};
    MG_TRY(operations_reserve(t));
    *operation_at(t, 0) = nothing;
    t->operations.count = 1;
    return MG_OK;
}

int trace_make(trace *t, mg_arena *arena, mg_node root, int64_t update_count,
               mg_number_update *const *given)
{
    uint32_t index;
    *t = (trace){.arena = arena};
    MG_RETURN_IF(update_count < 0, MG_ERR_ARG);
    MG_TRY(node_find(arena, root, &index));
    if (!arity_of(at_index(t, index))) at_index(t, index)->bits &= ~(uint32_t)SHIFT;
    MG_TRY(trace_begin(t, arena));
    MG_TRY(parameters_trace(t, update_count, given));
    MG_TRY(walk_whole(arena, index));
    int status = walk_trace(t, index, update_count, given);
    walk_close(arena);
    return status;
}

/* Free a trace, also one that failed. */
void trace_free(trace *t)
{
    mg_arena *arena = t->arena;
    for (size_t i = 0; i < t->nodes.count; i++) {
        const outer_node *o = (outer_node *)t->nodes.items + i;
        if (o->is_held) node_release(arena, index_of(o->handle));
    }
    for (size_t u = 0; u < t->updates.count; u++) {
        update_at *of = (update_at *)t->updates.items + u;
        if (of->nodes)
            arena_allocate(arena, of->nodes, 3 * (size_t)of->count * sizeof(uint32_t), 0);
    }
    if (t->table) arena_allocate(arena, t->table, t->table_size * sizeof(uint32_t), 0);
    list_drop(arena, &t->operations, sizeof(operation));
    list_drop(arena, &t->nodes, sizeof(outer_node));
    list_drop(arena, &t->writes, sizeof(write_back));
    list_drop(arena, &t->updates, sizeof(update_at));
    list_drop(arena, &t->given, sizeof(mg_number_update *));
    list_drop(arena, &t->outputs, sizeof(uint32_t));
    list_drop(arena, &t->made, sizeof(node_numbers));
    for (size_t i = 0; i < t->chosen.count; i++)
        node_release(arena, ((const uint32_t *)t->chosen.items)[i]);
    list_drop(arena, &t->choices, sizeof(choice));
    list_drop(arena, &t->chosen, sizeof(uint32_t));
    list_drop(arena, &t->edges, sizeof(choice_edge));
    if (t->old) arena_allocate(arena, t->old, t->old_size * sizeof(old_node), 0);
}
