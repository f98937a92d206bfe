/* test_waits.c: threads that wait for each other's long work on one arena: ops that are
 * shared out among workers, sweeps over one graph at the same time, a backward in slices,
 * short calls in between, and forks. The arguments are the number of rounds a thread makes
 * and of forks. Under ThreadSanitizer (tests/long.sh) a data race is reported; it knows no
 * threads in children, so there nothing forks. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

#if defined(__SANITIZE_THREAD__)
#define FORKS 0
#else
#define FORKS 1
#endif

enum { SIDE = 320 }; /* arrays of SIDE * SIDE elements last, and go to workers */

typedef struct scene {
    mg_arena *arena;
    mg_node x, root; /* x requires a gradient; root is the sum of exp(x * x) */
    double sum;      /* of root */
    int64_t rounds;
    atomic_int wrong, ended;
} scene;

static mg_node apply1(mg_arena *arena, int op, mg_node a, int count, const int64_t *how)
{
    return mg_apply(arena, op, 1, &a, count, how, 0, NULL, 0, 1);
}

/* Return the sum of exp(x * x), as a new node. */
static mg_node sum_of(mg_arena *arena, mg_node x)
{
    const mg_node both[] = {x, x};
    const int64_t all[] = {3, 0};
    mg_node squares = mg_apply(arena, MG_MUL, 2, both, 0, NULL, 0, NULL, 0, 1);
    mg_node powers = apply1(arena, MG_EXP, squares, 0, NULL);
    mg_node sum = apply1(arena, MG_SUM, powers, 2, all);
    mg_release(arena, squares);
    mg_release(arena, powers);
    return sum;
}

static double number_of(mg_arena *arena, mg_node sum)
{
    mg_array_info info;
    if (mg_array_describe(arena, sum, &info) != MG_OK || info.count != 1) return -1.0;
    return *(const double *)info.data;
}

/* Ops on large arrays have the same result beside others. */
static void *compute(void *argument)
{
    scene *s = argument;
    for (int64_t i = 0; i < s->rounds; i++) {
        mg_node sum = sum_of(s->arena, s->x);
        s->wrong += !(sum > 0 && number_of(s->arena, sum) == s->sum);
        mg_release(s->arena, sum);
    }
    s->ended++;
    return NULL;
}

/* Sweeps over one graph, in small slices. */
static void *sweep(void *argument)
{
    scene *s = argument;
    for (int64_t i = 0; i < s->rounds; i++) {
        mg_sweep *under_way;
        int status = mg_sweep_open(s->arena, 1, &s->root, NULL, 0, NULL, MG_ACCUMULATE,
                                   &under_way);
        while (status == MG_OK && (status = mg_sweep_run(under_way, 1)) == MG_MORE)
            status = MG_OK;
        s->wrong += status != MG_OK;
        mg_sweep_close(under_way);
    }
    s->ended++;
    return NULL;
}

/* Short calls on numbers, and a backward over some thousand of them. */
static void *record(void *argument)
{
    scene *s = argument;
    for (int64_t i = 0; i < s->rounds; i++) {
        mg_node x = mg_leaf(s->arena, 1.0), last = mg_leaf(s->arena, 0.0);
        double gradient = 0.0;
        for (int k = 0; k < 2000; k++) {
            mg_node next = mg_record(s->arena, MG_ADD, last, x);
            mg_release(s->arena, last);
            last = next;
        }
        int status = mg_backward(s->arena, last, 1.0, 500);
        while (status == MG_MORE) status = mg_backward_resume(s->arena, 500);
        mg_gradients(s->arena, 1, &x, &gradient);
        s->wrong += status != MG_OK || gradient != 2000.0;
        mg_release(s->arena, last);
        mg_release(s->arena, x);
    }
    s->ended++;
    return NULL;
}

/* Fork while the others work; children use the arena and the workers. */
static void forks(scene *s, int64_t count, int threads)
{
    for (int64_t i = 0; FORKS && i < count && s->ended < threads; i++) {
        mg_arena_before_fork(s->arena);
        pid_t pid = fork();
        mg_arena_after_fork(s->arena, pid == 0);
        if (pid == 0) {
            mg_node sum = sum_of(s->arena, s->x);
            _exit(number_of(s->arena, sum) != s->sum);
        }
        int status = 1;
        s->wrong += pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
    }
}

static double gradient_at(scene *s, int i)
{
    mg_array_info info = {0};
    mg_node gradient = mg_gradient(s->arena, s->x);
    EXPECT(mg_array_describe(s->arena, gradient, &info) == MG_OK);
    double found = info.data ? ((const double *)info.data)[i] : 0.0;
    EXPECT(mg_release(s->arena, gradient) == MG_OK);
    return found;
}

int main(int count, char **arguments)
{
    static double numbers[SIDE * SIDE]; /* zeros: each sweep adds 0, and 1's gradient */
    const int64_t shape[] = {SIDE, SIDE};
    void *(*const tasks[])(void *) = {compute, compute, sweep, sweep, record};
    enum { THREADS = sizeof tasks / sizeof *tasks };
    pthread_t threads[THREADS];
    ledger book;
    scene s = {.arena = ledger_arena(&book)};
    s.rounds = count > 1 ? strtoll(arguments[1], NULL, 10) : 50;
    mg_set_num_threads(3);
    numbers[0] = 1.0;
    s.x = mg_array(s.arena, MG_FLOAT64, 2, shape, numbers);
    EXPECT(mg_require_gradient(s.arena, s.x, 1) == MG_OK);
    s.root = sum_of(s.arena, s.x);
    s.sum = number_of(s.arena, s.root);
    sweep(&s);
    double once = gradient_at(&s, 0) / (double)s.rounds;
    EXPECT(mg_set_gradient(s.arena, s.x, 0) == MG_OK);
    s.ended = 0;
    for (int i = 0; i < THREADS; i++)
        s.wrong += pthread_create(&threads[i], NULL, tasks[i], &s) != 0;
    forks(&s, count > 2 ? strtoll(arguments[2], NULL, 10) : 100, THREADS);
    for (int i = 0; i < THREADS; i++) s.wrong += pthread_join(threads[i], NULL) != 0;
    EXPECT(s.wrong == 0);
    EXPECT(fabs(gradient_at(&s, 0) / once - 2.0 * (double)s.rounds) < 1e-6);
    EXPECT(mg_release(s.arena, s.root) == MG_OK && mg_release(s.arena, s.x) == MG_OK);
    EXPECT(nodes_of(s.arena) == 0 && s.arena->sweeps == NULL);
    expect_consistent(s.arena);
    ledger_arena_free(s.arena, &book);
    return finish();
}
