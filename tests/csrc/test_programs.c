/* test_programs.c: steps of training as programs, against the same calls made again, bit for
 * bit: with other data and other arrays, in batches, with errors, and with allocations that
 * fail at each point of recording and of running. */
#include "expect.h"
#include "programs/programs.h"
#include "updates.h"

enum { ROWS = 4, INPUTS = 3, CLASSES = 2, STEPS = 5, ALL = 12 };

/* A model with what its steps need. */
typedef struct model {
    mg_arena *arena;
    ledger book;
    mg_node x, targets, w, m, v, loss;
    mg_rng noise;
    int64_t steps;
    double numbers[8];
} model;

static mg_node random_array(mg_arena *arena, mg_rng *rng, int64_t rows, int64_t columns)
{
    double numbers[ALL * INPUTS];
    const int64_t shape[] = {rows, columns};
    for (int64_t i = 0; i < rows * columns; i++) numbers[i] = full_number(rng) - 1.0;
    return mg_array(arena, MG_FLOAT64, 2, shape, numbers);
}

static mg_node targets_of(mg_arena *arena, int64_t rows, int64_t last)
{
    int64_t targets[ALL];
    for (int64_t i = 0; i < rows; i++) targets[i] = i % CLASSES;
    targets[rows - 1] = last;
    return mg_array(arena, MG_INT64, 1, &rows, targets);
}

static void model_open(model *m)
{
    static const double numbers[] = {0.1, 0.9, 0.99, 1e-8, 0.01, 0.0, 0.0, 1.0};
    const int64_t shape[] = {INPUTS, CLASSES};
    mg_rng rng;
    m->arena = ledger_arena(&m->book);
    mg_rng_seed(&rng, 7);
    mg_rng_seed(&m->noise, 9);
    m->x = random_array(m->arena, &rng, ROWS, INPUTS);
    m->targets = targets_of(m->arena, ROWS, 1);
    m->w = random_array(m->arena, &rng, INPUTS, CLASSES);
    m->m = mg_array(m->arena, MG_FLOAT64, 2, shape, NULL);
    m->v = mg_array(m->arena, MG_FLOAT64, 2, shape, NULL);
    m->loss = 0;
    m->steps = 0;
    memcpy(m->numbers, numbers, sizeof numbers);
    EXPECT(mg_require_gradient(m->arena, m->w, 1) == MG_OK);
}

static void model_close(model *m)
{
    mg_node all[] = {m->x, m->targets, m->w, m->m, m->v};
    mg_set_gradient(m->arena, m->w, 0);
    if (m->loss > 0) mg_release(m->arena, m->loss);
    EXPECT(mg_release_all(m->arena, 5, all) == MG_OK);
    ledger_arena_free(m->arena, &m->book);
}

static mg_update_group group_of_model(model *m, mg_node *arrays)
{
    arrays[0] = m->m, arrays[1] = m->v, arrays[2] = 0;
    return (mg_update_group){.count = 1, .parameters = &m->w, .arrays = arrays,
                             .steps = &m->steps, .numbers = m->numbers};
}

/* Make the noise that a step adds, and say that it is drawn. */
static mg_node noise_of(model *m)
{
    const int64_t shape[] = {ROWS, INPUTS};
    mg_array_info info;
    mg_node made = mg_array(m->arena, MG_FLOAT64, 2, shape, NULL);
    if (made < 0) return made;
    mg_array_describe(m->arena, made, &info);
    mg_rng_fill(&m->noise, MG_UNIFORM, MG_FLOAT64, 0.0, 0.1, info.count, info.data);
    int status = mg_record_random(m->arena, made, &m->noise, MG_UNIFORM, 0.0, 0.1, 0, 0);
    if (status == MG_OK) return made;
    mg_release(m->arena, made);
    return status;
}

/* Take gradients back from the loss. */
static int back(model *m)
{
    mg_sweep *sweep;
    const mg_node seed = 0;
    MG_TRY(mg_sweep_open(m->arena, 1, &m->loss, &seed, 0, NULL, MG_ACCUMULATE, &sweep));
    int status = mg_sweep_run(sweep, 0);
    mg_sweep_close(sweep);
    return status;
}

/* Make a step: the loss, gradients, an update. */
static int step(model *m)
{
    const int64_t how[] = {MG_REDUCE_MEAN, -100};
    const double smoothing = 0.0;
    mg_node arrays[3];
    mg_node noise = noise_of(m);
    if (noise < 0) return (int)noise;
    mg_node pair[] = {m->x, noise};
    mg_node moved = mg_apply(m->arena, MG_ADD, 2, pair, 0, NULL, 0, NULL, 0, 1);
    mg_release(m->arena, noise);
    if (moved < 0) return (int)moved;
    mg_node product[] = {moved, m->w};
    mg_node logits = mg_apply(m->arena, MG_MATMUL, 2, product, 0, NULL, 0, NULL, 0, 1);
    mg_release(m->arena, moved);
    if (logits < 0) return (int)logits;
    mg_node both[] = {logits, m->targets};
    mg_node loss =
        mg_apply(m->arena, MG_CROSS_ENTROPY, 2, both, 2, how, 1, &smoothing, 0, 1);
    mg_release(m->arena, logits);
    if (loss < 0) return (int)loss;
    if (m->loss > 0) mg_release(m->arena, m->loss);
    m->loss = loss;
    MG_TRY(mg_set_gradient(m->arena, m->w, 0));
    MG_TRY(back(m));
    const mg_update_group group = group_of_model(m, arrays);
    return mg_array_update(m->arena, MG_UPDATE_ADAM, 1, &group);
}

static const double *numbers_in(const model *m, mg_node handle)
{
    mg_array_info info;
    EXPECT(mg_array_describe(m->arena, handle, &info) == MG_OK);
    return info.data;
}

/* Compare what two models have learnt. */
static void expect_alike(model *a, model *b)
{
    mg_node of_a[] = {a->w, a->m, a->v, mg_gradient(a->arena, a->w)};
    mg_node of_b[] = {b->w, b->m, b->v, mg_gradient(b->arena, b->w)};
    for (int i = 0; i < 4; i++)
        EXPECT(!memcmp(numbers_in(a, of_a[i]), numbers_in(b, of_b[i]),
                       INPUTS * CLASSES * sizeof(double)));
    EXPECT(a->steps == b->steps && a->noise.state == b->noise.state);
    mg_release(a->arena, of_a[3]);
    mg_release(b->arena, of_b[3]);
}

/* Record a step. */
static int record(model *m, mg_program **made)
{
    const mg_node inputs[] = {m->x, m->targets};
    EXPECT(mg_recording(m->arena) == 0);
    MG_TRY(mg_record_open(m->arena));
    EXPECT(mg_record_open(m->arena) == MG_ERR_BUSY && mg_recording(m->arena) == 1);
    EXPECT(mg_record_pause(m->arena, 1) == 0 && mg_recording(m->arena) == 0);
    EXPECT(mg_record_pause(m->arena, 0) == 1);
    int status = step(m);
    if (status < 0) mg_record_cancel(m->arena);
    else status = mg_record_close(m->arena, 2, inputs, 1, &m->loss, made);
    EXPECT(mg_recording(m->arena) == 0);
    return status;
}

/* Count the entries of which is said such a thing. */
static int count_notes(mg_program *program, const char *text)
{
    int count = 0;
    for (int64_t i = 0; i < mg_program_fact(program, MG_ENTRIES); i++) {
        const char *note = mg_program_note(program, i);
        count += note && strstr(note, text);
    }
    return count;
}

static void test_runs(void)
{
    model eager, other;
    mg_program *program = NULL;
    int64_t done;
    double loss;
    mg_node found[8];
    model_open(&eager);
    model_open(&other);
    EXPECT(step(&eager) == MG_OK && record(&other, &program) == MG_OK);
    EXPECT(mg_program_fact(program, MG_SWEEPS) == 1);
    EXPECT(mg_program_fact(program, MG_UPDATES) == 1);
    EXPECT(mg_program_fact(program, MG_BYTES) > 0);
    EXPECT(!strcmp(mg_program_name(program, 0), "random_run"));
    EXPECT(!mg_program_name(program, mg_program_fact(program, MG_ENTRIES)));
    EXPECT(mg_program_found(program, 8, found) == 3 && mg_program_fact(program, 99) < 0);
    EXPECT(count_notes(program, "shares") == 2 && count_notes(program, "once") > 1);
    EXPECT(!mg_program_note(program, 0) && !mg_program_note(program, -1));
    for (int i = 0; i < STEPS; i++) {
        mg_rng rng;
        mg_rng_seed(&rng, 100 + (uint64_t)i);
        mg_release(eager.arena, eager.x);
        eager.x = random_array(eager.arena, &rng, ROWS, INPUTS);
        EXPECT(mg_program_put(program, 0, numbers_in(&eager, eager.x)) == MG_OK);
        EXPECT(step(&eager) == MG_OK);
        EXPECT(mg_program_run(program, 1, &done) == MG_OK && done == 1);
        EXPECT(mg_program_get(program, 0, &loss) == MG_OK);
        EXPECT(!memcmp(&loss, numbers_in(&eager, eager.loss), sizeof loss));
        expect_alike(&eager, &other);
    }
    mg_node shown = mg_program_output(program, 0);
    EXPECT(*numbers_in(&other, shown) == loss);
    EXPECT(mg_program_run(program, 2, &done) == MG_OK && done == 2);
    EXPECT(*numbers_in(&other, shown) == loss); /* it is the caller's */
    mg_release(other.arena, shown);
    EXPECT(step(&eager) == MG_OK && step(&eager) == MG_OK);
    expect_alike(&eager, &other);
    mg_program_free(program);
    mg_program_free(NULL);
    model_close(&eager);
    model_close(&other);
}

/* Other arrays, and another group, take the place of those recorded. */
static void test_other_arrays(void)
{
    model eager, other;
    mg_program *program = NULL;
    int64_t done;
    mg_node found[3], arrays[3];
    mg_rng rng;
    model_open(&eager);
    model_open(&other);
    EXPECT(step(&eager) == MG_OK && record(&other, &program) == MG_OK);
    EXPECT(mg_program_found(program, 3, found) == 3);
    const mg_node wide = random_array(other.arena, &eager.noise, ROWS, INPUTS + 1);
    for (int i = 0; i < 3; i++) {
        const mg_node before = found[i];
        found[i] = wide;
        EXPECT(mg_program_bind(program, 3, found) == MG_ERR_SHAPE);
        found[i] = before;
    }
    EXPECT(mg_program_bind(program, 2, found) == MG_ERR_ARG);
    mg_release(other.arena, wide);
    mg_rng_seed(&rng, 5);
    mg_release(eager.arena, eager.x);
    eager.x = random_array(eager.arena, &rng, ROWS, INPUTS);
    mg_rng_seed(&rng, 5);
    mg_node next = random_array(other.arena, &rng, ROWS, INPUTS);
    for (int i = 0; i < 3; i++)
        if (found[i] == other.x) found[i] = next;
    EXPECT(mg_program_bind(program, 3, found) == MG_OK);
    mg_release(other.arena, other.x);
    other.x = next;
    mg_rng_seed(&other.noise, 9);
    mg_rng_seed(&eager.noise, 9);
    eager.numbers[0] = other.numbers[0] = 0.5;
    const mg_update_group group = group_of_model(&other, arrays);
    EXPECT(mg_program_update(program, 0, 1, &group) == MG_OK);
    EXPECT(mg_program_update(program, 1, 1, &group) == MG_ERR_ARG);
    EXPECT(step(&eager) == MG_OK);
    EXPECT(mg_program_run(program, 1, &done) == MG_OK);
    expect_alike(&eager, &other);
    mg_program_free(program);
    model_close(&eager);
    model_close(&other);
}

/* The gradient of a parameter belongs to no other array: a program runs where its update
 * and the rest of it have the same one. */
static void test_other_parameters(void)
{
    model m;
    mg_program *program = NULL;
    mg_node found[3], arrays[3];
    int64_t done;
    mg_rng rng;
    model_open(&m);
    EXPECT(record(&m, &program) == MG_OK);
    EXPECT(mg_program_found(program, 3, found) == 3);
    mg_rng_seed(&rng, 5);
    const mg_node twin = random_array(m.arena, &rng, INPUTS, CLASSES);
    EXPECT(mg_require_gradient(m.arena, twin, 1) == MG_OK);
    for (int i = 0; i < 3; i++)
        if (found[i] == m.w) found[i] = twin;
    mg_update_group group = group_of_model(&m, arrays);
    group.parameters = &twin;
    EXPECT(mg_program_update(program, 0, 1, &group) == MG_OK);
    EXPECT(mg_program_run(program, 1, &done) == MG_MORE && done == 0);
    EXPECT(mg_program_bind(program, 3, found) == MG_OK);
    EXPECT(mg_program_run(program, 1, &done) == MG_OK && done == 1);
    EXPECT(mg_set_gradient(m.arena, twin, 0) == MG_OK);
    group.parameters = &m.w;
    EXPECT(mg_program_update(program, 0, 1, &group) == MG_OK);
    EXPECT(mg_program_run(program, 1, &done) == MG_MORE && done == 0);
    arrays[1] = arrays[0] + ((mg_node)1 << 32);
    EXPECT(mg_program_update(program, 0, 1, &group) == MG_ERR_STALE);
    mg_program_free(program);
    mg_release(m.arena, twin);
    model_close(&m);
}

static void test_batches(void)
{
    model eager, other;
    mg_program *program = NULL;
    int64_t done, order[ALL];
    double losses[ALL / ROWS];
    mg_rng rng;
    model_open(&eager);
    model_open(&other);
    EXPECT(step(&eager) == MG_OK && record(&other, &program) == MG_OK);
    mg_rng_seed(&rng, 3);
    const mg_node sources[] = {random_array(other.arena, &rng, ALL, INPUTS),
                               targets_of(other.arena, ALL, 0)};
    const double *all = numbers_in(&other, sources[0]);
    for (int64_t i = 0; i < ALL; i++) order[i] = (i * 5 + 2) % ALL;
    mg_fit plan = {.steps = ALL / ROWS, .rows = ROWS, .sources = sources};
    plan.order = order, plan.losses = losses;
    EXPECT(mg_program_fit(program, &plan, &done) == MG_OK && done == ALL / ROWS);
    for (int k = 0; k < ALL / ROWS; k++) {
        double *x = (double *)(uintptr_t)numbers_in(&eager, eager.x);
        int64_t *t =
            (int64_t *)(uintptr_t)(const void *)numbers_in(&eager, eager.targets);
        for (int i = 0; i < ROWS; i++) {
            int64_t row = order[k * ROWS + i];
            memcpy(x + i * INPUTS, all + row * INPUTS, INPUTS * sizeof *x);
            t[i] = row == ALL - 1 ? 0 : row % CLASSES;
        }
        EXPECT(step(&eager) == MG_OK);
        EXPECT(!memcmp(&losses[k], numbers_in(&eager, eager.loss), sizeof *losses));
    }
    expect_alike(&eager, &other);
    order[ROWS] = ALL;
    EXPECT(mg_program_fit(program, &plan, &done) == MG_ERR_INDEX && done == 1);
    mg_release_all(other.arena, 2, sources);
    mg_program_free(program);
    model_close(&eager);
    model_close(&other);
}

/* A target that is no class stops a run where it stops the calls. */
static void test_errors(void)
{
    model eager, other;
    mg_program *program = NULL;
    const int64_t bad[] = {0, 1, 7, 0}, good[] = {0, 1, 1, 0};
    int64_t done;
    model_open(&eager);
    model_open(&other);
    EXPECT(step(&eager) == MG_OK && record(&other, &program) == MG_OK);
    for (int i = 0; i < 3; i++) {
        const int64_t *targets = i == 1 ? bad : good;
        memcpy((void *)(uintptr_t)(const void *)numbers_in(&eager, eager.targets), targets,
               sizeof bad);
        EXPECT(mg_program_put(program, 1, targets) == MG_OK);
        int status = step(&eager);
        EXPECT(status == (i == 1 ? MG_ERR_INDEX : MG_OK));
        EXPECT(mg_program_run(program, 1, &done) == status);
        EXPECT((mg_program_fact(program, MG_FAULT) >= 0) == (i == 1));
        expect_alike(&eager, &other);
    }
    EXPECT(mg_set_gradient(other.arena, other.w, 0) == MG_OK);
    EXPECT(mg_program_run(program, 1, &done) == MG_OK);
    mg_program_free(program);
    model_close(&eager);
    model_close(&other);
}

/* A check holds in each run, and shows what it is about. */
static void test_checks(void)
{
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    const int64_t count = 2, values[] = {5, 7};
    const uint8_t bools[][2] = {{1, 1}, {1, 0}};
    mg_program *program;
    int64_t done;
    mg_node test = mg_array(arena, MG_BOOL, 1, &count, bools[0]);
    mg_node about = mg_array(arena, MG_INT64, 1, &count, values);
    EXPECT(mg_record_require(arena, test, 0, MG_ERR_SHAPE) == MG_ERR_ARG);
    EXPECT(mg_record_require(arena, about, 0, MG_ERR_ARG) == MG_ERR_DTYPE);
    EXPECT(mg_record_require(arena, test, 1, MG_ERR_ARG) == MG_ERR_STALE);
    EXPECT(mg_record_open(arena) == MG_OK);
    EXPECT(mg_record_require(arena, test, about, MG_ERR_INDEX) == MG_OK);
    EXPECT(mg_record_close(arena, 1, &test, 0, NULL, &program) == MG_OK);
    for (int i = 0; i < 4; i++) {
        EXPECT(mg_program_put(program, 0, bools[i % 2]) == MG_OK);
        int status = mg_program_run(program, 1, &done);
        EXPECT(status == (i % 2 ? MG_ERR_INDEX : MG_OK) && done == !(i % 2));
    }
    mg_node shown = mg_program_operand(program, 0, 1);
    mg_array_info info;
    EXPECT(mg_array_describe(arena, shown, &info) == MG_OK);
    EXPECT(info.count == count && !memcmp(info.data, values, sizeof values));
    EXPECT(mg_program_operand(program, 0, 2) == MG_ERR_ARG);
    EXPECT(mg_program_operand(program, 1, 0) == MG_ERR_ARG);
    EXPECT(mg_release(arena, shown) == MG_OK);
    mg_program_free(program);
    EXPECT(mg_release(arena, test) == MG_OK && mg_release(arena, about) == MG_OK);
    ledger_arena_free(arena, &book);
}

/* Refuse each allocation in turn, of recording and then of a run. */
static void test_faults(void)
{
    for (int64_t after = 0, left = 1; left; after++) {
        model m;
        mg_program *program = NULL;
        int64_t done;
        model_open(&m);
        mg_arena_fail(m.arena, after, 0);
        int status = record(&m, &program);
        EXPECT(status == MG_OK || status == MG_ERR_NOMEM);
        if (status == MG_OK) {
            mg_node held = mg_gradient(m.arena, m.w); /* a run takes other memory */
            status = mg_program_run(program, 1, &done);
            EXPECT(status == MG_OK || status == MG_ERR_NOMEM);
            left = status != MG_OK || after < 3;
            mg_arena_fail(m.arena, -1, 0);
            EXPECT(mg_program_run(program, 1, &done) == MG_OK);
            if (held > 0) mg_release(m.arena, held);
        }
        mg_arena_fail(m.arena, -1, 0);
        mg_program_free(program);
        model_close(&m);
        if (after > 1000) break;
    }
}

/* ---- files ------------------------------------------------------------------------- */

enum { FILE_ROOM = 1 << 13, FILE_ARRAYS_MOST = 16 };
static uint64_t file_words[FILE_ROOM / 8];

static int64_t saved(mg_program *program, const char *const *names)
{
    return mg_program_save(program, names, sizeof file_words, file_words);
}

/* What is loaded goes on as what was saved. */
static void test_files(void)
{
    model m;
    mg_program *program = NULL, *loaded;
    const char *names[FILE_ARRAYS_MOST] = {NULL}, *found[FILE_ARRAYS_MOST];
    mg_node nodes[FILE_ARRAYS_MOST];
    int64_t done;
    model_open(&m);
    EXPECT(record(&m, &program) == MG_OK && mg_program_run(program, 2, &done) == MG_OK);
    const int64_t count = mg_program_arrays(program, FILE_ARRAYS_MOST, nodes);
    for (int64_t i = 0; i < count; i++) names[i] = nodes[i] == m.w ? "w" : NULL;
    const int64_t size = saved(program, names);
    EXPECT(size > 64 && size <= (int64_t)sizeof file_words && !mg_program_unsaved(program));
    EXPECT(mg_file_kind(file_words, (size_t)size) == 2);
    EXPECT(mg_record_open(m.arena) == MG_OK);
    EXPECT(mg_program_load(m.arena, file_words, (size_t)size, &loaded) == MG_ERR_BUSY);
    mg_record_cancel(m.arena);
    EXPECT(mg_program_load(m.arena, file_words, (size_t)size, &loaded) == MG_OK);
    EXPECT(mg_program_names(loaded, FILE_ARRAYS_MOST, nodes, found) == count);
    for (int64_t i = 0; i < count; i++) EXPECT(!strcmp(found[i], names[i] ? "w" : ""));
    EXPECT(mg_program_input(loaded, 0) > 0 && mg_program_input(loaded, 2) < 0);
    for (int i = 0; i < STEPS; i++) {
        double loss[2];
        EXPECT(mg_program_run(program, 1, &done) == MG_OK);
        EXPECT(mg_program_run(loaded, 1, &done) == MG_OK);
        EXPECT(mg_program_get(program, 0, &loss[0]) == MG_OK);
        EXPECT(mg_program_get(loaded, 0, &loss[1]) == MG_OK);
        EXPECT(!memcmp(&loss[0], &loss[1], sizeof *loss));
    }
    for (int64_t i = 0; i < size; i += 5) {
        mg_program *none;
        ((uint8_t *)file_words)[i] ^= 4;
        EXPECT(mg_program_load(m.arena, file_words, (size_t)size, &none) == MG_ERR_FILE);
        EXPECT(!none);
        ((uint8_t *)file_words)[i] ^= 4;
    }
    mg_program_free(loaded);
    mg_program_free(program);
    model_close(&m);
}

/* Refuse each allocation in turn, of saving and of loading. */
static void test_file_faults(void)
{
    for (int64_t after = 0, left = 1; left && after < 3000; after++) {
        model m;
        mg_program *program = NULL, *loaded = NULL;
        int64_t done;
        model_open(&m);
        EXPECT(record(&m, &program) == MG_OK);
        mg_arena_fail(m.arena, after, 0);
        const int64_t size = saved(program, NULL);
        EXPECT(size > 0 || size == MG_ERR_NOMEM);
        int status = MG_ERR_NOMEM;
        if (size > 0) status = mg_program_load(m.arena, file_words, (size_t)size, &loaded);
        EXPECT(status == MG_OK || (status == MG_ERR_NOMEM && !loaded));
        left = status != MG_OK;
        mg_arena_fail(m.arena, -1, 0);
        EXPECT(mg_program_run(program, 1, &done) == MG_OK);
        if (loaded) EXPECT(mg_program_run(loaded, 1, &done) == MG_OK);
        mg_program_free(loaded);
        mg_program_free(program);
        model_close(&m);
    }
}

/* ---- functions --------------------------------------------------------------------- */

/* Nodes of a step, let go of at its end; the first error. */
typedef struct nodes {
    mg_arena *arena;
    mg_node made[16];
    int count, status;
} nodes;

static mg_node keep(nodes *n, mg_node made)
{
    if (made > 0) n->made[n->count++] = made;
    if (made < 0 && n->status == MG_OK) n->status = (int)made;
    return made;
}

static mg_node keep_apply(nodes *n, int op, int record, mg_node a, mg_node b)
{
    const mg_node operands[] = {a, b};
    const int64_t whole[] = {3, 0}, number = 0;
    if (n->status < 0) return 0;
    return keep(n, mg_apply(n->arena, op, b ? 2 : 1, operands,
                            op == MG_SUM ? 2 : op == MG_OUTPUT, op == MG_SUM ? whole : &number,
                            0, NULL, 0, record));
}

/* Take gradients from a root to the leaves, or by w, whose function passes on g * w. */
static mg_node function_back(nodes *n, const model *m, mg_node root, mg_node output,
                             bool gives)
{
    mg_sweep *sweep;
    mg_node given = 0;
    int status = n->status;
    if (status == MG_OK)
        status = mg_sweep_open(n->arena, 1, &root, NULL, gives, &m->w,
                               gives ? MG_GIVE : MG_ACCUMULATE, &sweep);
    if (status < 0) return keep(n, status);
    while ((status = mg_sweep_run(sweep, 0)) == MG_CALL) {
        const mg_node g = keep(n, mg_sweep_gradient(sweep, output));
        const mg_node part = keep_apply(n, MG_MUL, 0, g, m->w);
        status = n->status == MG_OK ? mg_sweep_contribute(sweep, 0, part) : n->status;
        if (status < 0) break;
    }
    if (status == MG_OK && gives) status = mg_sweep_give(sweep, &given);
    mg_sweep_close(sweep);
    return keep(n, status < 0 ? status : given);
}

/* y of w is a function's; the loss is the sum of y + w; its slope by w moves w, and it
 * has a gradient. */
static int function_step(model *m)
{
    nodes n = {.arena = m->arena};
    const mg_node square = keep_apply(&n, MG_MUL, 0, m->w, m->w);
    const mg_node hub = keep_apply(&n, MG_FUNCTION, 1, m->w, 0);
    const mg_node y = keep_apply(&n, MG_OUTPUT, 1, hub, square);
    const mg_node sum = keep_apply(&n, MG_ADD, 1, y, m->w);
    const mg_node loss = keep_apply(&n, MG_SUM, 1, sum, 0);
    const mg_node slope = function_back(&n, m, loss, y, true);
    if (n.status == MG_OK) keep(&n, mg_set_gradient(m->arena, m->w, 0));
    function_back(&n, m, loss, y, false);
    if (n.status == MG_OK) keep(&n, mg_apply_in_place(m->arena, MG_MUL, m->m, slope, 0));
    if (n.status == MG_OK && m->loss > 0) mg_release(m->arena, m->loss);
    if (n.status == MG_OK && mg_retain(m->arena, loss) == MG_OK) m->loss = loss;
    for (int i = 0; i < n.count; i++) mg_release(m->arena, n.made[i]);
    return n.status;
}

static int record_function(model *m, mg_program **made)
{
    MG_TRY(mg_record_open(m->arena));
    int status = function_step(m);
    if (status < 0) mg_record_cancel(m->arena);
    else status = mg_record_close(m->arena, 0, NULL, 1, &m->loss, made);
    return status;
}

/* A function and what its caller does at it are in a file. */
static void test_functions(void)
{
    model m, other;
    mg_program *program = NULL, *loaded, *none;
    int64_t done;
    double loss[2];
    model_open(&m);
    model_open(&other);
    EXPECT(record_function(&m, &program) == MG_OK && !mg_program_unsaved(program));
    const int64_t size = saved(program, NULL);
    EXPECT(size > 64 && size <= (int64_t)sizeof file_words);
    EXPECT(mg_program_load(m.arena, file_words, (size_t)size, &loaded) == MG_OK);
    EXPECT(function_step(&other) == MG_OK);
    for (int i = 0; i < STEPS; i++) {
        EXPECT(function_step(&other) == MG_OK);
        EXPECT(mg_program_run(program, 1, &done) == MG_OK);
        EXPECT(mg_program_run(loaded, 1, &done) == MG_OK);
        EXPECT(mg_program_get(program, 0, &loss[0]) == MG_OK);
        EXPECT(mg_program_get(loaded, 0, &loss[1]) == MG_OK);
        EXPECT(!memcmp(&loss[0], &loss[1], sizeof *loss));
        EXPECT(!memcmp(&loss[0], numbers_in(&other, other.loss), sizeof *loss));
        expect_alike(&m, &other);
    }
    for (int64_t i = 0; i < size; i += 5) {
        ((uint8_t *)file_words)[i] ^= 4;
        EXPECT(mg_program_load(m.arena, file_words, (size_t)size, &none) == MG_ERR_FILE);
        ((uint8_t *)file_words)[i] ^= 4;
    }
    mg_program_free(loaded);
    mg_program_free(program);
    model_close(&m);
    model_close(&other);
}

/* Refuse each allocation in turn, of recording, saving and loading such a step. */
static void test_function_faults(void)
{
    for (int64_t after = 0, left = 1; left && after < 3000; after++) {
        model m;
        mg_program *program = NULL, *loaded = NULL;
        model_open(&m);
        mg_arena_fail(m.arena, after, 0);
        int status = record_function(&m, &program);
        const int64_t size = status == MG_OK ? saved(program, NULL) : status;
        status = size < 0 ? (int)size : MG_OK;
        EXPECT(!mg_recording(m.arena));
        if (status == MG_OK)
            status = mg_program_load(m.arena, file_words, (size_t)size, &loaded);
        EXPECT(status == MG_OK || (status == MG_ERR_NOMEM && !loaded));
        left = status != MG_OK;
        mg_program_free(loaded);
        mg_program_free(program);
        model_close(&m);
    }
}

/* Sweeps that a file cannot tell are recorded, and say why they are not saved. */
static void test_untold_sweeps(void)
{
    for (int kind = 0; kind < 3; kind++) {
        model m;
        nodes n;
        mg_sweep *sweep, *other;
        mg_program *program = NULL;
        model_open(&m);
        n = (nodes){.arena = m.arena};
        EXPECT(mg_record_open(m.arena) == MG_OK);
        const mg_node hub = keep_apply(&n, MG_FUNCTION, 1, m.w, 0);
        const mg_node y = keep_apply(&n, MG_OUTPUT, 1, hub, m.x);
        const mg_node loss = keep_apply(&n, MG_SUM, 1, y, 0);
        EXPECT(mg_sweep_open(m.arena, 1, &loss, NULL, 1, &m.w, MG_GIVE, &sweep) == MG_OK);
        EXPECT(mg_sweep_run(sweep, 0) == MG_CALL);
        if (kind == 0) keep(&n, mg_sweep_gradient(sweep, loss)); /* no output */
        if (kind == 1) { /* in turn with another one */
            EXPECT(mg_sweep_open(m.arena, 1, &loss, NULL, 1, &m.w, MG_GIVE, &other) == MG_OK);
            EXPECT(mg_sweep_run(sweep, 0) == MG_OK);
            EXPECT(mg_sweep_run(other, 0) == MG_CALL && mg_sweep_run(other, 0) == MG_OK);
            mg_sweep_close(other);
        }
        mg_sweep_close(sweep); /* of kind 2 before its end */
        EXPECT(n.status == MG_OK && mg_record_close(m.arena, 0, NULL, 0, NULL, &program) == 0);
        EXPECT(strstr(mg_program_unsaved(program), kind == 1 ? "in turn" : "given up") != NULL);
        EXPECT(saved(program, NULL) == MG_ERR_RECORDED);
        mg_program_free(program);
        for (int i = 0; i < n.count; i++) mg_release(m.arena, n.made[i]);
        model_close(&m);
    }
}

/* ---- giving up --------------------------------------------------------------------- */

static int gives_up(void *context)
{
    int *left = context;
    return (*left)-- == 0;
}

/* A load, or the end of a recording, that is given up at any question leaves nothing. */
static void test_giving_up(void)
{
    model m;
    mg_usage before, after;
    mg_program *program = NULL, *loaded = NULL;
    int given_up = 0;
    model_open(&m);
    for (int k = 0, status = MG_ERR_INTERRUPTED; status != MG_OK; k++) {
        int left = k;
        EXPECT(mg_record_open(m.arena) == MG_OK && step(&m) == MG_OK);
        EXPECT(mg_work_begin(gives_up, &left) == MG_OK);
        status = mg_record_close(m.arena, 0, NULL, 0, NULL, &program);
        EXPECT((mg_work_end() == MG_ERR_INTERRUPTED) == (status == MG_ERR_INTERRUPTED));
        given_up += status == MG_ERR_INTERRUPTED;
        if (!EXPECT(status == MG_OK || status == MG_ERR_INTERRUPTED)) break;
        EXPECT(!mg_recording(m.arena));
    }
    EXPECT(given_up > 0);
    const int64_t size = saved(program, NULL);
    mg_arena_usage(m.arena, &before);
    given_up = 0;
    for (int k = 0, status = MG_ERR_INTERRUPTED; status != MG_OK; k++) {
        int left = k;
        EXPECT(mg_work_begin(gives_up, &left) == MG_OK);
        status = mg_program_load(m.arena, file_words, (size_t)size, &loaded);
        mg_work_end();
        given_up += status == MG_ERR_INTERRUPTED;
        if (!EXPECT(status == MG_OK || (status == MG_ERR_INTERRUPTED && !loaded))) break;
        mg_arena_usage(m.arena, &after);
        EXPECT(status == MG_OK || after.bytes == before.bytes);
        EXPECT(!mg_recording(m.arena));
    }
    EXPECT(given_up > 1);
    mg_program_free(loaded);
    mg_program_free(program);
    model_close(&m);
}

/* Open a recording of a sum of so many terms. */
static void sum_record(mg_arena *arena, mg_node x, int terms, mg_node *sum)
{
    EXPECT(mg_record_open(arena) == MG_OK);
    *sum = x;
    for (int i = 1; i < terms; i++) {
        const mg_node terms_of[] = {*sum, x};
        const mg_node next = mg_apply(arena, MG_ADD, 2, terms_of, 0, NULL, 0, NULL, 0, 0);
        if (i > 1) mg_release(arena, *sum);
        *sum = next;
    }
}

/* Close it, with a work open that question number `give_up_at` ends; *asked: how many there
 * were. */
static int sum_close(mg_arena *arena, mg_node x, mg_node sum, int give_up_at, int *asked,
                     mg_program **program)
{
    int left = give_up_at;
    EXPECT(mg_work_begin(gives_up, &left) == MG_OK);
    const int status = mg_record_close(arena, 1, &x, 1, &sum, program);
    EXPECT((mg_work_end() == MG_ERR_INTERRUPTED) == (status == MG_ERR_INTERRUPTED));
    EXPECT(!mg_recording(arena));
    mg_release(arena, sum);
    *asked = give_up_at - left;
    return status;
}

/* The end of a long recording, and a load, ask all along, and leave nothing when they are
 * given up at any question. */
static void test_long_programs_ask(void)
{
    enum { PIECES = 3, TERMS = PIECES * TAPE_ASKS, PASSES = 20, LOADS = 24 };
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    const mg_node x = mg_array(arena, MG_FLOAT64, 0, NULL, NULL);
    mg_program *program = NULL, *loaded = NULL;
    mg_usage before, after;
    mg_node sum;
    int asked = 0, status = MG_ERR_INTERRUPTED;
    sum_record(arena, x, TERMS, &sum); /* the arena has its first memory */
    mg_record_cancel(arena);
    mg_release(arena, sum);
    mg_arena_usage(arena, &before);
    for (int k = 0; status == MG_ERR_INTERRUPTED; k++) {
        sum_record(arena, x, TERMS, &sum);
        status = sum_close(arena, x, sum, k, &asked, &program);
        mg_arena_usage(arena, &after);
        EXPECT(status == MG_OK || after.bytes == before.bytes);
    }
    EXPECT(status == MG_OK && asked >= PASSES * PIECES);
    const int64_t size = mg_program_save(program, NULL, 0, NULL);
    uint64_t *file = malloc((size_t)size);
    EXPECT(file && mg_program_save(program, NULL, (size_t)size, file) == size);
    mg_arena_usage(arena, &before);
    status = MG_ERR_INTERRUPTED;
    for (int k = 0; status == MG_ERR_INTERRUPTED; k++) {
        int left = k;
        EXPECT(mg_work_begin(gives_up, &left) == MG_OK);
        status = mg_program_load(arena, file, (size_t)size, &loaded);
        EXPECT((mg_work_end() == MG_ERR_INTERRUPTED) == (status == MG_ERR_INTERRUPTED));
        mg_arena_usage(arena, &after);
        EXPECT(status == MG_OK || (!loaded && after.bytes == before.bytes));
        asked = k - left;
    }
    EXPECT(status == MG_OK && asked >= LOADS * PIECES);
    mg_program_free(loaded);
    mg_program_free(program);
    mg_release(arena, x);
    ledger_arena_free(arena, &book);
    free(file);
}

/* Expect an array of an entry within memory that a program has. */
static void expect_placed(mg_program *program, int64_t entry, int which)
{
    mg_placed placed;
    mg_storage memory;
    EXPECT(mg_program_placed(program, entry, which, &placed) == MG_OK);
    if (placed.storage < 0) return;
    EXPECT(mg_program_storage(program, placed.storage, &memory) == MG_OK);
    int64_t last = 0;
    for (int d = 0; d < placed.rank; d++) last += (placed.shape[d] - 1) * placed.strides[d];
    EXPECT(placed.offset >= 0);
    EXPECT(placed.offset + (last + 1) * (int64_t)dtype_sizes[placed.dtype] <= memory.size);
}

/* Entry by entry a run gives what it gives at once. */
static void test_entries_one_by_one(void)
{
    model at_once, slow;
    mg_program *program = NULL, *other = NULL;
    int64_t done;
    model_open(&at_once);
    model_open(&slow);
    EXPECT(record(&at_once, &program) == MG_OK && record(&slow, &other) == MG_OK);
    EXPECT(mg_program_run(program, 1, &done) == MG_OK);
    const int64_t count = mg_program_fact(other, MG_ENTRIES);
    for (int64_t i = -1; i <= count; i++) EXPECT(mg_program_step(other, i) >= MG_OK);
    expect_alike(&at_once, &slow);
    EXPECT(mg_program_step(other, -2) == MG_ERR_ARG);
    EXPECT(mg_program_step(other, count + 1) == MG_ERR_ARG);
    mg_program_free(program);
    mg_program_free(other);
    model_close(&at_once);
    model_close(&slow);
}

/* What is told of a program to those who write it elsewhere. */
static void test_what_is_shown(void)
{
    model m;
    mg_program *program = NULL;
    mg_entry entry;
    mg_placed placed;
    mg_storage memory;
    int64_t i = 0, updates = 0, found = 0;
    model_open(&m);
    EXPECT(record(&m, &program) == MG_OK);
    const int64_t count = mg_program_fact(program, MG_ENTRIES);
    for (; i < count; i++) {
        EXPECT(mg_program_entry(program, i, &entry) == MG_OK);
        EXPECT(!strcmp(entry.name, mg_program_name(program, i)));
        updates += !strcmp(entry.kind, "update");
        for (int k = 0; k < entry.array_count; k++) expect_placed(program, i, k);
        EXPECT(mg_program_placed(program, i, -1, &placed) == MG_ERR_ARG);
    }
    EXPECT(updates == 1);
    EXPECT(mg_program_entry(program, count, &entry) == MG_ERR_ARG);
    EXPECT(mg_program_entry(program, -1, &entry) == MG_ERR_ARG);
    EXPECT(mg_program_placed(program, count, 0, &placed) == MG_ERR_ARG);
    EXPECT(mg_program_storage(program, -1, &memory) == MG_ERR_ARG);
    for (i = 0; mg_program_storage(program, i, &memory) == MG_OK; i++)
        found += memory.role == MG_STORAGE_FOUND;
    EXPECT(i > 5 && found == 3);
    mg_program_free(program);
    model_close(&m);
}

/* ---- blocks ------------------------------------------------------------------------ */

enum { LONG = 3000 }; /* elements, no multiple of a block */

/* What ops of elements are made with, and what they make. */
typedef struct elements {
    mg_arena *arena;
    ledger book;
    mg_node x, w, y, loss;
} elements;

static mg_node apply(mg_arena *arena, int op, mg_node a, mg_node b)
{
    const mg_node operands[] = {a, b};
    return mg_apply(arena, op, b ? 2 : 1, operands, 0, NULL, 0, NULL, 0, 1);
}

/* y = tanh(x * w + x[7]) * w - x, of which the loss is the sum; what is in between is let
 * go at once, so that it is used again. */
static int elements_step(elements *e)
{
    mg_arena *arena = e->arena;
    const int64_t slice[] = {7, 1, 1}, how[] = {1, 0};
    mg_node at = mg_apply(arena, MG_SLICE, 1, &e->x, 3, slice, 0, NULL, 0, 0);
    mg_node a = apply(arena, MG_MUL, e->x, e->w), b = apply(arena, MG_ADD, a, at);
    mg_node c = apply(arena, MG_TANH, b, 0), d = apply(arena, MG_MUL, c, e->w);
    mg_release(arena, b);
    if (e->y) EXPECT(mg_release(arena, e->y) == MG_OK);
    e->y = apply(arena, MG_SUB, d, e->x);
    if (e->loss) EXPECT(mg_release(arena, e->loss) == MG_OK);
    e->loss = mg_apply(arena, MG_SUM, 1, &e->y, 2, how, 0, NULL, 0, 1);
    const mg_node used[] = {at, a, c, d};
    EXPECT(mg_release_all(arena, 4, used) == MG_OK);
    EXPECT(mg_set_gradient(arena, e->w, 0) == MG_OK);
    mg_sweep *sweep;
    const mg_node seed = 0;
    MG_TRY(mg_sweep_open(arena, 1, &e->loss, &seed, 0, NULL, MG_ACCUMULATE, &sweep));
    int status = mg_sweep_run(sweep, 0);
    mg_sweep_close(sweep);
    return status;
}

static void elements_open(elements *e, int dtype)
{
    static double numbers[2][LONG];
    const int64_t count = LONG;
    int64_t to = dtype;
    mg_rng rng;
    mg_rng_seed(&rng, 3);
    for (int i = 0; i < 2 * LONG; i++) numbers[i / LONG][i % LONG] = full_number(&rng) - 1.0;
    *e = (elements){0};
    e->arena = ledger_arena(&e->book);
    for (int k = 0; k < 2; k++) {
        mg_node wide = mg_array(e->arena, MG_FLOAT64, 1, &count, numbers[k]);
        mg_node made = mg_apply(e->arena, MG_CAST, 1, &wide, 1, &to, 0, NULL, 0, 0);
        *(k ? &e->w : &e->x) = made;
        EXPECT(made > 0 && mg_release(e->arena, wide) == MG_OK);
    }
    EXPECT(mg_require_gradient(e->arena, e->w, 1) == MG_OK);
}

static void expect_same(elements *a, elements *b)
{
    mg_array_info of_a, of_b;
    mg_node left[] = {a->y, mg_gradient(a->arena, a->w)};
    mg_node right[] = {b->y, mg_gradient(b->arena, b->w)};
    for (int i = 0; i < 2; i++) {
        EXPECT(mg_array_describe(a->arena, left[i], &of_a) == MG_OK);
        EXPECT(mg_array_describe(b->arena, right[i], &of_b) == MG_OK);
        EXPECT(!memcmp(of_a.data, of_b.data, LONG * dtype_sizes[of_a.dtype]));
    }
    EXPECT(mg_release(a->arena, left[1]) == MG_OK);
    EXPECT(mg_release(b->arena, right[1]) == MG_OK);
}

/* Programs make ops of elements block by block, entry by entry they do not: with the same
 * bits, also where what is read is other than when it was recorded. */
static void test_blocks(int dtype)
{
    elements eager, other;
    mg_program *program = NULL;
    int64_t done;
    elements_open(&eager, dtype);
    elements_open(&other, dtype);
    EXPECT(mg_record_open(other.arena) == MG_OK && elements_step(&other) == MG_OK);
    const mg_node outputs[] = {other.y, other.loss};
    EXPECT(mg_record_close(other.arena, 1, &other.x, 2, outputs, &program) == MG_OK);
    EXPECT(count_notes(program, "in blocks with the next") == 2);
    EXPECT(count_notes(program, "in blocks") >= 7);
    const int64_t count = mg_program_fact(program, MG_ENTRIES);
    for (int i = 0; i < 4; i++) {
        EXPECT(mg_apply_in_place(eager.arena, MG_SIN, eager.x, 0, 0) == MG_OK);
        EXPECT(mg_apply_in_place(other.arena, MG_SIN, other.x, 0, 0) == MG_OK);
        EXPECT(elements_step(&eager) == MG_OK);
        if (i & 1)
            for (int64_t k = -1; k <= count; k++) mg_program_step(program, k);
        else EXPECT(mg_program_run(program, 1 + i, &done) == MG_OK && done == 1 + i);
        EXPECT(mg_release(other.arena, other.y) == MG_OK);
        other.y = mg_program_output(program, 0);
        expect_same(&eager, &other);
    }
    mg_program_free(program);
    ledger_arena_free(eager.arena, &eager.book);
    ledger_arena_free(other.arena, &other.book);
}

/* What is open is freed with its arena. */
static void test_left(void)
{
    model m;
    mg_program *program = NULL;
    model_open(&m);
    EXPECT(record(&m, &program) == MG_OK);
    EXPECT(mg_record_open(m.arena) == MG_OK);
    EXPECT(step(&m) == MG_OK);
    model_close(&m);
}

int main(void)
{
    test_runs();
    test_blocks(MG_FLOAT32);
    test_blocks(MG_FLOAT64);
    test_other_arrays();
    test_other_parameters();
    test_batches();
    test_errors();
    test_checks();
    test_faults();
    test_files();
    test_file_faults();
    test_functions();
    test_function_faults();
    test_untold_sweeps();
    test_giving_up();
    test_long_programs_ask();
    test_what_is_shown();
    test_entries_one_by_one();
    test_left();
    return finish();
}
