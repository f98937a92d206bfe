/* rule.h: what gradient rules are made of: reading the node whose gradient is passed on,
 * and recording ops.
 *
 * Every function takes and gives 0 where an earlier one failed: s->status tells. */
#ifndef MG_RULE_H
#define MG_RULE_H

#include "arrays/arrays.h"

typedef struct rule {
    scope *s;
    uint32_t y, g; /* the node, and its gradient, of its shape and type */
    int which;     /* the operand */
} rule;

/* The rules, one for each row with the gradient RULE: vjp_elements.c, vjp_move.c, vjp_reduce.c,
 * vjp_product.c, vjp_rows.c. Each returns what y passes on to the operand; 0: nothing. */
#define DECLARE_NONE(name)
#define DECLARE_RULE(name) uint32_t vjp_##name(const rule *r);
#define DECLARE_CALL(name)
#define DECLARE_PASS(name)
#define MG_ARRAY(NAME, name, symbol, gradient, traits, takes) DECLARE_##gradient(name)
#include "ops.def"
#undef DECLARE_NONE
#undef DECLARE_RULE
#undef DECLARE_CALL
#undef DECLARE_PASS
uint32_t vjp_elements(const rule *r, int op);

/* ---- reading the node -------------------------------------------------------------- */

MG_INLINE const array *array_in(const scope *s, uint32_t index)
{
    return array_at(s->arena, index);
}

MG_INLINE uint32_t operand(const rule *r, int which)
{
    return operand_index(r->s->arena, r->y, which);
}

MG_INLINE const array *operand_array(const rule *r, int which)
{
    return array_in(r->s, operand(r, which));
}

MG_INLINE const int64_t *integers(const rule *r)
{
    static const int64_t none[1]; /* of an op on an array without axes */
    const extra *kept = array_in(r->s, r->y)->extra;
    return kept ? extra_integers(kept) : none;
}

MG_INLINE double number_of(const rule *r)
{
    return extra_numbers(array_in(r->s, r->y)->extra)[0];
}

uint32_t rule_value(const rule *r, int which);
uint32_t rule_result(const rule *r);

/* ---- computing without ops --------------------------------------------------------- */

/* Tell whether a kernel serves: nothing is recorded, and g has elements of its types. */
bool has_kernel(const rule *r);
/* Make an array for a rule to fill; its node goes to *made. */
array *array_made(scope *s, int dtype, int rank, const int64_t *shape, uint32_t *made);

/* ---- contributions that come ahead ------------------------------------------------- */

/* Keep what operand 1 or 2 gets, known since operand 0 was asked for, until its turn. */
void ahead_put(const rule *r, int which, uint32_t made);
/* Return what came ahead for this operand, or 0. */
uint32_t ahead_take(const rule *r);

/* ---- recording ops ----------------------------------------------------------------- */

MG_INLINE uint32_t apply1(scope *s, int op, uint32_t a)
{
    return scope_apply(s, op, 1, &a, 0, NULL, 0, NULL);
}

MG_INLINE uint32_t apply2(scope *s, int op, uint32_t a, uint32_t b)
{
    uint32_t operands[] = {a, b};
    return scope_apply(s, op, 2, operands, 0, NULL, 0, NULL);
}

MG_INLINE uint32_t apply3(scope *s, int op, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t operands[] = {a, b, c};
    return scope_apply(s, op, 3, operands, 0, NULL, 0, NULL);
}

MG_INLINE uint32_t with_integers(scope *s, int op, uint32_t a, int count,
                                 const int64_t *numbers)
{
    return scope_apply(s, op, 1, &a, count, numbers, 0, NULL);
}

MG_INLINE uint32_t contiguous(scope *s, uint32_t a)
{
    return apply1(s, MG_CONTIGUOUS, a);
}

MG_INLINE uint32_t reshape(scope *s, uint32_t a, int rank, const int64_t *shape)
{
    return with_integers(s, MG_RESHAPE, a, rank, shape);
}

MG_INLINE uint32_t choose(scope *s, uint32_t test, uint32_t a, uint32_t b)
{
    return apply3(s, MG_WHERE, test, a, b);
}

uint32_t scope_expand(scope *s, uint32_t a, const array *like);
uint32_t scope_cast(scope *s, uint32_t a, int dtype);
uint32_t scope_reduce(scope *s, int op, uint32_t a, unsigned axes, bool keep);
uint32_t scope_slice(scope *s, uint32_t a, int rank, const int64_t *start,
                     const int64_t *step, const int64_t *count);
uint32_t scope_zeros_like(scope *s, const array *like);
uint32_t scope_transpose(scope *s, uint32_t a);
uint32_t scope_is_zero(scope *s, uint32_t a);
uint32_t scope_sum_to(scope *s, uint32_t a, const array *like);
uint32_t rule_fit(const rule *r, uint32_t gradient);

#endif
