/* script_load.c: making a program of numbers of a file.
 *
 * A file is anybody's: each count, index and name is checked before anything is made of
 * it. The list of operations is then taken in as that of a graph is, and rolled for this
 * machine's lanes. Memory is bounded by the size of the file: whatever a count claims,
 * the bytes are there. */
#include "programs/file.h"
#include "programs/script.h"

/* The parts of a file: where they begin, and how many items they have. */
typedef struct numbers_file {
    uint32_t flags;
    uint32_t constants, inputs, nodes, updates, ops, words, outputs, loss, names_size;
    const uint8_t *constant, *input, *node, *op, *word, *output, *name;
} numbers_file;

typedef struct loader {
    mg_arena *arena;
    numbers_file file;
    trace t;
    uint32_t *codes;   /* (ops) what they are */
    uint32_t *numbers; /* (values) operations in the trace */
    size_t value_count, value_room;
    uint32_t update;       /* the next one */
    uint64_t update_words; /* that those which were read take at least */
    mg_node *made; /* (nodes) */
} loader;

/* ---- the parts --------------------------------------------------------------------- */

/* Return the code of a row of the table of ops, or a status. */
static int64_t code_of(const uint8_t *row)
{
    const uint32_t which = u32_at(row + FILE_NAME), words = u32_at(row + FILE_NAME + 4);
    for (uint32_t code = 0; code < DO_COUNT; code++) {
        const char *name = code_name(code);
        if (!name || code_which(code) != which || !name_is(row, name)) continue;
        return words == code_words(code) ? (int64_t)code : MG_ERR_FILE;
    }
    return MG_ERR_FILE;
}

/* Read the options of an update. */
static int update_take(reader *r, mg_number_update *u, uint64_t *steps, bool *begun)
{
    const uint8_t *from = take(r, 64, 1);
    MG_RETURN_IF(!from, MG_ERR_FILE);
    const uint32_t kind = u32_at(from), flags = u32_at(from + 4);
    const uint64_t count = u64_at(from + 8);
    *steps = u64_at(from + 16);
    *u = (mg_number_update){.is_adam = kind == 1, .decoupled = (flags & 1) != 0};
    u->nesterov = (flags & 2) != 0;
    *begun = (flags & 4) != 0;
    MG_RETURN_IF(kind > 1 || flags > 7 || (kind && *begun), MG_ERR_FILE);
    MG_RETURN_IF(count > r->size || *steps > INT64_MAX / 2, MG_ERR_FILE);
    u->count = (int64_t)count;
    u->lr = f64_at(from + 24), u->weight_decay = f64_at(from + 32);
    u->beta1 = f64_at(from + 40), u->beta2 = f64_at(from + 48);
    u->epsilon = f64_at(from + 56);
    return MG_OK;
}

/* Return the memory that an update has in a file behind its options, in doubles. */
static uint64_t state_count(const mg_number_update *u)
{
    if (u->is_adam) return 2 * (uint64_t)u->count;
    return u->beta1 != 0.0 ? (uint64_t)u->count : 0;
}

/* Make an update of a file. */
static int update_load(loader *l, reader *r)
{
    mg_number_update u;
    uint64_t steps;
    bool begun;
    MG_TRY(update_take(r, &u, &steps, &begun));
    l->update_words += 2 + 2 * (uint64_t)u.count; /* each is made once */
    MG_RETURN_IF(l->update_words > l->file.words, MG_ERR_FILE);
    const uint8_t *state = take(r, state_count(&u), 8);
    MG_RETURN_IF(!state, MG_ERR_FILE);
    const size_t count = (size_t)u.count;
    const size_t size = sizeof(own_update) + 2 * count * sizeof(double);
    own_update *own = arena_allocate(l->arena, NULL, 0, size);
    MG_RETURN_IF(!own, MG_ERR_NOMEM);
    memset(own, 0, size);
    own->of = u;
    own->size = size;
    own->steps = (int64_t)steps;
    own->begun = begun;
    own->of.steps = &own->steps, own->of.begun = &own->begun;
    own->of.first = own->state, own->of.second = own->state + count;
    for (size_t i = 0; i < (size_t)state_count(&u); i++)
        own->state[i] = f64_at(state + 8 * i);
    ((own_update **)l->t.given.items)[l->t.given.count++] = own;
    return MG_OK;
}

static int updates_load(loader *l, reader *r)
{
    MG_RETURN_IF(l->file.updates > r->size / 64, MG_ERR_FILE);
    MG_RETURN_IF(l->file.words > r->size / 4, MG_ERR_FILE);
    MG_TRY(list_reserve(l->arena, &l->t.given, l->file.updates, sizeof(own_update *)));
    for (uint32_t u = 0; u < l->file.updates; u++) MG_TRY(update_load(l, r));
    return MG_OK;
}

/* Find the parts of a file, and make its updates. */
static int parts_find(loader *l, reader *r)
{
    numbers_file *f = &l->file;
    file_header h;
    MG_TRY(header_take(r, FILE_NUMBERS, &h));
    *f = (numbers_file){.flags = h.flags, .constants = h.counts[0]};
    f->inputs = h.counts[1];
    f->nodes = h.counts[2], f->updates = h.counts[3], f->ops = h.counts[4];
    f->words = h.counts[5], f->outputs = h.counts[6], f->loss = h.counts[7];
    f->names_size = h.counts[8];
    f->constant = take(r, f->constants, 8);
    f->input = take(r, f->inputs, 8);
    f->node = take(r, f->nodes, 16);
    MG_RETURN_IF(r->failed || h.counts[9], MG_ERR_FILE);
    MG_TRY(updates_load(l, r));
    f->op = take(r, f->ops, FILE_OP);
    f->word = take(r, f->words, 4);
    f->output = take(r, f->outputs, 4);
    f->name = take(r, f->names_size, 1);
    MG_RETURN_IF(r->failed || r->at != r->size, MG_ERR_FILE);
    return names_are_whole(f->name, f->names_size, f->nodes) ? MG_OK : MG_ERR_FILE;
}

/* ---- values ------------------------------------------------------------------------ */

static void value_add(loader *l, uint32_t number)
{
    l->numbers[l->value_count++] = number;
}

/* Return the operation that a value is, 0: there is none so far. The gradient that a node
 * has when a run begins is one when it is asked for. */
static uint32_t operation_of(loader *l, uint32_t value)
{
    const numbers_file *f = &l->file;
    const uint64_t data = (uint64_t)f->constants + f->inputs, gradients = data + f->nodes;
    if (value >= l->value_count) return 0;
    if (l->numbers[value] || value < gradients) return l->numbers[value];
    l->numbers[value] = node_input(&l->t, (size_t)(value - gradients), true);
    return l->numbers[value];
}

static int node_load(loader *l, uint32_t i)
{
    uint32_t made;
    const uint8_t *from = l->file.node + 16 * (size_t)i;
    MG_TRY(node_make(l->arena, MG_LEAF, 0, 0, f64_at(from), &made));
    node_at(l->arena, made)->gradient = f64_at(from + 8);
    l->made[i] = handle_retain(l->arena, made);
    MG_TRY(outer_add(&l->t, l->made[i], true));
    value_add(l, ((outer_node *)l->t.nodes.items)[i].data);
    return l->t.status;
}

/* Take in what is known when a run begins. */
static int values_load(loader *l)
{
    const numbers_file *f = &l->file;
    for (uint32_t i = 0; i < f->constants; i++)
        value_add(l, constant(&l->t, f64_at(f->constant + 8 * (size_t)i)));
    for (uint32_t i = 0; i < f->inputs; i++) {
        operation o = {CODE_ARGUMENT, i, 0, 0, {.number = 0.0}};
        value_add(l, operation_add(&l->t, o));
    }
    l->t.arguments = f->inputs;
    MG_TRY(l->t.status);
    for (uint32_t i = 0; i < f->nodes; i++) MG_TRY(node_load(l, i));
    for (uint32_t i = 0; i < f->nodes; i++) value_add(l, 0);
    return MG_OK;
}

/* ---- the list ---------------------------------------------------------------------- */

/* Compute something of values[]. */
static int operation_load(loader *l, uint32_t code, const uint8_t *words)
{
    const uint32_t count = code_operands(code);
    uint32_t numbers[4] = {0};
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = operation_of(l, u32_at(words + 4 * (size_t)i));
        MG_TRY(l->t.status);
        MG_RETURN_IF(!numbers[i], MG_ERR_FILE);
    }
    const bool has_four = code_has_four(code);
    const uint32_t of_value = count - (has_four ? 2 : 0);
    operation o = {code, numbers[0], of_value > 1 ? numbers[1] : 0, 0, {.number = 0.0}};
    if (has_four) o.y = numbers[of_value], o.g = numbers[of_value + 1];
    const bool takes_number = code < CODE_PICK && code / 3 == MG_POW_NUMBER;
    MG_RETURN_IF(takes_number && operation_at(&l->t, o.b)->code != CODE_CONSTANT,
                 MG_ERR_FILE);
    value_add(l, operation_add(&l->t, o));
    return l->t.status;
}

static int write_load(loader *l, bool is_gradient, const uint8_t *words)
{
    const uint32_t place = u32_at(words), value = operation_of(l, u32_at(words + 4));
    MG_TRY(l->t.status);
    MG_RETURN_IF(place >= l->file.nodes || !value, MG_ERR_FILE);
    return write_add(&l->t, (outer_node *)l->t.nodes.items + place, is_gradient, value);
}

/* Begin the next update. */
static int update_begin_load(loader *l, update_at **made)
{
    const mg_number_update *of = ((mg_number_update **)l->t.given.items)[l->update];
    const size_t size = 3 * (size_t)of->count * sizeof(uint32_t);
    MG_TRY(list_reserve(l->arena, &l->t.updates, 1, sizeof(update_at)));
    uint32_t *nodes = arena_allocate(l->arena, NULL, 0, size);
    MG_RETURN_IF(!nodes && size, MG_ERR_NOMEM);
    if (size) memset(nodes, 0, size);
    *made = (update_at *)l->t.updates.items + l->t.updates.count++;
    **made = (update_at){0, (uint32_t)of->count, nodes};
    return MG_OK;
}

/* Make the next update of `count` parameters: words are its number, what their data are,
 * and their gradients. */
static int update_do(loader *l, const uint8_t *words, uint64_t left)
{
    update_at *of;
    MG_RETURN_IF(l->update >= l->file.updates || u32_at(words) != l->update, MG_ERR_FILE);
    MG_TRY(update_begin_load(l, &of));
    MG_RETURN_IF(2 * (uint64_t)of->count > left, MG_ERR_FILE);
    for (uint32_t i = 0; i < 2 * of->count; i++) {
        const uint32_t number = operation_of(l, u32_at(words + 4 + 4 * (size_t)i));
        MG_TRY(l->t.status);
        MG_RETURN_IF(!number, MG_ERR_FILE);
        of->nodes[of->count + i] = number;
    }
    of->at = (uint32_t)l->t.operations.count;
    for (uint32_t i = 0; i < of->count; i++) {
        operation moved = {CODE_UPDATED, l->update, i, 0, {.number = 0.0}};
        value_add(l, operation_add(&l->t, moved));
    }
    l->update++;
    return l->t.status;
}

/* Take in what is done next; *at is the number of its first word. */
static int word_load(loader *l, uint32_t *at)
{
    const numbers_file *f = &l->file;
    const uint32_t op = u32_at(f->word + 4 * (size_t)*at), left = f->words - *at - 1;
    MG_RETURN_IF(op >= f->ops, MG_ERR_FILE);
    const uint32_t code = l->codes[op];
    const uint32_t count = code_words(code);
    MG_RETURN_IF(count > left, MG_ERR_FILE);
    const uint8_t *words = f->word + 4 * ((size_t)*at + 1);
    *at += 1 + count;
    if (code < DO_SET_DATA) return operation_load(l, code, words);
    if (code != DO_UPDATE) return write_load(l, code == DO_SET_GRADIENT, words);
    const uint32_t update = l->update;
    MG_TRY(update_do(l, words, left - 1));
    *at += 2 * ((const update_at *)l->t.updates.items)[update].count;
    return MG_OK;
}

static int words_load(loader *l)
{
    for (uint32_t at = 0; at < l->file.words;) {
        MG_TRY(word_load(l, &at));
        if (!work_steps(l->file.words - at, 1 << 14)) return MG_ERR_INTERRUPTED;
    }
    return l->update == l->file.updates ? MG_OK : MG_ERR_FILE;
}

static int outputs_load(loader *l)
{
    const numbers_file *f = &l->file;
    trace *t = &l->t;
    MG_TRY(list_reserve(l->arena, &t->outputs, f->outputs, sizeof(uint32_t)));
    for (uint32_t i = 0; i < f->outputs; i++) {
        const uint32_t number = operation_of(l, u32_at(f->output + 4 * (size_t)i));
        MG_TRY(t->status);
        MG_RETURN_IF(!number, MG_ERR_FILE);
        ((uint32_t *)t->outputs.items)[t->outputs.count++] = number;
    }
    if (f->loss != UINT32_MAX) t->loss = operation_of(l, f->loss);
    MG_TRY(t->status);
    return f->loss == UINT32_MAX || t->loss ? MG_OK : MG_ERR_FILE;
}

/* ---- the program ------------------------------------------------------------------- */

/* Take memory for what the parts say. */
static int loader_open(loader *l)
{
    const numbers_file *f = &l->file;
    const size_t values = (size_t)f->constants + f->inputs + 2 * (size_t)f->nodes;
    l->value_room = values + f->words;
    const size_t size = (l->value_room + f->ops) * sizeof(uint32_t);
    MG_RETURN_IF(l->value_room >= UINT32_MAX / 2, MG_ERR_LIMIT);
    l->numbers = arena_allocate(l->arena, NULL, 0, size);
    l->made = arena_allocate(l->arena, NULL, 0, f->nodes * sizeof(mg_node));
    if (l->made) memset(l->made, 0, f->nodes * sizeof(mg_node));
    MG_RETURN_IF((!l->numbers && size) || (!l->made && f->nodes), MG_ERR_NOMEM);
    l->codes = l->numbers + l->value_room;
    for (uint32_t i = 0; i < f->ops; i++) {
        const int64_t code = code_of(f->op + FILE_OP * (size_t)i);
        MG_RETURN_IF(code < 0, (int)code);
        l->codes[i] = (uint32_t)code;
    }
    return MG_OK;
}

static void loader_close(loader *l)
{
    const numbers_file *f = &l->file;
    for (uint32_t i = 0; l->made && i < f->nodes; i++) {
        if (!l->made[i]) continue;
        slot_at(l->arena, index_of(l->made[i]))->handles--;
        node_release(l->arena, index_of(l->made[i]));
    }
    if (l->numbers)
        arena_allocate(l->arena, l->numbers,
                       (l->value_room + f->ops) * sizeof(uint32_t), 0);
    if (l->made) arena_allocate(l->arena, l->made, f->nodes * sizeof(mg_node), 0);
    own_updates_free(l->arena, &l->t.given);
    trace_free(&l->t);
}

static int names_keep(struct mg_script *s, const numbers_file *f)
{
    if (!f->names_size) return MG_OK;
    s->names = arena_allocate(s->arena, NULL, 0, f->names_size);
    MG_RETURN_IF(!s->names, MG_ERR_NOMEM);
    s->names_size = f->names_size;
    memcpy(s->names, f->name, f->names_size);
    return MG_OK;
}

/* Make the program of what was taken in. */
static int loaded_make(loader *l, struct mg_script **made)
{
    const numbers_file *f = &l->file;
    struct mg_script *s;
    MG_TRY(script_make(&l->t, 0, &s));
    const int status = names_keep(s, f);
    if (status < 0) {
        script_free(s);
        return status;
    }
    for (uint32_t i = 0; i < f->inputs; i++)
        ((double *)s->slots.items)[s->inputs + i] = f64_at(f->input + 8 * (size_t)i);
    s->is_portable = (f->flags & FILE_PORTABLE) != 0;
    s->owns_updates = true;
    l->t.given.count = 0; /* they are the program's now */
    *made = s;
    return MG_OK;
}

static int script_load(loader *l, reader *r, struct mg_script **made)
{
    MG_RETURN_IF(l->arena->log, MG_ERR_BUSY);
    MG_TRY(trace_begin(&l->t, l->arena));
    MG_TRY(parts_find(l, r));
    MG_TRY(loader_open(l));
    MG_TRY(values_load(l));
    MG_TRY(words_load(l));
    MG_TRY(outputs_load(l));
    return loaded_make(l, made);
}

int mg_script_load(mg_arena *arena, const void *from, size_t size, mg_script **made)
{
    loader l = {.arena = arena, .t = {.arena = arena}};
    reader r = {from, size, 0, false};
    *made = NULL;
    MG_TRY(arena_enter(arena));
    lasting_begin(arena);
    const uint64_t mode = mode_enter();
    int status = script_load(&l, &r, made);
    loader_close(&l);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}
