/* ops.c: the columns of ops.def as tables, and the calls that tell of ops. */
#include "base/base.h"

const uint8_t op_types[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) types,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) types,
#include "ops.def"
};

const bool op_has_gradient[] = {
#define MG_ARRAY(NAME, name, symbol, gradient) gradient,
#include "ops.def"
};

static const char *const op_names[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) #name,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) #name,
#include "ops.def"
#define MG_ARRAY(NAME, name, symbol, gradient) #name,
#include "ops.def"
};
static const char *const op_symbols[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) symbol,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) symbol,
#include "ops.def"
#define MG_ARRAY(NAME, name, symbol, gradient) symbol,
#include "ops.def"
};

static bool is_op(int op)
{
    return op >= 0 && op < MG_OP_COUNT;
}

int mg_op_count(void)
{
    return MG_OP_COUNT;
}

int mg_scalar_op_count(void)
{
    return MG_SCALAR_OP_COUNT;
}

const char *mg_op_name(int op)
{
    return is_op(op) ? op_names[op] : NULL;
}

const char *mg_op_symbol(int op)
{
    return is_op(op) ? op_symbols[op] : NULL;
}

int mg_op_arity(int op)
{
    static const int8_t arities[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
#define MG_ARRAY(NAME, name, symbol, gradient) -1,
#include "ops.def"
    };
    return is_op(op) ? arities[op] : MG_ERR_ARG;
}
