/* run_program.c: trains from a program file, on micrograd.h alone.
 *
 *     run_program FILE STEPS [SAVED]
 *
 * Reads a program that `program.save()` of Python, or mg_script_save(), has written; makes
 * so many steps, prints the loss of each with all its digits, or what it returns, then, of
 * Values, what the program's named numbers are; and saves it as it is now, if a name is
 * given. No op, no optimizer and no number of a model stands here. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micrograd.h"

static void check(int64_t status, const char *what)
{
    if (status >= 0) return;
    fprintf(stderr, "run_program: %s: %s\n", what, mg_status_text((int)status));
    exit(EXIT_FAILURE);
}

static void *memory_for(size_t size)
{
    void *memory = malloc(size ? size : 1);
    check(memory ? MG_OK : MG_ERR_NOMEM, "memory");
    return memory;
}

/* Read a whole file; *size gets its size. */
static void *file_read(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    size_t room = 1 << 16;
    char *bytes = memory_for(room);
    *size = 0;
    for (size_t got = 1; file && got; *size += got) {
        if (*size == room) bytes = realloc(bytes, room *= 2);
        check(bytes ? MG_OK : MG_ERR_NOMEM, "memory");
        got = fread(bytes + *size, 1, room - *size, file);
    }
    if (file) fclose(file);
    check(file ? MG_OK : MG_ERR_FILE, name);
    return bytes;
}

static void file_write(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    const int written = file && fwrite(bytes, 1, size, file) == size && !fclose(file);
    check(written ? MG_OK : MG_ERR_FILE, name);
}

/* Make steps, and print the loss of each, or what the last one returns. */
static void numbers_train(mg_script *script, int64_t steps, const mg_script_info *info)
{
    int64_t done;
    double *losses = memory_for((size_t)steps * sizeof *losses);
    double *outputs = memory_for((size_t)info->outputs * sizeof *outputs);
    int status = mg_script_run(script, steps, 0, 0, &done, losses);
    for (int64_t i = 0; info->has_loss && i < done; i++)
        printf("step %lld %.17g\n", (long long)i + 1, losses[i]);
    mg_script_get(script, outputs);
    for (int64_t i = 0; i < info->outputs; i++)
        printf("output %lld %.17g\n", (long long)i, outputs[i]);
    free(losses);
    free(outputs);
    check(status, "run");
}

static void numbers_print(mg_arena *arena, mg_script *script)
{
    const int64_t count = mg_script_found(script, 0, NULL);
    mg_node *nodes = memory_for((size_t)count * sizeof *nodes);
    double *data = memory_for((size_t)count * sizeof *data);
    mg_script_found(script, count, nodes);
    check(mg_data(arena, count, nodes, data), "data");
    for (int64_t i = 0; i < count; i++)
        if (*mg_script_name(script, i))
            printf("%s %.17g\n", mg_script_name(script, i), data[i]);
    free(nodes);
    free(data);
}

static void numbers_save(mg_script *script, const char *name)
{
    const int64_t size = mg_script_save(script, NULL, 0, NULL);
    check(size, "save");
    void *bytes = memory_for((size_t)size);
    check(mg_script_save(script, NULL, (size_t)size, bytes), "save");
    file_write(name, bytes, (size_t)size);
    free(bytes);
}

static void numbers_run(mg_arena *arena, const void *bytes, size_t size, int64_t steps,
                        const char *saved)
{
    mg_script *script;
    mg_script_info info;
    check(mg_script_load(arena, bytes, size, &script), "load");
    check(mg_script_describe(script, &info), "describe");
    if (info.is_portable) check(mg_set_math(MG_MATH_PORTABLE), "math");
    numbers_train(script, steps, &info);
    numbers_print(arena, script);
    if (saved) numbers_save(script, saved);
    mg_script_free(script);
}

/* ---- programs of arrays ------------------------------------------------------------ */

/* Print an array of one floating-point number; of others the shape. */
static void array_print(mg_arena *arena, const char *name, mg_node node)
{
    mg_array_info info;
    check(mg_array_describe(arena, node, &info), "describe");
    printf("%s", name);
    const bool is_one = info.count == 1;
    if (is_one && info.dtype == MG_FLOAT32) printf(" %.9g", *(float *)info.data);
    else if (is_one && info.dtype == MG_FLOAT64) printf(" %.17g", *(double *)info.data);
    else
        for (int d = 0; d < info.rank; d++) printf(" %lld", (long long)info.shape[d]);
    printf("\n");
}

static void arrays_train(mg_arena *arena, mg_program *program, int64_t steps)
{
    int64_t done;
    const int64_t outputs = mg_program_fact(program, MG_OUTPUTS);
    for (int64_t i = 0; i < steps; i++) {
        int status = mg_program_run(program, 1, &done);
        check(status == MG_MORE ? MG_ERR_GRADIENT : status, "run");
        for (int64_t k = 0; k < outputs; k++) {
            mg_node shown = mg_program_output(program, k);
            check(shown, "output");
            printf("step %lld ", (long long)i + 1);
            array_print(arena, "output", shown);
            mg_release(arena, shown);
        }
    }
}

/* Save a program with the names that its arrays have. */
static void arrays_save(mg_program *program, const char *file)
{
    const int64_t known = mg_program_names(program, 0, NULL, NULL);
    const int64_t count = mg_program_arrays(program, 0, NULL);
    check(count, "save");
    mg_node *nodes = memory_for((size_t)(known + count) * sizeof *nodes);
    const char **names = memory_for((size_t)(known + count) * sizeof *names);
    mg_program_names(program, known, nodes, names);
    mg_program_arrays(program, count, nodes + known);
    for (int64_t i = known; i < known + count; i++) {
        names[i] = "";
        for (int64_t k = 0; k < known; k++)
            if (nodes[k] == nodes[i]) names[i] = names[k];
    }
    const int64_t size = mg_program_save(program, names + known, 0, NULL);
    check(size, "save");
    void *bytes = memory_for((size_t)size);
    check(mg_program_save(program, names + known, (size_t)size, bytes), "save");
    file_write(file, bytes, (size_t)size);
    free(bytes);
    free(names);
    free(nodes);
}

static void arrays_run(mg_arena *arena, const void *bytes, size_t size, int64_t steps,
                       const char *saved)
{
    mg_program *program;
    check(mg_program_load(arena, bytes, size, &program), "load");
    arrays_train(arena, program, steps);
    if (saved) arrays_save(program, saved);
    mg_program_free(program);
}

int main(int count, char **arguments)
{
    size_t size;
    const int64_t steps = count > 2 ? strtoll(arguments[2], NULL, 10) : -1;
    if (count < 3 || count > 4 || steps < 0 || steps > INT32_MAX) {
        fprintf(stderr, "run_program FILE STEPS [SAVED]\n");
        return EXIT_FAILURE;
    }
    void *bytes = file_read(arguments[1], &size);
    mg_arena *arena = mg_arena_new(NULL, NULL);
    check(arena ? MG_OK : MG_ERR_NOMEM, "arena");
    const int kind = mg_file_kind(bytes, size);
    const char *saved = count > 3 ? arguments[3] : NULL;
    check(kind, arguments[1]);
    if (kind == 1) numbers_run(arena, bytes, size, steps, saved);
    else arrays_run(arena, bytes, size, steps, saved);
    mg_arena_free(arena);
    free(bytes);
    return EXIT_SUCCESS;
}
