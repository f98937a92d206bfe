/* entries.c: what programs of arrays consist of, for those who write them in other languages:
 * numbers and texts that are there already. Pointers are the program's, and good until it
 * is freed. */
#include "programs/programs.h"

/* ---- formulas ---------------------------------------------------------------------- */

/* The generic operations of ops.def as text. */
#define ADD(x, y) (x + y)
#define SUB(x, y) (x - y)
#define MUL(x, y) (x * y)
#define DIV(x, y) (x / y)
#define NEG(x) (-x)
#define POW(x, y) VM_pow(x, y)
#define POWK(x, k) POWK(x, k)
#define EXP(x) VM_exp(x)
#define EXPM1(x) VM_expm1(x)
#define LOG(x) VM_log(x)
#define LOG1P(x) VM_log1p(x)
#define SIN(x) VM_sin(x)
#define COS(x) VM_cos(x)
#define SINH(x) VM_sinh(x)
#define COSH(x) VM_cosh(x)
#define TANH(x) VM_tanh(x)
#define ERF(x) VM_erf(x)
#define SQRT(x) sqrt_T(x)
#define SIGMOID(x) VM_sigmoid(x)
#define SOFTPLUS(x) VM_softplus(x)
#define GELU(x) VM_gelu(x)
#define GELU_SLOPE(x) VM_gelu_slope(x)
#define GELU_TANH(x) VM_gelu_tanh(x)
#define SILU(x) VM_silu(x)
#define ABS(x) fabs_T(x)
#define RELU(x) relu_T(x)
#define LARGER(x, y) larger_T(x, y)
#define SMALLER(x, y) smaller_T(x, y)
#define STEP(x) (x <= 0 ? (T)0 : (T)1)
#define SIGN(x) sign_T(x)
#define SHARE(x, y) (x < y ? (T)0 : x == y ? (T)0.5 : (T)1)
#define AT_LEAST(x, y) (x >= y ? (T)1 : (T)0)
#define BELOW(x, y) (x < y ? (T)1 : (T)0)
#define MASK(m, x) masked_T(m, x)
#define BOUND(x, c) smaller_T(larger_T(x, (T)-c), (T)c)
#define IF_FLAT(x, y, then, otherwise) choice_T(x == 0 && y >= 0, then, otherwise)
#define IF_ZERO(x, then, otherwise) choice_T(x == 0, then, otherwise)
#define FLOOR_DIVIDE(x, y) floor_divide_T(x, y)
#define REMAINDER(x, y) remainder_T(x, y)
#define FUNCTION(name, x) VM_##name(x)
#define EXACT_FUNCTION(name, x) VM_##name(x)
#define ANGLE(name, x) VM_##name(x)
#define ARITHMETIC(name, ...) name##_T(__VA_ARGS__)
#define EITHER(number, element) element
#define CONST(c) (T)c
#define NONE
#define A a
#define B b
#define K number
#define Y y
#define G g

#define TEXT(...) #__VA_ARGS__
#define FORMULA(...) TEXT(__VA_ARGS__)

static const char *const element_formulas[MG_OP_COUNT][3] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    {FORMULA(value), FORMULA(gradient_a), FORMULA(gradient_b)},
#include "ops.def"
};

#include "base/ops_undef.inc.c"
#undef FUNCTION
#undef ANGLE
#undef TEXT
#undef FORMULA

const char *mg_element_formula(int op, int which)
{
    if (op < 0 || op >= MG_OP_COUNT || which < 0 || which > 2) return NULL;
    return element_formulas[op][which];
}

/* ---- entries ----------------------------------------------------------------------- */

static int64_t storage_number(const storage *m)
{
    return m ? m->number : -1;
}

/* Show the types of a call if it is one of an elementwise op. */
static void types_show(const call *c, mg_entry *shown)
{
    int result;
    if (!is_element_op(c->op)) return;
    const int common = compared_dtype(c->op, operands_dtype(c, 0), c->weak != 0);
    if (op_dtypes(c->op, common, &shown->computed, &result) < 0) return;
    shown->common = common;
}

static void over_show(const deed *of, mg_entry *shown)
{
    const call c = over_call(of);
    types_show(&c, shown);
}

static void entry_show(const tape_entry *e, mg_entry *shown)
{
    static const char *const kinds[] = {"call", "act", "update", "set", "output"};
    *shown = (mg_entry){.kind = kinds[e->what], .array_count = e->array_count};
    shown->common = shown->computed = -1;
    switch (e->what) {
    case CALLS:
        shown->integer_count = e->call.integer_count;
        shown->integers = e->call.integers;
        shown->number_count = e->call.number_count;
        shown->numbers = e->call.numbers;
        shown->weak = e->call.weak;
        shown->takes_memory = e->call.takes_memory;
        types_show(&e->call, shown);
        return;
    case ACTS:
        shown->integer_count = DEED_INTEGERS;
        shown->integers = e->act.integers;
        shown->number_count = 2;
        shown->numbers = e->act.numbers;
        shown->writes = e->act.writes;
        if (e->act.run == over_run) over_show(&e->act, shown);
        return;
    case UPDATES:
        shown->group_count = e->update.group_count;
        shown->groups = e->update.groups;
        return;
    case SETS: shown->leaf = storage_number(e->leaf->of); return;
    default: return;
    }
}

int mg_program_entry(mg_program *program, int64_t which, mg_entry *entry)
{
    MG_RETURN_IF(which < 0 || which >= (int64_t)program->entries.count, MG_ERR_ARG);
    arena_lock(program->arena);
    entry_show(tape_entry_at(program, (size_t)which), entry);
    arena_unlock(program->arena);
    entry->name = mg_program_name(program, which);
    return MG_OK;
}

static void array_show_like(const array *a, mg_placed *placed)
{
    placed->dtype = a->dtype;
    placed->rank = a->rank;
    memcpy(placed->shape, a->shape, (size_t)a->rank * sizeof *a->shape);
    memcpy(placed->strides, a->strides, (size_t)a->rank * sizeof *a->strides);
}

/* Show a parameter of an update, NULL where it is made in the program. */
static void parameter_show(const storage *m, mg_placed *placed)
{
    *placed = (mg_placed){.storage = storage_number(m)};
    if (m) array_show_like(m->like, placed);
}

static int placed_show(const tape_entry *e, int k, mg_placed *placed)
{
    const int count = e->array_count;
    MG_RETURN_IF(k < 0 || k >= count + (e->what == UPDATES ? count : 0), MG_ERR_ARG);
    if (k >= count) {
        parameter_show(e->update.found[k - count], placed);
        return MG_OK;
    }
    const tape_place *place = &e->places[k];
    *placed = (mg_placed){.storage = storage_number(place->in)};
    if (!place->in) return MG_OK;
    placed->offset = place->offset;
    array_show_like(&e->arrays[k], placed);
    return MG_OK;
}

int mg_program_placed(mg_program *program, int64_t entry, int which, mg_placed *placed)
{
    MG_RETURN_IF(entry < 0 || entry >= (int64_t)program->entries.count, MG_ERR_ARG);
    arena_lock(program->arena);
    int status =
        placed_show(tape_entry_at(program, (size_t)entry), which, placed);
    arena_unlock(program->arena);
    return status;
}

/* ---- storages ---------------------------------------------------------------------- */

static void storage_show(const tape *t, const storage *m, mg_storage *found)
{
    *found = (mg_storage){.size = (int64_t)m->size, .input = -1, .output = -1};
    found->role = m->role == FOUND   ? MG_STORAGE_FOUND
                  : m->role == OWNED ? MG_STORAGE_OWNED
                                     : MG_STORAGE_GRADIENT;
    for (int64_t i = t->input_count; i-- > 0;)
        if (t->inputs[i] == m) found->input = i;
    for (int64_t i = t->output_count; i-- > 0;)
        if (t->outputs[i]->places->in == m) found->output = i;
    found->is_restored = m->restored != NULL;
    found->is_contiguous = true;
    if (m->restored) found->data = m->restored;
    else if (m->role != OWNED || m->constant) found->data = m->start;
    if (m->role == OWNED) return;
    found->is_shared = m->shared;
    found->is_contiguous = m->like->contiguous;
    found->size = m->like->count * dtype_sizes[m->like->dtype];
}

int mg_program_storage(mg_program *program, int64_t which, mg_storage *found)
{
    MG_RETURN_IF(which < 0 || which >= (int64_t)program->storages.count, MG_ERR_ARG);
    arena_lock(program->arena);
    storage_show(program, tape_storage(program, (size_t)which), found);
    arena_unlock(program->arena);
    return MG_OK;
}
