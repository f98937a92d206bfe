/* fuzz_programs.c: files of programs. An input is a file whose size and checksum are set
 * right before it is loaded, so that what is behind them is reached. What is refused leaves
 * nothing; what is loaded runs, fails or not, is saved, and loads again: the same bits, if
 * the same functions are taken. It is built, run and kept as the targets of "fuzz.h". */
#include "expect.h"
#include "programs/script.h"

enum { LONGEST = 1 << 16, STEPS = 2, NODES = 64, ARENA_INPUTS = 4096 };

static ledger book;
static mg_arena *arena;
static int64_t inputs;

/* Long work is given up: a file may tell of any sum of a broadcast array. */
enum { MOST_ASKED = 200 };
static int asked;

static int gives_up(void *context)
{
    (void)context;
    return ++asked > MOST_ASKED;
}

static uint32_t crc_of(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* Give a file its mark, its size and its checksum. */
static void seal(uint8_t *bytes, size_t size)
{
    memcpy(bytes, "MGP1", 4);
    for (size_t i = 0; i < 8; i++) bytes[16 + i] = (uint8_t)((uint64_t)size >> 8 * i);
    const uint32_t crc = crc_of(bytes + 16, size - 16);
    for (size_t i = 0; i < 4; i++) bytes[8 + i] = (uint8_t)(crc >> 8 * i);
}

/* ---- programs of numbers ----------------------------------------------------------- */

/* Hash what a program does in a few steps. */
static uint64_t script_hash(mg_script *script)
{
    mg_node nodes[NODES];
    double losses[STEPS] = {0.0}, data[NODES];
    int64_t done = 0, count = mg_script_found(script, NODES, nodes);
    uint64_t hash = (uint64_t)mg_script_run(script, STEPS, 0, 0, &done, losses);
    hash = mix(hash, (uint64_t)done);
    if (count > NODES) count = NODES;
    EXPECT(mg_data(arena, count, nodes, data) == MG_OK);
    for (int64_t i = 0; i < count; i++) hash = mix(hash, isnan(data[i]) ? 7 : bits_of(data[i]));
    for (int i = 0; i < STEPS; i++) hash = mix(hash, isnan(losses[i]) ? 7 : bits_of(losses[i]));
    return hash;
}

/* Save a program and load it; both do the same. */
static void script_twice(mg_script *script)
{
    static uint8_t bytes[8 * LONGEST];
    mg_script *again;
    const int64_t size = mg_script_save(script, NULL, sizeof bytes, bytes);
    if (!EXPECT(size > 0) || size > (int64_t)sizeof bytes) return;
    int status = mg_script_load(arena, bytes, (size_t)size, &again);
    if (status == MG_ERR_NOMEM || status == MG_ERR_INTERRUPTED) return;
    if (!EXPECT(status == MG_OK)) return;
    EXPECT(script_hash(script) == script_hash(again) || asked > MOST_ASKED);
    mg_script_free(again);
}

static void script_input(const uint8_t *bytes, size_t size)
{
    mg_script *script;
    int status = mg_script_load(arena, bytes, size, &script);
    EXPECT(status == MG_OK || !script);
    EXPECT(status == MG_OK || status == MG_ERR_FILE || status == MG_ERR_NOMEM ||
           status == MG_ERR_INTERRUPTED);
    if (status < 0) return;
    script_twice(script);
    mg_script_free(script);
}

/* ---- programs of arrays ------------------------------------------------------------ */

/* Hash the outputs of two runs, as far as they come, and the status. */
static uint64_t program_hash(mg_program *program)
{
    mg_array_info info;
    uint64_t hash = 1;
    for (int run = 0; run < STEPS; run++) {
        int64_t done, outputs = mg_program_fact(program, MG_OUTPUTS);
        const int status = mg_program_run(program, 1, &done);
        hash = mix(hash, (uint64_t)status);
        for (int64_t i = 0; status == MG_OK && i < outputs && i < 4; i++) {
            mg_node shown = mg_program_output(program, i);
            if (!EXPECT(shown > 0)) continue;
            EXPECT(mg_array_describe(arena, shown, &info) == MG_OK);
            hash = mix(hash, (uint64_t)info.count);
            mg_release(arena, shown);
        }
    }
    return hash;
}

static void program_input(const uint8_t *bytes, size_t size)
{
    static uint64_t again[8 * LONGEST / 8];
    mg_program *program, *other = NULL;
    int status = mg_program_load(arena, bytes, size, &program);
    EXPECT(status == MG_OK || !program);
    EXPECT(status == MG_OK || status == MG_ERR_FILE || status == MG_ERR_NOMEM ||
           status == MG_ERR_INTERRUPTED);
    if (status < 0) return;
    const int64_t saved = mg_program_save(program, NULL, sizeof again, again);
    EXPECT(saved > 0 || mg_program_unsaved(program));
    if (saved > 0 && saved <= (int64_t)sizeof again) {
        status = mg_program_load(arena, again, (size_t)saved, &other);
        EXPECT(status == MG_OK || status == MG_ERR_NOMEM || status == MG_ERR_INTERRUPTED);
    }
    const uint64_t mine = program_hash(program);
    if (other) EXPECT(program_hash(other) == mine || asked > MOST_ASKED);
    mg_program_free(other);
    mg_program_free(program);
}

/* ---- inputs ------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[LONGEST];
    if (size < 64 || size > LONGEST) return 0;
    memcpy(bytes, data, size);
    seal(bytes, size);
    if (!arena) arena = ledger_arena(&book);
    uint8_t *exact = malloc(size); /* so that sanitizers see what is read behind it */
    if (!exact) return 0;
    memcpy(exact, bytes, size);
    asked = 0;
    mg_arena_limit(arena, (size_t)16 << 20);
    mg_work_begin(gives_up, NULL);
    if (mg_file_kind(exact, size) == 1) script_input(exact, size);
    else program_input(exact, size);
    mg_work_end();
    mg_arena_limit(arena, 0);
    free(exact);
    while (mg_released(arena) != NULL) {}
    EXPECT(nodes_of(arena) == 0 && arena->used_block_bytes == 0);
    if (++inputs % ARENA_INPUTS == 0) {
        ledger_arena_free(arena, &book);
        arena = NULL;
    }
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
    const int before = failures;
    if (!EXPECT(file != NULL)) return;
    LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, file));
    fclose(file);
    if (failures > before) printf("    in %s\n", name);
}

/* Run a header of small counts, and random words. */
static void random_run(int64_t count, uint64_t seed)
{
    static uint8_t data[1024];
    mg_rng rng;
    mg_rng_seed(&rng, seed);
    for (int64_t i = 0; i < count; i++) {
        const size_t size = 64 + mg_rng_u32(&rng) % 800;
        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t)(mg_rng_u32(&rng) % (k % 4 ? 1 : 9));
        data[4] = (uint8_t)(1 + i % 2);
        LLVMFuzzerTestOneInput(data, size);
    }
}

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "random") == 0)
        random_run(strtoll(arguments[2], NULL, 10), strtoull(arguments[3], NULL, 10));
    else
        for (int i = 1; i < count; i++) file_run(arguments[i]);
    if (arena) ledger_arena_free(arena, &book);
    return finish();
}
#endif
