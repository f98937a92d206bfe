/* interrupts.c: long calls that a signal may end: Ctrl-C is heard within 100 ms.
 *
 * What a signal does to Python, it does between two instructions of Python's, and C cannot
 * ask without the GIL whether one has come. But CPython writes a byte to its wakeup file
 * descriptor at once, in whatever thread the signal arrives: so a long call of the main
 * thread has that lead to a pipe of ours, looks at it every few milliseconds, and gives up
 * when something came. Only then do Python's handlers run, outside the core; where none of
 * them raises, the call is made again, to its end. The user's own descriptor is put back,
 * with the bytes that were for it. */
#if (defined(__unix__) || defined(__APPLE__)) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "binding.h"

#if defined(__unix__) || defined(__APPLE__)

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_AFTER = 4000000 }; /* nanoseconds between two looks at the pipe */

static int ends[2] = {-1, -1}; /* of the pipe: to read, to write */
static PyObject *set_wakeup, *write_end;
static unsigned long main_thread; /* 0: not known */
static int64_t looked;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Tell the core whether a signal has come. Without the GIL. */
static int has_signal(void *Py_UNUSED(context))
{
    int64_t time = now();
    if (time - looked < LOOK_AFTER) return 0;
    looked = time;
    struct pollfd pipe_end = {.fd = ends[0], .events = POLLIN};
    return poll(&pipe_end, 1, 0) > 0;
}

/* Set flags of both ends; 0, or -1. */
static int set_flags(void)
{
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0 ||
            fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0)
            return -1;
    return 0;
}

void forget_pipe(void)
{
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0) close(ends[i]);
        ends[i] = -1;
    }
    main_thread = 0;
}

/* Make the pipe, and find Python's function; -1, without an exception. */
static int open_pipe(void)
{
    if (ends[0] >= 0) return 0;
    if (pipe(ends) < 0) return -1;
    if (!set_wakeup) {
        PyObject *module = PyImport_ImportModule("signal");
        set_wakeup = module ? PyObject_GetAttrString(module, "set_wakeup_fd") : NULL;
        Py_XDECREF(module);
    }
    Py_XDECREF(write_end);
    write_end = PyLong_FromLong(ends[1]);
    if (set_wakeup && write_end && set_flags() == 0) return 0;
    PyErr_Clear();
    forget_pipe();
    return -1;
}

PyObject *listen_for_signals(void)
{
    unsigned long thread = PyThread_get_thread_ident();
    if (main_thread && thread != main_thread) return NULL;
    if (open_pipe() < 0) return NULL;
    PyObject *before = PyObject_CallFunctionObjArgs(set_wakeup, write_end, NULL);
    if (!before) { /* in another thread than the main one */
        PyErr_Clear();
        return NULL;
    }
    main_thread = thread;
    looked = now();
    if (mg_work_begin(has_signal, NULL) == MG_OK) return before;
    Py_XDECREF(PyObject_CallFunctionObjArgs(set_wakeup, before, NULL));
    Py_DECREF(before);
    return NULL;
}

/* Empty the pipe, into the descriptor that was in its place. */
static void pass_on_bytes(int to)
{
    char bytes[64];
    for (;;) {
        ssize_t count = read(ends[0], bytes, sizeof bytes);
        if (count <= 0) return;
        if (to >= 0 && write(to, bytes, (size_t)count) < 0) to = -1;
    }
}

int stop_listening(PyObject *before)
{
    if (!before) return 0;
    int status = mg_work_end();
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyObject *ours = PyObject_CallFunctionObjArgs(set_wakeup, before, NULL);
    Py_XDECREF(ours);
    long descriptor = PyLong_AsLong(before);
    Py_DECREF(before);
    struct pollfd pipe_end = {.fd = ends[0], .events = POLLIN};
    if (poll(&pipe_end, 1, 0) > 0) pass_on_bytes((int)descriptor);
    PyErr_Restore(type, error, traceback);
    return status == MG_ERR_INTERRUPTED;
}

#else /* Ctrl-C is heard between two calls */

void forget_pipe(void)
{
}

PyObject *listen_for_signals(void)
{
    return NULL;
}

int stop_listening(PyObject *Py_UNUSED(before))
{
    return 0;
}

#endif

/* ---- calls ------------------------------------------------------------------------- */

void long_open(long_call *call, int is_large, int is_long)
{
    *call = (long_call){.is_large = is_large, .is_long = is_long || may_wait()};
}

void long_open_graph(long_call *call)
{
    mg_usage usage;
    mg_arena_usage(arena, &usage);
    long_open(call, 1, usage.nodes > LONG / 8);
}

void long_begin(long_call *call)
{
    if (call->is_long && !call->is_again) call->before = listen_for_signals();
    call->is_hurried = !call->waits && !call->is_again;
    if (call->is_hurried) mg_work_hurry(1);
    call->state = release_gil(call->is_large);
}

/* Hold on to the operands while handlers run, which may drop them or put others in their
 * place. */
static void nodes_retain(long_call *call, const mg_node *nodes, int count)
{
    for (int i = 0; i < count; i++) mg_retain(arena, nodes[i]);
    call->is_held = 1;
}

static void nodes_release(long_call *call, const mg_node *nodes, int count)
{
    for (int i = 0; call->is_held && i < count; i++) release_node(nodes[i]);
    call->is_held = 0;
}

/* A call that has waited only, without any work done, does not wait for hold of its
 * operands either (one that a handler drops is stale then), and listens again. */
int long_end(long_call *call, mg_node *made, const mg_node *operands, int count)
{
    acquire_gil(call->state, call->is_large);
    if (call->is_hurried) mg_work_hurry(0);
    int given_up = stop_listening(call->before);
    call->before = NULL;
    nodes_release(call, operands, count);
    int has_to_wait = call->is_hurried && !given_up;
    if (*made != MG_ERR_INTERRUPTED || !(given_up || has_to_wait)) return 0;
    if (has_to_wait) call->waits = call->is_long = 1;
    else call->is_again = !mg_arena_lasts(arena) && call->is_large;
    if (call->is_again) nodes_retain(call, operands, count);
    if (PyErr_CheckSignals() == 0) return 1;
    nodes_release(call, operands, count);
    return 0;
}
