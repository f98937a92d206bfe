/* test_api.c: what the calls that fail or only tell something return: names, ranges,
 * texts. */
#include "expect.h"

#define REFUSED(call) EXPECT((call) == MG_ERR_ARG)

static void test_texts(void)
{
    for (int status = MG_CALL + 1; status >= MG_ERR_CHANGED - 2; status--) {
        const char *text = mg_status_text(status);
        EXPECT(text && *text);
        for (int other = MG_ERR_CHANGED; other < status && status <= MG_CALL; other++)
            EXPECT(strcmp(text, mg_status_text(other)) != 0);
    }
    EXPECT(strstr(mg_build_info(), "version: ") != NULL);
    EXPECT(strstr(mg_build_info(), "\ncompiler: ") != NULL);
}

static void test_op_table(void)
{
    EXPECT(mg_op_count() == MG_OP_COUNT);
    EXPECT(mg_scalar_op_count() == MG_SCALAR_OP_COUNT);
    EXPECT(mg_element_op_count() == MG_MAP_OP_COUNT);
    EXPECT(mg_op_traits(MG_LEAF) == MG_INTERNAL && mg_op_traits(MG_ADD) == 0);
    for (int op = 0; op < mg_op_count(); op++) {
        int arity = mg_op_arity(op);
        EXPECT(mg_op_name(op) && mg_op_symbol(op));
        if (op == MG_LEAF)
            EXPECT(arity == 0);
        else if (op < MG_MAP_OP_COUNT)
            EXPECT(arity == 1 || arity == 2);
        else
            EXPECT(arity == -1);
        for (int other = 0; other < op; other++)
            EXPECT(strcmp(mg_op_name(op), mg_op_name(other)) != 0);
    }
    const int no_ops[] = {-1, MG_OP_COUNT, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 4; i++) {
        EXPECT(mg_op_name(no_ops[i]) == NULL);
        EXPECT(mg_op_symbol(no_ops[i]) == NULL);
        EXPECT(mg_op_takes(no_ops[i]) == NULL);
        REFUSED(mg_op_arity(no_ops[i]));
        REFUSED(mg_op_traits(no_ops[i]));
    }
}

static void test_rng(void)
{
    mg_rng rng;
    int64_t order[10], seen = 0;
    REFUSED(mg_rng_seed(&rng, 0));
    EXPECT(mg_rng_seed(&rng, UINT64_MAX) == MG_OK);
    EXPECT(mg_rng_seed(&rng, 42) == MG_OK);
    EXPECT(mg_rng_random(&rng) == 0.3390852212905884);
    REFUSED(mg_rng_permutation(&rng, -1, order));
    REFUSED(mg_rng_permutation(&rng, ((int64_t)1 << 32) + 1, order));
    EXPECT(mg_rng_permutation(&rng, 0, NULL) == MG_OK);
    EXPECT(mg_rng_permutation(&rng, 10, order) == MG_OK);
    for (int i = 0; i < 10; i++) seen |= (int64_t)1 << order[i];
    EXPECT(seen == 1023);
    int swapped = 0;
    for (int i = 0; i < 100; i++) {
        EXPECT(mg_rng_permutation(&rng, 2, order) == MG_OK);
        swapped += order[0] == 1;
    }
    EXPECT(swapped > 20 && swapped < 80);
}

/* The numbers of seed 42, as pymicrograd.reference draws them. */
static void test_rng_numbers(void)
{
    mg_rng rng;
    mg_rng_seed(&rng, 42);
    EXPECT(mg_rng_uniform(&rng, -1.0, 1.0) == -0x1.498db00000000p-2);
    EXPECT(mg_rng_normal(&rng, 0.0, 1.0) == 0x1.48320bb1fae69p-1);
    EXPECT(mg_rng_normal(&rng, 0.0, 1.0) == 0x1.515c00b1886adp-1);
    EXPECT(mg_rng_normal(&rng, 2.0, 3.0) == 0x1.c00a308e6b544p+1);
    EXPECT(mg_rng_u32(&rng) == 1888976411u);
}

/* Filling draws the same numbers as one call each. */
static void test_rng_fill(void)
{
    mg_rng rng, again;
    double doubles[3];
    float singles[3];
    int64_t integers[3];
    mg_rng_seed(&rng, 42);
    again = rng;
    EXPECT(mg_rng_fill(&rng, MG_NORMAL, MG_FLOAT64, 1.0, 2.0, 3, doubles) == MG_OK);
    for (int i = 0; i < 3; i++) EXPECT(doubles[i] == mg_rng_normal(&again, 1.0, 2.0));
    EXPECT(mg_rng_fill(&rng, MG_UNIFORM, MG_FLOAT32, 1.0, 2.0, 3, singles) == MG_OK);
    for (int i = 0; i < 3; i++)
        EXPECT(singles[i] == (float)mg_rng_uniform(&again, 1.0, 2.0));
    EXPECT(mg_rng_fill_integers(&rng, -5, 5, 3, integers) == MG_OK);
    for (int i = 0; i < 3; i++)
        EXPECT(integers[i] == (int64_t)(mg_rng_u32(&again) % 10) - 5);
    EXPECT(mg_rng_fill_integers(&rng, 0, INT64_MAX, 1, integers) == MG_OK);
    uint64_t high = mg_rng_u32(&again), bits = high << 32 | mg_rng_u32(&again);
    EXPECT((uint64_t)integers[0] == bits % INT64_MAX);
    REFUSED(mg_rng_fill_integers(&rng, 5, 5, 3, integers));
    REFUSED(mg_rng_fill(&rng, 2, MG_FLOAT32, 0.0, 1.0, 3, singles));
    EXPECT(mg_rng_fill(&rng, MG_UNIFORM, MG_INT64, 0.0, 1.0, 3, singles) == MG_ERR_DTYPE);
    EXPECT(mg_dtype_size(MG_FLOAT64) == 8 && mg_dtype_size(MG_BOOL) == 1);
    EXPECT(mg_dtype_size(-1) == 0 && mg_dtype_size(MG_DTYPE_COUNT) == 0);
}

/* Arguments out of range are MG_ERR_ARG and change nothing. */
static void test_arguments(mg_arena *arena)
{
    mg_node x = mg_leaf(arena, 2.0), y = mg_record_number(arena, MG_POW_NUMBER, x, 2.0);
    mg_node nodes[4] = {x, y, x, y}, out[4];
    double numbers[4] = {1.0, 2.0, 3.0, 4.0};
    int64_t sizes[3] = {1, 1, 1}, none[3] = {1, 0, 1}, wrong[2] = {-1, 2},
            fit[2] = {1, 0};
    const int64_t huge = INT64_MAX / 2, many[2] = {(int64_t)1 << 30, 1};
    uint64_t before = digest_of(arena);
    REFUSED(mg_record(arena, -1, x, y));
    REFUSED(mg_record(arena, MG_OP_COUNT, x, y));
    REFUSED(mg_record(arena, MG_SCALAR_OP_COUNT, x, y));
    REFUSED(mg_record(arena, MG_SUM, x, 0));
    REFUSED(mg_record(arena, MG_LEAF, x, 0));
    REFUSED(mg_record(arena, MG_POW_NUMBER, x, 0));
    REFUSED(mg_record(arena, MG_ADD, x, 0));
    REFUSED(mg_record(arena, MG_TANH, x, y));
    REFUSED(mg_record_number(arena, MG_TANH, x, 1.0));
    REFUSED(mg_record_number(arena, MG_LEAF, x, 1.0));
    REFUSED(mg_record_number(arena, INT32_MIN, x, 1.0));
    REFUSED(mg_node_operand(arena, x, 0));
    REFUSED(mg_record_copy(arena, MG_LEAF, x, 0, 0.0, 1.0));
    REFUSED(mg_record_copy(arena, MG_MUL, x, 0, 0.0, 1.0));
    REFUSED(mg_record_copy(arena, MG_TANH, x, x, 0.0, 1.0));
    REFUSED(mg_record_copy(arena, MG_POW_NUMBER, x, x, 2.0, 1.0));
    REFUSED(mg_record_copy(arena, MG_GIVEN, x, 0, 0.0, 1.0));
    REFUSED(mg_record_copy(arena, -1, x, 0, 0.0, 1.0));
    REFUSED(mg_node_operand(arena, y, 1));
    REFUSED(mg_node_operand(arena, y, -1));
    REFUSED(mg_node_exponent(arena, x, numbers));
    REFUSED(mg_data(arena, -1, nodes, numbers));
    REFUSED(mg_gradients(arena, -1, nodes, numbers));
    REFUSED(mg_set_data(arena, -1, nodes, numbers));
    REFUSED(mg_set_gradients(arena, -1, nodes, numbers));
    REFUSED(mg_zero_gradients(arena, -1, nodes));
    REFUSED(mg_backward_resume(arena, 0));
    EXPECT(mg_backward_cancel(arena) == MG_OK);
    REFUSED(mg_grad(arena, y, -1, nodes, out));
    REFUSED(mg_mlp(arena, 0, sizes, MG_TANH, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, -1, sizes, MG_TANH, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 2, none, MG_TANH, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, wrong, MG_TANH, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, many, MG_TANH, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, sizes, MG_ADD, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, sizes, MG_TANH, MG_LEAF, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, sizes, MG_POW_NUMBER, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, sizes, -2, -1, nodes, 1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, sizes, MG_TANH, -1, nodes, -1, nodes, NULL, out));
    REFUSED(mg_mlp(arena, 1, sizes, MG_TANH, -1, nodes, 1, NULL, NULL, out));
    nodes[3] = 0;
    REFUSED(mg_mlp(arena, 1, sizes, MG_TANH, -1, nodes, 1, nodes + 3, NULL, out));
    nodes[3] = y;
    REFUSED(mg_dense(arena, 0, 1, MG_TANH, nodes, 1, nodes, NULL, out));
    REFUSED(mg_dense(arena, 1, -1, MG_TANH, nodes, 1, nodes, NULL, out));
    REFUSED(mg_cross_entropy(arena, 1, 0, nodes, fit, 1, 0, out));
    REFUSED(mg_cross_entropy(arena, -1, 2, nodes, fit, 1, 0, out));
    REFUSED(mg_cross_entropy(arena, huge, 4, nodes, fit, 1, 0, out));
    REFUSED(mg_cross_entropy(arena, 1, 2, nodes, wrong, 1, 0, out));
    REFUSED(mg_cross_entropy(arena, 1, 2, nodes, wrong + 1, 1, 0, out));
    REFUSED(mg_cross_entropy(arena, 1, 2, nodes, fit, 1, 3, out));
    REFUSED(mg_cross_entropy(arena, 1, 2, nodes, fit, 1, -1, out));
    REFUSED(mg_cross_entropy(arena, 0, 2, nodes, fit, 1, MG_REDUCE_MEAN, out));
    EXPECT(mg_cross_entropy(arena, 0, 2, nodes, fit, 1, MG_REDUCE_NONE, out) == MG_OK);
    REFUSED(mg_sum(arena, 0, nodes));
    REFUSED(mg_mean(arena, 0, nodes));
    REFUSED(mg_dot(arena, 0, nodes, nodes));
    REFUSED(mg_softmax(arena, 0, nodes, out));
    REFUSED(mg_rmsnorm(arena, 0, nodes, 1e-5, out));
    REFUSED(mg_sgd_step(arena, -1, nodes, NULL, 1, 0.1, 0, 0, 0, 0));
    REFUSED(mg_sgd_step(arena, 1, nodes, NULL, 1, 0.1, 0.9, 0, 0, 0));
    REFUSED(mg_adam_step(arena, -1, nodes, numbers, numbers, 1, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(mg_adam_step(arena, 1, nodes, numbers, numbers, 0, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(mg_adam_step(arena, 1, nodes, NULL, numbers, 1, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(mg_adam_step(arena, 1, nodes, numbers, NULL, 1, .1, .9, .9, 1e-8, 0, 1));
    REFUSED(mg_backward(arena, y, 1.0, -1));
    EXPECT(digest_of(arena) == before);
    mg_release(arena, x);
    mg_release(arena, y);
}

/* A batch of wrong steps is refused, says at which, and writes no result. */
static void test_wrong_steps(mg_arena *arena)
{
    mg_node x = mg_leaf(arena, 2.0), y = mg_leaf(arena, 0.0), result = 7, pair;
    const int64_t two = 2;
    pair = mg_array(arena, MG_FLOAT64, 1, &two, NULL);
    const struct {
        mg_step step;
        int status;
    } rows[] = {
        {{.op = -1, .a = x}, MG_ERR_ARG},
        {{.op = MG_SCALAR_OP_COUNT, .a = x}, MG_ERR_ARG},
        {{.op = INT32_MIN, .a = x}, MG_ERR_ARG},
        {{.op = MG_LEAF, .a = x}, MG_ERR_ARG},
        {{.op = MG_LEAF, .b = MG_NUMBER}, MG_ERR_ARG},
        {{.op = MG_ADD, .a = x}, MG_ERR_ARG},
        {{.op = MG_TANH}, MG_ERR_ARG},
        {{.op = MG_TANH, .a = x, .b = x}, MG_ERR_ARG},
        {{.op = MG_POW_NUMBER, .a = x}, MG_ERR_ARG},
        {{.op = MG_POW_NUMBER, .a = x, .b = x}, MG_ERR_ARG},
        {{.op = MG_ADD, .b = x}, MG_ERR_STALE},
        {{.op = MG_ADD, .a = x, .b = MG_RESULT(1)}, MG_ERR_STALE},
        {{.op = MG_ADD, .a = MG_NUMBER, .b = MG_RESULT(2)}, MG_ERR_STALE},
        {{.op = MG_ADD, .a = x, .b = MG_ERR_NOMEM}, MG_ERR_STALE},
        {{.op = MG_ADD, .a = x, .b = pair}, MG_ERR_DTYPE},
        {{.op = MG_DIV, .a = x, .b = y}, MG_ERR_ZERODIV},
        {{.op = MG_LOG, .a = y}, MG_ERR_DOMAIN},
        {{.op = MG_EXP, .a = MG_NUMBER, .number = 1e3}, MG_ERR_OVERFLOW},
    };
    uint64_t before = digest_of(arena);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t failed = 5;
        mg_step steps[] = {{.op = MG_MUL, .a = x, .b = x, .result = &result},
                           rows[i].step,
                           {.op = MG_TANH, .a = MG_RESULT(1), .result = &result}};
        EXPECT(mg_record_steps(arena, 3, steps, &failed) == rows[i].status);
        EXPECT(failed == 1 && result == 7 && digest_of(arena) == before);
    }
    int64_t failed = 5;
    EXPECT(mg_record_steps(arena, -1, NULL, &failed) == MG_ERR_ARG && failed == -1);
    EXPECT(mg_record_steps(arena, INT64_MAX, NULL, NULL) == MG_ERR_ARG);
    EXPECT(mg_record_steps(arena, 0, NULL, &failed) == MG_OK && failed == -1);
    mg_set_ieee(arena, 1);
    mg_step division = {.op = MG_DIV, .a = x, .b = y, .result = &result};
    EXPECT(mg_record_steps(arena, 1, &division, &failed) == MG_OK && failed == -1);
    EXPECT(data_of(arena, result) == HUGE_VAL);
    mg_set_ieee(arena, 0);
    EXPECT(mg_release_all(arena, 4, (mg_node[]){x, y, pair, result}) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
}

enum { STEPS = 300 };

/* Record a step by calls for one op each. */
static mg_node step_alone(mg_arena *arena, const mg_step *step, const mg_node *made)
{
    mg_node a = step->a > MG_NUMBER && step->a < MG_RESULT(STEPS)
                    ? made[step->a - MG_FIRST_RESULT]
                    : step->a;
    mg_node b = step->b > MG_NUMBER && step->b < MG_RESULT(STEPS)
                    ? made[step->b - MG_FIRST_RESULT]
                    : step->b;
    if (step->op == MG_LEAF) return mg_leaf(arena, step->number);
    if (b == MG_NUMBER) return mg_record_number(arena, step->op, a, step->number);
    return mg_record(arena, step->op, a, b);
}

/* Draw an operand: x, or a step of those before; of step 0, x. */
static mg_node operand_draw(mg_rng *rng, int at, mg_node x)
{
    uint32_t drawn = mg_rng_u32(rng) % 16;
    return drawn < 3 || !at ? x : MG_RESULT(at - 1 - (int)(mg_rng_u32(rng) % 5) % at);
}

static mg_step step_draw(mg_rng *rng, int at, mg_node x)
{
    static const int ops[] = {MG_ADD, MG_MUL, MG_SUB, MG_TANH, MG_LEAF, MG_POW_NUMBER,
                              MG_SIN, MG_ADD};
    const int op = ops[mg_rng_u32(rng) % 8], arity = mg_op_arity(op);
    mg_step step = {.op = op, .number = 1.0 + mg_rng_u32(rng) % 3};
    if (arity > 0) step.a = operand_draw(rng, at, x);
    if (arity > 1) step.b = mg_rng_u32(rng) % 4 ? operand_draw(rng, at, x) : MG_NUMBER;
    if (op == MG_POW_NUMBER) step.b = MG_NUMBER;
    return step;
}

/* The same bits; of NaNs any. */
static int same_number(double x, double y)
{
    return same_bits(x, y) || (isnan(x) && isnan(y));
}

/* A batch makes the nodes that its steps make alone: the bits of their data and of a
 * backward are the same; what nobody can come to is freed at once. */
static void test_steps(mg_arena *arena, uint64_t seed)
{
    mg_rng rng;
    mg_step steps[STEPS];
    mg_node alone[STEPS], kept[STEPS], x = mg_leaf(arena, 0.4871);
    mg_rng_seed(&rng, seed);
    const int count = 1 + (int)(mg_rng_u32(&rng) % STEPS);
    mg_set_ieee(arena, 1);
    int results = 0;
    for (int i = 0; i < count; i++) {
        steps[i] = step_draw(&rng, i, x);
        alone[i] = step_alone(arena, &steps[i], alone);
    }
    for (int i = 0; i < count; i++)
        if (mg_rng_u32(&rng) % 8 == 0) steps[i].result = &kept[results++];
    int64_t before = nodes_of(arena);
    EXPECT(mg_record_steps(arena, count, steps, NULL) == MG_OK);
    expect_consistent(arena);
    for (int i = 0; i < count; i++) {
        if (!steps[i].result) continue;
        mg_node pair[2] = {alone[i], *steps[i].result};
        double gradient[2];
        EXPECT(same_number(data_of(arena, pair[0]), data_of(arena, pair[1])));
        EXPECT(mg_references(arena, pair[0]) >= 1);
        for (int which = 0; which < 2; which++) {
            mg_zero_gradients(arena, 1, &x);
            EXPECT(mg_backward(arena, pair[which], 1.0, 0) == MG_OK);
            gradient[which] = gradient_of(arena, x);
        }
        EXPECT(same_number(gradient[0], gradient[1]));
    }
    EXPECT(mg_release_all(arena, results, kept) == MG_OK);
    EXPECT(nodes_of(arena) == before);
    EXPECT(mg_release_all(arena, count, alone) == MG_OK);
    EXPECT(mg_release(arena, x) == MG_OK && nodes_of(arena) == 0);
    mg_set_ieee(arena, 0);
}

/* Bulk builders of one element, where a loop has one turn. */
static void test_one_element(mg_arena *arena)
{
    mg_node x = mg_leaf(arena, 0.5), out[6];
    const int64_t target = 0;
    out[0] = mg_sum(arena, 1, &x);
    out[1] = mg_mean(arena, 1, &x);
    out[2] = mg_dot(arena, 1, &x, &x);
    EXPECT(mg_softmax(arena, 1, &x, out + 3) == MG_OK);
    EXPECT(mg_rmsnorm(arena, 1, &x, 0.0, out + 4) == MG_OK);
    EXPECT(mg_cross_entropy(arena, 1, 1, &x, &target, 1, MG_REDUCE_MEAN, out + 5) ==
           MG_OK);
    const double expected[6] = {0.5, 0.5, 0.25, 1.0, 1.0, 0.0};
    for (int i = 0; i < 6; i++) {
        EXPECT(data_of(arena, out[i]) == expected[i]);
        EXPECT(mg_release(arena, out[i]) == MG_OK);
    }
    EXPECT(mg_release(arena, x) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
}

/* Powers of 0, 1, infinities, NaN and others are C's; those that Python raises at are too
 * large or not defined there, and an arena of IEEE arithmetic gives them, too. */
static void test_powers(mg_arena *arena)
{
    static const double numbers[] = {0.0, -0.0, 1.0, -1.0, 0.5,      -0.5,      2.0,      -2.0,
                                     3.0, -3.0, 7.5, 1e200, HUGE_VAL, -HUGE_VAL, (double)NAN};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    for (int i = 0; i < COUNT * COUNT * 2; i++) {
        double x = numbers[i % COUNT], y = numbers[i / COUNT % COUNT], right = pow(x, y);
        const int ieee = i / (COUNT * COUNT);
        mg_set_ieee(arena, ieee);
        mg_node a = mg_leaf(arena, x), made = mg_record_number(arena, MG_POW_NUMBER, a, y);
        const bool finite = isfinite(x) && isfinite(y);
        const int64_t raised = finite && x == 0.0 && y < 0.0 ? MG_ERR_ZERODIV
                               : finite && isnan(right)      ? MG_ERR_DOMAIN
                               : finite && isinf(right)      ? MG_ERR_OVERFLOW
                                                             : MG_OK;
        EXPECT(ieee || raised == MG_OK ? made > 0 : made == raised);
        if (made > 0) {
            double found = data_of(arena, made);
            EXPECT(isnan(right) ? isnan(found) : same_bits(found, right));
            EXPECT(mg_release(arena, made) == MG_OK);
        }
        EXPECT(mg_release(arena, a) == MG_OK);
    }
    mg_set_ieee(arena, 0);
    EXPECT(nodes_of(arena) == 0);
}

/* Functions of numbers are the C library's or vmath.h's, as it was set when an op is made. */
static void test_math(mg_arena *arena)
{
    EXPECT(mg_math() == MG_MATH_LIBRARY);
    EXPECT(mg_set_math(-1) == MG_ERR_ARG && mg_set_math(2) == MG_ERR_ARG);
    for (int i = 0; i < 200; i++) {
        double x = -3.0 + 0.0301 * i;
        mg_node a = mg_leaf(arena, x), of_library = mg_record(arena, MG_TANH, a, 0);
        EXPECT(mg_set_math(MG_MATH_PORTABLE) == MG_OK && mg_math() == MG_MATH_PORTABLE);
        mg_node portable = mg_record(arena, MG_TANH, a, 0);
        EXPECT(same_bits(data_of(arena, portable), vm_tanh(x)));
        EXPECT(same_bits(data_of(arena, of_library), tanh(x)));
        EXPECT(mg_set_math(MG_MATH_LIBRARY) == MG_OK && mg_math() == MG_MATH_LIBRARY);
        const mg_node made[] = {a, of_library, portable};
        EXPECT(mg_release_all(arena, 3, made) == MG_OK);
    }
    EXPECT(nodes_of(arena) == 0);
}

/* Errors of Python's arithmetic are statuses, and change nothing. */
static void test_arithmetic(mg_arena *arena)
{
    mg_node zero = mg_leaf(arena, 0.0), minus = mg_leaf(arena, -1.0),
            big = mg_leaf(arena, 1e3);
    mg_node infinite = mg_leaf(arena, HUGE_VAL), half = mg_leaf(arena, 0.5), out[2];
    mg_node logits[2] = {big, zero};
    const int64_t target = 0;
    double state[2] = {0.0, 0.0};
    uint64_t before = digest_of(arena);
    EXPECT(mg_record(arena, MG_LOG, zero, 0) == MG_ERR_DOMAIN);
    EXPECT(mg_record(arena, MG_SIN, infinite, 0) == MG_ERR_DOMAIN);
    EXPECT(mg_record(arena, MG_EXP, big, 0) == MG_ERR_OVERFLOW);
    EXPECT(mg_record(arena, MG_POW, minus, half) == MG_ERR_DOMAIN);
    EXPECT(mg_record(arena, MG_POW, zero, minus) == MG_ERR_ZERODIV);
    EXPECT(mg_record(arena, MG_POW, big, big) == MG_ERR_OVERFLOW);
    EXPECT(mg_record_number(arena, MG_POW_NUMBER, zero, -1.0) == MG_ERR_ZERODIV);
    EXPECT(mg_divide(arena, big, zero) == MG_ERR_ZERODIV);
    EXPECT(mg_cross_entropy(arena, 1, 2, logits, &target, 0, 0, out) == MG_ERR_OVERFLOW);
    EXPECT(mg_dense(arena, 1, 1, MG_LOG, logits, 1, &minus, NULL, out) == MG_ERR_DOMAIN);
    EXPECT(mg_adam_step(arena, 1, logits, state, state + 1, 1, .1, 1.0, .9, 1e-8, 0, 1) ==
           MG_ERR_ZERODIV);
    EXPECT(mg_adam_step(arena, 0, NULL, NULL, NULL, 1, .1, .9, .9, 1e-8, 0, 1) == MG_OK);
    EXPECT(mg_sgd_step(arena, 0, NULL, NULL, 1, .1, .9, 0, 0, 1) == MG_ERR_ARG);
    EXPECT(mg_sgd_step(arena, 0, NULL, state, 1, .1, .9, 0, 0, 1) == MG_OK);
    EXPECT(digest_of(arena) == before);
    /* The largest is subtracted: nothing is too large. */
    EXPECT(mg_softmax(arena, 2, logits, out) == MG_OK);
    EXPECT(data_of(arena, out[0]) == 1.0 && data_of(arena, out[1]) == 0.0);
    for (int i = 0; i < 2; i++) EXPECT(mg_release(arena, out[i]) == MG_OK);
    mg_node handles[] = {zero, minus, big, infinite, half};
    for (int i = 0; i < 5; i++) EXPECT(mg_release(arena, handles[i]) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
}

/* Of all ints the ops of one number, and -1, are activations. */
static void test_activations(mg_arena *arena)
{
    mg_node x = mg_leaf(arena, 0.5), nodes[3] = {x, x, x}, out;
    for (int op = -3; op < MG_OP_COUNT + 3; op++) {
        bool one = op > MG_LEAF && op < MG_SCALAR_OP_COUNT && mg_op_arity(op) == 1;
        bool fits = op == -1 || (one && op != MG_POW_NUMBER);
        uint64_t before = digest_of(arena);
        int64_t sizes[2] = {1, 1};
        int status = mg_mlp(arena, 1, sizes, op, op, nodes, 1, nodes, NULL, &out);
        EXPECT(status == (fits ? MG_OK : MG_ERR_ARG));
        if (status == MG_OK) mg_release(arena, out);
        else EXPECT(digest_of(arena) == before);
    }
    mg_release(arena, x);
}

/* A node gives no more handles when it has 2^30 references. */
static void test_references_end(mg_arena *arena)
{
    mg_node x = mg_leaf(arena, 0.5), y = mg_record(arena, MG_NEG, x, 0);
    node *n = node_at(arena, index_of(x));
    uint32_t references = n->references;
    n->references = REFERENCES_END - 1;
    EXPECT(mg_retain(arena, x) == MG_OK);
    EXPECT(mg_retain(arena, x) == MG_ERR_LIMIT);
    EXPECT(mg_node_operand(arena, y, 0) == MG_ERR_LIMIT);
    mg_node z = mg_record(arena, MG_MUL, x, x); /* that others use it is no handle */
    EXPECT(z > 0 && n->references == REFERENCES_END + 2);
    EXPECT(mg_release(arena, z) == MG_OK);
    EXPECT(mg_release(arena, x) == MG_OK);
    n->references = references;
    EXPECT(mg_release(arena, y) == MG_OK);
    EXPECT(mg_release(arena, x) == MG_OK);
}

/* With mg_set_ieee() they are infinities and NaNs, and gradients go on, too. */
static void test_ieee(mg_arena *arena)
{
    double numbers[2];
    EXPECT(mg_set_ieee(arena, 1) == 0);
    mg_node zero = mg_leaf(arena, 0.0);
    mg_node root = mg_record_number(arena, MG_POW_NUMBER, zero, 0.5);
    mg_node logarithm = mg_record(arena, MG_LOG, zero, 0);
    EXPECT(mg_data(arena, 1, &logarithm, numbers) == MG_OK && numbers[0] == -HUGE_VAL);
    EXPECT(mg_backward(arena, root, 1.0, 0) == MG_OK);
    EXPECT(mg_gradients(arena, 1, &zero, numbers) == MG_OK && numbers[0] == HUGE_VAL);
    EXPECT(mg_set_ieee(arena, 0) == 1);
    EXPECT(mg_record(arena, MG_LOG, zero, 0) == MG_ERR_DOMAIN);
    EXPECT(mg_backward(arena, root, 1.0, 0) == MG_ERR_ZERODIV);
    EXPECT(mg_gradients(arena, 1, &zero, numbers) == MG_OK && numbers[0] == HUGE_VAL);
    numbers[0] = numbers[1] = 0.0;
    EXPECT(mg_adam_step(arena, 1, &zero, numbers, numbers + 1, 1, .1, .9, .9, 1e-8, 0,
                        MG_IEEE) == MG_OK);
    mg_node handles[] = {zero, root, logarithm};
    for (int i = 0; i < 3; i++) EXPECT(mg_release(arena, handles[i]) == MG_OK);
    EXPECT(nodes_of(arena) == 0);
}

int main(void)
{
    ledger book;
    test_texts();
    test_op_table();
    test_rng();
    test_rng_numbers();
    test_rng_fill();
    mg_arena *arena = ledger_arena(&book);
    test_arguments(arena);
    test_activations(arena);
    test_references_end(arena);
    test_wrong_steps(arena);
    for (uint64_t seed = 1; seed <= 100; seed++) test_steps(arena, seed);
    test_one_element(arena);
    test_powers(arena);
    test_math(arena);
    test_arithmetic(arena);
    test_ieee(arena);
    ledger_arena_free(arena, &book);
    mg_arena_free(NULL);
    return finish();
}
