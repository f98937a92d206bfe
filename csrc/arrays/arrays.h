/* arrays.h: ops on whole arrays: a call on its way, and what the files of this layer
 * offer each other. */
#ifndef MG_ARRAYS_H
#define MG_ARRAYS_H

#include "base/mode.h"
#include "kernels/kernels.h"
#include "store/store.h"

/* ---- array.c ----------------------------------------------------------------------- */

int array_find(mg_arena *arena, mg_node handle, uint32_t *index);
int array_leaf(mg_arena *arena, array *a, uint32_t *made);
int array_finish(mg_arena *arena, array *a, int status, uint32_t *made);
uint32_t operand_index(const mg_arena *arena, uint32_t node_index, int which);

MG_INLINE array *array_at(const mg_arena *arena, uint32_t index)
{
    return node_at(arena, index)->array;
}

/* ---- fill.c ------------------------------------------------------------------------ */

int zeros_run(mg_arena *arena, const struct deed *a);

/* ---- a call ------------------------------------------------------------------------ */

enum { MAX_SCRATCH = 12 }; /* no op needs more than seven */

/* An op on its way: operands that live, to a new result. */
typedef struct call {
    mg_arena *arena;
    int op;
    int operand_count, integer_count, number_count;
    const uint32_t *operands;
    const array *const *given; /* operands of a program, which are no nodes; or NULL */
    array *place;              /* where a program has the result; or NULL */
    void *softmax; /* room of a program for softmax_kept_size() bytes; or NULL */
    const int64_t *integers;
    const double *numbers;
    unsigned weak; /* bit i: operand i stands for a Python number */
    bool record;
    bool takes_memory; /* the result takes over the memory of operand 0 */
    bool spoils;       /* which, if the call fails, nobody sees */
    extra *kept; /* made in advance, or NULL */
    array *result;
    array *scratch[MAX_SCRATCH]; /* freed at the end of the call */
    int scratch_count;
} call;

MG_INLINE const array *operand_of(const call *c, int i)
{
    return MG_UNLIKELY(c->given != NULL) ? c->given[i]
                                         : array_at(c->arena, c->operands[i]);
}

/* ---- what a program does again ----------------------------------------------------- */

enum { DEED_ARRAYS = 7, DEED_INTEGERS = 10 };

/* Work on arrays that is no op's. run() is all of it, and decides nothing by elements
 * that it does not look at itself: a program calls it with arrays of other elements. */
typedef struct deed deed;
struct deed {
    int (*run)(mg_arena *arena, const deed *a);
    const char *name; /* for those who look at programs */
    const array *arrays[DEED_ARRAYS]; /* those written to are somebody's; NULL: none */
    unsigned writes;                 /* bit k: array k is written to, */
    unsigned fills;                  /* and in full, before it is read */
    int64_t integers[DEED_INTEGERS];
    double numbers[2];
    const void *softmax; /* of cross_entropy_run(): what the value left there; or NULL */
};

#define DEED(function) .run = function, .name = #function

/* Let a program that is recorded do something, which is done elsewhere. */
MG_INLINE void deed_remember(mg_arena *arena, const deed *a)
{
    recorder *r = recorder_of(arena);
    if (MG_UNLIKELY(r != NULL)) r->acts(r, a);
}

/* Do it, and remember it if a program is recorded. */
MG_INLINE int perform(mg_arena *arena, const deed *a)
{
    deed_remember(arena, a);
    return a->run(arena, a);
}

/* Write to an array that perform() was given as one that is written to. */
MG_INLINE array *deed_output(const deed *a, int which)
{
    return (array *)(uintptr_t)a->arrays[which];
}

/* Say that the elements of a new leaf are no result of calls. */
MG_INLINE void constant_remember(mg_arena *arena, uint32_t made)
{
    recorder *r = recorder_of(arena);
    if (MG_UNLIKELY(r != NULL)) r->constant(r, made);
}

enum { MAX_INTEGERS = 64, MAX_NUMBERS = 8 }; /* of a call */

call over_call(const deed *of);
int over_run(mg_arena *arena, const deed *of);
int result_place(call *c, int dtype, int rank, const int64_t *shape);

/* Make the result of a call, whose elements are not set. */
MG_INLINE int result_new(call *c, int dtype, int rank, const int64_t *shape)
{
    if (MG_UNLIKELY(c->place != NULL)) return result_place(c, dtype, rank, shape);
    return array_new(c->arena, dtype, rank, shape, &c->result);
}

/* Have an array freed at the end of the call. */
MG_INLINE void scratch_keep(call *c, array *a)
{
    c->scratch[c->scratch_count++] = a;
}

/* ---- types.c ----------------------------------------------------------------------- */

int operands_dtype(const call *c, int first);
int compared_dtype(int op, int dtype, bool weak);
int number_dtype(int op, int dtype, int kind);
int op_dtypes(int op, int common, int *computed, int *result);

/* ---- map.c: elementwise loops over strided arrays of any types --------------------- */

void map_apply(int op, int dtype, const array *a, const array *b, double number,
               array *out);
void map_gradient(int op, int which, int dtype, const array *a, const array *b,
                  const array *y, const array *g, double number, array *out);
void map_copy(const array *from, array *to); /* casts, broadcasts */
void copy_elements(int from, int to, int64_t n, const void *source, void *target);
choose_kernel choose_of(int dtype);
void map_add(const array *from, array *to);
void map_choose(const array *test, const array *a, const array *b, array *out);
bool map_has_zero(const array *a);
void array_fill(array *a, double value);
/* Copy some bytes; memcpy() takes longer to find the quickest way than a short row does. */
MG_INLINE void copy_bytes(size_t count, const char *from, char *to)
{
    enum { LEAST = 16, MOST = 512, STEP = 64 };
    if (count < LEAST || count > MOST) {
        memcpy(to, from, count);
        return;
    }
    for (; count >= STEP; count -= STEP, from += STEP, to += STEP) memcpy(to, from, STEP);
    for (; count >= LEAST; count -= LEAST, from += LEAST, to += LEAST)
        memcpy(to, from, LEAST);
    if (count) memcpy(to + count - LEAST, from + count - LEAST, LEAST); /* some again */
}

/* Copy n elements of `size` bytes between strides (in elements). */
void copy_row(int64_t n, size_t size, const char *from, int64_t from_stride, char *to,
              int64_t to_stride);

/* Return the cost of an element, in additions: functions take eight times the time. */
MG_INLINE int op_cost(int op)
{
    return op_types[op] == FLOATS && !(op_traits[op] & MG_CHEAP) ? 8 : 1;
}

/* ---- call.c ------------------------------------------------------------------------ */

int scratch_new(call *c, int dtype, int rank, const int64_t *shape, array **made);
int array_copy(call *c, const array *a, int dtype, const array **made);
int array_cast(call *c, const array *a, int dtype, bool contiguous, const array **made);
int array_widen(call *c, const array *a, int dtype, const array **made);
int operand_cut(call *c, int common, int computed, const array **a);
int result_wide(call *c, int dtype, array **wide);
int result_widen(call *c, int dtype, array **wide);
int result_store(call *c, const array *wide);

/* ---- forward functions: of elements.c to convolve.c -------------------------------- */

/* Read an integer once, from memory that a program may have borrowed, and that another of
 * its threads may write to meanwhile: what is read is checked and used, not read again. */
MG_INLINE int64_t read_once(const int64_t *at)
{
    return *(const volatile int64_t *)at;
}

/* Read a position among n, counted from the end if it is below 0; -1: it is out of
 * range. */
MG_INLINE int64_t read_position(const int64_t *at, int64_t n)
{
    int64_t position = read_once(at);
    if (position < 0) position += n; /* the lowest int64 stays below 0: n is below 2^62 */
    return (uint64_t)position < (uint64_t)n ? position : -1;
}

int map_check(int op, int result, const array *b);
int map_value(call *c); /* of all elementwise ops */
#define MG_ARRAY(NAME, name, ...) int forward_##name(call *c);
#include "ops.def"

/* ---- move.c ------------------------------------------------------------------------ */

extern const int64_t unit_steps[MG_MAX_RANK]; /* 1 along every axis */
int slice_of(array *a, const int64_t *start, const int64_t *step, const int64_t *count);
int window_of(const call *c, array *a);
int base_open(call *c);
void base_written(call *c);
int base_apart(call *c, const array **b);

/* ---- reduce.c ---------------------------------------------------------------------- */

/* An array as a box of rows. */
typedef struct box {
    const array *a; /* contiguous */
    int64_t outer, n, inner;
} box;

/* Rows of a box, from each of which a number or a row is made, by as many threads as it
 * is worth. */
typedef struct rows_job rows_job;
struct rows_job {
    void (*compute)(const rows_job *job, int64_t rows, const char *a, char *y);
    const box *box;
    char *out;
    int64_t out_row; /* bytes of what a row becomes */
    /* what one or another compute() needs besides */
    rows_kernel kernel;
    double number;
    const char *weight, *bias;
    const char *g; /* rows like a's */
    back_kernel back;
    const int64_t *targets;
    int64_t ignored;
    bool sought, root, centered;
};

/* Columns of a box in parts; of each column a number is made, or a column. */
typedef struct columns_job columns_job;
struct columns_job {
    void (*compute)(const columns_job *job, int64_t columns, const char *a, char *y);
    const box *box;
    char *out;
    int64_t out_rows; /* 1, or the box's n */
    int64_t part;     /* columns of a part */
    const reduction_kernels *kernels;
};

void rows_share(const box *b, double cost, range_task task, void *context);
void rows_run(rows_job *job, const box *b, double cost); /* of an element */
void rows_map(rows_kernel kernel, const box *b, char *out, int64_t out_row, double cost);
void columns_run(columns_job *job, const box *b);
void box_reduce(const reduction_kernels *reduce, const box *b, char *out);
int64_t shape_product(const int64_t *shape, int from, int end);
int reduced_dtype(const array *a);
int get_axes(const call *c, unsigned *axes, bool *keep);
int box_open(call *c, const array *a, int dtype, unsigned axes, bool last, box *b);
int result_open(call *c, const array *a, int dtype, unsigned axes, bool keep);
int reduce_into(call *c, int which, const array *a, int dtype, unsigned axes, array *out);
void array_divide(array *a, double number);

/* ---- rows.c ------------------------------------------------------------------------ */

/* Return how much cross_entropy leaves to its gradient; 0: of these logits nothing. */
size_t softmax_kept_size(const array *logits);

/* ---- vjp_elements.c ---------------------------------------------------------------- */

/* The deed that is the gradient of an elementwise op, integer 0, to its operand integer 1;
 * arrays 0 to 4: the operands, the value, its gradient, and the result. */
int gradient_run(mg_arena *arena, const deed *of);

/* ---- vjp_rows.c -------------------------------------------------------------------- */

/* The deed that is the gradient of cross_entropy. */
int cross_entropy_run(mg_arena *arena, const deed *of);

/* ---- product.c --------------------------------------------------------------------- */

enum { PRODUCTS = 16 }; /* multiplications and additions at the cost of an addition */

/* Find the types of a product: the result's, and the one it is computed in. */
int product_dtypes(const array *a, const array *b, int *result, int *computed);
/* Return how many sums of steps a product adds up, one at least. */
int64_t span_count(int dtype, int64_t k);
/* Run a product with c's rows one behind the other; of several spans without a bias. */
int product_run(mg_arena *arena, int dtype, const matrices *p);

/* ---- convolve.c -------------------------------------------------------------------- */

/* Tell whether what follows is quicker than ops one by one. */
bool convolve_goes_back(const int64_t *how, const array *weights, const array *images);
/* Deeds: what a convolve of float32 or float64 with these integers passes on. Arrays 0, 2,
 * 3: its kernels, the gradient g, contiguous, and the result; to the kernels, of the images,
 * array 1, a part for each, (n, groups, k, m); to the images, of the kernels turned, array
 * 1, contiguous (groups, k, m). */
int convolve_kernels_back(mg_arena *arena, const deed *of);
int convolve_images_back(mg_arena *arena, const deed *of);

/* ---- apply.c: recording ------------------------------------------------------------ */

/* Operands of a node whose gradient is being passed on that are done with. */
typedef struct operands_passed {
    uint32_t node;
    int count;
    int64_t size; /* theirs along the axis of a cat */
} operands_passed;

/* Contributions to operands 1 and 2 of a node that came with that to operand 0; 0: none. A
 * reference of each is held until it is asked for, or the next node is passed. */
typedef struct ahead {
    uint32_t node, made[2];
} ahead;

/* Several ops recorded in one go: the nodes it makes live to its end, on the arena's list
 * of temporaries. The first failure stays in status and later calls do nothing. */
typedef struct scope {
    mg_arena *arena;
    int status;
    bool record;
    size_t first; /* of its nodes in arena->temporaries */
    operands_passed *passed; /* of the sweep; NULL: none */
    ahead *ahead;            /* the same */
} scope;

void scope_open(scope *s, mg_arena *arena, bool record);
int scope_close(scope *s);
uint32_t scope_apply(scope *s, int op, int operand_count, const uint32_t *operands,
                     int integer_count, const int64_t *integers, int number_count,
                     const double *numbers);
uint32_t scope_apply_over(scope *s, int op, int operand_count, const uint32_t *operands,
                          int integer_count, const int64_t *integers);
uint32_t scope_constant(scope *s, int dtype, double value); /* an array without axes */
int call_forward(call *c); /* run an op */
uint32_t scope_array(scope *s, array *a);                   /* a leaf; takes over a */
uint32_t scope_keep(scope *s, uint32_t index); /* to its end; takes over a reference */

/* ---- vjp.c ------------------------------------------------------------------------- */

/* Record what node y passes on to its operand `which`, given its gradient g; 0:
 * nothing. The result has the operand's shape and type. */
uint32_t vjp(scope *s, uint32_t y, int which, uint32_t g);

/* ---- factors.c --------------------------------------------------------------------- */

/* Compute the factors of step number `step` of an update, and its scalars anew. `values`
 * is its struct of kernels.h. */
void update_factors(int update, double *values, double step);

/* ---- update.c ---------------------------------------------------------------------- */

/* Tell how many numbers, scalars and arrays an update has. */
void update_sizes(int update, int *numbers, int *scalars, int *arrays);
/* mg_array_update(), in the mode of SPEC.md; with these gradients of all parameters, NULL
 * for one that has none, or with those that backward left. */
int update_all(mg_arena *arena, int update, int64_t group_count,
               const mg_update_group *groups, const array *const *gradients);

/* ---- sweep.c ----------------------------------------------------------------------- */

/* The deed that adds array 1 to array 0. */
int add_run(mg_arena *arena, const deed *of);
void sweeps_free(mg_arena *arena);
bool sweep_is_at(const mg_sweep *s, uint32_t output);

#endif
