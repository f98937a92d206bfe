/* work.c: long work that its thread may give up.
 *
 * A caller who wants to be asked opens a work in its thread: then loops that take more
 * than a few milliseconds ask between two slices, and do nothing more once the answer is
 * to give up. What they would have computed is then no result, which array_record() and
 * the other makers of nodes see and drop. What writes to arrays that others see holds on
 * until it is done. There is one work for each thread, not for each arena, as the loops
 * know nothing of arenas. */
#include "base/base.h"

#if MG_HAS_THREADS && !defined(__TINYC__)
#define OF_THREAD _Thread_local
#else
#define OF_THREAD
#endif

struct thread_work {
    int (*gives_up)(void *context); /* NULL: no work is open */
    void *context;
    int holds; /* what has to be finished is under way */
    atomic_bool given_up;
};

static OF_THREAD thread_work this_thread;
static OF_THREAD bool hurries;
atomic_int works_open;

int mg_work_begin(int (*gives_up)(void *context), void *context)
{
    MG_RETURN_IF(!gives_up, MG_ERR_ARG);
    MG_RETURN_IF(this_thread.gives_up, MG_ERR_BUSY);
    this_thread.gives_up = gives_up;
    this_thread.context = context;
    this_thread.holds = 0;
    atomic_store_explicit(&this_thread.given_up, false, memory_order_relaxed);
    atomic_fetch_add_explicit(&works_open, 1, memory_order_relaxed);
    return MG_OK;
}

static bool is_given_up(const thread_work *w)
{
    return atomic_load_explicit(&w->given_up, memory_order_relaxed);
}

int mg_work_end(void)
{
    MG_RETURN_IF(!this_thread.gives_up, MG_ERR_ARG);
    this_thread.gives_up = NULL;
    atomic_fetch_sub_explicit(&works_open, 1, memory_order_relaxed);
    return is_given_up(&this_thread) ? MG_ERR_INTERRUPTED : MG_OK;
}

int mg_work_hurry(int on)
{
    hurries = on != 0;
    return MG_OK;
}

const void *thread_mark(void)
{
    return &this_thread;
}

bool work_hurries(void)
{
    return hurries;
}

thread_work *work_of_thread(void)
{
    return this_thread.gives_up && !this_thread.holds ? &this_thread : NULL;
}

bool work_continues(thread_work *w)
{
    if (!w || is_given_up(w)) return !w;
    if (w != &this_thread || !w->gives_up(w->context)) return true;
    atomic_store_explicit(&w->given_up, true, memory_order_relaxed);
    return false;
}

int work_find_status(int status)
{
    thread_work *w = work_of_thread();
    return w && is_given_up(w) ? MG_ERR_INTERRUPTED : status;
}

bool work_find_hold(void)
{
    if (this_thread.gives_up) this_thread.holds++;
    return this_thread.gives_up != NULL;
}

void work_let_go(void)
{
    this_thread.holds--;
}
