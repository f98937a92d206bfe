/* vjp_rows.c: gradients of what is computed along rows: softmax, cross-entropy, norms. */
#include "arrays/rule.h"

/* y * (g - sum of g * y) */
uint32_t vjp_softmax(const rule *r)
{
    scope *s = r->s;
    uint32_t y = rule_result(r);
    uint32_t sum =
        scope_reduce(s, MG_SUM, apply2(s, MG_MUL, r->g, y), 1u << integers(r)[0], true);
    return rule_fit(r, apply2(s, MG_MUL, y, apply2(s, MG_SUB, r->g, sum)));
}

/* g - exp(y) * sum of g */
uint32_t vjp_log_softmax(const rule *r)
{
    scope *s = r->s;
    uint32_t sum = scope_reduce(s, MG_SUM, r->g, 1u << integers(r)[0], true);
    uint32_t share = apply1(s, MG_EXP, rule_result(r));
    return rule_fit(r, apply2(s, MG_SUB, r->g, apply2(s, MG_MUL, share, sum)));
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
uint32_t vjp_cross_entropy(const rule *r)
{
    scope *s = r->s;
    if (r->which != 0) return 0;
    uint32_t logits = rule_value(r, 0),
             targets = scope_cast(s, rule_value(r, 1), MG_INT64);
    targets = apply1(s, MG_CLONE, targets);
    if (s->status < 0) return 0;
    const array *a = array_in(s, logits), *t = array_in(s, targets);
    int dtype = compute_dtype(a->dtype);
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
    uint32_t g = scope_cast(s, r->g, dtype);
    if (integers(r)[0] == MG_REDUCE_NONE) g = reshape(s, g, 2, column);
    logits = scope_cast(s, logits, dtype);
    uint32_t zero = scope_constant(s, dtype, 0.0);
    if (counted < t->count) logits = choose(s, of_counts, logits, zero);
    uint32_t softmax = with_integers(s, MG_SOFTMAX, logits, 1, &last);
    uint32_t made = apply2(s, MG_MUL, apply2(s, MG_SUB, softmax, of_expected),
                        apply2(s, MG_MUL, of_weights, g));
    if (counted < t->count) made = choose(s, of_counts, made, zero);
    return rule_fit(r, made);
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
    int dtype = compute_dtype(a->dtype);
    for (int64_t i = 0; i < integers(r)[0]; i++) p.axes |= 1u << (a->rank - 1 - i);
    p.g = scope_cast(s, r->g, dtype);
    p.a = scope_cast(s, rule_value(r, 0), dtype);
    if (centered)
        p.a = apply2(s, MG_SUB, p.a, scope_reduce(s, MG_MEAN, p.a, p.axes, true));
    uint32_t squares = apply2(s, MG_MUL, p.a, p.a);
    uint32_t mean = scope_reduce(s, MG_MEAN, squares, p.axes, true);
    uint32_t epsilon = scope_constant(s, dtype, number_of(r));
    p.scale = apply1(s, MG_RSQRT, apply2(s, MG_ADD, mean, epsilon));
    p.normal = apply2(s, MG_MUL, p.a, p.scale);
    return p;
}

/* scale * (h - mean h - normal * mean of h * normal), h = g * weight; without mean h for
 * the norm that does not subtract the mean. */
static uint32_t vjp_norm(const rule *r, bool centered)
{
    scope *s = r->s;
    norm_parts p = norm_open(r, centered);
    if (r->which == 2) return rule_fit(r, scope_sum_to(s, p.g, operand_array(r, 2)));
    if (r->which == 1)
        return rule_fit(
            r, scope_sum_to(s, apply2(s, MG_MUL, p.g, p.normal), operand_array(r, 1)));
    uint32_t h = p.g;
    if (s->status < 0) return 0;
    if (array_in(s, r->y)->operand_count > 1)
        h = apply2(s, MG_MUL, h, scope_cast(s, rule_value(r, 1), array_in(s, h)->dtype));
    uint32_t shared =
        scope_reduce(s, MG_MEAN, apply2(s, MG_MUL, h, p.normal), p.axes, true);
    uint32_t less = h;
    if (centered) less = apply2(s, MG_SUB, h, scope_reduce(s, MG_MEAN, h, p.axes, true));
    less = apply2(s, MG_SUB, less, apply2(s, MG_MUL, p.normal, shared));
    return rule_fit(r, apply2(s, MG_MUL, p.scale, less));
}

uint32_t vjp_layer_norm(const rule *r)
{
    return vjp_norm(r, true);
}

uint32_t vjp_rms_norm(const rule *r)
{
    return vjp_norm(r, false);
}
