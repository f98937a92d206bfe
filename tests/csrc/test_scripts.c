/* test_scripts.c: programs of numbers. Whatever the width of lanes and the set, with one
 * operation after the other, and in slices, they give the same bits and stop at the same
 * failure, also from a file; pow is spared only where it returns the same; wrong arguments
 * change nothing.
 * That they give the bits of single calls, tests/test_programs_of_values.py shows.
 *
 *     test_scripts GRAPHS NUMBERS */
#include "expect.h"
#include "programs/file.h"
#include "programs/script.h"

static const char *const set_names[] = {"baseline", "avx2", "avx512"};
enum { SETS = sizeof set_names / sizeof *set_names, LEAVES = 6 };

/* ---- pow --------------------------------------------------------------------------- */

enum { BATCH = 64 };

static const lane_set *set_named(const char *name)
{
    if (mg_set_isa(name) < 0) return NULL;
#if defined(MG_HAS_X86_SETS)
    const lane_set *sets[] = {&lanes_avx2, &lanes_avx512};
    for (int i = 0; i < 2; i++)
        if (!strcmp(sets[i]->name, name)) return sets[i];
#endif
    return &lanes_baseline;
}

enum { OF_X = 0, OF_G = BATCH, OF_RESULT = 2 * BATCH, OF_K = 3 * BATCH };

/* What an operation with a power gives for x and k, and a gradient g. */
static double power_expected(uint32_t code, double x, double k, double g, int *status)
{
    if (code == 3 * MG_TANH + 1) return (1.0 - float_pow(x, 2.0, status)) * g;
    if (code == 3 * MG_POW_NUMBER) return float_pow(x, k, status);
    return k * float_pow(x, k - 1.0, status) * g;
}

/* Compare a batch of powers of slots[0 .. BATCH), with float_pow(). */
static void expect_powers(const lane_set *set, double *slots, uint32_t code, double k)
{
    const uint8_t modes = code == 3 * MG_TANH + 1 ? SINGLE_A | SINGLE_B : SINGLE_B;
    const instruction i = {.kind = SCRIPT_LANES, .code = code, .count = BATCH,
                           .modes = modes, .a = OF_X, .b = OF_K, .y = OF_X, .g = OF_G,
                           .to = OF_RESULT};
    int status = MG_OK;
    slots[OF_K] = k;
    const int found = set->lanes(&i, slots);
    for (int n = 0; n < BATCH; n++) {
        double expected = power_expected(code, slots[n], k, slots[OF_G + n], &status);
        const double result = slots[OF_RESULT + n];
        if (isnan(expected) && isnan(result)) continue;
        const int before = failures;
        EXPECT(bits_of(expected) == bits_of(result));
        if (failures > before && failures < 20) printf("    %a ** %g\n", slots[n], k);
    }
    EXPECT(found == status);
}

static void expect_all_powers(const lane_set *set, double *slots, double k)
{
    expect_powers(set, slots, 3 * MG_POW_NUMBER, k);
    expect_powers(set, slots, 3 * MG_POW_NUMBER + 1, k);
    if (k == 2.0) expect_powers(set, slots, 3 * MG_TANH + 1, k);
}

static void test_pow(const lane_set *set, int64_t numbers)
{
    static const double exponents[] = {2.0, -1.0, 0.5, -2.0, 3.0, 1.0, 0.0, -0.5, -1.5};
    double slots[OF_K + 1];
    mg_rng rng;
    mg_rng_seed(&rng, 42);
    for (int n = 0; n < BATCH; n++) slots[OF_G + n] = mg_rng_normal(&rng, 0.0, 1.0);
    for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
        for (int power = -1074; power <= 1024; power++) { /* each, and what is beside it */
            for (int n = 0; n < BATCH; n++) {
                double x = ldexp(1.0 + (n / 4) * 0x1p-52, power);
                x = n & 2 ? nextafter(x, 0.0) : x;
                slots[n] = n & 1 ? -x : x;
            }
            expect_all_powers(set, slots, exponents[e]);
        }
        for (int64_t done = 0; done < numbers; done += BATCH) {
            for (int n = 0; n < BATCH; n++) {
                uint64_t low = mg_rng_u32(&rng), high = mg_rng_u32(&rng);
                double x = ldexp((double)(high << 21 | low >> 11), -52);
                slots[n] = ldexp(x, (int)(low % 5) * (int)(high % 90) - 180);
                if (high & 1) slots[n] = 1.0 + x / 4.0;
            }
            expect_all_powers(set, slots, exponents[e]);
        }
    }
}

/* ---- Adam -------------------------------------------------------------------------- */

enum { PARAMETERS = 37 }; /* whole groups, and some more */

/* Data, gradients and means, some of them hostile. */
static void moments_draw(mg_rng *rng, bool is_hostile, double *from)
{
    static const double hostile[] = {0.0, -0.0, 1e-200, 1e200, INFINITY, NAN, -1.0};
    for (int n = 0; n < 4 * PARAMETERS; n++) {
        from[n] = mg_rng_normal(rng, 0.0, 1.0);
        if (n >= 3 * PARAMETERS) from[n] *= from[n];
        if (is_hostile && mg_rng_u32(rng) % 16 == 0) from[n] = hostile[mg_rng_u32(rng) % 7];
    }
}

/* A step is that of the baseline, which knows no power without a call. */
static void test_adam(const lane_set *set, int64_t numbers)
{
    double from[4 * PARAMETERS], found[3 * PARAMETERS], expected[3 * PARAMETERS];
    mg_rng rng;
    mg_rng_seed(&rng, 7);
    for (int64_t done = 0, turn = 0; done < numbers; done += PARAMETERS, turn++) {
        const adam of = {1 + turn % 50, 0.01, 0.9, turn % 7 ? 0.99 : 0.0,
                         turn % 5 ? 1e-8 : 0.0, turn % 3 ? 0.1 : 0.0, turn % 2 != 0, false};
        const double *at[] = {from, from + PARAMETERS, from + 2 * PARAMETERS,
                              from + 3 * PARAMETERS};
        moments_draw(&rng, turn % 4 == 0, from);
        const int status = set->adam(&of, PARAMETERS, at[0], at[1], at[2], at[3], found);
        EXPECT(status == lanes_baseline.adam(&of, PARAMETERS, at[0], at[1], at[2], at[3],
                                             expected));
        for (int n = 0; n < 3 * PARAMETERS; n++)
            EXPECT(bits_of(found[n]) == bits_of(expected[n]) ||
                   (isnan(found[n]) && isnan(expected[n])));
    }
}

/* ---- graphs ------------------------------------------------------------------------ */

typedef struct scene {
    mg_arena *arena;
    ledger book;
    mg_node leaves[LEAVES], root;
    double data[LEAVES];
} scene;

/* Draw an op of one operand or two; those of numbers are left to Python's test. */
static int op_drawn(mg_rng *rng)
{
    static const int common[] = {MG_ADD, MG_MUL, MG_ADD, MG_MUL, MG_TANH, MG_SUB};
    uint32_t drawn = mg_rng_u32(rng) >> 8;
    if (drawn % 3) return common[drawn / 3 % (sizeof common / sizeof *common)];
    int op = 1 + (int)(drawn / 3 % (MG_SCALAR_OP_COUNT - 1));
    return op == MG_POW_NUMBER ? MG_MAXIMUM : op;
}

/* Add rows of equal sums of products, so that there are lanes, and random ops. */
static void graph_draw(scene *s, mg_rng *rng, int rows)
{
    enum { WIDTH = 5 };
    mg_node x[WIDTH];
    for (int i = 0; i < WIDTH; i++) x[i] = mg_record(s->arena, MG_TANH, s->leaves[i], 0);
    for (int row = 0; row < rows; row++) {
        mg_node y[WIDTH];
        int op = op_drawn(rng);
        for (int i = 0; i < WIDTH; i++) {
            y[i] = row % 2 ? mg_dot(s->arena, LEAVES - 1, s->leaves + i % 2, x)
                           : mg_record(s->arena, op, x[i],
                                       mg_op_arity(op) > 1 ? x[(i + row) % WIDTH] : 0);
            if (y[i] < 0) y[i] = mg_record(s->arena, MG_NEG, x[i], 0);
        }
        for (int i = 0; i < WIDTH; i++) mg_release(s->arena, x[i]);
        memcpy(x, y, sizeof x);
    }
    s->root = mg_sum(s->arena, WIDTH, x);
    for (int i = 0; i < WIDTH; i++) mg_release(s->arena, x[i]);
}

static void scene_open(scene *s, uint64_t seed)
{
    mg_rng rng;
    memset(s, 0, sizeof *s);
    mg_rng_seed(&rng, seed);
    s->arena = ledger_arena(&s->book);
    for (int i = 0; i < LEAVES; i++)
        s->leaves[i] = mg_leaf(s->arena, mg_rng_normal(&rng, 0.0, 1.0));
    graph_draw(s, &rng, 1 + (int)(seed % 12));
    for (int i = 0; i < LEAVES; i++) s->data[i] = mg_rng_normal(&rng, 0.0, 2.0);
}

static void scene_close(scene *s)
{
    mg_release(s->arena, s->root);
    EXPECT(mg_release_all(s->arena, LEAVES, s->leaves) == MG_OK);
    ledger_arena_free(s->arena, &s->book);
}

/* Hash what a run does: status, losses, nodes, an optimizer's state. */
static uint64_t outcome_of(scene *s, int flags, int64_t budget)
{
    enum { STEPS = 3 };
    double first[LEAVES] = {0.0}, second[LEAVES] = {0.0}, losses[STEPS] = {0.0};
    double numbers[LEAVES];
    int64_t steps = 0, done = 0, total = 0;
    mg_number_update update = {.is_adam = 1, .decoupled = 1, .count = 3,
                               .parameters = s->leaves, .first = first, .second = second,
                               .steps = &steps, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.95,
                               .epsilon = 1e-8, .weight_decay = 0.01};
    mg_number_update *all[] = {&update};
    mg_script *script;
    uint64_t hash = 1;
    EXPECT(mg_script_compile(s->arena, s->root, 1, all, flags, &script) == MG_OK);
    mg_set_data(s->arena, LEAVES, s->leaves, s->data);
    mg_zero_gradients(s->arena, LEAVES, s->leaves);
    int status;
    do {
        status = mg_script_run(script, STEPS - total, budget, 0, &done, losses + total);
        total += done;
    } while (status == MG_MORE);
    EXPECT(status < 0 || total == STEPS);
    hash = mix(mix(mix(hash, (uint64_t)status), (uint64_t)total), (uint64_t)steps);
    for (int i = 0; i < STEPS; i++) hash = mix(hash, isnan(losses[i]) ? 7 : bits_of(losses[i]));
    for (int i = 0; i < 2; i++) {
        (i ? mg_gradients : mg_data)(s->arena, LEAVES, s->leaves, numbers);
        for (int n = 0; n < LEAVES; n++)
            hash = mix(hash, isnan(numbers[n]) ? 7 : bits_of(numbers[n]));
    }
    if (status < 0) {
        mg_script_failure failure;
        EXPECT(mg_script_failed(script, &failure) == MG_OK);
        hash = mix(mix(hash, (uint64_t)failure.op), (uint64_t)failure.which);
        hash = mix(hash, bits_of(failure.a));
    }
    mg_script_free(script);
    return hash;
}

/* ---- files ------------------------------------------------------------------------- */

enum { STEPS_OF_FILE = 3, MOST_NODES = 16 };

/* What a program does, and the bytes that it is saved as then. */
typedef struct after {
    int status;
    int64_t done, size;
    double losses[STEPS_OF_FILE], data[MOST_NODES], gradients[MOST_NODES];
    mg_script_failure failure;
    uint8_t bytes[1 << 17];
} after;

static void script_go(mg_arena *arena, mg_script *script, after *found)
{
    mg_node nodes[MOST_NODES];
    memset(found, 0, sizeof *found);
    found->status = mg_script_run(script, STEPS_OF_FILE, 0, 0, &found->done, found->losses);
    if (found->status < 0) mg_script_failed(script, &found->failure);
    const int64_t count = mg_script_found(script, MOST_NODES, nodes);
    EXPECT(count <= MOST_NODES);
    EXPECT(mg_data(arena, count, nodes, found->data) == MG_OK);
    EXPECT(mg_gradients(arena, count, nodes, found->gradients) == MG_OK);
    found->size = mg_script_save(script, NULL, sizeof found->bytes, found->bytes);
    EXPECT(found->size > 0 && found->size <= (int64_t)sizeof found->bytes);
}

static bool same_numbers(const double *a, const double *b, int count)
{
    for (int i = 0; i < count; i++)
        if (bits_of(a[i]) != bits_of(b[i]) && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

static void test_file(scene *s, int flags)
{
    static after saved, mine, its;
    double first[LEAVES] = {0.0}, second[LEAVES] = {0.0};
    int64_t steps = 0;
    mg_number_update update = {.is_adam = 1, .count = 3, .parameters = s->leaves,
                               .first = first, .second = second, .steps = &steps,
                               .lr = 0.1, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
    mg_number_update *all[] = {&update};
    mg_script *script, *loaded;
    mg_script_info info;
    EXPECT(mg_script_compile(s->arena, s->root, 1, all, flags, &script) == MG_OK);
    mg_set_data(s->arena, LEAVES, s->leaves, s->data);
    saved.size = mg_script_save(script, NULL, sizeof saved.bytes, saved.bytes);
    EXPECT(mg_file_kind(saved.bytes, (size_t)saved.size) == 1);
    if (EXPECT(mg_script_load(s->arena, saved.bytes, (size_t)saved.size, &loaded) == MG_OK)) {
        its.size = mg_script_save(loaded, NULL, sizeof its.bytes, its.bytes);
        EXPECT(its.size <= saved.size); /* a * b and b * a have become one */
        script_go(s->arena, script, &mine);
        script_go(s->arena, loaded, &its);
        EXPECT(mine.status == its.status && mine.done == its.done);
        EXPECT(mine.failure.op == its.failure.op && mine.failure.which == its.failure.which);
        EXPECT(same_numbers(mine.losses, its.losses, (int)mine.done));
        EXPECT(same_numbers(mine.data, its.data, MOST_NODES));
        EXPECT(same_numbers(mine.gradients, its.gradients, MOST_NODES));
        EXPECT(mg_script_describe(loaded, &info) == MG_OK && info.updates == 1);
        EXPECT(*mg_script_given(loaded, 0)->steps == steps);
        EXPECT(!mg_script_given(loaded, 1) && !*mg_script_name(loaded, 0));
        mg_script_free(loaded);
    }
    mg_script_free(script);
}

/* ---- every layout ------------------------------------------------------------------ */

/* Returns whether a run fails. */
static void test_graph(uint64_t seed)
{
    static const int flags[] = {0, 1, 4, 8};
    scene s;
    const int before = failures;
    scene_open(&s, seed);
    const uint64_t expected = outcome_of(&s, MG_UNROLLED, 0);
    for (int set = 0; set < SETS; set++) {
        if (mg_set_isa(set_names[set]) < 0) continue;
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
            EXPECT(outcome_of(&s, flags[i], i == 1 ? 1 : 0) == expected);
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) test_file(&s, flags[i]);
    test_file(&s, MG_UNROLLED);
    scene_close(&s);
    explain(before, "graph", (int64_t)seed);
}

/* ---- names and damage -------------------------------------------------------------- */

/* Names go along; other bytes are no program, and change nothing. */
static void test_names_and_damage(void)
{
    static uint8_t bytes[1 << 14];
    const char *names[MOST_NODES] = {"w", NULL, "b"};
    scene s;
    mg_script *script, *loaded;
    scene_open(&s, 3);
    EXPECT(mg_script_compile(s.arena, s.root, 0, NULL, 0, &script) == MG_OK);
    const size_t size = (size_t)mg_script_save(script, names, sizeof bytes, bytes);
    EXPECT(size < sizeof bytes);
    EXPECT(mg_script_save(script, names, size - 1, bytes) == (int64_t)size);
    EXPECT(mg_script_load(s.arena, bytes, size, &loaded) == MG_OK);
    EXPECT(!strcmp(mg_script_name(loaded, 0), "w") && !*mg_script_name(loaded, 1));
    EXPECT(!strcmp(mg_script_name(loaded, 2), "b") && !*mg_script_name(loaded, -1));
    mg_script_free(loaded);
    for (size_t i = 0; i < size; i += 7) {
        bytes[i] ^= 16;
        EXPECT(mg_script_load(s.arena, bytes, size, &loaded) == MG_ERR_FILE && !loaded);
        EXPECT(mg_script_load(s.arena, bytes, i, &loaded) == MG_ERR_FILE);
        bytes[i] ^= 16;
    }
    EXPECT(mg_script_open(s.arena, 0, NULL) == MG_OK);
    EXPECT(mg_script_load(s.arena, bytes, size, &loaded) == MG_ERR_BUSY);
    mg_script_cancel(s.arena);
    mg_script_free(script);
    scene_close(&s);
}

/* Updates whose parameters are claimed of the same words are refused before they take memory
 * of each claim: 256 of 4096 would be 16 MB. */
static void test_many_claims(void)
{
    enum { UPDATES = 256, CLAIMED = 4096, WORDS = 2 * CLAIMED + 2 };
    static uint8_t bytes[FILE_HEADER + 64 * UPDATES + 4 * WORDS];
    ledger book;
    mg_script *script;
    mg_arena *arena = ledger_arena(&book);
    writer w = {bytes, 0};
    header_put(&w, &(file_header){.kind = FILE_NUMBERS,
                                  .counts = {0, 0, 0, UPDATES, 0, WORDS, 0, UINT32_MAX}});
    for (int i = 0; i < UPDATES; i++, w.at += 64)
        put_u64(&(writer){bytes, w.at + 8}, CLAIMED, 8);
    w.at = sizeof bytes;
    file_seal(&w);
    EXPECT(mg_file_kind(bytes, sizeof bytes) == FILE_NUMBERS);
    mg_arena_limit(arena, (size_t)4 << 20);
    EXPECT(mg_script_load(arena, bytes, sizeof bytes, &script) == MG_ERR_FILE && !script);
    ledger_arena_free(arena, &book);
}

/* ---- arguments, sizes -------------------------------------------------------------- */

static void test_arguments(void)
{
    scene s;
    mg_script *script = NULL;
    mg_script_info info;
    mg_script_part part;
    double velocity[1] = {0.0};
    unsigned char begun = 0;
    scene_open(&s, 5);
    mg_node interior[] = {s.root};
    mg_number_update update = {.count = 1, .parameters = interior, .begun = &begun};
    mg_number_update *all[] = {&update};
    EXPECT(mg_script_compile(s.arena, s.root, 1, all, 0, &script) == MG_ERR_ARG);
    EXPECT(mg_script_compile(s.arena, s.root, -1, all, 0, &script) == MG_ERR_ARG);
    EXPECT(mg_script_compile(s.arena, s.root, 0, NULL, 2, &script) == MG_ERR_ARG);
    EXPECT(script == NULL);
    update.parameters = s.leaves;
    EXPECT(mg_script_compile(s.arena, s.root, 1, all, 0, &script) == MG_OK);
    EXPECT(mg_script_run(script, -1, 0, 0, NULL, NULL) == MG_ERR_ARG);
    EXPECT(mg_script_run(script, 1, -1, 0, NULL, NULL) == MG_ERR_ARG);
    update.beta1 = 0.5;
    EXPECT(mg_script_run(script, 1, 0, 0, NULL, NULL) == MG_ERR_ARG);
    update.first = velocity;
    EXPECT(mg_script_run(script, 1, 0, 0, NULL, NULL) == MG_OK && begun);
    EXPECT(mg_script_describe(script, &info) == MG_OK && info.operations > 10);
    EXPECT(mg_script_part_of(script, info.instructions, &part) == MG_ERR_ARG);
    EXPECT(mg_script_part_of(script, info.instructions - 1, &part) == MG_OK);
    EXPECT(!strcmp(part.kind, "update") && part.count == 1);
    EXPECT(mg_backward(s.arena, s.root, 1.0, 1) == MG_MORE);
    EXPECT(mg_script_run(script, 1, 0, 0, NULL, NULL) == MG_ERR_BUSY);
    EXPECT(mg_backward_cancel(s.arena) == MG_OK);
    mg_script_free(script);
    mg_script_free(NULL);
    scene_close(&s);
}

/* What is told of a program to those who write it elsewhere: all slots are among those that
 * there are, instructions are those of mg_script_part_of(). */
static void test_what_is_shown(int flags)
{
    scene s;
    mg_script *script;
    mg_script_info info;
    mg_script_part part;
    mg_script_layout layout;
    mg_script_code code;
    mg_script_node shown;
    scene_open(&s, 7);
    EXPECT(mg_script_compile(s.arena, s.root, 0, NULL, flags, &script) == MG_OK);
    EXPECT(mg_script_describe(script, &info) == MG_OK);
    EXPECT(mg_script_layout_of(script, &layout) == MG_OK);
    EXPECT(layout.nodes > 0 && layout.loss > 0 && layout.loss < layout.slots);
    for (int64_t i = 0; i < info.instructions; i++) {
        EXPECT(mg_script_code_of(script, i, &code) == MG_OK);
        EXPECT(mg_script_part_of(script, i, &part) == MG_OK);
        EXPECT(!strcmp(code.kind, part.kind) && code.to < layout.slots);
        EXPECT(mg_script_repeat(script, i, 2) == MG_OK);
        if (strcmp(code.kind, "line")) continue;
        EXPECT(code.word_count == 7 * code.count);
        for (int64_t k = 0; k < code.word_count; k++)
            EXPECT(k % 7 == 0 || k % 7 == 6 || code.words[k] < layout.slots);
    }
    for (int64_t i = 0; i < layout.nodes; i++) {
        EXPECT(mg_script_node_of(script, i, &shown) == MG_OK);
        EXPECT(shown.data < layout.slots && shown.gradient < layout.slots);
        EXPECT(bits_of(shown.value) == bits_of(data_of(s.arena, shown.handle)));
    }
    EXPECT(mg_script_code_of(script, info.instructions, &code) == MG_ERR_ARG);
    EXPECT(mg_script_code_of(script, -1, &code) == MG_ERR_ARG);
    EXPECT(mg_script_repeat(script, -1, 1) == MG_ERR_ARG);
    EXPECT(mg_script_repeat(script, info.instructions, 1) == MG_ERR_ARG);
    EXPECT(mg_script_node_of(script, layout.nodes, &shown) == MG_ERR_ARG);
    EXPECT(mg_script_node_of(script, -1, &shown) == MG_ERR_ARG);
    mg_script_free(script);
    scene_close(&s);
}

static void test_formulas(void)
{
    EXPECT(strstr(mg_op_formula(MG_MUL, 0), "a * b") != NULL);
    EXPECT(strstr(mg_op_formula(MG_MUL, 1), "g") && strstr(mg_op_formula(MG_MUL, 2), "a"));
    EXPECT(strstr(mg_op_formula(MG_TANH, 0), "tanh") && !mg_op_formula(MG_MATMUL, 0));
    EXPECT(!mg_op_formula(-1, 0) && !mg_op_formula(MG_MUL, 3));
    EXPECT(strstr(mg_element_formula(MG_EXP, 0), "VM_exp") != NULL);
    EXPECT(!mg_element_formula(MG_MATMUL, 0) && !mg_element_formula(-1, 0));
}

/* A recording with an input: its program gives what the calls gave, for any input. */
static void test_recording(void)
{
    ledger book;
    mg_script *script;
    mg_arena *arena = ledger_arena(&book);
    mg_node w = mg_leaf(arena, 3.0), x = mg_leaf(arena, 2.0), other;
    EXPECT(mg_script_close(arena, 0, NULL, 0, &script) == MG_ERR_ARG);
    EXPECT(mg_script_open(arena, 1, &x) == MG_OK);
    EXPECT(mg_script_open(arena, 1, &x) == MG_ERR_BUSY);
    mg_node y = mg_record(arena, MG_MUL, w, x);
    mg_node unused = mg_record(arena, MG_ADD, y, x);
    mg_release(arena, unused);
    EXPECT(mg_backward(arena, y, 1.0, 0) == MG_OK);
    double number = 0.0, inputs[] = {-0.5};
    EXPECT(mg_data(arena, 1, &y, &number) == MG_ERR_RECORDED);
    EXPECT(mg_gradients(arena, 1, &w, &number) == MG_ERR_RECORDED);
    EXPECT(mg_grad(arena, y, 1, &w, &other) == MG_ERR_RECORDED);
    EXPECT(mg_script_close(arena, 1, &y, 0, &script) == MG_OK);
    EXPECT(mg_script_put(script, inputs) == MG_OK);
    EXPECT(mg_script_run(script, 2, 0, 0, NULL, NULL) == MG_OK);
    EXPECT(mg_script_get(script, &number) == MG_OK && number == -1.5);
    EXPECT(gradient_of(arena, w) == 2.0 - 0.5 - 0.5);
    EXPECT(nodes_of(arena) == 3);
    mg_script_free(script);
    EXPECT(mg_script_open(arena, 0, NULL) == MG_OK); /* nothing is computed */
    EXPECT(mg_script_close(arena, 1, &w, 0, &script) == MG_OK);
    EXPECT(mg_script_put(script, NULL) == MG_OK);
    EXPECT(mg_script_run(script, 2, 0, 0, NULL, NULL) == MG_OK);
    EXPECT(mg_script_get(script, &number) == MG_OK && number == 3.0);
    mg_script_free(script);
    mg_release(arena, w);
    mg_release(arena, x);
    mg_release(arena, y);
    EXPECT(mg_script_open(arena, 0, NULL) == MG_OK);
    mg_script_cancel(arena);
    ledger_arena_free(arena, &book);
}

/* A choice by an input: its program gives for each index what the list and the int give, in
 * any order of lanes; with what is no input or out of range nothing is chosen. */
static void test_choice(int flags)
{
    enum { COUNT = 3 };
    ledger book;
    mg_script *script;
    mg_arena *arena = ledger_arena(&book);
    mg_node w[COUNT], rows[COUNT], index = mg_leaf(arena, 1.0), other = mg_leaf(arena, 0.0);
    for (int i = 0; i < COUNT; i++) w[i] = mg_leaf(arena, 1.5 + i);
    EXPECT(mg_script_choose(arena, other, index, COUNT, w) == MG_ERR_ARG);
    EXPECT(mg_script_open(arena, 1, &index) == MG_OK);
    for (int i = 0; i < COUNT; i++) rows[i] = mg_record(arena, MG_MUL, w[i], w[0]);
    mg_node leaf = mg_leaf(arena, 0.0), most = mg_leaf(arena, 0.0);
    EXPECT(mg_script_choose(arena, other, index, COUNT, rows) == MG_ERR_ARG);
    EXPECT(mg_script_choose(arena, leaf, w[2], COUNT, rows) == MG_ERR_ARG);
    EXPECT(mg_script_choose(arena, leaf, index, COUNT, rows) == MG_OK);
    EXPECT(mg_script_largest(arena, most, COUNT, rows) == MG_OK);
    mg_node y = mg_record(arena, MG_MUL, leaf, most);
    EXPECT(mg_backward(arena, leaf, 1.0, 0) == MG_ERR_RECORDED);
    EXPECT(mg_backward(arena, y, 1.0, 0) == MG_OK);
    EXPECT(mg_script_close(arena, 1, &y, flags, &script) == MG_OK);
    EXPECT(data_of(arena, y) == 2.5 * 1.5 * (3.5 * 1.5));
    EXPECT(gradient_of(arena, w[1]) == 1.5 * (3.5 * 1.5) && gradient_of(arena, w[2]) == 0.0);
    for (int i = 0; i < COUNT; i++) {
        double number = i, w_of_row = 1.5 + i;
        mg_zero_gradients(arena, COUNT, w);
        EXPECT(mg_script_put(script, &number) == MG_OK);
        EXPECT(mg_script_run(script, 1, 0, 0, NULL, NULL) == MG_OK);
        EXPECT(mg_script_get(script, &number) == MG_OK);
        EXPECT(number == w_of_row * 1.5 * (3.5 * 1.5));
        for (int k = 1; k < COUNT; k++)
            EXPECT(gradient_of(arena, w[k]) == (k == i ? 1.5 * (3.5 * 1.5) : 0.0));
    }
    mg_script_free(script);
    mg_node all[] = {index, other, leaf, most, y};
    EXPECT(mg_release_all(arena, 5, all) == MG_OK);
    EXPECT(mg_release_all(arena, COUNT, w) == MG_OK);
    EXPECT(mg_release_all(arena, COUNT, rows) == MG_OK);
    ledger_arena_free(arena, &book);
}

/* A long sum is one chain; it takes memory in proportion. */
static void test_long_chain(int64_t count)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_script *script;
    mg_script_info info;
    mg_node x = mg_leaf(arena, 0.5), sum = mg_leaf(arena, 0.0);
    for (int64_t i = 0; i < count; i++) {
        mg_node product = mg_record_number(arena, MG_MUL, x, (double)i);
        mg_node next = mg_record(arena, MG_ADD, sum, product);
        mg_release(arena, product);
        mg_release(arena, sum);
        sum = next;
    }
    EXPECT(mg_script_compile(arena, sum, 0, NULL, 0, &script) == MG_OK);
    double loss = 0.0;
    EXPECT(mg_script_run(script, 1, 0, 0, NULL, &loss) == MG_OK);
    EXPECT(loss == data_of(arena, sum));
    EXPECT(mg_script_describe(script, &info) == MG_OK);
    EXPECT(info.instructions < 8 && info.bytes < 64 * count + 4096);
    mg_script_free(script);
    mg_release(arena, x);
    mg_release(arena, sum);
    ledger_arena_free(arena, &book);
}

/* ---- giving up --------------------------------------------------------------------- */

typedef struct questions {
    int64_t asked, give_up_at;
} questions;

static int gives_up(void *context)
{
    questions *q = context;
    return q->asked++ == q->give_up_at;
}

/* A sum of many, of which a program is long. */
static mg_node sum_of_many(mg_arena *arena, int count, mg_node x)
{
    mg_node sum = mg_leaf(arena, 0.0);
    for (int i = 0; i < count; i++) {
        mg_node product = mg_record_number(arena, MG_MUL, x, 1e-5 * i);
        mg_node curved = mg_record(arena, MG_TANH, product, 0);
        mg_node next = mg_record(arena, MG_ADD, sum, curved);
        const mg_node done[] = {product, curved, sum};
        mg_release_all(arena, 3, done);
        sum = next;
    }
    return sum;
}

/* A compilation that is given up, at early questions and later ones, leaves nothing. */
static void expect_no_program(mg_arena *arena, mg_node root, mg_number_update **all,
                              mg_script **made)
{
    const int64_t nodes = nodes_of(arena);
    int status = MG_ERR_INTERRUPTED;
    questions q = {0, 0};
    for (; status == MG_ERR_INTERRUPTED; q.give_up_at += 1 + q.give_up_at / 2) {
        q.asked = 0;
        EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
        status = mg_script_compile(arena, root, 1, all, 0, made);
        EXPECT(mg_work_end() == status && (status == MG_OK) == (*made != NULL));
        EXPECT(nodes_of(arena) == nodes);
    }
    EXPECT(status == MG_OK && q.give_up_at > 20);
}

/* Steps that are given up, at any question, are whole; what is left to be done later gives
 * the same bits. */
static void test_giving_up(void)
{
    enum { COUNT = 40000 / MG_ASK_OFTEN, STEPS = 3 };
    ledger book;
    mg_script *script;
    mg_arena *arena = ledger_arena(&book);
    double first = 0.0, second = 0.0, losses[STEPS], again[STEPS], data, gradient;
    int64_t steps = 0, done = 0;
    mg_node x = mg_leaf(arena, 0.5), root = sum_of_many(arena, COUNT, x);
    mg_number_update update = {.is_adam = 1, .count = 1, .parameters = &x, .first = &first,
                               .second = &second, .steps = &steps, .lr = 0.1,
                               .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
    mg_number_update *all[] = {&update};
    expect_no_program(arena, root, all, &script);
    EXPECT(mg_script_run(script, STEPS, 0, 0, &done, losses) == MG_OK);
    mg_data(arena, 1, &x, &data);
    const double start[] = {0.5};
    mg_set_data(arena, 1, &x, start);
    mg_zero_gradients(arena, 1, &x);
    first = second = 0.0;
    steps = 0;
    questions q = {0, 0};
    int given_up = 0;
    for (int64_t made = 0; made < STEPS; made += done, q.give_up_at += done == 0) {
        q.asked = 0;
        const double before[] = {data_of(arena, x), gradient_of(arena, x), first};
        EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
        int status = mg_script_run(script, STEPS - made, 0, 0, &done, again + made);
        EXPECT(mg_work_end() == status && steps == made + done);
        if (done) continue;
        given_up++;
        EXPECT(status == MG_ERR_INTERRUPTED && before[0] == data_of(arena, x));
        EXPECT(before[1] == gradient_of(arena, x) && before[2] == first);
    }
    EXPECT(given_up > 1 && !memcmp(losses, again, sizeof losses));
    EXPECT(data_of(arena, x) == data);
    mg_gradients(arena, 1, &x, &gradient);
    EXPECT(gradient != 0.0);
    mg_script_free(script);
    mg_release(arena, x);
    mg_release(arena, root);
    ledger_arena_free(arena, &book);
}

/* A backward that is recorded and given up has changed nothing; made again it is as ever,
 * and the recording ends without a program if some of it had been noted. A file is loaded
 * as a whole, or not at all. */
static void test_giving_up_a_recording(void)
{
    enum { COUNT = 40000 / MG_ASK_OFTEN };
    ledger book;
    mg_script *script = NULL;
    mg_arena *arena = ledger_arena(&book);
    mg_node x = mg_leaf(arena, 0.5);
    int given_up = 0, left = 0, status = MG_ERR_INTERRUPTED;
    double expected = 0.0;
    for (questions q = {0, 0}; status != MG_OK; q.give_up_at++, q.asked = 0) {
        EXPECT(mg_script_open(arena, 0, NULL) == MG_OK);
        mg_node root = sum_of_many(arena, COUNT, x);
        EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
        status = mg_backward(arena, root, 1.0, 0);
        EXPECT(mg_work_end() == status);
        given_up += status == MG_ERR_INTERRUPTED;
        if (status != MG_OK) EXPECT(mg_backward(arena, root, 1.0, 0) == MG_OK);
        mg_script_free(script);
        const int closed = mg_script_close(arena, 1, &root, 0, &script);
        left += closed == MG_MORE;
        EXPECT(closed == (script ? MG_OK : MG_MORE) && (status || script));
        if (expected == 0.0) expected = gradient_of(arena, x);
        EXPECT(expected != 0.0 && gradient_of(arena, x) == expected);
        mg_zero_gradients(arena, 1, &x);
        mg_release(arena, root);
    }
    EXPECT(left > 1 && given_up > left);
    mg_release(arena, x);
    const size_t size = (size_t)mg_script_save(script, NULL, 0, NULL);
    uint8_t *bytes = malloc(size);
    EXPECT(bytes && (size_t)mg_script_save(script, NULL, size, bytes) == size);
    mg_script_free(script);
    const int64_t nodes = nodes_of(arena);
    status = MG_ERR_INTERRUPTED;
    for (questions q = {0, 0}; status == MG_ERR_INTERRUPTED; q.give_up_at++, q.asked = 0) {
        EXPECT(mg_work_begin(gives_up, &q) == MG_OK);
        status = mg_script_load(arena, bytes, size, &script);
        EXPECT(mg_work_end() == status && (status == MG_OK) == (script != NULL));
        EXPECT(status == MG_OK || nodes_of(arena) == nodes);
    }
    EXPECT(status == MG_OK);
    mg_script_free(script);
    free(bytes);
    ledger_arena_free(arena, &book);
}

/* The levels of many max() behind a long one: 2^32 together. */
static void test_many_levels(void)
{
    enum { LONG = 66000 };
    static mg_node nodes[LONG];
    ledger book;
    mg_script *script;
    mg_arena *arena = ledger_arena(&book);
    const double input = 0.5;
    mg_node x = mg_leaf(arena, input), low = mg_leaf(arena, -3.0), y = x;
    for (int i = 0; i < LONG; i++) nodes[i] = mg_leaf(arena, i);
    EXPECT(mg_script_open(arena, 1, &x) == MG_OK);
    mg_node outputs[2] = {mg_leaf(arena, 0.0)};
    EXPECT(mg_script_largest(arena, outputs[0], LONG, nodes) == MG_OK);
    for (int i = 0; i < LONG; i++) {
        mg_node both[] = {mg_record_number(arena, MG_MUL, y, -1.0), low};
        if (y != x) mg_release(arena, y);
        y = mg_leaf(arena, 0.0);
        mg_script_largest(arena, y, 2, both);
        mg_release(arena, both[0]);
    }
    outputs[1] = y;
    EXPECT(mg_script_close(arena, 2, outputs, 0, &script) == MG_OK);
    double found[2] = {0.0, 0.0};
    EXPECT(mg_script_put(script, &input) == MG_OK);
    EXPECT(mg_script_run(script, 1, 0, 0, NULL, NULL) == MG_OK);
    EXPECT(mg_script_get(script, found) == MG_OK);
    EXPECT(found[0] == LONG - 1 && found[1] == input);
    mg_script_free(script);
    EXPECT(mg_release_all(arena, LONG, nodes) == MG_OK);
    EXPECT(mg_release_all(arena, 4, (mg_node[]){x, low, outputs[0], outputs[1]}) == MG_OK);
    ledger_arena_free(arena, &book);
}

int main(int count, char **arguments)
{
    const int64_t graphs = count > 1 ? atoll(arguments[1]) : 60;
    const int64_t numbers = count > 2 ? atoll(arguments[2]) : 2000;
    for (int set = 0; set < SETS; set++) {
        const lane_set *lanes = set_named(set_names[set]);
        if (lanes) test_pow(lanes, numbers);
        if (lanes) test_adam(lanes, numbers);
    }
    for (int64_t seed = 1; seed <= graphs; seed++) test_graph((uint64_t)seed);
    test_arguments();
    test_what_is_shown(0);
    test_what_is_shown(MG_UNROLLED);
    test_formulas();
    test_names_and_damage();
    test_many_claims();
    test_recording();
    test_choice(0);
    test_choice(MG_UNROLLED);
    test_long_chain(20000);
    test_giving_up();
    test_giving_up_a_recording();
    test_many_levels();
    return finish();
}
