/* base.h: what every layer may ask: how many operands an op has, in which types it is
 * computed, and for threads. */
#ifndef MG_BASE_H
#define MG_BASE_H

#include "base/core.h"

/* ---- ops.c ------------------------------------------------------------------------- */

/* The types that an elementwise op is computed in: column `types` of ops.def. */
enum op_types {
    NOWHERE,
    FLOATS,
    NUMBERS,
    NUMBERS_ONLY,
    NUMBERS_AND_BOOLS,
    INTEGRAL, /* from here on there are no gradients */
    INTEGRAL_AND_BOOLS,
    COMPARES, /* from here on the result is bool */
    TRUTHS
};
extern const uint8_t op_types[MG_MAP_OP_COUNT];
extern const uint16_t op_traits[MG_OP_COUNT]; /* enum mg_trait */

/* How an op passes on a gradient: column `gradient`; elementwise ops have a rule. */
enum op_gradients { GRADIENT_NONE, GRADIENT_RULE, GRADIENT_CALL, GRADIENT_PASS };
extern const uint8_t op_gradients[MG_OP_COUNT];

/* How many operands, integers and numbers an op takes: column `takes`. */
typedef struct op_counts {
    uint8_t operands;
    uint8_t optional; /* more operands: so many or none */
    uint8_t integers;
    uint8_t per_axis;        /* integers for each axis of operand 0 */
    uint8_t per_window_axis; /* integers for each of the axes that integer 0 counts */
    uint8_t numbers;
    bool many_operands, many_integers; /* and more, any number of them */
} op_counts;
extern const op_counts op_takes[MG_OP_COUNT];

MG_INLINE bool is_element_op(int op)
{
    return op < MG_MAP_OP_COUNT;
}

/* Return the number of operands of an elementwise op. */
MG_INLINE int op_arity(int op)
{
    static const uint8_t arities[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, ...) arity,
#include "ops.def"
    };
    return arities[op];
}

/* ---- dtype.c ----------------------------------------------------------------------- */

extern const uint8_t dtype_sizes[MG_DTYPE_COUNT];
extern const uint8_t dtypes_computed[MG_DTYPE_COUNT];
int dtype_promote(int a, int b);

MG_INLINE bool is_float(int dtype)
{
    return dtype <= MG_BFLOAT16;
}

/* Return the type that an op on `dtype` is computed in: that of what is stored only is a
 * wider one. */
MG_INLINE int compute_dtype(int dtype)
{
    return dtypes_computed[dtype];
}

/* Return where a type that is computed in stands in tables of kernels: float32, float64,
 * int64. */
MG_INLINE int wide_index(int dtype)
{
    return dtype == MG_FLOAT32 ? 0 : dtype == MG_FLOAT64 ? 1 : 2;
}

/* ---- work.c ------------------------------------------------------------------------ */

typedef struct thread_work thread_work;
extern atomic_int works_open; /* of all threads */

const void *thread_mark(void); /* an address that no other living thread returns */
bool work_hurries(void);       /* see mg_work_hurry() */
/* Return the work that this thread may give up now, or NULL. */
thread_work *work_of_thread(void);
/* Ask whether a work goes on, if its own thread is here; NULL does. */
bool work_continues(thread_work *w);
int work_find_status(int status);
bool work_find_hold(void);
void work_let_go(void);

MG_INLINE bool is_work_open(void)
{
    return MG_UNLIKELY(atomic_load_explicit(&works_open, memory_order_relaxed) > 0);
}

/* The same for what this thread does at the moment. */
MG_INLINE bool work_goes_on(void)
{
    return !is_work_open() || work_continues(work_of_thread());
}

/* Return MG_ERR_INTERRUPTED if this thread's work was given up, else `status`. */
MG_INLINE int work_status(int status)
{
    return is_work_open() ? work_find_status(status) : status;
}

/* Do not give up, until work_let_go(): for who writes to what others see. Returns whether
 * that is to be called. */
MG_INLINE bool work_hold(void)
{
    return is_work_open() && work_find_hold();
}

/* How many times as often as a user needs it a question is asked: 8 in sanitized tests,
 * where arrays are small. */
#ifndef MG_ASK_OFTEN
#define MG_ASK_OFTEN 1
#endif

/* The cost, as of parallel_ranges(), between two questions: one thread does that much in
 * 1 to 20 ms. */
enum { ASKED_COST = (1 << 22) / MG_ASK_OFTEN };

/* Ask in a loop at item i, every `period` items, a power of two. */
MG_INLINE bool work_steps(int64_t i, int64_t period)
{
    return MG_UNLIKELY(!(i & (period - 1))) ? work_goes_on() : true;
}

/* ---- rng.c ------------------------------------------------------------------------- */

/* mg_rng_uniform() and mg_rng_normal() in the mode that holds. */
double rng_uniform(mg_rng *rng, double a, double b);
double rng_normal(mg_rng *rng, double mean, double deviation);

/* ---- threads.c --------------------------------------------------------------------- */

/* Costs are counted in additions of elements of float32 arrays. Of 2^19, from memory, one
 * thread took 0.26 ms (a busy Zen 3; to wake a thread takes 0.05): work of more than this
 * is shared out, in ranges of a quarter of it, so that a thread that comes late leaves
 * the rest to the others. */
enum { SHARED_COST = 1 << 19 };

/* Do the items [first, end) of some work. */
typedef void (*range_task)(void *context, int64_t first, int64_t end);

/* Call task(context, first, end) for ranges that make up [0, count), from as many
 * threads as are set, the caller's among them; returns when all are done. `cost` is that
 * of an item. Ranges must not depend on each other's results. There is one range of all
 * items where their cost is not worth more, in a call from inside a task, and while
 * another thread is in here. Of work that is given up, ranges are left out. */
void parallel_ranges(int64_t count, double cost, range_task task, void *context);
/* Return how many parts to cut work of a cost into, if the parts cost something
 * themselves: one a thread, 1 where it is not worth sharing. */
int parallel_parts(double cost);
/* Be ready for fork() from now on: before anything else that waits in a handler is, and not
 * in the middle of work, as setting handlers may have to wait for a fork. */
void threads_open(void);
/* Return the number of threads that parallel_ranges() uses, 1 or more. */
int thread_count(void);

#endif
