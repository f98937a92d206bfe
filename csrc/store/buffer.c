/* buffer.c: the memory of arrays, with the owners of what is shared, shapes and strides,
 * and arrays as views of a buffer. */
#include <stddef.h>

#include "store/store.h"

#define MAX_BYTES ((int64_t)1 << (sizeof(size_t) > 4 ? 62 : 30))

/* ---- buffers ----------------------------------------------------------------------- */

/* Take a block while calls are recorded, those of this thread or others. */
static MG_NOINLINE buffer *recorded_block(mg_arena *arena, size_t size,
                                          struct storage **home)
{
    recorder *r = recorder_of(arena);
    return r ? r->take(r, size, home) : block_take(arena, BLOCK_ALIGNMENT + size);
}

static buffer *buffer_new(mg_arena *arena, size_t size)
{
    lasting_work(arena, (int64_t)(size / sizeof(float)));
    struct storage *home = NULL;
    buffer *made = MG_UNLIKELY(arena->recorder != NULL)
                       ? recorded_block(arena, size, &home)
                       : block_take(arena, BLOCK_ALIGNMENT + size);
    if (!made) return NULL;
    memset(made, 0, sizeof *made);
    made->home = home;
    made->data = (char *)made + BLOCK_ALIGNMENT;
    made->size = size;
    return made;
}

/* Let mg_released() hand out the owner. */
void owner_release(mg_arena *arena, buffer *used)
{
    used->next = arena->released;
    arena->released = used;
}

MG_INLINE void release(mg_arena *arena, buffer *used)
{
    if (--used->references > 0) return;
    if (used->owner) {
        owner_release(arena, used);
        return;
    }
    if (MG_UNLIKELY(used->home != NULL))
        arena->recorder->give(arena->recorder, used);
    else
        block_give(arena, used, BLOCK_ALIGNMENT + used->size);
}

/* Give back a reference. */
void buffer_release(mg_arena *arena, buffer *used)
{
    release(arena, used);
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

/* Tell whether a caller's numbers are a type and a shape. */
bool is_shape(int dtype, int rank, const int64_t *shape)
{
    if (dtype < 0 || dtype >= MG_DTYPE_COUNT || rank < 0 || rank > MG_MAX_RANK)
        return false;
    for (int d = 0; d < rank; d++)
        if (shape[d] < 0) return false;
    return true;
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

/* Find the shape that two shapes are broadcast to. */
int shapes_broadcast(int a_rank, const int64_t *a, int b_rank, const int64_t *b, int *rank,
                     int64_t *shape)
{
    int longer = a_rank > b_rank ? a_rank : b_rank;
    for (int d = 1; d <= longer; d++) {
        int64_t of_a = d <= a_rank ? a[a_rank - d] : 1;
        int64_t of_b = d <= b_rank ? b[b_rank - d] : 1;
        MG_RETURN_IF(of_a != of_b && of_a != 1 && of_b != 1, MG_ERR_SHAPE);
        shape[longer - d] = of_a == 1 ? of_b : of_a;
    }
    *rank = longer;
    return MG_OK;
}

/* Find the shape that two arrays are broadcast to. */
int shape_broadcast(const array *a, const array *b, int *rank, int64_t *shape)
{
    return shapes_broadcast(a->rank, a->shape, b->rank, b->shape, rank, shape);
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
    if (a->attached) owner_release(arena, a->attached);
    release(arena, a->buffer);
    block_give(arena, a, sizeof *a);
}

/* ---- memory of an owner ------------------------------------------------------------ */

/* Make an array over the memory of an owner. */
int array_of_memory(mg_arena *arena, void *data, void *owner, array **made)
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
int array_set_shared_shape(array *a, int rank, const int64_t *shape,
                           const int64_t *strides)
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
