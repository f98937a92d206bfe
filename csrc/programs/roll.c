/* roll.c: from a list of operations to few instructions on many slots.
 *
 * Sums become chains: an ADD whose sum so far is an ADD that nobody else uses joins it, a
 * MUL that nobody else uses becomes a term of it. All neurons, losses and sums of gradients
 * take this form. What is left is sorted by level, that is by how many others must come
 * before, and by what it is; what is equal in both is one instruction with many lanes.
 *
 * The lanes of chains run in blocks of 4 or 8. An operand of a block is found by one index,
 * of consecutive slots or, where all blocks have it so, of one slot for all lanes; what is
 * neither is copied to consecutive slots before, each set of slots once. There is no search
 * for loops or strides: that weights are used for every example shows in equal indices.
 * Several orders of the lanes are tried, and the cheapest is taken.
 *
 * The order of additions within a chain is that of the list, so rolling changes no bit. */
#include "programs/script.h"

/* A set of slots that is copied. */
typedef struct tuple {
    uint32_t first; /* in tuple_slots */
    uint32_t to;
    bool is_constant;
} tuple;

typedef struct tuple_place {
    uint32_t trial, tuple;
} tuple_place;

typedef struct roller {
    const trace *t;
    struct mg_script *script;
    mg_arena *arena;
    size_t count;     /* of operations */
    uint32_t *uses;   /* (count) by others; outputs have 2 or more */
    uint32_t *slot;   /* (count) 0: none yet */
    uint32_t *level;  /* (count) */
    uint32_t *length; /* (count) terms of the chain that ends here; of a step of a max()
                         how many steps there are to here, plus CONTINUES */
    uint32_t longest; /* max(), in steps; 0: levels are not made alike by it */
    uint8_t *absorbed; /* (count) it is part of a chain that goes on */
    unit *units, *scratch; /* (count) */
    list fixed;            /* (slots) uint8_t: it holds a constant */
    list operands;         /* uint32_t: of the group under way, lane by lane */
    list tuples, tuple_slots;
    tuple_place *places; /* an open hash table of tuples */
    size_t place_count;
    uint32_t trial;
    uint32_t one, minus_zero; /* slots of these constants */
    uint32_t only_width;      /* of blocks; 0: any */
    size_t since;             /* what has been done since a question */
} roller;

/* Lanes of one group, and how they are laid out. */
typedef struct group {
    uint32_t code, lanes, terms;
    unit *units;
    uint32_t width; /* of a block */
    uint32_t modes;
    uint32_t packed;
} group;

enum { CONTINUES = 1 << 30 }; /* there is another step */
enum { CHAIN_CODE = 3 * MG_ADD, PRODUCT_CODE = 3 * MG_MUL };

/* Ask whether to go on, where enough has been done since the last time. */
static bool roller_goes_on(roller *r, size_t done)
{
    r->since += done;
    if (r->since < ASK_AFTER) return true;
    r->since = 0;
    return work_goes_on();
}

/* ---- slots ------------------------------------------------------------------------- */

/* Take consecutive slots; 0: there is no memory. */
static uint32_t slots_take(roller *r, size_t count)
{
    list *slots = &r->script->slots;
    if (slots->count + count >= UINT32_MAX / 2) return 0;
    if (list_reserve(r->arena, slots, count, sizeof(double)) < 0) return 0;
    if (list_reserve(r->arena, &r->fixed, count, 1) < 0) return 0;
    memset((double *)slots->items + slots->count, 0, count * sizeof(double));
    memset((uint8_t *)r->fixed.items + r->fixed.count, 0, count);
    uint32_t first = (uint32_t)slots->count;
    slots->count += count;
    r->fixed.count += count;
    return first;
}

static uint32_t slot_of_number(roller *r, double number)
{
    uint32_t slot = slots_take(r, 1);
    if (!slot) return 0;
    ((double *)r->script->slots.items)[slot] = number;
    ((uint8_t *)r->fixed.items)[slot] = 1;
    return slot;
}

static bool is_fixed(const roller *r, uint32_t slot)
{
    return ((const uint8_t *)r->fixed.items)[slot];
}

/* Give a number of indices to a list of them; returns where they are, or NULL. */
static uint32_t *indices_take(roller *r, list *l, size_t count)
{
    if (list_reserve(r->arena, l, count, sizeof(uint32_t)) < 0) return NULL;
    uint32_t *first = l->count ? (uint32_t *)l->items + l->count : l->items;
    l->count += count;
    return first;
}

/* ---- what is used ------------------------------------------------------------------ */

static bool is_computed(const operation *o)
{
    return o->code < CODE_CONSTANT;
}

/* Tell whether an operation has the operands y and g. */
static bool has_four(const operation *o)
{
    return code_has_four(o->code);
}

static void use(roller *r, uint32_t number, uint32_t times)
{
    if (number && r->uses[number] < UINT32_MAX / 2) r->uses[number] += times;
}

/* Count uses: by operations, from the last to the first, that are used themselves or may
 * raise. */
static void uses_count(roller *r)
{
    const trace *t = r->t;
    use(r, t->loss, 2);
    for (size_t i = 0; i < t->writes.count; i++)
        use(r, ((const write_back *)t->writes.items)[i].value, 2);
    for (size_t u = 0; u < t->updates.count; u++) {
        const update_at *of = (const update_at *)t->updates.items + u;
        for (uint32_t i = of->count; i < 3 * of->count; i++) use(r, of->nodes[i], 2);
    }
    for (size_t i = 0; i < t->outputs.count; i++)
        use(r, ((const uint32_t *)t->outputs.items)[i], 2);
    for (uint32_t i = (uint32_t)r->count; i-- > 1 && roller_goes_on(r, 1);) {
        const operation *o = operation_at(t, i);
        if (!is_computed(o)) continue;
        if (!r->uses[i] && code_may_raise(o->code)) r->uses[i] = 2;
        if (!r->uses[i]) continue;
        use(r, o->a, 1);
        use(r, o->b, 1);
        if (!has_four(o)) continue;
        use(r, o->y, 1);
        use(r, o->g, 1);
    }
}

/* ---- chains ------------------------------------------------------------------------ */

static bool is_lone(const roller *r, uint32_t number, uint32_t code)
{
    return r->uses[number] == 1 && operation_at(r->t, number)->code == code;
}

/* What an ADD is in a chain: a sum so far, and a term; without a sum so far the number that
 * the chain starts with, 0 for -0.0, and one term or two. */
typedef struct chain_link {
    uint32_t before, start, term, first_term;
} chain_link;

static chain_link link_of(const roller *r, uint32_t number)
{
    const operation *o = operation_at(r->t, number);
    if (o->code == PRODUCT_CODE) return (chain_link){0, 0, number, 0};
    if (is_lone(r, o->a, CHAIN_CODE)) return (chain_link){o->a, 0, o->b, 0};
    if (is_lone(r, o->b, CHAIN_CODE)) return (chain_link){o->b, 0, o->a, 0};
    if (!is_lone(r, o->a, PRODUCT_CODE)) return (chain_link){0, o->a, o->b, 0};
    if (!is_lone(r, o->b, PRODUCT_CODE)) return (chain_link){0, o->b, o->a, 0};
    return (chain_link){0, 0, o->b, o->a};
}

static bool is_in_chain(const operation *o)
{
    return o->code == CHAIN_CODE || o->code == PRODUCT_CODE;
}

static void absorb(roller *r, uint32_t number)
{
    if (number && is_lone(r, number, PRODUCT_CODE)) r->absorbed[number] = 1;
}

/* Count the steps of a max(). */
static void step_count(roller *r, uint32_t number, uint32_t before)
{
    uint32_t steps = 1;
    if (operation_at(r->t, before)->code == CODE_PICK) {
        steps += r->length[before] & ~(uint32_t)CONTINUES;
        r->length[before] |= CONTINUES;
    }
    r->length[number] = steps;
    if (steps > r->longest) r->longest = steps;
}

static void chains_find(roller *r)
{
    for (uint32_t i = 1; i < r->count && roller_goes_on(r, 1); i++) {
        const operation *o = operation_at(r->t, i);
        if (r->uses[i] && o->code == CODE_PICK) step_count(r, i, o->a);
        if (!r->uses[i] || !is_in_chain(o)) continue;
        chain_link l = link_of(r, i);
        r->length[i] = l.before ? r->length[l.before] + 1 : l.first_term ? 2 : 1;
        if (l.before) r->absorbed[l.before] = 1;
        if (o->code == PRODUCT_CODE) continue;
        absorb(r, l.term);
        absorb(r, l.first_term);
    }
    if ((uint64_t)r->longest * r->count > UINT32_MAX / 2) r->longest = 0;
}

/* Write the operands of a term, as numbers of operations; 0 stands for 1.0. */
static void term_read(const roller *r, uint32_t number, uint32_t chain, uint32_t *pair)
{
    const operation *o = operation_at(r->t, number);
    bool is_product = number == chain || is_lone(r, number, PRODUCT_CODE);
    pair[0] = is_product ? o->a : 0;
    pair[1] = is_product ? o->b : number;
}

/* Write the operands of a chain, as numbers of operations: what it starts with, 0 for
 * -0.0, then two for each term. */
static void chain_read(const roller *r, uint32_t number, uint32_t *out)
{
    uint32_t *pair = out + 1 + 2 * (size_t)r->length[number];
    for (uint32_t i = number; i;) {
        chain_link l = link_of(r, i);
        term_read(r, l.term, number, pair -= 2);
        if (l.first_term) term_read(r, l.first_term, number, pair -= 2);
        if (!l.before) out[0] = l.start;
        i = l.before;
    }
}

/* ---- levels ------------------------------------------------------------------------ */

static uint32_t higher(const roller *r, uint32_t level, uint32_t number)
{
    return r->level[number] > level ? r->level[number] : level;
}

/* Return the highest level of what a chain reads. */
static int chain_level(roller *r, uint32_t number, uint32_t *level)
{
    const size_t count = 1 + 2 * (size_t)r->length[number];
    r->operands.count = 0;
    uint32_t *read = indices_take(r, &r->operands, count);
    MG_RETURN_IF(!read, MG_ERR_NOMEM);
    chain_read(r, number, read);
    for (size_t i = 0; i < count; i++) *level = higher(r, *level, read[i]);
    return MG_OK;
}

/* Return the level before a step of a max(). The end of any max() is as high above what
 * it reads as that of the longest, so that what comes after is in one group: attention
 * over few tokens and over many. Where so many levels could pass 32 bits it is not. */
static uint32_t step_level(const roller *r, uint32_t number, const operation *o)
{
    uint32_t level = r->level[o->a];
    const uint32_t steps = r->length[number] & ~(uint32_t)CONTINUES;
    if (operation_at(r->t, o->a)->code == CODE_PICK) level -= steps - 1;
    level = higher(r, level, o->b);
    const bool is_end = r->length[number] == steps;
    return level + (is_end && r->longest ? r->longest : steps) - 1;
}

static int level_find(roller *r, uint32_t number)
{
    const operation *o = operation_at(r->t, number);
    uint32_t level = 0;
    if (is_in_chain(o)) {
        MG_TRY(chain_level(r, number, &level));
    } else if (o->code == CODE_PICK) {
        level = step_level(r, number, o);
    } else {
        level = higher(r, higher(r, 0, o->a), o->b);
        if (has_four(o)) level = higher(r, higher(r, level, o->y), o->g);
    }
    r->level[number] = level + 1;
    return MG_OK;
}

/* Fill units with what is to be done of the operations [first, end); returns how many. */
static int64_t units_find(roller *r, uint32_t first, uint32_t end)
{
    size_t count = 0;
    for (uint32_t i = first; i < end; i++) {
        const operation *o = operation_at(r->t, i);
        if (!is_computed(o) || !r->uses[i] || r->absorbed[i]) continue;
        MG_TRY(level_find(r, i));
        MG_RETURN_IF(!roller_goes_on(r, 1 + (size_t)r->length[i]), MG_ERR_INTERRUPTED);
        const uint32_t code = is_in_chain(o) ? CHAIN_CODE : o->code;
        const bool is_power = code / 3 == MG_POW_NUMBER && code < CODE_PICK;
        uint32_t detail = code == CHAIN_CODE ? r->length[i]
                          : is_power         ? o->b
                          : code == CODE_WHERE ? o->y
                                               : 0;
        r->units[count++] = (unit){(uint64_t)r->level[i] << 32 | code, detail, i};
    }
    return (int64_t)count;
}

static bool is_after(const unit *u, const unit *v)
{
    return u->key > v->key || (u->key == v->key && u->detail > v->detail);
}

/* Sort units by key and detail; equal ones keep their order. Work that is given up leaves
 * them as they are: who has them sorted asks work_status(). */
void units_sort(unit *units, unit *scratch, size_t count)
{
    unit *from = units, *to = scratch;
    for (size_t sorted = 1; sorted < count; sorted *= 2) {
        for (size_t left = 0; left < count; left += 2 * sorted) {
            size_t middle = left + sorted < count ? left + sorted : count;
            size_t end = middle + sorted < count ? middle + sorted : count;
            size_t i = left, j = middle;
            if (count > ASK_AFTER && left % ASK_AFTER == 0 && !work_goes_on()) return;
            for (size_t k = left; k < end; k++) {
                bool second = i == middle || (j < end && is_after(&from[i], &from[j]));
                to[k] = from[second ? j++ : i++];
            }
        }
        unit *swap = from;
        from = to;
        to = swap;
    }
    if (from != units) memcpy(units, from, count * sizeof(unit));
}

/* ---- instructions ------------------------------------------------------------------ */

static instruction *instruction_add(roller *r, int kind)
{
    list *l = &r->script->instructions;
    if (list_reserve(r->arena, l, 1, sizeof(instruction)) < 0) return NULL;
    instruction *i = (instruction *)l->items + l->count++;
    memset(i, 0, sizeof *i);
    i->kind = (uint8_t)kind;
    return i;
}

/* Add an operation to the line that is the last instruction, or to a new one. */
static int line_add(roller *r, line added)
{
    list *instructions = &r->script->instructions, *lines = &r->script->lines;
    instruction *last = NULL;
    MG_TRY(list_reserve(r->arena, lines, 1, sizeof(line)));
    if (instructions->count)
        last = (instruction *)instructions->items + instructions->count - 1;
    if (!last || last->kind != SCRIPT_LINE) {
        last = instruction_add(r, SCRIPT_LINE);
        MG_RETURN_IF(!last, MG_ERR_NOMEM);
        last->first = lines->count;
    }
    last->count++;
    ((line *)lines->items)[lines->count++] = added;
    return MG_OK;
}

static int line_of(roller *r, uint32_t number)
{
    const operation *o = operation_at(r->t, number);
    line added = {o->code, slots_take(r, 1), r->slot[o->a], r->slot[o->b], 0, 0, number};
    MG_RETURN_IF(!added.to, MG_ERR_NOMEM);
    if (has_four(o)) {
        added.y = r->slot[o->y];
        added.g = r->slot[o->g];
    }
    r->slot[number] = added.to;
    return line_add(r, added);
}

/* Add a term to a sum in slot `sum`, 0: there is none yet. */
static line line_of_term(const uint32_t *pair, uint32_t one, uint32_t sum, line made)
{
    const bool is_product = pair[0] != one;
    made.code = !is_product ? CHAIN_CODE : sum ? LINE_ADD_PRODUCT : PRODUCT_CODE;
    made.a = is_product ? pair[0] : sum;
    made.b = pair[1];
    made.y = is_product ? sum : 0;
    return made;
}

/* A chain as a line, with its operands as slots. */
static int lines_of_chain(roller *r, uint32_t number, const uint32_t *operands)
{
    uint32_t to = slots_take(r, 1);
    uint32_t sum = operands[0] == r->minus_zero ? 0 : operands[0];
    MG_RETURN_IF(!to, MG_ERR_NOMEM);
    const line made = {.to = to, .sequence = number};
    for (uint32_t k = 0; k < r->length[number]; k++, sum = to)
        MG_TRY(line_add(r, line_of_term(operands + 1 + 2 * (size_t)k, r->one, sum, made)));
    r->slot[number] = to;
    return MG_OK;
}

/* Copy slots to consecutive ones; returns the first of these, or 0. */
static uint32_t pack(roller *r, size_t count, const uint32_t *from)
{
    uint32_t to = slots_take(r, count);
    instruction *i = to ? instruction_add(r, SCRIPT_PACK) : NULL;
    if (!i) return 0;
    i->first = r->script->table.count;
    i->count = (uint32_t)count;
    i->to = to;
    uint32_t *table = indices_take(r, &r->script->table, count);
    if (!table) return 0;
    memcpy(table, from, count * sizeof(uint32_t));
    return to;
}

/* Give constants consecutive slots that hold them; returns the first, or 0. */
static uint32_t fix(roller *r, uint32_t count, const uint32_t *from)
{
    const uint32_t to = slots_take(r, count);
    double *slots = r->script->slots.items;
    for (uint32_t i = 0; to && i < count; i++) {
        slots[to + i] = slots[from[i]];
        ((uint8_t *)r->fixed.items)[to + i] = 1;
    }
    return to;
}

/* ---- tuples of slots --------------------------------------------------------------- */

static uint32_t *tuple_slots(const roller *r, const tuple *t)
{
    return (uint32_t *)r->tuple_slots.items + t->first;
}

static tuple *tuple_at(const roller *r, uint32_t number)
{
    return (tuple *)r->tuples.items + number;
}

static tuple_place *place_find(const roller *r, uint32_t width, const uint32_t *slots)
{
    uint64_t h = 0;
    for (uint32_t i = 0; i < width; i++)
        h = ((h << 25 | h >> 39) ^ slots[i]) * 0x9E3779B97F4A7C15u;
    size_t mask = r->place_count - 1, at = (size_t)(h ^ h >> 31) & mask;
    for (;; at = (at + 1) & mask) {
        tuple_place *place = &r->places[at];
        if (place->trial != r->trial) return place;
        const uint32_t *other = tuple_slots(r, tuple_at(r, place->tuple));
        if (!memcmp(other, slots, width * sizeof(uint32_t))) return place;
    }
}

static int places_grow(roller *r, uint32_t width)
{
    size_t count = r->place_count ? r->place_count * 2 : 256;
    tuple_place *old = r->places;
    tuple_place *places =
        arena_allocate(r->arena, NULL, 0, count * sizeof(tuple_place));
    MG_RETURN_IF(!places, MG_ERR_NOMEM);
    memset(places, 0, count * sizeof(tuple_place));
    arena_allocate(r->arena, old, r->place_count * sizeof(tuple_place), 0);
    r->places = places;
    r->place_count = count;
    for (uint32_t i = 0; i < r->tuples.count; i++)
        *place_find(r, width, tuple_slots(r, tuple_at(r, i))) =
            (tuple_place){r->trial, i};
    return MG_OK;
}

/* Forget the tuples of the trial before. */
static void trial_begin(roller *r)
{
    r->trial++;
    r->tuples.count = r->tuple_slots.count = 0;
}

/* Return the number of a set of slots that is to be copied, or a status. */
static int64_t tuple_find(roller *r, uint32_t width, const uint32_t *slots)
{
    if (r->tuples.count * 2 >= r->place_count) MG_TRY(places_grow(r, width));
    tuple_place *place = place_find(r, width, slots);
    if (place->trial == r->trial) return place->tuple;
    MG_TRY(list_reserve(r->arena, &r->tuples, 1, sizeof(tuple)));
    const uint32_t first = (uint32_t)r->tuple_slots.count;
    uint32_t *copy = indices_take(r, &r->tuple_slots, width);
    MG_RETURN_IF(!copy, MG_ERR_NOMEM);
    memcpy(copy, slots, width * sizeof(uint32_t));
    bool is_constant = true;
    for (uint32_t i = 0; i < width; i++) is_constant &= is_fixed(r, slots[i]);
    *place = (tuple_place){r->trial, (uint32_t)r->tuples.count};
    *tuple_at(r, place->tuple) = (tuple){first, 0, is_constant};
    r->tuples.count++;
    return place->tuple;
}

/* Have tuples that are no constants copied, `count` of them. */
static int tuples_copy(roller *r, uint32_t width, uint32_t count)
{
    uint32_t to = slots_take(r, (size_t)count * width);
    instruction *i = instruction_add(r, SCRIPT_PACK);
    MG_RETURN_IF(!to || !i, MG_ERR_NOMEM);
    i->first = r->script->table.count;
    i->count = count * width;
    i->to = to;
    uint32_t *table = indices_take(r, &r->script->table, i->count);
    MG_RETURN_IF(!table, MG_ERR_NOMEM);
    for (uint32_t n = 0; n < r->tuples.count; n++) {
        tuple *t = tuple_at(r, n);
        if (t->is_constant) continue;
        memcpy(table, tuple_slots(r, t), width * sizeof(uint32_t));
        table += width;
        t->to = to;
        to += width;
    }
    return MG_OK;
}

/* Have all tuples of the trial copied: constants now. */
static int tuples_place(roller *r, uint32_t width)
{
    uint32_t moving = 0;
    for (uint32_t i = 0; i < r->tuples.count; i++) {
        tuple *t = tuple_at(r, i);
        if (!t->is_constant) moving++;
        else if (!(t->to = fix(r, width, tuple_slots(r, t)))) return MG_ERR_NOMEM;
    }
    return moving ? tuples_copy(r, width, moving) : MG_OK;
}

/* ---- groups of chains -------------------------------------------------------------- */

static uint32_t blocks_of(const group *g)
{
    return (g->lanes + g->width - 1) / g->width;
}

static size_t stride_of(const group *g)
{
    return 1 + 2 * (size_t)g->terms;
}

/* Return the slot of operand `which` of lane number `lane` in the order. */
static uint32_t lane_operand(const roller *r, const group *g, uint32_t lane, size_t which)
{
    return ((const uint32_t *)r->operands.items)[g->units[lane].number * stride_of(g) +
                                                 which];
}

enum { APART, CONSECUTIVE, EQUAL };

/* Read the slots of an operand of a block. Lanes behind the last read what comes. */
static int tuple_read(const roller *r, const group *g, uint32_t block, size_t which,
                      uint32_t *slots)
{
    const uint32_t first = block * g->width;
    uint32_t count = g->lanes - first < g->width ? g->lanes - first : g->width;
    bool consecutive = true, equal = true;
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = lane_operand(r, g, first + i, which);
        consecutive &= slots[i] == slots[0] + i;
        equal &= slots[i] == slots[0];
    }
    for (uint32_t i = count; i < g->width; i++)
        slots[i] = consecutive ? slots[0] + i : slots[count - 1];
    return equal ? EQUAL : consecutive ? CONSECUTIVE : APART;
}

/* Tell whether an operand of all blocks, in all terms, is one slot. */
static bool is_single(roller *r, const group *g, size_t operand)
{
    uint32_t slots[8];
    for (uint32_t block = 0; block < blocks_of(g); block++)
        for (size_t which = operand; which < stride_of(g); which += 2) {
            if (tuple_read(r, g, block, which, slots) != EQUAL) return false;
            if (!roller_goes_on(r, g->width)) return false;
            if (operand == 0) break;
        }
    return true;
}

/* Return the index by which a block finds an operand: a slot or, plus UINT32_MAX / 2, a
 * tuple; or a status. */
static int64_t index_find(roller *r, const group *g, uint32_t block, size_t which)
{
    uint32_t slots[8];
    int kind = tuple_read(r, g, block, which, slots);
    const uint32_t mode = which == 0 ? SINGLE_START : which % 2 ? SINGLE_A : SINGLE_B;
    const bool is_last = (block + 1) * g->width > g->lanes;
    if (g->width == 1 || g->modes & mode || kind == CONSECUTIVE) return slots[0];
    if (kind == EQUAL && is_last && g->lanes % g->width == 1) return slots[0];
    int64_t number = tuple_find(r, g->width, slots);
    return number < 0 ? number : number + UINT32_MAX / 2;
}

/* Lay a group out in the order of its units; returns a cost or a status. */
static double group_try(roller *r, group *g, uint32_t width)
{
    g->width = width;
    g->modes = 0;
    g->packed = 0;
    if (width == 1) return 1.2 * g->lanes * g->terms;
    if (is_single(r, g, 1)) g->modes |= SINGLE_A;
    if (is_single(r, g, 2)) g->modes |= SINGLE_B;
    if (is_single(r, g, 0)) g->modes |= SINGLE_START;
    trial_begin(r);
    for (uint32_t block = 0; block < blocks_of(g); block++)
        for (size_t which = 0; which < stride_of(g); which++) {
            int64_t index = index_find(r, g, block, which);
            if (index >= 0 && !roller_goes_on(r, width)) index = MG_ERR_INTERRUPTED;
            if (index < 0) return (double)index;
        }
    for (uint32_t i = 0; i < r->tuples.count; i++)
        g->packed += tuple_at(r, i)->is_constant ? 0 : width;
    return blocks_of(g) * (double)g->terms * (width == 4 ? 1.0 : 1.5) +
           1.3 * (double)g->packed;
}

/* Emit a group as it was laid out in the last trial. */
static int group_emit(roller *r, const group *g, const unit *numbers)
{
    const size_t size = blocks_of(g) * stride_of(g);
    MG_TRY(tuples_place(r, g->width));
    instruction *i = instruction_add(r, SCRIPT_CHAIN);
    MG_RETURN_IF(!i, MG_ERR_NOMEM);
    i->width = (uint8_t)g->width;
    i->modes = (uint8_t)g->modes;
    i->count = blocks_of(g);
    i->terms = g->terms;
    i->first = r->script->table.count;
    i->to = slots_take(r, (size_t)i->count * g->width);
    uint32_t *table = indices_take(r, &r->script->table, size);
    MG_RETURN_IF(!i->to || !table, MG_ERR_NOMEM);
    for (uint32_t block = 0; block < i->count; block++)
        for (size_t which = 0; which < stride_of(g); which++) {
            int64_t index = index_find(r, g, block, which);
            MG_TRY((int)(index < 0 ? index : 0));
            const int64_t number = index - UINT32_MAX / 2;
            *table++ = number < 0 ? (uint32_t)index : tuple_at(r, (uint32_t)number)->to;
        }
    i->y = (uint32_t)r->script->sequence.count;
    uint32_t *sequence =
        indices_take(r, &r->script->sequence, (size_t)i->count * g->width);
    MG_RETURN_IF(!sequence, MG_ERR_NOMEM);
    memset(sequence, 0, (size_t)i->count * g->width * sizeof *sequence);
    for (uint32_t lane = 0; lane < g->lanes; lane++) {
        sequence[lane] = numbers[g->units[lane].number].number;
        r->slot[sequence[lane]] = i->to + lane;
    }
    return MG_OK;
}

/* Read the operands of all lanes of a group, as slots; the lower of a term is a. */
static int operands_read(roller *r, const unit *units, const group *g)
{
    const size_t stride = stride_of(g);
    r->operands.count = 0;
    uint32_t *to = indices_take(r, &r->operands, g->lanes * stride);
    MG_RETURN_IF(!to, MG_ERR_NOMEM);
    for (uint32_t lane = 0; lane < g->lanes; lane++, to += stride) {
        chain_read(r, units[lane].number, to);
        to[0] = to[0] ? r->slot[to[0]] : r->minus_zero;
        MG_RETURN_IF(!roller_goes_on(r, stride), MG_ERR_INTERRUPTED);
        for (size_t k = 1; k < stride; k += 2) {
            uint32_t a = to[k] ? r->slot[to[k]] : r->one, b = r->slot[to[k + 1]];
            to[k] = a < b ? a : b;
            to[k + 1] = a < b ? b : a;
        }
    }
    return MG_OK;
}

enum { AS_RECORDED, BY_A, BY_B, ORDERS };

/* Put the lanes in an order: `g->units` get their numbers in the group. */
static void lanes_order(roller *r, group *g, int order, unit *scratch)
{
    for (uint32_t lane = 0; lane < g->lanes; lane++) {
        const uint32_t *of =
            (const uint32_t *)r->operands.items + lane * stride_of(g);
        uint64_t a = of[1], b = of[2];
        uint64_t key = order == AS_RECORDED ? 0 : order == BY_A ? a << 32 | b : b << 32 | a;
        g->units[lane] = (unit){key, 0, lane};
    }
    if (order != AS_RECORDED) units_sort(g->units, scratch, g->lanes);
}

/* Try the orders and widths that there are, and take the cheapest. */
static int chains_emit(roller *r, const unit *units, group *g, unit *scratch)
{
    static const uint32_t widths[] = {4, 8, 1};
    double least = 0.0;
    int best_order = AS_RECORDED;
    uint32_t best_width = 0;
    for (int order = 0; order < ORDERS; order++) {
        lanes_order(r, g, order, scratch);
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            if (r->only_width && widths[w] != r->only_width) continue;
            double cost = group_try(r, g, widths[w]);
            MG_TRY((int)(cost < 0.0 ? cost : 0.0));
            if (best_width && cost >= least) continue;
            least = cost;
            best_order = order;
            best_width = widths[w];
        }
    }
    lanes_order(r, g, best_order, scratch);
    trial_begin(r);
    double cost = group_try(r, g, best_width);
    MG_TRY((int)(cost < 0.0 ? cost : 0.0));
    return group_emit(r, g, units);
}

enum { LINE_OPERATIONS = 6, LINE_LANES = 2 };

static int chain_group_emit(roller *r, const unit *units, uint32_t lanes, unit *scratch)
{
    group g = {CHAIN_CODE, lanes, units[0].detail, scratch, 0, 0, 0};
    MG_TRY(operands_read(r, units, &g));
    if (lanes > LINE_LANES || (uint64_t)lanes * g.terms > LINE_OPERATIONS)
        return chains_emit(r, units, &g, scratch + lanes);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        const uint32_t *operands =
            (const uint32_t *)r->operands.items + lane * stride_of(&g);
        MG_TRY(lines_of_chain(r, units[lane].number, operands));
    }
    return MG_OK;
}

/* ---- groups of other operations ---------------------------------------------------- */

/* Return the slot of an operand of lanes: of the first where they are consecutive, of all
 * where it is one, else of copies; 0: no memory. */
static uint32_t lanes_operand(roller *r, uint32_t lanes, const uint32_t *slots,
                              uint8_t single, instruction *to)
{
    bool consecutive = true, equal = true, fixed = true;
    for (uint32_t i = 0; i < lanes; i++) {
        consecutive &= slots[i] == slots[0] + i;
        equal &= slots[i] == slots[0];
        fixed &= is_fixed(r, slots[i]);
    }
    if (equal) to->modes |= single;
    if (equal || consecutive) return slots[0];
    return fixed ? fix(r, lanes, slots) : pack(r, lanes, slots);
}

/* Read one operand of all lanes, as slots, to the end of r->operands. */
static int lanes_read(roller *r, const unit *units, uint32_t lanes, int which)
{
    uint32_t *to;
    r->operands.count = 0;
    MG_RETURN_IF(!(to = indices_take(r, &r->operands, lanes)), MG_ERR_NOMEM);
    for (uint32_t i = 0; i < lanes; i++) {
        const operation *o = operation_at(r->t, units[i].number);
        const uint32_t numbers[] = {o->a, o->b, o->y, o->g};
        to[i] = r->slot[numbers[which]];
    }
    return MG_OK;
}

static int lanes_operands(roller *r, const unit *units, uint32_t lanes, instruction *to)
{
    static const uint8_t modes[] = {SINGLE_A, SINGLE_B, SINGLE_Y, SINGLE_G};
    const bool gradient = has_four(operation_at(r->t, units[0].number));
    uint32_t found[4] = {0, 0, 0, 0};
    for (int which = 0; which < (gradient ? 4 : 2); which++) {
        MG_TRY(lanes_read(r, units, lanes, which));
        const uint32_t *slots = r->operands.items;
        if (!slots[0]) to->modes |= modes[which]; /* the op has no such operand */
        if (!slots[0]) continue;
        found[which] = lanes_operand(r, lanes, slots, modes[which], to);
        MG_RETURN_IF(!found[which], MG_ERR_NOMEM);
    }
    to->a = found[0], to->b = found[1], to->y = found[2], to->g = found[3];
    return MG_OK;
}

static int lanes_emit(roller *r, unit *units, uint32_t lanes, unit *scratch)
{
    instruction made = {.kind = SCRIPT_LANES, .count = lanes};
    made.code = operation_at(r->t, units[0].number)->code;
    for (uint32_t i = 0; i < lanes; i++) {
        const operation *o = operation_at(r->t, units[i].number);
        units[i].key = r->slot[has_four(o) && o->code != CODE_WHERE ? o->y : o->a];
    }
    units_sort(units, scratch, lanes);
    MG_TRY(lanes_operands(r, units, lanes, &made));
    made.to = slots_take(r, lanes);
    made.first = r->script->sequence.count;
    instruction *added = instruction_add(r, SCRIPT_LANES);
    MG_RETURN_IF(!made.to || !added, MG_ERR_NOMEM);
    *added = made;
    for (uint32_t i = 0; i < lanes; i++) r->slot[units[i].number] = made.to + i;
    uint32_t *sequence = indices_take(r, &r->script->sequence, lanes);
    MG_RETURN_IF(!sequence, MG_ERR_NOMEM);
    for (uint32_t i = 0; i < lanes; i++) sequence[i] = units[i].number;
    return MG_OK;
}

static int lanes_group_emit(roller *r, unit *units, uint32_t lanes, unit *scratch)
{
    if (lanes > LINE_LANES) return lanes_emit(r, units, lanes, scratch);
    for (uint32_t i = 0; i < lanes; i++) MG_TRY(line_of(r, units[i].number));
    return MG_OK;
}

/* ---- a whole program --------------------------------------------------------------- */

/* Emit the units [0, count), a group at a time. */
static int groups_emit(roller *r, size_t count)
{
    for (size_t first = 0, end; first < count; first = end) {
        const unit *of = &r->units[first];
        for (end = first; end < count; end++)
            if (is_after(&r->units[end], of)) break;
        const uint32_t lanes = (uint32_t)(end - first);
        const bool is_chain = (uint32_t)of->key == CHAIN_CODE;
        MG_TRY(is_chain ? chain_group_emit(r, of, lanes, r->scratch)
                        : lanes_group_emit(r, &r->units[first], lanes, r->scratch));
        MG_RETURN_IF(!roller_goes_on(r, 16 + (size_t)lanes), MG_ERR_INTERRUPTED);
    }
    return MG_OK;
}

static int segment_emit(roller *r, uint32_t first, uint32_t end, bool is_rolled)
{
    if (!is_rolled) {
        for (uint32_t i = first; i < end; i++) {
            if (is_computed(operation_at(r->t, i)) && r->uses[i]) MG_TRY(line_of(r, i));
            MG_RETURN_IF(!roller_goes_on(r, 1), MG_ERR_INTERRUPTED);
        }
        return MG_OK;
    }
    int64_t count = units_find(r, first, end);
    MG_TRY((int)(count < 0 ? count : 0));
    units_sort(r->units, r->scratch, (size_t)count);
    MG_TRY(work_status(MG_OK));
    return groups_emit(r, (size_t)count);
}

/* Return consecutive slots that hold these operations, or copies, which stand for what was
 * computed from now on; 0: no memory. */
static uint32_t gathered(roller *r, uint32_t count, const uint32_t *numbers)
{
    bool consecutive = true;
    r->operands.count = 0;
    uint32_t *slots = indices_take(r, &r->operands, count);
    if (!slots) return 0;
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = r->slot[numbers[i]];
        consecutive &= slots[i] == slots[0] + i;
    }
    if (consecutive) return slots[0];
    const uint32_t to = pack(r, count, slots);
    for (uint32_t i = 0; to && i < count; i++)
        if (is_computed(operation_at(r->t, numbers[i]))) r->slot[numbers[i]] = to + i;
    return to;
}

static int update_emit(roller *r, uint32_t number)
{
    const update_at *of = (const update_at *)r->t->updates.items + number;
    instruction made = {.kind = SCRIPT_UPDATE, .first = number, .count = of->count};
    uint32_t *when = indices_take(r, &r->script->update_ats, 1);
    MG_RETURN_IF(!when, MG_ERR_NOMEM);
    *when = of->at;
    if (of->count) {
        made.a = gathered(r, of->count, of->nodes + of->count);
        made.g = gathered(r, of->count, of->nodes + 2 * (size_t)of->count);
    }
    made.to = slots_take(r, of->count);
    instruction *added = instruction_add(r, SCRIPT_UPDATE);
    MG_RETURN_IF(!made.to || !added || (of->count && (!made.a || !made.g)), MG_ERR_NOMEM);
    *added = made;
    for (uint32_t i = 0; i < of->count; i++) r->slot[of->at + i] = made.to + i;
    return MG_OK;
}

/* Give slots to constants, and to what is read from nodes. */
static int inputs_place(roller *r)
{
    const trace *t = r->t;
    MG_RETURN_IF(slots_take(r, 1) != 0, MG_ERR_NOMEM);
    r->one = slot_of_number(r, 1.0);
    r->minus_zero = slot_of_number(r, -0.0);
    MG_RETURN_IF(!r->one || !r->minus_zero, MG_ERR_NOMEM);
    for (uint32_t i = 1; i < r->count; i++) {
        const operation *o = operation_at(t, i);
        MG_RETURN_IF(!roller_goes_on(r, 1), MG_ERR_INTERRUPTED);
        if (o->code != CODE_CONSTANT || !r->uses[i]) continue;
        r->slot[i] = slot_of_number(r, o->number);
        MG_RETURN_IF(!r->slot[i], MG_ERR_NOMEM);
    }
    r->script->input_count = t->arguments;
    r->script->inputs = slots_take(r, t->arguments);
    MG_RETURN_IF(!r->script->inputs, MG_ERR_NOMEM);
    for (uint32_t i = 1; i < r->count; i++)
        if (operation_at(t, i)->code == CODE_ARGUMENT)
            r->slot[i] = r->script->inputs + operation_at(t, i)->a;
    for (size_t n = 0; n < t->nodes.count; n++) {
        const outer_node *o = (const outer_node *)t->nodes.items + n;
        if (!o->is_held) continue;
        r->slot[o->data] = slots_take(r, 1);
        MG_RETURN_IF(!r->slot[o->data], MG_ERR_NOMEM);
    }
    for (uint32_t i = 1; i < r->count; i++) {
        const operation *o = operation_at(t, i);
        if (o->code != CODE_INPUT || !o->b) continue;
        r->slot[i] = slots_take(r, 1);
        MG_RETURN_IF(!r->slot[i], MG_ERR_NOMEM);
    }
    return MG_OK;
}

/* Say what is read from nodes. */
static int nodes_place(roller *r)
{
    struct mg_script *s = r->script;
    const trace *t = r->t;
    MG_TRY(list_reserve(r->arena, &s->nodes, t->nodes.count, sizeof(script_node)));
    for (size_t i = 0; i < t->nodes.count; i++) {
        const outer_node *o = (const outer_node *)t->nodes.items + i;
        ((script_node *)s->nodes.items)[i] = (script_node){
            o->handle, o->is_held, o->is_held ? r->slot[o->data] : 0, 0};
    }
    for (uint32_t i = 1; i < r->count; i++) {
        const operation *o = operation_at(t, i);
        if (o->code == CODE_INPUT && o->b)
            ((script_node *)s->nodes.items)[o->a].gradient = r->slot[i];
    }
    s->nodes.count = t->nodes.count;
    return MG_OK;
}

/* Have what a step gives away copied if it is read from a node: the slot of that gets what
 * the next step reads. */
static int read_keep(roller *r, uint32_t number)
{
    const operation *o = operation_at(r->t, number);
    if (o->code != CODE_INPUT) return MG_OK;
    const script_node *from = (const script_node *)r->script->nodes.items + o->a;
    if (r->slot[number] != (o->b ? from->gradient : from->data)) return MG_OK;
    r->slot[number] = pack(r, 1, &r->slot[number]);
    return r->slot[number] ? MG_OK : MG_ERR_NOMEM;
}

static int reads_keep(roller *r)
{
    const trace *t = r->t;
    MG_TRY(read_keep(r, t->loss));
    for (size_t i = 0; i < t->writes.count; i++)
        MG_TRY(read_keep(r, ((const write_back *)t->writes.items)[i].value));
    for (size_t i = 0; i < t->outputs.count; i++)
        MG_TRY(read_keep(r, ((const uint32_t *)t->outputs.items)[i]));
    return MG_OK;
}

/* Say what is written to nodes. */
static int writes_emit(roller *r)
{
    struct mg_script *s = r->script;
    const trace *t = r->t;
    MG_TRY(list_reserve(r->arena, &s->writes, t->writes.count, sizeof(write_slot)));
    for (size_t i = 0; i < t->writes.count; i++) {
        const write_back *w = (const write_back *)t->writes.items + i;
        ((write_slot *)s->writes.items)[i] =
            (write_slot){w->at, w->node, w->is_gradient, r->slot[w->value]};
    }
    uint32_t *outputs = indices_take(r, &s->outputs, t->outputs.count);
    MG_RETURN_IF(t->outputs.count && !outputs, MG_ERR_NOMEM);
    for (size_t i = 0; i < t->outputs.count; i++)
        outputs[i] = r->slot[((const uint32_t *)t->outputs.items)[i]];
    s->writes.count = t->writes.count;
    s->loss = r->slot[t->loss];
    return MG_OK;
}

static int program_emit(roller *r, bool is_rolled)
{
    const trace *t = r->t;
    uint32_t first = 1;
    MG_TRY(inputs_place(r));
    MG_TRY(nodes_place(r));
    MG_TRY(reads_keep(r));
    for (uint32_t u = 0; u <= t->updates.count; u++) {
        uint32_t end = (uint32_t)r->count;
        if (u < t->updates.count) end = ((const update_at *)t->updates.items)[u].at;
        MG_TRY(segment_emit(r, first, end, is_rolled));
        if (u < t->updates.count) MG_TRY(update_emit(r, u));
        first = end;
    }
    MG_RETURN_IF(!slots_take(r, 8), MG_ERR_NOMEM); /* the last block may read so far */
    for (uint32_t i = 1; i < r->count; i++)
        r->script->operations += is_computed(operation_at(t, i)) && r->uses[i];
    return writes_emit(r);
}

enum { ROLLER_WORDS = 4 };

static int arrays_take(roller *r)
{
    const size_t n = r->count;
    size_t size = n * (ROLLER_WORDS * sizeof(uint32_t) + 1);
    r->uses = arena_allocate(r->arena, NULL, 0, size);
    MG_RETURN_IF(!r->uses, MG_ERR_NOMEM);
    memset(r->uses, 0, size);
    r->slot = r->uses + n;
    r->level = r->slot + n;
    r->length = r->level + n;
    r->absorbed = (uint8_t *)(r->length + n);
    r->units = arena_allocate(r->arena, NULL, 0, 3 * n * sizeof(unit));
    MG_RETURN_IF(!r->units, MG_ERR_NOMEM);
    r->scratch = r->units + n;
    return MG_OK;
}

static void roller_free(roller *r)
{
    mg_arena *arena = r->arena;
    const size_t n = r->count, words = ROLLER_WORDS * sizeof(uint32_t) + 1;
    if (r->uses) arena_allocate(arena, r->uses, n * words, 0);
    if (r->units) arena_allocate(arena, r->units, 3 * n * sizeof(unit), 0);
    if (r->places)
        arena_allocate(arena, r->places, r->place_count * sizeof(tuple_place), 0);
    list_drop(arena, &r->fixed, 1);
    list_drop(arena, &r->operands, sizeof(uint32_t));
    list_drop(arena, &r->tuples, sizeof(tuple));
    list_drop(arena, &r->tuple_slots, sizeof(uint32_t));
}

int script_roll(struct mg_script *script, const trace *t, int flags)
{
    roller r = {.t = t, .script = script, .arena = t->arena};
    r.only_width = (uint32_t)flags & (MG_UNROLLED - 1);
    r.count = t->operations.count;
    int status = arrays_take(&r);
    if (status == MG_OK) {
        uses_count(&r);
        if (!(flags & MG_UNROLLED)) chains_find(&r);
        status = work_status(MG_OK); /* of the two above, too */
        if (status == MG_OK) status = program_emit(&r, !(flags & MG_UNROLLED));
        if (status == MG_OK) status = work_status(MG_OK);
    }
    roller_free(&r);
    return status;
}
