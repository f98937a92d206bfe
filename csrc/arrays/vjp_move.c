/* vjp_move.c: gradients of ops that move elements. */
#include "arrays/rule.h"

static const int64_t zero_starts[MG_MAX_RANK] = {0};

uint32_t vjp_reshape(const rule *r)
{
    const array *a = operand_array(r, 0);
    return reshape(r->s, r->g, a->rank, a->shape);
}

uint32_t vjp_permute(const rule *r)
{
    int64_t inverse[MG_MAX_RANK];
    int rank = operand_array(r, 0)->rank;
    for (int d = 0; d < rank; d++) inverse[integers(r)[d]] = d;
    return with_integers(r->s, MG_PERMUTE, r->g, rank, inverse);
}

uint32_t vjp_expand(const rule *r)
{
    return rule_fit(r, r->g);
}

uint32_t vjp_slice(const rule *r)
{
    int64_t how[3 * MG_MAX_RANK];
    const array *a = operand_array(r, 0);
    memcpy(how, a->shape, a->rank * sizeof *how);
    memcpy(how + a->rank, integers(r), 2 * a->rank * sizeof *how);
    return with_integers(r->s, MG_SPREAD, r->g, 3 * a->rank, how);
}

uint32_t vjp_spread(const rule *r)
{
    const array *a = operand_array(r, 0);
    const int64_t *start = integers(r) + a->rank;
    return scope_slice(r->s, r->g, a->rank, start, start + a->rank, a->shape);
}

uint32_t vjp_window(const rule *r)
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

uint32_t vjp_fold(const rule *r)
{
    int64_t how[10];
    const array *a = operand_array(r, 0);
    const int64_t *given = integers(r);
    int64_t s = given[0];
    memcpy(how, given, (size_t)(1 + 3 * s) * sizeof *how);
    for (int64_t i = 0; i < s; i++) how[1 + i] = a->shape[a->rank - s + i];
    uint32_t windows = with_integers(r->s, MG_WINDOW, r->g, 1 + 3 * (int)s, how);
    return scope_slice(r->s, windows, a->rank, zero_starts, unit_steps, a->shape);
}

uint32_t vjp_contiguous(const rule *r)
{
    return r->g;
}

uint32_t vjp_clone(const rule *r)
{
    return r->g;
}

uint32_t vjp_cast(const rule *r)
{
    return rule_fit(r, r->g);
}

uint32_t vjp_pad(const rule *r)
{
    const array *a = operand_array(r, 0);
    return scope_slice(r->s, r->g, a->rank, integers(r), unit_steps, a->shape);
}

/* Operands mostly come in order: the sweep remembers where the last one began. */
uint32_t vjp_cat(const rule *r)
{
    const array *a = operand_array(r, r->which);
    int64_t start[MG_MAX_RANK] = {0}, axis = integers(r)[0];
    operands_passed none = {0}, *passed = r->s->passed ? r->s->passed : &none;
    if (passed->node != r->y || passed->count > r->which)
        *passed = (operands_passed){.node = r->y};
    for (; passed->count < r->which; passed->count++)
        passed->size += operand_array(r, passed->count)->shape[axis];
    start[axis] = passed->size;
    return rule_fit(r, scope_slice(r->s, r->g, a->rank, start, unit_steps, a->shape));
}

uint32_t vjp_assign(const rule *r)
{
    int rank = operand_array(r, 0)->rank;
    const int64_t *how = integers(r);
    if (r->which == 1)
        return rule_fit(r,
                        scope_slice(r->s, r->g, rank, how, how + rank, how + 2 * rank));
    uint32_t operands[] = {r->g, scope_constant(r->s, array_in(r->s, r->g)->dtype, 0.0)};
    return scope_apply(r->s, MG_ASSIGN, 2, operands, 3 * rank, how, 0, NULL);
}

/* ---- indices ----------------------------------------------------------------------- */

uint32_t vjp_take(const rule *r)
{
    if (r->which != 0) return 0;
    uint32_t operands[] = {scope_zeros_like(r->s, operand_array(r, 0)), rule_value(r, 1),
                           r->g};
    return scope_apply_over(r->s, MG_ADD_AT, 3, operands, 0, NULL);
}

uint32_t vjp_add_at(const rule *r)
{
    if (r->which == 0) return r->g;
    return r->which == 2 ? rule_fit(r, apply2(r->s, MG_TAKE, r->g, rule_value(r, 1))) : 0;
}

/* Of several rows at one position the last one stays: it alone gets the gradient. */
uint32_t vjp_put_at(const rule *r)
{
    scope *s = r->s;
    if (r->which == 1) return 0;
    uint32_t index = rule_value(r, 1);
    if (r->which == 0)
        return apply3(s, MG_PUT_AT, r->g, index,
                      scope_zeros_like(s, operand_array(r, 2)));
    const array *positions = operand_array(r, 1), *a = operand_array(r, 0);
    array *order, *winners;
    if (s->status < 0) return 0;
    s->status = array_new(s->arena, MG_INT64, positions->rank, positions->shape, &order);
    if (s->status < 0) return 0;
    for (int64_t i = 0; i < order->count; i++) ((int64_t *)order->data)[i] = i;
    uint32_t numbers = scope_array(s, order);
    if (s->status < 0) return 0;
    constant_remember(s->arena, numbers);
    s->status = array_new(s->arena, MG_INT64, 1, a->shape, &winners);
    if (s->status < 0) return 0;
    perform(s->arena,
            &(deed){DEED(zeros_run), .arrays = {winners}, .writes = 1, .fills = 1});
    uint32_t last = apply3(s, MG_PUT_AT, scope_array(s, winners), index, numbers);
    uint32_t wins = apply2(s, MG_EQ, apply2(s, MG_TAKE, last, index), numbers);
    if (s->status < 0) return 0;
    int64_t shape[MG_MAX_RANK];
    int rank = operand_array(r, 2)->rank;
    for (int d = 0; d < rank; d++)
        shape[d] = d < positions->rank ? positions->shape[d] : 1;
    wins = reshape(s, wins, rank, shape);
    uint32_t zero = scope_constant(s, array_in(s, r->g)->dtype, 0.0);
    return rule_fit(r, choose(s, wins, apply2(s, MG_TAKE, r->g, index), zero));
}

uint32_t vjp_gather(const rule *r)
{
    if (r->which != 0) return 0;
    uint32_t operands[] = {scope_zeros_like(r->s, operand_array(r, 0)), rule_value(r, 1),
                           r->g};
    return scope_apply_over(r->s, MG_SCATTER_ADD, 3, operands, 1, integers(r));
}

uint32_t vjp_scatter_add(const rule *r)
{
    int64_t how[3 * MG_MAX_RANK];
    if (r->which == 0) return r->g;
    if (r->which == 1) return 0;
    uint32_t operands[] = {r->g, rule_value(r, 1)};
    uint32_t gathered =
        scope_apply(r->s, MG_GATHER, 2, operands, 1, integers(r), 0, NULL);
    const array *b = operand_array(r, 2);
    if (shape_equal(b, operand_array(r, 1))) return rule_fit(r, gathered);
    for (int d = 0; d < b->rank; d++) {
        how[d] = b->shape[d];
        how[b->rank + d] = 0;
        how[2 * b->rank + d] = 1;
    }
    return rule_fit(r, with_integers(r->s, MG_SPREAD, gathered, 3 * b->rank, how));
}

uint32_t vjp_where(const rule *r)
{
    if (r->which == 0) return 0;
    uint32_t test = rule_value(r, 0);
    uint32_t zero = scope_constant(r->s, array_in(r->s, r->g)->dtype, 0.0);
    uint32_t a = r->which == 1 ? r->g : zero, b = r->which == 1 ? zero : r->g;
    return rule_fit(r, choose(r->s, test, a, b));
}
