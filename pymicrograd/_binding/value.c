/* value.c: ValueBase, the part of Value that every operation passes through, as a
 * CPython type.
 *
 * A call through cffi costs 57 to 130 ns and a Python object with a __del__ 200 ns
 * (CPython 3.11), ten times the work of a node; here an operator costs 50 ns in all. The
 * type knows floats and small ints; whatever else an operand may be, and every error, is
 * left to value.py, whose functions it is given at import. */
#include "binding.h"

#include <math.h>
#include <stddef.h>
#include <structmember.h>

int get_number(PyObject *x, double *number)
{
    if (PyFloat_CheckExact(x)) {
        *number = PyFloat_AsDouble(x);
        return 1;
    }
    if (!PyLong_CheckExact(x)) return 0;
    *number = PyLong_AsDouble(x);
    if (fabs(*number) < 9007199254740992.0 && !(*number == -1.0 && PyErr_Occurred()))
        return 1;
    PyErr_Clear();
    return 0;
}

/* ---- results ----------------------------------------------------------------------- */

/* Make the leaf that no_grad leaves of a result. */
static PyObject *wrap_leaf(mg_node handle)
{
    double data = 0.0;
    mg_node leaf;
    CALL_HEARD(leaf, mg_data(arena, 1, &handle, &data));
    mg_release(arena, handle);
    if (leaf >= 0) CALL_HEARD(leaf, mg_leaf(arena, data));
    if (leaf < 0) return fail_status(leaf, "Value", NULL, NULL);
    return adopt_node(leaf, NULL, NULL);
}

PyObject *wrap_node(mg_node handle, PyObject *a, PyObject *b)
{
    int recording = is_recording();
    if (recording > 0) return adopt_node(handle, a, b);
    if (recording == 0) return wrap_leaf(handle);
    mg_release(arena, handle);
    return NULL;
}

PyObject *fail_status(mg_node status, const char *name, PyObject *a, PyObject *b)
{
    if (status == MG_ERR_INTERRUPTED && PyErr_Occurred()) return NULL;
    const char *format = b ? "LsOO" : a ? "LsO" : "Ls";
    return PyObject_CallFunction(value_callbacks.fail, format, (long long)status, name, a,
                                 b);
}

/* Make the object of what an op returned, or raise. */
static PyObject *result_of(mg_node handle, const char *name, PyObject *a, PyObject *b)
{
    return handle > 0 ? wrap_node(handle, a, b) : fail_status(handle, name, a, b);
}

static PyObject *fallback(const char *name, PyObject *left, PyObject *right)
{
    return PyObject_CallFunction(value_callbacks.fallback_operator, "sOO", name, left,
                                 right);
}

/* ---- recording --------------------------------------------------------------------- */

enum { SUBTRACT = -1, DIVIDE = -2 }; /* what micrograd makes of several ops */

static mg_node record_plainly(int op, mg_node a, mg_node b)
{
    return op == SUBTRACT ? mg_subtract(arena, a, b)
           : op == DIVIDE ? mg_divide(arena, a, b)
                          : mg_record(arena, op, a, b);
}

/* Who waits without the GIL might record while another thread, which has it, has
 * begin_ieee() in force: then it is done again, with the GIL. */
static uint64_t ieee_spans;

int begin_ieee(void)
{
    ieee_spans++;
    return mg_set_ieee(arena, 1);
}

static int was_ieee(uint64_t spans, mg_node made)
{
    if (made <= 0 || spans == ieee_spans) return 0;
    mg_release(arena, made);
    return 1;
}

/* The same where it may have to wait: without the GIL, and signals are heard. */
static mg_node record_waiting(int op, mg_node a, mg_node b)
{
    long_call call;
    const uint64_t spans = ieee_spans;
    mg_node made, operands[] = {a, b};
    long_open(&call, 0, 0);
    do {
        long_begin(&call);
        made = record_plainly(op, a, b);
    } while (long_end(&call, &made, operands, b ? 2 : 1));
    return was_ieee(spans, made) ? record_plainly(op, a, b) : made;
}

static mg_node record_number_waiting(int op, mg_node a, double number)
{
    long_call call;
    const uint64_t spans = ieee_spans;
    mg_node made;
    long_open(&call, 0, 0);
    do {
        long_begin(&call);
        made = mg_record_number(arena, op, a, number);
    } while (long_end(&call, &made, &a, 1));
    return was_ieee(spans, made) ? mg_record_number(arena, op, a, number) : made;
}

static inline mg_node record(int op, mg_node a, mg_node b)
{
    return may_wait() ? record_waiting(op, a, b) : record_plainly(op, a, b);
}

static inline mg_node record_number(int op, mg_node a, double number)
{
    return may_wait() ? record_number_waiting(op, a, number)
                      : mg_record_number(arena, op, a, number);
}

/* ---- operators, in the nodes that micrograd makes ---------------------------------- */

/* Record a + number or a * number; nobody needs the number's object. */
static PyObject *add_number(PyObject *a, double number)
{
    mg_node made = record_number(MG_ADD, handle_of(a), number);
    return result_of(made, "add", a, NULL);
}

static PyObject *multiply_number(PyObject *a, double number)
{
    mg_node made = record_number(MG_MUL, handle_of(a), number);
    return result_of(made, "mul", a, NULL);
}

/* _copy(self, a): initialize a Value as a * 1.0, which holds what a holds. */
static PyObject *value_copy(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *self, *a;
    if (!PyArg_ParseTuple(args, "O!O!", value_base, &self, value_base, &a)) return NULL;
    if (handle_of(self))
        return PyErr_Format(PyExc_ValueError, "a Value that is made is no copy");
    mg_node made = record_number(MG_MUL, handle_of(a), 1.0);
    if (made < 0) return fail_status(made, "mul", a, NULL);
    if (value_set_node((value *)self, made, a, NULL, 0) < 0) return NULL;
    return Py_NewRef(Py_None);
}

static PyObject *value_add(PyObject *left, PyObject *right)
{
    double number;
    if (is_value(left) && is_value(right))
        return result_of(record(MG_ADD, handle_of(left), handle_of(right)),
                         "add", left, right);
    if (is_value(left) && get_number(right, &number))
        return add_number(left, number);
    if (is_value(right) && get_number(left, &number))
        return add_number(right, number);
    return fallback("add", left, right);
}

static PyObject *value_multiply(PyObject *left, PyObject *right)
{
    double number;
    if (is_value(left) && is_value(right))
        return result_of(record(MG_MUL, handle_of(left), handle_of(right)),
                         "mul", left, right);
    if (is_value(left) && get_number(right, &number))
        return multiply_number(left, number);
    if (is_value(right) && get_number(left, &number))
        return multiply_number(right, number);
    return fallback("mul", left, right);
}

static PyObject *value_negative(PyObject *a)
{
    return multiply_number(a, -1.0);
}

static PyObject *value_subtract(PyObject *left, PyObject *right)
{
    double number;
    if (is_value(left) && is_value(right))
        return result_of(record(SUBTRACT, handle_of(left), handle_of(right)), "sub",
                         left, right);
    if (is_value(left) && get_number(right, &number)) /* the int 0 has no negative */
        return add_number(left, number == 0.0 && PyLong_Check(right) ? 0.0 : -number);
    if (is_value(right) && get_number(left, &number)) {
        PyObject *negative = value_negative(right);
        PyObject *result = negative ? add_number(negative, number) : NULL;
        Py_XDECREF(negative);
        return result;
    }
    return fallback("sub", left, right);
}

/* a ** exponent; the object keeps how the user wrote the exponent. */
static PyObject *power_number(PyObject *a, PyObject *exponent, double number)
{
    return result_of(record_number(MG_POW_NUMBER, handle_of(a), number), "pow",
                     a, exponent);
}

/* number ** b, which has a leaf for the number. */
static PyObject *power_of_number(PyObject *a, double number, PyObject *b)
{
    mg_node leaf;
    CALL_HEARD(leaf, mg_leaf(arena, number));
    if (leaf < 0) return fail_status(leaf, "pow", a, b);
    mg_node made = record(MG_POW, leaf, handle_of(b));
    mg_release(arena, leaf);
    return made > 0 ? wrap_node(made, NULL, b) : fail_status(made, "pow", a, b);
}

static PyObject *value_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    double number;
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    if (is_value(left) && get_number(right, &number))
        return power_number(left, right, number);
    if (is_value(left) && is_value(right))
        return result_of(record(MG_POW, handle_of(left), handle_of(right)),
                         "pow", left, right);
    if (is_value(right) && get_number(left, &number))
        return power_of_number(left, number, right);
    return fallback("pow", left, right);
}

static PyObject *value_divide(PyObject *left, PyObject *right)
{
    double number;
    if (is_value(left) && is_value(right))
        return result_of(record(DIVIDE, handle_of(left), handle_of(right)), "div", left,
                         right);
    if (is_value(right) && get_number(left, &number)) {
        PyObject *exponent = PyLong_FromLong(-1);
        PyObject *inverse = exponent ? power_number(right, exponent, -1.0) : NULL;
        PyObject *result = inverse ? multiply_number(inverse, number) : NULL;
        Py_XDECREF(exponent);
        Py_XDECREF(inverse);
        return result;
    }
    return fallback("truediv", left, right);
}

/* a == b is identity, as of any object; of an array it is the array of its elements'
 * answers. A method, for a slot would have to order Values, too. */
static PyObject *compare(const char *name, PyObject *self, PyObject *other, int when_same)
{
    if (is_value(other)) return PyBool_FromLong((self == other) == when_same);
    if (other == Py_None || PyFloat_CheckExact(other) || PyLong_CheckExact(other))
        Py_RETURN_NOTIMPLEMENTED;
    return fallback(name, self, other);
}

static PyObject *value_equal(PyObject *self, PyObject *other)
{
    return compare("equal", self, other, 1);
}

static PyObject *value_not_equal(PyObject *self, PyObject *other)
{
    return compare("not_equal", self, other, 0);
}

static Py_hash_t value_hash(PyObject *self)
{
    return (Py_hash_t)((uintptr_t)self >> 4); /* as an object's, where equality is ours */
}

/* ---- functions --------------------------------------------------------------------- */

static PyObject *record_unary(PyObject *self, int op, const char *name)
{
    return result_of(record(op, handle_of(self), 0), name, self, NULL);
}

static PyObject *value_absolute(PyObject *self)
{
    return record_unary(self, MG_ABS, "abs");
}

/* The methods that are one op of one operand. */
#define UNARY_METHODS(METHOD) \
    METHOD(RELU, relu, "Return max(x, 0).") \
    METHOD(TANH, tanh, "Return the hyperbolic tangent.") \
    METHOD(EXP, exp, "Return e ** x.") \
    METHOD(LOG, log, "Return the natural logarithm.") \
    METHOD(SIN, sin, "Return the sine of x radians.") \
    METHOD(COS, cos, "Return the cosine of x radians.") \
    METHOD(EXPM1, expm1, "Return exp(x) - 1, exact for small x.") \
    METHOD(LOG1P, log1p, "Return log(1 + x), exact for small x.") \
    METHOD(SIGMOID, sigmoid, "Return 1 / (1 + exp(-x)).") \
    METHOD(SOFTPLUS, softplus, "Return log(1 + exp(x)).") \
    METHOD(SILU, silu, "Return x * sigmoid(x).") \
    METHOD(ERF, erf, "Return the error function.") \
    METHOD(GELU, _gelu, "Return 0.5 * x * (1 + erf(x / sqrt 2)).") \
    METHOD(GELU_TANH, _gelu_tanh, "Return gelu's tanh form.")

#define METHOD_FUNCTION(NAME, name, documentation) \
    static PyObject *value_##name(PyObject *self, PyObject *Py_UNUSED(none)) \
    { \
        return record_unary(self, MG_##NAME, #name); \
    }
UNARY_METHODS(METHOD_FUNCTION)

/* Record maximum or minimum of a Value and a Value or number. */
static PyObject *record_extreme(int op, const char *name, PyObject *a, PyObject *b)
{
    double number;
    if (is_value(b))
        return result_of(record(op, handle_of(a), handle_of(b)), name, a, b);
    if (!get_number(b, &number)) return fallback(name, a, b);
    return result_of(record_number(op, handle_of(a), number), name, a, NULL);
}

static PyObject *value_maximum(PyObject *self, PyObject *other)
{
    return record_extreme(MG_MAXIMUM, "maximum", self, other);
}

static PyObject *value_minimum(PyObject *self, PyObject *other)
{
    return record_extreme(MG_MINIMUM, "minimum", self, other);
}

/* ---- data and gradient ------------------------------------------------------------- */

static PyObject *get_data(PyObject *self, void *Py_UNUSED(closure))
{
    double number = 0.0;
    mg_node status, handle = handle_of(self);
    CALL_HEARD(status, mg_data(arena, 1, &handle, &number));
    return status < 0 ? fail_status(status, "data", self, NULL)
                      : PyFloat_FromDouble(number);
}

static PyObject *get_grad(PyObject *self, void *Py_UNUSED(closure))
{
    double number = 0.0;
    mg_node status, handle = handle_of(self);
    CALL_HEARD(status, mg_gradients(arena, 1, &handle, &number));
    return status < 0 ? fail_status(status, "grad", self, NULL)
                      : PyFloat_FromDouble(number);
}

/* Let value.py convert a number, or refuse it, and set it. */
static int fallback_set(PyObject *self, const char *name, PyObject *number)
{
    if (!number) {
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", name);
        return -1;
    }
    PyObject *none =
        PyObject_CallFunction(value_callbacks.fallback_set, "OsO", self, name, number);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static int set_status(PyObject *self, const char *name, int status)
{
    if (status < 0) Py_XDECREF(fail_status(status, name, self, NULL));
    return status < 0 ? -1 : 0;
}

static int set_data(PyObject *self, PyObject *number, void *Py_UNUSED(closure))
{
    if (!number || !PyFloat_CheckExact(number)) return fallback_set(self, "data", number);
    mg_node status, handle = handle_of(self);
    double data = PyFloat_AsDouble(number);
    CALL_HEARD(status, mg_set_data(arena, 1, &handle, &data));
    return set_status(self, "data", (int)status);
}

static int set_grad(PyObject *self, PyObject *number, void *Py_UNUSED(closure))
{
    if (!number || !PyFloat_CheckExact(number)) return fallback_set(self, "grad", number);
    mg_node status, handle = handle_of(self);
    double gradient = PyFloat_AsDouble(number);
    CALL_HEARD(status, mg_set_gradients(arena, 1, &handle, &gradient));
    return set_status(self, "grad", (int)status);
}

/* ---- life -------------------------------------------------------------------------- */

static int are_numbers(PyObject *tuple)
{
    double number;
    Py_ssize_t count = PyTuple_Size(tuple);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!get_number(PyTuple_GetItem(tuple, i), &number)) return 0;
    return 1;
}

/* Initialize from positional arguments: (number), or (number, operands), and behind them
 * text or local gradients; 0: it is something else; -1 with an exception. */
static int init_plainly(value *self, PyObject *args)
{
    double data;
    Py_ssize_t count = PyTuple_Size(args);
    if (count < 1 || count > 3 || !get_number(PyTuple_GetItem(args, 0), &data)) return 0;
    if (count == 1) return init_leaf(self, data) < 0 ? -1 : 1;
    PyObject *operands = PyTuple_GetItem(args, 1);
    PyObject *third = count > 2 ? PyTuple_GetItem(args, 2) : NULL;
    PyObject *op = third && PyUnicode_CheckExact(third) ? third : NULL;
    PyObject *factors = third && PyTuple_CheckExact(third) ? third : NULL;
    if (!PyTuple_CheckExact(operands) || (third && !op && !factors)) return 0;
    if (factors && !are_numbers(factors)) return 0;
    if (init_given(self, data, operands, factors) < 0) return -1;
    return op && PyUnicode_GetLength(op) && store(self, "_op", op) < 0 ? -1 : 1;
}

static int value_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    int done = kwargs ? 0 : init_plainly((value *)self, args);
    if (done) return done < 0 ? -1 : 0;
    PyObject *full = PyTuple_New(PyTuple_Size(args) + 1);
    if (!full) return -1;
    Py_INCREF(self);
    PyTuple_SetItem(full, 0, self);
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        PyObject *item = PyTuple_GetItem(args, i);
        Py_INCREF(item);
        PyTuple_SetItem(full, i + 1, item);
    }
    PyObject *none = PyObject_Call(value_callbacks.fallback_init, full, kwargs);
    Py_DECREF(full);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

/* ---- for value.py ------------------------------------------------------------------ */

/* _exponent(): the exponent as the user wrote it, or None. */
static PyObject *value_exponent(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *exponent = ((value *)self)->b;
    return Py_NewRef(exponent && !is_value(exponent) ? exponent : Py_None);
}

/* _ieee(op, a, b): record an op of Values, or of a Value and a number or None, where
 * Python's floats raise as IEEE 754 has it. Nothing else runs meanwhile. */
static PyObject *value_ieee(PyObject *Py_UNUSED(module), PyObject *args)
{
    int op;
    double number;
    PyObject *a, *b;
    if (!PyArg_ParseTuple(args, "iO!O", &op, (PyTypeObject *)value_base, &a, &b))
        return NULL;
    int before = begin_ieee();
    mg_node made = b == Py_None   ? mg_record(arena, op, handle_of(a), 0)
                   : is_value(b) ? mg_record(arena, op, handle_of(a), handle_of(b))
                   : get_number(b, &number)
                       ? mg_record_number(arena, op, handle_of(a), number)
                       : MG_ERR_ARG;
    mg_set_ieee(arena, before);
    return result_of(made, "op", a, b == Py_None ? NULL : b);
}

/* _ieee_backward(value, seed, budget, derives): the first slice of such a backward, or of
 * the walk of derivatives(); its status. */
static PyObject *value_ieee_backward(PyObject *Py_UNUSED(module), PyObject *args)
{
    long long handle, budget;
    double seed;
    int derives;
    if (!PyArg_ParseTuple(args, "LdLp", &handle, &seed, &budget, &derives)) return NULL;
    int before = begin_ieee();
    int status = derives ? mg_derive(arena, handle, budget)
                         : mg_backward(arena, handle, seed, budget);
    mg_set_ieee(arena, before);
    return PyLong_FromLong(status);
}

/* _set_exponent(number): keep it. */
PyObject *value_set_exponent(PyObject *x, PyObject *number)
{
    value *self = (value *)x;
    PyObject *before = self->b;
    track_for(self, number);
    self->b = Py_NewRef(number);
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

/* Make objects of nodes in a list, which hold `sources`; NULL after an exception, with all
 * freed. */
static PyObject *adopt_list(const mg_node *nodes, Py_ssize_t count, PyObject *sources)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *made = list ? adopt_again(nodes[i], sources, NULL) : NULL;
        if (made) PyList_SetItem(list, i, made);
        else if (!list) mg_release(arena, nodes[i]);
        else Py_CLEAR(list);
    }
    return list;
}

static int grad_without_gil(mg_node root, Py_ssize_t count, mg_node *inputs, mg_node *out)
{
    long_call call;
    mg_node status;
    long_open_graph(&call);
    do {
        long_begin(&call);
        status = mg_grad(arena, root, count, inputs, out);
    } while (long_end(&call, &status, &root, 1));
    return (int)status;
}

/* With the GIL, so that nobody else records meanwhile. */
static int grad_ieee(mg_node root, Py_ssize_t count, mg_node *inputs, mg_node *out)
{
    int before = begin_ieee();
    int status = mg_grad(arena, root, count, inputs, out);
    mg_set_ieee(arena, before);
    return status;
}

/* _grad(output, tuple of inputs, whether infinities are no errors): the derivatives as
 * recorded Values in a list. */
static PyObject *value_grad(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *output, *inputs;
    int ieee;
    if (!PyArg_ParseTuple(args, "O!O!p", value_base, &output, &PyTuple_Type, &inputs, &ieee))
        return NULL;
    Py_ssize_t count = PyTuple_Size(inputs);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_value(PyTuple_GetItem(inputs, i)))
            return PyErr_Format(PyExc_TypeError, "an input is no Value");
    mg_node *handles = PyMem_Malloc(2 * (size_t)(count + 1) * sizeof(mg_node));
    if (!handles) return PyErr_NoMemory();
    mg_node *out = handles + count, root = handle_of(output);
    for (Py_ssize_t i = 0; i < count; i++)
        handles[i] = handle_of(PyTuple_GetItem(inputs, i));
    int status = ieee ? grad_ieee(root, count, handles, out)
                      : grad_without_gil(root, count, handles, out);
    PyObject *sources = status < 0 ? NULL : Py_BuildValue("((O)O)", output, inputs);
    PyObject *list = status < 0 ? fail_status(status, "grad", output, NULL)
                     : sources  ? adopt_list(out, count, sources)
                                : NULL;
    if (status >= 0 && !sources)
        for (Py_ssize_t i = 0; i < count; i++) mg_release(arena, out[i]);
    Py_XDECREF(sources);
    PyMem_Free(handles);
    return list;
}

/* _adopt(handle): the object of a leaf that is none's, whose reference the caller has. */
static PyObject *value_adopt(PyObject *Py_UNUSED(none), PyObject *handle)
{
    double data;
    mg_node leaf = PyLong_AsLongLong(handle);
    if (leaf == -1 && PyErr_Occurred()) return NULL;
    int status = mg_data(arena, 1, &leaf, &data); /* refuses what is no handle */
    if (status < 0) return fail_status(status, "Value", NULL, NULL);
    return adopt_again(leaf, NULL, NULL);
}

static PyMethodDef methods[] = {
#define METHOD_ROW(NAME, name, documentation) \
    {#name, value_##name, METH_NOARGS, documentation},
    UNARY_METHODS(METHOD_ROW)
    {"maximum", value_maximum, METH_O,
     "Return the larger of x and other; the gradient of a tie is split in halves."},
    {"minimum", value_minimum, METH_O,
     "Return the smaller of x and other; the gradient of a tie is split in halves."},
    {"__eq__", value_equal, METH_O, NULL},
    {"__ne__", value_not_equal, METH_O, NULL},
    {"_ieee", value_ieee, METH_VARARGS | METH_STATIC, NULL},
    {"_ieee_backward", value_ieee_backward, METH_VARARGS | METH_STATIC, NULL},
    {"_operands", value_operands, METH_NOARGS, NULL},
    {"_factors", value_factors, METH_NOARGS, NULL},
    {"_exponent", value_exponent, METH_NOARGS, NULL},
    {"_set_exponent", value_set_exponent, METH_O, NULL},
    {"_stored", value_stored, METH_O, NULL},
    {"_store", value_store, METH_VARARGS, NULL},
    {"_attributes", value_attributes, METH_NOARGS, NULL},
    {"_record", value_record, METH_NOARGS, NULL},
    {"_adopt", value_adopt, METH_O | METH_STATIC, NULL},
    {"_restore", value_restore, METH_VARARGS | METH_STATIC, NULL},
    {"_copy", value_copy, METH_VARARGS | METH_STATIC, NULL},
    {"_given", value_given, METH_VARARGS | METH_STATIC, NULL},
    {"_call", value_call, METH_O | METH_STATIC, NULL},
    {"_await", value_await, METH_VARARGS | METH_STATIC, NULL},
    {"_grad", value_grad, METH_VARARGS | METH_STATIC, NULL},
    {"_script_compile", value_script_compile, METH_VARARGS | METH_STATIC, NULL},
    {"_script_load", value_script_load, METH_VARARGS | METH_STATIC, NULL},
    {"_script_backward", value_script_backward, METH_VARARGS | METH_STATIC, NULL},
    {"_script_close", value_script_close, METH_VARARGS | METH_STATIC, NULL},
    {"_script_run", value_script_run, METH_VARARGS | METH_STATIC, NULL},
    {"_mlp", value_mlp, METH_VARARGS | METH_STATIC, NULL},
    {"_cross_entropy", value_cross_entropy, METH_VARARGS | METH_STATIC, NULL},
    {"_sum", value_sum, METH_VARARGS | METH_STATIC, NULL},
    {"_dot", value_dot, METH_VARARGS | METH_STATIC, NULL},
    {"_softmax", value_softmax, METH_VARARGS | METH_STATIC, NULL},
    {"_rmsnorm", value_rmsnorm, METH_VARARGS | METH_STATIC, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"data", get_data, set_data, "The number.", NULL},
    {"grad", get_grad, set_grad, "The gradient.", NULL},
    {"_backward", value_get_rule, value_set_rule,
     "The node's step in a backward; another function may take its place.", NULL},
    {"__dict__", value_get_dict, value_set_dict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"_handle", T_LONGLONG, offsetof(value, handle), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(value, attributes), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(value, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The hot path of Value; see value.py."},
    {Py_tp_new, value_new},
    {Py_tp_setattro, value_setattr},
    {Py_tp_init, value_init},
    {Py_tp_traverse, value_traverse},
    {Py_tp_clear, value_clear},
    {Py_tp_dealloc, value_dealloc},
    {Py_tp_hash, value_hash},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {Py_nb_add, value_add},
    {Py_nb_subtract, value_subtract},
    {Py_nb_multiply, value_multiply},
    {Py_nb_true_divide, value_divide},
    {Py_nb_power, value_power},
    {Py_nb_negative, value_negative},
    {Py_nb_absolute, value_absolute},
    {0, NULL},
};

/* ---- what a class of the user's has changed ----------------------------------------- */

static const char *const plain_names[] = {
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__",
    "__rtruediv__", "__pow__", "__rpow__", "__neg__", "__abs__", "maximum", "minimum",
    "data", "grad",
#define PLAIN_NAME(NAME, name, documentation) #name,
    UNARY_METHODS(PLAIN_NAME)
    NULL};

int is_plain_class(PyTypeObject *type)
{
    for (const char *const *name = plain_names; *name; name++) {
        PyObject *ours = PyObject_GetAttrString(value_base, *name);
        PyObject *found = PyObject_GetAttrString((PyObject *)type, *name);
        int is_ours = ours && ours == found;
        Py_XDECREF(ours);
        Py_XDECREF(found);
        if (PyErr_Occurred()) return -1;
        if (!is_ours) return 0;
    }
    return 1;
}

static PyObject *value_names; /* vars(Value) */
static Py_ssize_t value_name_count;

int note_value_class(void)
{
    PyObject *names = PyObject_GetAttrString((PyObject *)value_type, "__dict__");
    if (!names) return -1;
    Py_XDECREF(value_names);
    value_names = names;
    value_name_count = PyObject_Size(names);
    return value_name_count < 0 ? -1 : 0;
}

int is_value_plain(void)
{
    if (PyObject_Size(value_names) == value_name_count) return 1;
    return is_plain_class(value_type);
}

PyType_Spec value_specification = {
    "pymicrograd._types.ValueBase",
    sizeof(value),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    slots,
};
