/* show.c: what programs of numbers consist of, for those who write them in other languages.
 *
 * Nothing is made here: texts are the rows of ops.def, numbers are those that script.c runs
 * by. Pointers are the program's, and good until it is freed. */
#include "programs/script.h"

/* ---- formulas ---------------------------------------------------------------------- */

/* The generic operations of ops.def as text: an expansion of a formula that is made a
 * string. What formulas.inc.c spells as an expression is one here; all else is a call. */
#define ADD(x, y) (x + y)
#define SUB(x, y) (x - y)
#define MUL(x, y) (x * y)
#define DIV(x, y) float_div(x, y, status)
#define NEG(x) (-x)
#define POW(x, y) float_pow(x, y, status)
#define POWK(x, k) float_pow(x, k, status)
#define EXP(x) float_exp(x, status)
#define EXPM1(x) float_expm1(x, status)
#define LOG(x) float_log(x, status)
#define LOG_OR_NAN(x) log_or_nan(x, status)
#define LOG1P(x) float_log1p(x, status)
#define SIN(x) float_sin(x, status)
#define COS(x) float_cos(x, status)
#define TANH(x) float_tanh(x)
#define ERF(x) float_erf(x)
#define SIGMOID(x) float_sigmoid(x)
#define ABS(x) fabs(x)
#define RELU(x) relu(x)
#define POSITIVE(x) positive(x)
#define LARGER(x, y) float_larger(x, y)
#define STEP(x) above_zero(x)
#define SIGN(x) sign_of(x)
#define SHARE(x, y) share_of(x, y)
#define MASK(m, x) (m * x)
#define IF_FLAT(x, y, then, otherwise) (is_flat(x, y) ? then : otherwise)
#define EITHER(number, element) number
#define CONST(c) c
#define NONE
#define A a
#define B b
#define K b
#define Y y
#define G g

#define TEXT(formula) #formula
#define FORMULA(formula) TEXT(formula)

static const char *const formulas[3 * MG_SCALAR_OP_COUNT] = {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    FORMULA(value), FORMULA(gradient_a), FORMULA(gradient_b),
#include "ops.def"
};

#include "base/ops_undef.inc.c"
#undef TEXT
#undef FORMULA

const char *mg_op_formula(int op, int which)
{
    if (op < 0 || op >= MG_SCALAR_OP_COUNT || which < 0 || which > 2) return NULL;
    return formulas[3 * op + which];
}

/* ---- programs ---------------------------------------------------------------------- */

/* Find the words of an instruction. */
static void words_find(const struct mg_script *s, const instruction *i, mg_script_code *code)
{
    const uint32_t *table = s->table.items, *sequence = s->sequence.items;
    const int64_t count = i->count;
    switch (i->kind) {
    case SCRIPT_LINE:
        code->words = &((const line *)s->lines.items + i->first)->code;
        code->word_count = count * (int64_t)(sizeof(line) / sizeof(uint32_t));
        return;
    case SCRIPT_LANES:
        if (!code_may_raise(i->code)) return;
        code->words = sequence + i->first;
        code->word_count = count;
        return;
    case SCRIPT_CHAIN:
        code->words = table + i->first;
        code->word_count = count * (1 + 2 * (int64_t)i->terms);
        return;
    case SCRIPT_PACK:
        code->words = table + i->first;
        code->word_count = count;
        return;
    default: return;
    }
}

static int script_code(const struct mg_script *s, int64_t which, mg_script_code *code)
{
    static const char *const kinds[] = {"line", "lanes", "chain", "pack", "update"};
    MG_RETURN_IF(which < 0 || which >= (int64_t)s->instructions.count, MG_ERR_ARG);
    const instruction *i = (const instruction *)s->instructions.items + which;
    *code = (mg_script_code){.kind = kinds[i->kind], .code = i->code, .width = i->width,
                             .modes = i->modes, .count = i->count, .terms = i->terms};
    code->to = i->to, code->a = i->a, code->b = i->b, code->y = i->y, code->g = i->g;
    if (i->kind == SCRIPT_UPDATE) {
        code->first = (int64_t)i->first;
        code->sequence = ((const uint32_t *)s->update_ats.items)[i->first];
    }
    words_find(s, i, code);
    return MG_OK;
}

int mg_script_code_of(mg_script *script, int64_t which, mg_script_code *code)
{
    arena_lock(script->arena);
    int status = script_code(script, which, code);
    arena_unlock(script->arena);
    return status;
}

static int script_node_show(const struct mg_script *s, int64_t which, mg_script_node *shown)
{
    MG_RETURN_IF(which < 0 || which >= (int64_t)s->nodes.count, MG_ERR_ARG);
    const script_node *of = (const script_node *)s->nodes.items + which;
    uint32_t index;
    *shown = (mg_script_node){of->data, of->gradient, of->handle, 0.0, 0.0};
    if (node_find(s->arena, of->handle, &index) < 0) return MG_OK;
    shown->value = node_at(s->arena, index)->data;
    shown->slope = node_at(s->arena, index)->gradient;
    return MG_OK;
}

int mg_script_node_of(mg_script *script, int64_t which, mg_script_node *shown)
{
    arena_lock(script->arena);
    int status = script_node_show(script, which, shown);
    arena_unlock(script->arena);
    return status;
}

int mg_script_layout_of(mg_script *script, mg_script_layout *layout)
{
    const struct mg_script *s = script;
    arena_lock(s->arena);
    *layout = (mg_script_layout){
        .slots = (int64_t)s->slots.count, .nodes = (int64_t)s->nodes.count,
        .updates = (int64_t)s->updates.count, .loss = s->loss, .inputs = s->inputs,
        .input_count = s->input_count, .output_count = (int64_t)s->outputs.count,
        .write_count = (int64_t)s->writes.count, .save_count = (int64_t)s->saves.count,
        .values = s->slots.items, .outputs = s->outputs.items};
    layout->writes = s->writes.items;
    layout->saves = s->saves.items;
    arena_unlock(s->arena);
    return MG_OK;
}
