/* script.h: programs of numbers: a step of training on a graph of numbers as straight
 * code, forward, backward and optimizers, that runs again and again without the graph.
 *
 * trace.c makes of a graph a list of operations, each on numbers that come before it, with
 * the additions of backward in backward's order; their places in the list are the order in
 * which a loop in the user's language would compute them. roll.c makes of the list
 * instructions on slots, an array of doubles of which each is written once a run.
 * script.c runs them, and writes back to the arena. */
#ifndef MG_SCRIPT_H
#define MG_SCRIPT_H

#include "numbers/numbers.h"

/* ---- operations (trace.c) ---------------------------------------------------------- */

/* What an operation computes: of row r of ops.def the value, 3 * r, or what it passes on
 * to operand a, 3 * r + 1, or b, 3 * r + 2, of its gradient; or one of these. */
enum {
    CODE_PICK = 3 * MG_SCALAR_OP_COUNT, /* b if b > a, else a: a step of Python's max() */
    CODE_WHERE,    /* a where number y is b, else g: of an index that is an input */
    CODE_CONSTANT, /* `number` */
    CODE_INPUT,   /* data (b = 0) or gradient (b = 1) of node `a` of the list of nodes */
    CODE_UPDATED,  /* data of parameter b after update `a` */
    CODE_ARGUMENT, /* input number `a` of a recording */
    CODE_NONE     /* nothing: the operation with number 0 */
};

enum { NEVER_MINUS_ZERO = 1 }; /* operation.traits */
enum { ASK_AFTER = (1 << 14) / MG_ASK_OFTEN }; /* operations or nodes: some ms at most */

typedef struct operation {
    uint32_t code;
    uint32_t a, b; /* operands, by their numbers; 0: none */
    uint32_t traits;
    union {
        struct {
            uint32_t y, g; /* of a gradient: the value and its gradient; of CODE_WHERE */
        };
        double number;
    };
} operation;

/* A node that a program reads and writes. It is held by the program, but for the root. */
typedef struct outer_node {
    mg_node handle;
    bool is_held;
    uint32_t data, gradient; /* numbers of the operations that stand for them by now */
} outer_node;

/* After operation `at` - 1, node `node` has this value as data (0) or gradient (1). */
typedef struct write_back {
    uint32_t at, node, is_gradient, value;
} write_back;

/* A step of an optimizer after operation `at` - 1. */
typedef struct update_at {
    uint32_t at, count;
    uint32_t *nodes; /* (3 * count) numbers of nodes; operations: their data, gradients */
} update_at;

/* A growing array of anything. */
typedef struct list {
    void *items;
    size_t count, capacity;
} list;

/* Of a node: the numbers of the operations that are its data, and its gradient so far; 0:
 * none yet. Of a leaf of build_shift() `gradient` is the next of these. */
typedef struct node_numbers {
    uint32_t data, gradient;
} node_numbers;

/* A leaf that was there before a recording; place: in `nodes`, UINT32_MAX for an input. */
typedef struct old_node {
    uint32_t index, place;
    node_numbers numbers;
} old_node;

/* What holds where input number `index`, an operation, is `number`, or where it is another;
 * index 0: always. */
typedef struct guard {
    uint32_t index, number;
    bool is_other;
} guard;

/* A leaf that stands for one of some nodes, by an index that is an input (choose.c). */
typedef struct choice {
    uint32_t leaf, index; /* a node; the operation that is the input */
    uint32_t first, count; /* the nodes in `chosen` */
    uint32_t now;          /* the one that it is while recording */
    bool is_stale;         /* leaves have changed since */
} choice;

/* That a choice is operand key & 1 of node key >> 1, whose graph has what is chosen. */
typedef struct choice_edge {
    uint64_t key;
    uint32_t choice;
} choice_edge;

typedef struct trace {
    mg_arena *arena;
    int status;
    list operations; /* of operation */
    list nodes;      /* of outer_node: the parameters of all updates, then others */
    list writes;     /* of write_back */
    list updates;    /* of update_at */
    list given;      /* of mg_number_update *, the caller's */
    list outputs;    /* uint32_t: operations */
    uint32_t arguments;
    bool is_logged;  /* made of a recording, not of a graph: */
    uint32_t first;  /* nodes below were there before it */
    list made;       /* of node_numbers: of nodes from `first` on */
    struct old_node *old; /* an open hash table of nodes below, index 0: free */
    size_t old_count, old_size;
    list choices, chosen, edges; /* choice; uint32_t: nodes that are held; choice_edge */
    uint32_t *table; /* operations by what they are, an open hash table; 0: free */
    size_t table_size;
    uint32_t loss;
    uint32_t shift, shift_at; /* leaves of a softmax: that asked last, and how far it got */
} trace;

int list_reserve(mg_arena *arena, list *l, size_t more, size_t size);
void list_drop(mg_arena *arena, list *l, size_t size);
uint32_t *data_number(const trace *t, uint32_t index);
uint32_t *gradient_number(const trace *t, uint32_t index);
uint32_t constant(trace *t, double number);
uint32_t value_of(trace *t, uint32_t code, uint32_t a, uint32_t b);
uint32_t value_where(trace *t, guard of, uint32_t value, uint32_t otherwise);
const choice *choice_of(const trace *t, uint32_t index, uint32_t which);
uint32_t contribution(trace *t, uint32_t index, uint32_t which, uint32_t g, guard of);
uint32_t gradient_before(trace *t, uint32_t index);
int old_add(trace *t, uint32_t index, bool is_input);
outer_node *outer_of(const trace *t, uint32_t index);
uint32_t operation_add(trace *t, operation o);
uint32_t node_input(trace *t, size_t place, bool is_gradient);
int outer_add(trace *t, mg_node handle, bool is_held);
int write_add(trace *t, const outer_node *o, bool is_gradient, uint32_t value);
int leaf_trace(trace *t, uint32_t index);
int node_trace_all(trace *t, indices *stack, uint32_t index);
int backward_trace(trace *t, uint32_t root, double seed);
int gradients_write(trace *t);
int update_trace(trace *t, mg_number_update *given);
int trace_begin(trace *t, mg_arena *arena);
int trace_make(trace *t, mg_arena *arena, mg_node root, int64_t update_count,
               mg_number_update *const *given);
void trace_free(trace *t);
bool code_may_raise(uint32_t code);
uint32_t code_operands(uint32_t code);

/* Tell whether an operation has the operands y and g. */
MG_INLINE bool code_has_four(uint32_t code)
{
    return code == CODE_WHERE || (code < CODE_PICK && code % 3 != 0);
}

MG_INLINE operation *operation_at(const trace *t, uint32_t number)
{
    return (operation *)t->operations.items + number;
}

/* ---- instructions (roll.c) --------------------------------------------------------- */

enum script_kind { SCRIPT_LINE, SCRIPT_LANES, SCRIPT_CHAIN, SCRIPT_PACK, SCRIPT_UPDATE };

enum {
    LINE_ADD_PRODUCT = CODE_CONSTANT, /* of a line: to = y + a * b, both rounded */
    LINE_CODES
};

/* One operation of a LINE, on slots. */
typedef struct line {
    uint32_t code, to, a, b, y, g;
    uint32_t sequence; /* the operation's number */
} line;

/* LINE    count operations of lines[first ..]
 * LANES   count times the operation `code`: lane i is on slots a + i, or a where the mode
 *         of the operand is SINGLE; sequence[first + i] is its operation's number
 * CHAIN   blocks of `width` lanes; each a sum of an initial number and `terms` products
 *         a * b, in order. An operand is found by an index of the table for each block
 *         and term, of which it takes `width` slots, or 1 where its mode is SINGLE;
 *         sequence[y + i] is the operation that lane i ends with, 0 where it fills up
 * PACK    copies slots table[first + i] to slot to + i
 * UPDATE  number `first`: data from slot a, gradients from slot g, to slot `to` */
typedef struct instruction {
    uint8_t kind, width, modes;
    uint32_t code, count, terms;
    uint32_t to, a, b, y, g;
    size_t first;
} instruction;

/* Operands that are one slot for all lanes. */
enum { SINGLE_A = 1, SINGLE_B = 2, SINGLE_Y = 4, SINGLE_G = 8, SINGLE_START = 4 };

/* Return the lanes of LANES from `first` on, so many. */
MG_INLINE instruction lanes_from(const instruction *i, uint32_t first, uint32_t count)
{
    instruction some = *i;
    some.count = count;
    some.first += first;
    some.to += first;
    some.a += i->modes & SINGLE_A ? 0 : first;
    some.b += i->modes & SINGLE_B ? 0 : first;
    some.y += i->modes & SINGLE_Y ? 0 : first;
    some.g += i->modes & SINGLE_G ? 0 : first;
    return some;
}

/* A slot whose value goes to a node when a run is done. */
typedef struct write_slot {
    uint32_t at, node, is_gradient, slot;
} write_slot;

/* Consecutive slots that are copied to consecutive places. */
typedef struct slot_run {
    uint32_t from, to, count;
} slot_run;

typedef struct script_node {
    mg_node handle;
    bool is_held;
    uint32_t data, gradient; /* slots that the node is read to; 0: it is not */
} script_node;

/* An update that a program has read from a file, and so owns. */
typedef struct own_update {
    mg_number_update of; /* its first member: what the program is given */
    size_t size;         /* of this and what lies behind it */
    int64_t steps;
    unsigned char begun;
    double state[];
} own_update;

struct mg_script {
    mg_arena *arena;
    list instructions, lines, table, sequence; /* .., .., uint32_t, uint32_t */
    list nodes, writes;                        /* script_node, write_slot */
    list saves, moves;                         /* of slot_run: see script.c */
    list updates;                              /* mg_number_update *, the caller's */
    list update_ats;                           /* uint32_t: numbers of operations */
    list slots;                                /* of double */
    uint32_t loss;                             /* slot */
    uint32_t inputs, input_count;              /* slots */
    list outputs;                              /* uint32_t: slots */
    int64_t operations;                        /* that are computed in a run */
    uint32_t *homes; /* where is what nodes hold between steps: data, then gradients */
    double *scratch; /* of updates */
    size_t homes_size, scratch_size;
    mg_script_failure failure;
    bool runs;
    bool owns_updates; /* each is an own_update */
    bool is_portable;  /* it was saved with the functions of SPEC.md */
    char *names;       /* of the nodes of a file, each with a zero behind it; or NULL */
    size_t names_size;
};

/* What is scheduled: an operation, or the last one of a chain. */
typedef struct unit {
    uint64_t key; /* level and code; or, while lanes are sorted, slots */
    uint32_t detail;
    uint32_t number;
} unit;

void units_sort(unit *units, unit *scratch, size_t count);
int script_make(trace *t, int flags, struct mg_script **made);
void script_free(struct mg_script *s);
void own_updates_free(mg_arena *arena, list *own);
node *script_node_of(const struct mg_script *s, size_t i);
int script_updates_check(const struct mg_script *s);
int script_roll(struct mg_script *script, const trace *t, int flags);

/* ---- choices (choose.c) ------------------------------------------------------------ */

int choices_trace(trace *t, uint32_t root, double seed);

/* ---- lists in files (script_save.c) ------------------------------------------------ */

/* What a list does beside computing: behind the codes of operations. */
enum { DO_SET_DATA = CODE_NONE, DO_SET_GRADIENT, DO_UPDATE, DO_COUNT };

const char *code_name(uint32_t code);
uint32_t code_which(uint32_t code);
uint32_t code_words(uint32_t code);

/* ---- loops for an instruction set (lanes_*.c) -------------------------------------- */

typedef struct lane_set {
    const char *name;
    int (*line)(const line *lines, size_t count, double *slots);
    int (*lanes)(const instruction *i, double *slots);
    void (*chain)(const instruction *i, const uint32_t *table, double *slots);
    int (*adam)(const adam *set, int64_t count, const double *data,
                const double *gradients, const double *m, const double *v, double *to);
} lane_set;

extern const lane_set lanes_baseline, lanes_avx2, lanes_avx512;

#endif
