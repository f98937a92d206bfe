/* tape_save.c: writing a program of arrays to a file: what story.c noted, and what
 * arrays, generators and updates hold now. */
#include "programs/file.h"
#include "programs/programs.h"

static const char *const event_names[] = {"constant", "in_place", "gradient",
                                          "set_gradient", "backward", "update", "random",
                                          "require", "requires_grad", "grad", "arrived",
                                          "contribute", "resume"};

/* Return the name of an op, or of another event. */
const char *story_name(uint32_t op)
{
    return op < MG_OP_COUNT ? mg_op_name((int)op) : event_names[op - MG_OP_COUNT];
}

/* Return how many words an event has, of which `left` are there; 0: too few. */
size_t story_length(uint32_t op, const uint32_t *words, size_t left)
{
    static const size_t lengths[] = {2, 5, 2, 3, 2, 2, 12, 3, 3, 3, 2, 3, 1};
    const size_t length = op < STORY_CONSTANT ? 6 : lengths[op - STORY_CONSTANT];
    uint64_t more = 0;
    if (left < length) return 0;
    if (op < STORY_CONSTANT) more = words[1] + 2 * ((uint64_t)words[2] + words[3]);
    else if (op == STORY_BACKWARD) more = 2 * (uint64_t)words[1];
    else if (op == STORY_GRAD) more = 2 * (uint64_t)words[1] + words[2];
    return more <= left - length ? length + (size_t)more : 0;
}

/* ---- arrays ------------------------------------------------------------------------ */

typedef struct tape_saver {
    tape *t;
    writer out;
    uint32_t *nodes; /* (room) of all arrays of the file */
    size_t node_count, room;
    uint32_t ops[STORY_COUNT]; /* numbers in the file, NO_ARRAY: none yet */
    uint32_t used[STORY_COUNT];
    uint32_t op_count;
} tape_saver;

static uint32_t array_number(tape_saver *v, uint32_t index)
{
    for (size_t i = 0; i < v->node_count; i++)
        if (v->nodes[i] == index) return (uint32_t)i;
    v->nodes[v->node_count] = index;
    return (uint32_t)v->node_count++;
}

static const tape_update *told_update(const tape *t, size_t i)
{
    return &((const tape_entry *)t->story.updates.items[i])->update;
}

/* Number the arrays of an update. */
static void update_number(tape_saver *v, const tape_update *u)
{
    int numbers, scalars, arrays;
    update_sizes(u->update, &numbers, &scalars, &arrays);
    for (int64_t g = 0; g < u->group_count; g++) {
        const mg_update_group *of = &u->groups[g];
        for (int64_t i = 0; i < of->count; i++)
            array_number(v, index_of(of->parameters[i]));
        for (int64_t i = 0; of->arrays && i < arrays * of->count; i++)
            if (of->arrays[i]) array_number(v, index_of(of->arrays[i]));
    }
}

/* Number all arrays: those of the story first, as it numbers them. */
static int arrays_number(tape_saver *v)
{
    const story *s = &v->t->story;
    int numbers, scalars, arrays;
    v->room = s->arrays.count + 1;
    for (size_t i = 0; i < s->updates.count; i++) {
        const tape_update *u = told_update(v->t, i);
        update_sizes(u->update, &numbers, &scalars, &arrays);
        v->room += (size_t)parameter_count(u->group_count, u->groups) * (size_t)(1 + arrays);
    }
    v->nodes = arena_allocate(v->t->arena, NULL, 0, v->room * sizeof(uint32_t));
    MG_RETURN_IF(!v->nodes, MG_ERR_NOMEM);
    for (size_t i = 0; i < s->arrays.count; i++)
        v->nodes[v->node_count++] = ((const storage *)s->arrays.items[i])->node;
    for (size_t i = 0; i < s->updates.count; i++) update_number(v, told_update(v->t, i));
    return MG_OK;
}

static void shape_put(writer *w, int dtype, int rank, const int64_t *shape,
                      unsigned flags)
{
    put_u32(w, (uint64_t)dtype);
    put_u32(w, (uint64_t)rank);
    put_u32(w, flags);
    put_u32(w, 0);
    for (int d = 0; d < rank; d++) put_u64(w, (uint64_t)shape[d], 8);
}

/* Write the elements of an array, row-major. */
static void elements_put(writer *w, const array *a)
{
    array to = *a;
    const size_t size = (size_t)a->count * dtype_sizes[a->dtype];
    if (w->to) {
        to.data = (char *)w->to + w->at;
        array_set_shape(&to, a->rank, a->shape, NULL);
        if (a->contiguous) memcpy(to.data, a->data, size);
        else map_copy(a, &to);
    }
    w->at += size;
}

/* Elements lie at whole multiples of 8 bytes. */
static void padding_put(writer *w)
{
    while (w->at % 8) put_u64(w, 0, 1);
}

static void arrays_put(tape_saver *v)
{
    mg_arena *arena = v->t->arena;
    for (size_t i = 0; i < v->node_count; i++) {
        const node *n = node_at(arena, v->nodes[i]);
        const array *a = n->array;
        const uint32_t gradient = n->gradient_node;
        const unsigned requires = (n->bits & REQUIRES) != 0;
        shape_put(&v->out, a->dtype, a->rank, a->shape, requires | (gradient ? 2u : 0u));
        elements_put(&v->out, a);
        padding_put(&v->out);
        if (gradient) elements_put(&v->out, array_at(arena, gradient));
        padding_put(&v->out);
    }
    for (size_t i = 0; i < v->t->story.constants.count; i++) {
        const story_array *a = v->t->story.constants.items[i];
        shape_put(&v->out, a->dtype, a->rank, a->shape, 0);
        put_bytes(&v->out, a->data, a->bytes);
        padding_put(&v->out);
    }
}

/* ---- generators and updates -------------------------------------------------------- */

static void generators_put(tape_saver *v)
{
    for (size_t i = 0; i < v->t->story.generators.count; i++) {
        const mg_rng *rng = v->t->story.generators.items[i];
        put_u64(&v->out, rng->state, 8);
        put_f64(&v->out, rng->spare);
        put_u64(&v->out, rng->has_spare != 0, 8);
    }
}

static void group_put(tape_saver *v, const mg_update_group *of, int numbers, int scalars,
                      int arrays)
{
    writer *w = &v->out;
    put_u32(w, (uint64_t)of->count);
    put_u32(w, of->arrays != NULL);
    for (int i = 0; i < numbers; i++) put_f64(w, of->numbers[i]);
    for (int64_t i = 0; i < of->count; i++) put_u64(w, (uint64_t)of->steps[i], 8);
    for (int64_t i = 0; i < scalars * of->count; i++) put_f64(w, of->scalars[i]);
    for (int64_t i = 0; i < of->count; i++)
        put_u32(w, array_number(v, index_of(of->parameters[i])));
    for (int64_t i = 0; of->arrays && i < arrays * of->count; i++)
        put_u32(w, of->arrays[i] ? array_number(v, index_of(of->arrays[i])) : NO_ARRAY);
    padding_put(w);
}

static void told_updates_put(tape_saver *v)
{
    int numbers, scalars, arrays;
    for (size_t i = 0; i < v->t->story.updates.count; i++) {
        const tape_update *u = told_update(v->t, i);
        update_sizes(u->update, &numbers, &scalars, &arrays);
        put_name(&v->out, mg_update_name(u->update));
        put_u64(&v->out, (uint64_t)u->group_count, 8);
        for (int64_t g = 0; g < u->group_count; g++)
            group_put(v, &u->groups[g], numbers, scalars, arrays);
    }
}

/* ---- words ------------------------------------------------------------------------- */

static uint32_t op_number(tape_saver *v, uint32_t op)
{
    if (v->ops[op] == NO_ARRAY) {
        v->used[v->op_count] = op;
        v->ops[op] = v->op_count++;
    }
    return v->ops[op];
}

static void words_put(tape_saver *v)
{
    const story *s = &v->t->story;
    for (size_t at = 0; at < s->word_count;) {
        const uint32_t *words = s->words + at, op = words[0];
        const size_t length = story_length(op, words, s->word_count - at);
        for (size_t i = 0; i < length; i++) {
            const bool is_op = i == 0 || (i == 1 && op == STORY_IN_PLACE);
            put_u32(&v->out, is_op ? op_number(v, words[i]) : words[i]);
        }
        at += length;
    }
}

/* Return the array of the file that an input is; NO_ARRAY: nothing uses it. */
static uint32_t input_number(const tape *t, int64_t which)
{
    const storage *m = t->inputs[which];
    for (size_t i = 0; i < t->story.arrays.count; i++)
        if (t->story.arrays.items[i] == m) return (uint32_t)i;
    return NO_ARRAY;
}

static size_t array_names_put(const tape_saver *v, writer *w, const char *const *names)
{
    const size_t before = w->at;
    for (size_t i = 0; i < v->node_count; i++) {
        const char *name = names && names[i] ? names[i] : "";
        put_bytes(w, name, strlen(name) + 1);
    }
    return w->at - before;
}

static void tape_file_put(tape_saver *v, const char *const *names, size_t names_size)
{
    const tape *t = v->t;
    const story *s = &t->story;
    const size_t counts[] = {v->node_count,     s->constants.count, s->generators.count,
                             s->updates.count,  v->op_count,        s->word_count,
                             (size_t)t->input_count, (size_t)t->output_count, names_size};
    file_header header = {.kind = FILE_ARRAYS};
    for (int i = 0; i < 9; i++) header.counts[i] = (uint32_t)counts[i];
    header_put(&v->out, &header);
    arrays_put(v);
    generators_put(v);
    told_updates_put(v);
    for (uint32_t i = 0; i < v->op_count; i++) {
        put_name(&v->out, story_name(v->used[i]));
        put_u64(&v->out, 0, 8);
    }
    words_put(v);
    for (int64_t i = 0; i < t->input_count; i++) put_u32(&v->out, input_number(t, i));
    for (int64_t i = 0; i < t->output_count; i++) put_u32(&v->out, s->outputs[i]);
    array_names_put(v, &v->out, names);
    file_seal(&v->out);
}

static int64_t tape_save(tape_saver *v, const char *const *names, size_t size, void *to)
{
    writer counted = {NULL, 0};
    for (int i = 0; i < STORY_COUNT; i++) v->ops[i] = NO_ARRAY;
    MG_TRY(arrays_number(v));
    const size_t names_size = array_names_put(v, &counted, names);
    MG_RETURN_IF(names_size > UINT32_MAX || v->t->story.word_count > UINT32_MAX / 4,
                 MG_ERR_LIMIT);
    words_put(v); /* which finds the ops */
    v->out.at = 0;
    tape_file_put(v, names, names_size);
    const size_t needed = v->out.at;
    if (needed > size || !to) return (int64_t)needed;
    v->out = (writer){to, 0};
    tape_file_put(v, names, names_size);
    return (int64_t)needed;
}

/* Tell whether two updates do the same to the same arrays. */
static bool updates_alike(const tape_update *a, const tape_update *b)
{
    int numbers, scalars, arrays;
    if (a->update != b->update || a->group_count != b->group_count) return false;
    update_sizes(a->update, &numbers, &scalars, &arrays);
    for (int64_t g = 0; g < a->group_count; g++) {
        const mg_update_group *x = &a->groups[g], *y = &b->groups[g];
        const size_t size = (size_t)x->count * sizeof(mg_node);
        if (x->count != y->count || !x->arrays != !y->arrays) return false;
        if (memcmp(x->numbers, y->numbers, (size_t)numbers * sizeof(double))) return false;
        if (size && memcmp(x->parameters, y->parameters, size)) return false;
        if (size && x->arrays && memcmp(x->arrays, y->arrays, (size_t)arrays * size))
            return false;
    }
    return true;
}

/* Tell whether each update that was made again is still the same as before. */
static bool updates_repeat(const tape *t)
{
    for (size_t i = 0; i < t->updates.count; i++) {
        const tape_update *u = &((const tape_entry *)t->updates.items[i])->update;
        for (size_t k = 0; u->group_count && k < t->story.updates.count; k++) {
            const tape_update *told = told_update(t, k);
            const bool same = told->group_count &&
                              told->groups[0].steps == u->groups[0].steps;
            if (same && !updates_alike(u, told)) return false;
        }
    }
    return true;
}

const char *mg_program_unsaved(mg_program *program)
{
    if (program->story.refused) return program->story.refused;
    if (updates_repeat(program)) return NULL;
    return "an optimizer makes steps with different options in it";
}

int64_t mg_program_save(mg_program *program, const char *const *names, size_t size,
                        void *to)
{
    mg_arena *arena = program->arena;
    tape_saver v = {.t = program};
    MG_RETURN_IF(mg_program_unsaved(program), MG_ERR_RECORDED);
    arena_lock(arena);
    int64_t status = program_fits(program);
    if (status != MG_OK) status = MG_ERR_GRADIENT;
    if (status == MG_OK) status = tape_save(&v, names, size, to);
    if (v.nodes) arena_allocate(arena, v.nodes, v.room * sizeof(uint32_t), 0);
    arena_unlock(arena);
    return status;
}

int64_t mg_program_arrays(mg_program *program, int64_t count, mg_node *out)
{
    mg_arena *arena = program->arena;
    tape_saver v = {.t = program};
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    arena_lock(arena);
    int64_t status = arrays_number(&v);
    for (int64_t i = 0; status == MG_OK && i < count && i < (int64_t)v.node_count; i++)
        out[i] = (mg_node)((uint64_t)slot_at(arena, v.nodes[i])->generation << 32 |
                           v.nodes[i]);
    if (v.nodes) arena_allocate(arena, v.nodes, v.room * sizeof(uint32_t), 0);
    arena_unlock(arena);
    return status < 0 ? status : (int64_t)v.node_count;
}
