/* training.c: what a step of training calls each time, given what programs mostly give:
 * the cross-entropy of a batch, backward from it, a step of Adam or SGD.
 *
 * Each function does the whole where all is plain and small, and otherwise nothing: then
 * Python's code beside it does it, or finds what is wrong with the arguments. Of 28 us
 * that a step of a network 2-8-3 took on 80 rows, that code was 13. */
#include "binding.h"


/* ---- cross-entropy ----------------------------------------------------------------- */

/* Read "mean" or "sum"; "none" has a shape to restore. */
static int read_reduction(PyObject *name, int64_t *reduction)
{
    if (!PyUnicode_CheckExact(name)) return 0;
    int is_mean = PyUnicode_CompareWithASCIIString(name, "mean") == 0;
    *reduction = is_mean ? MG_REDUCE_MEAN : MG_REDUCE_SUM;
    return is_mean || PyUnicode_CompareWithASCIIString(name, "sum") == 0;
}

static int read_int64(PyObject *x, int64_t *integer)
{
    int overflow = 0;
    if (!PyLong_CheckExact(x)) return 0;
    *integer = PyLong_AsLongLongAndOverflow(x, &overflow);
    return !overflow;
}

static int read_smoothing(PyObject *x, double *part)
{
    if (!PyFloat_CheckExact(x)) return 0;
    *part = PyFloat_AsDouble(x);
    return *part >= 0.0 && *part <= 1.0;
}

/* Tell whether these are logits (N, C) and N classes, not many. */
static int are_batch(PyObject *logits, PyObject *classes)
{
    mg_array_info x, target;
    if (Py_TYPE(logits) != tensor_type || Py_TYPE(classes) != tensor_type) return 0;
    if (describe(tensor_handle(logits), &x) < 0) return 0;
    if (describe(tensor_handle(classes), &target) < 0) return 0;
    return x.rank == 2 && x.dtype <= MG_BFLOAT16 && x.count <= LARGE && target.rank == 1 &&
           target.dtype == MG_INT64 && target.shape[0] == x.shape[0];
}

/* _cross_entropy(logits, classes, reduction, ignore_index, label_smoothing): the loss;
 * None: losses.py has to look. */
PyObject *tensor_cross_entropy(PyObject *Py_UNUSED(none), PyObject *const *args,
                               Py_ssize_t count)
{
    int64_t integers[2];
    double smoothing;
    int plain = count == 5 && read_reduction(args[2], &integers[0]) &&
                read_int64(args[3], &integers[1]) &&
                read_smoothing(args[4], &smoothing) && are_batch(args[0], args[1]);
    if (!plain) Py_RETURN_NONE;
    int record = is_recording();
    if (record < 0) return NULL;
    mg_node operands[] = {tensor_handle(args[0]), tensor_handle(args[1])};
    PyThreadState *state = release_gil(0);
    mg_node made = mg_apply(arena, MG_CROSS_ENTROPY, 2, operands, 2, integers, 1,
                            &smoothing, 0, record);
    acquire_gil(state, 0);
    if (made <= 0) Py_RETURN_NONE;
    return adopt(made, 1);
}

/* ---- optimizers -------------------------------------------------------------------- */

/* What Python says of an update of updates.def: its number, where the options of a group
 * have its numbers, and how many arrays and scalars are remembered of a parameter. */
typedef struct update_plan {
    long update, arrays, scalars;
    PyObject *names; /* of (key, -1), or (key, i) where item i of a tuple is meant */
} update_plan;

/* The groups of a step, of which Python has each as (parameters, arrays, steps, scalars)
 * and a dict of options: arrays has a tuple like parameters for each array, or None;
 * steps and scalars are a C array with its memory(), scalars with those of one name behind
 * each other. */
typedef struct step {
    mg_update_group *groups;
    double *numbers; /* of the next group */
    mg_node *nodes;
    int64_t elements;
} step;

/* The readers below return 1, 0 where Python has to look, -1 with an exception. */

static int read_plan(PyObject *tuple, update_plan *plan)
{
    if (!PyTuple_CheckExact(tuple) || PyTuple_Size(tuple) != 4) return 0;
    plan->update = PyLong_AsLong(PyTuple_GetItem(tuple, 0));
    plan->names = PyTuple_GetItem(tuple, 1);
    plan->arrays = PyLong_AsLong(PyTuple_GetItem(tuple, 2));
    plan->scalars = PyLong_AsLong(PyTuple_GetItem(tuple, 3));
    return PyTuple_CheckExact(plan->names);
}

static int read_number(PyObject *options, PyObject *name, double *number)
{
    Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GetItem(name, 1));
    PyObject *x = PyObject_GetItem(options, PyTuple_GetItem(name, 0)), *item = x;
    if (!x) return -1;
    if (place >= 0) {
        int has_item = PyTuple_CheckExact(x) && place < PyTuple_Size(x);
        item = has_item ? PyTuple_GetItem(x, place) : Py_None;
    }
    int is_float = PyFloat_CheckExact(item), is_bool = PyBool_Check(item);
    if (is_float) *number = PyFloat_AsDouble(item);
    if (is_bool) *number = item == Py_True;
    Py_DECREF(x);
    return is_float || is_bool;
}

/* Read (C array, its memory()) of `count` numbers, each of 8 bytes. */
static int read_counted(PyObject *pair, Py_ssize_t count, void *numbers)
{
    if (!PyTuple_CheckExact(pair) || PyTuple_Size(pair) != 2) return 0;
    Py_ssize_t size = PyObject_Size(PyTuple_GetItem(pair, 0));
    if (size < 0 || !read_memory(PyTuple_GetItem(pair, 1), numbers)) return -1;
    return size == count && *(void **)numbers;
}

static int read_tensors(PyObject *tensors, Py_ssize_t count, step *s)
{
    if (!PyTuple_CheckExact(tensors) || PyTuple_Size(tensors) != count) return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *x = PyTuple_GetItem(tensors, i);
        if (!is_tensor(x)) return 0;
        *s->nodes++ = tensor_handle(x);
        if (s->elements > LARGE) continue;
        int64_t elements = count_bound((tensor *)x, LARGE);
        if (elements < 0) return -1;
        s->elements += elements;
    }
    return 1;
}

/* Return the number of parameters of a group; -1: Python has to look. */
static Py_ssize_t parameters_of(PyObject *held)
{
    if (!PyTuple_CheckExact(held) || PyTuple_Size(held) != 4) return -1;
    PyObject *parameters = PyTuple_GetItem(held, 0);
    return PyTuple_CheckExact(parameters) ? PyTuple_Size(parameters) : -1;
}

static int read_arrays(PyObject *arrays, const update_plan *plan, Py_ssize_t count,
                       step *s)
{
    if (!PyTuple_CheckExact(arrays) || PyTuple_Size(arrays) != plan->arrays) return 0;
    for (Py_ssize_t k = 0; k < plan->arrays; k++) {
        PyObject *tensors = PyTuple_GetItem(arrays, k);
        if (tensors != Py_None) {
            int is_read = read_tensors(tensors, count, s);
            if (is_read <= 0) return is_read;
        } else {
            for (Py_ssize_t i = 0; i < count; i++) *s->nodes++ = 0;
        }
    }
    return 1;
}

static int read_group(PyObject *held, PyObject *options, const update_plan *plan, step *s,
                      mg_update_group *group)
{
    Py_ssize_t count = parameters_of(held);
    int is_read = 1;
    group->count = count;
    group->parameters = s->nodes;
    group->numbers = s->numbers;
    for (Py_ssize_t i = 0; is_read > 0 && i < PyTuple_Size(plan->names); i++)
        is_read = read_number(options, PyTuple_GetItem(plan->names, i), s->numbers++);
    if (is_read > 0) is_read = read_tensors(PyTuple_GetItem(held, 0), count, s);
    group->arrays = s->nodes;
    if (is_read > 0) is_read = read_arrays(PyTuple_GetItem(held, 1), plan, count, s);
    if (is_read > 0)
        is_read = read_counted(PyTuple_GetItem(held, 2), count, &group->steps);
    if (is_read > 0 && plan->scalars)
        is_read = read_counted(PyTuple_GetItem(held, 3), plan->scalars * count,
                               &group->scalars);
    return is_read;
}

/* Make room for the groups; 0 as for a reader. */
static int open_step(PyObject *const *args, Py_ssize_t groups, const update_plan *plan,
                     step *s)
{
    size_t nodes = 0, numbers = (size_t)groups * (size_t)PyTuple_Size(plan->names);
    for (Py_ssize_t g = 0; g < groups; g++) {
        Py_ssize_t count = parameters_of(args[2 * g]);
        if (count < 0) return 0;
        nodes += (size_t)count * (size_t)(1 + plan->arrays);
    }
    s->elements = 0;
    s->groups = PyMem_Calloc(1, (size_t)groups * sizeof *s->groups +
                                    numbers * sizeof(double) + nodes * sizeof(mg_node));
    if (!s->groups) {
        PyErr_NoMemory();
        return -1;
    }
    s->numbers = (double *)(s->groups + groups);
    s->nodes = (mg_node *)(s->numbers + numbers);
    return 1;
}

/* Make a step that was read. It may have to wait for another thread, and then hears
 * signals; once begun it is done whole. */
static mg_node step_make(mg_program *program, int64_t which, const update_plan *plan,
                         Py_ssize_t groups, const step *s)
{
    mg_node status;
    long_call call;
    long_open(&call, s->elements > LARGE, 0);
    do {
        long_begin(&call);
        status = program ? mg_program_update(program, which, groups, s->groups)
                         : mg_array_update(arena, (int)plan->update, groups, s->groups);
    } while (long_end(&call, &status, NULL, 0));
    return status;
}

/* Make a step, or give one to update number `which` of a program, of what stands in args:
 * plan, group, options, group, options, ... Returns its status, or None. */
static PyObject *update_by(mg_program *program, int64_t which, PyObject *const *args,
                           Py_ssize_t count)
{
    update_plan plan;
    step s;
    Py_ssize_t groups = (count - 1) / 2;
    int is_read = count > 0 ? read_plan(args[0], &plan) : 0;
    if (is_read > 0) is_read = open_step(args + 1, groups, &plan, &s);
    if (is_read <= 0) return is_read < 0 ? NULL : Py_NewRef(Py_None);
    for (Py_ssize_t g = 0; is_read > 0 && g < groups; g++)
        is_read = read_group(args[1 + 2 * g], args[2 + 2 * g], &plan, &s, &s.groups[g]);
    const mg_node status =
        is_read > 0 ? step_make(program, which, &plan, groups, &s) : MG_OK;
    PyMem_Free(s.groups);
    if (is_read <= 0) return is_read < 0 ? NULL : Py_NewRef(Py_None);
    return PyErr_Occurred() ? NULL : PyLong_FromLongLong(status);
}

/* _update(plan, group, options, group, options, ...): make a step and count it. Returns
 * its status; None: tensors.py has to look. */
PyObject *tensor_update(PyObject *Py_UNUSED(none), PyObject *const *args,
                        Py_ssize_t count)
{
    return update_by(NULL, 0, args, count);
}

/* _program_update(program, which, plan, group, options, ...): let the program make its
 * update `which` of this. */
PyObject *tensor_program_update(PyObject *Py_UNUSED(none), PyObject *const *args,
                                Py_ssize_t count)
{
    mg_program *program = NULL;
    if (count < 3 || !read_memory(args[0], &program) || !program) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "there is no program");
        return NULL;
    }
    return update_by(program, PyLong_AsLongLong(args[1]), args + 2, count - 2);
}
