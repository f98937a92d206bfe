/* hash.c: one number for all the arithmetic of arrays: the hash of a network's first
 * weights, of its weights after 100 steps, of its logits, of ops large enough for threads,
 * of functions, and of every optimizer's steps. It is the same for every compiler, level,
 * instruction set, number of threads and processor: tests/bits.sh compares them with the
 * one that csrc/SPEC.md states.
 *
 *   hash [instruction set [threads]] */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micrograd.h"
#include "updates.h"

enum { ROWS = 80, IN = 2, HIDDEN = 24, CLASSES = 3, STEPS = 100, PARAMETERS = 6 };

static mg_arena *arena;
static mg_rng rng;
static uint64_t hash = 14695981039346656037u; /* FNV-1a, Fowler, Noll and Vo */

static mg_node alive(mg_node made, const char *what)
{
    if (made > 0) return made;
    fprintf(stderr, "%s: %s\n", what, mg_status_text((int)made));
    exit(1);
}

static void done(int status, const char *what)
{
    if (status < 0) alive(status, what);
}

/* Return the bits of a number; all NaN are one. */
static uint64_t bits_at(const mg_array_info *info, int64_t i)
{
    if (info->dtype == MG_FLOAT32) {
        uint32_t bits = ((const uint32_t *)info->data)[i];
        return (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC00000u : bits;
    }
    uint64_t bits = ((const uint64_t *)info->data)[i], nan = (uint64_t)0x7FF8 << 48;
    return (bits & ~((uint64_t)1 << 63)) > (uint64_t)0x7FF0 << 48 ? nan : bits;
}

/* Hash the elements of an array, whatever the order of their bytes in memory. */
static void add_to_hash(mg_node node)
{
    mg_array_info info;
    done(mg_array_describe(arena, node, &info), "describe");
    if (!info.contiguous || info.dtype > MG_FLOAT64) exit(1);
    for (int64_t i = 0; i < info.count; i++) {
        uint64_t bits = bits_at(&info, i);
        for (int byte = 0; byte < (info.dtype == MG_FLOAT32 ? 4 : 8); byte++)
            hash = (hash ^ (bits >> 8 * byte & 0xFF)) * 1099511628211u;
    }
}

static mg_node apply(int op, int count, const mg_node *operands, int integer_count,
                     const int64_t *integers, int number_count, const double *numbers)
{
    return alive(mg_apply(arena, op, count, operands, integer_count, integers,
                          number_count, numbers, 0, 1), mg_op_name(op));
}

static mg_node one(int op, mg_node a)
{
    mg_node made = apply(op, 1, &a, 0, NULL, 0, NULL);
    mg_release(arena, a);
    return made;
}

/* Make normal numbers of full precision. */
static mg_node normal(int dtype, int rank, const int64_t *shape, double deviation)
{
    int64_t count = 1;
    for (int d = 0; d < rank; d++) count *= shape[d];
    float *single = malloc((size_t)count * sizeof(float));
    double *twice = malloc((size_t)count * sizeof(double));
    if (!single || !twice) exit(1);
    for (int64_t i = 0; i < count; i++) {
        twice[i] = mg_rng_normal(&rng, 0.0, deviation);
        single[i] = (float)twice[i];
    }
    void *data = dtype == MG_FLOAT32 ? (void *)single : (void *)twice;
    mg_node made = alive(mg_array(arena, dtype, rank, shape, data), "array");
    free(single);
    free(twice);
    return made;
}

/* linear, gelu, layer norm, linear; the operands stay the caller's. */
static mg_node logits_of(mg_node x, const mg_node *p)
{
    const int64_t axes = 1;
    const double epsilon = 1e-5;
    mg_node first[] = {x, p[0], p[1]};
    mg_node hidden = one(MG_GELU, apply(MG_LINEAR, 3, first, 0, NULL, 0, NULL));
    mg_node norm[] = {hidden, p[2], p[3]};
    mg_node normal_of = apply(MG_LAYER_NORM, 3, norm, 1, &axes, 1, &epsilon);
    mg_node second[] = {normal_of, p[4], p[5]};
    mg_node made = apply(MG_LINEAR, 3, second, 0, NULL, 0, NULL);
    mg_release(arena, hidden);
    mg_release(arena, normal_of);
    return made;
}

static void backward(mg_node root)
{
    mg_sweep *sweep;
    done(mg_sweep_open(arena, 1, &root, NULL, 0, NULL, MG_ACCUMULATE, &sweep), "sweep");
    done(mg_sweep_run(sweep, 0), "backward");
    mg_sweep_close(sweep);
}

static void train(int dtype)
{
    const int64_t shapes[PARAMETERS][2] = {{HIDDEN, IN}, {HIDDEN}, {HIDDEN}, {HIDDEN},
                                           {CLASSES, HIDDEN}, {CLASSES}};
    const int ranks[PARAMETERS] = {2, 1, 1, 1, 2, 1};
    const int64_t x_shape[] = {ROWS, IN}, y_shape[] = {ROWS}, how[] = {MG_REDUCE_MEAN, -100};
    const double smoothing = 0.1;
    mg_node p[PARAMETERS], m[PARAMETERS], v[PARAMETERS], y, x;
    int64_t targets[ROWS];
    for (int i = 0; i < PARAMETERS; i++) {
        p[i] = normal(dtype, ranks[i], shapes[i], 0.5);
        m[i] = alive(mg_array(arena, dtype, ranks[i], shapes[i], NULL), "m");
        v[i] = alive(mg_array(arena, dtype, ranks[i], shapes[i], NULL), "v");
        done(mg_require_gradient(arena, p[i], 1), "require");
        add_to_hash(p[i]);
    }
    x = normal(dtype, 2, x_shape, 1.0);
    for (int i = 0; i < ROWS; i++) targets[i] = (int64_t)(mg_rng_u32(&rng) % CLASSES);
    y = alive(mg_array(arena, MG_INT64, 1, y_shape, targets), "targets");
    for (int step = 1; step <= STEPS; step++) {
        mg_node logits = logits_of(x, p);
        mg_node both[] = {logits, y};
        mg_node loss = apply(MG_CROSS_ENTROPY, 2, both, 2, how, 1, &smoothing);
        for (int i = 0; i < PARAMETERS; i++) mg_set_gradient(arena, p[i], 0);
        backward(loss);
        done(array_adam(arena, PARAMETERS, p, m, v, step, 0.01, 0.9, 0.999, 1e-8, 0.01, 1),
             "step");
        mg_release(arena, logits);
        mg_release(arena, loss);
    }
    for (int i = 0; i < PARAMETERS; i++) add_to_hash(p[i]);
    mg_node logits = logits_of(x, p);
    add_to_hash(logits);
    mg_release(arena, logits);
    for (int i = 0; i < PARAMETERS; i++) {
        mg_release(arena, p[i]);
        mg_release(arena, m[i]);
        mg_release(arena, v[i]);
    }
    mg_release(arena, x);
    mg_release(arena, y);
}

/* Ops that threads share, with their gradients. */
static void large(int dtype)
{
    const int64_t a_shape[] = {1031, 521}, b_shape[] = {521, 97}, none[] = {3, 0};
    mg_node a = normal(dtype, 2, a_shape, 1.0), b = normal(dtype, 2, b_shape, 1.0);
    mg_node both[] = {a, b};
    done(mg_require_gradient(arena, a, 1), "require");
    done(mg_require_gradient(arena, b, 1), "require");
    mg_node product = apply(MG_MATMUL, 2, both, 0, NULL, 0, NULL);
    add_to_hash(product);
    mg_node wave = one(MG_SIN, product);
    mg_node square[] = {a, a};
    mg_node grown = one(MG_EXP, apply(MG_MUL, 2, square, 0, NULL, 0, NULL));
    mg_node sums[2], *s = sums;
    mg_node parts[] = {wave, grown};
    for (int i = 0; i < 2; i++) {
        s[i] = apply(MG_SUM, 1, &parts[i], 2, none, 0, NULL);
        add_to_hash(s[i]);
    }
    mg_node loss = apply(MG_ADD, 2, sums, 0, NULL, 0, NULL);
    backward(loss);
    for (int i = 0; i < 2; i++) {
        mg_node gradient = alive(mg_gradient(arena, both[i]), "gradient");
        add_to_hash(gradient);
        mg_release(arena, gradient);
        mg_release(arena, s[i]);
        mg_release(arena, parts[i]);
        mg_release(arena, both[i]);
    }
    mg_release(arena, loss);
}

/* One element of every function, over a wide range. */
static void functions(int dtype)
{
    const int64_t shape[] = {1009};
    for (int op = MG_LEAF + 1; op < MG_MAP_OP_COUNT; op++) {
        if (mg_op_arity(op) != 1 || op == MG_POW_NUMBER || op == MG_LOGICAL_NOT ||
            op == MG_BITWISE_NOT)
            continue;
        for (int scale = 0; scale < 2; scale++) {
            mg_node x = normal(dtype, 1, shape, scale ? 30.0 : 0.7);
            mg_node y = one(op, one(MG_ABS, x));
            add_to_hash(y);
            mg_release(arena, y);
        }
    }
}

/* ---- optimizers -------------------------------------------------------------------- */

enum { UPDATED = 77, MOST_TAKEN = 12 };

/* Return how many names stand behind a word of updates.def in what an update takes. */
static int names_behind(const char *takes, const char *word)
{
    const char *at = strstr(takes, word);
    int count = at != NULL;
    for (; at && *at != ')'; at++) count += *at == ',';
    return count;
}

/* Some steps of an update with numbers of which many, or all, are not 0. */
static void update(int dtype, int which, bool all)
{
    const char *takes = mg_update_takes(which);
    const int64_t shape[] = {UPDATED};
    mg_node p = normal(dtype, 1, shape, 1.0), arrays[MOST_TAKEN];
    double numbers[MOST_TAKEN], scalars[MOST_TAKEN] = {0};
    int64_t steps = 0;
    int count = names_behind(takes, "ARRAYS(");
    for (const char *at = takes; (at = strstr(at, "WHERE(")); at++) count++;
    for (int k = 0; k < names_behind(takes, "NUMBERS("); k++)
        numbers[k] = all || k < 4 || k % 2 ? 0.3 + 0.05 * k : 0.0;
    for (int k = 0; k < count; k++)
        arrays[k] = alive(mg_array(arena, dtype, 1, shape, NULL), "state");
    const mg_update_group group = {1, &p, arrays, scalars, &steps, numbers};
    for (int step = 0; step < 4; step++) {
        mg_node g = normal(dtype, 1, shape, 1.0);
        done(mg_set_gradient(arena, p, g), "set_gradient");
        done(mg_array_update(arena, which, 1, &group), mg_update_name(which));
        mg_release(arena, g);
        add_to_hash(p);
    }
    done(mg_set_gradient(arena, p, 0), "set_gradient");
    mg_release(arena, p);
    for (int k = 0; k < count; k++) mg_release(arena, arrays[k]);
}

int main(int argc, char **argv)
{
    arena = mg_arena_new(NULL, NULL);
    if (!arena) return 1;
    if (argc > 1) done(mg_set_isa(argv[1]), argv[1]);
    if (argc > 2) done(mg_set_num_threads(atoi(argv[2])), "threads");
    if (mg_selftest()) fprintf(stderr, "the self-test found %d\n", mg_selftest());
    for (int dtype = MG_FLOAT32; dtype <= MG_FLOAT64; dtype++) {
        done(mg_rng_seed(&rng, 42), "seed");
        train(dtype);
        large(dtype);
        functions(dtype);
        for (int i = 0; i < mg_update_count(); i++)
            for (int all = 0; all < 2; all++) update(dtype, i, all);
    }
    printf("%016llx %s %d\n", (unsigned long long)hash, mg_isa(), mg_num_threads());
    mg_arena_free(arena);
    return 0;
}
