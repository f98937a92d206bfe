/* test_large.c: ops large enough for several threads, from several threads at once, on
 * arenas of their own and on one that they share, while the number of threads and the
 * kernels change: each result has the bits of one thread. The argument is the number of
 * rounds. Under ThreadSanitizer (tests/long.sh) a data race is reported. */
#include <pthread.h>

#include "expect.h"
#include "updates.h"

enum { CALLERS = 4, ROWS = 600, COLUMNS = 1000, SIDE = 200, RESULTS = 14 };

static mg_arena *shared;
static uint64_t expected[2]; /* of seeds 1 and 2 */
static atomic_int wrong;     /* checks that failed: EXPECT is for one thread */

static int holds(int condition)
{
    if (!condition) wrong++;
    return condition;
}

static uint64_t array_hash(mg_arena *arena, mg_node of, uint64_t hash)
{
    mg_array_info info;
    if (!holds(mg_array_describe(arena, of, &info) == MG_OK)) return 0;
    size_t size = (size_t)info.count * (size_t)mg_dtype_size(info.dtype) / 8;
    for (size_t i = 0; info.contiguous && i < size; i++) {
        uint64_t word;
        memcpy(&word, (const char *)info.data + 8 * i, 8);
        hash = mix(hash, word);
    }
    return hash;
}

static mg_node apply_one(mg_arena *arena, int op, mg_node a, int count,
                         const int64_t *integers, int numbers, double number)
{
    return mg_apply(arena, op, 1, &a, count, integers, numbers, &number, 0, 1);
}

/* Take the gradients of the sum of a node. */
static void sweep_sum(mg_arena *arena, mg_node y)
{
    const int64_t all[] = {3, 0};
    mg_sweep *sweep;
    mg_node sum = apply_one(arena, MG_SUM, y, 2, all, 0, 0.0);
    int status;
    /* Another caller's sweep on the shared arena may be the innermost one. */
    if (mg_sweep_open(arena, 1, &sum, NULL, 0, NULL, MG_ACCUMULATE, &sweep) == MG_OK) {
        while ((status = mg_sweep_run(sweep, 1 << 16)) == MG_MORE) continue;
        holds(status == MG_OK || arena == shared);
        mg_sweep_close(sweep);
    }
    mg_release(arena, sum);
}

static void results_make(mg_arena *arena, mg_node x, mg_node q, mg_node y[RESULTS])
{
    const int64_t all[] = {3, 0}, columns[] = {1, 0}, rows[] = {2, 0}, turn[] = {1, 0};
    const int64_t one = 1, zero = 0, twice = MG_FLOAT64;
    const mg_node squares[] = {q, q}, same[] = {x, x};
    int k = 0;
    y[k++] = mg_apply(arena, MG_MATMUL, 2, squares, 0, NULL, 0, NULL, 0, 1);
    y[k++] = mg_apply(arena, MG_MUL, 2, same, 0, NULL, 0, NULL, 0, 1);
    y[k++] = apply_one(arena, MG_EXP, x, 0, NULL, 0, 0.0);
    y[k++] = apply_one(arena, MG_SOFTMAX, x, 1, &one, 0, 0.0);
    y[k++] = apply_one(arena, MG_SOFTMAX, x, 1, &zero, 0, 0.0);
    y[k++] = apply_one(arena, MG_CAST, x, 1, &twice, 0, 0.0);
    y[k++] = apply_one(arena, MG_LAYER_NORM, x, 1, &one, 1, 1e-5);
    y[k++] = apply_one(arena, MG_SUM, x, 2, all, 0, 0.0);
    y[k++] = apply_one(arena, MG_SUM, x, 2, columns, 0, 0.0);
    y[k++] = apply_one(arena, MG_LOGSUMEXP, x, 2, rows, 0, 0.0);
    y[k++] = apply_one(arena, MG_CUMSUM, x, 1, &one, 0, 0.0);
    y[k++] = apply_one(arena, MG_ARGMAX, x, 2, columns, 0, 0.0);
    y[k++] = apply_one(arena, MG_PERMUTE, x, 2, turn, 0, 0.0);
    y[k] = apply_one(arena, MG_CONTIGUOUS, y[k - 1], 0, NULL, 0, 0.0);
    holds(k == RESULTS - 1);
}

/* Run every op once; returns the hash of the results, and of gradients on an arena of its
 * own. */
static uint64_t round_run(mg_arena *arena, uint64_t seed)
{
    const int64_t sizes[] = {ROWS, COLUMNS}, square[] = {SIDE, SIDE};
    mg_node x = mg_array(arena, MG_FLOAT32, 2, sizes, NULL), y[RESULTS];
    mg_node q = mg_array(arena, MG_FLOAT32, 2, square, NULL);
    mg_node state[] = {mg_array(arena, MG_FLOAT32, 2, sizes, NULL),
                       mg_array(arena, MG_FLOAT32, 2, sizes, NULL)};
    mg_array_info info;
    mg_rng rng;
    uint64_t hash = seed;
    mg_rng_seed(&rng, seed);
    mg_array_describe(arena, x, &info);
    mg_rng_fill(&rng, MG_UNIFORM, MG_FLOAT32, -1.0, 1.0, info.count, info.data);
    mg_array_describe(arena, q, &info);
    mg_rng_fill(&rng, MG_UNIFORM, MG_FLOAT32, -1.0, 1.0, info.count, info.data);
    mg_require_gradient(arena, x, 1);
    results_make(arena, x, q, y);
    for (int i = 0; i < RESULTS; i++) hash = array_hash(arena, y[i], hash);
    for (int i = 1; i < 7; i++) sweep_sum(arena, y[i]);
    if (arena != shared) {
        holds(array_adam(arena, 1, &x, state, state + 1, 1, .1, .9, .99, 1e-8, .1, 1) ==
              MG_OK);
        holds(array_sgd(arena, 1, &x, &state[0], 0, .1, .9, 0, .1, 1) == MG_OK);
        hash = array_hash(arena, x, hash);
    }
    for (int i = 0; i < RESULTS; i++) mg_release(arena, y[i]);
    holds(mg_set_gradient(arena, x, 0) == MG_OK);
    mg_release(arena, x);
    mg_release(arena, q);
    for (int i = 0; i < 2; i++) mg_release(arena, state[i]);
    return hash;
}

typedef struct caller {
    pthread_t thread;
    int number, wrong;
    int64_t rounds;
} caller;

static void *caller_run(void *argument)
{
    caller *c = argument;
    bool shares = c->number % 2;
    mg_arena *arena = shares ? shared : mg_arena_new(NULL, NULL);
    for (int64_t round = 0; round < c->rounds; round++) {
        uint64_t hash = round_run(arena, 1 + (uint64_t)round % 2);
        if (!shares) c->wrong += hash != expected[round % 2];
        if (c->number == 2) mg_set_isa(round % 2 ? "baseline" : NULL);
        if (c->number == 3) mg_set_num_threads(2 + (int)(round % 3));
    }
    if (!shares) mg_arena_free(arena);
    return NULL;
}

int main(int count, char **arguments)
{
    static caller callers[CALLERS];
    int64_t rounds = count > 1 ? strtoll(arguments[1], NULL, 10) : 2;
    mg_arena *alone = mg_arena_new(NULL, NULL);
    shared = mg_arena_new(NULL, NULL);
    mg_set_num_threads(1);
    for (int i = 0; i < 2; i++) expected[i] = round_run(alone, 1 + (uint64_t)i);
    mg_set_num_threads(4);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].number = i;
        callers[i].rounds = rounds;
        EXPECT(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]) == 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        EXPECT(pthread_join(callers[i].thread, NULL) == 0);
        EXPECT(callers[i].wrong == 0);
    }
    EXPECT(wrong == 0);
    EXPECT(nodes_of(shared) == 0);
    mg_arena_free(shared);
    mg_arena_free(alone);
    mg_set_num_threads(0);
    return finish();
}
