/* tensor.c: TensorBase, the part of Tensor that every operation passes through, as a
 * CPython type.
 *
 * An operator of two Tensors, or of a Tensor and a plain number, is one call of
 * mg_apply() and one object; the same through a Python function and cffi costs five times
 * as much. Other operands, and every error, are left to _tensor.py, whose functions it is
 * given at import. Limited API of CPython 3.10, one interpreter.
 *
 * The core refers to Python objects in two places: the owner of memory that an array
 * shares, and what is attached to a node (its hooks, or the context of a Function). It
 * gives them back through mg_released(), which has to be asked after whatever may free a
 * node: give_back(). */
#include "binding.h"

#include <stddef.h>
#include <structmember.h>

enum {
    LARGE = 1 << 16,        /* elements from which on other threads may run meanwhile */
    LARGE_WHOLE = 1 << 13,  /* the same for ops that work more than once per element */
    LARGE_OUTER = 1 << 20,  /* the same for what is no more than a bound of a result */
    SWEEP_BUDGET = 1 << 22, /* elements between two looks at Ctrl-C: a few milliseconds */
    FEW = 16,
    MANY_INTEGERS = 64
};

enum { EXPORTED = 1, HOOKED = 2 };

typedef struct tensor {
    PyObject_HEAD
    mg_node handle;     /* 0 before __init__ */
    PyObject *gradient; /* the object of .grad, while it has the node's gradient */
    PyObject *pinned;   /* Tensors whose memory an importer of this one may use */
    int64_t bound;      /* there are not more elements; -1: not known */
    uint64_t key;       /* one number for one shape; 0: not known */
    int flags;
} tensor;

static mg_arena *arena;
static PyTypeObject *tensor_type; /* Tensor, the subclass that results are made of */
static allocfunc tensor_alloc;
static PyObject *base_type;
static PyObject *dtypes; /* a tuple, by number */
/* Functions of Python's: slow_operator(op, left, right), slow_in_place(op, self, other,
 * is_named), stop(status, sweep, flags), fail(status, what, operands, integers); and
 * no_grad's dict, whose keys are the threads inside it. */
static PyObject *slow_operator, *slow_in_place, *stop_function, *fail_function, *silent;
static _Atomic int64_t lent; /* objects that the core refers to */

/* ---- objects and nodes ------------------------------------------------------------- */

int is_tensor(PyObject *x)
{
    return Py_TYPE(x) == tensor_type || PyObject_TypeCheck(x, (PyTypeObject *)base_type);
}

mg_node tensor_handle(PyObject *x)
{
    return ((tensor *)x)->handle;
}

/* Let go of what nodes that are no more have kept. */
static void give_back(void)
{
    while (atomic_load_explicit(&lent, memory_order_relaxed) > 0) {
        PyThreadState *left = let_go(0);
        PyObject *object = mg_released(arena);
        take_back(left, 0);
        if (!object) return;
        atomic_fetch_sub_explicit(&lent, 1, memory_order_relaxed);
        Py_DECREF(object);
    }
}

static void release_node(mg_node handle)
{
    if (handle > 0) {
        PyThreadState *left = let_go(0);
        mg_release(arena, handle);
        take_back(left, 0);
    }
    give_back();
}

/* Import tensors/tensor.py, which sets all of this up. */
static int load_tensor(void)
{
    PyObject *module = PyImport_ImportModule("pymicrograd.tensors.tensor");
    Py_XDECREF(module);
    return module && tensor_alloc ? 0 : -1;
}

/* Make the object of a new node, whose reference it takes over; what is known of it. */
static PyObject *adopt_shaped(mg_node handle, int64_t bound, uint64_t key)
{
    tensor *made = NULL;
    if (tensor_alloc || load_tensor() == 0) made = (tensor *)tensor_alloc(tensor_type, 0);
    if (!made) {
        release_node(handle);
        return NULL;
    }
    made->handle = handle;
    made->bound = bound;
    made->key = key;
    return (PyObject *)made;
}

static PyObject *adopt(mg_node handle, int64_t bound)
{
    return adopt_shaped(handle, bound, 0);
}

static PyObject *tensor_fail(int64_t status, PyObject *what, PyObject *operands,
                             PyObject *integers)
{
    PyObject *none = PyObject_CallFunction(fail_function, "LOOO", (long long)status, what,
                                           operands, integers ? integers : Py_None);
    Py_XDECREF(none);
    give_back();
    return NULL;
}

/* Raise the exception of an op's status; b may be NULL. */
static PyObject *fail_op(mg_node status, int op, PyObject *a, PyObject *b)
{
    PyObject *what = PyLong_FromLong(op);
    PyObject *operands = b ? PyTuple_Pack(2, a, b) : PyTuple_Pack(1, a);
    if (what && operands) tensor_fail(status, what, operands, NULL);
    Py_XDECREF(what);
    Py_XDECREF(operands);
    return NULL;
}

/* Raise the exception of another call's status; other may be NULL. */
static PyObject *fail_named(int64_t status, PyObject *what, PyObject *self,
                            PyObject *other)
{
    PyObject *operands = other  ? PyTuple_Pack(2, self, other)
                         : self ? PyTuple_Pack(1, self)
                                : PyTuple_New(0);
    if (what && operands) tensor_fail(status, what, operands, NULL);
    Py_XDECREF(what);
    Py_XDECREF(operands);
    return NULL;
}

static PyObject *fail_call(int64_t status, const char *name, PyObject *self)
{
    return fail_named(status, PyUnicode_FromString(name), self, NULL);
}

PyObject *tensor_result(mg_node handle, const char *name)
{
    return handle > 0 ? adopt(handle, -1) : fail_call(handle, name, NULL);
}

static int describe(mg_node handle, mg_array_info *info)
{
    PyThreadState *left = let_go(0);
    int status = mg_array_describe(arena, handle, info);
    take_back(left, 0);
    return status;
}

int tensor_describe(PyObject *self, mg_array_info *info)
{
    int status = describe(tensor_handle(self), info);
    if (status < 0) {
        fail_call(status, "tensor", self);
        return -1;
    }
    ((tensor *)self)->bound = info->count;
    return 0;
}

/* Tell whether this thread is not inside no_grad; -1 with an exception. */
static int is_recording(void)
{
    if (PyDict_Size(silent) == 0) return 1;
    PyObject *thread = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    int found = thread ? PyDict_Contains(silent, thread) : -1;
    Py_XDECREF(thread);
    return found < 0 ? -1 : !found;
}

/* Return the number of elements, or a bound of it that is not above `enough`. */
static int64_t count_bound(tensor *t, int64_t enough)
{
    mg_array_info info;
    if (t->bound < 0 || t->bound > enough) {
        if (describe(t->handle, &info) < 0) return 0;
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
    if (describe(a->handle, &infos[0]) < 0) return 0;
    if (describe(b->handle, &infos[1]) < 0) return 0;
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
    PyThreadState *left = let_go(count > LARGE);
    mg_node made = mg_array(arena, dtype, rank, shape, data);
    take_back(left, count > LARGE);
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

/* mg_apply(), with the interpreter let go for large work. */
static mg_node apply(int large, int op, int count, const mg_node *operands,
                     int integer_count, const int64_t *integers, int number_count,
                     const double *numbers, int record)
{
    PyThreadState *left = let_go(large);
    mg_node made = mg_apply(arena, op, count, operands, integer_count, integers,
                            number_count, numbers, 0, record);
    take_back(left, large);
    return made;
}

static PyObject *apply_one(int op, PyObject *self)
{
    tensor *a = (tensor *)self;
    int record = is_recording();
    if (record < 0) return NULL;
    int64_t count = count_bound(a, LARGE);
    uint64_t key = a->key;
    mg_node made = apply(count > LARGE, op, 1, &a->handle, 0, NULL, 0, NULL, record);
    return made > 0 ? adopt_shaped(made, count, key) : fail_op(made, op, self, NULL);
}

/* Small operands may have a large result: (n, 1) and (1, n). */
static PyObject *apply_two(int op, PyObject *left, PyObject *right, int64_t enough)
{
    tensor *a = (tensor *)left, *b = (tensor *)right;
    int record = is_recording();
    if (record < 0) return NULL;
    int64_t of_a = count_bound(a, enough), of_b = count_bound(b, enough);
    int64_t count = product_bound(of_a, of_b);
    int large = of_a > enough || of_b > enough;
    if (!large && count > LARGE_OUTER) {
        if (op != MG_MATMUL) count = common_count(a, b, of_a);
        large = count > enough;
    }
    mg_node operands[] = {a->handle, b->handle};
    uint64_t key = op != MG_MATMUL && a->key == b->key ? a->key : 0;
    mg_node made = apply(large, op, 2, operands, 0, NULL, 0, NULL, record);
    if (made <= 0) return fail_op(made, op, left, right);
    return adopt_shaped(made, large ? -1 : count, key);
}

/* op(self, n), or with which 0 op(n, self); object is n's. */
static PyObject *apply_number(int op, PyObject *self, int which, const scalar *n,
                              PyObject *object)
{
    tensor *a = (tensor *)self;
    int record = is_recording();
    if (record < 0) return NULL;
    int64_t count = count_bound(a, LARGE);
    uint64_t key = a->key;
    PyThreadState *left = let_go(count > LARGE);
    mg_node made = mg_apply_number(arena, op, a->handle, which, n->kind, n->integer,
                                   n->value, record);
    take_back(left, count > LARGE);
    if (made > 0) return adopt_shaped(made, count, key);
    return which ? fail_op(made, op, self, object) : fail_op(made, op, object, self);
}

/* Let _tensor.py see what else the operands are. */
static PyObject *slowly(int op, PyObject *left, PyObject *right)
{
    return PyObject_CallFunction(slow_operator, "iOO", op, left, right);
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
    return slowly(op, left, right);
}

static int is_integral(PyObject *self)
{
    mg_array_info info;
    return describe(tensor_handle(self), &info) >= 0 && info.dtype > MG_FLOAT16;
}

static PyObject *apply_power(PyObject *left, PyObject *right)
{
    scalar n;
    if (is_tensor(left) && read_scalar(right, &n) && (n.kind == 2 || !is_integral(left)))
        return apply_number(MG_POW_NUMBER, left, 1, &n, right);
    return apply_operator(MG_POW, left, right);
}

static PyObject *tensor_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return apply_power(left, right);
}

#define OPERATOR(NAME, name) \
    static PyObject *tensor_##name(PyObject *left, PyObject *right) \
    { \
        return apply_operator(MG_##NAME, left, right); \
    }
OPERATOR(ADD, add)
OPERATOR(SUB, subtract)
OPERATOR(MUL, multiply)
OPERATOR(DIV, divide)
OPERATOR(FLOOR_DIVIDE, floor_divide)
OPERATOR(REMAINDER, remainder)

static PyObject *tensor_matmul(PyObject *left, PyObject *right)
{
    if (is_tensor(left) && is_tensor(right))
        return apply_two(MG_MATMUL, left, right, LARGE_WHOLE);
    return slowly(MG_MATMUL, left, right);
}

static PyObject *tensor_negative(PyObject *self)
{
    return apply_one(MG_NEG, self);
}

static PyObject *tensor_positive(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *tensor_absolute(PyObject *self)
{
    return apply_one(MG_ABS, self);
}

static int is_bool(PyObject *x)
{
    mg_array_info info;
    return is_tensor(x) && describe(tensor_handle(x), &info) >= 0 &&
           info.dtype == MG_BOOL;
}

/* & | ^ of truths; _tensor.py refuses them for integers, whose bits no op knows. */
#define TRUTH_OPERATOR(NAME, name) \
    static PyObject *tensor_##name(PyObject *left, PyObject *right) \
    { \
        if (is_bool(left) && is_bool(right)) \
            return apply_two(MG_##NAME, left, right, LARGE); \
        return slowly(MG_##NAME, left, right); \
    }
TRUTH_OPERATOR(LOGICAL_AND, and)
TRUTH_OPERATOR(LOGICAL_OR, or)
TRUTH_OPERATOR(LOGICAL_XOR, xor)

static PyObject *tensor_invert(PyObject *self)
{
    if (is_bool(self)) return apply_one(MG_LOGICAL_NOT, self);
    return slowly(MG_LOGICAL_NOT, self, Py_None);
}

static PyObject *tensor_compare(PyObject *left, PyObject *right, int comparison)
{
    static const int ops[] = {[Py_LT] = MG_LT, [Py_LE] = MG_LE, [Py_EQ] = MG_EQ,
                              [Py_NE] = MG_NE, [Py_GT] = MG_GT, [Py_GE] = MG_GE};
    return apply_operator(ops[comparison], left, right);
}

static Py_hash_t tensor_hash(PyObject *self)
{
    return (Py_hash_t)((uintptr_t)self >> 4);
}

/* ---- ops in place ------------------------------------------------------------------ */

static int write_in_place(int op, PyObject *self, mg_node other, unsigned weak)
{
    int large = count_bound((tensor *)self, LARGE) > LARGE;
    PyThreadState *left = let_go(large);
    int status = mg_apply_in_place(arena, op, tensor_handle(self), other, weak);
    take_back(left, large);
    return status;
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

/* Let _tensor.py see what else the operand is, or record the change. */
static PyObject *slowly_in_place(int op, PyObject *self, PyObject *other, int named)
{
    return PyObject_CallFunction(slow_in_place, "iOOO", op, self, other ? other : Py_None,
                                 named ? Py_True : Py_False);
}

/* self = op(self, other) or, with other NULL, op(self). */
static PyObject *in_place(int op, PyObject *self, PyObject *other, int named)
{
    scalar n = {0, 0, 0.0};
    int plain = other && !is_tensor(other);
    if (plain && !read_scalar(other, &n))
        return slowly_in_place(op, self, other, named);
    int record = must_record(self, plain ? NULL : other);
    if (record < 0) return NULL;
    if (record) return slowly_in_place(op, self, other, named);
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

/* Tell whether `self += ..` is by a name, as in a method; else, as `x[i] += ..`, of an
 * object that only the interpreter holds, and writes back to x. */
static int is_named(PyObject *self)
{
    return Py_REFCNT(self) > 1;
}

#define IN_PLACE_OPERATOR(NAME, name) \
    static PyObject *tensor_inplace_##name(PyObject *self, PyObject *other) \
    { \
        return in_place(MG_##NAME, self, other, is_named(self)); \
    }
IN_PLACE_OPERATOR(ADD, add)
IN_PLACE_OPERATOR(SUB, subtract)
IN_PLACE_OPERATOR(MUL, multiply)
IN_PLACE_OPERATOR(DIV, divide)
IN_PLACE_OPERATOR(FLOOR_DIVIDE, floor_divide)
IN_PLACE_OPERATOR(REMAINDER, remainder)

static PyObject *tensor_inplace_power(PyObject *self, PyObject *other, PyObject *modulus)
{
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return in_place(MG_POW, self, other, is_named(self));
}

/* ---- methods: every elementwise op of the table, and with _ behind its name in place */

/* Raise TypeError for the operand that no operator knows what to do with. */
static PyObject *known(PyObject *result, const char *name, PyObject *other)
{
    if (result != Py_NotImplemented) return result;
    Py_DECREF(result);
    PyErr_Format(PyExc_TypeError, "%s: %R is neither a tensor nor a number", name,
                 (PyObject *)Py_TYPE(other));
    return NULL;
}

static PyObject *apply_method(int op, const char *name, PyObject *self, PyObject *other)
{
    PyObject *result =
        op == MG_POW ? apply_power(self, other) : apply_operator(op, self, other);
    return known(result, name, other);
}

#define FUNCTIONS_0(NAME, name)
#define FUNCTIONS_1(NAME, name) \
    static PyObject *method_##name(PyObject *self, PyObject *Py_UNUSED(none)) \
    { \
        return apply_one(MG_##NAME, self); \
    } \
    static PyObject *method_##name##_(PyObject *self, PyObject *Py_UNUSED(none)) \
    { \
        return in_place(MG_##NAME, self, NULL, 1); \
    }
#define FUNCTIONS_2(NAME, name) \
    static PyObject *method_##name(PyObject *self, PyObject *other) \
    { \
        return apply_method(MG_##NAME, #name, self, other); \
    } \
    static PyObject *method_##name##_(PyObject *self, PyObject *other) \
    { \
        return known(in_place(MG_##NAME, self, other, 1), #name "_", other); \
    }
#define MG_ELEMENT(NAME, name, symbol, arity, ...) \
    FUNCTIONS_##arity(NAME, name)
#include "ops.def"

#define FORMULA(name) #name ", element by element; its formula stands in csrc/ops.def."
#define IN_PLACE_FORMULA(name) #name " of each element, written over it."
#define METHODS_0(name)
#define METHODS_1(name) \
    {#name, method_##name, METH_NOARGS, FORMULA(name)}, \
        {#name "_", method_##name##_, METH_NOARGS, IN_PLACE_FORMULA(name)},
#define METHODS_2(name) \
    {#name, method_##name, METH_O, FORMULA(name)}, \
        {#name "_", method_##name##_, METH_O, IN_PLACE_FORMULA(name)},
static const PyMethodDef op_methods[] = {
#define MG_ELEMENT(NAME, name, symbol, arity, ...) \
    METHODS_##arity(name)
#include "ops.def"
};

/* Rows of the table that users meet under another name, or not at all. */
static int is_internal(const char *name)
{
    static const char *const names[] = {"pow_number", "gelu_tanh", "step",
                                        "share",      "at_least",  "below"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (!strncmp(name, names[i], length) && (!name[length] || name[length] == '_') &&
            strlen(name) <= length + 1)
            return 1;
    }
    return 0;
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
static int64_t call_count(const call *c)
{
    mg_array_info infos[2];
    if (c->operand_count > 2) return 0;
    for (int i = 0; i < c->operand_count; i++)
        if (describe(c->operands[i], &infos[i]) < 0) return 0;
    return broadcast_count(c->operand_count, infos);
}

/* Tell whether an op takes long though its operands are not large. */
static int grows(const call *c)
{
    int64_t bound = 1;
    switch (c->op) {
    case MG_PAD:
    case MG_SPREAD:
    case MG_FOLD: /* at most their sizes, each added to an axis of the operand */
        for (int i = 0; i < c->integer_count; i++)
            bound = product_bound(bound, c->integers[i] < 0 ? 1 : c->integers[i] + 1);
        return product_bound(bound, c->work + 1) > LARGE_OUTER;
    case MG_TAKE:
    case MG_MATMUL:
    case MG_LINEAR: return c->outer > LARGE_OUTER;
    default:
        if (c->outer <= LARGE_OUTER || c->op >= MG_RESHAPE) return 0;
        return call_count(c) > LARGE_WHOLE;
    }
}

static int is_large(const call *c)
{
    return c->work > LARGE_WHOLE || grows(c);
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
static PyObject *tensor_apply(PyObject *Py_UNUSED(none), PyObject *const *args,
                              Py_ssize_t count)
{
    call c;
    int record = is_recording();
    if (record < 0 || read_call(&c, args, count) < 0) {
        if (record >= 0) close_call(&c);
        return NULL;
    }
    mg_node made = apply(is_large(&c), c.op, c.operand_count, c.operands, c.integer_count,
                         c.integers, c.number_count, c.numbers, record);
    close_call(&c);
    return result_of_call(made, args, count);
}

/* _apply_over(op, operands, integers): the result takes over operand 0's memory. */
static PyObject *tensor_apply_over(PyObject *Py_UNUSED(none), PyObject *const *args,
                                   Py_ssize_t count)
{
    call c;
    int record = is_recording();
    if (record < 0 || read_call(&c, args, count) < 0) {
        if (record >= 0) close_call(&c);
        return NULL;
    }
    int large = is_large(&c);
    PyThreadState *left = let_go(large);
    mg_node made = mg_apply_over(arena, c.op, c.operand_count, c.operands,
                                 c.integer_count, c.integers, record);
    take_back(left, large);
    close_call(&c);
    return result_of_call(made, args, count);
}

/* _write(self, other): copy other, broadcast and cast, over self; records nothing. */
static PyObject *tensor_write(PyObject *self, PyObject *other)
{
    if (!is_tensor(other)) return known(Py_NewRef(Py_NotImplemented), "copy", other);
    int status = write_in_place(MG_CAST, self, tensor_handle(other), 0);
    if (status < 0) return fail_named(status, PyUnicode_FromString("copy_"), self, other);
    Py_RETURN_NONE;
}

static PyObject *tuple_of(const int64_t *items, int count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *item = PyLong_FromLongLong(items[i]);
        if (item) PyTuple_SetItem(tuple, i, item);
        else Py_CLEAR(tuple);
    }
    return tuple;
}

PyObject *tensor_apply_integers(int op, PyObject *self, const mg_array_info *info,
                                int integer_count, const int64_t *integers)
{
    mg_node handle = tensor_handle(self);
    int record = is_recording();
    if (record < 0) return NULL;
    mg_node made = apply(info->count > LARGE, op, 1, &handle, integer_count, integers, 0,
                         NULL, record);
    if (made > 0) return adopt(made, info->count);
    PyObject *what = PyLong_FromLong(op), *operands = PyTuple_Pack(1, self);
    PyObject *tuple = tuple_of(integers, integer_count);
    if (what && operands && tuple) tensor_fail(made, what, operands, tuple);
    Py_XDECREF(what);
    Py_XDECREF(operands);
    Py_XDECREF(tuple);
    return NULL;
}

/* ---- attributes -------------------------------------------------------------------- */

static PyObject *get_shape(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : tuple_of(info.shape, info.rank);
}

static PyObject *get_ndim(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyLong_FromLong(info.rank);
}

static PyObject *get_dtype(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return NULL;
    PyObject *dtype = PyTuple_GetItem(dtypes, info.dtype);
    Py_XINCREF(dtype);
    return dtype;
}

static PyObject *get_requires_grad(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyBool_FromLong(info.requires_grad);
}

static int set_requires_grad(PyObject *self, PyObject *on, void *Py_UNUSED(closure))
{
    int truth = on ? PyObject_IsTrue(on) : -1;
    if (!on) PyErr_SetString(PyExc_AttributeError, "requires_grad cannot be deleted");
    if (truth < 0) return -1;
    PyThreadState *left = let_go(0);
    int status = mg_require_gradient(arena, tensor_handle(self), truth);
    take_back(left, 0);
    if (status < 0) fail_call(status, "requires_grad", self);
    return status < 0 ? -1 : 0;
}

static PyObject *get_is_leaf(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyBool_FromLong(!info.operands);
}

static PyObject *get_version(PyObject *self, void *Py_UNUSED(closure))
{
    mg_array_info info;
    return tensor_describe(self, &info) < 0 ? NULL : PyLong_FromLongLong(info.version);
}

static PyObject *get_grad(PyObject *object, void *Py_UNUSED(closure))
{
    tensor *self = (tensor *)object;
    PyThreadState *left = let_go(0);
    mg_node found = mg_gradient(arena, self->handle);
    take_back(left, 0);
    if (found < 0) return fail_call(found, "grad", object);
    PyObject *known = self->gradient;
    if (known && ((tensor *)known)->handle == found) {
        Py_INCREF(known);
        release_node(found);
        return known;
    }
    Py_CLEAR(self->gradient);
    if (!found) Py_RETURN_NONE;
    PyObject *made = adopt(found, -1), *before = self->gradient;
    self->gradient = Py_XNewRef(made);
    Py_XDECREF(before);
    return made;
}

static int set_grad(PyObject *object, PyObject *to, void *Py_UNUSED(closure))
{
    tensor *self = (tensor *)object;
    if (to == Py_None) to = NULL;
    if (to && (!is_tensor(to) || to == object)) {
        PyErr_Format(PyExc_TypeError, "a gradient is another tensor or None, not %R", to);
        return -1;
    }
    PyThreadState *left = let_go(0);
    int status = mg_set_gradient(arena, self->handle, to ? tensor_handle(to) : 0);
    take_back(left, 0);
    if (status < 0) {
        fail_named(status, PyUnicode_FromString("grad"), object, to);
        return -1;
    }
    PyObject *before = self->gradient;
    Py_XINCREF(to);
    self->gradient = to;
    Py_XDECREF(before);
    give_back();
    return 0;
}

static Py_ssize_t tensor_length(PyObject *self)
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return -1;
    if (info.rank > 0) return (Py_ssize_t)info.shape[0];
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
}

/* _info(): (shape, strides in elements, address, dtype, op, operands, contiguous,
 * read-only, views, retains_grad). */
static PyObject *tensor_info(PyObject *self, PyObject *Py_UNUSED(none))
{
    mg_array_info info;
    if (tensor_describe(self, &info) < 0) return NULL;
    PyObject *shape = tuple_of(info.shape, info.rank);
    PyObject *strides = shape ? tuple_of(info.strides, info.rank) : NULL;
    if (!strides) {
        Py_XDECREF(shape);
        return NULL;
    }
    return Py_BuildValue("NNKiiiiiLi", shape, strides,
                         (unsigned long long)(uintptr_t)info.data, info.dtype, info.op,
                         info.operands, info.contiguous, info.read_only,
                         (long long)info.views, info.retains_grad);
}

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
    PyThreadState *left = let_go(0);
    mg_node at = mg_sweep_node(sweep);
    take_back(left, 0);
    PyObject *node = at > 0 ? adopt(at, -1) : NULL;
    fail_named(status, what, node, NULL);
    Py_XDECREF(node);
    return -1;
}

/* Run a sweep to its end, Ctrl-C and what Python must do included; 0, or -1 with an
 * exception. */
static int run_sweep(mg_sweep *sweep, PyObject *roots, int flags)
{
    for (;;) {
        PyThreadState *left = let_go(1);
        int status = mg_sweep_run(sweep, SWEEP_BUDGET);
        take_back(left, 1);
        if (status == MG_OK) return 0;
        if (status < 0) return fail_sweep(status, sweep, roots);
        if (PyErr_CheckSignals() < 0) return -1;
        if (status == MG_MORE) continue;
        PyObject *none = PyObject_CallFunction(
            stop_function, "iKi", status, (unsigned long long)(uintptr_t)sweep, flags);
        Py_XDECREF(none);
        if (!none) return -1;
    }
}

/* Make a tuple of the gradients of the inputs, None for those not reached. */
static PyObject *give_gradients(mg_sweep *sweep, mg_node *out, Py_ssize_t count)
{
    PyThreadState *left = let_go(0);
    int status = mg_sweep_give(sweep, out);
    take_back(left, 0);
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
    PyThreadState *left = let_go(0);
    int status =
        mg_sweep_open(arena, root_count, root, seed, input_count, input, flags, &sweep);
    take_back(left, 0);
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
    left = let_go(0);
    mg_sweep_close(sweep);
    take_back(left, 0);
    give_back();
    return result;
}

/* _sweep(roots, seeds, inputs, flags): tuples of Tensors, and None for a seed of ones. */
static PyObject *tensor_sweep(PyObject *Py_UNUSED(none), PyObject *args)
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

/* _attach(object): keep an object with the node, hooks or a context; None: no longer. */
static PyObject *tensor_attach(PyObject *self, PyObject *object)
{
    int status = mg_attach(arena, tensor_handle(self), object == Py_None ? NULL : object);
    if (status < 0) return fail_call(status, "attach", self);
    ((tensor *)self)->flags &= ~HOOKED;
    if (object != Py_None) {
        Py_INCREF(object);
        atomic_fetch_add_explicit(&lent, 1, memory_order_relaxed);
        ((tensor *)self)->flags |= HOOKED;
    }
    give_back();
    Py_RETURN_NONE;
}

/* _attached(): what _attach() left, or None. */
static PyObject *tensor_attached(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *object = mg_attached(arena, tensor_handle(self));
    return Py_NewRef(object ? object : Py_None);
}

/* ---- for _tensor.py ---------------------------------------------------------------- */

/* _adopt(handle): the object of a node whose reference the caller has. */
static PyObject *tensor_adopt(PyObject *Py_UNUSED(none), PyObject *handle)
{
    mg_node node = PyLong_AsLongLong(handle);
    return node == -1 && PyErr_Occurred() ? NULL : adopt(node, -1);
}

/* _handles(tensors, address): write the nodes of a tuple of Tensors to a C array. */
static PyObject *tensor_handles(PyObject *Py_UNUSED(none), PyObject *const *args,
                                Py_ssize_t count)
{
    Py_ssize_t tensors = count == 2 ? PyTuple_Size(args[0]) : -1;
    mg_node *out = tensors < 0 ? NULL : PyLong_AsVoidPtr(args[1]);
    if (!out) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a tuple and an address");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < tensors; i++) {
        PyObject *item = PyTuple_GetItem(args[0], i);
        out[i] = is_tensor(item) ? tensor_handle(item) : 0;
    }
    Py_RETURN_NONE;
}

/* _become(other): take over the node of another Tensor, which nobody else may have. The
 * other gets the node that this one had, and stays alive with it where an importer of the
 * memory relies on this one's life. */
static PyObject *tensor_become(PyObject *object, PyObject *made)
{
    tensor *self = (tensor *)object, *other = (tensor *)made;
    mg_node handle = self->handle;
    int64_t bound = self->bound;
    uint64_t key = self->key;
    int flags = self->flags;
    self->handle = other->handle;
    self->bound = other->bound;
    self->key = other->key;
    self->flags = other->flags;
    other->handle = handle;
    other->bound = bound;
    other->key = key;
    other->flags = flags & HOOKED;
    Py_CLEAR(self->gradient);
    if (flags & EXPORTED) {
        other->pinned = self->pinned;
        self->pinned = Py_NewRef(made);
    }
    Py_RETURN_NONE;
}

/* _export(): from now on an importer relies on this object for the life of the memory. */
static PyObject *tensor_export(PyObject *self, PyObject *Py_UNUSED(none))
{
    ((tensor *)self)->flags |= EXPORTED;
    Py_RETURN_NONE;
}

static PyObject *tensor_share(PyObject *Py_UNUSED(none), PyObject *args)
{
    PyObject *owner, *shape, *strides;
    unsigned long long address;
    int dtype, read_only;
    call sizes = {0}, steps = {0};
    if (!PyArg_ParseTuple(args, "OKiO!O!p", &owner, &address, &dtype, &PyTuple_Type,
                          &shape, &PyTuple_Type, &strides, &read_only))
        return NULL;
    if (read_integers(&sizes, shape) < 0 || read_integers(&steps, strides) < 0)
        return NULL;
    Py_INCREF(owner);
    PyThreadState *left = let_go(0);
    mg_node made =
        mg_array_share(arena, dtype, sizes.integer_count, sizes.integers, steps.integers,
                       (void *)(uintptr_t)address, read_only, owner);
    take_back(left, 0);
    if (made > 0) atomic_fetch_add_explicit(&lent, 1, memory_order_relaxed);
    else Py_DECREF(owner);
    return tensor_result(made, "from_numpy");
}

static PyObject *tensor_set_up(PyObject *Py_UNUSED(none), PyObject *args)
{
    if (!PyArg_ParseTuple(args, "OO!OOOOO!", &tensor_type, &PyTuple_Type, &dtypes,
                          &slow_operator, &slow_in_place, &stop_function, &fail_function,
                          &PyDict_Type, &silent))
        return NULL;
    PyObject *kept[] = {(PyObject *)tensor_type, dtypes,        slow_operator,
                        slow_in_place,           stop_function, fail_function,
                        silent};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) Py_INCREF(kept[i]);
    tensor_alloc = (allocfunc)PyType_GetSlot(tensor_type, Py_tp_alloc);
    Py_RETURN_NONE;
}

/* ---- life -------------------------------------------------------------------------- */

/* Return what is attached to a node that nothing but this object refers to: only then the
 * cycle collector may look through the node. */
static PyObject *own_attachment(const tensor *self)
{
    if (!(self->flags & HOOKED) || mg_references(arena, self->handle) != 1) return NULL;
    return mg_attached(arena, self->handle);
}

static int tensor_traverse(PyObject *object, visitproc visit, void *arg)
{
    tensor *self = (tensor *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->gradient);
    Py_VISIT(self->pinned);
    PyObject *attachment = own_attachment(self);
    Py_VISIT(attachment);
    return 0;
}

static int tensor_clear(PyObject *object)
{
    tensor *self = (tensor *)object;
    Py_CLEAR(self->gradient);
    Py_CLEAR(self->pinned);
    if (own_attachment(self)) {
        mg_attach(arena, self->handle, NULL);
        self->flags &= ~HOOKED;
        give_back();
    }
    return 0;
}

static void tensor_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    tensor *self = (tensor *)object;
    PyObject_GC_UnTrack(object);
    mg_node handle = self->handle;
    self->handle = 0;
    self->flags = 0;
    tensor_clear(object);
    release_node(handle);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef own_methods[] = {
#define REDUCTION_ROW(NAME, name, documentation) \
    {#name, (PyCFunction)(void (*)(void))reduce_##name, METH_FASTCALL | METH_KEYWORDS, \
     documentation},
    TENSOR_REDUCTIONS(REDUCTION_ROW)
    {"reshape", (PyCFunction)(void (*)(void))tensor_reshape, METH_FASTCALL,
     "Return the elements in another shape: a view where strides allow it. -1 is the "
     "rest."},
    {"permute", (PyCFunction)(void (*)(void))tensor_permute, METH_FASTCALL,
     "Return a view with its axes in another order."},
    {"transpose", (PyCFunction)(void (*)(void))tensor_transpose, METH_FASTCALL,
     "Return a view with two axes exchanged."},
    {"item", tensor_item, METH_NOARGS, "Return the one element as a Python number."},
    {"tolist", tensor_tolist, METH_NOARGS,
     "Return the elements as nested lists of Python numbers."},
    {"_info", tensor_info, METH_NOARGS, NULL},
    {"_write", tensor_write, METH_O, NULL},
    {"_attach", tensor_attach, METH_O, NULL},
    {"_attached", tensor_attached, METH_NOARGS, NULL},
    {"_become", tensor_become, METH_O, NULL},
    {"_export", tensor_export, METH_NOARGS, NULL},
    {"_apply", (PyCFunction)(void (*)(void))tensor_apply, METH_FASTCALL | METH_STATIC,
     NULL},
    {"_apply_over", (PyCFunction)(void (*)(void))tensor_apply_over,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_sweep", tensor_sweep, METH_VARARGS | METH_STATIC, NULL},
    {"_adopt", tensor_adopt, METH_O | METH_STATIC, NULL},
    {"_handles", (PyCFunction)(void (*)(void))tensor_handles,
     METH_FASTCALL | METH_STATIC, NULL},
    {"_share", tensor_share, METH_VARARGS | METH_STATIC, NULL},
    {"_nested", tensor_nested, METH_VARARGS | METH_STATIC, NULL},
    {"_new", tensor_new, METH_VARARGS | METH_STATIC, NULL},
    {"_ramp", tensor_ramp, METH_VARARGS | METH_STATIC, NULL},
    {"_random", tensor_random, METH_VARARGS | METH_STATIC, NULL},
    {"_linear_index", tensor_linear_index, METH_VARARGS | METH_STATIC, NULL},
    {"_set_up", tensor_set_up, METH_VARARGS | METH_STATIC, NULL},
};

enum {
    OWN_METHODS = sizeof own_methods / sizeof *own_methods,
    OP_METHODS = sizeof op_methods / sizeof *op_methods
};
static PyMethodDef methods[OWN_METHODS + OP_METHODS + 1];

static PyGetSetDef properties[] = {
    {"shape", get_shape, NULL, "The number of elements along each axis.", NULL},
    {"ndim", get_ndim, NULL, "The number of axes.", NULL},
    {"dtype", get_dtype, NULL, "The type of the elements.", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad,
     "Whether operations are recorded, and backward leaves a gradient.", NULL},
    {"is_leaf", get_is_leaf, NULL, "Whether this is no recorded result.", NULL},
    {"grad", get_grad, set_grad, "The gradient that backward has added up, or None.",
     NULL},
    {"T", tensor_reversed_axes, NULL, "A view with the axes in reversed order.", NULL},
    {"_version", get_version, NULL, "How often the memory was written to.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"_handle", T_LONGLONG, offsetof(tensor, handle), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The hot path of Tensor; see _tensor.py."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_traverse, tensor_traverse},
    {Py_tp_clear, tensor_clear},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {Py_tp_richcompare, tensor_compare},
    {Py_tp_hash, tensor_hash},
    {Py_mp_length, tensor_length},
    {Py_mp_subscript, tensor_subscript},
    {Py_nb_add, tensor_add},
    {Py_nb_subtract, tensor_subtract},
    {Py_nb_multiply, tensor_multiply},
    {Py_nb_true_divide, tensor_divide},
    {Py_nb_floor_divide, tensor_floor_divide},
    {Py_nb_remainder, tensor_remainder},
    {Py_nb_power, tensor_power},
    {Py_nb_matrix_multiply, tensor_matmul},
    {Py_nb_negative, tensor_negative},
    {Py_nb_positive, tensor_positive},
    {Py_nb_absolute, tensor_absolute},
    {Py_nb_and, tensor_and},
    {Py_nb_or, tensor_or},
    {Py_nb_xor, tensor_xor},
    {Py_nb_invert, tensor_invert},
    {Py_nb_inplace_add, tensor_inplace_add},
    {Py_nb_inplace_subtract, tensor_inplace_subtract},
    {Py_nb_inplace_multiply, tensor_inplace_multiply},
    {Py_nb_inplace_true_divide, tensor_inplace_divide},
    {Py_nb_inplace_floor_divide, tensor_inplace_floor_divide},
    {Py_nb_inplace_remainder, tensor_inplace_remainder},
    {Py_nb_inplace_power, tensor_inplace_power},
    {0, NULL},
};

static PyType_Spec specification = {
    "pymicrograd._micrograd.TensorBase",
    sizeof(tensor),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    slots,
};

int tensor_install(void)
{
    if (base_type) return 0;
    arena = process_arena();
    size_t count = 0;
    for (size_t i = 0; i < OWN_METHODS; i++) methods[count++] = own_methods[i];
    for (size_t i = 0; i < OP_METHODS; i++)
        if (!is_internal(op_methods[i].ml_name)) methods[count++] = op_methods[i];
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module = PyImport_AddModule("pymicrograd._micrograd");
    base_type = module ? PyType_FromSpec(&specification) : NULL;
    int status = base_type ? PyObject_SetAttrString(module, "TensorBase", base_type) : -1;
    if (status < 0) PyErr_Print();
    PyGILState_Release(state);
    return status;
}
