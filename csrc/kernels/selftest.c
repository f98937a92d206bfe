/* selftest.c: does this build, on this processor, in its present state, compute what
 * SPEC.md says? A compiler may contract a * b + c, or be told to reorder sums; a process
 * may flush subnormal numbers to zero or round in another direction, because of a library
 * that it loaded. The kernels in use are asked for a few sums that come out differently
 * then. */
#include <float.h>

#include "kernels/kernels.h"

enum { COUNT = 96 };

/* float32 at place 0 of the kernel tables, float64 at place 1. */
typedef union samples {
    float single[COUNT];
    double twice[COUNT];
} samples;

static void set(int place, samples *to, int i, double value)
{
    if (place == 0)
        to->single[i] = (float)value;
    else
        to->twice[i] = value;
}

static double get(int place, const samples *of, int i)
{
    return place == 0 ? (double)of->single[i] : of->twice[i];
}

static void fill(int place, samples *to, double value)
{
    for (int i = 0; i < COUNT; i++) set(place, to, i, value);
}

/* Tell whether all of an array is `value`. */
static bool is_all(int place, const samples *of, double value)
{
    for (int i = 0; i < COUNT; i++)
        if (!(get(place, of, i) == value)) return false;
    return true;
}

/* Tell whether an op of two numbers gives what it should. */
static bool op_gives(int place, int op, double a, double b, double expected)
{
    samples of_a, of_b, y;
    fill(place, &of_a, a);
    fill(place, &of_b, b);
    kernels()->value[op][place](COUNT, &of_a, &of_b, &y, 0.0, 0);
    return is_all(place, &y, expected);
}

/* (1 + e)^2 is 1 + 2 e + e^2, of which only a fused operation keeps e^2. */
static bool fuses(int place)
{
    double e = place == 0 ? 0x1p-12 : 0x1p-27;
    samples y, g, out;
    fill(place, &y, 1.0 + e);
    fill(place, &g, 1.0);
    kernels()->gradient[MG_TANH][0][place](COUNT, &y, &y, &y, &g, &out, 0.0);
    return !is_all(place, &out, -2.0 * e);
}

/* In a matrix product it must: -(1 + 2 e) * 1 + (1 + e)^2 is e^2. */
static bool product_rounds_twice(int place)
{
    enum { ROWS = 8, COLUMNS = 12 };
    double e = place == 0 ? 0x1p-12 : 0x1p-27, workspace[4096];
    samples a, b, c;
    size_t element = place == 0 ? sizeof(float) : sizeof(double);
    if (kernels()->gemm_workspace(ROWS, COLUMNS, 2, element) >
        sizeof workspace - CACHE_LINE)
        return true;
    fill(place, &a, 1.0 + e);
    fill(place, &b, 1.0 + e);
    fill(place, &c, 1.0);
    for (int i = 0; i < ROWS; i++)
        set(place, &a, 2 * i, -(1.0 + 2.0 * e));              /* (ROWS, 2) */
    for (int j = 0; j < COLUMNS; j++) set(place, &b, j, 1.0); /* (2, COLUMNS) */
    uintptr_t line = ((uintptr_t)workspace + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    matrices p = {.m = ROWS, .n = COLUMNS, .k = 2, .a_column = 1, .b_column = 1};
    p.a = (char *)&a, p.b = (char *)&b, p.c = (char *)&c;
    p.a_row = 2, p.b_row = p.c_row = COLUMNS;
    kernels()->gemm[place](&p, (void *)line);
    return !is_all(place, &c, e * e);
}

/* 1 + h + h, h half a unit of the last place, is 1 when added in order. */
static bool reorders(int place)
{
    double h = place == 0 ? 0x1p-24 : 0x1p-53;
    samples a, y;
    fill(place, &a, 0.0);
    set(place, &a, 0, 1.0);
    for (int i = 1; i < 3; i++) set(place, &a, i * LANES, h);
    kernels()->reduce[REDUCE_SUM][place].rows(1, COUNT, &a, COUNT, &y);
    return get(place, &y, 0) != 1.0;
}

/* Rounding adds and takes away a large number, which must not cancel out; x / x is 1 for
 * numbers of which x * (1 / x) is not. Here x is repeated, as it invites to that. */
static bool rewrites(int place)
{
    samples x, y;
    fill(place, &x, 107.0);
    kernels()->value[MG_DIV][place](COUNT, &x, &x, &y, 0.0, 2);
    return !is_all(place, &y, 1.0) || !op_gives(place, MG_ROUND, 2.25, 0.0, 2.0);
}

static bool flushes(int place)
{
    double least = place == 0 ? (double)FLT_MIN : DBL_MIN;
    double tiny = place == 0 ? 0x1p-149 : 0x1p-1074;
    return !op_gives(place, MG_MUL, least, 0.5, least * 0.5) ||
           !op_gives(place, MG_MUL, tiny, 1.0, tiny);
}

static bool rounds_otherwise(int place)
{
    double h = place == 0 ? 0x1p-24 : 0x1p-53;
    return !op_gives(place, MG_ADD, 1.0, h, 1.0) ||
           !op_gives(place, MG_ADD, 1.0 + 2.0 * h, h, 1.0 + 4.0 * h) ||
           !op_gives(place, MG_ADD, -1.0, -h, -1.0);
}

int mg_selftest(void)
{
    int problems = 0;
    for (int place = 0; place < WIDE_COUNT; place++) {
        if (rounds_otherwise(place)) problems |= MG_ROUNDS_OTHERWISE;
        if (flushes(place)) problems |= MG_FLUSHES;
    }
    for (int place = 0; place < WIDE_COUNT && !problems; place++) {
        bool reordered = reorders(place) || rewrites(place);
        if (reordered) problems |= MG_REORDERS;
        if (fuses(place) || (!reordered && product_rounds_twice(place)))
            problems |= MG_FUSES;
    }
    return problems;
}
