/* blocks.c: entries on elements that a run makes block by block.
 *
 * Ops of elements, their gradients, where, casts, copies and fills that follow each other,
 * on whole arrays of as many elements, are a group: all of them are made of some elements,
 * then of the next. What one makes the others find in the first cache; what nobody reads
 * later does not leave it: it lies in the first block of its memory, one block after the
 * other. 4 KB a block, some arrays of which fit that cache, took least time of 2 to 16 KB.
 *
 * Kernels and their order are those of entries one by one, and the result of an element
 * does not depend on the piece it is in; so the bits are the same. No entry of a group
 * fails or writes to what others see: a run that stops does so before or behind it. Files
 * and other languages are told of entries, not of groups. */
#include "programs/programs.h"

enum {
    BLOCK_SIZE = 4096,   /* bytes of the elements of a block, of the widest array */
    LEAST_ELEMENTS = 512 /* of an array of a group: fewer are in the first cache anyway */
};

/* ---- ops of elements --------------------------------------------------------------- */

/* What an entry does with elements; side k is its array at[k]. */
typedef struct element_op {
    enum element_kind kind;
    int op;
    int which; /* of a gradient: of this operand */
    int dtype; /* of the first input */
    int input_count;
    int at[GROUP_SIDES];
    double number;
} element_op;

static const array *side_array(const tape_entry *e, const element_op *of, int k)
{
    return &e->arrays[of->at[k]];
}

static bool is_call(const tape_entry *e, element_op *of)
{
    const call *c = &e->call;
    *of = (element_op){.op = c->op, .input_count = c->operand_count};
    if (c->op == MG_CAST || c->op == MG_CLONE || c->op == MG_CONTIGUOUS) of->kind = OF_COPY;
    else if (c->op == MG_WHERE) of->kind = OF_CHOICE;
    else if (!is_element_op(c->op)) return false;
    if (c->takes_memory) return false;
    for (int k = 0; k < c->operand_count; k++) of->at[k] = k;
    of->at[GROUP_OUTPUT] = c->operand_count;
    of->number = c->number_count ? c->numbers[0] : 0.0;
    return true;
}

static bool is_gradient(const tape_entry *e, element_op *of)
{
    const deed *a = &e->act;
    if (a->run != gradient_run) return false;
    *of = (element_op){.kind = OF_GRADIENT, .op = (int)a->integers[0]};
    of->which = (int)a->integers[1];
    of->input_count = GROUP_OUTPUT;
    for (int k = 0; k < GROUP_SIDES; k++) of->at[k] = k;
    of->number = a->numbers[0];
    return true;
}

static bool is_in_place(const tape_entry *e, element_op *of)
{
    const deed *a = &e->act;
    *of = (element_op){.op = MG_ADD, .input_count = a->arrays[1] ? 2 : 1, .at = {0, 1}};
    if (a->run != over_run) return a->run == add_run;
    of->op = (int)a->integers[0];
    if (is_element_op(of->op)) return true;
    of->kind = OF_COPY;
    of->input_count = of->at[0] = 1;
    return true;
}

/* Tell whether an entry is an op of elements, and which. */
static bool is_of_elements(const tape_entry *e, element_op *of)
{
    bool is = false;
    if (e->what == CALLS) is = is_call(e, of);
    else if (e->what == ACTS) is = is_gradient(e, of) || is_in_place(e, of);
    if (is) of->dtype = side_array(e, of, 0)->dtype;
    return is;
}

/* Tell whether all elements of an array are one. */
static bool is_one_element(const array *a)
{
    for (int d = 0; d < a->rank; d++)
        if (a->shape[d] != 1 && a->strides[d] != 0) return false;
    return true;
}

/* Tell whether inputs number `first` and so on have a type. */
static bool have_type(const tape_entry *e, const element_op *of, int first, int dtype)
{
    for (int k = first; k < of->input_count; k++)
        if (side_array(e, of, k)->dtype != dtype) return false;
    return true;
}

/* Tell whether an op, or its gradient, has a kernel for its type, and cannot fail. */
static bool has_own_kernel(const element_op *of, int to)
{
    const bool is_value = of->kind == OF_VALUE;
    const bool is_truth = is_value && op_types[of->op] >= COMPARES;
    if (to != (is_truth ? MG_BOOL : of->dtype)) return false;
    if (compute_dtype(of->dtype) != of->dtype) return false;
    if (is_float(of->dtype)) return !is_value || kernels()->value[of->op][of->dtype];
    if (!is_value || op_traits[of->op] & MG_CHECKS_ZERO) return false;
    return kernels()->value[of->op][of->dtype];
}

/* Tell whether an op sees the elements as they lie, one of an input for all perhaps, and
 * cannot fail. */
static bool is_direct(const tape_entry *e, const element_op *of)
{
    const array *out = side_array(e, of, GROUP_OUTPUT);
    for (int k = 0; k < of->input_count; k++) {
        const array *a = side_array(e, of, k);
        if (!is_one_element(a) && !(a->contiguous && a->count == out->count)) return false;
    }
    if (of->kind == OF_COPY) return true;
    if (of->kind == OF_CHOICE) return have_type(e, of, 1, out->dtype);
    return have_type(e, of, 0, of->dtype) && has_own_kernel(of, out->dtype);
}

/* Tell whether input number k is one element, which the kernel takes for all. */
static bool is_repeated(const tape_entry *e, const element_op *of, int k)
{
    const bool may = of->kind == OF_VALUE || (of->kind == OF_CHOICE && k > 0);
    return may && is_one_element(side_array(e, of, k));
}

/* Tell whether it is one element, which has to be spread over a block. */
static bool is_spread(const tape_entry *e, const element_op *of, int k)
{
    return is_one_element(side_array(e, of, k)) && !is_repeated(e, of, k);
}

/* ---- which entries are a group ----------------------------------------------------- */

/* Tell whether an array is all that lies in what is owned. */
static bool is_all_owned(const tape_entry *e, int k)
{
    return e->places[k].in->role == OWNED && is_whole(e, k);
}

/* Tell whether an op joins a group. Of what this makes it reads all, element by element:
 * another part may not be there yet. */
static bool joins(const tape_entry *e, const element_op *of, const tape_group *g)
{
    const array *out = side_array(e, of, GROUP_OUTPUT);
    const storage *made = e->places[of->at[GROUP_OUTPUT]].in;
    if (out->count < LEAST_ELEMENTS || (g->op_count && out->count != g->count))
        return false;
    if (!is_all_owned(e, of->at[GROUP_OUTPUT]) || made->read_in_part == g->mark) return false;
    for (int k = 0; k < of->input_count; k++) {
        const storage *m = e->places[of->at[k]].in;
        if (!is_all_owned(e, of->at[k]) && (m == made || m->made_in == g->mark)) return false;
    }
    return true;
}

static void join(tape_entry *e, const element_op *of, tape_group *g)
{
    const array *out = side_array(e, of, GROUP_OUTPUT);
    int size = dtype_sizes[out->dtype];
    if (size < dtype_sizes[of->dtype]) size = dtype_sizes[of->dtype];
    g->count = out->count;
    if (!g->op_count) g->block = g->count;
    if (g->block > BLOCK_SIZE / size) g->block = BLOCK_SIZE / size;
    g->op_count++;
    e->places[of->at[GROUP_OUTPUT]].in->made_in = g->mark;
    for (int k = 0; k < of->input_count; k++) {
        if (!is_all_owned(e, of->at[k])) e->places[of->at[k]].in->read_in_part = g->mark;
        g->spread_count += is_spread(e, of, k);
    }
}

/* Tell whether a run passes over an entry. */
static bool passes_over(const tape_entry *e)
{
    return e->marks & UNREAD || e->what == SETS || e->what == SHOWS;
}

/* Find a group that begins with an entry, of one op at least, or return false. From the
 * first entry on that others see nothing is given up: there another group begins. */
static bool ops_find(tape *t, size_t first, tape_group *g)
{
    element_op of;
    *g = (tape_group){.first = first, .mark = first + 1};
    for (size_t i = first; i < t->entries.count && tape_goes_on(t, i); i++) {
        tape_entry *e = tape_entry_at(t, i);
        if (i == t->first_write && g->op_count) break;
        if (passes_over(e)) continue;
        if (!is_of_elements(e, &of) || !is_direct(e, &of) || !joins(e, &of, g)) break;
        join(e, &of, g);
        g->end = i + 1;
    }
    return g->op_count > 0;
}

/* Return room number i for a block that an element is spread over. */
static char *group_room(tape_group *g, int i)
{
    return (char *)(g->ops + g->op_count) + (size_t)i * BLOCK_SIZE;
}

/* Keep a group that was found; its ops are set later. */
static void group_keep(tape *t, const tape_group *found)
{
    const size_t ops = (size_t)found->op_count * sizeof(group_op);
    const size_t size = sizeof *found + ops + (size_t)found->spread_count * BLOCK_SIZE;
    tape_group *g = arena_allocate(t->arena, NULL, 0, size);
    if (!g || !tape_list_add(t, &t->groups, g)) {
        if (g) arena_allocate(t->arena, g, size, 0);
        t->status = MG_ERR_NOMEM;
        return;
    }
    *g = *found;
    g->size = size;
    for (size_t i = g->first; i < g->end; i++) {
        tape_entry *e = tape_entry_at(t, i);
        if (passes_over(e)) continue;
        e->group = g;
        e->marks |= i == g->first ? BEGINS_GROUP : IN_GROUP;
    }
}

static void ops_find_all(tape *t)
{
    tape_group g;
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        if (passes_over(tape_entry_at(t, i)) || !ops_find(t, i, &g)) continue;
        if (g.op_count > 1) group_keep(t, &g);
        i = g.end - 1;
    }
}

/* ---- what lies in blocks ----------------------------------------------------------- */

/* Tell whether a group has made anew what nobody reads later, in this run or the next. */
static bool is_passing(const tape_group *g, const storage *m)
{
    return m->begun_in == g->mark && !m->live && !m->lasts;
}

/* Let side k of an op be an array of an entry. */
static void side_set(tape_group *g, group_op *o, const tape_entry *e, const element_op *of,
                     int k)
{
    const array *a = side_array(e, of, k);
    const storage *m = e->places[of->at[k]].in;
    o->sides[k] = a;
    o->size[k] = is_one_element(a) ? 0 : dtype_sizes[a->dtype];
    o->moves[k] = !is_passing(g, m);
    if (is_repeated(e, of, k)) o->repeats |= 1u << (of->kind == OF_CHOICE ? k - 1 : k);
    if (is_spread(e, of, k)) o->room[k] = group_room(g, g->spread_count++);
}

/* Prepare an op of a group, while storages tell what is read behind that. What the group
 * makes and nobody reads later lies in one block. What was there before is read where it
 * lies: each block of it before anything is written to the first one. */
static void op_set(tape_group *g, group_op *o, const tape_entry *e, const element_op *of)
{
    storage *made = e->places[of->at[GROUP_OUTPUT]].in;
    *o = (group_op){.kind = of->kind, .of = of->op, .which = of->which};
    o->dtype = of->dtype;
    o->to = side_array(e, of, GROUP_OUTPUT)->dtype;
    o->marks = e->marks;
    o->number = of->number;
    o->input_count = of->input_count;
    for (int k = 0; k < of->input_count; k++) side_set(g, o, e, of, k);
    made->begun_in = g->mark;
    side_set(g, o, e, of, GROUP_OUTPUT);
    for (int k = of->input_count; k < GROUP_OUTPUT; k++) o->sides[k] = o->sides[0];
}

static void group_set(const tape *t, tape_group *g)
{
    element_op of;
    group_op *o = g->ops;
    g->spread_count = 0;
    for (size_t i = g->first; i < g->end; i++) {
        const tape_entry *e = tape_entry_at(t, i);
        if (!passes_over(e) && is_of_elements(e, &of)) op_set(g, o++, e, &of);
    }
}

static void groups_set(tape *t)
{
    live_end(t);
    for (size_t i = t->entries.count; i-- > 0 && tape_goes_on(t, i);) {
        const tape_entry *e = tape_entry_at(t, i);
        if (e->group && e->group->end == i + 1) group_set(t, e->group);
        if (!(e->marks & UNREAD)) live_before(e);
    }
}

int groups_make(tape *t)
{
    ops_find_all(t);
    if (t->groups.count) groups_set(t);
    return t->status;
}

/* ---- a run ------------------------------------------------------------------------- */

/* Find where the sides of an op are now. */
static void op_begin(const tape_group *g, group_op *o)
{
    for (int k = 0; k < GROUP_SIDES; k++) {
        const array *a = o->sides[k];
        o->data[k] = o->room[k] ? o->room[k] : a->data;
        if (o->room[k])
            copy_row(g->block, dtype_sizes[a->dtype], a->data, 0, o->room[k], 1);
    }
    const kernel_set *all = kernels();
    if (o->kind == OF_VALUE) o->value = all->value[o->of][o->dtype];
    if (o->kind == OF_GRADIENT)
        o->gradient = all->gradient[o->of][o->which][wide_index(o->dtype)];
    if (o->kind == OF_CHOICE) o->choose = choose_of(o->to);
}

/* Make n elements of an op, `behind` elements behind the first of a range. */
MG_INLINE void op_run(const group_op *o, int64_t first, int64_t behind, int64_t n)
{
    char *at[GROUP_SIDES];
    for (int k = 0; k < GROUP_SIDES; k++)
        at[k] = o->data[k] + (first + behind * o->moves[k]) * o->size[k];
    char *out = at[GROUP_OUTPUT];
    switch (o->kind) {
    case OF_VALUE: o->value(n, at[0], at[1], out, o->number, o->repeats); return;
    case OF_GRADIENT: o->gradient(n, at[0], at[1], at[2], at[3], out, o->number); return;
    case OF_CHOICE:
        o->choose(n, (uint8_t *)at[0], at[1], at[2], out, o->repeats);
        return;
    default: copy_elements(o->dtype, o->to, n, at[0], out);
    }
}

/* Return what an op costs, as of parallel_ranges(): a cheap one takes a quarter of the time
 * that it has for elements from memory. */
static double group_op_cost(const group_op *o)
{
    const int cost = o->kind == OF_VALUE || o->kind == OF_GRADIENT ? op_cost(o->of) : 1;
    return (cost > 1 ? cost : 0.25) * (o->kind == OF_GRADIENT ? 2.0 : 1.0);
}

static void group_range(void *context, int64_t first, int64_t end)
{
    const tape_group *g = context;
    for (int64_t at = first; at < end; at += g->block) {
        const int64_t n = end - at < g->block ? end - at : g->block;
        for (int i = 0; i < g->op_count; i++)
            if (!g->ops[i].passed) op_run(&g->ops[i], first, at - first, n);
    }
}

void group_run(tape_group *g, unsigned but)
{
    double cost = 0.0;
    for (int i = 0; i < g->op_count; i++) {
        group_op *o = &g->ops[i];
        o->passed = o->marks & but;
        if (o->passed) continue;
        op_begin(g, o);
        cost += group_op_cost(o);
    }
    if (cost > 0.0) parallel_ranges(g->count, 1.0 + cost, group_range, g); /* 1: memory */
}
