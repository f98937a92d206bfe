/* module.c: the Python module pymicrograd._types, which has the types ValueBase and
 * TensorBase and the function install(); and what they share: the arena of the process,
 * and the rules by which the GIL is released.
 *
 * cffi's module _micrograd and this one lie in one library. It is a module of its own
 * because an import can raise: what cffi calls can only return a number. */
#include "binding.h"

#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

mg_arena *arena;
PyObject *value_base, *tensor_base;
static PyObject *size_base;
PyTypeObject *value_type, *tensor_type;
allocfunc tensor_alloc;
struct value_callbacks value_callbacks;
struct tensor_callbacks tensor_callbacks;

/* ---- the GIL ----------------------------------------------------------------------- */

/* Every place that lets go of the interpreter, or of the turn of backwards, and why what
 * other threads do meanwhile is no harm. A new one is entered here.
 *
 * In all of them: handles, shapes and numbers were read before, into memory of the call.
 * The objects of operands are held by Python's frames or by argument tuples; where such an
 * object is given another node meanwhile, the handle is stale, which the core refuses.
 * Addresses of elements are looked up by the core, under the arena's lock, and not kept.
 * Memory that a program can write to (indices, targets, masks) is checked again where it
 * is used, in the core. Counts of references may be changed by the call: while one is
 * under way `calls_outside` lets the collector see no attachments (tensor.c).
 *
 *   release_gil(), a long_call, or CALL_HEARD(), and acquire_gil():
 *     apply.c     ops by number, operators, in place, over an operand; make_array(), whose
 *                 data belong to an object that the caller holds
 *     elements.c  hold_node() (takes a reference of its own), shared memory (its owner is
 *                 held), ramps, linear indices. Random numbers are drawn with the GIL:
 *                 other threads may use the generator
 *     objects.c   describe() and describe_heard() (tensor_describe() asks again if the
 *                 object got another node); drop_lent() and release_node(), which end what
 *                 nobody refers to any more
 *     sweeps.c    opening, slices, what hooks ask, closing: a sweep is its thread's, holds
 *                 its nodes, and is over for the hook's capsule before it is closed
 *     tensor.c    gradients and flags; get_grad() compares what it found with what the
 *                 object has only after it has the GIL again
 *     training.c  small steps and losses, of handles in a tuple
 *     value.c     ops that may have to wait (done again if another thread had begin_ieee()
 *                 in force), leaves, data and gradients of objects that the caller holds,
 *                 grad() with its inputs in a list of its own
 *   PyEval_SaveThread() itself:
 *     turns.c     nap(), which touches nothing
 *   Python's code, which may let go of it anywhere:
 *     interrupts.c  handlers of signals, in long_end(): a call that is made again holds its
 *                 operands, or, if it has only waited, finds them stale
 *     sweeps.c    call_stop(): hooks and Functions; the sweep waits, others may run
 *     turns.c     rules: the turn is given up, too; the backward that has stopped is chosen
 *                 again, and who shares nodes with it waits: see there
 *     graph.c, objects.c  destructors, after an object has been taken out of its tables
 *   cffi's calls (_core/, `lib.`): of handles whose objects the caller holds; backward in
 *     slices has its turn (nodes.py), and writes to its nodes are refused (BusyError)
 *
 * The arena's lock is held for the whole of a call of the core. What outlives a call, a
 * backward or a sweep between two slices, holds its root and so all its nodes; what was
 * written to since is found by its version (ChangedError).
 *
 * A large call runs without the GIL and may hold the arena's lock. Small calls keep the
 * GIL, and would keep it while they wait for that lock, so that a large call is counted
 * before it releases the GIL: while one is under way small calls release it too, or they
 * would block Python. Only large ones count: small ones that released it because of each
 * other would do so for ever. */
_Atomic int large_calls;
int calls_outside;

PyThreadState *release_gil_counted(int large)
{
    calls_outside++;
    if (large) atomic_fetch_add_explicit(&large_calls, 1, memory_order_relaxed);
    return PyEval_SaveThread();
}

void acquire_gil_counted(PyThreadState *state, int large)
{
    if (large) atomic_fetch_sub_explicit(&large_calls, 1, memory_order_relaxed);
    PyEval_RestoreThread(state);
    calls_outside--;
}

/* ---- addresses --------------------------------------------------------------------- */

static const char MEMORY[] = "pymicrograd.memory";

/* memory(address): what the methods of the types take for an address. It is the one place
 * that believes a number, as ctypes and cffi's casts do. */
static PyObject *memory(PyObject *Py_UNUSED(module), PyObject *number)
{
    void *address = PyLong_AsVoidPtr(number);
    if (address) return PyCapsule_New(address, MEMORY, NULL);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

int read_memory(PyObject *x, void *address)
{
    int is_memory = PyCapsule_IsValid(x, MEMORY);
    if (!is_memory && x != Py_None) {
        PyErr_Format(PyExc_TypeError, "memory() gives addresses, not %R", x);
        return 0;
    }
    *(void **)address = is_memory ? PyCapsule_GetPointer(x, MEMORY) : NULL;
    return 1;
}

/* ---- the arena --------------------------------------------------------------------- */

#if defined(__unix__) || defined(__APPLE__)
static void before_fork(void)
{
    mg_arena_before_fork(arena);
}

static void after_fork_in_parent(void)
{
    mg_arena_after_fork(arena, 0);
}

static void after_fork_in_child(void)
{
    atomic_store(&large_calls, 0); /* their threads are the parent's */
    calls_outside = 0;
    forget_pipe();
    forget_rule_calls();
    mg_arena_after_fork(arena, 1);
}

/* Not by os.register_at_fork: between its hooks and the fork, Python may free Values. */
static int watch_forks(void)
{
    return pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
#else
static int watch_forks(void)
{
    return 0;
}
#endif

mg_arena *process_arena(void)
{
    if (arena) return arena;
    arena = mg_arena_new(NULL, NULL);
    if (arena && watch_forks() != 0) {
        mg_arena_free(arena);
        arena = NULL;
    }
    return arena;
}

/* ---- install() --------------------------------------------------------------------- */

typedef struct callback {
    const char *name;
    PyObject **slot;
    int (*fits)(PyObject *);
} callback;

static int is_tuple(PyObject *x)
{
    return PyTuple_Check(x);
}

/* Tell whether x is a subclass of tuple. */
static int is_tuple_class(PyObject *x)
{
    return PyType_Check(x) &&
           PyType_HasFeature((PyTypeObject *)x, Py_TPFLAGS_TUPLE_SUBCLASS);
}

static const callback of_values[] = {
    {"fallback_operator", &value_callbacks.fallback_operator, PyCallable_Check},
    {"fallback_init", &value_callbacks.fallback_init, PyCallable_Check},
    {"fallback_set", &value_callbacks.fallback_set, PyCallable_Check},
    {"fail", &value_callbacks.fail, PyCallable_Check},
    {NULL, NULL, NULL},
};
static const callback of_tensors[] = {
    {"dtypes", &tensor_callbacks.dtypes, is_tuple},
    {"fallback_operator", &tensor_callbacks.fallback_operator, PyCallable_Check},
    {"fallback_in_place", &tensor_callbacks.fallback_in_place, PyCallable_Check},
    {"on_sweep_stop", &tensor_callbacks.on_sweep_stop, PyCallable_Check},
    {"fail", &tensor_callbacks.fail, PyCallable_Check},
    {"size", &tensor_callbacks.size, is_tuple_class},
    {"index_error", &tensor_callbacks.index_error, PyCallable_Check},
    {NULL, NULL, NULL},
};

/* Tell whether there is one callback for each row, and no other; else raise TypeError. */
static int check_callbacks(const callback *rows, PyObject *given)
{
    Py_ssize_t count = 0;
    for (const callback *row = rows; row->name; row++, count++) {
        PyObject *found = given ? PyDict_GetItemString(given, row->name) : NULL;
        if (found && row->fits(found)) continue;
        PyErr_Format(PyExc_TypeError, "install: %s '%s'",
                     found ? "of another type is" : "there is no", row->name);
        return 0;
    }
    if (PyDict_Size(given) == count) return 1;
    PyObject *name = NULL;
    for (Py_ssize_t at = 0; PyDict_Next(given, &at, &name, NULL);) {
        const callback *row = rows;
        while (row->name && PyUnicode_CompareWithASCIIString(name, row->name)) row++;
        if (!row->name) break;
    }
    PyErr_Format(PyExc_TypeError, "install: nothing is known of %R", name);
    return 0;
}

static void keep(PyObject **slot, PyObject *object)
{
    PyObject *before = *slot;
    *slot = Py_NewRef(object);
    Py_XDECREF(before);
}

/* install(type, **callbacks): from now on results are of this type, a subclass of
 * ValueBase or of TensorBase, and what C leaves to Python is done by these. */
static PyObject *install(PyObject *Py_UNUSED(module), PyObject *args, PyObject *given)
{
    PyTypeObject *type;
    if (!PyArg_ParseTuple(args, "O!:install", &PyType_Type, &type)) return NULL;
    int is_value_type = PyType_IsSubtype(type, (PyTypeObject *)value_base);
    if (!is_value_type && !PyType_IsSubtype(type, (PyTypeObject *)tensor_base)) {
        PyErr_Format(PyExc_TypeError, "install: %R has neither base", type);
        return NULL;
    }
    const callback *rows = is_value_type ? of_values : of_tensors;
    if (!check_callbacks(rows, given)) return NULL;
    for (; rows->name; rows++)
        keep(rows->slot, PyDict_GetItemString(given, rows->name));
    keep((PyObject **)(is_value_type ? &value_type : &tensor_type), (PyObject *)type);
    if (is_value_type && note_value_class() < 0) return NULL;
    if (!is_value_type) tensor_alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Py_RETURN_NONE;
}

/* ---- the module -------------------------------------------------------------------- */

static int make_types(void)
{
    if (!process_arena()) {
        PyErr_NoMemory();
        return -1;
    }
    if (!value_base) value_base = PyType_FromSpec(&value_specification);
    if (!tensor_base && value_base) tensor_base = PyType_FromSpec(tensor_specification());
    if (!size_base && tensor_base)
        size_base = PyType_FromSpecWithBases(&size_specification, (PyObject *)&PyTuple_Type);
    return size_base ? 0 : -1;
}

/* Types and callbacks are static, and so are one interpreter's. */
static int fill_module(PyObject *module)
{
    static PyInterpreterState *owner;
    if (!owner) owner = PyInterpreterState_Get();
    if (owner != PyInterpreterState_Get()) {
        PyErr_SetString(
            PyExc_ImportError,
            "pymicrograd works in one interpreter of a process, and this is another");
        return -1;
    }
    if (make_types() < 0 || add_recording_types(module) < 0) return -1;
    if (PyModule_AddObjectRef(module, "ValueBase", value_base) < 0) return -1;
    if (PyModule_AddObjectRef(module, "TensorBase", tensor_base) < 0) return -1;
    return PyModule_AddObjectRef(module, "SizeBase", size_base);
}

static PyMethodDef functions[] = {
    {"install", (PyCFunction)(void (*)(void))install, METH_VARARGS | METH_KEYWORDS, NULL},
    {"memory", memory, METH_O, NULL},
    {"keep_mode", keep_mode, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)fill_module},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pymicrograd._types",
    .m_doc = "The types below Value and Tensor.",
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__types(void);

PyMODINIT_FUNC PyInit__types(void)
{
    return PyModuleDef_Init(&definition);
}
