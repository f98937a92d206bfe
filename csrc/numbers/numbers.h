/* numbers.h: the scalar engine's inline parts: ops.def expanded for Python's floats, and
 * recording. */
#ifndef MG_NUMBERS_H
#define MG_NUMBERS_H

#include "base/mode.h"
#include "store/store.h"

/* ---- Python's float arithmetic (float.c) ------------------------------------------- */

/* What CPython computes; where it raises, IEEE 754's infinity or NaN, and the error goes to
 * *status, which stays as it is otherwise and after the first. */

double float_pow(double x, double y, int *status);
double float_div(double x, double y, int *status);
double float_exp(double x, int *status);
double float_expm1(double x, int *status);
double float_log(double x, int *status);
double float_log1p(double x, int *status);
double float_sin(double x, int *status);
double float_cos(double x, int *status);
double float_sigmoid(double x);

MG_INLINE double float_larger(double x, double y)
{
    return x > y ? x : y > x ? y : x == y ? x : x + y;
}

/* The generic operations of ops.def for doubles. They use the name `status` of their
 * includer. */
#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIV(x, y) float_div((x), (y), status)
#define NEG(x) (-(x))
#define POW(x, y) float_pow((x), (y), status)
#define POWK(x, k) float_pow((x), (k), status)
#define EXP(x) float_exp((x), status)
#define EXPM1(x) float_expm1((x), status)
#define LOG(x) float_log((x), status)
#define LOG_OR_NAN(x) ((x) < 0.0 ? NAN : float_log((x), status))
#define LOG1P(x) float_log1p((x), status)
#define SIN(x) float_sin((x), status)
#define COS(x) float_cos((x), status)
#define TANH(x) tanh(x)
#define ERF(x) erf(x)
#define SIGMOID(x) float_sigmoid(x)
#define ABS(x) fabs(x)
#define RELU(x) ((x) < 0.0 ? 0.0 : (x))
#define POSITIVE(x) ((x) > 0.0 ? (x) : 0.0)
#define LARGER(x, y) float_larger((x), (y))
#define STEP(x) ((x) > 0.0 ? 1.0 : 0.0)
#define SIGN(x) ((x) > 0.0 ? 1.0 : (x) < 0.0 ? -1.0 : 0.0)
#define SHARE(x, y) ((x) < (y) ? 0.0 : (x) == (y) ? 0.5 : 1.0)
#define MASK(m, x) MUL(m, x)
#define IF_FLAT(x, y, then, otherwise) ((x) == 0.0 && (y) > 0.0 ? (then) : (otherwise))
#define EITHER(number, element) (number)
#define CONST(c) (c)
#define NONE 0.0
#define A a
#define B b
#define K b
#define Y y
#define G g

/* Return op(a, b); b is the exponent of pow_number. With a constant op only one case is
 * left. */
MG_INLINE double op_value(int op, double a, double b, int *status)
{
    (void)b, (void)status;
    switch (op) {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    case MG_##NAME: return (value);
#include "ops.def"
    default: return 0.0;
    }
}

/* Add what node n passes on to the gradients of its operands, first a's, then b's: in
 * x * x both are one node. Without an operand, a or b is node 0, which nobody reads. */
MG_INLINE void op_flow(const node *n, node *first, node *second, int *status)
{
    double a = first->data, b = second->data, y = n->data, g = n->gradient;
    (void)a, (void)b, (void)y;
    switch (op_of(n)) {
#define MG_OP(NAME, name, symbol, arity, types, traits, frames, value, gradient_a, \
              gradient_b) \
    case MG_##NAME: \
        if ((arity) > 0) first->gradient += (gradient_a); \
        if ((arity) > 1) second->gradient += (gradient_b); \
        return;
#include "ops.def"
    case GIVEN: first->gradient += g; return;
    case FACTOR:
        first->gradient += y * g;
        if (arity_of(n) > 1) second->gradient += g;
        return;
    case CALLED: *status = MG_CALL; return;
    default: return;
    }
}

#include "base/ops_undef.inc.c"

/* ---- recording --------------------------------------------------------------------- */

/* Record op(a, b), b 0 for one operand; returns its index, or 0 after a failure. */
MG_INLINE uint32_t build_op(builder *build, int op, uint32_t a, uint32_t b)
{
    if (MG_UNLIKELY(build->status < 0)) return 0;
    double of_b = b ? node_at(build->arena, b)->data : 0.0;
    double data = op_value(op, node_at(build->arena, a)->data, of_b, &build->status);
    if (MG_UNLIKELY(build->status < 0) && build->arena->ieee) build->status = MG_OK;
    return build_node(build, op, a, b, data);
}

/* Record op(a, leaf(number)). */
MG_INLINE uint32_t build_op_number(builder *build, int op, uint32_t a, double number)
{
    return build_op(build, op, a, build_leaf(build, number));
}

/* Return the op of a node, or GIVEN or BARE, also while the caller is called at it. */
MG_INLINE int shown_op(const node *n)
{
    return op_of(n) == CALLED ? (int)(n->bits >> HIDDEN_SHIFT) : op_of(n);
}

/* ---- backward.c -------------------------------------------------------------------- */

/* A whole walk from root, for which w->order becomes the interior nodes that root depends
 * on, in depth-first postorder, and w->leaves the leaves; all marked until the close,
 * which lets go of root, the marks and large scratch memory. */
int walk_whole(mg_arena *arena, uint32_t root);
void walk_close(mg_arena *arena);
/* Swap the gradients of all nodes of the walk with what held[] has for them. */
void gradients_swap(mg_arena *arena, double *held);

#endif
