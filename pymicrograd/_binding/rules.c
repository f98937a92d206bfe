/* rules.c: Values that a user makes of operands, and rules of his own: what a node passes
 * on in a backward is then a Python function, which C calls for that node only.
 *
 * A rule is the attribute `_backward` of a Value, or a method of that name in a class of
 * the user's. The core knows only that a backward has to stop there: mg_node_call(). */
#include "binding.h"

/* ---- operands and factors ---------------------------------------------------------- */

/* Read operands into new memory, with room for as many doubles behind. */
static mg_node *read_operands(PyObject *tuple, Py_ssize_t count)
{
    mg_node *handles =
        PyMem_Malloc((size_t)count * (sizeof(mg_node) + sizeof(double)));
    if (!handles) return (mg_node *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        if (is_value(item)) {
            handles[i] = handle_of(item);
            continue;
        }
        PyErr_Format(PyExc_TypeError, "an operand of a Value is a Value, not %R",
                     (PyObject *)Py_TYPE(item));
        PyMem_Free(handles);
        return NULL;
    }
    return handles;
}

/* Read factors, a tuple of as many numbers; -1 with an exception. */
static int read_factors(PyObject *tuple, Py_ssize_t count, double *factors)
{
    if (PyTuple_Size(tuple) != count) {
        PyErr_Format(PyExc_ValueError,
                     "there is a local gradient for each operand: %zd of %zd",
                     PyTuple_Size(tuple), count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (get_number(PyTuple_GetItem(tuple, i), &factors[i])) continue;
        PyErr_SetString(PyExc_TypeError, "a local gradient is a real number");
        return -1;
    }
    return 0;
}

/* Tell whether the class of an object has a method _backward of its own. */
static int has_rule_of_class(PyObject *self)
{
    if (Py_TYPE(self) == value_type) return 0;
    PyObject *ours = PyObject_GetAttrString(value_base, "_backward");
    PyObject *found = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "_backward");
    int differs = !ours || !found ? -1 : ours != found;
    Py_XDECREF(ours);
    Py_XDECREF(found);
    return differs;
}

/* Make self the object of a new node, whose operands are in a tuple. */
static int set_given(value *self, mg_node handle, PyObject *operands)
{
    Py_ssize_t count = PyTuple_Size(operands);
    int called = has_rule_of_class((PyObject *)self);
    if (called < 0) {
        mg_release(arena, handle);
        return -1;
    }
    if (called) mg_node_call(arena, handle, 1);
    if (count > 2) return value_set_node(self, handle, operands, NULL, MANY);
    return value_set_node(self, handle, PyTuple_GetItem(operands, 0),
                          count > 1 ? PyTuple_GetItem(operands, 1) : NULL, 0);
}

int init_leaf(value *self, double data)
{
    mg_node handle;
    CALL_HEARD(handle, mg_leaf(arena, data));
    if (handle < 0) {
        fail_status(handle, "Value", NULL, NULL);
        return -1;
    }
    int called = has_rule_of_class((PyObject *)self);
    if (called > 0) mg_node_call(arena, handle, 1);
    if (called >= 0) return value_set_node(self, handle, NULL, NULL, 0);
    mg_release(arena, handle);
    return -1;
}

/* Make self the object of a node that has one operand or more, or without `recording`
 * of a leaf. */
static int init_operands(value *self, double data, PyObject *operands, PyObject *factors,
                         int recording)
{
    Py_ssize_t count = PyTuple_Size(operands);
    mg_node *handles = read_operands(operands, count);
    if (!handles) return -1;
    double *numbers = (double *)(handles + count);
    int status = factors ? read_factors(factors, count, numbers) : 0;
    if (status == 0 && (count == 0 || !recording)) {
        status = init_leaf(self, data);
    } else if (status == 0) {
        mg_node made =
            mg_given(arena, data, count, handles, factors ? numbers : NULL);
        if (made < 0) fail_status(made, "Value", NULL, NULL);
        status = made < 0 ? -1 : set_given(self, made, operands);
    }
    PyMem_Free(handles);
    return status;
}

int init_given(value *self, double data, PyObject *operands, PyObject *factors)
{
    int recording = is_recording();
    return recording < 0 ? -1 : init_operands(self, data, operands, factors, recording);
}

/* _given(self, data, operands, factors or None): initialize a Value of operands. */
PyObject *value_given(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *self, *operands, *factors;
    double data;
    if (!PyArg_ParseTuple(args, "OdO!O", &self, &data, &PyTuple_Type, &operands, &factors))
        return NULL;
    if (!is_value(self) || (factors != Py_None && !PyTuple_Check(factors))) {
        PyErr_SetString(PyExc_TypeError, "_given takes a Value and tuples");
        return NULL;
    }
    int status = init_given((value *)self, data, operands,
                            factors == Py_None ? NULL : factors);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- attributes that C or value.py keeps among those of the user's ------------------ */

PyObject *stored(const value *self, const char *name)
{
    return self->attributes ? PyDict_GetItemString(self->attributes, name) : NULL;
}

int store(value *self, const char *name, PyObject *object)
{
    if (!object)
        return stored(self, name) ? PyDict_DelItemString(self->attributes, name) : 0;
    track_for(self, object);
    if (!self->attributes) self->attributes = PyDict_New();
    return self->attributes ? PyDict_SetItemString(self->attributes, name, object) : -1;
}

/* _stored(name): what is kept under a name, or None. */
PyObject *value_stored(PyObject *self, PyObject *name)
{
    PyObject *attributes = ((value *)self)->attributes;
    PyObject *found = attributes ? PyDict_GetItemWithError(attributes, name) : NULL;
    if (!found && PyErr_Occurred()) return NULL;
    return Py_NewRef(found ? found : Py_None);
}

/* _store(name, object): keep it there. */
PyObject *value_store(PyObject *self, PyObject *args)
{
    const char *name;
    PyObject *object;
    if (!PyArg_ParseTuple(args, "sO", &name, &object)) return NULL;
    return store((value *)self, name, object) < 0 ? NULL : Py_NewRef(Py_None);
}

/* _attributes(): all of them as a new dict. */
PyObject *value_attributes(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *attributes = ((value *)self)->attributes;
    return attributes ? PyDict_Copy(attributes) : PyDict_New();
}

int value_setattr(PyObject *self, PyObject *name, PyObject *to)
{
    if (to && !PyFloat_CheckExact(to)) track_for((value *)self, to);
    return PyObject_GenericSetAttr(self, name, to);
}

PyObject *value_get_dict(PyObject *self, void *closure)
{
    track_for_store((value *)self); /* anything may be put into it */
    return PyObject_GenericGetDict(self, closure);
}

int value_set_dict(PyObject *self, PyObject *to, void *closure)
{
    track_for_store((value *)self);
    return PyObject_GenericSetDict(self, to, closure);
}

/* ---- rules ------------------------------------------------------------------------- */

/* The step of a node by its own rule, as a function without arguments. */
static PyObject *step(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_node handle = handle_of(self);
    int status = mg_node_flow(arena, handle);
    if (status >= 0) Py_RETURN_NONE;
    PyObject *goes_on = fail_status(status, "_backward", NULL, NULL);
    if (!goes_on) return NULL;
    Py_DECREF(goes_on);
    int before = begin_ieee();
    mg_node_flow(arena, handle);
    mg_set_ieee(arena, before);
    Py_RETURN_NONE;
}

static PyMethodDef step_definition = {
    "_backward", step, METH_NOARGS,
    "Add to the gradients of the operands what this node passes on."};

PyObject *value_get_rule(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *rule = stored((value *)self, "_backward");
    return rule ? Py_NewRef(rule) : PyCFunction_New(&step_definition, self);
}

int value_set_rule(PyObject *self, PyObject *rule, void *Py_UNUSED(closure))
{
    if (rule && !PyCallable_Check(rule)) {
        PyErr_SetString(PyExc_TypeError, "_backward is a function without arguments");
        return -1;
    }
    int status = mg_node_call(arena, handle_of(self), rule != NULL);
    if (status < 0) {
        fail_status(status, "_backward", NULL, NULL);
        return -1;
    }
    return store((value *)self, "_backward", rule);
}

/* Read the local gradients of a node, -1 with an exception; MG_ERR_ARG: it has none. */
static int read_all_factors(mg_node handle, double *factors)
{
    int status = mg_node_factors(arena, handle, factors);
    if (status >= 0 || status == MG_ERR_ARG) return status;
    PyObject *goes_on = fail_status(status, "_local_grads", NULL, NULL);
    if (!goes_on) return -1;
    Py_DECREF(goes_on);
    int before = begin_ieee();
    status = mg_node_factors(arena, handle, factors);
    mg_set_ieee(arena, before);
    return status;
}

/* _factors(): the local gradients; none where the node's rule is the user's. */
PyObject *value_factors(PyObject *self, PyObject *Py_UNUSED(none))
{
    int64_t count = mg_node_operands(arena, handle_of(self));
    if (count < 0) return fail_status(count, "_local_grads", NULL, NULL);
    double *factors = PyMem_Malloc((size_t)(count + 1) * sizeof *factors);
    if (!factors) return PyErr_NoMemory();
    int status = read_all_factors(handle_of(self), factors);
    if (status == MG_ERR_ARG) count = status = 0;
    PyObject *tuple = status < 0 ? NULL : PyTuple_New((Py_ssize_t)count);
    for (Py_ssize_t i = 0; tuple && i < count; i++) {
        PyObject *item = PyFloat_FromDouble(factors[i]);
        if (item) PyTuple_SetItem(tuple, i, item);
        else Py_CLEAR(tuple);
    }
    PyMem_Free(factors);
    return tuple;
}

/* ---- copies: what a node is, and a node that is it ----------------------------------- */

/* Return what a node has besides operands: of a power the exponent and how the user wrote
 * it, of a node of the user's its factors; else None. */
static PyObject *record_extra(value *self, int op)
{
    double exponent = 0.0;
    if (op == MG_GIVEN) return value_factors((PyObject *)self, NULL);
    if (op != MG_POW_NUMBER) return Py_NewRef(Py_None);
    int status = mg_node_exponent(arena, self->handle, &exponent);
    if (status < 0) return fail_status(status, "exponent", NULL, NULL);
    int is_written = self->b && !is_value(self->b);
    return Py_BuildValue("dO", exponent, is_written ? self->b : Py_None);
}

/* _record(): (op, data, gradient, operands, what else it has). */
PyObject *value_record(PyObject *x, PyObject *Py_UNUSED(none))
{
    value *self = (value *)x;
    double data, gradient;
    int op = mg_node_op(arena, self->handle);
    int status = op < 0 ? op : mg_data(arena, 1, &self->handle, &data);
    if (status >= 0) status = mg_gradients(arena, 1, &self->handle, &gradient);
    if (status < 0) return fail_status(status, "Value", NULL, NULL);
    PyObject *operands = value_operands(x, NULL);
    PyObject *extra = operands ? record_extra(self, op) : NULL;
    if (extra) return Py_BuildValue("iddNN", op, data, gradient, operands, extra);
    Py_XDECREF(operands);
    return NULL;
}

/* Make the copy of a computed node of one or two operands; a status, or 0 with an
 * exception. */
static mg_node copy_computed(int op, double data, PyObject *operands, PyObject *extra)
{
    double exponent = 0.0;
    PyObject *written;
    Py_ssize_t count = PyTuple_Size(operands);
    if (count < 1 || count > 2) return MG_ERR_ARG;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_value(PyTuple_GetItem(operands, i))) return MG_ERR_ARG;
    if (op == MG_POW_NUMBER) {
        if (!PyTuple_Check(extra)) return MG_ERR_ARG;
        if (!PyArg_ParseTuple(extra, "dO", &exponent, &written)) return 0;
    }
    return mg_record_copy(arena, op, handle_of(PyTuple_GetItem(operands, 0)),
                          count > 1 ? handle_of(PyTuple_GetItem(operands, 1)) : 0, exponent,
                          data);
}

static int restore_computed(value *self, int op, double data, PyObject *operands,
                            PyObject *extra)
{
    mg_node made = copy_computed(op, data, operands, extra);
    if (made < 0) fail_status(made, "Value", NULL, NULL);
    if (made <= 0) return -1;
    if (set_given(self, made, operands) < 0) return -1;
    if (op != MG_POW_NUMBER || is_value(PyTuple_GetItem(extra, 1))) return 0;
    PyObject *none = value_set_exponent((PyObject *)self, PyTuple_GetItem(extra, 1));
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static int restore(value *self, int op, double data, PyObject *operands, PyObject *extra)
{
    if (op == MG_LEAF && PyTuple_Size(operands) == 0) return init_leaf(self, data);
    if (op != MG_GIVEN) return restore_computed(self, op, data, operands, extra);
    if (PyTuple_Check(extra) && PyTuple_Size(operands) > 0)
        return init_operands(self, data, operands, PyTuple_Size(extra) ? extra : NULL, 1);
    fail_status(MG_ERR_ARG, "Value", NULL, NULL);
    return -1;
}

/* _restore(self, op, data, gradient, operands, what else it has): make of a Value that has
 * no node yet what _record() told of another, recorded or not. */
PyObject *value_restore(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *self, *operands, *extra;
    double data, gradient;
    int op;
    if (!PyArg_ParseTuple(args, "O!iddO!O", value_base, &self, &op, &data, &gradient,
                          &PyTuple_Type, &operands, &extra))
        return NULL;
    if (handle_of(self))
        return PyErr_Format(PyExc_ValueError, "a Value that is made is not restored");
    if (restore((value *)self, op, data, operands, extra) < 0) return NULL;
    mg_node handle = handle_of(self);
    int status = mg_set_gradients(arena, 1, &handle, &gradient);
    return status < 0 ? fail_status(status, "grad", NULL, NULL) : Py_NewRef(Py_None);
}
