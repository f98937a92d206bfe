/* base.h: what every layer may ask: how many operands an op has, in which types it is
 * computed, and for threads. */
#ifndef MG_BASE_H
#define MG_BASE_H

#include "base/core.h"

/* ---- ops.c ------------------------------------------------------------------------- */

/* The types that an elementwise op is computed in: column `types` of ops.def. */
enum op_types { NOWHERE, FLOATS, NUMBERS, COMPARES, TRUTHS };
extern const uint8_t op_types[MG_MAP_OP_COUNT];
/* Whether a gradient flows through an op on whole arrays, by op - MG_MAP_OP_COUNT. */
extern const bool op_has_gradient[MG_OP_COUNT - MG_MAP_OP_COUNT];

/* Return the number of operands of an elementwise op. */
MG_INLINE int op_arity(int op)
{
    static const uint8_t arities[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
#define MG_MAP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
    };
    return arities[op];
}

/* ---- dtype.c ----------------------------------------------------------------------- */

extern const uint8_t dtype_sizes[MG_DTYPE_COUNT];
int dtype_promote(int a, int b);

MG_INLINE bool is_float(int dtype)
{
    return dtype <= MG_FLOAT16;
}

/* Return the type that an op on `dtype` is computed in: float16's is float32. */
MG_INLINE int wide_of(int dtype)
{
    return dtype == MG_FLOAT16 ? MG_FLOAT32 : dtype;
}

/* Return where a type that is computed in stands in tables of kernels: float32, float64,
 * int64. */
MG_INLINE int wide_index(int dtype)
{
    return dtype == MG_FLOAT32 ? 0 : dtype == MG_FLOAT64 ? 1 : 2;
}

/* ---- threads.c --------------------------------------------------------------------- */

/* Costs are counted in additions of float32 arrays: 2^19 take about 60 us, what it costs
 * to wake a thread. Work of more than this is shared out, in ranges of a quarter of it, so
 * that a thread that comes late leaves the rest to the others. */
enum { SHARED_COST = 1 << 19 };

/* Do the items [first, end) of some work. */
typedef void (*range_task)(void *context, int64_t first, int64_t end);

/* Call task(context, first, end) for ranges that make up [0, count), from as many threads
 * as are set, the caller's among them; returns when all are done. `cost` is that of an
 * item. Ranges must not depend on each other's results. One range of all items, if their
 * cost is not worth more, if this is a call from inside a task, or while another thread
 * is in here. */
void parallel_ranges(int64_t count, double cost, range_task task, void *context);
/* Return how many parts to cut work of a cost into, if the parts cost something
 * themselves: one a thread, 1 where it is not worth sharing. */
int parallel_parts(double cost);
/* Return the number of threads that parallel_ranges() uses, 1 or more. */
int thread_count(void);

#endif
