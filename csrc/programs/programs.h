/* programs.h: tapes, the programs of arrays.
 *
 * A tape does calls again, each of which works on whole arrays; what it has to know is whose
 * memory that is. Programs of numbers (script.h) have nothing in common with it: a call for
 * each number would take longer than its operation, so they are made of instructions. */
#ifndef MG_PROGRAMS_H
#define MG_PROGRAMS_H

#include "arrays/arrays.h"

/* Where an array of a tape lies in its memory. */
typedef struct tape_place {
    array *at;
    struct storage *in;
    int64_t offset; /* bytes */
    struct tape_place *next; /* of those in the same storage */
} tape_place;

/* What arrays of a tape lie in. OWNED: made by the tape, used again and again as eager's
 * frees allowed it. FOUND: somebody's, of whom another array may take its place.
 * GRADIENT: the one that a leaf has at the beginning of a run. */
typedef struct storage storage;
struct storage {
    enum { OWNED, FOUND, GRADIENT } role;
    buffer *buffer;
    char *start; /* what offsets count from */
    size_t size; /* of what is owned, bytes */
    tape_place *places, *before; /* the last first; those of what lay there before */
    storage *sibling;        /* of what was found, another array in the same buffer */
    storage *next_unused;    /* while recording, of what is owned */
    const array *array;     /* found, while recording: the node's */
    uint32_t node;          /* found; of this is a reference */
    array like;             /* found: what an array has to be like */
    char *restored;         /* what is owned holds this when a run begins; or NULL */
    struct tape_leaf *leaf; /* of GRADIENT, or the one that shows what is owned last */
    bool unused, made, read;
    bool held;     /* one of the references of what is owned is the tape's */
    bool constant; /* no run changes it */
    bool written;  /* what was found is written to */
    bool shared;   /* what was found is in a buffer with another one */
    bool requires; /* a gradient, does what was found */
    bool shown;    /* others may hold what is owned when a run begins */
    bool late;     /* it is written to before the gradient that it shows is dropped */
};

/* A leaf whose gradient is looked at or set. */
typedef struct tape_leaf {
    storage *of;
    bool drops;      /* of the search for late ones: it has been set */
    bool begins;     /* what it has at the beginning matters, */
    storage *gradient; /* and is this; NULL: there is none */
    struct tape_entry *first, *last; /* what sets it */
} tape_leaf;

/* What an update was given, which its caller may replace. */
typedef struct tape_update {
    int update;
    int64_t group_count;
    mg_update_group *groups;
    const array **gradients; /* of all parameters, NULL: none */
    storage **found;         /* what these parameters are, NULL: made while recording */
    size_t size;             /* of the memory of the groups */
} tape_update;

/* What a tape does, one after the other. SETS: a leaf has this gradient, or none. SHOWS:
 * nothing; the array is an output. */
typedef struct tape_entry {
    enum entry_kind { CALLS, ACTS, UPDATES, SETS, SHOWS } what;
    int array_count;
    array *arrays;
    const array **given; /* where they are */
    tape_place *places;       /* one for each */
    size_t size;         /* of this and what lies behind it */
    union {
        call call;
        deed act;
        tape_update update;
        tape_leaf *leaf;
    };
} tape_entry;

typedef struct tape_list {
    void **items;
    size_t count, capacity;
} tape_list;

typedef struct mg_program tape;
struct mg_program {
    mg_arena *arena;
    tape *next, **link; /* of those of the arena */
    recorder recorder;
    int status;       /* of recording: the first failure */
    tape_list storages, entries, leaves;
    tape_list updates;  /* entries */
    tape_list found;    /* storages, in the order in which they were met */
    tape_list shown;    /* storages that others may hold when a run begins */
    tape_list restored; /* storages that begin with what they held when recorded */
    storage *unused;   /* a list */
    uint8_t *inside;  /* of each node, whether it was made while recording */
    size_t inside_size;
    storage **inputs; /* NULL: one that nothing uses */
    tape_entry **outputs;
    int64_t input_count, output_count;
    size_t first_write; /* the first entry that changes what others see */
    int64_t elements;   /* of all results */
    int64_t fault;      /* the entry that failed in the last run, or -1 */
};

MG_INLINE storage *tape_storage(const tape *t, size_t i)
{
    return t->storages.items[i];
}

MG_INLINE tape_entry *tape_entry_at(const tape *t, size_t i)
{
    return t->entries.items[i];
}

void tape_free(tape *t);
int tape_close(mg_arena *arena, int64_t input_count, const mg_node *inputs,
               int64_t output_count, const mg_node *outputs, tape **made);
int tape_groups(tape *t, tape_update *u, int64_t count, const mg_update_group *groups);
void storage_move(storage *m, buffer *to, char *start);
int random_run(mg_arena *arena, const deed *a);

/* ---- program.c --------------------------------------------------------------------- */

void programs_free(mg_arena *arena);

#endif
