/* call.c: what the forward functions of ops share: operands in another type or layout,
 * and results that are computed in another type than they are stored in. */
#include "arrays/arrays.h"

/* Have the result of a program's call where the first one was. */
int result_place(call *c, int dtype, int rank, const int64_t *shape)
{
    array *place = c->place;
    MG_RETURN_IF(place->dtype != dtype, MG_ERR_DTYPE);
    c->result = place;
    bool same = place->rank == rank && place->contiguous;
    for (int d = 0; same && d < rank; d++) same = place->shape[d] == shape[d];
    if (same) return MG_OK;
    MG_RETURN_IF(shape_count(rank, shape) != place->count, MG_ERR_SHAPE);
    return array_set_shape(place, rank, shape, NULL);
}

/* Make an array that lives to the end of the call. */
int scratch_new(call *c, int dtype, int rank, const int64_t *shape, array **made)
{
    MG_TRY(array_new(c->arena, dtype, rank, shape, made));
    scratch_keep(c, *made);
    return MG_OK;
}

/* Make a contiguous copy of an array, as another type, that lives to the end of the
 * call. */
int array_copy(call *c, const array *a, int dtype, const array **made)
{
    array *copy;
    MG_TRY(scratch_new(c, dtype, a->rank, a->shape, &copy));
    map_copy(a, copy);
    *made = copy;
    return MG_OK;
}

/* Return an array of another type, and contiguous if asked for: a itself where it is. */
int array_cast(call *c, const array *a, int dtype, bool contiguous, const array **made)
{
    *made = a;
    if (a->dtype == dtype && (a->contiguous || !contiguous)) return MG_OK;
    return array_copy(c, a, dtype, made);
}

/* Cast an operand that counts by its kind only beside narrower integers to their type: its
 * other bits count nowhere, not where they are computed in a wider type either. */
int operand_cut(call *c, int common, int computed, const array **a)
{
    bool is_integer = !is_float(computed) && computed != MG_BOOL;
    if (!*a || !is_integer || dtype_promote((*a)->dtype, common) == common) return MG_OK;
    return array_cast(c, *a, common, false, a);
}

/* Return an array as what is added to one of a type, contiguous and in the type that this
 * is computed in. Beside integers it loses the bits that they have not. */
int array_widen(call *c, const array *a, int dtype, const array **made)
{
    if (!is_float(dtype)) MG_TRY(array_cast(c, a, dtype, false, &a));
    return array_cast(c, a, compute_dtype(dtype), true, made);
}

/* Make `wide`, an array like the result in the type that it is computed in: the result
 * itself if it has that type. What is computed in it is then stored by result_store(). */
int result_wide(call *c, int dtype, array **wide)
{
    *wide = c->result;
    if (c->result->dtype == dtype) return MG_OK;
    return scratch_new(c, dtype, c->result->rank, c->result->shape, wide);
}

/* The same, with the elements that the result has. */
int result_widen(call *c, int dtype, array **wide)
{
    MG_TRY(result_wide(c, dtype, wide));
    if (*wide != c->result) map_copy(c->result, *wide);
    return MG_OK;
}

/* Store what was computed, when it has another type. */
int result_store(call *c, const array *wide)
{
    if (wide != c->result) map_copy(wide, c->result);
    return MG_OK;
}
