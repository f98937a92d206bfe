/* training.c: what a step of training calls each time, given what programs mostly give:
 * the cross-entropy of a batch, backward from it, a step of Adam or SGD.
 *
 * Each function does the whole where all is plain and small, and otherwise nothing: then
 * Python's code beside it does it, or finds what is wrong with the arguments. Of 28 us
 * that a step of a network 2-8-3 took on 80 rows, that code was 13. */
#include "binding.h"

#include <string.h>

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

enum { MOST_NUMBERS = 5 };

/* The arrays of a step: for each parameter its node and those of its state. */
typedef struct step {
    Py_ssize_t count;
    int64_t elements;
    mg_node *nodes[3]; /* of parameters, and of state or NULL */
    int64_t *counts;   /* of the steps that each has made */
    double rule[MOST_NUMBERS];
} step;

static int read_rule(PyObject *rule, int count, double *numbers)
{
    if (!PyTuple_CheckExact(rule) || PyTuple_Size(rule) != count) return 0;
    for (int i = 0; i < count; i++) {
        PyObject *number = PyTuple_GetItem(rule, i);
        if (!PyFloat_CheckExact(number)) return 0;
        numbers[i] = PyFloat_AsDouble(number);
    }
    return 1;
}

/* Read (C array, its memory()) of as many elements as there are parameters. */
static int read_counts(PyObject *pair, Py_ssize_t count, void *counts)
{
    if (!PyTuple_CheckExact(pair) || PyTuple_Size(pair) != 2) return 0;
    if (PyObject_Size(PyTuple_GetItem(pair, 0)) != count) return 0;
    return read_memory(PyTuple_GetItem(pair, 1), counts) && *(void **)counts;
}

static int read_tensors(PyObject *tensors, step *s, mg_node *nodes)
{
    if (!PyTuple_CheckExact(tensors) || PyTuple_Size(tensors) != s->count) return 0;
    for (Py_ssize_t i = 0; i < s->count; i++) {
        PyObject *x = PyTuple_GetItem(tensors, i);
        if (Py_TYPE(x) != tensor_type) return 0;
        nodes[i] = tensor_handle(x);
        s->elements += count_bound((tensor *)x, LARGE);
    }
    return s->elements <= LARGE;
}

static int has_gradient(mg_node node)
{
    PyThreadState *state = release_gil(0);
    mg_node gradient = mg_gradient(arena, node);
    acquire_gil(state, 0);
    if (gradient <= 0) return 0;
    release_node(gradient);
    return 1;
}

/* Tell whether all parameters move, and all for the same time. */
static int move_together(const step *s)
{
    for (Py_ssize_t i = 0; i < s->count; i++)
        if (s->counts[i] != s->counts[0] || !has_gradient(s->nodes[0][i])) return 0;
    return s->count > 0;
}

/* Read (parameters, a state, another, counts, rule); a state may be None, and the rule
 * has so many numbers. 0: not plain, -1: an exception. */
static int open_step(step *s, PyObject *const *args, int numbers)
{
    *s = (step){.count = PyTuple_CheckExact(args[0]) ? PyTuple_Size(args[0]) : -1};
    if (s->count <= 0 || !read_rule(args[4], numbers, s->rule)) return 0;
    if (!read_counts(args[3], s->count, &s->counts)) return PyErr_Occurred() ? -1 : 0;
    mg_node *nodes = PyMem_Malloc(3 * (size_t)s->count * sizeof(mg_node));
    if (!nodes) return 0;
    s->nodes[0] = nodes;
    int plain = 1;
    for (int i = 0; plain && i < 3; i++) {
        if (i > 0 && args[i] == Py_None) continue;
        s->nodes[i] = nodes + i * s->count;
        plain = read_tensors(args[i], s, s->nodes[i]);
    }
    if (plain && move_together(s)) return 1;
    PyMem_Free(nodes);
    return 0;
}

/* Count a step that was made, with status; returns whether it was. */
static PyObject *close_step(const step *s, int status)
{
    if (status >= 0)
        for (Py_ssize_t i = 0; i < s->count; i++) s->counts[i]++;
    PyMem_Free(s->nodes[0]);
    return PyBool_FromLong(status >= 0);
}

/* Tell whether all buffers have made a first step, 1, or none; -1: some have. */
static int have_begun(const unsigned char *begun, Py_ssize_t count)
{
    for (Py_ssize_t i = 1; i < count; i++)
        if (begun[i] != begun[0]) return -1;
    return begun[0] != 0;
}

/* _sgd(parameters, buffers or None, None, steps, (lr, momentum, dampening, weight_decay),
 * begun, nesterov): make a step and count it; False: tensors.py has to look. */
PyObject *tensor_sgd(PyObject *Py_UNUSED(none), PyObject *const *args, Py_ssize_t count)
{
    step s;
    unsigned char *begun = NULL;
    int opened = count == 7 ? open_step(&s, args, 4) : 0;
    if (opened <= 0) return opened < 0 ? NULL : Py_NewRef(Py_False);
    int status = MG_ERR_ARG, nesterov = args[6] == Py_True;
    int old = read_counts(args[5], s.count, &begun) ? have_begun(begun, s.count) : -1;
    const double *r = s.rule;
    if (old >= 0 && (r[1] != 0.0) == (s.nodes[1] != NULL)) {
        PyThreadState *state = release_gil(0);
        status = mg_array_sgd(arena, s.count, s.nodes[0], s.nodes[1], !old, r[0], r[1],
                              r[2], r[3], nesterov);
        acquire_gil(state, 0);
    }
    if (status >= 0 && s.nodes[1]) memset(begun, 1, (size_t)s.count);
    PyObject *done = close_step(&s, status);
    if (!PyErr_Occurred()) return done;
    Py_DECREF(done);
    return NULL;
}

/* _adam(parameters, m, v, steps, (lr, beta1, beta2, eps, weight_decay), decoupled): make
 * a step and count it; False: tensors.py has to look. */
PyObject *tensor_adam(PyObject *Py_UNUSED(none), PyObject *const *args, Py_ssize_t count)
{
    step s;
    int opened = count == 6 ? open_step(&s, args, 5) : 0;
    if (opened <= 0) return opened < 0 ? NULL : Py_NewRef(Py_False);
    int status = MG_ERR_ARG, decoupled = args[5] == Py_True;
    const double *r = s.rule;
    if (s.nodes[1] && s.nodes[2] && (decoupled || args[5] == Py_False)) {
        PyThreadState *state = release_gil(0);
        status = mg_array_adam(arena, s.count, s.nodes[0], s.nodes[1], s.nodes[2],
                               s.counts[0] + 1, r[0], r[1], r[2], r[3], r[4], decoupled);
        acquire_gil(state, 0);
    }
    return close_step(&s, status);
}
