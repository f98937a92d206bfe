/* core.h: private structs of the core, and the one expansion of ops.def for Python
 * floats.
 *
 * A node is 32 bytes; its 32-bit generation lies in a parallel array: 36 bytes a scalar.
 * Nodes live in chunks that never move, so a node's address holds while the arena is
 * locked.
 */
#ifndef MG_CORE_H
#define MG_CORE_H

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "micrograd.h"

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__) || \
    defined(__ASSOCIATIVE_MATH__)
#error "the core's digits are exact: build it without -ffast-math and its parts"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__GNUC__)
#define MG_INLINE static inline __attribute__((always_inline))
#define MG_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define MG_INLINE static inline
#define MG_UNLIKELY(condition) (condition)
#endif

#define MG_RETURN_IF(bad, status) \
    do { \
        if (MG_UNLIKELY(bad)) return (status); \
    } while (0)
#define MG_TRY(call) \
    do { \
        int status_of_call = (call); \
        if (MG_UNLIKELY(status_of_call < 0)) return status_of_call; \
    } while (0)

/* ---- nodes and arena --------------------------------------------------------------- */

enum {
    CHUNK_BITS = 12,
    CHUNK_NODES = 1 << CHUNK_BITS,
    MAX_NODES = 1 << 30,      /* indices fit in 30 bits beside a 2-bit operand counter */
    GENERATION_END = 1 << 30, /* a slot that would reach it is retired */
    /* what node.kind holds: op, arity << ARITY_SHIFT, and flags */
    ARITY_SHIFT = 8,
    UNDER_WAY = 1 << 16, /* the backward under way has visited it */
    FREED = 1 << 17,     /* the slot holds no node */
    EXPOSED = 1 << 18,   /* a handle was given out: the slot needs a new generation */
    ARRAY = 1 << 19,     /* the node holds an array */
    REQUIRES = 1 << 20,  /* an array that a gradient flows to */
    RETAINS = 1 << 21,   /* one that keeps it, though it has operands */
    WATCHED = 1 << 22,   /* one at which sweeps stop */
    INPUT = 1 << 23,     /* an input of the sweep that is being opened */
    CACHE_LINE = 64,
    BLOCK_CLASSES = 240 /* sizes of blocks for arrays: array.c */
};

typedef struct node {
    union {
        double data;
        struct array *array; /* of an ARRAY node */
    };
    union {
        double gradient;
        struct {
            uint32_t gradient_node; /* what backward left, 0: nothing */
            uint32_t slot;          /* of the sweep under way, 0: none */
        };
    };
    uint32_t operand[2]; /* indices, 0: none; operand[1] of pow_number is the exponent */
    uint32_t references; /* handles given out, and nodes that use it */
    uint32_t kind;
} node;

typedef struct chunk {
    node nodes[CHUNK_NODES]; /* on a cache line */
    uint32_t generations[CHUNK_NODES];
    void *memory; /* what the allocator gave for this chunk */
} chunk;

/* A growing array of indices: the only container of the core. */
typedef struct indices {
    uint32_t *items;
    size_t count;
    size_t capacity;
} indices;

/* The state of a depth-first walk from root, and of the backward that follows it. */
typedef struct walk {
    uint32_t root; /* 0 when no backward is under way */
    double seed;
    bool clears;  /* gradients of interior nodes are set to 0 on the way */
    bool ordered; /* the walk is done; gradients flow from order[remaining - 1] down */
    size_t remaining;
    indices order;  /* interior nodes in postorder */
    indices stack;  /* index << 2 | next operand */
    indices leaves; /* leaves met, in order */
    double *saved;  /* the gradients they held before */
    size_t saved_capacity;
} walk;

struct mg_arena {
    atomic_flag lock;
    mg_allocator allocator;
    void *context;
    size_t bytes, peak_bytes, limit;
    int64_t fail_after; /* < 0: never */
    bool fail_persistent;

    chunk **chunks;
    size_t chunk_count, chunk_capacity;
    uint32_t *free_slots; /* a stack with room for every slot: freeing cannot fail */
    size_t free_count, free_capacity;
    uint32_t fresh; /* the first slot never used */
    uint32_t first_generation;
    int64_t retired;

    walk walk;

    /* arrays: free blocks by class, slabs they were cut from, buffers to be released */
    struct block *free_blocks[BLOCK_CLASSES];
    struct slab *slabs;
    size_t free_block_bytes, used_block_bytes;
    struct buffer *released;
    indices temporaries;    /* nodes of open scopes */
    struct mg_sweep *sweep; /* the innermost one under way */
};

/* arena.c */
void arena_lock(mg_arena *arena);
void arena_unlock(mg_arena *arena);
void *arena_allocate(mg_arena *arena, void *memory, size_t old_size, size_t new_size);
bool allocation_fails(mg_arena *arena);
int indices_reserve(mg_arena *arena, indices *list, size_t more);
void indices_trim(mg_arena *arena, indices *list);
int arena_grow(mg_arena *arena);
void node_unuse(mg_arena *arena, uint32_t index);
void node_drop(mg_arena *arena, uint32_t index);
int node_find(mg_arena *arena, mg_node handle, uint32_t *index); /* of a number */
int node_find_any(mg_arena *arena, mg_node handle, uint32_t *index);
int nodes_find(mg_arena *arena, int64_t count, const mg_node *handles);
int nodes_find_idle(mg_arena *arena, int64_t count, const mg_node *handles);

/* graph.c: a whole walk from root, for which w->order becomes the interior nodes that
 * root depends on, in depth-first postorder, and w->leaves the leaves; all marked until
 * the close, which lets go of root, the marks and large scratch memory. */
int walk_whole(mg_arena *arena, uint32_t root);
void walk_close(mg_arena *arena);

/* Return the node at an index. */
MG_INLINE node *node_at(const mg_arena *arena, uint32_t index)
{
    return &arena->chunks[index >> CHUNK_BITS]->nodes[index & (CHUNK_NODES - 1)];
}

MG_INLINE uint32_t *generation_at(const mg_arena *arena, uint32_t index)
{
    return &arena->chunks[index >> CHUNK_BITS]->generations[index & (CHUNK_NODES - 1)];
}

MG_INLINE int op_of(const node *n)
{
    return (int)(n->kind & 0xFF);
}

MG_INLINE uint32_t arity_of(const node *n)
{
    return n->kind >> ARITY_SHIFT & 3;
}

/* Return the index that a handle known to be alive names. */
MG_INLINE uint32_t index_of(mg_node handle)
{
    return (uint32_t)(handle & 0xFFFFFFFF);
}

/* Return the handle of a node, with a reference for the caller. */
MG_INLINE mg_node handle_give(mg_arena *arena, uint32_t index)
{
    node *n = node_at(arena, index);
    n->references++;
    n->kind |= EXPOSED;
    return (mg_node)((uint64_t)*generation_at(arena, index) << 32 | index);
}

/* ---- Python's float arithmetic (scalar.c) ------------------------------------------ */

/* What CPython computes; the status of what it raises goes to *status, which stays as it
 * is otherwise. */

double float_pow(double x, double y, int *status);
double float_div(double x, double y, int *status);
double float_exp(double x, int *status);
double float_expm1(double x, int *status);
double float_log(double x, int *status);
double float_log1p(double x, int *status);
double float_sin(double x, int *status);
double float_cos(double x, int *status);
double float_sigmoid(double x);

MG_INLINE double float_larger(double x, double y)
{
    return x > y ? x : y > x ? y : x == y ? x : x + y;
}

/* The generic operations of ops.def for doubles. They use the name `status` of their
 * includer. */
#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIV(x, y) float_div((x), (y), status)
#define NEG(x) (-(x))
#define POW(x, y) float_pow((x), (y), status)
#define POWK(x, k) float_pow((x), (k), status)
#define EXP(x) float_exp((x), status)
#define EXPM1(x) float_expm1((x), status)
#define LOG(x) float_log((x), status)
#define LOG1P(x) float_log1p((x), status)
#define SIN(x) float_sin((x), status)
#define COS(x) float_cos((x), status)
#define TANH(x) tanh(x)
#define ERF(x) erf(x)
#define SIGMOID(x) float_sigmoid(x)
#define ABS(x) fabs(x)
#define RELU(x) ((x) < 0.0 ? 0.0 : (x))
#define POSITIVE(x) ((x) > 0.0 ? (x) : 0.0)
#define LARGER(x, y) float_larger((x), (y))
#define STEP(x) ((x) > 0.0 ? 1.0 : 0.0)
#define SIGN(x) ((x) > 0.0 ? 1.0 : (x) < 0.0 ? -1.0 : 0.0)
#define SHARE(x, y) ((x) < (y) ? 0.0 : (x) == (y) ? 0.5 : 1.0)
#define IF_FLAT(x, y, then, otherwise) ((x) == 0.0 && (y) > 0.0 ? (then) : (otherwise))
#define EITHER(number, element) (number)
#define CONST(c) (c)
#define NONE 0.0
#define A a
#define B b
#define K b
#define Y y
#define G g

/* Return the number of operands of a valid op. */
MG_INLINE int op_arity(int op)
{
    static const uint8_t arities[] = {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) arity,
#include "ops.def"
    };
    return arities[op];
}

/* Return op(a, b); b is the exponent of pow_number. With a constant op only one case is
 * left. */
MG_INLINE double op_value(int op, double a, double b, int *status)
{
    (void)b, (void)status;
    switch (op) {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) \
    case MG_##NAME: return (value);
#include "ops.def"
    default: return 0.0;
    }
}

/* Add what node n passes on to the gradients of its operands, first a's, then b's: in
 * x * x both are one node. Without an operand, a or b is node 0, which nobody reads. */
MG_INLINE void op_flow(const node *n, node *first, node *second, int *status)
{
    double a = first->data, b = second->data, y = n->data, g = n->gradient;
    (void)a, (void)b, (void)y;
    switch (op_of(n)) {
#define MG_OP(NAME, name, symbol, arity, types, value, gradient_a, gradient_b) \
    case MG_##NAME: \
        if ((arity) > 0) first->gradient += (gradient_a); \
        if ((arity) > 1 && *status == MG_OK) second->gradient += (gradient_b); \
        return;
#include "ops.def"
    default: return;
    }
}

#include "base/ops_undef.inc.c"

/* ---- recording, shared by graph.c, emit.c and layers.c ----------------------------- */

/* Take a slot, without references. Returns 0 when a chunk is needed. */
MG_INLINE uint32_t slot_take(mg_arena *arena)
{
    if (arena->free_count) return arena->free_slots[--arena->free_count];
    if (MG_UNLIKELY((size_t)arena->fresh >> CHUNK_BITS >= arena->chunk_count)) return 0;
    return arena->fresh++;
}

/* Make a node without references of its own, which uses its operands. *made gets its
 * index. */
MG_INLINE int node_make(mg_arena *arena, int op, uint32_t a, uint32_t b, double data,
                        uint32_t *made)
{
    uint32_t index = slot_take(arena);
    *made = 0;
    if (MG_UNLIKELY(!index)) {
        MG_TRY(arena_grow(arena));
        index = slot_take(arena);
    }
    node *n = node_at(arena, index);
    n->data = data;
    n->gradient = 0.0;
    n->operand[0] = a;
    n->operand[1] = b;
    n->references = 0;
    n->kind = (uint32_t)op | (uint32_t)op_arity(op) << ARITY_SHIFT;
    if (a) node_at(arena, a)->references++;
    if (b) node_at(arena, b)->references++;
    *made = index;
    return MG_OK;
}

/* A builder records several nodes in one call, between which nothing is freed: what it
 * took from the free slots is still written above their count. So when the call fails
 * builder_close() can undo everything. The first failure stays in status, and later calls
 * do nothing. */
typedef struct builder {
    mg_arena *arena;
    int status;
    size_t free_count; /* the arena's at the start */
    uint32_t fresh;
} builder;

void builder_open(builder *build, mg_arena *arena);
int builder_close(builder *build);

MG_INLINE uint32_t build_node(builder *build, int op, uint32_t a, uint32_t b, double data)
{
    uint32_t index = 0;
    if (MG_UNLIKELY(build->status < 0)) return 0;
    build->status = node_make(build->arena, op, a, b, data, &index);
    return index;
}

/* Record a leaf; returns its index, or 0 after a failure. */
MG_INLINE uint32_t build_leaf(builder *build, double data)
{
    return build_node(build, MG_LEAF, 0, 0, data);
}

/* Record op(a, b), b 0 for one operand; returns its index, or 0 after a failure. */
MG_INLINE uint32_t build_op(builder *build, int op, uint32_t a, uint32_t b)
{
    if (MG_UNLIKELY(build->status < 0)) return 0;
    double of_b = b ? node_at(build->arena, b)->data : 0.0;
    double data = op_value(op, node_at(build->arena, a)->data, of_b, &build->status);
    return build_node(build, op, a, b, data);
}

/* Record op(a, leaf(number)). */
MG_INLINE uint32_t build_op_number(builder *build, int op, uint32_t a, double number)
{
    return build_op(build, op, a, build_leaf(build, number));
}

/* ---- arrays ------------------------------------------------------------------------ */

enum {
    BLOCK_ALIGNMENT = 64, /* of blocks and so of the data of arrays: a cache line */
    MAX_SAVED = 3         /* operands whose values a gradient may need */
};

/* The memory of arrays: a header, and in the same block the data, unless they are
 * `owner`'s. */
typedef struct buffer {
    void *data;
    size_t size;         /* bytes of data */
    void *owner;         /* whom the data belong to, NULL: the core */
    struct buffer *next; /* of the buffers whose owner waits for mg_released() */
    uint32_t references; /* arrays */
    uint32_t views;      /* of these, arrays that view ops made */
    uint32_t version;    /* grows when the data are written to */
    bool read_only;
} buffer;

/* What an array node keeps besides its first two operands; followed by its integers,
 * numbers, and further operands. */
typedef struct extra {
    int64_t size; /* bytes, these included */
    int32_t integer_count, number_count, operand_count, unused;
} extra;

typedef struct array {
    buffer *buffer;
    char *data; /* the first element */
    int64_t count;
    extra *extra;     /* NULL: none */
    buffer *attached; /* whose owner is the object of mg_attach(); NULL: none */
    uint8_t dtype, rank;
    bool contiguous; /* row-major, without holes */
    bool is_view;
    uint32_t operand_count;
    uint32_t version;          /* of the buffer, when the node was made */
    uint32_t saved[MAX_SAVED]; /* versions of the first operands at that time */
    int64_t shape[MG_MAX_RANK];
    int64_t strides[MG_MAX_RANK]; /* in elements; 0 along broadcast axes */
} array;

MG_INLINE const int64_t *extra_integers(const extra *e)
{
    return (const int64_t *)(e + 1);
}

MG_INLINE const double *extra_numbers(const extra *e)
{
    return (const double *)(extra_integers(e) + e->integer_count);
}

MG_INLINE const uint32_t *extra_operands(const extra *e)
{
    return (const uint32_t *)(extra_numbers(e) + e->number_count);
}

/* array.c */
extern const uint8_t dtype_sizes[MG_DTYPE_COUNT];
void *block_take(mg_arena *arena, size_t size);
void block_give(mg_arena *arena, void *block, size_t size);
void blocks_trim(mg_arena *arena);
void arrays_free(mg_arena *arena);
int array_new(mg_arena *arena, int dtype, int rank, const int64_t *shape, array **made);
int array_view(mg_arena *arena, const array *of, array **made);
int array_set_shape(array *a, int rank, const int64_t *shape, const int64_t *strides);
void array_free(mg_arena *arena, array *a);
uint32_t array_unlink(mg_arena *arena, node *n, uint32_t pending);
int array_find(mg_arena *arena, mg_node handle, uint32_t *index);
int shape_broadcast(const array *a, const array *b, int *rank, int64_t *shape);
bool shape_equal(const array *a, const array *b);
bool array_overlaps(const array *a);
int64_t shape_count(int rank, const int64_t *shape);
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

MG_INLINE array *array_at(const mg_arena *arena, uint32_t index)
{
    return node_at(arena, index)->array;
}

enum { MAX_SCRATCH = 12 }; /* no op needs more than seven */

/* An op on its way: operands that live, to a new result. */
typedef struct call {
    mg_arena *arena;
    int op;
    int operand_count, integer_count, number_count;
    const uint32_t *operands;
    const int64_t *integers;
    const double *numbers;
    unsigned weak; /* bit i: operand i stands for a Python number */
    bool record;
    bool over;   /* the result takes over the memory of operand 0 */
    extra *kept; /* made in advance, or NULL */
    array *result;
    array *scratch[MAX_SCRATCH]; /* freed at the end of the call */
    int scratch_count;
} call;

MG_INLINE const array *operand_of(const call *c, int i)
{
    return array_at(c->arena, c->operands[i]);
}

/* Have an array freed at the end of the call. */
MG_INLINE void scratch_keep(call *c, array *a)
{
    c->scratch[c->scratch_count++] = a;
}

/* Tell whether a call has as many operands, integers and numbers as its op takes. */
MG_INLINE bool has_counts(const call *c, int operands, int integers, int numbers)
{
    return c->operand_count == operands && c->integer_count == integers &&
           c->number_count == numbers;
}

/* map.c: elementwise loops over strided arrays of any types. */

int map_value(call *c); /* forward of all elementwise ops */
int operands_dtype(const call *c, int first);
int compared_dtype(int op, int dtype, bool weak);
int number_dtype(int op, int dtype, int kind);
int op_dtypes(int op, int common, int *computed, int *result);
int op_arity_of(int op);
int map_check(int op, int result, const array *b);
void map_apply(int op, int dtype, const array *a, const array *b, double number,
               array *out);
void map_gradient(int op, int which, int dtype, const array *a, const array *b,
                  const array *y, const array *g, double number, array *out);
void map_copy(const array *from, array *to); /* casts, broadcasts */
void map_choose(const array *test, const array *a, const array *b, array *out);
void array_fill(array *a, double value);
int array_copy(call *c, const array *a, int dtype, const array **made);
int array_cast(call *c, const array *a, int dtype, bool contiguous, const array **made);

/* apply.c: recording. */
int array_record(call *c, uint32_t *made);
int array_leaf(mg_arena *arena, array *a, uint32_t *made);

/* Several ops recorded in one go: the nodes it makes live to its end, on the arena's list
 * of temporaries. The first failure stays in status and later calls do nothing. */
typedef struct scope {
    mg_arena *arena;
    int status;
    bool record;
    size_t first; /* of its nodes in arena->temporaries */
} scope;

void scope_open(scope *s, mg_arena *arena, bool record);
int scope_close(scope *s);
uint32_t scope_keep(scope *s, uint32_t index); /* takes over a reference */
uint32_t scope_apply(scope *s, int op, int operand_count, const uint32_t *operands,
                     int integer_count, const int64_t *integers, int number_count,
                     const double *numbers);
uint32_t scope_constant(scope *s, int dtype, double value); /* an array without axes */
uint32_t scope_array(scope *s, array *a);                   /* a leaf; takes over a */

/* vjp.c: record what node y passes on to its operand `which`, given its gradient g; 0:
 * nothing. The result has the operand's shape and type. */
uint32_t vjp(scope *s, uint32_t y, int which, uint32_t g);
uint32_t operand_index(const mg_arena *arena, uint32_t node_index, int which);

/* sweep.c */
void sweeps_free(mg_arena *arena);

/* ---- kernels: loops over contiguous elements, one set for each instruction set ----- */

/* A kernel never allocates and never fails; it sees contiguous rows, except where a
 * stride (in elements) is a parameter. float16 has no kernels but casts: it is cast to
 * float32 and back outside. No pointer is restrict: out may be an operand, exactly. */

enum { LANES = 32 };

/* out[i] = op(a[i], b[i], c[i]) for i < n. `repeats`: bit 0 set, a[0] stands for every
 * a[i]; bit 1 the same for b. `number` is the row's K. Comparisons write bools. */
typedef void (*map_kernel)(int64_t n, const void *a, const void *b, void *out,
                           double number, unsigned repeats);
/* out[i] = gradient formula of an operand, from operands a and b, value y, gradient g. */
typedef void (*gradient_kernel)(int64_t n, const void *a, const void *b, const void *y,
                                const void *g, void *out, double number);
/* y[i] = a[i] as another type. */
typedef void (*cast_kernel)(int64_t n, const void *a, void *y);
/* Rows: y[r] from n elements at a + r * stride, for r < rows; a reduction of n = 0 gives
 * the start. */
typedef void (*rows_kernel)(int64_t rows, int64_t n, const void *a, int64_t stride,
                            void *y);
/* Columns: y[j] from the n elements a[i * stride + j], i < n, for j < columns. */
typedef void (*columns_kernel)(int64_t n, int64_t columns, const void *a, int64_t stride,
                               void *y);
/* Fold elements i of a whose lane i % LANES lies in [from, to) into lanes[], which hold
 * the start or more. */
typedef void (*lanes_kernel)(int64_t n, const void *a, int from, int to, void *lanes);

/* A reduction in lanes: element i goes to lane i % LANES, in order; lanes start at
 * `start`; they are joined l += l+16, l+8, l+4, l+2, l+1 with the same operation. */
typedef struct reduction_kernels {
    rows_kernel rows;
    columns_kernel columns;
    lanes_kernel lanes;
    void (*join)(void *lanes, void *y); /* y[0] from lanes that hold start or more */
} reduction_kernels;

/* c (m, n) = a (m, k) @ b (k, n): each element 0 + a[i,0] * b[0,j] + a[i,1] * b[1,j] ...
 * in this order, every product and sum rounded. a and b have any row and column strides
 * (of elements); c's rows lie c_stride apart. With `bias` (n) the sum is followed by
 * + bias[j]. `workspace` holds gemm_workspace() bytes, on a cache line. */
typedef void (*gemm_kernel)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                            int64_t a_column, const void *b, int64_t b_row,
                            int64_t b_column, void *c, int64_t c_stride, const void *bias,
                            void *workspace);

enum { REDUCE_SUM, REDUCE_PROD, REDUCE_MAX, REDUCE_MIN, REDUCTION_COUNT };
enum { WIDE_COUNT = 2 }; /* float32, float64: the types that are computed in */

/* The constants of an update. */
typedef struct sgd_rule {
    double lr, momentum, weight_decay;
    double fresh; /* 1 - dampening, or 1 at the first step */
    bool nesterov;
    double look_ahead; /* Nesterov's factor, the momentum */
} sgd_rule;

typedef struct adam_rule {
    double beta1, beta2, epsilon;
    double step_size;       /* lr / (1 - beta1^step) */
    double root_correction; /* sqrt(1 - beta2^step) */
    double decay;           /* added to the gradient, times the parameter */
    double keep;            /* 1 - lr * weight_decay when that is decoupled, else 1 */
} adam_rule;

typedef struct kernel_set {
    const char *name;                              /* "baseline", "avx2", "avx512" */
    map_kernel value[MG_OP_COUNT][MG_DTYPE_COUNT]; /* by the operands' type; or NULL */
    gradient_kernel gradient[MG_OP_COUNT][2][WIDE_COUNT]; /* of a, of b */
    cast_kernel cast[MG_DTYPE_COUNT][MG_DTYPE_COUNT];     /* from, to */
    /* float32, float64, and int64 at [2] */
    reduction_kernels reduce[REDUCTION_COUNT][WIDE_COUNT + 1];
    rows_kernel argmax[WIDE_COUNT + 1], argmin[WIDE_COUNT + 1]; /* y: int64 */
    /* y[r, i] from row r of a, of n elements; y's rows lie n apart */
    rows_kernel cumsum[WIDE_COUNT + 1];
    rows_kernel softmax[WIDE_COUNT], log_softmax[WIDE_COUNT];
    rows_kernel logsumexp[WIDE_COUNT]; /* y[r] */
    /* y[r] = sum of squares of (a - mean) / (n - number) */
    void (*variance[WIDE_COUNT])(int64_t rows, int64_t n, const void *a, int64_t stride,
                                 double correction, void *y);
    /* y[r, i] = (a[r, i] - mean) / sqrt(variance + epsilon) * weight[i] + bias[i] */
    void (*layer_norm[WIDE_COUNT])(int64_t rows, int64_t n, const void *a,
                                   const void *weight, const void *bias, double epsilon,
                                   void *y);
    /* y[r, i] = a[r, i] / sqrt(mean of squares + epsilon) * weight[i] */
    void (*rms_norm[WIDE_COUNT])(int64_t rows, int64_t n, const void *a,
                                 const void *weight, double epsilon, void *y);
    /* out[i] = test[i] ? a[i] : b[i], by the size of an element: 1, 2, 4, 8 bytes at
     * [0] .. [3]; repeats as above for a (bit 0) and b (bit 1) */
    void (*choose[4])(int64_t n, const uint8_t *test, const void *a, const void *b,
                      void *out, unsigned repeats);
    /* updates of n parameters in place; buffer may be NULL */
    void (*sgd[WIDE_COUNT])(int64_t n, void *parameter, const void *gradient,
                            void *buffer, const sgd_rule *rule);
    void (*adam[WIDE_COUNT])(int64_t n, void *parameter, const void *gradient, void *m,
                             void *v, const adam_rule *rule);
    gemm_kernel gemm[WIDE_COUNT];
    size_t (*gemm_workspace)(int64_t m, int64_t n, int64_t k, size_t element);
} kernel_set;

extern const kernel_set kernels_baseline;
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define MG_HAS_X86_SETS 1
extern const kernel_set kernels_avx2, kernels_avx512;
#endif

/* dispatch.c: the set that the calls use. */
const kernel_set *kernels(void);

/* ---- threads.c --------------------------------------------------------------------- */

/* Call task(context, i) for i < count, from as many threads as are set, the caller's
 * among them; returns when all are done. Tasks must not depend on each other's
 * results. A call from inside a task, or while another thread is in here, runs its
 * tasks one by one. */
void parallel_for(int64_t count, void (*task)(void *context, int64_t i), void *context);
/* Return the number of threads that parallel_for() uses, 1 or more. */
int thread_count(void);

#endif
