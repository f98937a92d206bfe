/* _process.c: the calls of _process.h, each one call of micrograd.h. */
#include <stddef.h>

#include "micrograd.h"
#include "_process.h"

static mg_arena *arena;

mg_arena *process_arena(void)
{
    if (!arena) arena = mg_arena_new(NULL, NULL);
    return arena;
}

int64_t value_leaf(double data)
{
    return mg_leaf(arena, data);
}

int64_t value_add(int64_t a, int64_t b)
{
    return mg_record(arena, MG_ADD, a, b);
}

int64_t value_mul(int64_t a, int64_t b)
{
    return mg_record(arena, MG_MUL, a, b);
}

int64_t value_sub(int64_t a, int64_t b)
{
    return mg_subtract(arena, a, b);
}

int64_t value_div(int64_t a, int64_t b)
{
    return mg_divide(arena, a, b);
}

int64_t value_add_number(int64_t a, double b)
{
    return mg_record_number(arena, MG_ADD, a, b);
}

int64_t value_mul_number(int64_t a, double b)
{
    return mg_record_number(arena, MG_MUL, a, b);
}

int64_t value_pow_number(int64_t a, double exponent)
{
    return mg_record_number(arena, MG_POW_NUMBER, a, exponent);
}

int64_t value_relu(int64_t a)
{
    return mg_record(arena, MG_RELU, a, 0);
}

int64_t value_tanh(int64_t a)
{
    return mg_record(arena, MG_TANH, a, 0);
}

int64_t value_exp(int64_t a)
{
    return mg_record(arena, MG_EXP, a, 0);
}

int64_t value_log(int64_t a)
{
    return mg_record(arena, MG_LOG, a, 0);
}

int64_t value_op(int op, int64_t a, int64_t b)
{
    return mg_record(arena, op, a, b);
}

void value_release(int64_t a)
{
    mg_release(arena, a);
}

double value_data(int64_t a)
{
    double data = 0.0;
    mg_data(arena, 1, &a, &data);
    return data;
}

double value_grad(int64_t a)
{
    double gradient = 0.0;
    mg_gradients(arena, 1, &a, &gradient);
    return gradient;
}

int value_set_data(int64_t a, double data)
{
    return mg_set_data(arena, 1, &a, &data);
}

int value_set_grad(int64_t a, double gradient)
{
    return mg_set_gradients(arena, 1, &a, &gradient);
}
