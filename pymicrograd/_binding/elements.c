/* elements.c: elements of Tensors from Python's numbers and lists and back, from
 * generators, and the index arithmetic of x[i, j].
 *
 * Only plain lists, tuples and numbers are read here; for anything else, errors included,
 * _nested() returns NotImplemented and Python finds out what it is. */
#include "binding.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static size_t element_size(int dtype)
{
    return (size_t)mg_dtype_size(dtype);
}

/* ---- elements to Python ------------------------------------------------------------ */

static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent == 0    ? ldexp(fraction, -24)
                  : exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                   : ldexp(1024 + fraction, exponent - 25);
    return half >> 15 ? -size : size;
}

/* Return a float32, whatever the thread's mode makes of subnormal ones. */
static double single_value(uint32_t bits)
{
    float single;
    memcpy(&single, &bits, sizeof bits);
    if (bits & 0x7F800000) return (double)single;
    double size = (double)(bits & 0x007FFFFF) * 0x1p-149;
    return bits >> 31 ? -size : size;
}

static PyObject *element(int dtype, const char *at)
{
    switch (dtype) {
    case MG_FLOAT32: return PyFloat_FromDouble(single_value(*(const uint32_t *)at));
    case MG_FLOAT64: return PyFloat_FromDouble(*(const double *)at);
    case MG_FLOAT16: return PyFloat_FromDouble(half_value(*(const uint16_t *)at));
    case MG_BFLOAT16:
        return PyFloat_FromDouble(single_value((uint32_t)*(const uint16_t *)at << 16));
    case MG_INT64: return PyLong_FromLongLong(*(const int64_t *)at);
    case MG_INT32: return PyLong_FromLong(*(const int32_t *)at);
    case MG_INT16: return PyLong_FromLong(*(const int16_t *)at);
    case MG_INT8: return PyLong_FromLong(*(const int8_t *)at);
    case MG_UINT8: return PyLong_FromLong(*(const uint8_t *)at);
    default: return PyBool_FromLong(*(const uint8_t *)at);
    }
}

/* Refuse to show elements where a program is recorded. Returns -1 where that is raised; 0
 * where nothing is recorded, or no more. */
static int refuse_recorded(const char *name, PyObject *self)
{
    if (!mg_recording(arena)) return 0;
    fail_call(MG_ERR_RECORDED, name, self);
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *tensor_item(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0 || refuse_recorded("item", self) < 0) return NULL;
    if (info.count == 1) return element(info.dtype, info.data);
    PyErr_Format(PyExc_RuntimeError,
                 "a tensor with %lld elements cannot be converted to a number",
                 (long long)info.count);
    return NULL;
}

/* ---- long work with the GIL -------------------------------------------------------- */

enum { LOOKS = 1 << 16 }; /* elements between two looks at signals: some milliseconds */

/* Look at signals every LOOKS calls; 0, which *left is then too, where a handler raises. */
static int go_on(int64_t *left)
{
    if (--*left > 0) return 1;
    if (PyErr_CheckSignals() < 0) return 0;
    *left = LOOKS;
    return 1;
}

/* Lists that were given up. Python would free 10^7 elements in 0.2 s, before its handler's
 * exception is heard of: they are freed in pieces, between its instructions. */
static PyObject *given_up;

static int free_piece(void *Py_UNUSED(context))
{
    enum { PIECE = 1 << 15 };
    Py_ssize_t lists = PyList_Size(given_up);
    PyObject *last = lists ? PyList_GetItem(given_up, lists - 1) : NULL;
    if (!last) return 0;
    Py_ssize_t count = PyList_Size(last), first = count > PIECE ? count - PIECE : 0;
    if (PyList_SetSlice(last, first, count, NULL) < 0 ||
        (!first && PyList_SetSlice(given_up, lists - 1, lists, NULL) < 0))
        PyErr_Clear();
    if (PyList_Size(given_up) && Py_AddPendingCall(free_piece, NULL) < 0)
        PyList_SetSlice(given_up, 0, PY_SSIZE_T_MAX, NULL);
    return 0;
}

/* Drop a list of which the first `count` elements are made. */
static void give_up(PyObject *list, Py_ssize_t count)
{
    PyObject *error[3];
    PyErr_Fetch(&error[0], &error[1], &error[2]);
    if (!given_up) given_up = PyList_New(0);
    int is_kept = count > LOOKS && given_up &&
                  PyList_SetSlice(list, count, PY_SSIZE_T_MAX, NULL) == 0 &&
                  PyList_Append(given_up, list) == 0;
    if (is_kept && Py_AddPendingCall(free_piece, NULL) < 0)
        PyList_SetSlice(given_up, 0, PY_SSIZE_T_MAX, NULL);
    Py_DECREF(list);
    PyErr_Restore(error[0], error[1], error[2]);
}

/* Make the nested list of the axes from `axis` on. */
static PyObject *list_of(const mg_array_info *info, int axis, const char *at,
                         int64_t *left)
{
    if (axis == info->rank) return go_on(left) ? element(info->dtype, at) : NULL;
    Py_ssize_t count = (Py_ssize_t)info->shape[axis];
    ptrdiff_t step =
        (ptrdiff_t)info->strides[axis] * (ptrdiff_t)element_size(info->dtype);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *item = list_of(info, axis + 1, at + i * step, left);
        if (!item) {
            give_up(list, i);
            return NULL;
        }
        PyList_SetItem(list, i, item);
    }
    return list;
}

/* Hold on to a Tensor's node, and describe it: while Python's code may run, another may take
 * its place. Returns the node for release_node(), or -1 with an exception. */
static mg_node hold_node(PyObject *self, mg_array_info *info)
{
    if (tensor_describe(self, info) < 0) return -1;
    mg_node status, node = tensor_handle(self);
    CALL_HEARD(status, mg_retain(arena, node));
    if (status == MG_OK && (status = describe_heard(node, info)) < 0) release_node(node);
    if (status == MG_OK) return node;
    fail_call(status, "tensor", self);
    return -1;
}

PyObject *tensor_tolist(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_array_info info;
    int64_t left = LOOKS;
    if (refuse_recorded("tolist", self) < 0) return NULL;
    mg_node node = hold_node(self, &info);
    if (node < 0) return NULL;
    PyObject *list = list_of(&info, 0, info.data, &left);
    release_node(node);
    return list;
}

/* ---- lists to elements ------------------------------------------------------------- */

/* Nested lists on their way to an array. */
typedef struct nest {
    int rank, kind; /* kind: the largest of the numbers' */
    int64_t shape[MG_MAX_RANK];
    int dtype; /* what put_scalar() writes */
    char *next;
    int64_t left; /* elements to the next look at signals */
} nest;

static int is_row(PyObject *x)
{
    return PyList_CheckExact(x) || PyTuple_CheckExact(x);
}

static Py_ssize_t row_length(PyObject *row)
{
    return PyList_CheckExact(row) ? PyList_Size(row) : PyTuple_Size(row);
}

/* Return an item, borrowed. */
static PyObject *row_item(PyObject *row, Py_ssize_t i)
{
    return PyList_CheckExact(row) ? PyList_GetItem(row, i) : PyTuple_GetItem(row, i);
}

/* Find the shape that the first items have; 0 if there are too many axes. */
static int find_shape(nest *n, PyObject *x)
{
    for (n->rank = 0; is_row(x); n->rank++) {
        if (n->rank == MG_MAX_RANK) return 0;
        n->shape[n->rank] = row_length(x);
        if (n->shape[n->rank] == 0) {
            n->rank++;
            return 1;
        }
        x = row_item(x, 0);
    }
    return 1;
}

/* Write an integer; 0 if the type does not hold it. */
static int put_integer(nest *n, int64_t x)
{
    switch (n->dtype) {
    case MG_INT64: *(int64_t *)n->next = x; return 1;
    case MG_INT32: *(int32_t *)n->next = (int32_t)x; return (int32_t)x == x;
    case MG_INT16: *(int16_t *)n->next = (int16_t)x; return (int16_t)x == x;
    case MG_INT8: *(int8_t *)n->next = (int8_t)x; return (int8_t)x == x;
    default: *(uint8_t *)n->next = (uint8_t)x; return (uint8_t)x == x;
    }
}

/* Write a number; 0 if the type does not hold it. */
static int put_scalar(nest *n, const scalar *x)
{
    int whole = x->kind < 2;
    if (n->dtype == MG_BOOL)
        *(uint8_t *)n->next = whole ? x->integer != 0 : x->value != 0;
    else if (n->dtype == MG_FLOAT32)
        *(float *)n->next = whole ? (float)x->integer : (float)x->value;
    else if (n->dtype == MG_FLOAT64)
        *(double *)n->next = x->value;
    else {
        if (!whole && !(fabs(x->value) < 9007199254740992.0)) return 0;
        int64_t integer = whole ? x->integer : (int64_t)x->value;
        if (!put_integer(n, integer)) return 0;
    }
    n->next += element_size(n->dtype);
    return 1;
}

/* Go through the numbers of x, at first for their kind, then (next is set) to write them;
 * 0 where x is not plain or, with an exception, a signal's handler raises. That may also
 * change the lists. */
static int walk(nest *n, PyObject *x, int axis)
{
    if (axis == n->rank) {
        scalar found;
        if (!read_scalar(x, &found)) return 0;
        if (found.kind > n->kind) n->kind = found.kind;
        return !n->next || put_scalar(n, &found);
    }
    if (!is_row(x) || row_length(x) != n->shape[axis]) return 0;
    for (Py_ssize_t i = 0; i < n->shape[axis]; i++) {
        PyObject *item = Py_XNewRef(row_item(x, i));
        int plain = item && walk(n, item, axis + 1);
        Py_XDECREF(item);
        if (!plain || (axis + 1 == n->rank && !go_on(&n->left))) return 0;
    }
    return 1;
}

/* What a walk that failed comes to: a handler's exception, or that x is not plain. */
static PyObject *not_plain(const nest *n)
{
    if (n->left == 0) return NULL;
    PyErr_Clear();
    Py_RETURN_NOTIMPLEMENTED;
}

static int default_dtype(int kind)
{
    return kind == 2 ? MG_FLOAT32 : kind == 1 ? MG_INT64 : MG_BOOL;
}

/* Return how many elements a shape has; -1 when memory surely has no room for them. */
static int64_t count_of(const int64_t *shape, int rank)
{
    int64_t count = 1;
    for (int axis = 0; axis < rank; axis++) {
        if (shape[axis] < 0) return -1;
        if (shape[axis] > 0 && count > ((int64_t)1 << 59) / shape[axis]) return -1;
        count *= shape[axis];
    }
    return count;
}

/* _nested(data, dtype): the tensor of nested lists of numbers, or NotImplemented. dtype
 * -1 is that of the numbers. float16 and bfloat16 are not written here. */
PyObject *tensor_nested(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *data;
    nest n = {.left = LOOKS};
    if (!PyArg_ParseTuple(args, "Oi", &data, &n.dtype)) return NULL;
    int of_two_bytes = n.dtype == MG_FLOAT16 || n.dtype == MG_BFLOAT16;
    if (of_two_bytes || n.dtype >= MG_DTYPE_COUNT || !find_shape(&n, data) ||
        !walk(&n, data, 0))
        return not_plain(&n);
    int64_t count = count_of(n.shape, n.rank);
    if (n.dtype < 0) n.dtype = count ? default_dtype(n.kind) : MG_FLOAT32;
    if (count < 0) return PyErr_NoMemory();
    /* Other threads, and signals' handlers, may change the lists: walk() looks again. */
    int kind = n.kind;
    PyObject *made = tensor_result(make_array(n.dtype, n.rank, n.shape, NULL), "tensor");
    mg_array_info info;
    if (!made || tensor_describe(made, &info) < 0) return NULL;
    n.next = info.data;
    const uint64_t mode = mg_mode_enter();
    int written = walk(&n, data, 0);
    mg_mode_leave(mode);
    if (written && n.kind == kind) return made;
    Py_DECREF(made);
    return not_plain(&n);
}

/* ---- new arrays -------------------------------------------------------------------- */

/* Read a tuple of sizes; their number, or -1 with an exception. */
static int read_shape(PyObject *tuple, int64_t *shape)
{
    Py_ssize_t rank = PyTuple_Size(tuple);
    if (rank > MG_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "a tensor has at most %d axes, not %zd",
                     MG_MAX_RANK, rank);
        return -1;
    }
    for (Py_ssize_t i = 0; i < rank; i++) {
        shape[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
        if (shape[i] == -1 && PyErr_Occurred()) return -1;
    }
    return (int)rank;
}

/* _new(dtype, shape, memory): a copy of contiguous elements; of None zeros. */
PyObject *tensor_new(PyObject *Py_UNUSED(none), PyObject *args)
{
    int dtype;
    PyObject *tuple;
    void *data;
    int64_t shape[MG_MAX_RANK];
    if (!PyArg_ParseTuple(args, "iO!O&", &dtype, &PyTuple_Type, &tuple, read_memory,
                          &data))
        return NULL;
    int rank = read_shape(tuple, shape);
    if (rank < 0) return NULL;
    return tensor_result(make_array(dtype, rank, shape, data), "tensor");
}

/* _share(owner, memory, dtype, shape, strides, read_only): memory of the owner's. */
PyObject *tensor_share(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *owner, *shape, *strides;
    void *data;
    int dtype, read_only;
    int64_t sizes[MG_MAX_RANK], steps[MG_MAX_RANK];
    if (!PyArg_ParseTuple(args, "OO&iO!O!p", &owner, read_memory, &data, &dtype,
                          &PyTuple_Type, &shape, &PyTuple_Type, &strides, &read_only))
        return NULL;
    int rank = read_shape(shape, sizes);
    if (rank < 0 || read_shape(strides, steps) < 0) return NULL;
    if (PyTuple_Size(strides) != rank) {
        PyErr_SetString(PyExc_ValueError, "there is a stride for each axis");
        return NULL;
    }
    mg_node made;
    CALL_HEARD(made, mg_array_share(arena, dtype, rank, sizes, steps, data, read_only,
                                    owner));
    if (made > 0) lend(owner);
    return tensor_result(made, "from_numpy");
}

/* ---- DLPack --------------------------------------------------------------------------
 *
 * The part of its tensors up to the code of their type, as the standard lays it out
 * (https://dmlc.github.io/dlpack/latest/c_api.html). */

typedef struct dlpack_head {
    void *data;
    int32_t device[2], rank;
    uint8_t code;
} dlpack_head;

typedef struct dlpack_versioned {
    uint32_t version[2];
    void *context;
    void (*deleter)(struct dlpack_versioned *self);
    uint64_t flags;
    dlpack_head head;
} dlpack_versioned;

/* _dlpack_code(capsule, code): set the code of the type of a capsule's tensor, if it is
 * not negative; returns the one before. */
PyObject *tensor_dlpack_code(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *capsule;
    int code;
    if (!PyArg_ParseTuple(args, "Oi", &capsule, &code)) return NULL;
    dlpack_head *head = NULL;
    if (PyCapsule_IsValid(capsule, "dltensor")) {
        head = PyCapsule_GetPointer(capsule, "dltensor");
    } else if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        dlpack_versioned *whole = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        if (whole) head = &whole->head;
    }
    if (!head) {
        PyErr_SetString(PyExc_BufferError,
                        "no capsule of a tensor, or one that was taken out");
        return NULL;
    }
    int before = head->code;
    if (code >= 0) head->code = (uint8_t)code;
    return PyLong_FromLong(before);
}

/* _ramp(count, start, step): start + i * step, int64 if both are ints, else float64. */
PyObject *tensor_ramp(PyObject *Py_UNUSED(none), PyObject *args)
{
    long long count;
    PyObject *start, *step;
    scalar from, by;
    if (!PyArg_ParseTuple(args, "LOO", &count, &start, &step)) return NULL;
    int64_t length = count;
    if (length < 0 || !read_scalar(start, &from) || !read_scalar(step, &by)) {
        PyErr_SetString(PyExc_ValueError, "a range has plain numbers of 64 bits");
        return NULL;
    }
    int whole = from.kind < 2 && by.kind < 2;
    long_call call;
    mg_node made;
    long_open(&call, length > LARGE, length > LONG);
    do {
        long_begin(&call);
        made = whole ? mg_array_ramp_integers(arena, length, from.integer, by.integer)
                     : mg_array_ramp(arena, length, from.value, by.value);
    } while (long_end(&call, &made, NULL, 0));
    return tensor_result(made, "arange");
}

/* ---- random numbers ---------------------------------------------------------------- */

static int permute(mg_rng *rng, const mg_array_info *info)
{
    PyObject *before = info->count > LONG / 8 ? listen_for_signals() : NULL;
    int status = mg_rng_permutation(rng, info->count, info->data);
    if (!stop_listening(before) || PyErr_CheckSignals() < 0) return status;
    return mg_rng_permutation(rng, info->count, info->data);
}

/* Draw the elements of a new array; low and high are of MG_INTEGERS. */
static int draw(mg_rng *rng, int which, const mg_array_info *info, double a, double b,
                int64_t low, int64_t high)
{
    if (which == MG_PERMUTATION) return permute(rng, info);
    if (which == MG_INTEGERS)
        return mg_rng_fill_integers(rng, low, high, info->count, info->data);
    return mg_rng_fill(rng, which, info->dtype, a, b, info->count, info->data);
}

/* _random(rng's memory, which, dtype, shape, a, b, low, high): one number after the
 * other. The GIL is kept while they are drawn: other threads may use the generator. Where
 * a signal's handler raises, no number has been drawn. */
PyObject *tensor_random(PyObject *Py_UNUSED(none), PyObject *args)
{
    mg_rng *rng;
    PyObject *tuple;
    int which, dtype;
    double a, b;
    long long low, high;
    int64_t shape[MG_MAX_RANK];
    if (!PyArg_ParseTuple(args, "O&iiO!ddLL", read_memory, &rng, &which, &dtype,
                          &PyTuple_Type, &tuple, &a, &b, &low, &high))
        return NULL;
    int rank = read_shape(tuple, shape);
    if (rank < 0) return NULL;
    if (!rng) return PyErr_Format(PyExc_TypeError, "there is no generator");
    if (which >= MG_INTEGERS) dtype = MG_INT64;
    PyObject *made = tensor_result(make_array(dtype, rank, shape, NULL), "random");
    mg_array_info info;
    if (!made || tensor_describe(made, &info) < 0) return NULL;
    const mg_rng before = *rng;
    int status = MG_OK, raised = 0;
    for (int64_t left = info.count; left > 0 && status == MG_OK && !raised;) {
        info.count = left < LOOKS || which == MG_PERMUTATION ? left : LOOKS;
        status = draw(rng, which, &info, a, b, low, high);
        info.data = (char *)info.data + (size_t)info.count * element_size(dtype);
        left -= info.count;
        raised = left > 0 && status == MG_OK && PyErr_CheckSignals() < 0;
    }
    if (raised) *rng = before;
    if (status == MG_OK && !raised && mg_recording(arena))
        status = mg_record_random(arena, tensor_handle(made), rng, which, a, b, low, high);
    if (status == MG_OK && !raised) return made;
    Py_DECREF(made);
    return raised ? NULL : fail_call(status, "random", NULL);
}

/* ---- indices ----------------------------------------------------------------------- */

/* _linear_index(indices, sizes): mg_linear_index(); or (axis, index) for one out of
 * range. */
PyObject *tensor_linear_index(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *indices, *tuple;
    int64_t sizes[MG_MAX_RANK], wrong[2];
    mg_node nodes[MG_MAX_RANK];
    mg_array_info first;
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &indices, &PyTuple_Type, &tuple))
        return NULL;
    int axes = read_shape(tuple, sizes);
    if (axes < 0) return NULL;
    if (PyTuple_Size(indices) != axes) {
        PyErr_SetString(PyExc_ValueError, "there is an index for each axis");
        return NULL;
    }
    for (int i = 0; i < axes; i++) {
        PyObject *index = PyTuple_GetItem(indices, i);
        if (!is_tensor(index)) {
            PyErr_SetString(PyExc_TypeError, "indices are tensors");
            return NULL;
        }
        nodes[i] = tensor_handle(index);
    }
    int large = axes && describe(nodes[0], &first) >= 0 && first.count > LARGE;
    long_call call;
    mg_node made;
    long_open(&call, large, large && first.count > LONG);
    do {
        long_begin(&call);
        made = mg_linear_index(arena, axes, nodes, sizes, wrong);
    } while (long_end(&call, &made, nodes, axes));
    if (made == MG_ERR_INDEX)
        return Py_BuildValue("LL", (long long)wrong[0], (long long)wrong[1]);
    return tensor_result(made, "index");
}
