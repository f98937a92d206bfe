/* _binding.h: what _value.c and _bulk.c share. Limited API of CPython 3.10. */
#ifndef PYMICROGRAD_BINDING_H
#define PYMICROGRAD_BINDING_H

#ifndef Py_GIL_DISABLED
#undef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "micrograd.h"
#include "_value.h"

/* _value.c */
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

/* _bulk.c, static methods of ValueBase */
PyObject *value_mlp(PyObject *none, PyObject *args);
PyObject *value_cross_entropy(PyObject *none, PyObject *args);
PyObject *value_sum(PyObject *none, PyObject *args);
PyObject *value_dot(PyObject *none, PyObject *args);
PyObject *value_softmax(PyObject *none, PyObject *args);
PyObject *value_rmsnorm(PyObject *none, PyObject *args);

#endif
