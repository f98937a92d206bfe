/* arena.c: node storage, reference counts, generations, the allocator hook and the lock.
 *
 * A node lives while something refers to it. Freed slots are reused at once; freeing a
 * graph is iterative, linked through the freed nodes themselves, so it needs no memory.
 * Chunks are given back only with the arena. 4096 nodes a chunk: 144 KiB, a thousandth of
 * a large graph. */
#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#define YIELD() sched_yield()
#else
#define YIELD() ((void)0)
#endif
#include <stdlib.h>

#include "base/core.h"

#ifndef MG_MAX_NODES
#define MG_MAX_NODES MAX_NODES
#endif

enum {
    CHUNK_SIZE = sizeof(chunk) + CACHE_LINE,
    SCRATCH_KEPT = 1 << 16 /* indices that scratch lists may keep between calls */
};

static void *default_allocator(void *context, void *memory, size_t old_size,
                               size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, new_size);
}

/* ---- lock --------------------------------------------------------------------------
 *
 * Work on nodes of numbers is short, or done in slices; an op on arrays holds the lock to
 * its end, which may be seconds. Python's binding lets other Python threads run in that
 * time: let_go() of the Python binding. */

void arena_lock(mg_arena *arena)
{
    while (atomic_flag_test_and_set_explicit(&arena->lock, memory_order_acquire)) YIELD();
}

void arena_unlock(mg_arena *arena)
{
    atomic_flag_clear_explicit(&arena->lock, memory_order_release);
}

/* ---- memory ------------------------------------------------------------------------ */

/* Tell whether a test asked this allocation to fail. */
bool allocation_fails(mg_arena *arena)
{
    if (arena->fail_after < 0) return false;
    if (arena->fail_after > 0) {
        arena->fail_after--;
        return false;
    }
    if (!arena->fail_persistent) arena->fail_after = -1;
    return true;
}

static bool is_over_limit(const mg_arena *arena, size_t growth)
{
    if (!arena->limit) return false;
    return arena->bytes > arena->limit || growth > arena->limit - arena->bytes;
}

/* Allocate, resize or (new_size 0) free through the hook. NULL when memory is refused. */
void *arena_allocate(mg_arena *arena, void *memory, size_t old_size, size_t new_size)
{
    if (new_size > old_size) {
        size_t growth = new_size - old_size;
        if (is_over_limit(arena, growth)) blocks_trim(arena);
        if (is_over_limit(arena, growth)) return NULL;
        if (allocation_fails(arena)) return NULL;
    }
    void *moved = arena->allocator(arena->context, memory, old_size, new_size);
    if (!moved && new_size && arena->free_block_bytes) {
        blocks_trim(arena);
        moved = arena->allocator(arena->context, memory, old_size, new_size);
    }
    if (!moved && new_size) return NULL;
    arena->bytes = arena->bytes - old_size + new_size;
    if (arena->bytes > arena->peak_bytes) arena->peak_bytes = arena->bytes;
    return moved;
}

/* Make room for `more` items. */
int indices_reserve(mg_arena *arena, indices *list, size_t more)
{
    if (list->capacity - list->count >= more) return MG_OK;
    MG_RETURN_IF(more > SIZE_MAX / 16 || list->capacity > SIZE_MAX / 16, MG_ERR_NOMEM);
    size_t capacity = list->capacity + list->capacity / 2 + more;
    uint32_t *items =
        arena_allocate(arena, list->items, list->capacity * sizeof(uint32_t),
                       capacity * sizeof(uint32_t));
    MG_RETURN_IF(!items, MG_ERR_NOMEM);
    list->items = items;
    list->capacity = capacity;
    return MG_OK;
}

/* Empty a list, and give its memory back if it is large. */
void indices_trim(mg_arena *arena, indices *list)
{
    list->count = 0;
    if (list->capacity <= SCRATCH_KEPT) return;
    arena_allocate(arena, list->items, list->capacity * sizeof(uint32_t), 0);
    list->items = NULL;
    list->capacity = 0;
}

static int chunk_table_grow(mg_arena *arena)
{
    size_t capacity = arena->chunk_capacity ? arena->chunk_capacity * 2 : 16;
    chunk **chunks =
        arena_allocate(arena, arena->chunks, arena->chunk_capacity * sizeof(chunk *),
                       capacity * sizeof(chunk *));
    MG_RETURN_IF(!chunks, MG_ERR_NOMEM);
    arena->chunks = chunks;
    arena->chunk_capacity = capacity;
    return MG_OK;
}

/* Make room on the stack of free slots for those of another chunk. */
static int free_slots_grow(mg_arena *arena)
{
    size_t capacity = (arena->chunk_count + arena->chunk_count / 8 + 1) * CHUNK_NODES;
    uint32_t *slots =
        arena_allocate(arena, arena->free_slots, arena->free_capacity * sizeof(uint32_t),
                       capacity * sizeof(uint32_t));
    MG_RETURN_IF(!slots, MG_ERR_NOMEM);
    arena->free_slots = slots;
    arena->free_capacity = capacity;
    return MG_OK;
}

/* Add a chunk of fresh slots. */
int arena_grow(mg_arena *arena)
{
    MG_RETURN_IF(arena->chunk_count >= (MG_MAX_NODES >> CHUNK_BITS), MG_ERR_LIMIT);
    if (arena->chunk_count == arena->chunk_capacity) MG_TRY(chunk_table_grow(arena));
    if (arena->free_capacity < (arena->chunk_count + 1) * CHUNK_NODES)
        MG_TRY(free_slots_grow(arena));
    void *memory = arena_allocate(arena, NULL, 0, CHUNK_SIZE);
    MG_RETURN_IF(!memory, MG_ERR_NOMEM);
    uintptr_t line = ((uintptr_t)memory + CACHE_LINE - 1) / CACHE_LINE;
    chunk *added = (chunk *)(line * CACHE_LINE);
    added->memory = memory;
    for (int i = 0; i < CHUNK_NODES; i++) added->generations[i] = arena->first_generation;
    if (arena->chunk_count == 0)
        memset(&added->nodes[0], 0, sizeof(node)); /* node 0: none */
    arena->chunks[arena->chunk_count] = added;
    arena->chunk_count++;
    return MG_OK;
}

mg_arena *mg_arena_new(mg_allocator allocator, void *context)
{
    /* The one mutable global: a handle of one arena must be stale in every other one. */
    static atomic_uint arenas_made;
    if (!allocator) allocator = default_allocator;
    mg_arena *arena = allocator(context, NULL, 0, sizeof *arena);
    if (!arena) return NULL;
    memset(arena, 0, sizeof *arena);
    atomic_flag_clear(&arena->lock);
    arena->allocator = allocator;
    arena->context = context;
    arena->bytes = arena->peak_bytes = sizeof *arena;
    arena->fail_after = -1;
    arena->fresh = 1;
    uint32_t serial = (uint32_t)atomic_fetch_add(&arenas_made, 1) + 1;
    arena->first_generation = serial * 2654435761u % (GENERATION_END / 2) + 1;
    return arena;
}

void mg_arena_free(mg_arena *arena)
{
    if (!arena) return;
    sweeps_free(arena);
    arrays_free(arena); /* with the large blocks they use */
    mg_allocator allocator = arena->allocator;
    void *context = arena->context;
    indices *lists[] = {&arena->walk.order, &arena->walk.stack, &arena->walk.leaves};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        allocator(context, lists[i]->items, lists[i]->capacity * sizeof(uint32_t), 0);
    allocator(context, arena->walk.saved, arena->walk.saved_capacity * sizeof(double), 0);
    for (size_t i = 0; i < arena->chunk_count; i++)
        allocator(context, arena->chunks[i]->memory, CHUNK_SIZE, 0);
    allocator(context, arena->chunks, arena->chunk_capacity * sizeof(chunk *), 0);
    allocator(context, arena->free_slots, arena->free_capacity * sizeof(uint32_t), 0);
    allocator(context, arena->temporaries.items,
              arena->temporaries.capacity * sizeof(uint32_t), 0);
    allocator(context, arena, sizeof *arena, 0);
}

int mg_arena_limit(mg_arena *arena, size_t size)
{
    arena_lock(arena);
    arena->limit = size;
    arena_unlock(arena);
    return MG_OK;
}

int mg_arena_fail(mg_arena *arena, int64_t after, int persistent)
{
    arena_lock(arena);
    arena->fail_after = after;
    arena->fail_persistent = persistent != 0;
    arena_unlock(arena);
    return MG_OK;
}

int mg_arena_usage(mg_arena *arena, mg_usage *usage)
{
    arena_lock(arena);
    usage->nodes = (int64_t)(arena->fresh - 1 - arena->free_count) - arena->retired;
    int64_t slots = (int64_t)(arena->chunk_count << CHUNK_BITS);
    usage->capacity = slots ? slots - 1 - arena->retired : 0;
    usage->bytes = arena->bytes;
    usage->peak_bytes = arena->peak_bytes;
    arena_unlock(arena);
    return MG_OK;
}

void mg_arena_before_fork(mg_arena *arena)
{
    arena_lock(arena);
}

void mg_arena_after_fork(mg_arena *arena, int child)
{
    arena_unlock(arena);
    if (child) mg_backward_cancel(arena);
}

/* ---- references -------------------------------------------------------------------- */

/* Make every handle of a freed slot stale. Returns whether the slot can be used again: it
 * is retired when its generations are used up. */
MG_INLINE bool slot_renew(mg_arena *arena, uint32_t index, node *n)
{
    bool exposed = n->kind & EXPOSED;
    n->kind = FREED;
    if (!exposed || ++*generation_at(arena, index) < GENERATION_END - 1) return true;
    arena->retired++;
    return false;
}

/* Free a node whose references are used up, and what only it used; pending nodes are
 * linked through their references. The second operand goes first: that is mostly the
 * reverse of the order of recording, so that the next graph lies in memory in the order
 * it is recorded in. */
static void node_free(mg_arena *arena, uint32_t index)
{
    uint32_t *free_slots = arena->free_slots;
    size_t free_count = arena->free_count;
    uint32_t pending = 0;
    for (;;) {
        node *n = node_at(arena, index);
        uint32_t a = n->operand[0], b = n->operand[1];
        if (MG_UNLIKELY(n->kind & ARRAY)) pending = array_unlink(arena, n, pending);
        if (slot_renew(arena, index, n)) free_slots[free_count++] = index;
        if (a && --node_at(arena, a)->references == 0) {
            node_at(arena, a)->references = pending;
            pending = a;
        }
        if (b && --node_at(arena, b)->references == 0) {
            index = b;
            continue;
        }
        if (!pending) break;
        index = pending;
        pending = node_at(arena, index)->references;
    }
    arena->free_count = free_count;
}

/* Take one reference away. */
void node_unuse(mg_arena *arena, uint32_t index)
{
    if (--node_at(arena, index)->references == 0) node_free(arena, index);
}

/* Free a node that was made without a reference, if it is still there and still has
 * none. */
void node_drop(mg_arena *arena, uint32_t index)
{
    const node *n = node_at(arena, index);
    if (index && !(n->kind & FREED) && n->references == 0) node_free(arena, index);
}

/* Find the living node that a handle names. */
int node_find_any(mg_arena *arena, mg_node handle, uint32_t *index)
{
    uint32_t found = index_of(handle);
    MG_RETURN_IF(handle <= 0 || found == 0 || found >= arena->fresh, MG_ERR_STALE);
    MG_RETURN_IF(*generation_at(arena, found) != (uint64_t)handle >> 32, MG_ERR_STALE);
    MG_RETURN_IF(node_at(arena, found)->kind & FREED, MG_ERR_STALE);
    *index = found;
    return MG_OK;
}

/* Find the living node of a number. */
int node_find(mg_arena *arena, mg_node handle, uint32_t *index)
{
    MG_TRY(node_find_any(arena, handle, index));
    return node_at(arena, *index)->kind & ARRAY ? MG_ERR_DTYPE : MG_OK;
}

/* Check that every handle names a living node of a number. */
int nodes_find(mg_arena *arena, int64_t count, const mg_node *handles)
{
    uint32_t index;
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    for (int64_t i = 0; i < count; i++) MG_TRY(node_find(arena, handles[i], &index));
    return MG_OK;
}

/* Check that every handle names a living node that no backward under way uses. */
int nodes_find_idle(mg_arena *arena, int64_t count, const mg_node *nodes)
{
    MG_TRY(nodes_find(arena, count, nodes));
    for (int64_t i = 0; i < count; i++)
        MG_RETURN_IF(node_at(arena, index_of(nodes[i]))->kind & UNDER_WAY, MG_ERR_BUSY);
    return MG_OK;
}

int mg_retain(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int status = node_find_any(arena, handle, &index);
    if (status == MG_OK) node_at(arena, index)->references++;
    arena_unlock(arena);
    return status;
}

int mg_release(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int status = node_find_any(arena, handle, &index);
    if (status == MG_OK) node_unuse(arena, index);
    arena_unlock(arena);
    return status;
}

/* ---- builder ----------------------------------------------------------------------- */

void builder_open(builder *build, mg_arena *arena)
{
    build->arena = arena;
    build->status = MG_OK;
    build->free_count = arena->free_count;
    build->fresh = arena->fresh;
}

/* Undo one node of a failed builder: its operands lose a reference. */
static void node_undo(mg_arena *arena, uint32_t index)
{
    node *n = node_at(arena, index);
    for (int which = 0; which < 2; which++)
        if (n->operand[which]) node_at(arena, n->operand[which])->references--;
    n->kind = FREED;
}

/* End a builder's call: when it failed, the arena is as it was. Returns the builder's
 * status. */
int builder_close(builder *build)
{
    mg_arena *arena = build->arena;
    if (build->status >= 0) return build->status;
    for (uint32_t i = build->fresh; i < arena->fresh; i++) node_undo(arena, i);
    for (size_t i = arena->free_count; i < build->free_count; i++)
        node_undo(arena, arena->free_slots[i]);
    arena->fresh = build->fresh;
    arena->free_count = build->free_count;
    return build->status;
}
