/* calls.h: every call of micrograd.h on an arena of numbers as a row of one table, so that each can
 * be given wrong handles (test_handles.c) and no memory (test_faults.c).
 * tests/test_csrc.py checks that no call is missing. */
#ifndef MG_CALLS_H
#define MG_CALLS_H

#include "expect.h"

enum {
    CHAIN = 1500, /* the depth of h[0]: a walk takes several steps of 512 */
    HANDLES = 4, /* h[0] the end of the chain, h[1] a leaf, h[2] a power, h[3] a leaf */
    RESULTS = 8,
    OPTIMIZED = 3
};

/* What the calls are given and what they make. */
typedef struct fixture {
    mg_arena *arena;
    ledger book;
    mg_node h[HANDLES];
    mg_node out[RESULTS]; /* references made by the last call */
    int made;
    double numbers[RESULTS];
    double first[OPTIMIZED], second[OPTIMIZED]; /* an optimizer's state */
} fixture;

/* Record leaves until no slot is left: the next node needs another chunk. */
static inline void fixture_fill(fixture *f, size_t chunks)
{
    mg_usage usage;
    do {
        EXPECT(mg_leaf(f->arena, 1.0) > 0);
        mg_arena_usage(f->arena, &usage);
    } while (f->arena->chunk_count < chunks || usage.nodes < usage.capacity);
}

/* Make an arena of full chunks in which every gradient is 0.25. */
static inline void fixture_open(fixture *f, size_t chunks)
{
    memset(f, 0, sizeof *f);
    f->arena = ledger_arena(&f->book);
    mg_node x = mg_leaf(f->arena, 0.7310585786300049);
    f->h[1] = x;
    f->h[3] = mg_leaf(f->arena, 1.3862943611198906);
    f->h[2] = mg_record_number(f->arena, MG_POW_NUMBER, x, 3.0);
    f->h[0] = mg_record(f->arena, MG_MUL, f->h[2], f->h[3]);
    for (int i = 0; i < CHAIN; i++) {
        mg_node next = mg_record(f->arena, i % 2 ? MG_ADD : MG_MUL, f->h[0],
                                 i % 5 ? x : f->h[3]);
        mg_release(f->arena, f->h[0]);
        f->h[0] = next;
    }
    fixture_fill(f, chunks);
    for (uint32_t i = 1; i < f->arena->fresh; i++) node_at(f->arena, i)->gradient = 0.25;
    for (int i = 0; i < OPTIMIZED; i++) f->first[i] = f->second[i] = 0.5;
}

static inline void fixture_close(fixture *f)
{
    expect_consistent(f->arena);
    ledger_arena_free(f->arena, &f->book);
}

/* Remember that the call succeeded in making out[0..count). */
static inline int64_t made(fixture *f, int64_t status, int count)
{
    f->made = status >= 0 ? count : 0;
    return status;
}

static inline int64_t made_one(fixture *f, mg_node handle)
{
    f->out[0] = handle;
    return made(f, handle, 1);
}

/* Give back what the last call made. */
static inline void release_made(fixture *f)
{
    for (; f->made > 0; f->made--)
        EXPECT(mg_release(f->arena, f->out[f->made - 1]) == MG_OK);
}

/* ---- the calls --------------------------------------------------------------------- */

#define CALL(name, expression) \
    static inline int64_t call_##name(fixture *f) \
    { \
        return (expression); \
    }

static const int64_t one_layer[] = {1, 1}, targets[] = {2};

static inline int64_t release_and_retain(fixture *f, mg_node handle)
{
    int status = mg_release(f->arena, handle);
    if (status == MG_OK) status = mg_retain(f->arena, handle);
    return status;
}

static inline int64_t release_and_retain_all(fixture *f)
{
    int status = mg_release_all(f->arena, HANDLES - 1, f->h + 1);
    for (int i = 1; i < HANDLES && status == MG_OK; i++)
        status = mg_retain(f->arena, f->h[i]);
    return status;
}

/* Record a few steps, or so many that their indices need memory, and two results. */
static inline int64_t record_steps_here(fixture *f, int64_t count)
{
    mg_step steps[200];
    EXPECT(count >= 4 && count <= 200);
    steps[0] = (mg_step){.op = MG_LEAF, .number = 2.5, .result = &f->out[0]};
    steps[1] = (mg_step){.op = MG_MUL, .a = f->h[0], .b = f->h[1]};
    steps[2] = (mg_step){
        .op = MG_POW_NUMBER, .a = MG_RESULT(1), .b = MG_NUMBER, .number = 2.0};
    for (int64_t i = 3; i < count; i++)
        steps[i] = (mg_step){.op = MG_ADD, .a = MG_RESULT(i - 1), .b = MG_RESULT(0)};
    steps[count - 1].result = &f->out[1];
    return made(f, mg_record_steps(f->arena, count, steps, NULL), 2);
}

static inline int64_t backward_in_slices(fixture *f)
{
    int status = mg_backward(f->arena, f->h[0], 1.0, 1);
    while (status == MG_MORE) status = mg_backward_resume(f->arena, 1);
    return status;
}

static inline int64_t derive_here(fixture *f)
{
    int status = mg_derive(f->arena, f->h[0], 1);
    while (status == MG_MORE) status = mg_backward_resume(f->arena, 1);
    if (status < 0) return status;
    status = mg_derivatives(f->arena, HANDLES, f->h, f->numbers);
    if (status < 0) mg_backward_cancel(f->arena);
    return status;
}

/* Run a backward that stops for its caller, who runs another one in between. */
static inline int64_t called_here(fixture *f)
{
    int status = mg_node_call(f->arena, f->h[0], 1);
    if (status < 0) return status;
    status = mg_backward(f->arena, f->h[0], 1.0, 0);
    EXPECT(status < 0 || mg_backward_node(f->arena) == f->h[0]);
    if (status == MG_CALL) {
        status = mg_backward_meets(f->arena, f->h[2], f->h[0]);
        if (status >= 0) status = mg_backward(f->arena, f->h[2], 1.0, 0);
    }
    if (status == MG_OK) status = mg_backward_select(f->arena, f->h[0]);
    if (status == MG_OK) status = mg_backward_resume(f->arena, 0);
    else mg_backward_cancel(f->arena);
    EXPECT(mg_node_call(f->arena, f->h[0], 0) == MG_OK);
    return status;
}

static inline int64_t fork_here(fixture *f)
{
    mg_arena_before_fork(f->arena);
    mg_arena_after_fork(f->arena, 1);
    return MG_OK;
}

static inline int64_t usage_here(fixture *f)
{
    mg_usage usage;
    return mg_arena_usage(f->arena, &usage);
}

CALL(usage, usage_here(f))
CALL(lasts, mg_arena_lasts(f->arena))
CALL(fork, fork_here(f))
CALL(retain, made(f, mg_retain(f->arena, f->out[0] = f->h[0]), 1))
CALL(release, release_and_retain(f, f->h[2]))
CALL(release_all, release_and_retain_all(f))
CALL(leaf, made_one(f, mg_leaf(f->arena, 2.5)))
CALL(record, made_one(f, mg_record(f->arena, MG_MUL, f->h[0], f->h[1])))
CALL(record_unary, made_one(f, mg_record(f->arena, MG_TANH, f->h[0], 0)))
CALL(record_number, made_one(f, mg_record_number(f->arena, MG_ADD, f->h[0], 2.5)))
CALL(power, made_one(f, mg_record_number(f->arena, MG_POW_NUMBER, f->h[0], -1.5)))
CALL(record_steps, record_steps_here(f, 4))
CALL(record_many_steps, record_steps_here(f, 200))
CALL(subtract, made_one(f, mg_subtract(f->arena, f->h[0], f->h[1])))
CALL(divide, made_one(f, mg_divide(f->arena, f->h[0], f->h[1])))
CALL(copy, made_one(f, mg_record_copy(f->arena, MG_MUL, f->h[0], f->h[1], 0.0, 2.5)))
CALL(copy_power,
     made_one(f, mg_record_copy(f->arena, MG_POW_NUMBER, f->h[0], 0, -1.5, 2.5)))
CALL(node_op, mg_node_op(f->arena, f->h[0]))
CALL(node_operand, made_one(f, mg_node_operand(f->arena, f->h[0], 1)))
CALL(node_exponent, mg_node_exponent(f->arena, f->h[2], f->numbers))
CALL(node_operands, mg_node_operands(f->arena, f->h[0]))
CALL(node_factors, mg_node_factors(f->arena, f->h[2], f->numbers))
CALL(node_flow, mg_node_flow(f->arena, f->h[0]))
CALL(node_references, mg_references(f->arena, f->h[0]))
CALL(given, made_one(f, mg_given(f->arena, 1.5, HANDLES, f->h, f->numbers)))
CALL(given_bare, made_one(f, mg_given(f->arena, 1.5, HANDLES, f->h, NULL)))
CALL(derive, derive_here(f))
CALL(called, called_here(f))
CALL(data, mg_data(f->arena, HANDLES, f->h, f->numbers))
CALL(gradients, mg_gradients(f->arena, HANDLES, f->h, f->numbers))
CALL(set_data, mg_set_data(f->arena, HANDLES, f->h, f->numbers))
CALL(set_gradients, mg_set_gradients(f->arena, HANDLES, f->h, f->numbers))
CALL(zero_gradients, mg_zero_gradients(f->arena, HANDLES, f->h))
CALL(backward, mg_backward(f->arena, f->h[0], 1.0, 0))
CALL(backward_resume, backward_in_slices(f))
CALL(backward_cancel, mg_backward_cancel(f->arena))
CALL(grad, made(f, mg_grad(f->arena, f->h[0], 3, f->h + 1, f->out), 3))
CALL(grad_one, made(f, mg_grad(f->arena, f->h[0], 1, f->h + 1, f->out), 1))
CALL(mlp, made(f,
               mg_mlp(f->arena, 1, one_layer, MG_TANH, MG_RELU, f->h, 2, f->h + 2, NULL,
                      f->out),
               2))
CALL(dense,
     made(f, mg_dense(f->arena, 1, 1, MG_TANH, f->h, 1, f->h + 2, NULL, f->out), 1))
CALL(dense_numbers,
     made(f, mg_dense(f->arena, 1, 1, -1, f->h, 2, NULL, f->first, f->out), 2))
CALL(entropy, made(f,
                   mg_cross_entropy(f->arena, 1, HANDLES, f->h, targets, 1,
                                    MG_REDUCE_NONE, f->out),
                   1))
CALL(entropy_mean, made(f,
                        mg_cross_entropy(f->arena, 1, HANDLES, f->h, targets, 0,
                                         MG_REDUCE_MEAN, f->out),
                        1))
CALL(entropy_sum,
     made(f,
          mg_cross_entropy(f->arena, 1, HANDLES, f->h, targets, 1, MG_REDUCE_SUM, f->out),
          1))
CALL(sum, made_one(f, mg_sum(f->arena, HANDLES, f->h)))
CALL(mean, made_one(f, mg_mean(f->arena, HANDLES, f->h)))
CALL(dot, made_one(f, mg_dot(f->arena, 2, f->h, f->h + 2)))
CALL(softmax, made(f, mg_softmax(f->arena, HANDLES, f->h, f->out), HANDLES))
CALL(rmsnorm, made(f, mg_rmsnorm(f->arena, HANDLES, f->h, 1e-5, f->out), HANDLES))
CALL(sgd, mg_sgd_step(f->arena, OPTIMIZED, f->h + 1, NULL, 1, 0.01, 0.0, 0.0, 0.1, 0))
CALL(sgd_momentum,
     mg_sgd_step(f->arena, OPTIMIZED, f->h + 1, f->first, 0, 0.01, 0.9, 0.1, 0.0, 1))
CALL(adam, mg_adam_step(f->arena, OPTIMIZED, f->h + 1, f->first, f->second, 2, 0.01, 0.9,
                        0.95, 1e-8, 0.1, 0))
CALL(adamw, mg_adam_step(f->arena, OPTIMIZED, f->h + 1, f->first, f->second, 1, 0.01, 0.9,
                         0.95, 1e-8, 0.1, 1))
/* Make a program that trains one leaf, let it make steps, and free it. */
static inline int64_t script_here(fixture *f, int64_t runs)
{
    mg_script *script;
    int64_t steps = 3;
    mg_number_update update = {.is_adam = 1, .count = 1, .parameters = f->h + 1,
                               .first = f->first, .second = f->second, .steps = &steps,
                               .lr = 0.001, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
    mg_number_update *all[] = {&update};
    int status = mg_script_compile(f->arena, f->h[0], 1, all, 0, &script);
    if (status < 0) return status;
    status = mg_script_run(script, runs, 0, 0, NULL, NULL);
    mg_script_free(script);
    return status;
}

/* Record an op and a step that is told of, and make a program of it. */
static inline int64_t script_recorded(fixture *f)
{
    mg_script *script;
    int64_t steps = 0;
    mg_number_update update = {.is_adam = 1, .count = 1, .parameters = f->h + 3,
                               .first = f->first, .second = f->second, .steps = &steps};
    int64_t status = mg_script_open(f->arena, 1, f->h + 1);
    if (status < 0) return status;
    mg_node made = mg_record(f->arena, MG_MUL, f->h[1], f->h[1]);
    status = made < 0 ? made : mg_script_update(f->arena, &update);
    if (status == MG_OK) status = mg_script_close(f->arena, 1, &made, 0, &script);
    if (made > 0) mg_release(f->arena, made);
    if (status == MG_OK) mg_script_free(script);
    mg_script_cancel(f->arena);
    return status;
}

/* Make a program, save it, and make one of what was saved. */
static inline int64_t script_stored(fixture *f)
{
    static uint8_t bytes[1 << 16];
    mg_script *script, *loaded = NULL;
    int64_t steps = 3;
    mg_number_update update = {.is_adam = 1, .count = 1, .parameters = f->h + 1,
                               .first = f->first, .second = f->second, .steps = &steps};
    mg_number_update *all[] = {&update};
    int64_t status = mg_script_compile(f->arena, f->h[0], 1, all, 0, &script);
    if (status < 0) return status;
    int64_t size = mg_script_save(script, NULL, sizeof bytes, bytes);
    mg_script_free(script);
    if (size < 0) return size;
    status = mg_script_load(f->arena, bytes, (size_t)size, &loaded);
    mg_script_free(loaded);
    return status;
}

CALL(script_recorded, script_recorded(f))
CALL(script_stored, script_stored(f))
CALL(script, script_here(f, 0))
CALL(script_run, script_here(f, 2))

#undef CALL

/* A row: the handles that a call takes are h[first_handle .. first_handle + handles). */
typedef struct number_call {
    const char *name;
    int64_t (*run)(fixture *f);
    int first_handle, handles;
    int clears; /* gradients of interior nodes, even when it fails */
} number_call;

static const number_call calls[] = {
    {"usage", call_usage, 0, 0, 0},
    {"lasts", call_lasts, 0, 0, 0},
    {"fork", call_fork, 0, 0, 0},
    {"retain", call_retain, 0, 1, 0},
    {"release", call_release, 2, 1, 0},
    {"release_all", call_release_all, 1, HANDLES - 1, 0},
    {"leaf", call_leaf, 0, 0, 0},
    {"record", call_record, 0, 2, 0},
    {"record_unary", call_record_unary, 0, 1, 0},
    {"record_number", call_record_number, 0, 1, 0},
    {"power", call_power, 0, 1, 0},
    {"record_steps", call_record_steps, 0, 2, 0},
    {"record_many_steps", call_record_many_steps, 0, 2, 0},
    {"subtract", call_subtract, 0, 2, 0},
    {"divide", call_divide, 0, 2, 0},
    {"copy", call_copy, 0, 2, 0},
    {"copy_power", call_copy_power, 0, 1, 0},
    {"node_op", call_node_op, 0, 1, 0},
    {"node_operand", call_node_operand, 0, 1, 0},
    {"node_exponent", call_node_exponent, 2, 1, 0},
    {"node_operands", call_node_operands, 0, 1, 0},
    {"node_factors", call_node_factors, 2, 1, 0},
    {"node_flow", call_node_flow, 0, 1, 0},
    {"node_references", call_node_references, 0, 1, 0},
    {"given", call_given, 0, HANDLES, 0},
    {"given_bare", call_given_bare, 0, HANDLES, 0},
    {"derive", call_derive, 0, HANDLES, 0},
    {"called", call_called, 0, 1, 1},
    {"data", call_data, 0, HANDLES, 0},
    {"gradients", call_gradients, 0, HANDLES, 0},
    {"set_data", call_set_data, 0, HANDLES, 0},
    {"set_gradients", call_set_gradients, 0, HANDLES, 0},
    {"zero_gradients", call_zero_gradients, 0, HANDLES, 0},
    {"backward", call_backward, 0, 1, 1},
    {"backward_resume", call_backward_resume, 0, 1, 1},
    {"backward_cancel", call_backward_cancel, 0, 0, 0},
    {"grad", call_grad, 0, HANDLES, 0},
    {"grad_one", call_grad_one, 0, 2, 0},
    {"mlp", call_mlp, 0, HANDLES, 0},
    {"dense", call_dense, 0, 3, 0},
    {"dense_numbers", call_dense_numbers, 0, 2, 0},
    {"entropy", call_entropy, 0, HANDLES, 0},
    {"entropy_mean", call_entropy_mean, 0, HANDLES, 0},
    {"entropy_sum", call_entropy_sum, 0, HANDLES, 0},
    {"sum", call_sum, 0, HANDLES, 0},
    {"mean", call_mean, 0, HANDLES, 0},
    {"dot", call_dot, 0, HANDLES, 0},
    {"softmax", call_softmax, 0, HANDLES, 0},
    {"rmsnorm", call_rmsnorm, 0, HANDLES, 0},
    {"sgd", call_sgd, 1, OPTIMIZED, 0},
    {"sgd_momentum", call_sgd_momentum, 1, OPTIMIZED, 0},
    {"adam", call_adam, 1, OPTIMIZED, 0},
    {"adamw", call_adamw, 1, OPTIMIZED, 0},
    {"script", call_script, 0, 2, 0},
    {"script_recorded", call_script_recorded, 1, 1, 0},
    {"script_run", call_script_run, 0, 2, 0},
    {"script_stored", call_script_stored, 0, 2, 0},
};

enum { CALLS = sizeof calls / sizeof *calls };

#endif
