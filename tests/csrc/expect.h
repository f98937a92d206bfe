/* expect.h: what every C test of the core is made of: EXPECT, an allocator that checks
 * its caller, and a look at the whole state of an arena through core.h.
 *
 * A test program prints the checks that failed and returns 1 if there were any. */
#ifndef MG_EXPECT_H
#define MG_EXPECT_H

#include <stdio.h>
#include <stdlib.h>

#include "arrays/arrays.h"
#include "base/vmath.h"

static int checks, failures;

#define EXPECT(condition) expect((condition), #condition, __FILE__, __LINE__)

static inline int expect(int holds, const char *text, const char *file, int line)
{
    checks++;
    if (!holds && ++failures <= 20) printf("%s:%d: expected %s\n", file, line, text);
    return holds;
}

/* Say which case the failures that follow belong to. */
static inline void explain(int failures_before, const char *name, int64_t detail)
{
    if (failures > failures_before && failures <= 20)
        printf("    in %s, %lld\n", name, (long long)detail);
}

static inline int finish(void)
{
    printf("%d checks, %d failed\n", checks, failures);
    return failures != 0;
}

/* ---- an allocator that moves every block, fills what it takes, and checks sizes ---- */

typedef struct ledger {
    size_t bytes, blocks;
    int64_t refuse_after; /* < 0: never */
    size_t refuse_from;   /* smaller sizes are not counted */
    int persistent;
    int64_t refused;
} ledger;

typedef struct block_head {
    size_t size, mark;
} block_head;

enum { BLOCK_MARK = 0x600DB10C };

static inline int allocation_refused(ledger *book, size_t size)
{
    if (book->refuse_after < 0 || size < book->refuse_from) return 0;
    if (book->refuse_after > 0) {
        book->refuse_after--;
        return 0;
    }
    if (!book->persistent) book->refuse_after = -1;
    book->refused++;
    return 1;
}

static inline void *block_make(ledger *book, size_t size)
{
    block_head *head = malloc(sizeof *head + size);
    if (!head) return NULL;
    head->size = size;
    head->mark = BLOCK_MARK;
    memset(head + 1, 0xA5, size);
    book->bytes += size;
    book->blocks++;
    return head + 1;
}

static inline void block_free(ledger *book, void *memory)
{
    block_head *head = (block_head *)memory - 1;
    book->bytes -= head->size;
    book->blocks--;
    memset(memory, 0xDD, head->size);
    head->mark = 0;
    free(head);
}

static inline void *ledger_allocate(void *context, void *memory, size_t old_size,
                                    size_t new_size)
{
    ledger *book = context;
    if (!memory) {
        EXPECT(old_size == 0);
    } else {
        const block_head *head = (const block_head *)memory - 1;
        if (!EXPECT(head->mark == BLOCK_MARK) || !EXPECT(head->size == old_size))
            return NULL;
    }
    if (new_size == 0) {
        if (memory) block_free(book, memory);
        return NULL;
    }
    if (new_size > old_size && allocation_refused(book, new_size)) return NULL;
    void *moved = block_make(book, new_size);
    if (moved && memory) {
        memcpy(moved, memory, old_size < new_size ? old_size : new_size);
        block_free(book, memory);
    }
    return moved;
}

static inline mg_arena *ledger_arena(ledger *book)
{
    memset(book, 0, sizeof *book);
    book->refuse_after = -1;
    mg_arena *arena = mg_arena_new(ledger_allocate, book);
    if (!EXPECT(arena != NULL)) exit(finish());
    return arena;
}

/* Free an arena made by ledger_arena; nothing may be left. */
static inline void ledger_arena_free(mg_arena *arena, const ledger *book)
{
    mg_usage usage;
    mg_arena_usage(arena, &usage);
    EXPECT(usage.bytes == book->bytes);
    mg_arena_free(arena);
    EXPECT(book->bytes == 0);
    EXPECT(book->blocks == 0);
}

/* ---- the state of an arena --------------------------------------------------------- */

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

static inline int is_free(const mg_arena *arena, uint32_t index)
{
    return (node_at(arena, index)->bits & FREED) != 0;
}

/* Hash all of an array: its elements, as its strides show them, and how it is described. */
static inline uint64_t array_mixed(uint64_t hash, const array *a)
{
    int64_t index[MG_MAX_RANK] = {0};
    const char *at = a->data;
    hash = mix(mix(hash, a->dtype), (uint64_t)a->count);
    hash = mix(mix(hash, a->buffer->version), a->buffer->references);
    hash = mix(mix(hash, a->buffer->views), a->version);
    hash = mix(hash, (uint64_t)(uintptr_t)a->attached);
    for (int d = 0; d < a->rank; d++)
        hash = mix(mix(hash, (uint64_t)a->shape[d]), (uint64_t)a->strides[d]);
    for (int64_t i = 0; i < a->count && a->count < 1 << 20; i++) {
        uint64_t element = 0;
        memcpy(&element, at, dtype_sizes[a->dtype]);
        hash = mix(hash, element);
        for (int d = a->rank - 1; d >= 0; d--) {
            at += a->strides[d] * dtype_sizes[a->dtype];
            if (++index[d] < a->shape[d]) break;
            at -= a->strides[d] * a->shape[d] * dtype_sizes[a->dtype];
            index[d] = 0;
        }
    }
    return hash;
}

/* Hash the living nodes: numbers, arrays, operands, references, handles, generations;
 * without the gradients of interior nodes, which a backward clears, if `leaf_gradients`. */
static inline uint64_t state_of(const mg_arena *arena, int leaf_gradients)
{
    uint64_t hash = 1;
    for (uint32_t i = 1; i < arena->fresh; i++) {
        if (is_free(arena, i)) continue;
        const node *n = node_at(arena, i);
        hash = mix(mix(hash, i), slot_at(arena, i)->generation);
        hash = n->bits & ARRAY ? array_mixed(hash, n->array) : mix(hash, bits_of(n->data));
        if (!leaf_gradients || arity_of(n) == 0) hash = mix(hash, bits_of(n->gradient));
        hash = mix(mix(hash, n->operand[0]), n->operand[1]);
        hash = mix(mix(hash, n->references), slot_at(arena, i)->handles);
        hash = mix(hash, n->bits & ~(uint32_t)EXPOSED);
    }
    return hash;
}

static inline uint64_t digest_of(const mg_arena *arena)
{
    return state_of(arena, 0);
}

static inline int64_t nodes_of(mg_arena *arena)
{
    mg_usage usage;
    mg_arena_usage(arena, &usage);
    return usage.nodes;
}

static inline double data_of(mg_arena *arena, mg_node handle)
{
    double number = NAN;
    EXPECT(mg_data(arena, 1, &handle, &number) == MG_OK);
    return number;
}

static inline double gradient_of(mg_arena *arena, mg_node handle)
{
    double number = NAN;
    EXPECT(mg_gradients(arena, 1, &handle, &number) == MG_OK);
    return number;
}

static inline void expect_free_slots(const mg_arena *arena, uint8_t *seen)
{
    int64_t freed = 0;
    for (size_t i = 0; i < arena->free_count; i++) {
        uint32_t slot = arena->free_slots[i];
        if (!EXPECT(slot > 0 && slot < arena->fresh)) return;
        EXPECT(is_free(arena, slot) && slot_at(arena, slot)->handles == 0);
        EXPECT(!seen[slot]);
        seen[slot] = 1;
    }
    for (uint32_t i = 1; i < arena->fresh; i++) freed += is_free(arena, i);
    EXPECT(freed == (int64_t)arena->free_count + arena->retired);
}

/* Count a use of a node, 0: none. */
static inline void use_count(const mg_arena *arena, uint32_t index, uint32_t *uses)
{
    if (!index || !EXPECT(index < arena->fresh)) return;
    EXPECT(!is_free(arena, index));
    uses[index]++;
}

/* Count the uses of an array's node of its gradient and of operands beyond the second. */
static inline void array_uses_count(const mg_arena *arena, const node *n, uint32_t *uses)
{
    const extra *more = n->array->extra;
    use_count(arena, n->gradient_node, uses);
    for (int i = 0; more && i < more->operand_count; i++)
        use_count(arena, extra_operands(more)[i], uses);
}

static inline void expect_references(const mg_arena *arena, uint32_t *uses)
{
    for (uint32_t i = 1; i < arena->fresh; i++) {
        const node *n = node_at(arena, i);
        if (is_free(arena, i)) continue;
        for (int which = 0; which < 2; which++) use_count(arena, n->operand[which], uses);
        if (n->bits & ARRAY) array_uses_count(arena, n, uses);
    }
    for (const walk *w = &arena->walk; w && w->root; w = w->outer) uses[w->root]++;
    for (uint32_t i = 1; i < arena->fresh; i++) {
        const node *n = node_at(arena, i);
        if (is_free(arena, i)) continue;
        EXPECT(n->references > 0);
        EXPECT(n->references >= uses[i] + slot_at(arena, i)->handles);
        EXPECT(arena->sweeps || n->references == uses[i] + slot_at(arena, i)->handles);
        EXPECT(arena->walk.root || !(n->bits & UNDER_WAY));
        EXPECT(arena->sweeps || !(n->bits & INPUT));
    }
}

/* Return the array of a living node, or NULL. */
static inline const array *living_array(const mg_arena *arena, uint32_t index)
{
    bool holds = !is_free(arena, index) && node_at(arena, index)->bits & ARRAY;
    return holds ? array_at(arena, index) : NULL;
}

/* Check that buffers know the arrays that use them; not of large arenas. */
static inline void expect_buffers(const mg_arena *arena)
{
    EXPECT(arena->temporaries.count == 0);
    if (arena->fresh > CHUNK_NODES) return;
    for (uint32_t i = 1; i < arena->fresh; i++) {
        const array *a = living_array(arena, i);
        uint32_t references = 0, views = 0;
        for (uint32_t k = 1; a && k < arena->fresh; k++) {
            const array *other = living_array(arena, k);
            if (!other || other->buffer != a->buffer) continue;
            references++;
            views += other->is_view;
        }
        EXPECT(!a || (references == a->buffer->references && views == a->buffer->views));
    }
}

/* Check that counts, free slots, references and marks fit together. */
static inline void expect_consistent(const mg_arena *arena)
{
    uint8_t *seen = calloc(arena->fresh, sizeof *seen);
    uint32_t *uses = calloc(arena->fresh, sizeof *uses);
    if (EXPECT(seen && uses)) {
        expect_free_slots(arena, seen);
        expect_references(arena, uses);
        expect_buffers(arena);
    }
    free(seen);
    free(uses);
}

/* Remove the gradients of all arrays: they may close rings, which nothing else frees. */
static inline void rings_open(mg_arena *arena)
{
    for (uint32_t i = 1; i < arena->fresh; i++) {
        node *n = node_at(arena, i);
        if (is_free(arena, i) || !(n->bits & ARRAY) || !n->gradient_node) continue;
        uint32_t gradient = n->gradient_node;
        n->gradient_node = 0;
        node_release(arena, gradient);
    }
}

/* ---- graphs to test with ----------------------------------------------------------- */

/* A number with a full mantissa from 0.5 to 1.5. */
static inline double full_number(mg_rng *rng)
{
    double high = mg_rng_random(rng), low = mg_rng_random(rng);
    return 0.5 + high + low * 0x1p-27;
}

/* A test of numbers that must agree to the last bit. */
static inline int same_bits(double x, double y)
{
    return bits_of(x) == bits_of(y);
}

#endif
