/* test_arrays.c: arrays and wrong arguments. A handle that names no living array, in
 * every place of every call and op; numbers of operands, integers, numbers; shapes, axes,
 * types, indices out of range: each has its status, and the call changes nothing. What
 * views share, what memory they keep, and what empty arrays and arrays without axes give.
 */
#include "array_calls.h"

static const int64_t huge = (int64_t)1 << 40;

/* What a refused call must not change. */
typedef struct snapshot {
    uint64_t state;
    int64_t nodes;
    size_t used;
} snapshot;

static snapshot snapshot_of(const arrays *f)
{
    return (snapshot){digest_of(f->arena), nodes_of(f->arena),
                      f->arena->used_block_bytes};
}

/* Expect a status, and nothing changed. */
static void expect_refused(arrays *f, snapshot b, int64_t status, int64_t wanted,
                           const char *name, int64_t detail)
{
    int failed = failures;
    EXPECT(status == wanted);
    EXPECT(f->made == 0);
    EXPECT(digest_of(f->arena) == b.state);
    EXPECT(nodes_of(f->arena) == b.nodes);
    EXPECT(f->arena->used_block_bytes == b.used);
    EXPECT(f->arena->temporaries.count == 0 && f->arena->sweeps == NULL);
    EXPECT(mg_released(f->arena) == NULL);
    if (failures > failed) printf("    status %lld\n", (long long)status);
    explain(failed, name, detail);
    release_kept(f);
}

/* ---- handles ----------------------------------------------------------------------- */

enum { WRONG = 10 };

static void wrong_handles(const arrays *f, mg_node freed, mg_node foreign,
                          mg_node wrong[WRONG])
{
    mg_node good = f->h[X34], generation = (mg_node)1 << 32;
    const mg_node all[WRONG] = {-1,
                                INT64_MIN,
                                INT64_MAX,
                                freed,
                                foreign,
                                good + generation,
                                good - generation,
                                good | 0xFFFFFFFF,
                                good & 0xFFFFFFFF,
                                0};
    memcpy(wrong, all, sizeof all);
}

/* In these places a handle 0 means that there is none. */
static bool none_is_known(const array_call *row, int place)
{
    return place == 1 &&
           (row->run == array_call_in_place || row->run == array_call_in_place_cast ||
            row->run == array_call_set_gradient);
}

static void try_calls(arrays *f, mg_node wrong, int64_t wanted)
{
    for (int i = 0; i < ARRAY_CALLS; i++) {
        const array_call *row = &array_calls[i];
        for (int place = 0; row->slots[place] >= 0; place++) {
            mg_node good = f->h[row->slots[place]];
            if (wrong == 0 && none_is_known(row, place)) continue;
            int64_t expected = row->run == array_call_owner ? MG_ERR_STALE : wanted;
            snapshot b = snapshot_of(f);
            f->h[row->slots[place]] = wrong;
            int64_t status = row->run(f);
            f->h[row->slots[place]] = good;
            expect_refused(f, b, status, expected, row->name, place);
        }
    }
}

static void try_examples(arrays *f, mg_node wrong, int64_t wanted)
{
    for (int i = 0; i < ALL_EXAMPLES; i++) {
        example e = example_at(i);
        for (int place = 0; place < e.operand_count; place++) {
            mg_node good = f->h[e.operands[place]];
            snapshot b = snapshot_of(f);
            f->h[e.operands[place]] = wrong;
            int64_t status = keeps(f, example_apply(f, &e, 1));
            f->h[e.operands[place]] = good;
            expect_refused(f, b, status, wanted, mg_op_name(e.op), place);
        }
    }
}

static void test_handles(void)
{
    arrays f;
    ledger other_book;
    mg_node wrong[WRONG], foreign = 0;
    arrays_open(&f, PLAIN);
    gradients_give(&f);
    mg_arena *other = ledger_arena(&other_book);
    mg_node freed = mg_array(f.arena, MG_FLOAT32, 0, NULL, NULL);
    mg_release(f.arena, freed);
    for (int64_t i = 0; i <= (f.h[X34] & 0xFFFFFFFF); i++)
        foreign = mg_array(other, MG_FLOAT32, 0, NULL, NULL);
    wrong_handles(&f, freed, foreign, wrong);
    for (int i = 0; i < WRONG; i++) {
        try_calls(&f, wrong[i], MG_ERR_STALE);
        try_examples(&f, wrong[i], MG_ERR_STALE);
        EXPECT(mg_attached(f.arena, wrong[i]) == NULL);
    }
    try_calls(&f, f.h[NUMBER], MG_ERR_DTYPE);
    try_examples(&f, f.h[NUMBER], MG_ERR_DTYPE);
    EXPECT(mg_apply_in_place(f.arena, MG_MUL, f.h[X34], 0, 0) == MG_ERR_ARG);
    EXPECT(mg_apply_in_place(f.arena, MG_CAST, f.h[X34], 0, 0) == MG_ERR_ARG);
    ledger_arena_free(other, &other_book);
    arrays_close(&f);
}

/* Calls on numbers refuse arrays. */
static void test_arrays_are_no_numbers(void)
{
    arrays f;
    double x = 0.0;
    const int64_t target = 0;
    mg_node out[2], pair[2];
    arrays_open(&f, PLAIN);
    mg_node a = f.h[S0], n = f.h[NUMBER];
    pair[0] = n, pair[1] = a;
    snapshot b = snapshot_of(&f);
    const int64_t statuses[] = {
        mg_record(f.arena, MG_ADD, a, n),
        mg_record(f.arena, MG_ADD, n, a),
        mg_record(f.arena, MG_TANH, a, 0),
        mg_record_number(f.arena, MG_ADD, a, 1.0),
        mg_subtract(f.arena, n, a),
        mg_divide(f.arena, a, n),
        mg_node_op(f.arena, a),
        mg_node_operand(f.arena, a, 0),
        mg_node_exponent(f.arena, a, &x),
        mg_data(f.arena, 2, pair, &x),
        mg_gradients(f.arena, 2, pair, &x),
        mg_set_data(f.arena, 2, pair, &x),
        mg_set_gradients(f.arena, 2, pair, &x),
        mg_zero_gradients(f.arena, 2, pair),
        mg_backward(f.arena, a, 1.0, 0),
        mg_grad(f.arena, n, 1, &a, out),
        mg_grad(f.arena, a, 1, &n, out),
        mg_dense(f.arena, 1, 1, MG_TANH, pair, 1, &n, NULL, out),
        mg_cross_entropy(f.arena, 1, 2, pair, &target, 1, 0, out),
        mg_sum(f.arena, 2, pair),
        mg_mean(f.arena, 2, pair),
        mg_dot(f.arena, 1, &n, &a),
        mg_softmax(f.arena, 2, pair, out),
        mg_rmsnorm(f.arena, 2, pair, 0.1, out),
        mg_sgd_step(f.arena, 1, &a, NULL, 1, 0.1, 0, 0, 0, 0),
        mg_adam_step(f.arena, 1, &a, &x, &x, 1, .1, .9, .9, 1e-8, 0, 1),
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        expect_refused(&f, b, statuses[i], MG_ERR_DTYPE, "numbers", (int64_t)i);
    arrays_close(&f);
}

/* ---- arguments of ops -------------------------------------------------------------- */

/* A call of mg_apply() that is refused. */
typedef struct refusal {
    int status, op;
    int operand_count, operands[4];
    int integer_count;
    int64_t integers[MG_MAX_RANK + 1];
    int number_count;
} refusal;

#define OF1(a) \
    1, \
    { \
        a \
    }
#define OF2(a, b) \
    2, \
    { \
        a, b \
    }
#define OF3(a, b, c) \
    3, \
    { \
        a, b, c \
    }
#define INTS(count, ...) count, {__VA_ARGS__}, 0
#define NO_INTS 0, {0}, 0

static const refusal refusals[] = {
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(X34), INTS(2, 5, 3)},
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(X34), INTS(2, -1, 12)},
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(X34), INTS(2, -3, -4)},
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(X34), INTS(17, 3, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)},
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(X34), INTS(3, (int64_t)1 << 62, 4, 12)},
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(X34), INTS(0, 0)},
    {MG_ERR_SHAPE, MG_RESHAPE, OF1(EMPTY), INTS(1, 1)},
    {MG_ERR_ARG, MG_PERMUTE, OF1(X34), INTS(2, 0, 0)},
    {MG_ERR_ARG, MG_PERMUTE, OF1(X34), INTS(2, 0, 2)},
    {MG_ERR_ARG, MG_PERMUTE, OF1(X34), INTS(2, -1, 0)},
    {MG_ERR_ARG, MG_PERMUTE, OF1(X34), INTS(2, INT64_MIN, 0)},
    {MG_ERR_SHAPE, MG_PERMUTE, OF1(X34), INTS(1, 0)},
    {MG_ERR_SHAPE, MG_EXPAND, OF1(R4), INTS(2, 4, 5)},
    {MG_ERR_SHAPE, MG_EXPAND, OF1(R4), INTS(2, -1, 4)},
    {MG_ERR_SHAPE, MG_EXPAND, OF1(X34), INTS(1, 4)},
    {MG_ERR_SHAPE, MG_EXPAND, OF1(R4), INTS(17, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4)},
    {MG_ERR_LIMIT, MG_EXPAND, OF1(R4), INTS(3, (int64_t)1 << 61, 2, 4)},
    {MG_ERR_INDEX, MG_SLICE, OF1(X34), INTS(6, 0, 0, 1, 1, 4, 4)},
    {MG_ERR_INDEX, MG_SLICE, OF1(X34), INTS(6, -1, 0, 1, 1, 1, 4)},
    {MG_ERR_INDEX, MG_SLICE, OF1(X34), INTS(6, 2, 0, -1, 1, 4, 4)},
    {MG_ERR_INDEX, MG_SLICE, OF1(X34), INTS(6, 0, 0, INT64_MAX, 1, 3, 4)},
    {MG_ERR_INDEX, MG_SLICE, OF1(X34), INTS(6, 0, 0, INT64_MIN, 1, 2, 4)},
    {MG_ERR_ARG, MG_SLICE, OF1(X34), INTS(6, 0, 0, 1, 1, -1, 4)},
    {MG_ERR_INDEX, MG_SLICE, OF1(X34), INTS(6, 0, 0, 1, 1, INT64_MAX, 4)},
    {MG_ERR_ARG, MG_SLICE, OF1(X34), INTS(3, 0, 1, 3)},
    {MG_ERR_SHAPE, MG_WINDOW, OF1(X34), INTS(4, 1, 5, 1, 1)},
    {MG_ERR_ARG, MG_WINDOW, OF1(X34), INTS(4, 1, 2, 0, 1)},
    {MG_ERR_ARG, MG_WINDOW, OF1(X34), INTS(4, 1, 2, 1, -1)},
    {MG_ERR_ARG, MG_WINDOW, OF1(X34), INTS(4, 1, 2, 1, INT64_MAX)},
    {MG_ERR_ARG, MG_WINDOW, OF1(X34), INTS(4, 3, 2, 1, 1)},
    {MG_ERR_ARG, MG_WINDOW, OF1(X34), INTS(4, INT64_MAX, 2, 1, 1)},
    {MG_ERR_ARG, MG_WINDOW, OF1(X34), INTS(0, 0)},
    {MG_ERR_ARG, MG_CAST, OF1(X34), INTS(1, MG_DTYPE_COUNT)},
    {MG_ERR_ARG, MG_CAST, OF1(X34), INTS(1, -1)},
    {MG_ERR_ARG, MG_CAST, OF1(X34), INTS(1, ((int64_t)1 << 32) + MG_FLOAT32)},
    {MG_ERR_ARG, MG_PAD, OF1(X34), 4, {0, -1, 0, 0}, 1},
    {MG_ERR_LIMIT, MG_PAD, OF1(X34), 4, {0, INT64_MAX, 0, INT64_MAX}, 1},
    {MG_ERR_LIMIT, MG_PAD, OF1(X34), 4, {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, 1},
    {MG_ERR_ARG, MG_PAD, OF1(X34), 4, {0, 0, 0, 0}, 0},
    {MG_ERR_INDEX, MG_SPREAD, OF1(X34), INTS(6, 2, 4, 0, 0, 1, 1)},
    {MG_ERR_SHAPE, MG_SPREAD, OF1(X34), INTS(6, -7, 4, 0, 0, 1, 1)},
    {MG_ERR_INDEX, MG_FOLD, OF1(X34), INTS(4, 1, 2, 1, 1)},
    {MG_ERR_ARG, MG_FOLD, OF1(X34), INTS(4, 1, -6, 1, 1)},
    {MG_ERR_ARG, MG_FOLD, OF1(X34), INTS(4, 1, 6, 0, 1)},
    {MG_ERR_SHAPE, MG_CAT, OF2(X34, Z45), INTS(1, 0)},
    {MG_ERR_SHAPE, MG_CAT, OF2(X34, R4), INTS(1, 0)},
    {MG_ERR_ARG, MG_CAT, OF2(X34, Y34), INTS(1, 2)},
    {MG_ERR_ARG, MG_CAT, OF2(X34, Y34), INTS(1, -1)},
    {MG_ERR_ARG, MG_CAT, OF1(S0), INTS(1, 0)},
    {MG_ERR_SHAPE, MG_ASSIGN, OF2(X34, B5), INTS(6, 0, 0, 1, 1, 3, 4)},
    {MG_ERR_INDEX, MG_ASSIGN, OF2(X34, R4), INTS(6, 0, 0, 1, 1, 4, 4)},
    {MG_ERR_SHAPE, MG_TAKE, OF2(S0, I3), NO_INTS},
    {MG_ERR_INDEX, MG_TAKE, OF2(X34, N34), NO_INTS},
    {MG_ERR_INDEX, MG_TAKE, OF2(EMPTY, I3), NO_INTS},
    {MG_ERR_DTYPE, MG_TAKE, OF2(X34, R4), NO_INTS},
    {MG_ERR_DTYPE, MG_TAKE, OF2(X34, TRUE34), NO_INTS},
    {MG_ERR_INDEX, MG_ADD_AT, OF3(X34, T3, Y34), NO_INTS},
    {MG_ERR_SHAPE, MG_ADD_AT, OF3(X34, I3, Z45), NO_INTS},
    {MG_ERR_DTYPE, MG_ADD_AT, OF3(X34, R4, Y34), NO_INTS},
    {MG_ERR_INDEX, MG_PUT_AT, OF3(X34, T3, Y34), NO_INTS},
    {MG_ERR_SHAPE, MG_PUT_AT, OF3(X34, I3, Z45), NO_INTS},
    {MG_ERR_INDEX, MG_GATHER, OF2(X34, N34), INTS(1, 0)},
    {MG_ERR_SHAPE, MG_GATHER, OF2(X34, I3), INTS(1, 0)},
    {MG_ERR_ARG, MG_GATHER, OF2(X34, I34), INTS(1, 2)},
    {MG_ERR_DTYPE, MG_GATHER, OF2(X34, Y34), INTS(1, 0)},
    {MG_ERR_INDEX, MG_SCATTER_ADD, OF3(X34, N34, Y34), INTS(1, 0)},
    {MG_ERR_SHAPE, MG_SCATTER_ADD, OF3(X34, I3, Y34), INTS(1, 0)},
    {MG_ERR_ARG, MG_SCATTER_ADD, OF3(X34, I34, Y34), INTS(1, -1)},
    {MG_ERR_DTYPE, MG_WHERE, OF3(X34, X34, Y34), NO_INTS},
    {MG_ERR_SHAPE, MG_WHERE, OF3(TRUE34, X34, Z45), NO_INTS},
    {MG_ERR_ARG, MG_SUM, OF1(X34), INTS(2, 4, 0)},
    {MG_ERR_ARG, MG_SUM, OF1(X34), INTS(2, -1, 0)},
    {MG_ERR_ARG, MG_SUM, OF1(X34), INTS(2, INT64_MIN, 0)},
    {MG_ERR_ARG, MG_SUM, OF1(S0), INTS(2, 1, 0)},
    {MG_ERR_DTYPE, MG_MEAN, OF1(N34), INTS(2, 3, 0)},
    {MG_ERR_ARG, MG_MEAN, OF1(X34), INTS(2, 8, 0)},
    {MG_ERR_ARG, MG_PROD, OF1(X34), INTS(2, 4, 0)},
    {MG_ERR_ARG, MG_AMAX, OF1(X34), INTS(2, 4, 0)},
    {MG_ERR_ARG, MG_ARGMAX, OF1(X34), INTS(2, 2, 0)},
    {MG_ERR_ARG, MG_ARGMAX, OF1(X34), INTS(2, -2, 0)},
    {MG_ERR_ARG, MG_ANY, OF1(X34), INTS(2, 4, 0)},
    {MG_ERR_DTYPE, MG_VAR, OF1(N34), 2, {3, 0}, 1},
    {MG_ERR_ARG, MG_STD, OF1(X34), 2, {4, 0}, 1},
    {MG_ERR_ARG, MG_CUMSUM, OF1(X34), INTS(1, 2)},
    {MG_ERR_ARG, MG_CUMSUM, OF1(X34), INTS(1, -1)},
    {MG_ERR_SHAPE, MG_CONVOLVE, OF2(X34, X34), INTS(4, 1, 2, 1, 1)},
    {MG_ERR_ARG, MG_CONVOLVE, OF2(X34, X34), INTS(0, 0)},
    {MG_ERR_SHAPE, MG_MATMUL, OF2(X34, W54), NO_INTS},
    {MG_ERR_SHAPE, MG_MATMUL, OF2(X34, S0), NO_INTS},
    {MG_ERR_SHAPE, MG_MATMUL, OF2(S0, X34), NO_INTS},
    {MG_ERR_SHAPE, MG_MATMUL, OF2(R4, B5), NO_INTS},
    {MG_ERR_SHAPE, MG_LINEAR, OF2(X34, Z45), NO_INTS},
    {MG_ERR_SHAPE, MG_LINEAR, OF3(X34, W54, R4), NO_INTS},
    {MG_ERR_SHAPE, MG_LINEAR, OF2(S0, W54), NO_INTS},
    {MG_ERR_ARG, MG_SOFTMAX, OF1(X34), INTS(1, 2)},
    {MG_ERR_ARG, MG_LOG_SOFTMAX, OF1(X34), INTS(1, -1)},
    {MG_ERR_INDEX, MG_CROSS_ENTROPY, OF2(X34, T3), 2, {MG_REDUCE_MEAN, -99}, 1},
    {MG_ERR_ARG, MG_CROSS_ENTROPY, OF2(X34, T3), 2, {3, -100}, 1},
    {MG_ERR_ARG, MG_CROSS_ENTROPY, OF2(X34, T3), 2, {-1, -100}, 1},
    {MG_ERR_SHAPE, MG_CROSS_ENTROPY, OF2(X34, N34), 2, {MG_REDUCE_MEAN, -100}, 1},
    {MG_ERR_SHAPE, MG_CROSS_ENTROPY, OF2(Z45, T3), 2, {MG_REDUCE_MEAN, -100}, 1},
    {MG_ERR_DTYPE, MG_CROSS_ENTROPY, OF2(X34, X34), 2, {MG_REDUCE_MEAN, -100}, 1},
    {MG_ERR_DTYPE, MG_CROSS_ENTROPY, OF2(N34, T3), 2, {MG_REDUCE_MEAN, -100}, 1},
    {MG_ERR_SHAPE, MG_LAYER_NORM, OF3(X34, B5, B5), 1, {1}, 1},
    {MG_ERR_ARG, MG_LAYER_NORM, OF1(X34), 1, {3}, 1},
    {MG_ERR_ARG, MG_LAYER_NORM, OF1(X34), 1, {0}, 1},
    {MG_ERR_ARG, MG_LAYER_NORM, OF2(X34, R4), 1, {1}, 1},
    {MG_ERR_DTYPE, MG_LAYER_NORM, OF1(N34), 1, {1}, 1},
    {MG_ERR_SHAPE, MG_RMS_NORM, OF2(X34, B5), 1, {1}, 1},
    {MG_ERR_ARG, MG_RMS_NORM, OF1(X34), 1, {-1}, 1},
    {MG_ERR_ARG, MG_OUTPUT, OF2(X34, Y34), INTS(1, 0)},
    {MG_ERR_SHAPE, MG_ADD, OF2(X34, Z45), NO_INTS},
    {MG_ERR_SHAPE, MG_EQ, OF2(X34, B5), NO_INTS},
    {MG_ERR_DTYPE, MG_NEG, OF1(TRUE34), NO_INTS},
    {MG_ERR_DTYPE, MG_SUB, OF2(TRUE34, TRUE34), NO_INTS},
    {MG_ERR_ZERODIV, MG_FLOOR_DIVIDE, OF2(N34, TRUE34), NO_INTS},
    {MG_ERR_ZERODIV, MG_REMAINDER, OF2(N34, I34), NO_INTS},
    {MG_ERR_ARG, MG_POW_NUMBER, OF1(X34), NO_INTS},
    {MG_ERR_ARG, MG_LEAF, OF1(X34), NO_INTS},
    {MG_ERR_ARG, -1, OF1(X34), NO_INTS},
    {MG_ERR_ARG, MG_OP_COUNT, OF1(X34), NO_INTS},
    {MG_ERR_ARG, INT32_MAX, OF1(X34), NO_INTS},
    {MG_ERR_ARG, INT32_MIN, OF1(X34), NO_INTS},
    {MG_ERR_ARG, MG_CAT, 0, {X34}, INTS(1, 0)},
    {MG_ERR_ARG, MG_CAT, -1, {X34}, INTS(1, 0)},
    {MG_ERR_ARG, MG_CAT, INT32_MAX, {X34}, INTS(1, 0)},
    {MG_ERR_ARG, MG_SUM, OF1(X34), -2, {1, 0}, 0},
    {MG_ERR_ARG, MG_SUM, OF1(X34), INT32_MAX, {1, 0}, 0},
    {MG_ERR_ARG, MG_SUM, OF1(X34), 2, {1, 0}, -1},
    {MG_ERR_ARG, MG_SUM, OF1(X34), 2, {1, 0}, INT32_MAX},
};

static void test_refusals(int variant)
{
    static const double numbers[8] = {0.1};
    arrays f;
    mg_node operands[4];
    arrays_open(&f, variant);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        for (int k = 0; k < 4; k++) operands[k] = f.h[r->operands[k]];
        snapshot b = snapshot_of(&f);
        int64_t status = keeps(&f, mg_apply(f.arena, r->op, r->operand_count, operands,
                                            r->integer_count, r->integers,
                                            r->number_count, numbers, 0, 1));
        expect_refused(&f, b, status, r->status,
                       mg_op_name(r->op) ? mg_op_name(r->op) : "no op", (int64_t)i);
    }
    arrays_close(&f);
}

/* One operand, integer or number too many or too few is never read, nor ignored. */
static void test_counts(void)
{
    arrays f;
    int64_t integers[9] = {0};
    double numbers[2] = {0.0};
    arrays_open(&f, PLAIN);
    for (int i = 0; i < ALL_EXAMPLES; i++) {
        example e = example_at(i);
        if (e.op == MG_FUNCTION || e.op == MG_OUTPUT) continue; /* the caller's own */
        memcpy(integers, e.integers, sizeof e.integers);
        numbers[0] = e.numbers[0];
        bool any_operands = e.op == MG_CAT;
        bool any_integers = e.op == MG_RESHAPE || e.op == MG_EXPAND;
        for (int change = 0; change < 6; change++) {
            int by = change % 2 ? 1 : -1, what = change / 2, counts[3];
            const mg_node x = f.h[X34];
            mg_node operands[7] = {x, x, x, x, x, x, x};
            counts[0] = e.operand_count, counts[1] = e.integer_count,
            counts[2] = e.number_count;
            counts[what] += by;
            if (counts[what] < 0 || (what == 0 && any_operands) ||
                (what == 1 && any_integers))
                continue;
            /* these have operands that may be left out */
            if (what == 0 &&
                (e.op == MG_LINEAR || e.op == MG_LAYER_NORM || e.op == MG_RMS_NORM ||
                 e.op == MG_PLANE_MEANS || e.op == MG_PLANE_SCALE || e.op == MG_CONVOLVE))
                continue;
            for (int k = 0; k < e.operand_count; k++) operands[k] = f.h[e.operands[k]];
            snapshot b = snapshot_of(&f);
            int64_t status =
                keeps(&f, mg_apply(f.arena, e.op, counts[0], operands, counts[1],
                                   integers, counts[2], numbers, 0, 1));
            int64_t wanted =
                status == MG_ERR_SHAPE && e.op == MG_PERMUTE ? status : MG_ERR_ARG;
            expect_refused(&f, b, status, wanted, mg_op_name(e.op), change);
        }
    }
    arrays_close(&f);
}

/* ---- arguments of the other calls -------------------------------------------------- */

/* What ramps and linear indices hold, and what they refuse. */
static void test_filled_arrays(void)
{
    mg_arena *arena = mg_arena_new(NULL, NULL);
    const int64_t three = 3, rows[] = {0, -1, 2}, columns[] = {1, 4, -5}, sizes[] = {3, 5};
    int64_t wrong[2];
    mg_array_info info;
    mg_node nodes[] = {mg_array(arena, MG_INT64, 1, &three, rows),
                       mg_array(arena, MG_INT64, 1, &three, columns)};
    mg_node line = mg_linear_index(arena, 2, nodes, sizes, wrong);
    EXPECT(mg_array_describe(arena, line, &info) == MG_OK && info.count == 3);
    const int64_t *found = info.data;
    EXPECT(found[0] == 1 && found[1] == 14 && found[2] == 10);
    const int64_t small[] = {3, 4};
    EXPECT(mg_linear_index(arena, 2, nodes, small, wrong) == MG_ERR_INDEX);
    EXPECT(wrong[0] == 1 && wrong[1] == 4);
    mg_node ramp = mg_array_ramp(arena, 3, 1.0, 0.1);
    EXPECT(mg_array_describe(arena, ramp, &info) == MG_OK && info.dtype == MG_FLOAT64);
    EXPECT(((const double *)info.data)[2] == 1.0 + 2.0 * 0.1);
    nodes[1] = ramp;
    EXPECT(mg_linear_index(arena, 2, nodes, sizes, wrong) == MG_ERR_DTYPE);
    EXPECT(mg_linear_index(arena, 0, nodes, sizes, wrong) == MG_ERR_ARG);
    mg_node integers = mg_array_ramp_integers(arena, 2, INT64_MAX, 1);
    EXPECT(mg_array_describe(arena, integers, &info) == MG_OK && info.dtype == MG_INT64);
    EXPECT(((const int64_t *)info.data)[1] == INT64_MIN);
    nodes[1] = integers;
    EXPECT(mg_linear_index(arena, 2, nodes, sizes, wrong) == MG_ERR_SHAPE);
    EXPECT(mg_array_ramp(arena, -1, 0.0, 1.0) == MG_ERR_ARG);
    mg_arena_free(arena);
}

static void test_new_arrays(void)
{
    arrays f;
    const int64_t fits[] = {2, 3, 1, 1, 1, 1, 1, 1, 1}, minus[] = {2, -1},
                  wide[] = {huge, huge};
    const int64_t most[] = {INT64_MAX}, none[] = {0, huge, huge},
                  far[] = {INT64_MAX / 4, 1};
    const int64_t least[] = {INT64_MIN, 1};
    arrays_open(&f, PLAIN);
    void *memory = f.memory, *owner = &f.owners[1];
    snapshot b = snapshot_of(&f);
#define REFUSED(wanted, call) expect_refused(&f, b, keeps(&f, (call)), (wanted), #call, 0)
    for (int dtype = -1; dtype <= MG_DTYPE_COUNT; dtype += MG_DTYPE_COUNT + 1) {
        REFUSED(MG_ERR_ARG, mg_array(f.arena, dtype, 2, fits, NULL));
        REFUSED(MG_ERR_ARG,
                mg_array_share(f.arena, dtype, 2, fits, NULL, memory, 0, owner));
    }
    REFUSED(MG_ERR_ARG, mg_array(f.arena, INT32_MAX, 2, fits, NULL));
    REFUSED(MG_ERR_ARG, mg_array(f.arena, MG_FLOAT32, -1, fits, NULL));
    REFUSED(MG_ERR_ARG, mg_array(f.arena, MG_FLOAT32, MG_MAX_RANK + 1, fits, NULL));
    REFUSED(MG_ERR_ARG, mg_array(f.arena, MG_FLOAT32, 2, minus, NULL));
    REFUSED(MG_ERR_LIMIT, mg_array(f.arena, MG_FLOAT32, 2, wide, NULL));
    REFUSED(MG_ERR_LIMIT, mg_array(f.arena, MG_UINT8, 1, most, NULL));
    REFUSED(MG_ERR_LIMIT, mg_array(f.arena, MG_FLOAT64, 2, far, NULL));
    REFUSED(MG_ERR_LIMIT, mg_array(f.arena, MG_FLOAT32, 3, none, NULL));
    REFUSED(MG_ERR_ARG,
            mg_array_share(f.arena, MG_FLOAT32, MG_MAX_RANK + 1, fits, NULL, memory, 0,
                           owner));
    REFUSED(MG_ERR_ARG,
            mg_array_share(f.arena, MG_FLOAT32, 2, minus, NULL, memory, 0, owner));
    REFUSED(MG_ERR_ARG,
            mg_array_share(f.arena, MG_FLOAT32, 2, fits, NULL, memory, 0, NULL));
    REFUSED(MG_ERR_ARG, mg_array_share(f.arena, MG_FLOAT32, 2, fits, NULL,
                                       (char *)memory + 2, 0, owner));
    REFUSED(MG_ERR_LIMIT,
            mg_array_share(f.arena, MG_FLOAT32, 2, wide, NULL, memory, 0, owner));
    REFUSED(MG_ERR_LIMIT,
            mg_array_share(f.arena, MG_FLOAT32, 2, fits, far, memory, 0, owner));
    REFUSED(MG_ERR_LIMIT,
            mg_array_share(f.arena, MG_FLOAT32, 2, fits, least, memory, 0, owner));
    mg_arena_limit(f.arena, 1 << 20);
    REFUSED(MG_ERR_NOMEM, mg_array(f.arena, MG_UINT8, 1, &huge, NULL));
    mg_arena_limit(f.arena, 0);
    arrays_close(&f);
}

static void test_other_arguments(void)
{
    arrays f;
    arrays_open(&f, PLAIN);
    mg_node x = f.h[X34], n = f.h[N34], r = f.h[R4], out = 0, plain, turned, zeros;
    const int64_t axes[] = {1, 0}, four[] = {4};
    mg_arena *arena = f.arena;
    gradients_give(&f);
    turned = mg_apply(arena, MG_PERMUTE, 1, &x, 2, axes, 0, NULL, 0, 0);
    plain = mg_array(arena, MG_FLOAT64, 1, four, NULL);
    zeros = mg_array(arena, MG_INT64, 0, NULL, NULL);
    mg_node repeated = mg_apply(arena, MG_EXPAND, 1, &zeros, 1, four, 0, NULL, 0, 0);
    mg_node sealed =
        mg_array_share(arena, MG_FLOAT32, 1, four, NULL, f.memory, 1, &f.owners[1]);
    EXPECT(mg_owner(arena, sealed) == &f.owners[1] && mg_owner(arena, x) == NULL);
    snapshot b = snapshot_of(&f);
    REFUSED(MG_ERR_ARG, mg_array_operand(arena, x, 0));
    REFUSED(MG_ERR_ARG, mg_array_operand(arena, f.h[HUB], 2));
    REFUSED(MG_ERR_ARG, mg_array_operand(arena, f.h[HUB], -1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, MG_SUM, x, 0, 2, 0, 1.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, MG_LEAF, x, 0, 2, 0, 1.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, -1, x, 0, 2, 0, 1.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, MG_ADD, x, 2, 2, 0, 1.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, MG_ADD, x, -1, 2, 0, 1.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, MG_ADD, x, 0, 3, 0, 1.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_number(arena, MG_TANH, x, 0, 2, 0, 1.0, 1));
    REFUSED(MG_ERR_DOMAIN, mg_apply_number(arena, MG_POW, n, 1, 1, -1, 0.0, 1));
    REFUSED(MG_ERR_ZERODIV, mg_apply_number(arena, MG_FLOOR_DIVIDE, n, 1, 1, 0, 0.0, 1));
    REFUSED(MG_ERR_ARG, mg_apply_in_place(arena, MG_LEAF, x, 0, 0));
    REFUSED(MG_ERR_ARG, mg_apply_in_place(arena, MG_SUM, x, 0, 0));
    REFUSED(MG_ERR_ARG, mg_apply_in_place(arena, MG_POW_NUMBER, x, 0, 0));
    REFUSED(MG_ERR_ARG, mg_apply_in_place(arena, MG_EXP, x, r, 0));
    REFUSED(MG_ERR_ARG, mg_apply_in_place(arena, MG_OP_COUNT, x, r, 0));
    REFUSED(MG_ERR_SHAPE, mg_apply_in_place(arena, MG_ADD, r, x, 0));
    REFUSED(MG_ERR_SHAPE, mg_apply_in_place(arena, MG_ADD, x, f.h[B5], 0));
    REFUSED(MG_ERR_DTYPE, mg_apply_in_place(arena, MG_ADD, n, r, 0));
    REFUSED(MG_ERR_DTYPE, mg_apply_in_place(arena, MG_EXP, n, 0, 0));
    REFUSED(MG_ERR_DTYPE, mg_apply_in_place(arena, MG_ADD, f.h[TRUE34], n, 0));
    REFUSED(MG_ERR_ZERODIV, mg_apply_in_place(arena, MG_REMAINDER, n, f.h[I34], 0));
    REFUSED(MG_ERR_READONLY, mg_apply_in_place(arena, MG_EXP, sealed, 0, 0));
    REFUSED(MG_ERR_VIEW, mg_apply_in_place(arena, MG_ADD, repeated, zeros, 0));
    const mg_node rows[] = {x, f.h[I3], f.h[Y34]}, sealed_row[] = {sealed, sealed};
    const int64_t how[] = {0, 1, 4};
    REFUSED(MG_ERR_VIEW, mg_apply_over(arena, MG_PUT_AT, 3, rows, 0, NULL, 1));
    REFUSED(MG_ERR_ARG, mg_apply_over(arena, MG_ADD, 2, rows, 0, NULL, 1));
    REFUSED(MG_ERR_ARG, mg_apply_over(arena, MG_PUT_AT, 1, rows, 0, NULL, 1));
    REFUSED(MG_ERR_ARG, mg_apply_over(arena, MG_PUT_AT, 4, rows, 0, NULL, 1));
    REFUSED(MG_ERR_ARG, mg_apply_over(arena, MG_PUT_AT, 3, rows, -1, NULL, 0));
    REFUSED(MG_ERR_READONLY, mg_apply_over(arena, MG_ASSIGN, 2, sealed_row, 3, how, 0));
    REFUSED(MG_ERR_ARG, mg_require_gradient(arena, f.h[HUB], 1));
    REFUSED(MG_ERR_DTYPE, mg_require_gradient(arena, n, 1));
    REFUSED(MG_ERR_GRADIENT, mg_retain_gradient(arena, n));
    REFUSED(MG_ERR_GRADIENT, mg_watch_gradient(arena, n, 1));
    REFUSED(MG_ERR_SHAPE, mg_set_gradient(arena, x, r));
    REFUSED(MG_ERR_DTYPE, mg_set_gradient(arena, r, plain));
    REFUSED(MG_ERR_ARG, array_sgd(arena, -1, &r, NULL, 1, 0.1, 0, 0, 0, 0));
    REFUSED(MG_ERR_VIEW, array_sgd(arena, 1, &repeated, NULL, 1, 0.1, 0, 0, 0, 0));
    REFUSED(MG_ERR_SHAPE, array_sgd(arena, 1, &x, &turned, 1, 0.1, 0.9, 0, 0, 0));
    REFUSED(MG_ERR_DTYPE, array_sgd(arena, 1, &n, NULL, 1, 0.1, 0, 0, 0, 0));
    REFUSED(MG_ERR_READONLY, array_sgd(arena, 1, &sealed, NULL, 1, 0.1, 0, 0, 0, 0));
    REFUSED(MG_ERR_SHAPE, array_sgd(arena, 1, &r, &x, 1, 0.1, 0.9, 0, 0, 0));
    REFUSED(MG_ERR_DTYPE, array_sgd(arena, 1, &r, &plain, 1, 0.1, 0.9, 0, 0, 0));
    REFUSED(MG_ERR_ARG, array_adam(arena, 1, &r, &r, &r, 0, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(MG_ERR_STALE, array_adam(arena, 1, &r, NULL, &r, 1, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(MG_ERR_STALE, array_adam(arena, 1, &r, &r, NULL, 1, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(MG_ERR_DTYPE, array_adam(arena, 1, &r, &r, &plain, 1, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(MG_ERR_ARG, mg_array_update(arena, MG_UPDATE_COUNT, 0, NULL));
    REFUSED(MG_ERR_ARG, mg_array_update(arena, MG_UPDATE_SGD, -1, NULL));
    REFUSED(MG_ERR_ARG, mg_set_num_threads(-1));
    REFUSED(MG_ERR_ARG, mg_set_num_threads(1025));
    REFUSED(MG_ERR_ARG, mg_set_isa(""));
    mg_node made[] = {turned, plain, zeros, repeated, sealed};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) mg_release(arena, made[i]);
    (void)out;
    arrays_close(&f);
}

/* ---- views ------------------------------------------------------------------------- */

static mg_array_info info_of(const arrays *f, mg_node handle)
{
    mg_array_info info;
    memset(&info, 0, sizeof info);
    EXPECT(mg_array_describe(f->arena, handle, &info) == MG_OK);
    return info;
}

/* Each op of views shows the same memory, keeps it alive, and lets it be written to. */
static void test_views(void)
{
    static const example views[] = {
        {MG_RESHAPE, 1, {X34}, 2, {2, 6}, 0, {0}},
        {MG_PERMUTE, 1, {X34}, 2, {1, 0}, 0, {0}},
        {MG_SLICE, 1, {X34}, 6, {2, 3, -1, -1, 3, 4}, 0, {0}},
        {MG_WINDOW, 1, {X34}, 4, {1, 1, 1, 1}, 0, {0}},
        {MG_DETACH, 1, {X34}, 0, {0}, 0, {0}},
        {MG_EXPAND, 1, {X34}, 2, {3, 4}, 0, {0}},
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        arrays f;
        int failed = failures;
        arrays_open(&f, PLAIN);
        mg_array_info before = info_of(&f, f.h[X34]);
        mg_node view = example_apply(&f, &views[i], 0);
        mg_array_info of_view = info_of(&f, view), of_base = info_of(&f, f.h[X34]);
        EXPECT(of_base.views == 1 && of_view.views == 1);
        EXPECT(of_view.data >= before.data);
        EXPECT((char *)of_view.data < (char *)before.data + 12 * sizeof(float));
        EXPECT(mg_apply_in_place(f.arena, MG_NEG, view, 0, 0) == MG_OK);
        of_base = info_of(&f, f.h[X34]);
        EXPECT(of_base.version == before.version + 1);
        for (int k = 0; k < 12; k++) EXPECT(((const float *)of_base.data)[k] < 0.0f);
        EXPECT(mg_release(f.arena, f.h[X34]) == MG_OK);
        EXPECT(((const float *)before.data)[0] < 0.0f);
        EXPECT(info_of(&f, view).views == 1);
        EXPECT(mg_apply_in_place(f.arena, MG_NEG, view, 0, 0) == MG_OK);
        size_t used = f.arena->used_block_bytes;
        EXPECT(mg_release(f.arena, view) == MG_OK);
        EXPECT(f.arena->used_block_bytes < used);
        f.h[X34] = mg_array(f.arena, MG_FLOAT32, 0, NULL, NULL);
        arrays_close(&f);
        explain(failed, mg_op_name(views[i].op), (int64_t)i);
    }
}

/* Copies do not show the memory, and reshape copies where strides forbid a view. */
static void test_copies(void)
{
    static const example copies[] = {
        {MG_CLONE, 1, {X34}, 0, {0}, 0, {0}},
        {MG_CONTIGUOUS, 1, {X34}, 0, {0}, 0, {0}},
        {MG_RESHAPE, 1, {X34}, 2, {2, 6}, 0, {0}},
        {MG_CAST, 1, {X34}, 1, {MG_FLOAT32}, 0, {0}},
    };
    arrays f;
    arrays_open(&f, STRIDED);
    mg_array_info before = info_of(&f, f.h[X34]);
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        mg_node copy = example_apply(&f, &copies[i], 0);
        EXPECT(info_of(&f, copy).views == 0 && info_of(&f, copy).contiguous);
        EXPECT(mg_apply_in_place(f.arena, MG_NEG, copy, 0, 0) == MG_OK);
        EXPECT(info_of(&f, f.h[X34]).version == before.version);
        mg_release(f.arena, copy);
    }
    arrays_close(&f);
}

/* Bytes that the owner of shared memory writes count as true if they are not 0. */
static void test_other_truths(void)
{
    arrays f;
    uint8_t bytes[] = {255, 0, 1, 2, 128, 0, 4, 8};
    const int64_t eight = 8, all[] = {1, 0};
    arrays_open(&f, PLAIN);
    mg_node others = mg_array_share(f.arena, MG_BOOL, 1, &eight, NULL, bytes, 1, &f.owners[1]);
    mg_node truths = mg_array(f.arena, MG_BOOL, 1, &eight, bytes);
    for (int op = 1; op < MG_OP_COUNT; op++) {
        const mg_node of_others[] = {others, truths}, of_truths[] = {truths, truths};
        const mg_node others_last[] = {truths, others};
        const mg_node *const operands[] = {of_truths, of_others, others_last};
        int count = op < MG_MAP_OP_COUNT ? mg_op_arity(op) : 1;
        double half = 0.5;
        bool reduces = op == MG_SUM || op == MG_ANY || op == MG_ALL || op == MG_AMAX;
        bool copies = op == MG_NONZERO || op == MG_CLONE;
        if (op >= MG_MAP_OP_COUNT && !reduces && !copies) continue;
        uint64_t hashes[3] = {0};
        for (int way = 0; way < 3; way++) {
            mg_node y = mg_apply(f.arena, op, count, operands[way],
                                 reduces ? 2 : 0, all,
                                 op == MG_POW_NUMBER, &half, 0, 0);
            hashes[way] = y < 0 ? (uint64_t)y : 1;
            if (y < 0) continue;
            mg_array_info info = info_of(&f, y);
            for (size_t i = 0; i < (size_t)info.count * dtype_sizes[info.dtype]; i++)
                hashes[way] = mix(hashes[way], ((const uint8_t *)info.data)[i]);
            mg_release(f.arena, y);
        }
        EXPECT(hashes[1] == hashes[0] && hashes[2] == hashes[0]);
        explain(failures - (hashes[1] != hashes[0]), mg_op_name(op), op);
    }
    mg_release(f.arena, others);
    mg_release(f.arena, truths);
    EXPECT(mg_released(f.arena) == &f.owners[1]);
    arrays_close(&f);
}

/* The caller's memory is handed out when the last view of it is gone, once. */
static void test_owners(void)
{
    arrays f;
    const int64_t start_step_count[] = {4, 2, 3};
    arrays_open(&f, PLAIN);
    for (int i = 0; i < 16; i++) f.memory[i] = (float)i;
    mg_node view =
        mg_apply(f.arena, MG_SLICE, 1, &f.h[SHARED], 3, start_step_count, 0, NULL, 0, 0);
    mg_array_info of_view = info_of(&f, view);
    EXPECT((float *)of_view.data == f.memory + 4 && of_view.strides[0] == 2);
    EXPECT(mg_owner(f.arena, view) == &f.owners[0]);
    EXPECT(mg_release(f.arena, f.h[SHARED]) == MG_OK);
    EXPECT(mg_released(f.arena) == NULL);
    EXPECT(mg_apply_in_place(f.arena, MG_SQUARE, view, 0, 0) == MG_OK);
    EXPECT(f.memory[4] == 16.0f && f.memory[5] == 5.0f && f.memory[8] == 64.0f);
    EXPECT(mg_attach(f.arena, view, &f.owners[1]) == MG_OK);
    EXPECT(mg_attach(f.arena, view, &f.made) == MG_OK);
    EXPECT(mg_released(f.arena) == &f.owners[1] && mg_released(f.arena) == NULL);
    EXPECT(mg_release(f.arena, view) == MG_OK);
    void *first = mg_released(f.arena), *second = mg_released(f.arena);
    EXPECT((first == &f.owners[0] && second == &f.made) ||
           (second == &f.owners[0] && first == &f.made));
    EXPECT(mg_released(f.arena) == NULL);
    f.h[SHARED] = mg_array(f.arena, MG_FLOAT32, 0, NULL, NULL);
    arrays_close(&f);
}

/* An array that is no operand of its result, because nothing requires a gradient, dies.
 */
static void test_nothing_is_kept_in_vain(void)
{
    arrays f;
    const int64_t many = 1000;
    arrays_open(&f, PLAIN);
    size_t used = f.arena->used_block_bytes;
    mg_node x = mg_array(f.arena, MG_FLOAT64, 1, &many, NULL);
    for (int i = 0; i < 100; i++) {
        mg_node next = mg_apply(f.arena, MG_EXP, 1, &x, 0, NULL, 0, NULL, 0, 1);
        mg_release(f.arena, x);
        x = next;
    }
    EXPECT(f.arena->used_block_bytes <= used + 9000);
    EXPECT(mg_references(f.arena, x) == 1 && info_of(&f, x).operands == 0);
    mg_release(f.arena, x);
    arrays_close(&f);
}

/* ---- empty arrays, and arrays without axes ----------------------------------------- */

/* Elementwise ops give on an array without axes what they give on one of one element. */
static void test_without_axes(void)
{
    arrays f;
    const int64_t shape[] = {1, 1}, all[] = {3, 0};
    arrays_open(&f, PLAIN);
    mg_node zero_axes[2] = {f.h[S0], f.h[S0]},
            one = numbers_make(&f, MG_FLOAT32, 2, shape);
    mg_node two_axes[2] = {one, one};
    EXPECT(mg_apply_in_place(
               f.arena, MG_CAST, f.h[S0],
               keeps(&f, mg_apply(f.arena, MG_SUM, 1, &one, 2, all, 0, NULL, 0, 0)),
               0) == MG_OK);
    for (int op = 1; op < MG_MAP_OP_COUNT; op++) {
        if (is_of_bits(op)) continue;
        int arity = mg_op_arity(op), numbers = op == MG_POW_NUMBER;
        const double number = 2.5;
        mg_node y =
            mg_apply(f.arena, op, arity, zero_axes, 0, NULL, numbers, &number, 0, 0);
        mg_node z =
            mg_apply(f.arena, op, arity, two_axes, 0, NULL, numbers, &number, 0, 0);
        mg_array_info of_y = info_of(&f, y), of_z = info_of(&f, z);
        EXPECT(of_y.rank == 0 && of_z.rank == 2 && of_y.count == 1 && of_z.count == 1);
        EXPECT(of_y.dtype == of_z.dtype);
        if (y > 0 && z > 0)
            EXPECT(!memcmp(of_y.data, of_z.data, dtype_sizes[of_y.dtype]));
        mg_release(f.arena, y);
        mg_release(f.arena, z);
    }
    mg_release(f.arena, one);
    release_kept(&f);
    arrays_close(&f);
}

/* An op on empty operands: the shape of the result, and its value where there is one. */
typedef struct void_case {
    int op, operand_count, operands[3], integer_count;
    int64_t integers[6];
    int number_count;
    int64_t status; /* or */
    int rank;
    int64_t shape[3];
    double value; /* of all elements */
} void_case;

/* EMPTY has shape (0, 4) here, and Y34 (4, 0), T3 (0). */
static const void_case void_cases[] = {
    {MG_SUM, 1, {EMPTY}, 2, {1, 0}, 0, 0, 1, {4}, 0.0},
    {MG_SUM, 1, {EMPTY}, 2, {2, 1}, 0, 0, 2, {0, 1}, 0.0},
    {MG_SUM, 1, {EMPTY}, 2, {3, 0}, 0, 0, 0, {0}, 0.0},
    {MG_PROD, 1, {EMPTY}, 2, {1, 0}, 0, 0, 1, {4}, 1.0},
    {MG_MEAN, 1, {EMPTY}, 2, {1, 0}, 0, 0, 1, {4}, (double)NAN},
    {MG_MEAN, 1, {EMPTY}, 2, {2, 0}, 0, 0, 1, {0}, 0.0},
    {MG_VAR, 1, {EMPTY}, 2, {1, 0}, 1, 0, 1, {4}, (double)NAN},
    {MG_STD, 1, {EMPTY}, 2, {1, 0}, 1, 0, 1, {4}, (double)NAN},
    {MG_LOGSUMEXP, 1, {EMPTY}, 2, {1, 0}, 0, 0, 1, {4}, -(double)INFINITY},
    {MG_AMAX, 1, {EMPTY}, 2, {1, 0}, 0, MG_ERR_SHAPE, 0, {0}, 0.0},
    {MG_AMAX, 1, {EMPTY}, 2, {2, 0}, 0, 0, 1, {0}, 0.0},
    {MG_AMIN, 1, {EMPTY}, 2, {3, 0}, 0, MG_ERR_SHAPE, 0, {0}, 0.0},
    {MG_ARGMAX, 1, {EMPTY}, 2, {0, 0}, 0, MG_ERR_SHAPE, 0, {0}, 0.0},
    {MG_ARGMIN, 1, {EMPTY}, 2, {1, 0}, 0, 0, 1, {0}, 0.0},
    {MG_CUMSUM, 1, {EMPTY}, 1, {0}, 0, 0, 2, {0, 4}, 0.0},
    {MG_SOFTMAX, 1, {EMPTY}, 1, {0}, 0, 0, 2, {0, 4}, 0.0},
    {MG_LOG_SOFTMAX, 1, {EMPTY}, 1, {1}, 0, 0, 2, {0, 4}, 0.0},
    {MG_MATMUL, 2, {EMPTY, Z45}, 0, {0}, 0, 0, 2, {0, 5}, 0.0},
    {MG_MATMUL, 2, {Y34, EMPTY}, 0, {0}, 0, 0, 2, {4, 4}, 0.0},
    {MG_LINEAR, 2, {EMPTY, W54}, 0, {0}, 0, 0, 2, {0, 5}, 0.0},
    {MG_LAYER_NORM, 1, {EMPTY}, 1, {1}, 1, 0, 2, {0, 4}, 0.0},
    {MG_RMS_NORM, 1, {EMPTY}, 1, {1}, 1, 0, 2, {0, 4}, 0.0},
    {MG_CROSS_ENTROPY,
     2,
     {EMPTY, T3},
     2,
     {MG_REDUCE_MEAN, -100},
     1,
     0,
     0,
     {0},
     (double)NAN},
    {MG_CROSS_ENTROPY, 2, {EMPTY, T3}, 2, {MG_REDUCE_SUM, -100}, 1, 0, 0, {0}, 0.0},
    {MG_CROSS_ENTROPY, 2, {EMPTY, T3}, 2, {MG_REDUCE_NONE, -100}, 1, 0, 1, {0}, 0.0},
    {MG_TAKE, 2, {EMPTY, T3}, 0, {0}, 0, 0, 2, {0, 4}, 0.0},
    {MG_TAKE, 2, {X34, T3}, 0, {0}, 0, 0, 2, {0, 4}, 0.0},
    {MG_CAT, 2, {EMPTY, EMPTY}, 1, {0}, 0, 0, 2, {0, 4}, 0.0},
    {MG_RESHAPE, 1, {EMPTY}, 3, {7, 0, 9}, 0, 0, 3, {7, 0, 9}, 0.0},
    {MG_PERMUTE, 1, {EMPTY}, 2, {1, 0}, 0, 0, 2, {4, 0}, 0.0},
    {MG_EXPAND, 1, {EMPTY}, 3, {3, 0, 4}, 0, 0, 3, {3, 0, 4}, 0.0},
    {MG_SLICE, 1, {X34}, 6, {0, 0, 1, 1, 0, 4}, 0, 0, 2, {0, 4}, 0.0},
    {MG_SLICE, 1, {EMPTY}, 6, {0, 1, 1, 1, 0, 2}, 0, 0, 2, {0, 2}, 0.0},
    {MG_PAD, 1, {EMPTY}, 4, {1, 0, 1, 0}, 1, 0, 2, {2, 4}, 0.5},
    {MG_SPREAD, 1, {EMPTY}, 6, {2, 4, 0, 0, 1, 1}, 0, 0, 2, {2, 4}, 0.0},
    {MG_ANY, 1, {EMPTY}, 2, {3, 0}, 0, 0, 0, {0}, 0.0},
    {MG_ALL, 1, {EMPTY}, 2, {1, 0}, 0, 0, 1, {4}, 1.0},
    {MG_NONZERO, 1, {EMPTY}, 0, {0}, 0, 0, 2, {0, 2}, 0.0},
};

static double element_of(const mg_array_info *info, int64_t i)
{
    switch (info->dtype) {
    case MG_FLOAT32: return (double)((const float *)info->data)[i];
    case MG_FLOAT64: return ((const double *)info->data)[i];
    case MG_INT64: return (double)((const int64_t *)info->data)[i];
    default: return (double)((const uint8_t *)info->data)[i];
    }
}

static void test_void_case(arrays *f, const void_case *row)
{
    static const double half[] = {0.5};
    mg_node operands[3];
    for (int k = 0; k < row->operand_count; k++) operands[k] = f->h[row->operands[k]];
    mg_node y =
        mg_apply(f->arena, row->op, row->operand_count, operands, row->integer_count,
                 row->integers, row->number_count, half, 0, 1);
    EXPECT(row->status ? y == row->status : y > 0);
    if (y <= 0) return;
    mg_array_info info = info_of(f, y);
    EXPECT(info.rank == row->rank);
    for (int d = 0; d < row->rank; d++) EXPECT(info.shape[d] == row->shape[d]);
    for (int64_t i = 0; i < info.count; i++) {
        double x = element_of(&info, i);
        EXPECT(isnan(row->value) ? isnan(x) : x == row->value);
    }
    /* the gradient of nothing is nothing, or 0 */
    if (info.requires_grad)
        EXPECT(sweep_whole(f, y, 0, NULL, MG_ACCUMULATE, NULL) == MG_OK);
    gradients_remove(f);
    mg_release(f->arena, y);
}

static void test_empty(int variant)
{
    arrays f;
    const int64_t four_by_none[] = {4, 0}, none[] = {0}, none_by_four[] = {0, 4};
    arrays_open(&f, variant);
    const int slots[] = {EMPTY, Y34, T3};
    for (int i = 0; i < 3; i++) EXPECT(mg_release(f.arena, f.h[slots[i]]) == MG_OK);
    f.h[EMPTY] = mg_array(f.arena, f.dtype, 2, none_by_four, NULL);
    f.h[Y34] = mg_array(f.arena, f.dtype, 2, four_by_none, NULL);
    f.h[T3] = mg_array(f.arena, MG_INT64, 1, none, NULL);
    EXPECT(mg_require_gradient(f.arena, f.h[EMPTY], 1) == MG_OK);
    for (size_t i = 0; i < sizeof void_cases / sizeof *void_cases; i++) {
        int failed = failures;
        test_void_case(&f, &void_cases[i]);
        explain(failed, mg_op_name(void_cases[i].op), (int64_t)i);
    }
    for (int op = 1; op < MG_MAP_OP_COUNT; op++) {
        if (is_of_bits(op)) continue;
        void_case row = {.op = op, .operands = {EMPTY, R4}, .rank = 2, .shape = {0, 4}};
        row.operand_count = mg_op_arity(op);
        row.number_count = op == MG_POW_NUMBER;
        test_void_case(&f, &row);
    }
    EXPECT(mg_apply_in_place(f.arena, MG_EXP, f.h[EMPTY], 0, 0) == MG_OK);
    EXPECT(mg_apply_in_place(f.arena, MG_ADD, f.h[EMPTY], f.h[R4], 0) == MG_OK);
    arrays_close(&f);
}

/* Rows of all examples succeed: what is refused above is refused for its reason. */
static void test_good(int variant)
{
    arrays f;
    arrays_open(&f, variant);
    for (int i = 0; i < ALL_EXAMPLES; i++) {
        example e = example_at(i);
        int failed = failures;
        mg_node y = example_apply(&f, &e, 1);
        EXPECT(y > 0 || variant == HALF);
        if (y > 0) EXPECT(mg_release(f.arena, y) == MG_OK);
        explain(failed, mg_op_name(e.op), i);
    }
    arrays_close(&f);
    for (int i = 0; i < ARRAY_CALLS; i++) {
        int failed = failures;
        arrays_open(&f, variant == HALF ? PLAIN : variant);
        if (array_calls[i].slots[0] == R4) gradients_give(&f);
        EXPECT(array_calls[i].run(&f) >= 0 || variant == STRIDED);
        expect_consistent(f.arena);
        release_kept(&f);
        arrays_close(&f);
        explain(failed, array_calls[i].name, variant);
    }
}

int main(void)
{
    for (int variant = 0; variant < VARIANTS; variant++) test_good(variant);
    test_handles();
    test_arrays_are_no_numbers();
    for (int variant = 0; variant < VARIANTS; variant++) test_refusals(variant);
    test_counts();
    test_new_arrays();
    test_filled_arrays();
    test_other_arguments();
    test_views();
    test_copies();
    test_owners();
    test_other_truths();
    test_nothing_is_kept_in_vain();
    test_without_axes();
    test_empty(PLAIN);
    test_empty(DOUBLE);
    return finish();
}
