/* binding.h: what the files of this folder share. Limited API of CPython 3.10, one
 * interpreter.
 *
 * Reading order: module.c (what is set up, once), interrupts.c and recording.c; graph.c,
 * rules.c, turns.c, value.c and networks.c for Values; objects.c, apply.c, arguments.c, elements.c,
 * sweeps.c, training.c, programs.c and tensor.c for Tensors. */
#ifndef PYMICROGRAD_BINDING_H
#define PYMICROGRAD_BINDING_H

#ifndef Py_GIL_DISABLED
#undef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>

#include "micrograd.h"
#include "cdef.h"

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(hidden) /* calls between these files are direct ones */
#endif

/* ---- module.c: what is set up once ------------------------------------------------- */

extern mg_arena *arena;                /* of the process; both kinds of objects use it */
extern PyObject *value_base, *tensor_base;        /* the types that the module has */
extern PyTypeObject *value_type, *tensor_type;    /* their subclasses: all results are */
extern allocfunc tensor_alloc;                    /* NULL before install() */

/* The functions of Python that install() was given. */
extern struct value_callbacks {
    PyObject *fallback_operator; /* (name, left, right) */
    PyObject *fallback_init;     /* (self, ...) */
    PyObject *fallback_set;      /* (self, name, number) */
    PyObject *fail;              /* (status, name, ...) raises */
} value_callbacks;
extern struct tensor_callbacks {
    PyObject *dtypes;            /* a tuple, by number */
    PyObject *fallback_operator; /* (op, left, right) */
    PyObject *fallback_in_place; /* (op, self, other) */
    PyObject *on_sweep_stop;     /* (status, sweep, node, flags) */
    PyObject *fail;              /* (status, what, operands, integers) raises */
    PyObject *size;              /* the class of shapes, of tuples */
    PyObject *index_error;       /* the exception of a key that x[key] refuses */
} tensor_callbacks;

/* For PyArg_ParseTuple: get the address of what memory() made; NULL of None. */
int read_memory(PyObject *x, void *address);

extern _Atomic int large_calls; /* of all threads, under way; release_gil() reads it */
extern int calls_outside; /* under way without the GIL; changes with the GIL only */
PyThreadState *release_gil_counted(int large);
void acquire_gil_counted(PyThreadState *state, int large);

/* Release the GIL for a call that is large, or that may have to wait for a large one of
 * another thread, as that one has the arena. acquire_gil() gets what this returns, and
 * the same `large`. Not for calls whose result another thread may free. */
static inline PyThreadState *release_gil(int large)
{
    if (!large && !atomic_load_explicit(&large_calls, memory_order_relaxed)) return NULL;
    return release_gil_counted(large);
}

static inline void acquire_gil(PyThreadState *state, int large)
{
    if (state) acquire_gil_counted(state, large);
}

/* ---- interrupts.c: long calls that a signal may end --------------------------------- */

enum { LONG = 1 << 20 }; /* elements from which on a call listens: it takes 4 us */

/* Listen for signals, with the GIL; what stop_listening() takes over, or NULL: this thread
 * has no handlers to run. */
PyObject *listen_for_signals(void);
/* Tell whether the core was told to give up meanwhile. */
int stop_listening(PyObject *before);
/* In the child of a fork: the pipe is the parent's. */
void forget_pipe(void);

/* Tell whether a call may have to wait for a large one of another thread: then it listens,
 * too, while it waits. */
static inline int may_wait(void)
{
    return atomic_load_explicit(&large_calls, memory_order_relaxed) > 0;
}

/* A call that may be given up: made between long_begin() and long_end(), again while that
 * returns 1. One that is large runs without the GIL, as for release_gil(); one that is not
 * listens for the sake of waiting only. To listen takes 4 us and the GIL, and what came
 * before is not heard: so who finds that he has to wait comes back, lets handlers run of
 * what has come, and listens from then on. */
typedef struct long_call {
    int is_large, is_long, is_again, is_held, is_hurried, waits;
    PyObject *before;
    PyThreadState *state;
} long_call;
void long_open(long_call *call, int is_large, int is_long);
/* Of a call that may go through all numbers that there are. */
void long_open_graph(long_call *call);
void long_begin(long_call *call);
/* made: what the call returned; MG_ERR_INTERRUPTED at the end: a handler's exception is
 * set. */
int long_end(long_call *call, mg_node *made, const mg_node *operands, int count);

/* Let status, an mg_node, be what a short call of the core returns: one that may have to
 * wait is made without the GIL, and signals are heard. */
#define CALL_HEARD(status, made) \
    do { \
        long_call heard; \
        if (!may_wait()) { \
            (status) = (made); \
            break; \
        } \
        long_open(&heard, 0, 0); \
        do { \
            long_begin(&heard); \
            (status) = (made); \
        } while (long_end(&heard, &(status), NULL, 0)); \
    } while (0)

/* ---- recording.c ------------------------------------------------------------------- */

extern _Atomic int64_t silences; /* living; 0: every context records */

/* Tell whether this context is in no_grad, as some is; -1 with an exception. */
int is_in_no_grad(void);

/* Tell whether ops are recorded; -1 with an exception. */
static inline int is_recording(void)
{
    if (!atomic_load_explicit(&silences, memory_order_relaxed)) return 1;
    int inside = is_in_no_grad();
    return inside < 0 ? -1 : !inside;
}

/* Record from now on or not; what restore_recording() takes over, or NULL. */
PyObject *switch_recording(int on);
/* Be as before, whatever exception is on its way; -1 with one of its own. */
int restore_recording(PyObject *before);

PyObject *keep_mode(PyObject *module, PyObject *args);
int add_recording_types(PyObject *module);

/* ---- graph.c: the objects of nodes of numbers --------------------------------------- */

enum { TRACKED = 1, MANY = 2 }; /* value.flags */

typedef struct value {
    PyObject_HEAD
    mg_node handle; /* 0 before __init__ */
    /* a and b: objects that the node's own need: those of its operands, the exponent as the
     * user wrote it; a: with MANY the tuple of operands, or the tuple of tuples of Values
     * that a bulk builder was given */
    PyObject *a, *b;
    PyObject *attributes; /* __dict__ */
    PyObject *weak;       /* references; while it is being freed, another such object */
    int flags;            /* TRACKED: the collector sees it */
} value;

static inline int is_value(PyObject *x)
{
    return Py_TYPE(x) == value_type || PyObject_TypeCheck(x, (PyTypeObject *)value_base);
}

static inline mg_node handle_of(PyObject *x)
{
    return ((value *)x)->handle;
}

/* Return the object of a node, borrowed; NULL: it has none. */
value *object_of(mg_node handle);
/* Make the object of a new node, taking over its reference; a and b may be NULL. */
PyObject *adopt_node(mg_node handle, PyObject *a, PyObject *b);
/* The same for a node that may have an object: then that is returned. */
PyObject *adopt_again(mg_node handle, PyObject *a, PyObject *b);
/* Prepare an object for what is about to be stored on it: one thing, or anything. */
void track_for(value *object, PyObject *stored);
void track_for_store(value *object);
/* Make an object that of another node, taking over its reference, even on an error. */
int value_set_node(value *self, mg_node handle, PyObject *a, PyObject *b, int flags);

PyObject *value_new(PyTypeObject *type, PyObject *args, PyObject *names);
int value_traverse(PyObject *self, visitproc visit, void *arg);
int value_clear(PyObject *self);
void value_dealloc(PyObject *self);
PyObject *value_operands(PyObject *self, PyObject *none);

/* ---- rules.c: Values of the user's operands and rules ------------------------------- */

/* Make self the object of a leaf, or of a node that has a tuple of operands and, if it is
 * not NULL, of factors; -1 with an exception. */
int init_leaf(value *self, double data);
int init_given(value *self, double data, PyObject *operands, PyObject *factors);
/* Read and write attributes; object NULL deletes. */
PyObject *stored(const value *self, const char *name);
int store(value *self, const char *name, PyObject *object);

PyObject *value_given(PyObject *none, PyObject *args);
PyObject *value_stored(PyObject *self, PyObject *name);
PyObject *value_store(PyObject *self, PyObject *args);
PyObject *value_attributes(PyObject *self, PyObject *none);
int value_setattr(PyObject *self, PyObject *name, PyObject *to);
PyObject *value_get_dict(PyObject *self, void *closure);
int value_set_dict(PyObject *self, PyObject *to, void *closure);
PyObject *value_get_rule(PyObject *self, void *closure);
int value_set_rule(PyObject *self, PyObject *rule, void *closure);
PyObject *value_factors(PyObject *self, PyObject *none);
PyObject *value_record(PyObject *self, PyObject *none);
PyObject *value_restore(PyObject *none, PyObject *args);

/* ---- turns.c: whose turn a backward of Values is ------------------------------------ */

PyObject *value_call(PyObject *module, PyObject *turn);
PyObject *value_await(PyObject *module, PyObject *args);
/* In the child of a fork: other threads call no rules. */
void forget_rule_calls(void);

/* ---- scripts.c --------------------------------------------------------------------- */

PyObject *value_script_compile(PyObject *none, PyObject *args);
PyObject *value_script_load(PyObject *none, PyObject *args);
PyObject *value_script_backward(PyObject *none, PyObject *args);
PyObject *value_script_close(PyObject *none, PyObject *args);
PyObject *value_script_run(PyObject *none, PyObject *args);

/* ---- value.c ----------------------------------------------------------------------- */

extern PyType_Spec value_specification;
PyObject *value_set_exponent(PyObject *self, PyObject *number);
/* Get the number of a float, or of an int that a float surely holds; 0 for anything
 * else. */
int get_number(PyObject *x, double *number);
/* Record infinities and NaNs, with the GIL, until mg_set_ieee(arena, what this returns). */
int begin_ieee(void);
/* Make the object of a new node, taking over its reference; a and b may be NULL. Inside
 * no_grad the node becomes a leaf. */
PyObject *wrap_node(mg_node handle, PyObject *a, PyObject *b);
/* Tell whether objects of a class have the operators and functions that C has, so that a
 * bulk builder gives what a loop would; -1 with an exception. */
int is_plain_class(PyTypeObject *type);
/* Tell the same of Value itself, in a moment while nothing was added to it. */
int is_value_plain(void);
/* Look at what Value has when it is installed; -1 with an exception. */
int note_value_class(void);
/* Raise the exception of a status; a and b are operands or NULL. Returns NULL, or where
 * Python goes on with IEEE 754's numbers the op's result, without operands True. */
PyObject *fail_status(mg_node status, const char *name, PyObject *a, PyObject *b);

/* ---- networks.c: static methods of ValueBase --------------------------------------- */

PyObject *value_mlp(PyObject *none, PyObject *args);
PyObject *value_cross_entropy(PyObject *none, PyObject *args);
PyObject *value_sum(PyObject *none, PyObject *args);
PyObject *value_dot(PyObject *none, PyObject *args);
PyObject *value_softmax(PyObject *none, PyObject *args);
PyObject *value_rmsnorm(PyObject *none, PyObject *args);

/* ---- objects.c: Tensors ------------------------------------------------------------ */

/* tensor.flags. LEAF: requires_grad was set on this object, not on another of the node. */
enum { EXPORTED = 1, HOOKED = 2, LEAF = 4 };

/* What a Tensor is x[key] of: x, the key, and x's node when it was. */
typedef struct origin {
    PyObject *base, *key;
    mg_node node;
    int depth; /* of the chain of bases */
} origin;

typedef struct tensor {
    PyObject_HEAD
    mg_node handle;     /* 0 before __init__ */
    PyObject *gradient; /* the object of .grad, while it has the node's gradient */
    PyObject *pinned;   /* Tensors whose memory an importer of this one may use */
    origin *origin;     /* where a recorded change goes on to, or NULL */
    int64_t bound;      /* there are not more elements; -1: not known */
    uint64_t key;       /* one number for one shape; 0: not known */
    int flags;
} tensor;

static inline int is_tensor(PyObject *x)
{
    return Py_TYPE(x) == tensor_type ||
           PyObject_TypeCheck(x, (PyTypeObject *)tensor_base);
}

static inline mg_node tensor_handle(PyObject *x)
{
    return ((tensor *)x)->handle;
}

/* Count a new reference of the core to an object, which mg_released() will return. */
void lend(PyObject *object);
extern _Atomic int64_t lent; /* objects that the core refers to */
void drop_lent(void);

/* Drop the objects that nodes have referred to which are no more. */
static inline void release_lent(void)
{
    if (atomic_load_explicit(&lent, memory_order_relaxed) > 0) drop_lent();
}

/* Drop a reference to a node, if it is one and no status. */
static inline void release_node(mg_node handle)
{
    if (handle > 0) {
        PyThreadState *state = release_gil(0);
        mg_release(arena, handle);
        acquire_gil(state, 0);
    }
    release_lent();
}

/* Make an object where there is no type yet, or no memory: then the node is released. */
tensor *new_tensor(mg_node handle);

/* Make the object of a new node, taking over its reference. It has no more elements than
 * `bound`, if that is not -1; key is that of its shape, or 0. */
static inline PyObject *adopt_shaped(mg_node handle, int64_t bound, uint64_t key)
{
    tensor *made = tensor_alloc ? (tensor *)tensor_alloc(tensor_type, 0) : NULL;
    if (!made) made = new_tensor(handle);
    if (!made) return NULL;
    made->handle = handle;
    made->bound = bound;
    made->key = key;
    return (PyObject *)made;
}

PyObject *adopt(mg_node handle, int64_t bound);
/* The same for what a call returned: a node, or a status to raise. */
PyObject *tensor_result(mg_node handle, const char *name);

/* Raise the exception of a status, and return NULL. The first is of an op's call, the
 * second of an op; `what` is stolen; b, other, self and integers may be NULL. */
PyObject *tensor_fail(int64_t status, PyObject *what, PyObject *operands,
                      PyObject *integers);
PyObject *fail_op(mg_node status, int op, PyObject *a, PyObject *b);
PyObject *fail_named(int64_t status, PyObject *what, PyObject *self, PyObject *other);
PyObject *fail_call(int64_t status, const char *name, PyObject *self);

int describe(mg_node handle, mg_array_info *info);
/* The same, and signals are heard while it waits: MG_ERR_INTERRUPTED with an exception. */
int describe_heard(mg_node handle, mg_array_info *info);
/* Describe a Tensor; -1 with an exception. */
int tensor_describe(PyObject *self, mg_array_info *info);
PyObject *tuple_of(const int64_t *items, int count);
PyObject *size_of(const int64_t *items, int count); /* of tensors/sizes.py */
extern PyType_Spec size_specification;

/* ---- apply.c ----------------------------------------------------------------------- */

enum { LARGE = 1 << 16 }; /* elements above which the GIL is released */

/* A Python number as operand: a bool, an int of 64 bits, a float. */
typedef struct scalar {
    int kind;        /* 0 bool, 1 int, 2 float */
    int64_t integer; /* of a bool or an int */
    double value;    /* of all */
} scalar;

/* Return the number of elements, or a bound of it that is not above `enough`. */
int64_t count_bound(tensor *t, int64_t enough); /* -1 with a handler's exception */
/* Read one; 0 for anything else. */
int read_scalar(PyObject *x, scalar *n);
/* mg_array() of the process's arena, the GIL released for large ones. */
mg_node make_array(int dtype, int rank, const int64_t *shape, const void *data);
/* Apply an op of one Tensor, which was described, with integers. */
PyObject *tensor_apply_integers(int op, PyObject *self, const mg_array_info *info,
                                int integer_count, const int64_t *integers);
PyObject *tensor_apply(PyObject *none, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_apply_over(PyObject *none, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_write(PyObject *self, PyObject *other);
PyObject *tensor_load(PyObject *none, PyObject *args);

/* Write the methods of elementwise ops, at most OP_METHODS, behind `count` others; their
 * number with these. */
size_t add_op_methods(PyMethodDef *methods, size_t count);
enum { OP_METHODS = 2 * MG_MAP_OP_COUNT };

/* Operators with one function each and one in place: slot, op, name. */
#define BINARY_OPERATORS(OPERATOR) \
    OPERATOR(add, ADD, add) \
    OPERATOR(subtract, SUB, subtract) \
    OPERATOR(multiply, MUL, multiply) \
    OPERATOR(true_divide, DIV, divide) \
    OPERATOR(floor_divide, FLOOR_DIVIDE, floor_divide) \
    OPERATOR(remainder, REMAINDER, remainder) \
    OPERATOR(and, BITWISE_AND, and) \
    OPERATOR(or, BITWISE_OR, or) \
    OPERATOR(xor, BITWISE_XOR, xor) \
    OPERATOR(lshift, BITWISE_LEFT_SHIFT, left_shift) \
    OPERATOR(rshift, BITWISE_RIGHT_SHIFT, right_shift)

#define DECLARE_OPERATOR(slot, NAME, name) \
    PyObject *tensor_##name(PyObject *left, PyObject *right);
#define DECLARE_IN_PLACE(slot, NAME, name) \
    PyObject *tensor_inplace_##name(PyObject *self, PyObject *other);
BINARY_OPERATORS(DECLARE_OPERATOR)
BINARY_OPERATORS(DECLARE_IN_PLACE)
PyObject *tensor_power(PyObject *left, PyObject *right, PyObject *modulus);
PyObject *tensor_inplace_power(PyObject *self, PyObject *other, PyObject *modulus);
PyObject *tensor_matmul(PyObject *left, PyObject *right);
PyObject *tensor_negative(PyObject *self);
PyObject *tensor_positive(PyObject *self);
PyObject *tensor_absolute(PyObject *self);
PyObject *tensor_invert(PyObject *self);
PyObject *tensor_compare(PyObject *left, PyObject *right, int comparison);

/* ---- elements.c: methods of TensorBase, static but for the first two --------------- */

PyObject *tensor_item(PyObject *self, PyObject *none);
PyObject *tensor_tolist(PyObject *self, PyObject *none);
PyObject *tensor_nested(PyObject *none, PyObject *args);
PyObject *tensor_new(PyObject *none, PyObject *args);
PyObject *tensor_share(PyObject *none, PyObject *args);
PyObject *tensor_dlpack_code(PyObject *none, PyObject *args);
PyObject *tensor_ramp(PyObject *none, PyObject *args);
PyObject *tensor_random(PyObject *none, PyObject *args);
PyObject *tensor_linear_index(PyObject *none, PyObject *args);

/* ---- arguments.c: methods of TensorBase -------------------------------------------- */

/* What the docstrings of all reductions have in common. */
#define REDUCED_AXES \
    "\n\nArgs:\n    dim: one axis or several; None for all, which gives shape ().\n" \
    "    keepdim: whether the axes stay, with size 1.\n\nRaises:\n" \
    "    TensorIndexError: an axis is out of range.\n" \
    "    ShapeError: an axis stands twice"

/* The reductions over axes, which take dim and keepdim. */
#define TENSOR_REDUCTIONS(METHOD) \
    METHOD(SUM, sum, "Return the sum of the elements over axes; 0 of none." \
           "\n\nIntegers and bools are summed as int64; dtype= casts before." \
           REDUCED_AXES ".") \
    METHOD(MEAN, mean, "Return sum / count of the elements over axes; NaN of none." \
           REDUCED_AXES \
           ".\n    DTypeError: the elements are no floats, and no dtype= is given.") \
    METHOD(PROD, prod, "Return the product of the elements over axes; 1 of none." \
           "\n\nIntegers and bools are multiplied as int64; dtype= casts before." \
           REDUCED_AXES ".") \
    METHOD(AMAX, amax, "Return the largest element over axes; the dtype stays." \
           "\n\nEqual ones share the gradient." \
           REDUCED_AXES ", or there are no elements to compare.") \
    METHOD(AMIN, amin, "Return the smallest element over axes; the dtype stays." \
           "\n\nEqual ones share the gradient." \
           REDUCED_AXES ", or there are no elements to compare.") \
    METHOD(ANY, any, \
           "Return whether any element over axes is not 0, as bool, of uint8 as that; False of none." \
           REDUCED_AXES ".") \
    METHOD(ALL, all, \
           "Return whether all elements over axes are not 0, as bool, of uint8 as that; True of none." \
           REDUCED_AXES ".") \
    METHOD(LOGSUMEXP, logsumexp, \
           "Return log(sum(exp(x))) over axes; -inf of no elements." \
           "\n\nComputed of x - max(x), without overflow; integers as float32." \
           REDUCED_AXES ".")

#define TENSOR_REDUCTION(NAME, name, documentation) \
    PyObject *reduce_##name(PyObject *self, PyObject *const *args, Py_ssize_t count, \
                            PyObject *names);
TENSOR_REDUCTIONS(TENSOR_REDUCTION)
/* Of a table of methods: the function and its convention. */
#define WITH_NAMES(function) \
    (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS

PyObject *call_named(PyObject *self, const char *name, PyObject *const *args,
                     Py_ssize_t count, PyObject *names);
PyObject *tensor_reshape(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *names);
PyObject *tensor_permute(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *names);
PyObject *tensor_transpose(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *names);
PyObject *tensor_reversed_axes(PyObject *self, void *closure);

/* ---- indexing.c: methods of TensorBase --------------------------------------------- */

PyObject *tensor_subscript(PyObject *self, PyObject *key);
PyObject *tensor_select(PyObject *self, PyObject *key);
PyObject *tensor_origin(PyObject *self, PyObject *none);
void forget_origin(origin *made);

/* ---- sweeps.c: methods of TensorBase ----------------------------------------------- */

PyObject *tensor_sweep(PyObject *none, PyObject *args);
PyObject *tensor_sweep_plainly(PyObject *self, PyObject *none);
PyObject *tensor_sweep_gradient(PyObject *none, PyObject *args);
PyObject *tensor_sweep_replace(PyObject *none, PyObject *args);
PyObject *tensor_sweep_contribute(PyObject *none, PyObject *args);
PyObject *tensor_attach(PyObject *self, PyObject *object);
PyObject *tensor_attached(PyObject *self, PyObject *none);

/* ---- training.c: static methods of TensorBase -------------------------------------- */

PyObject *tensor_cross_entropy(PyObject *none, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_update(PyObject *none, PyObject *const *args, Py_ssize_t count);
PyObject *program_result(mg_node status, mg_program *const *made);
PyObject *tensor_program_load(PyObject *none, PyObject *args);
PyObject *tensor_record_close(PyObject *none, PyObject *args);
PyObject *tensor_program_update(PyObject *none, PyObject *const *args, Py_ssize_t count);

/* ---- programs.c: static methods of TensorBase -------------------------------------- */

PyObject *tensor_program_key(PyObject *self, PyObject *none);
PyObject *tensor_program_again(PyObject *none, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_program_go(PyObject *none, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_program_run(PyObject *none, PyObject *args);
PyObject *tensor_program_fit(PyObject *none, PyObject *args);
PyObject *tensor_program_bind(PyObject *none, PyObject *args);
PyObject *tensor_program_call(PyObject *none, PyObject *const *args, Py_ssize_t count);

/* ---- tensor.c ---------------------------------------------------------------------- */

/* Return what the type TensorBase is made of. */
PyType_Spec *tensor_specification(void);

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility pop
#endif
#endif
