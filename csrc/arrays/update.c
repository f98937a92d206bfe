/* update.c: optimizers' steps on arrays: SGD with momentum, Adam, AdamW, in place. */
#include "arrays/arrays.h"
#include "base/vmath.h"

typedef struct update_job {
    int dtype;
    int64_t n;
    char *parameter, *m, *v;
    const char *gradient;
    const sgd_rule *sgd; /* or */
    const adam_rule *adam;
} update_job;

static void update_range(void *context, int64_t first, int64_t end)
{
    const update_job *job = context;
    int64_t offset = first * dtype_sizes[job->dtype], n = end - first;
    int which = wide_index(job->dtype);
    if (job->sgd)
        kernels()->sgd[which](n, job->parameter + offset, job->gradient + offset,
                              job->m ? job->m + offset : NULL, job->sgd);
    else
        kernels()->adam[which](n, job->parameter + offset, job->gradient + offset,
                               job->m + offset, job->v + offset, job->adam);
}

/* Find an array that is to be written to, like another one. */
static int state_find(mg_arena *arena, mg_node handle, const array *like, array **found)
{
    uint32_t index;
    MG_TRY(array_find(arena, handle, &index));
    *found = array_at(arena, index);
    MG_RETURN_IF(!(*found)->contiguous, MG_ERR_ARG);
    MG_RETURN_IF((*found)->buffer->read_only, MG_ERR_READONLY);
    MG_RETURN_IF(like && !shape_equal(*found, like), MG_ERR_SHAPE);
    return !like || (*found)->dtype == like->dtype ? MG_OK : MG_ERR_DTYPE;
}

/* A parameter, its gradient, and the state that its rule keeps; NULL: none. */
typedef struct parameter_state {
    array *parameter, *m, *v;
    const array *gradient;
} parameter_state;

/* Find parameter i with all that belongs to it. */
static int parameter_find(mg_arena *arena, int64_t i, const mg_node *parameters,
                          const mg_node *m, const mg_node *v, parameter_state *found)
{
    *found = (parameter_state){NULL, NULL, NULL, NULL};
    MG_TRY(state_find(arena, parameters[i], NULL, &found->parameter));
    const array *parameter = found->parameter;
    MG_RETURN_IF(parameter->dtype > MG_FLOAT64, MG_ERR_DTYPE);
    if (m) MG_TRY(state_find(arena, m[i], parameter, &found->m));
    if (v) MG_TRY(state_find(arena, v[i], parameter, &found->v));
    uint32_t gradient = node_at(arena, index_of(parameters[i]))->gradient_node;
    if (gradient) found->gradient = array_at(arena, gradient);
    return MG_OK;
}

/* Return the bytes of the copy that a gradient needs which is not contiguous. */
static size_t copy_size(const array *gradient)
{
    if (!gradient || gradient->contiguous) return 0;
    return (size_t)gradient->count * dtype_sizes[gradient->dtype];
}

/* Update a parameter; `scratch` has room for a copy of its gradient. */
static void parameter_update(const parameter_state *found, char *scratch, update_job *job)
{
    array copy = *found->gradient;
    if (copy_size(found->gradient)) {
        array_set_shape(&copy, copy.rank, found->gradient->shape, NULL);
        copy.data = scratch;
        map_copy(found->gradient, &copy);
    }
    job->dtype = found->parameter->dtype;
    job->n = found->parameter->count;
    job->parameter = found->parameter->data;
    job->gradient = copy.data;
    job->m = found->m ? found->m->data : NULL;
    job->v = found->v ? found->v->data : NULL;
    parallel_ranges(job->n, 2.0, update_range, job);
    found->parameter->buffer->version++;
    if (found->m) found->m->buffer->version++;
    if (found->v) found->v->buffer->version++;
}

static int update(mg_arena *arena, int64_t count, const mg_node *parameters,
                  const mg_node *m, const mg_node *v, update_job *job)
{
    parameter_state found;
    char *scratch = NULL;
    size_t size = 0;
    MG_RETURN_IF(count < 0, MG_ERR_ARG);
    for (int64_t i = 0; i < count; i++) { /* what can fail comes first */
        MG_TRY(parameter_find(arena, i, parameters, m, v, &found));
        lasting_work(arena, found.parameter->count);
        size_t needed = copy_size(found.gradient);
        if (needed > size) size = needed;
    }
    if (size) scratch = block_take(arena, size);
    MG_RETURN_IF(size && !scratch, MG_ERR_NOMEM);
    const bool holds = work_hold();
    for (int64_t i = 0; i < count; i++) {
        parameter_find(arena, i, parameters, m, v, &found);
        if (found.gradient) parameter_update(&found, scratch, job);
    }
    if (holds) work_let_go();
    if (size) block_give(arena, scratch, size);
    return MG_OK;
}

/* Derive the other constants from those given, and update. */
static MG_NOINLINE int update_sgd(mg_arena *arena, int64_t count,
                                  const mg_node *parameters, const mg_node *buffers,
                                  sgd_rule r, double dampening, bool first)
{
    update_job job = {.sgd = &r};
    r.look_ahead = r.momentum;
    r.fresh = first ? 1.0 : 1.0 - dampening;
    if (first) r.momentum = 0.0;
    return update(arena, count, parameters, buffers, NULL, &job);
}

int mg_array_sgd(mg_arena *arena, int64_t count, const mg_node *parameters,
                 const mg_node *buffers, int new_buffers, double lr, double momentum,
                 double dampening, double weight_decay, int nesterov)
{
    sgd_rule r = {.lr = lr, .momentum = momentum, .weight_decay = weight_decay};
    r.nesterov = nesterov != 0;
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status =
        update_sgd(arena, count, parameters, buffers, r, dampening, new_buffers != 0);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}

static MG_NOINLINE int update_adam(mg_arena *arena, int64_t count,
                                   const mg_node *parameters, const mg_node *m,
                                   const mg_node *v, double step, double lr, adam_rule r,
                                   bool decoupled)
{
    update_job job = {.adam = &r};
    r.step_size = lr / (1.0 - vm_pow(r.beta1, step));
    r.root_correction = sqrt(1.0 - vm_pow(r.beta2, step));
    if (decoupled) {
        r.keep = 1.0 - lr * r.decay;
        r.decay = 0.0;
    }
    return update(arena, count, parameters, m, v, &job);
}

int mg_array_adam(mg_arena *arena, int64_t count, const mg_node *parameters,
                  const mg_node *m, const mg_node *v, int64_t step, double lr,
                  double beta1, double beta2, double epsilon, double weight_decay,
                  int decoupled)
{
    adam_rule r = {.beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .keep = 1.0};
    MG_RETURN_IF(step < 1 || !m || !v, MG_ERR_ARG);
    r.decay = weight_decay;
    arena_lock(arena);
    const uint64_t mode = mode_enter();
    int status =
        update_adam(arena, count, parameters, m, v, (double)step, lr, r, decoupled != 0);
    mode_leave(mode);
    arena_unlock(arena);
    return status;
}
