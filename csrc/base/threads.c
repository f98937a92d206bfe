/* threads.c: the workers that large array ops share.
 *
 * One pool for the process, since what it shares out are the cores of the machine, which
 * are not an arena's: the only state of the library besides the chosen kernels. Nothing
 * here is seen in results: ranges do not depend on each other, so neither on who runs
 * them.
 *
 * Workers start at the first use that needs them. An idle worker, and a caller that waits
 * for workers, polls for about 1 ms before it sleeps: in a network one large op follows
 * the other, waking a thread costs 50 us, and a thread may wake on its waker's core and
 * stay there for 50 ms. Workers hold no locks while they run a task, and no signal is
 * delivered to them. A process that forks keeps its workers; its child starts with none.
 * The environment is not read here; that is Python's to do. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "base/base.h"

enum { MAX_THREADS = 1024 };

/* Work cut into ranges of `range` items; the last one may be shorter. */
typedef struct shared_job {
    range_task task;
    void *context;
    int64_t begin, count, range;
} shared_job;

#if (defined(__unix__) || defined(__APPLE__)) && !defined(MG_NO_THREADS)

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* Looks at a flag before a thread goes to sleep: 10 to 50 us, 0.3 to 1.6 ms where each
 * thread has a core. */
enum { SPINS = 1000, SPINS_ALONE = 30000 };

static struct pool {
    pthread_mutex_t in_use; /* who is in job_share() has the workers, or forks */
    atomic_int chosen;     /* what mg_set_num_threads() was told; 0: one a core */
    atomic_int cores;      /* 0: not counted yet */
    atomic_uint announced; /* jobs so far: a worker that looks out sees it change */
    atomic_int running;    /* workers in the job; grows under the lock only */
    atomic_size_t next;    /* the first range that nobody has taken */

    pthread_mutex_t lock; /* of everything below; held for a few instructions */
    pthread_cond_t wake, done;
    shared_job job;
    int seats;    /* workers that may still join the job */
    int sleeping; /* workers that wait for `wake` */
    int started;  /* workers alive */
    bool forks;   /* the handlers for fork() are set */
} pool = {
    .in_use = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .done = PTHREAD_COND_INITIALIZER,
};

/* ---- how many ---------------------------------------------------------------------- */

/* Count the cores that this process may run on. */
static int cores_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int count = online < 1 ? 1 : online > MAX_THREADS ? MAX_THREADS : (int)online;
#if defined(__linux__) && defined(CPU_COUNT)
    cpu_set_t allowed; /* the call fails on machines of more than 1024 cores */
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        int usable = CPU_COUNT(&allowed);
        if (usable > 0 && usable < count) count = usable;
    }
#endif
    return count;
}

/* The same, counted once. */
static int cores_known(void)
{
    int count = atomic_load_explicit(&pool.cores, memory_order_relaxed);
    if (count) return count;
    count = cores_count();
    atomic_store_explicit(&pool.cores, count, memory_order_relaxed);
    return count;
}

int thread_count(void)
{
    int count = atomic_load_explicit(&pool.chosen, memory_order_relaxed);
    return count ? count : cores_known();
}

int mg_set_num_threads(int count)
{
    MG_RETURN_IF(count < 0 || count > MAX_THREADS, MG_ERR_ARG);
    atomic_store_explicit(&pool.chosen, count, memory_order_relaxed);
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.wake); /* those too many end */
    pthread_mutex_unlock(&pool.lock);
    return MG_OK;
}

/* ---- a job ------------------------------------------------------------------------- */

/* Tell the processor that this thread only waits. */
MG_INLINE void spin(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("isb"); /* some 10 ns; yield takes none */
#endif
}

static int spins(void)
{
    return thread_count() <= cores_known() ? SPINS_ALONE : SPINS;
}

static int64_t ranges_of(const shared_job *j)
{
    return (j->count + j->range - 1) / j->range;
}

/* Run ranges of the job until all are taken. */
static void ranges_run(const shared_job *j)
{
    const size_t ranges = (size_t)ranges_of(j);
    size_t i;
    while ((i = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed)) <
           ranges) {
        int64_t first = (int64_t)i * j->range, left = j->count - first;
        first += j->begin;
        j->task(j->context, first, first + (left < j->range ? left : j->range));
    }
}

/* Take a seat in the job, if one is free, and run ranges; called and left with the lock.
 * Who is in the job is counted, so that nobody touches a job that is over. */
static void job_join(void)
{
    if (pool.seats == 0) return;
    shared_job mine = pool.job;
    pool.seats--;
    atomic_fetch_add_explicit(&pool.running, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool.lock);
    ranges_run(&mine);
    pthread_mutex_lock(&pool.lock);
    int left = atomic_fetch_sub_explicit(&pool.running, 1, memory_order_release) - 1;
    if (left == 0) pthread_cond_signal(&pool.done);
}

/* Wait until a job is announced that is not number `seen`, or for a while. */
static void job_look_out(unsigned seen)
{
    const int most = spins();
    for (int i = 0; i < most; i++) {
        if (atomic_load_explicit(&pool.announced, memory_order_relaxed) != seen) return;
        spin();
    }
}

/* Whatever the thread that starts a worker does to its arithmetic is not for the
 * worker. */
static void *worker_run(void *unused)
{
    fesetenv(FE_DFL_ENV);
    pthread_mutex_lock(&pool.lock);
    while (pool.started < thread_count()) {
        unsigned seen = atomic_load_explicit(&pool.announced, memory_order_relaxed);
        job_join();
        pthread_mutex_unlock(&pool.lock);
        job_look_out(seen);
        pthread_mutex_lock(&pool.lock);
        if (atomic_load_explicit(&pool.announced, memory_order_relaxed) != seen) continue;
        pool.sleeping++;
        pthread_cond_wait(&pool.wake, &pool.lock);
        pool.sleeping--;
    }
    pool.started--;
    pthread_mutex_unlock(&pool.lock);
    return unused;
}

/* ---- workers ----------------------------------------------------------------------- */

/* Wait for the job under way, which needs the lock to end. Work that begins meanwhile finds
 * the workers taken and does without: so its thread, which may hold an arena that another
 * handler waits for, never waits for this one. */
static void before_fork(void)
{
    pthread_mutex_lock(&pool.in_use);
    pthread_mutex_lock(&pool.lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.in_use);
}

/* In the child the workers do not exist. */
static void after_fork_in_child(void)
{
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.done, NULL);
    pool.started = pool.sleeping = pool.seats = 0;
    atomic_store(&pool.running, 0);
    after_fork_in_parent();
}

/* Start a worker, to which no signal will be delivered; returns whether it worked. */
static bool worker_start(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
    bool works = pthread_create(&thread, NULL, worker_run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (works) pthread_detach(thread);
    return works;
}

/* Set the handlers for fork(), unless they are. With the lock. */
static void watch_forks(void)
{
    if (pool.forks) return;
    pool.forks =
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

void threads_open(void)
{
    pthread_mutex_lock(&pool.lock);
    watch_forks();
    pthread_mutex_unlock(&pool.lock);
}

/* Start workers until there are `count`; fewer will do. With the lock. */
static void workers_start(int count)
{
    if (pool.started >= count) return;
    watch_forks();
    while (pool.forks && pool.started < count && worker_start()) pool.started++;
}

/* ---- sharing ----------------------------------------------------------------------- */

/* Announce a job that up to `seats` workers may join. */
static void job_announce(shared_job j, int seats)
{
    pthread_mutex_lock(&pool.lock);
    workers_start(seats);
    pool.job = j;
    pool.seats = seats;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool.announced, 1, memory_order_relaxed);
    if (pool.sleeping > seats)
        for (int i = 0; i < seats; i++) pthread_cond_signal(&pool.wake);
    else if (pool.sleeping > 0)
        pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

/* Let no more workers join, and wait for those that did. */
static void job_close(void)
{
    const int most = spins();
    for (int i = 0;
         i < most && atomic_load_explicit(&pool.running, memory_order_relaxed); i++)
        spin();
    pthread_mutex_lock(&pool.lock);
    pool.seats = 0;
    while (atomic_load_explicit(&pool.running, memory_order_acquire) > 0)
        pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

/* Do a job with up to `threads` threads; false while another thread has the workers. */
static bool job_share(const shared_job *j, int threads)
{
    int64_t ranges = ranges_of(j);
    if (pthread_mutex_trylock(&pool.in_use) != 0) return false;
    job_announce(*j, ranges < threads ? (int)ranges - 1 : threads - 1);
    ranges_run(j);
    job_close();
    pthread_mutex_unlock(&pool.in_use);
    return true;
}

#else /* no threads: the same results, later */

void threads_open(void)
{
}

int thread_count(void)
{
    return 1;
}

int mg_set_num_threads(int count)
{
    return count < 0 || count > MAX_THREADS ? MG_ERR_ARG : MG_OK;
}

static bool job_share(const shared_job *j, int threads)
{
    (void)j;
    (void)threads;
    return false;
}

#endif

int parallel_parts(double cost)
{
    return cost > (double)SHARED_COST ? thread_count() : 1;
}

/* Do the items [begin, begin + count). */
static void ranges_share(int64_t begin, int64_t count, double cost, range_task task,
                         void *context)
{
    int threads = count > 1 ? parallel_parts((double)count * cost) : 1;
    shared_job j = {task, context, begin, count, 1};
    if (threads > 1 && cost < SHARED_COST / 4)
        j.range = (int64_t)(SHARED_COST / 4 / cost);
    if (threads == 1 || !job_share(&j, threads)) task(context, begin, begin + count);
}

/* The same in slices, between which a work may be given up; each has items for all
 * threads, however large they are. */
static void slices_share(int64_t count, double cost, range_task task, void *context)
{
    int threads = thread_count();
    double fits = (double)ASKED_COST * threads / cost;
    int64_t slice = fits < threads ? threads : fits < (double)count ? (int64_t)fits : count;
    for (int64_t first = 0; first < count && work_goes_on(); first += slice) {
        int64_t left = count - first;
        ranges_share(first, left < slice ? left : slice, cost, task, context);
    }
}

void parallel_ranges(int64_t count, double cost, range_task task, void *context)
{
    if (count <= 0) return;
    if (MG_UNLIKELY((double)count * cost > (double)ASKED_COST) && is_work_open())
        slices_share(count, cost, task, context);
    else
        ranges_share(0, count, cost, task, context);
}

int mg_num_threads(void)
{
    return thread_count();
}
