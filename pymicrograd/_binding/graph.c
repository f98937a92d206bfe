/* graph.c: the objects of nodes of numbers: which node has one, what the collector of
 * Python sees of them, and their end.
 *
 * objects[] has the object of each node that has one, not counted as a reference: two
 * ways to one node lead to one object while it lives.
 *
 * What the collector sees. To it a graph is much work and nothing to find: operands are
 * there before the node that has them, so that operands alone are never a cycle. So a
 * Value is born untracked: the collector neither counts nor visits it. The rule is:
 *
 *     An untracked Value refers to its type, to untracked Values as operands, and to what
 *     the collector never sees, such as numbers and text.
 *
 * From an untracked Value one comes only to older untracked Values; it is in no cycle, and
 * whatever is in one is tracked, which is all that the collector asks. (The type is Value
 * itself, which is never freed: the collector sees objects of subclasses from birth on.)
 * Where the rule would break, track():
 *   - an op has an operand that is tracked: its result is tracked at birth;
 *   - an object is stored on a Value, in an attribute or as its rule: before that the Value
 *     is tracked, and so is each Value that has it as an operand, or has one that has. A
 *     new object seldom has such users: its node has one reference, and that is all. Else
 *     they are looked for among all untracked Values, as nothing leads up: track_users().
 * `object.__setattr__(value, ...)` of Python 3.11 and before goes past this; a cycle that
 * it makes stays. */
#include "binding.h"

#include <string.h>

/* ---- the object of each node ------------------------------------------------------- */

enum {
    PAGE_BITS = 12,
    PAGE = 1 << PAGE_BITS,
    PAGES = 1 << (30 - PAGE_BITS),
    GROUP_BITS = 6,
    GROUP = 1 << GROUP_BITS
};

typedef struct page {
    value *objects[PAGE];
    uint64_t untracked; /* a bit for each group of objects: there may be untracked ones */
} page;

static page *pages[PAGES]; /* by index of the node >> PAGE_BITS; NULL: no objects yet */
static size_t page_count;
static uint64_t births, looked_at; /* objects: made; seen by track_users() */

static size_t index_of(mg_node handle)
{
    return (size_t)((uint64_t)handle & 0xFFFFFFFF);
}

static page *page_make(size_t number)
{
    page *made = PyMem_Calloc(1, sizeof *made);
    if (!made) PyErr_NoMemory();
    pages[number] = made;
    if (made && number >= page_count) page_count = number + 1;
    return made;
}

/* Enter the object of a node. */
static int enter(value *object)
{
    size_t index = index_of(object->handle);
    page *in = pages[index >> PAGE_BITS];
    if (!in) in = page_make(index >> PAGE_BITS);
    if (!in) return -1;
    in->objects[index & (PAGE - 1)] = object;
    in->untracked |= (uint64_t)1 << ((index & (PAGE - 1)) >> GROUP_BITS);
    births++;
    return 0;
}

/* Take an object out, if it is in; another one may have its place. */
static void leave(value *object)
{
    size_t index = index_of(object->handle);
    page *in = pages[index >> PAGE_BITS];
    value **place = in ? &in->objects[index & (PAGE - 1)] : NULL;
    if (place && *place == object) *place = NULL;
}

value *object_of(mg_node handle)
{
    size_t index = index_of(handle);
    page *in = pages[index >> PAGE_BITS];
    value *found = in ? in->objects[index & (PAGE - 1)] : NULL;
    /* without references it is about to be freed, and calls back somebody who waits */
    return found && found->handle == handle && Py_REFCNT(found) > 0 ? found : NULL;
}

/* ---- what the collector sees ------------------------------------------------------- */

/* Tell whether x is of a type that the collector never sees. */
static int is_atom(PyObject *x)
{
    return !(PyType_GetFlags(Py_TYPE(x)) & Py_TPFLAGS_HAVE_GC);
}

/* Tell whether an untracked Value may have x as an operand: NULL, an untracked Value, or
 * an exponent that is in no cycle. */
static int is_harmless(PyObject *x)
{
    if (!x) return 1;
    if (Py_TYPE(x) == value_type) return !(((value *)x)->flags & TRACKED);
    return is_atom(x);
}

/* Tell so of a tuple of operands, which is nobody else's. */
static int are_harmless(PyObject *tuple)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_harmless(PyTuple_GetItem(tuple, i))) return 0;
    return 1;
}

static int may_be_untracked(const value *object)
{
    if (object->flags & MANY) return are_harmless(object->a);
    return is_harmless(object->a) && is_harmless(object->b);
}

static void track(value *object)
{
    if (object->flags & TRACKED) return;
    object->flags |= TRACKED;
    if (!PyObject_GC_IsTracked((PyObject *)object)) PyObject_GC_Track(object);
}

/* Track the Values of a group that have a tracked operand, or all; their number. Those
 * that are being freed are left alone. */
static int track_group(page *in, int group, int all)
{
    int tracked = 0, left = 0;
    value **objects = in->objects + group * GROUP;
    for (int i = 0; i < GROUP; i++) {
        value *object = objects[i];
        if (!object || object->flags & TRACKED || Py_REFCNT(object) == 0) continue;
        if (all || !may_be_untracked(object)) {
            track(object);
            tracked++;
        } else {
            left++;
        }
    }
    looked_at += GROUP;
    if (!left) in->untracked &= ~((uint64_t)1 << group);
    return tracked;
}

static int track_page(page *in, int down, int all)
{
    int tracked = 0;
    for (int i = 0; i < PAGE / GROUP; i++) {
        int group = down ? PAGE / GROUP - 1 - i : i;
        if (in->untracked >> group & 1) tracked += track_group(in, group, all);
    }
    return tracked;
}

/* Track all Values that hold a tracked one: again and again those that have one as an
 * operand, upwards and downwards in turn, for nodes mostly lie in the order in which they
 * were recorded. Where that takes long, or has taken more than the program's ops
 * themselves, all are tracked: that is always right, and only slower later. */
static void track_users(void)
{
    enum { ROUNDS = 8, WORK = 32 };
    for (int round = 0;; round++) {
        int tracked = 0, down = round % 2;
        int all = round == ROUNDS || looked_at > WORK * (births + PAGE);
        for (size_t i = 0; i < page_count; i++) {
            page *in = pages[down ? page_count - 1 - i : i];
            if (in && in->untracked) tracked += track_page(in, down, all);
        }
        if (tracked == 0 || all) return;
    }
}

void track_for_store(value *object)
{
    if (object->flags & TRACKED) return;
    track(object);
    if (object->handle && mg_references(arena, object->handle) != 1) track_users();
}

void track_for(value *object, PyObject *stored)
{
    if (!(object->flags & TRACKED) && !is_atom(stored)) track_for_store(object);
}

/* ---- making and freeing ------------------------------------------------------------ */

/* Make the object of a node that has none, taking over its reference. */
static PyObject *make_object(mg_node handle, PyObject *a, PyObject *b)
{
    Py_XINCREF(a); /* before the collector may run */
    Py_XINCREF(b);
    value *made = PyObject_GC_New(value, value_type);
    if (!made) {
        mg_release(arena, handle);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    made->handle = handle;
    made->a = a;
    made->b = b;
    made->attributes = made->weak = NULL;
    made->flags = 0;
    if (enter(made) < 0) {
        Py_DECREF(made);
        return NULL;
    }
    if (!is_harmless(a) || !is_harmless(b)) track(made);
    return (PyObject *)made;
}

PyObject *adopt_node(mg_node handle, PyObject *a, PyObject *b)
{
    return make_object(handle, a, b);
}

PyObject *adopt_again(mg_node handle, PyObject *a, PyObject *b)
{
    value *found = object_of(handle);
    if (!found) return make_object(handle, a, b);
    mg_release(arena, handle);
    return Py_NewRef((PyObject *)found);
}

PyObject *value_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                    PyObject *Py_UNUSED(names))
{
    if (type != value_type) {
        value *made = (value *)PyType_GenericAlloc(type, 0);
        if (made) made->flags = TRACKED;
        return (PyObject *)made;
    }
    value *made = PyObject_GC_New(value, type);
    if (!made) return NULL;
    made->handle = 0;
    made->a = made->b = made->attributes = made->weak = NULL;
    made->flags = 0;
    return (PyObject *)made;
}

int value_set_node(value *self, mg_node handle, PyObject *a, PyObject *b, int flags)
{
    value before = *self;
    if (before.handle) leave(self);
    self->handle = handle;
    self->a = Py_XNewRef(a);
    self->b = Py_XNewRef(b);
    self->flags = (before.flags & TRACKED) | flags;
    int status = enter(self);
    if (!may_be_untracked(self)) track_for_store(self);
    if (before.handle) mg_release(arena, before.handle);
    Py_XDECREF(before.a);
    Py_XDECREF(before.b);
    return status;
}

int value_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((value *)self)->a);
    Py_VISIT(((value *)self)->b);
    Py_VISIT(((value *)self)->attributes);
    return 0;
}

int value_clear(PyObject *self)
{
    Py_CLEAR(((value *)self)->a);
    Py_CLEAR(((value *)self)->b);
    Py_CLEAR(((value *)self)->attributes);
    return 0;
}

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

/* The Values that this thread has begun to free: linked through `weak`, with what they
 * refer to. */
static THREAD_LOCAL struct {
    value *first;
    int is_freeing;
} ending;

static void release_memory(value *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

/* Free an object and, one after the other, what only it used. What is freed on the way
 * comes here again, and is linked: nothing recurses, however long a chain is. */
static void free_linked(value *object)
{
    object->weak = (PyObject *)ending.first;
    ending.first = object;
    if (ending.is_freeing) return;
    ending.is_freeing = 1;
    while (ending.first) {
        value *next = ending.first;
        PyObject *a = next->a, *b = next->b, *attributes = next->attributes;
        ending.first = (value *)next->weak;
        release_memory(next);
        Py_XDECREF(a);
        Py_XDECREF(b);
        Py_XDECREF(attributes);
    }
    ending.is_freeing = 0;
}

/* Tell whether an operand outlives an object that holds it. */
static int outlives(PyObject *operand, const value *object)
{
    return !operand || Py_REFCNT(operand) > 1 + (object->a == object->b);
}

/* Free an object whose operands stay, as most do; the way of free_linked() costs more. */
static void free_alone(value *object)
{
    PyObject *a = object->a, *b = object->b;
    release_memory(object);
    Py_XDECREF(a);
    Py_XDECREF(b);
}

void value_dealloc(PyObject *self)
{
    value *object = (value *)self;
    PyObject_GC_UnTrack(self);
    if (object->handle) leave(object);
    if (object->weak) PyObject_ClearWeakRefs(self);
    if (object->handle) mg_release(arena, object->handle);
    if (!object->attributes && outlives(object->a, object) && outlives(object->b, object))
        free_alone(object);
    else
        free_linked(object);
}

/* ---- operands ---------------------------------------------------------------------- */

/* Return the object that a node's operand has, borrowed; NULL: none. */
static PyObject *existing_operand(mg_node handle, int which)
{
    mg_node operand = mg_node_operand(arena, handle, which);
    if (operand <= 0) return NULL;
    value *found = object_of(operand);
    mg_release(arena, operand);
    return (PyObject *)found;
}

/* Make the object of an operand that has none, or return the one it has. `above` holds
 * what is to be held: for all below a bulk builder its tuple, else objects of operands. */
static PyObject *operand_object(const value *above, int64_t which)
{
    mg_node handle = mg_node_operand(arena, above->handle, which);
    if (handle < 0) return fail_status(handle, "operand", NULL, NULL);
    if (above->a && PyTuple_Check(above->a)) return adopt_again(handle, above->a, NULL);
    return adopt_again(handle, existing_operand(handle, 0), existing_operand(handle, 1));
}

/* Let an object hold another one. */
static void hold(value *object, PyObject **slot, PyObject *held)
{
    PyObject *before = *slot;
    if (before == held) return;
    if (!is_harmless(held)) track_for_store(object);
    *slot = Py_NewRef(held);
    Py_XDECREF(before);
}

PyObject *value_operands(PyObject *x, PyObject *Py_UNUSED(none))
{
    value *self = (value *)x;
    if (self->flags & MANY && self->a) return Py_NewRef(self->a);
    int64_t count = mg_node_operands(arena, self->handle);
    if (count < 0) return fail_status(count, "_prev", NULL, NULL);
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (int64_t i = 0; tuple && i < count; i++) {
        PyObject *operand = operand_object(self, i);
        if (operand) PyTuple_SetItem(tuple, (Py_ssize_t)i, operand);
        else Py_CLEAR(tuple);
    }
    if (!tuple || count > 2) return tuple;
    if (count > 0) hold(self, &self->a, PyTuple_GetItem(tuple, 0));
    if (count > 1) hold(self, &self->b, PyTuple_GetItem(tuple, 1));
    return tuple;
}
