/* programs.h: programs, of arrays or of numbers, as the files of this layer see them. */
#ifndef MG_PROGRAMS_H
#define MG_PROGRAMS_H

#include "arrays/arrays.h"

/* What a kind of programs does. Each is called with the arena locked, in the mode of
 * SPEC.md. */
typedef struct program_kind {
    int (*run)(mg_program *program, int64_t runs, int64_t *done);
    int (*put)(mg_program *program, int64_t which, const void *data);
    int (*get)(mg_program *program, int64_t which, void *data);
    void (*free)(mg_program *program);
} program_kind;

/* What every program begins with. */
struct mg_program {
    const program_kind *kind;
    mg_arena *arena;
    mg_program *next, **link; /* of those of the arena */
};

/* ---- program.c --------------------------------------------------------------------- */

void program_open(mg_arena *arena, const program_kind *kind, mg_program *program);
void program_close(mg_program *program);
void programs_free(mg_arena *arena);

#endif
