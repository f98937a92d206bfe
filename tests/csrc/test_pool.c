/* test_pool.c: the workers of threads.c. Every item runs once, whatever the number of
 * threads, from inside a task, from several threads at once, and in a child that was
 * forked while workers were busy. The argument is the number of rounds. Under
 * ThreadSanitizer (tests/long.sh) a data race is reported; it knows no threads in
 * children, so there the part that forks is left out. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

#if defined(__SANITIZE_THREAD__)
#define FORKS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORKS 0
#endif
#endif
#ifndef FORKS
#define FORKS 1
#endif

enum { CALLERS = 4, LARGE = 1000 };

/* Costs of items that go to threads by themselves, and three in a range. */
static const double COSTS[] = {(double)SHARED_COST, (double)SHARED_COST / 13.0};

/* ---- tasks ------------------------------------------------------------------------- */

/* Tasks write to places of their own, without atomics: a task that ran twice at once
 * would be a data race. */
typedef struct tally {
    int runs[LARGE];
    double sums[LARGE];
} tally;

/* A sum that takes a while and depends on i. */
static double sum_of(int64_t i)
{
    double sum = 0.0;
    for (int j = 1; j < 200; j++) sum += 1.0 / (double)(i + j);
    return sum;
}

static void add(void *context, int64_t first, int64_t end)
{
    tally *t = context;
    for (int64_t i = first; i < end; i++) {
        t->runs[i]++;
        t->sums[i] = sum_of(i);
    }
}

/* Run a job of `count` items; returns whether each ran once and left its result. */
static int job_is_right(int64_t count, tally *t)
{
    memset(t, 0, sizeof *t);
    parallel_ranges(count, COSTS[count & 1], add, t);
    for (int64_t i = 0; i < LARGE; i++) {
        if (t->runs[i] != (i < count)) return 0;
        if (i < count && t->sums[i] != sum_of(i)) return 0;
    }
    return 1;
}

static void nest(void *context, int64_t first, int64_t end)
{
    int *right = context;
    tally *t = malloc(sizeof *t);
    for (int64_t i = first; i < end; i++) right[i] = t && job_is_right(i % 7, t);
    free(t);
}

/* Tell whether this thread would be given a signal: workers are not. */
static void look_at_signals(void *context, int64_t first, int64_t end)
{
    pthread_t caller = *(pthread_t *)((void **)context)[0];
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    int *wrong = ((void **)context)[1];
    for (int64_t i = first; i < end; i++)
        wrong[i] =
            !pthread_equal(pthread_self(), caller) && !sigismember(&blocked, SIGINT);
    sched_yield();
}

/* ---- tests ------------------------------------------------------------------------- */

static void test_counts(int64_t rounds)
{
    static const int64_t counts[] = {0, 1, 2, 3, 5, 64, LARGE, -1};
    tally *t = malloc(sizeof *t);
    for (int64_t round = 0; t && round < rounds; round++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            EXPECT(job_is_right(counts[i], t));
    free(t);
}

static void test_thread_numbers(int64_t rounds)
{
    static const int numbers[] = {1, 2, 3, 8, 4, 0, 16, 2};
    EXPECT(mg_set_num_threads(-1) == MG_ERR_ARG);
    EXPECT(mg_set_num_threads(1025) == MG_ERR_ARG);
    EXPECT(mg_set_num_threads(1024) == MG_OK && mg_num_threads() == 1024);
    EXPECT(mg_set_num_threads(0) == MG_OK && mg_num_threads() >= 1);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        EXPECT(mg_set_num_threads(numbers[i]) == MG_OK);
        EXPECT(mg_num_threads() == thread_count());
        EXPECT(numbers[i] == 0 || thread_count() == numbers[i]);
        test_counts(rounds);
    }
}

static void test_nested(int64_t rounds)
{
    int right[50];
    mg_set_num_threads(4);
    for (int64_t round = 0; round < rounds; round++) {
        memset(right, 0, sizeof right);
        parallel_ranges(50, SHARED_COST, nest, right);
        int all = 1;
        for (int i = 0; i < 50; i++) all &= right[i];
        EXPECT(all);
    }
}

static void test_signals(void)
{
    int wrong[LARGE] = {0}, sum = 0;
    pthread_t self = pthread_self();
    void *context[] = {&self, wrong};
    mg_set_num_threads(4);
    parallel_ranges(LARGE, SHARED_COST, look_at_signals, context);
    for (int i = 0; i < LARGE; i++) sum += wrong[i];
    EXPECT(sum == 0);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    EXPECT(!sigismember(&blocked, SIGINT));
}

typedef struct caller {
    pthread_t thread;
    int64_t rounds, wrong;
    int changes; /* it sets the number of threads between its jobs */
} caller;

static void *caller_run(void *argument)
{
    caller *c = argument;
    tally *t = malloc(sizeof *t);
    for (int64_t round = 0; round < c->rounds; round++) {
        if (c->changes) mg_set_num_threads(1 + (int)(round % 5));
        c->wrong += !t || !job_is_right(round % 40, t);
    }
    free(t);
    return NULL;
}

static void callers_start(caller *callers, int64_t rounds, int changes)
{
    for (int i = 0; i < CALLERS; i++) {
        caller c = {.rounds = rounds, .changes = changes && i == 0};
        callers[i] = c;
        EXPECT(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]) == 0);
    }
}

static void callers_end(caller *callers)
{
    for (int i = 0; i < CALLERS; i++) {
        EXPECT(pthread_join(callers[i].thread, NULL) == 0);
        EXPECT(callers[i].wrong == 0);
    }
}

static void test_callers(int64_t rounds)
{
    caller callers[CALLERS];
    for (int changes = 0; changes < 2; changes++) {
        mg_set_num_threads(3);
        callers_start(callers, rounds * 20, changes);
        callers_end(callers);
    }
}

/* A child with a pool of its own; it exits with 0 when all is right. */
static int child_is_right(void)
{
    pid_t child = fork();
    if (child == 0) {
        tally *t = malloc(sizeof *t);
        int right = t != NULL;
        alarm(20); /* a deadlock is a failure */
        for (int i = 0; right && i < 20; i++) right = job_is_right(LARGE, t);
        _exit(!right);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_forks(int64_t rounds)
{
    caller callers[CALLERS];
    mg_set_num_threads(3);
    callers_start(callers, rounds * 100, 0);
    for (int64_t i = 0; i < rounds; i++) EXPECT(child_is_right());
    callers_end(callers);
    EXPECT(child_is_right()); /* with workers asleep */
    test_counts(3);
}

int main(int count, char **arguments)
{
    int64_t rounds = count > 1 ? strtoll(arguments[1], NULL, 10) : 20;
    test_counts(rounds);
    test_thread_numbers(rounds);
    test_nested(rounds);
    test_signals();
    test_callers(rounds);
    if (FORKS) test_forks(rounds);
    mg_set_num_threads(0);
    return finish();
}
