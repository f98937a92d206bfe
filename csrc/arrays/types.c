/* types.c: the types that ops are computed in, and that of their results. */
#include "arrays/arrays.h"

/* Join the types of operands that count more and less, as torch.result_type does: the
 * lesser ones count by their kind only. -1: there are none. */
static int types_join(int more, int less)
{
    if (more < 0 || less < 0) return more < 0 ? less : more;
    if (is_float(more) || !(more == MG_BOOL || is_float(less))) return more;
    return dtype_promote(more, less);
}

static int type_add(int so_far, int dtype)
{
    return so_far < 0 ? dtype : dtype_promote(so_far, dtype);
}

/* Return the common type of operands: those with axes, then those without, then
 * numbers. */
int operands_dtype(const call *c, int first)
{
    int with_axes = -1, without = -1, numbers = -1;
    for (int i = first; i < c->operand_count; i++) {
        const array *a = operand_of(c, i);
        if (c->weak >> i & 1)
            numbers = type_add(numbers, is_float(a->dtype) ? MG_FLOAT32 : a->dtype);
        else if (a->rank == 0)
            without = type_add(without, a->dtype);
        else
            with_axes = type_add(with_axes, a->dtype);
    }
    return types_join(types_join(with_axes, without), numbers);
}

/* Find the type that an op is computed in, and that of its result. */
int op_dtypes(int op, int common, int *computed, int *result)
{
    switch (op_types[op]) {
    case FLOATS: *result = is_float(common) ? common : MG_FLOAT32; break;
    case NUMBERS: *result = common == MG_BOOL ? MG_INT64 : common; break;
    case NUMBERS_ONLY:
        MG_RETURN_IF(common == MG_BOOL, MG_ERR_DTYPE);
        *result = common;
        break;
    case NUMBERS_AND_BOOLS:
    case INTEGRAL:
    case INTEGRAL_AND_BOOLS: *result = common; break;
    case COMPARES: *result = MG_BOOL; break;
    case TRUTHS: *result = *computed = MG_BOOL; return MG_OK;
    default: return MG_ERR_ARG;
    }
    *computed = compute_dtype(op_types[op] == COMPARES ? common : *result);
    return kernels()->value[op][*computed] ? MG_OK : MG_ERR_DTYPE;
}

/* Return the type that is compared in: a Python int beside an integer array is compared
 * as it is, for 300 is no uint8. */
int compared_dtype(int op, int dtype, bool weak)
{
    bool narrow = !is_float(dtype) && dtype != MG_BOOL;
    return op_types[op] == COMPARES && weak && narrow ? MG_INT64 : dtype;
}

/* Return the type that a Python number of a kind gets beside an array. */
int number_dtype(int op, int dtype, int kind)
{
    static const uint8_t of_kind[] = {MG_BOOL, MG_INT64, MG_FLOAT32};
    int computed, result, common = types_join(dtype, of_kind[kind]);
    common = compared_dtype(op, common, kind == MG_NUMBER_INT);
    if (op_dtypes(op, common, &computed, &result) < 0) return common;
    return computed == MG_INT32 ? common : computed; /* what int8 has no bits for is cut */
}
