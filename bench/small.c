/* small.c: what small graphs cost in C, op by op and in batches: a chain of products, and
 * the expression of micrograd's README, each forward, backward and given back.
 *
 * small_graphs() prints one line of JSON: minimum and median of each, in ns an op of the
 * chain and in us an expression. Results are checked before they are timed. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "micrograd.h"

enum { CHAIN = 1000, TURNS = 20, EXPRESSIONS = 1000 };
enum { SINGLE_CHAIN, BATCH_CHAIN, SINGLE_EXPRESSION, BATCH_EXPRESSION, CASES };

typedef struct scene {
    mg_arena *arena;
    mg_node leaf[2];
    double gradient[2];
    mg_node made[CHAIN];
    mg_step steps[CHAIN];
} scene;

/* Time of the processor: the machine's other work is not counted. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void backward(scene *s, mg_node root)
{
    mg_zero_gradients(s->arena, 2, s->leaf);
    mg_backward(s->arena, root, 1.0, 0);
    mg_gradients(s->arena, 2, s->leaf, s->gradient);
}

/* ---- a chain ----------------------------------------------------------------------- */

static void single_chain(scene *s)
{
    mg_node x = s->leaf[0];
    for (int i = 0; i < CHAIN; i++)
        s->made[i] = x = mg_record(s->arena, MG_MUL, x, s->leaf[1]);
    backward(s, x);
    for (int i = CHAIN; i-- > 0;) mg_release(s->arena, s->made[i]);
}

static void batch_chain(scene *s)
{
    mg_node x;
    for (int i = 0; i < CHAIN; i++)
        s->steps[i] = (mg_step){
            .op = MG_MUL, .a = i ? MG_RESULT(i - 1) : s->leaf[0], .b = s->leaf[1]};
    s->steps[CHAIN - 1].result = &x;
    mg_record_steps(s->arena, CHAIN, s->steps, NULL);
    backward(s, x);
    mg_release(s->arena, x);
}

/* ---- the expression of micrograd's README ------------------------------------------ */

static void single_expression(scene *s)
{
    mg_arena *t = s->arena;
    mg_node a = s->leaf[0], b = s->leaf[1], *m = s->made;
    m[0] = mg_record(t, MG_ADD, a, b);
    m[1] = mg_record(t, MG_MUL, a, b);
    m[2] = mg_record_number(t, MG_POW_NUMBER, b, 3.0);
    m[3] = mg_record(t, MG_ADD, m[1], m[2]);
    m[4] = mg_record_number(t, MG_ADD, m[0], 1.0);
    m[5] = mg_record(t, MG_ADD, m[0], m[4]);
    m[6] = mg_record_number(t, MG_ADD, m[5], 1.0);
    m[7] = mg_record_number(t, MG_MUL, a, -1.0);
    m[8] = mg_record(t, MG_ADD, m[6], m[7]);
    m[9] = mg_record(t, MG_ADD, m[5], m[8]);
    m[10] = mg_record_number(t, MG_MUL, m[3], 2.0);
    m[11] = mg_record(t, MG_ADD, b, a);
    m[12] = mg_record(t, MG_RELU, m[11], 0);
    m[13] = mg_record(t, MG_ADD, m[10], m[12]);
    m[14] = mg_record(t, MG_ADD, m[3], m[13]);
    m[15] = mg_record_number(t, MG_MUL, m[14], 3.0);
    m[16] = mg_subtract(t, b, a);
    m[17] = mg_record(t, MG_RELU, m[16], 0);
    m[18] = mg_record(t, MG_ADD, m[15], m[17]);
    m[19] = mg_record(t, MG_ADD, m[14], m[18]);
    m[20] = mg_subtract(t, m[9], m[19]);
    m[21] = mg_record_number(t, MG_POW_NUMBER, m[20], 2.0);
    m[22] = mg_record_number(t, MG_MUL, m[21], 0.5);
    m[23] = mg_record_number(t, MG_POW_NUMBER, m[21], -1.0);
    m[24] = mg_record_number(t, MG_MUL, m[23], 10.0);
    m[25] = mg_record(t, MG_ADD, m[22], m[24]);
    backward(s, m[25]);
    for (int i = 26; i-- > 0;) mg_release(t, m[i]);
}

#define R MG_RESULT

static void batch_expression(scene *s)
{
    mg_node a = s->leaf[0], b = s->leaf[1], y;
    const mg_step steps[] = {
        {.op = MG_ADD, .a = a, .b = b}, /* 0 */
        {.op = MG_MUL, .a = a, .b = b},
        {.op = MG_POW_NUMBER, .a = b, .b = MG_NUMBER, .number = 3.0},
        {.op = MG_ADD, .a = R(1), .b = R(2)},
        {.op = MG_ADD, .a = R(0), .b = MG_NUMBER, .number = 1.0},
        {.op = MG_ADD, .a = R(0), .b = R(4)}, /* 5 */
        {.op = MG_ADD, .a = R(5), .b = MG_NUMBER, .number = 1.0},
        {.op = MG_MUL, .a = a, .b = MG_NUMBER, .number = -1.0},
        {.op = MG_ADD, .a = R(6), .b = R(7)},
        {.op = MG_ADD, .a = R(5), .b = R(8)},
        {.op = MG_MUL, .a = R(3), .b = MG_NUMBER, .number = 2.0}, /* 10 */
        {.op = MG_ADD, .a = b, .b = a},
        {.op = MG_RELU, .a = R(11)},
        {.op = MG_ADD, .a = R(10), .b = R(12)},
        {.op = MG_ADD, .a = R(3), .b = R(13)},
        {.op = MG_MUL, .a = R(14), .b = MG_NUMBER, .number = 3.0}, /* 15 */
        {.op = MG_MUL, .a = a, .b = MG_NUMBER, .number = -1.0},
        {.op = MG_ADD, .a = b, .b = R(16)},
        {.op = MG_RELU, .a = R(17)},
        {.op = MG_ADD, .a = R(15), .b = R(18)},
        {.op = MG_ADD, .a = R(14), .b = R(19)}, /* 20 */
        {.op = MG_MUL, .a = R(20), .b = MG_NUMBER, .number = -1.0},
        {.op = MG_ADD, .a = R(9), .b = R(21)},
        {.op = MG_POW_NUMBER, .a = R(22), .b = MG_NUMBER, .number = 2.0},
        {.op = MG_MUL, .a = R(23), .b = MG_NUMBER, .number = 0.5},
        {.op = MG_POW_NUMBER, .a = R(23), .b = MG_NUMBER, .number = -1.0}, /* 25 */
        {.op = MG_MUL, .a = R(25), .b = MG_NUMBER, .number = 10.0},
        {.op = MG_ADD, .a = R(24), .b = R(26), .result = &y},
    };
    mg_record_steps(s->arena, sizeof steps / sizeof *steps, steps, NULL);
    backward(s, y);
    mg_release(s->arena, y);
}

/* ---- timing ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(scene *s);
    int turns;
    double unit; /* of what is printed, for a run */
} cases[CASES] = {
    {"single_chain", single_chain, TURNS, 1e9 / CHAIN},
    {"batch_chain", batch_chain, TURNS, 1e9 / CHAIN},
    {"single_expression", single_expression, EXPRESSIONS, 1e6},
    {"batch_expression", batch_expression, EXPRESSIONS, 1e6},
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Tell whether batches give the same bits, and the expression micrograd's digits. */
static int is_right(scene *s)
{
    double gradient[CASES][2];
    mg_usage usage;
    for (int i = 0; i < CASES; i++) {
        cases[i].run(s);
        gradient[i][0] = s->gradient[0];
        gradient[i][1] = s->gradient[1];
    }
    mg_arena_usage(s->arena, &usage);
    int good = usage.nodes == 2;
    for (int which = 0; which < 2; which++)
        for (int i = 0; i < CASES; i += 2)
            good &= gradient[i][which] == gradient[i + 1][which];
    return good && fabs(gradient[SINGLE_EXPRESSION][0] - 138.8338) < 1e-4 &&
           fabs(gradient[SINGLE_EXPRESSION][1] - 645.5773) < 1e-4;
}

int small_graphs(int warmup, int rounds);

int small_graphs(int warmup, int rounds)
{
    static scene s;
    double *times = calloc((size_t)(rounds * CASES), sizeof *times);
    s.arena = mg_arena_new(NULL, NULL);
    if (!times || !s.arena) return 1;
    s.leaf[0] = mg_leaf(s.arena, -4.0);
    s.leaf[1] = mg_leaf(s.arena, 2.0);
    if (!is_right(&s)) {
        fprintf(stderr, "core: batches give other numbers\n");
        return 1;
    }
    for (int round = -warmup; round < rounds; round++) {
        for (int i = 0; i < CASES; i++) {
            double start = seconds();
            for (int turn = 0; turn < cases[i].turns; turn++) cases[i].run(&s);
            double took = (seconds() - start) / cases[i].turns * cases[i].unit;
            if (round >= 0) times[i * rounds + round] = took;
        }
    }
    for (int i = 0; i < CASES; i++) {
        double *of = times + i * rounds;
        qsort(of, (size_t)rounds, sizeof *of, by_size);
        printf("%s\"%s_min\": %.4f, \"%s_median\": %.4f", i ? ", " : "{", cases[i].name,
               of[0], cases[i].name, of[rounds / 2]);
    }
    printf("}\n");
    mg_arena_free(s.arena);
    free(times);
    return 0;
}
