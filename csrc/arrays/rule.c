/* rule.c: what gradient rules are made of. */
#include "arrays/rule.h"

/* Return an operand whose value the gradient needs: it must be what it was. */
uint32_t rule_value(const rule *r, int which)
{
    uint32_t index = operand(r, which);
    const array *y = array_in(r->s, r->y);
    bool same =
        which >= MAX_SAVED || array_in(r->s, index)->buffer->version == y->saved[which];
    if (!same && r->s->status >= 0) r->s->status = MG_ERR_CHANGED;
    return index;
}

/* Return the node itself, whose value the gradient needs. */
uint32_t rule_result(const rule *r)
{
    const array *y = array_in(r->s, r->y);
    if (y->buffer->version != y->version && r->s->status >= 0)
        r->s->status = MG_ERR_CHANGED;
    return r->y;
}

bool has_kernel(const rule *r)
{
    if (r->s->status < 0 || r->s->record) return false;
    const array *g = array_in(r->s, r->g);
    return g->dtype == compute_dtype(g->dtype) && operand_array(r, 0)->count > 0;
}

array *array_made(scope *s, int dtype, int rank, const int64_t *shape,
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

/* ---- contributions that come ahead ------------------------------------------------- */

void ahead_put(const rule *r, int which, uint32_t made)
{
    ahead *of = r->s->ahead;
    if (!of || r->s->status < 0) return;
    node_retain(r->s->arena, made);
    of->node = r->y;
    of->made[which - 1] = made;
}

uint32_t ahead_take(const rule *r)
{
    ahead *of = r->s->ahead;
    if (!of || of->node != r->y || r->which == 0 || r->s->status < 0) return 0;
    uint32_t made = of->made[r->which - 1];
    of->made[r->which - 1] = 0;
    return made ? scope_keep(r->s, made) : 0;
}

/* ---- recording ops ----------------------------------------------------------------- */

uint32_t scope_expand(scope *s, uint32_t a, const array *like)
{
    if (s->status < 0 || shape_equal(array_in(s, a), like)) return a;
    return with_integers(s, MG_EXPAND, a, like->rank, like->shape);
}

uint32_t scope_cast(scope *s, uint32_t a, int dtype)
{
    int64_t to = dtype;
    if (s->status < 0 || array_in(s, a)->dtype == dtype) return a;
    return with_integers(s, MG_CAST, a, 1, &to);
}

uint32_t scope_reduce(scope *s, int op, uint32_t a, unsigned axes, bool keep)
{
    int64_t how[] = {axes, keep};
    return with_integers(s, op, a, 2, how);
}

uint32_t scope_slice(scope *s, uint32_t a, int rank, const int64_t *start,
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

/* Make a leaf of zeros like an array. */
uint32_t scope_zeros_like(scope *s, const array *like)
{
    array *zeros;
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, like->dtype, like->rank, like->shape, &zeros);
    if (s->status < 0) return 0;
    perform(s->arena,
            &(deed){DEED(zeros_run), .arrays = {zeros}, .writes = 1, .fills = 1});
    return scope_array(s, zeros);
}

/* Swap the last two axes. */
uint32_t scope_transpose(scope *s, uint32_t a)
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
uint32_t scope_sum_to(scope *s, uint32_t a, const array *like)
{
    if (s->status < 0) return 0;
    const array *from = array_in(s, a);
    if (shape_equal(from, like)) return a;
    unsigned axes = 0;
    int missing = from->rank - like->rank;
    for (int d = 0; d < from->rank; d++)
        if (d < missing || (like->shape[d - missing] == 1 && from->shape[d] != 1))
            axes |= 1u << d;
    uint32_t sum = scope_reduce(s, MG_SUM, a, axes, missing == 0);
    if (s->status < 0 || missing == 0) return sum;
    return reshape(s, sum, like->rank, like->shape);
}

/* Give a gradient the shape and type of an operand. */
uint32_t rule_fit(const rule *r, uint32_t gradient)
{
    scope *s = r->s;
    if (s->status < 0 || !gradient) return 0;
    const array *like = operand_array(r, r->which);
    const array *from = array_in(s, gradient);
    if (from->rank < like->rank || (from->count == 1 && like->count != 1))
        gradient = scope_expand(s, gradient, array_in(s, r->y));
    return scope_cast(s, scope_sum_to(s, gradient, like), like->dtype);
}

uint32_t scope_is_zero(scope *s, uint32_t a)
{
    if (s->status < 0) return 0;
    return apply2(s, MG_EQ, a, scope_constant(s, array_in(s, a)->dtype, 0.0));
}
