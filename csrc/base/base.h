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

/* ---- threads.c --------------------------------------------------------------------- */

/* Call task(context, i) for i < count, from as many threads as are set, the caller's
 * among them; returns when all are done. Tasks must not depend on each other's
 * results. A call from inside a task, or while another thread is in here, runs its
 * tasks one by one. */
void parallel_for(int64_t count, void (*task)(void *context, int64_t i), void *context);
/* Return the number of threads that parallel_for() uses, 1 or more. */
int thread_count(void);

#endif
