/* node.c: storage of nodes, reference counts, generations, and undoing what a call that
 * fails has recorded.
 *
 * A node lives while something refers to it. Freed slots are reused at once; freeing a
 * graph is iterative, linked through the freed nodes themselves, so it needs no memory.
 * Each graph is freed in another order than it was recorded in, and so scrambles the free
 * slots a little: every few turnovers they are put in order, or in the end every node
 * would lie in another cache line than its neighbours.
 * Chunks are given back only with the arena. 4096 nodes a chunk: 160 KiB, a thousandth of
 * a large graph.
 *
 * Freeing takes 10 to 25 ns a node, and nobody can interrupt it: of 36 million nodes it
 * took 0.7 s. So after 2^20 in a row the others wait, linked, until slots are needed or
 * somebody asks how many nodes there are. With a byte limit nothing waits. */
#include "store/store.h"

#ifndef MG_MAX_NODES
#define MG_MAX_NODES MAX_NODES
#endif

/* ---- chunks ------------------------------------------------------------------------ */

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

static void unfreed_free(mg_arena *arena);

/* Add a chunk of fresh slots, or free some of the nodes that wait for it: not while a
 * builder is open, which counts on it that nothing is freed. */
int arena_grow(mg_arena *arena)
{
    while (arena->unfreed && !arena->building && !arena->free_count) unfreed_free(arena);
    if (arena->free_count) return MG_OK;
    MG_RETURN_IF(arena->chunk_count >= (MG_MAX_NODES >> CHUNK_BITS), MG_ERR_LIMIT);
    if (arena->chunk_count == arena->chunk_capacity) MG_TRY(chunk_table_grow(arena));
    if (arena->free_capacity < (arena->chunk_count + 1) * CHUNK_NODES)
        MG_TRY(free_slots_grow(arena));
    void *memory = arena_allocate(arena, NULL, 0, CHUNK_SIZE);
    MG_RETURN_IF(!memory, MG_ERR_NOMEM);
    uintptr_t line = ((uintptr_t)memory + CACHE_LINE - 1) / CACHE_LINE;
    chunk *added = (chunk *)(line * CACHE_LINE);
    added->memory = memory;
    for (int i = 0; i < CHUNK_NODES; i++)
        added->slots[i] = (slot_info){arena->first_generation, 0};
    if (arena->chunk_count == 0)
        memset(&added->nodes[0], 0, sizeof(node)); /* node 0: none */
    arena->chunks[arena->chunk_count] = added;
    arena->chunk_count++;
    return MG_OK;
}

/* ---- references -------------------------------------------------------------------- */

/* Make every handle of a freed slot stale. Returns whether the slot can be used again: it
 * is retired when its generations are used up. */
MG_INLINE bool slot_renew(mg_arena *arena, uint32_t index, node *n)
{
    bool exposed = n->bits & EXPOSED;
    n->bits = FREED;
    POISON(n, NODE_POISONED);
    if (!exposed || ++slot_at(arena, index)->generation < GENERATION_END - 1) return true;
    arena->retired++;
    return false;
}

/* Take away one reference; a node without any more joins the pending ones. */
static uint32_t release_later(mg_arena *arena, uint32_t index, uint32_t pending)
{
    node *n = node_at(arena, index);
    if (--n->references > 0) return pending;
    n->references = pending;
    return index;
}

/* Free the array of a node that is being freed, and what it refers to beside the first
 * two operands. Returns the list of pending nodes. */
static uint32_t array_unlink(mg_arena *arena, node *n, uint32_t pending)
{
    array *a = n->array;
    if (n->gradient_node) pending = release_later(arena, n->gradient_node, pending);
    if (a->extra) {
        const uint32_t *more = extra_operands(a->extra);
        for (int i = 0; i < a->extra->operand_count; i++)
            pending = release_later(arena, more[i], pending);
    }
    array_free(arena, a);
    return pending;
}

enum { ROUND = 512, ALLOWANCE = (1 << 20) / MG_ASK_OFTEN };

/* Tell whether another round of nodes is to be freed now. More is allowed when something
 * was recorded since the last time: then there are more nodes than there were. */
static MG_NOINLINE bool frees_on(mg_arena *arena, size_t free_count)
{
    size_t living = arena->fresh - free_count;
    if (living + ROUND > arena->living) arena->allowance = ALLOWANCE;
    arena->living = living;
    if (arena->limit) return true;
    if (arena->allowance < ROUND) return false;
    arena->allowance -= ROUND;
    return true;
}

/* Let nodes wait to be freed: one, and those pending behind it. No handle names them any
 * more. */
static MG_NOINLINE void nodes_defer(mg_arena *arena, uint32_t index, uint32_t pending)
{
    node *n = node_at(arena, index);
    n->references = pending;
    for (;; n = node_at(arena, n->references)) {
        n->bits |= FREED;
        if (!n->references) break;
    }
    n->references = arena->unfreed;
    arena->unfreed = index;
}

/* ---- the order of free slots ------------------------------------------------------- */

/* At most so many slots are put in order at a time: nobody can interrupt it. */
enum { ORDERED = (1 << 22) / MG_ASK_OFTEN };

/* Lay the free slots from `first` on, up to `end`, onto the stack: the first is taken
 * first. */
static void free_slots_push(mg_arena *arena, uint32_t first, uint32_t end)
{
    for (uint32_t index = end; index-- > first;) {
        bool retired = slot_at(arena, index)->generation >= GENERATION_END - 1;
        if ((node_at(arena, index)->bits & FREED) && !retired)
            arena->free_slots[arena->free_count++] = index;
    }
}

/* Collect all free slots anew, in order. */
static void free_slots_collect(mg_arena *arena)
{
    arena->free_count = 0;
    free_slots_push(arena, 1, arena->fresh);
    arena->order_at = SIZE_MAX;
}

/* Put free slots in order, those of the next ORDERED slots: taken off the stack and laid
 * on it again, where they are taken next. While nodes wait to be freed it is put off. */
static MG_NOINLINE void free_slots_order(mg_arena *arena)
{
    if (arena->log) {
        arena->free_count = 0;
        return;
    }
    if (arena->unfreed) return;
    uint32_t first = arena->ordered < arena->fresh ? arena->ordered : 1;
    uint32_t end = arena->fresh - first > ORDERED ? first + ORDERED : arena->fresh;
    size_t count = 0;
    for (size_t i = 0; i < arena->free_count; i++) {
        uint32_t index = arena->free_slots[i];
        arena->free_slots[count] = index;
        count += index < first || index >= end;
    }
    arena->free_count = count;
    free_slots_push(arena, first, end); /* as many as were taken off */
    arena->ordered = end;
    arena->order_at = SIZE_MAX;
}

/* A backward goes through `count` nodes. After some turnovers of the slots that are put
 * in order at a time the free ones are: now if another graph's are free, else when this
 * one's are. */
void slots_turn_over(mg_arena *arena, size_t count)
{
    enum { TURNOVERS = 4, KEPT = 16 }; /* what a program may still hold of it */
    arena->turned_over += count;
    if (arena->log) return;
    size_t slots = arena->fresh < ORDERED ? arena->fresh : ORDERED;
    if (arena->turned_over / TURNOVERS <= slots) return;
    arena->turned_over = 0;
    if (arena->free_count > count / 2)
        free_slots_order(arena);
    else
        arena->order_at = arena->free_count + count - (count < KEPT ? 0 : KEPT);
}

/* Free a node whose references are used up, and what only it used; pending nodes are
 * linked through their references. The second operand goes first: that is mostly the
 * reverse of the order of recording, so that the next graph lies in memory in the order
 * it is recorded in. */
MG_INLINE void nodes_free(mg_arena *arena, uint32_t index, uint32_t pending)
{
    uint32_t *free_slots = arena->free_slots;
    size_t free_count = arena->free_count, stop = free_count + ROUND;
    for (;;) {
        if (MG_UNLIKELY(free_count >= stop)) {
            if (!frees_on(arena, free_count)) {
                nodes_defer(arena, index, pending);
                break;
            }
            stop = free_count + ROUND;
        }
        node *n = node_at(arena, index);
        uint32_t a = n->operand[0], b = n->operand[1];
        if (MG_UNLIKELY(n->bits & ARRAY)) pending = array_unlink(arena, n, pending);
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
    if (MG_UNLIKELY(free_count >= arena->order_at)) free_slots_order(arena);
}

static void node_free(mg_arena *arena, uint32_t index)
{
    nodes_free(arena, index, 0);
}

/* Free some of the nodes that wait for it. */
static void unfreed_free(mg_arena *arena)
{
    uint32_t index = arena->unfreed, pending = node_at(arena, index)->references;
    arena->unfreed = 0;
    arena->allowance = ALLOWANCE;
    nodes_free(arena, index, pending);
}

/* From now on number nodes in the order they are made: no slot is used again. */
void slots_keep(mg_arena *arena, const number_log *log)
{
    arena->log = log;
    arena->free_count = 0;
    arena->order_at = 0;
}

/* Use slots again. */
void slots_reuse(mg_arena *arena)
{
    arena->log = NULL;
    nodes_settle(arena);
    free_slots_collect(arena);
}

/* Free all of them. */
void nodes_settle(mg_arena *arena)
{
    while (arena->unfreed) unfreed_free(arena);
}

/* Take one reference away. */
void node_release(mg_arena *arena, uint32_t index)
{
    if (--node_at(arena, index)->references == 0) node_free(arena, index);
}

/* Free a node that was made without a reference, if it is still there and still has
 * none. */
void node_drop(mg_arena *arena, uint32_t index)
{
    const node *n = node_at(arena, index);
    if (index && !(n->bits & FREED) && n->references == 0) node_free(arena, index);
}

/* Check that every handle names a living node of a number. */
int nodes_find(mg_arena *arena, int64_t count, const mg_node *handles)
{
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    for (int64_t i = 0; i < count; i++) MG_TRY(number_check(arena, handles[i]));
    return MG_OK;
}

/* Check that every handle names a living node that no backward under way uses. */
int nodes_find_idle(mg_arena *arena, int64_t count, const mg_node *nodes)
{
    MG_TRY(nodes_find(arena, count, nodes));
    for (int64_t i = 0; i < count; i++)
        MG_RETURN_IF(is_under_way(arena, index_of(nodes[i])), MG_ERR_BUSY);
    return MG_OK;
}

int mg_retain(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    MG_TRY(arena_enter(arena));
    mg_node shared = node_find_any(arena, handle, &index);
    if (shared == MG_OK) shared = handle_share(arena, index);
    arena_unlock(arena);
    return shared < 0 ? (int)shared : MG_OK;
}

/* Take back a handle, not yet its reference; of a node that only others use, there is
 * none to take. */
MG_INLINE int handle_take(mg_arena *arena, mg_node handle)
{
    slot_info *found;
    MG_TRY(slot_find(arena, handle, &found));
    MG_RETURN_IF(found->handles == 0, MG_ERR_STALE);
    found->handles--;
    return MG_OK;
}

static int handle_release(mg_arena *arena, mg_node handle)
{
    MG_TRY(handle_take(arena, handle));
    node_release(arena, index_of(handle));
    return MG_OK;
}

int mg_release(mg_arena *arena, mg_node handle)
{
    if (MG_UNLIKELY(!arena_try(arena))) {
        const mg_node one[] = {handle};
        if (!release_enter(arena, 1, one, handle_release)) return MG_OK;
    }
    int status = handle_release(arena, handle);
    arena_unlock(arena);
    return status;
}

/* Release all or none; the last first, so that slots are taken again in the order of the
 * list. */
static int handles_release(mg_arena *arena, int64_t count, const mg_node *handles)
{
    int64_t taken = 0;
    while (taken < count && handle_take(arena, handles[taken]) == MG_OK) taken++;
    if (taken < count) {
        while (taken-- > 0) slot_at(arena, index_of(handles[taken]))->handles++;
        return MG_ERR_STALE;
    }
    for (int64_t i = count; i-- > 0;) node_release(arena, index_of(handles[i]));
    return MG_OK;
}

int mg_release_all(mg_arena *arena, int64_t count, const mg_node *handles)
{
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    if (!arena_try(arena) && !release_enter(arena, count, handles, handle_release))
        return MG_OK;
    lasting_work(arena, count);
    int status = handles_release(arena, count, handles);
    arena_unlock(arena);
    return status;
}

int64_t mg_references(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int64_t references = node_find_any(arena, handle, &index);
    if (references == MG_OK) references = node_at(arena, index)->references;
    arena_unlock(arena);
    return references;
}

/* Free the arrays of all nodes and all blocks, at the end of an arena. */
void arrays_free(mg_arena *arena)
{
    for (uint32_t index = 1; index < arena->fresh; index++) {
        const node *n = node_at(arena, index);
        if ((n->bits & ARRAY) && !(n->bits & FREED)) array_free(arena, n->array);
    }
    while (arena->released) {
        buffer *released = arena->released;
        arena->released = released->next;
        block_give(arena, released, BLOCK_ALIGNMENT);
    }
    blocks_free(arena);
}

/* ---- builder ----------------------------------------------------------------------- */

void builder_open(builder *build, mg_arena *arena)
{
    if (MG_UNLIKELY(arena->unfreed)) unfreed_free(arena);
    arena->building = true;
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
    n->bits = FREED;
}

/* End a builder's call: when it failed, the arena is as it was. Returns the builder's
 * status. */
int builder_close(builder *build)
{
    mg_arena *arena = build->arena;
    arena->building = false;
    if (build->status >= 0) return build->status;
    for (uint32_t i = build->fresh; i < arena->fresh; i++) node_undo(arena, i);
    for (size_t i = arena->free_count; i < build->free_count; i++)
        node_undo(arena, arena->free_slots[i]);
    arena->fresh = build->fresh;
    arena->free_count = build->free_count;
    return build->status;
}
