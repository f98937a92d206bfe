/* lifetime.c: making an arena and freeing it with all that the layers keep in it; forks.
 * The one file that knows every layer. MG_SCALARS_ONLY leaves out those above numbers. */
#include <stdlib.h>

#if defined(MG_SCALARS_ONLY)
#include "store/store.h"
#else
#include "programs/programs.h"
#include "programs/script.h"
#endif

/* Give up a backward under way, and those that have stopped for it. */
static void backwards_cancel(mg_arena *arena)
{
    while (arena->walk.root) mg_backward_cancel(arena);
}

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

mg_arena *mg_arena_new(mg_allocator allocator, void *context)
{
    /* The one mutable global: a handle of one arena must be stale in every other one. */
    static atomic_uint arenas_made;
    if (!allocator) allocator = default_allocator;
#if !defined(MG_SCALARS_ONLY)
    threads_open();
#endif
    mg_arena *arena = allocator(context, NULL, 0, sizeof *arena);
    if (!arena) return NULL;
    memset(arena, 0, sizeof *arena);
    atomic_flag_clear(&arena->lock);
    atomic_init(&arena->lasting, false);
    lock_open(arena);
    arena->allocator = allocator;
    arena->context = context;
    arena->bytes = arena->peak_bytes = sizeof *arena;
    arena->fail_after = -1;
    arena->order_at = SIZE_MAX;
    arena->fresh = arena->ordered = 1;
    uint32_t serial = (uint32_t)atomic_fetch_add(&arenas_made, 1) + 1;
    arena->first_generation = serial * 2654435761u % (GENERATION_END / 2) + 1;
    return arena;
}

void mg_arena_free(mg_arena *arena)
{
    if (!arena) return;
    backwards_cancel(arena);
#if !defined(MG_SCALARS_ONLY)
    mg_script_cancel(arena);
    sweeps_free(arena);
    mg_record_cancel(arena);
    programs_free(arena);
#endif
    nodes_settle(arena);
    arrays_free(arena); /* with the large blocks they use */
    mg_allocator allocator = arena->allocator;
    void *context = arena->context;
    indices *lists[] = {&arena->walk.order, &arena->walk.stack, &arena->walk.leaves};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        allocator(context, lists[i]->items, lists[i]->capacity * sizeof(uint32_t), 0);
    allocator(context, arena->walk.saved, arena->walk.saved_capacity * sizeof(double), 0);
    for (size_t i = 0; i < arena->chunk_count; i++) {
        UNPOISON(arena->chunks[i]->memory, CHUNK_SIZE);
        allocator(context, arena->chunks[i]->memory, CHUNK_SIZE, 0);
    }
    allocator(context, arena->chunks, arena->chunk_capacity * sizeof(chunk *), 0);
    allocator(context, arena->free_slots, arena->free_capacity * sizeof(uint32_t), 0);
    allocator(context, arena->temporaries.items,
              arena->temporaries.capacity * sizeof(uint32_t), 0);
    lock_close(arena);
    allocator(context, arena, sizeof *arena, 0);
}

int mg_arena_usage(mg_arena *arena, mg_usage *usage)
{
    arena_lock(arena);
    nodes_settle(arena);
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
    lock_before_fork(arena);
}

void mg_arena_after_fork(mg_arena *arena, int child)
{
    lock_after_fork(arena, child != 0);
    if (child) backwards_cancel(arena);
}
