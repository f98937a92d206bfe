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

/* Tell whether an array is all that lies in its storage. */
static bool is_whole(const tape_entry *e, int k)
{
    const array *a = &e->arrays[k];
    const size_t size = (size_t)a->count * dtype_sizes[a->dtype];
    return a->contiguous && e->places[k].offset == 0 && size == e->places[k].in->size;
}

/* Tell whether an entry only computes: whatever its operands hold, it does not fail, and
 * nothing but its arrays changes. */
static bool only_computes(const tape_entry *e)
{
    if (e->what != CALLS) return false;
    switch (e->call.op) {
    case MG_TAKE:
    case MG_ADD_AT:
    case MG_PUT_AT:
    case MG_GATHER:
    case MG_SCATTER_ADD:
    case MG_NONZERO:
    case MG_CROSS_ENTROPY: return false;
    default: return !is_element_op(e->call.op) || !(op_traits[e->call.op] & MG_CHECKS_ZERO);
    }
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

/* Note what is read before this entry, of what is read after it. */
static void live_before(const tape_entry *e)
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

/* Mark entries whose results are not read, from the last on. Outputs are entries; leaves
 * show their gradients at the end. */
static void unread_find(tape *t)
{
    for (size_t i = 0; i < t->storages.count; i++) tape_storage(t, i)->live = false;
    for (size_t i = 0; i < t->leaves.count; i++) {
        const tape_entry *last = ((tape_leaf *)t->leaves.items[i])->last;
        if (last && last->array_count) last->places->in->live = true;
    }
    for (size_t i = t->entries.count; i-- > 0;) {
        tape_entry *e = tape_entry_at(t, i);
        if (is_unread(e)) e->marks |= UNREAD;
        else live_before(e);
    }
}

/* ---- what stays the same ----------------------------------------------------------- */

/* Count the entries that write to what is owned. */
static void writers_count(tape *t)
{
    for (size_t i = 0; i < t->storages.count; i++) tape_storage(t, i)->writers = 0;
    for (size_t i = 0; i < t->entries.count; i++) {
        const tape_entry *e = tape_entry_at(t, i);
        for (int k = 0; k < e->array_count; k++)
            if (e->places[k].in && usage_of(e, k) & WRITES) e->places[k].in->writers++;
    }
}

/* Tell whether what lies in a storage is the same in all runs, from the first on. */
static bool is_lasting(const storage *m)
{
    return m->role == FOUND ? !m->written && !m->shared : m->constant || m->lasting;
}

static bool entry_lasts(const tape_entry *e)
{
    if (e->what != CALLS && (e->what != ACTS || e->act.run == random_run)) return false;
    for (int k = 0; k < e->array_count; k++) {
        const storage *m = e->places[k].in;
        if (!m) continue;
        const unsigned use = usage_of(e, k);
        if (use & READS && !is_lasting(m)) return false;
        const bool is_own = m->role == OWNED && !m->shown && !m->restored;
        if (use & WRITES && !(is_own && m->writers == 1)) return false;
    }
    return true;
}

/* Mark entries that make the same again in a run that follows another one: `mark` where
 * inputs stay, or do not. */
static void lasting_find(tape *t, bool inputs_stay, unsigned mark)
{
    for (size_t i = 0; i < t->storages.count; i++) tape_storage(t, i)->lasting = false;
    for (size_t i = 0; i < t->entries.count; i++) {
        tape_entry *e = tape_entry_at(t, i);
        bool lasts = entry_lasts(e);
        for (int k = 0; !inputs_stay && k < e->array_count; k++)
            for (int64_t n = 0; n < t->input_count; n++)
                if (e->places[k].in && e->places[k].in == t->inputs[n]) lasts = false;
        if (!lasts) continue;
        e->marks |= mark;
        for (int k = 0; k < e->array_count; k++)
            if (usage_of(e, k) & WRITES) e->places[k].in->lasting = true;
    }
}

/* ---- cross-entropy and its gradient ------------------------------------------------ */

static bool is_same(const tape_entry *a, int i, const tape_entry *b, int k)
{
    const array *x = &a->arrays[i], *y = &b->arrays[k];
    return a->places[i].in == b->places[k].in && a->places[i].offset == b->places[k].offset &&
           x->dtype == y->dtype && shape_equal(x, y) && x->contiguous && y->contiguous;
}

static bool writes_to(const tape_entry *e, const storage *m)
{
    for (int k = 0; k < e->array_count; k++)
        if (e->places[k].in == m && usage_of(e, k) & WRITES) return true;
    return false;
}

/* Return the gradient of a cross-entropy, of logits that nobody writes to in between, or
 * NULL. */
static tape_entry *gradient_of(const tape *t, size_t i)
{
    const tape_entry *e = tape_entry_at(t, i);
    const storage *logits = e->places[0].in;
    if (logits->role != OWNED) return NULL;
    for (size_t k = i + 1; k < t->entries.count; k++) {
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
    mg_arena *arena = t->arena;
    storage *m = arena_allocate(arena, NULL, 0, sizeof *m);
    buffer *block = m ? block_take(arena, BLOCK_ALIGNMENT + size) : NULL;
    if (!block || !tape_list_add(t, &t->storages, m)) {
        if (block) block_give(arena, block, BLOCK_ALIGNMENT + size);
        if (m) arena_allocate(arena, m, sizeof *m, 0);
        t->status = MG_ERR_NOMEM;
        return NULL;
    }
    memset(block, 0, sizeof *block);
    block->data = (char *)block + BLOCK_ALIGNMENT;
    block->size = size;
    block->references = 1;
    *m = (storage){.role = OWNED, .buffer = block, .start = block->data, .size = size};
    m->held = true;
    return block->data;
}

/* Let gradients of cross-entropies have the exponentials and sums of these. */
static void softmax_pair(tape *t)
{
    for (size_t i = 0; i < t->entries.count && t->status == MG_OK; i++) {
        tape_entry *e = tape_entry_at(t, i);
        if (e->what != CALLS || e->call.op != MG_CROSS_ENTROPY) continue;
        const array *logits = &e->arrays[0];
        const size_t size = softmax_kept_size(logits);
        tape_entry *back = size ? gradient_of(t, i) : NULL;
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
    unread_find(t);
    writers_count(t);
    lasting_find(t, true, LASTS);
    lasting_find(t, false, LASTS_IN_FIT);
    softmax_pair(t);
    return t->status;
}

const char *mg_program_note(mg_program *program, int64_t which)
{
    if (which < 0 || which >= (int64_t)program->entries.count) return NULL;
    const unsigned marks = tape_entry_at(program, (size_t)which)->marks;
    if (marks & UNREAD) return "left out: nobody reads it";
    if (marks & LASTS_IN_FIT) return "once in several runs: it is always the same";
    if (marks & LASTS) return "once in several runs: inputs are the same";
    if (marks & KEEPS_SOFTMAX) return "keeps exponentials and their sums";
    if (marks & HAS_SOFTMAX) return "has exponentials and their sums from the value";
    return NULL;
}
