/* core.h: the structs and macros of the core; what the layers offer each other stands in
 * their headers.
 *
 * A node is 32 bytes; its generation and number of handles lie beside: 40 bytes a scalar.
 * Nodes live in chunks that never move, so a node's address holds while the arena is
 * locked.
 */
#ifndef MG_CORE_H
#define MG_CORE_H

#if defined(__STDC_NO_ATOMICS__) || (defined(__TINYC__) && __TINYC__ < 928)
#error "the core needs <stdatomic.h> of C11, which tcc has from version 0.9.28 on"
#endif

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "micrograd.h"

#if (defined(__unix__) || defined(__APPLE__)) && !defined(MG_NO_THREADS)
#define MG_HAS_THREADS 1
#include <pthread.h>
#else
#define MG_HAS_THREADS 0
#endif

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__) || \
    defined(__ASSOCIATIVE_MATH__)
#error "the core's digits are exact: build it without -ffast-math and its parts"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__GNUC__)
#define MG_INLINE static inline __attribute__((always_inline))
#define MG_NOINLINE __attribute__((noinline))
#define MG_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define MG_INLINE static inline
#define MG_NOINLINE
#define MG_UNLIKELY(condition) (condition)
#endif

#define MG_RETURN_IF(bad, status) \
    do { \
        if (MG_UNLIKELY(bad)) return (status); \
    } while (0)
#define MG_TRY(call) \
    do { \
        int status_of_call = (call); \
        if (MG_UNLIKELY(status_of_call < 0)) return status_of_call; \
    } while (0)

/* ---- nodes and arena --------------------------------------------------------------- */

enum {
    CHUNK_BITS = 12,
    CHUNK_NODES = 1 << CHUNK_BITS,
    MAX_NODES = 1 << 30,      /* indices fit in 30 bits beside a 2-bit operand counter */
    GENERATION_END = 1 << 30, /* a slot that would reach it is retired */
    REFERENCES_END = 1 << 30, /* no more handles are given of a node that has as many:
                                 2^30 others may use it twice beside, before 2^32 */
    /* what node.bits holds: op, arity << ARITY_SHIFT, and flags */
    ARITY_SHIFT = 8,
    UNDER_WAY = 1 << 16, /* the backward under way has visited it */
    FREED = 1 << 17,     /* the slot holds no node */
    EXPOSED = 1 << 18,   /* a handle was given out: the slot needs a new generation */
    ARRAY = 1 << 19,     /* the node holds an array */
    SHIFT = 1 << 20,     /* a number: a leaf that build_shift() made */
    REQUIRES = 1 << 20,  /* an array that a gradient flows to */
    RETAINS = 1 << 21,   /* one that keeps it, though it has operands */
    WATCHED = 1 << 22,   /* one at which sweeps stop */
    INPUT = 1 << 23,     /* an input of the sweep that is being opened */
    HIDDEN_SHIFT = 24,   /* here is the op of a number at which the caller is called */
    CACHE_LINE = 64,
    BLOCK_CLASSES = 225 /* sizes of blocks, of arrays of up to 2^62 bytes: memory.c */
};

typedef struct node {
    union {
        double data;
        struct array *array; /* of an ARRAY node */
    };
    union {
        double gradient;
        struct {
            uint32_t gradient_node; /* what backward left, 0: nothing; of a number, while
                                       gradients are emitted: theirs so far */
            uint32_t slot;          /* of the sweep under way, 0: none */
        };
    };
    uint32_t operand[2]; /* indices, 0: none; operand[1] of pow_number is the exponent */
    uint32_t references; /* handles given out, and nodes that use it */
    uint32_t bits;
} node;
_Static_assert(sizeof(node) == 32, "two nodes are a cache line");

/* What numbers have instead of an op where the caller says what a node is: given.c. They
 * are no rows of ops.def: nothing computes their data. */
enum {
    GIVEN = MG_SCALAR_OP_COUNT, /* a node with factors: passes its gradient to its parts */
    FACTOR, /* of a GIVEN node: an operand, its factor as data, and the next part */
    BARE,   /* a node that passes nothing on */
    LINK,   /* of a BARE node with more than two operands: one and the next, or two */
    CALLED  /* any node at which a backward stops, for the caller to pass on */
};

/* What is known of a slot besides its node. */
typedef struct slot_info {
    uint32_t generation; /* of handles that are given out */
    uint32_t handles;    /* of the node's references, those that callers own */
} slot_info;

typedef struct chunk {
    node nodes[CHUNK_NODES]; /* on a cache line */
    slot_info slots[CHUNK_NODES];
    void *memory; /* what the allocator gave for this chunk */
} chunk;

enum { CHUNK_SIZE = sizeof(chunk) + CACHE_LINE }; /* what is allocated for one */

/* A growing array of indices: the only container of the core. */
typedef struct indices {
    uint32_t *items;
    size_t count;
    size_t capacity;
} indices;

/* The state of a depth-first walk from root, and of the backward that follows it. */
typedef struct walk {
    uint32_t root; /* 0 when no backward is under way */
    double seed;
    bool ieee;    /* where Python's floats raise, gradients are infinite or NaN */
    bool clears;  /* gradients of interior nodes are set to 0 on the way */
    bool ordered; /* the walk is done; gradients flow from order[remaining - 1] down */
    bool stopped; /* at order[remaining - 1], for the caller to pass on its gradient */
    bool keeps;   /* the gradients of all nodes, in held[], are put back at the end */
    size_t remaining;
    indices order;  /* interior nodes in postorder */
    indices stack;  /* index << 2 | next operand */
    indices leaves; /* leaves met, in order */
    double *saved;  /* the gradients they held before */
    size_t saved_capacity;
    double *held;       /* what `keeps` keeps, of the order and then of the leaves */
    struct walk *outer; /* the one that has stopped while this one runs */
} walk;

/* Who is told of what calls do with numbers, while they are recorded: programs/log.c. Each
 * returns a status, with which the call fails. */
typedef struct number_log {
    int (*backward)(struct mg_arena *arena, uint32_t root, double seed);
    int (*set)(struct mg_arena *arena, int64_t count, const mg_node *nodes,
               const double *to, bool is_gradient); /* to NULL: 0.0 */
    int (*read)(struct mg_arena *arena, int64_t count, const mg_node *nodes);
    int (*step)(struct mg_arena *arena, int64_t count, const mg_node *parameters);
} number_log;

struct mg_arena {
    atomic_flag lock;
    atomic_bool lasting; /* whoever has the lock works for long: sleep until it is free */
#if MG_HAS_THREADS
    pthread_mutex_t guard; /* of `lasting`, where that changes to or from true */
    pthread_cond_t ended;  /* the lasting work has */
    /* Of the guard, too: */
    int sleepers;        /* threads that wait for the end of lasting work */
    bool is_handed_over; /* the lock stays taken, for whichever sleeper wakes first */
    mg_node late[64];    /* handles to be released at that end */
    int late_count;
    int (*late_release)(mg_arena *arena, mg_node handle); /* node.c's */
#endif
    mg_allocator allocator;
    void *context;
    size_t bytes, peak_bytes, limit;
    int64_t fail_after; /* < 0: never */
    bool fail_persistent;

    chunk **chunks;
    size_t chunk_count, chunk_capacity;
    uint32_t *free_slots; /* a stack with room for every slot: freeing cannot fail */
    size_t free_count, free_capacity;
    size_t turned_over; /* slots that backwards went through since they were in order */
    size_t order_at;    /* the free slots are put in order when there are as many */
    uint32_t fresh;   /* the first slot never used */
    uint32_t ordered; /* the slots before were put in order last */
    uint32_t unfreed; /* nodes of which nobody knows any more, linked: node.c */
    size_t allowance; /* nodes that may be freed before something is recorded */
    size_t living;    /* nodes that there were when that was last looked at */
    bool building;    /* a builder is open */
    uint32_t first_generation;
    int64_t retired;
    const number_log *log; /* NULL: nobody records; else no slot is used again */

    walk walk;
    bool ieee; /* see mg_set_ieee() */

    /* arrays: free blocks by class, slabs they were cut from, buffers to be released */
    struct free_block *free_blocks[BLOCK_CLASSES];
    struct slab *slabs;
    size_t free_block_bytes, used_block_bytes;
    uint32_t free_counts[BLOCK_CLASSES]; /* of large blocks; and the fewest in this span */
    uint32_t idle_counts[BLOCK_CLASSES];
    size_t turnover;   /* bytes of large blocks taken in this span */
    size_t given_back; /* bytes given back for want of room, that may be missed */
    size_t room;       /* bytes that may wait because such were missed */
    struct buffer *released;
    indices temporaries;     /* nodes of open scopes */
    struct mg_sweep *sweeps; /* those that are open */
    struct mg_sweep *marks;  /* the one whose visits the slots of nodes number */
    struct recorder *recorder; /* what hears of a thread's calls, or NULL: store.h */
    struct mg_program *programs;
};

/* A builder records several nodes in one call, between which nothing is freed: what it
 * took from the free slots is still written above their count. So when the call fails
 * builder_close() can undo everything. The first failure stays in status, and later calls
 * do nothing. */
typedef struct builder {
    mg_arena *arena;
    int status;
    size_t free_count; /* the arena's at the start */
    uint32_t fresh;
} builder;

/* ---- arrays ------------------------------------------------------------------------ */

enum {
    BLOCK_ALIGNMENT = 64, /* of blocks and so of the data of arrays: a cache line */
    MAX_SAVED = 3         /* operands whose values a gradient may need */
};

/* The memory of arrays: a header, and in the same block the data, unless they are
 * `owner`'s. */
typedef struct buffer {
    void *data;
    size_t size;         /* bytes of data */
    void *owner;         /* whom the data belong to, NULL: the core */
    struct buffer *next; /* of the buffers whose owner waits for mg_released() */
    uint32_t references; /* arrays */
    uint32_t views;      /* of these, arrays that view ops made */
    uint32_t version;    /* grows when the data are written to */
    bool read_only;
    struct storage *home; /* what a recording knows of it, or NULL: programs/tape.c */
} buffer;

/* What an array node keeps besides its first two operands; followed by its integers,
 * numbers, and further operands. */
typedef struct extra {
    int64_t size; /* bytes, these included */
    int32_t integer_count, number_count, operand_count, unused;
} extra;
_Static_assert(sizeof(extra) % sizeof(double) == 0, "integers and numbers follow it");

typedef struct array {
    buffer *buffer;
    char *data; /* the first element */
    int64_t count;
    extra *extra;     /* NULL: none */
    buffer *attached; /* whose owner is the object of mg_attach(); NULL: none */
    uint8_t dtype, rank;
    bool contiguous; /* row-major, without holes */
    bool is_view;
    uint32_t operand_count;
    uint32_t version;          /* of the buffer, when the node was made */
    uint32_t saved[MAX_SAVED]; /* versions of the first operands at that time */
    int64_t shape[MG_MAX_RANK];
    int64_t strides[MG_MAX_RANK]; /* in elements; 0 along broadcast axes */
} array;
_Static_assert(sizeof((mg_array_info){0}.shape) == MG_MAX_RANK * sizeof(int64_t),
               "mg_array_info has room for all axes");

#endif
