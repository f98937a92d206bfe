/* test_mode.c: what a thread's floating-point mode is changes no result: every call of
 * calls.h and array_calls.h, every op with its gradient and every generator gives the same
 * bits where something else has set flushing of subnormal numbers, another direction of
 * rounding or traps, and leaves the mode as it was. */
#include <fenv.h>

#include "array_calls.h"
#include "base/mode.h"
#include "calls.h"

#if defined(__SSE2__)
/* MXCSR: flush to zero and denormals are zeros; down, up, to zero; all of it; and none of
 * the traps masked. */
static const uint64_t modes[] = {0x9FC0, 0x3F80, 0x5F80, 0x7F80, 0xFFC0, 0x0000};
#elif defined(__aarch64__)
static const uint64_t modes[] = {1u << 24, 1u << 22, 2u << 22, 3u << 22, 5u << 22};
#else
static const uint64_t modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
#endif
enum { MODES = sizeof modes / sizeof *modes };

static uint64_t kept;

static void mode_change(uint64_t mode)
{
    kept = mode_read();
    mode_write(mode);
}

/* Set the usual mode again; nothing may have changed the one set. */
static void mode_restore(uint64_t mode)
{
    uint64_t left = mode_read() & ~(uint64_t)MODE_FLAGS;
    mode_write(kept);
    EXPECT(left == (mode & ~(uint64_t)MODE_FLAGS));
}

/* Hash the values and gradients of the living nodes. */
static uint64_t values_of(const mg_arena *arena)
{
    uint64_t hash = 1;
    for (uint32_t i = 1; i < arena->fresh; i++) {
        const node *n = node_at(arena, i);
        if (is_free(arena, i)) continue;
        if (n->bits & ARRAY) {
            array plain = *n->array;
            plain.attached = NULL; /* an address */
            hash = mix(array_mixed(hash, &plain), n->gradient_node);
        } else hash = mix(mix(hash, bits_of(n->data)), bits_of(n->gradient));
    }
    return hash;
}

/* ---- numbers ----------------------------------------------------------------------- */

static uint64_t number_outcome(const number_call *row, uint64_t mode)
{
    fixture f;
    fixture_open(&f, 1);
    mode_change(mode);
    int64_t status = row->run(&f);
    mode_restore(mode);
    EXPECT(status >= 0);
    uint64_t hash = values_of(f.arena);
    for (int i = 0; i < OPTIMIZED; i++)
        hash = mix(mix(hash, bits_of(f.first[i])), bits_of(f.second[i]));
    fixture_close(&f);
    return hash;
}

static void test_numbers(void)
{
    for (int i = 0; i < CALLS; i++) {
        int before = failures;
        uint64_t usual = number_outcome(&calls[i], MODE_DEFAULT);
        for (int k = 0; k < MODES; k++)
            EXPECT(number_outcome(&calls[i], modes[k]) == usual);
        explain(before, calls[i].name, 0);
    }
}

/* ---- arrays ------------------------------------------------------------------------ */

static uint64_t array_outcome(const array_call *row, int variant, uint64_t mode)
{
    static arrays f;
    arrays_open(&f, variant);
    gradients_give(&f);
    mode_change(mode);
    row->run(&f);
    mode_restore(mode);
    uint64_t hash = values_of(f.arena);
    release_kept(&f);
    arrays_close(&f);
    return hash;
}

static void test_array_calls(void)
{
    for (int i = 0; i < ARRAY_CALLS; i++)
        for (int variant = 0; variant < VARIANTS; variant++) {
            int before = failures;
            uint64_t usual = array_outcome(&array_calls[i], variant, MODE_DEFAULT);
            for (int k = 0; k < MODES; k++)
                EXPECT(array_outcome(&array_calls[i], variant, modes[k]) == usual);
            explain(before, array_calls[i].name, variant);
        }
}

/* Make operands that are subnormal numbers, or that give them. */
static void make_tiny(arrays *f)
{
    double factor = f->dtype == MG_FLOAT64 ? 0x1p-1023 : 0x1p-127;
    mg_node tiny = mg_array(f->arena, MG_FLOAT64, 0, NULL, &factor);
    for (int i = 0; f->dtype != MG_FLOAT16 && i < REAL_SLOTS; i += 2)
        EXPECT(mg_apply_in_place(f->arena, MG_MUL, f->h[i], tiny, 2) == MG_OK);
    mg_release(f->arena, tiny);
}

static int64_t example_run(arrays *f, const example *e)
{
    mg_array_info info;
    int64_t status = keeps(f, example_apply(f, e, 1));
    if (status < 0) return status;
    mg_array_describe(f->arena, f->out[0], &info);
    if (!info.requires_grad || !info.operands || e->op == MG_FUNCTION) return status;
    return sweep_whole(f, f->out[0], 0, NULL, MG_ACCUMULATE, NULL);
}

static uint64_t example_outcome(const example *e, int variant, int tiny, uint64_t mode)
{
    static arrays f;
    arrays_open(&f, variant);
    if (tiny) make_tiny(&f);
    mode_change(mode);
    example_run(&f, e);
    mode_restore(mode);
    uint64_t hash = values_of(f.arena);
    release_kept(&f);
    gradients_remove(&f);
    arrays_close(&f);
    return hash;
}

static void test_examples(void)
{
    for (int i = 0; i < ALL_EXAMPLES; i++)
        for (int variant = 0; variant < VARIANTS; variant++)
            for (int tiny = 0; tiny < 2; tiny++) {
                int before = failures;
                example e = example_at(i);
                uint64_t usual = example_outcome(&e, variant, tiny, MODE_DEFAULT);
                for (int k = 0; k < MODES; k++)
                    EXPECT(example_outcome(&e, variant, tiny, modes[k]) == usual);
                explain(before, mg_op_name(e.op), variant);
            }
}

/* ---- generators, and what callers convert ------------------------------------------ */

static uint64_t random_outcome(uint64_t mode)
{
    enum { COUNT = 100 };
    double numbers[2 * COUNT + 2];
    float singles[COUNT];
    uint64_t hash = 1;
    mg_rng rng;
    mg_rng_seed(&rng, 42);
    mode_change(mode);
    numbers[0] = mg_rng_uniform(&rng, -1.1, 0.3);
    numbers[1] = mg_rng_normal(&rng, 0.1, 0.7);
    mg_rng_fill(&rng, MG_NORMAL, MG_FLOAT64, 0.1, 0.7, COUNT, numbers + 2);
    mg_rng_fill(&rng, MG_UNIFORM, MG_FLOAT64, -1.1, 0.3, COUNT, numbers + 2 + COUNT);
    mg_rng_fill(&rng, MG_NORMAL, MG_FLOAT32, 0.0, 1e-39, COUNT, singles);
    mode_restore(mode);
    for (int i = 0; i < 2 * COUNT + 2; i++) hash = mix(hash, bits_of(numbers[i]));
    for (int i = 0; i < COUNT; i++) {
        uint32_t bits;
        memcpy(&bits, &singles[i], sizeof bits);
        hash = mix(hash, bits);
    }
    return hash;
}

static void test_random(void)
{
    for (int k = 0; k < MODES; k++)
        EXPECT(random_outcome(modes[k]) == random_outcome(MODE_DEFAULT));
}

static void test_enter(void)
{
    for (int k = 0; k < MODES; k++) {
        mode_change(modes[k]);
        uint64_t held = mg_mode_enter();
        EXPECT(mode_is_default(mode_read()));
        mg_mode_leave(held);
        mode_restore(modes[k]);
    }
}

/* ---- workers ----------------------------------------------------------------------- */

/* A large product and sum by several threads, the first of which start under a mode. */
static uint64_t shared_outcome(uint64_t mode)
{
    const int64_t shape[] = {300, 300}, all[] = {3, 0};
    ledger book;
    mg_arena *arena = ledger_arena(&book);
    mg_rng rng;
    mg_rng_seed(&rng, 7);
    mg_array_info info;
    mg_node x[2];
    x[0] = x[1] = mg_array(arena, MG_FLOAT32, 2, shape, NULL);
    mg_array_describe(arena, x[0], &info);
    mg_rng_fill(&rng, MG_NORMAL, MG_FLOAT32, 0.0, 1e-19, info.count, info.data);
    mode_change(mode);
    mg_node y = mg_apply(arena, MG_MATMUL, 2, x, 0, NULL, 0, NULL, 0, 0);
    mg_node sum = mg_apply(arena, MG_SUM, 1, &y, 2, all, 0, NULL, 0, 0);
    mode_restore(mode);
    uint64_t hash = values_of(arena);
    mg_release(arena, x[0]);
    mg_release(arena, y);
    mg_release(arena, sum);
    ledger_arena_free(arena, &book);
    return hash;
}

static void test_workers(void)
{
    mg_set_num_threads(3);
    uint64_t first = shared_outcome(modes[0]);
    EXPECT(first == shared_outcome(MODE_DEFAULT));
    for (int k = 0; k < MODES; k++) EXPECT(shared_outcome(modes[k]) == first);
    mg_set_num_threads(0);
}

int main(void)
{
    test_workers();
    test_numbers();
    test_array_calls();
    test_examples();
    test_random();
    test_enter();
    return finish();
}
