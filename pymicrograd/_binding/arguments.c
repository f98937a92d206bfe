/* arguments.c: shapes and reductions, where their arguments are plain.
 *
 * Through Python functions the arguments cost ten times the op. Here ints and tuples of
 * them are understood, and what is anything else, errors included, is left to Python's
 * methods that have the same name behind an underscore. */
#include "binding.h"

/* ---- arguments --------------------------------------------------------------------- */

/* Read an int and nothing else; 0 for what is none, or beyond 64 bits. */
static int read_int(PyObject *x, int64_t *integer)
{
    int overflow = 0;
    if (!PyLong_CheckExact(x)) return 0;
    *integer = PyLong_AsLongLongAndOverflow(x, &overflow);
    return !overflow;
}

/* Read an axis, counted from the front. */
static int read_axis(PyObject *x, int rank, int64_t *axis)
{
    if (!read_int(x, axis) || *axis < -rank || *axis >= rank) return 0;
    if (*axis < 0) *axis += rank;
    return 1;
}

/* Read axes as a mask: one, a tuple or list of them, or None for all. */
static int read_axes(PyObject *x, int rank, int64_t *mask)
{
    int64_t axis;
    *mask = ((int64_t)1 << rank) - 1;
    if (x == Py_None) return 1;
    if (!PyTuple_CheckExact(x)) {
        if (!read_axis(x, rank, &axis)) return 0;
        *mask = (int64_t)1 << axis;
        return 1;
    }
    Py_ssize_t count = PyTuple_Size(x);
    if (count == 0) return 1;
    *mask = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_axis(PyTuple_GetItem(x, i), rank, &axis)) return 0;
        if (*mask >> axis & 1) return 0;
        *mask |= (int64_t)1 << axis;
    }
    return 1;
}

/* Read ints given one by one, or as one tuple or list; their number, or -1. */
static int read_ints(PyObject *const *args, Py_ssize_t count, int64_t *integers)
{
    PyObject *row = NULL;
    /* a Size is a tuple, too */
    int tuple = count == 1 && !PyLong_CheckExact(*args) && PyTuple_Check(*args);
    if (tuple || (count == 1 && PyList_CheckExact(args[0]))) {
        row = args[0];
        count = tuple ? PyTuple_Size(row) : PyList_Size(row);
    }
    if (count > MG_MAX_RANK) return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = !row    ? args[i]
                         : tuple ? PyTuple_GetItem(row, i)
                                 : PyList_GetItem(row, i);
        if (!item || !read_int(item, &integers[i])) return -1;
    }
    return (int)count;
}

/* Call self.method(first, *args), or without first where it is NULL. */
static PyObject *call_python(PyObject *self, const char *name, PyObject *first,
                             PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *method = PyObject_GetAttrString(self, name);
    PyObject *positional = PyTuple_New(count + (first != NULL));
    PyObject *named = names ? PyDict_New() : NULL;
    int fine = method && positional && (named || !names);
    if (fine && first) PyTuple_SetItem(positional, 0, Py_NewRef(first));
    for (Py_ssize_t i = 0; fine && i < count; i++)
        PyTuple_SetItem(positional, i + (first != NULL), Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; fine && names && i < PyTuple_Size(names); i++)
        fine = PyDict_SetItem(named, PyTuple_GetItem(names, i), args[count + i]) == 0;
    PyObject *result = fine ? PyObject_Call(method, positional, named) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(positional);
    Py_XDECREF(named);
    return result;
}

/* Call the Python method of the same name with an underscore before it. */
static PyObject *call_fallback(PyObject *self, const char *name, PyObject *const *args,
                               Py_ssize_t count, PyObject *names)
{
    return call_python(self, name, NULL, args, count, names);
}

/* Let tensors/operators.py find the operand of a method among named arguments. */
PyObject *call_named(PyObject *self, const char *name, PyObject *const *args,
                     Py_ssize_t count, PyObject *names)
{
    PyObject *first = PyUnicode_FromString(name);
    PyObject *result =
        first ? call_python(self, "_named", first, args, count, names) : NULL;
    Py_XDECREF(first);
    return result;
}

/* ---- reductions -------------------------------------------------------------------- */

static int is_named(PyObject *name, const char *a, const char *b)
{
    return PyUnicode_CompareWithASCIIString(name, a) == 0 ||
           PyUnicode_CompareWithASCIIString(name, b) == 0;
}

/* Read (dim, keepdim), each under either of its names; 0 where they are not plain. */
static int read_reduction(PyObject *const *args, Py_ssize_t count, PyObject *names,
                          PyObject **dim, PyObject **keep)
{
    if (count > 2) return 0;
    if (count > 0) *dim = args[0];
    if (count > 1) *keep = args[1];
    for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++) {
        PyObject *name = PyTuple_GetItem(names, i), **argument = NULL;
        if (is_named(name, "dim", "axis")) argument = dim;
        else if (is_named(name, "keepdim", "keepdims")) argument = keep;
        if (!argument || *argument) return 0;
        *argument = args[count + i];
    }
    if (!*dim) *dim = Py_None;
    if (!*keep) *keep = Py_False;
    return PyBool_Check(*keep);
}

static PyObject *reduce(int op, const char *fallback, PyObject *self,
                        PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    mg_array_info info;
    int64_t integers[2];
    PyObject *dim = NULL, *keep = NULL;
    if (tensor_describe(self, &info) < 0) return NULL;
    if (!read_reduction(args, count, names, &dim, &keep) ||
        !read_axes(dim, info.rank, &integers[0]))
        return call_fallback(self, fallback, args, count, names);
    integers[1] = keep == Py_True;
    return tensor_apply_integers(op, self, &info, 2, integers);
}

#define REDUCTION(NAME, name, documentation) \
    PyObject *reduce_##name(PyObject *self, PyObject *const *args, Py_ssize_t count, \
                            PyObject *names) \
    { \
        return reduce(MG_##NAME, "_" #name, self, args, count, names); \
    }
TENSOR_REDUCTIONS(REDUCTION)

/* ---- shapes ------------------------------------------------------------------------ */

/* Put what is left of the elements in the place of a -1; 0 where that does not come
 * out. */
static int fill_rest(int64_t *shape, int rank, int64_t count)
{
    int64_t known = 1, rest = -1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < -1 || (shape[i] == -1 && rest >= 0)) return 0;
        if (shape[i] == -1) rest = i;
        else if (shape[i] && known > INT64_MAX / shape[i]) return 0;
        else known *= shape[i];
    }
    if (rest < 0) return known == count;
    if (known == 0 || count % known) return 0;
    shape[rest] = count / known;
    return 1;
}

PyObject *tensor_reshape(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *names)
{
    mg_array_info info;
    int64_t shape[MG_MAX_RANK];
    if (tensor_describe(self, &info) < 0) return NULL;
    int rank = names ? -1 : read_ints(args, count, shape);
    if (rank < 0 || !fill_rest(shape, rank, info.count))
        return call_fallback(self, "_reshape", args, count, names);
    return tensor_apply_integers(MG_RESHAPE, self, &info, rank, shape);
}

PyObject *tensor_permute(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *names)
{
    mg_array_info info;
    int64_t order[MG_MAX_RANK];
    unsigned seen = 0;
    if (tensor_describe(self, &info) < 0) return NULL;
    int rank = names ? -1 : read_ints(args, count, order);
    for (int i = 0; i < rank; i++) {
        if (order[i] < -info.rank || order[i] >= info.rank) break;
        if (order[i] < 0) order[i] += info.rank;
        seen |= 1u << order[i];
    }
    if (rank != info.rank || seen != (1u << rank) - 1)
        return call_fallback(self, "_permute", args, count, names);
    return tensor_apply_integers(MG_PERMUTE, self, &info, rank, order);
}

PyObject *tensor_transpose(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *names)
{
    mg_array_info info;
    int64_t order[MG_MAX_RANK], first, second;
    if (tensor_describe(self, &info) < 0) return NULL;
    if (count != 2 || names || !read_axis(args[0], info.rank, &first) ||
        !read_axis(args[1], info.rank, &second))
        return call_fallback(self, "_transpose", args, count, names);
    for (int i = 0; i < info.rank; i++)
        order[i] = i == first ? second : i == second ? first : i;
    return tensor_apply_integers(MG_PERMUTE, self, &info, info.rank, order);
}

PyObject *tensor_reversed_axes(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    int64_t order[MG_MAX_RANK];
    if (tensor_describe(self, &info) < 0) return NULL;
    for (int i = 0; i < info.rank; i++) order[i] = info.rank - 1 - i;
    return tensor_apply_integers(MG_PERMUTE, self, &info, info.rank, order);
}
