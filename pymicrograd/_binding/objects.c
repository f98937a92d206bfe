/* objects.c: Tensors as objects of nodes, and the exceptions of what fails.
 *
 * The core refers to Python objects in two places: the owner of memory that an array
 * shares, and what is attached to a node (its hooks, or the context of a Function). It
 * returns them through mg_released(), which has to be asked after whatever may free a
 * node: release_lent(). */
#include "binding.h"

_Atomic int64_t lent;

void lend(PyObject *object)
{
    Py_INCREF(object);
    atomic_fetch_add_explicit(&lent, 1, memory_order_relaxed);
}

void drop_lent(void)
{
    while (atomic_load_explicit(&lent, memory_order_relaxed) > 0) {
        if (mg_arena_lasts(arena)) return; /* next time */
        PyThreadState *state = release_gil(0);
        PyObject *object = mg_released(arena);
        acquire_gil(state, 0);
        if (!object) return;
        atomic_fetch_sub_explicit(&lent, 1, memory_order_relaxed);
        Py_DECREF(object);
    }
}

/* Import tensors/tensor.py, which calls install(). */
static int load_tensor(void)
{
    PyObject *module = PyImport_ImportModule("pymicrograd.tensors.tensor");
    Py_XDECREF(module);
    if (module && !tensor_alloc)
        PyErr_SetString(PyExc_ImportError, "pymicrograd.tensors.tensor is being imported");
    return module && tensor_alloc ? 0 : -1;
}

tensor *new_tensor(mg_node handle)
{
    tensor *made = NULL;
    if (tensor_alloc || load_tensor() == 0) made = (tensor *)tensor_alloc(tensor_type, 0);
    if (!made) release_node(handle);
    return made;
}

PyObject *adopt(mg_node handle, int64_t bound)
{
    return adopt_shaped(handle, bound, 0);
}

PyObject *tensor_fail(int64_t status, PyObject *what, PyObject *operands,
                      PyObject *integers)
{
    if (status == MG_ERR_INTERRUPTED && PyErr_Occurred()) return NULL;
    if (!tensor_callbacks.fail && load_tensor() < 0) return NULL;
    PyObject *none =
        PyObject_CallFunction(tensor_callbacks.fail, "LOOO", (long long)status, what,
                              operands, integers ? integers : Py_None);
    Py_XDECREF(none);
    release_lent();
    return NULL;
}

/* Raise the exception of an op's status; b may be NULL. */
PyObject *fail_op(mg_node status, int op, PyObject *a, PyObject *b)
{
    PyObject *what = PyLong_FromLong(op);
    PyObject *operands = b ? PyTuple_Pack(2, a, b) : PyTuple_Pack(1, a);
    if (what && operands) tensor_fail(status, what, operands, NULL);
    Py_XDECREF(what);
    Py_XDECREF(operands);
    return NULL;
}

/* Raise the exception of another call's status; other may be NULL. */
PyObject *fail_named(int64_t status, PyObject *what, PyObject *self,
                            PyObject *other)
{
    PyObject *operands = other  ? PyTuple_Pack(2, self, other)
                         : self ? PyTuple_Pack(1, self)
                                : PyTuple_New(0);
    if (what && operands) tensor_fail(status, what, operands, NULL);
    Py_XDECREF(what);
    Py_XDECREF(operands);
    return NULL;
}

PyObject *fail_call(int64_t status, const char *name, PyObject *self)
{
    return fail_named(status, PyUnicode_FromString(name), self, NULL);
}

PyObject *tensor_result(mg_node handle, const char *name)
{
    return handle > 0 ? adopt(handle, -1) : fail_call(handle, name, NULL);
}

int describe(mg_node handle, mg_array_info *info)
{
    PyThreadState *state = release_gil(0);
    int status = mg_array_describe(arena, handle, info);
    acquire_gil(state, 0);
    return status;
}

int describe_heard(mg_node handle, mg_array_info *info)
{
    mg_node status;
    CALL_HEARD(status, mg_array_describe(arena, handle, info));
    return (int)status;
}

int tensor_describe(PyObject *self, mg_array_info *info)
{
    mg_node node;
    int status;
    do { /* of the node that self has now: another thread may have given it a new one */
        node = tensor_handle(self);
        status = describe_heard(node, info);
    } while (node != tensor_handle(self));
    if (status < 0) {
        fail_call(status, "tensor", self);
        return -1;
    }
    ((tensor *)self)->bound = info->count;
    return 0;
}

PyObject *tuple_of(const int64_t *items, int count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *item = PyLong_FromLongLong(items[i]);
        if (item) PyTuple_SetItem(tuple, i, item);
        else Py_CLEAR(tuple);
    }
    return tuple;
}

/* ---- sizes ------------------------------------------------------------------------- */

/* Return a new object of tensors/sizes.py, whose items are to be set. */
static PyObject *blank_size(Py_ssize_t count)
{
    PyTypeObject *type = (PyTypeObject *)tensor_callbacks.size;
    return type ? PyType_GenericAlloc(type, count) : PyTuple_New(count);
}

PyObject *size_of(const int64_t *items, int count)
{
    PyObject *size = blank_size(count);
    for (int i = 0; size && i < count; i++) {
        PyObject *item = PyLong_FromLongLong(items[i]);
        if (item) PyTuple_SetItem(size, i, item);
        else Py_CLEAR(size);
    }
    return size;
}

/* Return the items of a tuple, which is taken over, as sizes. */
static PyObject *size_of_tuple(PyObject *tuple)
{
    if (!tuple || !PyTuple_Check(tuple)) return tuple;
    Py_ssize_t count = PyTuple_Size(tuple);
    PyObject *size = blank_size(count);
    for (Py_ssize_t i = 0; size && i < count; i++)
        PyTuple_SetItem(size, i, Py_NewRef(PyTuple_GetItem(tuple, i)));
    Py_DECREF(tuple);
    return size;
}

static PyObject *size_subscript(PyObject *self, PyObject *key)
{
    static binaryfunc subscript;
    if (!subscript)
        subscript = (binaryfunc)PyType_GetSlot(&PyTuple_Type, Py_mp_subscript);
    PyObject *found = subscript(self, key);
    return PySlice_Check(key) ? size_of_tuple(found) : found;
}

static PyObject *size_add(PyObject *left, PyObject *right)
{
    static binaryfunc concat;
    if (!concat) concat = (binaryfunc)PyType_GetSlot(&PyTuple_Type, Py_sq_concat);
    if (!PyTuple_Check(left) || !PyTuple_Check(right)) Py_RETURN_NOTIMPLEMENTED;
    return size_of_tuple(concat(left, right));
}

static PyType_Slot size_slots[] = {
    {Py_tp_doc, "A tuple whose slices and sums are sizes, too; see tensors/sizes.py."},
    {Py_mp_subscript, size_subscript},
    {Py_nb_add, size_add},
    {0, NULL},
};
PyType_Spec size_specification = {
    "pymicrograd._types.SizeBase",
    0, /* a tuple's */
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    size_slots,
};
