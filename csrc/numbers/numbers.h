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
extern atomic_int math_in_use; /* of mg_set_math() */

MG_INLINE bool is_math_portable(void)
{
    return atomic_load_explicit(&math_in_use, memory_order_relaxed) == MG_MATH_PORTABLE;
}

/* This one in a loop of lanes is no call. */
MG_INLINE double float_div(double x, double y, int *status)
{
    if (y == 0.0 && *status == MG_OK) *status = MG_ERR_ZERODIV;
    return x / y;
}

double float_exp(double x, int *status);
double float_expm1(double x, int *status);
double float_log(double x, int *status);
double float_log1p(double x, int *status);
double float_sin(double x, int *status);
double float_cos(double x, int *status);
double float_tanh(double x);
double float_erf(double x);
double float_sigmoid(double x);

MG_INLINE double float_larger(double x, double y)
{
    return x > y ? x : y > x ? y : x == y ? x : x + y;
}

#define FLOAT_POW float_pow
#include "numbers/formulas.inc.c"

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

/* ---- steps of optimizers (optim.c) ------------------------------------------------- */

typedef struct sgd {
    double lr, momentum, dampening, weight_decay;
    bool first_step, nesterov;
} sgd;

typedef struct adam {
    int64_t step;
    double lr, beta1, beta2, epsilon, weight_decay;
    bool decoupled, ieee;
} adam;

/* What a step makes of one parameter: its data, and what is remembered. */
typedef struct number_move {
    double data, first, second;
} number_move;

MG_INLINE number_move sgd_move(const sgd *set, double data, double gradient, double velocity)
{
    number_move to = {0.0, 0.0, 0.0};
    double d = gradient;
    if (set->weight_decay != 0.0) d = d + set->weight_decay * data;
    if (set->momentum != 0.0) {
        double moved =
            set->first_step ? d : set->momentum * velocity + (1.0 - set->dampening) * d;
        d = set->nesterov ? d + set->momentum * moved : moved;
        to.first = moved;
    }
    to.data = data - set->lr * d;
    return to;
}

/* The same for Adam, with functions for pow and /; unbias is 1 - beta ** step for both. */
MG_INLINE number_move adam_move(const adam *set, const double unbias[2], double data,
                                double gradient, double m, double v,
                                double (*power)(double, double, int *),
                                double (*divide)(double, double, int *), int *status)
{
    number_move to;
    double g = gradient;
    if (!set->decoupled && set->weight_decay != 0.0) g = g + set->weight_decay * data;
    to.first = set->beta1 * m + (1.0 - set->beta1) * g;
    to.second = set->beta2 * v + (1.0 - set->beta2) * power(g, 2.0, status);
    double m_hat = divide(to.first, unbias[0], status);
    double v_hat = divide(to.second, unbias[1], status);
    double root = power(v_hat, 0.5, status);
    double change = divide(m_hat, root + set->epsilon, status);
    if (set->decoupled) change = change + set->weight_decay * data;
    to.data = data - set->lr * change;
    return to;
}

MG_INLINE void adam_unbias(const adam *set, double unbias[2], int *status)
{
    unbias[0] = 1.0 - float_pow(set->beta1, (double)set->step, status);
    unbias[1] = 1.0 - float_pow(set->beta2, (double)set->step, status);
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
