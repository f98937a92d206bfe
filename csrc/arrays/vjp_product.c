/* vjp_product.c: gradients of matrix products, and of those with windows. */
#include "arrays/rule.h"

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

uint32_t vjp_matmul(const rule *r)
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
    uint32_t g = r->g, other = rule_value(r, 1 - r->which);
    if (rank != y->rank) g = reshape(s, g, rank, shape);
    other = as_matrix(s, other, r->which == 0);
    uint32_t made = r->which == 0 ? apply2(s, MG_MATMUL, g, scope_transpose(s, other))
                                  : apply2(s, MG_MATMUL, scope_transpose(s, other), g);
    const array *own = r->which == 0 ? a : b;
    if (own->rank > 1 || s->status < 0) return rule_fit(r, made);
    array as_row = {.rank = 2, .shape = {1, 1}};
    as_row.shape[r->which == 0] = own->shape[0];
    made = reshape(s, scope_sum_to(s, made, &as_row), 1, own->shape);
    return rule_fit(r, made);
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

uint32_t vjp_linear(const rule *r)
{
    scope *s = r->s;
    uint32_t rows = as_rows(s, r->g);
    if (r->which == 0) {
        const array *x = operand_array(r, 0);
        uint32_t made = apply2(s, MG_MATMUL, rows, rule_value(r, 1));
        return rule_fit(r, reshape(s, made, x->rank, x->shape));
    }
    if (r->which == 1)
        return rule_fit(r, apply2(s, MG_MATMUL, scope_transpose(s, rows),
                                  as_rows(s, rule_value(r, 0))));
    return rule_fit(r, scope_reduce(s, MG_SUM, rows, 1, false));
}

/* Swap the axes of windows that count them with those within. */
static uint32_t windows_swap(scope *s, uint32_t a, int axes)
{
    int64_t order[MG_MAX_RANK] = {0, 1};
    for (int d = 0; d < 2 * axes; d++) order[2 + d] = 2 + (d + axes) % (2 * axes);
    return with_integers(s, MG_PERMUTE, a, 2 + 2 * axes, order);
}

/* What convolve passes on without ops. */
static uint32_t convolve_computed(const rule *r)
{
    scope *s = r->s;
    uint32_t made = 0, g = contiguous(s, r->g), other = rule_value(r, 1 - r->which);
    const array *weights = operand_array(r, 0), *images = operand_array(r, 1);
    const int64_t *shape = weights->shape;
    const int64_t parts[] = {images->shape[0], shape[0], shape[2], shape[1]};
    const array sum = {.rank = 3, .shape = {shape[0], shape[2], shape[1]}};
    if (r->which == 1) other = contiguous(s, scope_transpose(s, other));
    array *out = array_made(s, images->dtype, r->which ? images->rank : 4,
                            r->which ? images->shape : parts, &made);
    if (!out) return 0;
    deed of = {.writes = 1 << 3, .fills = 1 << 3};
    of.run = r->which ? convolve_images_back : convolve_kernels_back;
    of.name = r->which ? "convolve_images_back" : "convolve_kernels_back";
    of.arrays[0] = weights, of.arrays[1] = array_in(s, other);
    of.arrays[2] = array_in(s, g), of.arrays[3] = out;
    const int64_t *how = integers(r);
    memcpy(of.integers, how, (size_t)(1 + 3 * how[0]) * sizeof *how);
    s->status = perform(s->arena, &of);
    if (s->status < 0 || r->which) return made;
    return scope_transpose(s, scope_sum_to(s, made, &sum));
}

/* Tell whether convolve's gradient may be computed without ops. */
static bool convolve_has_kernel(const rule *r)
{
    if (!has_kernel(r)) return false;
    const int dtype = array_in(r->s, r->g)->dtype;
    const array *weights = operand_array(r, 0), *images = operand_array(r, 1);
    return weights->dtype == dtype && images->dtype == dtype &&
           convolve_goes_back(integers(r), weights, images);
}

/* The gradient of kernels @ columns, made of the windows: the product kept none. */
uint32_t vjp_convolve(const rule *r)
{
    const unsigned but_channels = ((1u << array_in(r->s, r->y)->rank) - 1) & ~2u;
    if (r->which == 2)
        return rule_fit(r, scope_reduce(r->s, MG_SUM, r->g, but_channels, false));
    if (convolve_has_kernel(r)) return rule_fit(r, convolve_computed(r));
    scope *s = r->s;
    const array *kernels = operand_array(r, 0), *a = operand_array(r, 1);
    const array *y = array_in(s, r->y);
    const int64_t *how = integers(r);
    const int axes = (int)how[0], count = 1 + 3 * axes;
    const int64_t n = y->shape[0], groups = kernels->shape[0];
    const int64_t windows = shape_product(y->shape, 2, y->rank);
    const int64_t rows[] = {n, groups, kernels->shape[1], windows};
    const int64_t columns[] = {n, groups, kernels->shape[2], windows};
    uint32_t g = reshape(s, r->g, 4, rows);
    if (r->which == 0) {
        uint32_t seen = with_integers(s, MG_WINDOW, rule_value(r, 1), count, how);
        seen = reshape(s, windows_swap(s, seen, axes), 4, columns);
        return rule_fit(r, apply2(s, MG_MATMUL, g, scope_transpose(s, seen)));
    }
    int64_t shape[MG_MAX_RANK] = {n, a->shape[1]}, fold[10];
    memcpy(shape + 2, how + 1, (size_t)axes * sizeof *shape);
    memcpy(shape + 2 + axes, y->shape + 2, (size_t)axes * sizeof *shape);
    memcpy(fold, how, (size_t)count * sizeof *fold);
    memcpy(fold + 1, a->shape + 2, (size_t)axes * sizeof *fold);
    uint32_t made = apply2(s, MG_MATMUL, scope_transpose(s, rule_value(r, 0)), g);
    made = windows_swap(s, reshape(s, made, 2 + 2 * axes, shape), axes);
    return rule_fit(r, with_integers(s, MG_FOLD, made, count, fold));
}
