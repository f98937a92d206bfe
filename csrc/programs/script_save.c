/* script_save.c: writing a program of numbers to a file.
 *
 * The file has the list of operations in the order of a loop in the user's language, not
 * the instructions: these are made for this machine's lanes, while a list is read by any
 * port, checked in one pass, and rolled again by the loader. The list is taken back from
 * the instructions, so that a program that is never saved keeps nothing for it: each lane
 * and each line knows the number of the operation that it computes.
 *
 * Twice the same is written: to count, and then to memory. */
#include "programs/file.h"
#include "programs/script.h"

/* What computes an operation: lane or line `lane` of instruction number at - 1. */
typedef struct maker {
    uint32_t at, lane;
} maker;

enum { NO_VALUE = UINT32_MAX, NO_OP = UINT32_MAX };

typedef struct saver {
    const struct mg_script *s;
    mg_arena *arena;
    writer out;
    size_t numbers, slots; /* of operations; of slots */
    maker *makers;         /* (numbers) */
    uint32_t *from;        /* (slots) of which a slot is a copy */
    uint32_t *value;       /* (slots) its number in the file; NO_VALUE: none yet */
    list constants;        /* of double */
    uint32_t *table;       /* an open hash table of these; 0: free */
    size_t table_size;
    uint32_t ops[DO_COUNT]; /* numbers in the file of what a list does, NO_OP: none yet */
    uint32_t codes[DO_COUNT]; /* and what these are */
    uint32_t op_count, next, words; /* next: value */
    size_t constant_count; /* of all constants: 0 while they are looked for */
    int status;
} saver;

/* ---- what a list does -------------------------------------------------------------- */

/* Return the name of what a list does; NULL: no list does it. */
const char *code_name(uint32_t code)
{
    static const char *const others[] = {"set_data", "set_gradient", "update"};
    if (code == CODE_PICK) return "pick";
    if (code == CODE_WHERE) return "where";
    if (code >= DO_SET_DATA) return others[code - DO_SET_DATA];
    if (code >= CODE_CONSTANT) return NULL;
    const int op = (int)(code / 3);
    const bool has_operand = op != MG_LEAF && (int)(code % 3) <= op_arity(op);
    return has_operand ? mg_op_name(op) : NULL;
}

/* Return of which operand of an op it is the gradient, from 1 on; 0: it is none. */
uint32_t code_which(uint32_t code)
{
    return code < CODE_PICK ? code % 3 : 0;
}

/* Return how many words it takes; an update more. */
uint32_t code_words(uint32_t code)
{
    if (code == DO_UPDATE) return 1;
    return code >= DO_SET_DATA ? 2 : code_operands(code);
}

/* ---- preparing --------------------------------------------------------------------- */

static const uint32_t *sequence_of(const saver *v, size_t first)
{
    return (const uint32_t *)v->s->sequence.items + first;
}

/* Return the numbers of the operations of an instruction, *count of them, or NULL; of a
 * line they are read by line_at(). */
static const uint32_t *numbers_of_lanes(const saver *v, const instruction *i,
                                        uint32_t *count)
{
    *count = i->kind == SCRIPT_CHAIN ? i->count * i->width : i->count;
    if (i->kind == SCRIPT_CHAIN) return sequence_of(v, i->y);
    return i->kind == SCRIPT_LANES ? sequence_of(v, i->first) : NULL;
}

static const line *line_at(const saver *v, const instruction *i, uint32_t k)
{
    return (const line *)v->s->lines.items + i->first + k;
}

/* Call do_it with the number of each operation, and where it is computed. */
static void makers_visit(saver *v, void (*do_it)(saver *v, uint32_t number, maker of))
{
    const instruction *all = v->s->instructions.items;
    for (uint32_t k = 0; k < v->s->instructions.count; k++) {
        uint32_t count;
        const uint32_t *numbers = numbers_of_lanes(v, &all[k], &count);
        if (!numbers && all[k].kind != SCRIPT_LINE) continue;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t number = numbers ? numbers[i] : line_at(v, &all[k], i)->sequence;
            if (number) do_it(v, number, (maker){k + 1, i});
        }
    }
}

static void number_count(saver *v, uint32_t number, maker of)
{
    (void)of;
    if (number >= v->numbers) v->numbers = (size_t)number + 1;
}

/* Note who computes an operation: of lines with the same number, the first. */
static void maker_note(saver *v, uint32_t number, maker of)
{
    if (!v->makers[number].at) v->makers[number] = of;
}

/* Find of which slot each is a copy. */
static void copies_find(saver *v)
{
    const instruction *all = v->s->instructions.items;
    for (uint32_t i = 0; i < v->slots; i++) v->from[i] = i;
    for (size_t k = 0; k < v->s->instructions.count; k++) {
        if (all[k].kind != SCRIPT_PACK) continue;
        const uint32_t *table = (const uint32_t *)v->s->table.items + all[k].first;
        for (uint32_t i = 0; i < all[k].count; i++)
            v->from[all[k].to + i] = v->from[table[i]];
    }
}

static int saver_open(saver *v, struct mg_script *s)
{
    *v = (saver){.s = s, .arena = s->arena, .slots = s->slots.count, .numbers = 1};
    makers_visit(v, number_count);
    const size_t words = 2 * v->slots, size = v->numbers * sizeof(maker);
    v->makers = arena_allocate(v->arena, NULL, 0, size);
    v->from = arena_allocate(v->arena, NULL, 0, words * sizeof(uint32_t));
    MG_RETURN_IF(!v->makers || !v->from, MG_ERR_NOMEM);
    v->value = v->from + v->slots;
    memset(v->makers, 0, size);
    makers_visit(v, maker_note);
    copies_find(v);
    for (int i = 0; i < DO_COUNT; i++) v->ops[i] = NO_OP;
    return MG_OK;
}

static void saver_close(saver *v)
{
    if (v->makers)
        arena_allocate(v->arena, v->makers, v->numbers * sizeof(maker), 0);
    if (v->from)
        arena_allocate(v->arena, v->from, 2 * v->slots * sizeof(uint32_t), 0);
    if (v->table)
        arena_allocate(v->arena, v->table, v->table_size * sizeof(uint32_t), 0);
    list_drop(v->arena, &v->constants, sizeof(double));
}

/* ---- constants --------------------------------------------------------------------- */

static uint64_t bits_of_number(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint32_t *constant_find(const saver *v, double x)
{
    const uint64_t bits = bits_of_number(x), h = bits * 0x9E3779B97F4A7C15u;
    const double *known = v->constants.items;
    size_t mask = v->table_size - 1, i = (size_t)(h >> 32 ^ h) & mask;
    while (v->table[i] && bits_of_number(known[v->table[i] - 1]) != bits)
        i = (i + 1) & mask;
    return &v->table[i];
}

static int constants_grow(saver *v)
{
    const size_t size = v->table_size ? v->table_size * 2 : 64;
    MG_TRY(list_reserve(v->arena, &v->constants, size / 2, sizeof(double)));
    uint32_t *table = arena_allocate(v->arena, NULL, 0, size * sizeof(uint32_t));
    MG_RETURN_IF(!table, MG_ERR_NOMEM);
    memset(table, 0, size * sizeof(uint32_t));
    arena_allocate(v->arena, v->table, v->table_size * sizeof(uint32_t), 0);
    v->table = table;
    v->table_size = size;
    for (uint32_t i = 0; i < v->constants.count; i++)
        *constant_find(v, ((const double *)v->constants.items)[i]) = i + 1;
    return MG_OK;
}

/* Return the number of a constant in the file. */
static uint32_t constant_number(saver *v, double x)
{
    if (v->status == MG_OK && v->constants.count * 2 >= v->table_size)
        v->status = constants_grow(v);
    if (v->status < 0) return 0;
    uint32_t *place = constant_find(v, x);
    if (!*place) {
        ((double *)v->constants.items)[v->constants.count] = x;
        *place = (uint32_t)++v->constants.count;
    }
    return *place - 1;
}

/* ---- values and words -------------------------------------------------------------- */

static double held_in(const saver *v, uint32_t slot)
{
    return ((const double *)v->s->slots.items)[slot];
}

/* Return the number of what a slot holds. */
static uint32_t value_in(saver *v, uint32_t slot)
{
    const uint32_t known = v->value[v->from[slot]];
    return known == NO_VALUE ? constant_number(v, held_in(v, v->from[slot])) : known;
}

static bool slot_is_number(const saver *v, uint32_t slot, double x)
{
    return v->value[v->from[slot]] == NO_VALUE &&
           bits_of_number(held_in(v, v->from[slot])) == bits_of_number(x);
}

/* Write a word of the list. */
static void word(saver *v, uint32_t x)
{
    v->words++;
    put_u32(&v->out, x);
}

/* Write what is done next. */
static void word_of_op(saver *v, uint32_t code)
{
    if (v->ops[code] == NO_OP) {
        v->codes[v->op_count] = code;
        v->ops[code] = v->op_count++;
    }
    word(v, v->ops[code]);
}

static uint32_t computed(saver *v, uint32_t code, uint32_t a, uint32_t b)
{
    word_of_op(v, code);
    word(v, a);
    word(v, b);
    return v->next++;
}

/* ---- operations -------------------------------------------------------------------- */

/* Write an operation on slots; returns the number of its value. */
static uint32_t operation_put(saver *v, uint32_t code, const uint32_t slots[4])
{
    const uint32_t operands = code_operands(code);
    const bool has_four = code_has_four(code);
    word_of_op(v, code);
    word(v, value_in(v, slots[0]));
    if (operands - (has_four ? 2 : 0) > 1) word(v, value_in(v, slots[1]));
    if (has_four) word(v, value_in(v, slots[2]));
    if (has_four) word(v, value_in(v, slots[3]));
    return v->next++;
}

static uint32_t term_put(saver *v, uint32_t sum, uint32_t a, uint32_t b)
{
    uint32_t term = value_in(v, b);
    if (!slot_is_number(v, a, 1.0))
        term = computed(v, 3 * MG_MUL, value_in(v, a), term);
    return sum == NO_VALUE ? term : computed(v, 3 * MG_ADD, sum, term);
}

/* Write the sum of a lane of a chain; returns the number of its value. */
static uint32_t chain_put(saver *v, const instruction *i, uint32_t lane)
{
    const size_t stride = 1 + 2 * (size_t)i->terms;
    const uint32_t *index = (const uint32_t *)v->s->table.items + i->first +
                            lane / i->width * stride;
    const uint32_t at = lane % i->width;
    const uint32_t to_a = i->modes & SINGLE_A ? 0 : at;
    const uint32_t to_b = i->modes & SINGLE_B ? 0 : at;
    const uint32_t start = *index++ + (i->modes & SINGLE_START ? 0 : at);
    uint32_t sum = slot_is_number(v, start, -0.0) ? NO_VALUE : value_in(v, start);
    for (uint32_t k = 0; k < i->terms; k++, index += 2)
        sum = term_put(v, sum, index[0] + to_a, index[1] + to_b);
    return sum;
}

static void lane_put(saver *v, const instruction *i, uint32_t lane)
{
    const uint32_t slots[] = {i->a + (i->modes & SINGLE_A ? 0 : lane),
                              i->b + (i->modes & SINGLE_B ? 0 : lane),
                              i->y + (i->modes & SINGLE_Y ? 0 : lane),
                              i->g + (i->modes & SINGLE_G ? 0 : lane)};
    v->value[i->to + lane] =
        i->kind == SCRIPT_CHAIN ? chain_put(v, i, lane)
                                : operation_put(v, i->code, slots);
}

/* Write a line's operation, and those behind it with the same number, a chain. */
static void lines_put(saver *v, const instruction *i, uint32_t k)
{
    const uint32_t number = line_at(v, i, k)->sequence;
    for (; k < i->count && line_at(v, i, k)->sequence == number; k++) {
        const line *l = line_at(v, i, k);
        const uint32_t slots[] = {l->a, l->b, l->y, l->g};
        if (l->code == LINE_ADD_PRODUCT)
            v->value[l->to] = term_put(v, value_in(v, l->y), l->a, l->b);
        else
            v->value[l->to] = operation_put(v, l->code, slots);
    }
}

/* Write operations up to one. */
static void operations_put(saver *v, uint32_t *next, uint32_t end)
{
    const instruction *all = v->s->instructions.items;
    for (; *next < end && *next < v->numbers; ++*next) {
        const maker of = v->makers[*next];
        if (!of.at) continue;
        const instruction *i = &all[of.at - 1];
        if (i->kind == SCRIPT_LINE) lines_put(v, i, of.lane);
        else lane_put(v, i, of.lane);
    }
}

static void update_put(saver *v, const instruction *i)
{
    word_of_op(v, DO_UPDATE);
    word(v, (uint32_t)i->first);
    for (uint32_t k = 0; k < i->count; k++) word(v, value_in(v, i->a + k));
    for (uint32_t k = 0; k < i->count; k++) word(v, value_in(v, i->g + k));
    for (uint32_t k = 0; k < i->count; k++) v->value[i->to + k] = v->next++;
}

static void write_put(saver *v, const write_slot *w)
{
    word_of_op(v, w->is_gradient ? DO_SET_GRADIENT : DO_SET_DATA);
    word(v, w->node);
    word(v, value_in(v, w->slot));
}

/* Write the updates before an operation, and what comes before them. */
static void updates_put(saver *v, size_t *i, uint32_t *next, uint32_t end)
{
    const instruction *all = v->s->instructions.items;
    const uint32_t *ats = v->s->update_ats.items;
    for (; *i < v->s->instructions.count; ++*i) {
        if (all[*i].kind != SCRIPT_UPDATE) continue;
        if (ats[all[*i].first] >= end) return;
        operations_put(v, next, ats[all[*i].first]);
        update_put(v, &all[*i]);
    }
}

/* Give numbers to what is known when a run begins. */
static void values_begin(saver *v)
{
    const struct mg_script *s = v->s;
    const script_node *nodes = s->nodes.items;
    const uint32_t count = (uint32_t)s->nodes.count;
    uint32_t next = (uint32_t)v->constant_count;
    for (size_t i = 0; i < v->slots; i++) v->value[i] = NO_VALUE;
    for (uint32_t i = 0; i < s->input_count; i++) v->value[s->inputs + i] = next++;
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].data) v->value[nodes[i].data] = next + i;
        if (nodes[i].gradient) v->value[nodes[i].gradient] = next + count + i;
    }
    v->next = next + 2 * count;
    v->words = 0;
}

/* Write the list. */
static void list_put(saver *v)
{
    size_t i = 0;
    const write_slot *w = v->s->writes.items;
    uint32_t next = 1;
    values_begin(v);
    for (size_t k = 0; k < v->s->writes.count; k++) {
        updates_put(v, &i, &next, w[k].at);
        operations_put(v, &next, w[k].at);
        write_put(v, &w[k]);
    }
    updates_put(v, &i, &next, UINT32_MAX);
    operations_put(v, &next, UINT32_MAX);
}

/* ---- the other parts --------------------------------------------------------------- */

static bool has_state(const mg_number_update *u)
{
    return u->is_adam || u->beta1 != 0.0;
}

static void update_state_put(writer *w, const mg_number_update *u)
{
    const unsigned begun = !u->is_adam && *u->begun;
    put_u32(w, u->is_adam != 0);
    put_u32(w, (u->decoupled ? 1u : 0) | (u->nesterov ? 2u : 0) | begun << 2);
    put_u64(w, (uint64_t)u->count, 8);
    put_u64(w, u->is_adam ? (uint64_t)*u->steps : 0, 8);
    put_f64(w, u->lr);
    put_f64(w, u->weight_decay);
    put_f64(w, u->beta1);
    put_f64(w, u->beta2);
    put_f64(w, u->epsilon);
    for (int64_t i = 0; has_state(u) && i < u->count; i++) put_f64(w, u->first[i]);
    for (int64_t i = 0; u->is_adam && i < u->count; i++) put_f64(w, u->second[i]);
}

/* Write what is known when a run begins. */
static void state_put(saver *v)
{
    const struct mg_script *s = v->s;
    writer *w = &v->out;
    for (size_t i = 0; i < v->constant_count; i++)
        put_f64(w, ((const double *)v->constants.items)[i]);
    for (uint32_t i = 0; i < s->input_count; i++) put_f64(w, held_in(v, s->inputs + i));
    for (size_t i = 0; i < s->nodes.count; i++) {
        const node *n = script_node_of(s, i);
        put_f64(w, n ? n->data : 0.0);
        put_f64(w, n ? n->gradient : 0.0);
    }
    for (size_t u = 0; u < s->updates.count; u++)
        update_state_put(w, ((mg_number_update **)s->updates.items)[u]);
}

static void ops_put(saver *v)
{
    for (uint32_t i = 0; i < v->op_count; i++) {
        put_name(&v->out, code_name(v->codes[i]));
        put_u32(&v->out, code_which(v->codes[i]));
        put_u32(&v->out, code_words(v->codes[i]));
    }
}

/* Write the names of nodes, given ones or those that they have; returns their size. */
static size_t names_put(writer *w, const struct mg_script *s, const char *const *names)
{
    const size_t before = w->at;
    if (!names && s->names) {
        put_bytes(w, s->names, s->names_size);
        return s->names_size;
    }
    for (size_t i = 0; i < s->nodes.count; i++) {
        const char *name = names && names[i] ? names[i] : "";
        put_bytes(w, name, strlen(name) + 1);
    }
    return w->at - before;
}

/* Write a file, all of which has been counted. */
static void file_put(saver *v, const char *const *names, size_t names_size)
{
    const struct mg_script *s = v->s;
    file_header header = {.kind = FILE_NUMBERS};
    const size_t counts[] = {v->constant_count, s->input_count, s->nodes.count,
                             s->updates.count,  v->op_count,    v->words,
                             s->outputs.count,  0,              names_size};
    header.flags = mg_math() == MG_MATH_PORTABLE ? FILE_PORTABLE : 0;
    for (int i = 0; i < 9; i++) header.counts[i] = (uint32_t)counts[i];
    header.counts[7] = s->loss ? value_in(v, s->loss) : NO_VALUE;
    header_put(&v->out, &header);
    state_put(v);
    ops_put(v);
    list_put(v);
    for (size_t i = 0; i < s->outputs.count; i++)
        put_u32(&v->out, value_in(v, ((const uint32_t *)s->outputs.items)[i]));
    names_put(&v->out, s, names);
    file_seal(&v->out);
}

/* Find all constants that are used, and ops; count words. */
static int parts_count(saver *v)
{
    list_put(v);
    const uint32_t *outputs = v->s->outputs.items;
    for (size_t i = 0; i < v->s->outputs.count; i++) value_in(v, outputs[i]);
    if (v->s->loss) value_in(v, v->s->loss);
    v->constant_count = v->constants.count;
    MG_TRY(v->status);
    list_put(v); /* with the numbers that values have now */
    return v->status;
}

static int64_t script_save(saver *v, const char *const *names, size_t size, void *to)
{
    writer counted = {NULL, 0};
    const size_t names_size = names_put(&counted, v->s, names);
    MG_RETURN_IF(names_size > UINT32_MAX, MG_ERR_ARG);
    MG_TRY(parts_count(v));
    v->out = (writer){NULL, 0};
    file_put(v, names, names_size);
    const size_t needed = v->out.at;
    if (needed > size || !to) return (int64_t)needed;
    v->out = (writer){to, 0};
    file_put(v, names, names_size);
    return (int64_t)needed;
}

int64_t mg_script_save(mg_script *script, const char *const *names, size_t size, void *to)
{
    saver v;
    arena_lock(script->arena);
    int64_t status = script_updates_check(script);
    if (status == MG_OK) {
        status = saver_open(&v, script);
        if (status == MG_OK) status = script_save(&v, names, size, to);
        saver_close(&v);
    }
    arena_unlock(script->arena);
    return status;
}

/* ---- nodes and updates ------------------------------------------------------------- */

int64_t mg_script_found(mg_script *script, int64_t count, mg_node *out)
{
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    const script_node *nodes = script->nodes.items;
    for (int64_t i = 0; i < count && i < (int64_t)script->nodes.count; i++)
        out[i] = nodes[i].handle;
    return (int64_t)script->nodes.count;
}

const char *mg_script_name(mg_script *script, int64_t which)
{
    const char *name = script->names;
    if (!name || which < 0 || which >= (int64_t)script->nodes.count) return "";
    for (; which > 0; which--) name += strlen(name) + 1;
    return name;
}

mg_number_update *mg_script_given(mg_script *script, int64_t which)
{
    if (which < 0 || which >= (int64_t)script->updates.count) return NULL;
    return ((mg_number_update **)script->updates.items)[which];
}
