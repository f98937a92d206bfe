/* program.c: running programs: of arrays entry by entry, in the order of recording, so
 * that an error stops where it would have stopped the calls. */
#include "programs/programs.h"

/* ---- programs of an arena ---------------------------------------------------------- */

int mg_record_close(mg_arena *arena, int64_t input_count, const mg_node *inputs,
                    int64_t output_count, const mg_node *outputs, mg_program **made)
{
    tape *t;
    arena_lock(arena);
    int status = tape_close(arena, input_count, inputs, output_count, outputs, &t);
    if (status == MG_OK) {
        status = passes_make(t);
        if (status == MG_OK) status = groups_make(t);
        if (status == MG_OK && !work_goes_on()) status = MG_ERR_INTERRUPTED;
        if (status < 0) tape_free(t);
    }
    if (status == MG_OK) {
        t->next = arena->programs;
        t->link = &arena->programs;
        if (t->next) t->next->link = &t->next;
        *made = arena->programs = t;
    }
    arena_unlock(arena);
    return status;
}

static void program_close(tape *t)
{
    *t->link = t->next;
    if (t->next) t->next->link = t->link;
    tape_free(t);
}

void programs_free(mg_arena *arena)
{
    while (arena->programs) program_close(arena->programs);
}

void mg_program_free(mg_program *program)
{
    if (!program) return;
    mg_arena *arena = program->arena;
    arena_lock(arena);
    program_close(program);
    arena_unlock(arena);
}

/* ---- what a run begins with -------------------------------------------------------- */

/* Tell whether the only one who holds memory is a leaf whose gradient it is, which the
 * run sets anew. */
static bool is_gradient_alone(const tape *t, const storage *m)
{
    mg_arena *arena = t->arena;
    const tape_leaf *l = m->leaf;
    if (!l || l->begins || m->late || m->buffer->references != 2) return false;
    const uint32_t index = node_at(arena, l->of->node)->gradient_node;
    if (!index) return false;
    const node *n = node_at(arena, index);
    return n->array->buffer == m->buffer && n->references == 1;
}

/* Leave memory that others hold to them, and take other memory. */
static int storage_replace(tape *t, storage *m)
{
    buffer *made = block_take(t->arena, BLOCK_ALIGNMENT + m->size);
    MG_RETURN_IF(!made, MG_ERR_NOMEM);
    memset(made, 0, sizeof *made);
    made->data = (char *)made + BLOCK_ALIGNMENT;
    made->size = m->size;
    made->references = 1;
    m->buffer->references--;
    storage_move(m, made, made->data);
    return MG_OK;
}

/* Tell whether an array is like the one that was recorded. */
static bool is_alike(const storage *m, const array *a)
{
    const array *like = m->like;
    if (a->dtype != like->dtype || !shape_equal(a, like)) return false;
    if (!a->operand_count != !like->operand_count) return false;
    for (int d = 0; d < a->rank; d++)
        if (a->strides[d] != like->strides[d]) return false;
    return !(m->written && a->buffer->read_only);
}

/* Have the gradients that leaves have now. MG_MORE: they are others than recorded. */
static int leaves_begin(tape *t)
{
    mg_arena *arena = t->arena;
    for (size_t i = 0; i < t->leaves.count; i++) {
        const tape_leaf *l = t->leaves.items[i];
        const uint32_t index = node_at(arena, l->of->node)->gradient_node;
        if (!l->begins) continue;
        MG_RETURN_IF(!index != !l->gradient, MG_MORE);
        if (!index) continue;
        array *a = array_at(arena, index);
        MG_RETURN_IF(!is_alike(l->gradient, a), MG_MORE);
        if (l->gradient->start != a->data) storage_move(l->gradient, a->buffer, a->data);
    }
    return MG_OK;
}

int program_fits(tape *t)
{
    return leaves_begin(t);
}

/* Tell whether the parameters of an update are the arrays that the program has: their
 * gradients are those of these. */
static bool has_parameters(const tape_update *u)
{
    storage *const *found = u->found;
    for (int64_t g = 0; g < u->group_count; g++)
        for (int64_t i = 0; i < u->groups[g].count; i++, found++)
            if (*found && (*found)->node != index_of(u->groups[g].parameters[i]))
                return false;
    return true;
}

/* Prepare a run; what can fail changes nothing that others see. */
static int run_begin(tape *t)
{
    int status = leaves_begin(t);
    if (status != MG_OK) return status;
    for (size_t i = 0; i < t->updates.count; i++) {
        const tape_entry *e = t->updates.items[i];
        MG_RETURN_IF(!has_parameters(&e->update), MG_MORE);
    }
    for (size_t i = 0; i < t->shown.count; i++) {
        storage *m = t->shown.items[i];
        if (m->buffer->references > 1 && !is_gradient_alone(t, m))
            MG_TRY(storage_replace(t, m));
    }
    for (size_t i = 0; i < t->restored.count; i++) {
        const storage *m = t->restored.items[i];
        memcpy(m->start, m->restored, m->size);
    }
    return MG_OK;
}

/* ---- entries ----------------------------------------------------------------------- */

static int call_again(tape_entry *e)
{
    call *c = &e->call;
    int status = call_forward(c);
    if (c->result && c->result != c->place) array_free(c->arena, c->result);
    return status;
}

static int entry_run(tape *t, tape_entry *e)
{
    mg_arena *arena = t->arena;
    const tape_update *u = &e->update;
    if (e->marks & UNREAD) return MG_OK;
    switch (e->what) {
    case CALLS: return call_again(e);
    case ACTS: return e->act.run(arena, &e->act);
    case UPDATES:
        return update_all(arena, u->update, u->group_count, u->groups, u->gradients);
    default: return MG_OK;
    }
}

/* Make a leaf of an array of a tape. */
static int array_show(mg_arena *arena, const array *of, uint32_t *made)
{
    array *a;
    MG_TRY(array_view(arena, of, &a));
    a->buffer->views--;
    a->is_view = false;
    return array_leaf(arena, a, made);
}

/* Set the gradient of a leaf to that of an entry. */
static int leaf_show(tape *t, const tape_entry *e)
{
    mg_arena *arena = t->arena;
    node *n = node_at(arena, e->leaf->of->node);
    const uint32_t old = n->gradient_node;
    uint32_t made = 0;
    if (e->array_count) {
        const array *a = &e->arrays[0];
        array *has = old ? array_at(arena, old) : NULL;
        if (has && has->buffer == a->buffer && has->data == a->data &&
            shape_equal(has, a)) {
            has->version = ++a->buffer->version;
            return MG_OK;
        }
        MG_TRY(array_show(arena, a, &made));
        node_retain(arena, made);
    }
    node_at(arena, e->leaf->of->node)->gradient_node = made;
    if (old) node_release(arena, old);
    return MG_OK;
}

/* Give leaves the gradients that they have before entry `end`. */
static int leaves_show(tape *t, size_t end)
{
    for (size_t i = 0; i < t->leaves.count; i++) {
        const tape_leaf *l = t->leaves.items[i];
        const tape_entry *last = NULL;
        for (size_t k = 0; k < end; k++) {
            const tape_entry *e = tape_entry_at(t, k);
            if (e->what == SETS && e->leaf == l) last = e;
        }
        if (last) MG_TRY(leaf_show(t, last));
    }
    return MG_OK;
}

static int leaves_end(tape *t)
{
    for (size_t i = 0; i < t->leaves.count; i++) {
        const tape_entry *last = ((tape_leaf *)t->leaves.items[i])->last;
        if (last) MG_TRY(leaf_show(t, last));
    }
    return MG_OK;
}

/* Run entry number i, but not one of a mark, or the group that it begins; *end gets the
 * number of the next one. */
static int entry_or_group_run(tape *t, size_t i, unsigned but, size_t *end)
{
    tape_entry *e = tape_entry_at(t, i);
    *end = i + 1;
    if (e->group) {
        *end = e->group->end;
        group_run(e->group, but);
        return work_status(MG_OK);
    }
    return e->marks & but || e->what == SETS ? MG_OK : work_status(entry_run(t, e));
}

/* Run all entries but those of a mark; *holds, whether the work is not given up any more. */
static int entries_run(tape *t, unsigned but, bool *holds)
{
    for (size_t i = 0, end; i < t->entries.count; i = end) {
        if (i == t->first_write) *holds = work_hold();
        int status = entry_or_group_run(t, i, but, &end);
        if (MG_UNLIKELY(status < 0)) {
            t->fault = (int64_t)i;
            int shown = status == MG_ERR_INTERRUPTED ? MG_OK : leaves_show(t, i);
            return shown < 0 ? shown : status;
        }
    }
    return leaves_end(t);
}

static int run_once(tape *t, unsigned but)
{
    bool holds = false;
    t->fault = -1;
    int status = run_begin(t);
    if (status == MG_OK) status = entries_run(t, but, &holds);
    if (holds) work_let_go();
    return status;
}

/* Add up how often what was found, and is not known to be written to, was written to. */
static uint64_t versions_of(const tape *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->found.count; i++) {
        const storage *m = t->found.items[i];
        if (!m->written) sum += m->buffer->version;
    }
    return sum;
}

/* Tell whether all that was found lies in memory of this arena: borrowed memory may change
 * at any time. */
static bool borrows_nothing(const tape *t)
{
    for (size_t i = 0; i < t->found.count; i++)
        if (((const storage *)t->found.items[i])->buffer->owner) return false;
    return true;
}

static int runs_make(tape *t, int64_t runs, int64_t *done)
{
    MG_RETURN_IF(runs < 0, MG_ERR_ARG);
    lasting_work(t->arena, t->elements);
    const uint64_t versions = runs > 1 ? versions_of(t) : 0;
    unsigned but = 0;
    for (; *done < runs; ++*done) {
        if (*done > 0 && !work_goes_on()) return MG_ERR_INTERRUPTED;
        int status = run_once(t, but);
        if (status != MG_OK) return status;
        if (*done == 0 && runs > 1 && borrows_nothing(t) && versions_of(t) == versions)
            but = LASTS;
    }
    return MG_OK;
}

int mg_program_run(mg_program *program, int64_t runs, int64_t *done)
{
    mg_arena *arena = program->arena;
    *done = 0;
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    int status = runs_make(program, runs, done);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

static int program_step(tape *t, int64_t which)
{
    const int64_t count = (int64_t)t->entries.count;
    MG_RETURN_IF(which < -1 || which > count, MG_ERR_ARG);
    if (which < 0) return run_begin(t);
    return which < count ? entry_run(t, tape_entry_at(t, (size_t)which)) : leaves_end(t);
}

int mg_program_step(mg_program *program, int64_t which)
{
    mg_arena *arena = program->arena;
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    int status = program_step(program, which);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

/* ---- inputs and outputs ------------------------------------------------------------ */

/* See contiguous memory as an array like another. */
static array memory_like(const array *like, const void *data)
{
    array a = *like;
    a.data = (char *)(uintptr_t)data;
    array_set_shape(&a, like->rank, like->shape, NULL);
    return a;
}

static int input_put(const tape *t, int64_t which, const void *data)
{
    MG_RETURN_IF(which < 0 || which >= t->input_count, MG_ERR_ARG);
    const storage *m = t->inputs[which];
    if (!m) return MG_OK;
    array *a = array_at(t->arena, m->node);
    MG_RETURN_IF(a->buffer->read_only, MG_ERR_READONLY);
    const array from = memory_like(a, data);
    map_copy(&from, a);
    a->buffer->version++;
    return MG_OK;
}

int mg_program_put(mg_program *program, int64_t which, const void *data)
{
    arena_lock(program->arena);
    int status = input_put(program, which, data);
    arena_unlock(program->arena);
    return status;
}

int mg_program_get(mg_program *program, int64_t which, void *data)
{
    MG_RETURN_IF(which < 0 || which >= program->output_count, MG_ERR_ARG);
    arena_lock(program->arena);
    const array *a = &program->outputs[which]->arrays[0];
    array to = memory_like(a, data);
    map_copy(a, &to);
    arena_unlock(program->arena);
    return MG_OK;
}

mg_node mg_program_output(mg_program *program, int64_t which)
{
    mg_arena *arena = program->arena;
    uint32_t made = 0;
    MG_RETURN_IF(which < 0 || which >= program->output_count, MG_ERR_ARG);
    arena_lock(arena);
    mg_node shown = array_show(arena, &program->outputs[which]->arrays[0], &made);
    if (shown == MG_OK) shown = handle_retain(arena, made);
    arena_unlock(arena);
    return shown;
}

mg_node mg_program_operand(mg_program *program, int64_t entry, int which)
{
    mg_arena *arena = program->arena;
    uint32_t made = 0;
    MG_RETURN_IF(entry < 0 || entry >= (int64_t)program->entries.count, MG_ERR_ARG);
    const tape_entry *e = tape_entry_at(program, (size_t)entry);
    MG_RETURN_IF(which < 0 || which >= e->array_count || !e->given[which], MG_ERR_ARG);
    arena_lock(arena);
    mg_node shown = array_show(arena, e->given[which], &made);
    if (shown == MG_OK) shown = handle_retain(arena, made);
    arena_unlock(arena);
    return shown;
}

int64_t mg_program_found(mg_program *program, int64_t count, mg_node *out)
{
    mg_arena *arena = program->arena;
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    arena_lock(arena);
    for (size_t i = 0; i < program->found.count && i < (size_t)count; i++) {
        const uint32_t index = ((const storage *)program->found.items[i])->node;
        out[i] = (mg_node)((uint64_t)slot_at(arena, index)->generation << 32 | index);
    }
    arena_unlock(arena);
    return (int64_t)program->found.count;
}

/* ---- other arrays ------------------------------------------------------------------ */

/* Tell whether a node stands in a list but at one place. */
static bool stands_twice(int64_t count, const mg_node *nodes, int64_t at)
{
    for (int64_t i = 0; i < count; i++)
        if (i != at && nodes[i] == nodes[at]) return true;
    return false;
}

/* Check what is to take the place of what was found. */
static int bind_check(const tape *t, int64_t count, const mg_node *nodes)
{
    mg_arena *arena = t->arena;
    MG_RETURN_IF(count != (int64_t)t->found.count, MG_ERR_ARG);
    for (int64_t i = 0; i < count; i++) {
        const storage *m = t->found.items[i];
        uint32_t index;
        MG_TRY(array_find(arena, nodes[i], &index));
        const bool requires = node_at(arena, index)->bits & REQUIRES;
        MG_RETURN_IF(requires != m->requires, MG_ERR_SHAPE);
        if (index == m->node) continue;
        MG_RETURN_IF(!is_alike(m, array_at(arena, index)) || m->shared, MG_ERR_SHAPE);
        MG_RETURN_IF(stands_twice(count, nodes, i), MG_ERR_SHAPE);
    }
    return MG_OK;
}

static void bind_all(tape *t, const mg_node *nodes)
{
    mg_arena *arena = t->arena;
    for (size_t i = 0; i < t->found.count; i++) {
        storage *m = t->found.items[i];
        const uint32_t index = index_of(nodes[i]);
        if (index == m->node) continue;
        array *a = array_at(arena, index);
        const uint32_t old = m->node;
        node_retain(arena, index);
        m->node = index;
        storage_move(m, a->buffer, a->data);
        node_release(arena, old);
    }
}

int mg_program_bind(mg_program *program, int64_t count, const mg_node *nodes)
{
    arena_lock(program->arena);
    program->fault = -1;
    int status = bind_check(program, count, nodes);
    if (status == MG_OK) bind_all(program, nodes);
    arena_unlock(program->arena);
    return status;
}

/* Find the arrays of a group that follows another one; *same turns false where it has
 * others. */
static int group_find(mg_arena *arena, const mg_update_group *old,
                      const mg_update_group *new, int arrays, bool *same)
{
    MG_RETURN_IF(old->count != new->count, MG_ERR_ARG);
    const size_t n = (size_t)new->count, beside = new->arrays ? n * (size_t)arrays : 0;
    uint32_t index;
    if (memcmp(old->parameters, new->parameters, n * sizeof(mg_node)) != 0 ||
        !old->arrays != !new->arrays ||
        (beside && memcmp(old->arrays, new->arrays, beside * sizeof(mg_node)) != 0))
        *same = false;
    for (size_t i = 0; !*same && i < n; i++)
        MG_TRY(array_find(arena, new->parameters[i], &index));
    for (size_t i = 0; !*same && i < beside; i++)
        if (new->arrays[i]) MG_TRY(array_find(arena, new->arrays[i], &index));
    return MG_OK;
}

static int update_give(tape *t, int64_t which, int64_t count,
                       const mg_update_group *groups)
{
    int numbers, scalars, arrays;
    MG_RETURN_IF(which < 0 || which >= (int64_t)t->updates.count, MG_ERR_ARG);
    tape_update *u = &((tape_entry *)t->updates.items[which])->update;
    MG_RETURN_IF(u->group_count != count, MG_ERR_ARG);
    update_sizes(u->update, &numbers, &scalars, &arrays);
    bool same = true;
    for (int64_t g = 0; g < count; g++)
        MG_TRY(group_find(t->arena, &u->groups[g], &groups[g], arrays, &same));
    if (!same) return tape_groups(t, u, count, groups);
    for (int64_t g = 0; g < count; g++) {
        memcpy((double *)(uintptr_t)u->groups[g].numbers, groups[g].numbers,
               (size_t)numbers * sizeof(double));
        u->groups[g].scalars = groups[g].scalars;
        u->groups[g].steps = groups[g].steps;
    }
    return MG_OK;
}

int mg_program_update(mg_program *program, int64_t which, int64_t group_count,
                      const mg_update_group *groups)
{
    arena_lock(program->arena);
    int status = update_give(program, which, group_count, groups);
    arena_unlock(program->arena);
    return status;
}

/* ---- batches ----------------------------------------------------------------------- */

/* Copy a batch of rows to an input. */
static int rows_copy(const mg_arena *arena, const mg_fit *plan, int64_t step,
                     mg_node source, const storage *input)
{
    const array *from = array_at(arena, index_of(source));
    array *to = array_at(arena, input->node);
    const int64_t all = from->shape[0];
    const size_t row = (size_t)(from->count / (all ? all : 1)) * dtype_sizes[from->dtype];
    for (int64_t i = 0; i < plan->rows; i++) {
        const int64_t k = step * plan->rows + i;
        const int64_t at = plan->order ? plan->order[k] : plan->first + k;
        MG_RETURN_IF(at < 0 || at >= all, MG_ERR_INDEX);
        memcpy(to->data + (size_t)i * row, from->data + (size_t)at * row, row);
    }
    return MG_OK;
}

static int source_check(mg_arena *arena, const mg_fit *plan, mg_node source,
                        const storage *input)
{
    uint32_t index;
    MG_TRY(array_find(arena, source, &index));
    const array *from = array_at(arena, index), *to = array_at(arena, input->node);
    MG_RETURN_IF(from->dtype != to->dtype, MG_ERR_DTYPE);
    MG_RETURN_IF(!from->contiguous || !to->contiguous, MG_ERR_ARG);
    MG_RETURN_IF(from->rank != to->rank || from->rank < 1, MG_ERR_SHAPE);
    MG_RETURN_IF(to->shape[0] != plan->rows || to->buffer->read_only, MG_ERR_SHAPE);
    for (int d = 1; d < from->rank; d++)
        MG_RETURN_IF(from->shape[d] != to->shape[d], MG_ERR_SHAPE);
    return MG_OK;
}

/* Return an element of an output as a double. */
static double loss_of(const tape *t, int64_t output)
{
    double loss;
    array to = {.dtype = MG_FLOAT64, .count = 1, .contiguous = true};
    array from = t->outputs[output]->arrays[0];
    to.data = (char *)&loss;
    from.rank = 0;
    from.contiguous = true;
    map_copy(&from, &to);
    return loss;
}

/* Tell whether an array that stays lies in the memory of an input. */
static bool meets_input(const tape *t)
{
    for (int64_t n = 0; n < t->input_count; n++)
        for (size_t i = 0; t->inputs[n] && i < t->found.count; i++) {
            const storage *m = t->found.items[i];
            if (m != t->inputs[n] && m->buffer == t->inputs[n]->buffer) return true;
        }
    return false;
}

static int fit_steps(tape *t, const mg_fit *plan, int64_t *done)
{
    mg_arena *arena = t->arena;
    unsigned but = 0;
    for (int64_t i = 0; i < t->input_count; i++)
        if (plan->sources[i] && t->inputs[i])
            MG_TRY(source_check(arena, plan, plan->sources[i], t->inputs[i]));
    lasting_work(arena, t->elements);
    const uint64_t versions = versions_of(t);
    for (*done = 0; *done < plan->steps; ++*done) {
        if (*done > 0 && !work_goes_on()) return MG_ERR_INTERRUPTED;
        for (int64_t i = 0; i < t->input_count; i++)
            if (plan->sources[i] && t->inputs[i])
                MG_TRY(rows_copy(arena, plan, *done, plan->sources[i], t->inputs[i]));
        int status = run_once(t, but);
        if (status != MG_OK) return status;
        if (*done == 0 && borrows_nothing(t) && !meets_input(t) &&
            versions_of(t) == versions)
            but = LASTS_IN_FIT;
        if (plan->losses) plan->losses[*done] = loss_of(t, plan->output);
    }
    return MG_OK;
}

int mg_program_fit(mg_program *program, const mg_fit *plan, int64_t *done)
{
    mg_arena *arena = program->arena;
    *done = 0;
    MG_RETURN_IF(plan->steps < 0 || plan->rows < 0, MG_ERR_ARG);
    const bool tells = plan->losses;
    const bool is_output = plan->output >= 0 && plan->output < program->output_count;
    MG_RETURN_IF(tells && !is_output, MG_ERR_ARG);
    MG_RETURN_IF(tells && program->outputs[plan->output]->arrays[0].count != 1,
                 MG_ERR_SHAPE);
    MG_TRY(arena_enter(arena));
    const uint64_t mode = mode_enter();
    int status = fit_steps(program, plan, done);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

/* ---- what there is ----------------------------------------------------------------- */

static int64_t owned_size(const tape *t)
{
    int64_t size = 0;
    for (size_t i = 0; i < t->storages.count; i++)
        if (tape_storage(t, i)->role == OWNED) size += (int64_t)tape_storage(t, i)->size;
    return size;
}

int64_t mg_program_fact(mg_program *program, int fact)
{
    switch (fact) {
    case MG_ENTRIES: return (int64_t)program->entries.count;
    case MG_BYTES: return owned_size(program);
    case MG_SWEEPS: return program->recorder.swept;
    case MG_UPDATES: return (int64_t)program->updates.count;
    case MG_INPUTS: return program->input_count;
    case MG_OUTPUTS: return program->output_count;
    case MG_FAULT: return program->fault;
    default: return MG_ERR_ARG;
    }
}

const char *mg_program_name(mg_program *program, int64_t which)
{
    if (which < 0 || which >= (int64_t)program->entries.count) return NULL;
    const tape_entry *e = tape_entry_at(program, (size_t)which);
    switch (e->what) {
    case CALLS: return mg_op_name(e->call.op);
    case ACTS: return e->act.name;
    case UPDATES: return mg_update_name(e->update.update);
    case SETS: return e->array_count ? "set_gradient" : "drop_gradient";
    default: return "output";
    }
}

