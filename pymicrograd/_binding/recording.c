/* recording.c: whether operations are recorded, and the contexts that change it.
 *
 * The answer is recording.py's context variable: None, or a Silence, which says how many
 * no_grads it stands for. So it belongs to what Python calls a context: a thread has its
 * own, and so has a task of asyncio. Every op asks; to ask costs one comparison while no
 * Silence lives, as each counts itself. One is freed with the last context that has it.
 *
 * The methods are C functions because Python looks for signals when a function that is
 * written in Python begins: a Ctrl-C there would leave `with no_grad()` without leaving
 * no_grad. */
#include "binding.h"

#include <stddef.h>
#include <structmember.h>

_Atomic int64_t silences;
static PyObject *silence_type;
static PyObject *get_mode, *set_mode; /* the variable's methods */

typedef struct silence {
    PyObject_HEAD
    long long depth; /* of no_grads, above 0 */
} silence;

static PyObject *new_silence(PyTypeObject *type, long long depth)
{
    silence *made = (silence *)PyType_GenericAlloc(type, 0);
    if (!made) return NULL;
    made->depth = depth;
    atomic_fetch_add_explicit(&silences, 1, memory_order_relaxed);
    return (PyObject *)made;
}

static PyObject *silence_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(k))
{
    long long depth;
    if (!PyArg_ParseTuple(args, "L:Silence", &depth)) return NULL;
    return new_silence(type, depth);
}

static void silence_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    atomic_fetch_sub_explicit(&silences, 1, memory_order_relaxed);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMemberDef silence_members[] = {
    {"depth", T_LONGLONG, offsetof(silence, depth), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot silence_slots[] = {
    {Py_tp_doc, "What the context variable holds inside no_grad."},
    {Py_tp_new, silence_new},
    {Py_tp_dealloc, silence_dealloc},
    {Py_tp_members, silence_members},
    {0, NULL},
};

static PyType_Spec silence_specification = {
    "pymicrograd._types.Silence", sizeof(silence), 0, Py_TPFLAGS_DEFAULT, silence_slots,
};

/* ---- the variable ------------------------------------------------------------------ */

int is_in_no_grad(void)
{
    PyObject *mode = PyObject_CallNoArgs(get_mode);
    int inside = mode ? mode != Py_None : -1;
    Py_XDECREF(mode);
    return inside;
}

/* Get the depth of this context; -1 with an exception. */
static long long current_depth(void)
{
    PyObject *mode = PyObject_CallNoArgs(get_mode);
    if (!mode) return -1;
    long long depth = 0;
    if (Py_TYPE(mode) == (PyTypeObject *)silence_type) {
        depth = ((silence *)mode)->depth;
    } else if (mode != Py_None) { /* recording.py's, of before this module was loaded */
        PyObject *number = PyObject_GetAttrString(mode, "depth");
        depth = number ? PyLong_AsLongLong(number) : -1;
        Py_XDECREF(number);
    }
    Py_DECREF(mode);
    return depth;
}

static int put_mode(PyObject *mode)
{
    PyObject *token = PyObject_CallFunctionObjArgs(set_mode, mode, NULL);
    Py_XDECREF(token);
    return token ? 0 : -1;
}

static int put_depth(long long depth)
{
    if (depth <= 0) return put_mode(Py_None);
    PyObject *mode = new_silence((PyTypeObject *)silence_type, depth);
    int status = mode ? put_mode(mode) : -1;
    Py_XDECREF(mode);
    return status;
}

/* Record from now on or not; return the mode that was, or NULL. */
PyObject *switch_recording(int on)
{
    PyObject *before = PyObject_CallNoArgs(get_mode);
    if (!before || on == (before == Py_None) || put_depth(!on) == 0) return before;
    Py_DECREF(before);
    return NULL;
}

int restore_recording(PyObject *before)
{
    PyObject *type, *error, *traceback; /* an exception that is on its way */
    PyErr_Fetch(&type, &error, &traceback);
    int status = put_mode(before);
    Py_DECREF(before);
    if (status < 0 && !type) return -1;
    PyErr_Restore(type, error, traceback);
    return 0;
}

/* ---- no_grad ----------------------------------------------------------------------- */

/* no_grad(), or the decorator of a function: no_grad(function) is no_grad()(function). */
static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"function", NULL};
    PyObject *function = Py_None;
    if ((PyTuple_Size(args) || kwargs) &&
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &function))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *made = alloc(type, 0);
    if (!made || function == Py_None) return made;
    PyObject *decorated = PyObject_CallFunctionObjArgs(made, function, NULL);
    Py_DECREF(made);
    return decorated;
}

static PyObject *enter_no_grad(PyObject *self, PyObject *Py_UNUSED(none))
{
    long long depth = current_depth();
    return depth < 0 || put_depth(depth + 1) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *exit_no_grad(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(exception))
{
    long long depth = current_depth();
    if (depth < 0 || put_depth(depth - 1) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef no_grad_methods[] = {
    {"__enter__", enter_no_grad, METH_NOARGS, NULL},
    {"__exit__", exit_no_grad, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot no_grad_slots[] = {
    {Py_tp_doc, "How no_grad is entered and left."},
    {Py_tp_new, context_new},
    {Py_tp_methods, no_grad_methods},
    {0, NULL},
};

static PyType_Spec no_grad_specification = {
    "pymicrograd._types.NoGrad",
    sizeof(PyObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    no_grad_slots,
};

/* ---- enable_grad and set_grad_enabled ---------------------------------------------- */

typedef struct recorder {
    PyObject_HEAD
    PyObject *before; /* NULL, or a list: the mode that was, for each time it is entered */
    char off;         /* it is of not recording */
    char is_switched; /* set_grad_enabled() was called and is not entered yet */
} recorder;

static int push_mode(recorder *self)
{
    if (!self->before && !(self->before = PyList_New(0))) return -1;
    PyObject *before = switch_recording(!self->off);
    if (!before) return -1;
    int status = PyList_Append(self->before, before);
    if (status == 0) Py_DECREF(before);
    else restore_recording(before);
    return status;
}

static PyObject *recorder_enter(PyObject *object, PyObject *Py_UNUSED(none))
{
    recorder *self = (recorder *)object;
    if (!self->is_switched && push_mode(self) < 0) return NULL;
    self->is_switched = 0;
    return Py_NewRef(object);
}

static PyObject *recorder_exit(PyObject *object, PyObject *Py_UNUSED(exception))
{
    recorder *self = (recorder *)object;
    Py_ssize_t last = self->before ? PyList_Size(self->before) - 1 : -1;
    if (last < 0) {
        PyErr_SetString(PyExc_RuntimeError, "a context is left that was not entered");
        return NULL;
    }
    PyObject *before = Py_NewRef(PyList_GetItem(self->before, last));
    self->is_switched = 0;
    if (restore_recording(before) < 0) return NULL;
    if (PyList_SetSlice(self->before, last, last + 1, NULL) < 0) return NULL;
    Py_RETURN_NONE;
}

/* set_grad_enabled(mode): record or not, at once, before the context is entered. */
static int set_grad_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mode", NULL};
    recorder *self = (recorder *)object;
    int on;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "p:set_grad_enabled", names, &on))
        return -1;
    self->off = !on;
    if (!self->is_switched && push_mode(self) < 0) return -1;
    self->is_switched = 1;
    return 0;
}

/* What enable_grad() does, and not recording.py's. */
static int no_init(PyObject *Py_UNUSED(o), PyObject *Py_UNUSED(a), PyObject *Py_UNUSED(k))
{
    return 0;
}

static PyObject *get_set_mode(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!((recorder *)self)->off);
}

static void recorder_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(((recorder *)object)->before);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef recorder_methods[] = {
    {"__enter__", recorder_enter, METH_NOARGS, NULL},
    {"__exit__", recorder_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef set_grad_properties[] = {
    {"mode", get_set_mode, NULL, "Whether to record.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot enable_grad_slots[] = {
    {Py_tp_doc, "How enable_grad is entered and left."},
    {Py_tp_new, context_new},
    {Py_tp_init, no_init},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_methods, recorder_methods},
    {0, NULL},
};
static PyType_Slot set_grad_slots[] = {
    {Py_tp_doc, "How set_grad_enabled is called, entered and left."},
    {Py_tp_init, set_grad_init},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_methods, recorder_methods},
    {Py_tp_getset, set_grad_properties},
    {0, NULL},
};

enum { BASE_FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE };
static PyType_Spec enable_grad_specification = {
    "pymicrograd._types.EnableGrad", sizeof(recorder), 0, BASE_FLAGS, enable_grad_slots};
static PyType_Spec set_grad_specification = {
    "pymicrograd._types.SetGradEnabled", sizeof(recorder), 0, BASE_FLAGS, set_grad_slots};

/* ---- the module -------------------------------------------------------------------- */

/* keep_mode(variable, is_used): the context variable, which may hold something already. */
PyObject *keep_mode(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *variable;
    int is_used;
    if (!PyArg_ParseTuple(args, "Op:keep_mode", &variable, &is_used)) return NULL;
    PyObject *get = PyObject_GetAttrString(variable, "get");
    PyObject *set = get ? PyObject_GetAttrString(variable, "set") : NULL;
    if (!set) {
        Py_XDECREF(get);
        return NULL;
    }
    Py_XDECREF(get_mode);
    Py_XDECREF(set_mode);
    get_mode = get;
    set_mode = set;
    if (is_used) atomic_fetch_add_explicit(&silences, 1, memory_order_relaxed);
    Py_RETURN_NONE;
}

int add_recording_types(PyObject *module)
{
    static const struct {
        const char *name;
        PyType_Spec *specification;
    } types[] = {
        {"NoGrad", &no_grad_specification},
        {"EnableGrad", &enable_grad_specification},
        {"SetGradEnabled", &set_grad_specification},
    };
    if (!silence_type) silence_type = PyType_FromSpec(&silence_specification);
    if (!silence_type || PyModule_AddObjectRef(module, "Silence", silence_type) < 0)
        return -1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        PyObject *type = PyType_FromSpec(types[i].specification);
        int status = type ? PyModule_AddObjectRef(module, types[i].name, type) : -1;
        Py_XDECREF(type);
        if (status < 0) return -1;
    }
    return 0;
}
