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

static uint32_t constant_like(const rule *r, double value)
{
    return scope_constant(r->s, array_in(r->s, r->y)->dtype, value);
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
    uint32_t copies = scope_expand(s, reshape(s, rows, 3, shape), &square);
    if (s->status < 0) return 0;
    uint32_t ones = scope_constant(s, array_in(s, rows)->dtype, 1.0);
    return scope_reduce(s, MG_PROD, choose(s, mask, ones, copies), 4, false);
}

/* The product of the other factors times g: exact also where a factor is 0. Of more
 * than MANY factors it is y / a, and where factors are 0, the product of those that
 * are not. */
uint32_t vjp_prod(const rule *r)
{
    enum { MANY = 32 };
    scope *s = r->s;
    const array *a = operand_array(r, 0);
    int64_t n = reduced_count(r), axes[MG_MAX_RANK], shape[2], back[MG_MAX_RANK];
    uint32_t value = rule_value(r, 0), g = keep_axes(r, r->g);
    if (s->status < 0 || a->count == 0) return scope_zeros_like(s, a);
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
        return apply2(s, MG_MUL, others, g);
    }
    uint32_t flat = scope_is_zero(s, value), ones = constant_like(r, 1.0);
    uint32_t zero = constant_like(r, 0.0);
    uint32_t factors = choose(s, flat, ones, value);
    uint32_t rest = scope_reduce(s, MG_PROD, factors, axes_of(r), true);
    uint32_t count =
        scope_cast(s, scope_reduce(s, MG_SUM, flat, axes_of(r), true), a->dtype);
    uint32_t single = choose(s, apply2(s, MG_EQ, count, ones), rest, zero);
    uint32_t others =
        choose(s, scope_is_zero(s, count), apply2(s, MG_DIV, rest, factors), zero);
    return apply2(s, MG_MUL, choose(s, flat, single, others), g);
}

/* The places that hold the extremum share its gradient. */
static uint32_t vjp_extremum(const rule *r)
{
    scope *s = r->s;
    uint32_t y = keep_axes(r, rule_result(r));
    uint32_t here = apply2(s, MG_EQ, rule_value(r, 0), y);
    if (s->status < 0) return 0;
    int dtype = compute_dtype(operand_array(r, 0)->dtype); /* float16 cannot count */
    here = scope_cast(s, here, dtype);
    uint32_t count = scope_reduce(s, MG_SUM, here, axes_of(r), true);
    uint32_t share = apply2(s, MG_DIV, scope_cast(s, keep_axes(r, r->g), dtype), count);
    return rule_fit(r, apply2(s, MG_MUL, here, share));
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
