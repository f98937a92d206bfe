/* memory.c: the lock of an arena, all its memory by way of the caller's allocator, within
 * a limit, and blocks for arrays.
 *
 * Blocks come in 225 sizes, four to a doubling, aligned to a cache line. A block given
 * back waits in the list of its size for the next array of about that size: a fresh page
 * costs a page fault, 0.1 ns a byte, as much as the arithmetic of an addition. A large
 * block is freed when free blocks would exceed used blocks + 64 MiB and what a loop was
 * seen to miss; those that nobody took for some time are, too. All large free blocks are
 * when the arena's byte limit is set, or it or the allocator has no more, and all slabs
 * of which nothing is in use. With MG_SEPARATE_BLOCKS, for sanitizers, every block is an
 * allocation of its own and nothing waits. */
#if (defined(__unix__) || defined(__APPLE__)) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#endif

#include "store/store.h"

#if MG_HAS_THREADS
#include <sched.h>
#include <time.h>
#endif

enum {
    SCRATCH_KEPT = 1 << 16, /* indices that scratch lists may keep between calls */
    SLAB_SIZE = 1 << 16,
    SMALL_BLOCK = 4096 + BLOCK_ALIGNMENT, /* up to this size they are cut from slabs */
    FREE_BYTES = 64 << 20,                /* what may wait when nothing is in use */
    SPAN_TURNOVERS = 8, /* of all blocks' memory, after which what nobody took is idle */
    SPAN_TAKES = 1 << 12, /* large blocks taken that count as a turnover */
    EXACT_CLASSES = 17                    /* multiples of a cache line: 64 .. 1088 */
};

typedef struct free_block {
    struct free_block *next;
} free_block;

typedef struct slab {
    free_block link; /* to the next slab */
    char *fresh;     /* what is left of the newest one */
    size_t left;
    size_t idle; /* bytes of free blocks, when slabs are sought that can be given back */
} slab;

/* ---- lock --------------------------------------------------------------------------
 *
 * Most calls hold the lock for less than a microsecond, in which time nobody goes to
 * sleep: taking it is one atomic instruction, giving it back a store. What lasts, an op
 * on large arrays or a slice of a backward, says so once it has the lock; then others
 * sleep until it gives it back. `lasting` is set by who has the lock, and the lock of
 * lasting work is given back, under the guard, so that no end of it is missed. Who gives
 * it back leaves it taken for one of the sleepers, if there are any: else a thread that
 * makes one large call after the other had it again before they are awake. Handles
 * are released meanwhile by leaving them to it, for who drops something waits for
 * nobody. */

#if MG_HAS_THREADS

/* Wait for a call that does not say that it lasts: its thread may not be running. */
static void wait_briefly(int round)
{
    const struct timespec nap = {.tv_nsec = 100000};
    if (round < 64) sched_yield();
    else nanosleep(&nap, NULL);
}

static bool is_lasting(mg_arena *arena)
{
    return atomic_load_explicit(&arena->lasting, memory_order_relaxed);
}

/* Sleep until lasting work ends; who is asked meanwhile, for a while only. Tells whether
 * the lock was handed over to this thread. */
static bool lasting_wait(mg_arena *arena, bool asked)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&arena->guard);
    arena->sleepers++;
    if (asked && is_lasting(arena))
        pthread_cond_timedwait(&arena->ended, &arena->guard, &until);
    while (!asked && is_lasting(arena)) pthread_cond_wait(&arena->ended, &arena->guard);
    arena->sleepers--;
    const bool has_lock = arena->is_handed_over;
    arena->is_handed_over = false;
    pthread_mutex_unlock(&arena->guard);
    return has_lock;
}

/* Take a lock that somebody else has; false: its thread has given up. */
static bool lock_wait(mg_arena *arena, bool asks)
{
    for (int round = 0; !arena_try(arena); round++) {
        const bool asked = asks && is_work_open() && work_of_thread();
        if (asked && !work_goes_on()) return false;
        if (is_lasting(arena)) {
            if (asks && work_hurries()) return false;
            if (lasting_wait(arena, asked)) return true;
            round = 0;
        } else {
            wait_briefly(round);
        }
    }
    return true;
}

void arena_lock(mg_arena *arena)
{
    if (MG_UNLIKELY(!arena_try(arena))) lock_wait(arena, false);
}

int arena_enter(mg_arena *arena)
{
    if (!MG_UNLIKELY(!arena_try(arena)) || lock_wait(arena, true)) return MG_OK;
    return MG_ERR_INTERRUPTED;
}

/* Leave handles to a lasting call; false: there is none, or no room. */
static bool lasting_leave(mg_arena *arena, int64_t count, const mg_node *handles,
                          int (*release)(mg_arena *arena, mg_node handle))
{
    const int room = (int)(sizeof arena->late / sizeof *arena->late);
    pthread_mutex_lock(&arena->guard);
    bool left = is_lasting(arena) && count <= room - arena->late_count;
    for (int64_t i = 0; left && i < count; i++)
        arena->late[arena->late_count++] = handles[i];
    arena->late_release = release;
    pthread_mutex_unlock(&arena->guard);
    return left;
}

bool release_enter(mg_arena *arena, int64_t count, const mg_node *handles,
                   int (*release)(mg_arena *arena, mg_node handle))
{
    for (int round = 0; !arena_try(arena); round++) {
        if (!is_lasting(arena)) wait_briefly(round);
        else if (lasting_leave(arena, count, handles, release)) return false;
        else if (lasting_wait(arena, false)) return true;
    }
    return true;
}

/* Say that this call, which has the lock, lasts. */
void lasting_begin(mg_arena *arena)
{
    if (atomic_load_explicit(&arena->lasting, memory_order_relaxed)) return;
    pthread_mutex_lock(&arena->guard);
    atomic_store_explicit(&arena->lasting, true, memory_order_relaxed);
    pthread_mutex_unlock(&arena->guard);
}

/* Give the lock back, to the first of those that sleep who wakes up. */
static void lasting_end(mg_arena *arena)
{
    pthread_mutex_lock(&arena->guard);
    while (arena->late_count)
        arena->late_release(arena, arena->late[--arena->late_count]);
    atomic_store_explicit(&arena->lasting, false, memory_order_relaxed);
    arena->is_handed_over = arena->sleepers > 0;
    if (!arena->is_handed_over)
        atomic_flag_clear_explicit(&arena->lock, memory_order_release);
    pthread_cond_broadcast(&arena->ended);
    pthread_mutex_unlock(&arena->guard);
}

void arena_unlock(mg_arena *arena)
{
    if (MG_UNLIKELY(atomic_load_explicit(&arena->lasting, memory_order_relaxed)))
        lasting_end(arena);
    else
        atomic_flag_clear_explicit(&arena->lock, memory_order_release);
}

void lock_open(mg_arena *arena)
{
    pthread_mutex_init(&arena->guard, NULL);
    pthread_cond_init(&arena->ended, NULL);
}

void lock_close(mg_arena *arena)
{
    pthread_cond_destroy(&arena->ended);
    pthread_mutex_destroy(&arena->guard);
}

/* Take all there is to take, so that the child's copies are not in another thread's
 * hands. */
void lock_before_fork(mg_arena *arena)
{
    arena_lock(arena);
    pthread_mutex_lock(&arena->guard);
}

/* Those who slept are not in the child. */
void lock_after_fork(mg_arena *arena, bool child)
{
    if (child) {
        pthread_cond_init(&arena->ended, NULL);
        arena->sleepers = 0;
    }
    pthread_mutex_unlock(&arena->guard);
    arena_unlock(arena);
}

#else /* no way to sleep that is known of */

static bool is_lasting(mg_arena *arena)
{
    (void)arena;
    return false;
}

void arena_lock(mg_arena *arena)
{
    while (!arena_try(arena)) {}
}

int arena_enter(mg_arena *arena)
{
    arena_lock(arena);
    return MG_OK;
}

bool release_enter(mg_arena *arena, int64_t count, const mg_node *handles,
                   int (*release)(mg_arena *arena, mg_node handle))
{
    (void)count, (void)handles;
    (void)release;
    arena_lock(arena);
    return true;
}

void arena_unlock(mg_arena *arena)
{
    atomic_flag_clear_explicit(&arena->lock, memory_order_release);
}

void lasting_begin(mg_arena *arena)
{
    (void)arena;
}

void lock_open(mg_arena *arena)
{
    (void)arena;
}

void lock_close(mg_arena *arena)
{
    (void)arena;
}

void lock_before_fork(mg_arena *arena)
{
    arena_lock(arena);
}

void lock_after_fork(mg_arena *arena, bool child)
{
    (void)child;
    arena_unlock(arena);
}

#endif

int mg_arena_lasts(mg_arena *arena)
{
    return is_lasting(arena);
}

/* ---- memory ------------------------------------------------------------------------ */

/* Tell whether a test asked this allocation to fail. */
static bool allocation_fails(mg_arena *arena)
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

/* Give back all that waits. */
static void blocks_trim(mg_arena *arena);

/* Allocate, resize or (new_size 0) free through the hook. NULL when memory is refused. */
void *arena_allocate(mg_arena *arena, void *memory, size_t old_size, size_t new_size)
{
    if (new_size > old_size) {
        size_t growth = new_size - old_size;
        if (is_over_limit(arena, growth)) blocks_trim(arena);
        if (is_over_limit(arena, growth)) return NULL;
        if (allocation_fails(arena)) return NULL;
    }
    UNPOISON(memory, old_size);
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

/* Make room for `more` items, where there is none. */
int indices_grow(mg_arena *arena, indices *list, size_t more)
{
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

/* ---- blocks ------------------------------------------------------------------------ */

/* Return the class of a size, and its size. Beyond the exact ones there is a line more
 * than the rounded size, for the header: most data have a power of two of bytes. */
static int class_of(size_t size, size_t *rounded)
{
    if (size <= EXACT_CLASSES * BLOCK_ALIGNMENT) {
        size_t lines = (size + BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT;
        if (lines == 0) lines = 1;
        *rounded = lines * BLOCK_ALIGNMENT;
        return (int)lines - 1;
    }
    int power = 10;
    size -= BLOCK_ALIGNMENT;
    while ((size - 1) >> (power + 1)) power++;
    size_t quarter = (size_t)1 << (power - 2);
    size_t quarters = (size + quarter - 1) / quarter; /* 5 .. 8 */
    *rounded = quarters * quarter + BLOCK_ALIGNMENT;
    return EXACT_CLASSES + (power - 10) * 4 + (int)quarters - 5;
}

/* A large block's address is rounded up; what the allocator gave stands before it. */
static void *large_block(mg_arena *arena, size_t size)
{
    size_t with_margin = size + 2 * BLOCK_ALIGNMENT;
    char *memory = arena_allocate(arena, NULL, 0, with_margin);
    if (!memory) return NULL;
    uintptr_t line = ((uintptr_t)memory + 2 * BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT;
    char *aligned = memory + (line * BLOCK_ALIGNMENT - (uintptr_t)memory);
    POISON(aligned + size, (size_t)(memory + with_margin - (aligned + size)));
    memcpy(aligned - sizeof memory, &memory, sizeof memory);
    return aligned;
}

static void large_block_free(mg_arena *arena, void *aligned, size_t size)
{
    void *memory;
    memcpy(&memory, (char *)aligned - sizeof memory, sizeof memory);
    arena_allocate(arena, memory, size + 2 * BLOCK_ALIGNMENT, 0);
}

/* Cut a small block from the newest slab, or from a new one. */
static void *small_block(mg_arena *arena, size_t size)
{
    slab *newest = arena->slabs;
    if (!newest || newest->left < size) {
        newest = large_block(arena, SLAB_SIZE);
        if (!newest) return NULL;
        newest->link.next = (free_block *)arena->slabs;
        newest->fresh = (char *)newest + BLOCK_ALIGNMENT;
        newest->left = SLAB_SIZE - BLOCK_ALIGNMENT;
        arena->slabs = newest;
    }
    void *cut = newest->fresh;
    newest->fresh += size;
    newest->left -= size;
    return cut;
}

/* Return the size of a class. */
static size_t class_size(int class)
{
    if (class < EXACT_CLASSES) return (size_t)(class + 1) * BLOCK_ALIGNMENT;
    int quarters = (class - EXACT_CLASSES) % 4 + 5;
    return ((size_t)quarters << ((class - EXACT_CLASSES) / 4 + 8)) + BLOCK_ALIGNMENT;
}

/* ---- large blocks that wait --------------------------------------------------------
 *
 * A loop that takes the same blocks in each turn is to find them. So what was given back
 * for want of room and is missed later makes more room. Of each class the blocks that
 * were never taken in a span of some turnovers are idle: they are given back at its end,
 * with the room they made. There is no clock here: a program that does nothing gives
 * nothing back. */

/* Give back `count` free blocks of a large class. */
static void large_give_back(mg_arena *arena, int class, uint32_t count)
{
    size_t size = class_size(class);
    for (; count > 0; count--) {
        free_block *freed = arena->free_blocks[class];
        arena->free_blocks[class] = freed->next;
        arena->free_counts[class]--;
        arena->free_block_bytes -= size;
        large_block_free(arena, freed, size);
    }
}

static void large_blocks_trim(mg_arena *arena)
{
    for (int class = 0; class < BLOCK_CLASSES; class++) {
        large_give_back(arena, class, arena->free_counts[class]);
        arena->idle_counts[class] = 0;
    }
}

/* End a span: give back what is idle. */
static void span_end(mg_arena *arena)
{
    for (int class = 0; class < BLOCK_CLASSES; class++) {
        size_t bytes = arena->idle_counts[class] * class_size(class);
        arena->room -= bytes < arena->room ? bytes : arena->room;
        large_give_back(arena, class, arena->idle_counts[class]);
        arena->idle_counts[class] = arena->free_counts[class];
    }
    arena->given_back /= 2;
    arena->turnover = 0;
}

/* Take a large block, a free one if there is one. */
static MG_NOINLINE void *large_take(mg_arena *arena, int class, size_t size)
{
    size_t held = arena->used_block_bytes + arena->free_block_bytes;
    arena->turnover += size + held / SPAN_TAKES;
    if (arena->turnover / SPAN_TURNOVERS > held) span_end(arena);
    free_block *taken = arena->free_blocks[class];
    if (taken) {
        arena->free_blocks[class] = taken->next;
        arena->free_block_bytes -= size;
        uint32_t left = --arena->free_counts[class];
        if (left < arena->idle_counts[class]) arena->idle_counts[class] = left;
        return taken;
    }
    size_t missed = size < arena->given_back ? size : arena->given_back;
    arena->given_back -= missed;
    arena->room += missed;
    return large_block(arena, size);
}

/* Give a large block back: it waits if there is room. */
static MG_NOINLINE void large_give(mg_arena *arena, void *given, int class,
                                   size_t size)
{
    size_t room = arena->used_block_bytes + FREE_BYTES + arena->room;
    if (arena->free_block_bytes + size > room) {
        arena->given_back += size;
        large_block_free(arena, given, size);
        return;
    }
    free_block *freed = given;
    freed->next = arena->free_blocks[class];
    arena->free_blocks[class] = freed;
    arena->free_block_bytes += size;
    arena->free_counts[class]++;
}

/* ---- blocks of any size ------------------------------------------------------------ */

/* Take a free small block, or cut one. */
MG_INLINE void *small_take(mg_arena *arena, int class, size_t size)
{
    free_block *taken = arena->free_blocks[class];
    if (!taken) return small_block(arena, size);
    arena->free_blocks[class] = taken->next;
    arena->free_block_bytes -= size;
    return taken;
}

/* Return a block of at least `size` bytes on a cache line, or NULL. */
void *block_take(mg_arena *arena, size_t size)
{
    size_t rounded;
    void *taken;
    int class = class_of(size, &rounded);
    if (MG_UNLIKELY(arena->fail_after >= 0) && allocation_fails(arena)) return NULL;
    if (SEPARATE_BLOCKS) {
        taken = large_block(arena, rounded);
        if (taken) POISON((char *)taken + size, rounded - size);
    } else {
        taken = rounded <= SMALL_BLOCK ? small_take(arena, class, rounded)
                                       : large_take(arena, class, rounded);
    }
    if (taken) arena->used_block_bytes += rounded;
    return taken;
}

/* Give back a block that was taken with this size. */
void block_give(mg_arena *arena, void *given, size_t size)
{
    size_t rounded;
    int class = class_of(size, &rounded);
    arena->used_block_bytes -= rounded;
    if (SEPARATE_BLOCKS) {
        large_block_free(arena, given, rounded);
    } else if (rounded > SMALL_BLOCK) {
        large_give(arena, given, class, rounded);
    } else {
        free_block *freed = given;
        freed->next = arena->free_blocks[class];
        arena->free_blocks[class] = freed;
        arena->free_block_bytes += rounded;
    }
}

/* ---- slabs of which nothing is in use ----------------------------------------------
 *
 * A small block does not say which slab it was cut from, and there is no memory for a
 * table. So lists of blocks, and that of the slabs, are sorted by address, and looked
 * through side by side. */

static slab *next_slab(const slab *s)
{
    return (slab *)s->link.next;
}

/* Merge two lists sorted by address. */
static free_block *lists_merge(free_block *a, free_block *b)
{
    free_block *merged = NULL, **end = &merged;
    while (a && b) {
        free_block **first = (uintptr_t)a < (uintptr_t)b ? &a : &b;
        *end = *first;
        end = &(*first)->next;
        *first = *end;
    }
    *end = a ? a : b;
    return merged;
}

/* Sort a list by address: bins[i] is a sorted list of 2^i. */
static free_block *list_sort(free_block *list)
{
    enum { BINS = 48 };
    free_block *bins[BINS] = {NULL}, *sorted = NULL;
    while (list) {
        free_block *carried = list;
        int i = 0;
        list = list->next;
        carried->next = NULL;
        for (; bins[i]; i++) {
            carried = lists_merge(bins[i], carried);
            bins[i] = NULL;
        }
        bins[i] = carried;
    }
    for (int i = 0; i < BINS; i++) sorted = lists_merge(bins[i], sorted);
    return sorted;
}

/* Return the slab, s or one behind it, that a small block was cut from. */
static slab *slab_of(slab *s, const free_block *cut)
{
    while ((uintptr_t)cut - (uintptr_t)s >= SLAB_SIZE) s = next_slab(s);
    return s;
}

static bool is_idle(const slab *s)
{
    return s->idle == SLAB_SIZE - BLOCK_ALIGNMENT - s->left;
}

/* Sort slabs and small blocks, and count what is free in each slab; returns whether
 * there are idle ones. */
static bool slabs_look(mg_arena *arena)
{
    bool found = false;
    arena->slabs = (slab *)list_sort((free_block *)arena->slabs);
    for (slab *s = arena->slabs; s; s = next_slab(s)) s->idle = 0;
    for (int class = 0; class_size(class) <= SMALL_BLOCK; class++) {
        slab *s = arena->slabs;
        arena->free_blocks[class] = list_sort(arena->free_blocks[class]);
        for (free_block *b = arena->free_blocks[class]; b; b = b->next) {
            s = slab_of(s, b);
            s->idle += class_size(class);
            found = found || is_idle(s);
        }
    }
    return found;
}

/* Take the blocks of idle slabs out of the list of their class. */
static void idle_blocks_forget(mg_arena *arena, int class)
{
    slab *s = arena->slabs;
    free_block **at = &arena->free_blocks[class];
    while (*at) {
        s = slab_of(s, *at);
        if (!is_idle(s)) {
            at = &(*at)->next;
            continue;
        }
        *at = (*at)->next;
        arena->free_block_bytes -= class_size(class);
    }
}

/* Give back idle slabs. The newest of the others, from which blocks are cut, stays in
 * front. */
static void slabs_trim(mg_arena *arena)
{
    slab *newest = arena->slabs, *kept = NULL;
    if (arena->free_block_bytes < SLAB_SIZE / 2 || !slabs_look(arena)) return;
    for (int class = 0; class_size(class) <= SMALL_BLOCK; class++)
        idle_blocks_forget(arena, class);
    for (slab *s = arena->slabs, *next; s; s = next) {
        next = next_slab(s);
        if (is_idle(s)) {
            large_block_free(arena, s, SLAB_SIZE);
        } else if (s == newest || !kept) {
            s->link.next = (free_block *)kept;
            kept = s;
        } else {
            s->link.next = kept->link.next;
            kept->link.next = (free_block *)s;
        }
    }
    arena->slabs = kept;
}

static void blocks_trim(mg_arena *arena)
{
    large_blocks_trim(arena);
    slabs_trim(arena);
}

void blocks_free(mg_arena *arena)
{
    large_blocks_trim(arena);
    while (arena->slabs) {
        slab *freed = arena->slabs;
        arena->slabs = next_slab(freed);
        large_block_free(arena, freed, SLAB_SIZE);
    }
}

/* ---- limits ------------------------------------------------------------------------ */

int mg_arena_limit(mg_arena *arena, size_t size)
{
    arena_lock(arena);
    arena->limit = size;
    blocks_trim(arena);
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
