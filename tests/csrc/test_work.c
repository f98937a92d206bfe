/* test_work.c: long calls that are given up: at each question that a call asks, the answer
 * is once to give up. Then it has changed nothing and left nothing, and made again it
 * gives the same bits as a call that nobody asks, on one thread and on three. A sweep goes
 * on. What writes to arrays does not ask. */
#include <pthread.h>

#include "expect.h"

/* Elements: more than two threads do between two questions. */
enum { COUNT = (9 << 20) / MG_ASK_OFTEN, SIDE = MG_ASK_OFTEN > 1 ? 220 : 700 };

typedef struct scene {
    mg_arena *arena;
    mg_node x, positions, square, whole, counts; /* whole: int64 */
} scene;

typedef struct questions {
    int64_t asked, give_up_at; /* < 0: never */
} questions;

static int gives_up(void *context)
{
    questions *q = context;
    return q->asked++ == q->give_up_at;
}

static mg_node op1(scene *s, int op, mg_node a, int count, const int64_t *how)
{
    return mg_apply(s->arena, op, 1, &a, count, how, 0, NULL, 0, 1);
}

static mg_node op2(scene *s, int op, mg_node a, mg_node b, int count, const int64_t *how)
{
    const mg_node both[] = {a, b};
    return mg_apply(s->arena, op, 2, both, count, how, 0, NULL, 0, 1);
}

static mg_node call_exp(scene *s)
{
    return op1(s, MG_EXP, s->x, 0, NULL);
}

static mg_node call_number(scene *s)
{
    return mg_apply_number(s->arena, MG_ADD, s->x, 1, MG_NUMBER_FLOAT, 0, 0.5, 1);
}

static mg_node call_cast(scene *s)
{
    const int64_t dtype = MG_FLOAT64;
    return op1(s, MG_CAST, s->x, 1, &dtype);
}

static mg_node call_sum(scene *s)
{
    const int64_t how[] = {1, 0};
    return op1(s, MG_SUM, s->x, 2, how);
}

static mg_node call_cumsum(scene *s)
{
    const int64_t axis = 0;
    return op1(s, MG_CUMSUM, s->x, 1, &axis);
}

static mg_node call_softmax(scene *s)
{
    const int64_t axis = 0;
    return op1(s, MG_SOFTMAX, s->x, 1, &axis);
}

static mg_node call_log_softmax(scene *s)
{
    const int64_t axis = 0;
    return op1(s, MG_LOG_SOFTMAX, s->x, 1, &axis);
}

static mg_node call_std(scene *s)
{
    const int64_t how[] = {1, 0};
    const double correction = 1;
    return mg_apply(s->arena, MG_STD, 1, &s->x, 2, how, 1, &correction, 0, 1);
}

static mg_node call_argmax(scene *s)
{
    const int64_t how[] = {0, 0};
    return op1(s, MG_ARGMAX, s->x, 2, how);
}

static mg_node call_layer_norm(scene *s)
{
    const int64_t axes = 1;
    const double epsilon = 1e-5;
    const mg_node operands[] = {s->x, s->x, s->x};
    return mg_apply(s->arena, MG_LAYER_NORM, 3, operands, 1, &axes, 1, &epsilon, 0, 1);
}

/* What a row of an op passes on to it, given x as the gradient. */
static mg_node row_back(scene *s, mg_node y)
{
    mg_node gradient = 0;
    if (y < 0) return y;
    mg_sweep *sweep = NULL;
    int status = mg_sweep_open(s->arena, 1, &y, &s->x, 1, &s->x, MG_GIVE, &sweep);
    if (status == MG_OK) status = mg_sweep_run(sweep, 0);
    if (status == MG_MORE) status = MG_ERR_INTERRUPTED;
    if (status == MG_OK) status = mg_sweep_give(sweep, &gradient);
    mg_sweep_close(sweep);
    mg_release(s->arena, y);
    return status < 0 ? status : gradient;
}

static mg_node call_log_softmax_back(scene *s)
{
    return row_back(s, call_log_softmax(s));
}

static mg_node call_norm_back(scene *s)
{
    return row_back(s, call_layer_norm(s));
}

static mg_node call_take(scene *s)
{
    return op2(s, MG_TAKE, s->x, s->positions, 0, NULL);
}

static mg_node call_gather(scene *s)
{
    const int64_t axis = 0;
    return op2(s, MG_GATHER, s->x, s->positions, 1, &axis);
}

static mg_node call_nonzero(scene *s)
{
    return op1(s, MG_NONZERO, s->x, 0, NULL);
}

static mg_node call_divide(scene *s)
{
    return op2(s, MG_FLOOR_DIVIDE, s->whole, s->whole, 0, NULL);
}

static mg_node call_product(scene *s)
{
    return op2(s, MG_MATMUL, s->square, s->square, 0, NULL);
}

static mg_node call_integers(scene *s)
{
    return op2(s, MG_MATMUL, s->counts, s->counts, 0, NULL);
}

static mg_node call_ramp(scene *s)
{
    return mg_array_ramp(s->arena, COUNT, 0.5, 0.25);
}

static mg_node call_integer_ramp(scene *s)
{
    return mg_array_ramp_integers(s->arena, COUNT, 1, 3);
}

static mg_node call_zeros(scene *s)
{
    const int64_t shape = COUNT;
    return mg_array(s->arena, MG_FLOAT64, 1, &shape, NULL);
}

static mg_node call_index(scene *s)
{
    const int64_t size = COUNT;
    int64_t wrong[2];
    return mg_linear_index(s->arena, 1, &s->positions, &size, wrong);
}

/* The derivative of a long sum, recorded. */
static mg_node call_grad(scene *s)
{
    mg_node x = mg_leaf(s->arena, 0.5), y = mg_leaf(s->arena, 0.25), out = 0;
    for (int i = 0; i < 200000 / MG_ASK_OFTEN && y > 0; i++) {
        mg_node next = mg_record(s->arena, MG_MUL, y, x);
        mg_release(s->arena, y);
        y = next;
    }
    int status = mg_grad(s->arena, y, 1, &x, &out);
    mg_release(s->arena, x);
    mg_release(s->arena, y);
    return status < 0 ? status : out;
}

/* A long chain in one batch. */
static mg_node call_steps(scene *s)
{
    const int count = 800000 / MG_ASK_OFTEN;
    mg_step *steps = calloc((size_t)count, sizeof *steps);
    mg_node out = 0;
    if (!steps) return MG_ERR_NOMEM;
    steps[0] = (mg_step){.op = MG_LEAF, .number = 0.5};
    for (int i = 1; i < count; i++)
        steps[i] = (mg_step){.op = MG_SIN, .a = MG_RESULT(i - 1)};
    steps[count - 1].result = &out;
    int status = mg_record_steps(s->arena, count, steps, NULL);
    EXPECT(status == MG_OK || out == 0);
    free(steps);
    return status < 0 ? status : out;
}

typedef mg_node (*long_call)(scene *s);
static const struct row {
    const char *name;
    long_call call;
} calls[] = {
#define ROW(name) {#name, call_##name}
    ROW(exp), ROW(number), ROW(cast), ROW(sum), ROW(cumsum), ROW(softmax),
    ROW(std), ROW(argmax), ROW(log_softmax_back), ROW(norm_back), ROW(take), ROW(gather),
    ROW(nonzero), ROW(divide), ROW(product), ROW(integers), ROW(ramp), ROW(integer_ramp),
    ROW(zeros), ROW(index), ROW(grad), ROW(steps),
#undef ROW
};

static uint64_t hash_of(scene *s, mg_node handle)
{
    mg_array_info info;
    double data;
    uint64_t hash = 14695981039346656037u, word = 0;
    if (mg_array_describe(s->arena, handle, &info) < 0) {
        EXPECT(mg_data(s->arena, 1, &handle, &data) == MG_OK);
        memcpy(&word, &data, sizeof word);
        return word;
    }
    size_t size = (size_t)info.count * (size_t)mg_dtype_size(info.dtype);
    for (size_t i = 0; i < size; i += sizeof word) {
        size_t left = size - i;
        word = 0;
        memcpy(&word, (char *)info.data + i, left < sizeof word ? left : sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    return hash;
}


/* Make a call that is given up at question `at`; returns how many were asked. */
static int64_t ask(scene *s, const struct row *row, int64_t at, mg_node *made)
{
    questions q = {0, at};
    EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
    EXPECT(mg_work_begin(gives_up, &q) == MG_ERR_BUSY);
    *made = row->call(s);
    bool gave_up = at >= 0 && q.asked > at;
    EXPECT(mg_work_end() == (gave_up ? MG_ERR_INTERRUPTED : MG_OK));
    return q.asked;
}

static void call_check(scene *s, const struct row *row)
{
    int before = failures;
    mg_node made, expected = row->call(s);
    uint64_t hash = hash_of(s, expected);
    mg_release(s->arena, expected);
    int64_t nodes = nodes_of(s->arena), asked = ask(s, row, -1, &made);
    EXPECT(asked > 1 && hash_of(s, made) == hash);
    mg_release(s->arena, made);
    for (int64_t at = 0; at < asked; at += 1 + asked / 2) {
        int64_t asked_now = ask(s, row, at, &made);
        if (asked_now <= at) { /* other threads took so much that the end came before */
            EXPECT(mg_num_threads() > 1 && hash_of(s, made) == hash);
            mg_release(s->arena, made);
        } else {
            EXPECT(asked_now == at + 1);
            EXPECT(made == MG_ERR_INTERRUPTED && nodes_of(s->arena) == nodes);
        }
        explain(before, row->name, at);
    }
    made = row->call(s);
    EXPECT(hash_of(s, made) == hash);
    mg_release(s->arena, made);
    explain(before, row->name, -1);
}

/* Take the gradient of sum(exp(x) * x), a sweep that is given up `times` times. */
static uint64_t sweep_run(scene *s, int64_t times)
{
    const int64_t how[] = {1, 0};
    mg_sweep *sweep = NULL;
    mg_node exp = op1(s, MG_EXP, s->x, 0, NULL), product = op2(s, MG_MUL, exp, s->x, 0, NULL);
    mg_node root = op1(s, MG_SUM, product, 2, how), gradient = 0;
    EXPECT(mg_sweep_open(s->arena, 1, &root, NULL, 1, &s->x, MG_GIVE, &sweep) == MG_OK);
    EXPECT(mg_sweep_elements(sweep) == 3 * (int64_t)COUNT + 1);
    int status = MG_MORE;
    for (int64_t round = 0; status == MG_MORE; round++) {
        questions q = {0, round < times ? round % 3 : -1};
        mg_work_begin(gives_up, &q);
        status = mg_sweep_run(sweep, 0);
        EXPECT(mg_work_end() == (status == MG_MORE ? MG_ERR_INTERRUPTED : MG_OK));
    }
    EXPECT(status == MG_OK && mg_sweep_give(sweep, &gradient) == MG_OK);
    mg_sweep_close(sweep);
    uint64_t hash = hash_of(s, gradient);
    const mg_node made[] = {exp, product, root, gradient};
    for (int i = 0; i < 4; i++) mg_release(s->arena, made[i]);
    return hash;
}

static void sweep_check(scene *s)
{
    uint64_t hash = sweep_run(s, 0);
    int64_t nodes = nodes_of(s->arena);
    EXPECT(mg_require_gradient(s->arena, s->x, 1) == MG_OK);
    EXPECT(sweep_run(s, 1) == hash && sweep_run(s, 12) == hash);
    EXPECT(nodes_of(s->arena) == nodes);
}

/* What writes to what is there is whole. */
static void write_check(scene *s)
{
    questions q = {0, 0};
    mg_node one = mg_apply_number(s->arena, MG_MUL, s->x, 1, MG_NUMBER_FLOAT, 0, 1.0, 0);
    EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
    EXPECT(mg_apply_in_place(s->arena, MG_ADD, one, s->x, 0) == MG_OK);
    EXPECT(mg_work_end() == MG_OK && q.asked == 0);
    mg_node twice = mg_apply_number(s->arena, MG_MUL, s->x, 1, MG_NUMBER_FLOAT, 0, 2.0, 0);
    EXPECT(hash_of(s, one) == hash_of(s, twice));
    mg_release(s->arena, one);
    mg_release(s->arena, twice);
    EXPECT(mg_work_end() == MG_ERR_ARG && mg_work_begin(NULL, NULL) == MG_ERR_ARG);
}

/* What a thread does while another one's op lasts: a call that asks while it waits can be
 * given up, one in a hurry comes back, and handles are released later. */
static void *meet_lasting(void *argument)
{
    scene *s = argument;
    questions q = {0, 0};
    double number = 0.0;
    const int64_t shape[] = {1};
    EXPECT(mg_arena_lasts(s->arena) == 1);
    EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
    EXPECT(mg_record(s->arena, MG_ADD, s->x, s->x) == MG_ERR_INTERRUPTED && q.asked == 1);
    EXPECT(mg_leaf(s->arena, 1.0) == MG_ERR_INTERRUPTED);
    EXPECT(mg_retain(s->arena, s->square) == MG_ERR_INTERRUPTED);
    EXPECT(mg_data(s->arena, 1, &s->square, &number) == MG_ERR_INTERRUPTED);
    EXPECT(mg_set_data(s->arena, 1, &s->square, &number) == MG_ERR_INTERRUPTED);
    EXPECT(mg_gradients(s->arena, 1, &s->square, &number) == MG_ERR_INTERRUPTED);
    EXPECT(mg_set_gradients(s->arena, 1, &s->square, &number) == MG_ERR_INTERRUPTED);
    EXPECT(mg_gradient(s->arena, s->x) == MG_ERR_INTERRUPTED);
    EXPECT(mg_set_gradient(s->arena, s->x, 0) == MG_ERR_INTERRUPTED);
    EXPECT(mg_require_gradient(s->arena, s->x, 1) == MG_ERR_INTERRUPTED);
    EXPECT(mg_array_update(s->arena, 0, 0, NULL) == MG_ERR_INTERRUPTED);
    EXPECT(mg_work_end() == MG_ERR_INTERRUPTED);
    EXPECT(mg_work_hurry(1) == MG_OK);
    EXPECT(call_exp(s) == MG_ERR_INTERRUPTED);
    EXPECT(mg_array(s->arena, MG_INT64, 1, shape, NULL) == MG_ERR_INTERRUPTED);
    EXPECT(mg_work_hurry(0) == MG_OK);
    EXPECT(mg_release_all(s->arena, 2, (mg_node[]){s->square, s->whole}) == MG_OK);
    return NULL;
}

/* Ask the question that lets another thread come, and wait for it. */
static int lets_another_come(void *context)
{
    scene *s = context;
    pthread_t thread;
    if (s->counts) return 0;
    s->counts = 1;
    int status = pthread_create(&thread, NULL, meet_lasting, s);
    if (status == 0) status = pthread_join(thread, NULL);
    EXPECT(status == 0); /* not while the thread does: it is for one at a time */
    return 0;
}

static void waiting_check(const scene *of)
{
    scene s = {.arena = of->arena, .x = of->x};
    int64_t nodes = nodes_of(s.arena);
    s.square = mg_leaf(s.arena, 1.0);
    s.whole = mg_leaf(s.arena, 2.0);
    EXPECT(mg_work_begin(lets_another_come, &s) == MG_OK);
    mg_node made = call_exp(&s);
    EXPECT(mg_work_end() == MG_OK && s.counts == 1 && made > 0);
    EXPECT(mg_arena_lasts(s.arena) == 0 && mg_release(s.arena, made) == MG_OK);
    EXPECT(mg_release(s.arena, s.whole) == MG_ERR_STALE);
    EXPECT(mg_release(s.arena, s.square) == MG_ERR_STALE && nodes_of(s.arena) == nodes);
}

/* Of a large graph, part waits to be freed; nobody sees it. */
static void unfreed_check(void)
{
    enum { NODES = (3 << 20) / MG_ASK_OFTEN };
    mg_arena *arena = mg_arena_new(NULL, NULL);
    mg_usage usage;
    for (int round = 0; round < 3; round++) {
        mg_node x = mg_leaf(arena, 0.5), y = x;
        for (int i = 0; i < NODES; i++) {
            mg_node next = mg_record(arena, MG_ADD, round % 2 ? x : y, round % 2 ? y : x);
            if (y != x) mg_release(arena, y);
            y = next;
        }
        EXPECT(arena->fresh - 1 - arena->free_count == NODES + 1);
        mg_release(arena, y);
        EXPECT(arena->unfreed != 0 && mg_references(arena, y) == MG_ERR_STALE);
        EXPECT(arena->fresh - arena->free_count > NODES / 2);
        if (round == 1) mg_arena_usage(arena, &usage);
        EXPECT(round != 1 || (usage.nodes == 1 && arena->unfreed == 0));
        mg_release(arena, x);
    }
    mg_arena_usage(arena, &usage);
    EXPECT(usage.nodes == 0 && usage.capacity < NODES + NODES / 4);
    mg_arena_free(arena);
}

static void scene_open(scene *s)
{
    const int64_t side[] = {SIDE, SIDE}, part[] = {0, 1, SIDE * SIDE};
    const int64_t few[] = {SIDE / 2, SIDE / 2}, few_part[] = {0, 1, SIDE / 2 * (SIDE / 2)};
    const int64_t single = MG_FLOAT32;
    s->arena = mg_arena_new(NULL, NULL);
    mg_node ramp = mg_array_ramp(s->arena, COUNT, -0.999, 1.1e-7);
    s->x = op1(s, MG_CAST, ramp, 1, &single);
    s->positions = mg_array_ramp_integers(s->arena, COUNT, COUNT - 1, -1);
    s->whole = mg_array_ramp_integers(s->arena, COUNT, 1, 3);
    mg_node slice = op1(s, MG_SLICE, s->x, 3, part), few_slice =
                                                         op1(s, MG_SLICE, s->whole, 3, few_part);
    s->square = op1(s, MG_RESHAPE, slice, 2, side);
    s->counts = op1(s, MG_RESHAPE, few_slice, 2, few);
    EXPECT(s->x > 0 && s->positions > 0 && s->square > 0 && s->counts > 0);
    EXPECT(mg_require_gradient(s->arena, s->x, 1) == MG_OK);
}

int main(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        scene s;
        mg_set_num_threads(threads);
        scene_open(&s);
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) call_check(&s, &calls[i]);
        sweep_check(&s);
        write_check(&s);
        waiting_check(&s);
        mg_arena_free(s.arena);
    }
    unfreed_check();
    return finish();
}
