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
    int64_t steps_left; /* parameters of a step that mg_script_update() has told of */
    int status;         /* the first failure */
} script_log;

static script_log *log_of(const mg_arena *arena)
{
    return (script_log *)arena->log;
}

static int log_failed(script_log *log, int status)
{
    if (status < 0 && log->status == MG_OK) log->status = status;
    return status;
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
    for (uint32_t i = log->seen; i < end; i++)
        if (is_scalar(t->arena, i) && !arity_of(node_at(t->arena, i)))
            MG_TRY(leaf_trace(t, i));
    for (uint32_t i = log->seen; i < end; i++) {
        const node *n = node_at(t->arena, i);
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
    MG_RETURN_IF(root < log->t.first, MG_ERR_RECORDED);
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
    int status = MG_OK;
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
        MG_RETURN_IF(index < t->first, MG_ERR_RECORDED);
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
    return left == count ? MG_OK : log_failed(log, MG_ERR_RECORDED);
}

/* ---- beginning and end ------------------------------------------------------------- */

static const number_log log_calls = {log_backward, log_set, log_read, log_step};

static void log_end(mg_arena *arena)
{
    script_log *log = log_of(arena);
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
    log->t.first = log->seen = arena->fresh;
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
    int status = update_trace(&log->t, given);
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

static int outputs_trace(script_log *log, int64_t count, const mg_node *outputs)
{
    trace *t = &log->t;
    MG_TRY(log_catch_up(log));
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
    int status = right ? outputs_trace(log, count, outputs) : MG_ERR_ARG;
    if (status == MG_OK) status = script_make(&log->t, flags, made);
    log_end(arena);
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
