/* sweeps.c: gradients of Tensors: backward, grad, and what is attached to nodes. */
#include "binding.h"

enum { SWEEP_BUDGET = 1 << 22 }; /* elements between two looks at Ctrl-C: a few ms */

/* ---- gradients --------------------------------------------------------------------- */

/* Read a tuple of Tensors and Nones (0) into new memory. */
static mg_node *handles_of(PyObject *tuple, Py_ssize_t *count)
{
    *count = PyTuple_Size(tuple);
    if (*count < 0) return NULL;
    mg_node *handles = PyMem_Malloc((size_t)(*count + 1) * sizeof(mg_node));
    if (!handles) return (mg_node *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < *count; i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        handles[i] = is_tensor(item) ? tensor_handle(item) : 0;
    }
    return handles;
}

/* Raise the exception of a sweep that failed: about the node where a value was changed,
 * else about the roots. */
static int fail_sweep(int status, mg_sweep *sweep, PyObject *roots)
{
    PyObject *what = PyUnicode_FromString("backward");
    if (status != MG_ERR_CHANGED) {
        if (what) tensor_fail(status, what, roots, NULL);
        Py_XDECREF(what);
        return -1;
    }
    PyThreadState *state = release_gil(0);
    mg_node at = mg_sweep_node(sweep);
    acquire_gil(state, 0);
    PyObject *node = at > 0 ? adopt(at, -1) : NULL;
    fail_named(status, what, node, NULL);
    Py_XDECREF(node);
    return -1;
}

/* Run a sweep to its end, Ctrl-C and what Python must do included; 0, or -1 with an
 * exception. */
static int run_sweep(mg_sweep *sweep, PyObject *roots, int flags)
{
    for (;;) {
        PyThreadState *state = release_gil(1);
        int status = mg_sweep_run(sweep, SWEEP_BUDGET);
        acquire_gil(state, 1);
        if (status == MG_OK) return 0;
        if (status < 0) return fail_sweep(status, sweep, roots);
        if (PyErr_CheckSignals() < 0) return -1;
        if (status == MG_MORE) continue;
        PyObject *none = PyObject_CallFunction(
            tensor_callbacks.on_sweep_stop, "iKi", status,
            (unsigned long long)(uintptr_t)sweep, flags);
        Py_XDECREF(none);
        if (!none) return -1;
    }
}

/* Make a tuple of the gradients of the inputs, None for those not reached. */
static PyObject *give_gradients(mg_sweep *sweep, mg_node *out, Py_ssize_t count)
{
    PyThreadState *state = release_gil(0);
    int status = mg_sweep_give(sweep, out);
    acquire_gil(state, 0);
    if (status < 0) return fail_call(status, "grad", NULL);
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *made = !tuple       ? NULL
                         : out[i] > 0 ? adopt(out[i], -1)
                                      : Py_NewRef(Py_None);
        if (made) PyTuple_SetItem(tuple, i, made);
        else if (!tuple) release_node(out[i]);
        else Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *sweep_result(PyObject *roots, const mg_node *root, Py_ssize_t root_count,
                              const mg_node *seed, mg_node *input, Py_ssize_t input_count,
                              int flags)
{
    mg_sweep *sweep = NULL;
    PyThreadState *state = release_gil(0);
    int status =
        mg_sweep_open(arena, root_count, root, seed, input_count, input, flags, &sweep);
    acquire_gil(state, 0);
    if (status < 0) {
        PyObject *what = PyUnicode_FromString("backward");
        if (what) tensor_fail(status, what, roots, NULL);
        Py_XDECREF(what);
        return NULL;
    }
    PyObject *result = NULL;
    if (run_sweep(sweep, roots, flags) == 0)
        result = flags & MG_GIVE ? give_gradients(sweep, input, input_count)
                                 : Py_NewRef(Py_None);
    state = release_gil(0);
    mg_sweep_close(sweep);
    acquire_gil(state, 0);
    release_lent();
    return result;
}

/* _sweep(roots, seeds, inputs, flags): tuples of Tensors, and None for a seed of ones. */
PyObject *tensor_sweep(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *roots, *seeds, *inputs;
    int flags;
    if (!PyArg_ParseTuple(args, "O!O!O!i", &PyTuple_Type, &roots, &PyTuple_Type, &seeds,
                          &PyTuple_Type, &inputs, &flags))
        return NULL;
    Py_ssize_t root_count, seed_count, input_count;
    mg_node *root = handles_of(roots, &root_count);
    mg_node *seed = root ? handles_of(seeds, &seed_count) : NULL;
    mg_node *input = seed ? handles_of(inputs, &input_count) : NULL;
    PyObject *result = NULL;
    if (input && root_count == seed_count)
        result = sweep_result(roots, root, root_count, seed, input, input_count, flags);
    else if (input)
        PyErr_SetString(PyExc_ValueError, "a sweep has a seed for each root");
    PyMem_Free(root);
    PyMem_Free(seed);
    PyMem_Free(input);
    return result;
}

/* _attach(object): keep an object with the node, hooks or a context; None: no longer. */
PyObject *tensor_attach(PyObject *self, PyObject *object)
{
    int status = mg_attach(arena, tensor_handle(self), object == Py_None ? NULL : object);
    if (status < 0) return fail_call(status, "attach", self);
    ((tensor *)self)->flags &= ~HOOKED;
    if (object != Py_None) {
        lend(object);
        ((tensor *)self)->flags |= HOOKED;
    }
    release_lent();
    Py_RETURN_NONE;
}

/* _attached(): what _attach() left, or None. */
PyObject *tensor_attached(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *object = mg_attached(arena, tensor_handle(self));
    return Py_NewRef(object ? object : Py_None);
}
