/* programs.c: running programs: their arrays are looked up, and signals heard, as in every
 * other call. */
#include "binding.h"

/* Read what a method gets first: the program, as memory() has it. */
static mg_program *program_of(PyObject *x)
{
    mg_program *program = NULL;
    if (!read_memory(x, &program)) return NULL;
    if (!program) PyErr_SetString(PyExc_TypeError, "there is no program");
    return program;
}

/* Let a program have Tensors, or nodes where ints stand. Returns a status. */
static int bind(mg_program *program, PyObject *tensors)
{
    mg_node few[64], *nodes = few;
    Py_ssize_t count = PyTuple_Size(tensors);
    if (count > 64) nodes = PyMem_Malloc((size_t)count * sizeof *nodes);
    if (!nodes) return MG_ERR_NOMEM;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *x = PyTuple_GetItem(tensors, i);
        nodes[i] = is_tensor(x) ? tensor_handle(x) : PyLong_AsLongLong(x);
    }
    PyThreadState *state = release_gil(0);
    int status = mg_program_bind(program, count, nodes);
    acquire_gil(state, 0);
    if (nodes != few) PyMem_Free(nodes);
    release_lent();
    return status;
}

/* Run a program, or a plan of batches; *total gets the runs that were done. */
static int run(mg_program *program, mg_fit *plan, int64_t runs, int is_long, int64_t *total)
{
    long_call call;
    mg_node status;
    int64_t done = 0;
    *total = 0;
    long_open(&call, is_long, is_long);
    do {
        long_begin(&call);
        status = plan ? mg_program_fit(program, plan, &done)
                      : mg_program_run(program, runs - *total, &done);
        *total += done;
        if (plan) {
            plan->steps -= done;
            plan->first += done * plan->rows;
            if (plan->order) plan->order += done * plan->rows;
            if (plan->losses) plan->losses += done;
        }
    } while (long_end(&call, &status, NULL, 0));
    release_lent();
    return (int)status;
}

/* _program_run(program, runs, long): (status, runs done). */
PyObject *tensor_program_run(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *memory;
    long long runs;
    int is_long;
    int64_t done;
    if (!PyArg_ParseTuple(args, "OLp", &memory, &runs, &is_long)) return NULL;
    mg_program *program = program_of(memory);
    if (!program) return NULL;
    int status = run(program, NULL, runs, is_long, &done);
    return PyErr_Occurred() ? NULL : Py_BuildValue("iL", status, (long long)done);
}

static const char PROGRAM[] = "pymicrograd.program";

static void drop_program(PyObject *owner)
{
    mg_program *program = PyCapsule_GetPointer(owner, PROGRAM);
    PyThreadState *state = release_gil(1);
    mg_program_free(program);
    acquire_gil(state, 1);
}

/* Return a status, or of a program what frees it when it is dropped: the interpreter may
 * raise for a signal as soon as a call returns. */
PyObject *program_result(mg_node status, mg_program *const *made)
{
    if (status != MG_OK) return PyLong_FromLongLong(status);
    PyObject *owner = PyCapsule_New(*made, PROGRAM, drop_program);
    if (!owner) mg_program_free(*made);
    return owner;
}

/* _record_close(inputs, count, outputs, count, made): end a recording; a status, or what owns
 * the program. A signal may end it without a program, also where its handler raises nothing. */
PyObject *tensor_record_close(PyObject *Py_UNUSED(none), PyObject *args)
{
    long long input_count, output_count;
    mg_node *inputs, *outputs;
    mg_program **made;
    if (!PyArg_ParseTuple(args, "O&LO&LO&", read_memory, &inputs, &input_count, read_memory,
                          &outputs, &output_count, read_memory, &made))
        return NULL;
    long_call call;
    mg_node status;
    long_open(&call, 1, 1);
    long_begin(&call);
    status = mg_record_close(arena, input_count, inputs, output_count, outputs, made);
    long_end(&call, &status, NULL, 0);
    if (PyErr_Occurred()) return NULL;
    return program_result(status, made);
}

/* _program_fit(program, plan, long): (status, steps done). */
PyObject *tensor_program_fit(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *memory;
    mg_fit *plan;
    int is_long;
    int64_t done;
    if (!PyArg_ParseTuple(args, "OO&p", &memory, read_memory, &plan, &is_long)) return NULL;
    mg_program *program = program_of(memory);
    if (!program || !plan) return NULL;
    int status = run(program, plan, 0, is_long, &done);
    return PyErr_Occurred() ? NULL : Py_BuildValue("iL", status, (long long)done);
}

/* _program_bind(program, tensors): the status of having other arrays. */
PyObject *tensor_program_bind(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *memory, *tensors;
    if (!PyArg_ParseTuple(args, "OO!", &memory, &PyTuple_Type, &tensors)) return NULL;
    mg_program *program = program_of(memory);
    if (!program) return NULL;
    int status = bind(program, tensors);
    return PyErr_Occurred() ? NULL : PyLong_FromLong(status);
}

/* Return the outputs of the last run, a tuple. */
static PyObject *outputs_of(mg_program *program, Py_ssize_t count)
{
    PyObject *outputs = PyTuple_New(count);
    for (Py_ssize_t i = 0; outputs && i < count; i++) {
        PyThreadState *state = release_gil(0);
        mg_node shown = mg_program_output(program, i);
        acquire_gil(state, 0);
        PyObject *made = tensor_result(shown, "program");
        if (made) PyTuple_SetItem(outputs, i, made);
        else Py_CLEAR(outputs);
    }
    return outputs;
}

/* _program_call(program, tensors, outputs, long): run once with these arrays; returns a
 * tuple of so many outputs, or a status. */
PyObject *tensor_program_call(PyObject *Py_UNUSED(none), PyObject *const *args,
                              Py_ssize_t count)
{
    mg_program *program = count == 4 ? program_of(args[0]) : NULL;
    int64_t done;
    if (!program || !PyTuple_CheckExact(args[1])) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a program and a tuple");
        return NULL;
    }
    int status = bind(program, args[1]);
    if (status == MG_OK) status = run(program, NULL, 1, args[3] == Py_True, &done);
    if (PyErr_Occurred()) return NULL;
    if (status != MG_OK) return PyLong_FromLong(status);
    return outputs_of(program, PyLong_AsSsize_t(args[2]));
}

/* _program_key(): type, shape, strides, and whether it requires a gradient; None of a
 * result that is recorded. */
PyObject *tensor_program_key(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_array_info info;
    int64_t key[2 + 2 * MG_MAX_RANK];
    if (tensor_describe(self, &info) < 0) return NULL;
    if (info.operands) Py_RETURN_NONE;
    key[0] = info.dtype * 2 + info.requires_grad;
    key[1] = info.rank;
    for (int d = 0; d < info.rank; d++) {
        key[2 + d] = info.shape[d];
        key[2 + info.rank + d] = info.strides[d];
    }
    const Py_ssize_t count = 2 + 2 * info.rank;
    return PyBytes_FromStringAndSize((const char *)key, count * (Py_ssize_t)sizeof *key);
}

/* Tell whether a variable holds what it held, None: there was none; of no name, whether there
 * are as many as there were. -1: an exception. */
static int is_same(PyObject *variables, PyObject *name, PyObject *last)
{
    if (name == Py_None) return PyDict_Size(variables) == PyLong_AsSsize_t(last);
    PyObject *now = PyDict_GetItemWithError(variables, name);
    if (!now && PyErr_Occurred()) return -1;
    return (now ? now : Py_None) == last;
}

/* The same of many: names is (dict, name, dict, name, ...), last what they held; then come
 * cells and theirs. */
static int are_same(PyObject *names, PyObject *cells, PyObject *last)
{
    Py_ssize_t count = PyTuple_Size(names) / 2, cell_count = PyTuple_Size(cells);
    if (PyTuple_Size(last) != count + cell_count) return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        int same = is_same(PyTuple_GetItem(names, 2 * i), PyTuple_GetItem(names, 2 * i + 1),
                           PyTuple_GetItem(last, i));
        if (same <= 0) return same;
    }
    for (Py_ssize_t i = 0; i < cell_count; i++) {
        PyObject *now =
            PyObject_GetAttrString(PyTuple_GetItem(cells, i), "cell_contents");
        if (!now) return -1;
        Py_DECREF(now);
        if (now != PyTuple_GetItem(last, count + i)) return 0;
    }
    return 1;
}

/* Put arguments where `used` has their numbers, and Tensors and nodes where it has these;
 * NULL without an exception where an argument is no Tensor. */
static PyObject *used_with(PyObject *used, PyObject *args)
{
    Py_ssize_t count = PyTuple_Size(used);
    PyObject *tensors = PyTuple_New(count);
    for (Py_ssize_t i = 0; tensors && i < count; i++) {
        PyObject *x = PyTuple_GetItem(used, i);
        long long number = is_tensor(x) ? 0 : PyLong_AsLongLong(x);
        if (number < 0) x = PyTuple_GetItem(args, (Py_ssize_t)(-1 - number));
        if (!x || (number < 0 && !is_tensor(x))) Py_CLEAR(tensors);
        else PyTuple_SetItem(tensors, i, Py_NewRef(x));
    }
    return tensors;
}

/* _program_again(program, used, names, cells, last, records, args): let a program have the
 * arguments of a call that is like the last one. used: Tensors, nodes, and -1 - number of
 * an argument. Returns whether it is. */
PyObject *tensor_program_again(PyObject *Py_UNUSED(none), PyObject *const *args,
                               Py_ssize_t count)
{
    mg_program *program = count == 7 ? program_of(args[0]) : NULL;
    if (!program) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "seven arguments");
        return NULL;
    }
    int records = is_recording();
    int same = records < 0 ? -1 : (args[5] == Py_True) == records;
    if (same > 0) same = are_same(args[2], args[3], args[4]);
    if (same <= 0) return same < 0 ? NULL : Py_NewRef(Py_False);
    PyObject *tensors = used_with(args[1], args[6]);
    if (!tensors) return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
    int status = bind(program, tensors);
    Py_DECREF(tensors);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(status == MG_OK);
}

/* _program_go(program, outputs, long): run once; returns the output, where there is one,
 * or a tuple of them, or a status. */
PyObject *tensor_program_go(PyObject *Py_UNUSED(none), PyObject *const *args,
                            Py_ssize_t count)
{
    mg_program *program = count == 3 ? program_of(args[0]) : NULL;
    int64_t done;
    if (!program) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "three arguments");
        return NULL;
    }
    Py_ssize_t outputs = PyLong_AsSsize_t(args[1]);
    int status = run(program, NULL, 1, args[2] == Py_True, &done);
    if (PyErr_Occurred()) return NULL;
    if (status != MG_OK) return PyLong_FromLong(status);
    if (outputs != 1) return outputs_of(program, outputs);
    PyThreadState *state = release_gil(0);
    mg_node shown = mg_program_output(program, 0);
    acquire_gil(state, 0);
    return tensor_result(shown, "program");
}
