/* vjp_elements.c: gradients of elementwise ops: the formulas of ops.def, recorded as
 * nodes, or, when nothing is recorded, computed by one kernel. Both give the same
 * bits. */
#include "arrays/rule.h"

/* What a formula reads: operand a 1, b 2, the value 4; PASS_ON for one that is G. */
enum { READS_A = 1, READS_B = 2, READS_Y = 4, PASS_ON = 64 };

/* Expanded with these macros, a gradient formula yields the mask of inputs it reads. */
#define JOIN(x, y) (((x) | (y)) & ~PASS_ON)
#define ADD(x, y) JOIN(x, y)
#define SUB(x, y) JOIN(x, y)
#define MUL(x, y) JOIN(x, y)
#define DIV(x, y) JOIN(x, y)
#define POW(x, y) JOIN(x, y)
#define SHARE(x, y) JOIN(x, y)
#define AT_LEAST(x, y) JOIN(x, y)
#define BELOW(x, y) JOIN(x, y)
#define MASK(m, x) JOIN(m, x)
#define BOUND(x, c) JOIN(x, 0)
#define FLOOR_DIVIDE(x, y) JOIN(x, y)
#define POWK(x, k) JOIN(x, 0)
#define NEG(x) JOIN(x, 0)
#define EXP(x) JOIN(x, 0)
#define LOG(x) JOIN(x, 0)
#define SIN(x) JOIN(x, 0)
#define COS(x) JOIN(x, 0)
#define SINH(x) JOIN(x, 0)
#define COSH(x) JOIN(x, 0)
#define TANH(x) JOIN(x, 0)
#define ERF(x) JOIN(x, 0)
#define SQRT(x) JOIN(x, 0)
#define SIGMOID(x) JOIN(x, 0)
#define GELU_SLOPE(x) JOIN(x, 0)
#define STEP(x) JOIN(x, 0)
#define SIGN(x) JOIN(x, 0)
#define IF_ZERO(x, then, otherwise) JOIN(x, JOIN(then, otherwise))
#define IF_FLAT(x, y, then, otherwise) JOIN(JOIN(x, y), JOIN(then, otherwise))
#define EITHER(number, element) (element)
#define CONST(c) 0
#define NONE 0
#define A READS_A
#define B READS_B
#define K 1.0
#define Y READS_Y
#define G PASS_ON

static const uint8_t reads[][2] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    {(gradient_a), (gradient_b)},
#include "ops.def"
};

#undef JOIN
#include "base/ops_undef.inc.c"

/* The generic operations for recorded nodes. They use `s`, `a`, `b`, `y`, `g`, `number`,
 * `dtype` of their includer. */
#define ADD(x, y) apply2(s, MG_ADD, (x), (y))
#define SUB(x, y) apply2(s, MG_SUB, (x), (y))
#define MUL(x, y) apply2(s, MG_MUL, (x), (y))
#define DIV(x, y) apply2(s, MG_DIV, (x), (y))
#define POW(x, y) apply2(s, MG_POW, (x), (y))
#define SHARE(x, y) apply2(s, MG_SHARE, (x), (y))
#define AT_LEAST(x, y) apply2(s, MG_AT_LEAST, (x), (y))
#define BELOW(x, y) apply2(s, MG_BELOW, (x), (y))
#define MASK(m, x) apply2(s, MG_MASK, (m), (x))
#define BOUND(x, c) bounded(s, (x), dtype, (c))
#define FLOOR_DIVIDE(x, y) apply2(s, MG_FLOOR_DIVIDE, (x), (y))
#define POWK(x, k) power(s, (x), (k))
#define NEG(x) apply1(s, MG_NEG, (x))
#define EXP(x) apply1(s, MG_EXP, (x))
#define LOG(x) apply1(s, MG_LOG, (x))
#define SIN(x) apply1(s, MG_SIN, (x))
#define COS(x) apply1(s, MG_COS, (x))
#define SINH(x) apply1(s, MG_SINH, (x))
#define COSH(x) apply1(s, MG_COSH, (x))
#define TANH(x) apply1(s, MG_TANH, (x))
#define ERF(x) apply1(s, MG_ERF, (x))
#define SQRT(x) apply1(s, MG_SQRT, (x))
#define SIGMOID(x) apply1(s, MG_SIGMOID, (x))
#define GELU_SLOPE(x) apply1(s, MG_GELU_SLOPE, (x))
#define STEP(x) apply1(s, MG_STEP, (x))
#define SIGN(x) apply1(s, MG_SIGN, (x))
#define IF_ZERO(x, then, otherwise) choose(s, scope_is_zero(s, (x)), (then), (otherwise))
#define IF_FLAT(x, y, then, otherwise) \
    choose(s, \
           apply2(s, MG_LOGICAL_AND, scope_is_zero(s, (x)), is_not_below_zero(s, (y))), \
           (then), (otherwise))
#define EITHER(number, element) (element)
#define NONE 0
#define CONST(c) scope_constant(s, dtype, (c))
#define A a
#define B b
#define K number
#define Y y
#define G g

static uint32_t power(scope *s, uint32_t a, double exponent)
{
    return scope_apply(s, MG_POW_NUMBER, 1, &a, 0, NULL, 1, &exponent);
}

static uint32_t bounded(scope *s, uint32_t a, int dtype, double most)
{
    uint32_t above = apply2(s, MG_CLAMP_MIN, a, scope_constant(s, dtype, -most));
    return apply2(s, MG_CLAMP_MAX, above, scope_constant(s, dtype, most));
}

static uint32_t is_not_below_zero(scope *s, uint32_t a)
{
    if (s->status < 0) return 0;
    return apply2(s, MG_GE, a, scope_constant(s, array_in(s, a)->dtype, 0.0));
}

/* Record the formula of an operand's gradient. */
static uint32_t formula(scope *s, int op, int which, uint32_t a, uint32_t b, uint32_t y,
                        uint32_t g, double number, int dtype)
{
    switch (op) {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
                   gradient_b) \
    case MG_##NAME: return which == 0 ? (gradient_a) : (gradient_b);
#include "ops.def"
    default: return 0;
    }
}

#include "base/ops_undef.inc.c"

static uint32_t formula_recorded(const rule *r, int op, uint32_t a, uint32_t b,
                                 double number)
{
    scope *s = r->s;
    int dtype = compute_dtype(array_in(s, r->y)->dtype);
    unsigned read = reads[op][r->which];
    a = read & READS_A ? scope_cast(s, a, dtype) : a;
    b = read & READS_B ? scope_cast(s, b, dtype) : b;
    uint32_t y = read & READS_Y ? scope_cast(s, r->y, dtype) : r->y;
    uint32_t made =
        formula(s, op, r->which, a, b, y, scope_cast(s, r->g, dtype), number, dtype);
    return scope_cast(s, made, array_in(s, r->y)->dtype);
}

/* Tell whether a kernel can read an operand of y's elements directly. */
static bool is_like(const array *a, const array *y)
{
    return a->contiguous && a->dtype == y->dtype && a->count == y->count;
}

/* Compute the gradient of an operand of op(a, b) = y, given g. */
int gradient_run(mg_arena *arena, const deed *of)
{
    const array *a = of->arrays[0], *b = of->arrays[1], *y = of->arrays[2];
    const array *g = of->arrays[3], *out = of->arrays[4];
    const int op = (int)of->integers[0], which = (int)of->integers[1];
    const int dtype = compute_dtype(out->dtype);
    (void)arena;
    bool direct = out->dtype == dtype && is_like(a, out) && is_like(b, out) &&
                  is_like(y, out) && is_like(g, out) && out->count < 1 << 15;
    if (direct)
        kernels()->gradient[op][which][dtype](out->count, a->data, b->data, y->data,
                                              g->data, out->data, of->numbers[0]);
    else
        map_gradient(op, which, dtype, a, b, y, g, of->numbers[0], deed_output(of, 4));
    return MG_OK;
}

static uint32_t formula_computed(const rule *r, int op, uint32_t a, uint32_t b,
                                 double number)
{
    scope *s = r->s;
    unsigned read = reads[op][r->which];
    const array *y = array_in(s, r->y), *g = array_in(s, r->g);
    const array *of_a = read & READS_A ? array_in(s, a) : g;
    const array *of_b = read & READS_B ? array_in(s, b) : g;
    const array *of_y = read & READS_Y ? y : g;
    array *out;
    s->status = array_new(s->arena, y->dtype, y->rank, y->shape, &out);
    if (s->status < 0) return 0;
    deed of = {DEED(gradient_run), .writes = 1 << 4, .fills = 1 << 4};
    of.arrays[0] = of_a, of.arrays[1] = of_b, of.arrays[2] = of_y, of.arrays[3] = g;
    of.arrays[4] = out;
    of.integers[0] = op, of.integers[1] = r->which;
    of.numbers[0] = number;
    perform(s->arena, &of);
    return scope_array(s, out);
}

uint32_t vjp_elements(const rule *r, int op)
{
    unsigned read = reads[op][r->which];
    const array *y = array_in(r->s, r->y);
    if (read & PASS_ON) return rule_fit(r, r->g);
    uint32_t a = read & READS_A ? rule_value(r, 0) : operand(r, 0), b = 0;
    if (y->operand_count > 1) b = read & READS_B ? rule_value(r, 1) : operand(r, 1);
    if (read & READS_Y) rule_result(r);
    double number = y->extra && y->extra->number_count ? number_of(r) : 0.0;
    if (r->s->status < 0) return 0;
    if (r->s->record) return rule_fit(r, formula_recorded(r, op, a, b, number));
    const bool twice = op == MG_MUL && a == b; /* x * x passes the same on to both */
    uint32_t made = twice ? ahead_take(r) : 0;
    if (!made) made = formula_computed(r, op, a, b, number);
    if (twice && r->which == 0 && made) ahead_put(r, 1, made);
    return rule_fit(r, made);
}
