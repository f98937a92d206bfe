/* networks.c: networks and losses called on lists of Values, from Python's objects and
 * back.
 *
 * Only the plain case is here: exact lists or tuples, rows of equal length, Values and
 * floats. For everything else, errors in the arguments included, the functions return
 * NotImplemented, and Python finds out what it is. */
#include "binding.h"

/* ---- lists and tuples -------------------------------------------------------------- */

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

/* The rows of an argument: rows of items, or one row of items. */
typedef struct table {
    PyObject *x;
    int batch;
    Py_ssize_t rows, columns;
} table;

/* Look at x as a table; 0 if it is none, or has nothing in it, or Value is not as it was
 * made: then Python's loops call what the user has put there. */
static int table_open(table *t, PyObject *x)
{
    if (!is_row(x) || row_length(x) == 0 || is_value_plain() <= 0) return 0;
    PyObject *first = row_item(x, 0);
    t->x = x;
    t->batch = is_row(first);
    t->rows = t->batch ? row_length(x) : 1;
    t->columns = t->batch ? row_length(first) : row_length(x);
    for (Py_ssize_t i = 0; t->batch && i < t->rows; i++) {
        PyObject *row = row_item(x, i);
        if (!is_row(row) || row_length(row) != t->columns) return 0;
    }
    return t->columns > 0;
}

static PyObject *table_row(const table *t, Py_ssize_t row)
{
    return t->batch ? row_item(t->x, row) : t->x;
}

/* Tell whether an item is a Value, not of a class that has operators of its own; *known is
 * the last class that was found to have none. */
static int is_plain_value(PyObject *item, PyTypeObject **known)
{
    if (Py_TYPE(item) == value_type || Py_TYPE(item) == *known) return 1;
    if (!is_value(item) || is_plain_class(Py_TYPE(item)) <= 0) return 0;
    *known = Py_TYPE(item);
    return 1;
}

/* Copy the items into a new tuple and their handles into handles[]; with numbers[],
 * floats are welcome, as handle 0; -1 is for a Value that has no node. NULL without an
 * exception when an item is something else. To make the tuple may run the collector and,
 * in it, anything: if the lists have become shorter, that is an IndexError. */
static PyObject *table_read(const table *t, mg_node *handles, double *numbers)
{
    PyTypeObject *known = NULL;
    PyObject *items = PyTuple_New(t->rows * t->columns);
    for (Py_ssize_t i = 0; items && i < t->rows * t->columns; i++) {
        PyObject *row = table_row(t, i / t->columns);
        PyObject *item = row && is_row(row) ? row_item(row, i % t->columns) : NULL;
        Py_XINCREF(item);
        PyTuple_SetItem(items, i, item);
        handles[i] = 0;
        if (item && is_plain_value(item, &known))
            handles[i] = handle_of(item) ? handle_of(item) : -1;
        else if (!item || !numbers || !get_number(item, &numbers[i]))
            Py_CLEAR(items);
    }
    return items;
}

/* What a function returns whose arguments could not be read. */
static PyObject *not_read(void)
{
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NOTIMPLEMENTED;
}

/* ---- results ----------------------------------------------------------------------- */

/* Give back the nodes that did not become objects. */
static void nodes_release(const mg_node *nodes, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) mg_release(arena, nodes[i]);
}

/* Make a list of the objects of `count` nodes; sources goes into all of them. */
static PyObject *wrap_list(const mg_node *nodes, Py_ssize_t count, PyObject *sources)
{
    PyObject *list = PyList_New(count);
    if (!list) nodes_release(nodes, count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *made = wrap_node(nodes[i], sources, NULL);
        if (made) {
            PyList_SetItem(list, i, made);
        } else {
            nodes_release(nodes + i + 1, count - i - 1);
            Py_CLEAR(list);
        }
    }
    return list;
}

/* Make a list of rows of objects. */
static PyObject *wrap_rows(const mg_node *nodes, Py_ssize_t rows, Py_ssize_t columns,
                           PyObject *sources)
{
    PyObject *list = PyList_New(rows);
    if (!list) nodes_release(nodes, rows * columns);
    for (Py_ssize_t i = 0; list && i < rows; i++) {
        PyObject *row = wrap_list(nodes + i * columns, columns, sources);
        if (row) {
            PyList_SetItem(list, i, row);
        } else {
            nodes_release(nodes + (i + 1) * columns, (rows - i - 1) * columns);
            Py_CLEAR(list);
        }
    }
    return list;
}

/* Tell whether a call that failed is to be made again with IEEE 754's numbers; where it
 * is not, an exception is set. */
static int is_forgiven(int status, const char *name)
{
    PyObject *answer = fail_status(status, name, NULL, NULL);
    Py_XDECREF(answer);
    return answer != NULL;
}

/* Make a call and, if that is wanted, once more where Python's floats raise. status is
 * negative at the end only with an exception set. */
#define TRY_IEEE(status, name, call) \
    do { \
        status = (call); \
        if (status < 0 && is_forgiven(status, name)) { \
            int before = begin_ieee(); \
            status = (call); \
            mg_set_ieee(arena, before); \
            if (status < 0) Py_XDECREF(fail_status(status, name, NULL, NULL)); \
        } \
    } while (0)

/* ---- MLP --------------------------------------------------------------------------- */

static PyObject *mlp_results(const mlp_plan *plan, const table *t, const mg_node *outputs,
                             PyObject *sources)
{
    Py_ssize_t nout = (Py_ssize_t)plan->sizes[plan->layers];
    int lists = nout > 1 || plan->lists;
    if (t->batch && lists) return wrap_rows(outputs, t->rows, nout, sources);
    if (t->batch || lists) return wrap_list(outputs, t->rows * nout, sources);
    return wrap_node(outputs[0], sources, NULL);
}

/* Return how many rows to record between two looks at signals: some 3 ms of nodes. */
static int64_t rows_at_once(const mlp_plan *plan)
{
    int64_t nodes = 1;
    for (int64_t i = 0; i < plan->layers; i++)
        nodes += 2 * (plan->sizes[i] + 1) * plan->sizes[i + 1];
    return nodes < (1 << 18) ? (1 << 18) / nodes : 1;
}

/* Record the plan on all rows, and leave nothing where that fails. Returns a status, or 1
 * where a signal's handler raises. */
static int mlp_rows(const mlp_plan *plan, const table *t, const mg_node *handles,
                    const double *numbers, mg_node *outputs)
{
    const int64_t nin = plan->sizes[0], nout = plan->sizes[plan->layers];
    const int64_t rows = t->rows, step = rows_at_once(plan);
    int status = MG_OK;
    for (int64_t done = 0; done < rows && status == MG_OK; done += step) {
        int64_t count = rows - done < step ? rows - done : step;
        if (done && PyErr_CheckSignals() < 0) status = 1;
        else
            status = mg_mlp(arena, plan->layers, plan->sizes, plan->activation,
                            plan->last_activation, plan->parameters, count,
                            handles + done * nin, numbers + done * nin,
                            outputs + done * nout);
        if (status != MG_OK) nodes_release(outputs, (Py_ssize_t)(done * nout));
    }
    return status;
}

/* Record the plan on a table whose items are known; buffer has room for all three
 * arrays. */
static PyObject *mlp_record(const mlp_plan *plan, PyObject *parameters, const table *t,
                            mg_node *buffer)
{
    Py_ssize_t count = t->rows * t->columns;
    mg_node *handles = buffer, *outputs = buffer + 2 * count;
    double *numbers = (double *)(buffer + count);
    PyObject *items = table_read(t, handles, numbers);
    if (!items) return not_read();
    PyObject *result = NULL;
    PyObject *sources = PyTuple_Pack(2, parameters, items);
    Py_DECREF(items);
    if (!sources) return NULL;
    int status;
    TRY_IEEE(status, "MLP", mlp_rows(plan, t, handles, numbers, outputs));
    if (status == MG_OK) result = mlp_results(plan, t, outputs, sources);
    Py_DECREF(sources);
    return result;
}

/* _mlp(memory of an mlp_plan, tuple of the parameters, x): what the network gives for
 * x. */
PyObject *value_mlp(PyObject *Py_UNUSED(none), PyObject *args)
{
    const mlp_plan *plan;
    PyObject *parameters, *x;
    table t;
    if (!PyArg_ParseTuple(args, "O&OO", read_memory, &plan, &parameters, &x)) return NULL;
    if (!plan) return PyErr_Format(PyExc_TypeError, "there is no plan");
    if (!table_open(&t, x) || t.columns != plan->sizes[0]) Py_RETURN_NOTIMPLEMENTED;
    size_t outputs = (size_t)t.rows * (size_t)plan->sizes[plan->layers];
    size_t count = 2 * (size_t)(t.rows * t.columns) + outputs;
    mg_node *buffer = PyMem_Malloc(count * sizeof(mg_node));
    if (!buffer) return PyErr_NoMemory();
    PyObject *result = mlp_record(plan, parameters, &t, buffer);
    PyMem_Free(buffer);
    return result;
}

/* ---- cross-entropy ----------------------------------------------------------------- */

/* Read the classes of a table's rows, ints from 0 to columns - 1; 0 if one is something
 * else. */
static int read_targets(const table *t, PyObject *target, int64_t *targets)
{
    if (t->batch && (!is_row(target) || row_length(target) != t->rows)) return 0;
    for (Py_ssize_t i = 0; i < t->rows; i++) {
        PyObject *item = t->batch ? row_item(target, i) : target;
        if (!item || !PyLong_CheckExact(item)) return 0;
        int overflow;
        targets[i] = PyLong_AsLongLongAndOverflow(item, &overflow);
        if (overflow || targets[i] < 0 || targets[i] >= t->columns) return 0;
    }
    return 1;
}

/* Tell whether one of the Values has a function exp of its own, among its attributes. */
static int has_own_exp(PyObject *items)
{
    Py_ssize_t count = PyTuple_Size(items);
    for (Py_ssize_t i = 0; i < count; i++)
        if (stored((value *)PyTuple_GetItem(items, i), "exp")) return 1;
    return 0;
}

static PyObject *cross_entropy_record(const table *t, PyObject *target, int shifted,
                                      int reduction, mg_node *buffer)
{
    mg_node *logits = buffer, *outputs = buffer + t->rows * t->columns;
    int64_t *targets = outputs + t->rows;
    if (!read_targets(t, target, targets)) return not_read();
    PyObject *items = table_read(t, logits, NULL);
    if (!items) return not_read();
    if (!shifted && has_own_exp(items)) {
        Py_DECREF(items);
        return not_read();
    }
    PyObject *result = NULL;
    PyObject *sources = PyTuple_Pack(1, items);
    Py_DECREF(items);
    if (!sources) return NULL;
    if (!t->batch) reduction = MG_REDUCE_NONE;
    int status;
    TRY_IEEE(status, "cross_entropy",
             mg_cross_entropy(arena, t->rows, t->columns, logits, targets, shifted,
                              reduction, outputs));
    if (status < 0)
        result = NULL;
    else if (t->batch && reduction == MG_REDUCE_NONE)
        result = wrap_list(outputs, t->rows, sources);
    else
        result = wrap_node(outputs[0], sources, NULL);
    Py_DECREF(sources);
    return result;
}

/* _cross_entropy(logits, target, shifted, reduction): one loss, or for "none" a list. */
PyObject *value_cross_entropy(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *logits, *target;
    int shifted, reduction;
    table t;
    if (!PyArg_ParseTuple(args, "OOpi", &logits, &target, &shifted, &reduction))
        return NULL;
    if (!table_open(&t, logits)) Py_RETURN_NOTIMPLEMENTED;
    size_t count = (size_t)t.rows * (size_t)t.columns + 2 * (size_t)t.rows;
    mg_node *buffer = PyMem_Malloc(count * sizeof(mg_node));
    if (!buffer) return PyErr_NoMemory();
    PyObject *result = cross_entropy_record(&t, target, shifted, reduction, buffer);
    PyMem_Free(buffer);
    return result;
}

/* ---- functions of lists ------------------------------------------------------------ */

/* A list of Values read for a function: handles, room for as many results, and what the
 * results keep alive. */
typedef struct vector {
    int64_t count;
    mg_node *handles, *outputs;
    PyObject *sources;
} vector;

static void vector_close(vector *v)
{
    PyMem_Free(v->handles);
    Py_CLEAR(v->sources);
}

/* Read a list of Values. 0 when there is something else in it or, with an exception set,
 * no memory. */
static int vector_open(vector *v, PyObject *x)
{
    table t;
    v->sources = NULL;
    if (!table_open(&t, x) || t.batch) return 0;
    v->count = t.columns;
    v->handles = PyMem_Malloc(2 * (size_t)t.columns * sizeof(mg_node));
    if (!v->handles) {
        PyErr_NoMemory();
        return 0;
    }
    v->outputs = v->handles + t.columns;
    PyObject *items = table_read(&t, v->handles, NULL);
    v->sources = items ? PyTuple_Pack(1, items) : NULL;
    Py_XDECREF(items);
    if (!v->sources) vector_close(v);
    return v->sources != NULL;
}

/* Close a vector, and make the object of the one result. */
static PyObject *vector_result(vector *v, const char *name, mg_node made)
{
    PyObject *result = made > 0 ? wrap_node(made, v->sources, NULL)
                                : fail_status(made, name, NULL, NULL);
    vector_close(v);
    return result;
}

/* Close a vector, and make the objects of its outputs. */
static PyObject *vector_results(vector *v, int status)
{
    Py_ssize_t count = (Py_ssize_t)v->count;
    PyObject *result = status < 0 ? NULL : wrap_list(v->outputs, count, v->sources);
    vector_close(v);
    return result;
}

/* _sum(values, mean): their sum, or their mean. */
PyObject *value_sum(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *x;
    int mean;
    vector v;
    if (!PyArg_ParseTuple(args, "Op", &x, &mean)) return NULL;
    if (!vector_open(&v, x)) return not_read();
    mg_node made = mean ? mg_mean(arena, v.count, v.handles)
                        : mg_sum(arena, v.count, v.handles);
    return vector_result(&v, mean ? "mean" : "sum", made);
}

/* _dot(a, b): the sum of products of two lists of one length. */
PyObject *value_dot(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *x, *y;
    vector a, b;
    if (!PyArg_ParseTuple(args, "OO", &x, &y)) return NULL;
    if (!vector_open(&a, x)) return not_read();
    if (!vector_open(&b, y) || a.count != b.count) {
        if (b.sources) vector_close(&b);
        vector_close(&a);
        return not_read();
    }
    PyObject *both = PyTuple_Pack(2, PyTuple_GetItem(a.sources, 0),
                                  PyTuple_GetItem(b.sources, 0));
    Py_DECREF(a.sources);
    a.sources = both;
    mg_node made = both ? mg_dot(arena, a.count, a.handles, b.handles) : 0;
    vector_close(&b);
    if (both) return vector_result(&a, "dot", made);
    vector_close(&a);
    return NULL;
}

/* _softmax(values): a list. */
PyObject *value_softmax(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *x;
    vector v;
    if (!PyArg_ParseTuple(args, "O", &x)) return NULL;
    if (!vector_open(&v, x)) return not_read();
    int status;
    TRY_IEEE(status, "softmax", mg_softmax(arena, v.count, v.handles, v.outputs));
    return vector_results(&v, status);
}

/* _rmsnorm(values, epsilon): a list. */
PyObject *value_rmsnorm(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *x;
    double epsilon;
    vector v;
    if (!PyArg_ParseTuple(args, "Od", &x, &epsilon)) return NULL;
    if (!vector_open(&v, x)) return not_read();
    int status;
    TRY_IEEE(status, "rmsnorm", mg_rmsnorm(arena, v.count, v.handles, epsilon, v.outputs));
    return vector_results(&v, status);
}
