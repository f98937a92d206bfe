/* array.c: the memory, shapes, strides and types of arrays.
 *
 * Memory comes in blocks of 225 sizes, four to a doubling, aligned to a cache line. A
 * block given back waits in the list of its size for the next array of about that size: a
 * fresh page costs a page fault, 0.1 ns a byte, as much as the arithmetic of an addition.
 * It is not kept if more would wait than is in use and 64 MiB; all that waits goes back
 * at once when the arena's byte limit, or the allocator, has no more. */
#include <stddef.h>

#include "base/core.h"

enum {
    SLAB_SIZE = 1 << 16,
    SMALL_BLOCK = 4096 + BLOCK_ALIGNMENT, /* up to this size they are cut from slabs */
    FREE_BYTES = 64 << 20,                /* what may wait when nothing is in use */
    EXACT_CLASSES = 17                    /* multiples of a cache line: 64 .. 1088 */
};

#define MAX_BYTES ((int64_t)1 << (sizeof(size_t) > 4 ? 62 : 30))

typedef struct block {
    struct block *next;
} block;

typedef struct slab {
    struct slab *next;
    char *fresh; /* what is left of the newest one */
    size_t left;
} slab;

const uint8_t dtype_sizes[MG_DTYPE_COUNT] = {4, 8, 2, 8, 4, 1, 1};

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
        newest->next = arena->slabs;
        newest->fresh = (char *)newest + BLOCK_ALIGNMENT;
        newest->left = SLAB_SIZE - BLOCK_ALIGNMENT;
        arena->slabs = newest;
    }
    void *cut = newest->fresh;
    newest->fresh += size;
    newest->left -= size;
    return cut;
}

/* Return a block of at least `size` bytes on a cache line, or NULL. */
void *block_take(mg_arena *arena, size_t size)
{
    size_t rounded;
    int class = class_of(size, &rounded);
    block *taken = arena->free_blocks[class];
    if (MG_UNLIKELY(arena->fail_after >= 0) && allocation_fails(arena)) return NULL;
    if (taken) {
        arena->free_blocks[class] = taken->next;
        arena->free_block_bytes -= rounded;
    } else {
        taken = rounded <= SMALL_BLOCK ? small_block(arena, rounded)
                                       : large_block(arena, rounded);
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
    if (rounded > SMALL_BLOCK &&
        arena->free_block_bytes + rounded > arena->used_block_bytes + FREE_BYTES) {
        large_block_free(arena, given, rounded);
        return;
    }
    block *freed = given;
    freed->next = arena->free_blocks[class];
    arena->free_blocks[class] = freed;
    arena->free_block_bytes += rounded;
}

/* Return the size of a class. */
static size_t class_size(int class)
{
    if (class < EXACT_CLASSES) return (size_t)(class + 1) * BLOCK_ALIGNMENT;
    int quarters = (class - EXACT_CLASSES) % 4 + 5;
    return ((size_t)quarters << ((class - EXACT_CLASSES) / 4 + 8)) + BLOCK_ALIGNMENT;
}

void blocks_trim(mg_arena *arena)
{
    for (int class = 0; class < BLOCK_CLASSES; class++) {
        size_t size = class_size(class);
        while (size > SMALL_BLOCK && arena->free_blocks[class]) {
            block *freed = arena->free_blocks[class];
            arena->free_blocks[class] = freed->next;
            arena->free_block_bytes -= size;
            large_block_free(arena, freed, size);
        }
    }
}

static void blocks_free(mg_arena *arena)
{
    blocks_trim(arena);
    while (arena->slabs) {
        slab *freed = arena->slabs;
        arena->slabs = freed->next;
        large_block_free(arena, freed, SLAB_SIZE);
    }
}

/* ---- buffers ----------------------------------------------------------------------- */

static buffer *buffer_new(mg_arena *arena, size_t size)
{
    buffer *made = block_take(arena, BLOCK_ALIGNMENT + size);
    if (!made) return NULL;
    memset(made, 0, sizeof *made);
    made->data = (char *)made + BLOCK_ALIGNMENT;
    made->size = size;
    return made;
}

/* Let mg_released() hand out the owner. */
static void buffer_release(mg_arena *arena, buffer *used)
{
    used->next = arena->released;
    arena->released = used;
}

static void buffer_unuse(mg_arena *arena, buffer *used)
{
    if (--used->references > 0) return;
    if (used->owner) {
        buffer_release(arena, used);
        return;
    }
    block_give(arena, used, BLOCK_ALIGNMENT + used->size);
}

void *mg_released(mg_arena *arena)
{
    arena_lock(arena);
    buffer *released = arena->released;
    void *owner = NULL;
    if (released) {
        owner = released->owner;
        arena->released = released->next;
        block_give(arena, released, BLOCK_ALIGNMENT);
    }
    arena_unlock(arena);
    return owner;
}

/* ---- shapes ------------------------------------------------------------------------ */

/* Return the number of elements of a shape; -1 for one below 0 or a product above
 * MAX_BYTES. */
int64_t shape_count(int rank, const int64_t *shape)
{
    int64_t count = 1, positive = 1;
    for (int d = 0; d < rank; d++) {
        if (shape[d] < 0) return -1;
        if (shape[d] > 0 && positive > MAX_BYTES / shape[d]) return -1;
        if (shape[d] > 0) positive *= shape[d];
        count *= shape[d];
    }
    return count;
}

static void row_major(int rank, const int64_t *shape, int64_t *strides)
{
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        strides[d] = stride;
        if (shape[d] > 0) stride *= shape[d];
    }
}

static bool is_contiguous(const array *a)
{
    int64_t stride = 1;
    if (a->count == 0) return true;
    for (int d = a->rank - 1; d >= 0; d--) {
        if (a->shape[d] != 1 && a->strides[d] != stride) return false;
        stride *= a->shape[d];
    }
    return true;
}

/* Give an array another shape and other strides; strides NULL: row-major. */
int array_set_shape(array *a, int rank, const int64_t *shape, const int64_t *strides)
{
    MG_RETURN_IF(rank < 0 || rank > MG_MAX_RANK, MG_ERR_SHAPE);
    int64_t count = shape_count(rank, shape);
    MG_RETURN_IF(count < 0, MG_ERR_LIMIT);
    a->rank = (uint8_t)rank;
    a->count = count;
    for (int d = 0; d < rank; d++) a->shape[d] = shape[d];
    for (int d = 0; strides && d < rank; d++) a->strides[d] = strides[d];
    if (!strides) row_major(rank, a->shape, a->strides);
    a->contiguous = !strides || is_contiguous(a);
    return MG_OK;
}

static int64_t magnitude(int64_t x)
{
    return x == INT64_MIN ? INT64_MAX : x < 0 ? -x : x;
}

/* Tell whether elements may share a place: whether an axis has a stride that does not
 * pass over all that the axes of shorter strides reach. */
bool array_overlaps(const array *a)
{
    int64_t reach = 0; /* of the axes done */
    unsigned done = 0;
    if (a->contiguous) return false;
    for (int round = 0; round < a->rank; round++) {
        int next = -1;
        for (int d = 0; d < a->rank; d++)
            if (!(done >> d & 1) &&
                (next < 0 || magnitude(a->strides[d]) < magnitude(a->strides[next])))
                next = d;
        done |= 1u << next;
        if (a->shape[next] == 1) continue;
        if (magnitude(a->strides[next]) <= reach) return true;
        reach += magnitude(a->strides[next]) * (a->shape[next] - 1);
    }
    return false;
}

bool shape_equal(const array *a, const array *b)
{
    if (a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (a->shape[d] != b->shape[d]) return false;
    return true;
}

/* Find the shape that two arrays are broadcast to. */
int shape_broadcast(const array *a, const array *b, int *rank, int64_t *shape)
{
    int longer = a->rank > b->rank ? a->rank : b->rank;
    for (int d = 1; d <= longer; d++) {
        int64_t of_a = d <= a->rank ? a->shape[a->rank - d] : 1;
        int64_t of_b = d <= b->rank ? b->shape[b->rank - d] : 1;
        MG_RETURN_IF(of_a != of_b && of_a != 1 && of_b != 1, MG_ERR_SHAPE);
        shape[longer - d] = of_a == 1 ? of_b : of_a;
    }
    *rank = longer;
    return MG_OK;
}

/* ---- types ------------------------------------------------------------------------- */

/* Return PyTorch's common type: float64 over float32 over float16 over integers over
 * bool; the wider integer. */
int dtype_promote(int a, int b)
{
    static const uint8_t order[MG_DTYPE_COUNT] = {5, 6, 4, 3, 2, 1, 0};
    return order[a] >= order[b] ? a : b;
}

/* ---- arrays ------------------------------------------------------------------------ */

static int array_empty(mg_arena *arena, array **made)
{
    array *a = block_take(arena, sizeof *a);
    MG_RETURN_IF(!a, MG_ERR_NOMEM);
    memset(a, 0, offsetof(array, shape));
    *made = a;
    return MG_OK;
}

/* Make a contiguous array, whose elements are not set. */
int array_new(mg_arena *arena, int dtype, int rank, const int64_t *shape, array **made)
{
    array *a;
    MG_TRY(array_empty(arena, &a));
    a->dtype = (uint8_t)dtype;
    int status = array_set_shape(a, rank, shape, NULL);
    if (status == MG_OK && a->count > MAX_BYTES / dtype_sizes[dtype])
        status = MG_ERR_LIMIT;
    if (status == MG_OK) {
        a->buffer = buffer_new(arena, (size_t)a->count * dtype_sizes[dtype]);
        if (!a->buffer) status = MG_ERR_NOMEM;
    }
    if (status < 0) {
        block_give(arena, a, sizeof *a);
        return status;
    }
    a->buffer->references = 1;
    a->data = a->buffer->data;
    *made = a;
    return MG_OK;
}

/* Make an array that shows the same elements. */
int array_view(mg_arena *arena, const array *of, array **made)
{
    array *a;
    MG_TRY(array_empty(arena, &a));
    *a = *of;
    a->extra = NULL;
    a->attached = NULL;
    a->operand_count = 0;
    a->is_view = true;
    a->buffer->references++;
    a->buffer->views++;
    *made = a;
    return MG_OK;
}

/* Free an array that no node holds. */
void array_free(mg_arena *arena, array *a)
{
    if (a->extra) block_give(arena, a->extra, (size_t)a->extra->size);
    if (a->is_view) a->buffer->views--;
    if (a->attached) buffer_release(arena, a->attached);
    buffer_unuse(arena, a->buffer);
    block_give(arena, a, sizeof *a);
}

/* Take away one reference; a node without any more joins the pending ones. */
static uint32_t unuse_later(mg_arena *arena, uint32_t index, uint32_t pending)
{
    node *n = node_at(arena, index);
    if (--n->references > 0) return pending;
    n->references = pending;
    return index;
}

/* Free the array of a node that is being freed, and what it refers to beside the first
 * two operands. Returns the list of pending nodes. */
uint32_t array_unlink(mg_arena *arena, node *n, uint32_t pending)
{
    array *a = n->array;
    if (n->gradient_node) pending = unuse_later(arena, n->gradient_node, pending);
    if (a->extra) {
        const uint32_t *more = extra_operands(a->extra);
        for (int i = 0; i < a->extra->operand_count; i++)
            pending = unuse_later(arena, more[i], pending);
    }
    array_free(arena, a);
    return pending;
}

/* Free the arrays of all nodes and all blocks, at the end of an arena. */
void arrays_free(mg_arena *arena)
{
    for (uint32_t index = 1; index < arena->fresh; index++) {
        const node *n = node_at(arena, index);
        if ((n->kind & ARRAY) && !(n->kind & FREED)) array_free(arena, n->array);
    }
    blocks_free(arena);
}

/* ---- nodes ------------------------------------------------------------------------- */

/* Find the living node of an array. */
int array_find(mg_arena *arena, mg_node handle, uint32_t *index)
{
    MG_TRY(node_find_any(arena, handle, index));
    return node_at(arena, *index)->kind & ARRAY ? MG_OK : MG_ERR_DTYPE;
}

/* Make a leaf that holds an array, which is freed when that fails. */
int array_leaf(mg_arena *arena, array *a, uint32_t *made)
{
    int status = node_make(arena, MG_LEAF, 0, 0, 0.0, made);
    if (status < 0) {
        array_free(arena, a);
        return status;
    }
    node *n = node_at(arena, *made);
    n->array = a;
    n->gradient_node = n->slot = 0;
    n->kind |= ARRAY;
    a->version = a->buffer->version;
    return MG_OK;
}

static bool is_shape(int dtype, int rank, const int64_t *shape)
{
    if (dtype < 0 || dtype >= MG_DTYPE_COUNT || rank < 0 || rank > MG_MAX_RANK)
        return false;
    for (int d = 0; d < rank; d++)
        if (shape[d] < 0) return false;
    return true;
}

static mg_node array_copy_in(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                             const void *data)
{
    array *a;
    uint32_t made;
    MG_RETURN_IF(!is_shape(dtype, rank, shape), MG_ERR_ARG);
    MG_TRY(array_new(arena, dtype, rank, shape, &a));
    if (!data)
        memset(a->data, 0, a->buffer->size);
    else if (dtype == MG_BOOL) /* any byte but 0 is true */
        kernels()->cast[MG_UINT8][MG_BOOL](a->count, data, a->data);
    else if (a->buffer->size)
        memcpy(a->data, data, a->buffer->size);
    MG_TRY(array_leaf(arena, a, &made));
    return handle_give(arena, made);
}

mg_node mg_array(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                 const void *data)
{
    arena_lock(arena);
    mg_node made = array_copy_in(arena, dtype, rank, shape, data);
    arena_unlock(arena);
    return made;
}

/* Make an array over the memory of an owner. */
static int array_over(mg_arena *arena, void *data, void *owner, array **made)
{
    array *a;
    MG_TRY(array_empty(arena, &a));
    buffer *shared = block_take(arena, BLOCK_ALIGNMENT);
    if (!shared) {
        block_give(arena, a, sizeof *a);
        return MG_ERR_NOMEM;
    }
    memset(shared, 0, sizeof *shared);
    shared->owner = owner;
    shared->references = 1;
    shared->data = a->data = data;
    a->buffer = shared;
    *made = a;
    return MG_OK;
}

/* Set the strides of an array that is in the memory of an owner; NULL: row-major. Those
 * along which there is one element at most mean nothing, and are not taken over. */
static int shared_shape(array *a, int rank, const int64_t *shape, const int64_t *strides)
{
    int64_t reach = 0;
    MG_TRY(array_set_shape(a, rank, shape, NULL));
    MG_RETURN_IF(a->count > MAX_BYTES / dtype_sizes[a->dtype], MG_ERR_LIMIT);
    if (!strides || a->count == 0) return MG_OK;
    int64_t used[MG_MAX_RANK];
    memcpy(used, a->strides, sizeof used);
    for (int d = 0; d < rank; d++) {
        if (shape[d] == 1) continue;
        int64_t stride = magnitude(strides[d]), room = MAX_BYTES - reach;
        MG_RETURN_IF(stride > room / dtype_sizes[a->dtype] / (shape[d] - 1),
                     MG_ERR_LIMIT);
        reach += stride * (shape[d] - 1) * dtype_sizes[a->dtype];
        used[d] = strides[d];
    }
    return array_set_shape(a, rank, shape, used);
}

static mg_node array_share(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                           const int64_t *strides, void *data, int read_only, void *owner)
{
    array *a;
    uint32_t made;
    MG_RETURN_IF(!is_shape(dtype, rank, shape) || !owner, MG_ERR_ARG);
    MG_RETURN_IF((uintptr_t)data % dtype_sizes[dtype], MG_ERR_ARG);
    MG_TRY(array_over(arena, data, owner, &a));
    a->dtype = (uint8_t)dtype;
    a->buffer->read_only = read_only != 0;
    int status = shared_shape(a, rank, shape, strides);
    if (status == MG_OK) status = node_make(arena, MG_LEAF, 0, 0, 0.0, &made);
    if (status < 0) { /* the owner stays the caller's */
        block_give(arena, a->buffer, BLOCK_ALIGNMENT);
        block_give(arena, a, sizeof *a);
        return status;
    }
    node_at(arena, made)->array = a;
    node_at(arena, made)->kind |= ARRAY;
    return handle_give(arena, made);
}

mg_node mg_array_share(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                       const int64_t *strides, void *data, int read_only, void *owner)
{
    arena_lock(arena);
    mg_node made =
        array_share(arena, dtype, rank, shape, strides, data, read_only, owner);
    arena_unlock(arena);
    return made;
}

static int attach(mg_arena *arena, mg_node handle, void *object)
{
    uint32_t index;
    buffer *attached = NULL;
    MG_TRY(array_find(arena, handle, &index));
    array *a = array_at(arena, index);
    if (object) {
        attached = block_take(arena, BLOCK_ALIGNMENT);
        MG_RETURN_IF(!attached, MG_ERR_NOMEM);
        memset(attached, 0, sizeof *attached);
        attached->owner = object;
    }
    if (a->attached) buffer_release(arena, a->attached);
    a->attached = attached;
    return MG_OK;
}

int mg_attach(mg_arena *arena, mg_node handle, void *object)
{
    arena_lock(arena);
    int status = attach(arena, handle, object);
    arena_unlock(arena);
    return status;
}

void *mg_attached(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int status = array_find(arena, handle, &index);
    const buffer *attached = status == MG_OK ? array_at(arena, index)->attached : NULL;
    arena_unlock(arena);
    return attached ? attached->owner : NULL;
}

int64_t mg_references(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int64_t references = array_find(arena, handle, &index);
    if (references == MG_OK) references = node_at(arena, index)->references;
    arena_unlock(arena);
    return references;
}

void *mg_owner(mg_arena *arena, mg_node handle)
{
    uint32_t index;
    arena_lock(arena);
    int status = array_find(arena, handle, &index);
    void *owner = status == MG_OK ? array_at(arena, index)->buffer->owner : NULL;
    arena_unlock(arena);
    return owner;
}

static int describe(mg_arena *arena, mg_node handle, mg_array_info *info)
{
    uint32_t index;
    MG_TRY(array_find(arena, handle, &index));
    const node *n = node_at(arena, index);
    const array *a = n->array;
    memset(info, 0, sizeof *info);
    info->dtype = a->dtype;
    info->rank = a->rank;
    info->count = a->count;
    memcpy(info->shape, a->shape, a->rank * sizeof *a->shape);
    memcpy(info->strides, a->strides, a->rank * sizeof *a->strides);
    info->data = a->data;
    info->op = op_of(n);
    info->operands = (int)a->operand_count;
    info->requires_grad = (n->kind & REQUIRES) != 0;
    info->retains_grad = (n->kind & RETAINS) != 0;
    info->contiguous = a->contiguous;
    info->read_only = a->buffer->read_only;
    info->views = (int)a->buffer->views;
    info->version = a->buffer->version;
    return MG_OK;
}

int mg_array_describe(mg_arena *arena, mg_node handle, mg_array_info *info)
{
    arena_lock(arena);
    int status = describe(arena, handle, info);
    arena_unlock(arena);
    return status;
}

uint32_t operand_index(const mg_arena *arena, uint32_t index, int which)
{
    const node *n = node_at(arena, index);
    return which < 2 ? n->operand[which] : extra_operands(n->array->extra)[which - 2];
}

mg_node mg_array_operand(mg_arena *arena, mg_node handle, int which)
{
    uint32_t index;
    arena_lock(arena);
    mg_node operand = array_find(arena, handle, &index);
    if (operand == MG_OK) {
        bool there =
            which >= 0 && (uint32_t)which < array_at(arena, index)->operand_count;
        operand =
            there ? handle_give(arena, operand_index(arena, index, which)) : MG_ERR_ARG;
    }
    arena_unlock(arena);
    return operand;
}
