/* log.c: recording what calls do with numbers, to make a program of it.
 *
 * While it lasts no slot of a node is used again, so that nodes are numbered in the order
 * they were made. Nothing is noted when a node is made: what is new is looked at when a
 * backward, an update or another call comes that depends on it, and at the end. What was
 * freed before that did not matter to anybody. */
#include "programs/script.h"

/* The recording of an arena: its first member is what the arena knows of it. */
typedef struct script_log {
    number_log calls;
    trace t;
    uint32_t seen;      /* nodes below have been looked at */
    uint32_t resolved;  /* of nodes below, operands that are choices are what was chosen */
    bool gave_up;       /* it goes on to its end, and there is no program, */
    bool was_left;      /* because a work was given up in the middle */
    int64_t steps_left; /* parameters of a step that mg_script_update() has told of */
    int status;         /* the first failure */
} script_log;

static script_log *log_of(const mg_arena *arena)
{
    return (script_log *)arena->log;
}

static int log_failed(script_log *log, int status)
{
    if (status == MG_ERR_INTERRUPTED) {
        log->gave_up = log->was_left = true; /* the same again would be noted twice */
        return status;
    }
    if (status < 0 && log->status == MG_OK) log->status = status;
    return status;
}

/* ---- choices ----------------------------------------------------------------------- */

/* Find the choice that a leaf stands for, or NULL. They are in the order of their leaves. */
static choice *choice_find(const trace *t, uint32_t leaf)
{
    choice *choices = t->choices.items;
    size_t low = 0, high = t->choices.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (choices[middle].leaf < leaf) low = middle + 1;
        else high = middle;
    }
    return low < t->choices.count && choices[low].leaf == leaf ? choices + low : NULL;
}

/* Let a node have what was chosen as an operand: its graph is that of a list and an int. */
static int operand_resolve(script_log *log, uint32_t index, uint32_t which)
{
    trace *t = &log->t;
    node *n = node_at(t->arena, index);
    const uint32_t leaf = n->operand[which];
    const choice *of = choice_find(t, leaf);
    if (!of) return MG_OK;
    MG_RETURN_IF(of->is_stale, MG_ERR_RECORDED);
    MG_TRY(list_reserve(t->arena, &t->edges, 1, sizeof(choice_edge)));
    ((choice_edge *)t->edges.items)[t->edges.count++] = (choice_edge){
        (uint64_t)index << 1 | which, (uint32_t)(of - (choice *)t->choices.items)};
    while (choice_find(t, n->operand[which]))
        n->operand[which] = choice_find(t, n->operand[which])->now;
    node_retain(t->arena, n->operand[which]);
    node_release(t->arena, leaf);
    return MG_OK;
}

/* Let all new nodes have what was chosen. */
static int choices_resolve(script_log *log)
{
    const mg_arena *arena = log->t.arena;
    for (; log->t.choices.count && log->resolved < arena->fresh; log->resolved++) {
        const node *n = node_at(arena, log->resolved);
        const uint32_t arity = n->bits & (FREED | ARRAY) ? 0 : arity_of(n);
        for (uint32_t which = 0; which < arity; which++)
            MG_TRY(operand_resolve(log, log->resolved, which));
    }
    return MG_OK;
}

/* What leaves hold changes: numbers that were chosen from them are what they were. */
static void choices_end(const trace *t)
{
    for (size_t i = 0; i < t->choices.count; i++)
        ((choice *)t->choices.items)[i].is_stale = true;
}

/* ---- looking at new nodes ---------------------------------------------------------- */

static bool is_scalar(const mg_arena *arena, uint32_t index)
{
    return !(node_at(arena, index)->bits & (FREED | ARRAY));
}

static int nodes_look(script_log *log, indices *stack)
{
    trace *t = &log->t;
    const uint32_t end = t->arena->fresh;
    for (uint32_t i = log->seen; i < end; i++) {
        if (is_scalar(t->arena, i) && !arity_of(node_at(t->arena, i)))
            MG_TRY(leaf_trace(t, i));
        if (!work_steps(i, ASK_AFTER)) return MG_ERR_INTERRUPTED;
    }
    for (uint32_t i = log->seen; i < end; i++) {
        const node *n = node_at(t->arena, i);
        if (!work_steps(i, ASK_AFTER)) return MG_ERR_INTERRUPTED;
        if (!is_scalar(t->arena, i) || !arity_of(n)) continue;
        MG_RETURN_IF(op_of(n) >= MG_SCALAR_OP_COUNT, MG_ERR_RECORDED);
        MG_TRY(node_trace_all(t, stack, i));
    }
    log->seen = end;
    return MG_OK;
}

/* Look at all nodes made since the last time. */
static int log_catch_up(script_log *log)
{
    trace *t = &log->t;
    indices stack = {NULL, 0, 0};
    const size_t count = t->arena->fresh - t->first;
    MG_TRY(log->status);
    MG_TRY(log_failed(log, choices_resolve(log)));
    if (log->gave_up) return MG_OK;
    if (count == t->made.count) return MG_OK; /* and made.items may be NULL */
    MG_TRY(list_reserve(t->arena, &t->made, count - t->made.count, sizeof(node_numbers)));
    memset((node_numbers *)t->made.items + t->made.count, 0,
           (count - t->made.count) * sizeof(node_numbers));
    t->made.count = count;
    int status = nodes_look(log, &stack);
    if (stack.capacity)
        arena_allocate(t->arena, stack.items, stack.capacity * sizeof(uint32_t), 0);
    return log_failed(log, status);
}

/* ---- what calls tell --------------------------------------------------------------- */

/* Trace a backward with its graph walked. */
static int walked_trace(script_log *log, uint32_t root, double seed)
{
    trace *t = &log->t;
    const indices *order = &t->arena->walk.order;
    for (size_t i = 0; i < order->count; i++) {
        MG_RETURN_IF(order->items[i] < t->first, MG_ERR_RECORDED);
        *gradient_number(t, order->items[i]) = 0;
    }
    MG_TRY(backward_trace(t, root, seed));
    return gradients_write(t);
}

static int log_backward(mg_arena *arena, uint32_t root, double seed)
{
    script_log *log = log_of(arena);
    MG_TRY(log_catch_up(log));
    MG_RETURN_IF(root < log->t.first || choice_find(&log->t, root), MG_ERR_RECORDED);
    if (log->gave_up) return MG_OK;
    if (log->t.edges.count && arity_of(node_at(arena, root))) {
        const int found = choices_trace(&log->t, root, seed);
        log->gave_up = found == MG_ERR_RULE;
        return log->gave_up ? MG_OK : log_failed(log, found);
    }
    MG_TRY(walk_whole(arena, root));
    int status = walked_trace(log, root, seed);
    walk_close(arena);
    return log_failed(log, status);
}

static int node_set(script_log *log, uint32_t index, double to, bool is_gradient)
{
    trace *t = &log->t;
    if (index < t->first) MG_TRY(old_add(t, index, false));
    const uint32_t value = constant(t, to);
    MG_TRY(t->status);
    *(is_gradient ? gradient_number(t, index) : data_number(t, index)) = value;
    outer_node *o = outer_of(t, index);
    if (!o) return MG_OK;
    if (is_gradient) o->gradient = value;
    return write_add(t, o, is_gradient, value);
}

static int log_set(mg_arena *arena, int64_t count, const mg_node *nodes, const double *to,
                   bool is_gradient)
{
    script_log *log = log_of(arena);
    MG_TRY(log_catch_up(log));
    for (int64_t i = 0; i < count; i++)
        MG_RETURN_IF(choice_find(&log->t, index_of(nodes[i])), MG_ERR_RECORDED);
    if (!is_gradient) choices_end(&log->t);
    int status = MG_OK;
    if (log->gave_up) return status;
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        status = node_set(log, index_of(nodes[i]), to ? to[i] : 0.0, is_gradient);
    return log_failed(log, status);
}

/* Let constants be read. */
static int log_read(mg_arena *arena, int64_t count, const mg_node *nodes)
{
    script_log *log = log_of(arena);
    const trace *t = &log->t;
    MG_TRY(log_catch_up(log));
    for (int64_t i = 0; i < count; i++) {
        const uint32_t index = index_of(nodes[i]);
        MG_RETURN_IF(index < t->first || choice_find(t, index), MG_ERR_RECORDED);
        if (log->gave_up) continue;
        uint32_t number = *data_number(t, index);
        MG_RETURN_IF(operation_at(t, number)->code != CODE_CONSTANT, MG_ERR_RECORDED);
    }
    return MG_OK;
}

/* Let a step be made that was told of. */
static int log_step(mg_arena *arena, int64_t count, const mg_node *parameters)
{
    script_log *log = log_of(arena);
    (void)parameters;
    const int64_t left = log->steps_left;
    log->steps_left = -1;
    choices_end(&log->t);
    return left == count ? MG_OK : log_failed(log, MG_ERR_RECORDED);
}

/* ---- beginning and end ------------------------------------------------------------- */

static const number_log log_calls = {log_backward, log_set, log_read, log_step};

static void log_end(mg_arena *arena)
{
    script_log *log = log_of(arena);
    (void)choices_resolve(log); /* where it was given up: what no memory is left for stays */
    slots_reuse(arena);
    trace_free(&log->t);
    arena_allocate(arena, log, sizeof *log, 0);
}

static int log_open(mg_arena *arena, int64_t count, const mg_node *inputs)
{
    MG_RETURN_IF(arena->log || arena->walk.root, MG_ERR_BUSY);
    MG_TRY(nodes_find(arena, count, inputs));
    for (int64_t i = 0; i < count; i++)
        MG_RETURN_IF(arity_of(node_at(arena, index_of(inputs[i]))), MG_ERR_ARG);
    script_log *log = arena_allocate(arena, NULL, 0, sizeof *log);
    MG_RETURN_IF(!log, MG_ERR_NOMEM);
    memset(log, 0, sizeof *log);
    nodes_settle(arena);
    int status = trace_begin(&log->t, arena);
    log->calls = log_calls;
    log->t.is_logged = true;
    log->t.first = log->seen = log->resolved = arena->fresh;
    log->steps_left = -1;
    for (int64_t i = 0; status == MG_OK && i < count; i++)
        status = old_add(&log->t, index_of(inputs[i]), true);
    slots_keep(arena, &log->calls);
    if (status < 0) log_end(arena);
    return status;
}

int mg_script_open(mg_arena *arena, int64_t input_count, const mg_node *inputs)
{
    arena_lock(arena);
    int status = log_open(arena, input_count, inputs);
    arena_unlock(arena);
    return status;
}

static int log_update(mg_arena *arena, mg_number_update *given)
{
    script_log *log = log_of(arena);
    MG_RETURN_IF(!log || given->count < 0, MG_ERR_ARG);
    MG_TRY(log_catch_up(log));
    int status = log->gave_up ? MG_OK : update_trace(&log->t, given);
    if (status == MG_OK) log->steps_left = given->count;
    return log_failed(log, status);
}

int mg_script_update(mg_arena *arena, mg_number_update *update)
{
    arena_lock(arena);
    int status = log_update(arena, update);
    arena_unlock(arena);
    return status;
}

/* ---- numbers that are looked for at each run -------------------------------------- */

/* Take in what a leaf that was just made is to be found among. */
static int among_find(script_log *log, mg_node leaf, int64_t count, const mg_node *nodes)
{
    trace *t = &log->t;
    MG_TRY(log_catch_up(log));
    MG_TRY(nodes_find(t->arena, count, nodes));
    MG_TRY(nodes_find(t->arena, 1, &leaf));
    const uint32_t index = index_of(leaf);
    MG_RETURN_IF(index < t->first || arity_of(node_at(t->arena, index)), MG_ERR_ARG);
    for (int64_t i = 0; !log->gave_up && i < count; i++)
        if (index_of(nodes[i]) < t->first)
            MG_TRY(log_failed(log, old_add(t, index_of(nodes[i]), false)));
    return MG_OK;
}

/* Add a choice to the list. */
static int choice_add(script_log *log, uint32_t leaf, mg_node at, uint32_t now,
                      int64_t count, const mg_node *nodes)
{
    trace *t = &log->t;
    const choice *before = (choice *)t->choices.items + t->choices.count;
    MG_RETURN_IF(t->choices.count && before[-1].leaf >= leaf, MG_ERR_ARG);
    MG_TRY(list_reserve(t->arena, &t->choices, 1, sizeof(choice)));
    MG_TRY(list_reserve(t->arena, &t->chosen, (size_t)count, sizeof(uint32_t)));
    const uint32_t first = (uint32_t)t->chosen.count;
    for (int64_t i = 0; i < count; i++) {
        const uint32_t index = index_of(nodes[i]);
        if (choice_find(t, index)) log->gave_up = true; /* a choice of choices */
        node_retain(t->arena, index);
        ((uint32_t *)t->chosen.items)[t->chosen.count++] = index;
    }
    if (log->resolved < leaf) log->resolved = leaf; /* what is older has none, or had its */
    ((choice *)t->choices.items)[t->choices.count++] = (choice){
        leaf, *data_number(t, index_of(at)), first, (uint32_t)count, now, false};
    return MG_OK;
}

/* Return the number of one of some, by an input: the sum of all, of which the others are
 * -0.0. */
static uint32_t chosen_number(trace *t, const choice *of)
{
    uint32_t sum = constant(t, -0.0);
    for (uint32_t j = 0; j < of->count; j++) {
        const uint32_t index = ((const uint32_t *)t->chosen.items)[of->first + j];
        const guard at = {of->index, j, false};
        sum = value_of(t, 3 * MG_ADD, sum,
                       value_where(t, at, *data_number(t, index), constant(t, -0.0)));
    }
    return sum;
}

static int chosen_find(mg_arena *arena, mg_node leaf, mg_node at, int64_t count,
                       const mg_node *nodes)
{
    script_log *log = log_of(arena);
    MG_RETURN_IF(!log || count < 1 || count > UINT32_MAX / 4, MG_ERR_ARG);
    trace *t = &log->t;
    MG_TRY(among_find(log, leaf, count, nodes));
    MG_TRY(nodes_find(arena, 1, &at));
    const double number = node_at(arena, index_of(at))->data;
    MG_RETURN_IF(index_of(at) >= t->first || !(number >= 0.0 && number < (double)count),
                 MG_ERR_ARG);
    const uint32_t index = index_of(leaf), now = index_of(nodes[(int64_t)number]);
    MG_TRY(choice_add(log, index, at, now, count, nodes));
    node_at(arena, index)->data = node_at(arena, now)->data;
    if (log->gave_up) return MG_OK;
    const choice *made = (choice *)t->choices.items + t->choices.count - 1;
    *data_number(t, index) = chosen_number(t, made);
    return log_failed(log, t->status);
}

int mg_script_choose(mg_arena *arena, mg_node leaf, mg_node index, int64_t count,
                     const mg_node *nodes)
{
    arena_lock(arena);
    int status = chosen_find(arena, leaf, index, count, nodes);
    arena_unlock(arena);
    return status;
}

static int largest_find(mg_arena *arena, mg_node leaf, int64_t count,
                        const mg_node *nodes)
{
    script_log *log = log_of(arena);
    MG_RETURN_IF(!log || count < 1, MG_ERR_ARG);
    trace *t = &log->t;
    MG_TRY(among_find(log, leaf, count, nodes));
    double most = node_at(arena, index_of(nodes[0]))->data;
    uint32_t found = log->gave_up ? 0 : *data_number(t, index_of(nodes[0]));
    for (int64_t i = 1; i < count; i++) {
        const double data = node_at(arena, index_of(nodes[i]))->data;
        if (data > most) most = data;
        const uint32_t other = log->gave_up ? 0 : *data_number(t, index_of(nodes[i]));
        if (found != other) found = value_of(t, CODE_PICK, found, other);
    }
    node_at(arena, index_of(leaf))->data = most;
    if (!log->gave_up) *data_number(t, index_of(leaf)) = found;
    return log_failed(log, t->status);
}

int mg_script_largest(mg_arena *arena, mg_node leaf, int64_t count, const mg_node *nodes)
{
    arena_lock(arena);
    int status = largest_find(arena, leaf, count, nodes);
    arena_unlock(arena);
    return status;
}

static int outputs_trace(script_log *log, int64_t count, const mg_node *outputs)
{
    trace *t = &log->t;
    MG_TRY(log_catch_up(log));
    MG_RETURN_IF(log->gave_up, log->was_left ? MG_MORE : MG_ERR_RULE);
    MG_TRY(nodes_find(t->arena, count, outputs));
    MG_TRY(list_reserve(t->arena, &t->outputs, (size_t)count, sizeof(uint32_t)));
    for (int64_t i = 0; i < count; i++) {
        const uint32_t index = index_of(outputs[i]);
        if (index < t->first) MG_TRY(old_add(t, index, false));
        ((uint32_t *)t->outputs.items)[i] = *data_number(t, index);
    }
    t->outputs.count = (size_t)count;
    return MG_OK;
}

static int log_close(mg_arena *arena, int64_t count, const mg_node *outputs, int flags,
                     mg_script **made)
{
    script_log *log = log_of(arena);
    MG_RETURN_IF(!log, MG_ERR_ARG);
    const bool right = count >= 0 && (flags == 0 || flags == MG_UNROLLED);
    const bool holds = work_hold();
    int status = right ? outputs_trace(log, count, outputs) : MG_ERR_ARG;
    if (holds) work_let_go();
    if (status == MG_OK) status = script_make(&log->t, flags, made);
    if (status != MG_ERR_INTERRUPTED) log_end(arena); /* else it can be closed again */
    return status;
}

int mg_script_close(mg_arena *arena, int64_t output_count, const mg_node *outputs,
                    int flags, mg_script **made)
{
    *made = NULL;
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status = log_close(arena, output_count, outputs, flags, made);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

int mg_script_cancel(mg_arena *arena)
{
    arena_lock(arena);
    if (arena->log) log_end(arena);
    arena_unlock(arena);
    return MG_OK;
}
