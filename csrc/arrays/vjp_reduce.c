/* vjp_reduce.c: gradients of reductions. */
#include "arrays/rule.h"

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

uint32_t vjp_sum(const rule *r)
{
    return scope_expand(r->s, keep_axes(r, r->g), operand_array(r, 0));
}

uint32_t vjp_mean(const rule *r)
{
    scope *s = r->s;
    if (s->status < 0) return 0;
    int dtype =
        compute_dtype(array_in(s, r->y)->dtype); /* of float16, which cannot count */
    uint32_t n = scope_constant(s, dtype, (double)reduced_count(r));
    uint32_t share = apply2(s, MG_DIV, scope_cast(s, r->g, dtype), n);
    return rule_fit(r, scope_expand(s, keep_axes(r, share), operand_array(r, 0)));
}

/* Return a part of the columns of a matrix. */
static uint32_t columns_of(scope *s, uint32_t rows, int64_t first, int64_t count)
{
    if (s->status < 0) return 0;
    const array *a = array_in(s, rows);
    const int64_t start[] = {0, first}, step[] = {1, 1}, shape[] = {a->shape[0], count};
    return scope_slice(s, rows, 2, start, step, shape);
}

/* Return a matrix with a column of ones behind it. */
static uint32_t with_ones(scope *s, uint32_t rows)
{
    const int64_t how[] = {0, 0, 0, 1}; /* before, after */
    const double one = 1.0;
    return scope_apply(s, MG_PAD, 1, &rows, 4, how, 1, &one);
}

static uint32_t side_by_side(scope *s, uint32_t a, uint32_t b)
{
    const uint32_t both[] = {a, b};
    const int64_t axis = 1;
    return scope_apply(s, MG_CAT, 2, both, 1, &axis, 0, NULL);
}

enum { HALVINGS = 64 }; /* of a count below 2^63, and one more */

/* Return, for each element of rows (.., n), the product of the others of its row: of each
 * half, its others among the products of pairs, one of either half, times its partner.
 * There is no division: factors may be 0, and all derivatives are right. */
static uint32_t products_of_others(scope *s, uint32_t rows, int64_t n)
{
    uint32_t first[HALVINGS], second[HALVINGS];
    int64_t counts[HALVINGS];
    int level = 0;
    for (int64_t half; n > 1; n = half, level++) {
        half = (n + 1) / 2;
        counts[level] = n;
        first[level] = columns_of(s, rows, 0, half);
        second[level] = columns_of(s, rows, half, n - half);
        if (n % 2) second[level] = with_ones(s, second[level]);
        rows = apply2(s, MG_MUL, first[level], second[level]);
    }
    if (s->status < 0) return 0;
    const array *pairs = array_in(s, rows);
    uint32_t others = scope_expand(s, scope_constant(s, pairs->dtype, 1.0), pairs);
    while (level-- > 0) {
        uint32_t of_first = apply2(s, MG_MUL, others, second[level]);
        uint32_t of_second = apply2(s, MG_MUL, others, first[level]);
        int64_t half = (counts[level] + 1) / 2;
        if (counts[level] % 2) of_second = columns_of(s, of_second, 0, half - 1);
        others = side_by_side(s, of_first, of_second);
    }
    return others;
}

/* The product of the other factors times g. */
uint32_t vjp_prod(const rule *r)
{
    scope *s = r->s;
    const array *a = operand_array(r, 0);
    int64_t n = reduced_count(r), axes[MG_MAX_RANK], back[MG_MAX_RANK];
    uint32_t value = rule_value(r, 0), g = keep_axes(r, r->g);
    if (s->status < 0 || a->count == 0) return scope_zeros_like(s, a);
    int rank = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < a->rank; d++)
            if ((int)(axes_of(r) >> d & 1) == pass) axes[rank++] = d;
    uint32_t moved = with_integers(s, MG_PERMUTE, value, rank, axes);
    if (s->status < 0) return 0;
    const array *shown = array_in(s, moved);
    const int64_t shape[] = {a->count / n, n};
    uint32_t others = products_of_others(s, reshape(s, moved, 2, shape), n);
    others = reshape(s, others, rank, shown->shape);
    for (int d = 0; d < rank; d++) back[axes[d]] = d;
    others = with_integers(s, MG_PERMUTE, others, rank, back);
    return apply2(s, MG_MUL, others, g);
}

static uint32_t is_nan(scope *s, uint32_t a)
{
    return apply2(s, MG_NE, a, a);
}

static bool has_nan(scope *s, uint32_t a)
{
    if (s->status < 0) return false;
    if (recorder_of(s->arena)) return true; /* a program's arrays may have some */
    unsigned axes = (1u << array_in(s, a)->rank) - 1;
    uint32_t any = scope_reduce(s, MG_ANY, is_nan(s, a), axes, false);
    return s->status >= 0 && *array_in(s, any)->data;
}

/* The places that hold the extremum share its gradient; NaN is one. */
static uint32_t vjp_extremum(const rule *r)
{
    scope *s = r->s;
    uint32_t y = keep_axes(r, rule_result(r));
    uint32_t a = rule_value(r, 0), here = apply2(s, MG_EQ, a, y);
    if (has_nan(s, y))
        here = apply2(s, MG_LOGICAL_OR, here,
                      apply2(s, MG_LOGICAL_AND, is_nan(s, a), is_nan(s, y)));
    if (s->status < 0) return 0;
    int dtype = compute_dtype(operand_array(r, 0)->dtype); /* float16 cannot count */
    uint32_t ones = scope_cast(s, here, dtype);
    uint32_t count = scope_reduce(s, MG_SUM, ones, axes_of(r), true);
    uint32_t share = apply2(s, MG_DIV, scope_cast(s, keep_axes(r, r->g), dtype), count);
    return rule_fit(r, choose(s, here, share, scope_constant(s, dtype, 0.0)));
}

uint32_t vjp_amax(const rule *r)
{
    return vjp_extremum(r);
}

uint32_t vjp_amin(const rule *r)
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
    uint32_t a = scope_cast(s, rule_value(r, 0), dtype);
    uint32_t mean = scope_reduce(s, MG_MEAN, a, axes_of(r), true);
    uint32_t twice = apply2(s, MG_DIV, scope_constant(s, dtype, 2.0),
                         scope_constant(s, dtype, freedom > 0.0 ? freedom : 0.0));
    uint32_t scaled = apply2(s, MG_MUL, twice, keep_axes(r, g));
    return rule_fit(r, apply2(s, MG_MUL, scaled, apply2(s, MG_SUB, a, mean)));
}

uint32_t vjp_var(const rule *r)
{
    return variance_gradient(
        r, scope_cast(r->s, r->g, compute_dtype(operand_array(r, 0)->dtype)));
}

/* Of a deviation 0 the gradient is 0. */
uint32_t vjp_std(const rule *r)
{
    scope *s = r->s;
    int dtype = compute_dtype(operand_array(r, 0)->dtype);
    uint32_t y = scope_cast(s, rule_result(r), dtype), g = scope_cast(s, r->g, dtype);
    uint32_t zero = scope_constant(s, dtype, 0.0);
    uint32_t twice = apply2(s, MG_MUL, scope_constant(s, dtype, 2.0), y);
    uint32_t of_var = apply2(s, MG_DIV, g, twice);
    return variance_gradient(r, choose(s, scope_is_zero(s, y), zero, of_var));
}

uint32_t vjp_logsumexp(const rule *r)
{
    scope *s = r->s;
    uint32_t less = apply2(s, MG_SUB, rule_value(r, 0), keep_axes(r, rule_result(r)));
    return rule_fit(r, apply2(s, MG_MUL, keep_axes(r, r->g), apply1(s, MG_EXP, less)));
}

/* Turn the order along an axis round. */
static uint32_t flip(scope *s, uint32_t a, int64_t axis)
{
    int64_t start[MG_MAX_RANK] = {0}, step[MG_MAX_RANK];
    if (s->status < 0) return 0;
    const array *from = array_in(s, a);
    for (int d = 0; d < MG_MAX_RANK; d++) step[d] = 1;
    start[axis] = from->shape[axis] - 1;
    step[axis] = -1;
    return scope_slice(s, a, from->rank, start, step, from->shape);
}

uint32_t vjp_cumsum(const rule *r)
{
    int64_t axis = integers(r)[0];
    uint32_t sums = with_integers(r->s, MG_CUMSUM, flip(r->s, r->g, axis), 1, &axis);
    return flip(r->s, sums, axis);
}
