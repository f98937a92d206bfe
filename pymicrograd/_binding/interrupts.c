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

void long_open(long_call *call, int is_long)
{
    call->is_long = is_long;
    call->is_again = 0;
    call->before = NULL;
    call->state = NULL;
}

void long_begin(long_call *call)
{
    if (call->is_long && !call->is_again) call->before = listen_for_signals();
    call->state = release_gil(1);
}

/* Hold on to the operands while handlers run, which may drop them or put others in their
 * place. */
static void nodes_retain(const mg_node *nodes, int count)
{
    for (int i = 0; i < count; i++) mg_retain(arena, nodes[i]);
}

int long_end(long_call *call, mg_node *made, const mg_node *operands, int count)
{
    acquire_gil(call->state, 1);
    int given_up = stop_listening(call->before);
    call->before = NULL;
    if (call->is_again)
        for (int i = 0; i < count; i++) release_node(operands[i]);
    if (!given_up || *made != MG_ERR_INTERRUPTED) return 0;
    nodes_retain(operands, count);
    call->is_again = 1;
    if (PyErr_CheckSignals() == 0) return 1;
    for (int i = 0; i < count; i++) release_node(operands[i]);
    return 0;
}
