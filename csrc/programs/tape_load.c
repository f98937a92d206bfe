/* tape_load.c: making a program of arrays of a file.
 *
 * What the file tells is done once, by the calls of micrograd.h, while it is recorded:
 * so each shape, type, index and op is checked as it is for every caller. Then arrays,
 * gradients, generators and counts are set to what the file says, as if nothing had been
 * done. Counts and numbers of values are checked here, before they are used. */
#include "programs/file.h"
#include "programs/programs.h"

typedef struct array_part {
    int dtype, rank;
    unsigned flags;
    int64_t shape[MG_MAX_RANK];
    const uint8_t *data, *gradient;
    size_t bytes;
} array_part;

typedef struct update_part {
    int update;
    int64_t group_count;
    mg_update_group *groups;
} update_part;

typedef struct arrays_file {
    uint32_t arrays, constants, generators, updates, ops, words, inputs, outputs;
    uint32_t names_size;
    array_part *array; /* (arrays + constants) */
    mg_rng *generator, *generator_now;
    update_part *update;
    const uint8_t *op, *word, *input, *output, *name;
} arrays_file;

/* A backward, or a grad, that has stopped at a function. */
typedef struct open_sweep {
    mg_sweep *sweep;
    uint32_t input_count; /* of a grad, else 0 */
} open_sweep;

typedef struct tape_loader {
    mg_arena *arena;
    tape_own *own;
    arrays_file file;
    uint32_t *ops;   /* (ops) */
    mg_node *values; /* (words) handles; 0: it was used for the last time */
    uint32_t *words; /* (file.words), the numbers of ops in place of those of the table */
    uint32_t *last;  /* (words) of each value the event that uses it last; 0: none does */
    mg_node unused; /* stands for inputs that nothing uses */
    size_t value_count;
    open_sweep *sweeps; /* (STORY_SWEEPS), the innermost last */
    int sweep_count;
    reader r;
} tape_loader;

/* ---- memory ------------------------------------------------------------------------ */

/* Allocate zeros that live as long as the program. */
static void *own_memory(tape_loader *l, uint64_t count, size_t size)
{
    if (count > SIZE_MAX / 2 / size) return NULL;
    arena_lock(l->arena);
    void *made = room_take(l->arena, &l->own->room, (size_t)count * size);
    arena_unlock(l->arena);
    return made;
}

/* ---- parts ------------------------------------------------------------------------- */

/* Skip what fills up to whole multiples of 8 bytes, which is zeros. */
static int padding_take(reader *r)
{
    while (r->at % 8) {
        const uint8_t *zero = take(r, 1, 1);
        MG_RETURN_IF(!zero || *zero, MG_ERR_FILE);
    }
    return MG_OK;
}

static int elements_take(reader *r, const array_part *of, const uint8_t **data)
{
    *data = take(r, of->bytes, 1);
    MG_RETURN_IF(!*data, MG_ERR_FILE);
    for (size_t i = 0; of->dtype == MG_BOOL && i < of->bytes; i++)
        MG_RETURN_IF((*data)[i] > 1, MG_ERR_FILE);
    return padding_take(r);
}

static int array_take(reader *r, array_part *of, unsigned most_flags)
{
    const uint8_t *from = take(r, 16, 1);
    MG_RETURN_IF(!from || u32_at(from) >= MG_DTYPE_COUNT, MG_ERR_FILE);
    MG_RETURN_IF(u32_at(from + 4) > MG_MAX_RANK, MG_ERR_FILE);
    MG_RETURN_IF(u32_at(from + 8) > most_flags || u32_at(from + 12), MG_ERR_FILE);
    of->dtype = (int)u32_at(from), of->rank = (int)u32_at(from + 4);
    of->flags = u32_at(from + 8);
    from = take(r, (uint64_t)of->rank, 8);
    MG_RETURN_IF(!from, MG_ERR_FILE);
    uint64_t count = 1;
    bool is_empty = false;
    for (int d = 0; d < of->rank; d++) {
        const uint64_t size = u64_at(from + 8 * (size_t)d);
        MG_RETURN_IF(size > INT64_MAX / 16, MG_ERR_FILE);
        of->shape[d] = (int64_t)size;
        is_empty |= size == 0;
        if (size && count <= r->size) count *= size < r->size + 1 ? size : r->size + 1;
    }
    const size_t most = r->size / dtype_sizes[of->dtype];
    MG_RETURN_IF(!is_empty && count > most, MG_ERR_FILE);
    of->bytes = is_empty ? 0 : (size_t)count * dtype_sizes[of->dtype];
    MG_TRY(elements_take(r, of, &of->data));
    return of->flags & 2 ? elements_take(r, of, &of->gradient) : MG_OK;
}

static int generator_take(reader *r, mg_rng *made)
{
    const uint8_t *from = take(r, 24, 1);
    MG_RETURN_IF(!from || !u64_at(from) || u64_at(from + 16) > 1, MG_ERR_FILE);
    *made = (mg_rng){u64_at(from), f64_at(from + 8), (int)u64_at(from + 16)};
    return MG_OK;
}

static double *numbers_take(tape_loader *l, uint64_t count)
{
    const uint8_t *from = take(&l->r, count, 8);
    double *made = from ? own_memory(l, count, sizeof *made) : NULL;
    for (uint64_t i = 0; made && i < count; i++) made[i] = f64_at(from + 8 * i);
    return made;
}

/* Tell whether a parameter and what is remembered of it are different arrays. */
static bool are_different(const mg_update_group *of, int64_t i, int arrays)
{
    for (int k = 0; of->arrays && k < arrays; k++) {
        const mg_node one = of->arrays[k * of->count + i];
        if (one && one == of->parameters[i]) return false;
        for (int other = 0; one && other < k; other++)
            if (one == of->arrays[other * of->count + i]) return false;
    }
    return true;
}

/* Read numbers of arrays as their nodes. */
static const mg_node *nodes_take(tape_loader *l, uint64_t count, bool may_be_none)
{
    const uint8_t *from = take(&l->r, count, 4);
    mg_node *made = from ? own_memory(l, count, sizeof *made) : NULL;
    for (uint64_t i = 0; made && i < count; i++) {
        const uint32_t which = u32_at(from + 4 * i);
        if (which < l->file.arrays) made[i] = l->own->arrays[which];
        else if (which != NO_ARRAY || !may_be_none) l->r.failed = true;
    }
    return made;
}

static int group_take(tape_loader *l, int update, mg_update_group *of)
{
    int numbers, scalars, arrays;
    const uint8_t *from = take(&l->r, 8, 1);
    MG_RETURN_IF(!from || u32_at(from + 4) > 1, MG_ERR_FILE);
    update_sizes(update, &numbers, &scalars, &arrays);
    const uint64_t count = u32_at(from);
    const bool has_arrays = u32_at(from + 4);
    MG_RETURN_IF(count > l->r.size, MG_ERR_FILE);
    of->count = (int64_t)count;
    of->numbers = numbers_take(l, (uint64_t)numbers);
    const uint8_t *steps = take(&l->r, count, 8);
    of->steps = steps ? own_memory(l, count, sizeof(int64_t)) : NULL;
    for (uint64_t i = 0; of->steps && i < count; i++) {
        of->steps[i] = (int64_t)u64_at(steps + 8 * i);
        if (of->steps[i] < 0 || of->steps[i] > INT64_MAX / 2) l->r.failed = true;
    }
    if (scalars) of->scalars = numbers_take(l, (uint64_t)scalars * count);
    of->parameters = nodes_take(l, count, false);
    if (has_arrays) of->arrays = nodes_take(l, (uint64_t)arrays * count, true);
    MG_RETURN_IF(l->r.failed, MG_ERR_FILE);
    const bool is_whole = of->numbers && of->steps && of->parameters &&
                          (of->scalars || !scalars) && (of->arrays || !has_arrays);
    MG_RETURN_IF(!is_whole, MG_ERR_NOMEM);
    for (int64_t i = 0; i < of->count; i++)
        MG_RETURN_IF(!are_different(of, i, arrays), MG_ERR_FILE);
    return padding_take(&l->r);
}

static int update_named(const uint8_t *name)
{
    for (int i = 0; i < MG_UPDATE_COUNT; i++)
        if (name_is(name, mg_update_name(i))) return i;
    return -1;
}

static int update_part_take(tape_loader *l, update_part *of)
{
    const uint8_t *from = take(&l->r, 32, 1);
    MG_RETURN_IF(!from, MG_ERR_FILE);
    of->update = update_named(from);
    const uint64_t groups = u64_at(from + 24);
    MG_RETURN_IF(of->update < 0 || groups > l->r.size / 8, MG_ERR_FILE);
    of->groups = own_memory(l, groups, sizeof *of->groups);
    MG_RETURN_IF(!of->groups, MG_ERR_NOMEM);
    of->group_count = (int64_t)groups;
    for (uint64_t g = 0; g < groups; g++)
        MG_TRY(group_take(l, of->update, &of->groups[g]));
    return MG_OK;
}

/* ---- arrays ------------------------------------------------------------------------ */

/* Set the gradient of an array to that of the file. */
static int gradient_load(mg_arena *arena, mg_node leaf, const array_part *of)
{
    mg_node made = 0;
    if (of->gradient)
        made = mg_array(arena, of->dtype, of->rank, of->shape, of->gradient);
    MG_TRY((int)(made < 0 ? made : 0));
    int status = mg_set_gradient(arena, leaf, made);
    if (made) mg_release(arena, made);
    return status;
}

static int array_load(tape_loader *l, uint32_t i)
{
    const array_part *of = &l->file.array[i];
    const mg_node made = mg_array(l->arena, of->dtype, of->rank, of->shape, of->data);
    MG_TRY((int)(made < 0 ? made : 0));
    l->own->arrays[i] = made;
    if (of->flags & 1) MG_TRY(mg_require_gradient(l->arena, made, 1));
    return of->gradient ? gradient_load(l->arena, made, of) : MG_OK;
}

static int arrays_load(tape_loader *l)
{
    arrays_file *f = &l->file;
    const uint64_t count = (uint64_t)f->arrays + f->constants;
    MG_RETURN_IF(count > l->r.size / 16, MG_ERR_FILE);
    f->array = own_memory(l, count, sizeof *f->array);
    l->own->arrays = own_memory(l, f->arrays, sizeof(mg_node));
    MG_RETURN_IF(!f->array || !l->own->arrays, MG_ERR_NOMEM);
    l->own->array_count = f->arrays;
    for (uint32_t i = 0; i < count; i++) {
        MG_RETURN_IF(!work_steps(i, TAPE_ASKS), MG_ERR_INTERRUPTED);
        MG_TRY(array_take(&l->r, &f->array[i], i < f->arrays ? 3 : 0));
    }
    for (uint32_t i = 0; i < f->arrays; i++) {
        MG_RETURN_IF(!work_steps(i, TAPE_ASKS), MG_ERR_INTERRUPTED);
        MG_TRY(array_load(l, i));
    }
    return MG_OK;
}

static int op_named(const uint8_t *row)
{
    MG_RETURN_IF(u64_at(row + FILE_NAME), MG_ERR_FILE);
    for (uint32_t op = 1; op < STORY_COUNT; op++) {
        if (name_is(row, story_name(op))) return (int)op;
    }
    return MG_ERR_FILE;
}

/* Read all parts, and make arrays of those that are. */
static int parts_load(tape_loader *l)
{
    arrays_file *f = &l->file;
    file_header h;
    MG_TRY(header_take(&l->r, FILE_ARRAYS, &h));
    MG_RETURN_IF(h.counts[9] || h.flags, MG_ERR_FILE);
    f->arrays = h.counts[0], f->constants = h.counts[1], f->generators = h.counts[2];
    f->updates = h.counts[3], f->ops = h.counts[4], f->words = h.counts[5];
    f->inputs = h.counts[6], f->outputs = h.counts[7], f->names_size = h.counts[8];
    MG_TRY(arrays_load(l));
    MG_RETURN_IF(f->generators > l->r.size / 24, MG_ERR_FILE);
    MG_RETURN_IF(f->updates > l->r.size / 32, MG_ERR_FILE);
    f->generator = own_memory(l, f->generators, sizeof(mg_rng));
    f->update = own_memory(l, f->updates, sizeof(update_part));
    MG_RETURN_IF(!f->generator || !f->update, MG_ERR_NOMEM);
    for (uint32_t i = 0; i < f->generators; i++)
        MG_TRY(generator_take(&l->r, &f->generator[i]));
    for (uint32_t i = 0; i < f->updates; i++) MG_TRY(update_part_take(l, &f->update[i]));
    f->op = take(&l->r, f->ops, FILE_OP);
    f->word = take(&l->r, f->words, 4);
    f->input = take(&l->r, f->inputs, 4);
    f->output = take(&l->r, f->outputs, 4);
    f->name = take(&l->r, f->names_size, 1);
    MG_RETURN_IF(l->r.failed || l->r.at != l->r.size, MG_ERR_FILE);
    return names_are_whole(f->name, f->names_size, f->arrays) ? MG_OK : MG_ERR_FILE;
}

static int tables_make(tape_loader *l)
{
    const arrays_file *f = &l->file;
    char *names = own_memory(l, f->names_size, 1);
    l->ops = own_memory(l, f->ops, sizeof *l->ops);
    l->values = own_memory(l, f->words, sizeof *l->values);
    l->sweeps = own_memory(l, STORY_SWEEPS, sizeof *l->sweeps);
    MG_RETURN_IF(!l->ops || !l->values || !l->sweeps || !names, MG_ERR_NOMEM);
    if (f->names_size) memcpy(names, f->name, f->names_size);
    l->own->names = names;
    for (uint32_t i = 0; i < f->ops; i++) {
        const int op = op_named(f->op + FILE_OP * (size_t)i);
        MG_TRY(op);
        l->ops[i] = (uint32_t)op;
    }
    return MG_OK;
}

/* ---- events ------------------------------------------------------------------------ */

/* Return the array that a value is, borrowed; 0: there is none. */
static mg_node node_of_value(const tape_loader *l, uint32_t value)
{
    if (value < FOUND_VALUE) return value < l->value_count ? l->values[value] : 0;
    const uint32_t which = value - FOUND_VALUE;
    return which < l->file.arrays ? l->own->arrays[which] : 0;
}

static int value_keep(tape_loader *l, mg_node made)
{
    MG_RETURN_IF(made <= 0, made < 0 ? (int)made : MG_ERR_FILE);
    l->values[l->value_count++] = made;
    return MG_OK;
}

static uint64_t pair_of(const uint32_t *words)
{
    return words[0] | (uint64_t)words[1] << 32;
}

static double number_of_pair(const uint32_t *words)
{
    const uint64_t bits = pair_of(words);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Check operands that count as Python numbers: they have no axes, and no gradient. */
static int weak_check(const tape_loader *l, uint32_t op, uint32_t weak, uint32_t count,
                      const mg_node *operands)
{
    mg_array_info info;
    MG_RETURN_IF(!weak, MG_OK);
    MG_RETURN_IF(count > 31 || weak >> count, MG_ERR_FILE);
    MG_RETURN_IF(!is_element_op((int)op) && (op != MG_WHERE || weak & 1), MG_ERR_FILE);
    for (uint32_t i = 0; i < count; i++) {
        if (!(weak >> i & 1)) continue;
        MG_TRY(mg_array_describe(l->arena, operands[i], &info));
        MG_RETURN_IF(info.rank || info.requires_grad, MG_ERR_FILE);
    }
    return MG_OK;
}

enum { FEW_OPERANDS = 64 };

static int call_make(tape_loader *l, const uint32_t *words)
{
    mg_node few[FEW_OPERANDS], *operands = few;
    int64_t integers[MAX_INTEGERS];
    double numbers[MAX_NUMBERS];
    mg_array_info info;
    const uint32_t count = words[1], integer_count = words[2], number_count = words[3];
    const uint32_t how = words[5];
    MG_RETURN_IF(integer_count > MAX_INTEGERS || number_count > MAX_NUMBERS, MG_ERR_FILE);
    MG_RETURN_IF(how > 7, MG_ERR_FILE);
    if (count > FEW_OPERANDS) operands = own_memory(l, count, sizeof *operands);
    MG_RETURN_IF(!operands, MG_ERR_NOMEM);
    const uint32_t *at = words + 6;
    for (uint32_t i = 0; i < count; i++, at++) {
        operands[i] = node_of_value(l, *at);
        MG_RETURN_IF(!operands[i], MG_ERR_FILE);
    }
    MG_TRY(weak_check(l, words[0], words[4], count, operands));
    for (uint32_t i = 0; i < integer_count; i++, at += 2)
        integers[i] = (int64_t)pair_of(at);
    for (uint32_t i = 0; i < number_count; i++, at += 2) numbers[i] = number_of_pair(at);
    const int op = (int)words[0], record = how & STORY_RECORDS;
    const mg_node made =
        how & STORY_OVER
            ? mg_apply_over(l->arena, op, (int)count, operands, (int)integer_count,
                            integers, record)
            : mg_apply(l->arena, op, (int)count, operands, (int)integer_count, integers,
                       (int)number_count, numbers, words[4], record);
    MG_TRY(value_keep(l, made));
    MG_TRY(mg_array_describe(l->arena, made, &info));
    return info.requires_grad == ((how & STORY_REQUIRES) != 0) ? MG_OK : MG_ERR_FILE;
}

static int constant_make(tape_loader *l, uint32_t which)
{
    MG_RETURN_IF(which >= l->file.constants, MG_ERR_FILE);
    const array_part *of = &l->file.array[l->file.arrays + which];
    return value_keep(l, mg_array(l->arena, of->dtype, of->rank, of->shape, of->data));
}

static int in_place_make(tape_loader *l, const uint32_t *words)
{
    const mg_node a = node_of_value(l, words[3]), b = node_of_value(l, words[4]);
    MG_RETURN_IF(words[1] >= l->file.ops || !a, MG_ERR_FILE);
    MG_RETURN_IF(!b && words[4] != NO_ARRAY, MG_ERR_FILE);
    const uint32_t op = l->ops[words[1]];
    MG_RETURN_IF(op >= MG_OP_COUNT, MG_ERR_FILE);
    MG_TRY(weak_check(l, op, words[2], b ? 2 : 1, (mg_node[]){a, b}));
    return mg_apply_in_place(l->arena, (int)op, a, b, words[2]);
}

/* ---- sweeps ------------------------------------------------------------------------ */

/* Return the sweep that has stopped last; NULL: none has. */
static mg_sweep *stopped_sweep(const tape_loader *l)
{
    return l->sweep_count ? l->sweeps[l->sweep_count - 1].sweep : NULL;
}

/* Keep the gradients of a grad's inputs, of those that have one. */
static int gradients_keep(tape_loader *l, const open_sweep *of)
{
    mg_node *made = own_memory(l, of->input_count, sizeof *made);
    MG_RETURN_IF(!made, MG_ERR_NOMEM);
    MG_TRY(mg_sweep_give(of->sweep, made));
    int status = MG_OK;
    for (uint32_t i = 0; i < of->input_count; i++) {
        if (made[i] > 0) l->values[l->value_count++] = made[i];
        if (made[i] < 0) status = (int)made[i];
    }
    return status;
}

/* Let the innermost sweep go on: to the next function, where the file says what is done, or
 * to its end. */
static int sweep_go_on(tape_loader *l)
{
    const open_sweep *of = &l->sweeps[l->sweep_count - 1];
    int status = mg_sweep_run(of->sweep, 0);
    if (status == MG_CALL) return MG_OK;
    if (status == MG_MORE) return MG_ERR_INTERRUPTED; /* it was given up */
    MG_RETURN_IF(status != MG_OK, status < 0 ? status : MG_ERR_FILE);
    if (of->input_count) MG_TRY(gradients_keep(l, of));
    mg_sweep_close(of->sweep);
    l->sweep_count--;
    return MG_OK;
}

static void sweeps_close(tape_loader *l)
{
    while (l->sweep_count) mg_sweep_close(l->sweeps[--l->sweep_count].sweep);
}

/* Find the nodes of values, 0 for none where that may be. */
static int nodes_of_values(const tape_loader *l, uint32_t count, const uint32_t *values,
                           bool may_be_none, mg_node *nodes)
{
    for (uint32_t i = 0; i < count; i++) {
        nodes[i] = node_of_value(l, values[i]);
        const bool is_none = may_be_none && values[i] == NO_ARRAY;
        MG_RETURN_IF(!nodes[i] && !is_none, MG_ERR_FILE);
    }
    return MG_OK;
}

/* Open a backward, or a grad to some inputs, and let it go on. */
static int sweep_make(tape_loader *l, uint32_t count, uint32_t input_count,
                      const uint32_t *values)
{
    mg_node roots[STORY_ROOTS], seeds[STORY_ROOTS], *inputs = NULL;
    open_sweep *of = &l->sweeps[l->sweep_count];
    MG_RETURN_IF(count > STORY_ROOTS || l->sweep_count == STORY_SWEEPS, MG_ERR_FILE);
    if (input_count) inputs = own_memory(l, input_count, sizeof *inputs);
    MG_RETURN_IF(input_count && !inputs, MG_ERR_NOMEM);
    MG_TRY(nodes_of_values(l, count, values, false, roots));
    MG_TRY(nodes_of_values(l, count, values + count, true, seeds));
    MG_TRY(nodes_of_values(l, input_count, values + 2 * (size_t)count, false, inputs));
    MG_TRY(mg_sweep_open(l->arena, count, roots, seeds, input_count, inputs,
                         input_count ? MG_GIVE : MG_ACCUMULATE, &of->sweep));
    of->input_count = input_count;
    l->sweep_count++;
    return sweep_go_on(l);
}

static int grad_make(tape_loader *l, const uint32_t *words)
{
    MG_RETURN_IF(!words[2], MG_ERR_FILE);
    return sweep_make(l, words[1], words[2], words + 3);
}

/* Make a value of the gradient of an output of the function that a sweep has stopped at. */
static int arrived_make(tape_loader *l, uint32_t value)
{
    mg_sweep *s = stopped_sweep(l);
    const mg_node output = node_of_value(l, value);
    MG_RETURN_IF(!s || !output || !sweep_is_at(s, index_of(output)), MG_ERR_FILE);
    return value_keep(l, mg_sweep_gradient(s, output));
}

static int contribute_make(tape_loader *l, const uint32_t *words)
{
    mg_sweep *s = stopped_sweep(l);
    const mg_node gradient = node_of_value(l, words[2]);
    MG_RETURN_IF(!s || !gradient || words[1] > INT32_MAX, MG_ERR_FILE);
    return mg_sweep_contribute(s, (int)words[1], gradient);
}

/* ---- other events ------------------------------------------------------------------ */

static int update_make(tape_loader *l, uint32_t which)
{
    MG_RETURN_IF(which >= l->file.updates, MG_ERR_FILE);
    const update_part *of = &l->file.update[which];
    return mg_array_update(l->arena, of->update, of->group_count, of->groups);
}

static int random_make(tape_loader *l, const uint32_t *words)
{
    mg_array_info info;
    const mg_node drawn = node_of_value(l, words[1]);
    MG_RETURN_IF(!drawn || words[2] >= l->file.generators, MG_ERR_FILE);
    MG_RETURN_IF(words[3] > MG_PERMUTATION, MG_ERR_FILE);
    const int distribution = (int)words[3];
    MG_TRY(mg_array_describe(l->arena, drawn, &info));
    const bool is_whole = distribution >= MG_INTEGERS;
    const bool fits = is_whole ? info.dtype == MG_INT64
                               : info.dtype == MG_FLOAT32 || info.dtype == MG_FLOAT64;
    MG_RETURN_IF(!fits || !info.contiguous, MG_ERR_FILE);
    MG_RETURN_IF(info.operands || info.read_only, MG_ERR_FILE);
    const double a = number_of_pair(words + 4), b = number_of_pair(words + 6);
    const int64_t low = (int64_t)pair_of(words + 8), high = (int64_t)pair_of(words + 10);
    mg_rng *rng = &l->file.generator_now[words[2]];
    int status =
        distribution == MG_INTEGERS
            ? mg_rng_fill_integers(rng, low, high, info.count, info.data)
        : distribution == MG_PERMUTATION
            ? mg_rng_permutation(rng, info.count, info.data)
            : mg_rng_fill(rng, distribution, info.dtype, a, b, info.count, info.data);
    MG_TRY(status);
    array_at(l->arena, index_of(drawn))->buffer->version++;
    return mg_record_random(l->arena, drawn, rng, distribution, a, b, low, high);
}

/* Let a check be made in every run, but not now: it is about what inputs will hold. */
static int require_make(tape_loader *l, const uint32_t *words)
{
    mg_array_info info;
    const mg_node test = node_of_value(l, words[1]);
    MG_RETURN_IF(!test || words[2] > 1, MG_ERR_FILE);
    MG_TRY(mg_array_describe(l->arena, test, &info));
    MG_RETURN_IF(info.dtype != MG_BOOL, MG_ERR_FILE);
    return mg_record_require(l->arena, test, 0, words[2] ? MG_ERR_INDEX : MG_ERR_ARG);
}

static int event_make(tape_loader *l, const uint32_t *words)
{
    mg_node leaf, gradient;
    switch (words[0]) {
    case STORY_CONSTANT: return constant_make(l, words[1]);
    case STORY_IN_PLACE: return in_place_make(l, words);
    case STORY_GRADIENT:
        leaf = node_of_value(l, words[1]);
        return leaf ? value_keep(l, mg_gradient(l->arena, leaf)) : MG_ERR_FILE;
    case STORY_SET_GRADIENT:
        leaf = node_of_value(l, words[1]);
        gradient = node_of_value(l, words[2]);
        MG_RETURN_IF(!leaf || (!gradient && words[2] != NO_ARRAY), MG_ERR_FILE);
        return mg_set_gradient(l->arena, leaf, gradient);
    case STORY_BACKWARD: return sweep_make(l, words[1], 0, words + 2);
    case STORY_UPDATE: return update_make(l, words[1]);
    case STORY_RANDOM: return random_make(l, words);
    case STORY_REQUIRE: return require_make(l, words);
    case STORY_REQUIRES_GRAD:
        leaf = node_of_value(l, words[1]);
        MG_RETURN_IF(!leaf || words[2] > 1, MG_ERR_FILE);
        return mg_require_gradient(l->arena, leaf, (int)words[2]);
    case STORY_GRAD: return grad_make(l, words);
    case STORY_ARRIVED: return arrived_make(l, words[1]);
    case STORY_CONTRIBUTE: return contribute_make(l, words);
    case STORY_RESUME: return stopped_sweep(l) ? sweep_go_on(l) : MG_ERR_FILE;
    default: return call_make(l, words);
    }
}

/* Return the values that an event uses, *count words. */
static const uint32_t *values_used(const uint32_t *words, uint32_t *count)
{
    switch (words[0]) {
    case STORY_CONSTANT:
    case STORY_RESUME:
    case STORY_UPDATE: *count = 0; return words;
    case STORY_IN_PLACE: *count = 2; return words + 3;
    case STORY_SET_GRADIENT: *count = 2; return words + 1;
    case STORY_GRADIENT:
    case STORY_RANDOM:
    case STORY_ARRIVED:
    case STORY_REQUIRES_GRAD:
    case STORY_REQUIRE: *count = 1; return words + 1;
    case STORY_CONTRIBUTE: *count = 1; return words + 2;
    case STORY_BACKWARD: *count = 2 * words[1]; return words + 2;
    case STORY_GRAD: *count = 2 * words[1] + words[2]; return words + 3;
    default: *count = words[1]; return words + 6;
    }
}

/* Read the words, and find where each value is used last: at the end, if it is an
 * output. */
static int words_read(tape_loader *l)
{
    const arrays_file *f = &l->file;
    uint32_t *words = l->words = own_memory(l, f->words, sizeof *words), count;
    l->last = own_memory(l, f->words, sizeof *l->last);
    MG_RETURN_IF(!words || !l->last, MG_ERR_NOMEM);
    for (uint32_t i = 0; i < f->words; i++) words[i] = u32_at(f->word + 4 * (size_t)i);
    for (uint32_t at = 0, number = 0; at < f->words; number++) {
        MG_RETURN_IF(!work_steps(number, TAPE_ASKS), MG_ERR_INTERRUPTED);
        MG_RETURN_IF(words[at] >= f->ops, MG_ERR_FILE);
        words[at] = l->ops[words[at]];
        const size_t length = story_length(words[at], words + at, f->words - at);
        MG_RETURN_IF(!length, MG_ERR_FILE);
        const uint32_t *used = values_used(words + at, &count);
        for (uint32_t i = 0; i < count; i++)
            if (used[i] < f->words) l->last[used[i]] = at;
        at += (uint32_t)length;
    }
    for (uint32_t i = 0; i < f->outputs; i++) {
        const uint32_t value = u32_at(f->output + 4 * (size_t)i);
        if (value < f->words) l->last[value] = NO_ARRAY;
    }
    return MG_OK;
}

static void value_release(tape_loader *l, mg_node value)
{
    arena_lock(l->arena);
    slot_at(l->arena, index_of(value))->handles--;
    node_let_go(l->arena, index_of(value));
    arena_unlock(l->arena);
}

/* Let go of a value that nothing uses after an event: as a view it would be in the way of
 * writes, which it was not when the program was made. */
static void value_leave(tape_loader *l, uint32_t value, uint32_t at)
{
    if (value >= l->value_count || !l->values[value] || l->last[value] > at) return;
    value_release(l, l->values[value]);
    l->values[value] = 0;
}

static int events_make(tape_loader *l)
{
    uint32_t count, number = 0;
    MG_TRY(words_read(l));
    for (uint32_t at = 0; at < l->file.words; number++) {
        MG_RETURN_IF(!work_steps(number, TAPE_ASKS), MG_ERR_INTERRUPTED);
        const uint32_t *words = l->words + at, *used = values_used(words, &count);
        const size_t made = l->value_count;
        MG_TRY(event_make(l, words));
        for (uint32_t i = 0; i < count; i++) value_leave(l, used[i], at);
        for (size_t i = made; i < l->value_count; i++) value_leave(l, (uint32_t)i, at);
        at += (uint32_t)story_length(words[0], words, l->file.words - at);
    }
    return l->sweep_count ? MG_ERR_FILE : MG_OK;
}

/* ---- the program ------------------------------------------------------------------- */

static int recording_close(tape_loader *l, mg_program **made)
{
    const arrays_file *f = &l->file;
    mg_node *inputs = own_memory(l, f->inputs, sizeof *inputs);
    mg_node *outputs = own_memory(l, f->outputs, sizeof *outputs);
    MG_RETURN_IF(!inputs || !outputs, MG_ERR_NOMEM);
    for (uint32_t i = 0; i < f->inputs; i++) {
        const uint32_t which = u32_at(f->input + 4 * (size_t)i);
        MG_RETURN_IF(which >= f->arrays && which != NO_ARRAY, MG_ERR_FILE);
        inputs[i] = which == NO_ARRAY ? l->unused : l->own->arrays[which];
    }
    for (uint32_t i = 0; i < f->outputs; i++) {
        outputs[i] = node_of_value(l, u32_at(f->output + 4 * (size_t)i));
        MG_RETURN_IF(!outputs[i], MG_ERR_FILE);
    }
    return mg_record_close(l->arena, f->inputs, inputs, f->outputs, outputs, made);
}

/* Read the groups of an update again, into the memory that they have. */
static void counts_restore(const update_part *of, const update_part *saved)
{
    int numbers, scalars, arrays;
    update_sizes(of->update, &numbers, &scalars, &arrays);
    for (int64_t g = 0; g < of->group_count; g++) {
        const mg_update_group *to = &of->groups[g], *from = &saved->groups[g];
        const size_t count = (size_t)to->count;
        if (count) memcpy(to->steps, from->steps, count * sizeof(int64_t));
        if (count && scalars)
            memcpy(to->scalars, from->scalars, count * (size_t)scalars * sizeof(double));
    }
}

/* Copy what updates count, before they are made. */
static int counts_keep(tape_loader *l, update_part *saved)
{
    for (uint32_t i = 0; i < l->file.updates; i++) {
        const update_part *of = &l->file.update[i];
        int numbers, scalars, arrays;
        update_sizes(of->update, &numbers, &scalars, &arrays);
        saved[i] = *of;
        saved[i].groups = own_memory(l, (uint64_t)of->group_count, sizeof *of->groups);
        MG_RETURN_IF(!saved[i].groups, MG_ERR_NOMEM);
        for (int64_t g = 0; g < of->group_count; g++) {
            mg_update_group *to = &saved[i].groups[g];
            *to = of->groups[g];
            to->steps = own_memory(l, (uint64_t)to->count, sizeof(int64_t));
            to->scalars =
                own_memory(l, (uint64_t)to->count * (uint64_t)scalars, sizeof(double));
            MG_RETURN_IF(!to->steps || !to->scalars, MG_ERR_NOMEM);
            if (!to->count) continue;
            memcpy(to->steps, of->groups[g].steps, (size_t)to->count * sizeof(int64_t));
            if (scalars)
                memcpy(to->scalars, of->groups[g].scalars,
                       (size_t)to->count * (size_t)scalars * sizeof(double));
        }
    }
    return MG_OK;
}

/* Let everything be as the file says. */
static int state_restore(tape_loader *l, const update_part *saved)
{
    mg_array_info info;
    const arrays_file *f = &l->file;
    for (uint32_t i = 0; i < f->arrays; i++) {
        const array_part *of = &f->array[i];
        MG_RETURN_IF(!work_steps(i, TAPE_ASKS), MG_ERR_INTERRUPTED);
        MG_TRY(mg_array_describe(l->arena, l->own->arrays[i], &info));
        MG_RETURN_IF(!info.contiguous || info.dtype != of->dtype, MG_ERR_FILE);
        if (of->bytes) memcpy(info.data, of->data, of->bytes);
        MG_TRY(gradient_load(l->arena, l->own->arrays[i], of));
    }
    for (uint32_t i = 0; i < f->generators; i++) f->generator_now[i] = f->generator[i];
    for (uint32_t i = 0; i < f->updates; i++) counts_restore(&f->update[i], &saved[i]);
    return MG_OK;
}

/* Do all once, and make a program of it. */
static int story_make(tape_loader *l, mg_program **made)
{
    arrays_file *f = &l->file;
    update_part *saved = own_memory(l, f->updates, sizeof *saved);
    f->generator_now = own_memory(l, f->generators, sizeof(mg_rng));
    MG_RETURN_IF(!saved || !f->generator_now, MG_ERR_NOMEM);
    for (uint32_t i = 0; i < f->generators; i++) f->generator_now[i] = f->generator[i];
    MG_TRY(counts_keep(l, saved));
    l->unused = mg_array(l->arena, MG_FLOAT32, 0, NULL, NULL);
    MG_TRY((int)(l->unused < 0 ? l->unused : 0));
    int status = mg_record_open(l->arena);
    if (status == MG_OK) status = events_make(l);
    if (status == MG_OK) status = recording_close(l, made);
    sweeps_close(l);
    if (status < 0) mg_record_cancel(l->arena);
    for (size_t i = 0; i < l->value_count; i++)
        if (l->values[i]) value_release(l, l->values[i]);
    mg_release(l->arena, l->unused);
    MG_TRY(status);
    MG_RETURN_IF((*made)->story.refused, MG_ERR_FILE); /* no save writes this */
    return state_restore(l, saved);
}

/* What another call refuses is wrong in the file. */
static int file_status(int status)
{
    const bool is_others = status == MG_ERR_NOMEM || status == MG_ERR_INTERRUPTED ||
                           status == MG_ERR_BUSY || status >= 0;
    return is_others ? status : MG_ERR_FILE;
}

int mg_program_load(mg_arena *arena, const void *from, size_t size, mg_program **made)
{
    tape_loader l = {.arena = arena, .r = {from, size, 0, false}};
    *made = NULL;
    MG_RETURN_IF(mg_recording(arena), MG_ERR_BUSY);
    arena_lock(arena);
    l.own = arena_allocate(arena, NULL, 0, sizeof *l.own);
    arena_unlock(arena);
    MG_RETURN_IF(!l.own, MG_ERR_NOMEM);
    memset(l.own, 0, sizeof *l.own);
    mg_program *program = NULL;
    int status = parts_load(&l);
    if (status == MG_OK) status = tables_make(&l);
    if (status == MG_OK) status = story_make(&l, &program);
    if (status == MG_OK) {
        program->own = l.own;
        *made = program;
        return MG_OK;
    }
    mg_program_free(program);
    arena_lock(arena);
    tape_own_free(arena, l.own);
    arena_unlock(arena);
    return file_status(status);
}

mg_node mg_program_input(mg_program *program, int64_t which)
{
    MG_RETURN_IF(which < 0 || which >= program->input_count, MG_ERR_ARG);
    const storage *m = program->inputs[which];
    if (!m) return 0;
    mg_arena *arena = program->arena;
    return (mg_node)((uint64_t)slot_at(arena, m->node)->generation << 32 | m->node);
}

int64_t mg_program_names(mg_program *program, int64_t count, mg_node *out,
                         const char **names)
{
    const tape_own *own = program->own;
    if (!own) return 0;
    const char *name = own->names;
    for (int64_t i = 0; i < count && i < (int64_t)own->array_count; i++) {
        out[i] = own->arrays[i];
        names[i] = name;
        name += strlen(name) + 1;
    }
    return (int64_t)own->array_count;
}
