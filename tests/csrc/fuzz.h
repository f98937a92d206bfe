/* fuzz.h: what the fuzz targets share: an input is bytes that say what is called with
 * what. Compiled with MG_LIBFUZZER, and clang's -fsanitize=fuzzer, a target looks for
 * inputs by itself (tests/long.sh fuzz). Without, it runs the files that it is given, or
 * with "random N seed" N inputs of random bytes.
 *
 * A target owns what stands in handles[], and knows how many handles those are: at the
 * end of an input all is released, and nothing may be left. */
#ifndef MG_FUZZ_H
#define MG_FUZZ_H

#include "expect.h"

enum { SLOTS = 12, LARGEST = 3000, INTEGERS = 40, OBJECTS = 32, LONGEST = 4096 };

static const uint8_t *input;
static size_t input_left;
static ledger book, other_book;
static mg_arena *arena, *other;
static mg_node handles[SLOTS], gone, foreign;
static char objects[OBJECTS];
static int64_t lent[OBJECTS]; /* how often the core has each object */
static int64_t last_status;   /* of the last call */

/* What a target does at the start of an input, next, and before the end. */
static void begin(void);
static void step(void);
static void end(void);

static int below(int n)
{
    if (!input_left) return 0;
    input_left--;
    return *input++ % n;
}

/* An axis, a size, an index; now and then what is none of them. */
static int64_t integer(void)
{
    static const int64_t wild[] = {-2,        100,       255,
                                   INT32_MAX, INT64_MAX, INT64_MIN,
                                   INT64_MIN + 1, (int64_t)1 << 32, (int64_t)1 << 61};
    int kind = below(64);
    return kind < 60 ? kind % 6 - 1 : wild[below(9)];
}

static double number(void)
{
    static const double special[] = {0.0, -0.0, INFINITY, -INFINITY,
                                     NAN, 1e308, 5e-324,  -1.0};
    int kind = below(128);
    return kind < 120 ? (kind - 60) / 16.0 : special[kind - 120];
}

/* A handle that is mostly one of ours, or stale, another arena's, or forged. */
static mg_node handle(void)
{
    int kind = below(256);
    mg_node good = handles[kind % SLOTS];
    if (kind < 240) return good;
    switch (kind % 8) {
    case 0: return 0;
    case 1: return gone;
    case 2: return foreign;
    case 3: return good + 1;
    case 4: return good + ((mg_node)1 << 32);
    case 5: return -good;
    case 6: return good & 0xFFFFFFFF;
    default: return good ^ (mg_node)1 << below(63);
    }
}

/* Check that a status is one of micrograd.h. */
static int64_t known(int64_t status)
{
    EXPECT(status >= MG_ERR_RULE);
    last_status = status;
    return status;
}

/* Put a handle, or 0, in a slot and give back the one that was there: another time is
 * refused, unless others of it are left. */
static void put(int slot, mg_node made)
{
    int left = 0;
    mg_node was = handles[slot];
    handles[slot] = made;
    if (!was) return;
    gone = was;
    for (int i = 0; i < SLOTS; i++) left += handles[i] == gone;
    EXPECT(mg_release(arena, gone) == MG_OK);
    if (!left) EXPECT(mg_release(arena, gone) == MG_ERR_STALE);
}

static void drop(int slot)
{
    put(slot, 0);
}

/* Keep what a call has made, unless it is large: it would make all others slow. */
static void keep(mg_node made)
{
    mg_array_info info;
    if (known(made) <= MG_CALL) return;
    if (mg_array_describe(arena, made, &info) == MG_OK && info.count > LARGEST) {
        EXPECT(mg_release(arena, made) == MG_OK);
        return;
    }
    put(below(SLOTS), made);
}

/* Make an array of small sizes; its elements are a few of the input's bytes. */
static mg_node array_made(int dtype, int rank)
{
    int64_t shape[4];
    uint8_t elements[8 * 256] = {0};
    for (int d = 0; d < rank; d++) shape[d] = below(8) ? 1 + below(3) : 0;
    double first = number();
    memcpy(elements, &first, sizeof first);
    for (int i = 8; i < 64; i++) elements[i] = (uint8_t)(i % 8 < 6 ? 37 * i : 0x3F);
    return mg_array(arena, dtype, rank, shape, elements);
}

/* Apply an op, with as many operands, integers and numbers as it takes, mostly. */
static mg_node applied(int op, int over)
{
    const op_counts *takes = &op_takes[op];
    mg_array_info info = {0};
    mg_node operands[16];
    int64_t integers[INTEGERS];
    double numbers[4];
    for (int i = 0; i < 16; i++) operands[i] = handle();
    mg_array_describe(arena, operands[0], &info);
    int like_shape = below(2);
    for (int i = 0; i < INTEGERS; i++) integers[i] = integer();
    for (int i = 0; like_shape && i < info.rank; i++) integers[i] = info.shape[i];
    for (int i = 0; i < 4; i++) numbers[i] = number();
    int operand_count = is_element_op(op) ? op_arity(op) : takes->operands;
    int integer_count = takes->integers + takes->per_axis * info.rank;
    if (takes->per_window_axis) {
        integers[0] = 1 + below(2);
        integer_count = 1 + takes->per_window_axis * (int)integers[0];
    }
    if (takes->optional && below(2)) operand_count += takes->optional;
    if (takes->many_operands) operand_count += below(3);
    if (takes->many_integers) integer_count = info.rank + below(2);
    int number_count = is_element_op(op) ? (op_traits[op] & MG_TAKES_NUMBER) != 0
                                         : takes->numbers;
    if (below(32) == 0) integer_count += below(3) - 1;
    if (integer_count < 0 || integer_count > INTEGERS) integer_count = 0;
    unsigned weak = below(8) ? 0 : (unsigned)below(4);
    int record = below(4) > 0;
    if (over)
        return mg_apply_over(arena, op, operand_count, operands, integer_count, integers,
                             record);
    return mg_apply(arena, op, operand_count, operands, integer_count, integers,
                    number_count, numbers, weak, record);
}

/* Take what the core gives back of objects. */
static void objects_take(void)
{
    char *object;
    while ((object = mg_released(arena)) != NULL)
        if (EXPECT(object >= objects && object < objects + OBJECTS))
            EXPECT(--lent[object - objects] >= 0);
}

/* Check that each node has the handles that stand in slots, and no other. */
static void expect_owned(void)
{
    for (uint32_t i = 1; i < arena->fresh; i++) {
        uint32_t owned = 0;
        for (int slot = 0; slot < SLOTS; slot++)
            owned += handles[slot] && index_of(handles[slot]) == i;
        EXPECT(slot_at(arena, i)->handles == owned);
    }
}

static void arena_end(void)
{
    expect_owned();
    expect_consistent(arena);
    rings_open(arena); /* which are the caller's affair */
    for (int i = 0; i < SLOTS; i++) drop(i);
    objects_take();
    EXPECT(nodes_of(arena) == 0 && arena->used_block_bytes == 0);
    for (int i = 0; i < OBJECTS; i++) EXPECT(lent[i] == 0);
    ledger_arena_free(arena, &book);
    ledger_arena_free(other, &other_book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_left = size < LONGEST ? size : LONGEST;
    memset(lent, 0, sizeof lent);
    arena = ledger_arena(&book), other = ledger_arena(&other_book);
    mg_arena_limit(arena, (size_t)8 << 20);
    mg_set_num_threads(1);
    foreign = mg_leaf(other, 1.0), gone = 0;
    begin();
    for (int i = 0; i < SLOTS; i++) {
        int dtype = i % 4 < 3 ? i % 4 % 2 : below(MG_DTYPE_COUNT);
        handles[i] = i % 6 == 5 ? mg_leaf(arena, 1.5) : array_made(dtype, i % 3);
        if (i % 2) mg_require_gradient(arena, handles[i], 1);
    }
    while (input_left) {
        if (below(32) == 0) mg_arena_fail(arena, below(6), below(2));
        step();
        mg_arena_fail(arena, -1, 0);
    }
    end();
    arena_end();
#if defined(MG_LIBFUZZER)
    if (failures) abort();
#endif
    return 0;
}

#if !defined(MG_LIBFUZZER)
static void file_run(const char *name)
{
    static uint8_t data[LONGEST];
    FILE *file = fopen(name, "rb");
    int before = failures;
    if (!EXPECT(file != NULL)) return;
    LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, file));
    fclose(file);
    if (failures > before) printf("    in %s\n", name);
}

static void random_run(int64_t inputs, uint64_t seed)
{
    static uint8_t data[LONGEST];
    mg_rng rng;
    mg_rng_seed(&rng, seed);
    for (int64_t i = 0; i < inputs; i++) {
        int before = failures;
        size_t size = mg_rng_u32(&rng) % 1024;
        for (size_t k = 0; k < size; k++) data[k] = (uint8_t)mg_rng_u32(&rng);
        LLVMFuzzerTestOneInput(data, size);
        explain(before, "input", i);
    }
}

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "random") == 0)
        random_run(strtoll(arguments[2], NULL, 10), strtoull(arguments[3], NULL, 10));
    else
        for (int i = 1; i < count; i++) file_run(arguments[i]);
    return finish();
}
#endif

#endif
