/* script.c: making and running programs of numbers.
 *
 * A run reads nodes into slots, executes, and writes nodes. What a node holds between two
 * steps of one call has a home: the slot that the next step reads it from, or one behind
 * all slots. Instructions leave homes alone, and what a step writes is copied there when
 * the step is whole; so after a failure there is what held before it. Instructions go on
 * where a lane fails, with what IEEE 754 gives; then the lanes are looked at one by one,
 * and the failure that comes first in the order of operations is kept: all that it depends
 * on is right. It is the one that a loop of single calls would have met. What that loop
 * would have written before takes effect, and nothing behind it.
 */
#include "programs/script.h"

#include "kernels/kernels.h"

static const script_node *script_nodes(const struct mg_script *s)
{
    return s->nodes.items;
}

/* ---- making ------------------------------------------------------------------------ */

/* Free updates that were read from a file. */
void own_updates_free(mg_arena *arena, list *own)
{
    for (size_t u = 0; u < own->count; u++) {
        own_update *of = ((own_update **)own->items)[u];
        arena_allocate(arena, of, of->size, 0);
    }
    own->count = 0;
}

/* Free a program, also one that is not whole. */
void script_free(struct mg_script *s)
{
    mg_arena *arena = s->arena;
    for (size_t i = 0; i < s->nodes.count; i++) {
        const script_node *n = (const script_node *)s->nodes.items + i;
        if (n->is_held) node_release(arena, index_of(n->handle));
    }
    if (s->owns_updates) own_updates_free(arena, &s->updates);
    if (s->names) arena_allocate(arena, s->names, s->names_size, 0);
    if (s->homes) arena_allocate(arena, s->homes, s->homes_size, 0);
    if (s->scratch) arena_allocate(arena, s->scratch, s->scratch_size, 0);
    list_drop(arena, &s->instructions, sizeof(instruction));
    list_drop(arena, &s->lines, sizeof(line));
    list_drop(arena, &s->table, sizeof(uint32_t));
    list_drop(arena, &s->sequence, sizeof(uint32_t));
    list_drop(arena, &s->nodes, sizeof(script_node));
    list_drop(arena, &s->writes, sizeof(write_slot));
    list_drop(arena, &s->saves, sizeof(slot_run));
    list_drop(arena, &s->moves, sizeof(slot_run));
    list_drop(arena, &s->updates, sizeof(mg_number_update *));
    list_drop(arena, &s->update_ats, sizeof(uint32_t));
    list_drop(arena, &s->slots, sizeof(double));
    list_drop(arena, &s->outputs, sizeof(uint32_t));
    arena_allocate(arena, s, sizeof *s, 0);
}

/* Take memory for homes, and for the results of the largest update. */
static int scratch_open(struct mg_script *s)
{
    size_t most = 0;
    for (size_t u = 0; u < s->updates.count; u++) {
        const mg_number_update *of = ((mg_number_update **)s->updates.items)[u];
        if (3 * (size_t)of->count > most) most = 3 * (size_t)of->count;
    }
    s->homes_size = 2 * s->nodes.count * sizeof(uint32_t);
    s->homes = arena_allocate(s->arena, NULL, 0, s->homes_size);
    MG_RETURN_IF(!s->homes && s->homes_size, MG_ERR_NOMEM);
    MG_TRY(list_reserve(s->arena, &s->slots, 2 * s->nodes.count, sizeof(double)));
    s->scratch_size = most * sizeof(double);
    s->scratch = arena_allocate(s->arena, NULL, 0, s->scratch_size);
    return s->scratch || !s->scratch_size ? MG_OK : MG_ERR_NOMEM;
}

/* Add a copy to the last run of a list, or begin another one. */
static int run_add(mg_arena *arena, list *runs, uint32_t from, uint32_t to)
{
    MG_TRY(list_reserve(arena, runs, 1, sizeof(slot_run)));
    slot_run *next = (slot_run *)runs->items + runs->count;
    if (runs->count && from - next[-1].from == next[-1].count &&
        to - next[-1].to == next[-1].count) {
        next[-1].count++;
        return MG_OK;
    }
    *next = (slot_run){from, to, 1};
    runs->count++;
    return MG_OK;
}

/* Return the place of what is written among what all nodes hold. */
static uint32_t held_place(const struct mg_script *s, const write_slot *w)
{
    return w->node + (w->is_gradient ? (uint32_t)s->nodes.count : 0);
}

/* Find what a step leaves in each place: what was written last. */
static int saves_find(struct mg_script *s)
{
    const write_slot *writes = s->writes.items;
    uint32_t *last = s->homes; /* which are found later */
    for (uint32_t i = 0; i < s->writes.count; i++) last[held_place(s, &writes[i])] = i;
    for (uint32_t i = 0; i < s->writes.count; i++) {
        const uint32_t to = held_place(s, &writes[i]);
        if (last[to] == i) MG_TRY(run_add(s->arena, &s->saves, writes[i].slot, to));
    }
    return MG_OK;
}

/* Sort what a step leaves by where it is written: units[] get slots and places. */
static size_t saves_sort(const struct mg_script *s, unit *units)
{
    const slot_run *r = s->saves.items;
    size_t count = 0;
    for (size_t k = 0; k < s->saves.count; k++, r++)
        for (uint32_t i = 0; i < r->count; i++)
            units[count++] = (unit){r->from + i, r->to + i, 0};
    units_sort(units, units + count, count);
    return count;
}

/* Find homes, and what is copied there after each step. Those behind all slots are in the
 * order in which they are written. */
static int homes_fill(struct mg_script *s, const unit *units, size_t count)
{
    const size_t nodes = s->nodes.count;
    uint32_t behind = (uint32_t)s->slots.count;
    for (size_t i = 0; i < nodes; i++) {
        s->homes[i] = script_nodes(s)[i].data;
        s->homes[nodes + i] = script_nodes(s)[i].gradient;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t *home = &s->homes[units[i].detail];
        if (!*home) *home = behind++;
        MG_TRY(run_add(s->arena, &s->moves, (uint32_t)units[i].key, *home));
    }
    for (size_t i = 0; i < 2 * nodes; i++)
        if (!s->homes[i]) s->homes[i] = behind++;
    return MG_OK;
}

static int homes_find(struct mg_script *s)
{
    const size_t size = 4 * s->nodes.count * sizeof(unit);
    unit *units = arena_allocate(s->arena, NULL, 0, size);
    MG_RETURN_IF(!units && size, MG_ERR_NOMEM);
    const int status = homes_fill(s, units, saves_sort(s, units));
    if (size) arena_allocate(s->arena, units, size, 0);
    return status;
}

static int script_fill(struct mg_script *s, const trace *t, int flags)
{
    MG_TRY(script_roll(s, t, flags));
    const size_t count = t->given.count;
    MG_TRY(list_reserve(s->arena, &s->updates, count, sizeof(mg_number_update *)));
    for (size_t u = 0; u < count; u++)
        ((mg_number_update **)s->updates.items)[u] =
            ((mg_number_update **)t->given.items)[u];
    s->updates.count = count;
    MG_TRY(scratch_open(s));
    MG_TRY(saves_find(s));
    MG_TRY(homes_find(s));
    MG_TRY(work_status(MG_OK));
    for (size_t i = 0; i < s->nodes.count; i++) {
        const script_node *n = (const script_node *)s->nodes.items + i;
        if (n->is_held) node_retain(s->arena, index_of(n->handle));
    }
    return MG_OK;
}

/* Make a program of a list of operations. */
int script_make(trace *t, int flags, struct mg_script **made)
{
    struct mg_script *s = arena_allocate(t->arena, NULL, 0, sizeof *s);
    MG_RETURN_IF(!s, MG_ERR_NOMEM);
    memset(s, 0, sizeof *s);
    s->arena = t->arena;
    int status = script_fill(s, t, flags);
    if (status < 0) {
        s->nodes.count = 0; /* not held yet */
        script_free(s);
        return status;
    }
    *made = s;
    return MG_OK;
}

static bool are_flags(int flags)
{
    return flags == 0 || flags == 1 || flags == 4 || flags == 8 || flags == MG_UNROLLED;
}

static int script_compile(mg_arena *arena, mg_node root, int64_t update_count,
                          mg_number_update *const *given, int flags,
                          struct mg_script **made)
{
    trace t;
    MG_RETURN_IF(!are_flags(flags), MG_ERR_ARG);
    int status = trace_make(&t, arena, root, update_count, given);
    if (status == MG_OK) status = script_make(&t, flags, made);
    trace_free(&t);
    return status;
}

int mg_script_compile(mg_arena *arena, mg_node root, int64_t update_count,
                      mg_number_update *const *given, int flags, mg_script **made)
{
    *made = NULL;
    MG_TRY(arena_enter(arena));
    lasting_begin(arena);
    const uint64_t mode = mode_enter();
    int status = script_compile(arena, root, update_count, given, flags, made);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

void mg_script_free(mg_script *script)
{
    if (!script) return;
    mg_arena *arena = script->arena;
    arena_lock(arena);
    script_free(script);
    arena_unlock(arena);
}

/* ---- what nodes hold --------------------------------------------------------------- */

/* Return a node that is written to, or NULL: a root that is no more. */
node *script_node_of(const struct mg_script *s, size_t i)
{
    uint32_t index;
    const script_node *n = script_nodes(s) + i;
    if (!n->is_held && node_find(s->arena, n->handle, &index) < 0) return NULL;
    return node_at(s->arena, index_of(n->handle));
}

static int nodes_read(struct mg_script *s)
{
    double *slots = s->slots.items;
    for (size_t i = 0; i < s->nodes.count; i++) {
        const node *n = script_node_of(s, i);
        if (!n) continue;
        MG_RETURN_IF(is_under_way(s->arena, index_of(script_nodes(s)[i].handle)),
                     MG_ERR_BUSY);
        slots[s->homes[i]] = n->data;
        slots[s->homes[s->nodes.count + i]] = n->gradient;
    }
    return MG_OK;
}

static void nodes_write(struct mg_script *s)
{
    const double *slots = s->slots.items;
    for (size_t i = 0; i < s->writes.count; i++) {
        const write_slot *w = (const write_slot *)s->writes.items + i;
        node *n = script_node_of(s, w->node);
        if (!n) continue;
        *(w->is_gradient ? &n->gradient : &n->data) = slots[s->homes[held_place(s, w)]];
    }
}

/* Let that take effect which was written before operation `end`. */
static void writes_take(struct mg_script *s, uint32_t end)
{
    double *slots = s->slots.items;
    for (size_t i = 0; i < s->writes.count; i++) {
        const write_slot *w = (const write_slot *)s->writes.items + i;
        if (w->at <= end) slots[s->homes[held_place(s, w)]] = slots[w->slot];
    }
}

/* Let a whole step take effect, also on the next one. No home is copied from. */
static void step_take(struct mg_script *s)
{
    enum { SHORT = 8 };
    double *slots = s->slots.items;
    const slot_run *r = s->moves.items;
    for (size_t k = 0; k < s->moves.count; k++, r++) {
        const double *from = slots + r->from;
        double *to = slots + r->to;
        if (r->count >= SHORT) memcpy(to, from, r->count * sizeof(double));
        else for (uint32_t i = 0; i < r->count; i++) to[i] = from[i];
    }
}

/* ---- failures ---------------------------------------------------------------------- */

/* The first failure of a step in the order of operations. */
typedef struct first_failure {
    int status; /* MG_OK: there is none */
    uint32_t at;
    mg_script_failure what;
} first_failure;

static void failure_note(first_failure *first, int status, uint32_t at, uint32_t code,
                         double a, double b)
{
    if (status >= 0 || (first->status < 0 && first->at < at)) return;
    first->status = status;
    first->at = at;
    first->what = (mg_script_failure){(int)(code / 3), (int)(code % 3), a, b, 0};
}

/* Find out which operation of a line failed. */
static void line_search(const struct mg_script *s, const lane_set *set,
                        const instruction *i, first_failure *first)
{
    double *slots = s->slots.items;
    const line *lines = (const line *)s->lines.items + i->first;
    for (uint32_t k = 0; k < i->count; k++) {
        if (lines[k].code >= CODE_PICK || !code_may_raise(lines[k].code)) continue;
        failure_note(first, set->line(&lines[k], 1, slots), lines[k].sequence,
                     lines[k].code, slots[lines[k].a], slots[lines[k].b]);
    }
}

static void lanes_search(const struct mg_script *s, const lane_set *set,
                         const instruction *i, first_failure *first)
{
    double *slots = s->slots.items;
    const uint32_t *sequence = (const uint32_t *)s->sequence.items + i->first;
    for (uint32_t k = 0; k < i->count; k++) {
        const instruction one = lanes_from(i, k, 1);
        failure_note(first, set->lanes(&one, slots), sequence[k], i->code, slots[one.a],
                     slots[one.b]);
    }
}

/* ---- updates ----------------------------------------------------------------------- */

static int adam_run(struct mg_script *s, const lane_set *set, const mg_number_update *u,
                    const instruction *i, bool ieee)
{
    double *slots = s->slots.items, *to = s->scratch;
    const adam step = {*u->steps + 1, u->lr,           u->beta1,          u->beta2,
                       u->epsilon,    u->weight_decay, u->decoupled != 0, ieee};
    const size_t size = i->count * sizeof(double);
    int status = set->adam(&step, i->count, slots + i->a, slots + i->g, u->first,
                           u->second, to);
    MG_RETURN_IF(status < 0 && !ieee, status);
    memcpy(slots + i->to, to, size);
    memcpy(u->first, to + i->count, size);
    memcpy(u->second, to + 2 * (size_t)i->count, size);
    ++*u->steps;
    return MG_OK;
}

static void sgd_run(struct mg_script *s, const mg_number_update *u, const instruction *i)
{
    double *slots = s->slots.items;
    const sgd step = {u->lr,           u->beta1,   u->beta2,
                      u->weight_decay, !*u->begun, u->nesterov != 0};
    for (uint32_t k = 0; k < i->count; k++) {
        double before = step.momentum != 0.0 ? u->first[k] : 0.0;
        number_move moved = sgd_move(&step, slots[i->a + k], slots[i->g + k], before);
        slots[i->to + k] = moved.data;
        if (step.momentum != 0.0) u->first[k] = moved.first;
    }
    *u->begun = step.momentum != 0.0;
}

static int update_run(struct mg_script *s, const lane_set *set, const instruction *i,
                      bool ieee)
{
    const mg_number_update *u = ((mg_number_update **)s->updates.items)[i->first];
    if (u->is_adam) return adam_run(s, set, u, i, ieee);
    sgd_run(s, u, i);
    return MG_OK;
}

/* Check what the caller can have changed. */
int script_updates_check(const struct mg_script *s)
{
    const instruction *i = s->instructions.items;
    for (size_t k = 0; k < s->instructions.count; k++) {
        if (i[k].kind != SCRIPT_UPDATE) continue;
        const mg_number_update *u = ((mg_number_update **)s->updates.items)[i[k].first];
        MG_RETURN_IF(u->count != i[k].count, MG_ERR_ARG);
        if (u->is_adam) MG_RETURN_IF(u->count && (!u->first || !u->second), MG_ERR_ARG);
        MG_RETURN_IF(u->is_adam ? !u->steps || *u->steps < 0 : !u->begun, MG_ERR_ARG);
        MG_RETURN_IF(!u->is_adam && u->beta1 != 0.0 && !u->first, MG_ERR_ARG);
    }
    return MG_OK;
}

/* ---- running ----------------------------------------------------------------------- */

static void pack_run(const instruction *i, const uint32_t *from, double *slots)
{
    double *to = slots + i->to;
    uint32_t k = 0;
    for (; k + 4 <= i->count; k += 4, from += 4, to += 4) { /* half the time of one by one */
        const double first = slots[from[0]], second = slots[from[1]],
                     third = slots[from[2]], fourth = slots[from[3]];
        to[0] = first, to[1] = second, to[2] = third, to[3] = fourth;
    }
    for (; k < i->count; k++) *to++ = slots[*from++];
}

/* Execute an instruction; returns the status of an update, failures of lanes go to first. */
static int instruction_run(struct mg_script *s, const lane_set *set, const instruction *i,
                           bool ieee, first_failure *first)
{
    double *slots = s->slots.items;
    const uint32_t *table = s->table.items;
    switch (i->kind) {
    case SCRIPT_LINE:
        if (set->line((const line *)s->lines.items + i->first, i->count, slots) < 0 &&
            !ieee)
            line_search(s, set, i, first);
        return MG_OK;
    case SCRIPT_LANES:
        if (set->lanes(i, slots) < 0 && !ieee) lanes_search(s, set, i, first);
        return MG_OK;
    case SCRIPT_CHAIN: set->chain(i, table + i->first, slots); return MG_OK;
    case SCRIPT_PACK: pack_run(i, table + i->first, slots); return MG_OK;
    default: return first->status < 0 ? first->status : update_run(s, set, i, ieee);
    }
}

/* Return the lanes, blocks or operations of an instruction from `first` on, so many. */
static instruction instruction_part(const instruction *i, uint32_t first, uint32_t count)
{
    if (i->kind == SCRIPT_LANES) return lanes_from(i, first, count);
    instruction part = *i;
    part.count = count;
    part.first += first * (i->kind == SCRIPT_CHAIN ? 1 + 2 * (size_t)i->terms : 1);
    part.to += first * (i->kind == SCRIPT_CHAIN ? i->width : 1);
    return part;
}

enum { PART = (1 << 16) / MG_ASK_OFTEN }; /* lanes, or terms of blocks: 8 ms at most */

/* Execute an instruction of a long step in parts, and ask after each whether to go on. */
static int instruction_run_long(struct mg_script *s, const lane_set *set,
                                const instruction *i, bool ieee, first_failure *first,
                                int64_t *since)
{
    if (i->kind == SCRIPT_UPDATE) return instruction_run(s, set, i, ieee, first);
    const uint32_t each = i->kind == SCRIPT_CHAIN ? i->terms + 1 : 1;
    const uint32_t most = each < PART ? PART / each : 1;
    for (uint32_t done = 0; done < i->count; done += most) {
        const uint32_t count = i->count - done < most ? i->count - done : most;
        const instruction part = instruction_part(i, done, count);
        MG_TRY(instruction_run(s, set, &part, ieee, first));
        *since += (int64_t)count * each;
        if (*since < PART) continue;
        *since = 0;
        MG_RETURN_IF(!work_goes_on(), MG_ERR_INTERRUPTED);
    }
    return MG_OK;
}

/* Make one step. A long one is given up before its first update only, which is of what
 * the caller sees. */
static int step_run(struct mg_script *s, const lane_set *set, bool ieee)
{
    const instruction *all = s->instructions.items;
    const bool asks = s->operations > PART && is_work_open();
    first_failure first = {.status = MG_OK};
    bool holds = false;
    int64_t since = 0;
    for (size_t k = 0; k < s->instructions.count; k++) {
        if (asks && !holds && all[k].kind == SCRIPT_UPDATE) holds = work_hold();
        int status = asks ? instruction_run_long(s, set, &all[k], ieee, &first, &since)
                          : instruction_run(s, set, &all[k], ieee, &first);
        if (status >= 0) continue;
        if (status == MG_ERR_INTERRUPTED) return status;
        if (first.status < 0) break;
        first.status = status;
        first.at = ((const uint32_t *)s->update_ats.items)[all[k].first];
        first.what = (mg_script_failure){-1, 0, 0.0, 0.0, (int64_t)all[k].first};
        break;
    }
    if (holds) work_let_go();
    if (first.status == MG_OK) {
        step_take(s);
    } else {
        s->failure = first.what;
        writes_take(s, first.at);
    }
    return first.status;
}

/* Find the loops for the instruction set in use. */
static const lane_set *lanes_chosen(void)
{
#if defined(MG_HAS_X86_SETS)
    static const lane_set *const sets[] = {&lanes_avx512, &lanes_avx2};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i]->name, mg_isa())) return sets[i];
#endif
    return &lanes_baseline;
}

/* Make steps while there is budget, and ask between them whether to go on. */
static int steps_run(struct mg_script *s, int64_t runs, int64_t budget, bool ieee,
                     int64_t *done, double *losses)
{
    const lane_set *set = lanes_chosen();
    const double *loss = (const double *)s->slots.items + s->loss;
    int64_t asked_at = budget;
    while (*done < runs) {
        MG_TRY(step_run(s, set, ieee));
        if (losses) losses[*done] = *loss;
        ++*done;
        budget -= s->operations + 1;
        if (*done == runs) break;
        if (budget <= 0) return MG_MORE;
        if (asked_at - budget < ASKED_COST) continue;
        asked_at = budget;
        MG_RETURN_IF(!work_goes_on(), MG_ERR_INTERRUPTED);
    }
    return MG_OK;
}

static int script_run(struct mg_script *s, int64_t runs, int64_t budget, int flags,
                      int64_t *done, double *losses)
{
    MG_RETURN_IF(runs < 0 || budget < 0, MG_ERR_ARG);
    MG_RETURN_IF(s->arena->log, MG_ERR_RECORDED);
    MG_TRY(script_updates_check(s));
    MG_TRY(nodes_read(s));
    if (budget == 0) budget = INT64_MAX;
    lasting_work(s->arena, budget < s->operations * runs ? budget : s->operations * runs);
    int status = steps_run(s, runs, budget, (flags & MG_IEEE) != 0, done, losses);
    if (*done || status < 0) nodes_write(s);
    return status;
}

int mg_script_run(mg_script *script, int64_t runs, int64_t budget, int flags,
                  int64_t *done, double *losses)
{
    int64_t made = 0;
    MG_TRY(arena_enter(script->arena));
    const uint64_t mode = mode_enter();
    int status = script_run(script, runs, budget, flags, &made, losses);
    mode_leave(mode);
    arena_unlock(script->arena);
    if (done) *done = made;
    return status;
}

/* ---- one instruction --------------------------------------------------------------- */

/* Compute an update that changes nothing. */
static void update_try(struct mg_script *s, const lane_set *set, const instruction *i)
{
    const mg_number_update *u = ((mg_number_update **)s->updates.items)[i->first];
    const double *slots = s->slots.items;
    if (u->is_adam) {
        const adam step = {*u->steps + 1, u->lr,           u->beta1,          u->beta2,
                           u->epsilon,    u->weight_decay, u->decoupled != 0, true};
        set->adam(&step, i->count, slots + i->a, slots + i->g, u->first, u->second,
                  s->scratch);
        return;
    }
    const sgd step = {u->lr,           u->beta1,   u->beta2,
                      u->weight_decay, !*u->begun, u->nesterov != 0};
    for (uint32_t k = 0; k < i->count; k++)
        s->scratch[k] = sgd_move(&step, slots[i->a + k], slots[i->g + k],
                                 u->beta1 != 0.0 ? u->first[k] : 0.0)
                            .data;
}

static int script_repeat(struct mg_script *s, int64_t which, int64_t times)
{
    first_failure first = {.status = MG_OK};
    MG_RETURN_IF(which < 0 || which >= (int64_t)s->instructions.count, MG_ERR_ARG);
    MG_RETURN_IF(s->arena->log, MG_ERR_RECORDED);
    MG_TRY(script_updates_check(s));
    if (which == 0) MG_TRY(nodes_read(s));
    const instruction *i = (const instruction *)s->instructions.items + which;
    const lane_set *set = lanes_chosen();
    for (; times > 0; times--) {
        if (i->kind == SCRIPT_UPDATE) update_try(s, set, i);
        else MG_TRY(instruction_run(s, set, i, true, &first));
    }
    return MG_OK;
}

int mg_script_repeat(mg_script *script, int64_t which, int64_t times)
{
    MG_TRY(arena_enter(script->arena));
    const uint64_t mode = mode_enter();
    int status = script_repeat(script, which, times);
    mode_leave(mode);
    arena_unlock(script->arena);
    return status;
}

/* ---- inputs and outputs ------------------------------------------------------------ */

int mg_script_put(mg_script *script, const double *inputs)
{
    arena_lock(script->arena);
    if (script->input_count)
        memcpy((double *)script->slots.items + script->inputs, inputs,
               script->input_count * sizeof(double));
    arena_unlock(script->arena);
    return MG_OK;
}

int mg_script_get(mg_script *script, double *outputs)
{
    arena_lock(script->arena);
    const uint32_t *slots = script->outputs.items;
    for (size_t i = 0; i < script->outputs.count; i++)
        outputs[i] = ((const double *)script->slots.items)[slots[i]];
    arena_unlock(script->arena);
    return MG_OK;
}

/* ---- looking ----------------------------------------------------------------------- */

int mg_script_failed(mg_script *script, mg_script_failure *failure)
{
    arena_lock(script->arena);
    *failure = script->failure;
    arena_unlock(script->arena);
    return MG_OK;
}

static void script_describe(const struct mg_script *s, mg_script_info *info)
{
    const instruction *all = s->instructions.items;
    *info = (mg_script_info){.operations = s->operations};
    info->instructions = (int64_t)s->instructions.count;
    info->slots = (int64_t)s->slots.count;
    info->inputs = s->input_count;
    info->outputs = (int64_t)s->outputs.count;
    info->updates = (int64_t)s->updates.count;
    info->has_loss = s->loss != 0;
    info->is_portable = s->is_portable;
    for (size_t k = 0; k < s->instructions.count; k++) {
        info->lines += all[k].kind == SCRIPT_LINE;
        info->lanes += all[k].kind == SCRIPT_LANES;
        info->chains += all[k].kind == SCRIPT_CHAIN;
        info->packs += all[k].kind == SCRIPT_PACK;
        if (all[k].kind == SCRIPT_PACK) info->packed += all[k].count;
    }
    size_t words = s->table.capacity + s->sequence.capacity;
    info->bytes = (int64_t)(s->instructions.capacity * sizeof(instruction) +
                            s->lines.capacity * sizeof(line) + words * sizeof(uint32_t) +
                            s->slots.capacity * sizeof(double));
}

int mg_script_describe(mg_script *script, mg_script_info *info)
{
    arena_lock(script->arena);
    script_describe(script, info);
    arena_unlock(script->arena);
    return MG_OK;
}

static int script_part(const struct mg_script *s, int64_t which, mg_script_part *part)
{
    static const char *const kinds[] = {"line", "lanes", "chain", "pack", "update"};
    MG_RETURN_IF(which < 0 || which >= (int64_t)s->instructions.count, MG_ERR_ARG);
    const instruction *i = (const instruction *)s->instructions.items + which;
    *part = (mg_script_part){kinds[i->kind], -1, -1, i->count, i->width, i->terms};
    if (i->kind != SCRIPT_LANES || i->code >= CODE_PICK) return MG_OK;
    part->op = (int)(i->code / 3);
    part->which = (int)(i->code % 3);
    return MG_OK;
}

int mg_script_part_of(mg_script *script, int64_t which, mg_script_part *part)
{
    arena_lock(script->arena);
    int status = script_part(script, which, part);
    arena_unlock(script->arena);
    return status;
}
