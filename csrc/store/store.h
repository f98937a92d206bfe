/* store.h: memory, buffers and nodes, for the layers above. Their calls hold the arena's
 * lock. */
#ifndef MG_STORE_H
#define MG_STORE_H

#include "base/base.h"

/* What is freed is poisoned in a build for AddressSanitizer with MG_SEPARATE_BLOCKS. */
#if defined(MG_SEPARATE_BLOCKS)
#include <sanitizer/asan_interface.h>
#define POISON(memory, size) ASAN_POISON_MEMORY_REGION(memory, size)
#define UNPOISON(memory, size) ASAN_UNPOISON_MEMORY_REGION(memory, size)
enum { SEPARATE_BLOCKS = 1 };
#else
#define POISON(memory, size) ((void)(memory))
#define UNPOISON(memory, size) ((void)(memory))
enum { SEPARATE_BLOCKS = 0 };
#endif
/* What of a node is nobody's business when it is freed: all but references and bits. */
enum { NODE_POISONED = offsetof(node, references) };

/* ---- memory.c ---------------------------------------------------------------------- */

void arena_lock(mg_arena *arena);
void arena_unlock(mg_arena *arena);
/* The same for a call that its thread may give up, here too: then MG_ERR_INTERRUPTED. */
int arena_enter(mg_arena *arena);
void lasting_begin(mg_arena *arena);
/* Take the lock, or leave it to the lasting call that has it to release handles, each by
 * a function of node.c's; whether it was taken. */
bool release_enter(mg_arena *arena, int64_t count, const mg_node *handles,
                   int (*release)(mg_arena *arena, mg_node handle));
void lock_open(mg_arena *arena);
void lock_close(mg_arena *arena);
void lock_before_fork(mg_arena *arena);
void lock_after_fork(mg_arena *arena, bool child);

/* Elements that keep the lock for some 10 us. */
enum { LASTING_COUNT = 1 << 16 };

/* Say that this call, which has the lock, works on so many elements. */
/* Take the lock if nobody has it. */
MG_INLINE bool arena_try(mg_arena *arena)
{
    return !atomic_flag_test_and_set_explicit(&arena->lock, memory_order_acquire);
}

MG_INLINE void lasting_work(mg_arena *arena, int64_t count)
{
    if (MG_UNLIKELY(count > LASTING_COUNT)) lasting_begin(arena);
}

void *arena_allocate(mg_arena *arena, void *memory, size_t old_size, size_t new_size);
int indices_grow(mg_arena *arena, indices *list, size_t more);
void indices_trim(mg_arena *arena, indices *list);
void *block_take(mg_arena *arena, size_t size);
void block_give(mg_arena *arena, void *block, size_t size);
void blocks_free(mg_arena *arena);

/* Make room for `more` items. */
MG_INLINE int indices_reserve(mg_arena *arena, indices *list, size_t more)
{
    if (MG_UNLIKELY(list->capacity - list->count < more))
        return indices_grow(arena, list, more);
    return MG_OK;
}

/* ---- recorders --------------------------------------------------------------------- */

/* What hears of the calls of one thread, whose arrays it gives memory to: programs/tape.c.
 * None of its functions fails: what could not be recorded is told at the end. */
typedef struct recorder recorder;
struct call;
struct deed;
struct mg_sweep;
struct recorder {
    const void *thread; /* its thread_mark() */
    bool paused;
    bool swept; /* leaves got gradients */
    int within; /* sweeps under way that are not recorded: their calls are their affair */
    /* Return memory for a buffer, and what is to be its home; or NULL. */
    buffer *(*take)(recorder *r, size_t size, struct storage **home);
    void (*give)(recorder *r, buffer *unused);
    void (*calls)(recorder *r, const struct call *c, uint32_t made); /* when it is done */
    void (*acts)(recorder *r, const struct deed *a);                  /* before it is done */
    /* An array will be written to, all of it or a part. */
    void (*writes)(recorder *r, const array *a, bool all);
    void (*constant)(recorder *r, uint32_t made); /* a leaf that no call computes */
    void (*sees)(recorder *r, uint32_t index);    /* an array is used */
    /* The gradient of a node is looked at, or was set. */
    void (*looks)(recorder *r, uint32_t index);
    void (*sets)(recorder *r, uint32_t index);
    void (*requires)(recorder *r, uint32_t index, bool on); /* before it is so */
    void (*updates)(recorder *r, int update, int64_t count, const mg_update_group *groups);
    /* A sweep is opened; it stops at a hook. */
    void (*sweeps)(recorder *r, const struct mg_sweep *s, int64_t count,
                   const mg_node *roots, const mg_node *seeds, int64_t input_count,
                   const mg_node *inputs, int flags);
    void (*stops)(recorder *r);
    /* Of one that is not recorded and has stopped at a function: its caller gets the gradient
     * of an output, gives one for an operand, and lets it go on. */
    void (*gets)(recorder *r, const struct mg_sweep *s, uint32_t output, uint32_t gradient);
    void (*gives)(recorder *r, const struct mg_sweep *s, int which, uint32_t gradient);
    void (*resumes)(recorder *r, const struct mg_sweep *s);
    /* One that is not recorded keeps a gradient for its caller, and is at its end; or it is
     * given up, or was looked at where it had not stopped. */
    void (*keeps)(recorder *r, uint32_t gradient);
    void (*ends)(recorder *r, const struct mg_sweep *s);
    void (*breaks)(recorder *r, const struct mg_sweep *s);
};

/* Return what hears of the calls of this thread, mostly NULL. */
MG_INLINE recorder *recorder_of(const mg_arena *arena)
{
    recorder *r = arena->recorder;
    return MG_UNLIKELY(r != NULL) && !r->paused && r->thread == thread_mark() ? r : NULL;
}

/* ---- buffer.c ---------------------------------------------------------------------- */


void owner_release(mg_arena *arena, buffer *used);
void buffer_release(mg_arena *arena, buffer *used);
int64_t shape_count(int rank, const int64_t *shape);
bool shape_equal(const array *a, const array *b);
int shapes_broadcast(int a_rank, const int64_t *a, int b_rank, const int64_t *b, int *rank,
                     int64_t *shape);
int shape_broadcast(const array *a, const array *b, int *rank, int64_t *shape);
bool is_shape(int dtype, int rank, const int64_t *shape);
int array_new(mg_arena *arena, int dtype, int rank, const int64_t *shape, array **made);
int array_of_memory(mg_arena *arena, void *data, void *owner, array **made);
int array_view(mg_arena *arena, const array *of, array **made);
int array_set_shape(array *a, int rank, const int64_t *shape, const int64_t *strides);
int array_set_shared_shape(array *a, int rank, const int64_t *shape,
                           const int64_t *strides);
bool array_overlaps(const array *a);
void array_free(mg_arena *arena, array *a);

MG_INLINE const int64_t *extra_integers(const extra *e)
{
    return (const int64_t *)(e + 1);
}

MG_INLINE const double *extra_numbers(const extra *e)
{
    return (const double *)(extra_integers(e) + e->integer_count);
}

MG_INLINE const uint32_t *extra_operands(const extra *e)
{
    return (const uint32_t *)(extra_numbers(e) + e->number_count);
}

/* ---- node.c ------------------------------------------------------------------------ */

int arena_grow(mg_arena *arena);
void node_release(mg_arena *arena, uint32_t index);
void node_drop(mg_arena *arena, uint32_t index);
void nodes_settle(mg_arena *arena);
void slots_turn_over(mg_arena *arena, size_t count);
void slots_keep(mg_arena *arena, const number_log *log);
void slots_reuse(mg_arena *arena);
int nodes_find(mg_arena *arena, int64_t count, const mg_node *handles);
int nodes_find_idle(mg_arena *arena, int64_t count, const mg_node *handles);
void arrays_free(mg_arena *arena);

/* Return the node at an index. */
MG_INLINE node *node_at(const mg_arena *arena, uint32_t index)
{
    return &arena->chunks[index >> CHUNK_BITS]->nodes[index & (CHUNK_NODES - 1)];
}

MG_INLINE slot_info *slot_at(const mg_arena *arena, uint32_t index)
{
    return &arena->chunks[index >> CHUNK_BITS]->slots[index & (CHUNK_NODES - 1)];
}

MG_INLINE int op_of(const node *n)
{
    return (int)(n->bits & 0xFF);
}

MG_INLINE uint32_t arity_of(const node *n)
{
    return n->bits >> ARITY_SHIFT & 3;
}

/* Return the index that a handle known to be alive names. */
MG_INLINE uint32_t index_of(mg_node handle)
{
    return (uint32_t)(handle & 0xFFFFFFFF);
}

/* Find the slot of a handle; its node may be freed. Generations are above 0 and below
 * 2^30, which what is no handle, below 2^32 or negative, has not. */
MG_INLINE int slot_find(const mg_arena *arena, mg_node handle, slot_info **found)
{
    uint32_t index = index_of(handle);
    MG_RETURN_IF(index == 0 || index >= arena->fresh, MG_ERR_STALE);
    *found = slot_at(arena, index);
    return (*found)->generation == (uint64_t)handle >> 32 ? MG_OK : MG_ERR_STALE;
}

/* Check that a handle names a living node; *bits gets the node's. */
MG_INLINE int handle_check(const mg_arena *arena, mg_node handle, uint32_t *bits)
{
    slot_info *found;
    MG_TRY(slot_find(arena, handle, &found));
    *bits = node_at(arena, index_of(handle))->bits;
    return *bits & FREED ? MG_ERR_STALE : MG_OK;
}

/* Check that it names that of a number. */
MG_INLINE int number_check(const mg_arena *arena, mg_node handle)
{
    uint32_t bits;
    MG_TRY(handle_check(arena, handle, &bits));
    return bits & ARRAY ? MG_ERR_DTYPE : MG_OK;
}

/* Find the living node that a handle names. */
MG_INLINE int node_find_any(const mg_arena *arena, mg_node handle, uint32_t *index)
{
    uint32_t bits;
    MG_TRY(handle_check(arena, handle, &bits));
    *index = index_of(handle);
    return MG_OK;
}

/* Find the living node of a number. */
MG_INLINE int node_find(const mg_arena *arena, mg_node handle, uint32_t *index)
{
    MG_TRY(number_check(arena, handle));
    *index = index_of(handle);
    return MG_OK;
}

/* Tell whether a backward uses a node now: not where it has stopped for its caller. */
MG_INLINE bool is_under_way(const mg_arena *arena, uint32_t index)
{
    return node_at(arena, index)->bits & UNDER_WAY && !arena->walk.stopped;
}

/* Take a reference to a node. */
MG_INLINE void node_retain(const mg_arena *arena, uint32_t index)
{
    node_at(arena, index)->references++;
}

/* Return the handle of a node, with a reference for the caller. */
MG_INLINE mg_node handle_retain(mg_arena *arena, uint32_t index)
{
    node *n = node_at(arena, index);
    slot_info *of = slot_at(arena, index);
    n->references++;
    n->bits |= EXPOSED;
    of->handles++;
    return (mg_node)((uint64_t)of->generation << 32 | index);
}

/* Take a handle back from the outputs of a call that fails. */
MG_INLINE void handle_undo(mg_arena *arena, mg_node handle)
{
    node_at(arena, index_of(handle))->references--;
    slot_at(arena, index_of(handle))->handles--;
}

/* The same of a node that may have many. */
MG_INLINE mg_node handle_share(mg_arena *arena, uint32_t index)
{
    MG_RETURN_IF(node_at(arena, index)->references >= REFERENCES_END, MG_ERR_LIMIT);
    return handle_retain(arena, index);
}

/* Take a slot, without references. Returns 0 when a chunk is needed. */
MG_INLINE uint32_t slot_take(mg_arena *arena)
{
    if (arena->free_count) {
        uint32_t index = arena->free_slots[--arena->free_count];
        UNPOISON(node_at(arena, index), NODE_POISONED);
        return index;
    }
    if (MG_UNLIKELY((size_t)arena->fresh >> CHUNK_BITS >= arena->chunk_count)) return 0;
    return arena->fresh++;
}

/* Make a node without references of its own, which uses its operands. *made gets its
 * index. */
MG_INLINE int node_make(mg_arena *arena, int op, uint32_t a, uint32_t b, double data,
                        uint32_t *made)
{
    uint32_t index = slot_take(arena);
    *made = 0;
    if (MG_UNLIKELY(!index)) {
        MG_TRY(arena_grow(arena));
        index = slot_take(arena);
    }
    node *n = node_at(arena, index);
    n->data = data;
    n->gradient = 0.0;
    n->operand[0] = a;
    n->operand[1] = b;
    n->references = 0;
    n->bits = (uint32_t)op | (uint32_t)op_arity(op) << ARITY_SHIFT;
    if (a) node_retain(arena, a);
    if (b) node_retain(arena, b);
    *made = index;
    return MG_OK;
}

void builder_open(builder *build, mg_arena *arena);
int builder_close(builder *build);

MG_INLINE uint32_t build_node(builder *build, int op, uint32_t a, uint32_t b, double data)
{
    uint32_t index = 0;
    if (MG_UNLIKELY(build->status < 0)) return 0;
    build->status = node_make(build->arena, op, a, b, data, &index);
    return index;
}

/* Record a leaf; returns its index, or 0 after a failure. */
MG_INLINE uint32_t build_leaf(builder *build, double data)
{
    return build_node(build, MG_LEAF, 0, 0, data);
}

#endif
