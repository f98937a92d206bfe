/* test_threads.c: several threads on one arena, and one each on private ones. Calls on
 * one arena take turns; one backward is under way at a time, and others record, read and
 * release meanwhile. The argument is the number of rounds a thread makes. Under
 * ThreadSanitizer (tests/long.sh) a data race is reported. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>

#include "expect.h"

enum { THREADS = 4, LENGTH = 40 };

typedef struct worker {
    mg_arena *arena;
    pthread_t thread;
    int64_t rounds, busy;
    int wrong, yields;
} worker;

/* Record x**LENGTH as a chain of products. */
static mg_node power_make(mg_arena *arena, mg_node x)
{
    mg_node last = mg_record_number(arena, MG_MUL, x, 1.0);
    for (int i = 1; i < LENGTH; i++) {
        mg_node next = mg_record(arena, MG_MUL, last, x);
        mg_release(arena, last);
        last = next;
    }
    return last;
}

/* Run a backward in slices, waiting for the turn. */
static int backward(worker *w, mg_node root)
{
    int status;
    while ((status = mg_backward(w->arena, root, 1.0, 7)) == MG_ERR_BUSY) {
        w->busy++;
        sched_yield();
    }
    while (status == MG_MORE) {
        if (w->yields) sched_yield();
        status = mg_backward_resume(w->arena, 7);
    }
    return status;
}

static int power_is_right(worker *w)
{
    mg_node x = mg_leaf(w->arena, 1.0), power = power_make(w->arena, x), leaf = x, again;
    double gradient = 0.0, second = 0.0;
    int status = backward(w, power);
    while ((again = mg_grad(w->arena, power, 1, &leaf, &leaf)) == MG_ERR_BUSY)
        sched_yield();
    int right = status == MG_OK && again == MG_OK;
    right &= mg_gradients(w->arena, 1, &x, &gradient) == MG_OK && gradient == (double)LENGTH;
    right &= mg_data(w->arena, 1, &leaf, &second) == MG_OK && second == (double)LENGTH;
    right &= mg_release(w->arena, leaf) == MG_OK;
    right &= mg_release(w->arena, power) == MG_OK;
    right &= mg_release(w->arena, x) == MG_OK;
    right &= mg_release(w->arena, x) == MG_ERR_STALE;
    return right;
}

static void *work(void *argument)
{
    worker *w = argument;
    for (int64_t i = 0; i < w->rounds; i++) w->wrong += !power_is_right(w);
    return NULL;
}

/* Run the threads; nothing is expected, which counts, until all have ended. */
static int64_t run(worker *workers)
{
    int64_t busy = 0;
    int wrong = 0;
    for (int i = 0; i < THREADS; i++)
        wrong += pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0;
    for (int i = 0; i < THREADS; i++) {
        wrong += pthread_join(workers[i].thread, NULL) != 0;
        wrong += workers[i].wrong;
        busy += workers[i].busy;
    }
    EXPECT(wrong == 0);
    return busy;
}

static void test_shared(int64_t rounds)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        worker w = {.arena = arena, .rounds = rounds, .yields = 1};
        workers[i] = w;
    }
    printf("%lld times busy\n", (long long)run(workers));
    EXPECT(nodes_of(arena) == 0);
    expect_consistent(arena);
    ledger_arena_free(arena, &book);
}

static void test_private(int64_t rounds)
{
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        worker w = {.arena = mg_arena_new(NULL, NULL), .rounds = rounds};
        workers[i] = w;
    }
    EXPECT(run(workers) == 0);
    for (int i = 0; i < THREADS; i++) {
        EXPECT(nodes_of(workers[i].arena) == 0);
        mg_arena_free(workers[i].arena);
    }
}

int main(int count, char **arguments)
{
    int64_t rounds = count > 1 ? strtoll(arguments[1], NULL, 10) : 2000;
    test_shared(rounds);
    test_private(rounds);
    return finish();
}
