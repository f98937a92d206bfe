/* apply.c: ops of Tensors: operators, in place, methods, and any op by its number.
 *
 * An operator of two Tensors, or of a Tensor and a plain number, is one call of
 * mg_apply() and one object; the same through a Python function and cffi costs five times
 * as much. Other operands, and every error, are left to Python's callbacks. */
#include "binding.h"

enum {
    LARGE_WHOLE = 1 << 13, /* LARGE for ops that work more than once per element */
    LARGE_OUTER = 1 << 20, /* the same for what is no more than a bound of a result */
    LONG_OUTER = 1 << 30,  /* LONG for the product of two operands' elements */
    FEW = 16,
    MANY_INTEGERS = 64
};

int64_t count_bound(tensor *t, int64_t enough)
{
    mg_array_info info;
    if (t->bound < 0 || t->bound > enough) {
        if (describe_heard(t->handle, &info) < 0) return PyErr_Occurred() ? -1 : 0;
        t->bound = info.count;
    }
    return t->bound;
}

/* Return a * b, neither below 0, or where factors are above INT32_MAX, something so
 * large: a division would cost as much as a small op. */
static int64_t product_bound(int64_t a, int64_t b)
{
    return (a < INT32_MAX ? a : INT32_MAX) * (b < INT32_MAX ? b : INT32_MAX);
}

/* Return how many elements arrays have that are broadcast against each other; where they
 * do not fit, anything. */
static int64_t broadcast_count(int count, const mg_array_info *infos)
{
    int64_t shape[MG_MAX_RANK], total = 1;
    int rank = 0;
    for (const mg_array_info *info = infos; info < infos + count; info++) {
        while (rank < info->rank) shape[rank++] = 1;
        for (int axis = 0; axis < info->rank; axis++) {
            int64_t size = info->shape[info->rank - 1 - axis];
            if (size != 1) shape[axis] = size;
        }
    }
    for (int axis = 0; axis < rank; axis++) total = product_bound(total, shape[axis]);
    return total;
}

static uint64_t key_of(const mg_array_info *info)
{
    uint64_t key = 1;
    for (int axis = 0; axis < info->rank; axis++)
        key = key * 0x9E3779B97F4A7C15 + (uint64_t)info->shape[axis];
    return key;
}

/* Return how many elements two Tensors have that are broadcast against each other, where
 * a has `count`. Describing both costs a third of an op on 2000 elements. */
static int64_t common_count(tensor *a, tensor *b, int64_t count)
{
    if (a->key && a->key == b->key) return count;
    mg_array_info infos[2];
    if (describe_heard(a->handle, &infos[0]) < 0) return PyErr_Occurred() ? -1 : 0;
    if (describe_heard(b->handle, &infos[1]) < 0) return PyErr_Occurred() ? -1 : 0;
    a->key = key_of(&infos[0]);
    b->key = key_of(&infos[1]);
    return broadcast_count(2, infos);
}

/* ---- numbers as operands ----------------------------------------------------------- */

int read_scalar(PyObject *x, scalar *n)
{
    if (PyFloat_CheckExact(x)) {
        *n = (scalar){2, 0, PyFloat_AsDouble(x)};
        return 1;
    }
    if (!PyLong_CheckExact(x) && !PyBool_Check(x)) return 0;
    int overflow;
    n->kind = !PyBool_Check(x);
    n->integer = PyLong_AsLongLongAndOverflow(x, &overflow);
    n->value = (double)n->integer;
    return !overflow;
}

mg_node make_array(int dtype, int rank, const int64_t *shape, const void *data)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count = product_bound(count, shape[i] > 0 ? shape[i] : 0);
    mg_node made;
    if (count <= LARGE && !may_wait()) return mg_array(arena, dtype, rank, shape, data);
    long_call call;
    long_open(&call, count > LARGE, count > LONG);
    do {
        long_begin(&call);
        made = mg_array(arena, dtype, rank, shape, data);
    } while (long_end(&call, &made, NULL, 0));
    return made;
}

/* Make the array without axes that stands for a number; weak against others. */
static mg_node scalar_leaf(const scalar *n)
{
    uint8_t truth = n->integer != 0;
    if (n->kind == 0) return make_array(MG_BOOL, 0, NULL, &truth);
    if (n->kind == 1) return make_array(MG_INT64, 0, NULL, &n->integer);
    return make_array(MG_FLOAT64, 0, NULL, &n->value);
}

/* ---- ops --------------------------------------------------------------------------- */

/* How large a call is: above FOR_GIL the interpreter is let go of, IS_LONG listens for
 * signals. */
enum { IS_SMALL, FOR_GIL, IS_LONG };

static int size_of_call(int large, int64_t count)
{
    return large ? count > LONG ? IS_LONG : FOR_GIL : IS_SMALL;
}

static mg_node apply_long(int large, int op, int count, const mg_node *operands,
                          int integer_count, const int64_t *integers, int number_count,
                          const double *numbers, int record)
{
    long_call call;
    mg_node made;
    long_open(&call, large != IS_SMALL, large == IS_LONG);
    do {
        long_begin(&call);
        made = mg_apply(arena, op, count, operands, integer_count, integers, number_count,
                        numbers, 0, record);
    } while (long_end(&call, &made, operands, count));
    return made;
}

/* mg_apply(), with the interpreter let go for large work. */
static mg_node apply(int large, int op, int count, const mg_node *operands,
                     int integer_count, const int64_t *integers, int number_count,
                     const double *numbers, int record)
{
    if (large != IS_SMALL || may_wait())
        return apply_long(large, op, count, operands, integer_count, integers,
                          number_count, numbers, record);
    return mg_apply(arena, op, count, operands, integer_count, integers, number_count,
                    numbers, 0, record);
}

static PyObject *apply_one(int op, PyObject *self)
{
    tensor *a = (tensor *)self;
    int record = is_recording();
    if (record < 0) return NULL;
    int64_t count = count_bound(a, LARGE);
    if (count < 0) return NULL;
    uint64_t key = a->key;
    mg_node made = apply(size_of_call(count > LARGE, count), op, 1, &a->handle, 0, NULL, 0,
                         NULL, record);
    return made > 0 ? adopt_shaped(made, count, key) : fail_op(made, op, self, NULL);
}

/* Small operands may have a large result: (n, 1) and (1, n). */
static PyObject *apply_two(int op, PyObject *left, PyObject *right, int64_t enough)
{
    tensor *a = (tensor *)left, *b = (tensor *)right;
    int record = is_recording();
    if (record < 0) return NULL;
    int64_t of_a = count_bound(a, enough), of_b = of_a < 0 ? -1 : count_bound(b, enough);
    if (of_b < 0) return NULL;
    int64_t count = product_bound(of_a, of_b);
    int large = of_a > enough || of_b > enough;
    if (!large && count > LARGE_OUTER) {
        if (op < MG_MAP_OP_COUNT) count = common_count(a, b, of_a);
        if (count < 0) return NULL;
        large = count > enough;
    }
    if (large) large = count > LONG_OUTER || of_a > LONG || of_b > LONG ? IS_LONG : FOR_GIL;
    mg_node operands[] = {a->handle, b->handle};
    uint64_t key = op < MG_MAP_OP_COUNT && a->key == b->key ? a->key : 0;
    mg_node made = apply(large, op, 2, operands, 0, NULL, 0, NULL, record);
    if (made <= 0) return fail_op(made, op, left, right);
    return adopt_shaped(made, large ? -1 : count, key);
}

static mg_node apply_number_long(int large, int op, mg_node a, int which, const scalar *n,
                                 int record)
{
    long_call call;
    mg_node made;
    long_open(&call, large != IS_SMALL, large == IS_LONG);
    do {
        long_begin(&call);
        made = mg_apply_number(arena, op, a, which, n->kind, n->integer, n->value, record);
    } while (long_end(&call, &made, &a, 1));
    return made;
}

/* op(self, n), or with which 0 op(n, self); object is n's. */
static PyObject *apply_number(int op, PyObject *self, int which, const scalar *n,
                              PyObject *object)
{
    tensor *a = (tensor *)self;
    int record = is_recording();
    if (record < 0) return NULL;
    int64_t count = count_bound(a, LARGE);
    if (count < 0) return NULL;
    uint64_t key = a->key;
    mg_node made = count > LARGE || may_wait()
                       ? apply_number_long(size_of_call(count > LARGE, count), op,
                                           a->handle, which, n, record)
                       : mg_apply_number(arena, op, a->handle, which, n->kind, n->integer,
                                         n->value, record);
    if (made > 0) return adopt_shaped(made, count, key);
    return which ? fail_op(made, op, self, object) : fail_op(made, op, object, self);
}

/* Let tensors/operators.py see what else the operands are. */
static PyObject *fallback(int op, PyObject *left, PyObject *right)
{
    return PyObject_CallFunction(tensor_callbacks.fallback_operator, "iOO", op, left,
                                 right);
}

static PyObject *apply_operator(int op, PyObject *left, PyObject *right)
{
    scalar n;
    if (is_tensor(left)) {
        if (is_tensor(right)) return apply_two(op, left, right, LARGE);
        if (read_scalar(right, &n)) return apply_number(op, left, 1, &n, right);
    } else if (read_scalar(left, &n)) {
        return apply_number(op, right, 0, &n, left);
    }
    return fallback(op, left, right);
}

static int is_integral(PyObject *self)
{
    mg_array_info info;
    int status = describe_heard(tensor_handle(self), &info);
    if (status == MG_ERR_INTERRUPTED) return -1;
    return status >= 0 && info.dtype > MG_BFLOAT16;
}

static PyObject *apply_power(PyObject *left, PyObject *right)
{
    scalar n;
    int integral = 1;
    if (is_tensor(left) && read_scalar(right, &n))
        integral = n.kind == 2 ? 0 : is_integral(left);
    if (integral < 0) return NULL;
    if (!integral) return apply_number(MG_POW_NUMBER, left, 1, &n, right);
    return apply_operator(MG_POW, left, right);
}

PyObject *tensor_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return apply_power(left, right);
}

#define OPERATOR(slot, NAME, name) \
    PyObject *tensor_##name(PyObject *left, PyObject *right) \
    { \
        return apply_operator(MG_##NAME, left, right); \
    }
BINARY_OPERATORS(OPERATOR)

PyObject *tensor_matmul(PyObject *left, PyObject *right)
{
    if (is_tensor(left) && is_tensor(right))
        return apply_two(MG_MATMUL, left, right, LARGE_WHOLE);
    return fallback(MG_MATMUL, left, right);
}

PyObject *tensor_negative(PyObject *self)
{
    return apply_one(MG_NEG, self);
}

PyObject *tensor_positive(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

PyObject *tensor_absolute(PyObject *self)
{
    return apply_one(MG_ABS, self);
}

PyObject *tensor_invert(PyObject *self)
{
    return apply_one(MG_BITWISE_NOT, self);
}

PyObject *tensor_compare(PyObject *left, PyObject *right, int comparison)
{
    static const int ops[] = {[Py_LT] = MG_LT, [Py_LE] = MG_LE, [Py_EQ] = MG_EQ,
                              [Py_NE] = MG_NE, [Py_GT] = MG_GT, [Py_GE] = MG_GE};
    return apply_operator(ops[comparison], left, right);
}

/* ---- ops in place ------------------------------------------------------------------ */

static int write_in_place(int op, PyObject *self, mg_node other, unsigned weak)
{
    int64_t count = count_bound((tensor *)self, LARGE);
    int large = count > LARGE;
    mg_node operands[] = {tensor_handle(self), other}, status;
    long_call call;
    if (count < 0) return MG_ERR_INTERRUPTED;
    if (!large && !may_wait())
        return mg_apply_in_place(arena, op, operands[0], other, weak);
    long_open(&call, large, 0);
    do {
        long_begin(&call);
        status = mg_apply_in_place(arena, op, operands[0], other, weak);
    } while (long_end(&call, &status, operands, 1 + (other != 0)));
    return (int)status;
}

/* Tell whether the op would have to be recorded; -1 with an exception. */
static int must_record(PyObject *self, PyObject *other)
{
    mg_array_info info;
    int record = is_recording();
    if (record <= 0) return record;
    if (tensor_describe(self, &info) < 0) return -1;
    if (info.requires_grad || !other) return info.requires_grad;
    return tensor_describe(other, &info) < 0 ? -1 : info.requires_grad;
}

/* Let tensors/operators.py see what else the operand is, or record the change. */
static PyObject *fallback_in_place(int op, PyObject *self, PyObject *other)
{
    return PyObject_CallFunction(tensor_callbacks.fallback_in_place, "iOO", op, self,
                                 other ? other : Py_None);
}

/* self = op(self, other) or, with other NULL, op(self). */
static PyObject *in_place(int op, PyObject *self, PyObject *other)
{
    scalar n = {0, 0, 0.0};
    int plain = other && !is_tensor(other);
    if (plain && !read_scalar(other, &n))
        return fallback_in_place(op, self, other);
    int record = must_record(self, plain ? NULL : other);
    if (record < 0) return NULL;
    if (record) return fallback_in_place(op, self, other);
    mg_node operand = plain ? scalar_leaf(&n) : other ? tensor_handle(other) : 0;
    int64_t status =
        operand < 0 ? operand : write_in_place(op, self, operand, plain ? 2 : 0);
    if (plain) release_node(operand);
    if (status < 0)
        return fail_named(status, PyUnicode_FromFormat("%s_", mg_op_name(op)), self,
                          other);
    Py_INCREF(self);
    return self;
}

#define IN_PLACE_OPERATOR(slot, NAME, name) \
    PyObject *tensor_inplace_##name(PyObject *self, PyObject *other) \
    { \
        return in_place(MG_##NAME, self, other); \
    }
BINARY_OPERATORS(IN_PLACE_OPERATOR)

PyObject *tensor_inplace_power(PyObject *self, PyObject *other, PyObject *modulus)
{
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return in_place(MG_POW, self, other);
}

/* ---- methods: every elementwise op of the table, and with _ behind its name in place */

/* Raise TypeError for the operand that no operator knows what to do with. */
PyObject *require_result(PyObject *result, const char *name, PyObject *other)
{
    if (result != Py_NotImplemented) return result;
    Py_DECREF(result);
    PyErr_Format(PyExc_TypeError, "%s: %R is neither a tensor nor a number", name,
                 (PyObject *)Py_TYPE(other));
    return NULL;
}

static PyObject *apply_method(int op, const char *name, PyObject *self,
                              PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count != 1 || names) return call_named(self, name, args, count, names);
    PyObject *result =
        op == MG_POW ? apply_power(self, *args) : apply_operator(op, self, *args);
    return require_result(result, name, *args);
}

static PyObject *in_place_method(int op, const char *name, PyObject *self,
                                 PyObject *const *args, Py_ssize_t count,
                                 PyObject *names)
{
    if (count != 1 || names) return call_named(self, name, args, count, names);
    return require_result(in_place(op, self, *args), name, *args);
}

#define FUNCTIONS_0(NAME, name)
#define FUNCTIONS_1(NAME, name) \
    static PyObject *method_##name(PyObject *self, PyObject *Py_UNUSED(none)) \
    { \
        return apply_one(MG_##NAME, self); \
    } \
    static PyObject *method_##name##_(PyObject *self, PyObject *Py_UNUSED(none)) \
    { \
        return in_place(MG_##NAME, self, NULL); \
    }
#define FUNCTIONS_2(NAME, name) \
    static PyObject *method_##name(PyObject *self, PyObject *const *args, \
                                   Py_ssize_t count, PyObject *names) \
    { \
        return apply_method(MG_##NAME, #name, self, args, count, names); \
    } \
    static PyObject *method_##name##_(PyObject *self, PyObject *const *args, \
                                      Py_ssize_t count, PyObject *names) \
    { \
        return in_place_method(MG_##NAME, #name "_", self, args, count, names); \
    }
#define MG_ELEMENT(NAME, name, symbol, arity, ...) \
    FUNCTIONS_##arity(NAME, name)
#include "ops.def"

/* Docstrings: a row's formula, and what its types mean to users. */
#define TYPES_NOWHERE ""
#define TYPES_FLOATS "Integers and bools are computed as float32."
#define TYPES_NUMBERS "The dtype stays; bools count as int64."
#define TYPES_NUMBERS_ONLY "The dtype stays.\n\nRaises:\n    DTypeError: of bools."
#define TYPES_NUMBERS_AND_BOOLS "The dtype stays; of bools + is or, * is and."
#define TYPES_INTEGRAL \
    "The dtype stays.\n\nRaises:\n    DTypeError: of floats and of bools."
#define TYPES_INTEGRAL_AND_BOOLS "The dtype stays.\n\nRaises:\n    DTypeError: of floats."
#define TYPES_COMPARES "The result is of bool."
#define TYPES_TRUTHS "What is not 0 counts as True; the result is of bool."
#define FORMULA(name, types, value) \
    "Return " #name " of each element, " value " in the words of csrc/ops.def.\n\n" types
#define FORMULA_2(name, types, value) \
    "Return " #name " element by element, " value " in the words of csrc/ops.def.\n\n" \
    "A is self, B the operand, a Tensor or a number; their shapes are broadcast, their " \
    "dtypes\npromoted. " types
#define IN_PLACE(name) \
    "Write `" #name "` over the elements; return the tensor.\n\nRaises:\n" \
    "    DTypeError: the result has another kind, such as floats into integers.\n" \
    "    ShapeError: the operand cannot be broadcast into this shape.\n" \
    "    GradientError: this is a leaf that requires a gradient; use no_grad().\n" \
    "    ReadOnlyError: the memory is read-only.\n" \
    "    ViewError: elements share memory, as after expand()."
#define METHODS_0(name, traits, types, value)
#define METHODS_1(name, traits, types, value) \
    {traits, {#name, method_##name, METH_NOARGS, FORMULA(name, types, value)}}, \
        {traits, {#name "_", method_##name##_, METH_NOARGS, IN_PLACE(name)}},
#define METHODS_2(name, traits, types, value) \
    {traits, {#name, WITH_NAMES(method_##name), FORMULA_2(name, types, value)}}, \
        {traits, {#name "_", WITH_NAMES(method_##name##_), IN_PLACE(name)}},
static const struct {
    int traits; /* of the op */
    PyMethodDef method;
} op_methods[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, types, traits, frames, value, ...) \
    METHODS_##arity(name, traits, TYPES_##types, #value)
#include "ops.def"
};

size_t add_op_methods(PyMethodDef *methods, size_t count)
{
    for (size_t i = 0; i < sizeof op_methods / sizeof *op_methods; i++)
        if (!(op_methods[i].traits & MG_INTERNAL)) methods[count++] = op_methods[i].method;
    return count;
}

/* ---- any op ------------------------------------------------------------------------ */

/* What _apply() reads its arguments into. */
typedef struct call {
    int op, operand_count, integer_count, number_count;
    mg_node few[FEW], *operands; /* operands is few where they fit */
    int64_t integers[MANY_INTEGERS];
    double numbers[2];
    int64_t work;  /* elements of all operands */
    int64_t outer; /* the product of the first two operands' */
    int is_interrupted; /* with a handler's exception */
} call;

static int read_operands(call *c, PyObject *operands)
{
    Py_ssize_t count = PyTuple_Size(operands);
    if (count < 0 || count > INT32_MAX) return -1;
    c->operand_count = (int)count;
    if (count > FEW) c->operands = PyMem_Malloc((size_t)count * sizeof(mg_node));
    if (!c->operands) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *operand = PyTuple_GetItem(operands, i);
        if (!is_tensor(operand)) {
            PyErr_SetString(PyExc_TypeError, "operands of an op are tensors");
            return -1;
        }
        int64_t elements = count_bound((tensor *)operand, LARGE_WHOLE);
        if (elements < 0) return -1;
        c->operands[i] = tensor_handle(operand);
        c->work += elements;
        if (i < 2) c->outer = product_bound(c->outer, elements);
    }
    return 0;
}

static int read_integers(call *c, PyObject *integers)
{
    Py_ssize_t count = PyTuple_Size(integers);
    if (count < 0 || count > MANY_INTEGERS) {
        PyErr_SetString(PyExc_ValueError, "an op takes no more than 64 integers");
        return -1;
    }
    c->integer_count = (int)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        c->integers[i] = PyLong_AsLongLong(PyTuple_GetItem(integers, i));
        if (c->integers[i] == -1 && PyErr_Occurred()) return -1;
    }
    return 0;
}

static int read_numbers(call *c, PyObject *numbers)
{
    Py_ssize_t count = PyTuple_Size(numbers);
    if (count < 0 || count > 2) {
        PyErr_SetString(PyExc_ValueError, "an op takes no more than two numbers");
        return -1;
    }
    c->number_count = (int)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        c->numbers[i] = PyFloat_AsDouble(PyTuple_GetItem(numbers, i));
        if (c->numbers[i] == -1.0 && PyErr_Occurred()) return -1;
    }
    return 0;
}

/* Read (op, operands[, integers[, numbers]]). */
static int read_call(call *c, PyObject *const *args, Py_ssize_t count)
{
    *c = (call){.outer = 1};
    c->operands = c->few;
    if (count < 2 || count > 4) {
        PyErr_SetString(PyExc_TypeError, "an op takes 2 to 4 arguments");
        return -1;
    }
    c->op = (int)PyLong_AsLong(args[0]);
    if (c->op == -1 && PyErr_Occurred()) return -1;
    if (read_operands(c, args[1]) < 0) return -1;
    if (count > 2 && read_integers(c, args[2]) < 0) return -1;
    return count > 3 ? read_numbers(c, args[3]) : 0;
}

/* Return how many elements its operands have that are broadcast against each other. */
static int64_t call_count(call *c)
{
    mg_array_info infos[2];
    if (c->operand_count > 2) return 0;
    for (int i = 0; i < c->operand_count; i++) {
        int status = describe_heard(c->operands[i], &infos[i]);
        if (status == MG_ERR_INTERRUPTED) c->is_interrupted = 1;
        if (status < 0) return 0;
    }
    return broadcast_count(c->operand_count, infos);
}

/* Tell whether an op takes long though its operands are not large. */
static int grows(call *c)
{
    int64_t bound = 1;
    int traits = mg_op_traits(c->op);
    if (traits < 0) return 0; /* no op, which is an error soon */
    if (traits & MG_PADS) { /* at most its sizes, each added to an axis of the operand */
        for (int i = 0; i < c->integer_count; i++)
            bound = product_bound(bound, c->integers[i] < 0 ? 1 : c->integers[i] + 1);
        return product_bound(bound, c->work + 1) > LARGE_OUTER;
    }
    if (c->outer <= LARGE_OUTER) return 0;
    if (traits & MG_OUTER) return 1;
    return c->op < MG_MAP_OP_COUNT && call_count(c) > LARGE_WHOLE;
}

static int is_large(call *c)
{
    int expands = grows(c);
    if (expands || c->work > LONG || c->outer > LONG_OUTER) return IS_LONG;
    return c->work > LARGE_WHOLE ? FOR_GIL : IS_SMALL;
}

static void close_call(call *c)
{
    if (c->operands != c->few) PyMem_Free(c->operands);
}

static PyObject *result_of_call(mg_node made, PyObject *const *args, Py_ssize_t count)
{
    if (made > 0) return adopt(made, -1);
    return tensor_fail(made, args[0], args[1], count > 2 ? args[2] : NULL);
}

/* _apply(op, operands, integers, numbers): any op of the table, by number. */
PyObject *tensor_apply(PyObject *Py_UNUSED(none), PyObject *const *args,
                              Py_ssize_t count)
{
    call c;
    int record = is_recording();
    if (record < 0 || read_call(&c, args, count) < 0) {
        if (record >= 0) close_call(&c);
        return NULL;
    }
    int large = is_large(&c);
    mg_node made = c.is_interrupted
                       ? MG_ERR_INTERRUPTED
                       : apply(large, c.op, c.operand_count, c.operands, c.integer_count,
                               c.integers, c.number_count, c.numbers, record);
    close_call(&c);
    return result_of_call(made, args, count);
}

/* _apply_over(op, operands, integers): the result takes over operand 0's memory. */
PyObject *tensor_apply_over(PyObject *Py_UNUSED(none), PyObject *const *args,
                                   Py_ssize_t count)
{
    call c;
    int record = is_recording();
    if (record < 0 || read_call(&c, args, count) < 0) {
        if (record >= 0) close_call(&c);
        return NULL;
    }
    int large = is_large(&c) != IS_SMALL;
    long_call wait;
    mg_node made = MG_ERR_INTERRUPTED;
    long_open(&wait, large, 0);
    if (!c.is_interrupted) do {
        long_begin(&wait);
        made = mg_apply_over(arena, c.op, c.operand_count, c.operands, c.integer_count,
                             c.integers, record);
    } while (long_end(&wait, &made, c.operands, c.operand_count));
    close_call(&c);
    return result_of_call(made, args, count);
}

/* _write(self, other): copy other, broadcast and cast, over self; records nothing. */
PyObject *tensor_write(PyObject *self, PyObject *other)
{
    if (!is_tensor(other))
        return require_result(Py_NewRef(Py_NotImplemented), "copy", other);
    int status = write_in_place(MG_CAST, self, tensor_handle(other), 0);
    if (status < 0) return fail_named(status, PyUnicode_FromString("copy_"), self, other);
    Py_RETURN_NONE;
}

/* Read the handles of a tuple of Values and the floats of another into new memory. */
static mg_node *read_values(PyObject *values, PyObject *floats, double **numbers)
{
    size_t count = (size_t)PyTuple_Size(values);
    mg_node *handles = PyMem_Malloc((count + 1) * (sizeof(mg_node) + sizeof(double)));
    if (!handles) return (mg_node *)PyErr_NoMemory();
    *numbers = (double *)(handles + count);
    for (size_t i = 0; i < count; i++) {
        PyObject *operand = PyTuple_GetItem(values, (Py_ssize_t)i);
        PyObject *number = PyTuple_GetItem(floats, (Py_ssize_t)i);
        if (!number || !is_value(operand) || !PyFloat_Check(number)) {
            PyMem_Free(handles);
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "Values and floats");
            return NULL;
        }
        handles[i] = handle_of(operand);
        (*numbers)[i] = PyFloat_AsDouble(number);
    }
    return handles;
}

/* Refuse what _write() would refuse, but for the lack of memory. */
static int check_write(PyObject *self, PyObject *other)
{
    mg_array_info to, from;
    if (!other || !is_tensor(self) || !is_tensor(other)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "Tensors are needed");
        return -1;
    }
    if (tensor_describe(self, &to) < 0 || tensor_describe(other, &from) < 0) return -1;
    int status = to.read_only ? MG_ERR_READONLY : to.dtype != from.dtype ? MG_ERR_DTYPE : 0;
    if (status < 0) fail_named(status, PyUnicode_FromString("load"), self, other);
    return status < 0 ? -1 : 0;
}

/* _load(tensors, others, values, numbers): copy others over tensors and set the data of
 * Values, all in tuples and checked before: in one call, so that no Ctrl-C falls between. */
PyObject *tensor_load(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *tensors, *others, *values, *floats, *done = NULL;
    if (!PyArg_ParseTuple(args, "O!O!O!O!", &PyTuple_Type, &tensors, &PyTuple_Type,
                          &others, &PyTuple_Type, &values, &PyTuple_Type, &floats))
        return NULL;
    Py_ssize_t count = PyTuple_Size(tensors);
    for (Py_ssize_t i = 0; i < count; i++)
        if (check_write(PyTuple_GetItem(tensors, i), PyTuple_GetItem(others, i)) < 0)
            return NULL;
    double *numbers = NULL;
    mg_node *handles = read_values(values, floats, &numbers);
    if (!handles) return NULL;
    int status = mg_set_data(arena, PyTuple_Size(values), handles, numbers);
    PyMem_Free(handles);
    if (status < 0) return fail_status(status, "data", NULL, NULL);
    for (Py_ssize_t i = 0; i < count; i++) {
        done = tensor_write(PyTuple_GetItem(tensors, i), PyTuple_GetItem(others, i));
        if (!done) return NULL;
        Py_DECREF(done);
    }
    Py_RETURN_NONE;
}

PyObject *tensor_apply_integers(int op, PyObject *self, const mg_array_info *info,
                                int integer_count, const int64_t *integers)
{
    mg_node handle = tensor_handle(self);
    int record = is_recording();
    if (record < 0) return NULL;
    const int size = size_of_call(info->count > LARGE, info->count);
    mg_node made = apply(size, op, 1, &handle, integer_count, integers, 0, NULL, record);
    if (made > 0) return adopt(made, info->count);
    PyObject *what = PyLong_FromLong(op), *operands = PyTuple_Pack(1, self);
    PyObject *tuple = tuple_of(integers, integer_count);
    if (what && operands && tuple) tensor_fail(made, what, operands, tuple);
    Py_XDECREF(what);
    Py_XDECREF(operands);
    Py_XDECREF(tuple);
    return NULL;
}
