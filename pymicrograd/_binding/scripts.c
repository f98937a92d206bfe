/* scripts.c: making and running programs of numbers, and loading programs, where that
 * takes so long that signals are heard meanwhile. */
#include "binding.h"

static const char SCRIPT[] = "pymicrograd.script";

static void drop_script(PyObject *owner)
{
    mg_script *script = PyCapsule_GetPointer(owner, SCRIPT);
    PyThreadState *state = release_gil(1);
    mg_script_free(script);
    acquire_gil(state, 1);
}

/* As program_result(). */
static PyObject *script_result(mg_node status, mg_script *const *made)
{
    if (status != MG_OK) return PyLong_FromLongLong(status);
    PyObject *owner = PyCapsule_New(*made, SCRIPT, drop_script);
    if (!owner) mg_script_free(*made);
    return owner;
}

/* _script_compile(loss, updates, count, flags, made): a status, or what owns the program. */
PyObject *value_script_compile(PyObject *Py_UNUSED(none), PyObject *args)
{
    long long loss, count;
    mg_number_update **updates;
    mg_script **made;
    int flags;
    if (!PyArg_ParseTuple(args, "LO&LiO&", &loss, read_memory, &updates, &count, &flags,
                          read_memory, &made))
        return NULL;
    long_call call;
    mg_node root = loss, status;
    long_open_graph(&call);
    do {
        long_begin(&call);
        status = mg_script_compile(arena, root, count, updates, flags, made);
    } while (long_end(&call, &status, &root, 1));
    if (PyErr_Occurred()) return NULL;
    return script_result(status, made);
}

/* _script_close(outputs, count, made): end a recording; the same. */
PyObject *value_script_close(PyObject *Py_UNUSED(none), PyObject *args)
{
    long long count;
    mg_node *outputs;
    mg_script **made;
    if (!PyArg_ParseTuple(args, "O&LO&", read_memory, &outputs, &count, read_memory, &made))
        return NULL;
    long_call call;
    mg_node status;
    long_open_graph(&call);
    do {
        long_begin(&call);
        status = mg_script_close(arena, count, outputs, 0, made);
    } while (long_end(&call, &status, NULL, 0));
    if (PyErr_Occurred()) return NULL;
    return script_result(status, made);
}

/* Make a program of a file, of arrays or of numbers; a status, or what owns it. */
static PyObject *file_load(PyObject *args, int is_of_arrays)
{
    const char *content;
    Py_ssize_t size;
    void *made;
    if (!PyArg_ParseTuple(args, "y#O&", &content, &size, read_memory, &made)) return NULL;
    long_call call;
    mg_node status;
    long_open(&call, 1, 1);
    do {
        long_begin(&call);
        status = is_of_arrays ? mg_program_load(arena, content, (size_t)size, made)
                              : mg_script_load(arena, content, (size_t)size, made);
    } while (long_end(&call, &status, NULL, 0));
    if (PyErr_Occurred()) return NULL;
    if (!is_of_arrays) return script_result(status, made);
    return program_result(status, made);
}

/* _script_load(content, made) */
PyObject *value_script_load(PyObject *Py_UNUSED(none), PyObject *args)
{
    return file_load(args, 0);
}

/* _program_load(content, made) */
PyObject *tensor_program_load(PyObject *Py_UNUSED(none), PyObject *args)
{
    return file_load(args, 1);
}

/* _script_backward(value, seed, budget): the first slice of a backward that is recorded; its
 * status. Where a signal's handler raises nothing it is made, and the recording is over. */
PyObject *value_script_backward(PyObject *Py_UNUSED(none), PyObject *args)
{
    long long handle, budget;
    double seed;
    if (!PyArg_ParseTuple(args, "LdL", &handle, &seed, &budget)) return NULL;
    long_call call;
    mg_node root = handle, status;
    long_open_graph(&call);
    do {
        long_begin(&call);
        status = mg_backward(arena, root, seed, budget);
    } while (long_end(&call, &status, &root, 1));
    if (PyErr_Occurred()) return NULL;
    return PyLong_FromLongLong(status);
}

/* _script_run(script, steps, budget, flags, done, losses): a status. Steps that were made
 * before a signal came count. */
PyObject *value_script_run(PyObject *Py_UNUSED(none), PyObject *args)
{
    mg_script *script;
    long long steps, budget;
    int64_t *total, done = 0;
    double *losses;
    int flags;
    if (!PyArg_ParseTuple(args, "O&LLiO&O&", read_memory, &script, &steps, &budget, &flags,
                          read_memory, &total, read_memory, &losses))
        return NULL;
    long_call call;
    mg_node status;
    long_open(&call, 1, 1);
    do {
        long_begin(&call);
        status = mg_script_run(script, steps - *total, budget, flags, &done,
                               losses + *total);
        *total += done;
    } while (long_end(&call, &status, NULL, 0));
    if (PyErr_Occurred()) return NULL;
    return PyLong_FromLongLong(status);
}
