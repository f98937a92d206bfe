/* vjp.c: the gradient rules of arrays: what a node passes on to an operand.
 *
 * A rule composes ops, so when they are recorded the gradient can be differentiated
 * again, any number of times. Formulas of elements come from ops.def: recorded as nodes,
 * or, when nothing is recorded, computed by one kernel; both give the same bits. */
#include "arrays/arrays.h"

typedef struct rule {
    scope *s;
    uint32_t y, g; /* the node, and its gradient, of its shape and type */
    int which;     /* the operand */
} rule;

/* Rows without a gradient have no rule. */
#define DECLARE_0(name)
#define DECLARE_1(name) static uint32_t vjp_##name(const rule *r);
#define MG_ARRAY(NAME, name, symbol, gradient) DECLARE_##gradient(name)
#include "ops.def"

typedef uint32_t (*rule_function)(const rule *r);

#define RULE_0(name) NULL
#define RULE_1(name) vjp_##name
static const rule_function rules[] = {
#define MG_ARRAY(NAME, name, symbol, gradient) RULE_##gradient(name),
#include "ops.def"
};

/* ---- reading the node -------------------------------------------------------------- */

static const array *array_in(const scope *s, uint32_t index)
{
    return array_at(s->arena, index);
}

static uint32_t operand(const rule *r, int which)
{
    return operand_index(r->s->arena, r->y, which);
}

static const array *operand_array(const rule *r, int which)
{
    return array_in(r->s, operand(r, which));
}

static const int64_t *integers(const rule *r)
{
    static const int64_t none[1]; /* of an op on an array without axes */
    const extra *kept = array_in(r->s, r->y)->extra;
    return kept ? extra_integers(kept) : none;
}

static double number_of(const rule *r)
{
    return extra_numbers(array_in(r->s, r->y)->extra)[0];
}

/* Return an operand whose value the gradient needs: it must be what it was. */
static uint32_t value_of(const rule *r, int which)
{
    uint32_t index = operand(r, which);
    const array *y = array_in(r->s, r->y);
    bool same =
        which >= MAX_SAVED || array_in(r->s, index)->buffer->version == y->saved[which];
    if (!same && r->s->status >= 0) r->s->status = MG_ERR_CHANGED;
    return index;
}

/* Return the node itself, whose value the gradient needs. */
static uint32_t result_of(const rule *r)
{
    const array *y = array_in(r->s, r->y);
    if (y->buffer->version != y->version && r->s->status >= 0)
        r->s->status = MG_ERR_CHANGED;
    return r->y;
}

/* ---- recording ops ----------------------------------------------------------------- */

static uint32_t one(scope *s, int op, uint32_t a)
{
    return scope_apply(s, op, 1, &a, 0, NULL, 0, NULL);
}

static uint32_t two(scope *s, int op, uint32_t a, uint32_t b)
{
    uint32_t operands[] = {a, b};
    return scope_apply(s, op, 2, operands, 0, NULL, 0, NULL);
}

static uint32_t three(scope *s, int op, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t operands[] = {a, b, c};
    return scope_apply(s, op, 3, operands, 0, NULL, 0, NULL);
}

static uint32_t with_integers(scope *s, int op, uint32_t a, int count,
                              const int64_t *numbers)
{
    return scope_apply(s, op, 1, &a, count, numbers, 0, NULL);
}

static uint32_t reshape(scope *s, uint32_t a, int rank, const int64_t *shape)
{
    return with_integers(s, MG_RESHAPE, a, rank, shape);
}

static uint32_t expand(scope *s, uint32_t a, const array *like)
{
    if (s->status < 0 || shape_equal(array_in(s, a), like)) return a;
    return with_integers(s, MG_EXPAND, a, like->rank, like->shape);
}

static uint32_t cast(scope *s, uint32_t a, int dtype)
{
    int64_t to = dtype;
    if (s->status < 0 || array_in(s, a)->dtype == dtype) return a;
    return with_integers(s, MG_CAST, a, 1, &to);
}

static uint32_t reduce(scope *s, int op, uint32_t a, unsigned axes, bool keep)
{
    int64_t how[] = {axes, keep};
    return with_integers(s, op, a, 2, how);
}

static uint32_t slice(scope *s, uint32_t a, int rank, const int64_t *start,
                      const int64_t *step, const int64_t *count)
{
    int64_t how[3 * MG_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        how[d] = start[d];
        how[rank + d] = step[d];
        how[2 * rank + d] = count[d];
    }
    return with_integers(s, MG_SLICE, a, 3 * rank, how);
}

static uint32_t choose(scope *s, uint32_t test, uint32_t a, uint32_t b)
{
    return three(s, MG_WHERE, test, a, b);
}

/* Make a leaf of zeros like an array. */
static uint32_t zeros_like(scope *s, const array *like)
{
    array *zeros;
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, like->dtype, like->rank, like->shape, &zeros);
    if (s->status < 0) return 0;
    memset(zeros->data, 0, zeros->buffer->size);
    return scope_array(s, zeros);
}

/* Swap the last two axes. */
static uint32_t transpose(scope *s, uint32_t a)
{
    int64_t axes[MG_MAX_RANK];
    if (s->status < 0) return 0;
    int rank = array_in(s, a)->rank;
    for (int d = 0; d < rank; d++) axes[d] = d;
    axes[rank - 1] = rank - 2;
    axes[rank - 2] = rank - 1;
    return with_integers(s, MG_PERMUTE, a, rank, axes);
}

/* Sum over the axes along which an array of like's shape was broadcast. */
static uint32_t sum_to(scope *s, uint32_t a, const array *like)
{
    if (s->status < 0) return 0;
    const array *from = array_in(s, a);
    if (shape_equal(from, like)) return a;
    unsigned axes = 0;
    int missing = from->rank - like->rank;
    for (int d = 0; d < from->rank; d++)
        if (d < missing || (like->shape[d - missing] == 1 && from->shape[d] != 1))
            axes |= 1u << d;
    uint32_t sum = reduce(s, MG_SUM, a, axes, missing == 0);
    if (s->status < 0 || missing == 0) return sum;
    return reshape(s, sum, like->rank, like->shape);
}

/* Give a gradient the shape and type of an operand. */
static uint32_t fit(const rule *r, uint32_t gradient)
{
    scope *s = r->s;
    if (s->status < 0 || !gradient) return 0;
    const array *like = operand_array(r, r->which);
    const array *from = array_in(s, gradient);
    if (from->rank < like->rank || (from->count == 1 && like->count != 1))
        gradient = expand(s, gradient, array_in(s, r->y));
    return cast(s, sum_to(s, gradient, like), like->dtype);
}

/* ---- elements: formulas of ops.def ------------------------------------------------- */

/* What a formula reads: operand a 1, b 2, the value 4; PASS_ON for one that is G. */
enum { READS_A = 1, READS_B = 2, READS_Y = 4, PASS_ON = 64 };

/* The generic operations join what their arguments read, so a formula counts itself. */
#define JOIN(x, y) (((x) | (y)) & ~PASS_ON)
#define ADD(x, y) JOIN(x, y)
#define SUB(x, y) JOIN(x, y)
#define MUL(x, y) JOIN(x, y)
#define DIV(x, y) JOIN(x, y)
#define POW(x, y) JOIN(x, y)
#define SHARE(x, y) JOIN(x, y)
#define AT_LEAST(x, y) JOIN(x, y)
#define BELOW(x, y) JOIN(x, y)
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
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) \
    {(gradient_a), (gradient_b)},
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) \
    {(gradient_a), (gradient_b)},
#include "ops.def"
};

#undef JOIN
#include "base/ops_undef.inc.c"

/* The generic operations for recorded nodes. They use `s`, `a`, `b`, `y`, `g`, `number`,
 * `dtype` of their includer. */
#define ADD(x, y) two(s, MG_ADD, (x), (y))
#define SUB(x, y) two(s, MG_SUB, (x), (y))
#define MUL(x, y) two(s, MG_MUL, (x), (y))
#define DIV(x, y) two(s, MG_DIV, (x), (y))
#define POW(x, y) two(s, MG_POW, (x), (y))
#define SHARE(x, y) two(s, MG_SHARE, (x), (y))
#define AT_LEAST(x, y) two(s, MG_AT_LEAST, (x), (y))
#define BELOW(x, y) two(s, MG_BELOW, (x), (y))
#define FLOOR_DIVIDE(x, y) two(s, MG_FLOOR_DIVIDE, (x), (y))
#define POWK(x, k) power(s, (x), (k))
#define NEG(x) one(s, MG_NEG, (x))
#define EXP(x) one(s, MG_EXP, (x))
#define LOG(x) one(s, MG_LOG, (x))
#define SIN(x) one(s, MG_SIN, (x))
#define COS(x) one(s, MG_COS, (x))
#define SINH(x) one(s, MG_SINH, (x))
#define COSH(x) one(s, MG_COSH, (x))
#define TANH(x) one(s, MG_TANH, (x))
#define ERF(x) one(s, MG_ERF, (x))
#define SQRT(x) one(s, MG_SQRT, (x))
#define SIGMOID(x) one(s, MG_SIGMOID, (x))
#define STEP(x) one(s, MG_STEP, (x))
#define SIGN(x) one(s, MG_SIGN, (x))
#define IF_ZERO(x, then, otherwise) choose(s, is_zero(s, (x)), (then), (otherwise))
#define IF_FLAT(x, y, then, otherwise) \
    choose(s, two(s, MG_LOGICAL_AND, is_zero(s, (x)), is_not_below_zero(s, (y))), \
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

static uint32_t is_zero(scope *s, uint32_t a)
{
    if (s->status < 0) return 0;
    return two(s, MG_EQ, a, scope_constant(s, array_in(s, a)->dtype, 0.0));
}

static uint32_t is_not_below_zero(scope *s, uint32_t a)
{
    if (s->status < 0) return 0;
    return two(s, MG_GE, a, scope_constant(s, array_in(s, a)->dtype, 0.0));
}

/* Record the formula of an operand's gradient. */
static uint32_t formula(scope *s, int op, int which, uint32_t a, uint32_t b, uint32_t y,
                        uint32_t g, double number, int dtype)
{
    switch (op) {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) \
    case MG_##NAME: return which == 0 ? (gradient_a) : (gradient_b);
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) \
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
    int dtype = wide_of(array_in(s, r->y)->dtype);
    unsigned read = reads[op][r->which];
    a = read & READS_A ? cast(s, a, dtype) : a;
    b = read & READS_B ? cast(s, b, dtype) : b;
    uint32_t y = read & READS_Y ? cast(s, r->y, dtype) : r->y;
    uint32_t made =
        formula(s, op, r->which, a, b, y, cast(s, r->g, dtype), number, dtype);
    return cast(s, made, array_in(s, r->y)->dtype);
}

/* Tell whether a kernel can read an operand of y's elements directly. */
static bool is_like(const array *a, const array *y)
{
    return a->contiguous && a->dtype == y->dtype && a->count == y->count;
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
    int dtype = wide_of(y->dtype);
    array *out;
    s->status = array_new(s->arena, y->dtype, y->rank, y->shape, &out);
    if (s->status < 0) return 0;
    bool direct = y->dtype == dtype && is_like(of_a, y) && is_like(of_b, y) &&
                  is_like(of_y, y) && is_like(g, y) && y->count < 1 << 15;
    if (direct)
        kernels()->gradient[op][r->which][dtype](y->count, of_a->data, of_b->data,
                                                 of_y->data, g->data, out->data, number);
    else
        map_gradient(op, r->which, dtype, of_a, of_b, of_y, g, number, out);
    return scope_array(s, out);
}

static uint32_t vjp_elements(const rule *r, int op)
{
    unsigned read = reads[op][r->which];
    const array *y = array_in(r->s, r->y);
    if (read & PASS_ON) return fit(r, r->g);
    uint32_t a = read & READS_A ? value_of(r, 0) : operand(r, 0), b = 0;
    if (y->operand_count > 1) b = read & READS_B ? value_of(r, 1) : operand(r, 1);
    if (read & READS_Y) result_of(r);
    double number = y->extra && y->extra->number_count ? number_of(r) : 0.0;
    if (r->s->status < 0) return 0;
    if (r->s->record) return fit(r, formula_recorded(r, op, a, b, number));
    return fit(r, formula_computed(r, op, a, b, number));
}

/* ---- movement ---------------------------------------------------------------------- */

static const int64_t ones[MG_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
static const int64_t zeros[MG_MAX_RANK] = {0};

static uint32_t vjp_reshape(const rule *r)
{
    const array *a = operand_array(r, 0);
    return reshape(r->s, r->g, a->rank, a->shape);
}

static uint32_t vjp_permute(const rule *r)
{
    int64_t inverse[MG_MAX_RANK];
    int rank = operand_array(r, 0)->rank;
    for (int d = 0; d < rank; d++) inverse[integers(r)[d]] = d;
    return with_integers(r->s, MG_PERMUTE, r->g, rank, inverse);
}

static uint32_t vjp_expand(const rule *r)
{
    return fit(r, r->g);
}

static uint32_t vjp_slice(const rule *r)
{
    int64_t how[3 * MG_MAX_RANK];
    const array *a = operand_array(r, 0);
    memcpy(how, a->shape, a->rank * sizeof *how);
    memcpy(how + a->rank, integers(r), 2 * a->rank * sizeof *how);
    return with_integers(r->s, MG_SPREAD, r->g, 3 * a->rank, how);
}

static uint32_t vjp_spread(const rule *r)
{
    const array *a = operand_array(r, 0);
    const int64_t *start = integers(r) + a->rank;
    return slice(r->s, r->g, a->rank, start, start + a->rank, a->shape);
}

static uint32_t vjp_window(const rule *r)
{
    int64_t how[10];
    const array *a = operand_array(r, 0);
    const int64_t *given = integers(r);
    int64_t s = given[0];
    how[0] = s;
    for (int64_t i = 0; i < s; i++) {
        how[1 + i] = a->shape[a->rank - s + i];
        how[1 + s + i] = given[1 + s + i];
        how[1 + 2 * s + i] = given[1 + 2 * s + i];
    }
    return with_integers(r->s, MG_FOLD, r->g, 1 + 3 * (int)s, how);
}

static uint32_t vjp_fold(const rule *r)
{
    int64_t how[10];
    const array *a = operand_array(r, 0);
    const int64_t *given = integers(r);
    int64_t s = given[0];
    memcpy(how, given, (size_t)(1 + 3 * s) * sizeof *how);
    for (int64_t i = 0; i < s; i++) how[1 + i] = a->shape[a->rank - s + i];
    uint32_t windows = with_integers(r->s, MG_WINDOW, r->g, 1 + 3 * (int)s, how);
    return slice(r->s, windows, a->rank, zeros, ones, a->shape);
}

static uint32_t vjp_contiguous(const rule *r)
{
    return r->g;
}

static uint32_t vjp_clone(const rule *r)
{
    return r->g;
}

static uint32_t vjp_cast(const rule *r)
{
    return fit(r, r->g);
}

static uint32_t vjp_pad(const rule *r)
{
    const array *a = operand_array(r, 0);
    return slice(r->s, r->g, a->rank, integers(r), ones, a->shape);
}

static uint32_t vjp_cat(const rule *r)
{
    const array *a = operand_array(r, r->which);
    int64_t start[MG_MAX_RANK] = {0}, axis = integers(r)[0];
    for (int i = 0; i < r->which; i++) start[axis] += operand_array(r, i)->shape[axis];
    return fit(r, slice(r->s, r->g, a->rank, start, ones, a->shape));
}

static uint32_t vjp_assign(const rule *r)
{
    int rank = operand_array(r, 0)->rank;
    const int64_t *how = integers(r);
    if (r->which == 1)
        return fit(r, slice(r->s, r->g, rank, how, how + rank, how + 2 * rank));
    uint32_t operands[] = {r->g, scope_constant(r->s, array_in(r->s, r->g)->dtype, 0.0)};
    return scope_apply(r->s, MG_ASSIGN, 2, operands, 3 * rank, how, 0, NULL);
}

/* ---- indices ----------------------------------------------------------------------- */

static uint32_t vjp_take(const rule *r)
{
    if (r->which != 0) return 0;
    uint32_t index = value_of(r, 1);
    return three(r->s, MG_ADD_AT, zeros_like(r->s, operand_array(r, 0)), index, r->g);
}

static uint32_t vjp_add_at(const rule *r)
{
    if (r->which == 0) return r->g;
    return r->which == 2 ? fit(r, two(r->s, MG_TAKE, r->g, value_of(r, 1))) : 0;
}

/* Of several rows at one position the last one stays: it alone gets the gradient. */
static uint32_t vjp_put_at(const rule *r)
{
    scope *s = r->s;
    if (r->which == 1) return 0;
    uint32_t index = value_of(r, 1);
    if (r->which == 0)
        return three(s, MG_PUT_AT, r->g, index, zeros_like(s, operand_array(r, 2)));
    const array *positions = operand_array(r, 1), *a = operand_array(r, 0);
    array *order, *winners;
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, MG_INT64, positions->rank, positions->shape, &order);
    if (s->status < 0) return 0;
    for (int64_t i = 0; i < order->count; i++) ((int64_t *)order->data)[i] = i;
    uint32_t numbers = scope_array(s, order);
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, MG_INT64, 1, a->shape, &winners);
    if (s->status < 0) return 0;
    memset(winners->data, 0, winners->buffer->size);
    uint32_t last = three(s, MG_PUT_AT, scope_array(s, winners), index, numbers);
    uint32_t wins = two(s, MG_EQ, two(s, MG_TAKE, last, index), numbers);
    if (s->status < 0) return 0;
    int64_t shape[MG_MAX_RANK];
    int rank = operand_array(r, 2)->rank;
    for (int d = 0; d < rank; d++)
        shape[d] = d < positions->rank ? positions->shape[d] : 1;
    wins = reshape(s, wins, rank, shape);
    uint32_t zero = scope_constant(s, array_in(s, r->g)->dtype, 0.0);
    return fit(r, choose(s, wins, two(s, MG_TAKE, r->g, index), zero));
}

static uint32_t vjp_gather(const rule *r)
{
    if (r->which != 0) return 0;
    uint32_t operands[] = {zeros_like(r->s, operand_array(r, 0)), value_of(r, 1), r->g};
    return scope_apply(r->s, MG_SCATTER_ADD, 3, operands, 1, integers(r), 0, NULL);
}

static uint32_t vjp_scatter_add(const rule *r)
{
    int64_t how[3 * MG_MAX_RANK];
    if (r->which == 0) return r->g;
    if (r->which == 1) return 0;
    uint32_t operands[] = {r->g, value_of(r, 1)};
    uint32_t gathered =
        scope_apply(r->s, MG_GATHER, 2, operands, 1, integers(r), 0, NULL);
    const array *b = operand_array(r, 2);
    if (shape_equal(b, operand_array(r, 1))) return fit(r, gathered);
    for (int d = 0; d < b->rank; d++) {
        how[d] = b->shape[d];
        how[b->rank + d] = 0;
        how[2 * b->rank + d] = 1;
    }
    return fit(r, with_integers(r->s, MG_SPREAD, gathered, 3 * b->rank, how));
}

static uint32_t vjp_where(const rule *r)
{
    if (r->which == 0) return 0;
    uint32_t test = value_of(r, 0);
    uint32_t zero = scope_constant(r->s, array_in(r->s, r->g)->dtype, 0.0);
    uint32_t a = r->which == 1 ? r->g : zero, b = r->which == 1 ? zero : r->g;
    return fit(r, choose(r->s, test, a, b));
}

/* ---- reductions -------------------------------------------------------------------- */

/* Give a result of a reduction the reduced axes back, with size 1. */
static uint32_t keep_axes(const rule *r, uint32_t of)
{
    int64_t shape[MG_MAX_RANK];
    const array *a = operand_array(r, 0);
    for (int d = 0; d < a->rank; d++)
        shape[d] = integers(r)[0] >> d & 1 ? 1 : a->shape[d];
    return reshape(r->s, of, a->rank, shape);
}

static unsigned axes_of(const rule *r)
{
    return (unsigned)integers(r)[0];
}

/* Return how many elements each result is reduced from. */
static int64_t reduced_count(const rule *r)
{
    int64_t n = 1;
    const array *a = operand_array(r, 0);
    for (int d = 0; d < a->rank; d++)
        if (axes_of(r) >> d & 1) n *= a->shape[d];
    return n;
}

static uint32_t constant_like(const rule *r, double value)
{
    return scope_constant(r->s, array_in(r->s, r->y)->dtype, value);
}

static uint32_t vjp_sum(const rule *r)
{
    return expand(r->s, keep_axes(r, r->g), operand_array(r, 0));
}

static uint32_t vjp_mean(const rule *r)
{
    scope *s = r->s;
    if (s->status < 0) return 0;
    int dtype = wide_of(array_in(s, r->y)->dtype); /* of float16, which cannot count */
    uint32_t n = scope_constant(s, dtype, (double)reduced_count(r));
    uint32_t share = two(s, MG_DIV, cast(s, r->g, dtype), n);
    return fit(r, expand(s, keep_axes(r, share), operand_array(r, 0)));
}

/* Return, for n elements in rows (.., n), the product of the others of the row, from a
 * square of n copies with ones on the diagonal. */
static uint32_t products_of_others(scope *s, uint32_t rows, int64_t lead, int64_t n)
{
    int64_t shape[] = {lead, 1, n};
    array *diagonal, square = {.dtype = MG_BOOL};
    const int64_t square_shape[] = {lead, n, n};
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, MG_BOOL, 2, square_shape + 1, &diagonal);
    if (s->status < 0) return 0;
    memset(diagonal->data, 0, diagonal->buffer->size);
    for (int64_t i = 0; i < n; i++) diagonal->data[i * n + i] = 1;
    uint32_t mask = scope_array(s, diagonal);
    if (s->status < 0) return 0;
    s->status = array_set_shape(&square, 3, square_shape, NULL);
    if (s->status < 0) return 0;
    uint32_t copies = expand(s, reshape(s, rows, 3, shape), &square);
    if (s->status < 0) return 0;
    uint32_t one_of = scope_constant(s, array_in(s, rows)->dtype, 1.0);
    return reduce(s, MG_PROD, choose(s, mask, one_of, copies), 4, false);
}

/* The product of the other factors times g: exact also where a factor is 0. Of more
 * than MANY factors it is y / a, and where factors are 0, the product of those that
 * are not. */
static uint32_t vjp_prod(const rule *r)
{
    enum { MANY = 32 };
    scope *s = r->s;
    const array *a = operand_array(r, 0);
    int64_t n = reduced_count(r), axes[MG_MAX_RANK], shape[2], back[MG_MAX_RANK];
    uint32_t value = value_of(r, 0), g = keep_axes(r, r->g);
    if (s->status < 0 || a->count == 0) return zeros_like(s, a);
    if (n <= MANY) {
        int rank = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int d = 0; d < a->rank; d++)
                if ((int)(axes_of(r) >> d & 1) == pass) axes[rank++] = d;
        uint32_t moved = with_integers(s, MG_PERMUTE, value, rank, axes);
        if (s->status < 0) return 0;
        const array *shown = array_in(s, moved);
        shape[0] = a->count / n;
        shape[1] = n;
        uint32_t others = products_of_others(s, reshape(s, moved, 2, shape), shape[0], n);
        others = reshape(s, others, rank, shown->shape);
        for (int d = 0; d < rank; d++) back[axes[d]] = d;
        others = with_integers(s, MG_PERMUTE, others, rank, back);
        return two(s, MG_MUL, others, g);
    }
    uint32_t flat = is_zero(s, value), one_of = constant_like(r, 1.0);
    uint32_t zero = constant_like(r, 0.0);
    uint32_t factors = choose(s, flat, one_of, value);
    uint32_t rest = reduce(s, MG_PROD, factors, axes_of(r), true);
    uint32_t count = cast(s, reduce(s, MG_SUM, flat, axes_of(r), true), a->dtype);
    uint32_t single = choose(s, two(s, MG_EQ, count, one_of), rest, zero);
    uint32_t others = choose(s, is_zero(s, count), two(s, MG_DIV, rest, factors), zero);
    return two(s, MG_MUL, choose(s, flat, single, others), g);
}

/* The places that hold the extremum share its gradient. */
static uint32_t vjp_extremum(const rule *r)
{
    scope *s = r->s;
    uint32_t y = keep_axes(r, result_of(r));
    uint32_t here = two(s, MG_EQ, value_of(r, 0), y);
    if (s->status < 0) return 0;
    int dtype = wide_of(operand_array(r, 0)->dtype); /* float16 cannot count */
    here = cast(s, here, dtype);
    uint32_t count = reduce(s, MG_SUM, here, axes_of(r), true);
    uint32_t share = two(s, MG_DIV, cast(s, keep_axes(r, r->g), dtype), count);
    return fit(r, two(s, MG_MUL, here, share));
}

static uint32_t vjp_amax(const rule *r)
{
    return vjp_extremum(r);
}

static uint32_t vjp_amin(const rule *r)
{
    return vjp_extremum(r);
}

/* 2 / (n - correction) * g * (a - mean a); g has the type that is computed in. */
static uint32_t variance_gradient(const rule *r, uint32_t g)
{
    scope *s = r->s;
    if (s->status < 0) return 0;
    int dtype = array_in(s, g)->dtype;
    int64_t n = reduced_count(r);
    double freedom = (double)n - number_of(r);
    if (dtype != MG_FLOAT64) freedom = (double)((float)n - (float)number_of(r));
    uint32_t a = cast(s, value_of(r, 0), dtype);
    uint32_t mean = reduce(s, MG_MEAN, a, axes_of(r), true);
    uint32_t twice = two(s, MG_DIV, scope_constant(s, dtype, 2.0),
                         scope_constant(s, dtype, freedom > 0.0 ? freedom : 0.0));
    uint32_t scaled = two(s, MG_MUL, twice, keep_axes(r, g));
    return fit(r, two(s, MG_MUL, scaled, two(s, MG_SUB, a, mean)));
}

static uint32_t vjp_var(const rule *r)
{
    return variance_gradient(r, cast(r->s, r->g, wide_of(operand_array(r, 0)->dtype)));
}

/* Of a deviation 0 the gradient is 0. */
static uint32_t vjp_std(const rule *r)
{
    scope *s = r->s;
    int dtype = wide_of(operand_array(r, 0)->dtype);
    uint32_t y = cast(s, result_of(r), dtype), g = cast(s, r->g, dtype);
    uint32_t zero = scope_constant(s, dtype, 0.0);
    uint32_t twice = two(s, MG_MUL, scope_constant(s, dtype, 2.0), y);
    uint32_t of_var = two(s, MG_DIV, g, twice);
    return variance_gradient(r, choose(s, is_zero(s, y), zero, of_var));
}

static uint32_t vjp_logsumexp(const rule *r)
{
    scope *s = r->s;
    uint32_t less = two(s, MG_SUB, value_of(r, 0), keep_axes(r, result_of(r)));
    return fit(r, two(s, MG_MUL, keep_axes(r, r->g), one(s, MG_EXP, less)));
}

/* Turn the order along an axis round. */
static uint32_t flip(scope *s, uint32_t a, int64_t axis)
{
    int64_t start[MG_MAX_RANK] = {0}, step[MG_MAX_RANK];
    if (s->status < 0) return 0;
    const array *from = array_in(s, a);
    memcpy(step, ones, sizeof step);
    start[axis] = from->shape[axis] - 1;
    step[axis] = -1;
    return slice(s, a, from->rank, start, step, from->shape);
}

static uint32_t vjp_cumsum(const rule *r)
{
    int64_t axis = integers(r)[0];
    uint32_t sums = with_integers(r->s, MG_CUMSUM, flip(r->s, r->g, axis), 1, &axis);
    return flip(r->s, sums, axis);
}

/* ---- products ---------------------------------------------------------------------- */

/* Return a vector as a matrix of one row or column, anything else as it is. */
static uint32_t as_matrix(scope *s, uint32_t a, bool column)
{
    if (s->status < 0) return 0;
    const array *from = array_in(s, a);
    int64_t shape[] = {1, 1};
    if (from->rank > 1) return a;
    shape[!column] = from->shape[0];
    return reshape(s, a, 2, shape);
}

static uint32_t vjp_matmul(const rule *r)
{
    scope *s = r->s;
    const array *a = operand_array(r, 0), *b = operand_array(r, 1);
    const array *y = array_in(s, r->y);
    int64_t shape[MG_MAX_RANK + 2];
    int rank = y->rank;
    memcpy(shape, y->shape, sizeof y->shape);
    if (b->rank == 1) shape[rank++] = 1;
    if (a->rank == 1) {
        if (b->rank > 1) shape[rank] = shape[rank - 1];
        if (b->rank == 1) shape[rank] = 1;
        shape[rank - 1] = 1;
        rank++;
    }
    uint32_t g = r->g, other = value_of(r, 1 - r->which);
    if (rank != y->rank) g = reshape(s, g, rank, shape);
    other = as_matrix(s, other, r->which == 0);
    uint32_t made = r->which == 0 ? two(s, MG_MATMUL, g, transpose(s, other))
                                  : two(s, MG_MATMUL, transpose(s, other), g);
    const array *own = r->which == 0 ? a : b;
    if (own->rank > 1 || s->status < 0) return fit(r, made);
    array as_row = {.rank = 2, .shape = {1, 1}};
    as_row.shape[r->which == 0] = own->shape[0];
    made = reshape(s, sum_to(s, made, &as_row), 1, own->shape);
    return fit(r, made);
}

/* See an array (.., n) as a matrix. */
static uint32_t as_rows(scope *s, uint32_t a)
{
    if (s->status < 0) return 0;
    const array *from = array_in(s, a);
    int64_t n = from->shape[from->rank - 1], shape[2] = {1, n};
    if (from->rank == 2) return a;
    for (int d = 0; d < from->rank - 1; d++) shape[0] *= from->shape[d];
    return reshape(s, a, 2, shape);
}

static uint32_t vjp_linear(const rule *r)
{
    scope *s = r->s;
    uint32_t rows = as_rows(s, r->g);
    if (r->which == 0) {
        const array *x = operand_array(r, 0);
        uint32_t made = two(s, MG_MATMUL, rows, value_of(r, 1));
        return fit(r, reshape(s, made, x->rank, x->shape));
    }
    if (r->which == 1)
        return fit(r, two(s, MG_MATMUL, transpose(s, rows), as_rows(s, value_of(r, 0))));
    return fit(r, reduce(s, MG_SUM, rows, 1, false));
}

/* ---- fused ------------------------------------------------------------------------- */

/* y * (g - sum of g * y) */
static uint32_t vjp_softmax(const rule *r)
{
    scope *s = r->s;
    uint32_t y = result_of(r);
    uint32_t sum = reduce(s, MG_SUM, two(s, MG_MUL, r->g, y), 1u << integers(r)[0], true);
    return fit(r, two(s, MG_MUL, y, two(s, MG_SUB, r->g, sum)));
}

/* g - exp(y) * sum of g */
static uint32_t vjp_log_softmax(const rule *r)
{
    scope *s = r->s;
    uint32_t sum = reduce(s, MG_SUM, r->g, 1u << integers(r)[0], true);
    uint32_t share = one(s, MG_EXP, result_of(r));
    return fit(r, two(s, MG_SUB, r->g, two(s, MG_MUL, share, sum)));
}

/* Fill what softmax should be, and the weight of each row. */
#define EXPECTED(T, name) \
    static void name(int64_t n, int64_t classes, const int64_t *targets, \
                     int64_t ignored, double smoothing, double weight, void *expected, \
                     void *weights) \
    { \
        T *t = expected, *w = weights, even = (T)smoothing / (T)classes; \
        for (int64_t i = 0; i < n; i++) { \
            bool counts = targets[i] != ignored; \
            w[i] = counts ? (T)weight : (T)0; \
            for (int64_t j = 0; j < classes; j++) t[i * classes + j] = even; \
            if (counts) t[i * classes + targets[i]] += (T)1 - (T)smoothing; \
        } \
    }
EXPECTED(float, expected_float32)
EXPECTED(double, expected_float64)
#undef EXPECTED

/* Make an array for a rule to fill; its node goes to *made. */
static array *array_made(scope *s, int dtype, int rank, const int64_t *shape,
                         uint32_t *made)
{
    array *a;
    *made = 0;
    if (s->status < 0) return NULL;
    s->status = array_new(s->arena, dtype, rank, shape, &a);
    if (s->status < 0) return NULL;
    *made = scope_array(s, a);
    return s->status < 0 ? NULL : a;
}

/* Count the targets that are not ignored, and tell which ones. The memory may be shared
 * with the caller: they are looked at again. */
static int64_t targets_count(const rule *r, const array *targets, int64_t classes,
                             uint8_t *counts)
{
    const int64_t *t = (const int64_t *)targets->data;
    int64_t ignored = integers(r)[1], counted = 0;
    for (int64_t i = 0; i < targets->count; i++) {
        counts[i] = t[i] != ignored;
        if (counts[i] && (t[i] < 0 || t[i] >= classes)) r->s->status = MG_ERR_CHANGED;
        counted += counts[i];
    }
    return counted;
}

/* (softmax(logits) - expected) * (weight of the row * g), 0 in rows that are ignored */
static uint32_t vjp_cross_entropy(const rule *r)
{
    scope *s = r->s;
    if (r->which != 0) return 0;
    uint32_t logits = value_of(r, 0), targets = cast(s, value_of(r, 1), MG_INT64);
    targets = one(s, MG_CLONE, targets);
    if (s->status < 0) return 0;
    const array *a = array_in(s, logits), *t = array_in(s, targets);
    int dtype = wide_of(a->dtype);
    int64_t column[] = {a->shape[0], 1}, last = 1;
    uint32_t of_expected, of_weights, of_counts;
    array *expected = array_made(s, dtype, 2, a->shape, &of_expected);
    array *weights = array_made(s, dtype, 2, column, &of_weights);
    array *counts = array_made(s, MG_BOOL, 2, column, &of_counts);
    if (s->status < 0) return 0;
    int64_t counted = targets_count(r, t, a->shape[1], (uint8_t *)counts->data);
    if (s->status < 0) return 0;
    double weight = integers(r)[0] == MG_REDUCE_MEAN ? 1.0 / (double)counted : 1.0;
    (dtype == MG_FLOAT32 ? expected_float32 : expected_float64)(
        a->shape[0], a->shape[1], (const int64_t *)t->data, integers(r)[1], number_of(r),
        weight, expected->data, weights->data);
    uint32_t g = cast(s, r->g, dtype);
    if (integers(r)[0] == MG_REDUCE_NONE) g = reshape(s, g, 2, column);
    uint32_t softmax = with_integers(s, MG_SOFTMAX, cast(s, logits, dtype), 1, &last);
    uint32_t made = two(s, MG_MUL, two(s, MG_SUB, softmax, of_expected),
                        two(s, MG_MUL, of_weights, g));
    if (counted < t->count)
        made = choose(s, of_counts, made, scope_constant(s, dtype, 0.0));
    return fit(r, made);
}

/* What the gradients of both norms are made of, in the type that is computed in. */
typedef struct norm_parts {
    unsigned axes; /* those that are normalized */
    uint32_t a, g, scale, normal;
} norm_parts;

static norm_parts norm_open(const rule *r, bool centered)
{
    scope *s = r->s;
    norm_parts p = {0};
    const array *a = operand_array(r, 0);
    int dtype = wide_of(a->dtype);
    for (int64_t i = 0; i < integers(r)[0]; i++) p.axes |= 1u << (a->rank - 1 - i);
    p.g = cast(s, r->g, dtype);
    p.a = cast(s, value_of(r, 0), dtype);
    if (centered) p.a = two(s, MG_SUB, p.a, reduce(s, MG_MEAN, p.a, p.axes, true));
    uint32_t squares = two(s, MG_MUL, p.a, p.a);
    uint32_t mean = reduce(s, MG_MEAN, squares, p.axes, true);
    uint32_t epsilon = scope_constant(s, dtype, number_of(r));
    p.scale = one(s, MG_RSQRT, two(s, MG_ADD, mean, epsilon));
    p.normal = two(s, MG_MUL, p.a, p.scale);
    return p;
}

/* scale * (h - mean h - normal * mean of h * normal), h = g * weight; without mean h for
 * the norm that does not subtract the mean. */
static uint32_t vjp_norm(const rule *r, bool centered)
{
    scope *s = r->s;
    norm_parts p = norm_open(r, centered);
    if (r->which == 2) return fit(r, sum_to(s, p.g, operand_array(r, 2)));
    if (r->which == 1)
        return fit(r, sum_to(s, two(s, MG_MUL, p.g, p.normal), operand_array(r, 1)));
    uint32_t h = p.g;
    if (s->status < 0) return 0;
    if (array_in(s, r->y)->operand_count > 1)
        h = two(s, MG_MUL, h, cast(s, value_of(r, 1), array_in(s, h)->dtype));
    uint32_t shared = reduce(s, MG_MEAN, two(s, MG_MUL, h, p.normal), p.axes, true);
    uint32_t less = h;
    if (centered) less = two(s, MG_SUB, h, reduce(s, MG_MEAN, h, p.axes, true));
    less = two(s, MG_SUB, less, two(s, MG_MUL, p.normal, shared));
    return fit(r, two(s, MG_MUL, p.scale, less));
}

static uint32_t vjp_layer_norm(const rule *r)
{
    return vjp_norm(r, true);
}

static uint32_t vjp_rms_norm(const rule *r)
{
    return vjp_norm(r, false);
}

/* ---- the caller's functions: the sweep asks for their gradients -------------------- */

static uint32_t vjp_function(const rule *r)
{
    (void)r;
    return 0;
}

static uint32_t vjp_output(const rule *r)
{
    (void)r;
    return 0;
}

uint32_t vjp(scope *s, uint32_t y, int which, uint32_t g)
{
    rule r = {s, y, g, which};
    int op = op_of(node_at(s->arena, y));
    if (s->status < 0) return 0;
    if (op < MG_MAP_OP_COUNT) return vjp_elements(&r, op);
    rule_function find = rules[op - MG_MAP_OP_COUNT];
    uint32_t made = find ? find(&r) : 0;
    return s->status < 0 ? 0 : made;
}
