/* array.c: arrays as nodes: making, sharing and describing them. */
#include "arrays/arrays.h"

/* Find the living node of an array. */
int array_find(mg_arena *arena, mg_node handle, uint32_t *index)
{
    uint32_t bits;
    MG_TRY(handle_check(arena, handle, &bits));
    *index = index_of(handle);
    return bits & ARRAY ? MG_OK : MG_ERR_DTYPE;
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
    n->bits |= ARRAY;
    a->version = a->buffer->version;
    return MG_OK;
}

/* Set the elements of a new array, to 0 without data. */
static void elements_set(array *a, const char *data)
{
    const size_t slice = ((size_t)1 << 22) / MG_ASK_OFTEN, size = a->buffer->size;
    if (data && a->dtype == MG_BOOL) { /* any byte but 0 is true */
        cast_elements(MG_UINT8, MG_BOOL, a->count, data, a->data);
        return;
    }
    for (size_t first = 0; first < size && work_goes_on(); first += slice) {
        size_t left = size - first, n = left < slice ? left : slice;
        if (data) memcpy(a->data + first, data + first, n);
        else memset(a->data + first, 0, n);
    }
}

/* Make a node of an array that was filled, and free it if that was given up. */
int array_finish(mg_arena *arena, array *a, int status, uint32_t *made)
{
    status = work_status(status);
    if (status == MG_OK) return array_leaf(arena, a, made);
    array_free(arena, a);
    return status;
}

static mg_node array_copy_in(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                             const void *data)
{
    array *a;
    uint32_t made;
    MG_RETURN_IF(!is_shape(dtype, rank, shape), MG_ERR_ARG);
    MG_TRY(array_new(arena, dtype, rank, shape, &a));
    elements_set(a, data);
    MG_TRY(array_finish(arena, a, MG_OK, &made));
    constant_remember(arena, made);
    return handle_retain(arena, made);
}

mg_node mg_array(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                 const void *data)
{
    MG_TRY(arena_enter(arena));
    mg_node made = array_copy_in(arena, dtype, rank, shape, data);
    arena_unlock(arena);
    return made;
}

static mg_node array_share(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                           const int64_t *strides, void *data, int read_only, void *owner)
{
    array *a;
    uint32_t made;
    MG_RETURN_IF(!is_shape(dtype, rank, shape) || !owner, MG_ERR_ARG);
    MG_RETURN_IF((uintptr_t)data % dtype_sizes[dtype], MG_ERR_ARG);
    MG_TRY(array_of_memory(arena, data, owner, &a));
    a->dtype = (uint8_t)dtype;
    a->buffer->read_only = read_only != 0;
    int status = array_set_shared_shape(a, rank, shape, strides);
    if (status == MG_OK) status = node_make(arena, MG_LEAF, 0, 0, 0.0, &made);
    if (status < 0) { /* the owner stays the caller's */
        block_give(arena, a->buffer, BLOCK_ALIGNMENT);
        block_give(arena, a, sizeof *a);
        return status;
    }
    node_at(arena, made)->array = a;
    node_at(arena, made)->bits |= ARRAY;
    return handle_retain(arena, made);
}

mg_node mg_array_share(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                       const int64_t *strides, void *data, int read_only, void *owner)
{
    MG_TRY(arena_enter(arena));
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
    if (a->attached) owner_release(arena, a->attached);
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
    info->dtype = a->dtype;
    info->rank = a->rank;
    info->count = a->count;
    memcpy(info->shape, a->shape, a->rank * sizeof *a->shape);
    memcpy(info->strides, a->strides, a->rank * sizeof *a->strides);
    info->data = a->data;
    info->op = op_of(n);
    info->operands = (int)a->operand_count;
    info->requires_grad = (n->bits & REQUIRES) != 0;
    info->retains_grad = (n->bits & RETAINS) != 0;
    info->contiguous = a->contiguous;
    info->read_only = a->buffer->read_only;
    info->views = (int)a->buffer->views;
    info->version = a->buffer->version;
    return MG_OK;
}

int mg_array_describe(mg_arena *arena, mg_node handle, mg_array_info *info)
{
    MG_TRY(arena_enter(arena));
    int status = describe(arena, handle, info);
    arena_unlock(arena);
    return status;
}

/* Tell whether a node is a living array in a buffer. */
static bool is_in(mg_arena *arena, uint32_t index, const buffer *memory)
{
    const node *n = node_at(arena, index);
    return (n->bits & ARRAY) && !(n->bits & FREED) && n->array->buffer == memory;
}

static int64_t memory_handles(mg_arena *arena, mg_node handle)
{
    uint32_t found;
    int64_t count = 0;
    nodes_settle(arena);
    MG_TRY(array_find(arena, handle, &found));
    const buffer *memory = array_at(arena, found)->buffer;
    for (uint32_t index = 1; index < arena->fresh; index++) {
        const node *n = node_at(arena, index);
        if (!(n->bits & ARRAY) || n->bits & FREED) continue;
        if (n->array->buffer == memory) count += n->references;
        for (uint32_t i = 0; i < n->array->operand_count; i++)
            count -= is_in(arena, operand_index(arena, index, (int)i), memory);
    }
    return count;
}

int64_t mg_memory_handles(mg_arena *arena, mg_node handle)
{
    arena_lock(arena);
    int64_t count = memory_handles(arena, handle);
    arena_unlock(arena);
    return count;
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
            there ? handle_share(arena, operand_index(arena, index, which)) : MG_ERR_ARG;
    }
    arena_unlock(arena);
    return operand;
}
