/* programs.h: tapes, the programs of arrays.
 *
 * A tape does calls again, each of which works on whole arrays; what it has to know is whose
 * memory that is. Programs of numbers (script.h) have nothing in common with it: a call for
 * each number would take longer than its operation, so they are made of instructions. */
#ifndef MG_PROGRAMS_H
#define MG_PROGRAMS_H

#include "arrays/arrays.h"

/* Memory for many things that are freed at once. */
typedef struct room_block {
    struct room_block *next;
    size_t size; /* of this and what lies behind it, bytes */
    double data[];
} room_block;

typedef struct tape_room {
    room_block *blocks; /* the last first */
    char *left;         /* of the last one, so many bytes that nobody has */
    size_t left_size;
} tape_room;

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
    int64_t number; /* in the program's list */
    tape_place *places, *before; /* the last first; those of what lay there before */
    storage *sibling;        /* of what was found, another array in the same buffer */
    storage *next_unused;    /* while recording, of what is owned */
    const array *array;     /* found, while recording: the node's */
    uint32_t node;          /* found; of this is a reference */
    array *like;            /* found: what an array has to be like */
    char *restored;         /* what is owned holds this when a run begins; or NULL */
    struct tape_leaf *leaf; /* of GRADIENT, or the one that shows what is owned last */
    uint32_t given; /* how often eager had no use for what is owned */
    bool unused, made, read;
    bool held;     /* one of the references of what is owned is the tape's */
    bool constant; /* no run changes it */
    bool written;  /* what was found is written to */
    bool shared;   /* what was found is in a buffer with another one */
    bool requires; /* a gradient, does what was found */
    bool lent;     /* a function got a gradient there */
    bool shown;    /* others may hold what is owned when a run begins */
    bool late;     /* it is written to before the gradient that it shows is dropped */
    bool is_result; /* outputs or leaves have it after a run */
    /* of passes: it is read later; it is not the same in each run; it is, and is kept; the
     * last entry that writes to it; of a value, where it lies, else the value there; of a
     * value that is kept, as what */
    bool live, changes, lasts;
    unsigned written_with; /* marks of the entries that write to it */
    size_t last_write;
    storage *part_of, *value;
    /* marks of the last group that writes to it, that reads a part of it, and that has
     * made anew what lies here */
    size_t made_in, read_in_part, begun_in;
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
    unsigned marks;      /* what passes found: entry_mark */
    struct tape_group *group; /* that makes this, or NULL */
    union {
        call call;
        deed act;
        tape_update update;
        tape_leaf *leaf;
    };
} tape_entry;

/* UNREAD: nobody reads what it makes. LASTS: in a run that follows another one it would make
 * the same, LASTS_IN_FIT also with other inputs. KEEPS_SOFTMAX, HAS_SOFTMAX: a cross-entropy
 * leaves a part of its work to its gradient. BEGINS_GROUP, IN_GROUP: a group makes it. */
enum entry_mark {
    UNREAD = 1,
    LASTS = 2,
    LASTS_IN_FIT = 4,
    KEEPS_SOFTMAX = 8,
    HAS_SOFTMAX = 16,
    BEGINS_GROUP = 32,
    IN_GROUP = 64
};

/* An op of elements as a group makes it. Sides 0 to 3 are inputs, as many as there are, the
 * last is the result. OF_CHOICE: where; OF_COPY: of one input, cast to the result's type. */
enum { GROUP_SIDES = 5, GROUP_OUTPUT = GROUP_SIDES - 1 };
enum element_kind { OF_VALUE, OF_GRADIENT, OF_CHOICE, OF_COPY };
typedef struct group_op {
    enum element_kind kind;
    int of, which; /* op; the operand whose gradient it is */
    int dtype, to; /* of the first input, and of the result */
    int input_count;
    unsigned marks, repeats;
    double number;
    const array *sides[GROUP_SIDES];
    char *room[GROUP_SIDES];   /* for a block of its only element, NULL: not needed */
    uint8_t size[GROUP_SIDES]; /* of an element, bytes; 0: there is one for all */
    bool moves[GROUP_SIDES];   /* from block to block; else there is one for a range */
    /* of a run: */
    bool passed; /* over */
    map_kernel value; /* of OF_VALUE, and so on */
    gradient_kernel gradient;
    choose_kernel choose;
    char *data[GROUP_SIDES];
} group_op;

/* Entries on elements that a run makes block by block. */
typedef struct tape_group {
    size_t size;       /* of this and what lies behind it: ops, and rooms */
    size_t first, end; /* entries */
    size_t mark;       /* a number that no other group has */
    int64_t count;     /* elements of each array */
    int64_t block;     /* elements of a block */
    int op_count, spread_count; /* of these, rooms */
    group_op ops[];
} tape_group;

typedef struct tape_list {
    void **items;
    size_t count, capacity;
} tape_list;

/* A copy of the elements of an array, contiguous. */
typedef struct story_array {
    int64_t shape[MG_MAX_RANK];
    int dtype, rank;
    size_t bytes;
    char data[];
} story_array;

/* The value that an array is. */
typedef struct story_place {
    const array *at;
    const storage *home; /* its memory, and how often this had been given back: another */
    uint32_t given;      /* array may stand at its address */
    const char *data;
    int64_t count;
    int dtype;
    uint32_t value;
    story_array *constant; /* or NULL */
    bool is_fresh; /* nothing has used it: its caller may fill it */
} story_place;

/* What a tape tells of its calls to a file (story.c): words, as SPEC.md has them, with the
 * numbers of ops in place of those of a file's table. A value is the result of an event, or
 * FOUND_VALUE + n: array n. */
enum { FOUND_VALUE = 1u << 31, NO_ARRAY = 0xFFFFFFFFu };
enum { STORY_ROOTS = 16 };  /* of a backward, or a grad, at most */
enum { STORY_SWEEPS = 16 }; /* of these at most are open at once */
typedef struct story {
    const char *refused; /* why there is none, or NULL */
    uint32_t *words;
    size_t word_count, word_capacity;
    story_place *places; /* an open hash table */
    size_t place_count, place_size;
    uint32_t values;      /* so many there are */
    const mg_sweep *sweeps[STORY_SWEEPS]; /* open ones, the innermost last */
    int sweep_count;
    tape_list arrays;     /* of storage: what was found */
    tape_list constants;  /* of story_array */
    tape_list generators; /* of mg_rng, somebody's */
    tape_list updates;    /* of tape_entry */
    uint32_t *outputs;    /* (output_count) values */
} story;

typedef struct mg_program tape;
struct mg_program {
    mg_arena *arena;
    tape *next, **link; /* of those of the arena */
    recorder recorder;
    int status;       /* of recording: the first failure */
    tape_room room;   /* of storages, entries, leaves and constants */
    tape_list storages, entries, leaves;
    tape_list groups;
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
    story story;
    struct tape_own *own; /* what a program from a file owns; or NULL */
};

MG_INLINE storage *tape_storage(const tape *t, size_t i)
{
    return t->storages.items[i];
}

MG_INLINE tape_entry *tape_entry_at(const tape *t, size_t i)
{
    return t->entries.items[i];
}

enum { TAPE_ASKS = (1 << 12) / MG_ASK_OFTEN }; /* entries: 1 to 4 ms between two questions */

/* Tell whether a loop goes on with number i of something; once it does not, as the work is
 * given up, none does. */
MG_INLINE bool tape_goes_on(tape *t, size_t i)
{
    if (t->status == MG_OK && !work_steps((int64_t)i, TAPE_ASKS))
        t->status = MG_ERR_INTERRUPTED;
    return t->status == MG_OK;
}

void tape_free(tape *t);
int tape_close(mg_arena *arena, int64_t input_count, const mg_node *inputs,
               int64_t output_count, const mg_node *outputs, tape **made);
int64_t parameter_count(int64_t count, const mg_update_group *groups);
int tape_groups(tape *t, tape_update *u, int64_t count, const mg_update_group *groups);
void storage_move(storage *m, buffer *to, char *start);
int random_run(mg_arena *arena, const deed *a);
int require_run(mg_arena *arena, const deed *a);

/* What a program from a file owns. */
typedef struct tape_own {
    tape_room room;
    mg_node *arrays; /* (array_count), held */
    size_t array_count;
    const char *names; /* each with a zero behind it */
} tape_own;

/* ---- story.c ----------------------------------------------------------------------- */

/* What happens, beside ops: behind the numbers of these. */
enum {
    STORY_CONSTANT = MG_OP_COUNT,
    STORY_IN_PLACE,
    STORY_GRADIENT,
    STORY_SET_GRADIENT,
    STORY_BACKWARD,
    STORY_UPDATE,
    STORY_RANDOM,
    STORY_REQUIRE,
    STORY_REQUIRES_GRAD,
    STORY_GRAD,
    STORY_ARRIVED,
    STORY_CONTRIBUTE,
    STORY_RESUME,
    STORY_COUNT
};
enum { STORY_RECORDS = 1, STORY_OVER = 2, STORY_REQUIRES = 4 }; /* of a call */

/* Return zeros, which live until room_free(); or NULL. */
void *room_take(mg_arena *arena, tape_room *room, size_t size);
void room_free(mg_arena *arena, tape_room *room);
/* The same of a tape's own; NULL, and the tape has failed. */
void *tape_take_room(tape *t, size_t size);
bool tape_list_add(tape *t, tape_list *list, void *item);
void tape_list_free(mg_arena *arena, tape_list *list);
void story_refuse(tape *t, const char *why);
void story_settle(tape *t, const array *a);
uint32_t story_gradient(tape *t, const array *a, storage *m, uint32_t leaf);
uint32_t story_value(tape *t, const array *a, storage *m);
void story_call(tape *t, const call *c, uint32_t made, const uint32_t *values);
void story_constant(tape *t, const array *a);
void story_in_place(tape *t, const deed *a, const uint32_t *values);
void story_random(tape *t, const deed *a, uint32_t value);
void story_require(tape *t, const deed *a, uint32_t value);
void story_look(tape *t, uint32_t leaf, const array *gradient);
void story_requires(tape *t, uint32_t leaf, bool on);
void story_set(tape *t, uint32_t leaf, uint32_t gradient);
void story_sweep(tape *t, const mg_sweep *s, int64_t count, int64_t input_count,
                 const uint32_t *values);
bool story_stopped(tape *t, const mg_sweep *s);
void story_arrived(tape *t, uint32_t output, const array *gradient);
void story_contribute(tape *t, int which, uint32_t gradient);
void story_resume(tape *t);
void story_kept(tape *t, const array *gradient);
void story_sweep_end(tape *t, const mg_sweep *s);
void story_update(tape *t, tape_entry *e);
void story_end(tape *t);
void story_free(tape *t);
const char *story_name(uint32_t op);
size_t story_length(uint32_t op, const uint32_t *words, size_t left);
void tape_own_free(mg_arena *arena, struct tape_own *own);
void node_let_go(mg_arena *arena, uint32_t index);

/* ---- passes.c ---------------------------------------------------------------------- */

int passes_make(tape *t);
/* Tell whether array k of an entry is all that lies in its storage. */
bool is_whole(const tape_entry *e, int k);
/* Note of storages whether they are read behind all entries; and, from the last on, before
 * an entry, given whether they are behind it. */
void live_end(tape *t);
void live_before(const tape_entry *e);

/* ---- blocks.c ---------------------------------------------------------------------- */

int groups_make(tape *t);
/* Run the entries of a group but those of a mark. */
void group_run(tape_group *g, unsigned but);

/* ---- program.c --------------------------------------------------------------------- */

void programs_free(mg_arena *arena);
int program_fits(tape *t);

#endif
