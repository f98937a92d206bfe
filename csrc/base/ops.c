/* ops.c: the columns of ops.def as tables, and the calls that tell of ops. */
#include "base/base.h"

const uint8_t op_types[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, ...) types,
#include "ops.def"
};

const uint16_t op_traits[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, ...) traits,
#define MG_ARRAY(NAME, name, symbol, gradient, traits, takes) traits,
#include "ops.def"
};

const uint8_t op_gradients[] = {
#define MG_ELEMENT(NAME, ...) GRADIENT_RULE,
#define MG_ARRAY(NAME, name, symbol, gradient, traits, takes) GRADIENT_##gradient,
#include "ops.def"
};

/* The number of names, up to six. */
#define COUNT(...) COUNT_(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define COUNT_(first, second, third, fourth, fifth, sixth, count, ...) count

#define TAKES(...) .operands = COUNT(__VA_ARGS__),
#define OPTIONAL(...) .optional = COUNT(__VA_ARGS__),
#define MANY(name) .operands = 1, .many_operands = true,
#define INTEGERS(...) .integers = COUNT(__VA_ARGS__),
#define PER_AXIS(...) .per_axis = COUNT(__VA_ARGS__),
#define SHAPE(name) .many_integers = true,
#define WINDOWS(...) .integers = 1, .per_window_axis = COUNT(__VA_ARGS__),
#define NUMBER(name) .numbers = 1,
const op_counts op_takes[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, ...) \
    {.operands = (arity), .numbers = ((traits) & MG_TAKES_NUMBER) != 0},
#define MG_ARRAY(NAME, name, symbol, gradient, traits, takes) {takes},
#include "ops.def"
};

/* What an elementwise op takes, by arity; with a number, pow_number. */
#define TEXT_0 ""
#define TEXT_1 "TAKES(a)"
#define TEXT_2 "TAKES(a, b)"
static const char *const op_texts[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, ...) \
    ((traits) & MG_TAKES_NUMBER ? TEXT_##arity " NUMBER(k)" : TEXT_##arity),
#define MG_ARRAY(NAME, name, symbol, gradient, traits, takes) #takes,
#include "ops.def"
};

static const char *const op_names[] = {
#define MG_ROW(NAME, name, symbol, ...) #name,
#include "ops.def"
};
static const char *const op_symbols[] = {
#define MG_ROW(NAME, name, symbol, ...) symbol,
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

int mg_element_op_count(void)
{
    return MG_MAP_OP_COUNT;
}

const char *mg_op_name(int op)
{
    return is_op(op) ? op_names[op] : NULL;
}

const char *mg_op_symbol(int op)
{
    return is_op(op) ? op_symbols[op] : NULL;
}

const char *mg_op_takes(int op)
{
    return is_op(op) ? op_texts[op] : NULL;
}

int mg_op_arity(int op)
{
    MG_RETURN_IF(!is_op(op), MG_ERR_ARG);
    return is_element_op(op) ? op_arity(op) : -1;
}

int mg_op_traits(int op)
{
    return is_op(op) ? op_traits[op] : MG_ERR_ARG;
}

/* What the core assumes of the table. */
_Static_assert(MG_LEAF == 0, "a new node, all zeros, is a leaf");
_Static_assert(MG_OP_COUNT <= 1 << ARITY_SHIFT, "an op fits its bits of a node");
#define MG_ELEMENT(NAME, name, symbol, arity, ...) \
    _Static_assert((arity) >= 0 && (arity) <= 2, "a node has two operands: " #name);
#include "ops.def"
