/* binding.h: what the files of this folder share. Limited API of CPython 3.10. */
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
#include "tensor.h"
#include "value.h"

/* value.c */
/* Let go of the interpreter for a call that is large, or that may have to wait for a
 * large one of another thread, as that one has the arena. take_back() gets what this
 * returns, and the same `large`. Not for calls whose result another thread may free. */
PyThreadState *let_go_of_python(int large);
void take_python_back(PyThreadState *state, int large);
extern _Atomic int large_calls; /* of all threads, under way; let_go() alone reads it */

static inline PyThreadState *let_go(int large)
{
    if (!large && !atomic_load_explicit(&large_calls, memory_order_relaxed)) return NULL;
    return let_go_of_python(large);
}

static inline void take_back(PyThreadState *state, int large)
{
    if (state) take_python_back(state, large);
}

int is_value(PyObject *x);
mg_node handle_of(PyObject *x);
/* Get the number of a float, or of an int that a float surely holds; 0 for anything
 * else. */
int get_number(PyObject *x, double *number);
/* Make the object of a new node, taking over its reference; a and b may be NULL. Inside
 * no_grad the node becomes a leaf. */
PyObject *wrap_node(mg_node handle, PyObject *a, PyObject *b);
/* Raise the exception of a status; a and b are operands or NULL. Returns NULL. */
PyObject *fail_status(mg_node status, const char *name, PyObject *a, PyObject *b);

/* networks.c, static methods of ValueBase */
PyObject *value_mlp(PyObject *none, PyObject *args);
PyObject *value_cross_entropy(PyObject *none, PyObject *args);
PyObject *value_sum(PyObject *none, PyObject *args);
PyObject *value_dot(PyObject *none, PyObject *args);
PyObject *value_softmax(PyObject *none, PyObject *args);
PyObject *value_rmsnorm(PyObject *none, PyObject *args);

/* tensor.c */
int is_tensor(PyObject *x);
mg_node tensor_handle(PyObject *x);
/* Describe a Tensor; -1 with an exception. */
int tensor_describe(PyObject *self, mg_array_info *info);
/* Make the object of a new node, taking over its reference, or raise its status. */
PyObject *tensor_result(mg_node handle, const char *name);

/* mg_array() of the process's arena, the interpreter let go of for large ones. */
mg_node make_array(int dtype, int rank, const int64_t *shape, const void *data);

/* A Python number as operand: a bool, an int of 64 bits, a float. */
typedef struct scalar {
    int kind;        /* 0 bool, 1 int, 2 float */
    int64_t integer; /* of a bool or an int */
    double value;    /* of all */
} scalar;

/* Read one; 0 for anything else. */
int read_scalar(PyObject *x, scalar *n);

/* elements.c, methods of TensorBase, static but for the first two */
PyObject *tensor_item(PyObject *self, PyObject *none);
PyObject *tensor_tolist(PyObject *self, PyObject *none);
PyObject *tensor_nested(PyObject *none, PyObject *args);
PyObject *tensor_new(PyObject *none, PyObject *args);
PyObject *tensor_ramp(PyObject *none, PyObject *args);
PyObject *tensor_random(PyObject *none, PyObject *args);
PyObject *tensor_linear_index(PyObject *none, PyObject *args);

/* Apply an op of one Tensor, which was described, with integers. */
PyObject *tensor_apply_integers(int op, PyObject *self, const mg_array_info *info,
                                int integer_count, const int64_t *integers);

/* The reductions over axes, which take dim and keepdim. */
#define TENSOR_REDUCTIONS(METHOD) \
    METHOD(SUM, sum, "Return the sum over axes, at first all; also dtype=.") \
    METHOD(MEAN, mean, "Return the mean over axes, at first all; also dtype=.") \
    METHOD(PROD, prod, "Return the product over axes, at first all; also dtype=.") \
    METHOD(AMAX, amax, "Return the largest over axes; ties share the gradient.") \
    METHOD(AMIN, amin, "Return the smallest over axes; ties share the gradient.") \
    METHOD(ANY, any, "Return whether any element over axes is not 0.") \
    METHOD(ALL, all, "Return whether all elements over axes are not 0.") \
    METHOD(LOGSUMEXP, logsumexp, "Return log(sum(exp(x))) over axes, without overflow.")

/* arguments.c, methods of TensorBase */
#define TENSOR_REDUCTION(NAME, name, documentation) \
    PyObject *reduce_##name(PyObject *self, PyObject *const *args, Py_ssize_t count, \
                            PyObject *names);
TENSOR_REDUCTIONS(TENSOR_REDUCTION)
PyObject *tensor_reshape(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_permute(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_transpose(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *tensor_reversed_axes(PyObject *self, void *closure);
PyObject *tensor_subscript(PyObject *self, PyObject *key);

#endif
