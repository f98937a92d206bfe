/* elements.c: the forward function of all elementwise ops. */
#include "arrays/arrays.h"

/* Check what an op asks of its second operand: integers are not divided by 0. */
int map_check(int op, int result, const array *b)
{
    bool checks = op_traits[op] & MG_CHECKS_ZERO;
    return checks && !is_float(result) && map_has_zero(b) ? MG_ERR_ZERODIV : MG_OK;
}

/* Check a number of Python's as an exponent of integers: below 0 it gives none. */
static int exponent_check(const call *c)
{
    int64_t exponent;
    if (!(op_traits[c->op] & MG_CHECKS_SIGN) || !(c->weak & 2)) return MG_OK;
    const array *a = operand_of(c, 0), *b = operand_of(c, 1);
    if (is_float(a->dtype) || is_float(b->dtype) || !b->count) return MG_OK;
    cast_elements(b->dtype, MG_INT64, 1, b->data, &exponent);
    return exponent < 0 ? MG_ERR_DOMAIN : MG_OK;
}

/* The common case: arrays of one type that has kernels, contiguous, of one shape, or one
 * of them a number. Returns false when it is not. */
static bool value_direct(call *c, const array *a, const array *b, int *status)
{
    const array *longer = a;
    unsigned repeats = 0;
    if (op_types[c->op] >= INTEGRAL || a->dtype > MG_FLOAT64 || !a->contiguous)
        return false;
    if (b) {
        if (b->dtype != a->dtype || !b->contiguous) return false;
        if (!shape_equal(a, b)) {
            if (b->count == 1 && b->rank <= a->rank)
                repeats = 2;
            else if (a->count == 1 && a->rank <= b->rank)
                repeats = 1;
            else
                return false;
            longer = repeats == 1 ? b : a;
        }
    }
    if (longer->count > SHARED_COST / op_cost(c->op)) return false;
    map_kernel kernel = kernels()->value[c->op][a->dtype];
    *status = result_new(c, a->dtype, longer->rank, longer->shape);
    if (*status < 0 || longer->count == 0) return true;
    double number = c->number_count ? c->numbers[0] : 0.0;
    kernel(longer->count, a->data, b ? b->data : NULL, c->result->data, number, repeats);
    return true;
}

int map_value(call *c)
{
    int status = MG_OK, computed, result, rank;
    int64_t shape[MG_MAX_RANK];
    const array *a = operand_of(c, 0),
                *b = c->operand_count > 1 ? operand_of(c, 1) : NULL;
    if (value_direct(c, a, b, &status)) return status;
    MG_TRY(exponent_check(c));
    int common = compared_dtype(c->op, operands_dtype(c, 0), c->weak != 0);
    MG_TRY(op_dtypes(c->op, common, &computed, &result));
    MG_TRY(operand_cut(c, common, computed, &a));
    MG_TRY(operand_cut(c, common, computed, &b));
    MG_TRY(work_status(map_check(c->op, result, b)));
    rank = a->rank;
    memcpy(shape, a->shape, sizeof shape);
    if (b) MG_TRY(shape_broadcast(a, b, &rank, shape));
    MG_TRY(result_new(c, result, rank, shape));
    double number = c->number_count ? c->numbers[0] : 0.0;
    map_apply(c->op, computed, a, b, number, c->result);
    return work_status(MG_OK);
}
