/* tensor.c: TensorBase, the part of Tensor that every operation passes through, as a
 * CPython type: its attributes, its life and its table of methods. */
#include "binding.h"

#include <stddef.h>
#include <structmember.h>

/* ---- attributes -------------------------------------------------------------------- */

static PyObject *get_shape(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : size_of(info.shape, info.rank);
}

static PyObject *get_ndim(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyLong_FromLong(info.rank);
}

static PyObject *get_dtype(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return NULL;
    PyObject *dtype = PyTuple_GetItem(tensor_callbacks.dtypes, info.dtype);
    Py_XINCREF(dtype);
    return dtype;
}

static PyObject *get_requires_grad(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyBool_FromLong(info.requires_grad);
}

static int set_requires_grad(PyObject *self, PyObject *on, void *Py_UNUSED(closure))
{
    if (!on) PyErr_SetString(PyExc_AttributeError, "requires_grad cannot be deleted");
    else if (!PyBool_Check(on))
        PyErr_Format(PyExc_TypeError, "requires_grad is True or False, not %R", on);
    if (!on || !PyBool_Check(on)) return -1;
    const int truth = on == Py_True;
    mg_node status;
    CALL_HEARD(status, mg_require_gradient(arena, tensor_handle(self), truth));
    if (status < 0) fail_call(status, "requires_grad", self);
    else ((tensor *)self)->flags |= LEAF;
    return status < 0 ? -1 : 0;
}

static PyObject *get_is_leaf(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyBool_FromLong(!info.operands);
}

static PyObject *get_version(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyLong_FromLongLong(info.version);
}

/* Return None for the gradient that a result does not keep, with a warning. */
static PyObject *warn_of_interior(PyObject *self)
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return NULL;
    if (info.operands && !info.retains_grad &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "grad of a tensor that is not a leaf: backward leaves gradients at "
                     "leaves; call retain_grad() on this one before, or ask the leaf",
                     1) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_grad(PyObject *object, void *Py_UNUSED(closure))
{
    tensor *self = (tensor *)object;
    mg_node found;
    CALL_HEARD(found, mg_gradient(arena, self->handle));
    if (found < 0) return fail_call(found, "grad", object);
    PyObject *known = self->gradient;
    if (known && ((tensor *)known)->handle == found) {
        Py_INCREF(known);
        release_node(found);
        return known;
    }
    Py_CLEAR(self->gradient);
    if (!found) return warn_of_interior(object);
    PyObject *made = adopt(found, -1), *before = self->gradient;
    self->gradient = Py_XNewRef(made);
    Py_XDECREF(before);
    return made;
}

static int set_grad(PyObject *object, PyObject *to, void *Py_UNUSED(closure))
{
    tensor *self = (tensor *)object;
    if (to == Py_None) to = NULL;
    if (to && (!is_tensor(to) || to == object)) {
        PyErr_Format(PyExc_TypeError, "a gradient is another tensor or None, not %R", to);
        return -1;
    }
    mg_node status;
    CALL_HEARD(status, mg_set_gradient(arena, self->handle, to ? tensor_handle(to) : 0));
    if (status < 0) {
        fail_named(status, PyUnicode_FromString("grad"), object, to);
        return -1;
    }
    PyObject *before = self->gradient;
    Py_XINCREF(to);
    self->gradient = to;
    Py_XDECREF(before);
    release_lent();
    return 0;
}

static Py_ssize_t tensor_length(PyObject *self)
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return -1;
    if (info.rank > 0) return (Py_ssize_t)info.shape[0];
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
}

/* _info(): (shape, strides in elements, address, dtype, op, operands, contiguous,
 * read-only, views, retains_grad). */
static PyObject *tensor_info(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return NULL;
    PyObject *shape = tuple_of(info.shape, info.rank);
    PyObject *strides = shape ? tuple_of(info.strides, info.rank) : NULL;
    if (!strides) {
        Py_XDECREF(shape);
        return NULL;
    }
    return Py_BuildValue("NNKiiiiiLi", shape, strides,
                         (unsigned long long)(uintptr_t)info.data, info.dtype, info.op,
                         info.operands, info.contiguous, info.read_only,
                         (long long)info.views, info.retains_grad);
}

static Py_hash_t tensor_hash(PyObject *self)
{
    return (Py_hash_t)((uintptr_t)self >> 4);
}

/* ---- for tensors/ ------------------------------------------------------------------ */

/* _adopt(handle): the object of a node whose reference the caller has. */
static PyObject *tensor_adopt(PyObject *Py_UNUSED(none), PyObject *handle)
{
    mg_node node = PyLong_AsLongLong(handle);
    if (node == -1 && PyErr_Occurred()) return NULL;
    mg_array_info info; /* refuses what is no handle */
    int status = describe(node, &info);
    return status < 0 ? fail_call(status, "tensor", NULL) : adopt(node, info.count);
}

/* _handles(tensors, memory): write the nodes of a tuple of Tensors to a C array. */
static PyObject *tensor_handles(PyObject *Py_UNUSED(none), PyObject *const *args,
                                Py_ssize_t count)
{
    Py_ssize_t tensors = count == 2 ? PyTuple_Size(args[0]) : -1;
    mg_node *out = NULL;
    if (tensors < 0 || !read_memory(args[1], &out) || !out) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a tuple and memory");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < tensors; i++) {
        PyObject *item = PyTuple_GetItem(args[0], i);
        out[i] = is_tensor(item) ? tensor_handle(item) : 0;
    }
    Py_RETURN_NONE;
}

/* _become(other): take over the node of another Tensor, which nobody else may have and
 * which is none any more after that. Where an importer of the memory relies on this one's
 * life, the other gets the node that this one had, and stays alive with it. */
static PyObject *tensor_become(PyObject *object, PyObject *made)
{
    tensor *self = (tensor *)object, *other = (tensor *)made;
    if (!is_tensor(made)) return PyErr_Format(PyExc_TypeError, "%R is no Tensor", made);
    if (self == other) Py_RETURN_NONE;
    tensor before = *self;
    self->handle = other->handle;
    self->bound = other->bound;
    self->key = other->key;
    self->flags = other->flags;
    self->origin = other->origin;
    self->gradient = NULL;
    other->handle = 0;
    other->origin = NULL;
    other->flags = 0;
    if (before.flags & EXPORTED) {
        other->handle = before.handle;
        other->bound = before.bound;
        other->key = before.key;
        other->flags = before.flags & (HOOKED | LEAF);
        other->pinned = before.pinned;
        self->pinned = Py_NewRef(made);
    } else {
        release_node(before.handle);
    }
    forget_origin(before.origin);
    Py_XDECREF(before.gradient);
    Py_RETURN_NONE;
}

/* _export(): from now on an importer relies on this object for the life of the memory. */
static PyObject *tensor_export(PyObject *self, PyObject *Py_UNUSED(none))
{
    ((tensor *)self)->flags |= EXPORTED;
    Py_RETURN_NONE;
}

/* ---- life -------------------------------------------------------------------------- */

/* Return what is attached to a node that nothing but this object refers to: only then the
 * cycle collector may look through the node. It asks twice in a collection, and has to hear
 * the same: while another thread is in the core without the GIL, whose op may just take a
 * reference to the node, it hears of nothing. (Those that cffi calls without the GIL take
 * none to a node that has only its object's, but `retain`, whose caller holds the object.) */
static PyObject *own_attachment(const tensor *self)
{
    if (!(self->flags & HOOKED) || calls_outside) return NULL;
    if (mg_references(arena, self->handle) != 1) return NULL;
    return mg_attached(arena, self->handle);
}

static int tensor_traverse(PyObject *object, visitproc visit, void *arg)
{
    tensor *self = (tensor *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->gradient);
    Py_VISIT(self->pinned);
    if (self->origin) {
        Py_VISIT(self->origin->base);
        Py_VISIT(self->origin->key);
    }
    PyObject *attachment = own_attachment(self);
    Py_VISIT(attachment);
    return 0;
}

static int tensor_clear(PyObject *object)
{
    tensor *self = (tensor *)object;
    Py_CLEAR(self->gradient);
    Py_CLEAR(self->pinned);
    origin *from = self->origin;
    self->origin = NULL;
    forget_origin(from);
    if (own_attachment(self)) {
        mg_attach(arena, self->handle, NULL);
        self->flags &= ~HOOKED;
        release_lent();
    }
    return 0;
}

/* Drop the gradient of a leaf whose object dies, where it is recorded: what computed it
 * uses the leaf, and both would stay for ever. */
static void drop_recorded_gradient(mg_node leaf)
{
    mg_array_info info;
    PyThreadState *state = release_gil(0);
    mg_node gradient = mg_gradient(arena, leaf);
    if (gradient > 0 && mg_array_describe(arena, gradient, &info) == MG_OK &&
        info.operands)
        mg_set_gradient(arena, leaf, 0);
    acquire_gil(state, 0);
    if (gradient > 0) release_node(gradient);
}

static void tensor_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    tensor *self = (tensor *)object;
    PyObject_GC_UnTrack(object);
    mg_node handle = self->handle;
    if (self->flags & LEAF && handle) drop_recorded_gradient(handle);
    self->handle = 0;
    self->flags = 0;
    if (self->gradient || self->pinned || self->origin) tensor_clear(object);
    release_node(handle);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyMethodDef own_methods[] = {
#define REDUCTION_ROW(NAME, name, documentation) \
    {#name, WITH_NAMES(reduce_##name), documentation},
    TENSOR_REDUCTIONS(REDUCTION_ROW)
    {"reshape", WITH_NAMES(tensor_reshape),
     "Return the elements, in row-major order, in another shape.\n\n"
     "A view where strides allow it, otherwise a copy. One size may be -1: of shape\n"
     "(2, 6) reshape(3, -1) has shape (3, 4).\n\nRaises:\n"
     "    ShapeError: the number of elements differs, or there are more than 8 axes."},
    {"permute", WITH_NAMES(tensor_permute),
     "Return a view whose axis i is axis dims[i] of this tensor.\n\n"
     "Of shape (2, 3, 4) permute(2, 0, 1) has shape (4, 2, 3).\n\nRaises:\n"
     "    ShapeError: not every axis is named once.\n"
     "    TensorIndexError: an axis is out of range."},
    {"transpose", WITH_NAMES(tensor_transpose),
     "Return a view with axes dim0 and dim1 swapped.\n\n"
     "Of shape (2, 3, 4) transpose(0, 2) has shape (4, 3, 2).\n\nRaises:\n"
     "    TensorIndexError: an axis is out of range."},
    {"item", tensor_item, METH_NOARGS,
     "Return the only element as a Python float, int or bool.\n\nRaises:\n"
     "    RuntimeError: there are several elements, or none."},
    {"tolist", tensor_tolist, METH_NOARGS,
     "Return the elements as Python numbers in nested lists, one level for each axis;\n"
     "of shape () a number."},
    {"_info", tensor_info, METH_NOARGS, NULL},
    {"_write", tensor_write, METH_O, NULL},
    {"_load", tensor_load, METH_VARARGS | METH_STATIC, NULL},
    {"_attach", tensor_attach, METH_O, NULL},
    {"_attached", tensor_attached, METH_NOARGS, NULL},
    {"_become", tensor_become, METH_O, NULL},
    {"_select", tensor_select, METH_O, NULL},
    {"_origin", tensor_origin, METH_NOARGS, NULL},
    {"_export", tensor_export, METH_NOARGS, NULL},
    {"_apply", (PyCFunction)(void (*)(void))tensor_apply, METH_FASTCALL | METH_STATIC,
     NULL},
    {"_apply_over", (PyCFunction)(void (*)(void))tensor_apply_over,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_sweep", tensor_sweep, METH_VARARGS | METH_STATIC, NULL},
    {"_backward_plainly", tensor_sweep_plainly, METH_NOARGS, NULL},
    {"_cross_entropy", (PyCFunction)(void (*)(void))tensor_cross_entropy,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_update", (PyCFunction)(void (*)(void))tensor_update, METH_FASTCALL | METH_STATIC,
     NULL},
    {"_program_load", tensor_program_load, METH_VARARGS | METH_STATIC, NULL},
    {"_record_close", tensor_record_close, METH_VARARGS | METH_STATIC, NULL},
    {"_program_update", (PyCFunction)(void (*)(void))tensor_program_update,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_program_call", (PyCFunction)(void (*)(void))tensor_program_call,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_program_key", tensor_program_key, METH_NOARGS, NULL},
    {"_program_again", (PyCFunction)(void (*)(void))tensor_program_again,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_program_go", (PyCFunction)(void (*)(void))tensor_program_go,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_program_run", tensor_program_run, METH_VARARGS | METH_STATIC, NULL},
    {"_program_fit", tensor_program_fit, METH_VARARGS | METH_STATIC, NULL},
    {"_program_bind", tensor_program_bind, METH_VARARGS | METH_STATIC, NULL},
    {"_sweep_gradient", tensor_sweep_gradient, METH_VARARGS | METH_STATIC, NULL},
    {"_sweep_replace", tensor_sweep_replace, METH_VARARGS | METH_STATIC, NULL},
    {"_sweep_contribute", tensor_sweep_contribute, METH_VARARGS | METH_STATIC, NULL},
    {"_adopt", tensor_adopt, METH_O | METH_STATIC, NULL},
    {"_handles", (PyCFunction)(void (*)(void))tensor_handles,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_share", tensor_share, METH_VARARGS | METH_STATIC, NULL},
    {"_dlpack_code", tensor_dlpack_code, METH_VARARGS | METH_STATIC, NULL},
    {"_nested", tensor_nested, METH_VARARGS | METH_STATIC, NULL},
    {"_new", tensor_new, METH_VARARGS | METH_STATIC, NULL},
    {"_ramp", tensor_ramp, METH_VARARGS | METH_STATIC, NULL},
    {"_random", tensor_random, METH_VARARGS | METH_STATIC, NULL},
    {"_linear_index", tensor_linear_index, METH_VARARGS | METH_STATIC, NULL},
};

enum { OWN_METHODS = sizeof own_methods / sizeof *own_methods };
static PyMethodDef methods[OWN_METHODS + OP_METHODS + 1];

static PyGetSetDef properties[] = {
    {"shape", get_shape, NULL,
     "The size of each axis, a tuple of ints; () of a single number.", NULL},
    {"ndim", get_ndim, NULL, "The number of axes, len(shape).", NULL},
    {"dtype", get_dtype, NULL,
     "The type of the elements: pymicrograd.float32, int64, bool ...", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad,
     "Whether what is computed of it is recorded for `backward`; may be set on "
     "leaves.\n\n"
     "Raises:\n    DTypeError: on setting, the elements are no floats.\n"
     "    GradientError: on setting, this is a result, not a leaf.",
     NULL},
    {"is_leaf", get_is_leaf, NULL,
     "Whether this is not the result of a recorded operation.", NULL},
    {"grad", get_grad, set_grad, 
     "The sum of the gradients that `backward` has found, of this shape and dtype; or "
     "None.\n\n"
     "Raises:\n    ShapeError, DTypeError: on setting, the other tensor does not fit.",
     NULL},
    {"T", tensor_reversed_axes, NULL, 
     "A view with the axes in reversed order: of a matrix (m, n) as (n, m).", NULL},
    {"_version", get_version, NULL, "How often the memory was written to.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"_handle", T_LONGLONG, offsetof(tensor, handle), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The hot path of Tensor; see tensors/tensor.py."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_traverse, tensor_traverse},
    {Py_tp_clear, tensor_clear},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {Py_tp_richcompare, tensor_compare},
    {Py_tp_hash, tensor_hash},
    {Py_mp_length, tensor_length},
    {Py_mp_subscript, tensor_subscript},
#define OPERATOR_SLOT(slot, NAME, name) {Py_nb_##slot, tensor_##name},
#define IN_PLACE_SLOT(slot, NAME, name) {Py_nb_inplace_##slot, tensor_inplace_##name},
    BINARY_OPERATORS(OPERATOR_SLOT)
    BINARY_OPERATORS(IN_PLACE_SLOT)
    {Py_nb_power, tensor_power},
    {Py_nb_inplace_power, tensor_inplace_power},
    {Py_nb_matrix_multiply, tensor_matmul},
    {Py_nb_negative, tensor_negative},
    {Py_nb_positive, tensor_positive},
    {Py_nb_absolute, tensor_absolute},
    {Py_nb_invert, tensor_invert},
    {0, NULL},
};

static PyType_Spec specification = {
    "pymicrograd._types.Tensor", /* what Python's errors name before a method */
    sizeof(tensor),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    slots,
};

PyType_Spec *tensor_specification(void)
{
    for (size_t i = 0; i < OWN_METHODS; i++) methods[i] = own_methods[i];
    add_op_methods(methods, OWN_METHODS);
    return &specification;
}
