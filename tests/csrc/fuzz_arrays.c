/* fuzz_arrays.c: random calls on arrays, the same ones on two arenas: one computes with
 * the plain kernels in one thread, the other with any set of kernels in several threads.
 * Each call has the same status and the same bits in both; refused, it changes nothing;
 * counts, references and buffers are checked all along; some results are computed here as
 * well. Now and then everything is released, and nothing may be left. Arguments: number
 * of calls, seed. */
#include <math.h>
#include "expect.h"
#include "updates.h"

enum {
    SLOTS = 24,
    ENGINES = 2,
    MOST = 4096,
    LARGEST = 100000,
    ROUND = 400,
    INTEGERS = 3 * MG_MAX_RANK
};

typedef struct engine {
    ledger book;
    mg_arena *arena;
    mg_node h[SLOTS];
    int64_t status;
} engine;

/* A call: of what kind, on which slots, with which numbers. */
typedef struct action {
    int kind, op, slots[4], operand_count, integer_count, number_count, to;
    int64_t integers[INTEGERS], budget;
    double numbers[1];
    unsigned weak;
    int record, which, type, flags;
} action;

enum { NEW, APPLY, NUMBER, IN_PLACE, OVER, REQUIRE, SWEEP, UPDATE, ATTACH, DROP, KINDS };

static engine engines[ENGINES];
static mg_rng rng;
static char objects[SLOTS];
static int64_t calls, accepted, compared, naive, refused_memory;

static int64_t below(int64_t n)
{
    return (int64_t)(mg_rng_u32(&rng) % (uint32_t)n);
}

/* ---- choosing a call --------------------------------------------------------------- */

static double number_make(void)
{
    static const double special[] = {0.0, -0.0, INFINITY, -INFINITY,
                                     NAN, 1.0,  1e-310,   1e30};
    double x = full_number(&rng) * (below(2) ? 1.0 : -1.0);
    return below(20) ? x : special[below(8)];
}

/* An axis, a size, an index, and now and then what is none of them. */
static int64_t integer_make(void)
{
    static const int64_t wild[] = {
        -1, -2, -100, 100, INT64_MAX, INT64_MIN, (int64_t)1 << 40};
    return below(40) ? below(5) : wild[below(7)];
}

static int operands_of(int op)
{
    if (op < MG_MAP_OP_COUNT) return mg_op_arity(op);
    switch (op) {
    case MG_CAT:
    case MG_LAYER_NORM:
    case MG_FUNCTION: return 1 + (int)below(3);
    case MG_ADD_AT:
    case MG_PUT_AT:
    case MG_SCATTER_ADD:
    case MG_WHERE: return 3;
    case MG_LINEAR: return 2 + (int)below(2);
    case MG_RMS_NORM: return 1 + (int)below(2);
    case MG_ASSIGN:
    case MG_TAKE:
    case MG_GATHER:
    case MG_MATMUL:
    case MG_CROSS_ENTROPY:
    case MG_OUTPUT: return 2;
    default: return 1;
    }
}

static const array *first_of(const action *a)
{
    return array_at(engines[0].arena, index_of(engines[0].h[a->slots[0]]));
}

/* Choose integers that the op may take, mostly. */
static void integers_choose(action *a)
{
    const array *first = first_of(a);
    int rank = first->rank;
    int64_t *n = a->integers;
    for (int i = 0; i < INTEGERS; i++) n[i] = integer_make();
    a->integer_count = 0;
    a->number_count = a->op == MG_POW_NUMBER || a->op == MG_PAD || a->op == MG_VAR ||
                      a->op == MG_STD || a->op == MG_CROSS_ENTROPY ||
                      a->op == MG_LAYER_NORM || a->op == MG_RMS_NORM;
    a->numbers[0] = below(2) ? 0.5 : (double)below(3);
    switch (a->op) {
    case MG_RESHAPE:
        a->integer_count = 1 + (int)below(2);
        n[0] = a->integer_count == 1 || first->count % 2 ? first->count : 2;
        n[1] = n[0] == 2 ? first->count / 2 : 1;
        break;
    case MG_PERMUTE:
        a->integer_count = rank;
        for (int d = 0; d < rank; d++) n[d] = rank - 1 - d;
        break;
    case MG_EXPAND:
        a->integer_count = rank + (int)below(2);
        for (int d = 1; d <= rank && below(30); d++)
            n[a->integer_count - d] =
                first->shape[rank - d] == 1 ? 3 : first->shape[rank - d];
        break;
    case MG_SLICE:
    case MG_ASSIGN:
        a->integer_count = 3 * rank;
        for (int d = 0; d < rank; d++) {
            int64_t size = first->shape[d], start = size ? below(size) : 0;
            int64_t step = below(2) ? 1 + below(2) : -1;
            n[d] = start, n[rank + d] = step;
            n[2 * rank + d] = size == 0  ? 0
                              : step > 0 ? (size - start + step - 1) / step
                                         : start + 1;
        }
        break;
    case MG_WINDOW:
    case MG_FOLD:
    case MG_CONVOLVE:
        a->integer_count = 4;
        n[0] = 1, n[1] = 1 + below(4), n[2] = 1 + below(2), n[3] = 1 + below(2);
        break;
    case MG_PAD: a->integer_count = 2 * rank; break;
    case MG_SPREAD:
        a->integer_count = 3 * rank;
        for (int d = 0; d < rank; d++)
            n[d] = 2 * first->shape[d] + 1, n[rank + d] = 1, n[2 * rank + d] = 2;
        break;
    case MG_CAST: a->integer_count = 1, n[0] = below(MG_DTYPE_COUNT); break;
    case MG_CAT:
    case MG_GATHER:
    case MG_SCATTER_ADD:
    case MG_CUMSUM:
    case MG_SOFTMAX:
    case MG_LOG_SOFTMAX:
    case MG_OUTPUT: a->integer_count = 1, n[0] = below(rank + 1); break;
    case MG_LAYER_NORM:
    case MG_RMS_NORM: a->integer_count = 1, n[0] = 1; break;
    case MG_ARGMAX:
    case MG_ARGMIN:
        a->integer_count = 2, n[0] = below(rank + 1) - 1, n[1] = below(2);
        break;
    case MG_CROSS_ENTROPY: a->integer_count = 2, n[0] = below(3), n[1] = -100; break;
    case MG_SUM:
    case MG_MEAN:
    case MG_PROD:
    case MG_AMAX:
    case MG_AMIN:
    case MG_ANY:
    case MG_ALL:
    case MG_VAR:
    case MG_STD:
    case MG_LOGSUMEXP:
        a->integer_count = 2, n[0] = below(1 << rank), n[1] = below(2);
        break;
    default: break;
    }
    if (below(60) == 0) a->integer_count += (int)below(3) - 1;
    if (a->integer_count < 0) a->integer_count = 0;
}

static action action_choose(void)
{
    static const int kinds[] = {NEW,     NEW,   APPLY, APPLY,  APPLY,    APPLY,
                                APPLY,   APPLY, APPLY, NUMBER, IN_PLACE, OVER,
                                REQUIRE, SWEEP, SWEEP, UPDATE, ATTACH,   DROP};
    static const int over[] = {MG_ASSIGN, MG_PUT_AT, MG_ADD_AT, MG_SCATTER_ADD};
    action a = {.kind = kinds[below(sizeof kinds / sizeof *kinds)]};
    for (int i = 0; i < 4; i++) a.slots[i] = (int)below(SLOTS);
    a.to = (int)below(SLOTS);
    a.op = a.kind == APPLY  ? 1 + (int)below(MG_OP_COUNT - 1)
           : a.kind == OVER ? over[below(4)]
                            : 1 + (int)below(MG_MAP_OP_COUNT - 1);
    if (a.kind == APPLY && below(4) == 0)
        a.op = below(2) ? MG_MATMUL : MG_ADD + (int)below(2);
    a.operand_count = operands_of(a.op);
    integers_choose(&a);
    a.weak = (unsigned)(below(10) ? 0 : below(4));
    a.record = below(3) > 0;
    a.which = (int)below(2), a.type = (int)below(3);
    a.flags = (int)below(8);
    a.budget = below(3) ? 0 : 1 + below(200);
    if (a.kind == NUMBER) a.integers[0] = below(7) - 3;
    return a;
}

/* ---- the calls --------------------------------------------------------------------- */

/* What is put in place of a slot: the two engines get the same. */
static unsigned char fresh[8 * 70000];
static int64_t fresh_shape[MG_MAX_RANK];
static int fresh_rank, fresh_dtype;

static void fresh_choose(void)
{
    static const int sizes[MG_DTYPE_COUNT] = {4, 8, 2, 2, 8, 4, 2, 1, 1, 1};
    fresh_dtype = below(3) ? (int)below(2) : (int)below(MG_DTYPE_COUNT);
    fresh_rank = below(30) ? (int)below(4) : (int)below(MG_MAX_RANK + 1);
    int64_t count = 1;
    for (int d = 0; d < fresh_rank; d++) {
        fresh_shape[d] = d > 4 ? 1 + below(2) : below(12) ? 1 + below(4) : below(6);
        while (count * fresh_shape[d] > 60000) fresh_shape[d]--;
        count *= fresh_shape[d];
    }
    if (below(300) == 0) { /* enough for threads */
        fresh_rank = 2, fresh_dtype = (int)below(2);
        fresh_shape[0] = 200 + below(100), fresh_shape[1] = 200;
        count = fresh_shape[0] * fresh_shape[1];
    }
    for (int64_t i = 0; i < count; i++) {
        double x = number_make();
        float single = (float)x;
        int64_t whole = below(10) - 4;
        uint16_t half = (uint16_t)(0x3000 + below(0x1000));
        uint16_t brain = (uint16_t)(0x3F00 + below(0x100));
        const void *from = fresh_dtype == MG_FLOAT32    ? (void *)&single
                           : fresh_dtype == MG_FLOAT64  ? (void *)&x
                           : fresh_dtype == MG_FLOAT16  ? (void *)&half
                           : fresh_dtype == MG_BFLOAT16 ? (void *)&brain
                                                        : (void *)&whole;
        memcpy(fresh + i * sizes[fresh_dtype], from, (size_t)sizes[fresh_dtype]);
    }
}

static int sweep_steps(engine *e, const action *a, mg_sweep *sweep)
{
    int status;
    while ((status = mg_sweep_run(sweep, a->budget)) > 0) {
        if (status == MG_MORE && a->which && a->type == 0) return MG_OK; /* given up */
        if (status != MG_CALL) continue;
        mg_node hub = mg_sweep_node(sweep), operand = mg_array_operand(e->arena, hub, 0);
        status = mg_sweep_contribute(sweep, 0, operand);
        mg_release(e->arena, operand);
        mg_release(e->arena, hub);
        if (status < 0) break;
    }
    return status;
}

static int64_t sweep_do(engine *e, const action *a)
{
    mg_sweep *sweep;
    mg_node root = e->h[a->slots[0]], input = e->h[a->slots[1]], given = 0;
    mg_node seed = mg_apply(e->arena, MG_DETACH, 1, &root, 0, NULL, 0, NULL, 0, 0);
    if (seed < 0) return seed;
    int64_t status = mg_sweep_open(e->arena, 1, &root, &seed, a->record && a->type,
                                   &input, a->flags, &sweep);
    mg_release(e->arena, seed);
    if (status < 0) return status;
    status = sweep_steps(e, a, sweep);
    if (status == MG_OK && a->record && a->type) {
        int gives = mg_sweep_give(sweep, &given);
        EXPECT(gives == MG_OK || gives == MG_ERR_ARG);
    }
    mg_sweep_close(sweep);
    return given > 0 ? given : status;
}

/* Do it; returns a status, or what takes the place of slot `to`. */
static int64_t action_do(engine *e, const action *a)
{
    mg_node operands[4], first = e->h[a->slots[0]];
    for (int i = 0; i < 4; i++) operands[i] = e->h[a->slots[i]];
    switch (a->kind) {
    case NEW: return mg_array(e->arena, fresh_dtype, fresh_rank, fresh_shape, fresh);
    case APPLY:
        return mg_apply(e->arena, a->op, a->operand_count, operands, a->integer_count,
                        a->integers, a->number_count, a->numbers, a->weak, a->record);
    case NUMBER:
        return mg_apply_number(e->arena, a->op, first, a->which, a->type, a->integers[0],
                               (double)a->integers[0] + 0.5 * (a->type == 2), a->record);
    case IN_PLACE:
        return mg_apply_in_place(e->arena, a->op, first,
                                 mg_op_arity(a->op) == 2 ? operands[1] : 0, a->weak);
    case OVER:
        return mg_apply_over(e->arena, a->op, a->operand_count, operands,
                             a->integer_count, a->integers, a->record);
    case REQUIRE:
        if (a->type == 0) return mg_retain_gradient(e->arena, first);
        return a->type == 1 ? mg_require_gradient(e->arena, first, a->record)
                            : mg_set_gradient(e->arena, first, operands[1]);
    case SWEEP: return sweep_do(e, a);
    case UPDATE: return array_sgd(e->arena, 1, &first, NULL, 1, 0.01, 0, 0, 0.1, 0);
    case ATTACH: return mg_attach(e->arena, first, a->record ? &objects[a->to] : NULL);
    default: return MG_OK;
    }
}

/* ---- comparing --------------------------------------------------------------------- */

/* Return the bits of an element; all NaN are one. */
static uint64_t element_bits(const mg_array_info *info, int64_t place)
{
    static const int sizes[MG_DTYPE_COUNT] = {4, 8, 2, 2, 8, 4, 2, 1, 1, 1};
    static const uint64_t infinite[] = {0x7F800000u, (uint64_t)0x7FF << 52, 0x7C00, 0x7F80};
    uint64_t bits = 0;
    memcpy(&bits, (const char *)info->data + place * sizes[info->dtype],
           (size_t)sizes[info->dtype]);
    if (info->dtype > MG_BFLOAT16) return bits;
    uint64_t sign = (uint64_t)1 << (8 * sizes[info->dtype] - 1);
    return (bits & ~sign) > infinite[info->dtype] ? 0x7A4 : bits;
}

static int64_t place_of(const mg_array_info *info, int64_t i)
{
    int64_t place = 0;
    for (int d = info->rank - 1; d >= 0; d--) {
        place += i % info->shape[d] * info->strides[d];
        i /= info->shape[d];
    }
    return place;
}

static uint64_t hash_of(const engine *e, mg_node handle)
{
    mg_array_info info;
    EXPECT(mg_array_describe(e->arena, handle, &info) == MG_OK);
    uint64_t hash =
        mix(mix((uint64_t)info.dtype, (uint64_t)info.rank), (uint64_t)info.version);
    hash = mix(mix(hash, (uint64_t)info.views), (uint64_t)info.op);
    hash = mix(hash, (uint64_t)(info.requires_grad + 2 * info.retains_grad +
                                4 * info.contiguous));
    for (int d = 0; d < info.rank; d++)
        hash = mix(mix(hash, (uint64_t)info.shape[d]), (uint64_t)info.strides[d]);
    for (int64_t i = 0; i < info.count; i++)
        hash = mix(hash, element_bits(&info, place_of(&info, i)));
    return hash;
}

/* Compare a slot, with its gradient. */
static void compare(int slot)
{
    uint64_t hashes[ENGINES];
    for (int i = 0; i < ENGINES; i++) {
        const engine *e = &engines[i];
        mg_node gradient = mg_gradient(e->arena, e->h[slot]);
        hashes[i] = hash_of(e, e->h[slot]);
        if (!gradient) continue;
        hashes[i] = mix(hashes[i], hash_of(e, gradient));
        mg_release(e->arena, gradient);
    }
    EXPECT(hashes[0] == hashes[1]);
    compared++;
}

/* ---- some results by definition ---------------------------------------------------- */

static double value_at(const mg_array_info *info, int64_t place)
{
    return info->dtype == MG_FLOAT32 ? (double)((const float *)info->data)[place]
                                     : ((const double *)info->data)[place];
}

static double rounded(const mg_array_info *like, double x)
{
    return like->dtype == MG_FLOAT32 ? (double)(float)x : x;
}

static bool same_number(double x, double y)
{
    return (isnan(x) && isnan(y)) || same_bits(x, y);
}

/* The place of element i of y in an operand that is broadcast to it. */
static int64_t place_in(const mg_array_info *y, int64_t i, const mg_array_info *a)
{
    int64_t place = 0;
    for (int d = 1; d <= y->rank; d++) {
        int64_t index = i % y->shape[y->rank - d];
        i /= y->shape[y->rank - d];
        if (d <= a->rank && a->shape[a->rank - d] > 1)
            place += index * a->strides[a->rank - d];
    }
    return place;
}

static double element_by_definition(const action *a, const mg_array_info *y, int64_t i,
                                    const mg_array_info in[2])
{
    if (a->op == MG_MATMUL) {
        int64_t row = i / y->shape[1], column = i % y->shape[1];
        double sum = 0.0;
        for (int64_t k = 0; k < in[0].shape[1]; k++) {
            double x = value_at(&in[0], row * in[0].strides[0] + k * in[0].strides[1]);
            double z = value_at(&in[1], k * in[1].strides[0] + column * in[1].strides[1]);
            sum = y->dtype == MG_FLOAT32 ? (double)fmaf((float)x, (float)z, (float)sum)
                                         : fma(x, z, sum);
        }
        return sum;
    }
    double x = value_at(&in[0], place_in(y, i, &in[0]));
    double z = value_at(&in[1], place_in(y, i, &in[1]));
    double result = a->op == MG_ADD   ? x + z
                    : a->op == MG_SUB ? x - z
                    : a->op == MG_MUL ? x * z
                                      : x / z;
    return rounded(y, result);
}

/* Check the results of an action for which there is a definition above. */
static void check_by_definition(const engine *e, const action *a,
                                const mg_array_info in[2], mg_node made)
{
    mg_array_info y;
    bool elements =
        a->op == MG_ADD || a->op == MG_SUB || a->op == MG_MUL || a->op == MG_DIV;
    bool product = a->op == MG_MATMUL && in[0].rank == 2 && in[1].rank == 2;
    EXPECT(mg_array_describe(e->arena, made, &y) == MG_OK);
    if (!(elements || product) || y.dtype > MG_FLOAT64 || a->weak) return;
    if (in[0].dtype != y.dtype || in[1].dtype != y.dtype) return;
    for (int64_t i = 0; i < y.count; i++)
        EXPECT(same_number(value_at(&y, place_of(&y, i)),
                           element_by_definition(a, &y, i, in)));
    naive++;
}

/* ---- a step ------------------------------------------------------------------------ */

static bool is_known(int64_t status)
{
    return status == MG_ERR_ARG || status == MG_ERR_SHAPE || status == MG_ERR_DTYPE ||
           status == MG_ERR_INDEX || status == MG_ERR_LIMIT || status == MG_ERR_DOMAIN ||
           status == MG_ERR_ZERODIV || status == MG_ERR_READONLY ||
           status == MG_ERR_VIEW || status == MG_ERR_GRADIENT ||
           status == MG_ERR_CHANGED || status == MG_ERR_NOMEM;
}

/* Do the action with memory refused after some allocations: nothing changes. */
static void action_without_memory(engine *e, const action *a)
{
    uint64_t state = digest_of(e->arena);
    size_t used = e->arena->used_block_bytes;
    mg_arena_fail(e->arena, below(3), 1);
    e->status = action_do(e, a);
    mg_arena_fail(e->arena, -1, 0);
    if (e->status != MG_ERR_NOMEM) return;
    refused_memory++;
    EXPECT(digest_of(e->arena) == state && e->arena->used_block_bytes == used);
    e->status = action_do(e, a);
}

static void setting_choose(int i)
{
    static const char *const sets[] = {"baseline", "avx2", "avx512"};
    const char *name = sets[i ? below(3) : 0];
    if (mg_set_isa(name) != MG_OK) mg_set_isa(NULL);
    mg_set_num_threads(i ? 1 + (int)below(4) : 1);
}

static void put(engine *e, int slot, mg_node handle)
{
    EXPECT(mg_release(e->arena, e->h[slot]) == MG_OK);
    e->h[slot] = handle;
}

static mg_node nothing(engine *e)
{
    return mg_array(e->arena, MG_FLOAT32, 0, NULL, NULL);
}

static void engine_step(int i, const action *a)
{
    engine *e = &engines[i];
    mg_array_info in[2], made;
    setting_choose(i);
    uint64_t state = digest_of(e->arena);
    for (int k = 0; k < 2; k++) mg_array_describe(e->arena, e->h[a->slots[k]], &in[k]);
    if (i == 0 && below(10) == 0)
        action_without_memory(e, a);
    else
        e->status = action_do(e, a);
    EXPECT(e->status >= 0 || is_known(e->status));
    if (e->status < 0) EXPECT(digest_of(e->arena) == state);
    if (e->status <= MG_CALL) {
        if (a->kind == DROP) put(e, a->to, nothing(e));
        return;
    }
    EXPECT(mg_array_describe(e->arena, e->status, &made) == MG_OK);
    if (made.count >
        LARGEST) { /* a number repeated 2^40 times: all later calls take ages */
        EXPECT(mg_release(e->arena, e->status) == MG_OK);
        e->status = nothing(e);
    } else if (a->kind == APPLY && i == 0) {
        check_by_definition(e, a, in, e->status);
    }
    put(e, a->to, e->status);
    e->status = MG_CALL + 1; /* a handle */
}

/* Remove all gradients, then release everything: nothing is left. */
static void engine_clear(engine *e)
{
    rings_open(e->arena);
    for (int i = 0; i < SLOTS; i++) EXPECT(mg_release(e->arena, e->h[i]) == MG_OK);
    while (mg_released(e->arena)) continue;
    EXPECT(nodes_of(e->arena) == 0 && e->arena->used_block_bytes == 0);
}

static void engine_fill(engine *e)
{
    for (int i = 0; i < SLOTS; i++) e->h[i] = nothing(e);
}

/* Large results would make all later calls slow. */
static void shrink(int slot)
{
    mg_array_info info;
    EXPECT(mg_array_describe(engines[0].arena, engines[0].h[slot], &info) == MG_OK);
    if (info.count <= MOST || below(3)) return;
    for (int i = 0; i < ENGINES; i++) put(&engines[i], slot, nothing(&engines[i]));
}

static void step(void)
{
    action a = action_choose();
    fresh_choose();
    for (int i = 0; i < ENGINES; i++) engine_step(i, &a);
    EXPECT(engines[0].status == engines[1].status);
    accepted += engines[0].status >= 0;
    compare(a.slots[0]);
    compare(a.to);
    for (int i = 0; i < SLOTS; i++) shrink(i);
    calls++;
}

int main(int count, char **arguments)
{
    int64_t steps = count > 1 ? strtoll(arguments[1], NULL, 10) : 10000;
    mg_rng_seed(&rng, count > 2 ? strtoull(arguments[2], NULL, 10) : 1);
    for (int i = 0; i < ENGINES; i++) {
        engines[i].arena = ledger_arena(&engines[i].book);
        mg_arena_limit(engines[i].arena,
                       (size_t)1 << 28); /* for results of 2^40 elements */
        engine_fill(&engines[i]);
    }
    for (int64_t at = 0; at < steps; at++) {
        int before = failures;
        step();
        if (at % 16 == 0)
            for (int i = 0; i < ENGINES; i++) expect_consistent(engines[i].arena);
        if (at % ROUND == ROUND - 1) {
            for (int slot = 0; slot < SLOTS; slot++) compare(slot);
            for (int i = 0; i < ENGINES; i++)
                engine_clear(&engines[i]), engine_fill(&engines[i]);
        }
        explain(before, "step", at);
    }
    EXPECT(accepted > steps / 3 && compared > steps && (naive > 0 || steps < 1000));
    EXPECT(refused_memory > 0 || steps < 1000);
    for (int i = 0; i < ENGINES; i++) {
        engine_clear(&engines[i]);
        ledger_arena_free(engines[i].arena, &engines[i].book);
    }
    printf("%lld calls, %lld accepted, %lld by definition\n", (long long)calls,
           (long long)accepted, (long long)naive);
    return finish();
}
