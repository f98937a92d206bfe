/* tape.c: recording calls on arrays, and the program that is made of them.
 *
 * A tape is a list of the calls that the layers below made: ops with their operands,
 * work of gradient rules (acts), updates. All are kept with copies of their arrays, which
 * lie in memory that the tape keeps: what eager freed, eager used again, and so does
 * every run. A run calls the same functions with the same arrays. What depends on
 * elements, such as the number of targets that count, they find out each time.
 *
 * What the calls read and did not make is found: parameters, data, what others hold. Its
 * places are listed, so that another array can take it over. */
#include "programs/programs.h"

static tape *tape_of(recorder *r)
{
    return (tape *)(void *)((char *)r - offsetof(tape, recorder));
}

static void tape_fail(tape *t, int status)
{
    if (t->status == MG_OK) t->status = status;
}

/* ---- lists and memory -------------------------------------------------------------- */

/* Allocate zeros; NULL, and the tape has failed. */
static void *tape_allocate(tape *t, size_t size)
{
    void *made = arena_allocate(t->arena, NULL, 0, size);
    if (made) memset(made, 0, size);
    else tape_fail(t, MG_ERR_NOMEM);
    return made;
}

/* Make an item of a list. */
static void *item_new(tape *t, tape_list *list, size_t size)
{
    void *made = tape_take_room(t, size);
    return made && tape_list_add(t, list, made) ? made : NULL;
}

/* Make what is owned of a block. */
static storage *storage_new(tape *t, buffer *block, size_t size)
{
    storage *m = item_new(t, &t->storages, sizeof *m);
    if (!m) return NULL;
    m->number = (int64_t)t->storages.count - 1;
    m->buffer = block;
    m->start = (char *)block + BLOCK_ALIGNMENT;
    m->size = size;
    return m;
}

static buffer *tape_take(recorder *r, size_t size, storage **home)
{
    tape *t = tape_of(r);
    storage **at = &t->unused, *m;
    while (*at && (*at)->size != size) at = &(*at)->next_unused;
    m = *at;
    if (m) {
        *at = m->next_unused;
        m->unused = m->made = m->read = m->written = m->lent = false;
        m->before = m->places;
    } else {
        buffer *block = block_take(t->arena, BLOCK_ALIGNMENT + size);
        m = block ? storage_new(t, block, size) : NULL;
        if (!m) return block;
    }
    *home = m;
    return m->buffer;
}

static void storage_give(tape *t, storage *m)
{
    m->unused = true;
    m->given++;
    m->next_unused = t->unused;
    t->unused = m;
}

static void tape_give(recorder *r, buffer *unused)
{
    storage_give(tape_of(r), unused->home);
}

/* Let what lay in a block before be in another one, so that no run writes over what is in
 * it now. */
static void storage_part(tape *t, storage *m)
{
    if (!m->before) return;
    buffer *block = block_take(t->arena, BLOCK_ALIGNMENT + m->size);
    storage *before = block ? storage_new(t, block, m->size) : NULL;
    if (!before) {
        if (block) block_give(t->arena, block, BLOCK_ALIGNMENT + m->size);
        tape_fail(t, MG_ERR_NOMEM);
        return;
    }
    memset(block, 0, sizeof *block);
    block->data = before->start;
    block->size = m->size;
    block->home = before;
    before->places = m->before;
    tape_place **end = &m->places;
    while (*end != m->before) end = &(*end)->next;
    *end = m->before = NULL;
    for (tape_place *p = before->places; p; p = p->next) p->in = before;
    storage_move(before, block, before->start);
    storage_give(t, before);
}

/* ---- nodes that are made while recording ------------------------------------------- */

static bool is_inside(const tape *t, uint32_t index)
{
    return index < t->inside_size && t->inside[index];
}

static void inside_set(tape *t, uint32_t index)
{
    if (index >= t->inside_size) {
        size_t size = (size_t)index * 2 + 1024;
        uint8_t *grown =
            arena_allocate(t->arena, t->inside, t->inside_size, size);
        if (!grown) {
            tape_fail(t, MG_ERR_NOMEM);
            return;
        }
        memset(grown + t->inside_size, 0, size - t->inside_size);
        t->inside = grown;
        t->inside_size = size;
    }
    t->inside[index] = 1;
}

/* ---- what arrays lie in ------------------------------------------------------------ */

static storage *storage_found(tape *t, const array *a, uint32_t index)
{
    array *like = tape_take_room(t, sizeof *like);
    storage *m = like ? item_new(t, &t->storages, sizeof *m) : NULL;
    if (!m) return NULL;
    m->number = (int64_t)t->storages.count - 1;
    m->role = FOUND;
    m->buffer = a->buffer;
    m->start = a->data;
    m->array = a;
    m->like = like;
    *like = *a;
    m->node = index;
    m->requires = node_at(t->arena, index)->bits & REQUIRES;
    node_retain(t->arena, index);
    if (a->buffer->home) {
        m->sibling = a->buffer->home->sibling;
        a->buffer->home->sibling = m;
        m->shared = a->buffer->home->shared = true;
    } else {
        a->buffer->home = m;
    }
    return m;
}

/* Return what an array lies in, that of a node if this is known, else index 0; or NULL,
 * and the tape has failed. */
static storage *storage_of(tape *t, const array *a, uint32_t index)
{
    storage *home = a->buffer->home;
    for (storage *m = home; m; m = m->sibling)
        if (m->role == OWNED || m->array == a) return m;
    if (index && !(home && is_inside(t, index))) return storage_found(t, a, index);
    if (!home) tape_fail(t, MG_ERR_RECORDED);
    return home;
}

/* Note that the elements of an array are read. */
static void storage_read(tape *t, storage *m)
{
    if (!m) return;
    m->read = true;
    if (m->role == OWNED && !m->made) tape_fail(t, MG_ERR_RECORDED);
}

/* Let a run begin with what is there now. */
static void storage_restore(tape *t, storage *m)
{
    if (m->restored || !m->size) return;
    m->restored = tape_allocate(t, m->size);
    if (m->restored) memcpy(m->restored, m->start, m->size);
    if (m->restored) tape_list_add(t, &t->restored, m);
}

static void tape_writes(recorder *r, const array *a, bool all)
{
    tape *t = tape_of(r);
    storage *m = storage_of(t, a, 0);
    if (!m) return;
    if (m->lent && !r->within) story_refuse(t, "a Function that writes to its gradient");
    if (m->role != OWNED && t->first_write > t->entries.count)
        t->first_write = t->entries.count;
    const bool whole = all && a->contiguous &&
                       (size_t)a->count * dtype_sizes[a->dtype] == m->size && !m->read;
    if (m->constant && !whole) storage_restore(t, m);
    m->constant = false;
    m->written = m->made = true;
}

static void tape_constant(recorder *r, uint32_t made)
{
    tape *t = tape_of(r);
    array *a = array_at(t->arena, made);
    storage *m = a->buffer->home;
    inside_set(t, made);
    if (!r->within) story_constant(t, a);
    if (!m || m->role != OWNED) return;
    if (!m->constant) storage_part(t, m);
    m->constant = m->made = true;
    m->held = true;
    a->buffer->references++;
}

static void tape_sees(recorder *r, uint32_t index)
{
    tape *t = tape_of(r);
    if (!r->within) story_settle(t, array_at(t->arena, index));
    storage_of(t, array_at(t->arena, index), index);
}

void storage_move(storage *m, buffer *to, char *start)
{
    m->buffer = to;
    m->start = start;
    for (tape_place *p = m->places; p; p = p->next) {
        p->at->buffer = to;
        p->at->data = start + p->offset;
    }
}

/* ---- entries ----------------------------------------------------------------------- */

/* Add an entry with room for copies of arrays, and for `more` bytes, which *rest gets. */
static tape_entry *entry_new(tape *t, enum entry_kind what, int array_count, size_t more,
                             char **rest)
{
    const size_t count = (size_t)array_count;
    const size_t of_array = sizeof(array) + sizeof(tape_place) + sizeof(array *);
    const size_t size = sizeof(tape_entry) + count * of_array + more;
    tape_entry *e = item_new(t, &t->entries, size);
    if (!e) return NULL;
    e->what = what;
    e->array_count = array_count;
    e->arrays = (array *)(e + 1);
    e->places = (tape_place *)(e->arrays + count);
    e->given = (const array **)(e->places + count);
    *rest = (char *)(e->given + count);
    return e;
}

/* Copy an array to an entry. */
static void entry_keep(tape_entry *e, int k, const array *a, storage *m)
{
    array *copy = &e->arrays[k];
    if (!m) return;
    *copy = *a;
    copy->extra = NULL;
    copy->attached = NULL;
    copy->operand_count = 0;
    e->given[k] = copy;
    e->places[k] = (tape_place){copy, m, a->data - m->start, m->places};
    m->places = &e->places[k];
}

/* Tell whether a call only shows the elements of an operand. */
static bool is_view_call(const call *c)
{
    for (int i = 0; i < c->operand_count; i++)
        if (operand_of(c, i)->buffer == c->result->buffer) return !c->takes_memory;
    return false;
}

/* Add a call, with the result at place `n`, behind the operands, unless it takes over the
 * memory of one. */
static void call_keep(tape *t, const call *c, uint32_t made)
{
    const int n = c->operand_count, count = n + !c->takes_memory;
    const size_t numbers = (size_t)(c->integer_count + c->number_count);
    char *rest;
    tape_entry *e = entry_new(t, CALLS, count, numbers * sizeof(int64_t), &rest);
    if (!e) return;
    for (int i = 0; i < n; i++)
        entry_keep(e, i, operand_of(c, i),
                   storage_of(t, operand_of(c, i), c->operands[i]));
    int64_t *integers = (int64_t *)(void *)rest;
    double *reals = (double *)(void *)(integers + c->integer_count);
    for (int i = 0; i < c->integer_count; i++) integers[i] = c->integers[i];
    for (int i = 0; i < c->number_count; i++) reals[i] = c->numbers[i];
    e->call = (call){.arena = c->arena, .op = c->op, .operand_count = n, .weak = c->weak};
    e->call.integer_count = c->integer_count, e->call.integers = integers;
    e->call.number_count = c->number_count, e->call.numbers = reals;
    e->call.takes_memory = c->takes_memory;
    e->call.given = e->given;
    if (c->takes_memory) return;
    storage *m = storage_of(t, c->result, made);
    entry_keep(e, n, c->result, m);
    e->call.place = &e->arrays[n];
}

/* Tell of a call. */
static void call_tell(tape *t, const call *c, uint32_t made)
{
    enum { FEW = 16 };
    uint32_t few[FEW], *values = few;
    const size_t size = (size_t)c->operand_count * sizeof *values;
    if (t->story.refused) return;
    if (c->operand_count > FEW) values = tape_allocate(t, size);
    for (int i = 0; values && i < c->operand_count; i++)
        values[i] = story_value(t, operand_of(c, i),
                                storage_of(t, operand_of(c, i), c->operands[i]));
    if (values) story_call(t, c, made, values);
    if (values && values != few) arena_allocate(t->arena, values, size, 0);
}

static void tape_calls(recorder *r, const call *c, uint32_t made)
{
    tape *t = tape_of(r);
    inside_set(t, made);
    if (!r->within) call_tell(t, c, made);
    const bool is_view = is_view_call(c);
    for (int i = 0; i < c->operand_count; i++) {
        storage *m = storage_of(t, operand_of(c, i), c->operands[i]);
        if (!is_view) storage_read(t, m);
    }
    if (is_view || t->status < 0) return;
    storage *m = storage_of(t, c->result, made);
    if (m) m->made = true;
    t->elements += c->result->count;
    if (c->result->count > 0) call_keep(t, c, made);
}

/* Tell of a deed that no sweep does. */
static void deed_tell(tape *t, const deed *a, storage *const *in)
{
    uint32_t values[2] = {NO_ARRAY, NO_ARRAY};
    if (t->story.refused) return;
    const bool requires = a->run == require_run;
    if (a->run == zeros_run) { /* of a recorded gradient */
        story_constant(t, a->arrays[0]);
        return;
    }
    if (a->run != over_run && a->run != random_run && !requires) {
        story_refuse(t, "indices of several axes, or a backward with create_graph through "
                        "layer_norm, cross_entropy or the like");
        return;
    }
    for (int k = 0; k < 2 - requires; k++)
        if (a->arrays[k]) values[k] = story_value(t, a->arrays[k], in[k]);
    if (requires) story_require(t, a, values[0]);
    else if (a->run == over_run) story_in_place(t, a, values);
    else story_random(t, a, values[0]);
}

static void tape_acts(recorder *r, const deed *a)
{
    tape *t = tape_of(r);
    char *rest;
    storage *in[DEED_ARRAYS];
    for (int k = 0; k < DEED_ARRAYS; k++) {
        const array *at = a->arrays[k];
        in[k] = at ? storage_of(t, at, 0) : NULL;
        if (at && !(a->writes >> k & 1)) storage_read(t, in[k]);
    }
    if (!r->within) deed_tell(t, a, in);
    for (int k = 0; k < DEED_ARRAYS; k++)
        if (in[k] && a->writes >> k & 1) tape_writes(r, a->arrays[k], a->fills >> k & 1);
    if (a->run == random_run && t->first_write > t->entries.count)
        t->first_write = t->entries.count;
    tape_entry *e = entry_new(t, ACTS, DEED_ARRAYS, 0, &rest);
    if (!e) return;
    e->act = *a;
    for (int k = 0; k < DEED_ARRAYS; k++) {
        if (in[k]) entry_keep(e, k, a->arrays[k], in[k]);
        e->act.arrays[k] = e->given[k];
    }
}

/* ---- gradients of leaves ----------------------------------------------------------- */

/* Return what is known of a leaf that was there before, else NULL. *met: it is new. */
static tape_leaf *leaf_of(tape *t, uint32_t index, bool *met)
{
    storage *m = storage_of(t, array_at(t->arena, index), index);
    *met = false;
    if (!m || m->role != FOUND || m->node != index) return NULL;
    for (size_t i = 0; i < t->leaves.count; i++) {
        tape_leaf *l = t->leaves.items[i];
        if (l->of == m) return l;
    }
    *met = true;
    tape_leaf *l = item_new(t, &t->leaves, sizeof *l);
    if (l) l->of = m;
    return l;
}

/* Tell that the gradient of what was made while recording is looked at. */
static void look_tell(tape *t, uint32_t index, uint32_t gradient)
{
    const array *a = array_at(t->arena, index);
    if (t->story.refused || a->operand_count) return;
    const uint32_t leaf = story_value(t, a, storage_of(t, a, index));
    story_look(t, leaf, array_at(t->arena, gradient));
}

static void tape_looks(recorder *r, uint32_t index)
{
    tape *t = tape_of(r);
    bool met;
    tape_leaf *l = leaf_of(t, index, &met);
    uint32_t gradient = node_at(t->arena, index)->gradient_node;
    if (!l && gradient && !r->within) look_tell(t, index, gradient);
    if (!l || !met) return;
    l->begins = true;
    if (!gradient) return;
    storage *m = storage_of(t, array_at(t->arena, gradient), gradient);
    if (!m) return;
    if (m->role != FOUND || m->node != gradient) tape_fail(t, MG_ERR_RECORDED);
    m->role = GRADIENT;
    l->gradient = m;
}

/* Note the gradient that a leaf has now. */
static void gradient_sets(recorder *r, uint32_t index)
{
    tape *t = tape_of(r);
    bool met;
    char *rest;
    tape_leaf *l = leaf_of(t, index, &met);
    if (!l) return;
    uint32_t gradient = node_at(t->arena, index)->gradient_node;
    tape_entry *e = entry_new(t, SETS, gradient != 0, 0, &rest);
    if (!e) return;
    e->leaf = l;
    l->last = e;
    if (!l->first) l->first = e;
    if (!gradient) return;
    const array *a = array_at(t->arena, gradient);
    storage *m = storage_of(t, a, gradient);
    storage_read(t, m);
    if (m && m->role == OWNED) storage_part(t, m);
    entry_keep(e, 0, a, m);
}

/* The same, told. */
static void tape_sets(recorder *r, uint32_t index)
{
    tape *t = tape_of(r);
    gradient_sets(r, index);
    if (r->within || t->story.refused || t->status < 0) return;
    const array *a = array_at(t->arena, index);
    const uint32_t leaf = story_value(t, a, storage_of(t, a, index));
    const uint32_t gradient = node_at(t->arena, index)->gradient_node;
    uint32_t value = NO_ARRAY;
    if (gradient) {
        a = array_at(t->arena, gradient);
        value = story_gradient(t, a, storage_of(t, a, gradient), index);
    }
    story_set(t, leaf, value);
}

static void tape_requires(recorder *r, uint32_t index, bool on)
{
    tape *t = tape_of(r);
    const array *a = array_at(t->arena, index);
    const bool is_on = node_at(t->arena, index)->bits & REQUIRES;
    if (r->within || t->story.refused || is_on == on) return;
    story_requires(t, story_value(t, a, storage_of(t, a, index)), on);
}

/* Refuse to tell of a step that leaves an array other than it began with. */
static void requires_check(tape *t)
{
    for (size_t i = 0; i < t->story.arrays.count; i++) {
        const storage *m = t->story.arrays.items[i];
        const bool is_on = node_at(t->arena, m->node)->bits & REQUIRES;
        if (is_on != m->requires)
            story_refuse(t, "requires_grad of an array is another one at the end");
    }
}

/* ---- sweeps ------------------------------------------------------------------------ */

/* Write the values of some nodes, NO_ARRAY for node 0. */
static void values_find(tape *t, int64_t count, const mg_node *nodes, uint32_t *values)
{
    for (int64_t i = 0; i < count; i++) {
        const uint32_t index = nodes ? index_of(nodes[i]) : 0;
        const array *a = index ? array_at(t->arena, index) : NULL;
        values[i] = a ? story_value(t, a, storage_of(t, a, index)) : NO_ARRAY;
    }
}

static void tape_sweeps(recorder *r, const mg_sweep *s, int64_t count, const mg_node *roots,
                        const mg_node *seeds, int64_t input_count, const mg_node *inputs,
                        int flags)
{
    tape *t = tape_of(r);
    if (flags & MG_CREATE_GRAPH) return; /* its calls are told */
    if (flags != (input_count ? MG_GIVE : MG_ACCUMULATE))
        story_refuse(t, "a backward to some arrays only");
    if (count > STORY_ROOTS) story_refuse(t, "a backward from more than 16 arrays");
    if (r->within || t->story.refused) return;
    const size_t size = (size_t)(2 * count + input_count) * sizeof(uint32_t);
    uint32_t *values = tape_allocate(t, size);
    if (!values) return;
    values_find(t, count, roots, values);
    values_find(t, count, seeds, values + count);
    values_find(t, input_count, inputs, values + 2 * count);
    story_sweep(t, s, count, input_count, values);
    arena_allocate(t->arena, values, size, 0);
}

static void tape_stops(recorder *r)
{
    story_refuse(tape_of(r), "hooks are in Python");
}

static void tape_gets(recorder *r, const mg_sweep *s, uint32_t output, uint32_t gradient)
{
    tape *t = tape_of(r);
    if (!story_stopped(t, s)) return;
    const array *a = array_at(t->arena, output);
    const uint32_t value = story_value(t, a, storage_of(t, a, output));
    const array *g = array_at(t->arena, gradient);
    storage *m = storage_of(t, g, gradient);
    if (m) m->lent = true;
    story_arrived(t, value, g);
}

static void tape_gives(recorder *r, const mg_sweep *s, int which, uint32_t gradient)
{
    tape *t = tape_of(r);
    if (!story_stopped(t, s)) return;
    const array *a = array_at(t->arena, gradient);
    story_contribute(t, which, story_value(t, a, storage_of(t, a, gradient)));
}

static void tape_resumes(recorder *r, const mg_sweep *s)
{
    if (story_stopped(tape_of(r), s)) story_resume(tape_of(r));
}

static void tape_keeps(recorder *r, uint32_t gradient)
{
    tape *t = tape_of(r);
    if (!t->story.refused) story_kept(t, array_at(t->arena, gradient));
}

static void tape_ends(recorder *r, const mg_sweep *s)
{
    story_sweep_end(tape_of(r), s);
}

static void tape_breaks(recorder *r, const mg_sweep *s)
{
    tape *t = tape_of(r);
    if (story_stopped(t, s))
        story_refuse(t, "a backward that was given up, or asked for other gradients");
}

/* ---- updates ----------------------------------------------------------------------- */

/* Return the size of the groups of an update with what they point to. */
static size_t groups_size(int update, int64_t count, const mg_update_group *groups)
{
    int numbers, scalars, arrays;
    size_t size = (size_t)count * sizeof *groups;
    update_sizes(update, &numbers, &scalars, &arrays);
    for (int64_t g = 0; g < count; g++)
        size += (size_t)numbers * sizeof(double) +
                (size_t)groups[g].count * (size_t)(1 + arrays) * sizeof(mg_node);
    return size;
}

/* Copy groups, but for counts and scalars, which stay the caller's; the nodes are
 * held. */
static void groups_copy(tape *t, tape_update *u, const mg_update_group *groups)
{
    int numbers, scalars, arrays;
    update_sizes(u->update, &numbers, &scalars, &arrays);
    double *reals = (double *)(void *)(u->groups + u->group_count);
    mg_node *nodes = (mg_node *)(void *)(reals + numbers * u->group_count);
    for (int64_t g = 0; g < u->group_count; g++) {
        const mg_update_group *from = &groups[g];
        mg_update_group *to = &u->groups[g];
        *to = *from;
        to->numbers = memcpy(reals, from->numbers, (size_t)numbers * sizeof *reals);
        reals += numbers;
        to->parameters =
            memcpy(nodes, from->parameters, (size_t)from->count * sizeof *nodes);
        nodes += from->count;
        const size_t beside = (size_t)arrays * (size_t)from->count;
        if (from->arrays)
            to->arrays = memcpy(nodes, from->arrays, beside * sizeof *nodes);
        nodes += beside;
    }
    for (mg_node *n = (mg_node *)(void *)((double *)(void *)(u->groups + u->group_count) +
                                          numbers * u->group_count);
         n < nodes; n++)
        if (*n) node_retain(t->arena, index_of(*n));
}

/* Let go of the nodes of groups, and free them. */
static void groups_free(mg_arena *arena, tape_update *u)
{
    int numbers, scalars, arrays;
    if (!u->groups) return;
    update_sizes(u->update, &numbers, &scalars, &arrays);
    for (int64_t g = 0; g < u->group_count; g++) {
        const mg_update_group *of = &u->groups[g];
        for (int64_t i = 0; i < of->count; i++)
            node_release(arena, index_of(of->parameters[i]));
        for (int64_t i = 0; of->arrays && i < arrays * of->count; i++)
            if (of->arrays[i]) node_release(arena, index_of(of->arrays[i]));
    }
    arena_allocate(arena, u->groups, u->size, 0);
    u->groups = NULL;
}

/* Give an update groups. */
int tape_groups(tape *t, tape_update *u, int64_t count, const mg_update_group *groups)
{
    tape_update next = {.update = u->update, .group_count = count};
    next.size = groups_size(u->update, count, groups);
    next.groups = arena_allocate(t->arena, NULL, 0, next.size);
    MG_RETURN_IF(!next.groups, MG_ERR_NOMEM);
    memset(next.groups, 0, next.size);
    groups_copy(t, &next, groups);
    groups_free(t->arena, u);
    u->group_count = count;
    u->groups = next.groups;
    u->size = next.size;
    return MG_OK;
}

/* Return how many parameters groups have. */
int64_t parameter_count(int64_t count, const mg_update_group *groups)
{
    int64_t parameters = 0;
    for (int64_t g = 0; g < count; g++) parameters += groups[g].count;
    return parameters;
}

/* Keep what parameter number k of an update is, and the gradient that it has. */
static void gradient_keep(tape *t, tape_entry *e, int k, mg_node parameter)
{
    mg_arena *arena = t->arena;
    const uint32_t index = index_of(parameter);
    storage *m = storage_of(t, array_at(arena, index), index);
    if (m) m->written = true;
    if (m && m->node == index) e->update.found[k] = m;
    tape_looks(&t->recorder, index);
    const uint32_t gradient = node_at(arena, index)->gradient_node;
    if (!gradient) return;
    const array *a = array_at(arena, gradient);
    m = storage_of(t, a, gradient);
    storage_read(t, m);
    entry_keep(e, k, a, m);
}

static void tape_updates(recorder *r, int update, int64_t count,
                         const mg_update_group *groups)
{
    tape *t = tape_of(r);
    char *rest;
    const int64_t parameters = parameter_count(count, groups);
    if (t->first_write > t->entries.count) t->first_write = t->entries.count;
    const size_t more = (size_t)parameters * sizeof(storage *);
    tape_entry *e = entry_new(t, UPDATES, (int)parameters, more, &rest);
    if (!e || !tape_list_add(t, &t->updates, e)) return;
    e->update.update = update;
    e->update.gradients = e->given;
    e->update.found = (storage **)(void *)rest;
    int k = 0;
    for (int64_t g = 0; g < count; g++)
        for (int64_t i = 0; i < groups[g].count; i++)
            gradient_keep(t, e, k++, groups[g].parameters[i]);
    int status = tape_groups(t, &e->update, count, groups);
    if (status < 0) tape_fail(t, status);
    else story_update(t, e);
}

/* ---- numbers of generators --------------------------------------------------------- */

int random_run(mg_arena *arena, const deed *a)
{
    const array *out = a->arrays[0];
    mg_rng *rng = (mg_rng *)(uintptr_t)a->integers[0];
    (void)arena;
    switch (a->integers[1]) {
    case MG_INTEGERS:
        return mg_rng_fill_integers(rng, a->integers[2], a->integers[3], out->count,
                                    (int64_t *)(void *)out->data);
    case MG_PERMUTATION:
        return mg_rng_permutation(rng, out->count, (int64_t *)(void *)out->data);
    default:
        return mg_rng_fill(rng, (int)a->integers[1], out->dtype, a->numbers[0],
                           a->numbers[1], out->count, out->data);
    }
}

int mg_record_random(mg_arena *arena, mg_node drawn, mg_rng *rng, int distribution,
                     double a, double b, int64_t low, int64_t high)
{
    uint32_t index;
    arena_lock(arena);
    int status = array_find(arena, drawn, &index);
    if (status == MG_OK) {
        deed of = {DEED(random_run), .arrays = {array_at(arena, index)}};
        of.writes = of.fills = 1;
        of.integers[0] = (int64_t)(uintptr_t)rng, of.integers[1] = distribution;
        of.integers[2] = low, of.integers[3] = high;
        of.numbers[0] = a, of.numbers[1] = b;
        deed_remember(arena, &of);
    }
    arena_unlock(arena);
    return status;
}

/* ---- checks of elements ------------------------------------------------------------ */

int require_run(mg_arena *arena, const deed *a)
{
    (void)arena;
    return map_has_zero(a->arrays[0]) ? (int)a->integers[0] : MG_OK;
}

/* Find an array that is read, made in the program or not. */
static int array_look(mg_arena *arena, mg_node handle, const array **found)
{
    uint32_t index;
    recorder *r = recorder_of(arena);
    MG_TRY(array_find(arena, handle, &index));
    if (r) r->sees(r, index);
    *found = array_at(arena, index);
    return MG_OK;
}

static int require_remember(mg_arena *arena, mg_node test, mg_node about, int error)
{
    deed of = {DEED(require_run), .integers = {error}};
    MG_RETURN_IF(error != MG_ERR_ARG && error != MG_ERR_INDEX, MG_ERR_ARG);
    MG_TRY(array_look(arena, test, &of.arrays[0]));
    MG_RETURN_IF(of.arrays[0]->dtype != MG_BOOL, MG_ERR_DTYPE);
    if (about) MG_TRY(array_look(arena, about, &of.arrays[1]));
    deed_remember(arena, &of);
    return MG_OK;
}

int mg_record_require(mg_arena *arena, mg_node test, mg_node about, int error)
{
    arena_lock(arena);
    int status = require_remember(arena, test, about, error);
    arena_unlock(arena);
    return status;
}

/* ---- opening and closing ----------------------------------------------------------- */

static tape *tape_open(mg_arena *arena)
{
    tape *t = arena_allocate(arena, NULL, 0, sizeof *t);
    if (!t) return NULL;
    memset(t, 0, sizeof *t);
    t->arena = arena;
    t->first_write = SIZE_MAX;
    t->fault = -1;
    t->recorder = (recorder){.thread = thread_mark(), .take = tape_take};
    t->recorder.give = tape_give, t->recorder.calls = tape_calls;
    t->recorder.acts = tape_acts, t->recorder.writes = tape_writes;
    t->recorder.constant = tape_constant, t->recorder.sees = tape_sees;
    t->recorder.looks = tape_looks, t->recorder.sets = tape_sets;
    t->recorder.updates = tape_updates;
    t->recorder.requires = tape_requires;
    t->recorder.sweeps = tape_sweeps, t->recorder.stops = tape_stops;
    t->recorder.gets = tape_gets, t->recorder.gives = tape_gives;
    t->recorder.resumes = tape_resumes, t->recorder.keeps = tape_keeps;
    t->recorder.ends = tape_ends, t->recorder.breaks = tape_breaks;
    return t;
}

int mg_record_open(mg_arena *arena)
{
    arena_lock(arena);
    int status = arena->recorder ? MG_ERR_BUSY : MG_OK;
    tape *t = status == MG_OK ? tape_open(arena) : NULL;
    if (t) arena->recorder = &t->recorder;
    else if (status == MG_OK) status = MG_ERR_NOMEM;
    arena_unlock(arena);
    return status;
}

/* Return the tape of this thread, or NULL. */
static tape *tape_of_thread(const mg_arena *arena)
{
    recorder *r = arena->recorder;
    return r && r->thread == thread_mark() ? tape_of(r) : NULL;
}

int mg_recording(mg_arena *arena)
{
    if (!arena->recorder) return 0; /* this thread's own stays as it is */
    arena_lock(arena);
    const int records = recorder_of(arena) != NULL;
    arena_unlock(arena);
    return records;
}

int mg_record_pause(mg_arena *arena, int on)
{
    arena_lock(arena);
    tape *t = tape_of_thread(arena);
    int before = t ? t->recorder.paused : 0;
    if (t) t->recorder.paused = on != 0;
    arena_unlock(arena);
    return before;
}

/* Let buffers know the tape no more. What is unused is the tape's alone. */
static void buffers_leave(tape *t)
{
    for (size_t i = 0; i < t->storages.count; i++) {
        storage *m = tape_storage(t, i);
        m->buffer->home = NULL;
        if (m->role != OWNED || m->held) continue;
        m->held = true;
        if (m->unused) m->buffer->references = 1;
        else m->buffer->references++;
    }
}

/* Release a node. If nobody has a handle of it, a gradient that is recorded, or has a
 * gradient, goes first: it may refer to the node, and then nothing would free either. */
void node_let_go(mg_arena *arena, uint32_t index)
{
    node *n = node_at(arena, index);
    const uint32_t gradient = n->gradient_node;
    const bool is_known = slot_at(arena, index)->handles > 0;
    const bool may_refer = gradient && (array_at(arena, gradient)->operand_count ||
                                        node_at(arena, gradient)->gradient_node);
    if (may_refer && !is_known) {
        n->gradient_node = 0;
        node_release(arena, gradient);
    }
    node_release(arena, index);
}

static void storage_free(mg_arena *arena, storage *m)
{
    if (m->restored) arena_allocate(arena, m->restored, m->size, 0);
    if (m->role == OWNED) buffer_release(arena, m->buffer);
    if (m->role != OWNED && m->node) node_let_go(arena, m->node);
}

/* Free what a program from a file owns. */
void tape_own_free(mg_arena *arena, tape_own *own)
{
    if (!own) return;
    for (size_t i = 0; i < own->array_count; i++)
        if (own->arrays[i] > 0) {
            slot_at(arena, index_of(own->arrays[i]))->handles--;
            node_let_go(arena, index_of(own->arrays[i]));
        }
    room_free(arena, &own->room);
    arena_allocate(arena, own, sizeof *own, 0);
}

/* Free a tape whose buffers know it no more. */
void tape_free(tape *t)
{
    mg_arena *arena = t->arena;
    for (size_t i = 0; i < t->updates.count; i++)
        groups_free(arena, &((tape_entry *)t->updates.items[i])->update);
    for (size_t i = 0; i < t->storages.count; i++)
        storage_free(arena, tape_storage(t, i));
    for (size_t i = 0; i < t->groups.count; i++)
        arena_allocate(arena, t->groups.items[i],
                       ((tape_group *)t->groups.items[i])->size, 0);
    tape_list_free(arena, &t->groups);
    tape_list_free(arena, &t->entries);
    tape_list_free(arena, &t->storages);
    tape_list_free(arena, &t->leaves);
    tape_list_free(arena, &t->updates);
    tape_list_free(arena, &t->found);
    tape_list_free(arena, &t->shown);
    tape_list_free(arena, &t->restored);
    story_free(t);
    room_free(arena, &t->room);
    tape_own_free(arena, t->own);
    arena_allocate(arena, t->inside, t->inside_size, 0);
    arena_allocate(arena, t->inputs, (size_t)t->input_count * sizeof *t->inputs, 0);
    arena_allocate(arena, t->outputs, (size_t)t->output_count * sizeof *t->outputs, 0);
    arena_allocate(arena, t, sizeof *t, 0);
}

static void tape_cancel(tape *t)
{
    buffers_leave(t);
    t->arena->recorder = NULL;
    tape_free(t);
}

void mg_record_cancel(mg_arena *arena)
{
    arena_lock(arena);
    tape *t = tape_of_thread(arena);
    if (t) tape_cancel(t);
    arena_unlock(arena);
}

/* ---- making the program ------------------------------------------------------------ */

static int inputs_keep(tape *t, int64_t count, const mg_node *inputs)
{
    if (count) t->inputs = tape_allocate(t, (size_t)count * sizeof *t->inputs);
    MG_RETURN_IF(count && !t->inputs, MG_ERR_NOMEM);
    t->input_count = count;
    for (int64_t i = 0; i < count; i++) {
        uint32_t index;
        MG_TRY(array_find(t->arena, inputs[i], &index));
        for (size_t k = 0; k < t->storages.count && tape_goes_on(t, k); k++) {
            storage *m = tape_storage(t, k);
            if (m->role == FOUND && m->node == index) t->inputs[i] = m;
        }
    }
    return MG_OK;
}

static int outputs_keep(tape *t, int64_t count, const mg_node *outputs)
{
    char *rest;
    if (count) t->outputs = tape_allocate(t, (size_t)count * sizeof *t->outputs);
    MG_RETURN_IF(count && !t->outputs, MG_ERR_NOMEM);
    t->output_count = count;
    if (count) t->story.outputs = tape_allocate(t, (size_t)count * sizeof(uint32_t));
    MG_RETURN_IF(count && !t->story.outputs, MG_ERR_NOMEM);
    for (int64_t i = 0; i < count && tape_goes_on(t, (size_t)i); i++) {
        uint32_t index;
        MG_TRY(array_find(t->arena, outputs[i], &index));
        const array *a = array_at(t->arena, index);
        storage *m = storage_of(t, a, index);
        if (!t->story.refused) t->story.outputs[i] = story_value(t, a, m);
        storage_read(t, m);
        t->outputs[i] = entry_new(t, SHOWS, 1, 0, &rest);
        if (t->outputs[i]) entry_keep(t->outputs[i], 0, a, m);
    }
    return t->status;
}

/* Find gradients whose memory a run writes to before it drops them: an error in between
 * would leave others. */
static void late_find(tape *t)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        const tape_entry *e = tape_entry_at(t, i);
        if (e->what == SETS && e->leaf->first == e) e->leaf->drops = true;
        for (int k = 0; k < e->array_count; k++) {
            storage *m = e->places[k].in;
            if (m && m->leaf && !m->leaf->drops) m->late = true;
        }
    }
}

/* Note what was found, and which memory others may hold when a run begins. Constants that
 * they hold or may get are theirs to change. */
static int shown_find(tape *t)
{
    for (int64_t k = 0; k < t->output_count; k++)
        if (t->outputs[k]->places->in) t->outputs[k]->places->in->shown = true;
    for (size_t k = 0; k < t->leaves.count; k++) {
        tape_leaf *l = t->leaves.items[k];
        if (!l->last || !l->last->array_count || !l->last->places->in) continue;
        l->last->places->in->shown = true;
        l->last->places->in->leaf = l;
    }
    late_find(t);
    for (size_t i = 0; i < t->storages.count && tape_goes_on(t, i); i++) {
        storage *m = tape_storage(t, i);
        if (m->role == FOUND) tape_list_add(t, &t->found, m);
        if (m->role != OWNED) continue;
        if (m->buffer->references > 1) m->shown = true;
        if (!m->shown) continue;
        if (m->constant) storage_restore(t, m);
        m->constant = false;
        tape_list_add(t, &t->shown, m);
    }
    return t->status;
}

static int tape_finish(tape *t, int64_t input_count, const mg_node *inputs,
                       int64_t output_count, const mg_node *outputs)
{
    MG_RETURN_IF(input_count < 0 || output_count < 0, MG_ERR_ARG);
    MG_TRY(t->status);
    MG_TRY(outputs_keep(t, output_count, outputs));
    requires_check(t);
    MG_TRY(inputs_keep(t, input_count, inputs));
    return t->status;
}

/* Make a program of what this thread has recorded; or give it up. */
int tape_close(mg_arena *arena, int64_t input_count, const mg_node *inputs,
               int64_t output_count, const mg_node *outputs, tape **made)
{
    tape *t = tape_of_thread(arena);
    MG_RETURN_IF(!t, MG_ERR_ARG);
    int status = tape_finish(t, input_count, inputs, output_count, outputs);
    if (status < 0) {
        tape_cancel(t);
        return status;
    }
    buffers_leave(t);
    story_end(t);
    arena->recorder = NULL;
    status = shown_find(t);
    if (status < 0) tape_free(t);
    else *made = t;
    return status;
}
