/* value.c: ValueBase, the part of Value that every operation passes through, as a
 * CPython type.
 *
 * A call through cffi costs 57 to 130 ns and a Python object with a __del__ 200 ns
 * (CPython 3.11), ten times the work of a node; here an operator costs 50 ns in all. The
 * type knows floats and small ints; whatever else an operand may be, and every error, is
 * left to value.py, whose functions it is given at import. Limited API of CPython 3.10,
 * one interpreter.
 *
 * a and b hold the operands' objects; what else they may hold says value.py. Dropping a
 * long chain is safe: Python's subclass brings CPython's trashcan. */
#include "binding.h"

#include <math.h>
#include <stddef.h>
#include <structmember.h>

typedef struct value {
    PyObject_HEAD
    mg_node handle; /* 0 before __init__ */
    PyObject *a, *b;
} value;

int is_value(PyObject *x)
{
    return Py_TYPE(x) == value_type || PyObject_TypeCheck(x, (PyTypeObject *)value_base);
}

mg_node handle_of(PyObject *x)
{
    return ((value *)x)->handle;
}

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

/* Make the object of a node, as wrap_node() does, of one recorded before. */
static PyObject *adopt_node(mg_node handle, PyObject *a, PyObject *b)
{
    value *made = (value *)value_alloc(value_type, 0);
    if (!made) {
        mg_release(arena, handle);
        return NULL;
    }
    made->handle = handle;
    Py_XINCREF(a);
    Py_XINCREF(b);
    made->a = a;
    made->b = b;
    return (PyObject *)made;
}

/* Make the leaf that no_grad leaves of a result. */
static PyObject *wrap_leaf(mg_node handle)
{
    double data = 0.0;
    mg_data(arena, 1, &handle, &data);
    mg_release(arena, handle);
    mg_node leaf = mg_leaf(arena, data);
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
    const char *format = b ? "LsOO" : a ? "LsO" : "Ls";
    PyObject *none =
        PyObject_CallFunction(value_callbacks.fail, format, (long long)status, name, a,
                              b);
    Py_XDECREF(none);
    return NULL;
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

/* ---- operators, in the nodes that micrograd makes ---------------------------------- */

/* Record a + number or a * number; nobody needs the number's object. */
static PyObject *add_number(PyObject *a, double number)
{
    mg_node made = mg_record_number(arena, MG_ADD, handle_of(a), number);
    return result_of(made, "add", a, NULL);
}

static PyObject *multiply_number(PyObject *a, double number)
{
    mg_node made = mg_record_number(arena, MG_MUL, handle_of(a), number);
    return result_of(made, "mul", a, NULL);
}

static PyObject *value_add(PyObject *left, PyObject *right)
{
    double number;
    if (is_value(left) && is_value(right))
        return result_of(mg_record(arena, MG_ADD, handle_of(left), handle_of(right)),
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
        return result_of(mg_record(arena, MG_MUL, handle_of(left), handle_of(right)),
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
        return result_of(mg_subtract(arena, handle_of(left), handle_of(right)), "sub",
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
    return result_of(mg_record_number(arena, MG_POW_NUMBER, handle_of(a), number), "pow",
                     a, exponent);
}

/* number ** b, which has a leaf for the number. */
static PyObject *power_of_number(PyObject *a, double number, PyObject *b)
{
    mg_node leaf = mg_leaf(arena, number);
    if (leaf < 0) return fail_status(leaf, "pow", a, b);
    mg_node made = mg_record(arena, MG_POW, leaf, handle_of(b));
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
        return result_of(mg_record(arena, MG_POW, handle_of(left), handle_of(right)),
                         "pow", left, right);
    if (is_value(right) && get_number(left, &number))
        return power_of_number(left, number, right);
    return fallback("pow", left, right);
}

static PyObject *value_divide(PyObject *left, PyObject *right)
{
    double number;
    if (is_value(left) && is_value(right))
        return result_of(mg_divide(arena, handle_of(left), handle_of(right)), "div", left,
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

/* ---- functions --------------------------------------------------------------------- */

static PyObject *record_unary(PyObject *self, int op, const char *name)
{
    return result_of(mg_record(arena, op, handle_of(self), 0), name, self, NULL);
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
        return result_of(mg_record(arena, op, handle_of(a), handle_of(b)), name, a, b);
    if (!get_number(b, &number)) return fallback(name, a, b);
    return result_of(mg_record_number(arena, op, handle_of(a), number), name, a, NULL);
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
    mg_node handle = handle_of(self);
    int status = mg_data(arena, 1, &handle, &number);
    return status < 0 ? fail_status(status, "data", self, NULL)
                      : PyFloat_FromDouble(number);
}

static PyObject *get_grad(PyObject *self, void *Py_UNUSED(closure))
{
    double number = 0.0;
    mg_node handle = handle_of(self);
    int status = mg_gradients(arena, 1, &handle, &number);
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
    if (status < 0) fail_status(status, name, self, NULL);
    return status < 0 ? -1 : 0;
}

static int set_data(PyObject *self, PyObject *number, void *Py_UNUSED(closure))
{
    mg_node handle = handle_of(self);
    if (!number || !PyFloat_CheckExact(number)) return fallback_set(self, "data", number);
    double data = PyFloat_AsDouble(number);
    return set_status(self, "data", mg_set_data(arena, 1, &handle, &data));
}

static int set_grad(PyObject *self, PyObject *number, void *Py_UNUSED(closure))
{
    mg_node handle = handle_of(self);
    if (!number || !PyFloat_CheckExact(number)) return fallback_set(self, "grad", number);
    double gradient = PyFloat_AsDouble(number);
    return set_status(self, "grad", mg_set_gradients(arena, 1, &handle, &gradient));
}

/* ---- life -------------------------------------------------------------------------- */

/* Make self the leaf of a number. */
static int init_leaf(value *self, double data)
{
    mg_node handle = mg_leaf(arena, data);
    if (handle < 0) {
        fail_status(handle, "Value", NULL, NULL);
        return -1;
    }
    mg_node before = self->handle;
    self->handle = handle;
    Py_CLEAR(self->a);
    Py_CLEAR(self->b);
    if (before) mg_release(arena, before);
    return 0;
}

static int value_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    double data;
    if (!kwargs && PyTuple_Size(args) == 1 && get_number(PyTuple_GetItem(args, 0), &data))
        return init_leaf((value *)self, data);
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

static int value_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((value *)self)->a);
    Py_VISIT(((value *)self)->b);
    return 0;
}

static int value_clear(PyObject *self)
{
    Py_CLEAR(((value *)self)->a);
    Py_CLEAR(((value *)self)->b);
    return 0;
}

static void value_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (handle_of(self)) mg_release(arena, handle_of(self));
    value_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- for value.py ------------------------------------------------------------------ */

/* _operand(value, which): the operand as a new object, even where it has one. */
static PyObject *value_operand(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *self;
    int which;
    if (!PyArg_ParseTuple(args, "Oi", &self, &which)) return NULL;
    mg_node operand = mg_node_operand(arena, handle_of(self), which);
    return operand > 0 ? adopt_node(operand, NULL, NULL)
                       : fail_status(operand, "operand", self, NULL);
}

/* Make new objects of nodes in a list; NULL after an exception, with all freed. */
static PyObject *adopt_list(const mg_node *nodes, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *made = list ? adopt_node(nodes[i], NULL, NULL) : NULL;
        if (made) PyList_SetItem(list, i, made);
        else if (!list) mg_release(arena, nodes[i]);
        else Py_CLEAR(list);
    }
    return list;
}

/* _grad(output, tuple of inputs): the derivatives as new objects in a list. */
static PyObject *value_grad(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *output, *inputs;
    if (!PyArg_ParseTuple(args, "OO!", &output, &PyTuple_Type, &inputs)) return NULL;
    Py_ssize_t count = PyTuple_Size(inputs);
    mg_node *handles = PyMem_Malloc(2 * (size_t)(count + 1) * sizeof(mg_node));
    if (!handles) return PyErr_NoMemory();
    mg_node *out = handles + count, root = handle_of(output);
    for (Py_ssize_t i = 0; i < count; i++)
        handles[i] = handle_of(PyTuple_GetItem(inputs, i));
    PyThreadState *state = release_gil(1);
    int status = mg_grad(arena, root, count, handles, out);
    acquire_gil(state, 1);
    PyObject *list = status < 0 ? fail_status(status, "grad", output, NULL)
                                : adopt_list(out, count);
    PyMem_Free(handles);
    return list;
}

static PyMethodDef methods[] = {
#define METHOD_ROW(NAME, name, documentation) \
    {#name, value_##name, METH_NOARGS, documentation},
    UNARY_METHODS(METHOD_ROW)
    {"maximum", value_maximum, METH_O,
     "Return the larger of x and other; the gradient of a tie is split in halves."},
    {"minimum", value_minimum, METH_O,
     "Return the smaller of x and other; the gradient of a tie is split in halves."},
    {"_operand", value_operand, METH_VARARGS | METH_STATIC, NULL},
    {"_grad", value_grad, METH_VARARGS | METH_STATIC, NULL},
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
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"_handle", T_LONGLONG, offsetof(value, handle), READONLY, NULL},
    {"_a", T_OBJECT, offsetof(value, a), 0, NULL},
    {"_b", T_OBJECT, offsetof(value, b), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The hot path of Value; see value.py."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, value_init},
    {Py_tp_traverse, value_traverse},
    {Py_tp_clear, value_clear},
    {Py_tp_dealloc, value_dealloc},
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

PyType_Spec value_specification = {
    "pymicrograd._types.ValueBase",
    sizeof(value),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    slots,
};
