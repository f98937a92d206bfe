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

/* What Python's callback gets of a sweep, until it returns. */
static const char SWEEP[] = "pymicrograd.sweep", OVER[] = "pymicrograd.sweep that is over";

/* Let Python do what a sweep stopped for: recorded if gradients are. The mode is changed
 * here, and the node an object from the start, so that no Ctrl-C falls in between. */
static int call_stop(mg_sweep *sweep, int status, int flags)
{
    PyThreadState *state = release_gil(0);
    mg_node at = mg_sweep_node(sweep);
    acquire_gil(state, 0);
    if (at < 0) {
        fail_call(at, "backward", NULL);
        return -1;
    }
    PyObject *none = NULL, *node = adopt(at, -1);
    PyObject *capsule = node ? PyCapsule_New(sweep, SWEEP, NULL) : NULL;
    PyObject *mode = capsule ? switch_recording((flags & MG_CREATE_GRAPH) != 0) : NULL;
    if (mode) {
        none = PyObject_CallFunction(tensor_callbacks.on_sweep_stop, "iOOi", status,
                                     capsule, node, flags);
        if (restore_recording(mode) < 0) Py_CLEAR(none);
    }
    if (capsule) PyCapsule_SetName(capsule, OVER);
    Py_XDECREF(capsule);
    Py_XDECREF(node);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static mg_sweep *sweep_of(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, SWEEP);
}

/* _sweep_gradient(sweep, handle): the gradient of a node so far; None: none, or no such
 * node. */
PyObject *tensor_sweep_gradient(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *capsule;
    long long handle;
    if (!PyArg_ParseTuple(args, "OL", &capsule, &handle)) return NULL;
    mg_sweep *sweep = sweep_of(capsule);
    if (!sweep) return NULL;
    PyThreadState *state = release_gil(0);
    mg_node found = mg_sweep_gradient(sweep, handle);
    acquire_gil(state, 0);
    if (found == 0 || found == MG_ERR_STALE) Py_RETURN_NONE;
    return tensor_result(found, "backward");
}

static PyObject *sweep_status(int status, const char *what)
{
    if (status < 0) return fail_call(status, what, NULL);
    Py_RETURN_NONE;
}

/* _sweep_replace(sweep, gradient): of the node that the sweep stopped at. */
PyObject *tensor_sweep_replace(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *capsule, *gradient;
    if (!PyArg_ParseTuple(args, "OO!", &capsule, tensor_base, &gradient)) return NULL;
    mg_sweep *sweep = sweep_of(capsule);
    if (!sweep) return NULL;
    PyThreadState *state = release_gil(0);
    int status = mg_sweep_replace(sweep, tensor_handle(gradient));
    acquire_gil(state, 0);
    return sweep_status(status, "a hook's gradient");
}

/* _sweep_contribute(sweep, which, gradient): of an operand of the function at which the
 * sweep stopped. */
PyObject *tensor_sweep_contribute(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *capsule, *gradient;
    int which;
    if (!PyArg_ParseTuple(args, "OiO!", &capsule, &which, tensor_base, &gradient))
        return NULL;
    mg_sweep *sweep = sweep_of(capsule);
    if (!sweep) return NULL;
    PyThreadState *state = release_gil(0);
    int status = mg_sweep_contribute(sweep, which, tensor_handle(gradient));
    acquire_gil(state, 0);
    return sweep_status(status, "a Function's gradient");
}

/* Run a sweep to its end, Ctrl-C and what Python must do included; 0, or -1 with an
 * exception. */
static int run_sweep(mg_sweep *sweep, PyObject *roots, int flags)
{
    const int is_long = mg_sweep_elements(sweep) > LONG / 4;
    for (int given_up = 0, waits = 0;;) { /* as a long_call, slice by slice */
        int listens = !given_up && (is_long || waits || may_wait());
        PyObject *before = listens ? listen_for_signals() : NULL;
        mg_work_hurry(!waits && !given_up);
        PyThreadState *state = release_gil(1);
        int status = mg_sweep_run(sweep, SWEEP_BUDGET);
        acquire_gil(state, 1);
        mg_work_hurry(0);
        given_up = stop_listening(before) && !mg_arena_lasts(arena);
        waits = status == MG_MORE && !waits && !given_up;
        if (status == MG_OK) return 0;
        if (status < 0) return fail_sweep(status, sweep, roots);
        if (PyErr_CheckSignals() < 0) return -1;
        if (status == MG_MORE) continue;
        if (call_stop(sweep, status, flags) < 0) return -1;
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
    long_call call;
    mg_node status;
    long_open(&call, 0, 0);
    do {
        long_begin(&call);
        status = mg_sweep_open(arena, root_count, root, seed, input_count, input, flags,
                               &sweep);
    } while (long_end(&call, &status, NULL, 0));
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
    PyThreadState *state = release_gil(0);
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

/* _backward_plainly(): add the gradients of a recorded Tensor of one element to its
 * leaves, its own being 1; False: tensors/sweeps.py has to look. */
PyObject *tensor_sweep_plainly(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_array_info info;
    if (Py_TYPE(self) != tensor_type) Py_RETURN_FALSE;
    mg_node root = tensor_handle(self), seed = 0;
    if (describe_heard(root, &info) == MG_ERR_INTERRUPTED) return NULL;
    if (describe(root, &info) < 0 || info.count != 1 || !info.requires_grad)
        Py_RETURN_FALSE;
    PyObject *roots = PyTuple_Pack(1, self);
    if (!roots) return NULL;
    PyObject *none = sweep_result(roots, &root, 1, &seed, &seed, 0, MG_ACCUMULATE);
    Py_DECREF(roots);
    Py_XDECREF(none);
    return none ? Py_NewRef(Py_True) : NULL;
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
