/* sweep.c: taking gradients from roots to what they depend on.
 *
 * The order is that of Values: depth-first from each root in turn, operands in operand
 * order, then the reverse. A gradient is a node like any other; contributions to one node
 * are added in the order in which they come, and leaves get theirs only at the very end,
 * so that a sweep that fails or is given up has changed nothing.
 *
 * The slot of a node says which visit it is, of the sweep that looked last: one that goes
 * on after another one numbers its visits anew. So any number may be open at once, those
 * of one graph too, and none waits for another. */
#include "arrays/arrays.h"

/* What a sweep knows of a node it met; by the number of the meeting. */
typedef struct visit {
    uint32_t node;
    uint32_t gradient; /* a node, of which this is a reference; 0: none so far */
    uint32_t slice; /* whose gradient was added last; outside of it there is no -0.0 */
    bool needed;       /* it leads to an input, or there are no inputs */
    bool input;
    bool keeps; /* its gradient is wanted after the visit */
    bool fresh; /* at the end: the gradient takes the place of the old one */
    bool apart; /* at the end: the gradient shares its buffer, but no element */
} visit;

struct mg_sweep {
    mg_arena *arena;
    mg_sweep *next, **link; /* of the open ones */
    int flags;
    bool hook_offered, call_offered; /* the node at hand was given to the caller */
    bool done, failed;    /* all that is left is to close it */
    uint32_t fault;       /* the node where it failed, or 0 */
    bool all;             /* no inputs were named */
    visit *visits;
    size_t visit_count, visit_capacity;
    indices order; /* visits in postorder */
    indices stack; /* pairs: a visit, and its next operand */
    indices roots, inputs;
    size_t remaining; /* order[remaining - 1] is next */
    int64_t elements; /* of all nodes met */
    uint32_t operand; /* of the visit under way, that its gradient goes to next */
    operands_passed passed;
    ahead ahead;
};

/* ---- the order --------------------------------------------------------------------- */

/* See to it that slots are of this sweep's visits. */
static void marks_take(mg_sweep *s)
{
    if (s->arena->marks == s) return;
    for (size_t i = 0; i < s->visit_count; i++)
        node_at(s->arena, s->visits[i].node)->slot = (uint32_t)i + 1;
    s->arena->marks = s;
}

/* Return the number of a node's visit in this sweep, which has the marks, or -1. */
static int64_t visit_of(const mg_sweep *s, uint32_t index)
{
    uint32_t slot = node_at(s->arena, index)->slot;
    if (slot == 0 || slot > s->visit_count) return -1;
    return s->visits[slot - 1].node == index ? (int64_t)slot - 1 : -1;
}

static int visits_reserve(mg_sweep *s)
{
    if (s->visit_count < s->visit_capacity) return MG_OK;
    size_t capacity = s->visit_capacity * 2 + 64;
    visit *grown = arena_allocate(s->arena, s->visits, s->visit_capacity * sizeof(visit),
                                  capacity * sizeof(visit));
    MG_RETURN_IF(!grown, MG_ERR_NOMEM);
    s->visits = grown;
    s->visit_capacity = capacity;
    return MG_OK;
}

/* Meet a node: number it and put it on the stack. */
static int visit_open(mg_sweep *s, uint32_t index)
{
    MG_TRY(visits_reserve(s));
    MG_TRY(indices_reserve(s->arena, &s->stack, 2));
    node *n = node_at(s->arena, index);
    visit *v = &s->visits[s->visit_count];
    memset(v, 0, sizeof *v);
    v->node = index;
    n->slot = (uint32_t)++s->visit_count;
    s->stack.items[s->stack.count++] = n->slot - 1;
    s->stack.items[s->stack.count++] = 0;
    return MG_OK;
}

/* Order a node after all its operands. */
static int visit_settle(mg_sweep *s, uint32_t number)
{
    visit *v = &s->visits[number];
    const array *a = array_at(s->arena, v->node);
    v->input = node_at(s->arena, v->node)->bits & INPUT;
    v->needed = s->all || v->input;
    for (uint32_t i = 0; i < a->operand_count && !v->needed; i++) {
        int64_t operand = visit_of(s, operand_index(s->arena, v->node, (int)i));
        if (operand >= 0) v->needed = s->visits[operand].needed;
    }
    s->elements += a->count;
    bool leaf = a->operand_count == 0;
    bool retains = node_at(s->arena, v->node)->bits & RETAINS;
    bool asked = s->flags & (MG_ACCUMULATE | MG_GIVE);
    v->keeps = (v->input && asked) || (s->all && (leaf || retains));
    MG_TRY(indices_reserve(s->arena, &s->order, 1));
    s->order.items[s->order.count++] = number;
    return MG_OK;
}

/* Walk from a root. */
static int walk_from(mg_sweep *s, uint32_t root)
{
    if (visit_of(s, root) >= 0) return MG_OK;
    MG_TRY(visit_open(s, root));
    while (s->stack.count) {
        uint32_t *top = &s->stack.items[s->stack.count - 2];
        uint32_t index = s->visits[top[0]].node;
        if (top[1] == array_at(s->arena, index)->operand_count) {
            MG_TRY(visit_settle(s, top[0]));
            s->stack.count -= 2;
            continue;
        }
        uint32_t operand = operand_index(s->arena, index, (int)top[1]++);
        if (!(node_at(s->arena, operand)->bits & REQUIRES)) continue;
        if (visit_of(s, operand) < 0) MG_TRY(visit_open(s, operand));
    }
    return MG_OK;
}

/* ---- gradients --------------------------------------------------------------------- */

static bool records(const mg_sweep *s)
{
    return s->flags & MG_CREATE_GRAPH;
}

/* Tell whether a gradient is in nobody else's hands. */
static bool is_alone(const mg_sweep *s, uint32_t index)
{
    const node *n = node_at(s->arena, index);
    return n->references == 1 && n->array->buffer->references == 1;
}

/* Tell whether it is, and may be written to. */
static bool is_own(const mg_sweep *s, uint32_t index)
{
    const node *n = node_at(s->arena, index);
    const array *a = n->array;
    return is_alone(s, index) && a->contiguous && !a->buffer->read_only &&
           !a->buffer->owner && !(n->bits & REQUIRES);
}

static void gradient_set(mg_sweep *s, visit *v, uint32_t gradient)
{
    if (gradient) node_retain(s->arena, gradient);
    if (v->gradient) node_release(s->arena, v->gradient);
    v->gradient = gradient;
    v->slice = 0;
}

int add_run(mg_arena *arena, const deed *of)
{
    array *a = deed_output(of, 0);
    const bool holds = work_hold();
    (void)arena;
    map_apply(MG_ADD, compute_dtype(a->dtype), a, of->arrays[1], 0.0, a);
    if (holds) work_let_go();
    a->buffer->version++;
    return MG_OK;
}

/* a += b for contiguous arrays of one shape and type. */
static void add_into(mg_arena *arena, array *a, const array *b)
{
    perform(arena, &(deed){DEED(add_run), .arrays = {a, b}, .writes = 1});
}

/* Note that a visit's gradient, which nobody else has, was added to. */
static void gradient_written(mg_sweep *s, visit *v)
{
    array *a = array_at(s->arena, v->gradient);
    a->version = a->buffer->version;
    v->slice = 0;
}

/* Add a contribution to a visit's gradient. */
static int gradient_add(scope *in, mg_sweep *s, visit *v, uint32_t contribution)
{
    if (!v->gradient) {
        gradient_set(s, v, contribution);
        return MG_OK;
    }
    if (!in->record && is_own(s, v->gradient)) {
        add_into(s->arena, array_at(s->arena, v->gradient),
                 array_at(s->arena, contribution));
        gradient_written(s, v);
        return MG_OK;
    }
    uint32_t both[] = {v->gradient, contribution};
    uint32_t sum = scope_apply(in, MG_ADD, 2, both, 0, NULL, 0, NULL);
    if (sum) gradient_set(s, v, sum);
    return in->status;
}

/* ---- slices of one array -----------------------------------------------------------
 *
 * The contribution of a slice is 0 outside of it. To add all of it for each of n slices
 * would take n times as long as the array is large, so it is added in its place. What
 * that leaves out is -0.0 + 0.0 = 0.0 outside: it is made up for when the next slice comes,
 * where the last one lay: nowhere else is there a -0.0. */

static const int64_t *slice_integers(const mg_sweep *s, uint32_t slice)
{
    return extra_integers(array_at(s->arena, slice)->extra);
}

/* Tell whether two slices share no element, as is seen along one of the axes. */
static bool slices_disjoint(int rank, const int64_t *a, const int64_t *b)
{
    for (int d = 0; d < rank; d++) {
        int64_t a_end = a[d] + a[rank + d] * (a[2 * rank + d] - 1);
        int64_t b_end = b[d] + b[rank + d] * (b[2 * rank + d] - 1);
        int64_t a_low = a[d] < a_end ? a[d] : a_end, b_low = b[d] < b_end ? b[d] : b_end;
        int64_t a_high = a[d] + a_end - a_low, b_high = b[d] + b_end - b_low;
        if (a_high < b_low || b_high < a_low) return true;
    }
    return false;
}

/* Tell whether the gradient of a slice can be added in its place to that of a visit. */
static bool adds_slice(const mg_sweep *s, const visit *v, const visit *to)
{
    if (op_of(node_at(s->arena, v->node)) != MG_SLICE || !to->slice || records(s))
        return false;
    return is_own(s, to->gradient) && array_at(s->arena, v->node)->count > 0 &&
           slices_disjoint(array_at(s->arena, to->node)->rank,
                           slice_integers(s, to->slice), slice_integers(s, v->node));
}

static int slice_add_run(mg_arena *arena, const deed *of)
{
    array *part = deed_output(of, 0);
    double zero = 0.0;
    array zeros = {.dtype = MG_FLOAT64, .count = 1, .contiguous = true};
    zeros.data = (char *)&zero;
    (void)arena;
    const bool holds = work_hold();
    map_apply(MG_ADD, compute_dtype(part->dtype), part,
              of->arrays[1] ? of->arrays[1] : &zeros, 0.0, part);
    if (holds) work_let_go();
    return MG_OK;
}

/* Add to the part of a visit's gradient that a slice shows: its own gradient, or 0. */
static int slice_add(mg_sweep *s, visit *to, uint32_t slice, const array *gradient)
{
    const int64_t *how = slice_integers(s, slice);
    array part = *array_at(s->arena, to->gradient);
    MG_TRY(slice_of(&part, how, how + part.rank, how + 2 * part.rank));
    const deed of = {DEED(slice_add_run), .arrays = {&part, gradient}, .writes = 1};
    return perform(s->arena, &of);
}

static int slice_pass(mg_sweep *s, const visit *v, visit *to)
{
    MG_TRY(slice_add(s, to, to->slice, NULL));
    MG_TRY(slice_add(s, to, v->node, array_at(s->arena, v->gradient)));
    array_at(s->arena, to->gradient)->buffer->version++;
    gradient_written(s, to);
    to->slice = v->node;
    return MG_OK;
}

/* ---- visits ------------------------------------------------------------------------ */

/* Pass the gradient of a visit on to one operand. */
static int pass_on(mg_sweep *s, const visit *v, int which)
{
    scope in;
    int64_t number = visit_of(s, operand_index(s->arena, v->node, which));
    if (number < 0 || !s->visits[number].needed) return MG_OK;
    visit *to = &s->visits[number];
    if (adds_slice(s, v, to)) return slice_pass(s, v, to);
    scope_open(&in, s->arena, records(s));
    in.passed = &s->passed;
    in.ahead = &s->ahead;
    uint32_t contribution = vjp(&in, v->node, which, v->gradient);
    if (contribution) in.status = gradient_add(&in, s, to, contribution);
    bool sliced = op_of(node_at(s->arena, v->node)) == MG_SLICE && !records(s);
    bool has_axes = array_at(s->arena, to->node)->rank > 0;
    to->slice = contribution && sliced && has_axes ? v->node : 0;
    return scope_close(&in);
}

/* A function of the caller's hears of its outputs' gradients at the function. */
static void output_pass(mg_sweep *s, const visit *v)
{
    int64_t function = visit_of(s, operand_index(s->arena, v->node, 0));
    if (function >= 0) gradient_set(s, &s->visits[function], v->gradient);
}

/* Let go of what came ahead and was not asked for. */
static void ahead_close(mg_sweep *s)
{
    for (int i = 0; i < 2; i++)
        if (s->ahead.made[i]) node_release(s->arena, s->ahead.made[i]);
    s->ahead = (ahead){0};
}

/* Visit the next node. Returns MG_HOOK or MG_CALL when it is the caller's turn. */
static int visit_next(mg_sweep *s, int64_t *work)
{
    visit *v = &s->visits[s->order.items[s->remaining - 1]];
    const node *n = node_at(s->arena, v->node);
    const array *a = n->array;
    const int passes = op_gradients[op_of(n)];
    if (v->gradient && v->needed) {
        bool stops = (n->bits & WATCHED) && !s->hook_offered;
        s->hook_offered = true;
        MG_RETURN_IF(stops, MG_HOOK);
        if (passes == GRADIENT_CALL) {
            bool calls = !s->call_offered;
            s->call_offered = true;
            MG_RETURN_IF(calls, MG_CALL);
        } else if (passes == GRADIENT_PASS) {
            output_pass(s, v);
        } else {
            for (; s->operand < a->operand_count; s->operand++)
                MG_TRY(pass_on(s, v, (int)s->operand));
        }
        *work += a->count + 64;
    }
    if (!v->keeps && passes != GRADIENT_PASS) gradient_set(s, v, 0);
    s->hook_offered = s->call_offered = false;
    s->operand = 0;
    if (MG_UNLIKELY(s->ahead.node)) ahead_close(s);
    s->remaining--;
    return MG_OK;
}

/* ---- the end ----------------------------------------------------------------------- */

/* Tell whether the gradient that a node has is added to in place. */
static bool adds_in_place(const mg_sweep *s, uint32_t old)
{
    const node *n = node_at(s->arena, old);
    return !records(s) && !(n->bits & REQUIRES) && !n->array->buffer->read_only &&
           !array_overlaps(n->array);
}

/* Tell whether a gradient can become that of a node as it is: nobody else has it, or, as
 * it is recorded, nobody adds to it in place. */
static bool is_to_keep(const mg_sweep *s, uint32_t gradient)
{
    bool recorded = records(s) && (node_at(s->arena, gradient)->bits & REQUIRES);
    return recorded || is_own(s, gradient);
}

/* Before the commit, make v->gradient a value that the node may own: cloned if others
 * share it, or the sum with the old gradient. v->fresh: it replaces the old one; else it
 * will be added to the old one in place. */
static int gradient_prepare(mg_sweep *s, visit *v)
{
    scope in;
    recorder *r = recorder_of(s->arena);
    if (MG_UNLIKELY(r != NULL)) {
        r->swept = true;
        r->looks(r, v->node);
    }
    uint32_t old = node_at(s->arena, v->node)->gradient_node;
    bool adds = old && adds_in_place(s, old);
    v->fresh = !adds;
    bool ready = adds ? v->apart || is_alone(s, v->gradient)
                      : !old && (v->apart || is_to_keep(s, v->gradient));
    if (ready) return MG_OK;
    uint32_t both[] = {old, v->gradient};
    scope_open(&in, s->arena, records(s));
    uint32_t made = old && !adds
                        ? scope_apply(&in, MG_ADD, 2, both, 0, NULL, 0, NULL)
                        : scope_apply(&in, MG_CLONE, 1, both + 1, 0, NULL, 0, NULL);
    if (made) gradient_set(s, v, made);
    return scope_close(&in);
}

static bool is_target(const mg_sweep *s, const visit *v)
{
    bool accumulates = s->flags & MG_ACCUMULATE;
    return accumulates && v->gradient && v->keeps &&
           op_gradients[op_of(node_at(s->arena, v->node))] != GRADIENT_CALL;
}

/* Tell whether the gradient of a visit is a whole piece of a buffer that others share,
 * and which behind `end` only they do. */
static bool is_piece(const mg_sweep *s, const visit *v, const buffer *of, const char *end)
{
    if (!is_target(s, v)) return false;
    const node *n = node_at(s->arena, v->gradient);
    const array *a = n->array;
    return a->buffer == of && n->references == 1 && !(n->bits & REQUIRES) &&
           a->contiguous && a->data >= end;
}

/* Find gradients that make up all of what there is of a buffer, one piece behind the
 * other, as those of a cat's operands do: they need no copies. */
static void pieces_find(mg_sweep *s)
{
    for (size_t first = 0, i; first < s->visit_count; first = i) {
        i = first + 1;
        if (!is_target(s, &s->visits[first])) continue;
        const buffer *shared = array_at(s->arena, s->visits[first].gradient)->buffer;
        const char *end = shared->data;
        size_t bytes = 0;
        uint32_t pieces = 0;
        if (shared->references == 1 || shared->read_only || shared->owner) continue;
        for (i = first; i < s->visit_count; i++) {
            const visit *v = &s->visits[i];
            if (is_target(s, v) && !is_piece(s, v, shared, end)) break;
            if (!is_target(s, v)) continue;
            const array *a = array_at(s->arena, v->gradient);
            end = a->data + a->count * dtype_sizes[a->dtype];
            bytes += (size_t)(end - a->data);
            pieces++;
        }
        bool apart = pieces == shared->references && bytes >= shared->size / 2;
        for (size_t k = first; k < i; k++) s->visits[k].apart = apart;
        if (i == first) i++;
    }
}

/* Say that the gradient of a node was set. */
static void gradient_remember(mg_arena *arena, uint32_t index)
{
    recorder *r = recorder_of(arena);
    if (MG_UNLIKELY(r != NULL)) r->sets(r, index);
}

/* Give leaves, and nodes that retain theirs, their gradients: what can fail comes
 * first. */
static int gradients_commit(mg_sweep *s)
{
    if (!records(s)) pieces_find(s);
    for (size_t i = 0; i < s->visit_count; i++)
        if (is_target(s, &s->visits[i])) MG_TRY(gradient_prepare(s, &s->visits[i]));
    for (size_t i = 0; i < s->visit_count; i++) {
        visit *v = &s->visits[i];
        if (!is_target(s, v)) continue;
        node *n = node_at(s->arena, v->node);
        if (!v->fresh) {
            add_into(s->arena, array_at(s->arena, n->gradient_node),
                     array_at(s->arena, v->gradient));
            continue;
        }
        uint32_t old = n->gradient_node;
        n->gradient_node = v->gradient;
        node_retain(s->arena, v->gradient);
        if (old) node_release(s->arena, old);
        gradient_remember(s->arena, v->node);
    }
    return MG_OK;
}

/* Let a visit's gradient be a copy, whose elements lie one behind the other. */
static int gradient_clone(mg_sweep *s, visit *v)
{
    scope in;
    scope_open(&in, s->arena, false);
    const uint32_t made = scope_apply(&in, MG_CLONE, 1, &v->gradient, 0, NULL, 0, NULL);
    if (made) gradient_set(s, v, made);
    return scope_close(&in);
}

/* Let the inputs' gradients, which the caller gets, be in memory of their own, as those
 * of leaves are. */
static int gradients_part(mg_sweep *s)
{
    for (size_t i = 0; i < s->inputs.count; i++) {
        const int64_t number = visit_of(s, s->inputs.items[i]);
        visit *v = number < 0 ? NULL : &s->visits[number];
        if (v && v->gradient && !is_own(s, v->gradient)) MG_TRY(gradient_clone(s, v));
    }
    return MG_OK;
}

static int sweep_continue(mg_sweep *s, int64_t budget)
{
    enum { ASKS = (1 << 12) / MG_ASK_OFTEN }; /* visits: some ms, also of small arrays */
    int64_t work = 0;
    while (s->remaining) {
        MG_RETURN_IF(budget > 0 && work >= budget, MG_MORE);
        MG_RETURN_IF(!work_steps((int64_t)s->remaining, ASKS), MG_ERR_INTERRUPTED);
        int status = visit_next(s, &work);
        if (status != MG_OK) return status;
    }
    const bool holds = work_hold();
    int status = s->flags & MG_GIVE && !records(s) ? gradients_part(s) : MG_OK;
    if (status == MG_OK) status = gradients_commit(s);
    if (holds) work_let_go();
    MG_TRY(status);
    s->done = true;
    return MG_OK;
}

static MG_NOINLINE int sweep_run(mg_sweep *s, int64_t budget)
{
    MG_RETURN_IF(s->done || s->failed || budget < 0, MG_ERR_ARG);
    marks_take(s);
    int status = sweep_continue(s, budget);
    if (status == MG_ERR_INTERRUPTED) return MG_MORE;
    s->failed = status < 0;
    if (s->failed && s->remaining)
        s->fault = s->visits[s->order.items[s->remaining - 1]].node;
    return status;
}

/* ---- opening and closing ----------------------------------------------------------- */

/* Set the gradient of a root: a copy, or a cast, of its seed, or one. */
static int root_seed(mg_sweep *s, uint32_t root, mg_node seed)
{
    scope in;
    const array *a = array_at(s->arena, root);
    uint32_t given = 0;
    MG_RETURN_IF(!(node_at(s->arena, root)->bits & REQUIRES), MG_ERR_GRADIENT);
    MG_RETURN_IF(!seed && a->count != 1, MG_ERR_ARG);
    if (seed) {
        MG_TRY(array_find(s->arena, seed, &given));
        MG_RETURN_IF(!shape_equal(array_at(s->arena, given), a), MG_ERR_SHAPE);
        recorder *r = recorder_of(s->arena);
        if (MG_UNLIKELY(r != NULL)) r->sees(r, given);
    }
    scope_open(&in, s->arena, records(s));
    if (!seed) {
        uint32_t one = scope_constant(&in, a->dtype, 1.0);
        given = scope_apply(&in, MG_RESHAPE, 1, &one, a->rank, a->shape, 0, NULL);
    } else if (array_at(s->arena, given)->dtype != a->dtype) {
        int64_t dtype = a->dtype;
        given = scope_apply(&in, MG_CAST, 1, &given, 1, &dtype, 0, NULL);
    }
    if (given) in.status = gradient_add(&in, s, &s->visits[visit_of(s, root)], given);
    return scope_close(&in);
}

/* Find nodes and hold on to them. */
static int nodes_retain(mg_sweep *s, indices *list, int64_t count, const mg_node *handles)
{
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    MG_TRY(indices_reserve(s->arena, list, (size_t)count));
    for (int64_t i = 0; i < count; i++) {
        uint32_t index;
        MG_TRY(array_find(s->arena, handles[i], &index));
        node_retain(s->arena, index);
        list->items[list->count++] = index;
    }
    return MG_OK;
}

/* Mark the inputs, or take the marks away. */
static void inputs_mark(mg_sweep *s, bool marked)
{
    for (size_t i = 0; i < s->inputs.count; i++) {
        node *n = node_at(s->arena, s->inputs.items[i]);
        n->bits = marked ? n->bits | INPUT : n->bits & ~(uint32_t)INPUT;
    }
}

static int sweep_fill(mg_sweep *s, int64_t root_count, const mg_node *roots,
                      const mg_node *seeds, int64_t input_count, const mg_node *inputs)
{
    int status = MG_OK;
    const int known = MG_ACCUMULATE | MG_CREATE_GRAPH | MG_GIVE;
    MG_RETURN_IF(root_count < 1 || (s->flags & ~known), MG_ERR_ARG);
    MG_TRY(nodes_retain(s, &s->roots, root_count, roots));
    MG_TRY(nodes_retain(s, &s->inputs, input_count, inputs));
    for (size_t i = 0; i < s->inputs.count; i++)
        MG_RETURN_IF(!(node_at(s->arena, s->inputs.items[i])->bits & REQUIRES),
                     MG_ERR_GRADIENT);
    s->all = input_count == 0;
    inputs_mark(s, true);
    for (int64_t i = 0; i < root_count && status == MG_OK; i++) {
        bool requires = node_at(s->arena, s->roots.items[i])->bits & REQUIRES;
        status = requires ? walk_from(s, s->roots.items[i]) : MG_ERR_GRADIENT;
    }
    inputs_mark(s, false);
    MG_TRY(status);
    for (int64_t i = 0; i < root_count; i++)
        MG_TRY(root_seed(s, s->roots.items[i], seeds ? seeds[i] : 0));
    s->remaining = s->order.count;
    return MG_OK;
}

static void list_free(mg_arena *arena, indices *list)
{
    arena_allocate(arena, list->items, list->capacity * sizeof(uint32_t), 0);
}

static void nodes_release(mg_arena *arena, indices *list)
{
    for (size_t i = 0; i < list->count; i++) node_release(arena, list->items[i]);
    list_free(arena, list);
}

static void sweep_close(mg_sweep *s)
{
    mg_arena *arena = s->arena;
    *s->link = s->next;
    if (s->next) s->next->link = s->link;
    if (arena->marks == s) {
        for (size_t i = 0; i < s->visit_count; i++)
            node_at(arena, s->visits[i].node)->slot = 0;
        arena->marks = NULL;
    }
    for (size_t i = 0; i < s->visit_count; i++)
        if (s->visits[i].gradient) node_release(arena, s->visits[i].gradient);
    ahead_close(s);
    arena_allocate(arena, s->visits, s->visit_capacity * sizeof(visit), 0);
    list_free(arena, &s->order);
    list_free(arena, &s->stack);
    nodes_release(arena, &s->roots);
    nodes_release(arena, &s->inputs);
    arena_allocate(arena, s, sizeof *s, 0);
}

void sweeps_free(mg_arena *arena)
{
    while (arena->sweeps) sweep_close(arena->sweeps);
}

static int sweep_open(mg_arena *arena, int64_t root_count, const mg_node *roots,
                      const mg_node *seeds, int64_t input_count, const mg_node *inputs,
                      int flags, mg_sweep **opened)
{
    mg_sweep *s = arena_allocate(arena, NULL, 0, sizeof *s);
    MG_RETURN_IF(!s, MG_ERR_NOMEM);
    memset(s, 0, sizeof *s);
    s->arena = arena;
    s->flags = flags;
    s->next = arena->sweeps;
    s->link = &arena->sweeps;
    if (s->next) s->next->link = &s->next;
    arena->sweeps = arena->marks = s;
    int status = sweep_fill(s, root_count, roots, seeds, input_count, inputs);
    if (status < 0) {
        sweep_close(s);
        return status;
    }
    *opened = s;
    return MG_OK;
}

int mg_sweep_open(mg_arena *arena, int64_t root_count, const mg_node *roots,
                  const mg_node *seeds, int64_t input_count, const mg_node *inputs,
                  int flags, mg_sweep **sweep)
{
    MG_TRY(arena_enter(arena));
    recorder *r = recorder_of(arena);
    const bool hides = r && !(flags & MG_CREATE_GRAPH);
    if (MG_UNLIKELY(hides)) r->within++;
    int status =
        sweep_open(arena, root_count, roots, seeds, input_count, inputs, flags, sweep);
    if (MG_UNLIKELY(hides)) r->within--;
    if (MG_UNLIKELY(r != NULL) && status == MG_OK)
        r->sweeps(r, *sweep, root_count, roots, seeds, input_count, inputs, flags);
    arena_unlock(arena);
    return status;
}

/* Return what hears of a sweep's affairs with its caller, mostly NULL: one that is recorded
 * has none, its calls are told. */
static recorder *listener_of(const mg_sweep *s)
{
    return records(s) ? NULL : recorder_of(s->arena);
}

/* Tell of a sweep that is at its end. */
static MG_NOINLINE void end_tell(mg_sweep *s, recorder *r)
{
    for (size_t i = 0; s->flags & MG_GIVE && i < s->inputs.count; i++) {
        const int64_t number = visit_of(s, s->inputs.items[i]);
        if (number >= 0 && s->visits[number].gradient)
            r->keeps(r, s->visits[number].gradient);
    }
    r->ends(r, s);
}

int mg_sweep_run(mg_sweep *sweep, int64_t budget)
{
    mg_arena *arena = sweep->arena;
    if (arena_enter(arena) < 0) return MG_MORE;
    const uint64_t mode = mode_enter();
    recorder *r = listener_of(sweep);
    if (MG_UNLIKELY(r != NULL) && sweep->call_offered) r->resumes(r, sweep);
    if (MG_UNLIKELY(r != NULL)) r->within++;
    int status = sweep_run(sweep, budget);
    if (MG_UNLIKELY(r != NULL)) r->within--;
    if (MG_UNLIKELY(r != NULL) && status == MG_OK) end_tell(sweep, r);
    if (status == MG_HOOK && (r = recorder_of(arena))) r->stops(r);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

int64_t mg_sweep_elements(mg_sweep *sweep)
{
    return sweep->elements;
}

void mg_sweep_close(mg_sweep *sweep)
{
    if (!sweep) return;
    mg_arena *arena = sweep->arena;
    arena_lock(arena);
    recorder *r = sweep->done ? NULL : listener_of(sweep);
    if (MG_UNLIKELY(r != NULL)) r->breaks(r, sweep);
    sweep_close(sweep);
    arena_unlock(arena);
}

/* ---- talking with the caller ------------------------------------------------------- */

/* Return the visit that a sweep stopped at, or NULL. */
static visit *visit_at_hand(const mg_sweep *s)
{
    if (s->failed || !s->remaining || !(s->hook_offered || s->call_offered)) return NULL;
    return &s->visits[s->order.items[s->remaining - 1]];
}

mg_node mg_sweep_node(mg_sweep *sweep)
{
    mg_arena *arena = sweep->arena;
    arena_lock(arena);
    const visit *v = visit_at_hand(sweep);
    uint32_t index = v ? v->node : sweep->fault;
    mg_node given = index ? handle_share(arena, index) : MG_ERR_ARG;
    arena_unlock(arena);
    return given;
}

/* Tell whether a node is an output of the function that a sweep stopped at. */
bool sweep_is_at(const mg_sweep *s, uint32_t output)
{
    const visit *v = visit_at_hand(s);
    if (!v || !s->call_offered || op_of(node_at(s->arena, output)) != MG_OUTPUT)
        return false;
    return operand_index(s->arena, output, 0) == v->node;
}

/* Give the caller the gradient that a visit has. A function gets it with its elements one
 * behind the other, so that no layout tells what a reshape of it shares memory with. */
static mg_node visit_give(mg_sweep *s, visit *v)
{
    recorder *r = listener_of(s);
    const bool is_at = sweep_is_at(s, v->node);
    if (MG_UNLIKELY(r != NULL)) r->within++;
    int status = MG_OK;
    if (is_at && !records(s) && !array_at(s->arena, v->gradient)->contiguous)
        status = gradient_clone(s, v);
    if (MG_UNLIKELY(r != NULL)) r->within--;
    MG_TRY(status);
    if (MG_UNLIKELY(r != NULL && is_at)) r->gets(r, s, v->node, v->gradient);
    else if (MG_UNLIKELY(r != NULL)) r->breaks(r, s);
    return handle_share(s->arena, v->gradient);
}

mg_node mg_sweep_gradient(mg_sweep *sweep, mg_node handle)
{
    uint32_t index;
    mg_arena *arena = sweep->arena;
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    mg_node given = array_find(arena, handle, &index);
    if (given == MG_OK) {
        marks_take(sweep);
        const int64_t number = visit_of(sweep, index);
        visit *v = number < 0 ? NULL : &sweep->visits[number];
        given = v && v->gradient ? visit_give(sweep, v) : 0;
    }
    mode_leave(mode);
    arena_unlock(arena);
    return given;
}

/* Check that a gradient is like the node it is for. */
static int gradient_check(const mg_arena *arena, uint32_t of, uint32_t gradient)
{
    const array *a = array_at(arena, of), *g = array_at(arena, gradient);
    MG_RETURN_IF(!shape_equal(a, g), MG_ERR_SHAPE);
    return a->dtype == g->dtype ? MG_OK : MG_ERR_DTYPE;
}

static int sweep_replace(mg_sweep *s, mg_node gradient)
{
    uint32_t index;
    visit *v = visit_at_hand(s);
    MG_RETURN_IF(!v, MG_ERR_ARG);
    MG_TRY(array_find(s->arena, gradient, &index));
    MG_TRY(gradient_check(s->arena, v->node, index));
    gradient_set(s, v, index);
    return MG_OK;
}

int mg_sweep_replace(mg_sweep *sweep, mg_node gradient)
{
    mg_arena *arena = sweep->arena;
    arena_lock(arena);
    int status = sweep_replace(sweep, gradient);
    arena_unlock(arena);
    return status;
}

static MG_NOINLINE int sweep_contribute(mg_sweep *s, int which, mg_node gradient)
{
    scope in;
    uint32_t index;
    const visit *v = visit_at_hand(s);
    MG_RETURN_IF(!v || !s->call_offered || which < 0, MG_ERR_ARG);
    MG_RETURN_IF((uint32_t)which >= array_at(s->arena, v->node)->operand_count,
                 MG_ERR_ARG);
    MG_TRY(array_find(s->arena, gradient, &index));
    marks_take(s);
    uint32_t operand = operand_index(s->arena, v->node, which);
    int64_t to = visit_of(s, operand);
    if (to < 0 || !s->visits[to].needed) return MG_OK;
    MG_TRY(gradient_check(s->arena, operand, index));
    recorder *r = listener_of(s);
    if (MG_UNLIKELY(r != NULL)) r->gives(r, s, which, index), r->within++;
    scope_open(&in, s->arena, records(s));
    in.status = gradient_add(&in, s, &s->visits[to], index);
    const int status = scope_close(&in);
    if (MG_UNLIKELY(r != NULL)) r->within--;
    return status;
}

int mg_sweep_contribute(mg_sweep *sweep, int which, mg_node gradient)
{
    mg_arena *arena = sweep->arena;
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = sweep_contribute(sweep, which, gradient);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

int mg_sweep_give(mg_sweep *sweep, mg_node *out)
{
    mg_arena *arena = sweep->arena;
    arena_lock(arena);
    bool kept = sweep->done && (sweep->flags & MG_GIVE);
    marks_take(sweep);
    int status = kept ? MG_OK : MG_ERR_ARG;
    for (size_t i = 0; status == MG_OK && i < sweep->inputs.count; i++) {
        int64_t number = visit_of(sweep, sweep->inputs.items[i]);
        uint32_t gradient = number < 0 ? 0 : sweep->visits[number].gradient;
        out[i] = gradient ? handle_retain(arena, gradient) : 0;
    }
    arena_unlock(arena);
    return status;
}

/* ---- flags and gradients of nodes -------------------------------------------------- */

/* Set or clear a flag of an array's node. */
static void flag_set(mg_arena *arena, uint32_t index, uint32_t flag, bool on)
{
    node *n = node_at(arena, index);
    n->bits = on ? n->bits | flag : n->bits & ~flag;
}

static int require_gradient(mg_arena *arena, mg_node handle, bool on)
{
    uint32_t index;
    MG_TRY(array_find(arena, handle, &index));
    MG_RETURN_IF(array_at(arena, index)->operand_count, MG_ERR_ARG);
    MG_RETURN_IF(on && !is_float(array_at(arena, index)->dtype), MG_ERR_DTYPE);
    recorder *r = recorder_of(arena);
    if (MG_UNLIKELY(r != NULL)) r->requires(r, index, on);
    flag_set(arena, index, REQUIRES, on);
    return MG_OK;
}

int mg_require_gradient(mg_arena *arena, mg_node handle, int on)
{
    MG_TRY(arena_enter(arena));
    int status = require_gradient(arena, handle, on != 0);
    arena_unlock(arena);
    return status;
}

static int flag_change(mg_arena *arena, mg_node handle, uint32_t flag, bool on)
{
    uint32_t index;
    arena_lock(arena);
    int status = array_find(arena, handle, &index);
    if (status == MG_OK && !(node_at(arena, index)->bits & REQUIRES))
        status = MG_ERR_GRADIENT;
    if (status == MG_OK) flag_set(arena, index, flag, on);
    arena_unlock(arena);
    return status;
}

int mg_retain_gradient(mg_arena *arena, mg_node handle)
{
    return flag_change(arena, handle, RETAINS, true);
}

int mg_watch_gradient(mg_arena *arena, mg_node handle, int on)
{
    return flag_change(arena, handle, WATCHED, on != 0);
}

mg_node mg_gradient(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    MG_TRY(arena_enter(arena));
    mg_node given = array_find(arena, handle, &index);
    if (given == MG_OK) {
        recorder *r = recorder_of(arena);
        if (MG_UNLIKELY(r != NULL)) r->looks(r, index);
        uint32_t gradient = node_at(arena, index)->gradient_node;
        given = gradient ? handle_share(arena, gradient) : 0;
    }
    arena_unlock(arena);
    return given;
}

static int set_gradient(mg_arena *arena, mg_node handle, mg_node gradient)
{
    uint32_t index, given = 0;
    MG_TRY(array_find(arena, handle, &index));
    if (gradient) {
        MG_TRY(array_find(arena, gradient, &given));
        MG_TRY(gradient_check(arena, index, given));
        node_retain(arena, given);
    }
    node *n = node_at(arena, index);
    uint32_t old = n->gradient_node;
    n->gradient_node = given;
    if (old) node_release(arena, old);
    gradient_remember(arena, index);
    return MG_OK;
}

int mg_set_gradient(mg_arena *arena, mg_node handle, mg_node gradient)
{
    MG_TRY(arena_enter(arena));
    int status = set_gradient(arena, handle, gradient);
    arena_unlock(arena);
    return status;
}
