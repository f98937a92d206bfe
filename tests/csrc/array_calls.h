/* array_calls.h: every call of micrograd.h on arrays, and every op of whole arrays, as rows
 * of tables, so that each can be given wrong arguments (test_arrays.c) and no memory
 * (test_array_faults.c). tests/test_csrc.py checks that no call is missing. */
#ifndef MG_ARRAY_CALLS_H
#define MG_ARRAY_CALLS_H

#include "expect.h"
#include "updates.h"

/* ---- arrays to call with ----------------------------------------------------------- */

/* The handles of a fixture; figures are sizes: X34 has shape (3, 4). Those of the type of
 * the variant, which require a gradient, come first. IMAGES are two of 4 channels and 5
 * places; KERNELS two groups of 3, of windows of 2 places. */
enum slot {
    X34, Y34, Z45, W54, R4, Q4, B5, S0, L300, IMAGES, KERNELS, REAL_SLOTS,
    I3 = REAL_SLOTS, I24, I34, T3, N34, TRUE34, EMPTY, HUB, SHARED, NUMBER, SLOTS
};

/* What the arrays are like. */
enum variant { PLAIN, STRIDED, HALF, DOUBLE, VARIANTS };

typedef struct arrays {
    mg_arena *arena;
    ledger book;
    mg_rng rng;
    int dtype;
    mg_node h[SLOTS];
    mg_node out[4]; /* references made by the last call */
    int made;
    bool filled; /* with numbers that nobody releases */
    float memory[16]; /* of SHARED */
    int owners[2];    /* SHARED's and the attached objects */
} arrays;

/* Make an array with full numbers from 0.5 to 1.5. */
static inline mg_node numbers_make(arrays *f, int dtype, int rank, const int64_t *shape)
{
    double numbers[300];
    float singles[300];
    int64_t count = shape_count(rank, shape), to = dtype;
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = full_number(&f->rng);
        singles[i] = (float)numbers[i];
    }
    const void *data = dtype == MG_FLOAT64 ? (const void *)numbers : singles;
    int made_as = dtype == MG_FLOAT64 ? MG_FLOAT64 : MG_FLOAT32;
    mg_node made = mg_array(f->arena, made_as, rank, shape, data);
    if (dtype == made_as) return made;
    mg_node cast = mg_apply(f->arena, MG_CAST, 1, &made, 1, &to, 0, NULL, 0, 0);
    mg_release(f->arena, made);
    return cast;
}

/* Make a leaf that requires a gradient, or, strided, the transpose of one. */
static inline mg_node real_make(arrays *f, bool strided, int rank, const int64_t *shape)
{
    const int64_t turned[] = {shape[rank > 1], shape[0]}, axes[] = {1, 0};
    bool turns = strided && rank == 2;
    mg_node leaf = numbers_make(f, f->dtype, rank, turns ? turned : shape);
    EXPECT(mg_require_gradient(f->arena, leaf, 1) == MG_OK);
    if (!turns) return leaf;
    mg_node made = mg_apply(f->arena, MG_PERMUTE, 1, &leaf, 2, axes, 0, NULL, 0, 1);
    mg_release(f->arena, leaf);
    return made;
}

static inline void arrays_open(arrays *f, int variant)
{
    static const int dtypes[VARIANTS] = {MG_FLOAT32, MG_FLOAT32, MG_FLOAT16, MG_FLOAT64};
    static const int64_t shapes[REAL_SLOTS][3] = {
        {3, 4}, {3, 4}, {4, 5}, {5, 4}, {4}, {4}, {5}, {0}, {300}, {2, 4, 5}, {2, 3, 4}};
    static const int ranks[REAL_SLOTS] = {2, 2, 2, 2, 1, 1, 1, 0, 1, 3, 3};
    static const int64_t i3[] = {2, 0, -1}, i34[] = {2, 0, -3, 1, -1, 0, 0, 2, 1, 1, -2, 0};
    static const int64_t t3[] = {1, -100, 3}, n34[] = {1, 2, 3, -1, 5, 6, -7, 8, 9, 10, 1, 2};
    static const uint8_t true34[12] = {1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1};
    static const int64_t two_by_four[] = {2, 4}, none[] = {0, 4}, sixteen[] = {16};
    memset(f, 0, sizeof *f);
    f->arena = ledger_arena(&f->book);
    mg_rng_seed(&f->rng, 42);
    f->dtype = dtypes[variant];
    for (int i = 0; i < REAL_SLOTS; i++)
        f->h[i] = real_make(f, variant == STRIDED, ranks[i], shapes[i]);
    f->h[I3] = mg_array(f->arena, MG_INT64, 1, shapes[0], i3);
    f->h[I24] = mg_array(f->arena, MG_INT64, 2, two_by_four, i34);
    f->h[I34] = mg_array(f->arena, MG_INT64, 2, shapes[0], i34);
    f->h[T3] = mg_array(f->arena, MG_INT64, 1, shapes[0], t3);
    f->h[N34] = mg_array(f->arena, MG_INT64, 2, shapes[0], n34);
    f->h[TRUE34] = mg_array(f->arena, MG_BOOL, 2, shapes[0], true34);
    f->h[EMPTY] = mg_array(f->arena, f->dtype, 2, none, NULL);
    const mg_node inputs[] = {f->h[X34], f->h[R4]};
    f->h[HUB] = mg_apply(f->arena, MG_FUNCTION, 2, inputs, 0, NULL, 0, NULL, 0, 1);
    f->h[SHARED] = mg_array_share(f->arena, MG_FLOAT32, 1, sixteen, NULL, f->memory, 0,
                                  &f->owners[0]);
    f->h[NUMBER] = mg_leaf(f->arena, 0.5);
    for (int i = 0; i < SLOTS; i++) EXPECT(f->h[i] > 0);
}

/* Give two of them gradients, the first of which is one number, repeated. */
static inline void gradients_give(arrays *f)
{
    const int64_t four = 4;
    mg_node one = numbers_make(f, f->dtype, 0, NULL), whole = numbers_make(f, f->dtype, 1, &four);
    mg_node repeated = mg_apply(f->arena, MG_EXPAND, 1, &one, 1, &four, 0, NULL, 0, 0);
    EXPECT(mg_set_gradient(f->arena, f->h[R4], repeated) == MG_OK);
    EXPECT(mg_set_gradient(f->arena, f->h[Q4], whole) == MG_OK);
    mg_release(f->arena, one);
    mg_release(f->arena, whole);
    mg_release(f->arena, repeated);
}

/* Remove all gradients: those that are recorded refer to their own leaves. */
static inline void gradients_remove(arrays *f)
{
    for (uint32_t i = 1; i < f->arena->fresh; i++) {
        node *n = node_at(f->arena, i);
        if (is_free(f->arena, i) || !(n->bits & ARRAY) || !n->gradient_node) continue;
        uint32_t gradient = n->gradient_node;
        n->gradient_node = 0;
        node_release(f->arena, gradient);
    }
}

/* Give everything back: no node and no block is left. */
static inline void arrays_close(arrays *f)
{
    mg_arena_fail(f->arena, -1, 0);
    expect_consistent(f->arena);
    gradients_remove(f);
    for (int i = 0; i < SLOTS; i++) mg_release(f->arena, f->h[i]);
    while (mg_released(f->arena)) continue;
    EXPECT(f->filled || nodes_of(f->arena) == 0);
    EXPECT(f->arena->used_block_bytes == 0);
    ledger_arena_free(f->arena, &f->book);
}

/* ---- ops --------------------------------------------------------------------------- */

/* A call of mg_apply(); operands are slots. */
typedef struct example {
    int op;
    int operand_count, operands[6];
    int integer_count;
    int64_t integers[8];
    int number_count;
    double numbers[1];
} example;

static const example examples[] = {
    {MG_RESHAPE, 1, {X34}, 2, {2, 6}, 0, {0}},
    {MG_RESHAPE, 1, {S0}, 0, {0}, 0, {0}},
    {MG_PERMUTE, 1, {X34}, 2, {1, 0}, 0, {0}},
    {MG_PERMUTE, 1, {S0}, 0, {0}, 0, {0}},
    {MG_EXPAND, 1, {R4}, 2, {3, 4}, 0, {0}},
    {MG_SLICE, 1, {X34}, 6, {2, 0, -1, 2, 3, 2}, 0, {0}},
    {MG_SLICE, 1, {S0}, 0, {0}, 0, {0}},
    {MG_WINDOW, 1, {X34}, 4, {1, 2, 1, 2}, 0, {0}},
    {MG_WINDOW, 1, {X34}, 7, {2, 2, 3, 1, 1, 1, 1}, 0, {0}},
    {MG_DETACH, 1, {X34}, 0, {0}, 0, {0}},
    {MG_CONTIGUOUS, 1, {X34}, 0, {0}, 0, {0}},
    {MG_CLONE, 1, {X34}, 0, {0}, 0, {0}},
    {MG_CAST, 1, {X34}, 1, {MG_FLOAT64}, 0, {0}},
    {MG_CAST, 1, {X34}, 1, {MG_FLOAT16}, 0, {0}},
    {MG_CAST, 1, {X34}, 1, {MG_INT32}, 0, {0}},
    {MG_PAD, 1, {X34}, 4, {1, 0, 0, 2}, 1, {0.5}},
    {MG_SPREAD, 1, {X34}, 6, {7, 4, 0, 0, 3, 1}, 0, {0}},
    {MG_FOLD, 1, {X34}, 4, {1, 6, 1, 1}, 0, {0}},
    {MG_CAT, 3, {X34, Y34, X34}, 1, {0}, 0, {0}},
    {MG_ASSIGN, 2, {X34, R4}, 6, {0, 0, 2, 1, 2, 4}, 0, {0}},
    {MG_ASSIGN, 2, {S0, S0}, 0, {0}, 0, {0}},
    {MG_TAKE, 2, {X34, I3}, 0, {0}, 0, {0}},
    {MG_ADD_AT, 3, {X34, I3, Y34}, 0, {0}, 0, {0}},
    {MG_PUT_AT, 3, {X34, I3, Y34}, 0, {0}, 0, {0}},
    {MG_GATHER, 2, {X34, I34}, 1, {0}, 0, {0}},
    {MG_SCATTER_ADD, 3, {X34, I34, Y34}, 1, {0}, 0, {0}},
    {MG_SCATTER_ADD, 3, {X34, I24, Y34}, 1, {0}, 0, {0}},
    {MG_NONZERO, 1, {X34}, 0, {0}, 0, {0}},
    {MG_WHERE, 3, {TRUE34, X34, R4}, 0, {0}, 0, {0}},
    {MG_SUM, 1, {X34}, 2, {1, 0}, 0, {0}},
    {MG_SUM, 1, {X34}, 2, {3, 1}, 0, {0}},
    {MG_MEAN, 1, {X34}, 2, {2, 0}, 0, {0}},
    {MG_PROD, 1, {X34}, 2, {1, 0}, 0, {0}},
    {MG_PROD, 1, {L300}, 2, {1, 0}, 0, {0}},
    {MG_AMAX, 1, {X34}, 2, {2, 0}, 0, {0}},
    {MG_AMIN, 1, {X34}, 2, {3, 1}, 0, {0}},
    {MG_ARGMAX, 1, {X34}, 2, {0, 0}, 0, {0}},
    {MG_ARGMIN, 1, {X34}, 2, {-1, 1}, 0, {0}},
    {MG_ANY, 1, {X34}, 2, {1, 0}, 0, {0}},
    {MG_ALL, 1, {X34}, 2, {3, 1}, 0, {0}},
    {MG_VAR, 1, {X34}, 2, {2, 0}, 1, {1.0}},
    {MG_STD, 1, {X34}, 2, {1, 1}, 1, {0.0}},
    {MG_LOGSUMEXP, 1, {X34}, 2, {1, 0}, 0, {0}},
    {MG_CUMSUM, 1, {X34}, 1, {0}, 0, {0}},
    {MG_CUMSUM, 1, {X34}, 1, {1}, 0, {0}},
    {MG_ARGMAX_WINDOW, 1, {X34}, 7, {2, 2, 2, 1, 1, 1, 2}, 0, {0}},
    {MG_CONVOLVE, 2, {KERNELS, IMAGES}, 4, {1, 2, 2, 1}, 0, {0}},
    {MG_CONVOLVE, 2, {KERNELS, IMAGES}, 4, {1, 2, 1, 3}, 0, {0}},
    {MG_MATMUL, 2, {X34, Z45}, 0, {0}, 0, {0}},
    {MG_MATMUL, 2, {R4, Z45}, 0, {0}, 0, {0}},
    {MG_MATMUL, 2, {R4, Q4}, 0, {0}, 0, {0}},
    {MG_LINEAR, 2, {X34, W54}, 0, {0}, 0, {0}},
    {MG_LINEAR, 3, {R4, W54, B5}, 0, {0}, 0, {0}},
    {MG_SOFTMAX, 1, {X34}, 1, {1}, 0, {0}},
    {MG_SOFTMAX, 1, {X34}, 1, {0}, 0, {0}},
    {MG_LOG_SOFTMAX, 1, {X34}, 1, {1}, 0, {0}},
    {MG_CROSS_ENTROPY, 2, {X34, T3}, 2, {MG_REDUCE_MEAN, -100}, 1, {0.1}},
    {MG_CROSS_ENTROPY, 2, {X34, T3}, 2, {MG_REDUCE_NONE, -100}, 1, {0.0}},
    {MG_LAYER_NORM, 3, {X34, R4, Q4}, 1, {1}, 1, {1e-5}},
    {MG_LAYER_NORM, 1, {X34}, 1, {2}, 1, {1e-5}},
    {MG_RMS_NORM, 2, {X34, R4}, 1, {1}, 1, {1e-5}},
    {MG_GROUP_NORM, 3, {IMAGES, R4, Q4}, 1, {2}, 1, {1e-5}},
    {MG_GROUP_BACK, 3, {IMAGES, IMAGES, R4}, 1, {2}, 1, {1e-5}},
    {MG_GROUP_SUMS, 2, {IMAGES, IMAGES}, 1, {1}, 1, {1e-5}},
    {MG_PLANE_MEANS, 2, {IMAGES, R4}, 0, {0}, 0, {0}},
    {MG_PLANE_MEANS, 3, {IMAGES, R4, IMAGES}, 0, {0}, 0, {0}},
    {MG_PLANE_SCALE, 4, {IMAGES, R4, Q4, R4}, 0, {0}, 0, {0}},
    {MG_PLANE_BACK, 6, {IMAGES, IMAGES, R4, Q4, R4, Q4}, 0, {0}, 0, {0}},
    {MG_FUNCTION, 3, {X34, R4, I3}, 0, {0}, 0, {0}},
    {MG_OUTPUT, 2, {HUB, Y34}, 1, {3}, 0, {0}},
};

enum { EXAMPLES = sizeof examples / sizeof *examples };

/* Tell whether an elementwise op refuses floats. */
static inline bool is_of_bits(int op)
{
    return op >= MG_BITWISE_AND && op <= MG_BITWISE_RIGHT_SHIFT;
}

/* Make the row of an elementwise op; a broadcast operand of floats is always there. */
static inline example example_of_elements(int op)
{
    example e = {.op = op, .operands = {X34, R4}, .numbers = {2.5}};
    if (is_of_bits(op)) e.operands[0] = e.operands[1] = I3;
    e.operand_count = mg_op_arity(op);
    e.number_count = op == MG_POW_NUMBER;
    return e;
}

enum { ALL_EXAMPLES = MG_MAP_OP_COUNT - 1 + EXAMPLES };

/* Return row `i` of all: elementwise ops first. */
static inline example example_at(int i)
{
    return i < MG_MAP_OP_COUNT - 1 ? example_of_elements(i + 1)
                                   : examples[i - (MG_MAP_OP_COUNT - 1)];
}

static inline mg_node example_apply(arrays *f, const example *e, int record)
{
    mg_node operands[6];
    for (int i = 0; i < e->operand_count; i++) operands[i] = f->h[e->operands[i]];
    return mg_apply(f->arena, e->op, e->operand_count, operands, e->integer_count,
                    e->integers, e->number_count, e->numbers, 0, record);
}

/* ---- sweeps ------------------------------------------------------------------------ */

/* Give each operand of the function that a sweep stopped at its own values as gradient. */
static inline int contribute(arrays *f, mg_sweep *sweep)
{
    mg_array_info info, of_operand;
    mg_node hub = mg_sweep_node(sweep);
    int64_t status = hub < 0 ? hub : mg_array_describe(f->arena, hub, &info);
    for (int i = 0; status == MG_OK && i < info.operands; i++) {
        mg_node operand = mg_array_operand(f->arena, hub, i);
        status = mg_array_describe(f->arena, operand, &of_operand);
        if (of_operand.requires_grad)
            status = mg_sweep_contribute(sweep, i, operand);
        mg_release(f->arena, operand);
    }
    if (hub > 0) mg_release(f->arena, hub);
    return (int)status;
}

static inline int sweep_to_end(arrays *f, mg_sweep *sweep)
{
    int status;
    while ((status = mg_sweep_run(sweep, 40)) > 0)
        if (status == MG_CALL && (status = contribute(f, sweep)) < 0) break;
    return status;
}

/* Take gradients from one root; its seed is itself, cut off from its graph. */
static inline int sweep_whole(arrays *f, mg_node root, int64_t input_count,
                              const mg_node *inputs, int flags, mg_node *given)
{
    mg_sweep *sweep;
    mg_node seed = mg_apply(f->arena, MG_DETACH, 1, &root, 0, NULL, 0, NULL, 0, 0);
    if (seed < 0) return (int)seed;
    int status = mg_sweep_open(f->arena, 1, &root, &seed, input_count, inputs, flags, &sweep);
    mg_release(f->arena, seed);
    if (status < 0) return status;
    status = sweep_to_end(f, sweep);
    if (status == MG_OK && given) status = mg_sweep_give(sweep, given);
    mg_sweep_close(sweep);
    return status;
}

/* ---- other calls ------------------------------------------------------------------- */

/* Remember that the call made a reference, or failed. */
static inline int64_t keeps(arrays *f, int64_t handle)
{
    if (handle > 0) f->out[f->made++] = handle;
    return handle;
}

static inline void release_kept(arrays *f)
{
    for (; f->made > 0; f->made--)
        EXPECT(mg_release(f->arena, f->out[f->made - 1]) == MG_OK);
}

/* LAMB, which takes scratch memory, on a group without parameters and on one. */
static inline int lamb_here(arrays *f)
{
    static const double numbers[] = {0.1, 0.9, 0.99, 1e-6, 0.1, 0.0};
    const mg_node both[] = {f->h[Q4], f->h[Q4]};
    int64_t steps = 2;
    const mg_update_group groups[] = {
        {.numbers = numbers},
        {.count = 1, .parameters = &f->h[R4], .arrays = both, .steps = &steps,
         .numbers = numbers}};
    return mg_array_update(f->arena, MG_UPDATE_LAMB, 2, groups);
}

#define CALL(name, expression) \
    static inline int64_t array_call_##name(arrays *f) \
    { \
        return (expression); \
    }

static const int64_t shape34[] = {3, 4}, strides34[] = {1, 3};
static const int64_t assign_how[] = {0, 0, 2, 1, 2, 4}, axis_0[] = {0};

static inline int64_t ramp_here(arrays *f)
{
    return keeps(f, mg_array_ramp(f->arena, 3, 1.0, 0.5));
}

static inline int64_t ramp_integers_here(arrays *f)
{
    return keeps(f, mg_array_ramp_integers(f->arena, 3, INT64_MAX, 1));
}

static inline int64_t linear_here(arrays *f)
{
    const mg_node nodes[] = {f->h[I34], f->h[I34]};
    const int64_t sizes[] = {1000, 1000};
    int64_t wrong[2];
    return keeps(f, mg_linear_index(f->arena, 2, nodes, sizes, wrong));
}

static inline int64_t describe_here(arrays *f)
{
    mg_array_info info;
    return mg_array_describe(f->arena, f->h[X34], &info);
}

static inline int64_t attach_here(arrays *f)
{
    int status = mg_attach(f->arena, f->h[X34], &f->owners[1]);
    if (status == MG_OK) EXPECT(mg_attached(f->arena, f->h[X34]) == &f->owners[1]);
    return status;
}

/* Attach, then take it away again: mg_released() hands the object out. */
static inline int64_t released_here(arrays *f)
{
    int64_t status = attach_here(f);
    if (status < 0) return status;
    EXPECT(mg_attach(f->arena, f->h[X34], NULL) == MG_OK);
    EXPECT(mg_released(f->arena) == &f->owners[1]);
    EXPECT(mg_released(f->arena) == NULL);
    return MG_OK;
}

static inline int64_t share_here(arrays *f)
{
    mg_node made = mg_array_share(f->arena, MG_FLOAT32, 2, shape34, strides34, f->memory,
                                  1, &f->owners[1]);
    if (made > 0) EXPECT(mg_owner(f->arena, made) == &f->owners[1]);
    return keeps(f, made);
}

static inline int64_t over_here(arrays *f, int op, int count, const int *slots,
                                int integer_count, const int64_t *integers, int record)
{
    mg_node operands[3];
    for (int i = 0; i < count; i++) operands[i] = f->h[slots[i]];
    return keeps(f, mg_apply_over(f->arena, op, count, operands, integer_count, integers,
                                  record));
}

/* Take gradients of a function of most of the arrays, with a hook that replaces one. */
static inline int64_t sweep_here(arrays *f, mg_node root, mg_node input, int flags)
{
    mg_sweep *sweep;
    mg_node given = 0;
    int status = mg_sweep_open(f->arena, 1, &root, NULL, input != 0, &input, flags, &sweep);
    if (status < 0) return status;
    while ((status = mg_sweep_run(sweep, 100)) > 0) {
        if (status != MG_HOOK) continue;
        mg_node at = mg_sweep_node(sweep), gradient = mg_sweep_gradient(sweep, at);
        if ((status = mg_sweep_replace(sweep, gradient)) < 0) break;
        mg_release(f->arena, gradient);
        mg_release(f->arena, at);
    }
    if (status == MG_OK && input) status = mg_sweep_give(sweep, &given);
    mg_sweep_close(sweep);
    return given > 0 ? keeps(f, given) : status;
}

static inline int64_t sweep_of_loss(arrays *f, int flags, bool watched, bool input)
{
    example product = {MG_MATMUL, 2, {X34, Z45}, 0, {0}, 0, {0}};
    const int64_t all[] = {3, 0};
    int64_t status = example_apply(f, &product, 1);
    if (status < 0) return status;
    mg_node y = status, loss;
    loss = mg_apply(f->arena, MG_SUM, 1, &y, 2, all, 0, NULL, 0, 1);
    status = loss;
    if (loss > 0) {
        EXPECT(mg_retain_gradient(f->arena, y) == MG_OK);
        EXPECT(mg_watch_gradient(f->arena, y, watched) == MG_OK);
        status = sweep_here(f, loss, input ? f->h[X34] : 0, flags);
        mg_release(f->arena, loss);
    }
    mg_release(f->arena, y);
    return status;
}

static const int over_assign[] = {X34, R4}, over_rows[] = {X34, I3, Y34},
                 over_self[] = {N34, I3, N34}, over_along[] = {X34, I34, Y34};

CALL(array, keeps(f, mg_array(f->arena, MG_FLOAT32, 2, shape34, NULL)))
CALL(share, share_here(f))
CALL(owner, mg_owner(f->arena, f->h[SHARED]) ? MG_OK : MG_ERR_STALE)
CALL(attach, attach_here(f))
CALL(released, released_here(f))
CALL(memory_handles, mg_memory_handles(f->arena, f->h[X34]))
CALL(describe, describe_here(f))
CALL(operand, keeps(f, mg_array_operand(f->arena, f->h[HUB], 1)))
CALL(number_left, keeps(f, mg_apply_number(f->arena, MG_SUB, f->h[X34], 0, 2, 0, 2.5, 1)))
CALL(number_right, keeps(f, mg_apply_number(f->arena, MG_POW, f->h[X34], 1, 1, 3, 0, 1)))
CALL(number_power,
     keeps(f, mg_apply_number(f->arena, MG_POW_NUMBER, f->h[X34], 1, 2, 0, -1.5, 1)))
CALL(number_bool, keeps(f, mg_apply_number(f->arena, MG_EQ, f->h[N34], 1, 0, 1, 0, 0)))
CALL(in_place, mg_apply_in_place(f->arena, MG_MUL, f->h[X34], f->h[R4], 0))
CALL(in_place_same, mg_apply_in_place(f->arena, MG_ADD, f->h[Y34], f->h[Y34], 0))
CALL(in_place_unary, mg_apply_in_place(f->arena, MG_EXP, f->h[X34], 0, 0))
CALL(in_place_cast, mg_apply_in_place(f->arena, MG_CAST, f->h[X34], f->h[N34], 0))
CALL(over_assign, over_here(f, MG_ASSIGN, 2, over_assign, 6, assign_how, 0))
CALL(over_assign_recorded, over_here(f, MG_ASSIGN, 2, over_assign, 6, assign_how, 1))
CALL(over_rows, over_here(f, MG_PUT_AT, 3, over_rows, 0, NULL, 0))
CALL(over_rows_recorded, over_here(f, MG_ADD_AT, 3, over_rows, 0, NULL, 1))
CALL(over_self, over_here(f, MG_ADD_AT, 3, over_self, 0, NULL, 1))
CALL(over_along, over_here(f, MG_SCATTER_ADD, 3, over_along, 1, axis_0, 1))
CALL(require, mg_require_gradient(f->arena, f->h[R4], 0))
CALL(retain_gradient, mg_retain_gradient(f->arena, f->h[X34]))
CALL(watch, mg_watch_gradient(f->arena, f->h[X34], 1))
CALL(gradient, keeps(f, mg_gradient(f->arena, f->h[R4])))
CALL(set_gradient, mg_set_gradient(f->arena, f->h[X34], f->h[Y34]))
CALL(sweep, sweep_of_loss(f, MG_ACCUMULATE, false, false))
CALL(sweep_hook, sweep_of_loss(f, MG_ACCUMULATE, true, false))
CALL(sweep_graph, sweep_of_loss(f, MG_ACCUMULATE | MG_CREATE_GRAPH, false, false))
CALL(sweep_give, sweep_of_loss(f, MG_GIVE, false, true))
CALL(sweep_direct, sweep_here(f, f->h[S0], 0, MG_ACCUMULATE))
CALL(sgd, array_sgd(f->arena, 2, f->h + R4, NULL, 1, 0.1, 0.0, 0.0, 0.1, 0))
CALL(sgd_momentum,
     array_sgd(f->arena, 1, f->h + R4, f->h + Q4, 0, 0.1, 0.9, 0.1, 0.0, 1))
CALL(adam, array_adam(f->arena, 1, f->h + R4, f->h + Q4, f->h + Q4, 2, 0.1, 0.9, 0.99, 1e-8,
                      0.1, 1))
CALL(lamb, lamb_here(f))
CALL(ramp, ramp_here(f))
CALL(ramp_integers, ramp_integers_here(f))
CALL(linear, linear_here(f))
#undef CALL

/* A row: the handles a call takes. */
typedef struct array_call {
    const char *name;
    int64_t (*run)(arrays *f);
    int slots[4]; /* -1 ends them */
} array_call;

#define ROW(name, ...) {#name, array_call_##name, {__VA_ARGS__, -1}}
static const array_call array_calls[] = {
    ROW(array, -1),
    ROW(share, -1),
    ROW(ramp, -1),
    ROW(ramp_integers, -1),
    ROW(linear, I34),
    ROW(owner, SHARED),
    ROW(attach, X34),
    ROW(released, X34),
    ROW(memory_handles, X34),
    ROW(describe, X34),
    ROW(operand, HUB),
    ROW(number_left, X34),
    ROW(number_right, X34),
    ROW(number_power, X34),
    ROW(number_bool, N34),
    ROW(in_place, X34, R4),
    ROW(in_place_same, Y34),
    ROW(in_place_unary, X34),
    ROW(in_place_cast, X34, N34),
    ROW(over_assign, X34, R4),
    ROW(over_assign_recorded, X34, R4),
    ROW(over_rows, X34, I3, Y34),
    ROW(over_rows_recorded, X34, I3, Y34),
    ROW(over_self, N34, I3),
    ROW(over_along, X34, I34, Y34),
    ROW(require, R4),
    ROW(retain_gradient, X34),
    ROW(watch, X34),
    ROW(gradient, R4),
    ROW(set_gradient, X34, Y34),
    ROW(sweep, X34, Z45),
    ROW(sweep_hook, X34, Z45),
    ROW(sweep_graph, X34, Z45),
    ROW(sweep_give, X34, Z45),
    ROW(sweep_direct, S0),
    ROW(sgd, R4, Q4),
    ROW(sgd_momentum, R4, Q4),
    ROW(adam, R4, Q4),
    ROW(lamb, R4, Q4),
};
#undef ROW

enum { ARRAY_CALLS = sizeof array_calls / sizeof *array_calls };

#endif
