/* turns.c: whose turn a backward of Values is, while rules of the user's are called.
 *
 * There is one turn, a lock of Python's that nodes.py has while a backward runs. A rule may
 * wait for another thread, which may run a backward: so the turn is given up for the time
 * of a rule. It is done here since no handler of a signal runs in between: what was given
 * up is always taken back, also when the rule or a handler raises.
 *
 * What other threads do meanwhile. Their backwards come and go in the core beside the one
 * that has stopped, which is chosen again before it goes on (it may be gone: a fork's child
 * has none). They may not touch what it still is to use: rules add to gradients in more
 * than one step of Python's. So who shares nodes with a backward that calls a rule waits,
 * until the rule is waiting, one has to think, for him: then leaves are shared, as with a
 * backward that the rule runs itself; but to share other nodes would clear gradients, and
 * is BusyError, as waiting in a circle is. */
#include "binding.h"

enum { FIRST_NAP = 1, LAST_NAP = 32, LEAVES_AFTER = 1000, BUSY_AFTER = 10000 }; /* ms */

typedef struct rule_call {
    struct rule_call *outer;
    mg_node at;              /* where its backward has stopped */
    uint64_t number;
    unsigned long thread;    /* that calls the rule */
    unsigned long waits_for; /* while it waits in await_turn(): whose rule; else 0 */
} rule_call;

static rule_call *rule_calls; /* under way, the newest first; changes with the GIL only */
static uint64_t rule_changes; /* rules that began, and that ended */

void forget_rule_calls(void)
{
    const unsigned long thread = PyThread_get_thread_ident();
    for (rule_call **link = &rule_calls; *link;) {
        if ((*link)->thread == thread) link = &(*link)->outer;
        else *link = (*link)->outer;
    }
}

static void end_rule_call(const rule_call *call)
{
    rule_call **link = &rule_calls;
    while (*link != call) link = &(*link)->outer;
    *link = call->outer;
    rule_changes++;
}

/* Have the turn again, whatever comes; -1: a handler's exception is set. */
static int take_turn(PyObject *acquire)
{
    int status = 0;
    PyObject *error[3], *taken;
    PyErr_Fetch(&error[0], &error[1], &error[2]);
    while (!(taken = PyObject_CallNoArgs(acquire))) {
        for (int i = 0; i < 3; i++) Py_XDECREF(error[i]);
        PyErr_Fetch(&error[0], &error[1], &error[2]);
        status = -1;
    }
    Py_DECREF(taken);
    PyErr_Restore(error[0], error[1], error[2]);
    return status;
}

/* Give the turn up. *acquire gets how it is taken back. */
static int give_up_turn(PyObject *turn, PyObject **acquire)
{
    *acquire = PyObject_GetAttrString(turn, "acquire");
    PyObject *none = *acquire ? PyObject_CallMethod(turn, "release", NULL) : NULL;
    if (!none) Py_CLEAR(*acquire);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

/* ---- calling a rule ---------------------------------------------------------------- */

/* Return what the user has a node do. */
static PyObject *rule_at(mg_node handle)
{
    PyObject *self = (PyObject *)object_of(handle);
    if (!self) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a Value whose _backward was set is no more, but its node is");
        return NULL;
    }
    Py_INCREF(self);
    PyObject *rule = PyObject_GetAttrString(self, "_backward");
    Py_DECREF(self);
    return rule;
}

static PyObject *call_rule(PyObject *rule, mg_node at, PyObject *turn)
{
    PyObject *acquire;
    if (give_up_turn(turn, &acquire) < 0) return NULL;
    rule_call call = {rule_calls, at, ++rule_changes, PyThread_get_thread_ident(), 0};
    rule_calls = &call;
    PyObject *result = PyObject_CallNoArgs(rule);
    if (take_turn(acquire) < 0) Py_CLEAR(result);
    end_rule_call(&call);
    Py_DECREF(acquire);
    int status = mg_backward_select(arena, at);
    if (status == MG_OK || !result) return result;
    Py_DECREF(result);
    return fail_status(status, "backward", NULL, NULL);
}

/* _call(turn): do what the user has the node do at which a backward has stopped. */
PyObject *value_call(PyObject *Py_UNUSED(module), PyObject *turn)
{
    mg_node at = mg_backward_node(arena);
    if (at < 0) return fail_status(at, "backward", NULL, NULL);
    PyObject *rule = rule_at(at);
    PyObject *result = rule ? call_rule(rule, at, turn) : NULL;
    Py_XDECREF(rule);
    return result;
}

/* ---- beginning a backward ---------------------------------------------------------- */

static rule_call *innermost_of(unsigned long thread)
{
    rule_call *call = rule_calls;
    while (call && call->thread != thread) call = call->outer;
    return call;
}

/* Tell whether a thread waits for this one, itself or by others. */
static int waits_for_us(unsigned long thread, unsigned long us)
{
    while (thread && thread != us) {
        const rule_call *call = innermost_of(thread);
        thread = call ? call->waits_for : 0;
    }
    return thread == us;
}

/* What a backward that is to begin has in common with one that calls a rule. */
typedef struct meeting {
    int kind;             /* MG_MEETS_NODES, MG_MEETS_LEAVES, 0, or an error */
    uint64_t number;      /* of the rule's call */
    unsigned long thread; /* that calls it */
} meeting;

/* Find the worst one with another thread's. */
static meeting meet_others(mg_node root, unsigned long us)
{
    meeting found = {0, 0, 0};
    for (const rule_call *call = rule_calls; call && found.kind >= 0; call = call->outer) {
        if (call->thread == us) continue;
        int kind = mg_backward_meets(arena, root, call->at);
        if (kind < 0 || kind > found.kind)
            found = (meeting){kind, call->number, call->thread};
    }
    return found;
}

/* Sleep without the turn; -1 with an exception, and with the turn. */
static int nap(PyObject *turn, int milliseconds)
{
    static PyThread_type_lock taken; /* always: to wait for it is to sleep */
    PyObject *acquire;
    if (!taken) {
        taken = PyThread_allocate_lock();
        if (!taken) return PyErr_NoMemory() ? 0 : -1;
        PyThread_acquire_lock(taken, WAIT_LOCK);
    }
    if (give_up_turn(turn, &acquire) < 0) return -1;
    PyThreadState *state = PyEval_SaveThread();
    PyThread_acquire_lock_timed(taken, (PY_TIMEOUT_T)milliseconds * 1000, 0);
    PyEval_RestoreThread(state);
    int status = PyErr_CheckSignals();
    if (take_turn(acquire) < 0) status = -1;
    Py_DECREF(acquire);
    return status;
}

/* Sleep, known as who waits for a thread. */
static int wait_for(unsigned long thread, unsigned long us, PyObject *turn,
                    int milliseconds)
{
    rule_call *ours = innermost_of(us);
    if (ours) ours->waits_for = thread;
    int status = nap(turn, milliseconds);
    if (ours) ours->waits_for = 0;
    return status;
}

/* Wait until a backward from root may begin; MG_OK, MG_ERR_BUSY or another error, or -1
 * with an exception. */
static int wait_to_begin(PyObject *turn, mg_node root)
{
    const unsigned long us = PyThread_get_thread_ident();
    meeting with = meet_others(root, us);
    uint64_t seen = rule_changes;
    for (int waited = 0, length = FIRST_NAP; with.kind > 0; waited += length) {
        int in_circle = waits_for_us(with.thread, us);
        const int leaves = with.kind == MG_MEETS_LEAVES;
        if (in_circle || waited >= (leaves ? LEAVES_AFTER : BUSY_AFTER))
            return leaves ? MG_OK : MG_ERR_BUSY;
        if (waited) length = length < LAST_NAP ? 2 * length : LAST_NAP;
        if (wait_for(with.thread, us, turn, length) < 0) return -1;
        if (seen == rule_changes) continue;
        seen = rule_changes;
        const uint64_t number = with.number;
        with = meet_others(root, us);
        if (with.number != number) waited = length = 0;
    }
    return with.kind;
}

/* _await(turn, handle): with the turn, wait until a backward of a node may begin; a
 * status. */
PyObject *value_await(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *turn;
    long long handle;
    if (!PyArg_ParseTuple(args, "OL", &turn, &handle)) return NULL;
    int status = rule_calls ? wait_to_begin(turn, handle) : MG_OK;
    return PyErr_Occurred() ? NULL : PyLong_FromLong(status);
}
