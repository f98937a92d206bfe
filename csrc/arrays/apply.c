/* apply.c: recording ops on arrays.
 *
 * An op's forward function makes the result; here it becomes a node, which keeps its
 * operands only when a gradient may flow through it. What a call makes on the way
 * lives in its scratch, what a gradient rule makes in a scope: a failure leaves
 * nothing behind. */
#include "arrays/arrays.h"

typedef int (*forward_step)(call *c);

static const forward_step forwards[] = {
#define MG_ARRAY(NAME, name, ...) forward_##name,
#include "ops.def"
};

/* ---- counts ------------------------------------------------------------------------ */

/* Return how many integers a call has to have. */
static int integers_wanted(const call *c, const op_counts *takes)
{
    int count = takes->integers;
    if (takes->per_axis) count += takes->per_axis * operand_of(c, 0)->rank;
    if (takes->per_window_axis) {
        bool fits = c->integer_count > 0 && c->integers[0] >= 1 && c->integers[0] <= 3;
        count += fits ? takes->per_window_axis * (int)c->integers[0] : MAX_INTEGERS;
    }
    return count;
}

/* Tell whether a call has as many operands, integers and numbers as its op takes. */
static bool has_counts(const call *c)
{
    const op_counts *takes = &op_takes[c->op];
    int more = c->operand_count - takes->operands;
    if (c->number_count != takes->numbers) return false;
    if (is_element_op(c->op)) return more == 0 && c->integer_count == 0;
    bool many = more > 0 && takes->many_operands;
    if (more != 0 && more != takes->optional && !many) return false;
    return takes->many_integers || c->integer_count == integers_wanted(c, takes);
}

/* ---- nodes ------------------------------------------------------------------------- */

/* Tell whether an op's gradient is to flow. */
static bool is_recorded(const call *c)
{
    if (!c->record || !is_float(c->result->dtype)) return false;
    for (int i = 0; i < c->operand_count; i++)
        if (node_at(c->arena, c->operands[i])->bits & REQUIRES)
            return op_gradients[c->op] != GRADIENT_NONE;
    return false;
}

/* Make what a node keeps beside its first two operands, c->kept, unless it is there. */
static int extra_make(call *c)
{
    int more = c->operand_count > 2 ? c->operand_count - 2 : 0;
    if (c->kept || (!more && !c->integer_count && !c->number_count)) return MG_OK;
    size_t size = sizeof(extra) + (size_t)c->integer_count * sizeof(int64_t) +
                  (size_t)c->number_count * sizeof(double) +
                  (size_t)more * sizeof(uint32_t);
    extra *kept = block_take(c->arena, size);
    MG_RETURN_IF(!kept, MG_ERR_NOMEM);
    kept->size = (int64_t)size;
    kept->integer_count = c->integer_count;
    kept->number_count = c->number_count;
    kept->operand_count = more;
    kept->unused = 0;
    int64_t *integers = (int64_t *)(kept + 1);
    for (int i = 0; i < c->integer_count; i++) integers[i] = c->integers[i];
    double *numbers = (double *)(integers + c->integer_count);
    for (int i = 0; i < c->number_count; i++) numbers[i] = c->numbers[i];
    uint32_t *operands = (uint32_t *)(numbers + c->number_count);
    for (int i = 0; i < more; i++) operands[i] = c->operands[i + 2];
    c->kept = kept;
    return MG_OK;
}

/* Make the result's node, which uses the operands. */
static int recorded_node(call *c, uint32_t *made)
{
    mg_arena *arena = c->arena;
    array *a = c->result;
    MG_TRY(extra_make(c));
    a->extra = c->kept;
    c->kept = NULL;
    MG_TRY(node_make(arena, MG_LEAF, c->operands[0],
                     c->operand_count > 1 ? c->operands[1] : 0, 0.0, made));
    node *n = node_at(arena, *made);
    n->array = a;
    n->gradient_node = n->slot = 0;
    n->bits = (uint32_t)c->op | ARRAY | REQUIRES;
    a->operand_count = (uint32_t)c->operand_count;
    a->version = a->buffer->version;
    for (int i = 0; i < c->operand_count; i++) {
        if (i >= 2) node_retain(arena, c->operands[i]);
        if (i < MAX_SAVED) a->saved[i] = operand_of(c, i)->buffer->version;
    }
    return MG_OK;
}

/* Run an op of whole arrays. */
static int array_forward(call *c)
{
    return work_status(forwards[c->op - MG_MAP_OP_COUNT](c));
}

MG_INLINE int forward(call *c)
{
    c->result = NULL;
    c->scratch_count = 0;
    int status = is_element_op(c->op) ? map_value(c) : array_forward(c);
    for (int i = 0; i < c->scratch_count; i++) array_free(c->arena, c->scratch[i]);
    return status;
}

int call_forward(call *c)
{
    return forward(c);
}

/* Make a node of the result of a call, or free it. */
MG_INLINE int result_node(call *c, uint32_t *made)
{
    if (!is_recorded(c)) return array_leaf(c->arena, c->result, made);
    int status = recorded_node(c, made);
    if (status < 0) array_free(c->arena, c->result);
    return status;
}

/* The same of a call that a recorder hears of. */
static MG_NOINLINE int heard(call *c, uint32_t *made)
{
    recorder *r = recorder_of(c->arena);
    MG_TRY(result_node(c, made));
    if (r) r->calls(r, c, *made);
    return MG_OK;
}

/* Run an op and make a node of its result, without references of its own. The call's
 * result is freed when that fails. */
static int array_record(call *c, uint32_t *made)
{
    c->result = NULL;
    MG_RETURN_IF(!has_counts(c), MG_ERR_ARG);
    int status = forward(c);
    if (status < 0) {
        if (c->result) array_free(c->arena, c->result);
        return status;
    }
    if (MG_UNLIKELY(c->arena->recorder != NULL)) return heard(c, made);
    return result_node(c, made);
}

/* ---- scopes ------------------------------------------------------------------------ */

void scope_open(scope *s, mg_arena *arena, bool record)
{
    s->arena = arena;
    s->status = MG_OK;
    s->record = record;
    s->first = arena->temporaries.count;
    s->passed = NULL;
    s->ahead = NULL;
}

/* Let go of the nodes made. */
int scope_close(scope *s)
{
    indices *temporaries = &s->arena->temporaries;
    while (temporaries->count > s->first)
        node_release(s->arena, temporaries->items[--temporaries->count]);
    return s->status;
}

uint32_t scope_keep(scope *s, uint32_t index)
{
    int status = indices_reserve(s->arena, &s->arena->temporaries, 1);
    if (status < 0) {
        node_release(s->arena, index);
        s->status = status;
        return 0;
    }
    s->arena->temporaries.items[s->arena->temporaries.count++] = index;
    return index;
}

/* Record a call. Returns 0 on failure. */
static uint32_t scope_record(scope *s, call *c)
{
    uint32_t made;
    if (s->status < 0) return 0;
    c->arena = s->arena;
    c->record = s->record;
    s->status = array_record(c, &made);
    if (s->status < 0) return 0;
    node_retain(s->arena, made);
    return scope_keep(s, made);
}

uint32_t scope_apply(scope *s, int op, int operand_count, const uint32_t *operands,
                     int integer_count, const int64_t *integers, int number_count,
                     const double *numbers)
{
    call c = {.op = op, .operand_count = operand_count, .operands = operands};
    c.integer_count = integer_count;
    c.integers = integers;
    c.number_count = number_count;
    c.numbers = numbers;
    return scope_record(s, &c);
}

/* Apply an op that writes over its operand 0, an array that the scope made for this. What
 * is recorded keeps its operands as they were, and so gets a copy. */
uint32_t scope_apply_over(scope *s, int op, int operand_count, const uint32_t *operands,
                          int integer_count, const int64_t *integers)
{
    call c = {.op = op, .operand_count = operand_count, .operands = operands};
    c.integer_count = integer_count;
    c.integers = integers;
    c.takes_memory = c.spoils = !s->record;
    return scope_record(s, &c);
}

uint32_t scope_array(scope *s, array *a)
{
    uint32_t made;
    if (s->status < 0)
        array_free(s->arena, a);
    else
        s->status = array_finish(s->arena, a, MG_OK, &made);
    if (s->status < 0) return 0;
    node_retain(s->arena, made);
    return scope_keep(s, made);
}

uint32_t scope_constant(scope *s, int dtype, double value)
{
    array *a;
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, dtype, 0, NULL, &a);
    if (s->status < 0) return 0;
    array_fill(a, value);
    uint32_t made = scope_array(s, a);
    if (made) constant_remember(s->arena, made);
    return made;
}

/* ---- calls from outside ------------------------------------------------------------ */

/* Find the nodes of handles. They become the call's operands, at the end of the arena's
 * list of temporaries: no forward function opens a scope. */
static int operands_find(call *c, const mg_node *handles)
{
    mg_arena *arena = c->arena;
    indices *list = &arena->temporaries;
    size_t count = (size_t)c->operand_count;
    MG_TRY(indices_reserve(arena, list, count));
    c->operands = list->items + list->count;
    for (size_t i = 0; i < count; i++) {
        uint32_t *found = &list->items[list->count + i];
        MG_TRY(array_find(arena, handles[i], found));
        MG_RETURN_IF(count > 2 && node_at(arena, *found)->references >= REFERENCES_END,
                     MG_ERR_LIMIT);
        lasting_work(arena, array_at(arena, *found)->count);
    }
    return MG_OK;
}

static MG_NOINLINE mg_node apply(call *c, const mg_node *handles)
{
    uint32_t made;
    MG_RETURN_IF(c->op <= MG_LEAF || c->op >= MG_OP_COUNT, MG_ERR_ARG);
    MG_RETURN_IF(c->operand_count < 1 || c->operand_count > 1 << 20, MG_ERR_ARG);
    MG_RETURN_IF(c->integer_count < 0 || c->integer_count > MAX_INTEGERS, MG_ERR_ARG);
    MG_RETURN_IF(c->number_count < 0 || c->number_count > MAX_NUMBERS, MG_ERR_ARG);
    MG_RETURN_IF(c->weak && (c->operand_count > 31 || c->weak >> c->operand_count),
                 MG_ERR_ARG);
    MG_TRY(operands_find(c, handles));
    MG_TRY(array_record(c, &made));
    return handle_retain(c->arena, made);
}

mg_node mg_apply(mg_arena *arena, int op, int operand_count, const mg_node *operands,
                 int integer_count, const int64_t *integers, int number_count,
                 const double *numbers, unsigned weak, int record)
{
    call c = {.arena = arena, .op = op, .operand_count = operand_count};
    c.integer_count = integer_count;
    c.integers = integers;
    c.number_count = number_count;
    c.numbers = numbers;
    c.weak = weak;
    c.record = record != 0;
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = apply(&c, operands);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

/* Make an array without axes of a Python number. */
static int number_array(mg_arena *arena, int dtype, int kind, int64_t integer,
                        double number, uint32_t *made)
{
    array *a;
    array from = {.count = 1, .contiguous = true};
    bool is_real = kind == MG_NUMBER_FLOAT;
    from.dtype = is_real ? MG_FLOAT64 : MG_INT64;
    from.data = is_real ? (char *)&number : (char *)&integer;
    MG_TRY(array_new(arena, dtype, 0, NULL, &a));
    map_copy(&from, a);
    MG_TRY(array_leaf(arena, a, made));
    constant_remember(arena, *made);
    return MG_OK;
}

static MG_NOINLINE mg_node apply_number(call *c, mg_node handle, int which, int kind,
                                        int64_t integer, double number)
{
    uint32_t operands[2], made = 0, leaf = 0;
    MG_RETURN_IF(c->op <= MG_LEAF || c->op >= MG_MAP_OP_COUNT, MG_ERR_ARG);
    MG_RETURN_IF(kind < MG_NUMBER_BOOL || kind > MG_NUMBER_FLOAT, MG_ERR_ARG);
    MG_RETURN_IF(which < 0 || which > 1, MG_ERR_ARG);
    MG_TRY(array_find(c->arena, handle, &operands[0]));
    c->operands = operands;
    if (op_traits[c->op] & MG_TAKES_NUMBER) {
        c->operand_count = c->number_count = 1;
        c->numbers = &number;
    } else {
        int dtype = array_at(c->arena, operands[0])->dtype;
        bool checks = op_traits[c->op] & MG_CHECKS_SIGN && !is_float(dtype);
        bool below_zero = which == 1 && kind != MG_NUMBER_FLOAT && integer < 0;
        MG_RETURN_IF(checks && below_zero, MG_ERR_DOMAIN);
        dtype = number_dtype(c->op, dtype, kind);
        MG_TRY(number_array(c->arena, dtype, kind, integer, number, &leaf));
        node_retain(c->arena, leaf);
        operands[1] = operands[0];
        operands[which] = leaf;
        c->operand_count = 2;
        c->weak = 1u << which;
    }
    int status = array_record(c, &made);
    if (leaf) node_release(c->arena, leaf);
    return status < 0 ? status : handle_retain(c->arena, made);
}

mg_node mg_apply_number(mg_arena *arena, int op, mg_node a, int which, int kind,
                        int64_t integer, double number, int record)
{
    call c = {.arena = arena, .op = op, .record = record != 0};
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    mg_node made = apply_number(&c, a, which, kind, integer, number);
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}

/* ---- in place ---------------------------------------------------------------------- */

/* Return whether the values of one type can be stored as another without losing their
 * kind. */
static bool fits_kind(int dtype, int into)
{
    if (is_float(dtype)) return is_float(into);
    return dtype == MG_BOOL || into != MG_BOOL;
}

/* Make b a copy if it shares a's memory in another way than element by element. */
static int overlap_resolve(call *c, const array *a, const array **b)
{
    const array *shared = *b;
    if (shared->buffer != a->buffer) return MG_OK;
    bool same = shared->data == a->data && shared->dtype == a->dtype &&
                shape_equal(shared, a) &&
                !memcmp(shared->strides, a->strides, a->rank * sizeof *a->strides);
    return same ? MG_OK : array_copy(c, shared, shared->dtype, b);
}

/* Write op(a, b) over a, which fit. */
static int elements_write(call *c, array *a, const array *b)
{
    int computed, result;
    int common = compared_dtype(c->op, operands_dtype(c, 0), c->weak != 0);
    MG_TRY(op_dtypes(c->op, common, &computed, &result));
    MG_RETURN_IF(!fits_kind(result, a->dtype), MG_ERR_DTYPE);
    const array *cut = a;
    MG_TRY(operand_cut(c, common, computed, &cut));
    MG_TRY(operand_cut(c, common, computed, &b));
    MG_TRY(map_check(c->op, result, b));
    map_apply(c->op, computed, cut, b, 0.0, a);
    return MG_OK;
}

/* Return the call of an op, or a cast, that writes over its first operand. */
call over_call(const deed *of)
{
    call c = {.op = (int)of->integers[0], .given = of->arrays};
    c.operand_count = of->arrays[1] ? 2 : 1;
    c.weak = (unsigned)of->integers[1];
    return c;
}

/* Write op(a, b), or a cast of b, over a. */
int over_run(mg_arena *arena, const deed *of)
{
    array *a = deed_output(of, 0);
    const array *b = of->arrays[1];
    call c = over_call(of);
    c.arena = arena;
    int status = b ? overlap_resolve(&c, a, &b) : MG_OK;
    if (status == MG_OK && is_element_op(c.op)) status = elements_write(&c, a, b);
    else if (status == MG_OK) map_copy(b, a);
    if (status == MG_OK) a->buffer->version++;
    for (int i = 0; i < c.scratch_count; i++) array_free(arena, c.scratch[i]);
    return status;
}

static MG_NOINLINE int write_in_place(call *c)
{
    int rank;
    int64_t shape[MG_MAX_RANK];
    const array *a = operand_of(c, 0);
    const array *b = c->operand_count > 1 ? operand_of(c, 1) : NULL;
    lasting_work(c->arena, a->count);
    MG_RETURN_IF(a->buffer->read_only, MG_ERR_READONLY);
    MG_RETURN_IF(array_overlaps(a), MG_ERR_VIEW);
    if (b) {
        MG_TRY(shape_broadcast(a, b, &rank, shape));
        bool same = rank == a->rank && !memcmp(shape, a->shape, a->rank * sizeof *shape);
        MG_RETURN_IF(!same, MG_ERR_SHAPE);
    }
    const int arity = is_element_op(c->op) ? op_arity(c->op) : 2;
    MG_RETURN_IF(arity != c->operand_count, MG_ERR_ARG);
    recorder *r = recorder_of(c->arena);
    for (int i = 0; MG_UNLIKELY(r != NULL) && i < c->operand_count; i++)
        r->sees(r, c->operands[i]);
    deed of = {DEED(over_run), .arrays = {a, b}, .writes = 1};
    of.fills = !is_element_op(c->op);
    of.integers[0] = c->op, of.integers[1] = c->weak;
    return perform(c->arena, &of);
}

/* Tell whether an op writes in place: an elementwise one of operands only, or a cast. */
static bool has_in_place(int op)
{
    if (op <= MG_LEAF || op >= MG_OP_COUNT) return false;
    return op_traits[op] & MG_IN_PLACE ||
           (is_element_op(op) && !(op_traits[op] & MG_TAKES_NUMBER));
}

int mg_apply_in_place(mg_arena *arena, int op, mg_node a, mg_node b, unsigned weak)
{
    uint32_t operands[2];
    call c = {.arena = arena, .op = op, .operands = operands, .weak = weak};
    c.operand_count = b ? 2 : 1;
    MG_TRY(arena_enter(arena));
    int status = has_in_place(op) ? array_find(arena, a, &operands[0]) : MG_ERR_ARG;
    if (status == MG_OK && b) status = array_find(arena, b, &operands[1]);
    const uint64_t mode = mode_enter();
    const bool holds = work_hold();
    if (status == MG_OK) status = write_in_place(&c);
    if (holds) work_let_go();
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

/* See to it that making the result's node will need no memory: by then the operand has
 * been written to. */
static int node_reserve(call *c)
{
    mg_arena *arena = c->arena;
    if (c->record) MG_TRY(extra_make(c));
    bool room = (size_t)arena->fresh >> CHUNK_BITS < arena->chunk_count;
    return arena->free_count || room ? MG_OK : arena_grow(arena);
}

static MG_NOINLINE mg_node apply_over(call *c, const mg_node *handles)
{
    uint32_t made;
    bool requires = false;
    MG_RETURN_IF(c->op <= MG_LEAF || c->op >= MG_OP_COUNT, MG_ERR_ARG);
    MG_RETURN_IF(!(op_traits[c->op] & MG_TAKES_MEMORY), MG_ERR_ARG);
    MG_RETURN_IF(c->operand_count < 2 || c->operand_count > 3, MG_ERR_ARG);
    MG_RETURN_IF(c->integer_count < 0 || c->integer_count > MAX_INTEGERS, MG_ERR_ARG);
    MG_TRY(operands_find(c, handles));
    for (int i = 0; i < c->operand_count; i++)
        if (node_at(c->arena, c->operands[i])->bits & REQUIRES) requires = true;
    const array *a = operand_of(c, 0);
    requires = requires && c->record && is_float(a->dtype);
    MG_RETURN_IF(a->buffer->read_only, MG_ERR_READONLY);
    MG_RETURN_IF(requires && a->buffer->views, MG_ERR_VIEW);
    c->takes_memory = true;
    c->record = requires;
    recorder *r = recorder_of(c->arena);
    for (int i = 0; MG_UNLIKELY(r != NULL) && i < c->operand_count; i++)
        r->sees(r, c->operands[i]);
    uint32_t first = c->operands[0];
    int status = node_reserve(c);
    if (status == MG_OK) status = array_record(c, &made);
    if (c->kept) block_give(c->arena, c->kept, (size_t)c->kept->size);
    MG_TRY(status);
    if (requires) return handle_retain(c->arena, made);
    node_drop(c->arena, made);
    return handle_retain(c->arena, first);
}

mg_node mg_apply_over(mg_arena *arena, int op, int operand_count, const mg_node *operands,
                      int integer_count, const int64_t *integers, int record)
{
    call c = {.arena = arena, .op = op, .operand_count = operand_count};
    c.integer_count = integer_count;
    c.integers = integers;
    c.record = record != 0;
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    const bool holds = work_hold();
    mg_node made = apply_over(&c, operands);
    if (holds) work_let_go();
    mode_leave(mode);
    arena_unlock(arena);
    return made;
}
