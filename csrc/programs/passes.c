/* passes.c: what runs of a program do in fewer steps than its calls did, with the same bits.
 *
 * Entries stay those that were recorded, in their order: where errors come, what files and
 * other languages are told is found there. A pass only marks them: that nobody reads what
 * one makes; that one makes the same in each of several runs; that a gradient has a part
 * of its work from the value. What a run may raise is done as before. */
#include "programs/programs.h"

/* ---- what entries read and write --------------------------------------------------- */

/* How an entry uses its array number k. */
enum usage { READS = 1, WRITES = 2, FILLS = 4 }; /* FILLS: writes before it reads */

static unsigned usage_of(const tape_entry *e, int k)
{
    if (e->what == ACTS) {
        if (!(e->act.writes >> k & 1)) return READS;
        return e->act.fills >> k & 1 ? WRITES | FILLS : WRITES | READS;
    }
    if (e->what != CALLS) return READS;
    if (k == e->call.operand_count) return WRITES | FILLS;
    return k == 0 && e->call.takes_memory ? READS | WRITES : READS;
}

bool is_whole(const tape_entry *e, int k)
{
    const array *a = &e->arrays[k];
    const size_t size = (size_t)a->count * dtype_sizes[a->dtype];
    return a->contiguous && e->places[k].offset == 0 && size == e->places[k].in->size;
}

/* Tell whether an entry only computes: whatever its operands hold, it does not fail, and
 * nothing but its arrays changes. */
static bool only_computes(const tape_entry *e)
{
    return e->what == CALLS &&
           !(op_traits[e->call.op] & (MG_CHECKS_ELEMENTS | MG_CHECKS_ZERO));
}

/* ---- values ------------------------------------------------------------------------ */

/* What is owned is used again and again. For passes, what lies there for a while is a
 * storage of its own, a value, up to the next call that fills it. */

/* Note what outputs and leaves have after a run. What else others hold when a program is
 * made, they hold of the calls that were recorded: runs begin with other memory. */
static void results_find(tape *t)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        const tape_entry *e = tape_entry_at(t, i);
        if (e->array_count && (e->what == SHOWS || e->what == SETS))
            e->places->in->is_result = true;
    }
}

typedef struct value_list {
    tape_room room;
    tape_list list; /* of storage */
} value_list;

static bool is_used_again(const storage *m)
{
    return m && m->role == OWNED && !m->is_result && !m->restored && !m->constant;
}

/* Tell whether an array fills its storage, which the entry does not read. */
static bool begins_value(const tape_entry *e, int k)
{
    if (!(usage_of(e, k) & FILLS) || !is_whole(e, k)) return false;
    for (int i = 0; i < e->array_count; i++)
        if (i != k && e->places[i].in && e->places[i].in->start == e->places[k].in->start)
            return false;
    return true;
}

static storage *value_new(tape *t, value_list *values, storage *m)
{
    storage *value = room_take(t->arena, &values->room, sizeof *value);
    if (!value || !tape_list_add(t, &values->list, value)) {
        t->status = MG_ERR_NOMEM;
        return m;
    }
    *value = *m;
    value->part_of = m;
    return value;
}

/* Let places be in values. */
static void values_split(tape *t, value_list *values)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        tape_entry *e = tape_entry_at(t, i);
        for (int k = 0; k < e->array_count; k++) {
            storage *m = e->places[k].in;
            if (!is_used_again(m) || m->part_of) continue;
            if (!m->value || begins_value(e, k)) m->value = value_new(t, values, m);
            e->places[k].in = m->value;
        }
    }
}

/* Take a block of memory for a storage. */
static bool block_new(tape *t, storage *m)
{
    buffer *block = block_take(t->arena, BLOCK_ALIGNMENT + m->size);
    if (!block || !tape_list_add(t, &t->storages, m)) {
        if (block) block_give(t->arena, block, BLOCK_ALIGNMENT + m->size);
        t->status = MG_ERR_NOMEM;
        return false;
    }
    memset(block, 0, sizeof *block);
    block->data = (char *)block + BLOCK_ALIGNMENT;
    block->size = m->size;
    m->number = (int64_t)t->storages.count - 1;
    block->references = 1;
    m->held = true;
    m->buffer = block;
    m->start = block->data;
    return true;
}

/* List places by the storages that they are in. */
static void places_link(tape *t)
{
    for (size_t i = 0; i < t->storages.count && tape_goes_on(t, i); i++)
        tape_storage(t, i)->places = NULL;
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        const tape_entry *e = tape_entry_at(t, i);
        for (int k = 0; k < e->array_count; k++) {
            storage *m = e->places[k].in;
            if (m && m->part_of) m = e->places[k].in = m->lasts ? m->value : m->part_of;
            if (!m) continue;
            e->places[k].next = m->places;
            m->places = &e->places[k];
        }
    }
}

/* Let a value that lasts have memory of its own. */
static void value_own(tape *t, storage *value)
{
    storage *kept = tape_take_room(t, sizeof *kept);
    if (!kept) return;
    *kept = *value;
    kept->part_of = kept->value = NULL;
    value->value = kept;
    block_new(t, kept);
}

/* Let values that last have memory of their own, and others be where they were. */
static void values_join(tape *t, value_list *values)
{
    for (size_t i = 0; i < values->list.count && tape_goes_on(t, i); i++) {
        storage *value = values->list.items[i];
        if (value->lasts) value_own(t, value);
    }
    places_link(t);
    for (size_t i = 0; i < values->list.count && tape_goes_on(t, i); i++) {
        const storage *value = values->list.items[i];
        storage *kept = value->value;
        if (value->lasts) storage_move(kept, kept->buffer, kept->start);
    }
    tape_list_free(t->arena, &values->list);
    room_free(t->arena, &values->room);
}

/* ---- what nobody reads ------------------------------------------------------------- */

static bool is_unread(const tape_entry *e)
{
    if (!only_computes(e)) return false;
    for (int k = 0; k < e->array_count; k++) {
        const storage *m = e->places[k].in;
        if (usage_of(e, k) & WRITES && (m->role != OWNED || m->live)) return false;
    }
    return true;
}

void live_end(tape *t)
{
    for (size_t i = 0; i < t->storages.count && tape_goes_on(t, i); i++)
        tape_storage(t, i)->live = tape_storage(t, i)->is_result;
}

void live_before(const tape_entry *e)
{
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < e->array_count; k++) {
            storage *m = e->places[k].in;
            if (!m) continue;
            const unsigned use = usage_of(e, k);
            if (pass == 0 && use & FILLS && is_whole(e, k)) m->live = false;
            if (pass == 1 && use & READS) m->live = true;
        }
}

/* Mark entries whose results are not read, from the last on. */
static void unread_find(tape *t)
{
    live_end(t);
    for (size_t i = t->entries.count; i-- > 0 && tape_goes_on(t, i);) {
        tape_entry *e = tape_entry_at(t, i);
        if (is_unread(e)) e->marks |= UNREAD;
        else live_before(e);
    }
}

/* ---- what stays the same ----------------------------------------------------------- */

/* Of what is owned: the last entry that writes to it. */
static void writers_find(tape *t)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        const tape_entry *e = tape_entry_at(t, i);
        for (int k = 0; k < e->array_count; k++)
            if (e->places[k].in && usage_of(e, k) & WRITES)
                e->places[k].in->last_write = i;
    }
}

static bool may_last(const storage *m)
{
    if (m->role == OWNED) return !m->is_result && !m->restored;
    return m->role == FOUND && !m->written && !m->shared;
}

/* Note where entries that are made in each run, being without `mark`, write to, and where
 * they read what is written to later. */
static void changes_note(tape *t, unsigned mark)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        const tape_entry *e = tape_entry_at(t, i);
        for (int k = 0; k < e->array_count; k++)
            if (e->places[k].in)
                e->places[k].in->changes = !may_last(e->places[k].in);
    }
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        const tape_entry *e = tape_entry_at(t, i);
        for (int k = 0; !(e->marks & mark) && k < e->array_count; k++) {
            storage *m = e->places[k].in;
            const bool reads_early = m && m->role == OWNED && i < m->last_write;
            if (m && (usage_of(e, k) & WRITES || reads_early)) m->changes = true;
        }
    }
}

/* Tell whether an entry has an array that changes from run to run. */
static bool meets_changes(const tape *t, const tape_entry *e, bool inputs_stay)
{
    for (int k = 0; k < e->array_count; k++) {
        const storage *m = e->places[k].in;
        if (m && m->changes) return true;
        for (int64_t n = 0; m && !inputs_stay && n < t->input_count; n++)
            if (m == t->inputs[n]) return true;
    }
    return false;
}

/* Mark entries that make the same again in a run that follows another one, where inputs
 * stay, or do not: all but those that meet what the others change. */
static void lasting_find(tape *t, bool inputs_stay, unsigned mark)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        tape_entry *e = tape_entry_at(t, i);
        if (e->what == CALLS || (e->what == ACTS && e->act.run != random_run))
            e->marks |= mark;
    }
    for (bool is_new = true; is_new && t->status == MG_OK;) {
        is_new = false;
        changes_note(t, mark);
        for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
            tape_entry *e = tape_entry_at(t, i);
            if (!(e->marks & mark) || !meets_changes(t, e, inputs_stay)) continue;
            e->marks &= ~mark;
            is_new = true;
            for (int k = 0; k < e->array_count; k++)
                if (e->places[k].in && usage_of(e, k) & WRITES)
                    e->places[k].in->changes = true;
        }
    }
}

/* Note the values that entries with a mark make, which others without it read. */
static void lasting_keep(tape *t)
{
    const unsigned marks = LASTS | LASTS_IN_FIT;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
            const tape_entry *e = tape_entry_at(t, i);
            for (int k = 0; !(e->marks & UNREAD) && k < e->array_count; k++) {
                storage *m = e->places[k].in;
                if (!m) continue;
                if (pass == 0 && usage_of(e, k) & WRITES)
                    m->written_with |= e->marks & marks;
                if (pass == 1 && m->written_with & ~e->marks) m->lasts = true;
            }
        }
}

/* ---- cross-entropy and its gradient ------------------------------------------------ */

static bool is_same(const tape_entry *a, int i, const tape_entry *b, int k)
{
    const array *x = &a->arrays[i], *y = &b->arrays[k];
    return a->places[i].in == b->places[k].in &&
           a->places[i].offset == b->places[k].offset && x->dtype == y->dtype &&
           shape_equal(x, y) && x->contiguous && y->contiguous;
}

static bool writes_to(const tape_entry *e, const storage *m)
{
    for (int k = 0; k < e->array_count; k++)
        if (e->places[k].in == m && usage_of(e, k) & WRITES) return true;
    return false;
}

/* Return the gradient of a cross-entropy, of logits that nobody writes to in between, or
 * NULL. */
static tape_entry *paired_gradient(tape *t, size_t i)
{
    const tape_entry *e = tape_entry_at(t, i);
    const storage *logits = e->places[0].in;
    if (logits->role != OWNED) return NULL;
    for (size_t k = i + 1; k < t->entries.count && tape_goes_on(t, k); k++) {
        tape_entry *back = tape_entry_at(t, k);
        const bool is_back = back->what == ACTS && back->act.run == cross_entropy_run;
        if (is_back && is_same(e, 0, back, 0)) return back;
        if (writes_to(back, logits)) return NULL;
    }
    return NULL;
}

/* Make room for what a program keeps from one of its entries to another one. */
static char *room_new(tape *t, size_t size)
{
    storage *m = tape_take_room(t, sizeof *m);
    if (!m) return NULL;
    *m = (storage){.role = OWNED, .size = size};
    return block_new(t, m) ? m->start : NULL;
}

/* Let gradients of cross-entropies have the exponentials and sums of these. */
static void softmax_pair(tape *t)
{
    for (size_t i = 0; i < t->entries.count && tape_goes_on(t, i); i++) {
        tape_entry *e = tape_entry_at(t, i);
        if (e->what != CALLS || e->call.op != MG_CROSS_ENTROPY) continue;
        const array *logits = &e->arrays[0];
        const size_t size = softmax_kept_size(logits);
        tape_entry *back = size ? paired_gradient(t, i) : NULL;
        if (!back) continue;
        char *room = room_new(t, size);
        e->call.softmax = room;
        back->act.softmax = room;
        e->marks |= KEEPS_SOFTMAX;
        back->marks |= HAS_SOFTMAX;
    }
}

int passes_make(tape *t)
{
    value_list values = {0};
    results_find(t);
    values_split(t, &values);
    unread_find(t);
    writers_find(t);
    lasting_find(t, false, LASTS_IN_FIT);
    lasting_find(t, true, LASTS);
    lasting_keep(t);
    values_join(t, &values);
    softmax_pair(t);
    return t->status;
}

#define ALWAYS "once in several runs: it is always the same"
#define IN_RUNS "once in several runs: inputs are the same"
#define WITH_NEXT "in blocks with the next ones"
#define WITH_LAST "in blocks with the one before"
static const char *const notes[3][3] = {
    {NULL, WITH_NEXT, WITH_LAST},
    {IN_RUNS, IN_RUNS "; " WITH_NEXT, IN_RUNS "; " WITH_LAST},
    {ALWAYS, ALWAYS "; " WITH_NEXT, ALWAYS "; " WITH_LAST}};

const char *mg_program_note(mg_program *program, int64_t which)
{
    if (which < 0 || which >= (int64_t)program->entries.count) return NULL;
    const unsigned marks = tape_entry_at(program, (size_t)which)->marks;
    const int lasts = marks & LASTS_IN_FIT ? 2 : marks & LASTS ? 1 : 0;
    const int group = marks & BEGINS_GROUP ? 1 : marks & IN_GROUP ? 2 : 0;
    if (marks & UNREAD) return "left out: nobody reads it";
    if (lasts || group) return notes[lasts][group];
    if (marks & KEEPS_SOFTMAX) return "shares exponentials and sums with its gradient";
    if (marks & HAS_SOFTMAX) return "shares exponentials and sums with the value";
    return NULL;
}
