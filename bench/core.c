/* core.c: what recording, backward and release cost in C alone, per node.
 *
 * Usage: core NODES WARMUP ROUNDS. Trains nothing: records MLP(2, [16, 3]) and the mean
 * cross-entropy on as many points as give about NODES nodes, in one graph, and times each
 * phase ROUNDS times, after WARMUP rounds that do not count. Prints one line of JSON:
 * nodes, bytes a node when recorded and at most, minimum and median of each phase in ns a
 * node. `core WARMUP ROUNDS` is bench/small.c. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "micrograd.h"

enum { NIN = 2, HIDDEN = 16, CLASSES = 3 };
enum { PARAMETERS = (NIN + 1) * HIDDEN + (HIDDEN + 1) * CLASSES };
enum { RECORD, BACKWARD, RELEASE, PHASES };

/* Time of the processor: the machine's other work is not counted. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fail_unless(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "core: %s failed\n", what);
    exit(1);
}

typedef struct problem {
    mg_arena *arena;
    int64_t rows;
    mg_node parameters[PARAMETERS];
    mg_node *inputs, *logits;
    double *numbers;
    int64_t *targets;
} problem;

static void problem_make(problem *p, int64_t rows)
{
    mg_rng rng;
    mg_rng_seed(&rng, 42);
    p->arena = mg_arena_new(NULL, NULL);
    p->rows = rows;
    p->inputs = malloc((size_t)rows * NIN * sizeof(mg_node));
    p->logits = malloc((size_t)rows * CLASSES * sizeof(mg_node));
    p->targets = malloc((size_t)rows * sizeof(int64_t));
    fail_unless(p->arena && p->inputs && p->logits && p->targets, "allocation");
    for (int i = 0; i < PARAMETERS; i++)
        p->parameters[i] = mg_leaf(p->arena, mg_rng_uniform(&rng, -1.0, 1.0));
    for (int64_t i = 0; i < rows; i++) p->targets[i] = mg_rng_u32(&rng) % CLASSES;
}

/* Record the loss; inputs are new leaves, as in a program that makes them each step. */
static mg_node problem_record(problem *p)
{
    const int64_t sizes[] = {NIN, HIDDEN, CLASSES};
    mg_node loss = 0;
    for (int64_t i = 0; i < p->rows * NIN; i++)
        p->inputs[i] = mg_leaf(p->arena, (double)(i % 17) / 8.0 - 1.0);
    int tanh_op = MG_TANH;
    int status = mg_mlp(p->arena, 2, sizes, tanh_op, -1, p->parameters, p->rows,
                        p->inputs, NULL, p->logits);
    fail_unless(status == MG_OK, "mg_mlp");
    status = mg_cross_entropy(p->arena, p->rows, CLASSES, p->logits, p->targets, 1,
                              MG_REDUCE_MEAN, &loss);
    fail_unless(status == MG_OK, "mg_cross_entropy");
    return loss;
}

/* Release the last node first, as Python's reference counts do. */
static void problem_release(problem *p, mg_node loss)
{
    mg_release(p->arena, loss);
    for (int64_t i = p->rows * CLASSES; i-- > 0;) mg_release(p->arena, p->logits[i]);
    for (int64_t i = p->rows * NIN; i-- > 0;) mg_release(p->arena, p->inputs[i]);
}

int small_graphs(int warmup, int rounds);

int main(int argc, char **argv)
{
    if (argc == 3) return small_graphs(atoi(argv[1]), atoi(argv[2]));
    if (argc != 4) return 2;
    int64_t rows = atoll(argv[1]) / 203 + 1;
    int warmup = atoi(argv[2]), rounds = atoi(argv[3]);
    double *times[PHASES];
    problem p;
    mg_usage usage = {0, 0, 0, 0}, backward_usage = {0, 0, 0, 0};
    problem_make(&p, rows);
    for (int phase = 0; phase < PHASES; phase++) times[phase] = calloc((size_t)rounds, 8);
    for (int round = -warmup; round < rounds; round++) {
        double start = seconds();
        mg_node loss = problem_record(&p);
        double recorded = seconds();
        mg_arena_usage(p.arena, &usage);
        fail_unless(mg_backward(p.arena, loss, 1.0, 0) == MG_OK, "mg_backward");
        double flowed = seconds();
        problem_release(&p, loss);
        double released = seconds();
        mg_arena_usage(p.arena, &backward_usage);
        if (round < 0) continue;
        times[RECORD][round] = recorded - start;
        times[BACKWARD][round] = flowed - recorded;
        times[RELEASE][round] = released - flowed;
    }
    const char *names[PHASES] = {"record", "backward", "release"};
    printf("{\"nodes\": %lld", (long long)usage.nodes);
    printf(", \"bytes_at_rest\": %.2f, \"bytes_peak\": %.2f",
           (double)usage.bytes / (double)usage.nodes,
           (double)backward_usage.peak_bytes / (double)usage.nodes);
    for (int phase = 0; phase < PHASES; phase++) {
        qsort(times[phase], (size_t)rounds, sizeof(double), by_size);
        double scale = 1e9 / (double)usage.nodes;
        printf(", \"%s_min\": %.3f, \"%s_median\": %.3f", names[phase],
               times[phase][0] * scale, names[phase], times[phase][rounds / 2] * scale);
    }
    printf("}\n");
    mg_arena_free(p.arena);
    return 0;
}
